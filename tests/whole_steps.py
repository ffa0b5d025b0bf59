"""One whole step as the papers have it, to hold a GAN's step against; and small GANs to do that with.

What a step did is read off its optimizers: the parameters and the gradient that each update of D and of G was given.
What it should have done is written here once more, with nothing of gan.py, generator.py, objectives.py, losses.py or
penalties.py but the noise that was drawn. `minigan.gradcheck.check(gan)` asks less: are these the gradients of the
losses that the step itself reports? It cannot see a step that computes other losses than it should, and their
gradients.
"""

from dataclasses import dataclass

import numpy as np

from minigan import (
    BCE,
    GAN,
    Adam,
    BCEWithLogits,
    Generator,
    Hinge,
    LeastSquares,
    MeanSquaredError,
    NonSaturating,
    Relativistic,
    Saturating,
    Sequential,
    Wasserstein,
)
from minigan.gradcheck import NOTHING_TESTED, OK, WRONG, numeric_gradient
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LabelEmbedding,
    LeakyReLU,
    ReLU,
    Reshape,
    Residual,
    Sigmoid,
    SpectralNorm,
    Tanh,
    UpSamplingConv2D,
)
from minigan.packing import packed_shape
from minigan.penalties import R1R2, GradientPenalty

from .augment_formulas import changed, in_packs

RTOL, ATOL = 1e-6, 1e-9


def softplus(s):
    return np.logaddexp(0, s)


# What the papers minimise, for one score s of D: on a real image, on a generated one, and G.
FORMULAS = {
    NonSaturating: (lambda s: softplus(-s), softplus, lambda s: softplus(-s)),  # -ln D, -ln(1 - D), -ln D
    Saturating: (lambda s: softplus(-s), softplus, lambda s: -softplus(s)),
    LeastSquares: (lambda s: (s - 1) ** 2 / 2, lambda s: s**2 / 2, lambda s: (s - 1) ** 2 / 2),
    Hinge: (lambda s: np.maximum(0, 1 - s), lambda s: np.maximum(0, 1 + s), lambda s: -s),
    Wasserstein: (lambda s: -s, lambda s: s, lambda s: -s),
}

# f, where D minimises f(s - s') and G f(s' - s), for the score s of a real image and s' of a generated one.
OF_DIFFERENCES = {
    BCEWithLogits: lambda s: softplus(-s),
    MeanSquaredError: lambda s: (s - 1) ** 2,
    **{kind: real for kind, (real, _, _) in FORMULAS.items()},
}


def formula_for(made, formulas):
    """That of the first class it is made of that has one."""
    return next(formulas[kind] for kind in type(made).__mro__ if kind in formulas)


class Game:
    """The losses of a GAN's step, from its numbers alone."""

    def __init__(self, gan, x_real, labels):
        self.gan, self.n = gan, len(x_real) // gan.d_steps
        self.x_real = np.split(x_real, gan.d_steps)
        self.labels = [None] * gan.d_steps if labels is None else np.split(labels, gan.d_steps)
        self.of_pairs = isinstance(gan.objective, Relativistic)
        if self.of_pairs:
            self.f = formula_for(gan.objective.loss, OF_DIFFERENCES)
        else:
            self.real, self.fake, self.generator = formula_for(gan.objective, FORMULAS)
        target = getattr(gan.objective, "real_target", 1.0)
        if target < 1:
            self.real = lambda s: target * softplus(-s) + (1 - target) * softplus(s)
        self.forwards_a_round = 2 if gan.penalty is None else 3

    def images(self, stream, count, labels):
        """G's, of this noise and of these classes."""
        z = self.gan.draw_noise(self.n, stream, count)
        if labels is not None:
            z = np.hstack([z, np.eye(self.gan.classes)[labels]])
        return self.gan.G.forward(z, backward=False).copy()

    def scores(self, x, labels, forwards=0):
        """D without the last Sigmoid, in training mode: one number for an image, that of its class.

        `forwards` since the step began name the dropout masks.
        """
        D = self.gan.D
        D.forwards = forwards
        pred = D.forward(x, backward=False)
        s = np.log(pred / (1 - pred)) if isinstance(D.layers[-1], Sigmoid) else pred
        return s[:, 0].copy() if labels is None else s[np.arange(len(x)), labels]

    def shown(self, x, batch, count):
        """What D sees of a batch."""
        gan = self.gan
        x = x if gan.augment is None else changed(gan.augment, x, gan.draw_changes(len(x), batch, count))
        return in_packs(x, gan.pack)

    def real_scores(self, k):
        """In the k-th round of a step, as the others."""
        return self.scores(self.shown(self.x_real[k], "real", k), self.labels[k], k * self.forwards_a_round)

    def fake_scores(self, x_fake, k):
        return self.scores(self.shown(x_fake, "fake", k), self.labels[k], k * self.forwards_a_round + 1)

    def real_loss(self, k):
        return np.mean(self.real(self.real_scores(k)))

    def fake_loss(self, x_fake, k):
        return np.mean(self.fake(self.fake_scores(x_fake, k)))

    def d_loss(self, x_fake, k):
        """All that D minimises in one update."""
        if self.of_pairs:
            loss = np.mean(self.f(self.real_scores(k) - self.fake_scores(x_fake, k)))
        else:
            loss = self.real_loss(k) + self.fake_loss(x_fake, k)
        return loss if self.gan.penalty is None else loss + self.penalty(x_fake, k)

    def g_loss(self, k):
        """That of G's k-th update: its images have the classes of the last real ones."""
        gan, labels = self.gan, self.labels[-1]
        same = gan.noise == "same" and k == 0
        x_fake = self.images(*(("D", gan.d_steps - 1) if same else ("G", k)), labels)
        x_fake, before = self.shown(x_fake, "G", k), gan.d_steps * self.forwards_a_round
        if self.of_pairs:
            real = self.scores(self.shown(self.x_real[-1], "G.real", k), labels, before + 2 * k)
            return np.mean(self.f(self.scores(x_fake, labels, before + 2 * k + 1) - real))
        return np.mean(self.generator(self.scores(x_fake, labels, before + k)))

    def penalty(self, x_fake, k):
        """Of the slope of D, whose first derivative is taken from its backward."""
        D, penalty = self.gan.D, self.gan.penalty
        x, x_fake = self.shown(self.x_real[k], "real", k), self.shown(x_fake, "fake", k)
        if isinstance(penalty, GradientPenalty):
            share = self.gan.draw_share(len(x), k)
            x = share * x + (1 - share) * x_fake
        if isinstance(penalty, R1R2):
            x = np.concatenate([x, x_fake])
        D.forwards = k * self.forwards_a_round + 2
        pred, labels = D.forward(x), self.labels[k]
        if labels is not None:
            labels = np.resize(labels, len(x))
        that_counts = np.ones_like(pred) if labels is None else np.eye(self.gan.classes)[labels]
        slope = D.backward(that_counts, params=False).reshape(len(x), -1)
        length = np.linalg.norm(slope, axis=1)
        if isinstance(penalty, GradientPenalty):
            return penalty.weight * np.mean((length - 1) ** 2)
        if isinstance(penalty, R1R2):
            of_real, of_fake = np.split(length, 2)
            return penalty.gamma / 2 * (np.mean(of_real**2) + np.mean(of_fake**2))
        return penalty.gamma / 2 * np.mean(length**2)


def d_updates(game):
    """The loss of each update of D in the first step, as a function of nothing: D is to be moved, G stands still."""
    for k in range(game.gan.d_steps):
        x_fake = game.images("D", k, game.labels[k])
        if game.gan.d_update == "two_steps":
            yield lambda k=k: game.real_loss(k)
            yield lambda x_fake=x_fake, k=k: game.fake_loss(x_fake, k)
        else:
            yield lambda x_fake=x_fake, k=k: game.d_loss(x_fake, k)


def g_updates(game):
    """The same of G, which is to be moved while D stands still."""
    for k in range(game.gan.g_steps):
        yield lambda k=k: game.g_loss(k)


def what_a_step_did(gan, x_real, labels):
    """The parameters and the gradient at each update of D and of G, and D's parameters in the end."""
    done = []
    for optimizer in (gan.d_optimizer, gan.g_optimizer):
        updates, update = [], optimizer.update
        optimizer.update = lambda p, g, u=updates, update=update: (u.append((p.copy(), g.copy())), update(p, g))
        done.append(updates)
    gan.step(x_real, labels)
    return *done, gan.D.params.copy()


@dataclass
class Verdict:
    """On the gradient of one parameter: "D.5.Dense.W"."""

    name: str
    verdict: str


@dataclass
class StepReport:
    """True if every gradient of the step is OK."""

    rows: list[Verdict]
    complaints: list[str]

    def __bool__(self):
        return not self.complaints and all(row.verdict == OK for row in self.rows)


def some_entries(network, most):
    """Up to `most` entries of each slot, by chance."""
    order = network.backend.random.uniform(network.params.shape, network.seed, "entries of a step")
    return np.concatenate([slot.start + np.sort(np.argsort(slot.view(order).ravel())[:most]) for slot in network.slots])


def judge(network, yours, f, expect_zero, most):
    """For each slot OK, WRONG or NOTHING TESTED, from differences of f."""
    entries = some_entries(network, most)
    a, n = yours[entries], numeric_gradient(f, network.params, entries=entries)
    for slot in network.slots:
        here = (slot.start <= entries) & (entries < slot.stop)
        rms, expected = np.sqrt(np.mean(n[here] ** 2)), f"{network.name}.{slot.name}" in expect_zero
        allowed = ATOL + RTOL * np.maximum(np.maximum(abs(a), abs(n)), rms)
        zero, wrong = rms < 10 * ATOL, ~(abs(a - n) <= allowed)[here]
        yield WRONG if wrong.any() or (expected and not zero) else OK if zero == expected else NOTHING_TESTED


def classes_for(gan, n):
    """A class for each of n images, every one of them; None if the GAN has no classes."""
    return np.arange(n) * 2 % gan.classes if gan.classes else None


def check_step(gan, x_real, expect_zero=(), most=6):
    """The verdicts on the gradients of all updates of D and of G in the first step, by `most` entries of each array.

    The step is made.
    """
    G, D, labels = gan.G, gan.D, classes_for(gan, len(x_real))
    game, G_before = Game(gan, x_real, labels), G.params.copy()
    of_D, of_G, D_after = what_a_step_did(gan, x_real, labels)
    G.params[...] = G_before
    G.discard()
    rows, complaints = [], []
    for network, updates, losses in ((D, of_D, list(d_updates(game))), (G, of_G, list(g_updates(game)))):
        if len(updates) != len(losses):
            complaints.append(f"{network.name} was updated {len(updates)} times, not {len(losses)}")
        verdicts = []
        for (network.params[...], grads), loss in zip(updates, losses, strict=False):
            verdicts.append(list(judge(network, grads, loss, expect_zero, most)))
        for slot, found in zip(network.slots, zip(*verdicts, strict=True), strict=True):
            worst = max(found, key=(NOTHING_TESTED, OK, WRONG).index)
            rows.append(Verdict(f"{network.name}.{slot.name}", worst))
        D.params[...] = D_after
    return StepReport(rows, complaints)


def scoreless(gan):
    """The gradients that are truly 0: a bias that moves all scores of a critic moves its losses by as much."""
    if not isinstance(gan.objective, Wasserstein | Relativistic) or gan.d_update == "two_steps":
        return ()
    return (f"D.{gan.D.slots[-1].name}",)


def made_of(G_layers, D_layers, latent, image, objective, loss, seed, switches, classes=0):
    """A GAN of these layers in float64, its parameters moved so that no bias is 0; D ends as the loss wants it."""
    options = {"backend": "numpy", "dtype": "float64", "seed": seed, "workspace": switches.pop("workspace", "reuse")}
    G = Generator(G_layers, input_shape=latent + classes, classes=classes, name="G", **options)
    image = packed_shape(image, switches.get("pack", 1))
    D = Sequential([*D_layers, *([Sigmoid()] if loss is BCE else [])], input_shape=image, name="D", **options)
    for network in (G, D):
        network.params += 0.2 * network.backend.random.normal(network.params.shape, seed, network.name, dtype="float64")
    optimizers = {"g_optimizer": Adam(G, 1e-2, 0.5), "d_optimizer": Adam(D, 1e-2, 0.5)}
    return GAN(G, D, objective=objective(loss()), seed=seed, **optimizers, **switches)


def tiny_gan(objective=NonSaturating, loss=BCEWithLogits, seed=3, classes=0, critic=None, **switches):
    """As few numbers as a GAN with a BatchNorm can have: a check of one that is wrong takes thousands of steps.

    `critic` are other layers for D.
    """
    embedding = [LabelEmbedding(classes, 2)] if classes else []
    G = [*embedding, Dense(4), LeakyReLU(0.2), BatchNorm(), Dense(6), Tanh(), Reshape((3, 2, 1))]
    D = critic or [Flatten(), Dense(4), LeakyReLU(0.2), Dense(classes or 1)]
    return made_of(G, D, 3, (3, 2, 1), objective, loss, seed, switches, classes)


def conv_gan(objective=NonSaturating, loss=BCEWithLogits, seed=3, rate=0.25, classes=0, **switches):
    """A convolutional GAN: BatchNorm in both networks, Dropout in D. A penalised D has no BatchNorm."""
    norm = [] if switches.get("penalty") else [BatchNorm()]
    G = [
        Dense(18), LeakyReLU(0.2), Reshape((3, 2, 3)),
        Conv2DTranspose(3, 4, 2, 1, bias=False), BatchNorm(), ReLU(), Conv2D(2, 3, 1, "same"), Tanh(),
    ]  # fmt: skip
    D = [
        Conv2D(3, 3, 2, "same"), LeakyReLU(0.2), Dropout(rate),
        Conv2D(4, (3, 2), bias=not norm), *norm, LeakyReLU(0.2), Flatten(), Dense(classes or 1),
    ]  # fmt: skip
    return made_of(G, D, 3, (6, 4, 2), objective, loss, seed, switches, classes)


def residual_gan(objective=NonSaturating, loss=BCEWithLogits, seed=3, classes=0, **switches):
    """Residual blocks in both networks, with and without a shortcut, curved ones, and a chain inside a block. The
    vectors of SpectralNorm are held: its gradient supposes that.
    """
    G = [
        Dense(8), Reshape((2, 2, 2)), Residual(Conv2D(2, 3, 1, "same", bias=False), BatchNorm(), Tanh()),
        Residual(UpSamplingConv2D(2, 2), shortcut=UpSamplingConv2D(2, 1)), Tanh(),
    ]  # fmt: skip
    D = [
        Residual(Conv2D(2, 3, 1, "same"), Tanh(), Conv2D(3, 1), shortcut=Conv2D(3, 1)),
        Residual(
            SpectralNorm(Conv2D(2, 3, 2, 1), iterations=0), LeakyReLU(0.2),
            shortcut=Sequential([Conv2D(2, 1, 2), Tanh()]),
        ),
        Residual(LeakyReLU(0.2), Dropout(0.2), Conv2D(2, 1)), LeakyReLU(0.2), Flatten(), Dense(classes or 1),
    ]  # fmt: skip
    return made_of(G, D, 3, (4, 4, 2), objective, loss, seed, switches, classes)


def least_squares(loss):
    """As small_gan and conv_gan want it, which give every objective a loss; this one has its own."""
    return LeastSquares()


def hinge(loss):
    return Hinge()


def wasserstein(loss):
    return Wasserstein()
