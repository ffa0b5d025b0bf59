"""Whole steps against finite differences, for each switch; and the two famous wrong steps, which must be caught."""

import numpy as np
import pytest

from minigan import BCE, GAN, SGD, Adam, BCEWithLogits, NonSaturating, Saturating, Sequential
from minigan.errors import SettingsError, ShapeError
from minigan.gradcheck import numeric_gradient
from minigan.layers import Dense

from .gans import real_images, small_gan

SWITCHES = [
    {"noise": noise, "d_update": update, "objective": objective, "loss": loss}
    for noise in ("fresh", "same")
    for update in ("summed", "two_steps")
    for objective in (NonSaturating, Saturating)
    for loss in (BCEWithLogits, BCE)
]


def name_of(switches):
    return "-".join(getattr(value, "__name__", value) for value in switches.values())


def softplus(s):
    return np.logaddexp(0, s)


def logits(gan, x):
    """D without the last Sigmoid, in training mode, from the numbers alone."""
    pred = gan.D.forward(x, backward=False)
    return np.log(pred / (1 - pred)) if isinstance(gan.objective.loss, BCE) else pred


def d_objective(gan, x_real, z):
    """-mean ln D(x) - mean ln(1 - D(G(z))), written with the formulas of the paper and nothing of losses.py."""
    real = np.mean(softplus(-logits(gan, x_real)))
    return real + np.mean(softplus(logits(gan, gan.G.forward(z, backward=False))))


def g_objective(gan, z):
    """-mean ln D(G(z)), or mean ln(1 - D(G(z))) for the saturating game."""
    s = logits(gan, gan.G.forward(z, backward=False))
    return -np.mean(softplus(s)) if isinstance(gan.objective, Saturating) else np.mean(softplus(-s))


def step_gradients(gan, x_real):
    """D's and G's gradient of one step at fixed weights. With d_update two_steps: that of D's second update alone."""
    gan.step(x_real)
    return gan.D.grads.copy(), gan.G.grads.copy()


def assert_close(yours, numeric):
    scale = np.maximum(np.maximum(abs(yours), abs(numeric)), np.sqrt(np.mean(numeric**2)))
    assert np.max(abs(yours - numeric) / scale) < 1e-7
    assert np.sqrt(np.mean(numeric**2)) > 1e-4, "the difference would prove nothing"


def numeric_step(gan, x_real):
    """What step_gradients should return. The noise is that of step 0."""
    n = len(x_real)
    z_d = gan.draw_noise(n, "D", 0)
    z_g = z_d if gan.noise == "same" else gan.draw_noise(n, "G", 0)
    if gan.d_update == "summed":
        numeric_D = numeric_gradient(lambda: d_objective(gan, x_real, z_d), gan.D.params)
    else:
        fake = gan.G.forward(z_d, backward=False).copy()
        numeric_D = numeric_gradient(lambda: np.mean(softplus(logits(gan, fake))), gan.D.params)
    return numeric_D, numeric_gradient(lambda: g_objective(gan, z_g), gan.G.params)


@pytest.mark.parametrize("switches", SWITCHES, ids=name_of)
def test_a_whole_step_is_the_gradient_of_its_objective(switches):
    gan = small_gan(optimizer=SGD, **switches)
    x_real = real_images(gan)
    numeric_D, numeric_G = numeric_step(gan, x_real)
    D, G = step_gradients(gan, x_real)
    assert_close(D, numeric_D)
    assert_close(G, numeric_G)


def test_the_real_half_of_two_steps():
    """Its gradient is gone after the step, so it is seen through the update that it made."""
    gan = small_gan(optimizer=SGD, d_update="two_steps")
    x_real = real_images(gan)
    numeric = numeric_gradient(lambda: np.mean(softplus(-logits(gan, x_real))), gan.D.params)
    seen = []
    update = gan.d_optimizer.update
    gan.d_optimizer.update = lambda p, g: (seen.append(g.copy()), update(p, g))
    gan.step(x_real)
    assert len(seen) == 2
    assert_close(seen[0], numeric)


# G goes through the D that was just updated ---------------------------------------------------------------------------


class StaleGAN(GAN):
    """The classic error: G's gradient from the forward of D before its update."""

    def _update_D(self, x_real, count, last):
        result = super()._update_D(x_real, count, last)
        self.old = self.before
        return result

    def _update_G(self, x_fake):
        kept = self.D.params.copy()
        self.D.params[...] = self.old
        loss = super()._update_G(x_fake)
        self.D.params[...] = kept
        return loss

    def step(self, x_real):
        self.before = self.D.params.copy()
        return super().step(x_real)


class WrongActivationsGAN(GAN):
    """Published: the real batch's loss is sent back through the fake batch's activations."""

    def _update_D(self, x_real, count, last):
        G, D = self.G, self.D
        loss_real, d_real = self.objective.real(D.forward(x_real, backward=False).copy())
        x_fake = G.forward(self.draw_noise(len(x_real), "D", count), backward=False)
        loss_fake, d_fake = self.objective.fake(D.forward(x_fake))
        D.backward(d_fake + d_real, inputs=False)
        self.d_optimizer.step()
        return (loss_real + loss_fake, loss_real, loss_fake, loss_fake), x_fake


class DetachedGAN(GAN):
    """Published: the generator's gradient never passes through D, so G does not learn."""

    def _update_G(self, x_fake):
        loss = super()._update_G(x_fake)
        self.G.grads[...] = 0
        return loss


def converted(gan, kind):
    gan.__class__ = kind
    return gan


def gradients_of_G_after_D_moved(kind):
    gan = converted(small_gan(optimizer=SGD), kind)
    gan.d_optimizer.learning_rate = 0.5
    gan.step(real_images(gan))
    G = gan.G.grads.copy()
    z = gan.draw_noise(6, "G", 0)
    return G, numeric_gradient(lambda: g_objective(gan, z), gan.G.params)


def test_G_learns_from_the_updated_D():
    assert_close(*gradients_of_G_after_D_moved(GAN))


@pytest.mark.parametrize("kind", [StaleGAN, DetachedGAN])
def test_a_stale_D_and_a_detached_G_are_caught(kind):
    with pytest.raises(AssertionError):
        assert_close(*gradients_of_G_after_D_moved(kind))


def test_the_real_batch_through_fake_activations_is_caught():
    gan = converted(small_gan(optimizer=SGD), WrongActivationsGAN)
    x_real = real_images(gan)
    numeric_D, _ = numeric_step(gan, x_real)
    D, _ = step_gradients(gan, x_real)
    with pytest.raises(AssertionError):
        assert_close(D, numeric_D)


# What a step reports and changes --------------------------------------------------------------------------------------


def test_losses_and_accuracy():
    gan = small_gan(optimizer=SGD)
    x_real = real_images(gan, 8)
    real = logits(gan, x_real).copy()
    fake = logits(gan, gan.G.forward(gan.draw_noise(8, "D", 0), backward=False)).copy()
    losses = gan.step(x_real)
    assert all(np.ndim(value) == 0 for value in losses)
    np.testing.assert_allclose(losses.d_loss_real, np.mean(softplus(-real)))
    np.testing.assert_allclose(losses.d_loss_fake, np.mean(softplus(fake)))
    np.testing.assert_allclose(losses.d_loss, losses.d_loss_real + losses.d_loss_fake)
    np.testing.assert_allclose(losses.d_accuracy, (np.mean(real > 0) + np.mean(fake <= 0)) / 2)
    np.testing.assert_allclose(losses.g_loss, g_objective(gan, gan.draw_noise(8, "G", 0)))


def test_logits_and_probabilities_play_the_same_game():
    a, b = small_gan(loss=BCEWithLogits), small_gan(loss=BCE)
    b.D.params[...], b.G.params[...] = a.D.params, a.G.params
    for step in range(3):
        for x, y in zip(a.step(real_images(a, step=step)), b.step(real_images(b, step=step)), strict=True):
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


def test_a_gan_learns_a_distribution():
    """Not only right gradients: G finds the mean and the spread of a one-dimensional normal distribution."""
    G = Sequential([Dense(1)], input_shape=1, name="G", dtype="float64")
    D = Sequential([Quadratic(), Dense(1)], input_shape=1, name="D", dtype="float64")
    gan = GAN(
        G, D, objective=NonSaturating(BCEWithLogits()),
        g_optimizer=Adam(G, learning_rate=5e-3, beta1=0.5), d_optimizer=Adam(D, learning_rate=2e-2, beta1=0.5),
    )  # fmt: skip
    seen = []
    for step in range(2500):
        gan.step(2 + 0.5 * G.backend.normal((128, 1), 1, "real", step, "float64"))
        seen.append((G.layers[0].b[0], abs(G.layers[0].W[0, 0])))  # the mean and the spread of G's distribution
    mean, spread = np.mean(seen[1000:], axis=0)  # the players circle around the solution: take the middle
    assert abs(mean - 2) < 0.1 and abs(spread - 0.5) < 0.1


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


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"noise": "old"}, SettingsError, "noise is 'old'; the choices are fresh, same"),
        ({"d_update": "both"}, SettingsError, "d_update is 'both'"),
        ({"d_steps": 0}, SettingsError, "d_steps is 0"),
    ],
)
def test_wrong_switches(change, error, words):
    with pytest.raises(error, match=words):
        small_gan(**change)


@pytest.mark.parametrize("objective", [BCEWithLogits(), NonSaturating, "non-saturating"])
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
