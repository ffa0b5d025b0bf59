"""What can only be timed on a GPU. Everything is in milliseconds."""

import os
import statistics
import time

from minigan import get_backend
from minigan.backend import cupy_backend
from minigan.backend.cupy_backend import shared_backend
from minigan.layers import Conv2D, Conv2DTranspose, UpSamplingConv2D
from tests.gpu.checks import on_gpu
from tests.systems import real_batch, system

DEVICE = "cuda"
SECONDS = 0.3  # of each round


def milliseconds(step, synchronize, rounds):
    """The median of some rounds, each of as many steps as take SECONDS."""
    for _ in range(5):
        step()
    synchronize()
    start = time.perf_counter()
    step()
    synchronize()
    count = max(3, min(2000, int(SECONDS / max(1e-5, time.perf_counter() - start))))
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            step()
        synchronize()
        found.append(1000 * (time.perf_counter() - start) / count)
    return statistics.median(found)


def backend_with(tf32):
    """The CuPy backend, made anew with this setting."""
    os.environ["CUPY_TF32"] = str(int(tf32))
    shared_backend.cache_clear()
    return get_backend("cupy")


def time_minigan(name, tf32, rounds, **settings):
    """One whole step of a system at its own size, as a graph and without."""
    backend, found = backend_with(tf32), {}
    for way, graph in (("minigan graph", True), ("minigan no-graph", False)):
        gan, chosen = on_gpu(name, graph=graph, **settings)
        x_real = real_batch(gan, chosen.batch_size)
        found[way] = milliseconds(lambda gan=gan, x=x_real: gan.step(x), backend.synchronize, rounds)
    return found


def time_launches(name, rounds, **settings):
    """Would several steps in one graph pay? They would if the host is what a step waits for.

    launch          the graph alone, many in a row, with one wait at the end
    launch, host    what of that the host needs to hand them over: if it is as long, the GPU waits for the host
    launch, waiting the graph alone, waiting for each: the host's way there and back comes on top
    step            gan.step, which also copies the batch in and the losses out
    """
    backend = backend_with(False)
    gan, chosen = on_gpu(name, **settings)
    x_real = real_batch(gan, chosen.batch_size)
    for _ in range(3):
        gan.step(x_real)
    captured, count = gan._run, 50  # few enough for the driver's queue

    def launch():
        captured.graph.launch(captured.stream)

    def waited():
        launch()
        captured.stream.synchronize()

    handed_over = []
    for _ in range(rounds):
        captured.stream.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            launch()
        handed_over.append(1000 * (time.perf_counter() - start) / count)
    return {
        "launch": milliseconds(launch, captured.stream.synchronize, rounds),
        "launch, host": statistics.median(handed_over),
        "launch, waiting": milliseconds(waited, captured.stream.synchronize, rounds),
        "step": milliseconds(lambda: gan.step(x_real), backend.synchronize, rounds),
    }


def time_layers(name, tf32, rounds, **settings):
    """For each convolution of a system: its patches copied, its product, its patches added up; and the whole forward,
    all images at once and in smaller pieces.
    """
    backend, rows = backend_with(tf32), []
    gan, chosen = on_gpu(name, **settings)
    n, most = chosen.batch_size, cupy_backend.MOST_NUMBERS
    for net in (gan.G, gan.D):
        for layer in net.layers:
            if not isinstance(layer, Conv2D | Conv2DTranspose) or isinstance(layer, UpSamplingConv2D):
                continue
            window, W = layer.window, layer.W
            x, y = (backend.random.normal((n, *shape), 0, "x") for shape in (window.image, (*window.stops, W.shape[1])))
            cols, flat = backend._im2col(x, window), y.reshape(-1, W.shape[1])

            def time_one(work):
                return milliseconds(work, backend.synchronize, rounds)

            row = {
                "layer": f"{net.name} {layer.name} {window.image} {W.shape}",
                "im2col": time_one(lambda x=x, window=window: backend._im2col(x, window)),
                "product": time_one(lambda cols=cols, W=W, flat=flat: backend.matmul(cols, W, flat)),
                "conv_dx": time_one(lambda y=y, W=W, window=window, x=x: backend.conv_dx(y, W, window, x)),
            }
            for images in (n, 32, 8):
                cupy_backend.MOST_NUMBERS = images * window.patch * window.stops[0] * window.stops[1]
                row[f"conv by {images}"] = time_one(lambda x=x, W=W, window=window, y=y: backend.conv(x, W, window, y))
            cupy_backend.MOST_NUMBERS = most
            rows.append(row)
    return rows


def time_torch(name, tf32, mode, rounds, **settings):
    """The same step in PyTorch: "eager", "graph" (the whole step captured by hand) or "compile"."""
    import torch

    from tests.torch_twins import TorchGAN, nchw

    if DEVICE == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("this PyTorch has no CUDA")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    gan, chosen = system(name, "float32", **settings)
    if gan.penalty is not None:
        raise RuntimeError("its twin draws the penalty's points on the host")
    n, twin = chosen.batch_size, TorchGAN(gan)
    for module in (twin.G, twin.D):
        for part in module:
            if hasattr(part, "part"):
                part.part()  # PyTorch's own dropout
        module.to(DEVICE, memory_format=torch.channels_last)
    twin.g_optimizer, twin.d_optimizer = (
        torch_optimizer(ours, module, capturable=mode == "graph")
        for ours, module in ((gan.g_optimizer, twin.G), (gan.d_optimizer, twin.D))
    )
    twin.schedules = []
    if mode == "compile":
        twin.G, twin.D = torch.compile(twin.G), torch.compile(twin.D)
    x_real = [nchw(part).to(DEVICE) for part in torch.from_numpy(real_batch(gan, n)).split(n)]

    def step():
        z_d = [torch.randn(n, *gan.G.input_shape, device=DEVICE) for _ in x_real]
        return twin.step(x_real, z_d, torch.randn(n, *gan.G.input_shape, device=DEVICE))

    run = captured_by_torch(step) if mode == "graph" else step
    return {f"torch {mode}": milliseconds(run, torch.cuda.synchronize, rounds)}


def torch_optimizer(ours, module, capturable):
    """PyTorch's fastest form of the same optimizer."""
    import torch

    parameters = list(module.parameters())
    if hasattr(ours, "beta1"):
        betas = ours.beta1, ours.beta2
        return torch.optim.Adam(parameters, ours.learning_rate, betas, ours.eps, fused=True, capturable=capturable)
    return torch.optim.RMSprop(parameters, ours.learning_rate, ours.rho, ours.eps, foreach=True, capturable=capturable)


def captured_by_torch(step):
    """The step as a CUDA graph, as PyTorch's documentation captures a whole training step."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(4):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
