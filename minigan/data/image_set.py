"""Images to train on: kept as they came, scaled batch by batch."""

import zlib
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np

from ..backend import Array, Backend, get_backend
from ..errors import DataError, SettingsError
from .transforms import Draw, Transform

SAMPLINGS = ("replacement", "epochs")


class ImageSet:
    """`images` of shape (n, h, w, c): uint8 from 0 to 255, or floats from -1 to 1; `labels` (n,) where there are any.

    `sampling` says how batches are drawn: with "replacement", each image of a batch is any one of all; in "epochs", the
    data are shuffled, cut into batches, and shuffled anew when no whole batch is left. `transforms`, such as
    RandomHorizontalFlip(), change the uint8 images of a batch, in the order given.

    Floats are kept as float32. Raises DataError for another dtype or shape, for NaN, for floats outside [-1, 1] or
    without a negative one, which were scaled for some other program, and for transforms of floats.
    """

    def __init__(
        self,
        images: np.ndarray,
        name: str,
        labels: np.ndarray | None = None,
        *,
        sampling: str = "replacement",
        transforms: Iterable[Transform] = (),
    ) -> None:
        self.images, self.name, self.labels = _as_images(images, name), name, labels
        if sampling not in SAMPLINGS:
            raise SettingsError(f"{name}: sampling is {sampling!r}; the choices are {', '.join(SAMPLINGS)}")
        self.sampling, self.transforms = sampling, _as_transforms(transforms, name)
        if self.transforms and self.images.dtype != np.uint8:
            raise DataError(f"{name}: transforms take uint8, and these images are floats: store uint8, 0 to 255")
        self._last_shuffled: tuple[tuple[int, int, str] | None, Array] = None, None

    def __repr__(self) -> str:
        return f"ImageSet({self.name}: {len(self):,} images of {self.image_shape}, {self.images.dtype})"

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c) of one image."""
        return self.images.shape[1:]

    @cached_property
    def fingerprint(self) -> str:
        """A checksum of all pixels: a resumed run asks whether the data are still the same."""
        return f"{zlib.crc32(np.ascontiguousarray(self.images).data):08x}"

    def steps_per_epoch(self, n: int) -> int:
        """The whole batches of n images in one pass over the data."""
        if n < 1:
            raise DataError(f"a batch of {n} images from {self.name}: use at least 1")
        if n > len(self):
            raise DataError(f"a batch of {n} images from {self.name}, which has {len(self)}: use a smaller batch")
        return len(self) // n

    def batch(
        self, n: int, seed: int = 0, step: int = 0, backend: str | Backend | None = None, dtype: Any = "float32"
    ) -> Array:
        """n images for training step `step`, transformed, scaled to [-1, 1].    (n, h, w, c)

        Which ones, and what the transforms make of them, is a function of (seed, step): a resumed run sees the images
        that an uninterrupted one would. In epochs of k = steps_per_epoch(n) steps, step `step` gets part step % k of
        the pass step // k. Raises DataError for n < 1 and for more images than there are.
        """
        backend = get_backend(backend)
        on_device = not self.transforms and backend.gathers(self.images)
        images, chosen = self.images, self._chosen(n, seed, step, backend if on_device else get_backend("numpy"))
        if self.transforms:
            images, chosen = self._transformed(images[chosen], seed, step), np.arange(n)
        return backend.scaled_images(images, chosen, dtype)

    def _chosen(self, n: int, seed: int, step: int, backend: Backend) -> Array:
        """Which images the step gets, as an array of this backend."""
        steps = self.steps_per_epoch(n)
        if self.sampling == "replacement":
            return backend.integers(len(self), n, seed, "batch", step)
        epoch, part = divmod(step, steps)
        return self._shuffled(seed, epoch, backend)[part * n : (part + 1) * n]

    def _shuffled(self, seed: int, epoch: int, backend: Backend) -> Array:
        """All images' numbers in the order of this epoch. The last one asked for is kept: most steps are in it."""
        key, order = self._last_shuffled
        if key != (seed, epoch, backend.name):
            # Sorting random numbers shuffles. Equal ones, once in a million epochs, stay in order.
            drawn = get_backend("numpy").integers(2**53, len(self), seed, "epoch", epoch)
            order = backend.asarray(np.argsort(drawn, kind="stable"))
            self._last_shuffled = (seed, epoch, backend.name), order
        return order

    def _transformed(self, images: np.ndarray, seed: int, step: int) -> np.ndarray:
        for i, transform in enumerate(self.transforms):
            new = transform(images, _random_numbers(f"transform.{i}", seed, step))
            if new.shape != images.shape or new.dtype != np.uint8:
                raise DataError(
                    f"{self.name}: {transform!r} made {new.dtype} images of shape {new.shape} of uint8 images of shape "
                    f"{images.shape}; a transform keeps both"
                )
            images = new
        return images


def _random_numbers(stream: str, seed: int, step: int) -> Draw:
    """What one transform draws in one step. Wherever a batch goes, it is made in the computer's memory."""
    return lambda name, shape: get_backend("numpy").uniform(shape, seed, f"{stream}.{name}", step)


def _as_transforms(transforms: Iterable[Transform], name: str) -> tuple[Transform, ...]:
    given = tuple(transforms) if isinstance(transforms, Iterable) else (None,)
    if not all(callable(transform) and not isinstance(transform, type) for transform in given):
        raise SettingsError(
            f"{name}: transforms is {transforms!r}; wanted objects in a tuple: transforms=(RandomHorizontalFlip(),)"
        )
    return given


def _as_images(images: np.ndarray, name: str) -> np.ndarray:
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise DataError(
            f"{name} has an array of shape {images.shape}; wanted images: (n, h, w) or (n, h, w, c) with n >= 1 and "
            f"c = 1 (grey) or 3 (RGB)"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise DataError(f"{name} has elements of type {images.dtype}; wanted uint8, or floats from -1 to 1")
    finite = np.isfinite(images)
    if not finite.all():
        first = int(np.argmin(finite.reshape(len(images), -1).all(axis=1)))
        raise DataError(f"{name}: {np.sum(~finite)} pixels are NaN or infinite; the first are in image {first}")
    low, high = float(images.min()), float(images.max())
    if low < -1 or high > 1 or low >= 0:
        raise DataError(
            f"{name}: float images from {low:g} to {high:g}; wanted -1 (black) to 1 (white), like the images that G "
            f"makes: rescale them, or store uint8"
        )
    return images.astype(np.float32, copy=False)
