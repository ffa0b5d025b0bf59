"""What a run writes, as callbacks of the kind that users write: the history, the sample grids, the film and curves."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import pictures
from .errors import FileError, SettingsError
from .files import is_held, is_older
from .gan import GAN
from .loop import Training
from .printing import say
from .run import Record, columns_of
from .run_directory import Row, RunDirectory


class History:
    """The rows, in memory and in history.csv. While another program holds the file, they wait in memory and in the
    checkpoint.
    """

    def __init__(self, record: Record) -> None:
        self.record = record

    def on_start(self, training: Training) -> None:
        """Write the rows so far, unless no step is to come and they are there: curves are made of newer ones only."""
        record, directory = self.record, self.record.directory
        self.columns = list(dict.fromkeys([*training.columns, *(name for row in record.rows for name in row)]))
        is_there = directory is not None and directory.history.exists() and not record.waiting
        self.is_as_found = is_there and not training.goes_on()
        if not self.is_as_found:
            self._write(record.rows)

    def on_log(self, training: Training, row: Row) -> None:
        """Add the row. A column that is new gets its place in the file."""
        row = {name: _plain(name, value, training.step) for name, value in row.items()}
        new = [name for name in row if name not in self.columns]
        self.columns += new
        rows = [*self.record.rows, row]
        if self.record.waiting and self.record.directory is not None and self.record.directory.holds_history():
            self.record.waiting = rows
        else:
            self._write(rows, append=not (new or self.is_as_found or self.record.waiting))
        self.record.rows.append(row)

    def on_stop(self, training: Training) -> None:
        """The last attempt to write what waits."""
        if self.record.waiting:
            self._write(self.record.rows)

    def _write(self, rows: list[Row], append: bool = False) -> None:
        """All rows, or the last one behind the others, if the file is still there."""
        directory, record = self.record.directory, self.record
        if directory is None:
            return
        try:
            if append and directory.history.exists():
                directory.append_row(self.columns, rows[-1])
            else:
                directory.write_rows(self.columns, rows)
            record.waiting = []
        except FileError as error:
            if not is_held(error):
                raise
            say(f"note: {error}; its rows wait, and checkpoint.npz has them until they are written")
            record.waiting = rows
        self.is_as_found = False


def _plain(name: Any, value: Any, step: int) -> float:
    """A row's number as Python's own: those of NumPy and of a GPU too."""
    if not isinstance(name, str) or len(name.splitlines()) != 1 or not name.isprintable():
        raise SettingsError(f"the row of step {step} has a column {name!r}; wanted a name in one line")
    if hasattr(value, "item"):  # of NumPy, of a GPU, of another library
        with contextlib.suppress(Exception):
            value = value.item()
    if not isinstance(value, int | float) or (isinstance(value, int) and abs(value) >= 2**63):
        raise SettingsError(f"the row of step {step} has {name!r}: {value!r}; wanted a number")
    return int(value) if isinstance(value, bool) else value


class SampleGrids:
    """samples/003000.png and the like."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def on_sample(self, training: Training, images: np.ndarray) -> None:
        """Write what can be drawn."""
        picture = training.picture(images)
        if picture is not None:
            self.directory.samples.mkdir(exist_ok=True)  # it may have been cleared away
            pictures.save_png(self.directory.sample_path(training.step), picture)


class FilmAndCurves:
    """evolution.gif and losses.png, of what is there, unless they are newer than that. They cannot fail a run."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def on_stop(self, training: Training) -> None:
        """Curves first: they take a moment. A run that ends in an error has its checkpoint, and can make them later."""
        directory, rows = self.directory, training.record.rows
        if training.error is not None:
            return
        frames = directory.sample_paths(training.step)
        if is_older(directory.curves, directory.history):
            _try(directory.curves, lambda: self._draw_curves(training, rows))
        if frames and is_older(directory.evolution, frames[-1]):
            _try(directory.evolution, lambda: self._draw_film(frames))

    def _draw_curves(self, training: Training, rows: list[Row]) -> None:
        history = {name: np.empty(0) for name in training.columns} | columns_of(rows)
        pictures.save_curves(self.directory.curves, history, _undecided(training.gan))

    def _draw_film(self, frames: list[Path]) -> None:
        sizes = {frame: pictures.picture_size(frame) for frame in pictures.thinned(frames)}
        usual = next((size for size in reversed(sizes.values()) if size is not None), None)
        good = [frame for frame, size in sizes.items() if size is not None and size == usual]
        if good:
            pictures.save_gif(self.directory.evolution, good)


def _undecided(gan: GAN) -> float | None:
    """D's loss when it cannot tell; None where the objective has no such number."""
    try:
        return float(gan.objective.undecided())
    except Exception:  # a user's objective may be of another kind
        return None


def _try(path: Path, draw: Callable[[], object]) -> None:
    try:
        draw()
    except Exception as error:  # whatever a drawing library raises: the run is saved, and a picture is only a picture
        say(f"note: {path} was not made: {error}")


class Ending:
    """Why the run ended, in config.json."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def on_stop(self, training: Training) -> None:
        """Write it."""
        if training.record.stopped is not None:
            run, ending = self.directory, {"stopped": training.record.stopped}
            _try(run.config, lambda: run.write_config(run.read_config() | ending))


class Report:
    """report.html, after all else was written. It cannot fail a run."""

    def __init__(self, directory: RunDirectory) -> None:
        self.directory = directory

    def on_stop(self, training: Training) -> None:
        """Write it, unless nothing has changed since; also of a run that an error ended."""
        from .report.pages import write_report

        path, run = self.directory.report, self.directory
        if any(is_older(path, file) for file in (run.history, run.config, run.checkpoint)):
            _try(path, lambda: write_report([run], path))
