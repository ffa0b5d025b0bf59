"""<A x, y> = <x, A^T y>: are two linear maps each other's transpose? No step, no truncation, exact to rounding."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import SettingsError
from .numeric import EPS
from .report import OK, WRONG, Report, Row
from .subjects import normal

TRIES = 3


def check_adjoint(
    forward: Callable[[np.ndarray], Any],
    adjoint: Callable[[np.ndarray], Any],
    x_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    *,
    seed: int = 0,
) -> Report:
    """Compare <forward(x), y> with <x, adjoint(y)> for three random pairs of x and y.

    Both must be linear: what is added, such as b, is left out.

    Conv2D's forward and Conv2DTranspose's, with the same W and without biases, are such a pair, and so are every linear
    layer's forward and its backward. Raises SettingsError if a result has another shape than announced.
    """
    rows = []
    for k in range(TRIES):
        x, y = normal(x_shape, seed, f"adjoint x {k}"), normal(y_shape, seed, f"adjoint y {k}")
        Ax, ATy = np.array(forward(x)), np.array(adjoint(y))
        for name, result, shape in (("forward", Ax, y_shape), ("adjoint", ATy, x_shape)):
            if result.shape != shape:
                raise SettingsError(f"check_adjoint: {name} returned shape {result.shape}; wanted {shape}")
        left, right = float(np.sum(Ax * y)), float(np.sum(x * ATy))
        size = float(np.linalg.norm(Ax) * np.linalg.norm(y) + np.linalg.norm(x) * np.linalg.norm(ATy))
        allowed = 1e2 * EPS * max(size, 1.0)
        wrong = not abs(left - right) <= allowed
        cause = "<forward(x), y> and <x, adjoint(y)> differ: one is not the transpose of the other" if wrong else ""
        rows.append(Row(f"pair {k}", WRONG if wrong else OK, 1, int(wrong), (k,), right, left, allowed, 0.0, 0, cause))
    return Report("adjoint", rows)
