"""What every picture must be, readable at print size; and what is on it."""

import itertools

from matplotlib.text import Text


def texts_of(figure):
    """Return all texts that are drawn: those of ticks only where the tick is in view."""
    texts = set(figure.findobj(Text))
    for axis in [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            texts -= {tick.label2} if low <= tick.get_loc() <= high else {tick.label1, tick.label2}
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def assert_readable(figure):
    """Every text is at least 8 points, within the figure, and covers no other text."""
    figure.draw_without_rendering()
    boxes = [(text, text.get_window_extent()) for text in texts_of(figure)]
    assert boxes
    for text, box in boxes:
        assert text.get_fontsize() >= 8, text
        # Exponents are written smaller than the text around them.
        assert not (text.get_parse_math() and "$" in text.get_text()), text
        assert figure.bbox.padded(1).contains(*box.min), text
        assert figure.bbox.padded(1).contains(*box.max), text
    for (a, box_a), (b, box_b) in itertools.combinations(boxes, 2):
        # Half a pixel: boxes are rounded outwards.
        assert not box_a.padded(-0.5).overlaps(box_b.padded(-0.5)), f"{a.get_text()!r} and {b.get_text()!r} overlap"


def entries(legend):
    return [text.get_text() for text in legend.get_texts()]


def drawn(ax, label):
    """Return the line of this label."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line
