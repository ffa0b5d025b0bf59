"""A strict double of CuPy: NumPy arrays behind a wall, which refuses what CuPy refuses and counts what makes CuPy wait.

It takes the place of the module `cupy` (`installed`), and CupyBackend, its kernels included, runs on it as it would on
a GPU. "Device" arrays are of the class `ndarray` here, which is no NumPy array: it cannot be mixed with one, nor be
converted but by `asnumpy` and its like. Those, and all else for which the host waits, is counted in `STATE.waits`.

Everything that works on the device goes through `launch`. While a stream captures, a launch does nothing but write
itself down, as on a GPU; results are not-a-number until the graph is launched. What must not be captured is refused:
waiting, copies between host and device, CuPy's own matrix products, and memory from a pool that others use.

Memory that no array of the device refers to any more is given to others: it is filled with not-a-number at once, and a
graph that would still write to it refuses to be launched.

Written after the behaviour of CuPy 14.2; where CuPy would do something slow, ambiguous or undefined, it refuses too.
"""

import contextlib
import ctypes
import functools
import sys
import types
import weakref
from unittest import mock

import numpy as np

from .cuda_shim import run_kernel

lib = types.SimpleNamespace()
__version__ = "14.2"
dtype, newaxis = np.dtype, None
float32, float64, uint64 = np.float32, np.float64, np.uint64


class State:
    """What happened, and what is going on."""

    def __init__(self):
        self.waits = self.transfers = self.launches = self.graph_launches = 0
        self.capturing = None  # the list that a capture writes to
        self.pool = None  # the private pool in use
        self.stream = None


STATE = State()


class StrictError(TypeError):
    """The double's own refusals: CuPy would do it, and pay, or do something else than NumPy."""


def wait(what):
    """The host waits for the device."""
    STATE.waits += 1
    if STATE.capturing is not None:
        raise RuntimeError(f"{what}: the host cannot wait for a stream that is captured")


def transfer(what):
    """From the host to the device."""
    STATE.transfers += 1
    if STATE.capturing is not None:
        raise RuntimeError(f"{what}: memory of the host cannot be copied while a stream is captured")


class Memory:
    """What arrays lie in, held by all that lie in it; and by its pool, if that is a private one, as long as it lives.

    Nodes of a graph know the NumPy array alone, as CUDA knows an address alone.
    """

    living = weakref.WeakSet()

    def __init__(self, array):
        self.array = array
        Memory.living.add(self)

    def __del__(self):
        if self.array.size:
            self.array.reshape(-1).view(np.uint8).fill(0xFF)  # not-a-number; -1


def memory_at(address):
    """The memory that an address points into."""
    return next(m for m in Memory.living if m.array.ctypes.data <= address < m.array.ctypes.data + m.array.nbytes)


def allocate(array):
    """New device memory: every array that no one else sees."""
    if STATE.capturing is not None and STATE.pool is None:
        raise StrictError("memory from the pool that all use, while a stream is captured: a replay would overwrite it")
    memory = Memory(array)
    if STATE.pool is not None:
        STATE.pool.memory.append(memory)
    return ndarray(array, memory)


def launch(compute, out=None, casting=None):
    """Run something on the device. compute() reads arrays as they are then, and returns a new NumPy array."""
    STATE.launches += 1
    with np.errstate(all="ignore"):  # a GPU warns nobody
        result = np.asarray(compute())
    if casting is not None and not np.can_cast(result.dtype, out.dtype, casting):
        raise TypeError(f"{result.dtype} cannot be cast to out's {out.dtype}")
    fresh = out is None
    if fresh:
        out = allocate(np.array(result, order="C"))  # not a view of what it was made from
    if STATE.capturing is None:
        out._a[...] = result
        return out
    STATE.capturing.append((compute, out._a, [weakref.ref(out._memory)]))
    if fresh:
        out._a.fill(np.nan if out._a.dtype.kind == "f" else 1)
    return out


def raw(value, what):
    """The NumPy array behind a device array, or a plain number."""
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, bool | int | float | np.generic):
        return value
    raise TypeError(f"{what}: unsupported type {type(value)}: wanted arrays of the device and plain numbers")


def bounds(part):
    """What an index is made of."""
    return (part.start, part.stop, part.step) if isinstance(part, slice) else (part,)


def index(key, what):
    """A key as NumPy takes it; masks are refused while capturing, since they read a count back."""
    parts = key if isinstance(key, tuple) else (key,)
    found = []
    for part in parts:
        if isinstance(part, ndarray):
            if part.dtype == bool:
                wait(f"{what} with a mask")
            found.append(part._a)
        elif all(bound is None or bound is Ellipsis or isinstance(bound, int | np.integer) for bound in bounds(part)):
            found.append(part)
        else:
            raise TypeError(f"{what}: unsupported index {type(part)}")
    return tuple(found)


def elementwise(ufunc, inputs, out=None, dtype=None, casting="same_kind"):
    """A ufunc, with CuPy's rules for `out`."""
    values = [raw(value, ufunc.__name__) for value in inputs]
    options = {} if dtype is None else {"dtype": dtype}
    if out is not None:
        if not isinstance(out, ndarray):
            raise TypeError(f"{ufunc.__name__}: out is {type(out)}; wanted an array of the device")
        shape = np.broadcast_shapes(*(np.shape(value) for value in values))
        if shape != out.shape:
            raise ValueError(f"{ufunc.__name__}: Out shape is mismatched: {out.shape} for {shape}")
        for value in values:
            if isinstance(value, np.ndarray) and overlaps(value, out._a):
                raise StrictError(f"{ufunc.__name__}: out overlaps with an input, but is not the same")
    return launch(lambda: ufunc(*values, **options), out, None if out is None else casting)


def overlaps(a, b):
    """Do they share memory, without being the very same elements?"""
    same = a.ctypes.data == b.ctypes.data and a.shape == b.shape and a.strides == b.strides
    try:
        return not same and np.shares_memory(a, b, max_work=10**5)
    except np.exceptions.TooHardError:
        return False


class Flags:
    """As CuPy's: nothing about writing."""

    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class ndarray:
    """An array of the device."""

    __array_ufunc__ = None  # a NumPy operator with one of these is a TypeError
    __hash__ = None

    def __init__(self, array, memory):
        assert isinstance(array, np.ndarray)
        self._a, self._memory = array, memory

    def _view(self, array):
        return ndarray(array, self._memory)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_function__(self, function, *_):
        raise TypeError(f"numpy.{function.__name__} of an array of the device")

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: Flags(self._a.flags))
    T = property(lambda self: self._view(self._a.T))
    data = property(lambda self: types.SimpleNamespace(ptr=self._a.ctypes.data))

    @shape.setter
    def shape(self, value):
        raise StrictError("writing to .shape: use reshape")

    def __repr__(self):
        return f"<device array {self.shape} {self.dtype}>"

    def __len__(self):
        return len(self._a)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    # For these the host waits.
    def get(self):
        """A copy on the host."""
        wait("get")
        return self._a.copy()

    def item(self):
        """A number of the host."""
        wait("item")
        return self._a.item()

    def tolist(self):
        """Numbers of the host."""
        wait("tolist")
        return self._a.tolist()

    def __float__(self):
        wait("float")
        return float(self._a)

    def __int__(self):
        wait("int")
        return int(self._a)

    def __bool__(self):
        wait("bool")
        return bool(self._a)

    def __format__(self, spec):
        raise StrictError("a device array in a string")

    # Views move nothing; copies are launches.
    def __getitem__(self, key):
        a, where = self._a, index(key, "getitem")
        found = a[where]
        if isinstance(found, np.ndarray) and np.may_share_memory(found, a):
            return self._view(found)
        if not any(isinstance(part, ndarray) for part in (key if isinstance(key, tuple) else (key,))):
            return self._view(a[(*where, ...)])  # one element: a view ()
        return launch(lambda: a[where])

    def __setitem__(self, key, value):
        value, where = raw(value, "setitem"), self._a[index(key, "setitem")]
        if any(isinstance(part, ndarray) for part in (key if isinstance(key, tuple) else (key,))):
            raise StrictError("setitem with an array as index: what happens to equal ones is undefined")
        if not isinstance(where, np.ndarray):
            where = self._a[(*index(key, "setitem"), ...)]
        if np.broadcast_shapes(np.shape(value), where.shape) != where.shape:
            raise ValueError(f"setitem: {np.shape(value)} does not fit in {where.shape}")
        if isinstance(value, np.ndarray) and overlaps(value, where):
            raise StrictError("setitem: source and target overlap")
        launch(lambda: np.broadcast_to(value, where.shape), self._view(where))

    def reshape(self, *shape):
        """A view where that can be, else a copy."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        a = self._a
        found = a.reshape(wanted)
        if np.may_share_memory(found, a) or found.size == 0:
            return self._view(found)
        return launch(lambda: a.reshape(wanted))

    def ravel(self):
        """As a row."""
        return self.reshape(-1)

    def transpose(self, *axes):
        """A view."""
        return self._view(self._a.transpose(*axes))

    def view(self):
        """The same memory."""
        return self._view(self._a.view())

    def copy(self):
        """New memory."""
        a = self._a
        return launch(lambda: a.copy())

    def astype(self, dtype, copy=True):
        """Another dtype, in new memory."""
        if not copy and self.dtype == dtype:
            return self
        a = self._a
        return launch(lambda: a.astype(dtype))

    def fill(self, value):
        """All elements."""
        self[...] = value

    def _reduce(self, name, axis, keepdims, out, **options):
        a = self._a

        def compute():
            return getattr(a, name)(axis=axis, keepdims=keepdims, **options)

        if out is not None and (not isinstance(out, ndarray) or np.shape(compute()) != out.shape):
            raise ValueError(f"{name}: output array has wrong shape or is no array of the device")
        return launch(compute, out)

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        """An array (), or of the axes that are left."""
        return self._reduce("sum", axis, keepdims, out, dtype=dtype)

    def mean(self, axis=None, dtype=None, out=None, keepdims=False):
        """Likewise."""
        return self._reduce("mean", axis, keepdims, out, dtype=dtype)

    def max(self, axis=None, out=None, keepdims=False):
        """Likewise."""
        return self._reduce("max", axis, keepdims, out)

    def min(self, axis=None, out=None, keepdims=False):
        """Likewise."""
        return self._reduce("min", axis, keepdims, out)

    def any(self, axis=None, out=None, keepdims=False):
        """Likewise."""
        return self._reduce("any", axis, keepdims, out)

    def all(self, axis=None, out=None, keepdims=False):
        """Likewise."""
        return self._reduce("all", axis, keepdims, out)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        raise TypeError("Unsupported type")


OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": np.power,
    "floordiv": np.floor_divide, "mod": np.remainder, "and": np.bitwise_and, "or": np.bitwise_or,
    "rshift": np.right_shift, "lshift": np.left_shift,
}  # fmt: skip
COMPARISONS = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal
}  # fmt: skip
for _name, _ufunc in OPERATORS.items():
    setattr(ndarray, f"__{_name}__", lambda self, other, f=_ufunc: elementwise(f, (self, other)))
    setattr(ndarray, f"__r{_name}__", lambda self, other, f=_ufunc: elementwise(f, (other, self)))
    setattr(ndarray, f"__i{_name}__", lambda self, other, f=_ufunc: elementwise(f, (self, other), out=self))
for _name, _ufunc in COMPARISONS.items():
    setattr(ndarray, f"__{_name}__", lambda self, other, f=_ufunc: elementwise(f, (self, other)))
for _name, _ufunc in {"neg": np.negative, "abs": np.absolute, "invert": np.invert}.items():
    setattr(ndarray, f"__{_name}__", lambda self, f=_ufunc: elementwise(f, (self,)))


def _ufunc_of(name):
    ufunc = getattr(np, name)

    def function(*inputs, out=None, dtype=None, casting="same_kind"):
        return elementwise(ufunc, inputs, out, dtype, casting)

    function.__name__ = name
    return function


for _name in (
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "exp", "log", "log1p", "sqrt", "tanh", "greater",
    "isfinite", "square", "negative", "absolute", "sin", "cos", "isnan", "less",
):  # fmt: skip
    globals()[_name] = _ufunc_of(_name)

# Functions. ----------------------------------------------------------------------------------------------------------


def _same(array):
    """Memory that is filled on the device."""
    return launch(lambda: array)


def empty(shape, dtype=float):
    """Memory full of not-a-number: nobody may trust it."""
    made = np.empty(shape, dtype)
    if made.dtype.kind == "f":
        made.fill(np.nan)
    return allocate(made)


def zeros(shape, dtype=float):
    """Filled on the device."""
    return _same(np.zeros(shape, dtype))


def ones(shape, dtype=float):
    """Likewise."""
    return _same(np.ones(shape, dtype))


def full(shape, fill_value, dtype=None):
    """Likewise."""
    return _same(np.full(shape, raw(fill_value, "full"), dtype))


def empty_like(prototype, dtype=None):
    """Likewise."""
    return empty(_device(prototype).shape, dtype or prototype.dtype)


def zeros_like(a, dtype=None):
    """Likewise."""
    return zeros(_device(a).shape, dtype or a.dtype)


def ones_like(a, dtype=None):
    """Likewise."""
    return ones(_device(a).shape, dtype or a.dtype)


def full_like(a, fill_value, dtype=None):
    """Likewise."""
    return full(_device(a).shape, fill_value, dtype or a.dtype)


def arange(stop, dtype=None):
    """Counted on the device."""
    return _same(np.arange(raw(stop, "arange"), dtype=dtype))


def _device(a):
    if not isinstance(a, ndarray):
        raise TypeError(f"{type(a)} where an array of the device is wanted")
    return a


def asarray(a, dtype=None):
    """Device arrays as they are; what is of the host travels."""
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    transfer("asarray")
    return allocate(np.array(a, dtype=dtype, order="C"))


def asnumpy(a):
    """To the host."""
    return _device(a).get()


def ascontiguousarray(a, dtype=None):
    """The array itself if it is in one piece, else a copy."""
    assert dtype is None
    if _device(a).flags.c_contiguous:
        return a
    a = a._a
    return launch(lambda: np.ascontiguousarray(a))


def where(condition, x=None, y=None):
    """With three arguments; with one, it would wait."""
    if x is None or y is None:
        raise StrictError("where(condition) reads a count back")
    values = [raw(value, "where") for value in (condition, x, y)]
    return launch(lambda: np.where(*values))


def clip(a, a_min, a_max, out=None):
    """As NumPy's."""
    if out is not None and (not isinstance(out, ndarray) or out.shape != a.shape):
        raise ValueError("clip: Out shape is mismatched")
    a = _device(a)._a
    return launch(lambda: np.clip(a, a_min, a_max), out)


def mean(a, axis=None, dtype=None, out=None, keepdims=False):
    """As the method."""
    return _device(a).mean(axis, dtype, out, keepdims)


def stack(tup, axis=0):
    """Of many arrays, their addresses travel."""
    arrays = [_device(part)._a for part in tup]
    if len(arrays) > 8:
        transfer("stack of more than 8 arrays")
    return launch(lambda: np.stack(arrays, axis))


def may_share_memory(a, b):
    """By their addresses."""
    return np.may_share_memory(_device(a)._a, _device(b)._a)


def matmul(a, b, out=None):
    """CuPy's own products are not for capturing."""
    if STATE.capturing is not None:
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    a, b = _device(a)._a, _device(b)._a
    if out is not None:
        raise StrictError("matmul(out=) makes a copy first")
    return launch(lambda: np.matmul(a, b))


def is_available():
    """There is always this one."""
    return True


def _as_strided(x, shape, strides):
    return _device(x)._view(np.lib.stride_tricks.as_strided(x._a, shape, strides))


lib.stride_tricks = types.SimpleNamespace(as_strided=_as_strided)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"the double of CuPy has no {name}: does CuPy? Then add it to tests/strict_cupy.py")


# Kernels. ------------------------------------------------------------------------------------------------------------


class RawModule:
    """kernels.cu, compiled by g++."""

    def __init__(self, *, code, options=()):
        self.real = dict(option.removeprefix("-D").split("=") for option in options)["REAL"]
        self.compiled = set()

    def get_function(self, name):
        """A kernel; the first call compiles it, which a capture forbids."""

        def kernel(grid, block, args):
            if STATE.capturing is not None and name not in self.compiled:
                raise RuntimeError(f"{name} would be compiled and loaded while a stream is captured")
            self.compiled.add(name)
            if not (1 <= len(grid) <= 3 and 1 <= len(block) <= 3 and 0 < np.prod(block) <= 1024 and min(grid) > 0):
                raise ValueError(f"{name}: a grid of {grid} blocks of {block}")
            numbers = [argument._a if isinstance(argument, ndarray) else argument for argument in args]
            run = functools.partial(run_kernel, name, self.real, *numbers)
            record(run, [argument._memory for argument in args if isinstance(argument, ndarray)])

        return kernel


def record(run, memories):
    """A launch that reads and writes by itself, in these memories."""
    STATE.launches += 1
    if STATE.capturing is None:
        run()
    else:
        STATE.capturing.append((run, None, [weakref.ref(memory) for memory in memories]))


class FakeFunction:
    """A function of a C library: converts as ctypes would."""

    def __init__(self, function):
        self.function, self.argtypes = function, None

    def __call__(self, *arguments):
        assert len(arguments) == len(self.argtypes)
        plain = []
        for kind, argument in zip(self.argtypes, arguments, strict=True):
            kind.from_param(argument)  # raises, as a call would
            plain.append(getattr(argument, "_obj", getattr(argument, "value", argument)))
        return self.function(*plain)


class FakeCublas:
    """The four functions that minigan calls, by columns as in the book."""

    def __init__(self):
        self.stream = self.workspace = None
        self.products = 0
        names = ("Create_v2", "SetStream_v2", "SetWorkspace_v2", "GemmEx")
        for name in names:
            setattr(self, f"cublas{name}", FakeFunction(getattr(self, name)))

    def Create_v2(self, handle):
        """A handle, through the pointer."""
        handle.value = 1
        return 0

    def SetStream_v2(self, handle, stream):
        """Takes the workspace away, as cuBLAS's does."""
        self.stream, self.workspace = stream, None
        return 0 if handle == 1 else 1

    def SetWorkspace_v2(self, handle, workspace, size):
        """Memory of our own."""
        self.workspace = workspace if size > 0 else None
        return 0 if self.workspace else 7

    def GemmEx(self, handle, turn_a, turn_b, m, n, k, alpha, a, kind_a, lda, b, kind_b, ldb, beta, c, kind_c, ldc,
               compute, algorithm):  # fmt: skip
        """C = alpha op(A) op(B) + beta C, matrices by columns."""
        if self.workspace is None or self.stream != cuda.get_current_stream().ptr:
            return 1  # what a capture could not take
        if (min(m, n, k) < 1 or kind_a != kind_b or kind_b != kind_c or alpha.value != 1 or beta.value != 0
                or lda < (k if turn_a else m) or ldb < (n if turn_b else k) or ldc < m
                or compute not in {0: (68, 77), 1: (70,)}[kind_a]):  # fmt: skip
            return 7  # CUBLAS_STATUS_INVALID_VALUE
        real = {0: ctypes.c_float, 1: ctypes.c_double}[kind_a]

        def columns(address, rows, count, step):
            whole = np.ctypeslib.as_array((real * (step * (count - 1) + rows)).from_address(address))
            size = whole.itemsize
            return np.lib.stride_tricks.as_strided(whole, (rows, count), (size, step * size))

        def run():
            A = columns(a, *((k, m) if turn_a else (m, k)), lda)
            B = columns(b, *((n, k) if turn_b else (k, n)), ldb)
            columns(c, m, n, ldc)[...] = (A.T if turn_a else A) @ (B.T if turn_b else B)

        self.products += 1
        record(run, map(memory_at, (a, b, c, self.workspace)))
        return 0


# cupy.cuda. ----------------------------------------------------------------------------------------------------------


class Graph:
    """What a capture wrote down."""

    def __init__(self, nodes):
        self.nodes = nodes

    def debug_dot_str(self, flags=0):
        """Its nodes, as CUDA draws them."""
        return "\n".join(f'"graph_1_node_{i}"[label="a launch"];' for i in range(len(self.nodes)))

    def launch(self, stream=None):
        """Do it again, on the memory as it is now."""
        assert stream is None or isinstance(stream, Stream)
        STATE.graph_launches += 1
        if STATE.capturing is not None:
            raise RuntimeError("a graph launched while a stream is captured")
        with np.errstate(all="ignore"):
            for compute, out, memories in self.nodes:
                if any(memory() is None for memory in memories):
                    raise StrictError("a graph is launched that works in memory which was freed since it was captured")
                if out is None:
                    compute()
                else:
                    out[...] = compute()


class Stream:
    """A stream; work is done at once."""

    def __init__(self, null=False, non_blocking=False):
        self.null, self.ptr = null, 0 if null else id(self)
        if non_blocking:
            raise StrictError("a non-blocking stream does not keep the order with CuPy's default stream")

    def __enter__(self):
        self.before, STATE.stream = STATE.stream, self
        return self

    def __exit__(self, *_):
        STATE.stream = self.before

    def synchronize(self):
        """Wait."""
        wait("synchronize")

    def begin_capture(self):
        """From now on, launches are written down."""
        if self.null or STATE.stream is not self or STATE.capturing is not None:
            raise RuntimeError("only the current stream can be captured, not the default one, and not twice")
        STATE.capturing = []

    def end_capture(self):
        """The graph."""
        nodes, STATE.capturing = STATE.capturing, None
        return Graph(nodes)


class MemoryPool:
    """Memory of one's own: a graph holds addresses, and they stay valid as long as the pool."""

    def __init__(self):
        self.memory = []

    def malloc(self, size):
        """For using_allocator alone."""
        raise NotImplementedError


@contextlib.contextmanager
def _using_allocator(allocator):
    assert isinstance(allocator.__self__, MemoryPool)
    before, STATE.pool = STATE.pool, allocator.__self__
    try:
        yield
    finally:
        STATE.pool = before


NULL = Stream(null=True)
STATE.stream = NULL
runtime = types.SimpleNamespace(getDevice=lambda: 0, getDeviceProperties=lambda device: {"name": b"a strict double"})
cuda = types.SimpleNamespace(
    runtime=runtime,
    get_current_stream=lambda: STATE.stream,
    Stream=Stream,
    MemoryPool=MemoryPool,
    using_allocator=_using_allocator,
)


@contextlib.contextmanager
def installed():
    """Within it `import cupy` finds this module, and cuBLAS its double. Yields the counts, from 0."""
    from minigan.backend import cublas, cupy_backend

    STATE.__init__()
    STATE.stream = NULL
    with (
        mock.patch.dict(sys.modules, {"cupy": sys.modules[__name__]}),
        mock.patch.object(cublas, "load_library", FakeCublas),
    ):
        cupy_backend.shared_backend.cache_clear()
        try:
            yield STATE
        finally:
            cupy_backend.shared_backend.cache_clear()
