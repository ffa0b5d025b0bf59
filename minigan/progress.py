"""What a person sees of a run, and how to stop it: the progress bar, and the handling of Ctrl-C.

Nothing here can end a run: where standard output is closed, full, or a pipe that nobody reads, it trains on in silence.
"""

import contextlib
import importlib.util
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from .printing import is_terminal, note, say

LINE_SECONDS = 10.0  # between plain lines, where no progress bar can be shown
CTRL_C = "Ctrl-C"
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows has the last one in place of SIGHUP
NO_SCORE = ("step", "d_loss", "d_loss_real", "d_loss_fake", "d_penalty", "g_loss", "lr", "seconds")
WORDS = {"w_estimate": "Wasserstein estimate"}


def in_notebook() -> bool:
    """Whether this runs in a cell of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class Counted(Protocol):
    """What the bar needs of a run under way."""

    steps: int  # at which it ends; `step` is where it is

    @property
    def step(self) -> int:
        """Steps so far."""
        ...

    @property
    def first_step(self) -> str:
        """What the first one does besides, in a word; or nothing."""
        ...


class ProgressBar:
    """A callback: tqdm's bar on a terminal, or in a notebook that has ipywidgets; elsewhere a plain line at most every
    ten seconds, and one at the end of a run that had such lines.
    """

    def __init__(self) -> None:
        self.bar: Any = None
        self.text = ""  # of the last row

    def on_start(self, training: Counted) -> None:
        """Show the bar."""
        self.first, self.lines = training.step, 0
        self.started = self.shown = time.perf_counter()
        kind = _bar_class()
        if kind is not None and training.step < training.steps:
            self._show(lambda: kind(total=training.steps, initial=training.step, unit="step", dynamic_ncols=True))
        if training.first_step:
            self._say(training.first_step)

    def on_step(self, training: Counted, losses: object) -> None:
        """One step is done."""
        if self.bar is not None:
            if training.first_step and training.step == self.first + 1:
                self._say("")
            self._show(lambda: self.bar.update() and None or self.bar)

    def on_log(self, training: Counted, row: Mapping[str, float]) -> None:
        """Show the row."""
        self.text = in_words(row)
        if self.bar is not None:
            self.bar.set_postfix_str(self.text, refresh=False)
        elif time.perf_counter() - self.shown >= LINE_SECONDS:
            self._print_line(training)

    def on_stop(self, training: Counted) -> None:
        """Close the bar."""
        if self.bar is not None:
            with contextlib.suppress(Exception):
                self.bar.close()
        elif self.lines:
            self._print_line(training)

    def _show(self, bar: Callable[[], Any]) -> None:
        """The bar after this change; none from now on if it cannot be shown."""
        try:
            self.bar = bar()
        except Exception:  # whatever a closed stream or a widget without a front end raises
            self.bar = None

    def _say(self, words: str) -> None:
        """Behind the bar, at once."""
        if self.bar is not None:
            self._show(lambda: self.bar.set_postfix_str(words) or self.bar)

    def _print_line(self, training: Counted) -> None:
        self.shown, self.lines = time.perf_counter(), self.lines + 1
        rate = (training.step - self.first) / (self.shown - self.started)
        say(f"step {training.step:,} of {training.steps:,}  {self.text}  {rate:.{0 if rate >= 10 else 1}f} steps/s")


def in_words(row: Mapping[str, float]) -> str:
    """Both losses, D's accuracy or another score, and the measures of callbacks: "D 1.250  G 0.750  modes 7"."""
    others = [name for name in row if name not in NO_SCORE]
    scores = [
        f"D's accuracy {row[name]:.0%}" if name == "d_accuracy" else f"{WORDS.get(name, name)} {number(row[name])}"
        for name in others
    ]
    return "  ".join([f"D {number(row['d_loss'])}", f"G {number(row['g_loss'])}", *scores])


def number(value: float) -> str:
    """Three decimals, or two digits of a number that would vanish; a whole number as it is."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.2g}"


def _bar_class() -> Any:
    """tqdm's class for where this runs, or None."""
    if in_notebook():
        if importlib.util.find_spec("ipywidgets") is None:
            return None
        from tqdm.notebook import tqdm as widget

        return widget
    if not is_terminal(sys.stderr):
        return None
    from tqdm import tqdm

    return tqdm


@contextlib.contextmanager
def stop_requests(stop: Callable[[str], None]) -> Iterator[None]:
    """Turn the first Ctrl-C, SIGTERM or SIGHUP into stop("Ctrl-C"), or its name; a second one interrupts at once.

    What is ignored stays so (nohup ignores SIGHUP). Outside the main thread, where Python allows no signal handlers,
    nothing changes.
    """
    previous: dict[int, Any] = {}
    asked = False

    def handler(number: int, frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        stop(CTRL_C if number == signal.SIGINT else signal.Signals(number).name)
        note("\nfinishing this step; once more to stop at once")

    with contextlib.suppress(ValueError):
        for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)  # None: it was not Python's
