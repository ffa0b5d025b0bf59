"""Train a GAN of dense layers on MNIST, every gradient written by hand.

    python examples/mnist_mlp_gan.py                    the whole run: 30,001 steps
    python examples/mnist_mlp_gan.py --quick            a short one, to see that it works
    python examples/mnist_mlp_gan.py --resume RUN       go on with a run that was stopped
    python examples/mnist_mlp_gan.py --loss bce         D ends in a Sigmoid, as in the original tutorial

Unlike Algorithm 1 of Goodfellow et al. 2014, which gan_by_hand.py writes out, the tutorial updates D twice: on real and
then on fake images (--d-update).

A run leaves a folder in runs/ with sample grids, their film, the loss curves, a checkpoint and the generator.
"""

import sys
from dataclasses import dataclass

from minigan import BCE, GAN, Adam, BCEWithLogits, NonSaturating, Saturating, Sequential, models
from minigan.cli import guarded
from minigan.gan_parts import D_UPDATES, NOISE
from minigan.image_runs import digit_images, run_command
from minigan.settings import RunSettings, option, parse_command

LOSSES = {"logits": BCEWithLogits, "bce": BCE}
OBJECTIVES = {"non-saturating": NonSaturating, "saturating": Saturating}


@dataclass(frozen=True)
class Settings(RunSettings):
    """The recipe of the tutorial that this system comes from."""

    steps: int = option(30_001, "steps to train in all", minimum=1)
    lr: float = option(2e-4, "learning rate of both Adams", minimum=0)
    beta1: float = option(0.5, "decay of Adam's mean: low, because the opponent keeps changing", minimum=0, below=1)
    latent: int = option(100, "numbers in z, the noise that becomes an image", minimum=1, below=100_000)
    loss: str = option("logits", "logits: BCEWithLogits; bce: Sigmoid and BCE, as in the original", choices=LOSSES)
    objective: str = option("non-saturating", "what G minimises", choices=OBJECTIVES)
    noise: str = option("fresh", "G's update draws fresh noise, or takes the same as D's", choices=NOISE)
    d_update: str = option(
        "two_steps", "summed: one update of D on real and fake images; two_steps: one on each", choices=D_UPDATES
    )


QUICK = {"steps": 600, "sample_every": 200, "log_every": 20, "checkpoint_every": 200}


def networks(settings: Settings, image_shape=(28, 28, 1), **options) -> tuple[Sequential, Sequential]:
    output = "probability" if settings.loss == "bce" else "logit"
    return models.mnist_mlp(image_shape, settings.latent, output=output, seed=settings.seed, **options)


def game(settings: Settings, G: Sequential, D: Sequential) -> GAN:
    adam = {"beta1": settings.beta1, "eps": 1e-7}  # eps: the default of Keras
    return GAN(
        G,
        D,
        objective=OBJECTIVES[settings.objective](LOSSES[settings.loss]()),
        g_optimizer=Adam(G, settings.lr, **adam),
        d_optimizer=Adam(D, settings.d_learning_rate, **adam),
        noise=settings.noise,
        d_update=settings.d_update,
        g_steps=settings.g_steps,
        augment=settings.augment,
        seed=settings.seed,
    )


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    settings, images = command.settings, digit_images(command)
    gan = game(settings, *networks(settings, images.shape, backend=settings.backend))
    run_command(gan, images, command, name="mnist_mlp_gan")


if __name__ == "__main__":
    sys.exit(guarded(main))
