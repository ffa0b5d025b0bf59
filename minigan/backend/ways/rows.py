"""dW row by row, where there are few patches for the size of W."""

import math

from ..base import Array
from ..blas import product
from ..blocks import equal_blocks, on_all_cores, over_rows
from ..scratch import scratch
from ..tuning import Tuning
from .way import Case, Way


class Rows(Way):
    """`conv_dW`. Every core copies the patches of some images, and then computes some rows of dW: there is nothing to
    add up, and no second array of the size of dW.
    """

    name, why = "rows of dW", "W is large beside the patches, and the cores divide its rows"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Where there are few patches for each column of W."""
        return case.n * math.prod(case.window.stops) <= tuning.few_patches * case.d

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out = im2col(x)^T dy, some rows at a time."""
        cols = scratch("cols", (len(x), math.prod(self.window.stops), self.window.patch), x.dtype)
        rows, change = cols.reshape(-1, self.window.patch), dy.reshape(-1, out.shape[1])

        def lay_out(start: int, stop: int) -> None:
            self.moves.im2col(x[start:stop], self.window, out=cols[start:stop])

        def multiply(start: int, stop: int) -> None:
            product(rows[:, start:stop].T, change, out=out[start:stop])

        over_rows(lay_out, cols.shape, 1, self.tuning)
        on_all_cores(multiply, equal_blocks(len(out), min(self.tuning.threads, len(out))), self.tuning)
        return out
