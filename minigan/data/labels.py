"""Class labels: one whole number from 0 on for each sample."""

from typing import Any

import numpy as np

from ..errors import DataError


def as_labels(labels: Any, n: int, name: str) -> np.ndarray:
    """The labels of n samples, checked.    (n,) int64, all >= 0

    Raises DataError, in words that begin with `name`, for another shape, for numbers that are not of an integer type,
    and for negative ones.
    """
    found = np.asarray(labels)
    if found.ndim == 2 and found.shape == (n, found.shape[1]) and found.shape[1] > 1:
        raise DataError(
            f"{name}: labels= has shape {found.shape}; wanted one whole number for each sample, ({n},): for rows with "
            f"a single 1, write labels.argmax(axis=1)"
        )
    if found.shape != (n,):
        raise DataError(f"{name}: labels= has shape {found.shape}; wanted one for each of the {n} samples, ({n},)")
    if found.dtype.kind not in "iu":
        raise DataError(
            f"{name}: labels= has elements of type {found.dtype}; wanted whole numbers from 0 on: write "
            f"labels.astype(int), or number your classes with np.unique(labels, return_inverse=True)[1]"
        )
    found = found.astype(np.int64, copy=False)
    if (found < 0).any():
        first = int(np.argmax(found < 0))
        raise DataError(f"{name}: labels= has {found[first]} for sample {first}; classes are counted from 0 on")
    return found
