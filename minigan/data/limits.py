"""How many pixels a picture file may promise. A header of thirty bytes can promise a thousand million, and decoders
take the memory for them before they look for the pixels.
"""

from typing import BinaryIO

ALWAYS = 2**24  # pixels that any file may promise
PIXELS_A_BYTE = 10_000  # beyond: a white page of a scanner, black or white, takes one byte for some 8,000
HEAD = 30


def require_modest(width: int, height: int, size: int) -> None:
    """Raises OSError for a picture of more pixels than a file of `size` bytes can honestly hold."""
    if width * height > max(ALWAYS, size * PIXELS_A_BYTE):
        raise OSError(f"it promises {width:,} x {height:,} pixels in {size:,} bytes")


def webp_size(file: BinaryIO) -> tuple[int, int]:
    """(width, height) that a WebP file promises; (0, 0) for any other. Pillow takes the memory when it opens one.

    Google's "WebP Container Specification": VP8X has 24 bits for each side less one, VP8L 14; VP8 has 14 for the side.
    """
    head = file.read(HEAD)
    file.seek(0)
    if len(head) < HEAD or head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return 0, 0
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if head[12:16] == b"VP8 ":
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return 0, 0
