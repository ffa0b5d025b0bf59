"""The settings of a run: a dataclass with a help text for each field, and the command line made of it.

An example subclasses RunSettings with its own settings and defaults; every field becomes a flag (`batch_size` is
--batch-size), and every run keeps all of them in its config.json.
"""

import argparse
import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from .backend import NAMES
from .errors import FileError, SettingsError

S = TypeVar("S", bound="RunSettings")


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float = math.inf,
    below: float = math.inf,
    choices: Any = None,
) -> Any:
    """A field of a settings class: its default, its help text, and the values it may take.

    A number lies in [minimum, maximum], and is less than `below`.
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "below": below, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RunSettings:
    """What every run has. Raises SettingsError, naming the flag, for a value that makes no sense."""

    steps: int = option(10_000, "steps to train in all", minimum=1)
    batch_size: int = option(32, "images in a batch", minimum=1)
    seed: int = option(0, "all randomness is a function of this number", minimum=0, below=2**64)
    grid: int = option(5, "rows, and columns, of a sample grid", minimum=1, below=65)
    data: str | None = option(
        None, "images: an IDX file, a folder with one, a .npy or .npz file; default: the bundled MNIST"
    )
    backend: str | None = option(None, "where arrays live; default: MINIGAN_BACKEND, or else numpy", choices=NAMES)
    log_every: int = option(100, "steps between rows of history.csv", minimum=1)
    sample_every: int = option(3_000, "steps between sample grids", minimum=1)
    checkpoint_every: int = option(1_000, "steps between checkpoints", minimum=1)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _validate(flag(field.name), getattr(self, field.name), field.metadata)


METAVARS = {int: "N", float: "X", str: "PATH"}
FREE_ON_RESUME = {"steps", "epochs", "checkpoint_every", "backend", "data"}  # the rest would change what is computed


@dataclass(frozen=True)
class Command(Generic[S]):
    """What the command line asked for: settings, and where the run is or shall be."""

    settings: S
    out: Path | None  # a new run's directory; None: the next free default
    resume: Path | None  # the run to go on with
    graph: bool = True  # on a GPU, a whole step is one launch


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is a SettingsError: one message, no usage lines."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise SettingsError(message)


def parse_command(kind: type[S], description: str | None, quick: dict[str, Any], argv: list[str] | None) -> Command[S]:
    """Read the command line of an example. `quick` are the settings that --quick stands for.

    Flags win over --quick, --quick over defaults. With --resume, the run's own settings are the defaults, and a flag
    that differs from them is refused, since the run could not go on as it began.
    """
    parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    for field in dataclasses.fields(kind):
        parser.add_argument(
            flag(field.name),
            default=argparse.SUPPRESS,
            type=_type_of(field),
            choices=field.metadata["choices"],
            metavar=None if field.metadata["choices"] else METAVARS[_type_of(field)],
            help=f"{field.metadata['help']}{'' if field.default is None else f' (default {field.default})'}",
        )
    quick_help = ", ".join(f"{flag(name)} {value}" for name, value in quick.items())
    parser.add_argument("--quick", action="store_true", help=f"a short run: {quick_help}")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FOLDER", help="the run's folder (default: a new one in runs/)")
    where.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    parser.add_argument("--no-graph", action="store_true", help="on a GPU, launch each kernel by itself: same numbers")
    given = vars(parser.parse_args(argv))
    graph = not given.pop("no_graph")
    out, resume, is_quick = given.pop("out"), given.pop("resume"), given.pop("quick")
    names = {field.name for field in dataclasses.fields(kind)}
    if {"steps", "epochs"} <= given.keys():
        raise SettingsError("--steps and --epochs both say how long to train: give one of them")
    if is_quick:
        given = {name: value for name, value in quick.items() if name != "steps" or "epochs" not in given} | given
    if out is not None and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        resumable = f", or use --resume {out}" if out.is_dir() else ""
        raise SettingsError(f"--out {out} exists already and is never overwritten: name another{resumable}")
    stored = {} if resume is None else stored_settings(resume, kind)
    _refuse_changes(resume, stored, given, is_quick)
    if "steps" in given and "epochs" in names:
        given["epochs"] = None  # steps take the place of epochs that were set before
    return Command(kind(**(stored | given)), out, resume, graph)


def read_config(run: Path) -> dict[str, Any]:
    """A run's config.json. Raises FileError if it is missing or damaged."""
    path = run / "config.json"
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise FileError(f"--resume {run}: no run is there ({path} does not exist)") from error
    except OSError as error:
        raise FileError(f"--resume {run}: {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise FileError(f"--resume {run}: {path} is damaged: {error}") from error


def stored_settings(run: Path, kind: type[S]) -> dict[str, Any]:
    """The settings in a run's config.json."""
    path, settings = run / "config.json", read_config(run).get("settings")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(settings, dict):
        raise FileError(f"--resume {run}: {path} is damaged: its settings are {settings!r}")
    odd = ", ".join(sorted(set(settings) ^ set(fields)))
    if odd:
        raise SettingsError(f"--resume {run}: that run belongs to another program or version (it differs in: {odd})")
    for name, value in settings.items():
        if value is None and "None" in str(fields[name].type):
            continue
        kind = _type_of(fields[name])
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            raise FileError(f"--resume {run}: {path} is damaged: its {name} is {value!r}")
    return settings


def _refuse_changes(resume: Path | None, stored: dict[str, Any], given: dict[str, Any], is_quick: bool) -> None:
    differing = [name for name in given if name in stored and given[name] != stored[name]]
    differing = [name for name in differing if name not in FREE_ON_RESUME]
    if differing:
        changes = ", ".join(f"{flag(name)} {given[name]} (the run has {stored[name]})" for name in differing)
        quick = ", and --quick with them" if is_quick else ""
        raise SettingsError(f"--resume {resume}: other settings than the run's: {changes}; leave them out{quick}")


def _validate(name: str, value: Any, rule: Any) -> None:
    if rule["choices"] and value is not None and value not in rule["choices"]:
        raise SettingsError(f"{name} is {value!r}; the choices are {', '.join(rule['choices'])}")
    if value == "":
        raise SettingsError(f"{name} is empty; give it a value, or leave it out")
    if rule["minimum"] is None or value is None:
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{name} is {value}; wanted a finite number")
    if not (rule["minimum"] <= value <= rule["maximum"] and value < rule["below"]):
        raise SettingsError(f"{name} is {value}; it must be {_limits(rule)}")


def _limits(rule: Any) -> str:
    """The values that a number may have, in words."""
    highest = (("at most", rule["maximum"]), ("less than", rule["below"]))
    upwards = [f"{words} {limit}" for words, limit in highest if limit < math.inf]
    return " and ".join([f"at least {rule['minimum']}", *upwards])


def _type_of(field: dataclasses.Field) -> type:
    for kind in (int, float, str):
        if field.type is kind or kind.__name__ in str(field.type):
            return kind
    raise TypeError(f"the setting {field.name} has type {field.type}; a flag can be an int, a float or a str")
