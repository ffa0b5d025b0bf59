"""CupyBackend, its kernels and its captured steps, on a strict double of CuPy: whole systems, and the double itself."""

import numpy as np
import pytest

from minigan import (
    SGD,
    Adam,
    BCEWithLogits,
    Generator,
    Hinge,
    NonSaturating,
    Relativistic,
    RMSprop,
    Wasserstein,
    WeightClipping,
    get_backend,
)
from minigan.backend import Sums
from minigan.backend.kernels import KERNELS
from minigan.backend.sums import COLUMN_SUMS, GRADIENT_SUMS, MOMENTS
from minigan.checkpoint import load_checkpoint, load_model, save_checkpoint, save_model
from minigan.data import ImageSet
from minigan.errors import BackendError, ShapeError
from minigan.layers import Dense, Dropout, Layer, LeakyReLU, ReLU, Sigmoid, SpectralNorm, Tanh
from minigan.network import Sequential
from minigan.penalties import R1, R1R2, GradientPenalty
from minigan.schedules import StepLR

from . import strict_cupy
from .cuda_shim import COMPILER, names_of_arguments, run_kernel, signatures
from .layer_table import CASES
from .systems import real_batch, system
from .test_layers import build as build_layer
from .test_layers import run as run_layer

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the double runs kernels.cu, and needs g++ to compile it")

SMALL = {"width": 2, "latent": 5}
SYSTEMS = {
    "mnist_mlp_gan": {"latent": 5},
    "mnist_dcgan": SMALL,
    "mnist_wgan_gp": SMALL,
    "faces_dcgan": SMALL | {"size": 32},
    "anime_dcgan": SMALL | {"size": 32},
    "anime_wgan": SMALL | {"size": 32, "d_steps": 2},
    "cats_dcgan": SMALL | {"size": 24},
    "celeba_dcgan": SMALL | {"size": 32},
    "mnist_r3gan": SMALL | {"group": 2, "burn_in": 1},
    "faces_r3gan": SMALL | {"size": 16, "burn_in": 5},
}
STEPS, BATCH = 6, 3


@pytest.fixture
def double(monkeypatch):
    """The double in CuPy's place, and what it counts."""
    with strict_cupy.installed() as counts:
        yield counts


def host(gan, losses):
    """The losses of steps as an array of the host."""
    return np.array([[float(gan.D.backend.to_host(value)) for value in step.values()] for step in losses])


def trained(gan, steps=STEPS, first=0, n=BATCH):
    """The losses of some steps, still on the device."""
    batches = [real_batch(gan, n, first + k) for k in range(steps)]
    labels = [(np.arange(len(batch)) + k) % gan.classes if gan.classes else None for k, batch in enumerate(batches)]
    return [gan.step(*pair) for pair in zip(batches, labels, strict=True)]


def both(name, monkeypatch, dtype="float64", **settings):
    """An example's GAN on NumPy, and on the double."""
    on_numpy, _ = system(name, dtype, **settings)
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    on_double, _ = system(name, dtype, **settings)
    assert on_double.G.backend.name == "cupy" and on_double.G.backend is on_double.D.backend
    return on_numpy, on_double


NO_GRAPH = pytest.param(False, marks=pytest.mark.slow, id="no-graph")


@pytest.mark.parametrize("graph", [pytest.param(True, id="graph"), NO_GRAPH])
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_takes_whole_steps_without_waiting_and_with_numpys_losses(name, graph, monkeypatch, double):
    on_numpy, on_double = both(name, monkeypatch, **SYSTEMS[name])
    on_double.graph = graph
    on_double.steps = on_numpy.steps = 1  # the range of the first batch is looked at, and that waits
    batches = [real_batch(on_double, BATCH, k) for k in range(STEPS)]
    double.waits = double.transfers = 0
    losses = [on_double.step(batch) for batch in batches]
    assert (double.waits, double.transfers) == (0, 0), "between logs nothing waits, and nothing travels"
    seen, burn_in = on_double.seen // STEPS, getattr(on_double.schedule, "images", 0)
    moving = -(-burn_in // seen)  # steps whose numbers are not those of the last one
    assert double.graph_launches == (STEPS - 2 - moving if graph else 0)
    expected = [on_numpy.step(real_batch(on_numpy, BATCH, k)) for k in range(STEPS)]
    np.testing.assert_allclose(host(on_double, losses), host(on_numpy, expected), rtol=1e-9, atol=1e-12)
    for net, other in ((on_double.G, on_numpy.G), (on_double.D, on_numpy.D)):
        for vector in ("params", "state"):
            found = net.backend.to_host(getattr(net, vector))
            np.testing.assert_allclose(found, getattr(other, vector), rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name, most", [("mnist_mlp_gan", 165), ("mnist_dcgan", 210), ("celeba_dcgan", 640)])
def test_a_step_is_few_launches(name, most, monkeypatch, double):
    _, gan = both(name, monkeypatch, dtype="float32", **SYSTEMS[name])
    gan.graph, gan.steps = False, 1
    batch, double.launches = real_batch(gan, BATCH), 0
    gan.step(batch)
    assert most / 2 < double.launches <= most


# The captured step. --------------------------------------------------------------------------------------------------


def small_gan(optimizer=Adam, objective=None, spectral=False, residual=False, classes=0, **switches):
    """A small convolutional GAN on the backend that the environment names, with all that draws or moves by steps."""
    from minigan import GAN
    from minigan.layers import BatchNorm, Conv2D, Conv2DTranspose, Dense, Flatten, LabelEmbedding, Reshape, Residual

    options = {"dtype": "float64", "seed": 4}
    wrap = SpectralNorm if spectral else lambda layer: layer
    norm = [] if "penalty" in switches else [BatchNorm()]
    first = [LabelEmbedding(classes, 2)] if classes else []
    block = [Residual(Conv2D(3, 3, padding="same"), Tanh())] if residual else []
    G = Generator(
        [*first, Dense(12), BatchNorm(), ReLU(), Reshape((2, 2, 3)), *block,
         Conv2DTranspose(2, 3, 2, 1, output_padding=1), Tanh()],
        input_shape=5 + classes, classes=classes, name="G", **options,
    )  # fmt: skip
    conv = wrap(Conv2D(3, 3, 2, "same"))
    if residual:
        conv = Residual(conv, LeakyReLU(), Conv2D(3, 1), shortcut=Sequential([Conv2D(3, 1, 2), Tanh()]))
    D = Sequential(
        [conv, *norm, LeakyReLU(), Dropout(0.3), Flatten(), wrap(Dense(classes or 1))],
        input_shape=(4, 4, 2 * switches.get("pack", 1)), name="D", **options,
    )  # fmt: skip
    objective = objective() if objective else NonSaturating(BCEWithLogits())
    return GAN(
        G, D, objective=objective, g_optimizer=optimizer(G, 0.01), d_optimizer=optimizer(D, 0.02), seed=4, **switches
    )


SWITCHES = {
    "plain": {},
    "SGD": {"optimizer": SGD},
    "RMSprop": {"optimizer": RMSprop, "objective": Wasserstein, "clip": WeightClipping(0.2), "d_steps": 3},
    "clipped kernels": {"clip": WeightClipping(0.2, "kernels"), "d_update": "two_steps"},
    "same noise": {"noise": "same", "ema": 0.9},
    "schedule": {"schedule": StepLR(2, 0.5)},
    "schedule of SGD": {"schedule": StepLR(3, 0.5), "optimizer": SGD},
    "gradient penalty": {"penalty": GradientPenalty(10.0), "objective": Wasserstein, "d_steps": 2},
    "R1": {"penalty": R1(1.0), "spectral": True},
    "spectral norm": {"spectral": True, "objective": Hinge},
    "pairs": {"objective": Relativistic, "g_steps": 2, "noise": "same"},
    "residual": {"residual": True, "penalty": GradientPenalty(10.0), "objective": Wasserstein, "d_steps": 2},
    "labels": {"classes": 3, "ema": 0.9},
    "changed images": {"augment": "color,translation,cutout", "g_steps": 2, "d_steps": 2},
    "changed pairs": {"augment": "translation,cutout", "objective": Relativistic, "penalty": R1(1.0), "noise": "same"},
    "changed, fused": {"augment": "color,cutout", "objective": Relativistic, "penalty": R1R2(1.0), "fused": True},
    "packs": {"pack": 3, "augment": "color"},
    "packs, gradient penalty": {"pack": 3, "objective": Wasserstein, "penalty": GradientPenalty(10.0), "d_steps": 2},
    "labels, residual pairs, R1": {"classes": 3, "residual": True, "spectral": True, "objective": Relativistic,
                                   "penalty": R1(1.0)},
    "labels, residual pairs, R1 and R2": {"classes": 3, "residual": True, "objective": Relativistic,
                                          "penalty": R1R2(1.0)},
    "fused pairs, labels": {"classes": 3, "objective": Relativistic, "penalty": R1R2(1.0), "fused": True},
    "fused, R1": {"penalty": R1(1.0), "fused": True, "d_steps": 2},
}  # fmt: skip


def numbers(gan):
    """Everything that a step moves, on the host."""
    arrays = [gan.G.params, gan.D.params, gan.G.state, gan.D.state]
    arrays += [getattr(o, name) for o in (gan.g_optimizer, gan.d_optimizer) for name in o.vectors]
    arrays += [] if gan.average is None else [gan.average]
    whole = [gan.steps, gan.G.forwards, gan.D.forwards, gan.g_optimizer.steps, gan.d_optimizer.steps]
    return np.concatenate([gan.G.backend.to_host(array).ravel() for array in arrays]), whole


@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_a_captured_step_is_the_step_to_the_bit(switches, monkeypatch, double):
    plain = small_gan(**switches)  # on NumPy
    expected = host(plain, trained(plain, 7))
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    captured, eager = small_gan(**switches), small_gan(**switches, graph=False)
    losses = host(captured, trained(captured, 7))
    assert double.graph_launches == 5
    assert np.array_equal(losses, host(eager, trained(eager, 7))) and double.graph_launches == 5
    (found, counts), (same, same_counts) = numbers(captured), numbers(eager)
    assert np.array_equal(found, same) and counts == same_counts == numbers(plain)[1]
    np.testing.assert_allclose(losses, expected, rtol=1e-9, atol=1e-12)


def test_another_batch_size_is_captured_anew(monkeypatch, double):
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    captured, eager = small_gan(), small_gan(graph=False)
    for n, launches in ((3, 3), (6, 3), (2, 1), (3, 2)):
        before = double.graph_launches
        first = captured.steps
        ours = host(captured, trained(captured, launches + 2, first, n))
        assert double.graph_launches == before + launches
        assert np.array_equal(ours, host(eager, trained(eager, launches + 2, first, n)))


def test_a_learning_rate_that_changes_needs_no_new_capture(monkeypatch, double):
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    found = []
    for gan in (small_gan(), small_gan(graph=False)):
        for k, rate in enumerate((0.01, 0.01, 0.01, 0.05, 0.002)):
            gan.g_optimizer.learning_rate = rate
            trained(gan, 1, k)
        found.append(numbers(gan)[0])
    assert double.graph_launches == 3 and np.array_equal(*found)


def test_what_happens_between_steps_is_seen(monkeypatch, double):
    """Sampling, steps of another kind, weights written by hand, and a counter that was moved."""
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    found = []
    for gan in (small_gan(ema=0.5), small_gan(ema=0.5, graph=False)):
        trained(gan, 4)
        with gan.averaged():
            gan.G.predict(gan.draw_noise(40, "samples", 0))
        gan.D.forward(real_batch(gan, 20, 0), backward=False)  # larger buffers, another count
        trained(gan, 4, 4)
        gan.G.params[...] = 0.9 * gan.G.params
        gan.G.check_finite = True
        trained(gan, 1, 8)
        gan.G.check_finite = False
        trained(gan, 4, 9)
        found.append(numbers(gan))
    assert np.array_equal(found[0][0], found[1][0]) and found[0][1] == found[1][1]
    assert double.graph_launches == 2 + 2 + 2


class Counting(Layer):
    """Draws with step numbers that grow by more and more."""

    def forward(self, x, train):
        return x + self.backend.random.normal(x.shape, 0, "odd", self.context.forwards**2, self.dtype)

    def backward(self, dy, params=True, inputs=True):
        return dy


class Peeking(Layer):
    """Looks at its numbers."""

    def forward(self, x, train):
        return x if (x > 5).any() else x * 1.0

    def backward(self, dy, params=True, inputs=True):
        return dy


@pytest.mark.parametrize("layer, error, words", [
    (Counting, BackendError, "do not grow by the same from step to step; switch capturing off with GAN"),
    (Peeking, RuntimeError, "bool: the host cannot wait for a stream that is captured"),
])  # fmt: skip
def test_a_step_that_cannot_be_captured_says_so(layer, error, words, monkeypatch, double):
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    gan = small_gan()
    gan.D.layers.insert(0, layer())
    gan.D.first_learner += 1
    gan.D.layers[0].connect(gan.D.context, "odd", gan.D.input_shape)
    trained(gan, 2)
    with pytest.raises(error, match=words):
        trained(gan, 1, 2)
    assert strict_cupy.STATE.capturing is None, "the capture was ended"
    gan.graph = False
    trained(gan, 2, 2)


# Training, files, data. ----------------------------------------------------------------------------------------------

LENGTH = ["--steps", "9", "--log-every", "3", "--sample-every", "9", "--checkpoint-every", "9"]
RUN = [*LENGTH, "--batch-size", "16", "--latent", "5", "--grid", "2"]


@pytest.fixture
def images(tmp_path):
    made = get_backend("numpy").random.integers(256, 20 * 64, 0, "images").astype(np.uint8).reshape(20, 8, 8)
    np.save(tmp_path / "images.npy", made)
    return tmp_path / "images.npy"


def rows(run):
    """history.csv without the seconds."""
    lines = (run / "history.csv").read_text(encoding="utf-8").splitlines()[1:]
    return np.array([[float(value) for value in line.split(",")[:-1]] for line in lines])


def test_the_training_loop_waits_only_to_log(images, tmp_path, monkeypatch, double, no_pictures):
    from minigan.loop import Training

    from .systems import example

    main, step, seen = example("mnist_mlp_gan").main, Training.take_step, []

    def watched(training):
        before = double.waits, double.transfers, double.graph_launches
        losses = step(training)
        after = double.waits, double.transfers, double.graph_launches
        seen.append(tuple(b - a for a, b in zip(before, after, strict=True)))
        return losses

    monkeypatch.setattr(Training, "take_step", watched)
    main([*RUN, "--data", str(images), "--backend", "cupy", "--out", str(tmp_path / "gpu")])
    assert seen[0][0] <= 2, "the range of the first batch"
    assert seen[1:] == [(0, 0, 0)] + 7 * [(0, 0, 1)], "nothing travels; and after two steps, one graph a step"
    main([*RUN, "--data", str(images), "--backend", "cupy", "--no-graph", "--out", str(tmp_path / "kernels")])
    main([*RUN, "--data", str(images), "--backend", "numpy", "--out", str(tmp_path / "cpu")])
    assert np.array_equal(rows(tmp_path / "gpu"), rows(tmp_path / "kernels"))
    np.testing.assert_allclose(rows(tmp_path / "gpu"), rows(tmp_path / "cpu"), rtol=1e-3)  # in float32


@pytest.mark.parametrize("first, second", [("cupy", "numpy"), pytest.param("numpy", "cupy", marks=pytest.mark.slow)])
def test_a_run_goes_on_where_it_is_wanted(first, second, images, tmp_path, double, no_pictures):
    from .systems import example

    main, run, whole = example("mnist_mlp_gan").main, tmp_path / "run", tmp_path / "whole"
    flags = [*RUN, "--data", str(images)]
    main([*flags, "--backend", first, "--out", str(run)])
    main(["--resume", str(run), "--backend", second, "--steps", "12"])
    main([*flags, "--steps", "12", "--backend", "numpy", "--out", str(whole)])
    np.testing.assert_allclose(rows(run), rows(whole), rtol=5e-3)  # float32, and rounding grows


def test_models_and_checkpoints_move_between_backends_without_losing_a_bit(tmp_path, monkeypatch, double):
    gans = [small_gan(ema=0.9)]
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    gans.append(small_gan(ema=0.9))
    for i, (gan, other) in enumerate((gans, gans[::-1])):
        trained(gan, 3, gan.steps)
        save_checkpoint(tmp_path / f"{i}.npz", gan, {})
        load_checkpoint(tmp_path / f"{i}.npz", other)
        assert np.array_equal(numbers(gan)[0], numbers(other)[0]) and numbers(gan)[1] == numbers(other)[1]
        save_model(tmp_path / f"G{i}.npz", gan.G)
        loaded = load_model(tmp_path / f"G{i}.npz", backend=other.G.backend.name)
        z = get_backend("numpy").random.normal((4, 5), 1, "z", dtype="float64")
        pictures = [net.backend.to_host(net.predict(net.backend.asarray(z))) for net in (gan.G, loaded)]
        np.testing.assert_allclose(*pictures, rtol=1e-12, atol=1e-13)


def test_clones_move_too(monkeypatch, double):
    net = small_gan().G
    clone = net.clone(backend="cupy").clone(backend="numpy", dtype="float32")
    assert np.array_equal(clone.params, net.params.astype(np.float32))


# The backend's functions, one by one. --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_has_numpys_numbers(case, dtype, double):
    ours, theirs = (
        run_layer(*build_layer(case, dtype, backend, workspace="reuse")) for backend in (get_backend("cupy"), "numpy")
    )
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for found, expected in zip(ours, theirs, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", [LeakyReLU, ReLU, Tanh, Sigmoid])
def test_arrays_that_no_kernel_can_walk_through_get_the_formula(kind, double):
    """Every second row, upwards: what a kernel took for the next number would lie elsewhere."""
    net = Sequential([kind()], input_shape=3, backend="cupy", dtype="float64")
    x, dy = (net.backend.random.normal((8, 3), 0, name, dtype="float64") for name in ("x", "dy"))
    strided = [net.forward(x[::-2]).get(), net.backward(dy[::-2]).get()]
    whole = [net.forward(x[::-2].copy()).get(), net.backward(dy[::-2].copy()).get()]
    np.testing.assert_allclose(strided, whole, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_every_layout(dtype, double):
    backend, cpu = get_backend("cupy"), get_backend("numpy")
    rtol = 1e-5 if dtype == "float32" else 1e-13
    for n, k, d in ((1, 1, 1), (5, 3, 4), (1, 7, 3), (6, 1, 2), (4, 6, 1), (1, 1, 5)):
        a, b = cpu.random.normal((n, k), 1, "a", dtype=dtype), cpu.random.normal((k, d), 1, "b", dtype=dtype)
        wide = backend.asarray(np.tile(a, 3))[:, k : 2 * k]
        for left in (backend.asarray(a), backend.asarray(np.ascontiguousarray(a.T)).T, wide, wide[:, ::-1][:, ::-1]):
            for right in (backend.asarray(b), backend.asarray(np.ascontiguousarray(b.T)).T):
                out = backend.matmul(left, right, out=backend.xp.empty((n, d), dtype))
                np.testing.assert_allclose(backend.to_host(out), a @ b, rtol=rtol, atol=rtol)
    strided = backend.asarray(np.ones((4, 6), dtype))[::2, ::3]
    out = backend.matmul(strided, strided, out=backend.xp.empty((2, 2), dtype))
    assert (backend.to_host(out) == 2).all(), "neither rows nor columns in one piece: copied"


@pytest.mark.parametrize("shapes, dtypes", [
    (((2, 3), (4, 2), (2, 2)), "ddd"), (((2, 3), (3, 2), (2, 3)), "ddd"), (((2, 3), (3, 2), (2, 2)), "dfd"),
])  # fmt: skip
def test_products_that_do_not_fit_are_refused(shapes, dtypes, double):
    arrays = [get_backend("cupy").xp.zeros(shape, kind) for shape, kind in zip(shapes, dtypes, strict=True)]
    with pytest.raises(ShapeError, match="matmul: "):
        get_backend("cupy").matmul(*arrays)


def test_tf32_is_asked_for_where_it_was_wanted(double, monkeypatch):
    from minigan.backend.cupy_backend import CupyBackend

    assert not CupyBackend().cublas.tf32 and CupyBackend(tf32=True).cublas.tf32
    monkeypatch.setenv("CUPY_TF32", "1")
    assert CupyBackend().cublas.tf32 and not CupyBackend(tf32=False).cublas.tf32
    backend, asked = CupyBackend(), []
    monkeypatch.setattr(backend.cublas.library, "cublasGemmEx", lambda *arguments: asked.append(arguments[-2]) or 0)
    for dtype in ("float32", "float64"):
        backend.matmul(*(backend.xp.zeros((2, 2), dtype) for _ in range(3)))
    assert asked == [77, 70]


def test_a_failing_cublas_is_named(double):
    backend = get_backend("cupy")
    backend.cublas.handle.value = 7
    backend.cublas.stream = None
    a = backend.xp.zeros((2, 2))
    with pytest.raises(BackendError, match="cublasSetStream_v2 failed with cuBLAS status 1"):
        backend.matmul(a, a, backend.xp.empty((2, 2)))


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_are_numpys(dtype, pieces, double, monkeypatch):
    from minigan.backend import Window, cupy_backend

    backend, cpu, tolerance = get_backend("cupy"), get_backend("numpy"), 1e-4 if dtype == "float32" else 1e-12
    for window in (
        Window((5, 7, 3), (3, 2), (2, 3), ((1, 0), (0, 2))), Window((4, 4, 1), (4, 4), (1, 1), ((0, 0), (0, 0))),
        Window((6, 5, 2), (1, 1), (3, 2), ((0, 0), (0, 0))), Window((5, 5, 2), (2, 2), (3, 3), ((2, 1), (1, 3))),
        Window((6, 5, 2), (1, 1), (1, 1), ((0, 0), (0, 0))),
        Window((5, 7, 6), (3, 2), (2, 3), ((1, 0), (0, 2)), 3), Window((4, 5, 2), (2, 2), (3, 3), ((2, 1), (1, 3)), 2),
        Window((3, 4, 3), (3, 4), (1, 1), ((0, 0), (0, 0)), 3),
    ):  # fmt: skip
        n, d = 5, 3 if window.groups == 1 else 2 * window.groups
        if pieces > 1:
            monkeypatch.setattr(cupy_backend, "MOST_NUMBERS", 2 * window.patch * window.stops[0] * window.stops[1])
        x, W = (
            cpu.random.normal((n, *window.image), 1, "x", dtype=dtype),
            cpu.random.normal((window.patch, d), 1, "W", dtype=dtype),
        )
        dy = cpu.random.normal((n, *window.stops, d), 1, "dy", dtype=dtype)
        for name, first, second in (("conv", x, W), ("conv_dW", x, dy), ("conv_dx", dy, W)):
            shape = {"conv": dy, "conv_dW": W, "conv_dx": x}[name].shape
            for ways in (slice(None), slice(None, None, -1)):  # a view whose images lie backwards
                host_arrays = [array[ways] if array is not W else W for array in (first, second)]
                expected = getattr(cpu, name)(*host_arrays[:2], window, np.empty(shape, dtype))
                arrays = [backend.asarray(a)[ways] if b is not W else backend.asarray(W)
                          for a, b in ((first, first), (second, second))]  # fmt: skip
                found = getattr(backend, name)(*arrays, window, backend.xp.empty(shape, dtype))
                np.testing.assert_allclose(backend.to_host(found), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (700, 5), (3, 4, 5, 7), (2, 300, 300, 1), (5000, 64)])
def test_sums_and_moments_are_numpys(shape, double):
    backend, cpu = get_backend("cupy"), get_backend("numpy")
    x = 3 + cpu.random.normal(shape, 2, "x", dtype="float64")
    ours = backend.asarray(x)
    np.testing.assert_allclose(backend.sums(COLUMN_SUMS, ours)[0].get(), x.reshape(-1, shape[-1]).sum(0))
    for a, b in zip(backend.sums(MOMENTS, ours), cpu.sums(MOMENTS, x), strict=True):
        np.testing.assert_allclose(a.get(), b, rtol=1e-12, atol=1e-15)
    dy = cpu.random.normal(shape, 3, "dy", dtype="float64")
    expected = cpu.sums(GRADIENT_SUMS, dy, x, x.reshape(-1, shape[-1])[0])
    found = backend.sums(GRADIENT_SUMS, backend.asarray(dy), ours, ours.reshape(-1, shape[-1])[0])
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.get(), b, rtol=1e-9, atol=1e-9)


def test_float32_sums_are_rounded_once(double):
    """From 180,000 numbers far from 0, whose squares float32 could not tell apart."""
    backend, cpu = get_backend("cupy"), get_backend("numpy")
    x, dy = 1000 + cpu.random.normal((2, 300, 300, 3), 2, "x"), cpu.random.normal((2, 300, 300, 3), 3, "dy")
    exact_x, exact_dy = (array.astype(float).reshape(-1, 3) for array in (x, dy))
    mean = np.float32(1000)
    ours, centre = backend.asarray(x), backend.xp.full(3, mean)
    found = [*backend.sums(COLUMN_SUMS, ours), *backend.sums(MOMENTS, ours),
             *backend.sums(GRADIENT_SUMS, backend.asarray(dy), ours, centre)]  # fmt: skip
    expected = [exact_x.sum(0), exact_x.mean(0), exact_x.var(0), exact_dy.sum(0), (exact_dy * (exact_x - mean)).sum(0)]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.get(), b, rtol=2**-23)


@pytest.mark.parametrize("rows, launches", [(1, 2), (64, 2), (4096, 2), (4097, 3), (50_000, 3)])
def test_a_sum_takes_two_launches_or_three(rows, launches, double):
    backend = get_backend("cupy")
    x = backend.xp.ones((rows, 3), "float32")
    double.launches = 0
    assert (backend.sums(COLUMN_SUMS, x)[0].get() == rows).all() and double.launches == launches


def test_sums_of_your_own_are_computed_as_they_are_written(double):
    largest = Sums("largest", "x", lambda xp, x: (xp.maximum(x, 0).max(axis=0),))
    x = get_backend("numpy").random.normal((4, 5, 3), 0, "x", dtype="float64")
    for name in ("cupy", "numpy"):
        backend = get_backend(name)
        (found,) = backend.sums(largest, backend.asarray(x))
        assert np.array_equal(backend.to_host(found), np.maximum(x, 0).max(axis=(0, 1)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 777])
@pytest.mark.parametrize("make", [
    lambda net: SGD(net, 0.01), lambda net: SGD(net, 0.01, 0.9), lambda net: RMSprop(net, 0.01, 0.7, 1e-3),
    lambda net: Adam(net, 0.01, 0.5, 0.999), lambda net: Adam(net, 0.01, 0.0, 0.9, 1e-3),
])  # fmt: skip
def test_optimizers_are_numpys(make, size, dtype, double):
    """Each is one launch; at its first step, and after very many of them."""
    found = {}
    for name in ("cupy", "numpy"):
        net = Sequential([Dense(1)], input_shape=size, dtype=dtype, backend=name, name="net")
        optimizer = make(net)
        for k, steps in enumerate((0, 1, 10**9)):
            optimizer.steps = steps
            net.grads[...] = net.backend.random.normal(net.grads.shape, k, "g", dtype=dtype)
            double.launches = 0
            optimizer.step()
            assert double.launches == (name == "cupy")
        vectors = (net.params, *(getattr(optimizer, vector) for vector in optimizer.vectors))
        found[name] = [net.backend.to_host(vector) for vector in vectors]
    for ours, theirs in zip(found["cupy"], found["numpy"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=3e-6 if dtype == "float32" else 1e-14, atol=1e-7)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_kernel_takes_what_is_declared(kernel):
    """In kernels.cu: the names, their order, and which arrays are written to."""
    wanted = [name + "*" * (name in kernel.writes.split()) for name in kernel.arrays]
    wanted += [*kernel.vectors.split(), "total"] + ["c"] * bool(kernel.vectors)
    wanted += [*kernel.scalars.split(), *kernel.numbers.split()] + ["first", "stride", "replays"] * bool(kernel.steps)
    assert names_of_arguments()[kernel.name] == wanted


def test_every_grid_gives_the_same_bits_and_writes_nothing_beyond(double):
    """More threads than numbers, fewer, and one; behind the output lie numbers that must stay."""
    words, images = (np.uint64(7), np.uint64(8), np.uint64(9), np.uint64(3)), np.arange(36, dtype=np.uint8)
    window = [np.int32(i) for i in (4, 3, 2, 3, 2, 2, 1, 1, 0, 2, 2)]  # rows of cols: 2 2 2; image 4 3 2
    x, replays = get_backend("numpy").random.normal((96,), 0, "x", dtype="float64"), np.array(2, np.uint64)
    calls = {
        "im2col": (96, lambda out: (x, out, np.uint32(96), *window)),
        "col2im": (48, lambda out: (x, out, np.uint32(48), *window)),
        "grouped_conv": (64, lambda out: (x, x[20:].copy(), out, np.uint32(64), *window, np.int32(8), np.int32(2))),
        "grouped_conv_dx": (72, lambda out: (x, x[20:].copy(), out, np.uint32(72), *window, np.int32(8), np.int32(2))),
        "grouped_conv_dW": (96, lambda out: (x, x[20:].copy(), out, np.uint32(96), np.uint32(2), np.uint32(8), *window,
                                             np.int32(8), np.int32(2))),
        "relu": (48, lambda out: (x, out, np.uint32(48))),
        "relu_dx": (40, lambda out: (x, x[50:].copy(), out, np.uint32(40))),
        "leaky_relu": (48, lambda out: (x, out, np.uint32(48), np.float64(0.2))),
        "leaky_relu_dx": (40, lambda out: (x, x[50:].copy(), out, np.uint32(40), np.float64(0.2))),
        "tanh_dx": (40, lambda out: (x, x[50:].copy(), out, np.uint32(40))),
        "sigmoid": (48, lambda out: (x, out, np.uint32(48))),
        "sigmoid_dx": (40, lambda out: (x, x[50:].copy(), out, np.uint32(40))),
        "dropout": (48, lambda out: (x, x > 0, out, np.uint32(48), np.float64(1.5))),
        "bce_with_logits": (40, lambda out: (x, x[9:].copy(), out, x[20:].copy(), np.uint32(40), np.float64(40))),
        "add_bias": (40, lambda out: (out, x, np.uint32(40), np.int32(3))),
        "sgd": (40, lambda out: (out, x, np.ones(40), np.uint32(40), np.array(0.1), np.float64(0.5))),
        "rmsprop": (40, lambda out: (out, x, np.ones(40), np.uint32(40), np.array(0.1), np.float64(0.9),
                                     np.float64(1e-8))),
        "column_sums": (6, lambda out: (x, out, np.uint32(6), np.uint32(95), np.int32(3))),
        "column_moments": (12, lambda out: (x, out, np.uint32(6), np.uint32(95), np.int32(3))),
        "column_products": (12, lambda out: (x, out, np.uint32(6), np.uint32(40), np.int32(3), x[50:].copy(), x)),
        "add_sums": (12, lambda out: (x, out, np.uint32(12), np.uint32(6), np.uint32(45))),
        "moments": (3, lambda out: (x, x, out, np.ones(3), np.uint32(3), np.uint32(45), np.float64(15))),
        "running_average": (9, lambda out: (x, x, np.ones(9), out, np.uint32(9), np.float64(0.1))),
        "channel_scales": (9, lambda out: (x**2, x, np.ones(9), out, np.uint32(9), np.float64(0.1))),
        "normalise": (40, lambda out: (x, out, x, x, x, np.uint32(40), np.int32(3))),
        "normalise_dx": (40, lambda out: (x, x[50:].copy(), out, x, x, x, x, x, np.uint32(40), np.int32(3),
                                          np.float64(8))),
        "uniform": (7, lambda out: (out, np.uint32(7), *words, replays)),
        "normal": (7, lambda out: (out, np.uint32(7), *words, replays)),
        "gather_images": (18, lambda out: (images, np.array([2, 0, 5]), out, np.uint32(18), np.uint32(6))),
        "adam": (40, lambda out: (out, x, np.ones(40), np.ones(40), np.uint32(40), np.array(0.1),
                                  *(np.float64(s) for s in (0.5, 0.9, 1e-8)), np.uint64(1), np.uint64(1), replays)),
        "adam_without_momentum": (40, lambda out: (out, x, np.ones(40), np.uint32(40), np.array(0.1), np.float64(0.9),
                                                   np.float64(1e-8), np.uint64(1), np.uint64(1), replays)),
    }  # fmt: skip
    assert set(calls) == set(signatures())
    for name, (size, arguments) in calls.items():
        found = []
        for grid, block in ((1, 1), (2, 3), (5, 32)):
            out = np.full(size + 8, 0.25)
            run_kernel(name, "double", *arguments(out), grid=grid, block=block)
            assert (out[size:] == 0.25).all() and not (out[:size] == 0.25).all(), name
            found.append(out)
        assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2]), name
    uniform = np.empty(7)
    run_kernel("uniform", "double", *calls["uniform"][1](uniform))
    key = np.random.Philox(key=[7, 8], counter=[0, 0, 9 + 3 * 2, 0])  # step = first + stride replays
    assert np.array_equal(uniform, (key.random_raw(7) >> np.uint64(11)) * 2.0**-53)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_numbers_are_numpys_bits(dtype, double):
    backend, cpu = get_backend("cupy"), get_backend("numpy")
    for count in (1, 3, 4, 5, 10_001):
        for seed, stream, step in ((0, "noise", 0), (2**64 - 1, "G.0.Dense.W", 2**64 - 1), (7, "x", 12345)):
            uniform = [b.random.uniform((count,), seed, stream, step, dtype) for b in (backend, cpu)]
            assert np.array_equal(uniform[0].get(), uniform[1])
            ours, theirs = (b.random.normal((count,), seed, stream, step, dtype) for b in (backend, cpu))
            assert ours.dtype == theirs.dtype
            if dtype == "float32":
                assert np.mean(ours.get() != theirs) <= 1e-4, "rounded once, from a double that may differ in a bit"
            np.testing.assert_allclose(ours.get(), theirs, rtol=1e-6 if dtype == "float32" else 1e-13, atol=1e-15)


def test_images_are_scaled_on_the_device_to_numpys_bits(double):
    backend, cpu = get_backend("cupy"), get_backend("numpy")
    images = cpu.random.integers(256, 7 * 5 * 4 * 3, 0, "images").astype(np.uint8).reshape(7, 5, 4, 3)
    chosen = np.array([3, 0, 6, 3])
    for dtype in ("float32", "float64"):
        found = backend.batch(images, lambda _: chosen, dtype)
        assert found.dtype == dtype and np.array_equal(found.get(), cpu.batch(images, lambda _: chosen, dtype))
    double.transfers = 0
    backend.batch(images, lambda chooser: chooser.random.integers(7, 4, 0, "batch"), "float32")
    assert double.transfers == 0, "the images are there already"
    other = 255 - images
    ours, theirs = (b.batch(other, lambda _: chosen, "float32") for b in (backend, cpu))
    assert np.array_equal(ours.get(), theirs)
    floats, asked = images.astype(np.float32) / 255, []
    found = backend.batch(floats, lambda chooser: asked.append(chooser.name) or chosen, "float64")
    assert np.array_equal(found.get(), floats[chosen].astype(np.float64)) and asked == ["numpy"]


@pytest.mark.parametrize("sampling, transfers", [("replacement", 0), ("epochs", 2)])
def test_batches_are_numpys_and_chosen_on_the_device(sampling, transfers, double):
    """In epochs, their order travels once in each."""
    pixels = get_backend("numpy").random.integers(256, 20 * 6, 0, "images").astype(np.uint8).reshape(20, 3, 2, 1)
    images, floats = (ImageSet(array, "images", sampling=sampling) for array in (pixels, pixels / 127.5 - 1))
    get_backend("cupy").batch(pixels, lambda _: np.arange(2), "float32")  # brings the images
    expected, double.transfers = [images.batch(5, 1, step) for step in range(8)], 0
    found = [images.batch(5, 1, step, "cupy") for step in range(8)]  # two epochs
    assert (double.transfers, double.waits) == (transfers, 0)
    assert all(np.array_equal(ours.get(), theirs) for ours, theirs in zip(found, expected, strict=True))
    assert np.array_equal(floats.batch(5, 1, 3, "cupy").get(), floats.batch(5, 1, 3))


# The double itself: it refuses what it should. -----------------------------------------------------------------------

A = [[1.0, 2.0], [3.0, 4.0]]
REFUSED = {
    "implicit conversion": (lambda xp, a: np.asarray(a), TypeError, "Implicit conversion"),
    "a function of NumPy": (lambda xp, a: np.sum(a), TypeError, "numpy.sum"),
    "a ufunc of NumPy": (lambda xp, a: np.add(a, a), TypeError, "does not support ufuncs"),
    "host + device": (lambda xp, a: np.ones((2, 2)) + a, TypeError, "unsupported type"),
    "device + host": (lambda xp, a: a + np.ones((2, 2)), TypeError, "unsupported type"),
    "a list in a ufunc": (lambda xp, a: xp.add(a, A), TypeError, "unsupported type"),
    "a host array written into one of the device": (
        lambda xp, a: a.__setitem__(..., np.ones((2, 2))), TypeError, "unsupported type"
    ),
    "a list as index": (lambda xp, a: a[[0, 1]], TypeError, "unsupported index"),
    "a host array as index": (lambda xp, a: a[np.array([0])], TypeError, "unsupported index"),
    "a larger out": (lambda xp, a: xp.add(a[0], a[0], out=a), ValueError, "Out shape is mismatched"),
    "an out of the host": (lambda xp, a: xp.add(a, a, out=np.ones((2, 2))), TypeError, "wanted an array of the device"),
    "an out that cannot hold it": (lambda xp, a: xp.exp(a, out=xp.zeros((2, 2), int)), TypeError, "cannot be cast"),
    "an out that overlaps": (lambda xp, a: xp.add(a[0], 1, out=a.ravel()[1:3]), TypeError, "overlaps"),
    "growing in place": (lambda xp, a: a[0].__iadd__(a), ValueError, "Out shape is mismatched"),
    "where with one argument": (lambda xp, a: xp.where(a), TypeError, "reads a count back"),
    "what CuPy may not have": (lambda xp, a: xp.nosuch(a), AttributeError, "has no nosuch"),
}  # fmt: skip
WAITING = {
    "float": lambda xp, a: float(a[0, 0]),
    "bool": lambda xp, a: bool(a.any()),
    "if": lambda xp, a: 1 if a[0, 0] > 0 else 2,
    "item": lambda xp, a: a[0, 0].item(),
    "get": lambda xp, a: a.get(),
    "asnumpy": lambda xp, a: xp.asnumpy(a),
    "a mask as index": lambda xp, a: a[a > 2],
    "synchronize": lambda xp, a: xp.cuda.get_current_stream().synchronize(),
}
NOT_CAPTURED = WAITING | {
    "asarray": lambda xp, a: xp.asarray(np.ones(3)),
    "a product of CuPy's": lambda xp, a: a @ a,
    "memory that all use": lambda xp, a: a + a,
    "a kernel's first call": lambda xp, a: get_backend("cupy").random.normal((3,), 0, "x"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_double_refuses(case, double):
    act, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        act(strict_cupy, strict_cupy.asarray(A))


@pytest.mark.parametrize("case", WAITING)
def test_the_double_counts_what_waits(case, double):
    a = strict_cupy.asarray(A)
    WAITING[case](strict_cupy, a)
    assert double.waits >= 1


@pytest.mark.parametrize("case", NOT_CAPTURED)
def test_the_double_captures_no(case, double):
    a, stream = strict_cupy.asarray(A), strict_cupy.Stream()
    get_backend("cupy")
    with stream:
        stream.begin_capture()
        with pytest.raises((RuntimeError, TypeError)):
            NOT_CAPTURED[case](strict_cupy, a)
        stream.end_capture()


def test_a_capture_does_nothing_and_a_launch_does_it(double):
    a, stream, pool = strict_cupy.asarray(A), strict_cupy.Stream(), strict_cupy.MemoryPool()
    with stream, strict_cupy.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        b = a * 2
        a += 1
        graph = stream.end_capture()
    assert np.isnan(b._a).all() and np.array_equal(a._a, A)
    graph.launch(stream)
    graph.launch(stream)
    assert np.array_equal(a._a, np.add(A, 2)) and np.array_equal(b._a, np.add(A, 1) * 2)


def test_memory_that_nobody_holds_is_given_away(double):
    a = strict_cupy.ones((2, 3))
    inside, memory = a[1:], a._a
    del a
    assert (memory == 1).all(), "a view holds it"
    del inside
    assert np.isnan(memory).all()


@pytest.mark.parametrize("role", ["read", "written", "of a kernel", "of a product"])
def test_a_graph_is_not_launched_on_memory_that_was_freed(role, double):
    backend = get_backend("cupy")
    backend.random.normal((3, 3), 0, "compiled before", dtype="float64")
    lost, kept = strict_cupy.ones((3, 3)), strict_cupy.ones((3, 3))
    pool, stream = strict_cupy.MemoryPool(), strict_cupy.Stream()
    with stream, strict_cupy.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        if role == "read":
            kept += lost
        elif role == "written":
            lost += kept
        elif role == "of a kernel":
            backend.launch("normal", lost, lost, 9, *(np.uint64(1),) * 4, backend.numbers.replays)
        else:
            backend.matmul(kept, lost, out=strict_cupy.empty((3, 3)))
        graph = stream.end_capture()
    graph.launch(stream)
    del lost
    if role == "read":
        graph.launch(stream)
        assert np.isnan(kept._a).all()
    else:
        with pytest.raises(TypeError, match="memory which was freed"):
            graph.launch(stream)


@pytest.mark.parametrize("forgotten", ["kept", "pool"])
def test_a_step_whose_graph_forgets_its_memory_is_seen(forgotten, monkeypatch, double):
    """What the layers write into, the graph keeps: here they let go of it, and nobody else does."""
    monkeypatch.setenv("MINIGAN_BACKEND", "cupy")
    gan = small_gan()
    trained(gan, 3)
    for net in (gan.G, gan.D):
        net.workspace.own.clear()
        net.workspace.shared.clear()
    trained(gan, 2, 3)
    setattr(gan._run, forgotten, None)
    with pytest.raises(TypeError, match="memory which was freed"):
        trained(gan, 1, 5)


def test_the_shared_backend_is_one_and_is_found_again(double):
    assert get_backend("cupy") is get_backend("cupy")
