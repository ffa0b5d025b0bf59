"""Training data. Images stay uint8 in memory and are scaled to [-1, 1] batch by batch."""

from .decoding import FITS
from .drawn import draw_faces
from .faces import crop_faces
from .folder import images
from .idx import read_idx
from .image_set import SAMPLINGS, ImageSet
from .sources import load, mnist
from .transforms import RandomHorizontalFlip, RandomResizedCrop, RandomRotation

__all__ = [
    "FITS", "SAMPLINGS", "ImageSet", "RandomHorizontalFlip", "RandomResizedCrop", "RandomRotation", "crop_faces",
    "draw_faces", "images", "load", "mnist", "read_idx",
]  # fmt: skip
