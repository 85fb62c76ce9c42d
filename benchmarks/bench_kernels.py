"""One ALS sweep and one core consistency: against rivals, and against what memory can deliver.

    python benchmarks/bench_kernels.py            # about three minutes, writes results/kernels.json

A sweep is timed by difference, n + 2 sweeps less 2 sweeps, on pure noise, so that no run stops early. Quality beside
speed: from the same start the same number of sweeps leads to the same loss; with cells missing, from the same start
near the solution, to a loss no worse than theirs; both core consistencies are the same number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import measure
import neighbours
import numpy as np
import workloads
from measure import Row, alternating, seconds_per_sweep
from workloads import Array, Shape, label

import autoten
from autoten.door import as_tensor
from autoten.kernels.dense import READ_AHEAD_BYTES

# Sweeps from the same start after which losses are compared: plain, and with cells missing from near the solution.
COMPARED_SWEEPS, COMPARED_MASKED_SWEEPS, NEAR = 5, 50, 0.05


class Case(NamedTuple):
    """A dense tensor to sweep over: how many sweeps to time, and whether float32 and pyttb take part."""

    shape: Shape
    ranks: tuple[int, ...]
    sweeps: int = 0
    float32: bool = False
    pyttb: bool = False


class Grid(NamedTuple):
    """What is measured."""

    dense: tuple[Case, ...]
    masked: Case
    consistency: tuple[Case, ...]
    missing: tuple[float, ...] = (0.1, 0.3)
    bandwidth_bytes: int = 2**29
    dgemm_size: int = 1500
    repeats: int = 7


FULL = Grid(
    dense=(
        Case((100, 100, 100), (5, 10, 20), sweeps=20, float32=True),
        Case((200, 200, 200), (5, 10, 20), sweeps=5, float32=True, pyttb=True),
        Case((60, 60, 60, 60), (10,), sweeps=5),
        Case(workloads.AMINO_ACIDS, (4,), sweeps=150),
        Case((50, 50, 50), (5,), sweeps=80),
    ),
    masked=Case((100, 100, 100), (5,), sweeps=10),
    consistency=(Case((100, 100, 100), (5,)), Case((200, 200, 200), (5,))),
)
SMOKE = Grid(
    dense=(Case((12, 11, 10), (2,), sweeps=3, float32=True, pyttb=True), Case((6, 5, 4, 3), (2,), sweeps=3)),
    masked=Case((12, 11, 10), (2,), sweeps=3),
    consistency=(Case((12, 11, 10), (2,)),),
    bandwidth_bytes=2**20,
    dgemm_size=100,
    repeats=2,
)


def run(grid: Grid) -> Row:
    """Measure everything; ratios are rival / ours."""
    x, a = np.ones(grid.bandwidth_bytes // 8), np.random.default_rng(0).standard_normal((grid.dgemm_size,) * 2)
    # What one thread reads to sum a big array (the faster of two ways), and what arithmetic can reach.
    bandwidth = x.nbytes / min(alternating({"sum": x.sum, "dot": lambda: x @ x}, grid.repeats).values())
    dense = [dense_sweep(case, rank, grid.repeats) for case in grid.dense for rank in case.ranks]
    dgemm = 2.0 * grid.dgemm_size**3 / alternating({"dgemm": lambda: a @ a}, grid.repeats)["dgemm"]
    for row in dense:
        # A sweep reads X twice, and multiplies and adds every cell with every component each time.
        size = float(np.prod(row["shape"]))
        two_reads, arithmetic = 2 * 8 * size / bandwidth, 4 * size * row["rank"] / dgemm
        limit = max(arithmetic, two_reads if 8 * size > READ_AHEAD_BYTES else 0.0)
        row["share_of_two_reads"] = two_reads / row["seconds"]["ours"]
        row["share_of_limit"] = limit / row["seconds"]["ours"]
        row["largest_ratio"] = {name: row["seconds"][name] / limit for name in row["ratio"]}
    return {
        "bandwidth_bytes_per_second": bandwidth,
        "dgemm_flops_per_second": dgemm,
        "dense_sweeps": dense,
        "masked_sweeps": [masked_sweep(grid.masked, missing, grid.repeats) for missing in grid.missing],
        "core_consistency": [core_consistency(case, grid.repeats) for case in grid.consistency],
    }


def dense_sweep(case: Case, rank: int, repeats: int) -> Row:
    """Time one sweep over a complete tensor, and compare our loss with tensorly's from the same start."""
    X, factors = workloads.noise(case.shape), workloads.factors(case.shape, rank)
    tensor = as_tensor(X)
    runs: dict[str, Any] = {
        "ours": workloads.sweeps_over(tensor, factors),
        "tensorly": lambda sweeps: neighbours.tensorly_parafac(X, rank, sweeps),
    }
    if case.float32:
        runs["ours_float32"] = workloads.sweeps_over(as_tensor(X.astype(np.float32)), factors)
    if case.pyttb:
        theirs = neighbours.pyttb.tensor(X)
        runs["pyttb"] = lambda sweeps: neighbours.pyttb_cp_als(theirs, rank, sweeps)
    row = row_of("sweep", case.shape, rank, seconds_per_sweep(runs, case.sweeps, repeats))
    return row | {"loss_difference": abs(loss_excess(X, X, None, factors, COMPARED_SWEEPS))}


def masked_sweep(case: Case, missing: float, repeats: int) -> Row:
    """Time one sweep with cells missing at random."""
    shape, rank = case.shape, case.ranks[0]
    observed = workloads.observed(shape, missing)
    X = np.where(observed, workloads.noise(shape), 0.0)
    runs = {
        "ours": workloads.sweeps_over(as_tensor(autoten.masked(X, observed)), workloads.factors(shape, rank)),
        "tensorly": lambda sweeps: neighbours.tensorly_parafac(X, rank, sweeps, observed=observed),
    }
    row = row_of(f"{missing:.0%} missing, sweep", shape, rank, seconds_per_sweep(runs, case.sweeps, repeats))
    drawn = workloads.noisy_cp(shape, rank)
    near = [A + NEAR * B for A, B in zip(drawn.model.folded(), workloads.factors(shape, rank), strict=True)]
    zeroed = np.where(observed, drawn.X, 0.0)
    excess = loss_excess(autoten.masked(zeroed, observed), zeroed, observed, near, COMPARED_MASKED_SWEEPS)
    return row | {"missing": missing, "loss_excess": excess}


def loss_excess(X: Array, theirs: Array, observed: Array | None, start: list[Array], sweeps: int) -> float:
    """Return the relative excess of our loss over tensorly's after the same sweeps from the same start."""
    tensor, rank = as_tensor(X), start[0].shape[1]
    rival = neighbours.tensorly_parafac(theirs, rank, sweeps, start=start, observed=observed)
    return workloads.plain_als(tensor, start, sweeps).loss / workloads.loss_of(tensor, rival) - 1.0


def core_consistency(case: Case, repeats: int) -> Row:
    """Time core consistency of the true model, from array to number."""
    drawn = workloads.noisy_cp(case.shape, case.ranks[0])
    X, (weights, factors) = drawn.X, drawn.model.normalized()
    runs = {
        "ours": lambda: autoten.core_consistency(X, (weights, factors)),
        "tlviz": lambda: neighbours.tlviz_core_consistency(X, weights, factors),
    }
    row = row_of("core consistency", case.shape, case.ranks[0], alternating(runs, repeats))
    return row | {"difference": abs(runs["ours"]() - runs["tlviz"]())}


def row_of(what: str, shape: Shape, rank: int, seconds: dict[str, float]) -> Row:
    measure.report(f"{what} {label(shape)} R {rank}", seconds)
    ratios = {name: value / seconds["ours"] for name, value in seconds.items() if not name.startswith("ours")}
    return {"shape": list(shape), "rank": rank, "seconds": seconds, "ratio": ratios}


if __name__ == "__main__":
    measure.main("kernels", __doc__, run, FULL, SMOKE)
