"""Images to train on: kept as they came, scaled batch by batch."""

import zlib
from functools import cached_property
from typing import Any

import numpy as np

from ..backend import Array, Backend, get_backend
from ..errors import DataError


class ImageSet:
    """`images` of shape (n, h, w, c): uint8 from 0 to 255, or floats from -1 to 1; `labels` (n,) where there are any.

    Raises DataError for another dtype or shape, for NaN, and for floats outside [-1, 1] or without a negative one,
    which were scaled for some other program.
    """

    def __init__(self, images: np.ndarray, name: str, labels: np.ndarray | None = None) -> None:
        self.images, self.name, self.labels = _as_images(images, name), name, labels

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

    def batch(
        self, n: int, seed: int = 0, step: int = 0, backend: str | Backend | None = None, dtype: Any = "float32"
    ) -> Array:
        """n images for training step `step`, drawn with replacement, scaled to [-1, 1].    (n, h, w, c)

        Which ones is a function of (seed, step): a resumed run sees the images that an uninterrupted one would.
        """
        if n > len(self):
            raise DataError(f"a batch of {n} images from {self.name}, which has {len(self)}: use a smaller batch")
        backend = get_backend(backend)
        chosen = self.images[backend.integers(len(self), n, seed, "batch", step)]
        if chosen.dtype == np.uint8:
            chosen = chosen.astype(dtype) / 127.5 - 1
        return backend.asarray(chosen, dtype)


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
