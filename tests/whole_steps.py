"""One whole step as the papers have it, to hold a GAN's step against; and a convolutional GAN to do that with.

What a step did is read off its optimizers: the parameters and the gradient that each update of D was given, and G's
gradient. What it should have done is written here once more, with nothing of gan.py, objectives.py, losses.py or
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
    Hinge,
    LeastSquares,
    NonSaturating,
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
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
)
from minigan.penalties import GradientPenalty

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


class Game:
    """The losses of a GAN's step, from its numbers alone."""

    def __init__(self, gan):
        self.gan = gan
        kind = next(kind for kind in type(gan.objective).__mro__ if kind in FORMULAS)
        self.real, self.fake, self.generator = FORMULAS[kind]
        target = getattr(gan.objective, "real_target", 1.0)
        if target < 1:
            self.real = lambda s: target * softplus(-s) + (1 - target) * softplus(s)
        self.forwards_a_round = 2 if gan.penalty is None else 3

    def scores(self, x, forwards=0):
        """D without the last Sigmoid, in training mode; `forwards` since the step began name the dropout masks."""
        D = self.gan.D
        D.forwards = forwards
        pred = D.forward(x, backward=False)
        return np.log(pred / (1 - pred)) if isinstance(D.layers[-1], Sigmoid) else pred

    def real_loss(self, x_real, k=0):
        """In the k-th round of a step, as the others."""
        return np.mean(self.real(self.scores(x_real, k * self.forwards_a_round)))

    def fake_loss(self, x_fake, k=0):
        return np.mean(self.fake(self.scores(x_fake, k * self.forwards_a_round + 1)))

    def g_loss(self, z):
        x_fake = self.gan.G.forward(z, backward=False)
        return np.mean(self.generator(self.scores(x_fake, self.gan.d_steps * self.forwards_a_round)))

    def penalty(self, x_real, x_fake, k=0):
        """Of the slope of D, whose first derivative is taken from its backward."""
        D, penalty = self.gan.D, self.gan.penalty
        x = x_real
        if isinstance(penalty, GradientPenalty):
            share = self.gan.draw_share(len(x_real), k)
            x = share * x_real + (1 - share) * x_fake
        D.forwards = k * self.forwards_a_round + 2
        slope = D.backward(np.ones_like(D.forward(x)), params=False).reshape(len(x), -1)
        length = np.linalg.norm(slope, axis=1)
        if isinstance(penalty, GradientPenalty):
            return penalty.weight * np.mean((length - 1) ** 2)
        return penalty.gamma / 2 * np.mean(length**2)


def d_updates(gan, x_real):
    """The loss of each update of D in the first step, as a function of nothing: D is to be moved, G stands still."""
    game, n = Game(gan), len(x_real) // gan.d_steps
    for k in range(gan.d_steps):
        x = x_real[k * n : (k + 1) * n]
        x_fake = gan.G.forward(gan.draw_noise(n, "D", k), backward=False).copy()
        if gan.d_update == "two_steps":
            yield lambda x=x, k=k: game.real_loss(x, k)
            yield lambda x_fake=x_fake, k=k: game.fake_loss(x_fake, k)
        elif gan.penalty is None:
            yield lambda x=x, x_fake=x_fake, k=k: game.real_loss(x, k) + game.fake_loss(x_fake, k)
        else:
            yield (
                lambda x=x, x_fake=x_fake, k=k: (
                    game.real_loss(x, k) + game.fake_loss(x_fake, k) + game.penalty(x, x_fake, k)
                )
            )


def what_a_step_did(gan, x_real):
    """D's parameters and gradient at each of its updates, D's parameters in the end, and G's gradient."""
    updates, update = [], gan.d_optimizer.update
    gan.d_optimizer.update = lambda p, g: (updates.append((p.copy(), g.copy())), update(p, g))
    gan.step(x_real)
    return updates, gan.D.params.copy(), gan.G.grads.copy()


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
    order = network.backend.uniform(network.params.shape, network.seed, "entries of a step")
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


def check_step(gan, x_real, expect_zero=(), most=6):
    """The verdicts on D's gradient in all its updates of the first step, and on G's, by `most` entries of each array.

    The step is made.
    """
    G, D = gan.G, gan.D
    G_before = G.params.copy()
    updates, D_after, G_grads = what_a_step_did(gan, x_real)
    G.params[...] = G_before
    G.discard()
    losses, verdicts = list(d_updates(gan, x_real)), []
    complaints = [] if len(updates) == len(losses) else [f"D was updated {len(updates)} times, not {len(losses)}"]
    for (D.params[...], grads), loss in zip(updates, losses, strict=False):
        verdicts.append(list(judge(D, grads, loss, expect_zero, most)))
    rows = [
        Verdict(f"D.{slot.name}", max(found, key=(NOTHING_TESTED, OK, WRONG).index))
        for slot, found in zip(D.slots, zip(*verdicts, strict=True), strict=True)
    ]
    D.params[...] = D_after
    z = gan.draw_noise(len(x_real) // gan.d_steps, *(("D", gan.d_steps - 1) if gan.noise == "same" else ("G", 0)))
    for slot, verdict in zip(G.slots, judge(G, G_grads, lambda: Game(gan).g_loss(z), expect_zero, most), strict=True):
        rows.append(Verdict(f"G.{slot.name}", verdict))
    return StepReport(rows, complaints)


def scoreless(gan):
    """The gradients that are truly 0: a bias that moves all scores of a critic moves its losses by as much."""
    if not isinstance(gan.objective, Wasserstein) or gan.d_update == "two_steps":
        return ()
    return (f"D.{gan.D.slots[-1].name}",)


def made_of(G_layers, D_layers, latent, image, objective, loss, seed, switches):
    """A GAN of these layers in float64, its parameters moved so that no bias is 0; D ends as the loss wants it."""
    options = {"backend": "numpy", "dtype": "float64", "seed": seed}
    G = Sequential(G_layers, input_shape=latent, name="G", **options)
    D = Sequential([*D_layers, *([Sigmoid()] if loss is BCE else [])], input_shape=image, name="D", **options)
    for network in (G, D):
        network.params += 0.2 * network.backend.normal(network.params.shape, seed, network.name, dtype="float64")
    optimizers = {"g_optimizer": Adam(G, 1e-2, 0.5), "d_optimizer": Adam(D, 1e-2, 0.5)}
    return GAN(G, D, objective=objective(loss()), seed=seed, **optimizers, **switches)


def tiny_gan(objective=NonSaturating, loss=BCEWithLogits, seed=3, **switches):
    """As few numbers as a GAN with a BatchNorm can have: a check of one that is wrong takes thousands of steps."""
    G = [Dense(4), LeakyReLU(0.2), BatchNorm(), Dense(6), Tanh(), Reshape((3, 2, 1))]
    D = [Flatten(), Dense(4), LeakyReLU(0.2), Dense(1)]
    return made_of(G, D, 3, (3, 2, 1), objective, loss, seed, switches)


def conv_gan(objective=NonSaturating, loss=BCEWithLogits, seed=3, rate=0.25, **switches):
    """A convolutional GAN: BatchNorm in both networks, Dropout in D. A penalised D has no BatchNorm."""
    norm = [] if switches.get("penalty") else [BatchNorm()]
    G = [
        Dense(18), LeakyReLU(0.2), Reshape((3, 2, 3)),
        Conv2DTranspose(3, 4, 2, 1, bias=False), BatchNorm(), ReLU(), Conv2D(2, 3, 1, "same"), Tanh(),
    ]  # fmt: skip
    D = [
        Conv2D(3, 3, 2, "same"), LeakyReLU(0.2), Dropout(rate),
        Conv2D(4, (3, 2), bias=not norm), *norm, LeakyReLU(0.2), Flatten(), Dense(1),
    ]  # fmt: skip
    return made_of(G, D, 3, (6, 4, 2), objective, loss, seed, switches)


def least_squares(loss):
    """As small_gan and conv_gan want it, which give every objective a loss; this one has its own."""
    return LeastSquares()


def hinge(loss):
    return Hinge()


def wasserstein(loss):
    return Wasserstein()
