"""The text of history.csv: a row for each step at which the losses were written, columns named in the first line.

A byte order mark, Windows' ends of lines, blank lines and spaces around names are simply read: other programs write
them. What would change a number, or lose one in silence, is an error that names the line.
"""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]  # a column's name and its number; without an entry where a callback gave none
UNDO = "another program, such as a spreadsheet, may have changed it: undo that, or move the file away and lose its rows"


def text_of(columns: Sequence[str], rows: Iterable[Row], header: bool = True) -> str:
    """Lines of these columns, an empty cell where a row has no number."""
    text = io.StringIO()
    cells = ([repr(row[name]) if name in row else "" for name in columns] for row in rows)
    csv.writer(text, lineterminator="\n").writerows([columns, *cells] if header else cells)
    return text.getvalue()


def rows_in(content: bytes, needed: Iterable[str] = (), saved: int = -1) -> tuple[list[str], list[Row]]:
    """The columns and the rows, but for half a row at the end, which a kill may have left.

    needed: columns that every row has, beside "step"    saved: the step of the checkpoint, before which no kill leaves
    half a row. Raises ValueError, naming the line, for what is no history.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not text ({error.reason})") from error
    whole, _, last = text.rpartition("\n")
    if "\r" not in text and not _is_saved(last, whole, saved):
        text = whole + "\n"
    lines = [(number, line) for number, line in _lines(text) if any(cell.strip() for cell in line)]
    if not lines:
        return [], []
    columns = _columns(*lines[0], needed if lines[1:] else ())
    rows = [_row(columns, cells, number, needed) for number, cells in lines[1:]]
    for (number, _), row, before in zip(lines[2:], rows[1:], rows, strict=False):
        if row["step"] <= before["step"]:
            raise ValueError(f"line {number}: step {row['step']} comes after step {before['step']}; {UNDO}")
    return columns, rows


def _is_saved(last: str, before: str, saved: int) -> bool:
    """Whether a line without an end is a row up to this step."""
    step = last.partition(",")[0].strip()
    return last.count(",") == before.partition("\n")[0].count(",") and step.isdecimal() and int(step) <= saved


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each line's number, from 1 on, and its cells."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for line in reader:
            yield reader.line_num, line
    except csv.Error as error:  # such as a cell of 200,000 letters
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _columns(number: int, cells: list[str], needed: Iterable[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    missing = [name for name in needed if name not in columns]
    twice = [name for name in columns if columns.count(name) > 1]
    if columns[0] != "step" or missing or twice or "" in columns:
        wrong = f"no column {missing[0]!r}" if missing else f"two columns {twice[0]!r}" if twice else "other columns"
        raise ValueError(
            f"line {number} has {wrong if columns[0] == 'step' else 'no columns, step first, with commas between'}: it "
            f"begins with {','.join(cells)[:60]!r}; {UNDO}"
        )
    return columns


def _row(columns: list[str], cells: list[str], number: int, needed: Iterable[str]) -> Row:
    if len(cells) != len(columns):
        raise ValueError(f"line {number} has {len(cells)} cells, and there are {len(columns)} columns; {UNDO}")
    row = {}
    for name, cell in zip(columns, cells, strict=True):
        if cell.strip() or name == "step" or name in needed:
            try:
                row[name] = _number(cell, whole=name == "step")
            except ValueError as error:
                raise ValueError(f"line {number}: {name} is {cell[:20]!r}; wanted {error}; {UNDO}") from error
    return row


def _number(text: str, whole: bool) -> float:
    """A whole number stays one, so that a row is written again as it was. Raises ValueError: what is wanted."""
    try:
        number: float = int(text)
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            raise ValueError("a number") from None
    large = abs(number) >= 2**63 if isinstance(number, int) else math.isinf(number) and "inf" not in text.lower()
    if "_" in text or large:
        raise ValueError("a number")
    if whole and (not math.isfinite(number) or number < 0 or number != int(number)):
        raise ValueError("a whole number")
    return int(number) if whole else number
