"""Typical wrong solutions of lab 10: a task, a piece of the right solution, and what stands there instead; where the
piece is "", the code is put below the right solution, and its function counts.
"""

WRONG = [
    ("relativistic_hinge_gradients", "return -active, active", "return active, -active"),
    ("relativistic_hinge_gradients", "return -active, active", "return -active, 0 * active"),
    ("relativistic_hinge_gradients", "/ len(s_real)", "/ (2 * len(s_real))"),
    ("relativistic_hinge_gradients", "(s_real - s_fake < 1)", "(s_real < 1)"),
    ("relativistic_hinge_gradients", "(s_real - s_fake < 1)", "np.ones_like(s_real)"),
    ("fused_weight_gradient", "(s[:, None] * x + t)", "(x + t)"),
    ("fused_weight_gradient", "(s[:, None] * x + t)", "s[:, None] * (x + t)"),
    ("fused_weight_gradient", "(s[:, None] * x + t)", "(s[:, None] * x)"),
    ("fused_weight_gradient", "", """
def fused_weight_gradient(W, x, t, s, delta):
    dW = np.zeros_like(W)
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            e = np.zeros_like(W)
            e[i, j] = 1
            dW[i, j] = fused_sum(e, x, t, s, delta)
    return dW
"""),
    ("scaled_residual_backward", "return dy + da @ W.T", "return da @ W.T"),
    ("scaled_residual_backward", "dy + da @ W.T", "dy + da @ W"),
    ("scaled_residual_backward", "da = dy * alpha * (1", "da = dy * (1"),
    ("scaled_residual_backward", "(1 - h**2)", "(1 - h)"),
    ("scaled_residual_backward", "(dy * h).sum()", "dy.sum()"),
    ("scaled_residual_backward", "(dy * h).sum()", "(dy * h).mean()"),
    ("scaled_residual_backward", "da.sum(axis=0)", "dy.sum(axis=0)"),
    ("saturation_backward", "return factor * dy + (1 - factor) * dy.mean(axis=3, keepdims=True)", "return factor * dy"),
    ("saturation_backward", "(1 - factor) * dy.mean(axis=3, keepdims=True)", "(1 - factor) * dy.mean(axis=(1, 2), keepdims=True)"),
    ("saturation_backward", "(1 - factor) * dy.mean(", "(1 - factor) * dy.sum("),
    ("saturation_backward", "(1 - factor) * dy.mean(axis=3, keepdims=True)", "(1 - factor) * x.mean(axis=3, keepdims=True)"),
    ("average_decay", "0.5 ** (batch / half_life)", "1 - 0.5 ** (batch / half_life)"),
    ("average_decay", "0.5 ** (batch / half_life)", "0.5 ** (1 / half_life)"),
    ("average_decay", "0.5 ** (batch / half_life)", "1 - batch / half_life"),
    ("average_decay", " if half_life else 0.0", ""),
]  # fmt: skip
