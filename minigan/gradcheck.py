r"""Is a hand-written backward the derivative of its forward? Ask finite differences.

For a layer or a network f with input x and parameters w, draw a random upstream gradient v and compare what backward
returns for dy = v with

    d/dt <v, f(... t ...)>  =  ( <v, f(... t + h ...)> - <v, f(... t - h ...)> ) / 2h     for every number t in x and w

in float64, on a copy whose parameters are random (zero biases and unit gains hide mistakes). v must be random: with
v = 1 everywhere the true dx of BatchNorm is 0, and any nonsense proportional to it passes.

h = eps^(1/3) max(1, |t|) balances the error of the formula, of order h^2, against rounding, of order eps / h. Where
yours and the numeric value disagree, h is made 10 and 100 times smaller: a corner of a ReLU that lay between t - h and
t + h no longer does, while a wrong formula stays wrong. docs/gradcheck.md says more.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .backend import Array, get_backend
from .errors import SettingsError
from .gradient_report import NOTHING_TESTED, OK, WRONG, GradientError, Report, Row
from .layers import Layer
from .losses import Loss
from .network import Sequential

STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
SHRINK = (0.1, 0.01)


def check(
    target: Layer | Sequential | Loss,
    x: np.ndarray | tuple[int, ...],
    *,
    labels: Any = None,
    seed: int = 0,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    max_entries: int = 500,
    expect_zero: tuple[str, ...] = (),
) -> Report:
    """Compare every gradient of a layer, a network or a loss with finite differences.

    x            an input, or its shape with the batch, for a random one; for a loss, the predictions
    labels       for a loss: its targets; by default 0 and 1 in turn
    rtol, atol   an entry may differ by atol + rtol max(|yours|, |numeric|, the numeric gradient's root mean square)
    max_entries  of each array: a larger one is sampled at random
    expect_zero  names of gradients that are truly 0, such as the bias of a Dense in front of BatchNorm; any other
                 gradient that is 0 everywhere counts as NOTHING TESTED, a failure; one of these that is not 0, as WRONG
    """
    draw = _Draw(seed)
    if len(x if isinstance(x, tuple) else np.shape(x)) < 2 and not isinstance(target, Loss):
        raise SettingsError(f"check: x is {x!r}; wanted an array with the batch first, or such a shape: (7, 3)")
    x = draw.normal(x, "x") if isinstance(x, tuple) else np.array(x, dtype=np.float64)
    if isinstance(target, Loss):
        return _check_loss(target, x, labels, draw, _Tolerance(rtol, atol, max_entries, expect_zero))
    if isinstance(target, Layer):
        net = Sequential([target.clone()], input_shape=x.shape[1:], backend="numpy", dtype="float64", seed=seed)
        net.params[...] = draw.normal(net.params.shape, "parameters")
        short = {slot.name: slot.name.split(".")[-1] for slot in net.slots}
    elif isinstance(target, Sequential):
        net = target.clone(dtype="float64", backend="numpy")
        net.params += 0.1 * draw.normal(net.params.shape, "parameters")
        short = {slot.name: slot.name for slot in net.slots}
    else:
        raise SettingsError(f"check takes a Layer, a Sequential or a Loss; it got a {type(target).__name__}")
    name = repr(target) if isinstance(target, Layer) else net.name
    return _check_network(net, x, short, name, draw, _Tolerance(rtol, atol, max_entries, expect_zero))


def assert_gradients(target: Layer | Sequential | Loss, x: np.ndarray | tuple[int, ...], **options: Any) -> None:
    """`check`, for tests: raises GradientError with the report unless all is well."""
    report = check(target, x, **options)
    if not report:
        raise GradientError(str(report))


def numeric_gradient(
    f: Callable[[], Array], vector: np.ndarray, upstream: Any = 1.0, entries: Any = None, shrink: float = 1.0
) -> np.ndarray:
    """d<upstream, f()> / d vector[i] for the given entries (by default all), by changing `vector` in place.

    `f` takes nothing, reads `vector`, and returns a float64 array or number. `vector` is as it was on return.
    """
    flat = vector.reshape(-1)
    if not np.shares_memory(flat, vector):
        raise SettingsError("numeric_gradient needs a contiguous array: it changes the numbers in place")
    entries = range(flat.size) if entries is None else entries
    gradient = np.empty(len(entries))
    for k, i in enumerate(entries):
        kept = flat[i]
        h = shrink * STEP * max(1.0, abs(kept))
        flat[i] = up = kept + h
        f_up = np.array(f())  # a copy: f may return a buffer
        flat[i] = down = kept - h
        # The difference first, then the sum; and the step that was really made, which is 2h only up to rounding.
        gradient[k] = np.sum(upstream * (f_up - f())) / (up - down)
        flat[i] = kept
    return gradient


@dataclass(frozen=True)
class _Draw:
    """The random numbers of one check."""

    seed: int

    def normal(self, shape: tuple[int, ...], what: str) -> np.ndarray:
        return get_backend("numpy").normal(shape, self.seed, f"gradcheck {what}", dtype="float64")

    def entries(self, size: int, most: int, what: str) -> np.ndarray:
        if size <= most:
            return np.arange(size)
        order = get_backend("numpy").uniform((size,), self.seed, f"gradcheck entries of {what}")
        return np.sort(np.argsort(order)[:most])


@dataclass(frozen=True)
class _Tolerance:
    rtol: float
    atol: float
    max_entries: int
    expect_zero: tuple[str, ...]

    def judge(
        self, name: str, yours: np.ndarray, f: Callable[[], Array], vector: np.ndarray, v: Any, draw: _Draw
    ) -> Row:
        """Compare one array's gradient with differences of f, again and closer where they disagree."""
        entries = draw.entries(vector.size, self.max_entries, name)
        a = yours.reshape(-1)[entries]
        n = numeric_gradient(f, vector, v, entries)
        rms = float(np.sqrt(np.mean(n**2)))
        for shrink in SHRINK:
            bad = self.misses(a, n, rms)
            if not bad.any():
                break
            closer = numeric_gradient(f, vector, v, entries[bad], shrink)
            n[bad] = np.where(abs(a[bad] - closer) < abs(a[bad] - n[bad]), closer, n[bad])
        bad, k = self.misses(a, n, rms), int(np.argmax(abs(a - n)))
        zero, expected = rms < 10 * self.atol, name in self.expect_zero
        verdict = WRONG if bad.any() or (expected and not zero) else OK if zero == expected else NOTHING_TESTED
        worst = tuple(int(i) for i in np.unravel_index(int(entries[k]), vector.shape))
        return Row(name, verdict, len(entries), int(bad.sum()), worst, float(a[k]), float(n[k]))

    def misses(self, a: np.ndarray, n: np.ndarray, rms: float) -> np.ndarray:
        allowed = self.atol + self.rtol * np.maximum(np.maximum(abs(a), abs(n)), rms)
        return ~(abs(a - n) <= allowed)  # so that NaN misses


def _check_loss(loss: Loss, pred: np.ndarray, labels: Any, draw: _Draw, tolerance: _Tolerance) -> Report:
    if labels is None:
        labels = (np.arange(pred.size) % 2).reshape(pred.shape).astype(np.float64)
    before = pred.copy()
    loss = copy.copy(loss)
    loss.backend = get_backend("numpy")
    loss.xp = loss.backend.xp
    _, dpred = loss(pred, labels)
    report = Report(type(loss).__name__)
    if not np.array_equal(pred, before):
        report.complaints.append("the loss changed its predictions")
    report.rows.append(tolerance.judge("pred", dpred, lambda: loss(pred, labels)[0], pred, 1.0, draw))
    return report


def _check_network(
    net: Sequential, x: np.ndarray, short: dict[str, str], target: str, draw: _Draw, tolerance: _Tolerance
) -> Report:
    first = net.forwards

    def forward() -> Array:
        net.forwards = first  # the same dropout masks every time
        net.discard()
        return net.forward(x)

    given = x.copy()
    v = draw.normal(forward().shape, "upstream")
    dy = v.copy()
    report = Report(target)
    dx: Any = net.backward(dy)
    if getattr(dx, "shape", None) != x.shape:
        returned = "None" if dx is None else f"something of shape {getattr(dx, 'shape', '()')}"
        report.complaints.append(f"backward returned {returned}; dx must have the shape of x, {x.shape}")
        return report
    dx, grads = dx.copy(), net.grads.copy()
    changed = [name for name, now, before in (("x", x, given), ("dy", dy, v)) if not np.array_equal(now, before)]
    if changed:  # whatever else is measured now would mislead
        report.complaints += [f"{name} was changed: write into a buffer of the layer's own" for name in changed]
        return report
    report.complaints += _undeclared(net) + _contract_complaints(net, forward, dy, dx, grads)
    report.rows.append(tolerance.judge("x", dx, forward, x, v, draw))
    for slot in net.slots:
        yours, values = slot.view(grads), slot.view(net.params)
        report.rows.append(tolerance.judge(short[slot.name], yours, forward, values, v, draw))
    unknown = set(tolerance.expect_zero) - {row.name for row in report.rows}
    report.complaints += [f"expect_zero names {name!r}, and there is no such gradient" for name in sorted(unknown)]
    return report


def _undeclared(net: Sequential) -> list[str]:
    """Gradients that a layer keeps for arrays that it did not declare: nobody would train them."""
    return [
        f"{layer.name}.{name} is not a parameter: declare it in build with self.param({name!r}, shape, init)"
        for layer in net.layers
        for name, value in vars(layer).items()
        if isinstance(value, np.ndarray) and f"d{name}" in vars(layer) and name not in vars(layer).get("bound", ())
    ]


def _contract_complaints(
    net: Sequential, forward: Callable[[], Array], dy: np.ndarray, dx: np.ndarray, grads: np.ndarray
) -> list[str]:
    """What backward promises beyond the right numbers."""
    found = []
    if not np.array_equal(np.array(forward()), forward()):  # a copy: the second may reuse the first one's buffer
        found.append("forward gives other numbers the second time: is there noise that does not depend on the seed?")
    net.grads.fill(7.0)
    if not np.array_equal(np.asarray(net.backward(dy, params=False)), dx) or not (net.grads == 7.0).all():
        found.append("backward(params=False) returns another dx, or writes into the parameters' gradients")
    forward()
    net.backward(dy, inputs=False)
    unwritten = [slot.name for slot in net.slots if (slot.view(net.grads) == 7.0).all()]
    found += [f"backward never writes the gradient of {name}" for name in unwritten]
    if not unwritten and not np.array_equal(net.grads, grads):
        found.append("a second backward, with inputs=False, gives other parameter gradients: do they accumulate?")
    forward()
    if not np.allclose(np.asarray(net.backward(-2 * dy)), -2 * dx, rtol=1e-9, atol=1e-12):
        found.append("backward(-2 dy) is not -2 backward(dy): backward must be linear in dy")
    return found
