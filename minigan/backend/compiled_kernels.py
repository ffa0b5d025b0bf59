"""The kernels of kernels.py as loops that Numba compiles for this processor: each is the twin of one in kernels.cu.

A loop reads and writes every number once, where NumPy's formula makes a pass over a block for each of its operations.
Nothing here may change a number: no fast-math, so that NaN, infinities and signed zeros stay what they are, and sums
have one order. Loops hold no GIL and start no threads. Compiled code is kept in a cache on disk, beside this file or,
where that cannot be written, in the user's own.

x: (size,), or (m, c) beside vectors (c,). Numbers come in the dtype of the arrays, so that float32 stays float32; a
literal such as 1 would make it float64.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

compiled: Callable[[Any], Any] = njit(nogil=True, cache=True, error_model="numpy")


@compiled
def relu(x, y):
    """y = max(x, 0); NaN stays NaN."""
    for i in range(len(x)):
        y[i] = 0 if x[i] < 0 else x[i]


@compiled
def relu_dx(x, dy, dx):
    """dx = dy where x > 0, 0 elsewhere."""
    for i in range(len(x)):
        dx[i] = dy[i] if x[i] > 0 else 0


@compiled
def leaky_relu(x, y, slope):
    """y = x where x > 0, slope x elsewhere."""
    for i in range(len(x)):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


@compiled
def leaky_relu_dx(x, dy, dx, slope):
    """dx = dy where x > 0, slope dy elsewhere."""
    for i in range(len(x)):
        dx[i] = dy[i] if x[i] > 0 else slope * dy[i]


@compiled
def tanh_dx(y, dy, dx):
    """dx = dy (1 - y^2)."""
    for i in range(len(y)):
        dx[i] = dy[i] - dy[i] * y[i] * y[i]


@compiled
def sigmoid(x, y):
    """y = 1 / (1 + exp(-x)), from exp(-|x|), which never overflows."""
    for i in range(len(x)):
        e = np.exp(-abs(x[i]))
        y[i] = (1 if x[i] >= 0 else e) / (1 + e)


@compiled
def sigmoid_dx(y, dy, dx):
    """dx = dy y (1 - y)."""
    for i in range(len(y)):
        dx[i] = dy[i] * (y[i] - y[i] * y[i])


@compiled
def dropout(x, mask, y, scale):
    """y = scale x where the mask is true, x 0 elsewhere."""
    for i in range(len(x)):
        y[i] = x[i] * mask[i] * scale


@compiled
def bce_with_logits(s, target, curve, ds, size):
    """curve = max(s, 0) + ln(1 + exp(-|s|)) - t s,   ds = (sigmoid(s) - t) / size."""
    for i in range(len(s)):
        e = np.exp(-abs(s[i]))
        curve[i] = max(s[i], 0) + np.log1p(e) - target[i] * s[i]
        ds[i] = ((1 if s[i] >= 0 else e) / (1 + e) - target[i]) / size


@compiled
def add_bias(y, b):
    """y + b."""
    for row in range(len(y)):
        for t in range(len(b)):
            y[row, t] += b[t]


@compiled
def normalise(x, y, mean, gain, beta):
    """y = (x - mean) gain + beta."""
    for row in range(len(x)):
        for t in range(len(mean)):
            y[row, t] = (x[row, t] - mean[t]) * gain[t] + beta[t]


@compiled
def normalise_dx(x, dy, dx, mean, inverse_std, gamma, dgamma, dbeta, m):
    """dx = gamma inverse_std (dy - dbeta / m - x_hat dgamma / m)."""
    by_x, constant, gain = dgamma * inverse_std / m, dbeta / m, gamma * inverse_std
    for row in range(len(x)):
        for t in range(len(mean)):
            dx[row, t] = gain[t] * (dy[row, t] - constant[t] - (x[row, t] - mean[t]) * by_x[t])


@compiled
def running_average(mean, var, running_mean, running_var, rate):
    """running <- running + rate (batch - running)."""
    for t in range(len(mean)):
        running_mean[t] += rate * (mean[t] - running_mean[t])
        running_var[t] += rate * (var[t] - running_var[t])


@compiled
def channel_scales(var, gamma, inverse_std, gain, eps):
    """inverse_std = 1 / sqrt(var + eps),   gain = gamma inverse_std."""
    for t in range(len(var)):
        inverse_std[t] = 1 / np.sqrt(var[t] + eps)
        gain[t] = gamma[t] * inverse_std[t]


@compiled
def sgd(p, g, u, rate, momentum):
    """u <- momentum u + g,   p <- p - rate u."""
    step, kept = p.dtype.type(rate), p.dtype.type(momentum)
    for i in range(len(p)):
        u[i] = kept * u[i] + g[i]
        p[i] -= step * u[i]


@compiled
def rmsprop(p, g, v, rate, rho, eps):
    """v <- rho v + (1 - rho) g^2,   p <- p - rate g / (sqrt(v) + eps)."""
    step, kept, small = p.dtype.type(rate), p.dtype.type(rho), p.dtype.type(eps)
    added = p.dtype.type(1 - rho)
    for i in range(len(p)):
        v[i] = kept * v[i] + added * g[i] * g[i]
        p[i] -= step * g[i] / (np.sqrt(v[i]) + small)


@compiled
def adam(p, g, m, v, rate, beta1, beta2, eps, t):
    """m <- beta1 m + g,   v <- beta2 v + g^2,   p <- p - step m / (sqrt(v) + eps'): see `optimizers.adam_step`."""
    root = np.sqrt((1 - beta2) / (1 - beta2**t))
    step = p.dtype.type(rate * (1 - beta1) / (1 - beta1**t) / root)
    small, b1, b2 = p.dtype.type(eps / root), p.dtype.type(beta1), p.dtype.type(beta2)
    for i in range(len(p)):
        m[i] = b1 * m[i] + g[i]
        v[i] = b2 * v[i] + g[i] * g[i]
        p[i] -= m[i] / (np.sqrt(v[i]) + small) * step


@compiled
def adam_without_momentum(p, g, v, rate, beta2, eps, t):
    """v <- beta2 v + g^2,   p <- p - step g / (sqrt(v) + eps'): `adam` with beta1 = 0."""
    root = np.sqrt((1 - beta2) / (1 - beta2**t))
    step = p.dtype.type(rate / root)
    small, b2 = p.dtype.type(eps / root), p.dtype.type(beta2)
    for i in range(len(p)):
        v[i] = b2 * v[i] + g[i] * g[i]
        p[i] -= g[i] / (np.sqrt(v[i]) + small) * step


# Sums over rows, in float64, row after row. ---------------------------------------------------------------------------


@compiled
def column_sums(x, _, sums):
    """sums[0] += sum x.    x: (m, c)   sums: (1, c), float64"""
    for row in range(len(x)):
        for t in range(x.shape[1]):
            sums[0, t] += x[row, t]


@compiled
def moments(x, origin, sums):
    """sums[0] += sum d,   sums[1] += sum d^2,   d = x - origin.    x: (m, c)   origin: (c,)   sums: (2, c), float64"""
    for row in range(len(x)):
        for t in range(x.shape[1]):
            d = np.float64(x[row, t]) - origin[t]
            sums[0, t] += d
            sums[1, t] += d * d


@compiled
def gradient_sums(dy, x, mean, sums):
    """sums[0] += sum dy,   sums[1] += sum dy (x - mean).    dy, x: (m, c)   mean: (c,)   sums: (2, c), float64"""
    for row in range(len(x)):
        for t in range(x.shape[1]):
            sums[0, t] += dy[row, t]
            sums[1, t] += np.float64(dy[row, t]) * (np.float64(x[row, t]) - mean[t])


# Patches. -------------------------------------------------------------------------------------------------------------


@compiled
def split_groups(x, top, left, parts):
    """parts[g, n, i + top, j + left, k] = x[n, i, j, g c + k].

    x: (n, h, w, groups c)   parts: (groups, n, h + top + bottom, w + left + right, c)
    """
    groups, c = parts.shape[0], parts.shape[4]
    for image in range(len(x)):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                pixel = x[image, i, j]
                for g in range(groups):
                    into = parts[g, image, i + top, j + left]
                    for k in range(c):
                        into[k] = pixel[g * c + k]


@compiled
def join_groups(parts, out):
    """out[n, g c + k] = parts[g, n, k].    parts: (groups, n, c)   out: (n, groups c)"""
    groups, pixels, c = parts.shape
    for n in range(pixels):
        for g in range(groups):
            for k in range(c):
                out[n, g * c + k] = parts[g, n, k]


@compiled
def copy_patches(x, down, aside, cols):
    """The patches of padded images, row by row of the kernel.    x: (n, h, w c)   cols: (n, oh, ow, kh, kw c)

    down: rows, and aside: entries, from one patch to the next
    """
    for image in range(len(x)):
        for i in range(cols.shape[1]):
            for u in range(cols.shape[3]):
                pixels = x[image, i * down + u]
                for j in range(cols.shape[2]):
                    under, entries = pixels[j * aside :], cols[image, i, j, u]
                    for k in range(len(entries)):
                        entries[k] = under[k]


@compiled
def add_patches(cols, x, row, down, aside):
    """Add the entries of some kernel rows to the pixels under them, from kernel row `row` on.

    cols: (n, oh, ow, rows, kw c)   x: (n, h, w c)   down: rows, and aside: entries, from one patch to the next
    """
    for image in range(len(x)):
        for i in range(cols.shape[1]):
            for u in range(cols.shape[3]):
                pixels = x[image, i * down + row + u]
                for j in range(cols.shape[2]):
                    under, entries = pixels[j * aside :], cols[image, i, j, u]
                    for k in range(len(entries)):
                        under[k] += entries[k]


# Depthwise convolutions.    padded: (n, h, w, c)   W: (kh, kw, c)   y, dy: (n, oh, ow, c)   down, aside: the stride ---


@compiled
def sum_taps(padded, W, down, aside, y):
    """y[n, i, j] = the sum over u and v of padded[n, i down + u, j aside + v] W[u, v]."""
    for image in range(len(y)):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                total = y[image, i, j]
                total[:] = 0
                for u in range(W.shape[0]):
                    for v in range(W.shape[1]):
                        pixel, weights = padded[image, i * down + u, j * aside + v], W[u, v]
                        for k in range(len(total)):
                            total[k] += pixel[k] * weights[k]


@compiled
def add_taps(dy, W, down, aside, padded):
    """padded[n, i down + u, j aside + v] += dy[n, i, j] W[u, v]."""
    for image in range(len(dy)):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                change = dy[image, i, j]
                for u in range(W.shape[0]):
                    for v in range(W.shape[1]):
                        pixel, weights = padded[image, i * down + u, j * aside + v], W[u, v]
                        for k in range(len(change)):
                            pixel[k] += change[k] * weights[k]


@compiled
def sums_of_taps(padded, dy, down, aside, sums):
    """sums[u, v] += the sum over n, i and j of padded[n, i down + u, j aside + v] dy[n, i, j].    sums: float64"""
    for image in range(len(dy)):
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                change = dy[image, i, j]
                for u in range(sums.shape[0]):
                    for v in range(sums.shape[1]):
                        pixel, total = padded[image, i * down + u, j * aside + v], sums[u, v]
                        for k in range(len(change)):
                            total[k] += pixel[k] * change[k]
