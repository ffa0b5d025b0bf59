def optimal_d(p, q):
    total = p + q
    return np.divide(p, total, out=np.full(np.shape(p), 0.5), where=total > 0)


def value_at_optimum(p, q):
    D = optimal_d(p, q)
    return (p[p > 0] * np.log(D[p > 0])).sum() + (q[q > 0] * np.log(1 - D[q > 0])).sum()


def kl(p, m):
    return (p[p > 0] * np.log(p[p > 0] / m[p > 0])).sum()


def jensen_shannon(p, q):
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


def histogram(points, edges):
    counts = np.zeros(len(edges) - 1)
    for point in points:
        for k in range(len(counts)):
            if edges[k] <= point < edges[k + 1]:
                counts[k] += 1
    return counts


def maxout_backward(dy, x, W, b):
    z = np.einsum("nd,dkp->nkp", x, W) + b
    dz = (np.arange(z.shape[2]) == z.argmax(axis=2)[:, :, None]) * dy[:, :, None]
    return np.einsum("nkp,dkp->nd", dz, W), np.einsum("nd,nkp->dkp", x, dz), dz.sum(axis=0)


def train_d(draw_real, draw_fake, rng):
    w, b, v, c = 2 * rng.normal(size=32), 2 * rng.normal(size=32), 0.1 * rng.normal(size=32), 0.0
    n = 500
    sign = np.repeat([1.0, 0.0], n)
    for step in range(4000):
        x = np.concatenate([draw_real(n), draw_fake(n)])
        h = np.tanh(x[:, None] * w + b)
        ds = (1 / (1 + np.exp(-(h @ v + c))) - sign) / n
        da = ds[:, None] * v * (1 - h**2)
        rate = 0.3 if step < 3000 else 0.03
        v, c = v - rate * h.T @ ds, c - rate * ds.sum()
        w, b = w - rate * x @ da, b - rate * da.sum(axis=0)
    return lambda x: 1 / (1 + np.exp(-(np.tanh(x[:, None] * w + b) @ v + c)))
