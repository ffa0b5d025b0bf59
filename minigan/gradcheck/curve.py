"""The error of a difference against its step: the V that says where h is best, and whether a gradient is wrong."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SettingsError
from ..files import write_atomically
from .check import subject_of, upstream_of
from .numeric import EPS, STEP

STEPS = 10.0 ** np.arange(-12, 0.01, 0.25)


def explain(
    target: Any,
    x: Any = None,
    *,
    path: str | Path,
    wrt: str = "x",
    index: tuple[int, ...] | None = None,
    params: dict[str, Any] | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw |yours - numeric| against h for one entry of one gradient, and save the figure (.png). Returns h and errors.

    If yours is right the curve is a V: on the right the formula's error falls as h^2, on the left rounding grows as
    eps / h. If yours is wrong it ends on a plateau, however small h is: the size of the mistake.

    target, x, params, seed   as in `check`, but no GAN
    wrt, index                which gradient, and which entry of it; None: the one that disagrees most

    Raises FileError if `path` exists or cannot be written.
    """
    subject = subject_of(target, x, params or {}, seed=seed)
    v = upstream_of("random", np.shape(subject.forward()), seed)
    if wrt not in subject.arrays:
        raise SettingsError(f"explain: there is no gradient {wrt!r}; there are {', '.join(subject.arrays)}")
    array, yours = subject.arrays[wrt], subject.backward(v)[wrt]
    flat = array.reshape(-1)

    def difference(i: int, h: float) -> float:
        kept = flat[i]
        flat[i] = up = kept + h
        f_up = np.array(subject.forward())
        flat[i] = down = kept - h
        f_down = np.array(subject.forward())
        flat[i] = kept
        return float(np.sum(v * (f_up - f_down)) / (up - down))

    if index is None:
        off = [abs(yours.reshape(-1)[i] - difference(i, STEP)) for i in range(flat.size)]
        index = tuple(int(k) for k in np.unravel_index(int(np.argmax(off)), array.shape))
    i = int(np.ravel_multi_index(index, array.shape))
    errors = np.array([abs(yours[index] - difference(i, h)) for h in STEPS])
    _draw(
        path,
        errors,
        f"{subject.name}: d{wrt}{list(index)} = {yours[index]:.6g}",
        float(np.max(abs(v * subject.forward()))),
    )
    return STEPS, errors


def _draw(path: str | Path, errors: np.ndarray, title: str, size: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    shown = np.maximum(errors, 1e-17)
    axes.loglog(STEPS, shown, "o-", markersize=3, label="|yours - numeric|")
    large = STEPS >= 1e-3
    guide = {"linestyle": ":", "linewidth": 1}
    axes.loglog(STEPS, shown[-1] * (STEPS / STEPS[-1]) ** 2, color="tab:green", label="truncation, as $h^2$", **guide)
    axes.loglog(STEPS, EPS * size / STEPS, color="tab:red", label="rounding, as eps / h", **guide)
    axes.axvline(STEP, color="gray", linestyle="--", linewidth=1, label="$h = \\mathrm{eps}^{1/3}$")
    axes.set(xlabel="step h", ylabel="error", title=title, ylim=(1e-17, 10 * max(1.0, shown[large].max())))
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100), overwrite=False)
