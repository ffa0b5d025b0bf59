"""Points in the plane whose distribution is known: a GAN of them trains in seconds, and what it misses is seen at once.

The modes lie within [-1, 1] x [-1, 1] and their Gaussians a little beyond, so that networks start at the right scale;
nothing binds a point to that square, and a G for them ends in a linear layer. Points are functions of the seed.

Ring and grid are those of Metz et al. 2017 ("Unrolled generative adversarial networks", section 3.1 and appendix A: 8
modes on a circle of radius 2, std 0.02) and of Srivastava et al. 2017 ("VEEGAN": 8 modes on a ring, 25 on a grid),
brought to radius 1. Our std of 0.05 is wider: 0.02 at radius 2 would be 0.01 here, which takes far longer to learn.
"""

from pathlib import Path

import numpy as np

from ..backend import get_backend
from ..errors import DataError, SettingsError
from ..pictures import load_png
from .array_data import ArrayData

STREAM = "toy data"


class GaussianMixture(ArrayData):
    """n points, of as many from each mode as n allows:  x = centres[label] + std e,  e ~ N(0, I).    (n, d) float32

    centres  (modes, d), the means
    std      of every mode in every direction
    labels   the mode of each point

    A generated point is usually counted as good within 3 std of the nearest centre, and a mode as found if it has good
    points (as in VEEGAN). Raises SettingsError for std < 0 and for fewer points than modes.
    """

    def __init__(
        self, centres: np.ndarray, std: float, n: int, seed: int, name: str, sampling: str = "replacement"
    ) -> None:
        modes, d = centres.shape
        if not std >= 0:
            raise SettingsError(f"{name}: std is {std}; it must be at least 0")
        if n < modes:
            raise SettingsError(f"{name}: n is {n}; wanted at least a point for each of the {modes} modes")
        labels = np.arange(n) % modes
        points = centres[labels] + std * get_backend("numpy").random.normal((n, d), seed, STREAM, dtype="float64")
        super().__init__(points.astype(np.float32), name, labels, sampling=sampling)
        self.centres, self.std = centres, std


def ring(
    modes: int = 8,
    n: int = 10_000,
    *,
    radius: float = 1.0,
    std: float = 0.05,
    seed: int = 0,
    sampling: str = "replacement",
) -> GaussianMixture:
    """n points around `modes` centres on a circle, the first at (radius, 0).    (n, 2)

    Raises SettingsError for modes < 1, n < modes and std < 0.
    """
    _require_positive("ring", "modes", modes)
    angles = 2 * np.pi * np.arange(modes) / modes
    centres = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return GaussianMixture(centres, std, n, seed, f"ring of {modes}", sampling)


def grid(
    side: int = 5, n: int = 10_000, *, std: float = 0.05, seed: int = 0, sampling: str = "replacement"
) -> GaussianMixture:
    """n points around side x side centres, evenly spaced from -1 to 1, row by row from below.    (n, 2)

    Raises SettingsError for side < 2, n < side^2 and std < 0.
    """
    _require_positive("grid", "side", side, least=2)
    y, x = np.meshgrid(*[np.linspace(-1, 1, side)] * 2, indexing="ij")
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    return GaussianMixture(centres, std, n, seed, f"grid of {side} x {side}", sampling)


def spiral(
    arms: int = 2,
    n: int = 10_000,
    *,
    turns: float = 1.0,
    std: float = 0.02,
    seed: int = 0,
    sampling: str = "replacement",
) -> ArrayData:
    """n points along the arms of a spiral from the origin to radius 1; the label is the arm.    (n, 2)

        x = t (cos a, sin a) + std e      a = 2 pi (turns t + arm / arms)      t = sqrt(u), u uniform in [0, 1)

    A curve has no modes to be counted: what is learnt is a shape. Ours; the root makes points about as dense outside as
    inside. Raises SettingsError for arms < 1, n < arms and std < 0.
    """
    _require_positive("spiral", "arms", arms)
    if n < arms or not std >= 0:
        raise SettingsError(f"spiral: n is {n} and std {std}; wanted a point for each of {arms} arms, and std >= 0")
    draw = get_backend("numpy").random
    labels = np.arange(n) % arms
    t = np.sqrt(draw.uniform((n,), seed, f"{STREAM}.t"))
    angles = 2 * np.pi * (turns * t + labels / arms)
    points = t[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points += std * draw.normal((n, 2), seed, STREAM, dtype="float64")
    return ArrayData(points.astype(np.float32), f"spiral of {arms}", labels, sampling=sampling)


def drawing(
    picture: str | Path | np.ndarray, n: int = 10_000, *, seed: int = 0, sampling: str = "replacement"
) -> ArrayData:
    """n points spread over the dark parts of a drawing, so that its longer side reaches from -1 to 1.    (n, 2)

    picture: a PNG file, or levels (h, w) or (h, w, c) from 0, black, to 255, white. A pixel is dark below the middle of
    the darkest and the lightest; transparent ones are light. Raises DataError for a picture of one level, FileError for
    a file that cannot be read, SettingsError for n < 1.
    """
    if n < 1:
        raise SettingsError(f"drawing: n is {n}; it must be at least 1")
    name = "drawing" if isinstance(picture, np.ndarray) else Path(picture).name
    levels = np.asarray(picture if isinstance(picture, np.ndarray) else load_png(picture), float)
    levels = levels[..., None] if levels.ndim == 2 else levels
    grey = levels[..., : 3 if levels.shape[-1] >= 3 else 1].mean(axis=-1)
    grey = np.where(levels[..., -1] < 128, 255.0, grey) if levels.shape[-1] in (2, 4) else grey
    rows, columns = np.nonzero(grey < (grey.min() + grey.max()) / 2)
    if not len(rows):
        raise DataError(f"{name}: all its pixels have one level; wanted a dark drawing on a light ground")
    draw = get_backend("numpy").random
    chosen = (draw.uniform((n,), seed, f"{STREAM}.pixel", dtype="float64") * len(rows)).astype(int)
    within = draw.uniform((n, 2), seed, f"{STREAM}.within", dtype="float64")
    h, w = grey.shape
    points = np.stack([columns[chosen] + within[:, 0] - w / 2, h / 2 - rows[chosen] - within[:, 1]], axis=1)
    return ArrayData((2 * points / max(h, w)).astype(np.float32), name, sampling=sampling)


def _require_positive(function: str, name: str, value: int, least: int = 1) -> None:
    if type(value) is not int or value < least:
        raise SettingsError(f"{function}: {name} is {value!r}; wanted a whole number from {least} on")
