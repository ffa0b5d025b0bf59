"""How evenly samples fall: on the modes of a mixture, on classes, on bins of pixels."""

import math
from typing import Any, NamedTuple

import numpy as np

from ..backend import philox
from ..errors import DataError, SettingsError
from .neighbours import nearest
from .rows import both


class Modes(NamedTuple):
    """How points fall on the modes of a known mixture."""

    hit: int  # modes with at least one point of high quality
    high_quality: float  # share of points within three standard deviations of a mode
    divergence: float  # KL(points, modes) in nats, of the points' nearest modes, from modes that are equally frequent


class Classes(NamedTuple):
    """How samples fall on classes."""

    hit: int  # classes with at least one sample
    entropy: float  # of the classes' shares, in nats: ln k if they are equal
    divergence: float  # KL(shares, equal shares) = ln k - entropy


class Bins(NamedTuple):
    """How samples fall on bins of real ones."""

    different: int  # bins whose share differs by more than chance
    divergence: float  # Jensen-Shannon divergence of both shares, in nats


def mixture_modes(points: Any, centres: Any, sd: float) -> Modes:
    """Which modes of a mixture of Gaussians the points are at.    points: (n, d)   centres: (k, d)   sd: of each mode

    A point is of high quality if it is within 3 sd of the nearest centre; a mode is hit if such a point is nearest to
    it (Srivastava et al. 2017, arXiv:1705.07761; Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4). The divergence
    is that of the nearest modes of all points, as in PacGAN: 0 for equal shares, and ln k for a single mode.

    Raises DataError for no points, other dimensions and numbers that are not finite, and SettingsError unless sd > 0.
    """
    if not sd > 0:
        raise SettingsError(f"mixture_modes: sd is {sd}; it must be above 0")
    points, centres = both(points, centres, least=1, names=("points", "centres"))
    which, distance = nearest(points, centres)
    good = distance <= 3 * sd
    counts = np.bincount(which, minlength=len(centres))
    return Modes(len(np.unique(which[good])), float(good.mean()), math.log(len(counts)) - _entropy(counts))


def class_balance(classes: Any, k: int) -> Classes:
    """How many of k classes there are, and how evenly.    classes: (n,) whole numbers from 0 to k - 1

    Raises DataError for other numbers and for none.
    """
    found = np.asarray(classes)
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= k:
        raise DataError(f"classes are {found.dtype} of shape {found.shape}; wanted whole numbers from 0 to {k - 1}")
    counts = np.bincount(found, minlength=k)
    entropy = _entropy(counts)
    return Classes(int((counts > 0).sum()), entropy, math.log(k) - entropy)


def _entropy(counts: np.ndarray) -> float:
    """- sum p ln p of the shares p."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def different_bins(real: Any, fake: Any, bins: int = 100, z: float = 3.0, seed: int = 0, rounds: int = 30) -> Bins:
    """In how many cells of the real samples there are too many or too few fakes.    real: (n, d)   fake: (m, d)

    The cells are those of k-means on the real samples. A bin is different if its shares p of the real samples and q of
    the fakes lie further apart than z standard errors,

        |p - q| > z sqrt(r (1 - r) (1 / n + 1 / m)),    r the share of both together,

    which happens by chance to one bin in 370 for z = 3, and to one in 20 for 1.96. NDB of Richardson and Weiss 2018
    (arXiv:1805.12462), who use pixels. rounds: of k-means, at most.

    Raises DataError as `frechet_distance` does, and SettingsError unless there are two bins or more, and samples for
    each.
    """
    x, y = both(real, fake)
    if not 2 <= bins <= len(x):
        raise SettingsError(f"different_bins: bins is {bins}; wanted 2 to {len(x)}, the number of real samples")
    return compared(*cut(x, bins, seed, rounds), y, z)


def compared(cells: np.ndarray, centres: np.ndarray, y: np.ndarray, z: float = 3.0) -> Bins:
    """How the rows y fall on cells that `cut` made of n real ones.    cells: (n,)   centres: (bins, d)   y: (m, d)"""
    n, m, bins = len(cells), len(y), len(centres)
    p, q = (np.bincount(found, minlength=bins) / size for found, size in ((cells, n), (nearest(y, centres)[0], m)))
    r = (n * p + m * q) / (n + m)
    middle = (p + q) / 2
    divergence = sum(_relative(share, middle) for share in (p, q)) / 2
    return Bins(int((abs(p - q) > z * np.sqrt(r * (1 - r) * (1 / n + 1 / m))).sum()), divergence)


def _relative(p: np.ndarray, q: np.ndarray) -> float:
    """sum p ln(p / q), where p > 0."""
    at = p > 0
    return float((p[at] * np.log(p[at] / q[at])).sum())


def cut(rows: np.ndarray, k: int, seed: int, rounds: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """(the cell of each row, the centres): Lloyd's rounds from k rows that are drawn far apart (Arthur and
    Vassilvitskii 2007). A cell that loses all its rows keeps its centre.
    """
    draws = philox.uniform(k, seed, "k-means")
    centres = rows[[int(draws[0] * len(rows))]]
    gap = nearest(rows, centres)[1] ** 2
    for draw in draws[1:]:
        total = np.cumsum(gap)
        centre = rows[min(int(np.searchsorted(total, draw * total[-1])), len(rows) - 1)]
        centres = np.vstack([centres, centre])
        gap = np.minimum(gap, ((rows - centre) ** 2).sum(axis=1))
    cells = nearest(rows, centres)[0]
    for _ in range(rounds):
        counts = np.bincount(cells, minlength=k)
        sums = np.stack([rows[cells == cell].sum(axis=0) for cell in range(k)])
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
        moved = nearest(rows, centres)[0]
        if np.array_equal(moved, cells):
            break
        cells = moved
    return cells, centres
