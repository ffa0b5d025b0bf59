"""Narrow groups, whose products are one call: a stack of small matrices."""

import math

import numpy as np

from ..base import Array
from ..blas import product
from ..blocks import equal_blocks, on_all_cores
from ..convolution import Window, phases
from ..scratch import scratch
from ..tuning import Tuning
from .way import Case, Way, Ways


class Together(Way):
    """All three functions of several narrow groups, a block of images at a time. The channels of each group are moved
    together first, and the patches of the groups are then a stack of matrices:

        (groups, patches, kh kw c / groups) times (groups, kh kw c / groups, d / groups)

    dx, for stride 1, is the convolution of dy with the kernels turned. Blocks do not depend on the number of threads,
    nor does a bit of what is computed.
    """

    name, why = "groups together", "the products of all groups are one call for a stack of small matrices"

    def __init__(self, case: Case, ways: Ways) -> None:
        super().__init__(case, ways)
        self.groups, self.one = self.window.groups, self.window.of_group
        self.over = turned_window(case)

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Up to so many channels in a group; dx with stride 1, and no more zeros around than the kernel covers."""
        narrow = case.window.groups > 1 and case.c // case.window.groups <= tuning.narrow_group
        return narrow and (function != "conv_dx" or turned_window(case) is not None)

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out: (n, oh, ow, d).    x: (n, h, w, c)   W: (kh kw c / groups, d)"""
        return self._products(x, self._stack(W), self.one, out)

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out: (n, h, w, c).    dy: (n, oh, ow, d)   W: (kh kw c / groups, d)"""
        assert self.over is not None  # or it would not pay
        c, d = self.one.image[2], W.shape[1] // self.groups
        kernel = W.reshape(*self.window.kernel, c, self.groups, d)[::-1, ::-1].transpose(3, 0, 1, 4, 2)
        return self._products(dy, np.ascontiguousarray(kernel).reshape(self.groups, -1, c), self.over, out)

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out: (kh kw c / groups, d).    x: (n, h, w, c)   dy: (n, oh, ow, d)

        The sums over the blocks are kept, in as many shares as there may be, and added in order.
        """
        n, d = len(x), out.shape[1] // self.groups
        shares = equal_blocks(n, min(n, self.tuning.shares))
        sums = np.empty((len(shares), self.groups, self.window.patch, d), out.dtype)

        def share(first: int, last: int) -> None:
            total = sums[shares.index((first, last))]
            for start, stop in self._blocks(last - first, self.one):
                cols = self._patches(x[first + start : first + stop], self.one)
                change = self.moves.split(dy[first + start : first + stop], self.groups, "change")
                into = scratch("part of a sum", total.shape, total.dtype) if start else total
                product(cols.transpose(0, 2, 1), change.reshape(self.groups, -1, d), out=into)
                if start:
                    total += into

        on_all_cores(share, shares, self.tuning)
        out.reshape(-1, self.groups, d)[...] = sums.sum(axis=0).transpose(1, 0, 2)
        return out

    def _products(self, x: Array, kernels: Array, window: Window, out: Array) -> Array:
        """The convolution of every group.    kernels: (groups, kh kw c, d)   window: of one group"""

        def block(start: int, stop: int) -> None:
            cols = self._patches(x[start:stop], window)
            shape = (*cols.shape[:2], kernels.shape[2])
            made = product(cols, kernels, out=scratch("pixels", shape, x.dtype))
            self.moves.join(made, out[start:stop])

        on_all_cores(block, self._blocks(len(x), window), self.tuning)
        return out

    def _stack(self, W: Array) -> Array:
        """(kh kw c / groups, d) -> (groups, kh kw c / groups, d / groups)"""
        return np.ascontiguousarray(W.reshape(len(W), self.groups, -1).transpose(1, 0, 2))

    def _patches(self, x: Array, window: Window) -> Array:
        """The patches of every group.    x: (n, h, w, c) -> (groups, n oh ow, kh kw c / groups)"""
        return self.moves.patches_of_groups(x, self.groups, window)

    def _blocks(self, n: int, window: Window) -> list[tuple[int, int]]:
        """n images in blocks of about `tuning.columns` entries of all groups' patches, whatever the threads."""
        entries = self.groups * math.prod(window.stops) * window.patch
        return equal_blocks(n, min(n, -(-n * entries // self.tuning.columns)))


def turned_window(case: Case) -> Window | None:
    """The window over the dy of a group, for its dx by turned kernels; None for other strides than 1."""
    window = case.window
    found = phases(window.of_group, case.d // window.groups)
    return found[0] if found and window.stride == (1, 1) else None
