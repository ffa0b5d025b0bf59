"""Typical wrong solutions of lab 7, as in wrong.py."""

WRONG = [
    ("layer_norm_backward", "x_hat, inverse = normalised(x, 1)", "x_hat, inverse = normalised(x, 0)"),
    ("layer_norm_backward", "return through(gamma * dy, x_hat, inverse, 1)", "return through(dy, x_hat, inverse, 1)"),
    ("layer_norm_backward", "return through(gamma * dy, x_hat, inverse, 1)", "return through(gamma * dy, x_hat, inverse, 0)"),
    ("layer_norm_backward", "return through(gamma * dy, x_hat, inverse, 1)", "return gamma * through(dy, x_hat, inverse, 1)"),
    ("layer_norm_backward", "return through(gamma * dy, x_hat, inverse, 1)", "return gamma * dy * inverse"),
    ("layer_norm_backward", "- g.mean(axis=axes, keepdims=True) ", ""),
    ("layer_norm_backward", " - x_hat * along", ""),
    ("layer_norm_backward", " - x_hat * along", " + x_hat * along"),
    ("layer_norm_backward", "(x.var(axis=axes, keepdims=True) + EPS)", "(x.var(axis=axes, keepdims=True))"),
    ("layer_norm_backward", "1 / np.sqrt(x.var(axis=axes, keepdims=True) + EPS)", "1 / (np.sqrt(x.var(axis=axes, keepdims=True)) + EPS)"),
    ("layer_norm_backward", "(dy * x_hat).sum(axis=0), dy.sum(axis=0)", "(dy * x_hat).mean(axis=0), dy.mean(axis=0)"),
    ("layer_norm_backward", "(dy * x_hat).sum(axis=0), dy.sum(axis=0)", "(dy * x).sum(axis=0), dy.sum(axis=0)"),
    ("layer_norm_backward", "(dy * x_hat).sum(axis=0), dy.sum(axis=0)", "dy.sum(axis=0), (dy * x_hat).sum(axis=0)"),
    ("layer_norm_backward", "", """
def layer_norm_backward(dy, x, gamma, beta):
    x_hat, inverse = normalised(x, 1)
    dx = np.zeros_like(x)
    for i in range(len(x)):
        dx[i] = through(gamma * dy[i:i + 1], x_hat[i:i + 1], inverse[i:i + 1], 1)[0]
    return dx, (dy * x_hat).sum(axis=0), dy.sum(axis=0)
"""),
    ("layer_norm_backward", "", """
def layer_norm_backward(dy, x, gamma, beta):
    dx = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = 1e-5
        dx[i] = (dy * (layer_norm_forward(x + step, gamma, beta) - layer_norm_forward(x - step, gamma, beta))).sum() / 2e-5
    return dx, (dy * normalised(x, 1)[0]).sum(axis=0), dy.sum(axis=0)
"""),
    ("group_norm_backward", "axes = (n, h, w, groups, c // groups), (1, 2, 4)", "axes = (n, h, w, groups, c // groups), (1, 2, 3)"),
    ("group_norm_backward", "axes = (n, h, w, groups, c // groups), (1, 2, 4)", "axes = (n, h, w, groups, c // groups), (0, 1, 2, 4)"),
    ("group_norm_backward", "axes = (n, h, w, groups, c // groups), (1, 2, 4)", "axes = (n, h, w, groups, c // groups), (1, 2)"),
    ("group_norm_backward", "axes = (n, h, w, groups, c // groups), (1, 2, 4)", "axes = (n, h, w, c // groups, groups), (1, 2, 3)"),
    ("group_norm_backward", "dx = through((gamma * dy).reshape(parts)", "dx = through(dy.reshape(parts)"),
    ("group_norm_backward", "return dx.reshape(x.shape), (dy * x_hat.reshape(x.shape)).sum(axis=(0, 1, 2))", "return dx.reshape(x.shape), (dy * x_hat.reshape(x.shape)).sum(axis=(1, 2))"),
    ("group_norm_backward", "return dx.reshape(x.shape), (", "return dx, ("),
    ("group_norm_backward", "", """
def group_norm_backward(dy, x, gamma, beta, groups):
    each = x.shape[3] // groups
    dx = np.zeros_like(x)
    for k in range(groups):
        s = slice(k * each, k * each + each)
        x_hat, inverse = normalised(x[..., s], (1, 2, 3))
        dx[..., s] = gamma[s] * through(dy[..., s], x_hat, inverse, (1, 2, 3))
    y = (group_norm_forward(x, gamma, beta, groups) - beta) / gamma
    return dx, (dy * y).sum(axis=(0, 1, 2)), dy.sum(axis=(0, 1, 2))
"""),
    ("instance_norm_backward", "x_hat, inverse = normalised(x, (1, 2))", "x_hat, inverse = normalised(x, (0, 1, 2))"),
    ("instance_norm_backward", "return dx, (dy * x_hat).sum(axis=(1, 2))", "return dx, (dy * x_hat).mean(axis=(1, 2))"),
    ("instance_norm_backward", "return dx, (dy * x_hat).sum(axis=(1, 2)), dy.sum(axis=(1, 2))", "return dx, (dy * x_hat).sum(axis=(0, 1, 2)) + 0 * gamma, dy.sum(axis=(0, 1, 2)) + 0 * gamma"),
    ("instance_norm_backward", "dx = through(gamma[:, None, None, :] * dy, x_hat, inverse, (1, 2))", "dx = through(dy, x_hat, inverse, (1, 2))"),
    ("instance_norm_backward", "dx = through(gamma[:, None, None, :] * dy, x_hat, inverse, (1, 2))", "dx = through(gamma[:, None, None, :] * dy, x_hat, inverse, (1, 2, 3))"),
    ("coupling", "found[:, j] =", "found[j] ="),
    ("coupling", "moved[j] += rng.normal(size=x[j].shape)", "moved[j] += 1e-3"),
    ("coupling", "moved[j] += rng.normal(size=x[j].shape)", "moved[j, ..., 0] += 1e-3"),
    ("coupling", "moved = x.copy()", "moved = x"),
    ("coupling", "before = np.array(f(x))", "before = f(x)"),
    ("coupling", "", "def coupling(f, x):\n    return np.eye(len(x), dtype=bool)\n"),
    ("coupling", "", "def coupling(f, x):\n    return np.ones((len(x), len(x)), dtype=bool)\n"),
    ("coupling", "", """
def coupling(f, x):
    before = f(x).copy()
    found = np.zeros((len(x), len(x)))
    for i in np.ndindex(x.shape):
        for h in (1e-3, -1e-3, 1, -1, 2, -2, 3, -3):
            moved = x.copy()
            moved[i] += h
            found[:, i[0]] += (f(moved) != before).reshape(len(x), -1).any(axis=1)
    return found > 0
"""),
    ("running_statistics", "mean = momentum * mean + (1 - momentum) * x.mean(axis=axes)", "mean = (1 - momentum) * mean + momentum * x.mean(axis=axes)"),
    ("running_statistics", "var = momentum * var + (1 - momentum) * x.var", "var = (1 - momentum) * var + momentum * x.var"),
    ("running_statistics", "ddof=1", "ddof=0"),
    ("running_statistics", "mean = momentum", "mean[...] = momentum"),
    ("running_statistics", "var = momentum", "var *= 0.999\n    var = momentum"),
    ("running_statistics", "    axes = tuple(range(x.ndim - 1))\n    mean = m", "    axes = 0\n    mean = m"),
    ("running_statistics", "x.var(axis=axes, ddof=1)", "x.var(axis=axes) * len(x) / (len(x) - 1)"),
]  # fmt: skip
