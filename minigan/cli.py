"""The command `minigan`, also `python -m minigan`; and what the examples share of a command line."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from . import pictures
from .checkpoint import load_model
from .errors import FileError, MiniganError, SettingsError, ShapeError
from .files import write_atomically
from .gan import draw_noise
from .models import MODELS
from .network import Sequential
from .settings import Parser

PICTURES, ARRAYS = (".png",), (".npy",)
MOST = 10_000_000  # images in one sample


def guarded(command: Callable[[list[str] | None], None], argv: list[str] | None = None) -> int:
    """Run a command; what is wrong becomes one message and exit status 2, Ctrl-C 130."""
    try:
        command(argv)
        return _flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _flush()
    except MiniganError as error:
        return _fail(str(error))
    except MemoryError as error:
        return _fail(f"out of memory: use a smaller batch, a smaller network, or a smaller --count ({error})")
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
    """`minigan sample` and `minigan summary`."""
    return guarded(_main, argv)


def _main(argv: list[str] | None) -> None:
    parser = Parser(
        prog="minigan", description="Sample from a trained generator, or print a model's layers.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    sample_parser = commands.add_parser("sample", help="make images with a trained generator", allow_abbrev=False)
    sample_parser.add_argument("model", type=Path, metavar="GENERATOR", help="a run's generator.npz")
    sample_parser.add_argument("--count", type=int, default=25, help="how many images (default 25)")
    sample_parser.add_argument("--seed", type=int, default=0, help="which images (default 0)")
    sample_parser.add_argument("--columns", type=int, help="images in a row of the grid (default: a square)")
    sample_parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE",
        help="a grid as .png, or the images as .npy: float32 (count, h, w, c) from -1 to 1",
    )  # fmt: skip
    sample_parser.add_argument("--backend", help="where arrays live: numpy or cupy")

    summary_parser = commands.add_parser(
        "summary", help="print a model's layers, shapes and parameters", allow_abbrev=False
    )
    summary_parser.add_argument("model", choices=sorted(MODELS), metavar="MODEL", help=", ".join(sorted(MODELS)))

    arguments = parser.parse_args(argv)
    if arguments.command == "sample":
        sample(**{name: value for name, value in vars(arguments).items() if name != "command"})
    else:
        summary(arguments.model)


def sample(model: Path, count: int, seed: int, columns: int | None, out: Path, backend: str | None) -> None:
    """Write `count` images of a generator to `out`. A larger count begins with the same images, but for rounding."""
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
        pictures.save_png(out, pictures.grid(images, columns), overwrite=False)
    print(f"{count} images of {model} with seed {seed}: {out}")


def summary(name: str) -> None:
    """Print the layers of a model's G and D, and the totals of both together."""
    G, D = MODELS[name]()
    G.summary()
    print()
    D.summary()
    print()
    print(combined(G, D))


def combined(G: Sequential, D: Sequential) -> str:
    """The totals of G followed by D, as G's update sees them: D's parameters are not trained there."""
    learned, fixed = G.params.size, G.state.size + D.params.size + D.state.size
    return f"G and D combined: total {learned + fixed:,} parameters; in G's update {learned:,} trainable, {fixed:,} not"
