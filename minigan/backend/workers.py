"""Threads for NumPy, which computes elementwise operations on one core: here blocks of long arrays go to all cores.

NumPy's BLAS has threads of its own for matrix products. While our threads call it, each call may use one thread only.
MINIGAN_THREADS is the number of threads, ours as well as the BLAS's; by default there is one for each core.
"""

import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from functools import cache, cached_property
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from ..errors import SettingsError

# Entries of a block. With smaller blocks the threads wait for the GIL most of the time; larger ones do not fit a core's
# cache. For less than the smallest block it does not pay to wake another thread.
BLOCK, SMALLEST_BLOCK = 262_144, 65_536
MANY = 1_000_000  # entries of an array from which more than one core pays


def usable_cores() -> int:
    """The number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def wanted_threads() -> int | None:
    """The environment variable MINIGAN_THREADS, or None if it is not set. Raises SettingsError for anything else."""
    value = os.environ.get("MINIGAN_THREADS")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and int(value) > 0):
        raise SettingsError(
            f"environment variable MINIGAN_THREADS is {value!r}; wanted how many threads to compute with, 1 or more"
        )
    return int(value)


class Workers:
    """A pool of threads, started at its first use, and again in a forked child, which inherits no threads."""

    def __init__(self) -> None:
        self.pool: ThreadPoolExecutor | None = None
        self.alone = threading.Lock()
        self.process = 0

    @cached_property
    def count(self) -> int:
        """How many threads compute, including the calling one. Raises SettingsError if MINIGAN_THREADS is no number."""
        return wanted_threads() or usable_cores()

    def run(self, task: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
        """task(start, stop) for every block. A thread that has finished a block takes the next one."""
        threads = min(self.count, len(blocks))
        todo = iter(blocks)  # shared by all threads: under the GIL, no two get the same block

        def work() -> None:
            for start, stop in todo:
                task(start, stop)

        if threads == 1:
            return work()
        if self.pool is None or self.process != os.getpid():
            self.pool, self.process = ThreadPoolExecutor(self.count, thread_name_prefix="minigan"), os.getpid()
        # In a copy of this thread's context, which holds the settings of np.errstate.
        others = [self.pool.submit(copy_context().run, work) for _ in range(threads - 1)]
        try:
            work()  # the calling thread works too
        finally:
            wait(others)
        for other in others:
            other.result()
        return None

    def run_elements(self, task: Callable[[int, int], None], size: int) -> None:
        """task(start, stop) for blocks of a vector of this size, on as many threads as pay."""
        threads = max(1, min(self.count, size // SMALLEST_BLOCK))
        self.run(task, equal_blocks(size, threads * max(1, round(size / (threads * BLOCK)))))


def equal_blocks(size: int, count: int) -> list[tuple[int, int]]:
    """0 ... size in `count` pieces (start, stop) of about the same length."""
    bounds = [size * block // count for block in range(count + 1)]
    return list(zip(bounds, bounds[1:], strict=False))


def shared_blocks(n: int, size: int) -> list[tuple[int, int]]:
    """n samples in blocks of about `size`, whose number is a multiple of the number of threads if n allows it."""
    count = -(-n // size)
    return equal_blocks(n, min(n, -(-count // WORKERS.count) * WORKERS.count))


def over_samples(task: Callable[[int, int], None], shape: tuple[int, ...]) -> None:
    """task(start, stop) for the samples of a batch (n, ...), in blocks of about BLOCK entries. On one core if there are
    fewer than MANY entries, since waking other threads would then take longer than they save.
    """
    blocks = equal_blocks(shape[0], max(1, min(shape[0], math.prod(shape) // BLOCK)))
    if math.prod(shape) >= MANY:
        WORKERS.run(task, blocks)
    else:
        for block in blocks:
            task(*block)


def sum_of_shares(
    add_part: Callable[[slice, np.ndarray, bool], None],
    n: int,
    blocks: Callable[[int], list[tuple[int, int]]],
    out: Any,
) -> Any:
    """out = a sum over n samples, computed by all cores.

    Every core sums over its own share of the samples, in the blocks that `blocks(size of the share)` returns, into an
    array of its own: add_part(slice of samples, total, add) writes the sum over this slice to `total`, or adds it if
    `add`. The sums of the shares are then added in order, so that the result does not depend on which core was faster.
    """
    shares = equal_blocks(n, min(WORKERS.count, n))
    sums = {first: np.empty_like(out) if first else out for first, _ in shares}

    def share(first: int, last: int) -> None:
        for start, stop in blocks(last - first):
            add_part(slice(first + start, first + stop), sums[first], start > 0)

    on_all_cores(share, shares)
    for first, _ in shares[1:]:
        out += sums[first]
    return out


def product_into(a: np.ndarray, b: np.ndarray, total: np.ndarray, add: bool) -> None:
    """total = a b, or total += a b if `add`.    a: (m, k)   b: (k, d)   total: (m, d)

    The product that is added is computed some rows at a time, so that it stays in the cache and needs little memory.
    """
    if not add:
        np.matmul(a, b, out=total)
        return
    for start, stop in equal_blocks(len(a), -(-total.size // BLOCK)):
        part = np.matmul(a[start:stop], b, out=scratch("part of a sum", (stop - start, b.shape[1]), total.dtype))
        total[start:stop] += part


WORKERS = Workers()  # one pool for the process: with several there could be more threads than cores
if hasattr(os, "register_at_fork"):  # in a forked child no thread is left to release the lock
    os.register_at_fork(after_in_child=lambda: setattr(WORKERS, "alone", threading.Lock()))
SCRATCH = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Memory of this thread under this name, with old contents; the thread's next call with the name reuses it."""
    held = SCRATCH.__dict__.setdefault("held", {})
    size = math.prod(shape)
    buffer = held.get((name, dtype))
    if buffer is None or len(buffer) < size:
        buffer = held[name, dtype] = np.empty(size, dtype)
    return buffer[:size].reshape(shape)


@cache
def blas() -> Any:
    """NumPy's BLAS library, as an object that can set its number of threads."""
    return ThreadpoolController().select(user_api="blas")


def limit_blas() -> None:
    """Lower the number of the BLAS's own threads to MINIGAN_THREADS, if that is set; never raise it."""
    wanted = wanted_threads()
    for library in blas().lib_controllers if wanted else ():
        library.set_num_threads(min(wanted, library.num_threads))


with suppress(SettingsError):  # raised again at the first use, where a command can print it as one sentence
    limit_blas()


def on_all_cores(task: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
    """task(start, stop) for every block, each on one core. A single block may use all of the BLAS's own threads."""
    if len(blocks) == 1:
        task(*blocks[0])
    else:
        with WORKERS.alone, blas().limit(limits=1):  # the limit is the process's: one caller at a time
            WORKERS.run(task, blocks)
