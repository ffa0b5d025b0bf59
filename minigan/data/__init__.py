"""Training data. Images stay uint8 in memory and are scaled to [-1, 1] batch by batch."""

from .idx import read_idx
from .image_set import ImageSet
from .sources import load, mnist

__all__ = ["ImageSet", "load", "mnist", "read_idx"]
