"""Parameters that a layer keeps for itself: y depends on them, it computes their gradient, and nobody trains them."""

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import Backend
from ..context import Context
from ..layers import Layer
from ..workspace import Workspace
from .networks import NetworkSubject
from .numeric import Probe
from .subjects import normal

DEEP = 4  # holders in holders
FIT = 1e-4  # how closely an array has to be the gradient of another
NO_HOLDERS = types.ModuleType | type | types.FunctionType | types.MethodType | Context | Backend | Workspace


def undeclared(subject: NetworkSubject, v: Any) -> list[str]:
    """Complaints about arrays with a gradient that are not declared. Constants have none."""
    subject.backward(np.array(v))
    y = np.array(subject.forward())
    complaints = []
    for layer in subject.net.walk():
        if layer is subject.net:
            continue
        kept = [(path, array) for path, array in _arrays(vars(layer), layer.name) if not _known(subject, array)]
        for path, array in kept:
            if not _moves(subject, array, y):
                continue
            if (gradient := _gradient_of(subject, path, array, kept, v)) is not None:
                complaints.append(_sentence(path, array, gradient, layer))
    return complaints[:3]


def _sentence(path: str, array: np.ndarray, gradient: str, layer: Layer) -> str:
    name = "".join(c if c.isalnum() else "_" for c in path.removeprefix(f"{layer.name}.")).strip("_")
    return (
        f"y depends on {path}, and {gradient} is its gradient, but it is not declared as a parameter: no optimizer "
        f"would train it. Write in build: self.param({name.rsplit('_', 1)[-1]!r}, {array.shape}, init)"
    )


def _arrays(holder: Any, path: str, depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """All arrays of floating-point numbers that can be reached, with how; layers speak for themselves."""
    if isinstance(holder, np.ndarray):
        if holder.dtype.kind == "f" and holder.size and holder.flags.writeable:
            yield path, holder
        return
    if depth > DEEP or isinstance(holder, NO_HOLDERS):
        return
    if depth and isinstance(holder, Layer) and "context" in vars(holder) and not getattr(holder, "is_network", False):
        return
    if isinstance(holder, dict):
        between = "." if not depth else ""
        items = [(f"{path}.{key}" if between else f"{path}[{key!r}]", value) for key, value in list(holder.items())]
    elif isinstance(holder, list | tuple):
        items = [(f"{path}[{k}]", value) for k, value in enumerate(holder)]
    else:
        items = [(f"{path}.{key}", value) for key, value in list(getattr(holder, "__dict__", {}).items())]
    for inner, value in items:
        yield from _arrays(value, inner, depth + 1)


def _known(subject: NetworkSubject, array: np.ndarray) -> bool:
    """Whether it lies in the network's vectors: declared, and looked at elsewhere."""
    net = subject.net
    vectors = (net.params, net.grads, net.state, subject.x)
    return any(np.may_share_memory(array, vector) for vector in vectors)


def _moves(subject: NetworkSubject, array: np.ndarray, y: np.ndarray) -> bool:
    """Whether a forward makes another y of other numbers there: what it writes before it reads cannot."""
    before = array.copy()
    try:
        array += 0.01 * normal(array.shape, 0, "moved") * (1 + abs(before))
        return not np.array_equal(subject.forward(), y, equal_nan=True)
    finally:
        array[...] = before


def _gradient_of(
    subject: NetworkSubject, path: str, array: np.ndarray, kept: list[tuple[str, np.ndarray]], v: Any
) -> str | None:
    """The path of an array of this shape that is its gradient, by its numbers or by its name."""
    alike = [(name, other) for name, other in kept if other is not array and other.shape == array.shape]
    last = path.replace("]", "").replace("'", "").replace("[", ".").rsplit(".", 1)[-1]
    subject.backward(np.array(v))
    values = {name: other.copy() for name, other in alike}
    if array.flags.c_contiguous:
        direction = normal((array.size,), 1, "moved") / np.sqrt(array.size)
        slope, taken = Probe(subject.forward, array, v).along(direction)
        for name, value in values.items():
            if abs(slope.value) > FIT and abs(value.reshape(-1) @ taken - slope.value) <= FIT * abs(slope.value):
                return name
    for name in values:
        short = name.rsplit(".", 1)[-1]
        if "grad" in name.lower() or short in (f"d{last}", f"d_{last}"):
            return name
    return None
