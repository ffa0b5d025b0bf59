"""kernels.cu on the CPU: g++ compiles it behind a shim, and every "thread" is a call."""

import ctypes
import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from minigan.backend.cupy_backend import KERNELS, REALS

COMPILER = shutil.which("g++")
GRID, BLOCK = 2, 3  # of every launch: kernels walk on by themselves

SHIM = """
extern "C" {
double sqrt(double); double pow(double, double); double log1p(double); double sin(double); double cos(double);
double exp(double); float expf(float); float log1pf(float);
}
inline float sqrt(float x) { return __builtin_sqrtf(x); }
inline float exp(float x) { return expf(x); }
inline float log1p(float x) { return log1pf(x); }
struct Dim { unsigned int x, y, z; };
static Dim blockIdx, threadIdx, gridDim, blockDim;
#define __global__
#define __device__ inline
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned long long>((static_cast<unsigned __int128>(a) * b) >> 64);
}
extern "C" void place_thread(unsigned int grid, unsigned int block, unsigned int i, unsigned int j) {
    gridDim.x = grid; blockDim.x = block; blockIdx.x = i; threadIdx.x = j;
}
"""
SCALARS = {"unsigned int": np.uint32, "int": np.int32, "double": np.float64, "Word": np.uint64}
POINTERS = SCALARS | {"bool": np.bool_, "unsigned char": np.uint8, "long long": np.int64}


@functools.cache
def declared():
    """For each kernel its arguments, as they stand: "const REAL* x"."""
    text = KERNELS.read_text(encoding="utf-8")
    found = re.findall(r'extern "C" __global__ void (\w+)\(([^)]*)\)', text)
    return {name: [" ".join(argument.split()) for argument in arguments.split(",")] for name, arguments in found}


def signatures():
    """For each kernel the types of its arguments: (is a pointer, may be written, C type)."""
    found = {}
    for name, arguments in declared().items():
        parts = [argument.rpartition(" ")[0] for argument in arguments]
        found[name] = [
            (part.endswith("*"), not part.startswith("const"), part.removeprefix("const ").rstrip("*").strip())
            for part in parts
        ]
    return found


def names_of_arguments():
    """For each kernel the names of its arguments, those of arrays that it writes to with a star."""
    return {
        name: [
            argument.split()[-1] + "*" * ("*" in argument and not argument.startswith("const"))
            for argument in arguments
        ]
        for name, arguments in declared().items()
    }


@functools.cache
def library(real):
    """kernels.cu as a shared library, for float or double."""
    folder = Path(tempfile.mkdtemp(prefix="minigan-kernels-"))
    try:
        (folder / "kernels.cpp").write_text(SHIM + KERNELS.read_text(encoding="utf-8"))
        command = [COMPILER, "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-unknown-pragmas", f"-DREAL={real}"]
        command += ["-shared", "-fPIC", "kernels.cpp", "-o", "kernels.so"]
        subprocess.run(command, cwd=folder, check=True)
        return ctypes.CDLL(str(folder / "kernels.so"))
    finally:
        shutil.rmtree(folder)  # what is loaded stays loaded


def run_kernel(name, real, *arguments, grid=GRID, block=BLOCK):
    """Call a kernel for every thread of a grid. Arguments: NumPy arrays and scalars of the very types that it takes."""
    wanted = signatures()[name]
    assert len(arguments) == len(wanted), f"{name} takes {len(wanted)} arguments and got {len(arguments)}"
    dtype_of = {"REAL": np.float32 if real == "float" else np.float64}
    converted = []
    for place, (argument, (pointer, _, kind)) in enumerate(zip(arguments, wanted, strict=True)):
        dtype = np.dtype((dtype_of | (POINTERS if pointer else SCALARS))[kind])
        assert isinstance(argument, np.ndarray if pointer else np.generic), f"{name}: argument {place} is {argument!r}"
        assert argument.dtype == dtype, f"{name}: argument {place} is {argument.dtype}, and the kernel takes {dtype}"
        assert not pointer or argument.flags.c_contiguous, f"{name}: argument {place} is not in one piece"
        converted.append(
            ctypes.c_void_p(argument.ctypes.data) if pointer else np.ctypeslib.as_ctypes_type(dtype)(argument.item())
        )
    kernels = library(real)
    for i in range(grid):
        for j in range(block):
            kernels.place_thread(grid, block, i, j)
            getattr(kernels, name)(*converted)


def real_of(dtype):
    """ "float" or "double"."""
    return REALS[np.dtype(dtype).name]
