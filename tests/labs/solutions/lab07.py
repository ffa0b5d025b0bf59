def normalised(x, axes):
    inverse = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + EPS)
    return (x - x.mean(axis=axes, keepdims=True)) * inverse, inverse


def through(g, x_hat, inverse, axes):
    along = (g * x_hat).mean(axis=axes, keepdims=True)
    return inverse * (g - g.mean(axis=axes, keepdims=True) - x_hat * along)


def layer_norm_backward(dy, x, gamma, beta):
    x_hat, inverse = normalised(x, 1)
    return through(gamma * dy, x_hat, inverse, 1), (dy * x_hat).sum(axis=0), dy.sum(axis=0)


def group_norm_backward(dy, x, gamma, beta, groups):
    n, h, w, c = x.shape
    parts, axes = (n, h, w, groups, c // groups), (1, 2, 4)
    x_hat, inverse = normalised(x.reshape(parts), axes)
    dx = through((gamma * dy).reshape(parts), x_hat, inverse, axes)
    return dx.reshape(x.shape), (dy * x_hat.reshape(x.shape)).sum(axis=(0, 1, 2)), dy.sum(axis=(0, 1, 2))


def instance_norm_backward(dy, x, gamma, beta):
    x_hat, inverse = normalised(x, (1, 2))
    dx = through(gamma[:, None, None, :] * dy, x_hat, inverse, (1, 2))
    return dx, (dy * x_hat).sum(axis=(1, 2)), dy.sum(axis=(1, 2))


def coupling(f, x):
    n, rng = len(x), np.random.default_rng(0)
    before = np.array(f(x))
    found = np.zeros((n, n), dtype=bool)
    for j in range(n):
        moved = x.copy()
        moved[j] += rng.normal(size=x[j].shape)
        found[:, j] = (f(moved) != before).reshape(n, -1).any(axis=1)
    return found


def running_statistics(mean, var, x, momentum):
    axes = tuple(range(x.ndim - 1))
    mean = momentum * mean + (1 - momentum) * x.mean(axis=axes)
    var = momentum * var + (1 - momentum) * x.var(axis=axes, ddof=1)
    return mean, var
