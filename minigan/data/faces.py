"""Faces cut out of photographs, into a folder that `images` can read."""

import csv
import importlib
import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, FileError, SettingsError, counted
from ..files import open_regular
from ..pictures import save_png
from .decoding import read_picture, reason
from .finding import list_images
from .folder import progress_bar, quiet_pillow, summary

HEADER = ["file", "x", "y", "width", "height"]
OPENCV = 'pip install "minigan[faces]", or give boxes, a CSV file of where the faces are'
STEM = 50  # letters of a photograph's name that stay in the names of its faces: systems limit the length

Box = tuple[float, float, float, float]  # x, y, width, height in pixels; x and y from the top left corner
Finder = Callable[[Path, np.ndarray], list[tuple[int, int, int, int]]]  # the doubled boxes in a photograph


class Crops(NamedTuple):
    """What `crop_faces` did: photographs read, faces written, photographs in which there was none."""

    images: int
    faces: int
    without_face: int


def double_box(box: Box, image_size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box (x, y, width, height) at twice its size around its centre, cut off at the borders of the image (h, w).

    A detector's box ends at eyebrows and chin; the doubled one has hair, ears and neck. What is left of it is
    `array[y : y + height, x : x + width]`: rows come first. DataError: the box is empty or wholly outside.
    """
    x, y, width, height = box
    image_h, image_w = image_size
    shown = ", ".join(f"{number:g}" for number in box)
    if not (width > 0 and height > 0 and all(map(math.isfinite, box))):
        raise DataError(f"the box ({shown}) is none; wanted x, y, width, height, the last two above 0")
    if x >= image_w or y >= image_h or x + width <= 0 or y + height <= 0:
        raise DataError(f"the box ({shown}) is outside the image, which is {image_w} pixels wide and {image_h} high")
    left, top = math.floor(x - width / 2), math.floor(y - height / 2)
    right, bottom = min(math.ceil(left + 2 * width), image_w), min(math.ceil(top + 2 * height), image_h)
    left, top = max(left, 0), max(top, 0)
    return left, top, right - left, bottom - top


def crop_faces(
    source: str | Path,
    target: str | Path,
    *,
    boxes: str | Path | None = None,
    cascade: str = "haarcascade_frontalcatface.xml",
) -> Crops:
    """Cut every face out of the photographs below `source`, by `double_box`, into PNG files in the new folder `target`.

    Where the faces are is in the CSV file `boxes`, with the header file,x,y,width,height: paths relative to `source`,
    pixels of the upright photograph. Without it OpenCV looks for them: `cascade` is the name of a classifier that comes
    with OpenCV, or the path of another. (Viola and Jones, "Rapid object detection using a boosted cascade of simple
    features", CVPR 2001.)

    Raises FileError if `target` is not new or empty; SettingsError without OpenCV or with an unknown cascade; DataError
    for a CSV file that makes no sense, before anything is written, and, after all other photographs, for those that
    cannot be read or whose boxes do not fit.
    """
    source, target = Path(source), Path(target)
    names = list_images(source)
    find = _detector(cascade) if boxes is None else _listed(Path(boxes), source, names)
    _make_folder(target, source)
    written, without, faults = 0, 0, []
    with quiet_pillow(), progress_bar(len(names)) as bar:
        for i, name in enumerate(names):
            bar.update()
            try:
                faces = _faces_in(source, name, find)
            except Exception as error:  # Pillow raises many kinds for a damaged file
                faults.append(str(error) if isinstance(error, DataError) else f"{name}: {reason(source / name, error)}")
                continue
            for k, face in enumerate(faces):  # i keeps apart what has one name in two folders
                save_png(target / f"{i:06d}-{name.stem[:STEM]}-{k}.png", face, overwrite=False)
            written += len(faces)
            without += not faces
    if faults:
        raise DataError(
            f"{summary(faults, source, len(names))}\ncorrect these and start again with a new folder; "
            f"{target} has the {counted(written, 'face')} of the others"
        )
    return Crops(len(names), written, without)


def _faces_in(source: Path, name: Path, find: Finder) -> list[np.ndarray]:
    photograph = np.asarray(read_picture(source / name))
    return [photograph[y : y + height, x : x + width] for x, y, width, height in find(name, photograph)]


def _make_folder(target: Path, source: Path) -> None:
    if target.resolve().is_relative_to(source.resolve()):
        raise SettingsError(f"{target} is in {source}: its faces would count as photographs; name a folder elsewhere")
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise FileError(f"{target} has something in it, which is not overwritten: name a new folder")
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"{target} cannot be made: {error.strerror or error}") from error


# Where the faces are -------------------------------------------------------------------------------------------------


def _detector(cascade: str) -> Finder:
    """OpenCV's cascade classifier."""
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise SettingsError(f"finding faces needs OpenCV, which cannot be imported ({error}): {OPENCV}") from error
    if not hasattr(cv2, "CascadeClassifier"):
        raise SettingsError(f"OpenCV {cv2.__version__} has no cascade classifiers, version 4 has: {OPENCV}")
    supplied = Path(cv2.data.haarcascades)
    path = next((path for path in (supplied / cascade, Path(cascade)) if path.is_file()), None)
    if path is None:
        there = ", ".join(sorted(file.name for file in supplied.glob("*.xml")))
        raise SettingsError(f"cascade is {cascade!r}, which is no file; OpenCV comes with {there}")
    classifier = cv2.CascadeClassifier()
    if not _loaded(classifier, path, cv2.error):
        raise SettingsError(f"cascade is {cascade!r}, which OpenCV cannot read as a cascade classifier")

    def find(name: Path, photograph: np.ndarray) -> list[tuple[int, int, int, int]]:
        found = classifier.detectMultiScale(cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY))
        return [double_box((x, y, w, h), photograph.shape[:2]) for x, y, w, h in sorted(map(tuple, found))]

    return find


def _loaded(classifier: Any, path: Path, failure: type[Exception]) -> bool:
    try:
        return classifier.load(str(path))
    except failure:
        return False


def _listed(boxes: Path, source: Path, names: list[Path]) -> Finder:
    """The boxes of a CSV file, checked but for the sizes of the photographs, which are not known yet."""
    listed: dict[Path, list[tuple[int, Box]]] = {name: [] for name in names}
    for line, row in _rows(boxes):
        if len(row) != len(HEADER):
            raise DataError(f"{boxes} line {line}: {counted(len(row), 'column')}; wanted {','.join(HEADER)}")
        if Path(row[0]) not in listed:
            raise DataError(f"{boxes} line {line}: {row[0]} is not among the images of {source}")
        try:
            x, y, width, height = map(float, row[1:])
        except ValueError as error:
            raise DataError(f"{boxes} line {line}: {error}; wanted {','.join(HEADER)}, in pixels") from error
        listed[Path(row[0])].append((line, (x, y, width, height)))

    def find(name: Path, photograph: np.ndarray) -> list[tuple[int, int, int, int]]:
        doubled = []
        for line, box in listed[name]:
            try:
                doubled.append(double_box(box, photograph.shape[:2]))
            except DataError as error:
                raise DataError(f"{boxes} line {line}: {name}: {error}") from error
        return doubled

    return find


def _rows(boxes: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row below the header that is not blank."""
    try:
        with open_regular(boxes) as content, io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [cell.strip() for cell in next(reader, [])]
            if header != HEADER:
                raise DataError(f"{boxes} line 1: the header is {','.join(header)!r}; wanted {','.join(HEADER)}")
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, [cell.strip() for cell in row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{boxes} is not a CSV file that can be read: {error}") from error
    except OSError as error:
        raise DataError(f"{boxes} cannot be read: {error.strerror or error}") from error
