r"""Penalties on D's slope: WGAN-GP and R1, and the second derivatives they need, without automatic differentiation.

A penalty is a function of g = dD/dx, so its gradient for D's parameters differentiates a backward once more. It never
has to be written layer by layer: with u = dP/dg held fixed, dP/dparams is the gradient of one number,

    <u, g> = <u, J^T 1> = <J u, 1>,

the slope of D along u. docs/wgan_gp.md derives what follows from it.
"""

import math
from dataclasses import dataclass

from .backend import Array
from .errors import OrderError, SettingsError
from .network import Sequential


class Penalty:
    """A term of D's loss that looks at g, the slope of D at some images. Subclasses say at which, and what they want.

    D gives every image one number, which no other image has a part in: no layer of it may be a BatchNorm.
    """

    def images(self, x_real: Array, x_fake: Array, share: Array) -> Array:
        """Where the slope is looked at.    share: (n, 1, ...), uniform in [0, 1)"""
        raise NotImplementedError(f"{type(self).__name__} has no images")

    def term(self, g: Array) -> tuple[Array, Array]:
        """(P, dP/dg), from the slopes g of shape (n, ...)."""
        raise NotImplementedError(f"{type(self).__name__} has no term")

    def __call__(self, D: Sequential, x: Array) -> Array:
        """Add the gradient of P at the images x to `D.grads`. Returns P."""
        ones = D.backend.xp.ones_like(D.forward(x))
        g = D.backward(ones, params=False, keep=True)
        loss, u = self.term(g)
        double_backward(D, u, add=True)
        return loss

    def require_fit(self, D: Sequential) -> None:
        """Raises SettingsError, saying why, if D is no critic whose slope can be penalised."""
        if D.output_shape != (1,):
            raise SettingsError(
                f"{type(self).__name__} needs a D with one number for an image; it has {D.output_shape}"
            )
        for layer in D.layers:
            if not layer.has_tangent():
                raise layer.refuse_tangent()


@dataclass(frozen=True)
class GradientPenalty(Penalty):
    """P = weight mean((|g| - 1)^2),   g = dD/dx at x = e x_real + (1 - e) x_fake,   e uniform for every pair

    With r = |g| of one image, over all its numbers:   dP/dg = 2 weight / n (r - 1) g / r,   0 where r = 0

    WGAN-GP (Gulrajani et al. 2017, section 4). The best critic has slope 1 on the lines along which G's images are best
    carried to the real ones (proposition 1); they ask for it between random pairs. They take weight 10, five updates of
    D for one of G, and Adam with learning rate 1e-4, beta1 0 and beta2 0.9.
    """

    weight: float = 10.0

    def __post_init__(self) -> None:
        _require_positive("GradientPenalty: weight", self.weight)

    def images(self, x_real: Array, x_fake: Array, share: Array) -> Array:
        """A point on the line between each real image and a generated one."""
        return share * x_real + (1 - share) * x_fake

    def term(self, g: Array) -> tuple[Array, Array]:
        """P and dP/dg."""
        r = (g * g).sum(axis=tuple(range(1, g.ndim)), keepdims=True) ** 0.5
        return self.weight * ((r - 1) ** 2).mean(), 2 * self.weight / len(g) * (r - 1) * g / (r + (r == 0))


@dataclass(frozen=True)
class R1(Penalty):
    """P = gamma / 2 mean(|g|^2),   g = dD/dx at the real images.    dP/dg = gamma / n g

    Mescheder, Geiger and Nowozin 2018, equation 9: with it, D goes flat once G's images are like the real ones, and the
    game comes to rest there. They take gamma 10.
    """

    gamma: float = 10.0

    def __post_init__(self) -> None:
        _require_positive("R1: gamma", self.gamma)

    def images(self, x_real: Array, x_fake: Array, share: Array) -> Array:
        """The real ones."""
        return x_real

    def term(self, g: Array) -> tuple[Array, Array]:
        """P and dP/dg."""
        return self.gamma / 2 * (g * g).sum() / len(g), self.gamma / len(g) * g


def double_backward(net: Sequential, u: Array, add: bool = False) -> None:
    """`net.grads` = d<u, dx>/dparams, for the dx that net.backward(dy, keep=True) has just returned.    u: (n, ...)

    dy and u are fixed. <u, dx> = <J u, dy>: u goes forwards and meets, at every layer, the dy that came down to it.
    Where a layer is curved, J depends on its x and so on the parameters below it; their share is one more backward.
    `add=True` adds to the gradients from before.
    """
    if len(net.kept) < len(net.layers):
        raise OrderError(f"{net.name}: double_backward needs a backward(dy, keep=True), with its dx, before it")
    net.require_direction("u", u)
    total = net.grads.copy() if add else net.backend.xp.zeros_like(net.grads)
    net.grads[...] = 0
    t, curved = u, []
    for layer, dy in zip(net.layers, net.kept, strict=True):
        net.workspace.begin_call(keep=True, dy=t)
        t = net.workspace.input(t)
        curved.append(layer.tangent_backward(t, net.workspace.input(dy)))
        t = layer.tangent(t)
    if any(dx is not None for dx in curved):
        total += net.grads
        dy = net.backend.xp.zeros_like(t)  # y itself has no part in dx; what is curved below it has
        for i in reversed(range(net.first_learner, len(net.layers))):
            net.workspace.begin_call(keep=True, dy=dy)
            dy = net.layers[i].backward(net.workspace.input(dy), True, i > net.first_learner)
            if dy is not None and curved[i] is not None:
                dy = dy + curved[i]
    net.grads += total
    net.discard()


def _require_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise SettingsError(f"{name} is {value}; it must be above 0, and finite")
