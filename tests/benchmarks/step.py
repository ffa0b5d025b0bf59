"""One whole step of the MNIST MLP GAN, minigan against PyTorch at its best, on the same cores.

    python -m tests.benchmarks [--rounds 20] [--steps 30] [--json FILE]

Each side runs in a process of its own, so that neither's idle threads disturb the other, and they take turns: A B A B.
The ratio is taken round by round, and its median is what counts: the machine's speed drifts, the ratio does not.
Both sides begin with the same weights and must report the same losses first.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import time

from minigan.backend.numpy_backend import usable_cores

BATCH, LATENT, REST = 32, 100, 0.05  # seconds between turns: long enough for idle workers to fall asleep
CHECKED = 5  # steps whose losses are compared


def build_minigan():
    """A function that makes one step on the images and the noise of its number, and returns (d_loss, g_loss)."""
    from minigan import GAN, Adam, BCEWithLogits, NonSaturating, data, models

    G, D = models.mnist_mlp()
    recipe = {"learning_rate": 2e-4, "beta1": 0.5, "eps": 1e-8}
    gan = GAN(
        G, D, objective=NonSaturating(BCEWithLogits()), g_optimizer=Adam(G, **recipe),
        d_optimizer=Adam(D, **recipe), d_update="two_steps",
    )  # fmt: skip
    images = data.mnist("test", labels=False)

    def step():
        losses = gan.step(images.batch(BATCH, 0, gan.steps, G.backend, G.dtype))
        return losses.d_loss, losses.g_loss

    return gan, images, step


def build_torch(threads):
    """The same in PyTorch: fused Adam, no graph for D's fakes, D frozen while G learns."""
    import torch

    from tests.test_torch import torch_network

    torch.set_num_threads(threads)
    gan, images, _ = build_minigan()  # for the same weights and, in the first steps, the same images and noise
    G, D = (torch_network(net).float() for net in (gan.G, gan.D))
    optimizer_of = {net: torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), fused=True) for net in (G, D)}
    loss = torch.nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    taken = 0

    def noise(stream):
        if taken < CHECKED:
            return torch.from_numpy(gan.draw_noise(BATCH, stream, taken))
        return torch.randn(BATCH, LATENT)

    def update(net, value):
        optimizer_of[net].zero_grad(set_to_none=True)
        value.backward()
        optimizer_of[net].step()

    def step():
        nonlocal taken
        x_real = torch.from_numpy(images.batch(BATCH, 0, taken, gan.G.backend, gan.G.dtype))
        D.requires_grad_(True)
        real = loss(D(x_real), ones)
        update(D, real)
        with torch.no_grad():
            x_fake = G(noise("D"))
        fake = loss(D(x_fake), zeros)
        update(D, fake)
        D.requires_grad_(False)
        g_loss = loss(D(G(noise("G"))), ones)
        update(G, g_loss)
        taken += 1
        return real.detach() + fake.detach(), g_loss.detach()

    return step


def worker(kind, threads, pipe):
    """Serve turns: receive a number of steps, run them, send the seconds for one."""
    step = build_minigan()[2] if kind == "minigan" else build_torch(threads)
    pipe.send([[float(value) for value in step()] for _ in range(CHECKED)])
    while steps := pipe.recv():
        start = time.perf_counter()
        for _ in range(steps):
            step()
        pipe.send((time.perf_counter() - start) / steps)
    import resource

    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=30, help="steps in a turn")
    parser.add_argument("--json", help="write the numbers to this file")
    arguments = parser.parse_args()
    threads = usable_cores()

    context = multiprocessing.get_context("spawn")
    pipes, workers = {}, []
    for kind in ("minigan", "torch"):
        pipes[kind], end = context.Pipe()
        workers.append(context.Process(target=worker, args=(kind, threads, end), daemon=True))
        workers[-1].start()
    first = {kind: pipe.recv() for kind, pipe in pipes.items()}
    worst = max(abs(a - b) for x, y in zip(*first.values(), strict=True) for a, b in zip(x, y, strict=True))
    if worst > 1e-3:
        raise SystemExit(f"the two do not compute the same losses: they differ by {worst:.2g} in {CHECKED} steps")

    times = {kind: [] for kind in pipes}
    for round_number in range(-2, arguments.rounds):  # two rounds to warm up
        for kind, pipe in pipes.items():
            time.sleep(REST)
            pipe.send(arguments.steps)
            seconds = pipe.recv()
            if round_number >= 0:
                times[kind].append(1000 * seconds)
    memory = {}
    for kind, pipe in pipes.items():
        pipe.send(0)
        memory[kind] = pipe.recv()

    ratios = sorted(b / a for a, b in zip(times["minigan"], times["torch"], strict=True))
    print(f"mnist_mlp, batch {BATCH}, {threads} threads, {platform.processor() or platform.machine()}")
    print(f"losses of the first {CHECKED} steps agree to {worst:.1g}")
    for kind, values in times.items():
        quarters = statistics.quantiles(values, n=4)
        print(f"{kind:<8} {quarters[1]:6.2f} ms a step (quartiles {quarters[0]:.2f} ... {quarters[2]:.2f}), "
              f"peak memory {memory[kind]} MiB")  # fmt: skip
    quarters = statistics.quantiles(ratios, n=4)
    print(f"minigan is {quarters[1]:.2f} times as fast as PyTorch (quartiles {quarters[0]:.2f} ... {quarters[2]:.2f})")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(
                {"milliseconds": times, "ratios": ratios, "memory_mib": memory, "threads": threads}, file, indent=1
            )
