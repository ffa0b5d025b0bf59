"""Generators: networks whose input is noise, and a label where they make images of a class."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .backend import Array, backend_of
from .errors import SettingsError, ShapeError, counted
from .layers import Layer
from .losses import one_hot
from .network import Sequential

LATENTS = ("normal", "uniform")


class Generator(Sequential):
    """A network from z to images, which knows what its z is.    z: (n, *input_shape)

    latent   how z is drawn: "normal", N(0, 1); or "uniform", on [-1, 1)
    classes  0, or how many classes it makes images of: then the last `classes` numbers of its input are the label's
             one-hot row, joined to the noise (Mirza and Osindero 2014, section 3.2), and the first Dense layer learns
             an embedding of the labels, its last `classes` rows; LabelEmbedding makes one of another size

    A plain Sequential is taken for a generator from N(0, 1) without classes. The other options are those of Sequential.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        input_shape: int | tuple[int, ...],
        latent: str = "normal",
        classes: int = 0,
        **options: Any,
    ) -> None:
        name = options.get("name") or "generator"
        if latent not in LATENTS:
            raise SettingsError(f"{name}: latent is {latent!r}; the choices are {', '.join(LATENTS)}")
        self.latent, self.classes = latent, int(classes)
        super().__init__(layers, input_shape=input_shape, **options)
        if self.classes < 0 or (self.classes and (len(self.input_shape) != 1 or self.input_shape[0] <= self.classes)):
            raise SettingsError(
                f"{self.name}: input_shape is {self.input_shape} with classes={classes}; with classes it is one row, "
                f"the numbers of the noise plus {classes}: input_shape=100 + {classes}"
            )

    def options(self) -> dict[str, Any]:
        """As of a Sequential, with latent and classes."""
        return super().options() | {"latent": self.latent, "classes": self.classes}


def classes_of(G: Sequential) -> int:
    """How many classes a generator makes images of; 0 if it has no labels."""
    return G.classes if isinstance(G, Generator) else 0


def latent_of(G: Sequential) -> str:
    """How the noise of a generator is drawn: one of LATENTS."""
    return G.latent if isinstance(G, Generator) else "normal"


def draw_noise(G: Sequential, n: int, seed: int, stream: str, step: int) -> Array:
    """z for n images of G, a function of (seed, stream, step).    (n, *input_shape), without the label's numbers

    N(0, 1), or uniform on [-1, 1) if G is a Generator whose `latent` says so.
    """
    classes = classes_of(G)
    shape = (n, G.input_shape[0] - classes) if classes else (n, *G.input_shape)
    if latent_of(G) == "uniform":
        return 2 * G.backend.random.uniform(shape, seed, stream, step, G.dtype) - 1
    return G.backend.random.normal(shape, seed, stream, step, G.dtype)


def with_labels(G: Sequential, z: Array, labels: Any) -> Array:
    """The noise with the labels' one-hot rows behind it: what a G that has classes takes. labels: (n,) whole numbers

    Raises ShapeError or SettingsError, as `checked_labels`.
    """
    labels = checked_labels(labels, len(z), classes_of(G), G.name)
    return z if labels is None else with_rows(z, label_rows(G, labels))


def label_rows(G: Sequential, labels: np.ndarray) -> Array:
    """The labels' one-hot rows, on G's device.    (n,) -> (n, classes)"""
    return G.backend.asarray(one_hot(labels, classes_of(G), G.dtype, G.name))


def with_rows(z: Array, rows: Array) -> Array:
    """[z, rows], or z where there are no rows."""
    if rows is None:
        return z
    joined = backend_of(z).xp.empty((len(z), z.shape[1] + rows.shape[1]), z.dtype)
    joined[:, : z.shape[1]], joined[:, z.shape[1] :] = z, rows
    return joined


def checked_labels(labels: Any, n: int, classes: int, name: str) -> np.ndarray | None:
    """The labels as (n,) int64 on the host; None without classes.

    Raises SettingsError if they are missing, or given where there are no classes; ShapeError for another number of
    them, for numbers that are not whole, and for classes that there are not.
    """
    if classes == 0:
        if labels is not None:
            raise SettingsError(
                f"{name} has no classes, and labels were given: leave them out, or build it with classes="
            )
        return None
    if labels is None:
        raise SettingsError(
            f"{name} makes images of {counted(classes, 'class')}: give labels, {counted(n, 'number')} from 0 to "
            f"{classes - 1}"
        )
    on_device = hasattr(labels, "get") and hasattr(labels, "device")  # of CuPy
    found = np.asarray(labels.get() if on_device else list(labels) if isinstance(labels, range) else labels)
    if found.shape != (n,) or found.dtype.kind not in "iu":
        raise ShapeError(f"{name}: labels are {found.dtype} of shape {found.shape}; wanted {n} whole numbers, ({n},)")
    if found.min() < 0 or found.max() >= classes:
        raise ShapeError(
            f"{name}: labels from {found.min()} to {found.max()}; with {counted(classes, 'class')} they are 0 to "
            f"{classes - 1}"
        )
    return found.astype(np.int64)
