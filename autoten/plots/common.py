"""What the pictures share: new Axes, legends above them, texts beside points, numbers in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from PIL import Image

from autoten._typing import Array
from autoten.labels import LANDSCAPE, Labels

# Inches: the text width of a page, so that font sizes on paper are those of the style sheet.
PAGE_WIDTH = 7.0

# Points: legends, notes and point labels are never smaller; axis and tick labels are as the style sheet has them.
SMALLEST_TEXT = 8.0

# A negative value as large as this share of the largest is no noise about zero: colours then tell the sign.
SIGNED = 0.05
SIGNED_COLORS = "RdBu_r"

# Colours in a PNG: shades of a dozen, and of a heat map.
PALETTE = 256

# Characters: a longer label of an index is cut, unless there is more room.
LONGEST_LABEL = 18

SPACING = {"borderaxespad": 0.1, "handlelength": 1.6, "handletextpad": 0.5, "columnspacing": 0.8, "labelspacing": 0.3}

# Points to the right and up: where a text may stand beside its point, the nearest places first.
NEAR = [(0, 12), (0, -12), (7, 0), (-7, 0)]
PLACES = np.array(NEAR + [(right, up * line) for line in range(10, 121, 10) for right in (10, -10) for up in (1, -1)])

Look = dict[str, Any]


def new_axes() -> Axes:
    """Return the Axes of a new figure."""
    ax: Axes = plt.figure(layout="constrained").add_subplot()
    return ax


def as_png(draw: Callable[..., Any], size: tuple[float, float], dpi: int = 200) -> bytes:
    """Return what ``draw(ax=Axes)`` draws as a PNG of this size (inches); pyplot knows nothing of it."""
    figure = Figure(figsize=size, layout="constrained")
    draw(ax=figure.add_subplot())
    drawn, file = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    # A palette makes the file a third as large.
    Image.open(drawn).convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


def writable_formats() -> list[str]:
    """Return the formats that a picture can be saved in: the suffixes of its file, without the dot."""
    return sorted(FigureCanvasBase.get_supported_filetypes())


def figure_of(ax: Axes) -> Figure:
    """Return the outermost figure, also from Axes of a subfigure."""
    figure: Figure = ax.figure.canvas.figure
    return figure


def small_text() -> float:
    """Return the size of legends and of texts among the data."""
    return max(SMALLEST_TEXT, 0.8 * float(rcParams["font.size"]))


def written(value: float) -> str:
    """Write a number with a true minus and a short exponent: matplotlib's powers of ten are below `SMALLEST_TEXT`."""
    return f"{'−' if value < 0 else ''}{abs(value):g}".replace("e+0", "e").replace("e-0", "e-")


def texts_of(names: Array, longest: int = LONGEST_LABEL) -> list[str]:
    """Return labels as texts of at most so many letters, times in the coarsest unit that loses nothing."""
    kind = names.dtype.kind
    if kind in "mM":
        # Spans of years or months have no other unit.
        coarser = "YMDhms" if kind == "M" else "Dhms" if np.datetime_data(names.dtype)[0] not in "YM" else ""
        units = [unit for unit in coarser if (np.isnat(names) | (names.astype(f"{kind}8[{unit}]") == names)).all()]
        names = names.astype(f"{kind}8[{units[0]}]") if units else names
    texts = [f"{name:g}" if kind in "iuf" else " ".join(str(name).split()) for name in names]
    # Cut in the middle: labels that begin alike differ at their ends.
    half = longest // 2
    return [text if len(text) <= longest else f"{text[:half]}…{text[1 - half :]}" for text in texts]


def color_cells(ax: Axes, x: Array, y: Array, values: Array, n_ticks: int) -> None:
    """Draw values at places in rising order as colours, none where they are NaN, with a bar that explains them."""
    mesh = ax.pcolormesh(x, y, values, shading="nearest", rasterized=True, **_colors_of(values))
    figure_of(ax).colorbar(mesh, ax=ax, pad=0.02).ax.yaxis.set_major_locator(MaxNLocator(n_ticks))


def _colors_of(values: Array) -> Look:
    """Return colours and their span: those of the style sheet from zero on; of both signs, around a white zero."""
    low, high = float(np.nanmin(values, initial=0.0)), float(np.nanmax(values, initial=0.0))
    largest = max(high, -low)
    if low >= -SIGNED * largest:
        return {"vmin": low, "vmax": high}
    return {"vmin": -largest, "vmax": largest, "cmap": SIGNED_COLORS}


def unit_of(labels: Labels, mode: int) -> str:
    """Return the unit of a mode's labels, after a blank: nm of emission and excitation, of others it is not known."""
    return " nm" if labels.names[mode] in LANDSCAPE and labels.indices[mode] is not None else ""


def name_with_unit(labels: Labels, mode: int) -> str:
    """Return the name of a mode, and in brackets the unit of its labels where it is known."""
    unit = unit_of(labels, mode)
    return f"{labels.names[mode]} ({unit.strip()})" if unit else labels.names[mode]


def say(ax: Axes, text: str) -> None:
    """Write what there is to say in place of a picture."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=small_text())


def legend_above(ax: Axes, left: float = 0.0, **legend: Any) -> None:
    """Put the legend above the Axes, where it covers no data, in as many columns as the Axes are wide.

    It begins at `left`, in widths of the Axes. Without `legend`, which may hold handles, labels and looks, it has an
    entry for all that has a label.
    """
    place = {"loc": "lower left", "bbox_to_anchor": (left, 1), "alignment": "left", "frameon": False}
    look = {"fontsize": small_text(), "numpoints": 1, **SPACING, **place, **legend}
    for n_columns in range(len(legend.get("labels") or ax.get_legend_handles_labels()[1]), 0, -1):
        drawn = ax.legend(**{**look, "ncols": n_columns})
        # A little more than the Axes will do: the layout is still to come and widens them.
        if drawn.get_window_extent().width <= (1.05 - left) * ax.get_window_extent().width:
            break


def write_beside(ax: Axes, x: Array, y: Array, texts: Sequence[str]) -> None:
    """Write each text at the first place beside its point where it covers no point and no other text."""
    figure_of(ax).draw_without_rendering()  # settles the layout: from here on a point has its place on the page
    frame, pixels = ax.get_window_extent(), figure_of(ax).dpi / 72
    anchors = ax.transData.transform(np.column_stack([x, y]))
    taken = [Bbox([anchor - 5 * pixels, anchor + 5 * pixels]) for anchor in anchors]
    look: Look = {"textcoords": "offset points", "ha": "center", "va": "center", "fontsize": small_text()}
    look["path_effects"] = [withStroke(linewidth=2, foreground=ax.get_facecolor())]
    leader: Look = {"arrowstyle": "-", "linewidth": 0.5, "color": rcParams["text.color"], "shrinkA": 0, "shrinkB": 2}
    for point, anchor, text in zip(zip(x, y, strict=True), anchors, texts, strict=True):
        if text:
            label = ax.annotate(text, point, (0, 0), in_layout=False, **look)
            size = np.array(label.get_window_extent().padded(pixels).size)
            offsets = pixels * PLACES + np.sign(PLACES) * [size[0] / 2, 0]
            boxes = [Bbox([anchor + offset - size / 2, anchor + offset + size / 2]) for offset in offsets]
            inside = [frame.contains(*box.min) and frame.contains(*box.max) for box in boxes]
            covered = [box.count_overlaps(taken) + 100 * (not fits) for box, fits in zip(boxes, inside, strict=True)]
            best = int(np.argmin(covered))
            taken.append(boxes[best])
            label.set_position(offsets[best] / pixels)
            if best >= len(NEAR):  # too far to tell whose it is without a line
                ax.annotate("", point, PLACES[best], textcoords="offset points", arrowprops=leader, in_layout=False)
