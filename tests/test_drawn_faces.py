"""Drawn faces: each is a function of (seed, its number), and shows factors that are independent."""

import numpy as np
import pytest

from minigan.data import drawn
from minigan.data.drawn import FACTORS, draw_faces, face_factors
from minigan.errors import SettingsError

KINDS = [name for name, rule in FACTORS.items() if isinstance(rule, int)]
LENGTHS = [name for name in FACTORS if name not in KINDS]


def near(image, colour):
    """The fraction of the pixels that have about this colour."""
    return (abs(image.astype(int) - colour).max(axis=-1) <= 3).mean()


@pytest.mark.parametrize(("size", "shape"), [(16, (16, 16, 3)), ((20, 34), (20, 34, 3)), ((34, 20), (34, 20, 3))])
def test_shape_and_type(size, shape):
    faces = draw_faces(6, size)
    assert faces.images.shape == (6, *shape) and faces.images.dtype == np.uint8
    assert faces.shape == shape and faces.name == "drawn faces" and faces.labels is None
    assert faces.images.min() < 80 and faces.images.max() == 255  # from the lashes to the white of the eyes


def test_a_face_is_a_function_of_seed_and_number():
    few, many = draw_faces(5, 32, seed=3).images, draw_faces(12, 32, seed=3).images
    assert np.array_equal(many[:5], few)
    assert np.array_equal(face_factors(500, 3)[:100], face_factors(100, 3))
    assert len({image.tobytes() for image in many} | {image.tobytes() for image in draw_faces(12, 32, 4).images}) == 24


def test_all_kinds_occur_about_equally_often_and_lengths_fill_their_bounds():
    n = 2000
    factors = face_factors(n)
    for name in KINDS:
        kinds = FACTORS[name]
        counts = np.bincount(factors[name], minlength=kinds)
        assert len(counts) == kinds
        assert abs(counts - n / kinds).max() < 5 * (n / kinds) ** 0.5, name
    for name in LENGTHS:
        low, high = FACTORS[name]
        share = (factors[name] - low) / (high - low)
        assert 0 <= share.min() < 0.01 and 0.99 < share.max() <= 1, name
        assert abs(share.mean() - 0.5) < 5 * (1 / 12 / n) ** 0.5, name


def test_the_data_vary_as_much_as_promised():
    assert FACTORS["skin"] >= 6 and FACTORS["hair_colour"] >= 7 and FACTORS["hair_style"] >= 4


def test_factors_are_independent_of_each_other_and_of_their_neighbours():
    n = 2000
    factors = np.stack([face_factors(n)[name].astype(float) for name in FACTORS])
    correlations = np.corrcoef(np.concatenate([factors[:, :-1], factors[:, 1:]]))
    np.fill_diagonal(correlations, 0)
    assert abs(correlations).max() < 5 / n**0.5


@pytest.fixture
def drawn_from(monkeypatch):
    """The images of given rows of factors."""

    def draw(rows, size):
        monkeypatch.setattr(drawn, "face_factors", lambda n, seed: rows)
        return draw_faces(len(rows), size).images

    return draw


def face(n, **changes):
    """n times the same face, with changes."""
    rows = face_factors(1, 5).repeat(n)
    for name, value in {"hair_style": drawn.HAIR_STYLES.index("short"), "glasses": 0, **changes}.items():
        rows[name] = value
    return rows


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_seen(drawn_from, name):
    images = drawn_from(face(FACTORS[name], **{name: np.arange(FACTORS[name])}), 32)
    names = drawn.GLASSES if name == "glasses" else range(FACTORS[name])  # most wear none
    assert len({image.tobytes() for image in images}) == len(set(names))


@pytest.mark.parametrize("mouth", range(len(drawn.MOUTHS)))
@pytest.mark.parametrize("name", LENGTHS)
def test_every_length_can_be_seen(drawn_from, name, mouth):
    low, high = FACTORS[name]
    lengths = np.linspace(low, high, 4, endpoint=False)  # hues are a circle
    images = drawn_from(face(4, mouth=mouth, **{name: lengths}), 64)
    assert len({image.tobytes() for image in images}) == 4


def test_skin_hair_and_background_have_the_colours_of_the_factors():
    n = 60
    faces, factors = draw_faces(n, 64, seed=1).images, face_factors(n, 1)
    for image, row in zip(faces, factors, strict=True):
        assert near(image, drawn.SKINS[row["skin"]]) > 0.03, row
        if drawn.HAIR_STYLES[row["hair_style"]] != "bald":
            assert near(image, list(drawn.HAIR_COLOURS.values())[row["hair_colour"]]) > 0.02, row
        assert near(image, image[0, 0]) > 0.15, row  # one even background


def test_faces_are_not_stretched():
    """A wider or higher picture has more around the same face."""
    square = draw_faces(8, 32).images
    inner = slice(3, -3)  # shrinking smooths the border otherwise
    for size, part in (((32, 64), np.s_[:, :, 16:48]), ((64, 32), np.s_[:, 16:48])):
        middle = draw_faces(8, size).images[part].astype(int)
        assert abs(middle - square)[:, inner, inner].max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), "n is 0; it must be at least 1"),
        ((-3,), "n is -3"),
        ((1, 15), "size is 15; wanted a side or (h, w), at least 16 pixels each"),
        ((1, (64, 8)), "size is (64, 8)"),
        ((1, (64, 64, 3)), "size is (64, 64, 3)"),
        ((1, 64, -1), "seed is -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, words):
    with pytest.raises(SettingsError) as caught:
        draw_faces(*arguments)
    assert words in str(caught.value)
