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
from .base import Array, Backend
from .convolution import Window
from .cublas import Cublas
from .graph import StepGraph, StepNumbers

KERNELS = Path(__file__).parent / "kernels.cu"
REALS = {"float32": "float", "float64": "double"}
THREADS, MOST_BLOCKS = 256, 4096  # of a launch; with more entries than threads, each thread takes several
MOST_NUMBERS = 2**28  # entries of im2col's matrix: kernels count in 32 bits, and memory is limited
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

        self.xp = cupy
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

    def gathers(self, images: np.ndarray) -> bool:
        """Yes for bytes that fit on the device as a whole."""
        return images.dtype == np.uint8 and images.nbytes <= RESIDENT

    def scaled_images(self, images: np.ndarray, chosen: Array, dtype: Any) -> Array:
        """images[chosen], bytes as p / 127.5 - 1, floats unchanged.    images: NumPy, (N, h, w, c)   -> (n, h, w, c)

        Where `gathers` says so, all images are copied to the device once, and each batch is taken from there.
        """
        if not self.gathers(images):
            return super().scaled_images(images, chosen, dtype)
        if self.resident[0] is not images:
            self.resident = images, self.xp.asarray(images)
        out = self.xp.empty((len(chosen), *images.shape[1:]), dtype)
        length = math.prod(images.shape[1:])
        self._launch("gather_images", out, self.resident[1], self.xp.asarray(chosen), out, out.size, np.uint32(length))
        return out

    def synchronize(self) -> None:
        """Wait until the device has finished its work."""
        self.xp.cuda.get_current_stream().synchronize()

    def over_batch(self, task: Callable[[slice], None], shape: tuple[int, ...], *kernel: Any) -> None:
        """Launch the kernel, if one is given and its arrays are contiguous; else task(all), one launch per operation.

        kernel: a name in kernels.cu, then arrays, then numbers: ints as int32, others in the dtype of the arrays
        """
        arrays = [argument for argument in kernel if isinstance(argument, self.xp.ndarray)]
        if not arrays or not all(array.flags.c_contiguous for array in arrays):
            return task(slice(0, shape[0]))
        settings = [np.int32(s) if isinstance(s, int) else arrays[0].dtype.type(s) for s in kernel[1 + len(arrays) :]]
        return self._launch(kernel[0], arrays[0], *arrays, math.prod(shape), *settings)

    def over_channels(self, task: Callable[..., None], arrays: Any, vectors: Any, *kernel: Any) -> None:
        """Launch the kernel, if one is given; else task(*arrays, *vectors).    arrays: all (..., c)   vectors: all (c,)

        After arrays and vectors the kernel gets c, by which it finds the channel of an entry.
        """
        if not kernel:
            return task(*arrays, *vectors)
        name, *settings = kernel
        arguments = *arrays, *vectors, len(vectors[0]), *settings
        return self.over_batch(lambda _: task(*arrays, *vectors), arrays[0].shape, name, *arguments)

    # Products and sums. ----------------------------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b, by cuBLAS.    a: (n, k)   b: (k, d)   out: (n, d)"""
        return self.cublas.matmul(a, b, out)

    def conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """out = im2col(x) W, for as many images at a time as memory allows.

        x: (n, h, w, c)   W: (kh kw c, d)   out: (n, oh, ow, d)
        """
        for part in self._pieces(len(x), window):
            self.matmul(self.im2col(x[part], window), W, out=out[part].reshape(-1, W.shape[1]))
        return out

    def conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """out = im2col(x)^T dy, a sum over pieces of the batch, in order.

        x: (n, h, w, c)   dy: (n, oh, ow, d)   out: (kh kw c, d)
        """
        for part in self._pieces(len(x), window):
            into = out if part.start == 0 else self.xp.empty_like(out)
            self.matmul(self.im2col(x[part], window).T, dy[part].reshape(-1, out.shape[1]), out=into)
            if into is not out:
                out += into
        return out

    def conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """out = col2im(dy W^T). A thread of the kernel sums all entries of one pixel, so that none are added in memory.

        dy: (n, oh, ow, d)   W: (kh kw c, d)   out: (n, h, w, c)
        """
        for part in self._pieces(len(dy), window):
            rows = dy[part].reshape(-1, W.shape[1])
            cols = self.matmul(rows, W.T, out=self.xp.empty((len(rows), len(W)), W.dtype))
            self._launch("col2im", out, cols, out[part], out[part].size, *_geometry(window))
        return out

    def im2col(self, x: Array, window: Window) -> Array:
        """The patches of x, a row each, by a kernel.    x: (n, h, w, c) -> (n oh ow, kh kw c)"""
        cols = self.xp.empty((len(x) * math.prod(window.stops), window.patch), x.dtype)
        self._launch("im2col", cols, self.xp.ascontiguousarray(x), cols, cols.size, *_geometry(window))
        return cols

    def _pieces(self, n: int, window: Window) -> list[slice]:
        images = max(1, MOST_NUMBERS // (math.prod(window.stops) * window.patch))
        return [slice(start, min(start + images, n)) for start in range(0, n, images)]

    def sum_rows(self, part_of: Callable[[slice], Array], shape: tuple[int, ...]) -> Array:
        """The sum over all axes but the last, (..., c) -> (c,), by many threads, each over rows of its own."""
        x = self.xp.ascontiguousarray(part_of(slice(0, shape[0])))
        return self._added(self._sums("column_sums", 1, x), x)[0]

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and biased variance over all axes but the last; x is read once.    (..., c) -> (c,), (c,)"""
        x, c = self.xp.ascontiguousarray(x), x.shape[-1]
        mean, var = self.xp.empty(c, x.dtype), self.xp.empty(c, x.dtype)
        sums = self._sums("column_moments", 2, x)
        self._launch("moments", x, sums, x, mean, var, c, sums.shape[1], np.float64(x.size // c))
        return mean, var

    def gradient_sums(self, dy: Array, x: Array, mean: Array, work: Array) -> tuple[Array, Array]:
        """sum dy and sum dy (x - mean), in one pass.    (..., c) -> (c,), (c,)   work: is not used"""
        dy, x = self.xp.ascontiguousarray(dy), self.xp.ascontiguousarray(x)
        found = self._added(self._sums("column_products", 2, dy, x, mean), dy)
        return found[0], found[1]

    def _sums(self, kernel: str, count: int, x: Array, *others: Array) -> Array:
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
        self._launch(kernel, x, x, sums, rows * c, x.size, np.int32(c), *others)
        if rows > most:
            sums = self._added(sums, sums, -(-rows // most) * c)
        return sums

    def _added(self, sums: Array, like: Array, period: int | None = None) -> Array:
        """The sums of entries that are `period` apart, by default c of `like`, in its dtype.    (count, rows period) ->
        (count, period)
        """
        period = period or like.shape[-1]
        out = self.xp.empty((len(sums), period), like.dtype)
        self._launch("add_sums", out, sums, out, out.size, period, sums.shape[1])
        return out

    # Kernels that need a step number. --------------------------------------------------------------------------------

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> Array:
        """Standard normal numbers, a function of (seed, stream, step): those of philox.py, computed on the device."""
        return self._random("normal", shape, seed, stream, step, dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> Array:
        """Uniform numbers in [0, 1), a function of (seed, stream, step): those of philox.py, computed on the device."""
        return self._random("uniform", shape, seed, stream, step, dtype)

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> Array:
        """n whole numbers 0 ... high - 1, int64, a function of (seed, stream, step), computed on the device."""
        return (self.uniform((n,), seed, stream, step, "float64") * high).astype("int64")

    def _random(self, kernel: str, shape: tuple[int, ...], seed: int, stream: str, step: int, dtype: Any) -> Array:
        philox.require_words(seed, step)
        out = self.xp.empty(shape, dtype)
        if out.size:
            numbers = [np.uint64(number) for number in (seed, philox.stream_number(stream), *self.numbers.of(step))]
            self._launch(kernel, out, out, out.size, *numbers, self.numbers.replays)
        return out

    def adam(
        self, p: Array, g: Array, m: Array, v: Array, t: int, rate: Array, beta1: float, beta2: float, eps: float
    ) -> None:
        """Adam's update t of the vectors p, m, v, all (k,), as in base.py, in one pass. t and the learning rate
        are read on the device, so that a captured step can change them.
        """
        settings = [np.float64(setting) for setting in (beta1, beta2, eps)]
        numbers = [np.uint64(number) for number in self.numbers.of(t)]
        self._launch("adam", p, p, g, m, v, p.size, rate, *settings, *numbers, self.numbers.replays)

    def step_runner(self) -> StepGraph:
        """A runner that captures a step and then launches it as a whole (graph.py)."""
        return StepGraph(self.xp, self.numbers)

    def _launch(self, name: str, like: Array, *arguments: Any) -> None:
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


def _geometry(window: Window) -> list[np.int32]:
    (top, _), (left, _) = window.padding
    return [np.int32(i) for i in (*window.image, *window.kernel, *window.stride, top, left, *window.stops)]


@functools.cache
def shared_backend() -> CupyBackend:
    """The one object of this process: all networks share it, and with it the step numbers of a captured step."""
    return CupyBackend()
