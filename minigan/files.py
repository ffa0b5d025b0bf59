"""Writing files so that a kill at any moment, or a full disk, leaves the last good one."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .errors import FileError


def write_atomically(path: str | Path, write: Callable[[BinaryIO], object], overwrite: bool = True) -> None:
    """Call `write(file)` on a temporary file beside `path`, force it to the disk, and rename it to `path`.

    Raises FileError, and leaves what was there, if anything goes wrong; or if the file exists and may not be replaced.
    """
    path = Path(path)
    if not overwrite and path.exists():
        raise FileError(f"{path} exists already and is not overwritten: choose another name, or delete it first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            with open(temporary, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        kept = f"; the {path.name} that was there is intact" if path.exists() else ""
        raise FileError(f"{path} cannot be written: {error.strerror or error}{kept}") from error
