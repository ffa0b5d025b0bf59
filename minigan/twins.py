"""The warning for two networks without names, which start with the same numbers where their layers are equal."""

import threading
import warnings
import weakref
from typing import Protocol


class Seeded(Protocol):
    """A network, as far as this file needs to know."""

    @property
    def seed(self) -> int:
        """Of its first weights."""


class TwinWarning(UserWarning):
    """Two networks that nobody named have one seed: layers at the same place start with the same numbers."""


_unnamed: "weakref.WeakSet[Seeded]" = weakref.WeakSet()  # those in use
_lock = threading.Lock()  # a set must not change while another thread looks through it


def warn_of_twins(net: Seeded) -> None:
    """Say so if a network that is still in use, unnamed as well, has the same seed."""
    with _lock:
        is_twin = any(other.seed == net.seed for other in _unnamed)
        _unnamed.add(net)
    if is_twin:
        warnings.warn(
            f"a second network without a name has seed {net.seed}, so that equal layers of the two start with the same "
            f"numbers: give name='G' or another seed=, unless that is meant",
            TwinWarning,
            stacklevel=3,
        )
