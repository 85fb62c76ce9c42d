"""Candidate ranks: the overview and its panels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from autoten.plots.common import FIGURE_WIDTH, Array, legend_above, new_axes, small_text
from autoten.plots.placing import write_beside
from autoten.plots.reduction import (
    LARGEST_ERROR,
    SMALLEST_ERROR,
    ErrorAxis,
    OverviewData,
    error_axis,
    overview_data,
    title_of,
    without_outliers,
)
from autoten.selection.choice import Choice
from autoten.table import RankTable

# Inches, of four panels and of the strip below them.
OVERVIEW_HEIGHT = 5.5
LEFTOVER_HEIGHT = 1.5

# Percent: core consistency has no lower bound, and below zero only the fact matters, not the amount.
CONSISTENCY_LIMITS = (-20.0, 105.0)


def plot_overview(
    table: RankTable, choice: Choice | None = None, *, figure: Figure | SubFigure | None = None
) -> dict[str, Axes]:
    """Draw what there is to know about the candidate ranks: the chosen rank is marked in every panel.

    Fit, core consistency and held-out error against rank, the Pareto front of the last two, and, where the table tells
    it, whether what is left is noise.

    Parameters
    ----------
    table : RankTable
    choice : Choice, optional
        The rank to mark.
    figure : Figure or SubFigure, optional
        An empty figure to draw in, best one with ``layout="constrained"``. A new one of a page's width by default.

    Returns
    -------
    dict of Axes
        With the keys ``"fit"``, ``"core_consistency"``, ``"heldout"``, ``"front"`` and ``"leftover"``, the last only if
        the table holds ``"residual_excess"``.

    Examples
    --------
    >>> table = RankTable([0, 1, 2], {"heldout": [[1.0, 1.0], [0.2, 0.3], [0.21, 0.32]]}, (5, 6, 7))
    >>> panels = plot_overview(table, Choice(1))
    >>> list(panels)
    ['fit', 'core_consistency', 'heldout', 'front']
    >>> panels["heldout"].figure.savefig("overview.pdf")  # doctest: +SKIP
    """
    rows: list[Any] = [["fit", "core_consistency"], ["heldout", "front"]]
    heights = [OVERVIEW_HEIGHT / 2] * 2
    if "residual_excess" in table:
        rows, heights = [*rows, ["leftover"] * 2], [*heights, LEFTOVER_HEIGHT]
    if figure is None:
        figure = plt.figure(figsize=(FIGURE_WIDTH, sum(heights)), layout="constrained")
    figure.suptitle(title_of(table, choice))
    panels = figure.subplot_mosaic(rows, height_ratios=heights)
    plot_fit(table, choice, panels["fit"])
    plot_core_consistency(table, choice, panels["core_consistency"])
    plot_heldout(table, choice, panels["heldout"])
    if "leftover" in panels:
        plot_leftover(table, choice, panels["leftover"])
    # Last, because it places its texts by the final sizes of the panels.
    plot_front(table, choice, panels["front"])
    figure.align_ylabels(list(panels.values()))
    return panels


def plot_fit(table: RankTable, choice: Choice | None = None, ax: Axes | None = None) -> Axes:
    """Draw the explained share of the sum of squares against rank: the best start, and faintly every start.

    Parameters
    ----------
    table : RankTable
    choice : Choice, optional
        The rank to mark.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes
    """
    data = overview_data(table, choice)
    ax = _rank_axes(data, ax, "explained (%)")
    drawn = np.append(data.explained[np.isfinite(data.explained)], [0.0, 1.0])
    # A start that is worse than no model does not stretch the axis.
    pad = 0.06 * np.ptp(drawn)
    ax.set_ylim(drawn.min() - pad, drawn.max() + pad)
    _draw_replicates(ax, data.ranks, data.explained_starts, color="C0", label="starts")
    _draw_curve(ax, data.ranks, data.explained, color="C0", marker="o", label="best")
    return _finish(ax, data, data.ranks, data.explained, missing="fit")


def plot_core_consistency(table: RankTable, choice: Choice | None = None, ax: Axes | None = None) -> Axes:
    """Draw core consistency against rank: raw, corrected for noise and ceiling, the ceiling, and faintly every start.

    Values below the axis are triangles on its lower edge. The grey band covers the ranks at which core consistency is
    100 for any data (1 and 2 for three modes, 1 for nonnegative fits) and so tells nothing.

    Parameters
    ----------
    table : RankTable
    choice : Choice, optional
        The rank to mark.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes
    """
    data = overview_data(table, choice)
    ax = _rank_axes(data, ax, "core consistency (%)")
    ax.set(ylim=CONSISTENCY_LIMITS, yticks=range(0, 101, 25))
    values = np.where(np.isnan(data.corrected), data.raw, data.corrected)
    if data.uninformative and np.isfinite(values).any():
        _draw_uninformative(ax, data.uninformative)
    _draw_replicates(ax, data.ranks, data.raw_starts, color="C0", label="starts")
    _draw_curve(ax, data.ranks, data.ceiling, color="C2", marker="_", markersize=8, linestyle=":", label="ceiling")
    _draw_curve(
        ax,
        data.ranks,
        data.raw,
        color="C0",
        marker="o",
        markersize=7,
        linestyle="--",
        markerfacecolor="none",
        label="raw",
    )
    _draw_curve(ax, data.ranks, data.corrected, color="C1", marker="D", markersize=4, label="corrected")
    if (np.fmin(data.raw, data.corrected) < CONSISTENCY_LIMITS[0]).any():
        low = f"below −{-CONSISTENCY_LIMITS[0]:g}"
        ax.plot([], [], linestyle="none", marker="v", color=rcParams["text.color"], label=low)
    return _finish(ax, data, data.ranks, values, missing="core consistency")


def plot_heldout(table: RankTable, choice: Choice | None = None, ax: Axes | None = None) -> Axes:
    """Draw the held-out error, relative to the zero model, against rank.

    The bars are paired: the standard error, over folds, of the difference to the rank with the smallest mean. So the
    bars of two ranks may be compared through that rank, while the levels of the folds (faint) shift together.

    Parameters
    ----------
    table : RankTable
    choice : Choice, optional
        The rank to mark.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes
    """
    data = overview_data(table, choice)
    ax = _rank_axes(data, ax, "held-out error\n(zero model = 1)")
    limits = error_axis(np.append(data.heldout, without_outliers(data.heldout_folds)))
    if limits.log:
        ax.set_yscale("log", nonpositive="clip")
        _label_log_axis(ax.yaxis, limits, n_ticks=8, written=_written)
    ax.set_ylim(limits.low, limits.high)
    _draw_replicates(ax, data.ranks, data.heldout_folds, color="C0", label="folds")
    _draw_curve(ax, data.ranks, data.heldout, color="C0", marker="s", markersize=5, label="mean")
    inside = (data.heldout >= limits.low) & (data.heldout <= limits.high)
    if inside.any():
        ax.errorbar(
            data.ranks[inside],
            data.heldout[inside],
            data.heldout_error[inside],
            fmt="none",
            ecolor=rcParams["text.color"],
            capsize=3,
            capthick=1,
            elinewidth=1,
            zorder=4,
            label=f"paired s.e. vs rank {data.best}",
        )
    return _finish(ax, data, data.ranks, data.heldout, missing="held-out error")


def plot_front(table: RankTable, choice: Choice | None = None, ax: Axes | None = None) -> Axes:
    """Draw corrected core consistency against predictive accuracy, the Pareto front, and each point's rank.

    Accuracy is one minus the held-out error. Its axis is logarithmic in that error when the errors spread widely:
    0.99 and 0.999 are then as far apart as 0.9 and 0.99. Errors beyond twice the zero model's are drawn there.

    Parameters
    ----------
    table : RankTable
    choice : Choice, optional
        The rank to mark.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes
    """
    data = overview_data(table, choice)
    ax = new_axes() if ax is None else ax
    ax.set(
        xlabel="accuracy (1 − held-out error)",
        ylabel="corrected core\nconsistency (%)",
        ylim=(-18, 120),
        yticks=range(0, 101, 25),
    )
    limits = error_axis(data.heldout, margin=0.12)
    # Drawn against the error, backwards, and labelled with the accuracy: one minus the error has no useful logarithm.
    ax.set_xscale("log" if limits.log else "linear")
    if limits.log:
        _label_log_axis(ax.xaxis, limits, n_ticks=5 if limits.low > 1e-5 else 3, written=_written_accuracy)
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda error, _: _written_accuracy(error)))
    ax.set_xlim(limits.high, limits.low)
    errors = np.clip(data.heldout, SMALLEST_ERROR, LARGEST_ERROR)
    drawn = np.isfinite(errors) & np.isfinite(data.interpretability)
    _draw_front(ax, errors, data.interpretability, drawn=drawn, on_front=data.on_front)
    _finish(ax, data, errors, data.interpretability, missing="core consistency and held-out error")
    write_beside(ax, errors[drawn], data.interpretability[drawn], [str(rank) for rank in data.ranks[drawn]])
    return ax


def plot_stability(table: RankTable, choice: Choice | None = None, ax: Axes | None = None) -> Axes:
    """Draw how alike the components are when they are found again, against rank: 1 is the same, 0 nothing in common.

    Factor match scores of the best start with the fits of the folds (each of which has not seen a part of the cells;
    faint, and their mean) and with the other starts that ended about as well; and of models of two halves of the
    longest mode with one another, which share no cell. A rank whose components do not come back is no basis for an
    interpretation.

    Parameters
    ----------
    table : RankTable
    choice : Choice, optional
        The rank to mark.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes
    """
    data = overview_data(table, choice)
    ax = _rank_axes(data, ax, "factor match score")
    ax.set(ylim=(-0.05, 1.07), yticks=np.arange(0.0, 1.1, 0.25))
    _draw_replicates(ax, data.ranks, data.stability_folds, color="C0", label="folds")
    _draw_curve(ax, data.ranks, data.stability, color="C0", marker="o", label="mean of folds")
    style: dict[str, Any] = {
        "color": "C1",
        "marker": "D",
        "markersize": 4,
        "markerfacecolor": "none",
        "linestyle": "--",
    }
    _draw_curve(ax, data.ranks, data.stability_starts, **style, label="other starts")
    halves: dict[str, Any] = {"color": "C2", "marker": "s", "markersize": 4, "linestyle": ":"}
    _draw_curve(ax, data.ranks, data.stability_halves, **halves, label="halves")
    return _finish(ax, data, data.ranks, data.stability, missing="stability")


def plot_leftover(table: RankTable, choice: Choice | None = None, ax: Axes | None = None) -> Axes:
    """Draw what the strongest component that a model leaves explains, in times what one of noise does, against rank.

    At 1 nothing is left but noise, independent from cell to cell; above it components are missing, or the noise has a
    structure of its own. The noise is copies of the residual with random signs; faint are the ratios to each of them.
    Beside it the weakest component of the model, by what it alone explains: look for the rank at which it stands well
    above what is left.

    Parameters
    ----------
    table : RankTable
    choice : Choice, optional
        The rank to mark.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes
    """
    data = overview_data(table, choice)
    ax = _rank_axes(data, ax, "explained\n(noise = 1)")
    left = np.append(data.leftover_copies[np.isfinite(data.leftover_copies)], 1.0)
    # How much further a component of the model stands above noise does not matter.
    high = np.nanmax(np.append(data.weakest[data.weakest < 10.0 * left.max()], left.max()))
    pad = (high / left.min()) ** 0.08 * 1.1
    ax.set_yscale("log")
    ax.set_ylim(left.min() / pad, high * pad)
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 30.0 * left.min() else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda times, _: f"{times:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.axhline(1.0, color=rcParams["text.color"], linewidth=0.8, zorder=0.8)
    _draw_replicates(ax, data.ranks, data.leftover_copies, color="C0", label="copies")
    _draw_curve(ax, data.ranks, data.leftover, color="C0", marker="o", label="strongest left")
    style: dict[str, Any] = {"color": "C1", "marker": "D", "markersize": 4, "linestyle": "--"}
    _draw_curve(ax, data.ranks, data.weakest, label="weakest of the model", **style)
    return _finish(ax, data, data.ranks, data.leftover, missing="test of what is left")


def _rank_axes(data: OverviewData, ax: Axes | None, ylabel: str) -> Axes:
    """Return Axes (new ones for None) with ranks along x."""
    ax = new_axes() if ax is None else ax
    ax.set(xlabel="rank", ylabel=ylabel, xlim=(data.ranks[0] - 0.5, data.ranks[-1] + 0.5))
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return ax


def _draw_curve(ax: Axes, ranks: NDArray[np.int64], values: Array, **style: Any) -> None:
    """Draw a line with markers, if there is a value; what lies beyond the y limits becomes triangles at the edge."""
    if np.isnan(values).all():
        return
    shown = np.clip(values, *ax.get_ylim())
    inside = shown == values
    # Two neighbours beyond the edge are not joined: a line along the edge would read as a value.
    (breaks,) = np.nonzero(~inside[:-1] & ~inside[1:])
    x, y = (np.insert(row.astype(float), breaks + 1, np.nan) for row in (ranks, shown))
    style = {"markeredgewidth": 1.0, **style}  # some style sheets have none, and hollow markers vanish
    ax.plot(x, y, markevery=np.insert(inside, breaks + 1, False), **style)
    _draw_beyond(ax, ranks, values, **{**style, "label": None})


def _draw_replicates(ax: Axes, ranks: NDArray[np.int64], replicates: Array, *, color: str, label: str) -> None:
    """Draw all replicates as faint points, side by side around their rank."""
    n = replicates.shape[1]
    x = ranks[:, None] + np.linspace(-0.3, 0.3, n + 2)[1:-1]
    low, high = ax.get_ylim()
    inside = (replicates >= low) & (replicates <= high)
    style: dict[str, Any] = {"color": color, "alpha": 0.4, "markeredgewidth": 0.0, "zorder": 1.5}
    if inside.any():
        ax.plot(x[inside], replicates[inside], linestyle="none", marker="o", markersize=3.5, label=label, **style)
    _draw_beyond(ax, x, replicates, markersize=4, **style)


def _draw_beyond(ax: Axes, x: Array | NDArray[np.int64], values: Array, **style: Any) -> None:
    """Put triangles on the edge of the Axes where values lie beyond it."""
    low, high = ax.get_ylim()
    for beyond, edge, marker in ((values < low, low, CARETDOWN), (values > high, high, CARETUP)):
        if beyond.any():
            # The tip of a caret is its origin: unclipped it stands on the edge, inside the Axes.
            at = {"linestyle": "none", "marker": marker, "clip_on": False}
            ax.plot(x[beyond], np.full(int(beyond.sum()), edge), **{**style, **at})


def _draw_uninformative(ax: Axes, ranks: tuple[int, ...]) -> None:
    """Shade the ranks at which core consistency is 100 for any data."""
    ax.axvspan(ranks[0] - 0.5, ranks[-1] + 0.5, color=rcParams["text.color"], alpha=0.12, linewidth=0, zorder=0)
    middle = sum(ranks) / len(ranks)
    ax.text(middle, 35, "no information", rotation=90, ha="center", va="center", fontsize=small_text())


def _finish(ax: Axes, data: OverviewData, x: Array | NDArray[np.int64], y: Array, *, missing: str) -> Axes:
    """Mark the chosen rank and add the legend, or say that there was nothing to draw."""
    if not np.isfinite(y).any():
        ax.text(0.5, 0.5, f"no {missing}", transform=ax.transAxes, ha="center", va="center", fontsize=small_text())
        return ax
    if data.chosen is not None:
        row = int(np.flatnonzero(data.ranks == data.chosen)[0])
        style: dict[str, Any] = {"color": rcParams["text.color"], "linestyle": ":", "linewidth": 1.0}
        ax.axvline(x[row], zorder=0.8, **style)
        ring: dict[str, Any] = {
            "marker": "o",
            "markersize": 10,
            "markerfacecolor": "none",
            "markeredgewidth": 1.0,
            "clip_on": False,
            "zorder": 5,
        }
        ax.plot(x[row], np.clip(y[row], *ax.get_ylim()), label=f"chosen: {data.chosen}", **style, **ring)
    legend_above(ax)
    return ax


def _draw_front(ax: Axes, x: Array, y: Array, *, drawn: NDArray[np.bool_], on_front: NDArray[np.bool_]) -> None:
    front = np.nonzero(on_front)[0]
    front = front[np.lexsort((y[front], x[front]))]
    beaten = drawn & ~on_front
    if beaten.any():
        ax.plot(
            x[beaten],
            y[beaten],
            "s",
            markersize=4,
            color="C0",
            markerfacecolor="none",
            markeredgewidth=1,
            label="dominated",
        )
    if front.size:
        ax.plot(x[front], y[front], "o-", markersize=5, color="C0", label="Pareto front")


def _label_log_axis(axis: Axis, limits: ErrorAxis, *, n_ticks: int, written: Callable[[float], str]) -> None:
    """Write ticks as plain numbers: the exponents of matplotlib's powers of ten are smaller than `SMALLEST_TEXT`."""
    low, high = np.log10(limits[:2])
    step = int(np.ceil((high - low) / n_ticks))
    # Counted down from 1, the zero model, so that it keeps its tick when others are left out.
    ticks = 10.0 ** np.arange(min(np.floor(high), 0.0), low - 1.0, -step)
    if high - low < n_ticks / 3:
        ticks = np.outer(ticks, [1.0, 2.0, 5.0]).ravel()
    axis.set_major_locator(FixedLocator([tick for tick in ticks if limits.low < tick < limits.high]))
    axis.set_major_formatter(FuncFormatter(lambda error, _: written(error)))
    axis.set_minor_formatter(NullFormatter())


def _written(error: float) -> str:
    return f"{error:g}" if error > 5e-5 else np.format_float_scientific(error, precision=0, trim="-", exp_digits=1)


def _written_accuracy(error: float) -> str:
    """Write one minus the error; many nines are hard to count, so a tiny error is written as what is missing."""
    return f"{1.0 - error:.6g}".replace("-", "−") if error > 5e-5 or error <= 0.0 else f"1−{_written(error)}"
