"""R3GAN: the fused update of D, numbers that move by images seen, its networks and pieces."""

import copy
import math
import pickle

import numpy as np
import pytest

from minigan import (
    GAN,
    R1,
    R1R2,
    SGD,
    Adam,
    BurnIn,
    Generator,
    GradientPenalty,
    Hinge,
    LeastSquares,
    NonSaturating,
    Relativistic,
    Sequential,
    StepLR,
    Wasserstein,
    models,
)
from minigan.checkpoint import load_checkpoint, save_checkpoint
from minigan.errors import DivergedError, FileError, OrderError, SettingsError, ShapeError
from minigan.gradcheck import check
from minigan.initializers import FanIn, Random, fan_in_normal, fixup, normal
from minigan.layers import (
    Basis,
    BatchNorm,
    Bias,
    BlurDownSampling2D,
    BlurUpSampling2D,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    MinibatchStd,
    ReLU,
    Residual,
    SpectralNorm,
    Tanh,
)
from minigan.objectives import Objective
from minigan.r3gan_runs import R3GANSettings

from .conftest import import_torch
from .layer_table import CASES
from .systems import example
from .test_layers import build

IMAGE = (4, 6, 2)
ADAM = {"learning_rate": 1e-2, "beta1": 0.0, "beta2": 0.9}


def critic(classes=0, ending=(), spectral=True, **options):
    """A D of all that R3GAN's is made of, and more: groups, blurs, shortcuts, spectral norm, chains in chains."""
    wide = Conv2D(4, 3, padding=1)
    return Sequential(
        [
            Conv2D(2, 1, bias=False), Bias(), LeakyReLU(0.2),
            Residual(Conv2D(4, 1), ReLU(), SpectralNorm(wide, 0) if spectral else wide, Bias(), Conv2D(2, 1)),
            BlurDownSampling2D(), Residual(Conv2D(4, 3, padding=1, groups=2), LeakyReLU(), shortcut=Conv2D(4, 1)),
            Sequential([Conv2D(4, (2, 3), bias=False, groups=4), Flatten()]), Dense(5), LeakyReLU(0.2), *ending,
            Dense(classes or 1, bias=False),
        ],
        input_shape=IMAGE, name="D", dtype="float64", **options,
    )  # fmt: skip


def generator(classes=0, **options):
    """R3GAN's, in small."""
    return Generator(
        [
            Dense(3, bias=False), Basis((2, 3)), Residual(Conv2D(4, 1), LeakyReLU(), Conv2D(3, 3, padding=1)),
            Conv2D(2, 1, bias=False), BlurUpSampling2D(), Residual(LeakyReLU(), Conv2D(2, 3, padding=1, groups=2)),
        ],
        input_shape=4 + classes, classes=classes, name="G", dtype="float64", **options,
    )  # fmt: skip


def small_r3gan(classes=0, optimizer=Adam, spectral=True, **switches):
    options = {name: switches.pop(name) for name in ("workspace", "seed") if name in switches}
    G, D = generator(classes, **options), critic(classes, spectral=spectral, **options)
    for net in (G, D):
        net.params += 0.3 * net.backend.random.normal(net.params.shape, 5, net.name, dtype="float64")
    rates = ADAM if optimizer is Adam else {"learning_rate": 1e-2}
    given = {"objective": Relativistic(), "penalty": R1R2(2.0), "fused": True} | switches
    return GAN(G, D, g_optimizer=optimizer(G, **rates), d_optimizer=optimizer(D, **rates), **given)


def images(gan, n, step):
    return np.tanh(gan.D.backend.random.normal((n, *IMAGE), 9, "real", step, dtype="float64"))


def trained(gan, steps, n=4):
    """The losses of so many steps, each on its own images."""
    losses = []
    for step in range(gan.steps, gan.steps + steps):
        rows = n * gan.d_steps
        labels = np.arange(rows) * 7 % gan.classes if gan.classes else None
        losses.append([float(loss) for loss in gan.step(images(gan, rows, step), labels).values()])
    return np.array(losses)


# One layer -----------------------------------------------------------------------------------------------------------

OF_A_BATCH = BatchNorm, MinibatchStd  # whose rows meet: they have no tangent
PIECEWISE_LINEAR = [case for case in CASES if not any(isinstance(one, OF_A_BATCH) for one in case.layer.walk())]


def fused_and_apart(case):
    """The gradients, and J t, of a layer by `fused`; and by `backward` and `tangent_backward`, one after the other."""
    net, x, dy = build(case, workspace="reuse")
    s = net.backend.random.normal((len(x), 1), 7, "s", dtype="float64")
    t = net.backend.random.normal(x.shape, 4, "t", dtype="float64")
    state, forwards = net.state.copy(), net.forwards

    def at_x():
        net.state[...], net.forwards = state, forwards
        net.discard()
        net.forward(x)

    at_x()
    net.backward(s.reshape(len(s), *[1] * (dy.ndim - 1)) * dy)
    apart = net.grads.copy()
    at_x()
    net.backward(dy, keep=True)
    net.double_backward(t)
    apart += net.grads
    at_x()
    J_t = net.tangent(t).copy()
    net.backward(dy, keep=True)
    net.workspace.begin_pass(keep=True)
    net.grads[...] = math.nan
    found = net.layers[0].run_fused(t, s).copy()
    return (net.grads.copy(), found), (apart, J_t)


CURVED = ("Tanh", "Sigmoid")


def is_curved(layer):
    return any(type(one).__name__ in CURVED for one in layer.walk())


@pytest.mark.parametrize("case", [c for c in PIECEWISE_LINEAR if not is_curved(c.layer)], ids=str)
def test_a_fused_layer_has_the_gradients_of_both_parts(case):
    """What a layer leaves unwritten must not be what was there: the gradients are full of NaN before."""
    (grads, found), (apart, J_t) = fused_and_apart(case)
    np.testing.assert_allclose(found, J_t, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(grads, apart, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("case", [c for c in PIECEWISE_LINEAR if is_curved(c.layer)], ids=str)
def test_a_curved_layer_is_refused(case):
    with pytest.raises(SettingsError, match=r"(Tanh|Sigmoid) is not piecewise linear.*write fused=False"):
        fused_and_apart(case)


# Whole steps ---------------------------------------------------------------------------------------------------------

GAMES = {
    "pairs": {},
    "pairs, R1": {"penalty": R1(3.0)},
    "pairs of Hinge": {"objective": Relativistic(Hinge())},
    "cross-entropy": {"objective": NonSaturating()},
    "hinge, R1": {"objective": Hinge(), "penalty": R1(3.0)},
    "least squares": {"objective": LeastSquares()},
    "Wasserstein": {"objective": Wasserstein()},
    "labels": {"classes": 3},
    "labels, cross-entropy, R1": {"classes": 3, "objective": NonSaturating(), "penalty": R1(3.0)},
    "three updates of D": {"d_steps": 3},
    "two of G, the same noise": {"g_steps": 2, "noise": "same", "ema": 0.9},
}
every_game = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


@every_game
def test_twenty_fused_steps_are_those_one_after_the_other(game):
    """To 1e-10, and with SGD too, whose step shows the gradient's size."""
    for optimizer in (Adam, SGD):
        ours, other = small_r3gan(optimizer=optimizer, **game), small_r3gan(optimizer=optimizer, **game, fused=False)
        np.testing.assert_allclose(trained(ours, 20), trained(other, 20), rtol=1e-10, atol=1e-12)
        for a, b in ((ours.D, other.D), (ours.G, other.G)):
            np.testing.assert_allclose(a.params, b.params, rtol=1e-9, atol=1e-10)
            np.testing.assert_allclose(a.grads, b.grads, rtol=1e-9, atol=1e-10)


def test_one_image_a_batch():
    np.testing.assert_allclose(trained(small_r3gan(), 3, n=1), trained(small_r3gan(fused=False), 3, n=1), rtol=1e-10)


@pytest.mark.parametrize("workspace", ["fresh", "poison"])
def test_buffers_are_safe_in_a_fused_update(workspace):
    expected = trained(small_r3gan(classes=3), 4)
    assert np.array_equal(trained(small_r3gan(classes=3, workspace=workspace), 4), expected)


@pytest.mark.slow
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "one after the other"])
@pytest.mark.parametrize("game", [GAMES["pairs"], GAMES["labels, cross-entropy, R1"]], ids=["pairs", "labels, R1"])
def test_the_gradients_of_a_whole_step_are_those_of_differences(game, fused):
    report = check(small_r3gan(**game, fused=fused))
    assert report, str(report)


@pytest.mark.parametrize(
    "game", [g for g in GAMES.values() if not isinstance(g.get("objective"), LeastSquares)], ids=str
)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "one after the other"])
def test_twenty_whole_steps_beside_torch(game, fused):
    import_torch()
    from .test_torch import run_beside_torch

    gan = small_r3gan(**game, fused=fused, spectral=False)  # PyTorch's vectors turn at every forward
    run_beside_torch(gan, 4, 20, lambda gan, n, step: images(gan, n * gan.d_steps, step))


def test_a_fused_update_goes_through_D_fewer_times():
    """Once forwards for D, over both batches, in place of four times; and the same number of products backwards."""
    counts = []
    for fused in (True, False):
        gan, count = small_r3gan(fused=fused), [0]
        forward = gan.D.forward

        def counted(x, *arguments, forward=forward, count=count, **named):
            count[0] += len(x)
            return forward(x, *arguments, **named)

        gan.D.__dict__["forward"] = counted
        trained(gan, 1)
        counts.append(count[0] / 4 - 2)  # of which two batches are G's update
    assert counts == [2, 5]


def test_what_cannot_be_fused_is_refused_before_the_first_step():
    G, D = generator(), critic()
    for switches, words in (
        ({"penalty": GradientPenalty()}, "GradientPenalty.* looks at images that are in neither batch"),
        ({}, "fused=True is for D's loss with its penalty: give one"),
        ({"penalty": R1(1.0), "d_update": "two_steps"}, "needs d_update='summed'"),
    ):
        with pytest.raises(SettingsError, match=words):
            GAN(G, D, fused=True, **switches)
    with pytest.raises(SettingsError, match="D: 9.Tanh is not piecewise linear.*fused=False"):
        trained(GAN(G, critic(ending=[Tanh()]), fused=True, penalty=R1R2(1.0)), 1)
    with pytest.raises(OrderError, match=r"D: fused_backward needs a backward\(dy, keep=True\)"):
        D.fused_backward(np.zeros((2, *IMAGE)), np.zeros((2, 1)))


def test_an_objective_must_return_gradients_of_the_right_shape():
    class Wrong(Objective):
        def discriminator(self, real, fake):
            return (real - fake).mean(), np.ones(3), np.ones(3)

        def generator(self, fake, real=None):
            return fake.mean(), np.ones_like(fake) / len(fake)

    with pytest.raises(ShapeError, match="returned a gradient of shape"):
        trained(small_r3gan(objective=Wrong()), 1)


class Block(Layer):
    """One of one's own, with arrays, and no `fused`: its backward writes where an activation's tangent lies."""

    def __init__(self):
        self.inner = Dense(3)

    def build(self, in_shape):
        self.param("g", in_shape, normal(1.0))
        return self.place("Dense", in_shape)

    def forward(self, x, train):
        self.x = x
        return self.inner.run_forward(self.xp.multiply(x, self.g, out=self.buf("y", x.shape)), train)

    def backward(self, dy, params=True, inputs=True):
        dx = self.inner.run_backward(dy, params)
        if params:
            self.dg[...] = (dx * self.x).sum(axis=0)
        return dx * self.g

    def tangent(self, t):
        return self.inner.run_tangent(t * self.g)

    def tangents(self, t, dy):
        moved = t * self.g
        J_t, _ = self.inner.run_tangents(moved)
        self.dg[...] = (t * (dy @ self.inner.W.T)).sum(axis=0)
        return J_t, None


@pytest.mark.parametrize("workspace", ["reuse", "poison"])
def test_a_layer_of_ones_own_needs_no_fused(workspace):
    found = []
    for fused in (True, False):
        options = {"dtype": "float64", "workspace": workspace}
        G = Sequential([Dense(3)], input_shape=2, name="G", **options)
        D = Sequential(
            [Dense(3), LeakyReLU(0.2), Block(), LeakyReLU(0.2), Dense(1)], input_shape=3, name="D", **options
        )
        gan = GAN(G, D, penalty=R1R2(3.0), fused=fused)
        for step in range(3):
            gan.step(np.random.default_rng(step).normal(size=(5, 3)))
        found.append(D.grads.copy())
    np.testing.assert_allclose(*found, rtol=1e-10)


class TwoCurves(Layer):
    """Curved, without arrays, by `tangents` alone."""

    def __init__(self):
        self.inner = Sequential([Tanh(), Tanh()])

    def build(self, in_shape):
        return self.place("Sequential", in_shape)

    def forward(self, x, train):
        return self.inner.run_forward(x, train)

    def backward(self, dy, params=True, inputs=True):
        return self.inner.run_backward(dy, params, inputs)

    def tangent(self, t):
        return self.inner.run_tangent(t)

    def tangents(self, t, dy):
        return self.inner.run_tangents(t)


def test_a_curve_inside_a_layer_of_ones_own_is_refused():
    G = Sequential([Dense(3)], input_shape=2, name="G", dtype="float64")
    D = Sequential([Dense(3), TwoCurves(), Dense(1)], input_shape=3, name="D", dtype="float64")
    gan = GAN(G, D, penalty=R1R2(3.0), fused=True)
    with pytest.raises(SettingsError, match="TwoCurves is not piecewise linear"):
        gan.step(np.ones((5, 3)))


def test_the_check_of_a_step_stands_still_in_a_burn_in():
    gan = small_r3gan(schedule=BurnIn(100, penalty=0.1, beta2=0.99), spectral=False)
    trained(gan, 3)
    report = check(gan, max_entries=2)
    assert report, str(report)


@pytest.mark.parametrize("shape", [(4, 4, 6), (4, 4, 7, 2), (4, 3, 6, 2)])
def test_images_of_another_shape_are_refused_and_not_counted(shape):
    gan = small_r3gan()
    with pytest.raises(ShapeError, match="D: x has shape"):
        gan.step(np.zeros(shape))
    with pytest.raises(ShapeError, match="D: x is a builtins.list"):
        gan.step([[0.0]])
    assert gan.seen == gan.steps == 0


def test_a_gradient_that_is_not_finite_is_named():
    gan = small_r3gan(spectral=False)
    gan.D.check_finite = True
    gan.D.layers[-1].W[...] = 1e200
    with np.errstate(all="ignore"), pytest.raises(DivergedError, match="D: "):
        trained(gan, 1)
    gan.penalty = None
    with pytest.raises(SettingsError, match="fused=True is for D's loss with its penalty"):
        gan.step(images(gan, 4, 0))


# What moves by images seen -------------------------------------------------------------------------------------------

BURN_IN = BurnIn(40, learning_rate=0.25, penalty=0.1, beta2=0.99)


def test_numbers_move_along_half_a_cosine():
    gan = small_r3gan(ema=0.9, schedule=BURN_IN)
    seen = []
    for step in range(13):
        trained(gan, 1)
        w = (1 - math.cos(math.pi * min(1, 4 * step / 40))) / 2
        assert gan.d_optimizer.learning_rate == gan.g_optimizer.learning_rate == pytest.approx(1e-2 * (1 - 0.75 * w))
        assert gan.penalty_now.gamma == pytest.approx(2.0 * (1 - 0.9 * w))
        assert gan.d_optimizer.beta2 == gan.g_optimizer.beta2 == pytest.approx(0.9 + 0.09 * w)
        half_life = math.inf if gan.ema_now == 0 else math.log(0.5) / math.log(gan.ema_now)
        assert gan.ema_now == 0 if w == 0 else half_life == pytest.approx(w * math.log(0.5) / math.log(0.9))
        seen.append(gan.seen)
    assert seen == list(range(4, 56, 4)) and gan.penalty == R1R2(2.0) and gan.ema == 0.9
    assert gan.penalty_now.gamma == pytest.approx(0.2) and gan.ema_now == 0.9


def test_the_average_follows_G_at_once_at_the_beginning():
    gan = small_r3gan(ema=0.9, schedule=BURN_IN)
    trained(gan, 1)
    assert np.array_equal(gan.average, gan.G.params)
    trained(gan, 2)
    assert not np.allclose(gan.average, gan.G.params)
    kept = small_r3gan(ema=0.9, schedule=BurnIn(40, ema=False))
    trained(kept, 1)
    assert kept.ema_now == 0.9 and not np.allclose(kept.average, kept.G.params)


@pytest.mark.parametrize("beta1", [0.0, 0.5])
def test_beta2_may_move_as_in_torch(beta1):
    """What Adam holds is V / (1 - beta2), and PyTorch holds V: beta2 moves, V must not."""
    torch = import_torch()
    net = Sequential([Dense(3)], input_shape=4, name="net", dtype="float64")
    ours = Adam(net, 1e-2, beta1, 0.5)
    p = torch.nn.Parameter(torch.tensor(net.params.copy()))
    theirs = torch.optim.Adam([p], 1e-2, (beta1, 0.5))
    for step in range(12):
        beta2 = 0.5 + 0.04 * step
        ours.beta2 = beta2
        theirs.param_groups[0]["betas"] = (beta1, beta2)
        net.grads[...] = np.random.default_rng(step).normal(size=net.grads.shape)
        p.grad = torch.tensor(net.grads.copy())
        ours.step(), theirs.step()
        np.testing.assert_allclose(net.params, p.detach().numpy(), rtol=1e-12)
    assert ours.vectors == (("v",) if beta1 == 0 else ("m", "v"))


def test_a_run_goes_on_in_the_middle_of_it(tmp_path):
    whole, first = (small_r3gan(ema=0.9, schedule=BURN_IN) for _ in range(2))
    trained(whole, 14)
    trained(first, 5)
    save_checkpoint(tmp_path / "checkpoint.npz", first, {})
    for second in (
        small_r3gan(ema=0.9, schedule=BURN_IN), first.clone(), pickle.loads(pickle.dumps(first)), copy.deepcopy(first)
    ):  # fmt: skip
        if second.steps == 0:
            load_checkpoint(tmp_path / "checkpoint.npz", second)
        trained(second, 9)
        assert second.seen == whole.seen == 56
        for a, b in ((second.G.params, whole.G.params), (second.D.params, whole.D.params)):
            assert np.array_equal(a, b)
        assert np.array_equal(second.average, whole.average)
    with pytest.raises(FileError, match="schedule, images: 41 here, 40 there"):
        load_checkpoint(tmp_path / "checkpoint.npz", small_r3gan(ema=0.9, schedule=BurnIn(41, 0.25, 0.1, 0.99)))
    with pytest.raises(FileError, match="schedule: None here, BurnIn there"):
        load_checkpoint(tmp_path / "checkpoint.npz", small_r3gan(ema=0.9))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: BurnIn(0), "images is 0; it must be a whole number, at least 1"),
        (lambda: BurnIn(2.5), "images is 2.5"),
        (lambda: BurnIn(10, learning_rate=0), "learning_rate is 0; it must be above 0"),
        (lambda: BurnIn(10, penalty=math.nan), "penalty is nan"),
        (lambda: BurnIn(10, beta2=1.0), r"beta2 is 1.0; it must be in \[0, 1\)"),
        (lambda: small_r3gan(optimizer=SGD, schedule=BURN_IN), "moves beta2, which is Adam's; the optimizers are SGD"),
        (
            lambda: small_r3gan(penalty=None, fused=False, schedule=BURN_IN),
            "the weight of a penalty, and there is none",
        ),
        (lambda: small_r3gan(schedule=7), r"a function of the step such as StepLR\(1000, 0.5\), or a BurnIn"),
    ],
)
def test_a_burn_in_that_makes_no_sense_is_refused(make, words):
    with pytest.raises(SettingsError, match=words):
        make()


def test_it_moves_learning_rates_alone_of_any_optimizer():
    gan = small_r3gan(optimizer=SGD, schedule=BurnIn(8, learning_rate=0.5))
    trained(gan, 4)
    assert gan.d_optimizer.learning_rate == 5e-3 and gan.penalty_now == R1R2(2.0)
    assert StepLR(2, 0.5)(4) == 0.25


# The networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape, sizes",
    [
        ((28, 28, 1), [28, 14, 7]), ((32, 32, 3), [32, 16, 8]), ((64, 64, 3), [64, 32, 16, 8]), ((7, 7, 2), [7]),
        ((24, 48, 3), [24, 12, 6]), ((2, 1, 1), [2]),
    ],
)  # fmt: skip
def test_sizes_of_r3gan(shape, sizes):
    G, D = models.r3gan(shape, width=8, latent=5)
    assert G.output_shape == shape and D.output_shape == (1,) and D.input_shape == shape
    heights = [layer.output_shape[0] for layer in D.layers if isinstance(layer, BlurDownSampling2D)]
    assert [shape[0], *heights] == sizes
    widths = [block.output_shape[-1] for block in D.layers if isinstance(block, Residual)]
    assert widths == [8 * 2**i for i in range(len(sizes))]
    x = np.zeros((2, *shape), np.float32)
    assert G.predict(np.ones((2, 5), np.float32)).shape == x.shape and D.predict(x).shape == (2, 1)


def test_r3gan_has_the_parameters_that_its_page_counts():
    G, D = models.r3gan()
    assert f"{G.params.size:,} parameters in G and {D.params.size:,} in D" in " ".join(models.r3gan.__doc__.split())
    G, D = models.r3gan(classes=10)
    assert G.classes == 10 and D.output_shape == (10,)


def test_every_block_starts_as_the_identity_and_linear_layers_keep_the_variance():
    G, D = models.r3gan((32, 32, 3), width=16, blocks=2)
    x = D.backend.random.normal((4, 32, 32, 3), 0, "x", dtype="float32")
    D.forward(x, backward=False)
    for block in (layer for net in (G, D) for layer in net.layers if isinstance(layer, Residual)):
        assert not block.layers[-1].W.any() and not any(b.any() for b in (block.layers[0].b, block.layers[2].b))
        gain = math.sqrt(2 / 1.04) * 6 ** (-1 / 4)
        first, middle = block.layers[0], block.layers[2]
        assert first.W.std() == pytest.approx(gain / math.sqrt(first.input_shape[-1]), rel=0.1)
        assert middle.W.std() == pytest.approx(gain / math.sqrt(9 * 8), rel=0.1)
    y = G.predict(G.backend.random.normal((64, 32), 0, "z", dtype="float32"))
    assert 0.3 < y.std() < 3


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"image_shape": (28, 28)}, r"r3gan: image_shape is \(28, 28\); wanted \(h, w, c\)"),
        ({"latent": 0}, "r3gan: latent is 0"),
        ({"blocks": 0}, "r3gan: blocks is 0"),
        ({"width": 2, "group": 5}, "group is 5, and width 2 makes 8 channels"),
        ({"width": 6}, "group is 8, and width 6 makes 12 channels, which are no groups of that size"),
    ],
)
def test_r3gan_refuses(settings, words):
    with pytest.raises(SettingsError, match=words):
        models.r3gan(**settings)


def test_initial_weights_by_fan_in():
    W = fan_in_normal(2.0)(Random(critic().backend, 0, "W"), (400, 50), 400, 50)
    assert W.std() == pytest.approx(2 / 20, rel=0.02)
    assert fixup(16) == FanIn(math.sqrt(2 / 1.04) / 2) and fixup(1, slope=0) == FanIn(math.sqrt(2))


# The fixed filter ----------------------------------------------------------------------------------------------------


def by_definition(x):
    """Half the size, pixel by pixel."""
    (n, h, w, c), row = x.shape, np.array([1, 3, 3, 1]) / 8
    padded = np.zeros((n, h + 3, w + 3, c))
    padded[:, 1 : h + 1, 1 : w + 1] = x
    y = np.zeros((n, h // 2, w // 2, c))
    for i in range(h // 2):
        for j in range(w // 2):
            patch = padded[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4]
            y[:, i, j] = np.einsum("nuvc,u,v->nc", patch, row, row)
    return y


@pytest.mark.parametrize("h, w", [(2, 2), (4, 6), (5, 3), (7, 2)])
def test_the_filter_is_the_one_of_its_formula(h, w):
    x = np.random.default_rng(0).normal(size=(2, h, w, 3))
    down = Sequential([BlurDownSampling2D()], input_shape=(h, w, 3), name="down", dtype="float64")
    y = down.forward(x).copy()
    np.testing.assert_allclose(y, by_definition(x), atol=1e-14)
    up = Sequential([BlurUpSampling2D()], input_shape=y.shape[1:], name="up", dtype="float64")
    if h % 2 == w % 2 == 0:  # U is four times the transpose of D
        np.testing.assert_allclose(up.forward(y), 4 * down.backward(y), atol=1e-14)
    flat = up.predict(np.ones(y.shape))
    assert flat[:, 1:-1, 1:-1].size == 0 or np.allclose(flat[:, 1:-1, 1:-1], 1)  # nothing is brighter or darker inside


def test_one_row_cannot_be_halved():
    with pytest.raises(ShapeError, match="at least 2 x 2 pixels"):
        Sequential([BlurDownSampling2D()], input_shape=(1, 4, 3))


@pytest.mark.parametrize("name", ["mnist_r3gan", "faces_r3gan"])
def test_the_examples_have_the_recipe(name):
    """Of a class that is made of two others, the first one's defaults count, those that it inherits included."""
    settings, recipe = example(name).Settings(), R3GANSettings()
    for field in (
        "lr",
        "beta1",
        "beta2",
        "beta2_end",
        "gamma",
        "gamma_end",
        "burn_in",
        "ema",
        "latent",
        "group",
        "linear",
    ):
        assert getattr(settings, field) == getattr(recipe, field), field
    assert (settings.lr, settings.ema, settings.latent) == (2e-3, 0.998, 32)
