"""The core behind core consistency, element by element."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from autoten._errors import refuse
from autoten.plots.common import Array, legend_above, new_axes
from autoten.table import LOWEST_CONSISTENCY

# So many elements off the superdiagonal are drawn, the largest in magnitude.
MOST_ELEMENTS = 100

# From this magnitude on the axis is logarithmic above 1: a single exploded element would flatten all others.
LARGEST_LINEAR = 5.0


class CoreData(NamedTuple):
    """What `plot_core_elements` draws."""

    # One entry for each component; 1 is perfect.
    superdiagonal: Array
    # The largest elements elsewhere, by falling magnitude; 0 is perfect.
    others: Array
    # How many there are elsewhere, drawn or not.
    n_others: int
    # 100 minus the squared distance to the superdiagonal of ones, in percent of the number of components.
    consistency: float


def core_data(core: Any) -> CoreData:
    """Return the numbers that `plot_core_elements` draws.

    Parameters
    ----------
    core : array of shape (F, ..., F)

    Raises
    ------
    ValueError
        If the core is no cube with F >= 1.

    Examples
    --------
    >>> core = np.zeros((2, 2, 2))
    >>> core[0, 0, 0], core[1, 1, 1], core[0, 1, 1] = 1.0, 0.9, -0.3
    >>> data = core_data(core)
    >>> data.superdiagonal.tolist(), data.others[:2].tolist(), data.n_others, round(data.consistency, 6)
    ([1.0, 0.9], [-0.3, 0.0], 6, 95.0)
    """
    core = np.asarray(core, dtype=float)
    if core.ndim < 2 or len(set(core.shape)) != 1 or not core.size:
        refuse("the core of plot_core_elements", "an array of shape (F, ..., F)", f"shape {core.shape}")
    rank = core.shape[0]
    diagonal = np.zeros(core.shape, dtype=bool)
    diagonal[(np.arange(rank),) * core.ndim] = True
    others = core[~diagonal]
    order = np.argsort(-np.abs(others), kind="stable")[:MOST_ELEMENTS]
    distance = np.square(core[diagonal] - 1.0).sum() + np.square(others).sum()
    return CoreData(core[diagonal], others[order], others.size, 100.0 * (1.0 - float(distance) / rank))


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
    >>> plot_core_elements(core).get_ylabel()
    'core element'
    """
    data = core_data(core)
    ax = new_axes() if ax is None else ax
    rank, n_drawn = data.superdiagonal.size, data.others.size
    ideal = np.repeat([1.0, 0.0], [rank, n_drawn])
    look: dict[str, Any] = {"color": rcParams["text.color"], "alpha": 0.35, "linewidth": 2.5, "zorder": 1}
    ax.plot(np.arange(1, ideal.size + 1), ideal, drawstyle="steps-mid", label="perfect", **look)
    places = np.arange(1, rank + 1)
    ax.plot(places, data.superdiagonal, "o", color="C0", markersize=6, label="superdiagonal")
    if n_drawn:
        some = "others" if n_drawn == data.n_others else f"largest {n_drawn} of {data.n_others} others"
        beyond = rank + np.arange(1, n_drawn + 1)
        ax.plot(beyond, data.others, "s", color="C1", markersize=4, markerfacecolor="none", label=some)
    values = np.concatenate([data.superdiagonal, data.others, ideal])
    _scale(ax, float(values.min()), float(values.max()))
    # Numbers along an axis of sorted elements would say nothing.
    ax.set(xlim=(0.3, ideal.size + 0.7), xticks=[], ylabel="core element")
    ax.set_xlabel(f"core consistency {_percent(data.consistency)}")
    legend_above(ax)
    return ax


def _percent(value: float) -> str:
    text = f"{value:.1f} %" if value > LOWEST_CONSISTENCY else f"below {LOWEST_CONSISTENCY:g} %"
    return text.replace("-", "−")


def _scale(ax: Axes, low: float, high: float) -> None:
    """Choose a linear axis, or one that is logarithmic beyond 1 where an element is huge."""
    if max(-low, high) <= LARGEST_LINEAR:
        pad = 0.08 * ((high - low) or 1.0)
        ax.set_ylim(low - pad, high + pad)
        ax.yaxis.set_major_locator(MaxNLocator(6))
        return
    ax.set_yscale("symlog", linthresh=1.0, linscale=0.7)
    exponents = np.arange(0, int(np.ceil(np.log10(max(-low, high)))) + 1)
    powers = 10.0 ** exponents[:: -(-exponents.size // 3)]
    ticks = np.concatenate([-powers[powers <= -3 * low][::-1], [0.0], powers[powers <= 3 * high]])
    ax.yaxis.set_major_locator(FixedLocator(ticks.tolist()))
    ax.yaxis.set_minor_locator(FixedLocator([]))
    # Plain numbers: the exponents of powers of ten would be smaller than any other text.
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−").replace("e+0", "e")))
    ax.set_ylim(min(2.0 * low, -0.3), max(2.0 * high, 1.3))
