"""The settings of a run: a dataclass with a help text for each field, and the command line made of it.

An example subclasses RunSettings with its own settings and defaults; every field becomes a flag (`batch_size` is
--batch-size), and every run keeps all of them in its config.json.
"""

import argparse
import contextlib
import dataclasses
import math
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from .augment import DiffAugment
from .backend import NAMES
from .data.sources import split_part
from .errors import FileError, MiniganError, SettingsError, did_you_mean
from .progress import in_notebook
from .run import open_run
from .run_directory import RunDirectory, require_free

S = TypeVar("S", bound="RunSettings")


def option(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float = math.inf,
    below: float = math.inf,
    choices: Any = None,
    before: Any = MISSING,
    parse: Callable[[str], Any] | None = None,
    metavar: str | None = None,
) -> Any:
    """A field of a settings class: its default, its help text, and the values it may take.

    A number lies in [minimum, maximum], and is less than `below`. `before` is what runs did before there was this
    setting: it is theirs when they are resumed. `parse` makes the value of what was typed, where that is no plain type,
    and `metavar` stands for it in --help.
    """
    metadata = {"help": help, "minimum": minimum, "maximum": maximum, "below": below, "choices": choices}
    metadata |= {"before": before, "parse": parse, "metavar": metavar}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class RunSettings:
    """What every run has. Raises SettingsError, naming the flag, for a value that makes no sense."""

    steps: int = option(10_000, "steps to train in all", minimum=1)
    batch_size: int = option(32, "images in a batch", minimum=1)
    seed: int = option(0, "all randomness is a function of this number", minimum=0, below=2**64)
    grid: int = option(5, "rows, and columns, of a sample grid", minimum=1, below=65)
    lr: float = option(2e-4, "learning rate of both optimizers", minimum=0)
    d_lr: float | None = option(None, "learning rate of D's optimizer; default: that of --lr", minimum=0, before=None)
    g_steps: int = option(1, "updates of G in a step", minimum=1, below=1_000, before=1)
    augment: str | None = option(
        None,
        "random changes of what D sees, against few images: some of color,translation,cutout; default: none",
        before=None,
        metavar="CHANGES",
    )
    data: str | None = option(
        None, "images: an IDX, .npy, .npz or .csv file, a folder with one or of pictures; default: the bundled MNIST"
    )
    stretch: bool = option(False, "spread the images' levels: the darkest is black, the brightest white", before=False)
    skip_damaged: bool = option(False, "leave damaged files of a folder out, and name them", before=False)
    backend: str | None = option(None, "where arrays live; default: MINIGAN_BACKEND, or else numpy", choices=NAMES)
    log_every: int = option(100, "steps between rows of history.csv", minimum=1)
    sample_every: int = option(3_000, "steps between sample grids", minimum=1)
    checkpoint_every: int = option(1_000, "steps between checkpoints", minimum=1)
    keep_checkpoints: int = option(
        0, "so many of the last checkpoints are kept, each under a name of its own", minimum=0, below=10**9, before=0
    )
    evaluate_every: int = option(
        0, "judge samples every so many steps, as `minigan evaluate` does, for history.csv; 0: never",
        minimum=0, below=10**9, before=0,
    )  # fmt: skip
    keep_best: bool = option(False, "keep the best generator that --evaluate-every finds, too", before=False)
    start_from: str | None = option(
        None,
        "begin with the weights of another run or a checkpoint (G and D), or of a model file (G alone)",
        before=None,
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _validate(flag(field.name), getattr(self, field.name), field.metadata)
        if self.augment is not None:
            object.__setattr__(self, "augment", _changes(self.augment))
        if self.evaluate_every % self.log_every:
            raise SettingsError(
                f"--evaluate-every is {self.evaluate_every}; history.csv has a row every {self.log_every} steps "
                f"(--log-every): take a multiple of it"
            )
        if self.keep_best and not self.evaluate_every:
            raise SettingsError("--keep-best needs --evaluate-every N: which generator is best must be measured")

    @property
    def d_learning_rate(self) -> float:
        """Of D's optimizer."""
        return self.lr if self.d_lr is None else self.d_lr


def _changes(policy: str) -> str:
    """The policy as it is kept, whatever spaces were typed."""
    try:
        return DiffAugment(policy).policy
    except SettingsError as error:
        raise SettingsError(str(error).replace("DiffAugment: policy", "--augment", 1)) from error


def image_size(text: str) -> int | str:
    """What --size names: 64 of "64" and "64x64"; "64x32" of that, height first. Raises ArgumentTypeError otherwise."""
    found = re.fullmatch(r"(-?\d+)(?:x(\d+))?", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: wanted 64, or 64x32, height first")
    h, w = int(found[1]), int(found[2] or found[1])
    return h if h == w else f"{h}x{w}"


def sides(size: int | str) -> tuple[int, int]:
    """(h, w) of what `image_size` returned."""
    h, _, w = str(size).partition("x")
    return int(h), int(w or h)


METAVARS = {int: "N", float: "X", str: "PATH"}
FREE_ON_RESUME = {  # the rest would change what is computed
    "steps", "epochs", "checkpoint_every", "keep_checkpoints", "evaluate_every", "keep_best", "backend", "data"
}  # fmt: skip
PATHS = ("data", "start_from")


@dataclass(frozen=True)
class Command(Generic[S]):
    """What the command line asked for: settings, and where the run is or shall be."""

    settings: S
    out: Path | None  # a new run's directory; None: the next free default
    resume: Path | None  # the run to go on with
    graph: bool = True  # on a GPU, a whole step is one launch

    @property
    def arguments(self) -> set[str]:
        """The arguments of the library that have a flag in this command."""
        return {field.name for field in dataclasses.fields(self.settings)} | {"out", "resume", "more"}


def flag(name: str) -> str:
    """The command-line flag of a setting."""
    return "--" + name.replace("_", "-")


def in_flags(message: str, arguments: Iterable[str]) -> str:
    """What the library says of these arguments, as a command says it: "steps=5" becomes "--steps 5", "out=" "--out"."""
    names = "|".join(sorted(arguments, key=len, reverse=True))
    # A name inside a word or a path is none of ours. Plain words lose their quotes.
    pattern = rf"""(?<![\w./\\-])({names})=('[\w./-]+'|(?=[\w'"(\[-]))?"""

    message = re.sub(rf"(?<![\w./\\-])({names})=True\b", lambda found: flag(found[1]), message)

    def as_flag(found: re.Match[str]) -> str:
        return flag(found[1]) if found[2] is None else f"{flag(found[1])} {found[2].strip(chr(39))}"

    return re.sub(pattern, as_flag, message)


@contextlib.contextmanager
def speaking_of_flags(command: Command[Any]) -> Iterator[None]:
    """Within it, the library's errors speak of the command's flags."""
    try:
        yield
    except MiniganError as error:
        error.args = (in_flags(str(error), command.arguments),)
        raise


def near_path(path: Path) -> str:
    """For the end of a message about a path where nothing is: "; did you mean runs/first?", or ""."""
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return ""
    return did_you_mean(path.name, names, "" if path.parent == Path() else f"{path.parent}{os.sep}")


class Parser(argparse.ArgumentParser):
    """argparse, but a mistake is a SettingsError: one message, no usage lines, and what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise SettingsError(message)

    def print_help(self, file: Any = None) -> None:
        """As any other output: argparse would be silent where it cannot be written."""
        print(self.format_help(), end="", file=file)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What is not known is refused here, where the flags of a subcommand are known, and before what is missing."""
        if args is None:
            args = [] if in_notebook() else sys.argv[1:]  # a notebook's program has the kernel's
        words = shlex.split(args) if isinstance(args, str) else list(args)
        for word in words:
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                break  # what follows is no flag, or for the subcommand
            name = word.partition("=")[0]
            if len(name) > 2 and name.startswith("--") and name not in self._option_string_actions:
                self.error(f"unrecognized argument: {name}{did_you_mean(name, self._option_string_actions)}")
        namespace, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return namespace, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = [str(choice) for choice in action.choices or ()]
        if choices and str(value) not in choices:
            raise argparse.ArgumentError(
                action, f"{value!r} is none of the choices: {', '.join(choices)}{did_you_mean(str(value), choices)}"
            )


def parse_command(
    kind: type[S], description: str | None, quick: dict[str, Any], argv: Sequence[str] | None
) -> Command[S]:
    """Read the command line of an example. `quick` are the settings that --quick stands for.

    Flags win over --quick, --quick over defaults. With --resume, the run's own settings are the defaults, and a flag
    that differs from them is refused, since the run could not go on as it began.
    """
    given = vars(_parser(kind, description, quick).parse_args(argv))
    out, resume, more = given.pop("out"), given.pop("resume"), given.pop("more")
    is_quick, graph = given.pop("quick"), not given.pop("no_graph")
    _refuse_contradictions(given, resume, more)
    if is_quick:
        has_length = more is not None or "epochs" in given
        given = {name: value for name, value in quick.items() if name != "steps" or not has_length} | given
    _require_new(out)
    stored = {} if resume is None else stored_settings(resume, kind)
    _refuse_changes(resume, stored, given, is_quick)
    if more is not None:
        given["steps"] = open_run(resume).steps + more
    if "steps" in given and "epochs" in {field.name for field in dataclasses.fields(kind)}:
        given["epochs"] = None  # steps take the place of epochs that were set before
    return Command(kind(**(stored | given)), out, resume, graph)


def _parser(kind: type[RunSettings], description: str | None, quick: dict[str, Any]) -> Parser:
    """A flag for every setting, and those that say what to do with them."""
    parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    for field in dataclasses.fields(kind):
        _add_flag(parser, field)
    quick_help = ", ".join(f"{flag(name)} {value}" for name, value in quick.items())
    parser.add_argument("--quick", action="store_true", help=f"a short run: {quick_help}")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--out", type=Path, metavar="FOLDER", help="the run's folder (default: a new one in runs/)")
    where.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    parser.add_argument("--more", type=int, metavar="N", help="with --resume: so many steps more than the run has")
    parser.add_argument("--no-graph", action="store_true", help="on a GPU, launch each kernel by itself: same numbers")
    return parser


def _add_flag(parser: Parser, field: dataclasses.Field) -> None:
    name, kind, choices, words = flag(field.name), _type_of(field), field.metadata["choices"], field.metadata["help"]
    if kind is bool:
        default = name if field.default else flag(f"no_{field.name}")
        action = argparse.BooleanOptionalAction
        parser.add_argument(name, action=action, default=argparse.SUPPRESS, help=f"{words} (default {default})")
        return
    parser.add_argument(
        name,
        default=argparse.SUPPRESS,
        type=field.metadata["parse"] or kind,
        choices=choices,
        metavar=None if choices else field.metadata["metavar"] or METAVARS[kind],
        help=words if field.default is None else f"{words} (default {field.default})",
    )


def _refuse_contradictions(given: dict[str, Any], resume: Path | None, more: int | None) -> None:
    lengths = [flag(name) for name in ("steps", "epochs") if name in given] + ["--more"] * (more is not None)
    if len(lengths) > 1:
        raise SettingsError(f"{' and '.join(lengths)} each say how long to train: give one of them")
    if more is not None and resume is None:
        raise SettingsError(f"--more {more} goes on with a run: name it with --resume, or give a new one its --steps")
    if more is not None and more < 1:
        raise SettingsError(f"--more is {more}; it must be at least 1")
    if resume is not None and "start_from" in given:
        raise SettingsError(
            f"--resume {resume} goes on with that run as it is, and --start-from begins a new one: give one of them"
        )
    for name in PATHS:
        path, _ = split_part(given.get(name) or ".")
        if not path.exists() and near_path(path):
            raise FileError(f"{flag(name)} {path} does not exist{near_path(path)}")


def _require_new(out: Path | None) -> None:
    """`train` refuses it, too; but images that take minutes to read come first there."""
    if out is None:
        return
    try:
        require_free(out)
    except SettingsError as error:
        raise SettingsError(in_flags(str(error), ("out", "resume"))) from None


def stored_settings(run: Path, kind: type[RunSettings]) -> dict[str, Any]:
    """The settings in a run's config.json. Those that it is too old to have are what such a run did."""
    if not run.exists():
        raise FileError(f"--resume {run}: no run is there{near_path(run)}")
    path, settings = run / "config.json", RunDirectory(run).read_config().get("settings")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(settings, dict):
        raise FileError(f"--resume {run}: {path} is damaged: its settings are {settings!r}")
    rules = {name: field.metadata["before"] for name, field in fields.items()}
    settings = {name: before for name, before in rules.items() if before is not MISSING} | settings
    odd = ", ".join(sorted(set(settings) ^ set(fields)))
    if odd:
        raise SettingsError(f"--resume {run}: that run belongs to another program or version (it differs in: {odd})")
    for name, value in settings.items():
        if not _may_be(fields[name], value):
            raise FileError(f"--resume {run}: {path} is damaged: its {name} is {_shown(value)}")
    try:
        kind(**settings)
    except SettingsError as error:
        raise FileError(f"--resume {run}: {path} is damaged: {error}") from error
    return settings


def _shown(value: Any) -> str:
    """Short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _may_be(field: dataclasses.Field, value: Any) -> bool:
    """Whether a stored value has the type of the setting."""
    kind = _type_of(field)
    if field.metadata["parse"] is image_size:
        return isinstance(value, int | str) and re.fullmatch(r"\d+(x\d+)?", str(value)) is not None
    if value is None or isinstance(value, bool) or kind is bool:
        return "None" in str(field.type) if value is None else isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and not abs(value) > 1e300  # whole numbers may be beyond all floats
    return isinstance(value, kind)


def _refuse_changes(resume: Path | None, stored: dict[str, Any], given: dict[str, Any], is_quick: bool) -> None:
    differing = [name for name in given if name in stored and given[name] != stored[name]]
    differing = [name for name in differing if name not in FREE_ON_RESUME]
    if differing:
        changes = ", ".join(_change(name, given[name], stored[name]) for name in differing)
        quick = ", and --quick with them" if is_quick else ""
        raise SettingsError(f"--resume {resume}: other settings than the run's: {changes}; leave them out{quick}")


def _change(name: str, ours: Any, theirs: Any) -> str:
    """--lr 0.1 (the run has 0.0002)."""
    if isinstance(ours, bool):
        yes, no = flag(name), flag(f"no_{name}")
        return f"{yes} (the run has {no})" if ours else f"{no} (the run has {yes})"
    return f"{flag(name)} {ours} (the run has {'none' if theirs is None else theirs})"


def _validate(name: str, value: Any, rule: Any) -> None:
    if rule["choices"] and value is not None and value not in rule["choices"]:
        raise SettingsError(f"{name} is {value!r}; the choices are {', '.join(map(str, rule['choices']))}")
    if value == "":
        raise SettingsError(f"{name} is empty; give it a value, or leave it out")
    if rule["minimum"] is None or value is None:
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{name} is {value}; wanted a finite number")
    numbers = sides(value) if rule["parse"] is image_size else (value,)
    if not all(rule["minimum"] <= number <= rule["maximum"] and number < rule["below"] for number in numbers):
        raise SettingsError(f"{name} is {value}; it must be {_limits(rule)}")


def _limits(rule: Any) -> str:
    """The values that a number may have, in words."""
    highest = (("at most", rule["maximum"]), ("less than", rule["below"]))
    upwards = [f"{words} {limit}" for words, limit in highest if limit < math.inf]
    return " and ".join([f"at least {rule['minimum']}", *upwards])


def _type_of(field: dataclasses.Field) -> type:
    for kind in (bool, int, float, str):
        if field.type is kind or kind.__name__ in str(field.type):
            return kind
    raise TypeError(f"the setting {field.name} has type {field.type}; a flag can be a bool, an int, a float or a str")
