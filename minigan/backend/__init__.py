"""The array backends: NumPy on the CPU, CuPy on an NVIDIA GPU. Only this folder knows that there are two."""

import os

from ..errors import BackendError
from .base import Array, Backend
from .convolution import Sides, Window, same_padding
from .numpy_backend import NumpyBackend

__all__ = ["NAMES", "Array", "Backend", "NumpyBackend", "Sides", "Window", "get_backend", "same_padding"]

NAMES = ("numpy", "cupy")


def get_backend(backend: str | Backend | None = None) -> Backend:
    """The backend of that name; `None` means the environment variable MINIGAN_BACKEND, or else NumPy.

    A backend object is returned as it is. Raises BackendError, with the reason, if this machine cannot use it.
    """
    if isinstance(backend, Backend):
        return backend
    source = "backend"
    if backend is None:
        backend, source = os.environ.get("MINIGAN_BACKEND") or "numpy", "environment variable MINIGAN_BACKEND"
    if backend == "numpy":
        return NumpyBackend()
    if backend == "cupy":
        from .cupy_backend import CupyBackend

        return CupyBackend()
    raise BackendError(f"{source} is {backend!r}; the backends are {' and '.join(NAMES)}")
