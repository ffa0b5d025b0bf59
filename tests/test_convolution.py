"""Convolutions: against the definition, against their adjoint, against known numbers; whole and in blocks of images."""

import re
from dataclasses import replace

import numpy as np
import pytest

from minigan import Sequential
from minigan.backend import Backend, NumpyBackend, Window, get_backend, same_padding
from minigan.backend.convolution import naive_convolution, phases
from minigan.backend.moves import Moves
from minigan.backend.sums import COLUMN_SUMS, MOMENTS
from minigan.backend.tuning import Tuning
from minigan.backend.ways import AddPatches, Case, Chooser, Gather, Rows
from minigan.backend.ways import winograd as winograd_file
from minigan.backend.ways.winograd import ALGORITHMS, Winograd, one_tile
from minigan.errors import SettingsError, ShapeError
from minigan.layers import (
    AveragePooling2D,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    GlobalAveragePooling2D,
    SpectralNorm,
    UpSampling2D,
    UpSamplingConv2D,
    ZeroPadding2D,
)
from minigan.summary import ways_table

from .layer_table import CASES


class Plain(Backend):
    """The plain bodies, on the CPU."""

    name, xp = "plain", np


WINDOWS = [
    Window((5, 7, 2), (3, 3), (1, 1), ((0, 0), (0, 0))),
    Window((7, 6, 3), (4, 4), (2, 2), ((1, 1), (1, 1))),  # (7 + 2 - 4) % 2 != 0
    Window((8, 5, 2), (2, 3), (3, 4), ((0, 2), (1, 0))),  # a kernel smaller than its stride
    Window((9, 8, 2), (5, 5), (3, 3), ((1, 1), (1, 1))),
    Window((4, 4, 3), (3, 2), (1, 1), ((2, 2), (3, 1))),  # more zeros than image
    Window((1, 1, 4), (1, 1), (1, 1), ((0, 0), (0, 0))),
    Window((1, 9, 1), (1, 4), (2, 2), ((0, 0), (0, 0))),
]
every_window = pytest.mark.parametrize("window", WINDOWS, ids=str)


def draw(name, *shape):
    return get_backend("numpy").random.normal(shape, 4, name, dtype="float64")


def data(window, n=5, d=3):
    return draw("x", n, *window.image), draw("W", window.patch, d), draw("dy", n, *window.stops, d)


@pytest.fixture(params=[1, 2, 100])
def tuning(request):
    """Three threads, and blocks of so many images for a window of some 20 patches of some 20 numbers."""
    return Tuning(threads=3, rows=20 * request.param, columns=1)


@pytest.fixture
def fast(tuning):
    """NumPy's backend with this tuning."""
    return NumpyBackend(tuning)


def ways_of(tuning=None):
    return Chooser(tuning or Tuning(threads=3, rows=1, columns=1), Moves())


@every_window
def test_the_fast_ways_equal_the_definition_and_the_plain_bodies(window, fast):
    plain = Plain()
    x, W, dy = data(window)
    y = naive_convolution(np, x, W, window)
    for backend in (plain, fast):
        np.testing.assert_allclose(backend.conv(x, W, window, np.full_like(dy, np.nan)), y, rtol=1e-12, atol=1e-12)
    for name, arguments, like in (("conv_dW", (x, dy), W), ("conv_dx", (dy, W), x)):
        ours, theirs = (getattr(b, name)(*arguments, window, np.full_like(like, np.nan)) for b in (fast, plain))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@every_window
@pytest.mark.parametrize("narrow", [1, 1000])
def test_dx_row_by_row_of_the_kernel(window, narrow):
    x, W, dy = data(window)
    expected = Plain().conv_dx(dy, W, window, np.empty_like(x))
    way = AddPatches(Case(window, 5, 3), ways_of(Tuning(threads=3, rows=1, columns=1, narrow=narrow)))
    np.testing.assert_allclose(way.conv_dx(dy, W, np.full_like(x, np.nan)), expected, rtol=1e-12, atol=1e-12)


@every_window
@pytest.mark.parametrize("many", [0, 10**9])
def test_dW_by_rows(window, many):
    """Patches laid out by several threads, some images each, or by one."""
    x, W, dy = data(window)
    expected = Plain().conv_dW(x, dy, window, np.empty_like(W))
    way = Rows(Case(window, 5, 3), ways_of(Tuning(threads=3, block=1, many=many)))
    np.testing.assert_allclose(way.conv_dW(x, dy, np.full_like(W, np.nan)), expected, rtol=1e-12, atol=1e-12)


@every_window
def test_adjoints(window, fast):
    """<conv(x), dy> = <x, conv_dx(dy)> = <W, conv_dW(x, dy)>: the three are one trilinear form."""
    x, W, dy = data(window)
    form = np.vdot(naive_convolution(np, x, W, window), dy)
    assert np.isclose(np.vdot(x, fast.conv_dx(dy, W, window, np.empty_like(x))), form, rtol=1e-12)
    assert np.isclose(np.vdot(W, fast.conv_dW(x, dy, window, np.empty_like(W))), form, rtol=1e-12)


@every_window
def test_inputs_that_lie_in_pieces(window, fast):
    """A crop hands on a view of a larger image, and so does the backward of zero padding."""
    x, W, dy = data(window)
    wide_x, wide_dy = np.zeros((*x.shape[:3], 2 * x.shape[3])), np.zeros((*dy.shape[:3], 2 * dy.shape[3]))
    wide_x[..., ::2], wide_dy[..., ::2] = x, dy
    for name, (whole, pieces) in {
        "conv": ((x, W), (wide_x[..., ::2], W)),
        "conv_dW": ((x, dy), (wide_x[..., ::2], wide_dy[..., ::2])),
        "conv_dx": ((dy, W), (wide_dy[..., ::2], W)),
    }.items():
        like = {"conv": dy, "conv_dW": W, "conv_dx": x}[name]
        a, b = (getattr(fast, name)(*arguments, window, np.empty_like(like)) for arguments in (whole, pieces))
        np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14, err_msg=name)  # NumPy has two ways to multiply them


@pytest.mark.parametrize("grey", [lambda x: x[..., None], lambda x: x[:, None].transpose(0, 2, 3, 1)])
def test_grey_images_whose_channel_axis_has_an_odd_stride(grey, fast):
    """NumPy calls them contiguous whatever the stride of an axis of length 1: 0, or that of a whole image."""
    flat, window = draw("x", 5, 6, 7), Window((6, 7, 1), (3, 3), (1, 1), ((0, 0), (0, 0)))
    x, expected = grey(flat), naive_convolution(np, flat.reshape(5, 6, 7, 1), np.eye(9), window)
    assert x.flags.c_contiguous and x.strides[3] != x.itemsize
    for backend in (Plain(), fast):
        assert np.array_equal(backend.conv(x, np.eye(9), window, np.empty((5, 4, 5, 9))), expected)


SHAPES = [(7, 3), (2, 5, 7, 3), (1, 1), (3000, 5), (9, 40, 50, 8), (2, 2000), (3, 1024)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("stride", [1, 2])
def test_sums_and_moments(shape, stride):
    """In several parts, of many short rows taken as long ones, of which some are left over; and lying in pieces."""
    x = (5 + draw("x", *shape))[..., ::stride]
    fast, plain = NumpyBackend(Tuning(threads=2, block=1000, many=2000)), Plain()
    for backend in (fast, plain):
        (total,) = backend.sums(COLUMN_SUMS, x)
        np.testing.assert_allclose(total, x.reshape(-1, x.shape[-1]).sum(axis=0), rtol=1e-12)
        for ours, theirs in zip(backend.sums(MOMENTS, x), (np.mean, np.var), strict=True):
            np.testing.assert_allclose(ours, theirs(x.reshape(-1, x.shape[-1]), axis=0), rtol=1e-10, atol=1e-20)


def test_the_variance_of_numbers_far_from_zero():
    """The mean of the squares minus the square of the mean would be lost in float32."""
    x = (1000 + draw("x", 64, 32, 32, 4)).astype(np.float32)
    np.testing.assert_allclose(get_backend("numpy").sums(MOMENTS, x)[1], x.astype(float).var(axis=(0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_formula_meets_every_entry_once(threads):
    backend = NumpyBackend(Tuning(threads=threads, block=10, many=30))
    for shape in [(1, 3), (7, 3), (50, 2, 2), (0, 4), (1, 1)]:
        seen, vector = np.zeros(shape), np.arange(1.0, 1 + shape[-1])

        def count(seen):
            seen += 1

        def weigh(seen, vector):
            seen += vector

        backend.elementwise(count, (seen,))
        backend.elementwise(weigh, (seen,), (vector,))
        assert np.array_equal(seen, np.broadcast_to(1 + vector, shape))


@pytest.mark.parametrize("c, d", [(12, 3), (3, 12), (4, 1), (1, 4)])
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (2, 4), (5, 1)], ids=str)
@pytest.mark.parametrize("padding", [((1, 1), (1, 1)), ((0, 2), (3, 0)), ((4, 4), (4, 5))], ids=str)
def test_few_channels_on_one_side(c, d, kernel, padding, fast):
    """They are laid out for every tap, and the many are not: for each of the three functions."""
    window = Window((6, 7, c), kernel, (1, 1), padding)
    x, W, dy = data(window, d=d)
    laid_out = []

    class Noted(Moves):
        """Notes how many channels are laid out."""

        def im2col(self, x, window, out=None):
            laid_out.append(x.shape[3])
            return super().im2col(x, window, out)

    fast.ways = Chooser(fast.tuning, Noted())
    y = fast.conv(x, W, window, np.full_like(dy, np.nan))
    np.testing.assert_allclose(y, naive_convolution(np, x, W, window), rtol=1e-12, atol=1e-12)
    assert laid_out == [] or c < d
    laid_out.clear()
    dW, dx = (
        getattr(fast, name)(*arguments, window, np.full_like(like, np.nan))
        for name, arguments, like in (("conv_dW", (x, dy), W), ("conv_dx", (dy, W), x))
    )
    assert np.isclose(np.vdot(W, dW), np.vdot(y, dy), rtol=1e-12) and np.isclose(np.vdot(x, dx), np.vdot(y, dy))
    plain = Plain()
    np.testing.assert_allclose(dW, plain.conv_dW(x, dy, window, np.empty_like(W)), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, plain.conv_dx(dy, W, window, np.empty_like(x)), rtol=1e-12, atol=1e-12)
    assert max(laid_out, default=0) <= min(c, d) or not phases(window, d), "where zeros reach too far, x is laid out"


def test_which_windows_have_phases():
    counts = [found and len(found[1]) for found in (phases(window, 3) for window in WINDOWS)]
    assert counts == [1, 4, None, None, None, 1, None], "none for a kernel that is no multiple, or too many zeros"


def test_the_same_bits_however_the_threads_take_turns():
    window = Window((12, 12, 8), (4, 4), (2, 2), ((1, 1), (1, 1)))
    backend = get_backend("numpy")
    x, W, dy = (a.astype(np.float32) for a in data(window, n=64, d=16))
    first = backend.conv_dW(x, dy, window, np.empty_like(W)).copy()
    for _ in range(10):
        assert np.array_equal(backend.conv_dW(x, dy, window, np.empty_like(W)), first)


# Winograd's algorithms ------------------------------------------------------------------------------------------------

FAST_WINDOWS = [
    Window((8, 8, 3), (4, 4), (2, 2), ((1, 1), (1, 1))),
    Window((10, 7, 2), (4, 4), (2, 2), ((1, 0), (2, 1))),  # asymmetric borders; 3 columns of stops: half a tile
    Window((9, 13, 2), (4, 4), (2, 2), ((0, 0), (0, 0))),  # a rest of one row and of one column
    Window((4, 4, 2), (4, 4), (2, 2), ((0, 0), (0, 0))),  # one stop, less than a tile
    Window((2, 3, 1), (4, 4), (2, 2), ((1, 1), (1, 1))),
    Window((7, 6, 3), (3, 3), (1, 1), ((1, 1), (1, 1))),
    Window((3, 8, 2), (3, 3), (1, 1), ((0, 0), (0, 2))),
    Window((6, 5, 3), (2, 2), (1, 1), ((0, 0), (0, 0))),
    Window((8, 8, 1), (2, 2), (1, 1), ((0, 1), (1, 0))),
    Window((1, 1, 2), (2, 2), (1, 1), ((1, 1), (1, 1))),
    Window((3, 2, 2), (2, 2), (1, 1), ((2, 3), (3, 1))),  # kernels that see zeros alone
    Window((11, 12, 2), (6, 6), (2, 2), ((2, 2), (1, 3))),
    Window((11, 15, 2), (6, 6), (3, 3), ((0, 0), (1, 1))),  # a rest of two
    Window((15, 9, 1), (9, 9), (3, 3), ((0, 2), (1, 4))),
]
FAST = [
    (window, tile)
    for window in FAST_WINDOWS
    for tile, taps in ALGORITHMS
    if taps == window.kernel[0] // window.stride[0]
]
every_fast_way = pytest.mark.parametrize("window, tile", FAST, ids=str)
every_algorithm = pytest.mark.parametrize("tile, taps", ALGORITHMS)


@pytest.fixture(params=["whole", "blocks", "dirty scratch"])
def places(request, monkeypatch):
    """Where Winograd's algorithms work: all images at once; in blocks of one image, over three threads; in memory that
    holds NaN.
    """
    if request.param == "dirty scratch":
        monkeypatch.setattr(winograd_file, "scratch", lambda name, shape, dtype: np.full(shape, np.nan, dtype))
    return ways_of(Tuning(threads=3, tiles=1, columns=1) if request.param == "blocks" else Tuning())


def errors_of(window, tile, ways=None, n=5, d=3, dtype="float64"):
    """Of the three functions, beside the plain ones in float64: the largest, for results of about 1."""
    way, plain, found = Winograd(Case(window, n, d), ways or ways_of(Tuning()), tile), Plain(), {}
    x, W, dy = (a.astype(dtype).astype("float64") for a in data(window, n, d))
    results = {"conv": ((x, W), dy), "conv_dx": ((dy, W), x), "conv_dW": ((x, dy), W)}
    for name, (arguments, like) in results.items():
        expected = getattr(plain, name)(*arguments, window, np.empty_like(like))
        made = np.full(like.shape, np.nan, dtype)
        assert getattr(way, name)(*(a.astype(dtype) for a in arguments), made) is made
        found[name] = float(np.max(abs(made - expected)) / np.sqrt(np.mean(expected**2)))
    return found


@pytest.mark.parametrize("window", [*WINDOWS, *FAST_WINDOWS], ids=str)
def test_dx_by_phases(window, tuning):
    """Gathered, where the window allows it: the same as added up."""
    x, W, dy = data(window)
    added = Plain().conv_dx(dy, W, window, np.empty_like(x))
    if phases(window, 3) is None:
        assert not Gather.pays("conv_dx", Case(window, 5, 3), tuning)
        return
    gathered = Gather(Case(window, 5, 3), ways_of(tuning)).conv_dx(dy, W, np.full_like(x, np.nan))
    np.testing.assert_allclose(gathered, added, rtol=1e-12, atol=1e-12)


@every_algorithm
def test_the_identity_of_an_algorithm(tile, taps):
    assert identity_error(tile, taps) < 1e-14


def identity_error(tile, taps):
    """Of y = A [(h G w) * (B x)], for numbers in place of channels."""
    B, G, A, h = (np.array(matrix, float) for matrix in ALGORITHMS[tile, taps])
    x, w = draw("x", tile + taps - 1), draw("w", taps)
    return np.max(abs(A @ ((h * (G @ w)) * (B @ x)) - np.correlate(x, w, "valid")))


@pytest.mark.parametrize("n", [1, 5])
@every_fast_way
def test_winograds_ways_equal_the_plain_ones(window, tile, n, places):
    assert max(errors_of(window, tile, places, n).values()) < 1e-12


@every_fast_way
def test_winograds_dW_by_columns(window, tile, places):
    """Columns enough for it to be a larger sum than what it is of: no thread has one of its own."""
    oh, ow = window.stops
    d = 1 + 2 * 5 * -(-oh // tile) * -(-ow // tile)
    many = replace(window, image=(*window.image[:2], d))
    assert errors_of(many, tile, places, 5, d)["conv_dW"] < 1e-12


@every_fast_way
def test_winograds_forward_equals_the_definition(window, tile):
    x, W, dy = data(window)
    y = naive_convolution(np, x, W, window)
    way = Winograd(Case(window, 5, 3), ways_of(), tile)
    np.testing.assert_allclose(way.conv(x, W, np.full_like(dy, np.nan)), y, rtol=1e-12, atol=1e-12)


@every_algorithm
def test_one_tile_with_plain_loops(tile, taps):
    """The naive twin: against the definition, and against the whole of it."""
    x, w = draw("x", tile + taps - 1, tile + taps - 1), draw("w", taps, taps)
    window = Window((*x.shape, 1), w.shape, (1, 1), ((0, 0), (0, 0)))
    y = naive_convolution(np, x[None, :, :, None], w.reshape(-1, 1), window)
    np.testing.assert_allclose(one_tile(x, w, tile), y[0, :, :, 0], rtol=1e-13, atol=1e-13)
    whole = Winograd(Case(window, 1, 1), ways_of(), tile).conv(x[None, :, :, None], w.reshape(-1, 1), np.empty_like(y))
    np.testing.assert_allclose(one_tile(x, w, tile), whole[0, :, :, 0], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("window, tile", [case for case in FAST if case[0].padding == ((0, 0), (0, 0))], ids=str)
def test_no_gradient_reaches_what_no_stop_sees(window, tile):
    way = Winograd(Case(window, 5, 3), ways_of(), tile)
    seen = [(stops - 1) * s + k for stops, s, k in zip(window.stops, window.stride, window.kernel, strict=True)]
    _, W, dy = data(window)
    dx = way.conv_dx(dy, W, np.full((5, *window.image), np.nan))
    assert not dx[:, seen[0] :].any() and not dx[:, :, seen[1] :].any() and dx[:, : seen[0], : seen[1]].all()


def test_the_windows_have_a_rest_and_both_tiles():
    rests = {(window.padded[0] - window.kernel[0]) % window.stride[0] for window in FAST_WINDOWS}
    assert rests == {0, 1, 2} and {(tile, window.kernel[0] // window.stride[0]) for window, tile in FAST} == set(
        ALGORITHMS
    )


@pytest.mark.parametrize("matrix", range(4))
@every_algorithm
def test_a_sign_that_is_wrong_anywhere_is_caught(tile, taps, matrix, monkeypatch):
    """In B, G or A; and a factor of h. Whole convolutions show it too, where `combine` can still add up."""
    right, convolved = ALGORITHMS[tile, taps], 0
    window = Window((2 * (taps + 3), 2 * (taps + 3), 2), (2 * taps, 2 * taps), (2, 2), ((1, 1), (1, 1)))
    for place in np.argwhere(right[matrix]):
        wrong = np.array(right[matrix])
        wrong[tuple(place)] *= -1
        monkeypatch.setitem(ALGORITHMS, (tile, taps), (*right[:matrix], wrong.tolist(), *right[matrix + 1 :]))
        assert identity_error(tile, taps) > 1e-3
        if all((line > 0).any() or np.count_nonzero(line) == 1 for line in (*np.atleast_2d(wrong), *wrong.T)):
            assert min(errors_of(window, tile).values()) > 1e-3
            convolved += 1
    assert convolved


@pytest.mark.parametrize("kernel, stride, tile", [(4, 2, 2), (4, 2, 3), (3, 1, 2)])
def test_float32_loses_little(kernel, stride, tile):
    """1e-6 to 3e-6, as a plain product does."""
    window = Window((12, 12, 32), (kernel, kernel), (stride, stride), ((1, 1), (1, 1)))
    assert max(errors_of(window, tile, None, 8, 32, "float32").values()) < 1e-5


def wide(side, c, kernel, stride, padding=1):
    return Window((side, side, c), (kernel, kernel), (stride, stride), ((padding, padding), (padding, padding)))


@pytest.mark.parametrize(
    "window, n, d, gradient, tile",
    [
        (wide(24, 128, 4, 2), 64, 256, False, 3),  # 12 stops, a multiple of both: 16 / 36 is less than 9 / 16
        (wide(8, 128, 4, 2), 64, 256, False, 2),  # 4 stops: tiles of 3 would hang over
        (wide(8, 512, 3, 1), 64, 256, False, 2),
        (wide(10, 512, 2, 1, 0), 64, 256, True, 3),  # 9 stops
        (wide(8, 512, 2, 1, 0), 64, 256, True, None),  # 7 stops: both kinds of tiles hang over
        (wide(8, 64, 4, 2), 24, 512, False, 2),  # as few images as can be
        (wide(8, 64, 4, 2), 23, 512, False, None),
        (wide(8, 64, 4, 2), 47, 512, True, None),
        (wide(8, 64, 4, 2), 48, 512, True, 2),
        (wide(8, 64, 4, 2), 64, 155, False, 2),  # as few channels behind it as can be
        (wide(8, 64, 4, 2), 64, 154, False, None),
        (wide(4, 512, 4, 2, 0), 64, 512, False, None),  # one stop
        (wide(32, 128, 5, 3), 64, 256, False, None),  # 5 is no multiple of 3
        (wide(32, 512, 5, 1), 64, 256, False, None),  # five taps
        (wide(32, 512, 2, 2, 0), 64, 256, False, None),  # one tap
        (Window((16, 16, 256), (4, 6), (2, 2), ((1, 1), (1, 1))), 64, 256, False, None),
        (Window((16, 16, 256), (4, 4), (2, 1), ((1, 1), (1, 1))), 64, 256, False, None),
    ],
    ids=str,
)  # fmt: skip
def test_which_convolutions_are_done_by_winograds_algorithms(window, n, d, gradient, tile):
    way = ways_of(Tuning()).choose("conv_dW" if gradient else "conv", window, n, d)
    assert (way.m if isinstance(way, Winograd) else None) == tile


@pytest.mark.parametrize("name, n", [("conv", 24), ("conv_dx", 24), ("conv_dW", 48)])
def test_the_backend_takes_them_where_they_pay(name, n, monkeypatch):
    """With so many images it does, with one less it does not; the numbers are the same but for rounding."""
    window, d, counted, theirs = wide(8, 64, 4, 2), 512, [], getattr(Winograd, name)
    monkeypatch.setattr(Winograd, name, lambda *arguments: (counted.append(len(arguments[1])), theirs(*arguments))[1])
    for images in (n, n - 1):
        x, W, dy = (a.astype("float32") for a in data(window, images, d))
        arguments, like = {"conv": ((x, W), dy), "conv_dx": ((dy, W), x), "conv_dW": ((x, dy), W)}[name]
        ours, plain = (
            getattr(b, name)(*arguments, window, np.full_like(like, np.nan)) for b in (get_backend("numpy"), Plain())
        )
        assert np.max(abs(ours - plain)) < 1e-5 * np.sqrt(np.mean(plain**2))
    assert counted == [n]


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case.layer, Conv2DTranspose)], ids=str)
def test_a_transposed_convolution_is_a_convolution_read_backwards(case):
    """<conv(y), x> = <y, convT(x)> with the same W; and each one's dx is the other's forward, their dW are equal."""
    layer = case.layer.clone()
    T = Sequential([layer], input_shape=case.shape[1:], dtype="float64")
    window = layer.window
    C = Sequential(
        [Conv2D(case.shape[3], layer.kernel, layer.stride, window.padding, bias=False)],
        input_shape=window.image, dtype="float64",
    )  # fmt: skip
    x, y = draw("x", *case.shape), draw("y", case.shape[0], *window.image)
    layer.W[...] = C.layers[0].W
    if layer.bias:
        layer.b[...] = 0
    forward_T, forward_C = T.forward(x).copy(), C.forward(y).copy()
    assert forward_C.shape == x.shape
    assert np.isclose(np.vdot(forward_C, x), np.vdot(y, forward_T), rtol=1e-12)
    np.testing.assert_allclose(C.backward(x), forward_T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(T.backward(y), forward_C, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(layer.dW, C.layers[0].dW, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "length, kernel, stride, zeros",
    [
        (64, 3, 2, (0, 1)), (17, 3, 2, (1, 1)), (16, 3, 2, (0, 1)), (9, 3, 1, (1, 1)), (28, 5, 2, (1, 2)),
        (28, 4, 1, (1, 2)), (10, 2, 3, (0, 1)), (10, 1, 2, (0, 0)), (1, 3, 1, (1, 1)), (5, 2, 4, (0, 1)),
    ],
)  # fmt: skip
def test_same_pads_as_keras_does(length, kernel, stride, zeros):
    assert same_padding(length, kernel, stride) == zeros
    window = Window((length, length, 1), (kernel, kernel), (stride, stride), (zeros, zeros))
    assert window.stops == (-(-length // stride),) * 2


def one(layer, x, dtype="float64"):
    net = Sequential([layer], input_shape=np.shape(x)[1:], dtype=dtype)
    return net, np.asarray(x, dtype)


def test_known_numbers():
    """A 3 x 3 image under a 2 x 2 kernel, by hand; and the same kernel painting."""
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    net, x = one(Conv2D(1, 2), x)
    net.layers[0].W[:, 0] = [1, 10, 100, 1000]
    net.layers[0].b[...] = 0.5
    assert net.predict(x)[0, :, :, 0].tolist() == [[4310.5, 5421.5], [7643.5, 8754.5]]
    net, z = one(Conv2DTranspose(1, 2, 2), [[[[1.0], [2.0]]]])
    net.layers[0].W[:, 0] = [1, 10, 100, 1000]
    assert net.predict(z)[0, :, :, 0].tolist() == [[1, 10, 2, 20], [100, 1000, 200, 2000]]
    net, x = one(AveragePooling2D(2), np.arange(15.0).reshape(1, 3, 5, 1))
    assert net.predict(x)[0, :, :, 0].tolist() == [[3, 5]]
    net, x = one(GlobalAveragePooling2D(), np.arange(8.0).reshape(1, 2, 2, 2))
    assert net.predict(x).tolist() == [[3, 4]]
    net, x = one(UpSampling2D((1, 2)), [[[[1.0], [2.0]]]])
    assert net.predict(x)[0, :, :, 0].tolist() == [[1, 1, 2, 2]]


def test_the_kernel_is_not_flipped_and_rows_come_first():
    x = np.zeros((1, 3, 4, 1))
    x[0, 0, 1] = 1  # row 0, column 1
    net, x = one(Conv2D(1, (3, 4)), x)
    net.layers[0].W[:, 0] = np.arange(12)
    assert net.predict(x).item() == 1


@pytest.mark.parametrize(
    "layer, shape, out",
    [
        (Conv2D(4, 5, 3, 1), (96, 96, 3), (32, 32, 4)),
        (Conv2D(4, 5, 2, 0), (6, 6, 3), (1, 1, 4)),
        (Conv2D(4, 3, 2, "same"), (17, 15, 3), (9, 8, 4)),
        (Conv2DTranspose(4, 6, 2), (1, 1, 3), (6, 6, 4)),
        (Conv2DTranspose(4, 4, 2, 1), (6, 5, 3), (12, 10, 4)),
        (Conv2DTranspose(4, 5, 3, 1), (32, 32, 3), (96, 96, 4)),
        (Conv2DTranspose(4, 3, 2, 1, output_padding=1), (7, 7, 3), (14, 14, 4)),
        (Conv2DTranspose(4, 3, 2, "same"), (7, 5, 3), (14, 10, 4)),
        (ZeroPadding2D(((0, 1), (2, 3))), (16, 16, 3), (17, 21, 3)),
        (Cropping2D(((0, 1), (2, 3))), (16, 16, 3), (15, 11, 3)),
        (AveragePooling2D(3, 2), (8, 9, 3), (3, 4, 3)),
        (UpSampling2D((2, 3)), (4, 5, 3), (8, 15, 3)),
    ],
    ids=str,
)
def test_shapes(layer, shape, out):
    assert Sequential([layer], input_shape=shape).output_shape == out


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda: Conv2D(0, 3), "Conv2D: c_out is 0; it must be at least 1"),
        (lambda: Conv2D(2.5, 3), "Conv2D: c_out is 2.5; wanted a whole number"),
        (lambda: Conv2DTranspose("2", 3), "Conv2DTranspose: c_out is '2'; wanted a whole number"),
        (lambda: UpSamplingConv2D((2, 3), 3), r"UpSamplingConv2D: c_out is \(2, 3\); wanted a whole number"),
        (lambda: Conv2D(3, 0), "Conv2D: kernel is 0 and stride 1; each must be at least 1"),
        (lambda: Conv2D(3, 3, (1, 0)), r"stride \(1, 0\)"),
        (lambda: Conv2D(3, (3, 3, 3)), r"Conv2D: kernel is \(3, 3, 3\); wanted a whole number or a pair"),
        (lambda: Conv2D(3, 2.5), "Conv2D: kernel is 2.5"),
        (lambda: Conv2D(3, 3, padding="full"), "padding is 'full'; wanted 'same', 'valid'"),
        (lambda: Conv2D(3, 3, padding=-1), "padding is -1; it must be at least 0"),
        (lambda: Conv2DTranspose(3, 3, 2, output_padding=2), "output_padding is 2; it must be less than the stride 2"),
        (lambda: Conv2DTranspose(3, 3, 2, "same", output_padding=1), "0 with padding='same'"),
        (lambda: ZeroPadding2D("1"), "ZeroPadding2D: padding is '1'"),
        (lambda: Cropping2D((1, -1)), "at least 0"),
        (lambda: UpSampling2D(0), "factor is 0"),
        (lambda: AveragePooling2D(2, 0), "stride 0"),
        (lambda: Sequential([Conv2D(3, 5)], input_shape=(4, 9, 1)), r"0\.Conv2D .*\(4, 9, 1\).*kernel's \(5, 5\)"),
        (lambda: Sequential([Conv2D(3, 5)], input_shape=7), "images .*Reshape"),
        (lambda: Sequential([Conv2DTranspose(3, 2, 1, 1)], input_shape=(1, 1, 2)), "its output would be 0 x 0"),
        (lambda: Sequential([Cropping2D(2)], input_shape=(4, 5, 1)), "larger than what is cropped"),
        (lambda: Sequential([AveragePooling2D(3)], input_shape=(2, 5, 1)), r"at least \(3, 3\)"),
        (lambda: Sequential([GlobalAveragePooling2D()], input_shape=5), "images"),
        (lambda: Sequential([UpSampling2D()], input_shape=5), "images"),
        (lambda: Sequential([ZeroPadding2D()], input_shape=(5, 5)), "images"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(build, words):
    with pytest.raises((SettingsError, ShapeError), match=words):
        build()


class Asked:
    """It remembers what the backend asks for, and not what a way asks for in turn: which way each function takes, and
    how many multiplications.
    """

    def __init__(self, ways):
        self.ways, self.log = ways, []

    def choose(self, function, window, n, d):
        way = self.ways.choose(function, window, n, d)
        self.log.append((way.name, f"{way.multiplications(function):,}"))
        return way


CONVOLUTIONS = [Conv2D(8, 4, 2, 1), Conv2DTranspose(8, 4, 2, 1), UpSamplingConv2D(8, 3), UpSamplingConv2D(3, 3)]


@pytest.mark.parametrize("layer", [*CONVOLUTIONS, SpectralNorm(UpSamplingConv2D(8, 3))], ids=str)
def test_the_table_of_ways_says_what_layers_ask_for(layer):
    """Of y, dW and dx, in this order; the table is read from the columns of its text."""
    backend = NumpyBackend(Tuning())
    net = Sequential([layer], input_shape=(16, 16, 24), dtype="float64", backend=backend)
    backend.ways = Asked(backend.ways)
    net.backward(np.ones_like(net.forward(draw("x", 4, 16, 16, 24))))
    took = list(backend.ways.log)
    found = re.findall(r" (?:y |dW|dx)  (\S.*?)  +([\d,]+) ", ways_table(net, 4))
    assert found == took and len(took) == 3
