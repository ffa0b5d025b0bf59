"""Arrays in the computer's memory. NumPy runs elementwise work on one core; here, long vectors go over all of them."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, ClassVar

import numpy as np

from .base import Array, Backend

# Elements of a block. Smaller ones spend their time handing Python's lock from thread to thread, larger ones do not fit
# a core's cache; below the smallest, waking another thread costs more than it helps.
BLOCK, SMALLEST_BLOCK = 262_144, 65_536
FEW_ROWS = 64


def usable_cores() -> int:
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """A pool of threads, made at the first use and made anew in a forked child, where threads do not survive."""

    def __init__(self) -> None:
        self.count = usable_cores()
        self.pool: ThreadPoolExecutor | None = None
        self.process = 0

    def run(self, task: Callable[[int, int], None], size: int) -> None:
        """task(start, stop) over 0 ... size in equal blocks. Each thread takes the next when it is done with one."""
        threads = max(1, min(self.count, size // SMALLEST_BLOCK))
        blocks = threads * max(1, round(size / (threads * BLOCK)))
        bounds = [size * block // blocks for block in range(blocks + 1)]
        todo = iter(list(zip(bounds, bounds[1:], strict=False)))  # shared: Python's lock makes taking the next one safe

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


WORKERS = Workers()  # one pool a process: networks and backends share it, so that cores are never oversubscribed
SCRATCH = threading.local()


def scratch(size: int, dtype: Any) -> Array:
    """This thread's own buffer of `size` elements, to be used before the thread asks again."""
    held = getattr(SCRATCH, "held", None)
    if held is None or held.dtype != dtype or len(held) < size:
        held = SCRATCH.held = np.empty(max(size, BLOCK), dtype)
    return held[:size]


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
        transposed = scratch(out.size, out.dtype).reshape(out.shape[::-1])
        out[...] = np.matmul(b.T, a.T, out=transposed).T
        return out

    def adam(self, p: Array, g: Array, m: Array, v: Array, beta1: float, beta2: float, rate: float, eps: float) -> None:
        """The same update, block by block, on all cores, without temporaries."""

        def block(start: int, stop: int) -> None:
            part = slice(start, stop)
            pb, gb, mb, vb = p[part], g[part], m[part], v[part]
            update = scratch(stop - start, p.dtype)
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

        WORKERS.run(block, len(p))
