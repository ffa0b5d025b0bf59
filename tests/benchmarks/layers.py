"""Every layer of a system alone, forwards and backwards, in minigan and in PyTorch."""

import statistics

import numpy as np

from minigan import Sequential
from minigan.backend.cores import thread_count
from tests.benchmarks.processes import Side, in_turns
from tests.systems import system

TURN = 40.0  # milliseconds that a turn should last at least: more calls of a quick layer


def players(name, settings):
    """({"G": network, "D": network}, batch size)."""
    gan, settings = system(name, "float32", **settings)
    return {"G": gan.G, "D": gan.D}, settings.batch_size


def alone(net, place, n):
    """A network of this layer only, with its x and dy."""
    alone = Sequential(
        [net.layers[place].clone()], input_shape=net.layers[place].input_shape, name=f"{net.name}.{place}"
    )
    draw = alone.backend.random.normal
    return alone, draw((n, *alone.input_shape), 1, "x"), draw((n, *alone.output_shape), 1, "dy")


class OneAtATime:
    """task((player, place, direction)): builds the layer when it is first asked for, and forgets the last."""

    def __init__(self, name, settings):
        self.networks, self.n = players(name, settings)
        self.held = None, None

    def __call__(self, task):
        player, place, direction = task
        if self.held[0] != (player, place):
            self.held = None, None
            self.held = (player, place), self.prepare(*alone(self.networks[player], place, self.n))
        return self.held[1][direction]


class Minigan(OneAtATime):
    def prepare(self, net, x, dy):
        def forward():
            net.discard()
            net.forward(x)

        def backward():
            net.awaits_backward = True  # the same forward's, again and again
            net.backward(dy)

        forward()
        return {"forward": forward, "backward": backward}


class Torch(OneAtATime):
    def prepare(self, net, x, dy):
        import torch

        from tests.torch_twins import nchw, torch_network

        module = torch_network(net).to(memory_format=torch.channels_last)
        for part in module:
            if hasattr(part, "part"):
                part.part()
        x, dy = nchw(torch.from_numpy(x)).requires_grad_(True), nchw(torch.from_numpy(dy))
        y = module(x)

        def forward():
            nonlocal y
            y = module(x)

        def backward():
            torch.autograd.grad(y, [x, *module.parameters()], dy, retain_graph=True)

        return {"forward": forward, "backward": backward}


def build_minigan(name, settings):
    return None, Minigan(name, settings)


def build_torch(name, settings):
    import torch

    torch.set_num_threads(thread_count())
    return None, Torch(name, settings)


def table(name, settings, rounds):
    """Rows: of which network, which layers, the output's shape, and milliseconds of each side and direction."""
    sides = {"minigan": Side(build_minigan, name, settings), "PyTorch": Side(build_torch, name, settings)}
    for side in sides.values():
        side.facts()
    rows = []
    for player, net in players(name, settings)[0].items():
        for place, layer in enumerate(net.layers):
            row = {"network": player, "layer": type(layer).__name__, "output": layer.output_shape}
            for direction in ("forward", "backward"):
                task = player, place, direction
                first = min(max(side.milliseconds(task) for side in sides.values()) for _ in range(2))
                times = in_turns(sides, rounds, task, repeats=max(1, round(TURN / first)))
                row[direction] = {kind: statistics.median(found) for kind, found in times.items()}
            rows.append(row)
            report(row)
    for side in sides.values():
        side.finish()
    return rows


HEADER = (
    f"   {'layer':<24} {'output':<16} {'forward: minigan':>17} {'PyTorch':>9} {'backward: minigan':>19} {'PyTorch':>9}"
)


def report(row):
    shape = "x".join(map(str, np.atleast_1d(row["output"])))
    ours, theirs = ([row[way][kind] for way in ("forward", "backward")] for kind in ("minigan", "PyTorch"))
    times = f"{ours[0]:17.2f} {theirs[0]:9.2f} {ours[1]:19.2f} {theirs[1]:9.2f}"
    print(f"{row['network']:2} {row['layer']:<24} {shape:<16} {times}", flush=True)
