"""The networks of published GANs. Each function returns (G, D).

    options   backend, dtype, seed, workspace: see Sequential
    output    what D ends in: "logit", for BCEWithLogits; or "probability", the originals' Sigmoid, for BCE

Every docstring says where a system comes from, and which choices are ours. The numbers of parameters are those at the
default sizes: trainable, and not (the running statistics of BatchNorm).
"""

import math
from typing import Any

from .errors import SettingsError
from .generator import Generator
from .initializers import normal
from .layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cropping2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    UpSamplingConv2D,
    ZeroPadding2D,
)
from .network import Sequential
from .r3gan import r3gan

OUTPUTS = ("logit", "probability")
Networks = tuple[Sequential, Sequential]
Shape = tuple[int, int, int]  # (h, w, c)


def mnist_mlp(
    image_shape: Shape = (28, 28, 1),
    latent: int = 100,
    widths: tuple[int, ...] = (256, 512, 1024),
    d_widths: tuple[int, ...] = (512, 512),
    output: str = "logit",
    **options: Any,
) -> Networks:
    """The dense MNIST GAN of a well-known Keras tutorial: 1,493,520 parameters in G, 665,089 in D.

    Keras's defaults where the tutorial says nothing: Glorot uniform weights, zero biases, BatchNorm eps 1e-3; its own
    BatchNorm momentum 0.8. LeakyReLU stands before BatchNorm, as there.

    image_shape  (h, w, c) of the images
    latent       numbers in z
    widths, d_widths   of the hidden layers of G and of D
    """
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
    judges += [Dense(1), *_ending(output)]
    D = Sequential(judges, input_shape=image_shape, name="D", **options)
    return G, D


def mnist_dcgan(
    image_shape: Shape = (28, 28, 1),
    latent: int = 100,
    width: int = 64,
    output: str = "logit",
    classes: int = 0,
    **options: Any,
) -> Networks:
    """A small convolutional GAN for MNIST, ours: 6,679,041 parameters in G, 14,720 not trained; 3,344,577 in D.

    After Radford, Metz and Chintala 2015 (DCGAN), section 3: strides instead of pooling, BatchNorm in G but for its
    last layer, ReLU in G, LeakyReLU in D, weights from N(0, 0.02^2), gamma from N(1, 0.02^2). A hidden dense layer on
    either side is as in InfoGAN (Chen et al. 2016, appendix C.1): there G decides on a digit, and D sees all of it.
    G's second BatchNorm stands before the Reshape and takes the mean out of every pixel: behind it, G made one image of
    all noise. Ours is Dropout in D in place of BatchNorm, so that D does not learn the images by heart.

    With `classes` it makes images of a label: G takes the label's one-hot row behind its noise (Mirza and Osindero
    2014), and D ends in a number for each class, of which that of the label counts: the projection of Miyato and Koyama
    2018, equation 3, with the unconditional part in each class's own row.

    image_shape  (h, w, c); h and w are multiples of 4
    width        channels of the widest images; twice as many where images are half as large
    classes      10 for digits with their labels; 0 for images without
    """
    (top, left), c, init = _start("mnist_dcgan", image_shape, 4), image_shape[2], normal(0.02)
    G = Generator(
        [
            Dense(16 * width, W_init=init), _norm(0.02), ReLU(),  # 1,024
            Dense(top * left * 2 * width, W_init=init), _norm(0.02), ReLU(),  # 6,272
            Reshape((top, left, 2 * width)),  # 7 x 7 x 128
            Conv2DTranspose(width, 4, 2, 1, bias=False, W_init=init), _norm(0.02), ReLU(),  # 14 x 14 x 64
            Conv2DTranspose(c, 4, 2, 1, W_init=init), Tanh(),  # 28 x 28 x 1
        ],
        input_shape=latent + classes, classes=classes, name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [  # 28 x 28 x 1
            Conv2D(width, 4, 2, 1, W_init=init), LeakyReLU(0.2), Dropout(0.5),  # 14 x 14 x 64
            Conv2D(2 * width, 4, 2, 1, W_init=init), LeakyReLU(0.2), Dropout(0.5),  # 7 x 7 x 128
            Flatten(), Dense(8 * width, W_init=init), LeakyReLU(0.2),  # 6,272, then 512
            Dense(classes or 1, W_init=init), *_ending(output),  # 1, or one for each class
        ],
        input_shape=image_shape, name="D", **options,
    )  # fmt: skip
    return G, D


def faces64(
    image_shape: Shape = (64, 64, 3), latent: int = 100, width: int = 32, output: str = "logit", **options: Any
) -> Networks:
    """The DCGAN for faces of a Chinese Keras tutorial ("FaceGenerator"), which enlarges by UpSampling2D and
    a convolution, here one layer: UpSamplingConv2D.

    G: 2,041,475 parameters and 1,536 not trained. D: 1,611,969 and 1,920. Keras's Glorot uniform weights, BatchNorm
    eps 1e-3, momentum 0.8; "same" pads as Keras does. The odd ZeroPadding2D in D, which makes 17 of 16, is from there.

    image_shape  (h, w, c); h and w are multiples of 16
    width        channels of D's first layer; all others are multiples of it
    """
    top, left = _start("faces64", image_shape, 16)

    def norm() -> BatchNorm:
        return BatchNorm(momentum=0.8, eps=1e-3)

    G = Sequential(
        [
            Dense(top * left * 8 * width), ReLU(), Reshape((top, left, 8 * width)),  # 4 x 4 x 256
            UpSamplingConv2D(8 * width, 3), norm(), ReLU(),  # 8 x 8 x 256
            UpSamplingConv2D(8 * width, 3), norm(), ReLU(),  # 16 x 16 x 256
            UpSamplingConv2D(4 * width, 3), norm(), ReLU(),  # 32 x 32 x 128
            UpSamplingConv2D(4 * width, 3), norm(), ReLU(),  # 64 x 64 x 128
            Conv2D(image_shape[2], 3, padding="same"), Tanh(),  # 64 x 64 x 3
        ],
        input_shape=latent, name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [  # 64 x 64 x 3
            Conv2D(width, 3, 2, "same"), LeakyReLU(0.2), Dropout(0.25),  # 32 x 32 x 32
            Conv2D(2 * width, 3, 2, "same"),  # 16 x 16 x 64
            ZeroPadding2D(((0, 1), (0, 1))), norm(), LeakyReLU(0.2), Dropout(0.25),  # 17 x 17 x 64
            Conv2D(4 * width, 3, 2, "same"), norm(), LeakyReLU(0.2), Dropout(0.25),  # 9 x 9 x 128
            Conv2D(8 * width, 3, 1, "same"), norm(), LeakyReLU(0.2), Dropout(0.25),  # 9 x 9 x 256
            Conv2D(16 * width, 3, 1, "same"), norm(), LeakyReLU(0.2), Dropout(0.25),  # 9 x 9 x 512
            Flatten(), Dense(1), *_ending(output),  # 41,472, then 1
        ],
        input_shape=image_shape, name="D", **options,
    )  # fmt: skip
    return G, D


def anime96(
    image_shape: Shape = (96, 96, 3),
    latent: int = 100,
    width: int = 64,
    std: float = 0.02,
    output: str = "logit",
    **options: Any,
) -> Networks:
    """The DCGAN for anime heads of a Chinese PyTorch tutorial ("GAN notes: theory and practice").

    G: 4,600,704 parameters and 1,920 not trained. D: 2,770,176 and 1,792. No biases; weights from N(0, std^2), gamma
    from N(1, std^2). BatchNorm as PyTorch's. Ours, after DCGAN: std 0.02; the tutorial's code has 0.01.

    image_shape  (h, w, c); h and w are multiples of 16, and at least 32
    width        channels of the widest images
    """
    (top, left), init = _start("anime96", image_shape, 16, least=2), _dcgan(std)
    G = Sequential(
        [
            Reshape((1, 1, latent)),  # 1 x 1 x 100
            Conv2DTranspose(8 * width, (top, left), 2, **init), _norm(std), ReLU(),  # 6 x 6 x 512
            Conv2DTranspose(4 * width, 4, 2, 1, **init), _norm(std), ReLU(),  # 12 x 12 x 256
            Conv2DTranspose(2 * width, 4, 2, 1, **init), _norm(std), ReLU(),  # 24 x 24 x 128
            Conv2DTranspose(width, 4, 2, 1, **init), _norm(std), ReLU(),  # 48 x 48 x 64
            Conv2DTranspose(image_shape[2], 4, 2, 1, **init), Tanh(),  # 96 x 96 x 3
        ],
        input_shape=latent, name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [  # 96 x 96 x 3
            Conv2D(width, 4, 2, 1, **init), LeakyReLU(0.2),  # 48 x 48 x 64
            Conv2D(2 * width, 4, 2, 1, **init), _norm(std), LeakyReLU(0.2),  # 24 x 24 x 128
            Conv2D(4 * width, 4, 2, 1, **init), _norm(std), LeakyReLU(0.2),  # 12 x 12 x 256
            Conv2D(8 * width, 4, 2, 1, **init), _norm(std), LeakyReLU(0.2),  # 6 x 6 x 512
            Conv2D(1, (top - 1, left - 1), 2, **init), Flatten(), *_ending(output),  # 1
        ],
        input_shape=image_shape, name="D", **options,
    )  # fmt: skip
    return G, D


def anime96_wgan(image_shape: Shape = (96, 96, 3), latent: int = 100, width: int = 64, **options: Any) -> Networks:
    """The WGAN of the same notes, in Keras, after the code of Arjovsky, Chintala and Bottou 2017. D is a critic.

    G: 12,067,712 parameters and 1,920 not trained. D: 11,157,248 and 3,840. No biases; weights from N(0, 0.02^2), gamma
    from N(1, 0.02^2); BatchNorm eps 1.01e-5. As in the original, G's first layer has neither BatchNorm nor activation.
    The original's BatchNorm uses the batch's statistics always, ours the running ones in `predict`. So its momentum,
    Keras's 0.99, has no effect there; ours, 0.9, keeps up with G.

    image_shape  (h, w, c); h and w are multiples of 32
    width        channels of the widest images
    """
    (top, left), init = _start("anime96_wgan", image_shape, 32), _dcgan(0.02)

    def norm() -> BatchNorm:
        return BatchNorm(momentum=0.9, eps=1.01e-5, gamma_init=normal(0.02, mean=1))

    def larger(c: int) -> list[Layer]:
        return [Conv2DTranspose(c, 4, 2, **init), Cropping2D(1)]

    def smaller(c: int) -> list[Layer]:
        return [ZeroPadding2D(1), Conv2D(c, 4, 2, **init)]

    G = Sequential(
        [
            Reshape((1, 1, latent)),  # 1 x 1 x 100
            Conv2DTranspose(16 * width, (top, left), 2, **init),  # 3 x 3 x 1024
            *larger(8 * width), norm(), ReLU(),  # 6 x 6 x 512
            *larger(4 * width), norm(), ReLU(),  # 12 x 12 x 256
            *larger(2 * width), norm(), ReLU(),  # 24 x 24 x 128
            *larger(width), norm(), ReLU(),  # 48 x 48 x 64
            *larger(image_shape[2]), Tanh(),  # 96 x 96 x 3
        ],
        input_shape=latent, name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [  # 96 x 96 x 3
            *smaller(width), LeakyReLU(0.2),  # 48 x 48 x 64
            *smaller(2 * width), norm(), LeakyReLU(0.2),  # 24 x 24 x 128
            *smaller(4 * width), norm(), LeakyReLU(0.2),  # 12 x 12 x 256
            *smaller(8 * width), norm(), LeakyReLU(0.2),  # 6 x 6 x 512
            *smaller(16 * width), norm(), LeakyReLU(0.2),  # 3 x 3 x 1024
            Conv2D(1, (top, left), **init), Flatten(),  # 1, any number
        ],
        input_shape=image_shape, name="D", **options,
    )  # fmt: skip
    return G, D


def cats96(
    image_shape: Shape = (96, 96, 3), latent: int = 100, width: int = 64, output: str = "logit", **options: Any
) -> Networks:
    """The DCGAN for cats of a Chinese PyTorch tutorial, whose outermost layers have kernel 5 and stride 3.

    G: 3,578,560 parameters and 1,920 not trained. D: 2,767,297 and 1,792. Biases only where the original has them: in
    G's third convolution, where BatchNorm's beta does the same, and in D's last. The original names no widths and shows
    no initialisation: width 64 (its ngf and ndf), latent 100, weights from N(0, 0.02^2) and gamma from N(1, 0.02^2) are
    ours.

    image_shape  (h, w, c); h and w are multiples of 24
    width        channels of the widest images
    """
    (top, left), init = _start("cats96", image_shape, 24), _dcgan(0.02)
    biased = init | {"bias": True}
    G = Sequential(
        [
            Reshape((1, 1, latent)),  # 1 x 1 x 100
            Conv2DTranspose(8 * width, (top, left), 1, **init), _norm(0.02), ReLU(),  # 4 x 4 x 512
            Conv2DTranspose(4 * width, 4, 2, 1, **init), _norm(0.02), ReLU(),  # 8 x 8 x 256
            Conv2DTranspose(2 * width, 4, 2, 1, **biased), _norm(0.02), ReLU(),  # 16 x 16 x 128
            Conv2DTranspose(width, 4, 2, 1, **init), _norm(0.02), ReLU(),  # 32 x 32 x 64
            Conv2DTranspose(image_shape[2], 5, 3, 1, **init), Tanh(),  # 96 x 96 x 3
        ],
        input_shape=latent, name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [  # 96 x 96 x 3
            Conv2D(width, 5, 3, 1, **init), LeakyReLU(0.2),  # 32 x 32 x 64
            Conv2D(2 * width, 4, 2, 1, **init), _norm(0.02), LeakyReLU(0.2),  # 16 x 16 x 128
            Conv2D(4 * width, 4, 2, 1, **init), _norm(0.02), LeakyReLU(0.2),  # 8 x 8 x 256
            Conv2D(8 * width, 4, 2, 1, **init), _norm(0.02), LeakyReLU(0.2),  # 4 x 4 x 512
            Conv2D(1, (top, left), 1, **biased), Flatten(), *_ending(output),  # 1
        ],
        input_shape=image_shape, name="D", **options,
    )  # fmt: skip
    return G, D


def celeba64(
    image_shape: Shape = (64, 64, 3), latent: int = 100, width: int = 32, output: str = "logit", **options: Any
) -> Networks:
    """The CelebA GAN that "GAN for dummies" describes in words: four blocks up, four blocks down, average pooling.

    G: 2,152,227 parameters and 960 not trained. D: 1,782,753 and 1,920. The text gives the kinds of
    layers and their order, and that z is uniform (G.latent). Ours: latent 100, kernels, widths, ReLU in G and LeakyReLU
    0.2 in D, G's weights from N(0, 0.02^2) and D's Glorot uniform, gamma from N(1, 0.02^2), BatchNorm as PyTorch's, no
    bias before BatchNorm; and Dropout behind each block of D, without which D wins and G draws patches.

    image_shape  (h, w, c); h and w are multiples of 16
    width        channels of the widest images
    """
    (top, left), init = _start("celeba64", image_shape, 16), _dcgan(0.02)

    def larger(c: int) -> list[Layer]:
        return [Conv2DTranspose(c, 4, 2, 1, **init), _norm(0.02), ReLU()]

    def smaller(c: int) -> list[Layer]:
        wide, narrow = Conv2D(c, 3, padding="same", bias=False), Conv2D(c, 4, 2, 1, bias=False)
        return [wide, _norm(0.02), LeakyReLU(0.2), narrow, _norm(0.02), LeakyReLU(0.2), Dropout(0.25)]

    G = Generator(
        [
            Dense(top * left * 8 * width, W_init=normal(0.02)), ReLU(),
            Reshape((top, left, 8 * width)),  # 4 x 4 x 256
            *larger(8 * width),  # 8 x 8 x 256
            *larger(4 * width),  # 16 x 16 x 128
            *larger(2 * width),  # 32 x 32 x 64
            *larger(width),  # 64 x 64 x 32
            Conv2D(image_shape[2], 3, padding="same", W_init=normal(0.02)), Tanh(),  # 64 x 64 x 3
        ],
        input_shape=latent, latent="uniform", name="G", **options,
    )  # fmt: skip
    D = Sequential(
        [  # 64 x 64 x 3
            *smaller(width),  # 32 x 32 x 32
            *smaller(2 * width),  # 16 x 16 x 64
            *smaller(4 * width),  # 8 x 8 x 128
            *smaller(8 * width),  # 4 x 4 x 256
            GlobalAveragePooling2D(), Dense(1), *_ending(output),  # 256, then 1
        ],
        input_shape=image_shape, name="D", **options,
    )  # fmt: skip
    return G, D


def toy2d(
    latent: int = 2, width: int = 128, depth: int = 3, output: str = "logit", pack: int = 1, **options: Any
) -> Networks:
    """Dense networks for points in the plane, such as data.ring(8): 33,666 parameters in G, 33,537 in D.

    As in Metz et al. 2017 ("Unrolled generative adversarial networks", appendix A), G has hidden layers of 128 ReLUs
    and ends in a linear layer, since points have no bounds. Ours: three of them instead of two, a D of the same size
    with LeakyReLU, Glorot uniform weights, and a latent of 2 instead of 256. With
    2 numbers of noise, as many as a point has, G finds all modes of a ring within 3,000 steps of Adam's usual settings;
    with 4 or 16 it collapses to one or two.

    latent  numbers in z
    width   of every hidden layer
    depth   hidden layers of G, and of D
    pack    points that D sees at once, for GAN(G, D, pack=pack)
    """
    hidden = [layer for _ in range(depth) for layer in (Dense(width), ReLU())]  # 2 -> 128 -> 128 -> 128
    judges = [layer for _ in range(depth) for layer in (Dense(width), LeakyReLU(0.2))]
    G = Sequential([*hidden, Dense(2)], input_shape=latent, name="G", **options)  # -> 2
    D = Sequential([*judges, Dense(1), *_ending(output)], input_shape=2 * pack, name="D", **options)  # -> 1
    return G, D


MODELS = {
    model.__name__: model
    for model in (mnist_mlp, mnist_dcgan, faces64, anime96, anime96_wgan, cats96, celeba64, r3gan, toy2d)
}


def _start(model: str, image_shape: Shape, factor: int, least: int = 1) -> tuple[int, int]:
    """The height and width that G begins with, if it enlarges them by `factor`. Raises SettingsError if none fits."""
    if len(image_shape) != 3:
        raise SettingsError(f"{model}: image_shape is {image_shape}; wanted (h, w, c)")
    h, w, c = image_shape
    if h % factor or w % factor or min(h, w) < least * factor:
        raise SettingsError(
            f"{model} cannot make images of {h} x {w}: it makes multiples of {factor}, from {least * factor} on"
        )
    return h // factor, w // factor


def _dcgan(std: float) -> dict[str, Any]:
    """A convolution before BatchNorm: no bias, weights from N(0, std^2)."""
    return {"bias": False, "W_init": normal(std)}


def _norm(std: float) -> BatchNorm:
    """BatchNorm with PyTorch's eps and momentum, gamma from N(1, std^2)."""
    return BatchNorm(momentum=0.9, eps=1e-5, gamma_init=normal(std, mean=1))


def _ending(output: str) -> list[Layer]:
    """What stands behind D's last sum."""
    if output not in OUTPUTS:
        raise SettingsError(f"output is {output!r}; the choices are {', '.join(OUTPUTS)}")
    return [Sigmoid()] if output == "probability" else []
