"""The training loop: steps, history, samples, checkpoints, and going on after an interruption."""

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import pictures
from .checkpoint import load_checkpoint, save_checkpoint, save_model
from .data import ImageSet
from .errors import DivergedError, SettingsError, ShapeError
from .gan import GAN, Losses
from .progress import Progress, stop_requests
from .run_directory import RunDirectory
from .settings import Command


def train(gan: GAN, images: ImageSet, command: Command[Any], name: str) -> RunDirectory:
    """Run a GAN to `command.settings.steps` in a new run directory, or go on with the one to resume.

    Ctrl-C (or SIGTERM) finishes the step, saves, and raises KeyboardInterrupt. Raises DivergedError, naming the step
    and the layer, if a loss stops being finite; FileError if something cannot be saved: in both cases the last
    checkpoint stays as it was.
    """
    settings = command.settings
    if gan.seed != settings.seed:
        raise SettingsError(f"the GAN has seed {gan.seed} and the settings {settings.seed}; config.json must not lie")
    if gan.D.input_shape != images.shape:
        raise ShapeError(f"{images.name} has images of shape {images.shape}; the GAN makes {gan.D.input_shape}")
    gan.graph = command.graph
    _try_batch(gan, images, settings.batch_size)
    data = {"name": images.name, "images": len(images), "shape": images.shape, "fingerprint": images.fingerprint}
    if command.resume is None:
        run = RunDirectory.create(name, command, data)
    else:
        run = RunDirectory.reopen(name, command, data)
    trainer = Trainer(gan, images, run, settings)
    try:
        trainer.train(resumed=command.resume is not None)
    except KeyboardInterrupt:
        if trainer.last_saved is None:
            print("stopped before the first checkpoint: start a new run", flush=True)
        else:
            print(f"stopped; {run.checkpoint} holds step {trainer.last_saved:,}{how_to_resume(run.path)}", flush=True)
        raise
    finally:
        run.release()
    return run


def _try_batch(gan: GAN, images: ImageSet, batch_size: int) -> None:
    """Refuse a batch that the data or a layer cannot take, before anything is written. The networks are unchanged."""
    x_real = images.batch(batch_size * gan.d_steps, gan.seed, 0, gan.D.backend, gan.D.dtype)
    for net, x in ((gan.G, gan.draw_noise(batch_size, "D", 0)), (gan.D, x_real[:batch_size])):
        state, forwards = net.state.copy(), net.forwards
        net.forward(x, backward=False)
        net.state[...], net.forwards = state, forwards


class Trainer:
    """One run of one GAN. What it knows beyond the GAN is the losses since the last row, and the seconds so far."""

    def __init__(self, gan: GAN, images: ImageSet, run: RunDirectory, settings: Any) -> None:
        self.gan, self.images, self.run, self.settings = gan, images, run, settings
        self.columns = ("step", *gan.measures, "lr", "seconds")
        self.pending: list[Losses] = []  # since the last row of the history; still on the device
        self.seconds_before, self.started = 0.0, time.perf_counter()
        self.last_saved: int | None = None

    def train(self, resumed: bool) -> None:
        """From the checkpoint or from the start, to the last step, or until it is stopped."""
        gan, settings = self.gan, self.settings
        if resumed:
            self.restore()
            if gan.steps >= settings.steps:
                raise SettingsError(
                    f"--resume {self.run.path}: it has {gan.steps} steps already; ask for more with --steps"
                    f"{' or --epochs' if hasattr(settings, 'epochs') else ''}"
                )
            self.run.update_settings(settings)
        self.run.cut_history(gan.steps, settings.log_every, self.columns)
        if not resumed:
            self.sample()
            self.save()
        with np.errstate(all="ignore"), stop_requests() as stop, Progress(gan.steps, settings.steps) as progress:
            while gan.steps < settings.steps and not stop.requested:
                self.step()
                progress.advance()
                if gan.steps % settings.log_every == 0 or gan.steps == settings.steps < settings.log_every:
                    progress.show(self.log())
                if gan.steps % settings.sample_every == 0 or gan.steps == settings.steps:
                    self.sample()
                if gan.steps % settings.checkpoint_every == 0:
                    self.save()
        self.finish()
        if stop.requested:
            raise KeyboardInterrupt

    def step(self) -> None:
        """One step of the GAN on the images of this step."""
        gan, n = self.gan, self.settings.batch_size * self.gan.d_steps
        x_real = self.images.batch(n, gan.seed, gan.steps, gan.D.backend, gan.D.dtype)
        self.pending.append(gan.step(x_real))

    def log(self) -> dict[str, float]:
        """Write one row: the means of the losses since the last one. Returns it."""
        means = map(float, np.mean(self.read_losses(), axis=0))
        values = (self.gan.steps, *means, self.gan.g_optimizer.learning_rate, round(self.seconds(), 3))
        row: dict[str, float] = dict(zip(self.columns, values, strict=True))
        self.run.append_history(row)
        if self.gan.steps % self.settings.log_every == 0:  # a run too short for one whole row writes a partial one
            self.pending.clear()
        return row

    def read_losses(self) -> np.ndarray:
        """The losses since the last row, one step a line, after making sure that they are finite."""
        if not self.pending:
            return np.empty((0, len(self.gan.measures)))
        backend = self.gan.D.backend
        flat = backend.xp.stack(
            [value for losses in self.pending for value in losses.values()]
        )  # one transfer from a GPU
        values = backend.to_host(flat).astype(np.float64).reshape(-1, len(self.gan.measures))
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            self.explain_divergence(self.gan.steps - len(values) + int(np.argmin(finite)) + 1)
        return values

    def explain_divergence(self, step: int) -> None:
        """Go back to the last checkpoint and repeat the steps with every layer watched: the first bad one is named."""
        gan = self.gan
        self.restore()
        saved = gan.steps
        cause = "no layer's output or gradient was, only the loss"
        gan.G.check_finite = gan.D.check_finite = True
        try:
            while gan.steps < step:
                self.step()
                gan.G.require_finite()
                gan.D.require_finite()
        except DivergedError as error:
            cause = str(error)
        finally:
            gan.G.check_finite = gan.D.check_finite = False
        raise DivergedError(
            f"the numbers of step {step} are not finite: {cause}. {self.run.checkpoint} still holds step {saved}; try "
            f"a smaller learning rate in a new run"
        )

    def sample(self) -> None:
        """A grid of images from noise that is the same all through the run."""
        columns = self.settings.grid
        z = self.gan.draw_noise(columns * columns, "samples", 0)
        with self.gan.averaged():
            images = self.gan.G.backend.to_host(self.gan.G.predict(z))
        pictures.save_png(self.run.sample_path(self.gan.steps), pictures.grid(images, columns))

    def save(self) -> None:
        """The checkpoint and the generator, each complete or not at all."""
        extra = {"pending": self.read_losses(), "seconds": np.array(self.seconds())}
        try:
            self.gan.G.require_finite()
            self.gan.D.require_finite()
        except DivergedError:
            self.explain_divergence(self.gan.steps)
        save_checkpoint(self.run.checkpoint, self.gan, extra)
        with self.gan.averaged():
            save_model(self.run.generator, self.gan.G)
        self.last_saved = self.gan.steps

    def restore(self) -> None:
        """Back to the last checkpoint."""
        extra = load_checkpoint(self.run.checkpoint, self.gan)
        self.pending = [self.gan.losses._make(map(self.gan.D.backend.asarray, row)) for row in extra["pending"]]
        self.seconds_before, self.started = float(extra["seconds"]), time.perf_counter()
        self.last_saved = self.gan.steps

    def seconds(self) -> float:
        """Training time of the run so far, that before it was resumed included."""
        return self.seconds_before + time.perf_counter() - self.started

    def finish(self) -> None:
        """Save, and draw the film and the curves."""
        if self.last_saved != self.gan.steps:
            self.save()
        pictures.save_gif(self.run.evolution, self.run.sample_frames(self.gan.steps))
        pictures.save_curves(self.run.curves, self.run.read_history(), self.gan.objective.undecided())


def how_to_resume(run: Path) -> str:
    """The command that goes on with a run, where it was started by one (a notebook's is not)."""
    script = Path(sys.argv[0])
    return f"; to go on: python {shlex.quote(str(script))} --resume {shlex.quote(str(run))}" * (script.suffix == ".py")


def describe(run: RunDirectory, steps: int) -> str:
    """What a run that finished its steps left, and what to type next."""
    rows, last = run.read_history(), run.sample_path(steps)
    losses = ", ".join(f"{name} {rows[name][-1]:.3f}" for name in list(rows)[1:-2])
    return "\n".join(
        [
            f"done: {run.path}  ({losses})",
            f"  {last.relative_to(run.path)!s:<22} the last sample grid",
            f"  {run.evolution.name:<22} all of them, as a film",
            f"  {run.curves.name:<22} the curves of {run.history.name}",
            f"  {run.generator.name:<22} the generator, to sample from:",
            f"next: python -m minigan sample {run.generator} --count 30 --seed 7 --out grid.png",
        ]
    )
