"""IDX, the file format of MNIST and its family: a header of big-endian numbers, then the bytes of one array.

    0 0 type rank | rank lengths of 4 bytes | the elements, rows last       type 8 = uint8

Plain, .gz or .xz: told apart by their first bytes, not by their names.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from ..errors import DataError

UINT8 = 8
MOST_AXES = 8


def read_idx(path: str | Path) -> np.ndarray:
    """The uint8 array in an IDX file. Raises DataError if it is missing, truncated, or something else."""
    path = Path(path)
    content = _decompressed(path)
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"{path} is not an IDX file: it begins with {content[:4]!r}, wanted two zero bytes")
    if content[2] != UINT8:
        raise DataError(f"{path}: IDX elements of type {content[2]:#04x}; wanted 0x08, unsigned bytes")
    rank = content[3]
    header = 4 + 4 * rank
    if not 1 <= rank <= MOST_AXES or len(content) < header:
        raise DataError(f"{path} is truncated or damaged: {len(content)} bytes, whose header promises {rank} axes")
    lengths = tuple(int(length) for length in np.frombuffer(content[4:header], ">u4"))
    size = math.prod(lengths)
    promised = " x ".join(map(str, lengths))
    if size == 0:
        raise DataError(f"{path} is empty: its header promises {promised} elements")
    if len(content) != header + size:
        raise DataError(
            f"{path} is truncated or damaged: its header promises {promised} = {size} bytes, and "
            f"{len(content) - header} follow"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(lengths)


def _decompressed(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:6] == b"\xfd7zXZ\0":
            return _unxz(path, content)
        return content
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def _unxz(path: Path, content: bytes) -> bytes:
    try:
        import lzma  # absent from some self-made Pythons
    except ImportError as error:
        raise DataError(
            f"{path} is compressed with xz, and this Python was built without lzma: decompress it with xz -d"
        ) from error
    try:
        return lzma.decompress(content)
    except lzma.LZMAError as error:
        raise DataError(f"{path} is truncated or damaged: {error}") from error
