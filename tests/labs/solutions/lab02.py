def numeric_gradient(f, x, h=1e-5):
    x = np.array(x, dtype=float)
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        old = x[i]
        x[i] = old + h
        plus = f(x)
        x[i] = old - h
        gradient[i] = (plus - f(x)) / (2 * h)
        x[i] = old
    return gradient


def softplus_backward(dy, x):
    e = np.exp(-abs(x))
    return dy * np.where(x >= 0, 1, e) / (1 + e)


def weight_norm_backward(dy, x, v, g):
    length = np.sqrt((v**2).sum(axis=0))
    u = v / length
    dW = x.T @ dy
    dg = (dW * u).sum(axis=0)
    return dy @ (g * u).T, g / length * (dW - u * dg), dg


def smoothed_cross_entropy_gradient(s, labels, weights, epsilon):
    t = labels * (1 - 2 * epsilon) + epsilon
    e = np.exp(-abs(s))
    return weights * (np.where(s >= 0, 1, e) / (1 + e) - t) / weights.sum()


def conv_bias_gradient(dy, b, k):
    return dy.sum(axis=(0, 1, 2))


def ring_centres(k, radius):
    angle = np.linspace(0, 2 * np.pi, k, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
