"""What files are called, and what they then are: the one table of endings."""

PICTURES = {  # ending: format, in Pillow's words; no other decoder is let loose on a file
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pbm": "PPM",
    ".pnm": "PPM",
    ".avif": "AVIF",
    ".apng": "PNG",
}
ARRAYS = (".npy", ".npz")  # of many images, which NumPy writes
TABLES = (".csv", ".csv.gz")  # an image a row
RAW = (".bin",)  # bytes without a header


def formats() -> tuple[str, ...]:
    """The formats that this Pillow can read: some are built without AVIF or WebP."""
    from PIL import Image

    Image.init()
    return tuple(name for name in dict.fromkeys(PICTURES.values()) if name in Image.OPEN)


def picture_endings() -> tuple[str, ...]:
    """The endings of pictures that this Pillow can read."""
    known = formats()
    return tuple(ending for ending, name in PICTURES.items() if name in known)


def ends_in(name: str, endings: tuple[str, ...]) -> bool:
    """Whether a file's name ends so, in any case."""
    return name.lower().endswith(endings)
