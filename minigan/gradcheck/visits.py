"""A layer or a loss at other inputs than the first: at every shape it takes, with one sample, and with large numbers.

A normalisation that sums over too few axes is right for rows; a mask is right where nothing is cut off; a squeeze is
right until the batch is 1. So what is right at one input is looked at again, in fewer entries and along directions.
"""

import linecache
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import MiniganError, SettingsError
from ..layers import Layer
from ..losses import Loss
from ..objectives import Objective
from .networks import NetworkSubject, of_layer
from .subjects import LossSubject, ObjectiveSubject, Subject, normal

# Tried in turn for the first that a layer takes: rows, images, rows of vectors.
SHAPES = (
    (4, 3), (4, 5, 6, 3), (3, 11, 9, 2), (4, 5, 3), (4, 6), (3, 4, 5, 4), (2, 3, 4, 6), (2, 3, 4, 8), (2, 8, 8, 3),
    (2, 16, 16, 3), (2, 28, 28, 1), (3, 16), (3, 100), (2, 784),
)  # fmt: skip
# Then all of these: one sample and several, one channel and groups of them, sizes that windows do and do not divide.
MORE = (
    (7, 3), (1, 3), (5, 6), (6, 4), (1, 8), (5, 1),
    (2, 5, 6, 4), (1, 6, 7, 3), (2, 4, 4, 6), (3, 11, 9, 2), (2, 7, 8, 1),
    (2, 5, 4), (1, 4, 6), (3, 7, 3),
)  # fmt: skip
LARGE = (1.0, 8.0, 25.0)  # times as large are parts of x, so that caps, thresholds and tails are met


def first_fit(layer: Layer, seed: int, train: bool) -> NetworkSubject:
    """The layer at the first of SHAPES that it takes. If it takes none: the error that came furthest."""
    refusals: list[Exception] = []
    for shape in SHAPES:
        try:
            return of_layer(layer, normal(shape, seed, "x"), seed, train)
        except (SettingsError, MemoryError):
            raise  # no shape would help
        except Exception as error:  # noqa: BLE001 - a layer may refuse in any way
            error.add_note(
                f"with an input of shape {shape}; give one that it takes, as in check(layer, (2, 7, 5, 3)) or --shape"
            )
            refusals.append(error)
    raise max(refusals, key=lambda error: _progress(error, type(layer)))


def _progress(error: Exception, kind: type) -> int:
    """The line of the layer's own file at which it was raised: of one that wants images, the others stop earlier."""
    frames = traceback.extract_tb(error.__traceback__)
    file = kind.forward.__code__.co_filename  # type: ignore[attr-defined]
    own = [frame.lineno or 0 for frame in frames if frame.filename == file]
    return own[-1] if own and not isinstance(error, MiniganError) else 0


def visits(target: Any, first: Subject, seed: int, train: bool) -> Iterator[tuple[str, Subject | str]]:
    """Other inputs, each with words for it; in place of a subject what went wrong where one should have come of it."""
    if first.no_dx:
        return  # whole numbers, of which the first few alone may be allowed
    if isinstance(target, Layer) and isinstance(first, NetworkSubject):
        yield from _of_layer(target, first.x.shape, seed, train)
    elif isinstance(first, LossSubject | ObjectiveSubject):
        large = 8.0 * normal(np.shape(next(iter(first.arrays.values()))), seed + 1, "x")
        with np.errstate(all="ignore"):
            subject = _of_loss(target, large, getattr(first, "labels", None))
        if subject is not None:
            yield "predictions from -20 to 20", subject


def _of_layer(layer: Layer, shape: tuple[int, ...], seed: int, train: bool) -> Iterator[tuple[str, Subject | str]]:
    x = normal((max(shape[0], 7), *shape[1:]), seed + 1, "x")
    x *= np.resize(LARGE, x.size).reshape(x.shape)
    large = (f"{x.shape} with x from {x.min():.0f} to {x.max():.0f}", x)
    others = dict.fromkeys([(1, *shape[1:]), *MORE])
    for words, x in [large, *((f"{other}", normal(other, seed + 2, "x")) for other in others if other != shape)]:
        try:
            yield words, of_layer(layer, x, seed + len(x), train)
        except (MiniganError, MemoryError):
            continue  # it says in words that it does not take this
        except Exception as error:  # noqa: BLE001 - a layer may refuse in any way
            if x.shape == (1, *shape[1:]) and not _is_refusal(error):
                yield words, f"forward takes {shape}, and at {x.shape} it raises {type(error).__name__}: {error}"


def _is_refusal(error: Exception) -> bool:
    """Whether somebody wrote `raise`, or `assert`: not a mistake that came to light."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return linecache.getline(last.filename, last.lineno or 0).strip().startswith(("raise", "assert"))


def _of_loss(target: Loss | Objective, large: np.ndarray, labels: Any) -> Subject | None:
    """The loss at such predictions; None if it wants probabilities: then it is not finite there, or cuts them off."""
    try:
        if isinstance(target, Loss):
            subject: Subject = LossSubject(target, large, labels)
        else:
            subject = ObjectiveSubject(target, large)
        values = [subject.forward()]
        for array in subject.arrays.values():
            array += 100.0 * np.sign(array)
        values.append(subject.forward())
        for array in subject.arrays.values():
            array -= 100.0 * np.sign(array)
    except Exception:  # noqa: BLE001 - it may refuse in any way
        return None
    cut = np.array_equal(values[0], values[1])
    return subject if np.isfinite(values).all() and not cut else None
