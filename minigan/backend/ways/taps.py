"""Depthwise convolutions: every channel for itself, tap by tap."""

import numpy as np

from ..base import Array
from ..blocks import equal_blocks, on_all_cores
from ..convolution import padded_with_zeros
from ..scratch import scratch
from ..tuning import Tuning
from .way import Case, Way


class Taps(Way):
    """All three functions of groups of one channel. The pixels under a tap, at all stops, are a view of the image:

        y[i, j] = sum over u, v of  x[i sh + u, j sw + v] * W[u, v],     * for each channel

    With several outputs for each channel, each of them is such a sum by itself. Where the kernel covers the image there
    is one stop, and a view is one pixel of every image.
    """

    name, why = "tap by tap", "each channel is by itself, and there is nothing to multiply matrices for"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """For groups of one channel."""
        return 1 < case.c == case.window.groups

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out: (n, oh, ow, k c).    x: (n, h, w, c)   W: (kh kw, k c)"""
        kernels = self._apart(W)

        def block(start: int, stop: int) -> None:
            padded = self._padded(x[start:stop])
            y = scratch("pixels", (len(kernels), stop - start, *self.window.stops, self.case.c), x.dtype)
            for kernel, one in zip(kernels, y, strict=True):
                self.moves.sum_taps(padded, kernel, self.window, one)
            out[start:stop].reshape(*y.shape[1:], -1)[...] = np.moveaxis(y, 0, 4)

        on_all_cores(block, self._blocks(len(x)), self.tuning)
        return out

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out: (n, h, w, c).    dy: (n, oh, ow, k c)   W: (kh kw, k c)"""
        kernels = self._apart(W)

        def block(start: int, stop: int) -> None:
            whole = scratch("padded", (stop - start, *self.window.padded), W.dtype)
            whole[...] = 0
            for kernel, change in zip(kernels, self._apart(dy[start:stop]), strict=True):
                self.moves.add_taps(change, kernel, self.window, whole)
            out[start:stop] = whole[self.window.inside]

        on_all_cores(block, self._blocks(len(dy)), self.tuning)
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out: (kh kw, k c).    x: (n, h, w, c)   dy: (n, oh, ow, k c).  The sums over blocks are added in order."""
        blocks, (taps, d) = self._blocks(len(x)), out.shape
        sums = np.empty((len(blocks), d // self.case.c, taps, self.case.c), out.dtype)

        def block(start: int, stop: int) -> None:
            padded = self._padded(x[start:stop])
            changes = self._apart(dy[start:stop])
            for change, total in zip(changes, sums[blocks.index((start, stop))], strict=True):
                self.moves.sums_of_taps(padded, change, self.window, total)

        on_all_cores(block, blocks, self.tuning)
        out.reshape(taps, self.case.c, -1)[...] = np.moveaxis(sums.sum(axis=0), 0, 2)
        return out

    def _apart(self, array: Array) -> Array:
        """The first outputs of all channels, the second ones, ...    (..., k c) -> (k, ..., c)"""
        parts = array.reshape(*array.shape[:-1], self.case.c, -1)
        return np.ascontiguousarray(np.moveaxis(parts, -1, 0))

    def _padded(self, x: Array) -> Array:
        return padded_with_zeros(x, self.window, scratch("padded", (len(x), *self.window.padded), x.dtype))

    def _blocks(self, n: int) -> list[tuple[int, int]]:
        """n images in blocks that stay in a cache, whatever the threads."""
        h, w, c = self.window.padded
        return equal_blocks(n, min(n, -(-4 * n * h * w * c // self.tuning.columns)))
