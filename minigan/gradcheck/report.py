"""What a gradient check reports: a verdict on every array, in lines that a person can act on."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from ..errors import MiniganError

OK, WRONG, KINK, TOO_SMALL, NOTHING_TESTED = "OK", "WRONG", "KINK", "TOO SMALL", "NOTHING TESTED"


class GradientError(MiniganError, AssertionError):
    """A gradient check failed; the message is the report."""


@dataclass(frozen=True)
class Row:
    """The verdict on one array: dx, or the gradient of one parameter.

    OK              yours is the derivative, as far as differences can tell
    WRONG           it is not
    KINK            an entry lies on a corner of the function, where there is no derivative: choose another x
    TOO SMALL       yours is not 0, but too small for differences to see
    NOTHING TESTED  the derivative is 0 everywhere, and any backward that returns 0 would pass
    """

    name: str
    verdict: str
    entries: int  # how many numbers were compared
    wrong: int  # how many of them disagree
    worst: tuple[int, ...]  # index of the entry that disagrees most
    yours: float
    numeric: float
    allowed: float  # how far the two may be apart at that entry
    h: float  # the step that was made there
    directions: int = 0  # how many random directions through the whole array were compared, too
    cause: str = ""  # what the numbers look like, where that says something

    @property
    def is_wrong(self) -> bool:
        """Whether yours was shown to be no derivative, not only not shown to be one."""
        return self.verdict == WRONG

    @property
    def error(self) -> float:
        """|yours - numeric| / (|yours| + |numeric|) at the worst entry."""
        size = abs(self.yours) + abs(self.numeric)
        return abs(self.yours - self.numeric) / size if size else 0.0

    def __str__(self) -> str:
        compared = [f"{self.wrong} of {self.entries} entries wrong"] if self.entries else []
        compared += [f"{self.directions} directions"] if self.directions else []
        lines = [f"{self.verdict:<14} {self.name:<16} {', '.join(compared)}"]
        if self.verdict not in (OK, NOTHING_TESTED):
            lines[0] += f"; worst at {list(self.worst)}: yours {self.yours:+.6g}, numeric {self.numeric:+.6g}"
            lines.append(
                f"difference {abs(self.yours - self.numeric):.1e}, allowed {self.allowed:.1e}, h {self.h:.1e}, "
                f"error {self.error:.1e}"
            )
        if self.cause:
            lines.append(f"cause: {self.cause}")
        return f"\n{'':17}".join(lines)


@dataclass(repr=False)
class Report:
    """What a check found. True if all is well; printing it gives a line for every array."""

    target: str
    rows: list[Row] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # contract violations, such as a changed input
    notes: list[str] = field(default_factory=list)  # what was not compared, and rightly so
    first_wrong: str = ""  # of a network: the first layer that is wrong by itself, such as "1.LeakyReLU"
    inner: "Report | None" = None  # what was found when that layer was checked alone

    def __bool__(self) -> bool:
        return bool(self.rows) and not self.complaints and all(row.verdict == OK for row in self.rows)

    @property
    def entries(self) -> int:
        """How many numbers were compared with differences, one by one."""
        return sum(row.entries for row in self.rows)

    @property
    def directions(self) -> int:
        """How many directions were compared."""
        return sum(row.directions for row in self.rows)

    def __str__(self) -> str:
        lines = [f"{self.target}: {self._headline()}", *map(str, self.rows)]
        lines += [f"{WRONG:<14} {text}" for text in self.complaints]
        lines += [f"{'note':<14} {text}" for text in self.notes]
        if self.first_wrong:
            lines.append(
                f"{WRONG:<14} the first wrong layer is {self.first_wrong}; checked alone, with its x and its dy:"
            )
            lines += [f"    {line}" for line in str(self.inner).split("\n")]
        return "\n  ".join("\n  ".join(lines).split("\n  "))

    @property
    def is_wrong(self) -> bool:
        """Whether something was shown to be wrong, not only not shown to be right."""
        return bool(self.complaints) or any(row.is_wrong for row in self.rows)

    def explain(self, cause: Callable[[Row], str]) -> None:
        """Give every row its cause."""
        self.rows = [replace(row, cause=cause(row)) for row in self.rows]

    def with_more(self, other: "Report") -> "Report":
        """This report and that of the same target at another input: a gradient is proven if it was, at one of them."""
        rows = {row.name: row for row in self.rows}
        for row in other.rows:
            before = rows.get(row.name, row)
            best = before if before.verdict == OK or row.verdict != OK else row
            counted = before is not row
            rows[row.name] = replace(
                best,
                entries=row.entries + counted * before.entries,
                directions=row.directions + counted * before.directions,
            )
        complaints = [*self.complaints, *(text for text in other.complaints if text not in self.complaints)]
        notes = [*self.notes, *(text for text in other.notes if text not in self.notes)]
        return replace(self, rows=list(rows.values()), complaints=complaints, notes=notes)

    def _headline(self) -> str:
        if not self.rows:
            return "gradients not checked"
        return "gradients OK" if self else "gradients WRONG" if self.is_wrong else "gradients not proven"

    def __getitem__(self, name: str) -> Row:
        """The row of that name: "x", "W", or "2.Dense.W" for a network."""
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise KeyError(f"{name!r}; the report has {', '.join(rows) or 'no rows'}")
        return rows[name]

    def to_json(self) -> str:
        """The report as JSON: target, ok, rows, complaints, and the first wrong layer. Numbers not finite are null."""
        found = {"ok": bool(self), "entries": self.entries, "directions": self.directions, **asdict(self)}
        return json.dumps(_finite(found))

    __repr__ = __str__


def _finite(value: object) -> object:
    """The same, with None where a number is infinite or not a number: JSON has neither."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
