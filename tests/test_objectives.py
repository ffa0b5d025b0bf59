"""Objectives against numbers worked out by hand and against differences."""

import math

import numpy as np
import pytest

from minigan import BCE, BCEWithLogits, Hinge, LeastSquares, NonSaturating, Saturating, Wasserstein, get_backend
from minigan.gradcheck import numeric_gradient

PARTS = ("real", "fake", "generator")
MAKERS = {
    "NonSaturating logits": lambda: NonSaturating(BCEWithLogits()),
    "NonSaturating smoothed": lambda: NonSaturating(BCEWithLogits(), real_target=0.9),
    "NonSaturating probabilities": lambda: NonSaturating(BCE()),
    "Saturating logits": lambda: Saturating(BCEWithLogits()),
    "Saturating probabilities": lambda: Saturating(BCE()),
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
    found, dpred = getattr(kind(), part)(pred)
    assert float(found) == loss and (4 * dpred[:, 0]).tolist() == four_dpred


@every_objective
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_are_0d_and_predictions_are_left_alone(name, dtype, backend):
    objective, pred = MAKERS[name](), predictions(name, backend, dtype=dtype)
    kept = pred.copy()
    for part in PARTS:
        loss, dpred = getattr(objective, part)(pred)
        assert loss.shape == () and loss.dtype == dpred.dtype == dtype and dpred.shape == pred.shape
        dpred += 1  # an array of its own: pred is a buffer of D
    for score in (objective.score_real(pred), objective.score_fake(pred)):
        assert score.shape == ()
    assert (pred == kept).all()


# Gradients -----------------------------------------------------------------------------------------------------------


@every_objective
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("n", [1, 17])
def test_gradients(name, part, n):
    """Mistakes in them are planted in mutants.py."""
    loss = getattr(MAKERS[name](), part)
    pred = predictions(name, n=n) if n > 1 else np.array([[0.4]])
    numeric = numeric_gradient(lambda: loss(pred)[0], pred).reshape(pred.shape)
    assert np.max(abs(loss(pred)[1] - numeric)) < 1e-7 * np.max(abs(numeric))


# How well D does -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, decision",
    [("NonSaturating logits", 0), ("NonSaturating probabilities", 0.5), ("LeastSquares", 0.5), ("Hinge", 0)],
)
def test_accuracy_counts_from_the_decision(name, decision):
    objective = MAKERS[name]()
    real = decision + np.array([[0.1], [0.2], [0.0], [-0.1]])  # on the line is not above it
    fake = decision + np.array([[0.0], [-0.1], [-0.3], [0.1]])
    assert objective.score == "d_accuracy"
    assert objective.score_real(real) + objective.score_fake(fake) == (2 / 4 + 3 / 4) / 2


def test_a_critic_has_an_estimate_in_place_of_an_accuracy():
    objective = Wasserstein()
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
    assert MAKERS[name]().undecided() == pytest.approx(expected, rel=1e-12)
