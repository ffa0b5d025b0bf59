"""Images as bytes without a header, whose shape must be said: FILE:28x28, FILE:32x32x3."""

import re
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..files import open_regular

SHAPE = re.compile(r"\d{1,5}x\d{1,5}(x[1-4])?")
CIFAR = re.compile(r"(data_batch_\d|test_batch)\.bin")
CIFAR_ROW = 1 + 3 * 32 * 32  # a label, and the planes of red, green and blue


def read_raw(path: Path, shape: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The images, (n, h, w) or (n, h, w, c), as `shape` says, such as "28x28"; and labels: CIFAR-10's files have some.

    Raises DataError, with what to type, where the shape is missing, or the file is no multiple of it.
    """
    with open_regular(path) as file:
        content = np.fromfile(file, np.uint8)
    if shape is None and CIFAR.fullmatch(path.name) and len(content) % CIFAR_ROW == 0:
        rows = content.reshape(-1, CIFAR_ROW)
        return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0]
    if shape is None:
        raise DataError(f"{path} is {len(content):,} bytes without a header: {how_to_say(path)}")
    sides = tuple(map(int, shape.split("x")))
    size = int(np.prod(sides))
    if size == 0 or len(content) == 0 or len(content) % size:
        raise DataError(
            f"{path} has {len(content):,} bytes, which are no whole number of images of {shape}: {size:,} each"
        )
    return content.reshape(-1, *sides), None


def how_to_say(path: Path) -> str:
    """The shape of raw images, in words."""
    return (
        f"say the shape of an image, height by width by channels, behind a colon, as in {path}:28x28 or {path}:32x32x3"
    )
