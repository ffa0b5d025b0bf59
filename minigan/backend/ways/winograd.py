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
    C             channels of all phases: s s c

`one_tile` computes one tile by the first formula, with plain loops: begin with it.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from ..base import Array
from ..blas import product
from ..blocks import equal_blocks, on_all_cores, product_into, shared_blocks, sum_of_shares
from ..scratch import scratch
from ..tuning import Tuning
from .way import Case, Way, Ways

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


def tile_of(case: Case) -> int | None:
    """m of the algorithm with the fewest multiplications; None for kernels and strides that none is for."""
    (kh, kw), (sh, sw) = case.window.kernel, case.window.stride
    if kh != kw or sh != sw or kh % sh:
        return None
    tiles = [tile for tile, taps in ALGORITHMS if taps == kh // sh]
    return min(tiles, key=lambda tile: share(case, tile), default=None)


def share(case: Case, tile: int) -> float:
    """The multiplications, as a fraction of those of a plain convolution: t^2 T S / (r^2 oh ow)."""
    r, (oh, ow) = case.window.kernel[0] // case.window.stride[0], case.window.stops
    return (tile + r - 1) ** 2 * -(-oh // tile) * -(-ow // tile) / (r**2 * oh * ow)


class Winograd(Way):
    """The three functions of a convolution in tiles of `tile` x `tile` outputs, for square kernels and strides and a
    kernel that is a multiple of the stride.
    """

    name, why = "winograd", "the multiplications that it leaves out cost more than the sums that it needs"

    def __init__(self, case: Case, ways: Ways, tile: int | None = None) -> None:
        super().__init__(case, ways)
        m = tile or tile_of(case)
        assert m is not None  # or it would not pay
        window, (oh, ow) = case.window, case.window.stops
        self.m, self.s, self.r = m, window.stride[0], window.kernel[0] // window.stride[0]
        self.t = m + self.r - 1
        self.T, self.S = -(-oh // m), -(-ow // m)  # the last ones may reach beyond the stops
        self.h, self.w = m * self.T + self.r - 1, m * self.S + self.r - 1
        self.B, self.G, self.A, self.factors = ALGORITHMS[m, self.r]

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Where a plain product is not as fast. It is for few channels, since the sums then cost as much as the
        products; where tiles reach beyond the border; and where G w is large compared with the images: for dW, in
        which an array of that size is summed over blocks, its size counts twice.
        """
        tile = tile_of(case)
        if tile is None:
            return False
        window, d, fraction = case.window, case.d, share(case, tile)
        r, c = window.kernel[0] // window.stride[0], window.stride[0] ** 2 * case.c
        left_out = (1 - fraction) * r**2 * c * d
        made = fraction * r**2 * (c + d)  # entries of B x, and of the products
        images = case.n * (math.prod(window.image) + math.prod(window.stops) * d)
        large = (tile + r - 1) ** 2 * c * d > images * (2 if function == "conv_dW" else 4)
        return left_out >= tuning.worth * made and not large

    def multiplications(self, function: str) -> int:
        """t^2 for each tile, and each pair of channels."""
        return round(share(self.case, self.m) * self.case.multiplications)

    def conv(self, x: Array, W: Array, out: Array) -> Array:
        """out = A [(G w) * (B x)].    out: (n, oh, ow, d)"""
        kernel = self._kernel(W)

        def block(start: int, stop: int) -> None:
            self._outputs(self._products(self._image(x[start:stop]), kernel), out[start:stop])

        on_all_cores(block, self._blocks(len(x)), self.tuning)
        return out

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out = B^T [(G w) * (A^T dy)].    out: (n, h, w, c)"""
        kernel = self._kernel(W).transpose(0, 1, 3, 2)  # (t, t, d, C)

        def block(start: int, stop: int) -> None:
            self._pixels(self._products(self._change(dy[start:stop]), kernel), out[start:stop])

        on_all_cores(block, self._blocks(len(dy)), self.tuning)
        return out

    def conv_dW(self, x: Array, dy: Array, out: Array) -> Array:
        """out = G^T [(B x) * (A^T dy)].    out: (kh kw c, d)

        Every core sums over images of its own. If the sum in brackets is larger than the arrays it is computed from,
        every core computes some of its columns instead, so that there is only one array of that size.
        """
        C, d, tiles = self.s**2 * self.case.c, self.case.d, len(x) * self.T * self.S

        def add_part(images: slice, total: Array, add: bool, columns: slice = slice(None)) -> None:
            image, change = self._image(x[images]), self._change(dy[images][..., columns])
            for tile in np.ndindex(self.t, self.t):
                product_into(image[tile].T, change[tile], total[tile][:, columns], add)

        def add_columns(first: int, last: int) -> None:
            for start, stop in self._blocks(len(x)):
                add_part(slice(start, stop), total, start > 0, slice(first, last))

        total = np.empty((self.t, self.t, C, d), x.dtype)
        if tiles * (C + d) < C * d:
            on_all_cores(add_columns, equal_blocks(d, min(self.tuning.threads, d)), self.tuning)
        else:
            sum_of_shares(add_part, len(x), self._blocks, total, self.tuning)
        return self._kernel_gradient(total, out)

    # The products, and what stands around them: sums along the rows of tiles, and then along their columns. ----------

    def _blocks(self, n: int) -> list[tuple[int, int]]:
        """n images in blocks of about `tuning.columns` entries of B x, and of `tuning.tiles` tiles or more."""
        rows, numbers = self.T * self.S, self.t**2 * max(self.s**2 * self.case.c, self.case.d)
        images = max(1, round(max(self.tuning.columns / (rows * numbers), self.tuning.tiles / rows)))
        return shared_blocks(n, images, self.tuning.threads)

    def _products(self, a: Array, b: Array) -> Array:
        """a b for each of the t x t matrices, in this thread's scratch.    a: (t, t, k, c)   b: (t, t, c, d)"""
        shape = (*a.shape[:3], b.shape[3])
        return product(a, b, out=scratch("winograd products", shape, a.dtype))

    def _kernel(self, W: Array) -> Array:
        """G w G^T: (t, t, C, d).    W: (kh kw c, d)"""
        G, h, r, s, c, t = self.G, self.factors, self.r, self.s, self.case.c, self.t
        phases = W.reshape(r, s, r, s, c, -1)  # (r, s, r, s, c, d): row i s + p, and then column, of the kernel
        out = np.empty((t, t, s, s, *phases.shape[4:]), W.dtype)  # (t, t, s, s, c, d)
        half = np.empty_like(phases[0])  # (s, r, s, c, d)
        for k in range(t):
            combine(G[k], phases, half)  # sums of r arrays (s, r, s, c, d): along the rows
            columns = half.swapaxes(0, 1)  # (r, s, s, c, d)
            for m in range(t):
                combine(G[m], columns, out[k, m])  # sums of r arrays (s, s, c, d): along the columns
                if h[k] * h[m] != 1:
                    out[k, m] *= h[k] * h[m]
        return out.reshape(t, t, s * s * c, -1)  # (t, t, C, d)

    def _kernel_gradient(self, total: Array, out: Array) -> Array:
        """out = G^T total G.    total: (t, t, C, d)   out: (kh kw c, d)"""
        h, r, s, c, t = self.factors, self.r, self.s, self.case.c, self.t
        G_T, phases = transposed(self.G), out.reshape(r, s, r, s, c, -1)  # (r, t); (r, s, r, s, c, d)
        total *= np.multiply.outer(h, h).astype(total.dtype)[:, :, None, None]
        total = total.reshape(t, t, s, s, c, -1)  # (t, t, s, s, c, d)
        half = np.empty_like(total[0])  # (t, s, s, c, d)
        for i in range(r):
            combine(G_T[i], total, half)  # sums of t arrays (t, s, s, c, d)
            for j in range(r):
                combine(G_T[j], half, phases[i, :, j])  # sums of t arrays (s, s, c, d)
        return out

    def _image(self, x: Array) -> Array:
        """B x B^T: (t, t, n T S, C).    x: (n, height, width, c)"""
        n, c, s, m, t, T, S, h, w = len(x), x.shape[3], self.s, self.m, self.t, self.T, self.S, self.h, self.w
        rows = self._padded(x).reshape(n, h, s, w * s * c)  # pixel row i s + p is row i of phase p
        half = scratch("winograd half", (n, T, s, w * s * c), x.dtype)
        out = scratch("cols", (t, t, n, T, S, s, s * c), x.dtype)
        for k in range(t):
            # Row i of each of the T tiles, which are m apart: t arrays (n, T, s, w s c).
            combine(self.B[k], [rows[:, i : i + m * T - m + 1 : m] for i in range(t)], half)
            columns = half.reshape(n, T, s, w, s * c).transpose(0, 1, 3, 2, 4)  # (n, T, w, s, s c)
            # Column j of each of the S tiles: t arrays (n, T, S, s, s c).
            parts = [columns[:, :, j : j + m * S - m + 1 : m] for j in range(t)]
            for signs, into in zip(self.B, out[k], strict=True):  # into: (n, T, S, s, s c)
                combine(signs, parts, into)
        return out.reshape(t, t, n * T * S, s * s * c)  # (t, t, n T S, C)

    def _padded(self, x: Array) -> Array:
        """The part of x that the tiles cover, with zeros around it: (n, h s, w s, c)."""
        h, w, s, ((top, _), (left, _)) = self.h, self.w, self.s, self.window.padding
        if x.shape[1:3] == (h * s, w * s) and x.flags.c_contiguous:
            return x
        out = scratch("padded", (len(x), h * s, w * s, x.shape[3]), x.dtype)
        bottom, right = min(h * s, top + x.shape[1]), min(w * s, left + x.shape[2])
        out[:, :top], out[:, bottom:], out[:, :, :left], out[:, :, right:] = 0, 0, 0, 0
        out[:, top:bottom, left:right] = x[:, : bottom - top, : right - left]
        return out

    def _pixels(self, made: Array, out: Array) -> None:
        """out = B^T made B, added where tiles overlap.    made: (t, t, n T S, C)   out: (n, height, width, c)"""
        n, c, s, t, T, S, h, w = len(out), out.shape[3], self.s, self.t, self.T, self.S, self.h, self.w
        B_T = transposed(self.B)
        half = scratch("winograd half", (t, n, h, S, s, s * c), made.dtype)
        padded = scratch("padded", (n, h, s, w, s * c), made.dtype)
        self._lay(B_T, made.reshape(t, t, n, T, S, s, s * c), half, axis=2)  # T tiles make h rows
        columns = half.transpose(0, 1, 2, 4, 3, 5)  # (t, n, h, s, S, s c)
        self._lay(B_T, columns, padded, axis=3)  # S tiles make w columns
        whole = padded.reshape(n, h * s, w * s, c)  # pixels
        seen = whole[:, self.window.padding[0][0] :, self.window.padding[1][0] :][:, : out.shape[1], : out.shape[2]]
        out[:, seen.shape[1] :], out[:, :, seen.shape[2] :] = 0, 0
        out[:, : seen.shape[1], : seen.shape[2]] = seen

    def _lay(self, signs: Matrix, parts: Array, out: Array, axis: int) -> None:
        """Put tiles side by side along an axis of `out`, and add them where they overlap.

        parts: (t, ...), the axes of `out` but with a tile where `out` has a pixel; pixel i of a tile is the sum of
        signs[i][k] parts[k]
        """
        parts, out = np.moveaxis(parts, axis + 1, 1), np.moveaxis(out, axis, 0)  # (t, tiles, ...), (pixels, ...)
        for i, row in enumerate(signs):
            seen = out[i : i + self.m * (parts.shape[1] - 1) + 1 : self.m]  # (tiles, ...): pixel i of each
            if i < self.m:
                combine(row, parts, seen)
            else:  # these are the next tile's first pixels; after the last tile comes none
                seen[-1] = 0
                combine([1, *row], [seen, *parts], seen)

    def _change(self, dy: Array) -> Array:
        """A^T dy A: (t, t, n T S, d).    dy: (n, oh, ow, d)"""
        (n, oh, ow, d), m, t, T, S = dy.shape, self.m, self.t, self.T, self.S
        A_T = transposed(self.A)  # (t, m)
        if (oh, ow) != (m * T, m * S):
            whole = scratch("whole", (n, m * T, m * S, d), dy.dtype)
            whole[:, oh:], whole[:, :, ow:], whole[:, :oh, :ow] = 0, 0, dy
            dy = whole
        rows = dy.reshape(n, T, m, m * S * d)  # row i of tile a is [:, a, i]
        half = scratch("winograd half", (n, T, m * S * d), dy.dtype)
        out = scratch("winograd change", (t, t, n, T, S, d), dy.dtype)
        for k in range(t):
            combine(A_T[k], [rows[:, :, i] for i in range(m)], half)  # sums of m arrays (n, T, m S d)
            columns = half.reshape(n, T, S, m, d)  # column j of tile b is [:, :, b, j]
            for signs, into in zip(A_T, out[k], strict=True):  # into: (n, T, S, d)
                combine(signs, [columns[:, :, :, j] for j in range(m)], into)
        return out.reshape(t, t, n * T * S, d)

    def _outputs(self, made: Array, out: Array) -> None:
        """out = A made A^T.    made: (t, t, n T S, d)   out: (n, oh, ow, d)"""
        (n, _, _, d), m, t, T, S = out.shape, self.m, self.t, self.T, self.S
        half, made = scratch("winograd half", (t, n, T, S, d), out.dtype), made.reshape(t, t, n, T, S, d)
        for i in range(m):
            combine(self.A[i], made, half)  # sums of t arrays (t, n, T, S, d)
            for j in range(m):
                seen = out[:, i::m, j::m]  # output (i, j) of every tile, but for tiles beyond the border
                combine(self.A[j], half[:, :, : seen.shape[1], : seen.shape[2]], seen)


def one_tile(x: Array, w: Array, tile: int) -> Array:
    """y = A [(G w G^T) * (B x B^T)] A^T, with plain loops, for one tile of one channel.

    x: (t, t)   w: (r, r)   y: (m, m), as a plain convolution:  y[i, j] = sum over u, v of  x[i + u, j + v] w[u, v]
    """
    B, G, A, factors = ALGORITHMS[tile, len(w)]
    t = range(len(x))
    products = np.zeros((len(x), len(x)))
    for k in t:
        for m in t:
            image = sum(B[k][i] * B[m][j] * x[i, j] for i in t for j in t)
            kernel = sum(G[k][u] * G[m][v] * w[u, v] for u in range(len(w)) for v in range(len(w)))
            products[k, m] = image * kernel * factors[k] * factors[m]
    y = np.zeros((tile, tile))
    for i in range(tile):
        for j in range(tile):
            y[i, j] = sum(A[i][k] * A[j][m] * products[k, m] for k in t for m in t)
    return y


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
