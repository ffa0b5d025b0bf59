# %% [markdown]
# # Lab 2: Is the gradient right?
#
# First you write the tool that finds out, then gradients that it, and the checker, can judge. At the end wait two
# mistakes that were published.
# The lesson is `docs/course/02-is-the-gradient-right.md`.
#
# A backward gets `dy`, the gradient by the forward's output, and the forward's arguments. It returns the gradients by
# those arguments, each of its argument's shape. Write formulas for whole arrays, without loops over their entries.
# `minigan lab check 02 lab02.py` checks all tasks; this file may import numpy and math alone.

# %%
import numpy as np

LAB = "02"
STUDENT = "nobody"

# %% [markdown]
# ## 1. Differences (2 points)
#
# For every entry of x:  $\frac{f(x + h e_i) - f(x - h e_i)}{2h}$. Here a loop over the entries is the thing to do.
# Leave x as it was.


# %%
def numeric_gradient(f, x, h=1e-5):
    """An array of x's shape: the derivatives of f, which takes x and returns a number."""
    raise NotImplementedError


# %% [markdown]
# ## 2. Softplus (2 points)
#
# A ReLU without a corner: $y = \log(1 + e^x)$.


# %%
def softplus_forward(x):
    """log(1 + exp(x)), without an overflow.    x, y: (n, d)"""
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


def softplus_backward(dy, x):
    """dx.    No overflow, and no nan, even at x = -1000 and 1000."""
    raise NotImplementedError


# %% [markdown]
# ## 3. Weight normalisation (4 points)
#
# A dense layer whose columns have a length of their own, $g_k$ (Salimans and Kingma 2016, arXiv:1602.07868):
# $$W_{\cdot k} = g_k \frac{v_{\cdot k}}{\lVert v_{\cdot k} \rVert}, \qquad y = x W$$


# %%
def weight_norm_forward(x, v, g):
    """y = x W.    x: (n, d)    v: (d, k)    g: (k,)    y: (n, k)"""
    return x @ (g * v / np.sqrt((v**2).sum(axis=0)))


def weight_norm_backward(dy, x, v, g):
    """dx, dv, dg."""
    raise NotImplementedError


# %% [markdown]
# ## 4. Cross-entropy with soft labels and weights (3 points)
#
# The loss of a discriminator on logits $s$. A label of 1 becomes $1 - \epsilon$, and one of 0 becomes $\epsilon$; each
# row counts with its weight, and the sum is divided by that of the weights:
# $$L = \frac{\sum_i w_i \left( \log(1 + e^{s_i}) - t_i s_i \right)}{\sum_i w_i}$$


# %%
def smoothed_cross_entropy(s, labels, weights, epsilon):
    """The loss, a number.    s: (n,)    labels: (n,), 0 or 1    weights: (n,), positive    epsilon: a number"""
    t = labels * (1 - 2 * epsilon) + epsilon
    return (weights * (softplus_forward(s) - t * s)).sum() / weights.sum()


def smoothed_cross_entropy_gradient(s, labels, weights, epsilon):
    """dL/ds."""
    raise NotImplementedError


# %% [markdown]
# ## 5. Find the mistake: a bias (2 points)
#
# The bias of a convolution was published with this gradient, as a model of good work. `y` has k x k x c windows' sums
# in it, wrote its author, so the gradient of the bias has them, too. What is right? Mend the function.


# %%
def conv_bias_forward(sums, b):
    """A convolution's last step: y = sums + b.    sums: (n, h, w, c)    b: (c,)"""
    return sums + b


def conv_bias_gradient(dy, b, k):
    """db.    dy: (n, h, w, c)    k: the length of the kernel's sides"""
    db = np.zeros_like(b)
    for _ in range(k * k * dy.shape[3]):
        db += dy.sum(axis=(0, 1, 2))
    return db


# %% [markdown]
# ## 6. Find the mistake: a ring (2 points)
#
# A well-known demonstration of GANs, on a ring of 8 modes, has only 7 of them. Mend the function.


# %%
def ring_centres(k, radius):
    """The centres of k modes on a circle around 0, at equal distances, the first at (radius, 0).    (k, 2)"""
    angle = np.linspace(0, 2 * np.pi, k)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
