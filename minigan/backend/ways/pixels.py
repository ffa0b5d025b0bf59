"""A convolution that is a Dense layer at every pixel: one product, and nothing is copied."""

from ..base import Array
from ..blas import product
from ..blocks import equal_blocks, on_all_cores, product_into, sum_of_shares
from ..tuning import Tuning
from .way import Case, Way


class Pixels(Way):
    """All three functions, for kernels of 1 x 1 with stride 1 and no border. Every core multiplies some of the rows, as
    they lie in memory; few rows are one product.
    """

    name, why = "pixels", "every pixel is a patch: a product of what is there, and nothing is laid out"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Wherever every pixel is a patch."""
        return case.window.is_pixels

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out = x W, pixel by pixel."""
        self._multiply(x.reshape(-1, len(W)), W, out.reshape(-1, W.shape[1]))
        return out

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out = dy W^T."""
        self._multiply(dy.reshape(-1, W.shape[1]), W.T, out.reshape(-1, len(W)))
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out = x^T dy, a sum over each core's rows; the sums are added in order."""
        rows, change = x.reshape(-1, len(out)), dy.reshape(-1, out.shape[1])
        if self._count(len(rows)) == 1:
            return product(rows.T, change, out=out)

        def add_part(pixels: slice, total: Array, add: bool) -> None:
            product_into(rows[pixels].T, change[pixels], total, add)

        return sum_of_shares(add_part, len(rows), lambda n: [(0, n)], out, self.tuning)

    def _multiply(self, a: Array, b: Array, out: Array) -> None:
        """out = a b."""

        def block(start: int, stop: int) -> None:
            product(a[start:stop], b, out=out[start:stop])

        on_all_cores(block, equal_blocks(len(a), self._count(len(a))), self.tuning)

    def _count(self, rows: int) -> int:
        """In how many products: one for each core, unless its rows are too few for it to be fast."""
        return self.tuning.threads if rows >= self.tuning.threads * self.tuning.rows else 1
