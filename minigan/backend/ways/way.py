"""What a way of computing a convolution is, and what it is asked for."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ..base import Array
from ..blocks import shared_blocks
from ..convolution import Window
from ..moves import Moves
from ..tuning import Tuning


@dataclass(frozen=True)
class Case:
    """A convolution of n images under a window, with d channels of output: W is (kh kw c / groups, d)."""

    window: Window
    n: int
    d: int

    @property
    def c(self) -> int:
        """Channels of the images."""
        return self.window.image[2]

    @property
    def multiplications(self) -> int:
        """Of a plain convolution, and of each of its gradients: n oh ow kh kw c d / groups."""
        return self.n * math.prod(self.window.stops) * self.window.patch * self.d


class Ways(Protocol):
    """What a way needs of the backend that it is of."""

    tuning: Tuning
    moves: Moves

    def choose(self, function: str, window: Window, n: int, d: int) -> "Way":
        """The first way that pays."""


class Way:
    """One way to compute some of the three functions of a convolution.

    name   in one word or two    why   it pays, in half a sentence
    """

    name: ClassVar[str]
    why: ClassVar[str]

    def __init__(self, case: Case, ways: Ways) -> None:
        self.case, self.window, self.ways = case, case.window, ways
        self.tuning, self.moves = ways.tuning, ways.moves

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Whether it is the faster way to compute "conv", "conv_dx" or "conv_dW"."""
        raise NotImplementedError

    def multiplications(self, function: str) -> int:
        """How many the function takes."""
        return self.case.multiplications

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out = im2col(x) W.    x: (n, h, w, c)   W: (kh kw c, d)   out: (n, oh, ow, d)"""
        raise NotImplementedError

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out = col2im(dy W^T).    dy: (n, oh, ow, d)   W: (kh kw c, d)   out: (n, h, w, c)"""
        raise NotImplementedError

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out = im2col(x)^T dy.    x: (n, h, w, c)   dy: (n, oh, ow, d)   out: (kh kw c, d)"""
        raise NotImplementedError

    def blocks(self, n: int, columns: int | None = None, window: Window | None = None) -> list[tuple[int, int]]:
        """n images in blocks (start, stop) of about `tuning.columns` entries of im2col(x), and at least `tuning.rows`
        rows, which a product needs to be fast.    columns: of im2col(x), by default kh kw c   window: if another
        """
        rows = math.prod((window or self.window).stops)
        images = max(1, round(max(self.tuning.columns / (columns or self.window.patch), self.tuning.rows) / rows))
        return shared_blocks(n, images, self.tuning.threads)
