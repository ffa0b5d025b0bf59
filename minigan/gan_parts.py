"""What a step of a GAN returns; and whether its parts fit each other: networks, objective, switches, real images.

Each of the checks raises SettingsError or ShapeError, and says what was given and what is wanted.
"""

from typing import Any, NamedTuple

from .augment import DiffAugment
from .backend import Array
from .errors import SettingsError, ShapeError, counted
from .generator import classes_of
from .layers import Layer, Sigmoid
from .losses import BCE, BCEWithLogits
from .network import Sequential
from .objectives import OBJECTIVES, Hinge, LeastSquares, NonSaturating, Objective, Relativistic, Wasserstein
from .optimizers import Optimizer, WeightClipping
from .packing import packed_shape
from .penalties import Penalty
from .schedules import BurnIn

NOISE = ("fresh", "same")
D_UPDATES = ("summed", "two_steps")


class Losses(NamedTuple):
    """What one step measured, as 0-d arrays: reading them makes a GPU wait, so read them only to log.

    Each is taken from the forward whose gradient was used, before the update that it led to. With several d_steps those
    of D are from the last, with several g_steps `g_loss` is. `d_loss` is d_loss_real + d_loss_fake + d_penalty; the
    halves are None where the objective sees both batches at once, the penalty where there is none. `d_score` is what
    the objective's `score` names: D's accuracy (0.5 is a coin toss), or a critic's estimate of the Wasserstein
    distance; `g_loss` is what G's update minimised.
    """

    d_loss: Array
    d_loss_real: Array | None
    d_loss_fake: Array | None
    d_penalty: Array | None
    d_score: Array
    g_loss: Array

    def values(self) -> list[Array]:
        """Those that are measured, in the order of `GAN.measures`."""
        return [value for value in self if value is not None]


def require_networks(G: Any, D: Any) -> None:
    """Both are networks, and not one and the same."""
    for name, net in (("G", G), ("D", D)):
        if not isinstance(net, Sequential) or not net.is_network:
            raise SettingsError(f"{name} is {net!r}; wanted a Sequential with an input_shape")
    if G is D:
        raise SettingsError("G and D are one network; a GAN takes two")


def as_objective(objective: Any, D: Sequential) -> Objective:
    """The objective itself, or the one of that name, with the loss that fits D's last layer."""
    name = "non-saturating" if objective is None else objective
    if isinstance(name, str) and name in OBJECTIVES:
        kind = OBJECTIVES[name]
        return kind(BCE()) if issubclass(kind, NonSaturating) and isinstance(last_layer(D), Sigmoid) else kind()
    if not isinstance(objective, Objective):
        names = ", ".join(map(repr, OBJECTIVES))
        raise SettingsError(f"objective is {objective!r}; wanted an object such as NonSaturating(), or one of {names}")
    _require_losses(objective)
    return objective


def _require_losses(objective: Objective) -> None:
    """Raises SettingsError for an objective that lacks a loss, or whose score has the name of another column."""
    kind = type(objective)
    needed = ("generator",) if objective.sees_both else ("real", "fake", "generator")
    missing = [name for name in needed if getattr(kind, name) is getattr(Objective, name)]
    if missing:
        raise SettingsError(
            f"{kind.__name__} has no {', '.join(missing)}: an objective has real(pred), fake(pred) and "
            f"generator(fake), or discriminator(real, fake) and generator(fake, real)"
        )
    if objective.score in {*Losses._fields, "step", "lr", "seconds"}:
        raise SettingsError(f"{kind.__name__}: score is {objective.score!r}, which the history has already: rename it")


def require_gradient(objective: Objective, dpred: Any, pred: Array) -> None:
    """Raises ShapeError unless the gradient has the shape of the predictions."""
    shape, wanted = getattr(dpred, "shape", None), pred.shape
    if shape != wanted:
        raise ShapeError(
            f"{objective!r} returned a gradient of shape {shape} for predictions of shape {wanted}: they must be equal"
        )


def numbers(objective: Objective, losses: list[Any]) -> list[Array]:
    """The losses and scores of a step, as they are. Raises ShapeError unless each is one number."""
    for loss in losses:
        if getattr(loss, "shape", ()) != ():
            raise ShapeError(f"{objective!r} returned a loss or score of shape {loss.shape}; wanted one number, a mean")
    return losses


def last_layer(D: Sequential) -> Layer:
    """D's last layer, also where it stands in a Sequential inside D."""
    last: Layer = D
    while isinstance(last, Sequential):
        last = last.layers[-1]
    return last


def require_fit(G: Sequential, D: Sequential, objective: Objective, pack: int = 1) -> None:
    """G's images, in packs, are D's inputs, D's outputs the objective's predictions, and all arrays of one kind."""
    _require_pack(G, pack)
    wanted = packed_shape(G.output_shape, pack)
    if pack > 1 and wanted != D.input_shape:
        raise ShapeError(
            f"G makes samples of shape {G.output_shape}, of which pack={pack} are {wanted}, and D takes {D.input_shape}"
        )
    if wanted != D.input_shape:
        swapped = ": are they swapped? GAN(G, D) takes the generator first" if D.output_shape == G.input_shape else ""
        raise ShapeError(f"G makes images of shape {G.output_shape} and D takes {D.input_shape}{swapped}")
    last, loss = last_layer(D), getattr(objective, "loss", None)
    if isinstance(loss, BCE | BCEWithLogits) and isinstance(loss, BCE) != isinstance(last, Sigmoid):
        raise SettingsError(f"D ends in {last!r}: BCE belongs behind a Sigmoid, BCEWithLogits behind a Dense")
    if isinstance(objective, LeastSquares | Hinge | Wasserstein | Relativistic) and isinstance(last, Sigmoid):
        raise SettingsError(f"D ends in {last!r}: {type(objective).__name__} takes scores of any size; leave it out")
    kinds = {(part.backend.name, part.dtype.name) for part in (G, D)}
    if len(kinds) > 1:
        raise SettingsError(f"G and D need one backend and one dtype; they have {sorted(map(str, kinds))}")
    classes = classes_of(G)
    if not classes and len(D.output_shape) == 1 and D.output_shape != (1,):
        raise ShapeError(
            f"D ends in {D.output_shape}, and G has no classes: end D in Dense(1), one score for an image; with "
            f"labels, G is a Generator(..., classes={D.output_shape[0]})"
        )
    if classes and D.output_shape != (classes,):
        raise ShapeError(
            f"G makes images of {counted(classes, 'class')}, and D ends in {D.output_shape}: end it in one number "
            f"for each class, Dense({classes}), of which that of the label counts"
        )


def _require_pack(G: Sequential, pack: int) -> None:
    if isinstance(pack, bool) or not isinstance(pack, int) or pack < 1:
        raise SettingsError(f"pack is {pack!r}; it must be a whole number, at least 1")
    if pack > 1 and classes_of(G):
        raise SettingsError(
            f"pack={pack}: G makes images of {counted(classes_of(G), 'class')}, and a pack has no one class that D's "
            f"numbers could be for: leave pack or the classes out"
        )


def as_augment(augment: Any, G: Sequential) -> DiffAugment | None:
    """The changes themselves, or those of that policy. Raises SettingsError unless G makes images."""
    augment = DiffAugment(augment) if isinstance(augment, str) else augment
    if not isinstance(augment, DiffAugment | None):
        raise SettingsError(f"augment is {augment!r}; wanted DiffAugment() or a policy such as 'color,translation'")
    if augment is not None and len(G.output_shape) != 3:
        raise SettingsError(f"{augment!r} changes images (h, w, c), and G makes samples of shape {G.output_shape}")
    return augment


def require_optimizers(G: Sequential, D: Sequential, g_optimizer: Any, d_optimizer: Any) -> None:
    """Each network has an optimizer of its own."""
    for name, optimizer, network in (("g_optimizer", g_optimizer, G), ("d_optimizer", d_optimizer, D)):
        if not isinstance(optimizer, Optimizer):
            raise SettingsError(f"{name} is {optimizer!r}; wanted an object such as Adam({name[0].upper()}, 2e-4, 0.5)")
        if optimizer.network is not network:
            raise SettingsError(f"{name} was made for another network; each network needs an optimizer of its own")


def require_switches(
    noise: str, d_update: str, d_steps: int, g_steps: int, clip: Any, penalty: Any, schedule: Any, ema: float | None
) -> None:
    """Every switch has one of its values, and a penalty goes with one update of D."""
    for name, value, choices in (("noise", noise, NOISE), ("d_update", d_update, D_UPDATES)):
        if value not in choices:
            raise SettingsError(f"{name} is {value!r}; the choices are {', '.join(choices)}")
    for name, count in (("d_steps", d_steps), ("g_steps", g_steps)):
        if not isinstance(count, int) or count < 1:
            raise SettingsError(f"{name} is {count!r}; it must be a whole number, at least 1")
    if not isinstance(clip, WeightClipping | None):
        raise SettingsError(f"clip is {clip!r}; wanted an object such as WeightClipping(0.01)")
    if not isinstance(penalty, Penalty | None):
        raise SettingsError(f"penalty is {penalty!r}; wanted an object such as GradientPenalty(10.0) or R1(10.0)")
    if penalty is not None and d_update != "summed":
        raise SettingsError(f"penalty={penalty!r} is a term of one loss of D: it needs d_update='summed'")
    if schedule is not None and not callable(schedule) and not isinstance(schedule, BurnIn):
        raise SettingsError(
            f"schedule is {schedule!r}; wanted a function of the step such as StepLR(1000, 0.5), or a BurnIn(images)"
        )
    if ema is not None and not 0 <= ema < 1:
        raise SettingsError(f"ema is {ema}; it must be at least 0 and less than 1")


def require_fused(fused: bool, penalty: Penalty | None) -> None:
    """A fused update has a penalty at the images of the two batches."""
    if not fused:
        return
    if penalty is None:
        raise SettingsError("fused=True is for D's loss with its penalty: give one, such as R1R2(1.0), or leave it out")
    if type(penalty).of_batches is Penalty.of_batches:
        raise SettingsError(
            f"fused=True: {penalty!r} looks at images that are in neither batch; R1 and R1R2 can be fused"
        )


def require_whole_packs(n: int, pack: int) -> None:
    """A batch of an update is packs, and nothing is left."""
    if n % pack:
        raise ShapeError(f"{counted(n, 'sample')} make no whole packs of {pack}: the batch must be a multiple of pack")


def require_range(x_real: Array, D: Sequential) -> None:
    """Real images outside [-1, 1], where G's lie, would be told apart by their range alone."""
    is_array = isinstance(x_real, D.backend.xp.ndarray)  # anything else, D.forward will refuse
    if is_array and len(D.input_shape) == 3 and not abs(x_real).max() <= 1:
        raise ShapeError(
            f"the real images have values outside [-1, 1], where G's lie: for bytes, write "
            f"x.astype({D.dtype.name!r}) / 127.5 - 1"
        )
