# %% [markdown]
# # Lab 10: The GAN of 2025
#
# The parts of R3GAN (Huang et al. 2024, arXiv:2501.05441) and what is put around it: a loss of pairs, the weights'
# gradient of loss and penalty in one product, a residual block that begins as nothing, an augmentation, an average.
# The lesson is `docs/course/10-the-gan-of-2025.md`.
#
# A backward gets `dy` and the forward's arguments, and returns the gradients by those arguments, each of its argument's
# shape. Write formulas for whole arrays, without loops over their entries. `minigan lab check lab10.py` checks all
# tasks; this file may import numpy and math alone.

# %%
import numpy as np

LAB = "10"
STUDENT = "nobody"

# %% [markdown]
# ## 1. A hinge of pairs (3 points)
#
# D is shown pairs of a real and a fake image, and only the difference of its two scores counts. It wants the real one
# to score higher by 1 or more:
# $$L_D = \frac1n \sum_i \max(0, 1 - (s_i^{real} - s_i^{fake}))$$


# %%
def relativistic_hinge(s_real, s_fake):
    """L_D, a number.    s_real, s_fake: (n,)"""
    return np.maximum(0, 1 - (s_real - s_fake)).mean()


def relativistic_hinge_gradients(s_real, s_fake):
    """dL/ds_real, dL/ds_fake."""
    raise NotImplementedError


# %% [markdown]
# ## 2. Loss and penalty in one product (2 points)
#
# A dense layer without bias, $y = x W$, in a piecewise linear critic. Lesson 10 shows that the loss and the two
# penalties together have, as a function of this W, the gradient of
# $$\sum_i s_i \langle \delta_i, x_i W \rangle + \sum_i \langle \delta_i, t_i W \rangle$$
# where $\delta_i$ is the gradient of image i's score by y, $s_i$ that of the loss by the score, and $t_i$ the penalty's
# tangent. Write dW with one matrix product.


# %%
def fused_sum(W, x, t, s, delta):
    """The sum above.    W: (d, k)    x, t: (n, d)    s: (n,)    delta: (n, k)"""
    return (s[:, None] * delta * (x @ W)).sum() + (delta * (t @ W)).sum()


def fused_weight_gradient(W, x, t, s, delta):
    """dW."""
    raise NotImplementedError


# %% [markdown]
# ## 3. A residual block with a volume (4 points)
#
# $$y = x + \alpha \tanh(x W + b)$$
# With $\alpha = 0$ the block does nothing, and a deep network begins as a shallow one. Look at your formulas there:
# which of the gradients are 0 in the first step, and what does that mean for the second?


# %%
def scaled_residual_forward(x, W, b, alpha):
    """x: (n, d)    W: (d, d)    b: (d,)    alpha: a number    y: (n, d)"""
    return x + alpha * np.tanh(x @ W + b)


def scaled_residual_backward(dy, x, W, b, alpha):
    """dx, dW, db, dalpha."""
    raise NotImplementedError


# %% [markdown]
# ## 4. An augmentation that lets gradients through (3 points)
#
# D sees real and fake images with their colours made stronger or weaker, by a factor for each image: the distance of
# each pixel from the gray of the same brightness, the mean of its channels, is multiplied (after Zhao et al. 2020,
# arXiv:2006.10738). G learns through this, so it needs a backward.


# %%
def saturation_forward(x, factor):
    """gray + factor (x - gray).    x: (n, h, w, c)    factor: (n,)"""
    gray = x.mean(axis=3, keepdims=True)
    return gray + factor[:, None, None, None] * (x - gray)


def saturation_backward(dy, x, factor):
    """dx.    The factors are drawn at random, and need no gradient."""
    raise NotImplementedError


# %% [markdown]
# ## 5. An average by images seen (2 points)
#
# Samples are drawn with an average of G's weights: after every step, average = decay * average + (1 - decay) * weights.
# Papers give a half-life in images: after so many images, the weights of an earlier moment count half. What is the
# decay of a step with a batch of this size? A half-life of 0 means that there is no average: the decay is 0.


# %%
def average_decay(batch, half_life):
    """The decay of one step, a number from 0 to 1.    batch, half_life: in images"""
    raise NotImplementedError


# %% [markdown]
# ## Capstone
#
# Without automatic points: your own data, a GAN, a report, and one page. `docs/course/teaching.md` says what is looked
# at.
