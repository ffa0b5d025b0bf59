"""MNIST: four GANs of the examples with the same CPU time, judged as `minigan evaluate` does.

    python examples/experiments/digits.py                         20 CPU minutes each: ten minutes of two cores
    python examples/experiments/digits.py --minutes 1 --methods 'mnist_dcgan|mnist_r3gan' --seeds 1
    python examples/experiments/digits.py --out digits.jsonl      and go on there: what it holds is not repeated

Each GAN is its example's, with the example's own settings, and stops when the process has used that much CPU time, all
threads together. docs/experiments.md has the results.
"""

import argparse
import importlib
import inspect
import sys
import time
from pathlib import Path

from common import Row, chosen, measure, table

import minigan as mg
from minigan.cli import guarded
from minigan.metrics import evaluate

METHODS = ("mnist_mlp_gan", "mnist_dcgan", "mnist_wgan_gp", "mnist_r3gan")
SHOWN = {"Frechet distance": 1, "precision (k = 3)": 3, "recall (k = 3)": 3, "coverage (k = 5)": 3}
IMAGES = 10_000


class Budget:
    """Ends a run that has used so much CPU time."""

    def __init__(self, minutes: float) -> None:
        self.end = time.process_time() + 60 * minutes

    def on_step(self, training: object, losses: object) -> None:
        """Look at the clock."""
        if time.process_time() > self.end:
            training.stop("its CPU time is used")


def trained(method: str, minutes: float, seed: int) -> mg.GAN:
    """The GAN of an example, after so many CPU minutes."""
    sys.path.append(str(Path(__file__).parent.parent))
    module = importlib.import_module(method)
    settings = module.Settings(seed=seed)
    networks = module.networks(settings)
    digits = mg.data.mnist("train", labels=False)
    digits = digits.with_batches(sampling=getattr(settings, "sampling", "replacement"))
    epoch = len(digits) // settings.batch_size
    gan = module.game(settings, *networks, *[epoch][: len(inspect.signature(module.game).parameters) - 3])
    mg.train(gan, digits, steps=10**9, batch_size=settings.batch_size, callbacks=[Budget(minutes)], progress=False)
    return gan


def measured(method: str, minutes: float, seed: int) -> Row:
    """What came out of one run."""
    gan = trained(method, minutes, seed)
    found = evaluate(mg.data.mnist("train", labels=False).images, gan.sample(IMAGES, seed=1), "digits")
    return {"steps": gan.steps} | {name: found[name].value for name in SHOWN}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="", help="some of them, with | between")
    parser.add_argument("--minutes", type=float, default=20, help="of CPU time for each run (default 20)")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0 on (default 1)")
    parser.add_argument("--out", type=Path, help="a file of rows, which is gone on with")
    asked = parser.parse_args(argv)
    methods = chosen(asked.methods, METHODS, "--methods")
    runs = [{"method": m, "minutes": asked.minutes, "seed": seed} for seed in range(asked.seeds) for m in methods]
    rows = measure(runs, measured, asked.out)
    print(table(rows, ("method", "minutes"), {"steps": 0} | SHOWN))


if __name__ == "__main__":
    sys.exit(guarded(main))
