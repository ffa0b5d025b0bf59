"""Packs: several samples that D sees at once, in whole steps, in diagnostics and on pages."""

import math

import numpy as np
import pytest

from minigan.packing import packed, packed_shape, unpacked, whole_packs


def numbered(*shape):
    return np.arange(math.prod(shape), dtype=float).reshape(shape)


@pytest.mark.parametrize("shape", [(5, 4, 3), (2, 3, 1), (1, 1, 2), (4,), (1,)], ids=str)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_pack_is_its_samples_side_by_side(m, shape):
    x = numbered(3 * m, *shape)
    packs = packed(x, m)
    assert packs.shape == (3, *packed_shape(shape, m)) and packs.flags.c_contiguous
    for k in range(3):
        assert np.array_equal(packs[k], np.concatenate(list(x[k * m : (k + 1) * m]), axis=-1))
    assert np.array_equal(unpacked(packs, m), x)
    assert packed(x, 1) is x and unpacked(x, 1) is x


def test_unpacking_is_the_adjoint():
    x, y = numbered(6, 2, 3, 2), np.cos(numbered(2, 2, 3, 6))
    assert (packed(x, 3) * y).sum() == pytest.approx((x * unpacked(y, 3)).sum(), rel=1e-13)


@pytest.mark.parametrize(
    "n, m, rows", [(5, 2, [0, 1, 2, 3, 4, 0]), (1, 3, [0, 0, 0]), (2, 3, [0, 1, 0]), (4, 2, range(4))]
)
def test_the_last_pack_is_filled_with_the_first_samples(n, m, rows):
    x = numbered(n, 2)
    assert np.array_equal(unpacked(whole_packs(x, m), m), x[list(rows)])
