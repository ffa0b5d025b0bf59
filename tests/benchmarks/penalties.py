"""What the penalties of R3GAN cost: the gradient of D's loss without them, fused with them, and one after the other.

    python -m tests.benchmarks --penalties SYSTEM

Only D's gradient is timed, for real and generated images that are there; no update, and no G. PyTorch's side is written
as its users write it: scores of both batches, torch.autograd.grad(..., create_graph=True), and backward.
"""

import statistics

from minigan.backend.cores import thread_count
from minigan.penalties import in_turn
from tests.benchmarks.processes import Side
from tests.systems import real_batch, system

WAYS = ("no penalty", "fused", "one after the other")


def both_batches(name, settings, backend=None):
    """(the GAN, real images, and others in place of G's)."""
    gan, settings = system(name, "float32", backend=backend, **settings)
    return gan, real_batch(gan, settings.batch_size, 0), real_batch(gan, settings.batch_size, 1)


def build_minigan(name, settings, backend):
    """(0, tasks by way)."""
    gan, x_real, x_fake = both_batches(name, settings, backend)
    D, objective, penalty, n = gan.D, gan.objective, gan.penalty, len(x_real)
    x = in_turn([x_real, x_fake])

    def scores():
        D.discard()
        pred = D.forward(x)
        _, d_real, d_fake = objective.discriminator(pred[:n], pred[n:])
        return pred, in_turn([d_real, d_fake])

    def plain():
        D.backward(scores()[1], inputs=False)

    def fused():
        pred, s = scores()
        g = D.backward(D.backend.xp.ones_like(pred), params=False, keep=True)
        D.fused_backward(penalty.of_batches(g)[1], s)

    def one_by_one():
        plain()
        penalty(D, x)

    tasks = dict(zip(WAYS, (plain, fused, one_by_one), strict=True))
    return 0, tasks.__getitem__


def build_torch(name, settings, channels_last):
    """The same in PyTorch, where a penalty is one way."""
    import torch

    from tests.torch_twins import TorchGAN, nchw

    torch.set_num_threads(thread_count())
    gan, x_real, x_fake = both_batches(name, settings)
    twin, gamma, n = TorchGAN(gan), gan.penalty.gamma, len(x_real)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    D = twin.D.to(memory_format=layout)
    x = torch.cat([nchw(torch.from_numpy(part)) for part in (x_real, x_fake)]).contiguous(memory_format=layout)

    def plain():
        D.zero_grad(set_to_none=True)
        pred = D(x)
        twin.loss_of_pairs(pred[:n], pred[n:]).backward()

    def penalised():
        D.zero_grad(set_to_none=True)
        inputs = x.detach().requires_grad_(True)
        pred = D(inputs)
        (g,) = torch.autograd.grad(pred.sum(), inputs, create_graph=True)
        (twin.loss_of_pairs(pred[:n], pred[n:]) + gamma / 2 * (g * g).sum() / n).backward()

    plain(), penalised()
    return 0, {"no penalty": plain, "fused": penalised}.__getitem__


def table(name, settings, rounds):
    """{side: {way: milliseconds}}, medians of rounds in which all sides take turns at all ways; and prints it."""
    sides = {
        "minigan": Side(build_minigan, name, settings, "numpy"),
        "minigan compiled": Side(build_minigan, name, settings, "compiled"),
        "PyTorch NCHW": Side(build_torch, name, settings, False),
        "PyTorch channels_last": Side(build_torch, name, settings, True),
    }
    for side in sides.values():
        side.facts()
    turns = [(side, way) for way in WAYS for side in sides if way != WAYS[2] or "PyTorch" not in side]
    times = {turn: [] for turn in turns}
    for round_number in range(-1, rounds):  # the first to warm up
        for side, way in turns:
            found = sides[side].milliseconds(way)
            if round_number >= 0:
                times[side, way].append(found)
    for side in sides.values():
        side.finish()
    found = {side: {way: statistics.median(times[side, way]) for s, way in turns if s == side} for side in sides}
    print(f"{name}: milliseconds for D's gradient, real and generated images together, and times that of no penalty")
    for side, ways in found.items():
        words = (f"{way} {value:.1f} ({value / ways[WAYS[0]]:.2f})" for way, value in ways.items())
        print(f"  {side:<22} {', '.join(words)}")
    return found
