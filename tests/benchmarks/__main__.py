"""How fast is it? minigan, on NumPy and compiled, against PyTorch at its best, on the same cores.

    python -m tests.benchmarks [SYSTEM ...|--all]    whole steps; without a name, of mnist_mlp_gan
    python -m tests.benchmarks --layers SYSTEM       every layer alone
    python -m tests.benchmarks --penalties SYSTEM    D's gradient with and without penalties, for R3GAN's
    python -m tests.benchmarks --scaling [PICTURE]   time an image against batch, pixels and channels

A system is the name of an example, at its own batch and, but for --width, at its own size. All sides begin with the
same weights and must report the same losses first. PyTorch has fused Adam, no graph for D's fakes (but where G learns
from the same noise), D frozen while G learns, and its images in both orders: the faster counts. The environment
variable MINIGAN_THREADS sets the threads of all sides. docs/performance.md says how to read what is printed.
"""

import argparse
import json
from pathlib import Path

from tests.benchmarks import layers, penalties, scaling, step
from tests.benchmarks.processes import Side
from tests.benchmarks.systems import IMAGE_SYSTEMS, SYSTEMS, build_facts

SECOND = {"mnist_mlp_gan": 30, "mnist_dcgan": 10, "mnist_wgan_gp": 5}  # steps in a turn; the others are slower


def parse():
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=", ".join(SYSTEMS))
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--layers", metavar="SYSTEM", help="time its layers one by one")
    parser.add_argument("--penalties", metavar="SYSTEM", help="time D's gradient with and without its penalties")
    parser.add_argument(
        "--scaling", nargs="?", const="performance_scaling.png", metavar="PICTURE", help="draw the plot"
    )
    parser.add_argument("--compile", action="store_true", help="try torch.compile, too: some minutes for each system")
    parser.add_argument(
        "--busy", action="store_true", help="time each side once more, in turns with and without a busy core"
    )
    parser.add_argument("--rounds", type=int, help="turns of each side (default: 20; of layers and --scaling 5)")
    parser.add_argument(
        "--steps",
        type=int,
        help="steps in a turn (default: 30 for the MLP, 10 and 5 for the other digits, 1 for faces)",
    )
    parser.add_argument("--width", type=int, help="of the convolutional systems")
    parser.add_argument("--table", metavar="FILE", help="write the tables of docs/performance.md to this file")
    parser.add_argument("--json", metavar="FILE", help="write the numbers to this file")
    arguments = parser.parse_args()
    if arguments.all:
        arguments.systems = list(SYSTEMS)
    elif not (arguments.systems or arguments.layers or arguments.penalties or arguments.scaling):
        arguments.systems = ["mnist_mlp_gan"]
    for name in [*arguments.systems, *filter(None, (arguments.layers, arguments.penalties))]:
        if name not in SYSTEMS:
            parser.error(f"{name} is no system; they are {', '.join(SYSTEMS)}")
    return arguments


def settings_of(name, arguments):
    """What differs from the example's own: an average of G's weights would be work that PyTorch's side does not do."""
    if name not in IMAGE_SYSTEMS:
        return {}
    return {"ema": 0.0} | ({"width": arguments.width} if arguments.width else {})


def main():
    arguments = parse()
    side = Side(build_facts)
    found = {"machine": side.facts(), "systems": {}}
    side.finish()
    for name, value in found["machine"].items():
        print(f"{name:<9} {value}")
    for name in arguments.systems:
        settings, steps = settings_of(name, arguments), arguments.steps or SECOND.get(name, 1)
        measured = step.compare(name, settings, arguments.rounds or 20, steps, arguments.compile, arguments.busy)
        found["systems"][name] = measured
        step.report(name, measured)
    if arguments.layers:
        print(f"{arguments.layers}: milliseconds a batch; backward is dW, db and dx\n{layers.HEADER}")
        settings = settings_of(arguments.layers, arguments)
        found["layers"] = {arguments.layers: layers.table(arguments.layers, settings, arguments.rounds or 5)}
    if arguments.penalties:
        settings = settings_of(arguments.penalties, arguments)
        found["penalties"] = {
            arguments.penalties: penalties.table(arguments.penalties, settings, arguments.rounds or 5)
        }
    if arguments.scaling:
        print(f"{scaling.SYSTEM}, {scaling.USUAL} but for one setting at a time")
        found["scaling"] = scaling.scaling(arguments.rounds or 5)
        scaling.plot(found["scaling"], arguments.scaling)
    if arguments.table:
        busy = f"\n{step.busy_table(found['systems'])}" if arguments.busy else ""
        Path(arguments.table).write_text(step.table(found["systems"]) + busy, encoding="utf-8")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found, indent=1), encoding="utf-8")


main()
