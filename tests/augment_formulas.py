"""DiffAugment and packs once more, image by image, as the papers have them: what they are held against."""

import numpy as np

from minigan.augment import Brightness, Contrast, Saturation, Translation


def shifted(x, down, right):
    """One image moved by whole pixels."""
    h, w, _ = x.shape
    around = np.pad(x, ((h, h), (w, w), (0, 0)))
    return around[h - down : 2 * h - down, w - right : 2 * w - right]


def formula(change, x, u):
    """T of one image by its formula.    x: (h, w, c)   u: a list of numbers"""
    h, w, c = x.shape
    if isinstance(change, Brightness):
        return x + (u[0] - 0.5)
    if isinstance(change, Contrast):
        mean = x.sum() / (h * w * c)
        return (x - mean) * (u[0] + 0.5) + mean
    if isinstance(change, Saturation):
        mean = np.stack([x.sum(axis=2) / c] * c, axis=2)
        return (x - mean) * 2 * u[0] + mean
    if isinstance(change, Translation):
        most = [int(side / 8 + 0.5) for side in (h, w)]
        return shifted(x, *(int(one * (2 * m + 1)) - m for one, m in zip(u, most, strict=True)))
    y = x.copy()
    cuts = [int(side / 2 + 0.5) for side in (h, w)]
    starts = [int(one * (side + 1 - cut % 2)) - cut // 2 for one, side, cut in zip(u, (h, w), cuts, strict=True)]
    (top, left), (bottom, right) = starts, (start + cut for start, cut in zip(starts, cuts, strict=True))
    y[max(top, 0) : bottom, max(left, 0) : right] = 0
    return y


def changed(augment, x, u):
    """A batch, one change after the other, each with the next of the random numbers.    u: (draws, n, 1, 1, 1)"""
    first = 0
    for change in augment.changes:
        own = u[first : first + change.draws]
        x = np.array([formula(change, image, list(own[:, i].ravel())) for i, image in enumerate(x)])
        first += change.draws
    return x


def in_packs(x, m):
    """Samples that follow each other, side by side."""
    return np.array([np.concatenate(list(x[i : i + m]), axis=-1) for i in range(0, len(x), m)])
