"""Train a Wasserstein GAN with weight clipping on heads, 96 x 96: five updates of a critic for one of G.

    python examples/anime_wgan.py                          drawn faces, 100,000 steps: days without a GPU
    python examples/anime_wgan.py --size 32 --width 16 --batch-size 16 --lr 2e-4 --steps 2500   small: docs/gallery.md
    python examples/anime_wgan.py --data PICTURES          a folder of your own
    python examples/anime_wgan.py --quick                  a short run, to see that it works
    python examples/anime_wgan.py --resume RUN             go on with a run that was stopped

The column w_estimate of history.csv, E[critic(x)] - E[critic(G(z))], estimates the distance between real and generated
images, up to a factor. The original clamps all parameters, BatchNorm's gamma with them, which starts near 1 and is 0.01
after one update; --clip-scope kernels leaves it alone (a narrow critic can need that: docs/optimizers.md). It also
turns real images by up to 20 degrees (--rotate 20), and then G makes turned ones.
"""

import sys
from dataclasses import dataclass

from minigan import GAN, RMSprop, Sequential, Wasserstein, WeightClipping, models
from minigan.cli import guarded
from minigan.image_runs import CutSettings, FaceSettings, face_images, size_option, train_on_images
from minigan.optimizers import SCOPES
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(FaceSettings, CutSettings):
    """The recipe of Arjovsky et al. 2017, in the Keras tutorial that models.anime96_wgan comes from."""

    steps: int = option(100_000, "steps to train in all", minimum=1)
    size: int | str = size_option(96)
    lr: float = option(5e-5, "learning rate of both RMSprops", minimum=0)
    d_steps: int = option(5, "updates of the critic for one of G", minimum=1, below=1_000)
    clip: float = option(0.01, "the critic's parameters stay within this of 0", minimum=1e-9)
    clip_scope: str = option("all", "all: every parameter; kernels: weights alone", choices=SCOPES)
    grid: int = option(8, "rows, and columns, of a sample grid", minimum=1, below=65)
    sample_every: int = option(1_000, "steps between sample grids", minimum=1)
    checkpoint_every: int = option(500, "steps between checkpoints", minimum=1)


QUICK = {"steps": 40, "size": 32, "width": 8, "faces": 500, "sample_every": 20, "log_every": 5}


def networks(settings: Settings, **options) -> tuple[Sequential, Sequential]:
    return models.anime96_wgan(settings.image_shape, settings.latent, settings.width, seed=settings.seed, **options)


def game(settings: Settings, G: Sequential, D: Sequential, epoch: int) -> GAN:
    return GAN(
        G,
        D,
        objective=Wasserstein(),
        g_optimizer=RMSprop(G, settings.lr),
        d_optimizer=RMSprop(D, settings.d_learning_rate),
        noise=settings.noise,
        d_steps=settings.d_steps,
        g_steps=settings.g_steps,
        augment=settings.augment,
        clip=WeightClipping(settings.clip, settings.clip_scope),
        schedule=settings.schedule(epoch),
        ema=settings.ema or None,
        seed=settings.seed,
    )


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    players = networks(command.settings, backend=command.settings.backend)
    train_on_images(command, face_images(command), players, game, name="anime_wgan")


if __name__ == "__main__":
    sys.exit(guarded(main))
