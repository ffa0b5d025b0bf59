"""The reference: docs/reference.md is a list of docstrings; in the site the same names come by autodoc."""

from typing import Any

from sphinx.application import Sphinx

HEAD = """# Reference

Every public class and function, from the docstrings. Shapes leave out nothing: `n` is the batch, and
[Notation](notation.md) has all letters.
"""


def _rooms(app: Sphinx, docname: str, source: list[str]) -> None:
    """Instead of the page's text, directives for what it lists."""
    if docname != "reference":
        return
    from tests.reference import ROOMS, own

    parts = [HEAD]
    documented: set[int] = set()
    for path, title, module, names in ROOMS:
        parts.append(f"## {title}: `{path}`\n")
        for name in names or own(module):
            thing = getattr(module, name)
            if id(thing) not in documented and not isinstance(thing, type(app)) and callable(thing):
                documented.add(id(thing))
                parts.append(_directive(path, name, thing))
    source[0] = "\n".join(parts)


def _directive(path: str, name: str, thing: Any) -> str:
    kind = "class" if isinstance(thing, type) else "function"
    options = "   :members:\n" if kind == "class" else ""
    return f"```{{eval-rst}}\n.. auto{kind}:: {path}.{name}\n{options}```\n"


def _as_written(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings have columns and formulas in plain text: their lines stay as they are."""
    text = "\n".join(lines).rstrip().split("\n")
    lines[:] = ["::", "", *(f"   {line}" for line in text), ""] if any(text) else []


def setup(app: Sphinx) -> dict[str, bool]:
    """Sphinx's entry."""
    app.connect("source-read", _rooms)
    app.connect("autodoc-process-docstring", _as_written)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
