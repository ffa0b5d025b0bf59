"""The training loop: `train`, and `Training`, the run under way that callbacks are given."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array
from .callbacks import checked_callbacks
from .checkpoint import load_checkpoint, save_checkpoint
from .data import as_data, data_name
from .errors import DivergedError, Interrupted, SettingsError
from .gan import GAN, Losses
from .means import RECENT, Means
from .pictures import Picture
from .progress import CTRL_C, ProgressBar, in_notebook, stop_requests
from .recorders import Ending, FilmAndCurves, History, SampleGrids
from .run import Record, Run, columns_of, picture_of
from .run_directory import Row
from .run_start import Start, draw_batch, draw_samples, save_generator


def train(
    gan: GAN,
    data: Any,
    *,
    steps: int | None = None,
    more: int | None = None,
    batch_size: int | None = None,
    out: Any = None,
    resume: Any = None,
    callbacks: Iterable[Any] = (),
    log_every: int | None = None,
    sample_every: int | None = None,
    checkpoint_every: int | None = None,
    keep_checkpoints: int | None = None,
    seed: int | None = None,
    grid: int | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Run:
    """Train a GAN on data. Called again for the same GAN, it goes on with the same run.

    data        an array, an (array, labels) pair, or an object of the protocol in minigan.data, such as ImageSet
    steps       how many steps the GAN shall have in all; or
    more        how many more. A run that is resumed needs neither: it goes on to the steps that it was to have
    batch_size  samples in a batch (32)
    out         a new folder for all that the run writes, a path; True: a new one in runs/. None: nothing is written
    resume      the folder of a run of an equal GAN, on the same data: its checkpoint is loaded, and it goes on there
    callbacks   objects with some of the methods of callbacks.Callback
    log_every, sample_every, checkpoint_every
                steps between rows of the history (100), sample grids (500), checkpoints (500)
    keep_checkpoints
                so many of the last checkpoints are kept under their own names, beside checkpoint.npz (0)
    seed        of the order of the data: by default the GAN's
    grid        rows and columns of a sample grid (5); for a GAN with classes, columns: each class has a row
    name        of the run, in its config.json ("gan")
    settings    whatever else config.json shall keep as "settings", plain values
    progress    show a progress bar

    What is left out is the run's own where it goes on, and else the value in parentheses. The first Ctrl-C, SIGTERM or
    SIGHUP finishes the step and saves. In a notebook Ctrl-C then ends the call, and `stopped` of the Run says so;
    elsewhere Interrupted, a KeyboardInterrupt, is raised.

    Raises SettingsError for arguments that make no sense or do not fit the run, ShapeError or DataError for data that
    do not fit the GAN: nothing was written then. DivergedError, naming step and array, where numbers stop being finite,
    and FileError where something cannot be saved: the last checkpoint stays as it was. What a callback or the data
    raise comes through, with a note, after the run was saved.
    """
    asked = {"batch_size": batch_size, "seed": seed, "log_every": log_every, "sample_every": sample_every,
             "checkpoint_every": checkpoint_every, "keep_checkpoints": keep_checkpoints, "grid": grid}  # fmt: skip
    asked = {argument: value for argument, value in asked.items() if value is not None}
    if not isinstance(gan, GAN):
        raise SettingsError(f"train(gan, data): gan is a {type(gan).__name__}; wanted a GAN")
    data, users = as_data(data), checked_callbacks(callbacks)
    start = Start(gan, data, asked, name, _path("out", out), _path("resume", resume))
    record = start.record()
    try:
        last = start.last_step(steps, more)
        start.open(last, settings)
        training = Training(gan, data, record, users)
        training.steps = last
        training.callbacks = [*users, *_own_callbacks(record, progress)]
        with stop_requests(training.request_stop):
            training.run()
    except BaseException:
        start.undo()
        raise
    finally:
        if record.directory is not None:
            record.directory.release()
    run = Run(record.directory, record, gan)
    if training.signal is not None and not (training.signal == CTRL_C and in_notebook()):
        where = f"; {run.checkpoint} holds step {training.step:,}" if run.checkpoint else f" at step {training.step:,}"
        raise Interrupted(f"stopped{where}", run)
    return run


def _own_callbacks(record: Record, progress: bool) -> list[Any]:
    directory = record.directory
    files = [] if directory is None else [SampleGrids(directory), FilmAndCurves(directory), Ending(directory)]
    return [History(record), *files, *([ProgressBar()] if progress else [])]


def _path(argument: str, value: Any) -> Any:
    """A path, None, or True for `out`. Raises SettingsError for anything else."""
    if value is None or (value is True and argument == "out"):
        return value
    try:
        path = Path(value)
    except TypeError as error:
        raise SettingsError(f"{argument}={value!r}: wanted a path") from error
    if not str(value):
        raise SettingsError(f"{argument} is empty: give it a path, or leave it out")
    return path


class Training:
    """A run under way: what callbacks are given.

    gan, data   as they were given to `train`; the data as an object of the protocol
    step        steps of the GAN so far
    steps       the step at which the run ends: it may be changed
    row         the last row of the history; {} before the first
    stopped     None, or why the run ends before its last step
    error       None, or the exception that ends it
    """

    def __init__(self, gan: GAN, data: Any, record: Record, users: list[Any]) -> None:
        self.gan, self.data, self.record, self.users = gan, data, record, users
        self.callbacks = users
        self.steps = gan.steps
        self.columns = ("step", *gan.measures, "lr", "seconds")
        self.row: Row = dict(record.rows[-1]) if record.rows else {}
        self.stopped: str | None = None
        self.signal: str | None = None
        self.error: BaseException | None = None
        self.seconds_before, self.started = record.seconds, time.perf_counter()

    # For callbacks. --------------------------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """Steps of the GAN so far."""
        return self.gan.steps

    @property
    def path(self) -> Path | None:
        """The run's folder, or None."""
        return self.record.directory.path if self.record.directory else None

    @property
    def batch_size(self) -> int:
        """Samples in a batch."""
        return self.record.plan.batch_size

    @property
    def history(self) -> dict[str, np.ndarray]:
        """Every column of the history so far, as Run.history."""
        return columns_of(self.record.rows)

    @property
    def seconds(self) -> float:
        """Training time of the run so far, that before it was resumed included."""
        return self.seconds_before + time.perf_counter() - self.started

    def stop(self, reason: str = "a callback") -> None:
        """End the run after what is due at this step. The Run says why."""
        self.stopped = self.stopped or str(reason)

    def picture(self, samples: np.ndarray) -> Picture | None:
        """Samples as a grid, points as a scatter plot over real ones; None of what is neither."""
        return picture_of(self.record, samples)

    # The loop. -------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """From the step where the GAN is to the last one, or until something stops it."""
        self.record.is_running = True
        try:
            self.tell("on_start")
            self.do_what_is_due()
            while self.goes_on():
                losses = self.take_step()
                self.tell("on_step", losses)
                self.do_what_is_due()
            self.do_what_is_due()  # of the last step: the run may have been stopped only now
            self.record.stopped = self.stopped
        except BaseException as error:
            self.error = error
            self.record.stopped = f"{type(error).__name__}: {error}"
            raise
        finally:
            self.record.seconds, self.record.steps, self.record.is_running = self.seconds, self.step, False
            self.tell_the_end()
            self.error = None  # its traceback holds this object: a circle would keep the GAN in memory

    def goes_on(self) -> bool:
        """Whether there is another step."""
        return self.step < self.steps and self.stopped is None

    def take_step(self) -> Losses:
        """One step of the GAN on the samples of this step."""
        x, labels = self.batch()
        self.record.in_a_step = True
        with np.errstate(all="ignore"):
            losses = self.gan.step(x, labels)
        self.record.in_a_step = False
        self.record.means.recent.append(losses.values())
        if len(self.record.means.recent) == RECENT:
            self.gather()
        return losses

    def do_what_is_due(self) -> None:
        """A row, a sample grid, a checkpoint, unless this step has them. A step whose callback failed, or that was
        saved before its row was written, gets them when the run goes on.
        """
        step, plan, record, ends = self.step, self.record.plan, self.record, not self.goes_on()
        whole = step % plan.log_every == 0
        if len(record.means) and record.logged_at != step and (whole or step == self.steps < plan.log_every):
            self.log()
            if whole:  # a run too short for one whole row has a row of all its steps, which a longer one replaces
                record.means = Means()
        if record.sampled_at != step and (step % plan.sample_every == 0 or (ends and self.signal is None)):
            self.sample()
        if record.saved_at != step and (step % plan.checkpoint_every == 0 or ends):
            self.save()

    def tell(self, event: str, *arguments: Any) -> None:
        """Call this method of all callbacks that have it. What one raises comes through, after the run was saved."""
        for callback in self.callbacks:
            method = getattr(callback, event, None)
            if method is not None:
                with self.saving(f"{type(callback).__name__}.{event}", callback in self.users):
                    method(self, *arguments)

    # What it does. ---------------------------------------------------------------------------------------------------

    def batch(self) -> tuple[Array, Any]:
        """The samples of this step, for all updates of D, and their labels where the GAN has classes."""
        with self.saving(f"the data, {data_name(self.data)},", True):
            return draw_batch(self.gan, self.data, self.record.plan)

    def log(self) -> None:
        """A row: the means of the losses since the last one."""
        self.gather()
        values = (self.step, *self.record.means.values(), self.gan.g_optimizer.learning_rate, round(self.seconds, 3))
        self.row = dict(zip(self.columns, values, strict=True))
        self.tell("on_log", self.row)
        self.record.logged_at = self.step

    def sample(self) -> None:
        """Samples from noise that is the same all through the run."""
        with np.errstate(all="ignore"):
            self.record.samples = draw_samples(self.gan, self.record.plan.grid)
        self.tell("on_sample", self.record.samples)
        self.record.sampled_at = self.step

    def save(self) -> None:
        """The checkpoint and the generator. Without a folder, only see that all numbers are finite."""
        self.gather()
        try:
            self.gan.require_finite()
        except DivergedError as error:
            self.explain_divergence(self.step, str(error))
        self.write_checkpoint()
        if self.record.directory is not None:
            self.tell("on_checkpoint", self.record.directory.checkpoint)

    def write_checkpoint(self) -> None:
        """Each file complete or not at all; and those that are kept under their own names."""
        record, directory, keep = self.record, self.record.directory, self.record.plan.keep_checkpoints
        if directory is not None:
            extra = {"sums": record.means.sums, "count": record.means.count, "seconds": self.seconds}
            arrays = {name: np.asarray(value) for name, value in extra.items()}
            save_checkpoint(directory.checkpoint, self.gan, arrays, record.identity)
            save_generator(self.gan, directory)
            if keep:
                save_checkpoint(directory.checkpoint_path(self.step), self.gan, arrays, record.identity)
                directory.prune(keep)
        record.saved_at = self.step

    def gather(self) -> None:
        """Read the losses that are still on the device, and make sure that they are finite."""
        means = self.record.means
        bad = means.gather(self.gan.D.backend)
        if bad is not None:
            self.explain_divergence(self.step - len(means.recent) + bad + 1)

    def explain_divergence(self, step: int, found: str = "") -> None:
        """Raise DivergedError, naming the step, and the first array that was not finite: go back to the last checkpoint
        and repeat the steps with every layer watched. Without a checkpoint, the arrays are looked at as they are.

        found: what is known already, for numbers that a repetition does not meet, as a callback's
        """
        gan, directory = self.gan, self.record.directory
        self.record.in_a_step = True  # these numbers are of no use
        saved = self.record.saved_at if directory is not None else None
        checkpoint = None if directory is None else directory.checkpoint
        cause = found or "no layer's output or gradient was, only the loss"
        try:
            if saved is not None and checkpoint is not None:
                load_checkpoint(checkpoint, gan, self.record.identity)
                gan.G.check_finite = gan.D.check_finite = True
            while saved is not None and gan.steps < step:
                with np.errstate(all="ignore"):
                    gan.step(*draw_batch(gan, self.data, self.record.plan))
                gan.require_finite()
            gan.require_finite()
        except DivergedError as error:
            cause = str(error)
        finally:
            gan.G.check_finite = gan.D.check_finite = False
        held = "" if saved is None else f" {checkpoint} still holds step {saved};"
        raise DivergedError(
            f"the numbers of step {step} are not finite: {cause}.{held} try a smaller learning rate in a new run"
        )

    # How it ends. ----------------------------------------------------------------------------------------------------

    def request_stop(self, reason: str) -> None:
        """What a signal asks for."""
        self.signal = reason
        self.stop(reason)

    @contextlib.contextmanager
    def saving(self, who: str, is_users: bool) -> Iterator[None]:
        """If something of a user's raises, or put into a row what is no number, save the run, and say so in a note."""
        try:
            yield
        except (Exception, SystemExit) as error:
            if isinstance(error, SettingsError) or (is_users and not isinstance(error, DivergedError)):
                error.add_note(f"{who} raised this at step {self.step:,} of the run{self.save_after_error()}")
            raise

    def save_after_error(self) -> str:
        """Save what somebody else's error left, if the run has begun. Returns what is saved, in words."""
        record = self.record
        if record.directory is None or record.saved_at is None:
            return ""
        try:
            if record.saved_at != self.step:
                self.gather()
                self.gan.require_finite()
                self.write_checkpoint()
        except Exception as error:
            return f"; it could not be saved: {error}"
        return f"; {record.directory.checkpoint} holds step {record.saved_at:,}"

    def tell_the_end(self) -> None:
        """on_stop, of all callbacks: what one raises is the run's error, unless it has one already."""
        failed: Exception | None = None
        for callback in self.callbacks:
            try:
                getattr(callback, "on_stop", lambda training: None)(self)
            except Exception as error:
                error.add_note(f"{type(callback).__name__}.on_stop raised this at step {self.step:,} of the run")
                failed = failed or error
        if failed is not None and self.error is None:
            raise failed
