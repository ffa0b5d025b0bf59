"""Depthwise convolutions: every channel for itself, tap by tap."""

import numpy as np

from ..base import Array
from ..blas import product
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
        kernels = self._kernels(W)

        def block(start: int, stop: int) -> None:
            padded = self._padded(x[start:stop])
            part = scratch("part of a sum", (stop - start, *self.window.stops, self.case.c), x.dtype)
            for kernel, y in zip(kernels, self._outputs(out[start:stop]), strict=True):
                y[...] = 0
                for tap, weights in enumerate(kernel):
                    y += np.multiply(self._under(padded, tap), weights, out=part)

        on_all_cores(block, self._blocks(len(x)), self.tuning)
        return out

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out: (n, h, w, c).    dy: (n, oh, ow, k c)   W: (kh kw, k c)"""
        kernels = self._kernels(W)

        def block(start: int, stop: int) -> None:
            whole = scratch("padded", (stop - start, *self.window.padded), W.dtype)
            part = scratch("part of a sum", (stop - start, *self.window.stops, self.case.c), W.dtype)
            whole[...] = 0
            for kernel, change in zip(kernels, self._outputs(dy[start:stop]), strict=True):
                for tap, weights in enumerate(kernel):
                    under = self._under(whole, tap)
                    under += np.multiply(change, weights, out=part)
            out[start:stop] = whole[self.window.inside]

        on_all_cores(block, self._blocks(len(dy)), self.tuning)
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out: (kh kw, k c).    x: (n, h, w, c)   dy: (n, oh, ow, k c).  The sums over blocks are added in order."""
        blocks = self._blocks(len(x))
        sums = np.empty((len(blocks), *out.shape), out.dtype)

        def block(start: int, stop: int) -> None:
            padded = self._padded(x[start:stop])
            part = scratch("part of a sum", (stop - start, *self.window.stops, self.case.c), x.dtype)
            ones = np.ones((1, part.size // self.case.c), x.dtype)
            kernels = self._kernels(sums[blocks.index((start, stop))])
            for kernel, change in zip(kernels, self._outputs(dy[start:stop]), strict=True):
                for tap, total in enumerate(kernel):
                    np.multiply(self._under(padded, tap), change, out=part)
                    total[...] = product(ones, part.reshape(-1, self.case.c), out=np.empty((1, self.case.c), x.dtype))[0]

        on_all_cores(block, blocks, self.tuning)
        return np.sum(sums, axis=0, out=out)

    def _kernels(self, W: Array) -> Array:
        """The first outputs of all channels, the second ones, ...: a view (k, kh kw, c)."""
        return W.reshape(len(W), self.case.c, -1).transpose(2, 0, 1)

    def _outputs(self, y: Array) -> Array:
        """The same of y: (k, n, oh, ow, c)."""
        return np.moveaxis(y.reshape(*y.shape[:3], self.case.c, -1), 4, 0)

    def _padded(self, x: Array) -> Array:
        return padded_with_zeros(x, self.window, scratch("padded", (len(x), *self.window.padded), x.dtype))

    def _under(self, padded: Array, tap: int) -> Array:
        """The pixels under a tap, at all stops: a view (n, oh, ow, c)."""
        (u, v), (oh, ow), (sh, sw) = divmod(tap, self.window.kernel[1]), self.window.stops, self.window.stride
        return padded[:, u : u + (oh - 1) * sh + 1 : sh, v : v + (ow - 1) * sw + 1 : sw]

    def _blocks(self, n: int) -> list[tuple[int, int]]:
        """n images in blocks that stay in a cache, whatever the threads."""
        h, w, c = self.window.padded
        return equal_blocks(n, min(n, -(-4 * n * h * w * c // self.tuning.columns)))
