"""DiffAugment: each change beside its formula, written once more; adjoints, differences, edges, and what is refused."""

import itertools

import numpy as np
import pytest

from minigan import DiffAugment, get_backend
from minigan.augment import POLICIES, Brightness, Contrast, Cutout, Saturation, Translation, rounded
from minigan.config import config_of
from minigan.errors import SettingsError

from . import strict_cupy
from .augment_formulas import changed, formula
from .conftest import import_torch
from .cuda_shim import COMPILER

SHAPES = [(3, 5, 8, 3), (2, 8, 8, 1), (1, 4, 6, 3), (4, 7, 1, 2), (2, 1, 1, 3), (1, 1, 9, 1)]
CHANGES = [Brightness(), Saturation(), Contrast(), Translation(), Cutout()]
ORDERS = [",".join(names) for k in (1, 2, 3) for names in itertools.permutations(POLICIES, k)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)


def normal(shape, name, step=0, dtype="float64"):
    return get_backend("numpy").random.normal(shape, 5, name, step, dtype)


def draws(change, n, step=0):
    return get_backend("numpy").random.uniform((change.draws, n, 1, 1, 1), 7, "changes", step)


def linear_part(change, x, u):
    """A x: T(x) without its constant."""
    return change.forward(x, u) - change.forward(np.zeros_like(x), u)


# The formulas, pixel by pixel ----------------------------------------------------------------------------------------


@every_shape
@every_change
def test_every_image_is_changed_as_its_formula_says(change, shape):
    for step in range(10):
        x, u = normal(shape, "x", step), draws(change, shape[0], step)
        expected = [formula(change, image, list(u[:, i].ravel())) for i, image in enumerate(x)]
        np.testing.assert_allclose(change.forward(x, u), expected, rtol=1e-13, atol=1e-14)


def test_a_policy_is_its_formulas_in_a_row():
    augment, x = DiffAugment(), normal((3, 6, 9, 3), "x")
    u = augment.draw(get_backend("numpy"), 3, 3, "row", 0)
    np.testing.assert_allclose(augment.forward(x, u), changed(augment, x, u), rtol=1e-12, atol=1e-13)


@every_shape
@every_change
def test_backward_is_the_adjoint(change, shape):
    """<A u, v> = <u, A^T v>, and A is linear."""
    for step in range(5):
        a, b, dy = (normal(shape, name, step) for name in ("a", "b", "dy"))
        u = draws(change, shape[0], step)
        dx = change.backward(dy, u)
        assert dx.shape == shape and dx.dtype == dy.dtype
        assert (linear_part(change, a, u) * dy).sum() == pytest.approx((a * dx).sum(), rel=1e-11, abs=1e-12)
        both = linear_part(change, a + 2 * b, u)
        np.testing.assert_allclose(both, linear_part(change, a, u) + 2 * linear_part(change, b, u), atol=1e-12)


@every_shape
@pytest.mark.parametrize("policy", ORDERS)
def test_a_policy_beside_differences_along_random_directions(policy, shape):
    augment, eps = DiffAugment(policy), 1e-3
    u = augment.draw(get_backend("numpy"), shape[0], 3, "differences", 4)
    x, dy = normal(shape, "x"), normal(shape, "dy")
    dx = augment.backward(dy, u)
    for step in range(3):
        t = normal(shape, "t", step)
        ends = [(dy * augment.forward(x + sign * eps * t, u)).sum() for sign in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * eps) == pytest.approx((dx * t).sum(), rel=1e-9, abs=1e-10)


def test_the_changes_stand_in_the_order_of_the_policy():
    augment, x = DiffAugment("cutout,color"), normal((2, 6, 6, 3), "x")
    u = augment.draw(get_backend("numpy"), 2, 3, "order", 0)
    assert [type(change) for change in augment.changes] == [Cutout, Brightness, Saturation, Contrast]
    y = Cutout().forward(x, u[:2])
    for change, own in zip(CHANGES[:3], (u[2:3], u[3:4], u[4:5]), strict=True):
        y = change.forward(y, own)
    assert np.array_equal(augment.forward(x, u), y) and augment.draws == 5


def test_grey_images_have_no_saturation():
    x, u = normal((3, 4, 5, 1), "x"), draws(Saturation(), 3)
    np.testing.assert_allclose(Saturation().forward(x, u), x, rtol=1e-15)


def test_inputs_are_not_changed():
    augment, x = DiffAugment(), normal((2, 8, 8, 3), "x")
    u = augment.draw(get_backend("numpy"), 2, 3, "inputs", 0)
    before = x.copy(), u.copy()
    augment.forward(x, u), augment.backward(x, u)
    assert np.array_equal(x, before[0]) and np.array_equal(u, before[1])


# How far -------------------------------------------------------------------------------------------------------------


def test_ranges_are_those_of_the_paper():
    """Both ends are reached, and all shifts and places about as often."""
    n, size = 20_000, 16
    ends = np.array([0.0, 1 - 2.0**-53]).reshape(1, 2, 1, 1, 1)
    x = np.linspace(-1, 1, 2 * 3).reshape(2, 1, 1, 3)
    np.testing.assert_allclose((Brightness().forward(x, ends) - x)[:, 0, 0, 0], [-0.5, 0.5])
    np.testing.assert_allclose(Saturation().factor(ends).ravel(), [0, 2])
    np.testing.assert_allclose(Contrast().factor(ends).ravel(), [0.5, 1.5])
    u = draws(Translation(), n)
    down, right = Translation().shifts(np.zeros((n, size, 2 * size, 1)), u)
    for shift, most in ((down, 2), (right, 4)):
        found, counts = np.unique(shift, return_counts=True)
        assert list(found) == list(range(-most, most + 1)) and counts.min() > 0.85 * n / (2 * most + 1)
    hidden = 1 - Cutout().kept(np.zeros((n, size, size, 1)), u)
    sizes = hidden.sum(axis=(1, 2, 3))
    assert sizes.max() == 64 and sizes.min() < 25 and (hidden.mean(axis=0) > 0.05).all()
    whole = Cutout().kept(np.zeros((2, size, size, 1)), np.concatenate([ends, ends]))
    assert whole[0, :4, :4].max() == 0 and whole[0].sum() == size * size - 16
    assert whole[1, -4:, -4:].max() == 0 and whole[1].sum() == size * size - 16


@pytest.mark.parametrize("side, shift, cut", [(1, 0, 1), (3, 0, 2), (4, 1, 2), (28, 4, 14), (64, 8, 32)])
def test_shares_of_a_side(side, shift, cut):
    assert (rounded(side, 0.125), rounded(side, 0.5)) == (shift, cut)


def test_random_numbers_are_a_function_of_seed_stream_and_count():
    augment, numpy = DiffAugment(), get_backend("numpy")
    first = augment.draw(numpy, 4, 1, "augment.real", 3)
    assert first.shape == (7, 4, 1, 1, 1) and first.dtype == np.float64
    assert np.array_equal(augment.draw(numpy, 4, 1, "augment.real", 3), first)
    for other in ((2, "augment.real", 3), (1, "augment.fake", 3), (1, "augment.real", 4)):
        assert not np.any(augment.draw(numpy, 4, *other) == first)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes_are_kept(dtype, backend):
    augment, backend = DiffAugment(), get_backend(backend)
    x = backend.random.normal((3, 9, 6, 3), 1, "x", 0, dtype)
    u = augment.draw(backend, 3, 1, "u", 0)
    y, dx = augment.forward(x, u), augment.backward(x, u)
    assert y.dtype == dx.dtype == x.dtype and y.shape == dx.shape == x.shape
    wide = DiffAugment().forward(backend.to_host(x).astype("float64"), backend.to_host(u))
    np.testing.assert_allclose(backend.to_host(y), wide, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(COMPILER is None, reason="the double runs kernels.cu, and needs g++ to compile it")
@every_shape
def test_on_a_gpu_nothing_waits_and_nothing_travels(shape):
    augment = DiffAugment()
    u = augment.draw(get_backend("numpy"), shape[0], 1, "u", 0)
    x = normal(shape, "x")
    expected = augment.forward(x, u), augment.backward(x, u)
    with strict_cupy.installed() as counts:
        backend = get_backend("cupy")
        x, drawn = backend.asarray(x), augment.draw(backend, shape[0], 1, "u", 0)
        counts.waits = counts.transfers = 0
        found = augment.forward(x, drawn), augment.backward(x, drawn)
        assert (counts.waits, counts.transfers) == (0, 0)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(backend.to_host(ours), theirs, rtol=1e-13, atol=1e-14)


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy, words",
    [
        ("", "policy is ''; wanted one or several of color, translation, cutout"),
        ("  ", "wanted one or several"),
        (None, "policy is None; wanted one or several"),
        (("color",), "wanted one or several"),
        ("colour", "there is no 'colour'; the choices are color, translation, cutout; did you mean color?"),
        ("color,", "wanted one or several of color"),
        ("color,cutout,color", "each change may be there once"),
    ],
)
def test_wrong_policies(policy, words):
    with pytest.raises(SettingsError) as raised:
        DiffAugment(policy)
    assert words in str(raised.value)


def test_an_equal_policy_is_an_equal_object():
    assert DiffAugment(" color, cutout") == DiffAugment("color,cutout") != DiffAugment()
    assert config_of(DiffAugment("cutout")) == {"type": "DiffAugment", "policy": "cutout"}
    assert repr(DiffAugment("cutout")) == "DiffAugment(policy='cutout')"


# Beside PyTorch ------------------------------------------------------------------------------------------------------


@every_shape
@pytest.mark.parametrize("policy", ORDERS)
def test_a_policy_and_its_backward_beside_pytorch(policy, shape):
    torch = import_torch()
    from .torch_twins import augmented, nchw

    augment = DiffAugment(policy)
    u = augment.draw(get_backend("numpy"), shape[0], 3, "torch", 1)
    x, dy = normal(shape, "x"), normal(shape, "dy")
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = augmented(nchw(x_torch), policy, u)
    y_torch.backward(nchw(torch.tensor(dy)))
    np.testing.assert_allclose(augment.forward(x, u), y_torch.detach().permute(0, 2, 3, 1), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(augment.backward(dy, u), x_torch.grad, rtol=1e-12, atol=1e-13)
