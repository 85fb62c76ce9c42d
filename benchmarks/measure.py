"""How every benchmark measures: one thread, CPU time of this process, rivals in turns (ABAB), medians.

Seconds, the machine that a result file names, the command line of the scripts, and tables in Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "scipy", "numba", "tensorly", "pyttb", "tensorly-viz", "scikit-learn")

# Our kernels are serial; BLAS, the only other source of threads here, gets one.
THREADS = {"blas": 1, "numba": 1}

# A sweep is timed by difference, so that what a fit does once (checks, start, final error) drops out.
FEW_SWEEPS = 2

Row = dict[str, Any]
Runs = Mapping[str, Callable[..., Any]]


def main(name: str, about: str | None, run: Callable[[Any], Row], full: Any, smoke: Any) -> None:
    """Run a benchmark on one thread and write results/`name`.json: the command line of every script."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it runs; into --out, if given")
    parser.add_argument("--out", type=Path, help="folder of the result (default: results beside the script)")
    options = parser.parse_args()
    where, began = machine(), time.monotonic()
    with one_thread():
        results = run(smoke if options.smoke else full)
    print(f"{name}: {time.monotonic() - began:.0f} s in all")
    if options.out or not options.smoke:
        command = f"python benchmarks/{Path(sys.argv[0]).name}"
        record = {"command": command, "machine": where, "threads": THREADS, "clock": "time.process_time"}
        write(options.out or RESULTS, name, record | results)


def write(folder: Path, name: str, results: Row) -> None:
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read(name: str) -> Row:
    return dict(json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")))


def machine() -> Row:
    """Return processor, load, BLAS and versions."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    packages = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            packages[name] = version(name)
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    names = ("internal_api", "version", "architecture")
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "blas": sorted({" ".join(str(pool[key]) for key in names if pool.get(key)) for pool in pools}),
        "python": platform.python_version(),
        "packages": packages,
    }


# --- seconds ---


def one_thread() -> Any:
    """Return a context in which BLAS has one thread."""
    return threadpool_limits(limits=THREADS["blas"], user_api="blas")


def seconds_of(function: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    began = clock()
    function()
    return clock() - began


def alternating(
    functions: Runs, repeats: int, clock: Callable[[], float] = time.process_time, *, warm: bool = True
) -> dict[str, float]:
    """Return the median seconds of each function, all of them called in turns after one call that does not count."""
    if warm:
        for function in functions.values():
            function()
    seconds = [[seconds_of(function, clock) for function in functions.values()] for _ in range(repeats)]
    return dict(zip(functions, np.median(seconds, axis=0).tolist(), strict=True))


def seconds_per_sweep(runs: Runs, sweeps: int, repeats: int) -> dict[str, float]:
    """Return the median seconds of one sweep: each run takes a number of sweeps and does exactly that many."""

    def one(run: Callable[[int], Any]) -> float:
        few = seconds_of(lambda: run(FEW_SWEEPS))
        return (seconds_of(lambda: run(FEW_SWEEPS + sweeps)) - few) / sweeps

    for run in runs.values():
        run(FEW_SWEEPS)
    seconds = [[one(run) for run in runs.values()] for _ in range(repeats)]
    return dict(zip(runs, np.median(seconds, axis=0).tolist(), strict=True))


# --- words ---


def markdown(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table, rows of the same heads (that of pandas needs tabulate, which is not in the lock)."""
    cells = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
    return [f"| {' | '.join(map(str, row))} |" for row in cells]


def report(what: str, seconds: Mapping[str, float]) -> None:
    """Print a line of progress."""
    print(f"{what}:", ", ".join(f"{name} {value:.3g} s" for name, value in seconds.items()), flush=True)
