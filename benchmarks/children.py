"""A process for every figure: peak memory is that of one call, and nothing of what was measured before."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any


def in_a_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of a module returns in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as child:
        return child.submit(function, *arguments).result()


def forget_peak() -> None:
    """Set the peak back to what is resident now."""
    with suppress(OSError):  # Linux alone can
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def resident() -> int:
    """Return the bytes that are resident now."""
    return _status("VmRSS") or _largest()


def peak() -> int:
    """Return the largest number of bytes that were resident since `forget_peak`."""
    return _status("VmHWM") or _largest()


def _status(name: str) -> int | None:
    """Return a figure of /proc/self/status in bytes."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def _largest() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
