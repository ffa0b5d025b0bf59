"""Optimizers: from a gradient to a step; and what goes with them, clipped weights.

Each optimizer works on the two vectors of one network, `params` and `grads`. Its own vectors (momenta, running squares)
are arrays of the same length, listed in `vectors` so that a checkpoint can hold them. One optimizer has one network:
two networks that share one would share its step count and get the bias correction wrong.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from .backend import Array, Backend
from .backend.kernels import ADAM, ADAM_WITHOUT_MOMENTUM, RMSPROP, SGD_STEP
from .config import arguments_of
from .errors import DivergedError, SettingsError
from .parameters import Slot

SCOPES = ("all", "kernels")


class Trainable(Protocol):
    """What an optimizer needs of a network: its vectors, where their parts lie, and where they live."""

    name: str
    backend: Backend
    dtype: Any
    params: Array
    grads: Array
    slots: list[Slot]


class Optimizer:
    """`step()` moves `network.params` against `network.grads`, and counts `steps`; `learning_rate` may be changed.

    `rate` is the learning rate as an array (), float64, in the same memory all the time: what a captured step reads.
    """

    vectors: tuple[str, ...] = ()
    squares: ClassVar[tuple[str, ...]] = ()  # those of them that are never below 0
    moving: ClassVar[tuple[str, ...]] = ("learning_rate",)  # settings that a schedule may change on the way

    def __init__(self, network: Trainable, learning_rate: float) -> None:
        if not hasattr(network, "params"):
            raise SettingsError(f"{type(self).__name__} takes the network to train, not a {type(network).__name__}")
        require("learning_rate", learning_rate, "at least 0, and finite", lambda rate: 0 <= rate < math.inf)
        self.network, self.backend = network, network.backend
        self.rate = self.backend.xp.full((), learning_rate, "float64")
        self._learning_rate, self.steps = float(learning_rate), 0
        for name in self.vectors:
            setattr(self, name, self.backend.xp.zeros_like(network.params))

    def config(self) -> dict[str, Any]:
        """The settings that make an equal one, but for the network."""
        return {name: value for name, value in arguments_of(self).items() if name != "network"}

    def clone(self, network: Trainable) -> "Optimizer":
        """An equal one, at the same step and with the same vectors, for an equal network: its clone."""
        other = type(self)(network, **self.config())
        other.steps = self.steps
        for name in self.vectors:
            getattr(other, name)[...] = other.backend.asarray(self.backend.to_host(getattr(self, name)), network.dtype)
        return other

    def require_finite(self) -> None:
        """Raises DivergedError, naming the vector, unless all its vectors are finite: a number that is not moves its
        parameter never again, or to nowhere.
        """
        for name in self.vectors:
            if not self.backend.xp.isfinite(getattr(self, name)).all():
                kind = type(self).__name__
                raise DivergedError(f"{self.network.name}: {kind}'s {name} is not finite: a gradient was too large")

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({self.network.name}, {settings})"

    @property
    def learning_rate(self) -> float:
        """The factor of every step; it may be changed at any time."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if value != self._learning_rate:
            self._learning_rate = float(value)
            self.rate[...] = self._learning_rate

    def step(self) -> None:
        """One update of all parameters, in place."""
        self.steps += 1
        self.update(self.network.params, self.network.grads)

    def update(self, p: Array, g: Array) -> None:
        """Change p, given the gradient g."""
        raise NotImplementedError(f"{type(self).__name__} has no update")


class SGD(Optimizer):
    """u <- momentum u + g     p <- p - learning_rate u

    Stochastic gradient descent with Polyak's heavy-ball momentum (1964); momentum 0 is plain descent. As in PyTorch,
    the learning rate stands outside u, so that changing it acts at once.
    """

    vectors = ("u",)
    u: Array

    def __init__(self, network: Trainable, learning_rate: float = 0.01, momentum: float = 0.0) -> None:
        super().__init__(network, learning_rate)
        require("momentum", momentum, "in [0, 1)", _is_share)
        self.momentum = momentum

    def update(self, p: Array, g: Array) -> None:
        """One step of descent."""
        rate = self.learning_rate

        def move(p: Array, g: Array, u: Array) -> None:
            u *= self.momentum
            u += g
            p -= rate * u

        self.backend.elementwise(move, (p, g, self.u), kernel=SGD_STEP, rate=self.rate, momentum=self.momentum)


class RMSprop(Optimizer):
    """v <- rho v + (1 - rho) g^2     p <- p - learning_rate g / (sqrt(v) + eps)

    Tieleman and Hinton 2012, lecture 6e. rho is PyTorch's alpha; eps outside the root, as in PyTorch (Keras 3 has it
    inside: sqrt(v + eps)).
    """

    vectors = squares = ("v",)
    v: Array

    def __init__(self, network: Trainable, learning_rate: float = 1e-3, rho: float = 0.9, eps: float = 1e-7) -> None:
        super().__init__(network, learning_rate)
        require("rho", rho, "in [0, 1)", _is_share)
        require("eps", eps, "above 0", lambda eps: eps > 0)
        self.rho, self.eps = rho, eps

    def update(self, p: Array, g: Array) -> None:
        """One step, each parameter at its own scale, part by part."""
        rate, xp = self.learning_rate, self.backend.xp

        def move(p: Array, g: Array, v: Array) -> None:
            v *= self.rho
            v += (1 - self.rho) * g * g
            p -= rate * g / (xp.sqrt(v) + self.eps)

        self.backend.elementwise(move, (p, g, self.v), kernel=RMSPROP, rate=self.rate, rho=self.rho, eps=self.eps)


class Adam(Optimizer):
    r"""M <- beta1 M + (1 - beta1) g     V <- beta2 V + (1 - beta2) g^2
    p <- p - learning_rate M_hat / (sqrt(V_hat) + eps),   M_hat = M / (1 - beta1^t),   V_hat = V / (1 - beta2^t)

    Kingma and Ba 2015, algorithm 1; the same as PyTorch's. Keras 3 adds its eps before the correction, to
    sqrt(V): their eps acts like ours of eps / sqrt(1 - beta2^t), a difference that fades with t.

    What is kept is m = M / (1 - beta1) and v = V / (1 - beta2): then no vector is ever multiplied by 1 - beta, and with

        root = sqrt((1 - beta2) / (1 - beta2^t)),    sqrt(V_hat) = root sqrt(v),

    the update is p <- p - rate m / (sqrt(v) + eps / root), rate = learning_rate (1 - beta1) / (1 - beta1^t) / root.
    With beta1 = 0, m is g, and there is no vector for it. beta2 may be changed on the way: V stays what it is.
    """

    vectors: tuple[str, ...] = ("m", "v")
    squares = ("v",)
    moving = ("learning_rate", "beta2")
    m: Array
    v: Array

    def __init__(
        self,
        network: Trainable,
        learning_rate: float = 2e-4,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
    ) -> None:
        require("beta1", beta1, "in [0, 1)", _is_share)
        require("beta2", beta2, "in [0, 1)", _is_share)
        require("eps", eps, "above 0", lambda eps: eps > 0)
        self.beta1, self._beta2, self.eps = beta1, beta2, eps
        self.vectors = ("v",) if beta1 == 0 else ("m", "v")
        super().__init__(network, learning_rate)

    @property
    def beta2(self) -> float:
        """The decay of V; it may be changed at any time."""
        return self._beta2

    @beta2.setter
    def beta2(self, value: float) -> None:
        require("beta2", value, "in [0, 1)", _is_share)
        if value != self._beta2:
            self.v *= (1 - self._beta2) / (1 - value)  # v = V / (1 - beta2)
            self._beta2 = float(value)

    def update(self, p: Array, g: Array) -> None:
        """One step, part by part, so that p, m and v are read and written once."""
        rate, eps = adam_step(self.steps, self.learning_rate, self.beta1, self.beta2, self.eps)
        xp, settings = self.backend.xp, {"rate": self.rate, "beta2": self.beta2, "eps": self.eps, "t": self.steps}

        def move(p: Array, g: Array, m: Array, v: Array, step: Array) -> None:
            m *= self.beta1
            m += g
            xp.multiply(g, g, out=step)
            v *= self.beta2
            v += step
            xp.sqrt(v, out=step)
            step += eps
            xp.divide(m, step, out=step)
            step *= rate
            p -= step

        def move_along_g(p: Array, g: Array, v: Array, m: Array, step: Array) -> None:
            m[...] = 0
            move(p, g, m, v, step)

        if self.beta1 == 0:
            self.backend.elementwise(move_along_g, (p, g, self.v), kernel=ADAM_WITHOUT_MOMENTUM, work=2, **settings)
        else:
            settings["beta1"] = self.beta1
            self.backend.elementwise(move, (p, g, self.m, self.v), kernel=ADAM, work=1, **settings)


def adam_step(t: int, rate: float, beta1: float, beta2: float, eps: float) -> tuple[float, float]:
    """(step, eps') of Adam's update t, such that  p <- p - step m / (sqrt(v) + eps')  has both bias corrections in it.

    root = sqrt((1 - beta2) / (1 - beta2^t))   step = rate (1 - beta1) / (1 - beta1^t) / root   eps' = eps / root
    """
    root = math.sqrt((1 - beta2) / (1 - beta2**t))
    return rate * (1 - beta1) / (1 - beta1**t) / root, eps / root


@dataclass(frozen=True)
class WeightClipping:
    """params <- min(max(params, -limit), limit), which bounds the slope of a critic.

    Arjovsky, Chintala and Bottou 2017, algorithm 1. `scope` says which parameters: "all", as their code does, or
    "kernels", the arrays named W alone. "all" takes BatchNorm's gamma, too, from its 1 to the limit.
    """

    limit: float = 0.01
    scope: str = "all"

    def __post_init__(self) -> None:
        require("limit", self.limit, "above 0, and finite", lambda limit: 0 < limit < math.inf)
        if self.scope not in SCOPES:
            raise SettingsError(f"scope is {self.scope!r}; the choices are {', '.join(SCOPES)}")

    def __call__(self, network: Trainable) -> None:
        """Clamp the network's parameters, in place."""
        kernels = [slot.view(network.params) for slot in network.slots if slot.name.endswith(".W")]
        for array in [network.params] if self.scope == "all" else kernels:
            network.backend.xp.clip(array, -self.limit, self.limit, out=array)


def _is_share(value: float) -> bool:
    return 0 <= value < 1


def require(name: str, value: Any, wanted: str, holds: Callable[[Any], bool]) -> None:
    """Raises SettingsError unless it is a number, and `holds`."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise SettingsError(f"{name} is {value!r}; it must be a number, {wanted}")
    if not holds(value):
        raise SettingsError(f"{name} is {value}; it must be {wanted}")
