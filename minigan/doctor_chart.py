"""What the doctor reads, a run's history and diagnostics, and what it says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .diagnostics import Line
from .network import Sequential

LEAST = 3  # lines, or rows, that a finding rests on


class Finding(NamedTuple):
    """One thing that is wrong: since which step, what shows it, and what to try."""

    name: str
    step: int
    evidence: str
    advice: str

    def __str__(self) -> str:
        return f"{self.name}, since step {self.step:,}: {self.evidence}. {self.advice}."


@dataclass
class Chart:
    """A run, as the rules read it.

    history: columns, as of Run.history    lines, layers: as of `read_lines`    gan: as of GAN.config, {} if unknown
    generator: to draw samples with, where there is one    digits: whether the data are MNIST's
    """

    history: dict[str, np.ndarray]
    lines: list[Line] = field(default_factory=list)
    layers: dict[str, list[str]] = field(default_factory=dict)
    gan: dict[str, Any] = field(default_factory=dict)
    generator: Sequential | None = None
    digits: bool = False

    @property
    def late(self) -> list[Line]:
        """The last quarter of the lines, at least three; [] if there are fewer."""
        return self.lines[-max(LEAST, len(self.lines) // 4) :] if len(self.lines) >= LEAST else []

    def values(self, get: Callable[[Line], float | None]) -> list[float]:
        """A number of each late line, where it has one."""
        return [value for value in map(get, self.late) if value is not None]

    def median(self, get: Callable[[Line], float | None]) -> float | None:
        """The median of a number in the late lines; None where most have none."""
        found = self.values(get)
        return float(np.median(found)) if found and 2 * len(found) > len(self.late) else None

    def since(self, holds: Callable[[Line], bool]) -> int:
        """The step of the first of the last lines in which this holds without a break, but for one in four."""
        step, breaks = self.lines[-1]["step"], 0
        for count, line in enumerate(reversed(self.lines), 1):
            breaks += not holds(line)
            if 4 * breaks > max(count, 4):
                break
            step = line["step"] if holds(line) else step
        return int(step)

    def recent(self, column: str) -> np.ndarray:
        """The last half of a column of the history, without gaps."""
        values = np.asarray(self.history.get(column, []), float)
        values = values[np.isfinite(values)]
        return values[len(values) // 2 :]


Rule = Callable[[Chart], Finding | None]


def table_in(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The table of that name in a config.json; {} where something else stands there."""
    value = config.get(name)
    return value if isinstance(value, dict) else {}
