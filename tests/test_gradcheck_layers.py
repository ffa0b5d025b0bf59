"""The plain check of a layer, without an x: right ones are OK at every shape, wrong ones are told with their cause."""

import time

import numpy as np
import pytest

from minigan import Sequential
from minigan.errors import SettingsError
from minigan.gradcheck import check
from minigan.layers import Dense, Layer
from minigan.losses import BCE, Loss

from . import layers_of_people as people
from .many_seeds import checks


@pytest.mark.parametrize("kind", people.RIGHT)
def test_what_is_right_is_ok_at_every_shape_it_takes(kind):
    report = check(kind())
    assert report, report
    assert report.notes[-1].startswith("at "), report.notes


@pytest.mark.parametrize("kind", people.WRONG)
def test_what_is_wrong_is_told(kind):
    report = check(kind())
    assert report.is_wrong and people.WRONG[kind] in str(report), report


def test_the_shapes_are_named_and_so_is_the_one_at_which_it_fails():
    assert "at 4x3, 7x6" in str(check(Dense(2)).notes)
    assert "at x of shape (4, 5, 3); right before at 4x3" in str(check(people.WhitenRowsOnly()))


def test_an_x_that_is_given_is_the_only_one():
    assert check(people.WhitenRowsOnly(), (4, 3))
    assert check(people.CapForgotten(), (4, 3))["x"].entries == 12


def test_a_layer_inside_a_network_is_blamed_for_its_tangent():
    report = check(Sequential([Dense(4), people.SineSign(), Dense(1)], input_shape=(3,), name="D", seed=0))
    assert report.first_wrong == "1.SineSign" and "tangent_backward is wrong for x: the sign" in str(report)


def test_a_gradient_that_is_truly_0_is_told_with_what_to_pass():
    class Constant(Layer):
        def build(self, in_shape):
            self.param("C", (2, 3), people.zeros)
            return (2, 3)

        def forward(self, x, train):
            self.shape = x.shape
            return np.repeat(self.C[None], len(x), axis=0)

        def backward(self, dy, params=True, inputs=True):
            if params:
                self.dC[...] = dy.sum(axis=0)
            return np.zeros(self.shape)

    report = check(Constant())
    assert not report and not report.is_wrong
    assert "y does not depend on x at all" in str(report) and "expect_zero=('x',)" in str(report)
    assert check(Constant(), expect_zero=("x",))


@pytest.mark.parametrize("slope, ok", [(1.0, True), (2.0, False)])
def test_a_loss_is_checked_far_from_its_targets_too(slope, ok):
    class Huber(Loss):
        decision = 0.5

        def __call__(self, pred, target):
            e = pred - target
            near = abs(e) <= 1
            loss = np.where(near, e**2 / 2, abs(e) - 0.5).mean()
            return np.asarray(loss), np.where(near, e, slope * np.sign(e)) / e.size

    report = check(Huber())
    assert bool(report) == ok and "with predictions up to" in str(report.notes)
    assert check(BCE())


def test_numpys_functions_are_no_initializers():
    class Scale(Layer):
        def build(self, in_shape):
            self.param("g", in_shape, np.ones)
            return in_shape

    with pytest.raises(SettingsError, match=r"g has shape .* and initializer .*ones.*, of minigan.initializers"):
        Sequential([Scale()], input_shape=(3,), name="net", seed=0)


def test_a_check_is_quick():
    began = time.process_time()
    check(people.RowNorm())
    assert time.process_time() - began < 2


@pytest.mark.slow
def test_right_layers_are_never_called_wrong():
    bad = [report for report in checks(800) if not report]
    assert not bad, bad
