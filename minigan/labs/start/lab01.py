# %% [markdown]
# # Lab 1: Only told "fake"
#
# A generator with one number learns where the real numbers lie, and is told nothing but how fake its own look.
# The lesson is `docs/course/01-only-told-fake.md`.
#
# - G shifts noise: $G(z) = z + \theta$.
# - D looks at one number: $D(x) = \sigma(a + b x)$, where $\sigma(s) = 1 / (1 + e^{-s})$.
#
# Write what is missing, in any order, and ask as often as you like: `minigan lab check 01 lab01.py`.
# Write formulas for whole arrays, without loops over their entries. This file may import numpy and math alone.

# %%
import numpy as np

LAB = "01"
STUDENT = "nobody"


def sigmoid(s):
    """1 / (1 + exp(-s)), without an overflow."""
    e = np.exp(-abs(s))
    return np.where(s >= 0, 1, e) / (1 + e)


def softplus(s):
    """log(1 + exp(s)), without an overflow: -log D(x) is softplus(-s), and -log(1 - D(x)) is softplus(s)."""
    return np.maximum(s, 0) + np.log1p(np.exp(-abs(s)))


# %% [markdown]
# ## 1. The gradients of D (3 points)
#
# D wants to call real numbers real and fake ones fake. Its loss is the mean over both batches of what it is surprised:
# $$L_D = \frac1n \sum_i -\log D(x_i) + \frac1m \sum_j -\log(1 - D(y_j))$$


# %%
def d_loss(a, b, real, fake):
    """The loss of D.    a, b: numbers    real: (n,)    fake: (m,)"""
    return softplus(-(a + b * real)).mean() + softplus(a + b * fake).mean()


def d_gradients(a, b, real, fake):
    """dL/da, dL/db, of d_loss."""
    raise NotImplementedError


# %% [markdown]
# ## 2. The gradient of G (2 points)
#
# G wants its numbers to be called real. The loss that is used in practice is
# $$L_G = \frac1m \sum_j -\log D(z_j + \theta)$$


# %%
def g_loss(theta, a, b, z):
    """The non-saturating loss of G.    theta, a, b: numbers    z: (m,)"""
    return softplus(-(a + b * (z + theta))).mean()


def g_gradient(theta, a, b, z):
    """dL/dtheta, of g_loss."""
    raise NotImplementedError


# %% [markdown]
# ## 3. The saturating one (2 points)
#
# In the game as it was first written down, G makes what D gains as small as it can:
# $$L_G = \frac1m \sum_j \log(1 - D(z_j + \theta))$$
# Look at your formula, too: where D is sure that all of G's numbers are fake, how large is this gradient, and the
# other?


# %%
def g_loss_saturating(theta, a, b, z):
    """The saturating loss of G.    theta, a, b: numbers    z: (m,)"""
    return -softplus(a + b * (z + theta)).mean()


def g_gradient_saturating(theta, a, b, z):
    """dL/dtheta, of g_loss_saturating."""
    raise NotImplementedError


# %% [markdown]
# ## 4. The game (3 points)
#
# Put it together: in each round D takes a step down its gradient, then G takes one. Both begin at 0. You choose the
# number of rounds, the sizes of the batches, both learning rates, and how often D moves in a round. What comes out must
# lie within 0.3 of the real mean, wherever that is from -3 to 8. D has to be near its best before G's gradient means
# much.


# %%
def train(draw_real, rng):
    """The theta after your training.

    draw_real   draw_real(n) returns n real numbers, other ones at each call
    rng         a numpy Generator: rng.normal(size=m) is noise
    """
    raise NotImplementedError


# %%
if __name__ == "__main__":
    rng = np.random.default_rng(0)
    print("theta:", train(lambda n: rng.normal(7.5, 1, n), rng), "   the real mean is 7.5")
