"""The doctor's rules: each looks at a run's history and diagnostics for one thing that goes wrong in GANs.

docs/doctor.md has the table of what each catches, and how often it errs.
"""

import math

import numpy as np

from .diagnostics import Line
from .doctor_chart import LEAST, Chart, Finding, table_in
from .generator import classes_of, draw_noise, with_labels
from .metrics.features import Features, digits_of
from .signals import pair_distances

YOUNG = 2_000  # steps: a shorter run may just not be done
HIGH, LOW = 0.03, 3e-6  # updates, by the weights
GREW = 2.5  # weights, since the first line
SHARP = 0.35  # gap of the spectra, in powers of ten: samples beyond it are still rough
SAMPLES, MOST_PAIRS = 400, 40  # of the birthday test


# Data and scores. -----------------------------------------------------------------------------------------------------


def ranges_differ(chart: Chart) -> Finding | None:
    """Real and fake numbers lie in different ranges: D needs nothing else to tell them apart."""

    def beyond(line: Line) -> float:
        real, fake = (line["levels"][kind] for kind in ("real", "fake"))
        if None in (*real, *fake, *line["outside"]):
            return 0.0
        has_left = fake[1] - fake[0] > (real[1] - real[0]) / 3  # a G that has just begun makes numbers around 0
        return float(max(line["outside"][0], line["outside"][1] if has_left else 0))

    share = chart.median(beyond)
    if share is None or not share >= 0.2:
        return None
    real, fake = (chart.late[-1]["levels"][kind] for kind in ("real", "fake"))
    return Finding(
        "The ranges of real and fake samples differ",
        chart.since(lambda line: beyond(line) >= 0.2),
        f"{share:.0%} of one kind's numbers are beyond the other's range; real {real[0]:.2g} to {real[1]:.2g}, fake "
        f"{fake[0]:.2g} to {fake[1]:.2g}",
        "Scale the data to what G's last layer makes: from -1 to 1 for a Tanh",
    )


def discriminator_won(chart: Chart) -> Finding | None:
    """D is right about every sample, and its loss has nothing left to teach."""

    def gap(line: Line) -> float:
        real, fake = (np.asarray(line["scores"][kind], float) for kind in ("real", "fake"))
        return float(real.min() - fake.max())

    accuracy, loss = chart.recent("d_accuracy"), chart.recent("d_loss")
    if min(len(accuracy), len(loss), len(chart.late)) < LEAST or accuracy.mean() < 0.995 or loss.mean() > 0.05:
        return None
    gradient = [_norm(line["G"]["gradient"]) for line in (chart.lines[0], chart.late[-1])]
    return Finding(
        "D has won",
        chart.since(lambda line: gap(line) > 0),
        f"it is right about {accuracy.mean():.1%} of the samples, at a loss of {loss.mean():.2g}; G's gradient went "
        f"from {gradient[0]:.2g} to {gradient[1]:.2g}",
        "Give D a lower learning rate or fewer updates; take the non-saturating objective, a penalty, or smooth labels",
    )


def discriminator_memorises(chart: Chart) -> Finding | None:
    """D scores the samples that it trains on far above others of the same kind."""

    def ahead(line: Line) -> float | None:
        if "held_out" not in line["scores"]:
            return None
        real, others = (np.asarray(line["scores"][kind], float) for kind in ("real", "held_out"))
        return float((real.mean() - others.mean()) / max(others.std(), 1e-12))

    lead = chart.median(ahead)
    if lead is None or not lead >= 0.7:
        return None
    return Finding(
        "D knows its training samples by heart",
        chart.since(lambda line: (ahead(line) or 0) >= 0.7),
        f"it scores them {lead:.1f} standard deviations above real samples that it never saw",
        "Take more data or random changes of it (flip, crop) or of what D sees (augment), a smaller D, Dropout in D, "
        "or fewer steps",
    )


# Gradients, updates and weights. --------------------------------------------------------------------------------------


def _norm(values: list[float | None]) -> float:
    """The norm of a whole vector from those of its pieces."""
    return math.sqrt(sum(value**2 for value in values if value is not None))


def gradient_explodes(chart: Chart) -> Finding | None:
    """G's gradient has grown without bound."""
    norms = [_norm(line["G"]["gradient"]) for line in chart.lines]
    if len(norms) < 2 * LEAST:
        return None
    first = float(np.median(norms[:LEAST]))
    peak = float(np.median(np.lib.stride_tricks.sliding_window_view(norms, LEAST), axis=1).max())
    if not peak > 30 * first:
        return None
    return Finding(
        "G's gradient explodes",
        int(next(line["step"] for line, norm in zip(chart.lines, norms, strict=True) if norm > 10 * first)),
        f"its norm went from {first:.2g} to {peak:.2g}",
        "Bound D's slope: weight clipping, a gradient penalty, or spectral normalisation; or lower the learning rate",
    )


def _updates(lines: list[Line], net: str) -> float | None:
    """The median over the lines of the median over the layers of |update| / |weights|."""
    found = [float(np.median([u for u in line[net]["update"] if u is not None] or [np.inf])) for line in lines]
    return float(np.median(found)) if found else None


def rate_too_high(chart: Chart) -> Finding | None:
    """A step moves the weights by a large part of themselves; or the first ones did, and the weights have grown."""
    for net in "GD":
        update = _updates(chart.late, net)
        step = chart.since(lambda line, net=net: (_updates([line], net) or 0) > HIGH) if chart.late else 0  # type: ignore[misc]
        if update is not None and update <= HIGH and _growth(chart, net) > GREW:
            update, step = _updates(chart.lines[:1], net), int(chart.lines[0]["step"])
        if update is not None and update > HIGH:
            share = f"by {update:.1%} of their size" if update < 10 else "by many times their size"
            return Finding(
                f"The learning rate of {net} is too high",
                step,
                f"a step moved a layer's weights {share}, and they are {_growth(chart, net):.1f} times as large now as "
                f"they were at step {chart.lines[0]['step']}; 0.1 % is usual",
                "Lower it, by ten at first",
            )
    return None


def _growth(chart: Chart, net: str) -> float:
    """By what the weights of a layer have grown since the first line, the median over the layers."""
    first, last = (np.asarray([w or 0.0 for w in line[net]["weight"]]) for line in (chart.lines[0], chart.lines[-1]))
    return float(np.median(last / np.maximum(first, 1e-12)))


def rate_too_low(chart: Chart) -> Finding | None:
    """A step leaves the weights as they are."""
    for net in "GD":
        update = _updates(chart.late, net)
        if update is not None and update < LOW:
            return Finding(
                f"The learning rate of {net} is too low",
                chart.since(lambda line, net=net: (_updates([line], net) or 0) < LOW),  # type: ignore[misc]
                f"a step moves a layer's weights by {update:.1g} of their size; 0.001 is usual",
                "Raise it, by ten at first",
            )
    return None


def clipping_pins(chart: Chart) -> Finding | None:
    """Most of the critic's weights lie at the limit of the clipping."""
    share = chart.median(lambda line: line["pinned"])
    if share is None or share < 0.75:
        return None
    return Finding(
        "Clipping pins D's weights",
        chart.since(lambda line: (line["pinned"] or 0) >= 0.75),
        f"{share:.0%} of them lie at the limit: D can only say + or -",
        "Raise the limit, lower D's learning rate, or take a gradient penalty instead",
    )


def slope_off(chart: Chart) -> Finding | None:
    """The critic's slope is far from the 1 that the gradient penalty asks for."""
    penalty, values = table_in(chart.gan, "penalty"), chart.recent("d_penalty")
    weight = penalty.get("weight")
    if penalty.get("type") != "GradientPenalty" or len(values) < LEAST or not isinstance(weight, int | float):
        return None
    off = math.sqrt(max(float(np.median(values)), 0) / weight) if weight > 0 else 0.0
    if off < 1:
        return None
    steps = chart.history["step"]
    return Finding(
        "D's slope is far from 1",
        int(steps[len(steps) // 2]),
        f"it is off by {off:.2g}, root mean square, in spite of the gradient penalty",
        "Raise the penalty's weight (10 is usual), or lower D's learning rate",
    )


def layer_dead(chart: Chart) -> Finding | None:
    """A layer whose parameters get no gradient at all."""
    for net, names in chart.layers.items():
        for i, name in enumerate(names):
            share = chart.median(lambda line, net=net, i=i: line[net]["zero"][i])  # type: ignore[misc]
            if share is not None and share > 0.95:
                return Finding(
                    f"The layer {net}.{name} is dead",
                    chart.since(lambda line, net=net, i=i: (line[net]["zero"][i] or 0) > 0.95),  # type: ignore[misc]
                    f"{share:.0%} of its gradients are exactly 0: the units behind it are never on",
                    "Take LeakyReLU for ReLU, a lower learning rate, or smaller first weights and biases",
                )
    return None


def statistics_apart(chart: Chart) -> Finding | None:
    """BatchNorm's running statistics are not those of the batches: samples look otherwise than in training."""
    factor = chart.median(lambda line: line["gap"])
    if factor is None or factor < 2:
        return None
    return Finding(
        "BatchNorm's running statistics do not fit",
        chart.since(lambda line: (line["gap"] or 1) >= 2),
        f"in a layer of G the running variances are off those of a batch by a factor of {factor:.1f}: samples look "
        f"otherwise than in training",
        "Lower BatchNorm's momentum, train more steps, or take a larger batch",
    )


# Samples. -------------------------------------------------------------------------------------------------------------


def noise_ignored(chart: Chart) -> Finding | None:
    """All samples, or all of a class, are one and the same."""
    within = chart.median(lambda line: line["variety"]["within"])
    if within is None or within > 0.05:
        return None
    return Finding(
        "G ignores its noise",
        chart.since(lambda line: (line["variety"]["within"] or 0) <= 0.05),
        f"its samples differ from each other by {within:.1%} of what real ones do",
        "Look at G's first layer, and at what dies behind it; lower the learning rates; D may have to catch up",
    )


def modes_collapsed(chart: Chart) -> Finding | None:
    """Many samples are alike, or classes are missing."""
    nearest = chart.median(lambda line: line["variety"]["nearest"])
    if is_young(chart) or nearest is None:
        return None
    alike, missing = _drawn(chart)
    if not (nearest < 0.25 or alike or missing):
        return None
    return Finding(
        "Modes have collapsed",
        chart.since(lambda line: (line["variety"]["nearest"] or 0) < 0.25),
        "; ".join(
            [f"a sample's nearest neighbour is at {nearest:.0%} of the distance between real ones"] + alike + missing
        ),
        "Lower G's learning rate or its updates a step; take a penalty, a larger batch, or labels",
    )


def _drawn(chart: Chart) -> tuple[list[str], list[str]]:
    """What samples of the generator show: how many are alike, as the birthday test of Arora and Zhang 2017
    (arXiv:1706.08224) counts them, and which digits are missing. Each [] if that is nothing to worry about.
    """
    G = chart.generator
    if G is None:
        return [], []
    z = draw_noise(G, SAMPLES, 0, "doctor", 0)
    classes = classes_of(G)
    images = G.backend.to_host(G.predict(with_labels(G, z, np.arange(SAMPLES) % classes if classes else None)))
    rows = images.reshape(SAMPLES, -1).astype(np.float64)
    if not np.isfinite(rows).all():
        return [], []
    pairs = near_pairs(rows)
    alike, missing = [], []
    if pairs > MOST_PAIRS:
        alike = [f"{pairs} of {SAMPLES} samples' pairs are nearly equal: it makes some {SAMPLES**2 // (2 * pairs):,}"]
    rough = (chart.median(lambda line: line.get("sharpness")) or 0) > SHARP  # such samples read as any digit
    if chart.digits and not rough:
        counts = np.bincount(digits_of(Features("digits", images.shape[1:])(images)), minlength=10)
        gone = [str(digit) for digit in range(10) if counts[digit] < SAMPLES / 200]
        missing = [f"hardly any {', '.join(gone)}"] if gone else []
    return alike, missing


def near_pairs(rows: np.ndarray) -> int:
    """How many pairs lie closer than a tenth of the mean distance."""
    distances = pair_distances(rows)[np.triu_indices(len(rows), 1)]
    return int((distances < distances.mean() / 10).sum())


def rastered(chart: Chart) -> Finding | None:
    """Fakes alternate from pixel to pixel as real images do not."""
    mine, theirs = (chart.median(lambda line, name=name: line.get(name)) for name in ("raster", "real_raster"))  # type: ignore[misc]
    if is_young(chart) or mine is None or theirs is None or mine < 4 * max(theirs, 1):
        return None
    return Finding(
        "A checkerboard in the samples",
        chart.since(lambda line: (line.get("raster") or 0) >= 4 * max(line.get("real_raster") or 1, 1)),
        f"waves of two pixels have {mine:.1f} times the power of their neighbours; in real images {theirs:.1f}",
        "Take kernels whose sides are multiples of the stride, upsampling before a convolution, or more steps",
    )


# The course of the run. -----------------------------------------------------------------------------------------------


def oscillates(chart: Chart) -> Finding | None:
    """The losses swing from row to row."""
    losses = chart.recent("g_loss")
    if len(losses) < 2 * LEAST or abs(losses.mean()) < 1e-6:
        return None
    swing = float(np.std(np.diff(losses)) / abs(losses.mean()))
    if swing < 0.15:
        return None
    steps = chart.history["step"]
    return Finding(
        "The losses oscillate",
        int(steps[len(steps) // 2]),
        f"from row to row G's loss changes by {swing:.0%} of its mean",
        "Lower the learning rates, take Adam's beta1 of 0.5 or 0, or a penalty",
    )


def is_young(chart: Chart) -> bool:
    """Whether the run is short, and its samples are still rougher or smoother than real ones."""
    gap = chart.median(lambda line: line.get("sharpness"))
    steps = chart.history.get("step", np.empty(0))
    return len(steps) > 0 and steps[-1] < YOUNG and (gap is None or gap > SHARP)


def needs_steps(chart: Chart) -> Finding | None:
    """A short run whose samples have not come near yet."""
    if not is_young(chart) or chart.median(lambda line: line.get("sharpness")) is None:
        return None
    gap = 10 ** (chart.median(lambda line: line["sharpness"]) or 0)
    return Finding(
        "The run needs more steps",
        int(chart.history["step"][-1]),
        f"in some band of frequencies its samples have some {gap:.0f} times more, or less, power than real ones",
        "Go on with it: --resume RUN --more N, or train(gan, data, more=N)",
    )
