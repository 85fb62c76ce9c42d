"""Sparse tensors: MTTKRP, an ALS sweep and core consistency against pyttb; a whole estimate; reading a .tns file.

    python benchmarks/bench_sparse.py            # a quarter of an hour, writes results/sparse.json
    python benchmarks/bench_sparse.py --smoke    # tiny sizes, writes nothing

Nonzeros lie anywhere in a 10000x5000x2000 tensor, the hardest case: no two follow each other in a fibre. A sweep is
timed by difference, as in bench_kernels.py. Quality beside speed: the same products and the same core as pyttb. Fits of
the whole estimate stop after 20 sweeps: its memory is asked for, which does not depend on how long they run.
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import measure
import neighbours
import numpy as np
import ours
import timed
from children import resident
from measure import alternating, say, seconds_of, seconds_per_sweep, short
from timed import Array, Shape

import autoten
from autoten import ALS
from autoten.datasets import make_count_tensor
from autoten.model import CPModel
from autoten.scores.core_consistency import fitted_core
from autoten.tensors.sparse import SparseTensor

SAMPLING_SECONDS = 0.02
SOLVER = ALS(max_iter=20)
LINES_AT_ONCE = 100_000


@dataclass(frozen=True)
class Grid:
    """What is measured."""

    shape: Shape
    nonzeros: tuple[int, ...]
    rank: int
    sweeps: int
    consistency_nonzeros: int
    consistency_rank: int
    estimate_events: float
    lines: int
    largest_rank: int
    repeats: int


FULL = Grid(
    shape=(10_000, 5_000, 2_000),
    nonzeros=(10**6, 10**7),
    rank=16,
    sweeps=5,
    consistency_nonzeros=10**6,
    consistency_rank=5,
    estimate_events=1.2e7,
    lines=10**7,
    largest_rank=10,
    repeats=5,
)
SMOKE = Grid(
    shape=(50, 40, 30),
    nonzeros=(500,),
    rank=4,
    sweeps=2,
    consistency_nonzeros=500,
    consistency_rank=2,
    estimate_events=800.0,
    lines=500,
    largest_rank=2,
    repeats=2,
)


def run(grid: Grid) -> dict[str, Any]:
    """Measure everything; ratios are rival / ours."""
    return {
        "shape": list(grid.shape),
        "products": [products(grid, n) for n in grid.nonzeros],
        "core_consistency": [core_consistency(grid)],
        "estimates": [estimate(grid)],
        "reading": [reading(grid)],
    }


def drawn(shape: Shape, n: int) -> tuple[SparseTensor, Array, Array]:
    """Return a tensor of `n` nonzeros anywhere, their coordinates (n, N) and values."""
    rng = np.random.default_rng(timed.SEED)
    cells = np.unique(rng.integers(math.prod(shape), size=n))
    values = rng.random(len(cells)) + 0.5
    return SparseTensor.of(cells, values, shape), np.stack(np.unravel_index(cells, shape), axis=1), values


def products(grid: Grid, n: int) -> dict[str, Any]:
    """Time the MTTKRP of all modes together, and one ALS sweep."""
    tensor, coords, values = drawn(grid.shape, n)
    factors = timed.factors(grid.shape, grid.rank)
    rival = neighbours.pyttb_sptensor(coords, values, grid.shape)
    modes = range(len(grid.shape))
    runs: dict[str, Callable[[], Any]] = {
        "ours": lambda: [tensor.mttkrp(factors, mode) for mode in modes],
        "pyttb": lambda: [neighbours.pyttb_mttkrp(rival, factors, mode) for mode in modes],
    }
    difference = max(_difference(*pair) for pair in zip(runs["ours"](), runs["pyttb"](), strict=True))
    seconds = alternating(runs, grid.repeats, warm=False)
    sweep = seconds_per_sweep({"ours": ours.sweeps_over(tensor, factors)}, grid.sweeps, grid.repeats)["ours"]
    say(f"MTTKRP, {n:.0e} nonzeros:", *(f"{k} {short(s)}" for k, s in seconds.items()), f"sweep {short(sweep)}")
    return {
        "nonzeros": n,
        "rank": grid.rank,
        "seconds": seconds,
        "ratio": {"pyttb": seconds["pyttb"] / seconds["ours"]},
        "sweep_seconds": sweep,
        "sweep_over_products": sweep / seconds["ours"],
        "difference": difference,
    }


def core_consistency(grid: Grid) -> dict[str, Any]:
    """Time the least-squares core of a model, from the tensor to the core; pyttb's chain of products once."""
    tensor, coords, values = drawn(grid.shape, grid.consistency_nonzeros)
    rival = neighbours.pyttb_sptensor(coords, values, grid.shape)
    factors = timed.factors(grid.shape, grid.consistency_rank)
    model = CPModel(np.ones(grid.consistency_rank), tuple(factors)).normalized()
    core: list[Array] = []
    seconds = {
        "ours": alternating({"ours": lambda: fitted_core(tensor, model)}, grid.repeats)["ours"],
        "pyttb": seconds_of(lambda: core.append(neighbours.pyttb_core(rival, model.weights, model.factors))),
    }
    found = fitted_core(tensor, model)
    assert found is not None
    say("core consistency:", *(f"{name} {short(s)}" for name, s in seconds.items()))
    return {
        "nonzeros": grid.consistency_nonzeros,
        "rank": grid.consistency_rank,
        "seconds": seconds,
        "ratio": {"pyttb": seconds["pyttb"] / seconds["ours"]},
        "difference": _difference(found, core[0]),
    }


def estimate(grid: Grid) -> dict[str, Any]:
    """Time a whole estimate of sparse counts and watch its memory, beyond that of the counts themselves."""
    counts = make_count_tensor(grid.shape, 3, grid.estimate_events, sparse=True, random_state=timed.SEED).X
    ours.warm_up()
    with _peak_memory() as peak:
        answers: list[autoten.RankEstimate] = []
        ranks = range(1, grid.largest_rank + 1)
        run = partial(autoten.estimate_rank, counts, ranks, solver=SOLVER, random_state=0)
        seconds = seconds_of(lambda: answers.append(run()))
    per_nonzero = peak[0] / counts.nnz
    say(f"estimate of {counts.nnz} nonzeros: rank {answers[0].rank}, {short(seconds)}, {per_nonzero:.0f} bytes each")
    return {
        "nonzeros": counts.nnz,
        "largest_rank": grid.largest_rank,
        "seconds": seconds,
        "rank": answers[0].rank,
        "bytes_per_nonzero": per_nonzero,
        "of_the_nonzeros": peak[0] / sum(part.nbytes for part in (*counts.coords, counts.data)),
    }


def reading(grid: Grid) -> dict[str, Any]:
    """Time how a .tns file is read, written into a temporary folder beforehand."""
    _, coords, values = drawn(grid.shape, grid.lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "X.tns"
        _write_tns(path, coords, values)
        answers: list[Any] = []
        seconds = seconds_of(lambda: answers.append(autoten.read_tns(path)), time.perf_counter)
        row = {"lines": len(values), "bytes": path.stat().st_size, "seconds": seconds, "nonzeros": answers[0].nnz}
    say(f"reading {row['lines']} lines, {row['bytes'] / 1e6:.0f} MB: {short(seconds)}")
    return row


def _write_tns(path: Path, coords: Array, values: Array) -> None:
    """Write coordinates, counted from one, and values, a line for each nonzero."""
    with path.open("w", encoding="ascii") as file:
        for first in range(0, len(values), LINES_AT_ONCE):
            part = slice(first, first + LINES_AT_ONCE)
            columns = [*(coords[part] + 1).T.tolist(), values[part].tolist()]
            file.writelines(map("{} {} {} {:.6g}\n".format, *columns))


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Watch the resident memory from a thread (Linux only): the list receives the largest increase in bytes."""
    before, peak, done = resident(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLING_SECONDS):
            peak[0] = max(peak[0], resident() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _difference(one: Array, other: Array) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


if __name__ == "__main__":
    measure.main("sparse", __doc__, run, FULL, SMOKE)
