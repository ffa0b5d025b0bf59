def distances(a, b):
    return np.sqrt(((a[:, None] - b) ** 2).sum(axis=2))


def count_modes(points, centres, std):
    apart = distances(points, centres)
    centre = apart.argmin(axis=1)
    good = apart.min(axis=1) <= 3 * std
    return len(set(centre[good])), good.mean()


def reverse_kl(counts):
    p = counts[counts > 0] / counts.sum()
    return (p * np.log(p * len(counts))).sum()


def coverage(real, fake, k):
    radius = np.sort(distances(real, real), axis=1)[:, k]
    return (distances(real, fake).min(axis=1) <= radius).mean()


def nearest_neighbour_accuracy(real, fake):
    both = np.concatenate([real, fake])
    kind = np.arange(len(both)) < len(real)
    apart = distances(both, both)
    np.fill_diagonal(apart, np.inf)
    return (kind[apart.argmin(axis=1)] == kind).mean()


def standardised(real, fake):
    mean, std = real.mean(axis=0), real.std(axis=0)
    std = np.where(std > 0, std, 1)
    return (real - mean) / std, (fake - mean) / std


def frechet_diagonal(x, y):
    return ((x.mean(axis=0) - y.mean(axis=0)) ** 2 + (x.std(axis=0) - y.std(axis=0)) ** 2).sum()
