# %% [markdown]
# # Lab 8: A convolution backwards
#
# Layers of images: where one number of the input went, there its gradient comes from. At the end your own transposed
# convolutions draw digits.
# The lesson is `docs/course/08-a-convolution-backwards.md`.
#
# A backward gets `dy`, the gradient by the forward's output, and the forward's arguments. It returns the gradients by
# those arguments that are named in its docstring, each of its argument's shape. Loops over the places of a kernel are
# welcome; rows, columns, channels and images are for whole arrays. Images are (n, h, w, c).
# `minigan lab check 08 lab08.py` checks all tasks; this file may import numpy and math alone.

# %%
import numpy as np

LAB = "08"
STUDENT = "nobody"

# %% [markdown]
# ## 1. Pixel shuffle (2 points)
#
# An image is made larger without a product: r x r channels become a square of r x r pixels (Shi et al. 2016,
# arXiv:1609.05158).


# %%
def pixel_shuffle_forward(x, r):
    """y.    x: (n, h, w, c r^2)    y: (n, h r, w r, c)    r: a whole number

    y[n, i r + k, j r + l, c] = x[n, i, j, c r^2 + k r + l]
    """
    n, h, w, channels = x.shape
    c = channels // r**2
    return x.reshape(n, h, w, c, r, r).transpose(0, 1, 4, 2, 5, 3).reshape(n, h * r, w * r, c)


def pixel_shuffle_backward(dy, x, r):
    """dx."""
    raise NotImplementedError


# %% [markdown]
# ## 2. A convolution with holes (3 points)
#
# The places of the kernel are $t$ pixels apart (`dilation`), so that it sees further with as many weights:
# $$y_{n i j o} = b_o + \sum_{k l c} x_{n,\ i + t k,\ j + t l,\ c} \, W_{k l c o}$$


# %%
def dilated_conv_forward(x, W, b, dilation):
    """y.    x: (n, h, w, c)    W: (kh, kw, c, o)    b: (o,)    y: (n, h - t (kh - 1), w - t (kw - 1), o)"""
    kh, kw = W.shape[:2]
    h, w = x.shape[1] - dilation * (kh - 1), x.shape[2] - dilation * (kw - 1)
    y = np.zeros((len(x), h, w, W.shape[3])) + b
    for k in range(kh):
        for l in range(kw):  # noqa: E741
            y += x[:, dilation * k : dilation * k + h, dilation * l : dilation * l + w] @ W[k, l]
    return y


def dilated_conv_backward(dy, x, W, b, dilation):
    """dx, dW, db."""
    raise NotImplementedError


# %% [markdown]
# ## 3. A kernel for each channel (3 points)
#
# In a depthwise convolution every channel has its own small kernel, and no channel sees another one (it is one half of
# the layers of MobileNet, arXiv:1704.04861). Here the windows are `stride` pixels apart. The last rows and columns may
# be in no window.
# $$y_{n i j c} = \sum_{k l} x_{n,\ s i + k,\ s j + l,\ c} \, W_{k l c}$$


# %%
def depthwise_forward(x, W, stride):
    """y.    x: (n, h, w, c)    W: (kh, kw, c)    y: (n, (h - kh) // s + 1, (w - kw) // s + 1, c)"""
    kh, kw = W.shape[:2]
    h, w = (x.shape[1] - kh) // stride + 1, (x.shape[2] - kw) // stride + 1
    y = np.zeros((len(x), h, w, x.shape[3]))
    for k in range(kh):
        for l in range(kw):  # noqa: E741
            rows, columns = slice(k, k + stride * (h - 1) + 1, stride), slice(l, l + stride * (w - 1) + 1, stride)
            y += x[:, rows, columns] * W[k, l]
    return y


def depthwise_backward(dy, x, W, stride):
    """dx, dW."""
    raise NotImplementedError


# %% [markdown]
# ## 4. Who writes where? (2 points)
#
# A transposed convolution writes a whole kernel for every pixel of its input: pixel i of a row adds to the places
# $s i, \ldots, s i + k - 1$. How often is each place of the row written? (Where the counts differ, G draws a
# checkerboard: Odena, Dumoulin and Olah 2016, doi:10.23915/distill.00003.)


# %%
def overlap_count(size, kernel, stride):
    """Whole numbers, an array of length stride (size - 1) + kernel: how many pixels write to each place."""
    raise NotImplementedError


# %% [markdown]
# ## 5. A transposed convolution (2 points)
#
# Here is a convolution with a stride and a padding:


# %%
def conv_forward(u, W, stride, padding):
    """y.    u: (n, H, W, c)    W: (k, k, c, d)    y: (n, h, w, d), h = (H + 2 padding - k) // stride + 1, w likewise"""
    k = W.shape[0]
    u = np.pad(u, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    h, w = (u.shape[1] - k) // stride + 1, (u.shape[2] - k) // stride + 1
    y = np.zeros((len(u), h, w, W.shape[3]), dtype=u.dtype)
    for i in range(k):
        for j in range(k):
            y += u[:, i : i + stride * (h - 1) + 1 : stride, j : j + stride * (w - 1) + 1 : stride] @ W[i, j]
    return y


# %% [markdown]
# The transposed convolution with the same $W$ goes the other way: it is the transpose of that linear map, so that
# $\langle \mathrm{conv}(u), x \rangle = \langle u, \mathrm{convT}(x) \rangle$ for all $u$ and $x$. In the end comes a
# bias for each channel of its output. With $h$ rows in $x$, $y$ has $s (h - 1) + k - 2p$ rows; likewise the columns.


# %%
def conv_transpose_forward(x, W, b, stride, padding):
    """y.    x: (n, h, w, d)    W: (k, k, c, d)    b: (c,)    y: (n, s (h - 1) + k - 2 p, s (w - 1) + k - 2 p, c)"""
    raise NotImplementedError


# %% [markdown]
# ## 6. And backwards (2 points)
#
# Is dx not something that stands above already?


# %%
def conv_transpose_backward(dy, x, W, b, stride, padding):
    """dx, dW, db, of your conv_transpose_forward."""
    raise NotImplementedError


# %% [markdown]
# ## 7. Milestone: digits (2 points)
#
# A small DCGAN is built of your two functions: noise, a dense layer to 7 x 7 pixels of 32 channels, your transposed
# convolution to 14 x 14 x 16, another one to 28 x 28 x 1. You say with which kernels, strides and paddings. Both layers
# must enlarge their images exactly twofold, no kernel may be larger than 6, and away from the borders all pixels must
# be written equally often, and by more than one pixel of the layer's input. The check trains the network on MNIST's
# digits, 400 steps, and measures the Frechet distance of its digits, in the features of minigan's digit classifier,
# from real ones (that of a dense network after as many steps, and of yours with twenty seeds, is in the message). It
# takes a minute or two.


# %%
def dcgan_layers():
    """Two tuples in a list: [(kernel, stride, padding), (kernel, stride, padding)]."""
    raise NotImplementedError
