"""Typical wrong solutions of lab 02: a task, a piece of the right solution, and what stands there instead; where the piece
is "", the code is put below the right solution, and its function counts.
"""

WRONG = [
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
]  # fmt: skip
