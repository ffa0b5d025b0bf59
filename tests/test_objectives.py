"""Objectives against numbers worked out by hand and against differences; and wrong ones, which must be caught."""

import math

import numpy as np
import pytest

from minigan import BCE, BCEWithLogits, Hinge, LeastSquares, NonSaturating, Saturating, Wasserstein, get_backend
from minigan.gradcheck import numeric_gradient

PARTS = ("real", "fake", "generator")
MAKERS = {
    "NonSaturating logits": lambda backend: NonSaturating(BCEWithLogits(backend)),
    "NonSaturating smoothed": lambda backend: NonSaturating(BCEWithLogits(backend), real_target=0.9),
    "NonSaturating probabilities": lambda backend: NonSaturating(BCE(backend)),
    "Saturating logits": lambda backend: Saturating(BCEWithLogits(backend)),
    "Saturating probabilities": lambda backend: Saturating(BCE(backend)),
    "LeastSquares": LeastSquares,
    "Hinge": Hinge,
    "Wasserstein": Wasserstein,
}
every_objective = pytest.mark.parametrize("name", MAKERS)


def predictions(name, backend="numpy", n=17, dtype="float64"):
    """Random ones, on both sides of every kink."""
    s = 2 * get_backend(backend).normal((n, 1), 4, "predictions", dtype=dtype)
    return 1 / (1 + np.exp(-s)) if "probabilities" in name else s


# Numbers by hand -----------------------------------------------------------------------------------------------------

S = [2.0, -1.5, 0.5, 0.0]
BY_HAND = [  # for the predictions S: the loss, and n = 4 times dpred
    (LeastSquares, "real", (1 + 6.25 + 0.25 + 1) / 8, [1, -2.5, -0.5, -1]),
    (LeastSquares, "fake", (4 + 2.25 + 0.25 + 0) / 8, [2, -1.5, 0.5, 0]),
    (LeastSquares, "generator", (1 + 6.25 + 0.25 + 1) / 8, [1, -2.5, -0.5, -1]),
    (Hinge, "real", (0 + 2.5 + 0.5 + 1) / 4, [0, -1, -1, -1]),
    (Hinge, "fake", (3 + 0 + 1.5 + 1) / 4, [1, 0, 1, 1]),
    (Hinge, "generator", -(2 - 1.5 + 0.5 + 0) / 4, [-1, -1, -1, -1]),
    (Wasserstein, "real", -(2 - 1.5 + 0.5 + 0) / 4, [-1, -1, -1, -1]),
    (Wasserstein, "fake", (2 - 1.5 + 0.5 + 0) / 4, [1, 1, 1, 1]),
    (Wasserstein, "generator", -(2 - 1.5 + 0.5 + 0) / 4, [-1, -1, -1, -1]),
]


@pytest.mark.parametrize("kind, part, loss, four_dpred", BY_HAND)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_by_hand(kind, part, loss, four_dpred, dtype):
    pred = np.array(S, dtype).reshape(4, 1)
    found, dpred = getattr(kind("numpy"), part)(pred)
    assert float(found) == loss and (4 * dpred[:, 0]).tolist() == four_dpred


@every_objective
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_are_0d_and_predictions_are_left_alone(name, dtype, backend):
    objective, pred = MAKERS[name](backend), predictions(name, backend, dtype=dtype)
    kept = pred.copy()
    for part in PARTS:
        loss, dpred = getattr(objective, part)(pred)
        assert loss.shape == () and loss.dtype == dpred.dtype == dtype and dpred.shape == pred.shape
        dpred += 1  # an array of its own: pred is a buffer of D
    for score in (objective.score_real(pred), objective.score_fake(pred)):
        assert score.shape == ()
    assert (pred == kept).all()


# Gradients -----------------------------------------------------------------------------------------------------------


def gradients_agree(objective, part, pred):
    _, dpred = getattr(objective, part)(pred)
    numeric = numeric_gradient(lambda: getattr(objective, part)(pred)[0], pred).reshape(pred.shape)
    return np.max(abs(dpred - numeric)) < 1e-7 * np.max(abs(numeric))


@every_objective
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("n", [1, 17])
def test_gradients(name, part, n):
    assert gradients_agree(MAKERS[name]("numpy"), part, predictions(name, n=n) if n > 1 else np.array([[0.4]]))


class SumForMean(LeastSquares):
    def _half_square(self, error):
        loss, dpred = super()._half_square(error)
        return loss, dpred * dpred.size


class ForgottenHalf(LeastSquares):
    def _half_square(self, error):
        return np.mean(error * error), error / error.size


class RealForFake(LeastSquares):
    def fake(self, pred):
        return super().fake(pred)[0], super().real(pred)[1]


class NoMask(Hinge):
    def _hinge(self, short, slope):
        return super()._hinge(short, slope)[0], np.full_like(short, slope / short.size)


class MaskAtZero(Hinge):
    def _hinge(self, short, slope):
        return super()._hinge(short, slope)[0], (short > 1) * (slope / short.size)


class WrongSlope(Hinge):
    def _hinge(self, short, slope):
        loss, dpred = super()._hinge(short, slope)
        return loss, abs(dpred)


class SumOfScores(Wasserstein):
    def fake(self, pred):
        return super().fake(pred)[0], np.ones_like(pred)


class WrongSign(Wasserstein):
    def generator(self, pred):
        loss, dpred = super().generator(pred)
        return loss, -dpred


class SaturatingGradient(NonSaturating):
    def generator(self, pred):
        return super().generator(pred)[0], -super().fake(pred)[1]


@pytest.mark.parametrize(
    "wrong, part",
    [
        (SumForMean("numpy"), "real"),
        (ForgottenHalf("numpy"), "generator"),
        (RealForFake("numpy"), "fake"),
        (NoMask("numpy"), "real"),
        (NoMask("numpy"), "fake"),
        (MaskAtZero("numpy"), "real"),
        (WrongSlope("numpy"), "real"),
        (SumOfScores("numpy"), "fake"),
        (WrongSign("numpy"), "generator"),
        (SaturatingGradient(BCEWithLogits("numpy")), "generator"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_planted_mistakes_are_caught(wrong, part):
    assert not gradients_agree(wrong, part, predictions(""))


# How well D does -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, decision",
    [("NonSaturating logits", 0), ("NonSaturating probabilities", 0.5), ("LeastSquares", 0.5), ("Hinge", 0)],
)
def test_accuracy_counts_from_the_decision(name, decision):
    objective = MAKERS[name]("numpy")
    real = decision + np.array([[0.1], [0.2], [0.0], [-0.1]])  # on the line is not above it
    fake = decision + np.array([[0.0], [-0.1], [-0.3], [0.1]])
    assert objective.score == "d_accuracy"
    assert objective.score_real(real) + objective.score_fake(fake) == (2 / 4 + 3 / 4) / 2


def test_a_critic_has_an_estimate_in_place_of_an_accuracy():
    objective = Wasserstein("numpy")
    real, fake = predictions("", n=9), predictions("", n=5)
    estimate = objective.score_real(real) + objective.score_fake(fake)
    assert objective.score == "w_estimate"
    assert estimate == -(objective.real(real)[0] + objective.fake(fake)[0])
    np.testing.assert_allclose(estimate, np.mean(real) - np.mean(fake), rtol=1e-14)
    moved = objective.score_real(real + 100) + objective.score_fake(fake + 100)
    np.testing.assert_allclose(moved, estimate, rtol=1e-12)


@every_objective
def test_ds_loss_when_it_cannot_tell(name):
    expected = {"LeastSquares": 0.25, "Hinge": 2, "Wasserstein": 0}.get(name, 2 * math.log(2))
    assert MAKERS[name]("numpy").undecided() == pytest.approx(expected, rel=1e-12)
