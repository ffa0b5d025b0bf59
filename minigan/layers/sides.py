"""Arguments such as sizes, kernels, strides and borders: one whole number, a pair, or a pair of pairs."""

import operator
from typing import Any

from ..backend import Sides
from ..errors import SettingsError

Pair = tuple[int, int]  # (vertical, horizontal)


def whole(value: Any, what: str, minimum: int = 1) -> int:
    """The value as an int, at least `minimum`. Raises SettingsError for anything else."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise SettingsError(f"{what} is {value!r}; wanted a whole number") from error
    if number < minimum:
        raise SettingsError(f"{what} is {value}; it must be at least {minimum}")
    return number


def pair(value: Any, what: str) -> Pair:
    """(vertical, horizontal), from one number or two. Raises SettingsError for anything else."""
    try:
        vertical, horizontal = value if isinstance(value, tuple | list) else (value, value)
        return operator.index(vertical), operator.index(horizontal)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{what} is {value!r}; wanted a whole number or a pair of them") from error


def sides(value: Any, what: str) -> Sides:
    """((top, bottom), (left, right)), from one number, (vertical, horizontal), or all four. Raises SettingsError for
    anything else, and for numbers below 0.
    """
    vertical, horizontal = value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)
    found = pair(vertical, what), pair(horizontal, what)
    if min(*found[0], *found[1]) < 0:
        raise SettingsError(f"{what} is {value!r}; it must be at least 0 on every side")
    return found
