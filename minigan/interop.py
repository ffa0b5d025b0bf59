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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .archive import finite
from .backend import Array
from .errors import SettingsError, ShapeError
from .interop_orders import Orders
from .layers import (
    Basis,
    BatchNorm,
    Bias,
    Conv2D,
    Conv2DTranspose,
    Dense,
    LabelEmbedding,
    Layer,
    SpectralNorm,
)
from .layers.chain import Chain
from .network import Sequential

TORCH_NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}
TORCH_SPECTRAL = {
    "W": "parametrizations.weight.original", "b": "bias",
    "u": "parametrizations.weight.0._u", "v": "parametrizations.weight.0._v",
}  # fmt: skip
TORCH_OLD_SPECTRAL = {"W": "weight_orig", "b": "bias", "u": "weight_u", "v": "weight_v"}  # torch.nn.utils.spectral_norm
KNOWN = (Dense, Conv2D, Conv2DTranspose, BatchNorm, SpectralNorm, LabelEmbedding, Bias, Basis)
KERAS_NORM = ("gamma", "beta", "mean", "var")
COUNTER = "num_batches_tracked"  # PyTorch's BatchNorm counts its batches; nothing here needs to know
MODULE = re.compile(r"(.*?)\.?(?:parametrizations\..+|[^.]+)$")  # of a key: what stands before its array's own name
NAMED = 5  # complaints of one kind in a message
OPTIONAL = {"gamma": 1.0, "beta": 0.0, "b": 0.0}  # what their layers may lack, and what that means here
WRAPPERS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile, before every key


def to_torch(
    net: Sequential, modules: Sequence[str] | None = None, without: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """The network's numbers under the names and in the shapes of PyTorch: copies, of the network's dtype.

    The keys are those of an nn.Sequential with one module for each of our layers, "0.weight", "0.bias", "2.weight":
    Flatten and activations count. A layer in a nested Sequential is "3.0.weight", as of a nested nn.Sequential; in a
    Residual likewise, and its shortcut is "3.shortcut.weight". `modules` gives other names, one for each layer that has
    numbers, in their order: ["conv1", "norm1", "head.fc"]; `modules_of` reads them from a state_dict.

    Flatten and Reshape must be torch.nn.Flatten and Unflatten, with channels first. A SpectralNorm is what
    torch.nn.utils.parametrizations.spectral_norm makes. `without` names what PyTorch's layers lack, as in `to_keras`.
    """
    wanted, absent = _present(net, _torch_arrays(net, modules), without)
    _require_neutral(net, absent)
    return {carried.key: carried.read(net) for carried in wanted}


def from_torch(
    net: Sequential, state: Mapping[str, Any], modules: Sequence[str] | None = None, without: Sequence[str] = ()
) -> None:
    """Put a state_dict's numbers into the network; keys as `to_torch` has them. PyTorch's batch counters are ignored.

    A checkpoint that holds one state_dict, under whatever name, is taken for it. The keys of the older
    torch.nn.utils.spectral_norm, such as "0.weight_orig", are read as well.

    Raises ShapeError, and changes nothing, if a key is missing or left over, or an array has another shape or numbers
    that are not finite: the message names the layers, the keys and the shapes.
    """
    if not isinstance(state, Mapping):
        raise SettingsError(
            f"from_torch: state is a {type(state).__name__}; wanted a dictionary of arrays, such as "
            f"{{key: value.numpy() for key, value in module.state_dict().items()}}"
        )
    state = _state_dict(state)
    arrays = {key: value for key, value in state.items() if not str(key).endswith(COUNTER)}
    hint = "" if modules else ". If only the names differ, give modules=modules_of(state)"
    wanted, absent = _present(net, _torch_arrays(net, modules, arrays), without)
    _put("from_torch", net, wanted, absent, arrays, hint)


def modules_of(state: Mapping[str, Any]) -> list[str]:
    """The names of the modules in a state_dict, in order of appearance: for `to_torch` and `from_torch`.

    That is the order in which a module's __init__ made them, which may not be the order in which its forward uses them.
    Then the shapes will not fit, unless they happen to be equal: look at the list.
    """
    return list(dict.fromkeys(MODULE.sub(r"\1", key) for key in _state_dict(state)))


def _state_dict(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state_dict in a checkpoint, if there is one in it; its keys without what a wrapper puts before each."""
    inside = {
        key: value
        for key, value in state.items()
        if isinstance(value, Mapping) and value and all(hasattr(array, "shape") for array in value.values())
    }
    if len(inside) > 1:
        raise SettingsError(f"state holds several dictionaries of arrays: give one, state[{next(iter(inside))!r}] or "
                            f"another of {', '.join(map(repr, inside))}")  # fmt: skip
    if inside:
        (state,) = inside.values()
    for wrapper in WRAPPERS:
        if state and all(str(key).startswith(wrapper) for key in state):
            state = {key.removeprefix(wrapper): value for key, value in state.items()}
    return state


def to_keras(net: Sequential, without: Sequence[str] = ()) -> list[np.ndarray]:
    """The network's numbers as `set_weights` of an equal Keras model takes them: copies, of the network's dtype.

    In layer order: a Dense's or convolution's kernel and bias; a BatchNorm's gamma, beta, moving mean and variance.

    without  arrays that Keras's layers lack: "gamma" and "beta" of a BatchNorm with scale=False and center=False, "b"
             of a layer with use_bias=False; of all layers, or of one: "1.BatchNorm.gamma". Raises SettingsError where
             ours is not what that means, a gamma of 1 and others of 0.
    """
    wanted, absent = _present(net, _keras_arrays(net), without)
    _require_neutral(net, absent)
    return [carried.read(net) for carried in wanted]


def from_keras(net: Sequential, weights: Sequence[Any], without: Sequence[str] = ()) -> None:
    """Put what `get_weights()` of an equal Keras model returns into the network. What is `without` becomes 1 or 0.

    Raises ShapeError, and changes nothing, if there are too many or too few arrays, or one has another shape or numbers
    that are not finite.
    """
    if not isinstance(weights, list | tuple):
        raise SettingsError(
            f"from_keras: weights is a {type(weights).__name__}; wanted a list of arrays, as from model.get_weights()"
        )
    arrays = {f"weights[{i}]": array for i, array in enumerate(weights)}
    wanted, absent = _present(net, _keras_arrays(net), without)
    hint = ". Layers with scale=False, center=False or use_bias=False lack an array: say which, as without=['gamma']"
    _put("from_keras", net, [replace(one, key=f"weights[{i}]") for i, one in enumerate(wanted)], absent, arrays, hint)


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

    @property
    def neutral(self) -> float:
        """What it is where their layer lacks it."""
        return OPTIONAL[self.name.rpartition(".")[2]]

    def write(self, net: Sequential, theirs: np.ndarray) -> None:
        """The array in their shape becomes ours."""
        ours = np.empty(self.places.size, theirs.dtype)
        ours[self.places] = theirs
        self.values[...] = net.backend.asarray(ours.reshape(self.values.shape), net.dtype)


def _present(net: Sequential, arrays: list[Carried], without: Sequence[str]) -> tuple[list[Carried], list[Carried]]:
    """The arrays that the other side has, and those that it lacks. Raises SettingsError for names that are unknown."""
    names = [without] if isinstance(without, str) else list(without)
    may_lack = {one.name for one in arrays if one.name.rpartition(".")[2] in OPTIONAL}
    known = may_lack | {name.rpartition(".")[2] for name in may_lack}
    odd = [name for name in names if name not in known]
    if odd:
        raise SettingsError(f"{net.name}: without has {odd[0]!r}; what may be lacking is {', '.join(sorted(known))}")
    absent = [one for one in arrays if one.name in names or (one.name.rpartition(".")[2] in names)]
    return [one for one in arrays if one not in absent], absent


def _require_neutral(net: Sequential, absent: list[Carried]) -> None:
    """Raises SettingsError unless the function stays the same without these arrays."""
    for one in absent:
        if not (one.values == one.neutral).all():
            raise SettingsError(f"{net.name}: {one.name} is not {one.neutral:g} everywhere: it cannot be left out")


def _put(
    caller: str, net: Sequential, wanted: list[Carried], absent: list[Carried], arrays: Mapping[str, Any], hint: str
) -> None:
    """Write all arrays, or, if anything does not fit, none."""
    there = [carried for carried in wanted if carried.key in arrays]
    came = {one.key: _numbers(f"{caller}: {one.key}, for {one.name},", arrays[one.key]) for one in there}
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
        fitting = hint if missing and (over or caller == "from_keras") else ""
        raise ShapeError(f"{caller}: the arrays do not fit {net.name}, and nothing was changed. {told}{fitting}")
    values = [_finite(f"{caller}: {one.key}, for {one.name},", came[one.key], one, net) for one in wanted]
    for carried, value in zip(wanted, values, strict=True):
        carried.write(net, value)
    for carried in absent:
        carried.values[...] = carried.neutral
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


def _finite(what: str, array: np.ndarray, carried: Carried, net: Sequential) -> np.ndarray:
    """In the network's dtype. Raises ShapeError for NaN, infinity, and variances below 0."""
    try:
        found = finite(array, net.dtype, what)
    except ValueError as error:
        raise ShapeError(f"{error}; nothing was changed") from error
    if carried.name.endswith("BatchNorm.var") and (found < 0).any():
        raise ShapeError(f"{what} has variances below 0; nothing was changed")
    return found


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


def _torch_arrays(
    net: Sequential, modules: Sequence[str] | None, state: Mapping[str, Any] | None = None
) -> list[Carried]:
    """state: whose keys may be those of an older PyTorch"""
    learners = _learners(net, "PyTorch")
    names = [path for path, _ in learners] if modules is None else list(modules)
    if isinstance(modules, str) or len(names) != len(learners) or len(set(names)) != len(names):
        here = ", ".join(layer.name for _, layer in learners)
        raise SettingsError(
            f"{net.name}: modules is {modules!r}; wanted a list of {len(learners)} different names, for {here}"
        )
    orders = Orders(net)
    return [
        Carried(f"{holder.name}.{name}", f"{module}.{key}" if module else key, getattr(holder, name), places)
        for module, (_, layer) in zip(names, learners, strict=True)
        for holder, name, key, places in _torch_places(
            layer, *orders.around(layer), f"{module}.weight_orig".removeprefix(".") in (state or ())
        )
    ]


def _torch_places(
    layer: Layer, before: np.ndarray, after: np.ndarray, is_old: bool
) -> list[tuple[Layer, str, str, np.ndarray]]:
    """(the layer that has it, our name, PyTorch's, places) of a layer's arrays, from the orders of what goes into it
    and what comes out.    is_old: with the names of PyTorch's older spectral norm
    """
    if isinstance(layer, BatchNorm):
        features = after if len(after) == len(layer.gamma) else slice(None)  # of images it has one number a channel
        return [(layer, name, key, _places(layer, name)[features]) for name, key in TORCH_NORM.items()]
    if isinstance(layer, LabelEmbedding):
        return [(layer, "E", "weight", _places(layer, "E"))]
    if isinstance(layer, Basis):
        if not np.array_equal(before, np.arange(len(before))):
            raise SettingsError(
                f"{layer.context.network}: {layer.name} takes the pixels of an image in another order than PyTorch's: "
                f"no weights make the two the same function"
            )
        return [(layer, "B", "weight", _places(layer, "B").transpose(2, 0, 1))]
    if isinstance(layer, Bias):
        return [(layer, "b", "bias", _places(layer, "b")[after if len(after) == len(layer.b) else slice(None)])]
    spectral = isinstance(layer, SpectralNorm)
    inner: Any = layer.layer if isinstance(layer, SpectralNorm) else layer
    holders = {"W": inner, "b": inner} | ({"u": layer, "v": layer} if spectral else {})
    keys = (TORCH_OLD_SPECTRAL if is_old else TORCH_SPECTRAL) if spectral else {"W": "weight", "b": "bias"}
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


# Keras. --------------------------------------------------------------------------------------------------------------


def _keras_arrays(net: Sequential) -> list[Carried]:
    found: list[Carried] = []
    for _, layer in _learners(net, "Keras"):
        if isinstance(layer, SpectralNorm):
            raise SettingsError(
                f"{net.name}: {layer.name} has no equal in Keras, whose SpectralNormalization divides the kernel that "
                f"it keeps, again at every step: carry over a network with {layer.layer!r} in its place"
            )
        names = KERAS_NORM if isinstance(layer, BatchNorm) else ("E", "B", "W", "b")
        for name in names:
            if hasattr(layer, name):
                places = _places(layer, name)
                if name == "W" and isinstance(layer, Conv2D | Conv2DTranspose):
                    places = places.reshape(*layer.kernel, -1, places.shape[1])
                found.append(Carried(f"{layer.name}.{name}", f"weights[{len(found)}]", getattr(layer, name), places))
    return found
