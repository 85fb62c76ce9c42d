"""What an estimate of 1 TB would cost on paper: passes over X from the code's own numbers, seconds from the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markdown import table

from autoten import sweep as fitting

GIGABYTES = 1000.0
N_MODES = 3

# What is asked for: ranks 1 to 5, two folds of `Blocks(0.5)`, and fits that converge in 50 sweeps. Thirty-two machines
# of 16 cores hold X.
RANKS = 5
N_FOLDS = 2
SWEEPS = 50
WORKERS = 512

DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0


def passes() -> dict[str, float]:
    """Return how many passes over X each part of the estimate makes at most."""
    # An extrapolation that is taken back costs one pass more; fits that run side by side share theirs.
    starts = (fitting.EXPLORING_SWEEPS + SWEEPS) * (N_MODES + 1) + 2
    fold = fitting.FOLD_STARTS * SWEEPS * (N_MODES + 1) / 2**N_MODES + 1
    return {
        "check, norm, Gram matrices, core for the starts": 2,
        f"ranks 0..{RANKS}: what is left, of a block": RANKS + 1,
        f"ranks 1..{RANKS}: one start explored, the best refined side by side": RANKS * starts,
        f"ranks 1..{RANKS}: core consistency of the converged starts": RANKS * fitting.N_REFINED,
        f"ranks 1..{RANKS} × {N_FOLDS} folds: three starts on an eighth of X, rows left out": RANKS * N_FOLDS * fold,
    }


def seconds_per_gigabyte(results: Mapping[str, Any]) -> tuple[float, float]:
    """Return the cost of a pass in one process that makes the chunks, and in each worker that holds its own."""
    largest = max(results["rows"], key=lambda row: row["bytes"])
    made = largest["seconds"]["sweep"] / N_MODES / (largest["bytes"] / 1e9)
    cluster = max(results["clusters"], key=lambda row: row["workers"])
    held = cluster["sweep"] / N_MODES * cluster["workers"] / (cluster["side"] ** N_MODES * 8 / 1e9)
    return made, held


def plan(results: Mapping[str, Any]) -> list[str]:
    """Return the plan: passes, and how long they take at the measured rates."""
    made, held = seconds_per_gigabyte(results)
    parts = passes()
    parts["in all"] = sum(parts.values())
    rows = [
        (part, f"{n:.0f}", shown(n * GIGABYTES * made), shown(n * GIGABYTES * held / WORKERS))
        for part, n in parts.items()
    ]
    rates = (
        f"1 TB at the measured rates, {made:.3g} s for a pass over 1 GB in one process that makes the chunks in every "
        f"pass, and {held:.3g} s in a worker that holds them:"
    )
    head = ("part", "passes over X, at most", "one process, chunks made anew", f"{WORKERS} workers that hold X")
    return [rates, "", *table(head, rows)]


def shown(seconds: float) -> str:
    """Return a long time in a fitting unit."""
    units = ((DAY, "days"), (HOUR, "h"), (MINUTE, "min"))
    size, unit = next(((size, unit) for size, unit in units if seconds >= size), (1.0, "s"))
    number = seconds / size
    return f"{number:.0f} {unit}" if number >= 10 else f"{number:.2g} {unit}"
