"""Lab 6: images, and a first run with minigan."""

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .gradients import Gradient
from .milestone import Milestone
from .task import Lab, Names, Question, Task, Wrong, array_of, require_close

ANSWERS = {
    "D's accuracy after 100 steps": ("about 0.5", "0.6 to 0.9", "above 0.9"),
    "D's loss at the end": ("near 0", "between 0 and 2 log 2", "2 log 2", "above"),
    "G's loss from step 600 to the end": ("falls", "stays", "rises"),
    "the digits after 600 steps": ("noise", "strokes", "digits"),
}
STEPS, BATCH, JUDGED = 1_500, 64, 2_000  # of a run, at most; images of either kind that the distance is taken from
STEP = 20  # of a changed pixel: its square is too large for uint8
DISTANCE = 330.0


def _predictions(question: Question) -> None:
    """Every line has one of its answers."""
    found = question.function()
    if not isinstance(found, dict):
        raise Wrong(f"predictions returned a {type(found).__name__}; wanted the dictionary that stood there")
    for asked, answers in ANSWERS.items():
        if found.get(asked) not in answers:
            choices = ", ".join(repr(answer) for answer in answers)
            raise Wrong(f"{asked!r} is {found.get(asked)!r}; wanted one of {choices}")


def _prepare(question: Question) -> None:
    """Black is -1, white 1, and equal steps stay equal."""
    draw = Draw(question.words, draw_n := 5)
    images = draw.rng.integers(0, 256, (draw_n, draw.size(2, 6), draw.size(2, 5), draw.fixed(1, 3))).astype(np.uint8)
    images[0, 0, 0, 0], images[0, 1, 0, 0] = 0, 255
    given = images.copy()
    found = question.function(given)
    came = array_of(found, images.shape, "what it returned")
    if np.asarray(found).dtype != np.float32:
        raise Wrong(f"the dtype is {np.asarray(found).dtype}; wanted float32")
    if not np.array_equal(given, images):
        raise Wrong("images is not what it was: leave it as it is")
    require_close(came[0, 0, 0, 0], -1, "black, 0,", "the least that a tanh gives is -1", 1e-5)
    require_close(came[0, 1, 0, 0], 1, "white, 255,", "the most that a tanh gives is 1", 1e-5)
    steps = np.diff(came.reshape(-1)), np.diff(images.reshape(-1).astype(float)) * 2 / 255
    require_close(steps[0], steps[1], "the difference of two pixels", "255 equal steps from -1 to 1", 1e-4, 1e-5)


def _features(draw: Draw) -> Names:
    d, k, m = draw.size(2, 5), draw.size(2, 4), draw.size(2, 6)
    W = draw.normal(d, k)
    return {"fake": draw.normal(draw.n, d), "real": draw.normal(m, d) + 0.5, "W": W, "b": draw.normal(k)}


def _noise(draw: Draw) -> Names:
    d = draw.size(2, 5)
    return {"x": draw.normal(draw.n, d), "v": 0.5 * draw.normal(d), "epsilon": draw.normal(draw.n, d)}


def _nearest(question: Question) -> None:
    """Fakes that are training images with a known change."""
    for again in range(3):
        draw = Draw(f"{question.words} {again}", 1)
        m, h, w, c = draw.fixed(20, 60), draw.fixed(3, 8), draw.fixed(3, 8), draw.fixed(1, 3)
        training = draw.rng.integers(0, 256, (m, h, w, c)).astype(np.uint8)
        which = draw.rng.permutation(m)[: draw.fixed(4, 9)]
        pixels = draw.rng.integers(1, 5, len(which))
        rows = training[which].copy().reshape(len(which), -1)
        for row, count in zip(rows, pixels, strict=True):
            row[:count] = np.where(row[:count] > 128, row[:count] - STEP, row[:count] + STEP)
        fake = rows.reshape(len(which), h, w, c)
        found = question.function(fake.copy(), training.copy())
        if not isinstance(found, tuple) or len(found) != 2:
            raise Wrong("nearest_training_images has to return two arrays: the indices, and the distances")
        index = array_of(found[0], which.shape, "the indices")
        require_close(
            index, which, "the index", f"that fake is this training image with a few pixels changed by {STEP}"
        )
        require_close(found[1], STEP * np.sqrt(pixels), "the distance",
                      f"some pixels differ by {STEP}, all others not at all; and 2 - 5 is 253 in uint8")  # fmt: skip


def _trained(question: Question, seed: int) -> float:
    """The distance of a student's digits."""
    import minigan as mg
    from minigan.metrics import Features, frechet_distance

    digits = mg.data.mnist("train", labels=False)
    gan = question.function(digits, seed)
    if not isinstance(gan, mg.GAN):
        raise Wrong(f"train_digits returned a {type(gan).__name__}; wanted the mg.GAN that was trained")
    if not 0 < gan.steps <= STEPS or gan.seen > STEPS * BATCH:
        raise Wrong(
            f"the GAN has made {gan.steps} steps with {gan.seen:,} real images; wanted at most {STEPS:,} steps with "
            f"batches "
            f"of at most {BATCH}"
        )
    features = Features("digits", (28, 28, 1))
    real = digits.images[:JUDGED]
    fake = array_of(gan.sample(JUDGED, seed=1), (JUDGED, 28, 28, 1), "gan.sample(2000)")
    return frechet_distance(features(real), features(fake.astype(np.float32)))


LAB = Lab(
    "06",
    "From points to digits",
    start_of("06"),
    (
        Task(
            "predictions",
            1,
            _predictions,
            (
                "There is no wrong answer, only a missing one.",
                "Choose one of the answers behind each line.",
                "Copy the answer to the letter, with its quotation marks, between the empty ones.",
            ),
        ),
        Task(
            "prepare",
            2,
            _prepare,
            (
                "What is the least, and what the largest number that comes out? And of a tanh?",
                "From 0 .. 255 to -1 .. 1.",
                "Divide by half of 255 and subtract 1.",
            ),
        ),
        Task(
            "feature_matching_gradient",
            3,
            Gradient("feature_matching", _features, ("fake",), loss=True),
            (
                "L sees the fakes only through the mean of their features.",
                "With h = tanh(fake W + b): dL/dh is the same for every row, -2 apart / n. n is the number of fakes.",
                "Times 1 - h^2, then times W transposed. apart is the real mean minus the fake one.",
            ),
        ),
        Task(
            "dropout_backward",
            3,
            Gradient("dropout_forward", _noise, ("x", "v")),
            (
                "x is multiplied by 1 + e^v epsilon. What is the slope?",
                "v moves every row of its column: the gradient is a sum over rows.",
                "dv sums dy x epsilon e^v over the rows: the derivative of e^v is e^v.",
            ),
        ),
        Task(
            "nearest_training_images",
            2,
            _nearest,
            (
                "Flatten the images to rows first, and mind their dtype.",
                "uint8 cannot hold negative differences: take both as floats.",
                "The squared distances of all pairs, argmin over the training images, and the root of that smallest "
                "one.",
            ),
        ),
        Task(
            "train_digits",
            3,
            Milestone(
                _trained,
                DISTANCE,
                f"the digits' distance, {JUDGED:,} images",
                "With twenty seeds mnist_mlp and the defaults, 1,500 steps of 64, had 217 to 292.",
                below=True,
            ),
            (
                "The names of the lesson: G, D = mg.models.mnist_mlp(seed=seed), then a mg.GAN, then mg.train.",
                "Take all the steps that are allowed, and a batch of 64. The defaults of mg.GAN are those of DCGAN.",
                "mg.train(gan, digits, steps=1500, batch_size=64, progress=False), and return gan.",
            ),
            seconds=400,
        ),
    ),
    allow=("numpy", "math", "minigan"),
)
