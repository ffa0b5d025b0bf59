"""Layers as people write them, right and wrong: each wrong one with what the plain check has to say of it."""

import numpy as np

from minigan.initializers import glorot_uniform, ones, zeros
from minigan.layers import Layer


class Swish(Layer):
    def __init__(self, beta=3.0):
        self.beta = beta

    def forward(self, x, train):
        self.x, self.s = x, 0.5 * (1 + np.tanh(self.beta * x / 2))
        return x * self.s

    def backward(self, dy, params=True, inputs=True):
        return dy * (self.s + self.beta * self.x * self.s * (1 - self.s))


class SwishTwice(Swish):
    def backward(self, dy, params=True, inputs=True):
        return self.beta * super().backward(dy)


class Step(Layer):
    """A step that is as good as sharp: exp overflows where x is large, and y is right all the same."""

    def forward(self, x, train):
        self.y = 1 / (1 + np.exp(-x / 0.02))
        return self.y

    def backward(self, dy, params=True, inputs=True):
        return dy * self.y * (1 - self.y) / 0.02


class Cap(Layer):
    def forward(self, x, train):
        self.inside = (x > 0) & (x < 6)
        return np.clip(x, 0, 6)

    def backward(self, dy, params=True, inputs=True):
        return dy * self.inside


class CapForgotten(Cap):
    def forward(self, x, train):
        y = super().forward(x, train)
        self.inside = x > 0
        return y


class RowNorm(Layer):
    """Normalises the last axis, with a gain; rows, sequences and images."""

    def build(self, in_shape):
        self.param("g", in_shape[-1:], ones)
        return in_shape

    def forward(self, x, train):
        self.std = np.sqrt(x.var(-1, keepdims=True) + 1e-3)
        self.hat = (x - x.mean(-1, keepdims=True)) / self.std
        return self.g * self.hat

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.dg[...] = (dy * self.hat).sum(axis=tuple(range(dy.ndim - 1)))
        d = dy * self.g
        return (d - d.mean(-1, keepdims=True) - self.hat * (d * self.hat).mean(-1, keepdims=True)) / self.std


class RowNormGainOutside(RowNorm):
    def backward(self, dy, params=True, inputs=True):
        super().backward(dy)
        mean, tilt = dy.mean(-1, keepdims=True), (dy * self.hat).mean(-1, keepdims=True)
        return self.g * (dy - mean - self.hat * tilt) / self.std


class Whiten(Layer):
    """Subtracts the mean of every channel over all that is not a channel."""

    def forward(self, x, train):
        return x - x.mean(axis=tuple(range(x.ndim - 1)))

    def backward(self, dy, params=True, inputs=True):
        return dy - dy.mean(axis=tuple(range(dy.ndim - 1)))


class WhitenRowsOnly(Whiten):
    def backward(self, dy, params=True, inputs=True):
        return dy - dy.mean(axis=0)


class GroupSum(Layer):
    """The mean of each of two groups of channels, taken from its members."""

    def build(self, in_shape):
        if in_shape[-1] % 2:
            raise self.refuse(in_shape, "an even number of channels")
        return in_shape

    def forward(self, x, train):
        g = x.reshape(*x.shape[:-1], 2, -1)
        return (g - g.mean(-1, keepdims=True)).reshape(x.shape)

    def backward(self, dy, params=True, inputs=True):
        return self.forward(dy, True)


class GroupSumIgnored(GroupSum):
    """Right where a group is one channel, and y is 0."""

    def backward(self, dy, params=True, inputs=True):
        return np.zeros_like(dy) if dy.shape[-1] == 2 else dy


class Squeezed(Layer):
    def build(self, in_shape):
        return in_shape

    def forward(self, x, train):
        self.shape = x.shape
        return np.squeeze(x * np.ones((1, *x.shape)))

    def backward(self, dy, params=True, inputs=True):
        return dy.reshape(self.shape)


class KeptMask(Layer):
    mask = None

    def forward(self, x, train):
        if self.mask is None or self.mask.shape != x.shape:
            self.mask = np.where(x > 0, 1.0, 0.2)
        return np.where(x > 0, x, 0.2 * x)

    def backward(self, dy, params=True, inputs=True):
        return dy * self.mask


class SharedMask(Layer):
    def forward(self, x, train):
        self.mask = self.temporary("mask", x.shape, bool)
        np.greater(x, 0, out=self.mask)
        return np.where(self.mask, x, 0.2 * x)

    def backward(self, dy, params=True, inputs=True):
        return np.where(self.mask, dy, 0.2 * dy)


class Drawer(Layer):
    """Its weights lie in a dictionary."""

    def build(self, in_shape):
        (d,) = in_shape
        self.weights, self.grads = {"W": np.full((d, 2), 0.3)}, {}
        return (2,)

    def forward(self, x, train):
        self.x = x
        return x @ self.weights["W"]

    def backward(self, dy, params=True, inputs=True):
        self.grads["W"] = self.x.T @ dy
        return dy @ self.weights["W"].T


class Listed(Drawer):
    def build(self, in_shape):
        super().build(in_shape)
        self.all_weights, self.all_grads = [self.weights["W"]], [None]
        return (2,)

    def backward(self, dy, params=True, inputs=True):
        self.all_grads[0] = self.x.T @ dy
        return dy @ self.weights["W"].T


class FixedFilter(Layer):
    """A constant is no parameter."""

    def build(self, in_shape):
        self.taps = np.linspace(-1, 2, in_shape[-1])
        return in_shape

    def forward(self, x, train):
        return x * self.taps

    def backward(self, dy, params=True, inputs=True):
        return dy * self.taps


class Counting(Layer):
    def build(self, in_shape):
        self.seen = np.zeros(1, int)
        return in_shape

    def forward(self, x, train):
        self.seen += 1
        self.x = x
        return x**2

    def backward(self, dy, params=True, inputs=True):
        return 2 * self.x * dy


class ScalarSlope(Layer):
    def build(self, in_shape):
        self.param("a", (), zeros)
        return in_shape

    def forward(self, x, train):
        self.x = x
        return np.where(x > 0, x, self.a * x)

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.da[...] = (dy * np.minimum(self.x, 0)).sum()
        return dy * np.where(self.x > 0, 1, self.a)


class ScalarSlopeNoDy(ScalarSlope):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params)
        if params:
            self.da[...] = np.minimum(self.x, 0).sum()
        return dx


class CalledX(Layer):
    def build(self, in_shape):
        self.param("x", in_shape, ones)
        return in_shape

    def forward(self, x, train):
        self.given = x
        return x * self.x

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.dx[...] = (dy * self.given).sum(axis=0)
        return dy * self.x


class CalledXHalf(CalledX):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy, params) / 2


class Skip(Layer):
    """y = x + tanh(x W)."""

    def build(self, in_shape):
        (d,) = in_shape
        self.param("W", (d, d), glorot_uniform)
        return in_shape

    def forward(self, x, train):
        self.x, self.t = x, np.tanh(x @ self.W)
        return x + self.t

    def backward(self, dy, params=True, inputs=True):
        d = dy * (1 - self.t**2)
        if params:
            self.dW[...] = self.x.T @ d
        return dy + d @ self.W.T


class SkipForgotten(Skip):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy, params) - dy


class OwnNoise(Layer):
    def forward(self, x, train):
        return x + np.random.default_rng().normal(size=x.shape)

    def backward(self, dy, params=True, inputs=True):
        return dy


class SinglePrecision(Layer):
    def forward(self, x, train):
        self.x = x.astype(np.float32)
        return np.exp(self.x).astype(x.dtype)

    def backward(self, dy, params=True, inputs=True):
        return dy * np.exp(self.x)


class PairSum(Layer):
    """Neighbours summed: windows that overlap."""

    def build(self, in_shape):
        (d,) = in_shape
        return (d - 1,)

    def forward(self, x, train):
        self.shape = x.shape
        return x[:, :-1] + x[:, 1:]

    def backward(self, dy, params=True, inputs=True):
        dx = np.zeros(self.shape)
        dx[:, :-1] += dy
        dx[:, 1:] += dy
        return dx


class PairSumOverwrites(PairSum):
    def backward(self, dy, params=True, inputs=True):
        dx = np.zeros(self.shape)
        for k in range(dy.shape[1]):
            dx[:, k : k + 2] = dx[:, k : k + 2] * (dy[:, k : k + 1] == 0) + dy[:, k : k + 1]
        return dx


class Sine(Layer):
    def forward(self, x, train):
        self.x = x
        return np.sin(3 * x)

    def backward(self, dy, params=True, inputs=True):
        return dy * 3 * np.cos(3 * self.x)

    def tangent(self, t):
        return t * 3 * np.cos(3 * self.x)

    def tangent_backward(self, t, dy):
        return -9 * dy * t * np.sin(3 * self.x)


class SineSign(Sine):
    def tangent_backward(self, t, dy):
        return 9 * dy * t * np.sin(3 * self.x)


class SineFactor(Sine):
    def tangent_backward(self, t, dy):
        return -3 * dy * t * np.sin(3 * self.x)


class SineForX(Sine):
    def tangent_backward(self, t, dy):
        return -9 * dy * self.x * np.sin(3 * self.x)


class SineNone(Sine):
    def tangent_backward(self, t, dy):
        return None


class SineNothing(Sine):
    tangent_backward = Layer.tangent_backward


class BiasInTangent(Layer):
    def build(self, in_shape):
        (d,) = in_shape
        self.param("b", (d,), zeros)
        return in_shape

    def forward(self, x, train):
        return x + self.b

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.db[...] = dy.sum(axis=0)
        return dy

    def tangent(self, t):
        return t

    def tangent_backward(self, t, dy):
        self.db[...] = dy.sum(axis=0)


RIGHT = (
    Swish, Step, Cap, RowNorm, Whiten, GroupSum, FixedFilter, Counting, ScalarSlope, CalledX, Skip, PairSum, Sine,
)  # fmt: skip
WRONG = {
    SwishTwice: "which is beta: there once too often",
    CapForgotten: "wrong exactly for x from",
    RowNormGainOutside: "it would be right if g were",
    WhitenRowsOnly: "the x of one step moves the y of others",
    GroupSumIgnored: "at x of shape (7, 6)",
    Squeezed: "fails for a batch of one",
    KeptMask: "right for the first x that a layer gets",
    SharedMask: "mask lies in self.temporary(...)",
    Drawer: "weights['W'], and 0.Drawer.grads['W'] is its gradient",
    Listed: "all_grads[0] is its gradient",
    ScalarSlopeNoDy: "the factor dy is missing",
    CalledXHalf: "a factor 2 is missing",
    SkipForgotten: "dy is missing in it",
    OwnNoise: "forward gives other numbers every time",
    SinglePrecision: "forward rounds to float32",
    PairSumOverwrites: "windows overlap, and one overwrites the other",
    SineSign: "tangent_backward is wrong for x: the sign",
    SineFactor: "tangent_backward is wrong for x: yours / numeric = 0.33333 everywhere",
    SineForX: "x taken for t",
    SineNone: "it is 0 everywhere, and J depends on x",
    SineNothing: "there is no tangent_backward",
    BiasInTangent: "J does not depend on b",
}
