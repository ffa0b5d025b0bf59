"""Train a GAN on points of the plane and write a page that shows how: what D says, where G's points are pushed.

    python examples/toy_gan.py                       a ring of eight clusters, 3,000 steps: toy.html
    python examples/toy_gan.py grid --steps 6000     25 clusters
    python examples/toy_gan.py spiral
    python examples/toy_gan.py drawing.png           the dark parts of a picture that you drew

The networks and the step are yours to change below. Open the page in a browser: a slider moves the time, boxes show and
hide D's score, G's points, the grid that G warps, and the arrows -dL/dx along which G's loss would move its points.
"""

import argparse
import sys
from pathlib import Path

import minigan as mg
from minigan.cli import guarded
from minigan.layers import Dense, LeakyReLU

SETS = {"ring": mg.data.ring, "grid": mg.data.grid, "spiral": mg.data.spiral}


def networks(width: int, seed: int) -> tuple[mg.Sequential, mg.Sequential]:
    """From two numbers of noise to a point; and from a point to one number, D's score."""
    G = mg.Sequential(
        [Dense(width), LeakyReLU(0.2), Dense(width), LeakyReLU(0.2), Dense(width), LeakyReLU(0.2), Dense(2)],
        input_shape=2,
        name="G",
        seed=seed,
    )
    D = mg.Sequential(
        [Dense(width), LeakyReLU(0.2), Dense(width), LeakyReLU(0.2), Dense(width), LeakyReLU(0.2), Dense(1)],
        input_shape=2,
        name="D",
        seed=seed,
    )
    return G, D


def game(G: mg.Sequential, D: mg.Sequential, objective: str, rate: float, seed: int) -> mg.GAN:
    """Who minimises what, and with which optimizer."""
    adams = {"g_optimizer": mg.Adam(G, rate, 0.5), "d_optimizer": mg.Adam(D, rate, 0.5)}
    return mg.GAN(G, D, objective=objective, seed=seed, **adams)


def points(name: str):
    """The set of that name, or the drawing in that file."""
    return SETS[name]() if name in SETS else mg.data.drawing(name)


def free_name(asked: Path | None) -> Path:
    """The page that was asked for, or the first of toy.html, toy2.html ... that is free."""
    if asked and (asked.suffix.lower() != ".html" or not asked.parent.is_dir()):
        raise mg.MiniganError(f"--out {asked}: wanted a name that ends in .html, in a folder that exists")
    names = [asked] if asked else [Path(f"toy{i}.html") for i in ("", *range(2, 1_000))]
    found = next((name for name in names if not name.exists()), None)
    if found is None:
        raise mg.MiniganError(f"{names[0]} exists already, and is not overwritten: name another page with --out")
    return found


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="ring", help="ring, grid, spiral, or a PNG file with a drawing")
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--width", type=int, default=128, help="of the hidden layers (default 128)")
    parser.add_argument("--objective", default="non-saturating", help="what G and D minimise")
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate of both Adams (default 0.001)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="default: toy.html, or the next free name")
    asked = parser.parse_args(argv)

    page = free_name(asked.out)
    gan = game(*networks(asked.width, asked.seed), asked.objective, asked.lr, asked.seed)
    explorer = mg.Explorer(every=max(1, asked.steps // 100), source=Path(__file__).read_text(encoding="utf-8"))
    run = mg.train(gan, points(asked.data), steps=asked.steps, batch_size=128, callbacks=[explorer])
    explorer.save(page)
    print(f"{run}\nopen it in a browser: {page}")


if __name__ == "__main__":
    sys.exit(guarded(main))
