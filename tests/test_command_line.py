"""The command line: what is refused and in which words, what every flag does, and the commands of `minigan`."""

import csv
import dataclasses
import errno
import importlib.metadata
import importlib.util
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan import __version__, cli, load_model, loop, models, pictures, save_model, settings
from minigan import backend as backends
from minigan.backend import NumpyBackend, cores
from minigan.backend.blas import blas
from minigan.cli import guarded, main
from minigan.data import images, load
from minigan.errors import BackendError, FileError
from minigan.generator import draw_noise, with_labels
from minigan.layers import Dense, Residual
from minigan.network import Sequential
from minigan.settings import in_flags

SCRIPT = Path(__file__).parent.parent / "examples" / "mnist_mlp_gan.py"
BASE = ["--data", "images.npy", "--steps", "3", "--batch-size", "4"]  # a run of a moment


def loaded_example():
    spec = importlib.util.spec_from_file_location("mnist_mlp_gan", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = loaded_example()


def train(*argv):
    """The example with these arguments, as from the command line. Returns its exit status."""
    return guarded(example.main, [str(argument) for argument in argv])


def minigan(*argv):
    """The command `minigan`, likewise."""
    return main([str(argument) for argument in argv])


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Every test works in a folder of its own, with 40 images of 6 x 5 in images.npy."""
    monkeypatch.delenv("MINIGAN_BACKEND", raising=False)
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", np.random.default_rng(0).integers(0, 256, (40, 6, 5), dtype=np.uint8))
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of BASE, made once; tests that go on with it take a copy."""
    where = tmp_path_factory.mktemp("finished")
    np.save(where / "images.npy", np.random.default_rng(0).integers(0, 256, (40, 6, 5), dtype=np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        patch.delenv("MINIGAN_BACKEND", raising=False)
        assert train(*BASE, "--out", "run") == 0
    return where / "run"


@pytest.fixture
def run(finished):
    """A copy of the finished run, to go on with."""
    return Path(shutil.copytree(finished, "run"))


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """The model file of an untrained generator of 28 x 28 images."""
    path = tmp_path_factory.mktemp("model") / "generator.npz"
    save_model(path, models.mnist_mlp(widths=(16, 8), seed=5, backend="numpy")[0])
    return path


@pytest.fixture
def refused(capsys):
    """refused(status, *words): the command ended with 2 and one line on stderr that has these words."""

    def check(status, *words):
        said = capsys.readouterr()
        assert status == 2 and said.out == ""
        assert said.err.startswith("error: ") and said.err.endswith("\n") and said.err.count("\n") == 1
        for word in words:
            assert word in said.err
        return said.err

    return check


def contents(path):
    """Every file under a folder, with its bytes; but for the lock, which a refused command may leave."""
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file() and file.name != ".lock"}


def config(run):
    return json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))


def numbers(run):
    """All parameters of both networks after a run."""
    with np.load(Path(run) / "checkpoint.npz") as arrays:
        return np.concatenate([arrays["G.params"], arrays["D.params"]])


# Refused settings ----------------------------------------------------------------------------------------------------

REFUSED = [
    ("--steps 0", "--steps is 0; it must be at least 1"),
    ("--steps -5", "--steps is -5; it must be at least 1"),
    ("--steps x", "--steps", "'x'"),
    ("--steps 1.5", "--steps", "'1.5'"),
    ("--steps", "--steps", "expected one argument"),
    ("--batch-size 0", "--batch-size is 0; it must be at least 1"),
    ("--batch-size 1", "BatchNorm", "use a batch of 2 or more"),
    ("--log-every 0", "--log-every is 0"),
    ("--sample-every 0", "--sample-every is 0"),
    ("--checkpoint-every 0", "--checkpoint-every is 0"),
    ("--seed -1", "--seed is -1", "at least 0"),
    (f"--seed {2**64}", f"--seed is {2**64}", f"less than {2**64}"),
    ("--lr -1", "--lr is -1.0; it must be at least 0"),
    ("--lr nan", "--lr is nan"),
    ("--lr inf", "--lr is inf"),
    ("--lr fast", "--lr", "'fast'"),
    ("--beta1 1", "--beta1 is 1.0", "less than 1"),
    ("--beta1 -0.1", "--beta1 is -0.1", "at least 0"),
    ("--beta1 nan", "--beta1 is nan"),
    ("--latent 0", "--latent is 0; it must be at least 1"),
    ("--latent 1000000000000", "less than 100000"),
    ("--latent 1000000000000000000", "less than 100000"),
    ("--loss nonsense", "--loss", "'nonsense'", "logits", "bce"),
    ("--objective nonsense", "--objective", "'nonsense'", "non-saturating", "saturating"),
    ("--noise nonsense", "--noise", "'nonsense'", "fresh", "same"),
    ("--d-update nonsense", "--d-update", "'nonsense'", "summed", "two_steps"),
    ("--backend nonsense", "--backend", "'nonsense'", "numpy", "cupy"),
    ("--g-steps 0", "--g-steps is 0; it must be at least 1 and less than 1000"),
    ("--g-steps 1.5", "--g-steps", "'1.5'"),
    ("--d-lr -1", "--d-lr is -1.0; it must be at least 0"),
    ("--d-lr nan", "--d-lr is nan"),
    ("--keep-checkpoints -1", "--keep-checkpoints is -1; it must be at least 0"),
    ("--keep-checkpoints all", "--keep-checkpoints", "'all'"),
    ("--more 5", "--steps and --more each say how long to train: give one of them"),
    ("--start-from nothing", "--start-from nothing: nothing does not exist", "model file"),
    ("--start-from images.npy", "--start-from images.npy", "checkpoint or a model file"),
    ("--speed 3", "unrecognized argument: --speed; did you mean --seed?"),
    ("--frobnicate=3", "unrecognized argument: --frobnicate\n"),
    ("--step 3", "--step; did you mean --steps?"),  # no abbreviations: the next flag would change their meaning
    ("--d_lr 3", "--d_lr; did you mean --d-lr?"),
    ("surplus", "unrecognized arguments: surplus"),
    ("--noise sane", "'sane' is none of the choices: fresh, same; did you mean same?"),
    ("--data missing.npy", "missing.npy does not exist"),
    ("--data image.npy", "--data image.npy does not exist; did you mean images.npy?"),
    ("--data images.npy:x", "--data images.npy:x does not exist; did you mean images.npy?"),
    ("--resume other", "--resume", "--out"),
]


def rows(table):
    """For parametrize: the flags, which name the case, and the words."""
    return {"argvalues": [(flags, words) for flags, *words in table], "ids": [flags for flags, *_ in table]}


@pytest.mark.parametrize(("flags", "words"), **rows(REFUSED))
def test_a_refused_setting_is_named_and_leaves_nothing_behind(refused, flags, words):
    refused(train(*BASE, "--out", "run", *flags.split()), *words)
    assert os.listdir() == ["images.npy"]


# Where a run goes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kept.txt", ".kept", "kept/below.txt"])
def test_a_folder_with_files_is_never_a_new_runs(refused, folder, name):
    file = folder / "run" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine", encoding="utf-8")
    before = contents(folder)
    refused(train(*BASE, "--out", "run"), "--out run exists already", "never overwritten", "--resume run")
    assert contents(folder) == before


@pytest.mark.parametrize("out", ["images.npy", "images.npy/run"])
def test_a_file_is_never_a_run(refused, folder, out):
    before = contents(folder)
    refused(train(*BASE, "--out", out), "images.npy")
    assert contents(folder) == before


def test_an_empty_folder_may_become_a_run(folder, no_pictures):
    (folder / "run").mkdir()
    assert train(*BASE, "--out", "run") == 0
    assert config("run")["settings"]["steps"] == 3


def test_the_last_grid_is_named_also_where_the_last_row_came_before_it(folder, no_pictures, capsys):
    assert train(*BASE, "--out", "run", "--log-every", "2") == 0
    assert "samples/000003.png" in capsys.readouterr().out


def test_without_out_every_run_gets_a_folder_of_its_own(folder, no_pictures, capsys):
    for _ in range(2):
        assert train(*BASE) == 0
    runs = sorted((folder / "runs").iterdir())
    assert len(runs) == 2 and all(run.name.startswith("mnist_mlp_gan-") for run in runs)
    assert all((run / "generator.npz").exists() for run in runs)
    said = capsys.readouterr().out
    assert all(f"done: runs/{run.name} " in said for run in runs)


def test_a_run_says_what_it_left_and_what_to_type_next(run, capsys):
    files = ["samples/000003.png", "evolution.gif", "losses.png", "generator.npz", "checkpoint.npz", "history.csv"]
    assert all((run / name).stat().st_size > 0 for name in [*files, "samples/000000.png", "config.json"])
    assert train("--resume", "run", "--steps", "4") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ["samples/000004.png", "evolution.gif", "losses.png", "generator.npz"])
    command = said.strip().splitlines()[-1].removeprefix("next: python -m minigan ")
    assert minigan(*command.split()) == 0  # as it was printed
    assert Path("grid.png").exists()


# Resuming ------------------------------------------------------------------------------------------------------------


def write(name, content):
    return lambda run: (run / name).write_bytes(content)


def remove(name):
    return lambda run: (run / name).unlink()


def changed(change):
    """config.json with one thing changed."""

    def prepare(run):
        whole = config(run)
        change(whole)
        (run / "config.json").write_text(json.dumps(whole), encoding="utf-8")

    return prepare


def setting(**values):
    return changed(lambda whole: whole["settings"].update(values))


# What is done to the run, the flags, and the words of the refusal.
DAMAGED = "run/config.json is damaged"
RESUME = {
    "missing": (shutil.rmtree, [], ["--resume run", "no run is there\n"]),
    "nearly the name": (lambda run: run.rename("run2"), [], ["--resume run: no run is there; did you mean run2?"]),
    "not a run": (remove("config.json"), [], ["run: no run is there", "run/config.json does not exist"]),
    "a file": (lambda run: (shutil.rmtree(run), run.write_bytes(b"x")), [], ["run/config.json cannot be read"]),
    "empty config": (write("config.json", b""), [], [DAMAGED]),
    "half a config": (write("config.json", b'{"settings": {"st'), [], [DAMAGED]),
    "binary config": (write("config.json", b"\xff\xfe"), [], [DAMAGED]),
    "a list": (write("config.json", b"[]"), [], [DAMAGED]),
    "no settings": (changed(lambda whole: whole.pop("settings")), [], [DAMAGED]),
    "null settings": (changed(lambda whole: whole.update(settings=None)), [], [DAMAGED]),
    "settings a number": (changed(lambda whole: whole.update(settings=5)), [], [DAMAGED]),
    "no data": (changed(lambda whole: whole.pop("data")), [], [DAMAGED]),
    "no fingerprint": (changed(lambda whole: whole["data"].pop("fingerprint")), [], [DAMAGED]),
    "text for a number": (setting(lr="fast"), [], ["config.json", "lr"]),
    "null for a number": (setting(lr=None), [], ["config.json", "lr"]),
    "a list for a name": (setting(loss=[]), [], ["config.json", "loss"]),
    "a value out of range": (setting(beta1=2), [], ["beta1", "2"]),
    "a setting too many": (setting(depth=3), [], ["program or version", "depth"]),
    "another system": (changed(lambda whole: whole.update(system="dcgan")), [], ["run of dcgan", "of mnist_mlp_gan"]),
    "no checkpoint": (remove("checkpoint.npz"), [], ["run/checkpoint.npz is missing", "start a new run"]),
    "half a checkpoint": (lambda run: os.truncate(run / "checkpoint.npz", 10**6), [], ["run/checkpoint.npz"]),
    "no real checkpoint": (write("checkpoint.npz", b"x"), [], ["run/checkpoint.npz"]),
    "another seed": (None, ["--seed", "9"], ["--seed 9 (the run has 0)", "leave them out"]),
    "two other settings": (
        None, ["--lr", "0.1", "--noise", "same", "--batch-size", "4"],
        ["--lr 0.1 (the run has 0.0002)", "--noise same (the run has fresh)"],
    ),
    "--quick": (None, ["--quick"], ["--log-every 20 (the run has 100)", "--sample-every 200 (the run has 3000)"]),
    "another number of G's updates": (None, ["--g-steps", "2"], ["--g-steps 2 (the run has 1)", "leave them out"]),
    "another learning rate of D": (None, ["--d-lr", "0.1"], ["--d-lr 0.1 (the run has none)", "leave them out"]),
    "fewer steps": (None, ["--steps", "2"], ["--steps 2 counts all steps", "has 3", "for 2 more, --more 2"]),
    "no more steps": (None, ["--more", "0"], ["--more is 0; it must be at least 1"]),
    "more and all": (None, ["--more", "2", "--steps", "9"], ["--steps and --more each say how long", "give one"]),
    "other weights": (None, ["--start-from", "run"], ["--resume run goes on", "--start-from begins a new one"]),
    "more without a checkpoint": (remove("checkpoint.npz"), ["--more", "2"], ["checkpoint.npz is missing"]),
    "more of half a checkpoint": (
        lambda run: os.truncate(run / "checkpoint.npz", 10**6), ["--more", "2"], ["run/checkpoint.npz"]
    ),
    "other pixels": (None, ["--data", "other.npy"], ["the run in run", "other.npy", "images.npy", "fingerprint"]),
    "another size": (None, ["--data", "wide.npy"], ["the run in run", "wide.npy", "images.npy"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RESUME)
def test_a_run_that_cannot_go_on_is_left_as_it_is(refused, run, folder, case):
    images = np.load("images.npy")
    np.save("other.npy", images[::-1])
    np.save("wide.npy", images.transpose(0, 2, 1))
    prepare, flags, words = RESUME[case]
    if prepare is not None:
        prepare(run)
    before = contents(folder)
    steps = [] if {"--steps", "--more"} & set(flags) else ["--steps", "5"]
    message = refused(train("--resume", "run", *steps, *flags), *words)
    assert "--batch-size" not in message  # only what differs
    assert contents(folder) == before


def test_a_run_in_use_is_left_alone(refused, run, folder):
    fcntl = pytest.importorskip("fcntl")  # Windows has none, and keeps no two programs apart
    before = contents(folder)
    with open(run / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(train("--resume", "run", "--steps", "5"), "run is in use by another program")
    assert contents(folder) == before
    assert train("--resume", "run", "--steps", "4") == 0


def test_a_resumed_run_takes_more_steps_and_the_same_pixels_from_elsewhere(run, no_pictures):
    os.rename("images.npy", "moved.npy")
    flags = ["--more", "2", "--data", "moved.npy", "--checkpoint-every", "1", "--keep-checkpoints", "2"]
    assert train("--resume", "run", *flags, "--lr", "0.0002") == 0  # the last as it was
    found = config(run)["settings"]
    assert (found["steps"], found["data"], found["checkpoint_every"]) == (5, "moved.npy", 1)
    assert (run / "samples" / "000005.png").exists()
    assert sorted(file.name for file in run.glob("checkpoint-*")) == ["checkpoint-000004.npz", "checkpoint-000005.npz"]


# The library's messages, in the command's words -----------------------------------------------------------------------

WORDS = [
    ("steps=2 counts all steps: for 2 more, more=2", "--steps 2 counts all steps: for 2 more, --more 2"),
    ("batch_size=0: wanted a whole number", "--batch-size 0: wanted a whole number"),
    ("out='runs/a' is there: resume='runs/a'", "--out runs/a is there: --resume runs/a"),
    ("out='my run' is there", "--out 'my run' is there"),
    ("out= is a new folder, and resume= an old one", "--out is a new folder, and --resume an old one"),
    ("Say steps=, for all of them, or more=.", "Say --steps, for all of them, or --more."),
    ("batch_size=-1: wanted", "--batch-size -1: wanted"),
    ("callbacks=[Mine()] and classes=3", "callbacks=[Mine()] and classes=3"),  # no flags of this command
    ("d_steps=3, g_steps=2", "d_steps=3, --g-steps 2"),  # nor is this one
    ("runs/steps=3/g.npz: x_steps=3, a.lr=1", "runs/steps=3/g.npz: x_steps=3, a.lr=1"),
    ("20 steps of the data, its noise and out", "20 steps of the data, its noise and out"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "wanted"), WORDS, ids=[said for said, _ in WORDS])
def test_arguments_are_named_as_flags(said, wanted):
    assert in_flags(said, {*OTHER, "out", "resume", "more"}) == wanted


def test_a_commands_words_for_an_error_of_the_library(refused, monkeypatch):
    """And what was saved, which the library says in a note."""

    def failing(*arguments, **options):
        error = FileError("batch_size=4, out='run', classes=2")
        error.add_note("run/checkpoint.npz holds step 2")
        raise error

    monkeypatch.setattr("minigan.image_runs.train", failing)
    refused(train(*BASE), "error: --batch-size 4, --out run, classes=2; run/checkpoint.npz holds step 2\n")


# What every flag does ------------------------------------------------------------------------------------------------

OTHER = {
    "steps": 4,
    "batch_size": 5,
    "seed": 9,
    "grid": 2,
    "data": "images.npy",
    "stretch": True,
    "skip_damaged": True,
    "backend": "numpy",
    "log_every": 2,
    "sample_every": 3,
    "checkpoint_every": 2,
    "keep_checkpoints": 2,
    "evaluate_every": 4,
    "keep_best": True,
    "start_from": "old.npz",
    "lr": 0.003,
    "d_lr": 0.001,
    "g_steps": 2,
    "augment": "translation",
    "beta1": 0.9,
    "latent": 7,
    "loss": "bce",
    "objective": "saturating",
    "noise": "same",
    "d_update": "summed",
}
FLAGS = {name: "--" + name.replace("_", "-") for name in OTHER}


def test_every_flag_arrives_in_the_run(no_pictures, monkeypatch):
    """In config.json; and those that say when something is written, in what is written."""
    saved, save = [], loop.save_checkpoint

    def observed(path, gan, extra, run):
        saved.append(gan.steps)
        save(path, gan, extra, run)

    monkeypatch.setattr(loop, "save_checkpoint", observed)
    G, _ = models.mnist_mlp((6, 5, 1), OTHER["latent"], backend="numpy")
    save_model("old.npz", G)
    assert {field.name for field in dataclasses.fields(example.Settings)} == set(OTHER)
    assert all(field.default != OTHER[field.name] for field in dataclasses.fields(example.Settings))

    words = [(FLAGS[name],) if value is True else (FLAGS[name], value) for name, value in OTHER.items()]
    assert train(*(word for pair in words for word in pair), "--out", "run") == 0
    assert config("run")["settings"] == OTHER
    with open("run/history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4"]
    assert {float(row["lr"]) for row in rows} == {0.003}
    assert rows[0]["distance"] == "" and float(rows[1]["distance"]) > 0 and Path("run/best_generator.npz").exists()
    assert sorted(os.listdir("run/samples")) == ["000000.png", "000003.png", "000004.png"]
    with Image.open("run/samples/000004.png") as grid:
        assert grid.size[::-1] == pictures.grid(np.zeros((4, 6, 5, 1)), 2).shape[:2]
    assert saved == [0, 0, 2, 2, 4, 4]  # each under two names
    assert sorted(file.name for file in Path("run").glob("checkpoint-*")) == [
        "checkpoint-000002.npz", "checkpoint-000004.npz"
    ]  # fmt: skip
    assert load_model("run/generator.npz").input_shape == (7,)


CHANGES_THE_NUMBERS = [
    "batch_size",
    "seed",
    "lr",
    "d_lr",
    "g_steps",
    "augment",
    "beta1",
    "objective",
    "noise",
    "d_update",
]


@pytest.mark.parametrize("name", CHANGES_THE_NUMBERS)
def test_a_flag_changes_what_is_trained(finished, no_pictures, name):
    """By more than rounding: Adam moves a parameter by about the learning rate, 2e-4, in a step."""
    assert train(*BASE, FLAGS[name], OTHER[name], "--out", "run") == 0
    assert abs(numbers("run") - numbers(finished)).max() > 2e-5


def test_the_same_command_trains_the_same_numbers(finished, no_pictures):
    assert train(*BASE, "--log-every", "1", "--sample-every", "1", "--checkpoint-every", "1", "--out", "run") == 0
    assert np.array_equal(numbers("run"), numbers(finished))


class Stopped(Exception):
    """Raised in place of training."""


WIRING = [
    ("--lr 0.003", lambda gan: (gan.g_optimizer.learning_rate, gan.d_optimizer.learning_rate), (0.003, 0.003)),
    ("--d-lr 0.003", lambda gan: (gan.g_optimizer.learning_rate, gan.d_optimizer.learning_rate), (0.0002, 0.003)),
    ("--lr 0.003 --d-lr 0", lambda gan: (gan.g_optimizer.learning_rate, gan.d_optimizer.learning_rate), (0.003, 0)),
    ("--g-steps 3", lambda gan: gan.g_steps, 3),
    ("--augment cutout,color", lambda gan: gan.augment.policy, "cutout,color"),
    ("--beta1 0.9", lambda gan: (gan.g_optimizer.beta1, gan.d_optimizer.beta1), (0.9, 0.9)),
    ("--seed 9", lambda gan: (gan.seed, gan.G.seed, gan.D.seed), (9, 9, 9)),
    ("--latent 7", lambda gan: gan.G.input_shape, (7,)),
    ("--loss bce", lambda gan: kinds(gan.objective.loss, gan.D.layers[-1]), ("BCE", "Sigmoid")),
    ("--loss logits", lambda gan: kinds(gan.objective.loss, gan.D.layers[-1]), ("BCEWithLogits", "Dense")),
    ("--objective saturating", lambda gan: kinds(gan.objective), ("Saturating",)),
    ("--objective non-saturating", lambda gan: kinds(gan.objective), ("NonSaturating",)),
    ("--noise same", lambda gan: gan.noise, "same"),
    ("--noise fresh", lambda gan: gan.noise, "fresh"),
    ("--d-update summed", lambda gan: gan.d_update, "summed"),
    ("--d-update two_steps", lambda gan: gan.d_update, "two_steps"),
    ("--data images.npy", lambda gan: gan.D.input_shape, (6, 5, 1)),
]


def kinds(*objects):
    return tuple(type(one).__name__ for one in objects)


@pytest.mark.parametrize(("flags", "look", "expected"), WIRING, ids=[row[0] for row in WIRING])
def test_a_flag_reaches_both_networks(monkeypatch, flags, look, expected):
    def stop(gan, images, command, name):
        assert look(gan) == expected
        raise Stopped

    monkeypatch.setattr(example, "run_command", stop)
    with pytest.raises(Stopped):
        example.main([*BASE, *flags.split()])


@pytest.mark.parametrize(("flags", "graph"), [([], True), (["--no-graph"], False)])
def test_no_graph_reaches_the_gan(monkeypatch, flags, graph):
    def stop(gan, images, **options):
        assert gan.graph == graph
        raise Stopped

    monkeypatch.setattr("minigan.image_runs.train", stop)
    with pytest.raises(Stopped):
        example.main([*BASE, *flags])


def test_arguments_of_a_notebook(monkeypatch):
    """A string is split as a shell does, and the kernel's own arguments are none of ours."""
    np.save("my images.npy", np.load("images.npy"))
    quick = settings.parse_command(example.Settings, None, example.QUICK, "--quick --data 'my images.npy'").settings
    assert (quick.steps, quick.data) == (example.QUICK["steps"], "my images.npy")
    monkeypatch.setattr(sys, "argv", ["launcher.py", "--f", "kernel.json"])
    with pytest.raises(settings.SettingsError, match="--f"):
        settings.parse_command(example.Settings, None, {}, None)
    monkeypatch.setattr(settings, "in_notebook", lambda: True)
    assert settings.parse_command(example.Settings, None, {}, None).settings == example.Settings()


def test_after_ctrl_c_a_notebook_is_told_what_it_can_type(monkeypatch, no_pictures, capsys):
    """Its kernel's launcher is a program, too, but nobody started it."""
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    for module in ("settings", "training", "image_runs"):
        monkeypatch.setattr(f"minigan.{module}.in_notebook", lambda: True)
    usual = loop.Training.take_step

    def interrupted(training):
        signal.raise_signal(signal.SIGINT)  # os.kill would end it on Windows
        return usual(training)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "take_step", interrupted)
        example.main(" ".join([*BASE, "--out my_run"]))
    said = capsys.readouterr()
    assert said.out == "stopped at step 1, which my_run/checkpoint.npz holds; to go on: main('--resume my_run')\n"
    example.main("--resume my_run")
    assert "done: my_run" in capsys.readouterr().out


def test_quick_stands_for_its_settings_and_flags_win_over_it(no_pictures):
    assert train("--quick", "--data", "images.npy", "--steps", "2", "--log-every", "1", "--out", "run") == 0
    settings = config("run")["settings"]
    assert (settings["steps"], settings["log_every"]) == (2, 1)
    assert settings["sample_every"] == example.QUICK["sample_every"] != example.Settings().sample_every
    assert settings["batch_size"] == example.Settings().batch_size


@pytest.mark.parametrize(
    ("command", "argv", "words"),
    [
        (example.main, ["--help"], [*FLAGS.values(), "--quick", "--out", "--resume", "--more", "default 0.0002"]),
        (
            main,
            ["sample", "--help"],
            ["--count", "--seed", "--label", "--columns", "--walk", "--frames", "--out", "--backend", ".png", ".npy"],
        ),
        (main, ["summary", "--help"], ["mnist_mlp", "--classes", "model file"]),
        (main, ["crop-faces", "--help"], ["FOLDER", "--out", "--boxes", "--cascade", "file,x,y,width,height"]),
        (main, ["--help"], ["sample", "play", "summary", "crop-faces", "backends", "gradcheck", "--version"]),
        (main, ["--version"], [f"minigan {__version__}\n"]),
    ],
)
def test_help_names_every_flag(capsys, command, argv, words):
    with pytest.raises(SystemExit) as ended:
        command(argv)
    said = capsys.readouterr()
    assert ended.value.code == 0 and said.err == ""
    assert all(word in said.out for word in words)


# Backends ------------------------------------------------------------------------------------------------------------


def no_device(**functions):
    """A CuPy that was installed, on a machine it cannot compute on."""
    return types.SimpleNamespace(is_available=lambda: bool(functions), float32="float32", **functions)


def broken(*arguments, **options):
    raise RuntimeError("cudaErrorInsufficientDriver")


CUPY = {
    "not installed": (None, ["CuPy is not installed", "pip install 'minigan[cuda12]'"]),
    "no GPU": (no_device(), ["no usable NVIDIA GPU"]),
    "a GPU that cannot compute": (no_device(zeros=broken), ["cannot compute on it", "cudaErrorInsufficientDriver"]),
}


@pytest.mark.parametrize("case", CUPY)
def test_backends_says_what_can_be_used_and_why_not(capsys, monkeypatch, case):
    module, words = CUPY[case]
    monkeypatch.setitem(sys.modules, "cupy", module)
    assert minigan("backends") == 0
    first, _, cupy, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("numpy     usable: NumPy") and cupy.startswith("cupy      not usable: ")
    assert all(word in cupy for word in words)
    assert {"processor", "threads", "caches", "products", "block", "tuning"} <= {line.split(" ")[0] for line in others}


@pytest.mark.parametrize(
    "set_, words",
    [
        ({"MINIGAN_THREADS": "3"}, "threads   3: as MINIGAN_THREADS says; this program may use 5 cores"),
        ({"OMP_NUM_THREADS": "2"}, "threads   2: as OMP_NUM_THREADS says; this program may use 5 cores"),
        ({"OMP_NUM_THREADS": "9"}, "threads   5: one for each of the 5 cores that this program may use"),
        ({"OPENBLAS_CORETYPE": "Haswell"}, "warning: the environment variable OPENBLAS_CORETYPE is 'Haswell': it can"),
        ({}, "threads   5: one for each of the 5 cores that this program may use"),
    ],
)
def test_backends_says_where_the_threads_come_from_and_what_slows_products(capsys, monkeypatch, set_, words):
    monkeypatch.setattr(cores, "usable_cores", lambda *root: 5)
    for name in ("MINIGAN_THREADS", "OMP_NUM_THREADS", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    assert minigan("backends") == 0
    said = capsys.readouterr().out
    openblas = any(library.internal_api == "openblas" for library in blas().lib_controllers)
    assert any(line.startswith(words) for line in said.splitlines()) or ("OPENBLAS" in words and not openblas)
    assert said.count("warning") == ("OPENBLAS" in words and openblas)


class Mine(NumpyBackend):
    """A backend of one's own."""

    name = "mine"


@pytest.fixture
def mine(monkeypatch):
    """It is registered, and will not be."""
    backend, known = Mine(), {}
    monkeypatch.setattr(backends, "_BACKENDS", known)
    backends.register_backend("numpy", backends.shared_backend, lambda: (True, "NumPy"))
    backends.register_backend("mine", lambda: backend, lambda: (False, "only on Sundays"))
    return backend


def test_a_backend_of_ones_own(mine, monkeypatch, capsys):
    assert backends.get_backend("mine") is mine is backends.get_backend(mine)
    monkeypatch.setenv("MINIGAN_BACKEND", "mine")
    assert backends.get_backend() is mine
    with pytest.raises(BackendError, match="there is a backend 'mine' already; the backends are numpy, "):
        backends.register_backend("mine", Mine, lambda: (True, ""))
    assert minigan("backends") == 0 and "mine      not usable: only on Sundays\n" in capsys.readouterr().out


def test_it_is_a_choice_of_the_flag():
    backends.register_backend("theirs", Mine, lambda: (True, ""))
    try:
        assert train(*BASE, "--backend", "theirs", "--out", "theirs") == 0
        assert json.loads(Path("theirs/config.json").read_text(encoding="utf-8"))["settings"]["backend"] == "theirs"
    finally:
        del backends._BACKENDS["theirs"]


@pytest.mark.parametrize("asked", ["flag", "environment"])
@pytest.mark.parametrize("command", ["train", "sample"])
@pytest.mark.parametrize("case", CUPY)
def test_without_a_usable_gpu_one_sentence_says_why(refused, monkeypatch, generator, case, command, asked):
    module, words = CUPY[case]
    monkeypatch.setitem(sys.modules, "cupy", module)
    flags = ["--backend", "cupy"] if asked == "flag" else []
    if asked == "environment":
        monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    if command == "train":
        status = train(*BASE, *flags, "--out", "run")
    else:
        status = minigan("sample", generator, *flags, "--out", "grid.png")
    refused(status, "'cupy' cannot be used", *words, "--backend numpy")
    assert os.listdir() == ["images.npy"]


def test_a_cupy_that_cannot_be_imported_is_reported_with_its_reason(refused, monkeypatch, folder):
    (folder / "cupy.py").write_text("raise RuntimeError('libcuda.so.1 is missing')", encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    refused(train(*BASE, "--backend", "cupy"), "importing CuPy failed", "libcuda.so.1 is missing", "--backend numpy")


@pytest.mark.parametrize("command", ["train", "sample", "summary"])
def test_an_unknown_backend_in_the_environment_is_named(refused, monkeypatch, generator, command):
    monkeypatch.setenv("MINIGAN_BACKEND", "nonsense")
    status = {
        "train": lambda: train(*BASE, "--out", "run"),
        "sample": lambda: minigan("sample", generator, "--out", "grid.png"),
        "summary": lambda: minigan("summary", "mnist_mlp"),
    }[command]()
    refused(status, "MINIGAN_BACKEND", "'nonsense'", "numpy, compiled, cupy")


@pytest.mark.parametrize(("environment", "flags"), [("nonsense", ["--backend", "numpy"]), ("numpy", []), ("", [])])
def test_the_flag_wins_over_the_environment(monkeypatch, generator, environment, flags):
    monkeypatch.setenv("MINIGAN_BACKEND", environment)
    assert minigan("sample", generator, *flags, "--out", "grid.png") == 0


# minigan sample ------------------------------------------------------------------------------------------------------


def sampled(generator, name, *flags):
    assert minigan("sample", generator, *flags, "--out", name) == 0
    return np.load(name)


def test_a_float64_model_gives_float32_images():
    save_model("double.npz", models.mnist_mlp((6, 5, 1), widths=(8,), dtype="float64", backend="numpy")[0])
    assert sampled("double.npz", "images_of_g.npy", "--count", 2).dtype == np.float32


def test_sample_writes_images_from_minus_one_to_one(generator):
    images = sampled(generator, "images_of_g.npy", "--count", 12, "--seed", 3)
    assert images.shape == (12, 28, 28, 1) and images.dtype == np.float32
    assert abs(images).max() <= 1 and images.std() > 0.01
    assert len(np.unique(images, axis=0)) == 12


def test_the_first_images_do_not_depend_on_how_many_there_are(generator):
    """Not even when they are made in several batches."""
    few, more, many = (sampled(generator, f"{count}.npy", "--count", count, "--seed", 3) for count in (5, 270, 300))
    assert np.allclose(more[:5], few, rtol=0, atol=1e-6) and np.allclose(many[:270], more, rtol=0, atol=1e-6)
    assert len(np.unique(many, axis=0)) == 300


@pytest.mark.parametrize("suffix", [".npy", ".png", ".PNG"])
def test_the_same_seed_gives_the_same_file_and_another_seed_another(generator, suffix):
    names = [f"{i}{suffix}" for i in range(4)]
    for name, seed in zip(names, ([], ["--seed", 0], ["--seed", 1], ["--seed", 2**64 - 1]), strict=True):
        assert minigan("sample", generator, "--count", 3, *seed, "--out", name) == 0
    first, same, *others = [Path(name).read_bytes() for name in names]
    assert first == same and first not in others and others[0] != others[1]


@pytest.mark.parametrize(("flags", "columns"), [([], 4), (["--columns", 5], 5), (["--columns", 1], 1)])
def test_the_png_is_the_grid_of_the_npy(generator, capsys, flags, columns):
    images = sampled(generator, "images_of_g.npy", "--count", 11, "--seed", 3)
    assert minigan("sample", generator, "--count", 11, "--seed", 3, *flags, "--out", "grid.png") == 0
    with Image.open("grid.png") as image:
        assert np.array_equal(np.asarray(image), pictures.grid(images, columns)[..., 0])
    assert "grid.png" in capsys.readouterr().out


@pytest.mark.parametrize("channels", [1, 3])
def test_one_image_is_written_as_it_is(channels):
    """Pixel for pixel: no lines, nothing enlarged."""
    save_model("model.npz", models.mnist_mlp((6, 5, channels), widths=(8,), backend="numpy")[0])
    assert minigan("sample", "model.npz", "--count", 1, "--seed", 3, "--out", "face.png") == 0
    images = sampled("model.npz", "one.npy", "--count", 1, "--seed", 3)
    assert images.shape == (1, 6, 5, channels)
    with Image.open("face.png") as face:
        assert (face.size, face.mode) == ((5, 6), {1: "L", 3: "RGB"}[channels])
        assert np.array_equal(np.asarray(face).reshape(6, 5, channels), pictures.to_uint8(images[0]))


def test_sample_takes_a_runs_generator(finished):
    images = sampled(finished / "generator.npz", "images_of_g.npy")
    assert images.shape == (25, 6, 5, 1) and np.isfinite(images).all()


SAMPLE_REFUSED = [
    ("--count 0 --out grid.png", "--count is 0; it must be at least 1"),
    ("--count -3 --out grid.png", "--count is -3; it must be at least 1"),
    ("--count many --out grid.png", "--count", "'many'"),
    ("--count 10000000000000 --out grid.png", "less than 10000000"),
    ("--count 1000000000000000000 --out grid.png", "less than 10000000"),
    ("--columns 0 --out grid.png", "--columns is 0; it must be at least 1"),
    ("--columns -1 --out grid.png", "--columns is -1; it must be at least 1"),
    ("--seed -1 --out grid.png", "--seed is -1; it must be at least 0"),
    (f"--seed {2**64} --out grid.png", "seed", str(2**64)),
    ("--out images.npy", "--out images.npy exists already and is not overwritten"),
    ("--out grid.jpg", "--out grid.jpg", ".png or .npy"),
    ("--out grid", "--out grid", ".png or .npy"),
    ("--out missing/grid.png", "--out missing/grid.png", "the folder missing does not exist"),
    ("--out images.npy/grid.png", "images.npy"),
    ("", "--out"),
    ("--out grid.png --cou 3", "--cou"),
    ("--out grid.png --speed 3", "--speed"),
    ("--out grid.png surplus", "surplus"),
    ("--out grid.png --backend nonsense", "'nonsense'", "numpy", "cupy"),
]


@pytest.mark.parametrize(("flags", "words"), **rows(SAMPLE_REFUSED))
def test_a_sample_that_makes_no_sense_is_refused(refused, generator, folder, flags, words):
    before = contents(folder)
    refused(minigan("sample", generator, *flags.split()), *words)
    assert contents(folder) == before


def another_model(which):
    """A model file that holds no generator of images."""
    G, D = models.mnist_mlp(widths=(8,), d_widths=(8,), backend="numpy")
    two_channels, _ = models.mnist_mlp((6, 5, 2), widths=(8,), backend="numpy")
    save_model("model.npz", {"D": D, "two channels": two_channels}[which])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: None, ["model.npz does not exist", "a run's folder or a model file"]),
        (lambda: shutil.copy("images.npy", "model.npy"), ["model.npz does not exist; did you mean model.npy?"]),
        (lambda: Path("model.npz").write_text("no model", encoding="utf-8"), ["is not a model file"]),
        (lambda: Path("model.npz").mkdir(), ["model.npz/generator.npz does not exist"]),
        (lambda: shutil.copy("images.npy", "model.npz"), ["is not a model file"]),
        (lambda: another_model("D"), ["makes (1,)", "is it a generator?"]),
        (lambda: another_model("two channels"), ["makes (6, 5, 2)", "(h, w, 1 or 3)"]),
    ],
    ids=["missing", "nearly there", "text", "folder", "array", "discriminator", "two channels"],
)
def test_what_is_no_generator_cannot_be_sampled(refused, make, words):
    make()
    refused(minigan("sample", "model.npz", "--out", "grid.png"), "model.npz", *words)
    assert not Path("grid.png").exists()


def test_a_checkpoint_is_no_generator(refused, finished):
    status = minigan("sample", finished / "checkpoint.npz", "--out", "grid.png")
    refused(status, "checkpoint.npz", "a run's generator.npz is one")


def test_a_generator_of_another_step_than_its_checkpoint_is_named(folder, no_pictures, capsys):
    """A kill came between the two files, or the run is under way."""
    for steps in ("2", "3"):
        assert train("--data", "images.npy", "--batch-size", "4", "--steps", steps, "--out", steps) == 0
    assert minigan("sample", "3", "--out", "a.png") == 0 and capsys.readouterr().err == ""
    shutil.copy("2/generator.npz", "3/generator.npz")
    assert minigan("sample", "3", "--out", "b.png") == 0
    said = capsys.readouterr().err
    assert said.startswith("note: 3/generator.npz is of step 2, and checkpoint.npz beside it of step 3: ")
    assert train("--resume", "3") == 0
    assert minigan("sample", "3", "--out", "c.png") == 0 and capsys.readouterr().err == ""


def test_a_runs_folder_is_its_generator(finished):
    of_folder, of_file = sampled(finished, "a.npy"), sampled(finished / "generator.npz", "b.npy")
    assert np.array_equal(of_folder, of_file)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """The model file of an untrained generator of three classes."""
    path = tmp_path_factory.mktemp("model") / "conditional.npz"
    save_model(path, models.mnist_dcgan((8, 8, 1), 5, 2, classes=3, seed=5, backend="numpy")[0])
    return path


LABELS = [
    ([], 30, [0, 1, 2]),
    (["--count", 7], 7, [0, 1, 2]),
    (["--label", "2"], 25, [2]),
    (["--label", "2,0"], 20, [2, 0]),
    (["--label", "1", "--count", 4], 4, [1]),
    (["--label=0,0,1", "--count", 5], 5, [0, 0, 1]),
]


@pytest.mark.parametrize(("flags", "count", "turn"), LABELS, ids=[" ".join(map(str, flags)) for flags, *_ in LABELS])
def test_labels_are_taken_in_turn(conditional, flags, count, turn):
    images = sampled(conditional, "images_of_g.npy", "--seed", 3, *flags)
    G = load_model(conditional)
    labels = [turn[i % len(turn)] for i in range(count)]
    z = with_labels(G, draw_noise(G, count, 3, "samples", 0), np.array(labels))
    assert images.shape == (count, 8, 8, 1) and np.allclose(images, G.predict(z), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("flags", "rows"),
    [
        (["--count", 8], [[0, 3, 6], [1, 4, 7], [2, 5, None]]),  # classes 0, 1, 2, and one image fewer of the last
        (["--label", "2,0", "--count", 4], [[0, 2], [1, 3]]),
        (["--count", 8, "--columns", 4], [[0, 1, 2, 3], [4, 5, 6, 7]]),  # as one asks for
        (["--label", "1", "--count", 4], [[0, 1], [2, 3]]),
        (["--count", 3], [[0, 1], [2]]),
    ],
)
def test_several_classes_have_a_row_each(conditional, flags, rows):
    images = sampled(conditional, "images_of_g.npy", *flags)
    black = np.full_like(images[:1], -1)
    expected = np.concatenate([images[[i]] if i is not None else black for row in rows for i in row])
    assert minigan("sample", conditional, *flags, "--out", "grid.png") == 0
    with Image.open("grid.png") as grid:
        assert np.array_equal(np.asarray(grid), pictures.grid(expected, len(rows[0]))[..., 0])


@pytest.mark.parametrize(
    ("of", "label", "words"),
    [
        ("plain", "7", ["--label 7", "without labels", "leave --label out"]),
        ("conditional", "3", ["--label 3", "3 classes, 0 to 2"]),
        ("conditional", "0,5", ["--label 0,5", "3 classes, 0 to 2"]),
        ("conditional", "-1", ["--label -1", "3 classes, 0 to 2"]),
        ("conditional", "seven", ["--label seven", "wanted a whole number", "0,3,7"]),
        ("conditional", "0,", ["--label 0,", "wanted a whole number"]),
        ("conditional", "", ["--label ", "wanted a whole number"]),
    ],
)
def test_a_label_that_there_is_not_is_refused(refused, generator, conditional, of, label, words):
    model = {"plain": generator, "conditional": conditional}[of]
    refused(minigan("sample", model, f"--label={label}", "--out", "grid.png"), *words)
    assert os.listdir() == ["images.npy"]


# minigan crop-faces --------------------------------------------------------------------------------------------------


@pytest.fixture
def album(folder):
    """Three photographs of 100 x 60, and boxes.csv: two faces in a/1.png, one in 2.png, none in 3.png."""
    (folder / "album" / "a").mkdir(parents=True)
    for name in ("a/1.png", "2.png", "3.png"):
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 60, 3), dtype=np.uint8)).save(f"album/{name}")
    rows = ["file,x,y,width,height", "a/1.png,20,40,10,20", "a/1.png,2,2,8,8", "2.png,20,30,12,12"]
    (folder / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "album"


def test_crop_faces_cuts_them_out_and_counts_them(album, capsys):
    before = contents(album)
    assert minigan("crop-faces", "album", "--out", "faces", "--boxes", "boxes.csv") == 0
    said = capsys.readouterr()
    assert said.out == "3 photographs of album, 3 faces: faces  (1 without a face)\n" and contents(album) == before
    shapes = {}
    for file in Path("faces").iterdir():
        with Image.open(file) as face:
            shapes[file.name] = face.size
    assert shapes == {"000000-2-0.png": (24, 24), "000002-1-0.png": (20, 40), "000002-1-1.png": (14, 14)}


def test_crop_faces_hands_its_cascade_on(monkeypatch, capsys):
    """And names none if none was given: then it is crop_faces that decides."""
    asked = []

    def observed(*folders, **where):
        asked.append((*folders, where))
        return 4, 3, 2

    monkeypatch.setattr(cli, "crop_faces", observed)
    assert minigan("crop-faces", "album", "--out", "faces", "--cascade", "eyes.xml") == 0
    assert minigan("crop-faces", "album", "--out", "faces") == 0
    folders = Path("album"), Path("faces")
    assert asked == [(*folders, {"cascade": "eyes.xml"}), (*folders, {})]
    assert capsys.readouterr().out.splitlines()[1] == "4 photographs of album, 3 faces: faces  (2 without a face)"


CROP_REFUSED = [
    ("album", "--out"),
    ("--out faces", "FOLDER"),
    ("missing --out faces", "missing does not exist"),
    ("images.npy --out faces", "images.npy is a file"),
    ("album --out faces --boxes missing.csv", "missing.csv cannot be read"),
    ("album --out faces --boxes images.npy", "images.npy"),
    ("album --out album/faces --boxes boxes.csv", "album/faces is in album"),
    ("album --out album --boxes boxes.csv", "album is in album"),
    ("album --out kept --boxes boxes.csv", "kept has something in it", "not overwritten"),
    ("album --out images.npy --boxes boxes.csv", "images.npy cannot be made"),
    ("album --out faces --boxes boxes.csv --cascade eyes.xml", "--cascade", "not allowed with", "--boxes"),
    ("album --out faces --box boxes.csv", "--box"),
    ("album --out faces", "finding faces needs OpenCV", "minigan[faces]", "boxes"),
]


@pytest.mark.parametrize(("flags", "words"), **rows(CROP_REFUSED))
def test_a_crop_that_makes_no_sense_is_refused(refused, monkeypatch, album, folder, flags, words):
    monkeypatch.setitem(sys.modules, "cv2", None)
    (folder / "kept").mkdir()
    (folder / "kept" / "mine.txt").write_text("mine", encoding="utf-8")
    before = contents(folder)
    refused(minigan("crop-faces", *flags.split()), *words)
    assert contents(folder) == before and not Path("faces").exists()


# minigan summary, and the command itself -----------------------------------------------------------------------------


def test_summary_prints_the_published_totals(capsys):
    """Those of G, of D, of both; and of both, what G's update changes and what it does not."""
    assert minigan("summary", "mnist_mlp") == 0
    said = capsys.readouterr()
    assert said.err == ""
    for total in ("1,493,520", "665,089", "2,158,609", "1,489,936", "668,673"):
        assert total in said.out


def test_summary_of_a_file_is_what_print_shows(finished, capsys):
    """Of a model file with layers inside layers, and of a run's folder."""
    inside = Sequential([Dense(3), Residual(Dense(3))], input_shape=3, name="G", backend="numpy")
    save_model("nested.npz", inside)
    assert minigan("summary", "nested.npz") == 0
    assert capsys.readouterr().out == f"{inside}\n"
    assert "\n  0.Dense" in str(inside)
    assert minigan("summary", finished) == 0
    assert capsys.readouterr().out == f"{load_model(finished / 'generator.npz')}\n"


def test_the_ways_of_convolutions(capsys):
    """Of a transposed one, y is what dx of the other is; a GPU's backend, and dense networks, have no ways."""
    assert minigan("summary", "celeba64", "--ways", "64") == 0
    G, D = capsys.readouterr().out.split("\n\n")
    rows = [line.split() for line in G.splitlines()]
    assert ["3.Conv2DTranspose", "y", "winograd", "603,979,776", "0.56"] in rows
    assert ["9.Conv2DTranspose", "y", "gather", "2,424,307,712", "1.13"] in rows
    assert ["dW", "few", "outputs", "226,492,416", "1.00"] in rows
    assert "gather: copying patches of dy moves fewer numbers than adding patches of dx" in G
    assert D.startswith("D  (64 images, backend numpy)\n") and max(map(len, f"{G}\n{D}".splitlines())) < 100
    assert minigan("summary", "mnist_mlp", "--ways") == 0
    assert capsys.readouterr().out.count("has no convolutions") == 2


def test_the_ways_of_a_file(finished, capsys):
    assert minigan("summary", finished, "--ways", "1") == 0
    assert "(1 image, backend numpy)" in capsys.readouterr().out


def test_summary_of_a_conditional_model(capsys):
    assert minigan("summary", "mnist_dcgan", "--classes", 7) == 0
    G, D = models.mnist_dcgan(classes=7)
    assert capsys.readouterr().out.startswith(f"{G}\n\n{D}\n\nG and D combined")


MISTAKES = [
    ("dance", "'dance'", "evaluate, play, doctor, report, watch, summary", "gradcheck\n"),
    ("sampel", "'sampel'", "did you mean sample?"),
    ("--versoin", "--versoin; did you mean --version?"),
    ("sample g.npz --lable 7", "--lable; did you mean --label?"),
    ("summary", "MODEL"),
    (
        "summary rubbish",
        "'rubbish' is neither a model file nor a run's folder",
        "mnist_dcgan, mnist_mlp, r3gan, toy2d\n",
    ),
    ("summary mnist_dcgun", "did you mean mnist_dcgan?"),
    ("summary dcgan", "did you mean mnist_dcgan?"),
    ("summary image.npy", "did you mean images.npy?"),
    ("summary images.npy", "images.npy is not a model file"),
    ("summary .", "generator.npz does not exist"),
    ("summary mnist_dcgan --ways 0", "--ways 0: wanted the images of a batch, 1 or more"),
    ("summary mnist_dcgan --ways many", "--ways: invalid int value: 'many'"),
    ("summary mnist_mlp --classes 3", "--classes 3", "labels: mnist_dcgan"),
    ("summary mnist_dcgan --classes 0", "--classes 0", "at least 1"),
    ("summary images.npy --classes 3", "--classes 3", "images.npy is none"),
]


@pytest.mark.parametrize(("argv", "words"), **rows(MISTAKES))
def test_what_is_mistyped_is_refused_and_guessed(refused, argv, words):
    refused(minigan(*argv.split()), *words)


def test_alone_it_shows_its_help(capsys):
    assert minigan() == 0
    alone = capsys.readouterr().out
    with pytest.raises(SystemExit):
        minigan("--help")
    assert alone == capsys.readouterr().out


def test_only_what_was_foreseen_is_caught(refused, capsys):
    """A mistake of the program keeps its traceback; what a user can mend does not."""

    def raising(error):
        def command(argv):
            raise error

        return command

    with pytest.raises(ZeroDivisionError):
        guarded(raising(ZeroDivisionError()))
    refused(guarded(raising(MemoryError())), "out of memory")
    refused(guarded(raising(FileError("run: mine"))), "error: run: mine")
    assert guarded(raising(KeyboardInterrupt())) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_installed_command_is_this_one():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="minigan")
    assert command.load() is main


# As a process of its own ---------------------------------------------------------------------------------------------

ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("MINIGAN_BACKEND", "PYTHONUNBUFFERED")}


def process(*argv, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT} | options
    return subprocess.run([sys.executable, *map(str, argv)], **options)


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([SCRIPT, "--lr", "-1"], "--lr"),
        ([SCRIPT, "--data", "missing.npy"], "missing.npy"),
        (["-m", "minigan", "sample", "missing.npz", "--out", "grid.png"], "missing.npz"),
        (["-m", "minigan", "dance"], "COMMAND"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(argv, word):
    done = process(*argv)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and word in done.stderr


def test_a_whole_run_in_a_process_of_its_own():
    done = process(SCRIPT, *BASE, "--out", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("done: run ") and Path("run/losses.png").exists()


UNBUFFERED = pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["", "unbuffered"])
PRINTING = pytest.mark.parametrize("argv", ["summary mnist_mlp", "--help", "sample --help", ""])


@UNBUFFERED
@PRINTING
def test_a_reader_that_went_away_is_no_error(argv, unbuffered):
    """As `minigan summary mnist_mlp | head -0` does."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = process("-m", "minigan", *argv.split(), stdout=write, env=ENVIRONMENT | unbuffered)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@UNBUFFERED
@PRINTING
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_an_error(argv, unbuffered):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = process("-m", "minigan", *argv.split(), stdout=full, env=ENVIRONMENT | unbuffered)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "No space left" in done.stderr


@pytest.mark.parametrize("argv", ["summary mnist_mlp", "--version", "--help", ""])
def test_without_an_output_nothing_is_said(monkeypatch, argv):
    """As where a program has no console."""
    monkeypatch.setattr(sys, "stdout", None)
    try:
        assert minigan(*argv.split()) == 0
    except SystemExit as ended:
        assert ended.code == 0


class Full:
    """An output that nothing can be written to, with characters that no text has."""

    encoding, closed = "no-such-encoding", False

    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    flush = write


@pytest.mark.parametrize("stream", [Full(), object(), None], ids=["full", "no stream", "none"])
def test_a_message_that_cannot_be_printed_changes_no_status(monkeypatch, folder, no_pictures, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    Path("photos").mkdir()
    Image.new("RGB", (9, 9)).save("photos/1.png")
    assert train("--lr", "-1") == 2
    assert load("images.npy").shape == (6, 5, 1) and images("photos", 6).shape == (6, 6, 3)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_names_that_an_output_cannot_show(monkeypatch, generator, encoding):
    """After the work, a name that has no characters there would end the command in a traceback."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    assert minigan("sample", generator, "--out", "東.png") == 0
    assert stream.buffer.getvalue().decode(encoding).endswith("東.png\n" if encoding == "utf-8" else "?.png\n")
    assert Path("東.png").exists()
