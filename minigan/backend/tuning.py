"""Sizes at which one way of computing becomes faster than another: one object for each backend."""

from dataclasses import dataclass

from .cores import thread_count
from .machine import cache_sizes


@dataclass(frozen=True)
class Tuning:
    """Of the CPU backends. Entries are of float32. They change the speed and, as `threads`, in which order sums are
    added, and so the last bits; nothing else.
    """

    threads: int = 1  # that compute
    # Elementwise work and sums.
    block: int = 262_144  # entries of all its arrays that a block has, so that they stay in a core's cache
    many: int = 2_000_000  # entries of all its arrays from which it pays to wake another thread
    smallest_block: int = 65_536  # random words for which it pays to wake another thread
    # Convolutions.
    columns: int = 500_000  # entries of im2col(x) in a block of images, about; fewer do not keep the threads busy
    rows: int = 512  # rows that a product has at least: with fewer, OpenBLAS is slower
    narrow: int = 64  # columns of a product below which it is slow: kernel rows are then multiplied together
    few_patches: int = 5  # patches for each column of W up to which the cores divide the rows of dW, not the images
    fewer: int = 4  # times as many channels on one side as on the other from which the few are laid out
    border: int = 3  # padded pixels for each stop from which it does not pay to multiply every pixel
    copies: int = 2  # numbers that can be copied in the time in which one is added
    # Grouped convolutions.
    narrow_group: int = 32  # channels of a group up to which the products of all groups are made together
    shares: int = 8  # parts of the batch whose dW are summed by themselves, whatever the threads
    # Winograd's algorithms.
    tiles: int = 256  # rows that each of its products has at least
    worth: int = 75  # multiplications that must be saved for each additional number that is computed
    # Products.
    few_rows: int = 64  # rows of a up to which a b, with b transposed, is computed as (b^T a^T)^T

    @classmethod
    def of(cls, threads: int, l2: int) -> "Tuning":
        """For a core's second cache of `l2` bytes: the arrays of a block of elementwise work fill it. For several
        threads they are twice as large: with smaller blocks, these wait for the GIL too often.
        """
        return cls(threads=threads, block=max(65_536, l2 // 4 * min(threads, 2)))


def tuning_of_this_machine() -> Tuning:
    """The threads that may compute, and blocks for the caches that there are.

    Raises SettingsError if MINIGAN_THREADS is no number.
    """
    return Tuning.of(thread_count(), cache_sizes().l2)
