def pixel_shuffle_backward(dy, x, r):
    n, h, w, channels = x.shape
    return dy.reshape(n, h, r, w, r, channels // r**2).transpose(0, 1, 3, 5, 2, 4).reshape(x.shape)


def dilated_conv_backward(dy, x, W, b, dilation):
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    h, w = dy.shape[1:3]
    for k in range(W.shape[0]):
        for m in range(W.shape[1]):
            rows, columns = slice(dilation * k, dilation * k + h), slice(dilation * m, dilation * m + w)
            dx[:, rows, columns] += dy @ W[k, m].T
            dW[k, m] = np.tensordot(x[:, rows, columns], dy, axes=((0, 1, 2), (0, 1, 2)))
    return dx, dW, dy.sum(axis=(0, 1, 2))


def depthwise_backward(dy, x, W, stride):
    dx, dW = np.zeros_like(x), np.zeros_like(W)
    h, w = dy.shape[1:3]
    for k in range(W.shape[0]):
        for m in range(W.shape[1]):
            rows, columns = slice(k, k + stride * (h - 1) + 1, stride), slice(m, m + stride * (w - 1) + 1, stride)
            dx[:, rows, columns] += dy * W[k, m]
            dW[k, m] = (x[:, rows, columns] * dy).sum(axis=(0, 1, 2))
    return dx, dW


def overlap_count(size, kernel, stride):
    count = np.zeros(stride * (size - 1) + kernel, dtype=int)
    for k in range(kernel):
        count[k : k + stride * (size - 1) + 1 : stride] += 1
    return count


def conv_transpose_forward(x, W, b, stride, padding):
    n, h, w, d = x.shape
    k = W.shape[0]
    tall, wide = stride * (h - 1) + 1, stride * (w - 1) + 1
    y = np.zeros((n, tall + k - 1, wide + k - 1, W.shape[2]), dtype=x.dtype)
    for i in range(k):
        for j in range(k):
            y[:, i : i + tall : stride, j : j + wide : stride] += x @ W[i, j].T
    return y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding] + b


def conv_transpose_backward(dy, x, W, b, stride, padding):
    k = W.shape[0]
    padded = np.pad(dy, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    tall, wide = stride * (x.shape[1] - 1) + 1, stride * (x.shape[2] - 1) + 1
    dW = np.zeros_like(W)
    rows = x.reshape(-1, x.shape[3])
    for i in range(k):
        for j in range(k):
            window = padded[:, i : i + tall : stride, j : j + wide : stride]
            dW[i, j] = window.reshape(-1, W.shape[2]).T @ rows
    return conv_forward(dy, W, stride, padding), dW, dy.sum(axis=(0, 1, 2))


def dcgan_layers():
    return [(4, 2, 1), (4, 2, 1)]
