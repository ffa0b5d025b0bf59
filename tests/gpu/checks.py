"""What must be true on a GPU. Each check returns what it saw, in words, or raises."""

import functools
import re

import numpy as np

from minigan import get_backend
from minigan.backend import Window
from minigan.backend.cublas import Cublas
from minigan.backend.cupy_backend import CupyBackend
from minigan.optimizers import SGD
from tests.systems import IMAGE_SYSTEMS, real_batch, system

SYSTEMS = ("mnist_mlp_gan", *IMAGE_SYSTEMS)
STEPS, AGREEMENT, RATE = 20, 1e-5, 1e-3
JUNK = 200  # arrays of 4 MiB
SMALL = {"width": 8, "latent": 16, "batch_size": 16}


def on_gpu(name, dtype="float32", graph=True, **settings):
    """A system's GAN on the GPU, and its settings."""
    gan, settings = system(name, dtype, backend="cupy", **settings)
    gan.graph = graph
    return gan, settings


def sizes(name):
    """Settings that make a system small."""
    return SMALL if name in IMAGE_SYSTEMS else {"latent": 16, "batch_size": 16}


def check_random_numbers():
    """Philox on the GPU against NumPy's: bits of uniforms, and normals that were rounded once."""
    gpu, cpu = get_backend("cupy"), get_backend("numpy")
    for dtype in ("float32", "float64"):
        ours, theirs = (b.random.uniform((100_003,), 7, "check", 2**40, dtype) for b in (gpu, cpu))
        assert np.array_equal(gpu.to_host(ours), theirs), dtype
    ours, theirs = (b.random.normal((1_000_003,), 7, "check", 3) for b in (gpu, cpu))
    differing = int(np.sum(gpu.to_host(ours) != theirs))
    np.testing.assert_allclose(gpu.to_host(ours), theirs, rtol=1e-6)
    return f"uniforms equal to the bit; of 1,000,003 float32 normals {differing} differ, in the last bit"


def captured(backend, work):
    """work(), once as it is, then in a CUDA graph; and the pool and stream that belong to it."""
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
        a, b = backend.random.normal((m, k), 0, "a"), backend.random.normal((k, n), 0, "b")
        out, eager = cupy.empty((m, n), "float32"), cupy.empty((m, n), "float32")
        graph, stream, pool = captured(backend, lambda a=a, b=b, out=out: backend.matmul(a, b, out))
        a[...] = backend.random.normal((m, k), 0, "other")
        graph.launch(stream)
        backend.matmul(a, b, eager)
        backend.synchronize()
        found.append(bool((out == eager).all()))
        np.testing.assert_allclose(out.get(), a.get() @ b.get(), rtol=1e-3, atol=1e-3)
        del pool
    assert all(found), found
    return f"{len(found)} shapes, replay equal to eager to the bit"


def check_products_without_a_workspace():
    """Would cuBLAS do in a graph without memory of our own? Only to know: nothing depends on it."""

    class WithoutWorkspace(Cublas):
        def _follow_current_stream(self):
            self._call("cublasSetStream_v2", self.handle, self.xp.cuda.get_current_stream().ptr)

    backend = get_backend("cupy")
    cublas, a = WithoutWorkspace(backend.xp, tf32=False), backend.random.normal((256, 256), 0, "a")
    out, expected = (backend.matmul(a, a, backend.xp.empty_like(a)) for _ in range(2))
    try:
        graph, stream, pool = captured(backend, lambda: cublas.matmul(a, a, out))
    except Exception as error:
        return f"no: {type(error).__name__}: {error}"
    out[...] = 0
    graph.launch(stream)
    backend.synchronize()
    del pool
    return f"yes; equal to the product with one: {bool((out == expected).all())}"


def check_cupys_generator_in_a_graph():
    """Does a replay of CuPy's own generator draw new numbers? Only to know: minigan has its own."""
    backend = get_backend("cupy")
    out = backend.xp.empty((64, 100), "float32")
    generator = backend.xp.random.Generator(backend.xp.random.XORWOW(0))
    graph, stream, pool = captured(backend, lambda: generator.standard_normal(out=out, dtype="float32"))
    seen = []
    for _ in range(2):
        graph.launch(stream)
        stream.synchronize()
        seen.append(backend.to_host(out))
    del pool
    return "no: the same numbers" if np.array_equal(*seen) else "yes"


def check_tf32():
    """How far TF32 and float32 products are from float64's."""
    cpu, seen = get_backend("numpy"), []
    a, b = (cpu.random.normal((512, 1600), 0, "a"), cpu.random.normal((1600, 512), 0, "b"))
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
        gan, settings = on_gpu("mnist_dcgan", graph=graph, **sizes("mnist_dcgan"))
        cupy = gan.D.backend.xp
        for k in range(12):
            losses = gan.step(real_batch(gan, settings.batch_size, k))
            if k == 6:
                junk = [cupy.full((2**20,), 7.0, "float32") for _ in range(JUNK)]
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
                         (Window((14, 14, 64), (5, 5), (2, 2), ((1, 2), (1, 2))), 32, 128),
                         (Window((14, 14, 64), (1, 1), (1, 1), ((0, 0), (0, 0))), 32, 96),
                         (Window((14, 14, 64), (3, 3), (1, 1), ((1, 1), (1, 1)), 8), 32, 64),
                         (Window((7, 7, 64), (7, 7), (1, 1), ((0, 0), (0, 0)), 64), 32, 128)):  # fmt: skip
        x, W = cpu.random.normal((n, *window.image), 0, "x"), cpu.random.normal((window.patch, d), 0, "W")
        dy = cpu.random.normal((n, *window.stops, d), 0, "dy")
        for name, first, second, like in (("conv", x, W, dy), ("conv_dW", x, dy, W), ("conv_dx", dy, W, x)):
            expected = getattr(cpu, name)(first, second, window, np.empty_like(like))
            arrays = gpu.asarray(first), gpu.asarray(second)
            found = getattr(gpu, name)(*arrays, window, gpu.xp.empty(like.shape, like.dtype))
            worst = max(worst, float(np.abs(gpu.to_host(found) - expected).max() / np.abs(expected).max()))
    assert worst < 1e-4, worst
    return f"largest difference over the largest number {worst:.1e}"


def losses(gan, x):
    """Of a step, on the host; not d_accuracy, of which a rounding can change a whole image's worth."""
    found = gan.step(gan.D.backend.asarray(x, gan.D.dtype)).values()
    names = [i for i, name in enumerate(gan.measures) if name != "d_accuracy"]
    return np.array([float(gan.D.backend.to_host(found[i])) for i in names])


def apart(ours, theirs):
    """||ours - theirs|| / max(1, ||theirs||): losses may be near 0."""
    return float(np.linalg.norm(ours - theirs) / max(1, np.linalg.norm(theirs)))


def check_double_precision(name):
    """Losses of whole steps in float64 on the GPU are NumPy's."""
    cpu, settings = system(name, "float64", **sizes(name))
    gpu, _ = on_gpu(name, "float64", **sizes(name))
    batches = [real_batch(cpu, settings.batch_size, k) for k in range(STEPS)]
    worst = max(apart(losses(gpu, x), losses(cpu, x)) for x in batches)
    assert worst < 1e-6, worst
    return f"losses of {STEPS} steps at most {worst:.1e} apart"


def descending(gan):
    """The GAN with plain descent for its optimizers. Adam divides a gradient by its own size: where the true one is 0,
    rounding alone would be a step of full size.
    """
    gan.g_optimizer, gan.d_optimizer, gan.schedule = SGD(gan.G, RATE), SGD(gan.D, RATE), None
    return gan


def losses_and_gradients(gan, x):
    """Of a step: the losses, and both networks' gradients divided by their norms, on the host."""
    found = [losses(gan, x)]
    for network in (gan.D, gan.G):
        gradient = gan.D.backend.to_host(network.grads).astype(float)
        found.append(gradient / np.linalg.norm(gradient))
    return found


def check_single_precision(name):
    """float32 on the GPU against float64: losses and gradients of steps that begin with the same weights.

    With weights of their own, two float32 runs drift apart within a few steps, on any two processors. The median over
    the steps is judged: in single steps a rounding moves an entry to the other side of a ReLU's kink.
    """
    exact, gpu = descending(system(name, "float64", **sizes(name))[0]), descending(on_gpu(name, **sizes(name))[0])
    found = []
    for k in range(STEPS):
        x = real_batch(exact, sizes(name)["batch_size"], k)
        for ours, theirs in ((gpu.D, exact.D), (gpu.G, exact.G)):
            ours.params[...] = gpu.D.backend.asarray(theirs.params, "float32")
            ours.state[...] = gpu.D.backend.asarray(theirs.state, "float32")
        pairs = zip(losses_and_gradients(gpu, x), losses_and_gradients(exact, x), strict=True)
        found.append([apart(ours, theirs) for ours, theirs in pairs])
    middle = np.median(found, axis=0)
    seen = "losses {:.1e}, D's gradient {:.1e}, G's {:.1e} from float64's, median of {} steps".format(*middle, STEPS)
    assert (middle < AGREEMENT).all(), seen
    return seen


def check_graph_of_a_step():
    """How many nodes the graph of a step has, for each system at its small size."""
    seen = []
    for name in SYSTEMS:
        gan, settings = on_gpu(name, **sizes(name))
        for k in range(3):
            gan.step(real_batch(gan, settings.batch_size, k))
        nodes = set(re.findall(r'"graph_\d+_node_\d+"', gan._run.graph.debug_dot_str()))
        assert nodes, "debug_dot_str has another form than expected"
        seen.append(f"{name} {len(nodes)}")
    return "nodes: " + ", ".join(seen)


CHECKS = {
    "random numbers": check_random_numbers,
    "products in a graph": check_products_in_a_graph,
    "TF32": check_tf32,
    "convolutions": check_convolutions,
    "replay after other work": check_replay_survives_other_work,
}
CHECKS |= {f"float64 of {name}": functools.partial(check_double_precision, name) for name in SYSTEMS}
CHECKS |= {f"float32 of {name}": functools.partial(check_single_precision, name) for name in SYSTEMS}
QUESTIONS = {  # nothing fails if the answer is no
    "nodes of a step's graph": check_graph_of_a_step,
    "products in a graph without a workspace": check_products_without_a_workspace,
    "CuPy's generator in a graph": check_cupys_generator_in_a_graph,
}
