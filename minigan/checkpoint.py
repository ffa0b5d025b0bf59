"""Saving and loading: model files that hold one network, and checkpoints that hold all that a run needs to go on.

Both are .npz archives of plain arrays, read with allow_pickle=False: opening one can run no code. The architecture of
a network is JSON inside the file, so a model file is enough to sample from. Files of version 1 (minigan 0.1), whose
layers hold no layers and whose checkpoints know less of their GAN, load as well.
"""

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from .archive import (
    LONGEST_TEXT,
    MAGIC,
    PICKLED,
    Archive,
    count_in,
    finite,
    json_in,
    number_in,
    read_arrays,
    require_numbers,
    text_in,
    write_archive,
)
from .backend import get_backend
from .blueprint import MOST_LAYERS, Blueprint, Declared, declared_by
from .config import config_of, differences
from .errors import FileError, MiniganError, SettingsError, ShapeError, counted
from .files import open_regular, write_atomically
from .gan import GAN
from .layers import Layer
from .network import Sequential

MODEL_FORMATS = ("minigan model 2", "minigan model 1")  # the first is written, all are read
CHECKPOINT_FORMATS = ("minigan checkpoint 2", "minigan checkpoint 1")
SHOWN = 6  # differences in a message


def save_model(path: str | Path, network: Sequential, overwrite: bool = True, steps: int | None = None) -> None:
    """Write one network, architecture and numbers, to a model file.

    steps: at which step of its training this is, if that shall be in the file (`steps_in` reads it)

    Raises FileError if it cannot be written, SettingsError for a layer with an argument that a file cannot hold or more
    than 2,000 layers, DivergedError, naming the array, for numbers that are not finite.
    """
    if not isinstance(network, Sequential) or not network.is_network:
        raise SettingsError(f"save_model(path, network): network is a {type(network).__name__}")
    arrays = {"format": np.array(MODEL_FORMATS[0]), "architecture": np.array(json.dumps(network.describe()))}
    network.require_finite()
    if (count := sum(1 for _ in network.walk())) > MOST_LAYERS:
        raise SettingsError(f"save_model: {network.name} has {count:,} layers; a file may have {MOST_LAYERS:,}")
    arrays |= _numbers(network, "") | ({} if steps is None else {"steps": np.array(steps)})
    write_atomically(path, lambda file: write_archive(file, arrays), overwrite)


def load_model(
    path: str | Path, layers: Iterable[type[Layer]] = (), backend: Any = None, network: str | None = None
) -> Sequential:
    """The network in a model file. Raises FileError if it is missing, damaged, or something else.

    layers    classes of your own that it has
    network   "G" or "D": that network of a checkpoint, as it was trained last, without G's average

    The numbers in the file are compared with those that the architecture declares before memory is taken for either.
    """
    backend = get_backend(backend)
    if isinstance(layers, type) or not all(isinstance(kind, type) for kind in layers):
        raise SettingsError(f"load_model: layers must be a list of classes, such as [MyLayer]; it is {layers}")
    if network not in (None, "G", "D"):
        raise SettingsError(f"load_model: network is {network!r}; wanted 'G' or 'D', of a checkpoint")
    of_model = MODEL_FORMATS, "a model file (a run's generator.npz is one)"
    with _opened(path, *(of_model if network is None else (CHECKPOINT_FORMATS, "a checkpoint"))) as archive:
        described = json_in(archive, "architecture") if network is None else json_in(archive, "made_by")[network]
        with _named(path):
            blueprint = Blueprint(described, layers)
            prefix = "" if network is None else f"{network}."
            numbers = _network_numbers(archive, prefix, blueprint.declared(), blueprint.options)
            found = blueprint.build(backend)
        _put_numbers(found, numbers)
    return found


@contextlib.contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """What layers say of their arguments becomes a FileError with the name of the file that has them."""
    try:
        yield
    except MiniganError as error:
        raise FileError(f"{path}: {error}") from error


def save_checkpoint(
    path: str | Path, gan: GAN, extra: Mapping[str, np.ndarray], run: Mapping[str, Any] | None = None
) -> None:
    """Write both networks, both optimizers, G's average and the step count; and the trainer's own arrays, as extra.

    run: what else makes the run what it is, such as its data and its batch size
    """
    arrays = checkpoint_arrays(gan) | {
        "made_by": np.array(json.dumps(gan.config() | {"run": config_of(run or {})})),
        **{f"extra.{name}": array for name, array in extra.items()},
    }
    write_atomically(path, lambda file: write_archive(file, arrays))


def checkpoint_arrays(gan: GAN) -> dict[str, np.ndarray]:
    """All numbers of a GAN, on the host."""
    arrays = {"format": np.array(CHECKPOINT_FORMATS[0]), "steps": np.array(gan.steps), "seen": np.array(gan.seen)}
    if gan.average is not None:
        arrays["average"] = gan.G.backend.to_host(gan.average)
    for side, network, optimizer in _sides(gan):
        arrays |= _numbers(network, side)
        arrays[f"{side}optimizer.steps"] = np.array(optimizer.steps)
        arrays |= {f"{side}optimizer.{name}": np.array(getattr(optimizer, name)) for name in optimizer.moving}
        for name in optimizer.vectors:
            arrays[f"{side}optimizer.{name}"] = network.backend.to_host(getattr(optimizer, name))
    return arrays


def load_checkpoint(path: str | Path, gan: GAN, run: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
    """Put a checkpoint's numbers into a GAN of the same networks and optimizers; returns the trainer's own arrays.

    Raises FileError, saying in what they differ, if another GAN or another run wrote it, and if it is missing or
    damaged, or has a number that is none; the GAN is as it was then.
    """
    with _opened(path, CHECKPOINT_FORMATS, "a checkpoint") as archive:
        theirs = dict(json_in(archive, "made_by"))
        old = text_in(archive, "format") == CHECKPOINT_FORMATS[1]
        ours = _config_of_version_1(gan) if old else gan.config() | {"run": config_of(run or {})}
        if run is None:
            theirs.pop("run", None), ours.pop("run", None)
        differing = differences(ours, theirs)
        if differing:
            more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
            raise FileError(
                f"{path} was written by another GAN: the two differ in {'; '.join(differing[:SHOWN])}{more}"
            )
        sides = [
            (network, optimizer, _side_numbers(archive, side, network, optimizer))
            for side, network, optimizer in _sides(gan)
        ]
        average = None if gan.average is None else _vector(archive, "average", declared_by(gan.G)["params"], gan.G)
        steps, seen = count_in(archive, "steps"), count_in(archive, "seen") if "seen" in archive else 0
        extra = {name.removeprefix("extra."): _extra(archive, name) for name in archive if name.startswith("extra.")}
    for network, optimizer, numbers in sides:
        _put_numbers(network, numbers)
        optimizer.steps = numbers["optimizer.steps"]
        for name in optimizer.moving:
            setattr(optimizer, name, numbers[f"optimizer.{name}"])
        for name in optimizer.vectors:
            getattr(optimizer, name)[...] = network.backend.asarray(numbers[f"optimizer.{name}"], network.dtype)
    if gan.average is not None:
        gan.average[...] = gan.G.backend.asarray(average, gan.G.dtype)
    gan.steps, gan.seen = steps, seen
    return extra


def steps_of(path: str | Path) -> int:
    """The steps of the GAN in a checkpoint. Raises FileError if it is missing or damaged."""
    with _opened(path, CHECKPOINT_FORMATS, "a checkpoint") as archive:
        return count_in(archive, "steps")


def steps_in(path: str | Path) -> int | None:
    """The steps of training in a checkpoint or a model file; None if there is no such file, or it does not say."""
    try:
        with _opened(path, CHECKPOINT_FORMATS + MODEL_FORMATS, "a file of steps") as archive:
            return count_in(archive, "steps") if "steps" in archive else None
    except FileError:
        return None


def load_weights(gan: GAN, path: str | Path) -> tuple[str, ...]:
    """Put trained parameters and running statistics into a new GAN, to go on from them with other data or settings.

    Returns which networks have them now: ("G", "D"), ("G",) or ("D",).

    path   a run's folder or its checkpoint.npz: G and D, and G's average where both have one; or a model file, such as
           a run's generator.npz: G alone, or D alone if it has D's name. The optimizers, and the counts of steps, stay
           as they are.

    Raises FileError if the file is missing or damaged; ShapeError, naming the array, where a network has arrays of
    other shapes; SettingsError for a GAN that was trained already. The GAN is as it was then.
    """
    if gan.steps:
        raise SettingsError(f"load_weights is for a new GAN, and this one has {counted(gan.steps, 'step')} already")
    path = Path(path)
    path = path / "checkpoint.npz" if path.is_dir() else path
    with _opened(path, CHECKPOINT_FORMATS + MODEL_FORMATS, "a checkpoint or a model file") as archive:
        if text_in(archive, "format") in MODEL_FORMATS:
            architecture = json_in(archive, "architecture")
            found = [(_meant(gan, architecture), architecture, "")]
        else:
            made_by = json_in(archive, "made_by")
            found = [(gan.G, made_by["G"], "G."), (gan.D, made_by["D"], "D.")]
        loaded = [(network, _fitting_numbers(path, archive, network, *where)) for network, *where in found]
        average = None
        if gan.average is not None and "average" in archive:
            average = _vector(archive, "average", declared_by(gan.G)["params"], gan.G)
    for network, numbers in loaded:
        for kind in ("params", "state"):
            getattr(network, kind)[...] = network.backend.asarray(numbers[kind], network.dtype)
        if network is gan.G and gan.average is not None:
            gan.average[...] = network.backend.asarray(numbers["params"] if average is None else average, network.dtype)
    return tuple("G" if network is gan.G else "D" for network, _ in loaded)


def _meant(gan: GAN, architecture: Any) -> Sequential:
    """Which network a model file is for: D if it has D's name, else G."""
    name = architecture.get("name")
    return gan.D if name == gan.D.name and name != gan.G.name else gan.G


def _fitting_numbers(
    path: Path, archive: Archive, network: Sequential, description: Any, prefix: str
) -> dict[str, Any]:
    """The numbers of a described network, which has the arrays that this one has, of the same shapes, in this order."""
    kinds = {type(layer) for layer in network.walk()}
    with _named(path):
        described = Blueprint(description, [kind for kind in kinds if kind is not Sequential]).declared()
    declared = declared_by(network)
    for kind, ours in declared.items():
        for mine, other in zip_longest(ours, described[kind]):
            if mine is None or other is None or mine[1] != other[1]:
                here = f"{mine[0]} of shape {mine[1]}" if mine else "nothing more"
                there = f"{other[0]} of shape {other[1]}" if other else "nothing more"
                raise ShapeError(f"{path}: {network.name} has {here} where the file has {there}")
    return _network_numbers(archive, prefix, declared, {"name": network.name, "dtype": network.dtype})


def _config_of_version_1(gan: GAN) -> dict[str, Any]:
    """What minigan 0.1 knew of a GAN, in its own words: settings of optimizers and losses were no part of it."""

    def words(switch: Any) -> Any:
        if switch is None or dataclasses.is_dataclass(switch):
            return None if switch is None else repr(switch)
        return getattr(switch, "__qualname__", type(switch).__name__)

    def without_news(layer: dict[str, Any]) -> None:
        if layer.get("type") == "Dense" and layer["bias"]:  # an argument since then
            del layer["bias"]
        if "layer" in layer:  # that of a SpectralNorm
            without_news(layer["layer"])

    def architecture(network: Sequential) -> dict[str, Any]:
        described = network.describe()
        for layer in described["layers"]:
            without_news(layer)
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
        **gan.newer_switches(),
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


def _put_numbers(network: Sequential, numbers: Mapping[str, Any]) -> None:
    for kind in ("params", "state"):
        getattr(network, kind)[...] = network.backend.asarray(numbers[kind], network.dtype)
    network.forwards = numbers["forwards"]
    network.discard()


# Reading: nothing is believed, and nothing that is larger than wanted is read. ----------------------------------------


@contextlib.contextmanager
def _opened(path: str | Path, formats: tuple[str, ...], kind: str) -> Iterator[Archive]:
    """The archive, if it is of one of these formats. Whatever a damaged file makes of the reading within becomes
    a FileError that names it.
    """
    archive = None
    try:
        with open_regular(path) as file:
            start = file.read(len(MAGIC))
            file.seek(0)
            archive = None if start == MAGIC else read_arrays(file)
            if not isinstance(archive, Archive) or "format" not in archive:
                raise FileError(f"{path} is not {kind}: minigan did not write it")
            if text_in(archive, "format") not in formats:
                raise FileError(f"{path} is not {kind}: it says {text_in(archive, 'format')!r}, wanted {formats[0]!r}")
            yield archive
    except MiniganError:
        raise
    except MemoryError as error:
        raise FileError(f"{path} cannot be read: the memory does not hold it ({error})") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}; wanted {kind}") from error
    except Exception as error:  # zipfile, json, NumPy and the layers of a damaged description raise many kinds
        if PICKLED in str(error):
            raise FileError(f"{path} is not {kind}, or {PICKLED}") from error
        damaged = "truncated or damaged" if archive is None else "damaged"
        raise FileError(f"{path} is {damaged}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What a reader says, with its kind unless it is ours."""
    return str(error) if type(error) is ValueError and str(error) else f"{type(error).__name__}: {error}"


def _extra(archive: Archive, name: str) -> np.ndarray:
    """An array of the trainer's, whose size only the trainer knows: not one of few bytes that promises many."""
    header = archive.header(name)
    if header.nbytes > max(archive.size, LONGEST_TEXT):
        raise ValueError(f"{name} has shape {header.shape}, {header.nbytes:,} bytes, in a file of {archive.size:,}")
    if header.dtype.kind == "U" and header.is_scalar:
        return archive[name]
    require_numbers(header.dtype, name)
    return finite(archive[name], header.dtype, name)


def _vector(archive: Archive, name: str, declared: Declared, owner: Any, dtype: Any = None) -> np.ndarray:
    """A vector of all arrays that are declared: of this length, and of finite numbers. owner: a network, or its name"""
    header, size = archive.header(name), sum(math.prod(shape) for _, shape in declared)
    owner_name = getattr(owner, "name", owner)
    if header.shape != (size,):
        length = header.shape[0] if len(header.shape) == 1 else f"the shape {header.shape}"
        raise ValueError(f"{name}: {owner_name} has {size} numbers where the file has {length}")
    require_numbers(header.dtype, name)
    vector, start = archive[name], 0
    found = np.empty(size, dtype or owner.dtype)
    for array, shape in declared:
        piece = slice(start, start := start + math.prod(shape))
        found[piece] = finite(vector[piece], found.dtype, f"{owner_name}'s {array} (in {name})")
        if array.endswith("BatchNorm.var"):
            _require_no_negative(found[piece], f"{owner_name}'s {array} (in {name})")
    return found


def _require_no_negative(array: np.ndarray, what: str) -> None:
    if array.size and array.min() < 0:
        raise ValueError(f"{what} has the entry {array.min()}; wanted squares, which are not below 0")


def _network_numbers(
    archive: Archive, prefix: str, declared: dict[str, Declared], options: Mapping[str, Any]
) -> dict[str, Any]:
    """What `_put_numbers` takes."""
    name, dtype = options.get("name", "the network"), np.dtype(options.get("dtype", "float32"))
    found = {kind: _vector(archive, prefix + kind, slots, name, dtype) for kind, slots in declared.items()}
    return found | {"forwards": count_in(archive, f"{prefix}forwards")}


def _side_numbers(archive: Archive, side: str, network: Sequential, optimizer: Any) -> dict[str, Any]:
    """What a checkpoint has of a network and its optimizer."""
    declared = declared_by(network)
    found = _network_numbers(archive, side, declared, {"name": network.name, "dtype": network.dtype})
    found["optimizer.steps"] = count_in(archive, f"{side}optimizer.steps")
    for name in optimizer.moving:
        key = f"{side}optimizer.{name}"  # files of 0.1 know the learning rate alone
        known = name == "learning_rate" or key in archive
        number = float(number_in(archive, key)) if known else getattr(optimizer, name)
        if number < 0 or (name == "beta2" and number >= 1):
            raise ValueError(f"{key} is {number}; it must be at least 0, and beta2 below 1")
        found[f"optimizer.{name}"] = number
    for name in optimizer.vectors:
        key = f"{side}optimizer.{name}"
        found[f"optimizer.{name}"] = _vector(archive, key, declared["params"], network)
        if name in optimizer.squares:
            _require_no_negative(found[f"optimizer.{name}"], key)
    return found
