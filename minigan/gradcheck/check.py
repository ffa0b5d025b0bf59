"""`check`: from a target to a report."""

import inspect
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import MiniganError, OrderError, SettingsError
from ..gan import GAN
from ..layers import Layer
from ..losses import Loss
from ..network import Sequential
from ..objectives import Objective
from ..penalties import Penalty
from .contract import examine
from .experiments import explain_row
from .inputs import LARGE, Drawn, Taken, lasting_error, output_shape, takes_any_number
from .judge import MODES, Comparison, Judge
from .networks import NetworkSubject, of_layer, of_network
from .numeric import METHODS
from .report import GradientError, Report, Row
from .steps import StepSubject, both_halves, one_by_one, step_cause, without_penalty
from .subjects import (
    Functions,
    FunctionSubject,
    LossSubject,
    ObjectiveSubject,
    PenaltySubject,
    Subject,
    class_labels,
    how_to_be_a_layer,
    normal,
    slopes,
)
from .tangents import tangent_complaints

Target = Layer | Sequential | Loss | Objective | Penalty | GAN | Functions
OTHER_ENTRIES = 40  # of each array, at every input of a layer but the first, with directions
STEP_ENTRIES = 20  # of each array, where every difference costs two whole steps


def check(
    target: Target,
    x: np.ndarray | tuple[int, ...] | None = None,
    *,
    params: dict[str, Any] | None = None,
    labels: Any = None,
    upstream: Any = "random",
    wrt: str | tuple[str, ...] = "all",
    mode: str = "auto",
    method: str = "central",
    rtol: float = 1e-6,
    atol: float = 1e-9,
    seed: int = 0,
    train: bool = True,
    max_entries: int | None = None,
    expect_zero: tuple[str, ...] = (),
) -> Report:
    """Compare every gradient of a target with derivatives that need no backward. In float64, on a copy.

    target       a Layer, a Sequential, a Loss, an Objective, a Penalty (its term); a GAN, of which one whole step is
                 checked: D's gradient of d_loss and G's of g_loss; or two functions (forward, backward):
                 forward(x, **params) -> y, and backward(dy) -> dx, or (dx, {name: gradient}) if there are params; or
                 forward(x, **params) -> (y, cache), and backward(dy, cache) -> dx, or (dx, dw, ...)
    x            an input, or its shape with the batch, for a random one; for a loss or an objective the predictions,
                 for a GAN the real images. None: small, odd and unequal sizes that the target takes
    params       for two functions: the parameters' values by name
    labels       for a loss: its targets; by default 0 and 1 in turn
    upstream     dy: "random", or an array of y's shape
    wrt          "all", or the names of the gradients to look at: "x", ("W", "b"), "D.1.Dense.W"
    mode         "full": every entry. "directions": three random directions through each array, and entries only where
                 they disagree. "auto": every entry of an array with at most max_entries; of a larger one, a sample of
                 that size, and directions
    method       "central" differences; "complex" steps, for forwards that are holomorphic; "adjoint", for linear ones
                 (numeric.py)
    rtol, atol   an entry may differ by atol + rtol max(|yours|, |numeric|, the numeric gradient's root mean square),
                 and by what rounding can do
    train        False differentiates what `predict` computes, for layers whose backward can do that, too
    max_entries  500, and 20 for a GAN
    expect_zero  names of gradients that are truly 0, such as the bias of a Dense in front of BatchNorm; any other
                 gradient that is 0 everywhere counts as NOTHING TESTED, a failure; one of these that is not 0, as WRONG

    Raises SettingsError for a target or an option that makes no sense; errors of the target's own code pass through.
    """
    for name, value, choices in (("mode", mode, MODES), ("method", method, METHODS)):
        if value not in choices:
            raise SettingsError(f"check: {name} is {value!r}; the choices are {', '.join(choices)}")
    most = max_entries or (STEP_ENTRIES if isinstance(target, GAN) else 500)
    judge = Judge(rtol, atol, mode, method, most, seed, tuple(expect_zero))
    wanted = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    if isinstance(target, GAN):
        return _check_gan(target, x, judge, wanted)
    if isinstance(target, Layer) and x is None and isinstance(upstream, str) and not _is_network(target):
        with np.errstate(all="ignore"):  # of large numbers, some overflow on the way, and rightly so
            return _check_layer(target, judge, wanted, train)
    subject = subject_of(target, x, params or {}, labels, seed, train)
    v = upstream_of(upstream, output_shape(subject), seed)
    report = _check_at(subject, v, judge, wanted)
    if report and isinstance(subject, LossSubject) and x is None and labels is None and takes_any_number(subject.loss):
        pred = Drawn(subject.arrays["pred"].shape, seed + 1, LARGE[0]).values()
        more = _check_at(LossSubject(subject.loss, pred, subject.labels), v, judge, wanted)
        more.notes.append(f"with predictions up to {np.max(abs(pred)):.3g}")
        return more if more.is_wrong else report.with_more(more)
    return report


def _check_at(subject: Subject, v: np.ndarray, judge: Judge, wanted: tuple[str, ...]) -> Report:
    """A subject's report; of a network with the first wrong layer."""
    report = _check_subject(subject, v, judge, wanted)
    if isinstance(subject, NetworkSubject) and sum(1 for _ in subject.net.walk()) > 2 and not report:
        _localise(report, subject, v, judge)
    return report


def _check_layer(layer: Layer, judge: Judge, wanted: tuple[str, ...], train: bool) -> Report:
    """A layer at every input that it takes: the first report that says WRONG, or all of them in one."""
    taken = Taken(layer, judge.seed, train)
    merged: Report | None = None
    for drawn, subject in taken.subjects():
        brief = judge if merged is None else replace(judge, max_entries=min(judge.max_entries, OTHER_ENTRIES))
        try:
            v = upstream_of("random", output_shape(subject), drawn.seed)
            report = _check_at(subject, v, brief, wanted)
        except SettingsError:
            raise
        except Exception as error:  # noqa: BLE001 - a person's own code may raise anything
            if merged is None and len(taken.shapes) < 2:
                raise
            return Report(repr(layer), complaints=[lasting_error(drawn, error)])
        if report.is_wrong:
            if merged is not None:
                report = _check_at(subject, v, judge, wanted)
            report.notes.append(f"at {drawn}" + (f"; right before at {_listed(taken.shapes[:-1])}" if merged else ""))
            return report
        merged = report if merged is None else merged.with_more(report)
    if merged is None:
        raise taken.furthest()
    merged.complaints += taken.complaints()
    merged.notes.append(f"at {_listed(taken.shapes)}")
    return merged


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes)


def _is_network(target: Any) -> bool:
    return isinstance(target, Sequential) and target.is_network


def assert_gradients(target: Target, x: np.ndarray | tuple[int, ...] | None = None, **options: Any) -> None:
    """`check`, for tests: raises GradientError with the report unless all is well."""
    report = check(target, x, **options)
    if not report:
        raise GradientError(str(report))


def subject_of(
    target: Any, x: Any, params: dict[str, Any], labels: Any = None, seed: int = 0, train: bool = True
) -> Subject:
    """What is to be checked, at this input."""
    if isinstance(target, Loss) and labels is None:
        pred = 1 / (1 + np.exp(-normal((5, 4), seed, "x"))) if x is None else _values(x, seed)
        labels = class_labels(target, pred)
        x = x if labels is None else pred
    if isinstance(target, Loss | Objective):
        shape = (5, 4) if isinstance(target, Loss) and target.decision is None else (7, 1)
        default = 1 / (1 + np.exp(-normal(shape, seed, "x")))  # probabilities, which are logits, too
        pred = default if x is None else _values(x, seed)
        return LossSubject(target, pred, labels) if isinstance(target, Loss) else ObjectiveSubject(target, pred)
    if _is_network(target) and x is None:
        x = (5, *target.input_shape)
    if x is not None and len(x if isinstance(x, tuple) else np.shape(x)) < 2 and isinstance(target, Layer):
        raise SettingsError(f"check: x is {x!r}; wanted an array with the batch first, or such a shape: (7, 3)")
    if _is_network(target):
        return of_network(target, _values(x, seed), seed, train)
    if isinstance(target, Layer):
        return of_layer(target, _values(x, seed), seed, train) if x is not None else first_fit(target, seed, train)
    if isinstance(target, Penalty):
        return PenaltySubject(target, slopes(seed) if x is None else _values(x, seed))
    if isinstance(target, tuple) and len(target) == 2 and all(map(callable, target)):
        return FunctionSubject(target, _values((4, 3) if x is None else x, seed), params)
    if isinstance(target, type) and issubclass(target, Layer | Loss | Objective | Penalty | GAN):
        arguments = ", ".join(inspect.signature(target).parameters)
        raise SettingsError(
            f"check takes an object, and {target.__name__} is its class; write parentheses behind it: "
            f"check({target.__name__}({arguments}))"
        )
    if hasattr(target, "forward") and hasattr(target, "backward"):
        raise SettingsError(how_to_be_a_layer(type(target)))
    raise SettingsError(
        f"check takes a Layer, a Sequential, a Loss, an Objective, a Penalty, a GAN or two functions (forward, "
        f"backward); it got a {type(target).__name__}"
    )


def first_fit(layer: Layer, seed: int, train: bool) -> NetworkSubject:
    """The layer with the first of a few inputs that it takes."""
    taken = Taken(layer, seed, train)
    for _, subject in taken.subjects():
        return subject
    raise taken.furthest()


def _values(x: Any, seed: int) -> np.ndarray:
    return normal(x, seed, "x") if isinstance(x, tuple) else np.array(x, dtype=np.float64)


def upstream_of(upstream: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """dy: random, 1.0 for a number, or what was given."""
    if isinstance(upstream, str) and upstream == "random":
        return normal(shape, seed, "upstream") if shape else np.array(1.0)
    v = np.asarray(upstream, dtype=np.float64)
    if v.shape != shape:
        raise SettingsError(f"check: upstream has shape {v.shape}; wanted y's shape {shape}, or 'random'")
    return v


def _check_subject(subject: Subject, v: np.ndarray, judge: Judge, wanted: tuple[str, ...]) -> Report:
    report = Report(subject.name)
    yours, report.complaints = examine(subject, v, judge.seed)
    names = [name for name in subject.arrays if name != "x" or not subject.no_dx]
    if subject.no_dx:
        report.notes.append("x has no gradient: backward gives none, and y does not follow x in small steps")
    report.complaints += _unknown(names, wanted, judge)
    if not yours:
        return report
    measured = subject.complex() if judge.method == "complex" else subject
    found: dict[str, Comparison] = {}
    for name in names:
        if wanted == ("all",) or name in wanted:
            row, found[name] = judge.compare(measured, name, np.asarray(yours[name]), v)
            report.rows.append(row)
    if report and isinstance(subject, NetworkSubject):
        report.complaints += tangent_complaints(subject, v)
    alone = not isinstance(subject, NetworkSubject) or sum(1 for _ in subject.net.walk()) == 2
    report.explain(
        lambda row: (
            ""
            if row.is_wrong and (not alone or _told(row, report.complaints))
            else explain_row(row, found[row.name], subject, v, found)
        )
    )
    return report


def _told(row: Row, complaints: list[str]) -> bool:
    """Whether a complaint explains the numbers of this row: what they look like would mislead."""
    words = ("a second backward gives another dx:", "lies in self.temporary(")
    return row.name == "x" and any(word in text for text in complaints for word in words)


def _unknown(names: list[str], wanted: tuple[str, ...], judge: Judge) -> list[str]:
    """Complaints about names in wrt or expect_zero that no gradient has."""
    odd = (set(wanted) - {"all"} | set(judge.expect_zero)) - set(names)
    return [f"there is no such gradient: {name!r}; there are {', '.join(names)}" for name in sorted(odd)]


def _localise(report: Report, subject: NetworkSubject, v: np.ndarray, judge: Judge) -> None:
    """Check every layer alone, with the x and the dy that it got; name the first that is wrong."""
    try:
        xs, dys = subject.recorded(v)
    except MiniganError:
        return
    alone = Judge(judge.rtol, judge.atol, "auto", "central", min(judge.max_entries, 100), judge.seed, ())

    def first_wrong(layers: Iterable[Layer]) -> tuple[Layer, Report] | None:
        for layer in layers:
            if layer.name not in dys:
                continue  # its holder left it out, and is to blame
            inner = _check_subject(subject.alone(layer, xs[layer.name]), dys[layer.name], alone, ("all",))
            if inner.is_wrong:
                return first_wrong(layer.children().values()) or (layer, inner)
        return None

    if (found := first_wrong(subject.net.layers)) is not None:
        report.first_wrong, report.inner = found[0].name, found[1]
    elif any(row.is_wrong for row in report.rows):
        report.complaints.append(
            "every layer is right alone: do two of them write into the same array, or keep what another overwrites?"
        )


def _check_gan(gan: GAN, x: Any, judge: Judge, wanted: tuple[str, ...]) -> Report:
    """One step: D's gradient of d_loss, and G's of g_loss through the D that was just updated."""
    if judge.method != "central":
        raise SettingsError(f"check: method={judge.method!r} is for layers and functions; a GAN's step needs 'central'")
    report = Report(f"one step of {gan.D.name} and {gan.G.name}: {type(gan.objective).__name__}")
    try:
        halves = both_halves(gan, x, judge.seed)
    except OrderError as error:
        report.complaints.append(f"the step stops: {error}")
        return report
    names = [name for half in halves for name in half.arrays]
    report.complaints += _unknown(names, wanted, judge)
    for half in halves:
        report.complaints += half.complaints()
        yours = half.backward(1.0)
        for name in half.arrays:
            if wanted == ("all",) or name in wanted:
                report.rows.append(judge.compare(half, name, yours[name], np.array(1.0))[0])
    if not report:
        _explain_step(report, gan, halves, judge)
    return report


def _explain_step(report: Report, gan: GAN, halves: tuple[StepSubject, StepSubject], judge: Judge) -> None:
    """Is it a network, the objective, or the step? The first that is wrong alone gets the blame."""
    parts: list[tuple[str, Any]] = [("D", gan.D), ("G", gan.G), ("the objective", gan.objective)]
    for name, part in parts if any(row.is_wrong for row in report.rows) else ():
        inner = check(part, seed=judge.seed, mode="auto", max_entries=10)
        if inner.is_wrong:
            report.first_wrong, report.inner = f"{name}{' ' if inner.first_wrong else ''}{inner.first_wrong}", inner
            return
    penalised = report.is_wrong and gan.penalty is not None
    if penalised and gan.fused and not _check_gan(one_by_one(gan), None, judge, ("all",)).is_wrong:
        report.complaints.append(
            f"with fused=False the step is right: the mistake is in of_batches of {gan.penalty!r}, or in `fused` of a "
            f"layer of {gan.D.name}"
        )
        return
    if penalised and not _check_gan(without_penalty(gan), None, judge, ("all",)).is_wrong:
        report.complaints.append(
            f"without its penalty the step is right: the mistake is in {gan.penalty!r}, or in the tangent of a layer "
            f"of {gan.D.name}"
        )
        return
    explained: set[str] = set()

    def cause(row: Row) -> str:  # one sentence for a half: its arrays are wrong for one reason
        half = f"{row.verdict} {row.name[0]}"
        if half in explained:
            return ""
        explained.add(half)
        return step_cause(row, halves)

    report.explain(cause)
