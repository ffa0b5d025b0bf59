"""The networks of R3GAN: plain residual networks, no normalisation, blurred resizing, weights that start by a rule.

Huang, Gokaslan, Kuleshov and Tompkin 2024, "The GAN is dead; long live the GAN! A modern baseline GAN"
(arXiv:2501.05441), section 3. docs/r3gan.md walks through them.
"""

from typing import Any

from .errors import SettingsError
from .generator import Generator
from .initializers import fan_in_normal, fixup, zeros
from .layers import (
    Basis,
    BlurDownSampling2D,
    BlurUpSampling2D,
    Conv2D,
    Dense,
    Flatten,
    LabelEmbedding,
    Layer,
    LeakyReLU,
    Residual,
    Tanh,
)
from .layers.sides import whole
from .network import Sequential

SMALLEST = 8  # pixels: images are halved while they are larger, and of even size
LINEAR = fan_in_normal(1.0)


def r3gan(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent: int = 32,
    width: int = 32,
    blocks: int = 1,
    group: int = 8,
    classes: int = 0,
    linear: bool = False,
    **options: Any,
) -> tuple[Sequential, Sequential]:
    """R3GAN in small: 139,808 parameters in G and 135,840 in D.

    The stages of G and D are images of one size each: 7, 14 and 28 pixels for MNIST; 8, 16, 32 and 64 for 64 x 64. As
    in the paper, a stage has `blocks` residual blocks of three convolutions, 1x1 to twice the channels, 3x3 in groups,
    and 1x1 back, the last of which starts at 0; G starts from a learned image, each of whose channels a linear function
    of the noise scales; D ends in one dot product a channel. Where it has a bias and then a
    LeakyReLU as one layer, ours is the bias of the convolution before it. Ours are the sizes: the paper's Stacked MNIST
    networks have 768 channels everywhere, two blocks a stage, 96 groups and 20.7 million parameters each. Ours is G's
    Tanh, too, which the paper has not: with it small networks learn several times as fast (docs/r3gan.md).

    With `classes`, G takes the vector of its label behind the noise, and D ends in a number for each class, of which
    that of the label counts: the paper's projection, with its two linear maps as one.

    image_shape  (h, w, c)
    latent       numbers in z
    width        channels of the largest images; twice as many where images are half as large
    blocks       residual blocks in a stage
    group        channels of a group in the 3x3 convolutions; where there are fewer, they are one group
    classes      10 for digits with their labels; 0 for images without
    linear       G ends without the Tanh, as in the paper

    Raises SettingsError for an image_shape that is none, and a group that does not divide twice the width.
    """
    sizes = _sizes(image_shape)
    widths = [whole(width, "r3gan: width") * 2**i for i in range(len(sizes))]
    whole(latent, "r3gan: latent"), whole(blocks, "r3gan: blocks"), whole(group, "r3gan: group")
    unfit = [c for c in widths if 2 * c > group and 2 * c % group]
    if unfit:
        raise SettingsError(
            f"r3gan: group is {group}, and width {width} makes {2 * unfit[0]} channels, which are no groups of that "
            f"size"
        )
    start = fixup(blocks * len(sizes))  # 28, 14, 7 -> 32, 64, 128

    def stage(c: int) -> list[Layer]:
        return [_block(c, group, start) for _ in range(blocks)]

    label: list[Layer] = [LabelEmbedding(classes, latent, E_init=LINEAR)] if classes else []
    rising: list[Layer] = [*label, Dense(widths[-1], W_init=LINEAR, bias=False), Basis(sizes[-1])]  # 7 x 7 x 128
    rising += stage(widths[-1])
    for c in reversed(widths[:-1]):
        rising += [Conv2D(c, 1, bias=False, W_init=LINEAR), BlurUpSampling2D(), *stage(c)]  # 14 x 14 x 64, 28 x 28 x 32
    rising += [Conv2D(image_shape[2], 1, bias=False, W_init=LINEAR), *([] if linear else [Tanh()])]  # 28 x 28 x 1
    G = Generator(rising, input_shape=latent + classes, classes=classes, name="G", **options)

    falling: list[Layer] = [Conv2D(width, 1, bias=False, W_init=LINEAR), *stage(width)]  # 28 x 28 x 32
    for c in widths[1:]:
        falling += [
            BlurDownSampling2D(),
            Conv2D(c, 1, bias=False, W_init=LINEAR),
            *stage(c),
        ]  # 14 x 14 x 64, 7 x 7 x 128
    falling += [Conv2D(widths[-1], sizes[-1], bias=False, W_init=LINEAR, groups=widths[-1]), Flatten()]  # 128
    falling.append(Dense(classes or 1, W_init=LINEAR, bias=False))  # 1, or one for each class
    return G, Sequential(falling, input_shape=image_shape, name="D", **options)


def _block(c: int, group: int, start: Any) -> Residual:
    """x + f(x): to twice the channels, over the neighbours in groups, and back."""
    return Residual(
        Conv2D(2 * c, 1, W_init=start), LeakyReLU(0.2),
        Conv2D(2 * c, 3, padding=1, W_init=start, groups=max(1, 2 * c // group)), LeakyReLU(0.2),
        Conv2D(c, 1, bias=False, W_init=zeros),
    )  # fmt: skip


def _sizes(image_shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """(h, w) of the stages, the largest first."""
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise SettingsError(f"r3gan: image_shape is {image_shape}; wanted (h, w, c)")
    sizes = [image_shape[:2]]
    while min(sizes[-1]) > SMALLEST and not any(length % 2 for length in sizes[-1]):
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes
