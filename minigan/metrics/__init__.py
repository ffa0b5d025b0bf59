"""Is it any good? Distances between samples of two kinds, real and fake, as rows of features.

All functions take NumPy arrays (n, d), or arrays whose further axes are flattened, and compute in float64. None of them
downloads anything, and none is called by another's name: with features of one's own, a Frechet distance is no FID.
"""

from .callback import Metrics
from .copies import Copies, copies, copying
from .evaluation import Evaluation, Measure, evaluate
from .features import Features
from .frechet import frechet_distance
from .kernel import kernel_distance
from .modes import Bins, Classes, Modes, class_balance, different_bins, mixture_modes
from .neighbours import Support, nearest, one_nearest_neighbour, precision_recall, support

__all__ = [
    "Bins", "Classes", "Copies", "Evaluation", "Features", "Measure", "Metrics", "Modes", "Support", "class_balance",
    "copies", "copying", "different_bins", "evaluate", "frechet_distance", "kernel_distance", "mixture_modes",
    "nearest", "one_nearest_neighbour", "precision_recall", "support",
]  # fmt: skip
