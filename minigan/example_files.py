"""The example programs that come with the package: listed, and copied to where they can be read, run and changed."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import FileError

PACKAGE = Path(__file__).parent
PLACES = PACKAGE / "examples", PACKAGE.parent / "examples"  # of an installed package; of a checkout


def example_programs() -> list[Path]:
    """The programs, in the order of their names. Raises FileError where an installation lacks them."""
    for place in PLACES:
        programs = sorted(place.glob("*.py"))
        if any(program.name == "mnist_mlp_gan.py" for program in programs):
            return programs
    raise FileError(f"the example programs are not in {PLACES[0]}: install minigan again")


def purpose(program: Path) -> str:
    """The first line of its docstring."""
    return (ast.get_docstring(ast.parse(program.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def copy_examples(folder: Path) -> Iterator[Path]:
    """Copy the programs into `folder`, which is made if it is missing, and yield where each one is.

    A program that is there already, unchanged, is left. Raises FileError, before anything is written, for a folder that
    cannot be made, or for files of those names with other content.
    """
    programs = example_programs()
    targets = [folder / program.name for program in programs]
    changed = [path.name for path, program in zip(targets, programs, strict=True) if _differs(path, program)]
    if changed:
        raise FileError(
            f"{folder} has {', '.join(changed)} already, with other content, and nothing is overwritten: name another "
            f"folder, or delete what is there first"
        )
    for program, path in zip(programs, targets, strict=True):
        if not path.exists():
            _copy(program, path)
        yield path


def _differs(path: Path, program: Path) -> bool:
    """Whether there is something else of that name: a link that leads nowhere and a folder count."""
    if not path.exists() and not path.is_symlink():
        return False
    return not path.is_file() or path.read_bytes() != program.read_bytes()


def _copy(program: Path, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file, open(program, "rb") as source:  # x: not even one that came in between
            shutil.copyfileobj(source, file)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
