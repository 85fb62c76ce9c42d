"""Peak memory beyond X, as a share of X: core consistency, and a rank sweep 1..10, at 200^3 float64.

    python benchmarks/bench_memory.py            # about one minute, writes results/memory.json
    python benchmarks/bench_memory.py --smoke    # a tiny tensor, writes nothing

Every figure comes from a child process of its own: X is loaded, the same call on a small tensor loads kernels and
libraries, the peak is set back, and then the resident memory before the call is taken from the peak after it. On Linux
that is VmHWM, which ``resource.getrusage(...).ru_maxrss`` reports too, but for what a child inherits from its parent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import numpy as np
import timed
from children import forget_peak, in_a_child, peak, resident
from measure import say
from timed import Array, Shape

import autoten
from autoten import ALS

# Memory does not depend on how long a fit runs, nor on the number of starts and folds.
SOLVER = ALS(max_iter=10)
N_STARTS = 4
N_FOLDS = 3


@dataclass(frozen=True)
class Grid:
    """What is measured."""

    shape: Shape
    consistency_ranks: tuple[int, ...]
    largest_rank: int
    workers: tuple[int, ...]


FULL = Grid((200, 200, 200), consistency_ranks=(5, 10), largest_rank=10, workers=(1, 2))
SMOKE = Grid((30, 30, 30), consistency_ranks=(2,), largest_rank=2, workers=(1,))


def run(grid: Grid) -> dict[str, Any]:
    """Measure everything."""
    calls = [("core consistency", rank, 1, _core_consistency) for rank in grid.consistency_ranks]
    calls += [("rank sweep", grid.largest_rank, workers, _rank_sweep) for workers in grid.workers]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "X.npy")
        in_a_child(_save, path, grid.shape)
        rows = [_row(grid.shape, path, *call) for call in calls]
    return {"shape": list(grid.shape), "n_starts": N_STARTS, "n_folds": N_FOLDS, "rows": rows}


def _row(shape: Shape, path: str, what: str, rank: int, workers: int, task: Callable[..., Any]) -> dict[str, Any]:
    extra = in_a_child(extra_memory, path, task, rank, workers)
    size = 8 * int(np.prod(shape))
    row = {"what": what, "rank": rank, "workers": workers, "bytes": extra, "share_per_worker": extra / size / workers}
    say(
        f"{what} {timed.label(shape)} R {rank}, {workers} workers: {extra / 1e6:.1f} MB beyond X of {size / 1e6:.0f} MB"
    )
    return row


def _save(path: str, shape: Shape) -> None:
    np.save(path, timed.noisy_cp(shape).X)


def extra_memory(path: str, task: Callable[[Array, int, int], Any], rank: int, workers: int) -> int:
    """Return the bytes that `task` needs at its peak beyond what is resident before it."""
    with measure.one_thread():
        task(timed.noisy_cp((12, 11, 10)).X, min(rank, 3), workers)
        X = np.load(path)
        forget_peak()
        before = resident()
        task(X, rank, workers)
        return peak() - before


def _core_consistency(X: Array, rank: int, workers: int) -> None:
    autoten.core_consistency(X, (np.ones(rank), timed.factors(X.shape, rank)))


def _rank_sweep(X: Array, rank: int, workers: int) -> None:
    ranks = range(1, rank + 1)
    autoten.estimate_rank(X, ranks, solver=SOLVER, n_starts=N_STARTS, n_folds=N_FOLDS, random_state=0, n_jobs=workers)


if __name__ == "__main__":
    measure.main("memory", __doc__, run, FULL, SMOKE)
