# %% [markdown]
# # Is it any good?
#
# A GAN's losses say how the game stands. They do not say whether the images are good: a weak $D$ is fooled by
# anything. So one compares samples with real images, in numbers. This notebook first tries the numbers on images
# whose faults are known, and then judges a GAN.
#
# The rule to take home: **a number means nothing without its bar**, which is what other real images get.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from minigan.layers import BatchNorm, Conv2D, Conv2DTranspose, Dense, Flatten, LeakyReLU, ReLU, Reshape, Tanh
from minigan.metrics import Features, Metrics, evaluate
from minigan.metrics.neighbours import nearest_few

mnist = mg.data.mnist()
real, others = mnist.images[:20_000], mnist.images[20_000:22_000]
features = Features("digits", (28, 28, 1))  # 64 numbers for each image, from a small classifier
print(features(real[:3]).shape)

# %% [markdown]
# ## Four numbers
#
# Each image becomes a row of 64 features, and the rows of both kinds are two clouds of points.
#
# - **Frechet distance**: how far the means $m, m'$ and the covariances $S, S'$ of the clouds are apart,
#   $$d^2 = \lvert m - m' \rvert^2 + \mathrm{tr} \left( S + S' - 2 \, (S^{1/2} S' S^{1/2})^{1/2} \right)$$
# - **Precision**: the share of fakes that lie among real images. It says how good they are.
# - **Coverage**: the share of real images that have a fake beside them. It says how varied the fakes are.
# - **Nearest neighbour**: how often an image's nearest one is of its own kind. 0.5 is a coin toss, and the best.
#
# ## Known faults
#
# Real digits, spoiled in four ways:

# %%
draw = np.random.default_rng(0)
noise = others + draw.normal(0, 60, others.shape)
faults = {
    "other real digits": others,
    "sevens only": mnist.images[mnist.labels == 7][:2_000],
    "50 digits, repeated": others[:50].repeat(40, axis=0),
    "noisy": noise.clip(0, 255).astype(np.uint8),
    "one pixel to the right": np.roll(others, 1, axis=2),
}
mg.pictures.grid(np.concatenate([images[::150][:12] for images in faults.values()]), columns=12)

# %%
NAMES = "Frechet distance", "precision (k = 3)", "coverage (k = 5)", "nearest neighbour"
print(f"{'':24}", *(f"{name:>18}" for name in NAMES))
for fault, images in faults.items():
    found = evaluate(real, images, features, count=2_000, draws=1)
    if fault == "other real digits":
        print(f"{'the bar':24}", *(f"{found[name].bar:18.2f}" for name in NAMES))
    print(f"{fault:24}", *(f"{found[name].value:18.2f}" for name in NAMES))

# %% [markdown]
# Read the table by rows. Other real digits nearly reach the bar. (They are by other writers than most of the rest.)
# Sevens only: every one is a good digit, so precision stays, and coverage falls. Repeated digits are the same fault,
# worse. Noise spoils the quality, and with it the rest. And a shift by one pixel, which hardly anybody would see, is
# measured all the same.
#
# ## Judge a GAN
#
# A small convolutional one, with the steady game of the notebook on [own images](own_images.ipynb). `Metrics`
# measures along the run, and puts the numbers into its history.

# %%
G = mg.Generator(
    [
        *(Dense(7 * 7 * 32), Reshape((7, 7, 32)), BatchNorm(), ReLU()),
        *(Conv2DTranspose(16, 4, 2, 1), BatchNorm(), ReLU()),
        *(Conv2DTranspose(1, 4, 2, 1), Tanh()),
    ],
    input_shape=32,
    name="G",
)
D = mg.Sequential(
    [
        *(Conv2D(8, 4, 2, 1), LeakyReLU(0.2), Conv2D(16, 4, 2, 1), LeakyReLU(0.2)),
        *(Flatten(), Dense(64), LeakyReLU(0.2), Dense(1)),
    ],
    input_shape=(28, 28, 1),
    name="D",
)
adams = {"g_optimizer": mg.Adam(G, 1e-3, 0.0, 0.95), "d_optimizer": mg.Adam(D, 1e-3, 0.0, 0.95)}
gan = mg.GAN(G, D, objective="relativistic", penalty=mg.R1R2(2.0), fused=True, ema=0.99, **adams)
judge = Metrics(every=200, features="digits", real=real, count=1_000)
run = mg.train(gan, real, steps=1_600, batch_size=32, log_every=200, callbacks=[judge])
mg.pictures.grid(gan.sample(24), columns=12)

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
for place, name in zip(axes, ("distance", "precision", "coverage"), strict=True):
    place.plot(run.history["step"], run.history[name], marker=".", label="generator")
    place.axhline(judge.bars[name], linestyle="--", color="gray", label="other real images")
    place.set(title=name, xlabel="step", ylim=(0, None))
axes[0].legend()
plt.show()

# %% [markdown]
# The distance falls by a factor, and stays far above the bar; precision comes first, and coverage slowly after it.
# There is more to learn. At the end, all measures at once. In brackets is the spread over the draws; a difference
# that is smaller means nothing. ([The page on metrics](../metrics.md) explains those that are new here.)

# %%
samples = gan.sample(2_000)
print(evaluate(real, samples, features, count=2_000, draws=2))

# %% [markdown]
# ## Does it copy?
#
# A generator that repeats training images has the best precision there is. Each row has three samples, in the first,
# fifth and ninth column, and behind each the three training images whose pixels are nearest. Copies would be twins.

# %%
shown = mg.pictures.to_uint8(samples[:12])
twins = real[nearest_few(shown, real, 3)]
mg.pictures.grid(np.concatenate([shown[:, None], twins], axis=1).reshape(-1, 28, 28, 1), columns=12)

# %% [markdown]
# ## Try
#
# - Count 500 images in place of 2,000 in the table of faults. Which numbers move, though nothing has changed? Do
#   their bars?
# - Train on only 100 digits, `real[:100]`, and look for twins.
# - A run that has a folder is judged by one command: `python -m minigan evaluate RUN --out judged`.
#
# Next: [every measure, its formula and its pitfalls](../metrics.md).
