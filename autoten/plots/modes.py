"""How one mode of a model is drawn: bars, lines, points, a heat map, or the largest entries by name; and its ticks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, MaxNLocator

from autoten._typing import Array
from autoten.labels import Labels
from autoten.model import CPModel
from autoten.plots.common import LONGEST_LABEL, Look, color_cells, figure_of, say, small_text, texts_of

# A mode up to this length is drawn as bars, if they are not too many to be told apart in a third of a page's width.
LONGEST_BARS = 12
MOST_BARS = 36

# More lines than this in one panel cannot be followed: a heat map then has a row for each component.
MOST_LINES = 6

# Lines join the entries of a mode unless the squares of its steps come to so many times those about the mean (von
# Neumann's ratio): near 0 where neighbours are alike, 2 where they know nothing of each other.
LARGEST_STEPS = 1.0

# Up to so many points of a line all are marked: the hours of a day, the days of a month.
MOST_MARKED = 31

# Labels that are numbers skip some where so large a share of their steps is the smallest and the others are multiples.
REGULAR = 0.75

# No more texts than this are tried along an axis, however long the mode.
MOST_TICKS = 200

# The width of all bars at one index, in indices; the height of a bar that lies, in rows.
BARS_WIDTH = 0.8

# Of a mode with names, at most so many entries of a component are named where there is room, and at least so many where
# the figure is ours. A row of them is so many times as high as its text.
MOST_NAMED = 10
FEWEST_NAMED = 3
ROW = 1.3

# Inches: what title, legend and ticks will take of the height of Axes.
STILL_TO_COME = 0.6

# What tells components apart without their colour.
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
HATCHES = ("", "////", "....", "xxxx", "----", "++++", "\\\\\\\\", "||||", "oooo", "OO")

# Draws one factor (I, R) on Axes, given a label for each index (or None) and the looks of the components.
Names = Array | None
ModeDrawing = Callable[[Axes, Array, Names, "Sequence[ComponentStyle]"], None]


class ComponentStyle(NamedTuple):
    """How one component looks."""

    color: str
    """The colour of lines, points and bars."""
    linestyle: str
    """The dashes of its lines."""
    marker: str
    """The sign at its points."""
    hatch: str
    """The pattern of its bars."""

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


def bars(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as bars, the components side by side at each index."""
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        middles = np.arange(len(column)) + _shift(r, len(styles))
        ax.bar(middles, column, BARS_WIDTH / len(styles), **style.bar())
    _write_indices(ax, len(factor), names)
    ax.set_xlim(-0.6, len(factor) - 0.4)


def lines(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as one line per component over labels that are numbers or dates, else over indices.

    Where numbers in regular steps skip some, lines do.
    """
    x, factor = _with_gaps(_places(ax, len(factor), names), factor)
    seen = np.isfinite(factor[:, 0])
    beside = np.concatenate([[False], seen, [False]])
    alone = np.flatnonzero(seen & ~beside[:-2] & ~beside[2:])
    step = 1 if len(x) <= MOST_MARKED else max(1, len(x) // 8)
    for r, (column, style) in enumerate(zip(factor.T, styles, strict=True)):
        # Sparse markers, staggered, so that components are told apart where lines meet; no line leads to some points.
        marked = {*range(r * step // len(styles), len(x), step), *alone.tolist()}
        ax.plot(x, column, markevery=sorted(marked), **style.line())


def points(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as points that no line joins: a mode without an order."""
    x = _places(ax, len(factor), names)
    for column, style in zip(factor.T, styles, strict=True):
        ax.plot(x, column, **style.line(linestyle="none", markersize=5.0))


def heat_map(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw a factor as a heat map, a row for each component, the first on top, and a colour bar.

    Colours are those of the style sheet (``image.cmap``) from zero on; where entries of both signs stand, blue and red
    on either side of a white zero. In a grey print they tell the size, but no longer the sign. Where numbers in regular
    steps skip some there is no colour.
    """
    x, factor = _with_gaps(_places(ax, len(factor), names), factor)
    rows = np.arange(1, len(styles) + 1)
    color_cells(ax, x, rows, factor.T, n_ticks=4)
    ax.hlines(rows[:-1] + 0.5, 0, 1, ax.get_facecolor(), linewidth=1.0, transform=ax.get_yaxis_transform())
    ax.set(ylim=(len(styles) + 0.5, 0.5), ylabel="component")
    ax.yaxis.set_major_locator(MaxNLocator(min(len(styles), 10), integer=True, min_n_ticks=1))


def top_bars(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle]) -> None:
    """Draw the largest entries of each component, by magnitude, as lying bars with their names: as many as have room.

    Above the bars of a component a row of strokes shows all its entries, so that one sees whether these stand out.
    """
    draw_top(ax, factor, names, styles, _room_for_top(ax, len(styles)) or 1)


def draw_top(ax: Axes, factor: Array, names: Names, styles: Sequence[ComponentStyle], n: int) -> None:
    """Draw the `n` largest entries of each component."""
    n = min(n, len(factor))
    points = ax.get_window_extent().width * 72 / figure_of(ax).dpi
    # Names take half of the Axes; a letter is about half as wide as the text is high.
    longest = max(LONGEST_LABEL, int(points / small_text()))
    written = texts_of(np.arange(len(factor)) if names is None else names, longest)
    model = CPModel(np.ones(len(styles)), (factor,), Labels(("mode",), (np.array(written),)))
    texts: list[str] = []
    for (r, largest), style in zip(model.top(0, n).items(), styles, strict=True):
        column, first = factor[:, r - 1], len(texts)
        ax.barh(first + np.arange(len(largest)), [entry for _, entry in largest], BARS_WIDTH, **style.bar())
        all_entries: Look = {"color": style.color, "linestyle": "none", "marker": "|", "markersize": 5.0, "alpha": 0.5}
        ax.plot(column, np.full(len(column), first - 1), **all_entries)
        texts += [f"all {len(column)}", *(name for name, _ in largest), *[""] * (n - len(largest))]
    ax.set_yticks(np.arange(len(texts)) - 1, texts, parse_math=False, fontsize=small_text())
    ax.tick_params("y", length=0)
    ax.set_ylim(len(texts) - 1.4, -1.6)
    ax.xaxis.set_major_locator(MaxNLocator(3))


def height_for_top(rank: int, n: int = FEWEST_NAMED) -> float:
    """Return the height of Axes, in inches, in which the `n` largest entries of each component can be named."""
    return rank * (n + 1) * ROW * small_text() / 72


def n_named_within(height: float, rank: int) -> int:
    """Return how many entries of each component can be named in Axes of this height, in inches."""
    return min(MOST_NAMED, int(height / height_for_top(max(rank, 1), 0)) - 1)


def drawing_of(factor: Array, rank: int, names: Names) -> ModeDrawing:
    """Return how a mode is drawn unless it is said: by its length, labels, course, and `rank`, components together."""
    if len(factor) <= LONGEST_BARS:
        return bars if len(factor) * rank <= MOST_BARS else heat_map
    if not _has_positions(names):
        return top_bars
    if rank > MOST_LINES:
        return heat_map
    # Where all points of a line are marked it can be followed, however it jumps.
    return points if len(factor) > MOST_MARKED and _jumps(factor, names) else lines


def _jumps(factor: Array, names: Names) -> bool:
    """Tell whether the entries of a mode jump back and forth in its order, all components taken together."""
    ordered = factor if names is None else factor[np.argsort(names, kind="stable")]
    about_mean = np.square(ordered - ordered.mean(axis=0)).sum()
    return bool(np.square(np.diff(ordered, axis=0)).sum() > LARGEST_STEPS * about_mean)


def draw_mode(
    ax: Axes, model: CPModel, mode: int, draw: ModeDrawing | None = None, n: int | None = None
) -> ModeDrawing:
    """Draw one mode of a labelled model, crosses on entries without support; return how."""
    factor, names = np.asarray(model.factors[mode], dtype=float), model.named.indices[mode]
    return draw_factor(ax, factor, names, component_styles(model.rank), draw, n, model.without_support(mode))


def draw_factor(
    ax: Axes,
    factor: Array,
    names: Names,
    styles: Sequence[ComponentStyle],
    draw: ModeDrawing | None = None,
    n: int | None = None,
    without: Array | None = None,
) -> ModeDrawing:
    """Draw a factor by its length, labels and rank, unless it is said how; return how.

    Where entries are named they are `n`, as many as have room for None. Entries `without` support are crossed out; they
    are not among those named.
    """
    if draw is None:
        draw = drawing_of(factor, len(styles), names)
        if draw is top_bars and n is None and not _room_for_top(ax, len(styles)):
            draw = heat_map
    if draw is not heat_map:
        zero: Look = {"color": rcParams["axes.edgecolor"], "linewidth": 0.5, "zorder": 0.5}
        (ax.axvline if draw is top_bars else ax.axhline)(0, **zero)
    if not len(styles):
        say(ax, "no components")
    elif draw is top_bars:
        seen = factor if without is None else np.where(without, 0.0, factor)
        draw_top(ax, seen, names, styles, _room_for_top(ax, len(styles)) or 1 if n is None else n)
    else:
        draw(ax, factor, names, styles)
        if without is not None and without.any():
            _cross_out(ax, factor, names, without, draw, styles)
    return draw


def _cross_out(
    ax: Axes, factor: Array, names: Names, without: Array, used: ModeDrawing, styles: Sequence[ComponentStyle]
) -> None:
    """Draw crosses on entries `without` support, by how the factor was drawn, in the colours of the components."""
    if used is heat_map:
        index, rows = np.nonzero(without)
        ax.plot(_places(ax, len(factor), names)[index], rows + 1, **cross())
    elif used in (bars, lines, points):
        x = np.arange(len(factor)) if used is bars else _places(ax, len(factor), names)
        for r, style in enumerate(styles):
            index = np.flatnonzero(without[:, r])
            shift = _shift(r, len(styles)) if used is bars else 0
            ax.plot(x[index] + shift, factor[index, r], **{**cross(), "color": style.color})


def _room_for_top(ax: Axes, rank: int) -> int:
    """Return how many entries of each component can be named in Axes; 0 if none can."""
    figure_of(ax).draw_without_rendering()  # settles the layout, but for what is still to come
    return max(n_named_within(ax.get_window_extent().height / figure_of(ax).dpi - STILL_TO_COME, rank), 0)


def _shift(r: Any, rank: int) -> Any:
    """Return where the bar of component `r` stands, from its index."""
    return (r + 0.5 - rank / 2) * BARS_WIDTH / rank


def cross() -> Look:
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


def _with_gaps(x: Array, factor: Array) -> tuple[Array, Array]:
    """Return places and a factor in the order of the places, with rows of NaN where numbers in regular steps skip some.

    A gap has a row at each of its ends, a step from what is there, so that no cell of a heat map reaches into it.
    """
    order = np.argsort(x, kind="stable")
    x, factor = x[order], factor[order]
    if x.dtype.kind not in "iuf" or len(x) < 3:
        return x, factor
    x = x.astype(float)
    steps = np.diff(x)
    step = steps.min()
    if step <= 0.0 or not np.allclose(steps / step, np.round(steps / step), rtol=0.0, atol=0.01):
        return x, factor
    skips = np.flatnonzero(np.round(steps / step) > 1)
    if not len(skips) or len(skips) > (1.0 - REGULAR) * len(steps):
        return x, factor
    ends = np.unique(np.concatenate([x[skips] + step, x[skips + 1] - step]).round(9))
    whole = np.argsort(np.concatenate([x, ends]), kind="stable")
    return np.concatenate([x, ends])[whole], np.vstack([factor, np.full((len(ends), factor.shape[1]), np.nan)])[whole]


def _write_indices(ax: Axes, length: int, names: Names) -> None:
    """Write the indices of a mode one by one."""
    places = np.arange(length)[:: -(-length // MOST_TICKS)]
    ax.set_xticks(places, texts_of(places if names is None else names[places]), parse_math=False)


def fit_indices(panels: Sequence[Axes]) -> float:
    """Turn written indices upright where they would touch; of many leave some out where they still would.

    Returns the height of upright ones in inches, zero without any.
    """
    figure, taken = figure_of(panels[0]), 0.0
    figure.draw_without_rendering()  # settles how wide the Axes are
    for ax in panels:
        if not isinstance(ax.xaxis.get_major_locator(), FixedLocator):
            _thin_ticks(ax)
            continue
        labels, places = ax.get_xticklabels(), np.array(ax.get_xticks())
        if not labels:
            continue
        width, height = np.max([label.get_window_extent().size for label in labels], axis=0)
        room = 0.9 * ax.get_window_extent().width * np.diff(places).max(initial=1.0) / np.ptp(ax.get_xlim())
        # Short labels, such as numbers, are easier to read level, if fewer; of a few none is left out.
        upright = width > (room if len(labels) <= LONGEST_BARS else max(room, 3 * height))
        step = max(1, int(np.ceil((height if upright else width) / room)))  # blank labels have no width
        texts = [label.get_text() for label in labels[::step]]
        ax.set_xticks(places[::step], texts, rotation=90 if upright else 0, parse_math=False)
        taken = max(taken, width / figure.dpi if upright else 0.0)
    return taken


def _thin_ticks(ax: Axes) -> None:
    """Set fewer ticks along an axis of numbers where their texts touch."""
    locator = ax.xaxis.get_major_locator()
    if not isinstance(locator, MaxNLocator):
        return
    low, high = sorted(ax.get_xlim())
    for n in (3, 2):
        ticks = [tick for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
        boxes = sorted((tick.label1.get_window_extent() for tick in ticks), key=lambda box: float(box.x0))
        if all(left.x1 + small_text() / 2 < right.x0 for left, right in pairwise(boxes)):
            break
        locator.set_params(nbins=n)


def height_lacking(panels: Sequence[Axes]) -> float:
    """Return by how much, in inches, the Axes should be higher for the names in their rows."""
    figure = figure_of(panels[0])
    figure.draw_without_rendering()
    needed = [
        height_for_top(len(ax.get_yticks()), 0) - ax.get_window_extent().height / figure.dpi
        for ax in panels
        if isinstance(ax.yaxis.get_major_locator(), FixedLocator)
    ]
    return max([0.0, *needed])
