"""The sides of a comparison, each in a fresh process of its own, so that neither's idle threads disturb the other.

They take turns: A B A B. The machine's speed drifts, and both sides drift with it; what counts is the ratio within a
round, and the median of these ratios.
"""

import gc
import multiprocessing
import os
import statistics
import time
from pathlib import Path

from minigan.backend.facts import PINS

REST = 0.05  # seconds between turns: long enough for idle workers to fall asleep


class Side:
    """A process in which `build(*arguments)` returned (facts, task): task(name) is a function to be timed."""

    def __init__(self, build, *arguments):
        for pin in PINS:
            os.environ.pop(pin, None)  # the new process inherits what is left
        context = multiprocessing.get_context("spawn")
        self.pipe, end = context.Pipe()
        self.process = context.Process(target=serve, args=(end, build, arguments), daemon=True)
        self.process.start()
        end.close()  # so that a process that fails is noticed: EOFError

    def facts(self):
        """What `build` found out; to be asked for once."""
        return self.pipe.recv()

    def milliseconds(self, name=None, repeats=1):
        """Of one call of this task, in a turn of so many."""
        time.sleep(REST)
        self.pipe.send((name, repeats))
        return self.pipe.recv()

    def finish(self):
        """The most memory that the process held while it was timed, in MiB."""
        self.pipe.send(None)
        peak = self.pipe.recv()
        self.process.join()
        return peak


def serve(pipe, build, arguments):
    facts, task = build(*arguments)
    pipe.send(facts)
    reset_peak()
    while (turn := pipe.recv()) is not None:
        name, repeats = turn
        function = task(name)
        start = time.perf_counter()
        for _ in range(repeats):
            function()
        pipe.send(1000 * (time.perf_counter() - start) / repeats)
    pipe.send(peak_mib())


def reset_peak():
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def peak_mib():
    """The most memory that this process held since `reset_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def in_turns(sides, rounds, name=None, repeats=1, warm=True):
    """Milliseconds of each side, round by round, after a round to warm up if `warm`."""
    times = {kind: [] for kind in sides}
    for round_number in range(-1 if warm else 0, rounds):
        for kind, side in sides.items():
            found = side.milliseconds(name, repeats[kind] if isinstance(repeats, dict) else repeats)
            if round_number >= 0:
                times[kind].append(found)
    return times


def quartiles(values):
    """(lower quartile, median, upper quartile)."""
    return tuple(statistics.quantiles(values, n=4, method="inclusive")) if len(values) > 1 else (values[0],) * 3
