"""One whole step of a system: minigan on NumPy and compiled, and PyTorch at its best, on as many threads."""

import statistics

from minigan.backend import usability
from tests.benchmarks.busy import quiet_and_busy
from tests.benchmarks.processes import Side, in_turns, quartiles
from tests.benchmarks.systems import (
    CHECKED,
    IMAGE_SYSTEMS,
    build_matmul,
    build_minigan,
    build_torch,
    differences_of,
    operations_of,
)

# How much the sides' losses may differ, in float32, at the first step and at the second: Adam divides every gradient by
# its own size, so that its first step makes rounding as large as what it rounds. In `anime_dcgan` NumPy's float32 was
# 0.0029 from its own float64 at the second step, the compiled side 0.0011 on the other side of it, and in float64 both
# agreed to 1e-13.
MOST = 1e-3, 1e-2
OURS = {"minigan": "numpy", "minigan compiled": "compiled"}  # our sides, and their backends
BUSY_ROUNDS = 5


def our_sides():
    """Those of our sides whose backend can be used here; one that cannot is named, with the reason."""
    found = usability()
    for side, backend in OURS.items():
        if not found[backend][0]:
            print(f"{side} is left out: {found[backend][1]}")
    return {side: backend for side, backend in OURS.items() if found[backend][0]}


def torch_settings(name, compiled):
    """(channels_last, compiled) for every setting of PyTorch that is tried."""
    if name not in IMAGE_SYSTEMS:
        found = {"PyTorch": (False, False)}
    else:
        found = {"PyTorch NCHW": (False, False), "PyTorch channels_last": (True, False)}
    return found | ({"PyTorch compiled": (name in IMAGE_SYSTEMS, True)} if compiled else {})


def compare(name, settings, rounds, steps, compiled=False, busy=False):
    """Everything that is measured, as a dictionary. Raises SystemExit if the sides do not compute the same losses."""
    sides = {side: Side(build_minigan, name, settings, backend) for side, backend in our_sides().items()}
    for kind, setting in torch_settings(name, compiled).items():
        sides[kind] = Side(build_torch, name, settings, *setting)
    losses = {}
    for kind, side in list(sides.items()):
        try:
            losses[kind] = side.facts()
        except EOFError:  # its own message stands above
            if kind != "PyTorch compiled":
                raise SystemExit(f"{name}: {kind} failed") from None
            print(f"{name}: torch.compile does not work here; the other settings are compared")
            del sides[kind]
    differences = [differences_of(losses["minigan"], found) for found in losses.values()]
    worst = [max(step) for step in zip(*differences, strict=True)]
    if any(difference > most for difference, most in zip(worst, MOST, strict=True)):
        raise SystemExit(f"{name}: the sides do not compute the same losses: they differ by {worst}: {losses}")
    product = Side(build_matmul)
    product_operations = product.facts()
    repeats = dict.fromkeys(sides, steps) | {"matmul": 1}
    times = in_turns(sides | {"matmul": product}, rounds, repeats=repeats)
    product.finish()
    beside = quiet_and_busy(sides, BUSY_ROUNDS, repeats) if busy else None
    peaks = {kind: side.finish() for kind, side in sides.items()}
    speed = [product_operations / milliseconds / 1e6 for milliseconds in times.pop("matmul")]
    return judged(times, speed, operations_of(name, settings)) | {
        "settings": settings, "peak_mib": peaks, "losses_differ_by": worst, "quiet_and_busy": beside
    }  # fmt: skip


def judged(times, matmul, operations):
    """Ratios round by round, of each of our sides: to PyTorch's best setting, and to the speed of matrix products (both
    in GFLOP/s).
    """
    ours = [kind for kind in times if kind in OURS]
    best = min((kind for kind in times if kind not in OURS), key=lambda kind: statistics.median(times[kind]))

    def share(side):
        return [operations / ms / 1e6 / peak for ms, peak in zip(times[side], matmul, strict=True)]

    return {
        "milliseconds": times,
        "best_of_pytorch": best,
        "ratios": {s: [theirs / ms for ms, theirs in zip(times[s], times[best], strict=True)] for s in ours},
        "compiled_to_numpy": shares_of_time(*(times[side] for side in ours)) if len(ours) == len(OURS) else None,
        "gflop": operations / 1e9,
        "matmul_gflop_per_second": matmul,
        "share_of_matmul": {side: share(side) for side in ours},
    }


def shares_of_time(numpy, compiled):
    """Of the compiled side's time in NumPy's, round by round."""
    return [ms / before for before, ms in zip(numpy, compiled, strict=True)]


def report(name, found):
    agree = " and ".join(f"{difference:.1g}" for difference in found["losses_differ_by"])
    print(f"{name} {found['settings'] or ''}: losses of the first {CHECKED} steps agree to {agree}")
    for kind, values in found["milliseconds"].items():
        low, middle, high = quartiles(values)
        peak = found["peak_mib"][kind]
        print(f"  {kind:<22} {middle:9.2f} ms a step (quartiles {low:.2f} ... {high:.2f}), peak {peak} MiB")
    for side, ratios in found["ratios"].items():
        low, middle, high = quartiles(ratios)
        print(
            f"  {side} is {middle:.2f} times as fast as {found['best_of_pytorch']} ({low:.2f} ... {high:.2f});", end=" "
        )
        _, share, _ = quartiles(found["share_of_matmul"][side])
        print(f"{share:.0%} of a large matrix product's speed")
    if len(found["ratios"]) == len(OURS):
        low, middle, high = quartiles(found["compiled_to_numpy"])
        print(f"  compiled takes {middle:.2f} of NumPy's time ({low:.2f} ... {high:.2f})")
    speed = statistics.median(found["matmul_gflop_per_second"])
    print(f"  {found['gflop']:.3g} GFLOP a step; a large matrix product has {speed:.0f} GFLOP/s", flush=True)
    for kind, (quiet, busy) in busy_ratios(found).items():
        print(
            f"  {kind:<22} {quiet:9.2f} ms quiet, {busy:9.2f} ms with a busy core: {busy / quiet:.2f} times", flush=True
        )


def busy_ratios(found):
    """{side: (median of the quiet turns, median of the busy ones)}"""
    if not found["quiet_and_busy"]:
        return {}
    quiet, busy = found["quiet_and_busy"]
    return {kind: (statistics.median(quiet[kind]), statistics.median(busy[kind])) for kind in quiet}


# As tables for docs/performance.md. -----------------------------------------------------------------------------------


def table(systems):
    """Markdown: a row for each system, with milliseconds, ratios to PyTorch's best, and the most memory."""
    head = (
        "system",
        "NumPy",
        "compiled",
        "PyTorch NCHW",
        "channels last",
        "NumPy : PyTorch",
        "compiled : PyTorch",
        "MiB",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, found in systems.items():
        times = {kind: readable(statistics.median(values)) for kind, values in found["milliseconds"].items()}
        peaks = [found["peak_mib"].get(kind) for kind in (*OURS, found["best_of_pytorch"])]
        cells = [
            f"`{name}`", times["minigan"], times.get("minigan compiled", "-"),
            times.get("PyTorch NCHW") or times["PyTorch"], times.get("PyTorch channels_last", "-"),
            *(ratio_cell(found["ratios"].get(side)) for side in OURS), ", ".join(f"{peak:,}" for peak in peaks if peak),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def readable(milliseconds):
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


def ratio_cell(ratios):
    if ratios is None:
        return "-"
    low, middle, high = quartiles(ratios)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def busy_table(systems):
    """Markdown: a row for each system, how many times its quiet time a step takes beside a busy core."""
    sides = list(dict.fromkeys(kind for found in systems.values() for kind in busy_ratios(found)))
    lines = [f"| system | {' | '.join(sides)} |", "|---" * (1 + len(sides)) + "|"]
    for name, found in systems.items():
        ratios = busy_ratios(found)
        cells = [
            f"{ratios[kind][1] / ratios[kind][0]:.2f} ({readable(ratios[kind][0])} to {readable(ratios[kind][1])} ms)"
            if kind in ratios else "-" for kind in sides
        ]  # fmt: skip
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
