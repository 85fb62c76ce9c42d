"""Whole estimates of every kind of data over one by complete least squares, and of real tensors that are none.

    python benchmarks/bench_engine.py                 # a quarter of an hour, writes results/engine.json

All with defaults and one worker. A kind is run in turns with complete ALS of the same tensor, after one call of each
that does not count; a real tensor is run once, after a tiny one of its kind. A file that is absent is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import measure
import numpy as np
import real
import scipy.sparse
from measure import Row, report
from scipy.optimize import brentq
from workloads import SEED, Shape, observed

from autoten import ALS, HALS, KL, estimate_rank, read_tensor, weighted
from autoten.datasets import make_count_tensor, make_cp_tensor, uniform_factors, white_noise

RANK = 3
REPEATS = 3
FILLED = 0.12
MEAN_COUNT = 2.0


class Grid(NamedTuple):
    """What is measured: every kind of data in this shape, and files with the solvers they are fitted by."""

    shape: Shape
    ranks: Sequence[int]
    real: Sequence[tuple[str, Any]]


FULL = Grid(
    (30, 45, 40),
    range(1, 7),
    (
        ("kinetic_fluorescence", HALS()),
        ("amino_acids_scatter_missing", HALS()),
        ("chicago_crime_counts", KL()),
        ("oslo_city_bike", KL()),
        ("us_flights_2001_hourly", ALS()),
        ("milk_metabolomics", ALS()),
    ),
)
SMOKE = Grid((8, 9, 10), range(1, 3), ())


def run(grid: Grid) -> Row:
    of = kinds(grid.shape)
    rows = [over_complete(kind, of, grid.ranks) for kind in of if kind != "complete"]
    paths = [(f"{name}, {type(solver).__name__}", real.path_of(name), solver) for name, solver in grid.real]
    return {"rows": rows + [of_real(*each) for each in paths if each[1]]}


def kinds(shape: Shape) -> dict[str, tuple[Any, Any]]:
    """Return a tensor and a solver for every kind of data, all of the same true rank."""
    signed = make_cp_tensor(shape, RANK, noise=white_noise(20.0), random_state=SEED).X
    positive = make_cp_tensor(shape, RANK, factors=uniform_factors, noise=white_noise(20.0), random_state=SEED).X
    rng = np.random.default_rng(SEED)
    factors = [rng.gamma(0.5, size=(length, RANK)) for length in shape]
    rates = np.einsum("ir,jr,kr->ijk", *factors)
    dense = rng.poisson(rates * (MEAN_COUNT / rates.mean())).astype(float)
    # A Poisson count of rate m is not zero with 1 - exp(-m).
    filling = brentq(lambda times: -np.expm1(-times * rates).mean() - FILLED, 0.0, 1e6)
    few = rng.poisson(rates * filling).astype(float)
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


def over_complete(kind: str, of: dict[str, tuple[Any, Any]], ranks: Sequence[int]) -> Row:
    """Return the seconds of an estimate of this kind and of one by complete ALS, in turns."""
    runs = {
        name: partial(estimate_rank, of[name][0], ranks, solver=of[name][1], random_state=0)
        for name in ("complete", kind)
    }
    seconds = measure.alternating(runs, REPEATS)
    report(kind, seconds)
    return row_of(kind, runs[kind](), seconds[kind]) | {"complete": seconds["complete"]}


def of_real(name: str, path: Any, solver: Any) -> Row:
    """Return the seconds of an estimate of a real tensor, and its answer."""
    X = read_tensor(path)
    estimate_rank(_tiny(X), [1, 2], solver=solver, n_starts=2, n_folds=2, random_state=0)
    answers: list[Any] = []
    seconds = measure.seconds_of(lambda: answers.append(estimate_rank(X, 10, solver=solver, random_state=0)))
    report(name, {"ours": seconds})
    sure = {str(rank): round(p, 4) for rank, p in answers[0].probabilities.items() if p > 0.01}
    return row_of(name, answers[0], seconds) | {"probabilities": sure}


def row_of(name: str, answer: Any, seconds: float) -> Row:
    spent = {part: round(value, 4) for part, value in answer.timings.items()}
    return {"name": name, "seconds": seconds, "rank": answer.rank, "timings": spent}


def _tiny(X: Any) -> Any:
    """Return a small tensor of the same order, storage and type, with a missing cell if X has any."""
    sparse = hasattr(X, "nnz")
    tiny = make_count_tensor((6,) * len(X.shape), 2, 500, sparse=sparse, random_state=SEED).X.astype(X.dtype)
    if not sparse and np.isnan(X).any():
        tiny.flat[0] = np.nan
    return tiny


if __name__ == "__main__":
    measure.main("engine", __doc__, run, FULL, SMOKE)
