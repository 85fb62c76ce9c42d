"""How does the cost grow with the size of the tensor, the rank, the number of ranks and of folds?

    python benchmarks/bench_growth.py            # about three minutes, writes results/growth.json and growth.png
    python benchmarks/bench_growth.py --smoke    # tiny sizes, writes nothing

CPU seconds; the slope in the legend is the exponent of a power law fitted to the points of a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import measure
import neighbours
import numpy as np
import ours
import timed
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator
from measure import alternating, say, seconds_per_sweep, short

import autoten
from autoten.door import as_tensor

PICTURE = measure.RESULTS / "growth.png"
SWEEP_CELLS = 2e7  # a timing covers about so many cells
FEWEST_SWEEPS, MOST_SWEEPS = 3, 60

# Told apart without colour.
STYLES = {
    "one sweep": {"marker": "o", "linestyle": "-", "color": "black"},
    "one sweep, tensorly": {"marker": "s", "linestyle": "--", "color": "0.45", "markerfacecolor": "white"},
    "whole estimate": {"marker": "^", "linestyle": ":", "color": "0.2", "markerfacecolor": "white"},
}


@dataclass(frozen=True)
class Grid:
    """What is measured: one list of sizes for each panel, and what is held fixed."""

    sides: tuple[int, ...]
    ranks: tuple[int, ...]
    largest_ranks: tuple[int, ...]
    folds: tuple[int, ...]
    rank: int
    side: int
    estimate_side: int
    repeats: int


FULL = Grid(
    sides=(20, 30, 50, 70, 100, 140, 200),
    ranks=(1, 2, 3, 4, 5, 7, 10, 14, 20),
    largest_ranks=(2, 4, 6, 8, 12, 16),
    folds=(2, 4, 8, 16, 32),
    rank=5,
    side=100,
    estimate_side=40,
    repeats=3,
)
SMOKE = Grid((10, 14), (2, 3), (1, 2), (2, 3), rank=2, side=12, estimate_side=10, repeats=1)


def run(grid: Grid) -> dict[str, Any]:
    """Measure all panels."""
    ours.warm_up()
    return {"panels": [by_side(grid), by_rank(grid), by_number_of_ranks(grid), by_number_of_folds(grid)]}


def by_side(grid: Grid) -> dict[str, Any]:
    """Return how a sweep and a whole estimate grow with the side of a cube."""
    rows = []
    for side in grid.sides:
        X = timed.noisy_cp((side,) * 3).X
        whole = alternating({"whole estimate": partial(_estimate, X, grid.rank + 1)}, grid.repeats, warm=False)
        rows.append(_sweeps(side, grid.rank, grid.repeats) | whole)
        _report("side", side, rows[-1])
    title = f"cubes, R {grid.rank} (estimate: ranks 1-{grid.rank + 1})"
    return panel("side of the cube I", title, grid.sides, rows)


def by_rank(grid: Grid) -> dict[str, Any]:
    """Return how a sweep grows with the rank."""
    rows = []
    for rank in grid.ranks:
        rows.append(_sweeps(grid.side, rank, grid.repeats))
        _report("rank", rank, rows[-1])
    return panel("rank R", f"{timed.label((grid.side,) * 3)}", grid.ranks, rows)


def by_number_of_ranks(grid: Grid) -> dict[str, Any]:
    """Return how a whole estimate grows with the number of candidate ranks."""
    X = timed.noisy_cp((grid.estimate_side,) * 3).X
    rows = []
    for largest in grid.largest_ranks:
        rows.append(alternating({"whole estimate": partial(_estimate, X, largest)}, grid.repeats, warm=False))
        _report("ranks 1 to", largest, rows[-1])
    return panel("number of ranks 1..n", timed.label(X.shape), grid.largest_ranks, rows)


def by_number_of_folds(grid: Grid) -> dict[str, Any]:
    """Return how a whole estimate grows with the number of folds."""
    X = timed.noisy_cp((grid.estimate_side,) * 3).X
    ranks = grid.rank + 1
    rows = []
    for folds in grid.folds:
        whole = {"whole estimate": partial(_estimate, X, ranks, folds)}
        rows.append(alternating(whole, grid.repeats, warm=False))
        _report("folds", folds, rows[-1])
    return panel("number of folds", f"{timed.label(X.shape)}, ranks 1-{ranks}", grid.folds, rows)


def panel(name: str, title: str, sizes: Sequence[int], rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return what one panel shows, and the exponent of every line."""
    lines = {line: [row[line] for row in rows] for line in rows[0]}
    slopes = {line: slope(sizes, seconds) for line, seconds in lines.items()}
    return {"against": name, "title": title, "sizes": list(sizes), "seconds": lines, "slopes": slopes}


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the exponent of a power law through the points."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-9)), 1)[0])


def _sweeps(side: int, rank: int, repeats: int) -> dict[str, float]:
    X = timed.noise((side,) * 3)
    sweeps = int(np.clip(SWEEP_CELLS / X.size, FEWEST_SWEEPS, MOST_SWEEPS))
    runs = {
        "one sweep": ours.sweeps_over(as_tensor(X), timed.factors(X.shape, rank)),
        "one sweep, tensorly": lambda n_sweeps: neighbours.tensorly_parafac(X, rank, n_sweeps, tol=0.0),
    }
    return seconds_per_sweep(runs, sweeps, repeats)


def _estimate(X: timed.Array, largest: int, folds: int = 5) -> autoten.RankEstimate:
    return autoten.estimate_rank(X, range(1, largest + 1), n_folds=folds, random_state=0)


def _report(what: str, size: int, seconds: dict[str, float]) -> None:
    say(f"{what} {size}:", ", ".join(f"{line} {short(value)}" for line, value in seconds.items()))


def draw(panels: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the panels on log-log axes."""
    with mpl.rc_context({"font.size": 8.5, "legend.fontsize": 8}):
        figure = Figure(figsize=(7.2, 6.0), layout="constrained")
        for ax, shown in zip(figure.subplots(2, 2).flat, panels, strict=True):
            _draw_panel(ax, shown)
        figure.savefig(path, dpi=150)


def _draw_panel(ax: Axes, shown: dict[str, Any]) -> None:
    for line, seconds in shown["seconds"].items():
        ax.plot(shown["sizes"], seconds, **STYLES[line], label=f"{line} (slope {shown['slopes'][line]:.2f})")
    ax.set(xscale="log", yscale="log", xlabel=shown["against"], ylabel="CPU seconds", title=shown["title"])
    ax.set_xticks(shown["sizes"], [str(size) for size in shown["sizes"]])
    ax.minorticks_off()
    ax.grid(color="0.9", linewidth=0.6)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
    if high < 100 * low:  # too short for a tick at every power of ten
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.legend(loc="upper left", frameon=False)


def run_and_draw(grid: Grid) -> dict[str, Any]:
    """Measure and draw; a smoke run draws nowhere."""
    results = run(grid)
    if grid is FULL:
        draw(results["panels"], PICTURE)
    return results


if __name__ == "__main__":
    measure.main("growth", __doc__, run_and_draw, FULL, SMOKE)
