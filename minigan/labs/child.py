"""The process in which a student's file is checked, in a folder of its own."""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MiniganError
from ..gradcheck.check import check
from ..gradcheck.child import serve
from .catalogue import open_lab
from .guard import Forbidden, Hook, forbidden_import
from .results import Result
from .student import load, place
from .task import Lab, Names, Question, Task, Wrong

START = "the lab's own file"
LARGEST = 64 * 2**20  # bytes of a file


def main() -> None:
    """Check the file that the first line of standard input orders. Never returns."""
    serve(_work)


def _work(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    lab, source, name = open_lab(order["lab"]), order["source"], order["path"]
    start = load(lab.start, START, lab.allow)
    if problem := forbidden_import(source, lab.allow):
        yield {"problem": problem}
        return
    check(
        (np.positive, np.positive), (1, 1)
    )  # so that the backend has looked at the machine before the hook looks at it
    sys.dont_write_bytecode = True
    limit_files()
    sys.addaudithook(Hook(Path.cwd()))
    np.seterr(all="ignore")
    try:
        student = load(source, name, lab.allow)
    except MemoryError:
        yield {"problem": "importing it takes more memory than there is, or than --memory allows"}
        return
    except BaseException as error:  # noqa: BLE001 - a student's file may raise anything
        yield {"problem": f"importing it fails: {place(error, name)}"}
        return
    for task in lab.tasks[order["skip"] :]:
        yield {"begun": task.name}
        yield {"result": asdict(checked(lab, task, student, start, order["student"], name))}


def limit_files() -> None:
    """Let no file that this process writes grow beyond LARGEST, where the system can be asked for that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))


def checked(lab: Lab, task: Task, student: Names, start: Names, who: str, name: str) -> Result:
    """A task's result; what the student's function raises is the message.    name: the file's, in tracebacks"""
    began = time.perf_counter()
    message = _message(lab, task, student, start, who, name)
    return Result(task.name, task.points, 0 if message else task.points, message, time.perf_counter() - began)


def _message(lab: Lab, task: Task, student: Names, start: Names, who: str, name: str) -> str:
    function = student.get(task.name)
    if not callable(function):
        came = "there is none" if task.name not in student else f"it is a {type(function).__name__}"
        return f"wanted a function {task.name}, and {came}: take its name from the file of `minigan lab start`"
    try:
        task.check(Question(task.name, function, student, start, f"{who} {lab.number} {task.name}"))
    except Wrong as wrong:
        return str(wrong)
    except Forbidden as error:
        return place(error, name)
    except MemoryError as error:
        return f"it takes more memory than there is, or than --memory allows: {place(error, name)}"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a student's function may raise anything
        text = place(error, name)
        return text if text.startswith("line ") or not isinstance(error, MiniganError) else str(error)
    return ""
