"""Labels joined to noise: a learned vector for each class."""

from ..backend import Array
from ..initializers import Initializer, normal
from .base import Layer
from .sides import whole


class LabelEmbedding(Layer):
    """y = [z, t E]:  the noise, followed by the learned row of the label's class.    x = [z, t]: (n, d + classes)

    z: (n, d)   t: (n, classes), one-hot rows   E: (classes, size)   y: (n, d + size)

    With dy = [dy_z, dy_e]:   dE = t^T dy_e     dx = [dy_z, dy_e E^T]

    The first layer of a conditional generator, whose input is noise followed by the label's one-hot row (Generator).
    Row c of E is what the network knows about class c. Labels are joined to
    noise in this way by Mirza and Osindero 2014, section 3.2.

    classes  number of classes: the last `classes` entries of x are the one-hot row
    size     length of the vector of a class; E starts from N(0, 1), as embeddings do in PyTorch
    """

    E: Array
    dE: Array

    def __init__(self, classes: int, size: int, E_init: Initializer = normal(1.0)) -> None:  # noqa: B008 - frozen
        self.classes, self.size = whole(classes, "LabelEmbedding: classes"), whole(size, "LabelEmbedding: size")
        self.E_init = E_init

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """E (classes, size). Raises ShapeError unless inputs are rows of at least `classes` entries."""
        if len(in_shape) != 1 or in_shape[0] < self.classes:
            raise self.refuse(in_shape, f"rows that end in the one-hot row of {self.classes} classes")
        self.d = in_shape[0] - self.classes
        self.param("E", (self.classes, self.size), self.E_init)
        return (self.d + self.size,)

    def forward(self, x: Array, train: bool) -> Array:
        """y = [z, t E]."""
        self.t = self.contiguous(x[:, self.d :])
        return self.joined(x, self.backend.matmul(self.t, self.E, out=self.temporary("t E", (len(x), self.size))), "y")

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dE = t^T dy_e,  dx = [dy_z, dy_e E^T]."""
        dy_e = dy[:, self.d :]
        if params:
            self.backend.matmul(self.t.T, self.contiguous(dy_e), out=self.dE)
        if not inputs:
            return None
        dt = self.temporary("dt", (len(dy), self.classes))
        return self.joined(dy, self.backend.matmul(self.contiguous(dy_e), self.E.T, out=dt), "dx")

    def tangent(self, t: Array) -> Array:
        """J t = [t_z, t_t E]."""
        labels = self.contiguous(t[:, self.d :])
        moved = self.backend.matmul(labels, self.E, out=self.temporary("t E", (len(t), self.size)))
        return self.joined(t, moved, "t")

    def tangent_backward(self, t: Array, dy: Array) -> None:
        """dE = t_t^T dy_e."""
        self.backend.matmul(self.contiguous(t[:, self.d :]).T, self.contiguous(dy[:, self.d :]), out=self.dE)

    def joined(self, left: Array, right: Array, name: str) -> Array:
        """[the first d columns of left, right], in the buffer of that name.    right: (n, k) -> (n, d + k)"""
        y = self.buf(name, (len(left), self.d + right.shape[1]))
        y[:, : self.d], y[:, self.d :] = left[:, : self.d], right
        return y

    def contiguous(self, columns: Array) -> Array:
        """A contiguous copy, which products need."""
        return self.xp.ascontiguousarray(columns)
