"""IDX, the file format of MNIST and its family: a header of big-endian numbers, then the bytes of one array.

    0 0 type rank | rank lengths of 4 bytes | the elements, rows last       type 8 = uint8

Plain, .gz or .xz: told apart by their first bytes, not by their names. The header is read first, and as much as it
promises after it: neither a header nor a compressed file can take more memory than the array that is there.
"""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..archive import DEFLATED_AT_BEST, fill
from ..errors import DataError
from ..files import open_regular

UINT8 = 8
MOST_AXES = 8
XZ_AT_BEST = 20_000  # bytes out of one: zeros become some 7,000 times smaller


def read_idx(path: str | Path) -> np.ndarray:
    """The uint8 array in an IDX file. Raises DataError if it is missing, truncated, or something else."""
    path = Path(path)
    try:
        with open_regular(path) as file:
            stream, held = _decompressing(path, file)
            return _read_array(path, stream, held, stream is file)
    except DataError:
        raise
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is truncated or damaged: {error}") from error
    except MemoryError as error:
        raise DataError(f"{path} cannot be read: the memory does not hold it ({error})") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # lzma's own, which cannot be named where it is absent
        raise DataError(f"{path} is truncated or damaged: {error}") from error


def _read_array(path: Path, stream: Any, held: int, is_plain: bool) -> np.ndarray:
    """held: bytes that the stream has, or, of a compressed one, has at most; whatever its header promises."""
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0":
        raise DataError(f"{path} is not an IDX file: it begins with {start!r}, wanted two zero bytes")
    if start[2] != UINT8:
        raise DataError(f"{path}: IDX elements of type {start[2]:#04x}; wanted 0x08, unsigned bytes")
    rank = start[3]
    header = stream.read(4 * rank)
    if not 1 <= rank <= MOST_AXES or len(header) < 4 * rank:
        raise DataError(f"{path} is truncated or damaged: {4 + len(header)} bytes, whose header promises {rank} axes")
    lengths = tuple(int(length) for length in np.frombuffer(header, ">u4"))
    size = math.prod(lengths)
    promised = " x ".join(map(str, lengths))
    if size == 0:
        raise DataError(f"{path} is empty: its header promises {promised} elements")
    damaged = f"{path} is truncated or damaged: its header promises {promised} = {size} bytes, and"
    follow = held - 4 - len(header)
    if size > follow or (is_plain and size != follow):
        raise DataError(f"{damaged} {'' if is_plain else 'at most '}{follow} follow")
    array = np.empty(size, np.uint8)
    count = fill(array.data, stream)
    if count < size:
        raise DataError(f"{damaged} {count} follow")
    if stream.read(1):
        raise DataError(f"{damaged} more follow")
    return array.reshape(lengths)


def _decompressing(path: Path, file: BinaryIO) -> tuple[Any, int]:
    """What the file holds, as it is or decompressed while it is read; and how many bytes that can be."""
    start, size = file.read(6), os.fstat(file.fileno()).st_size
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file), size * DEFLATED_AT_BEST
    if start != b"\xfd7zXZ\0":
        return file, size
    try:
        import lzma  # absent from some self-made Pythons
    except ImportError as error:
        raise DataError(
            f"{path} is compressed with xz, and this Python was built without lzma: decompress it with xz -d"
        ) from error
    return lzma.LZMAFile(file), size * XZ_AT_BEST
