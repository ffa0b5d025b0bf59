"""The ten labs by their numbers, and labs of one's own by their folders."""

import importlib
from pathlib import Path

from ..errors import SettingsError
from .task import Lab

NUMBERS = tuple(f"{k:02}" for k in range(1, 11))
FOLDER = Path(__file__).parent / "start"


def open_lab(number: str) -> Lab:
    """The lab "3" or "03", or that of a folder which `minigan lab new` made. Raises SettingsError for another."""
    if number.isdigit():
        number = number.zfill(2)
    if number in NUMBERS:
        return importlib.import_module(f".lab{number}", __package__).LAB
    if Path(number).is_dir():
        from .own import read_lab

        return read_lab(Path(number))
    raise SettingsError(
        f"{number!r} is no lab: there are {NUMBERS[0]} to {NUMBERS[-1]}, and folders of `minigan lab new`"
    )


def start_of(number: str) -> str:
    """The text of the file that students start from."""
    return (FOLDER / f"lab{number}.py").read_text(encoding="utf-8")
