"""The page: one template, one script, and the data between them. It loads nothing, and opens offline."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..doctor import Finding, examine
from ..errors import FileError
from ..files import write_atomically
from ..run_directory import RunDirectory
from .collect import collect

HERE = Path(__file__).parent


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


def _without_script(data: dict[str, Any]) -> str:
    """What a browser without JavaScript shows: the last pictures."""
    last = [run["grids"][-1] for run in data.get("runs", []) if run["grids"]]
    return "".join(f'<img src="{one["url"]}" alt="samples of step {one["step"]}">' for one in last)


def runs_data(directories: Sequence[RunDirectory]) -> dict[str, Any]:
    """What the page shows of these runs. Raises FileError if no run is in one of them."""
    return {"kind": "runs", "runs": [collect(one, _findings(one), len(directories)) for one in directories]}


def _findings(directory: RunDirectory) -> list[Finding]:
    """The doctor's; none where the files are damaged: the page has a note of that."""
    try:
        return examine(directory)
    except FileError:
        return []


def write_report(directories: Sequence[RunDirectory], path: Path, overwrite: bool = True) -> None:
    """Write the page of these runs to `path`. Raises FileError if one is no run, or it cannot be written."""
    data = runs_data(directories)
    content = page(data, " and ".join(str(one.path.name) for one in directories)).encode()
    write_atomically(path, lambda file: file.write(content), overwrite)
