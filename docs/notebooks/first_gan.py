# %% [markdown]
# # Your first GAN
#
# Two networks play against each other. The generator $G$ turns noise $z$ into an image $G(z)$. The discriminator $D$
# looks at an image $x$ and answers with one number: high if it takes the image for a real one, low if not. $D$ learns
# to tell real from fake, and $G$ learns to be taken for real. In the end $G$ draws digits that nobody wrote.
#
# This notebook trains such a pair on MNIST, in well under a minute of one core. Run the cells from the top, with
# Shift+Enter.

# %%
import numpy as np

import minigan as mg
from minigan.walks import walk

digits = mg.data.mnist(labels=False)  # 60,000 of them come with the package
mg.pictures.grid(digits.images[:25])

# %% [markdown]
# ## Two networks
#
# Both are chains of layers. $G$ ends in tanh, because pixels lie between $-1$ (black) and $1$ (white). $D$ ends in a
# plain number, the logit $s$; the probability that it gives to "real" is $\sigma(s) = 1 / (1 + e^{-s})$.

# %%
G, D = mg.models.mnist_mlp(widths=(128, 256, 512), d_widths=(256, 128))
print(G, D, sep="\n\n")

# %% [markdown]
# ## What each of them wants
#
# $D$ minimises the cross-entropy of its answers, on real images $x$ and on fakes $G(z)$:
#
# $$L_D = -\log \sigma(D(x)) - \log \left(1 - \sigma(D(G(z)))\right)$$
#
# $G$ minimises
#
# $$L_G = -\log \sigma(D(G(z)))$$
#
# which is small where $D$ is fooled. A $D$ that cannot tell says $\frac{1}{2}$ to everything. Then
# $L_D = 2 \log 2 \approx 1.39$ and $L_G = \log 2 \approx 0.69$.
#
# `mg.GAN` puts both together, with Adam for either. What $G$ makes before its first step is noise:

# %%
gan = mg.GAN(G, D, g_optimizer=mg.Adam(G, 5e-4, 0.5), d_optimizer=mg.Adam(D, 5e-4, 0.5))
mg.pictures.grid(gan.sample(10), columns=10)

# %% [markdown]
# ## Train
#
# A step is one update of $D$ and one of $G$. `mg.Live()` shows the run while it goes on: the samples, both losses,
# and how often $D$ is right. The slider goes back in time. The stop button of the notebook ends the run early and
# loses nothing.

# %%
run = mg.train(gan, digits, steps=3_000, batch_size=64, log_every=20, sample_every=100, callbacks=[mg.Live()])

# %% [markdown]
# ## Look
#
# The same noise as above, now as digits, and a few more. Not all are good: this was a short run of a small network.
# More steps are one line, `mg.train(gan, digits, more=2_000)`, and the [gallery](../gallery.md) shows where that
# leads.

# %%
mg.pictures.grid(gan.sample(60), columns=10)

# %% [markdown]
# ## Between two digits
#
# $G$ is a function, and a smooth one. So there are images between any two of its images: here eight walks from one
# noise to another, left to right. If $G$ had only learned some digits by heart, it would have to jump on the way.

# %%
z = np.random.default_rng(3).normal(size=(8, 2, 100))
ways = np.concatenate([walk(ends, between=8) for ends in z])  # (80, 100)
mg.pictures.grid(gan.G(ways.astype("float32")), columns=10)

# %% [markdown]
# ## Try
#
# - Train on: `run = mg.train(gan, digits, more=2_000)`, then run the cells below it again.
# - Let $D$ learn much faster than $G$, with `mg.Adam(D, 5e-3, 0.5)`. What do the curves say, and what the samples?
# - Convolutions draw cleaner strokes. The notebook on [judging](judge_it.ipynb) has such networks: copy them here.
#
# Next: [your own images](own_images.ipynb), [is it any good?](judge_it.ipynb), and
# [one step of this GAN, derived](../gan_step.md).
