"""What the doctor and the report see of a run: a line of diagnostics.jsonl every hundred steps or so."""

import contextlib
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
from .generator import checked_labels, with_labels
from .loop import Training
from .packing import whole_packs
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
HeldOut = np.ndarray | tuple[np.ndarray, np.ndarray]
NETS, KINDS = ("G", "D"), ("gradient", "weight", "update", "zero")


class Diagnostics(Callback):
    """Measure a run's health as it trains. A run with a folder has one of its own; give one for `held_out`.

    every     steps between two lines, a multiple of the run's log_every; by default the least one of 100 or more. Steps
              10 and 30 have one, too
    held_out  real samples that the run does not train on, (N, *shape) as the data's: D's scores of them tell whether it
              knows the others by heart. Of a GAN with classes a pair, (samples, labels)

    A line has the step; of each layer of G and D the norms of its gradient and its weights, the relative size of its
    last update, and the share of its gradients that are 0 (signals.layer_norms); D's scores of some real, fake and held
    out samples, as in prediction; and what signals.py measures of the samples. `lines` has them all, and so has
    diagnostics.jsonl in the run's folder, after a first line with the names of the layers. Nothing in the run changes.

    Raises SettingsError, DataError and ShapeError where the run begins, for an `every` and `held_out` that do not fit
    it. What fails later, as in a layer that takes whole batches only, ends the diagnostics with a note, not the run.
    """

    def __init__(self, every: int | None = None, held_out: HeldOut | None = None) -> None:
        if every is not None and every < 1:
            raise SettingsError(f"Diagnostics: every is {every}; it must be at least 1")
        samples, labels = held_out if isinstance(held_out, tuple) else (held_out, None)
        self.held_out = None if samples is None else np.asarray(samples)
        self.labels = None if labels is None else np.asarray(labels)
        self.asked = every
        self.lines: list[Line] = []
        self.layers: dict[str, list[str]] = {}
        self.before: list[Array] | None = None
        self.has_failed = False

    def on_start(self, training: Training) -> None:
        """Go on behind the lines of the run so far."""
        gan, log_every = training.gan, training.record.plan.log_every
        self.every = self.asked or log_every * math.ceil(APART / log_every)
        if self.every % log_every:
            raise SettingsError(
                f"Diagnostics: every is {self.every}, and the run has a row every {log_every} steps: take a multiple "
                f"of it"
            )
        self._require_held_out(training)
        self.layers = {"G": [*layer_slots(gan.G)], "D": [*layer_slots(gan.D)]}
        directory = training.record.directory
        writer = next((one for one in training.callbacks if isinstance(one, Diagnostics)), self)
        self.path = None if directory is None or writer is not self else directory.diagnostics
        found = self.lines if self.path is None else self._read(self.path)
        last = training.steps
        self.lines = [one for one in found if one["step"] <= gan.steps and (not one.get("end") or one["step"] == last)]
        if self.path is not None and (training.goes_on() or not self.path.exists()):
            self._write()
        self._remember(training)

    def _require_held_out(self, training: Training) -> None:
        shape, held, classes = training.gan.G.output_shape, self.held_out, training.gan.classes
        if held is None:
            return
        if held.ndim < 1 or len(held) < 1 or held.shape[1:] != shape:
            raise DataError(f"Diagnostics: held_out is {held.shape}; wanted (N, {', '.join(map(str, shape))})")
        if classes:
            checked_labels(self.labels, len(held), classes, "Diagnostics: the GAN")

    def _read(self, path: Path) -> list[Line]:
        """The file's lines. One that is damaged is kept under another name: the run does not need it."""
        try:
            return read_lines(path)[1]
        except FileError as error:
            names = [path.with_name(f"diagnostics.damaged{i}.jsonl") for i in ("", *range(2, 1000))]
            other = next((name for name in names if not name.exists()), names[-1])
            say(f"note: {error}; it is {other.name} now, and the diagnostics begin anew")
            with contextlib.suppress(OSError):
                path.rename(other)
            return []

    def on_step(self, training: Training, losses: Losses) -> None:
        """Measure after the steps that are due, and keep the parameters before their last update."""
        step = training.step
        ends = step == training.steps < self.every
        if self.before is not None and not self.has_failed and (self._is_due(step) or ends):
            own = {"step": step} | ({} if self._is_due(step) else {"end": True})
            try:
                with np.errstate(all="ignore"):
                    self.lines.append(_rounded(own | self._measure(training)))
            except Exception as error:  # of a layer or of data of a user's: only the diagnostics end
                self.has_failed = True
                say(f"note: the diagnostics end at step {step}: {type(error).__name__}: {error}")
                return
            self._write(append=True)
        self._remember(training)

    def _is_due(self, step: int) -> bool:
        return step % self.every == 0 or step in EARLY

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
            scores["held_out"] = self._scores(training, *self._others(training))
        found: Line = norms | {"scores": scores, "gap": running_gap(gan.G, z), "pinned": pinned_share(gan)}
        return found | _of_samples(to_host(x), to_host(y), labels)

    def _scores(self, training: Training, x: Array, labels: np.ndarray | None) -> list[float]:
        """D's, where it has several for an image those of its class. If it sees packs, a score is one's."""
        D, x = training.gan.D, whole_packs(x, training.gan.pack)
        found = D.backend.to_host(D.predict(x)).reshape(len(x), -1).astype(np.float64)
        return [*(found[:, 0] if labels is None else found[np.arange(len(x)), labels])]

    def _others(self, training: Training) -> tuple[Array, np.ndarray | None]:
        """Some of the held-out samples, others each time, and their labels where the GAN has classes."""
        held, D = self.held_out, training.gan.D
        assert held is not None
        at = (np.arange(min(SHOWN, len(held))) + training.step // self.every * SHOWN) % len(held)
        some = held[at] / 127.5 - 1 if held.dtype == np.uint8 else held[at]
        labels = self.labels[at] if training.gan.classes and self.labels is not None else None
        return D.backend.asarray(some, D.dtype), labels

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

    def __init__(self, held_out: HeldOut | None = None) -> None:
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
            _require(found[-1], found[0]["layers"], number)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise FileError(f"{path} is damaged: line {number}: {error!r}; the run does not need it") from error
    return (found[0]["layers"], found[1:]) if found else ({}, [])


def _require(line: Line, layers: dict[str, list[str]], number: int) -> None:
    """Raises KeyError, TypeError or ValueError for what is no line, or not of these layers."""
    if number == 1:
        if not all(isinstance(name, str) for net in NETS for name in layers[net]):
            raise ValueError("wanted the names of the layers of G and D")
        return
    if not isinstance(line["step"], int) or not 0 <= line["step"] < 2**63:
        raise ValueError(f"step is {line['step']!r}; wanted a whole number")
    lists: list[tuple[Any, int | None]] = [(line[net][kind], len(layers[net])) for net in NETS for kind in KINDS]
    lists += [(line["levels"][kind], 4) for kind in ("real", "fake")] + [(line["outside"], 2)]
    lists += [
        ([line["variety"][name] for name in ("spread", "nearest", "within")], 3),
        ([line["gap"], line["pinned"]], 2),
    ]
    lists += [(line["scores"][kind], None) for kind in {"real", "fake", *line["scores"]}]
    lists += [([line[name] for name in ("raster", "real_raster", "sharpness") if name in line], None)]
    for values, length in lists:
        if not isinstance(values, list) or length not in (None, len(values)):
            raise ValueError(f"{values!r:.40}: wanted a list of {length} numbers")
        if not all(value is None or isinstance(value, int | float) for value in values):
            raise ValueError(f"{values!r:.40}: wanted numbers")
