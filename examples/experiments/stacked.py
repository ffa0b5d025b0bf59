"""Stacked MNIST of two digits, 100 modes: which of R3GAN's parts are needed at a size that a laptop can pay?

    python examples/experiments/stacked.py                        the whole table: hours
    python examples/experiments/stacked.py --methods 'pairs+R1+R2' --seeds 1
    python examples/experiments/stacked.py --out stacked.jsonl    and go on there: what it holds is not repeated

An image has two channels, each a digit of its own, drawn at random (after Metz et al. 2017, who stack three). A
classifier reads the digits of 2,600 generated images; the modes are the pairs that occur, and the divergence is that of
their shares from equal ones. {pairs, cross-entropy} x {R1 + R2, R1, no penalty} is table 1 of Huang et al. 2024
(arXiv:2501.05441), whose networks and runs are some hundred times larger. docs/experiments.md has the results.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from common import Row, chosen, measure, table

import minigan as mg
from minigan.cli import guarded
from minigan.metrics import Features, class_balance
from minigan.metrics.features import digits_of

PENALTIES = {"R1+R2": mg.R1R2, "R1": mg.R1, "no penalty": None}
METHODS = {
    f"{loss}{'+' if penalty else ', '}{name}": (objective, penalty)
    for loss, objective in (("pairs", "relativistic"), ("GAN", "non-saturating"))
    for name, penalty in PENALTIES.items()
}
BATCH, IMAGES, GAMMA = 32, 2_600, 10.0


def stacks(digits: mg.data.ImageSet, n: int, seed: int, step: int) -> np.ndarray:
    """n pairs of digits, as the two channels of an image, a function of (seed, step).    (n, 28, 28, 2)"""
    x = digits.batch(2 * n, seed, step)
    return np.concatenate([x[:n], x[n:]], axis=3)


def trained(objective: str, penalty: type | None, steps: int, width: int, seed: int) -> mg.GAN:
    """R3GAN's networks and recipe, with this loss and this penalty; the average is the same for all."""
    G, D = mg.models.r3gan((28, 28, 2), width=width, seed=seed)
    adams = {"g_optimizer": mg.Adam(G, 2e-3, 0.0, 0.9), "d_optimizer": mg.Adam(D, 2e-3, 0.0, 0.9)}
    burn_in = mg.BurnIn(max(1, steps * BATCH // 4), beta2=0.99, penalty=0.1 if penalty else 1.0)
    made = {"penalty": penalty(GAMMA), "fused": True} if penalty else {}
    gan = mg.GAN(G, D, objective=objective, schedule=burn_in, ema=0.998, seed=seed, **made, **adams)
    digits = mg.data.mnist("train", labels=False)
    for step in range(steps):
        gan.step(stacks(digits, BATCH, seed, step))
        if step % 100 == 0:
            gan.require_finite()
    return gan


def measured(method: str, steps: int, width: int, seed: int) -> Row:
    """What came out of one run."""
    start = time.process_time()
    try:
        images = np.clip(trained(*METHODS[method], steps, width, seed).sample(IMAGES), -1, 1)
        read = [digits_of(Features("digits", (28, 28, 1))(images[..., k : k + 1])) for k in range(2)]
        found = class_balance(10 * read[0] + read[1], 100)
        row = {"modes": found.hit, "divergence": found.divergence}
    except mg.MiniganError as error:  # numbers that are not finite
        row = {"modes": 0, "divergence": None, "error": str(error)}
    return row | {"CPU minutes": round((time.process_time() - start) / 60, 2)}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="", help="some of them, with | between: 'pairs+R1+R2|GAN, no penalty'")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on (default 3)")
    parser.add_argument("--steps", type=int, default=3_000, help="of training (default 3,000)")
    parser.add_argument("--width", type=int, default=8, help="of the networks (default 8)")
    parser.add_argument("--out", type=Path, help="a file of rows, which is gone on with")
    asked = parser.parse_args(argv)
    methods = chosen(asked.methods, METHODS, "--methods")
    runs = [
        {"method": method, "steps": asked.steps, "width": asked.width, "seed": seed}
        for seed in range(asked.seeds)
        for method in methods
    ]
    rows = measure(runs, measured, asked.out)
    print(table(rows, ("method",), {"modes": 1, "divergence": 3, "CPU minutes": 1}))


if __name__ == "__main__":
    sys.exit(guarded(main))
