"""Copies between images and patches, as NumPy makes them; a backend may have faster ones."""

import math

import numpy as np

from .base import Array
from .blas import product
from .convolution import Window, add_kernel_row, im2col, patches
from .scratch import scratch


class Moves:
    """NumPy's: strided views, copied and added; and of depthwise convolutions, where nothing is laid out, all of it."""

    def im2col(self, x: Array, window: Window, out: Array = None) -> Array:
        """The patches of x, a row each, in `out` or else scratch memory.    (n, h, w, c) -> (n oh ow, kh kw c)"""
        padded = scratch("padded", (len(x), *window.padded), x.dtype)
        if out is None:
            out = scratch("cols", (len(x) * math.prod(window.stops), window.patch), x.dtype)
        return im2col(np, x, window, padded, out=out)

    def patches_of_groups(self, x: Array, groups: int, window: Window) -> Array:
        """The patches of each group of channels, in scratch memory.    window: of one group

        (n, h, w, groups c) -> (groups, n oh ow, kh kw c)
        """
        parts = self.split(x, groups, "image").reshape(groups * len(x), *x.shape[1:3], -1)
        return self.im2col(parts, window).reshape(groups, -1, window.patch)

    def split(self, x: Array, groups: int, name: str) -> Array:
        """The channels of each group by themselves, in scratch memory of this name.

        (n, h, w, groups c) -> (groups, n, h, w, c)
        """
        parts = x.reshape(*x.shape[:3], groups, -1).transpose(3, 0, 1, 2, 4)
        out = scratch(f"groups of the {name}", parts.shape, x.dtype)
        out[...] = parts
        return out

    def join(self, parts: Array, out: Array) -> None:
        """The way back.    parts: (groups, n h w, c)   out: (n, h, w, groups c)"""
        groups, _, c = parts.shape
        out.reshape(-1, groups, c)[...] = parts.transpose(1, 0, 2)

    def sum_taps(self, padded: Array, W: Array, window: Window, out: Array) -> None:
        """out = the sum over the taps of the pixels under each, times its weights.

        padded: (n, h, w, c)   W: (kh kw, c)   out: (n, oh, ow, c)
        """
        part = scratch("part of a sum", out.shape, out.dtype)
        out[...] = 0
        for tap, weights in enumerate(W):
            out += np.multiply(under_tap(padded, tap, window), weights, out=part)

    def add_taps(self, dy: Array, W: Array, window: Window, padded: Array) -> None:
        """Add dy times the weights of each tap to the pixels under it.    shapes as in `sum_taps`"""
        part = scratch("part of a sum", dy.shape, dy.dtype)
        for tap, weights in enumerate(W):
            under = under_tap(padded, tap, window)
            under += np.multiply(dy, weights, out=part)

    def sums_of_taps(self, padded: Array, dy: Array, window: Window, out: Array) -> None:
        """out = for each tap, the sum over all stops of dy times the pixels under it.    out: (kh kw, c)"""
        part = scratch("part of a sum", dy.shape, dy.dtype)
        rows = part.reshape(-1, out.shape[1])
        ones = np.ones((1, len(rows)), part.dtype)
        for tap in range(len(out)):
            np.multiply(under_tap(padded, tap, window), dy, out=part)
            product(ones, rows, out=out[tap : tap + 1])

    def add_rows(self, cols: Array, row: int, window: Window, padded: Array) -> None:
        """Add the entries of some rows of the kernel to the pixels under them, from kernel row `row` on.

        cols: (n oh ow, rows kw c)   padded: (n, h, w, c), with the border
        """
        seen = patches(np, padded, window)
        cols = cols.reshape(*seen.shape[:3], -1, seen.shape[4])
        for i in range(cols.shape[3]):
            add_kernel_row(np, cols[:, :, :, i], row + i, window, seen)


def under_tap(padded: Array, tap: int, window: Window) -> Array:
    """The pixels under a tap, at all stops: a view (n, oh, ow, c).    padded: (n, h, w, c)"""
    (u, v), (oh, ow), (sh, sw) = divmod(tap, window.kernel[1]), window.stops, window.stride
    return padded[:, u : u + (oh - 1) * sh + 1 : sh, v : v + (ow - 1) * sw + 1 : sw]
