"""Typical wrong solutions of lab 09: a task, a piece of the right solution, and what stands there instead; where the
piece is "", the code is put below the right solution, and its function counts.
"""

WRONG = [
    ("dirac_step", " + gamma * psi", ""),
    ("dirac_step", "gamma * psi", "gamma / 2 * psi"),
    ("dirac_step", "of_theta = -psi", "of_theta = psi"),
    ("dirac_step", "    of_psi = theta", "    theta = theta - rate * of_theta\n    of_theta = 0\n    of_psi = theta"),
    ("dirac_step", "psi - rate * of_psi", "psi + rate * of_psi"),
    ("pack_backward", "dy.reshape(n, h, w, m, -1).transpose(0, 3, 1, 2, 4).reshape(x.shape)", "dy.reshape(x.shape)"),
    ("pack_backward", "dy.reshape(n, h, w, m, -1).transpose(0, 3, 1, 2, 4)", "dy.reshape(n, m, h, w, -1)"),
    ("pack_backward", ".transpose(0, 3, 1, 2, 4)", ".transpose(0, 3, 2, 1, 4)"),
    ("r1_gradients", "x.T @ da + u.T @ slope", "u.T @ slope"),
    ("r1_gradients", "x.T @ da + u.T @ slope", "x.T @ da"),
    ("r1_gradients", "da = -2 * h", "da = 2 * h"),
    ("r1_gradients", "gamma / len(x) * slope", "gamma / 2 / len(x) * slope"),
    ("r1_gradients", "(t * (1 - h**2)).sum(axis=0)", "(t * (1 - h**2)).mean(axis=0)"),
    ("r1_gradients", "gamma / len(x) * slope", "gamma * slope"),
    ("r1_gradients", "da.sum(axis=0), (t", "0 * b1, (t"),
    ("gradient_penalty_gradients", "np.maximum(0, r - 1)", "(r - 1)"),
    ("gradient_penalty_gradients", " * g / np.maximum(r, 1e-30)", " * g"),
    ("gradient_penalty_gradients", "p * (1 - p)", "p"),
    ("gradient_penalty_gradients", "2 * weight", "weight"),
    ("gradient_penalty_gradients", "axis=1, keepdims=True", "keepdims=True"),
    ("gradient_penalty_gradients", "+ u.T @ (p * w2)", "+ u.T @ p"),
    ("cure", "    return Flat()", "    return mg.R1(0.1)"),
    ("cure", "self.gamma / len(g) * g", "2 * self.gamma / len(g) * g"),
    ("cure", "    gamma = 0.1", "    gamma = 1e-6"),
]  # fmt: skip
