"""Samples one by one: leverage against residual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from autoten._errors import refuse
from autoten.plots.common import legend_above, new_axes
from autoten.plots.components import short_text
from autoten.plots.placing import write_beside

# Up to so many samples are all named; of more, those that stand out, at least the few furthest out.
MOST_NAMED = 12
FEWEST_NAMED = 3

# Beyond this multiple of the mean a leverage deserves a look (a rule of thumb from regression), and so does a residual
# beyond this multiple of the median.
HIGH = 3.0


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
    furthest = max(leverage.max(), min(limit, 1.0)) if leverage.size else 1.0
    ax.set_xlim(-0.06 * furthest, 1.12 * furthest)
    top = residual.max(initial=0.0) or 1.0
    ax.set_ylim(-0.08 * top, 1.15 * top)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    if limit <= furthest:
        style: dict[str, Any] = {"color": rcParams["text.color"], "linestyle": ":", "linewidth": 1.0, "zorder": 0.8}
        ax.axvline(limit, label=f"{HIGH:g} times the mean leverage", **style)
    # A rim in the colour of the paper keeps the points of a crowd apart.
    rim = {"markeredgecolor": rcParams["axes.facecolor"], "markeredgewidth": 0.5}
    ax.plot(leverage, residual, "o", color="C0", markersize=5.5, label="samples", **rim)
    legend_above(ax)
    # In shares of the axes, so that both count alike.
    outness = np.hypot(leverage / furthest, residual / top)
    stand_out = int(((leverage > limit) | (residual > HIGH * np.median(residual))).sum())
    n_named = MOST_NAMED if leverage.size <= MOST_NAMED else np.clip(stand_out, FEWEST_NAMED, MOST_NAMED)
    named = np.sort(np.argsort(-outness, kind="stable")[:n_named])
    others = np.delete(np.column_stack([leverage, residual]), named, axis=0)
    write_beside(ax, leverage[named], residual[named], [short_text(name) for name in names[named]], others)
    return ax
