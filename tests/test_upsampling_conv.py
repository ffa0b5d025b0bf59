"""UpSamplingConv2D is UpSampling2D and Conv2D, number by number."""

import numpy as np
import pytest

from minigan import Sequential
from minigan.errors import ShapeError
from minigan.layers import Conv2D, UpSampling2D, UpSamplingConv2D

CASES = [  # kernel, factor, padding, shape
    (3, 2, "same", (2, 4, 5, 3)),
    (3, 2, "same", (1, 1, 1, 2)),
    (4, 2, "same", (3, 3, 2, 2)),
    (3, 3, "valid", (2, 2, 3, 1)),
    ((2, 5), (3, 2), ((1, 0), (4, 2)), (2, 3, 4, 2)),
    (1, 2, 0, (1, 3, 3, 2)),
    (3, 1, 1, (2, 4, 3, 2)),
    (2, 5, "same", (1, 2, 2, 2)),
]


def networks(kernel, factor, padding, shape, channels=3):
    """The one layer and the two, with the same numbers."""
    one = Sequential([UpSamplingConv2D(channels, kernel, factor, padding)], input_shape=shape[1:], dtype="float64")
    two = [UpSampling2D(factor), Conv2D(channels, kernel, 1, padding)]
    two = Sequential(two, input_shape=shape[1:], dtype="float64")
    two.params[...] = one.params[...] = one.backend.random.normal(one.params.shape, 1, "test", dtype="float64")
    return one, two


@pytest.mark.parametrize(("kernel", "factor", "padding", "shape"), CASES)
def test_it_is_the_two_layers(kernel, factor, padding, shape):
    one, two = networks(kernel, factor, padding, shape)
    x = one.backend.random.normal(shape, 2, "x", dtype="float64")
    y, wanted = one.forward(x), two.forward(x)
    assert y.shape == wanted.shape
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)
    dy = one.backend.random.normal(y.shape, 3, "dy", dtype="float64")
    np.testing.assert_allclose(one.backward(dy), two.backward(dy), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.grads, two.grads, rtol=1e-12, atol=1e-12)


def test_the_sizes_of_a_generator():
    """Wide enough that the backend takes its fast ways."""
    one, two = networks(3, 2, "same", (8, 8, 8, 256), channels=256)
    x = one.backend.random.normal((8, 8, 8, 256), 2, "x", dtype="float64")
    np.testing.assert_allclose(one.forward(x), two.forward(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "shape", "told"),
    [
        (UpSamplingConv2D(1, 7, 2, "valid"), (3, 3, 1), "the kernel's"),
        (UpSamplingConv2D(1, 3, 2, 3), (3, 3, 1), "fewer zeros"),
        (UpSamplingConv2D(1, 3), (12,), "images"),
    ],
)
def test_images_that_do_not_fit_are_refused(layer, shape, told):
    with pytest.raises(ShapeError, match=told):
        Sequential([layer], input_shape=shape)
