def sigmoid(s):
    e = np.exp(-abs(s))
    return np.where(s >= 0, 1, e) / (1 + e)


def elu_backward(dy, x, alpha):
    e = np.exp(np.minimum(x, 0))
    return dy * np.where(x > 0, 1, alpha * e), (dy * (e - 1) * (x <= 0)).sum()


def network_backward(dy, x, W1, b1, W2, b2, W3, b3):
    a1 = x @ W1 + b1
    h1 = elu_forward(a1, 1.0)
    a2 = h1 @ W2 + b2
    h2 = elu_forward(a2, 1.0)
    da2 = elu_backward(dy @ W3.T, a2, 1.0)[0]
    da1 = elu_backward(da2 @ W2.T, a1, 1.0)[0]
    return da1 @ W1.T, x.T @ da1, da1.sum(axis=0), h1.T @ da2, da2.sum(axis=0), h2.T @ dy, dy.sum(axis=0)


def d_step_gradients(W1, b1, W2, b2, W3, b3, real, fake):
    D = W1, b1, W2, b2, W3, b3
    of_real = network_backward(-sigmoid(-network_forward(real, *D)) / len(real), real, *D)
    of_fake = network_backward(sigmoid(network_forward(fake, *D)) / len(fake), fake, *D)
    return tuple(a + b for a, b in zip(of_real[1:], of_fake[1:]))


def g_step_gradients(V1, c1, V2, c2, V3, c3, z, D):
    G = V1, c1, V2, c2, V3, c3
    x = network_forward(z, *G)
    dx = network_backward(-sigmoid(-network_forward(x, *D)) / len(z), x, *D)[0]
    return network_backward(dx, z, *G)[1:]


def adam(w, g, m, v, step, rate, beta1=0.5, beta2=0.99, eps=1e-8):
    m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
    return w - rate * (m / (1 - beta1**step)) / (np.sqrt(v / (1 - beta2**step)) + eps), m, v


def train_ring(draw_real, rng):
    def network(*lengths):
        pairs = [(rng.normal(size=(i, o)) / np.sqrt(i), np.zeros(o)) for i, o in zip(lengths, lengths[1:])]
        return [array for pair in pairs for array in pair]

    def update(arrays, gradients, state, step, rate):
        for k, g in enumerate(gradients):
            arrays[k], *state[k] = adam(arrays[k], g, *state[k], step, rate)

    G, D = network(8, 64, 64, 2), network(2, 64, 64, 1)
    of_G, of_D = ([[np.zeros_like(a), np.zeros_like(a)] for a in arrays] for arrays in (G, D))
    for step in range(1, 3001):
        rate = 1e-3 * (1.01 - step / 3000)
        fake = network_forward(rng.normal(size=(128, 8)), *G)
        update(D, d_step_gradients(*D, draw_real(128), fake), of_D, step, rate)
        update(G, g_step_gradients(*G, rng.normal(size=(128, 8)), D), of_G, step, rate)
    return lambda n: network_forward(rng.normal(size=(n, 8)), *G)
