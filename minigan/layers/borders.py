"""Zeros around an image, and cropping, the opposite."""

from ..backend import Array, Sides
from .base import Layer
from .sides import Pair, sides


class ZeroPadding2D(Layer):
    """y = x with zeros around it.    x: (n, h, w, c)   y: (n, top + h + bottom, left + w + right, c)

    With dy = dL/dy:   dx = dy without that border

    padding: one number for all sides, (vertical, horizontal), or ((top, bottom), (left, right)).
    """

    def __init__(self, padding: int | Pair | Sides = 1) -> None:
        self.padding = sides(padding, "ZeroPadding2D: padding")

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters. Raises ShapeError unless inputs are images."""
        if len(in_shape) != 3:
            raise self.refuse(in_shape, "images (h, w, c)")
        h, w, c = in_shape
        (top, bottom), (left, right) = self.padding
        self.inside = slice(None), slice(top, top + h), slice(left, left + w)
        return top + h + bottom, left + w + right, c

    def forward(self, x: Array, train: bool) -> Array:
        """x in the middle of zeros."""
        return self.pad(x, "y")

    def pad(self, x: Array, name: str) -> Array:
        """x in the middle of zeros, in the buffer of that name."""
        (top, bottom), (left, right) = self.padding
        n, h, w, c = x.shape
        y = self.buf(name, (n, top + h + bottom, left + w + right, c))
        y[...] = 0
        y[self.inside] = x
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """The middle of dy, as a view."""
        return dy[self.inside] if inputs else None

    def tangent(self, t: Array) -> Array:
        """J t = t in the middle of zeros."""
        return self.pad(t, "t")


class Cropping2D(Layer):
    """y = x without its border.    x: (n, h, w, c)   y: (n, h - top - bottom, w - left - right, c)

    With dy = dL/dy:   dx = dy with zeros around it

    cropping: one number for all sides, (vertical, horizontal), or ((top, bottom), (left, right)).
    """

    def __init__(self, cropping: int | Pair | Sides = 1) -> None:
        self.cropping = sides(cropping, "Cropping2D: cropping")

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """No parameters. Raises ShapeError unless inputs are images larger than what is cropped."""
        (top, bottom), (left, right) = self.cropping
        if len(in_shape) != 3 or in_shape[0] <= top + bottom or in_shape[1] <= left + right:
            raise self.refuse(in_shape, f"images (h, w, c) larger than what is cropped, {self.cropping}")
        h, w, c = in_shape
        self.inside = slice(None), slice(top, h - bottom), slice(left, w - right)
        return h - top - bottom, w - left - right, c

    def forward(self, x: Array, train: bool) -> Array:
        """The middle of x, as a view."""
        self.x_shape = x.shape
        return x[self.inside]

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dy in the middle of zeros."""
        if not inputs:
            return None
        dx = self.buf("dx", self.x_shape)
        dx[...] = 0
        dx[self.inside] = dy
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = the middle of t."""
        return t[self.inside]
