"""Optimizers against their papers' formulas, written plainly and in float64."""

import math
import os

import numpy as np
import pytest

from minigan import SGD, Adam, RMSprop, Sequential, StepLR, WeightClipping
from minigan.backend import Backend, NumpyBackend
from minigan.backend.threads import Workers
from minigan.backend.tuning import Tuning
from minigan.errors import SettingsError
from minigan.layers import Dense

from .conftest import import_torch
from .test_convolution import Plain


def network(dtype="float64", width=3):
    return Sequential([Dense(width)], input_shape=4, dtype=dtype, backend="numpy")


def gradients(net, count=7):
    return [net.backend.random.normal(net.params.shape, 5, "g", k, net.dtype) * 10.0**-k for k in range(count)]


def adam(p, grads, rate, beta1, beta2, eps):
    """Kingma and Ba 2015, algorithm 1, as it stands."""
    m = v = np.zeros_like(p)
    for t, g in enumerate(grads, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p


def rmsprop(p, grads, rate, rho, eps):
    v = np.zeros_like(p)
    for g in grads:
        v = rho * v + (1 - rho) * g**2
        p = p - rate * g / (np.sqrt(v) + eps)
    return p


def sgd(p, grads, rate, momentum):
    u = np.zeros_like(p)
    for g in grads:
        u = momentum * u + g
        p = p - rate * u
    return p


@pytest.mark.parametrize(
    "kind, options, formula",
    [
        (Adam, {"learning_rate": 0.01, "beta1": 0.5, "beta2": 0.999, "eps": 1e-8}, adam),
        (Adam, {"learning_rate": 0.01, "beta1": 0.0, "beta2": 0.9, "eps": 1e-3}, adam),
        (RMSprop, {"learning_rate": 0.01, "rho": 0.9, "eps": 1e-7}, rmsprop),
        (SGD, {"learning_rate": 0.01, "momentum": 0.9}, sgd),
        (SGD, {"learning_rate": 0.01, "momentum": 0.0}, sgd),
    ],
)
def test_formulas(kind, options, formula):
    net = network()
    expected = formula(net.params.copy(), gradients(net), *options.values())
    optimizer = kind(net, **options)
    for g in gradients(net):
        net.grads[...] = g
        optimizer.step()
    np.testing.assert_allclose(net.params, expected, rtol=1e-13)
    assert optimizer.steps == 7 and np.shares_memory(net.layers[0].W, net.params)
    assert np.array_equal(net.grads, gradients(net)[-1]), "a step leaves the gradient alone"


def test_adams_first_step_is_the_learning_rate_whatever_the_gradients_size():
    net = network("float32")
    before = net.params.copy()
    net.grads[...] = np.where(np.arange(net.params.size) % 2, 1e-4, -1e4)
    Adam(net, learning_rate=1e-3).step()
    np.testing.assert_allclose(before - net.params, 1e-3 * np.sign(net.grads), rtol=2e-3)


@pytest.mark.parametrize("size", [1, 5, 99, 100, 201, 1777])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_optimizers_in_blocks_on_threads_are_the_plain_formula_to_the_bit(size, threads):
    """In blocks of some twenty numbers, on more than one thread however few numbers there are."""
    tuned = NumpyBackend(Tuning(threads=threads, block=100, many=1))
    for make in (lambda net: Adam(net, 1e-3, 0.5), lambda net: RMSprop(net, 1e-3), lambda net: SGD(net, 0.1, 0.9)):
        found = []
        for backend in (tuned, Plain()):
            net = Sequential([Dense(1)], input_shape=size, backend=backend, name="net")
            optimizer = make(net)
            for k in range(3):
                net.grads[...] = net.backend.random.normal(net.grads.shape, k, "g")
                optimizer.step()
            found.append([net.params, *(getattr(optimizer, name) for name in optimizer.vectors)])
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


@pytest.mark.parametrize("rows", [1, 5, 64, 65])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("width", [1, 7])
def test_matmul_is_the_plain_product(rows, transposed, width):
    backend = NumpyBackend()
    a = backend.random.normal((rows, 11), 1, "a", dtype="float64")
    b = backend.random.normal((width, 11), 1, "b", dtype="float64").T
    b = b if transposed else np.ascontiguousarray(b)
    out = np.full((rows, width), np.nan)
    assert backend.matmul(a, b, out=out) is out
    np.testing.assert_allclose(out, Backend.matmul(backend, a, b, np.empty((rows, width))), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("shape", [(3, 2, 4), (3000, 7, 4)])
@pytest.mark.parametrize("part", [np.s_[...], np.s_[..., :2], np.s_[..., ::-1], np.s_[::2], np.s_[:, ::-1]], ids=str)
def test_a_formula_with_vectors_writes_to_every_kind_of_array(shape, part):
    """Also to one that is not contiguous: the rows that are made of it are no copies."""
    backend, memory = NumpyBackend(), np.zeros(shape)
    out, x = memory[part], backend.random.normal(shape, 1, "x", dtype="float64")[part]
    vector = np.arange(1.0, 1 + out.shape[-1])

    def task(x, out, vector):
        np.multiply(x, vector, out=out)

    backend.elementwise(task, (x, out), (vector,))
    assert np.array_equal(memory[part], x * vector) and np.count_nonzero(memory) == out.size


def test_an_error_on_a_thread_is_not_lost():
    def task(start, stop):
        if start:
            raise ValueError("block")

    with pytest.raises(ValueError, match="block"):
        Workers().run(task, [(0, 1), (1, 2), (2, 3)], 2)


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adam])
def test_state_is_float32_with_float32_parameters(kind):
    net = network("float32")
    optimizer = kind(net)
    optimizer.step()
    assert {getattr(optimizer, name).dtype for name in optimizer.vectors} | {net.params.dtype} == {np.dtype("float32")}


@pytest.mark.parametrize("every, factor", [(1, 0.5), (3, 0.9), (7, 2.0)])
def test_steplr_is_pytorchs(every, factor):
    torch = import_torch()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs, ours = torch.optim.lr_scheduler.StepLR(optimizer, every, factor), StepLR(every, factor)
    for step in range(25):
        assert 0.3 * ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(
    "build, words",
    [
        (lambda net: Adam(net, learning_rate=-1.0), "learning_rate is -1.0; it must be at least 0"),
        (lambda net: Adam(net, learning_rate=math.nan), "learning_rate is nan"),
        (lambda net: Adam(net, beta1=1.0), "beta1 is 1.0"),
        (lambda net: Adam(net, beta2=-0.1), "beta2 is -0.1"),
        (lambda net: Adam(net, eps=0.0), "eps is 0.0"),
        (lambda net: RMSprop(net, rho=1.5), "rho is 1.5"),
        (lambda net: SGD(net, momentum=1.0), "momentum is 1.0"),
        (lambda net: StepLR(0, 0.9), "every is 0; it must be a whole number, at least 1"),
        (lambda net: StepLR(2.5, 0.9), "every is 2.5"),
        (lambda net: StepLR(10, 0.0), "factor is 0.0; it must be above 0"),
        (lambda net: StepLR(10, math.nan), "factor is nan"),
        (lambda net: WeightClipping(0.0), "limit is 0.0; it must be above 0"),
        (lambda net: WeightClipping(math.inf), "limit is inf"),
        (lambda net: WeightClipping(0.01, "biases"), "scope is 'biases'; the choices are all, kernels"),
    ],
)
def test_impossible_settings(build, words):
    with pytest.raises(SettingsError, match=words):
        build(network())


def test_a_step_that_overflows_on_a_thread_warns_nobody_who_asked_not_to_be_warned():
    net = Sequential([Dense(1)], input_shape=999, backend=NumpyBackend(Tuning(threads=3, block=100, many=1)))
    optimizer = Adam(net, 1e30)
    for vector in (net.params, net.grads, optimizer.m, optimizer.v):
        vector[...] = 1e30
    with np.errstate(all="ignore"):  # the suite turns a warning into an error
        optimizer.step()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    workers, blocks = Workers(), [(i, i + 1) for i in range(9)]
    workers.run(lambda start, stop: None, blocks, 2)
    child = os.fork()
    if child == 0:
        done = []
        workers.run(lambda start, stop: done.append(start), blocks, 2)
        os._exit(0 if sorted(done) == list(range(9)) else 1)
    assert os.waitpid(child, 0)[1] == 0
