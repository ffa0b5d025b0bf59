"""What is wrong with a run, in words, with evidence and advice: a folder's, or one that goes on."""

import contextlib
from typing import Any

import numpy as np

from .checkpoint import load_model
from .diagnostics import HeldOut, Reader, read_lines
from .doctor_chart import Chart, Finding, Rule, table_in
from .doctor_rules import (
    clipping_pins,
    discriminator_memorises,
    discriminator_won,
    gradient_explodes,
    layer_dead,
    modes_collapsed,
    needs_steps,
    noise_ignored,
    oscillates,
    ranges_differ,
    rastered,
    rate_too_high,
    rate_too_low,
    slope_off,
    statistics_apart,
)
from .errors import MiniganError
from .loop import Training
from .printing import say
from .run import columns_of
from .run_directory import RunDirectory

# A finding that explains others keeps them silent.
RULES: dict[Rule, tuple[Rule, ...]] = {
    layer_dead: (noise_ignored, modes_collapsed, ranges_differ, discriminator_won, needs_steps, rate_too_low),
    rate_too_high: (modes_collapsed, discriminator_won, needs_steps, rate_too_low, oscillates, layer_dead),
    ranges_differ: (needs_steps, discriminator_won, discriminator_memorises),
    noise_ignored: (modes_collapsed, needs_steps, discriminator_won, ranges_differ),
    discriminator_won: (needs_steps,),
    discriminator_memorises: (modes_collapsed,),
    gradient_explodes: (modes_collapsed, needs_steps),
    clipping_pins: (needs_steps,),
    slope_off: (gradient_explodes, needs_steps),
    rate_too_low: (needs_steps, discriminator_won),
    statistics_apart: (needs_steps, modes_collapsed),
    modes_collapsed: (),
    rastered: (),
    oscillates: (needs_steps,),
    needs_steps: (),
}


def diagnose(chart: Chart) -> list[Finding]:
    """What is wrong with the run, in the order of the steps. [] for a healthy one, and for one too short to tell."""
    found = {rule: finding for rule in RULES if (finding := rule(chart)) is not None}
    for rule, others in RULES.items():
        if rule in found:
            found = {one: finding for one, finding in found.items() if one not in others}
    return sorted(found.values(), key=lambda finding: finding.step)


def examine(run: RunDirectory) -> list[Finding]:
    """`diagnose` of a run's folder. Raises FileError if no run is there, or its history or diagnostics are damaged."""
    config = run.read_config()
    layers, lines = read_lines(run.diagnostics)
    history = columns_of(run.read_rows()[1])
    digits = str(table_in(config, "data").get("name")) == "MNIST train"
    chart = Chart(history, lines, layers, table_in(config, "gan"), digits=digits)
    if chart.late:
        with contextlib.suppress(MiniganError):  # a generator that is missing, or has layers of a user's own
            chart.generator = load_model(run.generator, backend="numpy")
    return [*diagnose(chart), *_diverged(config, history)]


def _diverged(config: dict[str, Any], history: dict[str, np.ndarray]) -> list[Finding]:
    """What ended the run, if numbers did that were not finite."""
    kind, _, message = str(config.get("stopped")).partition(": ")
    if kind != "DivergedError":
        return []
    step = int(history["step"][-1]) if len(history["step"]) else 0
    return [Finding("The numbers stopped being finite", step, message.rstrip("."), "Lower the learning rates")]


class Doctor(Reader):
    """Say what is wrong while the run goes on, each thing once: `mg.train(..., callbacks=[Doctor()])`.

    held_out: as of Diagnostics, where the run has none. `findings` has what was found so far.
    Nothing in the run changes.
    """

    def __init__(self, held_out: HeldOut | None = None) -> None:
        super().__init__(held_out)
        self.findings: list[Finding] = []

    def on_log(self, training: Training, row: dict[str, float]) -> None:
        """Look at the run so far, and say what is new."""
        lines = self.measured.lines
        if lines and lines[-1]["step"] == training.step:
            self._look(training)

    def on_stop(self, training: Training) -> None:
        """The last look, unless an error ends the run."""
        if training.error is None:
            self._look(training)

    def _look(self, training: Training) -> None:
        lines = self.measured.lines
        known = {finding.name for finding in self.findings}
        for finding in diagnose(Chart(training.history, lines, self.measured.layers, training.gan.config())):
            if finding.name not in known:
                self.findings.append(finding)
                say(f"doctor: {finding}")
