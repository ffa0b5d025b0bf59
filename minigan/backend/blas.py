"""NumPy's BLAS: matrix products without its false alarms, and how many threads of its own it may use.

Some libraries (Apple's Accelerate, older OpenBLAS) compute with entries beyond a matrix's edge, and leave the
processor's flags of overflow, division by zero and invalid numbers set. NumPy then warns of a product whose numbers are
right. Whether numbers are finite is looked at where it matters: before they are saved, and in `check_finite`.

The BLAS has threads of its own for large products. While our threads call it, each call may use one thread only.
"""

from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from ..errors import SettingsError
from .cores import thread_count


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out = a b, of matrices or stacks of them."""
    with np.errstate(all="ignore"):
        return np.matmul(a, b, out=out)


@cache
def blas() -> Any:
    """NumPy's BLAS library, as an object that can set its number of threads."""
    return ThreadpoolController().select(user_api="blas")


def limit_blas() -> None:
    """Lower the number of the BLAS's own threads to ours; never raise it."""
    for library in blas().lib_controllers:
        library.set_num_threads(min(thread_count(), library.num_threads))


with suppress(SettingsError):  # raised again at the first use, where a command can print it as one sentence
    limit_blas()


def one_thread_each() -> Any:
    """A context within which each call of the BLAS uses one thread. It is the process's."""
    return blas().limit(limits=1)
