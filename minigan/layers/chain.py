"""Layers one after the other, as one layer: the base of Sequential and Residual."""

from collections.abc import Sequence
from typing import Any

from ..backend import Array
from ..errors import SettingsError
from .base import Layer


class Chain(Layer):
    """y = layer_k( ... layer_1(x)).    x: (n, ...)

    With dy = dL/dy:   dx = J_1^T ( ... J_k^T dy),  the layers' backwards from the last to the first. Layers are named
    by index and class: "0.Dense", "1.ReLU".
    """

    grads: Array  # the gradients of all layers inside: a view into the network's vector

    def __init__(self, layers: Sequence[Layer]) -> None:
        kind = type(self).__name__
        self.layers = list(layers)
        if not self.layers:
            raise SettingsError(f"{kind}: no layers")
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise SettingsError(f"{kind}: layer {i} is {layer!r}; wanted a layer object, such as Dense(256)")

    def children(self) -> dict[str, Layer]:
        """The layers, by index and class."""
        return {f"{i}.{type(layer).__name__}": layer for i, layer in enumerate(self.layers)}

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters of its own. Builds the layers, each for the output of the one before it."""
        for name in self.children():
            in_shape = self.place(name, in_shape)
        # If dx is not wanted, no gradient is needed of layers before the first one that has parameters.
        self.first_learner = next((i for i, layer in enumerate(self.layers) if layer.learns), len(self.layers))
        return in_shape

    def forward(self, x: Array, train: bool) -> Array:
        """Each layer's y is the next one's x."""
        for layer in self.layers:
            x = layer.run_forward(x, train)
        return x

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """Each layer's dx is the dy of the one before it. Without `inputs` the first layer with parameters ends it."""
        dx: Array | None = dy
        stop = 0 if inputs else self.first_learner
        for i in reversed(range(stop, len(self.layers))):
            dx = self.layers[i].run_backward(dx, params, inputs or i > self.first_learner)
        return dx if inputs else None

    def has_tangent(self) -> bool:
        """Yes if every layer has one."""
        return all(layer.has_tangent() for layer in self.children().values())

    def refuse_tangent(self) -> SettingsError:
        """The error of the first layer that has none."""
        return next(layer for layer in self.children().values() if not layer.has_tangent()).refuse_tangent()

    def tangent(self, t: Array) -> Array:
        """J t = J_k ( ... J_1 t)."""
        for layer in self.layers:
            t = layer.run_tangent(t)
        return t

    def tangent_backward(self, t: Array, dy: Array) -> Array | None:
        """The derivatives of <dy, J t>, as `tangents` computes them."""
        return self.tangents(t, dy)[1]

    def tangents(self, t: Array, dy: Array) -> tuple[Array, Array | None]:
        """J t, and the derivatives of <dy, J t>: `grads` are overwritten, that for x is returned, None if it is 0.

        At every layer, the t that reaches it forwards is combined with the dy that reached it backwards. If a layer is
        not piecewise linear, its J depends on its x, and so on the parameters of the layers before it: their part takes
        one more backward.
        """
        t, curved = self._forth(t)
        if all(bend is None for bend in curved):
            return t, None
        return self.kept("J t", t), self.kept("curved", self._back(curved, inputs=True))

    def fused(self, t: Array, dy: Array, s: Array) -> Array:
        """J t, each layer's gradients on the way."""
        for layer in self.layers:
            t = layer.run_fused(t, s)
        return t

    def keeps_dy(self) -> bool:
        """No: the layers inside keep theirs."""
        return False

    def _forth(self, t: Array) -> tuple[Array, list[Array | None]]:
        """J t, and each layer's derivative of <dy, J t> for its own x; those for its parameters are in `grads`."""
        curved: list[Array | None] = []
        self.grads[...] = 0
        for layer in self.layers:
            t, bend = layer.run_tangents(t)
            curved.append(bend)
        return t, curved

    def _back(self, curved: list[Array | None], inputs: bool) -> Array | None:
        """Take the derivatives for the layers' x back through earlier layers: adds to `grads`, returns that for x."""
        explicit, dx = self.grads.copy(), None
        self.grads[...] = 0
        stop = 0 if inputs else self.first_learner
        kept, self.context.keep_dy = self.context.keep_dy, False
        for i in reversed(range(stop, len(self.layers))):
            if dx is not None:
                dx = self.layers[i].run_backward(dx, True, inputs or i > self.first_learner)
            if curved[i] is not None and (inputs or i > self.first_learner):
                dx = curved[i] if dx is None else dx + curved[i]
        self.context.keep_dy = kept
        self.grads += explicit
        return dx

    def kept(self, name: str, array: Array) -> Array:
        """A copy in a buffer of its own, which stays valid while the layers inside are called."""
        copy = self.buf(name, array.shape)
        copy[...] = array
        return copy

    def config(self) -> dict[str, Any]:
        """The layers, as an argument."""
        return {"layers": self.layers}

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.layers))}])"
