"""Does the cost grow as the work grows? Time an image against the batch, the pixels and the channels, as a plot."""

import statistics

from tests.benchmarks.processes import Side, in_turns
from tests.benchmarks.systems import build_minigan, build_torch

SYSTEM = "anime_dcgan"
USUAL = {"batch_size": 32, "size": 64, "width": 32}
STUDIES = {
    "batch_size": (16, 32, 64, 128, 256),
    "size": (32, 64, 96, 128),
    "width": (16, 32, 64, 96),
}


def study(name, values, rounds):
    """Milliseconds an image: {"minigan": [...], "PyTorch": [...]}, one for every value of this setting."""
    found = {"minigan": [], "PyTorch": []}
    for value in values:
        settings = USUAL | {name: value}
        sides = {
            "minigan": Side(build_minigan, SYSTEM, settings),
            "PyTorch": Side(build_torch, SYSTEM, settings, True, False),
        }
        for side in sides.values():
            side.facts()
        for kind, times in in_turns(sides, rounds).items():
            found[kind].append(statistics.median(times) / settings["batch_size"])
        for side in sides.values():
            side.finish()
        print(
            f"  {name} {value}: " + ", ".join(f"{kind} {found[kind][-1]:.3f} ms an image" for kind in found), flush=True
        )
    return found


def scaling(rounds):
    return {name: study(name, values, rounds) for name, values in STUDIES.items()}


def plot(found, path):
    """Three panels, logarithmic, with the slope that the work alone would give."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    titles = {
        "batch_size": ("images in a batch", 0, "the same for every batch"),
        "size": ("height and width", 2, "as the pixels"),
        "width": ("channels of the widest images", 2, "as the channels squared"),
    }
    figure, panels = pyplot.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
    for panel, (name, times) in zip(panels, found.items(), strict=True):
        label, power, growth = titles[name]
        values = STUDIES[name]
        for (kind, milliseconds), marker in zip(times.items(), "os", strict=True):
            panel.loglog(values, milliseconds, marker=marker, label=kind)
        middle = len(values) // 2
        line = [times["minigan"][middle] * (value / values[middle]) ** power for value in values]
        panel.loglog(values, line, color="grey", linestyle=":", label=growth)
        panel.set_xticks(values, [str(value) for value in values])
        panel.minorticks_off()
        panel.set_xlabel(label)
        panel.legend()
    panels[0].set_ylabel("milliseconds an image")
    panels[0].yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    panels[0].yaxis.set_major_formatter("{x:g}")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
