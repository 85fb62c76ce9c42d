"""Whole estimates of every kind of data over one by complete least squares.

    python benchmarks/bench_engine.py                 # a minute, writes results/engine.json

All with defaults and one worker. A kind is run in turns with complete ALS of the same tensor, after one call of each
that does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import measure
import numpy as np
import scipy.sparse
from measure import Row, report
from scipy.optimize import brentq
from workloads import SEED, Shape, observed

from autoten import ALS, HALS, KL, estimate_rank, weighted
from autoten.datasets import make_cp_tensor, uniform_factors, white_noise

RANK = 3
FILLED = 0.12
MEAN_COUNT = 2.0


class Grid(NamedTuple):
    """What is measured: every kind of data in this shape."""

    shape: Shape
    ranks: Sequence[int]
    repeats: int


FULL, SMOKE = Grid((30, 45, 40), range(1, 7), 3), Grid((6, 7, 8), range(1, 2), 1)


def run(grid: Grid) -> Row:
    of = kinds(grid.shape)
    return {"rows": [over_complete(kind, of, grid) for kind in of if kind != "complete"]}


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


def over_complete(kind: str, of: dict[str, tuple[Any, Any]], grid: Grid) -> Row:
    """Return the seconds of an estimate of this kind and of one by complete ALS, in turns."""
    runs = {
        name: partial(estimate_rank, of[name][0], grid.ranks, solver=of[name][1], random_state=0)
        for name in ("complete", kind)
    }
    seconds = measure.alternating(runs, grid.repeats)
    report(kind, seconds)
    answer = runs[kind]()
    spent = {part: round(value, 4) for part, value in answer.timings.items() if part != "kernels"}  # there already
    both = {"seconds": seconds[kind], "complete": seconds["complete"]}
    return {
        "name": kind,
        **both,
        "times complete ALS": both["seconds"] / both["complete"],
        "rank": answer.rank,
        "timings": spent,
    }


if __name__ == "__main__":
    measure.main("engine", __doc__, run, FULL, SMOKE)
