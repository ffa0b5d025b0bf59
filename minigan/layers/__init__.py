"""The layers. One idea a file; in each, the formula, the code and the derivative on one screen."""

from .activations import LeakyReLU, ReLU, Sigmoid, Tanh
from .base import Layer
from .dense import Dense
from .dropout import Dropout
from .norm import BatchNorm
from .shape import Flatten, Reshape

__all__ = ["BatchNorm", "Dense", "Dropout", "Flatten", "Layer", "LeakyReLU", "ReLU", "Reshape", "Sigmoid", "Tanh"]
