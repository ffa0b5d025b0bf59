"""Runs, looked at: their history, their samples, their generator. What `train` returns and `open_run` opens."""

import contextlib
import dataclasses
import html
import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import pictures
from .checkpoint import load_model, steps_of
from .errors import FileError, SettingsError, counted
from .gan import GAN
from .layers import Layer
from .means import Means
from .network import Sequential
from .pictures import Picture
from .progress import number
from .run_directory import Row, RunDirectory

SHOWN_ROWS = 5


@dataclass(frozen=True)
class Plan:
    """How a run is trained, beside the GAN and the data; config.json has it as "training".

    Raises SettingsError, naming the argument, for a value that makes no sense.
    """

    batch_size: int = 32
    seed: int = 0
    log_every: int = 100
    sample_every: int = 500
    checkpoint_every: int = 500
    keep_checkpoints: int = 0
    grid: int = 5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            low, high = {"seed": (0, 2**64), "keep_checkpoints": (0, 10**9), "grid": (1, 65)}.get(name, (1, 10**18))
            object.__setattr__(self, name, whole_number(name, value, low, high))


FIXED = ("batch_size", "seed")  # for all of a run


def whole_number(name: str, value: Any, low: int, high: int = 10**18) -> int:
    """The value as an int. Raises SettingsError unless it is a whole number in [low, high)."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value < high:
        below = "" if high >= 10**18 else f" and less than {high:,}"
        raise SettingsError(f"{name}={value!r}: wanted a whole number, at least {low}{below}")
    return int(value)


@dataclass
class Record:
    """What a run has beside its GAN and its data. The GAN keeps it for the next call of `train`; it does not hold the
    GAN, so that `del gan` frees both.
    """

    name: str
    plan: Plan
    data: dict[str, Any]  # data.data_identity
    directory: RunDirectory | None = None
    rows: list[Row] = field(default_factory=list)  # of the history
    waiting: list[Row] = field(default_factory=list)  # all rows, while another program holds history.csv
    means: Means = field(default_factory=Means)  # of the losses since the last one
    seconds: float = 0.0
    steps: int = 0
    logged_at: int | None = None  # the step at which this was done last
    sampled_at: int | None = None
    saved_at: int | None = None
    samples: np.ndarray | None = None  # the last ones
    real: np.ndarray | None = None  # points to compare them with
    token: str = ""  # its config.json has it, too: a folder that was given to another run is not ours
    stopped: str | None = None
    in_a_step: bool = False  # the GAN was stopped in the middle of a step
    is_running: bool = False

    def cut_rows(self, step: int, steps: int) -> None:
        """Keep the rows that an uninterrupted run of so many steps would have at this step: later ones are written
        anew, and so is one whose losses belong to the next.
        """
        complete = step if step == steps else step - len(self.means)
        self.rows = [row for row in self.rows if row["step"] <= complete]
        self.logged_at = int(self.rows[-1]["step"]) if self.rows else None

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint belongs to, beside its GAN."""
        data = {name: value for name, value in self.data.items() if name != "name"}
        return {"data": data} | {name: getattr(self.plan, name) for name in FIXED}


class Run:
    """A run of `train`, under way or over, or one that `open_run` found in a folder.

    path      its folder, or None
    steps     trained so far, or saved
    stopped   None, or why it ended before its last step: "Ctrl-C", or what a callback said
    gan       the GAN, where the run was made in this program; else None
    """

    def __init__(self, directory: RunDirectory | None, record: Record | None = None, gan: GAN | None = None) -> None:
        self._directory, self._record, self.gan = directory, record, gan

    @property
    def path(self) -> Path | None:
        """The run's folder; None without one."""
        return self._directory.path if self._directory else None

    @property
    def name(self) -> str:
        """What it was called."""
        return self._record.name if self._record else str(self._config().get("system", "run"))

    @property
    def steps(self) -> int:
        """Trained so far; of a folder, those of its checkpoint."""
        if self._record is not None:
            return self._record.steps
        return steps_of(self.checkpoint) if self.checkpoint else 0

    @property
    def stopped(self) -> str | None:
        """Why it ended early; None if it did not, or goes on."""
        return self._record.stopped if self._record else self._config().get("stopped")

    @property
    def history(self) -> dict[str, np.ndarray]:
        """Every column of the history, as numbers: NaN where a callback gave none. Of a folder, as it is now.

        Raises FileError if the folder's history.csv is damaged.
        """
        return columns_of(self._rows())

    @property
    def checkpoint(self) -> Path | None:
        """The file to go on from: `train(gan, data, more=500, resume=run.path)`; None where there is none."""
        return self._existing("checkpoint")

    @property
    def samples(self) -> list[Path]:
        """The sample grids in the folder, in the order of their steps."""
        return self._directory.sample_paths() if self._directory else []

    @property
    def picture(self) -> Picture | None:
        """The last sample grid, of a folder the last that is whole; None where the samples are no images, or there are
        none yet.
        """
        if self._record is not None:
            return picture_of(self._record, self._record.samples)
        for path in reversed(self.samples):
            with contextlib.suppress(FileError):
                return pictures.load_png(path)
        return None

    def generator(self, layers: Iterable[type[Layer]] = (), backend: Any = None) -> Sequential:
        """A copy of the generator, with averaged parameters where there is an average.

        layers: classes of your own that it has, for a generator that is read from a folder. Raises FileError if there
        is no such file, or it is damaged.
        """
        if self.gan is not None:
            with self.gan.averaged():
                return self.gan.G.clone(backend=backend)
        path = self._existing("generator")
        if path is None:
            raise FileError(f"{self.path}: it has no generator.npz; the run ended before it was saved")
        return load_model(path, layers, backend)

    def __repr__(self) -> str:
        where = f" in {self.path}" if self.path else ""
        return f"Run({self.name}{where}: {counted(self.steps, 'step')}{_last_row(self._rows())}{self._ending()})"

    def _repr_html_(self) -> str:
        """The last sample grid, and the last rows of the history."""
        picture = self.picture
        png = None if picture is None else picture._repr_png_()
        image = f'<img src="data:image/png;base64,{b64encode(png).decode()}">' if png else ""
        where = f" in <code>{html.escape(str(self.path))}</code>" if self.path else ""
        head = f"<b>{html.escape(self.name)}</b>{where}: {counted(self.steps, 'step')}{html.escape(self._ending())}"
        return f"<div>{head}<br>{image}{_table(self._rows()[-SHOWN_ROWS:])}</div>"

    def _ending(self) -> str:
        return f", stopped: {self.stopped}" if self.stopped else ""

    def _rows(self) -> list[Row]:
        if self._record is not None:
            return self._record.rows
        return self._directory.read_rows()[1] if self._directory else []

    def _config(self) -> dict[str, Any]:
        return self._directory.read_config() if self._directory else {}

    def _existing(self, name: str) -> Path | None:
        path = getattr(self._directory, name, None)
        return path if path is not None and path.exists() else None


def open_run(path: str | Path) -> Run:
    """The run in a folder: one that is over, or under way in another program, of this version or of minigan 0.1.

    Nothing is locked or written. Raises FileError if no run is there, SettingsError for what is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise SettingsError(f"open_run({path!r}): wanted the path of a run's folder")
    folder = Path(path)
    directory = RunDirectory(folder.parent if folder.is_file() else folder)
    directory.read_config()
    return Run(directory)


def picture_of(record: Record, samples: np.ndarray | None) -> Picture | None:
    """What samples of this run look like."""
    return None if samples is None else pictures.of_samples(samples, record.plan.grid, record.real)


def columns_of(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Rows as columns. A column that some row lacks has NaN there; `step` is of whole numbers."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: np.array([row.get(name, np.nan) for row in rows], np.float64) for name in names}
    return columns | ({"step": columns["step"].astype(np.int64)} if rows else {"step": np.empty(0, np.int64)})


def plan_of(config: dict[str, Any], path: Path) -> Plan:
    """The plan in a config.json; minigan 0.1 had it among the settings of its command. Raises FileError."""
    stored: Any = config.get("training", config.get("settings"))
    names = {field.name for field in dataclasses.fields(Plan)}
    try:
        return Plan(**{name: value for name, value in stored.items() if name in names})
    except (AttributeError, SettingsError) as error:
        raise FileError(f"{path} is damaged: {error}") from error


def _last_row(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    shown = [f"{name} {number(value)}" for name, value in rows[-1].items() if name not in ("step", "lr", "seconds")]
    return f"; at {rows[-1]['step']:,}: {', '.join(shown)}"


def _table(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{number(row[name])}</td>' if name in row else '<td></td>' for name in names)}</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
