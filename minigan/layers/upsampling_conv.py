"""Nearest upsampling and a convolution in one layer, without the large image between the two."""

from ..backend import Array, Sides, Window
from ..errors import SettingsError
from ..initializers import Initializer, glorot_uniform, zeros
from .conv import Conv2D
from .sides import Pair, pair


class UpSamplingConv2D(Conv2D):
    """UpSampling2D(factor) followed by Conv2D(c_out, kernel, 1, padding), with fewer multiplications.

    x: (n, h, w, c_in)   W: (kh kw c_in, c_out)   b: (c_out,)   y: (n, oh, ow, c_out)
    oh = fh h + top + bottom - kh + 1,  and ow likewise

    After upsampling, pixel x[i] is at f i + r for r = 0 ... f - 1, and its product with W[u] is a part of
    y[f i + r - u + top]. So a pixel of x adds a patch to y, patches are f apart, and the patch is x[i] times

        K[t] = the sum of W[u] over all r and u with  r + (k - 1 - u) = t          along both axes

    That is a Conv2DTranspose with stride f and the kernel K of k + f - 1 taps: 16 products instead of 36, for a kernel
    of 3 and a factor of 2. K is linear in W, so dW[u] is the sum of dK[r + k - 1 - u] over r. All taps of W have
    a part in every pixel of y, hence no checkerboard (Odena, Dumoulin and Olah 2016).

    c_out, kernel, padding, bias   as in Conv2D, for the upsampled image
    factor                         (fh, fw), or one number for both
    """

    def __init__(
        self,
        c_out: int,
        kernel: int | Pair,
        factor: int | Pair = 2,
        padding: str | int | Pair | Sides = "same",
        bias: bool = True,
        W_init: Initializer = glorot_uniform,
        b_init: Initializer = zeros,
    ) -> None:
        super().__init__(c_out, kernel, 1, padding, bias, W_init, b_init)
        self.factor = pair(factor, "UpSamplingConv2D: factor")
        if min(self.factor) < 1:
            raise SettingsError(f"UpSamplingConv2D: factor is {factor}; it must be at least 1")

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """W (kh kw c_in, c_out) and b (c_out,). Raises ShapeError unless inputs are images in which it fits."""
        if len(in_shape) != 3:
            raise self.refuse(in_shape, "images (h, w, c); put a Reshape before it")
        (h, w, c_in), (kh, kw), (fh, fw) = in_shape, self.kernel, self.factor
        (top, bottom), (left, right) = self.zeros_around(h * fh, w * fw)
        oh, ow = h * fh + top + bottom - kh + 1, w * fw + left + right - kw + 1
        if min(oh, ow) < 1:
            raise self.refuse(in_shape, f"at least the kernel's {self.kernel} after upsampling and padding")
        if max(top, bottom) >= kh or max(left, right) >= kw:
            raise self.refuse(in_shape, f"fewer zeros on each side than the kernel's {self.kernel}")
        cut = (kh - 1 - top, kh - 1 - bottom), (kw - 1 - left, kw - 1 - right)
        self.window = Window((oh, ow, self.c_out), (kh + fh - 1, kw + fw - 1), self.factor, cut)
        self.declare((kh * kw * c_in, self.c_out), c_in)
        return oh, ow, self.c_out

    def forward(self, x: Array, train: bool) -> Array:
        """y = col2im(x K^T) + b."""
        self.x, self.K = x, self.painted()
        y = self.backend.conv_dx(x, self.K, self.window, out=self.buf("y", (len(x), *self.window.image)))
        return self.shifted(y) if self.bias else y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dK = im2col(dy)^T x, which gives dW,  db = sum dy,  dx = im2col(dy) K."""
        if params:
            self.gather(self.backend.conv_dW(dy, self.x, self.window, out=self.temporary("dK", self.K.shape)))
            self.sum_to_db(dy)
        if not inputs:
            return None
        return self.backend.conv(dy, self.K, self.window, out=self.buf("dx", self.x.shape))

    def tangent(self, t: Array) -> Array:
        """J t = col2im(t K^T)."""
        return self.backend.conv_dx(t, self.K, self.window, out=self.buf("t", (len(t), *self.window.image)))

    def tangent_backward(self, t: Array, dy: Array) -> None:
        """dK = im2col(dy)^T t, which gives dW."""
        self.gather(self.backend.conv_dW(dy, t, self.window, out=self.temporary("dK", self.K.shape)))

    def painted(self) -> Array:
        """K, the kernel of a Conv2DTranspose: ((kh + fh - 1) (kw + fw - 1) c_out, c_in)."""
        K = self.buf("K", (self.window.patch, self.W.size // (self.kernel[0] * self.kernel[1] * self.c_out)))
        K[...] = 0
        for part in self.shifts(K):
            part += self.turned(self.W)
        return K

    def gather(self, dK: Array) -> None:
        """dW from dK, as above."""
        dW = self.turned(self.dW)
        dW[...] = 0
        for part in self.shifts(dK):
            dW += part

    def shifts(self, K: Array) -> list[Array]:
        """The fh fw parts of K to which W is added, as views (kh, kw, c_out, c_in)."""
        K = K.reshape(*self.window.kernel, self.c_out, -1)
        (kh, kw), (fh, fw) = self.kernel, self.factor
        return [K[i : i + kh, j : j + kw] for i in range(fh) for j in range(fw)]

    def turned(self, W: Array) -> Array:
        """W turned by 180 degrees, a view (kh, kw, c_out, c_in)."""
        return W.reshape(*self.kernel, -1, self.c_out)[::-1, ::-1].transpose(0, 1, 3, 2)
