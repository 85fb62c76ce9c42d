"""Two models side by side, component by component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from autoten._errors import refuse
from autoten.matching import match_components
from autoten.model import CPModel, as_cp
from autoten.plots.common import FIGURE_WIDTH, canvas_figure, small_text
from autoten.plots.components import component_styles, draw_factor, fit_tick_labels, legend_entries, with_labels

# Inches.
ROW_HEIGHT = 1.25


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
    a, b = (with_labels(as_cp(model), None) for model in (a, b))
    a = with_labels(a, labels)
    matches = match_components(a, b)
    n_pairs, n_modes = matches.cosines.shape
    if not n_pairs:
        refuse("the models of plot_comparison", "of at least one component each", f"ranks {a.rank} and {b.rank}")
    panels = _new_panels(n_pairs, n_modes) if axes is None else np.asarray(axes, dtype=object)
    if panels.shape != (n_pairs, n_modes):
        refuse("axes of plot_comparison", f"an array of shape {(n_pairs, n_modes)}", f"shape {panels.shape}")
    styles = component_styles(2)
    used = set()
    for row, (r, s) in enumerate(zip(matches.first, matches.second, strict=True)):
        for mode, ax in enumerate(panels[row]):
            cosine = matches.cosines[row, mode]
            both = np.column_stack([a.factors[mode][:, r], np.copysign(1.0, cosine) * b.factors[mode][:, s]])
            used.add(draw_factor(ax, _pair(a, mode, both), mode, None, styles))
            ax.set_title("")
            ax.set_title(f"{cosine:.3f}".replace("-", "−"), loc="right", fontsize=small_text(), pad=2.0)
            ax.yaxis.set_major_locator(MaxNLocator(3))
        panels[row][0].set_ylabel(f"{r + 1} and {s + 1}")
    assert a.labels is not None
    for ax, name in zip(panels[-1], a.labels.names, strict=True):
        ax.set_xlabel(name)
    figure = canvas_figure(panels[0, 0])
    legend = {**legend_entries(used, styles), "labels": list(names), "ncols": 2, "frameon": False}
    if axes is None:
        figure.legend(loc="outside upper center", title="components; above each panel, the cosine", **legend)
    else:
        panels[0, 0].legend(**legend)
    figure.draw_without_rendering()
    for row in panels[:-1]:
        for ax in row:
            ax.tick_params(labelbottom=False)
    heights = [fit_tick_labels(ax) for ax in panels[-1]]
    if axes is None:
        figure.set_figheight(figure.get_figheight() + max(heights))
    return panels


def _pair(a: CPModel, mode: int, both: NDArray[Any]) -> CPModel:
    """Return a model whose two components in `mode` are the columns to compare."""
    factors = [both if n == mode else np.zeros((length, 2)) for n, length in enumerate(a.shape)]
    return CPModel(np.ones(2), tuple(factors), a.labels)


def _new_panels(n_pairs: int, n_modes: int) -> NDArray[np.object_]:
    figure = plt.figure(figsize=(FIGURE_WIDTH, ROW_HEIGHT * n_pairs + 1.0), layout="constrained")
    return np.asarray(figure.subplots(n_pairs, n_modes, sharex="col", squeeze=False), dtype=object)
