"""Train a DCGAN on heads, 96 x 96: strided convolutions down, transposed ones up, no biases.

    python examples/anime_dcgan.py                         drawn faces, 500 epochs: a day or more without a GPU
    python examples/anime_dcgan.py --size 64 --width 16 --epochs 40      small: docs/gallery.md has the result
    python examples/anime_dcgan.py --data PICTURES         a folder of your own
    python examples/anime_dcgan.py --quick                 a short run, to see that it works
    python examples/anime_dcgan.py --resume RUN            go on with a run that was stopped

The tutorial that it comes from calls the same noise for D and G "very important", others draw fresh noise: compare with
--noise fresh. Its text has the learning rate 2e-4, as here, its code 1e-4 and weights from N(0, 0.01^2): --lr 1e-4
--init-std 0.01. The 0.02 here is DCGAN's.
"""

import sys
from dataclasses import dataclass

from minigan import Sequential, models
from minigan.cli import guarded
from minigan.image_runs import DCGANSettings, FaceSettings, dcgan, face_images, size_option, train_on_images
from minigan.settings import option, parse_command


@dataclass(frozen=True)
class Settings(FaceSettings, DCGANSettings):
    """The recipe of the PyTorch tutorial that models.anime96 comes from."""

    epochs: int | None = option(500, "passes over the data", minimum=1)
    steps: int | None = option(None, "steps to train in all, in place of --epochs", minimum=1)
    size: int | str = size_option(96)
    init_std: float = option(0.02, "weights start from N(0, this^2), gamma from N(1, this^2)", minimum=1e-9, maximum=10)
    noise: str = option("same", "G's update takes the noise of D's fakes, or draws fresh", choices=("same", "fresh"))
    grid: int = option(8, "rows, and columns, of a sample grid", minimum=1, below=65)
    sample_every: int = option(1_250, "steps between sample grids: some 20 epochs of 4,000 images", minimum=1)
    checkpoint_every: int = option(500, "steps between checkpoints", minimum=1)


QUICK = {"steps": 100, "size": 32, "width": 8, "faces": 500, "sample_every": 50, "log_every": 10}


def networks(settings: Settings, **options) -> tuple[Sequential, Sequential]:
    shape, std = settings.image_shape, settings.init_std
    return models.anime96(shape, settings.latent, settings.width, std, seed=settings.seed, **options)


game = dcgan  # cross-entropy and two Adams, as the settings say


def main(argv: list[str] | None = None) -> None:
    command = parse_command(Settings, __doc__, QUICK, argv)
    players = networks(command.settings, backend=command.settings.backend)
    train_on_images(command, face_images(command), players, game, name="anime_dcgan")


if __name__ == "__main__":
    sys.exit(guarded(main))
