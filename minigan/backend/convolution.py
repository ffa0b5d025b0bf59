"""How a kernel slides over an image, and the two moves that turn a convolution into one matrix product.

`im2col` writes every patch of an image as a row; a convolution is then `rows @ W`. `col2im` is its mirror image: it
adds every row back onto the patch it came from. Both use the same view of the image, `patches`, which copies nothing:
NumPy and CuPy read the patches from the image's memory by strides.
"""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

Sides = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)
Slices = tuple[slice, slice]  # rows, columns


@dataclass(frozen=True)
class Window:
    """A kernel of (kh, kw) that moves over an image (h, w, c) by `stride`, after zeros were put around the image.

    It stops at oh x ow places:  oh = (h + top + bottom - kh) // sh + 1.  Rows and columns left over at the end, fewer
    than a stride, are under no kernel.

    With several groups, the channels are cut into as many equal runs, those of the output too, and run g of the output
    sees run g of the image only: each kernel is (kh, kw, c / groups).
    """

    image: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: Sides
    groups: int = 1

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
        """Numbers under a kernel: kh kw c / groups."""
        return self.kernel[0] * self.kernel[1] * self.image[2] // self.groups

    @property
    def of_group(self) -> "Window":
        """Of one group by itself."""
        h, w, c = self.image
        return replace(self, image=(h, w, c // self.groups), groups=1)

    @property
    def is_pixels(self) -> bool:
        """Whether every pixel is a patch: im2col(x) is x itself, each pixel a row."""
        none = (0, 0), (0, 0)
        return (self.kernel, self.stride, self.padding, self.groups) == ((1, 1), (1, 1), none, 1)

    @property
    def inside(self) -> tuple[slice, slice, slice]:
        """The slices of a padded batch (n, h + top + bottom, ...) that are the images without the border."""
        (top, _), (left, _) = self.padding
        return slice(None), slice(top, top + self.image[0]), slice(left, left + self.image[1])


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """The zeros (before, after) that make ceil(length / stride) stops, as Keras's "same": an odd one goes after."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def patches(xp: ModuleType, padded: Any, window: Window) -> Any:
    """A view of padded images (n, h, w, c) as (n, oh, ow, kh, kw c). Patches that overlap share memory."""
    (oh, ow), (kh, kw), (sh, sw) = window.stops, window.kernel, window.stride
    over_n, over_h, over_w, _ = padded.strides  # the last is not used: with one channel it may be any number
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
    """out = for every pixel, the sum of its entries in all patches.    cols: (n oh ow, kh kw c)   out: (n, h, w, c)"""
    whole = out if window.padded == window.image else padded
    whole[...] = 0
    seen = patches(xp, whole, window)
    for row in range(window.kernel[0]):
        add_kernel_row(xp, cols.reshape(seen.shape)[:, :, :, row], row, window, seen)
    if whole is not out:
        out[...] = whole[window.inside]
    return out


def add_kernel_row(xp: ModuleType, cols: Any, row: int, window: Window, seen: Any) -> None:
    """Add the entries of one kernel row to the pixels under it.    cols: (n, oh, ow, kw c)   seen: `patches`"""
    c, kw, sw = window.image[2], window.kernel[1], window.stride[1]
    for column in range(0, kw, sw):  # patches sw apart: in pieces of that width they do not overlap
        part = slice(column * c, min(column + sw, kw) * c)
        xp.add(seen[:, :, :, row, part], cols[:, :, :, part], out=seen[:, :, :, row, part])


def phases(window: Window, d: int) -> tuple[Window, list[tuple[Slices, ...]]] | None:
    """dx as sh sw convolutions of dy with stride 1, the phases: nothing is added up in memory.    d: channels of dy

    Pixels of dx that are a stride apart meet the same entries of the kernel: every sh-th of its rows, every sw-th of
    its columns. These entries, turned by 180 degrees, are a smaller kernel, whose convolution with dy is those pixels.

    Returns the window over dy, and for each phase the slices (rows, columns) of its pixels in dx, of its entries in the
    kernel, and of its stops: the window is the same for all phases and has a few outer stops more than each needs.
    None for a kernel that is no multiple of its stride, and where the window would have to leave out a border of dy.
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
    """`phases` along one axis: the taps of a phase, the zeros (before, after) dy, and for each phase the slices of its
    pixels in dx, its taps in the kernel, and its stops.
    """
    taps, found = kernel // stride, []
    for first_tap in range(stride):
        first_pixel = (first_tap - padding[0]) % stride
        last_stop = (first_pixel + padding[0] - first_tap) // stride  # whose kernel covers the first pixel
        found.append((first_pixel, first_tap, taps - 1 - last_stop, -(-(size - first_pixel) // stride)))
    before = max(zeros for _, _, zeros, _ in found)
    after = max(pixels - zeros for _, _, zeros, pixels in found) + taps - 1 - stops
    return taps, (before, after), [
        (slice(pixel, None, stride), slice(tap, None, stride), slice(before - zeros, before - zeros + pixels))
        for pixel, tap, zeros, pixels in found
    ]  # fmt: skip


def naive_convolution(xp: ModuleType, x: Any, W: Any, window: Window) -> Any:
    """y by the definition, stop by stop: the fast ways are tested against it.

    y[n, i, j] = sum over u, v of  x_padded[n, i sh + u, j sw + v] W[u, v],    for each group
    """
    if window.groups > 1:
        xs, Ws = xp.split(x, window.groups, axis=3), xp.split(W, window.groups, axis=1)
        parts = [naive_convolution(xp, *pair, window.of_group) for pair in zip(xs, Ws, strict=True)]
        return xp.concatenate(parts, axis=3)
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
