"""Schedules: what a run's numbers are at a step, or after so many images."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import SettingsError
from .optimizers import Adam, Optimizer, require
from .penalties import Penalty


def _is_count(n: float) -> bool:
    return isinstance(n, int | np.integer) and n >= 1


@dataclass(frozen=True)
class StepLR:
    """factor^floor(step / every): a schedule, what the initial learning rate is multiplied by at this step.

    The learning rate is cut by `factor` after every `every` steps, as by torch.optim.lr_scheduler.StepLR.
    """

    every: int
    factor: float

    def __post_init__(self) -> None:
        require("every", self.every, "a whole number, at least 1", _is_count)
        require("factor", self.factor, "above 0, and finite", lambda factor: 0 < factor < math.inf)

    def __call__(self, step: int) -> float:
        """The factor at this step, counted from 0."""
        return self.factor ** (step // self.every)


@dataclass(frozen=True)
class BurnIn:
    """The start of R3GAN's training: numbers move along half a cosine while the first `images` real images are seen.

    With w = (1 - cos(pi min(1, seen / images))) / 2, from 0 to 1, a number that begins at a and ends at b is
    a + w (b - a):

    learning_rate   what both learning rates end at, as a factor of what they begin with
    penalty         what the penalty's weight ends at, as a factor of what it begins with
    beta2           what Adam's beta2 ends at, for both networks, from what it is; None: it stays
    ema             whether the half-life of G's average, in images, grows from 0 to that of the GAN's `ema`; else the
                    average has this half-life from the first step on. 0.5^(batch / half_life) is the decay for a
                    half-life in images: with w of the half-life, it is ema^(1 / w)

    At the beginning G's images are far from the real ones and D's slope is steep: a heavy penalty and a short memory
    suit that, and a light penalty and a long memory what comes later. Huang et al. 2024 (arXiv:2501.05441), appendix D,
    table 9: gamma from 1 to 0.1, beta2 from 0.9 to 0.99, the half-life from 0 to 500,000 images, for Stacked MNIST.

    Raises SettingsError for numbers that make no sense.
    """

    images: int
    learning_rate: float = 1.0
    penalty: float = 1.0
    beta2: float | None = None
    ema: bool = True

    def __post_init__(self) -> None:
        require("images", self.images, "a whole number, at least 1", _is_count)
        require("learning_rate", self.learning_rate, "above 0, and finite", lambda factor: 0 < factor < math.inf)
        require("penalty", self.penalty, "above 0, and finite", lambda factor: 0 < factor < math.inf)
        if self.beta2 is not None:
            require("beta2", self.beta2, "in [0, 1)", lambda beta2: 0 <= beta2 < 1)

    def require_fit(self, penalty: Penalty | None, *optimizers: Optimizer) -> None:
        """Raises SettingsError for a weight or a beta2 that shall move where there is none."""
        if self.beta2 is not None and not all(isinstance(optimizer, Adam) for optimizer in optimizers):
            kinds = " and ".join(type(optimizer).__name__ for optimizer in optimizers)
            raise SettingsError(f"{self!r} moves beta2, which is Adam's; the optimizers are {kinds}")
        if self.penalty != 1 and penalty is None:
            raise SettingsError(f"{self!r} moves the weight of a penalty, and there is none")
        if self.penalty != 1 and penalty is not None:
            penalty.scaled(self.penalty)

    def share(self, seen: int) -> float:
        """w, how much of the way is behind after so many images: from 0 to 1."""
        return 1.0 if self.is_over(seen) else (1 - math.cos(math.pi * seen / self.images)) / 2

    def is_over(self, seen: int) -> bool:
        """Whether all numbers rest from now on."""
        return seen >= self.images

    def learning_rate_at(self, seen: int) -> float:
        """The factor on the learning rates."""
        return 1 + self.share(seen) * (self.learning_rate - 1)

    def penalty_at(self, seen: int, penalty: Penalty | None) -> Penalty | None:
        """The penalty with the weight that it has now."""
        if penalty is None or self.penalty == 1:
            return penalty
        return penalty.scaled(1 + self.share(seen) * (self.penalty - 1))

    def ema_at(self, seen: int, ema: float | None) -> float | None:
        """The decay of the average: 0, which follows G at once, at the beginning."""
        share = self.share(seen) if self.ema else 1.0
        return ema if ema is None or share == 1 else ema ** (1 / share) if share else 0.0

    def move_beta2(self, seen: int, optimizer: Optimizer, first: Any) -> None:
        """Give Adam the beta2 that it has now; `first` is what it began with."""
        if self.beta2 is not None and isinstance(optimizer, Adam):
            optimizer.beta2 = first + self.share(seen) * (self.beta2 - first)
