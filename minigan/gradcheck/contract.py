"""What a backward promises beyond the right numbers: it repeats itself, is linear in dy, and leaves others' arrays."""

from typing import Any

import numpy as np

from ..network import Sequential
from ..parameters import Slot
from .networks import NetworkSubject, small_batches
from .subjects import Subject
from .undeclared import undeclared

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
    if (complaint := _unsteady(subject, y)) is not None:
        return {}, [complaint]
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
        found = found or undeclared(subject, v)
        found += small_batches(subject.net)
        if subject.train:
            yours, complaints = _poisoned(subject, v, y, yours)
            found += complaints
    return yours, found


def _unsteady(subject: Subject, y: np.ndarray) -> str | None:
    """That differences of this forward would say nothing: noise of its own, or numbers rounded to 24 bits."""
    if not np.array_equal(y, np.array(subject.forward()), equal_nan=True):
        return (
            "forward gives other numbers every time, for the same x and the same parameters: draw noise with "
            "self.random_uniform(shape) or self.random_mask(shape, rate), which depend on the seed; or something "
            "changes what forward reads"
        )
    return (
        "forward rounds to float32 on the way: keep the dtype of x, self.dtype, in all of it" if _rounded(y) else None
    )


def _rounded(numbers: np.ndarray) -> bool:
    """Whether all of them are float32 numbers, and not for being simple ones."""
    if numbers.dtype != np.float64 or not np.isfinite(numbers).all():
        return False
    if np.max(abs(numbers), initial=0) < 1e-8:  # what is left where a sum should be 0 has few digits
        return False
    crooked = numbers != np.round(numbers * 1024) / 1024
    with np.errstate(over="ignore"):
        return bool(crooked.any() and np.array_equal(numbers, numbers.astype(np.float32)))


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
    rounded = [name for name, gradient in yours.items() if _rounded(gradient)]
    return [f"backward rounds d{name} to float32 on the way: keep the dtype of dy" for name in rounded] + [
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


def _switches(subject: NetworkSubject, v: np.ndarray, yours: Gradients) -> list[str]:
    """What params=False and inputs=False leave out, and that what was there before does not matter."""
    net, found = subject.net, []
    subject.forward()
    net.grads.fill(7.0)
    dx = subject.dx_of(net.backward(v, params=False))
    if not (net.grads == 7.0).all():
        found.append(
            "backward(params=False) writes into the parameters' gradients, which are those of another step: write "
            "`if params:` before them"
        )
    if not np.array_equal(np.asarray(dx), yours["x"], equal_nan=True):
        found.append("backward(params=False) returns another dx")
    net.grads.fill(7.0)
    subject.forward()
    net.backward(v)
    always = [_unwritten(slot, net) for slot in net.slots]
    net.grads.fill(7.0)
    subject.forward()
    net.backward(v, inputs=False)
    without = [_unwritten(slot, net) for slot in net.slots]
    for slot, never, not_then in zip(net.slots, always, without, strict=True):
        if never:
            found.append(f"backward never writes the gradient of {slot.name}")
        elif not_then:
            found.append(
                f"backward(inputs=False) never writes the gradient of {slot.name}, and backward(dy) does: the first "
                f"layer of a network is called so. Does it return before it comes to it?"
            )
    written = [slot for slot, not_then in zip(net.slots, without, strict=True) if not not_then]
    off = [s for s in written if not np.array_equal(s.view(net.grads), yours[subject.short[s.name]], equal_nan=True)]
    if off:
        found.append(
            f"a second backward, with inputs=False, gives another gradient of {off[0].name}: do they accumulate (write "
            f"`[...] =`, not `+=`), or does it need dx?"
        )
    return found


def _unwritten(slot: Slot, net: Sequential) -> bool:
    return slot.stop > slot.start and bool((slot.view(net.grads) == 7.0).all())


def _poisoned(subject: NetworkSubject, v: Any, y: np.ndarray, yours: Gradients) -> tuple[Gradients, list[str]]:
    """The gradients from buffers that are full of NaN: what was not written is not a number then."""
    copy = subject.poisoned()
    try:
        copy.visit_elsewhere()  # what the very first forward leaves must not matter
        if not np.array_equal(copy.forward(), y, equal_nan=True):
            return yours, ["forward uses what is left in a buffer: write to all of self.buf(...) before you read it"]
        copy.visit_elsewhere()
        found = copy.backward(np.array(v))
        changed = any(not np.array_equal(found[name], yours[name], equal_nan=True) for name in yours)
        return found, _kept_temporaries(copy) if changed else []
    except ValueError as error:  # a view that refuses to be written to
        return yours, [f"x or dy was written to: {error}"]


def _kept_temporaries(subject: NetworkSubject) -> list[str]:
    """Complaints about arrays of self.temporary(...) that a layer keeps: others have written there by its backward."""
    shared = [array for (place, _), array in subject.net.workspace.shared.items() if place == "temporary"]
    return [
        f"{layer.name}.{name} lies in self.temporary(...), which all layers share, and backward finds what another "
        f"layer left there: keep it in self.buf({name!r}, shape)"
        for layer in subject.net.walk()
        for name, value in vars(layer).items()
        if isinstance(value, np.ndarray) and any(np.may_share_memory(value, array) for array in shared)
    ]
