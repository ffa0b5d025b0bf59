"""A grouped convolution as what it is: a convolution for each run of channels, by itself.

The channels of x are cut into `groups` equal runs, and those of y too; run g of y sees run g of x only. W has the
columns of all groups side by side.

x: (n, h, w, c)   W: (kh kw c / groups, d)   y, dy: (n, oh, ow, d)   one: the function of the same name, for one group
"""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from .convolution import Window

One = Callable[[Any, Any, Window, Any], Any]


def runs(window: Window, d: int) -> Iterator[tuple[slice, slice]]:
    """For each group its channels of the image and its channels of the output, of which there are d."""
    c, groups = window.image[2], window.groups
    before, after = c // groups, d // groups
    for g in range(groups):
        yield slice(g * before, (g + 1) * before), slice(g * after, (g + 1) * after)


def conv(xp: ModuleType, one: One, x: Any, W: Any, window: Window, out: Any) -> Any:
    """out = y."""
    for inputs, outputs in runs(window, W.shape[1]):
        part = xp.empty_like(out[..., outputs], order="C")
        out[..., outputs] = one(run(xp, x, inputs), run(xp, W, outputs), window.of_group, part)
    return out


def conv_dW(xp: ModuleType, one: One, x: Any, dy: Any, window: Window, out: Any) -> Any:
    """out = dW."""
    for inputs, outputs in runs(window, dy.shape[3]):
        part = xp.empty_like(out[..., outputs], order="C")
        out[..., outputs] = one(run(xp, x, inputs), run(xp, dy, outputs), window.of_group, part)
    return out


def conv_dx(xp: ModuleType, one: One, dy: Any, W: Any, window: Window, out: Any) -> Any:
    """out = dx."""
    for inputs, outputs in runs(window, W.shape[1]):
        part = xp.empty_like(out[..., inputs], order="C")
        out[..., inputs] = one(run(xp, dy, outputs), run(xp, W, outputs), window.of_group, part)
    return out


def run(xp: ModuleType, array: Any, channels: slice) -> Any:
    """These channels of an array, in one piece."""
    return xp.ascontiguousarray(array[..., channels])
