"""Layers that change the shape and no value."""

import math
import operator

from ..backend import Array
from .base import Layer


class Flatten(Layer):
    """y = x as one row for each sample.    x: (n, ...)   y: (n, d)

    With dy = dL/dy:   dx = dy in the shape of x
    """

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters; (h, w, c) becomes (h w c,)."""
        return (math.prod(in_shape),)

    def forward(self, x: Array, train: bool) -> Array:
        """A view: nothing is copied."""
        self.x_shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy in the shape of x, a view."""
        return dy.reshape(self.x_shape) if inputs else None

    def tangent(self, t: Array) -> Array:
        """J t = t in the shape of y."""
        return t.reshape(len(t), -1)


class Reshape(Layer):
    """y = x with each sample in another shape of the same size.    x: (n, ...)   y: (n, *shape)

    With dy = dL/dy:   dx = dy in the shape of x
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = tuple(operator.index(axis) for axis in shape)

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters. Raises ShapeError if the sizes differ."""
        if math.prod(in_shape) != math.prod(self.shape):
            raise self.refuse(in_shape, f"{math.prod(self.shape)} numbers for each sample, to make {self.shape} of")
        return self.shape

    def forward(self, x: Array, train: bool) -> Array:
        """A view: nothing is copied. The order is row by row, then column by column, then the channels."""
        self.x_shape = x.shape
        return x.reshape(len(x), *self.shape)

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy in the shape of x, a view."""
        return dy.reshape(self.x_shape) if inputs else None

    def tangent(self, t: Array) -> Array:
        """J t = t in the shape of y."""
        return t.reshape(len(t), *self.shape)
