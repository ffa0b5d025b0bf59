"""Train a convolutional GAN on MNIST: better digits than mnist_mlp_gan.py's.

    python examples/mnist_dcgan.py                         the whole run
    python examples/mnist_dcgan.py --width 64              twice the channels
    python examples/mnist_dcgan.py --quick                 a short one, to see that it works
    python examples/mnist_dcgan.py --conditional           digits of a label: minigan sample RUN --label 7 --out 7.png
    python examples/mnist_dcgan.py --data FASHION          IDX files, or a .npy or .npz file
    python examples/mnist_dcgan.py --resume RUN            go on with a run that was stopped

Samples are drawn with an average of G's weights over the last steps (--ema), which shakes less than the weights do.
"""

import sys
from dataclasses import dataclass

from minigan import GAN, Sequential, models
from minigan.cli import guarded
from minigan.gan_parts import NOISE
from minigan.image_runs import DCGANSettings, dcgan, digit_images, label_classes, train_on_images
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(DCGANSettings):
    """Radford, Metz and Chintala 2015, for small images; at five times their learning rate, for a run of minutes."""

    steps: int = option(7_500, "steps to train in all", minimum=1)
    width: int = option(32, "channels of the widest images", minimum=1, below=10_000)
    lr: float = option(1e-3, "learning rate of both optimizers", minimum=0)
    beta2: float = option(0.99, "decay of Adam's mean square", minimum=0, below=1)
    noise: str = option("same", "G's update draws fresh noise, or takes the same as D's", choices=NOISE)
    ema: float = option(0.998, "decay of the average of G's weights that samples are drawn with", minimum=0, below=1)
    sample_every: int = option(1_000, "steps between sample grids", minimum=1)
    conditional: bool = option(False, "make images of a class; the data need labels", before=False)


QUICK = {"steps": 100, "width": 16, "sample_every": 50, "log_every": 10}


def networks(settings: Settings, image_shape=(28, 28, 1), classes=10, **options) -> tuple[Sequential, Sequential]:
    options = {"classes": classes if settings.conditional else 0, "seed": settings.seed} | options
    return models.mnist_dcgan(image_shape, settings.latent, settings.width, **options)


def game(settings: Settings, G: Sequential, D: Sequential, epoch: int) -> GAN:
    return dcgan(settings, G, D, epoch, beta2=settings.beta2)


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    images = digit_images(command)
    classes = label_classes(images) if command.settings.conditional else 0
    players = networks(command.settings, images.shape, classes, backend=command.settings.backend)
    train_on_images(command, images, players, game, name="mnist_dcgan")


if __name__ == "__main__":
    sys.exit(guarded(main))
