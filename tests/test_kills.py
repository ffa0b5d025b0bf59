"""Runs that are killed at random moments, and disks that are full at every file: what was there stays, and going on
gives the bits of a run that nothing happened to.
"""

import errno
import io
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import data
from minigan.errors import FileError, SettingsError

from .gans import IMAGE, small_gan
from .test_training import arrays, assert_same_run, contents

pytestmark = pytest.mark.usefixtures("no_curves")

STEPS = 40
PLAN = {"batch_size": 6, "log_every": 6, "sample_every": 15, "checkpoint_every": 5, "keep_checkpoints": 2,
        "progress": False}  # fmt: skip


def images():
    pixels = np.random.default_rng(0).integers(0, 256, (50, *IMAGE), dtype=np.uint8)
    return data.ImageSet(pixels, "test images")


def start(run):
    mg.train(small_gan(), images(), steps=STEPS, out=run, **PLAN)


def go_on(run):
    """As a person would: begin it, or resume it if that is what the refusal says."""
    try:
        start(run)
    except SettingsError as error:
        assert f"resume={str(run)!r}" in str(error)
        mg.train(small_gan(), images(), resume=run, progress=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    start(run)
    return run


def in_a_child(act):
    """The number of a child process that does it."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            os._exit(0)
    return child


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_kills_at_random_moments_and_a_resume_each(whole, tmp_path, kills):
    """From before the folder is made to the film; every third run is killed while it is resumed, too."""
    draw = random.Random(1)
    begun = time.perf_counter()
    os.waitpid(in_a_child(lambda: start(tmp_path / "timed")), 0)
    usual = time.perf_counter() - begun
    at, killed = [], 0
    while killed < kills:
        run = tmp_path / f"run{len(at)}"
        for _ in range(2 if len(at) % 3 == 0 else 1):
            child = in_a_child(lambda run=run: go_on(run))
            time.sleep(draw.uniform(0, usual))
            os.kill(child, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        steps = arrays(run / "checkpoint.npz")["steps"] if (run / "checkpoint.npz").exists() else -1
        at.append(int(steps))
        go_on(run)
        assert_same_run(run, whole)
        shutil.rmtree(run)
    assert kills < 30 or len(set(at)) > 4, f"nearly all were killed at the same step: {at}"


# Full disks ----------------------------------------------------------------------------------------------------------


class Filling:
    """A file on a disk that is full at a write, or when what was written is to be kept."""

    def __init__(self, file, writes):
        self.file, self.left, self.is_flushed = file, writes, False

    def write(self, content):
        self.left -= 1
        if self.left < 0:
            self.file.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(content)

    def flush(self):
        self.file.flush()
        self.is_flushed = True

    def fileno(self):
        if not self.is_flushed:
            raise io.UnsupportedOperation  # or Pillow would write past us
        return self.file.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)


class Disk:
    """A disk that is full at the nth time that a file of this name is opened, written, kept or renamed."""

    def __init__(self, patch, name, moment, nth):
        self.name, self.moment, self.left = name, moment, nth
        self.open, self.replace, self.fsync = open, os.replace, os.fsync
        self.opened, self.was_full = None, False
        patch.setattr("builtins.open", self._open)
        patch.setattr(os, "replace", self._replace)
        patch.setattr(os, "fsync", self._fsync)

    def _is_now(self, moment, path):
        names = Path(str(path)).name in (self.name, f".{self.name}.{os.getpid()}.tmp")
        if moment != self.moment or not names:
            return False
        self.left -= 1
        self.was_full |= self.left == 0
        return self.left == 0

    def _open(self, path, mode="r", *arguments, **options):
        if mode[0] not in "wax":
            return self.open(path, mode, *arguments, **options)
        if self._is_now("open", path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.opened = path
        file = self.open(path, mode, *arguments, **options)
        for moment, writes in (("first write", 0), ("third write", 2)):
            if self._is_now(moment, path):
                return Filling(file, writes)
        return file

    def _fsync(self, number):
        if self._is_now("fsync", self.opened):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.fsync(number)

    def _replace(self, source, target):
        if self._is_now("rename", target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.replace(source, target)


WRITTEN = {  # by a run: at which moments the disk can be full, and at which time that a file of the name is written
    "config.json": (["open", "first write", "fsync", "rename"], [1]),
    "history.csv": (["open", "first write"], [1, 2, 4]),
    "000000.png": (["open", "first write", "fsync", "rename"], [1]),
    "000030.png": (["open", "first write", "fsync", "rename"], [1]),
    "checkpoint.npz": (["open", "first write", "third write", "fsync", "rename"], [1, 2, 5]),
    "generator.npz": (["open", "first write", "third write", "fsync", "rename"], [1, 4]),
    "checkpoint-000020.npz": (["open", "first write", "third write", "fsync", "rename"], [1]),
    "evolution.gif": (["open", "first write", "third write", "fsync", "rename"], [1]),
}  # fmt: skip
USUAL = [("history.csv", "first write", 4), ("checkpoint.npz", "third write", 2), ("generator.npz", "rename", 4),
         ("000000.png", "open", 1), ("evolution.gif", "fsync", 1)]  # fmt: skip
FULL = [
    pytest.param(*case, marks=() if case in USUAL else pytest.mark.slow)
    for name, (moments, times) in WRITTEN.items()
    for case in ((name, moment, nth) for moment in moments for nth in times)
]


@pytest.mark.parametrize("name, moment, nth", FULL, ids=lambda value: str(value))
def test_a_disk_that_is_full_at_any_file(whole, tmp_path, capsys, name, moment, nth):
    run, gan = tmp_path / "run", small_gan()
    said = rf"{name} cannot be written: No space left on device"
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, name, moment, nth)
        if name == "evolution.gif":
            mg.train(gan, images(), steps=STEPS, out=run, **PLAN)
            assert said in capsys.readouterr().out
        else:
            with pytest.raises(FileError, match=said):
                mg.train(gan, images(), steps=STEPS, out=run, **PLAN)
        assert disk.was_full
    assert not list(tmp_path.rglob("*.tmp"))
    if nth == 1 and name in ("config.json", "history.csv", "000000.png", "checkpoint.npz"):
        assert not contents(tmp_path), "a start that failed leaves nothing behind"
    elif (run / "checkpoint.npz").exists():
        for path in run.glob("*.npz"):
            assert arrays(path)
        steps = int(arrays(run / "checkpoint.npz")["steps"])
        assert steps == STEPS if name == "evolution.gif" else gan.steps - 6 < steps <= gan.steps
    go_on(run)
    assert_same_run(run, whole)
