"""What a gradient check reports: a verdict on every array, in lines that a person can act on."""

from dataclasses import dataclass, field

from .errors import MiniganError

OK, WRONG, NOTHING_TESTED = "OK", "WRONG", "NOTHING TESTED"


class GradientError(MiniganError, AssertionError):
    """A gradient check failed; the message is the report."""


@dataclass(frozen=True)
class Row:
    """The verdict on one array: dx, or the gradient of one parameter."""

    name: str
    verdict: str
    entries: int  # how many numbers were compared
    wrong: int  # how many of them disagree
    worst: tuple[int, ...]  # index of the entry that disagrees most
    yours: float
    numeric: float

    @property
    def error(self) -> float:
        """|yours - numeric| / (|yours| + |numeric|) at the worst entry."""
        size = abs(self.yours) + abs(self.numeric)
        return abs(self.yours - self.numeric) / size if size else 0.0

    def __str__(self) -> str:
        text = f"{self.verdict:<14} {self.name:<16} {self.wrong} of {self.entries} entries wrong; worst at "
        return (
            text + f"{list(self.worst)}: yours {self.yours:+.6g}, numeric {self.numeric:+.6g}, error {self.error:.1e}"
        )


@dataclass(repr=False)
class Report:
    """What a check found. True if all is well; printing it gives a line for every array."""

    target: str
    rows: list[Row] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # contract violations, such as a changed input

    def __bool__(self) -> bool:
        return bool(self.rows) and not self.complaints and all(row.verdict == OK for row in self.rows)

    def __str__(self) -> str:
        lines = [f"{self.target}: {'gradients OK' if self else 'gradients WRONG'}", *map(str, self.rows)]
        return "\n  ".join([*lines, *(f"{WRONG:<14} {text}" for text in self.complaints)])

    def __getitem__(self, name: str) -> Row:
        """The row of that name: "x", "W", or "2.Dense.W" for a network."""
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise KeyError(f"{name!r}; the report has {', '.join(rows) or 'no rows'}")
        return rows[name]

    __repr__ = __str__
