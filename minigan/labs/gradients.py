"""The check of a gradient: differences of the forward that the lab gives, and the backward that the student wrote."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..gradcheck.check import check
from ..gradcheck.report import KINK, NOTHING_TESTED, OK, Report, Row
from .draw import Draw
from .effort import steps
from .task import Names, Question, Wrong, array_of, entry, require_close, shown

ROWS = (4, 7, 2, 1)  # samples of the inputs that are drawn
GROWN = {"n": 9, "factor": 2}  # beside three samples: some six times as many entries, or more
MORE = 1.6  # times as many instructions of Python are a loop
TELLING = 3  # entries, or more, whose errors have a pattern
KINKS = 5  # inputs that are drawn anew where one lies on a corner


@dataclass(frozen=True)
class Limit:
    """An input at which the gradient is known without differences, such as a sigmoid's far from 0.

    arguments   of the forward, in its order     dy   of y's shape, or None for a loss
    wanted      gradients by name                because   how one knows
    """

    arguments: Names
    dy: Any
    wanted: Names
    because: str


@dataclass(frozen=True)
class Gradient:
    """backward(dy, *arguments of the forward) -> one gradient, or a tuple, in the order of `wrt`; and for a loss, which
    is one number, gradient(*arguments).

    forward   its name in the file that students start from
    draw      the forward's arguments, in its order
    wrt       those that have a gradient
    edges     further inputs: a variance of 0, one column
    limits    inputs with gradients that are known
    loops     whether the backward may loop over entries
    """

    forward: str
    draw: Callable[[Draw], Names]
    wrt: tuple[str, ...] = ("x",)
    loss: bool = False
    edges: tuple[Callable[[Draw], Names], ...] = ()
    limits: tuple[Limit, ...] = ()
    loops: bool = False
    rows: tuple[int, ...] = ROWS

    def __call__(self, question: Question) -> None:
        """Raises Wrong with the array, its worst entry and the cause."""
        self._require_forward(question)
        for k, n in enumerate(self.rows):
            self._compare(question, self.draw, f"{question.words} {k}", n)
        for k, draw in enumerate(self.edges):
            self._compare(question, draw, f"{question.words} edge {k}", 3)
        for limit in self.limits:
            self._at(question, limit)
        if not self.loops:
            self._require_whole_arrays(question)

    def _require_forward(self, question: Question) -> None:
        """The student's own copy of the forward must still be the specification, or its author looks for ghosts."""
        yours = question.student.get(self.forward)
        arguments = self.draw(Draw(f"{question.words} forward", 3))
        y = question.start[self.forward](*_copies(arguments))
        if callable(yours) and not _same(yours(*_copies(arguments)), y):
            raise Wrong(
                f"{self.forward} in your file gives other numbers than the lab's: it says what is to be derived, so "
                f"take back what was changed there"
            )

    def _compare(self, question: Question, draw: Callable[[Draw], Names], words: str, n: int) -> None:
        for again in range(KINKS):
            arguments = draw(Draw(f"{words} {again}" if again else words, n))
            row = self._first_bad(question, arguments)
            if row is None:
                return
            if row.verdict != KINK or again == KINKS - 1:
                raise Wrong(self._told(row, arguments))

    def _first_bad(self, question: Question, arguments: Names) -> Row | None:
        """The first gradient that is not right; complaints raise Wrong at once."""
        self._gradients(question, arguments, self._upstream(question, arguments))  # its form, before its numbers
        report = self._report(question, arguments)
        for row in report.rows:
            if row.verdict not in (OK, NOTHING_TESTED):
                return row
        if report.complaints:
            raise Wrong(self._named(report.complaints[0]))
        return None

    def _report(self, question: Question, arguments: Names) -> Report:
        """What the gradient check says, with the first of `wrt` under the name x."""
        forward, kept = question.start[self.forward], dict(arguments)
        first, *others = self.wrt

        def spec(x: np.ndarray, **params: np.ndarray) -> np.ndarray:
            kept.update({first: x}, **params)
            return np.asarray(forward(*kept.values()))

        def backward(dy: np.ndarray) -> Any:
            found = self._gradients(question, kept, dy)
            return (found[first], {name: found[name] for name in others}) if others else found[first]

        given = {name: np.asarray(arguments[name], dtype=np.float64) for name in others}
        return check((spec, backward), np.asarray(arguments[first], dtype=np.float64), params=given)

    def _gradients(self, question: Question, arguments: Names, dy: Any) -> dict[str, np.ndarray]:
        """What the student's function returns, by name. Raises Wrong where it is not of that form."""
        inputs = list(arguments.values())
        with np.errstate(all="ignore"):
            found = question.function(*inputs) if self.loss else question.function(dy, *inputs)
        names = [f"d{name}" for name in self.wrt]
        if len(names) == 1 and not isinstance(found, tuple):
            found = (found,)
        if not isinstance(found, tuple) or len(found) != len(names):
            came = f"{len(found)} values" if isinstance(found, tuple) else shown(found)
            raise Wrong(f"{question.name} returned {came}; wanted {', '.join(names)}")
        arrays = {
            name: array_of(value, np.shape(arguments[name]), f"d{name}")
            for name, value in zip(self.wrt, found, strict=True)
        }
        return {name: array * dy for name, array in arrays.items()} if self.loss else arrays

    def _upstream(self, question: Question, arguments: Names) -> Any:
        shape = np.shape(question.start[self.forward](*_copies(arguments)))
        return 1.0 if self.loss else Draw(f"{question.words} dy", 1).normal(*shape)

    def _at(self, question: Question, limit: Limit) -> None:
        try:
            found = self._gradients(question, limit.arguments, 1.0 if self.loss else limit.dy)
            for name, wanted in limit.wanted.items():
                require_close(found[name], wanted, f"d{name}", limit.because)
        except Wrong as wrong:
            inputs = ", ".join(f"{name} = {shown(value)}" for name, value in limit.arguments.items())
            because = "" if limit.because in str(wrong) else f": {limit.because}"
            raise Wrong(f"{wrong}\nthe input was {inputs}{because}") from None

    def _require_whole_arrays(self, question: Question) -> None:
        """The same few lines of Python must do for large arrays: else there is a loop over entries."""
        counts = []
        for draw in (Draw(f"{question.words} steps", 3), Draw(f"{question.words} steps", **GROWN)):
            arguments = self.draw(draw)
            dy = self._upstream(question, arguments)
            call = lambda inputs=arguments, dy=dy: self._gradients(question, inputs, dy)  # noqa: E731
            counts.append(steps(call, question.student["__file__"]))
        small, large = counts
        if large > MORE * small + 20:
            raise Wrong(
                f"for a larger input Python takes {large / small:.0f} times as many steps in {question.name}: it goes "
                f"through entries one by one, or differentiates numerically; write the formula with whole arrays"
            )

    def _told(self, row: Row, arguments: Names) -> str:
        name = self.wrt[0] if row.name == "x" else row.name
        shapes = ", ".join(f"{key} {np.shape(arguments[key])}" for key in self.wrt)
        text = (
            f"d{name}{entry(row.worst)} is {row.yours:.6g}, and differences of {self.forward} give {row.numeric:.6g}; "
            f"{row.wrong} of {row.entries} entries are wrong (shapes: {shapes})"
        )
        cause = self._named(row.cause) if row.entries >= TELLING else _ratio(row)
        return f"{text}\ncause: {cause}" if cause else text

    def _named(self, text: str) -> str:
        """The check calls the first array x; here it has its own name."""
        return re.sub(r"\b(d?)x\b", rf"\g<1>{self.wrt[0]}", text)


def _ratio(row: Row) -> str:
    """Of one number alone little can be said."""
    ratio = row.yours / row.numeric if row.numeric else 0.0
    for value, words in ((-1.0, "the sign"), (2.0, "a factor of 2"), (0.5, "a factor of 1/2")):
        if abs(ratio - value) < 1e-6:
            return f"yours / numeric = {value:g}: {words}"
    return ""


def _copies(arguments: Names) -> list[Any]:
    return [value.copy() if isinstance(value, np.ndarray) else value for value in arguments.values()]


def _same(yours: Any, wanted: Any) -> bool:
    try:
        return np.shape(yours) == np.shape(wanted) and np.allclose(yours, wanted, rtol=1e-9, atol=1e-12)
    except (TypeError, ValueError):
        return False
