"""minigan: generative adversarial networks with every forward and backward pass written by hand.

`import minigan` loads NumPy and nothing heavier: Pillow, matplotlib, tqdm and CuPy come when something needs them.
"""

import importlib
import os

# After a matrix product, OpenBLAS's idle workers spin for some 30 ms on the very cores that Adam's threads want next.
# This lets them sleep after 2^18 cycles, a tenth of a millisecond. It is read when NumPy is first imported, so it has
# to be said before; where NumPy came first, or the user chose a value, nothing changes.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "18")

from . import data, initializers, layers, models, pictures  # noqa: E402
from .augment import DiffAugment
from .backend import Backend, get_backend, register_backend
from .callbacks import Callback
from .checkpoint import load_model, load_weights, save_model
from .errors import MiniganError
from .gan import GAN, Losses
from .generator import Generator
from .layers import Layer
from .losses import BCE, BCEWithLogits, Loss, MeanSquaredError, SoftmaxCrossEntropy
from .network import Sequential
from .objectives import Hinge, LeastSquares, NonSaturating, Objective, Relativistic, Saturating, Wasserstein
from .optimizers import SGD, Adam, Optimizer, RMSprop, WeightClipping
from .penalties import R1, R1R2, GradientPenalty, Penalty
from .run import Run, open_run
from .schedules import BurnIn, StepLR
from .training import train
from .version import __version__

__all__ = [
    "BCE", "GAN", "R1", "R1R2", "SGD", "Adam", "BCEWithLogits", "Backend", "BurnIn", "Callback", "Diagnostics",
    "DiffAugment", "Doctor", "Explorer", "Generator", "GradientPenalty", "Hinge", "Layer", "LeastSquares", "Live",
    "Loss", "Losses", "MeanSquaredError", "MiniganError", "NonSaturating", "Objective", "Optimizer", "Penalty",
    "RMSprop", "Relativistic", "Run", "Saturating", "Sequential", "SoftmaxCrossEntropy", "StepLR", "Wasserstein",
    "WeightClipping", "__version__", "data", "get_backend", "gradcheck", "initializers", "layers", "load_model",
    "load_weights", "metrics", "models", "open_run", "pictures", "register_backend", "save_model", "train",
]  # fmt: skip

LATER = {"Diagnostics": ".diagnostics", "Doctor": ".doctor", "Explorer": ".report", "Live": ".report"}


def __getattr__(name: str) -> object:
    """gradcheck, metrics and what looks at runs are loaded when they are asked for: training needs none of them."""
    if name in ("gradcheck", "metrics"):
        return importlib.import_module(f".{name}", __name__)
    if name in LATER:
        return getattr(importlib.import_module(LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
