"""Callbacks: what a user hangs into the training loop. docs/callbacks.md has examples.

Any object will do that has some of the methods below; our own history file, sample grids, film and progress bar are
such objects (recorders.py, progress.py).
"""

import difflib
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from .errors import SettingsError
from .gan_parts import Losses
from .loop import Training

EVENTS = ("on_start", "on_step", "on_log", "on_sample", "on_checkpoint", "on_stop")


class Callback:
    """All methods, empty, for those who like to inherit. `training` is the run under way (loop.py).

    The users' callbacks are told first, in the order given, then ours. What one raises ends the run, after its state
    was saved.
    """

    def on_start(self, training: Training) -> None:
        """The GAN is at its first step of this call; nothing was trained yet."""

    def on_step(self, training: Training, losses: Losses) -> None:
        """A step was trained. losses: gan.Losses, arrays () on the device: reading them makes a GPU wait."""

    def on_log(self, training: Training, row: dict[str, float]) -> None:
        """A row of the history is due, every `log_every` steps: means over the steps since the last. More may be put
        into it, `row["modes"] = 7`: it becomes a column of the history, and a curve.
        """

    def on_sample(self, training: Training, images: np.ndarray) -> None:
        """Samples from noise that never changes: at the first step, every `sample_every` steps, and at the last one.

        images: (grid^2, *shape) in [-1, 1], or (classes grid, *shape), `grid` of each class; `training.picture(images)`
        is the grid.
        """

    def on_checkpoint(self, training: Training, path: Path) -> None:
        """The checkpoint at `path` holds this step. Only of runs that have a folder."""

    def on_stop(self, training: Training) -> None:
        """The run ends, for whatever reason: `training.stopped` and `training.error` are None if it is done."""


def checked_callbacks(callbacks: object) -> list[object]:
    """The callbacks as a list. Raises SettingsError for what would never be called."""
    if isinstance(callbacks, str | type) or not isinstance(callbacks, Iterable):
        raise SettingsError(f"callbacks is {callbacks!r}; wanted a list of objects: callbacks=[Mine()]")
    callbacks = list(callbacks)
    for callback in callbacks:
        _require_callback(callback)
    return callbacks


def _require_callback(callback: object) -> None:
    if isinstance(callback, type):
        raise SettingsError(f"the callback {callback.__name__} is a class; wanted an object: {callback.__name__}()")
    known = ", ".join(EVENTS)
    kind = f"the callback {type(callback).__name__}"
    strange = [name for name in dir(callback) if name.startswith("on_") and name not in EVENTS]
    if strange:
        near = difflib.get_close_matches(strange[0], EVENTS, 1, 0.7)
        meant = f"did you mean {near[0]}? There" if near else "there"
        raise SettingsError(f"{kind} has {', '.join(strange)}, which nothing calls: {meant} are {known}")
    found = [name for name in EVENTS if hasattr(callback, name)]
    if not found:
        near = [name for name in dir(callback) if not name.startswith("_") and difflib.get_close_matches(name, EVENTS)]
        has = f"; it has {', '.join(near)}" if near else ""
        raise SettingsError(f"{kind} has none of {known}{has}: write one of them")
    for name in found:
        method = getattr(callback, name)
        if not callable(method):
            raise SettingsError(f"{kind}: {name} is {method!r}; wanted a method")
        _require_signature(kind, name, method)


def _require_signature(kind: str, name: str, method: Callable[..., object]) -> None:
    """Raises SettingsError, now and not at the first call, for a method that cannot take what it will be given."""
    given = list(inspect.signature(getattr(Callback, name)).parameters)[1:]
    try:
        inspect.signature(method).bind(*given)
    except TypeError as error:
        has = ", ".join(inspect.signature(method).parameters)
        raise SettingsError(f"{kind}: {name} takes ({has}); it is called with ({', '.join(given)})") from error
    except ValueError:  # a method of a compiled library has no signature to look at
        return
