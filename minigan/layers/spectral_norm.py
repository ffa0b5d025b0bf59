"""Spectral normalisation: a weight divided by its largest singular value."""

from ..backend import Array
from ..errors import SettingsError
from ..initializers import Random
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .sides import whole

WANTED = "a Dense, a Conv2D or an UpSamplingConv2D"
STARTING_ITERATIONS = 15  # so that sigma is about right before the first training step; as many as in PyTorch


class SpectralNorm(Layer):
    """A layer that computes with W_SN = W / sigma.    W, W_SN: (rows, columns)   u: (columns,)   v: (rows,)

    sigma = v^T W u,   where u and v have length 1 and approach W's first singular vectors: a training forward repeats
    `iterations` times, before it uses them,

        u <- W^T v / |W^T v|     v <- W u / |W u|

    sigma then approaches W's largest singular value, and that of W_SN approaches 1: |x W_SN| <= |x|. With dW_SN =
    dL/dW_SN as the inner layer computes it, and u and v held fixed:

        dW = (dW_SN - <dW_SN, W_SN> v u^T) / sigma     db and dx as the inner layer computes them, with W_SN

    layer       a Dense, a Conv2D or an UpSamplingConv2D of its own
    iterations  of the power method in a training forward. u and v are kept in the network's state, so that one is
                enough while W changes slowly. 0 holds them fixed, as a gradient check needs it

    A W of zeros is not divided. Rows and columns are those of W as the inner layer stores it, the transpose of the
    paper's; for a Conv2D it is (kh kw c_in, c_out). Miyato, Kataoka, Koyama and Yoshida 2018, equations 8 and 12 and
    algorithm 1, which begins with the other of the two lines. docs/layers/spectral_norm.md derives the gradient.
    """

    u: Array
    v: Array

    def __init__(self, layer: Layer, iterations: int = 1) -> None:
        if not isinstance(layer, Dense | Conv2D):
            raise SettingsError(f"SpectralNorm: layer is {layer!r}; wanted {WANTED}, such as SpectralNorm(Dense(1))")
        self.layer, self.iterations = layer, whole(iterations, "SpectralNorm: iterations", minimum=0)

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """u (columns,) and v (rows,), which are not trained; W and b are the inner layer's."""
        (name,) = self.children()
        out_shape = self.place(name, in_shape)
        rows, columns = self.layer.declared["params"][0].shape
        self.running("u", (columns,), self.first_u)
        self.running("v", (rows,), self.first_v)
        return out_shape

    def forward(self, x: Array, train: bool) -> Array:
        """W_SN = W / sigma, and the inner layer's forward with it."""
        for _ in range(self.iterations if train else 0):
            self.u[...] = self.unit(self.times_W(self.v), self.u)
            self.v[...] = self.unit(self.W_times(self.u), self.v)
        sigma = (self.v * self.W_times(self.u)).sum()
        self.sigma = self.xp.where(sigma == 0, 1, sigma)
        self.W_SN = self.xp.divide(self.layer.W, self.sigma, out=self.buf("W_SN", self.layer.W.shape))
        with self.layer.lent(W=self.W_SN):
            return self.layer.run_forward(x, train)

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """The inner layer's backward, and dW from its dW_SN."""
        dW_SN = self.temporary("dW_SN", self.W_SN.shape)
        with self.layer.lent(W=self.W_SN, dW=dW_SN):
            dx = self.layer.run_backward(dy, params, inputs)
        if params:
            self.through_sigma(dW_SN)
        return dx

    def through_sigma(self, dW_SN: Array) -> None:
        """dW = (dW_SN - <dW_SN, W_SN> v u^T) / sigma."""
        along = (dW_SN * self.W_SN).sum()
        self.layer.dW[...] = (dW_SN - along * self.v[:, None] * self.u) / self.sigma

    def has_tangent(self) -> bool:
        """Yes if the inner layer has one."""
        return self.layer.has_tangent()

    def tangent(self, t: Array) -> Array:
        """J t of the inner layer, with W_SN."""
        with self.layer.lent(W=self.W_SN):
            return self.layer.run_tangent(t)

    def tangent_backward(self, t: Array, dy: Array) -> Array | None:
        """The inner layer's derivatives of <dy, J t>, with W_SN; dW from its dW_SN."""
        dW_SN = self.temporary("dW_SN", self.W_SN.shape)
        with self.layer.lent(W=self.W_SN, dW=dW_SN):
            self.context.workspace.begin_call(self.layer.name, t)
            dx = self.layer.tangent_backward(t, dy)
        self.through_sigma(dW_SN)
        return dx

    def fused(self, t: Array, dy: Array, s: Array) -> Array:
        """The inner layer's, with W_SN; dW from its dW_SN."""
        dW_SN = self.temporary("dW_SN", self.W_SN.shape)
        with self.layer.lent(W=self.W_SN, dW=dW_SN):
            t = self.layer.run_fused(t, s)
        self.through_sigma(dW_SN)
        return t

    def W_times(self, u: Array) -> Array:
        """W u.    (columns,) -> (rows,)"""
        return self.backend.matmul(self.layer.W, u[:, None], out=self.xp.empty((len(self.v), 1), self.dtype))[:, 0]

    def times_W(self, v: Array) -> Array:
        """v^T W.    (rows,) -> (columns,)"""
        return self.backend.matmul(v[None], self.layer.W, out=self.xp.empty((1, len(self.u)), self.dtype))[0]

    # The vectors. ----------------------------------------------------------------------------------------------------

    def unit(self, vector: Array, otherwise: Array) -> Array:
        """vector / |vector|, or `otherwise` if the vector is 0."""
        length = self.xp.sqrt((vector * vector).sum())
        return self.xp.where(length > 0, vector / self.xp.where(length > 0, length, 1), otherwise)

    def first_u(self, random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """A random direction after some iterations of the power method with the first W."""
        u = random.normal(shape)
        u = self.unit(u, u)
        for _ in range(STARTING_ITERATIONS):
            u = self.unit((self.layer.W @ u) @ self.layer.W, u)
        return u

    def first_v(self, random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """v = W u / |W u|, with the first u."""
        v = random.normal(shape)
        return self.unit(self.layer.W @ self.u, self.unit(v, v))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.layer!r}, iterations={self.iterations})"
