"""The residual block: the sum of its input and of what layers make of it."""

from typing import Any

from ..backend import Array
from ..errors import SettingsError
from .base import Layer
from .chain import Chain


class Residual(Chain):
    """y = f(x) + s(x),   f = the layers one after the other,   s(x) = x, or the shortcut's output.    x: (n, ...)

    With dy = dL/dy:   dx = J_f^T dy + J_s^T dy:  both branches get the whole dy, and their dx are added

    layers    those of f, whose output has the shape of s(x)
    shortcut  a layer for s, where f changes the shape: Conv2D(64, 1, 2), or a Sequential. None: s(x) = x

    If s(x) = x, dx contains dy unchanged, whatever the layers do to their part of it, so that deep networks learn. He,
    Zhang, Ren and Sun 2016, equation 2. docs/layers/residual.md derives dx.
    """

    def __init__(self, *layers: Layer, shortcut: Layer | None = None) -> None:
        super().__init__(layers)
        if shortcut is not None and not isinstance(shortcut, Layer):
            raise SettingsError(f"Residual: shortcut is {shortcut!r}; wanted a layer, such as Conv2D(64, 1), or None")
        self.shortcut = shortcut

    def children(self) -> dict[str, Layer]:
        """The layers, and the shortcut."""
        if self.shortcut is None:
            return super().children()
        return super().children() | {f"shortcut.{type(self.shortcut).__name__}": self.shortcut}

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters of its own. Raises ShapeError if the two branches end in different shapes."""
        out_shape = other = in_shape
        for name, layer in self.children().items():
            if layer is self.shortcut:
                other = self.place(name, in_shape)
            else:
                out_shape = self.place(name, out_shape)
        if out_shape != other:
            what = "the input is" if self.shortcut is None else "its shortcut makes"
            raise self.refuse(
                in_shape,
                f"two ways that end in one shape, and its layers make {out_shape} where {what} {other}; a shortcut "
                f"such as shortcut=Conv2D(c_out, 1, stride) changes the shape of the other way",
            )
        # Of f alone: `backward` treats the shortcut by itself.
        self.first_learner = next((i for i, layer in enumerate(self.layers) if layer.learns), len(self.layers))
        return out_shape

    def forward(self, x: Array, train: bool) -> Array:
        """y = f(x) + s(x)."""
        other = x if self.shortcut is None else self.shortcut.run_forward(x, train)
        return self.xp.add(super().forward(x, train), other, out=self.buf("y", (len(x), *self.output_shape)))

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = J_f^T dy + J_s^T dy."""
        dy = self.kept("dy", dy)  # both branches need it, and the first may write over it
        other = dy if self.shortcut is None else self.shortcut.run_backward(dy, params, inputs)
        if other is not None and self.shortcut is not None:
            other = self.kept("J_s^T dy", other)
        dx = super().backward(dy, params, inputs)
        if dx is None or other is None:
            return None
        return self.xp.add(dx, other, out=self.buf("sum", other.shape))

    def tangents(self, t: Array, dy: Array) -> tuple[Array, Array | None]:
        """J t = J_f t + J_s t, and the derivatives of <dy, J_f t> + <dy, J_s t>."""
        t = self.kept("t", t)
        if self.shortcut is None:
            J_t, curved = super().tangents(t, dy)
            return J_t + t, curved
        J_t, curved = super().tangents(t, dy)  # sets the gradients of the shortcut to 0, too
        J_t = J_t.copy()
        other, bend = self.shortcut.run_tangents(t)
        if curved is not None and bend is not None:
            curved += bend
        return J_t + other, bend if curved is None else curved

    def tangent(self, t: Array) -> Array:
        """J t = J_f t + J_s t."""
        t = self.kept("t", t)
        other = t if self.shortcut is None else self.kept("J_s t", self.shortcut.run_tangent(t))
        return super().tangent(t) + other

    def fused(self, t: Array, dy: Array, s: Array) -> Array:
        """J t = J_f t + J_s t, the gradients of both branches on the way."""
        t = self.kept("t", t)
        other = t if self.shortcut is None else self.kept("J_s t", self.shortcut.run_fused(t, s))
        return self.xp.add(super().fused(t, dy, s), other, out=self.buf("J t", (len(t), *self.output_shape)))

    def config(self) -> dict[str, Any]:
        """The layers, and the shortcut."""
        return {"layers": self.layers, "shortcut": self.shortcut}

    def __repr__(self) -> str:
        shortcut = "" if self.shortcut is None else f", shortcut={self.shortcut!r}"
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))}{shortcut})"
