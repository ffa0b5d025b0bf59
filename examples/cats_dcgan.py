"""Train a DCGAN on cats, 96 x 96, with little changes to every real image and a learning rate that is cut in steps.

    python examples/cats_dcgan.py                          drawn faces, 230 epochs: many hours without a GPU
    python examples/cats_dcgan.py --size 48 --width 16 --epochs 40       small: docs/gallery.md has the result
    python examples/cats_dcgan.py --data CATS              a folder of your own
    python examples/cats_dcgan.py --quick                  a short run, to see that it works
    python examples/cats_dcgan.py --resume RUN             go on with a run that was stopped

The rate is cut every 10 epochs, as the original's code has it; its long run cut every 100 (--lr-every 100). Clean and
aligned data beat more data: `python -m minigan crop-faces PHOTOGRAPHS --out CATS --cascade
haarcascade_frontalcatface.xml` cuts the faces out first.
"""

import sys
from dataclasses import dataclass

from minigan import Sequential, models
from minigan.cli import guarded
from minigan.image_runs import DCGANSettings, FaceSettings, dcgan, face_images, size_option, train_on_images
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(FaceSettings, DCGANSettings):
    """The recipe of the PyTorch tutorial that models.cats96 comes from. Optimizer and batch size are ours."""

    epochs: int | None = option(230, "passes over the data", minimum=1)
    steps: int | None = option(None, "steps to train in all, in place of --epochs", minimum=1)
    size: int | str = size_option(96)
    lr_every: int = option(10, "--lr-unit between cuts of the learning rate; 0: it stays", minimum=0)
    flip: float = option(0.5, "share of the images that are mirrored", minimum=0, maximum=1)
    crop: float = option(0.9, "cut out at least this share of an image's area, at random", minimum=0.01, maximum=1)
    sample_every: int = option(500, "steps between sample grids", minimum=1)
    checkpoint_every: int = option(500, "steps between checkpoints", minimum=1)


QUICK = {"steps": 100, "size": 24, "width": 8, "faces": 500, "sample_every": 50, "log_every": 10}


def networks(settings: Settings, **options) -> tuple[Sequential, Sequential]:
    return models.cats96(settings.image_shape, settings.latent, settings.width, seed=settings.seed, **options)


game = dcgan  # cross-entropy and two Adams, as the settings say


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    players = networks(command.settings, backend=command.settings.backend)
    train_on_images(command, face_images(command), players, game, name="cats_dcgan")


if __name__ == "__main__":
    sys.exit(guarded(main))
