"""A student's file: read, with who wrote it and for which lab; and run, under guard."""

import ast
import json
import re
import traceback
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileError
from ..percent import from_notebook
from .guard import Forbidden, builtins_for
from .task import Names

LARGEST = 5_000_000  # bytes of a file that somebody wrote
MAGIC = re.compile(r"^(?=[%!])", re.MULTILINE)  # lines for IPython alone, such as %time and !ls: no Python
ID = re.compile(r"[^\x00-\x1f,\"']{1,80}")  # fits into a line of CSV, and into a string


@dataclass(frozen=True)
class StudentFile:
    """What a file says of itself.

    student, lab   the strings that stand in it as STUDENT and LAB; "" where there are none
    """

    path: Path
    source: str
    student: str
    lab: str


def read(path: Path) -> StudentFile:
    """A .py file or a notebook. Raises FileError where it cannot be read, or is no Python, with the line."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise FileError(f"{path}: {size:,} bytes; a lab's file has at most {LARGEST:,}")
        text = path.read_text(encoding="utf-8-sig")
        source = MAGIC.sub("# ", from_notebook(json.loads(text))) if path.suffix == ".ipynb" else text
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(
            f"{path} is no {'notebook' if path.suffix == '.ipynb' else 'text in UTF-8'}: {error}"
        ) from error
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise FileError(f"{path}{where}: this is no Python: {reason}") from error
    return StudentFile(path, source, _constant(tree, "STUDENT"), _constant(tree, "LAB"))


def _constant(tree: ast.Module, name: str) -> str:
    """The string that is given to a name, at the top of the file."""
    for node in tree.body:
        value = node.value.value if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) else None
        names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
        if isinstance(value, str) and name in names:
            return value
    return ""


def load(source: str, name: str, allow: tuple[str, ...]) -> Names:
    """Run a file, and return all that it defines.    name: of the file, as tracebacks have it"""
    names: Names = {"__name__": "lab", "__file__": name, "__builtins__": builtins_for(allow)}
    exec(compile(source, name, "exec"), names)
    return names


def place(error: BaseException, name: str) -> str:
    """Where in a file an error came from: "line 12, in softplus_backward: ..."."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    kind = type(error).__name__
    text = str(error) if isinstance(error, Forbidden) else f"{kind}: {error}" if str(error) else kind
    if isinstance(error, NotImplementedError) and not str(error):
        text = "it is still to be written"
    return f"line {frames[-1].lineno}, in {frames[-1].name}: {text}" if frames else text
