"""The levels of images, from black to white: what is odd about them, and how they are spread over all there are."""

from collections.abc import Iterator

import numpy as np

from ..errors import DataError
from ..printing import note

PIECE = 2**16  # bytes that are looked at together
FULL = {"u": 255.0, "f": 2.0}  # from black to white: uint8 from 0 to 255, floats from -1 to 1
ODD = 0.25  # of that: a set of images that uses less is nearly one colour


def describe_levels(array: np.ndarray) -> str | None:
    """In words, the lowest and the highest level of images, and how many there are, where these are nearly one colour.

    None where there is nothing odd, which the first images show: the rest is not read then.
    """
    low, high, seen = np.inf, -np.inf, np.zeros(256, bool)
    for piece in _pieces(array):
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
        if high - low >= ODD * FULL[array.dtype.kind]:
            return None
        if array.dtype == np.uint8:
            seen[np.unique(piece)] = True
    if low == high:
        return f"every pixel is {low:g}, {_name(array, low)}: there is nothing to learn"
    number = f"{seen.sum()} in all" if array.dtype == np.uint8 else "of -1 to 1"
    return f"levels from {low:g} to {high:g}, {number}: nearly one colour as they are"


def note_odd_levels(array: np.ndarray, name: str) -> None:
    """Say so, and what helps, if images are nearly one colour."""
    described = describe_levels(array)
    if described is not None:
        note(f"note: {name}: {described}{_remedy(described)}")


def require_levels(array: np.ndarray, name: str) -> None:
    """Raise DataError for images of which every pixel is the same."""
    described = describe_levels(array)
    if described is not None and described.startswith("every"):
        raise DataError(f"{name}: {described}{_remedy(described)}")


def stretched(array: np.ndarray) -> np.ndarray:
    """The levels spread evenly, the lowest to black and the highest to white.

        x = round(255 (level - low) / (high - low)) as uint8; of floats, 2 (level - low) / (high - low) - 1 as float32

    array: whole numbers of any type, bools, or floats of any range    -> a new array of the same shape
    """
    pieces = [(piece.min(), piece.max()) for piece in _pieces(array)]
    low, high = float(min(low for low, _ in pieces)), float(max(high for _, high in pieces))
    is_float = array.dtype.kind == "f"
    spread = np.empty(array.shape, np.float32 if is_float else np.uint8)
    start = 0
    for piece in _pieces(array):
        share = (piece.astype(np.float64) - low) / ((high - low) or 1.0)
        spread[start : start + len(piece)] = 2 * share - 1 if is_float else np.rint(255 * share)
        start += len(piece)
    return spread


def grey(images: np.ndarray) -> np.ndarray:
    """Luma of RGB, rounded (ITU-R BT.601): 0.299 R + 0.587 G + 0.114 B.    (n, h, w, 3) -> (n, h, w, 1) uint8"""
    return np.rint(images @ np.array([0.299, 0.587, 0.114], np.float32))[..., None].astype(np.uint8)


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """A few samples at a time."""
    rows = max(1, PIECE // max(array[:1].nbytes, 1))
    return (array[start : start + rows] for start in range(0, len(array), rows))


def _name(array: np.ndarray, level: float) -> str:
    black, white = (0, 255) if array.dtype == np.uint8 else (-1, 1)
    return "black" if level == black else "white" if level == white else "a grey"


def _remedy(described: str) -> str:
    if described.startswith("every"):
        return ". Fully transparent pictures are white, their background"
    return "; stretch=True (--stretch) spreads them from black to white"
