"""Sums over rows, and vectors stretched over them, in the shapes in which NumPy is fast."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .base import Array

LONG_ROW, STRETCHED = 1024, 8192  # numbers of a row from which sums, and stretched vectors, have full speed


def in_long_rows(arrays: Any, vectors: Any) -> Iterator[tuple[list[Array], list[Array]]]:
    """Arrays (..., c) and vectors (c,) as arrays (m, many c) and vectors (many c,), then the rest, (1, ...).

    What does not lie in one piece, NumPy copies into a buffer of 8,192 numbers: rows, too, that a vector is stretched
    over. Unless the rows are as long as that: then it works on them where they are, twice as fast.
    """
    c, size = len(vectors[0]), arrays[0].size
    length = c * max(1, STRETCHED // c)
    whole = size // length * length
    flat, stretched = [array.reshape(-1) for array in arrays], [np.tile(vector, length // c) for vector in vectors]
    if whole:
        yield [array[:whole].reshape(-1, length) for array in flat], stretched
    if whole < size:
        yield [array[None, whole:] for array in flat], [vector[: size - whole] for vector in stretched]


def subtract_mean(x: Array, mean: Array, out: Array) -> None:
    """out = x - mean.    mean: (c,)"""
    for (x_rows, out_rows), (mean_row,) in in_long_rows((x, out), (mean,)):
        np.subtract(x_rows, mean_row, out=out_rows)


def sum_short_rows(x: Array) -> Array:
    """The sum of all rows (..., c). NumPy adds row to row; short rows cost ten times what long ones do: many as one."""
    c = x.shape[-1]
    rows = x.reshape(-1, c)
    together = max(1, LONG_ROW // c)
    whole = len(rows) // together * together
    total = rows[:whole].reshape(-1, together * c).sum(axis=0).reshape(together, c).sum(axis=0)
    return total + rows[whole:].sum(axis=0)
