"""Train a GAN on points of the plane, eight clusters on a circle: what it learns, and what it misses, is seen.

    python examples/ring.py [STEPS] [PICTURE]      the picture is ring.png; 3,000 steps find all eight

Red points are G's, grey ones are real. Nothing else is written: mg.train keeps a run in a folder only if `out` says so.
"""

import argparse
import sys
from pathlib import Path

import minigan as mg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("steps", nargs="?", type=int, default=3_000, metavar="STEPS")
parser.add_argument("picture", nargs="?", type=Path, default="ring.png", metavar="PICTURE")
steps, picture = vars(parser.parse_args()).values()
if picture.exists():
    print(f"error: {picture} exists already: name another, {sys.argv[0]} {steps} another.png", file=sys.stderr)
    sys.exit(2)

gan = mg.GAN(*mg.models.toy2d())
run = mg.train(gan, mg.data.ring(8), steps=steps)
mg.pictures.save_png(picture, run.picture, overwrite=False)
print(f"{run}\n1,000 points: {picture}")
