"""Matrix products by NumPy's BLAS, without its false alarms.

Some libraries (Apple's Accelerate, older OpenBLAS) compute with entries beyond a matrix's edge, and leave the
processor's flags of overflow, division by zero and invalid numbers set. NumPy then warns of a product whose numbers are
right. Whether numbers are finite is looked at where it matters: before they are saved, and in `check_finite`.
"""

import numpy as np

from .workers import BLOCK, equal_blocks, scratch


def product(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out = a b, of matrices or stacks of them."""
    with np.errstate(all="ignore"):
        return np.matmul(a, b, out=out)


def product_into(a: np.ndarray, b: np.ndarray, total: np.ndarray, add: bool) -> None:
    """total = a b, or total += a b if `add`.    a: (m, k)   b: (k, d)   total: (m, d)

    The product that is added is computed some rows at a time, so that it stays in the cache and needs little memory.
    """
    if not add:
        product(a, b, total)
        return
    for start, stop in equal_blocks(len(a), -(-total.size // BLOCK)):
        part = product(a[start:stop], b, scratch("part of a sum", (stop - start, b.shape[1]), total.dtype))
        total[start:stop] += part
