"""Typical wrong solutions: the task, a piece of the right solution (or nothing), and what stands there instead.

Where the piece is "", the code is put below the right solution: its function counts.
"""

WRONG = {
    "01": [
        ("d_gradients", "on_real, on_fake = -sigmoid(-(a + b * real))", "on_real, on_fake = sigmoid(a + b * real)"),
        ("d_gradients", "on_real, on_fake = -sigmoid", "on_real, on_fake = sigmoid"),
        ("d_gradients", "on_real.mean() + on_fake.mean(),", "np.concatenate([on_real, on_fake]).mean(),"),
        ("d_gradients", "on_real.mean() + on_fake.mean(),", "on_real.sum() + on_fake.sum(),"),
        ("d_gradients", "(on_fake * fake).mean()\n", "(on_fake * fake.mean()).mean()\n"),
        ("d_gradients", "return on_real.mean() + on_fake.mean(), (", "return on_real.mean() + on_fake.mean() + 0 * ("),
        ("d_gradients", "", """
def d_gradients(a, b, real, fake):
    h = 1e-5
    da = sum(np.log1p(np.exp(-(a + h + b * x))) - np.log1p(np.exp(-(a - h + b * x))) for x in real) / len(real)
    da += sum(np.log1p(np.exp(a + h + b * x)) - np.log1p(np.exp(a - h + b * x)) for x in fake) / len(fake)
    db = d_loss(a, b + h, real, fake) - d_loss(a, b - h, real, fake)
    return da / (2 * h), db / (2 * h)
"""),
        ("g_gradient", "return -b * sigmoid(-(a", "return b * sigmoid(-(a"),
        ("g_gradient", "return -b * sigmoid(-(a", "return -sigmoid(-(a"),
        ("g_gradient", "return -b * sigmoid(-(a + b * (z + theta)))", "return -b * (1 - np.exp(a + b * (z + theta)) / (1 + np.exp(a + b * (z + theta))))"),
        ("g_gradient", "return -b * sigmoid(-(a + b * (z + theta))).mean()", "return -b * sigmoid(-(a + b * (z + theta)))"),
        ("g_gradient_saturating", "return -b * sigmoid(a", "return -b * sigmoid(-a"),
        ("g_gradient_saturating", "return -b * sigmoid(a", "return b * sigmoid(a"),
        ("g_gradient_saturating", "", "def g_gradient_saturating(theta, a, b, z):\n    return -g_gradient(theta, a, b, z)\n"),
        ("train", "theta -= 0.03", "theta += 0.03"),
        ("train", "for k in range(2000)", "for k in range(20)"),
        ("train", "", "def train(draw_real, rng):\n    return 7.5\n"),
        ("train", "", "def train(draw_real, rng):\n    return draw_real(10_000).mean()\n"),
        ("train", "    return np.mean(tail)", "    pass"),
    ],
    "02": [
        ("numeric_gradient", "(plus - f(x)) / (2 * h)", "(plus - f(x)) / h"),
        ("numeric_gradient", "x = np.array(x, dtype=float)", "x = np.asarray(x)"),
        ("numeric_gradient", "(plus - f(x)) / (2 * h)", "(plus - f(x)) / 2e-5"),
        ("numeric_gradient", "x[i] = old - h\n", "x[i] = old\n"),
        ("numeric_gradient", "    x = np.array(x, dtype=float)\n", "    h = 1e-6\n    x = np.array(x, dtype=float)\n"),
        ("softplus_backward", "np.where(x >= 0, 1, e)", "np.where(x >= 0, e, 1)"),
        ("softplus_backward", "", "def softplus_backward(dy, x):\n    return dy * np.exp(x) / (1 + np.exp(x))\n"),
        ("softplus_backward", "return dy * np.where", "return np.where"),
        ("softplus_backward", "", """
def softplus_backward(dy, x):
    dx = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        dx[i] = dy[i] * (np.logaddexp(0, x[i] + 1e-6) - np.logaddexp(0, x[i] - 1e-6)) / 2e-6
    return dx
"""),
        ("weight_norm_backward", "(dW - u * dg)", "dW"),
        ("weight_norm_backward", "(dW * u).sum(axis=0)", "(dW * v).sum(axis=0)"),
        ("weight_norm_backward", "(dW * u).sum(axis=0)", "(dW * u).mean(axis=0)"),
        ("weight_norm_backward", "return dy @ (g * u).T", "return dy @ v.T"),
        ("weight_norm_backward", "g / length * (dW", "g * (dW"),
        ("weight_norm_backward", "(v**2).sum(axis=0)", "(v**2).sum()"),
        ("smoothed_cross_entropy_gradient", "- t) / weights.sum()", "- t) / len(s)"),
        ("smoothed_cross_entropy_gradient", "- t) / weights.sum()", "- labels) / weights.sum()"),
        ("smoothed_cross_entropy_gradient", "return weights * (", "return ("),
        ("smoothed_cross_entropy_gradient", "- t)", "+ t)"),
        ("conv_bias_gradient", "dy.sum(axis=(0, 1, 2))", "dy.mean(axis=(0, 1, 2))"),
        ("conv_bias_gradient", "dy.sum(axis=(0, 1, 2))", "dy.sum(axis=(0, 1, 2)) * k * k"),
        ("conv_bias_gradient", "dy.sum(axis=(0, 1, 2))", "dy.sum(axis=(1, 2))"),
        ("ring_centres", ", endpoint=False", ""),
        ("ring_centres", "np.linspace(0, 2 * np.pi, k, endpoint=False)", "np.linspace(0, 2 * np.pi, k + 1)"),
        ("ring_centres", "np.linspace(0, 2 * np.pi, k, endpoint=False)", "np.linspace(0, np.pi, k, endpoint=False)"),
    ],
}  # fmt: skip
