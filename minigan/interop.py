"""Weights from and to PyTorch and Keras, as NumPy arrays. Neither library is imported, and no number changes.

    to_torch(net), from_torch(net, state)        a dictionary of arrays, such as a module's state_dict
    to_keras(net), from_keras(net, weights)      a list of arrays, such as get_weights() returns

Three things differ. Axes: a Dense weight is (in, out) here and in Keras, (out, in) in PyTorch; kernels have their own
orders. Features: where PyTorch flattens an image, or makes one of a row, channels come first, so the rows or columns of
the Dense beside it, and the vectors of a BatchNorm there, stand in another order. Names: PyTorch's keys name a module,
Keras's list has only an order. Momentum, eps and borders are no weights: docs/notation.md has their conventions.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backend import Array
from .errors import SettingsError, ShapeError
from .layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    LabelEmbedding,
    Layer,
    Reshape,
    Residual,
    SpectralNorm,
)
from .layers.chain import Chain
from .network import Sequential

TORCH_NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
TORCH_SPECTRAL = {
    "W": "parametrizations.weight.original", "b": "bias",
    "u": "parametrizations.weight.0._u", "v": "parametrizations.weight.0._v",
}  # fmt: skip
KNOWN = (Dense, Conv2D, Conv2DTranspose, BatchNorm, SpectralNorm, LabelEmbedding)
KERAS_NORM = ("gamma", "beta", "mean", "var")
COUNTER = "num_batches_tracked"  # PyTorch's BatchNorm counts its batches; nothing here needs to know
MODULE = re.compile(r"(.*?)\.?(?:parametrizations\..+|[^.]+)$")  # of a key: what stands before its array's own name
NAMED = 5  # complaints of one kind in a message


def to_torch(net: Sequential, modules: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """The network's numbers under the names and in the shapes of PyTorch: copies, of the network's dtype.

    The keys are those of an nn.Sequential with one module for each of our layers, "0.weight", "0.bias", "2.weight":
    Flatten and activations count. A layer in a nested Sequential is "3.0.weight", as of a nested nn.Sequential; in a
    Residual likewise, and its shortcut is "3.shortcut.weight". `modules` gives other names, one for each layer that has
    numbers, in their order: ["conv1", "norm1", "head.fc"]; `modules_of` reads them from a state_dict.

    Flatten and Reshape must be torch.nn.Flatten and Unflatten, with channels first. A SpectralNorm is what
    torch.nn.utils.parametrizations.spectral_norm makes.
    """
    return {carried.key: carried.read(net) for carried in _torch_arrays(net, modules)}


def from_torch(net: Sequential, state: Mapping[str, Any], modules: Sequence[str] | None = None) -> None:
    """Put a state_dict's numbers into the network; keys as `to_torch` has them. PyTorch's batch counters are ignored.

    Raises ShapeError, and changes nothing, if a key is missing or left over or an array has another shape: the message
    names the layers, the keys and the shapes.
    """
    if not isinstance(state, Mapping):
        raise SettingsError(
            f"from_torch: state is a {type(state).__name__}; wanted a dictionary of arrays, such as "
            f"{{key: value.numpy() for key, value in module.state_dict().items()}}"
        )
    arrays = {key: value for key, value in state.items() if not key.endswith(COUNTER)}
    hint = "" if modules else ". If only the names differ, give modules=modules_of(state)"
    _put("from_torch", net, _torch_arrays(net, modules), arrays, hint)


def modules_of(state: Mapping[str, Any]) -> list[str]:
    """The names of the modules in a state_dict, in order of appearance: for `to_torch` and `from_torch`.

    That is the order in which a module's __init__ made them, which may not be the order in which its forward uses them.
    Then the shapes will not fit, unless they happen to be equal: look at the list.
    """
    return list(dict.fromkeys(MODULE.sub(r"\1", key) for key in state))


def to_keras(net: Sequential) -> list[np.ndarray]:
    """The network's numbers as `set_weights` of an equal Keras model takes them: copies, of the network's dtype.

    In layer order: a Dense's or convolution's kernel and bias; a BatchNorm's gamma, beta, moving mean and variance.
    """
    return [carried.read(net) for carried in _keras_arrays(net)]


def from_keras(net: Sequential, weights: Sequence[Any]) -> None:
    """Put what `get_weights()` of an equal Keras model returns into the network.

    Raises ShapeError, and changes nothing, if there are too many or too few arrays or one has another shape.
    """
    if not isinstance(weights, list | tuple):
        raise SettingsError(
            f"from_keras: weights is a {type(weights).__name__}; wanted a list of arrays, as from model.get_weights()"
        )
    arrays = {f"weights[{i}]": array for i, array in enumerate(weights)}
    _put("from_keras", net, _keras_arrays(net), arrays, "")


@dataclass(frozen=True)
class Carried:
    """One array: where it lies here, what it is called there, and which of its numbers stands where."""

    name: str  # "2.Conv2D.W"
    key: str  # "2.weight", "weights[4]"
    values: Array  # the view into the network's vector
    places: np.ndarray  # in their shape: our index of each of their numbers

    def read(self, net: Sequential) -> np.ndarray:
        """A copy, in their shape."""
        return net.backend.to_host(self.values).reshape(-1)[self.places]

    def write(self, net: Sequential, theirs: np.ndarray) -> None:
        """The array in their shape becomes ours."""
        ours = np.empty(self.places.size, theirs.dtype)
        ours[self.places] = theirs
        self.values[...] = net.backend.asarray(ours.reshape(self.values.shape), net.dtype)


def _put(caller: str, net: Sequential, wanted: list[Carried], arrays: Mapping[str, Any], hint: str) -> None:
    """Write all arrays, or, if anything does not fit, none."""
    there = [carried for carried in wanted if carried.key in arrays]
    came = {carried.key: _numbers(f"{caller}: {carried.key}, for {carried.name},", arrays[carried.key])
            for carried in there}  # fmt: skip
    wrong = [
        f"{carried.key}, for {carried.name}, is {came[carried.key].shape} and must be {carried.places.shape}"
        for carried in there
        if came[carried.key].shape != carried.places.shape
    ]
    missing = [f"{one.key}, {one.places.shape}, for {one.name}" for one in wanted if one.key not in came]
    over = [f"{key}, {np.shape(array)}" for key, array in arrays.items() if key not in came]
    found = {"wrong shape": wrong, "missing": missing, "left over": over}
    told = ". ".join(f"{what.capitalize()}: {_listed(items)}" for what, items in found.items() if items)
    if told:
        fitting = hint if missing and over else ""
        raise ShapeError(f"{caller}: the arrays do not fit {net.name}, and nothing was changed. {told}{fitting}")
    for carried in wanted:
        carried.write(net, came[carried.key])
    net.discard()


def _listed(items: list[str]) -> str:
    more = f"; and {len(items) - NAMED} more" if len(items) > NAMED else ""
    return "; ".join(items[:NAMED]) + more


def _numbers(what: str, value: Any) -> np.ndarray:
    """A NumPy array of numbers. Raises ShapeError if it is none."""
    try:
        array = np.asarray(value)
    except Exception as error:  # a tensor on a GPU, or one that wants a gradient: each library has its own words
        raise ShapeError(f"{what} is a {type(value).__name__} that is no NumPy array: {error}") from error
    if array.dtype.kind not in "fiu":
        raise ShapeError(f"{what} has dtype {array.dtype}; wanted numbers")
    return array


def _learners(net: Sequential, library: str) -> list[tuple[str, Layer]]:
    """The layers that have numbers, at any depth, each behind its path: "3", in a block "3.0", "3.shortcut".

    Raises SettingsError for a layer that the library does not have.
    """
    if not isinstance(net, Sequential) or not net.is_network:
        raise SettingsError(f"net is a {type(net).__name__}; wanted a Sequential with an input_shape")

    def inside(layer: Layer, path: str) -> Iterator[tuple[str, Layer]]:
        if isinstance(layer, Chain):
            for name, child in layer.children().items():
                place = name.split(".")[0]
                yield from inside(child, f"{path}.{place}" if path else place)
        elif any(one.declared["params"] or one.declared["state"] for one in layer.walk()):
            if not isinstance(layer, KNOWN):
                raise SettingsError(
                    f"{net.name}: {layer.name} is a layer of your own, and how {library} keeps its numbers is not "
                    f"known here: carry them over by hand"
                )
            yield path, layer

    return list(inside(net, ""))


def _places(layer: Layer, name: str) -> np.ndarray:
    """The indices of a layer's array, in its own shape."""
    shape = getattr(layer, name).shape
    return np.arange(math.prod(shape)).reshape(shape)


# PyTorch. ------------------------------------------------------------------------------------------------------------


def _torch_arrays(net: Sequential, modules: Sequence[str] | None) -> list[Carried]:
    learners = _learners(net, "PyTorch")
    names = [path for path, _ in learners] if modules is None else list(modules)
    if isinstance(modules, str) or len(names) != len(learners) or len(set(names)) != len(names):
        here = ", ".join(layer.name for _, layer in learners)
        raise SettingsError(
            f"{net.name}: modules is {modules!r}; wanted a list of {len(learners)} different names, for {here}"
        )
    orders = _Orders(net)
    return [
        Carried(f"{holder.name}.{name}", f"{module}.{key}" if module else key, getattr(holder, name), places)
        for module, (_, layer) in zip(names, learners, strict=True)
        for holder, name, key, places in _torch_places(layer, *orders.around(layer))
    ]


def _torch_places(layer: Layer, before: np.ndarray, after: np.ndarray) -> list[tuple[Layer, str, str, np.ndarray]]:
    """(the layer that has it, our name, PyTorch's, places) of a layer's arrays, from the orders of what goes into it
    and what comes out.
    """
    if isinstance(layer, BatchNorm):
        features = after if len(after) == len(layer.gamma) else slice(None)  # of images it has one number a channel
        return [(layer, name, key, _places(layer, name)[features]) for name, key in TORCH_NORM.items()]
    if isinstance(layer, LabelEmbedding):
        return [(layer, "E", "weight", _places(layer, "E"))]
    spectral = isinstance(layer, SpectralNorm)
    inner: Any = layer.layer if isinstance(layer, SpectralNorm) else layer
    holders = {"W": inner, "b": inner} | ({"u": layer, "v": layer} if spectral else {})
    keys = TORCH_SPECTRAL if spectral else {"W": "weight", "b": "bias"}
    found = {name: _places(holder, name) for name, holder in holders.items() if hasattr(holder, name)}
    if isinstance(inner, Dense):
        order: dict[str, Any] = {"W": np.s_[before[:, None], after], "b": after, "u": after, "v": before}
        found = {name: places[order[name]] for name, places in found.items()}
        found["W"] = found["W"].T
    else:
        found["W"] = found["W"].reshape(*inner.kernel, -1, found["W"].shape[1]).transpose(3, 2, 0, 1)
        if "v" in found:
            found["v"] = found["v"].reshape(*inner.kernel, -1).transpose(2, 0, 1).reshape(-1)
    return [(holders[name], name, keys[name], places) for name, places in found.items()]


class _Orders:
    """Between all layers: which of our numbers is PyTorch's k-th, if it has images with channels first.

    A row of numbers takes its order from the image that Flatten made it of, or that Reshape will make of it. Only a
    Dense can change the order, by that of its rows and columns. `places` are the points between layers, by shape;
    `ties` join two points with one order, and name the layer between them.
    """

    def __init__(self, net: Sequential) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.ties: list[tuple[int, int, str]] = []
        self.ends: dict[str, tuple[int, int]] = {}  # by layer
        self._visit(net, self._point(net.input_shape))
        found = [_channels_first(shape) if len(shape) > 1 else None for shape in self.shapes]
        for _ in self.ties:  # an order travels at least one tie a round
            for a, b, _ in [*self.ties, *reversed(self.ties)]:
                found[a] = found[b] if found[a] is None else found[a]
                found[b] = found[a] if found[b] is None else found[b]
        self.orders = [
            _channels_first(shape) if order is None else order for order, shape in zip(found, self.shapes, strict=True)
        ]
        for a, b, name in self.ties:
            if not np.array_equal(self.orders[a], self.orders[b]):
                raise SettingsError(
                    f"{net.name}: {name} makes {self.shapes[b]} of {self.shapes[a]} with channels last, and PyTorch "
                    f"with channels first: no weights make the two the same function"
                )

    def around(self, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """The orders before and after a layer."""
        before, after = self.ends[layer.name]
        return self.orders[before], self.orders[after]

    def _point(self, shape: tuple[int, ...]) -> int:
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _visit(self, layer: Layer, before: int) -> int:
        """Add what is inside, behind this point. Returns the point behind it."""
        if isinstance(layer, Residual):
            after, way = self._point(layer.output_shape), before
            for child in layer.layers:
                way = self._visit(child, way)
            other = before if layer.shortcut is None else self._visit(layer.shortcut, before)
            self.ties += [(way, after, layer.name), (other, after, layer.name)]
            return after
        if isinstance(layer, Chain):
            for child in layer.layers:
                before = self._visit(child, before)
            return before
        after = self._point(layer.output_shape)
        self.ends[layer.name] = before, after
        if _keeps_order(layer, layer.input_shape, layer.output_shape):
            self.ties.append((before, after, layer.name))
        return after


def _channels_first(shape: tuple[int, ...]) -> np.ndarray:
    """Our index of each number of an image that is read channel by channel; of a row, 0, 1, 2, ..."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).reshape(-1)


def _keeps_order(layer: Layer, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> bool:
    """The k-th number of its output comes from the k-th of its input, for rows and for what makes or ends them."""
    if isinstance(layer, Flatten | Reshape):
        return True
    return len(in_shape) == 1 and in_shape == out_shape and not isinstance(layer, Dense | SpectralNorm | LabelEmbedding)


# Keras. --------------------------------------------------------------------------------------------------------------


def _keras_arrays(net: Sequential) -> list[Carried]:
    found: list[Carried] = []
    for _, layer in _learners(net, "Keras"):
        if isinstance(layer, SpectralNorm):
            raise SettingsError(
                f"{net.name}: {layer.name} has no equal in Keras, whose SpectralNormalization divides the kernel that "
                f"it keeps, again at every step: carry over a network with {layer.layer!r} in its place"
            )
        names = (
            KERAS_NORM if isinstance(layer, BatchNorm) else ("E",) if isinstance(layer, LabelEmbedding) else ("W", "b")
        )
        for name in names:
            if hasattr(layer, name):
                places = _places(layer, name)
                if name == "W" and isinstance(layer, Conv2D | Conv2DTranspose):
                    places = places.reshape(*layer.kernel, -1, places.shape[1])
                found.append(Carried(f"{layer.name}.{name}", f"weights[{len(found)}]", getattr(layer, name), places))
    return found
