"""What a backward promises beyond the right numbers: it repeats itself, is linear in dy, and leaves others' arrays."""

from typing import Any

import numpy as np

from ..errors import MiniganError
from ..layers import Layer
from .networks import NetworkSubject, small_batches
from .subjects import Subject, normal

Gradients = dict[str, np.ndarray]
OWN = "write into an array of your own, in a layer self.buf(name, shape)"


def examine(subject: Subject, v: Any, seed: int) -> tuple[Gradients, list[str]]:
    """Its gradients for dy = v, and what is wrong beside their numbers; no gradients if more would mislead."""
    given = {name: array.copy() for name, array in subject.arrays.items()}
    dy = np.array(v)
    y = np.array(subject.forward())
    if changed := _changed(subject, given):
        return {}, [f"{name} was changed by forward: {OWN}" for name in changed]
    if y.dtype != np.float64:
        return {}, [f"forward turned float64 into {y.dtype}: differences of such numbers are too coarse"]
    yours = subject.backward(dy)
    changed = _changed(subject, given) + ([] if np.array_equal(dy, v) else ["dy"])
    if changed:
        return {}, [f"{name} was changed by backward: {OWN}" for name in changed]
    for name, array in subject.arrays.items():
        if (complaint := _shape_complaint(name, yours[name], array.shape)) is not None:
            return {}, [complaint]
    subject.visit_elsewhere()
    yours = subject.backward(dy)
    found = _dtypes(yours) + _repeats(subject, v, y, yours)
    if isinstance(subject, NetworkSubject):
        found = found or _switches(subject, v, yours)
        found += _undeclared(subject) + small_batches(subject.net)
        if subject.train:
            yours, complaints = _poisoned(subject, v, y, yours)
            found += complaints
    return yours, found


def _changed(subject: Subject, given: Gradients) -> list[str]:
    return [name for name, before in given.items() if not np.array_equal(subject.arrays[name], before)]


def _shape_complaint(name: str, gradient: Any, shape: tuple[int, ...]) -> str | None:
    """That backward returned something else than an array of this shape."""
    if isinstance(gradient, np.ndarray) and gradient.shape == shape:
        return None
    if isinstance(gradient, tuple):
        return (
            f"backward returned a tuple of {len(gradient)}; a layer returns dx alone, and writes the gradient of a "
            f"parameter W into its place: self.dW[...] = ..."
        )
    returned = "None" if gradient is None else f"something of shape {getattr(gradient, 'shape', '()')}"
    return f"backward returned {returned} for d{name}; d{name} must have the shape of {name}, {shape}"


def _dtypes(yours: Gradients) -> list[str]:
    return [
        f"d{name} is {gradient.dtype}: keep the dtype of {name}, which is float64 here"
        for name, gradient in yours.items()
        if gradient.dtype != np.float64
    ]


def _repeats(subject: Subject, v: Any, y: np.ndarray, yours: Gradients) -> list[str]:
    """forward is a function, backward is a linear one, and neither remembers what was before."""
    if not np.array_equal(y, subject.repeat(), equal_nan=True):
        return [
            "forward gives other numbers the second time: is there noise that does not depend on the seed, or a "
            "statistic of earlier batches?"
        ]
    again = subject.backward(np.array(v))
    for name, gradient in yours.items():
        if not np.array_equal(again[name], gradient, equal_nan=True):
            return [
                f"a second backward gives another d{name}: do they accumulate (write `self.d{name}[...] =`, not `+=`), "
                f"or does something stay from an earlier call?"
            ]
    scaled = subject.backward(-2 * np.asarray(v))
    crooked = [n for n in yours if not np.allclose(scaled[n], -2 * yours[n], rtol=1e-9, atol=1e-12, equal_nan=True)]
    return [f"backward(-2 dy) is not -2 backward(dy): d{name} must be linear in dy" for name in crooked[:1]]


def _undeclared(subject: NetworkSubject) -> list[str]:
    """Gradients that a layer keeps for arrays that it did not declare: nobody would train them."""
    return [
        f"{layer.name}.{name} is not a parameter: declare it in build with self.param({name!r}, shape, init)"
        for layer in subject.net.walk()
        for name, value in vars(layer).items()
        if isinstance(value, np.ndarray) and f"d{name}" in vars(layer) and name not in vars(layer).get("bound", ())
    ]


def _switches(subject: NetworkSubject, v: np.ndarray, yours: Gradients) -> list[str]:
    """What params=False and inputs=False leave out, and that what was there before does not matter."""
    net, found = subject.net, []
    subject.forward()
    net.grads.fill(7.0)
    dx = subject.dx_of(net.backward(v, params=False))
    if not np.array_equal(np.asarray(dx), yours["x"], equal_nan=True) or (not (net.grads == 7.0).all()):
        found.append("backward(params=False) returns another dx, or writes into the parameters' gradients")
        net.grads.fill(7.0)
    subject.forward()
    net.backward(v, inputs=False)
    unwritten = [slot.name for slot in net.slots if slot.stop > slot.start and (slot.view(net.grads) == 7.0).all()]
    found += [f"backward never writes the gradient of {name}" for name in unwritten]
    names = [slot.name for slot in net.slots if slot.name not in unwritten]
    off = [slot for slot in net.slots if slot.name in names]
    off = [s for s in off if not np.array_equal(s.view(net.grads), yours[subject.short[s.name]], equal_nan=True)]
    if off:
        found.append(
            f"a second backward, with inputs=False, gives another gradient of {off[0].name}: do they accumulate (write "
            f"`[...] =`, not `+=`), or does it need dx?"
        )
    return found


def tangent_complaints(subject: NetworkSubject, v: np.ndarray) -> list[str]:
    """<v, J t> = <J^T v, t>, for layers that have a tangent, and whose backward is right."""
    if not subject.train or any(type(layer).tangent is Layer.tangent for layer in subject.net.walk()):
        return []
    t = normal(subject.x.shape, 0, "tangent")
    try:
        subject.forward()
        left = float(np.sum(v * subject.net.tangent(t)))
        dx = subject.net.backward(v)
    except MiniganError:  # a layer that refuses: it has no tangent in this place
        return []
    right = float(np.sum(dx * t))
    if abs(left - right) <= 1e-9 * max(abs(left), abs(right), float(np.linalg.norm(v))):
        return []
    return [f"tangent and backward disagree: <dy, J t> is {left:.6g} and <J^T dy, t> is {right:.6g}"]


def _poisoned(subject: NetworkSubject, v: Any, y: np.ndarray, yours: Gradients) -> tuple[Gradients, list[str]]:
    """The gradients from buffers that are full of NaN: what was not written is not a number then."""
    copy = subject.poisoned()
    try:
        copy.visit_elsewhere()  # what the very first forward leaves must not matter
        if not np.array_equal(copy.forward(), y, equal_nan=True):
            return yours, ["forward uses what is left in a buffer: write to all of self.buf(...) before you read it"]
        copy.visit_elsewhere()
        return copy.backward(np.array(v)), []
    except ValueError as error:  # a view that refuses to be written to
        return yours, [f"x or dy was written to: {error}"]
