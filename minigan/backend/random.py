"""Random arrays as functions of (seed, stream, step): philox.py says how. These are the plain bodies."""

import math
from typing import TYPE_CHECKING, Any

from . import philox

if TYPE_CHECKING:
    from .base import Array, Backend


class Random:
    """`backend.random`: what draws the arrays of a backend. A subclass draws the same numbers faster."""

    def __init__(self, backend: "Backend") -> None:
        self.backend = backend

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> "Array":
        """Standard normal numbers, a function of (seed, stream, step)."""
        return self.backend.asarray(philox.normal(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> "Array":
        """Uniform numbers in [0, 1), a function of (seed, stream, step). Rounded to float32 they may reach 1."""
        return self.backend.asarray(philox.uniform(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def mask(self, shape: tuple[int, ...], rate: float, seed: int, stream: str, step: int = 0) -> "Array":
        """True where `uniform` is at least `rate`: with probability 1 - rate.    0 <= rate < 1"""
        return self.uniform(shape, seed, stream, step) >= rate

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> "Array":
        """n whole numbers 0 ... high - 1, int64, a function of (seed, stream, step)."""
        return self.backend.asarray(philox.integers(n, high, seed, stream, step))
