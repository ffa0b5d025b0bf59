"""Does G copy its training set? How near fakes lie to it, beside what is usual among real samples."""

import math
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, SettingsError
from .modes import cut
from .neighbours import nearest, nearest_other
from .rows import both

ENOUGH = 20  # fakes in a cell that counts


class Copies(NamedTuple):
    """How near fakes lie to the real samples that G was trained on."""

    nearest: np.ndarray  # (m,) of each fake, which real sample
    distance: np.ndarray  # (m,) and how far it is
    authentic: float  # share of fakes further from it than it is from the nearest other real sample


def copies(real: Any, fake: Any) -> Copies:
    """Of each fake the nearest real sample, and whether it is nearer to it than real samples are to each other.

    real: (n, d), the training set   fake: (m, d)

    A fake is authentic if its distance to the nearest real sample x is larger than that of x to the nearest other real
    sample (Alaa et al. 2022, arXiv:2102.08921, section 4). Of fresh samples of the same distribution about half are, so
    measure held-out real samples beside the fakes: copies have far fewer. Raises DataError as `frechet_distance` does.
    """
    x, y = both(real, fake)
    which, distance = nearest(y, x)
    return Copies(which, distance, float((distance > nearest_other(x)[which]).mean()))


def copying(train: Any, held_out: Any, fake: Any, cells: int = 10, seed: int = 0) -> float:
    r"""C_T: are fakes nearer to the training set than held-out samples are?    (n, d), (p, d), (m, d)

    k-means cuts the training set into cells. In each, every fake and every held-out sample has a distance to the
    nearest training sample, and z says whether those of the fakes are smaller or larger (Mann and Whitney 1947):

        U = number of pairs in which the fake is further away, an equal one counting half
        z = (U - m p / 2) / sqrt(m p (m + p + 1) / 12),    of the cell's m fakes and p held-out samples

    C_T is the mean of z over cells, by their shares of held-out samples (Meehan et al. 2020, arXiv:2004.05675, section
    4). About 0, with a spread of 1 at most, if fakes are as held-out samples are; far below, copies; far above,
    samples that are off. Cells with fewer than 20 fakes do not count.

    Raises DataError as `frechet_distance` does, and if no cell has enough; SettingsError unless there is a cell and a
    training sample for each.
    """
    (t, p), (_, q) = both(train, held_out, names=("train", "held_out")), both(train, fake, names=("train", "fake"))
    if not 1 <= cells <= len(t):
        raise SettingsError(f"copying: cells is {cells}; wanted 1 to {len(t)}, the number of training samples")
    of_train, centres = cut(t, cells, seed)
    of_held_out, of_fake = nearest(p, centres)[0], nearest(q, centres)[0]
    found, weights = [], []
    for cell in range(cells):
        near, other, made = t[of_train == cell], p[of_held_out == cell], q[of_fake == cell]
        if len(near) and len(other) and len(made) >= ENOUGH:
            found.append(_z(nearest(made, near)[1], nearest(other, near)[1]))
            weights.append(len(other))
    if not found:
        raise DataError(f"no cell of {cells} has {ENOUGH} fakes and a held-out sample: take fewer cells or more fakes")
    return float(np.average(found, weights=weights))


def _z(a: np.ndarray, b: np.ndarray) -> float:
    """Mann and Whitney's U of a against b, less its mean, by its standard deviation."""
    ordered, pairs = np.sort(b), len(a) * len(b)
    below, up_to = np.searchsorted(ordered, a, "left"), np.searchsorted(ordered, a, "right")
    return float(((below + up_to).sum() / 2 - pairs / 2) / math.sqrt(pairs * (len(a) + len(b) + 1) / 12))
