"""Second derivatives of a layer: is its tangent J t, and does its tangent_backward differentiate <dy, J t>?

A critic with a penalty on its slope needs both (docs/wgan_gp.md). By now the backward is known to be right, so that J t
can be held against it, <dy, J t> = <J^T dy, t>, and <dy, J t> can be differentiated by differences of J^T dy.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import Array
from ..errors import SettingsError
from .judge import Judge
from .networks import NetworkSubject
from .report import Row
from .subjects import Subject, normal

ENTRIES = 30  # of each array: every difference costs two forwards and two backwards


class SlopeSubject(Subject):
    """J^T dy as a function of x and the parameters; <t, J^T dy> = <dy, J t> is what tangent_backward differentiates."""

    def __init__(self, inner: NetworkSubject, dy: np.ndarray) -> None:
        self.inner, self.dy, self.name, self.arrays = inner, dy, inner.name, inner.arrays

    def forward(self) -> Array:
        """dx = J^T dy."""
        self.inner.forward()
        return self.inner.net.backward(self.dy, keep=True)

    def backward(self, dy: Any) -> dict[str, Any]:
        """What `tangents` finds along the t that dy is here; what it does not write is 0."""
        self.forward()
        net = self.inner.net
        net.workspace.begin_pass(keep=True)
        net.workspace.begin_call(net.name)
        _, curved = net.tangents(dy, self.dy)
        grads = {self.inner.short[slot.name]: slot.view(net.grads).copy() for slot in net.slots}
        return {"x": np.zeros(dy.shape) if curved is None else curved.copy()} | grads

    def pattern(self) -> bytes:
        """On which piece of a piecewise function the forward was."""
        return self.inner.pattern()


def tangent_complaints(subject: NetworkSubject, v: np.ndarray, judge: Judge) -> list[str]:
    """What is wrong with the second derivatives of layers that have some, and whose backward is right."""
    if not subject.train or not subject.net.has_tangent() or subject.no_dx:
        return []
    t = normal(subject.x.shape, judge.seed, "tangent")
    try:
        return _first_order(subject, v, t) or _second_order(subject, v, t, judge)
    except SettingsError:  # a layer that refuses: it has no tangent in this place
        return []


def _first_order(subject: NetworkSubject, v: np.ndarray, t: np.ndarray) -> list[str]:
    subject.forward()
    left = float(np.sum(v * subject.net.tangent(t)))
    right = float(np.sum(subject.net.backward(v) * t))
    if abs(left - right) <= 1e-9 * max(abs(left), abs(right), float(np.linalg.norm(v))):
        return []
    again = 2 * t
    subject.forward()
    linear = abs(float(np.sum(v * subject.net.tangent(again))) - 2 * left) <= 1e-9 * max(abs(left), 1e-9)
    reason = "a sign, a factor, or the parameter that it multiplies t by" if linear else (
        "tangent(2 t) is not 2 tangent(t), so it takes x in place of t, or adds a bias"
    )  # fmt: skip
    return [
        f"tangent is wrong, and backward is right: tangent and backward disagree, <dy, J t> is {left:.6g} and "
        f"<J^T dy, t> is {right:.6g}: {reason}"
    ]


def _second_order(subject: NetworkSubject, v: np.ndarray, t: np.ndarray, judge: Judge) -> list[str]:
    slope = SlopeSubject(subject, v)
    judge = replace(judge, method="central", mode="auto", max_entries=min(judge.max_entries, ENTRIES), expect_zero=())
    yours = slope.backward(t)
    found = []
    for name, array in slope.arrays.items():
        row, comparison = judge.compare(slope, name, np.asarray(yours[name]).reshape(array.shape), t)
        if row.is_wrong:
            found.append(_sentence(row, comparison.a, comparison.n))
    return found


def _sentence(row: Row, yours: np.ndarray, numeric: np.ndarray) -> str:
    """What tangent_backward says of one array, and what the derivative is."""
    what = "it returns None, or 0, for x" if row.name == "x" else f"it writes nothing into d{row.name}"
    if not np.any(yours):
        reason = f"{what}, but J depends on {row.name}"
    elif np.max(abs(numeric)) <= 1e-7 * np.max(abs(yours)):
        reason = f"J does not depend on {row.name}: leave it out"
    else:
        reason = f"at {list(row.worst)} yours is {row.yours:+.6g}, numeric {row.numeric:+.6g}"
    return f"tangent_backward is wrong for {row.name}, the derivative of <dy, J t>: {reason}"
