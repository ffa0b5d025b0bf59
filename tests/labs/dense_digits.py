"""What a dense GAN reaches in the steps of lab 8's milestone: `python -m tests.labs.dense_digits 4`."""

import sys

from minigan.initializers import normal
from minigan.labs import lab08
from minigan.layers import BatchNorm, Dense, Flatten, LeakyReLU, ReLU, Reshape, Tanh
from minigan.network import Sequential


def networks(seed):
    """G and D of dense layers, with more weights than those of the lab."""
    hidden = [Dense(256), BatchNorm(), ReLU(), Dense(512), BatchNorm(), ReLU()]
    judges = [Dense(256), LeakyReLU(0.2), Dense(128), LeakyReLU(0.2), Dense(1)]
    G = [*hidden, Dense(784, W_init=normal(0.05)), Tanh(), Reshape((28, 28, 1))]
    return (
        Sequential(G, input_shape=lab08.LATENT, seed=seed, name="G", backend="numpy"),
        Sequential([Flatten(), *judges], input_shape=(28, 28, 1), seed=seed, name="D", backend="numpy"),
    )


if __name__ == "__main__":
    for seed in range(int(sys.argv[1])):
        print(f"seed {seed}: {lab08.trained(*networks(seed), seed):.0f}", flush=True)
