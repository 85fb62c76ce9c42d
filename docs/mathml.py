"""Formulas as MathML, which browsers set by themselves: a page needs no script and no font from elsewhere."""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def visit_math(self, node):
    """Write a formula within a line."""
    self.body.append(convert(node.astext()))
    raise SkipNode


def visit_displaymath(self, node):
    """Write a formula on a line of its own; a wide one scrolls within the page."""
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise SkipNode


def setup(app: Sphinx):
    """Offer both to Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
