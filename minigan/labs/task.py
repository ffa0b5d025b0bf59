"""What a lab is made of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import MiniganError

Names = dict[str, Any]  # what a file defines
SECONDS = 20.0  # for a task that trains nothing


class Wrong(MiniganError):
    """What a check has against a solution, in words for the student."""


@dataclass(frozen=True)
class Question:
    """What a check gets.

    function   the student's, by the task's name
    student    all that the student's file defines
    start      all that the file that students start from defines: its forwards are the specification
    words      decide the random numbers: the student's id, the lab and the task
    """

    name: str
    function: Callable[..., Any]
    student: Names
    start: Names
    words: str


Check = Callable[[Question], None]  # raises Wrong


@dataclass(frozen=True)
class Task:
    """A function that the student writes.

    name      of the function
    points    for a right one; for a wrong one none
    check     raises Wrong, or nothing
    hints     three, each says more than the one before
    seconds   until its check is ended
    """

    name: str
    points: int
    check: Check
    hints: tuple[str, str, str]
    seconds: float = SECONDS


@dataclass(frozen=True)
class Lab:
    """Tasks that belong together.

    number   "01" to "10", or the folder of a lab of one's own
    start    the text of the file that students start from
    allow    the modules that it may import
    """

    number: str
    title: str
    start: str
    tasks: tuple[Task, ...]
    allow: tuple[str, ...] = ("numpy", "math")

    @property
    def points(self) -> int:
        """All that can be had."""
        return sum(task.points for task in self.tasks)


@contextmanager
def counted(names: Names, *functions: str) -> Iterator[dict[str, int]]:
    """How often these functions of a student's file are called meanwhile."""
    calls = dict.fromkeys(functions, 0)
    before = {name: names[name] for name in functions if callable(names.get(name))}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **options)

        return call

    names.update({name: counting(name, function) for name, function in before.items()})
    try:
        yield calls
    finally:
        names.update(before)


def shown(value: Any) -> str:
    """A value in a message: numbers short, arrays by shape and first entries."""
    if isinstance(value, bool | str | int) or value is None:
        return repr(value)
    try:
        array = np.asarray(value)
    except ValueError:
        return f"a {type(value).__name__} whose parts have unequal lengths"
    if array.dtype.kind not in "biufc":
        return f"a {type(value).__name__}"
    if array.ndim == 0:
        return f"{array[()]:.6g}"
    if array.size <= 8:
        return np.array2string(array, precision=5, separator=", ").replace("\n", "")
    return f"an array of shape {array.shape}"


def number(value: Any, what: str) -> float:
    """A finite number that a student's function returned. Raises Wrong."""
    array = array_of(value, (), what)
    return float(array)


def array_of(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    """An array of finite numbers and this shape, that a student's function returned. Raises Wrong."""
    kind = "a number" if shape == () else f"an array of shape {shape}"
    if value is None:
        raise Wrong(f"{what} is None: does the function return it? wanted {kind}")
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what} is {shown(value)}; wanted {kind}") from None
    if array.shape != shape:
        raise Wrong(f"{what} has shape {array.shape}; wanted {kind}")
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise Wrong(f"{what}{entry(where)} is {array[where]}; wanted finite numbers")
    return array


def entry(where: tuple[int, ...]) -> str:
    """[1, 2], as it stands behind an array's name; nothing for a number."""
    return f"[{', '.join(map(str, where))}]" if where else ""


def require_close(value: Any, wanted: Any, what: str, because: str, rtol: float = 1e-7, atol: float = 1e-9) -> None:
    """Raises Wrong, naming the entry that is furthest away, where a student's numbers are not those that are wanted.

    what      the name of what was returned, "the second of two gradients"
    because   how one knows: "two equal distributions have no distance"
    """
    wanted = np.asarray(wanted, dtype=np.float64)
    yours = array_of(value, wanted.shape, what)
    off = abs(yours - wanted) - (atol + rtol * abs(wanted))
    if (off > 0).any():
        where = np.unravel_index(int(np.argmax(off)), off.shape)
        index = tuple(int(i) for i in where)
        raise Wrong(f"{what}{entry(index)} is {yours[where]:.6g}; wanted {wanted[where]:.6g}: {because}")
