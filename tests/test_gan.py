"""What a step reports, changes and refuses. Its gradients are checked in test_whole_steps.py."""

import math

import numpy as np
import pytest

from minigan import (
    BCE,
    GAN,
    SGD,
    Adam,
    BCEWithLogits,
    Hinge,
    LeastSquares,
    NonSaturating,
    RMSprop,
    Saturating,
    Sequential,
    StepLR,
    Wasserstein,
    WeightClipping,
)
from minigan.errors import SettingsError, ShapeError
from minigan.generator import Generator, draw_noise
from minigan.layers import BatchNorm, Dense, Flatten, LeakyReLU

from .gans import IMAGE, real_images, small_gan
from .whole_steps import Game, hinge, least_squares, softplus, wasserstein

GAMES = [(NonSaturating, BCEWithLogits), (NonSaturating, BCE), (Saturating, BCEWithLogits), (Saturating, BCE),
         (least_squares, BCEWithLogits), (hinge, BCEWithLogits), (wasserstein, BCEWithLogits)]  # fmt: skip
SWITCHES = [
    {"noise": noise, "d_update": update, "objective": objective, "loss": loss}
    for noise in ("fresh", "same")
    for update in ("summed", "two_steps")
    for objective, loss in GAMES
]


def name_of(switches):
    return "-".join(getattr(value, "__name__", value) for value in switches.values())


# What a step reports and changes --------------------------------------------------------------------------------------


def test_losses_and_accuracy():
    gan = small_gan(optimizer=SGD)
    x_real = real_images(gan, 8)
    game = Game(gan, x_real, None)
    real, fake = game.real_scores(0), game.fake_scores(game.images("D", 0, None), 0)
    losses = gan.step(x_real)
    assert all(np.ndim(value) == 0 for value in losses.values()) and losses.d_penalty is None
    np.testing.assert_allclose(losses.d_loss_real, np.mean(softplus(-real)))
    np.testing.assert_allclose(losses.d_loss_fake, np.mean(softplus(fake)))
    np.testing.assert_allclose(losses.d_loss, losses.d_loss_real + losses.d_loss_fake)
    np.testing.assert_allclose(losses.d_score, (np.mean(real > 0) + np.mean(fake <= 0)) / 2)
    np.testing.assert_allclose(losses.g_loss, game.g_loss(0))


def test_a_critic_is_scored_by_its_estimate():
    gan = small_gan(optimizer=SGD, objective=wasserstein)
    x_real = real_images(gan, 8)
    game = Game(gan, x_real, None)
    real, fake = game.real_scores(0), game.fake_scores(game.images("D", 0, None), 0)
    losses = gan.step(x_real)
    np.testing.assert_allclose(losses.d_score, np.mean(real) - np.mean(fake))
    assert losses.d_score == -losses.d_loss
    assert gan.measures == ("d_loss", "d_loss_real", "d_loss_fake", "w_estimate", "g_loss")
    assert small_gan().measures == ("d_loss", "d_loss_real", "d_loss_fake", "d_accuracy", "g_loss")


def test_logits_and_probabilities_play_the_same_game():
    a, b = small_gan(loss=BCEWithLogits), small_gan(loss=BCE)
    b.D.params[...], b.G.params[...] = a.D.params, a.G.params
    for step in range(3):
        ours, theirs = (gan.step(real_images(gan, step=step)).values() for gan in (a, b))
        for x, y in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9)
    np.testing.assert_allclose(a.G.params, b.G.params, rtol=1e-7)


def test_same_noise_repeats_no_forward_of_G():
    for noise, forwards in (("fresh", 2), ("same", 1)):
        gan = small_gan(noise=noise)
        gan.step(real_images(gan))
        assert gan.G.forwards == forwards and gan.D.forwards == 3


def test_d_steps_share_the_images_and_draw_noise_of_their_own():
    gan = small_gan(d_steps=3, noise="same", d_update="summed")
    drawn = []
    draw = gan.draw_noise
    gan.draw_noise = lambda n, stream, step: (drawn.append((n, stream, step)), draw(n, stream, step))[1]
    for step in range(2):
        gan.step(real_images(gan, 12, step))
    assert drawn == [(4, "D", k) for k in range(6)]
    assert gan.d_optimizer.steps == 6 and gan.g_optimizer.steps == 2
    with pytest.raises(ShapeError, match="got 11 real images, which 3 updates"):
        gan.step(real_images(gan, 11))


@pytest.mark.parametrize("d_steps", [1, 3])
@pytest.mark.parametrize("switches", SWITCHES, ids=name_of)
def test_workspace_modes_agree_over_whole_steps(switches, d_steps):
    weights = []
    for mode in ("fresh", "reuse", "poison"):
        gan = small_gan(workspace=mode, d_steps=d_steps, **switches)
        for step in range(3):
            gan.step(real_images(gan, 6 * d_steps, step))
        weights.append(np.concatenate([gan.G.params, gan.D.params, gan.G.state]))
    assert np.array_equal(weights[0], weights[1]) and np.array_equal(weights[0], weights[2])


def test_the_networks_share_temporaries_and_dx():
    gan = small_gan()
    gan.step(real_images(gan))
    ours, theirs = ({id(a) for a in net.workspace.arrays()} for net in (gan.G, gan.D))
    assert {("first", "dx"), ("second", "dx")} <= gan.D.workspace.shared.keys()
    assert ours & theirs == {id(a) for a in gan.D.workspace.shared.values()}
    alone = gan.G.clone()
    assert not alone.workspace.arrays(), "a copy has memory of its own"


@pytest.mark.parametrize("objective", [NonSaturating(BCEWithLogits()), LeastSquares(), Hinge()])
def test_a_gan_learns_a_distribution(objective):
    """Not only right gradients: G finds the mean and the spread of a one-dimensional normal distribution."""
    G = Sequential([Dense(1)], input_shape=1, name="G", dtype="float64")
    D = Sequential([Quadratic(), Dense(1)], input_shape=1, name="D", dtype="float64")
    gan = GAN(
        G, D, objective=objective,
        g_optimizer=Adam(G, learning_rate=5e-3, beta1=0.5), d_optimizer=Adam(D, learning_rate=0.1, beta1=0.5),
    )  # fmt: skip
    seen = []
    for step in range(2500):
        gan.step(2 + 0.5 * G.backend.random.normal((128, 1), 1, "real", step, "float64"))
        seen.append((G.layers[0].b[0], abs(G.layers[0].W[0, 0])))  # the mean and the spread of G's distribution
    mean, spread = np.mean(seen[1000:], axis=0)  # the players circle around the solution: take the middle
    assert abs(mean - 2) < 0.1 and abs(spread - 0.5) < 0.1


def test_a_clipped_critic_measures_the_distance_between_two_distributions():
    """N(3, 1) and N(0, 1) are 3 apart (everything moves by 3), and a critic of slope at most 0.5 finds half of that."""
    G = Sequential([Dense(1)], input_shape=1, name="G", dtype="float64")
    D = Sequential([Dense(1)], input_shape=1, name="D", dtype="float64")
    G.params[...] = 1, 0
    gan = GAN(
        G, D, objective=Wasserstein(), g_optimizer=SGD(G, 0.0), d_optimizer=RMSprop(D, 0.02), clip=WeightClipping(0.5)
    )
    found = [gan.step(3 + G.backend.random.normal((256, 1), 1, "real", step, "float64")).d_score for step in range(200)]
    assert abs(np.mean(found[100:]) - 1.5) < 0.02


class Quadratic(Dense):
    """y = (x, x^2): enough for D to tell two normal distributions apart."""

    def __init__(self):
        pass

    def build(self, in_shape):
        return (2,)

    def forward(self, x, train):
        self.x = x
        return self.xp.concatenate([x, x * x], axis=1)

    def backward(self, dy, params=True, inputs=True):
        return dy[:, :1] + 2 * self.x * dy[:, 1:]


# Clipped weights, learning rates, the average of G, the noise ---------------------------------------------------------


def boxes_seen(gan, x_real):
    """The largest parameter that each forward of D met in one step, and the number of D's updates."""
    met, updates = [], []
    forward, update = gan.D.forward, gan.d_optimizer.update
    gan.D.forward = lambda x, **options: (met.append(abs(gan.D.params).max()), forward(x, **options))[1]
    gan.d_optimizer.update = lambda p, g: (updates.append(1), update(p, g))
    gan.step(x_real)
    return met, len(updates)


class ClippedOnceGAN(GAN):
    """Clips at the end of the step alone."""

    def step(self, x_real):
        clip, self.clip = self.clip, None
        losses = super().step(x_real)
        clip(self.D)
        return losses


@pytest.mark.parametrize("d_update, updates", [("summed", 5), ("two_steps", 10)])
def test_weights_are_clipped_after_every_update(d_update, updates):
    def step(kind):
        gan = small_gan(objective=wasserstein, d_update=d_update, d_steps=5, clip=WeightClipping(0.05))
        gan.__class__ = kind
        return boxes_seen(gan, real_images(gan, 30))

    met, counted = step(GAN)
    first = 1 if d_update == "two_steps" else 2  # the forwards before the first update
    assert counted == updates and len(met) == 11
    assert all(largest > 0.05 for largest in met[:first])
    assert all(largest <= 0.05 for largest in met[first:])
    met, _ = step(ClippedOnceGAN)
    assert not all(largest <= 0.05 for largest in met[first:])


def test_clipping_changes_nothing_else():
    """One update: what an unclipped GAN has, clamped; and G's part is left alone."""
    free, clipped = small_gan(objective=hinge), small_gan(objective=hinge, clip=WeightClipping(0.1))
    for gan in (free, clipped):
        gan.step(real_images(gan))
    assert np.array_equal(clipped.D.params, np.clip(free.D.params, -0.1, 0.1))
    assert abs(free.D.params).max() > 0.2 and abs(clipped.G.params).max() > 0.2


@pytest.mark.parametrize("scope", ["all", "kernels"])
def test_what_is_clipped(scope):
    layers = [Flatten(), Dense(6), BatchNorm(), LeakyReLU(0.2), Dense(1)]
    D = Sequential(layers, input_shape=IMAGE, name="D", backend="numpy")
    D.params[...] = 3 + np.arange(D.params.size)
    before = D.params.copy()
    D.params[0] = -0.005  # within the box
    WeightClipping(0.01, scope)(D)
    kernels = np.concatenate([layers[1].W.ravel(), layers[4].W.ravel()])
    assert kernels[0] == np.float32(-0.005) and (kernels[1:] == np.float32(0.01)).all()
    rest = [slot for slot in D.slots if not slot.name.endswith(".W")]
    assert [slot.name.split(".")[-1] for slot in rest] == ["b", "gamma", "beta", "b"]
    for slot in rest:
        expected = np.float32(0.01) if scope == "all" else slot.view(before)
        assert (slot.view(D.params) == expected).all()


def test_a_schedule_is_a_function_of_the_step_and_moves_both_rates():
    gan = small_gan()
    gan.d_optimizer.learning_rate = 0.04
    gan = GAN(gan.G, gan.D, objective=gan.objective, g_optimizer=gan.g_optimizer, d_optimizer=gan.d_optimizer,
              schedule=StepLR(2, 0.5), d_steps=3)  # fmt: skip
    seen = []
    for step in range(5):
        gan.step(real_images(gan, 6, step))
        seen.append((gan.g_optimizer.learning_rate, gan.d_optimizer.learning_rate))
    np.testing.assert_allclose(
        seen, [(0.01, 0.04), (0.01, 0.04), (0.005, 0.02), (0.005, 0.02), (0.0025, 0.01)], rtol=1e-15
    )


def test_a_schedule_is_a_run_at_those_rates():
    """To the bit what changing the rates by hand gives; and any function of the step will do."""
    scheduled, by_hand = small_gan(schedule=lambda step: 1 / (1 + step)), small_gan()
    for step in range(4):
        by_hand.g_optimizer.learning_rate = by_hand.d_optimizer.learning_rate = 1e-2 * (1 / (1 + step))
        for gan in (scheduled, by_hand):
            gan.step(real_images(gan, step=step))
    assert np.array_equal(scheduled.G.params, by_hand.G.params)
    assert np.array_equal(scheduled.D.params, by_hand.D.params)


def test_the_average_follows_G():
    plain, gan = small_gan(), small_gan(ema=0.75)
    expected = gan.G.params.copy()
    for step in range(4):
        plain.step(real_images(plain, step=step))
        gan.step(real_images(gan, step=step))
        expected = 0.75 * expected + 0.25 * gan.G.params
        np.testing.assert_allclose(gan.average, expected, rtol=1e-13)
    assert np.array_equal(plain.G.params, gan.G.params), "averaging only watches"
    assert not np.allclose(gan.average, gan.G.params, rtol=1e-3)
    assert plain.average is None


def test_the_average_is_of_Gs_dtype():
    gan = small_gan()
    G, D = gan.G.clone(dtype="float32"), gan.D.clone(dtype="float32")
    gan = GAN(G, D, objective=gan.objective, g_optimizer=Adam(G), d_optimizer=Adam(D), ema=0.999)
    gan.step(real_images(gan).astype(np.float32))
    assert gan.average.dtype == np.float32


class Interrupted(Exception):
    """What a user's code may raise."""


@pytest.mark.parametrize("raised", [None, Interrupted, KeyboardInterrupt])
@pytest.mark.parametrize("ema", [None, 0.5])
def test_averaged_parameters_are_lent_and_given_back(ema, raised):
    gan = small_gan(ema=ema)
    gan.step(real_images(gan))
    params, trained, state = gan.G.params, gan.G.params.copy(), gan.G.state.copy()
    average = trained.copy() if ema is None else gan.average.copy()
    z = gan.draw_noise(6, "samples", 0)
    before = gan.G.predict(z)
    try:
        with gan.averaged():
            assert np.array_equal(gan.G.params, average) and gan.G.params is params
            assert np.array_equal(gan.G.predict(z), before) == (ema is None)
            if raised:
                raise raised
    except (Interrupted, KeyboardInterrupt) as error:
        assert type(error) is raised
    assert np.array_equal(gan.G.params, trained) and np.array_equal(gan.G.predict(z), before)
    assert np.array_equal(gan.G.state, state) and gan.G.forwards == 2  # D's fakes, and G's
    assert ema is None or np.array_equal(gan.average, average)


def test_running_statistics_fit_the_averaged_parameters():
    """What the averaged G predicts is what it makes in training mode; with the statistics of training it is not."""
    gan = small_gan(ema=0.9)
    for step in range(30):
        gan.step(real_images(gan, step=step))
    z, in_training = gan.draw_noise(2_000, "test", 0), gan.G.state.copy()
    with gan.averaged():
        renewed = gan.G.predict(z)
        wanted = gan.G.forward(z, backward=False).copy()
        gan.G.state[...] = in_training
        stale = gan.G.predict(z)
    assert abs(renewed - wanted).mean() < 0.5 * abs(stale - wanted).mean()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("latent, mean_square", [("normal", 1), ("uniform", 1 / 3)])
def test_noise_of_both_kinds(latent, mean_square, dtype, backend):
    G = Generator([Flatten(), Dense(2)], input_shape=(5, 2), name="G", latent=latent, dtype=dtype, backend=backend)
    z = draw_noise(G, 4000, 7, "samples", 3)
    assert z.shape == (4000, 5, 2) and z.dtype == dtype
    assert abs(float(z.mean())) < 0.02 and abs(float((z * z).mean()) - mean_square) < 0.02
    assert (float(abs(z).max()) <= 1) == (latent == "uniform")
    assert float(z.min()) < -0.99 and float(z.max()) > 0.99
    assert (draw_noise(G, 5, 7, "samples", 3) == z[:5]).all(), "fewer are the first ones"
    for other in ((8, "samples", 3), (7, "noise.D", 3), (7, "samples", 4)):
        assert not (draw_noise(G, 5, *other) == z[:5]).any()


def test_a_gan_draws_the_noise_that_its_generator_takes():
    gan = small_gan()
    uniform = Generator([layer.clone() for layer in gan.G.layers], input_shape=4, name="G", latent="uniform",
                        dtype="float64", seed=3)  # fmt: skip
    other = GAN(uniform, gan.D, objective=gan.objective, g_optimizer=SGD(uniform), d_optimizer=gan.d_optimizer, seed=3)
    z = other.draw_noise(50, "D", 2)
    assert np.array_equal(z, 2 * uniform.backend.random.uniform((50, 4), 3, "noise.D", 2) - 1)
    assert not np.array_equal(z, gan.draw_noise(50, "D", 2))
    assert uniform.clone().latent == "uniform" and type(gan.G.clone()) is Sequential
    with pytest.raises(SettingsError, match="G: latent is 'gaussian'; the choices are normal, uniform"):
        Generator([Dense(1)], input_shape=4, name="G", latent="gaussian")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"noise": "old"}, SettingsError, "noise is 'old'; the choices are fresh, same"),
        ({"d_update": "both"}, SettingsError, "d_update is 'both'"),
        ({"d_steps": 0}, SettingsError, "d_steps is 0"),
        ({"clip": 0.01}, SettingsError, r"clip is 0.01; wanted an object such as WeightClipping\(0.01\)"),
        ({"schedule": 0.5}, SettingsError, "schedule is 0.5; wanted a function of the step"),
        ({"ema": 1}, SettingsError, "ema is 1; it must be at least 0 and less than 1"),
        ({"ema": math.nan}, SettingsError, "ema is nan"),
    ],
)
def test_wrong_switches(change, error, words):
    with pytest.raises(error, match=words):
        small_gan(**change)


@pytest.mark.parametrize("objective", [BCEWithLogits(), NonSaturating, "non saturating"])
def test_an_objective_that_is_none(objective):
    gan = small_gan()
    with pytest.raises(SettingsError, match="wanted an object such as NonSaturating"):
        GAN(gan.G, gan.D, objective=objective, g_optimizer=gan.g_optimizer, d_optimizer=gan.d_optimizer)
    with pytest.raises(SettingsError, match="loss is 'bce'"):
        NonSaturating("bce")
    with pytest.raises(SettingsError, match="Adam takes the network to train, not a ndarray"):
        Adam(gan.G.params)


def test_an_interrupted_step_does_not_block_the_next():
    gan = small_gan(noise="same")
    gan.d_optimizer.step = interrupt = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        gan.step(real_images(gan))
    assert gan.d_optimizer.step is interrupt and gan.steps == 0
    del gan.d_optimizer.step
    gan.step(real_images(gan))


def test_images_outside_the_range_of_G_are_refused_at_the_first_step():
    for factor in (127.5, np.nan):
        gan = small_gan()
        with pytest.raises(ShapeError, match=r"values outside \[-1, 1\]"):
            gan.step(factor * real_images(gan))


def test_a_loss_that_does_not_belong_to_Ds_output_is_refused():
    logit, probability = small_gan(), small_gan(loss=BCE)
    for gan, loss in ((logit, BCE), (probability, BCEWithLogits)):
        with pytest.raises(SettingsError, match="BCE belongs behind a Sigmoid"):
            GAN(gan.G, gan.D, objective=NonSaturating(loss()), g_optimizer=gan.g_optimizer, d_optimizer=gan.d_optimizer)


@pytest.mark.parametrize("kind", [LeastSquares, Hinge, Wasserstein])
def test_objectives_of_scores_refuse_a_sigmoid(kind):
    gan = small_gan(loss=BCE)
    with pytest.raises(SettingsError, match=rf"D ends in Sigmoid\(\): {kind.__name__} takes scores of any size"):
        GAN(gan.G, gan.D, objective=kind(), g_optimizer=gan.g_optimizer, d_optimizer=gan.d_optimizer)


def test_networks_and_optimizers_that_do_not_fit():
    gan = small_gan()
    narrow = gan.D.clone(dtype="float32")
    with pytest.raises(SettingsError, match="one backend and one dtype"):
        GAN(gan.G, narrow, objective=gan.objective, g_optimizer=gan.g_optimizer, d_optimizer=Adam(narrow))
    with pytest.raises(SettingsError, match="g_optimizer was made for another network"):
        GAN(gan.G, gan.D, objective=gan.objective, g_optimizer=gan.d_optimizer, d_optimizer=gan.d_optimizer)
    other = Sequential([Dense(1)], input_shape=3, name="D")
    with pytest.raises(ShapeError, match=r"G makes images of shape \(5, 3, 1\) and D takes \(3,\)"):
        GAN(gan.G, other, objective=gan.objective, g_optimizer=gan.g_optimizer, d_optimizer=gan.d_optimizer)
