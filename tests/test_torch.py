"""The same weights, data and noise through PyTorch: whole steps in float64, equal to 1e-9. Skipped without PyTorch."""

import numpy as np
import pytest

from minigan import SGD, Adam, RMSprop, models, objectives
from minigan.layers import BatchNorm, Conv2DTranspose

from .gans import real_images, small_gan
from .layer_table import CASES
from .systems import IMAGE_SYSTEMS, real_batch, system
from .test_layers import build
from .test_models import SMALL

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is only needed to compare with")

from .torch_twins import TorchGAN, nchw, parameters_of, torch_network  # noqa: E402 - needs PyTorch


def in_torch(case):
    """PyTorch cuts a ConvTranspose2d on both sides alike, and its BatchNorm wants channels second."""
    if isinstance(case.layer, Conv2DTranspose):
        layer = build(case)[0].layers[0]
        (top, bottom), (left, right) = layer.window.padding
        smallest = (case.shape[1] - 1) * layer.stride[0] - 2 * top + layer.kernel[0]
        return (top, left) == (bottom, right) and layer.window.image[0] == smallest + layer.output_padding[0]
    return not isinstance(case.layer, BatchNorm) or len(case.shape) != 3


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
        np.testing.assert_allclose(net.grads, parameters_of(module, net, "grad"), rtol=1e-9, atol=1e-11)


def run_beside_torch(gan, n, steps, real=real_batch, rtol=1e-9):
    """The same steps in both: losses and, in the end, all parameters agree."""
    other = TorchGAN(gan)
    for step in range(steps):
        x_real = real(gan, n, step)
        batches = [nchw(torch.tensor(x)) for x in np.split(x_real, gan.d_steps)]
        counts = range(step * gan.d_steps, (step + 1) * gan.d_steps)
        z_d = [torch.tensor(gan.draw_noise(n, "D", count)) for count in counts]
        d_loss, g_loss = other.step(batches, z_d, torch.tensor(gan.draw_noise(n, "G", step)))
        losses = gan.step(x_real)
        np.testing.assert_allclose([losses.d_loss, losses.g_loss], [d_loss.item(), g_loss.item()], rtol=rtol, atol=rtol)
    for net, module in ((gan.G, other.G), (gan.D, other.D)):
        np.testing.assert_allclose(net.params, parameters_of(module, net), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", IMAGE_SYSTEMS)
def test_three_whole_steps_of_every_system(name):
    """In float64, with Keras's and PyTorch's conventions as each system has them."""
    gan, _ = system(name, latent=7, **SMALL[name])
    run_beside_torch(gan, 5, steps=3)


@pytest.mark.parametrize("name", ["anime_wgan", "cats_dcgan"])
def test_three_whole_steps_with_the_other_switches(name):
    switches = {"anime_wgan": {"noise": "same", "d_steps": 3}, "cats_dcgan": {"noise": "same", "real_target": 0.9}}
    gan, _ = system(name, latent=7, **SMALL[name] | switches[name])
    run_beside_torch(gan, 4, steps=3)


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
    gan.objective = getattr(objectives, objective)("numpy")
    run_beside_torch(gan, 6, 5, real_images)


def test_the_full_size_networks_in_float32_stay_together():
    """Three steps of the real recipe: losses agree to float32's accuracy."""
    from minigan import GAN, BCEWithLogits, NonSaturating, data

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
        net.grads[...] = net.backend.normal(net.params.shape, 1, "g", k, "float64") * 1e-2
        p.grad = torch.tensor(net.grads)
        a.step()
        b.step()
    np.testing.assert_allclose(net.params, p.detach().numpy(), rtol=1e-12, atol=1e-14)
