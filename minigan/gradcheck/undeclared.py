"""Arrays that a layer computes with and did not declare: no optimizer trains them, no file keeps them."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Backend
from ..context import Context
from ..layers import Layer
from .networks import NetworkSubject
from .subjects import normal

DEEPEST, LARGEST = 3, 100_000  # holders in holders, and entries
APART = {"context", "backend", "bound", "declared", "kept_dy"}  # what a layer has from its network


def undeclared(subject: NetworkSubject, v: np.ndarray) -> tuple[list[str], list[str]]:
    """Complaints about arrays whose gradient is kept, and notes about constants. A layer alone; on a copy."""
    subject = subject.fresh()
    (layer,) = subject.net.layers
    subject.backward(np.array(v))
    given = subject.x, subject.net.params, subject.net.state
    own = {
        path: array
        for path, array in _held(layer)
        if array.size <= LARGEST and not any(np.may_share_memory(array, other) for other in given)
    }
    used = [path for path, array in own.items() if _matters(subject, array)]
    if not used:
        return [], []
    once = _after(subject, layer, v)
    twice = _after(subject, layer, -2 * np.asarray(v))
    moving = [path for path, array in once.items() if path in twice and not np.array_equal(array, twice[path])]
    complaints, notes = [], []
    for path in used:
        shape = own[path].shape
        gradient = next((other for other in moving if other != path and once[other].shape == shape), None)
        if gradient is None:
            notes.append(f"y depends on self.{path} {shape}, a constant: it is no parameter, and is not trained")
        else:
            complaints.append(
                f"y depends on self.{path}, which is no parameter, though self.{gradient} has its gradient: nobody "
                f"would train it. Write in build: self.param({_name(path)!r}, {shape}, normal(0.02))"
            )
    return complaints, notes


def _held(layer: Layer) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of numbers that the layer has, but for those that it declared, by its path: W, params['W']."""
    declared = layer.__dict__.get("bound", set())
    names = {name for name in vars(layer) if name not in APART and name.removeprefix("d") not in declared}
    for name in sorted(names - declared):
        yield from _inside(vars(layer)[name], name, DEEPEST)


def _inside(value: Any, path: str, depth: int) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size:
            yield path, value
    elif depth and isinstance(value, dict):
        for key, inner in value.items():
            yield from _inside(inner, f"{path}[{key!r}]", depth - 1)
    elif depth and isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            yield from _inside(inner, f"{path}[{i}]", depth - 1)
    elif depth and hasattr(value, "__dict__") and not isinstance(value, Layer | Context | Backend | type):
        for name, inner in vars(value).items():
            yield from _inside(inner, f"{path}.{name}", depth - 1)


def _matters(subject: NetworkSubject, array: np.ndarray) -> bool:
    """Whether y follows when these numbers move, so that forward reads them and does not make them."""
    y, kept = np.array(subject.forward()), array.copy()
    try:
        array += 0.1 * normal(array.shape, 0, "undeclared")
        return not np.array_equal(subject.forward(), y, equal_nan=True)
    except ValueError:  # it may not be written to
        return False
    finally:
        if array.flags.writeable:
            array[...] = kept


def _after(subject: NetworkSubject, layer: Layer, dy: np.ndarray) -> dict[str, np.ndarray]:
    subject.backward(np.array(dy))
    return {path: array.copy() for path, array in _held(layer)}


def _name(path: str) -> str:
    """The last word of a path."""
    words = re.findall(r"[A-Za-z_]\w*", path)
    return words[-1] if words else "W"
