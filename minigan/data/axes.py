"""Which axes of an array are images, rows, columns and channels, where its shape does not say so by itself."""

import math

import numpy as np

from ..errors import DataError
from ..printing import note

SMALLEST = 8  # pixels a side: shorter rows of numbers are features, not images
SAVE = "in Python, numpy.save(file, {})"


def image_axes(array: np.ndarray, name: str) -> np.ndarray:
    """The array as (n, h, w) or (n, h, w, c): rows of h h numbers become square images, which a note says.

    Raises DataError, with what to type, for a shape that has two meanings, and for channels that do not come last.
    """
    shape = array.shape
    if array.ndim == 2:
        return _rows(array, name)
    if _may_be_one_picture(shape):
        n, h, w = shape
        side = _side(h)
        if side:
            what, mend = f"{n} rows of {side} x {side} numbers", f"array.reshape(-1, {side}, {side})"
        else:
            what, mend = f"one picture of {n} x {h} with {w} channels", "array[None]"
        raise _two_meanings(array, name, what, mend, f"{n} grey pictures of {h} x {w}", "array[..., None]")
    if array.ndim == 4 and shape[-1] > 4 and shape[1] in (1, 3, 4):
        raise DataError(
            f"{name} has an array of shape {shape}; wanted (n, h, w, c) with channels, which come last: "
            f"{SAVE.format('array.transpose(0, 2, 3, 1)')}"
        )
    return array


def _may_be_one_picture(shape: tuple[int, ...]) -> bool:
    """(h, w, c), as well as (n, h, w) of very narrow ones."""
    if len(shape) != 3 or min(shape[:2]) < SMALLEST:
        return False
    return shape[-1] in (1, 3) or (shape[-1] in (2, 4) and shape[0] == shape[1])


def _rows(array: np.ndarray, name: str) -> np.ndarray:
    n, length = array.shape
    side = _side(length)
    if side and n == length:
        one = f"one grey picture of {n} x {length}"
        raise _two_meanings(
            array, name, one, "array[None]", f"{n} of {side} x {side}", f"array.reshape(-1, {side}, {side})"
        )
    if side:
        note(f"note: {name}: rows of {length} numbers are taken for images of {side}x{side}")
        return array.reshape(n, side, side)
    side = _side(length // 3) if length % 3 == 0 else 0
    if side:
        planes = f"array.reshape(-1, 3, {side}, {side}).transpose(0, 2, 3, 1)"
        raise _two_meanings(
            array, name, "rows of three planes, red first", planes, "rows of red, green and blue in turns",
            f"array.reshape(-1, {side}, {side}, 3)",
        )  # fmt: skip
    return array


def _two_meanings(array: np.ndarray, name: str, one: str, how: str, other: str, how_other: str) -> DataError:
    return DataError(
        f"{name} has an array of shape {array.shape}, which has two meanings: {one}, for which write, "
        f"{SAVE.format(how)}; or {other}: numpy.save(file, {how_other})"
    )


def _side(length: int) -> int:
    """Of a square image with so many pixels; 0 if there is none."""
    side = math.isqrt(length)
    return side if side >= SMALLEST and side * side == length else 0
