"""The examples that train on images: what every flag does, where images come from, what is refused, and going on."""

import dataclasses
import functools
import gc
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan import DiffAugment, StepLR, cli, image_runs, pictures
from minigan.cli import guarded
from minigan.data import ImageSet, RandomHorizontalFlip, RandomResizedCrop, RandomRotation, draw_faces, images
from minigan.penalties import R1R2, GradientPenalty
from minigan.settings import parse_command

from .systems import EXAMPLES, IMAGE_SYSTEMS, example

FACES = [name for name in IMAGE_SYSTEMS if not name.startswith("mnist")]
WASSERSTEIN = ("anime_wgan", "mnist_wgan_gp")  # several updates of D in a step
SIZES = {"faces_dcgan": (16, 32), "anime_dcgan": (32, 48), "anime_wgan": (32, 64), "cats_dcgan": (24, 48),
         "celeba_dcgan": (16, 32), "faces_r3gan": (16, 32)}  # fmt: skip
SMALL = {"width": 2, "batch_size": 2, "grid": 1, "latent": 5}
IMAGES = 20  # in every source of images below

every_system = pytest.mark.parametrize("name", IMAGE_SYSTEMS)
every_face_system = pytest.mark.parametrize("name", FACES)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def picture_folder(path, n=IMAGES):
    """Pictures of odd sizes, PNG and JPEG, some of them in a folder below."""
    for i in range(n):
        file = path / ("below" if i % 3 == 0 else "") / f"{i}.{'png' if i % 2 else 'jpg'}"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(17 + i % 5, 31 - i % 7, 3, seed=i)).save(file)
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Images in arrays and in a folder, made once."""
    path = tmp_path_factory.mktemp("sources")
    np.save(path / "digits.npy", pixels(IMAGES, 8, 4))
    np.save(path / "other_digits.npy", pixels(IMAGES, 8, 4, seed=1))
    np.savez(path / "labelled.npz", images=pixels(IMAGES, 8, 4), labels=np.arange(IMAGES) % 4)
    for size in {SIZES[name][0] for name in FACES}:
        np.save(path / f"{size}.npy", pixels(IMAGES, size, size, 3))
    picture_folder(path / "pictures")
    picture_folder(path / "damaged")
    (path / "damaged" / "1.png").write_bytes(b"?")
    for size in {28, *(SIZES[name][0] for name in FACES)}:
        shape = (size, size) if size == 28 else (size, size, 3)
        np.save(path / f"dim{size}.npy", pixels(IMAGES, *shape) // 8 + 9)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, sources):
    """Every test works in a folder of its own, and cannot draw more than 100 faces by mistake."""

    def drawn(n, size, **seed):
        assert n <= 100
        return draw_faces(n, size, **seed)

    monkeypatch.setattr(image_runs, "draw_faces", drawn)
    monkeypatch.delenv("MINIGAN_BACKEND", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(capsys):
    """refused(status, *words): the command ended with 2 and one message, the last on stderr, that has these words."""

    def check(status, *words):
        said = capsys.readouterr()
        notes, _, message = said.err.partition("error: ")
        assert status == 2 and said.out == "" and message.endswith("\n")
        known = ("reading ", "drawing ", "note: ", "starting from ")
        assert all(line.startswith(known) for line in notes.splitlines())
        for word in words:
            assert word in message
        return message

    return check


def flags(settings):
    """{"batch_size": 2, "conditional": True} as command-line words."""
    words = {"--" + name.replace("_", "-"): value for name, value in settings.items()}
    return [word for name, value in words.items() for word in ([name] if value is True else [name, str(value)])]


def base(name, sources):
    """The settings of a run of a moment."""
    images = {"faces": IMAGES, "size": SIZES[name][0]} if name in FACES else {"data": sources / "digits.npy"}
    return SMALL | images | ({"d_steps": 2} if name in WASSERSTEIN else {})


def train(name, *argv):
    """An example with these arguments, as from the command line. Returns its exit status."""
    return guarded(example(name).main, [str(argument) for argument in argv])


class Stopped(Exception):
    """Raised in place of training."""


@functools.cache
def wired(name, settings):
    """The Wired of settings that many tests compare with."""
    return Wired(name, dict(settings))


class Wired:
    """What an example hands to `train` for these settings: gan, real (the images) and settings."""

    def __init__(self, name, settings):
        def stop(gan, real, command, name):
            self.gan, self.real, self.settings = gan, real, command.settings
            raise Stopped

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(image_runs, "run_command", stop)
            example(name).main(flags(settings))

    def parameters(self):
        """All parameters after two steps."""
        n = self.settings.batch_size * self.gan.d_steps
        while self.gan.steps < 2:
            seed, step = self.gan.seed, self.gan.steps
            labels = self.real.batch_labels(n, seed, step) if self.gan.classes else None
            self.gan.step(self.real.batch(n, seed, step), labels)
        return np.concatenate([self.gan.G.params, self.gan.D.params])


def blocks_of_a_stage(run):
    """Residual blocks for each size of images in D."""
    kinds = [type(layer).__name__ for layer in run.gan.D.layers]
    return kinds.count("Residual") / (1 + kinds.count("BlurDownSampling2D"))


# What every flag does ------------------------------------------------------------------------------------------------


def optimizers(attribute):
    return lambda run: {getattr(run.gan.g_optimizer, attribute), getattr(run.gan.d_optimizer, attribute)}


def transforms(kind):
    return lambda run: [transform for transform in run.real.transforms if isinstance(transform, kind)]


def in_settings(field):
    return lambda run: getattr(run.settings, field)


# A setting: its value, where to look, and what is there then. "other": the choice that is not the default. What the
# last nine do is seen in the files of a run, below and in test_evaluate.py.
EFFECTS = {
    "steps": (7, in_settings("steps"), 7),
    "epochs": (3, lambda run: run.settings.steps / run.real.steps_per_epoch(2 * run.gan.d_steps), 3),
    "seed": (9, lambda run: {run.gan.seed, run.gan.G.seed, run.gan.D.seed, run.settings.seed}, {9}),
    "latent": (7, lambda run: run.gan.G.input_shape, (7,)),
    "width": (4, lambda run: next(layer.c_out for layer in run.gan.D.layers if hasattr(layer, "c_out")), 4),
    "size": ("larger", lambda run: {run.real.shape[:2], run.gan.D.input_shape[:2]}, None),
    "faces": (23, lambda run: len(run.real), 23),
    "data": ("another", lambda run: run.real.name, None),
    "fit": ("squash", lambda run: run.real.fingerprint, None),
    "channels": (1, lambda run: (run.real.shape[2], run.gan.D.input_shape[2], run.real.fingerprint), None),
    "background": ("#102030", lambda run: run.real.images[:, 0, 0].tolist(), [[16, 32, 48]] * IMAGES),
    "resample": ("nearest", lambda run: run.real.fingerprint, None),
    "stretch": (True, lambda run: (run.real.images.min(), run.real.images.max()), (0, 255)),
    "skip_damaged": (True, lambda run: (len(run.real), run.settings.skip_damaged), (IMAGES - 1, True)),
    "flip": (0.25, transforms(RandomHorizontalFlip), [RandomHorizontalFlip(0.25)]),
    "crop": (0.7, lambda run: [crop.scale for crop in transforms(RandomResizedCrop)(run)], [(0.7, 1.0)]),
    "rotate": (15, transforms(RandomRotation), [RandomRotation(15)]),
    "sampling": ("other", lambda run: run.real.sampling, None),
    "lr": (0.003, optimizers("learning_rate"), {0.003}),
    "d_lr": (0.003, lambda run: run.gan.learning_rates[1], 0.003),
    "g_steps": (3, lambda run: run.gan.g_steps, 3),
    "augment": ("color,cutout", lambda run: run.gan.augment, DiffAugment("color,cutout")),
    "conditional": (True, lambda run: (run.gan.classes, run.gan.D.output_shape), (4, (4,))),
    "beta1": (0.9, optimizers("beta1"), {0.9}),
    "beta2": (0.5, optimizers("beta2"), {0.5}),
    "lr_every": (1, lambda run: run.gan.schedule and run.gan.schedule.every, None),
    "lr_factor": (0.25, lambda run: run.gan.schedule.factor, 0.25),
    "lr_unit": ("steps", lambda run: run.gan.schedule, StepLR(3, 0.9)),
    "noise": ("other", lambda run: run.gan.noise, None),
    "real_target": (0.8, lambda run: run.gan.objective.real_target, 0.8),
    "ema": (0.9, lambda run: run.gan.ema, 0.9),
    "d_update": ("other", lambda run: run.gan.d_update, None),
    "d_steps": (3, lambda run: run.gan.d_steps, 3),
    "clip": (0.5, lambda run: run.gan.clip.limit, 0.5),
    "penalty": (3, lambda run: run.gan.penalty, GradientPenalty(3.0)),
    "blocks": (2, blocks_of_a_stage, 2),
    "linear": (True, lambda run: type(run.gan.G.layers[-1]).__name__, "Conv2D"),
    "group": (2, lambda run: run.gan.D.layers[1].layers[2].groups, 2),
    "beta2_end": (0.95, lambda run: run.gan.schedule.beta2, 0.95),
    "gamma": (3.0, lambda run: run.gan.penalty, R1R2(3.0)),
    "gamma_end": (0.05, lambda run: run.gan.schedule.penalty * run.gan.penalty.gamma, pytest.approx(0.05)),
    "burn_in": (77, lambda run: run.gan.schedule.images, 77),
    "unfused": (True, lambda run: run.gan.fused, False),
    "clip_scope": ("other", lambda run: run.gan.clip.scope, None),
    "init_std": (0.5, lambda run: run.gan.D.layers[0].W.std(), pytest.approx(0.5, rel=0.2)),
    "batch_size": (3, in_settings("batch_size"), 3),
    "grid": (2, in_settings("grid"), 2),
    "log_every": (2, in_settings("log_every"), 2),
    "sample_every": (3, in_settings("sample_every"), 3),
    "checkpoint_every": (2, in_settings("checkpoint_every"), 2),
    "keep_checkpoints": (2, in_settings("keep_checkpoints"), 2),
    "evaluate_every": (6000, in_settings("evaluate_every"), 6000),
    "keep_best": (True, in_settings("keep_best"), True),
    "start_from": ("elsewhere", in_settings("start_from"), "elsewhere"),
}
NEEDS = {
    "lr_factor": {"lr_every": 3},
    "lr_unit": {"lr_every": 3},
    "background": {"fit": "pad"},
    "keep_best": {"evaluate_every": 6000},
}  # flags about something that is off by default
OF_PICTURES = {  # what the flag comes to, of a folder and a size
    "channels": lambda folder, size: (1, 1, images(folder, size, channels=1).fingerprint),
    "resample": lambda folder, size: images(folder, size, resample="nearest").fingerprint,
    "background": None,
}
FIELDS = [(name, field) for name in IMAGE_SYSTEMS for field in dataclasses.fields(example(name).Settings)]


def changed(name, field, sources):
    """The settings without and with a flag, where to look, and what is there with it."""
    value, look, expected = EFFECTS[field.name]
    without = base(name, sources) | NEEDS.get(field.name, {})
    if value == "other":
        (value,) = expected = [choice for choice in field.metadata["choices"] if choice != field.default]
        expected = value
    elif value == "larger":
        value = SIZES[name][1]
        expected = {(value, value)}
    elif field.name == "data":
        value = sources / (f"{SIZES[name][0]}.npy" if name in FACES else "other_digits.npy")
        expected = str(value)
    elif field.name == "fit":
        without["data"] = sources / "pictures"
        expected = images(sources / "pictures", (without["size"],) * 2, fit="squash").fingerprint
    elif field.name == "conditional":
        without["data"] = sources / "labelled.npz"
    elif field.name in OF_PICTURES:
        without["data"] = sources / "pictures"
        expected = OF_PICTURES[field.name](sources / "pictures", without["size"]) if expected is None else expected
    elif field.name == "stretch":
        without["data"] = sources / (f"dim{SIZES[name][0]}.npy" if name in FACES else "dim28.npy")
    elif field.name == "skip_damaged":  # without it, such a folder is no run
        return without, without | {field.name: value, "data": sources / "damaged"}, look, expected
    elif field.name == "lr_every":
        expected = value * (IMAGES // (2 * without.get("d_steps", 1)))
    return without, without | {field.name: value}, look, expected


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name, field in FIELDS if field.name != "backend"],
    ids=lambda value: getattr(value, "name", value),
)
def test_every_flag_has_its_effect(name, field, sources):
    """A setting without a row in the table fails, and so does one that an example has and does not use."""
    assert field.name in EFFECTS, f"--{field.name} is new: say what it does"
    without, given, look, expected = changed(name, field, sources)
    assert look(Wired(name, given)) == expected
    assert look(wired(name, tuple(without.items()))) != expected


@every_system
def test_the_flag_for_the_backend_wins_over_the_environment(name, sources, monkeypatch, refused):
    monkeypatch.setenv("MINIGAN_BACKEND", "nonsense")
    refused(train(name, *flags(base(name, sources))), "MINIGAN_BACKEND", "'nonsense'")
    assert Wired(name, base(name, sources) | {"backend": "numpy"}).gan.G.backend.name == "numpy"


CHANGE_NO_NUMBER = {  # a run's start is no part of its two steps here
    "steps", "epochs", "grid", "log_every", "sample_every", "checkpoint_every", "keep_checkpoints", "ema", "start_from",
    "evaluate_every", "keep_best",
}  # fmt: skip
TRAINED = [row for row in FIELDS if row[0] in ("faces_dcgan", *WASSERSTEIN) and row[1].name != "backend"]
SCHEDULED = {"lr_every": {"lr_unit": "steps"}, "lr_factor": {"lr_unit": "steps"}}  # or two steps see no cut


@pytest.mark.parametrize(("name", "field"), TRAINED, ids=lambda value: getattr(value, "name", value))
def test_a_flag_changes_what_is_trained_or_leaves_every_bit(name, field, sources):
    """What arrives is also used; and what only says when to write something does not matter."""
    without, given, _, _ = changed(name, field, sources)
    more = {"lr_factor": {"lr_every": 1}, "lr_unit": {"lr_every": 1}}.get(field.name, {}) | SCHEDULED.get(
        field.name, {}
    )
    before, after = wired(name, tuple((without | more).items())).parameters(), Wired(name, given | more).parameters()
    same = before.shape == after.shape and np.array_equal(before, after)
    assert same == (field.name in CHANGE_NO_NUMBER)


@every_system
def test_an_ema_of_zero_is_none_and_one_is_drawn_from(name, sources, no_pictures):
    assert Wired(name, base(name, sources) | {"ema": 0}).gan.ema is None
    at_once = {"burn_in": 1} if name.endswith("r3gan") else {}  # in which the average follows G closely
    assert train(name, *flags(base(name, sources) | at_once | {"steps": 2, "ema": 0.5, "out": "run"})) == 0
    checkpoint, generator = arrays("run/checkpoint.npz"), arrays("run/generator.npz")
    (sampled,) = [value for key, value in generator.items() if key.endswith("params")]
    assert not np.array_equal(sampled, checkpoint["G.params"])


def test_flags_that_say_when_show_in_the_files_of_a_run(sources, no_pictures, monkeypatch):
    from minigan import loop

    saved, save = [], loop.save_checkpoint

    def observed(path, gan, extra, run):
        saved.append(gan.steps)
        save(path, gan, extra, run)

    monkeypatch.setattr(loop, "save_checkpoint", observed)
    when = ("steps", "grid", "log_every", "sample_every", "checkpoint_every", "keep_checkpoints")
    asked = {name: EFFECTS[name][0] for name in when}
    assert train("faces_dcgan", *flags(base("faces_dcgan", sources) | asked | {"out": "run"})) == 0
    assert [row[0] for row in history("run")] == ["step", "2", "4", "6"]
    assert sorted(os.listdir("run/samples")) == ["000000.png", "000003.png", "000006.png", "000007.png"]
    assert saved == [step for step in (0, 2, 4, 6, 7) for _ in ("checkpoint.npz", "a name of its own")]
    assert sorted(file.name for file in Path("run").glob("checkpoint*")) == [
        "checkpoint-000006.npz", "checkpoint-000007.npz", "checkpoint.npz"
    ]  # fmt: skip
    with Image.open("run/samples/000007.png") as grid:
        assert grid.size == pictures.grid(np.zeros((4, 16, 16, 3)), 2).shape[:2]


@pytest.mark.parametrize("name", [*IMAGE_SYSTEMS])
def test_the_commands_of_a_docstring_are_understood(name):
    """All but those that go on with a run, which is not there."""
    commands = re.findall(rf"python examples/{name}\.py(.*?)(?:  |$)", example(name).__doc__, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        if "--resume" not in command:
            parse_command(example(name).Settings, None, example(name).QUICK, shlex.split(command))


RUN_BY_SETTINGS = sorted(path for path in EXAMPLES.glob("*_*gan*.py") if path.stem != "toy_gan")


@pytest.mark.parametrize("script", RUN_BY_SETTINGS, ids=lambda script: script.stem)
def test_help_names_every_flag_and_its_default(script, capsys):
    module = example(script.stem)
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    said = capsys.readouterr()
    assert ended.value.code == 0 and said.err == "" and module.__doc__.strip().splitlines()[0] in said.out
    listed = " ".join(said.out.split("options:")[1].split())
    for field in dataclasses.fields(module.Settings):
        name, words = field.name.replace("_", "-"), " ".join(field.metadata["help"].split())
        default = f"--no-{name}" if field.default is False else field.default
        assert f"--{name} " in listed or f"--{name}, --no-{name} " in listed
        assert (words if default is None else f"{words} (default {default})") in listed


# How long ------------------------------------------------------------------------------------------------------------


@every_system
def test_epochs_are_passes_of_whole_batches(name, sources):
    """20 images: 6 batches of 3, or, in the Wasserstein GAN, 2 steps of 9."""
    given = base(name, sources) | {"batch_size": 3, "epochs": 4} | ({"d_steps": 3} if name in WASSERSTEIN else {})
    assert Wired(name, given).settings.steps == 4 * (2 if name in WASSERSTEIN else 6)


@every_system
def test_steps_take_the_place_of_the_epochs_of_a_recipe(name, sources):
    settings = Wired(name, base(name, sources) | {"steps": 3}).settings
    assert (settings.steps, settings.epochs) == (3, None)


@every_system
def test_steps_and_epochs_together_are_refused(name, refused):
    refused(train(name, "--steps", 3, "--epochs", 2), "--steps and --epochs", "give one of them")
    assert os.listdir() == []


@every_system
def test_epochs_take_the_place_of_the_steps_of_a_quick_run(name, sources):
    quick, given = example(name).QUICK, flags(base(name, sources))
    command = parse_command(example(name).Settings, None, quick, ["--quick", *given])
    assert (command.settings.steps, command.settings.epochs) == (quick["steps"], None)
    command = parse_command(example(name).Settings, None, quick, ["--quick", *given, "--epochs", "2"])
    assert command.settings.epochs == 2 and command.settings.log_every == quick["log_every"]


# Going on ------------------------------------------------------------------------------------------------------------


def arrays(path):
    with np.load(path) as file:
        return dict(file)


def history(run):
    """The rows of history.csv, but for the seconds."""
    return [line.split(",")[:-1] for line in (Path(run) / "history.csv").read_text(encoding="utf-8").splitlines()]


def config(run):
    return json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))["settings"]


def assert_the_same_bits(one, other):
    one, other = Path(one), Path(other)
    for file in ("checkpoint.npz", "generator.npz"):
        first, second = arrays(one / file), arrays(other / file)
        assert first.keys() == second.keys()
        for key in first.keys() - {"seconds", "extra.seconds"}:
            assert np.array_equal(first[key], second[key]), key
    assert history(one) == history(other) and len(history(one)) > 2
    for sample in (one / "samples").iterdir():
        assert sample.read_bytes() == (other / "samples" / sample.name).read_bytes()


EVERYTHING = {"sampling": "epochs", "flip": 0.5, "crop": 0.8, "rotate": 10, "ema": 0.9, "lr_every": 1,
              "lr_unit": "epochs", "batch_size": 6, "log_every": 2, "sample_every": 1}  # fmt: skip
RESUMED = {
    "faces_dcgan": ({"epochs": 3}, {"epochs": 1}, {"epochs": 3}),  # 3 steps an epoch; D has Dropout
    "anime_wgan": ({"steps": 5}, {"steps": 3}, {"steps": 5}),
    "mnist_wgan_gp": ({"steps": 5}, {"steps": 3}, {"steps": 5}),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(name, sources, no_pictures):
    whole, first, rest = RESUMED[name]
    given = base(name, sources) | EVERYTHING | ({"batch_size": 3} if name in WASSERSTEIN else {})
    given = {setting: value for setting, value in given.items() if hasattr(example(name).Settings, setting)}
    assert train(name, *flags(given | whole | {"out": "whole"})) == 0
    assert train(name, *flags(given | first | {"out": "parts"})) == 0
    assert train(name, "--resume", "parts", *flags(rest)) == 0
    assert_the_same_bits("whole", "parts")
    assert {row[-1] for row in history("whole")[1:]} > {history("whole")[1][-1]}, "the schedule never cut"


@every_system
def test_a_run_goes_on_for_more_steps_and_for_more_epochs(name, sources, no_pictures, capsys):
    """However long it was asked for at first."""
    given = base(name, sources) | {"batch_size": 5 if name in WASSERSTEIN else 10, "sample_every": 100}
    epoch = 2
    assert train(name, *flags(given | {"steps": 1, "out": "run"})) == 0
    for asked, steps in (({"steps": 2}, 2), ({"epochs": 2}, 2 * epoch), ({"steps": 5}, 5)):
        capsys.readouterr()
        assert train(name, "--resume", "run", *flags(asked)) == 0
        assert ("note: 2 epochs of 2 steps: 4 steps in all\n" in capsys.readouterr().err) == ("epochs" in asked)
        assert config("run")["steps"] == steps and config("run")["epochs"] == asked.get("epochs")
        assert arrays("run/checkpoint.npz")["steps"] == steps


def test_a_run_that_was_given_epochs_goes_on_to_their_end(sources, no_pictures, monkeypatch):
    given = base("faces_dcgan", sources) | {"batch_size": 10, "epochs": 2, "out": "run", "checkpoint_every": 1}
    batch = ImageSet.batch

    def interrupting(self, n, seed, step, *rest):
        if step == 2 and not (Path("again")).exists():
            Path("again").touch()
            raise KeyboardInterrupt
        return batch(self, n, seed, step, *rest)

    monkeypatch.setattr(ImageSet, "batch", interrupting)
    assert train("faces_dcgan", *flags(given)) == 130
    assert train("faces_dcgan", "--resume", "run") == 0
    assert arrays("run/checkpoint.npz")["steps"] == config("run")["steps"] == 4


def test_other_transforms_are_refused(sources, no_pictures, refused, capsys):
    """They would change what is computed."""
    assert train("faces_dcgan", *flags(base("faces_dcgan", sources) | {"steps": 1, "out": "run"})) == 0
    capsys.readouterr()
    status = train("faces_dcgan", "--resume", "run", "--steps", 2, "--flip", 0.5, "--faces", 30)
    refused(status, "--flip 0.5 (the run has 0.0)", f"--faces 30 (the run has {IMAGES})")


def test_a_config_with_a_number_for_a_path_is_damaged(sources, no_pictures, refused, capsys):
    assert train("faces_dcgan", *flags(base("faces_dcgan", sources) | {"steps": 1, "out": "run"})) == 0
    whole = json.loads(Path("run/config.json").read_text(encoding="utf-8"))
    whole["settings"]["data"] = 5
    Path("run/config.json").write_text(json.dumps(whole), encoding="utf-8")
    capsys.readouterr()
    refused(train("faces_dcgan", "--resume", "run", "--steps", 2), "config.json is damaged", "data is 5")


def test_ctrl_c_saves_and_the_run_goes_on(sources, no_pictures):
    """As a process of its own, and a real signal."""
    asked = {"steps": 10**6, "log_every": 1, "sample_every": 10**6, "out": "run"}
    command = [sys.executable, EXAMPLES / "faces_dcgan.py", *flags(base("faces_dcgan", sources) | asked)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while not (Path("run/history.csv").exists() and len(history("run")) > 2):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in errors
    (step,) = re.findall(r"run/checkpoint\.npz holds step ([\d,]+)", said)
    steps = int(step.replace(",", ""))
    assert f"python {EXAMPLES / 'faces_dcgan.py'} --resume run" in said
    assert train("faces_dcgan", "--resume", "run", "--steps", steps + 2) == 0
    assert [row[0] for row in history("run")] == ["step", *map(str, range(1, steps + 3))]


@pytest.mark.parametrize(
    ("start", "steps"), [({"steps": 2}, 5), ({"epochs": 1}, 5)], ids=["after steps", "after epochs"]
)
def test_more_steps_than_a_run_has(start, steps, sources, no_pictures):
    given = base("faces_dcgan", sources) | {"batch_size": 10, "out": "run"}
    assert train("faces_dcgan", *flags(given | start)) == 0
    assert train("faces_dcgan", "--resume", "run", "--more", 3) == 0
    assert arrays("run/checkpoint.npz")["steps"] == config("run")["steps"] == steps
    assert config("run")["epochs"] is None


def test_epochs_are_said_in_steps(sources, no_pictures, capsys):
    given = base("faces_dcgan", sources) | {"batch_size": 10, "epochs": 2, "out": "run"}
    assert train("faces_dcgan", *flags(given)) == 0
    assert "note: 2 epochs of 2 steps: 4 steps in all\n" in capsys.readouterr().err


OLDER = [
    "d_lr", "g_steps", "augment", "stretch", "skip_damaged", "keep_checkpoints", "evaluate_every", "keep_best",
    "start_from",
]  # fmt: skip


@every_system
def test_a_run_that_is_older_than_a_setting_goes_on_as_it_was(name, sources, no_pictures):
    """To the bit; and what it had is what a run without the setting computes."""
    given = base(name, sources) | {"steps": 3}
    fields = dataclasses.fields(example(name).Settings)
    added = [field.name for field in fields if field.metadata["before"] is not dataclasses.MISSING]
    of_faces = ["channels", "background", "resample"] * (name in FACES)
    assert added == OLDER + of_faces + ["conditional"] * (name == "mnist_dcgan")
    assert train(name, *flags(given | {"out": "whole"})) == 0
    assert train(name, *flags(given | {"steps": 2, "out": "parts"})) == 0
    whole = json.loads(Path("parts/config.json").read_text(encoding="utf-8"))
    for field in added:
        del whole["settings"][field]
    Path("parts/config.json").write_text(json.dumps(whole), encoding="utf-8")
    assert train(name, "--resume", "parts", "--steps", 3) == 0
    assert set(added) <= config("parts").keys()
    one, other = arrays("whole/checkpoint.npz"), arrays("parts/checkpoint.npz")
    assert np.array_equal(one["G.params"], other["G.params"]) and np.array_equal(one["D.params"], other["D.params"])


@pytest.mark.parametrize("flag, value, had", [("--g-steps", 2, 1), ("--d-lr", 0.1, "none"), ("--lr", 0.1, 0.0002)])
def test_what_would_change_the_numbers_of_a_run_is_refused(flag, value, had, sources, no_pictures, refused, capsys):
    assert train("faces_dcgan", *flags(base("faces_dcgan", sources) | {"steps": 1, "out": "run"})) == 0
    before = contents("run")
    capsys.readouterr()
    refused(train("faces_dcgan", "--resume", "run", "--more", 1, flag, value), f"{flag} {value} (the run has {had})")
    assert contents("run") == before


# Beginning with old weights ------------------------------------------------------------------------------------------


@pytest.fixture
def old_run(sources, no_pictures, capsys):
    """A run of faces_dcgan of two steps, with an average of G's weights."""
    assert train("faces_dcgan", *flags(base("faces_dcgan", sources) | {"steps": 2, "ema": 0.5, "out": "old"})) == 0
    capsys.readouterr()
    return Path("old")


# What is given; the file; the arrays of its G and D; what is said.
STARTS = {
    "run": ("old", "old/checkpoint.npz", "G.params", "D.params", "G and D"),
    "checkpoint": ("old/checkpoint.npz", "old/checkpoint.npz", "G.params", "D.params", "G and D"),
    "model": ("old/generator.npz", "old/generator.npz", "params", None, "G"),
}


@pytest.mark.parametrize("case", STARTS)
def test_a_new_run_begins_with_old_weights_on_other_data(case, old_run, sources, capsys):
    given, file, g_params, d_params, words = STARTS[case]
    before, old = contents("old"), arrays(file)
    other = base("faces_dcgan", sources) | {"data": sources / "16.npy", "lr": 0.5, "d_lr": 0, "seed": 5, "out": "new"}
    other |= {"steps": 1, "batch_size": 3, "start_from": given}
    del other["faces"]
    assert train("faces_dcgan", *flags(other)) == 0
    assert f"starting from {file}: the weights of {words}\n" in capsys.readouterr().err
    assert config("new")["start_from"] == file
    assert contents("old") == before
    new = arrays("new/checkpoint.npz")
    assert new["steps"] == 1
    # With a learning rate of 0, D is as it began.
    assert np.array_equal(new["D.params"], old[d_params]) if d_params else new["D.params"].any()
    assert not np.array_equal(new["G.params"], old[g_params])
    first = Path("new/samples/000000.png").read_bytes()
    assert train("faces_dcgan", *flags(other | {"start_from": "new", "out": "untouched", "lr": 0})) == 0
    assert np.array_equal(arrays("untouched/checkpoint.npz")["G.params"], new["G.params"])
    assert Path("untouched/samples/000000.png").read_bytes() != first


def test_a_run_that_began_with_old_weights_goes_on_without_them(old_run, sources, capsys):
    given = base("faces_dcgan", sources) | {"start_from": "old"}
    assert train("faces_dcgan", *flags(given | {"steps": 4, "out": "whole"})) == 0
    assert train("faces_dcgan", *flags(given | {"steps": 2, "out": "parts"})) == 0
    shutil.rmtree("old")
    capsys.readouterr()
    assert train("faces_dcgan", "--resume", "parts", "--more", 2) == 0
    assert "starting from" not in capsys.readouterr().err
    one, other = arrays("whole/checkpoint.npz"), arrays("parts/checkpoint.npz")
    assert np.array_equal(one["G.params"], other["G.params"]) and np.array_equal(one["D.params"], other["D.params"])


def test_an_older_checkpoint_is_gone_back_to_with_another_learning_rate(sources, no_pictures):
    given = base("faces_dcgan", sources) | {"checkpoint_every": 1, "keep_checkpoints": 3, "steps": 3, "out": "old"}
    assert train("faces_dcgan", *flags(given)) == 0
    back = base("faces_dcgan", sources) | {"start_from": "old/checkpoint-000001.npz", "lr": 0, "steps": 1, "out": "new"}
    assert train("faces_dcgan", *flags(back)) == 0
    kept, new = arrays("old/checkpoint-000001.npz"), arrays("new/checkpoint.npz")
    assert np.array_equal(new["G.params"], kept["G.params"]) and np.array_equal(new["D.params"], kept["D.params"])


def no_npz():
    Path("notes.npz").write_text("mine", encoding="utf-8")


START_REFUSED = [
    (None, "--start-from missing", "--start-from missing", "does not exist", "run's folder", "generator.npz"),
    (None, "--start-from olt", "--start-from olt does not exist; did you mean old?"),
    (None, "--start-from old/generator.np", "did you mean old/generator.npz?"),
    (None, "--start-from old/samples", "old/samples/checkpoint.npz does not exist"),
    (None, "--start-from old/config.json", "--start-from old/config.json"),
    (no_npz, "--start-from notes.npz", "--start-from notes.npz"),
    (None, "--start-from old --width 3", "--start-from old/checkpoint.npz: G has", "where the file has", "same sizes"),
    (None, "--start-from old/generator.npz --latent 6", "--start-from old/generator.npz: G has", "same sizes"),
    (None, "--start-from=", "--start-from is empty"),
]


@pytest.mark.parametrize(
    ("prepare", "given", "words"), [(p, g, w) for p, g, *w in START_REFUSED], ids=[r[1] for r in START_REFUSED]
)
def test_weights_that_do_not_fit_are_refused(prepare, given, words, old_run, sources, refused):
    if prepare is not None:
        prepare()
    before = contents(".")
    refused(train("faces_dcgan", *flags(base("faces_dcgan", sources) | {"out": "new"}), *given.split()), *words)
    assert contents(".") == before


def test_going_on_and_beginning_anew_are_not_mixed(old_run, refused):
    words = ("--resume old goes on with that run", "--start-from begins a new one", "give one of them")
    refused(train("faces_dcgan", "--resume", "old", "--start-from", "old", "--more", 1), *words)


# Images of a class ---------------------------------------------------------------------------------------------------


def test_a_conditional_run_samples_by_label_and_goes_on(sources, no_pictures, capsys):
    given = base("mnist_dcgan", sources) | {"data": sources / "labelled.npz", "conditional": True, "steps": 2}
    assert train("mnist_dcgan", *flags(given | {"out": "run"})) == 0
    command = capsys.readouterr().out.strip().splitlines()[-1].removeprefix("next: python -m minigan ")
    assert "--label 3 " in command and cli.main(command.split()) == 0
    assert config("run")["conditional"] is True
    assert train("mnist_dcgan", "--resume", "run", "--no-conditional", "--more", 1) == 2
    assert "--no-conditional (the run has --conditional)" in capsys.readouterr().err
    assert train("mnist_dcgan", "--resume", "run", "--more", 1) == 0
    assert arrays("run/checkpoint.npz")["steps"] == 3
    with Image.open("run/samples/000003.png") as grid:  # a class a row
        assert grid.size == pictures.grid(np.zeros((4, 8, 4, 1)), 1).shape[1::-1]


@pytest.mark.parametrize(
    ("data", "given", "words"),
    [
        ("digits.npy", ["--conditional"], ["--conditional", "digits.npy has no labels", "'images' and 'labels'"]),
        ("labelled.npz", ["--conditional", "3"], ["unrecognized arguments: 3"]),
        ("labelled.npz", ["--conditional=yes"], ["--conditional", "'yes'"]),
    ],
)
def test_a_conditional_run_that_cannot_be_is_refused(data, given, words, sources, refused):
    settings = base("mnist_dcgan", sources) | {"data": sources / data, "out": "run"}
    refused(train("mnist_dcgan", *flags(settings), *given), *words)
    assert os.listdir() == []


def test_the_last_of_two_opposite_flags_counts(sources):
    labelled = flags(base("mnist_dcgan", sources) | {"data": sources / "labelled.npz"})
    settings = [parse_command(example("mnist_dcgan").Settings, None, {}, [*labelled, *words]).settings.conditional
                for words in (["--conditional"], ["--conditional", "--no-conditional"], [])]  # fmt: skip
    assert settings == [True, False, False]


@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_config_with_something_else_for_yes_or_no_is_damaged(value, sources, no_pictures, refused, capsys):
    assert train("mnist_dcgan", *flags(base("mnist_dcgan", sources) | {"steps": 1, "out": "run"})) == 0
    whole = json.loads(Path("run/config.json").read_text(encoding="utf-8"))
    whole["settings"]["conditional"] = value
    Path("run/config.json").write_text(json.dumps(whole), encoding="utf-8")
    capsys.readouterr()
    refused(train("mnist_dcgan", "--resume", "run", "--more", 1), "config.json is damaged", f"conditional is {value!r}")


# Folders and files of images -----------------------------------------------------------------------------------------


def contents(path):
    return {file: file.read_bytes() for file in Path(path).rglob("*") if file.is_file()}


@every_face_system
def test_a_folder_of_pictures_is_trained_on_and_not_written_to(name, sources, no_pictures, capsys):
    shutil.copytree(sources / "pictures", "pictures")
    before = contents("pictures")
    given = {key: value for key, value in base(name, sources).items() if key != "faces"}
    given |= {"data": "pictures", "steps": 1, "out": "runs/first"}
    assert train(name, *flags(given)) == 0
    assert f"reading {IMAGES} images to {given['size']}x{given['size']}x3" in capsys.readouterr().err
    assert contents("pictures") == before
    assert sorted(os.listdir("runs")) == ["first", "image_cache"] and len(os.listdir("runs/image_cache")) == 1
    assert sorted(os.listdir()) == ["pictures", "runs"]

    assert train(name, "--resume", "runs/first", "--steps", 2) == 0
    assert "runs/image_cache/images-" in capsys.readouterr().err, "the images were read again"
    assert arrays("runs/first/checkpoint.npz")["steps"] == 2


def test_the_pixels_of_a_folder_arrive(sources):
    real = Wired("faces_dcgan", base("faces_dcgan", sources) | {"data": sources / "pictures"}).real
    assert np.array_equal(real.images, images(sources / "pictures", (16, 16)).images)


@pytest.mark.parametrize("where", ["out", "default", "current"])
def test_a_cache_stands_beside_the_run(where, sources, no_pictures, monkeypatch):
    given = base("faces_dcgan", sources) | {"data": sources / "pictures", "steps": 1}
    given |= {"out": "a/b/run"} if where != "default" else {}
    assert train("faces_dcgan", *flags(given)) == 0
    beside = Path("runs" if where == "default" else "a/b")
    assert [file.parent for file in Path().rglob("images-*.npy")] == [beside / "image_cache"]
    if where == "current":  # the run itself is where the user stands
        shutil.rmtree("a/b/image_cache")
        monkeypatch.chdir("a/b/run")
        assert train("faces_dcgan", "--resume", ".", "--steps", 2) == 0
        assert Path("../image_cache").is_dir() and not Path("image_cache").exists()


def test_a_folder_that_has_changed_is_not_gone_on_with(sources, no_pictures, refused, capsys):
    shutil.copytree(sources / "pictures", "pictures")
    given = base("faces_dcgan", sources) | {"data": "pictures", "steps": 1, "out": "run"}
    assert train("faces_dcgan", *flags(given)) == 0
    Image.fromarray(pixels(9, 9, 3)).save("pictures/1.png")
    before = contents("run")
    capsys.readouterr()
    refused(train("faces_dcgan", "--resume", "run", "--steps", 2), "the data are not those of the run in", "pictures")
    assert contents("run") == before

    shutil.rmtree("pictures")
    shutil.copytree(sources / "pictures", "moved")
    refused(train("faces_dcgan", "--resume", "run", "--steps", 2), "pictures does not exist")
    assert train("faces_dcgan", "--resume", "run", "--steps", 2, "--data", "moved") == 0


@pytest.mark.parametrize("place", ["--data . --out run", "--data .", "--data pictures --out pictures/below/run"])
def test_a_run_among_its_own_images_is_refused(place, sources, refused):
    """Its sample grids would be trained on the next time, and --resume would find other data."""
    shutil.copytree(sources / "pictures", "pictures")
    before = contents(".")
    message = refused(train("faces_dcgan", "--size", 16, *place.split()), "--data", "sample grids", "--out")
    assert message.count("\n") == 1 and contents(".") == before


def test_an_array_file_is_trained_on(sources, no_pictures):
    given = base("celeba_dcgan", sources) | {"data": sources / "16.npy", "steps": 1, "out": "run"}
    assert train("celeba_dcgan", *flags(given)) == 0
    real = Wired("celeba_dcgan", base("celeba_dcgan", sources) | {"data": sources / "16.npy"}).real
    assert np.array_equal(real.images, np.load(sources / "16.npy"))


# What is refused -----------------------------------------------------------------------------------------------------


def idx_folder():
    os.mkdir("idx")
    header = bytes([0, 0, 8, 3]) + b"".join(length.to_bytes(4, "big") for length in (IMAGES, 8, 8))
    Path("idx/train-images-idx3-ubyte").write_bytes(header + pixels(IMAGES, 8, 8).tobytes())


def damaged_folder():
    picture_folder(Path("damaged"))
    file = Path("damaged/1.png")
    file.write_bytes(file.read_bytes()[:100])


def floats():
    np.save("floats.npy", np.linspace(-1, 1, IMAGES * 16 * 16 * 3, dtype=np.float32).reshape(IMAGES, 16, 16, 3))


# What is prepared, the flags, and the words of the refusal.
REFUSED = [
    (None, "--data missing", "missing does not exist", "folder of images"),
    (lambda: os.mkdir("empty"), "--data empty", "empty holds no images", "it is empty"),
    (idx_folder, "--data idx", "idx holds no images", "train-images-idx3-ubyte"),
    (idx_folder, "--data idx/train-images-idx3-ubyte", "--data", "is a file", "folder of images", ".npy"),
    (
        lambda: np.save("wide.npy", pixels(IMAGES, 16, 32, 3)),
        "--data wide.npy",
        "16x32x3",
        "wanted 16x16x3",
        "give --size 16x32",
    ),
    (
        lambda: np.save("grey.npy", pixels(IMAGES, 16, 16)),
        "--data grey.npy",
        "16x16x1",
        "wanted 16x16x3",
        "--size 16 --channels 1",
    ),
    (lambda: np.save("large.npy", pixels(IMAGES, 32, 32, 3)), "--data large.npy", "32x32x3", "give --size 32"),
    (lambda: Path("bad.npy").write_text("x", encoding="utf-8"), "--data bad.npy", "bad.npy is not an array file"),
    (floats, "--data floats.npy --flip 0.5", "floats.npy", "uint8"),
    (
        lambda: picture_folder(Path("few"), 3),
        "--data few --batch-size 4 --sampling epochs",
        "few: 3 images",
        "--batch-size",
    ),
    (damaged_folder, "--data damaged", "1 of 20 images cannot be used", "1.png", "move them out"),
    (None, "--faces 3 --batch-size 4 --sampling epochs", "drawn faces: 3 images", "takes 4", "--sampling replacement"),
    (None, "--batch-size 1000 --sampling epochs", "1,000"),
    (None, "--size 50", "50 x 50", "multiples of 16"),
    (None, "--size 0", "--size is 0; it must be at least 1 and less than 10000"),
    (None, "--flip 1.5", "--flip is 1.5; it must be at least 0 and at most 1\n"),
    (None, "--crop 0", "--crop is 0.0; it must be at least 0.01 and at most 1\n"),
    (None, "--crop 1.01", "--crop is 1.01"),
    (None, "--rotate 181", "--rotate is 181.0", "at most 180"),
    (None, "--real-target 1.1", "--real-target is 1.1", "at most 1\n"),
    (None, "--ema 1", "--ema is 1.0", "less than 1\n"),
    (None, "--lr-factor 2", "--lr-factor is 2.0", "at most 1\n"),
    (None, "--lr-factor 0", "--lr-factor is 0.0", "at least 1e-09"),
    (None, "--lr-every -1", "--lr-every is -1"),
    (None, "--lr-unit days", "--lr-unit", "'days'", "epochs"),
    (None, "--epochs 1 --steps 1", "--steps and --epochs", "give one"),
    (None, "--lr inf", "--lr is inf; wanted a finite number"),
    (None, "--fit fill", "--fit", "'fill'", "squash"),
    (None, "--size 64y32", "--size", "'64y32' is no size: wanted 64, or 64x32, height first"),
    (None, "--size 64x0", "--size is 64x0; it must be at least 1"),
    (None, "--size 64x40", "64 x 40", "multiples of 16"),
    (None, "--channels 2", "--channels", "2", "1, 3"),
    (None, "--background blu", "--background blu: wanted a colour"),
    (None, "--resample best", "--resample", "'best'", "nearest"),
    (lambda: np.save("black.npy", np.zeros((9, 16, 16, 3), np.uint8)), "--data black.npy", "every pixel is 0, black"),
    (lambda: np.save("deep.npy", np.ones((9, 16, 16, 3), np.uint16)), "--data deep.npy", "uint16", "white: --stretch"),
    (lambda: np.save("one.npy", pixels(16, 16, 3)), "--data one.npy", "two meanings", "array[None]"),
    (None, "--sampling none", "--sampling", "'none'", "replacement"),
    (None, "--augment colour", "--augment is 'colour'", "the choices are color, translation, cutout"),
    (None, "--augment=", "--augment is empty"),
    (None, "--g-steps 0", "--g-steps is 0; it must be at least 1 and less than 1000\n"),
    (None, "--g-steps 1000", "--g-steps is 1000", "less than 1000"),
    (None, "--d-lr -1", "--d-lr is -1.0; it must be at least 0\n"),
    (None, "--d-lr nan", "--d-lr is nan; wanted a finite number"),
    (None, "--d-lr slow", "--d-lr", "'slow'"),
    (None, "--keep-checkpoints -1", "--keep-checkpoints is -1; it must be at least 0"),
    (None, "--more 3", "--more 3 goes on with a run", "--resume", "--steps"),
    (None, "--conditional", "--conditional"),  # the faces have no labels
    (None, "--epochs 0", "--epochs is 0; it must be at least 1\n"),
    (None, "--grid 65", "--grid is 65", "less than 65"),
    (None, "--data=", "--data is empty", "leave it out"),
]


@pytest.mark.parametrize(
    ("prepare", "given", "words"), [(p, g, w) for p, g, *w in REFUSED], ids=[r[1] for r in REFUSED]
)
def test_a_refused_run_is_one_message_and_leaves_no_folder(prepare, given, words, sources, refused):
    if prepare is not None:
        prepare()
    settings = base("faces_dcgan", sources) | {"batch_size": 2, "out": "run"}
    message = refused(train("faces_dcgan", *flags(settings), *given.split()), *words)
    assert not Path("run").exists()
    assert message.count("\n") == (3 if "damaged" in given else 1)


WGAN_REFUSED = [
    ("--d-steps 0", "--d-steps is 0"),
    ("--clip 0", "--clip is 0.0", "at least 1e-09"),
    ("--clip nan", "--clip is nan; wanted a finite number"),
    ("--clip-scope biases", "--clip-scope", "'biases'", "kernels"),
    ("--d-steps 2 --faces 20 --batch-size 21", "20 images, and a step takes 42"),
    ("--beta1 0.9", "--beta1"),  # RMSprop has none
    ("--real-target 0.9", "--real-target"),  # and a critic has no targets
]


@pytest.mark.parametrize(("given", "words"), [(g, w) for g, *w in WGAN_REFUSED], ids=[r[0] for r in WGAN_REFUSED])
def test_a_wasserstein_gan_refuses_what_it_cannot_use(given, words, sources, refused):
    refused(train("anime_wgan", *flags(base("anime_wgan", sources) | {"out": "run"}), *given.split()), *words)
    assert os.listdir() == []


def test_several_updates_of_more_images_than_there_are_draw_them_again(sources, no_pictures, capsys):
    """130 images, batches of 64 and five updates of the critic, in small; and such a run goes on to the bit."""
    given = base("anime_wgan", sources) | {"faces": 13, "batch_size": 6, "d_steps": 5}
    for more in ({"steps": 2, "out": "whole"}, {"steps": 1, "out": "parts"}, {"steps": 2, "resume": "parts"}):
        assert train("anime_wgan", *flags(given | more)) == 0
        assert (
            "note: a step takes 30 images, and there are 13: they are drawn with replacement" in capsys.readouterr().err
        )
    one, other = arrays("whole/checkpoint.npz"), arrays("parts/checkpoint.npz")
    assert np.array_equal(one["G.params"], other["G.params"])


@pytest.mark.parametrize("name", ["mnist_dcgan", "mnist_mlp_gan"])
def test_a_folder_of_pictures_is_digits_of_28_x_28(name, sources, no_pictures):
    assert train(name, "--data", sources / "pictures", "--quick", "--steps", 1, "--batch-size", 4, "--out", "run") == 0
    assert config("run") == config("run") | {"data": str(sources / "pictures")}
    assert json.loads(Path("run/config.json").read_text(encoding="utf-8"))["data"]["shape"] == [28, 28, 1]


def test_drawn_faces_may_be_grey_and_oblong(sources):
    run = Wired("celeba_dcgan", base("celeba_dcgan", sources) | {"size": "32x16", "channels": 1})
    assert run.real.shape == (32, 16, 1) and run.settings.size == "32x16"
    colours = draw_faces(IMAGES, (32, 16)).images @ [0.299, 0.587, 0.114]
    assert abs(run.real.images[..., 0] - colours).max() <= 0.51


@pytest.mark.parametrize("name", [name for name in FACES if name != "faces_r3gan"])  # which makes any size
def test_a_size_that_a_model_cannot_make_is_refused_before_anything_is_read(name, refused):
    """The folder of images is missing, and that is not what the message is about."""
    smallest = SIZES[name][0]
    message = refused(train(name, "--size", smallest + 1, "--data", "missing"), f"{smallest + 1} x {smallest + 1}")
    (factor,) = re.findall(r"makes multiples of (\d+)", message)
    assert f"from {smallest} on" in message and smallest % int(factor) == 0
    assert os.listdir() == []
    assert Wired(name, SMALL | {"faces": IMAGES, "size": smallest + int(factor)}).gan.G.output_shape[0] > smallest


def test_digits_of_a_size_that_the_model_cannot_make_are_refused(refused):
    np.save("odd.npy", pixels(IMAGES, 10, 9))
    refused(train("mnist_dcgan", "--data", "odd.npy", "--out", "run"), "10 x 9", "multiples of 4")
    assert os.listdir() == ["odd.npy"]


def test_too_few_digits_for_a_batch_are_refused(sources, refused):
    np.save("few.npy", pixels(9, 8, 8))
    refused(train("mnist_dcgan", "--data", "few.npy", "--batch-size", 10, "--out", "run"), "few.npy: 9 images")
    assert os.listdir() == ["few.npy"]


# Memory --------------------------------------------------------------------------------------------------------------


@every_system
def test_no_float64_stays(name, sources):
    """Images are bytes and everything else is float32: a forgotten conversion would double the memory."""
    changes = {"rotate": 5, "crop": 0.9, "flip": 0.5} if name in FACES else {}
    changes |= {} if name.endswith("r3gan") else {"lr_every": 1}
    run = Wired(name, base(name, sources) | {"ema": 0.9} | changes)
    run.parameters()
    run.gan.G.predict(run.gan.draw_noise(2, "samples", 0))
    kept = [array for array in arrays_below(run) if array.size > 1]
    assert len(kept) > 20 and any(array is run.gan.average for array in kept)
    assert run.real.images.dtype == np.uint8
    assert {array.dtype for array in kept if array.dtype.kind == "f"} == {np.dtype("float32")}


def arrays_below(root):
    """All arrays that an object keeps alive, itself or through others."""
    found, waiting = {}, [root]
    while waiting:
        holder = waiting.pop()
        if id(holder) not in found and not isinstance(holder, type | types.ModuleType | types.FunctionType):
            found[id(holder)] = holder
            waiting += gc.get_referents(holder)
    return [holder for holder in found.values() if isinstance(holder, np.ndarray)]
