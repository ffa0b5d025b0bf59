"""Files that minigan 0.1 wrote: model files, a checkpoint, a whole run. They load, and compute what 0.1 computed.

files_v1/ was written by version 0.1.0: `expected.npz` holds what its networks predicted for `x`, `checkpoint_20.npz`
and `history_20.csv` what a run of 20 steps left that files_v1/run is the first 12 of. Products are rounded differently
on other processors, so numbers are compared closely and not to the bit.
"""

import csv
import json
import shutil

import numpy as np
import pytest

from minigan import Generator, load_model
from minigan.checkpoint import load_checkpoint
from minigan.cli import guarded, main
from minigan.errors import FileError
from minigan.generator import draw_noise

from .conftest import ROOT
from .gans import small_gan
from .systems import example

FILES = ROOT / "tests" / "files_v1"


@pytest.fixture(scope="module")
def expected():
    with np.load(FILES / "expected.npz") as archive:
        return dict(archive)


@pytest.mark.parametrize("name", ["mlp", "spectral", "uniform"])
def test_a_model_of_version_1_predicts_what_it_did(name, expected):
    net = load_model(FILES / f"{name}.npz")
    x = net.backend.random.normal((4, *net.input_shape), 2, "old files")
    np.testing.assert_allclose(net.predict(x), expected[name], rtol=1e-4, atol=1e-5)
    with np.load(FILES / f"{name}.npz") as archive:
        assert str(archive["format"]) == "minigan model 1" and int(archive["forwards"]) == net.forwards > 0
        assert np.array_equal(archive["params"], net.params) and np.array_equal(archive["state"], net.state)


def test_its_noise_is_drawn_as_it_was(expected):
    net = load_model(FILES / "uniform.npz")
    assert isinstance(net, Generator) and net.latent == "uniform" and net.classes == 0
    np.testing.assert_allclose(draw_noise(net, 3, 7, "samples", 0), expected["uniform.noise"], rtol=1e-6)


def test_the_command_samples_from_it(tmp_path):
    assert main(["sample", str(FILES / "run" / "generator.npz"), "--count", "4", "--out", str(tmp_path / "a.png")]) == 0


@pytest.fixture
def old_run(tmp_path, monkeypatch):
    """A copy of the run, beside its images."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FILES / "run", tmp_path / "run")
    shutil.copy(FILES / "images.npy", tmp_path / "images.npy")
    return tmp_path / "run"


def test_a_run_of_version_1_goes_on_as_it_would_have(old_run, no_pictures):
    assert guarded(example("mnist_dcgan").main, ["--resume", "run", "--steps", "20"]) == 0
    with np.load(old_run / "checkpoint.npz") as found, np.load(FILES / "checkpoint_20.npz") as wanted:
        assert int(found["steps"]) == 20 and str(found["format"]) == "minigan checkpoint 2"
        for name in ("G.params", "D.params", "G.state", "average", "G.optimizer.m", "D.optimizer.v"):
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-5, err_msg=name)
        assert int(found["D.forwards"]) == int(wanted["D.forwards"])
        assert float(found["G.optimizer.learning_rate"]) == float(wanted["G.optimizer.learning_rate"])
    with open(old_run / "history.csv", encoding="utf-8") as found, open(FILES / "history_20.csv") as wanted:
        ours, theirs = list(csv.DictReader(found)), list(csv.DictReader(wanted))
    assert ours[0].keys() == theirs[0].keys() and [row["step"] for row in ours] == [row["step"] for row in theirs]
    for a, b in zip(ours, theirs, strict=True):
        for name in a.keys() - {"seconds"}:
            assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("flag, value", [("--lr", "0.1"), ("--latent", "5"), ("--seed", "3"), ("--batch-size", "5")])
def test_a_run_of_version_1_refuses_other_settings(old_run, flag, value, capsys):
    assert guarded(example("mnist_dcgan").main, ["--resume", "run", flag, value, "--steps", "20"]) == 2
    assert f"{flag} {value} (the run has" in capsys.readouterr().err


def test_a_checkpoint_of_version_1_is_refused_by_another_gan(old_run):
    before = (old_run / "checkpoint.npz").read_bytes()
    gan = small_gan()
    start = gan.G.params.copy()
    with pytest.raises(FileError, match=r"written by another GAN: the two differ in seed: 3 here, 0 there; G, seed: 3"):
        load_checkpoint(old_run / "checkpoint.npz", gan)
    assert np.array_equal(gan.G.params, start) and (old_run / "checkpoint.npz").read_bytes() == before


def test_the_stored_files_are_of_version_1():
    with np.load(FILES / "run" / "checkpoint.npz") as archive:
        assert str(archive["format"]) == "minigan checkpoint 1"
    assert json.loads((FILES / "run" / "config.json").read_text(encoding="utf-8"))["versions"]["minigan"] == "0.1.0"
