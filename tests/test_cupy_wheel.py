"""What can be proven with CuPy's and NVRTC's wheels, and no GPU: every name is there, and every kernel compiles."""

import ast
import ctypes
import functools
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from minigan.backend.cupy_backend import KERNELS, REALS

from . import strict_cupy
from .conftest import ROOT
from .cuda_shim import signatures
from .test_architecture import FILES, name_of

# What runs on the host alone.
BESIDE = ("data", "pictures", "training", "progress", "cli", "settings", "run_directory", "files", "image_runs",
          "gradcheck", "pytest_plugin", "interop", "checkpoint", "backend.numpy_backend", "backend.ways",
          "backend.cores", "backend.philox", "backend.rows")  # fmt: skip
ENGINE = [path for path in FILES if not name_of(path).startswith(BESIDE)]
METHODS = ("sum", "mean", "max", "min", "any", "all", "astype", "copy", "reshape", "transpose", "fill", "ravel", "view")
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


@functools.cache
def cupy():
    """CuPy, or a skipped test. It can be imported without a GPU or a driver."""
    return pytest.importorskip("cupy", reason="CuPy is not installed: pip install cupy-cuda12x, or cupy-cuda13x")


def chain(node):
    """`a.b.xp.c.d` -> "c.d": what is asked of the array module; None for anything else."""
    names = []
    while isinstance(node, ast.Attribute):
        if node.attr == "xp":
            return ".".join(reversed(names))
        names.append(node.attr)
        node = node.value
    return ".".join(reversed(names)) if isinstance(node, ast.Name) and node.id in ("xp", "cupy") else None


def uses(source):
    """Every (name, keywords) of the array module, and of arrays' methods, as "ndarray.sum"."""
    tree, found = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            keywords = tuple(sorted(keyword.arg for keyword in node.keywords if keyword.arg))
            if name := chain(node.func):
                found.add((name, keywords))
            elif node.func.attr in METHODS and not (
                isinstance(node.func.value, ast.Name) and node.func.value.id == "np"
            ):
                found.add((f"ndarray.{node.func.attr}", keywords))
        elif isinstance(node, ast.Attribute) and (name := chain(node)):
            found.add((name, ()))
    return found


def unknown(name, keywords):
    """What CuPy does not have of this: the name, or some keywords."""
    thing = cupy()
    for part in name.split("."):
        if not hasattr(thing, part):
            return f"cupy.{name}"
        thing = getattr(thing, part)
    if isinstance(thing, cupy().ufunc):
        taken = {"out", "dtype", "casting"}
    else:
        try:
            taken = set(inspect.signature(thing).parameters)
        except (TypeError, ValueError):  # of Cython's: its first lines say
            taken = set(re.findall(r"\w+(?=\s*[=,)])", (thing.__doc__ or "").split("\n\n")[0]))
    return f"cupy.{name}({', '.join(set(keywords) - taken)}=)" if set(keywords) - taken else None


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_cupy_has_every_name_and_keyword(path):
    cupy()
    assert [missing for use in sorted(uses(path.read_text(encoding="utf-8"))) if (missing := unknown(*use))] == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "gpu").glob("*.py")), ids=lambda path: path.name)
def test_cupy_has_every_name_of_the_script_for_a_gpu(path):
    cupy()
    found = [
        use for use in sorted(uses(path.read_text(encoding="utf-8"))) if not use[0].startswith("ndarray.")
    ]  # many are NumPy's
    assert [missing for use in found if (missing := unknown(*use))] == []


def test_names_are_found_at_all():
    found = set().union(*(uses(path.read_text(encoding="utf-8")) for path in ENGINE))
    assert {("clip", ("out",)), ("cuda.using_allocator", ()), ("ndarray.sum", ("axis", "out")), ("where", ()),
            ("RawModule", ("code", "options"))} <= found  # fmt: skip


@pytest.mark.parametrize("source", [
    "self.xp.nosuch(x)", "xp.cuda.nosuch", "xp.clip(x, limit=1)", "self.backend.xp.tanh(x, where=y)",
    "x.sum(axis=0, initial=3)", "xp.RawModule(source='')", "cupy.random.philox()",
])  # fmt: skip
def test_a_name_that_cupy_has_not_is_found(source):
    assert any(unknown(*use) for use in uses(source))


def test_the_double_has_nothing_that_cupy_has_not():
    own = {"State", "StrictError", "FakeFunction", "FakeCublas", "Flags", "Graph", "Stream", "MemoryPool"} | {
        "wait", "transfer", "allocate", "launch", "raw", "bounds", "index", "elementwise", "overlaps", "record",
        "installed", "run_kernel", "Memory", "memory_at",
    }  # fmt: skip
    for name, thing in vars(strict_cupy).items():
        if callable(thing) and not name.startswith("_") and name not in own:
            assert hasattr(cupy(), name), name
            if inspect.isfunction(thing):
                asked = [key for key, p in inspect.signature(thing).parameters.items() if p.default is not p.empty]
                assert not unknown(name, asked), name
    own = ("_a", "_view", "_reduce", "__dict__", "__weakref__", "__module__")
    for name in vars(strict_cupy.ndarray):
        assert hasattr(cupy().ndarray, name) or name in own, name
    for name in vars(strict_cupy.cuda):
        assert hasattr(cupy().cuda, name), name


def test_without_a_gpu_the_reason_is_a_sentence():
    from minigan.backend.cupy_backend import unusable_reason

    if cupy().is_available():
        pytest.skip("here is a GPU")
    assert "no usable NVIDIA GPU" in unusable_reason()


# NVRTC. --------------------------------------------------------------------------------------------------------------


@functools.cache
def nvrtc():
    """NVRTC's library, from its wheel, or a skipped test."""
    spec = find_spec("nvidia")
    places = [Path(place) for place in spec.submodule_search_locations] if spec else []
    found = sorted(file for place in places for file in place.glob("*/lib/libnvrtc.so.*[0-9]"))
    if not found:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12, or nvidia-cuda-nvrtc")
    return ctypes.CDLL(str(found[-1]))


def compile_kernels(source, real, architecture):
    """(the machine code, or None; what the compiler said)"""
    library, program = nvrtc(), ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    options = [f"-DREAL={real}".encode(), f"--gpu-architecture={architecture}".encode(), b"--std=c++17"]
    status = library.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))

    def read(what):
        size = ctypes.c_size_t()
        assert getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
        buffer = ctypes.create_string_buffer(size.value)
        assert getattr(library, f"nvrtcGet{what}")(program, buffer) == 0
        return buffer.raw

    said = read("ProgramLog").rstrip(b"\0").decode()
    return (None if status else read("CUBIN")), said


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("real", REALS.values())
def test_every_kernel_compiles(real, architecture):
    code, said = compile_kernels(KERNELS.read_text(encoding="utf-8"), real, architecture)
    assert code is not None and not said, said
    assert len(signatures()) == 31
    for name in signatures():
        assert b".text." + name.encode() + b"\0" in code, name


def test_what_does_not_compile_is_seen():
    code, said = compile_kernels(KERNELS.read_text(encoding="utf-8").replace("log1p(", "logarithm("), "float", "sm_90")
    assert code is None and "logarithm" in said
