"""The array backends: NumPy on the CPU, with compiled kernels too, and CuPy on an NVIDIA GPU; and those of your own."""

import os
from collections.abc import Callable

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
    "backend_of", "get_backend", "register_backend", "same_padding", "usability",
]  # fmt: skip

_BACKENDS: dict[str, tuple[Callable[[], Backend], Callable[[], tuple[bool, str]]]] = {}
NAMES = _BACKENDS.keys()  # of those that are registered: it grows with them


def register_backend(name: str, factory: Callable[[], Backend], usability: Callable[[], tuple[bool, str]]) -> None:
    """Make `get_backend(name)`, `--backend name` and MINIGAN_BACKEND=name mean what `factory()` returns.

    factory    returns the one object of this process; raises BackendError, with the reason, where it cannot be used
    usability  returns whether this machine can use it, and a sentence: with which library and device, or why not

    Raises BackendError if there is one of that name.
    """
    if name in _BACKENDS:
        raise BackendError(f"there is a backend {name!r} already; the backends are {', '.join(NAMES)}")
    _BACKENDS[name] = factory, usability


def get_backend(backend: str | Backend | None = None) -> Backend:
    """The backend of that name. `None` means the environment variable MINIGAN_BACKEND, or NumPy if it is not set.

    A backend object is returned as it is. Raises BackendError, with the reason, if this machine cannot use it.
    """
    if isinstance(backend, Backend):
        return backend
    source = "backend"
    if backend is None:
        backend, source = os.environ.get("MINIGAN_BACKEND") or "numpy", "environment variable MINIGAN_BACKEND"
    if backend not in _BACKENDS:
        raise BackendError(f"{source} is {backend!r}; the backends are {', '.join(NAMES)}")
    factory, _ = _BACKENDS[backend]
    return factory()


def backend_of(array: Array) -> Backend:
    """The backend that an array belongs to. For NumPy's arrays, numbers and lists it is NumPy's."""
    if isinstance(array, numpy.ndarray | numpy.generic) or not hasattr(array, "get"):
        return shared_backend()
    return get_backend("cupy")


def usability() -> dict[str, tuple[bool, str]]:
    """For each backend, whether this machine can use it, and a sentence: the library and the device, or why not."""
    return {name: usable() for name, (_, usable) in _BACKENDS.items()}


def _numpy_usability() -> tuple[bool, str]:
    return True, f"NumPy {numpy.__version__} on {counted(usable_cores(), 'core')}"


def _compiled() -> Backend:
    from .compiled_backend import shared_backend

    return shared_backend()


def _compiled_usability() -> tuple[bool, str]:
    from .compiled_backend import usability

    return usability()


def _cupy() -> Backend:
    from .cupy_backend import shared_backend

    return shared_backend()


def _cupy_usability() -> tuple[bool, str]:
    from .cupy_backend import usability

    return usability()


register_backend("numpy", shared_backend, _numpy_usability)
register_backend("compiled", _compiled, _compiled_usability)  # these are imported when they are asked for
register_backend("cupy", _cupy, _cupy_usability)
