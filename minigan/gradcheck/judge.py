"""Yours against numeric, entry by entry or along directions: from one array to one verdict."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend import get_backend
from ..errors import SettingsError
from .numeric import FAR, Probe, Slope
from .report import KINK, NOTHING_TESTED, OK, TOO_SMALL, WRONG, Row
from .subjects import Subject, normal

MODES = ("auto", "full", "directions")
DIRECTIONS = 3
# Times the step: smaller past a corner, larger where the forward rounds more than its result shows.
RETRIES = (0.1, 10.0, 0.01, 0.001, FAR, 10 * FAR)
SIDES = 0.01  # times the step: for the slopes on both sides of a corner
GARBAGE = 1e-13  # a sum that should be 0 comes out as large as this


@dataclass
class Comparison:
    """Yours and the numeric values of some entries of one array."""

    name: str
    yours: np.ndarray  # the whole array
    entries: np.ndarray  # flat indices of those compared
    a: np.ndarray  # yours there
    n: np.ndarray
    h: np.ndarray
    noise: np.ndarray
    allowed: np.ndarray = field(default_factory=lambda: np.zeros(0))
    wrong: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    kinks: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def set(self, k: np.ndarray, slopes: list[Slope]) -> None:
        """Take these slopes for the entries at the places k."""
        self.n[k] = [slope.value for slope in slopes]
        self.h[k] = [slope.h for slope in slopes]
        self.noise[k] = [slope.noise for slope in slopes]

    @property
    def rms(self) -> float:
        """Root mean square of the numeric values."""
        return float(np.sqrt(np.mean(self.n**2))) if self.n.size else 0.0


@dataclass(frozen=True)
class Direction:
    """Yours and the numeric value along one direction through a whole array."""

    yours: float
    numeric: float
    allowed: float
    h: float

    @property
    def missed(self) -> bool:
        """Whether they differ; NaN does."""
        return not abs(self.yours - self.numeric) <= self.allowed


@dataclass(frozen=True)
class Judge:
    """How arrays are compared: which entries, how closely, and by which differences."""

    rtol: float
    atol: float
    mode: str
    method: str
    max_entries: int
    seed: int
    expect_zero: tuple[str, ...]

    def compare(self, subject: Subject, name: str, yours: np.ndarray, v: Any) -> tuple[Row, Comparison]:
        """The verdict on one array, and what it was based on."""
        array = subject.arrays[name]
        probe = Probe(subject.forward, array, v, self.method, subject.pattern)
        self._require_method(probe, name)
        everything = self.mode == "full" or (self.mode == "auto" and array.size <= self.max_entries)
        directions = [] if everything else self._directions(probe, name, yours.reshape(-1))
        chosen = np.arange(array.size) if everything else self._sample(array.size, name)
        missed = any(direction.missed for direction in directions)
        if self.mode == "directions" and not missed:
            chosen = chosen[:0]
        elif missed:
            chosen = np.union1d(chosen, [self._locate(probe, yours.reshape(-1))])
        found = self._entries(probe, name, yours, chosen)
        return self._verdict(found, directions, array.shape), found

    def _require_method(self, probe: Probe, name: str) -> None:
        """Raises SettingsError where the method's assumption does not hold: a linear, or a holomorphic function."""
        if self.method == "central":
            return
        size = probe.flat.size
        direction = normal((size,), self.seed, f"method {name}") / np.sqrt(size)
        try:
            wanted = Probe(probe.forward, probe.flat, probe.v).along(direction)[0]
            found = probe.along(direction)[0]
        except TypeError as error:
            raise SettingsError(
                f"method={self.method!r} needs a forward that can compute with complex numbers: {error}. Use "
                f"method='central'"
            ) from error
        if not abs(found.value - wanted.value) <= 1e-4 * max(abs(wanted.value), 1e-3) + wanted.noise:
            needed, reason = {
                "complex": ("holomorphic", "it has an abs, a maximum, a cast to real numbers, or two pieces"),
                "adjoint": ("linear", "its derivative depends on where it is taken"),
            }[self.method]
            raise SettingsError(
                f"method={self.method!r} needs a forward that is {needed} in {name}; this one is not: {reason}. Use "
                f"method='central'"
            )

    def _sample(self, size: int, name: str) -> np.ndarray:
        """Up to max_entries of them, at random."""
        order = get_backend("numpy").random.uniform((size,), self.seed, f"gradcheck entries of {name}")
        return np.sort(np.argsort(order)[: self.max_entries])

    def _entries(self, probe: Probe, name: str, yours: np.ndarray, entries: np.ndarray) -> Comparison:
        """Compare them one by one; where that fails, or a corner may be why, with other steps."""
        slopes = [probe.entry(int(i)) for i in entries]
        a = yours.reshape(-1)[entries]
        found = Comparison(name, yours, entries, a, np.zeros(len(a)), np.zeros(len(a)), np.zeros(len(a)))
        everywhere = np.arange(len(a))
        found.set(everywhere, slopes)
        crossed = np.array([slope.crossed for slope in slopes], bool)
        for factor in RETRIES:
            self._judge(found)
            again = np.flatnonzero(crossed | found.wrong if factor < 1 else found.wrong & ~crossed)
            for k in again:
                other = probe.entry(int(entries[k]), factor)
                if other.crossed and factor > 1:
                    continue  # a corner lies farther away: no news of this place
                if crossed[k] or abs(a[k] - other.value) <= self._tolerance(found, k) >= other.noise:
                    found.set(np.array([k]), [other])
                crossed[k] = other.crossed
        self._judge(found)
        found.kinks = crossed.copy()
        for k in np.flatnonzero(crossed | found.wrong) if self.method == "central" else ():
            between = self._kink(probe.sides(int(entries[k]), SIDES), found, k, crossed[k])
            found.kinks[k], found.wrong[k] = between, found.wrong[k] and not between
        return found

    def _kink(self, sides: tuple[float, float], found: Comparison, k: Any, crossed: bool) -> bool:
        """Whether left and right slopes differ, and yours is neither left of the one nor right of the other."""
        low, high = sorted(sides)
        size = max(abs(low), abs(high), found.rms)
        slack = 1e-4 * size + 1e2 * found.noise[k]
        return (crossed or high - low > 1e-3 * size + slack) and low - slack <= found.a[k] <= high + slack

    def _tolerance(self, found: Comparison, k: Any = slice(None)) -> Any:
        """atol + rtol max(|yours|, |numeric|, rms)."""
        return self.atol + self.rtol * np.maximum(np.maximum(abs(found.a[k]), abs(found.n[k])), found.rms)

    def _judge(self, found: Comparison) -> None:
        found.allowed = self._tolerance(found) + found.noise
        found.wrong = ~(abs(found.a - found.n) <= found.allowed)  # so that NaN is wrong

    def _directions(self, probe: Probe, name: str, a: np.ndarray) -> list[Direction]:
        """Random ones through the whole array; one miss is enough to know, and the entries will show where."""
        found: list[Direction] = []
        for k in range(DIRECTIONS):
            r = normal((a.size,), self.seed, f"direction {k} of {name}")
            found.append(self._direction(probe, a, r / np.linalg.norm(r), (1.0, *RETRIES)))
            if found[-1].missed:
                break
        return found

    def _direction(self, probe: Probe, a: np.ndarray, r: np.ndarray, steps: tuple[float, ...]) -> Direction:
        """Yours and numeric along r, with the first of these steps at which they agree on one piece of the function."""
        for step in steps:
            slope, taken = probe.along(r, step)
            mine = float(a @ taken)
            size = max(abs(mine), abs(slope.value), float(np.linalg.norm(a * r)))
            found = Direction(mine, slope.value, self.atol + self.rtol * size + slope.noise, slope.h)
            if not (found.missed or slope.crossed):
                break
        return found

    def _locate(self, probe: Probe, a: np.ndarray) -> int:
        """An entry that is wrong, by halves: one direction through each."""
        low, high = 0, a.size
        r = normal((a.size,), self.seed, "halves")
        while high - low > 1:
            middle = (low + high) // 2
            half = np.zeros(a.size)
            half[low:middle] = r[low:middle] / np.linalg.norm(r[low:middle])
            low, high = (low, middle) if self._direction(probe, a, half, (1.0,)).missed else (middle, high)
        return low

    def _verdict(self, found: Comparison, directions: list[Direction], shape: tuple[int, ...]) -> Row:
        k = self._worst(found)
        if k is None:
            along = max(directions, key=lambda d: abs(d.yours - d.numeric) / d.allowed)
            yours, numeric, allowed, h = along.yours, along.numeric, along.allowed, along.h
            worst: tuple[int, ...] = ()
        else:
            yours, numeric, allowed, h = (float(x[k]) for x in (found.a, found.n, found.allowed, found.h))
            worst = tuple(int(i) for i in np.unravel_index(int(found.entries[k]), shape))
        largest = max([found.rms, *(abs(d.numeric) for d in directions)])
        noise = max([*found.noise, 10 * self.atol]) if len(found.noise) else 10 * self.atol
        zero, expected = largest < noise, found.name in self.expect_zero
        if found.wrong.any() or any(d.missed for d in directions) or (expected and not zero):
            verdict = WRONG
        elif found.kinks.any():
            verdict = KINK
        elif zero and not expected:
            verdict = TOO_SMALL if np.max(abs(found.yours), initial=0) > GARBAGE else NOTHING_TESTED
        else:
            verdict = OK
        return Row(
            found.name, verdict, len(found.entries), int(found.wrong.sum()), worst, yours, numeric, allowed, h,
            len(directions),
        )  # fmt: skip

    def _worst(self, found: Comparison) -> int | None:
        """The entry that disagrees most: of the wrong ones if there are any, then of those on a corner."""
        if not len(found.entries):
            return None
        among = found.wrong if found.wrong.any() else found.kinks if found.kinks.any() else np.ones(len(found.a), bool)
        return int(np.argmax(np.where(among, abs(found.a - found.n), -1.0)))
