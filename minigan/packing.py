"""Packs: m samples that D sees at once, joined along the last axis (PacGAN, docs/augment.md)."""

import math

from .backend import Array, backend_of


def packed_shape(shape: tuple[int, ...], m: int) -> tuple[int, ...]:
    """Of a pack of m samples of this shape: (h, w, c) -> (h, w, m c), and (d,) -> (m d,)."""
    return (*shape[:-1], m * shape[-1])


def packed(x: Array, m: int) -> Array:
    """Rows 0 ... m - 1 as the first pack, the next m as the second.    (n, h, w, c) -> (n / m, h, w, m c)

    A sample keeps its channels together: those of the pack's k-th sample are k c ... (k + 1) c - 1.
    """
    if m == 1:
        return x
    n, sample = len(x) // m, x.shape[1:]
    apart = x.reshape(n, m, math.prod(sample[:-1]), sample[-1]).transpose(0, 2, 1, 3)
    return backend_of(x).xp.ascontiguousarray(apart).reshape(n, *packed_shape(sample, m))


def unpacked(x: Array, m: int) -> Array:
    """The samples of packs: the inverse of `packed`, and its adjoint.    (n, h, w, m c) -> (m n, h, w, c)"""
    if m == 1:
        return x
    n, (*sides, channels) = len(x), x.shape[1:]
    apart = x.reshape(n, math.prod(sides), m, channels // m).transpose(0, 2, 1, 3)
    return backend_of(x).xp.ascontiguousarray(apart).reshape(n * m, *sides, channels // m)


def whole_packs(x: Array, m: int) -> Array:
    """Any number of samples in packs, to look at D's scores: the first ones once more fill the last pack."""
    if len(x) % m:
        rows = backend_of(x).xp.arange(-(-len(x) // m) * m) % len(x)
        x = x[rows]
    return packed(x, m)
