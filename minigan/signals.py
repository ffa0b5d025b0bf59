"""What a run shows of its health, as plain numbers: of a batch of samples, of scores, of a network's three vectors.

Each is cheap enough to be measured all through a run; docs/doctor.md says what each one tells.
"""

from collections.abc import Iterable

import numpy as np

from .backend import Array
from .gan import GAN
from .layers import BatchNorm
from .network import Sequential
from .parameters import Slot

Numbers = dict[str, float | None]
BANDS = 4  # of frequencies, from long waves to the alternation of pixels


# Of a network. --------------------------------------------------------------------------------------------------------


def layer_slots(net: Sequential) -> dict[str, slice]:
    """Where the parameters of each layer lie in the vectors, by the layer's path: "0.Dense"."""
    found: dict[str, list[Slot]] = {}
    for slot in net.slots:
        found.setdefault(slot.name.rpartition(".")[0], []).append(slot)
    return {name: slice(slots[0].start, slots[-1].stop) for name, slots in found.items()}


def layer_norms(net: Sequential, before: Array) -> dict[str, list[float]]:
    """Of each layer: |dL/dw|, |w|, the last update |w - before| / |w|, and the share of gradients that are exactly 0.

    before: the parameters before the last step, overwritten. A layer whose parameters are all 0 has update inf.
    """
    xp, found = net.backend.xp, []
    xp.subtract(net.params, before, out=before)
    for piece in layer_slots(net).values():
        g, w, moved = net.grads[piece], net.params[piece], before[piece]
        found += [xp.sqrt((one * one).sum()) for one in (g, w, moved)] + [(g == 0).mean(dtype=g.dtype)]
    if not found:
        return {"gradient": [], "weight": [], "update": [], "zero": []}
    table = net.backend.to_host(xp.stack(found)).astype(np.float64).reshape(-1, 4)
    gradient, weight, moved, zero = table.T
    with np.errstate(all="ignore"):
        update = np.where(weight > 0, moved / weight, np.where(moved > 0, np.inf, 0.0))
    return {"gradient": [*gradient], "weight": [*weight], "update": [*update], "zero": [*zero]}


def running_gap(G: Sequential, z: Array) -> float | None:
    """How far BatchNorm's running variances are from those of a batch: the larger by the smaller, the median over the
    channels of a layer, and the greatest of all layers. 1 is a perfect fit; None if G has no BatchNorm.
    """
    layers = [layer for layer in G.walk() if isinstance(layer, BatchNorm)]
    state, forwards, running = G.state.copy(), G.forwards, [layer.var.copy() for layer in layers]
    factors = []
    try:
        G.forward(z, backward=False)
        for layer, old in zip(layers, running, strict=True):
            batch = (layer.var - layer.momentum * old) / (1 - layer.momentum)
            ratio = G.backend.to_host((batch + layer.eps) / (old + layer.eps)).astype(np.float64)
            factors.append(float(np.exp(np.median(abs(np.log(np.maximum(ratio, 1e-12)))))))
    finally:
        G.state[...], G.forwards = state, forwards
    return max(factors, default=None)


def pinned_share(gan: GAN) -> float | None:
    """The share of D's parameters that lie at the limit of the weight clipping; None without."""
    if gan.clip is None:
        return None
    return float((abs(gan.D.params) >= gan.clip.limit * (1 - 1e-6)).mean())


# Of samples. ----------------------------------------------------------------------------------------------------------


def level_range(samples: np.ndarray) -> list[float]:
    """Least, greatest, mean and standard deviation of the numbers in a batch.    (n, ...)"""
    return [float(one) for one in (samples.min(), samples.max(), samples.mean(), samples.std())]


def outside(fake: np.ndarray, real: np.ndarray) -> list[float]:
    """The share of the fakes' numbers that lie beyond the range of the real ones, which a fifth widens; and the
    reverse.
    """
    shares = []
    for a, b in ((fake, real), (real, fake)):
        low, high = float(b.min()), float(b.max())
        margin = 0.2 * (high - low)
        shares.append(float(((a < low - margin) | (a > high + margin)).mean()))
    return shares


def variety(fake: np.ndarray, real: np.ndarray, labels: np.ndarray | None) -> Numbers:
    """How far fakes lie from each other, by how far real samples do.    (n, ...), n of each

    spread   the mean distance of two
    nearest  the median distance to the nearest other: near 0 where many are alike
    within   the mean distance of two with the same label: near 0 where G ignores its noise
    """
    tables = [pair_distances(one.reshape(len(one), -1)) for one in (fake, real)]
    same = None if labels is None else labels[:, None] == labels[None, :]
    pairs = ~np.eye(len(fake), dtype=bool)
    found: Numbers = {}
    for name, values in (
        ("spread", [table[pairs] for table in tables]),
        ("nearest", [np.where(pairs, table, np.inf).min(axis=1) for table in tables] if len(fake) > 1 else [[], []]),
        ("within", [table[pairs if same is None else pairs & same] for table in tables]),
    ):
        middle = np.median if name == "nearest" else np.mean
        mine, theirs = (float(middle(one)) if len(one) else 0.0 for one in values)
        found[name] = mine / theirs if theirs > 0 else None
    return found


def pair_distances(rows: np.ndarray) -> np.ndarray:
    """Of every pair.    (n, d) -> (n, n)"""
    rows = rows.astype(np.float64)
    squares = (rows * rows).sum(axis=1)
    return np.sqrt(np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0))


def spectrum(images: np.ndarray) -> tuple[list[float], float] | None:
    """The power of the images' waves in BANDS bands, from long to short, and how far the checkerboard stands out.

    images: (n, h, w, c). The checkerboard's number is the power of waves of exactly 2 pixels, along either axis, by
    that of the next longer ones: 1 for noise, less for photographs, and well above it where strided layers leave a
    raster (Odena et al. 2016). None for what are no images of 8 x 8 or more.
    """
    if images.ndim != 4 or min(images.shape[1:3]) < 8:
        return None
    grey = images.mean(axis=-1, dtype=np.float64)
    power = (abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2).mean(axis=0) + 1e-9
    h, w = power.shape
    rows, columns = (np.minimum(np.arange(n), n - np.arange(n)) for n in (h, w))
    radius = np.maximum(rows[:, None] / (h // 2), columns[None, :] / (w // 2))
    edges = np.linspace(0, 1, BANDS + 1)
    bands = [
        float(power[(radius > low) & (radius <= high)].mean()) for low, high in zip(edges, edges[1:], strict=False)
    ]
    half_h, half_w = h // 2, w // 2
    peaks = (
        power[half_h].mean() / power[[half_h - 1, half_h - 2]].mean(),
        power[:, half_w].mean() / power[:, [half_w - 1, half_w - 2]].mean(),
    )
    return bands, float(max(peaks))


def spectrum_gap(fake: Iterable[float], real: Iterable[float]) -> float:
    """The root mean square of the bands' differences in powers of ten: 0 for images as sharp and as rough as real
    ones.
    """
    a, b = (np.log10(np.asarray(list(one))) for one in (fake, real))
    return float(np.sqrt(((a - b) ** 2).mean()))
