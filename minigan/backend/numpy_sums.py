"""NumPy's sums over all axes but the last: of a part of the rows, and what is made of the parts' sums, in order.

Every core computes sums of parts. They are put together in the order of the parts, so that the result does not depend
on which core was faster.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from .base import Array
from .rows import subtract_mean, sum_short_rows
from .scratch import scratch
from .sums import COLUMN_SUMS, GRADIENT_SUMS, MOMENTS, Sums

Vectors: TypeAlias = tuple[Any, ...]  # arrays (c,), and for moments the number of rows


def sums_of_part(x: Array) -> Vectors:
    """(sum x,)"""
    return (sum_short_rows(x),)


def gradient_sums_of_part(dy: Array, x: Array, mean: Array) -> Vectors:
    """sum dy, sum dy (x - mean)"""
    products = scratch("products", x.shape, x.dtype)
    subtract_mean(x, mean, products)
    products *= dy
    return sum_short_rows(dy), sum_short_rows(products)


def moments_of_part(x: Array) -> Vectors:
    """m, mean and sum (x - mean)^2 of these m rows."""
    m = x.size // x.shape[-1]
    mean = sum_short_rows(x) / m
    centred = scratch("centred", x.shape, x.dtype)
    subtract_mean(x, mean, centred)
    centred *= centred
    return m, mean, sum_short_rows(centred)


def added(parts: Sequence[Vectors]) -> Vectors:
    """The sums of the parts' sums."""
    return tuple(np.array(sums).sum(axis=0) for sums in zip(*parts, strict=True))


def moments_of_parts(parts: Sequence[Vectors]) -> Vectors:
    """Mean and biased variance, with one pass over memory, from mean_i and squares_i = sum (x - mean_i)^2 of a part of
    m_i rows:   mean = sum m_i mean_i / m,   var = sum (squares_i + m_i (mean_i - mean)^2) / m.

    Chan, Golub and LeVeque 1979
    """
    total = sum(m for m, _, _ in parts)
    mean = sum(m * part_mean for m, part_mean, _ in parts) / total
    squares = sum(square + m * (part_mean - mean) ** 2 for m, part_mean, square in parts)
    return mean, squares / total


IN_PARTS: dict[Sums, tuple[Callable[..., Vectors], Callable[[Sequence[Vectors]], Vectors]]] = {
    COLUMN_SUMS: (sums_of_part, added),
    MOMENTS: (moments_of_part, moments_of_parts),
    GRADIENT_SUMS: (gradient_sums_of_part, added),
}
