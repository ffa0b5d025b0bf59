"""Matrix products by cuBLAS, called directly: CuPy's own wrapper refuses to run while a CUDA graph is captured.

The library is the one that CuPy has loaded. cuBLAS itself can be captured if it is given a workspace beforehand, so
that it allocates none. Every product is computed here, captured or not, so that both give the same numbers.
"""

import ctypes
from ctypes import byref, c_double, c_float, c_int, c_size_t, c_void_p
from typing import Any

from ..errors import BackendError, ShapeError

WORKSPACE = 32 * 2**20  # bytes, as NVIDIA advises for Hopper
NORMAL, TRANSPOSED = 0, 1
DEFAULT_ALGORITHM = -1
# For each dtype: cudaDataType, cublasComputeType (without and with TF32), and the C type of alpha and beta.
KINDS: dict[str, tuple[int, tuple[int, int], Any]] = {
    "float32": (0, (68, 77), c_float),
    "float64": (1, (70, 70), c_double),
}
SIGNATURES: dict[str, list[Any]] = {
    "cublasCreate_v2": [c_void_p],
    "cublasSetStream_v2": [c_void_p, c_void_p],
    "cublasSetWorkspace_v2": [c_void_p, c_void_p, c_size_t],
    "cublasGemmEx": [
        c_void_p, c_int, c_int, c_int, c_int, c_int, c_void_p,  # handle, transpositions, m, n, k, alpha
        c_void_p, c_int, c_int, c_void_p, c_int, c_int, c_void_p,  # A, type, leading dimension; B likewise; beta
        c_void_p, c_int, c_int, c_int, c_int,  # C, type, leading dimension; compute type, algorithm
    ],
}  # fmt: skip


def load_library() -> Any:
    """The cuBLAS library that CuPy uses."""
    from cuda import pathfinder  # comes with CuPy

    return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)


class Cublas:
    """One handle and its workspace, for the current device.    xp: cupy   tf32: float32 products in TF32, 10 bits"""

    def __init__(self, xp: Any, tf32: bool) -> None:
        self.xp, self.tf32, self.library = xp, tf32, load_library()
        for name, types in SIGNATURES.items():
            getattr(self.library, name).argtypes = types
        self.handle = c_void_p()
        self._call("cublasCreate_v2", byref(self.handle))
        self.workspace = xp.empty(WORKSPACE, "uint8")
        self.stream: int | None = None

    def matmul(self, a: Any, b: Any, out: Any) -> Any:
        """out = a b.    a: (n, k)   b: (k, d)   out: (n, d), contiguous; a and b may be transposed, or slices

        cuBLAS stores matrices by columns, so the memory of out is its matrix out^T = b^T a^T, which it computes. Raises
        ShapeError for shapes that do not fit and for different dtypes.
        """
        (n, k), d = a.shape, b.shape[1]
        if b.shape[0] != k or out.shape != (n, d) or not out.flags.c_contiguous or not a.dtype == b.dtype == out.dtype:
            raise ShapeError(
                f"matmul: {a.dtype} {a.shape} times {b.dtype} {b.shape} into {out.dtype} {out.shape}; wanted fitting "
                f"shapes, one dtype, and a contiguous out"
            )
        self._follow_current_stream()
        data, compute, real = KINDS[out.dtype.name]
        (a, turn_a, step_a), (b, turn_b, step_b) = self._layout(a), self._layout(b)
        self._call(
            "cublasGemmEx", self.handle, turn_b, turn_a, d, n, k, byref(real(1)),
            b.data.ptr, data, step_b, a.data.ptr, data, step_a, byref(real(0)),
            out.data.ptr, data, d, compute[self.tf32], DEFAULT_ALGORITHM,
        )  # fmt: skip
        return out

    def _layout(self, matrix: Any) -> tuple[Any, int, int]:
        """The matrix, copied unless its rows or its columns are contiguous; NORMAL or TRANSPOSED; the stride."""
        rows, columns = (stride // matrix.itemsize for stride in matrix.strides)
        if columns == 1 and rows >= matrix.shape[1]:
            return matrix, NORMAL, rows
        if rows == 1 and columns >= matrix.shape[0]:
            return matrix, TRANSPOSED, columns
        return self.xp.ascontiguousarray(matrix), NORMAL, matrix.shape[1]

    def _follow_current_stream(self) -> None:
        """Use CuPy's current stream, and our workspace, which setting a stream would replace by cuBLAS's own."""
        stream = self.xp.cuda.get_current_stream().ptr
        if stream != self.stream:
            self._call("cublasSetStream_v2", self.handle, stream)
            self._call("cublasSetWorkspace_v2", self.handle, self.workspace.data.ptr, WORKSPACE)
            self.stream = stream

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            raise BackendError(f"{name} failed with cuBLAS status {status}")
