"""Everything that can only be seen on an NVIDIA GPU, in some ten minutes: checks, the test suite, benchmarks.

    python -m tests.gpu [--out FOLDER] [--rounds 7] [--skip-suite] [--systems NAME ...]

Writes gpu.json and gpu.md to the folder. A check that fails is reported, and the others still run. The benchmarks
compare with PyTorch where one with CUDA is installed, TF32 set alike on both sides; they time whole steps on a batch
that lies on the device. The exit status is 1 if a check or the suite failed.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from minigan import get_backend
from minigan.backend import Window, usability
from minigan.backend.cupy_backend import CupyBackend, shared_backend
from tests.systems import IMAGE_SYSTEMS, real_batch, system

ROOT = Path(__file__).parent.parent.parent
SYSTEMS = ("mnist_mlp_gan", *IMAGE_SYSTEMS)
AGREEING_STEPS, AGREEMENT = 20, 1e-4
SMALL = {"width": 8, "latent": 16, "batch_size": 16}


def on_gpu(name, dtype="float32", graph=True, **settings):
    """A system's GAN on the GPU, and its settings."""
    before = os.environ.get("MINIGAN_BACKEND")
    os.environ["MINIGAN_BACKEND"] = "cupy"
    try:
        gan, settings = system(name, dtype, **settings)
    finally:
        os.environ.pop("MINIGAN_BACKEND")
        if before:
            os.environ["MINIGAN_BACKEND"] = before
    gan.graph = graph
    return gan, settings


def sizes(name):
    """Settings that make a system small."""
    return SMALL if name in IMAGE_SYSTEMS else {"latent": 16, "batch_size": 16}


# Checks: each returns what it saw, or raises. ------------------------------------------------------------------------


def check_random_numbers():
    """Philox on the GPU against NumPy's: bits of uniforms, and normals that were rounded once."""
    gpu, cpu = get_backend("cupy"), get_backend("numpy")
    for dtype in ("float32", "float64"):
        ours, theirs = (b.uniform((100_003,), 7, "check", 2**40, dtype) for b in (gpu, cpu))
        assert np.array_equal(gpu.to_host(ours), theirs), dtype
    ours, theirs = (b.normal((1_000_003,), 7, "check", 3) for b in (gpu, cpu))
    differing = int(np.sum(gpu.to_host(ours) != theirs))
    np.testing.assert_allclose(gpu.to_host(ours), theirs, rtol=1e-6)
    return f"uniforms equal to the bit; of 1,000,003 float32 normals {differing} differ, in the last bit"


def captured(backend, work):
    """work() in a CUDA graph, and the pool and stream that belong to it."""
    cupy = backend.xp
    stream, pool = cupy.cuda.Stream(), cupy.cuda.MemoryPool()
    with stream, cupy.cuda.using_allocator(pool.malloc):
        work()
        stream.begin_capture()
        try:
            work()
        finally:
            graph = stream.end_capture()
    return graph, stream, pool


def check_products_in_a_graph():
    """cuBLAS in a captured graph, replayed on other numbers, gives what it gives eagerly."""
    backend, found = get_backend("cupy"), []
    cupy = backend.xp
    for m, k, n in ((64, 100, 256), (128, 1600, 3), (1, 512, 1), (4096, 75, 64)):
        a, b = backend.normal((m, k), 0, "a"), backend.normal((k, n), 0, "b")
        out, eager = cupy.empty((m, n), "float32"), cupy.empty((m, n), "float32")
        graph, stream, pool = captured(backend, lambda a=a, b=b, out=out: backend.matmul(a, b, out))
        a[...] = backend.normal((m, k), 0, "other")
        graph.launch(stream)
        backend.matmul(a, b, eager)
        backend.synchronize()
        found.append(bool((out == eager).all()))
        np.testing.assert_allclose(out.get(), a.get() @ b.get(), rtol=1e-3, atol=1e-3)
        del pool
    assert all(found), found
    return f"{len(found)} shapes, replay equal to eager to the bit"


def check_tf32():
    """How far TF32 and float32 products are from float64's."""
    cpu, seen = get_backend("numpy"), []
    a, b = (cpu.normal((512, 1600), 0, "a"), cpu.normal((1600, 512), 0, "b"))
    exact = a.astype(float) @ b.astype(float)
    for tf32 in (False, True):
        backend = CupyBackend(tf32)
        out = backend.matmul(backend.asarray(a), backend.asarray(b), backend.xp.empty((512, 512), "float32"))
        seen.append(float(np.abs(backend.to_host(out) - exact).max() / np.abs(exact).max()))
    assert seen[0] < 1e-5 < seen[1] < 1e-2, seen
    return f"largest error over the largest number: float32 {seen[0]:.1e}, TF32 {seen[1]:.1e}"


def check_replay_survives_other_work():
    """A captured step after much eager allocation gives the numbers of the eager step."""
    results = []
    for graph in (True, False):
        gan, settings = on_gpu("mnist_dcgan", graph=graph, **SMALL)
        cupy = gan.D.backend.xp
        for k in range(12):
            losses = gan.step(real_batch(gan, settings.batch_size, k))
            if k == 6:
                junk = [cupy.full((2**20,), 7.0, "float32") for _ in range(200)]
                gan.G.predict(gan.draw_noise(500, "samples", 0))
                del junk
        results.append((gan.D.backend.to_host(gan.G.params), float(losses.g_loss)))
    (graph, a), (eager, b) = results
    assert np.array_equal(graph, eager) and a == b, f"parameters differ by {np.abs(graph - eager).max()}"
    return "parameters after 12 steps equal to the bit"


def check_convolutions():
    """The kernels and cuBLAS against NumPy's convolution."""
    gpu, cpu = get_backend("cupy"), get_backend("numpy")
    worst = 0.0
    for window, n, d in ((Window((28, 28, 1), (4, 4), (2, 2), ((1, 1), (1, 1))), 64, 64),
                         (Window((14, 14, 64), (5, 5), (2, 2), ((1, 2), (1, 2))), 32, 128)):  # fmt: skip
        x, W = cpu.normal((n, *window.image), 0, "x"), cpu.normal((window.patch, d), 0, "W")
        dy = cpu.normal((n, *window.stops, d), 0, "dy")
        for name, first, second, like in (("conv", x, W, dy), ("conv_dW", x, dy, W), ("conv_dx", dy, W, x)):
            expected = getattr(cpu, name)(first, second, window, np.empty_like(like))
            arrays = gpu.asarray(first), gpu.asarray(second)
            found = getattr(gpu, name)(*arrays, window, gpu.xp.empty(like.shape, like.dtype))
            worst = max(worst, float(np.abs(gpu.to_host(found) - expected).max() / np.abs(expected).max()))
    assert worst < 1e-4, worst
    return f"largest difference over the largest number {worst:.1e}"


def check_losses(name):
    """NumPy's and the GPU's losses over whole steps of a small system: in float64, and in float32."""
    worst = {}
    for dtype in ("float64", "float32"):
        cpu, settings = system(name, dtype, **sizes(name))
        gpu, _ = on_gpu(name, dtype, **sizes(name))
        worst[dtype] = 0.0
        for k in range(AGREEING_STEPS):
            x = real_batch(cpu, settings.batch_size, k)
            ours, theirs = gpu.step(gpu.D.backend.asarray(x)), cpu.step(x)
            for a, b in zip(ours, theirs, strict=True):
                worst[dtype] = max(worst[dtype], abs(float(a) - float(b)) / max(1.0, abs(float(b))))
    seen = f"{AGREEING_STEPS} steps: float64 {worst['float64']:.1e}, float32 {worst['float32']:.1e}"
    assert worst["float64"] < 1e-6, seen
    assert worst["float32"] < AGREEMENT, seen
    return seen


CHECKS = {
    "random numbers": check_random_numbers,
    "products in a graph": check_products_in_a_graph,
    "TF32": check_tf32,
    "convolutions": check_convolutions,
    "replay after other work": check_replay_survives_other_work,
} | {f"losses of {name}": lambda name=name: check_losses(name) for name in SYSTEMS}


def run_checks():
    """Each check's name, whether it passed, and what it saw."""
    rows = []
    for name, check in CHECKS.items():
        try:
            rows.append({"check": name, "passed": True, "seen": check()})
        except Exception as error:  # whatever it is, the others shall run
            traceback.print_exc()
            rows.append({"check": name, "passed": False, "seen": f"{type(error).__name__}: {error}"[:300]})
        print(rows[-1], flush=True)
    return rows


def run_suite():
    """The whole test suite, in which the `backend` fixture finds the GPU."""
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=short"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-6000:], flush=True)
    return {"passed": done.returncode == 0, "seen": done.stdout.strip().splitlines()[-1] if done.stdout else ""}


# Benchmarks. ---------------------------------------------------------------------------------------------------------


def milliseconds(step, synchronize, rounds, seconds=1.0):
    """The median of some rounds, each of as many steps as take about a second."""
    for _ in range(5):
        step()
    synchronize()
    start = time.perf_counter()
    step()
    synchronize()
    count = max(3, min(2000, int(seconds / max(1e-5, time.perf_counter() - start))))
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            step()
        synchronize()
        found.append(1000 * (time.perf_counter() - start) / count)
    return statistics.median(found)


def time_minigan(name, tf32, graph, rounds):
    """One whole step of a system at its own size."""
    os.environ["CUPY_TF32"] = str(int(tf32))
    shared_backend.cache_clear()
    gan, settings = on_gpu(name, graph=graph)
    x_real = real_batch(gan, settings.batch_size)
    return milliseconds(lambda: gan.step(x_real), gan.D.backend.synchronize, rounds)


def time_torch(name, tf32, mode, rounds):
    """The same in PyTorch: "eager", "graph" (the whole step captured by hand) or "compile"."""
    import torch

    from tests.torch_twins import TorchGAN, nchw

    if not torch.cuda.is_available():
        raise RuntimeError("this PyTorch has no CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    gan, settings = system(name, "float32")
    n = settings.batch_size
    twin = TorchGAN(gan)
    for module in (twin.G, twin.D):
        for part in module:
            if hasattr(part, "part"):
                part.part()  # PyTorch's own dropout
        module.to("cuda", memory_format=torch.channels_last)
    fast = {} if name == "anime_wgan" else {"fused": True, "capturable": mode == "graph"}
    if name == "anime_wgan" and mode == "graph":
        fast = {"capturable": True}
    twin.g_optimizer = TorchGAN.optimizer(gan.g_optimizer, twin.G, **fast)
    twin.d_optimizer = TorchGAN.optimizer(gan.d_optimizer, twin.D, **fast)
    twin.schedules = []
    if mode == "compile":
        twin.G, twin.D = torch.compile(twin.G), torch.compile(twin.D)
    x_real = [nchw(part).cuda() for part in torch.from_numpy(real_batch(gan, n)).split(n)]

    def step():
        z_d, z_g = ([torch.randn(n, *gan.G.input_shape, device="cuda") for _ in x_real],
                    torch.randn(n, *gan.G.input_shape, device="cuda"))  # fmt: skip
        return twin.step(x_real, z_d, z_g)

    run = step
    if mode == "graph":
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(4):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        run = graph.replay
    return milliseconds(run, torch.cuda.synchronize, rounds)


def run_benchmarks(systems, rounds):
    """Milliseconds a step: for each system and TF32 setting, each way of running it. A failure is kept as its words."""
    rows = []
    for name in systems:
        for tf32 in (False, True):
            row = {"system": name, "tf32": tf32}
            ways = {
                "minigan graph": lambda name=name, tf32=tf32: time_minigan(name, tf32, True, rounds),
                "minigan no-graph": lambda name=name, tf32=tf32: time_minigan(name, tf32, False, rounds),
            }
            for mode in ("eager", "graph", "compile"):
                if name != "mnist_wgan_gp":  # its twin draws the penalty's points on the host
                    ways[f"torch {mode}"] = lambda name=name, tf32=tf32, mode=mode: time_torch(name, tf32, mode, rounds)
            for way, measure in ways.items():
                try:
                    row[way] = round(measure(), 4)
                except Exception as error:
                    row[way] = f"{type(error).__name__}: {error}"[:200]
                print(name, "TF32" if tf32 else "float32", way, row[way], flush=True)
            rows.append(row)
    return rows


# The report. ---------------------------------------------------------------------------------------------------------


def table(report):
    """The report as Markdown."""
    lines = [f"# minigan on {report['device']}", "", f"{report['date']}, {report['host']}", ""]
    lines += ["| check | | seen |", "|---|---|---|"]
    for row in report["checks"]:
        lines.append(f"| {row['check']} | {'passed' if row['passed'] else '**failed**'} | {row['seen']} |")
    if report["suite"]:
        verdict = "passed" if report["suite"]["passed"] else "**failed**"
        lines.append(f"| the test suite | {verdict} | {report['suite']['seen']} |")
    ways = ["minigan graph", "minigan no-graph", "torch eager", "torch graph", "torch compile"]
    lines += ["", "Milliseconds a step.", "", f"| system | products | {' | '.join(ways)} |", "|---" * 7 + "|"]
    for row in report["benchmarks"]:
        cells = [f"{row[way]:.3f}" if isinstance(row.get(way), float) else "-" for way in ways]
        lines.append(f"| {row['system']} | {'TF32' if row['tf32'] else 'float32'} | {' | '.join(cells)} |")
    return "\n".join(re.sub(r"\n", " ", line) for line in lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu_report"), help="the folder of gpu.json and gpu.md")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--skip-suite", action="store_true")
    parser.add_argument("--systems", nargs="*", default=SYSTEMS, help="to benchmark")
    arguments = parser.parse_args()
    usable, words = usability()["cupy"]
    if not usable:
        raise SystemExit(f"no GPU to test on: {words}")
    report = {"device": words, "date": time.strftime("%Y-%m-%d"), "host": platform.platform(), "suite": None}
    report["checks"] = run_checks()
    if not arguments.skip_suite:
        report["suite"] = run_suite()
    report["benchmarks"] = run_benchmarks(arguments.systems, arguments.rounds)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu.json").write_text(json.dumps(report, indent=1))
    (arguments.out / "gpu.md").write_text(table(report))
    print(table(report))
    failed = [row for row in report["checks"] if not row["passed"]] or (
        report["suite"] and not report["suite"]["passed"]
    )
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
