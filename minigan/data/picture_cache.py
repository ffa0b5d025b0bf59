"""Decoded pictures kept for the next time: one file for a folder and a target, in which every row knows its picture.

    array in NumPy's format | JSON: name, size in bytes and time of change of every picture | CRC-32 of both

So a picture that was added, changed or damaged costs the reading of that one, and not of all.
"""

import hashlib
import json
import os
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError
from ..files import write_atomically
from ..printing import note
from ..version import __version__

Signature = tuple[str, int, int]  # name, bytes, nanoseconds


def signature(folder: Path, name: Path) -> Signature:
    """By which a picture is known again. One that is not there, such as a broken link or a pipe, has no size: -1."""
    try:
        status = os.stat(folder / name)
        size = status.st_size if stat.S_ISREG(status.st_mode) else -1
        return name.as_posix(), size, status.st_mtime_ns
    except OSError:
        return name.as_posix(), -1, 0


class PictureCache:
    """The file in `cache` for pictures of `folder` that were brought to `target`, which is known by its repr."""

    def __init__(self, cache: Path, folder: Path, target: Any) -> None:
        self.folder = folder
        checksum = hashlib.sha256(repr((__version__, os.path.realpath(folder), target)).encode())
        self.path = cache / f"images-{checksum.hexdigest()[:16]}.npy"

    def read(self, shape: tuple[int, ...]) -> tuple[np.ndarray, dict[Signature, int]]:
        """The rows kept, each (h, w, c) = `shape`, as a memory map, and which picture is in which.

        Nothing for a file that is not there, or is not what `write` wrote.
        """
        try:
            rows = np.load(self.path, mmap_mode="r", allow_pickle=False)
            with open(self.path, "rb") as file:
                file.seek(rows.offset + rows.nbytes)
                content = file.read()
            content, checksum = content[:-4], content[-4:]
            kept = {(name, size, time): row for row, (name, size, time) in enumerate(json.loads(content))}
            whole = _checksum(rows, content) == checksum and len(kept) == len(rows) and rows.dtype == np.uint8
        except Exception:  # NumPy and json raise many kinds for a damaged file
            whole = False
        if not whole or rows.shape[1:] != shape:
            return np.empty((0, *shape), np.uint8), {}
        return rows, kept

    def write(self, array: np.ndarray, signatures: Sequence[Signature]) -> None:
        """Keep the rows. What goes wrong is worth a note: the images are there all the same."""
        content = json.dumps(signatures).encode()

        def save(file: Any) -> None:
            np.save(file, array)
            file.write(content)
            file.write(_checksum(array, content))

        try:
            if self.path.parent.resolve().is_relative_to(self.folder.resolve()):
                raise FileError(f"the cache {self.path.parent} is in the folder of the images itself; name another")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, save)
        except OSError as error:
            note(f"note: the decoded images are not kept for the next time: {error}")


def _checksum(array: np.ndarray, content: bytes) -> bytes:
    return zlib.crc32(content, zlib.crc32(array.data)).to_bytes(4)
