"""Sums over all axes but the last: those that layers need, and what each of them takes and returns.

`backend.sums(MOMENTS, x)` is the plain formula below, or what a backend has in its place: blocks on all cores, kernels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

from ..errors import BackendError

Array: TypeAlias = Any


@dataclass(frozen=True)
class Sums:
    """Vectors (c,), each a sum over the rows of arrays (..., c).

    name     of the kernels and compiled functions
    arrays   names of the arrays, all of one shape    vectors  names of arrays (c,)
    plain    plain(xp, *arrays, *vectors) -> the vectors, with the arrays as rows (m, c)
    """

    name: str
    arrays: str
    plain: Callable[..., tuple[Array, ...]]
    vectors: str = ""

    def require(self, arguments: tuple[Array, ...]) -> None:
        """Raises BackendError unless these are arrays of one shape, and then vectors with an entry a channel."""
        arrays, vectors = self.arrays.split(), self.vectors.split()
        wanted = [arguments[0].shape] * len(arrays) + [arguments[0].shape[-1:]] * len(vectors)
        if [argument.shape for argument in arguments] != wanted:
            came = ", ".join(str(argument.shape) for argument in arguments)
            raise BackendError(f"sums {self.name} got {came}; it takes {' '.join(arrays + vectors)}, shaped alike")


def _column_sums(xp: ModuleType, x: Array) -> tuple[Array, ...]:
    return (x.sum(axis=0),)


def _moments(xp: ModuleType, x: Array) -> tuple[Array, ...]:
    mean = x.mean(axis=0)
    return mean, ((x - mean) ** 2).mean(axis=0)


def _gradient_sums(xp: ModuleType, dy: Array, x: Array, mean: Array) -> tuple[Array, ...]:
    return dy.sum(axis=0), (dy * (x - mean)).sum(axis=0)


COLUMN_SUMS = Sums("column_sums", "x", _column_sums)  # (sum x,)
MOMENTS = Sums("moments", "x", _moments)  # mean, and biased variance
GRADIENT_SUMS = Sums("gradient_sums", "dy x", _gradient_sums, vectors="mean")  # sum dy, sum dy (x - mean)
