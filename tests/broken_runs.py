"""Runs that one switch has broken, each in its way, and the finding that the doctor owes them.

python -m tests.broken_runs [NAME ...]    train them and print what the doctor says
"""

import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import minigan as mg
from minigan.data import ImageSet, mnist
from minigan.doctor import diagnose
from minigan.doctor_chart import Chart, Finding
from minigan.initializers import normal, zeros
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
)

STEPS, BATCH = 600, 32
RATE = 2e-4


class Plan(NamedTuple):
    """What a run is made of; a fault replaces one entry."""

    G: list[Layer]
    D: list[Layer]
    gan: dict[str, Any] = {}  # noqa: RUF012 - never changed
    rates: tuple[float, float] = (RATE, RATE)
    beta1: float = 0.5
    data: Callable[[], Any] | None = None
    steps: int = STEPS


@cache
def digits() -> ImageSet:
    return mnist("train", labels=False)


@cache
def unseen() -> np.ndarray:
    return mnist("test", labels=False).images[:256]


def generator(momentum: float | None = 0.8, hidden: type[Layer] = LeakyReLU, b: float = 0.0) -> list[Layer]:
    """momentum: of BatchNorm, None for a G without    b: what the biases begin with"""
    layers: list[Layer] = []
    for width in (128, 256):
        layers += [Dense(width, b_init=normal(1e-9, b) if b else zeros), hidden()]
        layers += [] if momentum is None else [BatchNorm(momentum=momentum)]
    return [*layers, Dense(784), Tanh(), Reshape((28, 28, 1))]


def critic(width: int = 128) -> list[Layer]:
    return [Flatten(), Dense(width), LeakyReLU(0.2), Dense(width), LeakyReLU(0.2), Dense(1)]


def healthy() -> Plan:
    return Plan(generator(), critic())


def strided() -> list[Layer]:
    """A G whose last two layers double the sides."""
    last = Conv2DTranspose(1, 4, 2, "same")
    return [Dense(7 * 7 * 16), BatchNorm(), ReLU(), Reshape((7, 7, 16)), Conv2DTranspose(16, 4, 2, "same"), BatchNorm(),
            ReLU(), last, Tanh()]  # fmt: skip


def skipping() -> list[Layer]:
    """A D whose first kernels are smaller than their stride: three of four pixels are never looked at."""
    return [Conv2D(16, 1, 2), LeakyReLU(0.2), *critic()]


def few() -> ImageSet:
    return ImageSet(digits().images[:50], "few")


WASSERSTEIN = {"objective": "wasserstein"}


class Mute(Layer):
    """y = x / 10^6: hardly any of the noise gets through."""

    def forward(self, x, train):
        return self.context.backend.xp.multiply(x, 1e-6, out=self.buf("y", x.shape))

    def backward(self, dy, params=True, inputs=True):
        return self.context.backend.xp.multiply(dy, 1e-6, out=self.buf("dx", dy.shape)) if inputs else None


FAULTS = {  # by what the finding must say: one switch each, from a healthy run
    "ranges of real and fake": healthy()._replace(G=[*generator()[:-2], Sigmoid(), Reshape((28, 28, 1))]),
    "D has won": healthy()._replace(gan={"objective": "saturating"}, rates=(RATE, 10 * RATE)),
    "by heart": healthy()._replace(data=few, steps=2_000),
    "gradient explodes": healthy()._replace(gan=WASSERSTEIN, steps=1_500),
    "learning rate of G is too high": healthy()._replace(rates=(0.02, RATE)),
    "learning rate of D is too high": healthy()._replace(rates=(RATE, 0.02)),
    "learning rate of G is too low": healthy()._replace(rates=(1e-8, RATE)),
    "learning rate of D is too low": healthy()._replace(rates=(RATE, 1e-8)),
    "Clipping pins": healthy()._replace(gan=WASSERSTEIN | {"clip": mg.WeightClipping(1e-4)}),
    "slope is far from 1": healthy()._replace(gan=WASSERSTEIN | {"penalty": mg.GradientPenalty(1e-4)}),
    "is dead": healthy()._replace(G=generator(momentum=None, hidden=ReLU, b=-20.0)),
    "running statistics": healthy()._replace(G=generator(momentum=0.9999)),
    "ignores its noise": healthy()._replace(G=[Mute(), *generator(momentum=None)]),
    "Modes have collapsed": healthy()._replace(G=generator(momentum=None), rates=(3 * RATE, RATE / 3), steps=2_100),
    "checkerboard": healthy()._replace(G=strided(), D=skipping(), steps=2_000),
    "oscillate": healthy()._replace(rates=(10 * RATE, 10 * RATE), beta1=0.9),
    "needs more steps": healthy()._replace(steps=100),
}


def train(plan: Plan, seed: int) -> list[Finding]:
    """What the doctor says of the run."""
    G = mg.Generator([layer.clone() for layer in plan.G], input_shape=64, name="G", seed=seed)
    D = mg.Sequential([layer.clone() for layer in plan.D], input_shape=(28, 28, 1), name="D", seed=seed)
    rates = {"g_optimizer": mg.Adam(G, plan.rates[0], plan.beta1), "d_optimizer": mg.Adam(D, plan.rates[1], plan.beta1)}
    gan = mg.GAN(G, D, seed=seed, **rates, **plan.gan)
    data = digits() if plan.data is None else plan.data()
    measured = mg.Diagnostics(every=20, held_out=unseen())
    run = mg.train(
        gan, data, steps=plan.steps, batch_size=BATCH, log_every=20, callbacks=[measured], progress=False,
    )  # fmt: skip
    return diagnose(Chart(run.history, measured.lines, measured.layers, gan.config(), G, digits=True))


def main(seeds: int, names: list[str]) -> None:
    """The rows of the table of docs/doctor.md."""
    for words, plan in {**FAULTS, "": healthy()._replace(steps=3_000)}.items():
        if names and words not in names:
            continue
        found = [train(plan, seed) for seed in range(seeds)]
        hits = sum(any(words and words in finding.name for finding in one) for one in found)
        others = Counter(finding.name for one in found for finding in one if not words or words not in finding.name)
        print(f"| {words or 'healthy'} | {hits} of {seeds} | {dict(others)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:])
