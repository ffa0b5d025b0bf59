"""The command `minigan`, also `python -m minigan`; and what the examples share of a command line."""

import os
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import pictures
from .backend import usability
from .checkpoint import load_model
from .data import crop_faces
from .errors import FileError, MiniganError, SettingsError, ShapeError
from .files import write_atomically
from .generator import draw_noise
from .gradcheck import command as gradcheck
from .models import MODELS
from .network import Sequential
from .settings import Parser

PICTURES, ARRAYS = (".png",), (".npy",)
MOST = 10_000_000  # images in one sample


def guarded(command: Callable[[list[str] | None], int | None], argv: list[str] | None = None) -> int:
    """Run a command, and return its exit status. What is wrong becomes one message and status 2, Ctrl-C 130."""
    try:
        status = command(argv)
        return _flush() or status or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _flush()
    except MiniganError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"out of memory: use a smaller batch, a smaller network, or fewer or smaller images ({error})")
    except OSError as error:
        return _fail(str(error))


def _flush() -> int:
    """Write out what was printed, here, where a full disk or a reader that has gone can still be answered."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would try again at its end
        if isinstance(error, BrokenPipeError):  # `| head` has seen enough
            return 0
        return _fail(f"the output cannot be written: {error.strerror or error}")
    return 0


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


def main(argv: list[str] | None = None) -> int:
    """`minigan sample`, `minigan summary`, `minigan crop-faces`, `minigan gradcheck` and `minigan backends`."""
    return guarded(_main, argv)


def _main(argv: list[str] | None) -> int | None:
    parser = Parser(
        prog="minigan",
        description="Sample from a trained generator, print a model's layers, cut faces out of photographs, check "
        "gradients, or see what can compute here.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, add_arguments, purpose) in COMMANDS.items():
        add_arguments(commands.add_parser(name, help=purpose, allow_abbrev=False))
    arguments = vars(parser.parse_args(argv))
    command, *_ = COMMANDS[arguments.pop("command")]
    return command(**arguments)


def _sample_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="GENERATOR", help="a run's generator.npz")
    parser.add_argument("--count", type=int, default=25, help="how many images (default 25)")
    parser.add_argument("--seed", type=int, default=0, help="which images (default 0)")
    parser.add_argument("--columns", type=int, help="images in a row of the grid (default: a square)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE",
        help="a .png: the image if it is one, else a grid; or a .npy: float32 (count, h, w, c) from -1 to 1",
    )  # fmt: skip
    parser.add_argument("--backend", help="where arrays live: numpy or cupy")


def _summary_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", choices=sorted(MODELS), metavar="MODEL", help=", ".join(sorted(MODELS)))


def _crop_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("photographs", type=Path, metavar="FOLDER", help="photographs, in folders of any depth")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NEW_FOLDER",
        help="where each face becomes a .png, at twice the size of its box: with hair and ears",
    )  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--boxes", type=Path, default=SUPPRESS, metavar="FILE.csv",
        help="where the faces are: file,x,y,width,height, in pixels (default: OpenCV looks for them)",
    )  # fmt: skip
    where.add_argument(
        "--cascade", default=SUPPRESS, metavar="NAME",
        help="OpenCV's classifier, or the path of another (default: the one for the faces of cats)",
    )  # fmt: skip


def sample(model: Path, count: int, seed: int, columns: int | None, out: Path, backend: str | None) -> None:
    """Write `count` images of a generator to `out`. A larger count begins with the same images, but for rounding.

    A .png holds one image as it is, pixel for pixel, and several as a grid.
    """
    limits = (("--count", count, 1, MOST), ("--seed", seed, 0, 2**64), ("--columns", columns, 1, MOST))
    for name, value, least, below in limits:
        if value is not None and not least <= value < below:
            raise SettingsError(f"{name} is {value}; it must be at least {least} and less than {below}")
    if out.suffix.lower() not in PICTURES + ARRAYS:
        raise SettingsError(f"--out {out}: wanted a name that ends in {' or '.join(PICTURES + ARRAYS)}")
    if out.exists():
        raise FileError(f"--out {out} exists already and is not overwritten: name another file, or delete it first")
    if not out.parent.is_dir():
        raise FileError(f"--out {out}: the folder {out.parent} does not exist")
    G = load_model(model, backend=backend)
    if len(G.output_shape) != 3 or G.output_shape[-1] not in (1, 3):
        raise ShapeError(f"{model} makes {G.output_shape}, not images (h, w, 1 or 3): is it a generator?")
    images = G.backend.to_host(G.predict(draw_noise(G, count, seed, "samples", 0)))
    if out.suffix.lower() in ARRAYS:
        write_atomically(out, lambda file: np.save(file, images.astype(np.float32)), overwrite=False)
    else:
        picture = pictures.to_uint8(images[0]) if count == 1 else pictures.grid(images, columns)
        pictures.save_png(out, picture, overwrite=False)
    print(f"{count} images of {model} with seed {seed}: {out}")


def summary(model: str) -> None:
    """Print the layers of a model's G and D, and the totals of both together."""
    G, D = MODELS[model]()
    G.summary()
    print()
    D.summary()
    print()
    print(combined(G, D))


def cut_faces(photographs: Path, out: Path, **where: Any) -> None:
    """Cut the faces out of photographs into the new folder `out`.    where: boxes or cascade of `crop_faces`"""
    images, faces, without_face = crop_faces(photographs, out, **where)
    print(f"{images:,} photographs of {photographs}, {faces:,} faces: {out}  ({without_face:,} without a face)")


def backends() -> None:
    """Print every backend, with what it computes on, or why it cannot."""
    for name, (usable, words) in usability().items():
        print(f"{name:<6} {'usable' if usable else 'not usable'}: {words}")


def combined(G: Sequential, D: Sequential) -> str:
    """The totals of G followed by D, as G's update sees them: D's parameters are not trained there."""
    learned, fixed = G.params.size, G.state.size + D.params.size + D.state.size
    return f"G and D combined: total {learned + fixed:,} parameters; in G's update {learned:,} trainable, {fixed:,} not"


COMMANDS: dict[str, tuple[Callable[..., int | None], Callable[[ArgumentParser], None], str]] = {
    "sample": (sample, _sample_arguments, "make images with a trained generator"),
    "summary": (summary, _summary_arguments, "print a model's layers, shapes and parameters"),
    "crop-faces": (cut_faces, _crop_arguments, "cut the faces out of photographs, to train on"),
    "backends": (backends, lambda parser: None, "print which backends can be used here, and why not"),
    "gradcheck": (gradcheck.gradcheck, gradcheck.add_arguments, "compare gradients with finite differences"),
}
