"""Causes that show only when something is run again: dx with another W, the gradient of a part of y. See causes.py."""

import itertools

import numpy as np

from .causes import (
    Evidence,
    channel_factor,
    factor,
    find_cause,
    not_a_number,
    nothing,
    offset,
    one_sum_too_many,
    other_array,
    rearrangements,
    reordered,
)
from .judge import Comparison
from .numeric import Probe
from .places import axis_names, interval, moved, negative_side, some_places, statistics, targets
from .report import KINK, NOTHING_TESTED, OK, TOO_SMALL, WRONG, Row
from .structure import (
    along_the_array,
    first_only,
    mixed,
    not_transposed,
    overwritten,
    part_of_itself,
    right_at,
    small_error,
    where_nothing_moves,
    without_dy,
)
from .subjects import Subject

MOST_ENTRIES = 40  # that an experiment looks at

EXPLANATIONS = {
    KINK: "x is on a corner of the function, where there is no derivative, and yours lies between the slopes on both "
    "sides: check at another x",
    TOO_SMALL: "yours is not 0 but below what differences can see: check the layers one by one, take larger numbers, "
    "or method='complex'",
    NOTHING_TESTED: "the derivative is 0 everywhere, and so would any forgotten gradient be; if it must be 0 (a bias "
    "before BatchNorm, or of the keys before a softmax; the last bias of D where only differences of its "
    "scores count, as with Wasserstein, pairs, or Hinge within its margins) pass expect_zero=({name!r},)",
}

NO_DX = (
    "y does not depend on x at all, as that of a learned constant: its dx must be 0, and any forgotten one would be; "
    "if it must be, pass expect_zero=({name!r},)"
)


def explain_row(row: Row, found: Comparison, subject: Subject, v: np.ndarray, others: dict[str, Comparison]) -> str:
    """A sentence for a row that is not OK."""
    if row.verdict == OK:
        return ""
    if row.verdict == NOTHING_TESTED and row.name == "x":
        return NO_DX.format(name=row.name)
    if row.verdict != WRONG:
        return EXPLANATIONS[row.verdict].format(name=row.name)
    if not row.wrong:
        return "it was expected to be 0 (expect_zero), and is not" if not row.directions else ""
    return find_cause(Evidence(found, subject, v, others), HYPOTHESES)


def other_weights(e: Evidence) -> str | None:
    """Their own backward gives the right dx once W is transposed or flipped: it uses W that way."""
    if e.found.name != "x":
        return None
    for name, array in e.subject.arrays.items():
        if name == "x" or array.ndim < 2:
            continue
        kept, kernel = array.copy(), e.kernel(array)
        for words, change in rearrangements(kernel):
            changed = np.ascontiguousarray(change(e.kernel(kept)))
            if changed.shape != kernel.shape:
                continue
            try:
                array[...] = changed.reshape(array.shape)
                dx = e.subject.backward(np.array(e.v))["x"]
            finally:
                array[...] = kept
            if e.explains(dx):
                return f"dx would be right if backward took {name} {words}"
    return None


def part_of_y(e: Evidence) -> str | None:
    """The gradient of some samples, rows or columns of y alone: the others are missing in a sum."""
    shape = np.shape(e.v)
    if e.found.name == "x" or len(shape) < 2:
        return None
    few = np.linspace(0, len(e.found.entries) - 1, min(len(e.found.entries), MOST_ENTRIES)).astype(int)
    names = axis_names(shape, "x")
    parts = {"the first": slice(0, 1), "the last": slice(-1, None), "all but the first": slice(1, None)}
    parts["all but the last"] = slice(None, -1)
    for axis, (words, part) in itertools.product(range(len(shape) - 1), parts.items()):
        if shape[axis] == 1:
            continue
        masked, where = np.zeros(shape), [slice(None)] * len(shape)
        where[axis] = part
        masked[tuple(where)] = e.v[tuple(where)]
        probe = Probe(e.subject.forward, e.array, masked)
        n = np.array([probe.entry(int(e.found.entries[k])).value for k in few])
        if e.fits(e.found.a[few], n):
            name = names[axis]
            return f"only {words} {name} of dy is in it: the sum over the {name}s is missing or stops too early"
    return None


def reach(e: Evidence) -> str | None:
    """What one x has a part in: its slope where that is one y, or the y's that are missing in its dx."""
    x, v = e.array, np.asarray(e.v)
    if e.found.name != "x" or v.shape != x.shape or len(e.found.n) < 2:
        return None
    k = int(np.argmax(np.where(e.found.wrong, abs(e.found.a - e.found.n), -1)))
    i = int(e.found.entries[k])
    y, touched = _touched(e, i)
    one = np.zeros(v.size)
    one[i] = 1.0
    answered = np.flatnonzero(e.subject.backward(one.reshape(v.shape))["x"])
    place, at = (list(map(int, np.unravel_index(i, x.shape))), x.reshape(-1)[i])
    if touched == [i]:
        slope, true = e.found.a[k] / v.reshape(-1)[i], e.found.n[k] / v.reshape(-1)[i]
        return (
            f"y depends on each x alone: at x = {at:.6g}, where y = {y[i]:.6g}, your slope dx / dy is {slope:.6g}, and "
            f"that of the forward is {true:.6g}"
        )
    if not touched:
        return f"x at {place} moves no number of y, and its dx is not 0: a mask, or a pixel that no patch reaches"
    if answered.tolist() == [i]:
        return (
            f"dx at {place} comes from dy at {place} alone, but that x moves {len(touched)} numbers of y: dx must add "
            f"up what comes back from all of them"
        )
    return None


def _touched(e: Evidence, i: int) -> tuple[np.ndarray, list[int]]:
    """y, and which of its numbers move with number i of the array."""
    flat, before = e.array.reshape(-1), np.array(e.subject.forward()).reshape(-1)
    kept = flat[i]
    try:
        flat[i] += 1e-3
        return before, np.flatnonzero(np.array(e.subject.forward()).reshape(-1) != before).tolist()
    finally:
        flat[i] = kept


HYPOTHESES = (
    not_a_number, nothing, without_dy, other_array, factor, offset, negative_side, targets, interval, part_of_itself,
    first_only, statistics, one_sum_too_many, reordered, moved, channel_factor, other_weights, part_of_y, right_at,
    not_transposed, overwritten, where_nothing_moves, along_the_array, some_places, reach, mixed, small_error,
)  # fmt: skip
