"""Train a Wasserstein GAN with gradient penalty on MNIST: second derivatives, written by hand.

    python examples/mnist_wgan_gp.py                       the paper's numbers: about half an hour on one core
    python examples/mnist_wgan_gp.py --width 16 --lr 1e-3 --ema 0.99 --steps 1500      small: docs/wgan_gp.md
    python examples/mnist_wgan_gp.py --quick               a short run, to see that it works
    python examples/mnist_wgan_gp.py --data FASHION        IDX files, or a .npy or .npz file
    python examples/mnist_wgan_gp.py --resume RUN          go on with a run that was stopped

The critic has no BatchNorm: the penalty is about the slope of every single image's score. Watch w_estimate in
history.csv: high once the critic has learnt its trade, it falls as the digits get better. docs/wgan_gp.md derives the
second derivatives that this takes.
"""

import sys
from dataclasses import dataclass

from minigan import GAN, Adam, GradientPenalty, Sequential, Wasserstein, models
from minigan.cli import guarded
from minigan.image_runs import CutSettings, digit_images, train_on_images
from minigan.initializers import he_normal
from minigan.layers import Conv2D, Dense, Flatten, LeakyReLU
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(CutSettings):
    """Algorithm 1 of Gulrajani et al. 2017, with their numbers. The networks are ours."""

    steps: int = option(5_000, "steps to train in all", minimum=1)
    width: int = option(32, "channels of the widest images", minimum=1, below=10_000)
    lr: float = option(1e-4, "learning rate of both Adams", minimum=0)
    beta1: float = option(0.0, "decay of Adam's mean: no momentum against a moving opponent", minimum=0, below=1)
    beta2: float = option(0.9, "decay of Adam's mean square", minimum=0, below=1)
    d_steps: int = option(5, "updates of the critic for one of G", minimum=1, below=1_000)
    penalty: float = option(10.0, "weight of mean((|slope| - 1)^2) in the critic's loss", minimum=1e-9)
    log_every: int = option(50, "steps between rows of history.csv", minimum=1)
    sample_every: int = option(500, "steps between sample grids", minimum=1)
    checkpoint_every: int = option(500, "steps between checkpoints", minimum=1)


QUICK = {"steps": 60, "width": 8, "sample_every": 30, "log_every": 10}


def networks(settings: Settings, image_shape=(28, 28, 1), **options) -> tuple[Sequential, Sequential]:
    width, options = settings.width, {"seed": settings.seed} | options
    G, _ = models.mnist_dcgan(image_shape, settings.latent, width, **options)
    D = Sequential(
        [  # 28 x 28 x 1
            Conv2D(width, 4, 2, 1, W_init=he_normal), LeakyReLU(0.2),  # 14 x 14 x 32
            Conv2D(2 * width, 4, 2, 1, W_init=he_normal), LeakyReLU(0.2),  # 7 x 7 x 64
            Flatten(), Dense(1),  # 3,136, then 1
        ],
        input_shape=image_shape, name="D", **options,
    )  # fmt: skip
    return G, D


def game(settings: Settings, G: Sequential, D: Sequential, epoch: int) -> GAN:
    adam = {"beta1": settings.beta1, "beta2": settings.beta2}
    return GAN(
        G,
        D,
        objective=Wasserstein(),
        g_optimizer=Adam(G, settings.lr, **adam),
        d_optimizer=Adam(D, settings.d_learning_rate, **adam),
        noise=settings.noise,
        d_steps=settings.d_steps,
        g_steps=settings.g_steps,
        augment=settings.augment,
        penalty=GradientPenalty(settings.penalty),
        schedule=settings.schedule(epoch),
        ema=settings.ema or None,
        seed=settings.seed,
    )


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    images = digit_images(command)
    players = networks(command.settings, images.shape, backend=command.settings.backend)
    train_on_images(command, images, players, game, name="mnist_wgan_gp")


if __name__ == "__main__":
    sys.exit(guarded(main))
