"""What the layers need of an array library, and nothing more.

A backend is an object that a network is built with. Layers compute with `backend.xp` (the array module: numpy or
cupy) and call the methods below where the libraries differ or where a faster way is worth a few lines. The bodies
here are the plain ones; a subclass overrides what it must, and is tested against them.
"""

import math
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

import numpy as np

from . import philox

Array: TypeAlias = Any  # an array of the backend's library: numpy.ndarray or cupy.ndarray


class Backend:
    """The plain bodies. `xp` is the array module that a subclass names."""

    name: ClassVar[str]
    xp: ModuleType

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """An array of this backend: copied to the device if there is one, as it is if it is there already."""
        return self.xp.asarray(array, dtype=dtype)

    def to_host(self, array: Array) -> np.ndarray:
        """A NumPy array with the same numbers. On a GPU this waits for the device: not for inner loops."""
        return np.asarray(array)

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b, for matrices; a and b may be transposed views, out is contiguous."""
        return self.xp.matmul(a, b, out=out)

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> Array:
        """Standard normal numbers, a function of (seed, stream, step): see philox.py."""
        return self.asarray(philox.normal(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> Array:
        """Uniform numbers in [0, 1), a function of (seed, stream, step). Rounded to float32 they may reach 1."""
        return self.asarray(philox.uniform(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> np.ndarray:
        """n whole numbers 0 ... high - 1, a function of (seed, stream, step). On the host: they choose what to load."""
        return philox.integers(n, high, seed, stream, step)

    def adam(self, p: Array, g: Array, m: Array, v: Array, beta1: float, beta2: float, rate: float, eps: float) -> None:
        """m <- beta1 m + g     v <- beta2 v + g g     p <- p - rate m / (sqrt(v) + eps)     on vectors, in place.

        `optimizers.Adam` says what `rate` and `eps` are.
        """
        m *= beta1
        m += g
        v *= beta2
        square = g * g
        v += square
        update = self.xp.sqrt(v, out=square)
        update += eps
        self.xp.divide(m, update, out=update)
        update *= rate
        p -= update

    def synchronize(self) -> None:
        """Wait until the device has done all it was asked to. NumPy is always done."""
