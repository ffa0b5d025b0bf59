"""Where weights start. An initializer is a function `init(random, shape, fan_in, fan_out) -> array`.

`random` draws for one parameter of one network (`random.normal(shape)`, `random.uniform(shape)`); fan_in and fan_out
are the numbers of inputs that one output sums, and of outputs that one input feeds. All in float64: the network
rounds once to its own dtype, so a float32 network starts at the rounded weights of the float64 one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .backend import Array, Backend
from .errors import SettingsError


class Random:
    """The random numbers of one parameter: a function of the network's seed and the parameter's name."""

    def __init__(self, backend: Backend, seed: int, stream: str) -> None:
        self.backend, self.seed, self.stream = backend, seed, stream

    def normal(self, shape: tuple[int, ...]) -> Array:
        """Standard normal, float64."""
        return self.backend.random.normal(shape, self.seed, self.stream, dtype="float64")

    def uniform(self, shape: tuple[int, ...]) -> Array:
        """Uniform in [0, 1), float64."""
        return self.backend.random.uniform(shape, self.seed, self.stream, dtype="float64")

    def full(self, shape: tuple[int, ...], value: float) -> Array:
        """Not random at all."""
        return self.backend.xp.full(shape, value, dtype="float64")


Initializer: TypeAlias = Callable[[Random, tuple[int, ...], int, int], Array]


@dataclass(frozen=True)
class Normal:
    """What `normal` returns: an object, so that it can be pickled and compared."""

    std: float
    mean: float

    def __call__(self, random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """N(mean, std^2), float64."""
        return self.mean + self.std * random.normal(shape)


def normal(std: float = 0.02, mean: float = 0.0) -> Initializer:
    """N(mean, std^2). Radford, Metz and Chintala 2015 (DCGAN), section 3: std 0.02."""
    return Normal(std, mean)


def glorot_uniform(random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """U(-a, a), a = sqrt(6 / (fan_in + fan_out)). Glorot and Bengio 2010, equation 16; the default of Keras."""
    a = math.sqrt(6 / (fan_in + fan_out))
    return a * (2 * random.uniform(shape) - 1)


def he_normal(random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """N(0, 2 / fan_in). He, Zhang, Ren and Sun 2015, equation 10: keeps the variance through ReLUs."""
    return math.sqrt(2 / fan_in) * random.normal(shape)


@dataclass(frozen=True)
class FanIn:
    """What `fan_in_normal` and `fixup` return: an object, so that it can be pickled and compared."""

    gain: float

    def __call__(self, random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """N(0, gain^2 / fan_in), float64."""
        return self.gain / math.sqrt(fan_in) * random.normal(shape)


def fan_in_normal(gain: float = 1.0) -> Initializer:
    """N(0, gain^2 / fan_in): with gain 1, a linear layer keeps the variance of its inputs."""
    return FanIn(gain)


def fixup(blocks: int, slope: float = 0.2) -> Initializer:
    """N(0, gain^2 / fan_in), gain = sqrt(2 / (1 + slope^2)) blocks^(-1/4): for the first two convolutions of a residual
    block of three behind LeakyReLUs, the last of which starts at 0, in a network of so many blocks.

    Each update of a block then moves the network about as far, however many blocks it has: no normalisation is needed.
    Zhang, Dauphin and Ma 2019 (arXiv:1901.09321), section 3, with m = 3; as in Huang et al. 2024 (arXiv:2501.05441).
    """
    if blocks < 1:
        raise SettingsError(f"fixup: blocks is {blocks}; it must be at least 1")
    return FanIn(math.sqrt(2 / (1 + slope**2)) * blocks ** (-1 / 4))


def zeros(random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """All 0: for biases."""
    return random.full(shape, 0.0)


def ones(random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
    """All 1: for the gain of BatchNorm."""
    return random.full(shape, 1.0)


def is_initializer(init: object) -> bool:
    """Whether it can be called as one: NumPy's ones and zeros cannot, which take a shape alone."""
    return callable(init) and not str(getattr(init, "__module__", "")).startswith("numpy")
