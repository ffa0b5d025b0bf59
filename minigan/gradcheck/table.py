"""The table of what minigan is made of, in small: every layer, loss and objective, and whole steps with every switch.

`python -m minigan gradcheck --all` and the tests run over it. Sizes are small, odd and unequal, so that a transpose or
a swapped axis cannot go unseen; batches of one where that is legal, strides that do not divide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..augment import DiffAugment
from ..gan import GAN
from ..generator import Generator
from ..layers import (
    AveragePooling2D,
    Basis,
    BatchNorm,
    Bias,
    BlurDownSampling2D,
    BlurUpSampling2D,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    LabelEmbedding,
    Layer,
    LeakyReLU,
    MinibatchStd,
    ReLU,
    Reshape,
    Residual,
    Sigmoid,
    SpectralNorm,
    Tanh,
    UpSampling2D,
    UpSamplingConv2D,
    ZeroPadding2D,
)
from ..losses import BCE, BCEWithLogits, Loss, MeanSquaredError, SoftmaxCrossEntropy
from ..network import Sequential
from ..objectives import Hinge, LeastSquares, NonSaturating, Objective, Relativistic, Saturating, Wasserstein
from ..optimizers import Adam, WeightClipping
from ..packing import packed_shape
from ..penalties import R1, R1R2, GradientPenalty
from .subjects import normal


@dataclass(frozen=True)
class Case:
    """A layer and the shape of an input, with the batch."""

    layer: Layer
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.layer!r}-{'x'.join(map(str, self.shape))}".replace(" ", "")


@dataclass(frozen=True)
class LossCase:
    """A loss, predictions, and targets: None for 0 and 1 in turn."""

    loss: type[Loss]
    pred: np.ndarray
    labels: float | None


@dataclass(frozen=True)
class StepCase:
    """A GAN with a name, real images, and the gradients of its step that are truly 0."""

    name: str
    gan: GAN
    expect_zero: tuple[str, ...]


LAYERS = [
    Case(Dense(5), (7, 3)),
    Case(Dense(1), (1, 11)),
    Case(Dense(4), (2, 1)),
    Case(Dense(3, bias=False), (5, 2)),
    Case(Bias(), (7, 3)),
    Case(Bias(), (1, 3, 2, 5)),
    Case(Basis((3, 2)), (5, 4)),
    Case(Basis(1), (1, 3)),
    Case(BatchNorm(momentum=0.8, eps=1e-3), (7, 3)),
    Case(BatchNorm(), (5, 1)),
    Case(BatchNorm(), (3, 5, 2, 4)),
    Case(BatchNorm(), (1, 3, 2, 2)),
    Case(BatchNorm(eps=0.5), (4, 6, 3)),
    Case(LeakyReLU(0.2), (7, 3)),
    Case(LeakyReLU(0.0), (3, 2, 5)),
    Case(LeakyReLU(0.01), (1, 13)),
    Case(ReLU(), (7, 5)),
    Case(Tanh(), (3, 4, 2, 1)),
    Case(Tanh(), (1, 3)),
    Case(Sigmoid(), (5, 3)),
    Case(Dropout(0.3), (5, 7)),
    Case(Dropout(0.0), (2, 3)),
    Case(Flatten(), (3, 2, 5)),
    Case(Flatten(), (1, 2, 3, 5)),
    Case(Reshape((5, 2, 3)), (4, 30)),
    Case(Conv2D(3, 3), (2, 5, 7, 2)),
    Case(Conv2D(4, 3, 1, "same"), (2, 4, 3, 3)),
    Case(Conv2D(3, 4, 2, 1), (2, 7, 6, 2)),  # (7 + 2 - 4) % 2 != 0: the last row is not seen
    Case(Conv2D(3, 3, 2, "same"), (2, 6, 5, 2)),  # zeros (0, 1) above and below, (1, 1) left and right
    Case(Conv2D(2, 5, 3, 1), (3, 9, 8, 2)),
    Case(Conv2D(2, (2, 3), (3, 4), ((0, 2), (1, 0))), (2, 7, 9, 3)),  # a kernel smaller than its stride
    Case(Conv2D(2, 5, 2, 0, bias=False), (2, 6, 6, 2)),
    Case(Conv2D(3, 1), (1, 1, 1, 2)),
    Case(Conv2D(1, 3, 1, "same"), (1, 1, 1, 1)),
    Case(Conv2D(2, 1, 2), (1, 4, 5, 3)),
    Case(Conv2D(1, 3, 1, "same"), (2, 4, 5, 4)),  # few channels behind it, and few before it: other ways to the same
    Case(Conv2D(8, (2, 3), 1, ((0, 1), (2, 1))), (2, 4, 3, 2)),
    Case(Conv2D(4, 3, 2, 1, groups=2), (2, 5, 7, 6)),
    Case(Conv2D(6, (2, 3), 1, ((0, 1), (2, 1)), groups=3), (2, 4, 3, 6)),
    Case(Conv2D(6, 1, groups=2), (1, 2, 3, 4)),
    Case(Conv2D(3, 3, 1, "same", groups=3), (2, 4, 5, 3)),  # depthwise
    Case(Conv2D(6, (3, 2), 2, 1, groups=3), (1, 5, 4, 3)),  # two outputs for each channel
    Case(Conv2D(4, (3, 4), bias=False, groups=4), (3, 3, 4, 4)),  # the kernel covers the image
    Case(Conv2DTranspose(3, 3), (2, 3, 5, 2)),
    Case(Conv2DTranspose(4, 4, 2, 1), (2, 3, 2, 3)),
    Case(Conv2DTranspose(2, 6, 2), (3, 1, 1, 5)),
    Case(Conv2DTranspose(3, 5, 3, 1), (2, 3, 4, 2)),
    Case(Conv2DTranspose(2, 3, 2, 1, output_padding=(1, 0)), (2, 3, 4, 3)),
    Case(Conv2DTranspose(2, 3, 2, "same"), (1, 3, 2, 4)),
    Case(Conv2DTranspose(2, (2, 1), (3, 2), ((1, 0), (0, 0)), bias=False), (2, 3, 4, 2)),
    Case(Conv2DTranspose(2, 2, 3, "same"), (2, 2, 3, 1)),
    Case(Conv2DTranspose(1, 1), (1, 1, 1, 3)),
    Case(UpSampling2D(2), (2, 3, 4, 2)),
    Case(UpSampling2D((3, 1)), (1, 2, 5, 3)),
    Case(UpSamplingConv2D(3, 3), (2, 3, 4, 2)),
    Case(UpSamplingConv2D(2, (2, 3), (3, 2), "valid"), (1, 3, 2, 3)),
    Case(UpSamplingConv2D(2, 4, 2, ((1, 2), (0, 3)), bias=False), (2, 3, 2, 2)),
    Case(UpSamplingConv2D(1, 1, 3), (1, 1, 1, 2)),
    Case(BlurUpSampling2D(), (2, 3, 4, 2)),
    Case(BlurUpSampling2D(), (1, 1, 5, 3)),
    Case(BlurDownSampling2D(), (2, 4, 6, 2)),
    Case(BlurDownSampling2D(), (1, 5, 3, 3)),  # the last row and column are seen as neighbours alone
    Case(BlurDownSampling2D(), (1, 2, 7, 1)),
    Case(ZeroPadding2D(1), (2, 3, 4, 2)),
    Case(ZeroPadding2D(((0, 1), (0, 2))), (1, 3, 2, 2)),
    Case(Cropping2D(1), (2, 5, 4, 2)),
    Case(Cropping2D(((0, 2), (1, 0))), (1, 3, 3, 2)),
    Case(AveragePooling2D(2), (2, 5, 4, 3)),
    Case(AveragePooling2D((3, 2), (2, 1)), (2, 6, 5, 2)),
    Case(AveragePooling2D(1, 2), (1, 1, 3, 2)),
    Case(GlobalAveragePooling2D(), (3, 4, 5, 2)),
    Case(GlobalAveragePooling2D(), (1, 1, 1, 3)),
    # Twice the same forward, as many tests want it: u and v held fixed, or of a single column, found at once.
    Case(SpectralNorm(Dense(4), iterations=0), (7, 3)),
    Case(SpectralNorm(Dense(1)), (5, 3)),
    Case(SpectralNorm(Conv2D(3, (2, 3), 2, "same"), iterations=0), (2, 5, 4, 2)),
    Case(SpectralNorm(Conv2D(1, 3, bias=False), iterations=2), (1, 4, 3, 2)),
    Case(SpectralNorm(Conv2D(4, 3, 1, "same", groups=2), iterations=0), (2, 3, 4, 6)),
    # Layers that hold layers; two curved ones in a row, so that the second derivative goes through the first.
    Case(Sequential([Dense(4), Tanh(), Dense(3)]), (5, 2)),
    Case(Sequential([Conv2D(2, 3, 1, "same"), Sequential([Sigmoid(), Dropout(0.3)])]), (2, 3, 4, 2)),
    Case(Residual(Dense(3), Tanh(), Dense(3), Sigmoid()), (5, 3)),
    Case(Residual(Dense(4), Tanh(), shortcut=Dense(4)), (1, 3)),
    Case(Residual(Tanh(), shortcut=Sequential([Dense(5), Sigmoid(), Dense(3)])), (4, 3)),
    Case(Residual(Residual(Dense(3), Tanh()), Dense(3), Sigmoid()), (4, 3)),
    Case(Residual(Conv2D(3, 3, 2, 1), LeakyReLU(0.2), Conv2D(3, 3, 1, "same"), shortcut=Conv2D(3, 1, 2)), (2, 5, 4, 2)),
    Case(Residual(Tanh(), SpectralNorm(Conv2D(2, 3, 1, "same"), iterations=0)), (2, 3, 4, 2)),
    Case(LabelEmbedding(3, 4), (5, 7)),
    Case(LabelEmbedding(2, 1), (1, 2)),  # no noise at all
    Case(MinibatchStd(), (8, 3)),
    Case(MinibatchStd(3), (5, 2, 3, 2)),  # one group of five
    Case(MinibatchStd(3), (8, 2, 1, 3)),  # groups of four and four
    Case(MinibatchStd(2), (5, 3)),  # of three and two
    Case(MinibatchStd(4), (1, 2, 3, 1)),  # nothing to compare: s has no slope
]

PROBABILITIES = np.array([[0.03], [0.4], [0.5], [0.77], [0.99], [0.2], [0.6]])
LOGITS = np.array([[-30.0], [-3.1], [0.1], [0.0], [2.5], [17.0], [30.0], [-0.4]])
LOSSES = [
    LossCase(BCE, PROBABILITIES, None),
    LossCase(BCE, PROBABILITIES, 1.0),
    LossCase(BCE, PROBABILITIES, 0.0),
    LossCase(BCE, PROBABILITIES.reshape(1, 7), 0.9),
    LossCase(BCEWithLogits, LOGITS, None),
    LossCase(BCEWithLogits, LOGITS, 1.0),
    LossCase(BCEWithLogits, LOGITS, 0.0),
    LossCase(BCEWithLogits, LOGITS.reshape(2, 4), 0.9),
    LossCase(MeanSquaredError, LOGITS, None),
    LossCase(MeanSquaredError, PROBABILITIES.reshape(1, 7), 0.9),
    LossCase(SoftmaxCrossEntropy, LOGITS.reshape(2, 4) / 5, None),
    LossCase(SoftmaxCrossEntropy, PROBABILITIES.reshape(1, 7), None),
]


def objectives() -> list[tuple[Objective, np.ndarray]]:
    """Every objective, with predictions that it takes."""
    logits, probabilities = BCEWithLogits(), BCE()
    return [
        (NonSaturating(logits), LOGITS), (NonSaturating(logits, real_target=0.9), LOGITS),
        (NonSaturating(probabilities), PROBABILITIES), (Saturating(logits), LOGITS),
        (Saturating(probabilities), PROBABILITIES), (LeastSquares(), LOGITS), (Hinge(), LOGITS),
        (Wasserstein(), LOGITS), (Relativistic(), LOGITS), (Relativistic(MeanSquaredError()), LOGITS),
        (Relativistic(Hinge()), LOGITS / 7),
    ]  # fmt: skip


def steps() -> Iterator[StepCase]:
    """Whole steps of small GANs: every objective with every switch, clipped critics, penalties, classes and blocks.

    Dense GANs are checked in a tenth of a second, and have every combination; what is the same code in the others, such
    as a switch beside every objective, is not repeated there.
    """
    kinds = [(kind, loss) for kind in (NonSaturating, Saturating) for loss in (BCEWithLogits, BCE)]
    made: list[Objective] = [kind(loss()) for kind, loss in kinds]
    made += [LeastSquares(), Hinge(), Wasserstein()]
    both: list[Objective] = [Relativistic(), Relativistic(Hinge())]
    cross_entropy, wasserstein = made[0], made[-1]
    for objective in made:
        for noise in ("fresh", "same"):
            for d_update in ("summed", "two_steps"):
                yield dense_gan(objective, noise=noise, d_update=d_update)
        yield convolutional_gan(objective, noise="same", d_update="two_steps")
    for build in (dense_gan, convolutional_gan):
        for objective in (cross_entropy, wasserstein):
            yield build(objective, d_steps=3, noise="same", clip=WeightClipping(0.3))
        yield build(wasserstein, d_steps=2, penalty=GradientPenalty(10.0))
        yield build(cross_entropy, penalty=R1(3.0))
        yield build(cross_entropy, g_steps=2)
        yield build(cross_entropy)
    for classes in (0, 3):
        for objective in (*both, *(made if classes else [])):
            yield dense_gan(objective, classes=classes)
        yield dense_gan(both[0], classes=classes, noise="same", g_steps=2, penalty=R1(3.0))
        yield convolutional_gan(both[0], classes=classes)
        yield residual_gan(both[1], classes=classes)
    yield dense_gan(wasserstein, classes=3, d_steps=2, penalty=GradientPenalty(10.0))
    yield residual_gan(both[0], noise="same", g_steps=2)
    yield from shown_otherwise()
    yield residual_gan(wasserstein, penalty=GradientPenalty(10.0))
    yield residual_gan(cross_entropy, classes=3, penalty=R1(3.0))
    for classes in (0, 3):
        yield residual_gan(both[0], classes=classes, penalty=R1R2(2.0))
        yield fused_gan(both[0], classes=classes, penalty=R1R2(2.0), fused=True)
    yield fused_gan(cross_entropy, penalty=R1(3.0), fused=True, d_steps=2, noise="same")
    yield dense_gan(cross_entropy, d_steps=2, penalty=R1R2(2.0))


def shown_otherwise() -> Iterator[StepCase]:
    """Steps in which D sees changed images, or packs of them."""
    everything = DiffAugment()
    yield convolutional_gan(NonSaturating(), augment=everything)
    yield convolutional_gan(Hinge(), augment=everything, noise="same", d_update="two_steps", d_steps=2)
    yield convolutional_gan(Relativistic(), classes=3, augment=DiffAugment("translation,cutout"), g_steps=2)
    yield convolutional_gan(Wasserstein(), augment=everything, penalty=GradientPenalty(10.0))
    yield residual_gan(Relativistic(), augment=DiffAugment("color"), penalty=R1R2(2.0))
    yield dense_gan(NonSaturating(), pack=2, noise="same")
    yield dense_gan(Relativistic(), pack=3, d_steps=2, g_steps=2)
    yield dense_gan(Wasserstein(), pack=2, penalty=GradientPenalty(10.0))
    yield convolutional_gan(Hinge(), pack=2, augment=everything)
    yield convolutional_gan(Hinge(), pack=2, augment=everything, penalty=R1(3.0), fused=True)


def dense_gan(objective: Objective, classes: int = 0, **switches: Any) -> StepCase:
    """Dense networks, BatchNorm in G behind the activation; labels get an embedding."""
    G = [Dense(6), LeakyReLU(0.2), BatchNorm(momentum=0.8), Dense(6), Tanh(), Reshape((3, 2, 1))]
    if classes:
        G = [LabelEmbedding(classes, 2), *G]
    D = [Flatten(), Dense(7), LeakyReLU(0.2), Dense(classes or 1)]
    return _step_case("dense", objective, G, D, 4, classes, switches)


def convolutional_gan(objective: Objective, classes: int = 0, **switches: Any) -> StepCase:
    """Convolutions, BatchNorm in both networks and Dropout in D; a D whose slope is penalised has no BatchNorm."""
    norm = [] if "penalty" in switches else [BatchNorm()]
    G = [
        Reshape((1, 1, 3 + classes)), Conv2DTranspose(4, (2, 3), bias=False), BatchNorm(), ReLU(),
        Conv2DTranspose(2, 4, 2, 1), Tanh(),
    ]  # fmt: skip
    D = [Conv2D(3, 3, 2, 1), LeakyReLU(0.2), Dropout(0.3), Conv2D(3, (2, 3), 1, "same", bias=not norm), *norm]
    D += [LeakyReLU(0.2), Flatten(), Dense(classes or 1)]
    return _step_case("convolutional", objective, G, D, 3, classes, switches)


def residual_gan(objective: Objective, classes: int = 0, **switches: Any) -> StepCase:
    """Residual blocks in both networks, with and without a shortcut, with SpectralNorm inside, curved ones."""
    G = [
        Dense(12), Reshape((2, 2, 3)), Residual(Conv2D(3, 3, 1, "same", bias=False), BatchNorm(), Tanh()),
        Residual(UpSamplingConv2D(2, 3), shortcut=UpSamplingConv2D(2, 1)), Tanh(),
    ]  # fmt: skip
    D = [
        Residual(Conv2D(3, 3, 1, "same"), Tanh(), Conv2D(3, 1), shortcut=Conv2D(3, 1)),
        Residual(SpectralNorm(Conv2D(3, 3, 2, 1)), LeakyReLU(0.2), shortcut=Sequential([Conv2D(3, 1, 2), Tanh()])),
        Residual(LeakyReLU(0.2), SpectralNorm(Conv2D(3, 3, 1, 1))), LeakyReLU(0.2), Flatten(), Dense(classes or 1),
    ]  # fmt: skip
    return _step_case("residual", objective, G, D, 3, classes, switches)


def fused_gan(objective: Objective, classes: int = 0, **switches: Any) -> StepCase:
    """R3GAN in small: a learned image to begin with, blurred resizing, groups; a D that is piecewise linear."""
    G = [
        Dense(2, bias=False), Basis(2), BlurUpSampling2D(),
        Residual(Conv2D(4, 1), LeakyReLU(0.2), Conv2D(2, 3, padding=1, groups=2)), Conv2D(1, 1, bias=False),
    ]  # fmt: skip
    if classes:
        G = [LabelEmbedding(classes, 2), *G]
    D = [
        Conv2D(2, 1, bias=False), Residual(Conv2D(4, 1), LeakyReLU(0.2), Conv2D(2, 3, padding=1, groups=2)), Bias(),
        LeakyReLU(0.2), BlurDownSampling2D(), Conv2D(2, 2, bias=False, groups=2), Flatten(),
        Dense(classes or 1, bias=False),
    ]  # fmt: skip
    return _step_case("fused", objective, G, D, 3, classes, switches)


def _step_case(
    name: str, objective: Objective, G: list[Layer], D: list[Layer], latent: int, classes: int, switches: dict[str, Any]
) -> StepCase:
    options: dict[str, Any] = {"backend": "numpy", "dtype": "float64"}
    loss = getattr(objective, "loss", None)
    generator = Generator(G, input_shape=latent + classes, classes=classes, name="G", **options)
    judge = Sequential([*D, *([Sigmoid()] if isinstance(loss, BCE) else [])], name="D", **options,
                       input_shape=packed_shape(generator.output_shape, switches.get("pack", 1)))  # fmt: skip
    for net, spread in ((generator, 0.3), (judge, 0.8)):  # D's scores lie on both sides of Hinge's margins
        net.params += spread * normal(net.params.shape, 0, net.name)
    switched: dict[str, Any] = {"g_optimizer": Adam(generator, 1e-2, 0.5), "d_optimizer": Adam(judge, 1e-2, 0.5)}
    gan = GAN(generator, judge, objective=objective, **switched, **switches)
    said = [repr(objective)] + ([f"{classes} classes"] if classes else [])
    said += [f"{key}={value}" for key, value in switches.items()]
    # The losses of a critic, and of pairs, do not change when all its scores move together.
    last = f"D.{judge.slots[-1].name}"  # its bias, if it has one
    return StepCase(
        f"step of a {name} GAN: {', '.join(said)}",
        gan,
        (last,) if last.endswith(".b") and isinstance(objective, Wasserstein | Relativistic) else (),
    )
