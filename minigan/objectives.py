"""Objectives: what D and G minimise, as functions of D's predictions. docs/losses.md derives and compares them.

Each has three functions from predictions to (loss, dpred), the loss a 0-d array and dpred = dloss/dpred: `real` and
`fake` are D's, for its two batches, and `generator` is G's. All are means over the predictions.
"""

from typing import Any

from .backend import Array, Backend, get_backend
from .errors import SettingsError
from .losses import Loss


class Objective:
    """The three functions, and two that say how well D does: score_real(pred) + score_fake(pred) is what `score` names.

    Unless a subclass says otherwise that is "d_accuracy", the share of real and of fake images that D classified
    correctly, 0.5 being a coin toss. Predictions above `decision` mean "real".
    """

    score = "d_accuracy"
    decision: float = 0.0

    def __init__(self, backend: str | Backend | None = None) -> None:
        self.backend = get_backend(backend)
        self.xp = self.backend.xp

    def real(self, pred: Array) -> tuple[Array, Array]:
        """D's loss on real images, and its gradient for D's predictions."""
        raise NotImplementedError(f"{type(self).__name__} has no real")

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """D's loss on generated images, and its gradient."""
        raise NotImplementedError(f"{type(self).__name__} has no fake")

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G's loss, and its gradient for D's predictions of generated images."""
        raise NotImplementedError(f"{type(self).__name__} has no generator")

    def score_real(self, pred: Array) -> Array:
        """Half the share of these real images that D calls real."""
        return (pred > self.decision).mean() / 2

    def score_fake(self, pred: Array) -> Array:
        """Half the share of these generated images that D calls fake."""
        return (pred <= self.decision).mean() / 2

    def undecided(self) -> float:
        """D's loss if every prediction is `decision`: 2 ln 2 with cross-entropy."""
        pred = self.xp.full((1, 1), self.decision)
        return float(self.real(pred)[0] + self.fake(pred)[0])


class NonSaturating(Objective):
    """D: minimise loss(D(x), 1) + loss(D(G(z)), 0).    G: minimise loss(D(G(z)), 1).

    Goodfellow et al. 2014, end of section 3: the same fixed point as the minimax game, and strong gradients for G when
    D wins. `real_target` below 1 is one-sided label smoothing (Salimans et al. 2016, section 3.4).
    """

    def __init__(self, loss: Loss, real_target: float = 1.0) -> None:
        if not isinstance(loss, Loss):
            raise SettingsError(f"{type(self).__name__}: loss is {loss!r}; wanted one such as BCEWithLogits()")
        super().__init__(loss.backend)
        self.loss, self.real_target, self.decision = loss, float(real_target), loss.decision

    def real(self, pred: Array) -> tuple[Array, Array]:
        """D wants its real images called real, as far as `real_target` asks for it."""
        return self.loss(pred, self.real_target)

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """D wants generated images called fake."""
        return self.loss(pred, 0.0)

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G wants its images called real."""
        return self.loss(pred, 1.0)


class Saturating(NonSaturating):
    """D: minimise loss(D(x), 1) + loss(D(G(z)), 0).    G: maximise loss(D(G(z)), 0).

    Goodfellow et al. 2014, equation 1, the minimax game itself. When D is sure that an image is fake the curve is flat
    and G learns next to nothing: compare the two.
    """

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G's loss is the negative of D's."""
        loss, dpred = self.loss(pred, 0.0)
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

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G wants 1 for its images."""
        return self._half_square(pred - 1)

    def _half_square(self, error: Array) -> tuple[Array, Array]:
        return self.xp.asarray(self.xp.mean(error * error) / 2), error / error.size


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

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G wants as much as it can get."""
        return _signed_mean(self.xp, -1, pred)

    def _hinge(self, short: Array, slope: int) -> tuple[Array, Array]:
        """mean(max(0, short)) and its gradient for the predictions; `slope` is dshort/dpred."""
        xp = self.xp
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
        return _signed_mean(self.xp, -1, pred)

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """The critic wants low scores for generated images."""
        return _signed_mean(self.xp, 1, pred)

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G wants high scores for its images."""
        return _signed_mean(self.xp, -1, pred)

    def score_real(self, pred: Array) -> Array:
        """The mean score of real images."""
        return pred.mean()

    def score_fake(self, pred: Array) -> Array:
        """Minus that of generated ones."""
        return -pred.mean()


def _signed_mean(xp: Any, sign: int, pred: Array) -> tuple[Array, Array]:
    """sign mean(pred), and its gradient."""
    return xp.asarray(sign * xp.mean(pred)), xp.full_like(pred, sign / pred.size)
