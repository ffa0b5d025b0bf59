def relativistic_hinge_gradients(s_real, s_fake):
    active = (s_real - s_fake < 1) / len(s_real)
    return -active, active


def fused_weight_gradient(W, x, t, s, delta):
    return (s[:, None] * x + t).T @ delta


def scaled_residual_backward(dy, x, W, b, alpha):
    h = np.tanh(x @ W + b)
    da = dy * alpha * (1 - h**2)
    return dy + da @ W.T, x.T @ da, da.sum(axis=0), (dy * h).sum()


def saturation_backward(dy, x, factor):
    factor = factor[:, None, None, None]
    return factor * dy + (1 - factor) * dy.mean(axis=3, keepdims=True)


def average_decay(batch, half_life):
    return 0.5 ** (batch / half_life) if half_life else 0.0
