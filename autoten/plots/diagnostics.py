"""A closer look: the core behind core consistency, samples one by one, a slab of the data or of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, SymmetricalLogLocator

from autoten._errors import check_integer, check_mode, refuse
from autoten._typing import Array
from autoten.door import Preprocessed, missing_cells, numbers_of, unlabelled
from autoten.labels import Labels
from autoten.model import CPModel, model_of
from autoten.plots.common import (
    Look,
    color_cells,
    legend_above,
    name_with_unit,
    new_axes,
    texts_of,
    unit_of,
    write_beside,
    written,
)
from autoten.scores.core_consistency import consistency
from autoten.table import LOWEST_CONSISTENCY

# So many elements off the superdiagonal are drawn, the largest in magnitude.
MOST_ELEMENTS = 100

# From this magnitude on the axis is logarithmic above 1: a single exploded element would flatten all others.
LARGEST_LINEAR = 5.0

# Up to so many samples are all named; of more, those that stand out, at least the few furthest out.
MOST_NAMED = 12
FEWEST_NAMED = 3

# Beyond this multiple of the mean a leverage deserves a look (a rule of thumb from regression), and so does a residual
# beyond this multiple of the median.
HIGH = 3.0

# Texts along an axis of a picture.
MOST_TEXTS = 12


def plot_core_elements(core: Any, ax: Axes | None = None) -> Axes:
    """Draw the elements of a fitted core: those on the superdiagonal should be 1, all others 0.

    The grey line is what a perfect model would give; the distance from it is what core consistency measures. Elements
    off the superdiagonal stand in falling order of magnitude, the 100 largest of them.

    Parameters
    ----------
    core : array of shape (F, ..., F)
        From `autoten.core_elements`.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the core is no cube.

    Examples
    --------
    >>> core = np.zeros((2, 2, 2))
    >>> core[0, 0, 0], core[1, 1, 1], core[0, 1, 1] = 1.0, 0.9, -0.3
    >>> plot_core_elements(core).get_xlabel()
    'core consistency 95.0 %'
    """
    core = np.asarray(core, dtype=float)
    if core.ndim < 2 or len(set(core.shape)) != 1 or not core.size:
        refuse("the core of plot_core_elements", "an array of shape (F, ..., F)", f"shape {core.shape}")
    rank = len(core)
    diagonal = np.ravel_multi_index((np.arange(rank),) * core.ndim, core.shape)
    others = np.delete(core, diagonal)
    largest = others[np.argsort(-np.abs(others), kind="stable")[:MOST_ELEMENTS]]
    places, ideal = np.arange(1, rank + largest.size + 1), np.repeat([1.0, 0.0], [rank, largest.size])
    ax = new_axes() if ax is None else ax
    behind: Look = {"color": rcParams["text.color"], "alpha": 0.35, "linewidth": 2.5, "zorder": 1}
    ax.plot(places, ideal, drawstyle="steps-mid", label="perfect", **behind)
    ax.plot(places[:rank], core.flat[diagonal], "o", color="C0", markersize=6, label="superdiagonal")
    if others.size:
        some = "others" if largest.size == others.size else f"largest {largest.size} of {others.size} others"
        ax.plot(places[rank:], largest, "s", color="C1", markersize=4, markerfacecolor="none", label=some)
    if np.abs(core).max() > LARGEST_LINEAR:
        ax.set_yscale("symlog", linthresh=1.0, linscale=0.7)
        locator = SymmetricalLogLocator(base=10, linthresh=1.0)
        locator.set_params(numticks=6)
        ax.yaxis.set_major_locator(locator)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))
    # Numbers along an axis of sorted elements would say nothing.
    ax.set(xlim=(0.3, ideal.size + 0.7), xticks=[], ylabel="core element")
    percent = consistency(core)
    said = f"{percent:.1f}" if percent > LOWEST_CONSISTENCY else f"below {LOWEST_CONSISTENCY:g}"
    ax.set_xlabel(f"core consistency {said} %".replace("-", "−"))
    legend_above(ax)
    return ax


def plot_influence(influence: Any, *, labels: Sequence[Any] | None = None, ax: Axes | None = None) -> Axes:
    """Draw the residual of every sample against its leverage, and name the samples that stand out.

    To the upper left are samples that the model does not describe, to the lower right samples that it bends to, to the
    upper right those to look at first. The dotted line is at three times the mean leverage.

    Parameters
    ----------
    influence : SampleInfluence or pair of arrays of shape (I,)
        Leverage and residual, from `autoten.sample_influence`.
    labels : sequence, optional
        One per sample; numbers from 0 by default.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the three have different lengths.

    Examples
    --------
    >>> ax = plot_influence(([0.1, 0.2, 0.7], [1.0, 1.2, 5.0]), labels=["a", "b", "c"])
    >>> sorted(text.get_text() for text in ax.texts)
    ['a', 'b', 'c']
    """
    leverage, residual = (np.asarray(part, dtype=float) for part in influence)
    names = np.arange(leverage.size) if labels is None else np.asarray(labels)
    if not leverage.shape == residual.shape == names.shape == (leverage.size,):
        shapes = f"{leverage.shape}, {residual.shape} and {names.shape}"
        refuse("leverage, residual and labels of plot_influence", "of one length", shapes)
    ax = new_axes() if ax is None else ax
    ax.set(xlabel="leverage", ylabel="root mean square residual")
    limit = HIGH * leverage.mean()
    right, top = max(leverage.max(), min(limit, 1.0)), residual.max() or 1.0
    ax.set(xlim=(-0.06 * right, 1.12 * right), ylim=(-0.08 * top, 1.15 * top))
    ax.locator_params(nbins=5)
    if limit <= right:
        line: Look = {"color": rcParams["text.color"], "linestyle": ":", "linewidth": 1.0, "zorder": 0.8}
        ax.axvline(limit, label=f"{HIGH:g} times the mean leverage", **line)
    # A rim in the colour of the paper keeps the points of a crowd apart.
    rim: Look = {"markeredgecolor": rcParams["axes.facecolor"], "markeredgewidth": 0.5}
    ax.plot(leverage, residual, "o", color="C0", markersize=5.5, label="samples", **rim)
    legend_above(ax)
    stand_out = int(((leverage > limit) | (residual > HIGH * np.median(residual))).sum())
    n_named = MOST_NAMED if leverage.size <= MOST_NAMED else np.clip(stand_out, FEWEST_NAMED, MOST_NAMED)
    # In shares of the axes, so that both count alike.
    named = np.argsort(-np.hypot(leverage / right, residual / top), kind="stable")[:n_named]
    texts = [text if sample in named else "" for sample, text in enumerate(texts_of(names))]
    write_beside(ax, leverage, residual, texts)
    return ax


def plot_landscape(X: Any, index: int | str, mode: int | str = 0, *, ax: Axes | None = None) -> Axes:
    """Draw one slab of a tensor, or of a model, as a picture: the landscape of one sample of fluorescence, say.

    The two other modes are the axes, the first of them across, over their labels where these are numbers. Cells that
    are missing, such as scatter left out, are hatched.

    Parameters
    ----------
    X : array, masked array, DataArray, Series, Preprocessed, CPModel or estimate
        Of three modes.
    index : int or str
        Which slab: its number, or its label as a text.
    mode : int or str
        The mode that it is a slab of, by number, or by name if X is labelled.
    ax : Axes, optional
        A new figure's by default.

    Returns
    -------
    Axes

    Raises
    ------
    TypeError, ValueError
        If `X` is no tensor of three modes, or has no such slab.

    Examples
    --------
    >>> from autoten import datasets, preprocess
    >>> data = datasets.load_amino_acids()
    >>> ax = plot_landscape(preprocess.mask_scatter(data.X, data.emission_nm, data.excitation_nm), 3)
    >>> ax.get_title(), ax.get_xlabel(), ax.get_ylabel()
    ('mode 0: 3 (hatched: missing)', 'mode 1', 'mode 2')
    """
    X = model_of(X)
    given = Preprocessed(X, labels=X.named) if isinstance(X, CPModel) else unlabelled(X)
    if len(given.shape) != 3:
        remedy = "Take a part of it first."
        refuse("X of plot_landscape", "a tensor or model of three modes", f"shape {given.shape}", remedy)
    labels = given.labels or Labels(tuple(f"mode {n}" for n in range(3)), (None,) * 3)
    place = check_mode(mode, 3, "mode of plot_landscape", labels.names)
    number = _index_of(index, place, given.shape[place], labels)
    across, up = (n for n in range(3) if n != place)
    values = _slab(given.X, place, number).T
    ax = new_axes() if ax is None else ax
    x, y = (_places(axis, labels, n, given.shape[n]) for axis, n in ((ax.xaxis, across), (ax.yaxis, up)))
    rising = np.ix_(np.argsort(y), np.argsort(x))
    color_cells(ax, np.sort(x), np.sort(y), values[rising], n_ticks=5)
    # What is not drawn shows the hatches behind.
    is_missing = bool(np.isnan(values).any())
    ax.patch.set(hatch="////" if is_missing else None, edgecolor="0.6", facecolor="0.9")
    hatched = " (hatched: missing)" if is_missing else ""
    title = f"{labels.names[place]}: {labels.index(place, number)}{unit_of(labels, place)}{hatched}"
    ax.set_title(title, parse_math=False)
    return ax


def _index_of(index: Any, mode: int, length: int, labels: Labels) -> int:
    """Return a slab's number, which is given as such or as a label."""
    if not isinstance(index, str):
        number = check_integer(index, "index of plot_landscape", minimum=-length)
        if number >= length:
            refuse("index of plot_landscape", f"a number below {length}, the length of {labels.names[mode]}", number)
        return number % length
    texts = [labels.index(mode, n) for n in range(length)]
    if index not in texts:
        some = ", ".join(texts[:FEWEST_NAMED])
        refuse("index of plot_landscape", f"a label of {labels.names[mode]}, such as {some}", repr(index))
    return texts.index(index)


def _slab(X: Any, mode: int, number: int) -> Array:
    """Return a slab of a tensor or of a model, NaN where it is missing."""
    if isinstance(X, CPModel):
        rows = [[number] if n == mode else slice(None) for n in range(X.ndim)]
        return np.squeeze(X.rows(rows).to_tensor(), axis=mode)
    values, mask = numbers_of(X, "X of plot_landscape")
    return np.asarray(np.where(missing_cells(values, mask), np.nan, values).take(number, axis=mode))


def _places(axis: Axis, labels: Labels, mode: int, length: int) -> Array:
    """Name an axis and mark the indices of a mode along it; return where they are."""
    names = labels.indices[mode]
    axis.set_label_text(name_with_unit(labels, mode))
    if names is not None and names.dtype.kind in "iuf" and np.isfinite(names).all():
        return names.astype(float)
    if names is not None:
        some = np.arange(length)[:: -(-length // MOST_TEXTS)]
        axis.set_ticks(some, texts_of(names[some]), parse_math=False)
    return np.arange(length)
