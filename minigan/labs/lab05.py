"""Lab 5: how far generated points are from real ones. Every case is built so that its answer is known."""

import math

import numpy as np

from .catalogue import start_of
from .draw import Draw
from .task import Lab, Question, Task, Wrong, number, require_close

FAR = 1000.0  # between groups that shall not meet


def _spots(draw: Draw, n: int, d: int) -> np.ndarray:
    """n places that are far from each other.    (n, d)"""
    places = draw.normal(n, d)
    places[:, 0] = FAR * (1 + draw.rng.permutation(n))
    return places


def _count_modes(question: Question) -> None:
    """Modes with points near, too far and at the border between two."""
    for again in range(4):
        draw = Draw(f"{question.words} {again}", 1)
        k, d, std = draw.fixed(4, 9), draw.fixed(2, 3), draw.number(0.01, 0.5)
        centres = 20 * std * np.stack([np.arange(k), *np.zeros((d - 1, k))], axis=1)
        near, far = draw.rng.integers(0, 5, k), draw.rng.integers(0, 4, k)
        near[0], far[1], near[1] = 3, 2, 0
        points = []
        for centre, n, m in zip(centres, near, far, strict=True):
            for count, low, high in ((n, 0.0, 2.9), (m, 3.1, 8.0)):
                away = draw.normal(int(count), d)
                away *= draw.uniform(low, high, int(count), 1) * std / np.sqrt((away**2).sum(axis=1, keepdims=True))
                points.append(centre + away)
        found = question.function(draw.rng.permutation(np.concatenate(points)), centres, std)
        if not isinstance(found, tuple) or len(found) != 2:
            raise Wrong("count_modes has to return two numbers: how many modes are hit, and the share of high quality")
        hit, good = (near > 0).sum(), near.sum() / (near.sum() + far.sum())
        require_close(number(found[0], "the number of modes"), hit, "the number of modes",
                      f"so many of the {k} centres have a point within 3 std; others hit nothing")  # fmt: skip
        require_close(number(found[1], "the share"), good, "the share of high quality",
                      f"{near.sum()} of {near.sum() + far.sum()} points lie within 3 std of their centre")  # fmt: skip


def _reverse_kl(question: Question) -> None:
    """Equal shares, all in one mode, half of the modes; and pairs in the ratio 3 to 1."""
    draw = Draw(question.words, 1)
    k, n = draw.fixed(4, 12), draw.fixed(3, 50)
    one = np.zeros(k)
    one[draw.fixed(0, k - 1)] = n
    half = draw.rng.permutation(np.repeat([0, n], k))
    pairs = draw.rng.permutation(np.repeat([n, 3 * n], k))
    for counts, wanted, because in (
        (np.full(k, n), 0.0, "all modes have equally many points"),
        (one, math.log(k), f"all points are in one of {k} modes"),
        (half, math.log(2), "half of the modes have equally many points, the others none"),
        (
            pairs,
            0.75 * math.log(1.5) + 0.25 * math.log(0.5),
            "half of the modes have three times as many as the others",
        ),
    ):
        found = number(question.function(counts.copy()), "the divergence")
        require_close(
            found, wanted, "the divergence", f"{because}: counts = {counts.astype(int).tolist()}", 1e-9, 1e-12
        )


def _coverage(question: Question) -> None:
    """Groups of real points in which the k-th neighbour is the opposite one; some have a fake within reach."""
    for again in range(4):
        draw = Draw(f"{question.words} {again}", 1)
        k = 3 if again % 2 else 1
        ring = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], float)[: k + 1]
        groups = draw.fixed(4, 9)
        spots, size = _spots(draw, groups, 3), draw.uniform(0.5, 2, groups)
        hit = draw.rng.permutation(groups) < draw.fixed(1, groups - 1)
        real = np.concatenate([spot + s * ring for spot, s in zip(spots, size, strict=True)])
        beside = np.array([0, 0, 1.375])  # 1.7 from each point of the ring; 2 is within reach, and root of 2 too near
        outside = np.array([0, 0, 2.5])
        fake = np.array([spot + s * (beside if h else outside) for spot, s, h in zip(spots, size, hit, strict=True)])
        fake = np.concatenate([fake, fake, [[-FAR, 0, 0]]])
        order = draw.rng.permutation
        found = number(question.function(order(real), order(fake), k), "the coverage")
        require_close(found, hit.mean(), f"the coverage for k = {k}",
                      f"of {groups} groups of real points, {hit.sum()} have a generated one within reach")  # fmt: skip


def _nearest(question: Question) -> None:
    """Pairs far from each other: two real ones, two fakes, or one of each."""
    for again in range(4):
        draw = Draw(f"{question.words} {again}", 1)
        mixed, reals, fakes = draw.fixed(1, 9), draw.fixed(1, 7), draw.fixed(2, 8)
        d = draw.fixed(2, 5)
        spots = _spots(draw, mixed + reals + fakes, d)
        first, second = spots, spots + draw.uniform(0.1, 1, *spots.shape)
        a, b = mixed, mixed + reals
        real = np.concatenate([first[:a], first[a:b], second[a:b]])
        fake = np.concatenate([second[:a], first[b:], second[b:]])
        wanted = (2 * reals + 2 * fakes) / (len(real) + len(fake))
        found = number(question.function(draw.rng.permutation(real), draw.rng.permutation(fake)), "the accuracy")
        require_close(found, wanted, "the accuracy",
                      f"{mixed} pairs of a real and a generated point, {reals} of two real, {fakes} of two generated "
                      f"ones, all far from each other")  # fmt: skip


def _standardised(question: Question) -> None:
    """A fake that is a real point stays one; real columns have mean 0 and standard deviation 1."""
    draw = Draw(question.words, 1)
    n, d = draw.fixed(6, 12), draw.fixed(3, 5)
    real = draw.normal(n, d) * draw.uniform(0.5, 9, d) + draw.normal(d)
    real[:, 1] = 4.0
    fake = np.concatenate([real[2:5], real[2:5] + 1])
    found = question.function(real.copy(), fake.copy())
    if not isinstance(found, tuple) or len(found) != 2:
        raise Wrong("standardised has to return two arrays: real, fake")
    require_close(
        found[1][:3], np.asarray(found[0])[2:5], "fake[:3]", "three fakes are copies of real points 2, 3 and 4"
    )
    require_close(found[0].mean(axis=0), np.zeros(d), "the mean of real", "each column has mean 0", atol=1e-9)
    spread = np.ones(d)
    spread[1] = 0
    require_close(found[0].std(axis=0), spread, "the standard deviation of real", "1, and 0 where real is constant")
    moved = np.delete(np.asarray(found[1])[3:] - np.asarray(found[1])[:3], 1, axis=1)
    require_close(moved, np.tile(1 / np.delete(real.std(axis=0), 1), (3, 1)), "fake[3:] - fake[:3]",
                  "they lie 1 apart, in units of the real ones' standard deviations")  # fmt: skip


def _frechet(question: Question) -> None:
    """Equal samples, shifted ones, and ones that are wider; both changes add up."""
    draw = Draw(question.words, 1)
    n, d = draw.fixed(5, 20), draw.fixed(2, 6)
    x = draw.normal(n, d)
    x = (x - x.mean(axis=0)) / x.std(axis=0)  # mean 0 and standard deviation 1, exactly
    shift, wider = draw.normal(d), draw.uniform(0.2, 3, d)
    twice = np.concatenate([x, x])
    of_shift, of_width = (shift**2).sum(), ((wider - 1) ** 2).sum()
    for y, wanted, because in (
        (x, 0.0, "y is x"),
        (twice, 0.0, "y has every row of x twice: the same mean and standard deviation with 1/n"),
        (x + shift, of_shift, "y is x, shifted: the length of the shift, squared"),
        (x * wider, of_width, "the columns of y are wider than those of x, by known factors"),
        (x * wider + shift, of_shift + of_width, "y is wider and shifted: both parts add up"),
    ):
        for one, other in ((x, y), (y, x)):
            found = number(question.function(one.copy(), other.copy()), "the distance")
            require_close(found, wanted, "the distance", because, 1e-9, 1e-9)


LAB = Lab(
    "05",
    "Is it any good?",
    start_of("05"),
    (
        Task(
            "count_modes",
            2,
            _count_modes,
            (
                "Distances of all points from all centres: points[:, None] - centres has the shape (n, k, d).",
                "argmin over the centres gives each point's centre; then compare that distance with 3 std.",
                "The modes are len(set(...)) of the centres of the good points; the share is the mean of `good`.",
            ),
        ),
        Task(
            "reverse_kl",
            2,
            _reverse_kl,
            (
                "Make shares of the counts first.",
                "0 log 0 is 0: leave out the modes without points in the sum, not in K.",
                "p = counts[counts > 0] / counts.sum(); the sum of p log(p K), with K = len(counts).",
            ),
        ),
        Task(
            "coverage",
            3,
            _coverage,
            (
                "You need two tables of distances: real to real, and real to fake.",
                "Sort each row of the first: entry 0 is the point itself, at distance 0. So the k-th other one is "
                "entry k.",
                "A real point is covered if the smallest number in its row of the second table is not above its "
                "radius.",
            ),
        ),
        Task(
            "nearest_neighbour_accuracy",
            3,
            _nearest,
            (
                "One table of distances of all points from all; a point is not its own neighbour.",
                "Set the diagonal to infinity, then argmin of each row is the nearest other point.",
                "kind = n zeros and m ones; the mean of kind[nearest] == kind.",
            ),
        ),
        Task(
            "standardised",
            1,
            _standardised,
            (
                "With which numbers is `fake` shifted and divided?",
                "Its own mean is taken out of it: a G whose images are all too bright shows nothing.",
                "Take mean and standard deviation of real for both; where that deviation is 0, divide by 1.",
            ),
        ),
        Task(
            "frechet_diagonal",
            3,
            _frechet,
            (
                "Means and standard deviations over the rows, axis 0.",
                "The differences of the standard deviations are squared, not those of the variances.",
                "The sum over the columns of both squares, as it stands in the formula.",
            ),
        ),
    ),
)
