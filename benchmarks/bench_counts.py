"""Counts: are they better divided (CountSplit) or hidden cell by cell, and is KL better than least squares?

    python benchmarks/bench_counts.py            # writes results/counts.json
    python benchmarks/bench_counts.py --smoke    # one tensor, writes nothing

Dense 30 x 30 x 30 counts with gamma(0.3) factors, no component under 5 % of the events, ranks 2 to 6, ranks 1..8 tried,
five starts, five folds. Every tensor is estimated by KL with either hold-out and by least squares with hidden cells.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import machine
import numpy as np

from autoten import ALS, KL, CountSplit, RandomElements, estimate_rank
from autoten.selection import HeldOutMinimum, OneStandardError

RESULTS = Path(__file__).parent / "results" / "counts.json"
LENGTH, SHAPE_OF_GAMMA, LEAST_SHARE = 30, 0.3, 0.05
RANKS, MEANS, DRAWS = range(2, 7), (2.0, 0.1, 0.03), 2
TRIED = range(1, 9)

RUNS: dict[str, dict[str, Any]] = {
    "KL, divided counts": {"solver": KL(), "holdout": CountSplit(0.2)},
    "KL, hidden cells": {"solver": KL(), "holdout": RandomElements(0.1)},
    "least squares, hidden cells": {"solver": ALS(), "holdout": RandomElements(0.1)},
}
POLICIES = {"one SE": OneStandardError(), "minimum": HeldOutMinimum()}


def draw(rank: int, mean: float, seed: int) -> np.ndarray[Any, Any]:
    """Return Poisson counts of a known rank."""
    rng = np.random.default_rng([seed, rank])
    while True:
        factors = [rng.gamma(SHAPE_OF_GAMMA, size=(LENGTH, rank)) for _ in range(3)]
        events = np.prod([factor.sum(axis=0) for factor in factors], axis=0)
        if events.min() >= LEAST_SHARE * events.sum():
            break
    rates = np.einsum("ir,jr,kr->ijk", *factors)
    return rng.poisson(rates * (mean / rates.mean()))


def compare(rank: int, mean: float, seed: int) -> dict[str, Any]:
    """Return the ranks that each run and policy chooses, and the squared error at hidden cells of both losses."""
    X = draw(rank, mean, seed)
    done = {name: estimate_rank(X, TRIED, n_starts=5, random_state=seed, **settings) for name, settings in RUNS.items()}
    hidden = {
        name: done[name].table.mean(score)[rank]
        for name, score in (("KL, hidden cells", "heldout_squared"), ("least squares, hidden cells", "heldout"))
    }
    return {
        "rank": rank,
        "mean": mean,
        "seed": seed,
        "chosen": {
            name: {policy: estimate.select(rule).rank for policy, rule in POLICIES.items()}
            for name, estimate in done.items()
        },
        "squared": hidden,
    }


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Return how often each run is right, a line for each mean and run."""
    lines = []
    for mean in dict.fromkeys(row["mean"] for row in rows):
        some = [row for row in rows if row["mean"] == mean]
        for name in RUNS:
            right = {policy: sum(row["chosen"][name][policy] == row["rank"] for row in some) for policy in POLICIES}
            figures = ", ".join(f"{policy} {n}" for policy, n in right.items())
            lines.append(f"mean {mean:g}, {name}: right of {len(some)}: {figures}")
        better = sum(row["squared"]["KL, hidden cells"] < row["squared"]["least squares, hidden cells"] for row in some)
        lines.append(f"mean {mean:g}: KL has the smaller squared error at hidden cells in {better} of {len(some)}")
    return lines


def main() -> None:
    """Run the comparison and print its summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="one tensor, nothing is written")
    smoke = parser.parse_args().smoke
    jobs = [(rank, mean, seed) for seed in range(DRAWS) for rank in RANKS for mean in MEANS]
    rows = []
    for job in jobs[:1] if smoke else jobs:
        rows.append(compare(*job))
        print(json.dumps(rows[-1]), flush=True)
    print("\n".join(summary(rows)))
    if not smoke:
        RESULTS.write_text(
            json.dumps({"machine": machine.record(), "tensors": rows}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
