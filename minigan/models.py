"""The networks of published GANs. Each function returns (G, D)."""

import math
from typing import Any

from .errors import SettingsError
from .layers import BatchNorm, Dense, Flatten, Layer, LeakyReLU, Reshape, Sigmoid, Tanh
from .network import Sequential

OUTPUTS = ("logit", "probability")


def mnist_mlp(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    latent: int = 100,
    widths: tuple[int, ...] = (256, 512, 1024),
    d_widths: tuple[int, ...] = (512, 512),
    output: str = "logit",
    **options: Any,
) -> tuple[Sequential, Sequential]:
    """The dense MNIST GAN of a well-known Keras tutorial: 1,493,520 parameters in G, 665,089 in D.

    Keras's defaults where the tutorial says nothing: Glorot uniform weights, zero biases, BatchNorm eps 1e-3; its own
    BatchNorm momentum 0.8. LeakyReLU stands before BatchNorm, as there.

    image_shape  (h, w, c) of the images
    latent       numbers in z
    widths, d_widths   of the hidden layers of G and of D
    output       what D ends in: "logit" (ours, for BCEWithLogits) or "probability" (the original's Sigmoid, for BCE)
    options      backend, dtype, seed, workspace: see Sequential
    """
    if output not in OUTPUTS:
        raise SettingsError(f"mnist_mlp: output is {output!r}; the choices are {', '.join(OUTPUTS)}")
    hidden: list[Layer] = []
    for width in widths:
        hidden += [Dense(width), LeakyReLU(0.2), BatchNorm(momentum=0.8, eps=1e-3)]
    G = Sequential(
        # latent -> 256 -> 512 -> 1024
        [*hidden, Dense(math.prod(image_shape)), Tanh(), Reshape(image_shape)],
        # -> 784 -> 28 x 28 x 1
        input_shape=latent,
        name="G",
        **options,
    )

    judges: list[Layer] = [Flatten()]  # 28 x 28 x 1 -> 784
    for width in d_widths:
        judges += [Dense(width), LeakyReLU(0.2)]  # -> 512 -> 512
    judges += [Dense(1)] + ([Sigmoid()] if output == "probability" else [])
    D = Sequential(judges, input_shape=image_shape, name="D", **options)
    return G, D


MODELS = {"mnist_mlp": mnist_mlp}
