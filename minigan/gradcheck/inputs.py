"""The inputs of a layer that is checked without an x: every shape that it takes, small numbers and large ones.

One shape hides mistakes: (4, 3) has no pixels, two channels make groups of one, and windows that divide have no rest.
So a layer visits all of SHAPES, and what it refuses, in its own way, is left out. Numbers between -2 and 2 never come
to the cap of ReLU6: there are draws, too, with a part of x much larger.
"""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend import get_backend
from ..errors import MiniganError, SettingsError
from ..layers import Layer
from ..losses import Loss
from .networks import NetworkSubject, of_layer, small_batches
from .subjects import Subject, normal

SHAPES = (
    (4, 3), (7, 6), (2, 8), (1, 3), (1, 6),
    (4, 5, 3), (2, 3, 4), (1, 5, 3),
    (4, 5, 6, 3), (2, 7, 5, 4), (1, 5, 6, 3), (2, 4, 7, 6), (3, 11, 9, 2), (1, 8, 8, 4), (2, 8, 8, 1),
)  # fmt: skip
LARGE = (8.0, 20.0)  # times as large as the rest


@dataclass(frozen=True)
class Drawn:
    """An x of a shape, and where it came from."""

    shape: tuple[int, ...]
    seed: int
    large: float = 1.0

    def values(self) -> np.ndarray:
        """Normal numbers; two fifths of them `large` times as large."""
        x = normal(self.shape, self.seed, "x")
        chosen = get_backend("numpy").random.uniform(self.shape, self.seed, "gradcheck large", dtype="float64") < 0.4
        return np.where(chosen, self.large * x, x)

    def __str__(self) -> str:
        return f"x of shape {self.shape}{f', part of it {self.large:g} times as large' if self.large > 1 else ''}"


@dataclass
class Taken:
    """The inputs that a layer takes, one by one; what it refuses, and how, is kept."""

    layer: Layer
    seed: int
    train: bool
    refusals: dict[Drawn, Exception] = field(default_factory=dict)
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def subjects(self) -> Iterator[tuple[Drawn, NetworkSubject]]:
        """Every shape with small numbers, then one of each kind with others, and with large ones."""
        for drawn in [Drawn(shape, self.seed) for shape in SHAPES]:
            if (subject := self._taken(drawn)) is not None:
                self.shapes.append(drawn.shape)
                yield drawn, subject
        for k, shape in enumerate(_spread(self.shapes)):
            for drawn in (Drawn(shape, self.seed + 1 + j + 10 * k, large) for j, large in enumerate((1.0, *LARGE))):
                if (subject := self._taken(drawn)) is not None:
                    yield drawn, subject

    def _taken(self, drawn: Drawn) -> NetworkSubject | None:
        """The layer at this input, or None where it refuses it, or where it says nothing about its dx."""
        try:
            subject = of_layer(self.layer, drawn.values(), drawn.seed, self.train)
            output_shape(subject)
        except (SettingsError, MemoryError):
            raise  # no shape would help
        except Exception as error:  # noqa: BLE001 - a layer may refuse in any way
            error.add_note(
                f"with an input of shape {drawn.shape}; give one that it takes, as in check(layer, (2, 7, 5, 3)) or "
                f"--shape"
            )
            self.refusals[drawn] = error
            return None
        return None if self.shapes and small_batches(subject.net) else subject

    def furthest(self) -> Exception:
        """Of a layer that takes none of them: the error that came furthest."""
        return max(self.refusals.values(), key=lambda error: _progress(error, type(self.layer)))

    def complaints(self) -> list[str]:
        """That it fails, rather than refuses, for one sample alone."""
        several = {shape[1:] for shape in self.shapes if shape[0] > 1}
        return [
            f"forward fails for a batch of one, {drawn.shape}, and takes larger ones: {type(error).__name__}: {error}. "
            f"If np.squeeze is why, name its axis"
            for drawn, error in self.refusals.items()
            if drawn.shape[0] == 1 and drawn.shape[1:] in several and not deliberate(error)
        ][:1]


def output_shape(subject: Subject) -> tuple[int, ...]:
    """The shape of y, whatever the forward does to its inputs."""
    kept = {name: array.copy() for name, array in subject.arrays.items()}
    shape = np.shape(subject.forward())
    for name, array in subject.arrays.items():
        array[...] = kept[name]
    return shape


def _spread(shapes: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The second of each number of axes, which has more rows; or the only one."""
    kinds = {len(shape): [other for other in shapes if len(other) == len(shape)][:2] for shape in shapes}
    return [some[-1] for some in kinds.values()]


def deliberate(error: Exception) -> bool:
    """Whether a layer says so in words of its own, by a raise or an assert, and does not stumble."""
    frames = traceback.extract_tb(error.__traceback__)
    line = (frames[-1].line or "") if frames else ""
    if frames and frames[-1].name == "run_forward":  # y has another shape than build announced
        return False
    return isinstance(error, MiniganError) or line.startswith(("raise", "assert"))


def _progress(error: Exception, kind: type) -> int:
    """The line of the layer's own file at which it was raised: of one that wants images, the others stop earlier."""
    frames = traceback.extract_tb(error.__traceback__)
    file = kind.forward.__code__.co_filename  # type: ignore[attr-defined]
    own = [frame.lineno or 0 for frame in frames if frame.filename == file]
    return own[-1] if own and not isinstance(error, MiniganError) else 0


def lasting_error(drawn: Drawn, error: Exception) -> str:
    """A complaint about an error of a backward, whose forward took the input."""
    frames: Any = traceback.extract_tb(error.__traceback__)
    where = f" at line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
    return (
        f"forward takes {drawn}, and backward then fails: {type(error).__name__}: {error}{where}. If it is not meant "
        f"for such inputs let build say so: raise self.refuse(in_shape, 'what it needs')"
    )


def takes_any_number(loss: Loss) -> bool:
    """Whether predictions far from 0 and 1 mean something to it: a loss of probabilities cuts them off."""
    try:
        far = [[float(loss(np.full((7, 1), k * side), np.full((7, 1), target))[0]) for k in (20.0, 21.0)]
               for side, target in ((-1, 1.0), (1, 0.0))]  # fmt: skip
    except Exception:  # noqa: BLE001 - a loss may refuse in any way
        return False
    return bool(np.isfinite(far).all()) and all(here != there for here, there in far)
