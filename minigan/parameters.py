"""All numbers of a network in three vectors: parameters, their gradients, and running statistics.

Once the shapes are known, a network packs everything it learns into one vector, in layer order, and gives every layer
views into it: `layer.W` is a piece of `net.params`, `layer.dW` the same piece of `net.grads`. Optimizers, clipping,
saving and the gradient check are then statements about vectors.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .backend import Array, Backend
from .errors import SettingsError, ShapeError
from .initializers import Initializer, Random


@dataclass(frozen=True)
class Declaration:
    """What a layer says in `build`: I need an array of this name and shape, which starts like this."""

    name: str
    shape: tuple[int, ...]
    init: Initializer
    fan_in: int
    fan_out: int


def require_free(
    layer: str, declared: dict[str, list[Declaration]], kind: str, name: str, attributes: Iterable[str]
) -> None:
    """Raises SettingsError unless the layer may declare this name: no array or gradient has it, and the layer has no
    attribute of that name. Of two arrays with one name, only one would be trained.
    """
    taken = {item.name for items in declared.values() for item in items}
    taken |= {f"d{item.name}" for item in declared["params"]}
    for mine in (name, f"d{name}") if kind == "params" else (name,):
        if mine in taken:
            raise SettingsError(f"{layer} declares {mine!r} twice: each array needs a name of its own")
        if mine in attributes:
            raise SettingsError(f"{layer} declares {mine!r}, which every layer has already: choose another name")


@dataclass(frozen=True)
class Slot:
    """Where a declared array lies in its vector."""

    name: str  # "2.Dense.W"
    shape: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        """One past its last element."""
        return self.start + math.prod(self.shape)

    def view(self, vector: Array) -> Array:
        """This array, as a piece of the vector."""
        return vector[self.start : self.stop].reshape(self.shape)


class Declarer(Protocol):
    """What can be packed: a layer, with what it declared of each kind, "params" or "state"."""

    name: str
    declared: dict[str, list[Declaration]]

    def bind(self, name: str, view: Array) -> None:
        """Take this view as the array of that name."""


def pack(
    layers: Sequence[Declarer], kind: str, backend: Backend, dtype: Any, stream: str, seed: int
) -> tuple[Array, list[Slot]]:
    """One vector for all that the layers declared of this kind ("params" or "state"), initialised; and its slots.

    Every layer is given its views. Raises ShapeError for an initializer that makes another shape.
    """
    declared = [(layer, item) for layer in layers for item in layer.declared[kind]]
    slots, size = [], 0
    for layer, item in declared:
        slots.append(Slot(f"{layer.name}.{item.name}", item.shape, size))
        size = slots[-1].stop
    vector = backend.xp.zeros(size, dtype)
    for slot, (layer, item) in zip(slots, declared, strict=True):
        random = Random(backend, seed, f"{stream}.{slot.name}")
        with np.errstate(all="ignore"):  # of products within: backend/blas.py
            value = backend.asarray(item.init(random, item.shape, item.fan_in, item.fan_out), dtype)
        if value.shape != item.shape:
            raise ShapeError(f"the initializer of {stream}.{slot.name} made {value.shape}; wanted {item.shape}")
        slot.view(vector)[...] = value
        layer.bind(item.name, slot.view(vector))
    return vector, slots
