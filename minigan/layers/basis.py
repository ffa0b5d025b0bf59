"""Parameters that are added or multiplied by themselves: a bias, and a learned image to begin with."""

from ..backend import Array
from ..backend.sums import COLUMN_SUMS
from ..errors import SettingsError
from ..initializers import Initializer, normal, zeros
from .base import Layer
from .sides import Pair, pair


class Bias(Layer):
    """y = x + b.    x, y: (n, ..., c)   b: (c,), one number for each channel

    With dy = dL/dy:   db = sum dy, over all axes but the last     dx = dy

    For a bias that stands behind another layer than that with the weights. In R3GAN it belongs to the activation
    (Huang et al. 2024, arXiv:2501.05441, section 3.3), which is the same as a bias of the convolution before it.
    """

    b: Array
    db: Array

    def __init__(self, b_init: Initializer = zeros) -> None:
        self.b_init = b_init

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """b (c,). Raises ShapeError for inputs of no axis."""
        if not in_shape:
            raise self.refuse(in_shape, "at least one axis, the channels")
        self.param("b", in_shape[-1:], self.b_init)
        return in_shape

    def forward(self, x: Array, train: bool) -> Array:
        """y = x + b."""
        return self.xp.add(x, self.b, out=self.buf("y", x.shape))

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """db = sum dy,  dx = dy."""
        if params:
            (self.db[...],) = self.backend.sums(COLUMN_SUMS, dy)
        return dy if inputs else None

    def tangent(self, t: Array) -> Array:
        """J t = t."""
        return t

    def fused(self, t: Array, dy: Array, s: Array) -> Array:
        """db = sum s dy;  J t = t."""
        self.db[...] = self.weighted_sum(s, dy)
        return t


class Basis(Layer):
    """y[n, i, j, k] = x[n, k] B[i, j, k]: a learned image, each channel as strong as x says.

    x: (n, c)   B: (h, w, c)   y: (n, h, w, c)

    With dy = dL/dy:   dB = sum_n x dy     dx = sum_ij B dy

    What R3GAN's generator begins with, B from N(0, 1) and x a linear function of the noise (Huang et al. 2024,
    arXiv:2501.05441, section 3.3; their code's GenerativeBasis).

    size  (h, w), or one number for both
    """

    B: Array
    dB: Array

    def __init__(self, size: int | Pair, B_init: Initializer = normal(1.0)) -> None:  # noqa: B008 - frozen
        self.size, self.B_init = pair(size, "Basis: size"), B_init
        if min(self.size) < 1:
            raise SettingsError(f"Basis: size is {size}; it must be at least 1")

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """B (h, w, c). Raises ShapeError unless inputs are rows, (c,)."""
        if len(in_shape) != 1:
            raise self.refuse(in_shape, "one row of numbers for each sample; put Flatten() before it")
        self.param("B", (*self.size, *in_shape), self.B_init)
        return (*self.size, *in_shape)

    def forward(self, x: Array, train: bool) -> Array:
        """y = x B."""
        self.x = x
        return self.xp.multiply(x[:, None, None, :], self.B, out=self.buf("y", (len(x), *self.B.shape)))

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dB = sum_n x dy,  dx = sum_ij B dy."""
        if params:
            (self.x[:, None, None, :] * dy).sum(axis=0, out=self.dB)
        if not inputs:
            return None
        return (self.B * dy).sum(axis=(1, 2), out=self.buf("dx", self.x.shape))

    def tangent(self, t: Array) -> Array:
        """J t = t B."""
        return self.xp.multiply(t[:, None, None, :], self.B, out=self.buf("t", (len(t), *self.B.shape)))

    def tangent_backward(self, t: Array, dy: Array) -> None:
        """dB = sum_n t dy."""
        (t[:, None, None, :] * dy).sum(axis=0, out=self.dB)
