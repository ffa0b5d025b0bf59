"""A busy machine: a process that computes without end on one of the cores, as another program would."""

import contextlib
import multiprocessing
import os

from tests.benchmarks.processes import in_turns


def burn(core, began):
    """Computes for as long as the benchmark lives: a signal that ends it leaves no time to end this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    began.set()
    while multiprocessing.parent_process().is_alive():
        for _ in range(1_000_000):
            pass


@contextlib.contextmanager
def busy_core():
    """Within it, the last core that this program may use has something else to do. It ends whatever happens."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    context = multiprocessing.get_context("spawn")
    began = context.Event()
    process = context.Process(target=burn, args=(max(cores), began), daemon=True)
    process.start()
    try:
        began.wait()
        yield process
    finally:
        process.kill()
        process.join()


def quiet_and_busy(sides, rounds, repeats):
    """({side: milliseconds in the quiet turns}, {side: in the busy ones}), in turns of a round each."""
    found = {kind: [] for kind in sides}, {kind: [] for kind in sides}
    for _ in range(rounds):
        quiet = in_turns(sides, 1, repeats=repeats, warm=False)
        with busy_core():
            busy = in_turns(sides, 1, repeats=repeats, warm=False)
        for times, into in zip((quiet, busy), found, strict=True):
            for kind, values in times.items():
                into[kind] += values
    return found
