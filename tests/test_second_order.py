"""Second order: tangents, penalties on D's slope and their gradients; and planted mistakes, which must be caught.

Three proofs of the same gradients, since each alone has a blind spot: differences of the penalty's own value cannot see
a wrong value, closed forms exist only for simple critics, and PyTorch is not always there.
"""

import math

import numpy as np
import pytest

from minigan import GAN, SGD, Adam, BCEWithLogits, Hinge, NonSaturating, Sequential, Wasserstein
from minigan.checkpoint import load_checkpoint, save_checkpoint
from minigan.errors import FileError, OrderError, SettingsError, ShapeError
from minigan.gradcheck import numeric_gradient
from minigan.layers import (
    AveragePooling2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    LeakyReLU,
    MinibatchStd,
    ReLU,
    Reshape,
    Residual,
    Sigmoid,
    SpectralNorm,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)
from minigan.layers.chain import Chain
from minigan.penalties import R1, R1R2, GradientPenalty, Penalty

from .conftest import import_torch
from .gans import real_images, small_gan
from .layer_table import CASES
from .systems import real_batch, system
from .test_layers import build
from .test_training import assert_same_run, history, resume, start

LINEAR = [case for case in CASES if not isinstance(case.layer, BatchNorm | MinibatchStd)]
every_layer = pytest.mark.parametrize("case", LINEAR, ids=str)


def close(a, b):
    """Entry by entry, as a gradient check counts: 1e-6 of the entry, or of the root mean square if it is small."""
    rms = np.sqrt(np.mean(np.square(b)))
    return abs(a - b) <= 1e-9 + 1e-6 * np.maximum(np.maximum(abs(a), abs(b)), rms)


# Every layer alone ---------------------------------------------------------------------------------------------------


def direction(net, shape, dtype="float64"):
    return net.backend.random.normal(shape, 4, "t", dtype=dtype)


@every_layer
def test_tangent_is_the_transpose_of_backward(case):
    """<dy, J t> = <J^T dy, t>: to rounding, without a step size. Here t is read-only, and buffers are full of NaN."""
    net, x, dy = build(case)
    t = direction(net, x.shape)
    net.forward(x)
    Jt = net.tangent(t).copy()
    dx = net.backward(dy)
    assert Jt.shape == dy.shape and abs(Jt).max() > 1e-3
    np.testing.assert_allclose(np.vdot(dy, Jt), np.vdot(dx, t), rtol=1e-12, atol=1e-12)


def second_derivatives(net, t, dy):
    """Of <dy, J t>, behind a forward: what the only layer returns for x, and what it leaves in the gradients. The
    layers inside it meet the dy that its backward has brought them.
    """
    net.backward(dy, keep=True)
    net.grads[...] = 0
    net.workspace.begin_pass(keep=True)
    net.workspace.begin_call(net.layers[0].name)
    in_x = net.layers[0].tangent_backward(t, dy)
    return None if in_x is None else in_x.copy(), net.grads.copy()


@every_layer
def test_tangent_backward_is_the_derivative_of_the_tangent(case):
    """In x and in every parameter: what a layer leaves at 0, or returns None for, must truly be 0."""
    net, x, dy = build(case)
    t, forwards, state = direction(net, x.shape), net.forwards, net.state.copy()

    def moved():
        net.discard()
        net.forwards, net.state[...] = forwards, state
        net.forward(x)
        return np.vdot(dy, net.tangent(t))

    net.forward(x)
    in_x, grads = second_derivatives(net, t, dy)
    assert close(np.zeros(x.shape) if in_x is None else in_x, numeric_gradient(moved, x).reshape(x.shape)).all()
    assert net.params.size == 0 or close(grads, numeric_gradient(moved, net.params)).all()


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tangents_keep_the_dtype_and_what_they_were_given(case, dtype, backend):
    net, x, dy = build(case, dtype, backend, workspace="reuse")
    t = direction(net, x.shape, dtype)
    given = [backend.to_host(array).copy() for array in (x, t, dy)]
    net.forward(x)
    found = net.tangent(t).copy(), *second_derivatives(net, t, dy)
    assert {array.dtype.name for array in found if array is not None} == {dtype}
    assert all(np.array_equal(backend.to_host(a), b) for a, b in zip((x, t, dy), given, strict=True))


def test_only_batchnorm_has_no_tangent():
    assert {type(case.layer) for case in CASES if case not in LINEAR} == {BatchNorm, MinibatchStd}
    net, x, _ = build(next(case for case in CASES if case not in LINEAR))
    net.forward(x)
    with pytest.raises(SettingsError, match=r"0\.BatchNorm cannot stand in a critic with a penalty on its slope"):
        net.tangent(x)


# A whole critic ------------------------------------------------------------------------------------------------------

ACTIVATIONS = {"LeakyReLU": LeakyReLU, "ReLU": ReLU, "Tanh": Tanh, "Sigmoid": Sigmoid}
CRITICS = {
    "dense": ((2, 3, 1), lambda act: [Flatten(), Dense(4), act(), Dense(3), act(), Dense(1)]),
    "conv": (
        (5, 4, 2),
        lambda act: [Conv2D(2, 3, 2, 1), act(), Conv2D(3, 2, 1, ((0, 1), (1, 0))), act(), Flatten(), Dense(1)],
    ),
    "all kinds": (
        (5, 4, 1),
        lambda act: [
            ZeroPadding2D(1), Conv2D(2, 3, bias=False), act(), UpSampling2D(2), Conv2D(2, (2, 3), (2, 1)), act(),
            Cropping2D(((0, 1), (1, 0))), Dropout(0.3), AveragePooling2D(2, 1), Conv2DTranspose(2, 2, 2),
            GlobalAveragePooling2D(), Reshape((1, 2, 1)), Flatten(), Dense(3), act(), Dense(1),
        ],
    ),
    "residual": (
        (2, 3, 1),
        lambda act: [Flatten(), Dense(4), Residual(act(), Dense(3), act(), Dense(4)), act(), Dense(1)],
    ),
    "shortcut": (
        (4, 3, 2),
        lambda act: [
            Residual(Conv2D(2, 3, 2, 1), act(), Conv2D(3, 3, 1, "same"), shortcut=Conv2D(3, 1, 2)), act(),
            Residual(Conv2D(3, 1), act()), Flatten(), Dense(1),
        ],
    ),
    "nested": (
        (1, 3, 1),
        lambda act: [
            Flatten(), Residual(Residual(Dense(3), act()), Dense(4), shortcut=Sequential([Dense(4), act()])),
            Sequential([act(), Dense(3), Sequential([act()])]), Residual(act(), shortcut=Dense(3)), act(), Dense(1),
        ],
    ),
    "spectral in blocks": (
        (4, 3, 1),
        lambda act: [
            Residual(
                SpectralNorm(Conv2D(2, 3, 1, "same"), iterations=0), act(),
                shortcut=SpectralNorm(Conv2D(2, 1), iterations=0),
            ),
            act(), Residual(act(), SpectralNorm(Conv2D(2, 3, 1, "same"), iterations=0)), act(), Flatten(), Dense(1),
        ],
    ),
    "spectral": (
        (4, 3, 1),
        lambda act: [
            SpectralNorm(Conv2D(2, 3, 1, "same"), iterations=0), act(), Flatten(), SpectralNorm(Dense(1), iterations=0)
        ],
    ),
}  # fmt: skip
PENALTIES = {"GradientPenalty": GradientPenalty(10.0), "R1": R1(3.0), "R1R2": R1R2(2.0)}


def critic(name, activation, n=3, workspace="reuse", dtype="float64"):
    shape, layers = CRITICS[name]
    D = Sequential(layers(activation), input_shape=shape, name="D", dtype=dtype, workspace=workspace, seed=5)
    D.params[...] = D.backend.random.normal(D.params.shape, 6, "parameters", dtype=dtype) * 0.7
    return D, D.backend.random.normal((n, *shape), 7, "x", dtype=dtype)


def penalised(D, x, penalty, forwards=0):
    """The penalty and its gradient, always with the same dropout masks."""
    D.discard()
    D.forwards, D.grads[...] = forwards, 0
    loss = penalty(D, x)
    return float(loss), D.grads.copy()


def value(D, x, penalty):
    """The penalty alone, from the slope that a plain backward finds."""
    D.discard()
    D.forwards = 0
    y = D.forward(x)
    return penalty.term(D.backward(np.ones_like(y), params=False))[0]


def wrong_parameters(D, x, penalty):
    """The names of all parameters whose gradient disagrees with differences of the penalty."""
    penalised(D, x, penalty)
    _, grads = penalised(D, x, penalty)  # the second time, every shared buffer has its full size
    agrees = close(grads, numeric_gradient(lambda: value(D, x, penalty), D.params))
    return [slot.name for slot in D.slots if not slot.view(agrees).all()]


@pytest.mark.parametrize("n", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", CRITICS)
def test_the_gradient_of_the_whole_penalty(name, activation, penalty, n):
    """Every parameter; biases among them, which matter only through the curvature of what stands behind them."""
    D, x = critic(name, ACTIVATIONS[activation], n)
    assert wrong_parameters(D, x, PENALTIES[penalty]) == []
    _, grads = penalised(D, x, PENALTIES[penalty])
    moving = [slot.name for slot in D.slots if abs(slot.view(grads)).max() > 1e-5 * abs(grads).max()]
    curved = activation in ("Tanh", "Sigmoid")
    expected = [slot.name for slot in D.slots[:-1] if curved or not slot.name.endswith(".b")]
    assert moving == expected, "nothing was tested"


def test_closed_forms():
    """D(x) = <w, x> + b has the slope w everywhere, whatever x is."""
    D = Sequential([Flatten(), Dense(1)], input_shape=(3, 5, 2), dtype="float64")
    x = D.backend.random.normal((4, 3, 5, 2), 0, "x", dtype="float64")
    w = D.layers[1].W.reshape(-1)
    length = math.sqrt(sum(number**2 for number in w))
    for penalty, loss, dw in (
        (GradientPenalty(7.0), 7 * (length - 1) ** 2, 14 * (length - 1) * w / length),
        (R1(3.0), 1.5 * length**2, 3 * w),
        (R1R2(3.0), 3 * length**2, 6 * w),
    ):
        found, grads = penalised(D, x, penalty)
        assert found == pytest.approx(loss, rel=1e-12)
        np.testing.assert_allclose(grads, [*dw, 0], rtol=1e-12, atol=1e-15)


def test_every_image_has_a_norm_of_its_own():
    """Slopes (3, 4) and 0: the lengths are 5 and 0, and not those of channels, of pixels, or of the batch."""
    g = np.zeros((2, 1, 2, 1))
    g[0, 0, :, 0] = 3, 4
    loss, u = GradientPenalty(10.0).term(g)
    assert loss == 10 * ((5 - 1) ** 2 + (0 - 1) ** 2) / 2
    np.testing.assert_allclose(u[0, 0, :, 0], 10 * (5 - 1) * g[0, 0, :, 0] / 5)
    assert (u[1] == 0).all(), "no direction is better than another"
    loss, u = R1(2.0).term(g)
    assert loss == 12.5 and np.array_equal(u, g)
    loss, u = R1R2(2.0).term(g)  # of one real image and one generated
    assert loss == 25 and np.array_equal(u, 2 * g)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_critic_without_any_slope_gives_no_nan(dtype):
    for activation in ACTIVATIONS.values():
        D, x = critic("conv", activation, dtype=dtype)
        D.params[...] = 0
        for penalty, expected in ((GradientPenalty(10.0), 10), (R1(3.0), 0)):
            loss, grads = penalised(D, x, penalty)
            assert loss == expected and (grads == 0).all()


@pytest.mark.parametrize("activation", ["LeakyReLU", "Tanh"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name", CRITICS)
def test_fresh_reused_and_poisoned_buffers_give_the_same_bits(name, penalty, activation):
    found = []
    for mode in ("fresh", "reuse", "poison"):
        D, x = critic(name, ACTIVATIONS[activation], workspace=mode)
        penalised(D, x, PENALTIES[penalty])
        found.append(penalised(D, x, PENALTIES[penalty]))
    for loss, grads in found[1:]:
        assert loss == found[0][0] and np.array_equal(grads, found[0][1])


@pytest.mark.parametrize("name", ["conv", "nested", "shortcut", "spectral in blocks"])
def test_what_was_in_the_gradients_stays_and_float32_agrees(name):
    for activation in ACTIVATIONS.values():
        D, x = critic(name, activation)
        _, expected = penalised(D, x, GradientPenalty())
        D.grads[...] = before = D.backend.random.normal(D.grads.shape, 8, "before", dtype="float64")
        GradientPenalty()(D, x)
        np.testing.assert_allclose(D.grads, before + expected, rtol=1e-12, atol=1e-13)
        narrow, x = critic(name, activation, dtype="float32")
        _, grads = penalised(narrow, x, GradientPenalty())
        assert grads.dtype == np.float32
        np.testing.assert_allclose(grads, expected, rtol=1e-4, atol=1e-4 * abs(expected).max())


# Order and shapes ----------------------------------------------------------------------------------------------------


def test_a_tangent_belongs_to_a_forward_and_a_double_backward_to_a_backward_that_kept():
    D, x = critic("dense", LeakyReLU)
    ones = np.ones((3, 1))
    with pytest.raises(OrderError, match="D: a tangent needs a forward"):
        D.tangent(x)
    D.forward(x)
    before = D.tangent(x).copy()
    with pytest.raises(OrderError, match=r"double_backward needs a backward\(dy, keep=True\)"):
        D.double_backward(x)
    D.backward(ones, params=False, keep=True)
    assert np.array_equal(D.tangent(x), before), "a backward that kept leaves the tangent as it was"
    D.double_backward(x)
    for spoil in (lambda: None, lambda: D.predict(x), lambda: D.backward(D.forward(x))):
        spoil()
        with pytest.raises(OrderError, match="double_backward needs"):
            D.double_backward(x)
        with pytest.raises(OrderError, match="a tangent needs"):
            D.tangent(x)
    D.forward(x)
    D.backward(ones, params=False, keep=True)
    D.forward(x)
    with pytest.raises(OrderError, match="double_backward needs"):
        D.double_backward(x)
    D.backward(ones, inputs=False, keep=True)  # the layers in front of the first learner kept nothing
    with pytest.raises(OrderError, match="with its dx"):
        D.double_backward(x)


def test_directions_of_another_shape_are_refused():
    D, x = critic("dense", LeakyReLU)
    D.forward(x)
    with pytest.raises(ShapeError, match="t has 2 rows, and the forward before it had 3"):
        D.tangent(x[:2])
    with pytest.raises(ShapeError, match="t has dtype float32"):
        D.tangent(x.astype(np.float32))
    D.backward(np.ones((3, 1)), keep=True)
    with pytest.raises(ShapeError, match=r"u has shape \(3, 6\)"):
        D.double_backward(x.reshape(3, 6))


def test_images_that_change_under_way_are_noticed():
    D, x = critic("dense", LeakyReLU, workspace="poison")
    D.forward(x)
    D.backward(np.ones((3, 1)), params=False, keep=True)
    x += 1
    with pytest.raises(OrderError, match="x changed between its forward and its backward"):
        D.double_backward(np.ones_like(x))


# Whole steps ---------------------------------------------------------------------------------------------------------


def wasserstein(loss):
    return Wasserstein()


GANS = {
    "WGAN-GP": {"objective": wasserstein, "penalty": GradientPenalty()},
    "R1": {"penalty": R1(3.0)},
    "R1 and R2": {"penalty": R1R2(2.0)},
    "R1, hinge, same noise": {"objective": lambda loss: Hinge(), "penalty": R1(3.0), "noise": "same"},
}


@pytest.mark.parametrize("name", GANS)
def test_the_gradient_of_a_whole_step_of_D(name):
    """D.grads is the gradient of the d_loss that the step returns, penalty and all."""
    gan = small_gan(SGD, **GANS[name])
    D, x_real = gan.D, real_images(gan, 5)
    x_fake = gan.G.forward(gan.draw_noise(5, "D", 0), backward=False).copy()
    x = gan.penalty.images(x_real, x_fake, gan.draw_share(5, 0))
    losses = gan.step(x_real)
    mine = D.grads.copy()

    def d_loss():
        D.discard()
        real = gan.objective.real(D.forward(x_real, backward=False))[0]
        return real + gan.objective.fake(D.forward(x_fake, backward=False))[0] + value(D, x, gan.penalty)

    assert float(losses.d_loss) == pytest.approx(float(d_loss()), rel=1e-12)
    assert close(mine, numeric_gradient(d_loss, D.params)).all()


def test_the_penalty_is_reported_and_is_a_term_of_the_loss():
    gan = small_gan(**GANS["WGAN-GP"])
    losses = gan.step(real_images(gan))
    assert gan.measures == ("d_loss", "d_loss_real", "d_loss_fake", "d_penalty", "w_estimate", "g_loss")
    assert losses.d_penalty > 0.01 and losses.d_loss == losses.d_loss_real + losses.d_loss_fake + losses.d_penalty
    assert losses.d_score == -(losses.d_loss_real + losses.d_loss_fake)
    assert "d_penalty" not in small_gan().measures


def test_interpolates_lie_between_real_and_generated_images_and_every_pair_has_its_own():
    gan = small_gan(**GANS["WGAN-GP"], d_steps=2)
    seen = []
    images = GradientPenalty.images

    class Watched(GradientPenalty):
        def images(self, x_real, x_fake, share):
            x = images(self, x_real, x_fake, share)
            seen.append((x_real.copy(), x_fake.copy(), x))
            return x

    gan.penalty = Watched()
    for step in range(2):
        gan.step(real_images(gan, 12, step))
    shares = []
    for x_real, x_fake, x in seen:
        share = (x - x_fake) / (x_real - x_fake)
        assert np.ptp(share.reshape(6, -1), axis=1).max() < 1e-9, "one share for all pixels of a pair"
        shares += list(share[:, 0, 0, 0])
    assert len(set(np.round(shares, 9))) == 24, "another one for every pair, in every update"
    assert min(shares) >= 0 and max(shares) < 1 and 0.3 < np.mean(shares) < 0.7
    assert np.array_equal(gan.draw_share(6, 3), small_gan(**GANS["WGAN-GP"]).draw_share(6, 3))
    assert not np.array_equal(gan.draw_share(6, 3), small_gan(**GANS["WGAN-GP"], seed=4).draw_share(6, 3))
    noise = gan.draw_noise(6, "D", 3)
    gan.draw_share(6, 3)
    assert np.array_equal(gan.draw_noise(6, "D", 3), noise), "a stream of its own"


@pytest.mark.parametrize("penalty, slope", [(GradientPenalty(10.0), 1 + 3 / 20), (R1(10.0), 3 / 10)], ids=str)
def test_a_linear_critic_finds_the_slope_at_which_distance_and_penalty_balance(penalty, slope):
    """N(3, 1) and N(0, 1): D minimises -3 w + 10 (|w| - 1)^2, from a w above 0, or -3 w + 5 w^2."""
    G = Sequential([Dense(1)], input_shape=1, name="G", dtype="float64")
    D = Sequential([Dense(1)], input_shape=1, name="D", dtype="float64")
    G.params[...], D.params[...] = (1, 0), (0.5, 0)
    gan = GAN(G, D, objective=Wasserstein(), g_optimizer=SGD(G, 0.0), d_optimizer=SGD(D, 0.02), penalty=penalty)
    found = []
    for step in range(200):
        gan.step(3 + G.backend.random.normal((256, 1), 1, "real", step, "float64"))
        found.append(D.layers[0].W[0, 0])
    assert abs(np.mean(found[100:]) - slope) < 0.01


def test_wgan_gp_comes_to_rest_where_the_data_are():
    """In the plane: the critic can turn. Without a bound on its slope, G would run past the data."""
    G = Sequential([Dense(2)], input_shape=2, name="G", dtype="float64")
    D = Sequential([Dense(12), Tanh(), Dense(1)], input_shape=2, name="D", dtype="float64")
    adam = {"learning_rate": 0.02, "beta1": 0.0, "beta2": 0.9}
    gan = GAN(G, D, objective=Wasserstein(), g_optimizer=Adam(G, **adam), d_optimizer=Adam(D, **adam), d_steps=5,
              penalty=GradientPenalty())  # fmt: skip
    found = []
    for step in range(300):
        gan.step([2, -1] + 0.5 * G.backend.random.normal((5 * 32, 2), 1, "real", step, "float64"))
        found.append(G.layers[0].b.copy())
    assert abs(np.mean(found[200:], axis=0) - [2, -1]).max() < 0.2


@pytest.mark.parametrize("switches", GANS.values(), ids=GANS)
def test_steps_are_the_same_in_every_workspace(switches):
    weights = []
    for mode in ("fresh", "reuse", "poison"):
        gan = small_gan(workspace=mode, d_steps=2, **switches)
        for step in range(3):
            gan.step(real_images(gan, 12, step))
        weights.append(np.concatenate([gan.G.params, gan.D.params, gan.G.state]))
    assert np.array_equal(weights[0], weights[1]) and np.array_equal(weights[0], weights[2])


# What is refused, and going on ---------------------------------------------------------------------------------------


def refusal(layers, penalty=PENALTIES["GradientPenalty"], **switches):
    """What GAN says to a critic of these layers."""
    G = Sequential([Dense(6), Reshape((2, 3, 1))], input_shape=4, name="G")
    D = Sequential(layers, input_shape=(2, 3, 1), name="D")
    with pytest.raises(SettingsError) as refused:
        GAN(G, D, objective=Wasserstein(), g_optimizer=SGD(G), d_optimizer=SGD(D), penalty=penalty, **switches)
    return str(refused.value)


class Wide(Dense):
    """A layer of a user's own that changes nothing of what Dense computes."""

    def build(self, in_shape):
        return super().build(in_shape)


class Squares(Flatten):
    """One with a forward of its own, for which Flatten's tangent is wrong."""

    def forward(self, x, train):
        return super().forward(x * x, train)


class Plain(Layer):
    """One without a tangent."""


def test_critics_without_a_slope_of_their_own_are_refused_at_construction():
    for place in ([BatchNorm(), Flatten()], [Flatten(), Dense(3), BatchNorm()]):
        said = refusal([*place, Dense(1)])
        assert "D: " in said and ".BatchNorm cannot stand in a critic with a penalty on its slope" in said
        assert "depends on the other images, too" in said and "leave it out of the critic" in said
    for place, name in (([Squares()], "0.Squares"), ([Flatten(), Plain()], "1.Plain")):
        said = refusal([*place, Dense(1)])
        assert f"D: {name} cannot stand in a critic" in said and "it has no `tangent` of its own" in said
    with pytest.raises(ShapeError, match=r"D ends in \(2,\), and G has no classes: end D in Dense\(1\)"):
        refusal([Flatten(), Dense(2)])
    assert "penalty is 10.0; wanted an object such as GradientPenalty" in refusal([Flatten(), Dense(1)], 10.0)
    GradientPenalty().require_fit(Sequential([Flatten(), Wide(1)], input_shape=(2, 3, 1)))
    said = refusal([Flatten(), Dense(1)], d_update="two_steps")
    assert "penalty=GradientPenalty(weight=10.0) is a term of one loss of D" in said and "'summed'" in said


@pytest.mark.parametrize("wrong", [0, -1, math.inf, math.nan])
def test_weights_that_make_no_sense(wrong):
    with pytest.raises(SettingsError, match="GradientPenalty: weight is"):
        GradientPenalty(wrong)
    with pytest.raises(SettingsError, match="R1: gamma is"):
        R1(wrong)
    with pytest.raises(SettingsError, match="R1R2: gamma is"):
        R1R2(wrong)


def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(tmp_path, no_curves):
    """Stopped in the middle of a row of the history, whose penalties are in the checkpoint."""
    switches = GANS["WGAN-GP"] | {"d_steps": 2, "noise": "same"}
    choices = {"sample_every": 3, "log_every": 4}
    start(tmp_path / "whole", small_gan(**switches), steps=12, **choices)
    start(tmp_path / "parts", small_gan(**switches), steps=6, **choices)
    resume(tmp_path / "parts", small_gan(**switches), steps=12, **choices)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    assert all(float(row["d_penalty"]) > 0 for row in history(tmp_path / "whole"))


FROM_TO = [  # what was saved, what is loaded into, and how the message names the difference
    ({"penalty": GradientPenalty(10.0)}, {"penalty": GradientPenalty(5.0)}, "penalty, weight: 5.0 here, 10.0 there"),
    ({"penalty": GradientPenalty(10.0)}, {"penalty": R1(10.0)}, "penalty: R1 here, GradientPenalty there"),
    ({"penalty": R1(10.0)}, {}, "penalty: None here, R1 there"),
    ({}, {"penalty": R1(10.0)}, "penalty: R1 here, None there"),
]


@pytest.mark.parametrize("before, after, words", FROM_TO, ids=str)
def test_a_checkpoint_with_another_penalty_is_refused(before, after, words, tmp_path):
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, small_gan(**before), {})
    load_checkpoint(path, small_gan(**before))
    with pytest.raises(FileError) as refused:
        load_checkpoint(path, small_gan(**after))
    assert str(refused.value).endswith(f"was written by another GAN: the two differ in {words}")


# Planted mistakes ----------------------------------------------------------------------------------------------------


def fails(test, *arguments):
    try:
        test(*arguments)
    except AssertionError:
        return True
    return False


CHECKS = {  # does a check above notice something?
    "dense": lambda: any(wrong_parameters(*critic("dense", kind, 2), GradientPenalty()) for kind in (Tanh, Sigmoid)),
    "dense, R1": lambda: wrong_parameters(*critic("dense", Tanh, 2), R1()),
    "conv": lambda: wrong_parameters(*critic("conv", LeakyReLU, 2), GradientPenalty()),
    "all kinds": lambda: wrong_parameters(*critic("all kinds", LeakyReLU, 2), GradientPenalty()),
    "residual": lambda: wrong_parameters(*critic("residual", Tanh, 2), GradientPenalty()),
    "shortcut": lambda: wrong_parameters(*critic("shortcut", LeakyReLU, 2), GradientPenalty()),
    "nested": lambda: wrong_parameters(*critic("nested", Sigmoid, 2), R1()),
    "closed forms": lambda: fails(test_closed_forms),
    "norms": lambda: fails(test_every_image_has_a_norm_of_its_own),
    "step": lambda: fails(test_the_gradient_of_a_whole_step_of_D, "WGAN-GP"),
}


def scaled(kind, factor):
    """A penalty whose gradient has a factor too many."""
    term = kind.term

    def wrong(self, g):
        loss, u = term(self, g)
        return loss, factor(len(g)) * u

    return {(kind, "term"): wrong}


def over_one_axis(self, g):
    r = np.sqrt((g * g).sum(axis=1, keepdims=True))
    return self.weight * ((r - 1) ** 2).mean(), 2 * self.weight / r.size * (r - 1) * g / (r + (r == 0))


def of_the_whole_batch(self, g):
    r = np.sqrt((g * g).sum())
    return self.weight * (r - 1) ** 2, 2 * self.weight * (r - 1) * g / r


def with_bias(self, t):
    return t @ self.W + self.b


def with_x(self, t, dy):
    self.dW[...] = self.x.T @ dy


DOUBLE_BACKWARD, RUN_BACKWARD, BACK = Sequential.double_backward, Layer.run_backward, Chain._back


def overwriting(net, u, add=False):
    DOUBLE_BACKWARD(net, u)


def not_differentiated(net, u, add=False):
    net.discard()


def first_pass_forgotten(self, curved, inputs):
    """Only the way through the curvature: t^T dy is missing."""
    self.grads[...] = 0
    return BACK(self, curved, inputs)


def second_pass_forgotten(self, curved, inputs):
    """Only t^T dy: the way through the curvature is missing, below this chain as well."""
    n = len(next(bend for bend in curved if bend is not None))
    return np.zeros((n, *self.input_shape))


def only_the_last_bend(self, curved, inputs):
    """The share of a layer's x is not added to what came from above."""
    last = max(i for i, bend in enumerate(curved) if bend is not None)
    return BACK(self, [bend if i == last else None for i, bend in enumerate(curved)], inputs)


def without_copies(self, dy, params=True, inputs=True):
    """dy kept by reference: the two shared places for dx hold something else by then."""
    dx = RUN_BACKWARD(self, dy, params, inputs)
    if self.context.keep_dy:
        self.kept_dy = dy
    return dx


def without_the_input(self, t, dy):
    return Chain.tangents(self, t, dy)


def without_the_shortcut(self, t, dy):
    t = self.kept("t", t)
    J_t, curved = Chain.tangents(self, t, dy)
    return J_t + (t if self.shortcut is None else self.shortcut.run_tangent(t)), curved


MUTANTS = {  # what is put in whose place, and the checks that must notice
    "the penalty is added to the loss and not differentiated": (
        {(Sequential, "double_backward"): not_differentiated}, ["dense", "conv", "closed forms", "step"]),
    "its gradient replaces that of the real and the fake batch": (
        {(Sequential, "double_backward"): overwriting}, ["step"]),
    "only the curvature's share": ({(Chain, "_back"): first_pass_forgotten}, ["dense", "nested"]),
    "the curvature's share is lost": ({(Chain, "_back"): second_pass_forgotten}, ["dense", "residual", "nested"]),
    "curvature below other curvature is lost": ({(Chain, "_back"): only_the_last_bend}, ["dense", "residual"]),
    "Residual: the input's own way has no tangent": (
        {(Residual, "tangents"): without_the_input}, ["residual", "shortcut", "nested"]),
    "Residual: the shortcut finds nothing": ({(Residual, "tangents"): without_the_shortcut}, ["shortcut", "nested"]),
    "the norm over one axis": ({(GradientPenalty, "term"): over_one_axis}, ["norms", "closed forms"]),
    "one norm for the whole batch": ({(GradientPenalty, "term"): of_the_whole_batch}, ["norms", "closed forms"]),
    "a 2 is missing": (scaled(GradientPenalty, lambda n: 1 / 2), ["dense", "conv", "closed forms", "step"]),
    "a 1/n is missing": (scaled(GradientPenalty, lambda n: n), ["dense", "conv", "closed forms", "step"]),
    "the sign": (scaled(GradientPenalty, lambda n: -1), ["dense", "conv", "closed forms", "step"]),
    "R1: a 2 too many": (scaled(R1, lambda n: 2), ["dense, R1", "closed forms"]),
    "R1: a 1/n is missing": (scaled(R1, lambda n: n), ["dense, R1", "closed forms"]),
    "Tanh: no curvature": ({(Tanh, "tangent_backward"): lambda self, t, dy: None}, ["dense, R1", "dense"]),
    "Tanh: its curvature without the 2": (
        {(Tanh, "tangent_backward"): lambda self, t, dy: -dy * t * self.y * (1 - self.y**2)}, ["dense, R1", "dense"]),
    "Sigmoid: no curvature": ({(Sigmoid, "tangent_backward"): lambda self, t, dy: None}, ["dense"]),
    "LeakyReLU: the slope is forgotten": ({(LeakyReLU, "tangent"): lambda self, t: t * (self.x > 0)}, ["conv", "step"]),
    "Tanh: the tangent passes unchanged": ({(Tanh, "tangent"): lambda self, t: t}, ["dense"]),
    "Dropout: the tangent is not masked": ({(Dropout, "tangent"): lambda self, t: t}, ["all kinds"]),
    "Dense: the tangent has the bias": ({(Dense, "tangent"): with_bias}, ["dense", "step"]),
    "Dense: x in place of t": ({(Dense, "tangent_backward"): with_x}, ["dense", "step"]),
    "Conv2D: no gradient of W": ({(Conv2D, "tangent_backward"): lambda self, t, dy: None}, ["conv"]),
    "dy is kept by reference": ({(Layer, "run_backward"): without_copies}, ["dense", "conv", "residual"]),
}  # fmt: skip


@pytest.mark.parametrize("check", CHECKS)
def test_no_mistake_no_alarm(check):
    assert not CHECKS[check]()


@pytest.mark.parametrize("mistake", MUTANTS)
def test_planted_mistakes_are_caught(mistake, monkeypatch):
    replaced, checks = MUTANTS[mistake]
    for (owner, name), wrong in replaced.items():
        monkeypatch.setattr(owner, name, wrong)
    for check in checks:
        assert CHECKS[check](), check


# PyTorch's double backward -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twins():
    import_torch()
    from . import test_torch, torch_twins

    return torch_twins, test_torch.run_beside_torch


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", [name for name in CRITICS if "spectral" not in name])
def test_pytorch_has_the_same_second_derivatives(name, activation, penalty, twins):
    import torch

    beside, _ = twins
    D, x = critic(name, ACTIVATIONS[activation], n=6)
    module, x_torch = beside.torch_network(D), beside.nchw(torch.tensor(x))
    both = x_torch.split(3) if penalty == "R1R2" else (x_torch, x_torch)  # between x and x is x
    loss = beside.slope_penalty(PENALTIES[penalty], module, *both, 0.5)
    loss.backward()
    for parameter in module.parameters():  # PyTorch gives None where nothing depends on a bias
        parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    mine, grads = penalised(D, x, PENALTIES[penalty])
    assert mine == pytest.approx(loss.item(), rel=1e-9)
    theirs = beside.in_minigan(module, D, gradients=True).params
    np.testing.assert_allclose(grads, theirs, rtol=1e-9, atol=1e-9 * abs(theirs).max())


@pytest.mark.parametrize("switches", GANS.values(), ids=GANS)
def test_three_whole_steps_beside_pytorch(switches, twins):
    _, run_beside_torch = twins
    run_beside_torch(small_gan(d_steps=2, **switches), 5, 3, real_images_for_all_updates)


def real_images_for_all_updates(gan, n, step):
    return real_images(gan, n * gan.d_steps, step)


def test_three_whole_steps_of_a_convolutional_critic_beside_pytorch(twins):
    """Adam divides a gradient by its own size, so a gradient of 0 to rounding could move a weight: none is, here."""
    _, run_beside_torch = twins
    gan, _ = system("mnist_wgan_gp", latent=7, width=2)
    assert gan.d_steps == 5 and isinstance(gan.penalty, Penalty) and gan.penalty.weight == 10
    run_beside_torch(gan, 3, 3, real_batch)


def test_r1_on_a_curved_convolutional_critic_beside_pytorch(twins):
    _, run_beside_torch = twins
    G = Sequential([Dense(40), Tanh(), Reshape((5, 4, 2))], input_shape=3, name="G", dtype="float64")
    D, _ = critic("conv", Tanh)
    gan = GAN(G, D, objective=NonSaturating(BCEWithLogits()), g_optimizer=Adam(G), d_optimizer=Adam(D), penalty=R1(3.0))
    run_beside_torch(gan, 5, 3, real_batch)
