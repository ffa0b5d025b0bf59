"""Train a convolutional GAN on faces, 64 x 64, which enlarges its images by UpSampling2D.

    python examples/faces_dcgan.py                         drawn faces, 4,000 steps: some hours without a GPU
    python examples/faces_dcgan.py --size 32 --width 16 --steps 1500     small: docs/gallery.md has the result
    python examples/faces_dcgan.py --data PHOTOGRAPHS      a folder of your own (--fit squash: as the original does)
    python examples/faces_dcgan.py --quick                 a short run, to see that it works
    python examples/faces_dcgan.py --resume RUN            go on with a run that was stopped

A run leaves a folder in runs/ with sample grids, their film, curves, a checkpoint and the generator. One face of it:

    python -m minigan sample RUN/generator.npz --count 1 --out face.png
"""

import sys
from dataclasses import dataclass

from minigan import GAN, Sequential, models
from minigan.cli import guarded
from minigan.gan_parts import D_UPDATES
from minigan.image_runs import DCGANSettings, FaceSettings, dcgan, face_images, train_on_images
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(FaceSettings, DCGANSettings):
    """The recipe of the Keras tutorial that models.faces64 comes from."""

    steps: int = option(4_000, "steps to train in all", minimum=1)
    batch_size: int = option(32, "images in a batch", minimum=1)
    sampling: str = option("replacement", "how batches are drawn", choices=("replacement", "epochs"))
    width: int = option(32, "channels of D's first layer; the others are multiples", minimum=1, below=10_000)
    noise: str = option("same", "G's update takes the noise of D's fakes, or draws fresh", choices=("same", "fresh"))
    d_update: str = option("two_steps", "two_steps: D learns from real, then from fake images", choices=D_UPDATES)
    sample_every: int = option(100, "steps between sample grids", minimum=1)
    checkpoint_every: int = option(500, "steps between checkpoints", minimum=1)


QUICK = {"steps": 100, "size": 32, "width": 8, "faces": 500, "sample_every": 50, "log_every": 10}


def networks(settings: Settings, **options) -> tuple[Sequential, Sequential]:
    return models.faces64(settings.image_shape, settings.latent, settings.width, seed=settings.seed, **options)


def game(settings: Settings, G: Sequential, D: Sequential, epoch: int) -> GAN:
    return dcgan(settings, G, D, epoch, d_update=settings.d_update, eps=1e-7)  # eps: the default of Keras


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    players = networks(command.settings, backend=command.settings.backend)
    train_on_images(command, face_images(command), players, game, name="faces_dcgan")


if __name__ == "__main__":
    sys.exit(guarded(main))
