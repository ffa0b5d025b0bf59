"""Train R3GAN on MNIST: a plain residual network, pairs of images, and two penalties on D's slope.

    python examples/mnist_r3gan.py                         the whole run
    python examples/mnist_r3gan.py --quick                 a short one, to see that it works
    python examples/mnist_r3gan.py --conditional           digits of a label: minigan sample RUN --label 7 --out 7.png
    python examples/mnist_r3gan.py --data FASHION          IDX files, or a .npy or .npz file
    python examples/mnist_r3gan.py --resume RUN            go on with a run that was stopped

Nothing holds the game together but the loss: no BatchNorm, no Dropout, no labels smoothed. docs/r3gan.md derives the
update of D, whose penalties take second derivatives, as one pass through it (--unfused takes them one by one).
"""

import sys
from dataclasses import dataclass

from minigan import GAN, Sequential, models
from minigan.cli import guarded
from minigan.image_runs import digit_images, label_classes, train_on_images
from minigan.r3gan_runs import R3GANSettings, r3gan_game
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(R3GANSettings):
    """Huang et al. 2024, for 28 x 28 pixels and a run of minutes; the sizes are ours."""

    steps: int = option(6_000, "steps to train in all", minimum=1)
    batch_size: int = option(32, "images in a batch", minimum=1)
    width: int = option(16, "channels of the largest images; the others are multiples", minimum=1, below=10_000)
    sample_every: int = option(500, "steps between sample grids", minimum=1)
    conditional: bool = option(False, "make images of a class; the data need labels")


QUICK = {"steps": 400, "width": 8, "lr": 1e-3, "ema": 0.98, "sample_every": 200, "log_every": 20}


def networks(settings: Settings, image_shape=(28, 28, 1), classes=10, **options) -> tuple[Sequential, Sequential]:
    sizes = {"latent": settings.latent, "width": settings.width, "blocks": settings.blocks, "group": settings.group}
    sizes["linear"] = settings.linear
    options = {"classes": classes if settings.conditional else 0, "seed": settings.seed} | options
    return models.r3gan(image_shape, **sizes, **options)


def game(settings: Settings, G: Sequential, D: Sequential, epoch: int) -> GAN:
    return r3gan_game(settings, G, D, epoch)


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    images = digit_images(command)
    classes = label_classes(images) if command.settings.conditional else 0
    players = networks(command.settings, images.shape, classes, backend=command.settings.backend)
    train_on_images(command, images, players, game, name="mnist_r3gan")


if __name__ == "__main__":
    sys.exit(guarded(main))
