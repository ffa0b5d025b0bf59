"""One adversarial step: Algorithm 1 of Goodfellow et al. 2014, with the switches in which published GANs differ.

Everything here is a sequence of forwards and backwards of two networks; docs/gan_step.md derives it with the shapes.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .backend import Array
from .errors import SettingsError, ShapeError
from .layers import Sigmoid
from .losses import BCE, BCEWithLogits
from .network import Sequential
from .objectives import Hinge, LeastSquares, Objective, Wasserstein
from .optimizers import Optimizer, WeightClipping
from .penalties import Penalty

NOISE = ("fresh", "same")
D_UPDATES = ("summed", "two_steps")
STATISTICS = 50, 32  # batches of noise, and their size, that renew running statistics: 0.9^50 of the old is left


class Losses(NamedTuple):
    """What one step measured, as 0-d arrays: reading them makes a GPU wait, so read them only to log.

    Each is taken from the forward whose gradient was used, before the update that it led to. With several d_steps those
    of D are from the last. `d_loss` is d_loss_real + d_loss_fake; `d_score` is what the objective's `score` names: D's
    accuracy (0.5 is a coin toss), or a critic's estimate of the Wasserstein distance; `g_loss` is what G's update
    minimised.
    """

    d_loss: Array
    d_loss_real: Array
    d_loss_fake: Array
    d_score: Array
    g_loss: Array


class LossesWithPenalty(NamedTuple):
    """`Losses` of a GAN with a penalty on D's slope: d_loss is d_loss_real + d_loss_fake + d_penalty."""

    d_loss: Array
    d_loss_real: Array
    d_loss_fake: Array
    d_penalty: Array
    d_score: Array
    g_loss: Array


class GAN:
    """Two networks, two optimizers, and `step`.

    objective what the players minimise, such as NonSaturating(BCEWithLogits()) or Hinge()
    noise     "fresh": G's update draws noise of its own; "same": it takes the noise of D's last fakes, whose forward of
              G is still valid and is not repeated
    d_update  "summed": one update of D on the gradient of its real plus its fake batch; "two_steps": an update on each
    d_steps   updates of D for one of G
    clip      WeightClipping: D's parameters are clamped after every update of D
    penalty   GradientPenalty or R1: a term of D's loss, in every update of D, that bounds its slope
    schedule  a function of the step, such as StepLR: a factor on the learning rates that the optimizers have now
    ema       decay of a moving average of G's parameters, `average`, which `averaged()` puts into G: 0.999, say
    graph     on a GPU, launch a whole step at once (docs/backends.md); the numbers are the same
    """

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        *,
        objective: Objective,
        g_optimizer: Optimizer,
        d_optimizer: Optimizer,
        noise: str = "fresh",
        d_update: str = "summed",
        d_steps: int = 1,
        clip: WeightClipping | None = None,
        penalty: Penalty | None = None,
        schedule: Callable[[int], float] | None = None,
        ema: float | None = None,
        graph: bool = True,
        seed: int = 0,
    ) -> None:
        _require_switches(noise, d_update, d_steps, clip, penalty, schedule, ema)
        _require_fit(G, D, objective)
        for name, optimizer, network in (("g_optimizer", g_optimizer, G), ("d_optimizer", d_optimizer, D)):
            if optimizer.network is not network:
                raise SettingsError(f"{name} was made for another network; each network needs an optimizer of its own")
        if penalty is not None:
            penalty.require_fit(D)
        self.G, self.D, self.objective = G, D, objective
        G.workspace.shared = D.workspace.shared  # they work in turns
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.noise, self.d_update, self.d_steps = noise, d_update, d_steps
        self.clip, self.penalty, self.schedule, self.ema = clip, penalty, schedule, ema
        self.learning_rates = g_optimizer.learning_rate, d_optimizer.learning_rate  # what a schedule begins with
        self.average = None if ema is None else G.params.copy()
        self.graph, self.seed, self.steps = graph, seed, 0
        counters = [(G, "forwards"), (D, "forwards"), (g_optimizer, "steps"), (d_optimizer, "steps"), (self, "steps")]
        self._captured = D.backend.capture(self._updates, counters, lambda: G.workspace.arrays() + D.workspace.arrays())
        # What a step measures, in order: the columns of a run's history.
        self.losses: type[Losses | LossesWithPenalty] = Losses if penalty is None else LossesWithPenalty
        self.measures = tuple(objective.score if name == "d_score" else name for name in self.losses._fields)

    def draw_noise(self, n: int, stream: str, step: int) -> Array:
        """z of shape (n, *latent), a function of (seed, stream, step)."""
        return draw_noise(self.G, n, self.seed, f"noise.{stream}", step)

    def draw_share(self, n: int, count: int) -> Array:
        """e of shape (n, 1, ...), uniform in [0, 1), for the penalty: a function of (seed, count of D's updates)."""
        return self.D.backend.uniform((n, *[1] * len(self.D.input_shape)), self.seed, "penalty", count, self.D.dtype)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it G has its averaged parameters, to sample with and to save, and their running statistics; after it
        those in training, even if an error was raised. Without `ema` nothing changes.
        """
        G = self.G
        trained, forwards = (G.params.copy(), G.state.copy()), G.forwards
        try:
            if self.average is not None:
                G.params[...] = self.average
                self._renew_statistics()
            yield
        finally:
            (G.params[...], G.state[...]), G.forwards = trained, forwards

    def _renew_statistics(self) -> None:
        """BatchNorm's running statistics, of what G computes now. Those in training do not fit the averaged parameters,
        whose layers make smaller numbers: noise is averaged out of them. Izmailov et al. 2018, section 3.2.
        """
        self.G.discard()
        for batch in range(STATISTICS[0] if self.G.state.size else 0):
            self.G.forward(self.draw_noise(STATISTICS[1], "statistics", batch), backward=False)

    def step(self, x_real: Array) -> Losses | LossesWithPenalty:
        """One step: d_steps updates of D, then one of G.    x_real: (d_steps n, *image), n for each update of D."""
        if len(x_real) % self.d_steps:
            raise ShapeError(f"step got {len(x_real)} real images, which {self.d_steps} updates of D cannot share")
        if self.steps == 0 or getattr(x_real, "dtype", None) != self.D.dtype:
            self._require_range(x_real)
        self.G.discard()  # what an interrupted step left behind
        self.D.discard()
        if self.schedule is not None:
            factor = self.schedule(self.steps)
            self.g_optimizer.learning_rate, self.d_optimizer.learning_rate = (factor * r for r in self.learning_rates)
        updates = self._captured if self.graph and self._can_be_captured(x_real) else self._updates
        return self.losses._make(updates(x_real))

    def _updates(self, x_real: Array) -> list[Array]:
        """All updates of one step. Returns what they measured."""
        n = len(x_real) // self.d_steps
        for k in range(self.d_steps):
            x = x_real[k * n : (k + 1) * n]
            d_losses, x_fake = self._update_D(x, self.steps * self.d_steps + k, last=k == self.d_steps - 1)
        g_loss = self._update_G(x_fake)
        self.steps += 1
        return [*d_losses, g_loss]

    def _can_be_captured(self, x_real: Array) -> bool:
        """Nothing looks at numbers on the way, and one backend sees everything: what else is wrong, a step will say."""
        nets = self.G, self.D
        return (
            self.G.backend is self.D.backend
            and not any(net.check_finite or net.workspace.mode != "reuse" for net in nets)
            and isinstance(x_real, self.D.backend.xp.ndarray)
            and x_real.dtype == self.D.dtype
        )

    def _require_range(self, x_real: Array) -> None:
        """Real images outside [-1, 1], where G's lie, would be told apart by their range alone."""
        is_array = isinstance(x_real, self.D.backend.xp.ndarray)  # anything else, D.forward will refuse
        if is_array and len(self.D.input_shape) == 3 and not abs(x_real).max() <= 1:
            raise ShapeError(
                f"the real images have values outside [-1, 1], where G's lie: for bytes, write "
                f"x.astype({self.D.dtype.name!r}) / 127.5 - 1"
            )

    def _update_D(self, x_real: Array, count: int, last: bool) -> tuple[list[Array], Array]:
        """D: minimise  real(D(x)) + fake(D(G(z))) + penalty.  Returns D's losses and score, and its fake images.

        `count` names the noise; `last` says that G's update comes next.
        """
        G, D = self.G, self.D

        pred = D.forward(x_real)
        score = self.objective.score_real(pred)
        loss_real, dpred = self.objective.real(pred)
        D.backward(dpred, inputs=False)  # at once: the next forward reuses D's buffers
        if self.d_update == "two_steps":
            self._move_D()

        # G's batch statistics, but no gradient of G is wanted here; with the same noise, G's update goes back through
        # this very forward.
        x_fake = G.forward(self.draw_noise(len(x_real), "D", count), backward=last and self.noise == "same")
        pred = D.forward(x_fake)
        score = score + self.objective.score_fake(pred)
        loss_fake, dpred = self.objective.fake(pred)
        D.backward(dpred, inputs=False, add=self.d_update == "summed")  # D.grads = real + fake
        losses = [loss_real, loss_fake]
        if self.penalty is not None:
            x = self.penalty.images(x_real, x_fake, self.draw_share(len(x_real), count))
            losses.append(self.penalty(D, x))  # D.grads += its gradient
        self._move_D()
        return [sum(losses), *losses, score], x_fake

    def _move_D(self) -> None:
        """One step of D's optimizer, and back into the box if there is one."""
        self.d_optimizer.step()
        if self.clip is not None:
            self.clip(self.D)

    def _update_G(self, x_fake: Array) -> Array:
        """G: minimise  generator(D(G(z)))  through the D just updated, hence a new forward of D.  Returns G's loss."""
        G, D = self.G, self.D
        if self.noise == "fresh":
            x_fake = G.forward(self.draw_noise(len(x_fake), "G", self.steps))
        loss, dpred = self.objective.generator(D.forward(x_fake))
        dx_fake = D.backward(dpred, params=False)  # D is only the way to G
        G.backward(dx_fake, inputs=False)
        self.g_optimizer.step()
        if self.ema is not None:
            self.average += (1 - self.ema) * (G.params - self.average)
        return loss


def draw_noise(G: Sequential, n: int, seed: int, stream: str, step: int) -> Array:
    """z of shape (n, *G.input_shape), a function of (seed, stream, step): N(0, 1), or uniform on [-1, 1) if G's
    `latent` is "uniform".
    """
    shape = (n, *G.input_shape)
    if G.latent == "uniform":
        return 2 * G.backend.uniform(shape, seed, stream, step, G.dtype) - 1
    return G.backend.normal(shape, seed, stream, step, G.dtype)


def _require_fit(G: Sequential, D: Sequential, objective: Objective) -> None:
    """G's images are D's inputs, D's outputs the objective's predictions, and all arrays of one kind."""
    if not isinstance(objective, Objective):
        raise SettingsError(f"objective is {objective!r}; wanted an object such as NonSaturating(BCEWithLogits())")
    if G.output_shape != D.input_shape:
        raise ShapeError(f"G makes images of shape {G.output_shape} and D takes {D.input_shape}")
    last, loss = D.layers[-1], getattr(objective, "loss", None)
    if isinstance(loss, BCE | BCEWithLogits) and isinstance(loss, BCE) != isinstance(last, Sigmoid):
        raise SettingsError(f"D ends in {last!r}: BCE belongs behind a Sigmoid, BCEWithLogits behind a Dense")
    if isinstance(objective, LeastSquares | Hinge | Wasserstein) and isinstance(last, Sigmoid):
        raise SettingsError(f"D ends in {last!r}: {type(objective).__name__} takes scores of any size; leave it out")
    kinds = {(part.backend.name, getattr(part, "dtype", G.dtype)) for part in (G, D, objective)}
    if len(kinds) > 1:
        raise SettingsError(
            f"G, D and the objective need one backend and one dtype; they have {sorted(map(str, kinds))}"
        )


def _require_switches(
    noise: str, d_update: str, d_steps: int, clip: Any, penalty: Any, schedule: Any, ema: float | None
) -> None:
    for name, value, choices in (("noise", noise, NOISE), ("d_update", d_update, D_UPDATES)):
        if value not in choices:
            raise SettingsError(f"{name} is {value!r}; the choices are {', '.join(choices)}")
    if d_steps < 1:
        raise SettingsError(f"d_steps is {d_steps}; it must be at least 1")
    if not isinstance(clip, WeightClipping | None):
        raise SettingsError(f"clip is {clip!r}; wanted an object such as WeightClipping(0.01)")
    if not isinstance(penalty, Penalty | None):
        raise SettingsError(f"penalty is {penalty!r}; wanted an object such as GradientPenalty(10.0) or R1(10.0)")
    if penalty is not None and d_update != "summed":
        raise SettingsError(f"penalty={penalty!r} is a term of one loss of D: it needs d_update='summed'")
    if schedule is not None and not callable(schedule):
        raise SettingsError(f"schedule is {schedule!r}; wanted a function of the step such as StepLR(1000, 0.5)")
    if ema is not None and not 0 <= ema < 1:
        raise SettingsError(f"ema is {ema}; it must be at least 0 and less than 1")
