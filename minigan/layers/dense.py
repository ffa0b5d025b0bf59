"""The fully connected layer."""

from ..backend import Array
from ..initializers import Initializer, glorot_uniform, zeros
from .base import Layer
from .sides import whole


class Dense(Layer):
    r"""y = x W + b.    x: (n, d_in)   W: (d_in, d_out)   b: (d_out,)   y: (n, d_out)

    With dy = dL/dy:   dW = x^T dy     db = sum_n dy     dx = dy W^T

    Every output is a weighted sum of every input. Rumelhart, Hinton and Williams 1986. docs/layers/dense.md derives
    the three gradients.

    bias: False for no b
    """

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(
        self, d_out: int, W_init: Initializer = glorot_uniform, b_init: Initializer = zeros, bias: bool = True
    ) -> None:
        self.d_out, self.W_init, self.b_init = whole(d_out, "Dense: d_out"), W_init, b_init
        self.bias = bool(bias)

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """W (d_in, d_out) and b (d_out,). Raises ShapeError unless inputs are rows, (d_in,)."""
        if len(in_shape) != 1:
            raise self.refuse(in_shape, "one row of numbers for each sample; put Flatten() before it")
        self.param("W", (in_shape[0], self.d_out), self.W_init)
        if self.bias:
            self.param("b", (self.d_out,), self.b_init)
        return (self.d_out,)

    def forward(self, x: Array, train: bool) -> Array:
        """y = x W + b."""
        self.x = x
        y = self.backend.matmul(x, self.W, out=self.buf("y", (len(x), self.d_out)))
        if self.bias:
            y += self.b
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dW = x^T dy,  db = sum_n dy,  dx = dy W^T."""
        if params:
            self.backend.matmul(self.x.T, dy, out=self.dW)  # overwrites: one backward, one gradient
            if self.bias:
                dy.sum(axis=0, out=self.db)
        if not inputs:
            return None
        return self.backend.matmul(dy, self.W.T, out=self.buf("dx", self.x.shape))

    def tangent(self, t: Array) -> Array:
        """J t = t W."""
        return self.backend.matmul(t, self.W, out=self.buf("t", (len(t), self.d_out)))

    def tangent_backward(self, t: Array, dy: Array) -> None:
        """dW = t^T dy."""
        self.backend.matmul(t.T, dy, out=self.dW)

    def fused(self, t: Array, dy: Array, s: Array) -> Array:
        """dW = (s x + t)^T dy,  db = s^T dy;  J t."""
        self.tangent_backward(self.lifted(self.x, s, t), dy)
        if self.bias:
            self.backend.matmul(s.T, dy, out=self.db[None])
        return self.tangent(t)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(d_out={self.d_out}{'' if self.bias else ', bias=False'})"
