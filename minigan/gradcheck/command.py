"""`minigan gradcheck`: the check of minigan's own layers, losses, objectives and steps, or of a person's layers."""

import json
import re
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import layers, losses, objectives
from ..errors import MiniganError, SettingsError
from . import table
from .check import check
from .own_files import layers_of, located, make, notes_of, parse_call
from .report import Report

STEP_ENTRIES = 5  # of each array of a whole step, with directions through all of it
OWN_FILE = re.compile(r"(?P<path>.+\.py)(:(?P<wanted>.*))?")


def add_arguments(parser: ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET",
        help="a class of minigan's (Dense, BCE, Hinge), 'Dense(5)', my_layers.py, or my_layers.py:MyLayer",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", dest="everything", help="all of minigan, and whole GAN steps")
    parser.add_argument("--shape", metavar="N,H,W,C", help="shape of the input, with the batch: 4,3 or 4,5,6,3")
    parser.add_argument("--seed", type=int, default=0, help="which random numbers (default 0)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="the reports as one JSON document")


def gradcheck(targets: list[str], everything: bool, shape: str | None, seed: int, as_json: bool) -> int:
    """Check the targets and print what was found. Returns 0 if every gradient is OK, else 1."""
    if everything == bool(targets):
        raise SettingsError("gradcheck takes either --all or targets: Dense, 'Dense(5)', my_layers.py:MyLayer")
    if seed < 0:
        raise SettingsError(f"--seed is {seed}; it must be at least 0")
    x = _shape(shape)
    if x is not None and everything:
        raise SettingsError("--shape is for targets; --all has shapes of its own")
    started, reports = time.perf_counter(), []
    jobs = _everything(seed) if everything else (job for target in targets for job in _reports(target, x, seed))
    for report in jobs:
        reports.append(report)
        if not as_json:
            print(_line(report) if report else str(report), flush=True)
    seconds = time.perf_counter() - started
    if as_json:
        found = [json.loads(report.to_json()) for report in reports]
        print(json.dumps({"ok": all(reports), "entries": _entries(reports), "reports": found}, indent=2))
    else:
        print(_summary(reports, seconds))
    return 0 if all(reports) else 1


def _shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.replace("x", ",").strip("()").split(",")
    if len(parts) < 2 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise SettingsError(f"--shape is {text!r}; wanted whole numbers, the batch first: 4,3 or 4,5,6,3")
    return tuple(map(int, parts))


def _line(report: Report) -> str:
    compared = [f"{report.entries} entries"] if report.entries else []
    compared += [f"{report.directions} directions"] if report.directions else []
    names = [row.name for row in report.rows]
    what = ", ".join(names) if len(names) < 5 else f"{len(names)} gradients"
    return f"ok  {report.target}: {what} ({', '.join(compared)})"


def _entries(reports: list[Report]) -> int:
    return sum(report.entries for report in reports)


def _summary(reports: list[Report], seconds: float) -> str:
    bad = [report.target for report in reports if not report]
    directions = sum(report.directions for report in reports)
    along = f" and {directions:,} directions through whole arrays" if directions else ""
    verdict = (
        f"{len(bad)} NOT OK: {', '.join(bad[:5])}{' ...' if len(bad) > 5 else ''}" if bad else "every verdict is OK"
    )
    checks = f"{len(reports):,} check{'s' if len(reports) > 1 else ''} in {seconds:.1f} s"
    return f"{checks}, {_entries(reports):,} entries{along} compared: {verdict}"


def _everything(seed: int) -> Iterator[Report]:
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


def _named(report: Report, name: str) -> Report:
    report.target = name
    return report


def _reports(target: str, x: tuple[int, ...] | None, seed: int) -> Iterator[Report]:
    """What a word of the command line asks for."""
    own = OWN_FILE.fullmatch(target)
    if own is not None:
        path = Path(own["path"]).absolute()
        for layer in layers_of(path, own["wanted"] or ""):
            yield _guarded(layer, x, seed, path)
        return
    name, arguments, named = parse_call(target)
    kind = next((vars(module)[name] for module in (layers, losses, objectives) if name in _public(module)), None)
    if kind is None:
        known = ", ".join(name for module in (layers, losses, objectives) for name in sorted(_public(module)))
        raise SettingsError(
            f"minigan has no {name!r} to check; it has {known}. For a file of your own: my_layers.py:MyLayer"
        )
    if arguments or named or x is not None:
        try:
            yield check(make(kind, arguments, named), x, seed=seed)
        except MiniganError as error:
            raise SettingsError(f"{error}{notes_of(error)}") from error
        return
    for case in table.LAYERS:
        if type(case.layer) is kind:
            yield _named(check(case.layer, case.shape, seed=seed), f"{case.layer!r} at {case.shape}")
    for loss in table.LOSSES:
        if loss.loss is kind:
            yield check(kind(), loss.pred, labels=loss.labels, seed=seed)
    for objective, pred in table.objectives():
        if type(objective) is kind:
            yield _named(check(objective, pred, seed=seed), _objective_name(objective))


def _public(module: Any) -> set[str]:
    """The names of a module's classes that can be checked."""
    bases = (layers.Layer, losses.Loss, objectives.Objective)
    return {
        n
        for n, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, bases) and kind not in bases
    }


def _guarded(layer: layers.Layer, x: tuple[int, ...] | None, seed: int, path: Path) -> Report:
    """A check of a person's own layer; what its code raises is the report."""
    name = type(layer).__name__
    try:
        report = check(layer, x, seed=seed)
    except MiniganError as error:
        report = Report(name, complaints=[f"{error}{notes_of(error)}"])
    except Exception as error:  # noqa: BLE001 - a person's own code may raise anything
        report = Report(name, complaints=[located(error, path)])
    return report
