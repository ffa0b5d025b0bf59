"""Randomness as a function: known answers, independence, distributions, initializers."""

import math

import numpy as np
import pytest

from minigan import get_backend
from minigan.backend import NumpyBackend, philox
from minigan.backend.tuning import Tuning
from minigan.errors import SettingsError
from minigan.initializers import Random, glorot_uniform, he_normal, normal, ones, zeros

# Philox4x64-10 in Random123's published known-answer file kat_vectors: counter, key, the four words.
KNOWN_ANSWERS = [
    (0, 0, ["16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"]),
    (2**256 - 1, 2**128 - 1, ["87b092c3013fe90b", "438c3c67be8d0224", "9cc7d7c69cd777b6", "a09caebf594f0ba0"]),
]
MASK = 2**64 - 1


def philox4x64(counter, key):
    """The ten rounds of Salmon et al. 2011, figure 2, in Python's whole numbers."""
    counter, key = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * counter[0], 0xCA5A826395121157 * counter[2]
        counter = [(b >> 64) ^ counter[1] ^ key[0], b & MASK, (a >> 64) ^ counter[3] ^ key[1], a & MASK]
        key = [(key[0] + 0x9E3779B97F4A7C15) & MASK, (key[1] + 0xBB67AE8584CAA73B) & MASK]
    return counter


def split(number, words):
    return [number >> 64 * i & MASK for i in range(words)]


@pytest.mark.parametrize("counter, key, words", KNOWN_ANSWERS)
def test_published_known_answers(counter, key, words):
    expected = [int(word, 16) for word in words]
    assert philox4x64(split(counter, 4), split(key, 2)) == expected
    numpy_counter = (counter - 1) % 2**256  # NumPy steps its counter before the first block
    assert np.random.Philox(key=key, counter=numpy_counter).random_raw(4).tolist() == expected


@pytest.mark.parametrize("seed, stream, step", [(0, "noise", 0), (7, "G.0.Dense.W", 12345), (2**64 - 1, "", 2**64 - 1)])
def test_words_are_the_documented_function(seed, stream, step):
    key = (seed, philox.stream_number(stream))
    expected = [word for block in (1, 2, 3) for word in philox4x64((block, 0, step, 0), key)]
    assert philox.words(10, seed, stream, step).tolist() == expected[:10]


def test_stream_numbers_do_not_change():
    """A saved run draws its next batch by this number: changing it would change every resumed run."""
    assert philox.stream_number("batch") == 0x1417EDC0D0051D0E


def test_a_draw_depends_on_its_name_only_and_longer_draws_begin_the_same():
    backend = get_backend("numpy")
    first = backend.random.normal((5, 3), 1, "noise", 9)
    backend.random.normal((100,), 2, "other")
    assert np.array_equal(first, backend.random.normal((5, 3), 1, "noise", 9))
    assert np.array_equal(first, backend.random.normal((8, 3), 1, "noise", 9)[:5])
    for other in ((2, "noise", 9), (1, "Noise", 9), (1, "noise", 10)):
        assert not np.array_equal(first, backend.random.normal((5, 3), *other))


def test_float32_is_the_rounded_float64():
    backend = get_backend("numpy")
    wide = backend.random.normal((1001,), 1, "x", dtype="float64")
    narrow = backend.random.normal((1001,), 1, "x")
    assert narrow.dtype == np.float32 and np.array_equal(narrow, wide.astype(np.float32))


def test_distributions():
    n = 400_000
    z = philox.normal(n, 0, "normal")
    assert abs(z.mean()) < 4 / math.sqrt(n) and abs(z.var() - 1) < 4 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n) and abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)
    assert abs((z[::2] * z[1::2]).mean()) < 4 / math.sqrt(n / 2), "the two numbers of a pair are independent"
    u = philox.uniform(n, 0, "uniform")
    assert u.min() >= 0 and u.max() < 1 and abs(u.mean() - 0.5) < 4 / math.sqrt(12 * n)
    k = philox.integers(n, 7, 0, "integers")
    counts = np.bincount(k, minlength=7)
    assert len(counts) == 7 and ((counts - n / 7) ** 2 / (n / 7)).sum() < 22.5  # chi-square, 6 degrees, p = 0.001


@pytest.mark.parametrize("rate", [0, 1e-300, 0.25, 0.3, 1 / 3, 1 - 2**-53])
@pytest.mark.parametrize("shape", [(), (3, 5), (1, 4_099), (300_001,)], ids=str)
def test_a_mask_is_where_uniform_numbers_are_at_least_its_rate(shape, rate):
    backend, name = NumpyBackend(Tuning(threads=3, smallest_block=1000)), (11, "mask", 2)
    expected = backend.random.uniform(shape, *name) >= rate
    mask = backend.random.mask(shape, rate, *name)
    assert (
        mask.dtype == bool
        and np.array_equal(mask, expected)
        and np.array_equal(backend.random.mask(shape, rate, *name), mask)
    )


@pytest.mark.parametrize("edge", [0.3, 0.75])
def test_a_number_equal_to_the_rate_is_kept(edge, monkeypatch):
    """The smallest word that makes such a number, and the one below."""
    least = int(np.ceil(edge * 2**53)) << 11
    monkeypatch.setattr(philox, "words", lambda count, *name, first=0: np.array([least - 1, least], np.uint64))
    kept = float(least >> 11) * 2.0**-53
    assert get_backend("numpy").random.mask((2,), kept, 0, "mask").tolist() == [False, True]


@pytest.mark.parametrize("seed, step", [(-1, 0), (2**64, 0), (0, -1)])
def test_seeds_and_steps_out_of_range(seed, step):
    with pytest.raises(SettingsError, match="must be a whole number from 0"):
        philox.words(1, seed, "x", step)


def test_initializers():
    random = Random(get_backend("numpy"), 0, "W")
    shape, fan_in, fan_out = (300, 500), 300, 500
    w = glorot_uniform(random, shape, fan_in, fan_out)
    a = math.sqrt(6 / 800)
    assert -a <= w.min() < -0.99 * a and 0.99 * a < w.max() <= a and abs(w.std() - a / math.sqrt(3)) < 1e-3 * a
    assert abs(he_normal(random, shape, fan_in, fan_out).std() / math.sqrt(2 / 300) - 1) < 0.01
    w = normal(std=0.02, mean=1.0)(random, shape, fan_in, fan_out)
    assert abs(w.std() - 0.02) < 2e-4 and abs(w.mean() - 1) < 2e-4
    assert (zeros(random, (3,), 3, 3) == 0).all() and (ones(random, (3,), 3, 3) == 1).all()
