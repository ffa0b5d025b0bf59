"""Train a GAN on points of the plane, eight clusters on a circle: what it learns, and what it misses, is seen.

    python examples/ring.py [STEPS] [PICTURE]      3,000 steps find all eight

Without PICTURE it is ring.png, and ring2.png the next time. Red points are G's, grey ones are real. Nothing else is
written: mg.train keeps a run in a folder only if `out` says so.
"""

import argparse
import sys
from pathlib import Path

import minigan as mg

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("steps", nargs="?", type=int, default=3_000, metavar="STEPS")
parser.add_argument("picture", nargs="?", type=Path, metavar="PICTURE")
steps, picture = vars(parser.parse_args()).values()
names = [picture] if picture else [Path(f"ring{i}.png") for i in ("", *range(2, 1_000))]
picture = next((name for name in names if not name.exists()), None)
if picture is None:
    print(f"error: {names[0]} exists already, and is not overwritten: name another picture", file=sys.stderr)
    sys.exit(2)

gan = mg.GAN(*mg.models.toy2d())
run = mg.train(gan, mg.data.ring(8), steps=steps)
mg.pictures.save_png(picture, run.picture, overwrite=False)
print(f"{run}\n1,000 points: {picture}")
