"""Random transforms of the images of a batch: flips, crops, rotations. More variety out of the same images.

A transform is called with uint8 images and a source of random numbers, and returns new images of the same shape:

    transform(images, draw) -> images        images: (n, h, w, c) uint8, c = 1 to 4, never changed in place

`draw(name, shape)` gives uniform numbers in [0, 1). `ImageSet.batch` makes them a function of (seed, step, name): a
resumed run sees the images that an uninterrupted one would. Whatever a transform does to the images becomes part of the
distribution that G learns: it makes cropped, flipped or rotated images too.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..errors import SettingsError

Draw: TypeAlias = Callable[[str, tuple[int, ...]], np.ndarray]


class Transform(Protocol):
    """What `ImageSet(transforms=...)` takes. Its repr has all of its settings: by it, runs know their transforms."""

    def __call__(self, images: np.ndarray, draw: Draw) -> np.ndarray:
        """New images of the same shape and type, made with random numbers from `draw` alone."""


@dataclass(frozen=True)
class RandomHorizontalFlip:
    """Each image is mirrored, left for right, with the given probability.

    Raises SettingsError for a probability outside [0, 1].
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise SettingsError(f"{_name(self)}: probability is {self.probability}; it must be from 0 to 1")

    def __call__(self, images: np.ndarray, draw: Draw) -> np.ndarray:
        """The images, some of them mirrored.    (n, h, w, c) uint8"""
        mirrored = draw("flip", (len(images),)) < self.probability
        flipped = images.copy()
        flipped[mirrored] = images[mirrored, :, ::-1]
        return flipped


@dataclass(frozen=True)
class RandomResizedCrop:
    """A rectangle of each image, enlarged to the size of the image (bicubic).

    The rectangle covers a fraction a of the image's AREA, and its width / height is r times that of the image:

        a uniform in scale        ln r uniform in ln(ratio)        crop: w sqrt(a r) x h sqrt(a / r)

    as in torchvision's transform of that name, where for square images r is the same; for others it would be
    width / height itself, which squeezes them. Where torchvision tries up to ten pairs (a, r) until the rectangle fits
    into the image, here r is drawn from the part of `ratio` that fits: a <= r <= 1/a. The place is uniform, and not
    bound to whole pixels.

    Raises SettingsError for bounds in the wrong order, an area outside (0, 1], or a ratio that can not always fit.
    """

    scale: tuple[float, float] = (0.9, 1.0)
    ratio: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        smallest, largest = _bounds(self, "scale", self.scale)
        narrowest, widest = _bounds(self, "ratio", self.ratio)
        if not 0 < smallest <= largest <= 1:
            raise SettingsError(f"{_name(self)}: scale is {self.scale}; wanted areas, 0 < low <= high <= 1")
        if not 0 < narrowest <= widest < math.inf:
            raise SettingsError(f"{_name(self)}: ratio is {self.ratio}; wanted 0 < low <= high")
        if widest < largest or narrowest > 1 / largest:
            raise SettingsError(
                f"{_name(self)}: no rectangle with {largest:g} of the area and a ratio in {self.ratio} fits; "
                f"use a smaller scale, or a ratio that includes 1"
            )

    def __call__(self, images: np.ndarray, draw: Draw) -> np.ndarray:
        """A crop of each image.    (n, h, w, c) uint8"""
        from PIL import Image

        n, h, w, _ = images.shape
        cropped = np.empty_like(images)
        for target, image, box in zip(cropped, images, self._boxes(n, h, w, draw).tolist(), strict=True):
            for part in _parts(image):
                resized = _to_pillow(image[..., part]).resize((w, h), Image.Resampling.BICUBIC, box=tuple(box))
                target[..., part] = np.asarray(resized).reshape(h, w, -1)
        return cropped

    def _boxes(self, n: int, h: int, w: int, draw: Draw) -> np.ndarray:
        """The rectangles: left, top, right, bottom.    (n, 4)"""
        area = _between(self.scale, draw("crop.area", (n,)))
        log_ratio = np.log(np.maximum(self.ratio[0], area)), np.log(np.minimum(self.ratio[1], 1 / area))
        ratio = np.exp(_between(log_ratio, draw("crop.ratio", (n,))))
        # Rounding may make a rectangle as large as the image a little larger, and Pillow refuses that.
        crop_h, crop_w = np.minimum(h * np.sqrt(area / ratio), h), np.minimum(w * np.sqrt(area * ratio), w)
        top, left = draw("crop.top", (n,)) * (h - crop_h), draw("crop.left", (n,)) * (w - crop_w)
        return np.stack([left, top, np.minimum(left + crop_w, w), np.minimum(top + crop_h, h)], axis=1)


@dataclass(frozen=True)
class RandomRotation:
    """Each image is turned about its centre by an angle that is uniform in [-degrees, degrees] (bicubic).

    What comes in at the corners repeats the pixels at the edge: no black wedges. Still, G learns from what it is shown:
    turned faces and streaked corners become part of what it makes. Pillow rounds down here: images get darker by half
    a level of 255.

    Raises SettingsError for degrees outside [0, 180].
    """

    degrees: float = 20

    def __post_init__(self) -> None:
        if not 0 <= self.degrees <= 180:
            raise SettingsError(f"{_name(self)}: degrees is {self.degrees}; it must be from 0 to 180")

    def __call__(self, images: np.ndarray, draw: Draw) -> np.ndarray:
        """The images, each turned by an angle of its own.    (n, h, w, c) uint8"""
        from PIL import Image

        n, h, w, _ = images.shape
        angles = np.radians(_between((-self.degrees, self.degrees), draw("angle", (n,)))).tolist()
        margin = math.ceil((math.hypot(h, w) - min(h, w)) / 2)  # the corners reach out so far at the most
        padded = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="edge")
        turned = np.empty_like(images)
        for target, image, angle in zip(turned, padded, angles, strict=True):
            matrix = _rotation(angle, w / 2, h / 2, margin)
            for part in _parts(image):
                picture = _to_pillow(image[..., part])
                picture = picture.transform((w, h), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
                target[..., part] = np.asarray(picture).reshape(h, w, -1)
        return turned


def _rotation(angle: float, x: float, y: float, margin: int) -> tuple[float, ...]:
    """Where a pixel of the image turned about (x, y) comes from in the padded image, as Pillow wants it: two rows."""
    cos, sin = math.cos(angle), math.sin(angle)
    return (cos, sin, margin + x - cos * x - sin * y, -sin, cos, margin + y + sin * x - cos * y)


def _parts(image: np.ndarray) -> list[slice]:
    """The channels that Pillow changes together: all of grey or RGB. Of two or four, the last would be transparency to
    it, by which it weighs the others: each goes alone.
    """
    c = image.shape[-1]
    return [slice(0, c)] if c in (1, 3) else [slice(i, i + 1) for i in range(c)]


def _to_pillow(image: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _between(bounds: tuple, uniform: np.ndarray) -> np.ndarray:
    low, high = bounds
    return low + (high - low) * uniform


def _bounds(transform: object, name: str, value: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise SettingsError(f"{_name(transform)}: {name} is {value!r}; wanted two numbers: (low, high)")
    return value


def _name(transform: object) -> str:
    return type(transform).__name__
