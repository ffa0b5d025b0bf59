def dirac_step(theta, psi, rate, gamma):
    of_theta = -psi * sigmoid(-psi * theta)
    of_psi = theta * sigmoid(psi * theta) + gamma * psi
    return theta - rate * of_theta, psi - rate * of_psi


def pack_backward(dy, x, m):
    n, h, w, _ = dy.shape
    return dy.reshape(n, h, w, m, -1).transpose(0, 3, 1, 2, 4).reshape(x.shape)


def r1_gradients(W1, b1, w2, x, gamma):
    h = np.tanh(x @ W1 + b1)
    slope = (1 - h**2) * w2
    u = gamma / len(x) * slope @ W1.T
    t = u @ W1
    da = -2 * h * slope * t
    return x.T @ da + u.T @ slope, da.sum(axis=0), (t * (1 - h**2)).sum(axis=0)


def gradient_penalty_gradients(W1, b1, w2, x, weight):
    p = sigmoid(x @ W1 + b1)
    g = (p * w2) @ W1.T
    r = np.sqrt((g**2).sum(axis=1, keepdims=True))
    u = 2 * weight / len(x) * np.maximum(0, r - 1) * g / np.maximum(r, 1e-30)
    t = u @ W1
    da = t * w2 * p * (1 - p)
    return x.T @ da + u.T @ (p * w2), da.sum(axis=0), (t * p).sum(axis=0)


class Flat(mg.Penalty):
    gamma = 0.1

    def images(self, x_real, x_fake, share):
        return x_real

    def term(self, g):
        return self.gamma / 2 * (g * g).sum() / len(g), self.gamma / len(g) * g


def cure():
    return Flat()
