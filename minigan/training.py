"""`train`: a GAN, data, and how long. loop.py has the loop itself."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .callbacks import checked_callbacks
from .data import as_data
from .diagnostics import Diagnostics, Reader
from .errors import Interrupted, SettingsError
from .gan import GAN
from .loop import Training
from .progress import CTRL_C, ProgressBar, in_notebook, stop_requests
from .recorders import Ending, FilmAndCurves, History, Report, SampleGrids
from .run import Record, Run
from .run_start import NEW, Start


def train(
    gan: GAN,
    data: Any,
    *,
    steps: int | None = None,
    more: int | None = None,
    batch_size: int | None = None,
    out: str | Path | bool | None = None,
    resume: str | Path | None = None,
    callbacks: Iterable[object] = (),
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
    folder = NEW if out is True else _path("out", None if out is False else out)
    start = Start(gan, data, asked, name, folder, _path("resume", resume))
    record = start.record()
    try:
        last = start.last_step(steps, more)
        start.open(last, settings)
        training = Training(gan, data, record, users)
        training.steps = last
        training.callbacks = [*_measuring(record, users), *users, *_own_callbacks(record, progress)]
        with stop_requests(training.request_stop):
            training.run()
    except BaseException:
        start.undo()
        raise
    finally:
        record.is_running = False
        if record.directory is not None:
            record.directory.release()
    run = Run(record.directory, record, gan)
    if training.signal is not None and not (training.signal == CTRL_C and in_notebook()):
        where = f"; {run.checkpoint} holds step {training.step:,}" if run.checkpoint else f" at step {training.step:,}"
        raise Interrupted(f"stopped{where}", run)
    return run


def _measuring(record: Record, users: list[object]) -> list[object]:
    """What measures a run in a folder: before the users' callbacks, one of which may raise."""
    if record.directory is None or any(isinstance(user, Diagnostics) for user in users):
        return []
    asked = (user.own for user in users if isinstance(user, Reader) and user.own.held_out is not None)
    return [next(asked, Diagnostics())]


def _own_callbacks(record: Record, progress: bool) -> list[object]:
    directory = record.directory
    found: list[object] = [History(record)]
    if directory is not None:
        found += [SampleGrids(directory), FilmAndCurves(directory), Ending(directory), Report(directory)]
    return [*found, ProgressBar()] if progress else found


def _path(argument: str, value: str | Path | None) -> Path | None:
    """The path, or None. Raises SettingsError for anything else."""
    if value is None:
        return None
    try:
        path = Path(value)
    except TypeError as error:
        raise SettingsError(f"{argument}={value!r}: wanted a path") from error
    if not str(value):
        raise SettingsError(f"{argument} is empty: give it a path, or leave it out")
    return path
