"""What can be checked, brought to one form: arrays, a forward that reads them, a backward with their gradients."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array, get_backend
from ..errors import SettingsError
from ..losses import Loss
from ..objectives import Objective

Functions = tuple[Callable[..., Any], Callable[[Any], Any]]


def normal(shape: tuple[int, ...], seed: int, what: str) -> np.ndarray:
    """Random numbers of a check: a function of the seed and of what they are for."""
    return get_backend("numpy").normal(shape, seed, f"gradcheck {what}", dtype="float64")


def elsewhere(array: np.ndarray) -> np.ndarray:
    """A copy with the same numbers in other places: as good an input, with another mask."""
    return np.roll(array.reshape(-1), 1).reshape(array.shape)


class Subject:
    """f(arrays), and what its author says are the gradients of <dy, f>."""

    name: str
    arrays: dict[str, np.ndarray]  # changed in place by whoever asks for differences, and put back

    def forward(self) -> Array:
        """f at the arrays as they are now; the same numbers for the same arrays."""
        raise NotImplementedError

    def backward(self, dy: Any) -> dict[str, Any]:
        """The gradient for every array, from a forward at the arrays as they are now. Copies."""
        raise NotImplementedError

    def pattern(self) -> bytes:
        """On which piece of a piecewise function the last forward was."""
        return b""

    def repeat(self) -> Array:
        """f a second time, without putting anything back that the first changed."""
        return self.forward()

    def visit_elsewhere(self) -> None:
        """A forward and a backward on other arrays: a backward that keeps something from there gives itself away."""
        here = self.arrays
        self.arrays = {name: elsewhere(array) for name, array in here.items()}
        try:
            self.backward(np.array(self.forward()))
        finally:
            self.arrays = here

    def complex(self) -> "Subject":
        """The same with complex arrays, for the complex step."""
        other = copy.copy(self)
        other.arrays = {name: array.astype(np.complex128) for name, array in self.arrays.items()}
        return other


class LossSubject(Subject):
    """A loss as a function of its predictions."""

    def __init__(self, loss: Loss, pred: np.ndarray, labels: Any) -> None:
        self.name, self.loss, self.arrays = type(loss).__name__, loss, {"pred": pred}
        self.labels = default_labels(loss, pred) if labels is None else labels

    def forward(self) -> Array:
        """The loss."""
        return self.loss(self.arrays["pred"], self.labels)[0]

    def backward(self, dy: Any) -> dict[str, Any]:
        """dpred, times dy."""
        return {"pred": self.loss(self.arrays["pred"], self.labels)[1] * dy}


def default_labels(loss: Loss, pred: np.ndarray) -> np.ndarray:
    """0 and 1 in turn; for a loss of several classes the classes in turn."""
    if loss.decision is None and pred.ndim == 2:
        return np.arange(len(pred)) % pred.shape[1]
    return (np.arange(pred.size) % 2).reshape(pred.shape).astype(np.float64)


class ObjectiveSubject(Subject):
    """The three losses of an objective, each as a function of predictions of its own; or, where it sees both batches,
    the two, of D's two predictions and of G's.
    """

    HALVES = ("real", "fake", "generator")

    def __init__(self, objective: Objective, pred: np.ndarray) -> None:
        self.name, self.objective = type(objective).__name__, objective
        self.arrays = {half: np.roll(pred, i, axis=0) for i, half in enumerate(self.HALVES)}
        self.opponents = np.roll(pred, 3, axis=0) + 0.1  # D's predictions of real images in G's update

    def forward(self) -> Array:
        """The losses."""
        return np.stack([loss for loss, _ in self._losses()])

    def backward(self, dy: Any) -> dict[str, Any]:
        """dpred of each, times its dy."""
        scaled = [(gradients, scale) for (_, gradients), scale in zip(self._losses(), dy, strict=True)]
        return {name: gradient * scale for gradients, scale in scaled for name, gradient in gradients.items()}

    def _losses(self) -> list[tuple[Array, dict[str, Array]]]:
        """Every loss, and its gradients by the names of the arrays."""
        objective, (real, fake, generated) = self.objective, self.arrays.values()
        if not objective.sees_both:
            parts = ((name, getattr(objective, name)(pred)) for name, pred in self.arrays.items())
            return [(loss, {name: dpred}) for name, (loss, dpred) in parts]
        d_loss, d_real, d_fake = objective.discriminator(real, fake)
        g_loss, d_generated = objective.generator(generated, self.opponents)
        return [(d_loss, {"real": d_real, "fake": d_fake}), (g_loss, {"generator": d_generated})]


class FunctionSubject(Subject):
    """forward(x, **params) -> y, and backward(dy) -> dx, or (dx, {name: gradient})."""

    def __init__(self, functions: Functions, x: np.ndarray, params: dict[str, Any]) -> None:
        self.f, self.b = functions
        self.name = getattr(self.f, "__name__", "forward")
        self.arrays = {"x": x} | {name: np.array(value, dtype=np.float64) for name, value in params.items()}

    def forward(self) -> Array:
        """y."""
        x, *_ = self.arrays.values()
        return np.asarray(self.f(x, **{name: array for name, array in self.arrays.items() if name != "x"}))

    def backward(self, dy: Any) -> dict[str, Any]:
        """dx and the parameters' gradients."""
        self.forward()
        returned = self.b(dy)
        dx, grads = returned if isinstance(returned, tuple) else (returned, {})
        missing = [name for name in self.arrays if name != "x" and name not in grads]
        if missing or len(grads) != len(self.arrays) - 1:
            raise SettingsError(
                f"{self.name}: backward returned gradients of {sorted(grads) or 'no parameter'}; with parameters it "
                f"returns dx and a dictionary of {[name for name in self.arrays if name != 'x']}"
            )
        return {"x": np.array(dx), **{name: np.array(grads[name]) for name in self.arrays if name != "x"}}
