"""The kernel distance: a squared maximum mean discrepancy that is right on average for any number of samples."""

from typing import Any

import numpy as np

from ..backend import philox
from ..errors import SettingsError
from .rows import both


def kernel_distance(real: Any, fake: Any, subsets: int = 100, size: int = 1000, seed: int = 0) -> tuple[float, float]:
    r"""Mean and standard deviation over `subsets` of  MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y).

    real: (n, d)   fake: (n', d), features;   k(x, y) = (x y / d + 1)^3, and pairs x = x' are left out

    Binkowski et al. 2018 (arXiv:1801.01401), who call it KID for Inception's features. Each subset has `size` of the
    samples of both, drawn without replacement, or all of them if there are fewer. Unbiased: of two samples of one
    distribution it is 0 on average, and may be below 0.

    Raises DataError as `frechet_distance` does, and SettingsError for subsets or a size that are too small.
    """
    x, y = both(real, fake)
    if subsets < 1 or size < 2:
        raise SettingsError(f"kernel_distance: subsets is {subsets} and size {size}; wanted at least 1 and 2")
    m = min(size, len(x), len(y))
    found = [_mmd(_drawn(x, m, seed, "real", i), _drawn(y, m, seed, "fake", i)) for i in range(subsets)]
    return float(np.mean(found)), float(np.std(found))


def _drawn(rows: np.ndarray, m: int, seed: int, stream: str, i: int) -> np.ndarray:
    """m of the rows, without replacement: those with the smallest random numbers."""
    return rows[np.argsort(philox.uniform(len(rows), seed, f"kernel distance {stream}", i), kind="stable")[:m]]


def _mmd(x: np.ndarray, y: np.ndarray) -> float:
    m, d = x.shape
    of_x, of_y, between = ((a @ b.T / d + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    pairs = m * (m - 1)
    within = (of_x.sum() - np.trace(of_x) + of_y.sum() - np.trace(of_y)) / pairs
    return float(within - 2 * between.mean())
