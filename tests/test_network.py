"""Networks: flat vectors, the three laws and their guards, modes, and what wrong calls get."""

import numpy as np
import pytest

from minigan import Sequential, load_model, models, save_model
from minigan.errors import BackendError, DivergedError, OrderError, SettingsError, ShapeError
from minigan.layers import BatchNorm, Dense, Dropout, Flatten, Layer, LeakyReLU, Reshape, Tanh


def small(workspace="poison", **options):
    layers = [Dense(5), LeakyReLU(0.2), BatchNorm(0.8), Dropout(0.2), Dense(6), Tanh(), Reshape((3, 2, 1))]
    return Sequential(layers, input_shape=4, name="G", workspace=workspace, **options)


def noise(net, n=7, stream="x"):
    return net.backend.random.normal((n, *net.input_shape), 0, stream, dtype=net.dtype)


# Flat vectors --------------------------------------------------------------------------------------------------------


def test_every_parameter_is_a_view_in_layer_order():
    net = small()
    assert [slot.name for slot in net.slots] == [
        "0.Dense.W", "0.Dense.b", "2.BatchNorm.gamma", "2.BatchNorm.beta", "4.Dense.W", "4.Dense.b",
    ]  # fmt: skip
    assert net.slots[0].start == 0 and net.slots[-1].stop == net.params.size == net.grads.size == 71
    assert [slot.name for slot in net.state_slots] == ["2.BatchNorm.mean", "2.BatchNorm.var"]
    for i, names in ((0, "Wb"), (4, "Wb")):
        for name in names:
            assert np.shares_memory(getattr(net.layers[i], name), net.params)
            assert np.shares_memory(getattr(net.layers[i], f"d{name}"), net.grads)
    net.params[:20] = np.arange(20)
    assert net.layers[0].W[1, 2] == 7
    net.layers[2].mean[...] = 3
    assert (net.state[:5] == 3).all()


def test_views_hold_after_training_and_a_copy_shares_nothing():
    net = small()
    net.backward(np.ones_like(net.forward(noise(net))))
    net.params -= 0.1 * net.grads
    copy = net.clone(dtype="float64")
    assert np.shares_memory(net.layers[0].W, net.params)
    assert np.allclose(copy.params, net.params) and not np.shares_memory(copy.params, net.params)
    assert copy.params.dtype == np.float64 and copy.layers[0] is not net.layers[0]


@pytest.mark.parametrize("name", ["W", "b", "dW"])
def test_replacing_a_parameter_is_an_error_that_says_what_to_write(name):
    layer = small().layers[0]
    with pytest.raises(OrderError, match=rf"0\.Dense\.{name} is a view.*write layer\.{name}\[\.\.\.\] = value"):
        setattr(layer, name, np.zeros((4, 5), np.float32))
    layer.W += 1  # in place: fine


@pytest.mark.parametrize("name", ["params", "grads", "state"])
def test_replacing_a_vector_is_an_error(name):
    with pytest.raises(OrderError, match=rf"write net\.{name}\[\.\.\.\] = value"):
        setattr(small(), name, np.zeros(71))


def test_a_layer_object_has_one_place():
    layer = Dense(4)
    with pytest.raises(OrderError, match=r"G: 1\.Dense is already G's 0\.Dense.*clone"):
        Sequential([layer, layer], input_shape=4, name="G")
    Sequential([layer], input_shape=4, name="G")
    with pytest.raises(OrderError, match="D: 0.Dense is already G's 0.Dense"):
        Sequential([layer], input_shape=4, name="D")


def test_seeds_names_and_dtypes_of_initial_weights():
    weights = {key: small(seed=key).params for key in (0, 1)}
    assert not np.array_equal(weights[0], weights[1])
    assert np.array_equal(weights[0], small(seed=0).params)
    assert np.array_equal(weights[0], small(seed=0, dtype="float64").params.astype(np.float32))
    other = Sequential([Dense(5)], input_shape=4, name="D", seed=0)
    assert not np.array_equal(other.layers[0].W, small(seed=0).layers[0].W), "G and D of one seed start apart"


# The laws ------------------------------------------------------------------------------------------------------------


def steps(net, count=3):
    """Everything that a few forwards, backwards and predictions of different sizes compute."""
    seen = []
    for i in range(count):
        y = net.forward(noise(net, 7 - i, f"x{i}"))
        seen.append(y.copy())
        dy = net.backend.random.normal(y.shape, 0, f"dy{i}", dtype=net.dtype)
        seen.append(net.backward(dy, add=i > 0).copy())
        seen += [net.grads.copy(), net.predict(noise(net, 9)), net.state.copy()]
    return seen


def test_fresh_reused_and_poisoned_buffers_give_the_same_bits():
    fresh, reuse, poison = (steps(small(mode)) for mode in ("fresh", "reuse", "poison"))
    for a, b, c in zip(fresh, reuse, poison, strict=True):
        assert np.array_equal(a, b) and np.array_equal(a, c)
        assert np.isfinite(a).all()


def test_buffers_are_reused_and_predict_neither_takes_nor_keeps_any():
    net = small("reuse")
    x = noise(net)
    first = net.forward(x)
    net.backward(np.ones_like(first))
    held = net.workspace.arrays()
    prediction = net.predict(noise(net, 300))
    assert len(net.workspace.arrays()) == len(held) > 2
    assert all(now is before for now, before in zip(net.workspace.arrays(), held, strict=True))
    assert not any(np.shares_memory(prediction, buffer) for buffer in held)
    assert np.shares_memory(first, net.forward(x))


def test_second_law_two_forwards():
    net = small()
    net.forward(noise(net))
    with pytest.raises(OrderError, match="G: a second training forward before the backward of the first"):
        net.forward(noise(net))
    net.discard()
    net.forward(noise(net))


@pytest.mark.parametrize("before", ["nothing", "backward", "predict", "no backward announced", "discard"])
def test_second_law_backward_without_its_forward(before):
    net = small()
    if before != "nothing":
        y = net.forward(noise(net), backward=before != "no backward announced")
    if before == "backward":
        net.backward(np.ones_like(y))
    if before == "predict":
        net.predict(noise(net))
    if before == "discard":
        net.discard()
    with pytest.raises(OrderError, match="G: backward without its forward"):
        net.backward(np.ones((7, 3, 2, 1), np.float32))


class Twice(Layer):
    """Breaks the first law."""

    def forward(self, x, train):
        a = self.buf("y", x.shape)
        b = self.buf("y", x.shape)
        a[...], b[...] = x, 2 * x
        return a + b


class Writes(Layer):
    """Breaks the third law."""

    def forward(self, x, train):
        x *= 2
        return x


class Trusts(Layer):
    """Believes that a buffer starts at zero."""

    def forward(self, x, train):
        y = self.buf("y", x.shape)
        y += x
        return y


def test_first_and_third_law():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(OrderError, match=r"0\.Twice fetched its buffer 'y' twice"):
        Sequential([Twice()], input_shape=3).forward(x)
    with pytest.raises(ValueError, match="read-only"):
        Sequential([Writes()], input_shape=3, workspace="poison").forward(x)
    assert np.isnan(Sequential([Trusts()], input_shape=3, workspace="poison").forward(x)).all()
    assert (x == 1).all()


class Unused(Layer):
    """Fetches dx, and returns dy itself, or a view of it."""

    def forward(self, x, train):
        return x

    def backward(self, dy, params=True, inputs=True):
        self.buf("dx", dy.shape)[...] = 0
        return dy[:]


def test_a_dx_that_is_not_returned_does_not_take_the_place_of_one_that_is():
    def dx(workspace):
        layers = [Dense(4), Tanh(), Unused(), Unused(), Dense(5), Unused()]
        net = Sequential(layers, input_shape=3, dtype="float64", workspace=workspace)
        return net.backward(net.forward(noise(net)).copy()).copy()

    assert np.array_equal(dx("reuse"), dx("fresh")) and np.array_equal(dx("poison"), dx("fresh"))


# Forward, backward, predict ------------------------------------------------------------------------------------------


def test_add_is_the_sum_of_two_backwards():
    net = small(dtype="float64")
    dy = np.ones((7, 3, 2, 1))
    grads = []
    for stream in "ab":
        net.forward(noise(net, stream=stream))
        net.forwards = 0
        net.backward(dy, inputs=False)
        grads.append(net.grads.copy())
    for stream in "ab":
        net.forward(noise(net, stream=stream))
        net.forwards = 0
        net.backward(dy, inputs=False, add=stream == "b")
    np.testing.assert_allclose(net.grads, grads[0] + grads[1], rtol=1e-12)


def test_no_gradient_is_computed_below_the_first_layer_that_learns():
    calls = []

    class Watched(Flatten):
        def backward(self, dy, params=True, inputs=True):
            calls.append(inputs)
            return super().backward(dy, params, inputs)

    class WatchedDense(Dense):
        def backward(self, dy, params=True, inputs=True):
            calls.append((params, inputs))
            return super().backward(dy, params, inputs)

    net = Sequential([Watched(), WatchedDense(3), WatchedDense(2)], input_shape=(2, 2, 1))
    x, dy = np.ones((5, 2, 2, 1), np.float32), np.ones((5, 2), np.float32)
    net.forward(x)
    assert net.backward(dy, inputs=False) is None
    assert calls == [(True, True), (True, False)]
    calls.clear()
    net.forward(x)
    assert net.backward(dy, params=False).shape == x.shape
    assert calls == [(False, True), (False, True), True]


def test_a_network_without_parameters():
    net = Sequential([Tanh(), Flatten()], input_shape=(2, 3))
    y = net.forward(np.ones((4, 2, 3), np.float32))
    assert net.backward(np.ones_like(y), inputs=False) is None
    assert net.params.size == 0


def test_prediction_does_not_depend_on_its_batches_nor_change_anything():
    net = small(dtype="float64")
    net.backward(np.ones_like(net.forward(noise(net))))
    state, count = net.state.copy(), net.forwards
    x = noise(net, 23)
    np.testing.assert_allclose(net.predict(x, batch_size=5), net.predict(x), rtol=1e-13)
    np.testing.assert_allclose(net.predict(x[:1]), net.predict(x)[:1], rtol=1e-13)
    assert np.array_equal(net.state, state) and net.forwards == count


@pytest.mark.parametrize(
    "x, words",
    [
        (np.ones((7, 5), np.float32), r"G: x has shape \(7, 5\); wanted \(n, 4\)"),
        (np.ones(4, np.float32), r"G: x has shape \(4,\)"),
        (np.ones((0, 4), np.float32), r"n >= 1"),
        (np.float32(3), "G: x is a numpy.float32"),
        (np.array(3, np.float32), r"G: x has shape \(\)"),
        (np.ones((7, 4)), r"x has dtype float64.*float32.*x\.astype\(net\.dtype\)"),
        (np.ones((7, 4), np.uint8), "x has dtype uint8"),
        ([[1.0, 2.0, 3.0, 4.0]], r"G: x is a builtins\.list.*net\.backend\.asarray"),
    ],
)
def test_wrong_inputs(x, words):
    net = small()
    for method in (net.forward, net.predict):
        with pytest.raises(ShapeError, match=words):
            method(x)
    net.forward(noise(net))
    with pytest.raises(ShapeError, match="G: dy "):
        net.backward(x)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"dtype": "float16"}, SettingsError, "dtype is float16"),
        ({"dtype": "int32"}, SettingsError, "dtype is int32"),
        ({"workspace": "recycled"}, SettingsError, "workspace is 'recycled'"),
        ({"backend": "jax"}, BackendError, "backend is 'jax'; the backends are numpy, compiled, cupy"),
        ({"seed": -1}, SettingsError, "seed is -1"),
    ],
)
def test_wrong_options(options, error, words):
    with pytest.raises(error, match=words):
        Sequential([Dense(2)], input_shape=3, **options)


def test_no_layers():
    with pytest.raises(SettingsError, match="G: no layers"):
        Sequential([], input_shape=3, name="G")


# Looking for what went wrong -----------------------------------------------------------------------------------------


def test_check_finite_names_the_first_layer():
    net = small(workspace="reuse")
    net.check_finite = True
    net.layers[4].W[0, 0] = np.inf
    with (
        np.errstate(all="ignore"),
        pytest.raises(DivergedError, match=r"G: the output of layer 4\.Dense is not finite"),
    ):
        net.forward(noise(net))
    net = small(workspace="reuse")
    net.check_finite = True
    y = net.forward(noise(net))
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match=r"gradient dx of layer 6\.Reshape"):
        net.backward(np.full_like(y, np.inf))


# Summaries -----------------------------------------------------------------------------------------------------------


def test_golden_totals_and_table(capsys):
    G, D = models.mnist_mlp()
    assert (G.params.size, G.state.size, D.params.size, D.state.size) == (1_489_936, 3_584, 665_089, 0)
    G.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "G  (input (100,))"
    assert lines[-1] == "total 1,493,520 parameters: 1,489,936 trainable, 3,584 not"
    assert next(line.split() for line in lines if "8.BatchNorm" in line) == ["8.BatchNorm", "(1024,)", "4,096"]


def test_mnist_mlp_options():
    G, D = models.mnist_mlp((5, 7, 3), latent=4, widths=(6,), d_widths=(3,), output="probability")
    assert G.output_shape == D.input_shape == (5, 7, 3)
    assert 0 < D.predict(G.predict(noise(G))).min() < 1
    with pytest.raises(SettingsError, match="output is 'score'"):
        models.mnist_mlp(output="score")


# Small mistakes ------------------------------------------------------------------------------------------------------


def test_dy_must_have_the_rows_of_its_forward():
    net = small()
    net.forward(noise(net, 7))
    with pytest.raises(ShapeError, match="G: dy has 5 rows, and the forward before it had 7"):
        net.backward(np.ones((5, 3, 2, 1), np.float32))


def test_a_poisoned_network_sees_that_its_input_was_another_networks_buffer():
    G = Sequential([Dense(3)], input_shape=2, name="G", workspace="poison")
    D = Sequential([Dense(1)], input_shape=3, name="D", workspace="poison")
    pred = D.forward(G.forward(noise(G, stream="a"), backward=False))
    G.forward(noise(G, stream="b"), backward=False)
    with pytest.raises(OrderError, match="D: x changed between its forward and its backward"):
        D.backward(np.ones_like(pred))


def test_an_initializer_of_the_wrong_shape_is_not_broadcast():
    with pytest.raises(ShapeError, match=r"initializer of G\.0\.Dense\.W made \(3,\); wanted \(2, 3\)"):
        Sequential([Dense(3, W_init=lambda random, shape, *fans: random.normal(shape[1:]))], input_shape=2, name="G")


def test_numbers_from_numpy_are_numbers(tmp_path):
    layers = [Dense(np.int64(6)), LeakyReLU(np.float32(0.25)), BatchNorm(np.float64(0.5)), Reshape(np.array([3, 2]))]
    net = Sequential(layers, input_shape=np.int64(4), seed=np.int64(7))
    save_model(tmp_path / "model.npz", net)
    assert load_model(tmp_path / "model.npz").seed == 7


def test_a_layer_that_returns_another_shape_than_it_announced():
    class Liar(Tanh):
        def build(self, in_shape):
            return (5,)

    with pytest.raises(ShapeError, match=r"0\.Liar returned \(2, 4\), and its build announced"):
        Sequential([Liar()], input_shape=4).forward(np.ones((2, 4), np.float32))


def test_require_finite_names_the_array():
    net = small()
    net.require_finite()
    net.layers[2].var[1] = np.nan
    with pytest.raises(DivergedError, match=r"G: 2\.BatchNorm\.var is not finite"):
        net.require_finite()


@pytest.mark.parametrize(
    "build_it, words",
    [
        (lambda: Sequential([Dense(100, 256)], input_shape=3), "0.Dense: the parameter W has .* initializer 256"),
        (lambda: Sequential([Dense, Tanh()], input_shape=3), "layer 0 is <class .*; wanted a layer object"),
        (lambda: Sequential([type("Silent", (Tanh,), {"build": lambda self, shape: None})()], input_shape=3),
         "0.Silent: build returned None"),
        (lambda: save_model(small(), "model.npz"), "save_model\\(path, network\\): network is a str"),
        (lambda: load_model("model.npz", layers=[Tanh()]), "layers must be a list of classes"),
    ],
)  # fmt: skip
def test_what_newcomers_write(build_it, words):
    with pytest.raises((SettingsError, ShapeError), match=words):
        build_it()


def test_a_network_that_could_not_be_built_keeps_no_layers():
    first, last = Dense(4), Dense(2)
    with pytest.raises(ShapeError):
        Sequential([first, Reshape((2, 2)), last], input_shape=3)
    with pytest.raises(OrderError):
        Sequential([first, last, first], input_shape=3)
    assert Sequential([first, last], input_shape=3).output_shape == (2,)
