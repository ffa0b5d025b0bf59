"""A function of a batch as one launch: a CUDA graph.

A launch costs the CPU some microseconds, and a GAN step has hundreds of launches. A captured step is recorded once and
then launched as a whole. A graph records addresses and plain arguments, so whatever changes from step to step must be
read on the device: the batch, from arrays of the graph's own; the learning rates, from an array of each optimizer; and
step numbers. Those are found by watching: the first steps with a shape run as they are, and every step number that a
kernel gets is noted. From step to step each of them grows by a constant, so that in the graph it is

    first + stride replays,

where `replays` is one counter on the device.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import BackendError
from .base import Array, Counter, StepRunner

WATCHED = 2  # steps that run as they are: kernels are compiled, buffers allocated, strides measured


class StepNumbers:
    """The step numbers that kernels get: (first, stride) as arguments, and the count of replays, on the device."""

    def __init__(self, xp: Any) -> None:
        self.replays = self.still = xp.zeros((), "uint64")  # outside of a graph it stays 0
        self.noted: list[int] | None = None
        self.strides: list[int] | None = None

    def of(self, step: int) -> tuple[int, int]:
        """(first, stride) for a kernel that needs the step number `step`."""
        if self.noted is None:
            return step, 0
        self.noted.append(step)
        if self.strides is None:
            return step, 0
        place = len(self.noted) - 1
        return step, self.strides[place] if place < len(self.strides) else 0

    @contextlib.contextmanager
    def watched(self, replays: Array | None = None, strides: list[int] | None = None) -> Iterator[list[int]]:
        """Within it all step numbers are noted, in the list that it yields; with strides, they grow with `replays`."""
        self.noted, self.strides = [], strides
        self.replays = self.still if replays is None else replays
        try:
            yield self.noted
        finally:
            self.replays, self.noted, self.strides = self.still, None, None


class StepGraph(StepRunner):
    """Calls a function of arrays. The third call with arrays of the same shapes captures it, later ones replay it.

    It is called with function, arrays, counters and buffers, as `StepRunner` is:

    counters  the Python ints that the function changes and depends on, as (object, attribute). A replay changes them as
              the function would. If something else has changed them, such as loading a checkpoint, or if an array has
              another shape, the function is captured again.
    buffers   returns the arrays that the function writes to; the graph keeps them alive

    Between two calls it keeps arrays and numbers, and no reference to the function or its objects: they can be freed.
    """

    def __init__(self, xp: Any, numbers: StepNumbers) -> None:
        self.xp, self.numbers = xp, numbers
        # A stream that is ordered with CuPy's default stream and, unlike that one, can be captured.
        self.stream = self.xp.cuda.Stream()
        self._forget(())

    def _forget(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        self.graph: Any = None
        self.shapes = shapes
        self.seen: list[tuple[list[int], list[int]]] = []  # of each watched step: counters before it, numbers noted
        self.expected: list[int] | None = None  # the counters, if nothing else has changed them
        self.kept: Any = None
        # Memory of its own, which is never given to other arrays: every replay writes to it.
        self.pool = self.xp.cuda.MemoryPool()

    def __call__(
        self,
        function: Callable[..., list[Array]],
        arrays: tuple[Array, ...],
        counters: list[Counter],
        buffers: Callable[[], Any],
    ) -> Array | list[Array]:
        """What function(*arrays) returns: its list, or, from a graph, one array (float64) with copies of its values."""
        shapes = tuple(array.shape for array in arrays)
        if shapes != self.shapes or _counts(counters) != self.expected:
            self._forget(shapes)
        with self.stream:
            if not self.seen:
                self.arrays = [self.xp.empty(array.shape, array.dtype) for array in arrays]
            for own, array in zip(self.arrays, arrays, strict=True):
                own[...] = array
            if len(self.seen) < WATCHED:
                found = self._watch(function, counters)
            else:
                found = self._replay(function, counters, buffers)
        self.expected = _counts(counters)
        return found

    def _watch(self, function: Callable[..., list[Array]], counters: list[Counter]) -> list[Array]:
        before = _counts(counters)
        with self.xp.cuda.using_allocator(self.pool.malloc), self.numbers.watched() as noted:
            found = function(*self.arrays)
        self.measured = len(found)
        self.seen.append((before, noted))
        return found

    def _replay(
        self, function: Callable[..., list[Array]], counters: list[Counter], buffers: Callable[[], Any]
    ) -> Array:
        if self.graph is None:
            self._capture(function, counters, buffers)
        else:
            for (thing, name), count in zip(counters, self.strides, strict=True):
                setattr(thing, name, getattr(thing, name) + count)
        self.graph.launch(self.stream)
        return self.losses.copy()

    def _capture(
        self, function: Callable[..., list[Array]], counters: list[Counter], buffers: Callable[[], Any]
    ) -> None:
        """Record a step. That changes the counters as every step does; the launch that follows computes it."""
        (counts, first), (_, second) = self.seen
        strides = [b - a for a, b in zip(first, second, strict=False)]
        before = _counts(counters)
        self.strides = [(b - a) // WATCHED for a, b in zip(counts, before, strict=True)]
        replays, losses = self.xp.zeros((), "uint64"), self.xp.empty(self.measured, "float64")
        with self.xp.cuda.using_allocator(self.pool.malloc), self.numbers.watched(replays, strides) as noted:
            self.stream.begin_capture()
            try:
                for i, loss in enumerate(function(*self.arrays)):
                    losses[i] = loss  # one by one: for a list, CuPy would copy an array of addresses to the device
                replays += 1
            finally:
                graph = self.stream.end_capture()
        if noted != [b + stride for b, stride in zip(second, strides, strict=False)] or len(first) != len(second):
            raise BackendError(
                "a step cannot be captured: the step numbers of its random draws do not grow by the same from step to "
                "step; switch capturing off with GAN(..., graph=False)"
            )
        self.graph, self.losses, self.kept = graph, losses, (replays, buffers())


def _counts(counters: list[Counter]) -> list[int]:
    return [getattr(thing, name) for thing, name in counters]
