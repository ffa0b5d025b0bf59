"""Where images come from: the bundled MNIST, IDX files, arrays and tables. Nothing here opens a network connection."""

import re
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..printing import note
from .array_files import array_file_in, labels_file_of
from .axes import image_axes
from .idx import read_idx
from .image_set import ImageSet
from .kinds import ARRAYS, RAW, TABLES, ends_in
from .labels import as_labels
from .levels import note_odd_levels, stretched
from .numpy_files import read_numpy
from .raw import SHAPE, how_to_say, read_raw
from .samples import finite_range
from .tables import read_table

MNIST_FILES = Path(__file__).parent / "mnist_files"
SPLITS = {"train": "train", "test": "t10k"}
KINDS = "an IDX file (plain, .gz or .xz), a folder with one, a .npy or .npz file of images, or a table of them, .csv"
IDX = b"\0\0\x08"


def mnist(split: str = "train", labels: bool = True) -> ImageSet:
    """MNIST, which comes with the package: 60,000 images for "train", 10,000 for "test".    (n, 28, 28, 1) uint8

    LeCun, Cortes and Burges; see mnist_files/NOTICE.md for its licence.
    """
    if split not in SPLITS:
        raise DataError(f"mnist: split is {split!r}; the splits are {', '.join(SPLITS)}")
    stem = MNIST_FILES / SPLITS[split]
    digits = read_idx(f"{stem}-labels-idx1-ubyte.xz") if labels else None
    return ImageSet(read_idx(f"{stem}-images-idx3-ubyte.xz"), f"MNIST {split}", digits)


def load(path: str | Path | None = None, *, stretch: bool = False) -> ImageSet:
    """The images at `path`; those of MNIST's training set if it is None. Raises DataError if there are none.

    Accepts an IDX file of images (MNIST, Fashion-MNIST, EMNIST), plain or compressed with gzip or xz; a .npy file; a
    .npz file with one array, or one named images, x_train or train_images, else as "file.npz:name"; a table, .csv or
    .csv.gz, of an image a row; bytes without a header, as "file.bin:28x28"; and a folder with one of these, or with one
    whose name contains "train", up to three folders down. Rows of 784 numbers are images of 28 x 28.

    stretch=True makes the lowest level black and the highest white: for 12 bits in 16, 0 and 1, floats of any range.

    Labels come along where they are: an IDX file of labels beside that of the images, named as MNIST's are
    (train-labels-idx1-ubyte beside train-images-idx3-ubyte); the array of that name in a .npz file; a column of a
    table. Those that are not one whole number for each image are left out, and a note says so.
    """
    if path is None:
        return mnist("train")
    path, part = split_part(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; wanted {KINDS}")
    if path.is_dir():
        path = _file_in(path)
    if not path.is_file():
        raise DataError(f"{path} is a pipe, a socket or a device, which may never end; wanted {KINDS}")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; wanted {KINDS}")
    name = str(path) if part is None else f"{path}:{part}"
    images, labels = _read(path, part)
    found = _image_set(image_axes(images, name), name, stretch)
    if labels is not None:
        found = _labelled(found, labels, path)
    note_odd_levels(found.images, name)
    return found


def _image_set(images: np.ndarray, name: str, stretch: bool) -> ImageSet:
    """Raises DataError for other numbers than levels, with the hint that they can be spread where they can."""
    numbers = images.dtype.kind in "biuf" and images.size > 0
    if images.dtype.kind == "f" and images.size and images.ndim:
        finite_range(images, name, "pixel", "image")
    if stretch and numbers:
        return ImageSet(stretched(images), name)
    try:
        return ImageSet(images, name)
    except DataError as error:
        mend = "; or spread them from black to white: stretch=True"
        raise DataError(
            f"{error}{mend if numbers and images.dtype != np.uint8 and images.ndim in (3, 4) else ''}"
        ) from error


def _labelled(images: ImageSet, labels: np.ndarray, path: Path) -> ImageSet:
    try:
        return ImageSet(images.images, images.name, as_labels(labels, len(images), f"those of {path}"))
    except DataError as error:
        note(f"note: labels are left out: {error}")
        return images


def split_part(path: str | Path) -> tuple[Path, str | None]:
    """A path, and what is said behind a colon: the name of an array of an .npz file, or the shape of raw images.

    A colon that is part of a path, such as that of a Windows drive, separates nothing.
    """
    whole, (head, _, part) = Path(path), str(path).rpartition(":")
    is_part = head.lower().endswith(".npz") or (head and SHAPE.fullmatch(part))
    if whole.exists() or not is_part or re.search(r"[\\/]", part) or not part:
        return whole, None
    return Path(head), part


def has_array_file(folder: Path) -> bool:
    """Whether `load` would find something in this folder, if only several things to choose from."""
    try:
        return array_file_in(folder, KINDS) is not None
    except DataError:
        return True


def _file_in(folder: Path) -> Path:
    found = array_file_in(folder, KINDS)
    if found is None:
        raise DataError(
            f"{folder} holds no IDX image file (such as train-images-idx3-ubyte.gz); wanted {KINDS}. A folder of "
            f"pictures is read by images(folder, size)"
        )
    return found


def _read(path: Path, part: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The images and the labels, by the reader for the file."""
    if ends_in(path.name, ARRAYS):
        return read_numpy(path, part)
    if ends_in(path.name, TABLES):
        return read_table(path)
    if part is not None or (ends_in(path.name, RAW) and not _begins_as_idx(path)):
        return read_raw(path, part)
    return _read_idx_images(path), _read_idx_labels(path)


def _begins_as_idx(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(IDX)) == IDX


def _read_idx_images(path: Path) -> np.ndarray:
    try:
        array = read_idx(path)
    except DataError as error:
        raise DataError(f"{error}. --data takes {KINDS}; of bytes without a header, {how_to_say(path)}") from error
    if array.ndim == 1:
        raise DataError(f"{path} holds {len(array)} labels, not images: give the file with 'images' in its name")
    return array


def _read_idx_labels(path: Path) -> np.ndarray | None:
    """The labels beside a file of images; None if there are none to be read."""
    found = labels_file_of(path)
    if found is None:
        return None
    try:
        return read_idx(found)
    except DataError as error:
        note(f"note: labels are left out: {error}")
        return None
