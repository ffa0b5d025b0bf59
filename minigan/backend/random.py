"""Random arrays as functions of (seed, stream, step): philox.py says how. These are the plain bodies."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from . import philox

Array: TypeAlias = Any


class Random:
    """`backend.random`: what draws the arrays of a backend. A subclass draws the same numbers faster.

    asarray(array, dtype)   makes them the backend's
    """

    def __init__(self, asarray: Callable[[Any, Any], Array]) -> None:
        self.asarray = asarray

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> Array:
        """Standard normal numbers, a function of (seed, stream, step)."""
        return self.asarray(philox.normal(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> Array:
        """Uniform numbers in [0, 1), a function of (seed, stream, step). Rounded to float32 they may reach 1."""
        return self.asarray(philox.uniform(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def mask(self, shape: tuple[int, ...], rate: float, seed: int, stream: str, step: int = 0) -> Array:
        """True where `uniform` is at least `rate`: with probability 1 - rate.    0 <= rate < 1"""
        return self.uniform(shape, seed, stream, step) >= rate

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> Array:
        """n whole numbers 0 ... high - 1, int64, a function of (seed, stream, step)."""
        return self.asarray(philox.integers(n, high, seed, stream, step), "int64")
