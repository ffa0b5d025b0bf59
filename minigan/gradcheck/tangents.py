"""A layer's tangent and tangent_backward against differences: what a penalty on the slope goes through twice. And its
`fused` against backward and tangent_backward.
"""

from typing import Any

import numpy as np

from ..errors import SettingsError
from ..layers import Layer
from ..layers.chain import Chain
from .networks import NetworkSubject
from .numeric import Probe
from .subjects import normal

FIT = 1e-5  # of the larger one, how closely two derivatives along a direction have to agree
DIRECTIONS = 3
STEPS = (1.0, 0.1, 0.01)  # times the step: a smaller one stays on one side of a corner


def tangent_complaints(subject: NetworkSubject, v: np.ndarray) -> list[str]:
    """What is wrong with J t and the derivatives of <dy, J t>, for layers that have them and a right backward."""
    if not subject.train or not subject.net.has_tangent():
        return []
    t = normal(subject.x.shape, 0, "tangent")
    try:
        left = float(np.sum(v * _J(subject, t)))
        dx = subject.backward(v)["x"]
        right = float(np.sum(dx * t))
        if abs(left - right) > 1e-9 * max(abs(left), abs(right), float(np.linalg.norm(v))):
            return [f"tangent and backward disagree: <dy, J t> is {left:.6g} and <J^T dy, t> is {right:.6g}"]
        found = _curvature(subject, t, v)
    except SettingsError:  # a layer that refuses: it has no tangent in this place
        return []
    return found or _fused(subject, t, v)


def _J(subject: NetworkSubject, t: np.ndarray) -> np.ndarray:
    """J t, at the arrays as they are now."""
    subject.forward()
    Jt = np.array(subject.net.tangent(t))
    subject.net.discard()
    return Jt


def _yours(subject: NetworkSubject, t: np.ndarray, v: np.ndarray) -> dict[str, np.ndarray]:
    """The derivatives of <dy, J t> as tangent_backward gives them: what it does not write, or return, is 0."""
    net = subject.net
    subject.forward()
    net.backward(v, keep=True)
    net.workspace.begin_pass(keep=True)
    net.workspace.begin_call(net.name)
    _, bend = net.tangents(t, v)
    x = np.zeros(subject.x.shape) if bend is None else np.array(bend)
    net.discard()
    return {"x": x} | {subject.short[slot.name]: slot.view(net.grads).copy() for slot in net.slots}


def _curvature(subject: NetworkSubject, t: np.ndarray, v: np.ndarray) -> list[str]:
    """tangent_backward against differences of J t, along a few directions through every array."""
    yours, twice = _yours(subject, t, v), _yours(subject, 2 * t, v)
    alone = [layer for layer in subject.net.walk() if layer is not subject.net]
    missing = len(alone) == 1 and type(alone[0]).tangent_backward is Layer.tangent_backward
    for name, array in subject.arrays.items():
        if name == "x" and subject.no_dx:
            continue
        if yours[name].shape != array.shape:
            return [f"tangent_backward returned something of shape {yours[name].shape} for {name}, {array.shape}"]
        pairs = [_pair(subject, array, yours[name], t, v, k) for k in range(DIRECTIONS)]
        if all(abs(mine - numeric) <= allowed for mine, numeric, allowed in pairs):
            continue
        if missing:
            return [
                f"there is no tangent_backward, but J depends on {name}: write one that gives the derivative of "
                f"<dy, J t> for {name}, or leave out tangent, too"
            ]
        linear = np.allclose(twice[name], 2 * yours[name], rtol=1e-9, atol=1e-12)
        return [f"tangent_backward is wrong for {name}: {_words(pairs, linear, name)}"]
    return []


def _fused(subject: NetworkSubject, t: np.ndarray, v: np.ndarray) -> list[str]:
    """`fused`, where a layer has one of its own, against what it puts together."""
    net = subject.net
    if all(type(layer).fused in (Layer.fused, Chain.fused) for layer in net.walk()) or _is_curved(subject, t, v):
        return []
    s = normal((len(t), 1), 0, "rows")
    of_loss, of_penalty = subject.backward(s.reshape(len(s), *[1] * (v.ndim - 1)) * v), _yours(subject, t, v)
    expected = {"J t": _J(subject, t)}
    expected |= {(name := subject.short[slot.name]): of_loss[name] + of_penalty[name] for slot in net.slots}
    subject.forward()
    net.backward(v, keep=True)
    net.workspace.begin_pass(keep=True)
    net.workspace.begin_call(net.name)
    net.grads[...] = 0
    try:
        found = {"J t": np.array(net.fused(t, v, s))}
    except SettingsError as error:
        return [f"fused refuses a layer whose J does not depend on x: {error}"]
    finally:
        net.discard()
    found |= {subject.short[slot.name]: slot.view(net.grads) for slot in net.slots}
    for name, array in expected.items():
        if found[name].shape != array.shape or not np.allclose(found[name], array, rtol=1e-8, atol=1e-10):
            what = "returns something else than J t" if name == "J t" else f"is wrong for {name}"
            return [
                f"fused {what}: it has to return tangent(t), and to leave the gradients of backward with the rows "
                f"s_i dy_i plus those of tangent_backward"
            ]
    return []


def _is_curved(subject: NetworkSubject, t: np.ndarray, v: np.ndarray) -> bool:
    """Whether J depends on x: then nothing can be fused."""
    net = subject.net
    subject.forward()
    net.backward(v, keep=True)
    net.workspace.begin_pass(keep=True)
    net.workspace.begin_call(net.name)
    bend = net.tangents(t, v)[1]
    net.discard()
    return bend is not None


def _pair(
    subject: NetworkSubject, array: np.ndarray, gradient: np.ndarray, t: np.ndarray, v: Any, k: int
) -> tuple[float, float, float]:
    """Yours and the numeric derivative along direction k, and how far they may be apart."""
    r = normal((array.size,), k, "curvature") / np.sqrt(array.size)
    probe = Probe(lambda: _J(subject, t), array, v, pattern=subject.pattern)
    pair = (0.0, 0.0, 0.0)
    for step in STEPS:
        slope, taken = probe.along(r, step)
        mine = float(gradient.reshape(-1) @ taken)
        size = max(abs(mine), abs(slope.value), float(np.linalg.norm(gradient.reshape(-1) * r)))
        pair = (mine, slope.value, FIT * size + 1e-8 + 10 * slope.noise)
        if not slope.crossed and abs(mine - slope.value) <= pair[2]:
            break
    return pair


def _words(pairs: list[tuple[float, float, float]], linear: bool, name: str) -> str:
    """What the numbers look like."""
    mine, numeric, _ = pairs[0]
    values = f"along a random direction yours is {mine:.6g}, and differences of J t give {numeric:.6g}"
    if all(abs(n) <= allowed for _, n, allowed in pairs):
        return f"J does not depend on {name}, so that nothing must be written or returned for it ({values})"
    if not linear:
        return f"it is not linear in t: is t forgotten in it, or x taken for t? ({values})"
    if not any(m for m, _, _ in pairs):
        return f"it is 0 everywhere, and J depends on {name} ({values})"
    ratios = [m / n for m, n, _ in pairs if n]
    if len(ratios) > 1 and np.allclose(ratios, ratios[0], rtol=1e-4):
        c = ratios[0]
        return "the sign" if abs(c + 1) < 1e-4 else f"yours / numeric = {c:.5g} everywhere: a factor"
    return values
