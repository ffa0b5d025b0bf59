"""One whole step of a system, minigan against PyTorch at its best, on the same cores.

    python -m tests.benchmarks [SYSTEM ...] [--rounds 20] [--steps N] [--width N] [--json FILE]

A system is the name of an example: mnist_mlp_gan (the default), mnist_dcgan, faces_dcgan, ... at its own batch and, but
for --width, at its own size. PyTorch has fused Adam, images with channels last, no graph for D's fakes (but where G
learns from the same noise), and D frozen while G learns.

Each side runs in a process of its own, so that neither's idle threads disturb the other, and they take turns: A B A B.
The ratio is taken round by round, and its median is what counts: the machine's speed drifts, the ratio does not.
Both sides begin with the same weights and must report the same losses first. Peak memory is counted from then on.
"""

import argparse
import gc
import json
import multiprocessing
import platform
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

from minigan.backend.workers import usable_cores
from tests.systems import IMAGE_SYSTEMS, real_batch, system

SYSTEMS = ("mnist_mlp_gan", *IMAGE_SYSTEMS)
REST = 0.05  # seconds between turns: long enough for idle workers to fall asleep
CHECKED = 2  # steps whose losses are compared: later, float32 and Adam make them drift apart


def build_minigan(name, settings):
    """A function that makes one step and returns (d_loss, g_loss)."""
    gan, settings = system(name, "float32", **settings)
    x_real = real_batch(gan, settings.batch_size)  # always the same: what is timed is the step, not the data

    def step():
        losses = gan.step(x_real)
        return losses.d_loss, losses.g_loss

    return step


def build_torch(name, settings, threads):
    """The same in PyTorch."""
    import torch

    from tests.torch_twins import TorchGAN, nchw

    torch.set_num_threads(threads)
    gan, settings = system(name, "float32", **settings)  # for the same weights, images and, at first, noise
    n, fast = settings.batch_size, {} if name == "anime_wgan" else {"fused": True}
    twin = TorchGAN(gan, **fast)
    for module in (twin.G, twin.D):
        module.to(memory_format=torch.channels_last)
    x_real = [nchw(part) for part in torch.from_numpy(real_batch(gan, n)).split(n)]
    noise, shape, image, taken = gan.draw_noise, gan.G.input_shape, gan.D.input_shape, 0

    def forget_minigan():
        """Keep the switches, let go of the networks; PyTorch's own dropout from now on."""
        nonlocal noise
        kept = ("noise", "d_update", "d_steps", "objective", "clip", "penalty")
        twin.gan, noise = SimpleNamespace(**{name: getattr(gan, name) for name in kept}), None
        twin.gan.draw_share = lambda n, count: torch.rand(n, *[1] * len(image)).numpy()
        for module in (*twin.G, *twin.D):
            if hasattr(module, "part"):
                module.part()

    def step():
        nonlocal taken, gan
        if taken == CHECKED:
            forget_minigan()
            gan = None
        if noise is not None:
            counts = range(taken * twin.gan.d_steps, (taken + 1) * twin.gan.d_steps)
            z_d = [torch.from_numpy(noise(n, "D", count)) for count in counts]
            z_g = torch.from_numpy(noise(n, "G", taken))
        else:
            z_d, z_g = [torch.randn(n, *shape) for _ in x_real], torch.randn(n, *shape)
        taken += 1
        return twin.step(x_real, z_d, z_g)

    return step


def reset_peak():
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def peak_mib():
    """The most memory that this process held since `reset_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def worker(kind, name, settings, threads, pipe):
    """Serve turns: receive a number of steps, run them, send the seconds for one."""
    step = build_minigan(name, settings) if kind == "minigan" else build_torch(name, settings, threads)
    pipe.send([[float(value) for value in step()] for _ in range(CHECKED)])
    step()
    reset_peak()
    while steps := pipe.recv():
        start = time.perf_counter()
        for _ in range(steps):
            step()
        pipe.send((time.perf_counter() - start) / steps)
    pipe.send(peak_mib())


def compare(name, settings, rounds, steps):
    """Milliseconds a step of each side, round by round; their peak memory; and how far their losses differ at first."""
    context, threads = multiprocessing.get_context("spawn"), usable_cores()
    pipes, workers = {}, []
    for kind in ("minigan", "torch"):
        pipes[kind], end = context.Pipe()
        workers.append(context.Process(target=worker, args=(kind, name, settings, threads, end), daemon=True))
        workers[-1].start()
        end.close()  # so that a worker that fails is noticed
    first = {kind: pipe.recv() for kind, pipe in pipes.items()}
    pairs = [pair for x, y in zip(*first.values(), strict=True) for pair in zip(x, y, strict=True)]
    worst = max(abs(a - b) / max(1, abs(a)) for a, b in pairs)
    if worst > 3e-3:
        raise SystemExit(f"{name}: the two do not compute the same losses: they differ by {worst:.2g}: {first}")
    times = {kind: [] for kind in pipes}
    for round_number in range(-1, rounds):  # one round to warm up
        for kind, pipe in pipes.items():
            time.sleep(REST)
            pipe.send(steps)
            seconds = pipe.recv()
            if round_number >= 0:
                times[kind].append(1000 * seconds)
    memory = {}
    for kind, pipe in pipes.items():
        pipe.send(0)
        memory[kind] = pipe.recv()
    for process in workers:
        process.join()
    return times, memory, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=", ".join(SYSTEMS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, help="steps in a turn (default: 30 for the MLP, 1 for the others)")
    parser.add_argument("--width", type=int, help="of the convolutional systems")
    parser.add_argument("--json", help="write the numbers to this file")
    arguments = parser.parse_args()
    print(f"{usable_cores()} threads, {platform.processor() or platform.machine()}")
    written = {}
    for name in arguments.systems or ["mnist_mlp_gan"]:
        if name not in SYSTEMS:
            parser.error(f"{name} is no system; they are {', '.join(SYSTEMS)}")
        settings = {"width": arguments.width} if arguments.width and name in IMAGE_SYSTEMS else {}
        steps = arguments.steps or (30 if name == "mnist_mlp_gan" else 1)
        times, memory, worst = compare(name, settings, arguments.rounds, steps)
        ratios = [b / a for a, b in zip(times["minigan"], times["torch"], strict=True)]
        print(f"{name} {settings or ''}: losses of the first {CHECKED} steps agree to {worst:.1g}")
        for kind, values in times.items():
            low, middle, high = statistics.quantiles(values, n=4)
            print(f"  {kind:<8} {middle:8.2f} ms a step (quartiles {low:.2f} ... {high:.2f}), peak {memory[kind]} MiB")
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"  minigan is {middle:.2f} times as fast as PyTorch (quartiles {low:.2f} ... {high:.2f})", flush=True)
        written[name] = {"milliseconds": times, "ratios": ratios, "peak_mib": memory, "settings": settings}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(written, indent=1))
