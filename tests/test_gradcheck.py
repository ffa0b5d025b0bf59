"""What the gradient check says, sees and refuses. That it catches every planted mistake is in test_mutants.py."""

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from minigan import GAN, SGD, BCEWithLogits, Sequential, models
from minigan.cli import main
from minigan.errors import FileError, SettingsError
from minigan.gradcheck import (
    KINK,
    NOTHING_TESTED,
    OK,
    TOO_SMALL,
    WRONG,
    GradientError,
    assert_gradients,
    check,
    check_adjoint,
    explain,
    numeric_gradient,
    table,
)
from minigan.gradcheck.numeric import Probe
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Layer,
    LeakyReLU,
    Reshape,
    Residual,
    Sigmoid,
    SpectralNorm,
    Tanh,
)

from . import mutants
from .mutants import BatchNormOverN, BatchNormSign, CroppingOld, DenseBias, DenseMean, LeakySlope


def test_only_the_mistaken_array_is_blamed():
    report = check(DenseBias(5), (7, 3))
    assert [row.verdict for row in report.rows] == [OK, OK, WRONG]
    assert report["b"].wrong == 5 and report["b"].entries == 5 and not report.complaints
    with pytest.raises(GradientError, match=WRONG):
        assert_gradients(DenseBias(5), (7, 3))


def test_old_contents_of_a_buffer_are_seen_where_it_is_poisoned():
    """The gradient check alone might meet a buffer that holds zeros by chance."""
    net = Sequential([CroppingOld(((0, 1), (2, 0)))], input_shape=(4, 5, 2), dtype="float64", workspace="poison")
    dx = net.backward(net.forward(np.ones((2, 4, 5, 2))).copy())
    assert np.isnan(dx).sum() == 2 * 2 * (4 * 5 - 3 * 3)


# Networks ------------------------------------------------------------------------------------------------------------


def small_networks():
    return models.mnist_mlp((5, 3, 1), latent=4, widths=(7, 6, 5), d_widths=(6, 5))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("which", [0, 1])
def test_whole_networks(which, seed):
    net = small_networks()[which]
    assert_gradients(net, (5, *net.input_shape), seed=seed)


def test_a_mistake_deep_in_a_network_is_seen_at_it_and_before_it():
    net = Sequential([Dense(4), LeakySlope(0.2), Dense(3), Tanh(), Dense(2)], input_shape=3)
    report = check(net, (6, 3))
    verdicts = {row.name: row.verdict for row in report.rows}
    assert verdicts["2.Dense.W"] == verdicts["4.Dense.b"] == OK
    assert verdicts["0.Dense.W"] == verdicts["x"] == WRONG


def test_behind_a_convolution_batchnorm_over_n_only_spoils_what_comes_before_it():
    net = Sequential([Conv2D(3, 3, bias=False), BatchNormOverN(), LeakyReLU(0.2)], input_shape=(4, 5, 2))
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
    net = Sequential([BatchNormSign()], input_shape=3, dtype="float64")
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


class Rounds(Layer):
    """y = 2 x, with an intermediate result so large that more than the last digits of x are lost."""

    def __init__(self, lost, factor=2.0):
        super().__init__()
        self.lost, self.factor = lost, factor

    def forward(self, x, train):
        return (2 * x + self.lost) - self.lost

    def backward(self, dy, params=True, inputs=True):
        return self.factor * dy


@pytest.mark.parametrize("lost, seed", [(1e5, 0), (1e7, 0), (1e7, 3)])
def test_rounding_inside_a_layer_is_no_mistake_and_hides_none(lost, seed):
    assert check(Rounds(lost), (4, 6), seed=seed)
    assert check(Rounds(lost, 2 + 1e-4), (4, 6), seed=seed).rows[0].verdict == WRONG


def test_far_steps_are_of_fourth_order():
    x = np.array([0.3, 2.0])
    for factor, error in ((100, 1e-11), (1000, 1e-7)):
        assert Probe(lambda: np.exp(x), x).entry(1, factor).value == pytest.approx(np.exp(2), abs=error)


def test_numeric_gradient_restores_its_vector_and_takes_an_upstream():
    x = np.array([0.3, -1.2, 2.0])
    before = x.copy()
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(numeric_gradient(lambda: x**3, x, v), v * 3 * x**2, rtol=1e-8)
    assert np.array_equal(x, before)


def test_the_report_is_readable():
    text = str(check(DenseMean(5), (7, 3)))
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
    assert not report and "y depends on 0.Homemade.gamma, and 0.Homemade.dgamma is its gradient" in str(report)


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


# Verdicts ------------------------------------------------------------------------------------------------------------


def test_a_corner_at_x_is_a_kink_and_a_wrong_slope_at_it_is_wrong():
    x = np.array([[1.0, 0.0, -2.0]])
    row = check(LeakyReLU(0.2), x)["x"]
    assert (row.verdict, row.wrong, row.worst) == (KINK, 0, (0, 1)) and "check at another x" in row.cause
    assert not check(LeakyReLU(0.2), x)
    twice = (lambda x: np.maximum(x, 0.0), lambda dy: 3.0 * dy)
    assert check(twice, np.zeros((1, 2)))["x"].verdict == WRONG


def test_a_corner_without_a_mask_is_found_by_its_two_slopes():
    f = (lambda x: np.maximum(x, 0.0), lambda dy: 0.0 * dy)
    assert check(f, np.zeros((2, 3)))["x"].verdict == KINK


def test_a_gradient_that_differences_cannot_see_is_too_small():
    net = Sequential([layer for _ in range(14) for layer in (Dense(2), Sigmoid())], input_shape=2)
    row = check(net)["0.Dense.W"]
    assert row.verdict == TOO_SMALL and "below what differences can see" in row.cause
    tiny = (lambda x: 1e-11 * x, lambda dy: 1e-11 * dy)
    assert check(tiny)["x"].verdict == TOO_SMALL
    assert check((lambda x: 1e-11 * x, lambda dy: 0.0 * dy))["x"].verdict == NOTHING_TESTED


def test_batchnorm_with_fewer_than_four_numbers_is_not_called_proven():
    assert "has 2 numbers for each channel" in str(check(BatchNorm(), (2, 3)))
    assert not check(BatchNorm(), (3, 3)) and check(BatchNorm(), (4, 3)) and check(BatchNorm(), (1, 2, 2, 3))


# Modes and methods ---------------------------------------------------------------------------------------------------


def test_directions_see_one_wrong_entry_of_many_and_show_it():
    def backward(dy):
        dx = 2.0 * dy
        dx[17, 4] *= -1
        return dx

    f = (lambda x: 2.0 * x, backward)
    row = check(f, (40, 30), mode="directions", max_entries=5)["x"]
    assert (row.verdict, row.worst) == (WRONG, (17, 4)) and row.directions
    row = check((lambda x: 2.0 * x, lambda dy: 2.0 * dy), (40, 30), mode="directions")["x"]
    assert (row.verdict, row.entries, row.directions) == (OK, 0, 3)
    assert check(f, (40, 30), mode="full")["x"].entries == 1200


@pytest.mark.parametrize("method", ["complex", "adjoint"])
def test_other_methods_agree_and_catch(method):
    for layer, x in ((Dense(3), (4, 5)), (Conv2D(2, 3, 2, 1), (2, 5, 6, 2))):
        report = check(layer, x, method=method)
        assert report and all(row.error < 1e-12 for row in report.rows)
    assert check(DenseMean(3), (4, 5), method=method)["W"].verdict == WRONG
    if method == "complex":
        assert check(Sequential([Dense(4), Tanh(), BatchNorm(), Dense(2)], input_shape=3), method="complex")
        assert check(Dropout(0.5), (4, 7), method="complex")
        assert check(Residual(SpectralNorm(Dense(3)), Tanh(), shortcut=Dense(3)), (4, 5), method="complex")


class Steps(Layer):
    """x in steps of 1, and the slope of the stairs."""

    def forward(self, x, train):
        return np.floor(x)

    def backward(self, dy, params=True, inputs=True):
        return 0 * dy


@pytest.mark.parametrize(
    "layer, method, words",
    [(Sigmoid(), "complex", "holomorphic in x"), (Tanh(), "adjoint", "linear in x"),
     (Steps(), "complex", "compute with complex numbers: ufunc 'floor' not supported")],
)  # fmt: skip
def test_a_method_whose_assumption_does_not_hold_is_refused(layer, method, words):
    with pytest.raises(SettingsError, match=words):
        check(layer, (4, 3), method=method)


@pytest.mark.parametrize(
    "options, words",
    [({"mode": "fast"}, "mode is 'fast'"), ({"method": "forward"}, "method is 'forward'"),
     ({"upstream": np.ones((2, 2))}, "upstream has shape")],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(SettingsError, match=words):
        check(Tanh(), (4, 3), **options)


def test_wrt_chooses_and_names_are_checked():
    assert [row.name for row in check(Dense(2), wrt="W").rows] == ["W"]
    assert [row.name for row in check(Dense(2), wrt=("x", "b")).rows] == ["x", "b"]
    assert "no such gradient: 'V'" in str(check(Dense(2), wrt="V"))


def test_without_train_it_is_what_predict_computes():
    assert check(Tanh(), train=False)
    assert check(BatchNorm(), (5, 3), train=False)["x"].verdict == WRONG, "its backward is that of a training forward"


def test_check_adjoint_of_a_convolution_and_its_transpose():
    conv = Sequential([Conv2D(3, 3, 2, 1, bias=False)], input_shape=(5, 7, 2), dtype="float64")
    back = Sequential([Conv2DTranspose(2, 3, 2, 1, bias=False)], input_shape=(3, 4, 3), dtype="float64")
    back.params[...] = conv.params
    assert check_adjoint(conv.predict, back.predict, (2, 5, 7, 2), (2, 3, 4, 3))
    back.params[3] += 1e-9
    assert "not the transpose" in str(check_adjoint(conv.predict, back.predict, (2, 5, 7, 2), (2, 3, 4, 3)))
    with pytest.raises(SettingsError, match="forward returned shape"):
        check_adjoint(lambda x: x[:, 1:], lambda y: y, (4, 3), (4, 3))


def test_explain_draws_a_v_for_a_right_gradient_and_a_plateau_for_a_wrong_one(tmp_path):
    h, errors = explain(Tanh(), (4, 3), path=tmp_path / "right.png")
    best = errors.argmin()
    assert errors[best] < 1e-10 < errors[0] and errors[-1] > 1e-3 and 1e-8 < h[best] < 1e-4
    _, errors = explain(DenseMean(3), (4, 3), wrt="W", index=(0, 1), path=tmp_path / "wrong.png")
    assert errors.min() > 1e-3
    assert (tmp_path / "right.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileError, match="is not overwritten"):
        explain(Tanh(), path=tmp_path / "right.png")
    with pytest.raises(SettingsError, match="no gradient 'W'"):
        explain(Tanh(), path=tmp_path / "other.png", wrt="W")


# Functions -----------------------------------------------------------------------------------------------------------


class Affine:
    """x W + b as two functions."""

    def forward(self, x, W, b):
        self.x, self.W = x, W
        return x @ W + b

    def backward(self, dy):
        return dy @ self.W.T, {"W": self.x.T @ dy, "b": dy.sum(axis=0)}


def test_two_functions_with_parameters():
    affine, params = Affine(), {"W": np.ones((3, 2)), "b": np.zeros(2)}
    assert [row.name for row in check((affine.forward, affine.backward), params=params).rows] == ["x", "W", "b"]
    assert check((affine.forward, affine.backward), params=params)
    with pytest.raises(SettingsError, match=r"returned gradients of no parameter.*\['W', 'b'\]"):
        check((affine.forward, lambda dy: dy @ affine.W.T), params=params)


@pytest.mark.parametrize(
    "backward, words",
    [
        (lambda dy: dy * dy, "must be linear in dy"),
        (lambda dy: dy[:1], "dx must have the shape of x, (4, 3)"),
        (lambda dy: dy.astype(np.float32), "dx is float32"),
        (lambda dy: np.multiply(dy, 2.0, out=dy), "dy was changed by backward"),
    ],
)
def test_what_backward_promises_beside_numbers(backward, words):
    assert words in str(check((lambda x: 1.0 * x, backward)))


def test_a_forward_in_float32_is_told():
    assert "forward turned float64 into float32" in str(check((lambda x: x.astype(np.float32), lambda dy: dy)))


def test_old_contents_of_a_buffer_make_the_row_wrong():
    row = check(CroppingOld(((0, 1), (2, 0))), (2, 4, 5, 2))["x"]
    assert row.verdict == WRONG and "`dx[...] = 0`" in row.cause


def test_a_forward_that_leaves_a_hole_in_its_buffer_is_told():
    class Hole(Tanh):
        def forward(self, x, train):
            y = self.buf("y", x.shape)
            np.tanh(x[1:], out=y[1:])
            self.y = y
            return y

    assert "forward uses what is left in a buffer" in str(check(Hole()))


# Causes --------------------------------------------------------------------------------------------------------------


class SumOfAll(Dense):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        if params:
            self.db[...] = dy.sum()
        return dx


class LastSample(Tanh):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy)
        dx[-1] = dy[-1]
        return dx


class EveryThirdRow(Conv2D):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy, params, inputs)
        return dx if dx is None else dx * (1 + 0.5 * (np.arange(dx.shape[1]) % 3 == 0))[:, None, None]


class SecondChannel(Tanh):
    def backward(self, dy, params=True, inputs=True):
        dx = super().backward(dy)
        dx[..., 1] *= 1.5
        return dx


class HardTanh(Layer):
    """clip(x, -1, 1), and the gradient that forgets that it is clipped above."""

    def forward(self, x, train):
        self.x = x
        return np.clip(x, -1, 1)

    def backward(self, dy, params=True, inputs=True):
        return dy * (self.x > -1)


class Softmax(Layer):
    def forward(self, x, train):
        e = np.exp(x)
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dy, params=True, inputs=True):
        return dy * self.y * (1 - self.y)


class OnlyReals(BCEWithLogits):
    def __call__(self, pred, target):
        loss, dpred = super().__call__(pred, target)
        return loss, dpred * (target == 1)


class Shifted(Tanh):
    def backward(self, dy, params=True, inputs=True):
        return super().backward(dy) + 0.25


CAUSES = [  # a layer or a loss, the input, the array, and words of the sentence that must be found
    (mutants.DenseMean(5), (7, 3), "W", "0.142857 everywhere, and n = 7: a mean where a sum belongs"),
    (mutants.DenseSign(5), (7, 3), "b", "= -1 everywhere: the sign"),
    (mutants.DenseTransposed(3), (7, 3), "W", "in the wrong places: transposed"),
    (mutants.DenseUntransposed(3), (7, 3), "x", "if backward took W transposed"),
    (mutants.DenseColumns(5), (7, 3), "x", "if backward took W reversed along axis 1"),
    (mutants.DenseBias(5), (7, 3), "b", "only the first sample of dy is in it"),
    (SumOfAll(5), (7, 3), "b", "the sum of all numeric ones"),
    (mutants.LeakySlope(0.2), (7, 3), "x", "wrong exactly where x <= 0: yours is 0 there, so the slope"),
    (mutants.ReLUMask(), (7, 3), "x", "the mask is forgotten"),
    (mutants.LeakyMask(0.2), (7, 3), "x", "the mask is taken from dy"),
    (mutants.TanhSquare(), (7, 3), "x", "your slope dx / dy is 1."),
    (HardTanh(), (9, 5), "x", "wrong exactly for x from 1."),
    (Softmax(), (4, 3), "x", "moves 3 numbers of y: dx must add up"),
    (Shifted(), (4, 3), "x", "+0.25 everywhere: a term that does not belong"),
    (LastSample(), (4, 3), "x", "wrong only at sample 3 of 4"),
    (SecondChannel(), (4, 3, 2, 3), "x", "wrong only at channel 1 of 3"),
    (mutants.BatchNormMean(), (7, 3), "x", "the term through the mean"),
    (mutants.BatchNormVariance(), (7, 3), "x", "the term through the variance"),
    (mutants.BatchNormConstants(), (7, 3), "x", "the terms through the mean and the variance"),
    (mutants.BatchNormZero(), (3, 5, 2, 4), "x", "yours is 0 everywhere"),
    (mutants.BatchNormGamma(), (7, 3), "x", "the factor gamma is missing"),
    (mutants.BatchNormDeviation(), (7, 3), "x", "such as 1 / sqrt(var + eps)"),
    (mutants.BatchNormSwap(), (7, 3), "gamma", "these are the numbers of dbeta"),
    (mutants.DropoutScale(0.3), (7, 3), "x", "a division by 1 - rate is missing"),
    (mutants.DropoutNoMask(0.3), (7, 3), "x", "moves no number of y"),
    (mutants.ReshapeOrder((2, 3)), (5, 6), "x", "in another order"),
    (mutants.ConvFlipped(2, (3, 2)), (2, 4, 5, 3), "x", "if backward took W with the kernel flipped, turned by 180"),
    (mutants.TransposeRoles(2, 3, 2, 1), (2, 3, 2, 3), "W", "with channels in and out swapped"),
    (mutants.ConvMoved(2, 3, 1, 1), (2, 4, 5, 3), "x", "moved by one pixel up and left"),
    (mutants.ConvBorder(2, 3, 1, 1), (2, 4, 5, 2), "x", "wrong only within 1 pixel of the images' border"),
    (mutants.ConvUnseen(2, 3, 2), (2, 6, 5, 2), "x", "wrong only at row 5 of 6, the last"),
    (EveryThirdRow(2, 3, 1, 1), (2, 7, 5, 2), "x", "every 3, so look at the strides"),
    (mutants.ConvFirstImage(2, 3), (3, 4, 5, 2), "W", "only the first sample of dy"),
    (mutants.TransposeBias(2, 3, 2, 1), (2, 3, 2, 3), "b", "only the first column of dy"),
    (mutants.UpSamplingMean((2, 3)), (2, 5, 4, 2), "x", "and fh fw = 6: a mean where a sum belongs"),
    (mutants.PoolingSum((3, 2)), (2, 7, 5, 2), "x", "and kh kw = 6: a sum where a mean belongs"),
    (mutants.GlobalHeight(), (2, 3, 5, 2), "x", "w = 5: a sum where a mean belongs"),
    (OnlyReals(), (6, 1), "pred", "wrong exactly where the target is 0"),
]


@pytest.mark.parametrize("target, x, name, words", CAUSES, ids=[type(case[0]).__name__ for case in CAUSES])
def test_the_cause_is_told(target, x, name, words):
    report = check(target, x)
    assert report[name].verdict == WRONG and words in report[name].cause, str(report)


def test_a_right_array_has_no_cause():
    assert {row.cause for row in check(Dense(5), (7, 3)).rows} == {""}


# Networks and steps: where the mistake is ----------------------------------------------------------------------------


def test_the_first_wrong_layer_is_named_with_its_cause():
    net = Sequential([Dense(4), LeakySlope(0.2), DenseMean(3), Tanh(), Dense(2)], input_shape=3)
    report = check(net)
    assert report.first_wrong == "1.LeakySlope"
    assert "the slope on that side is forgotten" in report.inner["x"].cause
    net = Sequential([Dense(4), LeakyReLU(0.2), DenseMean(3), Tanh(), Dense(2)], input_shape=3)
    assert check(net).first_wrong == "2.DenseMean" and "a mean where a sum belongs" in str(check(net))


NESTED = [  # layers, the path of the one that is wrong, and a word of the cause that is found there
    ([Dense(3), Residual(LeakySlope(0.2), Dense(3))], "1.Residual.0.LeakySlope", "slope on that side"),
    ([Residual(Dense(4), shortcut=DenseMean(4)), Tanh()], "0.Residual.shortcut.DenseMean", "a mean where a sum"),
    ([Dense(3), Sequential([Tanh(), Residual(Dense(3), DenseBias(3))])], "1.Sequential.1.Residual.1.DenseBias",
     "only the first sample"),
    ([Dense(3), mutants.ResidualTwice(Dense(3), Tanh()), Dense(2)], "1.ResidualTwice",
     "ResidualTwice(Dense(d_out=3), Tanh()): gradients WRONG"),
    ([Dense(3), mutants.ChainLearnersOnly([Dense(3), Tanh(), Dense(2)])], "1.ChainLearnersOnly", "0.Dense.W"),
]  # fmt: skip


@pytest.mark.parametrize("layers, path, words", NESTED, ids=[path for _, path, _ in NESTED])
def test_a_wrong_layer_inside_others_is_named_by_its_path(layers, path, words):
    """And a layer that holds right ones, and is wrong itself, by its own."""
    report = check(Sequential([layer.clone() for layer in layers], input_shape=3))
    assert report.first_wrong == path and words in str(report.inner), str(report)


def test_a_right_step_is_ok_for_both_kinds_of_network():
    cases = list(table.steps())
    for case in (cases[0], next(case for case in cases if "residual" in case.name)):
        report = check(case.gan, max_entries=2, expect_zero=case.expect_zero)
        assert report, str(report)
        assert {row.name[:2] for row in report.rows} == {"D.", "G."} and report.directions > 0


@pytest.mark.parametrize(
    "kind, array, words",
    [
        (mutants.DetachedG, "G", "no gradient reaches G.0.Dense.W: it never learns"),
        (mutants.FakeActivations, "D", "each back through its own forward"),
    ],
)
def test_a_mistake_in_a_step_is_blamed_on_the_step(kind, array, words):
    gan = next(table.steps()).gan
    gan.__class__ = kind
    report = check(gan, max_entries=2)
    assert words in str(report) and {row.name[0] for row in report.rows if row.verdict == WRONG} == {array}


def test_an_old_D_is_seen_though_the_gradient_through_it_is_one():
    gan = next(table.steps()).gan
    gan.__class__ = mutants.OldD
    assert "did not go through the D that the step leaves behind" in str(check(gan, max_entries=1))


def test_a_mistake_in_a_penalty_a_network_or_an_objective_is_blamed_on_it():
    case = next(case for case in table.steps() if "R1" in case.name)
    case.gan.penalty = mutants.R1Sum(3.0)
    words = "the mistake is in R1Sum(gamma=3.0), or in the tangent of a layer of D"
    assert words in str(check(case.gan, max_entries=1))

    gan = next(table.steps()).gan
    gan.objective = mutants.SaturatingSign(BCEWithLogits())
    assert check(gan, max_entries=1).first_wrong == "the objective"

    G = Sequential([Dense(4), LeakySlope(0.2), Dense(6), Reshape((3, 2, 1))], input_shape=4, name="G", dtype="float64")
    gan = next(table.steps()).gan
    gan = GAN(G, gan.D, objective=gan.objective, g_optimizer=SGD(G), d_optimizer=gan.d_optimizer)
    assert check(gan, max_entries=1).first_wrong == "G 1.LeakySlope"


def test_a_step_that_the_guards_stop_is_reported():
    class SecondBackward(GAN):
        def _update_G(self, x_fake, x_real, rows, k):
            self.D.backward(np.ones((len(x_fake), 1)), params=False)

    gan = next(table.steps()).gan
    gan.__class__ = SecondBackward
    report = check(gan)
    assert not report and "the step stops: D: backward without its forward" in str(report)


FRESH = {  # as the package makes them: biases of 0, ReLUs on their corners
    "points": lambda: models.toy2d(width=8),
    "digits": lambda: models.mnist_dcgan((8, 8, 1), width=4),
    "portraits": lambda: models.celeba64((16, 16, 3), width=2),
}


@pytest.mark.parametrize("name", ["points", "digits", pytest.param("portraits", marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_fresh_gan_of_the_package_is_never_called_wrong(name, seed):
    report = check(GAN(*FRESH[name](), seed=seed), max_entries=4, seed=seed)
    assert not report.is_wrong, str(report)
    assert {row.verdict for row in report.rows} <= {OK, NOTHING_TESTED}, "a bias before BatchNorm has no gradient"


def test_the_gan_itself_is_left_alone():
    gan = next(table.steps()).gan
    before = gan.G.params.copy(), gan.D.params.copy(), gan.G.state.copy(), gan.d_optimizer.m.copy()
    check(gan, max_entries=1)
    after = gan.G.params, gan.D.params, gan.G.state, gan.d_optimizer.m
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) and gan.steps == gan.D.forwards == 0
    assert gan.d_optimizer.steps == 0


def test_a_report_as_json():
    found = json.loads(check(CroppingOld(((0, 1), (2, 0))), (2, 4, 5, 2)).to_json())
    assert found["ok"] is False and found["rows"][0]["verdict"] == WRONG and found["rows"][0]["yours"] is None
    assert json.loads(check(Dense(2), (3, 4)).to_json())["entries"] == 12 + 8 + 2


# The command ---------------------------------------------------------------------------------------------------------

MY_LAYERS = """
from minigan.layers import Layer

class Right(Layer):
    def forward(self, x, train):
        self.x = x
        return x * x

    def backward(self, dy, params=True, inputs=True):
        return 2 * self.x * dy

class Half(Right):
    def __init__(self, power=2):
        self.power = power

    def backward(self, dy, params=True, inputs=True):
        return self.x * dy

class Crash(Right):
    def forward(self, x, train):
        n, h, w, c = x.shape
        return self.missing

class NoReturn(Right):
    def forward(self, x, train):
        self.x = x

class Images(Right):
    def build(self, in_shape):
        h, w, c = in_shape
        return in_shape

class Needs(Right):
    def __init__(self, power):
        self.power = power

class Fails(Right):
    def __init__(self):
        1 / 0

class Short(Right):
    def forward(self, x):
        return x

class NoLayer:
    pass
"""


@pytest.fixture
def my_layers(tmp_path):
    path = tmp_path / "my_layers.py"
    path.write_text(MY_LAYERS, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "wanted, status, words",
    [
        (":Right", 0, "ok  Right(): x (748 entries, 45 directions); at 4x3, 7x6, 2x8, 1x3, 1x6, 4x5x3"),
        (":Half", 1, "which is 1 / power: a factor power is missing"),
        (":Half(power=3)", 1, "Half(power=3): gradients WRONG"),
        (":Images", 0, "ok  Images(): x (720 entries, 27 directions); at 4x5x6x3, 2x7x5x4, 1x5x6x3"),
        (":Crash", 1, "my_layers.py, line 22, in forward: AttributeError: 'Crash' object has no attribute 'missing'"),
        (":NoReturn", 1, "NoReturn.forward returned None"),
        (":Short", 1, "Short.forward takes (x); a network calls forward(x, train)"),
        (":Needs(3)", 0, "every verdict is OK"),
    ],
)
def test_the_command_checks_a_layer_of_a_persons_own_file(my_layers, capsys, wanted, status, words):
    assert main(["gradcheck", f"{my_layers}{wanted}", "--trust"]) == status
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["{file}:Needs"], r"Needs\(power\) cannot be made: .*'.*my_layers.py:Needs\(...\)'"),
        (["{file}:Fails"], r"Fails cannot be made: .*my_layers.py, line 39, in __init__: ZeroDivisionError"),
        (["{file}:NoLayer"], "NoLayer is no subclass of minigan.layers.Layer; the layers in it: Right, Half"),
        (["{file}:Absent"], "it has no class Absent"),
        (["{file}:Right(x for x in y)"], "no class name with plain arguments"),
        (["{folder}/absent.py"], "absent.py does not exist"),
        (["{folder}/broken.py"], r"broken.py cannot be imported: .*broken.py, line 1: SyntaxError"),
        (["{folder}/empty.py"], "has no subclass of minigan.layers.Layer"),
        (["Desne"], "minigan has no 'Desne' to check; it has AveragePooling2D"),
        (["Dense"], "d_out"),
        ([], "either --all or targets"),
        (["--all", "Dense"], "either --all or targets"),
        (["Dense", "--shape", "three"], "--shape is 'three'"),
        (["--all", "--shape", "4,3"], "--shape is for targets"),
        (["Dense", "--seed", "-1"], "--seed is -1"),
    ],
)
def test_bad_usage_is_one_message(my_layers, capsys, arguments, words):
    (my_layers.parent / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (my_layers.parent / "empty.py").write_text("import minigan\n", encoding="utf-8")
    if arguments == ["Dense"]:
        arguments = ["Dense('x')", "--shape", "4,3"]
    filled = [word.format(file=my_layers, folder=my_layers.parent) for word in arguments]
    assert main(["gradcheck", *filled, "--trust"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and "Traceback" not in captured.err and not captured.out
    assert re.search(words, captured.err)


def test_the_command_checks_minigans_own_and_prints_json(capsys):
    assert main(["gradcheck", "Dense", "BCE", "Hinge", "Dense(5)"]) == 0
    out = capsys.readouterr().out
    assert out.count("ok  Dense") == 5 and "10 checks in" in out and "every verdict is OK" in out
    assert main(["gradcheck", "Dense(3)", "--shape", "6,2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] and found["entries"] == 12 + 6 + 3 and found["reports"][0]["rows"][1]["name"] == "W"


def test_a_file_without_a_class_name_checks_all_of_its_layers(my_layers, capsys):
    my_layers.write_text(MY_LAYERS.split("class Needs")[0], encoding="utf-8")
    assert main(["gradcheck", str(my_layers)]) == 1
    out = capsys.readouterr().out
    assert [
        name for name in ("Right()", "Half(power=2)", "Crash", "NoReturn", "Images()") if name in out
    ] and "5 checks" in out
    assert "3 NOT OK: Half(power=2), Crash, NoReturn" in out


def test_all_is_everything_and_has_a_step_of_every_objective_and_switch(capsys, monkeypatch):
    steps = list(table.steps())
    said = " ".join(step.name for step in steps)
    words = "NonSaturating Saturating LeastSquares Hinge Wasserstein Relativistic BCE noise=same two_steps d_steps=3"
    for word in [
        *words.split(),
        "g_steps=2",
        "augment=",
        "pack=2",
        "clip=",
        "R1(",
        "R1R2",
        "GradientPenalty",
        "dense",
        "convolutional",
        "residual",
    ]:
        assert word in said
    assert len({step.name for step in steps}) == len(steps)
    for kind in ("dense", "convolutional", "residual"):  # each with every way through the step
        names = [step.name for step in steps if f"{kind} GAN" in step.name]
        for word in ("Relativistic", "3 classes", "penalty", "noise=same", "g_steps=2"):
            assert any(word in name for name in names), (kind, word)
    monkeypatch.setattr(table, "steps", lambda: steps[:1])
    assert main(["gradcheck", "--all"]) == 0
    out = capsys.readouterr().out
    assert out.count("\nok  ") + 1 == len(table.LAYERS) + len(table.LOSSES) + len(table.objectives()) + 1
    assert "entries and" in out and "every verdict is OK" in out


@pytest.mark.slow
def test_all_of_minigan_is_ok_within_a_minute(capsys):
    began = time.process_time()  # of the processor: other programs may run beside
    assert main(["gradcheck", "--all"]) == 0
    assert re.search(r"in [\d.]+ s", capsys.readouterr().out) and time.process_time() - began < 60


def test_the_pytest_plugin(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "from minigan.layers import Dense, Tanh\n"
        "class Wrong(Tanh):\n    def backward(self, dy, params=True, inputs=True):\n        return 2 * dy\n"
        "def test_right(gradcheck): gradcheck(Dense(3), (4, 5))\n"
        "def test_wrong(gradcheck): gradcheck(Wrong())\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "minigan.pytest_plugin",
        "-p",
        "no:cacheprovider",
        str(tmp_path),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "1 failed, 1 passed" in ran.stdout and "Wrong(): gradients WRONG" in ran.stdout
