"""Backpropagation in functions, as courses have it: `affine_forward(x, w, b) -> (out, cache)` and its partner
`affine_backward(dout, cache) -> (dx, dw, db)`; and losses, `softmax_loss(x, y) -> (loss, dx)`.

What is missing for a check are shapes. They are found by trying, or are given in the file.
"""

import contextlib
import copy
import functools
import inspect
import io
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SettingsError
from ..losses import Loss
from .subjects import FunctionSubject, normal

Shape = tuple[int, ...]
WAYS = (("forward", "backward"), ("fwd", "bwd"))
INPUTS = ((4, 3), (2, 3, 6, 4), (2, 6, 4, 3), (2, 4, 3))  # tried in turn
WHOLE = [[0, 2, 1], [3, 0, 2]]  # for embeddings
MOST = 40_000  # combinations of shapes that are tried
# What the assignments of Stanford's CS231n call their settings, and what those contain.
CUSTOMARY: dict[str, Any] = {
    "bn_param": {"mode": "train"}, "ln_param": {}, "gn_param": {}, "conv_param": {"stride": 1, "pad": 1},
    "pool_param": {"pool_height": 2, "pool_width": 2, "stride": 2},
    "dropout_param": {"mode": "train", "p": 0.6, "seed": 1},
}  # fmt: skip


@dataclass(frozen=True)
class Arguments:
    """What forward was called with, for a backward that takes the same."""

    values: dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two functions that belong together by their names."""

    name: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]

    def target(self, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What `check` takes: the two functions with their settings, an input and parameters.

        Raises SettingsError, with what to write, if no shapes are found that fit.
        """
        fixed = dict(options.get("fixed", {}))
        names = [name for name in required(self.forward)[1:] if name not in fixed]
        fixed |= {name: CUSTOMARY[name] for name in names if name in CUSTOMARY}
        names = [name for name in names if name not in fixed]
        functions = self._handing_on(_with(self.forward, fixed))
        given = {name: _array(value, name) for name, value in options.get("params", {}).items()}
        inputs = [options["x"]] if "x" in options else [*INPUTS, WHOLE]
        found = next(
            (found for x in inputs if (found := fitting(functions, _array(x, "x"), names, given)) is not None), None
        )
        if found is None:
            raise SettingsError(self._what_to_write(names, fixed))
        x, params = found
        return functions, {"x": x, "params": params, "expect_zero": options.get("expect_zero", ())}

    def _handing_on(self, forward: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """The two; a backward that wants forward's arguments by name, and no cache, gets them."""
        known = list(inspect.signature(self.forward).parameters)
        wanted = required(self.backward)[1:]
        if not wanted or not set(wanted) <= set(known):
            return forward, self.backward

        @functools.wraps(self.forward)
        def handing_on(x: Any, **params: Any) -> Any:
            returned = forward(x, **params)
            return returned if isinstance(returned, tuple) else (returned, Arguments({known[0]: x} | params))

        def backward(dy: Any, cache: Any) -> Any:
            given = cache.values if isinstance(cache, Arguments) else None
            return self.backward(dy, cache) if given is None else self.backward(dy, **{n: given[n] for n in wanted})

        return handing_on, backward

    def _what_to_write(self, names: list[str], fixed: dict[str, Any]) -> str:
        listed = ", ".join(f"{name!r}: (3, 5)" for name in names)
        params = f", 'params': {{{listed}}}" if names else ""
        return (
            f"{self.forward.__name__}({', '.join(inspect.signature(self.forward).parameters)}) took none of the shapes "
            f"that were tried; write its own into the file, and under 'fixed' what is no array to differentiate:\n"
            f"    GRADCHECK = {{{self.name!r}: {{'x': (4, 3){params}, 'fixed': {fixed}}}}}"
        )


@dataclass(frozen=True)
class LossFunction:
    """A function loss(x, y) that returns the loss and dx."""

    name: str
    function: Callable[..., Any]

    def target(self, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The function as a Loss, with classes for targets or, if it does not take those, numbers."""
        loss = type(self.name, (Loss,), {"__call__": lambda _, pred, target: self.function(pred, target)})()
        chosen: dict[str, Any] = {key: options[key] for key in ("x", "labels", "expect_zero") if key in options}
        if not chosen and not _takes_classes(self.function):
            chosen = {"x": (7, 3), "labels": normal((7, 3), 0, "labels")}
        return loss, chosen


def found_pairs(namespace: dict[str, Any]) -> Iterator[Pair]:
    """The file's own pairs: names that differ in "forward" and "backward" alone."""
    for name, function in _own_functions(namespace):
        for forward, backward in WAYS:
            partner = namespace.get(name.replace(forward, backward))
            if forward in name and inspect.isfunction(partner) and required(function):
                yield Pair(name.replace(forward, "").replace("__", "_").strip("_") or name, function, partner)


def found_losses(namespace: dict[str, Any]) -> Iterator[LossFunction]:
    """The file's own functions that are called losses and take predictions and targets."""
    for name, function in _own_functions(namespace):
        if name.endswith("_loss") and len(required(function)) == 2:
            yield LossFunction(name, function)


def _own_functions(namespace: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in namespace.items():
        if inspect.isfunction(value) and value.__module__ == namespace["__name__"]:
            yield name, value


def required(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments that have to be given."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind in (0, 1)]


def _with(function: Callable[..., Any], fixed: dict[str, Any]) -> Callable[..., Any]:
    """The function with these arguments, fresh for every call: some write into their settings."""
    if not fixed:
        return function

    @functools.wraps(function)
    def call(x: Any, **params: Any) -> Any:
        return function(x, **params, **copy.deepcopy(fixed))

    return call


def _array(value: Any, name: str) -> np.ndarray:
    """Random numbers of a shape, or what was given."""
    if isinstance(value, tuple) and all(isinstance(length, int) for length in value):
        return normal(value, 0, f"{name} of a function")
    return np.array(value, dtype=np.float64)


def _candidates(name: str, shape: Shape) -> list[Shape]:
    """Shapes that a parameter of this name often has, for inputs of this shape."""
    first, channels, d = shape[0], shape[-1], math.prod(shape[1:])
    matrices: list[Shape] = [(d, 5), (5, d), (channels, 5), (5, first), (first, 5), (5, 5)]
    kernels: list[Shape] = [(5, shape[1], 3, 3), (3, 3, channels, 5)] if len(shape) == 4 else []
    vectors: list[Shape] = [(5,), (d,), (channels,), (shape[1],), (5, 1), (1, 5), (first, 1), shape[1:], ()]
    vector_first = name.lower().startswith(("b", "g", "a", "s"))  # bias, beta, gamma, alpha, scale, shift
    ordered = [*vectors, *kernels, *matrices] if vector_first else [*kernels, *matrices, *vectors]
    return list(dict.fromkeys(ordered))


def fitting(
    functions: tuple[Any, Any], x: np.ndarray, names: list[str], given: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
    """Parameters for which forward runs and backward returns gradients of their shapes; else that forward takes."""
    choices = [
        [given[name]] if name in given else [_array(s, name) for s in _candidates(name, x.shape)] for name in names
    ]
    first = None
    for values in itertools.islice(itertools.product(*choices), MOST):
        params = dict(zip(names, values, strict=True))
        subject = FunctionSubject(functions, x.copy(), params)
        try:
            with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
                y = subject.forward()
                if y.dtype.kind != "f":
                    continue
                first = first or (x, params)
                gradients = subject.backward(np.ones(y.shape))
        except SettingsError:  # it ran, and returned what it should not: the check will say so
            first = first or (x, params)
            continue
        except Exception:  # noqa: BLE001 - whatever a function says to a shape that is not its own
            continue
        if all(np.shape(gradients[name]) == array.shape for name, array in subject.arrays.items()):
            return x, params
    return first


def _takes_classes(function: Callable[..., Any]) -> bool:
    """Whether a loss takes scores of five samples for four classes, and their classes."""
    x = normal((5, 4), 0, "scores")
    try:
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
            loss, dx = function(x, np.arange(5) % 4)
    except Exception:  # noqa: BLE001 - it may refuse in any way
        return False
    return np.ndim(loss) == 0 and np.shape(dx) == x.shape
