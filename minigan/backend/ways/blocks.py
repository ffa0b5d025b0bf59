"""Patches of a few images at a time, and one product: the way that always works."""

from ..base import Array
from ..blas import product
from ..blocks import on_all_cores, product_into, sum_of_shares
from ..tuning import Tuning
from .way import Case, Way


class Blocks(Way):
    """`conv` and `conv_dW`. The patches of a block of images stay in the cache, and every core copies and multiplies
    blocks of its own.
    """

    name, why = "blocks", "a block of patches stays in the cache"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Always: it is the last one that is asked."""
        return True

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out = im2col(x) W, block by block."""

        def block(start: int, stop: int) -> None:
            cols = self.moves.im2col(x[start:stop], self.window)
            product(cols, W, out=out[start:stop].reshape(len(cols), -1))

        on_all_cores(block, self.blocks(len(x)), self.tuning)
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out = im2col(x)^T dy. Every core sums over its own share of the images, and the shares are added in order, so
        that the result does not depend on which core was faster.
        """

        def add_part(images: slice, total: Array, add: bool) -> None:
            cols = self.moves.im2col(x[images], self.window)
            product_into(cols.T, dy[images].reshape(len(cols), -1), total, add)

        return sum_of_shares(add_part, len(x), self.blocks, out, self.tuning)
