"""The same weights, data and noise through PyTorch: whole steps in float64, equal to 1e-9. Skipped without PyTorch."""

import numpy as np
import pytest

from minigan import SGD, Adam, RMSprop, models
from minigan.layers import BatchNorm, Dense

from .gans import real_images, small_gan

torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is only needed to compare with")


def torch_network(net):
    """The same layers in PyTorch, with the same numbers."""
    made = []
    for layer, in_shape in zip(net.layers, net.shapes, strict=False):
        kind = type(layer).__name__
        if isinstance(layer, Dense):
            made.append(torch.nn.Linear(in_shape[0], layer.d_out, dtype=torch.float64))
            made[-1].weight.data = torch.tensor(layer.W.T.copy())
            made[-1].bias.data = torch.tensor(layer.b.copy())
        elif isinstance(layer, BatchNorm):
            momentum = 1 - layer.momentum
            made.append(torch.nn.BatchNorm1d(in_shape[0], layer.eps, momentum, dtype=torch.float64))
            made[-1].weight.data = torch.tensor(layer.gamma.copy())
            made[-1].bias.data = torch.tensor(layer.beta.copy())
        elif kind == "LeakyReLU":
            made.append(torch.nn.LeakyReLU(layer.slope))
        elif kind == "Reshape":
            made.append(torch.nn.Unflatten(1, layer.shape))
        else:
            made.append({"Flatten": torch.nn.Flatten, "Tanh": torch.nn.Tanh, "Sigmoid": torch.nn.Sigmoid}[kind]())
    return torch.nn.Sequential(*made)


def parameters_of(module, net):
    """PyTorch's parameters as minigan's vector; for the gradients, give `grad=True` values."""
    linear = [isinstance(layer, torch.nn.Linear) for layer in module for _ in layer.parameters()]
    arrays = [p.detach().numpy() for p in module.parameters()]
    return np.concatenate(
        [(a.T if is_w and a.ndim == 2 else a).ravel() for a, is_w in zip(arrays, linear, strict=True)]
    )


class TorchGAN:
    """The GAN step as PyTorch's users write it, with noise from outside."""

    def __init__(self, gan, rate, betas):
        self.gan, self.G, self.D = gan, torch_network(gan.G), torch_network(gan.D)
        self.g_optimizer = torch.optim.Adam(self.G.parameters(), rate, betas)
        self.d_optimizer = torch.optim.Adam(self.D.parameters(), rate, betas)
        self.loss = torch.nn.BCEWithLogitsLoss() if gan.objective.loss.decision == 0 else torch.nn.BCELoss()

    def judge(self, x, target):
        pred = self.D(x)
        return self.loss(pred, torch.full_like(pred, target))

    def step(self, x_real, z_d, z_g):
        self.d_optimizer.zero_grad()
        real = self.judge(x_real, 1.0)
        real.backward()
        if self.gan.d_update == "two_steps":
            self.d_optimizer.step()
            self.d_optimizer.zero_grad()
        x_fake = self.G(z_d)
        fake = self.judge(x_fake.detach(), 0.0)
        fake.backward()
        self.d_optimizer.step()
        if self.gan.noise == "fresh":
            x_fake = self.G(z_g)
        self.g_optimizer.zero_grad()
        g_loss = self.judge(x_fake, 1.0)
        g_loss.backward()
        self.g_optimizer.step()
        return real.item() + fake.item(), g_loss.item()


@pytest.mark.parametrize("noise", ["fresh", "same"])
@pytest.mark.parametrize("d_update", ["summed", "two_steps"])
@pytest.mark.parametrize("loss", ["BCEWithLogits", "BCE"])
def test_twenty_whole_steps(noise, d_update, loss):
    import minigan

    gan = small_gan(optimizer=Adam, noise=noise, d_update=d_update, loss=getattr(minigan, loss))
    other = TorchGAN(gan, 1e-2, (0.5, 0.999))
    for step in range(20):
        x_real = real_images(gan, 6, step)
        z = [torch.tensor(gan.draw_noise(6, stream, step)) for stream in ("D", "G")]
        d_loss, g_loss = other.step(torch.tensor(x_real), *z)
        losses = gan.step(x_real)
        np.testing.assert_allclose([losses.d_loss, losses.g_loss], [d_loss, g_loss], rtol=1e-9)
    for net, module in ((gan.G, other.G), (gan.D, other.D)):
        np.testing.assert_allclose(net.params, parameters_of(module, net), rtol=1e-9, atol=1e-9)


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
    other = TorchGAN(wide, 2e-4, (0.5, 0.999))
    images = data.mnist("test", labels=False)
    for step in range(3):
        x = images.batch(32, 0, step, G.backend, "float64")
        z = [torch.tensor(wide.draw_noise(32, stream, step)) for stream in ("D", "G")]
        expected = other.step(torch.tensor(x), *z)
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
