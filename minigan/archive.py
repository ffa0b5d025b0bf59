"""Arrays in .npy and .npz files, looked at before they are read: a header is compared with what the file can hold, and
with what is wanted, before memory is taken for what it promises.

    .npy   magic, version, length of the header | a Python dictionary: dtype, order, shape | the elements
    .npz   a zip archive with a .npy file for each array, stored or deflated

NumPy's own reader takes the memory first. What is wrong is a ValueError here; who knows the file adds its name.
"""

import io
import json
import math
import os
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

MAGIC = b"\x93NUMPY"
ZIPPED = (b"PK\x03\x04", b"PK\x05\x06")  # an archive with members, and an empty one
LENGTHS = {(1, 0): 2, (2, 0): 4}  # bytes of the header's length, by version; the third is for names of fields alone
LONGEST_HEADER = 10_000
DEFLATED_AT_BEST = 1032  # bytes out of one, of any deflate stream
LONGEST_TEXT = 2**22  # bytes, four a character: an architecture of thousands of layers
LONGEST_END = 22 + 2**16  # bytes of a zip archive's last record, which ends in a comment
PIECE = 2**20  # bytes read at a time
PICKLED = "it holds pickled objects, which minigan never loads"


@dataclass(frozen=True)
class Header:
    """What a .npy file says of its array. `length` is the header's own, in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool  # "Fortran order"
    length: int

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_scalar(self) -> bool:
        """One number, without axes."""
        return self.shape == ()


def read_header(file: Any) -> Header:
    """The header at the beginning of a .npy file, which is left where the elements begin. Raises ValueError."""
    start = file.read(8)
    version = tuple(start[6:])
    if start[:6] != MAGIC or version not in LENGTHS:
        raise ValueError("it does not begin as an array that NumPy writes")
    size = file.read(LENGTHS[version])
    length = int.from_bytes(size, "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"its header promises {length:,} bytes for itself; wanted {LONGEST_HEADER:,} at most")
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's, about text that no program wrote
            shape, by_columns, dtype = read(io.BytesIO(size + file.read(length)))
    except Exception as error:  # Python's parser, too, raises many kinds for such a text
        raise ValueError(f"its header is damaged: {error}") from error
    if dtype.hasobject:
        raise ValueError(PICKLED)
    if len(shape) > 32 or any(type(side) is not int or side < 0 for side in shape) or math.prod(shape) >= 2**62:
        raise ValueError(f"its header is damaged: an array of shape {shape}")
    return Header(shape, dtype, bool(by_columns), 8 + len(size) + length)


def read_elements(file: Any, header: Header, held: float) -> np.ndarray:
    """The array that a header promises, of which the file holds at most `held` bytes. Raises ValueError for less."""
    if header.nbytes > held:
        raise ValueError(
            f"its header promises {header.nbytes:,} bytes, {header.shape} of {header.dtype}, and {held:,.0f} are there "
            f"at most"
        )
    array = np.empty(math.prod(header.shape), header.dtype)
    if header.nbytes and (count := fill(array.view(np.uint8).data, file)) < header.nbytes:
        raise ValueError(f"its header promises {header.nbytes:,} bytes, and {count:,} follow")
    return array.reshape(header.shape[::-1]).T if header.by_columns else array.reshape(header.shape)


def fill(memory: memoryview, file: Any) -> int:
    """Read as many bytes as the memory has. Returns how many there are: fewer where the file ends before."""
    at = 0
    while at < len(memory) and (count := file.readinto(memory[at : at + PIECE])):
        at += count
    return at


class Archive(Mapping[str, np.ndarray]):
    """The arrays of an open .npz file, by name; each is read when it is asked for. Members of other kinds do not count.

    Raises ValueError for an archive that is damaged, or has an array twice.
    """

    def __init__(self, file: BinaryIO) -> None:
        try:
            self.zip = zipfile.ZipFile(file)
            for one in self.zip.infolist():
                self.zip.open(one).close()  # its name stands in two places: a damaged one would hide the array
            require_all(file, len(self.zip.infolist()))
        except Exception as error:  # zipfile, too, raises many kinds
            raise ValueError(str(error) or type(error).__name__) from error
        self.size = file.seek(0, os.SEEK_END)
        members = [one for one in self.zip.infolist() if one.filename.endswith(".npy")]
        self.members = {one.filename.removesuffix(".npy"): one for one in members}
        if len(self.members) < len(members):
            raise ValueError("it has two arrays of one name")
        self.headers: dict[str, Header] = {}

    def __iter__(self) -> Any:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, name: object) -> bool:
        return name in self.members

    @property
    def files(self) -> list[str]:
        """The names, as in NumPy's own."""
        return list(self.members)

    def header(self, name: str) -> Header:
        """What the array is, without its elements. Raises KeyError or ValueError."""
        if name not in self.headers:
            if name not in self.members:
                raise KeyError(f"{name!r} is missing")
            with self._opened(name) as entry:
                self.headers[name] = read_header(entry)
        return self.headers[name]

    def __getitem__(self, name: str) -> np.ndarray:
        """The array. Raises KeyError or ValueError."""
        header = self.header(name)
        member = self.members[name]
        if header.length + header.nbytes != member.file_size:
            raise ValueError(
                f"{name}: its header promises {header.nbytes:,} bytes, and it has {member.file_size - header.length:,}"
            )
        with self._opened(name) as entry:
            read_header(entry)
            array = read_elements(entry, header, self._held(member))
            entry.read(1)  # the end, where the checksum is compared
        return array

    def _held(self, member: zipfile.ZipInfo) -> int:
        """Bytes that a member can be at most, whatever the archive says of it."""
        packed = min(member.compress_size, self.size)
        return packed if member.compress_type == zipfile.ZIP_STORED else packed * DEFLATED_AT_BEST

    def _opened(self, name: str) -> Any:
        member = self.members[name]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is compressed in a way that NumPy does not use")
        return self.zip.open(member)


def require_all(file: BinaryIO, found: int) -> None:
    """Raises ValueError if a zip archive says at its end that it has more members than were found, or fewer."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LONGEST_END))
    end = file.read()
    count = int.from_bytes(end[(at := end.rfind(ZIPPED[1])) + 10 : at + 12], "little")
    if count not in (found, 0xFFFF):  # that many or more: another record has the number
        raise ValueError(f"its end speaks of {count} members, and {found} are listed")


def read_arrays(file: BinaryIO) -> np.ndarray | Archive:
    """What an open .npy file holds, or the archive of an .npz file. Raises ValueError for anything else."""
    start = file.read(len(MAGIC))
    file.seek(0)
    if start[:4] in ZIPPED:
        return Archive(file)
    if start == MAGIC:
        header = read_header(file)
        at = file.tell()
        held = file.seek(0, os.SEEK_END) - at
        file.seek(at)
        return read_elements(file, header, held)
    raise ValueError(f"no array file: not from NumPy, or {PICKLED}" if start else "an empty file")


def finite(array: np.ndarray, dtype: Any, what: str) -> np.ndarray:
    """The numbers in this dtype. Raises ValueError for what is none: complex numbers, text, dates, booleans, NaN,
    infinity, and what becomes infinite in the dtype.
    """
    require_numbers(array.dtype, what)
    with np.errstate(all="ignore"):
        cast = array.astype(dtype, copy=False)
        bad = ~np.isfinite(cast)
    if bad.any():
        first = array[bad][0]
        where = f", the first of {int(bad.sum()):,} such entries" if bad.sum() > 1 else ""
        raise ValueError(f"{what} has the entry {first}{where}: wanted finite numbers of {np.dtype(dtype)}")
    return cast


def require_numbers(dtype: np.dtype, what: str) -> None:
    """Raises ValueError unless it is a type of real numbers."""
    if dtype.kind not in "fiu":
        raise ValueError(f"{what} has entries of type {dtype}; wanted numbers")


def write_archive(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """What np.savez writes, but with equal dates, and closed properly on a full disk (in NumPy 2.0 it is not)."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def text_in(archive: Archive, name: str) -> str:
    """A text. Raises ValueError for anything else."""
    header = archive.header(name)
    if header.dtype.kind != "U" or not header.is_scalar or header.nbytes > LONGEST_TEXT:
        raise ValueError(f"{name} is {header.dtype} of shape {header.shape}; wanted a text")
    return str(archive[name])


def json_in(archive: Archive, name: str) -> Any:
    """What a text says, as JSON."""
    return json.loads(text_in(archive, name))


def count_in(archive: Archive, name: str) -> int:
    """A whole number from 0 on. Raises ValueError for anything else."""
    value = number_in(archive, name)
    if not 0 <= value < 2**63 or value != int(value):
        raise ValueError(f"{name} is {value}; wanted a whole number from 0 on")
    return int(value)


def number_in(archive: Archive, name: str) -> Any:
    """One finite number. Raises ValueError for anything else."""
    header = archive.header(name)
    require_numbers(header.dtype, name)
    if not header.is_scalar:
        raise ValueError(f"{name} has shape {header.shape}; wanted one number")
    value = archive[name].item()
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}; wanted a finite number")
    return value
