"""Walks through the noise of a generator: what lies between two of its images."""

import numpy as np

from .errors import SettingsError, ShapeError
from .generator import LATENTS

NEARLY = 1e-8  # sine of an angle below which two vectors span no plane that could be told from rounding


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The points a share t of the way from a to b, along a great circle.    a, b: (d,)   t: (n,) -> (n, d), float64

    direction(t) = sin((1 - t) w) / sin w  a / |a|  +  sin(t w) / sin w  b / |b|,     w the angle between a and b
    length(t)    = (1 - t) |a| + t |b|

    Spherical linear interpolation (Shoemake 1985), the way between samples of N(0, I) that White 2016,
    arXiv:1609.04468, recommends: nearly all of them lie at a distance of sqrt(d) from 0, and the middle of
    a straight line does not. Vectors of one length keep it. The ends are a and b, to the last bit.

    Where w is 0, only the length changes. Where a and b are opposite, every half circle is as short: it is the one
    through the axis that a leans to least. A vector of zeros has no direction, and one number no circle: the way is
    straight. Raises ShapeError for other shapes.
    """
    a, b, t = (np.asarray(values, np.float64) for values in (a, b, t))
    if a.ndim != 1 or a.shape != b.shape or t.ndim != 1:
        raise ShapeError(f"slerp: a is {a.shape}, b {b.shape} and t {t.shape}; wanted (d,), (d,) and (n,)")
    long_a, long_b = np.linalg.norm(a), np.linalg.norm(b)
    if a.size == 1 or not long_a or not long_b:
        return straight(a, b, t)
    across, angle = _plane(a / long_a, b / long_b)
    t = t[:, None]
    # With `across` at a right angle to a, the two sines over sin w are this, without a division by 0.
    directions = np.cos(t * angle) * (a / long_a) + np.sin(t * angle) * across
    points = ((1 - t) * long_a + t * long_b) * directions
    return np.where(t == 0, a, np.where(t == 1, b, points))


def straight(a: np.ndarray, b: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(1 - t) a + t b, the points a share t of the way along a line.    a, b: (d,)   t: (n,) -> (n, d)

    Between points of a cube, as of uniform noise, they are points of it, too.
    """
    return (1 - t[:, None]) * a + t[:, None] * b


def walk(points: np.ndarray, between: int, kind: str = "normal", closed: bool = False) -> np.ndarray:
    """From each point to the next, with `between` points in between.    (m, ...) -> (count, ...), float64

    kind    how the noise is drawn, `latent` of a Generator: by `slerp` if "normal", straight if "uniform"
    closed  from the last point back to the first, which is not repeated: for a film that loops

    count is (m - 1) (between + 1) + 1, closed m (between + 1). Raises ShapeError for fewer than two points,
    SettingsError for another kind, and for less than nothing in between.
    """
    points = np.asarray(points, np.float64)
    if points.ndim < 2 or len(points) < 2:
        raise ShapeError(f"walk: points have shape {points.shape}; wanted (m, ...), m of 2 or more")
    if kind not in LATENTS:
        raise SettingsError(f"walk: kind is {kind!r}; the choices are {', '.join(LATENTS)}")
    if between < 0:
        raise SettingsError(f"walk: between is {between}; it must be at least 0")
    rows = points.reshape(len(points), -1)
    stops = [*rows, rows[0]] if closed else [*rows]
    way = slerp if kind == "normal" else straight
    shares = np.arange(between + 1) / (between + 1)
    legs = [way(a, b, shares) for a, b in zip(stops, stops[1:], strict=False)]
    path = np.concatenate(legs if closed else [*legs, rows[-1:]])
    return path.reshape(-1, *points.shape[1:])


def _plane(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, float]:
    """A unit vector at a right angle to start, towards end, and the angle between the two.    unit vectors, (d,)"""
    cosine = float(start @ end)
    rest = end - cosine * start
    sine = float(np.linalg.norm(rest))
    if sine >= NEARLY:
        return rest / sine, float(np.arctan2(sine, cosine))
    axis = np.zeros_like(start)
    axis[np.argmin(abs(start))] = 1
    rest = axis - (axis @ start) * start
    return rest / np.linalg.norm(rest), 0.0 if cosine > 0 else np.pi
