"""Formulas as MathML, made while the site is built: browsers draw it, without a script."""

import html
import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

# What the converter does not know, in words that it does; GitHub knows all of them.
OTHER_WORDS = {"{aligned}": "{split}", r"\arg": r"\operatorname{arg}", r"\arctan": r"\operatorname{arctan}"}
LEFT = re.compile(r"\\[A-Za-z]+|<mi>&</mi>")  # in MathML: a command that it passed on as text


def converted(latex: str, block: bool) -> str:
    """A <math> element. Raises ValueError for a formula that cannot be converted."""
    for word, other in OTHER_WORDS.items():
        latex = re.sub(re.escape(word) + r"(?![A-Za-z])", lambda _, other=other: other, latex)
    try:
        found = convert(latex, display="block" if block else "inline")
    except Exception as error:  # it has a class for each kind of mistake
        raise ValueError(f"{type(error).__name__} {error}") from error
    if left := LEFT.search(found):
        raise ValueError(f"{left[0]} is unknown")
    return found


def _convert(self: Any, node: nodes.Element, block: bool) -> str:
    try:
        return converted(node.astext(), block)
    except ValueError as error:
        page = self.builder.current_docname
        raise ExtensionError(f"{page}: no MathML for the formula {node.astext()!r}: {error}") from error


def visit_inline(self: Any, node: nodes.Element) -> None:
    """$...$"""
    self.body.append(_convert(self, node, block=False))
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.Element) -> None:
    """$$...$$, in a box that scrolls where the screen is narrow, with the source as its name for screen readers."""
    title = html.escape(node.astext(), quote=True)
    formula = _convert(self, node, block=True)
    self.body.append(f'<div class="formula" tabindex="0" role="group" aria-label="{title}">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
