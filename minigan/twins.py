"""The warning for two networks without names, which start with the same numbers where their layers are equal."""

import warnings
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .network import Sequential


class TwinWarning(UserWarning):
    """Two networks that nobody named have one seed: layers at the same place start with the same numbers."""


_unnamed: "weakref.WeakSet[Sequential]" = weakref.WeakSet()  # those in use


def warn_of_twins(net: "Sequential") -> None:
    """Say so if a network that is still in use, unnamed as well, has the same seed."""
    if any(other.seed == net.seed for other in _unnamed):
        warnings.warn(
            f"a second network without a name has seed {net.seed}, so that equal layers of the two start with the same "
            f"numbers: give name='G' or another seed=, unless that is meant",
            TwinWarning,
            stacklevel=3,
        )
    _unnamed.add(net)
