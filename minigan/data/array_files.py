"""Which file of a folder has the images, and which file has their labels: MNIST's family, as it is unpacked."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import DataError
from .kinds import ARRAYS, TABLES, ends_in

COMPRESSED = (".gz", ".xz")
DEEPEST = 3  # folders down: torchvision has MNIST/raw, archives have a folder for each file


def array_file_in(folder: Path, kinds: str) -> Path | None:
    """The one file of images in or below a folder; None if there is none.

    One whose name contains "train" is preferred; a file and its compressed twin are one. Raises DataError where several
    could be meant: that is no guess.
    """
    files = sorted(_files(folder))
    images = [file for file in files if "images" in file.name and "idx" in file.name]
    found = images or [file for file in files if ends_in(file.name, (*ARRAYS, *TABLES))]
    training = [file for file in found if "train" in file.name]
    chosen = _without_twins(training or found)
    if len(chosen) > 1:
        names = ", ".join(str(file.relative_to(folder)) for file in chosen)
        raise DataError(f"{folder} holds several image files: {names}; give the path of the one you mean")
    return chosen[0] if chosen else None


def labels_file_of(images: Path) -> Path | None:
    """The IDX file of labels beside that of images, under MNIST's names, compressed or not; None if there is none."""
    name, own = _without_compression(images.name)
    if "images" not in name:
        return None
    name = re.sub(r"idx\d", "idx1", name.replace("images", "labels"))
    names = [name, re.sub(r"[.-]idx", ".idx", name), re.sub(r"[.-]idx", "-idx", name)]
    home = _home(images)
    for folder in dict.fromkeys((images.parent, home, *(home / name for name in names))):
        for candidate in names:
            for ending in (own, "", *COMPRESSED):
                if (file := folder / (candidate + ending)).is_file():
                    return file
    return None


def _files(folder: Path) -> Iterator[Path]:
    """Files that are not hidden, as macOS's "._" twins are; a folder is none, whatever it is called."""
    for here, folders, files in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))] if depth < DEEPEST else []
        yield from (Path(here, name) for name in files if not name.startswith("."))


def _without_twins(files: Sequence[Path]) -> list[Path]:
    """Of files that are one but for compression, or a folder that an unpacker made, the plainest."""
    order = sorted(files, key=lambda file: (bool(_without_compression(file.name)[1]), len(file.parts), file))
    plainest: dict[tuple[Path, str], Path] = {}
    for file in order:
        plainest.setdefault((_home(file), _plain_name(file.name)), file)
    return sorted(plainest.values())


def _home(file: Path) -> Path:
    """The folder of a file, or the one above where the folder has the file's name."""
    same = _plain_name(file.parent.name) == _plain_name(file.name)
    return file.parent.parent if same else file.parent


def _plain_name(name: str) -> str:
    return _without_compression(name)[0].replace(".idx", "-idx").lower()


def _without_compression(name: str) -> tuple[str, str]:
    stem, ending = os.path.splitext(name)
    return (stem, ending) if ending in COMPRESSED else (name, "")
