# %% [markdown]
# # Lab 7: Who talks to whom?
#
# Four ways to normalise: over the batch, over one row, over groups of channels, over one image's channel. They differ
# in what an average is taken over, and so in which samples have a part in which gradients.
# The lesson is `docs/course/07-batchnorm-lets-images-talk.md`.
#
# A backward gets `dy`, the gradient by the forward's output, and the forward's arguments. It returns the gradients by
# those arguments that are named in its docstring, each of its argument's shape. Write formulas for whole arrays,
# without loops over their entries. `minigan lab check 07 lab07.py` checks all tasks; this file may import numpy and
# math alone.

# %%
import numpy as np

LAB = "07"
STUDENT = "nobody"
EPS = 1e-5  # is added to every variance

# %% [markdown]
# ## 1. Layer normalisation (4 points)
#
# Every row is normalised by its own mean and variance (Ba, Kiros and Hinton 2016, arXiv:1607.06450):
# $$\hat x_{ij} = \frac{x_{ij} - \mu_i}{\sqrt{\sigma_i^2 + \epsilon}}, \qquad
# \mu_i = \frac1d \sum_j x_{ij}, \quad \sigma_i^2 = \frac1d \sum_j (x_{ij} - \mu_i)^2, \qquad
# y_{ij} = \gamma_j \hat x_{ij} + \beta_j$$


# %%
def layer_norm_forward(x, gamma, beta):
    """y.    x, y: (n, d)    gamma, beta: (d,)"""
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + EPS) + beta


def layer_norm_backward(dy, x, gamma, beta):
    """dx, dgamma, dbeta."""
    raise NotImplementedError


# %% [markdown]
# ## 2. Group normalisation (4 points)
#
# An image's channels are divided into groups of neighbours, and every group of every image is normalised by its own
# mean and variance, over rows, columns and the group's channels (Wu and He 2018, arXiv:1803.08494). With 4 channels and
# 2 groups, channels 0 and 1 are the first group. $\gamma$ and $\beta$ have a number for each channel.


# %%
def group_norm_forward(x, gamma, beta, groups):
    """y.    x, y: (n, h, w, c)    gamma, beta: (c,)    groups: a whole number that divides c"""
    n, h, w, c = x.shape
    parts = x.reshape(n, h, w, groups, c // groups)
    mean = parts.mean(axis=(1, 2, 4), keepdims=True)
    var = parts.var(axis=(1, 2, 4), keepdims=True)
    return gamma * ((parts - mean) / np.sqrt(var + EPS)).reshape(x.shape) + beta


def group_norm_backward(dy, x, gamma, beta, groups):
    """dx, dgamma, dbeta."""
    raise NotImplementedError


# %% [markdown]
# ## 3. Instance normalisation with a style (3 points)
#
# Every channel of every image is normalised by itself, and then gets a scale and a shift that belong to this image and
# this channel: they come from a style, as in AdaIN (Huang and Belongie 2017, arXiv:1703.06868), the layer of the first
# StyleGAN.


# %%
def instance_norm_forward(x, gamma, beta):
    """y.    x, y: (n, h, w, c)    gamma, beta: (n, c), a number for each channel of each image"""
    mean, var = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    return gamma[:, None, None, :] * (x - mean) / np.sqrt(var + EPS) + beta[:, None, None, :]


def instance_norm_backward(dy, x, gamma, beta):
    """dx, dgamma, dbeta."""
    raise NotImplementedError


# %% [markdown]
# ## 4. Who talks to whom? (2 points)
#
# Find it out by experiment, for any function of a batch: which samples of the output move when sample j of the input
# moves? Entry `[i, j]` of the answer is True if sample i of `f(x)` changes when something in sample j of x does, and
# False if not. `f` takes an array of x's shape and returns one with as many samples. It may depend on a sample in a way
# that not every move shows: a function that subtracts each row's mean does not see it when a whole row is moved by the
# same amount. `f` may also return the same array at every call, with new numbers in it: copy what you want to keep.
# Leave x as it was, and call f at most 2 + 4 n times.
#
# Here a loop over the samples is the thing to do.


# %%
def coupling(f, x):
    """An array of bools, (n, n): [i, j] says whether sample i of f(x) moves with sample j of x.    x: (n, ...)"""
    raise NotImplementedError


# %% [markdown]
# ## 5. Find the mistakes: running statistics (2 points)
#
# BatchNorm keeps a running mean and variance for later use. In this version, which has been copied from blog to blog,
# the statistics of a network in use jump about like those of the last batch, and with small batches its variances are
# too small. What it should do:
#
# - `momentum` is the share of the old value that is kept, as in Keras: with 0.9 nine tenths of the old mean stay. (In
#   PyTorch `momentum` is the share of the new one.)
# - The variance that is averaged is the unbiased estimate, the sum of squares divided by $m - 1$, where $m$ is the
#   number of entries of a channel in the batch. (PyTorch does that, too; Keras divides by $m$.)
# - It returns new arrays. `mean` and `var` stay as they were.


# %%
def running_statistics(mean, var, x, momentum):
    """The new running mean and variance, a tuple.    mean, var: (c,)    x: (..., c), a batch    momentum: a number"""
    axes = tuple(range(x.ndim - 1))
    mean[...] = (1 - momentum) * mean + momentum * x.mean(axis=axes)
    var[...] = (1 - momentum) * var + momentum * x.var(axis=axes)
    return mean, var


# %%
if __name__ == "__main__":
    x = np.random.default_rng(0).normal(size=(4, 3))
    print("batch normalisation couples:")
    print(coupling(lambda x: (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + EPS), x))
