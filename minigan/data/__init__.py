"""Training data: any object that follows the protocol `Data`; images, points and arrays of ours do.

Images stay uint8 in memory, or in their file, and are scaled to [-1, 1] batch by batch.
"""

from .array_data import ArrayData, as_data
from .drawn import draw_faces
from .faces import crop_faces
from .fitting import FITS, RESAMPLES
from .folder import images
from .idx import read_idx
from .image_set import ImageSet
from .protocol import (
    Data,
    LabelledData,
    check_batch,
    check_batch_labels,
    class_count,
    data_identity,
    data_name,
    has_labels,
    require_data,
)
from .samples import SAMPLINGS
from .sources import load, mnist
from .toy import GaussianMixture, drawing, grid, ring, spiral
from .transforms import RandomHorizontalFlip, RandomResizedCrop, RandomRotation

__all__ = [
    "FITS", "RESAMPLES", "SAMPLINGS", "ArrayData", "Data", "GaussianMixture", "ImageSet", "LabelledData",
    "RandomHorizontalFlip", "RandomResizedCrop", "RandomRotation", "as_data", "check_batch", "check_batch_labels",
    "class_count", "crop_faces", "data_identity", "data_name", "draw_faces", "drawing", "grid", "has_labels", "images",
    "load", "mnist", "read_idx", "require_data", "ring", "spiral",
]  # fmt: skip
