"""The targets, each with its goal, where its figure stands in the results, and its quality gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from timed import AMINO_ACIDS, Shape, label

Results = Mapping[str, dict[str, Any]]
Row = dict[str, Any]

# What counts as the same result, beside a speed.
SAME_LOSS = 1e-6
NO_WORSE = 1e-4
SAME_CONSISTENCY = 1e-6


@dataclass(frozen=True)
class Found:
    """What was measured for a target, and its quality gate in words (nothing where there is none)."""

    value: float
    gate: str = ""
    gate_met: bool = True
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A line of the target table; `unit` is "x" for ratios rival / ours, "%" or "s"."""

    workload: str
    goal: float
    stretch: float | None
    find: Callable[[Results], Found | None]
    unit: str = "x"
    at_most: bool = False

    def row(self, results: Results) -> tuple[str, ...]:
        """Return its cells."""
        asked = (self.workload, shown(self.goal, self.unit), shown(self.stretch, self.unit))
        found = self.find(results)
        if found is None:
            return (*asked, "–", "not measured yet", "–")
        gate = f"{found.gate} ({'met' if found.gate_met else '**missed**'})" if found.gate else "–"
        measured = shown(found.value, self.unit) + found.note
        return (*asked, measured, self._verdict(found), gate)

    def _verdict(self, found: Found) -> str:
        sign = -1.0 if self.at_most else 1.0
        if sign * found.value < sign * self.goal:
            return "**missed**"
        if not found.gate_met:
            return "**fast, but its gate is missed**"
        return "stretch met" if self.stretch is not None and sign * found.value >= sign * self.stretch else "goal met"


def shown(value: float | None, unit: str) -> str:
    """Return a figure with its unit."""
    if value is None:
        return "–"
    if unit == "%":
        return f"{100 * value:.3g} %"
    return f"{value:.3g}" + (" s" if unit == "s" else " times complete ALS" if unit == "x complete ALS" else "")


def _row_of(results: Results, file: str, part: str, shape: Shape, **wanted: Any) -> Row | None:
    rows = results.get(file, {}).get(part, ())
    fits = (row for row in rows if tuple(row["shape"]) == shape and all(row[k] == v for k, v in wanted.items()))
    return next(fits, None)


def _sweep(shape: Shape, rank: int, rival: str, goal: float, stretch: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _row_of(results, "kernels", "dense_sweeps", shape, rank=rank)
        if row is None:
            return None
        gate = f"loss after the same sweeps differs by {row['loss_difference']:.0e}"
        most = f" (at most {row['largest_ratio'][rival]:.3g} at this machine's limit)" if "largest_ratio" in row else ""
        return Found(row["ratio"][rival], gate, row["loss_difference"] <= SAME_LOSS, most)

    return Target(f"dense ALS sweep {label(shape)}, R {rank}, vs {rival}", goal, stretch, find)


def _share_of_two_reads(shape: Shape, rank: int, goal: float, stretch: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _row_of(results, "kernels", "dense_sweeps", shape, rank=rank)
        return row and Found(row["share_of_two_reads"])

    return Target(f"{label(shape)}, R {rank}: share of the two-read limit", goal, stretch, find, "%")


def _rank_sweep(shape: Shape, goal: float, stretch: float | None, nonnegative: bool = False) -> Target:
    def find(results: Results) -> Found | None:
        row = _row_of(results, "solvers", "rank_sweeps", shape, nonnegative=nonnegative)
        if row is None:
            return None
        gate = (
            f"worst loss / best of tensorly's {row['rival_starts_compared']} starts - 1 = {row['loss_excess']:.0e}, "
            f"core consistency within {row['core_consistency_difference']:.1g} points"
        )
        return Found(row["ratio"], gate, row["gate"], " (rival scaled)" if row["scaled"] else "")

    what = "nonnegative rank sweep, ranks 1..10" if nonnegative else "whole rank sweep, ranks 1..15"
    return Target(f"{what} × 10 starts, {label(shape)}, vs tensorly", goal, stretch, find)


def _holdout(shape: Shape, goal: float, stretch: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _row_of(results, "solvers", "holdouts", shape)
        return row and Found(row["ratio"], minimum_in_words(row), row["gate"])

    return Target(f"5-fold hold-out × 8 ranks, {label(shape)}, vs tensorly mask=", goal, stretch, find)


def minimum_in_words(row: Row) -> str:
    """Return where the held-out error is smallest, on both sides."""
    rank, error = row["rank_of_minimum"], row["smallest_error"]
    where = (
        f"both at rank {rank['ours']}" if row["same_rank"] else f"ours at {rank['ours']}, theirs at {rank['tensorly']}"
    )
    return f"smallest held-out error {error['ours']:.3g}, theirs {error['tensorly']:.3g}, {where}"


def _masked(missing: float, goal: float, stretch: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _row_of(results, "kernels", "masked_sweeps", (100, 100, 100), rank=5, missing=missing)
        if row is None:
            return None
        gate = f"loss from the same start / theirs - 1 = {row['loss_excess']:.0e}"
        return Found(row["ratio"]["tensorly"], gate, row["loss_excess"] <= NO_WORSE)

    name = f"masked sweep, {100 * missing:.0f} % missing, {label((100,) * 3)}, R 5, vs tensorly mask="
    return Target(name, goal, stretch, find)


def _consistency(shape: Shape, goal: float, stretch: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _row_of(results, "kernels", "core_consistency", shape, rank=5)
        if row is None:
            return None
        gate = f"values differ by {row['difference']:.0e}"
        return Found(row["ratio"]["tlviz"], gate, row["difference"] <= SAME_CONSISTENCY)

    return Target(f"core consistency {label(shape)}, R 5, vs tlviz", goal, stretch, find)


def _sparse_product(nonzeros: int, goal: float, stretch: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _sparse_row(results, "products", nonzeros)
        gate = row and f"products differ by {row['difference']:.0e}"
        return row and Found(row["ratio"]["pyttb"], gate or "", row["difference"] <= SAME_LOSS)

    return Target(f"sparse MTTKRP, {nonzeros:.0e} nonzeros, R 16, vs pyttb", goal, stretch, find)


def _sparse_sweep(nonzeros: int, goal: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _sparse_row(results, "products", nonzeros)
        return row and Found(row["sweep_over_products"])

    name = f"sparse ALS sweep over the time of its MTTKRPs, {nonzeros:.0e} nonzeros, R 16"
    return Target(name, goal, None, find, at_most=True)


def _sparse_consistency(goal: float, stretch: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _sparse_row(results, "core_consistency", 10**6)
        gate = row and f"cores differ by {row['difference']:.0e}"
        return row and Found(row["ratio"]["pyttb"], gate or "", row["difference"] <= SAME_CONSISTENCY)

    return Target("core consistency, 1e6 nonzeros, R 5, vs pyttb's chain of products", goal, stretch, find)


def _sparse_memory(goal: float) -> Target:
    def find(results: Results) -> Found | None:
        rows = results.get("sparse", {}).get("estimates", ())
        return Found(rows[0]["of_the_nonzeros"]) if rows else None

    name = "memory of an estimate beyond X, 1e7 nonzeros, ranks 1..10, in units of the nonzeros"
    return Target(name, goal, None, find, at_most=True)


def _sparse_row(results: Results, part: str, nonzeros: int) -> Row | None:
    rows = results.get("sparse", {}).get(part, ())
    return next((row for row in rows if row["nonzeros"] == nonzeros), None)


def _memory(what: str, rank: int, goal: float) -> Target:
    def find(results: Results) -> Found | None:
        rows = results.get("memory", {}).get("rows", ())
        shares = [row["share_per_worker"] for row in rows if row["what"] == what and row["rank"] == rank]
        return Found(max(shares)) if shares else None

    per_worker = " (per worker)" if what == "rank sweep" else ""
    workload = f"memory of {what}{per_worker} beyond X, {label((200,) * 3)}, R {rank}, of X"
    return Target(workload, goal, None, find, "%", at_most=True)


def _solvers(pick: Callable[[Row], Found | None]) -> Callable[[Results], Found | None]:
    return lambda results: pick(results["solvers"]) if "solvers" in results else None


def _process(workload: str, goal: float, stretch: float | None, name: str) -> Target:
    wall = _solvers(lambda found: Found(found["processes"]["wall_seconds"][name]))
    return Target(workload, goal, stretch, wall, "s", at_most=True)


def _compile(workload: str, goal: float) -> Target:
    def find(found: Row) -> Found | None:
        seconds = found["processes"]["compile_seconds"]
        return None if seconds is None else Found(seconds)

    return Target(workload, goal, None, _solvers(find), "s", at_most=True)


def _profile(shape: Shape, goal: float) -> Target:
    def find(results: Results) -> Found | None:
        row = _row_of(results, "solvers", "profiles", shape)
        return row and Found(row["share_outside_fits"])

    return Target(f"estimate, ranks 1..8, {label(shape)}: time outside the fits", goal, None, find, "%", at_most=True)


def _engine(name: str, goal: float, stretch: float | None = None) -> Target:
    """Return a target of a whole estimate: seconds, or the ratio to one by complete least squares."""

    def find(results: Results) -> Found | None:
        row = next((row for row in results.get("engine", {}).get("rows", ()) if row["name"] == name), None)
        return row and Found(row["seconds"] / row.get("complete", 1.0))

    return Target(f"whole estimate, {name.removeprefix('estimate ')}", goal, stretch, find, unit(name), at_most=True)


def unit(name: str) -> str:
    """Return the unit of a row of the engine's results."""
    return "s" if name.startswith("estimate ") else "x complete ALS"


CUBE_50, CUBE_100, CUBE_200 = (50,) * 3, (100,) * 3, (200,) * 3
TARGETS = (
    _sweep(CUBE_100, 5, "tensorly", 8, 12),
    _sweep(CUBE_100, 10, "tensorly", 6, 8),
    _sweep(CUBE_100, 20, "tensorly", 4, 5),
    _sweep(CUBE_200, 5, "tensorly", 5, 7),
    _sweep(CUBE_200, 10, "tensorly", 5, 6),
    _sweep(CUBE_200, 20, "tensorly", 4, 5),
    _sweep(CUBE_200, 5, "pyttb", 3.5, 5),
    _sweep(CUBE_200, 10, "pyttb", 3.5, 4.5),
    _sweep(CUBE_200, 20, "pyttb", 3, 4),
    _share_of_two_reads(CUBE_200, 5, 0.4, 0.6),
    _sweep((60,) * 4, 10, "tensorly", 5, 8),
    _sweep(AMINO_ACIDS, 4, "tensorly", 7, 12),
    _sweep(CUBE_50, 5, "tensorly", 5, 8),
    _rank_sweep(AMINO_ACIDS, 35, 60),
    _rank_sweep(CUBE_100, 60, 300),
    _rank_sweep(CUBE_200, 80, 300),
    _rank_sweep(AMINO_ACIDS, 20, None, nonnegative=True),
    _rank_sweep(CUBE_100, 20, None, nonnegative=True),
    _engine("15 % holes", 1.5, 1.2),
    _engine("60 % holes", 3, 2),
    _engine("weighted", 3, 2),
    _engine("HALS", 1.5, 1.2),
    _engine("HALS, 15 % holes", 3, 2),
    _engine("KL, dense", 6, 3),
    _engine("KL, sparse", 4, 2),
    _engine("sparse", 1.5, 1),
    *(
        _engine(f"estimate {label(shape)}", goal)
        for shape, goal in ((AMINO_ACIDS, 0.7), (CUBE_100, 1.5), (CUBE_200, 10))
    ),
    _holdout(AMINO_ACIDS, 20, 50),
    _holdout((40,) * 3, 12, 50),
    _masked(0.1, 5, 10),
    _masked(0.3, 5, 10),
    _consistency(CUBE_100, 3, 6),
    _sparse_product(10**6, 15, 25),
    _sparse_product(10**7, 15, 25),
    _sparse_sweep(10**6, 1.2),
    _sparse_sweep(10**7, 1.2),
    _sparse_consistency(200, 500),
    _sparse_memory(6),
    _memory("core consistency", 5, 0.05),
    _memory("rank sweep", 10, 1.5),
    _process("second process: import and estimate, amino acids, ranks 1..6", 3.0, 1.5, "estimate"),
    _process("import autoten, with all that estimate_rank needs", 1.0, None, "import with estimate_rank"),
    _compile("compile time with a cold cache", 40.0),
    Target(
        "two workers against one, wall clock",
        1.6,
        None,
        _solvers(lambda found: Found(found["parallel"]["speed_up"], "same answer", found["parallel"]["gate"])),
    ),
    Target(
        "max_time of 2 s, 100³, ranks 1..30: seconds too many, of max_time",
        0.1,
        None,
        _solvers(
            lambda found: Found(found["time_limit"]["overrun"], "finished ranks kept", found["time_limit"]["gate"])
        ),
        "%",
        at_most=True,
    ),
    _profile(AMINO_ACIDS, 0.3),
    _profile(CUBE_100, 0.15),
    _profile(CUBE_200, 0.15),
)
