"""Typical wrong solutions of lab 06: a task, a piece of the right solution, and what stands there instead; where the
piece is "", the code is put below the right solution, and its function counts.
"""

WRONG = [
    ("predictions", '"above 0.9"', '""'),
    ("predictions", '"stays"', '"it stays"'),
    ("predictions", "", "def predictions():\n    return None\n"),
    ("prepare", "images / 127.5 - 1", "images / 255"),
    ("prepare", "images / 127.5 - 1", "images / 127.5"),
    ("prepare", ".astype(np.float32)", ""),
    ("prepare", "images / 127.5 - 1", "images / 128 - 1"),
    ("prepare", "images / 127.5 - 1", "1 - images / 127.5"),
    ("feature_matching_gradient", "-2 / len(fake)", "2 / len(fake)"),
    ("feature_matching_gradient", "-2 / len(fake)", "-2 / len(real)"),
    ("feature_matching_gradient", "-2 / len(fake)", "-2"),
    ("feature_matching_gradient", " * (1 - h**2)", ""),
    ("feature_matching_gradient", "apart = np.tanh(real @ W + b).mean(axis=0) - h.mean(axis=0)", "apart = np.tanh(real @ W + b).mean(axis=0) - h"),
    ("dropout_backward", "dy * (1 + np.exp(v) * epsilon),", "dy,"),
    ("dropout_backward", "dy * (1 + np.exp(v) * epsilon),", "dy * np.exp(v) * epsilon,"),
    ("dropout_backward", "(dy * x * epsilon * np.exp(v)).sum(axis=0)", "(dy * x * epsilon).sum(axis=0)"),
    ("dropout_backward", ".sum(axis=0)\n\n\ndef nearest", ".mean(axis=0)\n\n\ndef nearest"),
    ("nearest_training_images", ".astype(float)", ""),
    ("nearest_training_images", "np.sqrt(squares.min(axis=1))", "squares.min(axis=1)"),
    ("nearest_training_images", ".sum(axis=2)", ".mean(axis=2)"),
    ("nearest_training_images", "squares.argmin(axis=1), np", "squares.argmin(axis=0), np"),
    ("train_digits", "steps=1500", "steps=20"),
    ("train_digits", "steps=1500", "steps=2000"),
    ("train_digits", "    return gan", "    return G"),
]  # fmt: skip
