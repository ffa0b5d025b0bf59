"""Objectives: what D and G minimise, as functions of D's predictions. docs/losses.md derives and compares them.

Most look at one batch at a time, and have three functions from predictions to (loss, dpred), the loss a 0-d array and
dpred = dloss/dpred: `real` and `fake` are D's, for its two batches, and `generator` is G's. One that has to see both
batches at once, as Relativistic does, has two: `discriminator(real, fake)` and `generator(fake, real)`. All are means
over the predictions.
"""

import numpy as np

from .backend import Array, backend_of
from .errors import SettingsError
from .losses import BCE, BCEWithLogits, Loss


class Objective:
    """What D and G minimise, and how well D does.

    Write `real`, `fake` and `generator(pred)`, for one batch of predictions each; or, where both have to be seen at
    once, `discriminator(real, fake)` and `generator(fake, real)`. All predictions are (n, 1), and so are the gradients.

    `score` names what says how well D does, a column of the history: `score_real(pred) + score_fake(pred)`, or
    `score_pairs(real, fake)` where both are seen. Unless a subclass says otherwise that is "d_accuracy", the share of
    images that D classified correctly, predictions above `decision` meaning "real": 0.5 is a coin toss.
    """

    score: str = "d_accuracy"
    decision: float = 0.0

    def real(self, pred: Array) -> tuple[Array, Array]:
        """D's loss on real images, and its gradient for D's predictions."""
        raise NotImplementedError(f"{type(self).__name__} has no real")

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """D's loss on generated images, and its gradient."""
        raise NotImplementedError(f"{type(self).__name__} has no fake")

    def discriminator(self, real: Array, fake: Array) -> tuple[Array, Array, Array]:
        """D's loss, and its gradients for the predictions of real and of generated images.

        Unless a subclass says otherwise: the sum of the two halves.
        """
        (loss_real, d_real), (loss_fake, d_fake) = self.real(real), self.fake(fake)
        return loss_real + loss_fake, d_real, d_fake

    def generator(self, fake: Array, real: Array = None) -> tuple[Array, Array]:
        """G's loss, and its gradient for D's predictions of generated images. `real` are those of D's last images,
        where the objective sees both.
        """
        raise NotImplementedError(f"{type(self).__name__} has no generator")

    @property
    def sees_both(self) -> bool:
        """Whether D's loss takes the predictions of both batches: the subclass has a `discriminator` of its own."""
        return type(self).discriminator is not Objective.discriminator

    def score_real(self, pred: Array) -> Array:
        """Half the share of these real images that D calls real."""
        return (pred > self.decision).mean() / 2

    def score_fake(self, pred: Array) -> Array:
        """Half the share of these generated images that D calls fake."""
        return (pred <= self.decision).mean() / 2

    def score_pairs(self, real: Array, fake: Array) -> Array:
        """The share of pairs in which D scores the real image higher: what is left of accuracy where only differences
        count.
        """
        return (real > fake).mean()

    def undecided(self) -> float:
        """D's loss if every prediction is `decision`: 2 ln 2 with cross-entropy."""
        pred = np.full((1, 1), float(self.decision))
        return float(self.discriminator(pred, pred)[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class NonSaturating(Objective):
    """D: minimise loss(D(x), 1) + loss(D(G(z)), 0).    G: minimise loss(D(G(z)), 1).

    Goodfellow et al. 2014, end of section 3: the same fixed point as the minimax game, and strong gradients for G when
    D wins. `loss` is BCEWithLogits() for a D that ends in logits, BCE() behind a Sigmoid. `real_target` below 1 is
    one-sided label smoothing (Salimans et al. 2016, section 3.4).
    """

    def __init__(self, loss: Loss | None = None, real_target: float = 1.0) -> None:
        loss = BCEWithLogits() if loss is None else loss
        if not isinstance(loss, Loss) or loss.decision is None:
            raise SettingsError(f"{type(self).__name__}: loss is {loss!r}; wanted one such as BCEWithLogits()")
        self.loss, self.real_target, self.decision = loss, float(real_target), loss.decision

    def real(self, pred: Array) -> tuple[Array, Array]:
        """D wants its real images called real, as far as `real_target` asks for it."""
        return self.loss(pred, self.real_target)

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """D wants generated images called fake."""
        return self.loss(pred, 0.0)

    def generator(self, fake: Array, real: Array = None) -> tuple[Array, Array]:
        """G wants its images called real."""
        return self.loss(fake, 1.0)

    def __repr__(self) -> str:
        smoothed = f", real_target={self.real_target}" if self.real_target != 1 else ""
        return f"{type(self).__name__}({self.loss!r}{smoothed})"


class Saturating(NonSaturating):
    """D: minimise loss(D(x), 1) + loss(D(G(z)), 0).    G: maximise loss(D(G(z)), 0).

    Goodfellow et al. 2014, equation 1, the minimax game itself. When D is sure that an image is fake the curve is flat
    and G learns next to nothing: compare the two.
    """

    def generator(self, fake: Array, real: Array = None) -> tuple[Array, Array]:
        """G's loss is the negative of D's."""
        loss, dpred = self.loss(fake, 0.0)
        return -loss, -dpred


class LeastSquares(Objective):
    """D: minimise mean((D(x) - 1)^2) / 2 + mean(D(G(z))^2) / 2.    G: minimise mean((D(G(z)) - 1)^2) / 2.

    dpred = (s - target) / n    for n predictions s

    LSGAN (Mao et al. 2017, equation 9: a = 0, b = c = 1). D ends without a Sigmoid. G's gradient grows with the
    distance from 1: a fake that D is sure about teaches most, and one that looks more than real is pulled back.
    """

    decision = 0.5

    def real(self, pred: Array) -> tuple[Array, Array]:
        """D wants 1 for real images."""
        return self._half_square(pred - 1)

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """D wants 0 for generated images."""
        return self._half_square(pred)

    def generator(self, fake: Array, real: Array = None) -> tuple[Array, Array]:
        """G wants 1 for its images."""
        return self._half_square(fake - 1)

    def _half_square(self, error: Array) -> tuple[Array, Array]:
        return backend_of(error).xp.asarray((error * error).mean() / 2), error / error.size


class Hinge(Objective):
    """D: minimise mean(max(0, 1 - D(x))) + mean(max(0, 1 + D(G(z)))).    G: minimise -mean(D(G(z))).

    dpred = -1/n where s < 1 (real), 1/n where s > -1 (fake), else 0; -1/n everywhere (G)    for n predictions s

    Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17. D ends without a Sigmoid. Images that D has on the right
    side by a margin of 1 teach it nothing more.
    """

    def real(self, pred: Array) -> tuple[Array, Array]:
        """D wants at least 1 for real images."""
        return self._hinge(1 - pred, -1)

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """D wants at most -1 for generated images."""
        return self._hinge(1 + pred, 1)

    def generator(self, fake: Array, real: Array = None) -> tuple[Array, Array]:
        """G wants as much as it can get."""
        return _signed_mean(-1, fake)

    def _hinge(self, short: Array, slope: int) -> tuple[Array, Array]:
        """mean(max(0, short)) and its gradient for the predictions; `slope` is dshort/dpred."""
        xp = backend_of(short).xp
        missed = (short > 0).astype(short.dtype)
        return xp.asarray(xp.mean(xp.maximum(short, 0))), missed * (slope / short.size)


class Wasserstein(Objective):
    """D: minimise -mean(D(x)) + mean(D(G(z))).    G: minimise -mean(D(G(z))).

    dpred = -1/n (real), 1/n (fake), -1/n (G)    for n predictions

    Arjovsky, Chintala and Bottou 2017, equations 2 and 3, theorem 3. D is a critic: it ends without a Sigmoid, and its
    slope must be limited, as by WeightClipping or GradientPenalty, or the loss has no minimum. Adding a number to all
    its scores changes nothing, so they have no "above 0 is real" and no accuracy. The score is
    -(d_loss_real + d_loss_fake) instead, "w_estimate": the mean prediction for real images less that for fakes. At its
    best it is the Wasserstein distance times the largest slope.
    """

    score = "w_estimate"

    def real(self, pred: Array) -> tuple[Array, Array]:
        """The critic wants high scores for real images."""
        return _signed_mean(-1, pred)

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """The critic wants low scores for generated images."""
        return _signed_mean(1, pred)

    def generator(self, fake: Array, real: Array = None) -> tuple[Array, Array]:
        """G wants high scores for its images."""
        return _signed_mean(-1, fake)

    def score_real(self, pred: Array) -> Array:
        """The mean score of real images."""
        return pred.mean()

    def score_fake(self, pred: Array) -> Array:
        """Minus that of generated ones."""
        return -pred.mean()


class Relativistic(Objective):
    """D: minimise mean f(D(x_i) - D(G(z_i))).    G: minimise mean f(D(G(z_i)) - D(x_i)).    over pairs i

    f(s) = softplus(-s) with BCEWithLogits, (s - 1)^2 with MeanSquaredError, and what LeastSquares, Hinge or another
    objective of one batch has for a real image: max(0, 1 - s) for Hinge().

    RpGAN (Jolicoeur-Martineau 2018, section 4): D says how much more real one image is than another, not whether one
    is. Only differences count: the last bias of D has no gradient. The score is the share of pairs that D ranks right.

    loss   a Loss, whose f(s) is loss(s, 1), or an Objective, whose f is `real`. Raises SettingsError for BCE, since a
           difference of two probabilities is none.
    """

    def __init__(self, loss: Loss | Objective | None = None) -> None:
        loss = BCEWithLogits() if loss is None else loss
        one_batch = isinstance(loss, Objective) and not loss.sees_both
        logits = not isinstance(getattr(loss, "loss", loss), BCE)
        two_classes = isinstance(loss, Loss) and loss.decision is not None
        if not (one_batch or two_classes) or not logits:
            raise SettingsError(
                f"Relativistic: loss is {loss!r}; wanted one of scores of any size, such as BCEWithLogits() or Hinge()"
            )
        self.loss = loss

    def discriminator(self, real: Array, fake: Array) -> tuple[Array, Array, Array]:
        """D wants each real image above its fake: with s = real - fake, d_real = df/ds and d_fake = -df/ds."""
        loss, ds = self._f(real - fake)
        return loss, ds, -ds

    def generator(self, fake: Array, real: Array = None) -> tuple[Array, Array]:
        """G wants each fake above its real image."""
        return self._f(fake - real)

    def _f(self, s: Array) -> tuple[Array, Array]:
        return self.loss.real(s) if isinstance(self.loss, Objective) else self.loss(s, 1.0)

    def __repr__(self) -> str:
        return f"Relativistic({self.loss!r})"


# What `GAN(objective="hinge")` means.
OBJECTIVES: dict[str, type[Objective]] = {
    "non-saturating": NonSaturating,
    "saturating": Saturating,
    "least-squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "relativistic": Relativistic,
}


def _signed_mean(sign: int, pred: Array) -> tuple[Array, Array]:
    """sign mean(pred), and its gradient."""
    xp = backend_of(pred).xp
    return xp.asarray(sign * pred.mean()), xp.full_like(pred, sign / pred.size)
