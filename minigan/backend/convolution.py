"""How a kernel slides over an image, and the two moves that turn a convolution into one matrix product.

`im2col` writes every patch of an image as a row; a convolution is then `rows @ W`. `col2im` is its mirror image: it
adds every row back onto the patch it came from. Both go over the same view of the image, `patches`, in which a patch is
not copied but seen: NumPy and CuPy read it with strides.
"""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

Sides = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)
Slices = tuple[slice, slice]  # rows, columns
FEWER = 4  # times as few channels behind a convolution as before it: see `few_outputs`


@dataclass(frozen=True)
class Window:
    """A kernel of (kh, kw) that moves over an image (h, w, c) by `stride`, after zeros were put around the image.

    It stops oh x ow times:  oh = (h + top + bottom - kh) // sh + 1,  and what is left over at the end is not seen.
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Sides

    @property
    def padded(self) -> tuple[int, int, int]:
        """The image's shape with its border of zeros."""
        (top, bottom), (left, right) = self.padding
        h, w, c = self.image
        return h + top + bottom, w + left + right, c

    @property
    def stops(self) -> tuple[int, int]:
        """(oh, ow): how often the kernel stops, downwards and sideways. Below 1 if it does not fit."""
        (h, w, _), (kh, kw), (sh, sw) = self.padded, self.kernel, self.stride
        return (h - kh) // sh + 1, (w - kw) // sw + 1

    @property
    def patch(self) -> int:
        """Numbers under the kernel: kh kw c."""
        return self.kernel[0] * self.kernel[1] * self.image[2]

    @property
    def inside(self) -> tuple[slice, slice, slice]:
        """Where the image lies in the padded one, with the batch in front."""
        (top, _), (left, _) = self.padding
        return slice(None), slice(top, top + self.image[0]), slice(left, left + self.image[1])


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """The zeros before and after that make ceil(length / stride) stops, as Keras's "same": the odd one goes behind."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def patches(xp: ModuleType, padded: Any, window: Window) -> Any:
    """A view of padded images (n, h, w, c) as (n, oh, ow, kh, kw c). Patches overlap: it is the same memory."""
    (oh, ow), (kh, kw), (sh, sw) = window.stops, window.kernel, window.stride
    over_n, over_h, over_w, _ = padded.strides  # the last, of one channel, may be any number
    return xp.lib.stride_tricks.as_strided(
        padded,
        (len(padded), oh, ow, kh, kw * window.image[2]),  # a row of a patch lies in one piece
        (over_n, sh * over_h, sw * over_w, over_h, padded.itemsize),
    )


def im2col(xp: ModuleType, x: Any, window: Window, padded: Any, out: Any) -> Any:
    """out = the patches of x, a row each.    x: (n, h, w, c)   padded: scratch   out: (n oh ow, kh kw c)"""
    seen = patches(xp, padded_with_zeros(x, window, padded), window)
    out.reshape(seen.shape)[...] = seen
    return out


def padded_with_zeros(x: Any, window: Window, padded: Any) -> Any:
    """x with the window's border, written into `padded`; x itself if there is none to add."""
    if window.padded == window.image and x.flags.c_contiguous:
        return x
    (top, bottom), (left, right) = window.padding
    h, w, _ = window.padded
    padded[:, :top], padded[:, h - bottom :], padded[:, :, :left], padded[:, :, w - right :] = 0, 0, 0, 0
    padded[window.inside] = x
    return padded


def col2im(xp: ModuleType, cols: Any, window: Window, padded: Any, out: Any) -> Any:
    """out = the sum of what every patch says about a pixel.    cols: (n oh ow, kh kw c)   out: (n, h, w, c)"""
    whole = out if window.padded == window.image else padded
    whole[...] = 0
    seen = patches(xp, whole, window)
    for row in range(window.kernel[0]):
        add_kernel_row(xp, cols.reshape(seen.shape)[:, :, :, row], row, window, seen)
    if whole is not out:
        out[...] = whole[window.inside]
    return out


def add_kernel_row(xp: ModuleType, cols: Any, row: int, window: Window, seen: Any) -> None:
    """What one row of the kernel says, added to the pixels under it.    cols: (n, oh, ow, kw c)   seen: of `patches`"""
    c, kw, sw = window.image[2], window.kernel[1], window.stride[1]
    for column in range(0, kw, sw):  # patches sw apart: in pieces of that width they do not overlap
        part = slice(column * c, min(column + sw, kw) * c)
        xp.add(seen[:, :, :, row, part], cols[:, :, :, part], out=seen[:, :, :, row, part])


def phases(window: Window, d: int) -> tuple[Window, list[tuple[Slices, ...]]] | None:
    """Another way to dx: gathered, nothing added up.    d: channels of dy

    Pixels of dx that lie a stride apart are seen by the same part of the kernel: every sh-th of its rows, every sw-th
    of its columns. Turned by 180 degrees, that part slides over dy with stride 1 and makes those pixels. Of such phases
    there are sh sw, each as (rows and columns of dx, rows and columns of the kernel, stops). The window over dy is the
    same for all of them, but for the outermost stops, of which each phase leaves some out. None for a kernel that is no
    multiple of its stride, or where all of dy's border would have to be cut.
    """
    axes = zip(window.image[:2], window.kernel, window.stride, window.padding, window.stops, strict=True)
    (length, above, vertical), (width, aside, horizontal) = (axis_phases(*axis) for axis in axes)
    if any(k % s for k, s in zip(window.kernel, window.stride, strict=True)) or min(*above, *aside) < 0:
        return None
    over = Window((*window.stops, d), (length, width), (1, 1), (above, aside))
    return over, [tuple(zip(rows, columns, strict=True)) for rows in vertical for columns in horizontal]


def axis_phases(
    size: int, kernel: int, stride: int, padding: tuple[int, int], stops: int
) -> tuple[int, tuple[int, int], list[tuple[slice, slice, slice]]]:
    """Along one axis: taps of a phase, zeros around dy; and of each phase the pixels of dx, taps, and stops."""
    taps, found = kernel // stride, []
    for first_tap in range(stride):
        first_pixel = (first_tap - padding[0]) % stride
        last_stop = (first_pixel + padding[0] - first_tap) // stride  # that sees the first pixel
        found.append((first_pixel, first_tap, taps - 1 - last_stop, -(-(size - first_pixel) // stride)))
    before = max(zeros for _, _, zeros, _ in found)
    after = max(pixels - zeros for _, _, zeros, pixels in found) + taps - 1 - stops
    return taps, (before, after), [
        (slice(pixel, None, stride), slice(tap, None, stride), slice(before - zeros, before - zeros + pixels))
        for pixel, tap, zeros, pixels in found
    ]  # fmt: skip


def few_outputs(window: Window, before: int, behind: int) -> bool:
    """Are there so few channels behind a convolution that they, not those before, should be laid out for every tap? Not
    where most pixels are border or seen by few taps, as with a kernel as large as the image.
    """
    h, w, _ = window.padded
    return window.stride == (1, 1) and FEWER * behind <= before and h * w <= 3 * math.prod(window.stops)


def gathering_pays(dy: Any, W: Any, window: Window) -> bool:
    """Is dx better gathered than added up? A number gathered, kh kw d / (sh sw) at every stop, costs less than half of
    one added up, kh kw c at every stop. Not where dx has many more pixels than dy, whose patches would be zeros mostly;
    nor where W, of which a turned copy is made, is as large as the images.
    """
    (h, w, c), (sh, sw), d = window.image, window.stride, W.shape[1]
    fewer = d <= 2 * c * sh * sw or few_outputs(window, d, c)
    return fewer and h * w <= 2 * sh * sw * math.prod(window.stops) and 4 * W.size <= dy.size


def naive_convolution(xp: ModuleType, x: Any, W: Any, window: Window) -> Any:
    """y by the definition, stop by stop: what the fast ways are tested against.

    y[n, i, j] = sum over u, v of  x_padded[n, i sh + u, j sw + v] W[u, v]
    """
    padded = xp.zeros((len(x), *window.padded), x.dtype)
    padded[window.inside] = x
    (oh, ow), (kh, kw), (sh, sw) = window.stops, window.kernel, window.stride
    kernel = W.reshape(kh, kw, window.image[2], -1)
    y = xp.zeros((len(x), oh, ow, kernel.shape[-1]), x.dtype)
    for i in range(oh):
        for j in range(ow):
            for u in range(kh):
                for v in range(kw):
                    y[:, i, j] += padded[:, i * sh + u, j * sw + v] @ kernel[u, v]
    return y
