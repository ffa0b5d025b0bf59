"""Points in the plane: how many modes different GANs find, in PacGAN's two tests; and penalties that come too seldom.

    python examples/experiments/points.py                              every method, three seeds: half an hour
    python examples/experiments/points.py --methods 'GAN|pairs+R1+R2' --sets grid --seeds 1
    python examples/experiments/points.py --out points.jsonl           and go on there: what it holds is not repeated

Ring: 8 Gaussians on a circle of radius 1, standard deviation 0.01. Grid: 25, half apart, 0.0125. These are the sets of
Lin et al. 2018 (PacGAN, arXiv:1712.04086, section 4.1), the grid at a quarter of its size. Every method has the same
networks (models.toy2d), the same Adam and as many steps; 2,500 points are judged, as there. docs/experiments.md has the
results.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from common import Row, chosen, measure, table

import minigan as mg
from minigan.cli import guarded
from minigan.metrics import mixture_modes

SETS = {"ring": lambda: mg.data.ring(8, 100_000, std=0.01), "grid": lambda: mg.data.grid(5, 100_000, std=0.0125)}
BATCH, POINTS = 128, 2_500


@dataclass(frozen=True)
class Method:
    """A GAN's loss, its penalty, and how often that is a part of D's loss; and how many points D sees at once."""

    objective: str = "non-saturating"
    penalty: mg.Penalty | None = None
    every: int = 1
    pack: int = 1


GAMMA = 0.1
METHODS = {
    "GAN": Method(),
    "PacGAN2": Method(pack=2),
    "GAN+R1+R2": Method(penalty=mg.R1R2(GAMMA)),
    "pairs": Method("relativistic"),
    "pairs+R1": Method("relativistic", mg.R1(GAMMA)),
    "pairs+R1+R2": Method("relativistic", mg.R1R2(GAMMA)),
    "pairs+R1+R2, every 4th": Method("relativistic", mg.R1R2(GAMMA), every=4),
    "pairs+R1+R2, every 16th": Method("relativistic", mg.R1R2(GAMMA), every=16),
}


def trained(method: Method, points: mg.data.ArrayData, steps: int, seed: int) -> mg.GAN:
    """A GAN after so many steps. A lazy penalty is as many times as heavy as there are steps between two of it."""
    G, D = mg.models.toy2d(pack=method.pack, seed=seed)
    adams = {"g_optimizer": mg.Adam(G, 1e-3, 0.0, 0.99), "d_optimizer": mg.Adam(D, 1e-3, 0.0, 0.99)}
    settle = mg.BurnIn(steps * BATCH, learning_rate=0.01)  # half a cosine: in the end G stands nearly still
    gan = mg.GAN(G, D, objective=method.objective, pack=method.pack, schedule=settle, seed=seed, **adams)
    for step in range(steps):
        if method.penalty is not None:
            now = step % method.every == 0
            gan.penalty, gan.fused = (method.penalty.scaled(method.every), True) if now else (None, False)
        gan.step(points.batch(BATCH, seed, step))
    return gan


def measured(method: str, data: str, steps: int, seed: int) -> Row:
    """What came out of one run."""
    points, start = SETS[data](), time.process_time()
    try:
        found = mixture_modes(trained(METHODS[method], points, steps, seed).sample(POINTS), points.centres, points.std)
        row = {"modes": found.hit, "high quality": found.high_quality, "reverse KL": found.divergence}
    except mg.MiniganError as error:  # points that are not finite
        row = {"modes": 0, "high quality": 0.0, "reverse KL": None, "error": str(error)}
    return row | {"CPU seconds": round(time.process_time() - start, 1)}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="", help="some of them, with | between: 'GAN|PacGAN2'")
    parser.add_argument("--sets", default="", help="ring, or grid")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on (default 3)")
    parser.add_argument("--steps", type=int, default=8_000, help="of training (default 8,000)")
    parser.add_argument("--out", type=Path, help="a file of rows, which is gone on with")
    asked = parser.parse_args(argv)
    methods, sets = chosen(asked.methods, METHODS, "--methods"), chosen(asked.sets, SETS, "--sets")
    runs = [
        {"method": method, "data": data, "steps": asked.steps, "seed": seed}
        for seed in range(asked.seeds)
        for data in sets
        for method in methods
    ]
    rows = measure(runs, measured, asked.out)
    print(table(rows, ("method", "data"), {"modes": 1, "high quality": 3, "reverse KL": 3, "CPU seconds": 0}))


if __name__ == "__main__":
    sys.exit(guarded(main))
