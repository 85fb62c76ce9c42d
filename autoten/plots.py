"""Pictures of results: a table or a model in, matplotlib Axes out.

Every picture has two steps: `overview_data` reduces the table to the numbers that will be drawn, the ``plot_...``
functions put them on Axes. Nothing here computes a score, and nothing calls ``pyplot.show``. Colours, fonts and sizes
are those of the user's style sheet; what must be told apart differs in marker, line style or hatch too, so a grey
print loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress, cycle
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from autoten._validation import refuse
from autoten.cp import as_cp
from autoten.selection.choice import Choice
from autoten.selection.pareto import largest_uninformative_rank, trade_off
from autoten.table import RankTable

Array = NDArray[np.float64]

# Inches: the text width of a page, so that font sizes on paper are those of the style sheet.
FIGURE_WIDTH = 7.0
OVERVIEW_HEIGHT = 5.5
MODE_HEIGHT = 2.2

# Points: legends, notes and point labels are never smaller; axis and tick labels are as the style sheet has them.
SMALLEST_TEXT = 8.0

# Percent: core consistency has no lower bound, and below zero only the fact matters, not the amount.
CONSISTENCY_LIMITS = (-20.0, 105.0)

# The zero model's held-out error is 1: at twice that a model is simply bad, below the other it is exact.
LARGEST_ERROR = 2.0
SMALLEST_ERROR = 1e-12

# Largest over smallest held-out error from which the axis is logarithmic.
LOG_SPREAD = 10.0

# A mode up to this length is drawn as bars, a longer one as lines.
LONGEST_BARS = 12

# Points: a label that is further from its point, or nearer to another, gets a leader line.
NEAR_LABEL = 16.0

# Characters: a longer text label of an index is cut.
LONGEST_LABEL = 18


class OverviewData(NamedTuple):
    """What `plot_overview` draws, one row per rank of the table; NaN where the table has no value."""

    title: str
    ranks: NDArray[np.int64]
    # None without a choice.
    chosen: int | None
    # Explained share of the sum of squares in percent: best start, and every start, shape (n_rows, n_starts).
    explained: Array
    explained_starts: Array
    # Core consistency: of the best start, of every start, the largest attainable, corrected for noise and ceiling.
    raw: Array
    raw_starts: Array
    ceiling: Array
    corrected: Array
    # Ranks at which core consistency is 100 for any data.
    uninformative: tuple[int, ...]
    # Held-out error relative to the zero model, mean and folds; the error is that of the difference to rank `best`.
    heldout: Array
    heldout_folds: Array
    heldout_error: Array
    best: int | None
    # The front trades held-out error for interpretability: corrected core consistency as policies read it, 0 .. 100.
    interpretability: Array
    on_front: NDArray[np.bool_]


class ErrorAxis(NamedTuple):
    """Limits and scale of an axis of held-out errors."""

    low: float
    high: float
    log: bool


def overview_data(table: RankTable, choice: Choice | None = None) -> OverviewData:
    """Return the numbers that `plot_overview` draws.

    Parameters
    ----------
    table : RankTable
        Scores that it does not hold come back as NaN.
    choice : Choice, optional
        The rank to mark; it must be one of the table's.

    Returns
    -------
    OverviewData

    Examples
    --------
    >>> table = RankTable([0, 1, 2], {"heldout": [[1.0, 1.0], [0.2, 0.3], [0.21, 0.32]]}, (5, 6, 7))
    >>> data = overview_data(table, Choice(1))
    >>> data.best, data.uninformative, data.title
    (1, (1, 2), 'Rank 1 chosen for the 5 × 6 × 7 tensor')
    >>> data.heldout_error.round(3)  # of the differences to rank 1, so zero there
    array([0.05 , 0.   , 0.005])
    """
    if choice is not None:
        table.row(choice.rank)  # refuses a rank that the table does not hold
    heldout = _means(table, "heldout")
    best = int(table.ranks[np.nanargmin(heldout)]) if np.isfinite(heldout).any() else None
    interpretability, on_front = _front(table)
    with np.errstate(invalid="ignore"):  # infinite folds have no difference
        heldout_error = [np.nan if best is None else table.difference(rank, best).error for rank in table.ranks]
    return OverviewData(
        title=_title(table, choice),
        ranks=table.ranks,
        chosen=None if choice is None else choice.rank,
        explained=100.0 * _means(table, "fit"),
        explained_starts=100.0 * (1.0 - _replicates(table, "loss_starts")),
        raw=_means(table, "core_consistency"),
        raw_starts=_replicates(table, "core_consistency_starts"),
        ceiling=_means(table, "ceiling"),
        corrected=_means(table, "corrected_core_consistency"),
        uninformative=tuple(int(r) for r in table.ranks if 0 < r <= largest_uninformative_rank(len(table.shape))),
        heldout=heldout,
        heldout_folds=_replicates(table, "heldout"),
        heldout_error=np.array(heldout_error),
        best=best,
        interpretability=interpretability,
        on_front=on_front,
    )


def error_axis(errors: Array, margin: float = 0.06) -> ErrorAxis:
    """Return limits and scale for held-out errors; what is not finite, or beyond all interest, does not stretch them.

    Parameters
    ----------
    errors : array
        Held-out errors relative to the zero model.
    margin : float
        Free space at either end, as a share of the spread.

    Returns
    -------
    ErrorAxis
        Logarithmic when the errors spread over more than a factor of `LOG_SPREAD`.

    Examples
    --------
    >>> error_axis(np.array([1.0, 0.5, np.inf]), margin=0.1)
    ErrorAxis(low=0.45, high=1.05, log=False)
    >>> error_axis(np.array([1.0, 0.01]), margin=0.5)
    ErrorAxis(low=0.001, high=10.0, log=True)
    """
    drawable = np.clip(errors[np.isfinite(errors)], SMALLEST_ERROR, LARGEST_ERROR)
    if not drawable.size:
        return ErrorAxis(0.0, 1.0, log=False)
    low, high = float(drawable.min()), float(drawable.max())
    if high > LOG_SPREAD * low:
        pad = (high / low) ** margin
        return ErrorAxis(low / pad, high * pad, log=True)
    pad = margin * ((high - low) or high)
    return ErrorAxis(low - pad, high + pad, log=False)


def plot_overview(
    table: RankTable, choice: Choice | None = None, *, figure: Figure | SubFigure | None = None
) -> dict[str, Axes]:
    """Draw what there is to know about the candidate ranks: four panels, the chosen rank marked in each.

    Fit, core consistency and held-out error against rank, and the Pareto front of the last two.

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
        With the keys ``"fit"``, ``"core_consistency"``, ``"heldout"`` and ``"front"``.

    Examples
    --------
    >>> table = RankTable([0, 1, 2], {"heldout": [[1.0, 1.0], [0.2, 0.3], [0.21, 0.32]]}, (5, 6, 7))
    >>> panels = plot_overview(table, Choice(1))
    >>> list(panels)
    ['fit', 'core_consistency', 'heldout', 'front']
    >>> panels["heldout"].figure.savefig("overview.pdf")  # doctest: +SKIP
    """
    if figure is None:
        figure = plt.figure(figsize=(FIGURE_WIDTH, OVERVIEW_HEIGHT), layout="constrained")
    figure.suptitle(_title(table, choice))
    panels = figure.subplot_mosaic([["fit", "core_consistency"], ["heldout", "front"]])
    plot_fit(table, choice, panels["fit"])
    plot_core_consistency(table, choice, panels["core_consistency"])
    plot_heldout(table, choice, panels["heldout"])
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
    100 for any data (1 and 2 for three modes) and so tells nothing.

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
    limits = error_axis(np.append(data.heldout, _without_outliers(data.heldout_folds)))
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
    ax = _new_axes() if ax is None else ax
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
    _write_beside(ax, errors[drawn], data.interpretability[drawn], [str(rank) for rank in data.ranks[drawn]])
    return ax


def plot_components(
    model: Any, *, labels: Sequence[Sequence[Any] | None] | None = None, axes: Sequence[Axes] | None = None
) -> NDArray[np.object_]:
    """Draw the factors of a CP model: one Axes per mode, all components in each.

    Columns have unit length and components are ordered by weight; the legend gives each one's share of the sum of
    weights. A mode of up to 12 entries is drawn as bars, a longer one as lines or, when its labels are texts and so
    without an order, as points.

    Parameters
    ----------
    model : CP model
        `CPModel`, tensorly's ``CPTensor``, pyttb's ``ktensor`` or ``(weights, factors)``.
    labels : sequence, optional
        For each mode None or one label per index. Numbers and dates become the x values of a line.
    axes : sequence of Axes, optional
        One per mode. A new figure's by default.

    Returns
    -------
    array of Axes, shape (n_modes,)

    Raises
    ------
    ValueError
        If `labels` or `axes` do not fit the model's modes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> factors = [rng.random((length, 2)) for length in (5, 40, 30)]
    >>> axes = plot_components((None, factors), labels=[list("abcde"), range(300, 340), None])
    >>> [ax.get_title() for ax in axes]
    ['mode 0', 'mode 1', 'mode 2']
    """
    model = as_cp(model).normalized()
    names_by_mode = _checked_labels(labels, model.shape)
    panels = _mode_axes(model.ndim) if axes is None else list(axes)
    if len(panels) != model.ndim:
        refuse("axes of plot_components", f"one for each of {model.ndim} modes", f"{len(panels)} axes")
    styles = component_styles(model.rank)
    for mode, (ax, factor, names) in enumerate(zip(panels, model.factors, names_by_mode, strict=True)):
        ax.set_title(f"mode {mode}")
        ax.axhline(0, color=rcParams["axes.edgecolor"], linewidth=0.5, zorder=0.5)
        _draw_mode(ax, np.asarray(factor, dtype=float), names, styles)
    if model.rank:
        legend = _legend_of_components(model.shape, model.weights, styles)
        if axes is None:
            panels[0].figure.legend(loc="outside upper center", frameon=False, **legend)
        else:
            panels[-1].legend(**legend)
    written = [_is_written(length, names) for length, names in zip(model.shape, names_by_mode, strict=True)]
    if any(written):
        figure = _canvas_figure(panels[0])
        figure.draw_without_rendering()  # settles how wide the Axes are
        heights = [_fit_tick_labels(*panel) for panel in compress(zip(panels, model.shape, strict=True), written)]
        if axes is None:
            figure.set_figheight(figure.get_figheight() + _grid(model.ndim)[0] * max(heights))
    return np.array(panels, dtype=object)


class ComponentStyle(NamedTuple):
    """How one component looks."""

    color: str
    linestyle: str
    marker: str
    hatch: str

    def line(self, **changes: Any) -> dict[str, Any]:
        """Return the arguments of its line."""
        look = {"color": self.color, "linestyle": self.linestyle, "marker": self.marker}
        return {**look, "markersize": 4.0, "markeredgewidth": 0.0, **changes}

    def bar(self) -> dict[str, Any]:
        """Return the arguments of its bars; the hatch has the colour of the paper, so it shows on any bar."""
        return {"facecolor": self.color, "hatch": self.hatch, "edgecolor": rcParams["axes.facecolor"], "linewidth": 0.0}


def component_styles(rank: int) -> list[ComponentStyle]:
    """Return `rank` styles; any two of the first ten differ without their colour, as lines, as points and as bars.

    Examples
    --------
    >>> component_styles(2)[1]
    ComponentStyle(color='C1', linestyle='--', marker='s', hatch='////')
    """
    looks = zip(
        (f"C{r}" for r in range(rank)),
        cycle(("-", "--", "-.", ":")),
        cycle(("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")),
        cycle(("", "////", "....", "xxxx", "----", "++++", "\\\\\\\\", "||||", "oooo", "OO")),
        strict=False,
    )
    return [ComponentStyle(*look) for look in looks]


# Reduction


def _means(table: RankTable, name: str) -> Array:
    return table.mean(name) if name in table else np.full(len(table), np.nan)


def _replicates(table: RankTable, name: str) -> Array:
    return table[name] if name in table else np.full((len(table), 1), np.nan)


def _title(table: RankTable, choice: Choice | None) -> str:
    tensor = " × ".join(map(str, table.shape)) + " tensor"
    title = tensor if choice is None else f"Rank {choice.rank} chosen for the {tensor}"
    return title if table.complete else f"{title} (interrupted: not all ranks tried)"


def _front(table: RankTable) -> tuple[Array, NDArray[np.bool_]]:
    """Return interpretability in percent, and what is on the front: nothing where a policy would refuse the table."""
    try:
        both = trade_off(table)
    except ValueError:
        return np.full(len(table), np.nan), np.zeros(len(table), dtype=bool)
    return 100.0 * both.interpretability, both.front


def _without_outliers(replicates: Array) -> Array:
    """Return the replicates within Tukey's outer fences of their rank: one exploded fold stretches no axis."""
    kept = [np.empty(0)]
    for row in replicates:
        values = row[np.isfinite(row)]
        if values.size:
            low, high = np.quantile(values, (0.25, 0.75))
            kept.append(values[(values >= low - 3 * (high - low)) & (values <= high + 3 * (high - low))])
    return np.concatenate(kept)


# Drawing: curves over ranks


def _new_axes() -> Axes:
    ax: Axes = plt.figure(layout="constrained").add_subplot()
    return ax


def _rank_axes(data: OverviewData, ax: Axes | None, ylabel: str) -> Axes:
    """Return Axes (new ones for None) with ranks along x."""
    ax = _new_axes() if ax is None else ax
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
    ax.text(middle, 35, "no information", rotation=90, ha="center", va="center", fontsize=_small_text())


def _finish(ax: Axes, data: OverviewData, x: Array | NDArray[np.int64], y: Array, *, missing: str) -> Axes:
    """Mark the chosen rank and add the legend, or say that there was nothing to draw."""
    if not np.isfinite(y).any():
        ax.text(0.5, 0.5, f"no {missing}", transform=ax.transAxes, ha="center", va="center", fontsize=_small_text())
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
    _legend_above(ax)
    return ax


def _legend_above(ax: Axes) -> None:
    """Put the legend above the Axes, where it covers no data, in as many columns as the Axes are wide."""
    n_entries = len(ax.get_legend_handles_labels()[1])
    for n_columns in range(n_entries, 0, -1):
        legend = ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=n_columns,
            frameon=False,
            numpoints=1,
            fontsize=_small_text(),
            borderaxespad=0.1,
            handlelength=1.6,
            handletextpad=0.5,
            columnspacing=0.8,
            labelspacing=0.3,
        )
        # A little more than the Axes will do: the layout is still to come and widens them.
        if legend.get_window_extent().width <= 1.05 * ax.get_window_extent().width:
            break


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
    return f"{1.0 - error:.6g}".replace("-", "−") if error > 5e-5 else f"1−{_written(error)}"


def _small_text() -> float:
    """Return the size of legends and of texts among the data."""
    return max(SMALLEST_TEXT, 0.8 * float(rcParams["font.size"]))


# Drawing: the front


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


def _write_beside(ax: Axes, x: Array, y: Array, texts: Sequence[str]) -> None:
    """Write each text as near to its point as it can stand without covering a point, another text or the frame."""
    figure = _canvas_figure(ax)
    figure.draw_without_rendering()  # settles the layout: from here on a point has its place on the page
    points = 72 / figure.dpi
    anchors = ax.transData.transform(np.column_stack([x, y])) * points
    sizes = np.array([_text_size(ax, text) for text in texts]).reshape(-1, 2) * points
    offsets = places_beside(anchors, sizes, np.array(ax.get_window_extent().extents) * points)
    for place, anchor, offset, text in zip(zip(x, y, strict=True), anchors, offsets, texts, strict=True):
        distances = np.hypot(*(anchors - anchor - offset).T)
        far = np.hypot(*offset) > min(NEAR_LABEL, distances.min())
        leader = {"arrowstyle": "-", "linewidth": 0.5, "color": rcParams["text.color"], "shrinkA": 0, "shrinkB": 2}
        ax.annotate(
            text,
            place,
            tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=_small_text(),
            arrowprops=leader if far else None,
            path_effects=[withStroke(linewidth=2, foreground=ax.get_facecolor())],
            in_layout=False,
        )


def _text_size(ax: Axes, text: str) -> Array:
    """Return width and height of a small text in pixels."""
    probe = ax.text(0, 0, text, fontsize=_small_text())
    size = probe.get_window_extent().size
    probe.remove()
    return np.asarray(size)


def places_beside(anchors: Array, sizes: Array, frame: Array) -> Array:
    """Return where to centre texts, one beside each anchor, so that they cover nothing; all in points.

    Each text in turn takes the nearest place, out of rings around its anchor, where it covers neither an anchor nor
    an earlier text nor the frame. Leader lines, from an anchor to its text, keep clear of texts at a moderate price.

    Parameters
    ----------
    anchors, sizes : array of shape (n, 2)
    frame : array of shape (4,)
        Left, bottom, right, top.

    Returns
    -------
    array of shape (n, 2)
        Offsets from the anchors. A text without a free place takes the one where it covers least.

    Examples
    --------
    >>> places_beside(np.array([[50.0, 50.0]]), np.array([[6.0, 8.0]]), np.array([0.0, 0.0, 100.0, 100.0])).round(1)
    array([[ 0., 11.]])
    """
    # 32 directions, up first and then the other seven main ones: ties between places go to the first.
    sixteenths = np.arange(32)[np.argsort(np.arange(32) % 4 > 0, kind="stable")]
    angles = np.pi / 2 + np.pi / 16 * sixteenths
    radii = np.arange(11.0, 150.0, 4.0).repeat(angles.size)
    directions = np.tile(np.column_stack([np.cos(angles), np.sin(angles)]), (radii.size // angles.size, 1))
    offsets = radii[:, None] * directions
    # A leader line is a few small boxes on the way from the anchor to the text.
    leaders = offsets[:, None, :] * np.linspace(0.1, 0.9, 9)[:, None]
    texts, lines = np.empty((0, 4)), np.empty((0, 4))
    chosen = np.empty((0, 2))
    for anchor, size in zip(anchors, sizes, strict=True):
        boxes = _boxes(anchor + offsets, size + 2)
        outside = (size + 2).prod() - _overlaps(boxes, frame[None])
        covered = _overlaps(boxes, np.vstack([_boxes(anchors, 12), texts]))
        crossed = _overlaps(_boxes(anchor + leaders, 2).reshape(-1, 4), texts).reshape(len(offsets), -1).sum(axis=1)
        # In this order of importance: to cover something, to be crossed by or to cross with a leader, to be far away.
        cost = 100 * (outside + covered).round(3) + _overlaps(boxes, lines) + crossed + 0.2 * radii
        best = int(np.argmin(cost))
        chosen = np.vstack([chosen, offsets[best]])
        texts = np.vstack([texts, boxes[best]])
        lines = np.vstack([lines, _boxes(anchor + leaders[best], 2)])
    return chosen


def _boxes(centres: Array, size: Array | float) -> Array:
    """Return boxes (left, bottom, right, top) around centres, shape (..., 4)."""
    return np.concatenate([centres - np.divide(size, 2), centres + np.divide(size, 2)], axis=-1)


def _overlaps(boxes: Array, others: Array) -> Array:
    """Return the area that each of `boxes` shares with all of `others`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.clip(high - low, 0.0, None).prod(axis=-1).sum(axis=-1))


def _canvas_figure(ax: Axes) -> Figure:
    """Return the outermost figure, also from Axes of a subfigure."""
    figure: Figure = ax.figure.canvas.figure
    return figure


# Drawing: components


def _checked_labels(labels: Sequence[Sequence[Any] | None] | None, shape: tuple[int, ...]) -> list[NDArray[Any] | None]:
    """Return one array of labels, or None, for each mode."""
    if labels is None:
        return [None] * len(shape)
    if len(labels) != len(shape):
        refuse("labels of plot_components", f"one sequence or None for each of {len(shape)} modes", f"{len(labels)}")
    arrays = [None if names is None else np.asarray(names) for names in labels]
    for mode, (names, length) in enumerate(zip(arrays, shape, strict=True)):
        if names is not None and names.shape != (length,):
            refuse(
                f"labels of mode {mode} in plot_components", f"{length} labels, one per index", f"shape {names.shape}"
            )
    return arrays


def _grid(n_modes: int) -> tuple[int, int]:
    """Return rows and columns of Axes: at most three in a row, two for four modes."""
    columns = 2 if n_modes == 4 else min(n_modes, 3)
    return -(-n_modes // columns), columns


def _mode_axes(n_modes: int) -> list[Axes]:
    """Return the Axes of a new figure."""
    rows, columns = _grid(n_modes)
    figure = plt.figure(figsize=(FIGURE_WIDTH, MODE_HEIGHT * rows + 0.4), layout="constrained")
    return [figure.add_subplot(rows, columns, place + 1) for place in range(n_modes)]


def _is_written(length: int, names: NDArray[Any] | None) -> bool:
    """Tell whether a mode's indices are written out one by one, rather than numbers along an axis."""
    return length <= LONGEST_BARS or (names is not None and names.dtype.kind not in "iufM")


def _draw_mode(ax: Axes, factor: Array, names: NDArray[Any] | None, styles: Sequence[ComponentStyle]) -> None:
    """Draw one mode's factor: bars when it is short, points when its labels are texts, else lines."""
    length = len(factor)
    places = np.arange(length)
    if not _is_written(length, names):
        _draw_lines(ax, places if names is None else names, factor, styles)
        return
    if length <= LONGEST_BARS:
        _draw_bars(ax, factor, styles)
    else:
        for column, style in zip(factor.T, styles, strict=True):
            ax.plot(places, column, **style.line(linestyle="none"))
    ax.set_xticks(places, [_short(name) for name in (places if names is None else names)], parse_math=False)
    ax.set_xlim(-0.6, length - 0.4)


def _draw_lines(ax: Axes, x: NDArray[Any], factor: Array, styles: Sequence[ComponentStyle]) -> None:
    order = np.argsort(x, kind="stable")
    step = max(1, len(x) // 8)
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        # Sparse markers, staggered, so that components are told apart where lines meet.
        staggered = (r * step // len(styles), step)
        ax.plot(x[order], column[order], markevery=staggered, **style.line())
    if x.dtype.kind == "M":
        locator = AutoDateLocator(minticks=2, maxticks=6)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4))


def _draw_bars(ax: Axes, factor: Array, styles: Sequence[ComponentStyle]) -> None:
    width = 0.8 / max(1, len(styles))
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        left = np.arange(len(column)) + (r - len(styles) / 2) * width
        ax.bar(left, column, width, align="edge", **style.bar())


def _short(name: Any) -> str:
    text = f"{name:g}" if isinstance(name, (int, float, np.integer, np.floating)) else str(name).strip()
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _legend_of_components(shape: tuple[int, ...], weights: Array, styles: Sequence[ComponentStyle]) -> dict[str, Any]:
    """Return the arguments of one legend for all modes: each component, as bar or line, and its weight."""
    bars, lines = min(shape) <= LONGEST_BARS, max(shape) > LONGEST_BARS
    shares = weights / (weights.sum() or 1.0)
    return {
        "handles": [
            (*([Patch(**style.bar())] if bars else []), *([Line2D([], [], **style.line())] if lines else []))
            for style in styles
        ],
        "labels": [f"{r + 1}: {share:.0%}" for r, share in enumerate(shares)],
        "title": "component: share of the weights",
        "title_fontsize": _small_text(),
        "fontsize": _small_text(),
        "ncols": min(len(styles), 5),
        "numpoints": 1,
        "handler_map": {tuple: HandlerTuple(ndivide=None)},
        "handlelength": 2.5 * (bars + lines),
    }


def _fit_tick_labels(ax: Axes, n_labels: int) -> float:
    """Turn tick labels upright when they would touch, leave some out when they still would; return inches of height."""
    labels = ax.get_xticklabels()
    extents = [label.get_window_extent() for label in labels]
    width, height = max(box.width for box in extents), max(box.height for box in extents)
    spacing = 0.9 * ax.get_window_extent().width / (n_labels + 0.2)
    # Short labels, such as numbers, are easier to read level, if fewer.
    upright = width > max(spacing, 3 * height)
    step = int(np.ceil((height if upright else width) / spacing))
    texts = [label.get_text() for label in labels]
    ax.set_xticks(np.arange(n_labels)[::step], texts[::step], rotation=90 if upright else 0, parse_math=False)
    return width / _canvas_figure(ax).dpi if upright else 0.0
