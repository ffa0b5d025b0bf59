"""Where images come from: the bundled MNIST, IDX files, and NumPy arrays. Nothing here opens a network connection."""

import re
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..printing import note
from .decoding import ARRAYS
from .idx import read_idx
from .image_set import ImageSet
from .labels import as_labels

MNIST_FILES = Path(__file__).parent / "mnist_files"
COMPRESSED = (".gz", ".xz")
SPLITS = {"train": "train", "test": "t10k"}
KINDS = "an IDX file (plain, .gz or .xz), a folder with one, or a .npy or .npz file of images"


def mnist(split: str = "train", labels: bool = True) -> ImageSet:
    """MNIST, which comes with the package: 60,000 images for "train", 10,000 for "test".    (n, 28, 28, 1) uint8

    LeCun, Cortes and Burges; see mnist_files/NOTICE.md for its licence.
    """
    if split not in SPLITS:
        raise DataError(f"mnist: split is {split!r}; the splits are {', '.join(SPLITS)}")
    stem = MNIST_FILES / SPLITS[split]
    digits = read_idx(f"{stem}-labels-idx1-ubyte.xz") if labels else None
    return ImageSet(read_idx(f"{stem}-images-idx3-ubyte.xz"), f"MNIST {split}", digits)


def load(path: str | Path | None = None) -> ImageSet:
    """The images at `path`; those of MNIST's training set if it is None. Raises DataError if there are none.

    Accepts an IDX file of images (MNIST, Fashion-MNIST, EMNIST), plain or compressed with gzip or xz; a folder that
    holds one, or one whose name contains "train"; a .npy file, or a .npz file with one array or one named "images".

    Labels come along where they are: an IDX file of labels beside that of the images, named as MNIST's are
    (train-labels-idx1-ubyte beside train-images-idx3-ubyte); an array "labels" in a .npz file. Those that are not one
    whole number for each image are left out, and a note says so.
    """
    if path is None:
        return mnist("train")
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; wanted {KINDS}")
    if path.is_dir():
        path = _image_file_in(path)
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; wanted {KINDS}")
    if path.suffix.lower() in ARRAYS:
        images, labels = _read_numpy(path)
    else:
        images, labels = _read_idx_images(path), _read_idx_labels(path)
    found = ImageSet(images, str(path))
    if labels is None:
        return found
    try:
        return ImageSet(found.images, found.name, as_labels(labels, len(found), f"those of {path}"))
    except DataError as error:
        note(f"note: labels are left out: {error}")
        return found


def _read_idx_images(path: Path) -> np.ndarray:
    try:
        array = read_idx(path)
    except DataError as error:
        raise DataError(f"{error}. --data takes {KINDS}") from error
    if array.ndim == 1:
        raise DataError(f"{path} holds {len(array)} labels, not images: give the file with 'images' in its name")
    return array


def _read_idx_labels(path: Path) -> np.ndarray | None:
    """The labels beside a file of images, under MNIST's names, compressed or not; None if there are none to be read."""
    stem, own = (path.stem, path.suffix) if path.suffix in COMPRESSED else (path.name, "")
    name = re.sub(r"idx\d", "idx1", stem.replace("images", "labels"))
    files = [path.with_name(name + ending) for ending in (own, "", *COMPRESSED)]
    found = next((file for file in files if file.is_file()), None)
    if found is None or "images" not in stem:
        return None
    try:
        return read_idx(found)
    except DataError as error:
        note(f"note: labels are left out: {error}")
        return None


def _image_file_in(folder: Path) -> Path:
    """The one image file of a folder of IDX files. Two that could be meant are an error, not a guess."""
    found = sorted(file for file in folder.iterdir() if "images" in file.name and "idx" in file.name)
    training = [file for file in found if "train" in file.name]
    chosen = training or found
    if not chosen:
        raise DataError(f"{folder} holds no IDX image file (such as train-images-idx3-ubyte.gz); wanted {KINDS}")
    if len(chosen) > 1:
        names = ", ".join(file.name for file in chosen)
        raise DataError(f"{folder} holds several image files: {names}; give the path of the one you mean")
    return chosen[0]


def _read_numpy(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """The images, and the labels if there are any."""
    try:
        with open(path, "rb") as file:
            content, labels = np.load(file, allow_pickle=False), None
            if isinstance(content, np.lib.npyio.NpzFile):
                names = content.files
                if len(names) != 1 and "images" not in names:
                    raise DataError(
                        f"{path} holds {', '.join(names) or 'nothing'}; wanted one array or one named 'images'"
                    )
                labels = _labels_in(content, path) if {"images", "labels"} <= set(names) else None
                content = content["images" if "images" in names else names[0]]
            if not isinstance(content, np.ndarray):
                raise DataError(f"{path} holds something other than arrays; wanted {KINDS}")
            return content, labels
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise DataError(f"{path} is not an array file that can be read: {error}") from error


def _labels_in(archive: np.lib.npyio.NpzFile, path: Path) -> np.ndarray | None:
    """The array "labels"; None if it holds Python objects or is damaged."""
    try:
        return archive["labels"]
    except Exception as error:
        note(f"note: labels are left out: those of {path} cannot be read: {error}")
        return None
