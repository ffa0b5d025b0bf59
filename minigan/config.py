"""What makes an equal one: the settings of optimizers, losses, objectives, penalties, schedules and data, as JSON.

A run is known by them. They stand in its config.json and in its checkpoints, and a resume compares them all and names
what differs. The rule is the one that layers have: every argument of `__init__` is kept as an attribute of that name.
"""

import functools
import inspect
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import OrderError

PLAIN = (str, int, float, bool, type(None))


def arguments_of(thing: Any) -> dict[str, Any]:
    """The arguments that `thing` was made with: `type(thing)(**arguments_of(thing))` makes an equal one.

    Raises OrderError if its `__init__` did not keep one as an attribute of the same name.
    """
    parameters = inspect.signature(type(thing)).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    missing = [name for name in names if not hasattr(thing, name)]
    if missing:
        raise OrderError(f"{type(thing).__name__}.__init__ must keep its argument as self.{missing[0]}")
    return {name: getattr(thing, name) for name in names}


def config_of(thing: Any) -> Any:
    """The thing as JSON can hold it: numbers and words as they are, an object as its class and its arguments.

    An object may have a `config()` of its own, which returns such a dictionary. A function is its name.
    """
    if isinstance(thing, PLAIN):
        return thing
    if isinstance(thing, np.generic):
        return thing.item()
    if isinstance(thing, Mapping):
        return {str(name): config_of(value) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [config_of(value) for value in thing]
    if isinstance(thing, np.ndarray):
        return thing.tolist() if thing.size <= 16 else f"an array of {thing.dtype} {thing.shape}"
    if isinstance(thing, type) or inspect.isroutine(thing):
        return thing.__qualname__
    if isinstance(thing, set | frozenset):
        return sorted(map(config_of, thing), key=repr)
    if isinstance(thing, os.PathLike):
        return os.fspath(thing)
    if isinstance(thing, functools.partial):
        return {"type": "partial", "function": config_of(thing.func), "args": config_of(thing.args)} | config_of(
            thing.keywords
        )
    own = getattr(thing, "config", None)
    settings = own() if callable(own) else arguments_of(thing)
    return {"type": type(thing).__name__} | {name: config_of(value) for name, value in settings.items()}


def differences(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two configurations differ: "D's optimizer, beta1: 0.9 here, 0.5 there"."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping) and ours.get("type") == theirs.get("type"):
        return [
            text
            for name in dict.fromkeys([*ours, *theirs])
            for text in differences(ours.get(name), theirs.get(name), f"{path}, {name}" if path else name)
        ]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [text for i, (a, b) in pairs for text in differences(a, b, f"{path}, {i}" if path else str(i))]
    both_nan = ours != ours and theirs != theirs  # a NaN is no other NaN, but for a run it is
    return [] if ours == theirs or both_nan else [f"{path}: {_shown(ours)} here, {_shown(theirs)} there"]


def _shown(value: Any) -> str:
    """Short enough for a sentence."""
    text = str(value.get("type", "other settings")) if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
