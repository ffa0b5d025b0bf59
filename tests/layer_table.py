"""The table of layers and losses: one line each, and every harness runs over all of them.

Sizes are small, odd and unequal, so that a transpose or a swapped axis cannot go unseen.
"""

import inspect
from dataclasses import dataclass

import numpy as np

from minigan import layers, losses
from minigan.layers import (
    AveragePooling2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    UpSampling2D,
    ZeroPadding2D,
)


@dataclass(frozen=True)
class Case:
    layer: layers.Layer
    shape: tuple[int, ...]  # of x, with the batch

    def __str__(self):
        return f"{self.layer!r}-{'x'.join(map(str, self.shape))}".replace(" ", "")


CASES = [
    Case(Dense(5), (7, 3)),
    Case(Dense(1), (1, 11)),
    Case(Dense(4), (2, 1)),
    Case(BatchNorm(momentum=0.8, eps=1e-3), (7, 3)),
    Case(BatchNorm(), (5, 1)),
    Case(BatchNorm(), (3, 5, 2, 4)),
    Case(BatchNorm(), (1, 3, 2, 2)),
    Case(BatchNorm(eps=0.5), (4, 6, 3)),
    Case(LeakyReLU(0.2), (7, 3)),
    Case(LeakyReLU(0.0), (3, 2, 5)),
    Case(LeakyReLU(0.01), (1, 13)),
    Case(ReLU(), (7, 5)),
    Case(Tanh(), (3, 4, 2, 1)),
    Case(Tanh(), (1, 3)),
    Case(Sigmoid(), (5, 3)),
    Case(Dropout(0.3), (5, 7)),
    Case(Dropout(0.0), (2, 3)),
    Case(Flatten(), (3, 2, 5)),
    Case(Flatten(), (1, 2, 3, 5)),
    Case(Reshape((5, 2, 3)), (4, 30)),
    Case(Conv2D(3, 3), (2, 5, 7, 2)),
    Case(Conv2D(4, 3, 1, "same"), (2, 4, 3, 3)),
    Case(Conv2D(3, 4, 2, 1), (2, 7, 6, 2)),  # (7 + 2 - 4) % 2 != 0: the last row is not seen
    Case(Conv2D(3, 3, 2, "same"), (2, 6, 5, 2)),  # zeros (0, 1) above and below, (1, 1) left and right
    Case(Conv2D(2, 5, 3, 1), (3, 9, 8, 2)),
    Case(Conv2D(2, (2, 3), (3, 4), ((0, 2), (1, 0))), (2, 7, 9, 3)),  # a kernel smaller than its stride
    Case(Conv2D(2, 5, 2, 0, bias=False), (2, 6, 6, 2)),
    Case(Conv2D(3, 1), (1, 1, 1, 2)),
    Case(Conv2D(1, 3, 1, "same"), (1, 1, 1, 1)),
    Case(Conv2D(2, 1, 2), (1, 4, 5, 3)),
    Case(Conv2DTranspose(3, 3), (2, 3, 5, 2)),
    Case(Conv2DTranspose(4, 4, 2, 1), (2, 3, 2, 3)),
    Case(Conv2DTranspose(2, 6, 2), (3, 1, 1, 5)),
    Case(Conv2DTranspose(3, 5, 3, 1), (2, 3, 4, 2)),
    Case(Conv2DTranspose(2, 3, 2, 1, output_padding=(1, 0)), (2, 3, 4, 3)),
    Case(Conv2DTranspose(2, 3, 2, "same"), (1, 3, 2, 4)),
    Case(Conv2DTranspose(2, (2, 1), (3, 2), ((1, 0), (0, 0)), bias=False), (2, 3, 4, 2)),
    Case(Conv2DTranspose(2, 2, 3, "same"), (2, 2, 3, 1)),
    Case(Conv2DTranspose(1, 1), (1, 1, 1, 3)),
    Case(UpSampling2D(2), (2, 3, 4, 2)),
    Case(UpSampling2D((3, 1)), (1, 2, 5, 3)),
    Case(ZeroPadding2D(1), (2, 3, 4, 2)),
    Case(ZeroPadding2D(((0, 1), (0, 2))), (1, 3, 2, 2)),
    Case(Cropping2D(1), (2, 5, 4, 2)),
    Case(Cropping2D(((0, 2), (1, 0))), (1, 3, 3, 2)),
    Case(AveragePooling2D(2), (2, 5, 4, 3)),
    Case(AveragePooling2D((3, 2), (2, 1)), (2, 6, 5, 2)),
    Case(AveragePooling2D(1, 2), (1, 1, 3, 2)),
    Case(GlobalAveragePooling2D(), (3, 4, 5, 2)),
    Case(GlobalAveragePooling2D(), (1, 1, 1, 3)),
]

PROBABILITIES = np.array([[0.03], [0.4], [0.5], [0.77], [0.99], [0.2], [0.6]])
LOGITS = np.array([[-30.0], [-3.1], [0.1], [0.0], [2.5], [17.0], [30.0], [-0.4]])
LOSS_CASES = [
    (losses.BCE, PROBABILITIES, None),
    (losses.BCE, PROBABILITIES, 1.0),
    (losses.BCE, PROBABILITIES, 0.0),
    (losses.BCE, PROBABILITIES.reshape(1, 7), 0.9),
    (losses.BCEWithLogits, LOGITS, None),
    (losses.BCEWithLogits, LOGITS, 1.0),
    (losses.BCEWithLogits, LOGITS, 0.0),
    (losses.BCEWithLogits, LOGITS.reshape(2, 4), 0.9),
]


def public_classes(module, base):
    """Every class of a module that a user can build."""
    found = {kind for _, kind in inspect.getmembers(module, inspect.isclass)}
    return {kind for kind in found if issubclass(kind, base) and kind is not base}
