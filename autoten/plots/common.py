"""What the pictures share: sizes, new Axes, legends above them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Inches: the text width of a page, so that font sizes on paper are those of the style sheet.
FIGURE_WIDTH = 7.0

# Points: legends, notes and point labels are never smaller; axis and tick labels are as the style sheet has them.
SMALLEST_TEXT = 8.0


def new_axes() -> Axes:
    """Return the Axes of a new figure."""
    ax: Axes = plt.figure(layout="constrained").add_subplot()
    return ax


def as_png(draw: Callable[..., Any], size: tuple[float, float], dpi: int = 200) -> bytes:
    """Return what ``draw(ax=Axes)`` draws as a PNG of this size (inches); pyplot knows nothing of it."""
    figure = Figure(figsize=size, layout="constrained")
    draw(ax=figure.add_subplot())
    with BytesIO() as file:
        figure.savefig(file, format="png", dpi=dpi)
        return file.getvalue()


def writable_formats() -> list[str]:
    """Return the formats that a picture can be saved in: the suffixes of its file, without the dot."""
    return sorted(FigureCanvasBase.get_supported_filetypes())


def canvas_figure(ax: Axes) -> Figure:
    """Return the outermost figure, also from Axes of a subfigure."""
    figure: Figure = ax.figure.canvas.figure
    return figure


def small_text() -> float:
    """Return the size of legends and of texts among the data."""
    return max(SMALLEST_TEXT, 0.8 * float(rcParams["font.size"]))


def legend_above(ax: Axes, **legend: Any) -> None:
    """Put the legend above the Axes, where it covers no data, in as many columns as the Axes are wide.

    Without `legend`, which may hold handles, labels and looks, it has an entry for all that has a label.
    """
    look = {
        "loc": "lower left",
        "bbox_to_anchor": (0, 1),
        "frameon": False,
        "numpoints": 1,
        "fontsize": small_text(),
        "alignment": "left",
        "borderaxespad": 0.1,
        "handlelength": 1.6,
        "handletextpad": 0.5,
        "columnspacing": 0.8,
        "labelspacing": 0.3,
        **legend,
    }
    n_entries = len(legend["labels"] if "labels" in legend else ax.get_legend_handles_labels()[1])
    for n_columns in range(n_entries, 0, -1):
        drawn = ax.legend(**{**look, "ncols": n_columns})
        # A little more than the Axes will do: the layout is still to come and widens them.
        if drawn.get_window_extent().width <= 1.05 * ax.get_window_extent().width:
            break
