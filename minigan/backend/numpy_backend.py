"""Arrays in the computer's memory. NumPy runs elementwise work on one core; here, long vectors go over all of them."""

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import cache
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController

from .base import Array, Backend
from .convolution import Window, col2im, im2col

# Elements of a block. Smaller ones spend their time handing Python's lock from thread to thread, larger ones do not fit
# a core's cache; below the smallest, waking another thread costs more than it helps.
BLOCK, SMALLEST_BLOCK = 262_144, 65_536
FEW_ROWS, LONG_ROW = 64, 1024
COLS, ROWS = 500_000, 512  # of the patches in one block of a convolution


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """A pool of threads, made at the first use and made anew in a forked child, where threads do not survive."""

    def __init__(self) -> None:
        self.count = usable_cores()
        self.pool: ThreadPoolExecutor | None = None
        self.process = 0

    def run(self, task: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
        """task(start, stop) for every block. Each thread takes the next when it is done with one."""
        threads = min(self.count, len(blocks))
        todo = iter(blocks)  # shared: Python's lock makes taking the next one safe

        def work() -> None:
            for start, stop in todo:
                task(start, stop)

        if threads == 1:
            return work()
        if self.pool is None or self.process != os.getpid():
            self.pool, self.process = ThreadPoolExecutor(self.count, thread_name_prefix="minigan"), os.getpid()
        # In a copy of this thread's context, which holds what NumPy's errstate was set to.
        others = [self.pool.submit(copy_context().run, work) for _ in range(threads - 1)]
        try:
            work()  # the calling thread works too
        finally:
            wait(others)
        for other in others:
            other.result()
        return None

    def run_elements(self, task: Callable[[int, int], None], size: int) -> None:
        """task(start, stop) over a long vector."""
        threads = max(1, min(self.count, size // SMALLEST_BLOCK))
        self.run(task, equal_blocks(size, threads * max(1, round(size / (threads * BLOCK)))))


def equal_blocks(size: int, count: int) -> list[tuple[int, int]]:
    """0 ... size in `count` pieces (start, stop) of about the same length."""
    bounds = [size * block // count for block in range(count + 1)]
    return list(zip(bounds, bounds[1:], strict=False))


WORKERS = Workers()  # one pool a process: networks and backends share it, so that cores are never oversubscribed
SCRATCH = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """This thread's own buffer of this name, to be used before the thread asks for the name again."""
    held = SCRATCH.__dict__.setdefault("held", {})
    size = math.prod(shape)
    buffer = held.get((name, dtype))
    if buffer is None or len(buffer) < size:
        buffer = held[name, dtype] = np.empty(size, dtype)
    return buffer[:size].reshape(shape)


@cache
def blas() -> Any:
    """NumPy's BLAS, whose number of threads can be set."""
    return ThreadpoolController().select(user_api="blas")


class NumpyBackend(Backend):
    """NumPy on the CPU."""

    name: ClassVar[str] = "numpy"
    xp = np

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

    def sum_rows(self, x: Array) -> Array:
        """The same. NumPy adds row to row, and short rows cost ten times what long ones do: many are taken as one."""
        c = x.shape[-1]
        rows = x.reshape(-1, c)
        together = max(1, LONG_ROW // c)
        whole = len(rows) // together * together
        total = rows[:whole].reshape(-1, together * c).sum(axis=0).reshape(together, c).sum(axis=0)
        return total + rows[whole:].sum(axis=0)

    def adam(self, p: Array, g: Array, m: Array, v: Array, beta1: float, beta2: float, rate: float, eps: float) -> None:
        """The same update, block by block, on all cores, without temporaries."""

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
            update *= rate
            pb -= update

        WORKERS.run_elements(block, len(p))

    def conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """The same, some images at a time: their patches stay in the cache, and all cores copy and multiply."""

        def block(start: int, stop: int) -> None:
            cols = self.im2col(x[start:stop], window)
            np.matmul(cols, W, out=out[start:stop].reshape(len(cols), -1))

        on_all_cores(block, image_blocks(len(x), window))
        return out

    def conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """The same, some images at a time; for stride 1 as a convolution of dy, which gathers and adds nothing up."""
        mirror = mirrored(window, W.shape[1])
        if mirror is not None:
            turned = W.reshape(*window.kernel, window.image[2], -1)[::-1, ::-1].transpose(0, 1, 3, 2)
            return self.conv(dy, np.ascontiguousarray(turned).reshape(mirror.patch, -1), mirror, out)

        def block(start: int, stop: int) -> None:
            rows = dy[start:stop].reshape(-1, W.shape[1])
            cols = np.matmul(rows, W.T, out=scratch("cols", (len(rows), len(W)), W.dtype))
            padded = scratch("padded", (stop - start, *window.padded), W.dtype)
            col2im(np, cols, window, padded, out[start:stop])

        on_all_cores(block, image_blocks(len(out), window))
        return out

    def conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """The same, some images at a time. Every core adds up its own share of the images, and the shares are added in
        order: which core was faster changes no bit.
        """
        shares = equal_blocks(len(x), min(WORKERS.count, len(x)))
        sums = {first: np.empty_like(out) if first else out for first, _ in shares}

        def share(first: int, last: int) -> None:
            total = sums[first]
            for start, stop in image_blocks(last - first, window):
                images = slice(first + start, first + stop)
                cols = self.im2col(x[images], window)
                into = total if start == 0 else scratch("dW", out.shape, out.dtype)
                np.matmul(cols.T, dy[images].reshape(len(cols), -1), out=into)
                if into is not total:
                    total += into

        on_all_cores(share, shares)
        for first, _ in shares[1:]:
            out += sums[first]
        return out

    def im2col(self, x: Array, window: Window) -> Array:
        """The same, into this thread's scratch."""
        padded = scratch("padded", (len(x), *window.padded), x.dtype)
        rows = len(x) * math.prod(window.stops)
        return im2col(np, x, window, padded, out=scratch("cols", (rows, window.patch), x.dtype))


def on_all_cores(task: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
    """task(start, stop) for every block, each on one core; a single block has the BLAS's own threads instead."""
    if len(blocks) == 1:
        task(*blocks[0])
    else:
        with blas().limit(limits=1):
            WORKERS.run(task, blocks)


def mirrored(window: Window, d: int) -> Window | None:
    """The window over dy, of d channels, through which the kernel, turned by 180 degrees, makes dx; for stride 1.

    None also where dx is much larger than dy, whose patches would then be zeros for the most part.
    """
    (top, bottom), (left, right) = window.padding
    kh, kw = window.kernel
    around = (kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right)
    grown = math.prod(window.image[:2]) > 2 * math.prod(window.stops)
    if window.stride != (1, 1) or min(*around[0], *around[1]) < 0 or grown:
        return None
    return Window((*window.stops, d), window.kernel, (1, 1), around)


def image_blocks(n: int, window: Window) -> list[tuple[int, int]]:
    """n images in blocks whose patches make some COLS numbers, with enough rows for the matrix product to pay."""
    rows = math.prod(window.stops)
    images = max(1, round(max(COLS / window.patch, ROWS) / rows))
    count = -(-n // images)
    return equal_blocks(n, min(n, -(-count // WORKERS.count) * WORKERS.count))
