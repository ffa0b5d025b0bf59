"""What is timed: a step of a system in minigan and in PyTorch, and the machine's own matrix product."""

import platform
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np

from minigan.backend.cores import thread_count
from minigan.backend.facts import facts
from tests.systems import IMAGE_SYSTEMS, real_batch, system

SYSTEMS = ("mnist_mlp_gan", *IMAGE_SYSTEMS)
CHECKED = 2  # steps whose losses are compared: later, float32 and Adam make them drift apart
WARM = 2  # steps after these, before memory is counted
SIDE = 3072  # of the square matrices


def build_minigan(name, settings, backend="numpy"):
    """(losses of the first steps, the step)."""
    gan, settings = system(name, "float32", backend=backend, **settings)
    x_real = real_batch(gan, settings.batch_size)  # always the same: what is timed is the step, not the data

    def step():
        losses = gan.step(x_real)
        return float(losses.d_loss), float(losses.g_loss)

    return started(step)


def build_torch(name, settings, channels_last, compiled):
    """The same in PyTorch. `compiled`: its networks go through torch.compile."""
    import torch

    from tests.torch_twins import TorchGAN, nchw

    torch.set_num_threads(thread_count())
    gan, settings = system(name, "float32", **settings)  # for the same weights, images and, at first, noise
    layout = torch.channels_last if channels_last else torch.contiguous_format
    twin, n, latent = TorchGAN(gan, fused=True), settings.batch_size, gan.G.input_shape
    for module in (twin.G, twin.D):
        module.to(memory_format=layout)
    x_real = [nchw(part) for part in torch.from_numpy(real_batch(gan, n)).split(n)]
    if x_real[0].ndim == 4:
        x_real = [part.contiguous(memory_format=layout) for part in x_real]
    taken = 0

    def part_with_minigan():
        """Keep the switches, let go of the networks; PyTorch's own dropout and noise from now on."""
        nonlocal gan
        kept = ("noise", "d_update", "d_steps", "objective", "clip", "penalty", "augment", "pack")
        twin.gan = SimpleNamespace(
            draw_share=lambda n, count: torch.rand(n, *[1] * (x_real[0].ndim - 1)).numpy(),
            **{name: getattr(gan, name) for name in kept},
        )
        gan = None
        for module in (*twin.G, *twin.D):
            if hasattr(module, "part"):
                module.part()
        if compiled:
            twin.G = torch.compile(twin.G)
        if compiled and twin.gan.penalty is None:  # it has no second derivatives
            twin.D = torch.compile(twin.D)

    def noise():
        if gan is None:
            return [torch.randn(n, *latent) for _ in x_real], torch.randn(n, *latent)
        counts = range(taken * gan.d_steps, (taken + 1) * gan.d_steps)
        z_d = [torch.from_numpy(gan.draw_noise(n, "D", count)) for count in counts]
        return z_d, torch.from_numpy(gan.draw_noise(n, "G", taken))

    def step():
        nonlocal taken
        if taken == CHECKED:
            part_with_minigan()
        z_d, z_g = noise()
        taken += 1
        return [loss.item() for loss in twin.step(x_real, z_d, z_g)]

    return started(step)


def started(step):
    losses = [step() for _ in range(CHECKED)]
    for _ in range(WARM):
        step()
    return losses, lambda name: step


def build_matmul():
    """(floating-point operations, the best matrix product that NumPy has here, on all threads)."""
    a, b, c = (np.ones((SIDE, SIDE), np.float32) for _ in range(3))

    def product():
        np.matmul(a, b, out=c)

    product()
    return 2 * SIDE**3, lambda name: product


def differences_of(ours, theirs):
    """The largest between the losses of each of the first steps."""
    steps = zip(ours, theirs, strict=True)
    return [max(abs(a - b) / max(1, abs(a)) for a, b in zip(x, y, strict=True)) for x, y in steps]


def products(net, first=0):
    """Multiplications of weights in one forward of one sample, from layer `first` on."""
    total = 0
    for layer in (inner for outer in net.layers[first:] for inner in outer.walk()):
        if hasattr(layer, "W"):
            total += layer.W.size * (np.prod(layer.window.stops) if hasattr(layer, "window") else 1)
    return int(total)


def operations(gan, n):
    """Floating-point operations of the matrix products and plain convolutions of a step: two for every multiplication
    of a weight, in a forward, in dW and in dx. Other algorithms, as Winograd's, may do with fewer.
    """
    G, D = products(gan.G), products(gan.D)
    G_dx, D_dx = (products(net, net.first_learner + 1) for net in (gan.G, gan.D))  # down to the first that learns
    D_batch = D + D + D_dx  # forward, dW, dx
    D_update = 2 * D_batch + G
    if gan.penalty is not None:  # forward, dx; J u and its dW
        D_update += 4 * D
    G_update = (G if gan.noise == "fresh" else 0) + D + D + G + G_dx
    return 2 * n * (gan.d_steps * D_update + G_update)


def operations_of(name, settings):
    gan, settings = system(name, "float32", **settings)
    return operations(gan, settings.batch_size)


def build_facts(packages=("torch",)):
    """(what the sides run on, nothing to be timed): in a process of its own, which has their environment."""
    return machine(packages), None


def machine(packages):
    """What the numbers were measured on."""
    return {
        **{name: value for name, value in facts() if name != "tuning"},
        "python": platform.python_version(),
        "numpy": version("numpy"),
        **{package: version(package) for package in packages},
    }
