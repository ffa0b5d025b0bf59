"""Every layer and every loss, through one harness: right gradients, right dtypes, the buffer laws, save and load."""

import math

import numpy as np
import pytest

from minigan import Sequential, layers, load_model, losses, save_model
from minigan.errors import SettingsError, ShapeError
from minigan.gradcheck import assert_gradients
from minigan.layers import BatchNorm, Dense, Dropout, Flatten, LeakyReLU, Reshape, Sigmoid

from .layer_table import CASES, LOSS_CASES, Case, public_classes

every_layer = pytest.mark.parametrize("case", CASES, ids=str)


def build(case, dtype="float64", backend="numpy", workspace="poison", seed=3):
    """A network of one layer with random parameters, and its input and upstream gradient."""
    net = Sequential(
        [case.layer.clone()], input_shape=case.shape[1:], dtype=dtype, backend=backend, workspace=workspace, seed=seed
    )
    draw = net.backend.random.normal
    net.params[...] = draw(net.params.shape, 1, "parameters", dtype=dtype)
    x = draw(case.shape, 2, "x", dtype=dtype)
    return net, x, draw((case.shape[0], *net.output_shape), 3, "dy", dtype=dtype)


def run(net, x, dy):
    """Forward and backward, twice; copies of y, dx, and the three vectors."""
    for _ in range(2):
        y = net.forward(x).copy()
        dx = net.backward(dy).copy()
    return [net.backend.to_host(a) for a in (y, dx, net.params, net.grads, net.state, net.predict(x))]


def test_the_tables_miss_no_layer_and_no_loss():
    assert {type(case.layer) for case in CASES} == public_classes(layers, layers.Layer) | {Sequential}
    assert {kind for kind, _, _ in LOSS_CASES} == public_classes(losses, losses.Loss)


@every_layer
@pytest.mark.parametrize("seed", range(2))  # test_mutants.py has 50, and is slow
def test_gradients(case, seed):
    assert_gradients(case.layer, case.shape, seed=seed)


@pytest.mark.parametrize("kind, predictions, labels", LOSS_CASES)
def test_loss_gradients(kind, predictions, labels):
    assert_gradients(kind(), predictions, labels=labels)


@every_layer
def test_fresh_reused_and_poisoned_buffers_give_the_same_bits(case):
    fresh, reuse, poison = (run(*build(case, workspace=mode)) for mode in ("fresh", "reuse", "poison"))
    for a, b, c in zip(fresh, reuse, poison, strict=True):
        assert np.array_equal(a, b) and np.array_equal(a, c)


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept_and_inputs_are_not_changed(case, dtype, backend):
    net, x, dy = build(case, dtype, backend)
    x_before, dy_before = x.copy(), dy.copy()
    assert {array.dtype.name for array in run(net, x, dy)} == {dtype}
    assert (x == x_before).all() and (dy == dy_before).all()


@every_layer
def test_float32_agrees_with_float64(case, backend):
    """On a GPU too: float32 is compared with float64 on the CPU, never checked by differences."""
    for narrow, wide in zip(run(*build(case, "float32", backend)), run(*build(case, "float64")), strict=True):
        np.testing.assert_allclose(narrow, wide, rtol=1e-4, atol=1e-5)


@every_layer
def test_what_is_not_asked_for_is_not_touched(case):
    net, x, dy = build(case)
    net.forward(x)
    dx, grads = net.backward(dy).copy(), net.grads.copy()
    net.grads[...] = 7
    net.forwards -= 1  # the same dropout mask again
    net.forward(x)
    assert np.array_equal(net.backward(dy, params=False), dx)
    assert (net.grads == 7).all()
    net.forwards -= 1
    net.forward(x)
    assert net.backward(dy, inputs=False) is None
    assert np.array_equal(net.grads, grads)


@every_layer
def test_non_contiguous_input(case):
    net, x, dy = build(case)
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]))
    wide[..., ::2] = x
    expected = run(net, x, dy)
    net, _, _ = build(case)
    for a, b in zip(run(net, wide[..., ::2], dy), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@every_layer
def test_save_and_load(case, tmp_path):
    net, x, dy = build(case)
    run(net, x, dy)
    save_model(tmp_path / "model.npz", net)
    loaded = load_model(tmp_path / "model.npz")
    assert repr(loaded.layers[0]) == repr(net.layers[0])
    for a, b in zip(run(net, x, dy), run(loaded, x, dy), strict=True):
        assert np.array_equal(a, b)


# What the gradients cannot see: the numbers themselves. --------------------------------------------------------------


def one(layer, x, train=True):
    net = Sequential([layer], input_shape=np.shape(x)[1:], dtype="float64")
    x = np.asarray(x, dtype=np.float64)
    return net.forward(x) if train else net.predict(x), net


def test_activation_values():
    x = [[-2.0, 0.0, 3.0]]
    assert one(LeakyReLU(0.2), x)[0].tolist() == [[-0.4, 0, 3]]
    assert one(layers.ReLU(), x)[0].tolist() == [[0, 0, 3]]
    np.testing.assert_allclose(one(layers.Tanh(), x)[0], [[math.tanh(v) for v in x[0]]], rtol=1e-15)


def test_sigmoid_neither_overflows_nor_loses_its_small_values():
    y, _ = one(Sigmoid(), [[-700.0, -40.0, 0.0, 40.0, 700.0]])
    np.testing.assert_allclose(y, [[math.exp(-700), math.exp(-40), 0.5, 1.0, 1.0]], rtol=1e-12)


def test_batchnorm_normalises_and_keeps_running_statistics():
    x = np.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
    y, net = one(BatchNorm(momentum=0.8, eps=1e-3), x)
    np.testing.assert_allclose(y, (x - [3, 30]) / np.sqrt(np.array([14, 1400]) / 3 + 1e-3))
    np.testing.assert_allclose(net.layers[0].mean, [0.2 * 3, 0.2 * 30])
    np.testing.assert_allclose(net.layers[0].var, [0.8 + 0.2 * 14 / 3, 0.8 + 0.2 * 1400 / 3])
    expected = (x - net.layers[0].mean) / np.sqrt(net.layers[0].var + 1e-3)
    np.testing.assert_allclose(net.predict(x), expected)


def test_batchnorm_refuses_a_training_batch_with_one_number_a_channel():
    net = Sequential([Dense(3), BatchNorm()], input_shape=2, dtype="float64", name="G")
    with pytest.raises(ShapeError, match=r"1\.BatchNorm in G.*\(1, 3\).*batch of 2 or more"):
        net.forward(np.ones((1, 2)))
    assert net.predict(np.ones((1, 2))).shape == (1, 3)


def test_dropout_drops_the_stated_share_and_keeps_the_mean():
    x = np.ones((100, 1000))
    y, net = one(Dropout(0.3), x)
    assert set(np.unique(y)) == {0.0, 1 / (1 - 0.3)}
    assert abs((y == 0).mean() - 0.3) < 0.005
    assert np.array_equal(net.predict(x), x)
    net.discard()
    assert not np.array_equal(y.copy(), net.forward(x)), "every forward has a mask of its own"


def test_dropout_masks_differ_between_layers():
    net = Sequential([Dropout(0.5), Dropout(0.5)], input_shape=1000, dtype="float64")
    y = net.forward(np.ones((10, 1000)))
    assert set(np.unique(y)) == {0.0, 4.0}
    assert abs((y == 0).mean() - 0.75) < 0.02


def test_reshape_is_row_major():
    y, _ = one(Reshape((2, 3, 1)), np.arange(6.0).reshape(1, 6))
    assert y[0, 1, 2, 0] == 5 and y[0, 0, 1, 0] == 1


@pytest.mark.parametrize(
    "build_it, words",
    [
        (lambda: LeakyReLU(1.5), "LeakyReLU: slope is 1.5"),
        (lambda: LeakyReLU(-0.1), "slope is -0.1"),
        (lambda: Dropout(1.0), "Dropout: rate is 1.0"),
        (lambda: BatchNorm(momentum=1.0), "BatchNorm: momentum is 1.0"),
        (lambda: BatchNorm(eps=0), "eps 0"),
        (lambda: Sequential([Dense(3)], input_shape=(4, 4)), r"0\.Dense cannot take inputs of shape \(4, 4\).*Flatten"),
        (lambda: Dense(0), "Dense: d_out is 0; it must be at least 1"),
        (lambda: Dense(2.5), "Dense: d_out is 2.5; wanted a whole number"),
        (lambda: Dense("2"), "Dense: d_out is '2'; wanted a whole number"),
        (lambda: Dense(None), "Dense: d_out is None; wanted a whole number"),
        (lambda: Sequential([Reshape((3, 3))], input_shape=8), r"0\.Reshape cannot take .*9 numbers"),
        (lambda: Sequential([Flatten(), Reshape((-1,))], input_shape=8), "1.Reshape"),
    ],
)
def test_impossible_hyperparameters(build_it, words):
    with pytest.raises((SettingsError, ShapeError), match=words):
        build_it()


def test_a_case_prints_as_its_layer():
    assert str(Case(LeakyReLU(0.2), (7, 3))) == "LeakyReLU(slope=0.2)-7x3"
