"""`minigan gradcheck`: the check of minigan's own layers, losses, objectives and steps, or of a person's layers."""

import contextlib
import glob
import json
import re
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import layers, losses, objectives
from ..errors import MiniganError, SettingsError, did_you_mean
from . import table
from .check import check
from .children import Limits, check_own
from .own_checks import NOT_CHECKED, NOT_PROVEN, OK, WRONG, Found, Job, found_of, own_file
from .own_files import make, notes_of, parse_call
from .report import Report

STEP_ENTRIES = 5  # of each array of a whole step, with directions through all of it
EXPECT_ZERO = re.compile(r"pass expect_zero=\('([^']*)',\)")  # a report speaks of arguments, the command of flags


def add_arguments(parser: ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET",
        help="a class of minigan's (Dense, BCE, Hinge), 'Dense(5)', my_layers.py, or my_layers.py:MyLayer",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", dest="everything", help="all of minigan, and whole GAN steps")
    parser.add_argument("--shape", metavar="N,H,W,C", help="shape of the input, with the batch: 4,3 or 4,5,6,3")
    parser.add_argument("--seed", type=int, default=0, help="which random numbers (default 0)")
    parser.add_argument(
        "--expect-zero", action="append", default=[], metavar="NAME",
        help="a gradient that is truly 0, such as the bias before a normalisation: b; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=Limits.timeout, metavar="SECONDS",
        help="how long each thing in a file of yours may take (default 60)",
    )  # fmt: skip
    parser.add_argument(
        "--memory", type=float, default=Limits.memory, metavar="GIB",
        help="how much memory a file of yours may use (default 4)",
    )  # fmt: skip
    parser.add_argument(
        "--trust", action="store_true",
        help="check files of yours in this process, without limits: for a debugger",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", dest="as_json", help="the reports as one JSON document")


def gradcheck(
    targets: list[str],
    everything: bool,
    shape: str | None,
    seed: int,
    expect_zero: list[str],
    timeout: float,
    memory: float,
    trust: bool,
    as_json: bool,
) -> int:
    """Check the targets and print what was found.

    Returns 0 if every gradient is OK, 1 if one is wrong, not proven or not checked, 2 if nothing could be checked.
    """
    if everything == bool(targets):
        raise SettingsError("gradcheck takes either --all or targets: Dense, 'Dense(5)', my_layers.py:MyLayer")
    if seed < 0:
        raise SettingsError(f"--seed is {seed}; it must be at least 0")
    limits = Limits(timeout, memory, trust)
    limits.require_sense()
    x, zeros = _shape(shape), tuple(name.strip() for names in expect_zero for name in names.split(","))
    for flag, given in (("--shape", x), ("--expect-zero", zeros)):
        if given and everything:
            raise SettingsError(f"{flag} is for targets; --all has its own")
    started = time.perf_counter()
    jobs = _everything(seed) if everything else _chained(_jobs(_expanded(targets), x, seed, zeros, limits))
    with contextlib.closing(jobs):  # or a process would outlive an error here
        found = list(jobs) if as_json else _printed(jobs)
    if all(result.status == NOT_CHECKED for result in found):
        return _nothing_checked(found, as_json)
    _print_end(found, time.perf_counter() - started, as_json)
    _require_known(zeros, found)
    return 0 if all(result.status == OK for result in found) else 1


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.replace("x", ",").strip("()").split(",")
    if len(parts) < 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise SettingsError(f"--shape is {text!r}; wanted whole numbers, the batch first: 4,3 or 4,5,6,3")
    return tuple(map(int, parts))


def _printed(jobs: Iterator[Found]) -> list[Found]:
    """All verdicts, each printed as it comes; but what is not checked and stays alone is an error, and no report."""
    found: list[Found] = []
    for result in jobs:
        found.append(result)
        held = len(found) == 2 and found[0].status == NOT_CHECKED
        for shown in found if held else [result] if len(found) > 1 or result.status != NOT_CHECKED else []:
            _print(EXPECT_ZERO.sub(r"pass --expect-zero \1", shown.text))
    return found


def _print(text: str) -> None:
    """A line, with question marks where the terminal has no such letters."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


def _nothing_checked(found: list[Found], as_json: bool) -> int:
    """Raises SettingsError, with the one reason if there is only one."""
    if as_json:
        print(json.dumps(_document(found), indent=2))
    if len(found) == 1:
        raise SettingsError(found[0].text.removeprefix(f"{NOT_CHECKED}  "))
    reasons = "" if not as_json else "".join(f"\n{result.text}" for result in found)
    raise SettingsError(f"nothing of it could be checked{reasons}")


def _print_end(found: list[Found], seconds: float, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_document(found), indent=2))
    else:
        _print(_summary(found, seconds))
        if len({result.document.get("file") for result in found}) > 1:
            _print(_files(found))


def _document(found: list[Found]) -> dict[str, Any]:
    ok = all(result.status == OK for result in found)
    return {"ok": ok, "entries": _entries(found), "reports": [result.document for result in found]}


def _require_known(zeros: tuple[str, ...], found: list[Found]) -> None:
    """Raises SettingsError for a name in --expect-zero that no gradient has."""
    known = dict.fromkeys(row["name"] for result in found for row in result.document.get("rows", ()))
    used = {name for result in found for name in result.zeros}
    for name in zeros:
        if name not in known and name not in used:
            near = did_you_mean(name, known)
            raise SettingsError(f"--expect-zero {name}: there is no such gradient; there are {', '.join(known)}{near}")


def _entries(found: list[Found]) -> int:
    return sum(result.entries for result in found)


def _summary(found: list[Found], seconds: float) -> str:
    """How much was compared, and what is not OK."""
    directions = sum(result.directions for result in found)
    along = f" and {directions:,} directions through whole arrays" if directions else ""
    one = len({result.document.get("file") for result in found}) == 1  # of several, a line of its own has the names
    bad = [result.target for result in found if result.status in (WRONG, NOT_PROVEN)]
    left = [result.target for result in found if result.status == NOT_CHECKED]
    verdicts = [
        f"{len(names)} {verdict}{': ' if one else ''}{', '.join(names if one else [])}"
        for names, verdict in ((bad, "NOT OK"), (left, "NOT CHECKED"))
        if names
    ]
    good = sum(result.status == OK for result in found)
    verdict = "; ".join([f"{good} OK"] * bool(good) + verdicts) if verdicts else "every verdict is OK"
    checks = f"{len(found):,} check{'s' if len(found) > 1 else ''} in {seconds:.1f} s"
    return f"{checks}, {_entries(found):,} entries{along} compared: {verdict}"


def _files(found: list[Found]) -> str:
    """Which files are OK, and which are not: each counts as the worst that is in it."""
    order = (OK, NOT_CHECKED, NOT_PROVEN, WRONG)
    worst: dict[str, str] = {}
    for result in found:
        name = result.document.get("file", result.target)
        worst[name] = max(worst.get(name, OK), result.status, key=order.index)
    groups = {status: [name for name, verdict in worst.items() if verdict == status] for status in order}
    said = [f"{len(names)} {status}: {', '.join(names)}" for status, names in groups.items() if names]
    return f"{len(worst)} files; {'; '.join(said)}"


def _everything(seed: int) -> Generator[Found, None, None]:
    """minigan's own: each layer in several configurations, losses, objectives, whole steps."""
    for case in table.LAYERS:
        yield _named(check(case.layer, case.shape, seed=seed), f"{case.layer!r} at {case.shape}")
    for loss in table.LOSSES:
        labels = "targets 0 and 1" if loss.labels is None else f"targets {loss.labels}"
        report = check(loss.loss(), loss.pred, labels=loss.labels, seed=seed)
        yield _named(report, f"{report.target} with {labels} at {loss.pred.shape}")
    for objective, pred in table.objectives():
        yield _named(check(objective, pred, seed=seed), _objective_name(objective))
    for step in table.steps():
        yield _named(check(step.gan, seed=seed, max_entries=STEP_ENTRIES, expect_zero=step.expect_zero), step.name)


def _objective_name(objective: objectives.Objective) -> str:
    loss = getattr(objective, "loss", None)
    target = getattr(objective, "real_target", 1.0)
    inside = [type(loss).__name__] if loss is not None else []
    inside += [f"real_target={target}"] if target < 1 else []
    return f"{type(objective).__name__}({', '.join(inside)})"


def _named(report: Report, name: str) -> Found:
    report.target = name
    return found_of(report)


def _expanded(targets: list[str]) -> list[str]:
    """The targets, where the shell has left `*.py` as it is (that of Windows does) the files that it means."""
    found: list[str] = []
    for target in targets:
        files = sorted(glob.glob(target, recursive=True)) if "*" in target and target.endswith(".py") else []
        found += files or [target]
    return found


def _jobs(
    targets: list[str], x: tuple[int, ...] | None, seed: int, zeros: tuple[str, ...], limits: Limits
) -> list[Callable[[], Iterator[Found]]]:
    """What each word of the command line asks for. Raises SettingsError for one that means nothing, before any runs."""
    several = len(targets) > 1
    return [
        _own_job(own, several, Job("", "", x, seed, zeros), limits)
        if (own := own_file(target)) is not None
        else _known_job(target, x, seed, zeros)
        for target in targets
    ]


def _chained(jobs: list[Callable[[], Iterator[Found]]]) -> Generator[Found, None, None]:
    for job in jobs:
        yield from job()


def _own_job(own: tuple[str, str], several: bool, options: Job, limits: Limits) -> Callable[[], Iterator[Found]]:
    """A person's own file; of several, each verdict names its file."""
    path, wanted = own

    def run() -> Iterator[Found]:
        for found in check_own(replace(options, path=str(Path(path).absolute()), wanted=wanted), limits):
            yield found.of_file(path, several)

    return run


def _known_job(
    target: str, x: tuple[int, ...] | None, seed: int, zeros: tuple[str, ...]
) -> Callable[[], Iterator[Found]]:
    """One of minigan's own classes."""
    if Path(target).is_dir() or target.endswith(".ipynb"):
        what = "a folder" if Path(target).is_dir() else "a notebook"
        way = f"{Path(target) / '*.py'}" if what == "a folder" else "what `jupyter nbconvert --to script` makes of it"
        raise SettingsError(f"{target} is {what}; name files, as in {way}")
    name, arguments, named = parse_call(target)
    kind = next((vars(module)[name] for module in (layers, losses, objectives) if name in _public(module)), None)
    if kind is None:
        known = ", ".join(name for module in (layers, losses, objectives) for name in sorted(_public(module)))
        raise SettingsError(
            f"minigan has no {name!r} to check; it has {known}. For a file of your own: my_layers.py:MyLayer"
        )

    def run() -> Iterator[Found]:
        if not (arguments or named or x is not None):
            yield from _of_the_table(kind, seed, zeros)
            return
        try:
            yield found_of(check(make(kind, arguments, named), x, seed=seed, expect_zero=zeros))
        except MiniganError as error:
            raise SettingsError(f"{error}{notes_of(error)}") from error

    return run


def _of_the_table(kind: type, seed: int, zeros: tuple[str, ...]) -> Iterator[Found]:
    """A class in its standard configurations."""
    for case in table.LAYERS:
        if type(case.layer) is kind:
            report = check(case.layer, case.shape, seed=seed, expect_zero=zeros)
            yield _named(report, f"{case.layer!r} at {case.shape}")
    for loss in table.LOSSES:
        if loss.loss is kind:
            yield found_of(check(kind(), loss.pred, labels=loss.labels, seed=seed, expect_zero=zeros))
    for objective, pred in table.objectives():
        if type(objective) is kind:
            yield _named(check(objective, pred, seed=seed, expect_zero=zeros), _objective_name(objective))


def _public(module: Any) -> set[str]:
    """The names of a module's classes that can be checked."""
    bases = (layers.Layer, losses.Loss, objectives.Objective)
    return {
        n
        for n, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, bases) and kind not in bases
    }
