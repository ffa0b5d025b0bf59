"""minigan: generative adversarial networks with every forward and backward pass written by hand.

`import minigan` loads NumPy and nothing heavier: Pillow, matplotlib, tqdm and CuPy come when something needs them.
"""

from . import data, initializers, layers, models
from .backend import Backend, get_backend
from .checkpoint import load_model, save_model
from .errors import MiniganError
from .gan import GAN, Losses, NonSaturating, Saturating
from .losses import BCE, BCEWithLogits
from .network import Sequential
from .optimizers import SGD, Adam, RMSprop

__all__ = [
    "BCE", "GAN", "SGD", "Adam", "BCEWithLogits", "Backend", "Losses", "MiniganError", "NonSaturating", "RMSprop",
    "Saturating", "Sequential", "data", "get_backend", "initializers", "layers", "load_model", "models", "save_model",
]  # fmt: skip
