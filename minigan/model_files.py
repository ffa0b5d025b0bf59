"""The model that a command is given: a run's folder, or its generator.npz."""

from pathlib import Path

from .checkpoint import load_model
from .errors import FileError, ShapeError
from .network import Sequential
from .settings import near_path


def model_file(model: Path) -> Path:
    """The model file that is meant: of a run's folder, its generator.npz. Raises FileError if it is not there."""
    file = model / "generator.npz" if model.is_dir() else model
    if not file.exists():
        raise FileError(f"{file} does not exist{near_path(file)}; wanted a run's folder or a model file")
    return file


def load_generator(model: Path, backend: str | None) -> Sequential:
    """The generator of images that is meant. Raises ShapeError if the network makes something else."""
    G = load_model(model_file(model), backend=backend)
    if len(G.output_shape) != 3 or G.output_shape[-1] not in (1, 3):
        raise ShapeError(f"{model} makes {G.output_shape}, not images (h, w, 1 or 3): is it a generator?")
    return G
