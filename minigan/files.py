"""Writing files so that a kill at any moment, or a full disk, leaves the last good one; and opening what is a file."""

import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from .errors import FileError

PATIENCE = 2.0  # seconds in which another program, a virus scanner or a viewer, may hold a file
HELD = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EAGAIN, errno.ETXTBSY)  # what the system says then

KINDS = {
    stat.S_IFIFO: "a named pipe, which may never end",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}

T = TypeVar("T")


def open_regular(path: str | Path) -> BinaryIO:
    """The file, open for reading. Raises OSError if there is none, and for a pipe, a socket or a device, which `open`
    might wait for without end.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"it is {KINDS.get(stat.S_IFMT(mode), 'no file')}; wanted a file", str(path))
    return open(path, "rb")


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object], overwrite: bool = True) -> None:
    """Call `write(file)` on a temporary file beside `path`, force it to the disk, and rename it to `path`.

    A symbolic link stays one: what it points to is replaced. Raises FileError, and leaves what was there, if anything
    goes wrong; or if the file exists and may not be replaced.
    """
    path = Path(path)
    if not overwrite and path.exists():
        raise FileError(f"{path} exists already and is not overwritten: choose another name, or delete it first")
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with patiently(lambda: open(temporary, "wb")) as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            patiently(lambda: os.replace(temporary, target))
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        kept = f"; the {path.name} that was there is intact" if path.exists() else ""
        raise FileError(f"{path} cannot be written: {error.strerror or error}{kept}") from error


def patiently(act: Callable[[], T]) -> T:
    """act(), tried again for up to PATIENCE seconds while another program holds what it needs."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except OSError as error:
            if not is_held(error) or time.monotonic() >= end:
                raise
            time.sleep(0.02)


def is_held(error: BaseException | None) -> bool:
    """Whether this error, or a FileError because of it, says that another program holds a file."""
    error = error.__cause__ if isinstance(error, FileError) else error
    return isinstance(error, OSError) and error.errno in HELD


def is_older(path: Path, than: Path) -> bool:
    """Whether `path` is missing, or was not written after `than`: some file systems count in whole seconds."""
    return than.exists() and (not path.exists() or path.stat().st_mtime_ns <= than.stat().st_mtime_ns)
