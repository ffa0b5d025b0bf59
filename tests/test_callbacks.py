"""Callbacks: when they are told, what they may do, what is refused, and what a run keeps when one raises."""

import csv
import math

import numpy as np
import pytest

import minigan as mg
from minigan import Callback, LeastSquares, callbacks
from minigan.errors import FileError, SettingsError

from .gans import small_gan
from .test_training import PLAN, arrays, assert_same_run, history, images, resume, start, train

pytestmark = pytest.mark.usefixtures("no_curves")


class Diary(Callback):
    """What was told, in order."""

    def __init__(self, name="", told=None):
        self.name, self.told = name, [] if told is None else told

    def note(self, training, event):
        self.told.append((f"{self.name}{event}", training.step))

    def on_start(self, training):
        self.note(training, "start")

    def on_step(self, training, losses):
        assert isinstance(losses, mg.Losses) and losses.d_loss.shape == ()
        self.note(training, "step")

    def on_log(self, training, row):
        assert row is training.row and list(row)[:2] == ["step", "d_loss"] and row["step"] == training.step
        self.note(training, "log")

    def on_sample(self, training, images):
        assert images.shape == (25, 5, 3, 1) and abs(images).max() <= 1
        assert training.picture(images).shape[-1] == 1
        self.note(training, "sample")

    def on_checkpoint(self, training, path):
        assert int(arrays(path)["steps"]) == training.step
        self.note(training, "checkpoint")

    def on_stop(self, training):
        self.note(training, "stop")


def test_what_is_told_and_when(tmp_path):
    diary = Diary()
    start(tmp_path / "run", steps=13, callbacks=[diary])
    assert [entry for entry in diary.told if entry[0] != "step"] == [
        ("start", 0), ("sample", 0), ("checkpoint", 0), ("log", 6), ("checkpoint", 10), ("log", 12), ("sample", 13),
        ("checkpoint", 13), ("stop", 13),
    ]  # fmt: skip
    assert [step for event, step in diary.told if event == "step"] == list(range(1, 14))
    assert diary.told.index(("step", 6)) < diary.told.index(("log", 6)) < diary.told.index(("step", 7))
    again = Diary()
    resume(tmp_path / "run", steps=15, callbacks=[again])
    assert [entry for entry in again.told if entry[0] != "step"] == [
        ("start", 13), ("sample", 15), ("checkpoint", 15), ("stop", 15)
    ]  # fmt: skip


def test_the_users_are_told_in_their_order_and_before_ours(tmp_path):
    told = []

    class Looks:
        def on_sample(self, training, images):
            told.append(training.path.joinpath("samples", "000000.png").exists())

    start(tmp_path / "run", steps=1, callbacks=[Diary("a", told), Diary("b", told), Looks()])
    assert told[:5] == [("astart", 0), ("bstart", 0), ("asample", 0), ("bsample", 0), False]


def test_without_a_folder_no_checkpoint_is_told():
    diary = Diary()
    train(steps=13, callbacks=[diary])
    assert {event for event, _ in diary.told} == {"start", "step", "log", "sample", "stop"}


def test_what_the_training_says_of_itself(tmp_path):
    seen = {}

    class Looks:
        def on_log(self, training, row):
            seen[training.step] = (training.steps, training.batch_size, training.path, len(training.history["step"]))
            assert training.seconds > 0 and training.data.name == "test images" and training.stopped is None

    gan = start(tmp_path / "run", steps=12, callbacks=[Looks()])
    assert seen == {6: (12, 6, tmp_path / "run", 0), 12: (12, 6, tmp_path / "run", 1)}
    assert gan.steps == 12


# Own measures --------------------------------------------------------------------------------------------------------


class Modes:
    """A measure that is a function of the GAN at its step."""

    def on_log(self, training, row):
        row["modes"] = int(1000 * abs(training.gan.sample(3, seed=training.step)).sum())
        row["spread"] = training.gan.sample(9).std()  # a number of NumPy's


def test_own_measures_are_columns_and_the_same_bits_after_a_resume(tmp_path):
    start(tmp_path / "whole", callbacks=[Modes()])
    start(tmp_path / "parts", steps=30, callbacks=[Modes()])
    resume(tmp_path / "parts", callbacks=[Modes()])
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    rows = history(tmp_path / "whole")
    assert list(rows[0])[-2:] == ["modes", "spread"] and rows[0]["modes"].isdigit()
    read = mg.open_run(tmp_path / "whole").history
    assert read["modes"][2] == int(rows[2]["modes"]) and read["spread"][2] == float(rows[2]["spread"])


def test_a_measure_that_comes_later_or_now_and_then(tmp_path):
    class Late:
        def on_log(self, training, row):
            if training.step in (18, 30):
                row["late, with a comma"] = training.step / 7

    start(tmp_path / "run", callbacks=[Late()])
    with open(tmp_path / "run" / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["late, with a comma"] for row in rows] == ["", "", repr(18 / 7), "", repr(30 / 7), ""]
    late = mg.open_run(tmp_path / "run").history["late, with a comma"]
    assert [math.isnan(value) for value in late] == [True, True, False, True, False, True]
    resume(tmp_path / "run", steps=42)  # without the callback
    assert [row["step"] for row in history(tmp_path / "run")][-1] == "42"
    assert history(tmp_path / "run")[-1]["late, with a comma"] == ""


def test_a_measure_is_a_curve(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        mg.pictures, "save_curves", lambda path, history, undecided: path.write_bytes(b"") or drawn.update(history)
    )
    start(tmp_path / "run", callbacks=[Modes()])
    assert len(drawn["modes"]) == 6 and list(drawn["step"]) == [6, 12, 18, 24, 30, 36]


@pytest.mark.parametrize(("name", "value"), [("modes", "seven"), ("modes", [1, 2]), ("modes", None), (7, 7), ("", 1)])
def test_a_measure_that_is_no_number(tmp_path, name, value):
    class Wrong:
        def on_log(self, training, row):
            if training.step == 12:
                row[name] = value

    with pytest.raises(SettingsError, match=r"the row of step 12 has .*; wanted a n"):
        start(tmp_path / "run", callbacks=[Wrong()])
    assert mg.open_run(tmp_path / "run").steps == 12
    resume(tmp_path / "run", callbacks=[])
    start(tmp_path / "whole")
    assert history(tmp_path / "run") == history(tmp_path / "whole")


class Margin(LeastSquares):
    """An objective with a score of its own, and no loss that it could be undecided at."""

    score = "margin"

    def score_real(self, pred):
        return pred.mean()

    def score_fake(self, pred):
        return -pred.mean()

    def undecided(self):
        raise NotImplementedError


def test_an_objective_with_a_score_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.undo()  # the curves are drawn here
    monkeypatch.setattr("minigan.progress.LINE_SECONDS", 0.0)
    gan = small_gan(objective=lambda loss: Margin())
    run = mg.train(gan, images(), steps=12, out=tmp_path / "run", **PLAN | {"progress": True})
    assert "margin" in run.history and "margin" in capsys.readouterr().out
    assert (tmp_path / "run" / "losses.png").stat().st_size > 1000


# Stopping ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ["on_start", "on_step", "on_log", "on_sample", "on_checkpoint"])
def test_any_callback_may_stop_the_run(tmp_path, event):
    def stop(training, *arguments):
        if training.step >= (0 if event == "on_start" else 7):
            training.stop("enough")

    callback = type("Stops", (), {event: lambda self, *arguments: stop(*arguments)})()
    run = mg.train(small_gan(), images(), steps=40, out=tmp_path / "run", callbacks=[callback], **PLAN)
    at = {"on_start": 0, "on_step": 7, "on_log": 12, "on_sample": 15, "on_checkpoint": 10}[event]
    assert run.stopped == "enough" == mg.open_run(tmp_path / "run").stopped and "stopped: enough" in repr(run)
    assert run.steps == at == mg.open_run(tmp_path / "run").steps
    assert run.samples[-1].name == f"{at:06d}.png"  # it ends with a look at what came out


def test_a_stopped_run_goes_on(tmp_path):
    class Stops:
        def on_step(self, training, losses):
            if training.step == 15:
                training.stop("enough")
                training.stop("the first reason counts")

    gan = start(tmp_path / "run", callbacks=[Stops()])
    run = mg.train(gan, images(), steps=40, progress=False)
    assert run.stopped is None and run.steps == 40
    start(tmp_path / "whole")
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_callback_may_change_when_the_run_ends_and_the_learning_rate(tmp_path):
    class Longer:
        def on_log(self, training, row):
            training.steps = 18
            training.gan.g_optimizer.learning_rate = 0.5

    run = mg.train(small_gan(), images(), steps=12, callbacks=[Longer()], **PLAN)
    assert run.steps == 18 and list(run.history["lr"]) == [0.01, 0.5, 0.5]


# Errors --------------------------------------------------------------------------------------------------------------


class Fails:
    """Raises in one method at one step, and never again."""

    def __init__(self, event, step):
        self.event, self.step = event, step

    def __getattr__(self, name):
        if name != self.__dict__["event"]:
            raise AttributeError(name)
        return self.fail

    def fail(self, training, *arguments):
        if training.step == self.step:
            self.step = -1
            raise ZeroDivisionError("mine")


@pytest.mark.parametrize("again", ["resume", "same GAN"])
@pytest.mark.parametrize(
    ("event", "step"), [("on_step", 17), ("on_step", 30), ("on_log", 18), ("on_log", 30), ("on_sample", 30),
                        ("on_checkpoint", 20), ("on_log", 12)],
)  # fmt: skip
def test_a_callback_that_raises_loses_no_step_and_no_row(tmp_path, event, step, again):
    run = tmp_path / "run"
    gan, failing = small_gan(), Fails(event, step)
    with pytest.raises(ZeroDivisionError, match="^mine") as caught:
        start(run, gan, callbacks=[Modes(), failing])
    assert caught.value.__notes__ == [
        f"Fails.{event} raised this at step {step} of the run; {run / 'checkpoint.npz'} holds step {step}"
    ]
    assert mg.open_run(run).steps == step and mg.open_run(run).stopped == "ZeroDivisionError: mine"
    if again == "resume":
        resume(run, callbacks=[Modes(), failing])
    else:
        mg.train(gan, images(), steps=40, callbacks=[Modes(), failing], progress=False)
    start(tmp_path / "whole", callbacks=[Modes()])
    assert_same_run(run, tmp_path / "whole")


def test_a_callback_that_exits_the_program_loses_no_step(tmp_path):
    class Exits:
        def on_step(self, training, losses):
            if training.step == 13:
                raise SystemExit(3)

    with pytest.raises(SystemExit):
        start(tmp_path / "run", callbacks=[Exits()])
    assert mg.open_run(tmp_path / "run").steps == 13


@pytest.mark.parametrize("event", ["on_step", "on_log"])
def test_without_a_folder_the_note_names_the_place(event):
    gan = small_gan()
    failing = Fails(event, 12)
    with pytest.raises(ZeroDivisionError) as caught:
        train(gan, steps=20, callbacks=[failing])
    assert caught.value.__notes__ == [f"Fails.{event} raised this at step 12 of the run"]
    run = mg.train(gan, images(), steps=20, callbacks=[failing], progress=False)
    assert list(run.history["step"]) == [6, 12, 18]


def test_on_stop_is_told_of_every_end(tmp_path):
    ends = []

    class Ends:
        def on_stop(self, training):
            ends.append((training.step, training.stopped, repr(training.error)))

    start(tmp_path / "a", steps=3, callbacks=[Ends()])
    with pytest.raises(ZeroDivisionError):
        start(tmp_path / "b", callbacks=[Ends(), Fails("on_step", 5)])
    assert ends == [(3, None, "None"), (5, None, "ZeroDivisionError('mine')")]


def test_on_stop_may_raise_when_all_is_done(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        start(tmp_path / "run", steps=7, callbacks=[Fails("on_stop", 7)])
    assert caught.value.__notes__ == ["Fails.on_stop raised this at step 7 of the run"]
    assert mg.open_run(tmp_path / "run").steps == 7 and (tmp_path / "run" / "losses.png").exists()


def test_where_nothing_can_be_saved_the_note_says_so(tmp_path, monkeypatch):
    from minigan import loop

    def full(*arguments):
        raise FileError("the disk is full")

    class Fills:
        def on_step(self, training_, losses):
            if training_.step == 13:
                monkeypatch.setattr(loop, "save_checkpoint", full)
                raise KeyError("mine")

    with pytest.raises(KeyError) as caught:
        start(tmp_path / "run", callbacks=[Fills()])
    assert caught.value.__notes__ == ["Fills.on_step raised this at step 13 of the run; it could not be saved: "
                                      "the disk is full"]  # fmt: skip
    assert mg.open_run(tmp_path / "run").steps == 10


class Torn:
    """Data that end: a stream that breaks."""

    shape, fingerprint, name = (5, 3, 1), "torn", "a stream"

    def __init__(self, breaks=None):
        self.whole, self.breaks = images(), breaks

    def __len__(self):
        return len(self.whole)

    def batch(self, n, seed, step, backend, dtype):
        if step == self.breaks:
            raise ConnectionError("gone")
        return self.whole.batch(n, seed, step, backend, dtype)


def test_data_that_raise_end_the_run_as_a_callback_does(tmp_path):
    with pytest.raises(ConnectionError) as caught:
        start(tmp_path / "run", x=Torn(breaks=13))
    assert caught.value.__notes__ == [
        f"the data, a stream, raised this at step 13 of the run; {tmp_path / 'run' / 'checkpoint.npz'} holds step 13"
    ]
    resume(tmp_path / "run", x=Torn())
    start(tmp_path / "whole", x=Torn())
    assert_same_run(tmp_path / "run", tmp_path / "whole")


# What is refused -----------------------------------------------------------------------------------------------------


class OnEpoch:
    def on_epoch(self, training):
        pass


class OnLogs:
    def on_logs(self, training, row):
        pass

    def on_step(self, training, losses):
        pass


class Near:
    def log(self, row):
        pass

    def onstep(self):
        pass


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (
            [OnEpoch()],
            "the callback OnEpoch has on_epoch, which nothing calls: there are on_start, on_step",
        ),
        ([OnLogs()], r"the callback OnLogs has on_logs, which nothing calls: did you mean on_log\?"),
        ([Near()], "the callback Near has none of on_start.*; it has log, onstep: write one of them"),
        ([Diary], r"the callback Diary is a class; wanted an object: Diary\(\)"),
        ([print], "the callback builtin_function_or_method has none of on_start"),
        ([7], "the callback int has none of on_start"),
        (Diary(), "callbacks is .*; wanted a list of objects"),
        (Diary, "callbacks is .*; wanted a list of objects"),
        ("Diary", "callbacks is 'Diary'; wanted a list of objects"),
        ([type("Half", (), {"on_log": 7})()], "the callback Half: on_log is 7; wanted a method"),
    ],
)
def test_what_would_never_be_called_is_refused(tmp_path, thing, said):
    with pytest.raises(SettingsError, match=said):
        mg.train(small_gan(), images(), steps=3, out=tmp_path / "run", callbacks=thing)
    assert not (tmp_path / "run").exists()


def test_the_class_to_inherit_from_has_every_method_and_does_nothing():
    assert [name for name in vars(Callback) if name.startswith("on_")] == list(callbacks.EVENTS)
    assert all(getattr(Callback, name).__doc__ for name in callbacks.EVENTS)
    gan, other = train(steps=13, callbacks=[Callback()]), train(steps=13)
    assert np.array_equal(gan.G.params, other.G.params)


def test_an_iterable_of_callbacks_will_do():
    diary = Diary()
    train(steps=3, callbacks=(callback for callback in [diary]))
    assert diary.told[0] == ("start", 0)
