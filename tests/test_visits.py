"""A layer alone: which inputs the check visits, and what it sees there that one input would not show."""

import time

import numpy as np
import pytest

from minigan import BCE, BCEWithLogits, layers, losses
from minigan.cli import main
from minigan.gradcheck import check, table
from minigan.initializers import ones, zeros
from minigan.layers import Dense, Layer, LeakyReLU
from minigan.losses import Loss


class Own(Layer):
    """y = f(x), as a student writes it."""

    def forward(self, x, train):
        self.x = x
        return self.f(x)

    def backward(self, dy, params=True, inputs=True):
        return dy * self.slope(self.x)


def layer(f, slope):
    return type("Own", (Own,), {"f": staticmethod(f), "slope": staticmethod(slope)})()


class ChannelNorm(Layer):
    """Batch normalisation of the last axis."""

    def build(self, in_shape):
        self.param("g", in_shape[-1:], ones)
        self.param("b", in_shape[-1:], zeros)
        return in_shape

    def forward(self, x, train):
        self.axes = tuple(range(x.ndim - 1))
        self.istd = 1 / np.sqrt(x.var(axis=self.axes) + 1e-5)
        self.xhat = (x - x.mean(axis=self.axes)) * self.istd
        return self.g * self.xhat + self.b

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.dg[...] = (dy * self.xhat).sum(axis=self.axes)
            self.db[...] = dy.sum(axis=self.axes)
        axes = self.mean_axes()
        mean, slope = dy.mean(axis=axes), (dy * self.xhat).mean(axis=axes)
        return self.g * self.istd * (dy - mean - self.xhat * slope)

    def mean_axes(self):
        return self.axes


class RowNormInImages(ChannelNorm):
    def mean_axes(self):
        return 0


class Groups(Layer):
    """Each pair of channels is divided by its root mean square; wrong: by that of one of the two."""

    def build(self, in_shape):
        if in_shape[-1] % 2:
            raise self.refuse(in_shape, "an even number of channels")
        return in_shape

    def forward(self, x, train):
        self.pairs = x.reshape(*x.shape[:-1], 2, x.shape[-1] // 2)
        self.r = np.sqrt((self.pairs**2).mean(axis=-1, keepdims=True) + 1)
        return (self.pairs / self.r).reshape(x.shape)

    def backward(self, dy, params=True, inputs=True):
        dy = dy.reshape(self.pairs.shape)
        inner = (dy * self.pairs).sum(axis=-1, keepdims=True) if self.right else dy * self.pairs
        return (dy / self.r - self.pairs * inner / self.pairs.shape[-1] / self.r**3).reshape(*dy.shape[:-2], -1)

    right = True


class OneChannelGroups(Groups):
    right = False


class Squeezed(Layer):
    """y = the mean of all columns."""

    def build(self, in_shape):
        return (1,)

    def forward(self, x, train):
        self.x = x
        return x.reshape(len(x), -1).mean(axis=1, keepdims=True)

    def backward(self, dy, params=True, inputs=True):
        size = self.x[0].size
        share = np.squeeze(dy)[:, None] / size
        return np.broadcast_to(share, (len(self.x), size)).reshape(self.x.shape).copy()


class MadeOnce(Own):
    mask = None

    def forward(self, x, train):
        if self.mask is None or self.mask.shape != x.shape:
            self.mask = np.where(x > 0, 1.0, 0.1)
        return np.where(x > 0, x, 0.1 * x)

    def backward(self, dy, params=True, inputs=True):
        return dy * self.mask


class Temporary(Own):
    def forward(self, x, train):
        self.kept = self.temporary("kept", x.shape)
        self.kept[...] = 2 * x
        return x**2

    def backward(self, dy, params=True, inputs=True):
        return dy * self.kept


class Huber(Loss):
    decision = 0.5
    linear = True

    def __call__(self, pred, target):
        e = pred - target
        small = abs(e) <= 1
        loss = np.where(small, e**2 / 2, abs(e) - 0.5)
        return np.asarray(loss.mean()), (np.where(small, e, np.sign(e)) if self.linear else e) / e.size


class HuberWithoutEnds(Huber):
    linear = False


class Cut(Loss):
    """Cross-entropy of probabilities that are cut off, as many write it: right, though its slope is 0 outside."""

    decision = 0.5

    def __call__(self, pred, target):
        p = np.clip(pred, 1e-7, 1 - 1e-7)
        loss = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
        return np.asarray(loss), (p - target) / (p * (1 - p)) / p.size


def numerically_stable(x):
    return np.logaddexp(0, x)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sharp(x):
    return sigmoid(x / 0.02)


WRONG_ONES = {
    "a norm of rows, in images": (RowNormInImages(), "RowNormInImages() at (2, 5, 6, 4)", "at (4, 3) all is well"),
    "groups of one channel": (OneChannelGroups(), "OneChannelGroups() at"),
    "a cap": (layer(lambda x: np.clip(x, 0, 6), lambda x: x > 0), "with x from", "wrong exactly for x from"),
    "a threshold": (
        layer(lambda x: np.where(x > 20, x, numerically_stable(np.minimum(x, 20))), lambda x: sigmoid(x) * (x < 20)),
        "with x from",
    ),
    "a lower end": (layer(lambda x: np.clip(x, -3, 3), lambda x: x < 3), "with x from"),
    "one sample": (Squeezed(), "at (1, 3)"),
    "a mask made once": (MadeOnce(), "made only once"),
    "a temporary": (Temporary(), "self.temporary(...)"),
    "the ends of a loss": (HuberWithoutEnds(), "at predictions from"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_ONES)
def test_what_one_input_does_not_show_is_seen_at_another(name):
    target, *words = WRONG_ONES[name]
    report = check(target)
    assert report.is_wrong and all(word in str(report) for word in words), str(report)


RIGHT_ONES = [
    ChannelNorm(), Groups(), layer(lambda x: np.clip(x, 0, 6), lambda x: (x > 0) & (x < 6)),
    layer(numerically_stable, sigmoid), layer(sharp, lambda x: sharp(x) * sharp(-x) / 0.02),
    layer(np.sin, np.cos), layer(np.exp, np.exp), Huber(), Cut(), Dense(3), LeakyReLU(0.2), BCEWithLogits(), BCE(),
]  # fmt: skip


@pytest.mark.parametrize("target", RIGHT_ONES, ids=lambda target: type(target).__name__)
def test_what_is_right_is_right_everywhere(target):
    assert check(target)


def test_an_input_of_ones_own_is_the_only_one():
    assert check(RowNormInImages(), (4, 3)) and not check(RowNormInImages(), (4, 3)).visited
    assert check(RowNormInImages(), (4, 5, 6, 3)).is_wrong


def test_the_line_names_the_inputs(capsys):
    assert main(["gradcheck", "Dense(3)"]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    assert "also at (7, 3) with x from" in line and "(1, 3)" in line and "(6, 4)" in line


# Arrays that are no parameters ----------------------------------------------------------------------------------------


class Product(Layer):
    """y = x W, W kept in any place."""

    def __init__(self):
        self.keep(2 * np.eye(3) + 0.1)

    def forward(self, x, train):
        self.x = x
        return x @ self.weight()

    def backward(self, dy, params=True, inputs=True):
        self.found(self.x.T @ dy)
        return dy @ self.weight().T


def product(keep, weight, found):
    return type("Product", (Product,), {"keep": keep, "weight": weight, "found": found})()


class Holder:
    pass


def hold(self, W):
    self.inner = Holder()
    self.inner.W = W


PLACES = {
    "dictionaries": (
        product(lambda self, W: setattr(self, "params", {"W": W}), lambda self: self.params["W"],
                lambda self, dW: setattr(self, "grads", {"W": dW})),
        "self.params['W']", "self.grads['W']", "self.param('W', (3, 3)",
    ),
    "lists": (
        product(lambda self, W: setattr(self, "params", [W]), lambda self: self.params[0],
                lambda self, dW: setattr(self, "grads", [dW])),
        "self.params[0]", "self.grads[0]",
    ),
    "names": (
        product(lambda self, W: setattr(self, "weight_", W), lambda self: self.weight_,
                lambda self, dW: setattr(self, "grad_weight", dW)),
        "self.weight_, which is no parameter", "self.grad_weight",
    ),
    "an object": (
        product(hold, lambda self: self.inner.W, lambda self, dW: setattr(self.inner, "dW", dW)),
        "self.inner.W", "self.inner.dW",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_a_parameter_that_nobody_would_train_is_a_complaint(name):
    target, *words = PLACES[name]
    report = check(target, (4, 3))
    assert report.is_wrong and len(report.complaints) == 1 and all(word in report.complaints[0] for word in words)


def test_a_constant_is_a_note():
    report = check(product(lambda self, W: setattr(self, "k", W), lambda self: self.k, lambda self, dW: None), (4, 3))
    assert report and report.notes == ["y depends on self.k (3, 3), a constant: it is no parameter, and is not trained"]


# No false alarm -------------------------------------------------------------------------------------------------------


def everything_right():
    """What is right and takes any of the inputs visited: minigan's layers and losses, and students'."""
    known = {repr(case.layer): case.layer for case in table.LAYERS}
    return [*known.values(), *RIGHT_ONES]


def fails(target, seed):
    """The report, unless all is well, or it says in words why nothing can be said."""
    try:
        report = check(target, seed=seed)
    except Exception as error:  # noqa: BLE001 - a layer for other shapes says so
        return None if isinstance(error, losses.ShapeError) else error
    return report if report.is_wrong else None


@pytest.mark.slow
@pytest.mark.parametrize("target", everything_right(), ids=repr)
def test_what_is_right_is_never_called_wrong(target):
    """`python -m tests.test_visits` does it for so many seeds that they are 2,000 checks."""
    for seed in range(5):
        found = fails(target, seed)
        assert found is None, f"seed {seed}\n{found}"


def test_one_layer_takes_less_than_two_seconds():
    start = time.perf_counter()
    assert check(layers.Conv2D(4, 3), seed=1) and time.perf_counter() - start < 2


if __name__ == "__main__":
    targets, wrong = everything_right(), 0
    seeds = -(-2000 // len(targets))
    for target in targets:
        for seed in range(seeds):
            if (found := fails(target, seed)) is not None:
                wrong += 1
                print(f"{target!r}, seed {seed}\n{found}")
    print(f"{len(targets) * seeds:,} checks, {wrong} false alarms")
