"""The ways in which the CPU computes a convolution and its two gradients, and the choice among them."""

from ..convolution import Window
from ..moves import Moves
from ..tuning import Tuning
from .add_patches import AddPatches
from .blocks import Blocks
from .by_group import ByGroup
from .few_outputs import FewOutputs
from .gather import Gather
from .pixels import Pixels
from .rows import Rows
from .taps import Taps
from .together import Together
from .way import Case, Way
from .winograd import Winograd

__all__ = [
    "AddPatches", "Blocks", "ByGroup", "Case", "Chooser", "FewOutputs", "Gather", "Pixels", "Rows", "Taps", "Together",
    "WAYS", "Way", "Winograd",
]  # fmt: skip

FIRST = (Pixels, Taps, Together, ByGroup)  # one product, and several groups: they are for nothing else
WAYS: dict[str, tuple[type[Way], ...]] = {
    "conv": (*FIRST, Winograd, FewOutputs, Blocks),
    "conv_dx": (*FIRST, Winograd, Gather, AddPatches),
    "conv_dW": (*FIRST, Winograd, FewOutputs, Rows, Blocks),
}


class Chooser:
    """The ways of one backend: with its tuning, and with its moves."""

    def __init__(self, tuning: Tuning, moves: Moves) -> None:
        self.tuning, self.moves = tuning, moves
        self.chosen: dict[tuple[str, Case], Way] = {}

    def choose(self, function: str, window: Window, n: int, d: int) -> Way:
        """The way to compute "conv", "conv_dx" or "conv_dW" of n images, with d channels of output: the first in the
        table that pays.
        """
        case = Case(window, n, d)
        way = self.chosen.get((function, case))
        if way is None:
            kind = next(kind for kind in WAYS[function] if kind.pays(function, case, self.tuning))
            way = self.chosen[function, case] = kind(case, self)
        return way
