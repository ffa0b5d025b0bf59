"""One whole step of a system: minigan against PyTorch at the best of its settings, on the same number of threads."""

import statistics

from tests.benchmarks.processes import Side, in_turns, quartiles
from tests.benchmarks.systems import (
    CHECKED,
    IMAGE_SYSTEMS,
    build_matmul,
    build_minigan,
    build_torch,
    operations_of,
    worst_difference,
)

MOST = 3e-3  # that the two sides' first losses may differ, in float32


def torch_settings(name, compiled):
    """(channels_last, compiled) for every setting of PyTorch that is tried."""
    if name not in IMAGE_SYSTEMS:
        found = {"PyTorch": (False, False)}
    else:
        found = {"PyTorch NCHW": (False, False), "PyTorch channels_last": (True, False)}
    return found | ({"PyTorch compiled": (name in IMAGE_SYSTEMS, True)} if compiled else {})


def compare(name, settings, rounds, steps, compiled):
    """Everything that is measured, as a dictionary. Raises SystemExit if the two do not compute the same losses."""
    sides = {"minigan": Side(build_minigan, name, settings)}
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
    worst = max(worst_difference(losses["minigan"], found) for found in losses.values())
    if worst > MOST:
        raise SystemExit(f"{name}: the sides do not compute the same losses: they differ by {worst:.2g}: {losses}")
    product = Side(build_matmul)
    product_operations = product.facts()
    repeats = dict.fromkeys(sides, steps) | {"matmul": 1}
    times = in_turns(sides | {"matmul": product}, rounds, repeats=repeats)
    product.finish()
    peaks = {kind: side.finish() for kind, side in sides.items()}
    speed = [product_operations / milliseconds / 1e6 for milliseconds in times.pop("matmul")]
    return judged(times, speed, operations_of(name, settings)) | {
        "settings": settings, "peak_mib": peaks, "losses_differ_by": worst
    }  # fmt: skip


def judged(times, matmul, operations):
    """Ratios round by round: to PyTorch's best setting, and to the speed of matrix products (both in GFLOP/s)."""
    best = min((kind for kind in times if kind != "minigan"), key=lambda kind: statistics.median(times[kind]))
    reached = [operations / milliseconds / 1e6 for milliseconds in times["minigan"]]
    return {
        "milliseconds": times,
        "best_of_pytorch": best,
        "ratios": [theirs / ours for ours, theirs in zip(times["minigan"], times[best], strict=True)],
        "gflop": operations / 1e9,
        "matmul_gflop_per_second": matmul,
        "share_of_matmul": [ours / peak for ours, peak in zip(reached, matmul, strict=True)],
    }


def report(name, found):
    agree = f"{found['losses_differ_by']:.1g}"
    print(f"{name} {found['settings'] or ''}: losses of the first {CHECKED} steps agree to {agree}")
    for kind, values in found["milliseconds"].items():
        low, middle, high = quartiles(values)
        peak = found["peak_mib"][kind]
        print(f"  {kind:<22} {middle:9.2f} ms a step (quartiles {low:.2f} ... {high:.2f}), peak {peak} MiB")
    low, middle, high = quartiles(found["ratios"])
    print(f"  minigan is {middle:.2f} times as fast as {found['best_of_pytorch']} (quartiles {low:.2f} ... {high:.2f})")
    low, middle, high = quartiles(found["share_of_matmul"])
    speed = statistics.median(found["matmul_gflop_per_second"])
    print(f"  {found['gflop']:.3g} GFLOP a step; a large matrix product has {speed:.0f} GFLOP/s;", end=" ")
    print(f"minigan reaches {middle:.0%} of that (quartiles {low:.0%} ... {high:.0%})", flush=True)
