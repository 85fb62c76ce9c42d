"""Counts of known rank, dense and sparse: is KL better than least squares, and are counts better divided than hidden?

    python benchmarks/bench_counts.py                   # long, two processes, writes results/counts.json row by row
    python benchmarks/bench_counts.py --only sparse     # these rows anew
    python benchmarks/bench_counts.py --smoke           # tiny, writes nothing

Counts with gamma(0.3) factors, no component under 5 % of the events, ranks 2 to 6, ranks 1..8 tried, five starts, five
folds: 30 x 30 x 30 cells at a mean of 2, 0.1 and 0.03 events, four draws each; sparse, 100 x 100 x 100 with 1 % and
300 x 300 x 300 with 0.1 % of the cells filled, one draw each, since it takes minutes. Every tensor is estimated by KL
with either hold-out and by least squares with hidden cells; the default policy and two rules answer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import rows
from scipy.optimize import brentq
from timed import Shape

from autoten import ALS, KL, CountSplit, RandomElements, estimate_rank
from autoten.datasets import CountTensor, make_count_tensor
from autoten.model import CPModel
from autoten.selection import DEFAULT_POLICY, HeldOutMinimum, OneStandardError

SALT = 20280418
RANKS, DRAWS, SPARSE_DRAWS, TRIED = range(2, 7), 4, 1, range(1, 9)
PROCESSES = 2

# Cells from which the share of filled ones is computed where there are more.
SAMPLED_CELLS = 2_000_000

RUNS: dict[str, dict[str, Any]] = {
    "KL, divided counts": {"solver": KL(), "holdout": CountSplit(0.2)},
    "KL, hidden cells": {"solver": KL(), "holdout": RandomElements(0.1)},
    "least squares, hidden cells": {"solver": ALS(), "holdout": RandomElements(0.1)},
}
POLICIES = {"default": DEFAULT_POLICY, "one SE": OneStandardError(), "minimum": HeldOutMinimum()}


@dataclass(frozen=True)
class Setting:
    """A shape, and how many events: their mean in a dense tensor, or the share of a sparse one's cells they fill."""

    shape: Shape
    mean: float | None = None
    filled: float | None = None

    def draw(self, rank: int, number: int) -> CountTensor:
        """Return counts."""
        density = self.mean if self.filled is None else self.filled
        assert density is not None
        seed = [SALT, *self.shape, round(1e6 * density), rank, number]

        def drawn(events: float, *, sparse: bool = True) -> CountTensor:
            rng = np.random.default_rng(seed)  # the same model whatever the events
            return make_count_tensor(self.shape, rank, events, sparse=sparse, random_state=rng)

        if self.filled is None:
            return drawn(density * np.prod(self.shape), sparse=False)
        return drawn(_events_that_fill(density, drawn(1.0).model))


SETTINGS = {
    "dense, mean 2": Setting((30, 30, 30), mean=2.0),
    "dense, mean 0.1": Setting((30, 30, 30), mean=0.1),
    "dense, mean 0.03": Setting((30, 30, 30), mean=0.03),
    "sparse, 100³, 1 % filled": Setting((100, 100, 100), filled=0.01),
    "sparse, 300³, 0.1 % filled": Setting((300, 300, 300), filled=0.001),
}

# With so few events nobody asks for nine in ten.
HARDER = ("dense, mean 0.1", "dense, mean 0.03")


def _events_that_fill(share: float, model: CPModel) -> float:
    """Return how many events fill a share of the cells: a Poisson count of rate m is not zero with 1 - exp(-m)."""
    size = int(np.prod(model.shape))
    rng = np.random.default_rng(SALT)
    cells = np.arange(size) if size <= SAMPLED_CELLS else rng.integers(size, size=SAMPLED_CELLS)
    rates = model.values_at(cells)

    def excess(log_events: float) -> float:
        return float(-np.expm1(-np.exp(log_events) * rates).mean()) - share

    return float(np.exp(brentq(excess, np.log(share * size / 10), np.log(1e6 * size))))


def measured(setting: str, rank: int, number: int, like: Setting | None = None, tried: range = TRIED) -> dict[str, Any]:
    """Return the ranks that each run and policy chooses, and the squared error at hidden cells of both losses."""
    X = (like or SETTINGS[setting]).draw(rank, number).X
    done, seconds = {}, {}
    for name, options in RUNS.items():
        began = time.process_time()
        done[name] = estimate_rank(X, tried, n_starts=5, random_state=number, **options)
        seconds[name] = time.process_time() - began
    squared = {
        name: float(done[name].table.mean(score)[min(rank, tried[-1])])
        for name, score in (("KL, hidden cells", "heldout_squared"), ("least squares, hidden cells", "heldout"))
    }
    return {
        "setting": setting,
        "rank": rank,
        "number": number,
        "nonzeros": int(X.nnz if hasattr(X, "nnz") else np.count_nonzero(X)),
        "events": int(X.sum()),
        "chosen": {
            name: {policy: estimate.select(rule).rank for policy, rule in POLICIES.items()}
            for name, estimate in done.items()
        },
        "squared": squared,
        "seconds": seconds,
    }


def rates(done: Sequence[rows.Row]) -> list[dict[str, Any]]:
    """Return how often each run and policy is right in every setting."""
    return [
        {
            "setting": setting,
            "run": name,
            "draws": len(some),
            "right": {policy: _right(some, name, policy) for policy in POLICIES},
            "seconds": median(row["seconds"][name] for row in some),
        }
        for setting in dict.fromkeys(row["setting"] for row in done)
        for some in [[row for row in done if row["setting"] == setting]]
        for name in RUNS
    ]


def beside_goals(done: Sequence[rows.Row]) -> list[str]:
    """Return which loss predicts better, and how often either is right beside what was asked."""
    better = sum(row["squared"]["KL, hidden cells"] < row["squared"]["least squares, hidden cells"] for row in done)
    judged = [row for row in done if row["setting"] not in HARDER]
    ours, theirs = (_right(judged, name, "default") for name in ("KL, hidden cells", "least squares, hidden cells"))
    return [
        f"At the true rank KL has the smaller squared error at hidden cells in {better} of {len(done)}.",
        f"Default policy, {' and '.join(HARDER)} apart: of {len(judged)} KL is right in {ours} (asked: 90 %), least "
        f"squares in {theirs} (asked: no more).",
    ]


def summary(done: Sequence[rows.Row]) -> list[str]:
    """Return all of that, line by line."""
    lines = [
        f"{row['setting']}, {row['run']}: right of {row['draws']}: "
        + ", ".join(f"{policy} {right}" for policy, right in row["right"].items())
        for row in rates(done)
    ]
    return [*lines, *beside_goals(done)]


def _right(done: Sequence[rows.Row], name: str, policy: str) -> int:
    return sum(row["chosen"][name][policy] == row["rank"] for row in done)


FULL: dict[str, rows.Job] = {
    f"{setting}, rank {rank}, draw {number}": (measured, setting, rank, number)
    for number in range(DRAWS)
    for rank in RANKS
    for setting, of in SETTINGS.items()
    if of.filled is None or number < SPARSE_DRAWS
}
SMOKE: dict[str, rows.Job] = {
    "dense": (measured, "dense", 2, 0, Setting((8, 9, 10), mean=2.0), range(1, 4)),
    "sparse": (measured, "sparse", 2, 0, Setting((20, 20, 20), filled=0.05), range(1, 4)),
}


if __name__ == "__main__":
    rows.main("counts", __doc__, FULL, SMOKE, summary, processes=PROCESSES)
