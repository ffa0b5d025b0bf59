"""`minigan evaluate`: how good a generator is, in numbers with their bars, and its nearest real images as a picture."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path

import numpy as np

from .. import pictures
from ..backend import NAMES
from ..checkpoint import load_model
from ..data import ImageSet, draw_faces, images, load, mnist
from ..data.finding import has_pictures
from ..data.sources import has_array_file, split_part
from ..errors import FileError, SettingsError, ShapeError
from ..files import write_atomically
from ..generator import classes_of
from ..model_files import load_generator
from ..network import Sequential
from ..printing import note
from ..sampling import image_batches
from ..settings import near_path
from .evaluation import LEAST, MOST, Evaluation, evaluate
from .features import CHOICES, Features, as_floats
from .neighbours import nearest_few

DIGITS, UNSEEN, FACES = "mnist", "mnist-test", "drawn-faces"  # images that come with the package
DRAWN = 20_000  # faces
OTHERS, OTHER_SEED = 2_000, 2**40  # faces that no run trains on
SHOWN, NEIGHBOURS, COLUMNS = 24, 4, 15  # fakes in the picture, real images beside each, images in a row: three fakes
RESULT, PICTURE = "evaluation.json", "neighbours.png"


def add_arguments(parser: ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder, or its generator.npz")
    parser.add_argument(
        "--against", metavar="DATA",
        help=f"the real images: {DIGITS}, {FACES}, a folder of pictures, or a file of arrays (default: {DIGITS} for "
        "28x28 grey)",
    )  # fmt: skip
    parser.add_argument(
        "--held-out", metavar="DATA",
        help=f"real images that it was not trained on, to see whether it copies those of --against: {UNSEEN}, "
        f"{FACES}, a folder or a file",
    )  # fmt: skip
    parser.add_argument(
        "--features", metavar="KIND",
        help=f"what is compared: {', '.join(CHOICES)}, or a model file, a network from images to features (default: "
        "digits against mnist, else random)",
    )  # fmt: skip
    parser.add_argument("--count", type=int, default=MOST, metavar="N", help=f"images in a draw (default {MOST:,})")
    parser.add_argument("--draws", type=int, default=3, metavar="N", help="how many draws, for the spread (default 3)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which images (default 0)")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print the numbers as one JSON document")
    parser.add_argument(
        "--out", type=Path, metavar="NEW_FOLDER",
        help=f"write {RESULT} there, and {PICTURE}: images of the generator, each before its nearest real images",
    )  # fmt: skip
    parser.add_argument("--backend", help=f"where the generator computes: {', '.join(NAMES)}")


def evaluate_model(
    model: Path,
    against: str | None,
    held_out: str | None,
    features: str | None,
    count: int,
    draws: int,
    seed: int,
    as_json: bool,
    out: Path | None,
    backend: str | None,
) -> None:
    """Print how good a generator is; write the numbers and the picture to `out`."""
    for name, value, least in (("--count", count, LEAST), ("--draws", draws, 1), ("--seed", seed, 0)):
        if value < least:
            raise SettingsError(f"{name} is {value}; it must be at least {least}")
    if out is not None and out.exists():
        raise FileError(f"--out {out} exists already and is not overwritten: name another folder")
    if out is not None and not out.parent.is_dir():
        raise FileError(f"--out {out}: the folder {out.parent} does not exist")
    G = load_generator(model, backend)
    real = _real("--against", against, G, model).images
    unseen = None if held_out is None else _real("--held-out", held_out, G, model).images
    chosen = _features(features, against, G)
    started = time.perf_counter()
    fake = _fakes(G, min(count, len(real) // 2) * draws, seed)
    found = evaluate(real, fake, chosen, count, draws, seed, unseen)
    if out is not None:
        _write(found, fake[:SHOWN], real, out)
    if as_json:
        print(json.dumps(found.as_dict(), indent=1))
        return
    print(found)
    note(f"{time.perf_counter() - started:.0f} seconds" + (f"; written: {out}" if out else ""))


def _real(flag: str, against: str | None, G: Sequential, model: Path) -> ImageSet:
    """The images that a flag names. Raises ShapeError if they have not G's shape."""
    h, w, c = G.output_shape
    if against is None and G.output_shape == (28, 28, 1):
        against = DIGITS
    if against is None:
        raise SettingsError(
            f"{model} makes images {G.output_shape}: name the real ones, --against {FACES}, or a folder or a file"
        )
    if against == FACES and c != 3:
        raise ShapeError(f"{flag} {FACES} has images {(h, w, 3)}, and {model} makes {G.output_shape}")
    found = _images(flag, against, h, w, c)
    if found.shape != G.output_shape:
        raise ShapeError(f"{flag} {against} has images {found.shape}, and {model} makes {G.output_shape}")
    return found


def _images(flag: str, against: str, h: int, w: int, c: int) -> ImageSet:
    if against in (DIGITS, UNSEEN):
        return mnist("train" if against == DIGITS else "test", labels=False)
    if against == FACES:
        return draw_faces(OTHERS, (h, w), seed=OTHER_SEED) if flag == "--held-out" else draw_faces(DRAWN, (h, w))
    path, _ = split_part(against)
    pictures_there = path.is_dir() and has_pictures(path) and not has_array_file(path)
    return images(path, (h, w), channels=c) if pictures_there else load(against)


def _features(kind: str | None, against: str | None, G: Sequential) -> Features:
    """What --features names; of 28 x 28 grey images that are compared with MNIST, the digits' by default."""
    if kind is None:
        kind = "digits" if against in (None, DIGITS) else "random"
    if kind in CHOICES:
        return Features(kind, G.output_shape)
    if not Path(kind).exists():
        raise SettingsError(
            f"--features {kind} is no file{near_path(Path(kind))}; the choices are {', '.join(CHOICES)}, or a model "
            f"file"
        )
    return Features(load_model(kind), G.output_shape)


def _fakes(G: Sequential, count: int, seed: int) -> np.ndarray:
    """Images of G as bytes, of its classes in turn.    (count, h, w, c)"""
    classes = classes_of(G)
    labels = np.resize(np.arange(classes), count) if classes else None
    fake = np.empty((count, *G.output_shape), np.uint8)
    start = 0
    for part in image_batches(G, count, seed, labels):
        if not np.isfinite(part).all():
            raise ShapeError(f"{G.name} makes numbers that are not finite: its weights are NaN or infinite")
        fake[start : start + len(part)] = pictures.to_uint8(part)
        start += len(part)
    return fake


def _write(found: Evaluation, fake: np.ndarray, real: np.ndarray, out: Path) -> None:
    """The folder with both files."""
    chosen = real[nearest_few(fake if real.dtype == np.uint8 else as_floats(fake), real, NEIGHBOURS)]
    shown = np.concatenate([as_floats(fake)[:, None], as_floats(chosen)], axis=1).reshape(-1, *fake.shape[1:])
    out.mkdir()
    text = json.dumps(found.as_dict(), indent=1).encode()
    write_atomically(out / RESULT, lambda file: file.write(text))
    pictures.save_png(out / PICTURE, pictures.grid(shown, COLUMNS))
