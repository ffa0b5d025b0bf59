"""Train a GAN on portraits, 64 x 64: two convolutions a block in D, an average over the whole image, uniform noise.

    python examples/celeba_dcgan.py                        drawn faces, 20,000 steps: many hours without a GPU
    python examples/celeba_dcgan.py --size 32 --width 16   small
    python examples/celeba_dcgan.py --data CELEBA          a folder of your own: cropped to squares, not squashed
    python examples/celeba_dcgan.py --quick                a short run, to see that it works
    python examples/celeba_dcgan.py --resume RUN           go on with a run that was stopped

The noise is uniform on [-1, 1), as the description has it; the other systems draw theirs from N(0, 1). The description
has the label 1 for real images, and fakes of its own for G's update: --real-target 1 --noise fresh. Ours keep D from
winning, with other changes that docs/gallery.md names.
"""

import sys
from dataclasses import dataclass

from minigan import Sequential, models
from minigan.cli import guarded
from minigan.gan_parts import NOISE
from minigan.image_runs import DCGANSettings, FaceSettings, dcgan, face_images, train_on_images
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(FaceSettings, DCGANSettings):
    """Of this system a description in words is all there is: models.celeba64 says what is ours."""

    # D's Dropout, G's and D's common noise and smoothed labels keep D from winning: docs/gallery.md.
    lr: float = option(3e-4, "learning rate of both optimizers", minimum=0)
    noise: str = option("same", "G's update draws fresh noise, or takes the same as D's", choices=NOISE)
    real_target: float = option(0.9, "D's target for real images: 0.9 smooths the labels", minimum=0, maximum=1)
    steps: int = option(20_000, "steps to train in all", minimum=1)
    width: int = option(32, "channels of the narrowest layer; the others are multiples", minimum=1, below=10_000)
    sample_every: int = option(500, "steps between sample grids", minimum=1)
    checkpoint_every: int = option(500, "steps between checkpoints", minimum=1)


QUICK = {"steps": 100, "size": 32, "width": 8, "faces": 500, "sample_every": 50, "log_every": 10}


def networks(settings: Settings, **options) -> tuple[Sequential, Sequential]:
    return models.celeba64(settings.image_shape, settings.latent, settings.width, seed=settings.seed, **options)


game = dcgan  # cross-entropy and two Adams, as the settings say


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    players = networks(command.settings, backend=command.settings.backend)
    train_on_images(command, face_images(command), players, game, name="celeba_dcgan")


if __name__ == "__main__":
    sys.exit(guarded(main))
