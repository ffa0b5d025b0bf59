"""Weights to and from PyTorch and Keras: round trips to the last bit, PyTorch's modules, Keras's layers as loops."""

import itertools

import numpy as np
import pytest

from minigan import Sequential, models
from minigan.errors import MiniganError, SettingsError, ShapeError
from minigan.interop import from_keras, from_torch, modules_of, to_keras, to_torch
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    SpectralNorm,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)

from .conftest import import_torch

SIZES = {  # not square, where the model can: rows and columns that change places cannot hide
    "mnist_mlp": {"image_shape": (5, 3, 2), "latent": 4, "widths": (6, 5), "d_widths": (7, 3)},
    "mnist_dcgan": {"image_shape": (8, 12, 3), "latent": 5, "width": 2},
    "toy2d": {"latent": 3, "width": 5, "depth": 2},
    "faces64": {"image_shape": (16, 32, 3), "latent": 5, "width": 2},
    "anime96": {"image_shape": (32, 48, 3), "latent": 5, "width": 2},
    "anime96_wgan": {"image_shape": (32, 64, 3), "latent": 5, "width": 2},
    "cats96": {"image_shape": (24, 48, 3), "latent": 5, "width": 2},
    "celeba64": {"image_shape": (16, 32, 3), "latent": 5, "width": 2},
    "r3gan": {"image_shape": (12, 16, 3), "latent": 5, "width": 2, "group": 2},
}
every_model = pytest.mark.parametrize("name", SIZES)
BOTH = {"torch": (to_torch, from_torch), "keras": (to_keras, from_keras)}


def scrambled(net, seed=1):
    """The network with random numbers everywhere, the running statistics too."""
    for vector in ("params", "state"):
        values = getattr(net, vector)
        values[...] = 0.4 * net.backend.random.normal(values.shape, seed, vector, dtype=net.dtype)
    net.state[...] = abs(net.state) + 0.1  # variances
    return net


def small(name, **options):
    """G and D of a model, scrambled."""
    return [scrambled(net) for net in models.MODELS[name](**SIZES[name], **options)]


def of_layers(*layers, shape, seed=1):
    return scrambled(Sequential(list(layers), input_shape=shape, dtype="float64"), seed)


def batch(net, n=3):
    return net.backend.random.normal((n, *net.input_shape), 7, "x", dtype=net.dtype)


def test_every_model_is_here():
    assert set(SIZES) == set(models.MODELS)


# There and back. -----------------------------------------------------------------------------------------------------


@every_model
@pytest.mark.parametrize("library", BOTH)
def test_a_round_trip_changes_no_bit(name, library, backend):
    away, back = BOTH[library]
    for net in small(name, backend=backend):
        copy = net.clone()
        copy.params[...], copy.state[...] = 0, 0
        back(copy, away(net))
        assert (copy.params == net.params).all() and (copy.state == net.state).all()


@every_model
def test_every_number_goes_over_once(name):
    for net in small(name):
        for arrays in (to_torch(net).values(), to_keras(net)):
            there = np.concatenate([array.ravel() for array in arrays])
            assert np.array_equal(np.sort(there), np.sort(np.concatenate([net.params, net.state])))
            assert {array.dtype for array in arrays} == {net.dtype}


def test_what_comes_out_is_a_copy():
    net = of_layers(Dense(2), BatchNorm(), shape=3)
    for array in (*to_torch(net).values(), *to_keras(net)):
        assert not any(np.shares_memory(array, vector) for vector in (net.params, net.state))


def test_keys_and_shapes_for_pytorch():
    net = of_layers(
        Dense(24), BatchNorm(), ReLU(), Reshape((2, 4, 3)), Conv2DTranspose(5, (2, 3), bias=False), Conv2D(2, (2, 1)),
        shape=7,
    )  # fmt: skip
    assert {key: array.shape for key, array in to_torch(net).items()} == {
        "0.weight": (24, 7), "0.bias": (24,),
        "1.weight": (24,), "1.bias": (24,), "1.running_mean": (24,), "1.running_var": (24,),
        "4.weight": (3, 5, 2, 3), "5.weight": (2, 5, 2, 1), "5.bias": (2,),
    }  # fmt: skip
    names = ["fc", "norm", "up.0", "out"]
    assert list(dict.fromkeys(key.rpartition(".")[0] for key in to_torch(net, names))) == names
    assert [array.shape for array in to_keras(net)] == [
        (7, 24), (24,), (24,), (24,), (24,), (24,), (2, 3, 5, 3), (2, 1, 5, 2), (2,)
    ]  # fmt: skip


def test_modules_of():
    state = dict.fromkeys(
        ["conv1.weight", "conv1.bias", "block.0.running_mean", "block.0.num_batches_tracked", "head.bias",
         "head.parametrizations.weight.original", "head.parametrizations.weight.0._u", "conv1.extra"], 0
    )  # fmt: skip
    assert modules_of(state) == ["conv1", "block.0", "head"]
    assert modules_of({"weight": 0, "bias": 0}) == [""]


def test_a_single_module_without_a_prefix():
    net = of_layers(Dense(2), shape=3)
    state = {"weight": np.arange(6.0).reshape(2, 3), "bias": np.array([7, 8])}  # whole numbers are numbers too
    from_torch(net, state, modules_of(state))
    assert net.params.tolist() == [0, 3, 1, 4, 2, 5, 7, 8]


# PyTorch's own modules. ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch():
    return import_torch()


def as_theirs(torch, images):
    tensor = torch.tensor(images)
    return tensor.permute(0, 3, 1, 2) if tensor.ndim == 4 else tensor


def require_same_function(torch, net, module, x=None):
    """In prediction mode, and in training mode with the batch's statistics."""
    x = batch(net) if x is None else x
    with torch.no_grad():
        for mode, ours in (("eval", net.predict), ("train", lambda x: net.forward(x, backward=False))):
            theirs = getattr(module, mode)()(as_theirs(torch, x))
            assert theirs.std() > 1e-6
            np.testing.assert_allclose(as_theirs(torch, ours(x).copy()), theirs, rtol=1e-12, atol=1e-12)


@every_model
def test_every_model_is_the_same_function_in_pytorch(torch, name):
    from .torch_twins import torch_network

    for net in small(name, dtype="float64"):
        require_same_function(torch, net, torch_network(net))


@every_model
def test_every_model_from_a_pytorch_that_began_by_itself(torch, name):
    from .torch_twins import torch_network

    for net in small(name, dtype="float64"):
        module, random = torch_network(net), torch.Generator().manual_seed(3)
        with torch.no_grad():
            for value in module.parameters():
                value.normal_(0, 0.4, generator=random)
            for value in (buffer for buffer in module.buffers() if buffer.is_floating_point()):
                value.uniform_(0.1, 1, generator=random)
        state = {key: value.numpy() for key, value in module.state_dict().items()}
        from_torch(net, state, modules_of(state))
        again = to_torch(net, modules_of(state))
        assert again.keys() == {key for key in state if not key.endswith("num_batches_tracked")}
        assert all(np.array_equal(again[key], state[key]) for key in again)
        require_same_function(torch, net, module)


def test_features_between_images_and_rows(torch):
    """Dense's rows behind Flatten, its columns before Reshape, and a BatchNorm on either side."""
    nn = torch.nn
    net = of_layers(
        Flatten(), LeakyReLU(0.2), BatchNorm(), Dropout(0.0), Dense(6), Tanh(), Dense(24), BatchNorm(), ReLU(),
        Reshape((4, 2, 3)), Conv2D(2, 2), shape=(3, 5, 2),
    )  # fmt: skip
    module = nn.Sequential(
        nn.Flatten(), nn.LeakyReLU(0.2), nn.BatchNorm1d(30), nn.Dropout(0.0), nn.Linear(30, 6), nn.Tanh(),
        nn.Linear(6, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Unflatten(1, (3, 4, 2)), nn.Conv2d(3, 2, 2),
    ).double()  # fmt: skip
    module.load_state_dict({key: torch.tensor(array) for key, array in to_torch(net).items()})
    require_same_function(torch, net, module, batch(net, 5))


def test_spectral_norm_goes_over_with_its_vectors(torch):
    nn, spectral_norm = torch.nn, torch.nn.utils.parametrizations.spectral_norm
    net = of_layers(
        SpectralNorm(Conv2D(4, (2, 3), 2)), SpectralNorm(Conv2D(3, 1, bias=False)), Flatten(), SpectralNorm(Dense(5)),
        shape=(4, 9, 2),
    )  # fmt: skip
    module = nn.Sequential(
        spectral_norm(nn.Conv2d(2, 4, (2, 3), 2)), spectral_norm(nn.Conv2d(4, 3, 1, bias=False)), nn.Flatten(),
        spectral_norm(nn.Linear(24, 5)),
    ).double()  # fmt: skip
    numbers = to_torch(net)
    module.load_state_dict({key: torch.tensor(array) for key, array in numbers.items()})
    require_same_function(torch, net, module)
    copy = net.clone()
    copy.params[...], copy.state[...] = 0, 0
    from_torch(copy, numbers)
    state = {key: value.numpy() for key, value in module.state_dict().items()}  # which has moved on by one forward
    from_torch(copy, state)
    assert np.array_equal(copy.params, net.params)
    np.testing.assert_allclose(copy.state, net.state, rtol=1e-12)


def test_a_module_with_names_of_its_own(torch):
    nn = torch.nn

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.LeakyReLU(0.2))
            self.head = nn.Linear(4 * 3 * 4, 1)

        def forward(self, x):
            return self.head(torch.flatten(self.features(x), 1))

    module = Critic().double()
    net = of_layers(Conv2D(4, 3, 2, 1), BatchNorm(), LeakyReLU(0.2), Flatten(), Dense(1), shape=(5, 7, 3))
    state = module.state_dict()  # tensors that NumPy can read serve as well
    with pytest.raises(ShapeError, match=r"Left over: features\.0\.weight.*give modules=modules_of\(state\)"):
        from_torch(net, state)
    from_torch(net, state, modules_of(state))
    require_same_function(torch, net, module)


# Keras's layers, as loops. -------------------------------------------------------------------------------------------


def keras_padding(length, kernel, stride, padding):
    """TensorFlow's rule, which Keras states: as many zeros as make ceil(length / stride), the odd one at the end."""
    if padding == "valid":
        return 0, (length - kernel) // stride + 1
    out = -(-length // stride)
    return max((out - 1) * stride + kernel - length, 0) // 2, out


def keras_conv2d(x, kernel, bias, stride, padding):
    """kernel: (kh, kw, in, out)."""
    (n, h, w, _), (kh, kw, _, c) = x.shape, kernel.shape
    (top, oh), (left, ow) = keras_padding(h, kh, stride, padding), keras_padding(w, kw, stride, padding)
    y = np.zeros((n, oh, ow, c)) + bias
    for i, j, u, v in itertools.product(range(oh), range(ow), range(kh), range(kw)):
        row, column = i * stride + u - top, j * stride + v - left
        if 0 <= row < h and 0 <= column < w:
            y[:, i, j] += x[:, row, column] @ kernel[u, v]
    return y


def keras_conv2d_transpose(x, kernel, bias, stride, padding):
    """kernel: (kh, kw, out, in). The gradient of a conv2d for its input, whose sizes are those of the output here."""
    (n, h, w, _), (kh, kw, c, _) = x.shape, kernel.shape
    oh, ow = (
        length * stride if padding == "same" else length * stride + max(k - stride, 0)
        for length, k in ((h, kh), (w, kw))
    )
    top, left = keras_padding(oh, kh, stride, padding)[0], keras_padding(ow, kw, stride, padding)[0]
    y = np.zeros((n, oh, ow, c)) + bias
    for i, j, u, v in itertools.product(range(h), range(w), range(kh), range(kw)):
        row, column = i * stride + u - top, j * stride + v - left
        if 0 <= row < oh and 0 <= column < ow:
            y[:, row, column] += x[:, i, j] @ kernel[u, v].T
    return y


def keras_batch_normalization(x, gamma, beta, mean, variance, eps=1e-3):
    return gamma * (x - mean) / np.sqrt(variance + eps) + beta


def random_like(net):
    return [net.backend.random.normal(array.shape, 3, f"{i}", dtype="float64") for i, array in enumerate(to_keras(net))]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel, stride", [((3, 2), 1), ((3, 3), 2), ((4, 5), 3), ((4, 4), 2)])
def test_the_convolutions_of_keras(kernel, stride, padding):
    for kind, loops in ((Conv2D, keras_conv2d), (Conv2DTranspose, keras_conv2d_transpose)):
        net = of_layers(kind(3, kernel, stride, padding), shape=(6, 5, 2))
        weights, x = random_like(net), batch(net)
        from_keras(net, weights)
        np.testing.assert_allclose(net.predict(x), loops(x, *weights, stride, padding), rtol=1e-12, atol=1e-12)


def test_kernels_are_not_flipped_worked_by_hand():
    kernel = np.array([[1.0, 2], [3, 4]])
    paint = of_layers(Conv2DTranspose(1, 2), shape=(1, 1, 1))
    from_keras(paint, [kernel.reshape(2, 2, 1, 1), [100.0]])
    assert paint.predict(np.full((1, 1, 1, 1), 5.0)).reshape(2, 2).tolist() == [[105, 110], [115, 120]]
    see = of_layers(Conv2D(1, 2), shape=(2, 2, 1))
    from_keras(see, [kernel.reshape(2, 2, 1, 1), [100.0]])
    assert see.predict(np.array([1.0, 0, 0, 10]).reshape(1, 2, 2, 1)).item() == 1 + 40 + 100


def test_a_critic_and_a_generator_of_keras():
    """Whole stacks: Keras flattens as minigan does, rows first, channels last."""
    D = of_layers(
        Conv2D(4, 3, 2, "same"), ZeroPadding2D(((0, 1), (0, 1))), BatchNorm(0.8, 1e-3), LeakyReLU(0.2), Dropout(0.25),
        Flatten(), Dense(2), shape=(5, 7, 3),
    )  # fmt: skip
    weights = random_like(D)
    weights[5] = abs(weights[5])  # the moving variance
    from_keras(D, weights)
    x = batch(D)
    y = np.pad(keras_conv2d(x, *weights[:2], 2, "same"), ((0, 0), (0, 1), (0, 1), (0, 0)))
    y = keras_batch_normalization(y, *weights[2:6])
    y = np.where(y > 0, y, 0.2 * y).reshape(3, -1) @ weights[6] + weights[7]
    np.testing.assert_allclose(D.predict(x), y, rtol=1e-12, atol=1e-12)

    G = of_layers(
        Dense(12), ReLU(), Reshape((2, 3, 2)), UpSampling2D(2), Conv2D(3, 3, padding="same", bias=False),
        BatchNorm(0.8, 1e-3), Tanh(), shape=4,
    )  # fmt: skip
    weights = random_like(G)
    weights[-1] = abs(weights[-1])
    from_keras(G, weights)
    z = batch(G)
    y = np.maximum(z @ weights[0] + weights[1], 0).reshape(3, 2, 3, 2).repeat(2, axis=1).repeat(2, axis=2)
    y = np.tanh(keras_batch_normalization(keras_conv2d(y, weights[2], 0, 1, "same"), *weights[3:]))
    np.testing.assert_allclose(G.predict(z), y, rtol=1e-12, atol=1e-12)


# What does not fit. --------------------------------------------------------------------------------------------------


def unreadable():
    class OnADevice:
        shape = (5, 4)

        def __array__(self, *_, **__):
            raise TypeError("copy it to the host first")

    return OnADevice()


TORCH_MISTAKES = {
    "missing": (lambda s: s.pop("3.weight"), ShapeError, r"Missing: 3\.weight, \(1, 5\), for 3\.Dense\.W$"),
    "left over": (lambda s: s.update({"4.weight": np.ones((2, 3))}), ShapeError, r"Left over: 4\.weight, \(2, 3\)$"),
    "transposed": (
        lambda s: s.update({"0.weight": s["0.weight"].T}), ShapeError,
        r"net, and nothing was changed\. Wrong shape: 0\.weight, for 0\.Dense\.W, is \(4, 5\) and must be \(5, 4\)$",
    ),
    "many": (
        lambda s: [s.update({f"x.{key}": s.pop(key)}) for key in list(s)], ShapeError,
        r"Missing: 0\.weight.*; and 3 more\. Left over: x\.0\.weight.*; and 3 more\. If only the names differ",
    ),
    "words": (lambda s: s.update({"0.bias": np.array(list("abcde"))}), ShapeError, r"for 0\.Dense\.b, has dtype <U1"),
    "on a device": (
        lambda s: s.update({"0.weight": unreadable()}), ShapeError,
        r"0\.weight, for 0\.Dense\.W, is a OnADevice that is no NumPy array: copy it to the host first",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", TORCH_MISTAKES)
def test_a_state_that_does_not_fit_changes_nothing(mistake):
    break_it, kind, words = TORCH_MISTAKES[mistake]
    net = Sequential([Dense(5), BatchNorm(), ReLU(), Dense(1)], input_shape=4, dtype="float64", name="net")
    state = to_torch(scrambled(net.clone(), seed=5))
    break_it(state)
    params, numbers = net.params.copy(), net.state.copy()
    with pytest.raises(kind, match=words):
        from_torch(net, state)
    assert np.array_equal(net.params, params) and np.array_equal(net.state, numbers)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda w: w.pop(), r"Missing: weights\[7\], \(1,\), for 3\.Dense\.b"),
        (lambda w: w.append(np.ones(2)), r"Left over: weights\[8\], \(2,\)"),
        (lambda w: w.reverse(), r"Wrong shape: weights\[0\], for 0\.Dense\.W, is \(1,\) and must be \(4, 5\)"),
    ],
)
def test_a_list_that_does_not_fit_changes_nothing(change, words):
    net = of_layers(Dense(5), BatchNorm(), ReLU(), Dense(1), shape=4)
    weights, params = to_keras(scrambled(net.clone(), seed=5)), net.params.copy()
    change(weights)
    with pytest.raises(ShapeError, match=words):
        from_keras(net, weights)
    assert np.array_equal(net.params, params)


class Own(Layer):
    def build(self, in_shape):
        self.param("scale", in_shape, lambda random, shape, *fans: random.full(shape, 1.0))
        return in_shape


DENSE = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2)}


@pytest.mark.parametrize(
    "action, words",
    [
        (lambda: from_torch(of_layers(Dense(2), shape=3), [np.ones((2, 3))]), "state is a list; wanted a dictionary"),
        (lambda: from_keras(of_layers(Dense(2), shape=3), DENSE), "weights is a dict; wanted a list"),
        (lambda: to_torch(Dense(2)), "net is a Dense; wanted a Sequential"),
        (lambda: to_keras(Dense(2)), "net is a Dense; wanted a Sequential"),
        (lambda: to_torch(of_layers(Dense(2), Dense(2), shape=3), ["a"]), r"of 2 different names, for 0\.Dense, 1"),
        (lambda: to_torch(of_layers(Dense(2), Dense(2), shape=3), ["a", "a"]), "2 different names"),
        (lambda: to_torch(of_layers(Dense(2), shape=3), "a"), "1 different names"),
        (lambda: to_torch(of_layers(Own(), shape=3)), r"0\.Own is a layer of your own.*PyTorch"),
        (lambda: to_keras(of_layers(Own(), shape=3)), r"0\.Own is a layer of your own.*Keras"),
        (lambda: to_keras(of_layers(SpectralNorm(Dense(2)), shape=3)), r"0\.SpectralNorm has no equal in Keras"),
        (
            lambda: to_torch(of_layers(Flatten(), Reshape((5, 2, 6)), Conv2D(1, 1), shape=(4, 5, 3))),
            r"1\.Reshape makes \(5, 2, 6\) of \(60,\) with channels last.*no weights make the two the same",
        ),
        (
            lambda: to_torch(of_layers(Reshape((2, 2, 12)), Conv2D(1, 1), shape=(4, 4, 3))),
            r"0\.Reshape makes \(2, 2, 12\) of \(4, 4, 3\)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_over(action, words):
    with pytest.raises(SettingsError, match=words):
        action()


def test_batch_counters_are_ignored_and_a_waiting_backward_is_discarded():
    net = of_layers(Dense(2), BatchNorm(), shape=3)
    state = to_torch(scrambled(net.clone(), seed=5)) | {"1.num_batches_tracked": np.array(17)}
    net.forward(batch(net))
    from_torch(net, state)
    with pytest.raises(MiniganError, match="backward without its forward"):
        net.backward(np.ones((3, 2)))


def test_numbers_are_rounded_to_the_networks_dtype():
    net = Sequential([Dense(1)], input_shape=1, dtype="float32")
    from_torch(net, {"0.weight": np.array([[1 / 3]]), "0.bias": np.array([2], dtype="float16")})
    assert net.params.tolist() == [float(np.float32(1 / 3)), 2.0] and net.params.dtype == "float32"


# What others leave out, and what they add -----------------------------------------------------------------------------


def spectral_critic(seed=1):
    layers = [SpectralNorm(Conv2D(4, 3, 2, 1)), LeakyReLU(0.2), Flatten(), SpectralNorm(Dense(1))]
    return Sequential(layers, input_shape=(5, 7, 3), name="D", seed=seed, dtype="float64", backend="numpy")


def old_names(state):
    """As torch.nn.utils.spectral_norm called them, before there were parametrizations."""
    names = {".original": "_orig", ".0._u": "_u", ".0._v": "_v"}
    found = {}
    for key, array in state.items():
        for new, old in names.items():
            key = key.replace(f"parametrizations.weight{new}", f"weight{old}")
        found[key] = array
    return found


STATES = {  # of a state_dict: what a user may have of it
    "itself": lambda state: state,
    "the older spectral norm": old_names,
    "one layer of each kind": lambda state: (
        old_names({k: a for k, a in state.items() if k[0] == "0"}) | {k: a for k, a in state.items() if k[0] != "0"}
    ),
    "a checkpoint": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{}]}},
    "a checkpoint, in other words": lambda state: {"model_state_dict": old_names(state), "loss": np.float64(0.3)},
    "of a wrapped module": lambda state: {f"module.{key}": array for key, array in state.items()},
    "of a compiled one": lambda state: {"model": {f"_orig_mod.{key}": array for key, array in state.items()}},
}


@pytest.mark.parametrize("case", STATES)
def test_a_state_dict_is_found_where_it_is(case):
    net, other = spectral_critic(1), spectral_critic(2)
    theirs = STATES[case](to_torch(net))
    from_torch(other, theirs)
    assert np.array_equal(other.params, net.params) and np.array_equal(other.state, net.state)
    assert modules_of(theirs) == ["0", "3"]


def test_several_state_dicts_are_named():
    state = to_torch(spectral_critic())
    with pytest.raises(SettingsError, match="several dictionaries of arrays: give one, state\\['netG'\\] or .* 'netD'"):
        from_torch(spectral_critic(), {"netG": state, "netD": state})


def normed(seed=1):
    layers = [Dense(6), BatchNorm(), Reshape((1, 2, 3)), Conv2D(4, 1, bias=False), BatchNorm()]
    return Sequential(layers, input_shape=5, name="G", seed=seed, dtype="float64", backend="numpy")


LACKING = {  # without=, and the arrays of `get_weights()` that are left: of Dense, BatchNorm, Conv2D, BatchNorm
    "scale=False": (["gamma"], [0, 1, 3, 4, 5, 6, 8, 9, 10]),
    "center=False": (["beta"], [0, 1, 2, 4, 5, 6, 7, 9, 10]),
    "neither": (["gamma", "beta"], [0, 1, 4, 5, 6, 9, 10]),
    "scale=False of one": (["4.BatchNorm.gamma"], [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]),
    "use_bias=False": ("b", [0, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
}


@pytest.mark.parametrize("case", LACKING)
def test_arrays_that_a_keras_layer_lacks_become_one_or_zero(case):
    without, left = LACKING[case]
    net, other = normed(1), normed(2)
    net.params[...] = net.backend.random.normal(net.params.shape, 3, "params", dtype="float64")
    other.params[...] = 7
    weights = to_keras(net)
    with pytest.raises(SettingsError, match="is not [01] everywhere: it cannot be left out"):
        to_keras(net, without)
    from_keras(other, [weights[i] for i in left], without)
    got = to_keras(other)
    kinds = ["W", "b", *("gamma", "beta", "mean", "var"), "W", *("gamma", "beta", "mean", "var")]
    for i, kind in enumerate(kinds):
        assert np.array_equal(got[i], weights[i] if i in left else np.full_like(got[i], kind == "gamma"))
    assert len(to_keras(other, without)) == len(to_torch(other, without=without)) == len(left)
    state = to_torch(other, without=without)
    net.params[...] = 7
    from_torch(net, state, without=without)
    assert np.array_equal(net.params, other.params)


def test_a_list_that_is_short_says_what_a_layer_may_lack():
    net = normed()
    with pytest.raises(ShapeError, match=r"scale=False, center=False or use_bias=False .* without=\['gamma'\]"):
        from_keras(net, to_keras(net)[:-2])
    with pytest.raises(SettingsError, match="without has 'W'; what may be lacking is 0.Dense.b, 1.BatchNorm.beta"):
        from_keras(net, to_keras(net), without=["W"])


NO_NUMBERS = {
    "NaN": (np.nan, "nan"),
    "infinity": (-np.inf, "-inf"),
    "too large for float32": (1e300, "1e[+]300.*float32"),
    "complex": (1j, "complex128; wanted numbers"),
    "text": ("x", "<U1; wanted numbers"),
    "a date": (np.datetime64("2020-01-01"), "datetime64"),
    "booleans": (True, "bool; wanted numbers"),
}


@pytest.mark.parametrize("case", NO_NUMBERS)
@pytest.mark.parametrize("library", ["torch", "keras"])
def test_what_is_no_number_is_refused_by_name(library, case):
    bad, words = NO_NUMBERS[case]
    net = Sequential([Dense(2), BatchNorm()], input_shape=3, name="D", seed=1, backend="numpy")
    before = net.params.copy()
    arrays = to_torch(net) if library == "torch" else dict(enumerate(to_keras(net)))
    key = "1.running_var" if library == "torch" else 5
    arrays[key] = np.full_like(arrays[key], bad, type(bad) if not hasattr(bad, "dtype") else bad.dtype)
    with pytest.raises(ShapeError, match=rf"(1.running_var|weights\[5\]), for 1.BatchNorm.var, .*{words}"):
        from_torch(net, arrays) if library == "torch" else from_keras(net, list(arrays.values()))
    assert np.array_equal(net.params, before)


def test_variances_are_not_negative():
    net = normed()
    with pytest.raises(ShapeError, match="1.running_var, for 1.BatchNorm.var, has variances below 0"):
        from_torch(net, to_torch(net) | {"1.running_var": -np.ones(6)})


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["utils.spectral_norm", "utils.parametrizations.spectral_norm"])
def test_both_of_pytorchs_spectral_norms_are_read_from_a_checkpoint(name):
    torch = import_torch()
    normed = torch.nn.utils.parametrizations.spectral_norm if "param" in name else torch.nn.utils.spectral_norm
    torch.manual_seed(0)
    conv, norm, dense = torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.BatchNorm2d(4, affine=False), torch.nn.Linear(48, 1)
    module = torch.nn.Sequential(
        normed(conv), norm, torch.nn.LeakyReLU(0.2), torch.nn.Flatten(), normed(dense)
    ).double()
    for _ in range(3):
        module(torch.randn(2, 3, 5, 7).double())  # u, v and the running statistics move
    module.eval()
    layers = [SpectralNorm(Conv2D(4, 3, 2, 1)), BatchNorm(), LeakyReLU(0.2), Flatten(), SpectralNorm(Dense(1))]
    net = Sequential(layers, input_shape=(5, 7, 3), name="D", dtype="float64", backend="numpy")
    from_torch(net, {"epoch": 3, "model_state_dict": module.state_dict()}, without=["gamma", "beta"])
    x = torch.randn(2, 3, 5, 7).double()
    y = net.predict(np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(y, module(x).detach().numpy(), rtol=1e-12)
