# %% [markdown]
# # Lab 6: From points to digits
#
# The step of lab 4 on images: their range, a loss of features, noise that is multiplied, copies, and a first run with
# minigan, on the digits.
# The lesson is `docs/course/06-from-points-to-digits.md`.
#
# `minigan lab check lab06.py` checks all tasks; the last one trains, which takes a minute or two. This file may import
# numpy, math and minigan; the first five tasks need numpy alone.

# %%
import numpy as np

import minigan as mg

LAB = "06"
STUDENT = "nobody"

# %% [markdown]
# ## 1. Before the run (1 point)
#
# Fill this in before you train anything, with one of the answers that stand behind each. It is checked for being
# filled in, not for being right. When the run of task 6 is over, look at its curves, and see where you were wrong.


# %%
def predictions():
    """Your answers."""
    return {
        "D's accuracy after 100 steps": "",  # "about 0.5", "0.6 to 0.9", "above 0.9"
        "D's loss at the end": "",  # "near 0", "between 0 and 2 log 2", "2 log 2", "above"
        "G's loss from step 600 to the end": "",  # "falls", "stays", "rises"
        "the digits after 600 steps": "",  # "noise", "strokes", "digits"
    }


# %% [markdown]
# ## 2. Find the mistake: prepare (2 points)
#
# A program for stacked digits, whose numbers are in a paper, prepares its images like this. Its G ends in a tanh. Mend
# it.


# %%
def prepare(images):
    """Images for the D of a GAN whose G ends in a tanh.    (n, h, w, c) uint8, 0 to 255 -> the same shape, float32"""
    return (images / 255).astype(np.float32)


# %% [markdown]
# ## 3. Feature matching (3 points)
#
# G is asked for images whose features have the mean of the real ones' (Salimans et al. 2016, arXiv:1606.03498). The
# features are
# $f(x) = \tanh(x W + b)$, a layer of D that is held fixed:
# $$L = \lVert \overline{f(x^{real})} - \overline{f(x^{fake})} \rVert^2$$


# %%
def feature_matching(fake, real, W, b):
    """L, a number.    fake: (n, d)    real: (m, d)    W: (d, k)    b: (k,)"""
    apart = np.tanh(real @ W + b).mean(axis=0) - np.tanh(fake @ W + b).mean(axis=0)
    return (apart**2).sum()


def feature_matching_gradient(fake, real, W, b):
    """dL/dfake."""
    raise NotImplementedError


# %% [markdown]
# ## 4. Noise that is multiplied (3 points)
#
# Dropout with a Gaussian in place of zeros and ones (Srivastava et al. 2014, section 10). Here the volume of the
# noise, one number for each column, is learnt:
# $$y_{nd} = x_{nd} (1 + e^{v_d} \epsilon_{nd})$$


# %%
def dropout_forward(x, v, epsilon):
    """x: (n, d)    v: (d,)    epsilon: (n, d), drawn from N(0, 1)    y: (n, d)"""
    return x * (1 + np.exp(v) * epsilon)


def dropout_backward(dy, x, v, epsilon):
    """dx, dv.    epsilon needs no gradient."""
    raise NotImplementedError


# %% [markdown]
# ## 5. Copies (2 points)
#
# Did G learn to draw, or does it repeat what it saw? For every generated image: which training image is nearest to it,
# by the square root of the sum of squared differences of all pixels, and how far is it?


# %%
def nearest_training_images(fake, training):
    """The index of the nearest training image of each fake, and its distance.

    fake: (n, h, w, c)    training: (m, h, w, c), both uint8    returns (n,) whole numbers, (n,) floats
    """
    raise NotImplementedError


# %% [markdown]
# ## 6. Train (3 points)
#
# Now with minigan: `mg.models.mnist_mlp()` makes G and D, `mg.GAN(G, D)` is the game, `mg.train(gan, digits, steps=...,
# batch_size=...)` plays it (docs/training.md). In at most 1,500 steps with batches of at most 64, the distance of your
# digits from real ones must fall below what the check says. Look at `mg.pictures.grid(gan.sample(25, seed=1))` before
# you hand it in.


# %%
def train_digits(digits, seed):
    """Your trained mg.GAN.    digits: mg.data.mnist(...), handed to you    seed: for the networks and the GAN"""
    raise NotImplementedError
