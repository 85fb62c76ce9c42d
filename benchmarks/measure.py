"""How every benchmark measures: one thread, CPU time of this process, rivals in turns (ABAB), medians."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import machine
import numpy as np
from threadpoolctl import threadpool_limits

Sizes = TypeVar("Sizes")
Clock = Callable[[], float]

RESULTS = Path(__file__).parent / "results"

# Our kernels are serial; BLAS, the only other source of threads here, gets one.
THREADS = {"blas": 1, "numba": 1}

# A sweep is timed by difference, so that what a fit does once (checks, start, final error) drops out.
FEW_SWEEPS = 2


def one_thread() -> Any:
    """Return a context in which BLAS has one thread."""
    return threadpool_limits(limits=THREADS["blas"], user_api="blas")


def seconds_of(function: Callable[[], Any], clock: Clock = time.process_time) -> float:
    """Return the seconds of one call."""
    began = clock()
    function()
    return clock() - began


def alternating(
    functions: Mapping[str, Callable[[], Any]], repeats: int, clock: Clock = time.process_time, *, warm: bool = True
) -> dict[str, float]:
    """Return the median seconds of each function, all of them called in turns after one call that does not count."""
    if warm:
        for function in functions.values():
            function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            seconds[name].append(seconds_of(function, clock))
    return {name: float(np.median(values)) for name, values in seconds.items()}


def seconds_per_sweep(runs: Mapping[str, Callable[[int], Any]], sweeps: int, repeats: int) -> dict[str, float]:
    """Return the median seconds of one sweep: each run takes a number of sweeps and does exactly that many."""
    for run in runs.values():
        run(FEW_SWEEPS)
    differences: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            few = seconds_of(lambda run=run: run(FEW_SWEEPS))
            many = seconds_of(lambda run=run: run(FEW_SWEEPS + sweeps))
            differences[name].append((many - few) / sweeps)
    return {name: float(np.median(values)) for name, values in differences.items()}


def say(*words: Any) -> None:
    """Print a line of progress."""
    print(*words, flush=True)


def short(seconds: float) -> str:
    """Return seconds in a fitting unit."""
    return f"{seconds:.3g} s" if abs(seconds) >= 1 else f"{1e3 * seconds:.3g} ms"


def main(name: str, about: str | None, run: Callable[[Sizes], dict[str, Any]], full: Sizes, smoke: Sizes) -> None:
    """Run a benchmark on one thread and write its results; the command line of every script but bench_recovery."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to see that it runs; nothing is written")
    options = parser.parse_args()
    where, began = machine.record(), time.monotonic()
    with one_thread():
        results = run(smoke if options.smoke else full)
    say(f"{name}: {time.monotonic() - began:.0f} s in all")
    if not options.smoke:
        write(name, where, results)


def write(name: str, where: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Write results/`name`.json, with what ran where and how."""
    command = f"python benchmarks/{Path(sys.argv[0]).name}"
    record = {"command": command, "machine": where, "threads": THREADS, "clock": "time.process_time"}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(record | dict(results), indent=1) + "\n", encoding="utf-8")
