"""Runs: the same bits after an interruption of any kind, and what is left when something goes wrong."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan import StepLR, Wasserstein, WeightClipping, cli, data, files, pictures, progress, training
from minigan.errors import DivergedError, FileError, SettingsError, ShapeError
from minigan.settings import Command, RunSettings

from .conftest import ROOT
from .gans import IMAGE, small_gan
from .systems import example

SCRIPT = ROOT / "examples" / "mnist_mlp_gan.py"
STEPS = 40

pytestmark = pytest.mark.usefixtures("no_curves")  # of every run but `whole`, which is made before


def settings(steps=STEPS, **changes):
    return RunSettings(**{"steps": steps, "batch_size": 6, "seed": 3, "log_every": 6, "sample_every": 15,
                          "checkpoint_every": 10} | changes)  # fmt: skip


def images(seed=0):
    return data.ImageSet(np.random.default_rng(seed).integers(0, 256, (50, *IMAGE), dtype=np.uint8), "test images")


def start(out, gan=None, **changes):
    gan = gan or small_gan()
    training.train(gan, images(), Command(settings(**changes), out, None), "test")
    return gan


def resume(run, gan=None, **changes):
    gan = gan or small_gan()
    training.train(gan, images(), Command(settings(**changes), None, run), "test")
    return gan


def history(run):
    """The rows, without the one column that can differ: the seconds."""
    with open(run / "history.csv", newline="") as file:
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
    names = sorted(path.name for path in (a / "samples").glob("*.png"))
    assert names and names == sorted(path.name for path in (b / "samples").glob("*.png"))
    for name in names:
        assert (a / "samples" / name).read_bytes() == (b / "samples" / name).read_bytes()
    assert (a / "evolution.gif").read_bytes() == (b / "evolution.gif").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    start(run)
    return run


def test_what_a_run_leaves(whole):
    assert sorted(path.name for path in whole.iterdir() if path.name != ".lock") == [
        "checkpoint.npz", "config.json", "evolution.gif", "generator.npz", "history.csv", "losses.png", "samples",
    ]  # fmt: skip
    assert [path.name for path in sorted((whole / "samples").iterdir())] == [
        "000000.png", "000015.png", "000030.png", "000040.png",
    ]  # fmt: skip
    assert [int(row["step"]) for row in history(whole)] == [6, 12, 18, 24, 30, 36]
    with Image.open(whole / "evolution.gif") as film:
        assert film.n_frames == 4
    config = json.loads((whole / "config.json").read_text())
    assert config["settings"] == vars(settings()) and config["data"]["images"] == 50
    assert config["versions"].keys() == {"minigan", "numpy", "python"}


def test_rows_are_means_over_their_steps(whole, monkeypatch, tmp_path):
    seen = []
    gan = small_gan()
    step = gan.step
    gan.step = lambda x: (seen.append(step(x)), seen[-1])[1]
    start(tmp_path / "run", gan)
    rows = history(tmp_path / "run")
    assert rows == history(whole)
    np.testing.assert_allclose(float(rows[1]["g_loss"]), np.mean([losses.g_loss for losses in seen[6:12]]), rtol=1e-12)
    np.testing.assert_allclose(
        float(rows[-1]["d_loss"]), np.mean([losses.d_loss for losses in seen[30:36]]), rtol=1e-12
    )


def test_a_run_too_short_for_a_row_writes_one_and_a_longer_one_replaces_it(whole, tmp_path):
    start(tmp_path / "run", steps=4)
    assert [int(row["step"]) for row in history(tmp_path / "run")] == [4]
    resume(tmp_path / "run")
    assert history(tmp_path / "run") == history(whole)


@pytest.mark.parametrize("stop_at", [30, 20, 13])  # at a checkpoint and a sample; at neither; and between rows too
def test_a_run_in_two_parts_is_the_run_in_one(whole, tmp_path, stop_at):
    run = tmp_path / "run"
    start(run, steps=stop_at)
    resume(run)
    extra = run / "samples" / f"{stop_at:06d}.png"
    if stop_at % 15:  # the shorter run ended with a sample of its own, which the longer one does not have
        extra.unlink()
        (run / "evolution.gif").write_bytes((whole / "evolution.gif").read_bytes())
    assert_same_run(run, whole)


def test_dropout_batchnorm_and_every_optimizer_vector_go_on(tmp_path):
    """Resuming restores all that steps depend on; a lost dropout count or momentum would change the bits."""
    from minigan import GAN, BCEWithLogits, NonSaturating, RMSprop, Sequential
    from minigan.layers import BatchNorm, Dense, Dropout, Flatten, LeakyReLU, Reshape, Tanh

    def build():
        G = Sequential([Dense(9), BatchNorm(), LeakyReLU(), Dropout(0.2), Dense(15), Tanh(), Reshape(IMAGE)],
                       input_shape=4, name="G")  # fmt: skip
        D = Sequential([Flatten(), Dense(8), LeakyReLU(), Dropout(0.4), Dense(1)], input_shape=IMAGE, name="D")
        return GAN(
            G, D, objective=NonSaturating(BCEWithLogits()), g_optimizer=RMSprop(G), d_optimizer=RMSprop(D), seed=3
        )

    start(tmp_path / "whole", build(), steps=20)
    start(tmp_path / "parts", build(), steps=10, sample_every=10)
    resume(tmp_path / "parts", build(), steps=20, sample_every=10)
    a, b = arrays(tmp_path / "whole" / "checkpoint.npz"), arrays(tmp_path / "parts" / "checkpoint.npz")
    assert all(np.array_equal(a[name], b[name]) for name in a)


def stop_by_signal(gan, at, number=signal.SIGINT):
    step = gan.step

    def stopping(x):
        if gan.steps + 1 == at:
            os.kill(os.getpid(), number)
        return step(x)

    gan.step = stopping
    return gan


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(whole, tmp_path, capsys, number):
    run = tmp_path / "run"
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        start(run, stop_by_signal(small_gan(), 17, number))
    assert signal.getsignal(number) is before
    said = capsys.readouterr()
    assert f"stopped; {run / 'checkpoint.npz'} holds step 17" in said.out
    assert ("--resume" in said.out) == sys.argv[0].endswith(".py")
    assert "finishing this step" in said.err
    assert int(arrays(run / "checkpoint.npz")["steps"]) == 17
    assert (run / "evolution.gif").exists() and (run / "losses.png").exists()
    resume(run)
    assert_same_run(run, whole)


def test_a_signal_before_the_first_row_of_the_history(whole, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        start(run, stop_by_signal(small_gan(), 2))
    assert history(run) == [] and (run / "losses.png").exists()
    resume(run)
    assert_same_run(run, whole)


def test_a_second_signal_stops_at_once(tmp_path):
    gan = small_gan()
    step = gan.step

    def stopping(x):
        if gan.steps == 16:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
        return step(x)

    gan.step = stopping
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", gan)
    assert int(arrays(tmp_path / "run" / "checkpoint.npz")["steps"]) == 10


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
    with open(run / "history.csv", "a") as file:
        file.write("24,0.5,0.1")
    resume(run)
    assert history(run) == history(whole)


def test_a_run_in_use_is_left_alone(tmp_path):
    run = tmp_path / "run"
    gan = small_gan()
    step = gan.step

    def meddle(x):
        if gan.steps == 12:
            with pytest.raises(FileError, match="is in use by another program"):
                resume(run)
        return step(x)

    gan.step = meddle
    start(run, gan)
    assert gan.steps == STEPS


# Things that go wrong -------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("at", [3, 10, 27])
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_layer(tmp_path, at):
    """The fault is planted where a replay meets it again: in the real images of one step, from inside G or from D."""
    run = tmp_path / "run"
    gan = small_gan()
    draw = gan.draw_noise
    gan.draw_noise = lambda n, stream, step: draw(n, stream, step) * (np.inf if (stream, step) == ("G", at) else 1)
    with pytest.raises(DivergedError) as caught:
        start(run, gan, log_every=6)
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


def test_a_seed_that_config_json_would_not_tell(tmp_path):
    with pytest.raises(SettingsError, match="the GAN has seed 4 and the settings 3"):
        start(tmp_path / "run", small_gan(seed=4))


def test_training_outside_the_main_thread(whole, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(start, tmp_path / "run").result()
    assert_same_run(tmp_path / "run", whole)


def wasserstein(loss):
    return Wasserstein()


SWITCHES = [
    {"noise": "same"},
    {"d_update": "two_steps", "d_steps": 2},
    {"objective": wasserstein, "clip": WeightClipping(0.05), "d_steps": 5},
    {"objective": wasserstein, "clip": WeightClipping(0.05, "kernels"), "d_update": "two_steps"},
    {"schedule": StepLR(4, 0.5)},
    {"schedule": lambda step: 1 / (1 + step)},
    {"ema": 0.9},
    {"ema": 0.9, "schedule": StepLR(3, 0.9), "clip": WeightClipping(0.3), "noise": "same", "d_steps": 2},
]


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_switch_resumes_to_the_same_bits(tmp_path, switches):
    choices = {"sample_every": 10, "log_every": 4}
    start(tmp_path / "whole", small_gan(**switches), steps=20, **choices)
    start(tmp_path / "parts", small_gan(**switches), steps=10, **choices)
    resume(tmp_path / "parts", small_gan(**switches), steps=20, **choices)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_critics_run_has_its_estimate_and_no_accuracy(tmp_path, capsys):
    gan = small_gan(objective=wasserstein, clip=WeightClipping(0.05))
    command = Command(settings(steps=12), tmp_path / "run", None)
    run = training.train(gan, images(), command, "test")
    rows = history(tmp_path / "run")
    assert list(rows[0]) == ["step", "d_loss", "d_loss_real", "d_loss_fake", "w_estimate", "g_loss", "lr"]
    assert all(float(row["w_estimate"]) == -float(row["d_loss"]) for row in rows)
    assert "Wasserstein estimate " in capsys.readouterr().out
    said = training.describe(run, 12)
    assert f"w_estimate {float(rows[-1]['w_estimate']):.3f}, g_loss" in said and "accuracy" not in said


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


def test_a_learning_rate_far_too_large_ends_in_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", np.random.default_rng(0).integers(0, 256, (60, 6, 5), dtype=np.uint8))
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--data", "images.npy", *SHORT, "--lr", "1e30", "--out", "run"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: the numbers of step ") and "layer" in done.stderr
    assert done.stderr.count("\n") == 1


def test_images_of_another_shape_than_the_networks(tmp_path):
    other = data.ImageSet(np.zeros((9, 4, 4), np.uint8), "small images")
    with pytest.raises(ShapeError, match=r"small images has images of shape \(4, 4, 1\); the GAN makes \(5, 3, 1\)"):
        training.train(small_gan(), other, Command(settings(), tmp_path / "run", None), "test")
    assert not (tmp_path / "run").exists()


def test_trying_the_batch_leaves_no_trace(tmp_path):
    gan, other = small_gan(), small_gan()
    training._try_batch(gan, images(), 6)
    for a, b in ((gan.G, other.G), (gan.D, other.D)):
        assert np.array_equal(a.state, b.state) and a.forwards == b.forwards == 0


@pytest.mark.parametrize(
    "row, said",
    [
        ({"d_loss": 1.25, "g_loss": 0.75, "d_accuracy": 0.5}, "D 1.250  G 0.750  D's accuracy 50%"),
        ({"d_loss": -1.25, "g_loss": 0.75, "w_estimate": 1.25}, "D -1.250  G 0.750  Wasserstein estimate 1.250"),
    ],
)
def test_progress_on_a_terminal_and_off(row, said, monkeypatch, capsys):
    for terminal in (True, False):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        with progress.Progress(0, 1) as bar:
            bar.advance()
            bar.show(row)
        streams = capsys.readouterr()
        assert said in (streams.err if terminal else streams.out)
        assert ("step/s" in streams.err) == terminal


def test_ctrl_c_is_exit_status_130(monkeypatch):
    def interrupted(argv):
        raise KeyboardInterrupt

    assert cli.guarded(interrupted) == 130
