"""Random numbers as a function, not a state: (seed, stream, step, index) -> 64 random bits.

A counter-based generator encrypts a counter. Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as
1, 2, 3") turns a key of two words and a counter of four words into four random words. minigan sets

    key     = (seed, number of the stream's name)
    counter = (1 + index // 4, 0, step, 0)             word `index` is word index % 4 of the block

so a word depends on nothing but (seed, stream, step, index). Hence a checkpoint holds only (seed, step), a resumed run
draws what an uninterrupted one would, and on a GPU each thread computes its own word. The bits are those of NumPy's own
Philox, which increments its counter before the first block, hence the 1.

Floats come from the top 53 bits. Normal numbers are computed in float64 and rounded once at the end, so that float32
numbers do not depend on the accuracy of a library's float32 logarithm or cosine.
"""

import math
import threading
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SettingsError

_THREAD = threading.local()
_FRESH: Any = {
    "bit_generator": "Philox",
    "buffer": np.zeros(4, np.uint64),
    "buffer_pos": 4,
    "has_uint32": 0,
    "uinteger": 0,
}


def _generator_of_this_thread() -> np.random.Philox:
    """NumPy's Philox, one for each thread: a new one would ask the system for entropy that is not needed."""
    if not hasattr(_THREAD, "generator"):
        _THREAD.generator = np.random.Philox(0)
    return _THREAD.generator


@lru_cache(maxsize=1024)
def stream_number(stream: str) -> int:
    """The 64-bit number of a stream's name: the first 8 bytes, little endian, of its BLAKE2b hash."""
    return int.from_bytes(blake2b(stream.encode(), digest_size=8).digest(), "little")


def require_words(seed: int, step: int) -> None:
    """Raises SettingsError unless both fit a 64-bit word."""
    for name, value in (("seed", seed), ("step", step)):
        if not 0 <= value < 2**64:
            raise SettingsError(f"{name} is {value}; it must be a whole number from 0 to 2**64 - 1")


def words(count: int, seed: int, stream: str, step: int = 0, first: int = 0) -> NDArray[np.uint64]:
    """`count` random 64-bit words of (seed, stream, step), from word `first` on, which is a multiple of 4."""
    require_words(seed, step)
    key = np.array([seed, stream_number(stream)], dtype=np.uint64)
    counter = np.array([first // 4, 0, step, 0], dtype=np.uint64)
    generator = _generator_of_this_thread()
    generator.state = _FRESH | {"state": {"counter": counter, "key": key}}
    return generator.random_raw(count)


def uniform(count: int, seed: int, stream: str, step: int = 0, first: int = 0) -> NDArray[np.float64]:
    """Uniform in [0, 1), multiples of 2^-53.    first: a multiple of 4, as in `words`"""
    return (words(count, seed, stream, step, first) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(count: int, seed: int, stream: str, step: int = 0, first: int = 0) -> NDArray[np.float64]:
    """Standard normal, by Box and Muller (1958): from u, v uniform,

    z_0 = sqrt(-2 ln(1 - u)) cos(2 pi v),   z_1 = sqrt(-2 ln(1 - u)) sin(2 pi v)
    """
    pairs = uniform(count + count % 2, seed, stream, step, first).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log1p(-pairs[:, 0]))
    angle = 2 * math.pi * pairs[:, 1]
    z: NDArray[np.float64] = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return z.reshape(-1)[:count]


def integers(count: int, high: int, seed: int, stream: str, step: int = 0) -> NDArray[np.int64]:
    """Whole numbers 0 ... high - 1, each as likely as the others (to one part in 2^53 / high)."""
    return (uniform(count, seed, stream, step) * high).astype(np.int64)
