"""All measures of a sample of images beside their bars: what another half of the real images gets."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..backend import philox
from ..errors import DataError, SettingsError, ShapeError
from ..network import Sequential
from .copies import copies, copying
from .features import Features, digits_of, require_digits
from .frechet import frechet_distance
from .kernel import kernel_distance
from .modes import class_balance, compared, cut
from .neighbours import one_nearest_neighbour, supports

MOST, TESTED, SUBSETS, BINS, LEAST = 10_000, 2_000, 20, 100, 20
LARGE = 16_000_000  # numbers: 128 MB, 60,000 rows of 266
BEST = {  # what to look for, beside the bar
    "Frechet distance": "low", "kernel distance": "low", "precision (k = 3)": "high", "recall (k = 3)": "high",
    "density (k = 5)": "high", "coverage (k = 5)": "high", "nearest neighbour": "0.5", "authentic": "the bar",
    "copying (C_T)": "0", "different bins": "low", "classes": "high", "divergence of classes": "low",
}  # fmt: skip


Rows = tuple[dict[str, float], dict[str, float]]  # the measures of fakes, and of other real images


class Measure(NamedTuple):
    """One measure: of the fakes and of real images, mean and standard deviation over the draws (nan for one draw)."""

    name: str
    value: float
    spread: float
    bar: float
    bar_spread: float
    best: str


class Evaluation:
    """What `evaluate` found. Its text is a table; `as_dict()` is for JSON.

    measures: of type Measure   features: their name   count: images of each kind   draws: how many times
    """

    def __init__(self, measures: list[Measure], features: str, count: int, draws: int) -> None:
        self.measures, self.features, self.count, self.draws = measures, features, count, draws

    def __getitem__(self, name: str) -> Measure:
        """The measure of that name. Raises KeyError if there is none."""
        found = {measure.name: measure for measure in self.measures}
        if name not in found:
            raise KeyError(f"{name!r}; there are {', '.join(found)}")
        return found[name]

    def __str__(self) -> str:
        lines = [f"{'':22} {'generator':>20} {'real images':>20}  best"]
        for one in self.measures:
            value, bar = _words(one.value, one.spread), _words(one.bar, one.bar_spread)
            lines.append(f"{one.name:22} {value:>20} {bar:>20}  {one.best}")
        lines.append(f"features: {self.features}; {self.count:,} images of each kind, {self.draws} draws")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, None where there is no spread."""
        rows = [{k: None if v != v else v for k, v in measure._asdict().items()} for measure in self.measures]
        return {"features": self.features, "count": self.count, "draws": self.draws, "measures": rows}


def evaluate(
    real: np.ndarray,
    fake: np.ndarray,
    features: str | Sequential | Features = "random",
    count: int = MOST,
    draws: int = 3,
    seed: int = 0,
    held_out: np.ndarray | None = None,
) -> Evaluation:
    """All measures of fake images against real ones, each beside its bar.

    real: (N, h, w, c), and fake: (M, h, w, c), uint8 or floats from -1 to 1
    features: "digits", "random", "pixels", a network of your own, or `Features`
    count: images of each kind in a draw, at most; fewer if there are not twice as many real ones, or not as many fakes
    held_out: real images that the generator was not trained on, (P, h, w, c), where `real` are those that it was: then
    C_T is measured (`copying`), with one half of these; its bar is that of the other half. `real` are all taken, but
    for features of so many numbers that they would take more than 128 MB

    In every draw, `count` of the real images are compared with as many fakes, and with as many other real images: that
    is the bar, which a perfect generator would reach. More draws say how far both spread. "different bins" is of
    pixels; "nearest neighbour" of 2,000 images of each kind at most; with "digits", the classes are those that the
    classifier reads.

    Raises ShapeError for images of no shape or unlike shapes; DataError for too few, for other numbers than levels, and
    for "digits" where the real images are none; SettingsError for a count below 20 or no draws.
    """
    if count < LEAST or draws < 1:
        raise SettingsError(f"evaluate: count is {count} and draws {draws}; wanted at least {LEAST} and 1")
    real, fake = np.asarray(real), np.asarray(fake)
    held_out = None if held_out is None else np.asarray(held_out)
    if real.ndim != 4 or real.shape[1:] != fake.shape[1:]:
        raise ShapeError(f"real images are {real.shape} and fakes {fake.shape}; wanted (n, h, w, c) of one shape")
    for images, kind in ((real, "real images"), (fake, "fakes"), (held_out, "held-out images")):
        if images is not None:
            _require_levels(images, kind)
    if held_out is not None and (held_out.shape[1:] != real.shape[1:] or len(held_out) < 2 * LEAST):
        raise ShapeError(
            f"held-out images are {held_out.shape}; wanted (n, {real.shape[1:]}), n of {2 * LEAST} or more"
        )
    n = min(count, len(real) // 2, len(fake))
    if n < LEAST:
        raise DataError(f"there are {len(real):,} real images and {len(fake):,} fakes; wanted {2 * LEAST} and {LEAST}")
    if not isinstance(features, Features):
        features = Features(features, real.shape[1:])
    found = list(_drawn(real, fake, features, n, draws, seed))
    if held_out is not None:
        _add_copying(found, _training_rows(real, features, seed), features(held_out), features, fake, n, seed)
    measures = []
    for name in found[0][0]:
        ours, bars = ([pair[k][name] for pair in found] for k in (0, 1))
        measures.append(Measure(name, *_mean_and_spread(ours), *_mean_and_spread(bars), BEST[name]))
    return Evaluation(measures, features.name, n, draws)


def _training_rows(real: np.ndarray, features: Features, seed: int) -> np.ndarray:
    """Those of all real images; of so many that they would take more than LARGE numbers, of some."""
    width = features(real[:1]).shape[1]
    if len(real) * width > LARGE:
        real = real[_order(len(real), seed, "training", 0)[: max(LEAST, LARGE // width)]]
    return features(real)


def _add_copying(
    found: list[Rows], train: np.ndarray, held_out: np.ndarray, features: Features, fake: np.ndarray, n: int, seed: int
) -> None:
    """C_T of every draw's fakes, and of held-out samples in their place."""
    for draw, (of_fake, of_real) in enumerate(found):
        order = _order(len(held_out), seed, "held out", draw)
        half, other = held_out[order[::2]], held_out[order[1::2]]
        y = features(fake[_order(len(fake), seed, "fake", draw)[:n]])
        for row, rows in ((of_fake, y), (of_real, other)):
            row["copying (C_T)"] = copying(train, half, rows, max(1, min(10, len(rows) // 100)), seed)


def _require_levels(images: np.ndarray, kind: str) -> None:
    """Raises DataError for anything but bytes, and floats from -1 to 1, but for rounding."""
    if images.dtype == np.uint8 or not images.size:
        return
    low, high = (float(images.min()), float(images.max())) if images.dtype.kind == "f" else (-math.inf, math.inf)
    if not (low >= -1.001 and high <= 1.001):  # also if one is NaN
        raise DataError(f"{kind} are {images.dtype} from {low:g} to {high:g}; wanted uint8, or floats from -1 to 1")


def _drawn(real: np.ndarray, fake: np.ndarray, features: Features, n: int, draws: int, seed: int) -> Iterator[Rows]:
    """The measures of fakes, and those of other real images, of every draw."""
    pixels = Features("pixels", real.shape[1:])
    for draw in range(draws):
        order = _order(len(real), seed, "real", draw)
        chosen = [real[order[:n]], real[order[n : 2 * n]], fake[_order(len(fake), seed, "fake", draw)[:n]]]
        x, other, y = (features(images) for images in chosen)
        if features.reads_digits and draw == 0:
            require_digits(x)
        cells = cut(pixels(chosen[0]), min(BINS, n // 10), seed)
        of_real, of_fake = (_measured(x, rows, features, seed) for rows in (other, y))
        for row, images in ((of_real, chosen[1]), (of_fake, chosen[2])):
            row["different bins"] = float(compared(*cells, pixels(images)).different)
        yield of_fake, of_real


def _measured(x: np.ndarray, y: np.ndarray, features: Features, seed: int) -> dict[str, float]:
    """Every measure of rows y against real rows x."""
    narrow, wide = supports(x, y, (3, 5))
    row = {
        "Frechet distance": frechet_distance(x, y),
        "kernel distance": kernel_distance(x, y, SUBSETS, seed=seed)[0],
        "precision (k = 3)": narrow.precision,
        "recall (k = 3)": narrow.recall,
        "density (k = 5)": wide.density,
        "coverage (k = 5)": wide.coverage,
        "nearest neighbour": one_nearest_neighbour(x[:TESTED], y[:TESTED]),
        "authentic": copies(x, y).authentic,
    }
    if features.reads_digits:
        balance = class_balance(digits_of(y), 10)
        row |= {"classes": float(balance.hit), "divergence of classes": balance.divergence}
    return row


def _order(n: int, seed: int, stream: str, draw: int) -> np.ndarray:
    return np.argsort(philox.uniform(n, seed, f"evaluate {stream}", draw), kind="stable")


def _mean_and_spread(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _words(value: float, spread: float) -> str:
    return f"{value:.4g}" + (f" ({spread:.2g})" if spread == spread else "")
