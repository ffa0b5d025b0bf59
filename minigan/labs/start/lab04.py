# %% [markdown]
# # Lab 4: Where does G's gradient come from?
#
# A whole GAN without a library: the way back through a network, both gradients of a step, an optimizer, and a ring of
# points to learn. The lesson is `docs/course/04-where-gs-gradient-comes-from.md`.
#
# A backward gets `dy` and the forward's arguments, and returns the gradients by those arguments, each of its argument's
# shape. Write formulas for whole arrays, without loops over their entries. `minigan lab check lab04.py` checks all
# tasks; the last one trains, which takes a minute. This file may import numpy and math alone.

# %%
import numpy as np

LAB = "04"
STUDENT = "nobody"


def softplus(s):
    """log(1 + exp(s)), without an overflow."""
    return np.maximum(s, 0) + np.log1p(np.exp(-abs(s)))


# %% [markdown]
# ## 1. ELU (2 points)
#
# $y = x$ where $x > 0$, and $\alpha (e^x - 1)$ elsewhere (Clevert et al. 2015, arXiv:1511.07289). Here alpha is a
# parameter.


# %%
def elu_forward(x, alpha):
    """x, y: (n, d)    alpha: a number"""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_backward(dy, x, alpha):
    """dx, dalpha.    No overflow, and no nan, even at x = 1000."""
    raise NotImplementedError


# %% [markdown]
# ## 2. A network (4 points)
#
# Three dense layers with ELUs of alpha = 1 between them. G and D are both of this kind.


# %%
def network_forward(x, W1, b1, W2, b2, W3, b3):
    """x: (n, d)    W1: (d, h)    W2: (h, k)    W3: (k, o)    biases: (h,), (k,), (o,)    y: (n, o)"""
    h1 = elu_forward(x @ W1 + b1, 1.0)
    h2 = elu_forward(h1 @ W2 + b2, 1.0)
    return h2 @ W3 + b3


def network_backward(dy, x, W1, b1, W2, b2, W3, b3):
    """dx, dW1, db1, dW2, db2, dW3, db3."""
    raise NotImplementedError


# %% [markdown]
# ## 3. D's gradients in a step (3 points)
#
# D's numbers are logits: $L_D = \frac1n \sum_i softplus(-D(x_i)) + \frac1m \sum_j softplus(D(y_j))$, over real x and
# fake y. Each batch goes through D, and back, by itself. (W1 to b3 are D's.)


# %%
def d_loss(W1, b1, W2, b2, W3, b3, real, fake):
    """L_D, a number.    real: (n, d)    fake: (m, d)"""
    s_real = network_forward(real, W1, b1, W2, b2, W3, b3)
    s_fake = network_forward(fake, W1, b1, W2, b2, W3, b3)
    return softplus(-s_real).mean() + softplus(s_fake).mean()


def d_step_gradients(W1, b1, W2, b2, W3, b3, real, fake):
    """dW1, db1, dW2, db2, dW3, db3."""
    raise NotImplementedError


# %% [markdown]
# ## 4. G's gradients in a step (3 points)
#
# $L_G = \frac1m \sum_j softplus(-D(G(z_j)))$. G knows nothing of the data but what D's slope tells it. (V1 to c3 are
# G's; D is a list of D's six arrays, which stay as they are.)


# %%
def g_loss(V1, c1, V2, c2, V3, c3, z, D):
    """L_G, a number.    z: (m, e)    D: [W1, b1, W2, b2, W3, b3]"""
    return softplus(-network_forward(network_forward(z, V1, c1, V2, c2, V3, c3), *D)).mean()


def g_step_gradients(V1, c1, V2, c2, V3, c3, z, D):
    """dV1, dc1, dV2, dc2, dV3, dc3."""
    raise NotImplementedError


# %% [markdown]
# ## 5. Adam (2 points)
#
# The update number `step`, which counts from 1 (Kingma and Ba 2014, arXiv:1412.6980, algorithm 1):
# $$m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
# w \leftarrow w - r \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$


# %%
def adam(w, g, m, v, step, rate, beta1=0.5, beta2=0.99, eps=1e-8):
    """The new w, m and v. The arrays that came in stay as they are.    w, g, m, v: arrays of one shape"""
    raise NotImplementedError


# %% [markdown]
# ## 6. Milestone 1: a ring (4 points)
#
# Real points lie on a ring of 8 modes. Train G and D with your functions. Of the 2,500 points that are then drawn, at
# least 7 modes must have one that lies well within it, with two of three seeds. A run may take 60 seconds.


# %%
def train_ring(draw_real, rng):
    """A function: generate(n), n points of your G, (n, 2).

    draw_real   draw_real(n) returns n real points, (n, 2), others at each call
    rng         a numpy Generator, for weights and noise: rng.normal(size=(n, 8))
    """
    raise NotImplementedError
