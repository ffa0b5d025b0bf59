"""The array backends: NumPy on the CPU, CuPy on an NVIDIA GPU. Only this folder knows that there are two."""

import os

import numpy

from ..errors import BackendError, counted
from .base import Array, Backend, Counter, StepRunner
from .convolution import Sides, Window, same_padding
from .cores import usable_cores
from .kernels import Kernel
from .numpy_backend import NumpyBackend, shared_backend
from .sums import Sums

__all__ = [
    "NAMES", "Array", "Backend", "Counter", "Kernel", "NumpyBackend", "Sides", "StepRunner", "Sums", "Window",
    "backend_of", "get_backend", "same_padding", "usability",
]  # fmt: skip

NAMES = ("numpy", "compiled", "cupy")


def get_backend(backend: str | Backend | None = None) -> Backend:
    """The backend of that name. `None` means the environment variable MINIGAN_BACKEND, or NumPy if it is not set.

    A backend object is returned as it is. Raises BackendError, with the reason, if this machine cannot use it.
    """
    if isinstance(backend, Backend):
        return backend
    source = "backend"
    if backend is None:
        backend, source = os.environ.get("MINIGAN_BACKEND") or "numpy", "environment variable MINIGAN_BACKEND"
    if backend == "numpy":
        return shared_backend()
    if backend == "compiled":
        from . import compiled_backend

        return compiled_backend.shared_backend()
    if backend == "cupy":
        from . import cupy_backend

        return cupy_backend.shared_backend()
    raise BackendError(f"{source} is {backend!r}; the backends are {' and '.join(NAMES)}")


def backend_of(array: Array) -> Backend:
    """The backend that an array belongs to. For a number or a list it is NumPy's."""
    if isinstance(array, numpy.ndarray | numpy.generic) or not hasattr(array, "get"):
        return shared_backend()
    return get_backend("cupy")


def usability() -> dict[str, tuple[bool, str]]:
    """For each backend, whether this machine can use it, and a sentence: the library and the device, or why not."""
    from .cupy_backend import device_name, unusable_reason

    reason = unusable_reason()
    return {
        "numpy": (True, f"NumPy {numpy.__version__} on {counted(usable_cores(), 'core')}"),
        "cupy": (False, reason) if reason else (True, device_name()),
    }
