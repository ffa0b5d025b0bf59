"""Samples of any shape in one array, and data out of whatever a user has."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DataError, SettingsError
from .axes import image_axes
from .image_set import MOST_CHANNELS, ImageSet
from .levels import note_odd_levels
from .protocol import Data, require_data
from .samples import Samples, finite_range


class ArrayData(Samples):
    """`array` of shape (n, *shape): floats of any size and any range, taken as they are, in memory or in a file.

    Points are (n, 2), time series (n, length, channels). No number is scaled: let G end in a layer that reaches all of
    them, a linear one (Dense) where they have no bounds. `labels`, `class_names` and `sampling` are those of Samples.

    Raises DataError for another dtype, for no samples, for fewer than two axes, and for NaN or infinity.
    """

    def __init__(
        self,
        array: np.ndarray,
        name: str = "array",
        labels: Any = None,
        *,
        class_names: Sequence[str] = (),
        sampling: str = "replacement",
    ) -> None:
        if array.ndim < 2 or 0 in array.shape:
            hint = ": write x[:, None]" if array.ndim == 1 else ""
            raise DataError(f"{name} has shape {array.shape}; wanted (n, ...), n >= 1 samples of one shape{hint}")
        if array.dtype.kind != "f":
            raise DataError(
                f"{name} has shape {array.shape} and elements of type {array.dtype}; wanted floats: write "
                f"x.astype('float32'). Bytes are taken for images, (n, h, w) or (n, h, w, c)"
            )
        finite_range(array, name, "number", "sample")
        super().__init__(array, name, labels, class_names=class_names, sampling=sampling)


def as_data(thing: Any) -> Data:
    """Data out of what a user has; what follows the protocol already is returned as it is.

        a NumPy array or memory map         of bytes (n, h, w) or (n, h, w, c), or of floats (n, h, w, c) with c <= 4:
                                            an ImageSet; of other floats: ArrayData
        a pair of such an array and labels  the same, with labels

    Raises SettingsError for anything else, DataError for an array that cannot be used, or whose shape has two meanings.
    Images that are nearly one colour are worth a note.
    """
    if isinstance(thing, tuple) and len(thing) == 2 and isinstance(thing[0], np.ndarray):
        return _from_array(*thing)
    if isinstance(thing, tuple):
        raise SettingsError(
            f"data is a tuple of {len(thing)}: {', '.join(type(part).__name__ for part in thing)}; wanted "
            f"(array, labels), or one array"
        )
    return _from_array(thing, None) if isinstance(thing, np.ndarray) else require_data(thing)


def _from_array(array: np.ndarray, labels: Any) -> Data:
    name = str(getattr(array, "filename", None) or "array")  # a memory map knows its file
    bytes_of_images = array.dtype == np.uint8 and array.ndim in (3, 4)
    floats_of_images = array.dtype.kind == "f" and array.ndim == 4 and array.shape[-1] <= MOST_CHANNELS
    if bytes_of_images or floats_of_images:
        found = ImageSet(image_axes(array, name), name, labels)
        note_odd_levels(found.images, name)
        return found
    return ArrayData(array, name, labels)
