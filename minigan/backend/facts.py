"""What the CPU backends are tuned to, as `minigan backends` prints it."""

import os
from dataclasses import asdict

from .blas import blas
from .cores import thread_count, why_so_many
from .machine import MIB, blas_libraries, cache_sizes, processor_name
from .tuning import tuning_of_this_machine

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")  # of OpenBLAS, which some servers set for all of their programs


def facts() -> list[tuple[str, str]]:
    """(name, value) of the processor, the threads, the caches, the BLAS and the sizes that follow."""
    sizes = asdict(tuning_of_this_machine())
    return [
        ("processor", processor_name()),
        ("threads", f"{thread_count()}: {why_so_many()}"),
        ("caches", _caches()),
        ("products", "; ".join(blas_libraries()) or "a library that threadpoolctl does not know"),
        ("block", f"{sizes.pop('block'):,} numbers of elementwise work, by the second cache"),
        ("tuning", ", ".join(f"{name} {size:,}" for name, size in sizes.items() if name != "threads")),
    ]


def _caches() -> str:
    sizes = cache_sizes()
    first, second = _readable(sizes.l1), _readable(sizes.l2)
    third = f"; third {_readable(sizes.l3)}, shared" if sizes.l3 else ""
    source = "" if sizes.read else " (not known here: the least that processors have)"
    return f"of each core: first {first}, second {second}{third}{source}"


def _readable(size: int) -> str:
    return f"{size / MIB:g} MiB" if size >= MIB else f"{size // 1024} KiB"


def warnings() -> list[str]:
    """What makes products slower than they need be, in sentences."""
    if not any(library.internal_api == "openblas" for library in blas().lib_controllers):
        return []
    return [
        f"the environment variable {pin} is {os.environ[pin]!r}: it can halve the speed of matrix products; unset it, "
        f"unless you know that OpenBLAS takes this processor for another one"
        for pin in PINS
        if os.environ.get(pin)
    ]
