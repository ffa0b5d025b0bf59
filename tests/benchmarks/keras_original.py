"""The Keras tutorial that `mnist_mlp_gan` comes from, beside minigan: milliseconds of a step, in turns.

    pip install keras tensorflow-cpu
    python -m tests.benchmarks.keras_original [--rounds N] [--steps N]

The same networks, batch and optimizer, written for Keras 3 as such a tutorial writes it: a model D, and one of G and a
frozen D behind it, each trained by `train_on_batch`. A step is one of D on real images, one on G's, and one of G. G's
images come from `predict`, as tutorials have it, or from the faster `predict_on_batch`.
MINIGAN_THREADS sets the threads of both sides.
"""

import argparse
import importlib.util
import itertools
import statistics
import sys

import numpy as np

from minigan.backend.cores import thread_count
from tests.benchmarks.processes import Side, in_turns, quartiles
from tests.benchmarks.step import OURS, our_sides
from tests.benchmarks.systems import WARM, build_facts, build_minigan

BATCH, LATENT = 32, 100
PARAMETERS = {"G": 1_493_520, "D": 665_089}  # as minigan's


def networks(keras):
    """G and D."""
    layers = keras.layers
    G = [keras.Input((LATENT,))]
    for width in (256, 512, 1024):
        G += [layers.Dense(width), layers.LeakyReLU(negative_slope=0.2), layers.BatchNormalization(momentum=0.8)]
    G += [layers.Dense(784, activation="tanh"), layers.Reshape((28, 28, 1))]
    D = [keras.Input((28, 28, 1)), layers.Flatten()]
    for _ in range(2):
        D += [layers.Dense(512), layers.LeakyReLU(negative_slope=0.2)]
    D += [layers.Dense(1, activation="sigmoid")]
    return keras.Sequential(G), keras.Sequential(D)


def build_keras(seed, predict):
    """(nothing, the step), with G's images by G.predict or G.predict_on_batch. The first steps are checked: each of
    their updates changes its own network, and no other.
    """
    import keras
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(thread_count())
    keras.utils.set_random_seed(seed)
    G, D = networks(keras)
    assert (G.count_params(), D.count_params()) == tuple(PARAMETERS.values())
    D.compile(optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5), loss="binary_crossentropy", metrics=["accuracy"])
    both = keras.Sequential([G, D])
    both.compile(optimizer=keras.optimizers.Adam(2e-4, beta_1=0.5), loss="binary_crossentropy")
    draw = np.random.default_rng(seed)
    real, ones, zeros = np.tanh(draw.normal(size=(BATCH, 28, 28, 1))), np.ones((BATCH, 1)), np.zeros((BATCH, 1))

    def noise():
        return draw.normal(size=(BATCH, LATENT))

    def update_D():
        D.trainable = True
        fake = G.predict(noise(), verbose=0) if predict == "predict" else G.predict_on_batch(noise())
        d_real, *_ = D.train_on_batch(real, ones)
        d_fake, *_ = D.train_on_batch(fake, zeros)
        return float(d_real + d_fake) / 2

    def update_G():
        D.trainable = False  # Keras 3 looks at it when it trains, where Keras 2 did when it compiled
        return float(np.ravel(both.train_on_batch(noise(), ones))[0])

    for _ in range(WARM):
        before = D.get_weights()
        update_D()
        after = D.get_weights()
        update_G()
        assert not np.array_equal(after[0], before[0]) and np.array_equal(after[0], D.get_weights()[0])
    return None, lambda name: lambda: (update_D(), update_G())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="turns of each side (default 10)")
    parser.add_argument("--steps", type=int, default=10, help="steps in a turn (default 10)")
    arguments = parser.parse_args()
    for package in ("keras", "tensorflow"):
        if importlib.util.find_spec(package) is None:
            print(f"error: {package} is not installed; run: pip install keras tensorflow-cpu", file=sys.stderr)
            return 2
    facts = Side(build_facts, ("keras",))
    for name, value in facts.facts().items():
        print(f"{name:<10} {value}")
    facts.finish()
    sides = {side: Side(build_minigan, "mnist_mlp_gan", {}, backend) for side, backend in our_sides().items()}
    sides |= {f"Keras, {predict}": Side(build_keras, 0, predict) for predict in ("predict", "predict_on_batch")}
    for side in sides.values():
        side.facts()
    times = in_turns(sides, arguments.rounds, repeats=arguments.steps)
    for kind, side in sides.items():
        low, middle, high = quartiles(times[kind])
        print(f"{kind:<23} {middle:8.2f} ms a step ({low:.2f} ... {high:.2f}), peak {side.finish()} MiB")
    for kind, theirs in itertools.product(OURS, (kind for kind in sides if kind not in OURS)):
        if kind in sides:
            ratio = statistics.median(k / ours for ours, k in zip(times[kind], times[theirs], strict=True))
            print(f"{kind} is {ratio:.1f} times as fast as {theirs}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
