"""Folders of pictures: found, decoded in parallel, and kept ready for the next time."""

import contextlib
import hashlib
import math
import os
import re
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend.cores import thread_count
from ..backend.workers import started_pool
from ..errors import DataError, FileError
from ..files import write_atomically
from ..printing import is_terminal, note
from ..version import __version__
from .decoding import ARRAYS, SUFFIXES, check_target, fitted, read_picture, reason
from .image_set import ImageSet

MOST_THREADS = 8  # each may hold a whole photograph
CHUNK = 8  # pictures that a thread takes at a time; after Ctrl-C, these are finished
NAMED = 5  # of the files that cannot be read


def images(
    folder: str | Path,
    size: int | tuple[int, int],
    *,
    fit: str = "crop",
    channels: int = 3,
    cache: str | Path | None = None,
) -> ImageSet:
    """All pictures below `folder` as one array in memory.    (n, h, w, channels) uint8

    size: (h, w) in pixels, or one number for both.

    PNG, JPEG, WebP, BMP and GIF (first frame) files of any mode, in folders of any depth, in natural order of their
    paths; hidden ones are skipped. Each is turned upright, laid over white, made grey or RGB, and resized with Lanczos'
    filter: fit="crop" cuts out the largest centred part that has the shape of `size`, "squash" stretches. The array is
    kept in the folder `cache`, if one is given, and used again as long as no file has changed.

    If every picture lies in a folder within `folder`, and there are two such folders or more, these are the classes:
    `class_names` are their names, in natural order, and `labels` say which one each picture came from.

    Raises SettingsError for a size, fit or channels that make no sense; DataError for a folder without pictures, for
    an array that does not fit into memory, and, naming the first five, for files that cannot be read.
    """
    size = (size, size) if isinstance(size, int) else size
    check_target(size, fit, channels)
    folder = Path(folder)
    names = list_images(folder)
    shape = (len(names), *size, channels)
    described = "x".join(map(str, shape[1:]))
    amount = f"{math.prod(shape) / 1e6:,.1f} MB in memory"
    kept = None if cache is None else _cache_file(Path(cache), folder, names, (*shape[1:], fit))
    if kept is not None and (cached := _read_cache(kept, shape)) is not None:
        note(f"{len(names):,} images of {described} from {kept}: {amount}")
        return _image_set(cached, folder, names)
    note(f"reading {len(names):,} images to {described}: {amount}")
    array = _allocated(shape, amount, folder)
    _decode_all(array, folder, names, fit)
    if kept is not None:
        _write_cache(kept, folder, array)
    return _image_set(array, folder, names)


def _image_set(array: np.ndarray, folder: Path, names: list[Path]) -> ImageSet:
    """With the folder of each picture as its class, if they are sorted into folders."""
    classes = class_names(names)
    if not classes:
        return ImageSet(array, str(folder))
    labels = [classes.index(name.parts[0]) for name in names]
    return ImageSet(array, str(folder), labels, class_names=classes)


def class_names(names: Sequence[Path]) -> list[str]:
    """The topmost folders of relative paths, in natural order; none unless there are two, and every file is in one."""
    if any(len(name.parts) == 1 for name in names):
        return []
    folders = {name.parts[0] for name in names}
    return sorted(folders, key=lambda name: _natural(Path(name))) if len(folders) > 1 else []


# Finding -------------------------------------------------------------------------------------------------------------


def list_images(folder: str | Path) -> list[Path]:
    """Paths of all pictures below `folder`, relative to it, "2.png" before "10.png". DataError if there are none."""
    folder = Path(folder)
    files = list(_files_below(folder))
    found = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not found:
        raise DataError(_nothing_found(folder, files))
    return sorted(found, key=_natural)


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


def _natural(path: Path) -> tuple[list[list[str | int]], str]:
    """Numbers in names count as numbers. The path itself decides between "1.png" and "01.png"."""
    parts = [re.split("([0-9]+)", part.casefold()) for part in path.parts]
    return [[int(piece) if i % 2 else piece for i, piece in enumerate(part)] for part in parts], str(path)


def _nothing_found(folder: Path, others: Sequence[Path]) -> str:
    message = f"{folder} holds no images: looked for {', '.join(SUFFIXES)} in it and in the folders below"
    if not others:
        return f"{message}; it is empty"
    kinds = Counter(file.suffix.lower() or "without an ending" for file in others).most_common(NAMED)
    message += "; found other files: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds)
    arrays = sorted(file for file in others if file.suffix.lower() in ARRAYS or "-idx" in file.name)
    if arrays:
        message += f"; {folder / arrays[0]} is an array file: give its path, not the folder's"
    return message


# Decoding ------------------------------------------------------------------------------------------------------------


def _allocated(shape: tuple[int, ...], amount: str, folder: Path) -> np.ndarray:
    try:
        if math.prod(shape) > _machine_memory():
            raise MemoryError
        return np.empty(shape, np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: more than any machine could address
        raise DataError(
            f"{folder}: {shape[0]:,} images of {shape[1]}x{shape[2]} need {amount}, which is more than there is: "
            f"choose a smaller size, or use fewer images"
        ) from error


def _machine_memory() -> float:
    """In bytes. Systems may promise more than they have, and end the program when it is used."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no such call, and keeps its promises
        return math.inf


def _decode_all(array: np.ndarray, folder: Path, names: list[Path], fit: str) -> None:
    """Fill the array, in parallel: Pillow releases the GIL while it decodes and resizes."""
    h, w, channels = array.shape[1:]

    def decode(i: int) -> tuple[bool, str | None]:
        """Picture i into its place. Returns whether it was enlarged, and what is wrong with the file."""
        path = folder / names[i]
        try:
            picture = read_picture(path, channels, max(h, w))
            array[i] = np.asarray(fitted(picture, (h, w), fit)).reshape(h, w, channels)
        except Exception as error:  # Pillow raises many kinds for a damaged file
            return False, f"{names[i]}: {reason(path, error)}"
        return picture.height < h or picture.width < w, None

    def decode_chunk(start: int) -> list[tuple[bool, str | None]]:
        return [decode(i) for i in range(start, min(start + CHUNK, len(names)))]

    enlarged, faults = 0, []
    threads = started_pool(min(thread_count(), MOST_THREADS))
    in_turn = threads.map if threads else map
    with quiet_pillow(), progress_bar(len(names)) as bar, threads or contextlib.nullcontext():
        for outcomes in in_turn(decode_chunk, range(0, len(names), CHUNK)):
            enlarged += sum(small for small, _ in outcomes)
            faults += [fault for _, fault in outcomes if fault is not None]
            bar.update(len(outcomes))
    if faults:
        raise DataError(f"{summary(faults, folder, len(names))}\nreplace these files, or move them out of the folder")
    if enlarged:
        note(f"note: {enlarged:,} of {len(names):,} images are smaller than {h}x{w} and were enlarged")


def summary(faults: Sequence[str], folder: Path, total: int) -> str:
    """How many pictures cannot be used, and the first of them."""
    more = [f"and {len(faults) - NAMED:,} more"] if len(faults) > NAMED else []
    listed = "\n  ".join([*faults[:NAMED], *more])
    return f"{folder}: {len(faults):,} of {total:,} images cannot be used:\n  {listed}"


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Without Pillow's warnings: of odd metadata, and of pictures that are large but not yet too large."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def progress_bar(total: int) -> Any:
    """A tqdm bar over pictures on a terminal; elsewhere nothing."""
    from tqdm import tqdm

    return tqdm(total=total, unit="image", dynamic_ncols=True, disable=not is_terminal(sys.stderr))


# The cache -----------------------------------------------------------------------------------------------------------


def _cache_file(cache: Path, folder: Path, names: Sequence[Path], target: tuple[int | str, ...]) -> Path:
    """Its name is a checksum of all that decides the pixels: which files, their sizes and times, and the target."""
    checksum = hashlib.sha256(repr((__version__, os.path.realpath(folder), target)).encode())
    for name in names:
        try:
            status = os.stat(folder / name)
            checksum.update(repr((name.as_posix(), status.st_size, status.st_mtime_ns)).encode())
        except OSError:  # such as a broken link: decoding will say so
            checksum.update(repr((name.as_posix(), "missing")).encode())
    return cache / f"images-{checksum.hexdigest()[:16]}.npy"


def _read_cache(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array in a cache file; None if there is no file, or one that is not what `_write_cache` wrote."""
    try:
        with open(path, "rb") as file:
            array = np.load(file, allow_pickle=False)
            whole = file.read() == _checksum(array)
    except Exception:  # NumPy raises many kinds for a damaged file
        return None
    return array if whole and array.shape == shape and array.dtype == np.uint8 else None


def _write_cache(path: Path, folder: Path, array: np.ndarray) -> None:
    """Keep the array, and a checksum behind it. What goes wrong is worth a note: the images are there all the same."""

    def write(file: Any) -> None:
        np.save(file, array)
        file.write(_checksum(array))

    try:
        if path.parent.resolve().is_relative_to(folder.resolve()):
            raise FileError(f"the cache {path.parent} is in the folder of the images itself; name another")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)
    except OSError as error:
        note(f"note: the decoded images are not kept for the next time: {error}")


def _checksum(array: np.ndarray) -> bytes:
    return zlib.crc32(array.data).to_bytes(4)
