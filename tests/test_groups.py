"""Convolutions of several groups, and those of single pixels: every backend against the definition, group by group."""

import numpy as np
import pytest

from minigan import Sequential, get_backend
from minigan.backend import Backend, NumpyBackend, Window
from minigan.backend.compiled_backend import CompiledBackend, unusable_reason
from minigan.backend.convolution import naive_convolution
from minigan.backend.moves import Moves
from minigan.backend.tuning import Tuning
from minigan.backend.ways import FIRST, WAYS, ByGroup, Chooser, Pixels, Taps, Together
from minigan.checkpoint import load_model, save_model
from minigan.errors import SettingsError, ShapeError
from minigan.interop import from_keras, from_torch, to_keras, to_torch
from minigan.layers import Conv2D, Conv2DTranspose, UpSamplingConv2D
from minigan.summary import ways_table


class Plain(Backend):
    """The plain bodies, on the CPU."""

    name, xp = "plain", np


NONE = (0, 0), (0, 0)
WINDOWS = [  # and the channels of the output
    (Window((5, 7, 6), (3, 3), (1, 1), ((1, 1), (1, 1)), 2), 4),
    (Window((5, 7, 6), (3, 2), (2, 1), ((1, 0), (0, 1)), 3), 6),
    (Window((4, 3, 4), (2, 3), (1, 1), ((3, 0), (1, 4)), 2), 6),  # more zeros than the kernel covers
    (Window((7, 6, 4), (4, 4), (2, 2), ((1, 1), (1, 1)), 2), 2),  # one output for each group
    (Window((4, 5, 6), (1, 1), (1, 1), NONE, 3), 9),
    (Window((4, 5, 6), (1, 1), (2, 3), NONE, 2), 2),
    (Window((3, 4, 4), (3, 4), (1, 1), NONE, 2), 6),  # one stop
    (Window((5, 4, 3), (3, 3), (1, 1), ((1, 1), (1, 1)), 3), 3),  # depthwise
    (Window((6, 5, 3), (3, 2), (2, 3), ((0, 1), (2, 1)), 3), 6),
    (Window((3, 4, 5), (3, 4), (1, 1), NONE, 5), 10),
    (Window((1, 1, 2), (1, 1), (1, 1), NONE, 2), 2),
]
every_window = pytest.mark.parametrize("window, d", WINDOWS, ids=str)


def draw(name, *shape):
    return get_backend("numpy").random.normal(shape, 4, name, dtype="float64")


def data(window, d, n=5):
    return draw("x", n, *window.image), draw("W", window.patch, d), draw("dy", n, *window.stops, d)


def by_definition(x, W, window):
    """Number by number of the kernel, each with the channels of its output's group."""
    padded = np.zeros((len(x), *window.padded))
    padded[window.inside] = x
    (oh, ow), (kh, kw), (sh, sw), d = window.stops, window.kernel, window.stride, W.shape[1]
    c = window.image[2] // window.groups
    kernel, y = W.reshape(kh, kw, c, d), np.zeros((len(x), oh, ow, d))
    for l in range(d):  # noqa: E741 - as in docs/notation.md
        for k in range(c):
            channel = padded[..., l // (d // window.groups) * c + k]
            for u in range(kh):
                for v in range(kw):
                    seen = channel[:, u : u + sh * (oh - 1) + 1 : sh, v : v + sw * (ow - 1) + 1 : sw]
                    y[..., l] += seen * kernel[u, v, k, l]
    return y


def backends(tuning=None):
    """Those of the CPU."""
    found = [Plain(), NumpyBackend(tuning or Tuning())]
    return found if unusable_reason() else [*found, CompiledBackend(tuning or Tuning())]


def three(backend, x, W, dy, window):
    """y, dx and dW, into arrays of NaN."""
    y = backend.conv(x, W, window, np.full(dy.shape, np.nan, dy.dtype))
    dx = backend.conv_dx(dy, W, window, np.full(x.shape, np.nan, x.dtype))
    return y, dx, backend.conv_dW(x, dy, window, np.full(W.shape, np.nan, W.dtype))


def test_the_naive_convolution_is_the_definition():
    for window, d in WINDOWS:
        x, W, _ = data(window, d)
        np.testing.assert_allclose(naive_convolution(np, x, W, window), by_definition(x, W, window), atol=1e-13)


@pytest.mark.parametrize("n, columns", [(1, 500_000), (5, 500_000), (5, 50)])
@every_window
def test_every_backend_equals_the_definition(window, d, n, columns):
    """The gradients too: the three functions are one trilinear form, and each gradient is linear in what it is of."""
    x, W, dy = data(window, d, n)
    expected = by_definition(x, W, window)
    form = np.vdot(expected, dy)
    plain = three(Plain(), x, W, dy, window)
    for backend in backends(Tuning(threads=3, columns=columns)):
        y, dx, dW = three(backend, x, W, dy, window)
        assert np.isclose(np.vdot(x, dx), form, rtol=1e-11) and np.isclose(np.vdot(W, dW), form, rtol=1e-11)
        for ours, theirs in zip((y, dx, dW), (expected, *plain[1:]), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@every_window
def test_a_group_sees_nothing_of_another(window, d):
    """The first group is that of an image which has no other; NaN elsewhere does not reach it."""
    x, W, dy = data(window, d)
    c, behind = window.image[2] // window.groups, d // window.groups
    x[..., c:], W[:, behind:], dy[..., behind:] = np.nan, np.nan, np.nan
    for backend in backends():
        y, dx, dW = three(backend, x, W, dy, window)
        for array, width in ((y, behind), (dx, c), (dW, behind)):
            assert np.isfinite(array[..., :width]).all() and np.isnan(array[..., width:]).any()


@every_window
@pytest.mark.parametrize("kind", [type(backend) for backend in backends()[1:]])
def test_the_same_bits_on_any_number_of_threads(kind, window, d):
    """Blocks, and what is added to what, depend on the sizes alone; not so in the ways of a single group."""
    x, W, dy = (array.astype(np.float32) for array in data(window, d, 9))
    wide_x, wide_dy = (np.repeat(array, 2, axis=3)[..., ::2] for array in (x, dy))  # in pieces
    tunings = [Tuning(threads=threads, columns=500) for threads in (1, 2, 3)]
    first, *others = [three(kind(tuning), x, W, dy, window) for tuning in tunings]
    others.append(three(kind(tunings[1]), wide_x, W, wide_dy, window))
    by_itself = [isinstance(kind(tunings[0]).ways.choose(name, window, 9, d), ByGroup) for name in WAYS]
    for found in others:
        for a, b, other in zip(first, found, by_itself, strict=True):
            assert np.allclose(a, b, rtol=1e-5, atol=1e-5) if other else np.array_equal(a, b)


@pytest.mark.parametrize(
    "window, d, ways",
    [
        (Window((9, 9, 16), (3, 3), (1, 1), ((1, 1), (1, 1)), 2), 16, (Together, Together, Together)),
        (Window((9, 9, 16), (3, 3), (2, 2), ((1, 1), (1, 1)), 2), 16, (Together, ByGroup, Together)),
        (Window((9, 9, 128), (3, 3), (1, 1), ((1, 1), (1, 1)), 2), 128, (ByGroup, ByGroup, ByGroup)),
        (Window((9, 9, 16), (1, 1), (1, 1), NONE, 2), 16, (Together, Together, Together)),
        (Window((9, 9, 16), (9, 9), (1, 1), NONE, 16), 32, (Taps, Taps, Taps)),
        (Window((9, 9, 16), (1, 1), (1, 1), NONE), 32, (Pixels, Pixels, Pixels)),
    ],
    ids=str,
)
def test_which_way_is_taken(window, d, ways):
    chooser = Chooser(Tuning(), Moves())
    assert tuple(type(chooser.choose(function, window, 8, d)) for function in WAYS) == ways


@pytest.mark.parametrize("window", [
    Window((9, 9, 16), (3, 3), (1, 1), ((1, 1), (1, 1))), Window((9, 9, 16), (1, 1), (2, 2), NONE),
    Window((9, 9, 1), (3, 3), (1, 1), NONE), Window((9, 9, 16), (1, 1), (1, 1), ((1, 0), (0, 0))),
], ids=str)  # fmt: skip
def test_a_single_group_takes_the_ways_that_it_took(window):
    chooser = Chooser(Tuning(), Moves())
    assert not any(isinstance(chooser.choose(function, window, 8, 8), FIRST) for function in WAYS)


def test_multiplications_are_those_of_the_groups():
    window = Window((8, 8, 16), (3, 3), (1, 1), ((1, 1), (1, 1)), 4)
    for described in (NumpyBackend(Tuning()).describe(window, 2, 16), Plain().describe(window, 2, 16)):
        assert {(one.multiplications, one.plain) for one in described} == {(2 * 8 * 8 * 9 * 4 * 16,) * 2}


# Single pixels. -------------------------------------------------------------------------------------------------------


class NoCopies(Moves):
    """Raises if anything is laid out."""

    def im2col(self, x, window, out=None):
        raise AssertionError("patches were laid out")


@pytest.mark.parametrize("threads, rows", [(1, 512), (3, 4), (3, 1000)])
def test_a_convolution_of_pixels_is_one_product_and_copies_nothing(threads, rows):
    window, d = Window((4, 5, 6), (1, 1), (1, 1), NONE), 3
    x, W, dy = data(window, d)
    backend = NumpyBackend(Tuning(threads=threads, rows=rows))
    backend.ways = Chooser(backend.tuning, NoCopies())
    wide_x = np.repeat(x, 2, axis=3)[..., ::2]
    for one in (backend, Plain(), *backends()):
        for image in (x, wide_x):
            y, dx, dW = three(one, image, W, dy, window)
            np.testing.assert_allclose(y, x @ W, rtol=1e-13, atol=1e-13)
            np.testing.assert_allclose(dx, dy @ W.T, rtol=1e-13, atol=1e-13)
            np.testing.assert_allclose(dW, x.reshape(-1, 6).T @ dy.reshape(-1, 3), rtol=1e-12, atol=1e-13)


# The layer. -----------------------------------------------------------------------------------------------------------


def network(c_in=6, c_out=4, groups=2, **options):
    return Sequential([Conv2D(c_out, (3, 2), groups=groups, **options)], input_shape=(5, 4, c_in), dtype="float64")


@pytest.mark.parametrize("build, error, words", [
    (lambda: Conv2D(4, 3, groups=3), SettingsError, "Conv2D: c_out is 4; it must be a multiple of groups, which is 3"),
    (lambda: Conv2D(4, 3, groups=0), SettingsError, "Conv2D: groups is 0; it must be at least 1"),
    (lambda: Conv2D(4, 3, groups=1.5), SettingsError, "Conv2D: groups is 1.5; wanted a whole number"),
    (lambda: network(5), ShapeError,
     r"0\.Conv2D cannot take inputs of shape \(5, 4, 5\): it needs as many channels as a multiple of its 2 groups"),
    (lambda: Conv2DTranspose(4, 3, groups=2), TypeError, "groups"),
    (lambda: UpSamplingConv2D(4, 3, groups=2), TypeError, "groups"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_words(build, error, words):
    with pytest.raises(error, match=words):
        build()


def test_weights_begin_as_those_of_a_group_do():
    """Of as many numbers as a kernel sees: Glorot's bound is that of one group by itself."""
    net = Sequential([Conv2D(64, 3, groups=8)], input_shape=(3, 3, 64))
    bound = np.sqrt(6 / (9 * 8 + 9 * 8))
    assert net.layers[0].W.shape == (72, 64) and 0.98 * bound < abs(net.layers[0].W).max() <= bound


def test_groups_are_known_by_files_and_clones_and_a_single_one_is_not_written(tmp_path):
    net = network()
    x = draw("images", 3, 5, 4, 6)
    save_model(tmp_path / "net.npz", net)
    for other in (net.clone(), load_model(tmp_path / "net.npz")):
        assert other.layers[0].groups == 2 and "groups=2" in repr(other.layers[0])
        assert np.array_equal(other.predict(x), net.predict(x))
    assert "groups" not in Conv2D(4, 3).config() and "groups" not in UpSamplingConv2D(4, 3).config()
    assert Conv2D.from_config(Conv2D(4, 3).config()).groups == 1


def test_a_depthwise_convolution_that_covers_the_image_weighs_each_channel():
    net = Sequential([Conv2D(5, (3, 4), groups=5, bias=False)], input_shape=(3, 4, 5), dtype="float64")
    x = draw("x", 7, 3, 4, 5)
    expected = (x.reshape(7, 12, 5) * net.layers[0].W).sum(axis=1)
    np.testing.assert_allclose(net.predict(x).reshape(7, 5), expected, rtol=1e-13)


def test_weights_of_groups_go_to_pytorch_and_keras_and_back():
    """Both keep c_in / groups channels for each kernel: (c_out, c_in / groups, kh, kw), and (kh, kw, c_in / groups,
    c_out).
    """
    net = network()
    W = net.layers[0].W
    state, weights = to_torch(net), to_keras(net)
    assert state["0.weight"].shape == (4, 3, 3, 2) and weights[0].shape == (3, 2, 3, 4)
    assert state["0.weight"][3, 2, 1, 0] == weights[0][1, 0, 2, 3] == W[(1 * 2 + 0) * 3 + 2, 3]
    other = network()
    for put, numbers in ((from_torch, state), (from_keras, weights)):
        other.params[...] = 0
        put(other, numbers)
        assert np.array_equal(other.params, net.params)


def test_the_table_of_ways_counts_the_multiplications_of_groups():
    """n oh ow kh kw c d / groups."""
    line = next(line for line in ways_table(network(), 2).splitlines() if " y " in line)
    assert "groups together" in line and f"{2 * 3 * 3 * 6 * 3 * 4:,}" in line and line.endswith("1.00")
