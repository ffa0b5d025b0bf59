"""Lab 1: a GAN with three numbers."""

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient, Limit
from .task import Lab, Names, Question, Task, Wrong, counted, number

NEAR, GAMES = 0.3, 2  # how near theta has to come to the real mean, and in how many games
ROUNDS = 50  # at least
MOST = 5_000_000  # real numbers that a training may ask for


def _d(draw: Draw) -> Names:
    m = draw.size(3, 6)
    return {
        "a": draw.number(-1, 1), "b": draw.number(0.3, 1.5), "real": draw.normal(draw.n) + 1, "fake": draw.normal(m),
    }  # fmt: skip


def _g(draw: Draw) -> Names:
    return {
        "theta": draw.number(-1, 1), "a": draw.number(-1, 1), "b": draw.number(0.3, 1.5), "z": draw.normal(draw.n),
    }  # fmt: skip


def _one_sided(draw: Draw) -> Names:
    """Batches of unequal sizes show a mean over the wrong number."""
    return _d(draw) | {"real": draw.normal(1), "fake": draw.normal(9)}


SURE: Names = {"theta": 0.0, "a": 0.0, "b": 2.0, "z": np.array([-500.0, -400.0])}  # D is sure, and right
FOOLED: Names = {"theta": 0.0, "a": 0.0, "b": 2.0, "z": np.array([500.0, 400.0])}
CERTAIN = "where D is sure that a number is fake, its sigmoid is 0 up to rounding, and exp(1000) is no number"


def _train(question: Question) -> None:
    """Three games with real means that the student does not know; G must have learnt by its gradient."""
    for game in range(GAMES):
        draw = Draw(f"{question.words} game {game}", 1)
        mean, asked = draw.number(-3, 8), 0

        def draw_real(n: int, draw: Draw = draw, mean: float = mean) -> np.ndarray:
            nonlocal asked
            asked += int(n)
            if asked > MOST:
                raise Wrong(f"train asked for more than {MOST:,} real numbers: fewer rounds, or smaller batches")
            return draw.normal(int(n)) + mean

        with counted(question.student, "d_gradients", "g_gradient") as calls:
            theta = number(question.function(draw_real, draw.rng), "theta")
        for name, count in calls.items():
            if count < ROUNDS:
                raise Wrong(
                    f"train called {name} {count} times; G and D learn by your gradients, in {ROUNDS} rounds or more"
                )
        if abs(theta - mean) > NEAR:
            raise Wrong(
                f"the real numbers lay around {mean:.2f}, and train came to theta = {theta:.2f}; wanted it within "
                f"{NEAR} (game {game + 1} of {GAMES}, other numbers in each)"
            )


LAB = Lab(
    "01",
    'Only told "fake"',
    start_of("01"),
    (
        Task(
            "d_gradients",
            3,
            Gradient("d_loss", _d, ("a", "b"), loss=True, edges=(_one_sided,)),
            (
                "Let s = a + b x. What is the derivative of softplus(s) by s, and that of softplus(-s)?",
                "The derivative of softplus is the sigmoid: so a real number gives -(1 - D(x)), and a fake one "
                "D(y). Then "
                "ds/da = 1 and ds/db = x.",
                "dL/da is the mean of D(x) - 1 over the real ones plus the mean of D(y) over the fake ones, each mean "
                "over its own batch; for dL/db every term has its x, or y, as a factor.",
            ),
        ),
        Task(
            "g_gradient",
            2,
            Gradient(
                "g_loss",
                _g,
                ("theta",),
                loss=True,
                limits=(
                    Limit(SURE, None, {"theta": -2.0}, f"{CERTAIN}: each term is -b"),
                    Limit(FOOLED, None, {"theta": 0.0}, "where D is sure that a number is real, G has nothing to gain"),
                ),
            ),
            (
                "theta moves s = a + b (z + theta): by how much?",
                "ds/dtheta = b. And the derivative of softplus(-s) by s is -sigmoid(-s), which is -(1 - D).",
                "The mean of -(1 - D(z + theta)), times b. Take sigmoid(-s) for 1 - D: it keeps its digits where D "
                "is near 1.",
            ),
        ),
        Task(
            "g_gradient_saturating",
            2,
            Gradient(
                "g_loss_saturating",
                _g,
                ("theta",),
                loss=True,
                limits=(Limit(SURE, None, {"theta": 0.0}, f"{CERTAIN}: this loss has no slope there"),),
            ),
            (
                "Only the term in front of b is another one.",
                "The derivative of -softplus(s) by s is -sigmoid(s).",
                "The mean of -D(z + theta), times b. Where D is sure, it is nearly 0: G is told nothing when it "
                "most needs it.",
            ),
        ),
        Task(
            "train",
            3,
            _train,
            (
                "Begin with 1,000 rounds, batches of 100, and a learning rate of 0.05 for both; print theta as it "
                "goes.",
                "If theta circles around the mean, or is late, D does not follow: let it take several steps in each "
                "round, and "
                "give G a smaller learning rate than D.",
                "2,000 rounds; in each, ten times D's step at 0.05, with new numbers, then one of G's at 0.03. "
                "Return the "
                "mean of theta over the last half: that removes what noise is left.",
            ),
        ),
    ),
)
