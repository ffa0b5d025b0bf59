"""The explorer of a GAN in the plane: what D says everywhere, where G puts its points, and where they are pushed."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np

from ..callbacks import Callback
from ..errors import SettingsError, ShapeError
from ..files import write_atomically
from ..loop import Training
from ..metrics.modes import mixture_modes
from ..metrics.neighbours import nearest
from ..packing import packed, unpacked

SIDE = 40  # of the heat map of D
FAKES, REAL, ARROWS = 400, 500, 60  # points
LATTICE, REACH = 21, 2.0  # lines of the grid that G warps, and how far it reaches, in standard deviations of the noise
COMPANIONS = 8  # packs that a point of the lattice is judged in, where D sees packs
MARGIN = 0.35  # around the real points, by their width
MOST = 200  # frames
LONGEST = 0.15  # an arrow, by the width of the picture
WHOLE = 32767  # of an int16
HEIGHT = 960  # pixels of the frame in a notebook


class Explorer(Callback):
    """Record a GAN of points in the plane as it trains, and write it as one page that opens offline.

    every     steps between two frames
    centres   (k, 2), and std: of the modes of a known mixture; by default those of the data, if it has them
    source    the text of the program, for the page to show; None: none

    A frame has D's score on a 40 x 40 lattice, 400 points of G, the image of a 21 x 21 lattice of its noise (where that
    has two numbers), and the steps -dL/dx along which G's loss would move 60 of its points. `save(path)` writes the
    page; in a notebook the explorer as the last line of a cell shows it. Nothing in the run changes. Raises ShapeError
    where the run begins, for a GAN of anything but points (2,).
    """

    def __init__(
        self, every: int = 50, centres: np.ndarray | None = None, std: float | None = None, source: str | None = None
    ) -> None:
        if every < 1:
            raise SettingsError(f"Explorer: every is {every}; it must be at least 1")
        self.every, self.centres, self.std, self.source = every, centres, std, source
        self.frames: list[dict[str, Any]] = []

    def on_start(self, training: Training) -> None:
        """The frame of the plane, by the real points; and the first frame of the film."""
        gan, data = training.gan, training.data
        if gan.G.output_shape != (2,) or gan.classes:
            raise ShapeError(f"Explorer: the GAN is of {gan.G.output_shape}; wanted points (2,) without classes")
        points = data.batch(min(REAL, len(data)), 0, 0, gan.D.backend, gan.D.dtype)
        self.real, self.name = gan.D.backend.to_host(points).astype(np.float64), str(getattr(data, "name", "points"))
        low, high = self.real.min(), self.real.max()
        margin = MARGIN * (high - low) or 1.0  # of points that are all one
        self.low, self.high = float(low - margin), float(high + margin)
        if self.centres is None:
            self.centres, self.std = getattr(data, "centres", None), getattr(data, "std", None)
        if self.frames and self.frames[-1]["step"] > training.step:
            self.frames = []  # of another GAN
        if not self.frames:
            self.frames.append(self._frame(training))

    def on_step(self, training: Training, losses: Any) -> None:
        """A frame where one is due; every other one is dropped where there are too many."""
        if training.step % self.every and training.step != training.steps:
            return
        self.frames.append(self._frame(training))
        if len(self.frames) > MOST:
            self.frames = self.frames[::2]
            self.every *= 2

    def _frame(self, training: Training) -> dict[str, Any]:
        gan = training.gan
        with np.errstate(all="ignore"):
            fake = gan.sample(FAKES).astype(np.float64)
            found = {
                "step": training.step,
                "heat": self._heat(gan),
                "fake": self._points(fake),
                "warp": self._warped(gan),
                "arrows": self._points(self._arrows(training, fake[:ARROWS])),
            }
        if self.centres is not None and self.std and np.isfinite(fake).all():
            which, distance = nearest(fake, np.asarray(self.centres, float))
            found["hit"] = sorted({int(one) for one in which[distance <= 3 * self.std]})
            found["good"] = round(mixture_modes(fake, self.centres, self.std).high_quality, 4)
        else:
            found |= {"hit": [], "good": 0.0}
        return found

    def _heat(self, gan: Any) -> str:
        """D's score on the lattice, from -its greatest size to it, as bytes from 0 to 255, row by row from below. If it
        sees packs, the mean over some, in which a point of the lattice stands before real ones.
        """
        axis = self.low + (np.arange(SIDE) + 0.5) / SIDE * (self.high - self.low)
        y, x = np.meshgrid(axis, axis, indexing="ij")
        points = np.stack([x.ravel(), y.ravel()], axis=1)
        D, others = gan.D, gan.pack - 1
        score = np.zeros(len(points))
        for k in range(COMPANIONS if others else 1):
            beside = np.resize(self.real[k * others :], (others, 2)).ravel()
            rows = np.hstack([points, np.tile(beside, (len(points), 1))])
            score += D.backend.to_host(D.predict(D.backend.asarray(rows, D.dtype))).ravel()
        score /= COMPANIONS if others else 1
        score = np.nan_to_num(score - float(gan.objective.decision))
        levels = np.rint(127.5 + 127.5 * score / max(np.quantile(abs(score), 0.95), 1e-12)).clip(0, 255)
        return b64encode(levels.astype(np.uint8).tobytes()).decode()

    def _warped(self, gan: Any) -> str:
        """Where G takes a square lattice of its noise; nothing where the noise has other than two numbers."""
        G = gan.G
        if G.input_shape != (2,):
            return ""
        reach = 1.0 if getattr(G, "latent", "normal") == "uniform" else REACH
        axis = np.linspace(-reach, reach, LATTICE)
        z = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        with gan.averaged():
            return self._points(G.backend.to_host(G.predict(G.backend.asarray(z, G.dtype))))

    def _arrows(self, training: Training, fake: np.ndarray) -> np.ndarray:
        """Both ends of each arrow, x and x - c dL/dx, where c makes the longest as long as LONGEST says."""
        gan = training.gan
        D, fake = gan.D, fake[: len(fake) // gan.pack * gan.pack]
        state, forwards = D.state.copy(), D.forwards
        try:
            real = training.data.batch(len(fake), 0, 0, D.backend, D.dtype)
            pred_real = D.predict(packed(real, gan.pack))
            pred = D.forward(packed(D.backend.asarray(fake, D.dtype), gan.pack), train=False)
            objective = gan.objective
            _, dpred = objective.generator(pred, pred_real) if objective.sees_both else objective.generator(pred)
            slope = D.backend.to_host(unpacked(D.backward(dpred, params=False), gan.pack)).astype(np.float64)
        finally:
            D.state[...], D.forwards = state, forwards
        longest = np.sqrt((slope**2).sum(axis=1)).max()
        step = slope * (LONGEST * (self.high - self.low) / longest if longest > 0 else 0)
        return np.stack([fake, fake - step], axis=1).reshape(-1, 2)

    def _points(self, points: np.ndarray) -> str:
        """As int16 over the frame; what lies beyond it is at its border."""
        share = (np.nan_to_num(points.astype(np.float64)) - self.low) / (self.high - self.low)
        whole = np.rint(share.clip(0, 1) * 2 * WHOLE - WHOLE).astype("<i2")
        return b64encode(whole.tobytes()).decode()

    def data(self) -> dict[str, Any]:
        """What the page shows."""
        centres = [] if self.centres is None else np.asarray(self.centres, float).round(5).tolist()
        return {
            "kind": "toy", "name": self.name, "low": self.low, "high": self.high, "side": SIDE, "lattice": LATTICE,
            "centres": centres, "std": self.std or 0.0, "real": self._points(self.real), "frames": self.frames,
            "source": self.source or "",
        }  # fmt: skip

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the page. Raises FileError if the file exists, and SettingsError before the run has begun."""
        from .pages import page

        if not self.frames:
            raise SettingsError("Explorer.save: nothing was recorded yet: give it to train, callbacks=[explorer]")
        content = page(self.data(), f"{self.name}: a GAN in the plane").encode()
        write_atomically(path, lambda file: file.write(content), overwrite)

    def _repr_html_(self) -> str | None:
        """The page, below a cell of a notebook; nothing before the run has begun."""
        from .pages import frame, page

        return f"<div>{frame(page(self.data(), self.name), HEIGHT)}</div>" if self.frames else None
