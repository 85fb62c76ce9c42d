"""The components of a model, mode by mode."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress, cycle
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from autoten._validation import refuse
from autoten.cp import as_cp
from autoten.labels import Labels
from autoten.plots.common import FIGURE_WIDTH, Array, canvas_figure, small_text

# Inches.
MODE_HEIGHT = 2.2

# A mode up to this length is drawn as bars, a longer one as lines.
LONGEST_BARS = 12

# Characters: a longer text label of an index is cut.
LONGEST_LABEL = 18


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
        For each mode None or one label per index; those of the model by default. Numbers and dates become the x values
        of a line.
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
    known = model.labels or Labels(tuple(f"mode {mode}" for mode in range(model.ndim)), (None,) * model.ndim)
    names_by_mode = _checked_labels(known.indices if labels is None else labels, model.shape)
    panels = _mode_axes(model.ndim) if axes is None else list(axes)
    if len(panels) != model.ndim:
        refuse("axes of plot_components", f"one for each of {model.ndim} modes", f"{len(panels)} axes")
    styles = component_styles(model.rank)
    for mode, (ax, factor, names) in enumerate(zip(panels, model.factors, names_by_mode, strict=True)):
        ax.set_title(known.names[mode])
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
        figure = canvas_figure(panels[0])
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


def _checked_labels(labels: Sequence[Sequence[Any] | None], shape: tuple[int, ...]) -> list[NDArray[Any] | None]:
    """Return one array of labels, or None, for each mode."""
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
        "title_fontsize": small_text(),
        "fontsize": small_text(),
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
    return width / canvas_figure(ax).dpi if upright else 0.0
