"""Typical wrong solutions of lab 03: a task, a piece of the right solution, and what stands there instead; where the
piece is "", the code is put below the right solution, and its function counts.
"""

WRONG = [
    ("optimal_d", "np.divide(p, total", "np.divide(q, total"),
    ("optimal_d", "", "def optimal_d(p, q):\n    return p / (p + q)\n"),
    ("optimal_d", "", "def optimal_d(p, q):\n    return p / (p + q + 1e-6)\n"),
    ("optimal_d", "np.full(np.shape(p), 0.5)", "np.zeros(np.shape(p))"),
    ("optimal_d", "", "def optimal_d(p, q):\n    return 1 / (1 + np.exp(q - p))\n"),
    ("value_at_optimum", "", "def value_at_optimum(p, q):\n    D = optimal_d(p, q)\n    return (p * np.log(D) + q * np.log(1 - D)).sum()\n"),
    ("value_at_optimum", "np.log(1 - D[q > 0])", "np.log(D[q > 0])"),
    ("value_at_optimum", "(p[p > 0] * np.log(D[p > 0])).sum() +", "(p[p > 0] * np.log(D[p > 0])).mean() +"),
    ("value_at_optimum", "np.log(D[p > 0])", "np.log2(D[p > 0])"),
    ("value_at_optimum", "", "def value_at_optimum(p, q):\n    return -np.log(4)\n"),
    ("jensen_shannon", "return (kl(p, m) + kl(q, m)) / 2", "return kl(p, m) + kl(q, m)"),
    ("jensen_shannon", "return (kl(p, m) + kl(q, m)) / 2", "return kl(p, m)"),
    ("jensen_shannon", "(kl(p, m) + kl(q, m))", "(kl(p, q) + kl(q, p))"),
    ("jensen_shannon", "np.log(p[p > 0]", "np.log2(p[p > 0]"),
    ("jensen_shannon", "m = (p + q) / 2", "m = p + q"),
    ("histogram", "    for point in points:", "    for point in points[::2]:"),
    ("histogram", "edges[k] <= point < edges", "edges[k] < point <= edges"),
    ("histogram", "edges[k] <= point < edges", "edges[k] <= point <= edges"),
    ("histogram", "    return counts\n\n\ndef maxout", "    return counts / len(points)\n\n\ndef maxout"),
    ("histogram", "    for point in points:", "    points.sort()\n    for point in points:"),
    ("maxout_backward", "z.argmax(axis=2)[:, :, None]) * dy[:, :, None]", "0) * dy[:, :, None]"),
    ("maxout_backward", "(np.arange(z.shape[2]) == z.argmax(axis=2)[:, :, None])", "np.ones_like(z)"),
    ("maxout_backward", "dz.sum(axis=0)", "dz.mean(axis=0)"),
    ("maxout_backward", "z.argmax(axis=2)[:, :, None]) * dy[:, :, None]", "z.argmax(axis=2)[:, :, None])"),
    ("maxout_backward", '    z = np.einsum("nd,dkp->nkp", x, W) + b\n', '    z = np.einsum("nd,dkp->nkp", x, W)\n'),
    ("train_d", "range(4000)", "range(2)"),
    ("train_d", "- sign) / n", "+ sign) / n"),
    ("train_d", "", "def train_d(draw_real, draw_fake, rng):\n    return lambda x: np.full(x.shape, 0.5)\n"),
    ("train_d", "return lambda x: 1 / (1 + np.exp(-(np.tanh(x[:, None] * w + b) @ v + c)))", "return lambda x: np.tanh(x[:, None] * w + b) @ v + c"),
    ("train_d", "", """
def train_d(draw_real, draw_fake, rng):
    w, c = 0.0, 0.0
    for _ in range(3000):
        real, fake = draw_real(200), draw_fake(200)
        r, f = 1 / (1 + np.exp(-(w * real + c))) - 1, 1 / (1 + np.exp(-(w * fake + c)))
        w, c = w - 0.1 * ((r * real).mean() + (f * fake).mean()), c - 0.1 * (r.mean() + f.mean())
    return lambda x: 1 / (1 + np.exp(-(w * x + c)))
"""),
]  # fmt: skip
