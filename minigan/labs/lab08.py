"""Lab 8: layers of images, and digits of the student's own transposed convolutions."""

from dataclasses import replace
from typing import Any

import numpy as np

from ..backend import Array
from ..data import ImageSet, mnist
from ..gan import GAN
from ..initializers import normal, zeros
from ..layers import BatchNorm, Conv2D, Dense, Flatten, Layer, LeakyReLU, ReLU, Reshape, Tanh
from ..metrics import Features, frechet_distance
from ..network import Sequential
from ..optimizers import Adam
from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient
from .milestone import Milestone
from .task import Lab, Names, Question, Task, Wrong, array_of, counted, require_close, shown

FORWARD, BACKWARD = "conv_transpose_forward", "conv_transpose_backward"
STEPS, BATCH, LATENT, WIDTH, RATE = 400, 32, 32, 16, 1e-3
JUDGED = 2_000  # images of each kind
TARGET = 220.0
KNOWN = (
    "With twenty seeds a right solution came to 119 to 172; a dense G and D after as many steps, with four seeds, to "
    "431 to 465."
)
LARGEST = 6  # a kernel's side
IMAGES = (3, 2, 1)


def _shuffle(draw: Draw) -> Names:
    r = draw.fixed(2, 3)
    return {"x": draw.normal(draw.n, draw.size(1, 1), draw.size(2, 3), draw.size(2, 2) * r * r), "r": r}


def _dilated(draw: Draw) -> Names:
    """Windows that overlap: y is wider than the kernel's places are apart."""
    kh, kw, t = draw.fixed(1, 2), 2, draw.fixed(2, 3)
    c, o = draw.size(2, 2), draw.size(3, 3)
    h, w = t * (kh - 1) + draw.size(1, 2), 2 * t + draw.size(1, 1)
    return {
        "x": draw.normal(draw.n, h, w, c), "W": draw.normal(kh, kw, c, o), "b": draw.normal(o), "dilation": t,
    }  # fmt: skip


def _both_ways(draw: Draw) -> Names:
    """A kernel that is not as high as wide, and has three rows."""
    return {"x": draw.normal(1, 8, 4, 2), "W": draw.normal(3, 2, 2, 1), "b": draw.normal(1), "dilation": 2}


def _depthwise(draw: Draw) -> Names:
    """Windows that overlap, and a column that is in none."""
    stride, (kh, kw) = 2, [(2, 3), (3, 2), (3, 3)][draw.fixed(0, 2)]
    h, w = kh + stride * draw.size(1, 1), kw + stride * draw.size(1, 1) + 1
    c = draw.size(2, 2)
    return {"x": draw.normal(draw.n, h, w, c), "W": draw.normal(kh, kw, c), "stride": stride}


def _wide_steps(draw: Draw) -> Names:
    """Windows that leave gaps."""
    return {"x": draw.normal(1, 8, 5, 2), "W": draw.normal(2, 1, 2), "stride": 3}


def _transposed(draw: Draw) -> Names:
    k, stride = draw.fixed(3, 4), draw.fixed(1, 3)
    padding = draw.fixed(0, 1)
    c, d = draw.size(1, 2), draw.size(2, 2)
    return {
        "x": draw.normal(draw.n, draw.size(2, 2), draw.size(3, 3), d), "W": draw.normal(k, k, c, d),
        "b": draw.normal(c), "stride": stride, "padding": padding,
    }  # fmt: skip


def _overlap(question: Question) -> None:
    """One pixel writes a kernel; one pixel more writes one more, at the end."""
    draw = Draw(question.words, 1)
    cases = [(4, 2), (3, 2), (2, 2), (2, 3), (5, 2), (draw.fixed(3, 7), draw.fixed(1, 4))]
    for kernel, stride in cases:
        before = np.zeros(0)
        for size in range(1, draw.fixed(4, 6)):
            length = stride * (size - 1) + kernel
            wanted = np.concatenate([before, np.zeros(length - len(before))])
            wanted[-kernel:] += 1
            found = array_of(question.function(size, kernel, stride), (length,), "what it returned")
            require_close(found, wanted, f"for size {size}, kernel {kernel}, stride {stride}, the count",
                          f"the last pixel writes the last {kernel} places, and {size - 1} before it write as they "
                          f"do without it")  # fmt: skip
            before = found


def _conv_transpose(question: Question) -> None:
    """The transpose: every entry of y is the inner product of x and the convolution of one pixel."""
    for again, n in enumerate((2, 1, 3)):
        draw = Draw(f"{question.words} {again}", n)
        given = _transposed(draw) | {"padding": 1 - again % 2}
        x, W, b, stride, padding = given.values()
        k, c = W.shape[0], W.shape[2]
        sides = tuple(stride * (side - 1) + k - 2 * padding for side in x.shape[1:3])
        pixels = np.eye(sides[0] * sides[1] * c).reshape(-1, *sides, c)
        seen = question.start["conv_forward"](pixels, W, stride, padding)
        wanted = np.tensordot(x, seen, axes=((1, 2, 3), (1, 2, 3))).reshape(n, *sides, c) + b
        kept = {name: np.array(value) for name, value in given.items()}
        found = question.student[FORWARD](x, W, b, stride, padding)
        require_close(found, wanted, "y", f"<conv(u), x> + <u, b> = <u, y> for the u that is 1 there, and 0 elsewhere "
                      f"(x {x.shape}, kernel {k}, stride {stride}, padding {padding})")  # fmt: skip
        if any(not np.array_equal(kept[name], given[name]) for name in kept):
            raise Wrong("an argument is not what it was: work on copies")


def _conv_transpose_backward(question: Question) -> None:
    """The gradient of the student's own forward, which must be right."""
    try:
        _conv_transpose(question)
    except Wrong as wrong:
        raise Wrong(f"first {FORWARD} must be right: {wrong}") from None
    own = replace(question, name=BACKWARD, function=question.student[BACKWARD], start=question.student)
    Gradient(FORWARD, _transposed, ("x", "W", "b"), rows=IMAGES)(own)


class Borrowed(Layer):
    """A layer of the student's functions.    names: what the student's file defines"""

    W: Array
    b: Array
    dW: Array
    db: Array

    def __init__(self, names: Names, channels: int, kernel: int, stride: int, padding: int) -> None:
        self.names, self.channels, self.kernel, self.stride, self.padding = names, channels, kernel, stride, padding

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """W and b."""
        self.param("W", (self.kernel, self.kernel, self.channels, in_shape[2]), normal(0.05))
        self.param("b", (self.channels,), zeros)
        height, width = (self.stride * (side - 1) + self.kernel - 2 * self.padding for side in in_shape[:2])
        return height, width, self.channels

    def forward(self, x: Array, train: bool) -> Array:
        """The student's forward."""
        self.x = x
        return np.asarray(self.names[FORWARD](x, self.W, self.b, self.stride, self.padding), dtype=self.dtype)

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array:
        """The student's backward."""
        dx, self.dW[...], self.db[...] = self.names[BACKWARD](dy, self.x, self.W, self.b, self.stride, self.padding)
        return np.asarray(dx, dtype=self.dtype)


def _planned(question: Question) -> list[tuple[int, int, int]]:
    """The student's kernels, strides and paddings, if they are allowed."""
    plan: Any = question.function()
    try:
        rows = [tuple(int(number) for number in row) for row in plan]
    except (TypeError, ValueError):
        rows = []
    if [len(row) for row in rows] != [3, 3]:
        raise Wrong(f"dcgan_layers returned {shown(plan)}; wanted two tuples, each (kernel, stride, padding)")
    for (kernel, stride, padding), side in zip(rows, (7, 14), strict=True):
        if not (0 < kernel <= LARGEST and stride > 0 and padding >= 0):
            raise Wrong(f"a layer has kernel {kernel}, stride {stride}, padding {padding}; kernels go to {LARGEST}")
        large = stride * (side - 1) + kernel - 2 * padding
        if large != 2 * side:
            raise Wrong(f"kernel {kernel}, stride {stride}, padding {padding} make {large} rows of {side}; wanted "
                        f"{2 * side}")  # fmt: skip
        if kernel % stride:
            raise Wrong(f"kernel {kernel} with stride {stride} does not write all pixels equally often: look at "
                        f"overlap_count({side}, {kernel}, {stride})")  # fmt: skip
        if kernel == stride:
            raise Wrong(f"kernel {kernel} with stride {stride}: each pixel is written by one alone, which draws blocks")
    return [(row[0], row[1], row[2]) for row in rows]


def networks(names: Names, plan: list[tuple[int, int, int]], seed: int) -> tuple[Sequential, Sequential]:
    """A small DCGAN whose G has the student's layers."""
    init, first, second = normal(0.05), plan[0], plan[1]
    G = Sequential(
        [
            Dense(7 * 7 * 2 * WIDTH, W_init=init), BatchNorm(), ReLU(), Reshape((7, 7, 2 * WIDTH)),
            Borrowed(names, WIDTH, *first), BatchNorm(), ReLU(), Borrowed(names, 1, *second), Tanh(),
        ],
        input_shape=LATENT, seed=seed, name="G", backend="numpy",
    )  # fmt: skip
    return G, judge(seed)


def judge(seed: int) -> Sequential:
    """The D of it."""
    init = normal(0.05)
    layers = [
        Conv2D(WIDTH, 4, 2, 1, W_init=init), LeakyReLU(0.2), Conv2D(2 * WIDTH, 4, 2, 1, W_init=init), LeakyReLU(0.2),
        Flatten(), Dense(1, W_init=init),
    ]  # fmt: skip
    return Sequential(layers, input_shape=(28, 28, 1), seed=seed, name="D", backend="numpy")


def trained(G: Sequential, D: Sequential, seed: int) -> float:
    """The distance of G's digits after the training."""
    gan = GAN(G, D, g_optimizer=Adam(G, RATE, 0.5), d_optimizer=Adam(D, RATE, 0.5), seed=seed)
    digits: ImageSet = mnist()
    for step in range(STEPS):
        gan.step(digits.batch(BATCH, seed, step))
    features = Features("digits", (28, 28, 1))
    real = digits.batch(JUDGED, 0, 0)
    return frechet_distance(features(real), features(gan.sample(JUDGED)))


def _dcgan(question: Question, seed: int) -> float:
    plan = _planned(question)
    if seed == 0:
        _conv_transpose_backward(question)
    with counted(question.student, FORWARD, BACKWARD) as calls:
        distance = trained(*networks(question.student, plan, seed), seed)
    for name, count in calls.items():
        if count < 2 * STEPS:
            raise Wrong(f"in {STEPS} steps {name} was called {count} times; wanted your function in both layers")
    return distance


LAB = Lab(
    "08",
    "A convolution backwards",
    start_of("08"),
    (
        Task(
            "pixel_shuffle_backward",
            2,
            Gradient("pixel_shuffle_forward", _shuffle, rows=IMAGES),
            (
                "Every number of x goes to one place of y. So what is dx there?",
                "Undo the three steps in the other order: a reshape, a transpose, a reshape.",
                "Reshape dy to (n, h, r, w, r, c), bring its axes into the order (n, h, w, c, r, r), and give it x's "
                "shape.",
            ),
        ),
        Task(
            "dilated_conv_backward",
            3,
            Gradient("dilated_conv_forward", _dilated, ("x", "W", "b"), edges=(_both_ways,), rows=IMAGES),
            (
                "For one place (k, l) of the kernel the forward is y += window @ W[k, l]: a dense layer. Which "
                "gradients "
                "does that have?",
                "dW[k, l] = window^T dy, summed over images, rows and columns; and dy @ W[k, l].T goes back to the "
                "window it came from. Windows overlap.",
                "In the same two loops, with the same slices: dx[:, rows, columns] += dy @ W[k, l].T, and dW[k, l] by "
                "np.tensordot over the axes 0, 1 and 2. db is the sum of dy over these.",
            ),
        ),
        Task(
            "depthwise_backward",
            3,
            Gradient("depthwise_forward", _depthwise, ("x", "W"), edges=(_wide_steps,), rows=IMAGES),
            (
                "For one place of the kernel the forward is a product, entry by entry, with one number for "
                "each channel.",
                "dx gets dy * W[k, l] where the window was, with its stride; rows that are in no window keep 0.",
                "dx[:, rows, columns] += dy * W[k, l]; dW[k, l] = the sum of window * dy over images, rows and "
                "columns, "
                "so that the channels are left.",
            ),
        ),
        Task(
            "overlap_count",
            2,
            _overlap,
            (
                "Draw it for size 3, kernel 4 and stride 2, on paper: three bars of length 4, each two places further.",
                "Go through the kernel's places: place k of all bars is at k, k + stride, k + 2 stride, ...",
                "For each k below kernel: count[k : k + stride * (size - 1) + 1 : stride] += 1.",
            ),
        ),
        Task(
            FORWARD,
            2,
            _conv_transpose,
            (
                "In conv_forward, for one place (i, j) of the kernel, a window of u goes into y by W[i, j]. "
                "Which way does "
                "the transposed one go?",
                "Make an image of zeros, with the padding around it. For each (i, j), add x @ W[i, j].T to the places "
                "that the slices of conv_forward name.",
                "Its sides are stride * (h - 1) + k before the padding is cut off: y[:, padding : tall - padding, "
                "padding : wide - padding]. Then comes b.",
            ),
        ),
        Task(
            BACKWARD,
            2,
            _conv_transpose_backward,
            (
                "If y is M^T x, with the matrix M of the convolution, then what is dx?",
                "dx = M dy: conv_forward(dy, W, stride, padding). For dW look at <dy, y> = <conv(dy), x>: W "
                "stands in the "
                "convolution of dy, where x plays the part of its gradient.",
                "dW[i, j] = window^T x, with the windows of the padded dy: (c, d) each, summed over images, rows and "
                "columns. db is the sum of dy.",
            ),
        ),
        Task(
            "dcgan_layers",
            2,
            Milestone(_dcgan, TARGET, "the digits' distance", KNOWN, below=True),
            (
                "stride (side - 1) + kernel - 2 padding is to be 2 side, for 7 and for 14. Which stride does "
                "that leave?",
                "With stride 2, kernel - 2 padding must be 2. Which kernels write all pixels equally often?",
                "Those that the stride divides: 4 with padding 1, or 6 with padding 2. If the distance is too "
                "large, look "
                "once more at the two functions.",
            ),
            seconds=240,
        ),
    ),
)
