"""Convolutions with fewer multiplications, after Winograd 1980; for networks by Lavin and Gray 2016, arXiv:1509.09308.

Two neighbouring outputs of a kernel with two taps, y0 = x0 w0 + x1 w1 and y1 = x1 w0 + x2 w1, cost four products. Three
are enough:

    p0 = (x0 - x1) w0     p1 = x1 (w0 + w1)     p2 = (x1 - x2) w1         y0 = p0 + p1     y1 = p1 - p2

With three matrices of small numbers:  y = A [(G w) * (B x)].  In two dimensions all of it happens along both axes: 9
products instead of 16 for a tile of 2 x 2 outputs, or 16 instead of 36 for 3 x 3. Every number here stands for a vector
of channels, and every product for a matrix product, so that sums cost little compared with products.

Both gradients come from the same matrices: the number  dy . A [(G w) * (B x)]  has the derivatives

    dw = G^T [(B x) * (A^T dy)]     dx = B^T [(G w) * (A^T dy)]

A kernel of r s taps with stride s is a kernel of r taps with stride 1 over an image with s s c channels: those of the
s x s phases, each of which has the pixels that are s apart.

Letters in the shapes below:

    r, s, m, t    taps, stride, outputs of a tile, and products of a tile, t = m + r - 1: along one axis
    T, S          tiles of an image, downwards and sideways
    h, w          height and width of the part of a phase that the tiles cover: h = m T + r - 1
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeAlias

import numpy as np

from .base import Array
from .convolution import Window
from .products import product, product_into
from .workers import WORKERS, equal_blocks, on_all_cores, scratch, shared_blocks, sum_of_shares

Matrix: TypeAlias = Sequence[Sequence[int]]

# For (m, r): B (t, t), G (t, r), A (m, t) and h (t,). Entries of B, G and A are -1, 0 or 1; row k of G is times h[k]
ALGORITHMS: dict[tuple[int, int], tuple[Matrix, Matrix, Matrix, Sequence[float]]] = {
    (2, 2): (
        [[1, -1, 0], [0, 1, 0], [0, 1, -1]],
        [[1, 0], [1, 1], [0, 1]],
        [[1, 1, 0], [0, 1, -1]],
        [1, 1, 1],
    ),
    (3, 2): (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, 1, -1, 0], [0, 1, 0, -1]],
        [[1, 0], [1, 1], [1, -1], [0, 1]],
        [[1, 1, -1, 0], [0, 1, 1, 0], [0, 1, -1, -1]],
        [1, 0.5, 0.5, 1],
    ),
    (2, 3): (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, 1, -1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]],
        [[1, 1, -1, 0], [0, 1, 1, -1]],
        [1, 0.5, 0.5, 1],
    ),
}
IMAGE, ROWS = 500_000, 256  # a block of images has about IMAGE entries of B x, but at least ROWS rows in each product
WORTH = 75  # so many multiplications must be saved for each additional number that is computed: measured


@dataclass(frozen=True)
class Winograd:
    """The three functions of a convolution in tiles of `tile` x `tile` outputs, for square kernels and strides and a
    kernel that is a multiple of the stride.    x: (n, h, w, c)   W: (kh kw c, d)   dy: (n, oh, ow, d)
    """

    window: Window
    tile: int

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out = A [(G w) * (B x)].    out: (n, oh, ow, d)"""
        kernel = self._kernel(W)

        def block(start: int, stop: int) -> None:
            self._outputs(products(self._image(x[start:stop]), kernel), out[start:stop])

        on_all_cores(block, self._blocks(len(x), W.shape[1]))
        return out

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out = B^T [(G w) * (A^T dy)].    out: (n, h, w, c)"""
        kernel = self._kernel(W).transpose(0, 1, 3, 2)

        def block(start: int, stop: int) -> None:
            self._pixels(products(self._change(dy[start:stop]), kernel), out[start:stop])

        on_all_cores(block, self._blocks(len(dy), W.shape[1]))
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out = G^T [(B x) * (A^T dy)].    out: (kh kw c, d)

        Every core sums over images of its own. If the sum in brackets is larger than the arrays it is computed from,
        every core computes some of its columns instead, so that there is only one array of that size.
        """
        channels, d, tiles = self.window.stride[0] ** 2 * x.shape[3], dy.shape[3], len(x) * math.prod(self.tiles)

        def add_part(images: slice, total: Array, add: bool, columns: slice = slice(None)) -> None:
            image, change = self._image(x[images]), self._change(dy[images][..., columns])
            for tile in np.ndindex(self.t, self.t):
                product_into(image[tile].T, change[tile], total[tile][:, columns], add)

        def add_columns(first: int, last: int) -> None:
            for start, stop in self._blocks(len(x), d):
                add_part(slice(start, stop), total, start > 0, slice(first, last))

        total = np.empty((self.t, self.t, channels, d), x.dtype)
        if tiles * (channels + d) < channels * d:
            on_all_cores(add_columns, equal_blocks(d, min(WORKERS.count, d)))
        else:
            sum_of_shares(add_part, len(x), lambda n: self._blocks(n, d), total)
        return self._kernel_gradient(total, out)

    # -----------------------------------------------------------------------------------------------------------------

    @cached_property
    def algorithm(self) -> tuple[Matrix, Matrix, Matrix, Sequence[float]]:
        """B, G, A and h."""
        return ALGORITHMS[self.tile, self.taps]

    @cached_property
    def taps(self) -> int:
        """r: the taps that a phase of the image meets, along one axis."""
        return self.window.kernel[0] // self.window.stride[0]

    @cached_property
    def t(self) -> int:
        """t: the products of a tile, along one axis."""
        return self.tile + self.taps - 1

    @cached_property
    def tiles(self) -> tuple[int, int]:
        """(T, S): as many tiles as cover the stops; the last ones may reach beyond them."""
        oh, ow = self.window.stops
        return -(-oh // self.tile), -(-ow // self.tile)

    @cached_property
    def phase(self) -> tuple[int, int]:
        """(h, w): height and width of the part of a phase that the tiles cover."""
        return self.tiles[0] * self.tile + self.taps - 1, self.tiles[1] * self.tile + self.taps - 1

    @property
    def share(self) -> float:
        """The multiplications, as a fraction of those of a plain convolution."""
        return self.t**2 * math.prod(self.tiles) / (self.taps**2 * math.prod(self.window.stops))

    def _blocks(self, n: int, d: int) -> list[tuple[int, int]]:
        """n images in blocks (start, stop) of about IMAGE entries of B x, and of at least ROWS tiles."""
        rows, numbers = math.prod(self.tiles), self.t**2 * max(self.window.stride[0] ** 2 * self.window.image[2], d)
        images = max(1, round(max(IMAGE / (rows * numbers), ROWS / rows)))
        return shared_blocks(n, images)

    def _kernel(self, W: Array) -> Array:
        """G w G^T: (t, t, s s c, d).    W: (kh kw c, d)"""
        _, G, _, h = self.algorithm
        r, s, c = self.taps, self.window.stride[0], self.window.image[2]
        phases = W.reshape(r, s, r, s, c, -1)  # row r s, then column r s, of the kernel
        out = np.empty((self.t, self.t, s, s, *phases.shape[4:]), W.dtype)
        half = np.empty_like(phases[0])  # (s, r, s, c, d)
        for k in range(self.t):
            combine(G[k], phases, half)  # along the rows
            for m in range(self.t):
                combine(G[m], half.swapaxes(0, 1), out[k, m])  # along the columns
                if h[k] * h[m] != 1:
                    out[k, m] *= h[k] * h[m]
        return out.reshape(self.t, self.t, s * s * c, -1)

    def _kernel_gradient(self, total: Array, out: Array) -> Array:
        """out = G^T total G.    total: (t, t, s s c, d)   out: (kh kw c, d)"""
        _, G, _, h = self.algorithm
        r, s, c = self.taps, self.window.stride[0], self.window.image[2]
        G_T, phases = transposed(G), out.reshape(r, s, r, s, c, -1)
        total *= np.multiply.outer(h, h).astype(total.dtype)[:, :, None, None]
        total = total.reshape(self.t, self.t, s, s, c, -1)
        half = np.empty_like(total[0])  # (t, s, s, c, d)
        for i in range(r):
            combine(G_T[i], total, half)
            for j in range(r):
                combine(G_T[j], half, phases[i, :, j])
        return out

    def _image(self, x: Array) -> Array:
        """B x B^T: (t, t, n T S, s s c).    x: (n, h, w, c) of the convolution"""
        n, c, s, m, (T, S), (h, w) = len(x), x.shape[3], self.window.stride[0], self.tile, self.tiles, self.phase
        rows = self._padded(x).reshape(n, h, s, w * s * c)  # pixel row i s + p of an image is row i of phase p
        half = scratch("winograd half", (n, T, s, w * s * c), x.dtype)
        out = scratch("cols", (self.t, self.t, n, T, S, s, s * c), x.dtype)
        for k in range(self.t):
            # Row k of B: over the t rows of each of the T tiles, which are m apart.
            combine(self.algorithm[0][k], [rows[:, i : i + m * T - m + 1 : m] for i in range(self.t)], half)
            columns = half.reshape(n, T, s, w, s * c).transpose(0, 1, 3, 2, 4)  # (n, T, w, s, s c)
            # Every row of B: over the t columns of each of the S tiles, (n, T, S, s, s c).
            parts = [columns[:, :, j : j + m * S - m + 1 : m] for j in range(self.t)]
            for signs, into in zip(self.algorithm[0], out[k], strict=True):
                combine(signs, parts, into)
        return out.reshape(self.t, self.t, n * T * S, s * s * c)

    def _padded(self, x: Array) -> Array:
        """The part of x that the tiles cover, with zeros around it: (n, h s, w s, c)."""
        (h, w), s, ((top, _), (left, _)) = self.phase, self.window.stride[0], self.window.padding
        if x.shape[1:3] == (h * s, w * s) and x.flags.c_contiguous:
            return x
        out = scratch("padded", (len(x), h * s, w * s, x.shape[3]), x.dtype)
        bottom, right = min(h * s, top + x.shape[1]), min(w * s, left + x.shape[2])
        out[:, :top], out[:, bottom:], out[:, :, :left], out[:, :, right:] = 0, 0, 0, 0
        out[:, top:bottom, left:right] = x[:, : bottom - top, : right - left]
        return out

    def _pixels(self, made: Array, out: Array) -> None:
        """out = B^T made B, added where tiles overlap.    made: (t, t, n T S, s s c)   out: images, as conv_dx's"""
        n, c, s, (T, S), (h, w) = len(out), out.shape[3], self.window.stride[0], self.tiles, self.phase
        B_T = transposed(self.algorithm[0])
        half = scratch("winograd half", (self.t, n, h, S, s, s * c), made.dtype)
        padded = scratch("padded", (n, h, s, w, s * c), made.dtype)
        self._lay(B_T, made.reshape(self.t, self.t, n, T, S, s, s * c), half, axis=2)  # T tiles make h rows
        self._lay(B_T, half.transpose(0, 1, 2, 4, 3, 5), padded, axis=3)  # S tiles make w columns
        padded = padded.reshape(n, h * s, w * s, c)[:, self.window.padding[0][0] :, self.window.padding[1][0] :]
        seen = padded[:, : out.shape[1], : out.shape[2]]
        out[:, seen.shape[1] :], out[:, :, seen.shape[2] :] = 0, 0
        out[:, : seen.shape[1], : seen.shape[2]] = seen

    def _lay(self, signs: Matrix, parts: Array, out: Array, axis: int) -> None:
        """Put tiles side by side along an axis of `out`, and add them where they overlap.

        parts: (t, ...), the axes of `out` but with a tile where `out` has a pixel; pixel i of a tile is the sum of
        signs[i][k] parts[k]
        """
        parts, out = np.moveaxis(parts, axis + 1, 1), np.moveaxis(out, axis, 0)
        for i, row in enumerate(signs):
            seen = out[i : i + self.tile * (parts.shape[1] - 1) + 1 : self.tile]
            if i < self.tile:
                combine(row, parts, seen)
            else:  # these are the next tile's first pixels; after the last tile comes none
                seen[-1] = 0
                combine([1, *row], [seen, *parts], seen)

    def _change(self, dy: Array) -> Array:
        """A^T dy A: (t, t, n T S, d).    dy: (n, oh, ow, d)"""
        (n, oh, ow, d), m, (T, S) = dy.shape, self.tile, self.tiles
        A_T = transposed(self.algorithm[2])
        if (oh, ow) != (m * T, m * S):
            whole = scratch("whole", (n, m * T, m * S, d), dy.dtype)
            whole[:, oh:], whole[:, :, ow:], whole[:, :oh, :ow] = 0, 0, dy
            dy = whole
        rows = dy.reshape(n, T, m, m * S * d)  # row i of tile a is [:, a, i]
        half = scratch("winograd half", (n, T, m * S * d), dy.dtype)
        out = scratch("winograd change", (self.t, self.t, n, T, S, d), dy.dtype)
        for k in range(self.t):
            combine(A_T[k], [rows[:, :, i] for i in range(m)], half)
            columns = half.reshape(n, T, S, m, d)  # column j of tile b is [:, :, b, j]
            for signs, into in zip(A_T, out[k], strict=True):
                combine(signs, [columns[:, :, :, j] for j in range(m)], into)
        return out.reshape(self.t, self.t, n * T * S, d)

    def _outputs(self, made: Array, out: Array) -> None:
        """out = A made A^T.    made: (t, t, n T S, d)   out: (n, oh, ow, d)"""
        A, (n, _, _, d), m = self.algorithm[2], out.shape, self.tile
        half = scratch("winograd half", (self.t, n, *self.tiles, d), out.dtype)
        for i in range(m):
            combine(A[i], made.reshape(self.t, *half.shape), half)
            for j in range(m):
                seen = out[:, i::m, j::m]  # output (i, j) of every tile, but for tiles beyond the border
                combine(A[j], half[:, :, : seen.shape[1], : seen.shape[2]], seen)


@cache
def winograd(window: Window, n: int, d: int, gradient: bool = False) -> Winograd | None:
    """The best tiles for n images and d output channels, or None where a plain product is as fast.

    That is so for few channels, since the sums then cost as much as the products; where tiles reach beyond the border;
    and where G w, which is (t / r)^2 times as large as w, is large compared with the images. `gradient`: for conv_dW,
    in which an array of the size of G w is summed over blocks, so that its size counts twice.
    """
    (kh, kw), (sh, sw), (oh, ow) = window.kernel, window.stride, window.stops
    if kh != kw or sh != sw or kh % sh:
        return None
    found = [Winograd(window, tile) for tile, taps in ALGORITHMS if taps == kh // sh]
    if not found:
        return None
    best = min(found, key=lambda way: way.share)
    c = sh * sw * window.image[2]
    left_out = (1 - best.share) * best.taps**2 * c * d
    made = best.share * best.taps**2 * (c + d)  # entries of B x, and of the products
    images = n * (math.prod(window.image) + oh * ow * d)
    pays = left_out >= WORTH * made and best.t**2 * c * d <= images * (2 if gradient else 4)
    return best if pays else None


def products(a: Array, b: Array) -> Array:
    """a b for each of the t x t matrices, in this thread's scratch.    a: (t, t, k, c)   b: (t, t, c, d)"""
    shape = (*a.shape[:3], b.shape[3])
    return product(a, b, out=scratch("winograd products", shape, a.dtype))


def combine(signs: Sequence[int], parts: Any, out: Array) -> None:
    """out = the sum over i of signs[i] parts[i]; a sign is -1, 0 or 1."""
    (first, sign), *others = terms(tuple(signs))
    total = parts[first]
    if sign < 0 or not others:
        total = np.multiply(total, sign, out=out)
    for i, sign in others:
        total = (np.add if sign > 0 else np.subtract)(total, parts[i], out=out)


@cache
def terms(signs: tuple[int, ...]) -> list[tuple[int, int]]:
    """(i, signs[i]) of the signs that are not 0, those with a plus first."""
    return sorted([(i, sign) for i, sign in enumerate(signs) if sign], key=lambda term: -term[1])


def transposed(matrix: Matrix) -> Matrix:
    """The transpose: columns as rows."""
    return list(zip(*matrix, strict=True))
