"""The means of the losses between two rows of the history, without keeping the losses."""

from typing import Any

import numpy as np

from .backend import Backend

RECENT = 100  # steps whose losses stay on the device: reading each would make a GPU wait at every step


class Means:
    """Sums of the losses since the last row, and how many steps they are of.

    sum_k = sum_{k-1} + loss_k in float64, in the order of the steps, whenever they are read. So it makes no difference
    to a bit when that is: a run that was stopped between two rows, and saved `sums` and `count`, writes the same row.

    sums    (measures,) float64, as GAN.measures names them, without the recent steps    count    steps in them
    """

    def __init__(self, sums: Any = 0.0, count: int = 0) -> None:
        self.sums, self.count = np.asarray(sums, np.float64), int(count)
        self.recent: list[list[Any]] = []  # a list of arrays () for each step

    @classmethod
    def of_rows(cls, rows: np.ndarray) -> "Means":
        """Of the losses of each step, (k, measures), which checkpoints of minigan 0.1 have."""
        means = cls()
        means._add(rows)
        return means

    def __len__(self) -> int:
        return self.count + len(self.recent)

    def gather(self, backend: Backend) -> int | None:
        """Read the recent losses. Returns which of them, from 0 on, was the first that is not finite, or None."""
        if not self.recent:
            return None
        flat = backend.xp.stack([value for losses in self.recent for value in losses])  # one transfer from a GPU
        values = backend.to_host(flat).astype(np.float64).reshape(len(self.recent), -1)
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            return int(np.argmin(finite))
        self._add(values)
        return None

    def _add(self, rows: np.ndarray) -> None:
        sums = self.sums
        for row in rows:
            sums = sums + row
        # All at once: a second Ctrl-C between them would count losses twice.
        self.sums, self.count, self.recent = sums, self.count + len(rows), []

    def values(self) -> list[float]:
        """The means, after `gather`."""
        return [float(value) for value in self.sums / self.count]
