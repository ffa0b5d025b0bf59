"""Typical wrong solutions of lab 01: a task, a piece of the right solution, and what stands there instead; where the piece
is "", the code is put below the right solution, and its function counts.
"""

WRONG = [
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
]  # fmt: skip
