"""Images of a trained generator, one file each: as many as one likes, in the memory of one batch."""

import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from . import pictures
from .backend import Array, philox
from .errors import FileError, SettingsError
from .generator import classes_of, latent_of, with_labels
from .network import Sequential

BATCH = 256  # images at a time; a multiple of 4, of which a batch of random numbers begins with one
PATTERN = re.compile(r"%(0[1-9])?d")
DIGITS = 6


def numbered(out: Path, text: str) -> str | None:
    """The pattern of one file for each image, "faces/%06d.png": such a name, or a folder. None for another name.

    text: `out` as it was written, since a path forgets the "/" at its end
    """
    if text.endswith(("/", os.sep)) or out.is_dir():
        return str(out / f"%0{DIGITS}d.png").replace("%", "%%", str(out).count("%"))
    if not PATTERN.search(out.name) or out.suffix.lower() != ".png":
        return None
    if len(PATTERN.findall(out.name)) > 1 or "%" in PATTERN.sub("", out.name):
        raise SettingsError(f"--out {out}: wanted one number in the name, such as %06d.png")
    return str(out.parent).replace("%", "%%") + os.sep + out.name


def save_numbered(batches: Iterable[np.ndarray], count: int, pattern: str) -> None:
    """Write image i of `count` in all to `pattern % i`. Each file is whole or not there, and none is replaced.

    Raises FileError, before anything is made, if one of the files exists, or the folder's own folder does not.
    """
    folder = Path(pattern % 0).parent
    if not folder.parent.is_dir():
        raise FileError(f"--out {folder}: the folder {folder.parent} does not exist")
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    taken = next((name for i in range(count) if (name := Path(pattern % i).name) in there), None) if there else None
    if taken is not None:
        raise FileError(f"--out {folder / taken} exists already and is not overwritten: name another folder")
    try:
        folder.mkdir(exist_ok=True)
        number = 0
        for images in batches:
            for image in images:
                _save(Path(pattern % number), pictures.to_uint8(image))
                number += 1
    except OSError as error:
        raise FileError(f"--out {folder} cannot be written: {error.strerror or error}") from error


def _save(path: Path, picture: np.ndarray) -> None:
    """Not forced to the disk, as a checkpoint is: 50,000 files would take minutes more, and can be made again."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            pictures.as_image(picture).save(file, "PNG")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def image_batches(G: Sequential, count: int, seed: int, labels: np.ndarray | None) -> Iterator[np.ndarray]:
    """The first `count` samples of G with this seed, as they are however many are asked for.    (BATCH, h, w, c)"""
    for start in range(0, count, BATCH):
        n = min(BATCH, count - start)
        z = _noise(G, n, seed, start)
        yield G.backend.to_host(G.predict(with_labels(G, z, None if labels is None else labels[start : start + n])))


def _noise(G: Sequential, n: int, seed: int, start: int) -> Array:
    """Rows start ... start + n - 1 of what `draw_noise(G, ..., seed, "samples", 0)` gives."""
    classes = classes_of(G)
    shape = (G.input_shape[0] - classes,) if classes else G.input_shape
    length, uniform = math.prod(shape), latent_of(G) == "uniform"
    draw = philox.uniform if uniform else philox.normal
    z = draw(n * length, seed, "samples", first=start * length).reshape(n, *shape)
    return 2 * G.backend.asarray(z, G.dtype) - 1 if uniform else G.backend.asarray(z, G.dtype)


def noise_of(G: Sequential, seed: int, numbers: Sequence[int]) -> np.ndarray:
    """z of the samples with these numbers, from 0, in the sequence of a seed.    (n, *noise), float64, on the host"""
    fours = [_noise(G, 4, seed, number - number % 4) for number in numbers]  # random numbers come in blocks of four
    rows = [G.backend.to_host(four)[number % 4] for four, number in zip(fours, numbers, strict=True)]
    return np.stack(rows).astype(np.float64)


def images_of(G: Sequential, z: np.ndarray, label: int | None = None) -> np.ndarray:
    """The images that G makes of noise, all of one class if it has any.    z: (n, *noise) -> (n, h, w, c)"""
    labels = None if label is None else np.full(len(z), label)
    return G.backend.to_host(G.predict(with_labels(G, G.backend.asarray(z, G.dtype), labels)))
