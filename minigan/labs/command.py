"""`minigan lab`: list the course's labs, start one, check a file, get a hint, make a lab, grade a folder."""

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import FileError, SettingsError, did_you_mean
from ..files import write_atomically
from ..gradcheck.children import SHOWN, Limits
from ..percent import as_json, to_notebook
from .catalogue import NUMBERS, open_lab
from .checking import check_file
from .grading import grade
from .own import new_lab
from .results import Checked, Result
from .student import ID, StudentFile, read
from .task import Lab, Task

ME = 'STUDENT = "nobody"'  # in the files that students start from


def add_arguments(parser: ArgumentParser) -> None:
    """The command's own commands, and their flags."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    commands.add_parser("list", help="print the labs, or the tasks of one").add_argument(
        "number", nargs="?", metavar="LAB"
    )
    start = commands.add_parser("start", help="write the file to begin with")
    start.add_argument("number", metavar="LAB", help="01 to 10, or the folder of a lab of your own")
    start.add_argument(
        "--id", dest="student", metavar="NAME", help="who you are: decides sizes and numbers of the checks"
    )
    start.add_argument("--notebook", action="store_true", help="as a notebook, .ipynb, instead of .py")
    start.add_argument("--out", type=Path, metavar="FILE", help="where to (default: lab03.py in this folder)")
    check = commands.add_parser("check", help="check a file, task by task")
    check.add_argument("number", nargs="?", metavar="LAB", help="as for start (default: the LAB that the file names)")
    check.add_argument("file", type=Path, metavar="FILE", help="a .py file or a notebook")
    check.add_argument("--id", dest="student", metavar="NAME", help="instead of the STUDENT in the file")
    check.add_argument("--json", action="store_true", dest="as_json", help="print the result as JSON")
    check.add_argument("--junit", type=Path, metavar="FILE.xml", help="write it as JUnit's XML, too")
    check.add_argument("--gradescope", type=Path, metavar="FILE.json", help="write it as Gradescope's JSON, too")
    hint = commands.add_parser("hint", help="print a hint for a task")
    hint.add_argument("number", metavar="LAB")
    hint.add_argument("task", metavar="TASK", help="the name of the function")
    hint.add_argument("--level", type=int, choices=(1, 2, 3), default=1, help="3 says most (default 1)")
    grades = commands.add_parser("grade", help="check all files of a folder")
    grades.add_argument("folder", type=Path, metavar="FOLDER")
    grades.add_argument("--csv", type=Path, metavar="FILE.csv", help="write a line for each file (default: print them)")
    grades.add_argument("--lab", dest="number", metavar="LAB", help="instead of the LAB in each file")
    grades.add_argument("--jobs", type=int, default=1, metavar="N", help="files at a time (default 1)")
    new = commands.add_parser("new", help="make a lab of your own functions")
    new.add_argument(
        "file", type=Path, metavar="FORWARD.py", help="functions NAME_forward or NAME_loss, with a docstring"
    )
    new.add_argument("--out", type=Path, metavar="NEW_FOLDER", help="where to (default: beside the file)")
    for one in (check, grades):
        one.add_argument("--memory", type=float, default=Limits.memory, metavar="GIB", help="of a file (default 4)")


def lab(action: str, **arguments: Any) -> int | None:
    """One of ACTIONS."""
    return ACTIONS[action](**arguments)


def list_labs(number: str | None) -> None:
    """Print the labs with their points, or the tasks of one."""
    if number is not None:
        lab = open_lab(number)
        print(f"Lab {lab.number}: {lab.title}")
        for task in lab.tasks:
            print(f"{task.points:3} points  {task.name}")
        return
    for known in NUMBERS:
        lab = open_lab(known)
        print(f"{known}  {lab.title:<52} {len(lab.tasks)} tasks, {lab.points:2} points")


def start(number: str, student: str | None, notebook: bool, out: Path | None) -> None:
    """Write the file that a student starts from. Nothing is overwritten."""
    lab, who = open_lab(number), _known(student or _user())
    name = f"lab{lab.number}" if lab.number in NUMBERS else Path(lab.number).resolve().name
    path = out or Path(name + (".ipynb" if notebook else ".py"))
    text = lab.start.replace(ME, f'STUDENT = "{who}"')
    content = as_json(to_notebook(text)) if notebook else text
    write_atomically(path, partial(_write, content), overwrite=False)
    print(f"{path}: lab {lab.number}, {len(lab.tasks)} tasks, {lab.points} points, for {who}")
    print(f"when you have written something: minigan lab check {lab.number} {path}")


def check(
    number: str | None, file: Path, student: str | None, as_json: bool, junit: Path | None, gradescope: Path | None,
    memory: float,
) -> int:  # fmt: skip
    """Check a file and print its points. Returns 0 if all were earned, 1 if not, 2 if nothing could be checked."""
    Limits(memory=memory).require_sense()
    read_file = read(file)
    if number is None and not read_file.lab:
        raise SettingsError(f'{file} has no line LAB = "03": say which lab it is, minigan lab check LAB {file}')
    lab, who = open_lab(number or read_file.lab), _who(read_file, student)
    if not as_json:
        print(f"Lab {lab.number}: {lab.title}    {who}")

    def tell(result: Result) -> None:
        if not as_json:
            print(result.text(lab.number), flush=True)

    found = check_file(lab, read_file, who, memory, SHOWN, tell)
    for path, text in ((junit, found.junit()), (gradescope, found.gradescope())):
        if path is not None:
            write_atomically(path, partial(_write, text))
    if as_json:
        print(found.json())
    elif found.problem:
        raise FileError(f"{file}: {found.problem}")
    else:
        print(f"{found.earned} of {found.points} points")
    return found.status


def hint(number: str, task: str, level: int) -> None:
    """Print a hint for a task."""
    lab = open_lab(number)
    print(_task(lab, task).hints[level - 1])
    if level < 3:
        print(f"\nmore: minigan lab hint {lab.number} {task} --level {level + 1}")


def grade_folder(folder: Path, csv: Path | None, number: str | None, jobs: int, memory: float) -> None:
    """Check all files of a folder, and write or print a table of points."""
    Limits(memory=memory).require_sense()
    if jobs < 1:
        raise SettingsError(f"--jobs {jobs}: wanted at least 1")
    if csv is not None and csv.exists():
        raise FileError(f"--csv {csv}: it exists, and nothing is overwritten; name another file, or delete it first")
    table = grade(folder, None if number is None else open_lab(number).number, jobs, memory, _progress)
    if csv is None:
        print(table, end="")
    else:
        write_atomically(csv, partial(_write, table), overwrite=False)
        print(csv)


def _write(text: str, file: BinaryIO) -> None:
    file.write(text.encode())


def _progress(found: Checked) -> None:
    print(f"{found.file}: {found.problem or f'{found.earned} of {found.points}'}", file=sys.stderr, flush=True)


def new(file: Path, out: Path | None) -> None:
    """Make a lab of functions of one's own."""
    folder, lab = new_lab(file, out or file.with_suffix(""))
    print(f"{folder}: {len(lab.tasks)} tasks: {', '.join(task.name for task in lab.tasks)}")
    print(f"change points and hints in {folder / 'lab.json'}; students begin with: minigan lab start {folder}")


def _task(lab: Lab, name: str) -> Task:
    for task in lab.tasks:
        if task.name == name:
            return task
    names = [task.name for task in lab.tasks]
    raise SettingsError(f"lab {lab.number} has no task {name!r}{did_you_mean(name, names)}: {', '.join(names)}")


def _who(file: StudentFile, student: str | None) -> str:
    who = student or file.student
    if not who:
        raise SettingsError(f'{file.path} has no line STUDENT = "your name"; write one, or give --id')
    return _known(who)


def _known(student: str) -> str:
    if not ID.fullmatch(student):
        raise SettingsError(f"--id {student!r}: wanted 1 to 80 letters, without commas and quotation marks")
    return student


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no name is known to the system
        raise SettingsError("who are you? give --id NAME: it decides the sizes and numbers of your checks") from None


ACTIONS: dict[str, Callable[..., int | None]] = {
    "list": list_labs, "start": start, "check": check, "hint": hint, "grade": grade_folder, "new": new,
}  # fmt: skip
