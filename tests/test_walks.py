"""Walks from image to image: the ways between two points, and `minigan sample --walk`."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from minigan import Generator, load_model, save_model
from minigan.cli import main
from minigan.data import draw_faces
from minigan.errors import SettingsError, ShapeError
from minigan.layers import Dense, Reshape, Tanh
from minigan.pictures import grid, save_film, to_uint8
from minigan.sampling import images_of, noise_of
from minigan.walks import slerp, walk

HALF = np.array([0.5])


def generator(latent="normal", classes=0, d=5, channels=1):
    layers = [Dense(12 * channels), Tanh(), Reshape((3, 4, channels))]
    return Generator(layers, input_shape=d + classes, latent=latent, classes=classes, name="G", seed=1, backend="numpy")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a model file, and one of three classes."""
    monkeypatch.chdir(tmp_path)
    save_model("model.npz", generator())
    save_model("classes.npz", generator(classes=3))
    return tmp_path


def sample(*arguments, model="model.npz"):
    return main(["sample", model, *map(str, arguments)])


def array(name, *arguments, model="model.npz"):
    assert sample(*arguments, "--out", name, model=model) == 0
    return np.load(name)


# The ways ------------------------------------------------------------------------------------------------------------


def test_half_of_ninety_degrees_is_forty_five():
    """By hand: the diagonal; and a third of the way, 30 degrees."""
    a, b = np.array([2.0, 0, 0]), np.array([0, 2.0, 0])
    assert np.allclose(slerp(a, b, HALF), [[np.sqrt(2), np.sqrt(2), 0]], rtol=0, atol=1e-15)
    assert np.allclose(slerp(a, b, np.array([1 / 3])), [[np.sqrt(3), 1, 0]], rtol=0, atol=1e-15)


def test_it_is_shoemakes_formula_for_vectors_of_one_length():
    a, b = np.random.default_rng(0).normal(size=(2, 40))
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    t, w = np.linspace(0, 1, 9)[:, None], np.arccos(a @ b / (a @ a))
    shoemake = (np.sin((1 - t) * w) * a + np.sin(t * w) * b) / np.sin(w)
    found = slerp(a, b, t[:, 0])
    assert np.allclose(found, shoemake, rtol=0, atol=1e-14)
    assert np.allclose(np.linalg.norm(found, axis=1), np.linalg.norm(a), rtol=1e-14)


def test_the_length_goes_evenly_from_one_to_the_other():
    found = slerp(np.array([1.0, 0]), np.array([0, 3.0]), np.linspace(0, 1, 5))
    assert np.allclose(np.linalg.norm(found, axis=1), [1, 1.5, 2, 2.5, 3], rtol=1e-15)


def test_the_ends_are_exact():
    a, b = np.random.default_rng(1).normal(size=(2, 100))
    found = slerp(a, b, np.array([0.0, 0.3, 1]))
    assert np.array_equal(found[0], a) and np.array_equal(found[2], b)


A = np.array([3.0, 4, 0])
ODD = {  # a, b, and the middle, by hand
    "the same": (A, A, A),
    "parallel": (A, 3 * A, 2 * A),
    "opposite": (A, -A, [0, 0, 5]),  # through the axis that A leans to least
    "opposite and longer": (A, -3 * A, [0, 0, 10]),
    "nearly the same": (A, A + [0, 0, 1e-12], A),
    "nearly opposite": (A, -A + [1e-12, 0, 0], [0, 0, 5]),
    "nothing and something": (0 * A, A, A / 2),
    "nothing": (0 * A, 0 * A, 0 * A),
    "one number": (np.array([1.0]), np.array([-3.0]), [-1.0]),
}


@pytest.mark.parametrize("case", ODD)
def test_where_the_sine_is_0(case):
    a, b, middle = ODD[case]
    found = slerp(a, b, np.array([0, 0.5, 1]))
    assert np.allclose(found, [a, middle, b], rtol=0, atol=1e-9)


def test_a_walk_goes_evenly_from_point_to_point_and_closed_back_again():
    points = np.array([[1.0, 0], [0, 1.0], [-1.0, 0]])
    degrees = np.array([0, 30, 60, 90, 120, 150, 180])
    angles = np.radians(degrees)
    assert np.allclose(walk(points, 2), np.stack([np.cos(angles), np.sin(angles)], axis=1), rtol=0, atol=1e-15)
    closed = walk(points, 2, closed=True)
    assert len(closed) == 9 and np.array_equal(closed[:7], walk(points, 2))
    steps = np.linalg.norm(closed - np.roll(closed, 1, axis=0), axis=1)  # the first is that from the last
    quarter, half = 2 * np.sin(np.radians(15)), 2 * np.sin(np.radians(30))
    assert np.allclose(steps, [half, *[quarter] * 6, half, half], rtol=1e-12)


def test_a_walk_through_uniform_noise_is_straight_and_keeps_the_shape():
    points = np.array([[[-1.0, 1]], [[1.0, 0]]])
    assert np.allclose(walk(points, 3, "uniform")[:, 0], [[-1, 1], [-0.5, 0.75], [0, 0.5], [0.5, 0.25], [1, 0]])
    assert walk(points, 0).shape == (2, 1, 2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: slerp(np.ones(3), np.ones(4), HALF), ShapeError, r"a is \(3,\), b \(4,\)"),
        (lambda: slerp(np.ones((1, 3)), np.ones((1, 3)), HALF), ShapeError, r"wanted \(d,\)"),
        (lambda: walk(np.ones((1, 3)), 2), ShapeError, "m of 2 or more"),
        (lambda: walk(np.ones(3), 2), ShapeError, "m of 2 or more"),
        (lambda: walk(np.ones((2, 3)), -1), SettingsError, "between is -1"),
        (lambda: walk(np.ones((2, 3)), 2, "cauchy"), SettingsError, "'cauchy'; the choices are normal, uniform"),
    ],
)
def test_what_is_no_walk_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


# Noise by number, and the film ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", ["normal", "uniform"])
@pytest.mark.parametrize("model", [0, 3], ids=["plain", "classes"])
def test_the_noise_of_a_number_is_that_of_the_sample(folder, latent, model):
    save_model("model.npz", generator(latent, model))
    flags = ["--label", 2] if model else []
    images = array("all.npy", "--count", 12, "--seed", 9, *flags)
    numbers = [7, 0, 11, 7, 4]
    G = load_model("model.npz")
    found = images_of(G, noise_of(G, 9, numbers), 2 if model else None)
    assert np.allclose(found, images[numbers], rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_shows_the_images_enlarged(tmp_path, channels):
    images = np.random.default_rng(2).choice([-1.0, -0.2, 1.0], (4, 3, 4, channels))
    save_film(tmp_path / "film.gif", images)
    with Image.open(tmp_path / "film.gif") as film:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
        assert film.info["loop"] == 0 and film.info["duration"] == 80
    assert [frame.shape for frame in frames] == [(180, 240, 3)] * 4
    assert all((frame[::60, ::60] == to_uint8(image)).all() for frame, image in zip(frames, images, strict=True))


def test_the_colours_of_a_film_are_near_those_of_the_images(tmp_path):
    faces = draw_faces(3, 64).images
    assert min(len(np.unique(face.reshape(-1, 3), axis=0)) for face in faces) > 500
    save_film(tmp_path / "film.gif", faces)
    with Image.open(tmp_path / "film.gif") as film:
        frames = np.stack([np.asarray(frame.convert("RGB"))[::4, ::4] for frame in ImageSequence.Iterator(film)])
    assert abs(frames - faces.astype(int)).max() <= 16


# The command ---------------------------------------------------------------------------------------------------------


def test_the_walk_of_an_array_begins_and_ends_with_the_samples(folder):
    images = array("all.npy", "--count", 9, "--seed", 4)
    walked = array("walk.npy", "--walk", 3, 8, 0, "--frames", 4, "--seed", 4)
    assert walked.shape == (11, 3, 4, 1) and walked.dtype == np.float32
    assert np.allclose(walked[[0, 5, 10]], images[[3, 8, 0]], rtol=0, atol=1e-6)
    steps = abs(np.diff(walked, axis=0)).max(axis=(1, 2, 3))
    assert 0 < steps.max() < 0.5 * abs(images[3] - images[8]).max()


def test_a_film_is_a_closed_loop(folder):
    walked = array("walk.npy", "--walk", 3, 8, 3, "--frames", 4)[:-1]  # there and back
    assert sample("--walk", 3, 8, "--frames", 4, "--out", "film.gif") == 0
    with Image.open("film.gif") as film:
        frames = np.stack([np.asarray(frame.convert("L"))[::60, ::60] for frame in ImageSequence.Iterator(film)])
    assert frames.shape == (10, 3, 4) and abs(frames - to_uint8(walked)[..., 0].astype(int)).max() <= 1


def test_a_grid_has_a_row_from_each_image_to_the_next(folder):
    walked = array("walk.npy", "--walk", 3, 8, 0, "--frames", 4)
    assert sample("--walk", 3, 8, 0, "--frames", 4, "--out", "grid.png") == 0
    with Image.open("grid.png") as found:
        assert np.array_equal(np.asarray(found), grid(walked[[*range(6), *range(5, 11)]], 6)[..., 0])


def test_each_image_of_a_walk_may_have_a_file(folder):
    walked = array("walk.npy", "--walk", 3, 8, "--frames", 2)
    assert sample("--walk", 3, 8, "--frames", 2, "--out", "way/") == 0
    found = np.stack([np.asarray(Image.open(f"way/{i:06d}.png")) for i in range(4)])
    assert len(os.listdir("way")) == 4 and np.array_equal(found, to_uint8(walked)[..., 0])


@pytest.mark.parametrize("out", ["a.gif", "a.png", "a.npy"])
def test_without_numbers_it_goes_through_the_first_images_of_the_seed(folder, capsys, out):
    for i, arguments in enumerate(([], [*range(6)], ["--seed", 1])):
        assert sample("--walk", *arguments, "--out", f"{i}{out}") == 0
    bare, spelt, other = (Path(f"{i}{out}").read_bytes() for i in range(3))
    assert bare == spelt != other  # a function of the seed, too
    count = 6 * 17 if out.endswith("gif") else 5 * 17 + 1
    assert f"{count} images of a walk through model.npz with seed 0: 0{out}\n" in capsys.readouterr().out


def test_from_an_image_to_itself_nothing_moves(folder):
    walked = array("walk.npy", "--walk", 5, 5)
    assert np.allclose(walked, walked[0], rtol=0, atol=1e-6) and sample("--walk", 5, 5, "--out", "still.gif") == 0


def test_a_walk_keeps_to_one_class(folder, capsys):
    of_first, of_last = (
        array(f"{name}.npy", "--walk", 1, 2, *flags, model="classes.npz")
        for name, flags in {"default": [], "last": ["--label", 2]}.items()
    )
    images = array("all.npy", "--count", 3, "--label", 0, model="classes.npz")
    assert np.allclose(of_first[[0, -1]], images[[1, 2]], rtol=0, atol=1e-6)
    assert abs(of_first - of_last).max() > 0.01
    assert "with seed 0, class 0: default.npy\n" in capsys.readouterr().out


REFUSED = [
    ("--walk 3 --out a.gif", "--walk 3: wanted two images or more, such as --walk 3 4"),
    ("--walk 3 -1 --out a.gif", "--walk is -1; it must be at least 0 and less than 10000000"),
    ("--walk 3 10000000 --out a.gif", "--walk is 10000000; it must be at least 0 and less than 10000000"),
    ("--walk 3 eight --out a.gif", "argument --walk: 'eight' is no number of an image; MODEL stands before --walk"),
    ("--walk --frames 0 --out a.gif", "--frames is 0; it must be at least 1"),
    ("--walk --frames 1000 --out a.gif", "--frames is 1000", "less than 1000"),
    ("--walk --frames few --out a.gif", "--frames", "'few'"),
    ("--frames 3 --out a.png", "--frames 3: only a walk", "give --walk"),
    ("--walk --count 9 --out a.gif", "--count 9: a walk has as many images as --walk and --frames say"),
    ("--walk --columns 9 --out a.png", "--columns 9: a walk has"),
    ("--out a.gif", "--out a.gif: a film is of a walk: give --walk, too"),
    ("--walk --out a.jpg", "--out a.jpg: wanted a name that ends in .png, .npy or .gif"),
    ("--walk --out there.gif", "--out there.gif exists already and is not overwritten"),
    ("--walk --out nowhere/a.gif", "the folder nowhere does not exist"),
    ("--walk --label 1 --out a.gif", "--label 1", "knows no classes"),
]


@pytest.mark.parametrize(("flags", "words"), [(f, w) for f, *w in REFUSED], ids=[flags for flags, *_ in REFUSED])
def test_a_walk_that_makes_no_sense_is_refused(folder, capsys, flags, words):
    Path("there.gif").write_bytes(b"mine")
    assert sample(*flags.split()) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and all(word in said.err for word in words)
    assert sorted(os.listdir()) == ["classes.npz", "model.npz", "there.gif"]
    assert Path("there.gif").read_bytes() == b"mine"


def test_a_walk_of_several_classes_is_refused(folder, capsys):
    assert sample("--walk", "--label", "1,2", "--out", "a.gif", model="classes.npz") == 2
    assert "--label 1,2: a walk keeps to one class: --label 1" in capsys.readouterr().err
