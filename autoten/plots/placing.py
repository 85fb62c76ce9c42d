"""Texts beside points: where they cover nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from autoten.plots.common import Array, canvas_figure, small_text

# Points: a label that is further from its point, or nearer to another, gets a leader line.
NEAR_LABEL = 16.0


def write_beside(ax: Axes, x: Array, y: Array, texts: Sequence[str], others: Array | None = None) -> None:
    """Write each text as near to its point as it can stand without covering a point, another text or the frame."""
    figure = canvas_figure(ax)
    figure.draw_without_rendering()  # settles the layout: from here on a point has its place on the page
    points = 72 / figure.dpi
    anchors = ax.transData.transform(np.column_stack([x, y])) * points
    sizes = np.array([text_size(ax, text) for text in texts]).reshape(-1, 2) * points
    clear = None if others is None else ax.transData.transform(others) * points
    offsets = places_beside(anchors, sizes, np.array(ax.get_window_extent().extents) * points, clear)
    for place, anchor, offset, text in zip(zip(x, y, strict=True), anchors, offsets, texts, strict=True):
        distances = np.hypot(*(anchors - anchor - offset).T)
        far = np.hypot(*offset) > min(NEAR_LABEL, distances.min())
        leader = {"arrowstyle": "-", "linewidth": 0.5, "color": rcParams["text.color"], "shrinkA": 0, "shrinkB": 2}
        ax.annotate(
            text,
            place,
            tuple(offset),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=small_text(),
            arrowprops=leader if far else None,
            path_effects=[withStroke(linewidth=2, foreground=ax.get_facecolor())],
            in_layout=False,
        )


def text_size(ax: Axes, text: str) -> Array:
    """Return width and height of a small text in pixels."""
    probe = ax.text(0, 0, text, fontsize=small_text())
    size = probe.get_window_extent().size
    probe.remove()
    return np.asarray(size)


def places_beside(anchors: Array, sizes: Array, frame: Array, others: Array | None = None) -> Array:
    """Return where to centre texts, one beside each anchor, so that they cover nothing; all in points.

    Each text in turn takes the nearest place, out of rings around its anchor, where it covers neither an anchor nor
    an earlier text nor the frame. Leader lines, from an anchor to its text, keep clear of texts at a moderate price.

    Parameters
    ----------
    anchors, sizes : array of shape (n, 2)
    frame : array of shape (4,)
        Left, bottom, right, top.
    others : array of shape (m, 2), optional
        Further points that no text may cover.

    Returns
    -------
    array of shape (n, 2)
        Offsets from the anchors. A text without a free place takes the one where it covers least.

    Examples
    --------
    >>> places_beside(np.array([[50.0, 50.0]]), np.array([[6.0, 8.0]]), np.array([0.0, 0.0, 100.0, 100.0])).round(1)
    array([[ 0., 11.]])
    """
    # 32 directions, up first and then the other seven main ones: ties between places go to the first.
    sixteenths = np.arange(32)[np.argsort(np.arange(32) % 4 > 0, kind="stable")]
    angles = np.pi / 2 + np.pi / 16 * sixteenths
    radii = np.arange(11.0, 150.0, 4.0).repeat(angles.size)
    directions = np.tile(np.column_stack([np.cos(angles), np.sin(angles)]), (radii.size // angles.size, 1))
    offsets = radii[:, None] * directions
    # A leader line is a few small boxes on the way from the anchor to the text.
    leaders = offsets[:, None, :] * np.linspace(0.1, 0.9, 9)[:, None]
    texts, lines = np.empty((0, 4)), np.empty((0, 4))
    chosen = np.empty((0, 2))
    taken = _boxes(anchors if others is None else np.vstack([anchors, others]), 12)
    for anchor, size in zip(anchors, sizes, strict=True):
        boxes = _boxes(anchor + offsets, size + 2)
        outside = (size + 2).prod() - _overlaps(boxes, frame[None])
        covered = _overlaps(boxes, np.vstack([taken, texts]))
        crossed = _overlaps(_boxes(anchor + leaders, 2).reshape(-1, 4), texts).reshape(len(offsets), -1).sum(axis=1)
        # In this order of importance: to cover something, to be crossed by or to cross with a leader, to be far away.
        cost = 100 * (outside + covered).round(3) + _overlaps(boxes, lines) + crossed + 0.2 * radii
        best = int(np.argmin(cost))
        chosen = np.vstack([chosen, offsets[best]])
        texts = np.vstack([texts, boxes[best]])
        lines = np.vstack([lines, _boxes(anchor + leaders[best], 2)])
    return chosen


def _boxes(centres: Array, size: Array | float) -> Array:
    """Return boxes (left, bottom, right, top) around centres, shape (..., 4)."""
    return np.concatenate([centres - np.divide(size, 2), centres + np.divide(size, 2)], axis=-1)


def _overlaps(boxes: Array, others: Array) -> Array:
    """Return the area that each of `boxes` shares with all of `others`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.clip(high - low, 0.0, None).prod(axis=-1).sum(axis=-1))
