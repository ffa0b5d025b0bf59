"""One file for each image: `minigan sample --out FOLDER/%06d.png`."""

import os
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from minigan import Generator, save_model
from minigan.cli import main
from minigan.layers import Dense, Reshape, Tanh
from minigan.pictures import to_uint8
from minigan.sampling import BATCH, image_batches


def generator(latent="normal", classes=0, d=5):
    layers = [Dense(12), Tanh(), Reshape((3, 4, 1))]
    return Generator(layers, input_shape=d + classes, latent=latent, classes=classes, name="G", seed=1, backend="numpy")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a model file."""
    monkeypatch.chdir(tmp_path)
    save_model("model.npz", generator())
    return tmp_path


def sample(*arguments):
    return main(["sample", "model.npz", *map(str, arguments)])


def files(folder):
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("latent", ["normal", "uniform"])
@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("count", [3, BATCH, BATCH + 7])
def test_each_image_has_a_file_and_is_the_one_of_an_array(folder, latent, classes, count):
    save_model("model.npz", generator(latent, classes))
    assert sample("--count", count, "--seed", 9, "--out", "all.npy") == 0
    assert sample("--count", count, "--seed", 9, "--out", "faces/%06d.png") == 0
    assert files("faces") == [f"{i:06d}.png" for i in range(count)]
    wanted = to_uint8(np.load("all.npy"))[..., 0]
    found = np.stack([np.asarray(Image.open(f"faces/{name}")) for name in files("faces")])
    assert abs(found.astype(int) - wanted).max() <= 1  # products of other batches are rounded otherwise


NAMES = {  # --out, and the file of image 2
    "faces/%06d.png": "faces/000002.png",
    "faces/%d.png": "faces/2.png",
    "faces/a%03d-of-g.png": "faces/a002-of-g.png",
    "%04d.png": "0002.png",
    "faces/": "faces/000002.png",
    "there": "there/000002.png",
    "100%/%06d.png": "100%/000002.png",
    "100%d/": "100%d/000002.png",
}


@pytest.mark.parametrize("out", NAMES)
def test_where_files_go(folder, out, capsys):
    (folder / "there").mkdir()
    assert sample("--count", 3, "--out", out) == 0
    assert (folder / NAMES[out]).is_file() and out in capsys.readouterr().out


REFUSED = {
    "one exists": ("faces/%06d.png", [], "faces/000002.png exists already and is not overwritten"),
    "no folder": ("nowhere/faces/%06d.png", [], "the folder nowhere does not exist"),
    "two numbers": ("faces/%d-%d.png", [], "wanted one number in the name"),
    "another sign": ("faces/100%-%d.png", [], "wanted one number in the name"),
    "a grid": ("faces/%06d.png", ["--columns", "3"], "--columns 3"),
    "a file in the way": ("model.npz/%d.png", [], "cannot be written"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nothing_is_written_where_something_is_in_the_way(folder, case, capsys):
    out, flags, words = REFUSED[case]
    (folder / "faces").mkdir()
    (folder / "faces" / "000002.png").write_bytes(b"mine")
    assert sample("--count", 4, "--out", out, *flags) == 2
    assert words in capsys.readouterr().err
    assert files("faces") == ["000002.png"] and (folder / "faces" / "000002.png").read_bytes() == b"mine"


def test_a_full_disk_leaves_whole_files(folder, monkeypatch, capsys):
    from minigan import sampling

    replace, count = os.replace, []

    def fail(*arguments):
        count.append(1)
        if len(count) > 2:
            raise OSError(28, "No space left on device")
        replace(*arguments)

    monkeypatch.setattr(sampling.os, "replace", fail)
    assert sample("--count", 9, "--out", "faces/") == 2
    assert "faces cannot be written: No space left on device" in capsys.readouterr().err
    assert files("faces") == ["000000.png", "000001.png"]


def test_memory_does_not_grow_with_the_number_of_images():
    net, peaks = generator(d=64), []
    for count in (2 * BATCH, 40 * BATCH):
        tracemalloc.start()
        assert sum(len(images) for images in image_batches(net, count, 0, None)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
