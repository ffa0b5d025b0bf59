"""Layers without parameters that make images larger or smaller."""

from ..backend import Array
from ..errors import SettingsError
from .base import Layer
from .sides import Pair, pair


class UpSampling2D(Layer):
    """Every pixel of x becomes a block of fh x fw equal pixels ("nearest").    x: (n, h, w, c)   y: (n, h fh, w fw, c)

    With dy = dL/dy:   dx = the sum of dy over each block

    Followed by a convolution of stride 1 it enlarges images without the checkerboard pattern that overlapping patches
    of a Conv2DTranspose make (Odena, Dumoulin and Olah 2016). factor: (fh, fw), or one number for both.
    """

    def __init__(self, factor: int | Pair = 2) -> None:
        self.factor = pair(factor, "UpSampling2D: factor")
        if min(self.factor) < 1:
            raise SettingsError(f"UpSampling2D: factor is {factor}; it must be at least 1")

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters. Raises ShapeError unless inputs are images."""
        if len(in_shape) != 3:
            raise self.refuse(in_shape, "images (h, w, c)")
        (h, w, c), (fh, fw) = in_shape, self.factor
        return h * fh, w * fw, c

    def forward(self, x: Array, train: bool) -> Array:
        """y[n, i, j] = x[n, i // fh, j // fw]."""
        return self.enlarge(x, "y")

    def enlarge(self, x: Array, name: str) -> Array:
        """Every pixel of x as a block, in the buffer of that name."""
        (n, h, w, c), (fh, fw) = x.shape, self.factor
        y = self.buf(name, (n, h * fh, w * fw, c))
        y.reshape(n, h, fh, w, fw, c)[...] = x[:, :, None, :, None, :]
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = the sum of dy over each block: one pixel of every block at a time."""
        if not inputs:
            return None
        (n, h, w, c), (fh, fw) = dy.shape, self.factor
        dx = self.buf("dx", (n, h // fh, w // fw, c))
        dx[...] = dy[:, ::fh, ::fw]
        for i in range(fh):
            for j in range(fw):
                if (i, j) != (0, 0):
                    dx += dy[:, i::fh, j::fw]
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = every pixel of t as a block."""
        return self.enlarge(t, "t")


class AveragePooling2D(Layer):
    """y = the mean of every kh x kw window of x.    x: (n, h, w, c)   y: (n, oh, ow, c)   oh = (h - kh) // sh + 1

    With dy = dL/dy:   dx = the sum of dy / (kh kw) over all windows that contain a pixel

    size     (kh, kw), or one number for both
    stride   (sh, sw), or one number for both; None: the size, so that windows lie side by side
    Rows and columns that are in no whole window have no part in y, and their dx is 0.
    """

    def __init__(self, size: int | Pair = 2, stride: int | Pair | None = None) -> None:
        self.size = pair(size, "AveragePooling2D: size")
        self.stride = self.size if stride is None else pair(stride, "AveragePooling2D: stride")
        if min(*self.size, *self.stride) < 1:
            raise SettingsError(f"AveragePooling2D: size is {size} and stride {stride}; each must be at least 1")

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters. Raises ShapeError unless inputs are images at least as large as the window."""
        if len(in_shape) != 3 or in_shape[0] < self.size[0] or in_shape[1] < self.size[1]:
            raise self.refuse(in_shape, f"images (h, w, c) of at least {self.size}")
        self.stops = tuple((in_shape[axis] - self.size[axis]) // self.stride[axis] + 1 for axis in (0, 1))
        return (*self.stops, in_shape[2])

    def pixels(self, images: Array) -> list[Array]:
        """For each of the kh kw positions in a window, the pixels there, of all windows: views (n, oh, ow, c)."""
        (oh, ow), (sh, sw), (kh, kw) = self.stops, self.stride, self.size
        return [
            images[:, i : i + (oh - 1) * sh + 1 : sh, j : j + (ow - 1) * sw + 1 : sw]
            for i in range(kh)
            for j in range(kw)
        ]

    def forward(self, x: Array, train: bool) -> Array:
        """y = the sum over the positions in a window, divided by their number."""
        self.x_shape = x.shape
        return self.average(x, "y")

    def average(self, x: Array, name: str) -> Array:
        """The mean of every window of x, in the buffer of that name."""
        y = self.buf(name, (len(x), *self.stops, x.shape[3]))
        y[...] = 0
        for pixel in self.pixels(x):
            y += pixel
        y /= self.size[0] * self.size[1]
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = the sum of dy / (kh kw) over all windows that contain a pixel."""
        if not inputs:
            return None
        dx = self.buf("dx", self.x_shape)
        dx[...] = 0
        share = dy / (self.size[0] * self.size[1])
        for pixel in self.pixels(dx):
            pixel += share
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = the mean of every window of t."""
        return self.average(t, "t")


class GlobalAveragePooling2D(Layer):
    """y = the mean of every channel over the whole image.    x: (n, h, w, c)   y: (n, c)

    With dy = dL/dy:   dx = dy / (h w) at every pixel

    Lin, Chen and Yan 2014, section 3.2.
    """

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters. Raises ShapeError unless inputs are images."""
        if len(in_shape) != 3:
            raise self.refuse(in_shape, "images (h, w, c)")
        return in_shape[2:]

    def forward(self, x: Array, train: bool) -> Array:
        """y = sum over the pixels / (h w)."""
        self.x_shape = x.shape
        return self.average(x, "y")

    def average(self, x: Array, name: str) -> Array:
        """The mean of every channel of x, in the buffer of that name."""
        y = x.sum(axis=(1, 2), out=self.buf(name, (len(x), x.shape[3])))
        y /= x.shape[1] * x.shape[2]
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy / (h w) at every pixel."""
        if not inputs:
            return None
        dx = self.buf("dx", self.x_shape)
        dx[...] = (dy / (dx.shape[1] * dx.shape[2]))[:, None, None, :]
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = the mean of every channel of t."""
        return self.average(t, "t")
