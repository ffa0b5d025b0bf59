"""A convolution that is a Dense layer at every pixel: one product, and nothing is copied."""

from ..base import Array
from ..blas import product
from ..tuning import Tuning
from .way import Case, Way


class Pixels(Way):
    """All three functions, for kernels of 1 x 1 with stride 1 and no border. The BLAS divides the product among its own
    threads.
    """

    name, why = "pixels", "every pixel is a patch: one product, and nothing is laid out"

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Wherever every pixel is a patch."""
        return case.window.is_pixels

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out = x W, pixel by pixel."""
        product(x.reshape(-1, len(W)), W, out=out.reshape(-1, W.shape[1]))
        return out

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out = dy W^T."""
        product(dy.reshape(-1, W.shape[1]), W.T, out=out.reshape(-1, len(W)))
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out = x^T dy."""
        return product(x.reshape(-1, len(out)).T, dy.reshape(-1, out.shape[1]), out=out)
