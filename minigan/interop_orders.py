"""Between a network's layers: which of our numbers is PyTorch's k-th, if it has images with channels first."""

import math

import numpy as np

from .errors import SettingsError
from .layers import Dense, Flatten, LabelEmbedding, Layer, Reshape, Residual, SpectralNorm
from .layers.chain import Chain
from .network import Sequential


class Orders:
    """The order of features at every point between two layers of a network.

    A row of numbers takes its order from the image that Flatten made it of, or that Reshape will make of it. Only a
    Dense can change the order, by that of its rows and columns. `places` are the points between layers, by shape;
    `ties` join two points with one order, and name the layer between them.
    """

    def __init__(self, net: Sequential) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.ties: list[tuple[int, int, str]] = []
        self.ends: dict[str, tuple[int, int]] = {}  # by layer
        self._visit(net, self._point(net.input_shape))
        found = [_channels_first(shape) if len(shape) > 1 else None for shape in self.shapes]
        for _ in self.ties:  # an order travels at least one tie a round
            for a, b, _ in [*self.ties, *reversed(self.ties)]:
                found[a] = found[b] if found[a] is None else found[a]
                found[b] = found[a] if found[b] is None else found[b]
        self.orders = [
            _channels_first(shape) if order is None else order for order, shape in zip(found, self.shapes, strict=True)
        ]
        for a, b, name in self.ties:
            if not np.array_equal(self.orders[a], self.orders[b]):
                raise SettingsError(
                    f"{net.name}: {name} makes {self.shapes[b]} of {self.shapes[a]} with channels last, and PyTorch "
                    f"with channels first: no weights make the two the same function"
                )

    def around(self, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """The orders before and after a layer."""
        before, after = self.ends[layer.name]
        return self.orders[before], self.orders[after]

    def _point(self, shape: tuple[int, ...]) -> int:
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def _visit(self, layer: Layer, before: int) -> int:
        """Add what is inside, behind this point. Returns the point behind it."""
        if isinstance(layer, Residual):
            after, way = self._point(layer.output_shape), before
            for child in layer.layers:
                way = self._visit(child, way)
            other = before if layer.shortcut is None else self._visit(layer.shortcut, before)
            self.ties += [(way, after, layer.name), (other, after, layer.name)]
            return after
        if isinstance(layer, Chain):
            for child in layer.layers:
                before = self._visit(child, before)
            return before
        after = self._point(layer.output_shape)
        self.ends[layer.name] = before, after
        if _keeps_order(layer, layer.input_shape, layer.output_shape):
            self.ties.append((before, after, layer.name))
        return after


def _channels_first(shape: tuple[int, ...]) -> np.ndarray:
    """Our index of each number of an image that is read channel by channel; of a row, 0, 1, 2, ..."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).reshape(-1)


def _keeps_order(layer: Layer, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> bool:
    """The k-th number of its output comes from the k-th of its input, for rows and for what makes or ends them."""
    if isinstance(layer, Flatten | Reshape):
        return True
    return len(in_shape) == 1 and in_shape == out_shape and not isinstance(layer, Dense | SpectralNorm | LabelEmbedding)
