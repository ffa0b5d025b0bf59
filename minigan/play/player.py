"""What the page shows: an image, moved along directions, and what lies between it and another one."""

import math
import threading
from dataclasses import dataclass

import numpy as np

from .. import pictures
from ..errors import ShapeError
from ..generator import classes_of, latent_of
from ..network import Sequential
from ..sampling import images_of, noise_of
from ..walks import walk
from .directions import directions

SLIDERS = 6
REACH = 3.0  # standard deviations of the noise to either side
BETWEEN = 5  # images in a strip, besides its ends
SEED = 0  # the images are those of `minigan sample --seed 0`


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    number   of the image, in the sequence of the seed
    sliders  (SLIDERS,) or fewer, how far along each direction, in standard deviations of the noise
    label    its class; None without classes
    other    number of the image that the strip leads to
    """

    number: int
    sliders: tuple[float, ...]
    label: int | None
    other: int


class Player:
    """A generator that several threads may ask: one at a time, since a network has buffers."""

    def __init__(self, G: Sequential) -> None:
        self.G, self.lock = G, threading.Lock()
        self.directions = directions(G, SLIDERS)
        self.classes = classes_of(G)

    def image(self, wish: Wish) -> bytes:
        """The image as a PNG, pixel for pixel."""
        return pictures.png(self._pictures(self._noise(wish)[None], wish.label)[0])

    def strip(self, wish: Wish) -> bytes:
        """A PNG: the image, those on the walk from it to the other one, and that, side by side."""
        other = noise_of(self.G, SEED, [wish.other])[0]
        z = walk(np.stack([self._noise(wish), other]), BETWEEN, latent_of(self.G))
        return pictures.png(np.concatenate([*self._pictures(z, wish.label)], axis=1))

    def _noise(self, wish: Wish) -> np.ndarray:
        """z of the image, moved. Uniform noise stays in its cube: beyond, the generator has seen nothing."""
        uniform = latent_of(self.G) == "uniform"
        z = noise_of(self.G, SEED, [wish.number])[0]
        deviation = 1 / math.sqrt(3) if uniform else 1.0
        moved = z + deviation * (np.array(wish.sliders) @ self.directions).reshape(z.shape)
        return moved.clip(-1, 1) if uniform else moved

    def _pictures(self, z: np.ndarray, label: int | None) -> np.ndarray:
        """Images as bytes.    (n, ...) -> (n, h, w, c) uint8    Raises ShapeError for numbers that are no images."""
        with self.lock:
            images = images_of(self.G, z, label)
        if not np.isfinite(images).all():
            raise ShapeError(f"{self.G.name} makes numbers that are not finite")
        return pictures.to_uint8(images)
