"""A class at once: every file of a folder, and a table of points."""

import csv
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import FileError, MiniganError
from .catalogue import open_lab
from .checking import check_file
from .results import Checked
from .student import ID, read

KINDS = (".py", ".ipynb")


def grade(
    folder: Path, number: str | None, jobs: int, memory: float, tell: Callable[[Checked], None] = lambda found: None
) -> str:
    """CSV: a line for each file, with its student, points and what is wrong with it, and a column for each task.

    number   the lab of all files; None: that which each names as LAB
    jobs     files that are checked at a time

    Raises FileError for a folder without files. A file that cannot be checked has no points, and the reason.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in KINDS and not path.name.startswith("."))
    except OSError as error:
        raise FileError(f"{folder} cannot be read: {error.strerror or error}") from error
    if not files:
        raise FileError(f"{folder} has no {' or '.join(KINDS)} files")

    def one(path: Path) -> Checked:
        found = _graded(path, number, memory)
        tell(found)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return _table(list(pool.map(one, files)))


def _graded(path: Path, number: str | None, memory: float) -> Checked:
    unknown = Checked("", "", str(path), path.stem, 0)
    try:
        file = read(path)
        lab = open_lab(number or file.lab) if number or file.lab else None
    except MiniganError as error:
        unknown.problem = str(error).removeprefix(f"{path}: ").removeprefix(str(path)).lstrip(", ")
        return unknown
    if lab is None:
        unknown.problem = 'there is no line LAB = "03" in it, and no --lab was given'
        return unknown
    student = file.student if ID.fullmatch(file.student) else path.stem
    return check_file(lab, file, student, memory, shown=0)


def _table(all_found: list[Checked]) -> str:
    """Columns: file, student, lab, points, of, problem; then the tasks of all labs, in order."""
    tasks = dict.fromkeys((found.lab, result.task) for found in all_found for result in found.results)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "student", "lab", "points", "of", "problem", *(task for _, task in tasks)])
    for found in all_found:
        earned = {(found.lab, result.task): str(result.earned) for result in found.results}
        cells = [Path(found.file).name, found.student, found.lab, found.earned, found.points, found.problem]
        writer.writerow([_safe(str(cell)) for cell in cells] + [earned.get(task, "") for task in tasks])
    return text.getvalue()


def _safe(cell: str) -> str:
    """Not a formula, whatever a student wrote: spreadsheets compute what begins with one of these."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell
