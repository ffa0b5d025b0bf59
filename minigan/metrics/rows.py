"""What every metric asks of its samples."""

from typing import Any

import numpy as np

from ..errors import DataError


def as_rows(samples: Any, name: str, least: int = 2) -> np.ndarray:
    """Samples (n, ...) as rows (n, d), float64. Raises DataError for fewer than `least`, and for numbers not finite."""
    rows = np.asarray(samples, np.float64)
    if rows.ndim < 1 or len(rows) < least:
        raise DataError(f"{name} has {len(rows) if rows.ndim else 'no'} samples; wanted at least {least}")
    rows = rows.reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        raise DataError(f"{name} has numbers that are not finite, in sample {int(np.argmin(np.isfinite(rows).all(1)))}")
    return rows


def both(
    real: Any, fake: Any, least: int = 2, names: tuple[str, str] = ("real", "fake")
) -> tuple[np.ndarray, np.ndarray]:
    """Both as rows. Raises DataError if they have not as many features.    names: of the arguments"""
    x, y = (as_rows(samples, name, least) for samples, name in zip((real, fake), names, strict=True))
    if x.shape[1] != y.shape[1]:
        raise DataError(f"{names[0]} has {x.shape[1]} features and {names[1]} {y.shape[1]}; wanted as many")
    return x, y
