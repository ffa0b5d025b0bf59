"""Spectral normalisation: a weight divided by its largest singular value."""

from typing import Any

from ..backend import Array
from ..errors import SettingsError
from ..initializers import Random
from .base import Layer
from .conv import Conv2D
from .dense import Dense
from .sides import whole
from .upsampling_conv import UpSamplingConv2D

KINDS = {"Dense": Dense, "Conv2D": Conv2D, "UpSamplingConv2D": UpSamplingConv2D}
WANTED = "a Dense, a Conv2D or an UpSamplingConv2D"
STARTING_ITERATIONS = 15  # so that a network that was never trained has a sigma as well; PyTorch does as many


class SpectralNorm(Layer):
    """A layer that computes with W_SN = W / sigma.    W, W_SN: (rows, columns)   u: (columns,)   v: (rows,)

    sigma = v^T W u,   where u and v have length 1 and turn towards W's first singular vectors: a training forward
    repeats `iterations` times, before it uses them,

        u <- W^T v / |W^T v|     v <- W u / |W u|

    sigma then nears W's largest singular value, and that of W_SN nears 1: |x W_SN| <= |x|. With dW_SN = dL/dW_SN as the
    wrapped layer finds it, and u and v held fixed:

        dW = (dW_SN - <dW_SN, W_SN> v u^T) / sigma     db and dx as the wrapped layer has them, with W_SN

    layer       a Dense, a Conv2D or an UpSamplingConv2D of its own (or what `config` has made of one, in a model file)
    iterations  of the power method in a training forward; u and v are kept in the network's state, so that one is
                enough while W moves slowly; 0 holds them fixed, as a check by differences wants it

    A W of zeros is left as it is. Rows and columns are those of W as the wrapped layer stores it, the transpose of the
    paper's; for a Conv2D they are (kh kw c_in, c_out). Miyato, Kataoka, Koyama and Yoshida 2018, equations 8 and 12 and
    algorithm 1, which begins with the other of the two lines. docs/layers/spectral_norm.md derives the gradient.
    """

    W: Array
    b: Array
    dW: Array
    db: Array
    u: Array
    v: Array

    def __init__(self, layer: Layer | dict[str, Any], iterations: int = 1) -> None:
        if isinstance(layer, dict):
            if layer.get("type") not in KINDS:
                raise SettingsError(f"SpectralNorm: the file has a layer {layer.get('type')!r} in it; wanted {WANTED}")
            layer = KINDS[layer["type"]](**{name: value for name, value in layer.items() if name != "type"})
        if not isinstance(layer, Dense | Conv2D):
            raise SettingsError(f"SpectralNorm: layer is {layer!r}; wanted {WANTED}, such as SpectralNorm(Dense(1))")
        self.layer, self.iterations = layer, whole(iterations, "SpectralNorm: iterations", minimum=0)

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The wrapped layer's W and b; u (columns,) and v (rows,), which are not trained."""
        out_shape = self.layer.connect(self.network, self.name, in_shape)
        self.declared["params"] += self.layer.declared["params"]
        rows, columns = self.layer.declared["params"][0].shape
        self.running("u", (columns,), self.first_u)
        self.running("v", (rows,), self.first_v)
        return out_shape

    def forward(self, x: Array, train: bool) -> Array:
        """W_SN = W / sigma, and the wrapped layer's forward with it."""
        for _ in range(self.iterations if train else 0):
            self.u[...] = self.unit(self.times_W(self.v), self.u)
            self.v[...] = self.unit(self.W_times(self.u), self.v)
        sigma = (self.v * self.W_times(self.u)).sum()
        self.sigma = self.xp.where(sigma == 0, 1, sigma)
        self.layer.W = self.xp.divide(self.W, self.sigma, out=self.buf("W_SN", self.W.shape))
        return self.layer.forward(x, train)

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """The wrapped layer's backward, and dW from its dW_SN."""
        if params:
            self.layer.dW = self.temporary("dW_SN", self.W.shape)
        dx = self.layer.backward(dy, params, inputs)
        if params:
            self.through_sigma()
        return dx

    def through_sigma(self) -> None:
        """dW = (dW_SN - <dW_SN, W_SN> v u^T) / sigma."""
        dW_SN, W_SN = self.layer.dW, self.layer.W
        self.dW[...] = (dW_SN - (dW_SN * W_SN).sum() * self.v[:, None] * self.u) / self.sigma

    def tangent(self, t: Array) -> Array:
        """J t, as the wrapped layer has it, with W_SN."""
        return self.layer.tangent(t)

    def tangent_backward(self, t: Array, dy: Array) -> Array | None:
        """What the wrapped layer finds for W_SN, and dW from it."""
        self.layer.dW = self.temporary("dW_SN", self.W.shape)
        dx = self.layer.tangent_backward(t, dy)
        self.through_sigma()
        return dx

    def W_times(self, u: Array) -> Array:
        """W u.    (columns,) -> (rows,)"""
        return self.backend.matmul(self.W, u[:, None], out=self.xp.empty((len(self.W), 1), self.dtype))[:, 0]

    def times_W(self, v: Array) -> Array:
        """v^T W.    (rows,) -> (columns,)"""
        return self.backend.matmul(v[None], self.W, out=self.xp.empty((1, len(self.u)), self.dtype))[0]

    # The vectors. ----------------------------------------------------------------------------------------------------

    def unit(self, vector: Array, otherwise: Array) -> Array:
        """vector / |vector|, or what there was before if it is 0."""
        length = self.xp.sqrt((vector * vector).sum())
        return self.xp.where(length > 0, vector / self.xp.where(length > 0, length, 1), otherwise)

    def first_u(self, random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """A random direction, turned towards the first singular vector of the W that there is by now."""
        u = random.normal(shape)
        u = self.unit(u, u)
        for _ in range(STARTING_ITERATIONS):
            u = self.unit((self.W @ u) @ self.W, u)
        return u

    def first_v(self, random: Random, shape: tuple[int, ...], fan_in: int, fan_out: int) -> Array:
        """The v that goes with u."""
        v = random.normal(shape)
        return self.unit(self.W @ self.u, self.unit(v, v))

    # The wrapped layer: its place in the network is this one's. -------------------------------------------------------

    def bind(self, name: str, view: Array) -> None:
        """The bias is the wrapped layer's own; W and dW it gets at every call."""
        super().bind(name, view)
        if name in ("b", "db"):
            self.layer.bind(name, view)

    def disconnect(self, network: Any) -> None:
        """Free the wrapped layer too."""
        self.layer.disconnect(network)
        super().disconnect(network)

    def config(self) -> dict[str, Any]:
        """The arguments as a file can hold them: of the wrapped layer its class and its settings."""
        settings = {name: value for name, value in self.layer.config().items() if not callable(value)}
        return {"layer": {"type": type(self.layer).__name__, **settings}, "iterations": self.iterations}

    def clone(self) -> "SpectralNorm":
        """An equal layer around an equal one, initializers and all, that no network has built."""
        return type(self)(self.layer.clone(), self.iterations)

    def __repr__(self) -> str:
        return f"SpectralNorm({self.layer!r}, iterations={self.iterations})"
