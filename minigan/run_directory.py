"""A run's directory: everything a run writes, made at the start, locked while in use, never overwritten.

config.json        every setting, the data, the versions
history.csv        one row every --log-every steps: means over the steps since the last row
samples/000000.png grids from fixed noise, named by step
evolution.gif      those grids in order
losses.png         the curves of history.csv
checkpoint.npz     all that --resume needs
generator.npz      all that sampling needs
"""

import csv
import dataclasses
import errno
import json
import platform
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import numpy as np

from .backend.workers import usable_cores
from .errors import FileError, SettingsError
from .files import write_atomically
from .settings import Command, read_config
from .version import __version__

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, two programs on one run are not kept apart
    fcntl = None  # type: ignore[assignment]

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # some network file systems: go on without


class RunDirectory:
    """The paths of one run, its configuration, its history and its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = path / "samples"
        self.config, self.history = path / "config.json", path / "history.csv"
        self.checkpoint, self.generator = path / "checkpoint.npz", path / "generator.npz"
        self.evolution, self.curves = path / "evolution.gif", path / "losses.png"
        self.lock: IO[str] | None = None

    @classmethod
    def create(cls, name: str, command: Command[Any], data: dict[str, Any]) -> "RunDirectory":
        """A new directory for this command: `--out`, or runs/NAME-DATE-TIME."""
        try:
            path = command.out or _next_free(Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}")
            path.mkdir(parents=True, exist_ok=command.out is not None)
            run = cls(path)
            run._acquire()
            run.samples.mkdir()
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"the run's folder cannot be made: {error}") from error
        run._write_config(
            {
                "system": name,
                "settings": dataclasses.asdict(command.settings),
                "data": data,
                "versions": {
                    "minigan": __version__,
                    "numpy": np.__version__,
                    "python": platform.python_version(),
                },
                "machine": {"processor": platform.machine(), "cores": usable_cores()},
                "command": sys.argv,
                "started": datetime.now().isoformat(timespec="seconds"),
            }
        )
        return run

    @classmethod
    def reopen(cls, name: str, command: Command[Any], data: dict[str, Any]) -> "RunDirectory":
        """The directory of the run to resume, after checking that it is this system's, on these data."""
        assert command.resume is not None
        run = cls(command.resume)
        run._acquire()
        try:
            run._check_resumable(name, data)
        except BaseException:
            run.release()
            raise
        return run

    def update_settings(self, settings: Any) -> None:
        """Write the settings of a resumed run to config.json: it may have been given more steps."""
        self._write_config(read_config(self.path) | {"settings": dataclasses.asdict(settings)})

    def _check_resumable(self, name: str, data: dict[str, Any]) -> None:
        config = read_config(self.path)
        try:
            system, known = config["system"], config["data"]
            known_name, fingerprint = known["name"], known["fingerprint"]
        except (KeyError, TypeError) as error:
            raise FileError(f"--resume {self.path}: {self.config} is damaged: {error!r}") from error
        if system != name:
            raise SettingsError(f"--resume {self.path}: that is a run of {system}, not of {name}")
        if fingerprint != data["fingerprint"]:
            raise SettingsError(
                f"--resume {self.path}: the data are not the run's: it began on {known_name} with fingerprint "
                f"{fingerprint}, and {data['name']} has {data['fingerprint']}"
            )
        if not self.checkpoint.exists():
            raise FileError(f"--resume {self.path}: it ended before its first checkpoint; start a new run")

    def sample_path(self, step: int) -> Path:
        """samples/003000.png for step 3000."""
        return self.samples / f"{step:06d}.png"

    def sample_frames(self, until: int) -> list[Path]:
        """The sample grids up to a step, in the order of their steps. A killed run may have left later ones."""
        steps = sorted(int(file.stem) for file in self.samples.glob("*.png") if file.stem.isdigit())
        return [self.sample_path(step) for step in steps if step <= until]

    def cut_history(self, step: int, log_every: int, columns: Sequence[str]) -> None:
        """Keep the rows that an uninterrupted run would have at this step: a later or a partial one is written anew."""
        _, rows = self._read_rows()
        rows = [row for row in rows if int(row["step"]) <= step and int(row["step"]) % log_every == 0]
        lines = [",".join(columns), *(",".join(row[name] for name in columns) for row in rows)]
        write_atomically(self.history, lambda file: file.write("\n".join([*lines, ""]).encode()))

    def append_history(self, row: dict[str, float]) -> None:
        """Add one row, its columns in the order of the header, at once on its way to the disk."""
        try:
            with open(self.history, "a", newline="") as file:
                file.write(",".join(map(repr, row.values())) + "\n")
        except OSError as error:
            raise FileError(f"{self.history} cannot be written: {error.strerror or error}") from error

    def read_history(self) -> dict[str, list[float]]:
        """Every column of history.csv, as numbers."""
        columns, rows = self._read_rows()
        return {name: [float(row[name]) for row in rows] for name in columns}

    def release(self) -> None:
        """Let another program use the run."""
        if self.lock is not None:
            self.lock.close()

    def _read_rows(self) -> tuple[list[str], list[dict[str, str]]]:
        """The columns and the complete rows: a kill may have left half a line at the end."""
        try:
            with open(self.history, newline="") as file:
                reader = csv.DictReader(file)
                rows = [row for row in reader if None not in row and None not in row.values()]
                return list(reader.fieldnames or []), rows
        except FileNotFoundError:
            return [], []
        except OSError as error:
            raise FileError(f"{self.history} cannot be read: {error.strerror or error}") from error

    def _write_config(self, config: dict[str, Any]) -> None:
        write_atomically(self.config, lambda file: file.write((json.dumps(config, indent=2) + "\n").encode()))

    def _acquire(self) -> None:
        """Lock the directory; the system lets go of the lock when the program ends, however it ends."""
        try:
            self.lock = open(self.path / ".lock", "w")  # noqa: SIM115 - held as long as the run
            if fcntl is not None:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.release()
            raise FileError(f"{self.path} is in use by another program: wait for it, or name another folder") from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise FileError(f"{self.path} cannot be written: {error.strerror or error}") from error


def _next_free(path: Path) -> Path:
    candidate, number = path, 2
    while candidate.exists():
        candidate, number = path.with_name(f"{path.name}-{number}"), number + 1
    return candidate
