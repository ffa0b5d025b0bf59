"""Sums over rows, and operations of rows with a vector, in the shapes in which NumPy is fast."""

from collections.abc import Iterator, Sequence

import numpy as np

from .base import Array

LONG_ROW, STRETCHED = 1024, 8192  # row lengths from which sums, and operations with a vector, have full speed


def in_long_rows(
    arrays: Sequence[Array], vectors: Sequence[Array], least: int = STRETCHED
) -> Iterator[tuple[list[Array], list[Array]]]:
    """Arrays (..., c) and vectors (c,) as rows (m, k c) and vectors (k c,), each vector k times in a row; and then, if
    that is not all, the remaining entries as one shorter row. Without vectors, arrays are flat.

    A row has about `least` entries. When NumPy broadcasts a vector over rows, it copies short rows through a buffer of
    8,192 entries; rows that are at least as long as the buffer are computed in place, twice as fast. With fewer than
    four such rows it does not pay, and k is 1.

    Arrays that are not contiguous come as they are: of those `reshape` would make a copy, and what is written to it
    would be lost.
    """
    if not all(array.flags.c_contiguous for array in arrays):
        yield list(arrays), list(vectors)
        return
    if not vectors:
        yield [array.reshape(-1) for array in arrays], []
        return
    c, size = len(vectors[0]), arrays[0].size
    times = least // c if size > 4 * least else 1
    if times <= 1:
        yield [array.reshape(-1, c) for array in arrays], list(vectors)
        return
    whole = size // (times * c) * times * c
    flat, stretched = [array.reshape(-1) for array in arrays], [np.tile(vector, times) for vector in vectors]
    yield [array[:whole].reshape(-1, times * c) for array in flat], stretched
    if whole < size:
        yield [array[None, whole:] for array in flat], [vector[: size - whole] for vector in stretched]


def subtract_mean(x: Array, mean: Array, out: Array) -> None:
    """out = x - mean.    mean: (c,)"""
    for (x_rows, out_rows), (mean_row,) in in_long_rows((x, out), (mean,)):
        np.subtract(x_rows, mean_row, out=out_rows)


def sum_short_rows(x: Array) -> Array:
    """The sum of all rows, (..., c) -> (c,). NumPy adds row by row, and an entry of a short row costs ten times as much
    as one of a long row, so many rows are first added as one long row.
    """
    c = x.shape[-1]
    rows = x.reshape(-1, c)
    together = max(1, LONG_ROW // c)
    whole = len(rows) // together * together
    total = rows[:whole].reshape(-1, together * c).sum(axis=0).reshape(together, c).sum(axis=0)
    return total + rows[whole:].sum(axis=0)
