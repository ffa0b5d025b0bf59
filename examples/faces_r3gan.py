"""Train R3GAN on faces, 32 x 32: a plain residual network, pairs of images, and two penalties on D's slope.

    python examples/faces_r3gan.py                         drawn faces
    python examples/faces_r3gan.py --size 64 --width 16    larger ones
    python examples/faces_r3gan.py --data PHOTOGRAPHS      a folder of your own
    python examples/faces_r3gan.py --quick                 a short run, to see that it works
    python examples/faces_r3gan.py --resume RUN            go on with a run that was stopped

docs/r3gan.md explains the loss, the networks, and the update of D in one pass.
"""

import sys
from dataclasses import dataclass

from minigan import GAN, Sequential, models
from minigan.cli import guarded
from minigan.image_runs import FaceSettings, face_images, size_option, train_on_images
from minigan.r3gan_runs import R3GANSettings, r3gan_game
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(R3GANSettings, FaceSettings):
    """Huang et al. 2024, for small images and a run of minutes; the sizes are ours."""

    steps: int = option(4_000, "steps to train in all", minimum=1)
    size: int | str = size_option(32)
    width: int = option(16, "channels of the largest images; the others are multiples", minimum=1, below=10_000)
    batch_size: int = option(32, "images in a batch", minimum=1)
    sample_every: int = option(500, "steps between sample grids", minimum=1)


QUICK = {"steps": 300, "width": 8, "lr": 1e-3, "ema": 0.98, "faces": 500, "sample_every": 100, "log_every": 20}


def networks(settings: Settings, **options) -> tuple[Sequential, Sequential]:
    sizes = {"latent": settings.latent, "width": settings.width, "blocks": settings.blocks, "group": settings.group}
    sizes["linear"] = settings.linear
    return models.r3gan(settings.image_shape, **sizes, seed=settings.seed, **options)


def game(settings: Settings, G: Sequential, D: Sequential, epoch: int) -> GAN:
    return r3gan_game(settings, G, D, epoch)


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    players = networks(command.settings, backend=command.settings.backend)
    train_on_images(command, face_images(command), players, game, name="faces_r3gan")


if __name__ == "__main__":
    sys.exit(guarded(main))
