# %% [markdown]
# # Lab 9: Why do GANs fail, and what is a cure?
#
# The smallest GAN that runs in a circle, packs, penalties on D's slope with their second derivatives, and a GAN that
# loses its modes, to be cured. The lesson is `docs/course/09-why-gans-fail.md`.
#
# A backward gets `dy` and the forward's arguments, and returns the gradients by those arguments, each of its argument's
# shape. Write formulas for whole arrays, without loops over their entries. `minigan lab check lab09.py` checks all
# tasks; the last one trains, which takes a minute. This file may import numpy, math and minigan; the first four tasks
# need numpy alone.

# %%
import numpy as np

import minigan as mg

LAB = "09"
STUDENT = "nobody"


def sigmoid(s):
    """1 / (1 + exp(-s)), without an overflow."""
    e = np.exp(-abs(s))
    return np.where(s >= 0, 1, e) / (1 + e)


def softplus(s):
    """log(1 + exp(s)), without an overflow."""
    return np.maximum(s, 0) + np.log1p(np.exp(-abs(s)))


# %% [markdown]
# ## 1. A step of the Dirac-GAN (2 points)
#
# All real points lie at 0, all of G's at theta, and D(x) = psi x (Mescheder et al. 2018, arXiv:1801.04406). Both
# losses are given. In a step, theta and psi go down the gradient of their own loss at once: both gradients are those
# at the old place.


# %%
def dirac_d_loss(psi, theta, gamma):
    """L_D, with R1 of weight gamma: D's slope is psi everywhere."""
    return softplus(0.0) + softplus(psi * theta) + gamma / 2 * psi**2


def dirac_g_loss(theta, psi):
    """L_G, the non-saturating one."""
    return softplus(-psi * theta)


def dirac_step(theta, psi, rate, gamma):
    """The new theta and psi."""
    raise NotImplementedError


# %% [markdown]
# ## 2. Packs (2 points)
#
# D sees m images at once, one behind the other in the channels (Lin et al. 2018, arXiv:1712.04086).


# %%
def pack_forward(x, m):
    """x: (n m, h, w, c)    y: (n, h, w, m c): images 0 to m - 1 are the first pack, and the first c channels image 0"""
    n, h, w, c = len(x) // m, *x.shape[1:]
    return x.reshape(n, m, h, w, c).transpose(0, 2, 3, 1, 4).reshape(n, h, w, m * c)


def pack_backward(dy, x, m):
    """dx."""
    raise NotImplementedError


# %% [markdown]
# ## 3. R1 of a critic with one hidden layer (4 points)
#
# $s = \tanh(x W_1 + b_1)\, w_2$ has the slope $g = \big((1 - h^2) \circ w_2\big) W_1^\top$ by x, with h for the tanh.
# R1 is half of gamma times the mean of its squared length. Its gradient differentiates that slope once more.


# %%
def r1_penalty(W1, b1, w2, x, gamma):
    """P, a number.    W1: (d, k)    b1, w2: (k,)    x: (n, d)    gamma: a number"""
    h = np.tanh(x @ W1 + b1)
    g = ((1 - h**2) * w2) @ W1.T
    return gamma / 2 * (g**2).sum(axis=1).mean()


def r1_gradients(W1, b1, w2, x, gamma):
    """dW1, db1, dw2."""
    raise NotImplementedError


# %% [markdown]
# ## 4. A penalty with one side (3 points)
#
# Slopes below 1 cost nothing. The critic has softplus units: $s = softplus(x W_1 + b_1)\, w_2$, with the slope
# $g = (\sigma(a) \circ w_2) W_1^\top$, where $a = x W_1 + b_1$; and $P = \lambda\, mean \max(0, |g| - 1)^2$.


# %%
def one_sided_penalty(W1, b1, w2, x, weight):
    """P, a number.    W1: (d, k)    b1, w2: (k,)    x: (n, d)    weight: a number"""
    g = (sigmoid(x @ W1 + b1) * w2) @ W1.T
    length = np.sqrt((g**2).sum(axis=1))
    return weight * (np.maximum(0, length - 1) ** 2).mean()


def gradient_penalty_gradients(W1, b1, w2, x, weight):
    """dW1, db1, dw2."""
    raise NotImplementedError


# %% [markdown]
# ## 5. Milestone 3: a cure (4 points)
#
# `mg.models.toy2d(latent=16)` with Adam at 1e-3 and beta1 = 0.5 loses most of the 8 modes of `mg.data.ring(8)` within
# 1,000 steps of 128 points. The checker trains just that, with a penalty of yours. At least 7 modes must be left, with
# two of three seeds. Write a class derived from `mg.Penalty`, with two methods:
#
# - `images(self, x_real, x_fake, share)` says where D's slope is looked at: an array of points;
# - `term(self, g)` gets the slopes there, (n, 2), and returns P and dP/dg. `minigan gradcheck lab09.py` checks it.
#
# docs/wgan_gp.md has more on both. Which points, which function of the slope, and which weight is up to you.


# %%
def cure():
    """An object of your class."""
    raise NotImplementedError
