"""Threads for NumPy, which runs elementwise work on one core: long arrays go over all of them in blocks.

The other half of it is NumPy's BLAS, which has threads of its own: while ours multiply matrices, each gets one.
MINIGAN_THREADS says how many threads there are, ours or the BLAS's; by default as many as cores.
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

# Elements of a block. Smaller ones spend their time handing Python's lock from thread to thread, larger ones do not fit
# a core's cache; below the smallest, waking another thread costs more than it helps.
BLOCK, SMALLEST_BLOCK = 262_144, 65_536
MANY = 1_000_000  # numbers of an array worth more than one core


def usable_cores() -> int:
    """The cores that this process may run on."""
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
    """A pool of threads, made at the first use and made anew in a forked child, where threads do not survive."""

    def __init__(self) -> None:
        self.pool: ThreadPoolExecutor | None = None
        self.alone = threading.Lock()
        self.process = 0

    @cached_property
    def count(self) -> int:
        """Threads that compute, the calling one among them. Raises SettingsError if MINIGAN_THREADS is no number."""
        return wanted_threads() or usable_cores()

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


def shared_blocks(n: int, size: int) -> list[tuple[int, int]]:
    """n samples in blocks of some `size`, as many blocks as give all workers the same number of them."""
    count = -(-n // size)
    return equal_blocks(n, min(n, -(-count // WORKERS.count) * WORKERS.count))


def over_samples(task: Callable[[int, int], None], shape: tuple[int, ...]) -> None:
    """task(start, stop) for the samples of a batch in blocks of about BLOCK numbers. On one core if it has fewer
    than MANY: to wake the others would take longer than they save.
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
    """out = the sum of what add_part(samples, total, add) writes, or adds, to `total` for all blocks of n samples.

    Every core adds up its own share of the samples, in `blocks(samples)`; the shares are added in order, so that which
    core was faster changes no bit.
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
    """total = a b; or total += a b, some rows at a time: what is to be added stays in the cache, and needs no memory
    beside it.
    """
    if not add:
        np.matmul(a, b, out=total)
        return
    for start, stop in equal_blocks(len(a), -(-total.size // BLOCK)):
        part = np.matmul(a[start:stop], b, out=scratch("part of a sum", (stop - start, b.shape[1]), total.dtype))
        total[start:stop] += part


WORKERS = Workers()  # one pool a process: networks and backends share it, so that cores are never oversubscribed
if hasattr(os, "register_at_fork"):  # a forked child must not wait for a thread that it does not have
    os.register_at_fork(after_in_child=lambda: setattr(WORKERS, "alone", threading.Lock()))
SCRATCH = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
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


def limit_blas() -> None:
    """No more threads for the BLAS, where it has its own, than MINIGAN_THREADS allows; fewer if it has fewer."""
    wanted = wanted_threads()
    for library in blas().lib_controllers if wanted else ():
        library.set_num_threads(min(wanted, library.num_threads))


with suppress(SettingsError):  # to be raised at the first use, where a command can still answer in one sentence
    limit_blas()


def on_all_cores(task: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
    """task(start, stop) for every block, each on one core; a single block has the BLAS's own threads instead."""
    if len(blocks) == 1:
        task(*blocks[0])
    else:
        with WORKERS.alone, blas().limit(limits=1):  # the limit is the process's: two at once would not restore it
            WORKERS.run(task, blocks)
