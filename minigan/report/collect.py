"""What a page shows of a run's folder: plain numbers and pictures, thinned to what fits."""

import io
import json
import math
import shlex
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics import Line, read_lines
from ..doctor_chart import table_in
from ..errors import FileError
from ..metrics.callback import BARS
from ..pictures import as_image, load_png, thinned
from ..run import columns_of
from ..run_directory import RunDirectory

POINTS = 2000  # of a curve
LINES = 200  # of the heat strips and histograms
BINS = 32  # of a histogram
LARGE = 40_000  # bytes: a picture above it becomes a JPEG
PICTURES = 1_600_000  # bytes of all pictures of a page, before base64 makes a third more of them
Numbers = list[float | None]


def collect(directory: RunDirectory, findings: Sequence[Any] = (), runs: int = 1) -> dict[str, Any]:
    """The page's data of one run. What is missing or damaged is left out, and `notes` says so.

    findings: of the doctor    runs: how many share the page. Raises FileError if no run is there.
    """
    config, notes = directory.read_config(), []
    try:
        rows = directory.read_rows()[1]
    except FileError as error:
        rows, notes = [], [str(error)]
    try:
        layers, lines = read_lines(directory.diagnostics)
    except FileError as error:
        layers, lines, notes = {}, [], [*notes, str(error)]
    grids = _grids(directory, PICTURES // runs)
    return {
        "name": str(config.get("system", "run")),
        "path": str(directory.path),
        "about": _about(config),
        "settings": {name: str(value) for name, value in table_in(config, "settings").items()},
        "stopped": config.get("stopped"),
        "steps": int(max([row["step"] for row in rows[-1:]] + [grid["step"] for grid in grids[-1:]], default=0)),
        "history": thin_columns(columns_of(rows), POINTS // runs),
        "bars": _bars(directory.path / BARS),
        **of_lines(layers, lines, LINES // runs),
        "grids": grids,
        "findings": [finding._asdict() for finding in findings],
        "notes": notes,
    }


def _about(config: dict[str, Any]) -> dict[str, str]:
    """What made the run, and what repeats it."""
    training, data = table_in(config, "training"), table_in(config, "data")
    found = {
        "data": f"{data.get('name', '?')}, {data.get('length', '?')} samples of {data.get('shape', '?')}",
        "steps asked for": training.get("steps", "?"),
        "batch": training.get("batch_size", "?"),
        "seed": training.get("seed", "?"),
        "started": config.get("started", "?"),
        "versions": ", ".join(f"{name} {version}" for name, version in table_in(config, "versions").items()),
        "machine": ", ".join(f"{name} {value}" for name, value in table_in(config, "machine").items()),
        "to repeat it": _command(config.get("command")),
    }
    return {name: str(value) for name, value in found.items()}


def _command(words: Any) -> str:
    """What was typed, as a shell takes it."""
    if not isinstance(words, list) or not words:
        return "?"
    return " ".join(["python", *(shlex.quote(str(word)) for word in words)])


def _bars(path: Path) -> dict[str, float]:
    """The measures of other real images, by column, that the callback Metrics has left."""
    try:
        found = {str(name): float(value) for name, value in json.loads(path.read_text())["bars"].items()}
        return {name: value for name, value in found.items() if math.isfinite(value)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def thin_columns(columns: dict[str, np.ndarray], most: int = POINTS) -> dict[str, Numbers]:
    """Every column at the same steps, at most so many: of each stretch the rows with the least and the greatest of
    either loss, so that spikes stay.
    """
    steps = columns["step"]
    kept = np.arange(len(steps))
    if len(steps) > most:
        guides = [np.nan_to_num(np.asarray(columns[name], float)) for name in ("d_loss", "g_loss") if name in columns]
        edges = np.linspace(0, len(steps), most // max(2, 2 * len(guides)), dtype=int)
        stretches = [np.arange(low, high) for low, high in zip(edges, edges[1:], strict=False)]
        extremes = [at[[guide[at].argmin(), guide[at].argmax()]] for at in stretches for guide in guides]
        extremes = extremes or [at[:1] for at in stretches]
        kept = np.unique([0, *np.concatenate(extremes), len(steps) - 1])
    return {name: [_short(value) for value in np.asarray(column)[kept]] for name, column in columns.items()}


def _short(value: Any) -> float | None:
    """Five digits; whole numbers as they are; None for what JSON does not know."""
    if isinstance(value, int | np.integer):
        return int(value)
    return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None


def of_lines(layers: dict[str, list[str]], lines: Sequence[Line], most: int = LINES) -> dict[str, Any]:
    """Heat strips and histograms of the diagnostics, of at most so many lines."""
    lines = [lines[i] for i in np.unique(np.linspace(0, len(lines) - 1, most).round().astype(int))] if lines else []
    strips = {
        f"{net}.{kind}": [[line[net][kind][i] for line in lines] for i in range(len(names))]
        for net, names in layers.items()
        for kind in ("gradient", "update")
    }
    scores = [value for line in lines for kind in line["scores"].values() for value in kind if value is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    kinds = list(lines[-1]["scores"]) if lines else []
    histograms = {kind: [_histogram(line["scores"].get(kind, []), low, high) for line in lines] for kind in kinds}
    return {
        "layers": layers,
        "line_steps": [line["step"] for line in lines],
        "strips": strips,
        "scores": {"low": low, "high": high, "counts": histograms},
    }


def _histogram(values: Sequence[float | None], low: float, high: float) -> list[int]:
    found = [value for value in values if value is not None]
    return np.histogram(found, BINS, (low, high if high > low else low + 1))[0].tolist()


def _grids(directory: RunDirectory, limit: int) -> list[dict[str, Any]]:
    """The sample grids as data URLs, evenly thinned until they fit; what cannot be read is left out."""
    paths = directory.sample_paths()
    last = next((picture for path in reversed(paths) if (picture := _encoded(path, limit // 3))), None)
    most = min(len(paths), max(2, limit // len(last[1]) if last else 2))
    while paths:
        found = [(path, picture) for path in thinned(paths, most) if (picture := _encoded(path, limit // 3))]
        size = sum(len(content) for _, (_, content) in found)
        if size <= limit or most <= 2:
            return [{"step": int(path.stem), "url": data_url(*picture)} for path, picture in found]
        most = max(2, min(most - 1, int(0.95 * most * limit / size)))
    return []


def data_url(kind: str, content: bytes) -> str:
    """A picture, within the page."""
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _encoded(path: Path, limit: int) -> tuple[str, bytes] | None:
    """(kind, bytes) of a sample grid: the file itself, or a JPEG of a large one, as small as the limit asks for. None
    if it is damaged.
    """
    try:
        picture = load_png(path)
        if path.stat().st_size <= min(LARGE, limit):
            return "png", path.read_bytes()
    except (OSError, FileError):
        return None
    image = as_image(picture[..., :1] if picture.shape[-1] < 3 else picture[..., :3])
    for quality in (85, 60, 40):
        content = _jpeg(image, quality)
        if len(content) <= limit:
            return "jpeg", content
    while len(content) > limit and min(image.size) > 1:
        image = image.resize((max(1, image.width // 2), max(1, image.height // 2)))
        content = _jpeg(image, quality)
    return "jpeg", content


def _jpeg(image: Any, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
