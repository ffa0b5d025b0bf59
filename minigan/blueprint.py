"""Networks from their descriptions. What one declares is known before any memory is taken for it: a description is a
short text, and may speak of more parameters than any machine can hold.
"""

import math
from collections.abc import Iterable
from typing import Any

from . import layers as own_layers
from .backend import Backend, get_backend
from .context import Context
from .errors import SettingsError
from .generator import Generator
from .layers import Layer
from .network import Sequential
from .workspace import Workspace

Declared = list[tuple[str, tuple[int, ...]]]  # names and shapes, in the order of the vector

OPTIONS = {"input_shape", "name", "seed", "dtype", "latent", "classes"}
MOST_LAYERS = 2_000  # building takes the square of their number: 3 seconds
MOST_INPUTS = 2**31  # numbers of one sample


class Blueprint:
    """A network as `Sequential.describe` described it.    layers: classes of one's own that it uses

    Raises SettingsError for a class that is not known, ValueError or TypeError for what describes no network.
    """

    def __init__(self, description: Any, layers: Iterable[type[Layer]] = ()) -> None:
        self.known = {name: getattr(own_layers, name) for name in own_layers.__all__} | {"Sequential": Sequential}
        self.known |= {kind.__name__: kind for kind in layers}
        if not isinstance(description, dict) or not isinstance(description.get("layers"), list):
            raise ValueError("its architecture is no network with a list of layers")
        self.options = {name: value for name, value in description.items() if name != "layers"}
        odd = set(self.options) - OPTIONS
        shape, seed = self.options.get("input_shape"), self.options.get("seed", 0)
        whole = all(type(count) is int and 0 <= count < 2**64 for count in (seed, self.options.get("classes", 0)))
        if odd or not whole or not isinstance(self.options.get("name", ""), str):
            words = ", ".join(sorted(map(str, odd))) or "a name, a seed or classes"
            raise ValueError(f"its architecture has {words} that no network has")
        if not isinstance(shape, list) or any(type(side) is not int or side < 1 for side in shape):
            raise ValueError(f"its architecture has the input_shape {shape!r}")
        if math.prod(shape) > MOST_INPUTS:
            raise ValueError(f"its architecture has samples of shape {shape}")
        self.options["input_shape"] = tuple(shape)
        self.count = 0
        self.layers = [self._layer(entry) for entry in description["layers"]]

    def _layer(self, entry: Any) -> Any:
        """A layer from its description, with the layers inside it; anything else as it is."""
        if isinstance(entry, list):
            return [self._layer(inner) for inner in entry]
        if entry != entry:
            raise ValueError("its architecture has an argument that is NaN")
        if not isinstance(entry, dict):
            return entry
        settings = {name: self._layer(value) for name, value in entry.items()}
        kind = settings.pop("type")
        self.count += 1
        if self.count > MOST_LAYERS or (kind == "Sequential" and set(settings) != {"layers"}):
            raise ValueError(f"its architecture has a network in a network, or more than {MOST_LAYERS:,} layers")
        if kind not in self.known:
            raise SettingsError(f"the model has a layer {kind!r} that is not minigan's: load it with layers=[{kind}]")
        return self.known[kind].from_config(settings)

    def declared(self) -> dict[str, Declared]:
        """The arrays of the "params" and of the "state". Raises ShapeError where layers do not fit each other."""
        backend, name = get_backend("numpy"), str(self.options.get("name"))
        context = Context(name, backend, backend.xp.dtype("float32"), 0, Workspace(backend))
        chain = Sequential(self.layers)
        try:
            chain.connect(context, "", self.options["input_shape"])
            return {
                kind: [(f"{one.name}.{item.name}", item.shape) for one in chain.walk() for item in one.declared[kind]]
                for kind in ("params", "state")
            }
        finally:
            chain.disconnect(context)

    def build(self, backend: str | Backend | None = None) -> Sequential:
        """The network, with first weights, of which the caller knows that there is memory for them."""
        is_generator = "latent" in self.options or "classes" in self.options
        return (Generator if is_generator else Sequential)(self.layers, backend=backend, **self.options)


def declared_by(network: Sequential) -> dict[str, Declared]:
    """The arrays of a network that is there, as a blueprint has them."""
    return {
        kind: [(slot.name, slot.shape) for slot in slots]
        for kind, slots in (("params", network.slots), ("state", network.state_slots))
    }
