"""Few channels on one side: they are laid out for every tap, and the many are not."""

import math

import numpy as np

from ..base import Array
from ..blas import product
from ..blocks import on_all_cores
from ..convolution import Window, padded_with_zeros, phases
from ..scratch import scratch
from ..tuning import Tuning
from .way import Case, Way


def few_outputs(window: Window, before: int, behind: int, tuning: Tuning) -> bool:
    """Whether a convolution with stride 1 has so many fewer output channels (`behind`) than input channels (`before`)
    that one copy of the outputs for every tap is cheaper than one of the inputs, which is what im2col makes. No if most
    pixels are border or meet few taps, as with a kernel as large as the image.
    """
    h, w, _ = window.padded
    fewer = tuning.fewer * behind <= before
    return fewer and window.stride == (1, 1) and h * w <= tuning.border * math.prod(window.stops)


class FewOutputs(Way):
    """`conv` with stride 1, where d is small: first multiply every pixel by every tap, then add up.

    y[i, j] = sum over u, v of  z[u, v, i + u, j + v],   z[u, v] = W[u, v]^T x

    And `conv_dW`, which is that of the convolution with x and dy exchanged, turned around.
    """

    name, why = "few outputs", "the few outputs are laid out for every tap, not the many inputs"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Where the input has many times as many channels; dW, too, if dy can be laid out."""
        few = few_outputs(case.window, case.c, case.d, tuning)
        return few and (function == "conv" or phases(case.window, case.d) is not None)

    def multiplications(self, function: str) -> int:
        """Of every pixel, its border included, by every tap; of dW as many as ever."""
        window = self.window
        if function != "conv":
            return self.case.multiplications
        return self.case.n * math.prod(window.padded[:2]) * window.patch * self.case.d

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """x: (n, h, w, c)   z: (kh kw, d, n h w)   out: (n, oh, ow, d).  For each pixel kh kw d numbers are written,
        where im2col would write kh kw c. A row of z holds the pixels of all images, one after the other, so that tap
        (u, v) is an offset of u w + v. Sums that reach over the right edge of an image, into its next row, belong to no
        stop and are left out.
        """
        (kh, kw), (h, w, c), (oh, ow) = self.window.kernel, self.window.padded, self.window.stops
        taps = np.ascontiguousarray(W.reshape(kh * kw, c, -1).transpose(0, 2, 1)).reshape(-1, c)

        def block(start: int, stop: int) -> None:
            padded = scratch("padded", (stop - start, h, w, c), x.dtype)
            pixels = padded_with_zeros(x[start:stop], self.window, padded).reshape(-1, c)
            z = product(taps, pixels.T, out=scratch("cols", (len(taps), len(pixels)), x.dtype))
            first, *others = z.reshape(kh * kw, -1, len(pixels))
            for tap, part in enumerate(others, start=1):
                offset = tap // kw * w + tap % kw
                first[:, : len(pixels) - offset] += part[:, offset:]
            out[start:stop] = first.reshape(-1, stop - start, h, w)[:, :, :oh, :ow].transpose(1, 2, 3, 0)

        on_all_cores(block, self.blocks(len(x), c + len(taps)), self.tuning)
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """The dW of the convolution of dy whose output is x, with the taps turned by 180 degrees."""
        (kh, kw), c, d = self.window.kernel, x.shape[3], out.shape[1]
        found = phases(self.window, d)
        assert found is not None  # or it would not pay
        turned = np.empty((kh * kw * d, c), out.dtype)
        self.ways.choose("conv_dW", found[0], len(x), c).conv_dW(dy, x, turned)
        kernel = turned.reshape(kh, kw, d, c)[::-1, ::-1].transpose(0, 1, 3, 2)
        out.reshape(kernel.shape)[...] = kernel
        return out
