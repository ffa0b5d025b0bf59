"""Lab 7: normalisations, and which samples they couple."""

from collections.abc import Callable

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient, Limit
from .task import Lab, Names, Question, Task, Wrong, number, require_close, shown

Batch = Callable[[np.ndarray], np.ndarray]
FLAT = "where all numbers are equal the variance is 0, x_hat is 0, and 1 / sqrt(var + eps) is 1 / sqrt(1e-5)"
STEEP = 1 / np.sqrt(1e-5)
IMAGES = (3, 2, 1)  # few: each entry costs two forwards


def _layer(draw: Draw) -> Names:
    d = draw.size(4, 7)
    return {"x": 2 * draw.normal(draw.n, d) + 1, "gamma": draw.normal(d) + 1, "beta": draw.normal(d)}


def _nearly_flat(draw: Draw) -> Names:
    """The variance is as small as eps, so that eps must stand in the right places."""
    return (found := _layer(draw)) | {"x": 3 + 0.004 * (found["x"] - 1)}


def _group(draw: Draw) -> Names:
    groups = draw.fixed(2, 3)
    c, shape = 2 * groups * draw.factor, (draw.n, draw.size(1, 2), draw.size(2, 3))
    return {
        "x": 2 * draw.normal(*shape, c) + 1, "gamma": draw.normal(c) + 1, "beta": draw.normal(c), "groups": groups,
    }  # fmt: skip


def _one_group(draw: Draw) -> Names:
    return _group(draw) | {"groups": 1}


def _instance(draw: Draw) -> Names:
    n, c = draw.n, draw.size(2, 3)
    x = 2 * draw.normal(n, draw.size(1, 2), draw.size(3, 4), c) + 1
    return {"x": x, "gamma": draw.normal(n, c) + 1, "beta": draw.normal(n, c)}


LIMIT_LAYER = Limit(
    {"x": np.full((1, 3), 5.0), "gamma": np.array([2.0, 1.0, 1.0]), "beta": np.zeros(3)},
    np.array([[3.0, 1.0, 2.0]]),
    {"x": STEEP * np.array([[3.0, -2.0, -1.0]]), "gamma": np.zeros(3), "beta": np.array([3.0, 1.0, 2.0])},
    f"{FLAT}: so dx is gamma dy less its mean, times that",
)
LIMIT_GROUP = Limit(
    {"x": np.full((1, 1, 1, 4), 5.0), "gamma": np.array([2.0, 1.0, 1.0, 1.0]), "beta": np.zeros(4), "groups": 2},
    np.array([[[[3.0, 2.0, 5.0, 1.0]]]]),
    {"x": STEEP * np.array([[[[2.0, -2.0, 2.0, -2.0]]]]), "gamma": np.zeros(4)},
    f"{FLAT}: so dx is gamma dy less its mean in the group, times that",
)
LIMIT_INSTANCE = Limit(
    {"x": np.full((1, 2, 1, 1), 5.0), "gamma": np.array([[2.0]]), "beta": np.zeros((1, 1))},
    np.array([3.0, 1.0]).reshape(1, 2, 1, 1),
    {"x": STEEP * np.array([2.0, -2.0]).reshape(1, 2, 1, 1), "gamma": np.zeros((1, 1))},
    f"{FLAT}: so dx is gamma dy less its mean, times that",
)


def _alone(x: np.ndarray) -> np.ndarray:
    """Each row less its mean: no move by a constant shows."""
    return np.round(x - x.mean(axis=-1, keepdims=True), 9)


def _batch_mean_of_last(x: np.ndarray) -> np.ndarray:
    """All rows move with all others, but by their last column alone."""
    y = np.tanh(x)
    y[..., 0] += x[..., -1].sum(axis=0)
    return y


def _next_row(x: np.ndarray) -> np.ndarray:
    return x * np.roll(x, 1, axis=0)


def _so_far(x: np.ndarray) -> np.ndarray:
    return 1e-3 * np.cumsum(x, axis=0)


def _pairs(x: np.ndarray) -> np.ndarray:
    """Packs of two rows, as in minibatch statistics of groups; the last row may be alone."""
    y = x.copy()
    for i in range(0, len(x) - 1, 2):
        y[i], y[i + 1] = x[i] * x[i + 1], x[i] + x[i + 1]
    return y


def _first_ignored(x: np.ndarray) -> np.ndarray:
    y = np.sin(x[:, :1]) + 0 * x
    y[0] = 7.0
    return y


def _wanted(kind: str, n: int) -> np.ndarray:
    """Which rows are coupled, by how the functions above are built."""
    own, i = np.eye(n, dtype=bool), np.arange(n)
    return {
        "each row by itself": own,
        "one column's sum over the batch": np.ones((n, n), dtype=bool),
        "each row times the one before": own | (i[:, None] == (i[None, :] + 1) % n),
        "sums of all rows so far": i[:, None] >= i[None, :],
        "pairs of rows": i[:, None] // 2 == i[None, :] // 2,
        "a first row that does not depend on x": own & (i[:, None] > 0),
    }[kind]


FUNCTIONS: dict[str, Batch] = {
    "each row by itself": _alone,
    "one column's sum over the batch": _batch_mean_of_last,
    "each row times the one before": _next_row,
    "sums of all rows so far": _so_far,
    "pairs of rows": _pairs,
    "a first row that does not depend on x": _first_ignored,
}


class Watched:
    """A function of a batch that counts its calls, and returns one array at all of them."""

    def __init__(self, function: Batch, shape: tuple[int, ...]) -> None:
        self.function, self.shape, self.calls, self.y = function, shape, 0, np.zeros(shape)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """f(x), in the same memory."""
        if np.shape(x) != self.shape:
            raise Wrong(f"coupling called f with an array of shape {np.shape(x)}; wanted x's shape, {self.shape}")
        self.calls += 1
        self.y[...] = self.function(np.array(x, dtype=np.float64))
        return self.y


def _coupling(question: Question) -> None:
    """Functions that couple rows in known ways."""
    for k, (kind, function) in enumerate(FUNCTIONS.items()):
        draw = Draw(f"{question.words} {k}", 1)
        n = draw.fixed(3, 6)
        shape = (n, draw.fixed(2, 4)) if k % 2 else (n, 2, draw.fixed(2, 3))
        x = draw.normal(*shape) + 2
        before, watched = x.copy(), Watched(function, shape)
        found = question.function(watched, x)
        if not np.array_equal(x, before):
            raise Wrong("x is not what it was: work on a copy of it")
        if watched.calls > 2 + 4 * n:
            raise Wrong(f"coupling called f {watched.calls} times for {n} samples; wanted at most {2 + 4 * n}")
        _require_same(found, _wanted(kind, n), kind)


def _require_same(found: object, wanted: np.ndarray, kind: str) -> None:
    answer = np.asarray(found)
    if answer.shape != wanted.shape or answer.dtype.kind not in "biuf":
        raise Wrong(f"coupling returned {shown(found)}; wanted an array of bools of shape {wanted.shape}")
    wrong = np.argwhere((answer != 0) != wanted)
    if len(wrong):
        i, j = (int(place) for place in wrong[0])
        raise Wrong(
            f"f computes {kind}: entry [{i}, {j}] is {bool(answer[i, j])}; wanted {bool(wanted[i, j])}: sample {i} of "
            f"f(x) {'moves' if wanted[i, j] else 'does not move'} when sample {j} of x does"
        )


def _running(question: Question) -> None:
    """Batches of which half of the entries lie d above a mean, and half d below it."""
    for again in range(3):
        draw = Draw(f"{question.words} {again}", 1)
        c, half, momentum = draw.fixed(2, 4), draw.fixed(1, 3), draw.number(0.6, 0.95)
        centre, d = draw.normal(c), draw.uniform(0.5, 2, c)
        signs = np.repeat([1.0, -1.0], half)[draw.rng.permutation(2 * half)]
        x = centre + d * signs[:, None]
        if again:
            x = x.reshape(half, 2, 1, c)
        old, m = (draw.normal(c), draw.uniform(1, 3, c)), 2 * half
        mean, var = old[0].copy(), old[1].copy()
        for rounds in (1, 2):
            found = question.function(mean, var, x, momentum)
            if not isinstance(found, tuple) or len(found) != 2:
                raise Wrong(f"running_statistics returned {shown(found)}; wanted a tuple, the mean and the variance")
            if rounds == 1 and not (np.array_equal(mean, old[0]) and np.array_equal(var, old[1])):
                raise Wrong("mean and var are not what they were: return new arrays")
            kept = momentum**rounds
            told = f"after {rounds} time{'s' * (rounds > 1)} the same batch, {kept:.3f} of the old is left"
            require_close(found[0], kept * old[0] + (1 - kept) * centre, "the mean", told)
            unbiased = d**2 * m / (m - 1)
            require_close(found[1], kept * old[1] + (1 - kept) * unbiased, "the variance",
                          f"{told}, and with m = {m} entries the batch's sum of squares is divided by "
                          f"{m - 1}")  # fmt: skip
            mean, var = np.array(found[0]), np.array(found[1])
    _require_keeps(question)


def _require_keeps(question: Question) -> None:
    """A momentum of 1 changes nothing."""
    mean, var = question.function(np.zeros(1), np.full(1, 4.0), np.array([[1.0], [3.0]]), 1.0)
    for value, wanted, what in ((mean, 0.0, "the mean"), (var, 4.0, "the variance")):
        found = number(np.squeeze(np.asarray(value)), what)
        require_close(found, wanted, what, "with a momentum of 1 all of the old is kept")


LAB = Lab(
    "07",
    "Who talks to whom?",
    start_of("07"),
    (
        Task(
            "layer_norm_backward",
            4,
            Gradient(
                "layer_norm_forward", _layer, ("x", "gamma", "beta"), edges=(_nearly_flat,), limits=(LIMIT_LAYER,)
            ),
            (
                "Compute x_hat once more. dgamma and dbeta are sums over the rows; for dx begin with g = gamma dy, the "
                "gradient by x_hat.",
                "x_hat depends on x in three ways: directly, by the mean and by the variance. The last two take two "
                "things out of g: its mean over the row, and its part along x_hat.",
                "(g - mean of g - x_hat times the mean of g x_hat) / sqrt(var + eps), with both means over the row "
                "(axis 1, keepdims).",
            ),
        ),
        Task(
            "group_norm_backward",
            4,
            Gradient(
                "group_norm_forward",
                _group,
                ("x", "gamma", "beta"),
                edges=(_one_group,),
                limits=(LIMIT_GROUP,),
                rows=IMAGES,
            ),
            (
                "It is the formula of layer normalisation, with means over other axes. Which ones?",
                "Reshape x and g = gamma dy to (n, h, w, groups, c / groups); the means go over the axes 1, 2 and 4. "
                "gamma stands inside of these means: it differs within a group.",
                "dx = (g - mean g - x_hat mean(g x_hat)) / sqrt(var + eps) in five axes, reshaped to x's shape; dgamma "
                "is the sum of dy x_hat over the axes 0, 1, 2.",
            ),
        ),
        Task(
            "instance_norm_backward",
            3,
            Gradient("instance_norm_forward", _instance, ("x", "gamma", "beta"), limits=(LIMIT_INSTANCE,), rows=IMAGES),
            (
                "Which axes do the means go over here? And which entries of y does gamma[i, k] scale?",
                "The means go over rows and columns, axes 1 and 2. gamma[i, k] belongs to one image, so nothing is "
                "summed over the images.",
                "dgamma is the sum of dy x_hat over the axes 1 and 2, dbeta that of dy; dx as before, with g = "
                "gamma[:, None, None, :] dy.",
            ),
        ),
        Task(
            "coupling",
            2,
            _coupling,
            (
                "Compute y = f(x) and keep a copy. Then move sample j of a copy of x, and compare.",
                "Move every entry of the sample by another amount, random numbers for instance: then no mean, and no "
                "column, can hide it.",
                "For each j: moved = x.copy(); moved[j] += rng.normal(size=x[j].shape); column j of the answer is "
                "where any entry of f(moved)[i] differs from the kept copy's.",
            ),
        ),
        Task(
            "running_statistics",
            2,
            _running,
            (
                "With momentum = 0.99, how much of the old mean is left after one batch, as it stands there?",
                "The old value is to be multiplied by momentum, the batch's by 1 - momentum. And what does x.var "
                "divide by?",
                "x.var(axis=axes, ddof=1) divides by m - 1; and without [...] on the left nothing is changed in place.",
            ),
        ),
    ),
)
