"""Objectives against numbers worked out by hand and against differences."""

import math

import numpy as np
import pytest

from minigan import (
    BCE,
    GAN,
    BCEWithLogits,
    Hinge,
    LeastSquares,
    MeanSquaredError,
    NonSaturating,
    Relativistic,
    Saturating,
    SoftmaxCrossEntropy,
    Wasserstein,
    get_backend,
)
from minigan.errors import SettingsError, ShapeError
from minigan.gradcheck import check, numeric_gradient
from minigan.objectives import Objective

from .gans import real_images, small_gan

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
    s = 2 * get_backend(backend).random.normal((n, 1), 4, "predictions", dtype=dtype)
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


# Pairs ---------------------------------------------------------------------------------------------------------------

PAIRS = {  # f, and its slope, of a difference s
    "default": (Relativistic, lambda s: np.logaddexp(0, -s), lambda s: -1 / (1 + np.exp(s))),
    "squares": (lambda: Relativistic(MeanSquaredError()), lambda s: (s - 1) ** 2, lambda s: 2 * (s - 1)),
    "half squares": (lambda: Relativistic(LeastSquares()), lambda s: (s - 1) ** 2 / 2, lambda s: s - 1),
    "hinge": (lambda: Relativistic(Hinge()), lambda s: np.maximum(0, 1 - s), lambda s: -1.0 * (s < 1)),
    "linear": (lambda: Relativistic(Wasserstein()), lambda s: -s, lambda s: -np.ones_like(s)),
    "smoothed": (
        lambda: Relativistic(NonSaturating(real_target=0.9)),
        lambda s: np.logaddexp(0, s) - 0.9 * s,
        lambda s: 1 / (1 + np.exp(-s)) - 0.9,
    ),
}
REAL, FAKE = [1.5, -1.0, 0.5, 0.0], [0.5, 1.0, -2.0, 0.0]  # differences 1, -2, 2.5, 0
PAIRS_BY_HAND = [  # the loss of D, n = 4 times d_real; the loss of G, 4 times its gradient
    (MeanSquaredError(), (0 + 9 + 2.25 + 1) / 4, [0, -6, 3, -2], (4 + 1 + 12.25 + 1) / 4, [-4, 2, -7, -2]),
    (LeastSquares(), (0 + 9 + 2.25 + 1) / 8, [0, -3, 1.5, -1], (4 + 1 + 12.25 + 1) / 8, [-2, 1, -3.5, -1]),
    (Hinge(), (0 + 3 + 0 + 1) / 4, [0, -1, 0, -1], (2 + 0 + 3.5 + 1) / 4, [-1, 0, -1, -1]),
    (Wasserstein(), -(1 - 2 + 2.5 + 0) / 4, [-1, -1, -1, -1], (1 - 2 + 2.5 + 0) / 4, [-1, -1, -1, -1]),
]


@pytest.mark.parametrize("loss, of_D, d_real, of_G, dpred", PAIRS_BY_HAND, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pairs_by_hand(loss, of_D, d_real, of_G, dpred, dtype):
    objective, (real, fake) = Relativistic(loss), (np.array(s, dtype).reshape(4, 1) for s in (REAL, FAKE))
    found = objective.discriminator(real, fake)
    assert float(found[0]) == of_D and (4 * found[1][:, 0]).tolist() == d_real
    assert np.array_equal(found[2], -found[1])
    loss, found = objective.generator(fake, real)
    assert float(loss) == of_G and (4 * found[:, 0]).tolist() == dpred and found.dtype == dtype


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("n", [1, 17])
def test_pairs_against_closed_forms_and_differences(name, n):
    maker, f, slope = PAIRS[name]
    objective, real, fake = maker(), predictions("", n=n), predictions("", n=n)[::-1].copy() + 0.3
    loss, d_real, d_fake = objective.discriminator(real, fake)
    np.testing.assert_allclose(loss, f(real - fake).mean(), rtol=1e-12)
    np.testing.assert_allclose(d_real, slope(real - fake) / n, rtol=1e-12, atol=1e-15)
    g_loss, dpred = objective.generator(fake, real)
    np.testing.assert_allclose(g_loss, f(fake - real).mean(), rtol=1e-12)
    np.testing.assert_allclose(dpred, slope(fake - real) / n, rtol=1e-12, atol=1e-15)
    of_D, of_G = lambda: objective.discriminator(real, fake)[0], lambda: objective.generator(fake, real)[0]
    for array, mine, of_whom in ((real, d_real, of_D), (fake, d_fake, of_D), (fake, dpred, of_G)):
        numeric = numeric_gradient(of_whom, array)
        assert np.max(abs(mine - numeric.reshape(mine.shape))) < 1e-8 * max(1, np.max(abs(numeric)))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pairs_are_0d_and_predictions_are_left_alone(name, dtype, backend):
    objective = PAIRS[name][0]()
    real, fake = predictions("", backend, dtype=dtype), predictions("", backend, dtype=dtype)[::-1].copy()
    kept = real.copy(), fake.copy()
    loss, *gradients = objective.discriminator(real, fake)
    g_loss, dpred = objective.generator(fake, real)
    assert loss.shape == g_loss.shape == objective.score_pairs(real, fake).shape == ()
    assert {str(array.dtype) for array in (loss, g_loss, dpred, *gradients)} == {dtype}
    for gradient in (dpred, *gradients):
        assert gradient.shape == real.shape
        gradient += 1  # arrays of their own
    assert (real == kept[0]).all() and (fake == kept[1]).all()


@pytest.mark.parametrize("name", PAIRS)
def test_only_differences_count(name):
    """So that the last bias of D has no gradient: those of its two batches cancel."""
    objective, real, fake = PAIRS[name][0](), predictions("", n=9), predictions("", n=9)[::-1].copy()
    loss, d_real, d_fake = objective.discriminator(real, fake)
    np.testing.assert_allclose(objective.discriminator(real + 8, fake + 8)[0], loss, rtol=1e-12, atol=1e-15)
    assert abs(d_real.sum() + d_fake.sum()) < 1e-15


def test_pairs_of_scores_far_apart_are_finite_and_keep_their_gradient():
    real, fake = np.array([[1e4], [-1e4]], "float32"), np.array([[-1e4], [1e4]], "float32")
    loss, d_real, d_fake = Relativistic().discriminator(real, fake)
    assert float(loss) == 1e4 and d_real[:, 0].tolist() == [0, -0.5] and d_fake[:, 0].tolist() == [0, 0.5]


def test_the_score_of_pairs_is_the_share_that_D_ranks_right():
    objective = Relativistic()
    assert objective.score == "d_accuracy" and objective.sees_both and not Hinge().sees_both
    assert objective.score_pairs(np.array([[1.0], [2.0], [0.0], [5.0]]), np.array([[0.0], [3.0], [0.0], [-9.0]])) == 0.5


@pytest.mark.parametrize("name, expected", [("default", math.log(2)), ("squares", 1), ("half squares", 0.5),
                                            ("hinge", 1), ("linear", 0)])  # fmt: skip
def test_Ds_loss_of_pairs_when_it_cannot_tell(name, expected):
    assert PAIRS[name][0]().undecided() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "loss", [BCE(), NonSaturating(BCE()), Relativistic(), SoftmaxCrossEntropy(), Hinge, "hinge", 1], ids=str
)
def test_what_is_no_function_of_a_difference_is_refused(loss):
    with pytest.raises(SettingsError, match="Relativistic: loss is .*; wanted one of scores of any size, such as"):
        Relativistic(loss)


# Objectives of a user's own ------------------------------------------------------------------------------------------


class CubedMargin(Objective):
    """One that sees both batches, in the fewest words."""

    def discriminator(self, real, fake):
        short = np.maximum(0, 2 - (real - fake))
        return (short**3).mean(), -3 * short**2 / short.size, 3 * short**2 / short.size

    def generator(self, fake, real):
        return (real - fake).mean(), np.full_like(fake, -1 / fake.size)


class Exponential(Objective):
    """One of a batch at a time."""

    score = "d_margin"

    def real(self, pred):
        return np.exp(-pred).mean(), -np.exp(-pred) / pred.size

    def fake(self, pred):
        return np.exp(pred).mean(), np.exp(pred) / pred.size

    def generator(self, pred):
        return np.exp(-pred).mean(), -np.exp(-pred) / pred.size


OWN = [(CubedMargin, ("d_loss", "d_accuracy", "g_loss")),
       (Exponential, ("d_loss", "d_loss_real", "d_loss_fake", "d_margin", "g_loss"))]  # fmt: skip


@pytest.mark.parametrize("kind, measures", OWN)
def test_an_objective_of_a_users_own_needs_no_more_than_its_losses(kind, measures):
    assert check(kind(), 0.5 * predictions("", n=9)), "its gradients"
    gan = small_gan(objective=lambda loss: kind())
    last = (f"D.{gan.D.slots[-1].name}",) if kind is CubedMargin else ()
    assert check(gan, max_entries=2, expect_zero=last), "and those of a step with it"
    before = gan.G.params.copy(), gan.D.params.copy()
    losses = gan.step(real_images(gan))
    assert gan.measures == measures and len(losses.values()) == len(measures)
    assert all(np.isfinite(value) and value.shape == () for value in losses.values())
    assert (gan.G.params != before[0]).any() and (gan.D.params != before[1]).any()
    assert kind.__name__ in str(gan.config()["objective"]) and repr(gan.objective) == f"{kind.__name__}()"
    assert kind().undecided() == pytest.approx({CubedMargin: 8, Exponential: 2}[kind])


@pytest.mark.parametrize("part", ["real", "fake", "generator"])
@pytest.mark.parametrize("wrong, shape", [(lambda d: d[:, 0], r"\(6,\)"), (lambda d: d.sum(), r"\(\)"),
                                          (lambda d: None, "None"), (lambda d: d[:3], r"\(3, 1\)")])  # fmt: skip
def test_a_gradient_of_another_shape_is_refused_by_the_step(part, wrong, shape):
    def of_another_shape(self, pred, *others):
        loss, dpred = getattr(LeastSquares, part)(self, pred)
        return loss, wrong(dpred)

    kind = type("Odd", (LeastSquares,), {part: of_another_shape})
    gan = small_gan(objective=lambda loss: kind())
    words = rf"Odd\(\) returned a gradient of shape {shape} for predictions of shape \(6, 1\): they must be equal"
    with pytest.raises(ShapeError, match=words):
        gan.step(real_images(gan))


@pytest.mark.parametrize("place", [1, 2])
def test_of_pairs_both_gradients_have_to_fit(place):
    class Odd(Relativistic):
        def discriminator(self, real, fake):
            found = list(super().discriminator(real, fake))
            found[place] = found[place][:, 0]
            return found

    gan = small_gan(objective=lambda loss: Odd())
    with pytest.raises(ShapeError, match=r"returned a gradient of shape \(6,\) for predictions of shape \(6, 1\)"):
        gan.step(real_images(gan))


def test_an_objective_without_its_losses_says_which():
    class Empty(Objective):
        """Nothing."""

    class Half(Objective):
        """D's loss alone."""

        def discriminator(self, real, fake):
            return real.mean(), real, fake

    gan = small_gan()
    for kind, words in ((Empty, "Empty has no real, fake, generator"), (Half, "Half has no generator")):
        with pytest.raises(SettingsError, match=f"{words}: an objective has"):
            GAN(gan.G, gan.D, objective=kind())


@pytest.mark.parametrize("name", ["step", "d_loss", "lr", "seconds"])
def test_a_score_has_a_column_of_its_own(name):
    class Named(LeastSquares):
        score = name

    gan = small_gan()
    with pytest.raises(SettingsError, match=f"Named: score is '{name}', which the history has already"):
        GAN(gan.G, gan.D, objective=Named())


def test_a_loss_that_is_no_mean_is_refused_by_the_step():
    class Unreduced(LeastSquares):
        def generator(self, fake, real=None):
            loss, dpred = super().generator(fake)
            return loss + 0 * fake, dpred

    gan = small_gan()
    gan = GAN(gan.G, gan.D, objective=Unreduced())
    with pytest.raises(ShapeError, match=r"Unreduced\(\) returned a loss or score of shape \(6, 1\)"):
        gan.step(real_images(gan))


def test_pairs_cannot_be_two_steps():
    with pytest.raises(SettingsError, match="sees both batches at once: it needs d_update='summed'"):
        small_gan(objective=Relativistic, d_update="two_steps")
