"""What every picture must be: readable at print size."""

import itertools

from matplotlib.text import Text


def texts_of(figure):
    """Return all texts that are drawn: those of ticks only where the tick is in view."""
    tick_labels, in_view = set(), set()
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            tick_labels |= {tick.label1, tick.label2}
            if low <= tick.get_loc() <= high:
                in_view.add(tick.label1)
    texts = (set(figure.findobj(Text)) - tick_labels) | in_view
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def assert_readable(figure):
    """Every text is at least 8 points, within the figure, and covers no other text."""
    figure.draw_without_rendering()
    texts = texts_of(figure)
    assert texts
    boxes = [text.get_window_extent() for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert text.get_fontsize() >= 8, text
        # Exponents are written smaller than the text around them.
        assert not (text.get_parse_math() and "$" in text.get_text()), text
        assert figure.bbox.padded(1).contains(*box.min), text
        assert figure.bbox.padded(1).contains(*box.max), text
    for (a, box_a), (b, box_b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        # Half a pixel: boxes are rounded outwards.
        assert not box_a.padded(-0.5).overlaps(box_b.padded(-0.5)), f"{a.get_text()!r} and {b.get_text()!r} overlap"


def legend_texts(legend):
    """Return the entries of a legend."""
    return [text.get_text() for text in legend.get_texts()]


def drawn(ax, label):
    """Return the line of this label."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line
