"""Samples in one array: which of them a step gets, the labels that go with them, and a checksum of them all."""

import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..backend import Array, Backend, get_backend
from ..errors import DataError, SettingsError, counted
from .labels import as_labels

SAMPLINGS = ("replacement", "epochs")
ORDERS = 4  # shuffled orders that are kept: two seeds in turns, on two backends
PIECE = 2**24  # bytes of an array that are looked at together: a memory map may be larger than the memory


class Samples:
    """`array` of shape (n, *shape): what ImageSet and ArrayData have in common.

    labels       (n,) whole numbers from 0 on, kept as int64; or None
    class_names  of the labels, where they have any
    sampling     "replacement": each sample of a batch is any one of all; "epochs": the data are shuffled, cut into
                 batches, and shuffled anew when no whole batch is left

    Raises SettingsError for an unknown sampling, DataError for labels that do not fit.
    """

    def __init__(
        self,
        array: np.ndarray,
        name: str,
        labels: Any = None,
        *,
        class_names: Sequence[str] = (),
        sampling: str = "replacement",
    ) -> None:
        self.array, self.name = array, name
        self.labels = None if labels is None else as_labels(labels, len(array), name)
        self.class_names = tuple(class_names)
        if self.class_names and self.labels is None:
            raise DataError(f"{name}: class_names= name labels, and there are none: give labels= too")
        if self.labels is not None and self.class_names and self.labels.max() >= len(self.class_names):
            raise DataError(f"{name}: labels= go up to {self.labels.max()}; class_names= has {len(self.class_names)}")
        if sampling not in SAMPLINGS:
            raise SettingsError(f"{name}: sampling is {sampling!r}; the choices are {', '.join(SAMPLINGS)}")
        self.sampling = sampling
        self._orders: dict[tuple[int, int, str], Array] = {}

    def __repr__(self) -> str:
        classes = f", {counted(self.classes, 'class')}" if self.classes else ""
        return f"{type(self).__name__}({self.name}: {len(self):,} of {self.shape}, {self.array.dtype}{classes})"

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return self.array.shape[1:]

    @property
    def classes(self) -> int:
        """The number of classes, those without a sample included; 0 where there are no labels."""
        if self.labels is None:
            return 0
        return len(self.class_names) or int(self.labels.max()) + 1

    @cached_property
    def fingerprint(self) -> str:
        """A checksum of all samples: a resumed run asks whether the data are still the same."""
        return checksum(self.array, self.array.dtype.newbyteorder("="))

    def config(self) -> dict[str, Any]:
        """What decides a run's batches, beside the fingerprint: plain values, to be written as JSON and compared."""
        labels = None if self.labels is None else checksum(self.labels, self.labels.dtype)
        return {"type": type(self).__name__, "sampling": self.sampling, "labels": labels}

    def steps_per_epoch(self, n: int) -> int:
        """The whole batches of n samples in one pass over the data; 1 where a batch has more than there are.

        Raises DataError for n < 1, and, in epochs, for n > len(self).
        """
        if n < 1:
            raise DataError(f"a batch of {n} samples from {self.name}: use at least 1")
        if n > len(self) and self.sampling == "epochs":
            raise DataError(
                f"a batch of {counted(n, 'sample')} from {self.name}, which has {len(self)}: use a smaller batch, or "
                f"sampling='replacement'"
            )
        return max(len(self) // n, 1)

    def batch(
        self, n: int, seed: int = 0, step: int = 0, backend: str | Backend | None = None, dtype: Any = "float32"
    ) -> Array:
        """n samples for training step `step`, bytes scaled to [-1, 1].    (n, *shape)

        Which ones is a function of (seed, step): a resumed run sees those that an uninterrupted one would. In epochs of
        k = steps_per_epoch(n) steps, step `step` gets part step % k of the pass step // k. Raises DataError for n < 1
        and, in epochs, for more samples than there are.
        """
        return get_backend(backend).batch(self.array, lambda chooser: self._chosen(n, seed, step, chooser), dtype)

    def batch_labels(self, n: int, seed: int = 0, step: int = 0) -> np.ndarray:
        """The labels of batch(n, seed, step), in its order.    (n,) int64

        Raises DataError where there are no labels.
        """
        if self.labels is None:
            raise DataError(f"{self.name} has no labels: give labels=, one whole number for each sample")
        return self.labels[self._chosen(n, seed, step, get_backend("numpy"))]

    def _chosen(self, n: int, seed: int, step: int, backend: Backend) -> Array:
        """Which samples the step gets, as an array of this backend."""
        steps = self.steps_per_epoch(n)
        if self.sampling == "replacement":
            return backend.random.integers(len(self), n, seed, "batch", step)
        epoch, part = divmod(step, steps)
        return self._shuffled(seed, epoch, backend)[part * n : (part + 1) * n]

    def _shuffled(self, seed: int, epoch: int, backend: Backend) -> Array:
        """All samples' numbers in the order of this epoch. The last ones asked for are kept: most steps are in them."""
        key = seed, epoch, backend.name
        order = self._orders.pop(key, None)
        if order is None:
            # Sorting random numbers shuffles. Equal ones, once in a million epochs, stay in order.
            drawn = get_backend("numpy").random.integers(2**53, len(self), seed, "epoch", epoch)
            order = backend.asarray(np.argsort(drawn, kind="stable"))
        self._orders[key] = order  # the one used last stands last
        if len(self._orders) > ORDERS:
            del self._orders[next(iter(self._orders))]
        return order


def checksum(array: np.ndarray, dtype: Any) -> str:
    """CRC-32 of the array's elements as `dtype`, in C order, read piece by piece."""
    found = 0
    for _, piece in _pieces(array):
        found = zlib.crc32(np.ascontiguousarray(piece, dtype).data, found)
    return f"{found:08x}"


def finite_range(array: np.ndarray, name: str, element: str, sample: str) -> tuple[float, float]:
    """The least and the greatest element of floats, read piece by piece. Raises DataError for NaN or infinity.

    element, sample: what one of each is called, "pixel" and "image"
    """
    low, high, bad, first = np.inf, -np.inf, 0, 0
    for start, piece in _pieces(array):
        finite = np.isfinite(piece)
        if not finite.all():
            first = first if bad else start + int(np.argmin(finite.reshape(len(piece), -1).all(axis=1)))
            bad += int(np.sum(~finite))
        low, high = min(low, float(piece.min())), max(high, float(piece.max()))
    if bad:
        raise DataError(f"{name}: {bad} {element}s are NaN or infinite; the first are in {sample} {first}")
    return low, high


def _pieces(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(start, array[start:stop]), a few samples at a time."""
    rows = max(1, PIECE // array[:1].nbytes)
    for start in range(0, len(array), rows):
        yield start, array[start : start + rows]
