"""Arrays in the computer's memory: the plain bodies again, in blocks that fit a cache, on all cores."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .base import Array, Backend, adam_step
from .convolution import Window, add_kernel_row, im2col, patches, phases
from .winograd import winograd
from .workers import WORKERS, equal_blocks, on_all_cores, scratch, shared_blocks, sum_of_shares

FEW_ROWS, LONG_ROW, SMALL_BLOCK, MANY = 64, 1024, 131_072, 2_000_000
COLS, ROWS = 500_000, 512  # of the patches in one block of a convolution
FEW_COLUMNS = 64  # in a matrix product: below, it is slow


class NumpyBackend(Backend):
    """NumPy on the CPU."""

    name: ClassVar[str] = "numpy"
    xp = np

    def __init__(self) -> None:
        WORKERS.count  # noqa: B018 - a MINIGAN_THREADS that is no number is told here, and not in the middle of a run

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b. For few rows and a transposed b, as in dx = dy W^T, as the transpose of b^T a^T.

        That is the same product, but OpenBLAS does it in 0.7 to 0.85 of the time up to 64 rows, the copy counted; it
        is level at 128 rows, and slower beyond.
        """
        if len(a) > FEW_ROWS or b.flags.c_contiguous:
            return np.matmul(a, b, out=out)
        transposed = scratch("transposed", out.shape[::-1], out.dtype)
        out[...] = np.matmul(b.T, a.T, out=transposed).T
        return out

    def over_batch(self, task: Callable[[slice], None], shape: tuple[int, ...]) -> None:
        """The same, some samples at a time: as many as fit a core's cache, on all cores."""
        over_samples(lambda start, stop: task(slice(start, stop)), shape)

    def sum_rows(self, part_of: Callable[[slice], Array], shape: tuple[int, ...]) -> Array:
        """The same, some samples at a time, on all cores; the parts are added in order, whichever was ready first."""
        sums = np.array(self._of_parts(lambda part: sum_short_rows(part_of(part)), shape))
        return sums.sum(axis=0)

    def moments(self, x: Array) -> tuple[Array, Array]:
        """The same, in one pass over memory: mean and squares of each part, put together by Chan et al. 1979."""

        def part_of(part: slice) -> tuple[int, Array, Array]:
            m = x[part].size // x.shape[-1]
            mean = sum_short_rows(x[part]) / m
            centred = np.subtract(x[part], mean, out=scratch("centred", x[part].shape, x.dtype))
            centred *= centred
            return m, mean, sum_short_rows(centred)

        parts = self._of_parts(part_of, x.shape)
        total = sum(m for m, _, _ in parts)
        mean = sum(m * mean for m, mean, _ in parts) / total
        squares = sum(square + m * (part_mean - mean) ** 2 for m, part_mean, square in parts)
        return mean, squares / total

    def _of_parts(self, part_of: Callable[[slice], Any], shape: tuple[int, ...]) -> list[Any]:
        """What `part_of` returns for each part, in order."""
        found: dict[int, Any] = {}

        def task(start: int, stop: int) -> None:
            found[start] = part_of(slice(start, stop))

        over_samples(task, shape)
        return [found[start] for start in sorted(found)]

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, t: int, rate: Array, beta1: float, beta2: float, eps: float
    ) -> None:
        """The same update, block by block, on all cores, without temporaries."""
        step, eps = adam_step(t, float(rate), beta1, beta2, eps)

        def block(start: int, stop: int) -> None:
            part = slice(start, stop)
            pb, gb, mb, vb = p[part], g[part], m[part], v[part]
            update = scratch("update", (stop - start,), p.dtype)
            mb *= beta1
            mb += gb
            np.multiply(gb, gb, out=update)
            vb *= beta2
            vb += update
            np.sqrt(vb, out=update)
            update += eps
            np.divide(mb, update, out=update)
            update *= step
            pb -= update

        WORKERS.run_elements(block, len(p))

    def conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """The same, some images at a time: their patches stay in the cache, and all cores copy and multiply."""
        if fast := winograd(window, len(x), W.shape[1]):
            return fast.conv(x, W, out)

        def block(start: int, stop: int) -> None:
            cols = self.im2col(x[start:stop], window)
            np.matmul(cols, W, out=out[start:stop].reshape(len(cols), -1))

        on_all_cores(block, image_blocks(len(x), window))
        return out

    def conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """The same, some images at a time; gathered phase by phase where that moves fewer numbers."""
        if fast := winograd(window, len(dy), W.shape[1]):
            return fast.conv_dx(dy, W, out)
        if gathering_pays(dy, W, window) and (parts := phases(window, W.shape[1])):
            return self._gather_dx(dy, W, window, parts, out)

        kh, kw_c = window.kernel[0], len(W) // window.kernel[0]
        together = 1 if kw_c >= FEW_COLUMNS else kh  # rows of the kernel in one product: one stays nearer in the cache
        kernel = W.reshape(kh // together, together * kw_c, -1)

        def block(start: int, stop: int) -> None:
            rows = dy[start:stop].reshape(-1, W.shape[1])
            whole = scratch("padded", (stop - start, *window.padded), W.dtype)
            whole[...] = 0
            seen = patches(np, whole, window)
            for row in range(0, kh, together):
                cols = scratch("cols", (len(rows), together * kw_c), W.dtype)
                np.matmul(rows, kernel[row // together].T, out=cols)
                cols = cols.reshape(*seen.shape[:3], together, kw_c)
                for i in range(together):
                    add_kernel_row(np, cols[:, :, :, i], row + i, window, seen)
            out[start:stop] = whole[window.inside]

        on_all_cores(block, image_blocks(len(out), window, together * kw_c))
        return out

    def _gather_dx(self, dy: Array, W: Array, window: Window, parts: list[Any], out: Array) -> Array:
        c = window.image[2]
        kernel = W.reshape(*window.kernel, c, -1).transpose(0, 1, 3, 2)
        turned = [np.ascontiguousarray(kernel[taps][::-1, ::-1]).reshape(-1, c) for _, taps, _ in parts]
        if len(parts) == 1:
            return self.conv(dy, turned[0], parts[0][2], out)

        def block(start: int, stop: int) -> None:
            for (pixels, _, over), part_of_kernel in zip(parts, turned, strict=True):
                cols = self.im2col(dy[start:stop], over)
                made = np.matmul(cols, part_of_kernel, out=scratch("pixels", (len(cols), c), W.dtype))
                out[start:stop, *pixels] = made.reshape(stop - start, *over.stops, c)

        on_all_cores(block, image_blocks(len(out), window))
        return out

    def conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """The same, some images at a time. Every core adds up its own share of the images, and the shares are added in
        order: which core was faster changes no bit.
        """
        if fast := winograd(window, len(x), out.shape[1], gradient=True):
            return fast.conv_dW(x, dy, out)

        def part_into(images: slice, into: Array) -> None:
            cols = self.im2col(x[images], window)
            np.matmul(cols.T, dy[images].reshape(len(cols), -1), out=into)

        return sum_of_shares(part_into, len(x), lambda n: image_blocks(n, window), out)

    def im2col(self, x: Array, window: Window) -> Array:
        """The same, into this thread's scratch."""
        padded = scratch("padded", (len(x), *window.padded), x.dtype)
        rows = len(x) * math.prod(window.stops)
        return im2col(np, x, window, padded, out=scratch("cols", (rows, window.patch), x.dtype))


def over_samples(task: Callable[[int, int], None], shape: tuple[int, ...]) -> None:
    """task(start, stop) for the samples of a batch in blocks of about SMALL_BLOCK numbers. On one core if it has fewer
    than MANY: to wake the others would take longer than they save.
    """
    blocks = equal_blocks(shape[0], max(1, min(shape[0], math.prod(shape) // SMALL_BLOCK)))
    if math.prod(shape) >= MANY:
        return WORKERS.run(task, blocks)
    for block in blocks:
        task(*block)
    return None


def sum_short_rows(x: Array) -> Array:
    """The sum of all rows (..., c). NumPy adds row to row; short rows cost ten times what long ones do: many as one."""
    c = x.shape[-1]
    rows = x.reshape(-1, c)
    together = max(1, LONG_ROW // c)
    whole = len(rows) // together * together
    total = rows[:whole].reshape(-1, together * c).sum(axis=0).reshape(together, c).sum(axis=0)
    return total + rows[whole:].sum(axis=0)


def gathering_pays(dy: Array, W: Array, window: Window) -> bool:
    """Is dx better gathered than added up? A number gathered, kh kw d at every stop, costs less than half of one added
    up, kh kw c at every stop. Not where dx has many more pixels than dy, whose patches would be zeros mostly;
    nor where W, of which a turned copy is made, is as large as the images.
    """
    (h, w, c), (sh, sw) = window.image, window.stride
    return W.shape[1] <= 2 * c and h * w <= 2 * sh * sw * math.prod(window.stops) and 4 * W.size <= dy.size


def image_blocks(n: int, window: Window, columns: int | None = None) -> list[tuple[int, int]]:
    """n images in blocks whose patches, of `columns` numbers, make some COLS, with rows enough for a product to pay."""
    rows = math.prod(window.stops)
    images = max(1, round(max(COLS / (columns or window.patch), ROWS) / rows))
    return shared_blocks(n, images)
