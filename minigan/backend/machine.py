"""What this machine is: its caches, its processor, and what multiplies matrices on it."""

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from .blas import blas

KIB, MIB = 2**10, 2**20


@dataclass(frozen=True)
class Caches:
    """Bytes of the caches for data: of l1 and l2 what one core has, of l3 the whole, 0 if there is none."""

    l1: int = 32 * KIB
    l2: int = 512 * KIB
    l3: int = 0
    read: bool = False  # from the machine; if not, these are the least that processors of the last ten years have


@cache
def cache_sizes(root: Path = Path("/")) -> Caches:
    """Those of the first core that this process may run on: from /sys on Linux, from sysctl on macOS. Elsewhere, and
    where these say nothing, the sizes that are safe everywhere.    root: of the file system
    """
    found = _of_linux(root) or (_of_macos() if sys.platform == "darwin" else {})
    if not found.get(2):
        return Caches()
    return Caches(found.get(1) or Caches.l1, found[2], found.get(3, 0), read=True)


def _of_linux(root: Path) -> dict[int, int]:
    """Bytes of each level."""
    try:
        core = min(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        core = 0
    found: dict[int, int] = {}
    for folder in sorted((root / f"sys/devices/system/cpu/cpu{core}/cache").glob("index*")):
        texts = {}
        for name in ("type", "level", "size", "shared_cpu_list"):
            try:
                texts[name] = (folder / name).read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                texts[name] = ""
        size, level = _bytes(texts["size"]), texts["level"]
        if texts["type"] in ("Data", "Unified") and level.isdigit() and size:
            # Cores that share a cache, as the small ones of a hybrid processor share l2, have a part of it each. Two
            # threads of one core do not: NumPy's work seldom gains from the second.
            shared = _cores(texts["shared_cpu_list"], root) if int(level) < 3 else 1
            found[int(level)] = size // shared
    return found


def _bytes(text: str) -> int:
    """The bytes of a size such as 48K or 32M; 0 for anything else."""
    factor = {"K": KIB, "M": MIB}.get(text[-1:], 0)
    return int(text[:-1]) * factor if text[:-1].isascii() and text[:-1].isdigit() else 0


def _cores(text: str, root: Path) -> int:
    """How many cores a list such as "0-3,8" names, if two threads of one count as one; at least 1."""
    named: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            named |= set(range(int(first), int(last or first) + 1))
    cores = set()
    for thread in named:
        try:
            path = root / f"sys/devices/system/cpu/cpu{thread}/topology/thread_siblings_list"
            cores.add(path.read_text(encoding="utf-8").strip())
        except (OSError, ValueError):
            cores.add(str(thread))
    return max(1, len(cores))


def _of_macos() -> dict[int, int]:
    """Bytes of each level, of a fast core where there are two kinds; its second cache is shared by several of them."""
    l2 = _sysctl("hw.perflevel0.l2cachesize") // max(1, _sysctl("hw.perflevel0.cpusperl2"))
    return {1: _sysctl("hw.perflevel0.l1dcachesize") or _sysctl("hw.l1dcachesize"), 2: l2 or _sysctl("hw.l2cachesize")}


def _sysctl(name: str) -> int:
    """A number that macOS knows by this name; 0 for names that it does not know."""
    value, size = ctypes.c_uint64(0), ctypes.c_size_t(8)
    try:
        failed = ctypes.CDLL(None).sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0)
    except (OSError, AttributeError):
        return 0
    return 0 if failed else int(value.value)


def processor_name(root: Path = Path("/")) -> str:
    """As its maker calls it."""
    try:
        lines = (root / "proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next((name for name in (*names[:1], platform.processor(), platform.machine()) if name), "unknown")


def blas_libraries() -> list[str]:
    """What multiplies NumPy's matrices: library, version, the processor that its kernels are for, and its threads."""
    return [_described(library.info()) for library in blas().lib_controllers]


def _described(info: dict[str, Any]) -> str:
    kernels = f" for {info['architecture']}" if info.get("architecture") else ""
    version = info.get("version") or "of unknown version"
    return f"{info['internal_api']} {version}{kernels}, threads: {info['num_threads']}"
