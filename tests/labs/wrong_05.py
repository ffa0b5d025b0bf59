"""Typical wrong solutions of lab 05: a task, a piece of the right solution, and what stands there instead; where the
piece is "", the code is put below the right solution, and its function counts.
"""

WRONG = [
    ("count_modes", "len(set(centre[good]))", "len(set(centre))"),
    ("count_modes", "<= 3 * std", "<= 3 * std**2"),
    ("count_modes", "good.mean()", "good.sum()"),
    ("count_modes", "<= 3 * std", "<= std"),
    ("count_modes", "return len(set(centre[good])), good.mean()", "return len(set(centre[good]))"),
    ("reverse_kl", "* len(counts))", "* len(p))"),
    ("reverse_kl", "p = counts[counts > 0]", "p = counts"),
    ("reverse_kl", "np.log(p * len(counts))", "np.log2(p * len(counts))"),
    ("reverse_kl", "(p * np.log(p * len(counts))).sum()", "(np.log(1 / (p * len(counts)))).mean()"),
    ("reverse_kl", "(p * np.log(p * len(counts))).sum()", "-(p * np.log(p * len(counts))).sum()"),
    ("coverage", "[:, k]", "[:, k - 1]"),
    ("coverage", "distances(real, fake).min(axis=1)", "distances(real, fake).min(axis=0)"),
    ("coverage", "distances(real, fake).min(axis=1)", "distances(real, fake).mean(axis=1)"),
    ("coverage", "distances(real, real)", "distances(real, fake)"),
    ("coverage", "np.sort(distances(real, real), axis=1)[:, k]", "np.sort(distances(real, real), axis=1)[:, k].mean()"),
    ("nearest_neighbour_accuracy", "    np.fill_diagonal(apart, np.inf)\n", ""),
    ("nearest_neighbour_accuracy", "(kind[apart.argmin(axis=1)] == kind)", "(kind[apart.argmin(axis=1)] != kind)"),
    ("nearest_neighbour_accuracy", "(kind[apart.argmin(axis=1)] == kind).mean()", "(kind[apart.argmin(axis=1)] == kind)[: len(real)].mean()"),
    ("nearest_neighbour_accuracy", "", "def nearest_neighbour_accuracy(real, fake):\n    return 0.5\n"),
    ("standardised", "(fake - mean) / std", "(fake - fake.mean(axis=0)) / std"),
    ("standardised", "    std = np.where(std > 0, std, 1)\n", ""),
    ("standardised", "real.mean(axis=0), real.std(axis=0)", "real.mean(), real.std()"),
    ("standardised", "mean, std = real.mean(axis=0)", "mean, std = np.concatenate([real, fake]).mean(axis=0)"),
    ("frechet_diagonal", "(x.std(axis=0) - y.std(axis=0)) ** 2", "(x.var(axis=0) - y.var(axis=0)) ** 2"),
    ("frechet_diagonal", ") ** 2 + (x", ") + (x"),
    ("frechet_diagonal", "y.std(axis=0)", "y.std(axis=0, ddof=1)"),
    ("frechet_diagonal", "y.std(axis=0)) ** 2).sum()", "y.std(axis=0)) ** 2).mean()"),
    ("frechet_diagonal", "((x.mean(axis=0) - y.mean(axis=0)) ** 2 +", "(0 +"),
]  # fmt: skip
