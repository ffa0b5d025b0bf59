"""One picture file of any usual kind: decoded, turned upright, made grey or RGB, and brought to a size."""

import errno
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SettingsError
from ..files import open_regular
from .limits import require_modest, webp_size

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif")
ARRAYS = (".npy", ".npz")  # files of many images, which NumPy writes
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")  # in Pillow's words; no other decoder is let loose on a file
ORIENTATION = 0x0112  # the EXIF tag; its value 1 is upright
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
MODES = {1: "L", 3: "RGB"}  # in Pillow's words, by the number of channels
FITS = ("crop", "squash")


def read_picture(path: str | Path, channels: int = 3, side: int | None = None) -> "Image.Image":
    """The picture in a file: upright as its EXIF data say, transparent parts over white, 8 bits a channel.

    Mode L for 1 channel, RGB for 3. Of an animation, the first frame. With `side`, a JPEG photograph may come at a
    half, a quarter or an eighth of its size, but at least `2 side` high and wide: libjpeg skips the details, which a
    later resize to at most `side` would only average away. Raises whatever Pillow raises: `reason` has the words.
    """
    from PIL import Image

    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        require_modest(*webp_size(file), size)
        content = io.BytesIO(file.read())  # of a file, Pillow would ask for as many bytes as a damaged header says
        image = Image.open(content, formats=FORMATS)
        require_modest(*image.size, size)
        if side is not None:
            image.draft(None, (2 * side, 2 * side))
        image.load()
        turn = TURNS.get(_orientation(image))
        picture = _opaque(image).convert(MODES[channels])
    return picture if turn is None else picture.transpose(Image.Transpose[turn])


def fitted(picture: "Image.Image", size: tuple[int, int], fit: str) -> "Image.Image":
    """The picture at `size`, (h, w) in pixels, by Lanczos resampling.

    fit "crop" keeps the largest centred part that has the shape of `size`; "squash" keeps everything, stretched.
    """
    from PIL import Image

    h, w = size
    if fit == "crop":
        scale = min(picture.height / h, picture.width / w)
        box_h, box_w = max(round(h * scale), 1), max(round(w * scale), 1)
        top, left = (picture.height - box_h) // 2, (picture.width - box_w) // 2
        picture = picture.crop((left, top, left + box_w, top + box_h))
    return picture.resize((w, h), Image.Resampling.LANCZOS)


def check_target(size: tuple[int, int], fit: str, channels: int) -> None:
    """Raise SettingsError for a size, fit or number of channels that no picture can be brought to."""
    whole = isinstance(size, (tuple, list)) and len(size) == 2 and all(type(side) is int for side in size)
    if not whole or min(size) < 1:
        raise SettingsError(f"size is {size!r}; wanted (height, width), two whole numbers of pixels from 1 on")
    if fit not in FITS:
        raise SettingsError(f"fit is {fit!r}; wanted one of {', '.join(FITS)}")
    if channels not in MODES:
        raise SettingsError(f"channels is {channels!r}; wanted 1 (grey) or 3 (RGB)")


def reason(path: Path, error: Exception) -> str:
    """Why a picture could not be read, in a few words."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        return f"too large: {error}"
    if isinstance(error, MemoryError):
        return "too large: the memory does not hold it"
    if isinstance(error, UnidentifiedImageError):
        return "an empty file" if path.stat().st_size == 0 else f"not an image, or not {', '.join(FORMATS)}"
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or errno.errorcode.get(error.errno, "unreadable")
    return f"truncated or damaged: {error or type(error).__name__}"


def _orientation(image: "Image.Image") -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # EXIF data are not the picture: whatever is wrong with them, it is taken as upright
        return 1


def _opaque(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    if image.mode.startswith("I"):
        return _eight_bits(image)
    if image.getbands()[-1] != "A" and "transparency" not in image.info:
        return image
    coloured = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), coloured)


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """16 bits to 8: 65535 / 257 = 255. Pillow's own conversion would clip everything above 255 to white."""
    from PIL import Image

    levels = np.asarray(image).astype(np.uint32)
    grey = ((levels + 128) // 257).astype(np.uint8)
    if "transparency" in image.info:  # one level stands for "nothing here"
        grey[levels == image.info["transparency"]] = 255
    return Image.fromarray(grey)
