"""What a person sees of a run, and how he stops it: the progress bar, and the handling of Ctrl-C."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LINE_SECONDS = 10.0  # between plain lines, where no progress bar can be shown


class Progress:
    """A tqdm bar on a terminal; elsewhere a plain line at most every ten seconds, and one at the end."""

    def __init__(self, done: int, total: int) -> None:
        self.done, self.first, self.total = done, done, total
        self.started = self.shown = time.perf_counter()
        self.bar: Any = None
        self.text = ""  # of the last row

    def __enter__(self) -> "Progress":
        if sys.stderr is not None and sys.stderr.isatty():  # None: a program without a console
            from tqdm import tqdm

            self.bar = tqdm(total=self.total, initial=self.done, unit="step", dynamic_ncols=True)
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()
        elif self.text:
            self._print_line()

    def advance(self) -> None:
        """One step is done."""
        self.done += 1
        if self.bar is not None:
            self.bar.update()

    def show(self, row: dict[str, float]) -> None:
        """Losses, and D's accuracy or a critic's estimate, from a row of the history."""
        accuracy = f"D's accuracy {row['d_accuracy']:.0%}" if "d_accuracy" in row else ""
        score = accuracy or f"Wasserstein estimate {row['w_estimate']:.3f}"
        self.text = f"D {row['d_loss']:.3f}  G {row['g_loss']:.3f}  {score}"
        if self.bar is not None:
            self.bar.set_postfix_str(self.text, refresh=False)
        elif time.perf_counter() - self.shown >= LINE_SECONDS:
            self._print_line()

    def _print_line(self) -> None:
        self.shown = time.perf_counter()
        rate = (self.done - self.first) / (self.shown - self.started)
        print(
            f"step {self.done:,} of {self.total:,}  {self.text}  {rate:.{0 if rate >= 10 else 1}f} steps/s", flush=True
        )


@dataclass
class Stop:
    """Set by Ctrl-C or a request to terminate: the step is finished, everything saved."""

    requested: bool = False


@contextlib.contextmanager
def stop_requests() -> Iterator[Stop]:
    """Turn the first Ctrl-C or SIGTERM into a request; a second one interrupts at once.

    Outside the main thread, where Python allows no signal handlers, nothing changes.
    """
    stop, previous = Stop(), {}

    def handler(number: int, frame: Any) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True
        print("\nfinishing this step and saving; once more to stop at once", file=sys.stderr)

    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, handler)
    try:
        yield stop
    finally:
        for number, old in previous.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)  # None: it was not Python's
