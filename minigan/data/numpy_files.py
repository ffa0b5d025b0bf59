"""Images and labels in .npy and .npz files, under the names that the field gives them."""

import re
from pathlib import Path

import numpy as np

from ..archive import Archive, read_arrays
from ..errors import DataError
from ..files import open_regular
from ..printing import note

# Images and their labels: ours, Keras's, scikit-learn's way to write them, MedMNIST's. The first that are there count.
PAIRS = (
    ("images", "labels"),
    ("x_train", "y_train"),
    ("X_train", "y_train"),
    ("train_images", "train_labels"),
)


def read_numpy(path: Path, key: str | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """The images, and the labels if there are any. `key` names an array of an .npz file.

    Raises DataError for what cannot be read, and for several arrays of which none is known to be the images.
    """
    try:
        with open_regular(path) as file:
            content = read_arrays(file)
            if not isinstance(content, Archive):
                return content, None
            images, labels = _names(content, path, key)
            return content[images], _labels(content, path, labels)
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds for a damaged file
        raise DataError(f"{path} is not an array file that can be read: {error}") from error


def _names(archive: Archive, path: Path, key: str | None) -> tuple[str, str]:
    """What the images are called, and what labels of theirs would be."""
    names = archive.files
    if key is not None:
        if key not in names:
            raise DataError(f"{path} has no array {key!r}; it holds {', '.join(names) or 'nothing'}")
        return key, _partner(key)
    for images, labels in PAIRS:
        if images in names:
            return images, labels
    if len(names) == 1:
        return names[0], _partner(names[0])
    known = ", ".join(images for images, _ in PAIRS[1:])
    mend = f": say which are the images, as in --data {path}:{names[0]}" if names else ""
    raise DataError(
        f"{path} holds {', '.join(names) or 'nothing'}; wanted one array or one named 'images' (or {known}){mend}"
    )


def _partner(images: str) -> str:
    """The name of labels beside images of this name: test_images, test_labels; x_val, y_val."""
    return re.sub(r"(?<![A-Za-z])[xX](?![A-Za-z])", "y", images.replace("images", "labels"))


def _labels(archive: Archive, path: Path, name: str) -> np.ndarray | None:
    """The labels; None if there are none, or they are Python objects or damaged."""
    if name not in archive.files:
        return None
    try:
        labels = archive[name]
    except Exception as error:
        note(f"note: labels are left out: those of {path} cannot be read: {error}")
        return None
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
