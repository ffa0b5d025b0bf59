"""What the examples that train on images share: their settings, their images, and the usual game of a DCGAN."""

import dataclasses
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .checkpoint import load_weights
from .data import (
    FITS,
    RESAMPLES,
    SAMPLINGS,
    ImageSet,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    class_count,
    draw_faces,
    has_labels,
    images,
    load,
    mnist,
)
from .data.finding import has_pictures
from .data.fitting import require_colour
from .data.kinds import ARRAYS, TABLES, ends_in
from .data.levels import grey, require_levels
from .data.sources import has_array_file, split_part
from .diagnostics import Diagnostics, HeldOut
from .errors import DataError, FileError, Interrupted, SettingsError, ShapeError, counted
from .gan import GAN
from .gan_parts import NOISE
from .losses import BCEWithLogits
from .metrics import Metrics
from .network import Sequential
from .objectives import NonSaturating
from .optimizers import Adam
from .printing import note, say
from .progress import in_notebook, number
from .run import Run
from .run_directory import RunDirectory
from .schedules import StepLR
from .settings import Command, RunSettings, image_size, in_flags, near_path, option, sides, speaking_of_flags
from .training import train

UNITS = ("epochs", "steps")
HELD_OUT, UNSEEN = 64, 2**40  # images, and the seed of faces that no run trains on
DIGIT = 28  # pixels a side of a folder's digits


def size_option(default: int) -> Any:
    """The setting --size: one number, or height x width."""
    words = "height and width of the images: 64, or 64x32, height first"
    return option(default, words, minimum=1, below=10_000, parse=image_size, metavar="HxW")


@dataclass(frozen=True)
class ImageSettings(RunSettings):
    """What every convolutional GAN has beside RunSettings: its size, and how batches are drawn."""

    epochs: int | None = option(None, "passes over the data, in place of --steps", minimum=1)
    batch_size: int = option(64, "images in a batch", minimum=1)
    sampling: str = option(
        "epochs", "epochs: the shuffled data, batch by batch; replacement: any image at any time", choices=SAMPLINGS
    )
    latent: int = option(100, "numbers in z, the noise that becomes an image", minimum=1, below=100_000)
    width: int = option(64, "channels of the narrowest layer; the others are multiples", minimum=1, below=10_000)
    noise: str = option("fresh", "G's update draws fresh noise, or takes the same as D's", choices=NOISE)
    ema: float = option(
        0.0, "decay of the average of G's weights that samples are drawn with; 0: none", minimum=0, below=1
    )


@dataclass(frozen=True)
class CutSettings(ImageSettings):
    """ImageSettings, and a learning rate that is cut from time to time."""

    lr_every: int = option(0, "--lr-unit between cuts of the learning rate; 0: it stays", minimum=0)
    lr_factor: float = option(0.9, "what a cut multiplies the learning rate by", minimum=1e-9, maximum=1)
    lr_unit: str = option("epochs", "what --lr-every counts", choices=UNITS)

    def schedule(self, epoch: int) -> StepLR | None:
        """The learning rate's, where a pass over the data has `epoch` steps."""
        if self.lr_every == 0:
            return None
        return StepLR(self.lr_every * (epoch if self.lr_unit == "epochs" else 1), self.lr_factor)


@dataclass(frozen=True)
class DCGANSettings(CutSettings):
    """CutSettings, and what `dcgan` takes beyond them: cross-entropy and Adam."""

    beta1: float = option(0.5, "decay of Adam's mean: low, because the opponent keeps changing", minimum=0, below=1)
    real_target: float = option(1.0, "D's target for real images: 0.9 smooths the labels", minimum=0, maximum=1)


@dataclass(frozen=True)
class FaceSettings(ImageSettings):
    """ImageSettings, and where faces come from: a folder of images, or drawn ones."""

    data: str | None = option(None, "a folder of images, or a .npy or .npz file; default: drawn faces")
    faces: int = option(4_000, "how many faces to draw, where there is no --data", minimum=1, below=1_000_000)
    size: int | str = size_option(64)
    channels: int = option(3, "3: colours; 1: grey", choices=(1, 3), before=3)
    fit: str = option("crop", "of a folder's images, crop: the middle; squash: all, stretched; pad: all", choices=FITS)
    background: str = option("white", "the colour under transparent parts, and of --fit pad", before="white")
    resample: str = option(
        "lanczos", "lanczos; nearest: for pixel art, no new colours", choices=RESAMPLES, before="lanczos"
    )
    flip: float = option(0.0, "share of the images that are mirrored", minimum=0, maximum=1)
    crop: float = option(
        1.0, "cut out at least this share of an image's area, at random; 1: all", minimum=0.01, maximum=1
    )
    rotate: float = option(
        0.0, "turn images by up to so many degrees; what G makes is turned, too", minimum=0, maximum=180
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            require_colour(self.background)
        except SettingsError as error:
            raise SettingsError(in_flags(str(error), ["background"])) from error

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(h, w, c)."""
        h, w = sides(self.size)
        return h, w, self.channels

    @property
    def transforms(self) -> list[Any]:
        """The random changes that were asked for."""
        wanted = [
            (self.crop < 1, RandomResizedCrop(scale=(self.crop, 1.0), ratio=(0.9, 1.1))),
            (self.flip > 0, RandomHorizontalFlip(self.flip)),
            (self.rotate > 0, RandomRotation(self.rotate)),
        ]
        return [transform for asked, transform in wanted if asked]


def digit_images(command: Command[Any]) -> ImageSet:
    """MNIST, or the images that `--data` names, in batches as the settings say: a folder of pictures in 28 x 28, grey.

    Raises DataError if there are none, or all are of one level.
    """
    settings = command.settings
    folder = None if settings.data is None or not Path(settings.data).is_dir() else Path(settings.data)
    with speaking_of_flags(command):
        if folder is not None and not has_array_file(folder) and has_pictures(folder):
            found = images(
                folder,
                DIGIT,
                channels=1,
                stretch=settings.stretch,
                skip_damaged=settings.skip_damaged,
                cache=_cache_beside(command, folder),
            )
        else:
            found = load(settings.data, stretch=settings.stretch)
        require_levels(found.images, found.name)
    return found.with_batches(sampling=getattr(settings, "sampling", "replacement"))


def face_images(command: Command[Any]) -> ImageSet:
    """The images that the settings name. What was read from a folder is kept beside the run, in image_cache/.

    Raises DataError or ShapeError for images that cannot be used; SettingsError for a run inside the folder of images.
    """
    settings = command.settings
    with speaking_of_flags(command):
        if settings.data is None:
            found = _drawn(settings)
        elif split_part(settings.data)[0].is_file():
            found = _array_file(settings.data, settings.image_shape, settings.stretch)
        else:
            found = images(
                settings.data,
                settings.image_shape[:2],
                fit=settings.fit,
                channels=settings.channels,
                background=settings.background,
                resample=settings.resample,
                stretch=settings.stretch,
                skip_damaged=settings.skip_damaged,
                cache=_cache_beside(command, Path(settings.data)),
            )
        require_levels(found.images, found.name)
    return found.with_batches(sampling=settings.sampling, transforms=settings.transforms)


def _cache_beside(command: Command[Any], folder: Path) -> Path:
    """Where decoded pictures are kept. Raises SettingsError for a run inside their folder."""
    run = (command.out or command.resume or Path("runs/run")).resolve()
    if run.is_relative_to(folder.resolve()):
        raise SettingsError(
            f"--data {folder}: the run's folder would be {run}, in there, and its sample grids would count as images: "
            f"name a folder elsewhere with --out"
        )
    return run.parent / "image_cache"


def _drawn(settings: FaceSettings) -> ImageSet:
    h, w, c = settings.image_shape
    note(f"drawing {counted(settings.faces, 'face')} of {h}x{w}x{c}")
    found = draw_faces(settings.faces, h if h == w else (h, w))
    return found if c == 3 else ImageSet(grey(found.images), found.name)


def _array_file(path: str, shape: tuple[int, int, int], stretch: bool) -> ImageSet:
    """The images in a file, which have the shape wanted: nothing is resized here."""
    if not ends_in(split_part(path)[0].name, (*ARRAYS, *TABLES)) and split_part(path)[1] is None:
        raise DataError(f"--data {path} is a file; wanted a folder of images, or a {' or '.join(ARRAYS)} file of them")
    found = load(path, stretch=stretch)
    h, w, c = found.shape
    if (h, w, c) != shape:
        size = f"{h}" if h == w else f"{h}x{w}"
        channels = " --channels 1" if c == 1 else ""
        mend = f"give --size {size}{channels}" if c in (1, 3) else "resize them, or give a folder of pictures"
        raise ShapeError(f"--data {path} has images of {h}x{w}x{c}; wanted {'x'.join(map(str, shape))}: {mend}")
    return found


def label_classes(real: ImageSet) -> int:
    """How many classes the images have, for --conditional. Raises DataError for images without labels."""
    if not has_labels(real):
        raise DataError(
            f"--conditional makes images of a class, and {real.name} has no labels: give an .npz file with arrays "
            f"'images' and 'labels', or an IDX file of labels beside that of the images; or leave --conditional out"
        )
    return class_count(real)


def run_command(gan: GAN, real: ImageSet, command: Command[Any], name: str) -> Run:
    """Train as the command line asks for, and say what came out, or how to go on."""
    settings = command.settings
    if not command.graph:
        gan.graph = False
    if settings.start_from is not None and command.resume is None:
        settings = dataclasses.replace(settings, start_from=str(start_from(gan, Path(settings.start_from))))
    try:
        with speaking_of_flags(command):
            run = train(
                gan,
                real,
                steps=settings.steps,
                batch_size=settings.batch_size,
                out=None if command.resume else command.out or True,
                resume=command.resume,
                log_every=settings.log_every,
                sample_every=settings.sample_every,
                checkpoint_every=settings.checkpoint_every,
                keep_checkpoints=settings.keep_checkpoints,
                grid=settings.grid,
                name=name,
                settings=dataclasses.asdict(settings),
                callbacks=[*_judges(settings, real), Diagnostics(held_out=_held_out(real, gan.classes))],
            )
    except Interrupted as error:
        say(f"{error}{how_to_resume(error.run.path)}")
        raise
    if run.stopped and run.path is not None:  # a notebook's cell ends normally
        say(f"stopped at step {run.steps:,}, which {run.checkpoint} holds{how_to_resume(run.path)}")
    else:
        say(describe(run))
    return run


def _judges(settings: RunSettings, real: ImageSet) -> list[Metrics]:
    """The callback that --evaluate-every asks for."""
    if not settings.evaluate_every:
        return []
    features = "digits" if real.name.startswith("MNIST") else "random"
    return [Metrics(settings.evaluate_every, features, keep_best=settings.keep_best)]


def _held_out(real: ImageSet, classes: int) -> HeldOut | None:
    """Images that the run does not train on, of the data that come with the package, with labels if it has classes."""
    if real.name == "MNIST train":
        test = mnist("test", labels=bool(classes))
        some = test.images[:HELD_OUT]
        return some if test.labels is None else (some, test.labels[:HELD_OUT])
    h, w, c = real.shape
    if real.name == "drawn faces" and c == 3 and not classes:
        return draw_faces(HELD_OUT, (h, w), seed=UNSEEN).images
    return None


def start_from(gan: GAN, path: Path) -> Path:
    """Put the weights of a run, a checkpoint or a model file into a new GAN, and say so. Returns the file.

    Raises FileError if there is none, or it is damaged; ShapeError for networks of other sizes.
    """
    file = path / "checkpoint.npz" if path.is_dir() else path
    if not file.exists():
        raise FileError(
            f"--start-from {path}: {file} does not exist{near_path(file)}; wanted a run's folder, a checkpoint or a "
            f"model file such as generator.npz"
        )
    try:
        loaded = load_weights(gan, file)
    except ShapeError as error:
        raise ShapeError(f"--start-from {error}; wanted networks of the same sizes") from error
    except FileError as error:
        raise FileError(f"--start-from {error}") from error
    note(f"starting from {file}: the weights of {' and '.join(loaded)}")
    return file


def how_to_resume(path: Path) -> str:
    """What goes on with a run, where it was started by a program of its own or in a notebook."""
    script, flags = Path(sys.argv[0]), f"--resume {shlex.quote(str(path))}"
    if in_notebook():
        return f"; to go on: main({flags!r})"
    return f"; to go on: python {shlex.quote(str(script))} {flags}" * (script.suffix == ".py")


def describe(run: Run) -> str:
    """What a run that finished its steps left, and what to type next."""
    assert run.path is not None
    files, rows = RunDirectory(run.path), run.history
    count = f"--label {run.gan.classes - 1}" if run.gan is not None and run.gan.classes else "--count 30"
    losses = ", ".join(f"{name} {number(rows[name][-1])}" for name in rows if name not in ("step", "lr", "seconds"))
    return "\n".join(
        [
            f"done: {run.path}  ({losses})",
            f"  {run.samples[-1].relative_to(run.path)!s:<22} the last sample grid",
            f"  {files.evolution.name:<22} all of them, as a film",
            f"  {files.curves.name:<22} the curves of {files.history.name}",
            f"  {files.generator.name:<22} the generator, to sample from:",
            f"next: python -m minigan sample {files.generator} {count} --seed 7 --out grid.png",
        ]
    )


def train_on_images(
    command: Command[Any],
    real: ImageSet,
    networks: tuple[Sequential, Sequential],
    game: Callable[[Any, Sequential, Sequential, int], GAN],
    name: str,
) -> None:
    """Play `game(settings, G, D, epoch)`, where a pass over the data has `epoch` steps, and say what came out.

    In epochs, where several updates of D take more images than there are, they are drawn with replacement, with a note;
    DataError is raised if there are fewer than one batch has.
    """
    settings = command.settings
    taken = settings.batch_size * getattr(settings, "d_steps", 1)
    if real.sampling == "epochs" and settings.batch_size <= len(real) < taken:
        note(f"note: a step takes {taken:,} images, and there are {len(real):,}: they are drawn with replacement")
        real = real.with_batches(sampling="replacement", transforms=real.transforms)
    if taken > len(real) and real.sampling == "epochs":
        raise DataError(
            f"{real.name}: {counted(len(real), 'image')}, and a step takes {taken:,}: use a smaller --batch-size, "
            f"more images, or --sampling replacement, which draws images again and again"
        )
    epoch = real.steps_per_epoch(taken)
    if settings.epochs is not None:
        passes, steps = counted(settings.epochs, "epoch"), counted(epoch, "step")
        note(f"note: {passes} of {steps}: {counted(settings.epochs * epoch, 'step')} in all")
        settings = dataclasses.replace(settings, steps=settings.epochs * epoch)
        command = dataclasses.replace(command, settings=settings)
    run_command(game(settings, *networks, epoch), real, command, name)


def dcgan(
    settings: DCGANSettings,
    G: Sequential,
    D: Sequential,
    epoch: int,
    beta2: float = 0.999,
    eps: float = 1e-8,
    d_update: str = "summed",
) -> GAN:
    """Cross-entropy and two Adams, as the settings say.    beta2, eps: of Adam   d_update: of GAN"""
    adam = {"beta1": settings.beta1, "beta2": beta2, "eps": eps}
    return GAN(
        G,
        D,
        objective=NonSaturating(BCEWithLogits(), settings.real_target),
        g_optimizer=Adam(G, settings.lr, **adam),
        d_optimizer=Adam(D, settings.d_learning_rate, **adam),
        noise=settings.noise,
        d_update=d_update,
        g_steps=settings.g_steps,
        augment=settings.augment,
        schedule=settings.schedule(epoch),
        ema=settings.ema or None,
        seed=settings.seed,
    )
