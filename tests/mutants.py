"""Planted mistakes: one class each, with what was planted in words and what the gradient check must say of it.

`test_mutants.py` runs the check over the whole table, and `docs/mutants.md` is the table as a page, which
`python -m tests.mutants` prints. To add a mistake, write a small subclass under one of the `@planted...`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from minigan import (
    BCE,
    GAN,
    BCEWithLogits,
    DiffAugment,
    Hinge,
    LeastSquares,
    MeanSquaredError,
    NonSaturating,
    Relativistic,
    Saturating,
    Sequential,
    SoftmaxCrossEntropy,
    Wasserstein,
    WeightClipping,
    get_backend,
)
from minigan.augment import Brightness, Change, Contrast, Cutout, Saturation, Translation
from minigan.gradcheck import check
from minigan.layers import (
    AveragePooling2D,
    Basis,
    BatchNorm,
    Bias,
    BlurDownSampling2D,
    BlurUpSampling2D,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    LabelEmbedding,
    Layer,
    LeakyReLU,
    MinibatchStd,
    ReLU,
    Reshape,
    Residual,
    Sigmoid,
    SpectralNorm,
    Tanh,
    UpSampling2D,
    UpSamplingConv2D,
    ZeroPadding2D,
)
from minigan.layers.chain import Chain
from minigan.objectives import Objective
from minigan.penalties import R1, R1R2, GradientPenalty, Penalty

from .gans import real_images
from .whole_steps import check_step, conv_gan, scoreless, tiny_gan, wasserstein


@dataclass(frozen=True)
class Mutant:
    """One planted mistake, and what a report on it must say.

    `wrong` are the gradients that are WRONG, all others being OK: names or patterns, and exceptions behind a "but".
    `complaint` is a part of what must be said beside the rows, if anything must.
    `by` says what finds it: `check`, as a user has it, or the formulas of the papers in whole_steps.py.
    """

    kind: type  # the class that has the mistake
    where: str  # the class that is right
    mistake: str  # in words
    wrong: str
    complaint: str
    report: Callable[[int], object]  # of a seed
    by: str = "check"

    def __str__(self):
        return self.kind.__name__


MUTANTS = []


def enter(kind, mistake, wrong, complaint, report, by="check"):
    MUTANTS.append(Mutant(kind, kind.__base__.__name__, mistake, wrong, complaint, report, by))
    return kind


def planted(mistake, *settings, x, wrong="", complaint="", inside=lambda layer: layer, **named):
    """Enter a layer class, which the settings make a layer of and whose input has the shape `x`.

    `inside` puts that layer into another one.
    """

    def plant(kind):
        return enter(kind, mistake, wrong, complaint, lambda seed: check(inside(made(kind)), x, seed=seed))

    def made(kind):
        fresh = [value.clone() if isinstance(value, Layer) else value for value in settings]
        return kind(*fresh, **named)

    return plant


def only_dx(layer, dy, params, inputs, dx):
    """The right gradients of the parameters, and this dx."""
    type(layer).__base__.backward(layer, dy, params, inputs=False)
    return dx if inputs else None


# Dense ---------------------------------------------------------------------------------------------------------------


@planted("dW is a mean over the batch", 5, x=(7, 3), wrong="W")
class DenseMean(Dense):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dW[...] /= len(dy)
        return dx


@planted("dW is the transpose of what it should be", 4, x=(7, 4), wrong="W")
class DenseTransposed(Dense):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dW[...] = self.dW.T.copy()
        return dx


@planted("dW is made from y in place of x", 4, x=(7, 4), wrong="W")
class DenseOutput(Dense):
    def forward(self, x, train):
        self.y = super().forward(x, train)
        return self.y

    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dW[...] = self.y.T @ dy
        return dx


@planted("dW is made from the x of the batch before", 5, x=(7, 3), wrong="W", complaint="a second backward")
class DenseStale(Dense):
    def backward(self, dy, params=True, inputs=True):
        self.x, kept = self.__dict__.get("old_x", np.zeros_like(self.x)), self.x
        dx = super().backward(dy, params, inputs)
        self.old_x = kept
        return dx


@planted("db is that of the first sample alone", 5, x=(7, 3), wrong="b")
class DenseBias(Dense):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] = dy[0]
        return dx


@planted("db has the wrong sign", 5, x=(7, 3), wrong="b")
class DenseSign(Dense):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] *= -1
        return dx


@planted("dx = dy W: the transpose of W is forgotten", 4, x=(7, 4), wrong="x")
class DenseUntransposed(Dense):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, dy @ self.W)


@planted("dx goes through W with its columns reversed", 5, x=(7, 3), wrong="x")
class DenseColumns(Dense):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, dy @ self.W[:, ::-1].T)


@planted("dx goes through the W that the layer began with", 5, x=(7, 3), wrong="x")
class DenseFirstWeights(Dense):
    def bind(self, name, view):
        super().bind(name, view)
        if name == "W":
            self.first_W = view.copy()

    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, dy @ self.first_W.T)


@planted("dW is added to what was there before", 5, x=(7, 3), complaint="do they accumulate")
class DenseAccumulates(Dense):
    def backward(self, dy, params=True, inputs=True):
        before = self.dW.copy()
        dx = super().backward(dy, params, inputs)
        if params:
            self.dW[...] += before
        return dx


@planted("dW is written although params=False", 5, x=(7, 3), complaint="params=False")
class DenseParams(Dense):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy, True, inputs)


@planted("forward changes its input", 5, x=(7, 3), complaint="x was changed")
class DenseInPlace(Dense):
    def forward(self, x, train):
        y = super().forward(x, train).copy()
        x *= 2
        return y


@planted("backward changes dy", 5, x=(7, 3), complaint="dy was changed")
class DenseChangesDy(Dense):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs).copy() if inputs else None
        dy *= 2
        return dx


# Activations ---------------------------------------------------------------------------------------------------------


@planted("db is that of the first sample alone", x=(3, 2, 2, 3), wrong="b")
class BiasFirst(Bias):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] = dy[0].sum(axis=(0, 1))
        return dx


@planted("db is a mean", x=(5, 3), wrong="b")
class BiasMean(Bias):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] /= len(dy)
        return dx


@planted("dB is not multiplied by x", (2, 3), x=(4, 3), wrong="B")
class BasisAlone(Basis):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dB[...] = dy.sum(axis=0)
        return dx


@planted("dx is a mean over the pixels", (2, 3), x=(4, 3), wrong="x")
class BasisMean(Basis):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return dx / 6 if inputs else None


@planted("dx is the sum over blocks, as of nearest upsampling", x=(2, 3, 4, 2), wrong="x")
class BlurNearest(BlurUpSampling2D):
    def backward(self, dy, params=True, inputs=True):
        return dy.reshape(len(dy), dy.shape[1] // 2, 2, dy.shape[2] // 2, 2, -1).sum(axis=(2, 4)) if inputs else None


@planted("the factor 4 between U^T and D is forgotten", x=(2, 3, 4, 2), wrong="x")
class BlurUnscaled(BlurUpSampling2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return dx / 4 if inputs else None


@planted("the border goes around the image", x=(2, 4, 6, 2), wrong="x")
class BlurAround(BlurDownSampling2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if inputs:
            dx[:, 0] += dy.repeat(2, axis=2)[:, -1] / 32
        return dx


@planted("the last row of an image of odd height has no gradient", x=(2, 5, 4, 2), wrong="x")
class BlurEven(BlurDownSampling2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if inputs:
            dx[:, -1] = 0
        return dx


@planted("the slope on the left is forgotten: dx = 0 there", 0.2, x=(7, 3), wrong="x")
class LeakySlope(LeakyReLU):
    def backward(self, dy, params=True, inputs=True):
        return dy * (self.x > 0)


@planted("the slope is applied on the right", 0.2, x=(7, 3), wrong="x")
class LeakySwapped(LeakyReLU):
    def backward(self, dy, params=True, inputs=True):
        return dy * np.where(self.x > 0, self.slope, 1)


@planted("the mask is taken from dy in place of x", 0.2, x=(7, 3), wrong="x", complaint="linear in dy")
class LeakyMask(LeakyReLU):
    def backward(self, dy, params=True, inputs=True):
        return dy * np.where(dy > 0, 1, self.slope)


@planted("the mask is forgotten", x=(7, 3), wrong="x")
class ReLUMask(ReLU):
    def backward(self, dy, params=True, inputs=True):
        return dy.copy()


@planted("the mask is that of the batch before", x=(7, 3), wrong="x", complaint="a second backward")
class ReLUStale(ReLU):
    def backward(self, dy, params=True, inputs=True):
        positive = self.__dict__.get("positive", np.ones(dy.shape, bool))
        self.positive = self.x > 0
        return dy * positive


@planted("1 - y in place of 1 - y^2", x=(7, 3), wrong="x")
class TanhSquare(Tanh):
    def backward(self, dy, params=True, inputs=True):
        return dy * (1 - self.y)


@planted("1 - x^2 in place of 1 - y^2", x=(7, 3), wrong="x")
class TanhInput(Tanh):
    def forward(self, x, train):
        self.x = x
        return super().forward(x, train)

    def backward(self, dy, params=True, inputs=True):
        return dy * (1 - self.x**2)


@planted("a term that does not grow with dy", x=(7, 3), wrong="x", complaint="linear in dy")
class TanhOffset(Tanh):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy, params, inputs) + 1e-3


@planted("y in place of y (1 - y)", x=(7, 3), wrong="x")
class SigmoidSlope(Sigmoid):
    def backward(self, dy, params=True, inputs=True):
        return dy * self.y


@planted("y is put through the sigmoid once more: s(y) (1 - s(y))", x=(7, 3), wrong="x")
class SigmoidTwice(Sigmoid):
    def backward(self, dy, params=True, inputs=True):
        y = 1 / (1 + np.exp(-self.y))
        return dy * y * (1 - y)


# BatchNorm -----------------------------------------------------------------------------------------------------------


def normalised(layer):
    """x_hat of a BatchNorm's last forward."""
    return (layer.x - layer.x_mean) * layer.inverse_std


def batchnorm_dx(layer, dy, mean_term=1.0, variance_term=1.0, scale=1.0):
    """dx of a BatchNorm with its terms weighted: all of them 1 is right."""
    x_hat, rows = normalised(layer), tuple(range(dy.ndim - 1))
    mean, slope = dy.sum(axis=rows) / layer.m, (dy * x_hat).sum(axis=rows) / layer.m
    return scale * layer.gamma * layer.inverse_std * (dy - mean_term * mean - variance_term * x_hat * slope)


@planted("dx without the mean's term, dbeta / m", x=(7, 3), wrong="x")
class BatchNormMean(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, batchnorm_dx(self, dy, mean_term=0))


@planted("dx without the variance's term, x_hat dgamma / m", x=(7, 3), wrong="x")
class BatchNormVariance(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, batchnorm_dx(self, dy, variance_term=0))


@planted("dx without both: mean and variance taken as constants", x=(7, 3), wrong="x")
class BatchNormConstants(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, batchnorm_dx(self, dy, mean_term=0, variance_term=0))


@planted("dx with m - 1 in place of m, as if the variance were unbiased", x=(7, 3), wrong="x")
class BatchNormUnbiased(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        dx = batchnorm_dx(self, dy, variance_term=self.m / (self.m - 1))
        return only_dx(self, dy, params, inputs, dx)


@planted("dx has the wrong sign", x=(7, 3), wrong="x")
class BatchNormSign(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, batchnorm_dx(self, dy, scale=-1))


@planted("dx is zero", x=(3, 5, 2, 4), wrong="x")
class BatchNormZero(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, np.zeros_like(dy))


@planted("dx without gamma", x=(7, 3), wrong="x")
class BatchNormGamma(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, batchnorm_dx(self, dy, scale=1 / self.gamma))


@planted("dx without the division by the standard deviation", x=(7, 3), wrong="x")
class BatchNormDeviation(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, batchnorm_dx(self, dy, scale=1 / self.inverse_std))


@planted("backward leaves eps out of the standard deviation", 0.9, 0.1, x=(7, 3), wrong="x gamma")
class BatchNormEps(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        self.inverse_std = 1 / np.sqrt(self.inverse_std**-2 - self.eps)
        return super().backward(dy, params, inputs)


@planted("dgamma is made from y in place of x_hat", x=(7, 3), wrong="gamma")
class BatchNormOutput(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dgamma[...] = (dy * (self.gamma * normalised(self) + self.beta)).sum(axis=0)
        return dx


@planted("dbeta is a mean over the batch", x=(7, 3), wrong="beta")
class BatchNormBeta(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dbeta[...] = dy.mean(axis=0)
        return dx


@planted("dgamma and dbeta are swapped", x=(7, 3), wrong="gamma beta")
class BatchNormSwap(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dgamma[...], self.dbeta[...] = self.dbeta.copy(), self.dgamma.copy()
        return dx


@planted("forward adds the running mean in training, too", x=(7, 3), wrong="x", complaint="second time")
class BatchNormRunning(BatchNorm):
    def forward(self, x, train):
        return super().forward(x, train) + self.mean


@planted("of an image, dx takes its means over n only", x=(3, 5, 2, 4), wrong="x")
class BatchNormOverN(BatchNorm):
    def backward(self, dy, params=True, inputs=True):
        x_hat = normalised(self)
        inner = dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0)
        return only_dx(self, dy, params, inputs, self.gamma * self.inverse_std * inner)


@planted("of an image, forward takes its statistics over n only", x=(3, 5, 2, 4), wrong="x gamma")
class BatchNormForwardOverN(BatchNorm):
    def forward(self, x, train):
        super().forward(x, train)
        return self.gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + self.eps) + self.beta


# Dropout -------------------------------------------------------------------------------------------------------------


@planted("backward forgets to divide by 1 - rate", 0.3, x=(7, 3), wrong="x")
class DropoutScale(Dropout):
    def backward(self, dy, params=True, inputs=True):
        return dy * self.mask


@planted("backward forgets the mask", 0.3, x=(7, 3), wrong="x")
class DropoutNoMask(Dropout):
    def backward(self, dy, params=True, inputs=True):
        return dy / (1 - self.rate)


@planted("backward draws a mask of its own", 0.3, x=(7, 30), wrong="x")
class DropoutOtherMask(Dropout):
    def backward(self, dy, params=True, inputs=True):
        self.mask = self.backend.random.uniform(dy.shape, 5, "another mask") >= self.rate
        return super().backward(dy, params, inputs)


@planted(
    "the mask depends on how often forward was called", 0.3, x=(7, 30), wrong="", complaint="other numbers every time"
)
class DropoutUnfrozen(Dropout):
    def forward(self, x, train):
        self.calls = self.__dict__.get("calls", 0) + 1
        self.mask = self.backend.random.uniform(x.shape, self.calls, "mask") >= self.rate
        return x * self.mask / (1 - self.rate)


# Shapes --------------------------------------------------------------------------------------------------------------


@planted("the columns come back in reverse", x=(5, 2, 3), wrong="x")
class FlattenOrder(Flatten):
    def backward(self, dy, params=True, inputs=True):
        return dy[:, ::-1].reshape(self.x_shape)


@planted("column-major on the way back", (2, 3), x=(5, 6), wrong="x")
class ReshapeOrder(Reshape):
    def backward(self, dy, params=True, inputs=True):
        return np.ascontiguousarray(dy).reshape(self.x_shape, order="F")


# Convolutions --------------------------------------------------------------------------------------------------------


def turned(W, kernel, channels):
    """Every kernel turned by 180 degrees."""
    return np.ascontiguousarray(W.reshape(*kernel, channels, -1)[::-1, ::-1]).reshape(W.shape)


def with_window(layer, dy, params=True, inputs=True, **changes):
    """The backward of a Conv2D whose window was not the one of its forward."""
    right = layer.window
    layer.window = replace(right, **changes)
    try:
        return Conv2D.backward(layer, dy, params, inputs)
    finally:
        layer.window = right


def up_and_left(window):
    """A border that is one zero wider above and on the left, and one narrower opposite: all moves by a pixel."""
    (top, bottom), (left, right) = window.padding
    return (top + 1, bottom - 1), (left + 1, right - 1)


@planted("the kernel is flipped in dx", 2, (3, 2), x=(2, 4, 5, 3), wrong="x")
class ConvFlipped(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        W = turned(self.W, self.kernel, self.x.shape[3])
        dx = self.backend.conv_dx(dy, W, self.window, np.empty_like(self.x))
        return only_dx(self, dy, params, inputs, dx)


@planted("dx is off by a pixel", 2, 3, 1, 1, x=(2, 4, 5, 3), wrong="x")
class ConvMoved(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, with_window(self, dy, False, padding=up_and_left(self.window)))


@planted("dx is off by a pixel, with a stride of 2", 2, 3, 2, 1, x=(2, 4, 5, 1), wrong="x")
class ConvMovedByStrides(Conv2D):
    backward = ConvMoved.__dict__["backward"]


@planted("of an odd border, the larger half comes first in dx", 2, 3, 2, "same", x=(2, 4, 6, 2), wrong="x")
class ConvOddZero(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        around = tuple((after, before) for before, after in self.window.padding)
        return only_dx(self, dy, params, inputs, with_window(self, dy, False, padding=around))


@planted("dx keeps the last patch where patches overlap, in place of their sum", 2, 3, 2, 1, x=(2, 5, 4, 2), wrong="x")
class ConvAssigned(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        (kh, kw), (sh, sw), (oh, ow) = self.kernel, self.stride, self.window.stops
        padded = np.zeros((len(dy), *self.window.padded))
        for i in range(oh):
            for j in range(ow):
                patch = (dy[:, i, j] @ self.W.T).reshape(len(dy), kh, kw, -1)
                padded[:, i * sh : i * sh + kh, j * sw : j * sw + kw] = patch
        return only_dx(self, dy, params, inputs, padded[self.window.inside])


@planted("dx is zero on the outermost pixels", 2, 3, 1, 1, x=(2, 4, 5, 2), wrong="x")
class ConvBorder(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if inputs:
            dx[:, [0, -1]] = dx[:, :, [0, -1]] = 0
        return dx


@planted("the last row, which no patch sees, has a gradient", 2, 3, 2, x=(2, 6, 5, 2), wrong="x")
class ConvUnseen(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if inputs:
            dx[:, -1] = dx[:, -2]
        return dx


@planted("the strides of height and width are swapped in backward", 2, 3, (2, 1), x=(2, 6, 6, 2), wrong="x W")
class ConvStrides(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        # A square image: any other would not fit, and NumPy would complain.
        return with_window(self, dy, params, inputs, stride=self.stride[::-1])


@planted("dW is made from patches that are off by a pixel", 2, 3, 1, 1, x=(2, 4, 5, 3), wrong="W")
class ConvPatchesMoved(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        with_window(self, dy, params, False, padding=up_and_left(self.window))
        return dx


@planted("dW is made from patches without the zeros around", 2, 3, 1, 1, x=(2, 4, 5, 3), wrong="W")
class ConvUnpadded(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            inner = replace(self.window, padding=((0, 0), (0, 0)))
            oh, ow = inner.stops
            self.backend.conv_dW(self.x, dy[:, :oh, :ow], inner, out=self.dW)
        return dx


@planted("dW is that of the first image alone", 2, 3, x=(3, 4, 5, 2), wrong="W")
class ConvFirstImage(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.backend.conv_dW(self.x[:1], dy[:1], self.window, out=self.dW)
        return dx


@planted("db is never written", 2, 3, x=(2, 4, 5, 2), wrong="b", complaint="never writes the gradient of")
class ConvNoBias(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        kept = self.db.copy()
        dx = super().backward(dy, params, inputs)
        self.db[...] = kept
        return dx


@planted("db is a mean over the pixels", 2, 3, x=(2, 4, 5, 2), wrong="b")
class ConvBiasMean(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] = dy.mean(axis=(1, 2)).sum(axis=0)
        return dx


def interleaved(array, groups):
    """The channels as if every groups-th one belonged to a group, and not as many in a row."""
    return array.reshape(*array.shape[:3], -1, groups).swapaxes(3, 4).reshape(array.shape)


@planted("dx takes every second channel of dy for a group", 4, 3, 1, 1, groups=2, x=(2, 4, 3, 6), wrong="x")
class ConvGroupsInterleaved(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = self.backend.conv_dx(interleaved(dy, self.groups), self.W, self.window, np.empty_like(self.x))
        return only_dx(self, dy, params, inputs, dx)


@planted("dx of a group stands in the channels of its neighbour", 4, 3, 2, 1, groups=2, x=(2, 5, 4, 6), wrong="x")
class ConvGroupsNeighbour(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return np.roll(dx, dx.shape[3] // self.groups, axis=3) if inputs else None


@planted("dW of a group is made from the x of its neighbour", 6, (2, 3), groups=3, x=(2, 4, 5, 6), wrong="W")
class ConvGroupsOtherX(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            x = np.roll(self.x, self.x.shape[3] // self.groups, axis=3)
            self.backend.conv_dW(x, dy, self.window, out=self.dW)
        return dx


@planted("dW has the columns of the groups interleaved", 4, 3, groups=2, x=(2, 4, 3, 6), wrong="W")
class ConvGroupsColumns(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dW[...] = self.dW.reshape(len(self.dW), self.groups, -1).swapaxes(1, 2).reshape(self.dW.shape)
        return dx


@planted("a depthwise dx forgets the second output of each channel", 6, 3, 1, 1, groups=3, x=(2, 3, 4, 3), wrong="x")
class ConvDepthwiseFirst(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        first = dy.copy()
        first[..., 1::2] = 0
        dx = self.backend.conv_dx(first, self.W, self.window, np.empty_like(self.x))
        return only_dx(self, dy, params, inputs, dx)


@planted("dx takes W's channels in the wrong order", 2, 3, 2, 1, x=(2, 3, 2, 3), wrong="x")
class TransposeChannels(Conv2DTranspose):
    def backward(self, dy, params=True, inputs=True):
        W = self.W.reshape(*self.kernel, -1, self.c_out).swapaxes(2, 3).reshape(self.W.shape)
        return only_dx(self, dy, params, inputs, self.backend.conv(dy, W, self.window, np.empty(self.x.shape)))


@planted("the kernel is flipped in dx", 2, (2, 3), 2, x=(2, 2, 3, 3), wrong="x")
class TransposeFlipped(Conv2DTranspose):
    def backward(self, dy, params=True, inputs=True):
        W = turned(self.W, self.kernel, self.c_out)
        return only_dx(self, dy, params, inputs, self.backend.conv(dy, W, self.window, np.empty(self.x.shape)))


@planted("dx is off by a pixel", 2, 3, 2, 1, x=(2, 3, 4, 2), wrong="x")
class TransposeMoved(Conv2DTranspose):
    def backward(self, dy, params=True, inputs=True):
        moved = replace(self.window, padding=up_and_left(self.window))
        return only_dx(self, dy, params, inputs, self.backend.conv(dy, self.W, moved, np.empty(self.x.shape)))


@planted("dW swaps the roles of x and dy", 2, 3, 2, 1, x=(2, 3, 2, 3), wrong="W")
class TransposeRoles(Conv2DTranspose):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            kernels = self.dW.reshape(*self.kernel, self.c_out, -1)
            self.dW[...] = kernels.swapaxes(2, 3).reshape(self.dW.shape)
        return dx


@planted("db is summed over one column of the image", 2, 3, 2, 1, x=(2, 3, 2, 3), wrong="b")
class TransposeBias(Conv2DTranspose):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] = dy.sum(axis=(0, 1))[0]
        return dx


@planted("db misses the row that output_padding added", 2, 3, 2, 1, (1, 0), x=(2, 3, 2, 3), wrong="b")
class TransposeBiasRows(Conv2DTranspose):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] = dy[:, : -self.output_padding[0]].sum(axis=(0, 1, 2))
        return dx


# Larger and smaller images -------------------------------------------------------------------------------------------


def in_blocks(layer, dy):
    """dy of an UpSampling2D as (n, h, fh, w, fw, c)."""
    (n, h, w, c), (fh, fw) = dy.shape, layer.factor
    return dy.reshape(n, h // fh, fh, w // fw, fw, c)


@planted("a mean over each block in place of the sum", (2, 3), x=(2, 3, 2, 2), wrong="x")
class UpSamplingMean(UpSampling2D):
    def backward(self, dy, params=True, inputs=True):
        return in_blocks(self, dy).mean(axis=(2, 4))


@planted("one pixel of each block in place of the sum", (2, 3), x=(2, 3, 2, 2), wrong="x")
class UpSamplingFirst(UpSampling2D):
    def backward(self, dy, params=True, inputs=True):
        return in_blocks(self, dy)[:, :, 0, :, 0]


@planted("the sum over copies that lie apart, in place of side by side", (2, 3), x=(2, 3, 2, 2), wrong="x")
class UpSamplingTiled(UpSampling2D):
    def backward(self, dy, params=True, inputs=True):
        (n, h, w, c), (fh, fw) = dy.shape, self.factor
        return dy.reshape(n, fh, h // fh, fw, w // fw, c).sum(axis=(1, 3))


@planted("the kernel is not turned by 180 degrees", 3, 3, x=(2, 3, 2, 2), wrong="x W")
class UpSamplingConvTurned(UpSamplingConv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        kernel = (*self.kernel, -1, self.c_out)
        if params:
            self.dW[...] = self.dW.reshape(kernel)[::-1, ::-1].reshape(self.dW.shape)
        K = self.K.reshape(*self.window.kernel, *self.K.shape[-1:], self.c_out)[::-1, ::-1]
        return self.backend.conv(dy, K.reshape(self.K.shape), self.window, out=dx) if inputs else None


@planted("dW takes one of the places in which W was painted", 2, 3, x=(2, 3, 2, 2), wrong="W")
class UpSamplingConvOnce(UpSamplingConv2D):
    def gather(self, dK):
        self.turned(self.dW)[...] = self.shifts(dK)[0]


@planted("the division by kh kw is forgotten", (3, 2), x=(2, 6, 5, 2), wrong="x")
class PoolingSum(AveragePooling2D):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy) * (self.size[0] * self.size[1])


@planted("windows that overlap are assigned in place of added", 3, 2, x=(2, 7, 5, 2), wrong="x")
class PoolingAssigned(AveragePooling2D):
    def backward(self, dy, params=True, inputs=True):
        dx = np.zeros(self.x_shape)
        for pixel in self.pixels(dx):
            pixel[...] = dy / (self.size[0] * self.size[1])
        return dx


@planted("all of dy goes to the first pixel of each window, as if it were the largest", 2, x=(2, 4, 6, 2), wrong="x")
class PoolingLargest(AveragePooling2D):
    def backward(self, dy, params=True, inputs=True):
        dx = np.zeros(self.x_shape)
        self.pixels(dx)[0][...] = dy
        return dx


@planted("divided by h in place of h w", x=(2, 3, 4, 2), wrong="x")
class GlobalHeight(GlobalAveragePooling2D):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy) * self.x_shape[2]


@planted("dx is dy's edge repeated where zeros belong", ((0, 1), (2, 0)), x=(2, 4, 5, 2), wrong="x")
class CroppingEdge(Cropping2D):
    def backward(self, dy, params=True, inputs=True):
        return np.pad(dy, ((0, 0), *self.cropping, (0, 0)), mode="edge")


@planted("dy is put back in a corner in place of the middle", ((1, 2), (2, 1)), x=(2, 5, 6, 2), wrong="x")
class CroppingCorner(Cropping2D):
    def backward(self, dy, params=True, inputs=True):
        dx = np.zeros(self.x_shape)
        dx[:, : dy.shape[1], : dy.shape[2]] = dy
        return dx


@planted("a corner of dy in place of its middle", ((1, 2), (1, 0)), x=(2, 3, 4, 2), wrong="x")
class PaddingCorner(ZeroPadding2D):
    def backward(self, dy, params=True, inputs=True):
        (top, bottom), (left, right) = self.padding
        return dy[:, : -(top + bottom), : -(left + right)]


@planted("dx has whatever its buffer held where zeros belong", ((0, 1), (2, 0)), x=(2, 4, 5, 2), wrong="x")
class CroppingOld(Cropping2D):
    def backward(self, dy, params=True, inputs=True):
        dx = self.buf("dx", self.x_shape)
        dx[self.inside] = dy
        return dx


# Spectral normalisation ----------------------------------------------------------------------------------------------


@planted("sigma is taken as a constant: dW = dW_SN / sigma", Dense(4), 0, x=(7, 3), wrong="Dense.W")
class SpectralConstant(SpectralNorm):
    def through_sigma(self, dW_SN):
        self.layer.dW[...] = dW_SN / self.sigma


@planted("dW is that of W_SN: the division by sigma is forgotten", Dense(4), 0, x=(7, 3), wrong="Dense.W")
class SpectralUndivided(SpectralNorm):
    def through_sigma(self, dW_SN):
        super().through_sigma(dW_SN)
        self.layer.dW[...] *= self.sigma


@planted("W stands in sigma's term in place of W_SN", Dense(4), 0, x=(7, 3), wrong="Dense.W")
class SpectralWrongWeights(SpectralNorm):
    def through_sigma(self, dW_SN):
        along = (dW_SN * self.layer.W).sum()
        self.layer.dW[...] = (dW_SN - along * self.v[:, None] * self.u) / self.sigma


@planted("u and v are swapped in dW", Dense(4), 0, x=(7, 4), wrong="Dense.W")
class SpectralSwapped(SpectralNorm):
    def through_sigma(self, dW_SN):
        along = (dW_SN * self.W_SN).sum()
        self.layer.dW[...] = (dW_SN - along * self.u[:, None] * self.v) / self.sigma


@planted("dx goes through W in place of W_SN", Dense(4), 0, x=(7, 3), wrong="x")
class SpectralWay(SpectralNorm):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return dx * self.sigma if inputs else None


@planted(
    "in a residual block, dW is left as that of W_SN", Conv2D(2, 3, 1, "same"), 0,
    x=(2, 3, 4, 2), wrong="0.SpectralInBlock.Conv2D.W", inside=lambda layer: Residual(layer, Tanh()),
)  # fmt: skip
class SpectralInBlock(SpectralNorm):
    def through_sigma(self, dW_SN):
        self.layer.dW[...] = dW_SN


@planted(
    "in a residual block, backward goes through W: only forward was lent W_SN", Dense(3), 0,
    x=(5, 3), wrong="x", inside=lambda layer: Residual(Tanh(), layer),
)  # fmt: skip
class SpectralUnlent(SpectralNorm):
    def backward(self, dy, params=True, inputs=True):
        dW_SN = np.empty_like(self.W_SN)
        with self.layer.lent(dW=dW_SN):
            dx = self.layer.run_backward(dy, params, inputs)
        if params:
            self.through_sigma(dW_SN)
        return dx


# Layers that hold layers ---------------------------------------------------------------------------------------------

WAY = Dense(3), Tanh(), Dense(3)
SHORTCUT = "shortcut.Dense.W shortcut.Dense.b"


@planted("dx is that of the layers alone: the input's own way is forgotten", *WAY, x=(5, 3), wrong="x")
class ResidualNoIdentity(Residual):
    def backward(self, dy, params=True, inputs=True):
        return Chain.backward(self, dy, params, inputs)


@planted("dx is dy alone: the way through the layers is forgotten", *WAY, x=(5, 3), wrong="x")
class ResidualOnlyIdentity(Residual):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, dy.copy())


@planted("the identity is counted twice", *WAY, x=(5, 3), wrong="x")
class ResidualTwice(Residual):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return dx + dy if inputs else None


@planted("half of dy goes either way, as if y were the mean of the two", *WAY, x=(5, 3), wrong="x 0.* 2.*")
class ResidualHalves(Residual):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy / 2, params, inputs)


@planted(
    "no copy of dy: the input's own way gets what the layers left in its place", *WAY, x=(5, 3),
    wrong="x 0.Dense.W 0.Dense.b", inside=lambda block: Sequential([Dense(3), block, Dense(3)]),
)  # fmt: skip
class ResidualStale(Residual):
    def backward(self, dy, params=True, inputs=True):
        dx = Chain.backward(self, dy, params, inputs)
        return dx + dy if inputs else None


@planted("dx of the shortcut is forgotten", Dense(4), Tanh(), x=(5, 3), wrong="x", shortcut=Dense(4))
class ResidualLayersOnly(Residual):
    def backward(self, dy, params=True, inputs=True):
        self.shortcut.run_backward(dy, params, inputs)
        return Chain.backward(self, dy, params, inputs)


@planted("dx is that of the shortcut alone", Dense(4), Tanh(), x=(5, 3), wrong="x", shortcut=Dense(4))
class ResidualShortcutOnly(Residual):
    def backward(self, dy, params=True, inputs=True):
        Chain.backward(self, dy, params, inputs)
        return self.shortcut.run_backward(dy, params, inputs)


@planted(
    "the shortcut never learns: its backward is called with params=False", Dense(4), Tanh(), x=(5, 3),
    wrong=SHORTCUT, complaint="never writes the gradient of", shortcut=Dense(4),
)  # fmt: skip
class ResidualShortcutFixed(Residual):
    def backward(self, dy, params=True, inputs=True):
        other = self.shortcut.run_backward(dy, False, inputs)
        other = self.kept("other", other) if inputs else None
        dx = Chain.backward(self, dy, params, inputs)
        return dx + other if inputs else None


@planted("the shortcut goes back from the dx of the layers", *WAY, x=(5, 3), wrong=f"x {SHORTCUT}", shortcut=Dense(3))
class ResidualInARow(Residual):
    def backward(self, dy, params=True, inputs=True):
        dx = self.kept("dx of the layers", Chain.backward(self, dy, params))
        other = self.shortcut.run_backward(dx, params, inputs)
        return dx + other if inputs else None


@planted("forward goes through the shortcut behind the layers", *WAY, x=(5, 3), wrong="x 0.* 2.*",
         shortcut=Dense(3))  # fmt: skip
class ResidualForwardInARow(Residual):
    def forward(self, x, train):
        y = Chain.forward(self, x, train)
        return y + self.shortcut.run_forward(y, train)


@planted("the tangent leaves out the input's own way", *WAY, x=(5, 3), complaint="tangent and backward disagree")
class ResidualTangent(Residual):
    def tangent(self, t):
        return Chain.tangent(self, t)


@planted("children go back in the order of forward", list(WAY), x=(5, 3), wrong="x 0.* 2.*")
class ChainInOrder(Sequential):
    def backward(self, dy, params=True, inputs=True):
        for layer in self.layers:
            dy = layer.run_backward(dy, params, True)
        return dy if inputs else None


@planted("every child gets the dy of the whole chain", list(WAY), x=(5, 3), wrong="x 0.*")
class ChainSameDy(Sequential):
    def backward(self, dy, params=True, inputs=True):
        for layer in reversed(self.layers):
            dx = layer.run_backward(dy, params, True)
        return dx if inputs else None


@planted("a child without parameters is left out on the way back", list(WAY), x=(5, 3), wrong="x 0.*")
class ChainLearnersOnly(Sequential):
    def backward(self, dy, params=True, inputs=True):
        for layer in reversed(self.layers):
            dy = layer.run_backward(dy, params, True) if layer.learns else dy
        return dy if inputs else None


@planted("where no dx is wanted, backward stops one child too early", list(WAY), x=(5, 3),
         complaint="never writes the gradient of 0.ChainTooEarly.0.Dense.W")  # fmt: skip
class ChainTooEarly(Sequential):
    def build(self, in_shape):
        out_shape = super().build(in_shape)
        self.first_learner = 2
        return out_shape


@planted("where no dx is wanted, no child is asked for one", list(WAY), x=(5, 3), complaint="0.ChainNoInputs.0.Dense.W",
         inside=lambda chain: Sequential([chain, Tanh()]))  # fmt: skip
class ChainNoInputs(Sequential):
    def backward(self, dy, params=True, inputs=True):
        dx = dy
        for layer in reversed(self.layers):
            dx = layer.run_backward(dx if dx is not None else np.zeros((len(dy), *layer.output_shape)), params, inputs)
        return dx


# Labels --------------------------------------------------------------------------------------------------------------


@planted("dE gets the dy of all samples, whatever their label", 3, 4, x=(5, 7), wrong="E")
class EmbeddingAllLabels(LabelEmbedding):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dE[...] = dy[:, self.d :].sum(axis=0)
        return dx


@planted("dE is a mean over the batch", 3, 4, x=(5, 7), wrong="E")
class EmbeddingMean(LabelEmbedding):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dE[...] /= len(dy)
        return dx


@planted("dE takes the first columns of x for the label", 3, 4, x=(5, 7), wrong="E")
class EmbeddingNoise(LabelEmbedding):
    def forward(self, x, train):
        self.z = x[:, : self.classes].copy()
        return super().forward(x, train)

    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.dE[...] = self.z.T @ dy[:, self.d :]
        return dx


@planted("dx without E^T: the label's part is dy itself", 3, 3, x=(5, 7), wrong="x")
class EmbeddingUntransposed(LabelEmbedding):
    def backward(self, dy, params=True, inputs=True):
        return only_dx(self, dy, params, inputs, dy.copy())


@planted("the parts of noise and label are swapped in dx", 3, 4, x=(5, 7), wrong="x")
class EmbeddingSwapped(LabelEmbedding):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return np.roll(dx, self.classes, axis=1) if inputs else None


@planted("the noise has no gradient", 3, 4, x=(5, 7), wrong="x")
class EmbeddingNoNoise(LabelEmbedding):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return dx * (np.arange(dx.shape[1]) >= self.d) if inputs else None


@planted("the tangent of the label does not go through E", 3, 3, x=(5, 7), complaint="tangent and backward disagree")
class EmbeddingTangent(LabelEmbedding):
    def tangent(self, t):
        return t


# How much the samples of a batch differ ------------------------------------------------------------------------------


def minibatch_dx(layer, dy, mean_term=0.0, share=1.0, root=True, p=None):
    """dx of a MinibatchStd(3) for a batch of one group: as it should be, unless something is asked for."""
    x, rows = layer.x, len(layer.x)
    away = x - x.mean(axis=0)
    std = np.sqrt((away * away).mean(axis=0) + 1e-8)
    ds = dy[..., -1].sum()
    return dy[..., :-1] + share * ds * (away + mean_term * x.mean(axis=0)) / (
        (p or std.size) * rows * (std if root else 1)
    )


@planted("the statistic has no gradient: dx = dy_x", 3, x=(4, 2, 3, 2), wrong="x")
class StdConstant(MinibatchStd):
    def backward(self, dy, params=True, inputs=True):
        return minibatch_dx(self, dy, share=0.0)


@planted("the mean's part is forgotten: x in place of x - mean", 3, x=(4, 2, 3, 2), wrong="x")
class StdMean(MinibatchStd):
    def backward(self, dy, params=True, inputs=True):
        return minibatch_dx(self, dy, mean_term=1.0)


@planted("the derivative of the variance: not divided by the standard deviation", 3, x=(4, 2, 3, 2), wrong="x")
class StdVariance(MinibatchStd):
    def backward(self, dy, params=True, inputs=True):
        return minibatch_dx(self, dy, root=False)


@planted("the division by the number of entries is forgotten", 3, x=(4, 2, 3, 2), wrong="x")
class StdSum(MinibatchStd):
    def backward(self, dy, params=True, inputs=True):
        return minibatch_dx(self, dy, p=1)


@planted("every image gets the gradient of its own copy of s, not of the group's", 3, x=(4, 2, 3, 2), wrong="x")
class StdOwnCopy(MinibatchStd):
    def backward(self, dy, params=True, inputs=True):
        alone = minibatch_dx(self, np.concatenate([0 * dy[..., :-1], np.ones_like(dy[..., -1:])], axis=-1))
        own = dy[..., -1:].sum(axis=(1, 2), keepdims=True) * len(dy) / dy[..., -1].size
        return dy[..., :-1] + own * alone


@planted("backward takes the whole batch for one group", 2, x=(4, 3), wrong="x")
class StdOneGroup(MinibatchStd):
    def backward(self, dy, params=True, inputs=True):
        return minibatch_dx(self, dy)


# Losses --------------------------------------------------------------------------------------------------------------


def planted_in_loss(mistake, shape=(6, 1)):
    """Enter a loss class. Its predictions lie in (0, 1), so that they do for probabilities and for logits."""

    def plant(kind):
        def report(seed):
            pred = get_backend("numpy").random.uniform(shape, seed, "pred", dtype="float64")
            return check(kind(), 0.05 + 0.9 * pred)

        return enter(kind, mistake, "pred", "", report)

    return plant


@planted_in_loss("dpred is the gradient of the sum: 1/n is forgotten")
class LogitsSum(BCEWithLogits):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred * pred.size


@planted_in_loss("dpred takes every target as 1")
class LogitsTarget(BCEWithLogits):
    def __call__(self, pred, target):
        return super().__call__(pred, target)[0], super().__call__(pred, 1.0)[1]


@planted_in_loss("dpred = (s - t) / n: the sigmoid is forgotten")
class LogitsNoSigmoid(BCEWithLogits):
    def __call__(self, pred, target):
        return super().__call__(pred, target)[0], (pred - target) / pred.size


@planted_in_loss("dpred = (p - t) / n, the gradient for the logit")
class BCELogit(BCE):
    def __call__(self, pred, target):
        return super().__call__(pred, target)[0], (pred - target) / pred.size


@planted_in_loss("dpred has the wrong sign")
class BCESign(BCE):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, -dpred


@planted_in_loss("dpred = -t / p / n: what an image called fake costs is forgotten")
class BCEHalf(BCE):
    def __call__(self, pred, target):
        return super().__call__(pred, target)[0], -target / pred / pred.size


@planted_in_loss("the 2 of the square is forgotten", shape=(6, 2))
class SquaredErrorHalf(MeanSquaredError):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred / 2


@planted_in_loss("the gradient of the sum: 1/n is forgotten", shape=(6, 2))
class SquaredErrorSum(MeanSquaredError):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred * pred.size


@planted_in_loss("divided by the number of samples, not by that of all numbers", shape=(6, 2))
class SquaredErrorRows(MeanSquaredError):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred * pred.shape[1]


@planted_in_loss("dpred = p / n: the one-hot rows are not taken away", shape=(5, 4))
class SoftmaxNoTarget(SoftmaxCrossEntropy):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred + self._probabilities(pred, target) / len(pred)


@planted_in_loss("the gradient of the sum: 1/n is forgotten", shape=(5, 4))
class SoftmaxSum(SoftmaxCrossEntropy):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred * len(pred)


@planted_in_loss("divided by n k, as if each logit were a sample", shape=(5, 4))
class SoftmaxSize(SoftmaxCrossEntropy):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred / pred.shape[1]


@planted_in_loss("the gradient is that of the class of the sample before", shape=(5, 4))
class SoftmaxOtherClass(SoftmaxCrossEntropy):
    def __call__(self, pred, target):
        return super().__call__(pred, target)[0], super().__call__(pred, np.roll(target, 1))[1]


@planted_in_loss("only the logit of the right class has a gradient, as if the others did not count", shape=(5, 4))
class SoftmaxOneLogit(SoftmaxCrossEntropy):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred * self._probabilities(pred, target)


# Objectives ----------------------------------------------------------------------------------------------------------


def objective_of(kind, **settings):
    """An objective of this class, with logits."""
    return kind(BCEWithLogits(), **settings) if issubclass(kind, NonSaturating) else kind()


def planted_in_objective(mistake, wrong, **settings):
    """Enter an objective class, whose three losses are right; not so their gradients `real`, `fake` and `generator`."""

    def plant(kind):
        def report(seed):
            pred = get_backend("numpy").random.normal((17, 1), seed, "pred", dtype="float64")
            return check(objective_of(kind, **settings), 2 * pred)

        return enter(kind, mistake, wrong, "", report)

    return plant


@planted_in_objective("G's gradient is the saturating one: its fakes are labelled fake", wrong="generator")
class SaturatingGradient(NonSaturating):
    def generator(self, fake, real=None):
        return super().generator(fake)[0], -super().fake(fake)[1]


@planted_in_objective("G's gradient has D's sign: G descends where it should ascend", wrong="generator")
class SaturatingSign(Saturating):
    def generator(self, fake, real=None):
        loss, dpred = super().generator(fake)
        return loss, -dpred


@planted_in_objective("generated images have no gradient: D learns from the real half alone", wrong="fake")
class RealHalfOnly(NonSaturating):
    def fake(self, pred):
        return super().fake(pred)[0], np.zeros_like(pred)


@planted_in_objective("smoothing is forgotten in the gradient", wrong="real", real_target=0.9)
class SmoothingForgotten(NonSaturating):
    def real(self, pred):
        return super().real(pred)[0], self.loss(pred, 1.0)[1]


@planted_in_objective("gradients of sums in place of means: 1/n is forgotten", wrong="real fake generator")
class SquaresSum(LeastSquares):
    def _half_square(self, error):
        loss, dpred = super()._half_square(error)
        return loss, dpred * dpred.size


@planted_in_objective("a factor of 2 that belongs to squares without the half", wrong="real fake generator")
class SquaresTwice(LeastSquares):
    def _half_square(self, error):
        loss, dpred = super()._half_square(error)
        return loss, 2 * dpred


@planted_in_objective("the gradient pulls generated images to 1, as if they were real", wrong="fake")
class SquaresRealForFake(LeastSquares):
    def fake(self, pred):
        return super().fake(pred)[0], super().real(pred)[1]


@planted_in_objective("the margin is forgotten: every image has a gradient", wrong="real fake")
class HingeNoMask(Hinge):
    def _hinge(self, short, slope):
        return super()._hinge(short, slope)[0], np.full_like(short, slope / short.size)


@planted_in_objective("the mask is reversed: images beyond the margin have the gradient", wrong="real fake")
class HingeReversed(Hinge):
    def _hinge(self, short, slope):
        return super()._hinge(short, slope)[0], (short <= 0) * (slope / short.size)


@planted_in_objective("the margin is 0 in place of 1 in the gradient", wrong="real fake")
class HingeMargin(Hinge):
    def _hinge(self, short, slope):
        return super()._hinge(short, slope)[0], (short > 1) * (slope / short.size)


@planted_in_objective("the slope of 1 - s is taken as 1", wrong="real")
class HingeSlope(Hinge):
    def _hinge(self, short, slope):
        loss, dpred = super()._hinge(short, slope)
        return loss, abs(dpred)


@planted_in_objective("the gradient of the sum of scores: 1/n is forgotten", wrong="fake")
class ScoresSum(Wasserstein):
    def fake(self, pred):
        return super().fake(pred)[0], np.ones_like(pred)


@planted_in_objective("the sign is swapped for G", wrong="generator")
class ScoresSign(Wasserstein):
    def generator(self, fake, real=None):
        loss, dpred = super().generator(fake)
        return loss, -dpred


@planted_in_objective("d_fake has the sign of d_real", wrong="fake")
class PairsSign(Relativistic):
    def discriminator(self, real, fake):
        loss, d_real, _ = super().discriminator(real, fake)
        return loss, d_real, d_real


@planted_in_objective("real images have no gradient: D learns from its fakes alone", wrong="real")
class PairsFakeOnly(Relativistic):
    def discriminator(self, real, fake):
        loss, d_real, d_fake = super().discriminator(real, fake)
        return loss, np.zeros_like(d_real), d_fake


@planted_in_objective("G's gradient is that of D's loss", wrong="generator")
class PairsGradientOfD(Relativistic):
    def generator(self, fake, real=None):
        return super().generator(fake, real)[0], self.discriminator(real, fake)[2]


@planted_in_objective("gradients of sums in place of means: 1/n is forgotten", wrong="real fake generator")
class PairsSum(Relativistic):
    def _f(self, s):
        loss, ds = super()._f(s)
        return loss, ds * ds.size


@planted_in_objective("the gradients are those of the images by themselves, not of their difference", wrong="real fake")
class PairsAlone(Relativistic):
    def discriminator(self, real, fake):
        return super().discriminator(real, fake)[0], self._f(real)[1], -self._f(-fake)[1]


# Whole steps ---------------------------------------------------------------------------------------------------------


STALE = "did not go through the D that the step leaves behind"


def gan_of(kind, seed, maker=tiny_gan, critic=None, **switches):
    """A GAN of this class; or one whose objective, penalty or change of images is of this class, or a layer of its D:
    `critic(kind)`.
    """
    if issubclass(kind, Penalty):
        switches = {"objective": wasserstein} | switches | {"penalty": kind()}
    if issubclass(kind, Objective):
        switches["objective"] = lambda loss: objective_of(kind)
    if issubclass(kind, Change):
        switches["augment"] = type(kind.__name__, (DiffAugment,), {"changes": [kind()]})()
    if issubclass(kind, DiffAugment):
        switches["augment"] = kind()
    if issubclass(kind, Layer):
        switches["critic"] = critic(kind)
    gan = maker(seed=seed, **switches)
    if issubclass(kind, GAN):
        gan.__class__ = kind
    return gan


def planted_in_step(mistake, wrong, complaint="", **switches):
    """Enter a class that a step is made of, for `check`: the gradient is not that of the loss that the step reports."""

    def plant(kind):
        def report(seed):
            gan = gan_of(kind, seed, **switches)
            return check(gan, real_images(gan), seed=seed, expect_zero=scoreless(gan), max_entries=2)

        return enter(kind, mistake, wrong, complaint, report)

    return plant


def planted_in_game(mistake, wrong, complaint="", **switches):
    """Enter a class that a step is made of, for `check_step`: its losses are not the papers', but its gradients fit."""

    def plant(kind):
        def report(seed):
            gan = gan_of(kind, seed, **switches)
            return check_step(gan, real_images(gan), expect_zero=scoreless(gan))

        return enter(kind, mistake, wrong, complaint, report, by="the papers' step")

    return plant


@planted_in_step("G is cut off from D: its gradient is 0, and it never trains", wrong="G.*")
class DetachedG(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        backward = self.G.backward
        self.G.backward = lambda dx_fake, inputs: backward(np.zeros_like(dx_fake), inputs=inputs)
        loss = super()._update_G(x_fake, x_real, rows, k)
        del self.G.backward
        return loss


@planted_in_step("the real batch's loss goes back through the fake batch's activations", wrong="D.* but D.3.Dense.b")
class FakeActivations(GAN):
    def _gradient_of_halves(self, x_real, rows, z, same, count):
        loss_real, d_real = self.objective.real(self.D.forward(x_real, backward=False))
        x_fake = self.G.forward(z, backward=same)
        loss_fake, d_fake = self.objective.fake(self.D.forward(x_fake))
        self.D.backward(d_real + d_fake, inputs=False)
        return [loss_real, loss_fake], loss_fake, x_fake


@planted_in_step("D's forward of before its update serves G, too", wrong="G.*", complaint=STALE, noise="same")
class StaleD(GAN):
    def _scores(self, x, rows, backward=True):
        self.pred = super()._scores(x, rows, backward).copy()
        return self.pred

    def _update_G(self, x_fake, x_real, rows, k):
        self.D.awaits_backward = True  # the guard that makes this mistake hard
        loss, dpred = self.objective.generator(self.pred)
        self.G.backward(self.D.backward(dpred, params=False), inputs=False)
        self.g_optimizer.step()
        return loss


@planted_in_step("G goes back through the activations of other noise", wrong="G.*")
class OtherNoise(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        G, D, n = self.G, self.D, len(x_fake)
        x_fake = G.forward(self.draw_noise(n, "G", self.steps), backward=False)
        loss, dpred = self.objective.generator(D.forward(x_fake))
        G.forward(self.draw_noise(n, "D", self.steps))
        G.backward(D.backward(dpred, params=False), inputs=False)
        self.g_optimizer.step()
        return loss


@planted_in_step("the fake half's gradient overwrites the real one: add is forgotten", wrong="D.*")
class ForgetsAdd(GAN):
    def _update_D(self, x_real, rows, count, last):
        backward = self.D.backward
        self.D.backward = lambda dpred, inputs, add=False: backward(dpred, inputs=inputs)
        found = super()._update_D(x_real, rows, count, last)
        del self.D.backward
        return found


@planted_in_step("of two steps, the second has the gradient of both halves", wrong="D.*", d_update="two_steps")
class TwoStepsSummed(GAN):
    def _gradient_of_halves(self, x_real, rows, z, same, count):
        self.d_update = "summed"
        loss_real, dpred = self.objective.real(self.D.forward(x_real))
        self.D.backward(dpred, inputs=False)
        self._move_D()
        x_fake = self.G.forward(z, backward=same)
        loss_fake, dpred = self.objective.fake(self.D.forward(x_fake))
        self.D.backward(dpred, inputs=False, add=True)
        return [loss_real, loss_fake], loss_fake, x_fake


@planted_in_step(
    "D's weights are clipped only after G has gone through them",
    wrong="G.*",
    complaint=STALE,
    clip=WeightClipping(0.05),
)
class ClippedLate(GAN):
    def step(self, x_real, labels=None):
        clip, self.clip = self.clip, None
        losses = super().step(x_real, labels)
        self.clip = clip
        clip(self.D)
        return losses


@planted_in_step("D's backward stops a layer too early", wrong="D.1.Dense.W D.1.Dense.b")
class StopsEarly(GAN):
    def _update_D(self, x_real, rows, count, last):
        self.D.first_learner += 1
        found = super()._update_D(x_real, rows, count, last)
        self.D.first_learner -= 1
        return found


# Pairs.


@planted_in_step("of a pair, the fake's gradient is overwritten by the real one's: add is forgotten", wrong="D.*",
                 objective=Relativistic)  # fmt: skip
class PairsForgetAdd(GAN):
    def _gradient_of_pairs(self, x_real, rows, z, same, count):
        backward = self.D.backward
        self.D.backward = lambda dpred, inputs, add=False: backward(dpred, inputs=inputs)
        found = super()._gradient_of_pairs(x_real, rows, z, same, count)
        del self.D.backward
        return found


@planted_in_step("of a pair, the real image's half goes back through the fake's activations",
                 wrong="D.* but D.3.Dense.b", objective=Relativistic)  # fmt: skip
class PairsFakeActivations(GAN):
    def _gradient_of_pairs(self, x_real, rows, z, same, count):
        real = self.D.forward(x_real, backward=False).copy()
        x_fake = self.G.forward(z, backward=same)
        fake = self.D.forward(x_fake)
        loss, d_real, d_fake = self.objective.discriminator(real, fake)
        self.D.backward(d_real + d_fake, inputs=False)
        return [loss], loss, x_fake


@planted_in_step("the second forward on the real images has other masks of Dropout", "D.* but D.7.Dense.b",
                 objective=Relativistic, maker=conv_gan, rate=0.5)  # fmt: skip
class PairsOtherMasks(GAN):
    def _gradient_of_pairs(self, x_real, rows, z, same, count):
        scores, calls = self._scores, []

        def with_new_masks(x, rows, backward=True):
            calls.append(x)
            self.D.forwards += 5 * (len(calls) == 3)
            return scores(x, rows, backward)

        self._scores = with_new_masks
        found = super()._gradient_of_pairs(x_real, rows, z, same, count)
        del self._scores
        return found


@planted_in_step("D goes back through its real images only", wrong="D.*", objective=Relativistic)
class PairsRealOnly(GAN):
    def _gradient_of_pairs(self, x_real, rows, z, same, count):
        found = super()._gradient_of_pairs(x_real, rows, z, same, count)
        pred = self.D.forward(found[2], backward=False).copy()
        _, d_real, _ = self.objective.discriminator(self.D.forward(x_real), pred)
        self.D.backward(d_real, inputs=False)
        return found


# Classes: D has a number for each, and that of the label counts.


@planted_in_step("every class has the gradient, not the label's alone", wrong="D.* G.*", classes=3)
class EveryClass(GAN):
    def _for_D(self, dpred, pred, rows):
        return np.repeat(dpred, self.classes, axis=1)


@planted_in_step("the gradient goes to the class of another image", wrong="D.* G.*", classes=3)
class OtherClass(GAN):
    def _for_D(self, dpred, pred, rows):
        return super()._for_D(dpred, pred, np.roll(rows, 1, axis=0))


@planted_in_step("the label is ignored in the loss: the scores of all classes are added up", "D.* G.*", classes=3)
class SummedClasses(GAN):
    def _scores(self, x, rows, backward=True):
        return self.D.forward(x, backward=backward).sum(axis=1, keepdims=True)


# Several updates of G.


@planted_in_step("of two updates of G, the second has the sum of both gradients", wrong="G.*", g_steps=2)
class AddedUpdates(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        backward = self.G.backward
        self.G.backward = lambda dx, inputs: backward(dx, inputs=inputs, add=k > 0)
        loss = super()._update_G(x_fake, x_real, rows, k)
        del self.G.backward
        return loss


# Penalties: a critic of LeakyReLUs is linear in pieces, and its slope does not depend on its biases.

WEIGHTS = "D.1.Dense.W D.3.Dense.W"


@planted_in_step("the penalty is in the loss, and not in the gradient", wrong=WEIGHTS)
class PenaltyNotDifferentiated(GradientPenalty):
    def __call__(self, D, x, chosen=None):
        return self.term(D.backward(np.ones_like(D.forward(x)), params=False))[0]


@planted_in_step("1/n is forgotten in dP/dg", wrong=WEIGHTS)
class PenaltySum(GradientPenalty):
    def term(self, g):
        loss, u = super().term(g)
        return loss, u * len(g)


@planted_in_step("the 2 of the square is forgotten in dP/dg", wrong=WEIGHTS)
class PenaltyHalf(GradientPenalty):
    def term(self, g):
        loss, u = super().term(g)
        return loss, u / 2


@planted_in_step("dP/dg is not divided by the length of g", wrong=WEIGHTS)
class PenaltyUndivided(GradientPenalty):
    def term(self, g):
        loss, u = super().term(g)
        return loss, u * np.sqrt((g * g).sum(axis=(1, 2, 3), keepdims=True))


@planted_in_step("1/n is forgotten in dP/dg", wrong=WEIGHTS)
class R1Sum(R1):
    def term(self, g):
        loss, u = super().term(g)
        return loss, u * len(g)


# Second derivatives through layers that hold layers. A critic with a block between two Dense layers: curved, so that
# its slope depends on its biases, too, but for the last.

GP = {"objective": wasserstein, "penalty": GradientPenalty(3.0)}


def block_of(kind):
    """A critic with a block that adds the input itself."""
    return [Flatten(), Dense(3), kind(Tanh(), Dense(3)), Tanh(), Dense(1)]


def shortcut_of(kind):
    """One whose shortcut is curved."""
    shortcut = Sequential([Dense(2), Tanh()])
    return [Flatten(), Dense(3), kind(Tanh(), Dense(2), shortcut=shortcut), Tanh(), Dense(1)]


def chain_of(kind):
    """One with a chain."""
    return [Flatten(), Dense(3), kind([Tanh(), Dense(3), Tanh()]), Dense(1)]


@planted_in_step("tangents leave out the input's own way", "D.* but D.4.Dense.b", critic=block_of, **GP)
class ResidualTangents(Residual):
    def tangents(self, t, dy):
        return Chain.tangents(self, t, dy)


@planted_in_step("tangents leave out the shortcut, and with it what it finds", "D.* but D.4.Dense.b",
                 critic=shortcut_of, **GP)  # fmt: skip
class ResidualTangentsShortcut(Residual):
    def tangents(self, t, dy):
        J_t, curved = Chain.tangents(self, t, dy)
        return J_t.copy(), curved


@planted_in_step("the curvature of the shortcut is not passed on", "D.1.*", critic=shortcut_of, **GP)
class ResidualBend(Residual):
    def tangents(self, t, dy):
        t = self.kept("t", t)
        J_t, curved = Chain.tangents(self, t, dy)
        J_t = J_t.copy()
        return J_t + self.shortcut.run_tangents(t)[0], curved


@planted_in_step("the curvature of the layers is not passed on to what comes before the block", "D.1.*",
                 critic=block_of, objective=wasserstein, penalty=R1(3.0))  # fmt: skip
class ResidualFlat(Residual):
    def tangents(self, t, dy):
        return super().tangents(t, dy)[0], None


@planted_in_step("what the curvature of the layers is for the block's x is counted twice", "D.1.*",
                 critic=block_of, **GP)  # fmt: skip
class ResidualCurvedTwice(Residual):
    def tangents(self, t, dy):
        J_t, curved = super().tangents(t, dy)
        return J_t, 2 * curved


@planted_in_step("the curvature's share of the gradients inside is lost", "D.1.* D.2.*", critic=chain_of, **GP)
class ChainNoShare(Sequential):
    def _back(self, curved, inputs):
        return curved[0]


@planted_in_step("the curvature's share replaces what the tangents found", "D.2.ChainNoExplicit.1.Dense.W",
                 critic=chain_of, objective=wasserstein, penalty=R1(3.0))  # fmt: skip
class ChainNoExplicit(Sequential):
    def _back(self, curved, inputs):
        self.grads[...] = 0
        return super()._back(curved, inputs)


@planted_in_step("a layer's own curvature is forgotten where some comes from above", "D.1.*", critic=chain_of, **GP)
class ChainOneBend(Sequential):
    def _back(self, curved, inputs):
        last = max(i for i, bend in enumerate(curved) if bend is not None)
        return super()._back([bend if i == last else None for i, bend in enumerate(curved)], inputs)


# Another game: losses that are not the papers', with gradients that fit.


@planted_in_game("G learns from the weights that D had before its update", wrong="G.*")
class OldD(GAN):
    def step(self, x_real, labels=None):
        self.before = self.D.params.copy()
        return super().step(x_real, labels)

    def _update_G(self, x_fake, x_real, rows, k):
        after, self.D.params[...] = self.D.params.copy(), self.before
        loss = super()._update_G(x_fake, x_real, rows, k)
        self.D.params[...] = after
        return loss


@planted_in_game("D's fakes come from predict: by BatchNorm, of another generator", wrong="D.*")
class PredictedFakes(GAN):
    def _update_D(self, x_real, rows, count, last):
        forward, self.G.forward = self.G.forward, lambda z, backward: self.G.predict(z)
        found = super()._update_D(x_real, rows, count, last)
        self.G.forward = forward
        return found


@planted_in_game("real and fake images share a batch, and so BatchNorm's statistics", "D.*", maker=conv_gan, rate=0)
class JointBatch(GAN):
    def _gradient_of_halves(self, x_real, rows, z, same, count):
        x_fake, n = self.G.forward(z, backward=same), len(x_real)
        pred = self.D.forward(np.concatenate([x_real, x_fake]))
        (loss_real, d_real), (loss_fake, d_fake) = self.objective.real(pred[:n]), self.objective.fake(pred[n:])
        self.D.backward(np.concatenate([d_real, d_fake]), inputs=False)
        return [loss_real, loss_fake], loss_fake, x_fake


@planted_in_game("two_steps is played as summed", wrong="D.*", complaint="D was updated", d_update="two_steps")
class TwoStepsAtOnce(GAN):
    def step(self, x_real, labels=None):
        self.d_update = "summed"
        losses = super().step(x_real, labels)
        self.d_update = "two_steps"
        return losses


@planted_in_game("G wants its images called fake, as D does", wrong="G.*")
class FakeLabelForG(NonSaturating):
    def generator(self, fake, real=None):
        return self.loss(fake, 0.0)


@planted_in_game("twice the paper's loss: the half is forgotten", wrong="D.* G.*")
class SquaresWithoutHalf(LeastSquares):
    def _half_square(self, error):
        loss, dpred = super()._half_square(error)
        return 2 * loss, 2 * dpred


@planted_in_game("G wants low scores: the sign is swapped in the loss as well", wrong="G.*")
class ScoresLowForG(Wasserstein):
    def generator(self, fake, real=None):
        return self.fake(fake)


@planted_in_game("the critic wants low scores for real images and high ones for fakes", wrong="D.* but D.3.Dense.b")
class ScoresSwapped(Wasserstein):
    def real(self, pred):
        return super().fake(pred)

    def fake(self, pred):
        return super().real(pred)


@planted_in_game("G plays on D's side: it wants the real image above its own", wrong="G.*")
class PairsDsSide(Relativistic):
    def generator(self, fake, real=None):
        loss, ds = self._f(real - fake)
        return loss, -ds


@planted_in_game("each real image is compared with the mean of all fakes", wrong="D.* but D.3.Dense.b")
class PairsWithMean(Relativistic):
    def discriminator(self, real, fake):
        loss, ds = self._f(real - fake.mean())
        return loss, ds, np.full_like(fake, -ds.mean())


@planted_in_game("each image is compared with the fake of another pair", wrong="D.* but D.3.Dense.b")
class PairsShifted(Relativistic):
    def discriminator(self, real, fake):
        loss, ds = self._f(real - np.roll(fake, 1, axis=0))
        return loss, ds, -np.roll(ds, -1, axis=0)


@planted_in_game("G's images are compared with the scores that D gave before its update", wrong="G.*",
                 objective=Relativistic)  # fmt: skip
class PairsOldScores(GAN):
    def _gradient_of_pairs(self, x_real, rows, z, same, count):
        self.old = self._scores(x_real, rows, backward=False).copy()
        return super()._gradient_of_pairs(x_real, rows, z, same, count)

    def _update_G(self, x_fake, x_real, rows, k):
        generator = self.objective.generator
        self.objective.generator = lambda fake, real: generator(fake, self.old)
        loss = super()._update_G(x_fake, x_real, rows, k)
        del self.objective.generator
        return loss


@planted_in_game("the label is ignored: the score of class 0 counts for every image", wrong="D.* G.*", classes=3)
class FirstClass(GAN):
    def _scores(self, x, rows, backward=True):
        return self.D.forward(x, backward=backward)[:, :1].copy()

    def _for_D(self, dpred, pred, rows):
        return dpred * (np.arange(self.classes) == 0)


@planted_in_game("D's fakes are judged as what another image shows", wrong="D.*", classes=3)
class OtherFakes(GAN):
    def _gradient_of_halves(self, x_real, rows, z, same, count):
        z[:, -self.classes :] = np.roll(rows, 1, axis=0)
        return super()._gradient_of_halves(x_real, rows, z, same, count)


@planted_in_game("G makes images of other classes than those they are judged as", wrong="G.*", classes=3)
class OtherClassesForG(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        forward = self.G.forward
        self.G.forward = lambda z: forward(np.hstack([z[:, : -self.classes], np.roll(rows, 1, axis=0)]))
        loss = super()._update_G(x_fake, x_real, rows, k)
        del self.G.forward
        return loss


@planted_in_game("the one-hot rows are left out of what G gets in its own update", wrong="G.*", classes=3)
class NoRowsForG(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        forward = self.G.forward
        self.G.forward = lambda z: forward(np.hstack([z[:, : -self.classes], np.zeros_like(rows)]))
        loss = super()._update_G(x_fake, x_real, rows, k)
        del self.G.forward
        return loss


@planted_in_game("the second update of G takes the noise of the first", wrong="G.*", g_steps=2)
class SameNoiseTwice(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        self.draw_noise = lambda n, stream, step: GAN.draw_noise(self, n, stream, step - k)
        loss = super()._update_G(x_fake, x_real, rows, k)
        del self.draw_noise
        return loss


@planted_in_game("the second update of G has the images, and the way back, of before the first", wrong="G.*", g_steps=2)
class NoNewForward(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        forward, before = self.G.forward, self.G.params.copy()
        if k > 0:
            self.G.params[...] = self.first
            self.G.forward = lambda z: forward(self.z)
        else:
            self.G.forward = lambda z: (self.__dict__.update(z=z, first=before), forward(z))[1]
        step, self.g_optimizer.step = self.g_optimizer.step, lambda: None
        loss = super()._update_G(x_fake, x_real, rows, k)
        del self.G.forward, self.g_optimizer.step
        self.G.params[...] = before
        step()
        return loss


@planted_in_game("the norm is taken over one axis of the image", wrong=WEIGHTS)
class PenaltyOneAxis(GradientPenalty):
    def term(self, g):
        r = np.sqrt((g * g).sum(axis=1, keepdims=True))
        return self.weight * ((r - 1) ** 2).mean(), 2 * self.weight / r.size * (r - 1) * g / r


@planted_in_game("the slope is taken at the fakes, not between them and the real images", wrong=WEIGHTS)
class PenaltyAtFakes(GradientPenalty):
    def images(self, x_real, x_fake, share):
        return x_fake


@planted_in_game("the slope is that of all classes together, not of the label's score", wrong=WEIGHTS, classes=3)
class PenaltyEveryClass(GradientPenalty):
    def __call__(self, D, x, chosen=None):
        return super().__call__(D, x, np.ones_like(chosen))


@planted_in_game("gamma in place of gamma / 2", wrong=WEIGHTS)
class R1Twice(R1):
    def term(self, g):
        loss, u = super().term(g)
        return 2 * loss, 2 * u


@planted_in_game("the slope is taken at the fakes, not at the real images", wrong=WEIGHTS)
class R1AtFakes(R1):
    def images(self, x_real, x_fake, share):
        return x_fake


@planted_in_game("the real images twice: no R2", wrong=WEIGHTS)
class R1TwiceForR1R2(R1R2):
    def images(self, x_real, x_fake, share):
        return np.concatenate([x_real, x_real])


@planted_in_game("the mean over both batches, where each has a mean of its own", wrong=WEIGHTS)
class R1R2Mean(R1R2):
    def term(self, g):
        loss, u = super().term(g)
        return loss / 2, u / 2


@planted_in_game("labels of the real images only", wrong=WEIGHTS, classes=3)
class R1R2Unlabelled(R1R2):
    def __call__(self, D, x, chosen=None):
        return super().__call__(D, x, np.concatenate([chosen, np.roll(chosen, 1, axis=1)]))


# A fused update of D -------------------------------------------------------------------------------------------------


FUSED = {"penalty": R1R2(2.0), "fused": True}


def dense_of(kind):
    """A critic whose first layer with weights is of this class."""
    return [Flatten(), kind(4), LeakyReLU(0.2), Dense(1)]


@planted("fused: db is that of the penalty alone", 4, x=(5, 3), complaint="fused is wrong for b")
class FusedNoBias(Dense):
    def fused(self, t, dy, s):
        J_t = super().fused(t, dy, s)
        self.db[...] = 0
        return J_t


@planted("fused: t is what came", x=(5, 3), complaint="fused returns something else than J t")
class FusedIdle(Bias):
    def fused(self, t, dy, s):
        super().fused(t, dy, s)
        return 2 * t


@planted_in_step("fused: the loss's part of dW is forgotten", "D.1.*.W", critic=dense_of, **FUSED)
class FusedPenaltyAlone(Dense):
    def fused(self, t, dy, s):
        J_t = super().fused(t, dy, s)
        self.dW[...] = t.T @ dy
        return J_t


@planted_in_step("fused: the penalty's part of dW is forgotten", "D.1.*.W", critic=dense_of, **FUSED)
class FusedLossAlone(Dense):
    def fused(self, t, dy, s):
        J_t = super().fused(t, dy, s)
        self.dW[...] = (s * self.x).T @ dy
        return J_t


@planted_in_step("fused: x has not the weights of the rows", "D.1.*.W", critic=dense_of, **FUSED)
class FusedUnweighted(Dense):
    def fused(self, t, dy, s):
        J_t = super().fused(t, dy, s)
        self.dW[...] = (self.x + t).T @ dy
        return J_t


@planted_in_step("fused: db has not the weights of the rows", "D.1.*.b", critic=dense_of, **FUSED)
class FusedBiasUnweighted(Dense):
    def fused(self, t, dy, s):
        J_t = super().fused(t, dy, s)
        self.db[...] = dy.sum(axis=0)
        return J_t


@planted_in_step("fused: db has not the weights of the rows", "D.0.*.b", **FUSED,
                 critic=lambda kind: [kind(2, 2), LeakyReLU(0.2), Flatten(), Dense(1)])  # fmt: skip
class FusedConvBias(Conv2D):
    def weighted_sum(self, s, dy):
        return dy.sum(axis=(0, 1, 2))


@planted_in_step("fused: b has not the weights of the rows", "D.2.*.b", **FUSED,
                 critic=lambda kind: [Flatten(), Dense(3), kind(), LeakyReLU(0.2), Dense(1)])  # fmt: skip
class FusedBias(Bias):
    def weighted_sum(self, s, dy):
        return dy.sum(axis=0)


@planted_in_step("fused: t goes on as if the slope were 1", "D.3.Dense.W", **FUSED,
                 critic=lambda kind: [Flatten(), Dense(4), kind(0.2), Dense(1)])  # fmt: skip
class FusedSlopeless(LeakyReLU):
    def fused(self, t, dy, s):
        return t.copy()


@planted_in_step("fused: t leaves out the input's own way", "D.4.Dense.W", **FUSED,
                 critic=lambda kind: [Flatten(), Dense(3), kind(LeakyReLU(0.2), Dense(3)), LeakyReLU(0.2),
                                      Dense(1)])  # fmt: skip
class FusedOneWay(Residual):
    def fused(self, t, dy, s):
        return Chain.fused(self, t, dy, s)


@planted_in_step("fused: the shortcut's t is the layers' own", "D.4.Dense.W", **FUSED,
                 critic=lambda kind: [Flatten(), Dense(3), kind(LeakyReLU(0.2), Dense(2), shortcut=Dense(2)),
                                      LeakyReLU(0.2), Dense(1)])  # fmt: skip
class FusedTwoWays(Residual):
    def fused(self, t, dy, s):
        t = self.kept("t", t)
        self.shortcut.run_fused(t, s)
        return 2 * Chain.fused(self, t, dy, s)


@planted_in_step("fused: the singular value's share of dW is forgotten", "D.1.*.W", **FUSED,
                 critic=lambda kind: [Flatten(), kind(Dense(4), 0), LeakyReLU(0.2), Dense(1)])  # fmt: skip
class FusedSigma(SpectralNorm):
    def fused(self, t, dy, s):
        self.__dict__["through_sigma"] = lambda dW_SN: self.layer.dW.__setitem__(..., dW_SN)
        J_t = super().fused(t, dy, s)
        del self.__dict__["through_sigma"]
        return J_t


@planted_in_step("fused: the generated images have the gradients of the real ones", "D.* but D.3.Dense.b", **FUSED)
class FusedSwapped(GAN):
    def _gradient_fused(self, x_real, rows, z, same, count):
        fused_backward = self.D.fused_backward
        self.D.__dict__["fused_backward"] = lambda u, s: fused_backward(u, np.roll(s, len(s) // 2, axis=0))
        found = super()._gradient_fused(x_real, rows, z, same, count)
        del self.D.__dict__["fused_backward"]
        return found


@planted_in_game("fused: the slope at the generated images counts, too", wrong=WEIGHTS, fused=True)
class FusedR1AtBoth(R1):
    def of_batches(self, g):
        return R1R2(self.gamma).of_batches(g)


@planted_in_game("fused: the slope at the generated images does not count", wrong=WEIGHTS, fused=True)
class FusedR1R2AtReal(R1R2):
    def of_batches(self, g):
        return R1(self.gamma).of_batches(g)


# What D sees: changed images, and packs -------------------------------------------------------------------------------

CHANGED = {"maker": conv_gan, "augment": "color,translation,cutout"}


@planted_in_step("the mean's part is forgotten: dx = c dy", wrong="G.*", maker=conv_gan)
class ContrastNoMean(Contrast):
    def backward(self, dy, u):
        return self.factor(u) * dy


@planted_in_step("the mean's part has the factor as well: dx = c (dy + m')", wrong="G.*", maker=conv_gan)
class ContrastScaledMean(Contrast):
    def backward(self, dy, u):
        return self.factor(u) * (dy + dy.mean(axis=self.axes, keepdims=True))


@planted_in_step("the mean over the whole image stands in for a pixel's", wrong="G.*", maker=conv_gan)
class SaturationOtherMean(Saturation):
    def backward(self, dy, u):
        m = dy.mean(axis=(1, 2, 3), keepdims=True)
        return m + self.factor(u) * (dy - m)


@planted_in_step("what was added is subtracted from the gradient", wrong="G.*", maker=conv_gan)
class BrightnessSubtracted(Brightness):
    def backward(self, dy, u):
        return dy - (u[0] - 0.5)


@planted_in_step("backward moves the same way as forward", wrong="G.*", maker=conv_gan)
class TranslationSameWay(Translation):
    def backward(self, dy, u):
        return self.forward(dy, u)


@planted_in_step("what leaves the image comes back at the other side in backward", wrong="G.*", maker=conv_gan)
class TranslationRolled(Translation):
    def backward(self, dy, u):
        down, right = (one.ravel() for one in self.shifts(dy, u))
        return np.array([np.roll(image, (-d, -r), (0, 1)) for image, d, r in zip(dy, down, right, strict=True)])


@planted_in_step("the black square has a gradient: the mask is forgotten", wrong="G.*", maker=conv_gan)
class CutoutNoMask(Cutout):
    def backward(self, dy, u):
        return dy.copy()


@planted_in_step("the changes go back in the order of forward", wrong="G.*", maker=conv_gan)
class AugmentInOrder(DiffAugment):
    def backward(self, dy, u):
        for change, own in self._shares(u):
            dy = change.backward(dy, own)
        return dy


@planted_in_step("G's update does not go back through T", wrong="G.*", **CHANGED)
class NotThroughT(GAN):
    def _to_images(self, dx, batch, count):
        return dx.copy()


@planted_in_step("T's backward draws random numbers of its own", wrong="G.*", **CHANGED)
class DrawnAgain(GAN):
    def _to_images(self, dx, batch, count):
        return super()._to_images(dx, "another", count)


@planted_in_game("generated images are not changed", wrong="D.*", **CHANGED)
class OnlyRealChanged(GAN):
    def _shown(self, x, batch, count):
        return x if batch == "fake" else super()._shown(x, batch, count)


@planted_in_game("real images are not changed, and D tells them by that", wrong="D.*", **CHANGED)
class OnlyFakesChanged(GAN):
    def _shown(self, x, batch, count):
        return x if batch == "real" else super()._shown(x, batch, count)


@planted_in_game("real and generated images get the same random numbers", wrong="D.*", **CHANGED)
class ChangedAlike(GAN):
    def _shown(self, x, batch, count):
        return super()._shown(x, "real" if batch == "fake" else batch, count)


@planted_in_game("in its own update, G's images are not changed", wrong="G.*", **CHANGED)
class UnchangedForG(GAN):
    def _shown(self, x, batch, count):
        return x if batch == "G" else super()._shown(x, batch, count)

    def _to_images(self, dx, batch, count):
        return dx


@dataclass(frozen=True)
class RealOf(R1):
    """R1 at these images, whatever D saw."""

    x: object = None

    def images(self, x_real, x_fake, share):
        return self.x


@planted_in_game("the penalty looks at images that are not changed",
                 wrong="D.* but D.0.Conv2D.b D.3.Conv2D.b D.6.Dense.b",
                 objective=wasserstein, penalty=R1(3.0), **CHANGED)  # fmt: skip
class PenaltyUnchanged(GAN):
    def _update_D(self, x_real, rows, count, last):
        self.penalty_now = RealOf(self.penalty.gamma, x_real)
        return super()._update_D(x_real, rows, count, last)


PACKED = {"maker": conv_gan, "pack": 2}


@planted_in_step("the gradient of a pack is cut by rows, as if its samples lay one after the other", wrong="G.*",
                 **PACKED)  # fmt: skip
class PackReshaped(GAN):
    def _to_images(self, dx, batch, count):
        return dx.reshape(-1, *self.G.output_shape)


@planted_in_step("each sample of a pack gets the gradient of the other", wrong="G.*", **PACKED)
class PackSwapped(GAN):
    def _to_images(self, dx, batch, count):
        return (
            super()
            ._to_images(dx, batch, count)
            .reshape(-1, 2, *self.G.output_shape)[:, ::-1]
            .reshape(-1, *self.G.output_shape)
        )


@planted_in_game("a pack of generated samples is one of them, twice", wrong="D.*", **PACKED)
class PackOfOne(GAN):
    def _shown(self, x, batch, count):
        return super()._shown(np.repeat(x[::2], 2, axis=0) if batch == "fake" else x, batch, count)


@planted_in_game("real samples are packed from both halves of the batch, not in their order", wrong="D.*", **PACKED)
class PackOfHalves(GAN):
    def _shown(self, x, batch, count):
        if batch != "real":
            return super()._shown(x, batch, count)
        return np.concatenate(np.split(x, self.pack), axis=-1)


# The page ------------------------------------------------------------------------------------------------------------


def table():
    """The table of docs/mutants.md."""
    lines = ["| no. | where | what was planted | called WRONG | complaint | by |", "|---|---|---|---|---|---|"]
    for number, mutant in enumerate(MUTANTS, 1):
        wrong = f"`{mutant.wrong}`" if mutant.wrong else "no gradient"
        cells = (str(number), mutant.where, mutant.mistake, wrong, mutant.complaint, mutant.by)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
