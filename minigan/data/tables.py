"""Images in a table of numbers, CSV: a row is an image, its pixels from 0 to 255, with a label or without.

So MNIST and Fashion-MNIST are handed round: 785 columns, the label first, with a line of names above or without.
"""

import gzip
import io
import itertools
import math
import zlib
from pathlib import Path
from typing import TextIO

import numpy as np

from ..errors import DataError, counted
from ..files import open_regular

LABELS = ("label", "labels", "class", "target", "y")  # names of the column of labels
ROWS = 2_000  # read together
LONGEST, CELL = 2**20, 32  # characters of the first line, and of a cell
WANTED = "wanted a row for each image: its pixels, h h whole numbers from 0 to 255, with a label before them or without"


def read_table(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The images, (n, h, h) uint8, and the labels, (n,), if there is a column more than pixels.

    Plain or compressed with gzip; separated by commas, semicolons or tabs. Raises DataError for anything else.
    """
    try:
        with open_regular(path) as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            plain = gzip.GzipFile(fileobj=file) if packed else file
            with io.TextIOWrapper(plain, encoding="utf-8-sig") as lines:
                return _parsed(path, lines)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"{path} is not a table that can be read: {error}") from error


def _are_whole(column: np.ndarray) -> bool:
    return bool(np.isfinite(column).all() and (column == np.rint(column)).all() and (abs(column) < 2**53).all())


def _parsed(path: Path, lines: TextIO) -> tuple[np.ndarray, np.ndarray | None]:
    first = _line(path, lines, LONGEST)
    separator = next((mark for mark in ",;\t" if mark in first), ",")
    cells = [cell.strip().strip("\"'") for cell in first.split(separator)]
    has_names = not all(map(_is_number, cells))
    side, at = _layout(path, cells, has_names)
    images, labels = [], []
    rest = iter(lambda: _line(path, lines, CELL * len(cells)), "")
    rest = rest if has_names else itertools.chain([first], rest)
    for count in itertools.count(0, ROWS):
        some = list(itertools.islice(rest, ROWS))
        if not some:
            break
        some = [line for line in some if line.strip()]
        if not some:
            continue
        rows = _numbers(path, some, separator, len(cells), count + 1 + has_names)
        if at is not None:
            column = rows[:, at]
            labels.append(column.astype(np.int64) if _are_whole(column) else column)
            rows = np.delete(rows, at, axis=1)
        images.append(_bytes(path, rows).reshape(-1, side, side))
    if not images:
        raise DataError(f"{path} has no rows; {WANTED}")
    return np.concatenate(images), np.concatenate(labels) if labels else None


def _line(path: Path, lines: TextIO, longest: int) -> str:
    """The next line, "" at the end. Raises DataError for one that goes on and on, before it fills the memory."""
    line = lines.readline(longest + 1)
    if len(line) > longest:
        raise DataError(f"{path} has a line of more than {longest:,} characters; {WANTED}")
    return line


def _layout(path: Path, cells: list[str], has_names: bool) -> tuple[int, int | None]:
    """The side of an image, and the column of the labels."""
    n = len(cells)
    named = [i for i, cell in enumerate(cells) if has_names and cell.lower() in LABELS]
    pixels = n - 1 if named or math.isqrt(n) ** 2 != n else n
    side = math.isqrt(pixels)
    if side < 2 or side * side != pixels or len(named) > 1:
        raise DataError(f"{path} has {counted(n, 'column')}; {WANTED}: 785 or 784 for images of 28x28")
    return side, named[0] if named else None if pixels == n else 0


def _numbers(path: Path, lines: list[str], separator: str, columns: int, line: int) -> np.ndarray:
    try:
        rows = np.loadtxt(lines, np.float32, comments=None, delimiter=separator, ndmin=2, quotechar='"')
    except ValueError as error:
        raise DataError(f"{path}, in line {line} or below: {error}; {WANTED}") from error
    if rows.shape[1] != columns:
        raise DataError(
            f"{path}, in line {line} or below: {counted(rows.shape[1], 'column')} and not {columns}; {WANTED}"
        )
    return rows


def _bytes(path: Path, rows: np.ndarray) -> np.ndarray:
    if not ((rows >= 0) & (rows <= 255) & (rows == np.rint(rows))).all():
        raise DataError(f"{path} has pixels from {rows.min():g} to {rows.max():g}; {WANTED}")
    return rows.astype(np.uint8)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
