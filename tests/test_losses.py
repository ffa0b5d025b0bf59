"""Losses against closed forms; their gradients are checked in test_layers.py."""

import math

import numpy as np
import pytest

from minigan import BCE, BCEWithLogits, LeastSquares, MeanSquaredError, NonSaturating, SoftmaxCrossEntropy
from minigan.errors import SettingsError, ShapeError
from minigan.losses import one_hot


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_dtypes_and_0d(dtype):
    logits = np.array([[0.0], [2.0], [-3.0]], dtype)
    loss, dpred = BCEWithLogits()(logits, 1.0)
    assert np.ndim(loss) == 0 and loss.dtype == dpred.dtype == dtype and dpred.shape == logits.shape
    expected = np.mean([math.log(2), math.log1p(math.exp(-2)), math.log1p(math.exp(3))])
    np.testing.assert_allclose(float(loss), expected, rtol=1e-6)
    p = np.array([[0.5], [0.25], [0.9]], dtype)
    loss, dpred = BCE()(p, np.array([[1.0], [0.0], [0.8]], dtype))
    assert loss.dtype == dpred.dtype == dtype
    expected = -np.mean([math.log(0.5), math.log(0.75), 0.8 * math.log(0.9) + 0.2 * math.log(0.1)])
    np.testing.assert_allclose(float(loss), expected, rtol=1e-6)


def test_logits_never_overflow_and_keep_their_gradient():
    s = np.array([[-1e4], [-88.8], [88.8], [1e4]], np.float32)
    for target, losses, slopes in ((1.0, [1e4, 88.8, 0, 0], [-1, -1, 0, 0]), (0.0, [0, 0, 88.8, 1e4], [0, 0, 1, 1])):
        loss, ds = BCEWithLogits()(s, target)
        np.testing.assert_allclose(float(loss), np.mean(losses), rtol=1e-6)
        np.testing.assert_allclose(ds[:, 0], np.array(slopes) / 4, atol=1e-7)


def test_clipped_probabilities_are_finite_and_have_no_gradient():
    loss, dp = BCE()(np.array([[0.0], [1.0], [0.5]], np.float32), np.array([[1.0], [0.0], [1.0]], np.float32))
    assert np.isfinite(loss) and float(loss) > 5
    assert dp[0, 0] == dp[1, 0] == 0 and dp[2, 0] == pytest.approx(-2 / 3)


def test_the_two_losses_are_one_function():
    s = np.linspace(-8, 8, 21).reshape(7, 3)
    p = 1 / (1 + np.exp(-s))
    for target in (0.0, 0.9, (s > 0).astype(float)):
        a, ds = BCEWithLogits()(s, target)
        b, dp = BCE()(p, target)
        np.testing.assert_allclose(a, b, rtol=1e-12)
        np.testing.assert_allclose(ds, dp * p * (1 - p), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_squared_errors_by_hand(dtype):
    y = np.array([[1.0, -0.5, 2.0], [0.0, 3.0, 0.5]], dtype)
    loss, dy = MeanSquaredError()(y, np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 1.0]], dtype))
    assert np.ndim(loss) == 0 and loss.dtype == dy.dtype == dtype and dy.shape == y.shape
    assert float(loss) == pytest.approx((0 + 1 + 4 + 0 + 4 + 0.25) / 6, rel=1e-6)
    np.testing.assert_allclose(dy, np.array([[0, -1, 2], [0, 2, -0.5]]) / 3, rtol=1e-6)
    for target, part in ((1.0, "real"), (0.0, "fake")):
        (whole, twice), (half, once) = MeanSquaredError()(y, target), getattr(LeastSquares(), part)(y)
        np.testing.assert_allclose((whole, *twice.ravel()), (2 * half, *(2 * once).ravel()), rtol=1e-6)


def test_squared_errors_of_large_numbers():
    loss, dy = MeanSquaredError()(np.array([[1e4], [-1e4]], np.float32), 0.0)
    assert float(loss) == 1e8 and dy[:, 0].tolist() == [1e4, -1e4]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_cross_entropy_by_hand(dtype):
    """exp(s) is 1, 2, 1 of 4 in the first row, and 3, 1, 4 of 8 in the second."""
    s = np.log(np.array([[1, 2, 1], [3, 1, 4]], dtype))
    loss, ds = SoftmaxCrossEntropy()(s, np.array([1, 0]))
    assert np.ndim(loss) == 0 and loss.dtype == ds.dtype == dtype and ds.shape == s.shape
    assert float(loss) == pytest.approx((math.log(2) + math.log(8 / 3)) / 2, rel=1e-6)
    np.testing.assert_allclose(ds, np.array([[2, -4, 2], [-5, 1, 4]]) / 16, rtol=1e-6, atol=1e-8)
    as_rows, ds_rows = SoftmaxCrossEntropy()(s, np.array([[0, 1, 0], [1, 0, 0]], dtype))
    assert as_rows == loss and np.array_equal(ds_rows, ds)
    loss, ds = SoftmaxCrossEntropy()(s, np.array([[0.5, 0.5, 0], [0.25, 0.25, 0.5]], dtype))
    shares = [-0.5 * math.log(1 / 4) - 0.5 * math.log(1 / 2),
              -0.25 * math.log(3 / 8) - 0.25 * math.log(1 / 8) - 0.5 * math.log(1 / 2)]  # fmt: skip
    assert float(loss) == pytest.approx(sum(shares) / 2, rel=1e-6)
    np.testing.assert_allclose(ds, np.array([[-2, 0, 2], [1, -1, 0]]) / 16, atol=1e-7)


def test_of_two_classes_it_is_cross_entropy_of_the_difference():
    s = np.linspace(-8, 8, 14).reshape(7, 2)
    t = np.array([0, 1, 1, 0, 1, 0, 0])
    loss, ds = SoftmaxCrossEntropy()(s, t)
    expected, d = BCEWithLogits()(s[:, 1:] - s[:, :1], t[:, None].astype(float))
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    np.testing.assert_allclose(ds, np.hstack([-d, d]), rtol=1e-9, atol=1e-15)


def test_softmax_of_logits_far_apart_is_finite_and_keeps_its_gradient():
    s = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0]], np.float32)
    loss, ds = SoftmaxCrossEntropy()(s, np.array([0, 0]))
    assert float(loss) == 1e4 and np.array_equal(ds, np.array([[0, 0, 0], [-0.5, 0.5, 0]]))
    moved, ds = SoftmaxCrossEntropy()(s + 1024, np.array([0, 0]))  # as if nothing had been added
    assert moved == loss and np.array_equal(ds, np.array([[0, 0, 0], [-0.5, 0.5, 0]]))


WRONG = [  # logits' shape, targets, what is said
    ((3, 4), [0, 1, 4], "labels from 0 to 4; of 4 classes they are 0 to 3"),
    ((3, 4), [0, -1, 2], "labels from -1 to 2; of 4 classes they are 0 to 3"),
    ((3, 4), [0.0, 1.0, 2.0], r"labels are float64 of shape \(3,\); wanted \(n,\) whole numbers"),
    ((3, 4), [True, False, True], r"labels are bool of shape \(3,\)"),
    ((3, 4), None, r"logits of shape \(3, 4\) and targets of shape \(\); wanted \(n, k\) and \(n,\) classes"),
    ((3, 4), 1, r"targets of shape \(\)"),
    ((3, 4), [0, 1], r"targets of shape \(2,\)"),
    ((3, 4), [[0], [1], [2]], r"targets of shape \(3, 1\)"),
    ((3, 4), np.ones((4, 3)), r"targets of shape \(4, 3\)"),
    ((3,), [0, 1, 2], r"logits of shape \(3,\)"),
    ((3, 2, 4), [0, 1, 2], r"logits of shape \(3, 2, 4\)"),
]


@pytest.mark.parametrize("shape, targets, words", WRONG)
def test_classes_that_there_are_not(shape, targets, words):
    with pytest.raises(ShapeError, match=f"SoftmaxCrossEntropy: .*{words}"):
        SoftmaxCrossEntropy()(np.zeros(shape), targets)


def test_one_hot_rows():
    rows = one_hot(np.array([2, 0, 1, 2]), 3, "float32", "here")
    assert rows.dtype == np.float32 and rows.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert one_hot(np.zeros(0, int), 3, "float32", "here").shape == (0, 3)
    with pytest.raises(ShapeError, match=r"here: labels are int64 of shape \(2, 2\)"):
        one_hot(np.zeros((2, 2), int), 3, "float32", "here")


def test_a_loss_of_many_classes_is_no_loss_of_two():
    with pytest.raises(SettingsError, match=r"NonSaturating: loss is SoftmaxCrossEntropy\(\)"):
        NonSaturating(SoftmaxCrossEntropy())


@pytest.mark.parametrize("loss", [BCE, BCEWithLogits, MeanSquaredError])
def test_targets_are_never_broadcast(loss):
    with pytest.raises(
        ShapeError, match=rf"{loss.__name__}: predictions of shape \(4, 1\) and targets of shape \(4,\)"
    ):
        loss()(np.full((4, 1), 0.5), np.ones(4))
    with pytest.raises(ShapeError, match="targets of shape None"):
        loss()(np.full((4, 1), 0.5), [1.0] * 4)
