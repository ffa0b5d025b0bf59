"""Pictures of a run: sample grids and their film (Pillow), and curves (matplotlib). Both load only when drawing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .errors import FileError
from .files import write_atomically

GRID_SIDE = 480  # pixels: small images are enlarged by a whole factor to about this


def to_uint8(images: np.ndarray) -> np.ndarray:
    """From [-1, 1] to 0 ... 255: clipped, rounded.    (n, h, w, c)"""
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """All images as one, row by row, with a thin dark line between.    (n, h, w, c) in [-1, 1] -> (H, W, c) uint8

    By default about as many rows as columns.
    """
    n, h, w, c = images.shape
    columns = min(columns or int(np.ceil(np.sqrt(n))), n)
    rows = -(-n // columns)
    scale = max(1, round(GRID_SIDE / max(rows * h, columns * w)))
    gap = max(1, scale // 2)
    tile_h, tile_w = h * scale + gap, w * scale + gap
    picture = np.full((rows * tile_h + gap, columns * tile_w + gap, c), 32, np.uint8)
    for i, image in enumerate(to_uint8(images)):
        top, left = gap + i // columns * tile_h, gap + i % columns * tile_w
        picture[top : top + h * scale, left : left + w * scale] = image.repeat(scale, axis=0).repeat(scale, axis=1)
    return picture


def save_png(path: str | Path, picture: np.ndarray, overwrite: bool = True) -> None:
    """Write (H, W, c) uint8, c = 1 or 3, as a PNG file."""
    from PIL import Image

    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    write_atomically(path, lambda file: image.save(file, "PNG"), overwrite)


def save_gif(path: str | Path, frames: Sequence[Path], seconds: float = 0.3) -> None:
    """A film of PNG files in the order given, `seconds` each, the last one three times as long."""
    from PIL import Image

    pictures = []
    for frame in frames:
        try:
            with Image.open(frame) as picture:
                pictures.append(picture.convert("RGB"))
        except (OSError, SyntaxError) as error:  # Pillow's word for a damaged PNG is SyntaxError
            raise FileError(f"{path} cannot be made: its frame {frame} is damaged: {error}") from error
    if not pictures:
        raise FileError(f"{path} cannot be made of no frames")
    milliseconds = [int(1000 * seconds)] * (len(pictures) - 1) + [int(3000 * seconds)]
    write_atomically(
        path,
        lambda file: pictures[0].save(
            file, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0
        ),
    )


def save_curves(path: str | Path, history: Mapping[str, Sequence[float]], undecided: float) -> None:
    """Both losses and D's score against the step, as they stand in the history: each point a mean over its steps.

    The score is the history's `d_accuracy`, or `w_estimate` of a critic. `undecided` is D's loss when it cannot tell,
    without its penalty, if it has one: that depends on D's slope.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    losses, score = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    penalty, without = (" + penalty", ", without the penalty") if "d_penalty" in history else ("", "")
    d_label = f"D: real + fake{penalty}"
    for name, label, color in (("d_loss", d_label, "tab:green"), ("g_loss", "G", "tab:red")):
        losses.plot(history["step"], history[name], label=label, color=color)
    line = {"color": "gray", "linestyle": ":", "linewidth": 1}
    losses.axhline(undecided, label=f"D when it cannot tell{without}: {undecided:.3f}", **line)
    losses.set_ylabel("loss")
    if "d_accuracy" in history:
        score.plot(history["step"], history["d_accuracy"], label="D's accuracy", color="tab:blue")
        score.axhline(0.5, label="a coin toss", **line)
        score.set(xlabel="step", ylabel="accuracy", ylim=(0, 1.02))
    else:
        score.plot(history["step"], history["w_estimate"], label="Wasserstein estimate", color="tab:blue")
        score.axhline(0, label="no difference found", **line)
        score.set(xlabel="step", ylabel="real - fake score")
    for axes in (losses, score):
        axes.legend(loc="best", fontsize="small")
        axes.grid(alpha=0.3)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))
