"""Saving and loading: model files that hold one network, and checkpoints that hold all that a run needs to go on.

Both are .npz archives of plain arrays, read with allow_pickle=False: opening one can run no code. The architecture of
a network is JSON inside the file, so a model file is enough to sample from.
"""

import dataclasses
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from . import layers as own_layers
from .backend import get_backend
from .errors import FileError, MiniganError, SettingsError
from .files import write_atomically
from .gan import GAN
from .layers import Layer
from .network import Sequential

MODEL_FORMAT = "minigan model 1"
CHECKPOINT_FORMAT = "minigan checkpoint 1"


def architecture(network: Sequential) -> dict[str, Any]:
    """The network without its numbers, as JSON can hold it. Initializers are left out: a loaded network has started."""
    described = {
        "name": network.name,
        "input_shape": list(network.input_shape),
        "dtype": network.dtype.name,
        "seed": network.seed,
        "layers": [
            {"type": type(layer).__name__, **{k: v for k, v in layer.config().items() if not callable(v)}}
            for layer in network.layers
        ],
    }
    return described if network.latent == "normal" else described | {"latent": network.latent}


def build(description: dict[str, Any], layers: Iterable[type[Layer]] = (), backend: Any = None) -> Sequential:
    """The network that `architecture` described. `layers` are classes of your own that it uses."""
    known = {name: getattr(own_layers, name) for name in own_layers.__all__} | {kind.__name__: kind for kind in layers}
    built = []
    for entry in description["layers"]:
        settings = dict(entry)
        kind = settings.pop("type")
        if kind not in known:
            raise FileError(f"the model has a layer {kind!r} that is not minigan's: load it with layers=[{kind}]")
        built.append(known[kind](**settings))
    return Sequential(
        built,
        input_shape=tuple(description["input_shape"]),
        name=description["name"],
        dtype=description["dtype"],
        seed=description["seed"],
        latent=description.get("latent", "normal"),
        backend=backend,
    )


def save_model(path: str | Path, network: Sequential, overwrite: bool = True) -> None:
    """Write one network, architecture and numbers, to a model file."""
    if not isinstance(network, Sequential):
        raise SettingsError(f"save_model(path, network): network is a {type(network).__name__}")
    arrays = {"format": np.array(MODEL_FORMAT), "architecture": np.array(json.dumps(architecture(network)))}
    _write(path, arrays | _numbers(network, ""), overwrite)


def load_model(path: str | Path, layers: Iterable[type[Layer]] = (), backend: Any = None) -> Sequential:
    """The network in a model file. Raises FileError if it is missing, damaged, or something else."""
    backend = get_backend(backend)
    if isinstance(layers, type) or not all(isinstance(kind, type) for kind in layers):
        raise SettingsError(f"load_model: layers must be a list of classes, such as [MyLayer]; it is {layers}")
    arrays = _read(path, MODEL_FORMAT, "a model file (a run's generator.npz is one)")
    try:
        network = build(json.loads(str(arrays["architecture"])), layers, backend)
        _put_numbers(network, arrays, "")
    except MiniganError as error:
        raise FileError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return network


def save_checkpoint(path: str | Path, gan: GAN, extra: dict[str, np.ndarray]) -> None:
    """Write both networks, both optimizers, G's average and the step count; and the trainer's own arrays, as extra."""
    arrays = {
        "format": np.array(CHECKPOINT_FORMAT),
        "made_by": np.array(_makers(gan)),
        "steps": np.array(gan.steps),
    }
    if gan.average is not None:
        arrays["average"] = gan.G.backend.to_host(gan.average)
    for side, network, optimizer in _sides(gan):
        arrays |= _numbers(network, side)
        arrays[f"{side}optimizer.steps"] = np.array(optimizer.steps)
        arrays[f"{side}optimizer.learning_rate"] = np.array(optimizer.learning_rate)
        for name in optimizer.vectors:
            arrays[f"{side}optimizer.{name}"] = network.backend.to_host(getattr(optimizer, name))
    _write(path, arrays | {f"extra.{name}": array for name, array in extra.items()})


def load_checkpoint(path: str | Path, gan: GAN) -> dict[str, np.ndarray]:
    """Put a checkpoint's numbers into a GAN of the same networks and optimizers; returns the trainer's own arrays.

    Raises FileError, saying in what they differ, if another GAN wrote it, and if it is missing or damaged.
    """
    arrays = _read(path, CHECKPOINT_FORMAT, "a checkpoint")
    try:
        theirs, ours = json.loads(str(arrays["made_by"])), json.loads(_makers(gan))
        differing = [name for name in ours if ours[name] != theirs.get(name)]
        if differing:
            raise FileError(f"{path} was written by another GAN: the two differ in {', '.join(differing)}")
        for side, network, optimizer in _sides(gan):
            _put_numbers(network, arrays, side)
            optimizer.steps = int(arrays[f"{side}optimizer.steps"])
            optimizer.learning_rate = float(arrays[f"{side}optimizer.learning_rate"])
            for name in optimizer.vectors:
                _put(getattr(optimizer, name), arrays[f"{side}optimizer.{name}"], network)
        if gan.average is not None:
            _put(gan.average, arrays["average"], gan.G)
        gan.steps = int(arrays["steps"])
    except (KeyError, ValueError, AttributeError) as error:
        raise FileError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return {name.removeprefix("extra."): array for name, array in arrays.items() if name.startswith("extra.")}


def _makers(gan: GAN) -> str:
    """What must be equal for a run to go on as it began, as JSON. With a schedule, that is its first learning rates."""
    makers = {
        "seed": gan.seed,
        "G": architecture(gan.G),
        "D": architecture(gan.D),
        "G's optimizer": type(gan.g_optimizer).__name__,
        "D's optimizer": type(gan.d_optimizer).__name__,
        "noise": gan.noise,
        "d_update": gan.d_update,
        "d_steps": gan.d_steps,
        "objective": type(gan.objective).__name__,
        "clip": gan.clip,
        "penalty": gan.penalty,
        "schedule": gan.schedule,
        "learning rates": None if gan.schedule is None else gan.learning_rates,
        "ema": gan.ema,
    }
    return json.dumps(makers, default=_describe)


def _describe(switch: Any) -> str:
    """A dataclass with its values; of another function the name, since its repr has an address in memory."""
    return repr(switch) if dataclasses.is_dataclass(switch) else getattr(switch, "__qualname__", type(switch).__name__)


def _sides(gan: GAN) -> list[tuple[str, Sequential, Any]]:
    return [("G.", gan.G, gan.g_optimizer), ("D.", gan.D, gan.d_optimizer)]


def _numbers(network: Sequential, prefix: str) -> dict[str, np.ndarray]:
    to_host = network.backend.to_host
    return {
        f"{prefix}params": to_host(network.params),
        f"{prefix}state": to_host(network.state),
        f"{prefix}forwards": np.array(network.forwards),
    }


def _put_numbers(network: Sequential, arrays: dict[str, np.ndarray], prefix: str) -> None:
    _put(network.params, arrays[f"{prefix}params"], network)
    _put(network.state, arrays[f"{prefix}state"], network)
    network.forwards = int(arrays[f"{prefix}forwards"])
    network.discard()


def _put(target: Any, source: np.ndarray, network: Sequential) -> None:
    if target.shape != source.shape:
        raise ValueError(f"{network.name} has {target.size} numbers where the file has {source.size}")
    target[...] = network.backend.asarray(source, network.dtype)


def _write(path: str | Path, arrays: dict[str, np.ndarray], overwrite: bool = True) -> None:
    """What np.savez writes, but with equal dates, and closed properly on a full disk (in NumPy 2.0 it is not)."""

    def write(file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)

    write_atomically(path, write, overwrite)


def _read(path: str | Path, wanted: str, kind: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file of the wanted format."""
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile) or "format" not in archive.files:
                raise FileError(f"{path} is not {kind}: minigan did not write it")
            arrays = {name: archive[name] for name in archive.files}
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}; wanted {kind}") from error
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        if "pickle" in str(error).lower():
            raise FileError(f"{path} is not {kind}, or it holds pickled objects, which minigan never loads") from error
        raise FileError(f"{path} is truncated or damaged: {error}") from error
    if str(arrays["format"]) != wanted:
        raise FileError(f"{path} is not {kind}: it says {str(arrays['format'])!r}, wanted {wanted!r}")
    return arrays
