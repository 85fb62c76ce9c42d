"""How often is the true rank chosen? Random CP tensors with white noise, and some with structured noise.

    python benchmarks/bench_recovery.py                # 200 + 10 draws, writes results/recovery.json
    python benchmarks/bench_recovery.py --draws 10     # a smoke run, writes nothing

Draws: 3-way dims U{10..30} or 4-way dims U{6..12}, Gaussian or uniform factors, R uniform in 1..6, white noise at
10 dB; structured noise after Tsitsikas & Papalexakis (2020): 100 rank-one Gaussian terms of 0.25 or 0.5 of the signal's
norm. Ranks 1..10 and defaults for every draw. The seeds of these draws serve nothing else: nothing was tuned on them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import machine
import numpy as np
from scipy.stats import binomtest

import autoten
from autoten.datasets import gaussian_factors, make_cp_tensor, structured_noise, uniform_factors, white_noise
from autoten.selection import AutoTen2016, CoreConsistencyThreshold, HeldOutMinimum, OneStandardError, Policy

RESULTS = Path(__file__).parent / "results" / "recovery.json"
REPORTED_SEED = 20261123
RANKS = range(1, 11)

# What other rules answer from the very same fits.
BESIDE: dict[str, Policy] = {
    "held-out minimum": HeldOutMinimum(),
    "held-out one-SE": OneStandardError(),
    "core consistency >= 80": CoreConsistencyThreshold(80.0),
    "AutoTen 2016, many starts": AutoTen2016(),
}


def draw(number: int, kind: str) -> tuple[Any, dict[str, Any]]:
    """Return tensor number `number` of its kind and what it is."""
    rng = np.random.default_rng([REPORTED_SEED, number, int(kind == "structured")])
    shape = tuple(int(n) for n in (rng.integers(10, 31, 3) if number % 2 == 0 else rng.integers(6, 13, 4)))
    rank = int(rng.integers(1, 7))
    factors = gaussian_factors if rng.random() < 0.5 else uniform_factors
    noise = white_noise(10.0) if kind == "white" else structured_noise(float(rng.choice([0.25, 0.5])))
    tensor = make_cp_tensor(shape, rank, factors=factors, noise=noise, random_state=rng)
    return tensor.X, {"number": number, "kind": kind, "shape": shape, "rank": rank, "factors": factors.__name__}


def run(number: int, kind: str) -> dict[str, Any]:
    """Return the draw, the answer of the default and of the rules beside it."""
    X, what = draw(number, kind)
    began = time.perf_counter()
    estimate = autoten.estimate_rank(X, RANKS, random_state=number)
    seconds = time.perf_counter() - began
    answers = {"default": estimate.rank} | {name: estimate.select(policy).rank for name, policy in BESIDE.items()}
    return what | {"answers": answers, "support": estimate.probabilities.get(estimate.rank, 0.0), "seconds": seconds}


def summary(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line of figures for every rule and kind of noise."""
    lines = ["| noise | rule | exact | 95 % interval (Wilson) | mean error |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        for rule in ("default", *BESIDE):
            errors = np.array([row["answers"][rule] - row["rank"] for row in rows if row["kind"] == kind])
            exact = int((errors == 0).sum())
            low, high = binomtest(exact, len(errors)).proportion_ci(method="wilson")
            lines.append(
                f"| {kind} | {rule} | {exact}/{len(errors)} ({100 * exact / len(errors):.1f} %) "
                f"| {100 * low:.1f}-{100 * high:.1f} % | {errors.mean():+.2f} |"
            )
    return lines


def main() -> None:
    """Run the draws and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, help="a smoke run of so many draws with white noise; nothing is written")
    options = parser.parse_args()
    autoten.estimate_rank(draw(0, "white")[0], range(1, 3), n_starts=2, n_folds=2, random_state=0)  # compile
    jobs = [(number, "white") for number in range(options.draws or 200)]
    jobs += [] if options.draws else [(number, "structured") for number in range(10)]
    rows = []
    for number, kind in jobs:
        rows.append(run(number, kind))
        print(json.dumps(rows[-1]), flush=True)
    print("\n".join(summary(rows)))
    print(f"median {np.median([row['seconds'] for row in rows]):.2f} s a draw, one thread")
    if not options.draws:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"machine": machine.record(), "draws": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
