"""Losses against closed forms; their gradients are checked in test_layers.py."""

import math

import numpy as np
import pytest

from minigan import BCE, BCEWithLogits
from minigan.errors import ShapeError


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


@pytest.mark.parametrize("loss", [BCE, BCEWithLogits])
def test_targets_are_never_broadcast(loss):
    with pytest.raises(
        ShapeError, match=rf"{loss.__name__}: predictions of shape \(4, 1\) and targets of shape \(4,\)"
    ):
        loss()(np.full((4, 1), 0.5), np.ones(4))
    with pytest.raises(ShapeError, match="targets of shape None"):
        loss()(np.full((4, 1), 0.5), [1.0] * 4)
