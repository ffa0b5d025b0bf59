"""The compiled backend: its loops against the formulas that they stand for, its sums, and whole steps."""

import os
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from minigan import SGD, Adam, BCEWithLogits, RMSprop, Sequential, get_backend, layers
from minigan.backend import NumpyBackend
from minigan.backend.kernels import ADAM, ADAM_WITHOUT_MOMENTUM, BCE_WITH_LOGITS, KERNELS, RMSPROP, SGD_STEP
from minigan.backend.moves import Moves
from minigan.backend.sums import COLUMN_SUMS, GRADIENT_SUMS, MOMENTS
from minigan.backend.tuning import Tuning
from minigan.errors import BackendError
from minigan.layers import BatchNorm, Dense

from .conftest import ROOT
from .layer_table import CASES
from .systems import IMAGE_SYSTEMS, real_batch, system
from .test_convolution import WINDOWS, data

pytest.importorskip("numba", reason="Numba is not installed: pip install 'minigan[fast]'")

from minigan.backend import compiled_kernels  # noqa: E402
from minigan.backend.compiled_backend import CompiledBackend, unusable_reason  # noqa: E402
from minigan.backend.compiled_moves import CompiledMoves  # noqa: E402

MANY_BLOCKS = Tuning(threads=3, block=40, many=100)
ODD = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-30, -1e30, 3.5]
OPTIMIZERS = {
    SGD_STEP: lambda net: SGD(net, 0.1, 0.9), RMSPROP: lambda net: RMSprop(net, 0.1), ADAM: lambda net: Adam(net, 0.1),
    ADAM_WITHOUT_MOMENTUM: lambda net: Adam(net, 0.1, 0.0),
}  # fmt: skip


def test_every_kernel_has_a_loop_of_its_arguments():
    for kernel in KERNELS:
        loop = getattr(compiled_kernels, kernel.name)
        names = loop.py_func.__code__.co_varnames[: loop.py_func.__code__.co_argcount]
        assert list(names) == [*kernel.arrays, *kernel.vectors.split(), *kernel.settings], kernel.name


class Noted(CompiledBackend):
    """Notes which kernels' loops ran."""

    ran: ClassVar[set[str]] = set()

    def _elementwise(self, call):
        if call.kernel is not None:
            self.ran.add(call.kernel.name)
        super()._elementwise(call)


def passes(case, backend, dtype):
    """Forward, both gradients, and what training changed beside them, of a layer in a network of its own."""
    net = Sequential([case.layer.clone()], input_shape=case.shape[1:], dtype=dtype, backend=backend, name="net")
    draw = get_backend("numpy").random.normal
    x = draw(case.shape, 0, "x", dtype=dtype)
    y = net.forward(x, train=True).copy()
    dx = net.backward(draw(y.shape, 0, "dy", dtype=dtype))
    return y, dx.copy(), net.grads.copy(), net.state.copy()


@pytest.mark.parametrize("tuning", [None, MANY_BLOCKS], ids=["whole", "blocks"])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_layers_are_numpys(case, dtype, tolerance, tuning):
    ours, theirs = passes(case, Noted(tuning), dtype), passes(case, NumpyBackend(), dtype)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kernel", OPTIMIZERS, ids=lambda kernel: kernel.name)
@pytest.mark.parametrize("size", [1, 7, 1001])
@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 2e-6)])
def test_optimizers_are_numpys(kernel, size, dtype, tolerance):
    found = []
    for backend in (Noted(MANY_BLOCKS), NumpyBackend()):
        net = Sequential([Dense(1)], input_shape=size, dtype=dtype, backend=backend, name="net")
        optimizer = OPTIMIZERS[kernel](net)
        for step in range(4):
            net.grads[...] = backend.random.normal(net.grads.shape, step, "g", dtype=dtype)
            optimizer.step()
        found.append([net.params, *(getattr(optimizer, name) for name in optimizer.vectors)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_the_loss_of_logits():
    """It computes with the backend of its predictions, which for NumPy's arrays is NumPy's: here the loop itself."""
    s, t = np.array([[0.0], [-0.0], [1e-30], [-800.0], [800.0], [3.5]]), np.ones((6, 1))
    curve, ds = np.empty_like(s), np.empty_like(s)
    CompiledBackend().elementwise(print, (s, t, curve, ds), kernel=BCE_WITH_LOGITS, size=6)
    loss, expected = BCEWithLogits()(s, 1.0)
    assert np.isclose(curve.mean(), loss, rtol=1e-14) and np.allclose(ds, expected, rtol=1e-14)


def test_the_tests_above_run_every_loop():
    Noted.ran.clear()
    for case in CASES:
        passes(case, Noted(), "float64")
    assert Noted.ran | {kernel.name for kernel in (*OPTIMIZERS, BCE_WITH_LOGITS)} == {kernel.name for kernel in KERNELS}


@pytest.mark.parametrize("layer", [layers.ReLU(), layers.LeakyReLU(0.25), layers.Tanh(), layers.Sigmoid()], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_odd_numbers_stay_what_they_are(layer, dtype):
    """NaN, infinities, and zeros of both signs, in vectors and behind them, where a loop ends."""
    found = []
    for backend in (CompiledBackend(MANY_BLOCKS), NumpyBackend()):
        net = Sequential([layer.clone()], input_shape=5 * len(ODD), dtype=dtype, backend=backend, name="net")
        x = np.array([ODD * 5], dtype)
        with np.errstate(all="ignore"):
            y = net.forward(x).copy()
            dx = net.backward(np.ones_like(x)).copy()
        found.append((y, dx))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7, equal_nan=True)
        zero = theirs == 0
        assert np.array_equal(np.signbit(ours[zero]), np.signbit(theirs[zero])) or isinstance(layer, layers.ReLU)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (2, 5, 7, 3), (3000, 5), (9, 40, 50, 8), (2, 2000)], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("tuning", [Tuning(), Tuning(threads=3, block=1000, many=2000)], ids=["whole", "blocks"])
def test_sums_are_those_of_exact_numbers(shape, stride, tuning):
    """In float32, of numbers far from zero: each rounded once, at the end. Views go NumPy's way."""
    backend, draw = CompiledBackend(tuning), get_backend("numpy").random.normal
    x, dy = (100 + draw(shape, 1, "x"))[..., ::stride], draw(shape, 1, "dy")[..., ::stride]
    c = x.shape[-1]
    rows, dys, mean = x.reshape(-1, c).astype(float), dy.reshape(-1, c).astype(float), np.full(c, 100, np.float32)
    expected = {
        COLUMN_SUMS: ((x,), (rows.sum(0),)), MOMENTS: ((x,), (rows.mean(0), rows.var(0))),
        GRADIENT_SUMS: ((dy, x, mean), (dys.sum(0), (dys * (rows - 100)).sum(0))),
    }  # fmt: skip
    for sums, (arguments, exact) in expected.items():
        found = backend.sums(sums, *arguments)
        for ours, theirs in zip(found, exact, strict=True):
            assert ours.dtype == np.float32
            tolerance = 2e-7 if stride == 1 else 2e-3
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(dys).sum() / 10)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_patches_are_added_as_numpy_adds_them(window):
    x, W, dy = data(window)
    cols = get_backend("numpy").random.normal((dy[..., 0].size, window.patch), 1, "cols", dtype="float64")
    width = window.kernel[1] * window.image[2]
    found = []
    for moves in (CompiledMoves(), Moves()):
        padded = np.zeros((len(x), *window.padded))
        moves.add_rows(cols, 0, window, padded)
        moves.add_rows(np.ascontiguousarray(cols[:, -width:]), window.kernel[0] - 1, window, padded)
        found.append(padded)
    np.testing.assert_allclose(*found, rtol=1e-13, atol=1e-13)


SMALL = {"mnist_mlp_gan": {}} | {
    name: {"width": 4, "batch_size": 6} | ({} if name.startswith("mnist") else {"size": 32}) for name in IMAGE_SYSTEMS
}
SMALL["cats_dcgan"]["size"] = 24


@pytest.mark.parametrize("name", SMALL)
def test_steps_of_every_system_are_numpys(name):
    found = []
    for backend in (CompiledBackend(MANY_BLOCKS), NumpyBackend(Tuning())):
        gan, settings = system(name, backend=backend, **SMALL[name])
        for step in range(2):
            losses = gan.step(real_batch(gan, settings.batch_size, step))
        found.append([np.array([float(value) for value in losses.values()]), gan.G.grads, gan.D.grads])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


def test_the_same_bits_however_the_threads_take_turns():
    backend, found = CompiledBackend(MANY_BLOCKS), []
    for _ in range(5):
        gan, settings = system("mnist_dcgan", "float32", backend=backend, width=4, batch_size=6)
        for step in range(2):
            gan.step(real_batch(gan, settings.batch_size, step))
        found.append(gan.G.params.tobytes() + gan.D.params.tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("workspace", ["fresh", "poison"])
def test_every_workspace_gives_the_same_bits(workspace):
    found = []
    for kind in ("reuse", workspace):
        gan, settings = system("mnist_dcgan", "float32", kind, backend="compiled", width=4, batch_size=6)
        gan.step(real_batch(gan, settings.batch_size))
        found.append(gan.G.params.tobytes() + gan.D.params.tobytes())
    assert found[0] == found[1]


def test_a_wrong_loop_is_caught(monkeypatch):
    """The harness itself: a formula that is wrong in one place."""

    def wrong(x, dy, dx, mean, inverse_std, gamma, dgamma, dbeta, m):
        right(x, dy, dx, mean, inverse_std, gamma, dgamma, dbeta * 0, m)

    right = compiled_kernels.normalise_dx
    monkeypatch.setattr(compiled_kernels, "normalise_dx", wrong)
    (case, *_) = [case for case in CASES if isinstance(case.layer, BatchNorm)]
    with pytest.raises(AssertionError):
        test_layers_are_numpys(case, "float64", 1e-12, None)


# Where it is not installed, and where compiled code is kept. ----------------------------------------------------------


def test_without_numba_it_is_said_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    assert unusable_reason() == "Numba is not installed; run: pip install 'minigan[fast]'"
    with pytest.raises(BackendError, match="backend 'compiled' cannot be used: Numba is not installed; run: pip"):
        CompiledBackend()


def test_an_import_of_minigan_imports_no_numba():
    code = "import sys, minigan; print('numba' in sys.modules, minigan.get_backend('compiled').name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False compiled\n"


CACHED = """
from minigan.backend import get_backend, compiled_kernels as loops
from tests.systems import real_batch, system

gan, settings = system("mnist_mlp_gan", "float32", backend="compiled", batch_size=4)
gan.step(real_batch(gan, 4))
print(sum(loops.adam.stats.cache_hits.values()), sum(loops.adam.stats.cache_misses.values()))
"""


def test_what_was_compiled_is_kept_for_the_next_process(tmp_path):
    found = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CACHED], cwd=ROOT, env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append(done.stdout.split())
    assert found == [["0", "1"], ["1", "0"]]
