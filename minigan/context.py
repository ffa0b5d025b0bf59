"""What a layer needs of the network that it stands in: a place for its arrays, a source of noise, a name for messages.

A network makes one and hands it to every layer inside it, at any depth. It refers to no network and to no layer, so
that nothing is kept alive by it.
"""

from dataclasses import dataclass
from typing import Any

from .backend import Array, Backend
from .errors import DivergedError
from .workspace import Workspace


@dataclass
class Context:
    """The surroundings of the layers of one network.

    network       the network's name, in error messages and in the names of random streams
    forwards      training forwards so far: with the seed and the layer's name, it names the noise of Dropout
    keep_dy       whether backward keeps every layer's dy, for a second derivative (penalties.py)
    check_finite  whether every layer's output and gradient is looked at: slow, for finding out what went wrong
    """

    network: str
    backend: Backend
    dtype: Any
    seed: int
    workspace: Workspace
    forwards: int = 0
    keep_dy: bool = False
    check_finite: bool = False

    def require_finite(self, what: str, array: Array) -> None:
        """Raises DivergedError, with these words, if `check_finite` is set and a number of the array is not finite."""
        if self.check_finite and array is not None and not self.backend.xp.isfinite(array).all():
            raise DivergedError(f"{self.network}: {what} is not finite")
