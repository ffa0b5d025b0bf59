"""What the ways of a convolution copy and add, by compiled loops where those are faster."""

from . import compiled_kernels as loops
from .base import Array
from .convolution import Window
from .moves import Moves


class CompiledMoves(Moves):
    """NumPy copies patches as fast as memory goes; adding them is slow in NumPy."""

    def add_rows(self, cols: Array, row: int, window: Window, padded: Array) -> None:
        """Add the entries of some rows of the kernel to the pixels under them, from kernel row `row` on.

        cols: (n oh ow, rows kw c)   padded: (n, h, w, c), with the border
        """
        (sh, sw), c = window.stride, window.image[2]
        cols = cols.reshape(len(padded), *window.stops, -1, window.kernel[1] * c)
        loops.add_patches(cols, padded.reshape(*padded.shape[:2], -1), row, sh, sw * c)
