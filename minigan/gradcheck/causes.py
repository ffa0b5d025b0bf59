"""What wrong numbers look like: the first hypothesis that fits yours and the numeric values, in words.

Each hypothesis is a function from the evidence to a sentence, or None. These look at the numbers alone, from the most
special to the most general; experiments.py has those that run something again.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .judge import Comparison
from .networks import NetworkSubject
from .subjects import Subject

FIT = 1e-5  # how closely, relative to the largest number, a hypothesis has to explain them
KERNEL_FLIPS = {
    (0, 1): "with the kernel flipped, turned by 180 degrees",
    (0,): "with the kernel flipped upside down",
    (1,): "with the kernel flipped left to right",
}


@dataclass(frozen=True)
class Evidence:
    """One array's comparison, with what else is known: the subject, dy, and the other arrays' comparisons."""

    found: Comparison
    subject: Subject
    v: np.ndarray
    others: dict[str, Comparison] = field(default_factory=dict)

    @property
    def array(self) -> np.ndarray:
        """The values of the array whose gradient is judged."""
        return self.subject.arrays[self.found.name]

    @property
    def layer(self) -> Any:
        """The layer, if one was checked alone."""
        return self.subject.net.layers[0] if isinstance(self.subject, NetworkSubject) else None

    def explains(self, candidate: np.ndarray) -> bool:
        """Whether an array of the gradient's shape has the numeric values, where they were taken."""
        return self.fits(candidate.reshape(-1)[self.found.entries], self.found.n)

    def fits(self, a: np.ndarray, n: np.ndarray) -> bool:
        """Whether these are the same numbers, and not all 0."""
        size = float(np.max(abs(n), initial=0))
        return size > 0 and bool(np.all(abs(a - n) <= FIT * size))

    def places(self) -> tuple[np.ndarray, ...]:
        """The index of every compared entry, axis by axis."""
        return np.unravel_index(self.found.entries, self.array.shape)

    def kernel(self, array: np.ndarray) -> np.ndarray:
        """A convolution's W as (kh, kw, ., .); any other array as it is."""
        size = getattr(self.layer, "kernel", None)
        if isinstance(size, tuple) and array.ndim == 2 and len(array) % np.prod(size) == 0:
            return array.reshape(*size, -1, array.shape[1])
        return array


def find_cause(evidence: Evidence, hypotheses: tuple[Callable[[Evidence], str | None], ...]) -> str:
    """The first that fits; "" if none does."""
    return next((text for hypothesis in hypotheses if (text := hypothesis(evidence))), "")


def not_a_number(e: Evidence) -> str | None:
    """NaN: a buffer that was read before it was written, most often."""
    if not np.isfinite(e.found.n).all():
        return "the forward itself gives infinity or not-a-number at this x: check it before its gradient"
    if np.isfinite(e.found.yours).all():
        return None
    return (
        "yours is not a number: a buffer from self.buf(...) holds whatever is left in it; fill it first, as in "
        "`dx[...] = 0`, before adding to it or writing to a part of it"
    )


def nothing(e: Evidence) -> str | None:
    """0 everywhere."""
    if np.any(e.found.yours):
        return None
    return "yours is 0 everywhere: the gradient is never computed, or what should be summed is lost on the way"


def other_array(e: Evidence) -> str | None:
    """The gradient of another parameter of the same shape."""
    for name, other in e.others.items():
        alike = other.yours.shape == e.found.yours.shape and len(other.n) == other.yours.size
        if name != e.found.name and alike and e.fits(e.found.a, other.n[e.found.entries]):
            return f"these are the numbers of d{name}: the two are swapped"
    return None


def factor(e: Evidence) -> str | None:
    """A constant times the numeric value."""
    a, n = e.found.a, e.found.n
    c = float(a @ n / (n @ n)) if n.any() else 0.0
    if c == 0 or abs(c - 1) < 1e-5 or len(n) < 2 or not np.all(abs(a - c * n) <= FIT * abs(c) * np.max(abs(n))):
        return None
    everywhere = f"yours / numeric = {c:.6g} everywhere"
    if abs(c + 1) < 1e-5:
        return f"{everywhere}: the sign"
    named = list(_meanings(abs(c), e))
    sign = ", and the sign is wrong" if c < 0 else ""
    return f"{everywhere}{', ' if named else ''}{' or '.join(named) or ': a constant factor'}{sign}"


def _meanings(c: float, e: Evidence) -> Iterator[str]:
    """What it says that a gradient is off by a factor c."""
    if (words := _setting(c, {} if e.layer is None else e.layer.config())) is not None:
        yield words
        return
    too_small = [f"{letters} = {size}" for letters, size in _sizes(e).items() if abs(c * size - 1) < 1e-5]
    too_large = [f"{letters} = {size}" for letters, size in _sizes(e).items() if abs(c / size - 1) < 1e-5]
    if too_small:
        yield f"and {' or '.join(too_small[:2])}: a mean where a sum belongs, or a division too much"
    if too_large:
        yield f"and {' or '.join(too_large[:2])}: a sum where a mean belongs, or a division is missing"
    meanings = [(2.0, "a factor 2 too much"), (0.5, "a factor 2 is missing (as of a square)")]
    yield from [words for value, words in meanings if abs(c / value - 1) < 1e-5][: 0 if too_small or too_large else 1]


def _setting(c: float, settings: dict[str, Any]) -> str | None:
    """The layer's own setting that a factor c is made of."""
    for name, value in settings.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or value in (0, 1, -1):
            continue
        meanings = []
        if 0 < value < 1 and (name == "rate" or value != 0.5):
            meanings += [
                (1 - value, f"which is 1 - {name}: a division by 1 - {name} is missing"),
                (1 / (1 - value), f"which is 1 / (1 - {name}): there once too often"),
            ]
        meanings += [
            (abs(value), f"which is {name}: there once too often, or a division by it is missing"),
            (1 / abs(value), f"which is 1 / {name}: a factor {name} is missing, or a division by it too much"),
        ]
        for factor_, words in meanings:
            if abs(c / factor_ - 1) < 1e-5:
                return words
    return None


def _sizes(e: Evidence) -> dict[str, int]:
    """The sizes that sums and means run over, by their letters, the likely ones first."""
    found: dict[str, int] = {}
    x = e.subject.arrays.get("x", e.array)
    if x.ndim >= 2:
        found["n"] = len(x)
    for letters, window in (("kh kw", "size"), ("kh kw", "kernel"), ("fh fw", "factor")):
        if isinstance(pair := getattr(e.layer, window, None), tuple) and len(pair) == 2:
            found[letters] = pair[0] * pair[1]
    for (h, w), shape in ((("h", "w"), x.shape), (("oh", "ow"), np.shape(e.v))):
        if len(shape) == 4:
            found |= {
                f"{h} {w}": shape[1] * shape[2],
                f"n {h} {w}": shape[0] * shape[1] * shape[2],
                h: shape[1],
                w: shape[2],
            }
    if x.ndim < 3 and x.size != len(x):
        found |= {"the number of entries": x.size, "the number of columns": x.shape[-1]}
    return {letters: size for letters, size in found.items() if size > 1}


def offset(e: Evidence) -> str | None:
    """A constant beside the numeric value."""
    off = e.found.a - e.found.n
    if len(off) < 2 or not np.all(abs(off - off.mean()) <= FIT * abs(off.mean())):
        return None
    return (
        f"yours is the numeric value {off.mean():+.6g} everywhere: a term that does not belong there, or one that is "
        f"missing, such as what comes back through a mean"
    )


def channel_factor(e: Evidence) -> str | None:
    """A factor for each channel: a parameter, or the scale of a normalisation, too often or forgotten."""
    a, n = e.found.yours, e.found.n
    if a.ndim < 2 or len(n) != a.size or len(a) < 2:
        return None
    rows, columns = a.reshape(-1, a.shape[-1]), n.reshape(-1, a.shape[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (rows * columns).sum(axis=0) / (columns**2).sum(axis=0)
    if not np.isfinite(ratio).all() or not np.all(abs(rows - ratio * columns) <= FIT * np.max(abs(rows))):
        return None
    if np.any(abs(ratio - 1) < FIT):
        return None
    for name, value in e.subject.arrays.items():
        if value.shape == ratio.shape and e.fits(ratio * value, np.ones_like(ratio)):
            return f"the factor {name} is missing: yours / numeric is 1 / {name} in every channel"
        if value.shape == ratio.shape and e.fits(ratio, value):
            return f"the factor {name} is there once too often: yours / numeric is {name} in every channel"
    return (
        f"every channel (last axis) is off by a factor of its own, {np.array2string(ratio[:4], precision=4)}: one that "
        f"depends on the channel is missing or too much, such as 1 / sqrt(var + eps)"
    )


def one_sum_too_many(e: Evidence) -> str | None:
    """Every entry is the sum of all of them."""
    n = e.found.n
    if len(n) < 2 or len(n) != e.array.size or not e.fits(e.found.a, np.full_like(n, n.sum())):
        return None
    return "every entry is the sum of all numeric ones: the sum runs over one axis too many"


def reordered(e: Evidence) -> str | None:
    """The right numbers in another order: transposed, flipped, or read column by column."""
    array, yours = e.kernel(e.array), e.kernel(e.found.yours)
    for words, change in rearrangements(array):
        changed = change(yours)
        if changed.shape == array.shape and e.explains(np.ascontiguousarray(changed)):
            return f"the right numbers in the wrong places: {words}"
    if np.max(abs(e.found.a - e.found.n)) > 0.1 * np.max(abs(e.found.n)) and e.fits(
        np.sort(e.found.a), np.sort(e.found.n)
    ):
        return "the right numbers in another order: an axis, an index or a reshape"
    return None


def rearrangements(array: np.ndarray) -> Iterator[tuple[str, Callable[[np.ndarray], np.ndarray]]]:
    """Ways to put an array's numbers into other places, in words and as functions."""
    if array.ndim == 2 and array.shape[0] == array.shape[1] > 1:
        yield "transposed", np.transpose
    for axes in ((0, 1), (0,), (1,), (2, 3), (2,), (3,)):
        if max(axes) < array.ndim and all(array.shape[axis] > 1 for axis in axes):
            where = " and ".join(f"axis {axis}" for axis in axes)
            words = KERNEL_FLIPS.get(axes) if array.ndim == 4 else None
            yield words or f"reversed along {where}", _flip(axes)
    for axis in range(1, array.ndim if array.ndim < 3 else 0):
        if array.shape[axis] % 2 == 0:
            yield f"with the two halves of axis {axis} swapped", _halves(axis)
    for i, j in itertools.combinations(range(array.ndim), 2):
        if array.ndim > 2 and array.shape[i] == array.shape[j] > 1:
            yield f"with axes {i} and {j} swapped", _swap(i, j)
    if array.ndim == 4:
        yield "with channels in and out swapped", _read(array.shape, (0, 1, 3, 2))
    if array.ndim > 1:
        yield "read column by column (order='F')", lambda a: a.reshape(a.shape[::-1]).T if a.ndim > 1 else a


def _flip(axes: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: np.flip(array, axes)


def _halves(axis: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: np.roll(array, array.shape[axis] // 2, axis)


def _swap(i: int, j: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: np.swapaxes(array, i, j)


def _read(shape: tuple[int, ...], order: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """Numbers that were written with their axes in this order, and then taken for this shape."""
    return lambda array: array.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
