"""Arrays on an NVIDIA GPU, by CuPy. Only what differs from the plain bodies in base.py is here."""

import functools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..errors import BackendError
from . import philox
from .base import Array, Backend, Description
from .convolution import Window
from .cublas import Cublas
from .graph import StepGraph, StepNumbers
from .kernels import Elementwise
from .numpy_backend import shared_backend as shared_numpy_backend
from .random import Random
from .sums import COLUMN_SUMS, GRADIENT_SUMS, MOMENTS, Sums

KERNELS = Path(__file__).parent / "kernels.cu"
REALS = {"float32": "float", "float64": "double"}
THREADS, MOST_BLOCKS = 256, 4096  # of a launch; with more entries than threads, each thread takes several
MOST_NUMBERS = 2**28  # entries of im2col's matrix: kernels count in 32 bits, and memory is limited
MOST_SUMS = 2**22  # of parts of a grouped dW
FEW_ROWS = 4096  # up to so many rows are summed in two launches, more in three
RESIDENT = 8 * 2**30  # a data set of up to so many bytes is copied to the device as a whole


def unusable_reason() -> str | None:
    """Why CuPy cannot be used here, in a sentence; None if it can."""
    try:
        import cupy  # noqa: TID251 - the one place that may
    except ImportError:
        return "CuPy is not installed; run: pip install 'minigan[cuda12]' (or cuda13, to match your driver)"
    except Exception as error:  # a damaged installation can raise anything
        return f"importing CuPy failed: {error}"
    if not cupy.is_available():
        return "CuPy finds no usable NVIDIA GPU or driver; `nvidia-smi` shows what the driver sees"
    try:
        one = cupy.zeros((1, 1), dtype=cupy.float32) + 1  # compiles a kernel: needs NVRTC and the CUDA headers
        Cublas(cupy, tf32=False).matmul(one, one, out=cupy.empty_like(one))
    except Exception as error:
        return f"CuPy sees a GPU but cannot compute on it: {error}"
    return None


def device_name() -> str:
    """CuPy's version and the name of the GPU."""
    import cupy  # noqa: TID251

    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"].decode()
    return f"CuPy {cupy.__version__} on {name}"


def usability() -> tuple[bool, str]:
    """Whether this machine can use the backend, and a sentence: the library and the device, or why not."""
    reason = unusable_reason()
    return (False, reason) if reason else (True, device_name())


class CupyBackend(Backend):
    """Arrays on the current CUDA device. Raises BackendError, with the reason, where there is none.

    tf32: round the factors of float32 products to 10 bits, for the tensor cores, which are several times as fast. None:
    as CuPy's own environment variable CUPY_TF32 says, and without it no.
    """

    name: ClassVar[str] = "cupy"

    def __init__(self, tf32: bool | None = None) -> None:
        reason = unusable_reason()
        if reason is not None:
            raise BackendError(f"backend 'cupy' cannot be used: {reason}; or use --backend numpy")
        import cupy  # noqa: TID251

        super().__init__()
        self.xp, self.random = cupy, CupyRandom(self)
        self.tf32 = os.environ.get("CUPY_TF32", "0") not in ("", "0") if tf32 is None else tf32
        self.cublas = Cublas(cupy, self.tf32)
        self.numbers = StepNumbers(cupy)
        self.modules: dict[str, Any] = {}
        self.kernels: dict[tuple[str, str], Any] = {}
        self.resident: tuple[np.ndarray | None, Array] = None, None  # a data set, on the host and on the device

    def __reduce__(self) -> tuple[Any, ...]:
        return shared_backend, ()

    # Arrays. ---------------------------------------------------------------------------------------------------------

    def to_host(self, array: Array) -> np.ndarray:
        """A copy as a NumPy array. Waits for the device."""
        return self.xp.asnumpy(array)

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """A CuPy array. A NumPy array is converted to the dtype before it is copied, so that the bits equal NumPy's."""
        if isinstance(array, np.ndarray) and dtype is not None:
            array = array.astype(dtype, copy=False)
        return self.xp.asarray(array, dtype=dtype)

    def batch(self, images: np.ndarray, choose: Callable[[Backend], Array], dtype: Any) -> Array:
        """images[chosen], bytes as p / 127.5 - 1, floats unchanged.    images: NumPy, (N, h, w, c)   -> (n, h, w, c)

        Bytes that fit on the device as a whole are copied there once: each batch is chosen and taken there.
        """
        if images.dtype != np.uint8 or images.nbytes > RESIDENT:
            return self.asarray(shared_numpy_backend().batch(images, choose, dtype))
        chosen = choose(self)
        if self.resident[0] is not images:
            self.resident = images, self.xp.asarray(images)
        out = self.xp.empty((len(chosen), *images.shape[1:]), dtype)
        length = math.prod(images.shape[1:])
        self.launch("gather_images", out, self.resident[1], self.xp.asarray(chosen), out, out.size, np.uint32(length))
        return out

    def synchronize(self) -> None:
        """Wait until the device has finished its work."""
        self.xp.cuda.get_current_stream().synchronize()

    def _elementwise(self, call: Elementwise) -> None:
        """Launch the kernel, if one is given and its arrays are contiguous; else the formula, a launch an operation."""
        kernel, like = call.runnable, call.arrays[0]
        if kernel is None:
            super()._elementwise(call)
            return
        arguments: list[Any] = [*call.arrays, *call.vectors, like.size]
        arguments += [np.int32(len(call.vectors[0]))] if call.vectors else []  # by which it finds an entry's channel
        arguments += [call.settings[name] for name in kernel.scalars.split()]
        arguments += kernel.rounded(kernel.numbers, call.settings, like.dtype)
        for name in kernel.steps.split():
            arguments += self.step_arguments(call.settings[name])
        self.launch(kernel.name, like, *arguments)

    # Products and sums. ----------------------------------------------------------------------------------------------

    def _matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b, by cuBLAS.    a: (n, k)   b: (k, d)   out: (n, d)"""
        return self.cublas.matmul(a, b, out)

    def _conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """out = im2col(x) W, for as many images at a time as memory allows.

        x: (n, h, w, c)   W: (kh kw c, d)   out: (n, oh, ow, d)
        """
        if window.groups > 1:
            self._of_groups("grouped_conv", x, W, out, out.size, window, W.shape[1])
            return out
        for part in self._pieces(len(x), window):
            self._matmul(self._im2col(x[part], window), W, out=out[part].reshape(-1, W.shape[1]))
        return out

    def _conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """out = im2col(x)^T dy, a sum over pieces of the batch, in order.

        x: (n, h, w, c)   dy: (n, oh, ow, d)   out: (kh kw c, d)
        """
        if window.groups > 1:
            return self._grouped_conv_dW(x, dy, window, out)
        for part in self._pieces(len(x), window):
            into = out if part.start == 0 else self.xp.empty_like(out)
            self._matmul(self._im2col(x[part], window).T, dy[part].reshape(-1, out.shape[1]), out=into)
            if into is not out:
                out += into
        return out

    def _conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """out = col2im(dy W^T). A thread of the kernel sums all entries of one pixel, so that none are added in memory.

        dy: (n, oh, ow, d)   W: (kh kw c, d)   out: (n, h, w, c)
        """
        if window.groups > 1:
            self._of_groups("grouped_conv_dx", dy, W, out, out.size, window, W.shape[1])
            return out
        if window.is_pixels:
            self._matmul(dy.reshape(-1, W.shape[1]), W.T, out=out.reshape(-1, len(W)))
            return out
        for part in self._pieces(len(dy), window):
            rows = dy[part].reshape(-1, W.shape[1])
            cols = self._matmul(rows, W.T, out=self.xp.empty((len(rows), len(W)), W.dtype))
            self.launch("col2im", out, cols, out[part], out[part].size, *_geometry(window))
        return out

    def _im2col(self, x: Array, window: Window) -> Array:
        """The patches of x, a row each, by a kernel; x itself where every pixel is one.

        x: (n, h, w, c) -> (n oh ow, kh kw c)
        """
        if window.is_pixels:
            return x.reshape(-1, window.patch)
        cols = self.xp.empty((len(x) * math.prod(window.stops), window.patch), x.dtype)
        self.launch("im2col", cols, self.xp.ascontiguousarray(x), cols, cols.size, *_geometry(window))
        return cols

    def _of_groups(self, kernel: str, first: Array, second: Array, out: Array, *counts: Any) -> None:
        """A kernel that computes each number of a grouped convolution, or of its dx, in a thread of its own.

        counts: the numbers of out, and what else it counts by; the window; d, the channels of the output
        """
        *numbers, window, d = counts
        arrays = (self.xp.ascontiguousarray(first), self.xp.ascontiguousarray(second), out)
        self.launch(kernel, first, *arrays, *numbers, *_geometry(window), np.int32(d), np.int32(window.groups))

    def _grouped_conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """The stops are dealt to some threads for each number of out, whose sums are added in order, in double."""
        stops = len(x) * math.prod(window.stops)
        parts = max(1, min(math.isqrt(stops), MOST_SUMS // out.size))
        sums = self.xp.empty((1, parts * out.size), "float64")
        self._of_groups("grouped_conv_dW", x, dy, sums, sums.size, parts, stops, window, out.shape[1])
        self.launch("add_sums", out, sums, out, out.size, out.size, sums.shape[1])
        return out

    def _pieces(self, n: int, window: Window) -> list[slice]:
        images = max(1, MOST_NUMBERS // (math.prod(window.stops) * window.patch))
        return [slice(start, min(start + images, n)) for start in range(0, n, images)]

    def describe(self, window: Window, n: int, d: int) -> list[Description]:
        """As the plain bodies do, but for groups."""
        described = super().describe(window, n, d)
        if window.groups == 1:
            return described
        return [one._replace(way="number by number", why="a thread sums over the group of each") for one in described]

    def _sums(self, sums: Sums, arguments: tuple[Array, ...]) -> tuple[Array, ...]:
        """By many threads, each over rows of its own. Sums of your own are computed as they are written."""
        ours: dict[Sums, Callable[..., tuple[Array, ...]]] = {
            COLUMN_SUMS: self._column_sums, MOMENTS: self._moments, GRADIENT_SUMS: self._gradient_sums
        }  # fmt: skip
        if sums not in ours:
            return super()._sums(sums, arguments)
        return ours[sums](*(self.xp.ascontiguousarray(array) for array in arguments))

    def _column_sums(self, x: Array) -> tuple[Array, ...]:
        return (self._added(self._partial_sums("column_sums", 1, x), x)[0],)

    def _moments(self, x: Array) -> tuple[Array, ...]:
        """Mean and biased variance; x is read once."""
        c = x.shape[-1]
        mean, var = self.xp.empty(c, x.dtype), self.xp.empty(c, x.dtype)
        sums = self._partial_sums("column_moments", 2, x)
        self.launch("moments", x, sums, x, mean, var, c, sums.shape[1], np.float64(x.size // c))
        return mean, var

    def _gradient_sums(self, dy: Array, x: Array, mean: Array) -> tuple[Array, ...]:
        found = self._added(self._partial_sums("column_products", 2, dy, x, mean), dy)
        return found[0], found[1]

    def _partial_sums(self, kernel: str, count: int, x: Array, *others: Array) -> Array:
        """Partial sums, in double, of the `count` columns that the kernel makes of each column of x.

        (..., c) -> (count, rows c), of which `_added` makes (count, c)

        No thread adds more than `most` numbers one after the other: the cube root of the number of rows, or its square
        root if there are few rows. So one launch, or two, leave at most that many rows.
        """
        c = x.shape[-1]
        m = x.size // c
        most = math.ceil(m ** (1 / 2 if m <= FEW_ROWS else 1 / 3))
        rows = -(-m // most)
        sums = self.xp.empty((count, rows * c), "float64")
        self.launch(kernel, x, x, sums, rows * c, x.size, np.int32(c), *others)
        if rows > most:
            sums = self._added(sums, sums, -(-rows // most) * c)
        return sums

    def _added(self, sums: Array, like: Array, period: int | None = None) -> Array:
        """The sums of entries that are `period` apart, by default c of `like`, in its dtype.    (count, rows period) ->
        (count, period)
        """
        period = period or like.shape[-1]
        out = self.xp.empty((len(sums), period), like.dtype)
        self.launch("add_sums", out, sums, out, out.size, period, sums.shape[1])
        return out

    def step_runner(self) -> StepGraph:
        """A runner that captures a step and then launches it as a whole (graph.py)."""
        return StepGraph(self.xp, self.numbers)

    def step_arguments(self, step: int) -> list[Any]:
        """What a kernel gets for a step number, first + stride replays: in a captured graph it grows with `replays`."""
        return [*(np.uint64(number) for number in self.numbers.of(step)), self.numbers.replays]

    def launch(self, name: str, like: Array, *arguments: Any) -> None:
        """Launch a kernel, compiled for the dtype of `like`. Python ints among its arguments are counts, passed as
        uint32; the first one is the number of threads that it needs.
        """
        real = REALS[like.dtype.name]
        if real not in self.modules:
            self.modules[real] = self.xp.RawModule(
                code=KERNELS.read_text(encoding="utf-8"), options=(f"-DREAL={real}",)
            )
        if (real, name) not in self.kernels:
            self.kernels[real, name] = self.modules[real].get_function(name)
        counts = [argument for argument in arguments if isinstance(argument, int)]
        if max(counts) >= 2**31:
            raise BackendError(f"{name}: {max(counts):,} numbers are more than a kernel counts: use a smaller batch")
        blocks = min(MOST_BLOCKS, -(-counts[0] // THREADS))
        typed = tuple(np.uint32(argument) if isinstance(argument, int) else argument for argument in arguments)
        self.kernels[real, name]((blocks,), (THREADS,), typed)


class CupyRandom(Random):
    """The numbers of philox.py, computed on the device. In a captured graph, the step is read there, too."""

    def __init__(self, backend: "CupyBackend") -> None:
        super().__init__(backend.asarray)
        self.backend = backend

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> Array:
        """Standard normal numbers, a function of (seed, stream, step)."""
        return self._drawn("normal", shape, seed, stream, step, dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> Array:
        """Uniform numbers in [0, 1), a function of (seed, stream, step). Rounded to float32 they may reach 1."""
        return self._drawn("uniform", shape, seed, stream, step, dtype)

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> Array:
        """n whole numbers 0 ... high - 1, int64, a function of (seed, stream, step)."""
        return (self.uniform((n,), seed, stream, step, "float64") * high).astype("int64")

    def _drawn(self, kernel: str, shape: tuple[int, ...], seed: int, stream: str, step: int, dtype: Any) -> Array:
        philox.require_words(seed, step)
        out = self.backend.xp.empty(shape, dtype)
        if out.size:
            words = np.uint64(seed), np.uint64(philox.stream_number(stream))
            self.backend.launch(kernel, out, out, out.size, *words, *self.backend.step_arguments(step))
        return out


def _geometry(window: Window) -> list[np.int32]:
    (top, _), (left, _) = window.padding
    return [np.int32(i) for i in (*window.image, *window.kernel, *window.stride, top, left, *window.stops)]


@functools.cache
def shared_backend() -> CupyBackend:
    """The one object of this process: all networks share it, and with it the step numbers of a captured step."""
    return CupyBackend()
