r"""Derivatives without a backward: how <v, f> moves when the numbers of one array do.

    central   (<v, f(t + h)> - <v, f(t - h)>) / 2h,   h = eps^(1/3) max(1, |t|): truncation h^2 against rounding eps / h
    complex   Im <v, f(t + i h)> / h,   h = 1e-20: no difference, no rounding, if f is holomorphic in code as in theory
    adjoint   the central difference with h = 1, which for a linear f is exact: <v, f(x + u) - f(x)> = <J^T v, u>

Squire and Trapp 1998 describe the complex step. docs/gradcheck.md derives the first and says when to use the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import SettingsError

EPS = float(np.finfo(np.float64).eps)
STEP = EPS ** (1 / 3)
COMPLEX_STEP = 1e-20
FAR = 100.0  # times the step: from here on, what h^2 leaves is extrapolated away
METHODS = ("central", "complex", "adjoint")


@dataclass(frozen=True)
class Slope:
    """One derivative: its value, the step, how much of it may be rounding, and whether a corner lay in between."""

    value: float
    h: float
    noise: float
    crossed: bool


def no_pattern() -> bytes:
    """The pattern of a function that keeps no masks."""
    return b""


class Probe:
    """<v, f> as a function of one array, which is changed in place and put back.

    `forward` takes nothing, reads the array and returns f. `pattern`, called after it, says on which piece of a
    piecewise function it was: the masks of the activations.
    """

    def __init__(
        self,
        forward: Callable[[], Array],
        vector: np.ndarray,
        v: Any = 1.0,
        method: str = "central",
        pattern: Callable[[], bytes] = no_pattern,
    ) -> None:
        self.flat = vector.reshape(-1)
        if not np.shares_memory(self.flat, vector):
            raise SettingsError("differences need a contiguous array: its numbers are changed in place")
        self.forward, self.v, self.method, self.pattern = forward, v, method, pattern

    def entry(self, i: int, factor: float = 1.0) -> Slope:
        """The derivative for number i, with the step times `factor`; from FAR on, extrapolated from two steps."""
        slope, direction = self._slope(slice(i, i + 1), np.ones(1), factor, max(1.0, abs(self.flat[i])))
        made = float(direction[0])  # the step really made, which is 2h only up to rounding
        return Slope(slope.value / made, slope.h, slope.noise, slope.crossed)

    def along(self, direction: np.ndarray, factor: float = 1.0) -> tuple[Slope, np.ndarray]:
        """The derivative along a direction of length 1, and the direction really taken."""
        return self._slope(slice(None), direction, factor, max(1.0, float(np.max(abs(self.flat)))))

    def sides(self, i: int, factor: float) -> tuple[float, float]:
        """The slopes to the left and to the right of number i: at a corner they differ."""
        h = factor * STEP * max(1.0, abs(self.flat[i]))
        at, there = slice(i, i + 1), np.ones(1)
        (middle, _, _), (up, right, _), (down, left, _) = (self._at(at, step * there) for step in (0, h, -h))
        t = self.flat[i]
        return (
            float(np.sum(self.v * (middle - down)) / (t - left[0])),
            float(np.sum(self.v * (up - middle)) / (right[0] - t)),
        )

    def _slope(self, place: slice, direction: np.ndarray, factor: float, size: float) -> tuple[Slope, np.ndarray]:
        if self.method != "central" or factor < FAR:
            return self._difference(place, direction, factor * size)
        with np.errstate(all="ignore"):  # so far from x there may be no logarithm, no root
            near, taken = self._difference(place, direction, factor * size)
            twice, _ = self._difference(place, direction, 2 * factor * size)
        value = (4 * near.value - twice.value) / 3  # Richardson 1911: the error of h^2 drops out, that of h^4 stays
        return Slope(value, near.h, 2 * near.noise, near.crossed or twice.crossed), taken

    def _difference(self, place: slice, direction: np.ndarray, scale: float) -> tuple[Slope, np.ndarray]:
        if self.method == "complex":
            f, _, _ = self._at(place, 1j * COMPLEX_STEP * direction)
            value = float(np.sum(self.v * f.imag) / COMPLEX_STEP)
            return Slope(value, COMPLEX_STEP, 10 * EPS * abs(value), False), direction
        h = 1.0 if self.method == "adjoint" else STEP * scale
        f_up, up, above = self._at(place, h * direction)
        f_down, down, below = self._at(place, -h * direction)
        # The difference first, then the sum: the other way round, large terms would swallow it.
        value = np.real(np.sum(self.v * (f_up - f_down))) / (2 * h)
        noise = 10 * EPS * float(np.sqrt(np.sum(np.abs(self.v * f_up) ** 2))) / h
        return Slope(float(value), h, noise, above != below), np.real(up - down) / (2 * h)

    def _at(self, place: slice, step: np.ndarray) -> tuple[np.ndarray, np.ndarray, bytes]:
        """f with these numbers moved, where they then were, and the pattern."""
        kept = self.flat[place].copy()
        try:
            self.flat[place] = kept + step
            f = np.array(self.forward())  # a copy: f may return a buffer
            return f, self.flat[place].copy(), self.pattern()
        finally:
            self.flat[place] = kept


def numeric_gradient(
    f: Callable[[], Array], vector: np.ndarray, upstream: Any = 1.0, entries: Any = None, factor: float = 1.0
) -> np.ndarray:
    """d<upstream, f()> / d vector[i] for the given entries (by default all), by central differences.

    `f` takes nothing, reads `vector`, and returns a float64 array or number. `vector` is as it was on return. The steps
    are eps^(1/3) max(1, |t|), times `factor`.
    """
    probe, entries = Probe(f, vector, upstream), range(vector.size) if entries is None else entries
    return np.array([probe.entry(int(i), factor).value for i in entries])
