"""Where wrong entries lie: on the negative side, on the border, in some samples, rows or channels. See causes.py."""

import itertools
from collections.abc import Sequence

import numpy as np

from .causes import FIT, Evidence

NAMES = {
    2: ["sample", "column"], 3: ["sample", "step", "column"], 4: ["sample", "row", "column", "channel"],
}  # fmt: skip


def negative_side(e: Evidence) -> str | None:
    """Wrong only where x <= 0, or where the signs of x and dy differ: the mask of an activation."""
    if e.found.name != "x" or np.shape(e.v) != e.array.shape:
        return None
    x, dy = (np.asarray(a).reshape(-1)[e.found.entries] for a in (e.array, e.v))
    wrong, a = e.found.wrong, e.found.a
    for side, words in ((x <= 0, "x <= 0"), (x > 0, "x > 0")):
        if wrong[side].all() and side.any() and not wrong[~side].any() and (~side).any():
            return f"wrong exactly where {words}: " + _on_one_side(a[side], dy[side])
    if np.array_equal(wrong, (x > 0) != (dy > 0)):
        return "wrong exactly where x and dy have different signs: the mask is taken from dy; it must be taken from x"
    return None


def _on_one_side(a: np.ndarray, dy: np.ndarray) -> str:
    if not a.any():
        return "yours is 0 there, so the slope on that side is forgotten"
    if np.allclose(a, dy):
        return "yours is dy there, so the mask is forgotten: dy passes unchanged"
    return "the slope on that side"


def targets(e: Evidence) -> str | None:
    """A loss: wrong for one of its targets."""
    labels, wrong = np.asarray(getattr(e.subject, "labels", 0.0)), e.found.wrong
    if labels.shape != e.array.shape:
        return None
    here = labels.reshape(-1)[e.found.entries]
    for target in np.unique(here):
        if wrong[here == target].all() and not wrong[here != target].any() and (here != target).any():
            return f"wrong exactly where the target is {target:g}: the gradient of that half of the loss"
    return None


def interval(e: Evidence) -> str | None:
    """Wrong for numbers in one range, right for all others: a condition that is wrong, or not there."""
    wrong = e.found.wrong
    if e.found.name not in ("x", "pred", "real", "fake", "generator") or not 1 < wrong.sum() < len(wrong) - 1:
        return None
    values = e.array.reshape(-1)[e.found.entries]
    order = np.argsort(values)
    places = np.flatnonzero(wrong[order])
    if len(places) != places[-1] - places[0] + 1:
        return None
    low, high = values[order[places[0]]], values[order[places[-1]]]
    below = "" if places[0] == 0 else f" from {low:.4g}"
    above = "" if places[-1] == len(wrong) - 1 else f" up to {high:.4g}"
    return f"wrong exactly for {e.found.name}{below}{above}, right for all others: the condition that tells them apart"


def moved(e: Evidence) -> str | None:
    """An image, or a kernel, that lies a pixel beside its place."""
    yours = e.kernel(e.found.yours)
    if yours.ndim != 4 or len(e.found.n) != yours.size:
        return None
    axes = (1, 2) if yours is e.found.yours else (0, 1)
    n = e.found.n.reshape(yours.shape)
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        if (down, right) == (0, 0) or yours.shape[axes[0]] < 3 or yours.shape[axes[1]] < 3:
            continue
        inside = [slice(None)] * 4
        inside[axes[0]] = inside[axes[1]] = slice(1, -1)
        back = np.roll(yours, (-down, -right), axes)[tuple(inside)]
        if e.fits(back, n[tuple(inside)]):
            words = [
                w for w, k in (("down", down > 0), ("up", down < 0), ("right", right > 0), ("left", right < 0)) if k
            ]
            return (
                f"the right numbers, moved by one pixel {' and '.join(words)}: the padding before the image (top, "
                f"left) is off by one"
            )
    return None


def some_places(e: Evidence) -> str | None:
    """Wrong only at some samples, rows, columns or channels: each axis in turn."""
    wrong, shape = e.found.wrong, e.array.shape
    if wrong.all():
        return None
    places = e.places()
    if len(shape) == 4 and e.found.name == "x" and (text := _border(places, wrong, shape)) is not None:
        return text
    names = axis_names(shape, e.found.name)
    for axis, name in enumerate(names):
        bad = sorted({int(i) for i in places[axis][wrong]})
        good = sorted({int(i) for i in places[axis]} - set(bad))
        spread = wrong[np.isin(places[axis], bad)].mean()
        if good and spread > 0.9:
            return _along(name, bad, shape[axis], len(shape) == 4)
    return None


def axis_names(shape: tuple[int, ...], array: str) -> list[str]:
    """What its axes are called."""
    if array != "x":
        return [f"axis {axis} =" for axis in range(len(shape))]
    return NAMES.get(len(shape), ["sample", *[f"axis {axis}" for axis in range(1, len(shape))]])


def _along(name: str, bad: Sequence[int], size: int, images: bool) -> str:
    where = f"{name} {', '.join(map(str, bad[:6]))}{' ...' if len(bad) > 6 else ''} of {size}"
    steps = {b - a for a, b in itertools.pairwise(bad)}
    if name == "step" and bad == list(range(size - 1)):
        return f"wrong at every {name} but the last: what is carried back from one step to the one before it"
    if not images and bad in ([*range(size // 2)], [*range(size - size // 2, size)]) and size > 2:
        half = "first" if bad[0] == 0 else "second"
        return f"wrong only in the {half} half of {name.removesuffix(' =') if '=' in name else f'the {name}s'}: {where}"
    if images and name in ("row", "column") and len(bad) > 1 and len(steps) == 1 and max(steps) > 1:
        return f"wrong only at {where}: every {max(steps)}, so look at the strides"
    if images and name in ("row", "column") and bad[-1] == size - 1 and len(bad) <= 2:
        return (
            f"wrong only at {where}, the last: does any patch reach it, and where does padding='same' put an odd zero?"
        )
    if name == "sample":
        return f"wrong only at {where}: an index or a loop over the batch, or a sum over it that is missing"
    return f"wrong only at {where}"


def _border(places: tuple[np.ndarray, ...], wrong: np.ndarray, shape: tuple[int, ...]) -> str | None:
    """Wrong at the rim of the images, right inside."""
    depth = np.minimum.reduce([i for axis in (1, 2) for i in (places[axis], shape[axis] - 1 - places[axis])])
    deepest, corners = int(depth[wrong].max()), wrong & (depth == 0)
    sides = [places[1] == 0, places[1] == shape[1] - 1, places[2] == 0, places[2] == shape[2] - 1]
    if deepest >= depth.max() or not all(corners[side].any() for side in sides):
        return None
    return (
        f"wrong only within {deepest + 1} pixel{'s' if deepest else ''} of the images' border, right inside: the "
        f"padding, or a loop that stops too early"
    )


def statistics(e: Evidence) -> str | None:
    """The error is what a normalisation's mean or variance would contribute."""
    x, n = e.array, e.found.n
    if e.found.name != "x" or len(n) != x.size or x.ndim < 2:
        return None
    off = e.found.yours - n.reshape(x.shape)
    groups = [(tuple(range(x.ndim - 1)), "channel"), (tuple(range(1, x.ndim)), "sample")]
    groups += [(tuple(range(1, x.ndim - 1)), "channel of a sample"), ((x.ndim - 1,), "position")] * (x.ndim > 2)
    for axes, group in groups:
        if np.prod([x.shape[axis] for axis in axes]) < 4:
            continue
        centred = x - x.mean(axes, keepdims=True)
        mean = off.mean(axes, keepdims=True)
        tilt = (off * centred).sum(axes, keepdims=True) / (centred**2).sum(axes, keepdims=True) * centred
        largest = FIT * np.max(abs(off))
        if np.max(abs(off - mean - tilt)) > largest:
            continue
        if np.max(abs(tilt)) <= largest:
            return (
                f"the same error for all numbers of a {group}: the term through the mean, "
                f"such as -sum(dy) / m, is missing or has another factor"
            )
        if np.max(abs(mean)) <= largest:
            return (
                f"the error is proportional to x - mean in every {group}: the term through the variance, "
                f"-x_hat sum(dy x_hat) / m, is missing or wrong"
            )
        return f"in every {group} the terms through the mean and the variance are missing or wrong"
    return None
