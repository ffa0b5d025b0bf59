"""Spectral normalisation: its gradient with u and v held fixed, beside PyTorch's, and what it promises."""

import numpy as np
import pytest

from minigan import GAN, Adam, Hinge, Sequential, load_model, models, save_model
from minigan.errors import FileError, OrderError, SettingsError, ShapeError
from minigan.gradcheck import check
from minigan.initializers import normal, zeros
from minigan.layers import BatchNorm, Conv2D, Conv2DTranspose, Dense, Flatten, LeakyReLU, SpectralNorm, UpSamplingConv2D

from .conftest import import_torch

# Layer, shape of x; sizes that all differ.
CASES = {
    "dense": (Dense(5), (7, 3)),
    "wide": (Dense(3), (4, 6)),
    "one": (Dense(1), (4, 6)),
    "conv": (Conv2D(4, (2, 3), (2, 1), "same"), (3, 5, 6, 2)),
    "no bias": (Conv2D(3, 2, bias=False), (2, 4, 5, 3)),
    "upsampling": (UpSamplingConv2D(4, 3), (2, 2, 3, 5)),
}
every_case = pytest.mark.parametrize("name", CASES)


def build(name, iterations=1, dtype="float64", seed=2, **options):
    """A network of one layer whose parameters its u and v do not know yet; x, and an upstream gradient."""
    layer, shape = CASES[name]
    net = Sequential(
        [SpectralNorm(layer.clone(), iterations)], input_shape=shape[1:], dtype=dtype, workspace="poison", **options
    )
    draw = net.backend.random.normal
    net.params[...] = draw(net.params.shape, seed, "parameters", dtype=dtype)
    return net, draw(shape, seed, "x", dtype=dtype), draw((shape[0], *net.output_shape), seed, "dy", dtype=dtype)


def differences(f, vector, h=1e-6):
    """df / dvector, by central differences."""
    found = np.empty_like(vector)
    for i, kept in enumerate(vector.copy()):
        vector[i] = kept + h
        up = f()
        vector[i] = kept - h
        found[i] = (up - f()) / (2 * h)
        vector[i] = kept
    return found


def largest(W):
    return np.linalg.svd(W)[1][0]


# The gradient. -------------------------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("iterations", [1, 3])
def test_the_gradient_with_u_and_v_held_fixed(name, iterations):
    """Training turns u and v, then uses them; `predict` uses the same ones and lets them be: its differences are what
    the paper's gradient is about. Far from the singular vectors as well: here u and v have hardly begun to turn.
    """
    net, x, dy = build(name, iterations)
    net.forward(x)
    dx = net.backward(dy).copy()
    loss = lambda: float((dy * net.predict(x)).sum())  # noqa: E731
    np.testing.assert_allclose(net.grads, differences(loss, net.params), rtol=1e-7, atol=1e-8)
    flat = x.reshape(-1)
    np.testing.assert_allclose(dx.reshape(-1), differences(loss, flat), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", ["dense", "conv"])
def test_at_the_singular_vectors_holding_them_fixed_is_no_approximation(name):
    """sigma is stationary in u and v there, so the whole derivative, through the power iterations too, is the same."""
    net, x, dy = build(name, iterations=150)
    start = net.state.copy()

    def loss():
        net.state[...] = start
        return float((dy * net.forward(x, backward=False)).sum())

    whole = differences(loss, net.params)
    loss()
    net.forward(x)
    net.backward(dy)
    np.testing.assert_allclose(net.grads, whole, rtol=1e-6, atol=1e-7)


def test_before_that_it_is_one():
    """So the comparison above can fail."""
    net, x, dy = build("dense", iterations=1)
    start = net.state.copy()

    def loss():
        net.state[...] = start
        return float((dy * net.forward(x, backward=False)).sum())

    whole = differences(loss, net.params)
    net.state[...] = start
    net.forward(x)
    net.backward(dy)
    assert abs(net.grads - whole).max() > 1e-3


@every_case
def test_gradcheck_holds_them_fixed(name):
    layer, shape = CASES[name]
    report = check(SpectralNorm(layer), shape)
    assert report and {row.name for row in report.rows} >= {
        "x",
        "Dense.W" if isinstance(layer, Dense) else f"{type(layer).__name__}.W",
    }, report


@every_case
def test_the_tangent(name):
    """The layer is linear in x but for its bias, and <dy, J t> for W is what `tangent_backward` finds."""
    net, x, dy = build(name)
    t = net.backend.random.normal(x.shape, 9, "t", dtype="float64")
    net.forward(x)
    J_t = net.tangent(t).copy()
    dx = net.backward(dy, keep=True)
    np.testing.assert_allclose((dy * J_t).sum(), (dx * t).sum(), rtol=1e-12)
    np.testing.assert_allclose(J_t, net.predict(x + t) - net.predict(x), rtol=1e-10, atol=1e-10)
    net.forward(x, backward=False)  # predict has divided W by itself; this turns u and v once more
    net.grads[...] = 0
    layer, zero = net.layers[0], np.zeros_like(x)
    net.workspace.begin_pass(keep=True)
    net.workspace.begin_call(net.layers[0].name)
    assert layer.tangent_backward(t, dy) is None
    slope = differences(lambda: float((dy * (net.predict(t) - net.predict(zero))).sum()), net.params)
    np.testing.assert_allclose(net.grads, slope, rtol=1e-7, atol=1e-8)


# Beside PyTorch's. ---------------------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("iterations", [1, 2])
def test_pytorchs_is_the_same(name, iterations):
    """Several steps, each of which moves W: forward, backward, W, b, u and v."""
    torch = import_torch()
    from .torch_twins import in_minigan, nchw, torch_network

    net, _, _ = build(name, iterations)
    module = torch_network(net).train()
    for step in range(6):
        _, x, dy = build(name, seed=10 + step)
        x_torch = torch.tensor(x, requires_grad=True)
        y_torch = module(nchw(x_torch))
        module.zero_grad()
        y_torch.backward(nchw(torch.tensor(dy)))
        tight = {"rtol": 1e-9, "atol": 1e-10}
        np.testing.assert_allclose(nchw(torch.tensor(net.forward(x))), y_torch.detach(), **tight)
        np.testing.assert_allclose(net.backward(dy), x_torch.grad, **tight)
        np.testing.assert_allclose(net.grads, in_minigan(module, net, gradients=True).params, **tight)
        net.params -= 0.3 * net.grads
        with torch.no_grad():
            for parameter in module.parameters():
                parameter -= 0.3 * parameter.grad
        twin = in_minigan(module, net)
        np.testing.assert_allclose(net.params, twin.params, **tight)
        np.testing.assert_allclose(net.state, twin.state, **tight)
        with torch.no_grad():
            np.testing.assert_allclose(nchw(torch.tensor(net.predict(x))), module.eval()(nchw(x_torch)), **tight)
        module.train()


# What it promises. ---------------------------------------------------------------------------------------------------


@every_case
def test_the_largest_singular_value_goes_to_1(name):
    net, x, _ = build(name)
    layer = net.layers[0]
    for _ in range(300):
        net.forward(x, backward=False)
    np.testing.assert_allclose(layer.sigma, largest(layer.layer.W), rtol=1e-10)
    np.testing.assert_allclose(largest(layer.W_SN), 1, rtol=1e-10)
    np.testing.assert_allclose([np.linalg.norm(layer.u), np.linalg.norm(layer.v)], 1, rtol=1e-14)


def test_it_follows_a_W_that_moves():
    """One iteration a step is enough while W moves slowly."""
    net, x, _ = build("conv")
    layer, found = net.layers[0], []
    start = layer.layer.W.copy()
    for step in range(500):
        net.forward(x, backward=False)
        found.append(largest(layer.W_SN))
        layer.layer.W[...] += 0.05 * net.backend.random.normal(layer.layer.W.shape, 4, "drift", step, dtype="float64")
    assert np.linalg.norm(layer.layer.W - start) > np.linalg.norm(start)
    assert min(found) > 1 - 1e-12  # sigma = v^T W u is never above the largest
    assert np.median(found) < 1.01 and max(found[50:]) < 1.1


def test_sigma_is_the_largest_singular_value_by_hand():
    """W = diag(3, 4): u and v go to (0, 1), and the network divides by 4."""
    net = Sequential([SpectralNorm(Dense(2))], input_shape=2, dtype="float64")
    net.layers[0].layer.W[...] = [[3, 0], [0, 4]]
    x = np.array([[4.0, 4.0]])
    for _ in range(100):
        y = net.forward(x, backward=False)
    np.testing.assert_allclose(y, [[3, 4]], rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_critic_of_slope_1(seed):
    """Dense layers of norm 1 and a LeakyReLU between them: no two scores differ by more than their inputs."""
    layers = [SpectralNorm(Dense(8, W_init=normal(3.0))), LeakyReLU(), SpectralNorm(Dense(1, W_init=normal(3.0)))]
    net = Sequential(layers, input_shape=5, dtype="float64", seed=seed)
    a, b = (net.backend.random.normal((50, 5), seed, name, dtype="float64") for name in "ab")
    for _ in range(200):
        net.forward(a, backward=False)
    stretched = abs(net.predict(a) - net.predict(b))[:, 0] / np.linalg.norm(a - b, axis=1)
    assert 0.05 < stretched.max() <= 1 + 1e-9


@every_case
def test_a_new_network_is_normalised_before_its_first_step(name):
    """u and v start at the W that the network starts with."""
    layer, shape = CASES[name]
    net = Sequential([SpectralNorm(layer.clone())], input_shape=shape[1:], dtype="float64")
    net.predict(net.backend.random.normal(shape, 0, "x", dtype="float64"))
    assert abs(largest(net.layers[0].W_SN) - 1) < 0.05


def test_only_training_turns_the_vectors():
    net, x, _ = build("dense")
    before = net.state.copy()
    net.predict(x)
    assert np.array_equal(net.state, before)
    net.forward(x, backward=False)
    assert not np.array_equal(net.state, before)
    held, x, _ = build("dense", iterations=0)
    before = held.state.copy()
    held.forward(x, backward=False)
    assert np.array_equal(held.state, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_W_of_zeros_stays_finite_and_wakes_up(dtype):
    net = Sequential([SpectralNorm(Dense(3, W_init=zeros))], input_shape=4, dtype=dtype, workspace="poison")
    layer, x = net.layers[0], net.backend.random.normal((5, 4), 0, "x", dtype=dtype)
    net.require_finite()
    assert (net.predict(x) == 0).all()
    for _ in range(2):
        assert (net.forward(x) == 0).all()
        assert np.isfinite(net.backward(np.ones((5, 3), dtype))).all()
        net.require_finite()
        np.testing.assert_allclose(np.linalg.norm(layer.u), 1, rtol=1e-6)
    assert np.isfinite(net.grads).all() and (layer.layer.dW != 0).all()
    layer.layer.W[...] = layer.layer.dW
    for _ in range(100):
        net.forward(x, backward=False)
    np.testing.assert_allclose(largest(layer.W_SN), 1, rtol=1e-5)


@pytest.mark.parametrize("workspace", ["fresh", "poison"])
def test_a_gan_with_it_steps_the_same_in_every_workspace(workspace):
    def steps(workspace):
        options = {"dtype": "float64", "workspace": workspace}
        G, _ = models.mnist_dcgan((8, 8, 1), latent=5, width=2, **options)
        D = Sequential(
            [
                SpectralNorm(Conv2D(3, 4, 2, 1)), LeakyReLU(), SpectralNorm(Conv2D(4, 4, 2, 1)), LeakyReLU(),
                Flatten(), SpectralNorm(Dense(1)),
            ],
            input_shape=(8, 8, 1), name="D", **options,
        )  # fmt: skip
        gan = GAN(G, D, objective=Hinge(), g_optimizer=Adam(G, 1e-3), d_optimizer=Adam(D, 1e-3))
        for step in range(3):
            gan.step(np.tanh(G.backend.random.normal((4, 8, 8, 1), 1, "real", step, "float64")))
        return np.concatenate([G.params, D.params, G.state, D.state])

    assert np.array_equal(steps("reuse"), steps(workspace))


# Its place in a network and in a file. -------------------------------------------------------------------------------


def test_u_and_v_are_saved(tmp_path):
    net, x, _ = build("conv", iterations=2)
    for _ in range(3):
        net.forward(x, backward=False)
    save_model(tmp_path / "model.npz", net)
    loaded = load_model(tmp_path / "model.npz")
    assert repr(loaded.layers[0]) == repr(net.layers[0])
    assert [slot.name for slot in loaded.state_slots] == ["0.SpectralNorm.u", "0.SpectralNorm.v"]
    assert np.array_equal(loaded.state, net.state)
    assert np.array_equal(loaded.forward(x), net.forward(x))


@every_case
def test_every_layer_that_can_be_wrapped_can_be_loaded(name, tmp_path):
    net, x, _ = build(name)
    save_model(tmp_path / "model.npz", net)
    loaded = load_model(tmp_path / "model.npz")
    assert repr(loaded.layers[0]) == repr(net.layers[0]) and np.array_equal(loaded.predict(x), net.predict(x))


class Own(Dense):
    pass


def test_an_inner_layer_of_ones_own_is_named_when_its_file_is_read(tmp_path):
    net = Sequential([SpectralNorm(Own(2))], input_shape=3, name="D")
    save_model(tmp_path / "model.npz", net)
    with pytest.raises(FileError, match=r"a layer 'Own' that is not minigan's: load it with layers=\[Own\]"):
        load_model(tmp_path / "model.npz")
    assert np.array_equal(load_model(tmp_path / "model.npz", layers=[Own]).params, net.params)


def test_a_clone_keeps_the_initializers_and_shares_nothing():
    layer = SpectralNorm(Dense(3, W_init=normal(5.0)), iterations=4)
    net = Sequential([layer], input_shape=40, dtype="float64")
    copy = layer.clone()
    assert copy.layer is not layer.layer and copy.iterations == 4
    again = Sequential([copy], input_shape=40, dtype="float64")
    assert np.array_equal(again.params, net.params) and abs(again.layers[0].layer.W).max() > 5
    assert repr(layer) == "SpectralNorm(Dense(d_out=3), iterations=4)"


def test_the_bias_is_the_wrapped_layers_own():
    net = Sequential([SpectralNorm(Dense(2, b_init=normal(1.0)))], input_shape=3, dtype="float64")
    assert net.layers[0].layer.b.any()
    assert net.predict(np.zeros((1, 3))).tolist() == [net.layers[0].layer.b.tolist()]
    with pytest.raises(OrderError, match=r"0\.SpectralNorm\.Dense\.W is a view into network's vector"):
        net.layers[0].layer.W = np.zeros((3, 2))


@pytest.mark.parametrize(
    "build_it, words",
    [
        (lambda: SpectralNorm(Conv2DTranspose(3, 2)), r"layer is Conv2DTranspose\(.*wanted a Dense, a Conv2D or"),
        (lambda: SpectralNorm(BatchNorm()), r"layer is BatchNorm"),
        (lambda: SpectralNorm(SpectralNorm(Dense(1))), r"layer is SpectralNorm\(Dense"),
        (lambda: SpectralNorm(Dense), r"layer is <class .*such as SpectralNorm\(Dense\(1\)\)"),
        (lambda: SpectralNorm(Dense(1), iterations=-1), "iterations is -1; it must be at least 0"),
        (lambda: SpectralNorm(Dense(1), iterations=0.5), "iterations is 0.5; wanted a whole number"),
        (
            lambda: Sequential([SpectralNorm(Dense(1))], input_shape=(2, 2, 1)),
            r"0\.SpectralNorm\.Dense cannot take .*Flatten",
        ),
    ],
)
def test_what_makes_no_sense(build_it, words):
    with pytest.raises((SettingsError, ShapeError), match=words):
        build_it()


def test_a_wrapped_layer_has_one_place_and_is_free_again_after_a_network_that_came_to_nothing():
    dense = Dense(2)
    with pytest.raises(ShapeError):
        Sequential([SpectralNorm(dense)], input_shape=(2, 2))
    net = Sequential([SpectralNorm(dense)], input_shape=3, name="D")
    with pytest.raises(OrderError, match=r"already D's 0\.SpectralNorm"):
        Sequential([SpectralNorm(dense)], input_shape=3)
    with pytest.raises(OrderError, match=r"already D's 0\.SpectralNorm"):
        Sequential([dense], input_shape=3)
    assert net.predict(np.zeros((1, 3), "float32")).shape == (1, 2)
