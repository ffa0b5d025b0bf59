"""Networks, and layers as networks of one, as subjects of a check."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import SettingsError, ShapeError
from ..layers import BatchNorm, Layer, LeakyReLU, ReLU, SpectralNorm
from ..network import VECTORS, Sequential
from ..workspace import Workspace
from .subjects import Subject, elsewhere, normal


class NetworkSubject(Subject):
    """A network of the numpy backend in float64, with frozen dropout masks and statistics.

    `short` gives the names of the arrays in the report. `train=False` differentiates what `predict` computes.
    """

    def __init__(self, net: Sequential, x: np.ndarray, short: dict[str, str], name: str, train: bool = True) -> None:
        self.net, self.x, self.short, self.name, self.train = net, x, short, name, train
        hold_power_iteration(net, x)
        self.first, self.state = net.forwards, net.state.copy()
        self.counters: frozenset[tuple[str, str]] | None = None  # whole numbers that every forward changes
        self.arrays = {"x": x} | {short[slot.name]: slot.view(net.params) for slot in net.slots}

    def forward(self) -> Array:
        """y of a forward that always is the same one in the count: the same noise."""
        net = self.net
        net.discard()
        net.forwards, net.state[...] = self.first, self.state
        return net.forward(self.x, train=self.train)

    def backward(self, dy: Any) -> dict[str, Any]:
        """dx and every gradient of the network."""
        self.forward()
        dx = self.dx_of(self.net.backward(dy))
        grads = {self.short[slot.name]: slot.view(self.net.grads).copy() for slot in self.net.slots}
        return {"x": dx.copy() if isinstance(dx, np.ndarray) else dx} | grads

    def dx_of(self, returned: Any) -> Any:
        """What backward returned; zeros for None where x has no derivative, since y does not follow it."""
        if returned is None:
            self.no_dx = self.no_dx or not self._follows()
        return np.zeros(self.x.shape) if returned is None and self.no_dx else returned

    def _follows(self) -> bool:
        """Whether y changes when x moves a little: whole numbers away from 0, where a cast cuts off what was added."""
        x, y = self.x.copy(), np.array(self.forward())
        try:
            for k, h in enumerate((1e-7, 1e-6, 1e-5)):
                move = normal(x.shape, k, "move")
                self.x[...] = x + h * np.where(x % 1, move, np.copysign(move, x))
                if not np.array_equal(self.forward(), y, equal_nan=True):
                    return True
            return False
        finally:
            self.x[...] = x
            self.forward()

    def repeat(self) -> Array:
        """y with the running statistics that a forward left: in training they must not matter."""
        self.forward()
        left = self.net.state.copy()
        self.state, kept = left, self.state
        try:
            return self.forward()
        finally:
            self.state = kept

    def visit_elsewhere(self) -> None:
        """As any subject, with another x and other parameters; what it left in the gradients is taken away."""
        here, self.x, params = self.x, elsewhere(self.x), self.net.params.copy()
        self.net.params *= 1.1
        try:
            self.backward(np.array(self.forward()))
        finally:
            self.x, self.net.params[...] = here, params
        self.net.grads[...] = 0

    def pattern(self) -> bytes:
        """The signs of what ReLU and LeakyReLU got, and every array of bools or whole numbers that a layer keeps."""
        if self.counters is None:
            self.counters = frozenset()
            self.forward()
            before = whole_numbers(self.net)
            self.forward()
            after = whole_numbers(self.net)
            self.counters = frozenset(key for key in after if key not in before or (after[key] != before[key]).any())
        return masks_of(self.net, self.counters)

    def _clone(self) -> Sequential:
        """A network with the same numbers, at the same point in its noise."""
        net = self.net.clone()
        net.forwards, net.state[...] = self.first, self.state
        return net

    def poisoned(self) -> "NetworkSubject":
        """A copy whose buffers are full of NaN when a layer gets them, and whose inputs cannot be written to."""
        net = self._clone()
        net.workspace = Workspace(net.backend, "poison")
        return NetworkSubject(net, self.x, self.short, self.name, self.train)

    def complex(self) -> "NetworkSubject":
        """A copy with complex vectors and buffers."""
        net = self._clone()
        dtype = np.dtype(np.complex128)
        net.take_vectors(*(getattr(net, name).astype(dtype) for name in VECTORS))
        net.context.dtype = dtype
        for layer in net.walk():
            layer.dtype = dtype
        return NetworkSubject(net, self.x.astype(dtype), self.short, self.name, self.train)

    def alone(self, layer: Layer, x: np.ndarray) -> "NetworkSubject":
        """A layer of the network in a network of its own, with its numbers."""
        net = Sequential(
            [layer.clone()],
            input_shape=x.shape[1:],
            name="alone",
            dtype=np.float64,
            backend="numpy",
            seed=self.net.seed,
        )
        for kind, all_slots, slots in (
            ("params", self.net.slots, net.slots), ("state", self.net.state_slots, net.state_slots)
        ):  # fmt: skip
            inside = [slot for slot in all_slots if slot.name.startswith(f"{layer.name}.")]
            for slot, ours in zip(slots, inside, strict=True):
                slot.view(getattr(net, kind))[...] = ours.view(getattr(self.net, kind))
        return NetworkSubject(net, x, short_names(net), repr(layer), self.train)

    def recorded(self, v: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Copies of the x and of the dy that every layer, by its name, gets on the way forward, and back from v."""
        xs: dict[str, np.ndarray] = {}
        dys: dict[str, np.ndarray] = {}
        layers = [layer for layer in self.net.walk() if layer is not self.net]
        for layer in layers:
            layer.__dict__["forward"] = _recording(layer.forward, xs, layer.name)
            layer.__dict__["backward"] = _recording(layer.backward, dys, layer.name)
        try:
            self.backward(v)
        finally:
            for layer in layers:
                del layer.__dict__["forward"], layer.__dict__["backward"]
        return xs, dys


def whole_numbers(net: Sequential) -> dict[tuple[str, str], np.ndarray]:
    """Copies of every array of bools or whole numbers that a layer keeps."""
    return {
        (layer.name if layer is not net else "", name): array.copy()
        for layer in net.walk()
        for name, array in vars(layer).items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "bi"
    }


def masks_of(net: Sequential, counters: frozenset[tuple[str, str]] = frozenset()) -> bytes:
    """On which piece of a piecewise function the network's last forward was. `counters` say nothing of that."""
    masks = [layer.x > 0 for layer in net.walk() if isinstance(layer, ReLU | LeakyReLU)]
    masks += [array for key, array in whole_numbers(net).items() if key not in counters]
    return b"".join(mask.tobytes() for mask in masks)


def _recording(method: Callable, seen: dict[str, np.ndarray], name: str) -> Callable:
    def call(array: Array, *arguments: Any, **options: Any) -> Any:
        seen[name] = array.copy()
        return method(array, *arguments, **options)

    return call


def short_names(net: Sequential) -> dict[str, str]:
    """Names without the layer, for a network of one: "W"; of a layer inside it "0.Conv2D.W"."""
    inside = {slot.name: slot.name.split(".", 2)[2] for slot in net.slots}
    return {whole: "parameter x" if name == "x" else name for whole, name in inside.items()}


def of_layer(layer: Layer, x: np.ndarray, seed: int, train: bool = True) -> NetworkSubject:
    """A layer alone, with random parameters: zero biases and unit gains hide mistakes."""
    _require_methods(layer)
    net = Sequential(
        [layer.clone()], input_shape=x.shape[1:], name="alone", backend="numpy", dtype="float64", seed=seed
    )
    net.params[...] = normal(net.params.shape, seed, "parameters")
    _require_output(net, x)
    return NetworkSubject(net, x, short_names(net), repr(layer), train)


def of_network(net: Sequential, x: np.ndarray, seed: int, train: bool = True) -> NetworkSubject:
    """A copy of a network, its parameters moved a little, so that no bias is 0."""
    net = net.clone(dtype="float64", backend="numpy")
    net.params += 0.1 * normal(net.params.shape, seed, "parameters")
    return NetworkSubject(net, x, {slot.name: slot.name for slot in net.slots}, net.name, train)


def hold_power_iteration(net: Sequential, x: np.ndarray) -> None:
    """Turn every SpectralNorm's vectors to its weights and hold them there, as its gradient supposes."""
    turning = [layer for layer in net.walk() if isinstance(layer, SpectralNorm) and layer.iterations]
    for _ in range(20 if turning else 0):
        net.forward(x, backward=False)
    for layer in turning:
        layer.iterations = 0


def small_batches(net: Sequential) -> list[str]:
    """Complaints about BatchNorms that had so few numbers that their dx is 0 whatever they do."""
    return [
        f"{layer.name} has {layer.m} numbers for each channel: normalised, they hardly depend on x, and its dx goes "
        f"unseen; give it a batch with 4 or more"
        for layer in net.walk()
        if isinstance(layer, BatchNorm) and layer.m < 4
    ]


def _require_methods(layer: Layer) -> None:
    """Raises SettingsError unless forward and backward take what a network gives them."""
    calls = (("forward", ("x", "train"), layer.forward), ("backward", ("dy", "params", "inputs"), layer.backward))
    for name, wanted, method in calls:
        try:
            inspect.signature(method).bind(*wanted)
        except TypeError as error:
            given = ", ".join(inspect.signature(method).parameters)
            raise SettingsError(
                f"{type(layer).__name__}.{name} takes ({given}); a network calls {name}({', '.join(wanted)}). Write\n"
                f"    def forward(self, x, train):\n"
                f"    def backward(self, dy, params=True, inputs=True):"
            ) from error


def _require_output(net: Sequential, x: np.ndarray) -> None:
    """Raises ShapeError unless the only layer's forward returns an array."""
    layer = net.layers[0]
    net.workspace.begin_pass(keep=True)
    net.workspace.begin_call(layer.name)
    try:
        y = layer.forward(elsewhere(x), True)
    except (AttributeError, IndexError) as error:
        for hint in _hints(layer, error):
            error.add_note(hint)
        raise
    if not isinstance(y, np.ndarray):
        raise ShapeError(
            f"{type(layer).__name__}.forward returned {'None' if y is None else type(y).__name__}; it must return its "
            f"output, an array: does it end with `return y`?"
        )
    if type(layer).build is Layer.build and y.shape[1:] != layer.output_shape and len(y) == len(x):
        raise SettingsError(
            f"{type(layer).__name__} has no build, and makes {y.shape} of {x.shape}. Write\n"
            f"    def build(self, in_shape):\n"
            f"        return {y.shape[1:]}  # the shape of y without the batch, computed from in_shape"
        )


def _hints(layer: Layer, error: AttributeError | IndexError) -> list[str]:
    """What to write, where a layer lacks what it did not declare, or takes what it gets for whole numbers."""
    if isinstance(error, IndexError):
        return ["x comes as floating-point numbers; an index is x.astype(int)"] * ("must be of integer" in str(error))
    if error.obj is not layer or type(layer).build is not Layer.build:
        return []
    return [
        f"{type(layer).__name__} has no build. If {error.name} is a parameter, write\n"
        f"        def build(self, in_shape):\n"
        f"            self.param({error.name!r}, in_shape, normal(0.1))  # its name and shape, and an initializer\n"
        f"            return in_shape  # the shape of y without the batch"
    ]
