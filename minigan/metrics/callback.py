"""Measures along a run: columns of the history, and the best generator so far."""

import json
import math
from typing import Any

import numpy as np

from ..callbacks import Callback
from ..checkpoint import save_model
from ..errors import DataError, SettingsError
from ..files import write_atomically
from ..loop import Training
from ..network import Sequential
from ..pictures import to_uint8
from .evaluation import LEAST, evaluate
from .features import Features

COLUMNS = {  # of the history, by the measure that they hold
    "Frechet distance": "distance", "precision (k = 3)": "precision", "recall (k = 3)": "recall",
    "density (k = 5)": "density", "coverage (k = 5)": "coverage", "classes": "classes",
}  # fmt: skip
BEST, BARS = "best_generator.npz", "metrics.json"


class Metrics(Callback):
    """Judge samples of G every so many steps: `mg.train(..., callbacks=[Metrics(every=1000)])`.

    every      steps between two measurements; rows of the history fall on them, so a multiple of the run's log_every
    features   as of `evaluate`: "digits", "random", "pixels", or a network
    real       images to compare with, (N, h, w, c); by default those of the run's data
    count      images of each kind
    keep_best  write the generator with the smallest distance so far to best_generator.npz, in the run's folder

    The columns are distance, precision, recall, density, coverage, and classes with "digits"; after the first row,
    `bars` holds the same of other real images, by column, and so does metrics.json in the run's folder. The samples are
    those of `gan.sample(count)`, so a resumed run has the same numbers. Raises SettingsError and DataError where the
    run begins, if nothing could be measured.
    """

    def __init__(
        self,
        every: int,
        features: str | Sequential = "random",
        real: np.ndarray | None = None,
        count: int = 2000,
        keep_best: bool = False,
    ) -> None:
        if every < 1:
            raise SettingsError(f"Metrics: every is {every}; it must be at least 1")
        self.every, self.kind, self.real, self.count, self.keep_best = every, features, real, count, keep_best
        self.bars: dict[str, float] = {}
        self.best = math.inf

    def on_start(self, training: Training) -> None:
        """Look for what would fail later; and go on from the smallest distance of the history."""
        log_every = training.record.plan.log_every
        if self.every % log_every:
            raise SettingsError(
                f"Metrics: every is {self.every}, and the run has a row every {log_every} steps: take a multiple of it"
            )
        real: Any = getattr(training.data, "images", None) if self.real is None else self.real
        if not isinstance(real, np.ndarray) or real.ndim != 4:
            raise DataError("Metrics: the data has no array of images, (N, h, w, c): give one, real=")
        shape = training.gan.G.output_shape
        if real.shape[1:] != shape:
            raise DataError(f"Metrics: the real images are {real.shape[1:]}, and G makes {shape}")
        if len(real) < 2 * LEAST or self.count < LEAST:
            raise DataError(
                f"Metrics: there are {len(real)} real images, and count is {self.count}; wanted {2 * LEAST} and {LEAST}"
            )
        self.images, self.features = real, Features(self.kind, shape)
        found = training.history.get("distance", np.empty(0))
        self.best = float(np.nanmin(found)) if np.isfinite(found).any() else math.inf

    def on_log(self, training: Training, row: dict[str, float]) -> None:
        """The columns of this row, where it is due."""
        if training.step % self.every:
            return
        fake = to_uint8(training.gan.sample(self.count))
        found = evaluate(self.images, fake, self.features, self.count, draws=1)
        measures = {COLUMNS[one.name]: one for one in found.measures if one.name in COLUMNS}
        self.bars = {name: one.bar for name, one in measures.items()}
        self._write_bars(training)
        row |= {name: one.value for name, one in measures.items()}
        if row["distance"] < self.best:
            self.best = row["distance"]
            if self.keep_best and training.path is not None:
                with training.gan.averaged():
                    save_model(training.path / BEST, training.gan.G, steps=training.step)

    def _write_bars(self, training: Training) -> None:
        """metrics.json, for the report."""
        if training.path is not None:
            text = json.dumps({"features": self.features.name, "count": self.count, "bars": self.bars}, indent=1)
            write_atomically(training.path / BARS, lambda file: file.write(text.encode()))
