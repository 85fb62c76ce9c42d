"""The components of a model, mode by mode: bars, lines, points or a heat map; and those of two models compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from autoten._errors import refuse
from autoten._typing import Array
from autoten.labels import Labels
from autoten.matching import match_components
from autoten.model import CPModel, as_cp
from autoten.plots.common import PAGE_WIDTH, Look, figure_of, legend_above, new_axes, say, small_text, texts_of

# Inches.
MODE_HEIGHT = 2.2
PAIR_HEIGHT = 1.25

# A mode up to this length is drawn as bars, if they are not too many to be told apart in a third of a page's width.
LONGEST_BARS = 12
MOST_BARS = 36

# More lines than this in one panel cannot be followed: a heat map then has a row for each component.
MOST_LINES = 6

# No more texts than this are tried along an axis, however long the mode.
MOST_TICKS = 200

# The width of all bars at one index, in indices.
BARS_WIDTH = 0.8

# What tells components apart without their colour.
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
HATCHES = ("", "////", "....", "xxxx", "----", "++++", "\\\\\\\\", "||||", "oooo", "OO")

# Draws one factor (I, R) on Axes, given a label for each index (or None) and the looks of the components.
Names = Array | None
ModeDrawing = Callable[[Axes, Array, Names, "Sequence[ComponentStyle]"], None]


def plot_components(
    model: Any,
    *,
    labels: Sequence[Sequence[Any] | None] | None = None,
    draw: Sequence[ModeDrawing | None] | None = None,
    axes: Sequence[Axes] | None = None,
) -> NDArray[np.object_]:
    """Draw the factors of a CP model: one Axes per mode, all components in each.

    Columns have unit length and components are ordered by weight; the legend gives each one's share of the sum of
    weights, over observed cells where some are missing. Crosses mark entries of which the data say next to nothing,
    since hardly a cell with the component in it was observed (`CPModel.support`). A mode of up to 12 entries is drawn
    as bars, a longer one as lines or, when its labels are texts and so without an order, as points. Where bars or lines
    would be too many, a heat map has a row for each component.

    Parameters
    ----------
    model : CP model
        `CPModel`, tensorly's ``CPTensor``, pyttb's ``ktensor`` or ``(weights, factors)``.
    labels : sequence, optional
        For each mode None or one label per index; those of the model by default. Numbers and dates become the x values
        of a line.
    draw : sequence of functions, optional
        For each mode `bars`, `lines`, `points`, `heat_map` or a function of your own with their arguments; None for
        the choice above.
    axes : sequence of Axes, optional
        One per mode. A new figure's by default.

    Returns
    -------
    array of Axes, shape (n_modes,)

    Raises
    ------
    ValueError
        If `labels`, `draw` or `axes` do not fit the model's modes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> factors = [rng.random((length, 2)) for length in (5, 40, 30)]
    >>> labels = [list("abcde"), range(300, 340), None]
    >>> axes = plot_components((None, factors), labels=labels, draw=[None, heat_map, None])
    >>> [ax.get_title() for ax in axes]
    ['mode 0', 'mode 1', 'mode 2']
    """
    model = _to_draw(model, labels)
    columns = 2 if model.ndim == 4 else min(model.ndim, 3)
    rows = -(-model.ndim // columns)
    if axes is None:
        figure = plt.figure(figsize=(PAGE_WIDTH, MODE_HEIGHT * rows + 0.4), layout="constrained")
        panels = [figure.add_subplot(rows, columns, place + 1) for place in range(model.ndim)]
    else:
        panels = list(axes)
    drawings = [None] * model.ndim if draw is None else list(draw)
    for what, parts in (("axes", panels), ("draw", drawings)):
        if len(parts) != model.ndim:
            refuse(f"{what} of plot_components", f"one for each of {model.ndim} modes", f"{len(parts)}")
    used = set()
    for mode, (ax, drawing) in enumerate(zip(panels, drawings, strict=True)):
        used.add(_draw_mode(ax, model, mode, drawing))
        ax.set_title(model.named.names[mode])
    if model.rank:
        legend = _legend_of_components(used, model, range(model.ndim))
        _finish(panels, legend, rows if axes is None else 0)
    return np.array(panels, dtype=object)


def plot_mode(
    model: Any,
    mode: int | str,
    *,
    labels: Sequence[Any] | None = None,
    draw: ModeDrawing | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw one factor of a CP model, all components in it, as `plot_components` does.

    Parameters
    ----------
    model : CP model
    mode : int or str
        The mode's number, or its name if the model is labelled.
    labels : sequence, optional
        One label per index; those of the model by default.
    draw : function, optional
        `bars`, `lines`, `points`, `heat_map` or one of your own; by length, labels and rank by default.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the model has no such mode, or `labels` do not fit it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ax = plot_mode((None, [rng.random((length, 2)) for length in (5, 40, 30)]), 1, labels=range(300, 340))
    >>> ax.get_xlabel()
    'mode 1'
    """
    model = as_cp(model)
    number = model.named.mode(mode)
    given = None if labels is None else [labels if n == number else None for n in range(model.ndim)]
    model = _to_draw(model, given)
    ax = new_axes() if ax is None else ax
    used = _draw_mode(ax, model, number, draw)
    ax.set_xlabel(model.named.names[number])
    if used is not heat_map:
        legend_above(ax, **_legend_of_components({used}, model, [number]))
    _fit_indices([ax])
    return ax


def plot_comparison(
    a: Any,
    b: Any,
    *,
    names: Sequence[str] = ("first", "second"),
    labels: Sequence[Sequence[Any] | None] | None = None,
    axes: Any = None,
) -> NDArray[np.object_]:
    """Draw the components of two models over one another: a row for each matched pair, a column for each mode.

    Pairs are matched as by `autoten.match_components` and stand in the order of the first model; above each panel is
    the cosine between its two columns (Tucker's congruence). Columns have unit length and point the same way. What one
    model has beyond the other is left out; the numbers at the rows say what is shown.

    Parameters
    ----------
    a, b : CP models of the same shape
    names : pair of str
        What to call them.
    labels : sequence, optional
        For each mode None or one label per index; those of `a` by default.
    axes : array of Axes, shape (n_pairs, n_modes), optional
        A new figure's by default.

    Returns
    -------
    array of Axes, shape (n_pairs, n_modes)
        ``n_pairs`` is the smaller rank.

    Raises
    ------
    ValueError
        If the shapes differ, a model has no component, or `axes` are too few or too many.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> factors = [rng.random((length, 2)) for length in (5, 40, 30)]
    >>> axes = plot_comparison((None, factors), (None, [factor[:, ::-1] for factor in factors]))
    >>> axes.shape, axes[0, 0].get_title(loc="right")
    ((2, 3), '1.000')
    """
    a, b = _to_draw(a, labels), _to_draw(b)
    matches = match_components(a, b)
    n_pairs, n_modes = matches.cosines.shape
    if not n_pairs:
        refuse("the models of plot_comparison", "of at least one component each", f"ranks {a.rank} and {b.rank}")
    if axes is None:
        figure = plt.figure(figsize=(PAGE_WIDTH, PAIR_HEIGHT * n_pairs + 1.0), layout="constrained")
        panels = figure.subplots(n_pairs, n_modes, sharex="col", squeeze=False)
    else:
        panels = np.asarray(axes, dtype=object)
    if panels.shape != (n_pairs, n_modes):
        refuse("axes of plot_comparison", f"an array of shape {(n_pairs, n_modes)}", f"shape {panels.shape}")
    styles = component_styles(2)
    used = set()
    for (row, mode), ax in np.ndenumerate(panels):
        r, s, cosine = matches.first[row], matches.second[row], matches.cosines[row, mode]
        pair = np.column_stack([a.factors[mode][:, r], np.copysign(1.0, cosine) * b.factors[mode][:, s]])
        used.add(_draw_factor(ax, pair, a.named.indices[mode], styles))
        ax.set_title(f"{cosine:.3f}".replace("-", "−"), loc="right", fontsize=small_text(), pad=2.0)
        ax.set(ylabel="" if mode else f"{r + 1} and {s + 1}", xlabel="" if row < n_pairs - 1 else a.named.names[mode])
        ax.yaxis.set_major_locator(MaxNLocator(3))
        ax.tick_params(labelbottom=row == n_pairs - 1)
    title = "components; above each panel, the cosine" if axes is None else None
    _finish(panels[-1], {**_legend_of(used, styles, names), "title": title}, 1 if axes is None else 0)
    return panels


class ComponentStyle(NamedTuple):
    """How one component looks."""

    color: str
    linestyle: str
    marker: str
    hatch: str

    def line(self, **changes: Any) -> Look:
        """Return the arguments of its line."""
        look = {"color": self.color, "linestyle": self.linestyle, "marker": self.marker}
        return {**look, "markersize": 4.0, "markeredgewidth": 0.0, **changes}

    def bar(self) -> Look:
        """Return the arguments of its bars; the hatch has the colour of the paper, so it shows on any bar."""
        return {"facecolor": self.color, "hatch": self.hatch, "edgecolor": rcParams["axes.facecolor"], "linewidth": 0.0}


def component_styles(rank: int) -> list[ComponentStyle]:
    """Return `rank` styles; any two of the first ten differ without their colour, as lines, as points and as bars.

    Examples
    --------
    >>> component_styles(2)[1]
    ComponentStyle(color='C1', linestyle='--', marker='s', hatch='////')
    """
    looks = (LINES, MARKERS, HATCHES)
    return [ComponentStyle(f"C{r}", *(kinds[r % len(kinds)] for kinds in looks)) for r in range(rank)]


# How one mode is drawn


def bars(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as bars, the components side by side at each index."""
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        middles = np.arange(len(column)) + _shift(r, len(styles))
        ax.bar(middles, column, BARS_WIDTH / len(styles), **style.bar())
    _write_indices(ax, len(factor), names)
    ax.set_xlim(-0.6, len(factor) - 0.4)


def lines(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as one line per component over labels that are numbers or dates, else over indices."""
    x = _places(ax, len(factor), names)
    order = np.argsort(x, kind="stable")
    step = max(1, len(x) // 8)
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        # Sparse markers, staggered, so that components are told apart where lines meet.
        staggered = (r * step // len(styles), step)
        ax.plot(x[order], column[order], markevery=staggered, **style.line())


def points(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as points that no line joins: a mode without an order."""
    x = _places(ax, len(factor), names)
    for column, style in zip(factor.T, styles, strict=True):
        ax.plot(x, column, **style.line(linestyle="none", markersize=5.0))


def heat_map(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as a heat map, a row for each component, the first on top, and a colour bar.

    Colours are those of the style sheet (``image.cmap``), over a range that holds all entries and zero.
    """
    x = _places(ax, len(factor), names)
    order = np.argsort(x, kind="stable")
    rows = np.arange(1, len(styles) + 1)
    span: Look = {"vmin": min(0.0, float(factor.min())), "vmax": max(0.0, float(factor.max()))}
    mesh = ax.pcolormesh(x[order], rows, factor[order].T, shading="nearest", rasterized=True, **span)
    ax.hlines(rows[:-1] + 0.5, 0, 1, ax.get_facecolor(), linewidth=1.0, transform=ax.get_yaxis_transform())
    ax.set(ylim=(len(styles) + 0.5, 0.5), ylabel="component")
    ax.yaxis.set_major_locator(MaxNLocator(min(len(styles), 10), integer=True, min_n_ticks=1))
    bar = figure_of(ax).colorbar(mesh, ax=ax, pad=0.02)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))


def _draw_mode(ax: Axes, model: CPModel, mode: int, draw: ModeDrawing | None) -> ModeDrawing:
    """Draw one mode of a labelled model, crosses on entries without support; return how."""
    names, factor = model.named.indices[mode], np.asarray(model.factors[mode], dtype=float)
    used = _draw_factor(ax, factor, names, component_styles(model.rank), draw)
    index, r = np.nonzero(model.without_support(mode))
    if len(index) and used in (bars, lines, points, heat_map):
        x: Any = index + _shift(r, model.rank) if used is bars else _places(ax, len(factor), names)[index]
        ax.plot(x, r + 1 if used is heat_map else factor[index, r], **_cross())
    return used


def _draw_factor(
    ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle], draw: ModeDrawing | None = None
) -> ModeDrawing:
    """Draw a factor by its length, labels and rank, unless it is said how; return how."""
    if draw is None and len(factor) <= LONGEST_BARS:
        draw = bars if factor.size <= MOST_BARS else heat_map
    elif draw is None:
        draw = heat_map if len(styles) > MOST_LINES else lines if _has_positions(names) else points
    if draw is not heat_map:
        ax.axhline(0, color=rcParams["axes.edgecolor"], linewidth=0.5, zorder=0.5)
    if len(styles):
        draw(ax, factor, names, styles)
    else:
        say(ax, "no components")
    return draw


def _shift(r: Any, rank: int) -> Any:
    """Return where the bar of component `r` stands, from its index."""
    return (r + 0.5 - rank / 2) * BARS_WIDTH / rank


def _cross() -> Look:
    """Return the looks of a mark on an entry without support."""
    rim = [withStroke(linewidth=2.5, foreground=rcParams["axes.facecolor"])]
    look = {"color": rcParams["text.color"], "linestyle": "none", "marker": "x", "markersize": 4.0}
    return {**look, "zorder": 4, "path_effects": rim}


# Along the indices of a mode


def _has_positions(names: Names) -> bool:
    """Tell whether indices are places along an axis: unlabelled, or labelled by numbers or dates, all of them known."""
    return names is None or (names.dtype.kind in "iufM" and bool(np.isfinite(names).all()))


def _places(ax: Axes, length: int, names: Names) -> Array:
    """Mark the indices of a mode along x; return where they are."""
    if not _has_positions(names):
        _write_indices(ax, length, names)
        return np.arange(length)
    x = np.arange(length) if names is None else names
    if x.dtype.kind == "M":
        locator = AutoDateLocator(minticks=2, maxticks=6)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=x.dtype.kind in "iu"))
    return x


def _write_indices(ax: Axes, length: int, names: Names) -> None:
    """Write the indices of a mode one by one."""
    places = np.arange(length)[:: -(-length // MOST_TICKS)]
    ax.set_xticks(places, texts_of(places if names is None else names[places]), parse_math=False)


def _fit_indices(panels: Sequence[Axes]) -> float:
    """Turn written indices upright where they would touch, leave some out where they still would."""
    # Returns the height of upright ones in inches, zero without any.
    figure, needed = figure_of(panels[0]), 0.0
    figure.draw_without_rendering()  # settles how wide the Axes are
    for ax in panels:
        labels, places = ax.get_xticklabels(), np.array(ax.get_xticks())
        if not labels or not isinstance(ax.xaxis.get_major_locator(), FixedLocator):
            continue  # nothing, or numbers or dates
        width, height = np.max([label.get_window_extent().size for label in labels], axis=0)
        room = 0.9 * ax.get_window_extent().width * np.diff(places).max(initial=1.0) / np.ptp(ax.get_xlim())
        # Short labels, such as numbers, are easier to read level, if fewer.
        upright = width > max(room, 3 * height)
        step = max(1, int(np.ceil((height if upright else width) / room)))  # blank labels have no width
        texts = [label.get_text() for label in labels[::step]]
        ax.set_xticks(places[::step], texts, rotation=90 if upright else 0, parse_math=False)
        needed = max(needed, width / figure.dpi if upright else 0.0)
    return needed


# Around the modes


def _to_draw(model: Any, labels: Sequence[Any] | None = None) -> CPModel:
    """Return a model with its components in order, and with the labels given, if any."""
    cp = as_cp(model).normalized()
    if labels is None:
        return cp
    arrays = tuple(None if names is None else np.atleast_1d(names) for names in labels)
    return cp.labelled(Labels(cp.named.names, arrays))


def _legend_of(used: set[ModeDrawing], styles: Sequence[ComponentStyle], labels: Sequence[str]) -> Look:
    """Return the arguments of one legend for all modes: each component as bar, line or point."""
    as_bars, as_lines = bars in used, bool(used & {lines, points})
    dots = {} if lines in used else {"linestyle": "none"}
    handles = []
    for style in styles:
        bar = [Patch(**style.bar())] if as_bars else []
        line = [Line2D([], [], **style.line(**dots))] if as_lines else []
        # Heat maps number their rows: their entries have no handle.
        handles.append((*bar, *line) or Line2D([], [], linestyle="none"))
    look = {"fontsize": small_text(), "title_fontsize": small_text(), "numpoints": 1, "ncols": min(len(labels), 5)}
    shown = {"handler_map": {tuple: HandlerTuple(ndivide=None)}, "handlelength": 2.5 * (as_bars + as_lines)}
    return {"handles": handles, "labels": list(labels), **look, **shown}


def _legend_of_components(used: set[ModeDrawing], model: CPModel, modes: Iterable[int]) -> Look:
    """Return the arguments of a legend of components, their weights, and the crosses in these modes."""
    weights = model.weights * np.sqrt(model.observed_share)
    labels = [f"{r + 1}: {share:.0%}" for r, share in enumerate(weights / (weights.sum() or 1.0))]
    legend = _legend_of(used, component_styles(model.rank), labels)
    if any(model.without_support(mode).any() for mode in modes):
        legend["handles"].append(Line2D([], [], **_cross()))
        legend["labels"].append("hardly observed")
    where = "" if model.support is None else " in observed cells"
    return {**legend, "title": f"component: share of the weights{where}"}


def _finish(panels: Sequence[Axes], legend: Look, rows: int) -> None:
    """Add the legend and fit the indices; a figure of ours has `rows` of Axes, and grows by what upright texts take."""
    if rows:
        figure = figure_of(panels[0])
        figure.legend(loc="outside upper center", frameon=False, **legend)
        figure.set_figheight(figure.get_figheight() + rows * _fit_indices(panels))
    else:
        panels[-1].legend(**legend)
        _fit_indices(panels)
