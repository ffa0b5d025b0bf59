"""Every example runs, shortened, as a command in an empty folder; and trains."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from .conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SHORT = {"gan_by_hand.py": ["30"], "mnist_mlp_gan.py": ["--steps", "20", "--out", "run"]}


def run(script, *arguments, folder):
    done = subprocess.run([sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda script: script.name)
def test_examples_run(script, tmp_path):
    done = run(script, *SHORT[script.name], folder=tmp_path)
    assert "nan" not in done.stdout and any(tmp_path.rglob("*.png"))


def test_by_hand_fits_on_a_screen_and_overwrites_nothing(tmp_path):
    script = ROOT / "examples" / "gan_by_hand.py"
    assert len(script.read_text().splitlines()) < 120
    (tmp_path / "by_hand.png").write_text("mine")
    done = subprocess.run([sys.executable, str(script), "1"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "error: by_hand.png exists already" in done.stderr
    assert (tmp_path / "by_hand.png").read_text() == "mine"


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
