"""Arrays on an NVIDIA GPU, through CuPy. The overrides only: everything else is the plain body in base.py."""

from typing import Any, ClassVar

import numpy as np

from ..errors import BackendError
from .base import Array, Backend


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
        cupy.matmul(one, one)
    except Exception as error:
        return f"CuPy sees a GPU but cannot compute on it: {error}"
    return None


class CupyBackend(Backend):
    """Arrays on the current CUDA device. Raises BackendError, with the reason, where there is none."""

    name: ClassVar[str] = "cupy"

    def __init__(self) -> None:
        reason = unusable_reason()
        if reason is not None:
            raise BackendError(f"backend 'cupy' cannot be used: {reason}; or use --backend numpy")
        import cupy  # noqa: TID251

        self.xp = cupy

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b. CuPy's dot writes into out; its matmul would make a copy first."""
        return self.xp.dot(a, b, out=out)

    def to_host(self, array: Array) -> np.ndarray:
        """A NumPy copy; waits for the device."""
        return self.xp.asnumpy(array)

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """A CuPy array. A host array is converted before it travels, so that the bits equal NumPy's."""
        if isinstance(array, np.ndarray) and dtype is not None:
            array = array.astype(dtype, copy=False)
        return self.xp.asarray(array, dtype=dtype)

    def synchronize(self) -> None:
        """Wait until the device has done all it was asked to."""
        self.xp.cuda.get_current_stream().synchronize()
