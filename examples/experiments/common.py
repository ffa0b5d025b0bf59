"""What the experiments share: rows in a file, one JSON object a line, which is gone on with; and the table of means."""

import json
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from minigan.errors import FileError, SettingsError

Row = dict[str, Any]


def chosen(words: str, known: Iterable[str], flag: str) -> list[str]:
    """The names in a list with | between; all that are known without one. Raises SettingsError, naming the flag."""
    names = [word.strip() for word in words.split("|")] if words else list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SettingsError(f"{flag} {words}: {unknown[0]!r} is none of {' | '.join(known)}")
    return names


def measure(runs: Iterable[Row], measured: Callable[..., Row], path: Path | None) -> list[Row]:
    """Every run with what came out, measured(**run); those that the file has are not repeated.

    Raises FileError for a file with something else in it.
    """
    rows = read(path) if path is not None and path.exists() else []
    for run in runs:
        if not any(run.items() <= row.items() for row in rows):
            rows.append(run | measured(**run))
            print(rows[-1], file=sys.stderr, flush=True)
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    return rows


def read(path: Path) -> list[Row]:
    """The rows of a file."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise FileError(f"--out {path}: {error}; wanted a file that this program wrote") from error
    if not all(isinstance(row, dict) for row in rows):
        raise FileError(f"--out {path}: wanted a file that this program wrote, a JSON object a line")
    return rows


def table(rows: list[Row], by: tuple[str, ...], columns: dict[str, int]) -> str:
    """Markdown: for each combination of `by`, the mean over seeds of each column and, in brackets, the smallest and the
    largest; with so many digits.
    """
    lines = [f"| {' | '.join([*by, *columns, 'seeds'])} |", "|" + "---|" * (len(by) + len(columns) + 1)]
    for key in dict.fromkeys(tuple(row[name] for name in by) for row in rows):
        here = [row for row in rows if tuple(row[name] for name in by) == key]
        cells = [_mean([row[name] for row in here], digits) for name, digits in columns.items()]
        lines.append(f"| {' | '.join([*map(str, key), *cells, str(len(here))])} |")
    return "\n".join(lines)


def _mean(values: list[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean, least, most = (f"{value:.{digits}f}" for value in (statistics.mean(known), min(known), max(known)))
    return f"{mean} ({least} to {most})"
