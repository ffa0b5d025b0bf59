"""Losses: from predictions and targets to (loss, dpred), the loss a 0-d array and dpred = dloss/dpred.

All are means over the samples. They compute with whatever library the predictions are arrays of.
"""

from typing import Any

from .backend import Array, backend_of
from .backend.kernels import BCE_WITH_LOGITS
from .errors import ShapeError


class Loss:
    """`loss, dpred = self(pred, target)`.

    `decision`, for losses that tell two classes apart: predictions above it mean "real" when accuracy is counted. None
    for all others.
    """

    decision: float | None = None

    def __call__(self, pred: Array, target: Any) -> tuple[Array, Array]:
        """The mean loss, and its gradient for the predictions."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _target(self, pred: Array, target: Any) -> Any:
        """One number, or an array of pred's very shape and dtype: never broadcast, which would hide a mistake."""
        shape = () if isinstance(target, int | float) else getattr(target, "shape", None)
        if shape not in ((), pred.shape):
            raise ShapeError(f"{type(self).__name__}: predictions of shape {pred.shape} and targets of shape {shape}")
        return target.astype(pred.dtype) if hasattr(target, "astype") else target  # the gradient has pred's dtype


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
        t, xp = self._target(pred, target), backend_of(pred).xp
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
        backend = backend_of(pred)
        xp = backend.xp
        t = xp.full_like(pred, self._target(pred, target))
        curve, ds = xp.empty_like(pred), xp.empty_like(pred)

        def compare(s: Array, t: Array, curve: Array, ds: Array) -> None:
            e = xp.exp(-abs(s))
            curve[...] = xp.maximum(s, 0) + xp.log1p(e) - t * s
            sigmoid = xp.where(s >= 0, 1, e) / (1 + e)
            ds[...] = (sigmoid - t) / pred.size

        backend.elementwise(compare, (pred, t, curve, ds), kernel=BCE_WITH_LOGITS, size=pred.size)
        return xp.asarray(xp.mean(curve)), ds


class MeanSquaredError(Loss):
    """L = mean( (y - t)^2 ).    y: (n, ...) predictions   t: one number or y's shape

    dy = 2 (y - t) / y.size

    For regression and autoencoders. With targets 1 and 0 it is twice the loss of LeastSquares (Mao et al. 2017).
    """

    decision = 0.5

    def __call__(self, pred: Array, target: Any) -> tuple[Array, Array]:
        """(L, dy)."""
        error = pred - self._target(pred, target)
        return backend_of(pred).xp.asarray((error * error).mean()), error * (2 / error.size)


class SoftmaxCrossEntropy(Loss):
    """L = -mean_n ln p[n, t_n],   p = softmax(s) = exp(s) / sum_k exp(s_k).    s: (n, k) logits   t: (n,) classes

    ds = (p - one_hot(t)) / n

    Classification: class t_n of sample n is a whole number from 0 to k - 1; or t is (n, k), a row of probabilities for
    each sample, and L = -mean_n sum_k t ln p. The largest logit of a row is subtracted first, which changes nothing
    and keeps exp from overflowing. Bishop 2006, section 4.3.4.

    Raises ShapeError for logits or targets of another shape, and for classes that are no whole numbers or out of range.
    """

    def __call__(self, pred: Array, target: Any) -> tuple[Array, Array]:
        """(L, ds)."""
        xp = backend_of(pred).xp
        t = self._probabilities(pred, target)
        s = pred - pred.max(axis=1, keepdims=True)
        ln_p = s - xp.log(xp.exp(s).sum(axis=1, keepdims=True))
        share = t.sum(axis=1, keepdims=True)  # 1, but for rounding
        return xp.asarray(-(t * ln_p).sum() / len(pred)), (xp.exp(ln_p) * share - t) / len(pred)

    def _probabilities(self, pred: Array, target: Any) -> Array:
        """The targets as (n, k), from classes or as they are."""
        xp = backend_of(pred).xp
        t = xp.asarray(target)
        if pred.ndim != 2 or t.shape not in (pred.shape, pred.shape[:1]):
            raise ShapeError(
                f"SoftmaxCrossEntropy: logits of shape {pred.shape} and targets of shape {t.shape}; wanted (n, k) and "
                f"(n,) classes, or (n, k) probabilities"
            )
        if t.shape == pred.shape:
            return t.astype(pred.dtype)
        return one_hot(t, pred.shape[1], pred.dtype, "SoftmaxCrossEntropy")


def one_hot(classes: Array, k: int, dtype: Any, caller: str) -> Array:
    """A row for each class: 1 at its place, else 0.    (n,) whole numbers -> (n, k)

    Raises ShapeError for numbers that are not whole or not from 0 to k - 1: on a GPU, looking at them waits for it.
    """
    xp = backend_of(classes).xp
    if classes.ndim != 1 or classes.dtype.kind not in "iu":
        raise ShapeError(f"{caller}: labels are {classes.dtype} of shape {classes.shape}; wanted (n,) whole numbers")
    if classes.size and not 0 <= int(classes.min()) <= int(classes.max()) < k:
        raise ShapeError(
            f"{caller}: labels from {int(classes.min())} to {int(classes.max())}; of {k} classes they are 0 to {k - 1}"
        )
    return (classes[:, None] == xp.arange(k)).astype(dtype)
