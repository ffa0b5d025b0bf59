"""Losses: from predictions and targets to (loss, dpred), the loss a 0-d array and dpred = dloss/dpred.

Both are means over all predictions. A target is one number for all (1 for "real", 0.9 if smoothed) or an array.
"""

from typing import Any

from .backend import Array, Backend, get_backend
from .errors import ShapeError


class Loss:
    """`loss, dpred = self(pred, target)`. Predictions above `decision` mean "real" when accuracy is counted."""

    decision: float

    def __init__(self, backend: str | Backend | None = None) -> None:
        self.backend = get_backend(backend)
        self.xp = self.backend.xp

    def __call__(self, pred: Array, target: Any) -> tuple[Array, Array]:
        """The mean loss and its gradient."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def _target(self, pred: Array, target: Any) -> Any:
        """One number, or an array of pred's very shape: never broadcast, which would hide a mistake."""
        shape = () if isinstance(target, int | float) else getattr(target, "shape", None)
        if shape not in ((), pred.shape):
            raise ShapeError(f"{type(self).__name__}: predictions of shape {pred.shape} and targets of shape {shape}")
        return target


class BCE(Loss):
    """L = -mean( t ln p + (1 - t) ln(1 - p) ).    p: (n, ...) probabilities   t: one number or p's shape, in [0, 1]

    dp = (p - t) / (p (1 - p)) / p.size

    Binary cross-entropy after a Sigmoid. As in Keras, p is clipped to [1e-7, 1 - 1e-7] first, and where it was clipped
    the gradient is 0. So a discriminator that is wrong and sure learns nothing from it, the reason to
    prefer BCEWithLogits; this one is here to be compared with.
    """

    decision = 0.5
    clip = 1e-7

    def __call__(self, pred: Array, target: Any) -> tuple[Array, Array]:
        """(L, dp)."""
        t, xp = self._target(pred, target), self.xp
        p = xp.clip(pred, self.clip, 1 - self.clip)
        loss = -xp.mean(t * xp.log(p) + (1 - t) * xp.log1p(-p))
        return xp.asarray(loss), (p - t) / (p * (1 - p) * pred.size) * (p == pred)


class BCEWithLogits(Loss):
    """L = mean( softplus(s) - t s ),  softplus(s) = ln(1 + exp(s)).    s: (n, ...) logits   t: one number or s's shape

    ds = (sigmoid(s) - t) / s.size

    The same function as Sigmoid followed by BCE, with p = sigmoid(s); but written as  max(s, 0) + ln(1 + exp(-|s|)),
    softplus never overflows, and the gradient of a wrong and sure logit is as large as it should be.
    """

    decision = 0.0

    def __call__(self, pred: Array, target: Any) -> tuple[Array, Array]:
        """(L, ds)."""
        xp = self.xp
        t = xp.full_like(pred, self._target(pred, target))
        curve, ds = xp.empty_like(pred), xp.empty_like(pred)

        def compare(part: slice) -> None:
            s, e = pred[part], xp.exp(-abs(pred[part]))
            curve[part] = xp.maximum(s, 0) + xp.log1p(e) - t[part] * s
            sigmoid = xp.where(s >= 0, 1, e) / (1 + e)
            ds[part] = (sigmoid - t[part]) / pred.size

        self.backend.over_batch(compare, pred.shape, "bce_with_logits", pred, t, curve, ds, float(pred.size))
        return xp.asarray(xp.mean(curve)), ds
