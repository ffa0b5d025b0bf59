"""Images of twice and of half the size, by one fixed filter, without parameters: as smooth as bilinear interpolation.

Along one axis the filter is [1, 3, 3, 1], and both layers are linear maps: U of h pixels to 2 h, and D of h to h // 2.

    U: y[2 i] = (x[i - 1] + 3 x[i]) / 4,   y[2 i + 1] = (3 x[i] + x[i + 1]) / 4
    D: y[i] = (x[2 i - 1] + 3 x[2 i] + 3 x[2 i + 1] + x[2 i + 2]) / 8

with zeros outside. Each is the transpose of the other, but for a factor: U^T = 2 D, for an even h. So one file has
both, and each layer's backward is the other's forward.
"""

from ..backend import Array
from .base import Layer


class Blur(Layer):
    """The base of BlurUpSampling2D and BlurDownSampling2D: the two maps, along the rows and then along the columns."""

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters. Raises ShapeError unless inputs are images in which it fits."""
        if len(in_shape) != 3:
            raise self.refuse(in_shape, "images (h, w, c)")
        return self.resized(in_shape)

    def resized(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of y."""
        raise NotImplementedError(f"{type(self).__name__} has no resized")

    def enlarged(self, x: Array, name: str, shape: tuple[int, ...], scale: float) -> Array:
        """scale U x along both axes, in the buffer of that name.    shape: (oh, ow) of the result, 2 h or 2 h + 1"""
        y = self.buf(name, (len(x), *shape, x.shape[3]))

        def enlarge(x: Array, y: Array) -> None:
            tall = self.xp.empty((len(x), shape[0], *x.shape[2:]), x.dtype)
            _enlarge(x, tall, scale / 16)  # the two axes' quarters at once
            _enlarge(_turned(tall), _turned(y), 1.0)

        self.backend.by_samples(enlarge, x, y)
        return y

    def reduced(self, x: Array, name: str, shape: tuple[int, ...], scale: float) -> Array:
        """scale D x along both axes, in the buffer of that name.    shape: (oh, ow) of the result, h // 2"""
        y = self.buf(name, (len(x), *shape, x.shape[3]))

        def reduce(x: Array, y: Array) -> None:
            low = self.xp.empty((len(x), shape[0], *x.shape[2:]), x.dtype)
            _reduce(x, low, scale / 64)  # the two axes' eighths at once
            _reduce(_turned(low), _turned(y), 1.0)

        self.backend.by_samples(reduce, x, y)
        return y


class BlurUpSampling2D(Blur):
    """y = U x U^T for each channel: twice the size, by bilinear interpolation.    x: (n, h, w, c)   y: (n, 2 h, 2 w, c)

    With dy = dL/dy:   dx = U^T dy U = 4 D dy D^T

    As a Conv2DTranspose of each channel by itself: the kernel is [1, 3, 3, 1]^T [1, 3, 3, 1] / 16, the stride 2, and a
    row is cut from each side. Zeros are outside the image, so its border is darker. With an ordinary convolution behind
    it, it makes no checkerboard, and no frequency that the small image has not (Karras et al. 2019, arXiv:1812.04948,
    appendix C; Huang et al. 2024, arXiv:2501.05441, section 3.2).
    """

    def resized(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(2 h, 2 w, c)."""
        h, w, c = shape
        return 2 * h, 2 * w, c

    def forward(self, x: Array, train: bool) -> Array:
        """y = U x U^T."""
        return self.enlarged(x, "y", self.resized(x.shape[1:])[:2], 1.0)

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = 4 D dy D^T."""
        return self.reduced(dy, "dx", (dy.shape[1] // 2, dy.shape[2] // 2), 4.0) if inputs else None

    def tangent(self, t: Array) -> Array:
        """J t = U t U^T."""
        return self.enlarged(t, "t", self.resized(t.shape[1:])[:2], 1.0)


class BlurDownSampling2D(Blur):
    """y = D x D^T for each channel: half the size, blurred first.    x: (n, h, w, c)   y: (n, h // 2, w // 2, c)

    With dy = dL/dy:   dx = D^T dy D = U dy U^T / 4

    As a Conv2D of each channel by itself: the kernel is [1, 3, 3, 1]^T [1, 3, 3, 1] / 64, the stride 2, and one row of
    zeros is on each side. The blur takes away what half as many pixels cannot show, so that a shifted image has a
    shifted y (Zhang 2019, arXiv:1904.11486; Huang et al. 2024, arXiv:2501.05441, section 3.2).
    """

    def resized(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(h // 2, w // 2, c). Raises ShapeError for an image of one row or column."""
        h, w, c = shape
        if min(h, w) < 2:
            raise self.refuse(shape, "images of at least 2 x 2 pixels")
        return h // 2, w // 2, c

    def forward(self, x: Array, train: bool) -> Array:
        """y = D x D^T."""
        self.x_shape = x.shape
        return self.reduced(x, "y", (x.shape[1] // 2, x.shape[2] // 2), 1.0)

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = U dy U^T / 4."""
        return self.enlarged(dy, "dx", self.x_shape[1:3], 0.25) if inputs else None

    def tangent(self, t: Array) -> Array:
        """J t = D t D^T."""
        return self.reduced(t, "t", (t.shape[1] // 2, t.shape[2] // 2), 1.0)


def _turned(images: Array) -> Array:
    """A view with rows and columns exchanged."""
    return images.transpose(0, 2, 1, 3)


def _enlarge(x: Array, y: Array, scale: float) -> None:
    """y = 4 scale U x along the first axis of the images.    x: (n, h, ...)   y: (n, 2 h, ...), or one row more"""
    h = x.shape[1]
    near = 3 * scale * x
    y[:, 0 : 2 * h : 2] = near
    y[:, 1 : 2 * h : 2] = near
    near /= 3
    y[:, 2 : 2 * h : 2] += near[:, :-1]
    y[:, 1 : 2 * h - 1 : 2] += near[:, 1:]
    if y.shape[1] > 2 * h:  # D saw the row behind its last pair, as a neighbour
        y[:, 2 * h] = near[:, -1]


def _reduce(x: Array, y: Array, scale: float) -> None:
    """y = 8 scale D x along the first axis of the images.    x: (n, 2 h, ...), or one row more   y: (n, h, ...)"""
    h = y.shape[1]
    y[...] = x[:, 0 : 2 * h : 2]
    y += x[:, 1 : 2 * h : 2]
    y *= 3
    y[:, 1:] += x[:, 1 : 2 * h - 2 : 2]
    after = x[:, 2 : 2 * h + 1 : 2]
    y[:, : after.shape[1]] += after
    if scale != 1:
        y *= scale
