"""Peak memory beyond X, as a share of X: core consistency, and a rank sweep 1..10, at 200^3 float64.

    python benchmarks/bench_memory.py            # about one minute, writes results/memory.json

Every figure comes from a child process of its own: X is loaded, the same call on a small tensor loads kernels and
libraries, the peak is set back, and then the resident memory before the call is taken from the peak after it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import measure
import numpy as np
import workloads
from workloads import Array, Shape

import autoten
from autoten import ALS

# Memory does not depend on how long a fit runs, nor on the number of starts and folds.
OPTIONS = {"solver": ALS(max_iter=10), "n_starts": 4, "n_folds": 3, "random_state": 0}


class Grid(NamedTuple):
    """What is measured: calls by name, rank and number of workers."""

    shape: Shape
    calls: tuple[tuple[str, int, int], ...]


FULL = Grid(
    (200, 200, 200),
    (("core consistency", 5, 1), ("core consistency", 10, 1), ("rank sweep", 10, 1), ("rank sweep", 10, 2)),
)
SMOKE = Grid((30, 30, 30), (("core consistency", 2, 1), ("rank sweep", 2, 1)))


def run(grid: Grid) -> measure.Row:
    size, rows = 8 * int(np.prod(grid.shape)), []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "X.npy")
        np.save(path, workloads.noisy_cp(grid.shape).X)
        for what, rank, workers in grid.calls:
            extra = measure.in_a_child(extra_memory, path, what, rank, workers)
            rows.append({"what": what, "rank": rank, "workers": workers, "bytes": extra})
            rows[-1]["share_per_worker"] = extra / size / workers
            print(rows[-1], flush=True)
    return {"shape": list(grid.shape), "n_starts": OPTIONS["n_starts"], "n_folds": OPTIONS["n_folds"], "rows": rows}


def extra_memory(path: str, what: str, rank: int, workers: int) -> int:
    """Return the bytes that a call needs at its peak beyond what is resident before it."""
    task: Any = core_consistency if what == "core consistency" else rank_sweep
    with measure.one_thread():
        task(workloads.noisy_cp((12, 11, 10)).X, min(rank, 3), workers)
        X = np.load(path)
        measure.forget_peak()
        before = measure.resident()
        task(X, rank, workers)
        return measure.peak() - before


def core_consistency(X: Array, rank: int, workers: int) -> None:
    autoten.core_consistency(X, (np.ones(rank), workloads.factors(X.shape, rank)))


def rank_sweep(X: Array, rank: int, workers: int) -> None:
    autoten.estimate_rank(X, range(1, rank + 1), n_jobs=workers, **OPTIONS)


if __name__ == "__main__":
    measure.main("memory", __doc__, run, FULL, SMOKE)
