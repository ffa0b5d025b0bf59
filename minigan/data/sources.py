"""Where images come from: the bundled MNIST, IDX files, and NumPy arrays. Nothing here opens a network connection."""

from pathlib import Path

import numpy as np

from ..errors import DataError
from .decoding import ARRAYS
from .idx import read_idx
from .image_set import ImageSet

MNIST_FILES = Path(__file__).parent / "mnist_files"
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
    """
    if path is None:
        return mnist("train", labels=False)
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; wanted {KINDS}")
    if path.is_dir():
        path = _image_file_in(path)
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; wanted {KINDS}")
    images = _read_numpy(path) if path.suffix.lower() in ARRAYS else _read_idx_images(path)
    return ImageSet(images, str(path))


def _read_idx_images(path: Path) -> np.ndarray:
    try:
        array = read_idx(path)
    except DataError as error:
        raise DataError(f"{error}. --data takes {KINDS}") from error
    if array.ndim == 1:
        raise DataError(f"{path} holds {len(array)} labels, not images: give the file with 'images' in its name")
    return array


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


def _read_numpy(path: Path) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.lib.npyio.NpzFile):
                names = content.files
                if len(names) != 1 and "images" not in names:
                    raise DataError(
                        f"{path} holds {', '.join(names) or 'nothing'}; wanted one array or one named 'images'"
                    )
                content = content["images" if "images" in names else names[0]]
            if not isinstance(content, np.ndarray):
                raise DataError(f"{path} holds something other than arrays; wanted {KINDS}")
            return content
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise DataError(f"{path} is not an array file that can be read: {error}") from error
