"""Convolution and transposed convolution."""

from typing import Any

from ..backend import Array, Sides, Window, same_padding
from ..backend.kernels import ADD_BIAS
from ..backend.sums import COLUMN_SUMS
from ..errors import SettingsError
from ..initializers import Initializer, glorot_uniform, zeros
from .base import Layer
from .sides import Pair, pair, sides, whole


class Convolution(Layer):
    """The base of Conv2D and Conv2DTranspose: their arguments, and the bias."""

    window: Window
    x: Array
    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self,
        c_out: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: str | int | Pair | Sides = "valid",
        bias: bool = True,
        W_init: Initializer = glorot_uniform,
        b_init: Initializer = zeros,
    ) -> None:
        kind = type(self).__name__
        self.c_out, self.bias, self.W_init, self.b_init = whole(c_out, f"{kind}: c_out"), bool(bias), W_init, b_init
        self.kernel, self.stride = pair(kernel, f"{kind}: kernel"), pair(stride, f"{kind}: stride")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise SettingsError(f"{kind}: padding is {padding!r}; wanted 'same', 'valid', or numbers of zeros")
        self.padding = padding if isinstance(padding, str) else sides(padding, f"{kind}: padding")
        if min(*self.kernel, *self.stride) < 1:
            raise SettingsError(f"{kind}: kernel is {kernel} and stride {stride}; each must be at least 1")

    def zeros_around(self, h: int, w: int) -> Sides:
        """The zeros around an image of height h and width w."""
        if isinstance(self.padding, tuple):
            return self.padding
        if self.padding == "valid":
            return (0, 0), (0, 0)
        vertical, horizontal = zip((h, w), self.kernel, self.stride, strict=True)
        return same_padding(*vertical), same_padding(*horizontal)

    def declare(self, shape: tuple[int, int], c_in: int, groups: int = 1) -> None:
        """Declare W, of this shape, and b."""
        area = self.kernel[0] * self.kernel[1]
        self.param("W", shape, self.W_init, fans=(area * c_in // groups, area * self.c_out // groups))
        if self.bias:
            self.param("b", (self.c_out,), self.b_init)

    def shifted(self, y: Array) -> Array:
        """y + b, in place."""

        def shift(y: Array, b: Array) -> None:
            y += b

        self.backend.elementwise(shift, (y,), (self.b,), kernel=ADD_BIAS)
        return y

    def fused(self, t: Array, dy: Array, s: Array) -> Array:
        """dW of s x + t in place of x,  db = sum s dy;  J t."""
        self.tangent_backward(self.lifted(self.x, s, t), dy)
        if self.bias:
            self.db[...] = self.weighted_sum(s, dy)
        return self.tangent(t)

    def sum_to_db(self, dy: Array) -> None:
        """db = sum dy, over all axes but the last, if there is a b."""
        if self.bias:
            (self.db[...],) = self.backend.sums(COLUMN_SUMS, dy)


class Conv2D(Convolution):
    """y[n, i, j, :] = b + patch(x, n, i sh, j sw) W:  a Dense layer applied to every kh x kw patch of x.

    x: (n, h, w, c_in)   W: (kh kw c_in, c_out)   b: (c_out,)   y: (n, oh, ow, c_out)
    oh = (h + top + bottom - kh) // sh + 1,  and ow likewise

    With cols = im2col(x), one row for every patch, (n oh ow, kh kw c_in), and dy = dL/dy:

        y = cols W + b     dW = cols^T dy     db = sum dy     dx = col2im(dy W^T)

    c_out    channels of y, the number of kernels
    kernel   (kh, kw), or one number for both; stride (sh, sw) likewise
    padding  zeros around x: one number for all sides, (vertical, horizontal), ((top, bottom), (left, right)),
             "valid" for none, or "same" for as many as make oh = ceil(h / sh); if that is an odd number, there is
             one more at the bottom and at the right, as in Keras
    bias     False: no b, as before a BatchNorm, whose beta does the same
    groups   the channels of x, and those of y, are cut into so many equal runs, and run g of y sees run g of x only:
             W is (kh kw c_in / groups, c_out), and the formulas are those of each group. c_in of them: depthwise

    LeCun et al. 1989; Dumoulin and Visin 2016 draw the arithmetic; groups are those of Krizhevsky et al. 2012.
    docs/layers/conv.md derives the gradients.
    """

    def __init__(
        self,
        c_out: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: str | int | Pair | Sides = "valid",
        bias: bool = True,
        W_init: Initializer = glorot_uniform,
        b_init: Initializer = zeros,
        groups: int = 1,
    ) -> None:
        super().__init__(c_out, kernel, stride, padding, bias, W_init, b_init)
        self.groups = whole(groups, "Conv2D: groups")
        if self.c_out % self.groups:
            raise SettingsError(f"Conv2D: c_out is {c_out}; it must be a multiple of groups, which is {groups}")

    def config(self) -> dict[str, Any]:
        """The arguments of an equal layer. A single group is left out: files that are older than groups have none."""
        return {name: value for name, value in super().config().items() if (name, value) != ("groups", 1)}

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """W (kh kw c_in / groups, c_out) and b (c_out,). Raises ShapeError unless inputs are images in which it fits,
        and their channels make `groups` equal runs.
        """
        if len(in_shape) != 3:
            raise self.refuse(in_shape, "images (h, w, c); put a Reshape before it")
        h, w, c_in = in_shape
        if c_in % self.groups:
            raise self.refuse(in_shape, f"as many channels as a multiple of its {self.groups} groups")
        self.window = Window((h, w, c_in), self.kernel, self.stride, self.zeros_around(h, w), self.groups)
        if min(self.window.stops) < 1:
            raise self.refuse(in_shape, f"at least the kernel's {self.kernel} after padding")
        self.declare((self.window.patch, self.c_out), c_in, self.groups)
        return (*self.window.stops, self.c_out)

    def forward(self, x: Array, train: bool) -> Array:
        """y = cols W + b."""
        self.x = x
        y = self.backend.conv(x, self.W, self.window, out=self.buf("y", (len(x), *self.window.stops, self.c_out)))
        return self.shifted(y) if self.bias else y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dW = cols^T dy,  db = sum dy,  dx = col2im(dy W^T)."""
        if params:
            self.backend.conv_dW(self.x, dy, self.window, out=self.dW)
            self.sum_to_db(dy)
        if not inputs:
            return None
        return self.backend.conv_dx(dy, self.W, self.window, out=self.buf("dx", self.x.shape))

    def tangent(self, t: Array) -> Array:
        """J t = im2col(t) W."""
        return self.backend.conv(t, self.W, self.window, out=self.buf("t", (len(t), *self.window.stops, self.c_out)))

    def tangent_backward(self, t: Array, dy: Array) -> None:
        """dW = im2col(t)^T dy."""
        self.backend.conv_dW(t, dy, self.window, out=self.dW)


class Conv2DTranspose(Convolution):
    """The transpose of Conv2D: y is the dx of a Conv2D that maps y's shape to x's, for dy = x, plus b.

    x: (n, h, w, c_in)   W: (kh kw c_out, c_in)   b: (c_out,)   y: (n, oh, ow, c_out)
    oh = (h - 1) sh - top - bottom + kh + output_padding,  and ow likewise

    Every pixel of x adds a kh x kw patch to y; patches are sh and sw apart and may overlap. With dy = dL/dy:

        y = col2im(x W^T) + b     dW = im2col(dy)^T x     db = sum dy     dx = im2col(dy) W

    c_out, kernel, stride, bias   as in Conv2D
    padding         rows and columns cut from y's border, as many as that Conv2D has zeros; "same" makes oh = h sh
    output_padding  additional rows and columns at y's bottom and right, fewer than the stride: that Conv2D maps
                    several sizes of y to the same size of x, and this chooses one of them

    Zeiler et al. 2010; Dumoulin and Visin 2016, chapter 4. docs/layers/conv.md shows why it is the transpose.
    """

    def __init__(
        self,
        c_out: int,
        kernel: int | Pair,
        stride: int | Pair = 1,
        padding: str | int | Pair | Sides = "valid",
        output_padding: int | Pair = 0,
        bias: bool = True,
        W_init: Initializer = glorot_uniform,
        b_init: Initializer = zeros,
    ) -> None:
        super().__init__(c_out, kernel, stride, padding, bias, W_init, b_init)
        self.output_padding = pair(output_padding, "Conv2DTranspose: output_padding")
        more = [extra for extra, step in zip(self.output_padding, self.stride, strict=True) if not 0 <= extra < step]
        if more or (self.padding == "same" and any(self.output_padding)):
            raise SettingsError(
                f"Conv2DTranspose: output_padding is {output_padding}; it must be less than the stride {stride}, and 0 "
                f"with padding='same', which fixes the output's size"
            )

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """W (kh kw c_out, c_in) and b (c_out,). Raises ShapeError unless inputs are images and y has a pixel."""
        if len(in_shape) != 3:
            raise self.refuse(in_shape, "images (h, w, c); put a Reshape before it")
        h, w, c_in = in_shape
        oh, ow = h * self.stride[0], w * self.stride[1]
        around = self.zeros_around(oh, ow)
        if self.padding != "same":
            oh, ow = (
                (length - 1) * stride - before - after + kernel + extra
                for length, stride, (before, after), kernel, extra in zip(
                    (h, w), self.stride, around, self.kernel, self.output_padding, strict=True
                )
            )
        if min(oh, ow) < 1:
            raise self.refuse(in_shape, f"larger images: its output would be {oh} x {ow}")
        self.window = Window((oh, ow, self.c_out), self.kernel, self.stride, around)
        self.declare((self.window.patch, c_in), c_in)
        return (oh, ow, self.c_out)

    def forward(self, x: Array, train: bool) -> Array:
        """y = col2im(x W^T) + b."""
        self.x = x
        y = self.backend.conv_dx(x, self.W, self.window, out=self.buf("y", (len(x), *self.window.image)))
        return self.shifted(y) if self.bias else y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dW = im2col(dy)^T x,  db = sum dy,  dx = im2col(dy) W."""
        if params:
            self.backend.conv_dW(dy, self.x, self.window, out=self.dW)
            self.sum_to_db(dy)
        if not inputs:
            return None
        return self.backend.conv(dy, self.W, self.window, out=self.buf("dx", self.x.shape))

    def tangent(self, t: Array) -> Array:
        """J t = col2im(t W^T)."""
        return self.backend.conv_dx(t, self.W, self.window, out=self.buf("t", (len(t), *self.window.image)))

    def tangent_backward(self, t: Array, dy: Array) -> None:
        """dW = im2col(dy)^T t."""
        self.backend.conv_dW(dy, t, self.window, out=self.dW)
