"""Candidate ranks: the overview and its panels, drawn straight from the table of scores."""

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
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, MaxNLocator, NullFormatter

from autoten._typing import Array
from autoten.plots.common import PAGE_WIDTH, Look, legend_above, new_axes, say, small_text, write_beside, written
from autoten.selection.choice import Choice
from autoten.selection.policies import trade_off
from autoten.table import RankTable

# Inches, of the rows of the overview.
HEIGHTS = (2.75, 2.75, 1.5)

# Percent: core consistency has no lower bound, and below zero only the fact matters, not the amount.
CONSISTENCY_LIMITS = (-20.0, 105.0)

# The zero model's held-out error is 1: at twice that a model is simply bad, below the other it is exact.
LARGEST_ERROR = 2.0
SMALLEST_ERROR = 1e-12

# Times the mean of its rank: a fold's error beyond that, or as far below, stretches no axis.
USUAL_SPREAD = 3.0

# Largest over smallest value from which an axis is logarithmic.
LOG_SPREAD = 10.0

# The curves of a panel: the one that matters most first.
FIRST = {"color": "C0", "marker": "o"}
SECOND = {"color": "C1", "marker": "D", "markersize": 4}
THIRD = {"color": "C2", "linestyle": ":"}


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
    rows: list[Any] = [["fit", "core_consistency"], ["heldout", "front"], ["leftover", "leftover"]]
    heights = HEIGHTS[: 3 if "residual_excess" in table else 2]
    if figure is None:
        figure = plt.figure(figsize=(PAGE_WIDTH, sum(heights)), layout="constrained")
    title = " × ".join(map(str, table.shape)) + " tensor"
    if choice is not None:
        instead = choice.in_place_of
        how = "chosen" if instead is None else f"taken in place of {instead.rank}"
        title = f"Rank {choice.rank} {how} for the {title}"
    figure.suptitle(title if table.complete else f"{title} (interrupted: not all ranks tried)")
    panels = figure.subplot_mosaic(rows[: len(heights)], height_ratios=heights)
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
    ax = _rank_axes(table, ax, "explained (%)")
    explained = 100.0 * table.known("fit")
    # A start that is worse than no model does not stretch the axis.
    _fit_axis(ax.yaxis, np.append(explained, [0.0, 1.0]))
    _draw_replicates(ax, table, 100.0 * (1.0 - _replicates(table, "loss_starts")), "starts")
    _draw(ax, table.ranks, explained, **FIRST, label="best")
    return _finish(ax, table, choice, table.ranks, explained, missing="fit")


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
    ax = _rank_axes(table, ax, "core consistency (%)")
    ax.set(ylim=CONSISTENCY_LIMITS, yticks=range(0, 101, 25))
    raw, corrected = table.known("core_consistency"), table.known("corrected_core_consistency")
    either = np.where(np.isnan(corrected), raw, corrected)
    tell_nothing = table.ranks[~table.informative & (table.ranks > 0)]
    if tell_nothing.size and np.isfinite(either).any():
        low, high = tell_nothing[[0, -1]] + [-0.5, 0.5]
        ax.axvspan(low, high, color=rcParams["text.color"], alpha=0.12, linewidth=0, zorder=0)
        ax.text((low + high) / 2, 35, "no information", rotation=90, ha="center", va="center", fontsize=small_text())
    _draw_replicates(ax, table, _replicates(table, "core_consistency_starts"), "starts")
    _draw(ax, table.ranks, table.known("ceiling"), **THIRD, marker="_", markersize=8, label="ceiling")
    hollow = {"markersize": 7, "linestyle": "--", "markerfacecolor": "none"}
    _draw(ax, table.ranks, raw, **FIRST, **hollow, label="raw")
    _draw(ax, table.ranks, corrected, **SECOND, label="corrected")
    if (np.fmin(raw, corrected) < CONSISTENCY_LIMITS[0]).any():
        ax.plot([], [], "v", color=rcParams["text.color"], label=f"below {written(CONSISTENCY_LIMITS[0])}")
    return _finish(ax, table, choice, table.ranks, either, missing="core consistency")


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
    ax = _rank_axes(table, ax, "held-out error\n(zero model = 1)")
    errors, folds = table.known("heldout"), _replicates(table, "heldout")
    if not np.isfinite(errors).any():
        return _finish(ax, table, choice, table.ranks, errors, missing="held-out error")
    # A fold that exploded stretches no axis.
    usual = folds[(folds > errors[:, None] / USUAL_SPREAD) & (folds < errors[:, None] * USUAL_SPREAD)]
    _fit_axis(ax.yaxis, np.clip(np.append(errors, usual), SMALLEST_ERROR, LARGEST_ERROR), n_ticks=8)
    _draw_replicates(ax, table, folds, "folds")
    _draw(ax, table.ranks, errors, color="C0", marker="s", markersize=5, label="mean")
    best = int(table.ranks[np.nanargmin(errors)])
    bars = [table.difference(rank, best).error for rank in table.ranks]
    look: Look = {"ecolor": rcParams["text.color"], "capsize": 3, "capthick": 1, "elinewidth": 1, "zorder": 4}
    ax.errorbar(table.ranks, errors, bars, fmt="none", label=f"paired s.e. vs rank {best}", **look)
    return _finish(ax, table, choice, table.ranks, errors, missing="held-out error")


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
    ax = new_axes() if ax is None else ax
    ax.set(xlabel="accuracy (1 − held-out error)", ylabel="corrected core\nconsistency (%)")
    ax.set(ylim=(-18, 120), yticks=range(0, 101, 25))
    try:
        both = trade_off(table)
    except ValueError:  # as a policy would say
        return _finish(ax, table, choice, *np.empty((2, 0)), missing="core consistency and held-out error")
    # Drawn against the error, backwards, and labelled with the accuracy: one minus the error has no useful logarithm.
    x, y = np.clip(table.mean("heldout"), SMALLEST_ERROR, LARGEST_ERROR), 100.0 * both.interpretability
    known, front = ~np.isnan(x + y), both.front
    _fit_axis(ax.xaxis, x, margin=0.12, n_ticks=5 if np.nanmin(x) > 1e-5 else 3, label=_accuracy)
    ax.invert_xaxis()
    look: Look = {"color": "C0", "markersize": 4, "markerfacecolor": "none", "markeredgewidth": 1}
    _draw(ax, x[known & ~front], y[known & ~front], linestyle="none", marker="s", label="dominated", **look)
    along = np.flatnonzero(front)[np.lexsort((y[front], x[front]))]
    ax.plot(x[along], y[along], "o-", markersize=5, color="C0", label="Pareto front")
    _finish(ax, table, choice, x, y)
    write_beside(ax, x[known], y[known], [str(rank) for rank in table.ranks[known]])
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
    ax = _rank_axes(table, ax, "factor match score")
    ax.set(ylim=(-0.05, 1.07), yticks=np.arange(0.0, 1.1, 0.25))
    of_folds = table.known("stability_folds")
    _draw_replicates(ax, table, _replicates(table, "stability_folds"), "folds")
    _draw(ax, table.ranks, of_folds, **FIRST, label="mean of folds")
    hollow = {"markerfacecolor": "none", "linestyle": "--"}
    _draw(ax, table.ranks, table.known("stability_starts"), **SECOND, **hollow, label="other starts")
    _draw(ax, table.ranks, table.known("stability_halves"), **THIRD, marker="s", markersize=4, label="halves")
    return _finish(ax, table, choice, table.ranks, of_folds, missing="stability")


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
    ax = _rank_axes(table, ax, "explained\n(noise = 1)")
    strongest, weakest = np.exp(table.known("residual_excess")), np.exp(table.known("weakest_excess"))
    copies = np.exp(_replicates(table, "residual_excess"))
    left = np.append(copies[np.isfinite(copies)], 1.0)
    # How much further a component of the model stands above noise does not matter.
    _fit_axis(ax.yaxis, np.concatenate([left, weakest[(weakest > left.min()) & (weakest < 10.0 * left.max())]]))
    ax.axhline(1.0, color=rcParams["text.color"], linewidth=0.8, zorder=0.8)
    _draw_replicates(ax, table, copies, "copies")
    _draw(ax, table.ranks, strongest, **FIRST, label="strongest left")
    _draw(ax, table.ranks, weakest, **SECOND, linestyle="--", label="weakest of the model")
    return _finish(ax, table, choice, table.ranks, strongest, missing="test of what is left")


# What the table holds


def _replicates(table: RankTable, name: str) -> Array:
    """Return all replicates of a score, a row for each rank; NaN where the table does not hold it."""
    return table[name] if name in table else np.full((len(table), 1), np.nan)


# Axes


def _rank_axes(table: RankTable, ax: Axes | None, ylabel: str) -> Axes:
    """Return Axes (new ones for None) with ranks along x."""
    ax = new_axes() if ax is None else ax
    ax.set(xlabel="rank", ylabel=ylabel, xlim=(table.ranks[0] - 0.5, table.ranks[-1] + 0.5))
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return ax


def _fit_axis(
    axis: Axis, values: Array, *, margin: float = 0.06, n_ticks: int = 5, label: Callable[[float], str] = written
) -> None:
    """Fit an axis to values, with free space at either end; it is logarithmic where they spread tenfold and more."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    is_log = 0.0 < LOG_SPREAD * low < high
    if is_log:
        low, high = low * (low / high) ** margin, high * (high / low) ** margin
        decades = np.log10(high / low)
        # In steps from 1, the zero model or noise, so that it keeps its tick when others are left out.
        step = int(np.ceil(decades / n_ticks))
        ticks = 10.0 ** (step * np.arange(np.floor(np.log10(low) / step), np.log10(high) / step))
        if decades < n_ticks / 3:
            ticks = np.outer(ticks, [1.0, 2.0, 5.0]).ravel()
        locator: Locator = FixedLocator(ticks[(ticks > low) & (ticks < high)].tolist())
    else:
        pad = margin * ((high - low) or high)
        low, high = low - pad, high + pad
        locator = MaxNLocator(n_ticks, steps=[1, 2, 2.5, 5, 10])
    name = "x" if axis is axis.axes.xaxis else "y"
    axis.axes.set(**{f"{name}scale": "log" if is_log else "linear", f"{name}lim": (low, high)})
    axis.set_major_locator(locator)
    axis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))
    axis.set_minor_formatter(NullFormatter())


def _accuracy(error: float) -> str:
    """Write one minus the error; many nines are hard to count, so a tiny error is written as what is missing."""
    return written(round(1.0 - error, 6)) if error > 5e-5 or error <= 0.0 else f"1−{written(error)}"


# What is on them


def _draw(ax: Axes, x: Array, values: Array, **style: Any) -> None:
    """Draw values, if there are any; what lies beyond the y limits becomes triangles at the edge."""
    if np.isnan(values).all():
        return
    style = {"markeredgewidth": 1.0, **style}  # some style sheets have none, and hollow markers vanish
    low, high = ax.get_ylim()
    # Lines lead a little out of sight: one along the edge would read as a value.
    scale = ax.yaxis.get_transform()
    bottom, top = scale.transform(np.array([low, high]))
    out_of_sight = scale.inverted().transform(np.array([1.1 * bottom - 0.1 * top, 1.1 * top - 0.1 * bottom]))
    ax.plot(x, np.clip(values, *out_of_sight), **style)
    for beyond, edge, marker in ((values < low, low, CARETDOWN), (values > high, high, CARETUP)):
        if beyond.any():
            # The tip of a caret is its origin: unclipped it stands on the edge, inside the Axes.
            at_edge = {"linestyle": "none", "marker": marker, "clip_on": False, "label": None}
            ax.plot(x[beyond], np.full(int(beyond.sum()), edge), **{**style, **at_edge})


def _draw_replicates(ax: Axes, table: RankTable, replicates: Array, label: str) -> None:
    """Draw all replicates as faint points, side by side around their rank."""
    x = table.ranks[:, None] + np.linspace(-0.3, 0.3, replicates.shape[1] + 2)[1:-1]
    faint = {"color": "C0", "alpha": 0.4, "markeredgewidth": 0.0, "zorder": 1.5}
    _draw(ax, x.ravel(), replicates.ravel(), linestyle="none", marker="o", markersize=3.5, label=label, **faint)


def _finish(ax: Axes, table: RankTable, choice: Choice | None, x: Array, y: Array, *, missing: str = "") -> Axes:
    """Mark the chosen rank and add the legend, or say that there was nothing to draw."""
    if np.isnan(y).all():
        say(ax, f"no {missing}")
        return ax
    if choice is not None:
        row = table.row(choice.rank)
        line: Look = {"color": rcParams["text.color"], "linestyle": ":", "linewidth": 1.0}
        ax.axvline(x[row], zorder=0.8, **line)
        ring: Look = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.0, "clip_on": False}
        at = np.clip(y[row], *ax.get_ylim())
        said = f"{'chosen' if choice.in_place_of is None else 'taken'}: {choice.rank}"
        ax.plot(x[row], at, marker="o", zorder=5, label=said, **line, **ring)
    legend_above(ax)
    return ax
