"""Every example runs, shortened, as a command in an empty folder; and trains."""

import runpy
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minigan.cli import main

from .conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
FACES = "--width 2 --faces 12 --batch-size 4 --steps 2 --grid 2 --out run"
SHORT = {
    "gan_by_hand.py": "30",
    "ring.py": "30",
    "toy_gan.py": "--steps 30 --width 8",
    "digit_classifier.py": "30",
    "digit_features.py": "out 30",
    "mnist_mlp_gan.py": "--steps 8 --out run",
    "mnist_dcgan.py": "--width 4 --batch-size 8 --steps 4 --grid 2 --out run",
    "mnist_wgan_gp.py": "--width 4 --batch-size 8 --steps 4 --d-steps 2 --grid 2 --out run",
    "faces_dcgan.py": f"--size 16 {FACES}",
    "anime_dcgan.py": f"--size 32 {FACES}",
    "anime_wgan.py": f"--size 32 --d-steps 2 {FACES}",
    "cats_dcgan.py": f"--size 24 {FACES}",
    "mnist_r3gan.py": "--width 4 --batch-size 8 --steps 4 --grid 2 --out run",
    "faces_r3gan.py": f"--size 16 {FACES}",
    "celeba_dcgan.py": f"--size 16 {FACES}",
}
NO_PICTURES = "digit_classifier.py", "digit_features.py", "toy_gan.py"
FILES = ["config.json", "history.csv", "evolution.gif", "losses.png", "checkpoint.npz", "generator.npz", "report.html"]


def run(script, *arguments, folder):
    done = subprocess.run([sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.name)
def test_examples_run(script, tmp_path, monkeypatch, capsys):
    """As commands; but in this process, so that what they import is loaded once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(script), *SHORT[script.name].split()])
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        assert ended.code == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "nan" not in said and any(tmp_path.rglob("*.png")) == (script.name not in NO_PICTURES)
    if "--out" in SHORT[script.name]:
        assert all((tmp_path / "run" / name).stat().st_size > 0 for name in FILES)
        assert said.splitlines()[-1].startswith("next: python -m minigan sample run/generator.npz")


@pytest.mark.parametrize("page", ["page.txt", "nowhere/page.html", "there.html"])
def test_the_toy_refuses_a_page_before_it_trains(page, tmp_path):
    (tmp_path / "there.html").write_text("mine", encoding="utf-8")
    script = ROOT / "examples" / "toy_gan.py"
    done = subprocess.run([sys.executable, str(script), "--out", page], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert (tmp_path / "there.html").read_text(encoding="utf-8") == "mine"


PICTURES = {"gan_by_hand.py": ("by_hand.png", 120), "ring.py": ("ring.png", 40)}


@pytest.mark.parametrize("name", PICTURES)
def test_a_script_fits_on_a_screen_and_overwrites_nothing(name, tmp_path):
    """A second run numbers its picture; a name that is given and taken is refused."""
    script, (picture, lines) = ROOT / "examples" / name, PICTURES[name]
    assert len(script.read_text(encoding="utf-8").splitlines()) < lines
    (tmp_path / picture).write_text("mine", encoding="utf-8")
    second = picture.replace(".png", "2.png")
    assert run(script, "1", folder=tmp_path).stdout.rstrip().endswith(second)
    for taken in (picture, second):
        command = [sys.executable, str(script), "1", taken]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.startswith(f"error: {taken} exists already, and is not overwritten")
    assert (tmp_path / picture).read_text(encoding="utf-8") == "mine" and (tmp_path / second).stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([picture, second])


def test_the_classifier_learns_to_read(tmp_path):
    """Of ten digits it guesses one; and it leaves nothing behind."""
    script = ROOT / "examples" / "digit_classifier.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) < 40
    said = run(script, "60", folder=tmp_path).stdout.splitlines()[-1]
    assert said.endswith("of 10,000 test digits read right") and float(said.split("%")[0]) > 60
    assert not any(tmp_path.iterdir())


def ink(path):
    """How much of each row of a grid's digits is lit, as a share: strokes in the middle, nothing at the border."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"), float) / 255
    side = pixels.shape[0] // 5
    tiles = [pixels[r * side : (r + 1) * side, c * side : (c + 1) * side] for r in range(5) for c in range(5)]
    tile = np.mean(tiles, axis=0)
    border = side // 8
    return tile[border * 2 : -border * 2, border * 2 : -border * 2].mean(), np.r_[tile[:border], tile[-border:]].mean()


@pytest.mark.slow
def test_the_quick_run_makes_bright_strokes_on_a_dark_border(tmp_path):
    """Not a proof of digits, for which one has to look; but mush and noise, which are grey all over, fail."""
    run(ROOT / "examples" / "mnist_mlp_gan.py", "--quick", "--out", "run", folder=tmp_path)
    untrained, trained = (ink(tmp_path / "run" / "samples" / name) for name in ("000000.png", "000600.png"))
    assert untrained[0] < 1.3 * untrained[1], "noise has no border"
    assert trained[0] > 3 * trained[1] and trained[1] < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name.removesuffix(".py") for name in SHORT if "--faces" in SHORT[name]))
def test_a_quick_run_of_faces_leaves_a_generator_to_sample_from(name, tmp_path, monkeypatch):
    """Its faces are colour images, different from each other, and no longer those of the first step."""
    monkeypatch.chdir(tmp_path)
    run(ROOT / "examples" / f"{name}.py", "--quick", "--batch-size", "24", "--out", "run", folder=tmp_path)
    for count, out in ((1, "face.png"), (6, "faces.npy")):
        assert main(["sample", "run/generator.npz", "--count", str(count), "--seed", "7", "--out", out]) == 0
    faces = np.load(tmp_path / "faces.npy")
    side = 24 if name == "cats_dcgan" else 32
    assert faces.shape == (6, side, side, 3) and np.isfinite(faces).all() and abs(faces).max() <= 1
    assert faces.std() > 0.02 and faces.std(axis=0).mean() > 0.005
    with Image.open(tmp_path / "face.png") as face:
        assert (face.size, face.mode) == ((side, side), "RGB")
    first, *_, last = sorted((tmp_path / "run" / "samples").iterdir())
    with Image.open(first) as before, Image.open(last) as after:
        assert abs(np.asarray(after, float) - np.asarray(before, float)).mean() > 2
