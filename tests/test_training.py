"""Runs: the same bits after an interruption of any kind, and what is left when something goes wrong."""

import copy
import csv
import errno
import functools
import gc
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigan as mg
from minigan import (
    StepLR,
    Wasserstein,
    WeightClipping,
    cli,
    data,
    files,
    means,
    models,
    pictures,
    printing,
    progress,
    run_start,
)
from minigan.backend import NumpyBackend
from minigan.errors import DataError, DivergedError, FileError, SettingsError, ShapeError

from .conftest import ROOT
from .gans import IMAGE, small_gan
from .systems import example

SCRIPT = ROOT / "examples" / "mnist_mlp_gan.py"
STEPS = 40
PLAN = {"batch_size": 6, "log_every": 6, "sample_every": 15, "checkpoint_every": 10, "progress": False}

pytestmark = pytest.mark.usefixtures("no_curves")  # of every run but `whole`, which is made before


def pixels(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (50, *IMAGE), dtype=np.uint8)


def images(seed=0, **options):
    return data.ImageSet(pixels(seed), "test images", **options)


def train(gan=None, x=None, **changes):
    """A run of the plan above; `gan` is returned."""
    gan = gan or small_gan()
    mg.train(gan, images() if x is None else x, **PLAN | changes)
    return gan


def start(out, gan=None, steps=STEPS, **changes):
    return train(gan, out=out, steps=steps, **changes)


def resume(run, gan=None, steps=STEPS, **changes):
    return train(gan, resume=run, steps=steps, **changes)


def history(run):
    """The rows, without the one column that can differ: the seconds."""
    with open(run / "history.csv", newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def arrays(path):
    """Everything in a checkpoint or a model file, but the seconds."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files if name != "extra.seconds"}


def assert_same_run(a, b):
    for name in ("checkpoint.npz", "generator.npz"):
        mine, other = arrays(a / name), arrays(b / name)
        assert mine.keys() == other.keys()
        assert all(np.array_equal(mine[key], other[key]) for key in mine), name
    assert history(a) == history(b)
    assert (a / "diagnostics.jsonl").read_bytes() == (b / "diagnostics.jsonl").read_bytes()
    names = sorted(path.name for path in (a / "samples").glob("*.png"))
    assert names and names == sorted(path.name for path in (b / "samples").glob("*.png"))
    for name in names:
        assert (a / "samples" / name).read_bytes() == (b / "samples" / name).read_bytes()
    assert (a / "evolution.gif").read_bytes() == (b / "evolution.gif").read_bytes()


def contents(folder):
    """Every file below it and what it holds."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class At:
    """A callback: do something when an event comes at a step."""

    def __init__(self, event, step, act):
        self.event, self.at, self.act = event, step, act

    def __getattr__(self, name):
        if name != self.__dict__["event"]:
            raise AttributeError(name)
        return lambda training, *arguments: self.act() if training.step == self.at else None


def kill(number=signal.SIGINT, times=1):
    def act():
        for _ in range(times):
            signal.raise_signal(number)  # os.kill would end the process on Windows

    return act


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    start(run)
    return run


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What a run leaves ---------------------------------------------------------------------------------------------------


def test_what_a_run_leaves(whole):
    assert sorted(path.name for path in whole.iterdir() if path.name != ".lock") == [
        "checkpoint.npz", "config.json", "diagnostics.jsonl", "evolution.gif", "generator.npz", "history.csv",
        "losses.png", "report.html", "samples",
    ]  # fmt: skip
    assert [path.name for path in sorted((whole / "samples").iterdir())] == [
        "000000.png", "000015.png", "000030.png", "000040.png",
    ]  # fmt: skip
    assert [int(row["step"]) for row in history(whole)] == [6, 12, 18, 24, 30, 36]
    with Image.open(whole / "evolution.gif") as film:
        assert film.n_frames == 4
    config = json.loads((whole / "config.json").read_text(encoding="utf-8"))
    assert config["training"] == {
        "steps": 40, "batch_size": 6, "seed": 3, "log_every": 6, "sample_every": 15, "checkpoint_every": 10,
        "keep_checkpoints": 0, "grid": 5,
    }  # fmt: skip
    assert config["data"]["length"] == 50 and config["data"]["config"]["sampling"] == "replacement"
    assert config["gan"] == json.loads(json.dumps(small_gan().config()))
    assert config["versions"].keys() == {"minigan", "numpy", "python"} and config["stopped"] is None


def test_settings_of_a_caller_are_kept(here):
    start("run", steps=1, settings={"lr": 0.5, "data": Path("x").name}, name="mine")
    resume("run", steps=2, name="mine")
    config = json.loads(Path("run/config.json").read_text(encoding="utf-8"))
    assert config["settings"] == {"lr": 0.5, "data": "x"} and config["system"] == "mine"
    assert config["training"]["steps"] == 2


def test_a_run_whose_folder_is_gone(here):
    gan = start("run", steps=3)
    shutil.rmtree("run")
    with pytest.raises(FileError, match=r"this GAN's run was in run, which is gone: train gan\.clone\(\)"):
        mg.train(gan, images(), more=3)
    assert mg.train(gan.clone(), images(), steps=6, out="run", progress=False).steps == 6


def test_nothing_is_written_without_out(here):
    gan = small_gan()
    run = mg.train(gan, images(), steps=20, **PLAN)
    assert not any(here.iterdir())
    assert run.path is None and run.samples == [] and run.checkpoint is None and run.picture is not None
    assert list(run.history["step"]) == [6, 12, 18]


@pytest.mark.parametrize("kind", [str, Path])
def test_strings_and_paths_are_both_paths(here, kind):
    run = mg.train(small_gan(), images(), steps=1, out=kind("a/b/run"), **PLAN)
    assert run.path == Path("a/b/run") and (here / "a/b/run/checkpoint.npz").exists()
    assert mg.train(small_gan(), images(), steps=2, resume=kind("a/b/run"), **PLAN).steps == 2


def test_a_folder_of_runs_by_default_name(here):
    runs = [mg.train(small_gan(), images(), steps=1, out=True, name="mine", **PLAN) for _ in range(2)]
    assert len({run.path for run in runs}) == 2
    assert all(run.path.parent == Path("runs") and run.path.name.startswith("mine-2") for run in runs)


class Losses:
    def __init__(self):
        self.seen = []

    def on_step(self, training, losses):
        self.seen.append({name: float(getattr(losses, name)) for name in ("d_loss", "g_loss")})


def test_rows_are_means_over_their_steps(whole, tmp_path):
    losses = Losses()
    start(tmp_path / "run", callbacks=[losses])
    rows = history(tmp_path / "run")
    assert rows == history(whole)
    for row, name, part in ((1, "g_loss", slice(6, 12)), (-1, "d_loss", slice(30, 36))):
        mean = np.mean([step[name] for step in losses.seen[part]])
        np.testing.assert_allclose(float(rows[row][name]), mean, rtol=1e-12)


def test_losses_are_not_kept_until_a_row_is_due(monkeypatch, tmp_path):
    monkeypatch.setattr("minigan.loop.RECENT", 7)
    most = []
    gan = small_gan()

    class Watch:
        def on_step(self, training, losses):
            most.append(len(training.record.means.recent))

    start(tmp_path / "run", gan, log_every=10**6, callbacks=[Watch()])
    assert max(most) == 6 and len(history(tmp_path / "run")) == 1
    stored = arrays(tmp_path / "run" / "checkpoint.npz")
    assert stored["extra.count"] == STEPS and stored["extra.sums"].shape == (5,)
    mean = float(history(tmp_path / "run")[0]["d_loss"])
    all_at_once = start(tmp_path / "other", log_every=STEPS)._record.rows[0]["d_loss"]
    assert mean == all_at_once


def test_means_do_not_depend_on_when_they_are_read():
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    backend = mg.get_backend("numpy")

    def mean(every):
        found = means.Means()
        for i, row in enumerate(values):
            found.recent.append([np.asarray(value) for value in row])
            if i % every == 0:
                assert found.gather(backend) is None
                found = means.Means(found.sums, found.count)  # as a checkpoint has it
        found.gather(backend)
        return found.values()

    assert mean(1) == mean(7) == mean(1000) == list(np.mean(values.astype(np.float64), axis=0))
    assert means.Means.of_rows(values).values() == mean(1)


def test_a_run_too_short_for_a_row_writes_one_and_a_longer_one_replaces_it(whole, tmp_path):
    start(tmp_path / "run", steps=4)
    assert [int(row["step"]) for row in history(tmp_path / "run")] == [4]
    resume(tmp_path / "run", steps=4)
    assert [int(row["step"]) for row in history(tmp_path / "run")] == [4]
    resume(tmp_path / "run")
    assert history(tmp_path / "run") == history(whole)


# Going on: the same bits ---------------------------------------------------------------------------------------------


def forget(run, step, whole):
    """What only a run that ended at this step has: its last sample, and a film with it."""
    if step % 15:
        (run / "samples" / f"{step:06d}.png").unlink()
        (run / "evolution.gif").write_bytes((whole / "evolution.gif").read_bytes())


@pytest.mark.parametrize("stop_at", [30, 20, 13])  # at a checkpoint and a sample; at neither; and between rows too
def test_a_run_in_two_parts_is_the_run_in_one(whole, tmp_path, stop_at):
    run = tmp_path / "run"
    start(run, steps=stop_at)
    resume(run)
    forget(run, stop_at, whole)
    assert_same_run(run, whole)


@pytest.mark.parametrize("stop_at", [30, 13])
def test_a_second_call_goes_on_with_the_same_run(whole, tmp_path, stop_at):
    run = tmp_path / "run"
    gan = start(run, steps=stop_at)
    again = mg.train(gan, images(), more=STEPS - stop_at, progress=False)  # batch, intervals, folder: the run's
    assert again.path == run and again.steps == STEPS
    forget(run, stop_at, whole)
    assert_same_run(run, whole)


def test_a_second_call_in_memory_is_the_same_run(whole):
    gan = train(steps=13)
    run = mg.train(gan, pixels(), steps=STEPS, progress=False)  # the same samples, as an array
    assert np.array_equal(gan.G.params, arrays(whole / "checkpoint.npz")["G.params"])
    stored = mg.open_run(whole).history
    assert all(np.array_equal(run.history[name], stored[name]) for name in stored if name != "seconds")


def test_a_run_in_memory_may_get_a_folder_later(whole, tmp_path):
    gan = train(steps=13)
    mg.train(gan, images(), steps=STEPS, out=tmp_path / "run", progress=False)
    assert history(tmp_path / "run") == history(whole)
    mine, other = arrays(tmp_path / "run" / "checkpoint.npz"), arrays(whole / "checkpoint.npz")
    assert all(np.array_equal(mine[name], other[name]) for name in other)


def test_a_resume_without_steps_goes_to_those_it_was_to_have(whole, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start(run, callbacks=[At("on_step", 17, kill())])
    mg.train(small_gan(), images(), resume=run, progress=False)
    assert_same_run(run, whole)


def test_dropout_batchnorm_and_every_optimizer_vector_go_on(tmp_path):
    """Resuming restores all that steps depend on; a lost dropout count or momentum would change the bits."""
    from minigan import GAN, NonSaturating, RMSprop, Sequential
    from minigan.layers import BatchNorm, Dense, Dropout, Flatten, LeakyReLU, Reshape, Tanh

    def build():
        G = Sequential([Dense(9), BatchNorm(), LeakyReLU(), Dropout(0.2), Dense(15), Tanh(), Reshape(IMAGE)],
                       input_shape=4, name="G")  # fmt: skip
        D = Sequential([Flatten(), Dense(8), LeakyReLU(), Dropout(0.4), Dense(1)], input_shape=IMAGE, name="D")
        return GAN(G, D, objective=NonSaturating(), g_optimizer=RMSprop(G), d_optimizer=RMSprop(D), seed=3)

    start(tmp_path / "whole", build(), steps=20)
    start(tmp_path / "parts", build(), steps=10, sample_every=10)
    resume(tmp_path / "parts", build(), steps=20, sample_every=10)
    a, b = arrays(tmp_path / "whole" / "checkpoint.npz"), arrays(tmp_path / "parts" / "checkpoint.npz")
    assert all(np.array_equal(a[name], b[name]) for name in a)


def wasserstein(loss):
    return Wasserstein()


def without_addresses(switches):
    """The same words in every process, for runs of the suite in several."""
    return re.sub(r" at 0x\w+", "", str(switches))


SWITCHES = [
    {"noise": "same"},
    {"d_update": "two_steps", "d_steps": 2},
    {"objective": wasserstein, "clip": WeightClipping(0.05), "d_steps": 5},
    {"objective": wasserstein, "clip": WeightClipping(0.05, "kernels"), "d_update": "two_steps"},
    {"schedule": StepLR(4, 0.5)},
    {"schedule": lambda step: 1 / (1 + step)},
    {"ema": 0.9},
    {"augment": "color,translation,cutout", "d_steps": 2},
    {"ema": 0.9, "schedule": StepLR(3, 0.9), "clip": WeightClipping(0.3), "noise": "same", "d_steps": 2},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=without_addresses)
def test_every_switch_resumes_to_the_same_bits(tmp_path, switches):
    choices = {"sample_every": 10, "log_every": 4}
    start(tmp_path / "whole", small_gan(**switches), steps=20, **choices)
    start(tmp_path / "parts", small_gan(**switches), steps=10, **choices)
    resume(tmp_path / "parts", small_gan(**switches), steps=20, **choices)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def conditional():
    return mg.GAN(*models.mnist_dcgan((8, 8, 1), 4, 2, classes=3))


def labelled():
    drawn = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    return drawn, np.arange(40) % 3


def test_a_gan_with_classes_resumes_and_has_a_class_in_each_row(tmp_path):
    start(tmp_path / "whole", conditional(), x=labelled(), steps=20, sample_every=10, grid=4)
    start(tmp_path / "parts", conditional(), x=labelled(), steps=10, sample_every=10, grid=4)
    gan = resume(tmp_path / "parts", conditional(), x=labelled(), steps=20, sample_every=10)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    samples = gan._record.samples
    assert samples.shape == (12, 8, 8, 1)
    z = gan.draw_noise(4, "samples", 0)
    np.testing.assert_allclose(samples[8:], gan.images(z, [2] * 4), atol=1e-5)
    with Image.open(tmp_path / "whole" / "samples" / "000020.png") as image:
        assert image.size == pictures.grid(samples, 4).shape[1::-1] and image.size[0] > image.size[1]


def test_points_are_drawn_over_the_real_ones(tmp_path):
    gan = mg.GAN(*models.toy2d(width=8, depth=1))
    run = mg.train(gan, data.ring(8), steps=3, out=tmp_path / "run", progress=False)
    assert gan._record.samples.shape == (1000, 2) and run.picture.shape == (480, 480, 3)
    grey = (run.picture == np.array([127, 127, 127])).all(axis=-1) | (abs(run.picture.std(axis=-1)) < 1)
    assert grey.any() and len(run.samples) == 2


def test_samples_that_are_neither_make_no_pictures(tmp_path):
    from minigan.layers import Dense

    nets = [mg.Sequential([Dense(d)], input_shape=n, name=name) for name, n, d in (("G", 3, 5), ("D", 5, 1))]
    x = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    run = mg.train(mg.GAN(*nets), x, steps=3, out=tmp_path / "run", progress=False)
    assert run.picture is None and run.samples == [] and not (tmp_path / "run" / "evolution.gif").exists()
    assert "<table>" in run._repr_html_() and "<img" not in run._repr_html_()


# What is refused, before anything is written -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "how long shall it train"),
        ({"steps": 3, "more": 3}, "give one of them"),
        ({"more": 5}, r"more=5 goes on with a run, and this GAN has none yet: say steps="),
        ({"steps": 0}, "steps=0: wanted a whole number, at least 1"),
        ({"steps": 2.5}, "steps=2.5: wanted a whole number"),
        ({"steps": True}, "steps=True: wanted a whole number"),
        ({"steps": 3, "batch_size": 0}, "batch_size=0: wanted a whole number, at least 1"),
        ({"steps": 3, "log_every": "10"}, "log_every='10': wanted a whole number"),
        ({"steps": 3, "grid": 65}, "grid=65: wanted a whole number, at least 1 and less than 65"),
        ({"steps": 3, "seed": -1}, "seed=-1: wanted a whole number, at least 0"),
        ({"steps": 3, "out": 7}, "out=7: wanted a path"),
        ({"steps": 3, "out": ""}, "out is empty"),
        ({"steps": 3, "resume": True}, "resume=True: wanted a path"),
        ({"steps": 3, "resume": "none"}, "none: no run is there"),
        ({"steps": 3, "callbacks": print}, r"callbacks is .*; wanted a list of objects"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense(here, arguments, said):
    with pytest.raises(mg.MiniganError, match=said):
        mg.train(small_gan(), images(), **arguments)
    assert not any(here.iterdir())


@pytest.mark.parametrize("thing", [None, "photos", 7])
def test_what_is_no_gan_or_no_data(thing):
    with pytest.raises(SettingsError, match=rf"gan is a {type(thing).__name__}; wanted a GAN"):
        mg.train(thing, images(), steps=1)
    with pytest.raises(SettingsError, match=rf"data is of class {type(thing).__name__}"):
        mg.train(small_gan(), thing, steps=1)


def test_steps_that_it_has_already():
    gan = train(steps=10)
    for steps in (10, 4):
        with pytest.raises(SettingsError, match=rf"steps={steps} counts all steps, and the GAN has 10: .*more={steps}"):
            mg.train(gan, images(), steps=steps)
    gan = small_gan()
    for step in range(5):
        gan.step(images().batch(6, step=step, dtype="float64"))
    with pytest.raises(SettingsError, match=r"the GAN has 5: for 3 more, steps=8"):
        mg.train(gan, images(), steps=3)
    assert mg.train(gan, images(), steps=8, progress=False).steps == 8


def test_a_second_call_of_another_kind_names_the_difference(tmp_path):
    gan = train(steps=10)
    wrong = [
        ({"batch_size": 8}, images(), r"batch_size: 8 here, 6 there"),
        ({"seed": 4}, images(), r"seed: 4 here, 3 there"),
        ({"name": "other"}, images(), r"a run of gan, not of other"),
        ({}, images(1), r"the data are not those of this GAN's run: it began on test images with fingerprint \w+"),
        ({}, images(sampling="epochs"), r"data, config, sampling: 'epochs' here, 'replacement' there"),
        ({}, images(transforms=[data.RandomHorizontalFlip()]), r"data, config, transforms: .*RandomHorizontalFlip"),
    ]
    for changes, x, said in wrong:
        with pytest.raises(SettingsError, match=said):
            mg.train(gan, x, more=5, **changes)
    assert mg.train(gan, images(), more=5, log_every=5, progress=False).history["step"][-1] == 15


@pytest.mark.parametrize("kind", ["full folder", "file", "link", "run"])
def test_a_folder_with_anything_in_it_is_never_written_to(here, kind):
    if kind == "full folder":
        (here / "out").mkdir()
        (here / "out" / "config.json").write_text("PRECIOUS", encoding="utf-8")
    elif kind == "file":
        (here / "out").write_text("PRECIOUS", encoding="utf-8")
    elif kind == "link":
        (here / "out").symlink_to("nowhere")
    else:
        start("out", steps=1)
    before = contents(here)
    gan = small_gan()
    with pytest.raises((SettingsError, FileError), match="out"):
        mg.train(gan, images(), steps=3, out="out")
    assert contents(here) == before
    assert gan._record is None and mg.train(gan, images(), steps=3, out="other", progress=False).steps == 3


def test_an_empty_folder_is_taken(here):
    Path("out").mkdir()
    assert start("out", steps=1).steps == 1


def nan_weights():
    gan = small_gan()
    gan.G.params[3] = np.nan
    return gan


def inf_in_adam():
    gan = small_gan()
    gan.d_optimizer.v[0] = np.inf
    return gan


class Refusing(mg.Layer):
    """A layer that takes no batch of six."""

    def forward(self, x, train):
        if len(x) == 6:
            raise ShapeError("six is too many")
        return x


def refusing_layer():
    from minigan.layers import Dense, Flatten, Reshape

    G = mg.Sequential([Dense(15), Reshape(IMAGE), Refusing()], input_shape=4, name="G")
    return mg.GAN(G, mg.Sequential([Flatten(), Dense(1)], input_shape=IMAGE, name="D"))


def raising(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("make", "x", "arguments", "error", "said"),
    [
        (small_gan, np.zeros((9, 4, 4), np.uint8), {}, ShapeError, r"samples of shape \(4, 4, 1\); the GAN makes \(5"),
        (small_gan, images(sampling="epochs"), {"batch_size": 51}, DataError, "a batch of 51"),
        (nan_weights, None, {}, DivergedError, r"^G: 0\.Dense\.W is not finite"),
        (inf_in_adam, None, {}, DivergedError, "D: Adam's v is not finite"),
        (refusing_layer, None, {}, ShapeError, "six is too many"),
        (small_gan, None, {"callbacks": [At("on_start", 0, raising(KeyError("no")))]}, KeyError, "no"),
        (small_gan, None, {"callbacks": [At("on_sample", 0, raising(KeyError("no")))]}, KeyError, "no"),
        (conditional, np.zeros((40, 8, 8), np.uint8), {}, SettingsError, "has no labels, and the GAN makes samples"),
        (conditional, (labelled()[0], np.arange(40) % 4), {}, SettingsError, "has 4 classes, and the GAN makes 3"),
    ],
)  # fmt: skip
def test_a_failed_start_leaves_nothing_behind(here, make, x, arguments, error, said):
    gan = make()
    before = gan.D.params.copy(), gan.D.state.copy(), gan.D.forwards
    for _ in range(2):  # no lock is left, either
        with pytest.raises(error, match=said):
            start("a/run", gan, x=x, steps=3, **arguments)
        assert not any(here.iterdir())
    assert gan._record is None and gan.steps == 0
    assert np.array_equal(gan.D.params, before[0]) and gan.D.forwards == before[2]


def test_a_failed_start_leaves_what_a_callback_wrote(here):
    class Writes:
        def on_start(self, training):
            (training.path / "mine.txt").write_text("mine", encoding="utf-8")
            raise KeyError("no")

    with pytest.raises(KeyError):
        start("run", callbacks=[Writes()])
    assert contents(here) == {Path("run/mine.txt"): b"mine"}


def test_two_starts_at_once(here):
    """Of one folder, one run gets it; of the default, each gets one."""
    barrier = threading.Barrier(4)

    def begin(out):
        gan = small_gan()
        barrier.wait()
        try:
            return mg.train(gan, images(), steps=2, out=out, name="mine", **PLAN).path
        except (FileError, SettingsError) as error:
            assert "in use" in str(error) or "exists already" in str(error)
            return None

    with ThreadPoolExecutor(4) as pool:
        same = list(pool.map(begin, ["same"] * 4))
        assert sorted(map(str, same)) == ["None"] * 3 + ["same"]
        assert len(set(pool.map(begin, [True] * 4))) == 4
    assert mg.open_run("same").steps == 2


def test_trying_the_batch_leaves_no_trace():
    gan, other = small_gan(), small_gan()
    run_start.try_batch(gan, images(), run_start.Plan(batch_size=6))
    for a, b in ((gan.G, other.G), (gan.D, other.D)):
        assert np.array_equal(a.state, b.state) and a.forwards == b.forwards == 0


# What a resume refuses -----------------------------------------------------------------------------------------------


def otherwise(optimizer=None, **changes):
    gan = small_gan(**changes)
    if optimizer:
        gan.g_optimizer = mg.Adam(gan.G, **{"learning_rate": 1e-2, "beta1": 0.5} | optimizer)
    return gan


def smoothed(loss):
    return mg.NonSaturating(mg.BCEWithLogits(), 0.9)


@pytest.mark.parametrize(
    ("make", "x", "arguments", "said"),
    [
        (lambda: otherwise({"beta1": 0.9}), None, {}, r"G's optimizer, beta1: 0\.9 here, 0\.5 there"),
        (lambda: otherwise({"eps": 1e-3}), None, {}, r"G's optimizer, eps"),
        (lambda: otherwise(objective=smoothed), None, {}, r"objective, real_target: 0\.9 here, 1\.0 there"),
        (lambda: otherwise(noise="same"), None, {}, r"noise: 'same' here, 'fresh' there"),
        (lambda: otherwise(seed=4), None, {}, r"seed: 4 here, 3 there"),
        (small_gan, images(1), {}, "the data are not those of the run in"),
        (small_gan, images(sampling="epochs"), {}, r"sampling: 'epochs' here, 'replacement' there"),
        (small_gan, None, {"batch_size": 5}, r"batch_size: 5 here, 6 there"),
        (small_gan, None, {"out": "elsewhere"}, "give one of them"),
        (small_gan, None, {"name": "faces"}, "a run of gan, not of faces"),
        (small_gan, None, {"steps": 5}, r"steps=5 counts all steps, and the GAN has 10"),
        (lambda: train(steps=2), None, {}, r"would put the run's numbers in place of this GAN's, which has 2 steps"),
    ],
)
def test_a_resume_of_another_run_names_the_difference(here, make, x, arguments, said):
    start("run", steps=10)
    before = contents(here)
    gan = make()
    params = gan.G.params.copy()
    with pytest.raises(mg.MiniganError, match=said):
        mg.train(gan, images() if x is None else x, resume="run", **{"steps": 20} | arguments)
    assert contents(here) == before
    if "counts" not in said:
        assert np.array_equal(gan.G.params, params)
    resume("run", steps=20)  # nothing holds it


def test_a_run_in_use_is_left_alone(tmp_path):
    run, tried = tmp_path / "run", []

    def meddle():
        with pytest.raises(FileError, match="is in use by another program"):
            resume(run)
        tried.append(True)

    assert start(run, callbacks=[At("on_step", 13, meddle)]).steps == STEPS and tried


def test_a_gan_that_is_being_trained_is_not_trained_twice():
    gan, tried = small_gan(), []

    def meddle():
        with pytest.raises(SettingsError, match="is being trained already"):
            mg.train(gan, images(), more=3)
        tried.append(True)

    train(gan, steps=5, callbacks=[At("on_step", 3, meddle)])
    assert gan.steps == 5 and tried


FILES_V1 = ROOT / "tests" / "files_v1"


def test_a_run_of_version_1_goes_on_through_the_api(here):
    shutil.copytree(FILES_V1 / "run", "run")
    module = example("mnist_dcgan")
    settings = module.Settings(**json.loads(Path("run/config.json").read_text(encoding="utf-8"))["settings"])

    def gan():
        return module.game(settings, *module.networks(settings, (8, 8, 1)), 6)

    x = data.load(str(FILES_V1 / "images.npy"))
    assert mg.open_run("run").steps == 12 and list(mg.open_run("run").history["step"]) == [5, 10]
    with pytest.raises(SettingsError, match=r"batch_size: 5 here, 4 there"):
        mg.train(gan(), x.with_batches(sampling="epochs"), resume="run", steps=20, batch_size=5)
    with pytest.raises(SettingsError, match=r"sampling: 'replacement' here, 'epochs' there"):
        mg.train(gan(), x, resume="run", steps=20)
    run = mg.train(gan(), x.with_batches(sampling="epochs"), resume="run", steps=20, progress=False)
    with open(FILES_V1 / "history_20.csv", encoding="utf-8") as file:
        wanted = list(csv.DictReader(file))
    assert list(run.history["step"]) == [5, 10, 15, 20]
    for name in ("d_loss", "g_loss", "d_accuracy", "lr"):
        np.testing.assert_allclose(run.history[name], [float(row[name]) for row in wanted], rtol=1e-5)


# Signals -------------------------------------------------------------------------------------------------------------

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_finishes_the_step_and_saves(whole, tmp_path, capsys, number):
    run = tmp_path / "run"
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt) as caught:
        start(run, callbacks=[At("on_step", 17, kill(number))])
    assert signal.getsignal(number) is before
    assert str(caught.value) == f"stopped; {run / 'checkpoint.npz'} holds step 17"
    reason = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    assert caught.value.run.stopped == reason == mg.open_run(run).stopped
    assert "finishing this step" in capsys.readouterr().err
    assert int(arrays(run / "checkpoint.npz")["steps"]) == 17
    assert (run / "evolution.gif").exists() and (run / "losses.png").exists()
    resume(run)
    assert_same_run(run, whole)
    assert mg.open_run(run).stopped is None


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    number = SIGNALS[-1]
    before = signal.signal(number, signal.SIG_IGN)
    try:
        assert start(tmp_path / "run", callbacks=[At("on_step", 17, kill(number))]).steps == STEPS
    finally:
        signal.signal(number, before)


def test_a_signal_before_the_first_row_of_the_history(whole, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start(run, callbacks=[At("on_step", 3, kill())])
    assert history(run) == [] and (run / "losses.png").exists()
    resume(run)
    assert_same_run(run, whole)


def test_a_second_signal_stops_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", callbacks=[At("on_step", 17, kill(times=2))])
    assert int(arrays(tmp_path / "run" / "checkpoint.npz")["steps"]) == 10


def test_a_gan_stopped_in_the_middle_of_a_step_goes_on_from_its_checkpoint(whole, tmp_path):
    gan, run = small_gan(), tmp_path / "run"
    update = gan.g_optimizer.update

    def interrupted(p, g):
        if gan.steps == 16:
            raise KeyboardInterrupt
        update(p, g)

    gan.g_optimizer.update = interrupted
    with pytest.raises(KeyboardInterrupt):
        start(run, gan)
    del gan.g_optimizer.update
    mg.train(gan, images(), steps=STEPS, progress=False)
    assert_same_run(run, whole)


# Kills ---------------------------------------------------------------------------------------------------------------

SHORT = ["--steps", "60", "--batch-size", "8", "--sample-every", "20", "--log-every", "7", "--checkpoint-every", "5"]


@pytest.fixture
def killable(tmp_path, monkeypatch):
    """The flags of a run of the example on tiny images; and that run, which nothing interrupted, in whole/."""
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", np.random.default_rng(0).integers(0, 256, (60, 6, 5), dtype=np.uint8))
    flags = ["--data", "images.npy", *SHORT]
    assert cli.guarded(example("mnist_mlp_gan").main, [*flags, "--out", "whole"]) == 0
    return flags


@pytest.mark.parametrize("rows", [1, *(pytest.param(rows, marks=pytest.mark.slow) for rows in (0, 5))])
def test_kill_9_at_any_moment_loses_nothing_but_time(killable, rows):
    run = Path("run")
    command = [sys.executable, str(SCRIPT), *killable, "--out", "run"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (run / "checkpoint.npz").exists() or len(history(run)) < rows:
        assert process.poll() is None
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert 5 * (rows > 0) <= int(arrays(run / "checkpoint.npz")["steps"]) < 60
    assert cli.guarded(example("mnist_mlp_gan").main, [*killable, "--resume", "run"]) == 0
    assert_same_run(run, Path("whole"))


def test_half_a_row_at_the_end_of_the_history_is_written_anew(whole, tmp_path):
    run = tmp_path / "run"
    start(run, steps=20)
    with open(run / "history.csv", "a", encoding="utf-8") as file:
        file.write("24,0.5,0.1")
    resume(run)
    assert history(run) == history(whole)


# Finishing a finished run --------------------------------------------------------------------------------------------


def earlier(folder):
    """The generator of a run at an earlier step, in a file that is newer than all others."""
    start(folder / "earlier", steps=30)
    return folder / "earlier" / "generator.npz"


@pytest.mark.parametrize("name", ["evolution.gif", "losses.png", "generator.npz"])
@pytest.mark.parametrize("how", ["missing", "older"])
def test_a_finished_run_makes_anew_what_is_missing_or_older(whole, tmp_path, name, how):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    wanted = (run / name).read_bytes()
    if how == "missing":
        (run / name).unlink()
    elif name == "generator.npz":
        shutil.copy(earlier(tmp_path), run / name)  # a kill came between the two files
    else:
        (run / name).write_bytes(b"of another time")
        os.utime(run / name, (1, 1))
    rest = {
        path: content
        for path, content in contents(run).items()
        if path.name not in (name, "config.json", "report.html")
    }
    assert resume(run).steps == STEPS
    assert (run / name).exists() and (run / name).read_bytes() != b"of another time"
    if name != "losses.png":  # which these tests do not draw
        assert (run / name).read_bytes() == wanted
    assert {path: content for path, content in contents(run).items() if path in rest} == rest


@pytest.mark.parametrize("damage", ["film", "curves"])
def test_a_film_or_curves_that_cannot_be_made_end_no_run(tmp_path, monkeypatch, capsys, damage):
    def fail(*arguments):
        raise ValueError("a bad frame")

    monkeypatch.setattr(pictures, "save_gif" if damage == "film" else "save_curves", fail)
    start(tmp_path / "run", steps=10)
    name = "evolution.gif" if damage == "film" else "losses.png"
    assert f"{name} was not made: a bad frame" in capsys.readouterr().out
    monkeypatch.undo()
    resume(tmp_path / "run", steps=10)
    assert (tmp_path / "run" / name).exists()


@pytest.mark.parametrize("where", ["save_gif", "save_curves"])
def test_ctrl_c_while_the_film_or_the_curves_are_made(whole, tmp_path, monkeypatch, where):
    """Once: they are finished. Twice: all is saved, and they are made when the run is resumed."""
    usual = getattr(pictures, where)
    for times in (1, 2):
        run = tmp_path / f"run{times}"
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(pictures, where, lambda *arguments, n=times: (kill(times=n)(), usual(*arguments)))
            start(run)
        assert (run / ("evolution.gif" if where == "save_gif" else "losses.png")).exists() == (times == 1)
        resume(run)
        assert (run / "losses.png").exists()
        assert_same_run(run, whole)


def test_the_film_is_made_of_the_frames_that_are_whole(tmp_path):
    start(tmp_path / "run", steps=12)
    samples = tmp_path / "run" / "samples"
    for name in ("²³.png", "notes.png"):
        (samples / name).write_bytes(b"no picture")
    (samples / "000006.png").write_bytes(b"")
    resume(tmp_path / "run", steps=STEPS)
    with Image.open(tmp_path / "run" / "evolution.gif") as film:
        assert film.n_frames == 5  # 0, 12, 15, 30, 40


def test_kept_checkpoints(tmp_path):
    run = start(tmp_path / "run", keep_checkpoints=2)._record.directory
    kept = sorted(path.name for path in (tmp_path / "run").glob("checkpoint-*.npz"))
    assert kept == ["checkpoint-000030.npz", "checkpoint-000040.npz"]
    assert arrays(run.checkpoint_path(40)).keys() == arrays(run.checkpoint).keys()
    assert int(arrays(run.checkpoint_path(30))["steps"]) == 30


def test_a_kept_checkpoint_that_cannot_be_deleted_now_is_deleted_later(tmp_path, monkeypatch):
    """On Windows a program that reads it prevents that."""
    unlink, refusals = Path.unlink, []

    def refusing(path, **options):
        if path.name == "checkpoint-000000.npz" and len(refusals) < 2:
            refusals.append(path)
            raise PermissionError(errno.EACCES, "held by another program")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refusing)
    start(tmp_path / "run", keep_checkpoints=1)
    assert len(refusals) == 2
    assert [path.name for path in (tmp_path / "run").glob("checkpoint-*.npz")] == ["checkpoint-000040.npz"]


def test_training_leaves_the_gans_switches_alone():
    for graph in (False, True):
        gan = small_gan(graph=graph)
        train(gan, steps=2)
        assert gan.graph is graph


# Things that go wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("victim", ["checkpoint.npz", "generator.npz", "history.csv", "000030.png"])
def test_a_full_disk_keeps_the_last_good_checkpoint(whole, tmp_path, monkeypatch, victim):
    run = tmp_path / "run"
    gan = small_gan()
    replace, open_ = os.replace, open

    def full(*arguments):
        if gan.steps > 20 and Path(arguments[-1]).name == victim:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(*arguments)

    def full_open(path, *arguments, **options):
        if gan.steps > 20 and str(path).endswith(victim) and "a" in arguments:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open_(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", full)
        patch.setattr("builtins.open", full_open)
        with pytest.raises(FileError, match=rf"{victim} cannot be written: No space left on device"):
            start(run, gan)
    assert int(arrays(run / "checkpoint.npz")["steps"]) in (20, 30)
    assert not list(run.rglob("*.tmp"))
    resume(run)
    assert_same_run(run, whole)


LEFT_BEHIND = {  # by a start that was killed before its first checkpoint
    "the folder and its lock": [".lock"],
    "an empty folder for samples": [".lock", "samples/"],
    "half a config.json": [".lock", "samples/", ".config.json.17.tmp"],
    "all but the checkpoint": [".lock", "samples/", "config.json", "history.csv"],
    "and half a checkpoint": [".lock", "samples/", "config.json", "history.csv", "samples/000000.png",
                              ".checkpoint.npz.17.tmp"],
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_BEHIND)
def test_what_a_killed_start_left_behind_is_no_dead_end(whole, here, case):
    """Either the folder may be taken as a new one, or the run in it can be resumed."""
    Path("run").mkdir()
    for name in LEFT_BEHIND[case]:
        if name.endswith("/"):
            Path("run", name).mkdir()
        else:
            Path("run", name).write_bytes((whole / name).read_bytes() if (whole / name).exists() else b"half")
    if "config.json" in LEFT_BEHIND[case]:
        Path("run/history.csv").write_text("step,d_loss\n", encoding="utf-8")
        with pytest.raises(SettingsError, match="resume='run'"):
            start("run")
        resume("run")
    else:
        start("run")
    assert_same_run(Path("run"), whole)


@pytest.mark.parametrize(
    "files, advice",
    [
        (["generator.npz"], "start a new run"),
        (["samples/000015.png", "samples/000000.png"], "start a new run"),
        (["history.csv"], "start a new run"),
        (["checkpoint-000020.npz", "generator.npz"], "copy checkpoint-000020.npz to that name"),
    ],
)
def test_a_trained_run_that_lost_its_checkpoint_is_not_begun_anew(whole, here, files, advice):
    Path("run/samples").mkdir(parents=True)
    for name in ["config.json", *files]:
        source = whole / name if (whole / name).exists() else whole / "checkpoint.npz"
        shutil.copy(source, Path("run", name))
    before = contents(here)
    with pytest.raises(FileError, match=f"checkpoint.npz is missing.*{advice}"):
        resume("run")
    assert contents(here) == before | {Path("run/.lock"): b""}


def test_a_start_beside_another_one_is_refused(here):
    fcntl = pytest.importorskip("fcntl")
    Path("run").mkdir()
    with open("run/.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FileError, match="run is in use by another program"):
            start("run")
    assert start("run", steps=1).steps == 1


@pytest.mark.parametrize("name", ["samples", "history.csv"])
def test_what_is_cleared_away_during_a_run_is_made_again(whole, tmp_path, name):
    run = tmp_path / "run"
    remove = lambda: shutil.rmtree(run / name) if name == "samples" else (run / name).unlink()  # noqa: E731
    start(run, callbacks=[At("on_step", 20, remove)])
    if name == "samples":
        assert [path.name for path in sorted((run / "samples").iterdir())] == ["000030.png", "000040.png"]
        shutil.rmtree(run / "samples")
        resume(run)
        assert [path.name for path in sorted((run / "samples").iterdir())] == ["000040.png"]
    assert history(run) == history(whole)


@pytest.fixture
def spreadsheet(monkeypatch):
    """spreadsheet.holds = True: another program has history.csv open, as one does on Windows."""
    holder, open_ = type("Spreadsheet", (), {"holds": False})(), open

    def refusing(call, target):
        def attempt(*arguments, **options):
            writes = call is not open_ or "a" in arguments[1:2]
            if holder.holds and writes and Path(str(arguments[target])).name == "history.csv":
                raise PermissionError(errno.EACCES, "held by another program")
            return call(*arguments, **options)

        return attempt

    monkeypatch.setattr(files, "PATIENCE", 0.05)
    monkeypatch.setattr(files.os, "replace", refusing(os.replace, -1))
    monkeypatch.setattr("builtins.open", refusing(open, 0))
    return holder


@pytest.mark.parametrize("until", [25, STEPS + 1])
@pytest.mark.parametrize("since", [0, 11])
def test_a_history_that_a_spreadsheet_holds_waits(whole, tmp_path, spreadsheet, capsys, since, until):
    """Until it lets go, or, if that is after the end, until the run is resumed."""
    run = tmp_path / "run"

    class Holds:
        def on_start(self, training):
            spreadsheet.holds = since == 0

        def on_step(self, training, losses):
            spreadsheet.holds = since <= training.step < until

    start(run, callbacks=[Holds()])
    said = capsys.readouterr().out
    assert "history.csv cannot be written: held by another program; its rows wait" in said
    assert (until > STEPS) == (len(history(run)) < 6 if (run / "history.csv").exists() else True)
    spreadsheet.holds = False
    gan = resume(run)
    assert len(gan._record.rows) == 6 and not gan._record.waiting
    assert history(run) == history(whole)
    resume(run, steps=STEPS + 1)
    assert "extra.rows" not in arrays(run / "checkpoint.npz")
    assert history(run) == history(whole)


def test_a_run_that_is_killed_while_its_history_waits_has_the_rows(whole, tmp_path, spreadsheet):
    run, kept = tmp_path / "run", tmp_path / "kept"

    def hold():
        spreadsheet.holds = True

    def copy_as_a_kill_leaves_it():
        shutil.copytree(run, kept)

    start(run, callbacks=[At("on_step", 11, hold), At("on_checkpoint", 30, copy_as_a_kill_leaves_it)])
    spreadsheet.holds = False
    assert len(history(kept)) == 1
    resume(kept)
    assert_same_run(kept, whole)


@pytest.mark.parametrize("number", files.HELD)
def test_what_lasts_a_moment_is_tried_again(number):
    calls = []

    def act():
        calls.append(1)
        if len(calls) < 4:
            raise OSError(number, os.strerror(number))
        return "done"

    assert files.patiently(act) == "done" and len(calls) == 4


def test_what_does_not_pass_is_told_at_once():
    calls = []

    def act():
        calls.append(1)
        raise OSError(errno.ENOSPC, "No space left")

    with pytest.raises(OSError, match="No space left"):
        files.patiently(act)
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["checkpoint.npz", "history.csv"])
def test_a_file_that_is_locked_for_a_moment_is_tried_again(whole, tmp_path, monkeypatch, name):
    run, refusals = tmp_path / "run", []

    def locked(call, target):
        def attempt(*arguments, **options):
            if Path(arguments[target]).name == name and len(refusals) < 5:
                refusals.append(name)
                raise PermissionError(errno.EACCES, "held by another program")
            return call(*arguments, **options)

        return attempt

    monkeypatch.setattr(files.os, "replace", locked(os.replace, -1))
    if name == "history.csv":
        monkeypatch.setattr("builtins.open", locked(open, 0))
    start(run)
    monkeypatch.undo()
    assert len(refusals) == 5
    assert history(run) == history(whole)


def test_a_file_that_stays_locked_is_an_error_after_a_while(tmp_path, monkeypatch):
    def locked(*arguments):
        raise PermissionError(errno.EACCES, "held by another program")

    monkeypatch.setattr(files, "PATIENCE", 0.1)
    monkeypatch.setattr(files.os, "replace", locked)
    begun = time.monotonic()
    with pytest.raises(FileError, match="cannot be written: held by another program"):
        files.write_atomically(tmp_path / "x", lambda file: file.write(b"x"))
    assert 0.1 <= time.monotonic() - begun < 2 and not any(tmp_path.iterdir())


def test_a_checkpoint_that_is_a_link_is_written_where_it_points(tmp_path):
    run, disk = tmp_path / "run", tmp_path / "large_disk"
    start(run, steps=10)
    disk.mkdir()
    shutil.move(run / "checkpoint.npz", disk / "mine.npz")
    (run / "checkpoint.npz").symlink_to(disk / "mine.npz")
    resume(run, steps=20)
    assert (run / "checkpoint.npz").is_symlink() and int(arrays(disk / "mine.npz")["steps"]) == 20
    assert [path.name for path in disk.iterdir()] == ["mine.npz"]


@pytest.mark.parametrize("number", [524, errno.EIO, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch, number):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*arguments):
        raise OSError(number, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    start(tmp_path / "run", steps=3)
    assert resume(tmp_path / "run", steps=5).steps == 5


@pytest.mark.parametrize("at", [3, 10, 27])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_layer(tmp_path, at):
    """The fault is planted where a replay meets it again: in the noise of one step."""
    run = tmp_path / "run"
    gan = small_gan()
    draw = gan.draw_noise
    gan.draw_noise = lambda n, stream, step: draw(n, stream, step) * (np.inf if (stream, step) == ("G", at) else 1)
    with pytest.raises(DivergedError) as caught:
        start(run, gan)
    message = str(caught.value)
    assert f"the numbers of step {at + 1} are not finite: G: the output of layer 0.Dense is not finite" in message
    saved = at // 10 * 10
    assert f"still holds step {saved}" in message and int(arrays(run / "checkpoint.npz")["steps"]) == saved
    assert all(np.isfinite(array).all() for name, array in arrays(run / "checkpoint.npz").items() if "params" in name)


def test_numbers_that_are_not_finite_never_reach_a_checkpoint(tmp_path):
    """The loss of a step is measured before its update: only the parameters show what the last update did."""
    gan = small_gan()
    update = gan.g_optimizer.update
    gan.g_optimizer.update = lambda p, g: update(p, g * np.inf if gan.steps == 9 else g)
    with pytest.raises(DivergedError, match=r"step 10 are not finite: G: 0\.Dense\.W is not finite.*holds step 0"):
        start(tmp_path / "run", gan)
    assert not gan.G.check_finite and not gan.D.check_finite
    assert np.isfinite(arrays(tmp_path / "run" / "generator.npz")["params"]).all()


def test_an_optimizers_vector_at_infinity_is_not_saved(tmp_path):
    def spoil():
        gan.d_optimizer.v[2] = np.inf

    gan = small_gan()
    with pytest.raises(DivergedError, match=r"D: Adam's v is not finite"):
        start(tmp_path / "run", gan, callbacks=[At("on_step", 30, spoil)])
    assert int(arrays(tmp_path / "run" / "checkpoint.npz")["steps"]) == 20


@pytest.mark.parametrize("where", ["parameters", "loss"])
def test_without_a_folder_a_divergence_still_says_what_is_not_finite(where):
    def spoil():
        (gan.G.params if where == "parameters" else gan.D.grads)[0] = np.nan

    gan = small_gan()
    if where == "loss":
        gan.objective.generator = lambda fake, real=None: (np.asarray(np.nan), np.zeros_like(fake))
        said = "step 1 are not finite: no layer's output or gradient was, only the loss"
    else:
        said = r"G: 0\.Dense\.W is not finite.*; try a smaller learning rate|G: 0\.Dense\.W is not finite"
    with pytest.raises(DivergedError, match=said):
        train(gan, steps=20, callbacks=[At("on_step", 9, spoil)])


def test_training_outside_the_main_thread(whole, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(start, tmp_path / "run").result()
    assert_same_run(tmp_path / "run", whole)


# Memory, copies ------------------------------------------------------------------------------------------------------


def fails(gan):
    with pytest.raises(KeyError):
        train(gan, steps=5, callbacks=[At("on_step", 3, lambda: {}["no"])])


def stops(gan):
    with pytest.raises(KeyboardInterrupt):
        train(gan, steps=5, callbacks=[At("on_step", 3, kill())])


@pytest.mark.parametrize("how", [lambda gan: train(gan, steps=5), fails, stops])
def test_del_frees_a_trained_gan_without_the_garbage_collector(how):
    gc.collect()
    gc.disable()
    try:
        gan = small_gan()
        how(gan)
        alive = weakref.ref(gan)
        del gan
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "copied", [lambda gan: gan.clone(), copy.deepcopy, lambda gan: pickle.loads(pickle.dumps(gan))]
)
def test_a_copy_begins_a_run_of_its_own(tmp_path, copied):
    gan = start(tmp_path / "run", steps=10)
    before = contents(tmp_path)
    other = copied(gan)
    with pytest.raises(SettingsError, match="this GAN has none yet"):
        mg.train(other, images(), more=5)
    run = mg.train(other, images(), steps=15, **PLAN)
    assert run.path is None and contents(tmp_path) == before
    mg.train(gan, images(), more=5, progress=False)
    assert np.array_equal(gan.G.params, other.G.params)


# Weights of another run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["run", "run/checkpoint.npz", "run/generator.npz"])
def test_weights_of_a_run_in_a_new_gan(here, source):
    old = start("run", small_gan(ema=0.9), steps=10)
    new = small_gan(seed=8, ema=0.5)
    d_before = new.D.params.copy()
    mg.load_weights(new, source)
    from_generator = source.endswith("generator.npz")
    assert np.array_equal(new.G.params, old.average if from_generator else old.G.params)
    assert np.array_equal(new.D.params, d_before if from_generator else old.D.params)
    assert np.array_equal(new.average, old.average)
    assert new.steps == new.g_optimizer.steps == 0 and not new.g_optimizer.m.any()
    assert mg.train(new, images(1), steps=3, progress=False).steps == 3


def test_weights_that_do_not_fit(here):
    start("run", steps=10)
    gan = mg.GAN(*models.mnist_mlp(IMAGE, latent=4, widths=(7, 6, 10), d_widths=(8, 5), dtype="float64"))
    before = gan.G.params.copy()
    with pytest.raises(
        ShapeError, match=r"G has 6\.Dense\.W of shape \(6, 10\) where the file has 6\.Dense\.W of shape \(6"
    ):
        mg.load_weights(gan, "run")
    assert np.array_equal(gan.G.params, before)
    with pytest.raises(SettingsError, match="has 10 steps already"):
        mg.load_weights(train(steps=10), "run")
    with pytest.raises(FileError, match="nowhere"):
        mg.load_weights(gan, "nowhere")
    Path("text").write_text("text", encoding="utf-8")
    with pytest.raises(FileError, match="text"):
        mg.load_weights(gan, "text")


# What is printed -----------------------------------------------------------------------------------------------------


def test_a_critics_run_has_its_estimate_and_no_accuracy(tmp_path):
    gan = small_gan(objective=wasserstein, clip=WeightClipping(0.05))
    run = mg.train(gan, images(), steps=12, out=tmp_path / "run", **PLAN)
    rows = history(tmp_path / "run")
    assert list(rows[0]) == ["step", "d_loss", "d_loss_real", "d_loss_fake", "w_estimate", "g_loss", "lr"]
    assert all(float(row["w_estimate"]) == -float(row["d_loss"]) for row in rows)
    assert "w_estimate" in repr(run) and "accuracy" not in repr(run)


def test_the_rate_of_a_schedule_is_in_the_history(tmp_path):
    start(tmp_path / "run", small_gan(schedule=StepLR(6, 0.5)), steps=18)
    assert [float(row["lr"]) for row in history(tmp_path / "run")] == [0.01, 0.005, 0.0025]


def test_samples_and_the_saved_generator_are_the_averages(tmp_path):
    gan = start(tmp_path / "run", small_gan(ema=0.9), steps=15)
    saved, checkpoint = arrays(tmp_path / "run" / "generator.npz"), arrays(tmp_path / "run" / "checkpoint.npz")
    assert np.array_equal(saved["params"], gan.average) and np.array_equal(checkpoint["average"], gan.average)
    assert np.array_equal(checkpoint["G.params"], gan.G.params) and not np.array_equal(gan.G.params, gan.average)
    assert not np.array_equal(saved["state"], gan.G.state) and np.array_equal(checkpoint["G.state"], gan.G.state)
    z = gan.draw_noise(25, "samples", 0)
    for params, state, same in ((gan.average, saved["state"], True), (gan.G.params.copy(), gan.G.state.copy(), False)):
        gan.G.params[...], gan.G.state[...] = params, state
        grid = pictures.grid(gan.G.predict(z), 5)[..., 0]
        with Image.open(tmp_path / "run" / "samples" / "000015.png") as image:
            assert np.array_equal(np.asarray(image), grid) == same


def test_a_learning_rate_far_too_large_ends_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", np.random.default_rng(0).integers(0, 256, (60, 6, 5), dtype=np.uint8))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--data", "images.npy", *SHORT, "--lr", "1e30", "--out", "run"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: the numbers of step ") and "layer" in done.stderr
    assert done.stderr.count("\n") == 1


ROW = {"step": 1, "d_loss": 1.25, "g_loss": 0.75, "lr": 0.1, "seconds": 2.0}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"d_accuracy": 0.5}, "D 1.250  G 0.750  D's accuracy 50%"),
        ({"w_estimate": 0.00021}, "D 1.250  G 0.750  Wasserstein estimate 0.00021"),
        ({"margin": 3.5, "modes": 7}, "D 1.250  G 0.750  margin 3.500  modes 7"),
    ],
)
def test_a_row_in_words(row, said):
    assert progress.in_words(ROW | row) == said


class Terminal:
    """A standard error that is a terminal, for tqdm."""

    encoding = "utf-8"

    def __init__(self, breaks=False):
        self.text, self.breaks = "", breaks

    def isatty(self):
        return True

    def write(self, text):
        if self.breaks:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize("breaks", [False, True])
def test_progress_on_a_terminal(monkeypatch, breaks):
    terminal = Terminal(breaks)
    monkeypatch.setattr(sys, "stderr", terminal)
    assert train(steps=12, progress=True).steps == 12
    assert breaks or ("12/12" in terminal.text and "D's accuracy" in terminal.text)


@pytest.mark.parametrize("breaks", [False, True])
def test_the_bar_says_that_the_first_step_compiles(monkeypatch, breaks):
    terminal = Terminal(breaks)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(NumpyBackend, "first_step", "compiling")
    assert train(steps=12, progress=True).steps == 12
    first, *_, last = [line for line in terminal.text.split("\r") if "/12" in line] or ["", ""]
    assert breaks or ("compiling" in terminal.text and "0/12" in first and "12/12" in last and "compiling" not in last)


def test_progress_elsewhere(monkeypatch, capsys):
    train(steps=12, progress=True)
    assert capsys.readouterr() == ("", "")  # a run of a moment says nothing
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    train(steps=12, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[0] for line in lines] == ["step 6 of 12", "step 12 of 12", "step 12 of 12"]
    assert all("steps/s" in line and "D's accuracy" in line for line in lines)


class Broken:
    """A standard output that cannot be written to."""

    encoding = "ascii"

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


@pytest.mark.parametrize(
    "stream", [None, Broken(BrokenPipeError()), Broken(OSError(errno.ENOSPC, "full")), Broken(ValueError("closed"))]
)
def test_what_cannot_be_printed_ends_no_run(tmp_path, monkeypatch, whole, stream):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    start(tmp_path / "run", progress=True)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "other", progress=True, callbacks=[At("on_step", 3, kill())])
    monkeypatch.undo()
    assert_same_run(tmp_path / "run", whole)


def test_a_narrow_output_gets_what_it_can_show():
    import io

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    printing.say("done: Läufe/größer", stream)
    assert stream.buffer.getvalue() == b"done: L?ufe/gr??er\n"


def test_a_reader_that_has_seen_enough_ends_no_run(tmp_path):
    """As with `| head -1`."""
    code = (
        "import numpy as np, minigan as mg, minigan.progress as p; p.LINE_SECONDS = 0\n"
        "from tests.gans import small_gan, IMAGE\n"
        "x = np.random.default_rng(0).integers(0, 256, (50, *IMAGE), dtype=np.uint8)\n"
        f"mg.train(small_gan(), x, steps=300, log_every=1, out={str(tmp_path / 'run')!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert b"step 1 of 300" in process.stdout.readline()
    process.stdout.close()
    process.stderr.read()
    process.stderr.close()
    process.wait(60)
    assert mg.open_run(tmp_path / "run").steps == 300 and mg.open_run(tmp_path / "run").stopped is None


def test_ctrl_c_is_exit_status_130():
    def interrupted(argv):
        raise KeyboardInterrupt

    assert cli.guarded(interrupted) == 130


# Folders that are not what the GAN remembers; and what callbacks and configurations may bring. ------------------------


def test_a_run_that_has_gone_on_elsewhere_is_not_taken_back(tmp_path):
    """A notebook that was left open, while the run was resumed by another program."""
    run = tmp_path / "run"
    stale = small_gan()
    start(run, stale, steps=20)
    resume(run, steps=30)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(FileError, match=r"gone on without this GAN, to step 30: this GAN left it at step 20.*resume="):
        mg.train(stale, images(), more=5, progress=False)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["deleted and made anew", "another folder of that name"])
def test_another_runs_folder_of_the_same_name_is_left_alone(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    first = small_gan()
    start(Path("run"), first, steps=20)
    if how == "deleted and made anew":
        shutil.rmtree("run")
    else:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
    start(Path("run"), small_gan(seed=4), steps=20)
    before = Path("run/checkpoint.npz").read_bytes()
    with pytest.raises(FileError, match="is another run's folder now"):
        mg.train(first, images(), more=5, progress=False)
    assert Path("run/checkpoint.npz").read_bytes() == before


def test_only_kept_checkpoints_are_pruned_and_no_later_ones(tmp_path):
    run = tmp_path / "run"
    mine = run / "000001.npz"

    class Mine:
        def on_start(self, training):
            mine.write_bytes(b"mine")

    start(run, steps=30, keep_checkpoints=2, callbacks=[Mine()])
    names = lambda: sorted(path.name for path in run.glob("checkpoint-*.npz"))  # noqa: E731
    assert names() == ["checkpoint-000020.npz", "checkpoint-000030.npz"] and mine.read_bytes() == b"mine"
    shutil.copy(run / "checkpoint-000020.npz", run / "checkpoint.npz")
    resume(run, steps=25)
    assert names() == ["checkpoint-000020.npz", "checkpoint-000025.npz", "checkpoint-000030.npz"]


def test_what_was_refused_changes_nothing_of_the_run(tmp_path):
    gan = small_gan()
    start(tmp_path / "run", gan, steps=10)
    plan = gan._record.plan
    with pytest.raises(SettingsError, match="more=0"):
        mg.train(gan, images(), more=0, log_every=1, grid=2, progress=False)
    assert gan._record.plan == plan


def test_a_checkpoint_may_be_named_in_place_of_its_folder(tmp_path):
    start(tmp_path / "run", steps=10)
    run = mg.train(small_gan(), images(), resume=tmp_path / "run" / "checkpoint.npz", more=2, progress=False)
    assert run.steps == 12


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda row: row.update(step=3), "a callback changed step in the row of step 6"),
        (lambda row: row.pop("d_loss"), "changed d_loss"),
        (lambda row: row.clear(), "changed step, d_loss"),
        (lambda row: row.update({"a\u2028b": 1}), "wanted a name in one line"),
        (lambda row: row.update({"a\r": 1}), "wanted a name in one line"),
        (lambda row: row.update(big=10**400), "wanted a number"),
        (lambda row: row.update(words="x"), "wanted a number"),
    ],
)
def test_a_row_that_could_not_be_read_again_is_refused(tmp_path, whole, change, words):
    class Changes:
        def on_log(self, training, row):
            if training.step == 6:
                change(row)

    with pytest.raises(SettingsError, match=words):
        start(tmp_path / "run", callbacks=[Changes()])
    resume(tmp_path / "run")
    assert_same_run(tmp_path / "run", whole)


@pytest.mark.parametrize("name", ["G.state", "D.optimizer.m", "D.forwards", "steps", "G.optimizer.learning_rate"])
@pytest.mark.parametrize("damage", ["missing", "short", "not a number"])
def test_a_damaged_checkpoint_leaves_the_gan_as_it_was(tmp_path, name, damage):
    from minigan.checkpoint import load_checkpoint

    path = tmp_path / "run" / "checkpoint.npz"
    start(tmp_path / "run", steps=10)
    with np.load(path) as archive:
        stored = dict(archive)
    array = stored.pop(name)
    if damage == "short":
        stored[name] = np.resize(array, 5)
    if damage == "not a number":
        stored[name] = np.full(array.shape, np.nan)
    np.savez(path, **stored)
    gan = small_gan()
    before = gan.G.params.copy(), gan.D.params.copy(), gan.G.state.copy(), gan.steps
    with pytest.raises(FileError, match=rf"checkpoint.npz is damaged: .*{name}"):
        load_checkpoint(path, gan)
    after = gan.G.params, gan.D.params, gan.G.state, gan.steps
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_settings_and_schedules_of_any_kind_go_into_the_configuration(tmp_path):
    gan = lambda c: small_gan(schedule=functools.partial(scaled, c=c))  # noqa: E731
    notes = {"where": Path("x"), "tags": {"b", "a"}, "bad": float("nan")}
    start(tmp_path / "run", gan(0.5), steps=10, settings=notes)
    stored = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["settings"]
    assert stored["where"] == "x" and stored["tags"] == ["a", "b"]
    resume(tmp_path / "run", gan(0.5), steps=12)
    with pytest.raises(FileError, match=r"the two differ in schedule, c: 0.25 here, 0.5 there"):
        resume(tmp_path / "run", gan(0.25), steps=14)


def scaled(step, c):
    return c


def test_callbacks_are_told_apart_by_identity(tmp_path):
    class Odd:
        def __init__(self):
            self.array = np.ones(3)

        def __eq__(self, other):
            return self.array == other.array

        __hash__ = None

        def on_step(self, training, losses):
            pass

    start(tmp_path / "run", steps=6, callbacks=[Odd(), Odd()])


@pytest.mark.parametrize("method, words", [
    (lambda self, training: None, r"on_log takes \(training\); it is called with \(training, row\)"),
    (lambda self: None, r"on_log takes \(\)"),
])  # fmt: skip
def test_a_callback_with_another_signature_is_refused_at_once(tmp_path, method, words):
    with pytest.raises(SettingsError, match=words):
        start(tmp_path / "run", callbacks=[type("Mine", (), {"on_log": method})()])
    assert not (tmp_path / "run").exists()


def test_after_ctrl_c_the_picture_is_that_of_the_last_step(tmp_path):
    gan = small_gan()
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", gan, callbacks=[At("on_step", 17, kill())])
    assert gan._record.samples is not None and gan.steps == 17
    assert np.array_equal(gan._record.samples, gan.images(gan.draw_noise(25, "samples", 0)))
    assert not (tmp_path / "run" / "samples" / "000017.png").exists(), "an uninterrupted run has no such file"
