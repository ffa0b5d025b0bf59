"""Saving and loading: model files that hold one network, and checkpoints that hold all that a run needs to go on.

Both are .npz archives of plain arrays, read with allow_pickle=False: opening one can run no code. The architecture of
a network is JSON inside the file, so a model file is enough to sample from. Files of version 1 (minigan 0.1), whose
layers hold no layers and whose checkpoints know less of their GAN, load as well.
"""

import dataclasses
import json
import zipfile
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from . import layers as own_layers
from .backend import get_backend
from .config import config_of, differences
from .errors import FileError, MiniganError, SettingsError, ShapeError
from .files import write_atomically
from .gan import GAN
from .generator import Generator
from .layers import Layer
from .network import Sequential

MODEL_FORMATS = ("minigan model 2", "minigan model 1")  # the first is written, all are read
CHECKPOINT_FORMATS = ("minigan checkpoint 2", "minigan checkpoint 1")
SHOWN = 6  # differences in a message


def build(description: dict[str, Any], layers: Iterable[type[Layer]] = (), backend: Any = None) -> Sequential:
    """The network that `Sequential.describe` described. `layers` are classes of your own that it uses."""
    known = {name: getattr(own_layers, name) for name in own_layers.__all__} | {"Sequential": Sequential}
    known |= {kind.__name__: kind for kind in layers}
    options = {name: value for name, value in description.items() if name != "layers"}
    options["input_shape"] = tuple(options["input_shape"])
    is_generator = "latent" in options or "classes" in options
    built = [_build_layer(entry, known) for entry in description["layers"]]
    return (Generator if is_generator else Sequential)(built, backend=backend, **options)


def _build_layer(entry: Any, known: dict[str, type[Layer]]) -> Any:
    """A layer from its description, with the layers inside it; anything else as it is."""
    if isinstance(entry, list):
        return [_build_layer(inner, known) for inner in entry]
    if not isinstance(entry, dict):
        return entry
    settings = {name: _build_layer(value, known) for name, value in entry.items()}
    kind = settings.pop("type")
    if kind not in known:
        raise FileError(f"the model has a layer {kind!r} that is not minigan's: load it with layers=[{kind}]")
    return known[kind].from_config(settings)


def save_model(path: str | Path, network: Sequential, overwrite: bool = True, steps: int | None = None) -> None:
    """Write one network, architecture and numbers, to a model file.

    steps: at which step of its training this is, if that shall be in the file (`steps_in` reads it)

    Raises FileError if it cannot be written, SettingsError for a layer with an argument that a file cannot hold.
    """
    if not isinstance(network, Sequential) or not network.is_network:
        raise SettingsError(f"save_model(path, network): network is a {type(network).__name__}")
    arrays = {"format": np.array(MODEL_FORMATS[0]), "architecture": np.array(json.dumps(network.describe()))}
    counted = {} if steps is None else {"steps": np.array(steps)}
    _write(path, arrays | counted | _numbers(network, ""), overwrite)


def load_model(path: str | Path, layers: Iterable[type[Layer]] = (), backend: Any = None) -> Sequential:
    """The network in a model file. Raises FileError if it is missing, damaged, or something else."""
    backend = get_backend(backend)
    if isinstance(layers, type) or not all(isinstance(kind, type) for kind in layers):
        raise SettingsError(f"load_model: layers must be a list of classes, such as [MyLayer]; it is {layers}")
    arrays = _read(path, MODEL_FORMATS, "a model file (a run's generator.npz is one)")
    try:
        network = build(json.loads(str(arrays["architecture"])), layers, backend)
        _put_numbers(network, arrays, "")
    except MiniganError as error:
        raise FileError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return network


def save_checkpoint(
    path: str | Path, gan: GAN, extra: Mapping[str, np.ndarray], run: Mapping[str, Any] | None = None
) -> None:
    """Write both networks, both optimizers, G's average and the step count; and the trainer's own arrays, as extra.

    run: what else makes the run what it is, such as its data and its batch size
    """
    _write(path, checkpoint_arrays(gan) | {
        "made_by": np.array(json.dumps(gan.config() | {"run": config_of(run or {})})),
        **{f"extra.{name}": array for name, array in extra.items()},
    })  # fmt: skip


def checkpoint_arrays(gan: GAN) -> dict[str, np.ndarray]:
    """All numbers of a GAN, on the host."""
    arrays = {"format": np.array(CHECKPOINT_FORMATS[0]), "steps": np.array(gan.steps)}
    if gan.average is not None:
        arrays["average"] = gan.G.backend.to_host(gan.average)
    for side, network, optimizer in _sides(gan):
        arrays |= _numbers(network, side)
        arrays[f"{side}optimizer.steps"] = np.array(optimizer.steps)
        arrays[f"{side}optimizer.learning_rate"] = np.array(optimizer.learning_rate)
        for name in optimizer.vectors:
            arrays[f"{side}optimizer.{name}"] = network.backend.to_host(getattr(optimizer, name))
    return arrays


def load_checkpoint(path: str | Path, gan: GAN, run: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
    """Put a checkpoint's numbers into a GAN of the same networks and optimizers; returns the trainer's own arrays.

    Raises FileError, saying in what they differ, if another GAN or another run wrote it, and if it is missing or
    damaged; the GAN is as it was then.
    """
    arrays = _read(path, CHECKPOINT_FORMATS, "a checkpoint")
    try:
        theirs = json.loads(str(arrays["made_by"]))
        old = str(arrays["format"]) == CHECKPOINT_FORMATS[1]
        ours = _config_of_version_1(gan) if old else gan.config() | {"run": config_of(run or {})}
        if run is None:
            theirs.pop("run", None), ours.pop("run", None)
        differing = differences(ours, theirs)
        if differing:
            more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
            raise FileError(
                f"{path} was written by another GAN: the two differ in {'; '.join(differing[:SHOWN])}{more}"
            )
        _require_whole(gan, arrays)
        for side, network, optimizer in _sides(gan):
            _put_numbers(network, arrays, side)
            optimizer.steps = int(arrays[f"{side}optimizer.steps"])
            optimizer.learning_rate = float(arrays[f"{side}optimizer.learning_rate"])
            for name in optimizer.vectors:
                _put(getattr(optimizer, name), arrays[f"{side}optimizer.{name}"], network)
        if gan.average is not None:
            _put(gan.average, arrays["average"], gan.G)
        gan.steps = int(arrays["steps"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return {name.removeprefix("extra."): array for name, array in arrays.items() if name.startswith("extra.")}


def _require_whole(gan: GAN, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises KeyError or ValueError unless every number that a GAN needs is there, of the right size, and finite."""
    wanted = {"steps": 1} | ({} if gan.average is None else {"average": gan.average.size})
    for side, network, optimizer in _sides(gan):
        sizes = {"params": network.params.size, "state": network.state.size, "forwards": 1}
        sizes |= {f"optimizer.{name}": 1 for name in ("steps", "learning_rate")}
        sizes |= {f"optimizer.{name}": network.params.size for name in optimizer.vectors}
        wanted |= {f"{side}{name}": size for name, size in sizes.items()}
    for name, size in wanted.items():
        array = arrays[name]
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{name} has entries that are no finite numbers")
        if array.size != size:
            raise ValueError(f"{name} has {array.size} numbers; wanted {size}")


def steps_of(path: str | Path) -> int:
    """The steps of the GAN in a checkpoint. Raises FileError if it is missing or damaged."""
    return int(_read(path, CHECKPOINT_FORMATS, "a checkpoint", only=("format", "steps"))["steps"])


def steps_in(path: str | Path) -> int | None:
    """The steps of training in a checkpoint or a model file; None if there is no such file, or it does not say."""
    try:
        return int(
            _read(path, CHECKPOINT_FORMATS + MODEL_FORMATS, "a file of steps", only=("format", "steps"))["steps"]
        )
    except (FileError, TypeError, ValueError):
        return None


def load_weights(gan: GAN, path: str | Path) -> tuple[str, ...]:
    """Put trained parameters and running statistics into a new GAN, to go on from them with other data or settings.

    Returns which networks have them now: ("G", "D") or ("G",).

    path   a run's folder or its checkpoint.npz: G and D, and G's average where both have one; or a model file, such as
           a run's generator.npz: G alone. The optimizers, and the counts of steps, stay as they are.

    Raises FileError if the file is missing or damaged; ShapeError, naming the array, where a network has arrays of
    other shapes; SettingsError for a GAN that was trained already. The GAN is as it was then.
    """
    if gan.steps:
        raise SettingsError(f"load_weights is for a new GAN, and this one has {gan.steps:,} steps already")
    path = Path(path)
    path = path / "checkpoint.npz" if path.is_dir() else path
    arrays = _read(path, CHECKPOINT_FORMATS + MODEL_FORMATS, "a checkpoint or a model file")
    try:
        if str(arrays["format"]) in MODEL_FORMATS:
            found = [(gan.G, json.loads(str(arrays["architecture"])), "")]
        else:
            made_by = json.loads(str(arrays["made_by"]))
            found = [(gan.G, made_by["G"], "G."), (gan.D, made_by["D"], "D.")]
        for network, description, prefix in found:
            _require_shapes(path, network, description, arrays, prefix)
        for network, _, prefix in found:
            network.params[...] = network.backend.asarray(arrays[f"{prefix}params"], network.dtype)
            network.state[...] = network.backend.asarray(arrays[f"{prefix}state"], network.dtype)
        if gan.average is not None:
            gan.average[...] = gan.G.backend.asarray(arrays.get("average", arrays[f"{found[0][2]}params"]), gan.G.dtype)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, MiniganError):
            raise
        raise FileError(f"{path} is damaged: {type(error).__name__}: {error}") from error
    return ("G", "D")[: len(found)]


def _require_shapes(
    path: Path, network: Sequential, description: dict[str, Any], arrays: Mapping[str, np.ndarray], prefix: str
) -> None:
    """The described network has the arrays that this one has, of the same shapes, in the same order."""
    kinds = {type(layer) for layer in network.walk()}
    described = build(description, [kind for kind in kinds if kind is not Sequential])
    for ours, theirs in ((network.slots, described.slots), (network.state_slots, described.state_slots)):
        for mine, other in zip_longest(ours, theirs):
            if mine is None or other is None or mine.shape != other.shape:
                here = f"{mine.name} of shape {mine.shape}" if mine else "nothing more"
                there = f"{other.name} of shape {other.shape}" if other else "nothing more"
                raise ShapeError(f"{path}: {network.name} has {here} where the file has {there}")
    sizes = arrays[f"{prefix}params"].shape, arrays[f"{prefix}state"].shape
    if sizes != (network.params.shape, network.state.shape):
        raise FileError(f"{path} is damaged: its numbers are {sizes}, not those of the network that it describes")


def _config_of_version_1(gan: GAN) -> dict[str, Any]:
    """What minigan 0.1 knew of a GAN, in its own words: settings of optimizers and losses were no part of it."""

    def words(switch: Any) -> Any:
        if switch is None or dataclasses.is_dataclass(switch):
            return None if switch is None else repr(switch)
        return getattr(switch, "__qualname__", type(switch).__name__)

    def architecture(network: Sequential) -> dict[str, Any]:
        described = network.describe()
        described = {name: value for name, value in described.items() if (name, value) != ("latent", "normal")}
        return {name: value for name, value in described.items() if (name, value) != ("classes", 0)}

    return {
        "seed": gan.seed,
        "G": architecture(gan.G),
        "D": architecture(gan.D),
        "G's optimizer": type(gan.g_optimizer).__name__,
        "D's optimizer": type(gan.d_optimizer).__name__,
        "noise": gan.noise,
        "d_update": gan.d_update,
        "d_steps": gan.d_steps,
        "objective": type(gan.objective).__name__,
        "clip": words(gan.clip),
        "penalty": words(gan.penalty),
        "schedule": words(gan.schedule),
        "learning rates": None if gan.schedule is None else list(gan.learning_rates),
        "ema": gan.ema,
    }


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


def _read(
    path: str | Path, wanted: tuple[str, ...], kind: str, only: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """All arrays of an .npz file of one of the wanted formats, or `only` these."""
    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile) or "format" not in archive.files:
                raise FileError(f"{path} is not {kind}: minigan did not write it")
            arrays = {name: archive[name] for name in only or archive.files}
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}; wanted {kind}") from error
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        if "pickle" in str(error).lower():
            raise FileError(f"{path} is not {kind}, or it holds pickled objects, which minigan never loads") from error
        raise FileError(f"{path} is truncated or damaged: {error}") from error
    if str(arrays["format"]) not in wanted:
        raise FileError(f"{path} is not {kind}: it says {str(arrays['format'])!r}, wanted {wanted[0]!r}")
    return arrays
