"""Causes that show in what depends on what: which x moves which y, what answers to dy, what the error is made of."""

import numpy as np

from .causes import FIT, Evidence
from .networks import NetworkSubject
from .numeric import Probe
from .places import axis_names
from .subjects import normal

SMALL = 2e-2  # of the largest number: an error below is no other formula, but a detail of it


def without_dy(e: Evidence) -> str | None:
    """It does not change with dy."""
    if np.ndim(e.v) == 0 or not e.found.yours.any():
        return None
    twice = e.subject.backward(2 * np.asarray(e.v))[e.found.name]
    if np.array_equal(np.asarray(twice), e.found.yours):
        return f"d{e.found.name} is the same for 2 dy: the factor dy is missing in it"
    return None


def first_only(e: Evidence) -> str | None:
    """Right in a new layer, which has seen no other x."""
    if not isinstance(e.subject, NetworkSubject) or not e.subject.train:
        return None
    if e.explains(np.asarray(e.subject.poisoned().backward(np.array(e.v))[e.found.name])):
        return (
            "right for the first x that a layer gets, wrong for those after it: it keeps what it made for the first, "
            "as in `if self.mask is None`"
        )
    return None


def overwritten(e: Evidence) -> str | None:
    """Right for each sample, or window, alone, and wrong for all together: one writes where another has written."""
    v = np.asarray(e.v)
    parts = "one overwrites the other. Write += in place of ="
    for axis in range(1, min(v.ndim, 3)):
        total = np.zeros(e.array.shape)
        for k in range(v.shape[axis]):
            one, where = np.zeros(v.shape), (slice(None),) * axis + (k,)
            one[where] = v[where]
            total = total + np.asarray(e.subject.backward(one)[e.found.name])
        if e.explains(total):
            return f"right for every place along axis {axis} of y alone: windows overlap, and {parts}"
    if e.found.name != "x" and isinstance(e.subject, NetworkSubject) and e.explains(_one_by_one(e.subject, e, v)):
        return f"right for every sample alone: where two samples meet, {parts}, or np.add.at if they share an index"
    return None


def _one_by_one(subject: NetworkSubject, e: Evidence, v: np.ndarray) -> np.ndarray:
    """The sum of the gradients of one sample at a time; 0 if the layer takes no batch of one."""
    x, total = subject.x, np.zeros(e.array.shape)
    try:
        for k in range(len(x)):
            subject.x = x[k : k + 1]
            total = total + np.asarray(subject.backward(v[k : k + 1])[e.found.name])
    except Exception:  # noqa: BLE001 - a layer may refuse in any way
        return np.zeros(e.array.shape)
    finally:
        subject.x = x
    return total


def mixed(e: Evidence) -> str | None:
    """Samples, steps, rows, columns or channels that act on each other in one of the two passes alone."""
    x, v = e.array, np.asarray(e.v)
    if e.found.name != "x" or v.ndim < 2:
        return None
    for axis, name in enumerate(axis_names(x.shape, "x")):
        if axis >= v.ndim or v.shape[axis] != x.shape[axis] or x.shape[axis] < 2:
            continue
        there, back = _forward_mixes(e, axis), _backward_mixes(e, axis)
        if there and not back:
            return (
                f"the x of one {name} moves the y of others, and its dx comes from the dy of its own {name} alone: a "
                f"sum or mean over axis {axis} is missing in backward, or a term of it"
            )
        if back and not there:
            return (
                f"the x of one {name} moves no y of another, but its dx changes with their dy: backward sums, or takes "
                f"a mean, over axis {axis}, where forward does not"
            )
    return None


def _one(shape: tuple[int, ...], axis: int, others: bool) -> np.ndarray:
    """1 at the middle of an axis and 0 elsewhere; or the other way round."""
    one = np.zeros(shape)
    where: list[slice | int] = [slice(None)] * len(shape)
    where[axis] = shape[axis] // 2
    one[tuple(where)] = 1.0
    return 1.0 - one if others else one


def _forward_mixes(e: Evidence, axis: int) -> bool:
    x, before, kept = e.array, np.array(e.subject.forward()), e.array.copy()
    try:
        x += 1e-3 * _one(kept.shape, axis, others=False) * (1 + abs(kept))
        moved = abs(np.array(e.subject.forward()) - before)
    finally:
        x[...] = kept
    return bool(np.max(moved * _one(moved.shape, axis, others=True)) > 1e-13)


def _backward_mixes(e: Evidence, axis: int) -> bool:
    v = np.asarray(e.v)
    dx = np.asarray(e.subject.backward(v * _one(v.shape, axis, others=True))["x"])
    return bool(np.max(abs(dx * _one(dx.shape, axis, others=False))) > 1e-13)


def not_transposed(e: Evidence) -> str | None:
    """J dy in place of J^T dy."""
    x, v = e.array, np.asarray(e.v)
    if e.found.name != "x" or x.shape != v.shape:
        return None
    kept, h = x.copy(), 1e-6
    try:
        x[...] = kept + h * v
        up = np.array(e.subject.forward())
        x[...] = kept - h * v
        down = np.array(e.subject.forward())
    finally:
        x[...] = kept
    if not e.fits(e.found.yours, (up - down) / (2 * h)):
        return None
    return (
        "yours is J dy, what forward makes of dy; backward multiplies by the transpose, J^T dy: a filter is flipped, "
        "and an index that reads in forward is one that adds in backward"
    )


def part_of_itself(e: Evidence) -> str | None:
    """What is missing, or too much, is a multiple of x, of dy, of y, or of the array."""
    off, n = e.found.a - e.found.n, e.found.n
    if len(n) < 3 or not np.isfinite(off).all():
        return None
    known = {"dy": np.asarray(e.v), "y": np.array(e.subject.forward())} if e.found.name == "x" else {}
    known[e.found.name] = e.array
    for name, values in known.items():
        if values.shape != e.array.shape:
            continue
        part = values.reshape(-1)[e.found.entries]
        c = float(part @ off / (part @ part))
        if c and np.all(abs(off - c * part) <= FIT * np.max(abs(off))):
            many = "" if abs(abs(c) - 1) < FIT else f"{abs(c):.4g} "
            if c < 0:
                return f"{many}{name} is missing in it: the numbers would be right with + {many}{name}"
            return f"{many}{name} too much in it: the numbers would be right without it"
    return None


def along_the_array(e: Evidence) -> str | None:
    """In every row, or column, the error is a multiple of the array's own: the term of a length or a mean square."""
    x = e.array
    if len(e.found.n) != x.size or x.ndim < 2:
        return None
    off = e.found.yours - e.found.n.reshape(x.shape)
    for axis in (x.ndim - 1, 0):
        if x.shape[axis] < 3:
            continue
        c = (off * x).sum(axis, keepdims=True) / (x * x).sum(axis, keepdims=True)
        if np.max(abs(off - c * x)) <= FIT * np.max(abs(off)):
            return (
                f"along axis {axis} the error is a multiple of {e.found.name} itself: the term through a length or a "
                f"mean square, -{e.found.name} sum(d{e.found.name} {e.found.name}), has another factor or sign"
            )
    return None


def right_at(e: Evidence) -> str | None:
    """Right once a parameter is 1 everywhere, 0 everywhere, or the same number in every channel."""
    for name, array in e.subject.arrays.items():
        if name in ("x", e.found.name) or array.ndim > 1:
            continue
        for words, value in (("1", 1.0), ("0", 0.0), ("the same number everywhere", 1.7)):
            if words.startswith("the") and array.size == 1:
                continue
            kept = array.copy()
            try:
                array[...] = value
                right = _right(e)
            finally:
                array[...] = kept
            if right and value == 0:
                return f"it would be right if {name} were 0: the mistake is in the part of y that {name} scales"
            if right:
                return (
                    f"it would be right if {name} were {words}: {name} is missing in it, or comes in at the wrong place"
                )
    return None


def _right(e: Evidence) -> bool:
    """Whether yours agrees with differences, at the arrays as they are now, along a few directions."""
    yours = np.asarray(e.subject.backward(np.array(e.v))[e.found.name]).reshape(-1)
    probe = Probe(e.subject.forward, e.array, e.v)
    for k in range(3):
        slope, taken = probe.along(normal((yours.size,), k, "right at") / np.sqrt(yours.size))
        mine = float(yours @ taken)
        if not abs(mine - slope.value) <= 1e-5 * max(abs(mine), abs(slope.value)):
            return False
        if slope.value == 0:
            return False
    return True


def where_nothing_moves(e: Evidence) -> str | None:
    """Wrong exactly where y does not depend on the array."""
    still = e.found.n == 0
    if not still.any() or (e.found.name == "x" and e.array.ndim == 4 and not e.found.wrong[~still].any()):
        return None
    if np.array_equal(e.found.wrong, still):
        k = int(np.flatnonzero(still)[0])
        place = list(map(int, np.unravel_index(int(e.found.entries[k]), e.array.shape)))
        which = f"{e.found.name}{place}, as {int(still.sum()) - 1} others,"
        return f"{which} moves no number of y, and yours is not 0 there: the mask, or the index, that leaves them out"
    if (e.found.wrong & still).any() and np.mean(still) > 0.1:
        return (
            f"y does not depend on {int(still.sum())} of these {len(still)} numbers, and yours is not 0 at "
            f"{int((e.found.wrong & still).sum())} of them: what reaches them belongs elsewhere"
        )
    return None


def small_error(e: Evidence) -> str | None:
    """All are nearly right."""
    size = float(np.max(abs(e.found.n), initial=0))
    off = float(np.max(abs(e.found.a - e.found.n), initial=0))
    if not 0 < off <= SMALL * size:
        return None
    return (
        f"nearly right, to {off / size:.1e} of the largest: a small term is left out, such as an eps that stands in "
        f"another place in forward, an approximation, or numbers that were rounded"
    )
