# %% [markdown]
# # Lab 5: Is it any good?
#
# Numbers that say how far generated points are from real ones: each sees something that the others do not.
# The lesson is `docs/course/05-is-it-any-good.md`.
#
# `minigan lab check lab05.py` checks all tasks; this file may import numpy and math alone. Loops over points are
# allowed here; with whole arrays it is shorter, and some hundred times as fast.

# %%
import numpy as np

LAB = "05"
STUDENT = "nobody"

# %% [markdown]
# ## 1. Modes (2 points)
#
# A mixture of k modes with known centres, all of one standard deviation. Each point belongs to the centre that is
# nearest to it. It is of high quality if it lies within three standard deviations of that centre. A mode is hit if a
# point of high quality belongs to it.


# %%
def count_modes(points, centres, std):
    """How many modes are hit, and the share of points of high quality.    points: (n, d)    centres: (k, d)"""
    raise NotImplementedError


# %% [markdown]
# ## 2. Are all modes equally frequent? (2 points)
#
# With $p_k$ for the share of the points in mode k, of K modes: the divergence of G's shares from equal ones,
# $$KL(p, u) = \sum_k p_k \log \frac{p_k}{1 / K}$$
# It is called the reverse one, since G's shares stand in front. A mode without points adds nothing to the sum, but it
# is one of the K.


# %%
def reverse_kl(counts):
    """The divergence, a number, in nats.    counts: (K,), points in each mode"""
    raise NotImplementedError


# %% [markdown]
# ## 3. Coverage (3 points)
#
# Around each real point lies a ball that reaches to its k-th nearest *other* real point. The coverage is the share of
# real points with a generated one in their ball, or on its surface (Naeem et al. 2020, arXiv:2002.09797). What G left
# out lowers it.


# %%
def coverage(real, fake, k):
    """The share, from 0 to 1.    real: (n, d)    fake: (m, d)"""
    raise NotImplementedError


# %% [markdown]
# ## 4. Can the nearest neighbour tell them apart? (3 points)
#
# Put real and generated points together. For each one, look at its nearest other point: is that of the same kind? The
# accuracy is the share for which it is, over all points of both kinds. 1/2 is perfect. What does 1 mean, and what 0?


# %%
def nearest_neighbour_accuracy(real, fake):
    """The accuracy, from 0 to 1.    real: (n, d)    fake: (m, d)"""
    raise NotImplementedError


# %% [markdown]
# ## 5. Find the mistake: standardised (1 point)
#
# Features are standardised before distances are taken: in each column, minus the mean, divided by the standard
# deviation. This code is copied from course to course. Its distances of generated images come out far too good:
# whatever G's images have in common, it does not show. Mend it, and let a column that is constant in `real` be 0
# there, and no nan.


# %%
def standardised(real, fake):
    """Both in the scale of the real ones.    real: (n, d)    fake: (m, d)    returns real, fake"""
    return (real - real.mean(axis=0)) / real.std(axis=0), (fake - fake.mean(axis=0)) / fake.std(axis=0)


# %% [markdown]
# ## 6. A Frechet distance (3 points)
#
# Two Gaussians with diagonal covariances, of means $\mu, \nu$ and standard deviations $\sigma, \tau$ in each column,
# have the squared distance
# $$\sum_d (\mu_d - \nu_d)^2 + (\sigma_d - \tau_d)^2$$
# Take mean and standard deviation, with 1/n, from samples.


# %%
def frechet_diagonal(x, y):
    """The squared distance, a number.    x: (n, d)    y: (m, d)"""
    raise NotImplementedError
