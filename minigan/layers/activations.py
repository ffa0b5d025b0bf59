"""Activations: functions of one number, applied to each entry. Each backward multiplies dy by the slope f'(x).

So J is diagonal and equal to its transpose, and `tangent` does to t what `backward` does to dy. If f is not piecewise
linear, its slope depends on x:  <dy, J t> = sum dy t f'(x),  and `tangent_backward` returns dy t f''(x).
"""

from ..backend import Array
from ..backend.kernels import LEAKY_RELU, LEAKY_RELU_DX, RELU, RELU_DX, SIGMOID, SIGMOID_DX, TANH_DX
from ..errors import SettingsError
from .base import Layer


class LeakyReLU(Layer):
    """y = x where x > 0, slope x elsewhere.    x, y: (n, ...)    slope: in [0, 1)

    With dy = dL/dy:   dx = dy where x > 0, slope dy elsewhere

    Maas, Hannun and Ng 2013. At x = 0, where the curve has a corner, the slope on the left is used.
    """

    def __init__(self, slope: float = 0.2) -> None:
        if not 0 <= slope < 1:
            raise SettingsError(f"LeakyReLU: slope is {slope}; it must be at least 0 and less than 1")
        self.slope = float(slope)

    def forward(self, x: Array, train: bool) -> Array:
        """y = max(x, slope x), the same thing since slope < 1."""
        self.x, y = x, self.buf("y", x.shape)

        def rectify(x: Array, y: Array) -> None:
            self.xp.multiply(x, self.slope, out=y)
            self.xp.maximum(x, y, out=y)

        self.backend.elementwise(rectify, (x, y), kernel=LEAKY_RELU, slope=self.slope)
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy times the slope at x."""
        if not inputs:
            return None
        dx = self.buf("dx", dy.shape)

        def pass_on(x: Array, dy: Array, dx: Array) -> None:
            self.xp.greater(x, 0, out=dx)  # 1.0 or 0.0
            dx *= 1 - self.slope
            dx += self.slope  # now 1 or slope: several times as fast as choosing with where
            dx *= dy

        self.backend.elementwise(pass_on, (self.x, dy, dx), kernel=LEAKY_RELU_DX, slope=self.slope)
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = t times the slope at x."""
        return self.backward(t)


class ReLU(Layer):
    """y = max(x, 0).    x, y: (n, ...)

    With dy = dL/dy:   dx = dy where x > 0, 0 elsewhere

    Nair and Hinton 2010.
    """

    def forward(self, x: Array, train: bool) -> Array:
        """y = max(x, 0)."""
        self.x, y = x, self.buf("y", x.shape)

        def rectify(x: Array, y: Array) -> None:
            self.xp.maximum(x, 0, out=y)

        self.backend.elementwise(rectify, (x, y), kernel=RELU)
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy where x > 0."""
        if not inputs:
            return None
        dx = self.buf("dx", dy.shape)

        def pass_on(x: Array, dy: Array, dx: Array) -> None:
            self.xp.greater(x, 0, out=dx)  # 1.0 or 0.0
            dx *= dy

        self.backend.elementwise(pass_on, (self.x, dy, dx), kernel=RELU_DX)
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = t times the slope at x."""
        return self.backward(t)


class Tanh(Layer):
    """y = tanh(x), between -1 and 1: the range of the images.    x, y: (n, ...)

    With dy = dL/dy:   dx = dy (1 - y^2)
    """

    def forward(self, x: Array, train: bool) -> Array:
        """y = tanh(x)."""
        self.y = self.xp.tanh(x, out=self.buf("y", x.shape))
        return self.y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy (1 - y^2)."""
        if not inputs:
            return None
        dx = self.buf("dx", dy.shape)

        def pass_on(y: Array, dy: Array, dx: Array) -> None:
            self.xp.multiply(y, y, out=dx)
            self.xp.subtract(1, dx, out=dx)
            dx *= dy

        self.backend.elementwise(pass_on, (self.y, dy, dx), kernel=TANH_DX)
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = t times the slope at x."""
        return self.backward(t)

    def tangent_backward(self, t: Array, dy: Array) -> Array:
        """dy t tanh''(x) = dy t (-2 y (1 - y^2))."""
        return -2 * dy * t * self.y * (1 - self.y**2)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)), between 0 and 1: a probability.    x, y: (n, ...)

    With dy = dL/dy:   dx = dy y (1 - y)

    Computed from exp(-|x|), which never overflows:  y = 1 / (1 + e) where x >= 0,  e / (1 + e) elsewhere.
    A discriminator that ends in logits and BCEWithLogits needs no Sigmoid and loses no precision: prefer that.
    """

    def forward(self, x: Array, train: bool) -> Array:
        """y = 1 / (1 + exp(-x))."""
        self.y = y = self.buf("y", x.shape)

        def squash(x: Array, y: Array) -> None:
            e = self.xp.exp(-abs(x))
            self.xp.divide(self.xp.where(x >= 0, 1, e), 1 + e, out=y)

        self.backend.elementwise(squash, (x, y), kernel=SIGMOID)
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dx = dy y (1 - y)."""
        if not inputs:
            return None
        dx = self.buf("dx", dy.shape)

        def pass_on(y: Array, dy: Array, dx: Array) -> None:
            self.xp.subtract(1, y, out=dx)
            dx *= y
            dx *= dy

        self.backend.elementwise(pass_on, (self.y, dy, dx), kernel=SIGMOID_DX)
        return dx

    def tangent(self, t: Array) -> Array:
        """J t = t times the slope at x."""
        return self.backward(t)

    def tangent_backward(self, t: Array, dy: Array) -> Array:
        """dy t sigmoid''(x) = dy t y (1 - y) (1 - 2 y)."""
        return dy * t * self.y * (1 - self.y) * (1 - 2 * self.y)
