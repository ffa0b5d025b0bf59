"""A lab of one's own: made of a file with forwards, kept as a folder with `start.py` and `lab.json`."""

import ast
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, SettingsError
from ..files import write_atomically
from ..gradcheck.function_pairs import INPUTS, fitting, required
from ..gradcheck.own_files import loaded
from .draw import Draw
from .gradients import Gradient
from .task import Lab, Names, Task

LETTERS = "dkmpqrsuvw"  # names of the lengths but n, that of the batch
WIDER = 2  # how much smaller and larger a length is drawn than it was found
HEAD = """# %% [markdown]
# # {title}
#
# Write the functions at the end. `minigan lab check {folder} FILE` says how far you are.

# %%
LAB = "{folder}"
STUDENT = "nobody"

"""
STUB = '''

# %%
def {name}({arguments}):
    """{returns}"""
    raise NotImplementedError
'''


def new_lab(file: Path, folder: Path) -> tuple[Path, Lab]:
    """Make the folder of a lab whose tasks are the backwards of a file's functions NAME_forward, and the gradients of
    its NAME_loss. Solutions that stand in the file, NAME_backward and NAME_gradient, are left out of what students get.

    Shapes are found by trying, or taken from GRADCHECK (docs/gradcheck.md). Raises FileError for a folder that has
    something in it, and SettingsError where the file has no such functions or no shapes are found.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileError(f"{folder} exists, with something in it, and nothing is overwritten: give --out NEW_FOLDER")
    source = _read(file)
    with loaded(file) as names:
        tasks = [_described(name, value, names) for name, value in names.items() if _is_forward(name, value)]
    if not tasks:
        raise SettingsError(f"{file} has no function NAME_forward(x, ...) or NAME_loss(x, ...)")
    title = (ast.get_docstring(ast.parse(source)) or file.stem.replace("_", " ")).partition("\n")[0]
    document = {"title": title, "allow": ["numpy", "math"], "tasks": tasks}
    start = HEAD.format(title=title, folder=folder.name) + _without_solutions(source)
    start += "".join(_stub(task) for task in tasks)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder} cannot be made: {error.strerror or error}") from error
    for name, text in (("start.py", start), ("lab.json", json.dumps(document, indent=2) + "\n")):
        write_atomically(folder / name, partial(_write, text), overwrite=False)
    return folder, read_lab(folder)


def _write(text: str, file: Any) -> None:
    file.write(text.encode())


def _is_forward(name: str, value: Any) -> bool:
    return callable(value) and name.endswith(("_forward", "_loss")) and not isinstance(value, type)


def _described(name: str, function: Callable[..., Any], names: Names) -> dict[str, Any]:
    """A task for lab.json, with lengths that are drawn instead of the ones that were found."""
    said = names.get("GRADCHECK", {}).get(name, names.get("GRADCHECK", {}).get(name.rpartition("_")[0], {}))
    arguments = required(function)
    fixed = dict(said.get("fixed", {}))
    others = [argument for argument in arguments[1:] if argument not in fixed]
    given = {key: np.ones(value) if isinstance(value, tuple) else np.asarray(value, float)
             for key, value in said.get("params", {}).items()}  # fmt: skip
    shape = said.get("x")
    for x in [shape] if isinstance(shape, tuple) else INPUTS:
        found = fitting((partial(_call, function, fixed), _no_backward), Draw(name, 1).normal(*x), others, given)
        if found is not None:
            break
    else:
        raise SettingsError(
            f"{name}({', '.join(arguments)}): no shapes were found that it takes; write them into the file:\n"
            f"    GRADCHECK = {{{name!r}: {{'x': (4, 3), 'params': {{'w': (3, 5)}}, 'fixed': {{}}}}}}"
        )
    lengths: dict[int, str] = {found[0].shape[0]: "n"}
    for length in [length for array in (found[0], *found[1].values()) for length in array.shape]:
        lengths.setdefault(length, LETTERS[len(lengths) - 1])
    shapes = {key: [lengths[length] for length in array.shape]
              for key, array in zip([arguments[0], *others], [found[0], *found[1].values()], strict=True)}  # fmt: skip
    stem, _, kind = name.rpartition("_")
    sizes = {letter: [max(1, k - WIDER), k + WIDER] for k, letter in lengths.items() if letter != "n"}
    return {
        "name": f"{stem}_{'gradient' if kind == 'loss' else 'backward'}", "forward": name, "points": 3,
        "loss": kind == "loss", "loops": False, "shapes": shapes, "sizes": sizes, "fixed": fixed,
        "hints": ["Write the formula for one entry, on paper.", "Which entries of y does one entry of x move?",
                  "Add up what comes back from all of them."],
    }  # fmt: skip


def _call(function: Callable[..., Any], fixed: Names, x: np.ndarray, **params: np.ndarray) -> Any:
    return function(x, **params, **fixed)


def _no_backward(*arguments: Any) -> Any:
    raise NotImplementedError


def _without_solutions(source: str) -> str:
    """The file without what students are to write, and without the settings of the check."""
    tree, lines = ast.parse(source), source.splitlines()
    for node in reversed(tree.body):
        solution = isinstance(node, ast.FunctionDef) and node.name.endswith(("_backward", "_gradient"))
        settings = isinstance(node, ast.Assign) and "GRADCHECK" in ast.dump(node.targets[0])
        if solution or settings:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            del lines[first - 1 : node.end_lineno]
    return "\n".join(lines).rstrip() + "\n"


def _stub(task: dict[str, Any]) -> str:
    arguments = [*task["shapes"], *task["fixed"]]
    wrt = ", ".join(f"d{name}" for name in task["shapes"])
    start = f"Of {task['forward']}: {wrt}"
    shown = arguments if task["loss"] else ["dy", *arguments]
    return STUB.format(name=task["name"], arguments=", ".join(shown), returns=f"{start}.")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FileError(f"{path} cannot be read: {error}") from error


def read_lab(folder: Path) -> Lab:
    """The lab of a folder that `new_lab` made, as its author has changed it. Raises FileError for another."""
    path = folder / "lab.json"
    try:
        document = json.loads(_read(path))
        tasks = tuple(_task(found) for found in document["tasks"])
        return Lab(str(folder), str(document["title"]), _read(folder / "start.py"), tasks,
                   tuple(document["allow"]))  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileError(f"{path} is no lab as `minigan lab new` writes it: {type(error).__name__}: {error}") from error


def _task(found: dict[str, Any]) -> Task:
    first, second, third = (str(hint) for hint in found["hints"])
    wrt = tuple(found["shapes"])
    draw = partial(_drawn, found["shapes"], found["sizes"], found["fixed"])
    gradient = Gradient(found["forward"], draw, wrt, loss=bool(found["loss"]), loops=bool(found["loops"]))
    points = int(found["points"])
    if points < 0 or not math.isfinite(points):
        raise ValueError(f"points are {points}")
    return Task(str(found["name"]), points, gradient, (first, second, third))


def _drawn(shapes: dict[str, list[str]], sizes: dict[str, list[int]], fixed: Names, draw: Draw) -> Names:
    lengths = {letter: draw.size(*between) for letter, between in sizes.items()} | {"n": draw.n}
    return {name: draw.normal(*(lengths[letter] for letter in shape)) for name, shape in shapes.items()} | fixed
