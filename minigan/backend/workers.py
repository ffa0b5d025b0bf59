"""Threads for NumPy, which computes elementwise operations on one core: here blocks of long arrays go to all cores.

NumPy's BLAS has threads of its own for matrix products. While our threads call it, each call may use one thread only.
cores.py says how many threads there are, ours as well as the BLAS's.
"""

import math
import os
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from functools import cache, cached_property
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from ..errors import SettingsError
from .cores import thread_count

# Entries of a block. With smaller blocks the threads wait for the GIL most of the time; larger ones do not fit a core's
# cache. For less than the smallest block it does not pay to wake another thread.
BLOCK, SMALLEST_BLOCK = 262_144, 65_536
MANY = 1_000_000  # entries of an array from which more than one core pays


class Shared:
    """An iterator for several threads. Each item goes to one of them, without a GIL, too; `end` leaves none."""

    def __init__(self, items: Iterable[tuple[int, int]]) -> None:
        self.items, self.lock = iter(items), threading.Lock()

    def __iter__(self) -> "Shared":
        return self

    def __next__(self) -> tuple[int, int]:
        with self.lock:
            return next(self.items)

    def end(self) -> None:
        """Nothing more to do."""
        with self.lock:
            self.items = iter(())


class Workers:
    """A pool of threads, started at its first use, and again in a forked child, which inherits no threads.

    Where the system lets none start, as in a browser or at a limit on processes, the calling thread does all the work.
    """

    def __init__(self) -> None:
        self.pool: ThreadPoolExecutor | None = None
        self.alone, self.starting = threading.Lock(), threading.Lock()
        self.process = 0

    @cached_property
    def count(self) -> int:
        """How many threads compute, including the calling one. Raises SettingsError if MINIGAN_THREADS is no number.

        It says how work is cut into blocks, so that the numbers are the same where fewer can be started.
        """
        return thread_count()

    def run(self, task: Callable[[int, int], None], blocks: list[tuple[int, int]], threads: int = 0) -> None:
        """task(start, stop) for every block. A thread that has finished a block takes the next one."""
        threads, todo = min(threads or self.count, len(blocks)), Shared(blocks)
        if threads == 1:
            for start, stop in blocks:
                task(start, stop)
            return

        def work() -> None:
            try:
                for start, stop in todo:
                    task(start, stop)
            except BaseException:
                todo.end()
                raise

        others = self._submit(work, threads - 1)
        try:
            work()  # the calling thread works too
        finally:
            wait([other for other in others if not other.cancel()])  # what has not begun has nothing left to do
        for other in others:
            if not other.cancelled():
                other.result()

    def _submit(self, work: Callable[[], None], times: int) -> list[Future[None]]:
        """Let so many other threads work, or as many as there are."""
        if times < 1:
            return []
        with self.starting:
            if self.process != os.getpid():
                self.pool, self.process = started_pool(self.count - 1), os.getpid()
        try:
            # In a copy of this thread's context, which holds the settings of np.errstate.
            return [self.pool.submit(copy_context().run, work) for _ in range(times)] if self.pool else []
        except RuntimeError:  # the interpreter is shutting down
            return []

    def renew_locks(self) -> None:
        """In a forked child, where no thread is left that would release them."""
        self.alone, self.starting = threading.Lock(), threading.Lock()

    def run_elements(self, task: Callable[[int, int], None], size: int) -> None:
        """task(start, stop) for blocks of a vector of this size, on as many threads as pay."""
        threads = max(1, min(self.count, size // SMALLEST_BLOCK))
        self.run(task, equal_blocks(size, threads * max(1, round(size / (threads * BLOCK)))))


def started_pool(threads: int) -> ThreadPoolExecutor | None:
    """A pool of so many threads that run already, or of as many as the system lets start; None if it lets none."""
    wanted = threads
    while threads > 0:
        pool, gate, started = ThreadPoolExecutor(threads, thread_name_prefix="minigan"), threading.Event(), 0
        try:
            while started < threads:
                pool.submit(gate.wait)  # each needs a thread of its own, since none ends before the gate opens
                started += 1
        except RuntimeError:  # can't start new thread
            pass
        finally:
            gate.set()
        if started == threads:
            break
        pool.shutdown()  # or it would go on trying, at every task
        threads = started
    if threads < wanted:
        warnings.warn(
            f"the system lets only {threads} of {wanted} threads start: minigan goes on with fewer, more slowly; the "
            f"numbers are the same",
            RuntimeWarning,
            stacklevel=2,
        )
    return pool if threads else None


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


def over_rows(task, shape, arrays, tuning) -> None:
    """task(start, stop) for blocks of axis 0 of arrays of this shape."""
    size = math.prod(shape)
    blocks = equal_blocks(shape[0], max(1, min(shape[0], size // tuning.block)))
    if size >= tuning.many:
        WORKERS.run(task, blocks, tuning.threads)
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


WORKERS = Workers()  # one pool for the process: with several there could be more threads than cores
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKERS.renew_locks)
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
    """Lower the number of the BLAS's own threads to ours; never raise it."""
    for library in blas().lib_controllers:
        library.set_num_threads(min(thread_count(), library.num_threads))


with suppress(SettingsError):  # raised again at the first use, where a command can print it as one sentence
    limit_blas()


def on_all_cores(task: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
    """task(start, stop) for every block, each on one core. A single block may use all of the BLAS's own threads."""
    if len(blocks) == 1:
        task(*blocks[0])
    else:
        with WORKERS.alone, blas().limit(limits=1):  # the limit is the process's: one caller at a time
            WORKERS.run(task, blocks)
