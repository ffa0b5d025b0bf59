"""How many threads may compute: what the user says, or the cores that this program is given."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import SettingsError, counted


def thread_count() -> int:
    """MINIGAN_THREADS; or one for each usable core, but no more than OMP_NUM_THREADS, which other libraries follow.

    Raises SettingsError if MINIGAN_THREADS is no number.
    """
    return wanted_threads() or min(usable_cores(), _omp_threads() or math.inf)  # type: ignore[return-value]


def why_so_many() -> str:
    """Where the number of threads comes from, in a sentence. Raises SettingsError as `thread_count` does."""
    cores = counted(usable_cores(), "core")
    if wanted_threads():
        return f"as MINIGAN_THREADS says; this program may use {cores}"
    if thread_count() < usable_cores():
        return f"as OMP_NUM_THREADS says; this program may use {cores}"
    shared = " by its control group's share of their time" if _quota(Path("/")) is not None else ""
    return f"one for each of the {cores} that this program may use{shared}"


def wanted_threads() -> int | None:
    """The environment variable MINIGAN_THREADS, or None if it is not set. Raises SettingsError for anything else."""
    value = os.environ.get("MINIGAN_THREADS")
    if not value:
        return None
    if not _is_count(value):
        raise SettingsError(
            f"environment variable MINIGAN_THREADS is {value!r}; wanted how many threads to compute with, 1 or more"
        )
    return int(value)


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may run on; of a container that has a share of their time, as many as that is, rounded
    up.    root: of the file system
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not every system has it
        allowed = os.cpu_count() or 1
    quota = _quota(root)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _omp_threads() -> int | None:
    """OMP_NUM_THREADS, or the first of several, for nested regions; None if it says nothing."""
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if _is_count(first) else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) > 0


def _quota(root: Path) -> float | None:
    """The cores' time that Linux gives the control group of this process, or one around it: 1.5 cores, say."""
    shares = (share for folder in _groups(root) if (share := _share(folder)) is not None)
    return min(shares, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """The folders of the control groups that this process is in, of version 2 and of version 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:  # "0::/user.slice" of version 2, "4:cpu,cpuacct:/docker/4f1e" of version 1
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):  # in a container, only the outermost may be there
            yield mount.joinpath(*parts[:depth])


def _share(folder: Path) -> float | None:
    """Quota / period, both in microseconds; None without a quota."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = map(int, " ".join((folder / name).read_text(encoding="utf-8") for name in names).split())
        except (OSError, ValueError):  # "max 100000" is no quota
            continue
        if quota > 0 and period > 0:  # -1 is none
            return quota / period
    return None
