"""Lab 10: parts of R3GAN and what is put around it."""

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient, Limit
from .task import Lab, Names, Question, Task, number, require_close


def _scores(draw: Draw) -> Names:
    return {"s_real": draw.normal(draw.n) + 0.5, "s_fake": draw.normal(draw.n)}


def _high(draw: Draw) -> Names:
    """Scores that are all large: only differences count."""
    return {"s_real": draw.normal(2 * draw.n) + 5, "s_fake": draw.normal(2 * draw.n) + 5}


def _fused(draw: Draw) -> Names:
    d, k = draw.size(2, 5), draw.size(2, 4)
    x, t, delta = draw.normal(draw.n, d), draw.normal(draw.n, d), draw.normal(draw.n, k)
    return {"W": draw.normal(d, k), "x": x, "t": t, "s": draw.normal(draw.n), "delta": delta}


def _residual(draw: Draw) -> Names:
    d = draw.size(2, 4)
    return {"x": draw.normal(draw.n, d), "W": draw.normal(d, d), "b": draw.normal(d), "alpha": draw.number(0.3, 1.5)}


def _silent(draw: Draw) -> Names:
    return _residual(draw) | {"alpha": 0.0}


def _images(draw: Draw) -> Names:
    shape = (draw.n, draw.size(1, 3), draw.size(1, 3), draw.fixed(2, 4))
    return {"x": draw.normal(*shape), "factor": draw.uniform(0, 2, draw.n)}


def _average_decay(question: Question) -> None:
    """After a half-life half is left, whatever the batch."""
    for again in range(4):
        draw = Draw(f"{question.words} {again}", 1)
        batch, steps = draw.fixed(1, 256), draw.fixed(2, 200)
        decay = number(question.function(batch, batch * steps), "the decay")
        require_close(decay**steps, 0.5, f"decay^{steps}, with batch = {batch} and half_life = {batch * steps},",
                      f"{steps} steps are one half-life, after which half is left")  # fmt: skip
        whole = number(question.function(1000, 250), "the decay")
        require_close(whole, 0.5**4, "the decay for batch = 1000 and half_life = 250",
                      "one step is four half-lives, and each halves what is left")  # fmt: skip
    require_close(question.function(32, 0), 0, "the decay for half_life = 0", "then there is no average")


WELL = {"s_real": np.array([900.0, 2.0]), "s_fake": np.array([-900.0, 0.0])}

LAB = Lab(
    "10",
    "The GAN of 2025",
    start_of("10"),
    (
        Task(
            "relativistic_hinge_gradients",
            3,
            Gradient(
                "relativistic_hinge",
                _scores,
                ("s_real", "s_fake"),
                loss=True,
                edges=(_high,),
                limits=(
                    Limit(
                        WELL,
                        None,
                        {"s_real": np.zeros(2), "s_fake": np.zeros(2)},
                        "pairs with a margin of more than 1 cost nothing",
                    ),
                ),
            ),
            (
                "Which pairs cost something? For the others, both gradients are 0.",
                "For a pair that costs, the term is 1 - s_real + s_fake.",
                "active = 1 where s_real - s_fake < 1, else 0. The two gradients are -active / n and active / n.",
            ),
        ),
        Task(
            "fused_weight_gradient",
            2,
            Gradient("fused_sum", _fused, ("W",), loss=True),
            (
                "What is the gradient of <delta, x W> by W, for one row?",
                "x^T delta. And W sees the two sums only through s x + t.",
                "The transpose of (s x + t), with s as a column, times delta.",
            ),
        ),
        Task(
            "scaled_residual_backward",
            4,
            Gradient("scaled_residual_forward", _residual, ("x", "W", "b", "alpha"), edges=(_silent,)),
            (
                "dy goes two ways: straight through, and through the branch.",
                "With h = tanh(x W + b) and da = dy alpha (1 - h^2): what are dW, db, and the branch's part of dx?",
                "dx = dy + da W^T. alpha stands in front of every entry of h, so its gradient is the sum of dy h "
                "over all "
                "entries.",
            ),
        ),
        Task(
            "saturation_backward",
            3,
            Gradient("saturation_forward", _images),
            (
                "x reaches y directly, and through gray, which every channel of its pixel reads.",
                "y = factor x + (1 - factor) gray. What comes back to x through gray?",
                "factor dy + (1 - factor) mean(dy), where the mean is over the channels, and the factor has the shape "
                "(n, 1, 1, 1).",
            ),
        ),
        Task(
            "average_decay",
            2,
            _average_decay,
            (
                "After half_life / batch steps, decay to that power shall be 1/2.",
                "Solve it for the decay; mind a half-life of 0.",
                "One half to the power of batch / half_life.",
            ),
        ),
    ),
)
