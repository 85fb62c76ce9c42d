"""Whole estimates of every kind of data over one by complete least squares, and of real tensors that are none.

    python benchmarks/bench_engine.py                 # some minutes, writes results/engine.json row by row
    python benchmarks/bench_engine.py --only sparse   # these rows anew
    python benchmarks/bench_engine.py --smoke         # a tiny tensor, writes nothing

All with defaults and one worker, BLAS on one thread; CPU time. A kind is run in turns with complete ALS of the same
tensor, after one call of each that does not count; a real tensor is run once, after a tiny one of its kind. A row whose
file is absent is passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import measure
import numpy as np
import rows
import scipy.sparse
from bench_kinds import Kind, _path, _tiny
from timed import SEED, Shape, data, label, observed

from autoten import ALS, HALS, KL, estimate_rank, read_tensor, weighted
from autoten.datasets import make_cp_tensor, uniform_factors, white_noise
from autoten.solvers.base import Solver

SHAPE: Shape = (30, 45, 40)
RANK = 3
RANKS = range(1, 7)
REPEATS = 3
FILLED = 0.12
MEAN_COUNT = 2.0

# Whole estimates by ALS, ranks 1 to 8.
SIZES: tuple[Shape, ...] = ((5, 201, 61), (100, 100, 100), (200, 200, 200))
SIZE_RANKS = range(1, 9)

REAL = (
    Kind("kinetic_fluorescence", HALS()),
    Kind("amino_acids_scatter_missing", HALS()),
    Kind("chicago_crime_counts", KL()),
    Kind("oslo_city_bike", KL()),
    Kind("us_flights_2001_hourly"),
    Kind("milk_metabolomics"),
)


def kinds(shape: Shape) -> dict[str, tuple[Any, Solver]]:
    """Return a tensor and a solver for every kind of data, all of the same true rank."""
    signed = make_cp_tensor(shape, RANK, noise=white_noise(20.0), random_state=SEED).X
    positive = make_cp_tensor(shape, RANK, factors=uniform_factors, noise=white_noise(20.0), random_state=SEED).X
    rng = np.random.default_rng(SEED)
    factors = [rng.gamma(0.5, size=(length, RANK)) for length in shape]
    rates = np.einsum("ir,jr,kr->ijk", *factors)
    dense = rng.poisson(rates * (MEAN_COUNT / rates.mean())).astype(float)
    few = rng.poisson(rates * _rate_for(rates, FILLED)).astype(float)
    return {
        "complete": (signed, ALS()),
        "15 % holes": (np.where(observed(shape, 0.15), signed, np.nan), ALS()),
        "60 % holes": (np.where(observed(shape, 0.6), signed, np.nan), ALS()),
        "weighted": (weighted(signed, rng.uniform(0.5, 2.0, size=shape)), ALS()),
        "HALS": (positive, HALS()),
        "HALS, 15 % holes": (np.where(observed(shape, 0.15), positive, np.nan), HALS()),
        "KL, dense": (dense, KL()),
        "KL, sparse": (scipy.sparse.coo_array(few), KL()),
        "sparse": (scipy.sparse.coo_array(few), ALS()),
    }


def _rate_for(rates: Any, filled: float) -> float:
    """Return what rates are multiplied by for so large a share of cells with counts."""
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 - np.exp(-middle * rates)).mean() < filled else (low, middle)
    return low


def over_complete(kind: str, shape: Shape, ranks: Sequence[int]) -> dict[str, Any]:
    """Return the seconds of an estimate of this kind and of one by complete ALS, in turns."""
    of = kinds(shape)

    def run(name: str) -> Callable[[], Any]:
        X, solver = of[name]
        return lambda: estimate_rank(X, ranks, solver=solver, random_state=0)

    seconds = measure.alternating({"complete": run("complete"), kind: run(kind)}, REPEATS)
    estimate = run(kind)()
    spent = {part: round(value, 4) for part, value in estimate.timings.items()}
    return {"seconds": seconds[kind], "complete": seconds["complete"], "rank": estimate.rank, "timings": spent}


def of_size(shape: Shape, ranks: Sequence[int]) -> dict[str, Any]:
    """Return the seconds of an estimate by ALS."""
    X, _ = data(shape)
    estimate_rank(make_cp_tensor((6, 6, 6), 1, random_state=0).X, [1], n_starts=2, n_folds=2, random_state=0)
    repeats = REPEATS if X.size < 10**6 else 1
    seconds = measure.alternating({"ours": lambda: estimate_rank(X, ranks, random_state=0)}, repeats, warm=repeats > 1)
    return {"seconds": seconds["ours"]}


def of_real(kind: Kind, path: Any) -> dict[str, Any]:
    """Return the seconds of an estimate of a real tensor, and its answer."""
    X = read_tensor(path)
    estimate_rank(_tiny(X), [1, 2], solver=kind.solver, n_starts=2, n_folds=2, random_state=0)
    began = time.process_time()
    estimate = estimate_rank(X, range(1, kind.largest + 1), solver=kind.solver, random_state=0)
    seconds = time.process_time() - began
    spent = {part: round(value, 3) for part, value in estimate.timings.items()}
    sure = {str(rank): round(p, 4) for rank, p in estimate.probabilities.items() if p > 0.01}
    return {"seconds": seconds, "rank": estimate.rank, "probabilities": sure, "timings": spent}


def summary(done: Sequence[rows.Row]) -> list[str]:
    """Return a line for each row."""
    lines = []
    for row in done:
        ratio = f", {row['seconds'] / row['complete']:.2f} times complete ALS" if "complete" in row else ""
        rank = f", rank {row['rank']}" if "rank" in row else ""
        lines.append(f"{row['name']}: {measure.short(row['seconds'])}{ratio}{rank}")
    return lines


def jobs(shape: Shape, ranks: Sequence[int], sizes: Sequence[Shape], real: Sequence[Kind]) -> dict[str, rows.Job]:
    """Return the rows to be made."""
    of_kinds = {kind: (over_complete, kind, shape, ranks) for kind in kinds((6, 7, 8)) if kind != "complete"}
    of_sizes = {f"estimate {label(size)}": (of_size, size, SIZE_RANKS) for size in sizes}
    paths = ((kind, _path(kind.file)) for kind in real)
    return {**of_kinds, **of_sizes, **{k.name: (of_real, k, path) for k, path in paths if path}}


if __name__ == "__main__":
    rows.main("engine", __doc__, jobs(SHAPE, RANKS, SIZES, REAL), jobs((8, 9, 10), range(1, 3), (), ()), summary)
