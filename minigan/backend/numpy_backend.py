"""Arrays in main memory: the methods of base.py, computed in blocks that fit a cache, by all cores of the CPU."""

import functools
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .base import Array, Backend, Description
from .blas import product
from .blocks import over_rows
from .convolution import Window
from .kernels import Elementwise
from .moves import Moves
from .numpy_random import NumpyRandom
from .numpy_sums import IN_PARTS
from .rows import in_long_rows
from .scratch import scratch
from .sums import Sums
from .tuning import Tuning, tuning_of_this_machine
from .ways import WAYS, Chooser


class NumpyBackend(Backend):
    """NumPy on the CPU."""

    name: ClassVar[str] = "numpy"
    xp = np
    moves = Moves()

    def __init__(self, tuning: Tuning | None = None) -> None:
        super().__init__()
        self.tuning = tuning or tuning_of_this_machine()
        self.random = NumpyRandom(self.tuning)
        self.ways = Chooser(self.tuning, self.moves)

    def __reduce__(self) -> tuple[Any, ...]:
        return shared_backend, ()

    def _matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b; for few rows of a and a transposed b, as in dx = dy W^T, computed as (b^T a^T)^T.

        a: (n, k)   b: (k, d)   out: (n, d)

        That is the same product. Up to 64 rows, OpenBLAS takes 0.7 to 0.85 of the time for it, including the copy into
        out; at 128 rows both take the same time, and beyond that it is slower.
        """
        if len(a) > self.tuning.few_rows or b.flags.c_contiguous:
            return product(a, b, out=out)
        transposed = scratch("transposed", out.shape[::-1], out.dtype)
        out[...] = product(b.T, a.T, out=transposed).T
        return out

    def _elementwise(self, call: Elementwise) -> None:
        """The formula in blocks that fit a core's cache, on as many cores as pay."""
        for rows, stretched in in_long_rows(call.arrays, call.vectors):

            def block(start: int, stop: int, rows: list[Array] = rows, stretched: list[Array] = stretched) -> None:
                parts = [row[start:stop] for row in rows]
                more = (scratch(f"work {i}", parts[0].shape, parts[0].dtype) for i in range(call.work))
                call.formula(*parts, *stretched, *more)

            over_rows(block, rows[0].shape, len(rows) + call.work, self.tuning)

    def by_samples(self, function: Callable[..., None], *arrays: Array) -> None:
        """In blocks of samples that fit a core's cache, on as many cores as pay."""

        def block(start: int, stop: int) -> None:
            function(*(array[start:stop] for array in arrays))

        over_rows(block, max((array.shape for array in arrays), key=math.prod), len(arrays), self.tuning)

    def _sums(self, sums: Sums, arguments: tuple[Array, ...]) -> tuple[Array, ...]:
        """Of parts, on all cores, and then of their sums, in order. Sums of your own are computed as a whole."""
        if sums not in IN_PARTS:
            return super()._sums(sums, arguments)
        of_part, of_parts = IN_PARTS[sums]
        count, found = len(sums.arrays.split()), {}

        def task(start: int, stop: int) -> None:
            found[start] = of_part(*(array[start:stop] for array in arguments[:count]), *arguments[count:])

        over_rows(task, arguments[0].shape, count, self.tuning)
        return of_parts([found[start] for start in sorted(found)])

    def _conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        return self.ways.choose("conv", window, len(x), W.shape[1]).conv(x, W, out)

    def _conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        return self.ways.choose("conv_dx", window, len(dy), W.shape[1]).conv_dx(dy, W, out)

    def _conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        return self.ways.choose("conv_dW", window, len(x), out.shape[1]).conv_dW(x, dy, out)

    def describe(self, window: Window, n: int, d: int) -> list[Description]:
        """The way that each of the three functions of a convolution takes, for n images and d channels of output."""
        ways = [(function, self.ways.choose(function, window, n, d)) for function in WAYS]
        return [
            Description(function, way.name, way.multiplications(function), way.case.multiplications, way.why)
            for function, way in ways
        ]


@functools.cache
def shared_backend() -> NumpyBackend:
    """The one object of this process."""
    return NumpyBackend()
