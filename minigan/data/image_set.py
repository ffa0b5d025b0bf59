"""Images to train on: kept as they came, scaled batch by batch."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..backend import Array, Backend, get_backend
from ..errors import DataError, SettingsError, counted
from .samples import Samples, checksum, finite_range
from .transforms import Draw, Transform

MOST_CHANNELS = 4


class ImageSet(Samples):
    """`images` of shape (n, h, w) or (n, h, w, c), c from 1 to 4: uint8 from 0 to 255, or floats from -1 to 1.

    One channel is grey, three are RGB; two or four, such as those with transparency, are channels like all others.
    `labels`, `class_names` and `sampling` are those of Samples. `transforms`, such as RandomHorizontalFlip(), change
    the uint8 images of a batch, in the order given; a label stays with its image.

    Floats are kept as float32; a memory map stays in its file, as it is. Raises DataError for another dtype or shape,
    for NaN, for floats outside [-1, 1] or without a negative one, which were scaled for some other program, and for
    transforms of floats.
    """

    def __init__(
        self,
        images: np.ndarray,
        name: str,
        labels: Any = None,
        *,
        class_names: Sequence[str] = (),
        sampling: str = "replacement",
        transforms: Iterable[Transform] = (),
    ) -> None:
        super().__init__(_as_images(images, name), name, labels, class_names=class_names, sampling=sampling)
        self.transforms = _as_transforms(transforms, name)
        if self.transforms and self.images.dtype != np.uint8:
            raise DataError(f"{name}: transforms take uint8, and these images are floats: store uint8, 0 to 255")

    def __repr__(self) -> str:
        classes = f", {counted(self.classes, 'class')}" if self.classes else ""
        return f"ImageSet({self.name}: {counted(len(self), 'image')} of {self.shape}, {self.images.dtype}{classes})"

    @property
    def images(self) -> np.ndarray:
        """(n, h, w, c), as they are stored."""
        return self.array

    @cached_property
    def fingerprint(self) -> str:
        """A checksum of all pixels, floats as float32: the same whether the images are in memory or in a file."""
        return checksum(self.images, np.uint8 if self.images.dtype == np.uint8 else np.float32)

    def config(self) -> dict[str, Any]:
        """That of Samples, and the transforms."""
        return super().config() | {"transforms": [_described(transform) for transform in self.transforms]}

    def with_batches(self, *, sampling: str = "replacement", transforms: Iterable[Transform] = ()) -> "ImageSet":
        """The same images and labels, whose batches are drawn and transformed otherwise."""
        return ImageSet(
            self.images, self.name, self.labels, class_names=self.class_names, sampling=sampling, transforms=transforms
        )

    def batch(
        self, n: int, seed: int = 0, step: int = 0, backend: str | Backend | None = None, dtype: Any = "float32"
    ) -> Array:
        """n images for training step `step`, transformed, scaled to [-1, 1].    (n, h, w, c)

        Which ones, and what the transforms make of them, is a function of (seed, step): see Samples.batch.
        """
        if not self.transforms:
            return super().batch(n, seed, step, backend, dtype)
        images = self.images[self._chosen(n, seed, step, get_backend("numpy"))]
        return get_backend(backend).batch(self._transformed(images, seed, step), lambda _: np.arange(n), dtype)

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
    return lambda name, shape: get_backend("numpy").random.uniform(shape, seed, f"{stream}.{name}", step)


def _described(transform: Transform) -> str:
    """Its repr, without the address that a function's has: that is another one in the next program."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(transform))


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
    if images.ndim != 4 or images.shape[-1] > MOST_CHANNELS or 0 in images.shape:
        raise DataError(
            f"{name} has an array of shape {images.shape}; wanted images: (n, h, w) or (n, h, w, c) with n >= 1 and "
            f"c = 1 (grey), 3 (RGB), or 2 or 4 channels, which come last"
        )
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise DataError(f"{name} has elements of type {images.dtype}; wanted uint8, or floats from -1 to 1")
    low, high = finite_range(images, name, "pixel", "image")
    if low < -1 or high > 1 or low >= 0:
        raise DataError(
            f"{name}: float images from {low:g} to {high:g}; wanted -1 (black) to 1 (white), like the images that G "
            f"makes: rescale them, or store uint8"
        )
    return images if isinstance(images, np.memmap) else images.astype(np.float32, copy=False)
