"""Sentences of the docs that a test can hold: tables beside the code that they describe."""

import contextlib
import dataclasses
import inspect
import itertools
import re
import shlex
import sys
from pathlib import Path

import pytest

import minigan as mg
from minigan import layers
from minigan.cli import COMMANDS, guarded, main
from minigan.errors import counted
from minigan.labs.command import ACTIONS
from minigan.models import MODELS
from minigan.run import Plan
from minigan.run_directory import RunDirectory
from minigan.settings import _parser, flag, parse_command

from .conftest import ROOT
from .systems import example, system
from .test_architecture import SCREEN, SITTING

DOCS = ROOT / "docs"


def rows_below(page, heading):
    """The cells of the first table below a heading of a page, but for its first two lines."""
    text = (DOCS / page).read_text(encoding="utf-8").partition(f"# {heading}\n")[2]
    lines = list(itertools.takewhile(lambda line: line.startswith("|"), text[text.index("\n|") + 1 :].splitlines()))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def settings_of(program, words=()):
    """The settings of an example that is started with these words."""
    module = example(program)
    return dataclasses.asdict(parse_command(module.Settings, "", module.QUICK, list(words)).settings)


PROGRAMS = {row[0].strip("`"): row[1].strip("`").removesuffix(".py") for row in rows_below("models.md", "The models")}
DIFFERENCES = rows_below("models.md", "Where ours differ from their tutorials")
FLAGGED = [
    (model, flags) for row in DIFFERENCES for model in re.findall(r"`(\w+)`", row[0]) for flags in [row[-1].strip("`")]
    if flags.startswith("--") and not row[0].startswith("all")
]  # fmt: skip


def test_the_differences_are_told_of_every_system_of_a_tutorial():
    told = {model for row in DIFFERENCES for model in re.findall(r"`(\w+)`", row[0])}
    assert told == set(MODELS) - {"mnist_dcgan", "r3gan", "toy2d"}
    assert all(len(row) == 5 for row in DIFFERENCES) and len(FLAGGED) >= 9


@pytest.mark.parametrize(("model", "flags"), FLAGGED)
def test_the_tutorials_way_is_a_flag_and_not_what_is_done_without(model, flags):
    words = flags.split()
    usual, theirs = settings_of(PROGRAMS[model]), settings_of(PROGRAMS[model], words)
    assert {flag(name) for name in usual if usual[name] != theirs[name]} == {words[0]}


# What the table of recipes says, and the setting that it must be.
RECIPES = rows_below("models.md", "The recipes")
SETTINGS = {
    "batches": lambda s: f"{s['batch_size']}, {'with replacement' if s['sampling'] == 'replacement' else 'shuffled'}",
    "length": lambda s: f"{s['epochs']} epochs" if s["epochs"] else f"{s['steps']:,} steps",
    "grid": lambda s: f"{s['grid']} x {s['grid']}",
    "G's noise": lambda s: "that of D's fakes" if s["noise"] == "same" else "fresh",
    "learning rate": lambda s: f"{s['lr_factor']} times every {s['lr_every']} epochs" if s["lr_every"] else "stays",
}


def recipe_models():
    """The head of the table."""
    head = (DOCS / "models.md").read_text(encoding="utf-8").partition("\n## The recipes\n")[2].strip().splitlines()[0]
    return head.strip("| ").split(" | ")


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_recipes_are_the_programs(setting):
    (row,) = [row for row in RECIPES if row[0] == setting]
    for model, said in zip(recipe_models(), row[1:], strict=True):
        said = said.replace(" (ours)", "")
        assert said.startswith(SETTINGS[setting](settings_of(PROGRAMS[model]))), (model, said)


def test_how_many_programs_draw_with_replacement():
    drawing = {model for model, program in PROGRAMS.items() if model != "toy2d"
               and settings_of(program).get("sampling", "replacement") == "replacement"}  # fmt: skip
    assert drawing == {"mnist_mlp", "faces64"}  # docs/notation.md: six of the eight draw in epochs


@pytest.mark.parametrize(
    ("n", "noun", "words"),
    [(1, "image", "1 image"), (2_000, "image", "2,000 images"), (0, "step", "0 steps"), (1, "class", "1 class"),
     (10, "class", "10 classes")],
)  # fmt: skip
def test_one_thing_is_one_and_more_are_many(n, noun, words):
    assert counted(n, noun) == words


def test_what_is_told_of_one_step_and_one_image_is_in_the_singular(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = mg.data.draw_faces(1, 16)
    gan = mg.GAN(*mg.models.mnist_dcgan((16, 16, 3), width=1))
    run = mg.train(gan, mg.data.draw_faces(2, 16), steps=1, batch_size=2, progress=False)
    told = " ".join([repr(images), repr(gan), repr(run), run._repr_html_()])
    assert "1 image of" in told and "1 step" in told
    assert not re.search(r"\b1 (images|steps)\b", told)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_narrow_critic_dies_of_eps_and_a_wider_one_does_not(seed):
    """docs/optimizers.md, weight clipping: the flags of its table, and ten steps."""
    faces, estimates = mg.data.draw_faces(100, 32), {}
    for width in (8, 16):
        given = {"width": width, "size": 32, "batch_size": 16, "lr": 2e-4, "seed": seed}
        gan, _ = system("anime_wgan", dtype="float32", **given)
        estimates[width] = [float(gan.step(faces.batch(80, seed, step)).d_score) for step in range(10)][-1]
    assert abs(estimates[8]) < 1e-9 and estimates[16] > 1e-4


FLAGS = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w_])")
OTHERS = {
    "--help", "--version", "--dataset",  # the last is a tutorial's
    "--busy", "--compile", "--layers", "--missing", "--penalties", "--scaling",  # of tests.benchmarks and tests.gpu
    "--table",
    "--cpus",  # of containers
    "--find-links", "--no-index",  # of pip
}  # fmt: skip


def test_every_flag_in_the_docs_is_one(capsys):
    """Of some program or command. Most of the tutorials' have underscores, or stand beside the word `none`."""
    known = set()
    for path in sorted((ROOT / "examples").glob("*.py")):
        if "parse_command" in path.read_text(encoding="utf-8"):
            module = example(path.stem)
            known |= set(_parser(module.Settings, "", module.QUICK)._option_string_actions)
    for words in [*([command] for command in COMMANDS), *(["lab", action] for action in ACTIONS)]:
        with pytest.raises(SystemExit):
            main([*words, "--help"])
    known |= set(FLAGS.findall(capsys.readouterr().out))
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        lines = [line for line in page.read_text(encoding="utf-8").splitlines() if "| none |" not in line]
        assert set(FLAGS.findall("\n".join(lines))) <= known | OTHERS or page.name == "reference.md", page


SHORTER = {
    "--steps 3000": "--steps 6 --checkpoint-every 2 --log-every 2 --batch-size 4",
    "--steps 6000": "--steps 8",
    "005000": "000006",
    "--quick": "--quick --steps 2 --batch-size 4",
    "--count 50000": "--count 3",
    "--count 1000": "--count 3",
    "--lr 0.0001": "--lr 0.0001 --steps 2 --batch-size 4",
    "--lr 1e30": "--lr 1e30 --batch-size 4",
}


@contextlib.contextmanager
def as_the_error_has_it(expected, run):
    """The run in use by another, or its history saved by a spreadsheet whose column was too narrow."""
    if "in use" in expected:
        holder = RunDirectory(run)
        holder.acquire()
        yield
        holder.release()
    elif "#####" in expected:
        history = run / "history.csv"
        before = history.read_bytes()
        lines = before.decode().splitlines()
        lines[2] = ",".join("#####" if i == 1 else cell for i, cell in enumerate(lines[2].split(",")))
        history.write_text("\n".join([*lines, ""]), encoding="utf-8")
        yield
        history.write_bytes(before)
    else:
        yield


@pytest.mark.slow
def test_the_commands_of_the_page_on_runs_do_what_it_says(tmp_path, monkeypatch, capsys):
    """In this order, with fewer and smaller steps. Where the next line is an error, it is the one. A server is ended by
    Ctrl-C at once.
    """

    def ended(server, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("socketserver.BaseServer.serve_forever", ended)
    monkeypatch.setattr("webbrowser.open", lambda *arguments: True)
    monkeypatch.chdir(tmp_path)
    consoles = re.findall(
        r"^```console\n(.*?)^```", (DOCS / "runs.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    pairs = [pair for console in consoles for pair in itertools.pairwise([*console.splitlines(), ""])]
    commands = [(line, after) for line, after in pairs if re.match("python (examples|-m minigan)", line)]
    for line, after in commands:
        for long, short in SHORTER.items():
            line = line.replace(long, short)
        expected = after if after.startswith("error: ") else ""
        with as_the_error_has_it(expected, Path("runs/first")):
            assert status_of(line.split()[1:], monkeypatch) == (2 if expected else 0), line
        assert expected in capsys.readouterr().err.splitlines() or not expected, line
    assert len(commands) >= 10 and Path("runs/second/generator.npz").exists() and Path("images.npy").exists()


def status_of(words, monkeypatch):
    """The exit status of `python` with these words, in this process."""
    if words[:2] == ["-m", "minigan"]:
        return main(words[2:])
    program = example(Path(words[0]).stem)
    monkeypatch.setattr(sys, "argv", words)
    return guarded(program.main, words[1:])


def arguments(function):
    """Those that are given by name, and what they are if they are left out."""
    return {name: p.default for name, p in inspect.signature(function).parameters.items() if p.kind is p.KEYWORD_ONLY}


def test_all_arguments_of_train_are_on_the_page_with_what_they_are_if_left_out():
    rows = {name: row for row in rows_below("training.md", "All arguments") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(rows) == set(arguments(mg.train))
    for name, usual in dataclasses.asdict(Plan()).items():
        assert rows[name][-1] == str(usual) or name == "seed"


def test_the_switches_of_a_step_are_those_of_gan_and_their_first_value_is_the_usual_one():
    rows = {row[0].strip("`"): row[1] for row in rows_below("gan_step.md", "Switches")}
    usual = arguments(mg.GAN)
    assert set(rows) == set(usual) - {"g_optimizer", "d_optimizer", "graph", "seed"}
    for name, values in rows.items():
        first = re.split(r", ", values)[0].strip('`"')
        assert first == str(usual[name] if usual[name] is not None or name != "objective" else "NonSaturating"), name


COMMAND_LINE = re.compile(r"^ {0,4}(python (?:examples/\w+\.py|-m minigan\b).*)$", re.MULTILINE)
COMMAND_LINES = sorted({
    (page.name, line) for page in [ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.py")]
    for line in COMMAND_LINE.findall(page.read_text(encoding="utf-8"))
    if "[STEPS]" not in line
})  # fmt: skip


@pytest.mark.parametrize(("page", "line"), COMMAND_LINES)
def test_every_command_on_a_page_can_be_read(page, line, monkeypatch, capsys):
    """Flags and values, that is: with --help at its end nothing is done. What follows two spaces is a comment."""
    words = shlex.split(re.split(r" {2,}", line)[0])[1:]
    with pytest.raises(SystemExit) as ended:
        status_of([*words, "--help"], monkeypatch)
    assert ended.value.code == 0, capsys.readouterr().err


@pytest.mark.parametrize("changes", [[], [mg.data.RandomHorizontalFlip(0.25)], [mg.data.RandomRotation(3)] * 2])
def test_a_run_knows_its_transforms(tmp_path, changes):
    faces, run = mg.data.draw_faces(8, 16), tmp_path / "run"

    def train(transforms, **options):
        gan = mg.GAN(*mg.models.mnist_dcgan((16, 16, 3), width=1))
        return mg.train(gan, faces.with_batches(transforms=transforms), progress=False, **options)

    train([mg.data.RandomHorizontalFlip(0.5)], steps=1, batch_size=2, out=run)
    with pytest.raises(mg.MiniganError, match=r"cannot go on otherwise than it began: data, config, transforms"):
        train(changes, steps=2, resume=run)


DEFAULTS = {  # of the table that compares minigan, Keras and PyTorch
    "LeakyReLU": (layers.LeakyReLU, "slope"),
    "BatchNorm `momentum`": (layers.BatchNorm, "momentum"),
    "BatchNorm `eps`": (layers.BatchNorm, "eps"),
    "Adam `eps`": (mg.Adam, "eps"),
    "RMSprop `eps`": (mg.RMSprop, "eps"),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_beside_keras_and_pytorch_are_the_codes(name):
    (row,) = [row for row in rows_below("notation.md", "minigan, Keras, PyTorch") if row[0] == name]
    kind, argument = DEFAULTS[name]
    usual = inspect.signature(kind).parameters[argument].default
    assert usual in [float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", row[1])], row
    if kind is layers.BatchNorm:  # and what the two networks with Keras's have
        norm = next(layer for layer in mg.models.faces64(width=1)[0].layers if isinstance(layer, layers.BatchNorm))
        assert f"`faces64` have {'1e-3' if argument == 'eps' else norm.momentum}" in row[1] and norm.eps == 1e-3


def test_the_budget_is_the_tests():
    told = (
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## The budget\n")[2].partition("\n## ")[0]
    )
    assert set(re.findall(r"(\d+) lines", told)) == {str(SCREEN), str(SITTING)}


@pytest.mark.parametrize("model", recipe_models())
def test_the_numbers_of_a_recipe_are_the_networks_and_the_optimizers(model):
    said = {row[0]: row[1 + recipe_models().index(model)] for row in RECIPES}
    gan, _ = system(PROGRAMS[model], width=2)
    norm = next(layer for layer in gan.G.layers if isinstance(layer, layers.BatchNorm))
    numbers = {name: [float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", cell)] for name, cell in said.items()}
    assert numbers["BatchNorm momentum, eps"][:2] == [norm.momentum, norm.eps]
    assert numbers["optimizers"][0] == gan.g_optimizer.learning_rate == gan.d_optimizer.learning_rate
    betas = [getattr(gan.g_optimizer, name, None) for name in ("beta1", "beta2")]
    assert numbers["optimizers"][1:] == betas[: len(numbers["optimizers"]) - 1]
    assert type(gan.g_optimizer).__name__ in said["optimizers"]
    updates = {"summed": "one, summed", "two_steps": "real, then fake"}[gan.d_update] if gan.d_steps == 1 else "five"
    assert said["updates of D"].startswith(updates)
    wasserstein = isinstance(gan.objective, mg.Wasserstein)
    assert said["objective"].startswith("Wasserstein" if wasserstein else "cross-entropy")
    assert wasserstein or ("0.9" in said["objective"]) == (gan.objective.real_target == 0.9)
