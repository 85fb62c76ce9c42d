"""What an array read in chunks costs against its size: passes, sweeps, a whole estimate, peak memory; and a cluster.

    python benchmarks/bench_distributed.py            # about five minutes, writes results/distributed.json
    python benchmarks/bench_distributed.py --smoke    # tiny arrays, writes nothing

X is made chunk by chunk, a CP tensor of rank 2 and noise, so that no disk is measured; making it is timed alone and is
part of every pass. Each size runs in a child process of its own; the peak memory is that of the estimate.
Wall clock, since a cluster's time is not this process's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import children
import measure
import numpy as np
from measure import say

import autoten
from autoten import ALS, Blocks, streamed
from autoten.model import CPModel
from autoten.parafac import fit_parafac

RANK = 2
SOLVER = ALS(max_iter=20)
SWEEPS = 5


@dataclass(frozen=True)
class Grid:
    """What is measured: cubes of these sides, in chunks of that one, and a cluster of so many workers."""

    sides: tuple[int, ...]
    chunk: int
    workers: tuple[int, ...]
    largest_rank: int


FULL = Grid((192, 256, 384), chunk=64, workers=(1, 2), largest_rank=3)
SMOKE = Grid((24,), chunk=12, workers=(1,), largest_rank=1)


def run(grid: Grid) -> dict[str, Any]:
    """Measure everything."""
    rows = []
    for side in grid.sides:
        row = children.in_a_child(of_one_size, side, grid.chunk, grid.largest_rank)
        say(f"{side} cubed, {row['bytes'] / 1e6:.0f} MB: {row['seconds']}, peak {row['peak_share']:.1%} of X")
        rows.append(row)
    clusters = [of_a_cluster(workers, grid.sides[-1], grid.chunk) for workers in grid.workers]
    for row in clusters:
        say(f"{row['workers']} workers: a sweep in {row['sweep']:.3g} s")
    return {"chunk": grid.chunk, "rank": RANK, "rows": rows, "clusters": clusters, "clock": "time.monotonic"}


def lazy(side: int, chunk: int) -> Any:
    """Return a cube as a dask array of which no chunk exists before it is asked for."""
    import dask.array as da

    factors = [np.random.default_rng(mode).standard_normal((side, RANK)) for mode in range(3)]
    # Fresh noise would take three times as long as all the rest of a pass: every chunk has this, turned its own way.
    noise = 0.1 * np.random.default_rng(9).standard_normal((chunk, chunk, chunk))

    def block(block_info: Any = None) -> Any:
        places = block_info[None]["array-location"]
        a, b, c = (factor[slice(*place)] for factor, place in zip(factors, places, strict=True))
        turns = [first // chunk for first, _ in places]
        return a[:, None] * b @ c.T + np.roll(noise, turns, axis=(0, 1, 2))

    lengths = [(chunk,) * (side // chunk)] * 3
    return da.map_blocks(block, chunks=lengths, dtype=float, meta=np.empty((0, 0, 0)))


def of_one_size(side: int, chunk: int, largest_rank: int) -> dict[str, Any]:
    """Return what every part costs at one size."""
    with measure.one_thread():
        _estimate(lazy(16, 8), 1)  # kernels and libraries
        X = lazy(side, chunk)
        seconds: dict[str, float] = {}

        def timed(what: str, function: Callable[[], Any]) -> Any:
            began = time.monotonic()
            made = function()
            seconds[what] = time.monotonic() - began
            return made

        _parts(timed("first pass", lambda: streamed(X)), side, timed)
        seconds["sweep"] /= SWEEPS
        children.forget_peak()
        before = children.resident()
        timed("estimate", lambda: _estimate(X, largest_rank))
        peak = children.peak() - before
    return {"side": side, "bytes": X.nbytes, "seconds": seconds, "peak": peak, "peak_share": peak / X.nbytes}


def _parts(tensor: Any, side: int, timed: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Time what an estimate is made of; nothing of the tensor stays in memory."""
    timed("making X", lambda: sum(1 for _ in tensor.pieces()))
    timed("second pass", lambda: tensor.gram(tensor._split))
    timed("sweep", lambda: _sweeps(tensor, side))
    timed("one fit", lambda: fit_parafac(tensor, RANK, solver=SOLVER, n_starts=3, random_state=0))


def of_a_cluster(workers: int, side: int, chunk: int) -> dict[str, Any]:
    """Return the seconds of a sweep of which the cluster's processes do the work, X held by them."""
    from distributed import Client, LocalCluster

    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster):
        tensor = streamed(lazy(side, chunk).persist())
        _sweeps(tensor, side)
        began = time.monotonic()
        _sweeps(tensor, side)
        return {"workers": workers, "side": side, "sweep": (time.monotonic() - began) / SWEEPS}


def _sweeps(tensor: Any, side: int) -> None:
    rng = np.random.default_rng(9)
    start = CPModel(np.ones(RANK), tuple(rng.standard_normal((side, RANK)) for _ in range(3)))
    ALS(max_iter=SWEEPS, tol=1e-300).fit(tensor, start)


def _estimate(X: Any, largest_rank: int) -> Any:
    options = {"solver": SOLVER, "holdout": Blocks(), "n_starts": 3, "n_folds": 2, "random_state": 0}
    return autoten.estimate_rank(streamed(X), range(1, largest_rank + 1), **options)


if __name__ == "__main__":
    measure.main("distributed", __doc__, run, FULL, SMOKE)
