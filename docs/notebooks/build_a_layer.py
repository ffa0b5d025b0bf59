# %% [markdown]
# # Build a layer
#
# A layer in minigan is two functions: `forward` computes $y = f(x)$, and `backward` takes
# $dy = \partial L / \partial y$ and gives $dx = \partial L / \partial x$. There is no automatic differentiation. So
# the second function is a claim about the first, and a check tests the claim.
#
# Here you write a layer that minigan does not have, make a classic mistake in it, see it found, and then train a GAN
# with it.
#
# The layer is **PixelNorm** (Karras et al. 2018): it divides the vector of $C$ channels at every pixel by its own
# size,
#
# $$y_c = \frac{x_c}{r} \qquad r = \sqrt{\frac{1}{C} \sum_k x_k^2 + \epsilon}$$
#
# so that no signal in $G$ can grow without end. It has no parameters.

# %% [markdown]
# ## A first try
#
# $r$ is a number, so the derivative of $x_c / r$ is $1 / r$, and $dx = dy / r$. Is it?

# %%
import numpy as np

import minigan as mg
from minigan.gradcheck import check
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Layer,
    LeakyReLU,
    MinibatchStd,
    ReLU,
    Reshape,
    Tanh,
)


class FirstTry(Layer):
    def forward(self, x, train):
        self.r = self.xp.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-8)
        return x / self.r

    def backward(self, dy, params=True, inputs=True):
        return dy / self.r if inputs else None


check(FirstTry(), (2, 3, 3, 4))  # two images of 3 x 3 pixels, 4 channels

# %% [markdown]
# ## What the check did
#
# It drew a random $v$, took $L = \langle v, f(x) \rangle$, so that $dy = v$, and compared every entry of $dx$ with
#
# $$\frac{\langle v, f(x + h) \rangle - \langle v, f(x - h) \rangle}{2h}$$
#
# which knows nothing of the backward. Both signs and sizes are off, not by rounding. The mistake: **$r$ depends on
# $x$, too.** Every $x_a$ moves all $C$ outputs of its pixel, because it moves the $r$ that they are divided by.
#
# ## The derivation
#
# $$\frac{\partial r}{\partial x_a} = \frac{x_a}{C\, r} \qquad
# \frac{\partial y_c}{\partial x_a} = \frac{\delta_{ca}}{r} - \frac{x_c}{r^2} \cdot \frac{x_a}{C\, r}
# = \frac{1}{r} \left( \delta_{ca} - \frac{y_c\, y_a}{C} \right)$$
#
# Multiply by $dy_c$, and add up over $c$:
#
# $$dx_a = \frac{1}{r} \left( dy_a - y_a \cdot \frac{1}{C} \sum_c dy_c\, y_c \right)$$
#
# The new term takes out of $dy$ what points along $y$: a longer $x$ gives the same $y$, so that direction has no
# slope.


# %%
class PixelNorm(Layer):
    """y = x / r,  r = sqrt(mean_c x^2 + eps), at every pixel."""

    def __init__(self, eps=1e-8):
        self.eps = eps

    def forward(self, x, train):
        self.r = self.xp.sqrt((x**2).mean(axis=-1, keepdims=True) + self.eps)
        self.y = x / self.r
        return self.y

    def backward(self, dy, params=True, inputs=True):
        """dx = (dy - y mean_c(dy y)) / r."""
        if not inputs:
            return None
        return (dy - self.y * (dy * self.y).mean(axis=-1, keepdims=True)) / self.r


check(PixelNorm(), (2, 3, 3, 4))

# %% [markdown]
# Every entry agrees. Without a shape, `check` tries many: rows, images with odd sides, one channel, a batch of one.

# %%
check(PixelNorm())

# %% [markdown]
# ## A GAN with it
#
# A $G$ with PixelNorm behind its layers, and a $D$ with `MinibatchStd` before its last ones, which tells $D$ how much
# the images of a batch differ: both come from the same paper. `check(net)` looks at a whole network.


# %%
def generator(norm, width=8):
    return mg.Generator(
        [
            *(Dense(7 * 7 * 4 * width), Reshape((7, 7, 4 * width)), norm(), ReLU()),
            *(Conv2DTranspose(2 * width, 4, 2, 1), norm(), ReLU()),
            *(Conv2DTranspose(1, 4, 2, 1), Tanh()),
        ],
        input_shape=32,
        name="G",
    )


def discriminator(width=8):
    return mg.Sequential(
        [
            *(Conv2D(width, 4, 2, 1), LeakyReLU(0.2)),
            *(Conv2D(2 * width, 4, 2, 1), LeakyReLU(0.2)),
            *(MinibatchStd(), Flatten(), Dense(8 * width), LeakyReLU(0.2), Dense(1)),
        ],
        input_shape=(28, 28, 1),
        name="D",
    )


print(generator(PixelNorm))
print("the gradients of a narrow one:", "OK" if check(generator(PixelNorm, width=1), (2, 32)) else "wrong")

# %%
digits = mg.data.mnist(labels=False)


def trained(norm):
    G, D = generator(norm), discriminator()
    gan = mg.GAN(G, D, g_optimizer=mg.Adam(G, 5e-4, 0.5), d_optimizer=mg.Adam(D, 5e-4, 0.5))
    mg.train(gan, digits, steps=1_000, batch_size=32)
    return gan


gan = trained(PixelNorm)
mg.pictures.grid(gan.sample(40), columns=10)

# %% [markdown]
# ## What the mistake would have done
#
# It raises no error, and the shapes are right. Here is the first try in the same GAN, in the second row; and
# BatchNorm in the same place, in the third.

# %%
rows = [gan.sample(10), trained(FirstTry).sample(10), trained(BatchNorm).sample(10)]
mg.pictures.grid(np.concatenate(rows), columns=10)

# %% [markdown]
# The wrong layer learns, too. Nobody who sees only the second row would look for a mistake in a derivative; one would
# change the learning rate. That is why the check comes first.
#
# ## Try
#
# - Forget the mean: divide by $\sqrt{\sum_k x_k^2 + \epsilon}$ in `forward`, and keep `backward`. What does the check
#   say?
# - A layer with a parameter declares it in `build`: `self.param("g", in_shape, ones)`. Give PixelNorm a learned
#   factor for every channel, and its gradient.
# - Put your layer into a file, and `python -m minigan gradcheck my_layers.py` checks it from the command line.
#
# Next: [checking gradients](../gradcheck.md), and how [BatchNorm](../layers/batchnorm.md), a close relative, is
# derived.
