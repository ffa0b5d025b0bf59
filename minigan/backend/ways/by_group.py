"""A grouped convolution group by group: the way that always works."""

import numpy as np

from .. import groups
from ..base import Array
from ..convolution import Window
from ..tuning import Tuning
from .way import Case, Way


class ByGroup(Way):
    """All three functions of several groups, each by the way that pays for one of them."""

    name, why = "by group", "each group is a convolution of its own, in the way that is best for it"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Always, for several groups: it is the last one that is asked."""
        return case.window.groups > 1

    def multiplications(self, function: str) -> int:
        """Of all groups."""
        return self.case.window.groups * self._way(function).multiplications(function)

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """Run g of out is the convolution of run g of x."""
        return groups.conv(np, self._one("conv"), x, W, self.window, out)

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """Run g of out is the dx of run g of dy."""
        return groups.conv_dx(np, self._one("conv_dx"), dy, W, self.window, out)

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """Run g of out is the dW of run g of x and of dy."""
        return groups.conv_dW(np, self._one("conv_dW"), x, dy, self.window, out)

    def _way(self, function: str) -> Way:
        window = self.window
        return self.ways.choose(function, window.of_group, self.case.n, self.case.d // window.groups)

    def _one(self, function: str) -> groups.One:
        compute = getattr(self._way(function), function)

        def one(first: Array, second: Array, window: Window, out: Array) -> Array:
            return compute(first, second, out)

        return one
