"""`Live()`: the page of a run in a notebook, which grows as the run goes on."""

import json
import time
from typing import Any
from uuid import uuid4

import numpy as np

from ..diagnostics import HeldOut, Reader
from ..doctor import diagnose
from ..doctor_chart import Chart
from ..loop import Training
from .collect import data_url, of_lines, thin_columns

SECONDS = 0.5  # at least, between two changes
MOST = 40  # sample grids that are kept
HEIGHT = 760  # pixels of the frame


class Live(Reader):
    """Show the run below the cell, while it runs: `mg.train(gan, data, steps=2000, callbacks=[mg.Live()])`.

    It is the page of `minigan report`, in place, at most twice a second; and it stays when the notebook is saved.
    Without a notebook nothing is shown, and the run is what it would be.

    held_out: as of Diagnostics, where the run has none
    """

    def __init__(self, held_out: HeldOut | None = None) -> None:
        super().__init__(held_out)
        self.grids: list[dict[str, Any]] = []
        self.display: Any = None
        self.shown = 0.0

    def on_start(self, training: Training) -> None:
        """Put the frame below the cell."""
        super().on_start(training)
        shell = _shell()
        if shell is None:
            return
        from IPython.display import HTML, display

        from .pages import frame, page

        self.name = f"minigan-{uuid4().hex}"
        first = page(self.data(training) | {"live": "message"}, training.record.name)
        display(HTML(f"<div>{frame(first, HEIGHT, self.name)}</div>"))
        self.display = display(HTML(""), display_id=True)

    def on_log(self, training: Training, row: dict[str, float]) -> None:
        """Show the rows so far, unless something was shown just now."""
        if time.perf_counter() - self.shown >= SECONDS:
            self._show(training)

    def on_sample(self, training: Training, images: np.ndarray) -> None:
        """Keep the grid, and show it."""
        picture = training.picture(images)
        content = None if picture is None else picture._repr_png_()
        if content is None:
            return
        self.grids.append({"step": training.step, "url": data_url("png", content)})
        if len(self.grids) > MOST:
            self.grids = self.grids[:-1:2] + self.grids[-1:]
        if time.perf_counter() - self.shown >= SECONDS:
            self._show(training)

    def on_stop(self, training: Training) -> None:
        """The last state."""
        self._show(training)

    def data(self, training: Training) -> dict[str, Any]:
        """What the page shows of the run so far."""
        record, history = training.record, training.history
        layers, lines = self.measured.layers, self.measured.lines
        found = diagnose(Chart(history, lines, layers, training.gan.config()))
        run = {
            "name": record.name, "path": record.name, "steps": training.step, "stopped": training.stopped, "bars": {},
            "settings": {name: str(value) for name, value in vars(record.plan).items()},
            "about": {"data": str(record.data.get("name"))}, "history": thin_columns(history),
            **of_lines(layers, lines), "grids": self.grids, "findings": [one._asdict() for one in found], "notes": [],
        }  # fmt: skip
        return {"kind": "runs", "runs": [run]}

    def _show(self, training: Training) -> None:
        self.shown = time.perf_counter()
        if self.display is None:
            return
        from IPython.display import HTML

        text = json.dumps({"minigan": self.data(training)}, allow_nan=False).replace("<", "\\u003c")
        # A script of a notebook's output runs when the output is shown; the frame may still be loading.
        script = (
            f'<script>(() => {{ const frame = document.getElementById("{self.name}"), news = {text}, '
            f'tell = () => frame.contentWindow.postMessage(news, "*"); tell(); frame.onload = tell; }})()</script>'
        )
        self.display.update(HTML(script))


def _shell() -> Any:
    """IPython's shell of a notebook; None elsewhere."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    shell = get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None
