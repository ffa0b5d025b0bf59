"""Layers that hold layers, and networks as ordinary Python objects: names, files, copies, pickles, memory."""

import copy
import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest

from minigan import (
    GAN,
    R1,
    Adam,
    Generator,
    GradientPenalty,
    Sequential,
    Wasserstein,
    load_model,
    models,
    save_model,
)
from minigan.errors import FileError, OrderError, SettingsError, ShapeError
from minigan.gradcheck import check
from minigan.initializers import normal, zeros
from minigan.interop import from_keras, from_torch, to_keras, to_torch
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LabelEmbedding,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Residual,
    SpectralNorm,
    Tanh,
)
from minigan.twins import TwinWarning

from .gans import real_images, small_gan


def block():
    return Residual(
        Conv2D(4, 3, padding="same", bias=False), BatchNorm(), ReLU(), SpectralNorm(Conv2D(4, 3, padding="same")),
        shortcut=Sequential([Conv2D(4, 1), Tanh()]),
    )  # fmt: skip


def deep(**options):
    """A network with a layer in a layer in a layer."""
    layers = [
        Dense(2 * 3 * 3), Reshape((2, 3, 3)), block(), Residual(Dropout(0.2), Residual(Conv2D(4, 1), Tanh())),
        Sequential([Sequential([Flatten(), Dense(5)]), LeakyReLU()]), Dense(2),
    ]  # fmt: skip
    return Sequential(layers, input_shape=4, name="G", **{"dtype": "float64", "seed": 7} | options)


NAMES = [
    "0.Dense.W", "0.Dense.b", "2.Residual.0.Conv2D.W", "2.Residual.1.BatchNorm.gamma",
    "2.Residual.1.BatchNorm.beta", "2.Residual.3.SpectralNorm.Conv2D.W", "2.Residual.3.SpectralNorm.Conv2D.b",
    "2.Residual.shortcut.Sequential.0.Conv2D.W", "2.Residual.shortcut.Sequential.0.Conv2D.b",
    "3.Residual.1.Residual.0.Conv2D.W", "3.Residual.1.Residual.0.Conv2D.b", "4.Sequential.0.Sequential.1.Dense.W",
    "4.Sequential.0.Sequential.1.Dense.b", "5.Dense.W", "5.Dense.b",
]  # fmt: skip


def noise(net, n=5, stream="x"):
    return net.backend.random.normal((n, *net.input_shape), 3, stream, dtype=net.dtype)


def passes(net, count=2):
    """What some forwards and backwards compute."""
    found = []
    for i in range(count):
        y = net.forward(noise(net, stream=f"x{i}")).copy()
        dx = net.backward(net.backend.random.normal(y.shape, 5, f"dy{i}", dtype=net.dtype)).copy()
        found += [y, dx, net.grads.copy(), net.state.copy()]
    return [*found, net.predict(noise(net))]


def assert_same(a, b):
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# Names, tables, files. -----------------------------------------------------------------------------------------------


def test_names_are_paths_and_every_array_is_a_piece_of_its_vector():
    net = deep()
    assert [slot.name for slot in net.slots] == NAMES
    assert [slot.name for slot in net.state_slots] == [
        "2.Residual.1.BatchNorm.mean", "2.Residual.1.BatchNorm.var", "2.Residual.3.SpectralNorm.u",
        "2.Residual.3.SpectralNorm.v",
    ]  # fmt: skip
    assert net.slots[0].start == 0 and net.slots[-1].stop == net.params.size
    assert all(a.stop == b.start for a, b in zip(net.slots, net.slots[1:], strict=False))
    inner = net.layers[2].shortcut.layers[0]
    assert np.shares_memory(inner.W, net.params) and np.shares_memory(inner.dW, net.grads)
    assert net.layers[2].grads.size == sum(s.stop - s.start for s in net.slots if s.name.startswith("2.Residual."))


def test_the_table_shows_what_stands_inside_what():
    lines = str(deep()).splitlines()
    assert repr(deep()).splitlines() == lines
    names = [line.split("  (")[0].rstrip() for line in lines]
    for shown in ("2.Residual", "  0.Conv2D", "  3.SpectralNorm", "    Conv2D", "  shortcut.Sequential", "    0.Conv2D",
                  "    1.Tanh", "4.Sequential", "  0.Sequential", "    1.Dense", "5.Dense"):  # fmt: skip
        assert shown in names, shown
    outer = next(line for line in lines if line.startswith("2.Residual"))
    assert outer.split()[-1] == str(108 + 8 + 8 + 148 + 4 + 36 + 16)
    assert repr(block()).startswith("Residual(Conv2D(c_out=4") and "shortcut=Sequential([Conv2D(" in repr(block())


def test_a_network_in_a_network_is_the_layers_themselves():
    """Nesting changes names, hence first weights and masks, and no number beyond that."""
    inner = [Dense(5), Tanh(), Dense(4)]
    flat = Sequential([*inner, LeakyReLU(), Dense(2)], input_shape=3, name="flat", dtype="float64", workspace="poison")
    nested = Sequential(
        [Sequential([layer.clone() for layer in inner]), Sequential([LeakyReLU(), Dense(2)])],
        input_shape=3, name="nested", dtype="float64", workspace="poison",
    )  # fmt: skip
    nested.params[...] = flat.params
    assert_same(passes(flat), passes(nested))


@pytest.mark.parametrize("workspace", ["fresh", "poison"])
def test_the_buffer_laws_hold_inside_blocks(workspace):
    assert_same(passes(deep(workspace="reuse")), passes(deep(workspace=workspace)))


def test_gradients_of_a_deep_network():
    report = check(deep(), (3, 4), max_entries=20)
    assert report, str(report)


def test_nothing_is_computed_below_the_first_layer_that_learns():
    calls = []

    class Watched(Tanh):
        def backward(self, dy, params=True, inputs=True):
            calls.append((self.name, inputs))
            return super().backward(dy, params, inputs)

    net = Sequential([Watched(), Residual(Watched(), Dense(3)), Sequential([Watched()])], input_shape=3)
    y = net.forward(noise(net))
    assert net.backward(np.ones_like(y), inputs=False) is None
    assert calls == [("2.Sequential.0.Watched", True)], "the block's own Tanh stands before its first Dense"
    net.forward(noise(net))
    assert net.backward(np.ones_like(y)).shape == (5, 3) and len(calls) == 4


def test_save_and_load(tmp_path):
    net = deep()
    passes(net)
    save_model(tmp_path / "model.npz", net)
    loaded = load_model(tmp_path / "model.npz")
    assert str(loaded) == str(net)
    assert_same(passes(net), passes(loaded))


class Twice(Layer):
    """A holder of one's own, with nothing said about its children."""

    def __init__(self, layer):
        self.layer = layer

    def build(self, in_shape):
        return self.place(type(self.layer).__name__, in_shape)

    def forward(self, x, train):
        return 2 * self.layer.run_forward(x, train)

    def backward(self, dy, params=True, inputs=True):
        return self.layer.run_backward(2 * dy, params, inputs)


class Ways(Layer):
    """The sum of several ways, in a list."""

    def __init__(self, ways):
        self.ways = ways

    def build(self, in_shape):
        (shape,) = {self.place(name, in_shape) for name in self.children()}
        return shape

    def forward(self, x, train):
        return sum(way.run_forward(x, train) for way in self.children().values())

    def backward(self, dy, params=True, inputs=True):
        dy, dx = dy.copy(), []
        for way in self.children().values():
            found = way.run_backward(dy, params, inputs)
            dx += [found.copy()] if inputs else []
        return sum(dx) if inputs else None


@pytest.mark.parametrize("layer", [Twice(Dense(3)), Ways([Dense(3), Dense(3), Twice(Dense(3))])], ids=["one", "list"])
def test_a_holder_of_ones_own(layer, tmp_path):
    assert check(layer, (5, 4))
    net = Sequential([layer.clone()], input_shape=4, name="D")
    save_model(tmp_path / "model.npz", net)
    loaded = load_model(tmp_path / "model.npz", layers=[Twice, Ways])
    assert [slot.name for slot in loaded.slots] == [slot.name for slot in net.slots]
    assert np.array_equal(loaded.predict(noise(net)), net.predict(noise(net)))
    if isinstance(layer, Ways):
        assert net.slots[-1].name == "0.Ways.ways.2.Twice.Dense.b"


class Named(Ways):
    """A holder whose names have dots, one the beginning of another."""

    def children(self):
        return dict(zip(("a", "a.b", "a.b.c"), self.ways, strict=True))


def test_a_chains_gradients_are_its_own_whatever_its_siblings_are_called():
    ways = [Sequential([Dense(3), Tanh()]), Sequential([Dense(3), Tanh()]), Dense(3)]
    net = Sequential([Named(ways)], input_shape=4, name="D")
    for way in ways[:2]:
        assert way.grads.size == 15 and np.shares_memory(way.grads, way.layers[0].dW)
    assert check(Named([way.clone() for way in ways]), (5, 4)) and net.params.size == 45


@pytest.mark.parametrize("kind", [list, tuple, lambda layers: dict(zip("ab", layers, strict=True))],
                         ids=["list", "tuple", "dict"])  # fmt: skip
def test_layers_in_a_list_a_tuple_or_a_dictionary_are_found_and_copied(kind):
    net = Sequential([Ways(kind([Dense(3), Dense(3)]))], input_shape=4, name="G")
    assert len(net.slots) == 4
    other = copy.deepcopy(net)
    assert np.array_equal(other.predict(noise(net)), net.predict(noise(net)))
    assert other.layers[0].ways is not net.layers[0].ways


class Own(Sequential):
    """As a user of PyTorch would write it."""

    def __init__(self, width):
        super().__init__([Dense(width), Tanh(), Dense(1)], input_shape=3, name="Own", dtype="float64")
        self.width = width


def test_a_network_class_with_arguments_of_its_own_is_copied_and_checked():
    net = Own(5)
    for other in (net.clone(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert type(other) is Own and np.array_equal(other.predict(noise(net)), net.predict(noise(net)))
    assert check(net)


# What makes no sense. ------------------------------------------------------------------------------------------------


class Direct(Twice):
    """Calls its child by its own methods: nobody told the workspace."""

    def forward(self, x, train):
        return 2 * self.layer.forward(x, train)


class Unplaced(Twice):
    def build(self, in_shape):
        return in_shape


class Misnamed(Twice):
    def build(self, in_shape):
        return self.place("layer", in_shape)


class Again(Twice):
    def __init__(self, layer):
        self.layer = self.other = layer


class TwoOfAName(Layer):
    def build(self, in_shape):
        self.param("W", in_shape, normal())
        self.running("W", in_shape)
        return in_shape


SHARED = Dense(3)


@pytest.mark.parametrize(
    "build, error, words",
    [
        (lambda: Sequential([Unplaced(Dense(2))], input_shape=3), OrderError, "never placed Dense: write"),
        (lambda: Sequential([Misnamed(Dense(2))], input_shape=3), SettingsError, "no layer 'layer' inside; it has"),
        (lambda: Sequential([Again(Dense(3))], input_shape=3), OrderError, "Dense and other.Dense are one layer"),
        (lambda: Residual(SHARED, SHARED).clone() and Sequential([Residual(SHARED, SHARED)], input_shape=3), OrderError,
         r"0\.Residual\.1\.Dense is already network's 0\.Residual\.0\.Dense"),
        (lambda: Sequential([Dense(3), Residual(Tanh(), shortcut=SHARED), SHARED], input_shape=3), OrderError,
         r"2\.Dense is already network's 1\.Residual\.shortcut\.Dense"),
        (lambda: Sequential([TwoOfAName()], input_shape=3), SettingsError, r"0\.TwoOfAName declares 'W' twice"),
        (lambda: Sequential([Residual(Dense(4))], input_shape=3), ShapeError,
         r"0\.Residual cannot take .*make \(4,\) where the input is \(3,\); a shortcut"),
        (lambda: Sequential([Residual(Dense(4), shortcut=Dense(5))], input_shape=3), ShapeError,
         r"make \(4,\) where its shortcut makes \(5,\)"),
        (lambda: Residual(), SettingsError, "Residual: no layers"),
        (lambda: Residual([Dense(3)]), SettingsError, r"Residual: layer 0 is \[Dense"),
        (lambda: Residual(Dense(3), shortcut=Dense), SettingsError, "shortcut is <class"),
        (lambda: Sequential(Dense(3)), SettingsError, r"layers is Dense\(d_out=3\); wanted a list"),
        (lambda: Sequential([Sequential([Dense(3)], input_shape=3, name="inner")], input_shape=3), OrderError,
         "0.Sequential is a network, inner, with parameters of its own"),
        (lambda: Sequential([Dense(3)]).predict(np.ones((1, 3))), OrderError, "give it an input_shape"),
        (lambda: GAN(Sequential([Dense(3)]), small_gan().D), SettingsError, "G is Sequential.*with an input_shape"),
        (lambda: Generator([Dense(3)], input_shape=4, classes=4), SettingsError, r"is \(4,\) with classes=4"),
        (lambda: LabelEmbedding(0, 3), SettingsError, "classes is 0"),
        (lambda: Sequential([LabelEmbedding(5, 2)], input_shape=4), ShapeError, "one-hot row of 5 classes"),
    ],
)  # fmt: skip
def test_what_cannot_be_composed(build, error, words):
    SHARED.__dict__.pop("context", None)
    with pytest.raises(error, match=words):
        build()


def test_a_child_that_is_called_by_itself_is_an_error_and_no_wrong_number():
    net = Sequential([Direct(Dense(3))], input_shape=4)
    with pytest.raises(OrderError, match=r"0\.Direct\.Dense was called by itself.*run_forward"):
        net.forward(noise(net))


def test_a_network_that_could_not_be_built_frees_layers_at_every_depth():
    inner = Dense(3)
    with pytest.raises(ShapeError):
        Sequential([Residual(Sequential([inner]), Tanh()), Reshape((5,))], input_shape=3)
    Sequential([Residual(Sequential([inner]))], input_shape=3)
    dense = Dense(4, W_init=lambda random, shape, *fans: random.normal(shape[1:]))  # fails after all were connected
    for _ in range(2):
        with pytest.raises(ShapeError, match="initializer of G.0.Dense.W"):
            Sequential([dense], input_shape=3, name="G")


class Doubles(Tanh):
    """Answers in another dtype than it was asked."""

    def forward(self, x, train):
        return super().forward(x, train).astype("float64")


def test_a_layer_of_another_dtype_is_named():
    net = Sequential([Dense(2), Residual(Doubles())], input_shape=3)
    with pytest.raises(ShapeError, match=r"1\.Residual\.0\.Doubles returned float64 in a network of float32"):
        net.forward(noise(net))


def test_a_backward_of_another_dtype_is_named():
    class Widens(Tanh):
        def backward(self, dy, params=True, inputs=True):
            return super().backward(dy, params, inputs).astype("float64")

    net = Sequential([Dense(2), Widens()], input_shape=3)
    y = net.forward(noise(net))
    with pytest.raises(ShapeError, match=r"1\.Widens's backward returned float64 in a network of float32"):
        net.backward(y.copy())


@pytest.mark.parametrize(
    "first, second, words",
    [
        ("W", "W", "'W' twice"),
        ("W", "dW", "'dW' twice"),
        ("dW", "W", "'dW' twice"),
        ("forward", "W", "'forward', which every layer has"),
        ("type", "dtype", "'dtype', which every layer has"),
        ("type", "W", "'dtype', which every layer has"),
        ("name", "W", "'name', which every layer has"),
    ],
)
def test_an_array_has_a_name_of_its_own(first, second, words):
    """Of two arrays under one name, only one would be trained."""

    class Declares(Tanh):
        def build(self, in_shape):
            self.param(first, in_shape, zeros)
            self.param(second, in_shape, zeros)
            return in_shape

    with pytest.raises(SettingsError, match=f"0.Declares declares {words}"):
        Sequential([Declares()], input_shape=3)


# PyTorch and Keras. --------------------------------------------------------------------------------------------------


def test_weights_travel_both_ways_under_nested_names():
    net, other = deep(), deep(seed=8)
    state = to_torch(net)
    for key in ("2.0.weight", "2.1.running_mean", "2.3.parametrizations.weight.original", "2.shortcut.0.weight",
                "3.1.0.bias", "4.0.1.weight"):  # fmt: skip
        assert key in state, sorted(state)
    from_torch(other, state)
    assert np.array_equal(other.params, net.params) and np.array_equal(other.state, net.state)
    with pytest.raises(ShapeError, match=r"Missing: 2\.shortcut\.0\.weight.*for 2\.Residual\.shortcut\.Sequential\.0"):
        from_torch(other, {key: value for key, value in state.items() if key != "2.shortcut.0.weight"})


def test_keras_has_a_list_in_the_order_of_the_layers():
    net = Sequential([Residual(Dense(3), Tanh(), shortcut=Dense(3)), Sequential([Dense(2)])], input_shape=4)
    other = Sequential([layer.clone() for layer in net.layers], input_shape=4, seed=5)
    assert [array.shape for array in to_keras(net)] == [(4, 3), (3,), (4, 3), (3,), (3, 2), (2,)]
    from_keras(other, to_keras(net))
    assert np.array_equal(other.params, net.params)


# Critics of blocks. --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1()])
def test_a_critic_of_blocks_says_which_layer_has_no_tangent(penalty):
    G = Sequential([Dense(12), Reshape((2, 2, 3))], input_shape=4, name="G")
    D = Sequential([Residual(Conv2D(3, 1), BatchNorm()), Flatten(), Dense(1)], input_shape=(2, 2, 3), name="D")
    with pytest.raises(SettingsError, match=r"D: 0\.Residual\.1\.BatchNorm cannot stand in a critic"):
        GAN(G, D, objective=Wasserstein(), penalty=penalty)


# Ordinary Python objects. --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), Sequential.clone],
                         ids=["deepcopy", "pickle", "clone"])  # fmt: skip
def test_a_copy_of_a_network_shares_nothing_and_computes_the_same(copied):
    net = deep()
    passes(net)
    other = copied(net)
    assert not any(np.shares_memory(getattr(net, v), getattr(other, v)) for v in ("params", "grads", "state"))
    assert np.shares_memory(other.layers[2].layers[0].W, other.params) and other.forwards == net.forwards
    assert_same(passes(net), passes(other))
    other.params[...] = 0
    assert net.params.any()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda gan: pickle.loads(pickle.dumps(gan)), GAN.clone],
                         ids=["deepcopy", "pickle", "clone"])  # fmt: skip
@pytest.mark.parametrize("switches", [{}, {"ema": 0.9, "noise": "same", "d_steps": 2, "g_steps": 2}])
def test_a_copy_of_a_gan_trains_on_its_own(copied, switches):
    gan, steps = small_gan(**switches), 3
    n = 6 * gan.d_steps
    for step in range(steps):
        gan.step(real_images(gan, n, step))
    other = copied(gan)
    before = gan.G.params.copy()
    for step in range(steps, 2 * steps):
        other.step(real_images(other, n, step))
    assert np.array_equal(gan.G.params, before) and gan.steps == steps and other.steps == 2 * steps
    for step in range(steps, 2 * steps):
        gan.step(real_images(gan, n, step))
    assert np.array_equal(gan.G.params, other.G.params) and np.array_equal(gan.D.params, other.D.params)
    assert other.g_optimizer.network is other.G and other.G.workspace.shared is other.D.workspace.shared


def test_a_shallow_copy_says_what_to_write():
    gan = small_gan()
    for thing in (gan, gan.G):
        with pytest.raises(OrderError, match="copy.deepcopy"):
            copy.copy(thing)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(OrderError, match=r"of G's 0\.Dense: a layer that a network has built is copied with"):
            copied(gan.G.layers[0])
    free = Residual(Dense(3, W_init=normal(0.5)), Tanh())
    for other in (copy.copy(free), copy.deepcopy(free), pickle.loads(pickle.dumps(free))):
        assert repr(other) == repr(free) and other.layers[0] is not free.layers[0]
        assert other.layers[0].W_init == normal(0.5)


class Applied(Layer):
    """A layer with a function."""

    def __init__(self, f):
        self.f = f

    def forward(self, x, train):
        return self.f(x)


def test_a_lambda_is_refused_by_name(tmp_path):
    net = Sequential([Dense(3), Residual(Applied(lambda x: 2 * x))], input_shape=3, name="G")
    with pytest.raises(SettingsError, match=r"Applied\(\): its argument f is .*<lambda>, which cannot be pickled"):
        pickle.dumps(net)
    with pytest.raises(SettingsError, match=r"Applied\(\): its argument f is <function .*a model file cannot hold"):
        save_model(tmp_path / "model.npz", net)
    assert not (tmp_path / "model.npz").exists()
    gan = small_gan(schedule=lambda step: 0.5)
    with pytest.raises(SettingsError, match="the GAN's schedule is .*<lambda>, which cannot be pickled"):
        pickle.dumps(gan)
    assert copy.deepcopy(gan).schedule is gan.schedule
    named = Sequential([Applied(np.abs)], input_shape=3, name="G")
    assert pickle.loads(pickle.dumps(named)).layers[0].f is np.abs
    with pytest.raises(SettingsError, match="its argument f is .*array"):
        save_model(tmp_path / "model.npz", Sequential([Applied(np.ones(3))], input_shape=3, name="G"))


def test_del_frees_the_memory_without_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        net = deep()
        passes(net)
        gan = small_gan(ema=0.9)
        gan.step(real_images(gan))
        gan.sample(3)
        watched = [weakref.ref(thing) for thing in (net, net.layers[2], net.layers[2].layers[0], net.workspace,
                                                    gan, gan.G, gan.D, gan.G.layers[0], gan.g_optimizer)]  # fmt: skip
        copied = pickle.loads(pickle.dumps(gan))
        watched.append(weakref.ref(copied))
        del net, gan, copied
        assert [ref() for ref in watched] == [None] * len(watched)
    finally:
        gc.enable()


def test_calling_a_network_predicts():
    net = deep()
    assert np.array_equal(net(noise(net)), net.predict(noise(net)))


def test_two_networks_that_nobody_named_say_that_they_start_alike():
    first = Sequential([Dense(2)], input_shape=3, seed=991)
    with pytest.warns(TwinWarning, match="has seed 991.*give name='G' or another seed="):
        second = Sequential([Dense(2)], input_shape=3, seed=991)
    assert np.array_equal(first.params, second.params)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.deepcopy(first)
        Sequential([Dense(2)], input_shape=3, seed=992)
        Sequential([Dense(2)], input_shape=3, seed=991, name="G")
        del first, second
        Sequential([Dense(2)], input_shape=3, seed=991)


# Labels. -------------------------------------------------------------------------------------------------------------


def labelled_gan(**switches):
    G = Generator([LabelEmbedding(3, 2), Dense(6), Tanh(), Reshape((3, 2, 1))], input_shape=4 + 3, classes=3, name="G")
    D = Sequential([Flatten(), Dense(5), LeakyReLU(), Dense(3)], input_shape=(3, 2, 1), name="D")
    return GAN(G, D, **switches)


def reals(n=6):
    return np.tanh(np.random.default_rng(0).normal(size=(n, 3, 2, 1))).astype("float32")


def test_samples_are_a_function_of_noise_and_label():
    gan = labelled_gan()
    gan.step(reals(), np.arange(6) % 3)
    same = gan.sample(6)
    assert np.array_equal(same, gan.sample(6, labels=[0, 1, 2, 0, 1, 2])), "by default the classes in turn"
    other = gan.sample(6, labels=[1, 1, 2, 0, 1, 2])
    assert np.array_equal(other[1:], same[1:]) and not np.array_equal(other[0], same[0])
    assert not np.array_equal(gan.sample(6, seed=1), same) and same.dtype == np.float32


@pytest.mark.parametrize(
    "act, error, words",
    [
        (lambda gan: gan.step(reals()), SettingsError, "the GAN makes images of 3 classes: give labels, 6 numbers"),
        (lambda gan: gan.step(reals(), [0, 1, 2, 3, 0, 1]), ShapeError, "from 0 to 3; with 3 classes they are 0 to 2"),
        (lambda gan: gan.step(reals(), [0, 1, 2, -1, 0, 1]), ShapeError, "labels from -1 to 2"),
        (lambda gan: gan.step(reals(), [0, 1, 2]), ShapeError, r"of shape \(3,\); wanted 6 whole numbers"),
        (lambda gan: gan.step(reals(), np.ones(6)), ShapeError, "labels are float64"),
        (lambda gan: gan.step(reals(), np.eye(3)[[0, 1, 2, 0, 1, 2]]), ShapeError, r"of shape \(6, 3\)"),
        (lambda gan: gan.sample(2, labels=[0, 7]), ShapeError, "labels from 0 to 7"),
        (lambda gan: gan.sample(0), SettingsError, "n is 0"),
        (lambda gan: gan.sample("3"), SettingsError, "n is '3'; it must be a whole number"),
        (lambda gan: gan.sample(3, labels=5), ShapeError, r"labels are int64 of shape \(\); wanted 3"),
        (lambda gan: gan.step(reals(), {"a": 1}), ShapeError, "labels are object"),
        (lambda gan: GAN(gan.G, gan.D, g_optimizer="adam"), SettingsError, r"g_optimizer is 'adam'; wanted .*Adam\(G"),
        (lambda gan: GAN(gan.G, gan.D, d_optimizer=gan.g_optimizer), SettingsError, "was made for another network"),
        (lambda gan: Adam(gan.G, "1e-3"), SettingsError, "learning_rate is '1e-3'; it must be a number, at least 0"),
        (lambda gan: Adam(gan.G, 1e-3, (0.5, 0.999)), SettingsError, r"beta1 is \(0.5, 0.999\); it must be a number"),
        (lambda gan: small_gan().step(real_images(small_gan()), [0] * 6), SettingsError, "has no classes"),
        (lambda gan: small_gan().sample(2, labels=[0, 1]), SettingsError, "G has no classes"),
        (lambda gan: GAN(gan.G, small_gan().D), ShapeError, "G makes images of shape"),
        (lambda gan: GAN(gan.G, Sequential([Flatten(), Dense(1)], input_shape=(3, 2, 1), name="D")), ShapeError,
         r"G makes images of 3 classes, and D ends in \(1,\)"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit(act, error, words):
    with pytest.raises(error, match=words):
        act(labelled_gan())


def test_only_the_labels_own_output_of_D_learns():
    gan = labelled_gan()
    before = gan.D.layers[3].W.copy()
    gan.step(reals(), [1] * 6)
    moved = (before != gan.D.layers[3].W).any(axis=0)
    assert moved.tolist() == [False, True, False]


def test_a_conditional_generator_and_its_classes_are_in_its_file(tmp_path):
    G, D = models.mnist_dcgan(classes=10, width=2)
    assert G.input_shape == (110,) and D.output_shape == (10,)
    save_model(tmp_path / "generator.npz", G)
    loaded = load_model(tmp_path / "generator.npz")
    assert isinstance(loaded, Generator) and loaded.classes == 10 and isinstance(G.clone(), Generator)
    plain, _ = models.mnist_dcgan(width=2)
    assert plain.classes == 0 and plain.input_shape == (100,)


# Defaults. -----------------------------------------------------------------------------------------------------------


def test_a_gan_needs_two_networks_and_nothing_else():
    gan = GAN(*models.mnist_mlp((5, 3, 1), latent=4, widths=(6,), d_widths=(5,)))
    adam = gan.g_optimizer
    assert (adam.learning_rate, adam.beta1, adam.beta2, adam.eps) == (2e-4, 0.5, 0.999, 1e-8) and isinstance(adam, Adam)
    assert repr(gan.objective) == "NonSaturating(BCEWithLogits())" and gan.seed == 0

    class Disc(Sequential):
        """Of a user's own."""

    D = models.mnist_mlp((5, 3, 1), latent=4, widths=(6,), d_widths=(5,), output="probability")[1]
    disc = Disc([layer.clone() for layer in D.layers], input_shape=(5, 3, 1), name="D")
    assert repr(GAN(gan.G, disc).objective) == "NonSaturating(BCE())"
    with_sigmoid = GAN(*models.mnist_mlp((5, 3, 1), latent=4, widths=(6,), d_widths=(5,), output="probability"))
    assert repr(with_sigmoid.objective) == "NonSaturating(BCE())"
    words = {"hinge": "Hinge()", "wasserstein": "Wasserstein()", "least-squares": "LeastSquares()",
             "relativistic": "Relativistic(BCEWithLogits())", "saturating": "Saturating(BCEWithLogits())"}  # fmt: skip
    for word, made in words.items():
        assert repr(GAN(gan.G, gan.D, objective=word).objective) == made
    with pytest.raises(SettingsError, match="objective is 'hinged'; wanted an object .* or one of 'non-saturating'"):
        GAN(gan.G, gan.D, objective="hinged")
    with pytest.raises(SettingsError, match="G and D are one network"):
        GAN(gan.D, gan.D)
    assert "GAN of G (" in repr(gan) and "0 steps so far" in repr(gan)


def test_a_damaged_description_is_told(tmp_path):
    path = tmp_path / "model.npz"
    save_model(path, deep())
    with np.load(path) as archive:
        arrays = dict(archive)
    text = str(arrays["architecture"])
    for wrong in (
        text.replace('"shortcut"', '"short"'),
        text.replace('"type": "Tanh"', '"kind": "Tanh"'),
        "[" * 100_000,
    ):
        np.savez(path, **arrays | {"architecture": np.array(wrong)})
        with pytest.raises(FileError, match="model.npz"):
            load_model(path)
