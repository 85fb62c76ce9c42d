"""Formulas as MathML, which browsers set by themselves: a page needs no script and no font from elsewhere."""

import re

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def written(node, display):
    """Return a formula in MathML; a command that the converter does not know is a warning, so the build fails."""
    formula = convert(node.astext(), display=display)
    for command in re.findall(r">(\\\w+)", formula):
        logger.warning("latex2mathml does not know %s", command, location=node)
    return formula


def visit_math(self, node):
    """Write a formula within a line."""
    self.body.append(written(node, "inline"))
    raise SkipNode


def visit_displaymath(self, node):
    """Write a formula on a line of its own; a wide one scrolls within the page."""
    self.body.append(f'<div class="formula">{written(node, "block")}</div>')
    raise SkipNode


def setup(app: Sphinx):
    """Offer both to Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
