# %% [markdown]
# # Lab 3: What does a perfect D know?
#
# The best possible D, what the game is worth with it, and how near a D of your own comes to it.
# The lesson is `docs/course/03-what-a-perfect-d-knows.md`.
#
# `minigan lab check lab03.py` checks all tasks; this file may import numpy and math alone. Write formulas for whole
# arrays where no loop is asked for.

# %%
import numpy as np

LAB = "03"
STUDENT = "nobody"

# %% [markdown]
# ## 1. The best D (2 points)
#
# At a place where real points have the density p and generated ones q, D gains
# $$p \log D + q \log(1 - D)$$
# Which D makes that largest? Where no points come at all, D cannot know anything: let it be 1/2 there.


# %%
def optimal_d(p, q):
    """The best D at each place.    p, q: arrays of one shape, 0 or more    returns an array of that shape"""
    raise NotImplementedError


# %% [markdown]
# ## 2. What the game is worth with it (2 points)
#
# Now p and q are shares in the bins of a histogram; each adds up to 1. The value of the game with the best D is
# $$V = \sum_i p_i \log D_i + q_i \log(1 - D_i)$$
# A bin that is empty in p adds nothing through its first term, and one that is empty in q nothing through its second.
# No nan, please.


# %%
def value_at_optimum(p, q):
    """V, a number, in nats.    p, q: (bins,)"""
    raise NotImplementedError


# %% [markdown]
# ## 3. The Jensen-Shannon divergence (2 points)
#
# $$JS(p, q) = \tfrac12 KL(p, m) + \tfrac12 KL(q, m), \quad m = \tfrac12 (p + q)$$
# with $KL(p, m) = \sum_i p_i \log (p_i / m_i)$.
# Bins may be empty. When you have it: compare V with it, for a few p and q.


# %%
def jensen_shannon(p, q):
    """JS, a number, in nats.    p, q: (bins,)"""
    raise NotImplementedError


# %% [markdown]
# ## 4. Find the mistake: a histogram (2 points)
#
# A well-known page that shows GANs in a browser measures how far its two clouds are apart. Its divergences are wrong:
# reading the points, the program takes them out of the list that it reads from. Told in Python, and in one dimension,
# that is this. Mend it.


# %%
def histogram(points, edges):
    """How many points lie in each bin: from edges[i], included, to edges[i + 1], not included.

    points: (n,)    edges: (bins + 1,), rising    returns (bins,); points outside of all bins do not count
    """
    left, counts = list(points), np.zeros(len(edges) - 1)
    for i in range(len(points)):
        if i < len(left):
            point = left.pop(i)
            for k in range(len(counts)):
                if edges[k] <= point < edges[k + 1]:
                    counts[k] += 1
    return counts


# %% [markdown]
# ## 5. Maxout (3 points)
#
# D's of early GANs had units that take the largest of several linear functions (Goodfellow et al. 2013,
# arXiv:1302.4389):
# $$y_{nk} = \max_p \Big( \sum_d x_{nd} W_{dkp} + b_{kp} \Big)$$


# %%
def maxout_forward(x, W, b):
    """x: (n, d)    W: (d, k, p)    b: (k, p)    y: (n, k)"""
    return (np.einsum("nd,dkp->nkp", x, W) + b).max(axis=2)


def maxout_backward(dy, x, W, b):
    """dx, dW, db."""
    raise NotImplementedError


# %% [markdown]
# ## 6. A D of your own (3 points)
#
# Two sources of numbers, whose densities you do not know. Train a D that tells them apart, in NumPy: its mean distance
# from the best possible D, on a grid over the places where numbers come, must be less than 0.05. A layer of 32 tanh
# units is enough. It may take some seconds.


# %%
def train_d(draw_real, draw_fake, rng):
    """A function: D(x), for x of shape (m,), the probability that each number is real, (m,).

    draw_real, draw_fake   draw_real(n) returns n numbers, others at each call
    rng                    a numpy Generator, for your first weights
    """
    raise NotImplementedError
