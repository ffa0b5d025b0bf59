"""How work is cut into blocks, and how blocks go to the threads."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .blas import one_thread_each, product
from .scratch import scratch
from .threads import WORKERS
from .tuning import Tuning

Task = Callable[[int, int], None]
PART = 262_144  # entries of a product that is added to another array: so many stay in a cache


def equal_blocks(size: int, count: int) -> list[tuple[int, int]]:
    """0 ... size in `count` pieces (start, stop) of about the same length."""
    bounds = [size * block // count for block in range(count + 1)]
    return list(zip(bounds, bounds[1:], strict=False))


def shared_blocks(n: int, size: int, threads: int) -> list[tuple[int, int]]:
    """n samples in blocks of about `size`, whose number is a multiple of the number of threads if n allows it."""
    count = -(-n // size)
    return equal_blocks(n, min(n, -(-count // threads) * threads))


def over_rows(task: Task, shape: tuple[int, ...], arrays: int, tuning: Tuning) -> None:
    """task(start, stop) for blocks of axis 0 of so many arrays of this shape, on as many threads as pay."""
    size = arrays * math.prod(shape)
    if size <= tuning.block < tuning.many:
        task(0, shape[0])
        return
    threads = tuning.threads if size >= tuning.many else 1
    count = max(1, round(size / (threads * tuning.block))) * threads
    WORKERS.run(task, equal_blocks(shape[0], max(1, min(shape[0], count))), threads)


def on_all_cores(task: Task, blocks: list[tuple[int, int]], tuning: Tuning) -> None:
    """task(start, stop) for every block, each on one core. A single block may use all of the BLAS's own threads."""
    if len(blocks) == 1:
        task(*blocks[0])
    else:
        with WORKERS.alone, one_thread_each():  # the limit is the process's: one caller at a time
            WORKERS.run(task, blocks, tuning.threads)


def product_into(a: np.ndarray, b: np.ndarray, total: np.ndarray, add: bool) -> None:
    """total = a b, or total += a b if `add`.    a: (m, k)   b: (k, d)   total: (m, d)

    The product that is added is computed some rows at a time, so that it stays in the cache and needs little memory.
    """
    if not add:
        product(a, b, total)
        return
    for start, stop in equal_blocks(len(a), -(-total.size // PART)):
        part = product(a[start:stop], b, scratch("part of a sum", (stop - start, b.shape[1]), total.dtype))
        total[start:stop] += part


def sum_of_shares(
    add_part: Callable[[slice, np.ndarray, bool], None],
    n: int,
    blocks: Callable[[int], list[tuple[int, int]]],
    out: Any,
    tuning: Tuning,
) -> Any:
    """out = a sum over n samples, computed by all cores.

    Every core sums over its own share of the samples, in the blocks that `blocks(size of the share)` returns, into an
    array of its own: add_part(slice of samples, total, add) writes the sum over this slice to `total`, or adds it if
    `add`. The sums of the shares are then added in order, so that the result does not depend on which core was faster.
    """
    shares = equal_blocks(n, min(tuning.threads, n))
    sums = {first: np.empty_like(out) if first else out for first, _ in shares}

    def share(first: int, last: int) -> None:
        for start, stop in blocks(last - first):
            add_part(slice(first + start, first + stop), sums[first], start > 0)

    on_all_cores(share, shares, tuning)
    for first, _ in shares[1:]:
        out += sums[first]
    return out
