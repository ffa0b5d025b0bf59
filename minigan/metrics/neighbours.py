"""Measures by nearest neighbours: precision and recall, density and coverage, the two-sample test, the nearest sample.

Squared distances come from products, |a - b|^2 = |a|^2 + |b|^2 - 2 a b, in blocks of rows: 10,000 against 60,000
samples need no table of all their distances.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import SettingsError
from .rows import both

BLOCK = 4_000_000  # distances at a time: 32 MB
PART = 5_000  # of many images, converted at a time


class Support(NamedTuple):
    """How the fakes fill the room that the real samples fill."""

    precision: float  # share of fakes in a ball of the real samples
    recall: float  # share of real samples in a ball of the fakes
    density: float  # real balls that a fake is in, on average, by k; above 1 where real samples are dense
    coverage: float  # share of real samples in whose ball a fake is


def _blocks(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """(rows of a, their squared distances to all of b)."""
    squares, rows = np.einsum("ij,ij->i", b, b), max(1, BLOCK // len(b))
    for start in range(0, len(a), rows):
        part = a[start : start + rows]
        distances = part @ b.T
        distances *= -2
        distances += squares
        distances += np.einsum("ij,ij->i", part, part)[:, None]
        yield slice(start, start + len(part)), np.maximum(distances, 0, out=distances)  # rounding may make it negative


def _radii(rows: np.ndarray, ks: Sequence[int], name: str) -> np.ndarray:
    """The squared distances from each row to its k-th nearest other row, for each k.    (n, d) -> (len(ks), n)"""
    wrong = [k for k in ks if not 1 <= k < len(rows)]
    if wrong:
        raise SettingsError(
            f"k is {wrong[0]}, and there are {len(rows)} {name} samples; wanted k from 1 to one less than that"
        )
    found = np.empty((len(ks), len(rows)))
    for part, distances in _blocks(rows, rows):
        distances[np.arange(len(distances)), np.arange(part.start, part.stop)] = -1  # itself comes first
        found[:, part] = np.partition(distances, ks, axis=1)[:, ks].T
    return found


def support(real: Any, fake: Any, k: int = 5) -> Support:
    """Precision and recall, density and coverage.    real: (n, d)   fake: (m, d)

    With B(x) the ball around x that reaches to the k-th nearest of its kind:

        precision = share of fakes in some B(real)           recall   = share of real samples in some B(fake)
        density   = 1 / (k m) sum over fakes of the number of B(real) that it is in
        coverage  = share of the B(real) in which a fake is

    Kynkaanniemi et al. 2019 (arXiv:1904.06991), who take k = 3, and Naeem et al. 2020 (arXiv:2002.09797), who take 5.
    Of two samples of one distribution density is 1 and coverage 1 - 2^-k on average (Naeem et al., section 3).
    Raises DataError as `frechet_distance` does, and SettingsError unless k is from 1 to one less than either number.
    """
    return supports(real, fake, (k,))[0]


def supports(real: Any, fake: Any, ks: Sequence[int]) -> list[Support]:
    """`support` for each of several k, in the time of one."""
    x, y = both(real, fake)
    of_real, of_fake = _radii(x, ks, "real"), _radii(y, ks, "fake")
    shape = len(ks), len(y)
    inside, covered, recalled = np.zeros(shape), np.zeros(of_real.shape, bool), np.zeros(of_real.shape, bool)
    for part, distances in _blocks(x, y):
        for i in range(len(ks)):
            in_ball = distances <= of_real[i, part, None]
            inside[i] += in_ball.sum(axis=0)
            covered[i, part] = in_ball.any(axis=1)
            recalled[i, part] = (distances <= of_fake[i]).any(axis=1)
    return [
        Support(
            float((inside[i] > 0).mean()),
            float(recalled[i].mean()),
            float(inside[i].sum() / (k * len(y))),
            float(covered[i].mean()),
        )
        for i, k in enumerate(ks)
    ]


def precision_recall(real: Any, fake: Any, k: int = 3) -> tuple[float, float]:
    """Those of `support`, with the k of Kynkaanniemi et al. 2019."""
    found = support(real, fake, k)
    return found.precision, found.recall


def nearest(samples: Any, among: Any) -> tuple[np.ndarray, np.ndarray]:
    """For each sample, which of `among` is nearest, and how far it is.    (n, d), (m, d) -> (n,) int64, (n,)

    Raises DataError as `frechet_distance` does, but for single samples.
    """
    y, x = both(samples, among, least=1, names=("samples", "among"))
    which, distance = np.empty(len(y), np.int64), np.empty(len(y))
    for part, distances in _blocks(y, x):
        which[part] = distances.argmin(axis=1)
        distance[part] = np.sqrt(distances.min(axis=1))
    return which, distance


def nearest_few(samples: np.ndarray, among: np.ndarray, k: int) -> np.ndarray:
    """For each of a few samples the k nearest of many, the nearest first.    (n, ...), (m, ...) -> (n, k) int64

    Equal distances come in the order of `among`. Only a part of `among` is converted at a time: 60,000 images stay as
    they are. Raises SettingsError for a k above m.
    """
    if not 1 <= k <= len(among):
        raise SettingsError(f"nearest_few: k is {k}; wanted 1 to {len(among)}, the samples to choose from")
    y = np.asarray(samples, np.float64).reshape(len(samples), -1)
    which, distance = np.empty((len(y), 0), np.int64), np.empty((len(y), 0))
    for start in range(0, len(among), PART):
        part = np.asarray(among[start : start + PART], np.float64).reshape(-1, y.shape[1])
        found = np.concatenate([distances for _, distances in _blocks(y, part)])
        numbers = np.broadcast_to(np.arange(start, start + len(part)), found.shape)
        distance, which = np.hstack([distance, found]), np.hstack([which, numbers])
        order = np.argsort(distance, axis=1, kind="stable")[:, :k]
        which, distance = np.take_along_axis(which, order, 1), np.take_along_axis(distance, order, 1)
    return which


def nearest_other(samples: np.ndarray) -> np.ndarray:
    """How far the nearest other one of the same rows is.    (n, d) -> (n,)"""
    return np.sqrt(_radii(samples, (1,), "real")[0])


def one_nearest_neighbour(real: Any, fake: Any) -> float:
    """How often the nearest other sample is of the same kind, real or fake: 0.5 if they cannot be told apart.

    real: (n, d)   fake: (n, d), as many: of unlike numbers, the more frequent kind would be nearer by chance

    Leave-one-out accuracy of a 1-nearest-neighbour classifier (Lopez-Paz and Oquab 2017, arXiv:1610.06545). 1: the
    kinds are apart. Below 0.5: fakes lie nearer to real samples than those to each other, as copies do.
    Raises DataError as `frechet_distance` does, and SettingsError for unlike numbers of samples.
    """
    x, y = both(real, fake)
    if len(x) != len(y):
        raise SettingsError(f"one_nearest_neighbour: {len(x)} real samples and {len(y)} fake ones; wanted as many")
    rows, right = np.concatenate([x, y]), 0
    for part, distances in _blocks(rows, rows):
        own = np.arange(part.start, part.stop)
        distances[np.arange(len(own)), own] = np.inf
        right += int(((distances.argmin(axis=1) < len(x)) == (own < len(x))).sum())
    return right / len(rows)
