"""Files of Python with cells, `# %%`, and notebooks: the same in two forms.

A line that begins with `# %%` starts a cell, and `# %% [markdown]` one of text, whose lines begin with `# `. Blank
lines at the ends of a cell are no part of it. A notebook has Jupyter's format 4.5, without outputs.
"""

import re
from typing import Any

MARK = re.compile(r"^# %%(.*)$", re.MULTILINE)
Notebook = dict[str, Any]


def to_notebook(text: str) -> Notebook:
    """The notebook of a file; the same file gives the same notebook. What stands before the first mark is code."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    first, *rest = MARK.split(text)
    cells = [("", first)] if first.strip() else []
    cells += list(zip(rest[::2], rest[1::2], strict=True))
    return {
        "cells": [_cell(k, title, body.strip("\n")) for k, (title, body) in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(k: int, title: str, body: str) -> Notebook:
    text = "[markdown]" in title
    lines = [_uncommented(line) for line in body.split("\n")] if text else body.rstrip().split("\n")
    source = "\n".join(lines).splitlines(keepends=True)
    cell: Notebook = {"cell_type": "markdown" if text else "code", "id": f"cell-{k}", "metadata": {}, "source": source}
    return cell if text else cell | {"execution_count": None, "outputs": []}


def _uncommented(line: str) -> str:
    return line.removeprefix("#").removeprefix(" ")


def from_notebook(document: Notebook) -> str:
    """The file of a notebook; outputs are left out. Of one that `to_notebook` made: the file that it was, but for blank
    lines between cells.

    Raises ValueError where the document is no notebook.
    """
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        raise ValueError("there is no list of cells in it")
    parts = []
    for cell in document["cells"]:
        if not isinstance(cell, dict) or not isinstance(cell.get("source", ""), str | list):
            raise ValueError("a cell has no source")
        source = "".join(map(str, cell.get("source", "")))
        if cell.get("cell_type") == "markdown":
            lines = [f"# {line}".rstrip() for line in source.split("\n")]
            parts.append("\n".join(["# %% [markdown]", *lines]))
        elif cell.get("cell_type") == "code":
            parts.append(f"# %%\n{_without_magics(source)}".rstrip())
    return "\n\n".join(parts) + "\n"


def _without_magics(source: str) -> str:
    """Lines for IPython alone, `%time f()` and `!ls`, become comments: a file of Python has no such thing."""
    return "\n".join(f"# {line}" if re.match(r"[%!]", line) else line for line in source.split("\n"))
