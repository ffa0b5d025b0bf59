"""The check of a student's file, in another process."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ..gradcheck.children import SHOWN, Child, Limits
from .catalogue import NUMBERS
from .results import Checked, Result
from .student import StudentFile
from .task import SECONDS, Lab

PROGRAM = "minigan.labs.child"


def check_file(
    lab: Lab,
    file: StudentFile,
    student: str,
    memory: float = Limits.memory,
    shown: int = SHOWN,
    tell: Callable[[Result], None] = lambda result: None,
) -> Checked:
    """Every task of a file. A task that does not end, or takes the process down, gets no points, and the next is
    checked in another one.

    shown   characters of what the file prints that are passed on to standard error
    tell    is called with each result as it comes
    """
    found = Checked.of(lab, str(file.path), student)
    place = lab.number if lab.number in NUMBERS else os.path.abspath(lab.number)
    with tempfile.TemporaryDirectory(prefix="lab", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder).resolve() / file.path.with_suffix(".py").name)
        Path(path).write_text(file.source, encoding="utf-8")
        while len(found.results) < len(lab.tasks) and not found.problem:
            order = {"lab": place, "source": file.source, "student": student, "skip": len(found.results)}
            _follow(Child(path, order, Limits(SECONDS, memory), PROGRAM, folder, shown), lab, found, tell)
    return found


def _follow(child: Child, lab: Lab, found: Checked, tell: Callable[[Result], None]) -> None:
    """Add what a process says; where it ends too early, what it was at gets no points."""
    tasks = {task.name: task for task in lab.tasks}
    begun, began = "", time.monotonic()
    try:
        for message in child.messages(lambda name: tasks[name].seconds):
            if "problem" in message:
                found.problem = message["problem"]
            elif "begun" in message:
                begun, began = message["begun"], time.monotonic()
            elif "result" in message:
                begun = ""
                found.results.append(Result(**message["result"]))
                tell(found.results[-1])
    finally:
        child.stop()
    if child.ended or found.problem:
        return
    reason = child.reason(begun or "its import", more="").removeprefix(f"{child.path}: ")
    if not begun:
        found.problem = reason
        return
    found.results.append(Result(begun, tasks[begun].points, 0, reason, time.monotonic() - began))
    tell(found.results[-1])
