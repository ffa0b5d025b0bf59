"""How much the samples of a batch differ, told to D."""

import math
from collections.abc import Iterator
from typing import ClassVar

from ..backend import Array
from .base import Layer
from .sides import whole

EPS = 1e-8  # under the root: images that are all alike have no slope


class MinibatchStd(Layer):
    """y = [x, s]:  one more channel, how much the samples of a group differ.    x: (n, ..., c)   y: (n, ..., c + 1)

    The batch is cut into groups of g rows. With sums over a group, and means over all p entries of a sample:

        mean = sum x / g      std = sqrt(sum (x - mean)^2 / g + 1e-8)      s = mean std, a number for each group

    With dy = [dy_x, dy_s], and ds the sum of dy_s over the group and all pixels:

        dx = dy_x + ds (x - mean) / (p g std)

    D then sees at a glance that G makes one image again and again. Karras et al. 2018 (arXiv:1710.10196), section 3. It
    stands near D's end. `predict` computes the same. A batch of one has s = 1e-4, and dx = dy_x.

    group  rows in a group. A batch of other sizes is cut into n // group groups, or one, as equal as can be: of `group`
           rows or a few more, 7 and 7 of 14 for group=6, and never a small rest, whose samples would seem alike
    """

    no_tangent: ClassVar[str] = (
        "it compares the images of a batch, so that the score of an image depends on the others, too, and is no "
        "function with a slope of its own; leave it out of the critic"
    )

    def __init__(self, group: int = 4) -> None:
        self.group = whole(group, "MinibatchStd: group")

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters; (h, w, c) becomes (h, w, c + 1), and (d,) becomes (d + 1,)."""
        return (*in_shape[:-1], in_shape[-1] + 1)

    def forward(self, x: Array, train: bool) -> Array:
        """y = [x, s]."""
        self.x, y = x, self.buf("y", (*x.shape[:-1], x.shape[-1] + 1))
        y[..., :-1] = x
        for x_groups, y_groups in zip(self.groups(x), self.groups(y), strict=True):
            _, std = self.spread(x_groups)
            y_groups[..., -1:] = std.mean(axis=tuple(range(1, std.ndim)), keepdims=True)
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy_x + ds (x - mean) / (p g std)."""
        if not inputs:
            return None
        dx = self.buf("dx", self.x.shape)
        for x, dy_groups, dx_groups in zip(self.groups(self.x), self.groups(dy), self.groups(dx), strict=True):
            away, std = self.spread(x)
            ds = dy_groups[..., -1:].sum(axis=tuple(range(1, dy_groups.ndim)), keepdims=True)
            away *= ds / (x.shape[1] * math.prod(x.shape[2:]) * std)
            away += dy_groups[..., :-1]
            dx_groups[...] = away
        return dx

    def groups(self, x: Array) -> Iterator[Array]:
        """Views of x: the groups with one row more, where n does not divide, and the others.    (groups, g, *sample)"""
        count = max(1, len(x) // self.group)
        size, larger = divmod(len(x), count)
        cut = larger * (size + 1)
        if larger:
            yield x[:cut].reshape(larger, size + 1, *x.shape[1:])
        yield x[cut:].reshape(count - larger, size, *x.shape[1:])

    def spread(self, x: Array) -> tuple[Array, Array]:
        """x - mean and std, of every entry over its group.    (groups, g, *sample) and (groups, 1, *sample)"""
        away = x - x.mean(axis=1, keepdims=True)
        return away, self.xp.sqrt((away * away).mean(axis=1, keepdims=True) + EPS)
