"""What a metric sees of an image: pixels, or what a network makes of them. Nothing is downloaded."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..checkpoint import load_model
from ..data import mnist
from ..errors import DataError, SettingsError, ShapeError
from ..initializers import he_normal
from ..layers import Conv2D, Dense, Flatten, Layer, LeakyReLU
from ..network import Sequential
from .neighbours import nearest

WEIGHTS = Path(__file__).parent / "weights"
CHOICES = "digits", "random", "pixels"
BATCH = 256  # images at a time
SOME, FAR = (
    500,
    8.0,
)  # images, and how far from the nearest digit no digit lies: test set 6.0, upside down 9.2, noise 14


class Features:
    """A function from images to rows of numbers.    (n, h, w, c) uint8, or floats from -1 to 1 -> (n, d) float64

    kind: "digits", "random" or "pixels"; or a network of your own, whose outputs are flattened
    shape: (h, w, c) of the images

    digits   64 numbers from which a convolutional network reads a digit: examples/digit_features.py made it, and its
             weights come with the package. For 28 x 28 x 1
    random   64 numbers of a convolutional network with random weights, the same everywhere, as Naeem et al. 2020
             (arXiv:2002.09797) use them for images unlike those that a network was trained on
    pixels   the pixels, from -1 to 1

    Raises SettingsError for another kind, and ShapeError for a shape that the network does not take.
    """

    def __init__(self, kind: str | Sequential, shape: tuple[int, ...]) -> None:
        network = _network(kind, tuple(shape))
        self.name = kind if isinstance(kind, str) else kind.name
        self.network, self.reads_digits = network, kind == "digits"
        if network is not None and network.input_shape != tuple(shape):
            raise ShapeError(
                f"features {self.name!r} are of images {network.input_shape}, and these are {tuple(shape)}: take "
                f"'random'"
            )

    def __repr__(self) -> str:
        return f"Features({self.name})"

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The rows of these images."""
        images = np.asarray(images)
        if self.network is None:
            return np.concatenate([part.reshape(len(part), -1) for part in _parts(images)])
        rows, network = [], self.network
        for part in _parts(images):
            y = network.backend.to_host(network.predict(network.backend.asarray(part, network.dtype)))
            rows.append(y.reshape(len(part), -1).astype(np.float64))
        return np.concatenate(rows)


def digits_of(rows: np.ndarray) -> np.ndarray:
    """Which digit the classifier reads.    rows of `Features("digits", ...)`: (n, 64) -> (n,) whole numbers, 0 to 9"""
    head = _load("digit_classes")
    return head.predict(head.backend.asarray(rows, head.dtype)).argmax(axis=1)


def require_digits(rows: np.ndarray) -> None:
    """Raises DataError if the images of these rows are no digits: then the features say nothing about them.

    rows: `Features("digits", ...)` of real images. The classifier is sure of anything, also of noise; so what counts is
    how far an image lies from the nearest of 10,000 digits.
    """
    distance = float(np.median(nearest(rows[:SOME], _rows_of_digits())[1]))
    if distance > FAR:
        raise DataError(
            f"features 'digits': these images lie {distance:.1f} from the nearest digit, in the median, and digits 6: "
            f"they are none; take features 'random'"
        )


@functools.cache
def _rows_of_digits() -> np.ndarray:
    """The features of some digits, 5 MB."""
    return Features("digits", (28, 28, 1))(mnist("train", labels=False).images[:10_000])


def _network(kind: str | Sequential, shape: tuple[int, ...]) -> Sequential | None:
    if isinstance(kind, Sequential):
        return kind
    if kind not in CHOICES:
        raise SettingsError(f"features is {kind!r}; the choices are {', '.join(CHOICES)}, or a network")
    if kind == "pixels":
        return None
    return _load("digits") if kind == "digits" else _random(shape)


@functools.cache
def _load(name: str) -> Sequential:
    return load_model(WEIGHTS / f"{name}.npz", backend="numpy")


@functools.cache
def _random(shape: tuple[int, ...]) -> Sequential:
    """Three strided convolutions, fewer where a side is below 8 pixels, and a dense layer."""
    if len(shape) != 3:
        raise ShapeError(f"features 'random' are of images (h, w, c), and these are {shape}")
    fitting = min(shape[:2]).bit_length() - 1
    convolutions = [Conv2D(width, 4, 2, 1, W_init=he_normal) for width in (32, 64, 64)[:fitting]]
    layers: list[Layer] = [layer for convolution in convolutions for layer in (convolution, LeakyReLU(0.2))]
    layers += [Flatten(), Dense(64, W_init=he_normal)]
    return Sequential(layers, input_shape=shape, name="random", seed=0, backend="numpy")


def _parts(images: np.ndarray) -> Iterator[np.ndarray]:
    """Some images at a time, from -1 to 1. Raises DataError where they are none."""
    if images.ndim != 4 or not len(images):
        raise DataError(f"images are of shape {images.shape}; wanted (n, h, w, c) with n of 1 or more")
    for start in range(0, len(images), BATCH):
        yield as_floats(images[start : start + BATCH])


def as_floats(images: np.ndarray) -> np.ndarray:
    """From -1 to 1, float64: bytes p as p / 127.5 - 1, floats as they are."""
    return images / 127.5 - 1 if images.dtype == np.uint8 else images.astype(np.float64)
