"""A GAN: Algorithm 1 of Goodfellow et al. 2014, with the switches in which published GANs differ.

What it is made of, samples, `step`, and copies; updates.py has what a step computes.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .augment import DiffAugment
from .backend import Array, Backend
from .config import config_of
from .errors import OrderError, SettingsError, ShapeError, counted
from .gan_parts import (
    Losses,
    as_augment,
    as_objective,
    require_fit,
    require_fused,
    require_networks,
    require_optimizers,
    require_range,
    require_switches,
    require_whole_packs,
)
from .generator import checked_labels, classes_of, draw_noise, label_rows, with_labels
from .layers.arguments import require_picklable
from .network import Sequential
from .objectives import Objective
from .optimizers import Adam, Optimizer, WeightClipping
from .penalties import Penalty
from .schedules import BurnIn
from .updates import Updates

SWITCHES = ("noise", "d_update", "d_steps", "g_steps", "clip", "penalty", "fused", "schedule", "ema")
NEWER = {"augment": None, "pack": 1}  # switches that files of 0.1 do not know, and what its runs did
STATISTICS = 50, 32  # batches of noise, and their size, that renew running statistics: 0.9^50 of the old is left


class GAN(Updates):
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
    augment    DiffAugment, or its policy, such as "color,translation": random changes of all images that D sees
    pack       samples that D sees at once, joined along the last axis (PacGAN, Lin et al. 2018)
    fused      D's loss and its penalty, R1 or R1R2, in one pass through D: the same gradient for about half the
               multiplications, where D is piecewise linear (docs/r3gan.md)
    schedule   a function of the step, such as StepLR: a factor on the learning rates that the optimizers have now; or
               a BurnIn, which moves Adam's beta2, the penalty's weight and the average as well, by images seen
    ema        decay of a moving average of G's parameters, `average`, which `averaged()` puts into G: 0.999, say
    graph      on a GPU, launch a whole step at once (docs/backends.md); the numbers are the same
    seed       noise is a function of it and of the step

    `steps` counts the steps so far, `seen` their real images, `measures` names what a step measures. Raises
    SettingsError or ShapeError for parts that do not fit each other.
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
        augment: DiffAugment | str | None = None,
        pack: int = 1,
        fused: bool = False,
        schedule: Callable[[int], float] | BurnIn | None = None,
        ema: float | None = None,
        graph: bool = True,
        seed: int = 0,
    ) -> None:
        require_networks(G, D)
        objective = as_objective(objective, D)
        require_switches(noise, d_update, d_steps, g_steps, clip, penalty, schedule, ema)
        require_fit(G, D, objective, pack)
        g_optimizer = Adam(G, 2e-4, 0.5) if g_optimizer is None else g_optimizer
        d_optimizer = Adam(D, 2e-4, 0.5) if d_optimizer is None else d_optimizer
        require_optimizers(G, D, g_optimizer, d_optimizer)
        if objective.sees_both and d_update != "summed":
            raise SettingsError(f"{objective!r} sees both batches at once: it needs d_update='summed'")
        self.G, self.D, self.objective = G, D, objective
        self.classes = classes_of(G)
        if penalty is not None:
            penalty.require_fit(D, self.classes or 1)
        require_fused(fused, penalty)
        if isinstance(schedule, BurnIn):
            schedule.require_fit(penalty, g_optimizer, d_optimizer)
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer
        self.noise, self.d_update, self.d_steps, self.g_steps = noise, d_update, d_steps, g_steps
        self.clip, self.penalty, self.fused, self.schedule, self.ema = clip, penalty, bool(fused), schedule, ema
        self.augment, self.pack = as_augment(augment, G), pack
        self.learning_rates = g_optimizer.learning_rate, d_optimizer.learning_rate  # what a schedule begins with
        self.beta2s = tuple(getattr(optimizer, "beta2", None) for optimizer in (g_optimizer, d_optimizer))
        self.penalty_now, self.ema_now = penalty, ema
        self.average = None if ema is None else G.params.copy()
        self.graph, self.seed, self.steps, self.seen = graph, seed, 0, 0
        self._share()

    def _share(self) -> None:
        """The networks work in turns, and share their temporaries; a step has a runner of its own."""
        self.G.workspace.shared = self.D.workspace.shared
        self._run: Any = None
        self._captured: tuple[Any, ...] = ()
        self._record: Any = None  # of its run, for the next call of `train`; a copy begins a run of its own

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of what a step measures, in order: the columns of a run's history."""
        names = (name for name, measured in zip(Losses._fields, self._measured(), strict=True) if measured)
        return tuple(self.objective.score if name == "d_score" else name for name in names)

    # Noise and samples. ----------------------------------------------------------------------------------------------

    def sample(self, n: int, labels: Any = None, seed: int = 0) -> np.ndarray:
        """n images of G, with its averaged parameters if there is an average.    (n, h, w, c), NumPy, in [-1, 1] if G
        ends in a Tanh

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
        require_whole_packs(n // self.d_steps, self.pack)
        self.D.require_batch("x", x_real, self.G.output_shape)
        if self.steps == 0 or getattr(x_real, "dtype", None) != self.D.dtype:
            require_range(x_real, self.D)
        labels = checked_labels(labels, n, self.classes, "the GAN")
        arrays = (x_real,) if labels is None else (x_real, label_rows(self.G, labels))
        self.G.discard()  # what an interrupted step left behind
        self.D.discard()
        self._follow_schedule()
        if self.graph and self._can_be_captured(x_real):
            values = iter(self._runner()(self._updates, arrays, self._counters(), self._buffers))
        else:
            values = iter(self._updates(*arrays))
        self.seen += n
        return Losses(*(next(values) if measured else None for measured in self._measured()))

    def _follow_schedule(self) -> None:
        """Learning rates, and whatever else the schedule moves, as they are at this step."""
        optimizers, schedule = (self.g_optimizer, self.d_optimizer), self.schedule
        self.penalty_now, self.ema_now = self.penalty, self.ema
        if schedule is None:
            return
        factor = schedule.learning_rate_at(self.seen) if isinstance(schedule, BurnIn) else schedule(self.steps)
        for optimizer, rate in zip(optimizers, self.learning_rates, strict=True):
            optimizer.learning_rate = factor * rate
        if isinstance(schedule, BurnIn):
            self.penalty_now = schedule.penalty_at(self.seen, self.penalty)
            self.ema_now = schedule.ema_at(self.seen, self.ema)
            for optimizer, beta2 in zip(optimizers, self.beta2s, strict=True):
                schedule.move_beta2(self.seen, optimizer, beta2)

    def _runner(self) -> Any:
        """What runs the step; another one where a number has changed that a captured graph would repeat. The learning
        rates are none: they are read on the device.
        """
        optimizers = self.g_optimizer, self.d_optimizer
        numbers = self.penalty_now, self.ema_now, *(getattr(optimizer, "beta2", None) for optimizer in optimizers)
        if numbers != self._captured:
            self._run, self._captured = self.D.backend.step_runner(), numbers
        return self._run

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

    def _can_be_captured(self, x_real: Array) -> bool:
        """Nothing looks at numbers on the way, and one backend sees everything: what else is wrong, a step will say."""
        nets = self.G, self.D
        return (
            self.G.backend is self.D.backend
            and not any(net.check_finite or net.workspace.mode != "reuse" for net in nets)
            and isinstance(x_real, self.D.backend.xp.ndarray)
            and x_real.dtype == self.D.dtype
        )

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
            "beta2 of G and D": list(self.beta2s),
            **{name: config_of(getattr(self, name)) for name in SWITCHES},
            **self.newer_switches(),
        }

    def newer_switches(self) -> dict[str, Any]:
        """Of `config`, those that files of 0.1 do not have, where they are switched on."""
        return {name: config_of(getattr(self, name)) for name, off in NEWER.items() if getattr(self, name) != off}

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
        if callable(self.schedule):
            require_picklable(self.schedule, "the GAN's schedule")
        return {name: value for name, value in vars(self).items() if name not in ("_run", "_captured", "_record")}

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
    """Its configuration; numbers that may be changed on the way stand in the checkpoint by themselves."""
    return {name: value for name, value in config_of(optimizer).items() if name not in optimizer.moving}
