"""Runs that one switch has broken, each in its way, and the finding that the doctor owes them.

python -m tests.broken_runs [NAME ...]    train them and print what the doctor says
"""

import sys
from functools import cache
from typing import Any, NamedTuple

import numpy as np

import minigan as mg
from minigan.data import ImageSet, mnist
from minigan.diagnostics import Diagnostics
from minigan.initializers import normal
from minigan.layers import BatchNorm, Conv2DTranspose, Dense, Flatten, LeakyReLU, ReLU, Reshape, Tanh

STEPS, BATCH = 600, 32
RATE = 2e-4


class Plan(NamedTuple):
    """What a run is made of; a fault replaces one entry."""

    G: list
    D: list
    gan: dict[str, Any] = {}  # noqa: RUF012
    rates: tuple[float, float] = (RATE, RATE)
    beta1: float = 0.5
    data: Any = None
    noise_scale: float = 1.0
    steps: int = STEPS


@cache
def digits() -> ImageSet:
    return mnist("train", labels=False)


@cache
def unseen() -> np.ndarray:
    return mnist("test", labels=False).images[:256]


def generator(momentum=0.8, hidden=LeakyReLU, b=0.0, first=None):
    layers = []
    for width in (128, 256):
        layers += [Dense(width, **({"b_init": normal(1e-9, b)} if b else {})), hidden()]
        layers += [] if momentum is None else [BatchNorm(momentum=momentum)]
    return [*layers, Dense(784), Tanh(), Reshape((28, 28, 1))]


def critic(width=128):
    return [Flatten(), Dense(width), LeakyReLU(0.2), Dense(width), LeakyReLU(0.2), Dense(1)]


def healthy() -> Plan:
    return Plan(generator(), critic())


def rastered(kernel):
    """A G whose last two layers double the sides."""
    return [Dense(7 * 7 * 16), BatchNorm(), ReLU(), Reshape((7, 7, 16)), Conv2DTranspose(16, kernel, 2, "same"), BatchNorm(), ReLU(),
            Conv2DTranspose(1, kernel, 2, "same"), Tanh()]  # fmt: skip


def half_bright():
    return ImageSet((digits().images[:10_000] / 255.0 * 0.999 - 0.0).astype(np.float32) - 1e-6, "too bright")


FAULTS = {
    "ranges": ("ranges of real", lambda: healthy()._replace(data=half_bright)),
    "won": ("D has won", lambda: healthy()._replace(rates=(RATE, RATE * 10), gan={"objective": "saturating"})),
    "memorises": ("by heart", lambda: healthy()._replace(data=lambda: ImageSet(digits().images[:100], "few"), steps=2000)),
    "statistics": ("running statistics", lambda: healthy()._replace(G=generator(momentum=0.9999))),
    "rastered": ("checkerboard", lambda: healthy()._replace(G=rastered(3))),
    "high": ("too high", lambda: healthy()._replace(rates=(0.02, 0.02))),
    "c1": ("Modes have collapsed", lambda: healthy()._replace(rates=(RATE*10, RATE))),
    "c2": ("Modes have collapsed", lambda: healthy()._replace(gan={"g_steps": 10})),
    "c3": ("Modes have collapsed", lambda: healthy()._replace(G=generator(momentum=None), rates=(RATE*10, RATE))),
    "o1": ("oscillates", lambda: healthy()._replace(beta1=0.9, rates=(RATE*10, RATE*10))),
    "o2": ("oscillates", lambda: healthy()._replace(beta1=0.99, rates=(RATE*10, RATE*10))),
    "o3": ("oscillates", lambda: healthy()._replace(beta1=0.5, rates=(RATE*20, RATE*20))),
    "healthy": ("", healthy),
}  # fmt: skip


def train(plan: Plan, seed: int, out=None):
    G = mg.Generator(plan.G, input_shape=64, name="G", seed=seed)
    D = mg.Sequential(plan.D, input_shape=(28, 28, 1), name="D", seed=seed)
    gan = mg.GAN(G, D, g_optimizer=mg.Adam(G, plan.rates[0], plan.beta1), d_optimizer=mg.Adam(D, plan.rates[1], plan.beta1),
                 seed=seed, **plan.gan)  # fmt: skip
    recorded = Diagnostics(held_out=unseen(), every=20)
    data = plan.data() if plan.data else digits()
    try:
        mg.train(
            gan, data, steps=plan.steps, batch_size=BATCH, log_every=20, out=out, callbacks=[recorded], progress=False
        )
    except mg.MiniganError as error:
        print(error)
    return gan, recorded


def main(names):
    import time

    for name in names or FAULTS:
        started = time.perf_counter()
        gan, recorded = train(FAULTS[name][1](), 0)
        line = recorded.lines[-1]
        norm = lambda v: sum(x * x for x in v if x) ** 0.5
        s = line["scores"]
        r, f, h = (np.mean(s[k]) for k in ("real", "fake", "held_out"))
        hist = gan._record.rows
        rows = hist

        gl = np.array([x["g_loss"] for x in rows])
        gl = gl[len(gl) // 2 :]
        print(
            f"  gloss {gl[-8:].round(2)} osc {np.std(np.diff(gl)) / abs(gl.mean()):.2f} uG first {[float(np.median(l['G']['update'])) for l in recorded.lines[:4]]} near {[l['variety']['nearest'] for l in recorded.lines[::5]]}"
        )
        print(
            f"{name:11} {time.perf_counter() - started:4.0f}s out {line['outside']} acc {hist[-1].get('d_accuracy', float('nan')):.3f} "
            f"loss {hist[-1]['d_loss']:.3g} known {(r - h) / (r - f):.2f} gG {norm(recorded.lines[0]['G']['gradient']):.2g}->{norm(line['G']['gradient']):.2g} "
            f"uG {np.median([x for x in line['G']['update'] if x is not None]):.1g} uD {np.median(line['D']['update']):.1g} pin {line['pinned']} "
            f"zero {max(line['G']['zero'] + line['D']['zero']):.2f} gap {line['gap'] or 0:.2f} d' {(r - h) / np.std(s['held_out']):.2f} var {line['variety']} raster {line['raster']:.2f}/{line['real_raster']:.2f} sharp {line['sharpness']:.2f} pen {hist[-1].get('d_penalty')}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
