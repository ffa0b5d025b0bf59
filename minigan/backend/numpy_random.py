"""Random arrays on the CPU: a mask is drawn by all cores."""

import math

import numpy as np

from . import philox
from .base import Array
from .blocks import equal_blocks
from .random import Random
from .threads import WORKERS
from .tuning import Tuning


class NumpyRandom(Random):
    """As `Random`, with the tuning of the backend that it is of."""

    def __init__(self, tuning: Tuning) -> None:
        super().__init__(np.asarray)
        self.tuning = tuning

    def mask(self, shape: tuple[int, ...], rate: float, seed: int, stream: str, step: int = 0) -> Array:
        """True where `uniform` is at least `rate`, on all cores: (word >> 11) 2^-53 >= rate, for whole random words."""
        least = np.uint64(math.ceil(rate * 2**53) << 11)
        out = np.empty(math.prod(shape), bool)

        def block(start: int, stop: int) -> None:
            part = out[4 * start : 4 * stop]  # Philox makes four words at a time
            np.greater_equal(philox.words(len(part), seed, stream, step, first=4 * start), least, out=part)

        threads = max(1, min(self.tuning.threads, out.size // self.tuning.smallest_block))
        WORKERS.run(block, equal_blocks(-(-out.size // 4), threads), threads)
        return out.reshape(shape)
