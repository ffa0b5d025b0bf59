"""What the ways of a convolution copy and add, by compiled loops where those are faster."""

import math

import numpy as np

from . import compiled_kernels as loops
from .base import Array
from .convolution import Window
from .moves import Moves
from .scratch import scratch


class CompiledMoves(Moves):
    """NumPy copies wide patches as fast as memory goes; adding them, and copying narrow ones, is slow in NumPy."""

    def patches_of_groups(self, x: Array, groups: int, window: Window) -> Array:
        """The patches of each group of channels, in scratch memory.    window: of one group

        (n, h, w, groups c) -> (groups, n oh ow, kh kw c)
        """
        n, (h, w, c), (top, left) = len(x), window.padded, (side[0] for side in window.padding)
        padded = scratch("padded", (groups, n, h, w, c), x.dtype)
        if window.padded != window.image:
            padded[...] = 0
        loops.split_groups(x, top, left, padded)
        (oh, ow), (kh, kw), (sh, sw) = window.stops, window.kernel, window.stride
        cols = scratch("cols", (groups * n, oh, ow, kh, kw * c), x.dtype)
        loops.copy_patches(padded.reshape(groups * n, h, w * c), sh, sw * c, cols)
        return cols.reshape(groups, n * math.prod(window.stops), window.patch)

    def split(self, x: Array, groups: int, name: str) -> Array:
        """The channels of each group by themselves, in scratch memory of this name.

        (n, h, w, groups c) -> (groups, n, h, w, c)
        """
        parts = scratch(f"groups of the {name}", (groups, *x.shape[:3], x.shape[3] // groups), x.dtype)
        loops.split_groups(x, 0, 0, parts)
        return parts

    def join(self, parts: Array, out: Array) -> None:
        """The way back.    parts: (groups, n h w, c)   out: (n, h, w, groups c)"""
        loops.join_groups(parts, out.reshape(-1, out.shape[-1]))

    def sum_taps(self, padded: Array, W: Array, window: Window, out: Array) -> None:
        """As in Moves, pixel by pixel of out."""
        loops.sum_taps(padded, W.reshape(*window.kernel, -1), *window.stride, out)

    def add_taps(self, dy: Array, W: Array, window: Window, padded: Array) -> None:
        """As in Moves, pixel by pixel of dy."""
        loops.add_taps(dy, W.reshape(*window.kernel, -1), *window.stride, padded)

    def sums_of_taps(self, padded: Array, dy: Array, window: Window, out: Array) -> None:
        """As in Moves; summed in float64."""
        sums = np.zeros((*window.kernel, out.shape[1]))
        loops.sums_of_taps(padded, dy, *window.stride, sums)
        out[...] = sums.reshape(out.shape)

    def add_rows(self, cols: Array, row: int, window: Window, padded: Array) -> None:
        """Add the entries of some rows of the kernel to the pixels under them, from kernel row `row` on.

        cols: (n oh ow, rows kw c)   padded: (n, h, w, c), with the border
        """
        (sh, sw), c = window.stride, window.image[2]
        cols = cols.reshape(len(padded), *window.stops, -1, window.kernel[1] * c)
        loops.add_patches(cols, padded.reshape(*padded.shape[:2], -1), row, sh, sw * c)
