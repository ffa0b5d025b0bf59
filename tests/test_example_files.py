"""`minigan examples`: the programs reach whoever installed the package, and nothing of theirs is overwritten."""

import os
import subprocess
import sys

import pytest

from minigan import example_files
from minigan.cli import main

from .systems import EXAMPLES

NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_alone_it_lists_them(capsys, folder):
    assert main(["examples"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert all(line.endswith(".") and len(line.split()) > 4 for line in lines), "each says what it is for"
    assert not list(folder.iterdir())


@pytest.mark.parametrize("to", [".", "new", "deep/er", "with spaces"])
def test_they_are_copied_as_they_are(capsys, folder, to):
    assert main(["examples", "--to", to]) == 0
    assert sorted(path.name for path in (folder / to).iterdir()) == NAMES
    assert all((folder / to / name).read_bytes() == (EXAMPLES / name).read_bytes() for name in NAMES)
    assert "mnist_mlp_gan.py --quick" in capsys.readouterr().out


def test_what_is_there_unchanged_is_left_and_the_rest_is_added(folder):
    assert main(["examples", "--to", "."]) == 0
    os.utime("ring.py", (1, 1))
    (folder / "gan_by_hand.py").unlink()
    assert main(["examples", "--to", "."]) == 0
    assert os.stat("ring.py").st_mtime == 1 and (folder / "gan_by_hand.py").exists()


@pytest.mark.parametrize("make", [
    lambda path: path.write_text("mine", encoding="utf-8"),
    lambda path: path.mkdir(),
    lambda path: path.symlink_to("nowhere"),
])  # fmt: skip
def test_nothing_is_overwritten(capsys, folder, make):
    try:
        make(folder / "ring.py")
    except OSError:
        pytest.skip("this system lets nobody make a symbolic link")
    before = os.lstat("ring.py")
    assert main(["examples", "--to", "."]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: . has ring.py already") and said.err.count("\n") == 1 and not said.out
    assert list(folder.iterdir()) == [folder / "ring.py"] and os.lstat("ring.py").st_mtime_ns == before.st_mtime_ns


def test_a_folder_that_cannot_be_made_is_named(capsys, folder):
    (folder / "file").write_text("mine", encoding="utf-8")
    assert main(["examples", "--to", "file"]) == 2
    assert "error: " in (said := capsys.readouterr().err) and "file" in said and said.count("\n") == 1


def test_an_installation_without_them_says_so(capsys, monkeypatch, folder):
    monkeypatch.setattr(example_files, "PLACES", (folder / "none", folder))
    assert main(["examples"]) == 2
    assert "install minigan again" in capsys.readouterr().err


def test_a_copy_runs(folder):
    """Far from the checkout, as from a wheel; the wheel itself is built and tried in .ci/run."""
    assert main(["examples", "--to", "."]) == 0
    flags = ["--steps", "1", "--batch-size", "2", "--out", "run"]
    done = subprocess.run([sys.executable, "mnist_mlp_gan.py", *flags], capture_output=True, text=True)
    assert done.returncode == 0 and (folder / "run" / "generator.npz").exists(), done.stderr
