r"""Notebooks as plain Python files: cells that begin with `# %%`, and Jupyter's JSON (nbformat 4.5) of them.

    # %% [markdown]
    # # A title
    #
    # Text, and a formula: $y = xW + b$.

    # %%
    import minigan as mg

Editors know this form, it can be compared line by line, and it is a program that Python runs as it stands. The rules:

- A line that begins with `# %%`, at its very start, begins a cell. Nothing else does: there is no parser here that
  would know a string, so a program cannot have such a line in one.
- `# %% [markdown]` (or `[md]`) begins text, `# %% [raw]` what Jupyter leaves alone. Every line of these is a comment; a
  blank line may be without its `#`. What stands behind, as in `# %% The data`, is the cell's title.
- What stands above the first such line, such as a docstring, is a cell of code, too.
- Blank lines at the end of a cell separate it from the next one, and are not in it.

The way back gives the same text, to the byte, if it is in the form that `from_notebook` writes: lines that end in "\n",
the last one too; a space after the `#` of a text; no more than two blank lines between cells, and none at the end. Any
other text comes back in this form, and its notebook is the same. What a program cannot hold is not kept: outputs,
counts of executions, pictures that were dropped into a text, and other metadata.
"""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from .errors import FileError

MARK = "# %%"
KINDS = {"[markdown]": "markdown", "[md]": "markdown", "[raw]": "raw"}
# Names of metadata. The first two are Jupytext's, which then reads and writes the same files.
TITLE, BLANK, UNMARKED = "title", "lines_to_next_cell", "unmarked"
MOST_BLANK = 2  # blank lines that are kept between two cells: formatters put two below a function
ABOUT = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def to_notebook(text: str) -> dict[str, Any]:
    """The notebook of a program with `# %%` lines, as Jupyter's file has it. Cells are named by their place: "cell-0".

    Raises FileError, with the line's number, for code under `# %% [markdown]`: its own `# %%` line was forgotten.
    """
    cells = []
    parts = list(_parts(text))
    for place, (first, marker, body) in enumerate(parts):
        kind, metadata = _read_marker(marker)
        source = _without_blank_end(body)
        blank = len(body) - len(source)
        if blank != 1 and place < len(parts) - 1:
            metadata[BLANK] = min(blank, MOST_BLANK)
        if kind != "code":
            source = [_uncommented(line, first + i) for i, line in enumerate(source)]
        cells.append(_cell(place, kind, metadata, source))
    return {
        "cells": cells,
        "metadata": {name: dict(about) for name, about in ABOUT.items()},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def from_notebook(document: Any) -> str:
    """The program of a notebook: of what `to_notebook` gives, or of any file of Jupyter's that `json.load` has read.

    Raises FileError for anything else, and for a cell with a line that would begin another one.
    """
    if not isinstance(document, dict) or document.get("nbformat") != 4 or not isinstance(document.get("cells"), list):
        raise FileError("this is no notebook: wanted nbformat 4, with a list of cells")
    lines: list[str] = []
    cells = document["cells"]
    for place, cell in enumerate(cells):
        kind, metadata, source = _read_cell(cell, place)
        if kind != "code":
            source = [f"# {line}" if line else "#" for line in source]
        if any(line.startswith(MARK) for line in source):
            raise FileError(f"cell {place} of the notebook has a line that begins with {MARK}: it would end the cell")
        if place or kind != "code" or metadata.get(UNMARKED) is not True or not any(source):
            lines.append(_marker(kind, metadata.get(TITLE)))
        lines += source
        if place < len(cells) - 1:
            blank = metadata.get(BLANK, 1)
            lines += [""] * (blank if blank in range(MOST_BLANK + 1) else 1)
    return "".join(f"{line}\n" for line in _without_blank_end(lines))


def as_json(document: dict[str, Any]) -> str:
    """The content of an .ipynb file, as Jupyter writes it."""
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _parts(text: str) -> Iterator[tuple[int, str | None, list[str]]]:
    """Of each cell: the number of its first line, counted from 1; its marker, None above the first one; its lines."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:
        lines.pop()  # behind the last line's end
    starts = [i for i, line in enumerate(lines) if line.startswith(MARK)]
    above = lines[: starts[0]] if starts else lines
    if any(above):
        yield 1, None, above
    for start, end in itertools.pairwise([*starts, len(lines)]):
        yield start + 2, lines[start], lines[start + 1 : end]


def _read_marker(marker: str | None) -> tuple[str, dict[str, Any]]:
    """The kind of cell that it begins, and the metadata that it says."""
    if marker is None:
        return "code", {UNMARKED: True}
    title = marker.removeprefix(MARK).strip()
    word, _, rest = title.partition(" ")
    kind = KINDS.get(word, "code")
    title = rest.strip() if kind != "code" else title
    return kind, {TITLE: title} if title else {}


def _marker(kind: str, title: Any) -> str:
    words = [MARK, *([] if kind == "code" else [f"[{kind}]"]), *(str(title or "").split())]
    return " ".join(words)


def _uncommented(line: str, number: int) -> str:
    if line.strip() and not line.startswith("#"):
        raise FileError(
            f"line {number}, {line.strip()!r}, is code in a cell of text: a line {MARK} above it is missing"
        )
    return line.strip() and line.removeprefix("#").removeprefix(" ")


def _without_blank_end(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    return lines[:end]


def _cell(place: int, kind: str, metadata: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    source = [f"{line}\n" for line in lines[:-1]] + lines[-1:]
    if source == [""]:
        source = []  # as Jupyter writes an empty cell
    cell = {"cell_type": kind, "id": f"cell-{place}", "metadata": metadata, "source": source}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def _read_cell(cell: Any, place: int) -> tuple[str, dict[str, Any], list[str]]:
    """Its kind, metadata and lines. A file may have the source as one text, or as a list of lines with their ends."""
    kind = cell.get("cell_type") if isinstance(cell, dict) else None
    source = cell.get("source") if isinstance(cell, dict) else None
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if kind not in ("code", "markdown", "raw") or not isinstance(source, str):
        raise FileError(f"cell {place} of the notebook has no source, or is of no kind that is known: {kind!r}")
    metadata = cell.get("metadata")
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n") if source else []
    return kind, metadata if isinstance(metadata, dict) else {}, lines
