"""What minigan says when something is wrong.

Every message names the layer, file or setting, what came, what was expected and what to do. On the command line the
message stands alone, with exit status 2.
"""

import difflib
from collections.abc import Iterable
from typing import Any


class MiniganError(Exception):
    """The family: `except MiniganError` catches everything that minigan raises on purpose."""


class ShapeError(MiniganError, ValueError):
    """An array of the wrong shape, dtype or library, or values outside the expected range."""


class OrderError(MiniganError, RuntimeError):
    """Calls in an order that would give wrong numbers: a backward without its forward, a buffer fetched twice."""


class SettingsError(MiniganError, ValueError):
    """A setting that makes no sense, or that does not fit the run that it is meant for."""


class BackendError(MiniganError, RuntimeError):
    """A backend that this machine cannot use, with the reason."""


class DataError(MiniganError, ValueError):
    """Training data that are missing, damaged or of another kind."""


class FileError(MiniganError, OSError):
    """A model file, checkpoint or run directory that cannot be read or written."""


class DivergedError(MiniganError, ArithmeticError):
    """A loss or a layer's numbers became infinite or not-a-number."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a request to terminate, ended a run after all was saved. `run` is the Run."""

    def __init__(self, message: str, run: Any) -> None:
        super().__init__(message)
        self.run = run


def did_you_mean(word: str, known: Iterable[str], folder: str = "") -> str:
    """For the end of a message, where a known word is near: "; did you mean mnist_dcgan?"; else ""."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {folder}{near[0]}?" if near else ""


def counted(n: int, noun: str) -> str:
    """A number of things in words: "1 image", "2,000 images", "3 classes"."""
    ending = "" if n == 1 else "es" if noun.endswith("ss") else "s"
    return f"{n:,} {noun}{ending}"
