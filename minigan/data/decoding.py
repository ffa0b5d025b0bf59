"""One picture file of any usual kind: decoded, turned upright, made grey or RGB, 8 bits a channel."""

import errno
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from ..files import open_regular
from .damage import checked, require_no_gap, require_no_hole
from .jpeg import Feed
from .kinds import formats
from .limits import require_modest, webp_size

if TYPE_CHECKING:
    from PIL import Image

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
DEEP = re.compile(r"^(RGB|RGBA|RGBX|LA);16([BLN])$")  # Pillow's names for colours of 16 bits, and the order of bytes
SWAPPED = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}
MOST = 65_535  # the highest level of 16 bits; one of 8 bits counts 257
PLAIN = ("BMP", "PPM", "TIFF")  # formats without compression, or often so
EXTENT = "extent"  # in a picture's info: (w, h) of what it covers, in its own pixels
COARSEST = 8  # pixels of a JPEG that may become one
REDUCED = 4  # a JPEG is decoded at no less than this many times the size wanted


class Levels(NamedTuple):
    """What becomes black and what white, in levels of 16 bits."""

    low: float
    high: float


FULL_RANGE = Levels(0, MOST)


def read_picture(
    path: str | Path,
    channels: int = 3,
    side: int | None = None,
    background: str = "white",
    levels: Levels = FULL_RANGE,
) -> "Image.Image":
    """The picture in a file: upright as its EXIF data say, transparent parts over `background`, 8 bits a channel.

    Mode L for 1 channel, RGB for 3. Of an animation, the first frame. 16 bits become 8 by  round(255 (level - low) /
    (high - low)), in grey as in colour. With `side`, a JPEG photograph may come at a half, a quarter or an eighth of
    its size, but at least `4 side` high and wide: libjpeg skips the details, which a later resize to at most `side`
    would only average away. Raises whatever Pillow raises, and OSError for a file that is not whole: `reason` has the
    words.
    """
    from PIL import Image

    colours, alpha, orientation, extent = _decoded(Path(path), side)
    if isinstance(colours, np.ndarray):
        colours = Image.fromarray(_eight_bits(colours, levels))
    elif levels != FULL_RANGE:
        colours = _even(colours)
        colours = colours.point(_eight_bits(257 * np.arange(256), levels).tolist() * len(colours.getbands()))
    if alpha is not None:
        colours = colours.convert("RGB")
        colours = Image.composite(colours, Image.new("RGB", colours.size, background), alpha)
    turn = TURNS.get(orientation)
    colours = colours.convert(MODES[channels])
    colours.info = {} if extent is None or turn is not None else {EXTENT: extent}
    return colours if turn is None else colours.transpose(Image.Transpose[turn])


def levels_in(path: str | Path) -> Levels:
    """The lowest and the highest level of a picture, without its transparent parts."""
    colours, alpha, *_ = _decoded(Path(path), None)
    array = colours if isinstance(colours, np.ndarray) else np.asarray(_even(colours), np.uint32) * 257
    seen = array if alpha is None else array[np.asarray(alpha) > 0]
    return Levels(float(seen.min()), float(seen.max())) if seen.size else Levels(np.inf, -np.inf)


def reason(path: Path, error: Exception) -> str:
    """Why a picture could not be read, in a few words."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        return f"too large: {error}"
    if isinstance(error, MemoryError):
        return "too large: the memory does not hold it"
    if isinstance(error, UnidentifiedImageError):
        return "an empty file" if path.stat().st_size == 0 else f"not an image, or not {', '.join(formats())}"
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or errno.errorcode.get(error.errno, "unreadable")
    return f"truncated or damaged: {error or type(error).__name__}"


# Decoding ------------------------------------------------------------------------------------------------------------


def _decoded(
    path: Path, side: int | None
) -> tuple["Image.Image | np.ndarray", "Image.Image | None", int, tuple[float, float] | None]:
    """The first frame: its colours, its alpha if it has any, its orientation, and its extent if it was reduced.

    Colours are a picture of 8 bits a channel, or an array of levels, (h, w) or (h, w, 3).
    """
    from PIL import Image

    with open_regular(path) as opened:
        size = os.fstat(opened.fileno()).st_size
        require_modest(*webp_size(opened), size)
        file = io.BytesIO(opened.read())  # of a file, Pillow would ask for as many bytes as a damaged header says
        source = checked(file)
        image = Image.open(source, formats=formats())
        require_modest(*image.size, size)
        deep = all(DEEP.match(_raw_mode(tile)) for tile in image.tile) and bool(image.tile)
        upside_down = image.format == "BMP" and any(isinstance(t[3], tuple) and t[3][-1] == -1 for t in image.tile)
        extent = _reduce(image, side)
        image.load()
        if isinstance(source, Feed):
            source.require_end()
        require_no_hole(file, image.format, image.width * image.height)
        if image.format in PLAIN:
            require_no_gap(np.asarray(image)[:: -1 if upside_down else 1])
        levels = _sixteen_bits(file, np.asarray(image)) if deep else None
        if image.mode[0] in "IF":
            levels = np.asarray(image)
        colours, alpha = _colours_and_alpha(image) if levels is None else _parts_of(levels, image.info)
        return colours, alpha, _orientation(image), extent


def _reduce(image: "Image.Image", side: int | None) -> tuple[float, float] | None:
    """Let a JPEG be decoded at a part of its size. Returns what it then covers of its pixels, (w, h).

    1,001 pixels at an eighth are 126, of which the last is an eighth full; that of a turned picture would be elsewhere,
    and it is reduced only if all are full.
    """
    whole = image.width % COARSEST == image.height % COARSEST == 0
    if side is None or not (whole or _orientation(image) == 1):
        return None
    reduced = image.draft(None, (REDUCED * side, REDUCED * side))
    return None if reduced is None else (reduced[1][2], reduced[1][3])


def _raw_mode(tile: Any) -> str:
    """Pillow's name for how the pixels of a part of a file are stored."""
    return tile[3] if isinstance(tile[3], str) else str(tile[3][0] if tile[3] else "")


def _sixteen_bits(file: BinaryIO, high: np.ndarray) -> np.ndarray:
    """Colours of 16 bits, of which Pillow gives the high bytes: it is told the other order of bytes for the low ones.

    (h, w, c) uint32. Of the kinds that Pillow cannot be told this of, a level is that of its high byte.
    """
    from PIL import Image

    file.seek(0)
    with Image.open(file, formats=formats()) as image:
        image.tile = [_swapped(tile) for tile in image.tile]
        grey = _raw_mode(image.tile[0]) == "RGBA"
        try:
            image.load()
        except (ValueError, OSError):
            return high.astype(np.uint32) * 257
        low = np.asarray(image, np.uint32)
    if grey:  # all four bytes of grey and alpha
        return np.stack([low[..., 0] * 256 + low[..., 1], low[..., 2] * 256 + low[..., 3]], axis=-1)
    return high.astype(np.uint32) * 256 + low


def _swapped(tile: Any) -> Any:
    """The part of a file, as if its bytes stood in the other order."""
    raw = _raw_mode(tile)
    colours, order = raw.split(";16")
    new = "RGBA" if colours == "LA" else f"{colours};16{SWAPPED[order]}"
    parts = (*tile[:3], new if isinstance(tile[3], str) else (new, *tile[3][1:]))
    return type(tile)(*parts) if hasattr(tile, "_replace") else parts  # Pillow 10 has plain tuples


def _colours_and_alpha(image: "Image.Image") -> tuple["Image.Image", "Image.Image | None"]:
    if image.getbands()[-1] not in "Aa" and "transparency" not in image.info:
        return image, None
    with_alpha = image.convert("RGBA")
    return with_alpha.convert("RGB"), with_alpha.getchannel("A")


def _parts_of(levels: np.ndarray, info: dict[Any, Any]) -> tuple[np.ndarray, "Image.Image | None"]:
    """The same of an array, whose last channel is alpha if there are two or four; one level may be transparent."""
    from PIL import Image

    if levels.ndim == 3 and levels.shape[-1] in (2, 4):
        alpha = _eight_bits(levels[..., -1], FULL_RANGE)
        return (levels[..., 0] if levels.shape[-1] == 2 else levels[..., :3]), Image.fromarray(alpha)
    if "transparency" not in info:
        return levels, None
    there = levels != np.asarray(info["transparency"])
    there = there if levels.ndim == 2 else there.any(axis=-1)
    return levels, Image.fromarray(np.where(there, 255, 0).astype(np.uint8))


def _eight_bits(levels: np.ndarray, rule: Levels) -> np.ndarray:
    """round(255 (level - low) / (high - low)), within 0 and 255. Raises OSError for numbers that no rule is known for.

    Pillow's own conversion would clip everything above 255 to white.
    """
    low, high = rule
    if rule == FULL_RANGE and levels.size and (levels.dtype.kind == "f" or levels.min() < 0 or levels.max() > MOST):
        raise OSError(
            f"levels from {levels.min():g} to {levels.max():g}; wanted 0 to {MOST}, or stretch=True, which spreads them"
        )
    scaled = (levels.astype(np.float64) - low) * (255 / max(high - low, 1e-9))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def _even(image: "Image.Image") -> "Image.Image":
    """In a mode whose bytes are levels."""
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _orientation(image: "Image.Image") -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # EXIF data are not the picture: whatever is wrong with them, it is taken as upright
        return 1
