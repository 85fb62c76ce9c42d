"""Sparse tensors: MTTKRP, an ALS sweep and core consistency against pyttb.

    python benchmarks/bench_sparse.py            # a quarter of an hour, writes results/sparse.json

Nonzeros lie anywhere in a 10000x5000x2000 tensor, the hardest case: no two follow each other in a fibre. A sweep is
timed by difference, as in bench_kernels.py. Quality beside speed: the same products and the same core as pyttb.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import measure
import neighbours
import numpy as np
import workloads
from measure import Row, alternating, seconds_of
from workloads import Array, Shape

from autoten.model import CPModel
from autoten.scores.core_consistency import fitted_core
from autoten.tensors.sparse import SparseTensor


class Grid(NamedTuple):
    """What is measured."""

    shape: Shape = (10_000, 5_000, 2_000)
    nonzeros: tuple[int, ...] = (10**6, 10**7)
    rank: int = 16
    sweeps: int = 5
    consistency_nonzeros: int = 10**6
    consistency_rank: int = 5
    repeats: int = 5


FULL = Grid()
SMOKE = Grid((50, 40, 30), (500,), 4, 2, 500, 2, 2)


def run(grid: Grid) -> Row:
    """Measure everything; ratios are rival / ours."""
    return {
        "shape": list(grid.shape),
        "products": [products(grid, n) for n in grid.nonzeros],
        "core_consistency": [core_consistency(grid)],
    }


def drawn(shape: Shape, n: int) -> tuple[SparseTensor, Array, Array]:
    """Return a tensor of `n` nonzeros anywhere, their coordinates (n, N) and values."""
    rng = np.random.default_rng(workloads.SEED)
    cells = np.unique(rng.integers(math.prod(shape), size=n))
    values = rng.random(len(cells)) + 0.5
    return SparseTensor.of(cells, values, shape), np.stack(np.unravel_index(cells, shape), axis=1), values


def products(grid: Grid, n: int) -> Row:
    """Time the MTTKRP of all modes together, and one ALS sweep."""
    tensor, coords, values = drawn(grid.shape, n)
    factors, modes = workloads.factors(grid.shape, grid.rank), range(len(grid.shape))
    rival = neighbours.pyttb.sptensor(coords, values[:, None], grid.shape)
    runs = {
        "ours": lambda: [tensor.mttkrp(factors, mode) for mode in modes],
        "pyttb": lambda: [np.asarray(rival.mttkrp(factors, mode)) for mode in modes],
    }
    different = max(difference(*pair) for pair in zip(runs["ours"](), runs["pyttb"](), strict=True))
    seconds = alternating(runs, grid.repeats, warm=False)
    sweeps = {"ours": workloads.sweeps_over(tensor, factors)}
    sweep = measure.seconds_per_sweep(sweeps, grid.sweeps, grid.repeats)["ours"]
    ours = {"sweep_seconds": sweep, "sweep_over_products": sweep / seconds["ours"]}
    return row_of("MTTKRP", n, grid.rank, seconds, different) | ours


def core_consistency(grid: Grid) -> Row:
    """Time the least-squares core of a model, from the tensor to the core; pyttb's chain of products once."""
    n, rank = grid.consistency_nonzeros, grid.consistency_rank
    tensor, coords, values = drawn(grid.shape, n)
    rival = neighbours.pyttb.sptensor(coords, values[:, None], grid.shape)
    model = CPModel(np.ones(rank), tuple(workloads.factors(grid.shape, rank))).normalized()
    core: list[Array] = []
    seconds = {
        "ours": alternating({"ours": lambda: fitted_core(tensor, model)}, grid.repeats)["ours"],
        "pyttb": seconds_of(lambda: core.append(neighbours.pyttb_core(rival, model.weights, model.factors))),
    }
    return row_of("core consistency", n, rank, seconds, difference(fitted_core(tensor, model), core[0]))


def difference(one: Array, other: Array) -> float:
    return float(np.abs(one - other).max() / np.abs(other).max())


def row_of(what: str, n: int, rank: int, seconds: dict[str, float], different: float) -> Row:
    measure.report(f"{what}, {n:.0e} nonzeros", seconds)
    ratio = {"pyttb": seconds["pyttb"] / seconds["ours"]}
    return {"nonzeros": n, "rank": rank, "seconds": seconds, "ratio": ratio, "difference": different}


if __name__ == "__main__":
    measure.main("sparse", __doc__, run, FULL, SMOKE)
