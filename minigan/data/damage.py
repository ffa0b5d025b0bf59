"""Is a picture file whole? What each format lets one check before, or while, it is decoded.

    PNG         the CRC of every piece that the picture needs
    JPEG        jpeg.py
    WebP, AVIF  no checksum: a long row of zeros among compressed data, which are never so
    BMP, PPM    no checksum, no compression: a hole looks like black paint, but for its first row

Other damage to these last four, such as a few wrong bytes, cannot be seen.
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from . import jpeg

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
COMPRESSED = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")  # the pieces of a WebP file that hold pixels
HEAD, PIECE = 32, 2**20  # bytes
FEW = 64
ZEROS = re.compile(rb"\0{64,}")
# An even area compresses to zeros, too: measured were up to 1 byte for 10,000 pixels.
PIXELS_PER_ZERO = 5_000
HOLE = "a hole: zeros in place of data"


def checked(file: BinaryIO) -> BinaryIO:
    """What Pillow shall read the picture from: the file, or, of a JPEG file, its bytes.

    Raises OSError for a file that is damaged as far as its bytes show.
    """
    head = file.read(HEAD)
    if head.startswith(b"\xff\xd8"):
        return jpeg.feed(head + file.read())
    if head.startswith(SIGNATURE):
        file.seek(len(SIGNATURE))
        _check_png(file)
    file.seek(0)
    return file


def require_no_hole(file: BinaryIO, kind: str | None, pixels: int) -> None:
    """Raise OSError for a WebP or AVIF file with more zeros in a row than `pixels` of one colour come to."""
    if kind not in ("WEBP", "AVIF"):
        return
    file.seek(0)
    content = file.read()
    parts = _webp_parts(content) if kind == "WEBP" else iter([content])
    longest = max((len(zeros) for part in parts for zeros in ZEROS.findall(part)), default=0)
    if longest > FEW + pixels / PIXELS_PER_ZERO:
        raise OSError(HOLE)


def require_no_gap(rows: np.ndarray) -> None:
    """Raise OSError for black that begins in the middle of a row, below rows without any, and fills at least two more.

    rows: of a file that is not compressed, in its order, (h, w) or (h, w, c). Paint has edges that are no file's.
    """
    black = rows == 0 if rows.ndim == 2 else (rows == 0).all(axis=-1)
    w, full = black.shape[1], black.all(axis=1)
    for row in np.flatnonzero(black[1:-2, -1] & ~full[1:-2] & full[2:-1] & full[3:]) + 1 if len(black) > 3 else ():
        start = w - int(np.argmin(black[row, ::-1]))  # where the black at the end of the row begins
        whole_above = not black[row, :start].any() and not black[row - 1].any()
        if w / 16 <= start <= 15 * w / 16 and whole_above:
            raise OSError(HOLE)


def _check_png(file: BinaryIO) -> None:
    """The CRCs up to the end mark. What is not there at all is Pillow's to say."""
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        length, kind = int.from_bytes(head[:4]), head[4:]
        if kind not in NEEDED:
            file.seek(length + 4, 1)
            continue
        found = zlib.crc32(kind)
        while length:
            piece = file.read(min(length, PIECE))
            if not piece:
                raise OSError("image file is truncated")
            found, length = zlib.crc32(piece, found), length - len(piece)
        if found.to_bytes(4) != file.read(4):
            raise OSError(f"the checksum of its {kind.decode()} is wrong")


def _webp_parts(content: bytes) -> Iterator[bytes]:
    """The pieces of a RIFF file that hold pixels; metadata may be padded with zeros."""
    place = 12
    while place + 8 <= len(content):
        kind, length = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        if kind in COMPRESSED:
            yield content[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
