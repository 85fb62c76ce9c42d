"""The components of a model, mode by mode: bars, lines, points or a heat map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from autoten._errors import refuse
from autoten.labels import Labels
from autoten.model import CPModel, as_cp
from autoten.plots.common import FIGURE_WIDTH, Array, canvas_figure, legend_above, new_axes, small_text

# Inches.
MODE_HEIGHT = 2.2

# A mode up to this length is drawn as bars, if they are not too many to be told apart in a third of a page's width.
LONGEST_BARS = 12
MOST_BARS = 36

# More lines than this in one panel cannot be followed: a heat map then has a row for each component.
MOST_LINES = 6

# Characters: a longer text label of an index is cut.
LONGEST_LABEL = 18

# No more texts than this are tried along an axis, however long the mode.
MOST_TICKS = 200

Names = NDArray[Any] | None

# Draws one factor (I, R) on Axes, given a label for each index (or None) and the looks of the components.
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
    model = with_labels(as_cp(model), labels)
    panels = _mode_axes(model.ndim) if axes is None else list(axes)
    drawings = [None] * model.ndim if draw is None else list(draw)
    for what, parts in (("axes", panels), ("draw", drawings)):
        if len(parts) != model.ndim:
            refuse(f"{what} of plot_components", f"one for each of {model.ndim} modes", f"{len(parts)}")
    styles = component_styles(model.rank)
    used = {
        draw_factor(ax, model, mode, draw, styles) for mode, (ax, draw) in enumerate(zip(panels, drawings, strict=True))
    }
    if model.rank:
        legend = _legend_of_components(used, model, styles, range(model.ndim))
        if axes is None:
            panels[0].figure.legend(loc="outside upper center", frameon=False, **legend)
        else:
            panels[-1].legend(**legend)
    else:
        for ax in panels:
            ax.text(0.5, 0.5, "no components", transform=ax.transAxes, ha="center", va="center")
    figure = canvas_figure(panels[0])
    figure.draw_without_rendering()  # settles how wide the Axes are
    heights = [fit_tick_labels(ax) for ax in panels]
    if axes is None:
        figure.set_figheight(figure.get_figheight() + _grid(model.ndim)[0] * max(heights))
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
    number = _known_labels(model).mode(mode)
    if labels is not None:
        model = with_labels(model, [labels if n == number else None for n in range(model.ndim)])
    model = with_labels(model, None)
    ax = new_axes() if ax is None else ax
    styles = component_styles(model.rank)
    used = draw_factor(ax, model, number, draw, styles)
    # The legend takes the place above the Axes.
    ax.set(title="", xlabel=_known_labels(model).names[number])
    if model.rank and used is not heat_map:
        legend_above(ax, **_legend_of_components({used}, model, styles, [number]))
    canvas_figure(ax).draw_without_rendering()
    fit_tick_labels(ax)
    return ax


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


# How one mode is drawn


def bars(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as bars, the components side by side at each index."""
    width = 0.8 / max(1, len(styles))
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        left = np.arange(len(column)) + (r - len(styles) / 2) * width
        ax.bar(left, column, width, align="edge", **style.bar())
    _write_indices(ax, len(factor), names)


def lines(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as one line per component over labels that are numbers or dates, else over indices."""
    x = _positions(len(factor), names)
    order = np.argsort(x, kind="stable")
    step = max(1, len(x) // 8)
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        # Sparse markers, staggered, so that components are told apart where lines meet.
        staggered = (r * step // len(styles), step)
        ax.plot(x[order], column[order], markevery=staggered, **style.line())
    _mark_positions(ax, x, names)


def points(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as points that no line joins: a mode without an order."""
    x = _positions(len(factor), names)
    for column, style in zip(factor.T, styles, strict=True):
        ax.plot(x, column, **style.line(linestyle="none", markersize=5.0))
    _mark_positions(ax, x, names)


def heat_map(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as a heat map, a row for each component, the first on top, and a colour bar.

    Colours are those of the style sheet (``image.cmap``), over a range that holds all entries and zero.
    """
    if not len(styles):
        return
    x = _positions(len(factor), names)
    order = np.argsort(x, kind="stable")
    low, high = min(0.0, float(factor.min())), max(0.0, float(factor.max()))
    rows = np.arange(1, len(styles) + 1)
    mesh = ax.pcolormesh(x[order], rows, factor[order].T, shading="nearest", vmin=low, vmax=high, rasterized=True)
    for row in rows[:-1]:
        ax.axhline(row + 0.5, color=rcParams["axes.facecolor"], linewidth=1.0)
    ax.set(ylim=(len(styles) + 0.5, 0.5), ylabel="component")
    ax.yaxis.set_major_locator(MaxNLocator(min(len(styles), 10), integer=True, min_n_ticks=1))
    bar = canvas_figure(ax).colorbar(mesh, ax=ax, pad=0.02)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    _mark_positions(ax, x, names)
    if x.dtype.kind != "M":
        half = 0.5 * np.ptp(x) / max(1, len(x) - 1) or 0.5
        ax.set_xlim(float(x.min()) - half, float(x.max()) + half)


def _chosen_drawing(length: int, rank: int, names: Names) -> ModeDrawing:
    if length <= LONGEST_BARS:
        return bars if length * rank <= MOST_BARS else heat_map
    if rank > MOST_LINES:
        return heat_map
    return lines if _has_positions(names) else points


def draw_factor(
    ax: Axes, model: CPModel, mode: int, draw: ModeDrawing | None, styles: Sequence[ComponentStyle]
) -> ModeDrawing:
    """Draw one mode of a labelled model; return how."""
    labels = model.labels
    assert labels is not None
    names, factor = labels.indices[mode], np.asarray(model.factors[mode], dtype=float)
    draw = draw or _chosen_drawing(len(factor), model.rank, names)
    ax.set_title(labels.names[mode])
    if draw is not heat_map:
        ax.axhline(0, color=rcParams["axes.edgecolor"], linewidth=0.5, zorder=0.5)
    draw(ax, factor, names, styles)
    if draw in (bars, lines, points, heat_map):
        _cross_out(ax, factor, names, model.without_support(mode), draw)
    return draw


def _cross_out(ax: Axes, factor: Array, names: Names, marked: NDArray[np.bool_], draw: ModeDrawing) -> None:
    """Put a cross on entries of a drawn factor."""
    index, r = np.nonzero(marked)
    x: Any = _positions(len(factor), names)[index]
    if draw is bars:
        x = index + (r + 0.5 - factor.shape[1] / 2) * 0.8 / factor.shape[1]
    if len(index):
        ax.plot(x, r + 1 if draw is heat_map else factor[index, r], **_cross())


def _cross() -> dict[str, Any]:
    """Return the looks of a mark on an entry without support."""
    rim = [withStroke(linewidth=2.5, foreground=rcParams["axes.facecolor"])]
    look = {"color": rcParams["text.color"], "linestyle": "none", "marker": "x", "markersize": 4.0}
    return {**look, "zorder": 4, "path_effects": rim}


def _has_positions(names: Names) -> bool:
    """Tell whether indices are places along an axis: unlabelled, or labelled by numbers or dates, all of them known."""
    return names is None or (names.dtype.kind in "iufM" and bool(np.isfinite(names).all()))


def _positions(length: int, names: Names) -> NDArray[Any]:
    return np.asarray(names) if names is not None and _has_positions(names) else np.arange(length)


def _mark_positions(ax: Axes, x: NDArray[Any], names: Names) -> None:
    if not _has_positions(names):
        _write_indices(ax, len(x), names)
    elif x.dtype.kind == "M":
        locator = AutoDateLocator(minticks=2, maxticks=6)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=x.dtype.kind in "iu"))


def _write_indices(ax: Axes, length: int, names: Names) -> None:
    """Write the indices of a mode one by one."""
    places = np.arange(length)[:: -(-length // MOST_TICKS)]
    ax.set_xticks(places, _texts(places if names is None else names[places]), parse_math=False)
    ax.set_xlim(-0.6, length - 0.4)


def _texts(names: NDArray[Any]) -> list[str]:
    if names.dtype.kind in "mM":  # in the coarsest unit that loses nothing; spans of years or months have but their own
        kind, of_years = names.dtype.kind, np.datetime_data(names.dtype)[0] in "YM"
        coarser = "YMDhms" if kind == "M" else "" if of_years else "Dhms"
        units = [unit for unit in coarser if (np.isnat(names) | (names.astype(f"{kind}8[{unit}]") == names)).all()]
        return [str(name) for name in names.astype(f"{kind}8[{units[0]}]" if units else names.dtype)]
    return [short_text(name) for name in names]


def short_text(name: Any) -> str:
    """Return a label as a text of bounded length."""
    number = isinstance(name, (int, float, np.integer, np.floating)) and not isinstance(name, np.timedelta64)
    text = f"{name:g}" if number else str(name).strip()
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


# Around the modes


def _known_labels(model: CPModel) -> Labels:
    return model.labels or Labels(tuple(f"mode {mode}" for mode in range(model.ndim)), (None,) * model.ndim)


def with_labels(model: CPModel, labels: Sequence[Any] | None) -> CPModel:
    """Return the model to draw: components in order, with the labels given, else its own, else numbered modes."""
    known = _known_labels(model)
    given = known.indices if labels is None else labels
    if len(given) != model.ndim:
        refuse("labels of plot_components", f"one sequence or None for each of {model.ndim} modes", f"{len(given)}")
    arrays = tuple(None if names is None else np.asarray(names) for names in given)
    for mode, (names, length) in enumerate(zip(arrays, model.shape, strict=True)):
        if names is not None and names.shape != (length,):
            refuse(
                f"labels of mode {mode} in plot_components", f"{length} labels, one per index", f"shape {names.shape}"
            )
    return model.normalized().labelled(Labels(known.names, arrays))


def _grid(n_modes: int) -> tuple[int, int]:
    """Return rows and columns of Axes: at most three in a row, two for four modes."""
    columns = 2 if n_modes == 4 else min(n_modes, 3)
    return -(-n_modes // columns), columns


def _mode_axes(n_modes: int) -> list[Axes]:
    """Return the Axes of a new figure."""
    rows, columns = _grid(n_modes)
    figure = plt.figure(figsize=(FIGURE_WIDTH, MODE_HEIGHT * rows + 0.4), layout="constrained")
    return [figure.add_subplot(rows, columns, place + 1) for place in range(n_modes)]


def legend_entries(used: set[ModeDrawing], styles: Sequence[ComponentStyle]) -> dict[str, Any]:
    """Return the handles of one legend for all modes, as bar, line or point, and how to draw them."""
    only_points = lines not in used and points in used
    parts: list[list[Artist]] = [[Patch(**style.bar())] if bars in used else [] for style in styles]
    if lines in used or only_points:
        look = {"linestyle": "none"} if only_points else {}
        parts = [[*part, Line2D([], [], **style.line(**look))] for part, style in zip(parts, styles, strict=True)]
    # Heat maps number their rows: their entries have no handle.
    return {
        "handles": [tuple(part) if part else Line2D([], [], linestyle="none") for part in parts],
        "title_fontsize": small_text(),
        "fontsize": small_text(),
        "numpoints": 1,
        "handler_map": {tuple: HandlerTuple(ndivide=None)},
        "handlelength": 2.5 * len(parts[0]),
    }


def _legend_of_components(
    used: set[ModeDrawing], model: CPModel, styles: Sequence[ComponentStyle], modes: Iterable[int]
) -> dict[str, Any]:
    """Return the arguments of a legend of components, their weights, and the crosses in these modes."""
    weights = model.weights * np.sqrt(model.observed_share)
    labels = [f"{r + 1}: {share:.0%}" for r, share in enumerate(weights / (weights.sum() or 1.0))]
    legend = legend_entries(used, styles)
    if any(model.without_support(mode).any() for mode in modes):
        legend["handles"] = [*legend["handles"], Line2D([], [], **_cross())]
        labels.append("hardly observed")
    where = "" if model.support is None else " in observed cells"
    title = f"component: share of the weights{where}"
    return {**legend, "labels": labels, "title": title, "ncols": min(len(labels), 5)}


def fit_tick_labels(ax: Axes) -> float:
    """Turn written indices upright when they would touch, leave some out when they still would; return their height.

    In inches; zero for an axis of numbers or dates, and for level labels.
    """
    if not isinstance(ax.xaxis.get_major_locator(), FixedLocator):
        return 0.0
    labels, places = ax.get_xticklabels(), ax.get_xticks()
    extents = [label.get_window_extent() for label in labels]
    width, height = max(box.width for box in extents), max(box.height for box in extents)
    low, high = ax.get_xlim()
    spacing = 0.9 * ax.get_window_extent().width * (places[1] - places[0] if len(places) > 1 else 1.0) / (high - low)
    # Short labels, such as numbers, are easier to read level, if fewer.
    upright = width > max(spacing, 3 * height)
    step = max(1, int(np.ceil((height if upright else width) / spacing)))  # blank labels have no width
    texts = [label.get_text() for label in labels]
    ax.set_xticks(places[::step], texts[::step], rotation=90 if upright else 0, parse_math=False)
    return width / canvas_figure(ax).dpi if upright else 0.0
