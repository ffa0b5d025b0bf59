"""The check of one file: what it has, one after the other, and what was found, in a form that passes between processes.

It runs the file in this process. `children.py` starts a process for that, unless the file is trusted.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MiniganError, SettingsError
from ..gan import GAN
from ..network import Sequential
from .check import check
from .own_files import Item, items_of, loaded, located, notes_of, prints_as_errors
from .report import Report

OWN_FILE = re.compile(r"(?P<path>.+\.py)(:(?P<wanted>.*))?", re.DOTALL)
LONGEST = 4_000  # characters of what a file raises
OK, WRONG, NOT_PROVEN, NOT_CHECKED = "ok", "wrong", "not proven", "not checked"
BASE = "base"  # a class that runs only in those that derive from it: nothing is said of it


@dataclass(frozen=True)
class Job:
    """A file, and how its contents are checked."""

    path: str
    wanted: str = ""
    x: tuple[int, ...] | None = None
    seed: int = 0
    expect_zero: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Job":
        """The job of another process."""
        x = found["x"]
        return cls(**found | {"x": None if x is None else tuple(x), "expect_zero": tuple(found["expect_zero"])})


@dataclass(frozen=True)
class Found:
    """A verdict, with the text that a person reads and the document that a program does."""

    target: str
    status: str
    text: str
    entries: int = 0
    directions: int = 0
    zeros: tuple[str, ...] = ()  # names of expect_zero that it has
    document: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    def of_file(self, path: str, several: bool) -> "Found":
        """The same with its file; in the text, too, where there are several."""
        whole = Path(self.target) == Path(path).absolute()  # not one thing in it
        target = path if whole else f"{path}:{self.target}" if several else self.target
        document = self.document | {"file": path, "target": path if whole else self.target}
        start = self.text.index(self.target, len(f"{self.status}  ") if self.text.startswith(f"{self.status}  ") else 0)
        text = self.text[:start] + target + self.text[start + len(self.target) :]
        return replace(self, target=target, text=text, document=document)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Found":
        """What another process found."""
        return cls(**found | {"zeros": tuple(found["zeros"])})


@dataclass(frozen=True)
class Begun:
    """That a check begins: if it never ends, one knows which."""

    name: str


def own_file(target: str) -> tuple[str, str] | None:
    """Path and name of "my_layers.py:MyLayer"; the name may be left out. None if it speaks of no file."""
    own = OWN_FILE.fullmatch(target)
    return None if own is None else (own["path"], own["wanted"] or "")


def found_of(report: Report, zeros: tuple[str, ...] = ()) -> Found:
    """What a report says."""
    status = OK if report else WRONG if report.is_wrong else NOT_PROVEN
    text = line_of(report) if report else str(report)
    document = json.loads(report.to_json())
    return Found(report.target, status, text, report.entries, report.directions, zeros, document)


def not_checked(target: str, reason: str) -> Found:
    """That nothing can be said, and why."""
    document = {"target": target, "ok": False, "not_checked": reason}
    text = reason if reason.startswith(target) else f"{target}: {reason}"
    return Found(target, NOT_CHECKED, f"{NOT_CHECKED}  {text}", document=document)


def line_of(report: Report) -> str:
    """The line of a report that is OK."""
    compared = [f"{report.entries} entries"] if report.entries else []
    compared += [f"{report.directions} directions"] if report.directions else []
    names = [row.name for row in report.rows]
    what = ", ".join(names) if len(names) < 5 else f"{len(names)} gradients"
    return "; ".join([f"ok  {report.target}: {what} ({', '.join(compared)})", *report.notes])


def check_file(job: Job, skip: int = 0) -> Iterator[Begun | Found]:
    """Everything that the job asks for but the first `skip`; each is announced before it is checked."""
    path = Path(job.path)
    try:
        with loaded(path) as namespace:
            for item in items_of(path, job.wanted, namespace, job.x)[skip:]:
                yield Begun(item.name)
                yield _checked(item, job, path)
    except MemoryError as error:
        yield not_checked(job.path, _no_memory(error, path))
    except MiniganError as error:
        yield not_checked(job.path, f"{error}{notes_of(error)}".removeprefix(f"{path}: "))


def _checked(item: Item, job: Job, path: Path) -> Found:
    """One verdict; what the file's own code raises is the verdict."""
    if item.refusal:
        return not_checked(item.name, item.refusal)
    with prints_as_errors():
        try:
            target, options = item.make()
        except SettingsError as error:
            if item.is_base and isinstance(error.__cause__, TypeError):  # abstract
                return Found(item.name, BASE, "")
            return not_checked(item.name, f"{error}{notes_of(error)}")
        except MemoryError as error:
            return _failed(item.name, _no_memory(error, path))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a person's own code may raise anything
            return _failed(item.name, _raised(error, path))
        named = isinstance(target, tuple | GAN | Sequential)  # those have no name of their own
        name = item.name if named else type(target).__name__
        try:
            return _with_zeros(target, options, job, name)
        except MemoryError as error:
            return _failed(name, _no_memory(error, path))
        except MiniganError as error:
            return _failed(name, f"{error}{notes_of(error)}")
        except (AttributeError, NotImplementedError) as error:
            return Found(name, BASE, "") if item.is_base else _failed(name, _raised(error, path))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001
            return _failed(name, _raised(error, path))


def _with_zeros(target: Any, options: dict[str, Any], job: Job, name: str) -> Found:
    """The check; and once more if it has gradients that are expected to be 0."""
    options = {**options, "seed": job.seed}
    wanted = (*options.pop("expect_zero", ()), *job.expect_zero)
    short = {zero: zero.removeprefix(f"{name}.") for zero in wanted}  # "MyLayer.b" is meant for MyLayer alone
    options["x"] = _input(options.get("x"))
    if "labels" in options:
        options["labels"] = np.asarray(options["labels"])
    report = check(target, **options)
    names = [row.name for row in report.rows]
    zeros = tuple(zero for zero in wanted if short[zero] in names)
    if zeros:
        report = check(target, **options, expect_zero=tuple(short[zero] for zero in zeros))
    if isinstance(target, tuple | GAN | Sequential):
        report.target = name
    return found_of(report, zeros)


def _input(x: Any) -> Any:
    """A shape stays a shape; numbers become an array."""
    return x if x is None or (isinstance(x, tuple) and all(isinstance(n, int) for n in x)) else np.array(x, dtype=float)


def _failed(name: str, reason: str) -> Found:
    return found_of(Report(name, complaints=[reason]))


def _raised(error: BaseException, path: Path) -> str:
    hint = "\n    input() finds nobody here who could answer" if isinstance(error, EOFError) else ""
    return f"{located(error, path)[:LONGEST]}{hint}"


def _no_memory(error: MemoryError, path: Path) -> str:
    if hasattr(error, "__notes__"):
        del error.__notes__  # another shape would not help
    return f"it wanted more memory than there is, or than --memory allows: {located(error, path)}"
