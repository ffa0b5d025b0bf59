"""What the layers need of an array library, and nothing more.

A network is built with a backend object. Layers compute with `backend.xp` (the array module: numpy or cupy) and call
the methods below where the libraries differ, or where a faster way is worth a few lines. The bodies here are the plain
ones, written to be read. A subclass overrides those that it must or can do faster, and the tests compare the two.

Arrays are changed in place: outputs are given as `out`, and parameters are views into one vector. So only a library
whose arrays can be written to can be a backend.
"""

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from ..errors import ShapeError
from . import groups
from .convolution import Window, col2im, im2col
from .kernels import Elementwise, Kernel
from .random import Random
from .sums import Sums

Array: TypeAlias = Any  # an array of the backend's library: numpy.ndarray or cupy.ndarray
Counter: TypeAlias = tuple[Any, str]  # a Python int, as (object, attribute)


class Description(NamedTuple):
    """How a backend computes one of the functions of a convolution."""

    function: str  # conv, conv_dx or conv_dW
    way: str
    multiplications: int
    plain: int  # multiplications of a plain convolution
    why: str


class Backend:
    """The plain bodies. A subclass sets `name` and `xp`, the array module, and `random`, if it draws in its own way.

    The methods say what is wanted, and hold a caller to it; those with an underscore, of the same name, compute.
    """

    name: ClassVar[str]
    xp: ModuleType
    first_step: ClassVar[str] = ""  # what the first step of a run does besides, in a word, where it takes time

    def __init__(self) -> None:
        self.random = Random(self.asarray)

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """An array of this backend, of this dtype if one is given. The array itself if it is both already."""
        return self.xp.asarray(array, dtype=dtype)

    def to_host(self, array: Array) -> np.ndarray:
        """A NumPy array with the same values. On a GPU this waits for the device, so keep it out of inner loops."""
        return np.asarray(array)

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b.    a: (n, k)   b: (k, d), both may be views   out: (n, d)

        Raises ShapeError unless the shapes fit and out is contiguous: then every library writes to it in place.
        """
        require_out("matmul", out, (len(a), b.shape[1]), a.shape[1] == len(b))
        return self._matmul(a, b, out)

    def _matmul(self, a: Array, b: Array, out: Array) -> Array:
        return self.xp.matmul(a, b, out=out)

    def elementwise(
        self,
        formula: Callable[..., None],
        arrays: Sequence[Array],
        vectors: Sequence[Array] = (),
        kernel: Kernel | None = None,
        work: int = 0,
        **settings: Any,
    ) -> None:
        """formula(*arrays, *vectors), for a formula that computes every entry by itself and writes to its arrays.

        arrays: all of one shape, (..., c)   vectors: (c,), one number for each channel

        The formula may be called several times, at the same time, with parts of the arrays that together cover them:
        flat, or as rows (m, k c) with vectors (k c,), each k times in a row. Arrays may be views; they are fast if they
        are contiguous.

        kernel    what a backend may run instead of the formula, with `settings`, what it takes besides arrays
        work      how many arrays more, like the first and with any contents, the formula gets as its last arguments

        Raises BackendError if these are not what the kernel takes.
        """
        if kernel is not None:
            kernel.require(arrays, vectors, settings)
        self._elementwise(Elementwise(formula, arrays, vectors, kernel, work, settings))

    def _elementwise(self, call: Elementwise) -> None:
        more = (self.xp.empty_like(call.arrays[0]) for _ in range(call.work))
        call.formula(*call.arrays, *call.vectors, *more)

    def by_samples(self, function: Callable[..., None], *arrays: Array) -> None:
        """function(*arrays), for a function that treats every sample, an entry of axis 0 of all arrays, by itself.

        It may be called several times, at the same time, with some samples of each: together they are all.
        """
        function(*arrays)

    def sums(self, sums: Sums, *arguments: Array) -> tuple[Array, ...]:
        """Sums over all axes but the last, by name: sums.py says which there are.    (..., c) -> (c,), ...

        arguments: its arrays (..., c), and then its vectors (c,). Raises BackendError for other shapes.
        """
        sums.require(arguments)
        return self._sums(sums, arguments)

    def _sums(self, sums: Sums, arguments: tuple[Array, ...]) -> tuple[Array, ...]:
        rows = [array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array for array in arguments]
        return sums.plain(self.xp, *rows)

    def conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """out = im2col(x) W.    x: (n, h, w, c)   W: (kh kw c, d)   out: (n, oh, ow, d), contiguous

        With several groups, W is (kh kw c / groups, d) here and below, and its runs of d / groups columns are those of
        the groups.
        """
        require_out("conv", out, (len(x), *window.stops, W.shape[1]), x.shape[1:] == window.image)
        return self._conv(x, W, window, out)

    def conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """out = im2col(x)^T dy, the gradient of `conv` for W.    dy: (n, oh, ow, d)   out: (kh kw c, d), contiguous"""
        require_out(
            "conv_dW", out, (window.patch, dy.shape[3]), len(dy) == len(x) and _stops(dy) == math.prod(window.stops)
        )
        return self._conv_dW(x, dy, window, out)

    def conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """out = col2im(dy W^T), the gradient of `conv` for x.    dy: (n, oh, ow, d)   out: (n, h, w, c), contiguous"""
        require_out("conv_dx", out, (len(dy), *window.image), _stops(dy) == math.prod(window.stops))
        return self._conv_dx(dy, W, window, out)

    def _conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        if window.groups > 1:
            return groups.conv(self.xp, self._conv, x, W, window, out)
        self._matmul(self._im2col(x, window), W, out.reshape(-1, W.shape[1]))
        return out

    def _conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        if window.groups > 1:
            return groups.conv_dW(self.xp, self._conv_dW, x, dy, window, out)
        return self._matmul(self._im2col(x, window).T, dy.reshape(-1, out.shape[1]), out)

    def _conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        if window.groups > 1:
            return groups.conv_dx(self.xp, self._conv_dx, dy, W, window, out)
        if window.is_pixels:
            self._matmul(dy.reshape(-1, W.shape[1]), W.T, out.reshape(-1, len(W)))
            return out
        dy = dy.reshape(-1, W.shape[1])
        cols = self._matmul(dy, W.T, self.xp.empty((len(dy), len(W)), W.dtype))
        padded = self.xp.empty((len(out), *window.padded), W.dtype)
        return col2im(self.xp, cols, window, padded, out)

    def _im2col(self, x: Array, window: Window) -> Array:
        """Every patch of x as a row.    x: (n, h, w, c) -> (n oh ow, kh kw c)"""
        if window.is_pixels:
            return x.reshape(-1, window.patch)
        padded = self.xp.empty((len(x), *window.padded), x.dtype)
        rows = len(x) * math.prod(window.stops)
        return im2col(self.xp, x, window, padded, out=self.xp.empty((rows, window.patch), x.dtype))

    def describe(self, window: Window, n: int, d: int) -> list[Description]:
        """How conv, conv_dx and conv_dW of n images are computed, with d channels of output."""
        plain = n * math.prod(window.stops) * window.patch * d
        way, why = "patches", "all patches are laid out and multiplied at once"
        if window.is_pixels:
            way, why = "pixels", "every pixel is a patch, and nothing is laid out"
        elif window.groups > 1:
            way, why = "by group", "each group is a convolution of its own"
        return [Description(function, way, plain, plain, why) for function in ("conv", "conv_dx", "conv_dW")]

    def batch(self, images: np.ndarray, choose: Callable[["Backend"], Array], dtype: Any) -> Array:
        """images[chosen], bytes as p / 127.5 - 1, floats unchanged.    images: NumPy, (N, h, w, c)   -> (n, h, w, c)

        choose(backend) -> (n,) whole numbers, arrays of that backend: of the one that is best at taking these images.
        """
        batch = images[choose(self)]
        if batch.dtype == np.uint8:
            batch = batch.astype(dtype) / 127.5 - 1
        return self.asarray(batch, dtype)

    def synchronize(self) -> None:
        """Wait until the device has finished its work. NumPy always has."""

    def step_runner(self) -> "StepRunner":
        """What runs the steps of one GAN: a plain call here, one launch of a captured graph on a GPU (`StepGraph`)."""
        return StepRunner()

    # There is one object of a backend in a process: a copy is the object itself, a pickle says where to find it. ------

    def __copy__(self) -> "Backend":
        return self

    def __deepcopy__(self, memo: Any) -> "Backend":
        return self


class StepRunner:
    """Runs a function of arrays. Between two calls it holds no reference to the function, so that it can be freed."""

    def __call__(
        self,
        function: Callable[..., list[Array]],
        arrays: tuple[Array, ...],
        counters: list[Counter],
        buffers: Callable[[], Any],
    ) -> Any:
        """What function(*arrays) returns.

        counters: the numbers that the function changes   buffers(): the arrays that it writes to
        """
        return function(*arrays)


def _stops(dy: Array) -> int:
    """Of one image."""
    return math.prod(dy.shape[1:3])


def require_out(method: str, out: Array, shape: tuple[int, ...], fits: bool) -> None:
    """Raises ShapeError unless the arguments fit each other, and out has this shape and is contiguous."""
    if not fits or out.shape != shape or not out.flags.c_contiguous:
        pieces = "" if out.flags.c_contiguous else ", which lies in pieces"
        fitting = "" if fits else "; the other arguments do not fit each other"
        raise ShapeError(f"{method}: out is {out.shape}{pieces}; wanted a contiguous array of {shape}{fitting}")
