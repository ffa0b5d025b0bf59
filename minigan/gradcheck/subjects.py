"""What can be checked, brought to one form: arrays, a forward that reads them, a backward with their gradients."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import Array, get_backend
from ..errors import SettingsError
from ..losses import Loss
from ..objectives import Objective
from ..penalties import Penalty

Functions = tuple[Callable[..., Any], Callable[[Any], Any]]


def normal(shape: tuple[int, ...], seed: int, what: str) -> np.ndarray:
    """Random numbers of a check: a function of the seed and of what they are for."""
    return get_backend("numpy").random.normal(shape, seed, f"gradcheck {what}", dtype="float64")


def elsewhere(array: np.ndarray) -> np.ndarray:
    """A copy with the same numbers in other places: as good an input, with another mask."""
    return np.roll(array.reshape(-1), 1).reshape(array.shape)


def how_to_be_a_layer(kind: Any) -> str:
    """What to write, for a class that could be a layer, or a loss, and is none."""
    name, given = kind.__name__, list(inspect.signature(kind.forward).parameters.values())[1:]
    if len(given) > 1 and given[1].name != "train" and given[1].default is given[1].empty:
        return (
            f"{name} takes predictions and targets, but is no subclass of minigan.losses.Loss; write\n"
            f"    class {name}(Loss):\n"
            f"        def __call__(self, pred, target):\n"
            f"            return loss, dpred"
        )
    return (
        f"{name} has a forward and a backward, but is no subclass of minigan.layers.Layer; write\n"
        f"    class {name}(Layer):\n"
        f"        def forward(self, x, train):\n"
        f"        def backward(self, dy, params=True, inputs=True):"
    )


class Subject:
    """f(arrays), and what its author says are the gradients of <dy, f>."""

    name: str
    arrays: dict[str, np.ndarray]  # changed in place by whoever asks for differences, and put back
    no_dx = False  # whether x has no derivative, as a backward says that returns None: found out by a backward

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
    """0 and 1 in turn; for a loss of several classes the classes in turn, or random numbers if it takes no classes."""
    if loss.decision is None and pred.ndim == 2:
        classes = np.arange(len(pred)) % pred.shape[1]
        try:
            loss(pred, classes)
        except Exception:  # noqa: BLE001 - it may refuse in any way
            return normal(pred.shape, 0, "targets")
        return classes
    return (np.arange(pred.size) % 2).reshape(pred.shape).astype(np.float64)


def class_labels(loss: Loss, pred: np.ndarray) -> Any:
    """Classes for the rows of pred, as numbers or one-hot, if the loss takes a row for the scores of several classes:
    its columns depend on each other. None for all other losses.
    """
    if pred.ndim != 2 or pred.shape[1] < 2:
        return None
    classes = np.arange(len(pred)) % pred.shape[1]
    corners = [np.array(pred) for _ in range(4)]
    corners[1][0, 0] += 1
    corners[2][0, 1] += 1
    corners[3][0, :2] += 1
    for labels in (classes, np.eye(pred.shape[1])[classes]):
        try:
            a, b, c, d = (float(loss(corner, labels)[0]) for corner in corners)
        except Exception:  # noqa: BLE001 - it may refuse targets of another form in any way
            continue
        return labels if abs(a - b - c + d) > 1e-9 else None
    return None


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


class PenaltySubject(Subject):
    """A penalty's term as a function of the slopes g, some of which are flat and some steep."""

    def __init__(self, penalty: Penalty, g: np.ndarray) -> None:
        self.name, self.penalty, self.arrays = type(penalty).__name__, penalty, {"g": g}

    def forward(self) -> Array:
        """P."""
        return np.asarray(self.penalty.term(self.arrays["g"])[0])

    def backward(self, dy: Any) -> dict[str, Any]:
        """dP/dg, times dy."""
        return {"g": self.penalty.term(self.arrays["g"])[1] * dy}


def slopes(seed: int) -> np.ndarray:
    """Gradients of eight images: their lengths lie on both sides of 1."""
    g = normal((8, 5), seed, "g")
    return g / np.linalg.norm(g, axis=1, keepdims=True) * np.geomspace(0.2, 4.0, len(g))[:, None]


class FunctionSubject(Subject):
    """forward(x, **params) -> y, and backward(dy) -> dx, or (dx, {name: gradient}).

    Or with what is kept handed on: forward(x, **params) -> (y, cache), and backward(dy, cache) -> dx, or (dx, dw, ...)
    in the order of forward's arguments. Where forward takes x for an index, x is whole numbers, and has no gradient.
    """

    def __init__(self, functions: Functions, x: np.ndarray, params: dict[str, Any]) -> None:
        self.f, self.b = functions
        self.name = getattr(self.f, "__name__", "forward")
        self.arrays = {"x": x} | {name: np.array(value, dtype=np.float64) for name, value in params.items()}
        self.cache: tuple[Any, ...] = ()

    def forward(self) -> Array:
        """y."""
        returned = self._called()
        self.cache = ()
        if isinstance(returned, tuple):
            if len(returned) != 2:
                raise SettingsError(
                    f"{self.name} returned {len(returned)} values; wanted y, or (y, cache): for a function of several "
                    f"outputs write one that returns their sum, or one of them"
                )
            returned, self.cache = returned[0], (returned[1],)
        return np.asarray(returned)

    def backward(self, dy: Any) -> dict[str, Any]:
        """dx and the parameters' gradients."""
        self.forward()
        returned = self.b(dy, *self.cache)
        names = self._names()
        returned = tuple(returned) if isinstance(returned, list) else returned
        if self.no_dx:
            returned = _without_dx(returned, len(names))
        if isinstance(returned, tuple) and not (len(returned) == 2 and isinstance(returned[1], dict)):
            found = dict(zip(["x", *names], returned, strict=False))
            fits, what = len(returned) == 1 + len(names), f"{len(returned)} values"
        elif isinstance(returned, dict):
            found = self._by_name(returned, names)
            fits, what = sorted(found) == sorted(["x", *names]), f"gradients of {sorted(found)}"
        else:
            dx, grads = returned if isinstance(returned, tuple) else (returned, {})
            found, fits = {"x": dx, **grads}, sorted(grads) == sorted(names)
            what = f"gradients of {sorted(grads) or 'no parameter'}"
        if not fits:
            raise SettingsError(f"{self.name}: backward returned {what}; {self._wanted(names)}")
        dx = np.zeros(self.arrays["x"].shape) if self.no_dx else _copied(found["x"])
        return {"x": dx, **{name: _copied(found[name]) for name in self.arrays if name != "x"}}

    def _called(self) -> Any:
        """What forward returns; for whole numbers that it refuses as floating-point ones, as integers."""
        x, *_ = self.arrays.values()
        params = {name: array for name, array in self.arrays.items() if name != "x"}
        if self.no_dx:
            return self.f(x.astype(int), **params)
        try:
            return self.f(x, **params)
        except (IndexError, TypeError):
            if not params or (x % 1).any():
                raise
            returned = self.f(x.astype(int), **params)
        self.no_dx = True
        return returned

    def _by_name(self, gradients: dict[str, Any], names: list[str]) -> dict[str, Any]:
        """Gradients by the names of their arrays; they may be called "w" or "dw", and that of x as forward calls it."""
        first, *_ = inspect.signature(self.f).parameters
        called = {"x": "x", first: "x", **{name: name for name in names}}
        called |= {f"d{name}": meant for name, meant in called.items()}
        return {called.get(name, name): gradient for name, gradient in gradients.items()}

    def _names(self) -> list[str]:
        """The parameters in the order of forward's arguments."""
        names = [name for name in self.arrays if name != "x"]
        try:
            order = list(inspect.signature(self.f).parameters)
        except (TypeError, ValueError):
            return names
        return sorted(names, key=lambda name: order.index(name) if name in order else len(order))

    def _wanted(self, names: list[str]) -> str:
        if not names:
            return "without parameters it returns dx alone"
        return (
            f"with parameters it returns dx and a dictionary of {names}, or as many arrays in this order: "
            f"dx, {', '.join(f'd{name}' for name in names)}"
        )


def _without_dx(returned: Any, names: int) -> Any:
    """What backward returned, with None for a dx that it left out."""
    if isinstance(returned, dict):
        return {"x": None, **returned}
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict):
        return returned
    gradients = returned if isinstance(returned, tuple) else (returned,)
    return (None, *gradients) if len(gradients) == names else gradients


def _copied(gradient: Any) -> Any:
    return None if gradient is None else np.array(gradient)
