"""dx as patches that are added where they overlap: the way that always works."""

from ..base import Array
from ..blas import product
from ..blocks import on_all_cores
from ..scratch import scratch
from ..tuning import Tuning
from .way import Case, Way


class AddPatches(Way):
    """`conv_dx`, a block of images at a time: no two threads add to one image."""

    name, why = "add patches", "patches of dx are added where they overlap, a block of images at a time"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Always: it is the last one that is asked."""
        return True

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out = col2im(dy W^T), one row of the kernel after the other: its patches are fewer, and fit the cache."""
        kh, kw_c = self.window.kernel[0], len(W) // self.window.kernel[0]
        together = 1 if kw_c >= self.tuning.narrow else kh  # kernel rows in one product, which is slow if it is narrow
        kernel = W.reshape(kh // together, together * kw_c, -1)

        def block(start: int, stop: int) -> None:
            rows = dy[start:stop].reshape(-1, W.shape[1])
            whole = scratch("padded", (stop - start, *self.window.padded), W.dtype)
            whole[...] = 0
            for row in range(0, kh, together):
                cols = scratch("cols", (len(rows), together * kw_c), W.dtype)
                product(rows, kernel[row // together].T, out=cols)
                self.moves.add_rows(cols, row, self.window, whole)
            out[start:stop] = whole[self.window.inside]

        on_all_cores(block, self.blocks(len(out), together * kw_c), self.tuning)
        return out
