"""One adversarial step: Algorithm 1 of Goodfellow et al. 2014, with the switches in which published GANs differ.

Everything here is a sequence of forwards and backwards of two networks; docs/gan_step.md derives it with the shapes.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .backend import Array, Backend
from .config import config_of
from .errors import OrderError, SettingsError, ShapeError, counted
from .gan_parts import (
    Losses,
    as_objective,
    numbers,
    require_fit,
    require_gradient,
    require_networks,
    require_optimizers,
    require_range,
    require_switches,
)
from .generator import checked_labels, classes_of, draw_noise, label_rows, with_labels, with_rows
from .layers.base import require_picklable
from .network import Sequential
from .objectives import Objective
from .optimizers import Adam, Optimizer, WeightClipping
from .penalties import Penalty

SWITCHES = ("noise", "d_update", "d_steps", "g_steps", "clip", "penalty", "schedule", "ema")
STATISTICS = 50, 32  # batches of noise, and their size, that renew running statistics: 0.9^50 of the old is left


class GAN:
    """Two networks, two optimizers, and `step`. `GAN(G, D)` has the settings of DCGAN (Radford et al. 2015).

    G          from noise to images: a Sequential, or a Generator that says how its noise is drawn and its classes
    D          from images to one number; or to one for each class, if G has classes: that of the image's label counts
               (a projection, Miyato and Koyama 2018, equation 3)
    objective  what the two minimise: an object such as Hinge(), or its name, such as "hinge"; by default
               NonSaturating, with cross-entropy for what D ends in
    g_optimizer, d_optimizer   one for each network; by default Adam(network, 2e-4, 0.5)
    noise      "fresh": G's update draws noise of its own; "same": it takes the noise of D's last fakes, whose forward
               of G is still valid and is not repeated
    d_update   "summed": one update of D on the gradient of its real plus its fake batch; "two_steps": one on each
    d_steps    updates of D in a step
    g_steps    updates of G in a step, each with noise of its own (but for the first, if the noise is the same)
    clip       WeightClipping: D's parameters are clamped after every update of D
    penalty    GradientPenalty, R1 or R1R2: a term of D's loss, in every update of D, that bounds its slope
    schedule   a function of the step, such as StepLR: a factor on the learning rates that the optimizers have now
    ema        decay of a moving average of G's parameters, `average`, which `averaged()` puts into G: 0.999, say
    graph      on a GPU, launch a whole step at once (docs/backends.md); the numbers are the same
    seed       noise is a function of it and of the step

    `steps` counts the steps so far, `measures` names what a step measures. Raises SettingsError or ShapeError for parts
    that do not fit each other.
    """

    def __init__(
        self,
        G: Sequential,
        D: Sequential,
        *,
        objective: Objective | str | None = None,
        g_optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        noise: str = "fresh",
        d_update: str = "summed",
        d_steps: int = 1,
        g_steps: int = 1,
        clip: WeightClipping | None = None,
        penalty: Penalty | None = None,
        schedule: Callable[[int], float] | None = None,
        ema: float | None = None,
        graph: bool = True,
        seed: int = 0,
    ) -> None:
        require_networks(G, D)
        objective = as_objective(objective, D)
        require_switches(noise, d_update, d_steps, g_steps, clip, penalty, schedule, ema)
        require_fit(G, D, objective)
        g_optimizer = Adam(G, 2e-4, 0.5) if g_optimizer is None else g_optimizer
        d_optimizer = Adam(D, 2e-4, 0.5) if d_optimizer is None else d_optimizer
        require_optimizers(G, D, g_optimizer, d_optimizer)
        if objective.sees_both and d_update != "summed":
            raise SettingsError(f"{objective!r} sees both batches at once: it needs d_update='summed'")
        self.G, self.D, self.objective = G, D, objective
        self.classes = classes_of(G)
        if penalty is not None:
            penalty.require_fit(D, self.classes or 1)
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.noise, self.d_update, self.d_steps, self.g_steps = noise, d_update, d_steps, g_steps
        self.clip, self.penalty, self.schedule, self.ema = clip, penalty, schedule, ema
        self.learning_rates = g_optimizer.learning_rate, d_optimizer.learning_rate  # what a schedule begins with
        self.average = None if ema is None else G.params.copy()
        self.graph, self.seed, self.steps = graph, seed, 0
        self._share()

    def _share(self) -> None:
        """The networks work in turns, and share their temporaries; a step has a runner of its own."""
        self.G.workspace.shared = self.D.workspace.shared
        self._run = self.D.backend.step_runner()
        self._record: Any = None  # of its run, for the next call of `train`; a copy begins a run of its own

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of what a step measures, in order: the columns of a run's history."""
        names = (name for name, measured in zip(Losses._fields, self._measured(), strict=True) if measured)
        return tuple(self.objective.score if name == "d_score" else name for name in names)

    # Noise and samples. ----------------------------------------------------------------------------------------------

    def draw_noise(self, n: int, stream: str, step: int) -> Array:
        """z, the noise for n images, a function of (seed, stream, step). Labels are no part of it."""
        return draw_noise(self.G, n, self.seed, f"noise.{stream}", step)

    def draw_share(self, n: int, count: int) -> Array:
        """e of shape (n, 1, ...), uniform in [0, 1), for the penalty: a function of (seed, count of D's updates)."""
        return self.D.backend.random.uniform(
            (n, *[1] * len(self.D.input_shape)), self.seed, "penalty", count, self.D.dtype
        )

    def sample(self, n: int, labels: Any = None, seed: int = 0) -> np.ndarray:
        """n images of G, with its averaged parameters if there is an average.    (n, h, w, c), NumPy, in [-1, 1]

        Which ones is a function of the seed: those of `minigan sample --seed`. labels: (n,) classes; for a G that has
        classes, by default 0, 1, 2, ... in turn.

        Raises ShapeError for labels that there are not, SettingsError for n < 1 or labels of a G without classes.
        """
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise SettingsError(f"sample: n is {n!r}; it must be a whole number, at least 1")
        return self.images(draw_noise(self.G, n, seed, "samples", 0), labels)

    def images(self, z: Array, labels: Any = None) -> np.ndarray:
        """What the averaged G makes of the noise z and these labels, as a NumPy array; see `sample`."""
        if labels is None and self.classes:
            labels = np.arange(len(z)) % self.classes
        z = with_labels(self.G, z, labels)
        with self.averaged():
            return self.G.backend.to_host(self.G.predict(z))

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
        batches, n = STATISTICS
        labels = np.arange(n) % self.classes if self.classes else None
        for batch in range(batches if self.G.state.size else 0):
            z = with_labels(self.G, self.draw_noise(n, "statistics", batch), labels)
            self.G.forward(z, backward=False)

    # The step. -------------------------------------------------------------------------------------------------------

    def step(self, x_real: Array, labels: Any = None) -> Losses:
        """One step: d_steps updates of D, then g_steps of G.    x_real: (d_steps n, *image), n for each update of D

        labels: (d_steps n,) classes of the images, where G has classes; G makes its images of the same ones.

        Raises ShapeError for images or labels of the wrong shape, dtype or range, SettingsError for labels that are
        missing, or of a GAN without classes.
        """
        n = len(x_real)
        if n % self.d_steps:
            raise ShapeError(f"step got {counted(n, 'real image')}, which {self.d_steps} updates of D cannot share")
        if self.steps == 0 or getattr(x_real, "dtype", None) != self.D.dtype:
            require_range(x_real, self.D)
        labels = checked_labels(labels, n, self.classes, "the GAN")
        arrays = (x_real,) if labels is None else (x_real, label_rows(self.G, labels))
        self.G.discard()  # what an interrupted step left behind
        self.D.discard()
        if self.schedule is not None:
            factor = self.schedule(self.steps)
            self.g_optimizer.learning_rate, self.d_optimizer.learning_rate = (factor * r for r in self.learning_rates)
        if self.graph and self._can_be_captured(x_real):
            values = iter(self._run(self._updates, arrays, self._counters(), self._buffers))
        else:
            values = iter(self._updates(*arrays))
        return Losses(*(next(values) if measured else None for measured in self._measured()))

    def _measured(self) -> list[bool]:
        """Which of the fields of Losses there are."""
        absent = {"d_loss_real", "d_loss_fake"} if self.objective.sees_both else set()
        absent |= {"d_penalty"} if self.penalty is None else set()
        return [name not in absent for name in Losses._fields]

    def _counters(self) -> list[tuple[Any, str]]:
        """The whole numbers that a step moves, and on which its random numbers depend."""
        contexts = self.G.context, self.D.context
        return [(thing, "forwards") for thing in contexts] + [
            (thing, "steps") for thing in (self.g_optimizer, self.d_optimizer, self)
        ]

    def _buffers(self) -> list[Array]:
        return self.G.workspace.arrays() + self.D.workspace.arrays()

    def _updates(self, x_real: Array, chosen: Array = None) -> list[Array]:
        """All updates of one step. Returns what they measured.    chosen: the labels' one-hot rows, or None"""
        n = len(x_real) // self.d_steps
        for k in range(self.d_steps):
            here = slice(k * n, (k + 1) * n)
            rows = None if chosen is None else chosen[here]
            count, last = self.steps * self.d_steps + k, k == self.d_steps - 1
            d_losses, x_fake = self._update_D(x_real[here], rows, count, last)
        for k in range(self.g_steps):
            g_loss = self._update_G(x_fake, x_real[here], rows, k)
        self.steps += 1
        return numbers(self.objective, [*d_losses, g_loss])

    def _can_be_captured(self, x_real: Array) -> bool:
        """Nothing looks at numbers on the way, and one backend sees everything: what else is wrong, a step will say."""
        nets = self.G, self.D
        return (
            self.G.backend is self.D.backend
            and not any(net.check_finite or net.workspace.mode != "reuse" for net in nets)
            and isinstance(x_real, self.D.backend.xp.ndarray)
            and x_real.dtype == self.D.dtype
        )

    # D: minimise  real(D(x)) + fake(D(G(z))) + penalty. ---------------------------------------------------------------

    def _update_D(self, x_real: Array, rows: Array, count: int, last: bool) -> tuple[list[Array], Array]:
        """One update of D. Returns its losses and score, and the fake images.

        `count` names the noise; `last` says that G's update comes next; `rows` are the labels' one-hot rows, or None.
        """
        z = with_rows(self.draw_noise(len(x_real), "D", count), rows)
        both = self._gradient_of_pairs if self.objective.sees_both else self._gradient_of_halves
        losses, score, x_fake = both(x_real, rows, z, last and self.noise == "same")
        halves = [] if self.objective.sees_both else losses  # columns of their own
        penalties: list[Array] = []
        if self.penalty is not None:
            x = self.penalty.images(x_real, x_fake, self.draw_share(len(x_real), count))
            penalties = [self.penalty(self.D, x, rows)]  # D.grads += its gradient
        self._move_D()
        return [sum([*losses, *penalties]), *halves, *penalties, score], x_fake

    def _gradient_of_halves(self, x_real: Array, rows: Array, z: Array, same: bool) -> tuple[list[Array], Array, Array]:
        """D.grads = those of real(D(x)) + fake(D(G(z))), a batch at a time. Returns both losses, the score, G(z)."""
        G, D, objective = self.G, self.D, self.objective

        pred = self._scores(x_real, rows)
        score = objective.score_real(pred)
        loss_real, dpred = objective.real(pred)
        D.backward(self._for_D(dpred, pred, rows), inputs=False)  # at once: the next forward reuses D's buffers
        if self.d_update == "two_steps":
            self._move_D()

        # G's batch statistics, but no gradient of G is wanted here; with the same noise, G's update goes back through
        # this very forward.
        x_fake = G.forward(z, backward=same)
        pred = self._scores(x_fake, rows)
        score = score + objective.score_fake(pred)
        loss_fake, dpred = objective.fake(pred)
        D.backward(self._for_D(dpred, pred, rows), inputs=False, add=self.d_update == "summed")  # real + fake
        return [loss_real, loss_fake], score, x_fake

    def _gradient_of_pairs(self, x_real: Array, rows: Array, z: Array, same: bool) -> tuple[list[Array], Array, Array]:
        """D.grads = those of discriminator(D(x), D(G(z))), which needs both predictions before it has a gradient.

        D keeps the activations of one batch, so that it goes through the real images once more, exactly as before:
        with the same masks of Dropout and the same vectors of SpectralNorm.
        """
        D, objective = self.D, self.objective
        before = D.state.copy(), D.forwards
        real = self._scores(x_real, rows, backward=False).copy()
        x_fake = self.G.forward(z, backward=same)
        fake = self._scores(x_fake, rows)
        score = objective.score_pairs(real, fake)
        loss, d_real, d_fake = objective.discriminator(real, fake)
        D.backward(self._for_D(d_fake, fake, rows), inputs=False)
        after = D.state.copy(), D.forwards

        D.state[...], D.forwards = before
        self._scores(x_real, rows)
        D.backward(self._for_D(d_real, real, rows), inputs=False, add=True)
        D.state[...], D.forwards = after
        return [loss], score, x_fake

    def _scores(self, x: Array, rows: Array, backward: bool = True) -> Array:
        """D's predictions, (n, 1) or as D makes them: of its numbers for each class that of the label."""
        pred = self.D.forward(x, backward=backward)
        return pred if rows is None else (pred * rows).sum(axis=1, keepdims=True)

    def _for_D(self, dpred: Array, pred: Array, rows: Array) -> Array:
        """The gradient for D's output: 0 for the classes that a label does not name."""
        require_gradient(self.objective, dpred, pred)
        return dpred if rows is None else dpred * rows

    def _move_D(self) -> None:
        """One step of D's optimizer, and back into the box if there is one."""
        self.d_optimizer.step()
        if self.clip is not None:
            self.clip(self.D)

    # G: minimise  generator(D(G(z))). --------------------------------------------------------------------------------

    def _update_G(self, x_fake: Array, x_real: Array, rows: Array, k: int) -> Array:
        """Update k of G in this step, through the D just updated, hence a new forward of D.  Returns G's loss."""
        G, D, objective = self.G, self.D, self.objective
        if self.noise == "fresh" or k > 0:
            z = self.draw_noise(len(x_fake), "G", self.steps * self.g_steps + k)
            x_fake = G.forward(with_rows(z, rows))
        if objective.sees_both:
            real = self._scores(x_real, rows, backward=False).copy()
            pred = self._scores(x_fake, rows)
            loss, dpred = objective.generator(pred, real)
        else:
            pred = self._scores(x_fake, rows)
            loss, dpred = objective.generator(pred)
        dx_fake = D.backward(self._for_D(dpred, pred, rows), params=False)  # D is only the way to G
        G.backward(dx_fake, inputs=False)
        self.g_optimizer.step()
        if self.ema is not None:
            self.average += (1 - self.ema) * (G.params - self.average)
        return loss

    # What it is, and copies. -----------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """All that makes an equal GAN, as JSON can hold it: a checkpoint knows by it whose it is."""
        return {
            "seed": self.seed,
            "G": self.G.describe(),
            "D": self.D.describe(),
            "objective": config_of(self.objective),
            "G's optimizer": _without_rate(self.g_optimizer),
            "D's optimizer": _without_rate(self.d_optimizer),
            "learning rates of G and D": list(self.learning_rates),
            **{name: config_of(getattr(self, name)) for name in SWITCHES},
        }

    def clone(self, dtype: Any = None, backend: str | Backend | None = None) -> "GAN":
        """A GAN at the same step with the same numbers, sharing no array with this one: what copy.deepcopy makes."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.G, other.D = self.G.clone(dtype, backend), self.D.clone(dtype, backend)
        other.g_optimizer, other.d_optimizer = self.g_optimizer.clone(other.G), self.d_optimizer.clone(other.D)
        if self.average is not None:
            other.average = other.G.backend.asarray(self.G.backend.to_host(self.average), other.G.dtype).copy()
        other._share()
        return other

    def __deepcopy__(self, memo: Any) -> "GAN":
        return self.clone()

    def __copy__(self) -> "GAN":
        raise OrderError(
            "copy.copy would share both networks with the original, and a step of one would train both: use "
            "gan.clone() or copy.deepcopy(gan)"
        )

    def __getstate__(self) -> dict[str, Any]:
        if self.schedule is not None:
            require_picklable(self.schedule, "the GAN's schedule")
        return {name: value for name, value in vars(self).items() if name not in ("_run", "_record")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._share()

    def require_finite(self) -> None:
        """Raises DivergedError, naming the array, unless all numbers of networks and optimizers are finite."""
        for part in (self.G, self.D, self.g_optimizer, self.d_optimizer):
            part.require_finite()

    def __repr__(self) -> str:
        G, D = self.G, self.D
        return (
            f"GAN of {G.name} ({G.params.size:,} parameters) and {D.name} ({D.params.size:,}): {self.objective!r}, "
            f"{type(self.g_optimizer).__name__} and {type(self.d_optimizer).__name__}, "
            f"{counted(self.steps, 'step')} so far"
        )


def _without_rate(optimizer: Optimizer) -> dict[str, Any]:
    """Its configuration; the learning rate, which may be changed on the way, stands in the checkpoint by itself."""
    return {name: value for name, value in config_of(optimizer).items() if name != "learning_rate"}
