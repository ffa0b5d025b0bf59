"""The pictures of a folder: which files they are, in which order and classes, and what is left out."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import DataError
from ..printing import note
from .kinds import ARRAYS, ends_in, picture_endings

NAMED = 5  # of files, or kinds of them
CONVERT = (".heic", ".heif", ".cr2", ".nef", ".arw", ".dng", ".psd", ".svg", ".jp2", ".jxl", ".tga", ".eps")


def list_images(folder: str | Path) -> list[Path]:
    """Paths of all pictures below `folder`, relative to it, "2.png" before "10.png". DataError if there are none.

    A note counts the files that are left out, but for hidden ones.
    """
    folder = Path(folder)
    endings = picture_endings()
    files = list(_files_below(folder))
    found = [file for file in files if ends_in(file.name, endings)]
    if not found:
        raise DataError(_nothing_found(folder, files))
    others = [file for file in files if not ends_in(file.name, endings)]
    if others:
        count = "1 other file is" if len(others) == 1 else f"{len(others):,} other files are"
        note(f"note: {count} left out of {folder}: {_kinds(others)}{_advice(others)}")
    return sorted(found, key=natural)


def has_pictures(folder: Path) -> bool:
    """Whether `list_images` would find any."""
    endings = picture_endings()
    return any(ends_in(file.name, endings) for file in _files_below(folder))


def class_names(names: Sequence[Path]) -> list[str]:
    """The topmost folders of relative paths, in natural order; none unless there are two, and every file is in one."""
    if any(len(name.parts) == 1 for name in names):
        return []
    folders = {name.parts[0] for name in names}
    return sorted(folders, key=lambda name: natural(Path(name))) if len(folders) > 1 else []


def natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Numbers in names count as numbers. The path itself decides between "1.png" and "01.png"."""
    parts = [re.split("([0-9]+)", part.casefold()) for part in path.parts]
    return [[int(piece) if i % 2 else piece for i, piece in enumerate(part)] for part in parts], str(path)


def _files_below(folder: Path) -> Iterator[Path]:
    """Relative paths; links are followed, but no folder is visited twice, so that none goes round in circles."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror or error}") from error

    if not os.path.isdir(folder):
        what = "is a file" if os.path.lexists(folder) else "does not exist"
        raise DataError(f"{folder} {what}; wanted a folder of images")
    visited = set()
    for here, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [] if real in visited else sorted(name for name in folders if not name.startswith("."))
        if real not in visited:
            yield from (Path(here, name).relative_to(folder) for name in files if not name.startswith("."))
        visited.add(real)


def _kinds(files: Sequence[Path]) -> str:
    """3 .txt, 1 without an ending."""
    counts = Counter(file.suffix.lower() or "without an ending" for file in files)
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:NAMED]
    named = [f"{count:,} {kind}" for kind, count in most]
    rest = len(files) - sum(count for _, count in most)
    return ", ".join([*named, *([f"{rest:,} others"] if rest else [])])


def _advice(files: Sequence[Path]) -> str:
    pictures = sorted({file.suffix.lower() for file in files} & set(CONVERT))
    return f"; to have the pictures in {', '.join(pictures)}, convert them to PNG or JPEG" if pictures else ""


def _nothing_found(folder: Path, others: Sequence[Path]) -> str:
    message = f"{folder} holds no images: looked for {', '.join(picture_endings())} in it and in the folders below"
    if not others:
        return f"{message}; it is empty"
    message += f"; found other files: {_kinds(others)}{_advice(others)}"
    arrays = sorted(file for file in others if file.suffix.lower() in ARRAYS or "-idx" in file.name)
    if arrays:
        message += f"; {folder / arrays[0]} is an array file: give its path, not the folder's"
    return message
