"""Batch normalisation."""

from typing import ClassVar

from ..backend import Array
from ..backend.kernels import CHANNEL_SCALES, NORMALISE, NORMALISE_DX, RUNNING_AVERAGE
from ..backend.sums import GRADIENT_SUMS, MOMENTS
from ..errors import SettingsError, ShapeError
from ..initializers import Initializer, ones, zeros
from .base import Layer


class BatchNorm(Layer):
    r"""y = gamma x_hat + beta,   x_hat = (x - mean) / sqrt(var + eps).    x, y: (..., c)   gamma, beta: (c,)

    Every channel (the last axis) is normalised by its own mean and variance over the m entries that it has in the
    batch: m = n after Dense, n h w after a convolution. With dy = dL/dy, sums over those m entries:

        dgamma = sum dy x_hat     dbeta = sum dy
        dx = gamma / sqrt(var + eps) (dy - dbeta / m - x_hat dgamma / m)

    `predict` uses running statistics instead: running = momentum running + (1 - momentum) batch, with the biased
    variance. Keras counts momentum like this; PyTorch's momentum is 1 minus ours.

    Ioffe and Szegedy 2015, algorithm 1 and section 3. docs/layers/batchnorm.md derives dx.
    """

    gamma: Array
    beta: Array
    dgamma: Array
    dbeta: Array
    mean: Array
    var: Array
    no_tangent: ClassVar[str] = (
        "its mean and variance are those of the batch, so that the score of an image depends on the other images, too, "
        "and is no function with a slope of its own; leave it out of the critic (Gulrajani et al. 2017, section 4)"
    )

    def __init__(
        self, momentum: float = 0.9, eps: float = 1e-5, gamma_init: Initializer = ones, beta_init: Initializer = zeros
    ) -> None:
        if not 0 <= momentum < 1 or eps <= 0:
            raise SettingsError(
                f"BatchNorm: momentum is {momentum} and eps {eps}; wanted 0 <= momentum < 1 and eps > 0"
            )
        self.momentum, self.eps = float(momentum), float(eps)
        self.gamma_init, self.beta_init = gamma_init, beta_init

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """gamma and beta, and the running mean and variance: all (c,)."""
        c = in_shape[-1:]
        self.param("gamma", c, self.gamma_init)
        self.param("beta", c, self.beta_init)
        self.running("mean", c)
        self.running("var", c, ones)
        return in_shape

    def forward(self, x: Array, train: bool) -> Array:
        """y = gamma x_hat + beta. Raises ShapeError for a training batch with one entry a channel: var is 0."""
        self.x, y = x, self.buf("y", x.shape)
        if train:
            self.m = x.size // len(self.gamma)
            if self.m < 2:
                raise ShapeError(
                    f"{self.name} in {self.context.network}: a training batch of shape {x.shape} has one number per "
                    f"channel, and its variance is 0: use a batch of 2 or more"
                )
            mean, var = self.backend.sums(MOMENTS, x)
            self.follow(mean, var)
        else:
            mean, var = self.mean, self.var
        self.x_mean, (self.inverse_std, gain) = mean, self.scales(var)

        def normalise(x: Array, y: Array, mean: Array, gain: Array, beta: Array) -> None:
            self.xp.subtract(x, mean, out=y)
            y *= gain
            y += beta

        self.backend.elementwise(normalise, (x, y), (mean, gain, self.beta), kernel=NORMALISE)
        return y

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """dgamma = sum dy x_hat,  dbeta = sum dy,  dx as above. dx needs both sums, so they are always computed."""
        dx = self.buf("dx", dy.shape)
        # x_hat is not kept: that would cost as much memory as y.
        dbeta, products = self.backend.sums(GRADIENT_SUMS, dy, self.x, self.x_mean)
        dgamma = products * self.inverse_std
        if params:
            self.dgamma[...], self.dbeta[...] = dgamma, dbeta
        if not inputs:
            return None

        def combine(
            x: Array, dy: Array, dx: Array, mean: Array, inverse_std: Array, gamma: Array, dgamma: Array, dbeta: Array
        ) -> None:
            self.xp.subtract(x, mean, out=dx)
            dx *= inverse_std * dgamma / -self.m  # -x_hat dgamma / m
            dx += dy
            dx -= dbeta / self.m
            dx *= gamma * inverse_std

        vectors = self.x_mean, self.inverse_std, self.gamma, dgamma, dbeta
        self.backend.elementwise(combine, (self.x, dy, dx), vectors, kernel=NORMALISE_DX, m=self.m)
        return dx

    def follow(self, mean: Array, var: Array) -> None:
        """running = momentum running + (1 - momentum) batch."""
        rate = 1 - self.momentum

        def move(mean: Array, var: Array, running_mean: Array, running_var: Array) -> None:
            running_mean += rate * (mean - running_mean)
            running_var += rate * (var - running_var)

        self.backend.elementwise(move, (mean, var, self.mean, self.var), kernel=RUNNING_AVERAGE, rate=rate)

    def scales(self, var: Array) -> tuple[Array, Array]:
        """1 / sqrt(var + eps) and gamma / sqrt(var + eps)."""
        inverse_std, gain = self.buf("1 / std", var.shape), self.buf("gain", var.shape)

        def scale(var: Array, gamma: Array, inverse_std: Array, gain: Array) -> None:
            self.xp.divide(1, self.xp.sqrt(var + self.eps), out=inverse_std)
            self.xp.multiply(gamma, inverse_std, out=gain)

        arrays = var, self.gamma, inverse_std, gain
        self.backend.elementwise(scale, arrays, kernel=CHANNEL_SCALES, eps=self.eps)
        return inverse_std, gain
