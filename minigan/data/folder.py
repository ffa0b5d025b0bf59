"""Folders of pictures: decoded in parallel, and kept ready for the next time."""

import contextlib
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..backend.cores import thread_count
from ..backend.threads import started_pool
from ..errors import DataError, counted
from ..printing import is_terminal, note
from .decoding import FULL_RANGE, Levels, levels_in, read_picture, reason
from .finding import NAMED, class_names, list_images
from .fitting import Target, fitted
from .image_set import ImageSet
from .levels import note_odd_levels
from .picture_cache import PictureCache, Signature, signature

MOST_THREADS = 8  # each may hold a whole photograph
CHUNK = 8  # pictures that a thread takes at a time; after Ctrl-C, these are finished

T = TypeVar("T")


def images(
    folder: str | Path,
    size: int | tuple[int, int],
    *,
    fit: str = "crop",
    channels: int = 3,
    background: str = "white",
    resample: str = "lanczos",
    stretch: bool = False,
    skip_damaged: bool = False,
    cache: str | Path | None = None,
) -> ImageSet:
    """All pictures below `folder` as one array in memory.    (n, h, w, channels) uint8

    size: (h, w) in pixels, or one number for both.

    PNG, JPEG, WebP, BMP, GIF, TIFF, PPM and AVIF files of any mode, of animations the first frame, in folders of any
    depth, in natural order of their paths; hidden ones are skipped, and a note counts what else is left out. Each is
    turned upright, laid over `background`, made grey or RGB, and brought to `size` by `fit` and `resample`: see Target.
    stretch=True makes the darkest level of the whole set black and the brightest white.

    The array is kept in the folder `cache`, if one is given; the next time, only files that are new or have changed are
    read. Damaged files are an error, or, with skip_damaged=True, left out, each with a note.

    If every picture lies in a folder within `folder`, and there are two such folders or more, these are the classes:
    `class_names` are their names, in natural order, and `labels` say which one each picture came from.

    Raises SettingsError for a size, fit, channels, background or resample that make no sense; DataError for a folder
    without pictures, for an array that does not fit into memory, and, naming the first five, for files that are
    damaged: empty ones before any is read, the others after all are.
    """
    target = Target((size, size) if isinstance(size, int) else size, channels, fit, background, resample)
    folder = Path(folder)
    names = list_images(folder)
    signatures = [signature(folder, name) for name in names]
    empty = {i: f"{names[i]}: an empty file" for i, (_, length, _) in enumerate(signatures) if length == 0}
    if not skip_damaged:
        _refuse(empty, folder, names, "these were looked for first: the others have not been read")
    kept = _cache(cache, folder, target, signatures if stretch else None)
    array, faults = _read(folder, names, signatures, target, empty, kept, stretch)
    if not skip_damaged:
        others = "" if kept is None else f"the others are kept in {kept.path.parent}: they are not read again"
        _refuse(faults, folder, names, others)
    if len(faults) == len(names):
        raise DataError(summary(list(faults.values()), folder, len(names)))
    for fault in [f"{len(faults):,} of {counted(len(names), 'image')} of {folder}", *faults.values()] if faults else []:
        note(f"note: left out: {fault}")
    note_odd_levels(array, str(folder))
    return _image_set(array, folder, [name for i, name in enumerate(names) if i not in faults])


def _image_set(array: np.ndarray, folder: Path, names: list[Path]) -> ImageSet:
    """With the folder of each picture as its class, if they are sorted into folders."""
    classes = class_names(names)
    if not classes:
        return ImageSet(array, str(folder))
    labels = [classes.index(name.parts[0]) for name in names]
    return ImageSet(array, str(folder), labels, class_names=classes)


def _cache(
    cache: str | Path | None, folder: Path, target: Target, all_of: Sequence[Signature] | None
) -> PictureCache | None:
    """`all_of`: the pictures that together decide how each one looks; None if none depends on the others."""
    return None if cache is None else PictureCache(Path(cache), folder, (target, all_of))


def _refuse(faults: dict[int, str], folder: Path, names: Sequence[Path], others: str) -> None:
    if faults:
        raise DataError(
            f"{summary(list(faults.values()), folder, len(names))}\nreplace these files, move them out of the folder, "
            f"or leave them out with skip_damaged=True{f'; {others}' if others else ''}"
        )


def summary(faults: Sequence[str], folder: Path, total: int) -> str:
    """How many pictures cannot be used, and the first of them."""
    more = [f"and {len(faults) - NAMED:,} more"] if len(faults) > NAMED else []
    listed = "\n  ".join([*faults[:NAMED], *more])
    return f"{folder}: {len(faults):,} of {counted(total, 'image')} cannot be used:\n  {listed}"


# Reading -------------------------------------------------------------------------------------------------------------


def _read(
    folder: Path,
    names: Sequence[Path],
    signatures: Sequence[Signature],
    target: Target,
    empty: dict[int, str],
    kept: PictureCache | None,
    stretch: bool,
) -> tuple[np.ndarray, dict[int, str]]:
    """The images in the order of their names, from the cache where they are, and what is wrong with the others."""
    shape = (len(names) - len(empty), *target.shape)
    described, amount = "x".join(map(str, target.shape)), f"{math.prod(shape) / 1e6:,.1f} MB in memory"
    rows, places = (None, {}) if kept is None else kept.read(target.shape)
    unknown = [i for i in range(len(names)) if i not in empty and signatures[i] not in places]
    whole = [i for i in range(len(names)) if i not in empty]
    if kept is not None and not unknown:
        note(f"{counted(len(whole), 'image')} of {described} from {kept.path}: {amount}")
    else:
        others = f", and {len(whole) - len(unknown):,} are kept from before" if len(unknown) < len(whole) else ""
        note(f"reading {counted(len(unknown), 'image')} to {described}{others}: {amount}")
    array = _allocated(shape, amount, folder)
    row_of = {i: row for row, i in enumerate(whole)}
    for i in whole:
        if signatures[i] in places:
            array[row_of[i]] = rows[places[signatures[i]]]  # type: ignore[index]
    del rows  # Windows replaces no file that is mapped
    faults = dict(empty)
    if unknown:
        faults |= _decode_all(array, folder, names, {i: row_of[i] for i in unknown}, target, stretch)
        array = _without(array, {row_of[i] for i in faults if i not in empty})
        if kept is not None and len(array):
            kept.write(array, [signatures[i] for i in whole if i not in faults])
    return array, dict(sorted(faults.items()))


def _without(array: np.ndarray, unwanted: set[int]) -> np.ndarray:
    """The array without some of its rows, in its own memory."""
    if unwanted:
        for new, old in enumerate(row for row in range(len(array)) if row not in unwanted):
            array[new] = array[old]
    return array[: len(array) - len(unwanted)]


def _decode_all(
    array: np.ndarray, folder: Path, names: Sequence[Path], row_of: dict[int, int], target: Target, stretch: bool
) -> dict[int, str]:
    """Picture i into its row, for all that `row_of` has. Returns what is wrong with those that cannot be read."""
    h, w, channels = target.shape
    levels, unread = FULL_RANGE, dict[int, str]()
    if stretch:
        found, unread = _in_parallel(row_of, folder, names, lambda i: levels_in(folder / names[i]))
        lows, highs = [level.low for level in found.values()], [level.high for level in found.values()]
        if min(lows, default=math.inf) < math.inf:
            levels = Levels(min(lows), max(highs))

    def decode(i: int) -> bool:
        """Returns whether the picture was enlarged."""
        picture = read_picture(folder / names[i], channels, target.side, target.background, levels)
        array[row_of[i]] = np.asarray(fitted(picture, target)).reshape(h, w, channels)
        return picture.height < h or picture.width < w

    enlarged, faults = _in_parallel([i for i in row_of if i not in unread], folder, names, decode)
    if any(enlarged.values()) and not faults:
        note(
            f"note: {sum(enlarged.values()):,} of {counted(len(row_of), 'image')} are smaller than {h}x{w} and were "
            f"enlarged"
        )
    return unread | faults


def _in_parallel(
    chosen: Iterable[int], folder: Path, names: Sequence[Path], act: Callable[[int], T]
) -> tuple[dict[int, T], dict[int, str]]:
    """act(i) of every one, and what is wrong with the pictures where it raised: Pillow releases the GIL."""
    chosen = list(chosen)

    def attempt(i: int) -> tuple[int, T | None, str | None]:
        try:
            return i, act(i), None
        except Exception as error:  # Pillow raises many kinds for a damaged file
            return i, None, f"{names[i]}: {reason(folder / names[i], error)}"

    def attempts(start: int) -> list[tuple[int, T | None, str | None]]:
        return [attempt(i) for i in chosen[start : start + CHUNK]]

    results, faults = dict[int, Any](), dict[int, str]()
    threads = started_pool(min(thread_count(), MOST_THREADS))
    in_turn = threads.map if threads else map
    with quiet_pillow(), progress_bar(len(chosen)) as bar, threads or contextlib.nullcontext():
        for outcomes in in_turn(attempts, range(0, len(chosen), CHUNK)):
            results |= {i: result for i, result, fault in outcomes if fault is None}
            faults |= {i: fault for i, _, fault in outcomes if fault is not None}
            bar.update(len(outcomes))
    return results, faults


def _allocated(shape: tuple[int, ...], amount: str, folder: Path) -> np.ndarray:
    try:
        if math.prod(shape) > _machine_memory():
            raise MemoryError
        return np.empty(shape, np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: more than any machine could address
        raise DataError(
            f"{folder}: {counted(shape[0], 'image')} of {shape[1]}x{shape[2]} need {amount}, which is more than there "
            f"is: choose a smaller size, or use fewer images"
        ) from error


def _machine_memory() -> float:
    """In bytes. Systems may promise more than they have, and end the program when it is used."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows has no such call, and keeps its promises
        return math.inf


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
