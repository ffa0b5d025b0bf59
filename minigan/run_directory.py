"""A run's directory: everything a run writes, made at the start, locked while in use, never overwritten.

config.json        how the run is trained, the GAN, the data, the versions
history.csv        one row every `log_every` steps: means over the steps since the last row
samples/000000.png grids from fixed noise, named by step
evolution.gif      those grids in order
losses.png         the curves of history.csv
diagnostics.jsonl  norms of gradients and updates, and what samples show
report.html        all of it on a page
checkpoint.npz     all that going on needs
generator.npz      all that sampling needs
"""

import contextlib
import errno
import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO, Any

from .errors import FileError, SettingsError
from .files import is_held, open_regular, patiently, write_atomically
from .history_csv import Row, rows_in, text_of

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, two programs on one run are not kept apart
    fcntl = None  # type: ignore[assignment]

LARGEST_CONFIG = 2**24  # bytes; a thousand times what the largest of ours takes
NUMBERED = re.compile(r"[0-9]{6,}")  # 003000.png
TEMPORARY = re.compile(r"\.config\.json\.[0-9]+\.tmp")  # of files.write_atomically
KEPT = re.compile(r"(?<=checkpoint-)[0-9]{6,}")  # checkpoint-003000.npz


class RunDirectory:
    """The paths of one run, its configuration, its history and its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples = path / "samples"
        self.config, self.history = path / "config.json", path / "history.csv"
        self.checkpoint, self.generator = path / "checkpoint.npz", path / "generator.npz"
        self.evolution, self.curves = path / "evolution.gif", path / "losses.png"
        self.diagnostics, self.report = path / "diagnostics.jsonl", path / "report.html"
        self.lock: IO[str] | None = None
        self.made: list[Path] = []  # the folders that `create` made, the innermost first

    @classmethod
    def create(cls, out: Path | None, name: str) -> "RunDirectory":
        """A new directory, locked: `out`, or a new runs/NAME-DATE-TIME.

        Raises SettingsError if anything is there already, FileError if it cannot be made.
        """
        try:
            if out is None:
                return _first_free(cls, Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}")
            return cls._make(out, may_exist=True)
        except OSError as error:
            if isinstance(error, FileError):
                raise
            where = "a folder in runs/" if out is None else str(out)
            raise FileError(f"{where} cannot be made for the run: {error.strerror or error}") from error

    @classmethod
    def _make(cls, path: Path, may_exist: bool) -> "RunDirectory":
        run = cls(path)
        run.made = [folder for folder in (path, *path.parents) if not folder.exists()]
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not may_exist:
                raise
            require_free(path)
        try:
            run._open_lock("x")  # of two starts at once, one makes this file
        except FileExistsError:
            run._open_lock("w")  # it is that of a start that was killed, unless it is locked
        run.samples.mkdir(exist_ok=True)
        return run

    def discard(self) -> None:
        """Take away what a failed start made. What is not ours stays, and its folder with it."""
        self.release()
        files = [self.config, self.history, self.checkpoint, self.generator, self.path / ".lock"]
        files += [self.diagnostics, self.report]
        with contextlib.suppress(OSError):
            for file in (*files, *self.samples.glob("*.png"), *(path for _, path in self.kept_checkpoints())):
                file.unlink(missing_ok=True)
            self.samples.rmdir()
            for folder in self.made:
                folder.rmdir()

    def acquire(self) -> None:
        """Lock a run that is there. Raises FileError if another program, or another `train`, is using it."""
        if not self.path.is_dir():
            raise FileError(f"{self.path}: no run is there (it is no folder)")
        self._open_lock("a")  # not "w": what a link of this name leads to is not emptied

    def _open_lock(self, mode: str) -> None:
        """The system lets go of the lock when the program ends, however it ends."""
        path = self.path / ".lock"
        if path.exists() and not path.is_file():
            raise FileError(f"{path} is no file: delete it")
        try:
            self.lock = patiently(lambda: open(path, mode))  # noqa: SIM115 - held as long as the run
            if fcntl is not None:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileExistsError:
            raise
        except OSError as error:
            if self.lock is None:
                raise FileError(f"{self.path} cannot be written: {error.strerror or error}") from error
            if error.errno in (errno.EAGAIN, errno.EACCES):
                self.release()
                raise FileError(
                    f"{self.path} is in use by another program: wait for it, or name another folder"
                ) from error
            # Some file systems of networks have no locks, and say so in many ways: go on without.

    def release(self) -> None:
        """Let another program use the run."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    # Configuration. --------------------------------------------------------------------------------------------------

    def read_config(self) -> dict[str, Any]:
        """config.json. Raises FileError if it is missing or damaged."""
        try:
            with patiently(lambda: open_regular(self.config)) as file:
                text = file.read(LARGEST_CONFIG + 1)
            if len(text) > LARGEST_CONFIG:
                raise ValueError(f"it has more than {LARGEST_CONFIG:,} bytes")
            return dict(json.loads(text))
        except FileNotFoundError as error:
            raise FileError(f"{self.path}: no run is there ({self.config} does not exist)") from error
        except OSError as error:
            raise FileError(f"{self.config} cannot be read: {error.strerror or error}") from error
        except (ValueError, TypeError, RecursionError) as error:
            raise FileError(f"{self.config} is damaged: {error}") from error

    def write_config(self, config: dict[str, Any]) -> None:
        """Replace config.json."""
        write_atomically(self.config, lambda file: file.write((json.dumps(config, indent=2) + "\n").encode()))

    def require_untrained(self) -> None:
        """Raises FileError if a run without a checkpoint.npz was trained: its first checkpoint is that of step 0, so a
        run that was killed before it can begin anew.
        """
        kept = [path.name for _, path in self.kept_checkpoints()]
        later = self.generator, self.evolution, self.curves
        trained = any(path.exists() for path in later) or self.sample_paths()[1:] or self.read_rows()[1]
        if kept:
            raise FileError(f"{self.checkpoint} is missing: copy {kept[-1]} to that name to go on from there")
        if trained:
            raise FileError(f"{self.checkpoint} is missing, and the run cannot go on without it: start a new run")

    # Samples and checkpoints. ----------------------------------------------------------------------------------------

    def sample_path(self, step: int) -> Path:
        """samples/003000.png for step 3000."""
        return self.samples / f"{step:06d}.png"

    def sample_paths(self, until: int | None = None) -> list[Path]:
        """The sample grids up to a step, in the order of their steps. A killed run may have left later ones."""
        return [path for step, path in _numbered(self.samples, ".png") if until is None or step <= until]

    def checkpoint_path(self, step: int) -> Path:
        """checkpoint-003000.npz for step 3000: one that is kept beside the last."""
        return self.path / f"checkpoint-{step:06d}.npz"

    def prune(self, keep: int, step: int) -> None:
        """Delete all kept checkpoints up to this step but the last `keep`. Later ones are of a run that went further
        before it was taken back to an earlier step: they are left alone. One that another program holds is deleted
        later.
        """
        kept = [path for at, path in self.kept_checkpoints() if at <= step]
        for path in kept[:-keep]:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def kept_checkpoints(self) -> list[tuple[int, Path]]:
        """(step, path) of the checkpoints that have names of their own, in the order of the steps."""
        found = [(KEPT.search(path.stem), path) for path in self.path.glob("checkpoint-*.npz")]
        return sorted((int(match[0]), path) for match, path in found if match and path.stem == f"checkpoint-{match[0]}")

    # History. --------------------------------------------------------------------------------------------------------

    def write_rows(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Replace history.csv."""
        text = text_of(columns, rows)
        write_atomically(self.history, lambda file: file.write(text.encode()))

    def append_row(self, columns: Sequence[str], row: Row) -> None:
        """Add one row, its columns in the order of the header, at once on its way to the disk."""
        try:
            with patiently(lambda: open(self.history, "a", newline="", encoding="utf-8")) as file:
                file.write(text_of(columns, [row], header=False))
        except OSError as error:
            raise FileError(f"{self.history} cannot be written: {error.strerror or error}") from error

    def holds_history(self) -> bool:
        """Whether another program lets nobody write history.csv, at this moment."""
        try:
            open(self.history, "a").close()
        except OSError as error:
            return is_held(error)
        return False

    def read_rows(self, needed: Iterable[str] = (), saved: int = -1) -> tuple[list[str], list[Row]]:
        """The columns and rows, as history_csv.rows_in. Raises FileError, naming the line, for what is no history."""
        try:
            with patiently(lambda: open_regular(self.history)) as file:
                return rows_in(file.read(), needed, saved)
        except FileNotFoundError:
            return [], []
        except OSError as error:
            raise FileError(f"{self.history} cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise FileError(f"{self.history} is damaged: {error}") from error


def _first_free(kind: type[RunDirectory], path: Path) -> RunDirectory:
    """The directory of this name, or with a number behind it: the first that nobody else makes."""
    for number in count(1):
        with contextlib.suppress(FileExistsError):
            return kind._make(path if number == 1 else path.with_name(f"{path.name}-{number}"), may_exist=False)
    raise AssertionError


def require_free(path: Path) -> None:
    """Raises SettingsError unless the path may become a run: nothing is there but what a start leaves that was killed
    before it wrote its config.json.
    """
    if not path.is_dir():
        if path.exists() or path.is_symlink():
            raise SettingsError(f"out={str(path)!r} exists already and is never overwritten: name another folder")
    elif not all(_is_leftover(entry) for entry in path.iterdir()):
        raise SettingsError(
            f"out={str(path)!r} exists already and is never overwritten: name another folder, or go on with the run in "
            f"there: resume={str(path)!r}"
        )


def _is_leftover(entry: Path) -> bool:
    if entry.is_dir():
        return entry.name == "samples" and not any(entry.iterdir())
    return entry.name == ".lock" or TEMPORARY.fullmatch(entry.name) is not None


def _numbered(folder: Path, suffix: str) -> list[tuple[int, Path]]:
    """(step, path) of the files that are named by a step, in the order of the steps."""
    found = [(NUMBERED.fullmatch(path.stem), path) for path in folder.glob(f"*{suffix}")]
    return sorted((int(match[0]), path) for match, path in found if match)
