"""The page: one template, one script, and the data between them. It loads nothing, and opens offline."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..doctor import examine
from ..errors import FileError
from ..files import open_regular, write_atomically
from ..run_directory import RunDirectory
from .collect import collect

HERE = Path(__file__).parent
MARK = b'<meta name="generator" content="minigan">'  # of page.html


def page(data: dict[str, Any], title: str) -> str:
    """The HTML of a page.    data: as `runs_data` makes it, or the explorer of toy.py"""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # no </script> in there
    parts = {
        "TITLE": html.escape(title),
        "FALLBACK": _without_script(data),
        "DATA": text,
        "SCRIPT": (HERE / "viewer.js").read_text(encoding="utf-8"),
    }
    found = (HERE / "page.html").read_text(encoding="utf-8")
    for name, part in parts.items():
        before, _, after = found.partition(f"<!--{name}-->")
        found = before + part + after
    return found


def frame(document: str, height: int, name: str = "") -> str:
    """HTML that shows a whole page within another one, such as below a cell of a notebook."""
    ident = f'id="{name}" ' if name else ""
    return f'<iframe {ident}srcdoc="{html.escape(document)}" width="100%" height="{height}"></iframe>'


def _without_script(data: dict[str, Any]) -> str:
    """What a browser without JavaScript shows: the last pictures."""
    last = [run["grids"][-1] for run in data.get("runs", []) if run["grids"]]
    return "".join(f'<img src="{one["url"]}" alt="samples of step {one["step"]}">' for one in last)


def runs_data(directories: Sequence[RunDirectory]) -> dict[str, Any]:
    """What the page shows of these runs. Raises FileError if no run is in one of them."""
    return {"kind": "runs", "runs": [_run(one, len(directories)) for one in directories]}


def _run(directory: RunDirectory, runs: int) -> dict[str, Any]:
    """One run's part, with the doctor's findings; where its files are damaged, with a note in their place."""
    directory.read_config()
    try:
        return collect(directory, examine(directory), runs)
    except FileError:
        return collect(directory, (), runs)
    except Exception as error:  # a page of what can be shown is better than none
        found = collect(directory, (), runs)
        found["notes"].append(f"the doctor could not look at it: {type(error).__name__}: {error}")
        return found


def title_of(directory: RunDirectory) -> str:
    """The name of its folder."""
    return directory.path.resolve().name


def write_report(directories: Sequence[RunDirectory], path: Path, overwrite: bool = True) -> None:
    """Write the page of these runs to `path`. Raises FileError if one is no run, if a file is there that is no page of
    this kind, or if it cannot be written.
    """
    if path.exists() and not _is_ours(path):
        raise FileError(f"{path} is no page of minigan's, and is not overwritten: move it away, or name another file")
    data = runs_data(directories)
    content = page(data, " and ".join(map(title_of, directories))).encode(errors="replace")
    write_atomically(path, lambda file: file.write(content), overwrite)


def _is_ours(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return MARK in file.read(2000)
    except OSError:
        return False
