"""The CPU with compiled kernels: one pass, where NumPy makes many over blocks. Needs Numba, the extra `fast`."""

import functools
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np

from ..errors import BackendError, counted
from .base import Array
from .blocks import over_rows
from .cores import usable_cores
from .kernels import Elementwise
from .numpy_backend import NumpyBackend
from .rows import in_long_rows
from .sums import COLUMN_SUMS, GRADIENT_SUMS, MOMENTS, Sums
from .tuning import Tuning

LONG_ROW = 256  # entries from which an inner loop runs at full speed: shorter rows are taken several at a time


def unusable_reason() -> str | None:
    """Why Numba cannot be used here, in a sentence; None if it can."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", None) == "numba":
            return "Numba is not installed; run: pip install 'minigan[fast]'"
        return f"importing Numba failed: {error}"
    except Exception as error:  # as SystemError, beside a NumPy that is too new for it
        return f"importing Numba failed: {error}"
    return None


class CompiledBackend(NumpyBackend):
    """NumPy on the CPU, with the kernels of compiled_kernels.py. Raises BackendError where Numba cannot be used."""

    name: ClassVar[str] = "compiled"
    first_step: ClassVar[str] = "compiling"  # what is not in the cache on disk

    def __init__(self, tuning: Tuning | None = None) -> None:
        if reason := unusable_reason():
            raise BackendError(f"backend 'compiled' cannot be used: {reason}; or use backend 'numpy'")
        from . import compiled_kernels
        from .compiled_moves import CompiledMoves

        self.loops, self.moves = compiled_kernels, CompiledMoves()
        super().__init__(tuning)

    def __reduce__(self) -> tuple[Any, ...]:
        return shared_backend, ()

    def _elementwise(self, call: Elementwise) -> None:
        """The kernel's loop, on as many cores as pay; the formula, as NumPy, without a kernel and for views."""
        kernel = call.runnable
        if kernel is None:
            super()._elementwise(call)
            return
        loop = getattr(self.loops, kernel.name)
        numbers = kernel.rounded(f"{kernel.scalars} {kernel.numbers}", call.settings, call.arrays[0].dtype)
        numbers += [call.settings[name] for name in kernel.steps.split()]
        for rows, stretched in in_long_rows(call.arrays, call.vectors, LONG_ROW):

            def block(start: int, stop: int, rows: list[Array] = rows, stretched: list[Array] = stretched) -> None:
                loop(*(row[start:stop] for row in rows), *stretched, *numbers)

            over_rows(block, rows[0].shape, len(rows), self.tuning)

    def _sums(self, sums: Sums, arguments: tuple[Array, ...]) -> tuple[Array, ...]:
        """Each part of the rows has sums of its own, in float64, which are added in order."""
        if sums not in (COLUMN_SUMS, MOMENTS, GRADIENT_SUMS) or not all(a.flags.c_contiguous for a in arguments):
            return super()._sums(sums, arguments)
        x, count, c = arguments[0], len(sums.arrays.split()), arguments[0].shape[-1]
        first = x.reshape(-1, c)[0]  # moments are computed around it; a plain sum needs no vector, and reads none
        loop, found = getattr(self.loops, sums.name), []
        for rows, vectors in in_long_rows(arguments[:count], arguments[count:] or (first,), LONG_ROW):
            parts: dict[int, Array] = {}

            def block(start: int, stop: int, rows: Any = rows, vectors: Any = vectors, parts: Any = parts) -> None:
                parts[start] = np.zeros((1 if sums is COLUMN_SUMS else 2, rows[0].shape[1]))
                loop(*(row[start:stop] for row in rows), *vectors, parts[start])

            over_rows(block, rows[0].shape, count, self.tuning)
            found += [parts[start].reshape(len(parts[start]), -1, c).sum(axis=1) for start in sorted(parts)]
        total = functools.reduce(np.add, found)
        if sums is MOMENTS:
            total = moments_of(total, first, x.size // c)
        return tuple(total.astype(x.dtype))


def moments_of(sums: Array, origin: Array, m: int) -> Array:
    """mean = x[0] + D / m    var = S / m - (D / m)^2    of m rows, from the sums D of d = x - x[0] and S of d^2.

    Since x[0] is one of the rows, (D / m)^2 is at most m var: the difference loses log10(m) of float64's 16 digits.
    """
    mean, square = sums / m
    return np.stack([origin + mean, square - mean * mean])


def usability() -> tuple[bool, str]:
    """Whether this machine can use the backend, and a sentence: the library, or why not."""
    reason = unusable_reason()
    return (False, reason) if reason else (True, f"Numba {version('numba')} on {counted(usable_cores(), 'core')}")


@functools.cache
def shared_backend() -> CompiledBackend:
    """The one object of this process."""
    return CompiledBackend()
