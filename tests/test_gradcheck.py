"""Test the test: the gradient check must call every planted mistake wrong, in the right place, and say so readably."""

from dataclasses import replace

import numpy as np
import pytest

from minigan import BCE, BCEWithLogits, Sequential, models
from minigan.errors import SettingsError
from minigan.gradcheck import NOTHING_TESTED, OK, WRONG, GradientError, assert_gradients, check, numeric_gradient
from minigan.layers import (
    AveragePooling2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)


def mutant(parent, name, method="backward"):
    """A subclass of a layer or a loss with one method replaced: `name` says which mistake was planted."""

    def plant(function):
        return type(name, (parent,), {method: function})

    return plant


# Dense ---------------------------------------------------------------------------------------------------------------


@mutant(Dense, "dW is a mean over the batch")
def dense_mean(self, dy, params=True, inputs=True):
    dx = Dense.backward(self, dy, params, inputs)
    if params:
        self.dW[...] /= len(dy)
    return dx


@mutant(Dense, "db misses all but the first sample")
def dense_bias(self, dy, params=True, inputs=True):
    dx = Dense.backward(self, dy, params, inputs)
    if params:
        self.db[...] = dy[0]
    return dx


@mutant(Dense, "dx goes through W with its columns reversed")
def dense_columns(self, dy, params=True, inputs=True):
    Dense.backward(self, dy, params, inputs=False)
    return dy @ self.W[:, ::-1].T if inputs else None


@mutant(Dense, "dW accumulates")
def dense_accumulates(self, dy, params=True, inputs=True):
    before = self.dW.copy()
    dx = Dense.backward(self, dy, params, inputs)
    if params:
        self.dW[...] += before
    return dx


@mutant(Dense, "dW is computed with a stale x")
def dense_stale(self, dy, params=True, inputs=True):
    self.x, kept = self.__dict__.get("old_x", np.zeros_like(self.x)), self.x
    dx = Dense.backward(self, dy, params, inputs)
    self.old_x = kept
    return dx


@mutant(Dense, "params=False is ignored")
def dense_params(self, dy, params=True, inputs=True):
    return Dense.backward(self, dy, True, inputs)


@mutant(Dense, "forward changes its input", "forward")
def dense_inplace(self, x, train):
    y = Dense.forward(self, x, train).copy()
    x *= 2
    return y


@mutant(Dense, "backward changes dy")
def dense_changes_dy(self, dy, params=True, inputs=True):
    dx = Dense.backward(self, dy, params, inputs).copy() if inputs else None
    dy *= 2
    return dx


# Activations ---------------------------------------------------------------------------------------------------------


@mutant(LeakyReLU, "the slope is forgotten")
def leaky_slope(self, dy, params=True, inputs=True):
    return dy * (self.x > 0)


@mutant(LeakyReLU, "the mask is taken from dy")
def leaky_mask(self, dy, params=True, inputs=True):
    return dy * np.where(dy > 0, 1, self.slope)


@mutant(ReLU, "the mask is forgotten")
def relu_mask(self, dy, params=True, inputs=True):
    return dy.copy()


@mutant(Tanh, "1 - y instead of 1 - y^2")
def tanh_square(self, dy, params=True, inputs=True):
    return dy * (1 - self.y)


@mutant(Tanh, "an offset that does not scale with dy")
def tanh_offset(self, dy, params=True, inputs=True):
    return dy * (1 - self.y**2) + 1e-3


@mutant(Sigmoid, "y instead of y (1 - y)")
def sigmoid_slope(self, dy, params=True, inputs=True):
    return dy * self.y


# BatchNorm -----------------------------------------------------------------------------------------------------------


def normalised(layer):
    """x_hat of a BatchNorm's last forward."""
    return (layer.x - layer.x_mean) * layer.inverse_std


def batchnorm_dx(self, dy, mean_term=1.0, variance_term=1.0, scale=1.0):
    x_hat = normalised(self)
    rows = tuple(range(dy.ndim - 1))
    dgamma, dbeta = (dy * x_hat).sum(axis=rows), dy.sum(axis=rows)
    self.dgamma[...], self.dbeta[...] = dgamma, dbeta
    inner = dy - mean_term * dbeta / self.m - variance_term * x_hat * dgamma / self.m
    return scale * self.gamma * self.inverse_std * inner


@mutant(BatchNorm, "dx without the mean's term")
def batchnorm_mean(self, dy, params=True, inputs=True):
    return batchnorm_dx(self, dy, mean_term=0)


@mutant(BatchNorm, "dx without the variance's term")
def batchnorm_variance(self, dy, params=True, inputs=True):
    return batchnorm_dx(self, dy, variance_term=0)


@mutant(BatchNorm, "dx has the wrong sign")
def batchnorm_sign(self, dy, params=True, inputs=True):
    return batchnorm_dx(self, dy, scale=-1)


@mutant(BatchNorm, "dx is zero")
def batchnorm_zero(self, dy, params=True, inputs=True):
    return batchnorm_dx(self, dy, scale=0)


@mutant(BatchNorm, "dgamma and dbeta are swapped")
def batchnorm_swap(self, dy, params=True, inputs=True):
    dx = BatchNorm.backward(self, dy, params, inputs)
    self.dgamma[...], self.dbeta[...] = self.dbeta.copy(), self.dgamma.copy()
    return dx


@mutant(BatchNorm, "the statistics are the running ones in training", "forward")
def batchnorm_running(self, x, train):
    y = BatchNorm.forward(self, x, train).copy()
    y += self.mean
    return y


# Dropout, shapes -----------------------------------------------------------------------------------------------------


@mutant(Dropout, "backward forgets to scale")
def dropout_scale(self, dy, params=True, inputs=True):
    return dy * self.mask


@mutant(Dropout, "the mask is drawn anew for each call", "forward")
def dropout_unfrozen(self, x, train):
    self.__dict__["calls"] = self.__dict__.get("calls", 0) + 1
    self.mask = self.backend.uniform(x.shape, self.calls, "mask") >= self.rate
    return x * self.mask / (1 - self.rate)


@mutant(Flatten, "the columns come back in another order")
def flatten_order(self, dy, params=True, inputs=True):
    return dy[:, ::-1].reshape(self.x_shape)


@mutant(Reshape, "column-major on the way back")
def reshape_order(self, dy, params=True, inputs=True):
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


def only_dx(layer, dy, params, inputs, dx):
    """The right dW and db, and this dx."""
    type(layer).__base__.backward(layer, dy, params, inputs=False)
    return dx if inputs else None


@mutant(Conv2D, "the kernel is flipped in dx")
def conv_flipped(self, dy, params=True, inputs=True):
    W = turned(self.W, self.kernel, self.x.shape[3])
    return only_dx(self, dy, params, inputs, self.backend.conv_dx(dy, W, self.window, np.empty_like(self.x)))


@mutant(Conv2D, "dx is moved by a pixel")
def conv_moved(self, dy, params=True, inputs=True):
    return only_dx(self, dy, params, inputs, with_window(self, dy, False, padding=up_and_left(self.window)))


@mutant(Conv2D, "the odd zero comes first in dx")
def conv_odd_zero(self, dy, params=True, inputs=True):
    around = tuple((after, before) for before, after in self.window.padding)
    return only_dx(self, dy, params, inputs, with_window(self, dy, False, padding=around))


@mutant(Conv2D, "dx keeps one patch where patches overlap")
def conv_assigned(self, dy, params=True, inputs=True):
    (kh, kw), (sh, sw), (oh, ow) = self.kernel, self.stride, self.window.stops
    padded = np.zeros((len(dy), *self.window.padded))
    for i in range(oh):
        for j in range(ow):
            patch = (dy[:, i, j] @ self.W.T).reshape(len(dy), kh, kw, -1)
            padded[:, i * sh : i * sh + kh, j * sw : j * sw + kw] = patch
    return only_dx(self, dy, params, inputs, padded[self.window.inside])


@mutant(Conv2D, "dx is zero on the outermost pixels")
def conv_border(self, dy, params=True, inputs=True):
    dx = Conv2D.backward(self, dy, params, inputs)
    if inputs:
        dx[:, [0, -1]] = dx[:, :, [0, -1]] = 0
    return dx


@mutant(Conv2D, "the last row, which no patch sees, has a gradient")
def conv_unseen(self, dy, params=True, inputs=True):
    dx = Conv2D.backward(self, dy, params, inputs)
    if inputs:
        dx[:, -1] = dx[:, -2]
    return dx


@mutant(Conv2D, "dW is made of patches that are moved by a pixel")
def conv_dW_moved(self, dy, params=True, inputs=True):
    with_window(self, dy, params, False, padding=up_and_left(self.window))
    return Conv2D.backward(self, dy, False, inputs)


@mutant(Conv2D, "dW is made of patches without the zeros around")
def conv_dW_unpadded(self, dy, params=True, inputs=True):
    dx = Conv2D.backward(self, dy, params, inputs)
    if params:
        inner = replace(self.window, padding=((0, 0), (0, 0)))
        oh, ow = inner.stops
        self.backend.conv_dW(self.x, dy[:, :oh, :ow], inner, out=self.dW)
    return dx


@mutant(Conv2D, "db is never written")
def conv_no_db(self, dy, params=True, inputs=True):
    kept = self.db.copy()
    dx = Conv2D.backward(self, dy, params, inputs)
    self.db[...] = kept
    return dx


@mutant(Conv2D, "db is a mean over the pixels")
def conv_db_mean(self, dy, params=True, inputs=True):
    dx = Conv2D.backward(self, dy, params, inputs)
    if params:
        self.db[...] = dy.mean(axis=(1, 2)).sum(axis=0)
    return dx


@mutant(Conv2D, "backward swaps the strides of height and width")
def conv_strides(self, dy, params=True, inputs=True):
    return with_window(self, dy, params, inputs, stride=self.stride[::-1])


@mutant(Conv2DTranspose, "dx takes W's channels in the wrong order")
def transposed_channels(self, dy, params=True, inputs=True):
    W = self.W.reshape(*self.kernel, -1, self.c_out).swapaxes(2, 3).reshape(self.W.shape)
    return only_dx(self, dy, params, inputs, self.backend.conv(dy, W, self.window, np.empty(self.x.shape)))


@mutant(Conv2DTranspose, "the kernel is flipped in dx")
def transposed_flipped(self, dy, params=True, inputs=True):
    W = turned(self.W, self.kernel, self.c_out)
    return only_dx(self, dy, params, inputs, self.backend.conv(dy, W, self.window, np.empty(self.x.shape)))


@mutant(Conv2DTranspose, "dW swaps the roles of x and dy")
def transposed_roles(self, dy, params=True, inputs=True):
    dx = Conv2DTranspose.backward(self, dy, params, inputs)
    if params:
        kernels = self.dW.reshape(*self.kernel, self.c_out, -1)
        self.dW[...] = kernels.swapaxes(2, 3).reshape(self.dW.shape)
    return dx


@mutant(Conv2DTranspose, "db is summed over one column only")
def transposed_db(self, dy, params=True, inputs=True):
    dx = Conv2DTranspose.backward(self, dy, params, inputs)
    if params:
        self.db[...] = dy.sum(axis=(0, 1))[0]
    return dx


@mutant(Conv2DTranspose, "db misses the row that output_padding added")
def transposed_db_rows(self, dy, params=True, inputs=True):
    dx = Conv2DTranspose.backward(self, dy, params, inputs)
    if params:
        self.db[...] = dy[:, : -self.output_padding[0]].sum(axis=(0, 1, 2))
    return dx


# Larger and smaller images -------------------------------------------------------------------------------------------


def in_blocks(self, dy):
    """dy as (n, h, fh, w, fw, c)."""
    (n, h, w, c), (fh, fw) = dy.shape, self.factor
    return dy.reshape(n, h // fh, fh, w // fw, fw, c)


@mutant(UpSampling2D, "a mean over each block instead of a sum")
def upsampling_mean(self, dy, params=True, inputs=True):
    return in_blocks(self, dy).mean(axis=(2, 4))


@mutant(UpSampling2D, "only the first pixel of each block")
def upsampling_first(self, dy, params=True, inputs=True):
    return in_blocks(self, dy)[:, :, 0, :, 0]


@mutant(UpSampling2D, "copies that lie apart instead of side by side")
def upsampling_tiled(self, dy, params=True, inputs=True):
    (n, h, w, c), (fh, fw) = dy.shape, self.factor
    return dy.reshape(n, fh, h // fh, fw, w // fw, c).sum(axis=(1, 3))


@mutant(AveragePooling2D, "the division is forgotten")
def pooling_sum(self, dy, params=True, inputs=True):
    return AveragePooling2D.backward(self, dy) * (self.size[0] * self.size[1])


@mutant(AveragePooling2D, "windows that overlap are assigned instead of added")
def pooling_assigned(self, dy, params=True, inputs=True):
    dx = np.zeros(self.x_shape)
    for pixel in self.pixels(dx):
        pixel[...] = dy / (self.size[0] * self.size[1])
    return dx


@mutant(GlobalAveragePooling2D, "divided by h instead of h w")
def global_height(self, dy, params=True, inputs=True):
    return GlobalAveragePooling2D.backward(self, dy) * self.x_shape[2]


@mutant(Cropping2D, "dx has dy's edge where zeros belong")
def cropping_edge(self, dy, params=True, inputs=True):
    return np.pad(dy, ((0, 0), *self.cropping, (0, 0)), mode="edge")


@mutant(Cropping2D, "dx has whatever its buffer held where zeros belong")
def cropping_old(self, dy, params=True, inputs=True):
    dx = self.buf("dx", self.x_shape)
    dx[self.inside] = dy
    return dx


@mutant(ZeroPadding2D, "the corner of dy instead of its middle")
def padding_corner(self, dy, params=True, inputs=True):
    (top, bottom), (left, right) = self.padding
    return dy[:, : -(top + bottom), : -(left + right)]


@mutant(BatchNorm, "of an image, the sums in dx are over n only")
def batchnorm_dx_over_n(self, dy, params=True, inputs=True):
    x_hat = normalised(self)
    inner = dy - dy.mean(axis=0) - x_hat * (dy * x_hat).mean(axis=0)
    return only_dx(self, dy, params, inputs, self.gamma * self.inverse_std * inner)


@mutant(BatchNorm, "of an image, the statistics are over n only", "forward")
def batchnorm_over_n(self, x, train):
    BatchNorm.forward(self, x, train)
    return self.gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + self.eps) + self.beta


LAYER_MUTANTS = [  # the layer, x's shape, and what must be reported: the gradients that are wrong, or a complaint
    (dense_mean(5), (7, 3), "W"),
    (dense_bias(5), (7, 3), "b"),
    (dense_columns(5), (7, 3), "x"),
    (dense_accumulates(5), (7, 3), "do they accumulate"),
    (dense_stale(5), (7, 3), "W"),
    (dense_params(5), (7, 3), "params=False"),
    (dense_inplace(5), (7, 3), "x was changed"),
    (dense_changes_dy(5), (7, 3), "dy was changed"),
    (leaky_slope(0.2), (7, 3), "x"),
    (leaky_mask(0.2), (7, 3), "x"),
    (relu_mask(), (7, 3), "x"),
    (tanh_square(), (7, 3), "x"),
    (tanh_offset(), (7, 3), "linear in dy"),
    (sigmoid_slope(), (7, 3), "x"),
    (batchnorm_mean(), (7, 3), "x"),
    (batchnorm_variance(), (7, 3), "x"),
    (batchnorm_sign(), (7, 3), "x"),
    (batchnorm_zero(), (3, 5, 2, 4), "x"),
    (batchnorm_swap(), (7, 3), "gamma beta"),
    (batchnorm_running(), (7, 3), "second time"),
    (dropout_scale(0.3), (7, 3), "x"),
    (dropout_unfrozen(0.3), (7, 30), "second time"),
    (flatten_order(), (5, 2, 3), "x"),
    (reshape_order((2, 3)), (5, 6), "x"),
    (conv_flipped(2, (3, 2)), (2, 4, 5, 3), "x"),
    (conv_moved(2, 3, 1, 1), (2, 4, 5, 3), "x"),
    (conv_moved(2, 3, 2, 1), (2, 4, 5, 1), "x"),
    (conv_odd_zero(2, 3, 2, "same"), (2, 4, 6, 2), "x"),  # zeros (0, 1)
    (conv_assigned(2, 3, 2, 1), (2, 5, 4, 2), "x"),
    (conv_border(2, 3, 1, 1), (2, 4, 5, 2), "x"),
    (conv_unseen(2, 3, 2), (2, 6, 5, 2), "x"),
    (conv_dW_moved(2, 3, 1, 1), (2, 4, 5, 3), "W"),
    (conv_dW_unpadded(2, 3, 1, 1), (2, 4, 5, 3), "W"),
    (conv_no_db(2, 3), (2, 4, 5, 2), "b"),
    (conv_no_db(2, 3), (2, 4, 5, 2), "never writes the gradient of"),
    (conv_db_mean(2, 3), (2, 4, 5, 2), "b"),
    (conv_strides(2, 3, (2, 1)), (2, 6, 6, 2), "x W"),  # square: otherwise no shape fits, and NumPy complains
    (transposed_channels(2, 3, 2, 1), (2, 3, 2, 3), "x"),
    (transposed_flipped(2, (2, 3), 2), (2, 2, 3, 3), "x"),
    (transposed_roles(2, 3, 2, 1), (2, 3, 2, 3), "W"),
    (transposed_db(2, 3, 2, 1), (2, 3, 2, 3), "b"),
    (transposed_db_rows(2, 3, 2, 1, output_padding=(1, 0)), (2, 3, 2, 3), "b"),
    (upsampling_mean((2, 3)), (2, 3, 2, 2), "x"),
    (upsampling_first((2, 3)), (2, 3, 2, 2), "x"),
    (upsampling_tiled((2, 3)), (2, 3, 2, 2), "x"),
    (pooling_sum((3, 2)), (2, 6, 5, 2), "x"),
    (pooling_assigned(3, 2), (2, 7, 5, 2), "x"),
    (global_height(), (2, 3, 4, 2), "x"),
    (cropping_edge(((0, 1), (2, 0))), (2, 4, 5, 2), "x"),
    (padding_corner(((1, 2), (1, 0))), (2, 3, 4, 2), "x"),
    (batchnorm_dx_over_n(), (3, 5, 2, 4), "x"),
    (batchnorm_over_n(), (3, 5, 2, 4), "x gamma"),
]


@pytest.mark.parametrize(
    "layer, shape, where", LAYER_MUTANTS, ids=[type(layer).__name__ for layer, _, _ in LAYER_MUTANTS]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_mistakes_are_caught_and_placed(layer, shape, where, seed):
    report = check(layer, shape, seed=seed)
    assert not report
    if set(where.split()) <= {row.name for row in report.rows}:
        assert where == " ".join(row.name for row in report.rows if row.verdict == WRONG), str(report)
    else:
        assert any(where in complaint for complaint in report.complaints), str(report)
    with pytest.raises(GradientError, match=WRONG):
        assert_gradients(layer, shape, seed=seed)


def test_only_the_mistaken_array_is_blamed():
    report = check(dense_bias(5), (7, 3))
    assert [row.verdict for row in report.rows] == [OK, OK, WRONG]
    assert report["b"].wrong == 5 and report["b"].entries == 5 and not report.complaints


def test_old_contents_of_a_buffer_are_seen_where_it_is_poisoned():
    """The gradient check alone might meet a buffer that holds zeros by chance."""
    net = Sequential([cropping_old(((0, 1), (2, 0)))], input_shape=(4, 5, 2), dtype="float64", workspace="poison")
    dx = net.backward(net.forward(np.ones((2, 4, 5, 2))).copy())
    assert np.isnan(dx).sum() == 2 * 2 * (4 * 5 - 3 * 3)


# Losses --------------------------------------------------------------------------------------------------------------


@mutant(BCEWithLogits, "the mean is forgotten", "__call__")
def logits_mean(self, pred, target):
    loss, dpred = BCEWithLogits.__call__(self, pred, target)
    return loss, dpred * pred.size


@mutant(BCEWithLogits, "the gradient ignores the target", "__call__")
def logits_target(self, pred, target):
    return BCEWithLogits.__call__(self, pred, target)[0], BCEWithLogits.__call__(self, pred, 1.0)[1]


@mutant(BCE, "the gradient is that of the logits", "__call__")
def bce_logits(self, pred, target):
    return BCE.__call__(self, pred, target)[0], (pred - target) / pred.size


@mutant(BCE, "the sign is wrong", "__call__")
def bce_sign(self, pred, target):
    loss, dpred = BCE.__call__(self, pred, target)
    return loss, -dpred


@pytest.mark.parametrize("loss", [logits_mean, logits_target, bce_logits, bce_sign], ids=lambda kind: kind.__name__)
def test_planted_mistakes_in_losses_are_caught(loss):
    predictions = np.linspace(0.1, 0.9, 6).reshape(6, 1)
    report = check(loss("numpy"), predictions)
    assert report["pred"].verdict == WRONG


# Networks ------------------------------------------------------------------------------------------------------------


def small_networks():
    return models.mnist_mlp((5, 3, 1), latent=4, widths=(7, 6, 5), d_widths=(6, 5))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("which", [0, 1])
def test_whole_networks(which, seed):
    net = small_networks()[which]
    assert_gradients(net, (5, *net.input_shape), seed=seed)


def test_a_mistake_deep_in_a_network_is_seen_at_it_and_before_it():
    net = Sequential([Dense(4), leaky_slope(0.2), Dense(3), Tanh(), Dense(2)], input_shape=3)
    report = check(net, (6, 3))
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts["2.Dense.W"] == verdicts["4.Dense.b"] == OK
    assert verdicts["0.Dense.W"] == verdicts["x"] == WRONG


def test_behind_a_convolution_batchnorm_over_n_only_spoils_what_comes_before_it():
    net = Sequential([Conv2D(3, 3, bias=False), batchnorm_dx_over_n(), LeakyReLU(0.2)], input_shape=(4, 5, 2))
    report = check(net, (3, 4, 5, 2))
    assert [row.verdict for row in report.rows] == [WRONG, WRONG, OK, OK], str(report)  # x, W, gamma, beta


def test_the_network_itself_is_left_alone():
    net = small_networks()[0]
    before = net.params.copy(), net.state.copy(), net.grads.copy(), net.forwards
    check(net, (5, 4))
    after = net.params, net.state, net.grads, net.forwards
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_gradient_that_is_zero_everywhere_is_not_called_ok():
    net = Sequential([Dense(4), BatchNorm(), Tanh()], input_shape=3)
    assert check(net, (6, 3))["0.Dense.b"].verdict == NOTHING_TESTED
    assert check(net, (6, 3), expect_zero=("0.Dense.b",))
    assert check(net, (6, 3), expect_zero=("0.Dense.b", "0.Dense.W"))["0.Dense.W"].verdict == WRONG
    assert "no such gradient" in str(check(net, (6, 3), expect_zero=("0.Dense.b", "Dense")))


def test_an_upstream_of_ones_is_blind_to_batchnorm():
    """The reason for a random upstream: with ones, the true dx of BatchNorm is 0, and so is that of this mistake."""
    net = Sequential([batchnorm_sign()], input_shape=3, dtype="float64")
    x = np.random.default_rng(0).normal(size=(7, 3))
    net.forward(x)
    ones = net.backward(np.ones((7, 3)))
    assert abs(ones).max() < 1e-9


# Numerics ------------------------------------------------------------------------------------------------------------


def test_corners_within_a_step_of_x_are_not_called_wrong():
    x = np.array([[1e-7, -2e-7, 0.5, -0.5, 3e-6, -4e-6, 1.0]])
    assert_gradients(LeakyReLU(0.2), x)


def test_a_large_array_is_sampled():
    assert check(Dense(70), (3, 50), max_entries=40)["W"].entries == 40


def test_numeric_gradient_restores_its_vector_and_takes_an_upstream():
    x = np.array([0.3, -1.2, 2.0])
    before = x.copy()
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(numeric_gradient(lambda: x**3, x, v), v * 3 * x**2, rtol=1e-8)
    assert np.array_equal(x, before)


def test_the_report_is_readable():
    text = str(check(dense_mean(5), (7, 3)))
    assert "gradients WRONG" in text and "W" in text and "15 of 15 entries wrong" in text and "yours" in text


def test_a_gradient_that_is_never_written_is_named():
    class Forgets(Dense):
        def backward(self, dy, params=True, inputs=True):
            db = self.db.copy()
            dx = super().backward(dy, params, inputs)
            self.db[...] = db
            return dx

    assert "backward never writes the gradient of 0.Forgets.b" in str(check(Forgets(5), (7, 3)))


def test_a_parameter_that_was_not_declared_is_named():
    class Homemade(Layer):
        def build(self, in_shape):
            self.gamma = np.ones(in_shape)
            return in_shape

        def forward(self, x, train):
            self.x = x
            return x * self.gamma

        def backward(self, dy, params=True, inputs=True):
            self.dgamma = (dy * self.x).sum(axis=0)
            return dy * self.gamma

    report = check(Homemade(), (7, 3))
    assert not report and "0.Homemade.gamma is not a parameter: declare it in build" in str(report)


@pytest.mark.parametrize("x", [(3,), [4, 3], np.ones(3)])
def test_an_input_without_a_batch_is_refused(x):
    with pytest.raises(SettingsError, match="with the batch first"):
        check(Tanh(), x)


def test_a_row_that_is_not_there():
    with pytest.raises(KeyError, match="'g'; the report has x, W, b"):
        check(Dense(2), (3, 4))["g"]


@pytest.mark.parametrize("dx", [None, np.zeros((3, 7)), 0.5])
def test_a_backward_that_returns_no_dx_is_reported(dx):
    class Wrong(Tanh):
        def backward(self, dy, params=True, inputs=True):
            return dx

    report = check(Wrong(), (7, 3))
    assert not report and "dx must have the shape of x, (7, 3)" in str(report)


def test_a_target_of_another_kind_is_refused():
    with pytest.raises(Exception, match="check takes a Layer"):
        check(3, (2, 2))


def test_a_layer_that_forgets_its_arguments_is_told():
    class Forgetful(Layer):
        def __init__(self, size):
            self.other = size

    with pytest.raises(Exception, match=r"Forgetful.__init__ must keep its argument as self.size"):
        check(Forgetful(3), (2, 2))
