"""The same networks and the same GAN step in PyTorch, as its users write them: for comparing numbers, and for timing.

Images are NCHW there and NHWC here: `nchw` turns them, and minigan.interop carries the weights over.
"""

import math

import torch
from torch.nn.utils.parametrizations import spectral_norm

import minigan
from minigan import objectives
from minigan.interop import from_torch, modules_of, to_torch
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    SpectralNorm,
    UpSamplingConv2D,
    ZeroPadding2D,
)
from minigan.optimizers import Adam
from minigan.penalties import R1R2, GradientPenalty


def nchw(images):
    """(n, h, w, c) to (n, c, h, w); a batch of vectors as it is. The memory stays: what PyTorch calls channels last."""
    return images.permute(0, 3, 1, 2) if images.ndim == 4 else images


class Crop(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        _, self.rows, self.columns = layer.inside

    def forward(self, x):
        return x[:, :, self.rows, self.columns]


class Mean(torch.nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


class SameDropout(torch.nn.Module):
    """Drops what minigan's layer drops in its forward of the same number; after `part()`, what PyTorch chooses."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.forwards, self.own = layer, 0, None

    def part(self):
        self.own, self.layer = torch.nn.Dropout(self.layer.rate), None

    def forward(self, x):
        if self.own is not None:
            return self.own(x)
        if not self.training:
            return x
        self.forwards += 1
        shape = x.permute(0, 2, 3, 1).shape if x.ndim == 4 else x.shape
        name = f"{self.layer.context.network}.{self.layer.name}"
        drawn = self.layer.backend.random.uniform(tuple(shape), self.layer.context.seed, name, self.forwards)
        mask = nchw(torch.tensor(drawn >= self.layer.rate, dtype=x.dtype))
        return x * mask / (1 - self.layer.rate)


def convolution(layer, in_shape):
    """Conv2d or ConvTranspose2d; zeros that differ from side to side are a module of their own."""
    if isinstance(layer, UpSamplingConv2D):
        larger = [length * factor for length, factor in zip(in_shape, layer.factor, strict=False)]
        (top, bottom), (left, right) = layer.zeros_around(*larger)
    else:
        (top, bottom), (left, right) = layer.window.padding
    even, c_in = (top, left) == (bottom, right), in_shape[2]
    if isinstance(layer, Conv2D):
        padding, around = ((top, left), []) if even else (0, [torch.nn.ZeroPad2d((left, right, top, bottom))])
        if isinstance(layer, UpSamplingConv2D):
            around = [torch.nn.Upsample(scale_factor=layer.factor), *around]
        sizes = layer.kernel, layer.stride, padding
        return [*around, torch.nn.Conv2d(c_in, layer.c_out, *sizes, groups=layer.groups, bias=layer.bias)]
    assert even, "PyTorch has no such ConvTranspose2d"
    sizes = layer.kernel, layer.stride, (top, left), layer.output_padding
    return [torch.nn.ConvTranspose2d(c_in, layer.c_out, *sizes, bias=layer.bias)]


class Residual(torch.nn.Sequential):
    """y = f(x) + s(x), as PyTorch's users write it."""

    def __init__(self, layers, shortcut):
        super().__init__(*layers)
        self.around = [torch.nn.Identity()] if shortcut is None else shortcut[:-1]  # without numbers
        self.shortcut = torch.nn.Identity() if shortcut is None else shortcut[-1]

    def forward(self, x):
        y, other = x, x
        for name, module in self.named_children():
            if name != "shortcut":
                y = module(y)
        for module in [*self.around, self.shortcut]:
            other = module(other)
        return y + other


class LabelEmbedding(torch.nn.Embedding):
    """The noise, and behind it the vectors of the labels, which come as one-hot rows."""

    def forward(self, x):
        z, rows = x[:, : -self.num_embeddings], x[:, -self.num_embeddings :]
        return torch.cat([z, rows @ self.weight], dim=1)


class Bias(torch.nn.Module):
    """A number added to each channel."""

    def __init__(self, c):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(c))

    def forward(self, x):
        return x + self.bias.reshape(-1, *[1] * (x.ndim - 2))


class Basis(torch.nn.Module):
    """A learned image, each channel times a number of the row."""

    def __init__(self, c, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(c, *size))

    def forward(self, x):
        return x[:, :, None, None] * self.weight


class Blurred(torch.nn.Module):
    """Half the size, or twice: [1, 3, 3, 1] along both axes, of each channel by itself."""

    def __init__(self, up):
        super().__init__()
        self.up = up

    def forward(self, x):
        row = torch.tensor([1, 3, 3, 1], dtype=x.dtype)
        kernel = torch.outer(row, row).expand(x.shape[1], 1, 4, 4)
        resize = torch.nn.functional.conv_transpose2d if self.up else torch.nn.functional.conv2d
        return resize(x, kernel / (16 if self.up else 64), stride=2, padding=1, groups=x.shape[1])


class MinibatchStd(torch.nn.Module):
    """One more channel: the mean standard deviation of the group's entries."""

    def __init__(self, layer):
        super().__init__()
        self.group = layer.group

    def forward(self, x):
        count = max(1, len(x) // self.group)
        found = []
        for rows in torch.tensor_split(x, count):
            s = (rows.var(dim=0, correction=0) + 1e-8).sqrt().mean()
            found.append(torch.cat([rows, s.expand_as(rows[:, :1])], dim=1))
        return torch.cat(found)


def modules(layer, in_shape):
    """What PyTorch has for a layer."""
    if isinstance(layer, minigan.layers.LabelEmbedding):
        return [LabelEmbedding(layer.classes, layer.size)]
    if isinstance(layer, minigan.layers.Residual):
        shortcut = None if layer.shortcut is None else modules(layer.shortcut, in_shape)
        return [Residual([m for one in layer.layers for m in modules(one, one.input_shape)], shortcut)]
    if isinstance(layer, minigan.Sequential):
        return [torch.nn.Sequential(*(m for one in layer.layers for m in modules(one, one.input_shape)))]
    if isinstance(layer, Dense):
        return [torch.nn.Linear(in_shape[0], layer.d_out, bias=layer.bias)]
    if isinstance(layer, Conv2D | Conv2DTranspose):
        return convolution(layer, in_shape)
    if isinstance(layer, SpectralNorm):
        *around, made = modules(layer.layer, in_shape)
        return [*around, spectral_norm(made, n_power_iterations=layer.iterations)]
    if isinstance(layer, BatchNorm):
        kind = torch.nn.BatchNorm2d if len(in_shape) == 3 else torch.nn.BatchNorm1d
        return [kind(in_shape[-1], layer.eps, 1 - layer.momentum)]
    if isinstance(layer, Dropout):
        return [SameDropout(layer)]
    if isinstance(layer, ZeroPadding2D):
        (top, bottom), (left, right) = layer.padding
        return [torch.nn.ZeroPad2d((left, right, top, bottom))]
    simple = {
        "LeakyReLU": lambda: torch.nn.LeakyReLU(layer.slope), "ReLU": torch.nn.ReLU, "Tanh": torch.nn.Tanh,
        "Sigmoid": torch.nn.Sigmoid, "Flatten": torch.nn.Flatten,
        "Reshape": lambda: torch.nn.Unflatten(1, (layer.shape[-1], *layer.shape[:-1])),
        "UpSampling2D": lambda: torch.nn.Upsample(scale_factor=layer.factor), "Cropping2D": lambda: Crop(layer),
        "MinibatchStd": lambda: MinibatchStd(layer),
        "Bias": lambda: Bias(in_shape[-1]), "Basis": lambda: Basis(in_shape[-1], layer.size),
        "BlurUpSampling2D": lambda: Blurred(up=True), "BlurDownSampling2D": lambda: Blurred(up=False),
        "GlobalAveragePooling2D": Mean, "AveragePooling2D": lambda: torch.nn.AvgPool2d(layer.size, layer.stride),
    }  # fmt: skip
    return [simple[type(layer).__name__]()]


def torch_network(net):
    """The same layers in PyTorch, with the same numbers, computing in the same dtype."""
    made = [m for layer in net.layers for m in modules(layer, layer.input_shape)]
    module = torch.nn.Sequential(*made).to(getattr(torch, net.dtype.name))
    numbers = to_torch(net, modules_of(module.state_dict()))
    module.load_state_dict({key: torch.tensor(array) for key, array in numbers.items()})
    return module


def in_minigan(module, net, gradients=False):
    """A network like `net` with the numbers of its PyTorch twin; or with the gradients in place of the parameters."""
    state = module.state_dict()
    if gradients:
        state |= {key: parameter.grad for key, parameter in module.named_parameters()}
    copy = net.clone()
    from_torch(copy, {key: value.numpy() for key, value in state.items()}, modules_of(state))
    return copy


def slope_penalty(penalty, D, x_real, x_fake, share):
    """WGAN-GP, R1, or R1 and R2, as PyTorch's users write them, by double backward. D: from images to scores."""
    x = share * x_real + (1 - share) * x_fake if isinstance(penalty, GradientPenalty) else x_real
    x = torch.cat([x_real, x_fake]) if isinstance(penalty, R1R2) else x
    x = x.detach().requires_grad_(True)
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    length = g.flatten(1).norm(dim=1)
    if isinstance(penalty, GradientPenalty):
        return penalty.weight * ((length - 1) ** 2).mean()
    if isinstance(penalty, R1R2):
        of_real, of_fake = length.split([len(x_real), len(x_fake)])
        return penalty.gamma / 2 * ((of_real**2).mean() + (of_fake**2).mean())
    return penalty.gamma / 2 * (length**2).mean()


def augmented(x, policy, u):
    """DiffAugment as PyTorch's users write it, by whole-tensor operations, of random numbers from outside.

    x: (n, c, h, w)   u: (draws, n, 1, 1, 1), in the order in which the policy takes them
    """
    drawn = iter(torch.tensor(u))
    h, w = x.shape[2:]
    for name in policy.split(","):
        if name == "color":
            x = x + (next(drawn) - 0.5).to(x.dtype)
            grey = x.mean(dim=1, keepdim=True)
            x = (x - grey) * (next(drawn) * 2).to(x.dtype) + grey
            level = x.mean(dim=(1, 2, 3), keepdim=True)
            x = (x - level) * (next(drawn) + 0.5).to(x.dtype) + level
        elif name == "translation":
            most = [int(side * 0.125 + 0.5) for side in (h, w)]
            shifts = [torch.floor(next(drawn) * (2 * m + 1)).long().ravel() - m for m in most]
            around = torch.nn.functional.pad(x, (most[1], most[1], most[0], most[0]))
            x = torch.stack([
                image[:, most[0] - down : most[0] - down + h, most[1] - right : most[1] - right + w]
                for image, down, right in zip(around, *(one.tolist() for one in shifts), strict=True)
            ])  # fmt: skip
        else:
            mask, cuts = torch.ones_like(x), [int(side * 0.5 + 0.5) for side in (h, w)]
            first = [
                torch.floor(next(drawn) * (side + 1 - cut % 2)).long().ravel() - cut // 2
                for side, cut in zip((h, w), cuts, strict=True)
            ]
            for image, top, left in zip(mask, *(one.tolist() for one in first), strict=True):
                image[:, max(top, 0) : top + cuts[0], max(left, 0) : left + cuts[1]] = 0
            x = x * mask
    return x


class TorchGAN:
    """The GAN step as PyTorch's users write it, with noise from outside."""

    def __init__(self, gan, **fast):
        self.gan, self.G, self.D = gan, torch_network(gan.G), torch_network(gan.D)
        self.g_optimizer = self.optimizer(gan.g_optimizer, self.G, **fast)
        self.d_optimizer = self.optimizer(gan.d_optimizer, self.D, **fast)
        self.d_updates = self.g_updates = 0
        both = self.g_optimizer, self.d_optimizer
        self.burn_in = gan.schedule if isinstance(gan.schedule, minigan.BurnIn) else None
        self.schedules = [
            torch.optim.lr_scheduler.LambdaLR(one, gan.schedule) for one in both if callable(gan.schedule)
        ]
        self.seen, self.weight = 0, 1.0
        self.first = [(one.param_groups[0]["lr"], one.param_groups[0].get("betas")) for one in both]

    @staticmethod
    def optimizer(ours, module, **fast):
        """The same optimizer with the same settings; `fast` are PyTorch's own."""
        if isinstance(ours, Adam):
            betas = (ours.beta1, ours.beta2)
            return torch.optim.Adam(module.parameters(), ours.learning_rate, betas, ours.eps, **fast)
        return torch.optim.RMSprop(module.parameters(), ours.learning_rate, ours.rho, ours.eps)

    def burn(self, images):
        """Set what the burn-in moves, from its formula, before a step that sees so many images."""
        if self.burn_in is not None:
            w = (1 - math.cos(math.pi * min(1, self.seen / self.burn_in.images))) / 2
            for optimizer, (rate, betas) in zip((self.g_optimizer, self.d_optimizer), self.first, strict=True):
                (group,) = optimizer.param_groups
                group["lr"] = rate * (1 + w * (self.burn_in.learning_rate - 1))
                if self.burn_in.beta2 is not None:
                    group["betas"] = (betas[0], betas[1] + w * (self.burn_in.beta2 - betas[1]))
            self.weight = 1 + w * (self.burn_in.penalty - 1)
        self.seen += images

    def loss(self, pred, target):
        """D's loss for target 1 or 0, and G's for "generator"."""
        objective, functional = self.gan.objective, torch.nn.functional
        if isinstance(objective, objectives.Wasserstein):
            return pred.mean() if target == 0 else -pred.mean()
        if isinstance(objective, objectives.Hinge):
            return -pred.mean() if target == "generator" else functional.relu(1 + pred * (1 - 2 * target)).mean()
        target = 1.0 if target == "generator" else target * getattr(objective, "real_target", 1.0)
        wanted = torch.full_like(pred, target)
        if isinstance(objective, objectives.LeastSquares):
            return functional.mse_loss(pred, wanted) / 2
        logits = objective.loss.decision == 0
        return (functional.binary_cross_entropy_with_logits if logits else functional.binary_cross_entropy)(
            pred, wanted
        )

    def loss_of_pairs(self, upper, lower):
        """Relativistic: the loss of whoever wants the first scores above the second ones."""
        kind, difference, functional = self.gan.objective.loss, upper - lower, torch.nn.functional
        if isinstance(kind, objectives.Hinge):
            return functional.relu(1 - difference).mean()
        if isinstance(kind, minigan.MeanSquaredError):
            return functional.mse_loss(difference, torch.ones_like(difference))
        return functional.binary_cross_entropy_with_logits(difference, torch.ones_like(difference))

    def images(self, z, labels):
        """G's, of the noise and these classes."""
        if labels is None:
            return self.G(z)
        rows = torch.nn.functional.one_hot(labels, self.gan.classes).to(z.dtype)
        return self.G(torch.cat([z, rows], dim=1))

    def shown(self, x, batch, count):
        """What D sees of a batch: changed at random, and in packs, whose samples are channels after channels."""
        gan = self.gan
        if gan.augment is not None:
            x = augmented(x, gan.augment.policy, gan.draw_changes(len(x), batch, count))
        return x.reshape(len(x) // gan.pack, gan.pack * x.shape[1], *x.shape[2:])

    def score(self, x, labels):
        """D's for each image; of its numbers for each class, that of the label."""
        return self.D(x) if labels is None else self.D(x).gather(1, labels[:, None])

    def penalties(self, x_real, x_fake, labels):
        """The term of D's loss that the GAN's penalty is, if it has one."""
        if self.gan.penalty is None:
            return []
        share = nchw(torch.tensor(self.gan.draw_share(len(x_real), self.d_updates)))
        both = labels if labels is None or not isinstance(self.gan.penalty, R1R2) else torch.cat([labels, labels])
        return [self.weight * slope_penalty(self.gan.penalty, lambda x: self.score(x, both), x_real, x_fake, share)]

    def update(self, optimizer, *losses):
        optimizer.zero_grad(set_to_none=True)
        for loss in losses:
            loss.backward()
        optimizer.step()
        if optimizer is self.d_optimizer and self.gan.clip:
            for parameter in self.D.parameters():
                parameter.data.clamp_(-self.gan.clip.limit, self.gan.clip.limit)

    def step(self, x_real, z_d, z_g, labels=None):
        """x_real, z_d and labels: lists, one for each update of D; z_g: that of G's only update, or such a list.

        Returns D's and G's loss as tensors.
        """
        self.burn(sum(map(len, x_real)))
        two_steps, same = self.gan.d_update == "two_steps", self.gan.noise == "same"
        of_pairs = isinstance(self.gan.objective, objectives.Relativistic)
        self.D.requires_grad_(True)
        for x, z, chosen in zip(x_real, z_d, labels or [None] * len(z_d), strict=True):
            with torch.set_grad_enabled(same and z is z_d[-1]):  # G's update goes back through this forward
                x_fake = self.images(z, chosen)
            seen, seen_fake = self.shown(x, "real", self.d_updates), self.shown(x_fake.detach(), "fake", self.d_updates)
            real = self.score(seen, chosen)
            if of_pairs:
                losses = [self.loss_of_pairs(real, self.score(seen_fake, chosen))]
            else:
                losses = [self.loss(real, 1)]
                if two_steps:
                    self.update(self.d_optimizer, losses[0])
                losses.append(self.loss(self.score(seen_fake, chosen), 0))
            losses += self.penalties(seen, seen_fake, chosen)
            self.update(self.d_optimizer, *losses[two_steps:])
            self.d_updates += 1
        self.D.requires_grad_(False)  # no gradient of D is wanted here
        for k, z in enumerate(z_g if isinstance(z_g, list) else [z_g]):
            x_fake = x_fake if same and k == 0 else self.images(z, chosen)
            seen = self.shown(x_fake, "G", self.g_updates)
            if of_pairs:
                real = self.score(self.shown(x, "G.real", self.g_updates), chosen)
                g_loss = self.loss_of_pairs(self.score(seen, chosen), real)
            else:
                g_loss = self.loss(self.score(seen, chosen), "generator")
            self.update(self.g_optimizer, g_loss)
            self.g_updates += 1
        for schedule in self.schedules:
            schedule.step()
        return sum(loss.detach() for loss in losses), g_loss.detach()
