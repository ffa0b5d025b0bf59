"""Arrays on an NVIDIA GPU, through CuPy. The overrides only: everything else is the plain body in base.py."""

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
THREADS, MOST_BLOCKS = 256, 4096  # of a launch; kernels walk on with the stride of the grid
MOST_NUMBERS = 2**28  # in the patches of one product: kernels count in 32 bits, and memory is finite
FEW_ROWS = 4096  # are added up in two launches, more in three
RESIDENT = 8 * 2**30  # bytes of a data set that may stay on the device


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

    tf32: float32 products are made of factors rounded to 10 bits, several times as fast on tensor cores. None: as
    CuPy's own environment variable CUPY_TF32 says, by default not.
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
        """A NumPy copy; waits for the device."""
        return self.xp.asnumpy(array)

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """A CuPy array. A host array is converted before it travels, so that the bits equal NumPy's."""
        if isinstance(array, np.ndarray) and dtype is not None:
            array = array.astype(dtype, copy=False)
        return self.xp.asarray(array, dtype=dtype)

    def gathers(self, images: np.ndarray) -> bool:
        """Bytes go to the device, if there are not too many."""
        return images.dtype == np.uint8 and images.nbytes <= RESIDENT

    def scaled_images(self, images: np.ndarray, chosen: Array, dtype: Any) -> Array:
        """The same. What is gathered on the device travels once, all of it; then nothing does."""
        if not self.gathers(images):
            return super().scaled_images(images, chosen, dtype)
        if self.resident[0] is not images:
            self.resident = images, self.xp.asarray(images)
        out = self.xp.empty((len(chosen), *images.shape[1:]), dtype)
        length = math.prod(images.shape[1:])
        self._launch("gather_images", out, self.resident[1], self.xp.asarray(chosen), out, out.size, np.uint32(length))
        return out

    def synchronize(self) -> None:
        """Wait until the device has done all it was asked to."""
        self.xp.cuda.get_current_stream().synchronize()

    def over_batch(self, task: Callable[[slice], None], shape: tuple[int, ...], *kernel: Any) -> None:
        """The kernel, if there is one: one launch, and no pass over memory but its own."""
        arrays = [argument for argument in kernel if isinstance(argument, self.xp.ndarray)]
        if not arrays or not all(array.flags.c_contiguous for array in arrays):
            return task(slice(0, shape[0]))
        settings = [np.int32(s) if isinstance(s, int) else arrays[0].dtype.type(s) for s in kernel[1 + len(arrays) :]]
        return self._launch(kernel[0], arrays[0], *arrays, math.prod(shape), *settings)

    def over_channels(self, task: Callable[..., None], arrays: Any, vectors: Any, *kernel: Any) -> None:
        """The kernel, if there is one. It is told c behind the vectors, to find a number's channel."""
        if not kernel:
            return task(*arrays, *vectors)
        name, *settings = kernel
        arguments = *arrays, *vectors, len(vectors[0]), *settings
        return self.over_batch(lambda _: task(*arrays, *vectors), arrays[0].shape, name, *arguments)

    # Products and sums. ----------------------------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b, by cuBLAS."""
        return self.cublas.matmul(a, b, out)

    def conv(self, x: Array, W: Array, window: Window, out: Array) -> Array:
        """The same, in as many pieces as memory asks for."""
        for part in self._pieces(len(x), window):
            self.matmul(self.im2col(x[part], window), W, out=out[part].reshape(-1, W.shape[1]))
        return out

    def conv_dW(self, x: Array, dy: Array, window: Window, out: Array) -> Array:
        """The same; the pieces are added in order."""
        for part in self._pieces(len(x), window):
            into = out if part.start == 0 else self.xp.empty_like(out)
            self.matmul(self.im2col(x[part], window).T, dy[part].reshape(-1, out.shape[1]), out=into)
            if into is not out:
                out += into
        return out

    def conv_dx(self, dy: Array, W: Array, window: Window, out: Array) -> Array:
        """The same; col2im gathers, so nothing is set to 0 and nothing is added up in memory."""
        for part in self._pieces(len(dy), window):
            rows = dy[part].reshape(-1, W.shape[1])
            cols = self.matmul(rows, W.T, out=self.xp.empty((len(rows), len(W)), W.dtype))
            self._launch("col2im", out, cols, out[part], out[part].size, *_geometry(window))
        return out

    def im2col(self, x: Array, window: Window) -> Array:
        """The same, by a kernel."""
        cols = self.xp.empty((len(x) * math.prod(window.stops), window.patch), x.dtype)
        self._launch("im2col", cols, self.xp.ascontiguousarray(x), cols, cols.size, *_geometry(window))
        return cols

    def _pieces(self, n: int, window: Window) -> list[slice]:
        images = max(1, MOST_NUMBERS // (math.prod(window.stops) * window.patch))
        return [slice(start, min(start + images, n)) for start in range(0, n, images)]

    def sum_rows(self, part_of: Callable[[slice], Array], shape: tuple[int, ...]) -> Array:
        """The same, by many threads, each of which adds up its own rows."""
        x = self.xp.ascontiguousarray(part_of(slice(0, shape[0])))
        return self._added(self._sums("column_sums", 1, x), x)[0]

    def moments(self, x: Array) -> tuple[Array, Array]:
        """The same, and x is read once."""
        x, c = self.xp.ascontiguousarray(x), x.shape[-1]
        mean, var = self.xp.empty(c, x.dtype), self.xp.empty(c, x.dtype)
        sums = self._sums("column_moments", 2, x)
        self._launch("moments", x, sums, x, mean, var, c, sums.shape[1], np.float64(x.size // c))
        return mean, var

    def gradient_sums(self, dy: Array, x: Array, mean: Array, scratch: Array) -> tuple[Array, Array]:
        """Both in one pass; no product is stored."""
        dy, x = self.xp.ascontiguousarray(dy), self.xp.ascontiguousarray(x)
        found = self._added(self._sums("column_products", 2, dy, x, mean), dy)
        return found[0], found[1]

    def _sums(self, kernel: str, count: int, x: Array, *others: Array) -> Array:
        """`count` sums of each column of x, in double, not quite added up.    (..., c) -> (count, rows c)

        No thread adds more than `most` numbers, one after the other: the cube root of all, or the square root if
        that is small; so one launch, or two, leave no more rows than that.
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
        """The rows of a period, by default of one row of `like`, added up, in the dtype of `like`."""
        period = period or like.shape[-1]
        out = self.xp.empty((len(sums), period), like.dtype)
        self._launch("add_sums", out, sums, out, out.size, period, sums.shape[1])
        return out

    # Kernels that need a step number. --------------------------------------------------------------------------------

    def normal(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float32") -> Array:
        """The same numbers, made on the device."""
        return self._random("normal", shape, seed, stream, step, dtype)

    def uniform(self, shape: tuple[int, ...], seed: int, stream: str, step: int = 0, dtype: Any = "float64") -> Array:
        """The same numbers, made on the device."""
        return self._random("uniform", shape, seed, stream, step, dtype)

    def integers(self, high: int, n: int, seed: int, stream: str, step: int = 0) -> Array:
        """The same numbers, made on the device."""
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
        """The same, in one pass; t and the learning rate are read on the device."""
        settings = [np.float64(setting) for setting in (beta1, beta2, eps)]
        numbers = [np.uint64(number) for number in self.numbers.of(t)]
        self._launch("adam", p, p, g, m, v, p.size, rate, *settings, *numbers, self.numbers.replays)

    def step_runner(self) -> StepGraph:
        """A whole step as one launch: see graph.py."""
        return StepGraph(self.xp, self.numbers)

    def _launch(self, name: str, like: Array, *arguments: Any) -> None:
        """Run a kernel, compiled for the dtype of `like`. Plain numbers among its arguments are counts, and the first
        one is that of the threads that it needs.
        """
        real = REALS[like.dtype.name]
        if real not in self.modules:
            self.modules[real] = self.xp.RawModule(code=KERNELS.read_text(), options=(f"-DREAL={real}",))
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
    """The one that all networks of a process share, and with it the step numbers of a captured step."""
    return CupyBackend()
