"""Lab 4: a GAN without a library."""

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient, Limit
from .milestone import Milestone
from .task import Lab, Names, Question, Task, Wrong, array_of, counted, require_close

MODES, POINTS, STD = 7, 2_500, 0.05
STEPS = 100  # in which both gradients have to be asked for, at least
FAR = np.array([[-1000.0, 1000.0]])


def _elu(draw: Draw) -> Names:
    return {"x": 2 * draw.normal(draw.n, draw.size(3, 5)), "alpha": draw.number(0.5, 2)}


def _network(draw: Draw, names: str, inputs: int, outputs: int) -> Names:
    """Six arrays of a network; names: W and b, or V and c."""
    lengths = [inputs, draw.size(3, 5), draw.size(2, 4), outputs]
    W, b = names[0], names[1]
    arrays: Names = {}
    for k in range(3):
        arrays[f"{W}{k + 1}"] = draw.normal(lengths[k], lengths[k + 1])
        arrays[f"{b}{k + 1}"] = 0.5 * draw.normal(lengths[k + 1])
    return arrays


def _whole(draw: Draw) -> Names:
    d = draw.size(2, 4)
    return {"x": draw.normal(draw.n, d), **_network(draw, "Wb", d, draw.size(1, 3))}


def _d(draw: Draw) -> Names:
    d, m = draw.size(2, 4), draw.size(2, 6)
    return {**_network(draw, "Wb", d, 1), "real": draw.normal(draw.n, d) + 1, "fake": draw.normal(m, d)}


def _g(draw: Draw) -> Names:
    e, d = draw.size(2, 4), draw.size(2, 3)
    G = _network(draw, "Vc", e, d)
    return {**G, "z": draw.normal(draw.n, e), "D": [*_network(draw, "Wb", d, 1).values()]}


def _adam(question: Question) -> None:
    """Sequences of gradients whose steps can be computed by hand."""
    draw = Draw(question.words, 1)
    shape = (draw.size(2, 4), draw.size(1, 3))
    w, sign, rate = draw.normal(*shape), draw.choice([-1.0, 1.0], *shape), draw.number(0.01, 0.5)
    nothing = np.zeros(shape)

    def moved(gradients: list[float], **options: float) -> np.ndarray:
        """The last of the steps, by the rate and the sign, as a student's function makes it."""
        here, m, v, before = w.copy(), nothing, nothing, w
        for t, g in enumerate(gradients, 1):
            before = here
            kept = [array.copy() for array in (here, m, v)]
            found = question.function(here, g * sign, m, v, t, rate, **options)
            if not isinstance(found, tuple) or len(found) != 3:
                raise Wrong("adam has to return three arrays: w, m, v")
            if not all(np.array_equal(a, b) for a, b in zip(kept, (here, m, v), strict=True)):
                raise Wrong("adam changed an array that came in: make new ones, w - ... instead of w -= ...")
            here, m, v = (array_of(array, shape, name) for name, array in zip("wmv", found, strict=True))
        return (here - before) / (-rate * sign)

    for gradients, options, wanted, because in (
        ([3.0], {}, 1.0, "the first step is as large as the rate, whatever the gradient is"),
        ([0.5], {"eps": 0.5}, 0.5, "the first step is rate g / (|g| + eps): eps stands outside of the root"),
        ([2.0] * 5, {}, 1.0, "with a gradient that stays, every step is as large as the rate, if both are corrected"),
        ([2.0, 1.0], {"beta1": 0.5, "beta2": 0.75}, (4 / 3) / (16 / 7) ** 0.5,
         "g = 2, then 1, with 0.5 and 0.75: m = 1, v = 1, corrected 4/3 and 16/7"),
        ([2.0, -1.0], {"beta1": 0.5, "beta2": 0.75}, 0.0, "g = 2, then -1, with beta1 = 0.5: m is 0"),
    ):  # fmt: skip
        require_close(moved(gradients, **options), np.full(shape, wanted), "the step in units of the rate",
                      because, 1e-6, 1e-6)  # fmt: skip


def _modes(question: Question, seed: int) -> float:
    """How many modes of the ring a student's points hit; the student's gradients must have been used."""
    from ..data import ring

    draw, centres = Draw(f"ring {seed}", 1), np.asarray(ring(8).centres)

    def draw_real(n: int) -> np.ndarray:
        return centres[draw.rng.integers(0, 8, int(n))] + STD * draw.normal(int(n), 2)

    with counted(question.student, "d_step_gradients", "g_step_gradients") as calls:
        generate = question.function(draw_real, np.random.default_rng(seed))
    for name, count in calls.items():
        if count < STEPS:
            raise Wrong(
                f"train_ring called {name} {count} times; G and D learn by your gradients, in {STEPS} steps or more"
            )
    if not callable(generate):
        raise Wrong(f"train_ring returned a {type(generate).__name__}; wanted a function generate(n)")
    points = array_of(generate(POINTS), (POINTS, 2), f"generate({POINTS})")
    away = np.sqrt(((points[:, None] - centres) ** 2).sum(axis=2))
    return len(set(away.argmin(axis=1)[away.min(axis=1) < 3 * STD].tolist()))


ALL = ("W1", "b1", "W2", "b2", "W3", "b3")
OF_G = ("V1", "c1", "V2", "c2", "V3", "c3")

LAB = Lab(
    "04",
    "Where does G's gradient come from?",
    start_of("04"),
    (
        Task(
            "elu_backward",
            2,
            Gradient(
                "elu_forward",
                _elu,
                ("x", "alpha"),
                limits=(
                    Limit(
                        {"x": FAR, "alpha": 2.0},
                        np.array([[1.0, 3.0]]),
                        {"x": np.array([[0.0, 3.0]]), "alpha": -1.0},
                        "far on the left y is -alpha, far on the right it is x",
                    ),
                ),
            ),
            (
                "What is the slope on each side of 0?",
                "1 on the right, alpha e^x on the left. alpha moves only the entries on the left.",
                "dalpha is the sum over all entries of dy (e^x - 1) where x <= 0. Take exp of minimum(x, 0), or it "
                "overflows.",
            ),
        ),
        Task(
            "network_backward",
            4,
            Gradient("network_forward", _whole, ("x", *ALL)),
            (
                "First forward again, keeping what stands before and behind each ELU. Then from behind, one layer "
                "at a time.",
                "A dense layer with input h and gradient da: dW = h^T da, db = the sum of da over the rows, dh = da "
                "W^T. An ELU in "
                "between multiplies by its slope.",
                "da3 = dy; da2 = (da3 W3^T) slope(a2); da1 = (da2 W2^T) slope(a1); dx = da1 W1^T.",
            ),
        ),
        Task(
            "d_step_gradients",
            3,
            Gradient("d_loss", _d, ALL, loss=True),
            (
                "Two batches, two ways back through the same D; what do you do with the two gradients?",
                "They are added. The gradient by the logits is -sigmoid(-s) / n for the real ones and sigmoid(s) / "
                "m for the "
                "fakes.",
                "network_backward for each batch, leave out its dx, and add the six arrays pair by pair. Each batch "
                "has its own "
                "number of rows.",
            ),
        ),
        Task(
            "g_step_gradients",
            3,
            Gradient("g_loss", _g, OF_G, loss=True),
            (
                "The gradient goes through D first. Which of network_backward's results is needed there?",
                "D's dx, at x = G(z): it is dy of G.",
                "ds = -sigmoid(-s) / m; dx = network_backward(ds, G(z), *D)[0]; then network_backward(dx, z, V1, "
                "...) without "
                "its first.",
            ),
        ),
        Task(
            "adam",
            2,
            _adam,
            (
                "Compute the first step on paper, with g = 3.",
                "m and v begin at 0, so both are too small at first: the two divisions mend that. eps stands "
                "outside of the root.",
                "Three lines, as in the formula. Do not write m *= or w -=: they change the caller's arrays.",
            ),
        ),
        Task(
            "train_ring",
            4,
            Milestone(
                _modes,
                MODES,
                "modes of 8 that points lie well within",
                "With twenty seeds networks of 64 units, Adam at 1e-3 and 3,000 steps had 8 modes, all twenty.",
            ),
            (
                "Weights: rng.normal(size=(d, h)) / sqrt(d), biases 0. Networks of 64 units, noise of 8 numbers, "
                "batches of 128.",
                "In each step: new real points and new noise, D's gradients, Adam for each of D's six arrays; then "
                "new noise and the "
                "same for G. Every array has its own m and v.",
                "Adam with rate 1e-3, beta1 = 0.5, beta2 = 0.99, and 3,000 steps; a rate that falls to nothing at "
                "the end makes the "
                "points sharper.",
            ),
            seconds=200,
        ),
    ),
)
