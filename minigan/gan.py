"""One adversarial step: Algorithm 1 of Goodfellow et al. 2014, with the switches in which published GANs differ.

Everything here is a sequence of forwards and backwards of two networks; docs/gan_step.md derives it with the shapes.
"""

from typing import Any, NamedTuple

from .backend import Array
from .errors import SettingsError, ShapeError
from .layers import Sigmoid
from .losses import BCE, BCEWithLogits, Loss
from .network import Sequential
from .optimizers import Optimizer

NOISE = ("fresh", "same")
D_UPDATES = ("summed", "two_steps")


class Losses(NamedTuple):
    """What one step measured, as 0-d arrays: reading them makes a GPU wait, so read them only to log.

    Each is taken from the forward whose gradient was used, before the update that it led to. With several d_steps those
    of D are from the last. `d_loss` is d_loss_real + d_loss_fake; `d_accuracy` is the share of real and fake images
    that D classified correctly (0.5 is a coin toss); `g_loss` is what G's update minimised.
    """

    d_loss: Array
    d_loss_real: Array
    d_loss_fake: Array
    d_accuracy: Array
    g_loss: Array


class NonSaturating:
    """D: minimise loss(D(x), 1) + loss(D(G(z)), 0).    G: minimise loss(D(G(z)), 1).

    Goodfellow et al. 2014, end of section 3: the same fixed point as the minimax game, and strong gradients for G when
    D wins. `real_target` below 1 is one-sided label smoothing (Salimans et al. 2016, section 3.4).
    """

    def __init__(self, loss: Loss, real_target: float = 1.0) -> None:
        if not isinstance(loss, Loss):
            raise SettingsError(f"{type(self).__name__}: loss is {loss!r}; wanted one such as BCEWithLogits()")
        self.loss, self.real_target, self.decision = loss, float(real_target), loss.decision

    def real(self, pred: Array) -> tuple[Array, Array]:
        """D's loss on real images, and its gradient for D's predictions."""
        return self.loss(pred, self.real_target)

    def fake(self, pred: Array) -> tuple[Array, Array]:
        """D's loss on generated images, and its gradient."""
        return self.loss(pred, 0.0)

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G's loss, and its gradient for D's predictions: G wants its images called real."""
        return self.loss(pred, 1.0)


class Saturating(NonSaturating):
    """D: minimise loss(D(x), 1) + loss(D(G(z)), 0).    G: maximise loss(D(G(z)), 0).

    Goodfellow et al. 2014, equation 1, the minimax game itself. When D is sure that an image is fake the curve is flat
    and G learns next to nothing: compare the two.
    """

    def generator(self, pred: Array) -> tuple[Array, Array]:
        """G's loss is the negative of D's."""
        loss, dpred = self.loss(pred, 0.0)
        return -loss, -dpred


class GAN:
    """Two networks, two optimizers, and `step`.

    objective what the players minimise: `real(pred)`, `fake(pred)` and `generator(pred)` return (loss, dpred), and
              predictions above `decision` mean "real"; NonSaturating and Saturating are two
    noise     "fresh": G's update draws noise of its own; "same": it takes the noise of D's last fakes, whose forward of
              G is still valid and is not repeated
    d_update  "summed": one update of D on the gradient of its real plus its fake batch; "two_steps": an update on each
    d_steps   updates of D for one of G
    """

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        *,
        objective: Any,
        g_optimizer: Optimizer,
        d_optimizer: Optimizer,
        noise: str = "fresh",
        d_update: str = "summed",
        d_steps: int = 1,
        seed: int = 0,
    ) -> None:
        _one_of("noise", noise, NOISE)
        _one_of("d_update", d_update, D_UPDATES)
        if d_steps < 1:
            raise SettingsError(f"d_steps is {d_steps}; it must be at least 1")
        missing = [name for name in ("real", "fake", "generator", "decision") if not hasattr(objective, name)]
        if missing or isinstance(objective, type):
            raise SettingsError(f"objective is {objective!r}; wanted an object such as NonSaturating(BCEWithLogits())")
        _require_fit(G, D, getattr(objective, "loss", None))
        for name, optimizer, network in (("g_optimizer", g_optimizer, G), ("d_optimizer", d_optimizer, D)):
            if optimizer.network is not network:
                raise SettingsError(f"{name} was made for another network; each network needs an optimizer of its own")
        self.G, self.D, self.objective = G, D, objective
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.noise, self.d_update, self.d_steps = noise, d_update, d_steps
        self.seed, self.steps = seed, 0

    def draw_noise(self, n: int, stream: str, step: int) -> Array:
        """z ~ N(0, 1) of shape (n, *latent), a function of (seed, stream, step)."""
        return self.G.backend.normal((n, *self.G.input_shape), self.seed, f"noise.{stream}", step, self.G.dtype)

    def step(self, x_real: Array) -> Losses:
        """One step: d_steps updates of D, then one of G.    x_real: (d_steps n, *image), n for each update of D."""
        if len(x_real) % self.d_steps:
            raise ShapeError(f"step got {len(x_real)} real images, which {self.d_steps} updates of D cannot share")
        if self.steps == 0 or getattr(x_real, "dtype", None) != self.D.dtype:
            self._require_range(x_real)
        self.G.discard()  # what an interrupted step left behind
        self.D.discard()
        n = len(x_real) // self.d_steps
        for k in range(self.d_steps):
            x = x_real[k * n : (k + 1) * n]
            d_losses, x_fake = self._update_D(x, self.steps * self.d_steps + k, last=k == self.d_steps - 1)
        g_loss = self._update_G(x_fake)
        self.steps += 1
        return Losses(*d_losses, g_loss)

    def _require_range(self, x_real: Array) -> None:
        """Real images outside [-1, 1], where G's lie, would be told apart by their range alone."""
        is_array = isinstance(x_real, self.D.backend.xp.ndarray)  # anything else, D.forward will refuse
        if is_array and len(self.D.input_shape) == 3 and not abs(x_real).max() <= 1:
            raise ShapeError(
                f"the real images have values outside [-1, 1], where G's lie: for bytes, write "
                f"x.astype({self.D.dtype.name!r}) / 127.5 - 1"
            )

    def _update_D(self, x_real: Array, count: int, last: bool) -> tuple[tuple[Array, Array, Array, Array], Array]:
        """D: minimise  loss(D(x), 1) + loss(D(G(z)), 0).  Returns D's losses, and its fake images.

        `count` names the noise; `last` says that G's update comes next.
        """
        G, D = self.G, self.D

        pred = D.forward(x_real)
        hits = (pred > self.objective.decision).sum()
        loss_real, dpred = self.objective.real(pred)
        D.backward(dpred, inputs=False)  # at once: the next forward reuses D's buffers
        if self.d_update == "two_steps":
            self.d_optimizer.step()

        # G's batch statistics, but no gradient of G is wanted here; with the same noise, G's update goes back through
        # this very forward.
        x_fake = G.forward(self.draw_noise(len(x_real), "D", count), backward=last and self.noise == "same")
        pred = D.forward(x_fake)
        hits = hits + (pred <= self.objective.decision).sum()
        loss_fake, dpred = self.objective.fake(pred)
        D.backward(dpred, inputs=False, add=self.d_update == "summed")  # D.grads = real + fake
        self.d_optimizer.step()
        return (loss_real + loss_fake, loss_real, loss_fake, hits / (2 * pred.size)), x_fake

    def _update_G(self, x_fake: Array) -> Array:
        """G: minimise  loss(D(G(z)), 1)  through the D just updated, hence a new forward of D.  Returns G's loss."""
        G, D = self.G, self.D
        if self.noise == "fresh":
            x_fake = G.forward(self.draw_noise(len(x_fake), "G", self.steps))
        loss, dpred = self.objective.generator(D.forward(x_fake))
        dx_fake = D.backward(dpred, params=False)  # D is only the way to G
        G.backward(dx_fake, inputs=False)
        self.g_optimizer.step()
        return loss


def _require_fit(G: Sequential, D: Sequential, loss: Loss | None) -> None:
    """G's images are D's inputs, D's outputs the loss's predictions, and all arrays of one kind."""
    if G.output_shape != D.input_shape:
        raise ShapeError(f"G makes images of shape {G.output_shape} and D takes {D.input_shape}")
    last = D.layers[-1]
    if isinstance(loss, BCE | BCEWithLogits) and isinstance(loss, BCE) != isinstance(last, Sigmoid):
        raise SettingsError(f"D ends in {last!r}: BCE belongs behind a Sigmoid, BCEWithLogits behind a Dense")
    kinds = {(part.backend.name, getattr(part, "dtype", G.dtype)) for part in (G, D, loss) if part is not None}
    if len(kinds) > 1:
        raise SettingsError(f"G, D and the loss need one backend and one dtype; they have {sorted(map(str, kinds))}")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SettingsError(f"{name} is {value!r}; the choices are {', '.join(choices)}")
