"""What the layers need of an array library, and nothing more.

A network is built with a backend object. Layers compute with `backend.xp` (the array module: numpy or cupy) and call
the methods below where the libraries differ, or where a faster way is worth a few lines. The bodies here are the plain
ones, written to be read. A subclass overrides those that it must or can do faster, and the tests compare the two.

Arrays are changed in place: outputs are given as `out`, and parameters are views into one vector. So only a library
whose arrays can be written to can be a backend.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

import numpy as np

from . import philox
from .convolution import Window, col2im, im2col

Array: TypeAlias = Any  # an array of the backend's library: numpy.ndarray or cupy.ndarray
Counter: TypeAlias = tuple[Any, str]  # a Python int, as (object, attribute)


class Backend:
    """The plain bodies. A subclass sets `name` and `xp`, the array module."""

    name: ClassVar[str]
    xp: ModuleType

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """An array of this backend, of this dtype if one is given. The array itself if it is both already."""
        return self.xp.asarray(array, dtype=dtype)

    def to_host(self, array: Array) -> np.ndarray:
        """A NumPy array with the same values. On a GPU this waits for the device, so keep it out of inner loops."""
        return np.asarray(array)

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b.    a: (n, k)   b: (k, d)   out: (n, d), contiguous; a and b may be transposed views"""
        return self.xp.matmul(a, b, out=out)

    def over_batch(self, task: Callable[[slice], None], shape: tuple[int, ...], *kernel: Any) -> None:
        """Call task(part) for slices of axis 0 that together cover arrays of this shape, in any order and number.

        A call writes only to its own slice, so that calls may run at the same time. Axis 0 is the batch; for a vector
        it is the vector itself.

        kernel: what a GPU launches instead: a name in kernels.cu, then its arguments, arrays before numbers
        """
        task(slice(0, shape[0]))

    def over_channels(self, task: Callable[..., None], arrays: Any, vectors: Any, *kernel: Any) -> None:
        """Call task(*arrays, *vectors), for a formula that uses one entry of each vector for each channel.

        arrays: all (..., c), fast if they are contiguous   vectors: all (c,)

        The task may be called several times, with parts of the arrays as rows (m, k c) and the vectors k times in a
        row, (k c,). kernel: what a GPU launches instead: a name in kernels.cu, then the numbers that it takes after
        these arrays and vectors.
        """
        task(*arrays, *vectors)

    def sum_rows(self, part_of: Callable[[slice], Array], shape: tuple[int, ...]) -> Array:
        """The sum over all axes but the last of an array of this shape, (..., c) -> (c,); part_of(part) is its part."""
        return part_of(slice(0, shape[0])).sum(axis=tuple(range(len(shape) - 1)))

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and biased variance over all axes but the last.    (..., c) -> (c,), (c,)"""
        mean = self.sum_rows(lambda part: x[part], x.shape) / (x.size // x.shape[-1])
        square = self.sum_rows(lambda part: (x[part] - mean) ** 2, x.shape)
        return mean, square / (x.size // x.shape[-1])

    def gradient_sums(self, dy: Array, x: Array, mean: Array, work: Array) -> tuple[Array, Array]:
        """sum dy and sum dy (x - mean), over all axes but the last.    (..., c) -> (c,), (c,)

        work: memory of dy's shape and dtype, which is overwritten
        """

        def product(part: slice) -> Array:
            self.xp.subtract(x[part], mean, out=work[part])
            work[part] *= dy[part]
            return work[part]

        return self.sum_rows(lambda part: dy[part], dy.shape), self.sum_rows(product, dy.shape)

    def conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """out = im2col(x) W.    x: (n, h, w, c)   W: (kh kw c, d)   out: (n, oh, ow, d)"""
        self.matmul(self.im2col(x, window), W, out=out.reshape(-1, W.shape[1]))
        return out

    def conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """out = im2col(x)^T dy, the gradient of `conv` for W.    dy: (n, oh, ow, d)   out: (kh kw c, d)"""
        return self.matmul(self.im2col(x, window).T, dy.reshape(-1, out.shape[1]), out=out)

    def conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """out = col2im(dy W^T), the gradient of `conv` for x.    dy: (n, oh, ow, d)   out: (n, h, w, c)"""
        dy = dy.reshape(-1, W.shape[1])
        cols = self.matmul(dy, W.T, out=self.xp.empty((len(dy), len(W)), W.dtype))
        padded = self.xp.empty((len(out), *window.padded), W.dtype)
        return col2im(self.xp, cols, window, padded, out)

    def im2col(self, x: Array, window: Window) -> Array:
        """Every patch of x as a row.    x: (n, h, w, c) -> (n oh ow, kh kw c)"""
        padded = self.xp.empty((len(x), *window.padded), x.dtype)
        rows = len(x) * math.prod(window.stops)
        return im2col(self.xp, x, window, padded, out=self.xp.empty((rows, window.patch), x.dtype))

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> Array:
        """Standard normal numbers, a function of (seed, stream, step): see philox.py."""
        return self.asarray(philox.normal(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> Array:
        """Uniform numbers in [0, 1), a function of (seed, stream, step). Rounded to float32 they may reach 1."""
        return self.asarray(philox.uniform(math.prod(shape), seed, stream, step).reshape(shape), dtype)

    def mask(self, shape: tuple[int, ...], rate: float, seed: int, stream: str, step: int = 0) -> Array:
        """True where `uniform` is at least `rate`: with probability 1 - rate.    0 <= rate < 1"""
        return self.uniform(shape, seed, stream, step) >= rate

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> Array:
        """n whole numbers 0 ... high - 1, int64, a function of (seed, stream, step)."""
        return self.asarray(philox.integers(n, high, seed, stream, step))

    def gathers(self, images: np.ndarray) -> bool:
        """Whether `scaled_images` takes `chosen` for these images as an array of this backend; if not, as NumPy's."""
        return True

    def scaled_images(self, images: np.ndarray, chosen: Array, dtype: Any) -> Array:
        """images[chosen], bytes as p / 127.5 - 1, floats unchanged.    images: NumPy, (N, h, w, c)   -> (n, h, w, c)"""
        batch = images[chosen]
        if batch.dtype == np.uint8:
            batch = batch.astype(dtype) / 127.5 - 1
        return self.asarray(batch, dtype)

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, t: int, rate: Array, beta1: float, beta2: float, eps: float
    ) -> None:
        """Update number t of `optimizers.Adam`, in place.    p, g, m, v: all (k,)   rate: 0-d, float64

        m <- beta1 m + g     v <- beta2 v + g^2     p <- p - step m / (sqrt(v) + eps'),   (step, eps') by `adam_step`
        """
        step, eps = adam_step(t, float(rate), beta1, beta2, eps)
        m *= beta1
        m += g
        v *= beta2
        square = g * g
        v += square
        update = self.xp.sqrt(v, out=square)
        update += eps
        self.xp.divide(m, update, out=update)
        update *= step
        p -= update

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


def adam_step(t: int, rate: float, beta1: float, beta2: float, eps: float) -> tuple[float, float]:
    """(step, eps') of Adam's update t, such that  p <- p - step m / (sqrt(v) + eps')  has both bias corrections in it.

    root = sqrt((1 - beta2) / (1 - beta2^t))   step = rate (1 - beta1) / (1 - beta1^t) / root   eps' = eps / root
    """
    root = math.sqrt((1 - beta2) / (1 - beta2**t))
    return rate * (1 - beta1) / (1 - beta1**t) / root, eps / root
