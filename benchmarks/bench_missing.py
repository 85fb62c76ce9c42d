"""Missing cells: how often the true rank is found with 10 to 90 % of them missing at random.

    python benchmarks/bench_missing.py                     # long, two processes, writes results/missing.json row by row
    python benchmarks/bench_missing.py --only reported     # what the README quotes
    python benchmarks/bench_missing.py --only development  # to look at while anything is changed
    python benchmarks/bench_missing.py --smoke             # tiny, writes nothing

Of 40 x 40 x 40 cells with Gaussian factors, rank 3 and white noise at 20 dB (after Zhao, Zhang & Cichocki 2015), ranks
1..12 are tried with all defaults. The seeds serve nothing else, and reported draws share none with development draws.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import rows
from timed import Shape

import autoten
from autoten.datasets import make_cp_tensor, white_noise

SALT = 20280417
SPLITS = ("reported", "development")
SHARES = (0.1, 0.3, 0.6, 0.9)
GOALS = {0.1: 0.95, 0.3: 0.95, 0.6: 0.95, 0.9: 0.8}
DRAWS = 20
SHAPE: Shape = (40, 40, 40)
RANK, SNR_DB, LARGEST = 3, 20.0, 12
PROCESSES = 2


def measured(split: str, share: float, number: int, shape: Shape = SHAPE, largest: int = LARGEST) -> dict[str, Any]:
    """Return the answer for one draw."""
    seed = np.random.default_rng([SALT, SPLITS.index(split), round(100 * share), number])
    X = make_cp_tensor(shape, RANK, noise=white_noise(SNR_DB), missing=share, random_state=seed).X
    autoten.fit_parafac(X, 1, n_starts=1, random_state=0)  # compiled kernels are loaded
    began = time.process_time()
    estimate = autoten.estimate_rank(X, range(1, largest + 1), random_state=number)
    return {
        "split": split,
        "share": share,
        "number": number,
        "true_rank": RANK,
        "rank": estimate.rank,
        "probability": round(estimate.probabilities[estimate.rank], 4),
        "probability_of_truth": round(estimate.probabilities[RANK], 4),
        "cpu_seconds": time.process_time() - began,
    }


def rates(done: Sequence[rows.Row]) -> list[dict[str, Any]]:
    """Return how often the rank was right for each split and share."""
    found = []
    for split in SPLITS:
        for share in SHARES:
            some = [row for row in done if row["split"] == split and row["share"] == share]
            if some:
                found.append(
                    {
                        "split": split,
                        "share": share,
                        "draws": len(some),
                        "right": sum(row["rank"] == row["true_rank"] for row in some),
                        "too_small": sum(row["rank"] < row["true_rank"] for row in some),
                        "too_large": sum(row["rank"] > row["true_rank"] for row in some),
                        "probability_of_truth": float(np.mean([row["probability_of_truth"] for row in some])),
                        "cpu_seconds": median(row["cpu_seconds"] for row in some),
                        "goal": GOALS[share],
                    }
                )
    return found


def summary(done: Sequence[rows.Row]) -> list[str]:
    """Return a line for each split and share."""
    return [
        f"{row['split']}, {row['share']:.0%} missing: right {row['right']} of {row['draws']} (goal {row['goal']:.0%}), "
        f"median {row['cpu_seconds']:.1f} s"
        for row in rates(done)
    ]


FULL: dict[str, rows.Job] = {
    f"{split}, {share:.0%} missing, draw {number}": (measured, split, share, number)
    for split in SPLITS
    for number in range(DRAWS)
    for share in SHARES
}
SMOKE: dict[str, rows.Job] = {
    f"development, {share:.0%} missing": (measured, "development", share, 0, (12, 12, 12), 4) for share in (0.1, 0.6)
}


if __name__ == "__main__":
    rows.main("missing", __doc__, FULL, SMOKE, summary, processes=PROCESSES)
