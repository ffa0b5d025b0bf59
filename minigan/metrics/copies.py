"""Does G copy its training set? Each fake's nearest real sample, beside what is usual among real ones."""

from typing import Any, NamedTuple

import numpy as np

from .neighbours import nearest, nearest_other
from .rows import both


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
