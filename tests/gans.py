"""Small GANs for tests, in float64, and the loss that a whole step should follow."""

import numpy as np

from minigan import BCE, GAN, SGD, Adam, BCEWithLogits, NonSaturating, models

IMAGE = (5, 3, 1)


def small_gan(optimizer=Adam, objective=NonSaturating, loss=BCEWithLogits, seed=3, workspace="reuse", **switches):
    """An MLP GAN of system D's shape with a few neurons. SGD with rate 0 leaves the weights where they are."""
    options = {"dtype": "float64", "seed": seed, "workspace": workspace, "backend": "numpy"}
    G, D = models.mnist_mlp(
        IMAGE, latent=4, widths=(7, 6, 9), d_widths=(8, 5),
        output="probability" if loss is BCE else "logit", **options,
    )  # fmt: skip
    G.params += 0.3 * G.backend.random.normal(G.params.shape, seed, "shift G", dtype="float64")
    D.params += 0.3 * D.backend.random.normal(D.params.shape, seed, "shift D", dtype="float64")
    settings = {"learning_rate": 0.0} if optimizer is SGD else {"learning_rate": 1e-2, "beta1": 0.5}
    return GAN(
        G, D, objective=objective(loss()),
        g_optimizer=optimizer(G, **settings), d_optimizer=optimizer(D, **settings), seed=seed, **switches,
    )  # fmt: skip


def real_images(gan, n=6, step=0):
    return np.tanh(gan.D.backend.random.normal((n, *gan.G.output_shape), 9, "real", step, dtype="float64"))
