"""How often the estimate from parts is right where that of the whole tensor is, and at which share of its time.

    python benchmarks/parts_draws.py            # four hours: appends to results/draws/parts.jsonl what is not there yet
    python benchmarks/parts_draws.py --only parts --cases counts    # the estimates from parts alone, of one case
    python benchmarks/parts_draws.py --smoke    # one small draw, to see that it runs

Twenty draws a case, cubes of 200, two of 280 and one of 400, ranks 2 to 8, factors signed and nonnegative in turn; the
candidates are the default ones, 1 to 10. One thread, CPU time of this process.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import measure
import numpy as np
from measure import Row, markdown

import autoten
from autoten.datasets import (
    collinear_factors,
    gaussian_factors,
    make_count_tensor,
    make_cp_tensor,
    structured_noise,
    uniform_factors,
    white_noise,
)

RESULTS = measure.RESULTS / "draws" / "parts.jsonl"

# What differs between cases: arguments of `make_cp_tensor`, those that depend on the rank as functions of it.
NOISY = white_noise(10)
CASES: dict[str, Any] = {
    "white 0 dB": {"noise": white_noise(0)},
    "white 10 dB": {"noise": NOISY},
    "collinear .8": {"noise": NOISY, "factors": collinear_factors(0.8)},
    "unequal strengths": {"noise": NOISY, "weights": lambda rank: np.geomspace(1.0, 0.1, rank)},
    "structured noise": {"noise": structured_noise(0.3)},
    "local components": {"noise": NOISY, "factors": "local"},
    "20 % missing": {"noise": NOISY, "missing": 0.2},
    "counts": {},
}
N_DRAWS = 20
SEED = 1

# Components of the local case live in this share of the indices of one mode; so do half of them.
LOCAL = 0.05

# Counts a cell, on average.
MEAN_COUNT = 0.3


def length_of(number: int) -> int:
    """Return the side of a draw's cube."""
    return {9: 280, 18: 280, 19: 400}.get(number, 200)


def draw(case: str, number: int, length: int, seed: int = SEED) -> tuple[Any, int]:
    """Return a tensor and its rank."""
    rng = np.random.default_rng([seed, list(CASES).index(case), number])
    rank, random_state, shape = 2 + number % 7, int(rng.integers(2**32)), (length,) * 3
    if case == "counts":
        events = MEAN_COUNT * length**3
        return make_count_tensor(shape, rank, events, random_state=random_state).X, rank
    usual = gaussian_factors if number % 2 else uniform_factors
    given = {"factors": usual, **CASES[case]}
    given = {name: value(rank) if name == "weights" else value for name, value in given.items()}
    if given["factors"] == "local":

        def local(length: int, rank: int, rng: np.random.Generator) -> Any:
            factor = usual(length, rank, rng)
            for component in range(max(1, rank // 2)):
                here = rng.choice(length, round(LOCAL * length), replace=False)
                factor[np.setdiff1d(np.arange(length), here), component] = 0.0
            return factor

        given["factors"] = [local if mode == number % 3 else usual for mode in range(3)]
    return make_cp_tensor(shape, rank, random_state=random_state, **given).X, rank


def answered(X: Any, parts: autoten.Parts | None) -> Row:
    """Return what is estimated, and the CPU seconds."""
    began = time.process_time()
    estimate = autoten.estimate_rank(X, parts=parts, random_state=0)
    cpu = time.process_time() - began
    row = {"rank": estimate.rank, "probability": estimate.probabilities[estimate.rank], "cpu": round(cpu, 2)}
    if parts is not None:
        row |= {"megabytes": parts.megabytes, "of parts": estimate.settings["ranks of parts"]}
    return row


def rows() -> list[Row]:
    """Return all that is kept."""
    return [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()] if RESULTS.exists() else []


def table(kept: list[Row]) -> list[Row]:
    """Return for each case how many are right, of draws that both have, and the share of the time."""
    pairs: dict[tuple[str, int], Row] = {}
    for row in kept:
        pairs.setdefault((row["case"], row["number"]), {})[row["how"]] = row
    lines = []
    for case in [*CASES, "all"]:
        of_case = [pair for (name, _), pair in pairs.items() if case in (name, "all")]
        both = [pair for pair in of_case if len(pair) == 2]
        alone = [pair["parts"] for pair in of_case if "parts" in pair]
        right = {how: sum(pair[how]["rank"] == pair[how]["true"] for pair in both) for how in ("whole", "parts")}
        cpu = {how: sum(pair[how]["cpu"] for pair in both) for how in ("whole", "parts")}
        lines.append(
            {
                "case": case,
                "draws of both": len(both),
                "whole right": right["whole"],
                "parts right": right["parts"],
                "time of parts, of the whole": f"{100 * cpu['parts'] / cpu['whole']:.1f} %" if both else "",
                "all draws of parts": len(alone),
                "right": sum(row["rank"] == row["true"] for row in alone),
            }
        )
    return lines


def shares(kept: list[Row]) -> list[tuple[int, float]]:
    """Return for each side of cubes the share of the time that parts take, in percent, of draws that both have."""
    cpu: dict[tuple[int, str, int], dict[str, float]] = {}
    for row in kept:
        cpu.setdefault((row["length"], row["case"], row["number"]), {})[row["how"]] = row["cpu"]
    pairs = [(length, of) for (length, *_), of in cpu.items() if len(of) == 2]
    lengths = sorted({length for length, _ in pairs})
    sums = {n: [sum(of[how] for length, of in pairs if length == n) for how in ("parts", "whole")] for n in lengths}
    return [(length, 100.0 * parts / whole) for length, (parts, whole) in sums.items()]


def main() -> None:
    """Measure what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("whole", "parts"), help="one of the two estimates")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES, help="some of the cases")
    parser.add_argument("--smoke", action="store_true", help="one small draw, nothing is kept")
    parser.add_argument("--table", action="store_true", help="print the table of what is kept")
    options = parser.parse_args()
    ways = {"parts": autoten.Parts(), "whole": None}
    if options.smoke:
        X, true = draw("local components", 0, 40)
        ways["parts"] = autoten.Parts(megabytes=0.1)
        print({how: answered(X, parts) for how, parts in ways.items()}, true)
        return
    kept = rows()
    there = {(row["case"], row["number"], row["how"]) for row in kept}
    numbers = sorted(range(N_DRAWS), key=lambda number: (length_of(number), number))
    with measure.one_thread():
        for number in () if options.table else numbers:
            for case in options.cases:
                for how in [how for how in ways if how == (options.only or how)]:
                    if (case, number, how) in there:
                        continue
                    X, true = draw(case, number, length_of(number))
                    row = {"case": case, "number": number, "length": length_of(number), "true": true, "how": how}
                    with Path(RESULTS).open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row | answered(X, ways[how])) + "\n")
    print(*markdown(table(rows())), sep="\n")


if __name__ == "__main__":
    main()
