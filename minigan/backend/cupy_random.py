"""Random arrays on a GPU: each thread computes its own words, so that nothing is copied to the device."""

from typing import TYPE_CHECKING, Any

import numpy as np

from . import philox
from .base import Array
from .random import Random

if TYPE_CHECKING:
    from .cupy_backend import CupyBackend


class CupyRandom(Random):
    """The numbers of philox.py, computed on the device. In a captured graph, the step is read there, too."""

    backend: "CupyBackend"

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> Array:
        """Standard normal numbers, a function of (seed, stream, step)."""
        return self._drawn("normal", shape, seed, stream, step, dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> Array:
        """Uniform numbers in [0, 1), a function of (seed, stream, step). Rounded to float32 they may reach 1."""
        return self._drawn("uniform", shape, seed, stream, step, dtype)

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> Array:
        """n whole numbers 0 ... high - 1, int64, a function of (seed, stream, step)."""
        return (self.uniform((n,), seed, stream, step, "float64") * high).astype("int64")

    def _drawn(self, kernel: str, shape: tuple[int, ...], seed: int, stream: str, step: int, dtype: Any) -> Array:
        philox.require_words(seed, step)
        out = self.backend.xp.empty(shape, dtype)
        if out.size:
            words = np.uint64(seed), np.uint64(philox.stream_number(stream))
            self.backend.launch(kernel, out, out, out.size, *words, *self.backend.step_arguments(step))
        return out
