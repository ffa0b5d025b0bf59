"""Lab 3: the best D, the value of the game, and a D that is trained."""

import math
from collections.abc import Callable

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient
from .task import Lab, Names, Question, Task, Wrong, array_of, require_close

# Two bins each, with what can be computed by hand: JS is (log 4/3)/2 + (log 2/3 + log 2)/4 for the first pair.
BLOCKS = (
    ((1.0, 0.0), (0.5, 0.5), math.log(4 / 3) / 2 + (math.log(2 / 3) + math.log(2)) / 4),
    ((0.75, 0.25), (0.25, 0.75), 0.75 * math.log(1.5) + 0.25 * math.log(0.5)),
    ((0.3, 0.7), (0.3, 0.7), 0.0),
    ((1.0, 0.0), (0.0, 1.0), math.log(2)),
)
NEAR, MOST = 0.05, 20_000_000  # mean distance from the best D; numbers that a training may ask for


def _optimal_d(question: Question) -> None:
    """Where D is best, the pulls of both kinds are equal:  p / D = q / (1 - D)."""
    draw = Draw(question.words, 1)
    p, q = draw.uniform(0, 3, 4, 5), draw.uniform(0, 3, 4, 5)
    p[0, :2], q[0, 1:3], p[1, 0], q[1, 0] = 0, 0, 1e-8, 3e-8
    D = array_of(question.function(p.copy(), q.copy()), (4, 5), "D")
    require_close(D[0, 0], 0, "D where p = 0", "only fakes come there")
    require_close(D[0, 2], 1, "D where q = 0", "only real points come there")
    require_close(D[0, 1], 0.5, "D where p = q = 0", "nothing comes there, and 1/2 was asked for")
    require_close(p[1:] * (1 - D[1:]), q[1:] * D[1:], "p (1 - D)",
                  "at the best D the slopes of both terms cancel: p / D = q / (1 - D)", atol=1e-15)  # fmt: skip


def _divided(draw: Draw) -> tuple[np.ndarray, np.ndarray, float]:
    """Two histograms made of blocks whose divergences are known; and theirs, the mean of the blocks'."""
    weights = draw.uniform(0.2, 1, draw.fixed(2, 5))
    weights /= weights.sum()
    chosen = [BLOCKS[draw.fixed(0, len(BLOCKS) - 1)] for _ in weights]
    p, q = (np.concatenate([w * np.array(block[k]) for w, block in zip(weights, chosen, strict=True)]) for k in (0, 1))
    order = draw.rng.permutation(len(p))
    return p[order], q[order], float(sum(w * block[2] for w, block in zip(weights, chosen, strict=True)))


def _value(question: Question) -> None:
    _known(question, lambda js: 2 * js - math.log(4), "V")


def _jensen_shannon(question: Question) -> None:
    _known(question, lambda js: js, "JS")


def _known(question: Question, of: Callable[[float], float], name: str) -> None:
    """Equal ones, disjoint ones, one bin; and histograms of blocks, where the divergences of the blocks add up."""
    third, one = np.full(3, 1 / 3), np.array([1.0])
    first, last = np.array([0.4, 0.6, 0, 0]), np.array([0, 0, 0.1, 0.9])
    for p, q, js, because in (
        (third, third, 0.0, "p and q are equal"),
        (one, one, 0.0, "both have all in one bin"),
        (first, last, math.log(2), "no bin has both"),
    ):
        require_close(question.function(p.copy(), q.copy()), of(js), name, because, 1e-9, 1e-12)
    for again in range(4):
        p, q, js = _divided(Draw(f"{question.words} {again}", 1))
        because = f"computed by hand for p = {np.round(p, 3).tolist()} and q = {np.round(q, 3).tolist()}"
        for one_way, other in ((p, q), (q, p)):
            require_close(question.function(one_way.copy(), other.copy()), of(js), name, because, 1e-9, 1e-12)


def _histogram(question: Question) -> None:
    """Points that are put into bins of unequal widths, some on an edge, some outside."""
    for again in range(4):
        draw = Draw(f"{question.words} {again}", 1)
        edges = np.cumsum(draw.uniform(0.2, 1, draw.fixed(4, 8)))
        counts = draw.rng.integers(0, 9, len(edges) - 1)
        inside = [edges[k] + draw.uniform(0, 0.999, n) * (edges[k + 1] - edges[k]) for k, n in enumerate(counts)]
        points = np.concatenate([*inside, edges[:2], [edges[0] - 1, edges[-1], edges[-1] + 2]])
        counts[:2] += 1  # the two on an edge
        points = draw.rng.permutation(points)
        before = points.copy()
        found = array_of(question.function(points, edges.copy()), counts.shape, "what it returned")
        if found.sum() != counts.sum():
            raise Wrong(f"{found.sum():g} points were counted, and {counts.sum()} of the {len(points)} lie in the bins")
        require_close(found, counts, "what it returned", "so many points were put there")
        if not np.array_equal(points, before):
            raise Wrong("points is not what it was: count in it, and leave it as it is")


def _maxout(draw: Draw) -> Names:
    d, k, p = draw.size(2, 4), draw.size(1, 3), draw.fixed(2, 4)
    return {"x": draw.normal(draw.n, d), "W": draw.normal(d, k, p), "b": draw.normal(k, p)}


def _bell(x: np.ndarray, mean: float, std: float) -> np.ndarray:
    return np.exp(-(((x - mean) / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


def _train_d(question: Question) -> None:
    """A Gaussian against a mixture of two."""
    draw = Draw(question.words, 1)
    mean, left, right = draw.number(-0.5, 0.5), draw.number(-2.5, -1.5), draw.number(1, 2)
    asked = 0

    def count(n: int) -> int:
        nonlocal asked
        asked += int(n)
        if asked > MOST:
            raise Wrong(f"train_d asked for more than {MOST:,} numbers: fewer steps, or smaller batches")
        return int(n)

    def draw_real(n: int) -> np.ndarray:
        return draw.normal(count(n)) + mean

    def draw_fake(n: int) -> np.ndarray:
        return 0.6 * draw.normal(count(n)) + draw.choice([left, right], int(n))

    D = question.function(draw_real, draw_fake, draw.rng)
    if not callable(D):
        raise Wrong(f"train_d returned a {type(D).__name__}; wanted a function D(x)")
    x = np.linspace(-4, 4, 201)
    p, q = _bell(x, mean, 1), (_bell(x, left, 0.6) + _bell(x, right, 0.6)) / 2
    often = p + q > 0.02
    x, best = x[often], (p / (p + q))[often]
    yours = array_of(D(x), x.shape, "D(x)")
    off = abs(yours - best)
    if off.mean() >= NEAR:
        worst = int(off.argmax())
        raise Wrong(
            f"D is {off.mean():.3f} away from the best one, on average; wanted less than {NEAR}. Furthest at x = "
            f"{x[worst]:.2f}: yours {yours[worst]:.2f}, the best {best[worst]:.2f}"
        )


LAB = Lab(
    "03",
    "What does a perfect D know?",
    start_of("03"),
    (
        Task(
            "optimal_d",
            2,
            _optimal_d,
            (
                "Derive p log D + q log(1 - D) by D, and set it to 0.",
                "p / D = q / (1 - D). Solve for D; then take care of p + q = 0.",
                "p's share of p + q; np.divide has `out` and `where`, for the places where both are 0.",
            ),
        ),
        Task(
            "value_at_optimum",
            2,
            _value,
            (
                "Test it with p = q: the best D is 1/2, and V is -log 4.",
                "0 log 0 counts as 0: leave out the bins where p is 0 in the first sum, and those where q is 0 in "
                "the second.",
                "With D from task 1: (p[p > 0] * np.log(D[p > 0])).sum(), and the same for q and 1 - D.",
            ),
        ),
        Task(
            "jensen_shannon",
            2,
            _jensen_shannon,
            (
                "Write a function for KL first, which leaves out the bins where p is 0.",
                "m is 0 only where p and q are, so those bins are left out in both.",
                "Half of KL(p, m) plus half of KL(q, m), with the natural logarithm. Disjoint ones have log 2.",
            ),
        ),
        Task(
            "histogram",
            2,
            _histogram,
            (
                "Print i and point in each round, for five points.",
                "pop takes the point out, and the next one moves to its place: every second point is never seen.",
                "Go through the points themselves, `for point in points`, and take nothing out.",
            ),
        ),
        Task(
            "maxout_backward",
            3,
            Gradient("maxout_forward", _maxout, ("x", "W", "b")),
            (
                "Only the largest of the p numbers moves y.",
                "Make dz of shape (n, k, p): dy where z is the largest, 0 elsewhere. Then it is a dense layer.",
                "One-hot of z.argmax(axis=2), times dy[:, :, None]; db sums it over n, and the two others are "
                "einsums with x "
                "and with W.",
            ),
        ),
        Task(
            "train_d",
            3,
            _train_d,
            (
                "Logits s = tanh(x w + b) v + c, and the loss softplus(-s) on real numbers, softplus(s) on fake ones.",
                "Begin with w and b of size 1 or 2, so that the bends of the tanh lie where the numbers come. Plain "
                "gradient "
                "descent works with a rate of 0.1 or more, Adam with 0.01.",
                "2,000 to 4,000 steps with 500 numbers of each kind; let the rate fall to a tenth at the end. "
                "Return a function "
                "that computes the sigmoid of the logits.",
            ),
        ),
    ),
)
