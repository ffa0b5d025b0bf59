"""Kernels: formulas of single numbers that a backend may have as one loop, and what each of them takes.

A layer writes its formula as NumPy code, and names its kernel. NumPy runs the formula; a GPU launches the kernel of
that name in kernels.cu; the compiled backend runs the loop of that name in compiled_kernels.py. What a kernel takes is
declared here, once, and every backend holds a caller to it: a typing error in a name, a forgotten array or number is
refused on NumPy, too.
"""

from collections.abc import Callable, KeysView, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..errors import BackendError


@dataclass(frozen=True)
class Kernel:
    """A formula that makes an entry of the arrays it writes from the same entry of the arrays it reads.

    name     of the function in kernels.cu and in compiled_kernels.py
    reads    names of arrays, all of one shape, (..., c); "mask:bool" for one of bools, all others have one real dtype
    writes   names of arrays that it changes, which may be among those that it reads
    vectors  names of arrays (c,), of which an entry's formula sees the number of its channel
    numbers  names of numbers, rounded to the arrays' dtype
    scalars  names of arrays (), float64, whose number may change between two launches of a captured graph
    steps    names of whole numbers that grow from step to step: in a graph they are read on the device

    The arguments of a kernel have this order: arrays (reads, and then what is written only), vectors, scalars, numbers,
    steps. With `scalars`, numbers are not rounded: they are float64, as those are.
    """

    name: str
    reads: str
    writes: str
    vectors: str = ""
    numbers: str = ""
    scalars: str = ""
    steps: str = ""

    @cached_property
    def arrays(self) -> list[str]:
        """The names of the arrays, in the order of the arguments."""
        read = [name.removesuffix(":bool") for name in self.reads.split()]
        return read + [name for name in self.writes.split() if name not in read]

    @cached_property
    def masks(self) -> set[str]:
        """The names of those that are of bools."""
        return {name.removesuffix(":bool") for name in self.reads.split() if name.endswith(":bool")}

    @cached_property
    def vector_count(self) -> int:
        """How many vectors there are."""
        return len(self.vectors.split())

    @cached_property
    def settings(self) -> KeysView[str]:
        """The names of scalars, numbers and steps, in the order of the arguments."""
        return dict.fromkeys(f"{self.scalars} {self.numbers} {self.steps}".split()).keys()

    def rounded(self, names: str, settings: dict[str, Any], dtype: np.dtype[Any]) -> list[Any]:
        """These settings as the kernel takes them beside arrays of this dtype."""
        real = np.float64 if self.scalars else dtype.type
        return [real(settings[name]) for name in names.split()]

    def require(self, arrays: Any, vectors: Any, settings: dict[str, Any]) -> None:
        """Raises BackendError unless these are what the kernel takes."""
        if len(arrays) != len(self.arrays) or len(vectors) != self.vector_count:
            raise self._refusal(f"{len(arrays)} arrays and {len(vectors)} vectors")
        if settings.keys() != self.settings:
            raise self._refusal(f"the settings {', '.join(settings) or 'none'}")
        shape, dtype = arrays[0].shape, arrays[0].dtype
        for name, array in zip(self.arrays, arrays, strict=True):
            if array.shape != shape or array.dtype != (bool if name in self.masks else dtype):
                raise self._refusal(f"{name} as {array.dtype} {array.shape} beside {dtype} {shape}")
        for vector in vectors:
            if vector.shape != shape[-1:] or vector.dtype != dtype:
                raise self._refusal(f"a vector {vector.dtype} {vector.shape} beside {dtype} {shape}")

    def _refusal(self, came: str) -> BackendError:
        wanted = f"arrays {' '.join(self.arrays)}"
        wanted += f", vectors {self.vectors}" if self.vectors else ""
        wanted += f", settings {' '.join(self.settings)}" if self.settings else ""
        return BackendError(f"kernel {self.name} got {came}; it takes {wanted}; arrays of one shape and dtype")


class Elementwise(NamedTuple):
    """What `Backend.elementwise` was called with: see there."""

    formula: Callable[..., None]
    arrays: Sequence[Any]
    vectors: Sequence[Any]
    kernel: Kernel | None
    work: int
    settings: dict[str, Any]

    @property
    def runnable(self) -> Kernel | None:
        """The kernel, if there is one and it can run: all arrays lie in one piece."""
        pieces = all(array.flags.c_contiguous for array in (*self.arrays, *self.vectors))
        return self.kernel if self.kernel is not None and pieces else None


RELU = Kernel("relu", reads="x", writes="y")
RELU_DX = Kernel("relu_dx", reads="x dy", writes="dx")
LEAKY_RELU = Kernel("leaky_relu", reads="x", writes="y", numbers="slope")
LEAKY_RELU_DX = Kernel("leaky_relu_dx", reads="x dy", writes="dx", numbers="slope")
TANH_DX = Kernel("tanh_dx", reads="y dy", writes="dx")
SIGMOID = Kernel("sigmoid", reads="x", writes="y")
SIGMOID_DX = Kernel("sigmoid_dx", reads="y dy", writes="dx")
DROPOUT = Kernel("dropout", reads="x mask:bool", writes="y", numbers="scale")
BCE_WITH_LOGITS = Kernel("bce_with_logits", reads="s target", writes="curve ds", numbers="size")
ADD_BIAS = Kernel("add_bias", reads="y", writes="y", vectors="b")
NORMALISE = Kernel("normalise", reads="x", writes="y", vectors="mean gain beta")
NORMALISE_DX = Kernel(
    "normalise_dx", reads="x dy", writes="dx", vectors="mean inverse_std gamma dgamma dbeta", numbers="m"
)
RUNNING_AVERAGE = Kernel(
    "running_average", reads="mean var running_mean running_var", writes="running_mean running_var", numbers="rate"
)
CHANNEL_SCALES = Kernel("channel_scales", reads="var gamma", writes="inverse_std gain", numbers="eps")
SGD_STEP = Kernel("sgd", reads="p g u", writes="p u", scalars="rate", numbers="momentum")
RMSPROP = Kernel("rmsprop", reads="p g v", writes="p v", scalars="rate", numbers="rho eps")
ADAM = Kernel("adam", reads="p g m v", writes="p m v", scalars="rate", numbers="beta1 beta2 eps", steps="t")
ADAM_WITHOUT_MOMENTUM = Kernel(
    "adam_without_momentum", reads="p g v", writes="p v", scalars="rate", numbers="beta2 eps", steps="t"
)

KERNELS = (
    RELU, RELU_DX, LEAKY_RELU, LEAKY_RELU_DX, TANH_DX, SIGMOID, SIGMOID_DX, DROPOUT, BCE_WITH_LOGITS, ADD_BIAS,
    NORMALISE, NORMALISE_DX, RUNNING_AVERAGE, CHANNEL_SCALES, SGD_STEP, RMSPROP, ADAM, ADAM_WITHOUT_MOMENTUM,
)  # fmt: skip
