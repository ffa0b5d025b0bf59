"""A picture brought to a size: which part of it is kept, and by which filter."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SettingsError
from .decoding import EXTENT, MODES

if TYPE_CHECKING:
    from PIL import Image

FITS = ("crop", "squash", "pad")
RESAMPLES = ("lanczos", "nearest")


@dataclass(frozen=True)
class Target:
    """What every picture of a set becomes.

    size        (h, w) in pixels
    channels    1 (grey) or 3 (RGB)
    fit         "crop" keeps the largest centred part that has the shape of `size`; "squash" keeps everything,
                stretched; "pad" keeps everything, and fills up with `background`
    background  a colour, as Pillow names them ("white", "#808080"): under transparent parts, and beside padded pictures
    resample    "lanczos" averages; "nearest" keeps the very colours and edges of pixel art

    Raises SettingsError for what no picture can be brought to.
    """

    size: tuple[int, int]
    channels: int = 3
    fit: str = "crop"
    background: str = "white"
    resample: str = "lanczos"

    def __post_init__(self) -> None:
        size = self.size
        whole = isinstance(size, (tuple, list)) and len(size) == 2 and all(type(side) is int for side in size)
        if not whole or min(size) < 1:
            raise SettingsError(f"size is {size!r}; wanted (height, width), two whole numbers of pixels from 1 on")
        if self.fit not in FITS:
            raise SettingsError(f"fit is {self.fit!r}; wanted one of {', '.join(FITS)}")
        if self.channels not in MODES:
            raise SettingsError(f"channels is {self.channels!r}; wanted 1 (grey) or 3 (RGB)")
        if self.resample not in RESAMPLES:
            raise SettingsError(f"resample is {self.resample!r}; wanted one of {', '.join(RESAMPLES)}")
        require_colour(self.background)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(h, w, channels)."""
        return (*self.size, self.channels)

    @property
    def side(self) -> int | None:
        """What a picture may be reduced to while it is decoded: see `read_picture`; None: not at all."""
        return None if self.resample == "nearest" else max(self.size)


def fitted(picture: "Image.Image", target: Target) -> "Image.Image":
    """The picture at the target's size, in the mode that it has."""
    from PIL import Image

    (h, w), method = target.size, Image.Resampling[target.resample.upper()]
    full_w, full_h = picture.info.get(EXTENT, picture.size)
    if target.fit == "pad":
        return _padded(picture, target, method)
    if target.fit == "squash":
        return picture.resize((w, h), method, (0, 0, full_w, full_h))
    scale = min(full_h / h, full_w / w)
    box_h, box_w = max(round(h * scale), 1), max(round(w * scale), 1)
    if (full_w, full_h) == picture.size:  # whole pixels: what needs no resize stays sharp
        top, left = (picture.height - box_h) // 2, (picture.width - box_w) // 2
        return picture.crop((left, top, left + box_w, top + box_h)).resize((w, h), method)
    left, top = (full_w - w * scale) / 2, (full_h - h * scale) / 2
    return picture.resize((w, h), method, (left, top, left + w * scale, top + h * scale))


def _padded(picture: "Image.Image", target: Target, method: "Image.Resampling") -> "Image.Image":
    from PIL import Image

    h, w = target.size
    full_w, full_h = picture.info.get(EXTENT, picture.size)
    scale = min(h / full_h, w / full_w)
    inner_h, inner_w = min(max(round(full_h * scale), 1), h), min(max(round(full_w * scale), 1), w)
    whole = Image.new(picture.mode, (w, h), target.background)
    inner = picture.resize((inner_w, inner_h), method, (0, 0, full_w, full_h))
    whole.paste(inner, ((w - inner_w) // 2, (h - inner_h) // 2))
    return whole


def require_colour(colour: str) -> None:
    """Raise SettingsError for what Pillow knows as no colour."""
    from PIL import ImageColor

    try:
        ImageColor.getrgb(colour)
    except (ValueError, AttributeError, TypeError) as error:
        raise SettingsError(
            f"background={colour!r}: wanted a colour, by its name or as red, green and blue: white, #808080"
        ) from error
