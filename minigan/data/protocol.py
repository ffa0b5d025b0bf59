"""What the trainer asks of data: a protocol that any object may follow, and checks with words for those that do not.

ImageSet and ArrayData follow it. Anything else may: a stream, a file that is larger than the memory, a simulation.
"""

import inspect
import types
from typing import Any, Protocol, TypeGuard

import numpy as np

from ..backend import Array, Backend
from ..errors import DataError, SettingsError
from .labels import as_labels

WANTED = {
    "__len__": "len(data), the number of samples",
    "shape": "data.shape, the shape of one sample, a tuple of whole numbers",
    "fingerprint": "data.fingerprint, a text that differs when the samples do",
    "batch": "data.batch(n, seed, step, backend, dtype), n samples as an array of the backend",
}
VALUES = ("shape", "fingerprint")  # not methods


class Data(Protocol):
    """Samples of one shape, with any number of axes, in batches.

    What else the trainer uses where it is there:

        data.name                a text for messages; else the name of the class
        data.labels              (len(data),) whole numbers from 0 on, or None; then also
        data.batch_labels(n, seed, step)    the labels of that batch: (n,) whole numbers
        data.classes             the number of classes; else the greatest label + 1
        data.config()            a dict of plain values that decide the batches beside the fingerprint
        data.steps_per_epoch(n)  whole batches of n in one pass over the data; else len(data) // n
    """

    def __len__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: what D takes, without the batch."""

    @property
    def fingerprint(self) -> str:
        """Differs when the samples do: a resumed run compares it. May take its time: it is asked for once."""

    def batch(self, n: int, seed: int, step: int, backend: Backend, dtype: Any) -> Array:
        """n samples as an array of `backend` and `dtype`, a function of (seed, step).    (n, *shape)"""


class LabelledData(Data, Protocol):
    """Data whose samples have a class each."""

    @property
    def labels(self) -> np.ndarray:
        """Of all samples.    (len(self),) whole numbers from 0 on"""

    def batch_labels(self, n: int, seed: int, step: int) -> np.ndarray:
        """The labels of batch(n, seed, step), in its order.    (n,) whole numbers"""


def require_data(data: Any) -> Data:
    """`data`, if it follows the protocol. No sample is drawn, and the fingerprint is not asked for.

    Raises SettingsError, naming what is missing, if it does not; DataError if it is empty, or has labels that do not
    fit.
    """
    kind = f"data is of class {type(data).__name__}"
    missing = [words for name, words in WANTED.items() if not _has(data, name)]
    if missing:
        raise SettingsError(f"{kind}, which lacks {'; '.join(missing)}{_advice(data)}")
    for name in VALUES:
        if isinstance(inspect.getattr_static(data, name, None), types.FunctionType):
            raise SettingsError(f"{kind}, whose {name} is a method; wanted a value: write @property above it")
    if not callable(data.batch):
        raise SettingsError(f"{kind}, whose batch is {data.batch!r}; wanted {WANTED['batch']}")
    if not _is_shape(data.shape):
        raise SettingsError(f"{kind}, whose shape is {data.shape!r}; wanted that of one sample, such as (28, 28, 1)")
    if len(data) < 1:
        raise DataError(f"{data_name(data)} is empty: len(data) is {len(data)}; wanted at least one sample")
    if has_labels(data):
        as_labels(data.labels, len(data), data_name(data))
        if not callable(getattr(data, "batch_labels", None)):
            raise SettingsError(
                f"{kind}, which has labels and lacks data.batch_labels(n, seed, step), those of one batch; with "
                f"labels = None it is data without labels"
            )
    return data


def has_labels(data: Data) -> TypeGuard[LabelledData]:
    """Has each sample a class?"""
    return getattr(data, "labels", None) is not None


def class_count(data: Data) -> int:
    """The number of classes: data.classes, or the greatest label + 1; 0 without labels."""
    if not has_labels(data):
        return 0
    return int(getattr(data, "classes", 0) or np.max(data.labels) + 1)


def data_name(data: Data) -> str:
    """What messages call it: data.name, or the name of its class."""
    return str(getattr(data, "name", None) or type(data).__name__)


def data_identity(data: Data) -> dict[str, Any]:
    """What a run writes down of its data, and compares when it is resumed: JSON's values only.

    `name` and `length` are for people; `fingerprint`, `shape`, and `config`, are the identity.
    """
    config = data.config() if hasattr(data, "config") else {}
    if not isinstance(data.fingerprint, str):
        raise SettingsError(f"{data_name(data)}: its fingerprint is {data.fingerprint!r}; wanted a text")
    return {
        "name": data_name(data),
        "length": len(data),
        "shape": list(data.shape),
        "fingerprint": data.fingerprint,
        "config": config,
    }


def check_batch(x: Any, n: int, shape: tuple[int, ...], dtype: Any, backend: Backend, name: str) -> Array:
    """`x`, if it is n samples of `shape` and `dtype` in an array of this backend. Looks at no number: it costs nothing.

    Raises DataError, in words that begin with `name`, if it is not.
    """
    wanted = f"wanted {(n, *shape)} of {np.dtype(dtype)}"
    if not isinstance(x, backend.xp.ndarray):
        came = f"{type(x).__module__.partition('.')[0]}.{type(x).__name__}"
        raise DataError(
            f"{name}: data.batch returned a {came}; {wanted} in a {backend.xp.__name__} array: write "
            f"backend.asarray(x, dtype)"
        )
    if x.shape != (n, *shape):
        raise DataError(f"{name}: data.batch returned an array of shape {x.shape}; {wanted}")
    if x.dtype != dtype:
        raise DataError(f"{name}: data.batch returned elements of type {x.dtype}; {wanted}: write x.astype(dtype)")
    return x


def check_batch_labels(labels: Any, n: int, classes: int, name: str) -> np.ndarray:
    """`labels`, if they are n whole numbers 0 ... classes - 1.    (n,) int64

    Raises DataError, in words that begin with `name`, if they are not.
    """
    found = as_labels(labels, n, f"{name}, data.batch_labels")
    if found.max() >= classes:
        raise DataError(
            f"{name}: data.batch_labels returned {found.max()}; wanted 0 to {classes - 1}: {classes} classes"
        )
    return found


def _has(data: Any, name: str) -> bool:
    """Without asking a property for its value, if that can be helped: a fingerprint may read a whole file."""
    try:
        inspect.getattr_static(data, name)
    except AttributeError:
        return hasattr(data, name)
    return True


def _is_shape(shape: Any) -> bool:
    return (
        isinstance(shape, tuple) and len(shape) > 0 and all(isinstance(length, int) and length > 0 for length in shape)
    )


def _advice(data: Any) -> str:
    if isinstance(data, str) or hasattr(data, "__fspath__"):
        return ". For files, give what data.load(path) or data.images(folder, size) returns"
    if hasattr(data, "__getitem__") and not isinstance(data, dict):
        return ". A NumPy array is data as it is; for single samples, docs/data.md has an adapter of a few lines"
    return ""
