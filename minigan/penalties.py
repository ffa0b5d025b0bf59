r"""Penalties on D's slope: WGAN-GP, R1 and R2, and the second derivatives they need, without automatic differentiation.

A penalty is a function of g = dD/dx, so its gradient for D's parameters differentiates a backward once more. It never
has to be written layer by layer: with u = dP/dg held fixed, dP/dparams is the gradient of one number,

    <u, g> = <u, J^T 1> = <J u, 1>,

the slope of D along u. docs/wgan_gp.md derives what follows from it.
"""

import math
from dataclasses import dataclass, replace

from .backend import Array, backend_of
from .errors import SettingsError
from .network import Sequential


class Penalty:
    """A term of D's loss that looks at g, the slope of D at some images. Subclasses say at which, and what they want.

    D gives every image one number, or one for each class, in which no other image has a part: no layer of it may be a
    BatchNorm.
    """

    def images(self, x_real: Array, x_fake: Array, share: Array) -> Array:
        """Where the slope is looked at: n images, or several times n.    share: (n, 1, ...), uniform in [0, 1)"""
        raise NotImplementedError(f"{type(self).__name__} has no images")

    def term(self, g: Array) -> tuple[Array, Array]:
        """(P, dP/dg), from the slopes g of shape (n, ...)."""
        raise NotImplementedError(f"{type(self).__name__} has no term")

    def of_batches(self, g: Array) -> tuple[Array, Array]:
        """(P, dP/dg), from the slopes at all real images and then at G's, for a penalty that looks at no others: what a
        fused update needs.    g: (2 n, ...)
        """
        raise NotImplementedError(f"{type(self).__name__} has no of_batches: it cannot be fused")

    def scaled(self, factor: float) -> "Penalty":
        """The same penalty, so many times as heavy."""
        raise SettingsError(f"{type(self).__name__} has no scaled, by which a schedule moves its weight")

    def __call__(self, D: Sequential, x: Array, chosen: Array = None) -> Array:
        """Add the gradient of P at the images x to `D.grads`. Returns P.

        chosen: (n, classes), the one-hot rows of the images' labels, where D has a number for each class; x may have
        several times as many images, whose labels are these in turn
        """
        pred = D.forward(x)
        dpred = D.backend.xp.ones_like(pred) if chosen is None else in_turn([chosen] * (len(x) // len(chosen)))
        g = D.backward(dpred, params=False, keep=True)
        loss, u = self.term(g)
        D.double_backward(u, add=True)
        return loss

    def require_fit(self, D: Sequential, outputs: int = 1) -> None:
        """Raises SettingsError, saying why, if D is no critic whose slope can be penalised."""
        if D.output_shape != (outputs,):
            raise SettingsError(
                f"{type(self).__name__} needs a D with one number for an image; it has {D.output_shape}"
            )
        if not D.has_tangent():
            raise D.refuse_tangent()


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

    def scaled(self, factor: float) -> "GradientPenalty":
        """With factor times the weight."""
        return replace(self, weight=factor * self.weight)


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

    def of_batches(self, g: Array) -> tuple[Array, Array]:
        """P and dP/dg, which is 0 at G's images."""
        n, dg = len(g) // 2, backend_of(g).xp.zeros_like(g)
        loss, dg[:n] = self.term(g[:n])
        return loss, dg

    def scaled(self, factor: float) -> "R1":
        """With factor times gamma."""
        return replace(self, gamma=factor * self.gamma)


@dataclass(frozen=True)
class R1R2(Penalty):
    """P = gamma / 2 (mean(|g|^2 at the real images) + mean(|g|^2 at G's)),   g = dD/dx.    dP/dg = gamma / n g

    R1 and R2 of Mescheder, Geiger and Nowozin 2018, equations 9 and 10, in one pass over both batches. With pairs
    (`Relativistic`) they let the game come to rest where either alone does not: R3GAN (Huang et al. 2024,
    arXiv:2501.05441, section 2).
    """

    gamma: float = 1.0

    def __post_init__(self) -> None:
        _require_positive("R1R2: gamma", self.gamma)

    def images(self, x_real: Array, x_fake: Array, share: Array) -> Array:
        """The real ones, and then G's."""
        return in_turn([x_real, x_fake])

    def term(self, g: Array) -> tuple[Array, Array]:
        """P and dP/dg.    g: (2 n, ...), of n real images and of n generated ones"""
        n = len(g) / 2
        return self.gamma / 2 * (g * g).sum() / n, self.gamma / n * g

    def of_batches(self, g: Array) -> tuple[Array, Array]:
        """P and dP/dg: the images of both batches are those that it looks at."""
        return self.term(g)

    def scaled(self, factor: float) -> "R1R2":
        """With factor times gamma."""
        return replace(self, gamma=factor * self.gamma)


def in_turn(parts: list[Array]) -> Array:
    """All rows of the first part, then those of the next: (n, ...) each. CuPy's own would read from the host, which a
    captured step must not.
    """
    if len(parts) == 1:
        return parts[0]
    n = len(parts[0])
    rows = backend_of(parts[0]).xp.empty((n * len(parts), *parts[0].shape[1:]), parts[0].dtype)
    for i, part in enumerate(parts):
        rows[i * n : (i + 1) * n] = part
    return rows


def _require_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise SettingsError(f"{name} is {value}; it must be above 0, and finite")
