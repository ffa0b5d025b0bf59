"""The same weights, data and noise through PyTorch: whole steps in float64, equal to 1e-9, and to 1e-8 after 50 of
them; losses in float32. minigan.interop carries the weights over, both ways. Skipped without PyTorch.
"""

import math

import numpy as np
import pytest

from minigan import (
    GAN,
    SGD,
    Adam,
    BCEWithLogits,
    Generator,
    Hinge,
    MeanSquaredError,
    NonSaturating,
    Relativistic,
    RMSprop,
    Sequential,
    Wasserstein,
    models,
    objectives,
)
from minigan.backend import usability
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LabelEmbedding,
    LeakyReLU,
    MinibatchStd,
    Reshape,
    Residual,
    SpectralNorm,
    Tanh,
    UpSamplingConv2D,
)
from minigan.penalties import R1, R1R2, GradientPenalty

from .conftest import import_torch
from .gans import real_images, small_gan
from .layer_table import CASES
from .systems import IMAGE_SYSTEMS, example, real_batch, system
from .test_layers import build
from .test_models import SMALL

torch = import_torch()

from .torch_twins import TorchGAN, in_minigan, nchw, torch_network  # noqa: E402 - needs PyTorch


def in_torch(case):
    """PyTorch cuts a ConvTranspose2d on both sides alike, and its BatchNorm wants channels second; its Flatten and
    Unflatten stand in whole networks below, since alone they return another order; and its SpectralNorm always moves.
    """
    if isinstance(case.layer, Conv2DTranspose):
        layer = build(case)[0].layers[0]
        (top, bottom), (left, right) = layer.window.padding
        smallest = (case.shape[1] - 1) * layer.stride[0] - 2 * top + layer.kernel[0]
        return (top, left) == (bottom, right) and layer.window.image[0] == smallest + layer.output_padding[0]
    if any(isinstance(layer, SpectralNorm) and layer.iterations == 0 for layer in case.layer.walk()):
        return False
    if isinstance(case.layer, BatchNorm):
        return len(case.shape) != 3
    return not isinstance(case.layer, Flatten | Reshape)


@pytest.mark.parametrize("case", [case for case in CASES if in_torch(case)], ids=str)
def test_every_layer_forwards_and_backwards(case):
    net, x, dy = build(case)
    module = torch_network(net).train()
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = module(nchw(x_torch))
    y_torch.backward(nchw(torch.tensor(dy)))
    np.testing.assert_allclose(nchw(torch.tensor(net.forward(x))), y_torch.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(net.backward(dy), x_torch.grad, rtol=1e-9, atol=1e-11)
    if net.params.size:
        np.testing.assert_allclose(net.grads, in_minigan(module, net, gradients=True).params, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("backend", ["numpy", "compiled"])
@pytest.mark.parametrize("layer, shape", [
    (Conv2D(16, 3, 1, 1, groups=2), (4, 6, 5, 16)), (Conv2D(12, 3, 2, 1, groups=3), (3, 7, 6, 6)),
    (Conv2D(8, (3, 2), groups=8), (3, 5, 4, 8)), (Conv2D(12, 4, groups=6, bias=False), (5, 4, 4, 6)),
    (Conv2D(6, 1, groups=3), (2, 3, 4, 9)), (Conv2D(6, 1), (2, 3, 4, 9)),
], ids=str)  # fmt: skip
def test_groups_are_pytorchs(layer, shape, backend):
    """y, dx, dW and db, to 1e-12."""
    if not usability()[backend][0]:
        pytest.skip("Numba is not installed")
    net = Sequential([layer.clone()], input_shape=shape[1:], dtype="float64", backend=backend)
    module, draw = torch_network(net), net.backend.random.normal
    x = draw(shape, 0, "x", dtype="float64")
    dy = draw((shape[0], *net.output_shape), 0, "dy", dtype="float64")
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = module(nchw(x_torch))
    y_torch.backward(nchw(torch.tensor(dy)))
    np.testing.assert_allclose(nchw(torch.tensor(net.forward(x))), y_torch.detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.backward(dy), x_torch.grad, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(net.grads, in_minigan(module, net, gradients=True).params, rtol=1e-12, atol=1e-12)


def steps_of_both(gan, n, steps, real=real_batch):
    """The same steps in both. Returns PyTorch's side, and D's and G's losses of every step, ours and theirs."""
    other, ours, theirs = TorchGAN(gan), [], []
    for step in range(steps):
        x_real, labels = real(gan, n, step), None
        batches = [nchw(torch.tensor(x)) for x in np.split(x_real, gan.d_steps)]
        if gan.classes:
            labels = np.arange(step, step + len(x_real)) * 2 % gan.classes
        chosen = None if labels is None else [torch.tensor(part) for part in np.split(labels, gan.d_steps)]
        z_d = noise(gan, n, "D", range(step * gan.d_steps, (step + 1) * gan.d_steps))
        z_g = noise(gan, n, "G", range(step * gan.g_steps, (step + 1) * gan.g_steps))
        theirs.append([loss.item() for loss in other.step(batches, z_d, z_g, chosen)])
        losses = gan.step(x_real, labels)
        ours.append([float(losses.d_loss), float(losses.g_loss)])
    return other, np.array(ours), np.array(theirs)


def noise(gan, n, stream, counts):
    """z of every update, as tensors."""
    return [torch.tensor(gan.draw_noise(n, stream, count)) for count in counts]


def run_beside_torch(gan, n, steps, real=real_batch, rtol=1e-9, atol=1e-9):
    """Losses agree, and in the end all parameters and running statistics, most of which have moved."""
    starts = [net.params.copy() for net in (gan.G, gan.D)]
    other, ours, theirs = steps_of_both(gan, n, steps, real)
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)
    for net, module, start in zip((gan.G, gan.D), (other.G, other.D), starts, strict=True):
        twin = as_counted_here(in_minigan(module, net), n)
        for vector in ("params", "state"):
            np.testing.assert_allclose(getattr(net, vector), getattr(twin, vector), rtol=rtol, atol=atol)
        assert np.median(abs(net.params - start)) > 1e-5, "agreement of weights that stay where they are proves nothing"


def as_counted_here(twin, n):
    """The twin with the running variances that minigan would have kept: PyTorch adds each batch's unbiased variance,
    m / (m - 1) times ours, to what is left of the 1 that both begin with.
    """
    for layer in twin.walk():
        if isinstance(layer, BatchNorm):
            m, left = n * math.prod(layer.input_shape[:-1]), layer.momentum**twin.forwards
            layer.var[...] = left + (layer.var - left) * (m - 1) / m
    return twin


# In a network this narrow, no gradient would come through gains of BatchNorm that are clipped to 0.01; and on images of
# 1 by 1 most of a kernel sees zeros only. The learning rate of the cats is cut within 50 steps.
LIVELY = {"anime_wgan": {"clip": 0.5, "size": 64}, "cats_dcgan": {"lr_every": 2}}


def reduced(name, dtype="float64", **settings):
    """A system at reduced width."""
    if name != "mnist_mlp_gan":
        return system(name, dtype, latent=7, **SMALL[name] | LIVELY.get(name, {}) | settings)[0]
    module = example(name)
    networks = models.mnist_mlp(latent=7, widths=(9, 12, 16), d_widths=(11, 8), dtype=dtype, **settings)
    return module.game(module.Settings(), *networks)


@pytest.mark.parametrize("name", [*IMAGE_SYSTEMS, "mnist_mlp_gan"])
def test_three_whole_steps_of_every_system(name):
    """In float64, with Keras's and PyTorch's conventions as each system has them."""
    run_beside_torch(reduced(name), 5, steps=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*IMAGE_SYSTEMS, "mnist_mlp_gan"])
def test_fifty_whole_steps_of_every_system(name):
    """Every weight and running statistic. What differs most are biases in front of a BatchNorm: their gradient is 0 but
    for rounding, some 1e-17, and Adam divides it by its own size and eps. That makes 1e-11 of it, still below atol.
    """
    run_beside_torch(reduced(name), 5, steps=50, rtol=1e-8, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*IMAGE_SYSTEMS, "mnist_mlp_gan"])
def test_twenty_whole_steps_of_every_system_in_float32(name):
    """The loss curves stay together, for three seeds.

    float32 rounds to 6e-8 of a number, and a loss stands at the end of some ten layers forwards and backwards: two
    right libraries differ by less than 1e-6, and the median seed may by 1e-5. But Adam and RMSprop divide a gradient by
    its own size, mere rounding too: where a weight's first gradient happens to be nearly 0, the two take different
    first steps, and their losses part: in two of six runs of `celeba_dcgan`, by 0.03 and 0.04 after 20 steps. In one
    of them PyTorch's float32 curve lies 0.03 from its own float64 curve, and ours 0.004 from it: this is rounding, and
    it grows. So no run may part in its first three steps, and later by no more than a line's width in a plot. Weights
    are not compared: a bias in front of a BatchNorm, whose gradient is all rounding, goes its
    own way at full speed, and changes no loss.
    """
    first, worst = [], []
    for seed in (0, 3, 4):
        _, ours, theirs = steps_of_both(reduced(name, "float32", seed=seed), 5, steps=20)
        apart = abs(ours - theirs) / np.maximum(1, abs(theirs))
        first.append(apart[:3].max())
        worst.append(apart.max())
    assert np.median(worst) < 1e-5 and max(first) < 1e-4 and max(worst) < 0.05, (first, worst)


@pytest.mark.parametrize("name", ["anime_wgan", "cats_dcgan"])
def test_three_whole_steps_with_the_other_switches(name):
    switches = {"anime_wgan": {"noise": "same", "d_steps": 3}, "cats_dcgan": {"noise": "same", "real_target": 0.9}}
    run_beside_torch(reduced(name, **switches[name]), 4, steps=3)


@pytest.mark.parametrize("noise", ["fresh", "same"])
@pytest.mark.parametrize("d_update", ["summed", "two_steps"])
@pytest.mark.parametrize("loss", ["BCEWithLogits", "BCE"])
def test_twenty_whole_steps(noise, d_update, loss):
    import minigan

    gan = small_gan(optimizer=Adam, noise=noise, d_update=d_update, loss=getattr(minigan, loss))
    run_beside_torch(gan, 6, 20, real_images)


@pytest.mark.parametrize("objective", ["LeastSquares", "Hinge", "Wasserstein"])
def test_five_whole_steps_of_every_objective(objective):
    gan = small_gan(optimizer=Adam)
    gan.objective = getattr(objectives, objective)()
    run_beside_torch(gan, 6, 5, real_images)


def blocks(objective, **switches):
    """A residual GAN with classes. SpectralNorm's vectors turn in PyTorch as here, at every training forward; those of
    a critic of pairs, which goes through its real images twice and has them back in between, do as well.
    """
    options = {"dtype": "float64", "seed": 3}
    G = Generator(
        [
            LabelEmbedding(3, 2), Dense(8), Reshape((2, 2, 2)),
            Residual(Conv2D(2, 3, 1, "same", bias=False), BatchNorm(), Tanh()),
            Residual(UpSamplingConv2D(2, 2), shortcut=UpSamplingConv2D(2, 1)), Tanh(),
        ],
        input_shape=4 + 3, classes=3, name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [
            Residual(Conv2D(2, 3, 1, "same"), LeakyReLU(), Conv2D(3, 1), shortcut=Conv2D(3, 1)), Dropout(0.2),
            Residual(SpectralNorm(Conv2D(2, 3, 2, 1)), Tanh(), shortcut=Sequential([Conv2D(2, 1, 2), Tanh()])),
            Residual(LeakyReLU(), Conv2D(2, 1)), LeakyReLU(), Flatten(), Dense(3),
        ],
        input_shape=(4, 4, 2), name="D", **options,
    )  # fmt: skip
    adam = {"learning_rate": 1e-2, "beta1": 0.5}
    return GAN(G, D, objective=objective, g_optimizer=Adam(G, **adam), d_optimizer=Adam(D, **adam), seed=3, **switches)


CONDITIONAL = [
    (NonSaturating(), {}),
    (Hinge(), {"noise": "same", "d_update": "two_steps"}),
    (Relativistic(), {"g_steps": 2}),
    (Relativistic(MeanSquaredError()), {"noise": "same", "d_steps": 2}),
    (Relativistic(Hinge()), {"noise": "same", "g_steps": 2}),
]
PENALISED = [
    (Wasserstein(), {"penalty": GradientPenalty(), "d_steps": 2}),
    (Relativistic(), {"penalty": R1(3.0), "noise": "same"}),
    (Relativistic(), {"penalty": R1R2(2.0), "d_steps": 2}),
]


@pytest.mark.parametrize("objective, switches", CONDITIONAL + PENALISED, ids=str)
def test_twenty_whole_steps_of_a_residual_conditional_gan(objective, switches):
    run_beside_torch(blocks(objective, **switches), 6, 20, real_images_for_all_updates)


CHANGED = [
    (NonSaturating(), {"augment": "color,translation,cutout"}),
    (Hinge(), {"augment": "translation,color", "noise": "same", "d_update": "two_steps", "g_steps": 2}),
    (Relativistic(), {"augment": "cutout,translation", "d_steps": 2}),
    (Wasserstein(), {"augment": "color,cutout", "penalty": GradientPenalty()}),
    (Relativistic(), {"augment": "color,translation,cutout", "penalty": R1R2(2.0)}),
]


@pytest.mark.parametrize("objective, switches", CHANGED, ids=str)
def test_twenty_whole_steps_of_changed_images(objective, switches):
    run_beside_torch(blocks(objective, **switches), 6, 20, real_images_for_all_updates)


def in_packs(objective, pack, critic=(), **switches):
    """A GAN whose D sees several images at once; `critic` stands before D's last layer."""
    options, adam = {"dtype": "float64", "seed": 3}, {"learning_rate": 1e-2, "beta1": 0.5}
    G = Sequential(
        [Dense(8), LeakyReLU(), BatchNorm(), Reshape((2, 2, 2)), Conv2DTranspose(2, 4, 2, 1), Tanh()],
        input_shape=4, name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [Conv2D(4, 3, 2, 1), LeakyReLU(), *critic, Conv2D(3, 1), LeakyReLU(), Flatten(), Dense(1)],
        input_shape=(4, 4, 2 * pack), name="D", **options,
    )  # fmt: skip
    optimizers = {"g_optimizer": Adam(G, **adam), "d_optimizer": Adam(D, **adam)}
    return GAN(G, D, objective=objective, pack=pack, seed=3, **optimizers, **switches)


IN_PACKS = [
    (NonSaturating(), {"pack": 2, "noise": "same"}),
    (Hinge(), {"pack": 3, "augment": "translation,color,cutout", "critic": [MinibatchStd(2)]}),
    (Relativistic(), {"pack": 3, "critic": [MinibatchStd(3)], "d_steps": 2}),
    (Wasserstein(), {"pack": 2, "penalty": GradientPenalty(), "augment": "color"}),
    (Relativistic(), {"pack": 2, "penalty": R1R2(2.0), "g_steps": 2}),
    (Relativistic(), {"pack": 2, "penalty": R1R2(2.0), "fused": True, "augment": "translation,color"}),
]


@pytest.mark.parametrize("objective, switches", IN_PACKS, ids=str)
def test_twenty_whole_steps_in_packs(objective, switches):
    switches = switches | {"critic": [layer.clone() for layer in switches.get("critic", ())]}
    run_beside_torch(in_packs(objective, **switches), 12, 20, real_images_for_all_updates)


def real_images_for_all_updates(gan, n, step):
    return real_images(gan, n * gan.d_steps, step)


@pytest.mark.parametrize("loss", [BCEWithLogits, MeanSquaredError, Hinge], ids=lambda kind: kind.__name__)
def test_twenty_whole_steps_of_pairs(loss):
    run_beside_torch(small_gan(objective=Relativistic, loss=loss), 6, 20, real_images)


def test_the_full_size_networks_in_float32_stay_together():
    """Three steps of the real recipe: losses agree to float32's accuracy."""
    from minigan import data

    G, D = models.mnist_mlp()
    recipe = {"learning_rate": 2e-4, "beta1": 0.5}
    gan = GAN(G, D, objective=NonSaturating(BCEWithLogits()), g_optimizer=Adam(G, **recipe),
              d_optimizer=Adam(D, **recipe), d_update="two_steps")  # fmt: skip
    wide = GAN(*(networks := (G.clone("float64"), D.clone("float64"))), objective=gan.objective,
               g_optimizer=Adam(networks[0], **recipe), d_optimizer=Adam(networks[1], **recipe),
               d_update="two_steps")  # fmt: skip
    other = TorchGAN(wide)
    images = data.mnist("test", labels=False)
    for step in range(3):
        x = images.batch(32, 0, step, G.backend, "float64")
        z_d, z_g = (torch.tensor(wide.draw_noise(32, stream, step)) for stream in ("D", "G"))
        expected = [loss.item() for loss in other.step([nchw(torch.tensor(x))], [z_d], z_g)]
        losses = gan.step(x.astype(np.float32))
        np.testing.assert_allclose([float(losses.d_loss), float(losses.g_loss)], expected, rtol=2e-4)


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (lambda net: Adam(net, 0.01, 0.5, 0.99, 1e-3), lambda p: torch.optim.Adam(p, 0.01, (0.5, 0.99), 1e-3)),
        (lambda net: RMSprop(net, 0.01, 0.9, 1e-3), lambda p: torch.optim.RMSprop(p, 0.01, 0.9, 1e-3)),
        (lambda net: SGD(net, 0.01, 0.9), lambda p: torch.optim.SGD(p, 0.01, 0.9)),
    ],
    ids=["Adam", "RMSprop", "SGD"],
)
def test_optimizers_eps_outside_the_root(ours, theirs):
    net = small_gan().D
    p = torch.nn.Parameter(torch.tensor(net.params.copy()))
    a, b = ours(net), theirs([p])
    for k in range(30):
        net.grads[...] = net.backend.random.normal(net.params.shape, 1, "g", k, "float64") * 1e-2
        p.grad = torch.tensor(net.grads)
        a.step()
        b.step()
    np.testing.assert_allclose(net.params, p.detach().numpy(), rtol=1e-12, atol=1e-14)
