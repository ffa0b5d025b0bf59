"""Pictures of a run: sample grids and their film (Pillow), and curves (matplotlib). Both load only when drawing."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import FileError, ShapeError
from .files import open_regular, write_atomically

FAR = 16  # a G without a Tanh may leave [-1, 1], but not as far as pixels from 0 to 255 do
GRID_SIDE = 480  # pixels: small images are enlarged by a whole factor to about this
FILM_SIDE = 240  # and those of a film to about this
MOST_FRAMES = 200  # of a film: a minute


def to_uint8(images: np.ndarray) -> np.ndarray:
    """From [-1, 1] to 0 ... 255: clipped, rounded; bytes as they are.    (n, h, w, c)

    Raises ShapeError for other whole numbers, and for values that are far from [-1, 1]: they were scaled for others.
    """
    if images.dtype == np.uint8:
        return images
    finite = images[np.isfinite(images)] if images.dtype.kind == "f" else images
    if images.dtype.kind != "f" or abs(finite).max(initial=0) >= FAR:
        raise ShapeError(
            f"images of {images.dtype} from {images.min():g} to {images.max():g}; wanted bytes (uint8), or numbers "
            f"from -1 (black) to 1 (white): images / 127.5 - 1"
        )
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


class Picture(np.ndarray):
    """Pixels, (H, W, c) uint8, c from 1 to 4, that show themselves where they end a cell of a notebook."""

    def _repr_png_(self) -> bytes | None:
        if self.ndim != 3 or self.dtype != np.uint8 or not 1 <= self.shape[-1] <= 4 or not self.size:
            return None  # a part, or numbers made of it
        return png(self)


def grid(images: np.ndarray, columns: int | None = None) -> Picture:
    """All images as one, row by row, with a thin dark line between.    (n, h, w, c) in [-1, 1] -> (H, W, c) uint8

    By default about as many rows as columns. Raises ShapeError for anything but images of 1 to 4 channels.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not 1 <= images.shape[-1] <= 4 or not len(images):
        raise ShapeError(f"grid: images have shape {images.shape}; wanted (n, h, w, c), n >= 1, c from 1 to 4")
    n, h, w, c = images.shape
    columns = min(columns or int(np.ceil(np.sqrt(n))), n)
    rows = -(-n // columns)
    scale = max(1, round(GRID_SIDE / max(rows * h, columns * w)))
    gap = max(1, scale // 2)
    tile_h, tile_w = h * scale + gap, w * scale + gap
    picture = np.full((rows * tile_h + gap, columns * tile_w + gap, c), 32, np.uint8)
    if c in (2, 4):
        picture[..., -1] = 255  # the lines are not transparent
    for i, image in enumerate(to_uint8(images)):
        top, left = gap + i // columns * tile_h, gap + i % columns * tile_w
        picture[top : top + h * scale, left : left + w * scale] = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return picture.view(Picture)


def scatter(points: np.ndarray, real: np.ndarray | None = None) -> Picture:
    """Generated points over real ones.    points: (n, 2)   real: (m, 2)   -> (480, 480, 3) uint8

    The frame is that of the real points, with a margin, so that all grids of a run have the same.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 4.8), dpi=100, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    if real is not None:
        axes.scatter(real[:, 0], real[:, 1], s=6, color="tab:gray", alpha=0.5, linewidths=0, label="real")
        low, high = real.min(axis=0), real.max(axis=0)
        margin = 0.25 * (high - low).max() or 1.0
        axes.set(xlim=(low[0] - margin, high[0] + margin), ylim=(low[1] - margin, high[1] + margin))
    points = points[np.isfinite(points).all(axis=1)]
    axes.scatter(points[:, 0], points[:, 1], s=6, color="tab:red", alpha=0.7, linewidths=0, label="generated")
    axes.set_aspect("equal", adjustable="box")
    axes.legend(loc="upper right", fontsize="small")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy().view(Picture)


def of_samples(samples: np.ndarray, columns: int, real: np.ndarray | None = None) -> Picture | None:
    """What samples look like: a grid of images, a scatter plot of points; None of anything else.

    samples: (n, h, w, c) with c from 1 to 4, or (n, 2)    real: points to compare with, (m, 2)
    """
    if samples.ndim == 4 and 1 <= samples.shape[-1] <= 4:
        return grid(samples, columns)
    return scatter(samples, real) if samples.ndim == 2 and samples.shape[-1] == 2 else None


def save_png(path: str | Path, picture: np.ndarray, overwrite: bool = True) -> None:
    """Write (H, W, c) uint8, c from 1 (grey) over 3 (RGB) to 4 (with transparency), as a PNG file."""
    image = as_image(picture)
    write_atomically(path, lambda file: image.save(file, "PNG"), overwrite)


def png(picture: np.ndarray) -> bytes:
    """(H, W, c) uint8 as the bytes of a PNG file."""
    file = io.BytesIO()
    as_image(picture).save(file, "PNG")
    return file.getvalue()


def load_png(path: str | Path) -> Picture:
    """The pixels of a PNG file.    (H, W, c) uint8    Raises FileError if it is missing or damaged."""
    try:
        with _decoded(path) as image:
            pixels = np.array(image)
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise FileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return pixels.reshape(*pixels.shape[:2], -1).view(Picture)


@contextlib.contextmanager
def _decoded(path: str | Path) -> Iterator[Any]:
    """Pillow's picture in a PNG file, and none of its warnings. Raises whatever Pillow raises."""
    from PIL import Image

    with warnings.catch_warnings(), open_regular(path) as file:
        warnings.simplefilter("ignore")
        with Image.open(file, formats=("PNG",)) as image:
            image.load()
            yield image


def as_image(picture: np.ndarray) -> Any:
    """Pillow's picture of (H, W, c) uint8."""
    from PIL import Image

    return Image.fromarray(np.asarray(picture[..., 0] if picture.shape[-1] == 1 else picture))


def thinned(frames: Sequence[Path], most: int = MOST_FRAMES) -> list[Path]:
    """At most so many of them, evenly spread, the first and the last among them."""
    if len(frames) <= most:
        return list(frames)
    return [frames[i] for i in np.linspace(0, len(frames) - 1, most).round().astype(int)]


def save_gif(path: str | Path, frames: Iterable[Path], seconds: float = 0.3) -> None:
    """A film of PNG files in the order given, `seconds` each, the last one three times as long.

    One frame at a time is in memory. Raises FileError, naming it, for a frame that is damaged.
    """
    frames = list(frames)
    if not frames:
        raise FileError(f"{path} cannot be made of no frames")
    pictures = _opened(path, frames)
    first = next(pictures)
    milliseconds = [int(1000 * seconds)] * (len(frames) - 1) + [int(3000 * seconds)]
    write_atomically(
        path,
        lambda file: first.save(file, "GIF", save_all=True, append_images=pictures, duration=milliseconds, loop=0),
    )


def save_film(path: str | Path, images: np.ndarray, seconds: float = 0.08, overwrite: bool = True) -> None:
    """A film that loops, of images in the order given, `seconds` each, as a GIF.    (n, h, w, 1 or 3) in [-1, 1]

    A colour image keeps its 256 best colours. Raises ShapeError as `to_uint8`, FileError if it cannot be written.
    """
    scale = max(1, round(FILM_SIDE / max(images.shape[1:3])))
    first, *others = [_frame(image, scale) for image in to_uint8(images)]
    milliseconds = int(1000 * seconds)
    write_atomically(
        path,
        lambda file: first.save(file, "GIF", save_all=True, append_images=others, duration=milliseconds, loop=0),
        overwrite,
    )


def _frame(image: np.ndarray, scale: int) -> Any:
    """Pillow's picture of an image, enlarged, in at most 256 colours: all that a GIF's frame can have."""
    from PIL.Image import Quantize, Resampling

    frame = as_image(image)
    if image.shape[-1] > 1:
        frame = frame.quantize(256, Quantize.MAXCOVERAGE, kmeans=1)  # Pillow's default was up to 40 of 255 off
    return frame.resize((frame.width * scale, frame.height * scale), Resampling.NEAREST)


def _opened(path: str | Path, frames: Sequence[Path]) -> Iterator[Any]:
    for frame in frames:
        try:
            with _decoded(frame) as image:
                picture = image.convert("RGB")
        except Exception as error:
            raise FileError(f"{path} cannot be made: its frame {frame} is damaged: {error}") from error
        yield picture


def picture_size(path: Path) -> tuple[int, int] | None:
    """(W, H) of a picture file; None if it is damaged."""
    try:
        with _decoded(path) as image:
            return image.size
    except Exception:
        return None


# Columns of a history that are no score: those of the first axes, and what no axis shows.
LOSSES = {"d_loss": ("D: real + fake", "tab:green"), "g_loss": ("G", "tab:red")}
NO_SCORE = ("step", *LOSSES, "d_loss_real", "d_loss_fake", "d_penalty", "lr", "seconds")
# Of scores that are known: the label of the axis, that of the curve, and the level to compare with, with its label.
SCORES = {
    "d_accuracy": ("accuracy", "D's accuracy", 0.5, "a coin toss"),
    "w_estimate": ("real - fake score", "Wasserstein estimate", 0.0, "no difference found"),
}
DOTTED = {"color": "gray", "linestyle": ":", "linewidth": 1}


def save_curves(path: str | Path, history: Mapping[str, Sequence[float]], undecided: float | None = None) -> None:
    """Both losses and every score against the step, as they stand in the history: each point a mean over its steps.

    Scores are the objective's, such as `d_accuracy`, and the measures of callbacks; each has axes of its own.
    `undecided` is D's loss when it cannot tell, without its penalty, if it has one: that depends on D's slope.
    """
    from matplotlib.figure import Figure

    scores = [name for name in history if name not in NO_SCORE]
    figure = Figure(figsize=(9, 4 + 2 * len(scores)), layout="constrained")
    axes = figure.subplots(1 + len(scores), 1, sharex=True, squeeze=False, height_ratios=[2, *[1] * len(scores)])[:, 0]
    _draw_losses(axes[0], history, undecided)
    for place, name in zip(axes[1:], scores, strict=True):
        _draw_score(place, history, name)
    for place in axes:
        place.legend(loc="best", fontsize="small")
        place.grid(alpha=0.3)
    axes[-1].set_xlabel("step")
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))


def _draw_losses(axes: Any, history: Mapping[str, Sequence[float]], undecided: float | None) -> None:
    penalty, without = (" + penalty", ", without the penalty") if "d_penalty" in history else ("", "")
    for name, (label, color) in LOSSES.items():
        _plot(axes, history, name, f"{label}{penalty}" if name == "d_loss" else label, color)
    if undecided is not None:
        axes.axhline(undecided, label=f"D when it cannot tell{without}: {undecided:.3f}", **DOTTED)
    axes.set_ylabel("loss")


def _draw_score(axes: Any, history: Mapping[str, Sequence[float]], name: str) -> None:
    unit, label, level, words = SCORES.get(name, (name, name, None, ""))
    _plot(axes, history, name, label, "tab:blue")
    if level is not None:
        axes.axhline(level, label=words, **DOTTED)
    axes.set_ylabel(unit)
    if name == "d_accuracy":
        axes.set_ylim(0, 1.02)


def _plot(axes: Any, history: Mapping[str, Sequence[float]], name: str, label: str, color: str) -> None:
    """A curve through the rows that have the number, with points where others lack it: a measure of every tenth row."""
    steps, values = np.asarray(history["step"]), np.asarray(history[name], float)
    there = np.isfinite(values)
    marker = "o" if there.sum() < 2 else None if there.all() else "."
    axes.plot(steps[there], values[there], label=label, color=color, marker=marker)
