"""What every result file says about where it was made."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

PACKAGES = ("numpy", "scipy", "numba", "tensorly", "pyttb", "tensorly-viz", "scikit-learn")


def record() -> dict[str, Any]:
    """Return processor, load, BLAS and versions."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "blas": sorted({_blas_name(pool) for pool in threadpool_info() if pool["user_api"] == "blas"}),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
    }


def _blas_name(pool: dict[str, Any]) -> str:
    return " ".join(str(pool[key]) for key in ("internal_api", "version", "architecture") if pool.get(key))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
