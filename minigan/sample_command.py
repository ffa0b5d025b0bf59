"""`minigan sample`: images of a trained generator, and walks from one to another."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

import numpy as np

from . import pictures
from .backend import NAMES
from .checkpoint import steps_in
from .errors import FileError, SettingsError, counted
from .files import write_atomically
from .generator import classes_of, draw_noise, latent_of, with_labels
from .model_files import load_generator, model_file
from .network import Sequential
from .printing import note
from .sampling import image_batches, images_of, noise_of, numbered, save_numbered
from .walks import walk as walked

PICTURES, ARRAYS, FILMS = (".png",), (".npy",), (".gif",)
MOST = 10_000_000  # images in one sample
COUNT, PER_CLASS = 25, 10  # images in a sample, and of each of several classes
STOPS, BETWEEN, MOST_BETWEEN = 6, 16, 1_000  # images that a walk without numbers goes through, and between two


def add_arguments(parser: ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder, or its generator.npz")
    parser.add_argument(
        "--count", type=int, metavar="N",
        help=f"how many images (default {COUNT}; of several classes, {PER_CLASS} of each)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which images (default 0)")
    parser.add_argument(
        "--label", metavar="K[,K...]",
        help="of a generator with classes, the class of all images, or several in turn, such as 0,3,7 (default: all "
        "classes in turn)",
    )  # fmt: skip
    parser.add_argument(
        "--columns", type=int, metavar="N",
        help="images in a row of the grid (default: a square; of several classes, a class a row)",
    )  # fmt: skip
    parser.add_argument(
        "--walk", type=_number, nargs="*", metavar="A",
        help=f"walk from image to image of the seed: --walk 3 8 20; without numbers through its first {STOPS}; --out "
        "is a .gif, a film that loops, or a .png, with a row from each image to the next; of a generator with classes, "
        "in that of --label (default 0)",
    )  # fmt: skip
    parser.add_argument("--frames", type=int, metavar="N", help=f"images between two of a walk (default {BETWEEN})")
    parser.add_argument(
        "--out", required=True, metavar="FILE",
        help="a .png: the image if it is one, else a grid; or a .npy: float32 (count, h, w, c) from -1 to 1; or one "
        ".png for each image: FOLDER/%%06d.png, or FOLDER/",
    )  # fmt: skip
    parser.add_argument("--backend", help=f"where arrays live: {', '.join(NAMES)}")


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no number of an image; MODEL stands before --walk") from error


def sample(
    model: Path,
    count: int | None,
    seed: int,
    label: str | None,
    columns: int | None,
    walk: list[int] | None,
    frames: int | None,
    out: str,
    backend: str | None,
) -> None:
    """Write `count` images of a generator to `out`. A larger count begins with the same images, but for rounding.

    A .png holds one image as it is, pixel for pixel, and several as a grid: of several classes, each has a row. A .npy
    has the classes in turn, and so have files with numbers, one for each image. With `walk`, see `_save_walk`.
    """
    file = Path(out)
    pattern = numbered(file, out)
    if pattern is not None and columns is not None:
        raise SettingsError(f"--columns {columns}: --out {out} makes a file for each image, and no grid: leave it out")
    _require_limits(count, seed, columns, walk, frames)
    _require_one_kind(count, columns, walk, frames)
    if pattern is None:
        _require_new(file, PICTURES + ARRAYS if walk is None else PICTURES + ARRAYS + FILMS)
    model = model_file(model)
    G = load_generator(model, backend)
    _note_other_step(model)
    classes = _chosen_classes(G, label, model)
    if walk is not None:
        one, stops = _one_class(classes, label), walk or list(range(STOPS))
        count = _save_walk(G, stops, frames or BETWEEN, seed, one, file, pattern)
        of_class = "" if one is None else f", class {one}"
        print(f"{counted(count, 'image')} of a walk through {model} with seed {seed}{of_class}: {out}")
        return
    if count is None:
        count = COUNT if len(classes) <= 1 else PER_CLASS * len(classes)
    labels = np.resize(classes, count) if classes else None
    if pattern is not None:
        save_numbered(image_batches(G, count, seed, labels), count, pattern)
    else:
        _save_together(G, count, seed, labels, len(classes), columns, file)
    print(f"{counted(count, 'image')} of {model} with seed {seed}: {out}")


def _save_together(
    G: Sequential, count: int, seed: int, labels: np.ndarray | None, classes: int, columns: int | None, out: Path
) -> None:
    """All images in one file."""
    images = G.backend.to_host(G.predict(with_labels(G, draw_noise(G, count, seed, "samples", 0), labels)))
    if out.suffix.lower() in ARRAYS:
        _save_array(images, out)
    else:
        pictures.save_png(out, _picture(images, classes, columns), overwrite=False)


def _save_array(images: np.ndarray, out: Path) -> None:
    write_atomically(out, lambda file: np.save(file, images.astype(np.float32)), overwrite=False)


def _save_walk(
    G: Sequential, stops: list[int], between: int, seed: int, label: int | None, out: Path, pattern: str | None
) -> int:
    """Images from each of these samples to the next, with so many in between. Returns how many there are.

    In a film the last one is followed by the first. A .png has a row from each sample to the next; a .npy, and files
    with numbers, have all images in order.
    """
    film = pattern is None and out.suffix.lower() in FILMS
    z = walked(noise_of(G, seed, stops), between, latent_of(G), closed=film)
    images = images_of(G, z, label)
    if pattern is not None:
        save_numbered([images], len(images), pattern)
    elif film:
        pictures.save_film(out, images, overwrite=False)
    elif out.suffix.lower() in ARRAYS:
        _save_array(images, out)
    else:
        legs = [images[start : start + between + 2] for start in range(0, len(images) - 1, between + 1)]
        pictures.save_png(out, pictures.grid(np.concatenate(legs), between + 2), overwrite=False)
    return len(images)


def _one_class(classes: list[int], label: str | None) -> int | None:
    """The class of a walk: the one that is chosen, or the first; None without classes."""
    if label is not None and len(classes) > 1:
        raise SettingsError(f"--label {label}: a walk keeps to one class: --label {classes[0]}")
    return classes[0] if classes else None


def _require_limits(
    count: int | None, seed: int, columns: int | None, walk: list[int] | None, frames: int | None
) -> None:
    """Raises SettingsError for a number that makes no sense."""
    limits = [("--count", count, 1, MOST), ("--seed", seed, 0, 2**64), ("--columns", columns, 1, MOST)]
    limits += [("--frames", frames, 1, MOST_BETWEEN), *(("--walk", number, 0, MOST) for number in walk or [])]
    for name, value, least, below in limits:
        if value is not None and not least <= value < below:
            raise SettingsError(f"{name} is {value}; it must be at least {least} and less than {below}")


def _require_one_kind(count: int | None, columns: int | None, walk: list[int] | None, frames: int | None) -> None:
    """The flags of a walk, or those of single images."""
    if walk is None and frames is not None:
        raise SettingsError(f"--frames {frames}: only a walk has images between others: give --walk, too")
    if walk is None:
        return
    for name, value in (("--count", count), ("--columns", columns)):
        if value is not None:
            raise SettingsError(f"{name} {value}: a walk has as many images as --walk and --frames say: leave it out")
    if len(walk) == 1:
        raise SettingsError(
            f"--walk {walk[0]}: wanted two images or more, such as --walk {walk[0]} {walk[0] + 1}; or none"
        )


def _require_new(out: Path, endings: tuple[str, ...]) -> None:
    """`out` can be written, and is no file yet."""
    if out.suffix.lower() in FILMS and out.suffix.lower() not in endings:
        raise SettingsError(f"--out {out}: a film is of a walk: give --walk, too")
    if out.suffix.lower() not in endings:
        wanted = f"{', '.join(endings[:-1])} or {endings[-1]}"
        raise SettingsError(f"--out {out}: wanted a name that ends in {wanted}")
    if out.exists():
        raise FileError(f"--out {out} exists already and is not overwritten: name another file, or delete it first")
    if not out.parent.is_dir():
        raise FileError(f"--out {out}: the folder {out.parent} does not exist")


def _note_other_step(generator: Path) -> None:
    """Say so if the checkpoint beside a run's generator is of another step: a kill may have come between the two."""
    steps, checkpoint = steps_in(generator), generator.with_name("checkpoint.npz")
    other = steps_in(checkpoint)
    if steps is not None and other is not None and steps != other:
        note(
            f"note: {generator} is of step {steps:,}, and {checkpoint.name} beside it of step {other:,}: the run was "
            f"stopped between the two, or is being trained; --resume {generator.parent} brings them together"
        )


def _labels(text: str) -> list[int]:
    """What --label names: 7, or 0,3,7. Raises SettingsError for anything but whole numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise SettingsError(f"--label {text}: wanted a whole number such as 7, or several: 0,3,7") from error


def _chosen_classes(G: Sequential, label: str | None, model: Path) -> list[int]:
    """The classes to make images of, in turn; [] for a generator without. Raises SettingsError for others."""
    classes = classes_of(G)
    if label is None:
        return list(range(classes))
    if not classes:
        raise SettingsError(
            f"--label {label}: {model} was trained without labels and knows no classes: leave --label out"
        )
    chosen = _labels(label)
    if not all(0 <= one < classes for one in chosen):
        raise SettingsError(f"--label {label}: {model} makes images of {counted(classes, 'class')}, 0 to {classes - 1}")
    return chosen


def _picture(images: np.ndarray, classes: int, columns: int | None) -> np.ndarray:
    """One image as it is, several as a grid; images of several classes in turn with a class a row."""
    n, *shape = images.shape
    if n == 1:
        return pictures.to_uint8(images[0])
    if columns is not None or classes <= 1 or n <= classes:
        return pictures.grid(images, columns)
    columns = -(-n // classes)
    black = np.full((columns * classes - n, *shape), -1, images.dtype)  # where the last ones are missing
    turns = np.concatenate([images, black]).reshape(columns, classes, *shape)
    return pictures.grid(turns.swapaxes(0, 1).reshape(-1, *shape), columns)
