"""Layers one after the other, as one layer: what Sequential and Residual have in common."""

from collections.abc import Sequence
from typing import Any

from ..backend import Array
from ..errors import SettingsError
from .base import Layer


class Chain(Layer):
    """y = layer_k( ... layer_1(x)).    x: (n, ...)

    With dy = dL/dy, the layers' backwards from the last to the first. Their names are their places and classes:
    "0.Dense", "1.ReLU".
    """

    grads: Array  # of all layers inside: one piece of the network's vector

    def __init__(self, layers: Sequence[Layer]) -> None:
        kind = type(self).__name__
        self.layers = list(layers)
        if not self.layers:
            raise SettingsError(f"{kind}: no layers")
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise SettingsError(f"{kind}: layer {i} is {layer!r}; wanted a layer object, such as Dense(256)")

    def children(self) -> dict[str, Layer]:
        """The layers, by place and class."""
        return {f"{i}.{type(layer).__name__}": layer for i, layer in enumerate(self.layers)}

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters of its own: those of the layers, each behind the one before it."""
        for name in self.children():
            in_shape = self.place(name, in_shape)
        # Nothing needs the gradient of what comes before the first layer that learns.
        self.first_learner = next((i for i, layer in enumerate(self.layers) if layer.learns), len(self.layers))
        return in_shape

    def forward(self, x: Array, train: bool) -> Array:
        """Each layer's y is the next one's x."""
        for layer in self.layers:
            x = layer.run_forward(x, train)
        return x

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """Each layer's dx is the dy of the one before it, down to the first, or to the first that learns."""
        dx: Array | None = dy
        stop = 0 if inputs else self.first_learner
        for i in reversed(range(stop, len(self.layers))):
            dx = self.layers[i].run_backward(dx, params, inputs or i > self.first_learner)
        return dx if inputs else None

    def has_tangent(self) -> bool:
        """If every layer has one."""
        return all(layer.has_tangent() for layer in self.children().values())

    def refuse_tangent(self) -> SettingsError:
        """In the words of the first layer that has none."""
        return next(layer for layer in self.children().values() if not layer.has_tangent()).refuse_tangent()

    def tangent(self, t: Array) -> Array:
        """J t = J_k ( ... J_1 t)."""
        for layer in self.layers:
            t = layer.run_tangent(t)
        return t

    def tangent_backward(self, t: Array, dy: Array) -> Array | None:
        """The derivatives of <dy, J t>, as `tangents` finds them."""
        return self.tangents(t, dy)[1]

    def tangents(self, t: Array, dy: Array) -> tuple[Array, Array | None]:
        """J t, and the derivatives of <dy, J t>: `grads` are overwritten, that for x is returned, None if it is 0.

        t goes forwards and meets, at every layer, the dy that came down to it. Where a layer is curved, J depends on
        its x, and so on the parameters below it: their share is one more backward.
        """
        t, curved = self._forth(t)
        if all(bend is None for bend in curved):
            return t, None
        return self.kept("J t", t), self.kept("curved", self._back(curved, inputs=True))

    def _forth(self, t: Array) -> tuple[Array, list[Array | None]]:
        """J t; and what each layer finds for its own x, where `grads` hold what it finds for its parameters."""
        curved: list[Array | None] = []
        self.grads[...] = 0
        for layer in self.layers:
            t, bend = layer.run_tangents(t)
            curved.append(bend)
        return t, curved

    def _back(self, curved: list[Array | None], inputs: bool) -> Array | None:
        """Add to `grads` what the derivatives for the layers' x are for the parameters below. Returns that for x."""
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
        """A copy in a buffer of its own, which outlasts the calls of the layers inside."""
        copy = self.buf(name, array.shape)
        copy[...] = array
        return copy

    def config(self) -> dict[str, Any]:
        """The layers."""
        return {"layers": self.layers}

    def __repr__(self) -> str:
        return f"{type(self).__name__}([{', '.join(map(repr, self.layers))}])"
