"""A whole GAN step as a function of D's or of G's parameters.

The step is run twice. The first time it is watched: what the optimizers found in `grads`, and how far they and the
clipping moved the parameters. Then it is repeated from slightly other parameters, with those very moves instead of
the optimizers': d_loss and g_loss follow the parameters, and every update happens, but no update depends on them. That
makes d<loss> / d<parameters> the gradient that the optimizer should have got, for every objective and every switch.
"""

from typing import Any

import numpy as np

from ..backend import Array
from ..gan import GAN
from ..network import Sequential
from ..optimizers import Optimizer
from .experiments import EXPLANATIONS
from .networks import hold_power_iteration, masks_of
from .report import OK, WRONG, Row
from .subjects import Subject, normal

ROWS = 6  # images in a batch
RULES = {
    "D": "D's gradient is that of the real plus the fake batch (add=True for the second), each back through its own "
    "forward",
    "G": "G's gradient comes through the D just updated, from the loss that the step returns and at its own noise",
}

LOST = {
    "D": "does a backward through D stop before it, or does another overwrite it?",
    "G": "it never learns. Does dx_fake come through D, as in G.backward(D.backward(dpred, params=False))?",
}


class Step:
    """A copy of a GAN in float64, and what its optimizers did in one step from where it is now."""

    def __init__(self, gan: GAN, x: Any, seed: int) -> None:
        self.gan = gan.clone(dtype="float64", backend="numpy")
        rows = -(-ROWS // gan.pack) * gan.pack * gan.d_steps
        given = normal((rows, *gan.G.output_shape), seed, "real") if x is None else x
        self.x = np.tanh(given) if x is None else self._images(x, seed)
        self.labels = np.arange(len(self.x)) % gan.classes if gan.classes else None
        for name, net in self.networks.items():  # no bias is 0: a ReLU of zeros is on its corner, and hides mistakes
            net.params += 0.1 * normal(net.params.shape, seed, f"parameters of {name}")
            hold_power_iteration(net, normal((ROWS, *net.input_shape), seed, "turn"))
        self.start = {name: (net.params.copy(), net.state.copy(), net.forwards) for name, net in self.networks.items()}
        self.params = {name: net.params.copy() for name, net in self.networks.items()}
        self.moves: dict[str, list[np.ndarray]] = {"D": [], "G": []}
        self.met = self.params["D"]  # D's parameters in its last forward, the one that G's gradient goes back through
        self.found: dict[str, list[np.ndarray]] = {"D": [], "G": []}
        self.clip = self.gan.clip
        self._watch()

    @property
    def networks(self) -> dict[str, Sequential]:
        """Both."""
        return {"D": self.gan.D, "G": self.gan.G}

    def grads(self, name: str) -> np.ndarray:
        """What the optimizer got for the loss that the step returns: that of its last update, in all its parts."""
        found = self.found[name]
        parts = max(1, len(found) // (self.gan.d_steps if name == "D" else self.gan.g_steps))
        return np.sum(found[-parts:], axis=0) if found else np.zeros_like(self.params[name])

    def replay(self) -> Any:
        """The losses of the step from `params`, with the moves of the first time."""
        for name, net in self.networks.items():
            _, state, forwards = self.start[name]
            net.params[...], net.state[...], net.forwards = self.params[name], state, forwards
        self.turn = {"D": 0, "G": 0}
        self.gan.steps, self.gan.seen = self.first
        self.masks: list[bytes] = []
        return self.gan.step(self.x, self.labels)

    def _images(self, x: Any, seed: int) -> np.ndarray:
        return np.tanh(normal(x, seed, "real")) if isinstance(x, tuple) else np.array(x, dtype=np.float64)

    def _watch(self) -> None:
        """Run the step once, and keep what the optimizers get and do; then have them repeat that."""
        gan, self.first = self.gan, (self.gan.steps, self.gan.seen)
        optimizers = {"D": gan.d_optimizer, "G": gan.g_optimizer}
        for name, optimizer in optimizers.items():
            optimizer.__dict__["step"] = self._watched(name, optimizer)
        if self.clip is not None:
            gan.clip = self._watched_clip  # type: ignore[assignment]
        forward = gan.D.forward

        def watched_forward(x: Array, *switches: Any, **named: Any) -> Array:
            self.met = gan.D.params.copy()
            return forward(x, *switches, **named)

        gan.D.__dict__["forward"] = watched_forward
        gan.step(self.x, self.labels)
        del gan.D.__dict__["forward"]
        self.left = gan.D.params.copy()
        if self.clip is not None:
            gan.clip = _no_clip  # type: ignore[assignment]
        for name, optimizer in optimizers.items():
            optimizer.__dict__["step"] = self._repeated(name)
        for net in self.networks.values():
            net.__dict__["forward"] = self._masked(net)
        if gan.penalty is None:  # with one, a loss depends on a backward
            for net in self.networks.values():
                net.__dict__["backward"] = _skipped(net)

    def _masked(self, net: Sequential) -> Any:
        """Its forward, after which the masks of its activations are kept."""
        forward = net.forward

        def masked(x: Array, *switches: Any, **named: Any) -> Array:
            y = forward(x, *switches, **named)
            self.masks.append(masks_of(net))
            return y

        return masked

    def _watched(self, name: str, optimizer: Optimizer) -> Any:
        step, net = optimizer.step, self.networks[name]

        def watched() -> None:
            self.found[name].append(net.grads.copy())
            before = net.params.copy()
            step()
            self.moves[name].append(net.params - before)

        return watched

    def _watched_clip(self, network: Sequential) -> None:
        before = network.params.copy()
        if self.clip is not None:
            self.clip(network)
        name = "D" if network is self.gan.D else "G"
        self.moves[name][-1] += network.params - before

    def _repeated(self, name: str) -> Any:
        net = self.networks[name]

        def repeated() -> None:
            net.params += self.moves[name][self.turn[name]]
            self.turn[name] += 1

        return repeated


def _no_clip(network: Sequential) -> None:
    """What clipping moved is in the moves already."""


def _skipped(net: Sequential) -> Any:
    """A backward that takes no time: only the losses are wanted."""

    def skipped(dy: Array, *switches: Any, **named: Any) -> Array:
        net.discard()
        return np.zeros((len(dy), *net.input_shape))

    return skipped


class StepSubject(Subject):
    """One of the step's two losses, as a function of the network that minimises it."""

    def __init__(self, step: Step, name: str) -> None:
        self.step, self.name = step, name
        self.slots = step.networks[name].slots
        self.arrays = {f"{name}.{slot.name}": slot.view(step.params[name]) for slot in self.slots}

    def forward(self) -> Any:
        """d_loss, or g_loss."""
        return np.array(getattr(self.step.replay(), f"{self.name.lower()}_loss"))

    def pattern(self) -> bytes:
        """The masks of all forwards of the last replay."""
        return b"".join(self.step.masks)

    def backward(self, dy: Any) -> dict[str, Any]:
        """What the optimizer got."""
        grads = self.step.grads(self.name)
        return {f"{self.name}.{slot.name}": dy * slot.view(grads) for slot in self.slots}

    def complaints(self) -> list[str]:
        """What is wrong before any number is compared."""
        found = [] if self.step.found[self.name] else [f"the step never updates {self.name}"]
        if self.name == "G" and not np.array_equal(self.step.met, self.step.left):
            found.append(
                "G's update did not go through the D that the step leaves behind: D was updated, so it has to run "
                "forward again, with its new parameters and activations"
            )
        if not np.array_equal(self.forward(), self.forward(), equal_nan=True):
            found.append(f"the step gives another {self.name.lower()}_loss the second time, from the same start")
        return found


def both_halves(gan: GAN, x: Any, seed: int) -> tuple[StepSubject, StepSubject]:
    """D's half of a step and G's."""
    step = Step(gan, x, seed)
    return StepSubject(step, "D"), StepSubject(step, "G")


def without_penalty(gan: GAN) -> GAN:
    """An equal GAN with no term beside the objective's."""
    other = gan.clone()
    other.penalty, other.fused = None, False
    return other


def one_by_one(gan: GAN) -> GAN:
    """An equal GAN that takes D's loss and its penalty one after the other."""
    other = gan.clone()
    other.fused = False
    return other


def step_cause(row: Row, halves: tuple[StepSubject, StepSubject]) -> str:
    """What a wrong gradient of a step looks like."""
    if row.verdict != WRONG:
        return "" if row.verdict == OK else EXPLANATIONS[row.verdict].format(name=row.name)
    half = next(half for half in halves if row.name in half.arrays)
    yours = half.backward(1.0)[row.name]
    if not yours.any():
        return f"no gradient reaches {row.name}: {LOST[half.name]}"
    ratio = row.yours / row.numeric if row.numeric else 0.0
    for value, words in ((-1.0, "the sign is wrong"), (2.0, "it is there twice"), (0.5, "half of it is missing")):
        if abs(ratio / value - 1) < 1e-5:
            return f"yours / numeric = {ratio:.6g} at the worst entry: {words}"
    return f"the networks and the objective are right alone, so the mistake is in the step: {RULES[half.name]}"
