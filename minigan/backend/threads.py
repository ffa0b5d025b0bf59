"""Threads for NumPy, which computes elementwise operations on one core: here blocks of long arrays go to all cores."""

import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context

# Seconds. A thread that the system has taken off its core is back after some milliseconds; in as many as ALONE, the
# calling thread computes some ten steps of a small network.
PATIENCE, ALONE = 0.001, 0.1


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
        self.process, self.size = 0, 0  # whose pool it is, and for how many threads it was made
        self.alone_until = 0.0  # another program has our cores: until then the calling thread works alone

    def run(self, task: Callable[[int, int], None], blocks: list[tuple[int, int]], threads: int) -> None:
        """task(start, stop) for every block, by so many threads, the calling one included. A thread that has finished a
        block takes the next one.

        Where the calling thread has had to wait for the others' last blocks for longer than it worked itself, another
        program has taken a core from one of them. Then it computes all blocks alone for a while: they are the same
        blocks, so that the numbers are the same.
        """
        threads, began = min(threads, len(blocks)), time.perf_counter()
        if threads <= 1 or began < self.alone_until:
            for start, stop in blocks:
                task(start, stop)
            return
        todo = Shared(blocks)

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
            worked = time.perf_counter()
            wait([other for other in others if not other.cancel()])  # what has not begun has nothing left to do
            ended = time.perf_counter()
            if ended - worked > max(PATIENCE, worked - began):
                self.alone_until = ended + ALONE
        for other in others:
            if not other.cancelled():
                other.result()

    def _submit(self, work: Callable[[], None], times: int) -> list[Future[None]]:
        """Let so many other threads work, or as many as there are."""
        if times < 1:
            return []
        with self.starting:
            if self.process != os.getpid() or self.size < times:
                self._renew(times)
        try:
            # In a copy of this thread's context, which holds the settings of np.errstate.
            return [self.pool.submit(copy_context().run, work) for _ in range(times)] if self.pool else []
        except RuntimeError:  # the interpreter is shutting down
            return []

    def _renew(self, threads: int) -> None:
        """A pool of so many threads, in place of a smaller one or, in a forked child, of one without threads."""
        if self.pool is not None and self.process == os.getpid():
            self.pool.shutdown()
        self.pool, self.process, self.size = started_pool(threads), os.getpid(), threads

    def renew_locks(self) -> None:
        """In a forked child, where no thread is left that would release them."""
        self.alone, self.starting = threading.Lock(), threading.Lock()


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


WORKERS = Workers()  # one pool for the process: with several there could be more threads than cores
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WORKERS.renew_locks)
