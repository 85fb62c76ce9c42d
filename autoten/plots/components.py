"""The components of models: mode by mode, the largest entries by name, and those of two models compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from autoten._errors import check_integer, refuse
from autoten._typing import Array
from autoten.labels import Labels
from autoten.matching import match_components
from autoten.model import CPModel, as_cp
from autoten.plots.common import PAGE_WIDTH, Look, figure_of, legend_above, name_with_unit, new_axes, small_text
from autoten.plots.modes import (
    FEWEST_NAMED,
    STILL_TO_COME,
    ComponentStyle,
    ModeDrawing,
    bars,
    component_styles,
    cross,
    draw_factor,
    draw_mode,
    drawing_of,
    fit_indices,
    heat_map,
    height_for_top,
    height_lacking,
    lines,
    n_named_within,
    points,
    top_bars,
)

# Inches.
MODE_HEIGHT = 2.2
PAIR_HEIGHT = 1.25
TOP_HEIGHT = 1.0

# Letters: a longer name of a mode may be wider than bars that have names beside them.
LONGEST_CENTRED = 12

# A slide is so many times as wide as high. In a picture wider than so many inches texts are too small on a page.
SLIDE = 16 / 9
SLIDE_WIDTH = 8.0


def plot_components(
    model: Any,
    *,
    labels: Sequence[Sequence[Any] | None] | None = None,
    draw: Sequence[ModeDrawing | None] | None = None,
    axes: Sequence[Axes] | None = None,
) -> NDArray[np.object_]:
    """Draw the factors of a CP model: one Axes per mode, all components in each.

    Columns have unit length and components are ordered by weight; the legend gives each one's share: of the sum of
    the modelled tensor where no entry is negative and no cell is missing (of counts: of all events), else of the sum of
    weights, in observed cells where some are missing. Crosses mark entries of which the data say next to nothing,
    since hardly a cell with the component in it was observed (`CPModel.support`). A mode of up to 12 entries is drawn
    as bars, a longer one as lines, or as points where its values jump back and forth, such as those of trials, and one
    whose labels are texts, and so without an order, as bars of the largest entries of each component with their names
    (`plot_top` has more of them). Where bars or lines would be too many, a heat map has a row for each component.

    Parameters
    ----------
    model : CP model
        `CPModel`, tensorly's ``CPTensor``, pyttb's ``ktensor`` or ``(weights, factors)``.
    labels : sequence, optional
        For each mode None or one label per index; those of the model by default. Numbers and dates become the x values
        of a line.
    draw : sequence of functions, optional
        For each mode `bars`, `lines`, `points`, `top_bars`, `heat_map` or a function of your own with their arguments;
        None for the choice above.
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
    n_named = None
    if axes is None:
        n_named = max(n_named_within(MODE_HEIGHT, model.rank), FEWEST_NAMED)
        figure = plt.figure(figsize=(PAGE_WIDTH, MODE_HEIGHT * rows + 0.4), layout="constrained")
        panels = [figure.add_subplot(rows, columns, place + 1) for place in range(model.ndim)]
    else:
        panels = list(axes)
    if len(panels) != model.ndim:
        refuse("axes of plot_components", f"one for each of {model.ndim} modes", f"{len(panels)}")
    used = {}
    for mode, (ax, drawing) in enumerate(zip(panels, _per_mode("plot_components", model, draw), strict=True)):
        used[mode] = draw_mode(ax, model, mode, drawing, n_named)
    _write_names(panels, model, used)
    if model.rank:
        legend = _legend_of_components(used, model)
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
        `bars`, `lines`, `points`, `top_bars`, `heat_map` or one of your own; by length, labels and rank by default.
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
    if ax is None:
        ax = new_axes()
        figure_of(ax).set_figheight(max(figure_of(ax).get_figheight(), least_height(model, number)))
    used = draw_mode(ax, model, number, draw)
    ax.set_xlabel(name_with_unit(model.named, number))
    if used is not heat_map:
        legend_above(ax, _left_of_names(ax, used), **_legend_of_components({number: used}, model))
    fit_indices([ax])
    return ax


def plot_top(
    model: Any,
    n: int = 10,
    *,
    labels: Sequence[Sequence[Any] | None] | None = None,
    draw: Sequence[ModeDrawing | None] | None = None,
    axes: Any = None,
) -> NDArray[np.object_]:
    """Draw the largest entries of each component, by name: a row for each component, a column for each mode.

    Columns of factors have unit length, components are ordered by weight, and entries by magnitude, as `CPModel.top`
    has them; a row of strokes above the bars shows all entries, so that one sees whether those named stand out. Of a
    mode of up to 12 labels, such as weekdays, and of one without labels, or labelled by numbers or dates, every entry
    is drawn in its order, as by `plot_components`. Numbers that are mere names, such as those of customers, are drawn
    as names when given as texts. The figure has the shape of a slide (16:9), or is higher where its rows need it.

    Parameters
    ----------
    model : CP model
        `CPModel`, tensorly's ``CPTensor``, pyttb's ``ktensor`` or ``(weights, factors)``.
    n : int
        How many entries of each component and mode to name, >= 1.
    labels : sequence, optional
        For each mode None or one label per index; those of the model by default.
    draw : sequence of functions, optional
        For each mode what `plot_components` takes: `bars` show all neurons, say, in the same order in every row. None
        for the choice above.
    axes : array of Axes, shape (R, n_modes), optional
        A new figure's by default.

    Returns
    -------
    array of Axes, shape (R, n_modes)

    Raises
    ------
    ValueError
        If the model has no component, `n` is no positive integer, or `labels`, `draw` or `axes` do not fit the model.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> factors = [rng.random((length, 2)) for length in (26, 40, 30)]
    >>> axes = plot_top((None, factors), 3, labels=[list("abcdefghijklmnopqrstuvwxyz"), range(300, 340), None])
    >>> axes.shape, len(axes[0, 0].patches)
    ((2, 3), 3)
    """
    model, n = _to_draw(model, labels), check_integer(n, "n of plot_top", minimum=1)
    if not model.rank:
        refuse("the model of plot_top", "of at least one component", "rank 0")
    (shares, whole), styles = _shares(model), component_styles(model.rank)
    chosen = map(drawing_of, model.factors, [1] * model.ndim, model.named.indices)
    drawings = [given or own for given, own in zip(_per_mode("plot_top", model, draw), chosen, strict=True)]
    lengths = [len(factor) for factor, drawing in zip(model.factors, drawings, strict=True) if drawing is top_bars]
    height = max(TOP_HEIGHT, height_for_top(1, min(n, max(lengths, default=0))))
    panels = _grid("plot_top", (model.rank, model.ndim), axes, height)
    if axes is None:
        figure = figure_of(panels[0, 0])
        figure.set_figwidth(np.clip(SLIDE * figure.get_figheight(), PAGE_WIDTH, SLIDE_WIDTH))
    used = {}
    for (r, mode), ax in np.ndenumerate(panels):
        factor, names = model.factors[mode][:, [r]], model.named.indices[mode]
        without = model.without_support(mode)[:, [r]]
        used[mode] = draw_factor(ax, factor, names, [styles[r]], drawings[mode], n, without)
    _write_names(panels[0], model, used)
    for r, ax in enumerate(panels[:, 0]):
        ax.set_ylabel(f"{r + 1}: {shares[r]:.0%}")
    legend = _with_crosses(_legend_of(set(), [], []), model, used)
    title = f"components by weight: the largest entries of each, and its share of the {whole}"
    if legend["labels"]:
        legend["title"] = title
    elif axes is None:
        figure_of(panels[0, 0]).suptitle(title, fontsize=small_text())
    _finish([*panels.flat], legend, model.rank if axes is None else 0, panels[-1])
    if axes is None:
        width, height = figure_of(panels[0, 0]).get_size_inches()
        figure_of(panels[0, 0]).set_figheight(max(height, width / SLIDE))
    return panels


def least_height(model: CPModel, mode: int) -> float:
    """Return the height, in inches, that a picture of one mode needs at least: names need a row each."""
    names = model.named.indices[mode]
    named = drawing_of(np.asarray(model.factors[mode]), model.rank, names) is top_bars
    return height_for_top(model.rank) + 2 * STILL_TO_COME if named else 0.0


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
    the cosine between its two columns (Tucker's congruence). Columns have unit length and point the same way. Below the
    pairs stands, alone, what one model has beyond the other; the numbers at the rows say what is shown.

    Parameters
    ----------
    a, b : CP models of the same shape
    names : pair of str
        What to call them.
    labels : sequence, optional
        For each mode None or one label per index; those of `a` by default.
    axes : array of Axes, shape (R, n_modes), optional
        R is the larger of the ranks. A new figure's by default.

    Returns
    -------
    array of Axes, shape (R, n_modes)

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
    # Of each row the two components, None for the model that has no such.
    alone = [(r, None) for r in np.setdiff1d(range(a.rank), matches.first)]
    alone += [(None, s) for s in np.setdiff1d(range(b.rank), matches.second)]
    rows = [*zip(matches.first, matches.second, strict=True), *alone]
    panels = _grid("plot_comparison", (len(rows), n_modes), axes, PAIR_HEIGHT)
    styles = component_styles(2)
    used = set()
    for (row, mode), ax in np.ndenumerate(panels):
        r, s = rows[row]
        cosine = matches.cosines[row, mode] if row < n_pairs else 1.0
        columns = [] if r is None else [a.factors[mode][:, r]]
        columns += [] if s is None else [np.copysign(1.0, cosine) * b.factors[mode][:, s]]
        looks = [style for style, which in zip(styles, (r, s), strict=True) if which is not None]
        n_named = FEWEST_NAMED if axes is None else None
        # Points in all rows or in none.
        draw = points if drawing_of(a.factors[mode], 1, a.named.indices[mode]) is points else None
        drawn = draw_factor(ax, np.column_stack(columns), a.named.indices[mode], looks, draw, n_named)
        used.add(drawn)
        if row == len(rows) - 1:
            ax.set_xlabel(name_with_unit(a.named, mode), **_place_of_name(drawn, a.named.names[mode]))
        if row < n_pairs:
            ax.set_title(f"{cosine:.3f}".replace("-", "−"), loc="right", fontsize=small_text(), pad=2.0)
    for (r, s), ax in zip(rows, panels[:, 0], strict=True):
        ax.set_ylabel(" and ".join("–" if which is None else str(which + 1) for which in (r, s)))
    title = "components; above each panel, the cosine" if axes is None else None
    legend = {**_legend_of(used, styles, names), "title": title}
    _finish([*panels.flat], legend, len(rows) if axes is None else 0, panels[-1])
    return panels


# Around the modes


def _to_draw(model: Any, labels: Sequence[Any] | None = None) -> CPModel:
    """Return a model with its components in order, and with the labels given, if any."""
    cp = as_cp(model).normalized()
    if labels is None:
        return cp
    arrays = tuple(None if names is None else np.atleast_1d(names) for names in labels)
    return cp.labelled(Labels(cp.named.names, arrays))


def _place_of_name(used: ModeDrawing, name: str) -> Look:
    """Return where the name of a mode stands: names beside bars leave a long one no room but to the left."""
    return {"x": 1.0, "ha": "right"} if used is top_bars and len(name) > LONGEST_CENTRED else {}


def _write_names(panels: Sequence[Axes], model: CPModel, used: Mapping[int, ModeDrawing]) -> None:
    """Write the names of modes above their Axes, all at the same place."""
    places = [_place_of_name(used[mode], name) for mode, name in enumerate(model.named.names)]
    for mode, ax in enumerate(panels):
        ax.set_title(name_with_unit(model.named, mode), **max(places, key=len))


def _left_of_names(ax: Axes, used: ModeDrawing) -> float:
    """Return where the names beside bars begin, in widths of the Axes: 0 without any."""
    if used is not top_bars:
        return 0.0
    figure_of(ax).draw_without_rendering()  # settles how wide the Axes are
    left = min(label.get_window_extent().x0 for label in ax.get_yticklabels())
    return float(ax.transAxes.inverted().transform((left, 0.0))[0])


def _grid(asker: str, shape: tuple[int, int], axes: Any, height: float) -> NDArray[np.object_]:
    """Return Axes in rows and columns, with a common x axis in a column; those given, if they fit."""
    if axes is None:
        figure = plt.figure(figsize=(PAGE_WIDTH, height * shape[0] + 1.0), layout="constrained")
        panels = figure.subplots(*shape, sharex="col", squeeze=False)
    else:
        panels = np.asarray(axes, dtype=object)
    if panels.shape != shape:
        refuse(f"axes of {asker}", f"an array of shape {shape}", f"shape {panels.shape}")
    for ax in panels.flat:
        ax.yaxis.set_major_locator(MaxNLocator(3))
    for ax in panels[:-1].flat:
        ax.tick_params(labelbottom=False)
    return panels


def _legend_of(used: set[ModeDrawing], styles: Sequence[ComponentStyle], labels: Sequence[str]) -> Look:
    """Return the arguments of one legend for all modes: each component as bar, line or point."""
    as_bars, as_lines = bool(used & {bars, top_bars}), bool(used & {lines, points})
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


def _legend_of_components(used: Mapping[int, ModeDrawing], model: CPModel) -> Look:
    """Return the arguments of a legend of components, their weights, and the crosses in modes that were drawn."""
    shares, what = _shares(model)
    labels = [f"{r + 1}: {share:.0%}" for r, share in enumerate(shares)]
    legend = _with_crosses(_legend_of(set(used.values()), component_styles(model.rank), labels), model, used)
    # Shares of something else than what gives the order need not descend: then the order is named.
    order = "component" if np.all(np.diff(shares) <= 0.0) else "component, by weight"
    return {**legend, "title": f"{order}: share of the {what}"}


def _per_mode(asker: str, model: CPModel, draw: Sequence[ModeDrawing | None] | None) -> Sequence[ModeDrawing | None]:
    """Return what draws each mode, None where that is not said."""
    drawings = [None] * model.ndim if draw is None else list(draw)
    if len(drawings) != model.ndim:
        refuse(f"draw of {asker}", f"one for each of {model.ndim} modes", f"{len(drawings)}")
    return drawings


def _shares(model: CPModel) -> tuple[Array, str]:
    """Return the share of each component, and of what: of the tensor's sum where that has a meaning, else of weights.

    Parts of a sum are shares of it if none is negative; what lies in missing cells is no part of the data.
    """
    sizes, what = model.weights * np.sqrt(model.observed_share), "weights"
    if model.support is not None:
        what = "weights in observed cells"
    elif all(factor.min(initial=0.0) >= 0.0 for factor in model.factors):
        sizes, what = sizes * np.prod([factor.sum(axis=0) for factor in model.factors], axis=0), "sum of all cells"
    return np.asarray(sizes / (sizes.sum() or 1.0)), what


def _with_crosses(legend: Look, model: CPModel, used: Mapping[int, ModeDrawing]) -> Look:
    """Return a legend with an entry for the crosses, if there are any: none among names."""
    if not any(model.without_support(mode).any() for mode, drawing in used.items() if drawing is not top_bars):
        return legend
    handles, labels = [*legend["handles"], Line2D([], [], **cross())], [*legend["labels"], "hardly observed"]
    return {**legend, "handles": handles, "labels": labels}


def _finish(panels: Sequence[Axes], legend: Look, rows: int, lowest: Sequence[Axes] | None = None) -> None:
    """Add the legend and fit the indices, where only the `lowest` have any; a figure of ours, with `rows`, grows."""
    figure = figure_of(panels[0])
    if legend["labels"]:
        ours: Look = {"loc": "outside upper center", "frameon": False}
        figure.legend(**ours, **legend) if rows else panels[-1].legend(**legend)
    taken = fit_indices(panels if lowest is None else lowest)
    if rows:
        for_indices = taken * (rows if lowest is None else 1)
        figure.set_figheight(figure.get_figheight() + for_indices + rows * height_lacking(panels))
