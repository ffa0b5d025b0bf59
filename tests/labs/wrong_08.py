"""Typical wrong solutions of lab 8, as in wrong.py."""

WRONG = [
    ("pixel_shuffle_backward", "transpose(0, 1, 3, 5, 2, 4)", "transpose(0, 1, 3, 2, 4, 5)"),
    ("pixel_shuffle_backward", "transpose(0, 1, 3, 5, 2, 4)", "transpose(0, 1, 3, 5, 4, 2)"),
    ("pixel_shuffle_backward", "return dy.reshape(n, h, r, w, r, channels // r**2).transpose(0, 1, 3, 5, 2, 4).reshape(x.shape)", "return dy.reshape(x.shape)"),
    ("pixel_shuffle_backward", ".transpose(0, 1, 3, 5, 2, 4).reshape(x.shape)", ".transpose(0, 1, 3, 5, 2, 4)"),
    ("pixel_shuffle_backward", "", """
def pixel_shuffle_backward(dy, x, r):
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        dx[n, i // r, j // r, c * r * r + (i % r) * r + j % r] = dy[n, i, j, c]
    return dx
"""),
    ("dilated_conv_backward", "dx[:, rows, columns] += dy @ W[k, m].T", "dx[:, rows, columns] = dy @ W[k, m].T"),
    ("dilated_conv_backward", "slice(dilation * k, dilation * k + h), slice(dilation * m, dilation * m + w)", "slice(k, k + h), slice(m, m + w)"),
    ("dilated_conv_backward", "dx[:, rows, columns] += dy @ W[k, m].T", "dx[:, rows, columns] += dy @ W[-1 - k, -1 - m].T"),
    ("dilated_conv_backward", "dW[k, m] = np.tensordot(x[:, rows, columns], dy, axes=((0, 1, 2), (0, 1, 2)))", "dW[k, m] = np.tensordot(x[:, rows, columns], dy, axes=((0, 1, 2), (0, 1, 2))) / len(x)"),
    ("dilated_conv_backward", "return dx, dW, dy.sum(axis=(0, 1, 2))", "return dx, dW, dy.mean(axis=(0, 1, 2))"),
    ("dilated_conv_backward", "return dx, dW, dy.sum(axis=(0, 1, 2))", "return dx, dW, dy.sum(axis=(0, 1, 2)) * W.shape[0] * W.shape[1]"),
    ("dilated_conv_backward", "", """
def dilated_conv_backward(dy, x, W, b, dilation):
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            rows = slice(i, i + dilation * W.shape[0], dilation)
            columns = slice(j, j + dilation * W.shape[1], dilation)
            dx[:, rows, columns] += np.einsum("no,klco->nklc", dy[:, i, j], W)
            dW += np.einsum("nklc,no->klco", x[:, rows, columns], dy[:, i, j])
    return dx, dW, dy.sum(axis=(0, 1, 2))
"""),
    ("depthwise_backward", "dx[:, rows, columns] += dy * W[k, m]", "dx[:, rows, columns] = dy * W[k, m]"),
    ("depthwise_backward", "slice(k, k + stride * (h - 1) + 1, stride), slice(m, m + stride * (w - 1) + 1, stride)", "slice(k, k + h), slice(m, m + w)"),
    ("depthwise_backward", "dW[k, m] = (x[:, rows, columns] * dy).sum(axis=(0, 1, 2))", "dW[k, m] = (x[:, rows, columns] * dy).sum()"),
    ("depthwise_backward", "dW[k, m] = (x[:, rows, columns] * dy).sum(axis=(0, 1, 2))", "dW[k, m] = (x[:, rows, columns] * dy).mean(axis=(0, 1, 2))"),
    ("depthwise_backward", "dx[:, rows, columns] += dy * W[k, m]", "dx[:, rows, columns] += dy * W[k, m].sum()"),
    ("depthwise_backward", "", """
def depthwise_backward(dy, x, W, stride):
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    for n in range(len(x)):
        for c in range(x.shape[3]):
            for k in range(W.shape[0]):
                for m in range(W.shape[1]):
                    rows = slice(k, k + stride * (dy.shape[1] - 1) + 1, stride)
                    columns = slice(m, m + stride * (dy.shape[2] - 1) + 1, stride)
                    dx[n, rows, columns, c] += dy[n, :, :, c] * W[k, m, c]
                    dW[k, m, c] += (x[n, rows, columns, c] * dy[n, :, :, c]).sum()
    return dx, dW
"""),
    ("overlap_count", "count[k : k + stride * (size - 1) + 1 : stride] += 1", "count[k : k + stride * (size - 1) + 1 : stride] = 1"),
    ("overlap_count", "count[k : k + stride * (size - 1) + 1 : stride] += 1", "count[k : k + size] += 1"),
    ("overlap_count", "", "def overlap_count(size, kernel, stride):\n    return np.full(stride * (size - 1) + kernel, kernel // stride)\n"),
    ("overlap_count", "", "def overlap_count(size, kernel, stride):\n    return np.array([1, 1, 2, 2, 2, 2, 1, 1])\n"),
    ("overlap_count", "", """
def overlap_count(size, kernel, stride):
    return np.convolve(np.ones(stride * (size - 1) + 1), np.ones(kernel))
"""),
    ("conv_transpose_forward", "+= x @ W[i, j].T", "= x @ W[i, j].T"),
    ("conv_transpose_forward", "+= x @ W[i, j].T", "+= x @ W[k - 1 - i, k - 1 - j].T"),
    ("conv_transpose_forward", "+= x @ W[i, j].T", "+= x @ W[j, i].T"),
    ("conv_transpose_forward", " : y.shape[2] - padding] + b", " : y.shape[2] - padding]"),
    ("conv_transpose_forward", "return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding] + b", "return y + b"),
    ("conv_transpose_forward", "return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding] + b", "return y[:, 2 * padding :, 2 * padding :] + b"),
    ("conv_transpose_forward", "    n, h, w, d = x.shape", "    x *= 2\n    W = W / 2\n    n, h, w, d = x.shape"),
    ("conv_transpose_backward", "return conv_forward(dy, W, stride, padding), dW", "return conv_forward(dy, W[::-1, ::-1], stride, padding), dW"),
    ("conv_transpose_backward", "dW[i, j] = window", "dW[j, i] = window"),
    ("conv_transpose_backward", "+= x @ W[i, j].T", "+= x @ W[j, i].T"),
    ("conv_transpose_backward", "+ b\n", "+ 2 * b\n"),
    ("conv_transpose_backward", "window.reshape(-1, W.shape[2]).T @ rows", "window.reshape(-1, W.shape[2]).T @ rows / len(x)"),
    ("conv_transpose_backward", "dW, dy.sum(axis=(0, 1, 2))\n\n\ndef dcgan", "dW, 0 * b\n\n\ndef dcgan"),
    ("conv_transpose_backward", "dW, dy.sum(axis=(0, 1, 2))\n\n\ndef dcgan", "dW, dy.sum(axis=(1, 2))\n\n\ndef dcgan"),
    ("dcgan_layers", "[(4, 2, 1), (4, 2, 1)]", "[(3, 2, 1), (4, 2, 1)]"),
    ("dcgan_layers", "[(4, 2, 1), (4, 2, 1)]", "[(5, 2, 2), (4, 2, 1)]"),
    ("dcgan_layers", "[(4, 2, 1), (4, 2, 1)]", "[(2, 2, 0), (2, 2, 0)]"),
    ("dcgan_layers", "[(4, 2, 1), (4, 2, 1)]", "[(8, 2, 3), (4, 2, 1)]"),
    ("dcgan_layers", "[(4, 2, 1), (4, 2, 1)]", "(4, 2, 1)"),
    ("dcgan_layers", "+= x @ W[i, j].T", "+= x @ W[j, i].T"),
]  # fmt: skip
