"""The class reference, docs/reference.md, made of the package's docstrings: `python -m tests.reference` writes it."""

import inspect
import re
from pathlib import Path

import numpy as np

import minigan
from minigan import data, errors, gradcheck, initializers, interop, layers, metrics, models, percent, pictures, walks

PAGE = Path(__file__).parent.parent / "docs" / "reference.md"
HEAD = """# Reference

Every public class and function, with its docstring. This page is written by `python -m tests.reference`; the other
pages explain. Shapes leave out nothing: `n` is the batch, and [Notation](notation.md) has all letters.
"""
ROOMS = [
    ("minigan", "Networks, GANs, training", minigan, minigan.__all__),
    ("minigan.layers", "Layers", layers, layers.__all__),
    ("minigan.models", "Networks of published GANs", models, sorted(models.MODELS)),
    ("minigan.data", "Data", data, data.__all__),
    ("minigan.initializers", "First weights", initializers, ["normal", "glorot_uniform", "he_normal", "fan_in_normal",
                                                             "fixup", "zeros", "ones"]),
    ("minigan.gradcheck", "The gradient check", gradcheck, gradcheck.__all__),
    ("minigan.metrics", "Metrics", metrics, metrics.__all__),
    ("minigan.pictures", "Pictures", pictures, None),
    ("minigan.walks", "Walks through a generator's noise", walks, None),
    ("minigan.percent", "Notebooks as programs", percent, None),
    ("minigan.interop", "Weights of other libraries", interop, ["to_torch", "from_torch", "modules_of", "to_keras",
                                                                "from_keras"]),
    ("minigan.errors", "Errors", errors, None),
]  # fmt: skip


def own(module):
    """The public classes and functions that a module defines."""
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__ and callable(thing)
    ]


def signature(thing, name):
    """As one would write the call, without types: docstrings have them in words and shapes."""
    if inspect.isclass(thing) and issubclass(thing, np.ndarray):
        return name  # NumPy's own, which changes with its version
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return name
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters if p.name not in ("self", "cls")]
    text = str(inspect.Signature(plain))
    text = re.sub(r"<function (\w+) at 0x\w+>", r"\1", text)
    return f"{name}{text}"


def methods(kind):
    """The public methods and properties that a class defines itself, with a docstring."""
    for name, thing in vars(kind).items():
        function = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
        if name.startswith("_") and name != "__call__":
            continue
        if isinstance(thing, property) or (inspect.isfunction(function) and function.__doc__):
            yield name, function


def described(name, thing):
    """A class or a function: its call, its docstring, its methods."""
    lines = [f"### `{signature(thing, name)}`", "", "```text", inspect.getdoc(thing) or "", "```", ""]
    if inspect.isclass(thing):
        for method, function in methods(thing):
            call = method if isinstance(function, property) else signature(function, method)
            doc = inspect.getdoc(function) or ""
            first, _, rest = doc.partition("\n")
            lines += [f"- `{call}`: {first}" if not rest else f"- `{call}`", ""]
            lines += (
                []
                if not rest
                else ["  ```text", *("  " + line if line else "" for line in doc.split("\n")), "  ```", ""]
            )
    return lines


def page():
    """All of it."""
    lines, seen = [HEAD], set()
    for where, title, module, names in ROOMS:
        lines += [f"## {title}: `{where}`", ""]
        for name in own(module) if names is None else names:
            thing = getattr(module, name)
            if inspect.ismodule(thing) or not callable(thing) or id(thing) in seen:
                continue
            seen.add(id(thing))
            lines += described(name, thing)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
