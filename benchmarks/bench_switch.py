"""From which share of missing cells on it pays to solve every row exactly, instead of imputing.

    python benchmarks/bench_switch.py            # a few minutes, writes results/switch.json
    python benchmarks/bench_switch.py --smoke    # tiny sizes, writes nothing

The same fits to the end (tolerance 1e-7, at most 1000 sweeps) by either way, from the same starts in full space: a
random CP tensor of rank 5 with white noise at 20 dB, cells missing at random. The rule itself is
``autoten.solvers.least_squares.IMPUTE_SHARE``; here each problem is told its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import measure
import numpy as np
import timed
from measure import say, short
from timed import Shape

from autoten.door import as_tensor
from autoten.model import CPModel
from autoten.solvers.least_squares import Sweeps, problem_of

TOLERANCE = 1e-7
MOST_SWEEPS = 1000

# Hidden shares up to which cells are imputed: always, never.
WAYS = {"imputed": 1.0, "exact": -1.0}


@dataclass(frozen=True)
class Grid:
    """What is measured."""

    shape: Shape
    shares: tuple[float, ...]
    ranks: tuple[int, ...]
    repeats: int


FULL = Grid((40, 40, 40), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), ranks=(3, 5, 8), repeats=3)
SMOKE = Grid((12, 11, 10), (0.2, 0.5), ranks=(1,), repeats=1)


def run(grid: Grid) -> dict[str, Any]:
    """Measure every share and rank."""
    rows = [_row(grid, rank, share) for rank in grid.ranks for share in grid.shares]
    return {"shape": list(grid.shape), "true_rank": timed.TRUE_RANK, "rows": rows}


def _row(grid: Grid, rank: int, share: float) -> dict[str, Any]:
    tensor = as_tensor(timed.noisy_cp(grid.shape).X)
    hidden = np.flatnonzero(~timed.observed(grid.shape, share))
    training = tensor.hide(hidden)
    start = CPModel(np.ones(rank), tuple(timed.factors(grid.shape, rank))).normalized()
    sweeps, loss = {}, {}

    def fit(way: str) -> None:
        fitted = Sweeps(problem_of(training, rank, impute_share=WAYS[way]), start, TOLERANCE, extrapolate=True)
        sweeps[way] = len(fitted.sweep(MOST_SWEEPS, math.inf)[0])
        loss[way] = training.squared_error(fitted.model.folded()) / training.norm_squared

    seconds = measure.alternating({way: lambda way=way: fit(way) for way in WAYS}, grid.repeats)
    say(f"{share:.0%} missing, R {rank}: " + ", ".join(f"{way} {short(seconds[way])}" for way in WAYS))
    return {
        "rank": rank,
        "share": share,
        "seconds": seconds,
        "sweeps": sweeps,
        "loss": loss,
    }


if __name__ == "__main__":
    measure.main("switch", __doc__, run, FULL, SMOKE)
