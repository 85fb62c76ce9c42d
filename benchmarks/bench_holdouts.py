"""Do probabilities that were made for random elements hold where fibres or blocks are held out?

    python benchmarks/bench_holdouts.py                # ten minutes, writes results/holdouts.json row by row
    python benchmarks/bench_holdouts.py --only recipe  # these rows anew
    python benchmarks/bench_holdouts.py --smoke        # tiny, writes nothing

Random recipes (`recipes.py`) whose shortest mode can be divided, each with every hold-out; fibres run along the longest
mode. Judged are draws in which the best model of the true rank has the components.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cases
import numpy as np
import recipes
import rows
from bench_recovery import SURE

from autoten import Blocks, RandomElements, RandomFibres, estimate_rank

FIRST, DRAWS, SHORTEST, MOST_RANKS = 10_000, 60, 8, 8
HOLDOUTS = ("RandomElements", "RandomFibres", "Blocks")


def measured(number: int) -> rows.Row:
    """Return the truth of the first suitable recipe from a number on, and what each hold-out gives it."""
    recipe = recipes.RECIPES[0]
    place = FIRST + 100 * number
    while min((draw := recipe.draw("reported", place)).X.shape) < SHORTEST or draw.rank > MOST_RANKS:
        place += 1
    longest = int(np.argmax(draw.X.shape))
    found: dict[str, Any] = {}
    for holdout in (RandomElements(0.1), RandomFibres(longest, 0.1), Blocks()):
        estimate = estimate_rank(draw.X, draw.ranks, holdout=holdout, random_state=number)
        said = {str(rank): round(share, 6) for rank, share in (estimate.probabilities or {}).items()}
        found[type(holdout).__name__] = {"rank": estimate.rank, "probabilities": said}
    model = estimate.models.get(draw.rank)
    kept = model is not None and cases.smallest_congruence(draw.model, model) >= cases.KEPT
    return {"number": number, "rank": draw.rank, "found": bool(kept), "by": found}


def rates(done: Sequence[rows.Row]) -> list[list[Any]]:
    """Return for every hold-out the draws, right answers, mean log score, and how sure answers are right."""
    found, lines = [row for row in done if row["found"]], []
    for name in HOLDOUTS:
        by = [(row["rank"], row["by"][name]) for row in found]
        right = [said["rank"] == rank for rank, said in by]
        scores = [np.log(max(said["probabilities"].get(str(rank), 0.0), 1e-12)) for rank, said in by]
        sure = [is_right for is_right, (_, said) in zip(right, by, strict=True) if _stated(said) >= SURE]
        lines.append([name, len(by), sum(right), float(np.mean(scores)) if by else np.nan, sum(sure), len(sure)])
    return lines


def _stated(said: rows.Row) -> float:
    return float(said["probabilities"].get(str(said["rank"]), 0.0))


def summary(done: Sequence[rows.Row]) -> list[str]:
    """Return all of that, line by line."""
    return [
        f"{name}: {right} of {n} right, log score {score:.3f}, {sure} of {n_sure} stated with 90 % and more"
        for name, n, right, score, sure, n_sure in rates(done)
    ]


FULL: dict[str, rows.Job] = {f"recipe {number}": (measured, number) for number in range(DRAWS)}
SMOKE: dict[str, rows.Job] = {"recipe 0": (measured, 0)}

if __name__ == "__main__":
    rows.main("holdouts", __doc__, FULL, SMOKE, summary)
