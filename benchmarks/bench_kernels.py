"""One ALS sweep, one core consistency, one product with X: against rivals, and against what memory can deliver.

    python benchmarks/bench_kernels.py            # about three minutes, writes results/kernels.json
    python benchmarks/bench_kernels.py --smoke    # tiny sizes, writes nothing

A sweep is timed by difference, n + 2 sweeps less 2 sweeps, on pure noise, so that no run stops early. Quality beside
speed: from the same start the same number of sweeps leads to the same loss; with cells missing, from the same start
near the solution, to a loss no worse than theirs; both core consistencies are the same number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import measure
import neighbours
import numpy as np
import ours
import timed
from measure import alternating, say, seconds_per_sweep, short
from timed import Array, Shape

import autoten
from autoten.door import as_tensor
from autoten.kernels.dense import READ_AHEAD_BYTES, contract_last, mttkrp_last

# Sweeps from the same start after which losses are compared: plain, and with cells missing from near the solution.
COMPARED_SWEEPS = 5
COMPARED_MASKED_SWEEPS = 50
NEAR = 0.05


@dataclass(frozen=True)
class Case:
    """A dense tensor to sweep over: how many sweeps to time, and whether float32 and pyttb take part."""

    shape: Shape
    ranks: tuple[int, ...]
    sweeps: int
    float32: bool = False
    pyttb: bool = False


@dataclass(frozen=True)
class Grid:
    """What is measured."""

    dense: tuple[Case, ...]
    masked: tuple[Case, ...]
    missing: tuple[float, ...]
    consistency: tuple[Case, ...]
    products: tuple[Shape, ...]
    product_ranks: tuple[int, ...]
    bandwidth_bytes: int
    dgemm_size: int
    repeats: int


FULL = Grid(
    dense=(
        Case((100, 100, 100), (5, 10, 20), sweeps=20, float32=True),
        Case((200, 200, 200), (5, 10, 20), sweeps=5, float32=True, pyttb=True),
        Case((60, 60, 60, 60), (10,), sweeps=5),
        Case(timed.AMINO_ACIDS, (4,), sweeps=150),
        Case((50, 50, 50), (5,), sweeps=80),
    ),
    masked=(Case((100, 100, 100), (5,), sweeps=10),),
    missing=(0.1, 0.3),
    consistency=(Case((100, 100, 100), (5,), sweeps=0), Case((200, 200, 200), (5,), sweeps=0)),
    products=((100, 100, 100), (200, 200, 200)),
    product_ranks=(2, 4, 5, 8, 10, 16, 20, 32),
    bandwidth_bytes=2**29,
    dgemm_size=1500,
    repeats=7,
)
SMOKE = Grid(
    dense=(Case((12, 11, 10), (2,), sweeps=3, float32=True, pyttb=True), Case((6, 5, 4, 3), (2,), sweeps=3)),
    masked=(Case((12, 11, 10), (2,), sweeps=3),),
    missing=(0.1, 0.3),
    consistency=(Case((12, 11, 10), (2,), sweeps=0),),
    products=((12, 11, 10),),
    product_ranks=(2, 5),
    bandwidth_bytes=2**20,
    dgemm_size=100,
    repeats=2,
)


def run(grid: Grid) -> dict[str, Any]:
    """Measure everything; ratios are rival / ours."""
    bandwidth = read_bandwidth(grid.bandwidth_bytes, grid.repeats)
    dense = [dense_sweep(case, rank, grid.repeats) for case in grid.dense for rank in case.ranks]
    dgemm = dgemm_rate(grid.dgemm_size, grid.repeats)
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
        "masked_sweeps": [
            masked_sweep(case, rank, missing, grid.repeats)
            for case in grid.masked
            for rank in case.ranks
            for missing in grid.missing
        ],
        "core_consistency": [
            core_consistency(case, rank, grid.repeats) for case in grid.consistency for rank in case.ranks
        ],
        "products": [
            row for shape in grid.products for rank in grid.product_ranks for row in products(shape, rank, grid.repeats)
        ],
    }


def read_bandwidth(n_bytes: int, repeats: int) -> float:
    """Return bytes per second that one thread reads to sum a big array: the faster of numpy's sum and BLAS's dot."""
    x = np.ones(n_bytes // 8)
    seconds = alternating({"sum": x.sum, "dot": lambda: x @ x}, repeats)
    say(f"read {n_bytes / 1e6:.0f} MB:", *(f"{name} {n_bytes / s / 1e9:.1f} GB/s" for name, s in seconds.items()))
    return n_bytes / min(seconds.values())


def dgemm_rate(size: int, repeats: int) -> float:
    """Return the floating-point operations a second of a square matrix product by BLAS: what arithmetic can reach."""
    a = np.random.default_rng(0).standard_normal((size, size))
    rate = 2.0 * size**3 / alternating({"dgemm": lambda: a @ a}, repeats)["dgemm"]
    say(f"dgemm: {rate / 1e9:.1f} GF/s")
    return rate


def dense_sweep(case: Case, rank: int, repeats: int) -> dict[str, Any]:
    """Time one sweep over a complete tensor."""
    X = timed.noise(case.shape)
    factors = timed.factors(case.shape, rank)
    runs: dict[str, Callable[[int], Any]] = {
        "ours": ours.sweeps_over(as_tensor(X), factors),
        "tensorly": lambda sweeps: neighbours.tensorly_parafac(X, rank, sweeps, tol=0.0),
    }
    if case.float32:
        runs["ours_float32"] = ours.sweeps_over(as_tensor(X.astype(np.float32)), factors)
    if case.pyttb:
        tensor = neighbours.pyttb_tensor(X)
        runs["pyttb"] = lambda sweeps: neighbours.pyttb_cp_als(tensor, rank, sweeps)
    row = _row(case.shape, rank, seconds_per_sweep(runs, case.sweeps, repeats))
    row["loss_difference"] = _loss_difference(X, factors)
    _report("sweep", row)
    return row


def _loss_difference(X: Array, factors: list[Array]) -> float:
    """Return the relative difference of our loss to tensorly's after the same sweeps from the same start."""
    tensor = as_tensor(X)
    mine = ours.plain_als(tensor, factors, COMPARED_SWEEPS).loss
    theirs = ours.loss_of(tensor, neighbours.tensorly_parafac_from(X, factors, COMPARED_SWEEPS))
    return abs(mine / theirs - 1.0)


def masked_sweep(case: Case, rank: int, missing: float, repeats: int) -> dict[str, Any]:
    """Time one sweep with cells missing at random."""
    observed = timed.observed(case.shape, missing)
    X = neighbours.hidden_as_zero(timed.noise(case.shape), observed)
    runs = {
        "ours": ours.sweeps_over(as_tensor(autoten.masked(X, observed)), timed.factors(case.shape, rank)),
        "tensorly": lambda sweeps: neighbours.tensorly_masked(X, observed, rank, sweeps, tol=0.0),
    }
    row = _row(case.shape, rank, seconds_per_sweep(runs, case.sweeps, repeats)) | {"missing": missing}

    drawn = timed.noisy_cp(case.shape, rank)
    X = neighbours.hidden_as_zero(drawn.X, observed)
    tensor = as_tensor(autoten.masked(X, observed))
    near = [A + NEAR * B for A, B in zip(drawn.model.folded(), timed.factors(case.shape, rank), strict=True)]
    mine = ours.plain_als(tensor, near, COMPARED_MASKED_SWEEPS).loss
    theirs = ours.loss_of(tensor, neighbours.tensorly_masked_from(X, observed, near, COMPARED_MASKED_SWEEPS))
    row["loss_excess"] = mine / theirs - 1.0
    _report(f"{100 * missing:.0f} % missing, sweep", row)
    return row


def core_consistency(case: Case, rank: int, repeats: int) -> dict[str, Any]:
    """Time core consistency of the true model, from array to number."""
    drawn = timed.noisy_cp(case.shape, rank)
    X, (weights, factors) = drawn.X, drawn.model.normalized()
    runs = {
        "ours": lambda: autoten.core_consistency(X, (weights, factors)),
        "tlviz": lambda: neighbours.tlviz_core_consistency(X, weights, factors),
    }
    row = _row(case.shape, rank, alternating(runs, repeats))
    row["difference"] = abs(runs["ours"]() - runs["tlviz"]())
    _report("core consistency", row)
    return row


def products(shape: Shape, rank: int, repeats: int) -> list[dict[str, Any]]:
    """Time the two products of a sweep that read X, with our kernels and with BLAS.

    X as a matrix (rows, last mode) times the last factor, and its transpose times the Khatri-Rao product of the others;
    BLAS with the components first in the result (R, rows) and last.
    """
    rows = timed.noise(shape).reshape(-1, shape[-1])
    rows.flags.writeable = False  # as our kernels always get it
    n_rows, length = rows.shape
    last = np.random.default_rng(0).standard_normal((rank, length))
    leading = np.random.default_rng(1).standard_normal((n_rows, rank))
    last_t, leading_t = np.ascontiguousarray(last.T), np.ascontiguousarray(leading.T)
    first, second = np.empty((rank, n_rows)), np.empty((n_rows, rank))
    times = {
        "times last": alternating(
            {
                "ours": lambda: contract_last(rows, last, first),
                "blas_components_first": lambda: np.matmul(last, rows.T, out=first),
                "blas_components_last": lambda: np.matmul(rows, last_t, out=second),
            },
            repeats,
        ),
        "transposed times others": alternating(
            {
                "ours": lambda: mttkrp_last(rows, leading),
                "blas_components_first": lambda: leading_t @ rows,
                "blas_components_last": lambda: rows.T @ leading,
            },
            repeats,
        ),
    }
    result = []
    for product, seconds in times.items():
        best = min(value for name, value in seconds.items() if name != "ours")
        row = _row(shape, rank, seconds | {"blas": best}) | {"product": product}
        row["bytes_per_second"] = {name: rows.nbytes / value for name, value in seconds.items()}
        _report(product, row)
        result.append(row)
    return result


def _row(shape: Shape, rank: int, seconds: dict[str, float]) -> dict[str, Any]:
    ratios = {name: value / seconds["ours"] for name, value in seconds.items() if not name.startswith("ours")}
    return {"shape": list(shape), "rank": rank, "seconds": seconds, "ratio": ratios}


def _report(what: str, row: dict[str, Any]) -> None:
    seconds = ", ".join(f"{name} {short(value)}" for name, value in row["seconds"].items())
    say(f"{what} {timed.label(tuple(row['shape']))} R {row['rank']}: {seconds}")


if __name__ == "__main__":
    measure.main("kernels", __doc__, run, FULL, SMOKE)
