"""The ways in which the CPU computes a convolution and its two gradients, and the choice among them."""

from ..convolution import Window
from ..moves import Moves
from ..tuning import Tuning
from .add_patches import AddPatches
from .blocks import Blocks
from .few_outputs import FewOutputs
from .gather import Gather
from .rows import Rows
from .way import Case, Way
from .winograd import Winograd

__all__ = ["AddPatches", "Blocks", "Case", "Chooser", "FewOutputs", "Gather", "Rows", "WAYS", "Way", "Winograd"]

WAYS: dict[str, tuple[type[Way], ...]] = {
    "conv": (Winograd, FewOutputs, Blocks),
    "conv_dx": (Winograd, Gather, AddPatches),
    "conv_dW": (Winograd, FewOutputs, Rows, Blocks),
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
