"""What the doctor and the report see of a run: a line of diagnostics.jsonl every hundred steps or so."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array
from .callbacks import Callback
from .errors import DataError, FileError, SettingsError
from .files import open_regular, patiently, write_atomically
from .gan_parts import Losses
from .generator import with_labels
from .loop import Training
from .printing import say
from .run_start import draw_batch
from .signals import (
    layer_norms,
    layer_slots,
    level_range,
    outside,
    pinned_share,
    running_gap,
    spectrum,
    spectrum_gap,
    variety,
)

SHOWN = 64  # samples of each kind in a line
APART = 100  # steps, at least, between two lines
EARLY = 10, 30  # steps that have a line, too: what a learning rate does is seen at once
DIGITS = 5  # of a number in the file
Line = dict[str, Any]


class Diagnostics(Callback):
    """Measure a run's health as it trains. A run with a folder has one of its own; give one for `held_out`.

    every     steps between two lines, a multiple of the run's log_every; by default the least one of 100 or more. Steps
              10 and 30 have one, too
    held_out  real samples that the run does not train on, (N, *shape) as the data's: D's scores of them tell whether it
              knows the others by heart

    A line has the step; of each layer of G and D the norms of its gradient and its weights, the relative size of its
    last update, and the share of its gradients that are 0 (signals.layer_norms); D's scores of some real, fake and held
    out samples, as in prediction; and what signals.py measures of the samples. `lines` has them all, and so has
    diagnostics.jsonl in the run's folder, after a first line with the names of the layers. Nothing in the run changes.

    Raises SettingsError and DataError where the run begins, for an `every` and `held_out` that do not fit it.
    """

    def __init__(self, every: int | None = None, held_out: np.ndarray | None = None) -> None:
        if every is not None and every < 1:
            raise SettingsError(f"Diagnostics: every is {every}; it must be at least 1")
        self.asked, self.held_out = every, held_out
        self.lines: list[Line] = []
        self.layers: dict[str, list[str]] = {}
        self.before: list[Array] | None = None

    def on_start(self, training: Training) -> None:
        """Go on behind the lines of the run so far."""
        gan, log_every = training.gan, training.record.plan.log_every
        self.every = self.asked or log_every * math.ceil(APART / log_every)
        if self.every % log_every:
            raise SettingsError(
                f"Diagnostics: every is {self.every}, and the run has a row every {log_every} steps: take a multiple "
                f"of it"
            )
        if self.held_out is not None and (len(self.held_out) < 1 or self.held_out.shape[1:] != gan.D.input_shape):
            raise DataError(
                f"Diagnostics: held_out is {self.held_out.shape}; wanted (N, {', '.join(map(str, gan.D.input_shape))})"
            )
        self.layers = {"G": [*layer_slots(gan.G)], "D": [*layer_slots(gan.D)]}
        directory = training.record.directory
        self.path = None if directory is None else directory.diagnostics
        found = self.lines if self.path is None else read_lines(self.path)[1]
        self.lines = [line for line in found if self._stays(line["step"], gan.steps, training.steps)]
        if self.path is not None and (not self.path.exists() or self.lines != found):
            self._write()
        self._remember(training)

    def on_step(self, training: Training, losses: Losses) -> None:
        """Measure after the steps that are due, and keep the parameters before their last update."""
        step = training.step
        if self._is_due(step) or step == training.steps < self.every:
            with np.errstate(all="ignore"):
                self.lines.append(_rounded({"step": step} | self._measure(training)))
            self._write(append=True)
        self._remember(training)

    def _is_due(self, step: int) -> bool:
        return step % self.every == 0 or step in EARLY

    def _stays(self, step: int, now: int, last: int) -> bool:
        """Whether an uninterrupted run of so many steps would have this line by now."""
        return step <= now and (self._is_due(step) or step == last < self.every)

    def _remember(self, training: Training) -> None:
        coming = training.step + 1
        due = self._is_due(coming) or coming == training.steps < self.every
        self.before = [net.params.copy() for net in (training.gan.G, training.gan.D)] if due else None

    def _measure(self, training: Training) -> Line:
        gan = training.gan
        assert self.before is not None
        norms = {"G": layer_norms(gan.G, self.before[0]), "D": layer_norms(gan.D, self.before[1])}
        x, labels = draw_batch(gan, training.data, training.record.plan)  # those of the next step
        x, labels = x[:SHOWN], None if labels is None else labels[:SHOWN]
        z = with_labels(gan.G, gan.draw_noise(len(x), "diagnostics", training.step), labels)
        y = gan.G.predict(z)
        to_host = gan.D.backend.to_host
        scores = {"real": self._scores(training, x, labels), "fake": self._scores(training, y, labels)}
        if self.held_out is not None:
            scores["held_out"] = self._scores(training, self._others(training), None)
        found: Line = norms | {"scores": scores, "gap": running_gap(gan.G, z), "pinned": pinned_share(gan)}
        return found | _of_samples(to_host(x), to_host(y), labels)

    def _scores(self, training: Training, x: Array, labels: np.ndarray | None) -> list[float]:
        """D's, of the image's own class where it has several; of samples without labels, the mean of the classes'."""
        D = training.gan.D
        found = D.backend.to_host(D.predict(x)).reshape(len(x), -1).astype(np.float64)
        return [*(found.mean(axis=1) if labels is None else found[np.arange(len(x)), labels])]

    def _others(self, training: Training) -> Array:
        """Some of the held-out samples, others each time."""
        held, D = self.held_out, training.gan.D
        assert held is not None
        at = np.arange(min(SHOWN, len(held))) + training.step // self.every * SHOWN
        some = held[at % len(held)]
        some = some / 127.5 - 1 if some.dtype == np.uint8 else some
        return D.backend.asarray(some, D.dtype)

    def _write(self, append: bool = False) -> None:
        """The lines, or the last one behind the others. What cannot be written fails no run."""
        path = self.path
        if path is None:
            return
        try:
            if append and path.exists():
                with patiently(lambda: open(path, "a", encoding="utf-8")) as file:
                    file.write(_text([self.lines[-1]]))
            else:
                text = _text([{"layers": self.layers}, *self.lines])
                write_atomically(path, lambda file: file.write(text.encode()))
        except (OSError, FileError) as error:
            say(f"note: {path} was not written: {error}; the run goes on without")
            self.path = None


class Reader(Callback):
    """A callback that reads the run's diagnostics: those that it has, or else some of its own.

    held_out: as of Diagnostics, for its own
    """

    def __init__(self, held_out: np.ndarray | None = None) -> None:
        self.own = self.measured = Diagnostics(held_out=held_out)

    def on_start(self, training: Training) -> None:
        """Find them."""
        found = (one for one in training.callbacks if isinstance(one, Diagnostics))
        self.measured = next(found, self.own)
        if self.measured is self.own:
            self.own.on_start(training)

    def on_step(self, training: Training, losses: Losses) -> None:
        """Measure, where nobody else does."""
        if self.measured is self.own:
            self.own.on_step(training, losses)


def _of_samples(real: np.ndarray, fake: np.ndarray, labels: np.ndarray | None) -> Line:
    """What samples show by themselves."""
    found: Line = {"levels": {"real": level_range(real), "fake": level_range(fake)}, "outside": outside(fake, real)}
    found["variety"] = variety(fake, real, labels)
    theirs, mine = spectrum(real), spectrum(fake)
    if theirs is not None and mine is not None:
        found |= {"raster": mine[1], "real_raster": theirs[1], "sharpness": spectrum_gap(mine[0], theirs[0])}
    return found


def _rounded(value: Any) -> Any:
    """Plain numbers of a few digits; None for what is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def _text(lines: list[Line]) -> str:
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def read_lines(path: Path) -> tuple[dict[str, list[str]], list[Line]]:
    """(the layers of G and D, the lines) of a diagnostics.jsonl; nothing where there is none. Half a line at the end,
    which a kill may leave, is left out.

    Raises FileError, naming the line, for what is no such file.
    """
    try:
        with patiently(lambda: open_regular(path)) as file:
            whole, _, _ = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    found: list[Line] = []
    for number, text in enumerate(whole.splitlines(), 1):
        try:
            found.append(dict(json.loads(text)))
            _ = found[-1]["layers"]["G"] if number == 1 else found[-1]["step"] + 0
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise FileError(
                f"{path} is damaged: line {number}: {error!r}; move it away, the run needs it not"
            ) from error
    return (found[0]["layers"], found[1:]) if found else ({}, [])
