"""The training loop: steps, and what is due after each: a row of the history, samples, a checkpoint.

`train` (training.py) begins a run and gives it callbacks; a callback is given the Training.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .backend import Array
from .checkpoint import load_checkpoint, save_checkpoint
from .data.protocol import Data, data_name
from .errors import DivergedError, SettingsError
from .gan import GAN
from .gan_parts import Losses
from .means import RECENT, Means
from .pictures import Picture
from .run import Record, columns_of, picture_of
from .run_directory import Row
from .run_start import draw_batch, draw_samples, save_generator


class Training:
    """A run under way: what callbacks are given.

    gan, data   as they were given to `train`; the data as an object of the protocol
    step        steps of the GAN so far
    steps       the step at which the run ends: it may be changed
    row         the last row of the history; {} before the first
    stopped     None, or why the run ends before its last step
    error       None, or the exception that ends it
    """

    def __init__(self, gan: GAN, data: Data, record: Record, users: Sequence[object]) -> None:
        self.gan, self.data, self.record, self.users = gan, data, record, users
        self.callbacks: Sequence[object] = users
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
    def first_step(self) -> str:
        """What the first step does besides, in a word: "compiling"; else nothing."""
        return self.gan.D.backend.first_step

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
            if self.signal is not None and self.record.sampled_at != self.step:
                self.draw()  # to look at; an uninterrupted run has no file of this step
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

    def tell(self, event: str, *arguments: object, callbacks: Sequence[object] | None = None) -> None:
        """Call this method of all callbacks that have it. What one raises comes through, after the run was saved."""
        for callback in self.callbacks if callbacks is None else callbacks:
            method = getattr(callback, event, None)
            if method is not None:
                is_users = any(callback is user for user in self.users)
                with self.saving(f"{type(callback).__name__}.{event}", is_users):
                    method(self, *arguments)

    # What it does. ---------------------------------------------------------------------------------------------------

    def batch(self) -> tuple[Array, np.ndarray | None]:
        """The samples of this step, for all updates of D, and their labels where the GAN has classes."""
        with self.saving(f"the data, {data_name(self.data)},", True):
            return draw_batch(self.gan, self.data, self.record.plan)

    def log(self) -> None:
        """A row: the means of the losses since the last one."""
        self.gather()
        values = (self.step, *self.record.means.values(), self.gan.g_optimizer.learning_rate, round(self.seconds, 3))
        own = dict(zip(self.columns, values, strict=True))
        self.row = dict(own)
        self.tell("on_log", self.row, callbacks=self.users)
        changed = [name for name, value in own.items() if self.row.get(name) != value]
        if changed:
            raise SettingsError(f"a callback changed {', '.join(changed)} in the row of step {self.step}: add a column")
        ours = [one for one in self.callbacks if not any(one is user for user in self.users)]
        self.tell("on_log", self.row, callbacks=ours)
        self.record.logged_at = self.step

    def sample(self) -> None:
        """Samples from noise that is the same all through the run."""
        self.draw()
        self.tell("on_sample", self.record.samples)
        self.record.sampled_at = self.step

    def draw(self) -> None:
        """The samples of this step. While they are drawn, G may have other parameters, averaged ones."""
        self.record.in_a_step = True
        with np.errstate(all="ignore"):
            self.record.samples = draw_samples(self.gan, self.record.plan.grid)
        self.record.in_a_step = False

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
            if record.waiting:
                arrays["rows"] = np.array(json.dumps(record.waiting))
            save_checkpoint(directory.checkpoint, self.gan, arrays, record.identity)
            save_generator(self.gan, directory)
            if keep:
                save_checkpoint(directory.checkpoint_path(self.step), self.gan, arrays, record.identity)
                directory.prune(keep, self.step)
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
