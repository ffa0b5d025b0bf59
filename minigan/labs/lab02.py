"""Lab 2: a gradient check, gradients, and two published mistakes."""

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient, Limit
from .task import Lab, Names, Question, Task, Wrong, array_of, require_close

FAR = np.array([[-1000.0, 1000.0, 0.0]])


def _numeric_gradient(question: Question) -> None:
    """Functions whose derivatives are known; h must be used, and x left alone."""
    draw = Draw(question.words, 1)
    for shape in ((draw.size(2, 5),), (draw.size(2, 3), draw.size(2, 4)), ()):
        x, c = draw.normal(*shape), draw.normal(*shape)
        before = np.array(x)
        found = question.function(lambda v, c=c: float((c * v**3).sum()), x, h=0.1)
        require_close(found, 3 * c * before**2 + c * 0.01, "for sum c x^3 and h = 0.1, what it returned",
                      "the derivative is 3 c x^2, and central differences add c h^2", 1e-6, 1e-9)  # fmt: skip
        if not np.array_equal(x, before):
            raise Wrong("x is not what it was: put every entry back, or work on a copy")
    whole = np.arange(3)
    require_close(question.function(lambda v: float((v * np.array([1.0, -2.0, 0.5])).sum()), whole), [1, -2, 0.5],
                  "for x = np.arange(3), an array of integers, what it returned",
                  "an array of integers cannot hold x + h: take it as float64", 1e-6)  # fmt: skip


def _rows(draw: Draw) -> Names:
    return {"x": 2 * draw.normal(draw.n, draw.size(2, 5))}


def _weight_norm(draw: Draw) -> Names:
    d, k = draw.size(2, 5), draw.size(2, 4)
    return {"x": draw.normal(draw.n, d), "v": draw.normal(d, k), "g": draw.normal(k)}


def _one_column(draw: Draw) -> Names:
    d = draw.size(2, 5)
    return {"x": draw.normal(draw.n, d), "v": 3 * draw.normal(d, 1), "g": draw.normal(1)}


def _labels(draw: Draw) -> Names:
    return {
        "s": 2 * draw.normal(draw.n), "labels": draw.choice([0.0, 1.0], draw.n),
        "weights": draw.uniform(0.2, 3, draw.n), "epsilon": draw.number(0.02, 0.2),
    }  # fmt: skip


def _bias(question: Question) -> None:
    """The bias is added once to every entry of y."""
    for again in range(3):
        draw = Draw(f"{question.words} {again}", 2)
        c, k = draw.size(2, 4), draw.fixed(2, 5)
        dy = draw.normal(draw.n, draw.size(3, 5), draw.size(2, 4), c)
        parts = np.zeros(c)
        for image in dy:
            parts += image.reshape(-1, c).sum(axis=0)
        require_close(question.function(dy.copy(), draw.normal(c), k), parts, "db",
                      "b is added to y once at each place, and to nothing else")  # fmt: skip


def _ring(question: Question) -> None:
    """k different centres, all as far from their neighbours."""
    for again in range(3):
        draw = Draw(f"{question.words} {again}", 1)
        k, radius = draw.fixed(3, 12), draw.number(0.5, 3)
        centres = array_of(question.function(k, radius), (k, 2), "what it returned")
        length = np.sqrt((centres**2).sum(axis=1))
        require_close(length, np.full(k, radius), "the distance from 0", f"the circle has the radius {radius:.3g}")
        require_close(centres[0], [radius, 0], "the first centre", "it lies at (radius, 0)", atol=1e-9)
        apart = np.sqrt(((centres - np.roll(centres, -1, axis=0)) ** 2).sum(axis=1))
        require_close(apart, np.full(k, 2 * radius * np.sin(np.pi / k)), f"for k = {k}, the way to the next",
                      "k points at equal distances, the last beside the first and not upon it")  # fmt: skip


LAB = Lab(
    "02",
    "Is the gradient right?",
    start_of("02"),
    (
        Task(
            "numeric_gradient",
            2,
            _numeric_gradient,
            (
                "np.ndindex(x.shape) goes through the indices of all entries, also where x is a single number.",
                "Work on x = np.array(x, dtype=float), a copy: set x[i] = old + h, call f, set x[i] = old - h, call "
                "f, and put "
                "old back.",
                "gradient[i] = (f(plus) - f(minus)) / (2 * h), with the h of the argument; gradient = "
                "np.zeros(x.shape).",
            ),
        ),
        Task(
            "softplus_backward",
            2,
            Gradient(
                "softplus_forward",
                _rows,
                limits=(
                    Limit(
                        {"x": FAR},
                        np.array([[2.0, 3.0, 1.0]]),
                        {"x": np.array([[0.0, 3.0, 0.5]])},
                        "far on the left softplus is flat, far on the right its slope is 1",
                    ),
                ),
            ),
            (
                "What is the derivative of log(1 + e^x)?",
                "e^x / (1 + e^x) is the sigmoid. As it stands there, e^1000 is infinite, and infinite / infinite is "
                "nan.",
                "dy times 1 / (1 + exp(-x)), computed with exp(-abs(x)): 1 / (1 + e) where x >= 0, e / (1 + e) "
                "elsewhere.",
            ),
        ),
        Task(
            "weight_norm_backward",
            4,
            Gradient("weight_norm_forward", _weight_norm, ("x", "v", "g"), edges=(_one_column,)),
            (
                "Split it: dx and dW as in a dense layer; then what W = g v / |v| makes of dW, column by column.",
                "With u = v / |v|: dg = sum over d of dW u. And moving v along itself does not change u at all, so "
                "that part "
                "of the gradient has to go.",
                "dv = g / |v| (dW - u sum(dW u)), where both sums go down the columns (axis 0).",
            ),
        ),
        Task(
            "smoothed_cross_entropy_gradient",
            3,
            Gradient("smoothed_cross_entropy", _labels, ("s",), loss=True),
            (
                "First without weights: the derivative of log(1 + e^s) - t s.",
                "sigmoid(s) - t. Which t: that of the labels, or the smoothed one?",
                "weights * (sigmoid(s) - t) / weights.sum(), with t = labels (1 - 2 epsilon) + epsilon.",
            ),
        ),
        Task(
            "conv_bias_gradient",
            2,
            _bias,
            (
                "How often is b[c] added to y[n, h, w, c]?",
                "Once, whatever the kernel's size: the sums over windows are over x and W.",
                "The sum of dy over images, rows and columns, without the loop.",
            ),
        ),
        Task(
            "ring_centres",
            2,
            _ring,
            (
                "Print the angles for k = 4.",
                "0 and 2 pi are the same place.",
                "np.linspace(0, 2 * np.pi, k, endpoint=False).",
            ),
        ),
    ),
)
