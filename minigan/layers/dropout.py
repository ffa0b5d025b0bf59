"""Dropout."""

from ..backend import Array
from ..backend.kernels import DROPOUT
from ..errors import SettingsError
from .base import Layer


class Dropout(Layer):
    """y = x mask / (1 - rate),   mask = 0 with probability rate, else 1.    x, y: (n, ...)   rate: in [0, 1)

    With dy = dL/dy:   dx = dy mask / (1 - rate)

    In training every entry is dropped with probability `rate`, and the others are scaled so that the expected value of
    y is x; in `predict`, y = x. The mask is a function of the network's seed, the layer's name and the count of its
    training forwards, so a resumed run drops the same entries. Srivastava et al. 2014.
    """

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise SettingsError(f"Dropout: rate is {rate}; it must be at least 0 and less than 1")
        self.rate = float(rate)

    def forward(self, x: Array, train: bool) -> Array:
        """y = x mask / (1 - rate) in training, else x."""
        if not train:
            return x
        self.mask = self.random_mask(x.shape, self.rate)
        return self.masked(x, "y")

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy mask / (1 - rate)."""
        return self.masked(dy, "dx") if inputs else None

    def masked(self, x: Array, name: str) -> Array:
        """x mask / (1 - rate), in the buffer of that name."""
        y, scale = self.buf(name, x.shape), 1 / (1 - self.rate)

        def drop(x: Array, mask: Array, y: Array) -> None:
            self.xp.multiply(x, mask, out=y)
            y *= scale

        self.backend.elementwise(drop, (x, self.mask, y), kernel=DROPOUT, scale=scale)
        return y

    def tangent(self, t: Array) -> Array:
        """J t = t mask / (1 - rate), with the mask of the last forward."""
        return self.backward(t)
