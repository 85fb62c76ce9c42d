"""Does exploring in a compressed core change an answer? Forty varied tensors, with and without.

    python benchmarks/bench_compression.py            # writes results/compression.json
    python benchmarks/bench_compression.py --smoke    # two tensors, writes nothing

Each tensor is estimated three times with the defaults: compressed and uncompressed with seed 0, and uncompressed with
seed 1. The chosen rank of the compressed run should agree with the uncompressed one no less often than two
uncompressed seeds agree with each other, and the best error of every rank be within 1e-4 (relative).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import machine
import numpy as np

import autoten
from autoten.datasets import collinear_factors, gaussian_factors, make_cp_tensor, structured_noise, uniform_factors
from autoten.datasets import white_noise as white

RESULTS = Path(__file__).parent / "results" / "compression.json"
RANKS = range(1, 9)
TOLERANCE = 1e-4

# name -> (shape, rank, further arguments of make_cp_tensor); five draws of each.
CASES: dict[str, tuple[tuple[int, ...], int, dict[str, Any]]] = {
    "white noise, Gaussian factors": ((40, 45, 50), 4, {"factors": gaussian_factors, "noise": white(10.0)}),
    "white noise, uniform factors": ((30, 60, 40), 3, {"factors": uniform_factors, "noise": white(15.0)}),
    "structured noise": ((40, 40, 40), 4, {"factors": gaussian_factors, "noise": structured_noise(0.5)}),
    "collinear 0.9": ((50, 40, 45), 3, {"factors": collinear_factors(0.9), "noise": white(20.0)}),
    "unequal strengths": ((60, 40, 40), 4, {"weights": [1.0, 0.5, 0.25, 0.1], "noise": white(20.0)}),
    "four modes": ((20, 22, 24, 18), 4, {"factors": gaussian_factors, "noise": white(10.0)}),
    "one short mode": ((6, 120, 80), 3, {"factors": uniform_factors, "noise": white(25.0)}),
    "low signal": ((70, 60, 60), 3, {"factors": gaussian_factors, "noise": white(-8.0)}),
}
DRAWS = 5


def compare(name: str, draw: int) -> dict[str, Any]:
    """Return chosen ranks and the largest relative excess of the compressed run's best error over the other's."""
    shape, rank, settings = CASES[name]
    X = make_cp_tensor(shape, rank, random_state=1000 * draw + 7, **settings).X
    estimate: Callable[..., Any] = partial(autoten.estimate_rank, X, RANKS)
    runs = {
        "compressed": estimate(random_state=0),
        "full": estimate(random_state=0, solver=autoten.ALS(compress=False)),
        "full, other seed": estimate(random_state=1, solver=autoten.ALS(compress=False)),
    }
    loss = {run: 1.0 - result.table["fit"][1:, 0] for run, result in runs.items()}
    return {
        "case": name,
        "draw": draw,
        "rank": rank,
        "chosen": {run: result.rank for run, result in runs.items()},
        "excess": (loss["compressed"] / loss["full"] - 1.0).tolist(),
        "excess_of_other_seed": (loss["full, other seed"] / loss["full"] - 1.0).tolist(),
        "seconds": {run: result.timings["total"] for run, result in runs.items()},
    }


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Return the figures asked for, a line each."""
    same = np.mean([row["chosen"]["compressed"] == row["chosen"]["full"] for row in rows])
    seeds = np.mean([row["chosen"]["full, other seed"] == row["chosen"]["full"] for row in rows])
    excess = np.array([row["excess"] for row in rows])
    other = np.array([row["excess_of_other_seed"] for row in rows])
    return [
        f"same rank, compressed and not: {100 * same:.1f} % of {len(rows)} tensors",
        f"same rank, two uncompressed seeds: {100 * seeds:.1f} %",
        f"best error within {TOLERANCE:g}: compressed {100 * np.mean(excess <= TOLERANCE):.1f} % of rank-tensor pairs "
        f"(largest excess {excess.max():.2e}), another uncompressed seed {100 * np.mean(other <= TOLERANCE):.1f} % "
        f"(largest {other.max():.2e})",
    ]


def main() -> None:
    """Run the comparison and print its summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="two tensors, nothing is written")
    smoke = parser.parse_args().smoke
    jobs = [(name, draw) for draw in range(DRAWS) for name in CASES]
    rows = []
    for name, draw in jobs[:2] if smoke else jobs:
        rows.append(compare(name, draw))
        print(json.dumps(rows[-1]), flush=True)
    print("\n".join(summary(rows)))
    if not smoke:
        RESULTS.write_text(
            json.dumps({"machine": machine.record(), "tensors": rows}, indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
