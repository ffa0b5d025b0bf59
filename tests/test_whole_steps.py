"""Both gradients of a whole step, for every objective and every switch, of dense, convolutional and residual GANs."""

from itertools import product

import numpy as np
import pytest

from minigan import (
    BCE,
    BCEWithLogits,
    Hinge,
    LeastSquares,
    MeanSquaredError,
    NonSaturating,
    Relativistic,
    Saturating,
    Wasserstein,
    WeightClipping,
)
from minigan.gradcheck import NOTHING_TESTED, OK, check
from minigan.penalties import R1, R1R2, GradientPenalty

from .gans import real_images, small_gan
from .whole_steps import (
    Game,
    check_step,
    classes_for,
    conv_gan,
    hinge,
    least_squares,
    residual_gan,
    scoreless,
    tiny_gan,
    wasserstein,
)


def smoothed(loss):
    return NonSaturating(loss, real_target=0.9)


MAKERS = [small_gan, conv_gan]
GAMES = [
    (NonSaturating, BCEWithLogits), (NonSaturating, BCE), (Saturating, BCEWithLogits), (Saturating, BCE),
    (smoothed, BCEWithLogits), (least_squares, BCEWithLogits), (hinge, BCEWithLogits), (wasserstein, BCEWithLogits),
]  # fmt: skip
CLIP = WeightClipping(0.3)
SWITCHES = list(product(("fresh", "same"), ("summed", "two_steps"), (1, 2), (None, CLIP)))
# In each half, any three switches meet in all their ways.
SECOND = ("same", "two_steps", 2, CLIP)
EVEN, ODD = ([s for s in SWITCHES if sum(map(s.count, SECOND)) % 2 == parity] for parity in (0, 1))
FEW = [("fresh", "summed", 1, None), ("same", "two_steps", 2, CLIP)]  # between them, both choices of every switch


def name_of(value):
    return getattr(value, "__name__", None) or str(value)


def switched(maker, objective, loss, noise, d_update, d_steps, clip, seed=3):
    """A GAN, its real images, and the gradients of a step that are truly 0."""
    switches = {"noise": noise, "d_update": d_update, "d_steps": d_steps, "clip": clip}
    gan = maker(objective=objective, loss=loss, seed=seed, **switches)
    return gan, real_images(gan, 6 * d_steps), scoreless(gan)


def must_be_right(gan, x_real, expect_zero, most):
    report = check_step(gan, x_real, expect_zero, most)
    assert report, report
    assert {row.name[:2] for row in report.rows} == {"D.", "G."}


@pytest.mark.parametrize("switches", FEW, ids=str)
@pytest.mark.parametrize("objective, loss", GAMES, ids=name_of)
@pytest.mark.parametrize("maker", MAKERS, ids=name_of)
def test_a_whole_step_is_the_gradient_of_its_objective(maker, objective, loss, switches):
    must_be_right(*switched(maker, objective, loss, *switches), most=6)


@pytest.mark.slow
@pytest.mark.parametrize("switches", EVEN, ids=str)
@pytest.mark.parametrize("objective, loss", GAMES, ids=name_of)
@pytest.mark.parametrize("maker", MAKERS, ids=name_of)
def test_every_entry_with_half_of_all_switches(maker, objective, loss, switches):
    must_be_right(*switched(maker, objective, loss, *switches), most=10_000)


@pytest.mark.parametrize("most", [6, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("penalty", [GradientPenalty(), GradientPenalty(0.5), R1(), R1R2(2.0)], ids=str)
@pytest.mark.parametrize("objective", [NonSaturating, wasserstein], ids=name_of)
@pytest.mark.parametrize("maker", MAKERS, ids=name_of)
def test_with_a_penalty(maker, objective, penalty, most):
    gan = maker(objective=objective, penalty=penalty, d_steps=2)
    must_be_right(gan, real_images(gan, 12), scoreless(gan), most)


# Pairs, classes, blocks ----------------------------------------------------------------------------------------------

PAIRS = [(Relativistic, kind) for kind in (BCEWithLogits, MeanSquaredError, Hinge, LeastSquares, NonSaturating)]
LATER = [(NonSaturating, BCEWithLogits), (wasserstein, BCEWithLogits), (Relativistic, BCEWithLogits)]
LATER_SWITCHES = [
    {"d_steps": 2, "g_steps": 2},
    {"noise": "same", "g_steps": 3},
    {"noise": "same", "d_steps": 2, "clip": CLIP},
]
KINDS = [tiny_gan, conv_gan, residual_gan]


@pytest.mark.parametrize("objective, loss", PAIRS, ids=name_of)
@pytest.mark.parametrize("maker", KINDS, ids=name_of)
def test_pairs(maker, objective, loss):
    gan = maker(objective=objective, loss=loss)
    must_be_right(gan, real_images(gan), scoreless(gan), most=6)


@pytest.mark.slow
@pytest.mark.parametrize("switches", LATER_SWITCHES, ids=str)
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("objective, loss", LATER, ids=name_of)
@pytest.mark.parametrize("maker", KINDS, ids=name_of)
def test_classes_and_several_updates_of_either_network(maker, objective, loss, classes, switches):
    gan = maker(objective=objective, loss=loss, classes=classes, **switches)
    must_be_right(gan, real_images(gan, 6 * gan.d_steps), scoreless(gan), most=3)


SHOWN = [
    {"augment": "color,translation,cutout"},
    {"augment": "translation,color", "noise": "same", "d_steps": 2, "g_steps": 2},
    {"pack": 3},
    {"pack": 2, "augment": "cutout,color", "d_steps": 2, "g_steps": 2},
]


@pytest.mark.parametrize("switches", SHOWN, ids=str)
@pytest.mark.parametrize("objective, loss", LATER, ids=name_of)
def test_changed_images_and_packs(objective, loss, switches):
    gan = conv_gan(objective=objective, loss=loss, **switches)
    must_be_right(gan, real_images(gan, 6 * gan.pack * gan.d_steps), scoreless(gan), most=3)


@pytest.mark.parametrize("penalty", [GradientPenalty(3.0), R1(3.0), R1R2(2.0)], ids=str)
@pytest.mark.parametrize("switches", [SHOWN[0], {"pack": 2}], ids=str)
def test_penalties_look_at_what_D_sees(penalty, switches):
    gan = conv_gan(objective=wasserstein, penalty=penalty, **switches)
    must_be_right(gan, real_images(gan), scoreless(gan), most=3)


def test_classes_behind_a_sigmoid():
    gan = tiny_gan(loss=BCE, classes=3, d_update="two_steps")
    must_be_right(gan, real_images(gan), (), most=6)


@pytest.mark.parametrize("switches", [{}, {"noise": "same"}, {"penalty": R1(3.0)}, {"penalty": R1R2(2.0)}], ids=str)
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("objective, loss", [*LATER, *PAIRS[1:]], ids=name_of)
@pytest.mark.parametrize("maker", [tiny_gan, residual_gan], ids=name_of)
def test_the_losses_that_a_step_reports(maker, objective, loss, classes, switches):
    """Are those of the papers: D's before its update, G's behind it."""
    gan = maker(objective=objective, loss=loss, classes=classes, **switches)
    x, labels, G_before = real_images(gan), classes_for(gan, 6), gan.G.params.copy()
    game = Game(gan, x, labels)
    of_D = game.d_loss(game.images("D", 0, labels), 0)
    gan.D.forwards = 0
    losses = gan.step(x, labels)
    gan.G.params[...] = G_before
    np.testing.assert_allclose([losses.d_loss, losses.g_loss], [of_D, game.g_loss(0)], rtol=1e-12)
    parts = [part for part in (losses.d_loss_real, losses.d_loss_fake, losses.d_penalty) if part is not None]
    assert len(parts) == 2 * (objective is not Relativistic) + ("penalty" in switches)
    if objective is not Relativistic:
        np.testing.assert_allclose(sum(parts), losses.d_loss, rtol=1e-12)


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1(3.0), R1R2(2.0)], ids=str)
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("objective", [wasserstein, Relativistic], ids=name_of)
@pytest.mark.parametrize("maker", [tiny_gan, residual_gan], ids=name_of)
@pytest.mark.parametrize("most", [2, pytest.param(10_000, marks=pytest.mark.slow)])
def test_blocks_pairs_and_classes_with_a_penalty(maker, objective, classes, penalty, most):
    gan = maker(objective=objective, classes=classes, penalty=penalty)
    must_be_right(gan, real_images(gan), scoreless(gan), most)


@pytest.mark.parametrize(
    "switches", [{}, {"penalty": GradientPenalty()}, {"penalty": R1(3.0), "noise": "same"}], ids=str
)
@pytest.mark.parametrize("objective", [wasserstein, Relativistic], ids=name_of)
def test_steps_of_blocks_are_the_same_in_every_workspace(objective, switches):
    """Bit for bit, with classes and two updates of each network in a step."""
    found = []
    for mode in ("fresh", "reuse", "poison"):
        gan = residual_gan(objective, classes=3, workspace=mode, d_steps=2, g_steps=2, **switches)
        for step in range(3):
            x = real_images(gan, 12, step)
            losses = gan.step(x, classes_for(gan, 12))
        found.append(np.concatenate([gan.G.params, gan.D.params, gan.G.state, [float(v) for v in losses.values()]]))
    assert np.isfinite(found[0]).all()
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


# `check`, as a user has it: no false alarm ------------------------------------------------------------------------


def must_not_alarm(gan, x_real, **options):
    """All OK; but D's last bias has no part in differences of scores, and hinges within their margin are such."""
    report = check(gan, x_real, **options)
    rest = {row.name: row.verdict for row in report.rows if row.verdict != OK}
    if rest and isinstance(gan.objective, Hinge | Wasserstein):
        assert rest == {f"D.{gan.D.slots[-1].name}": NOTHING_TESTED}, report
        rest = {}
    assert not rest and not report.complaints, report


@pytest.mark.parametrize("switches", FEW, ids=str)
@pytest.mark.parametrize("objective, loss", GAMES, ids=name_of)
def test_check_does_not_call_a_right_step_wrong(objective, loss, switches):
    must_not_alarm(*switched(tiny_gan, objective, loss, *switches)[:2], max_entries=2)


@pytest.mark.slow
@pytest.mark.parametrize("switches", ODD, ids=str)
@pytest.mark.parametrize("objective, loss", GAMES, ids=name_of)
@pytest.mark.parametrize("maker", MAKERS, ids=name_of)
def test_check_does_not_call_a_right_step_wrong_with_the_other_half(maker, objective, loss, switches):
    must_not_alarm(*switched(maker, objective, loss, *switches)[:2], max_entries=3)
