"""Arrays in main memory: the methods of base.py, computed in blocks that fit a cache, by all cores of the CPU."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from .base import Array, Backend
from .convolution import Window, add_kernel_row, few_outputs, gathering_pays, im2col, padded_with_zeros, patches, phases
from .products import product, product_into
from .kernels import Kernel
from .numpy_random import NumpyRandom
from .numpy_sums import IN_PARTS
from .rows import in_long_rows
from .sums import Sums
from .tuning import Tuning
from .winograd import winograd
from .workers import (
    WORKERS,
    equal_blocks,
    on_all_cores,
    over_rows,
    scratch,
    shared_blocks,
    sum_of_shares,
)

# Sizes at which one way of computing becomes faster than another; measured.
FEW_ROWS = 64  # rows of a up to which `matmul` computes a b as (b^T a^T)^T
COLS, ROWS = 500_000, 512  # a block of images has about COLS entries of im2col(x), but at least ROWS rows
FEW_COLUMNS = 64  # with fewer columns in its result, a matrix product is slow
FEW_PATCHES = 5  # up to so many patches for each column of W, the cores divide the rows of dW, and not the images


class NumpyBackend(Backend):
    """NumPy on the CPU."""

    name: ClassVar[str] = "numpy"
    xp = np

    def __init__(self, tuning: Tuning | None = None) -> None:
        super().__init__()
        self.tuning = tuning or Tuning.of_this_machine()
        self.random = NumpyRandom(self, self.tuning)

    def __reduce__(self) -> tuple[Any, ...]:
        return shared_backend, ()

    def _matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b; for few rows of a and a transposed b, as in dx = dy W^T, computed as (b^T a^T)^T.

        a: (n, k)   b: (k, d)   out: (n, d)

        That is the same product. Up to 64 rows, OpenBLAS takes 0.7 to 0.85 of the time for it, including the copy into
        out; at 128 rows both take the same time, and beyond that it is slower.
        """
        if len(a) > FEW_ROWS or b.flags.c_contiguous:
            return product(a, b, out=out)
        transposed = scratch("transposed", out.shape[::-1], out.dtype)
        out[...] = product(b.T, a.T, out=transposed).T
        return out

    def _elementwise(
        self,
        formula: Callable[..., None],
        arrays: Sequence[Array],
        vectors: Sequence[Array],
        kernel: Kernel | None,
        work: int,
        settings: dict[str, Any],
    ) -> None:
        """The formula in blocks that fit a core's cache, on as many cores as pay."""
        for rows, stretched in in_long_rows(arrays, vectors):

            def block(start: int, stop: int, rows: list[Array] = rows, stretched: list[Array] = stretched) -> None:
                parts = [row[start:stop] for row in rows]
                more = (scratch(f"work {i}", parts[0].shape, parts[0].dtype) for i in range(work))
                formula(*parts, *stretched, *more)

            over_rows(block, rows[0].shape, len(rows) + work, self.tuning)

    def _sums(self, sums: Sums, arguments: tuple[Array, ...]) -> tuple[Array, ...]:
        """Of parts, on all cores, and then of their sums, in order. Sums of your own are computed as a whole."""
        if sums not in IN_PARTS:
            return super()._sums(sums, arguments)
        of_part, of_parts = IN_PARTS[sums]
        count, found = len(sums.arrays.split()), {}

        def task(start: int, stop: int) -> None:
            found[start] = of_part(*(array[start:stop] for array in arguments[:count]), *arguments[count:])

        over_rows(task, arguments[0].shape, count, self.tuning)
        return of_parts([found[start] for start in sorted(found)])

    def _conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """out = im2col(x) W.    x: (n, h, w, c)   W: (kh kw c, d)   out: (n, oh, ow, d)

        By Winograd's algorithms where they pay (winograd.py), by `_add_taps` for few outputs, and otherwise a block of
        images at a time: its patches stay in the cache, and every core copies and multiplies blocks of its own.
        """
        if fast := winograd(window, len(x), W.shape[1]):
            return fast.conv(x, W, out)
        if few_outputs(window, x.shape[3], W.shape[1]):
            return self._add_taps(x, W, window, out)

        def block(start: int, stop: int) -> None:
            cols = self._im2col(x[start:stop], window)
            product(cols, W, out=out[start:stop].reshape(len(cols), -1))

        on_all_cores(block, image_blocks(len(x), window))
        return out

    def _add_taps(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """`conv` with stride 1, where d is small: first multiply every pixel by every tap, then add up.

        y[i, j] = sum over u, v of  z[u, v, i + u, j + v],   z[u, v] = W[u, v]^T x

        x: (n, h, w, c)   z: (kh kw, d, n h w)   out: (n, oh, ow, d).  For each pixel kh kw d numbers are written, where
        im2col would write kh kw c. A row of z holds the pixels of all images, one after the other, so that tap (u, v)
        is an offset of u w + v. Sums that reach over the right edge of an image, into its next row, belong to no stop
        and are left out.
        """
        (kh, kw), (h, w, c), (oh, ow) = window.kernel, window.padded, window.stops
        taps = np.ascontiguousarray(W.reshape(kh * kw, c, -1).transpose(0, 2, 1)).reshape(-1, c)

        def block(start: int, stop: int) -> None:
            padded = scratch("padded", (stop - start, h, w, c), x.dtype)
            pixels = padded_with_zeros(x[start:stop], window, padded).reshape(-1, c)
            z = product(taps, pixels.T, out=scratch("cols", (len(taps), len(pixels)), x.dtype))
            first, *others = z.reshape(kh * kw, -1, len(pixels))
            for tap, part in enumerate(others, start=1):
                offset = tap // kw * w + tap % kw
                first[:, : len(pixels) - offset] += part[:, offset:]
            out[start:stop] = first.reshape(-1, stop - start, h, w)[:, :, :oh, :ow].transpose(1, 2, 3, 0)

        on_all_cores(block, image_blocks(len(x), window, c + len(taps)))
        return out

    def _conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """out = col2im(dy W^T).    dy: (n, oh, ow, d)   W: (kh kw c, d)   out: (n, h, w, c)

        By Winograd's algorithms where they pay, by `_gather_dx` where that moves fewer numbers, and otherwise a block
        of images at a time, whose patches are added where they overlap.
        """
        if fast := winograd(window, len(dy), W.shape[1]):
            return fast.conv_dx(dy, W, out)
        if gathering_pays(dy, W, window) and (found := phases(window, W.shape[1])):
            return self._gather_dx(dy, W, window, *found, out)

        kh, kw_c = window.kernel[0], len(W) // window.kernel[0]
        together = 1 if kw_c >= FEW_COLUMNS else kh  # kernel rows in one product: fewer fit the cache better
        kernel = W.reshape(kh // together, together * kw_c, -1)

        def block(start: int, stop: int) -> None:
            rows = dy[start:stop].reshape(-1, W.shape[1])
            whole = scratch("padded", (stop - start, *window.padded), W.dtype)
            whole[...] = 0
            seen = patches(np, whole, window)
            for row in range(0, kh, together):
                cols = scratch("cols", (len(rows), together * kw_c), W.dtype)
                product(rows, kernel[row // together].T, out=cols)
                cols = cols.reshape(*seen.shape[:3], together, kw_c)
                for i in range(together):
                    add_kernel_row(np, cols[:, :, :, i], row + i, window, seen)
            out[start:stop] = whole[window.inside]

        on_all_cores(block, image_blocks(len(out), window, together * kw_c))
        return out

    def _gather_dx(self, dy: Array, W: Array, window: Window, over: Window, parts: list[Any], out: Array) -> Array:
        """`conv_dx` by `phases`: one product of the patches of dy, (n oh ow, taps d), and the turned kernels of all
        phases, (taps d, phases c); each phase then writes its own pixels of out.

        dy: (n, oh, ow, d)   W: (kh kw c, d)   out: (n, h, w, c)
        """
        c = window.image[2]
        kernel = W.reshape(*window.kernel, c, -1).transpose(0, 1, 3, 2)
        turned = np.concatenate([kernel[taps][::-1, ::-1].reshape(-1, c) for _, taps, _ in parts], axis=1)
        if len(parts) == 1:
            return self._conv(dy, turned, over, out)

        def block(start: int, stop: int) -> None:
            cols = self._im2col(dy[start:stop], over)
            made = product(cols, turned, out=scratch("pixels", (len(cols), len(parts) * c), W.dtype))
            made = made.reshape(stop - start, *over.stops, len(parts), c)
            for i, (pixels, _, stops) in enumerate(parts):
                out[start:stop, *pixels] = made[:, *stops, i]

        on_all_cores(block, image_blocks(len(out), over, over.patch + turned.shape[1]))
        return out

    def _conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """out = im2col(x)^T dy.    x: (n, h, w, c)   dy: (n, oh, ow, d)   out: (kh kw c, d)

        By Winograd's algorithms where they pay. For few outputs, by the dW of the convolution with x and dy exchanged.
        Otherwise every core sums over its own share of the images, and the shares are added in order, so that the
        result does not depend on which core was faster. If there are few patches for the size of W, every core computes
        some rows of dW instead (`_parts_of_dW`).
        """
        if fast := winograd(window, len(x), out.shape[1], gradient=True):
            return fast.conv_dW(x, dy, out)
        if few_outputs(window, x.shape[3], out.shape[1]) and (found := phases(window, out.shape[1])):
            turned = self._conv_dW(dy, x, found[0], np.empty((out.size // x.shape[3], x.shape[3]), out.dtype))
            kernel = turned.reshape(*window.kernel, out.shape[1], x.shape[3])[::-1, ::-1].transpose(0, 1, 3, 2)
            out.reshape(kernel.shape)[...] = kernel
            return out

        if len(x) * math.prod(window.stops) <= FEW_PATCHES * out.shape[1]:
            return self._parts_of_dW(x, dy, window, out)

        def add_part(images: slice, total: Array, add: bool) -> None:
            cols = self._im2col(x[images], window)
            product_into(cols.T, dy[images].reshape(len(cols), -1), total, add)

        return sum_of_shares(add_part, len(x), lambda n: image_blocks(n, window), out)

    def _parts_of_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """`conv_dW` in which every core copies the patches of some images, and then computes some rows of dW: there is
        nothing to add up, and no second array of the size of dW.
        """
        cols = scratch("cols", (len(x), math.prod(window.stops), window.patch), x.dtype)
        rows, change = cols.reshape(-1, window.patch), dy.reshape(-1, out.shape[1])

        def lay_out(start: int, stop: int) -> None:
            self._im2col(x[start:stop], window, out=cols[start:stop])

        def multiply(start: int, stop: int) -> None:
            product(rows[:, start:stop].T, change, out=out[start:stop])

        over_rows(lay_out, cols.shape, 1, self.tuning)
        on_all_cores(multiply, equal_blocks(len(out), min(WORKERS.count, len(out))))
        return out

    def _im2col(self, x: Array, window: Window, out: Array = None) -> Array:
        """The patches of x, a row each, in `out` or else scratch memory.    (n, h, w, c) -> (n oh ow, kh kw c)"""
        padded = scratch("padded", (len(x), *window.padded), x.dtype)
        if out is None:
            out = scratch("cols", (len(x) * math.prod(window.stops), window.patch), x.dtype)
        return im2col(np, x, window, padded, out=out)


def image_blocks(n: int, window: Window, columns: int | None = None) -> list[tuple[int, int]]:
    """n images in blocks (start, stop) of about COLS entries of im2col(x), and at least ROWS rows, which a product
    needs to be fast.    columns: of im2col(x), by default kh kw c
    """
    rows = math.prod(window.stops)
    images = max(1, round(max(COLS / (columns or window.patch), ROWS) / rows))
    return shared_blocks(n, images)


@functools.cache
def shared_backend() -> NumpyBackend:
    """The one object of this process."""
    return NumpyBackend()
