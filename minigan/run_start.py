"""How a call of `train` begins: a new run, the next part of the GAN's own, or one from a folder.

All that can be refused is refused here, before anything is written; what fails later, before the first checkpoint,
leaves nothing behind.
"""

import dataclasses
import json
import platform
import secrets
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from .backend import Array
from .backend.cores import usable_cores
from .checkpoint import load_checkpoint, save_model, steps_in, steps_of
from .config import config_of, differences
from .data import check_batch, check_batch_labels, class_count, data_identity, data_name, has_labels
from .data.protocol import Data
from .errors import DataError, FileError, SettingsError, ShapeError, counted
from .gan import GAN
from .gan_parts import require_range, require_whole_packs
from .generator import with_labels
from .means import Means
from .packing import packed
from .printing import say
from .run import FIXED, Plan, Record, plan_of, whole_number
from .run_directory import Row, RunDirectory
from .version import __version__

NEW = "a new folder in runs/"  # what out=True means
POINTS = 1_000  # in a scatter plot, where the data are points
MOST_CLASSES = 64  # rows of a sample grid


class Start:
    """The start of one call. `record` finds the run, `last_step` its end; `open` makes or takes its folder, and `undo`
    takes back what `open` made.
    """

    def __init__(
        self,
        gan: GAN,
        data: Data,
        asked: dict[str, Any],
        name: str | None,
        out: Path | str | None,
        resume: Path | None,
    ) -> None:
        self.gan, self.data, self.asked, self.name = gan, data, asked, name
        self.out, self.resume = out, resume
        self.is_new = self.makes_folder = False
        self.found: Record | None = None
        self.stored: dict[str, Any] = {}  # config.json of a run that is resumed

    def record(self) -> Record:
        """The record of the run to begin or to go on with. Raises for what does not fit it."""
        own: Record | None = self.gan._record
        _require_fit(self.gan, self.data)
        self.identity = data_identity(self.data)
        if self.resume is not None and not (own and own.directory and _same(own.directory.path, self.resume)):
            record = self._from_folder(self.resume)
        elif own is not None:
            record = self._own(own)
        else:
            record, self.is_new = self._new(), True
        self.found = record
        return record

    def last_step(self, steps: int | None, more: int | None) -> int:
        """The step at which the run ends. Raises SettingsError for steps that it has already."""
        have = self.gan.steps
        if steps is not None and more is not None:
            raise SettingsError("steps= says how many in all, and more= how many more: give one of them")
        if more is not None and self.is_new:
            raise SettingsError(
                f"more={more} goes on with a run, and this GAN has none yet: say steps= in the first call, or resume= "
                f"for a run in a folder"
            )
        if more is not None:
            return have + whole_number("more", more, 1)
        if steps is None and self.resume is None:
            raise SettingsError("how long shall it train? Say steps=, for all of them, or more=, for the next ones")
        if steps is None:
            steps = self.stored.get("training", self.stored.get("settings", {})).get("steps", have)
            return max(have, whole_number("steps", steps, 1))
        if whole_number("steps", steps, 1) < have or (steps == have and self.resume is None):
            advice = f"steps={have + int(steps)}" if self.is_new else f"more={steps}"
            raise SettingsError(f"steps={steps} counts all steps, and the GAN has {have}: for {steps} more, {advice}")
        return int(steps)

    def open(self, steps: int, settings: Mapping[str, Any] | None) -> None:
        """Make or update the run's folder; from here on the GAN knows its run."""
        record, gan = self.found, self.gan
        assert record is not None
        record.plan, record.data = self.plan, self.identity
        if self.out is not None:
            record.directory = RunDirectory.create(None if self.out == NEW else Path(self.out), record.name)
            self.makes_folder = True
            record.saved_at = record.sampled_at = None
            record.token = secrets.token_hex(8)
        gan._record = record
        record.cut_rows(gan.steps, steps)
        if gan.G.output_shape == (2,):
            n = min(POINTS, len(self.data))
            record.real = gan.D.backend.to_host(self.data.batch(n, record.plan.seed, 0, gan.D.backend, gan.D.dtype))
        directory = record.directory
        if directory is None:
            return
        config = self.stored or (directory.read_config() if not self.makes_folder else _description(record.name))
        kept = config.get("settings", {}) if settings is None else config_of(settings)
        directory.write_config(
            config
            | {"settings": kept, "training": {"steps": steps} | dataclasses.asdict(record.plan), "stopped": None}
            | {"data": config_of(record.data), "gan": gan.config(), "id": record.token}
        )
        if record.saved_at is not None and steps_in(directory.generator) != gan.steps:
            save_generator(gan, directory)  # a kill came between the two files

    def undo(self) -> None:
        """After a failed start: no folder, no run."""
        record = self.found
        if record is None or record.saved_at is not None:
            return
        if self.makes_folder and record.directory is not None:
            record.directory.discard()
            record.directory = None
        if self.is_new or self.resume is not None:
            self.gan._record = None

    # The three kinds. ------------------------------------------------------------------------------------------------

    def _new(self) -> Record:
        plan = Plan(**{"seed": self.gan.seed} | self.asked)
        try_batch(self.gan, self.data, plan)
        self.gan.require_finite()
        self.plan = plan
        return Record(self.name or "gan", plan, self.identity)

    def _own(self, record: Record) -> Record:
        """The run that the GAN has, going on."""
        directory = record.directory
        if record.is_running:
            raise SettingsError("this GAN is being trained already, by the call of train that has not ended yet")
        if self.out is not None and directory is not None:
            raise SettingsError(
                f"out={str(self.out)!r}: this GAN's run is in {directory.path}, and goes on there: leave out= out, or "
                f"train gan.clone()"
            )
        if directory is not None and not directory.path.is_dir():
            raise FileError(
                f"this GAN's run was in {directory.path}, which is gone: train gan.clone(), a run of its own"
            )
        plan = self._same_run(record)
        if directory is not None:
            directory.acquire()
        try:
            if directory is not None:
                _require_ours(record, directory)
            if record.in_a_step and directory is not None and record.saved_at is not None:
                extra = load_checkpoint(directory.checkpoint, self.gan, record.identity)  # as it was before that step
                record.means, record.seconds = _unfinished(extra, directory.checkpoint, len(self.gan.measures))
            elif record.in_a_step:
                say("note: this GAN was stopped in the middle of a step, and its run has no folder to go back to")
            record.in_a_step = False
            try_batch(self.gan, self.data, plan)
            self.gan.require_finite()
        except BaseException:
            if directory is not None:
                directory.release()
            raise
        self.plan = plan
        return record

    def _from_folder(self, resume: Path) -> Record:
        """The run in the folder to resume."""
        if self.out is not None:
            raise SettingsError("out= is a new run's folder, and resume= that of an old one: give one of them")
        if self.gan.steps:
            raise SettingsError(
                f"resume={str(resume)!r} would put the run's numbers in place of this GAN's, which has "
                f"{counted(self.gan.steps, 'step')}: give it a new GAN"
            )
        directory = RunDirectory(resume.parent if resume.name == "checkpoint.npz" else resume)
        self.stored = directory.read_config()
        directory.acquire()
        try:
            record = self._stored_record(directory)
            plan = self._same_run(record)
            _try_stored_batch(self.gan, self.data, plan, directory)
            if directory.checkpoint.exists():
                extra = load_checkpoint(directory.checkpoint, self.gan, record.identity)
                record.means, record.seconds = _unfinished(extra, directory.checkpoint, len(self.gan.measures))
                record.waiting = _waiting(extra, directory.checkpoint)
                record.rows = list(record.waiting) or record.rows
                record.steps = record.saved_at = self.gan.steps
                record.sampled_at = record.steps if directory.sample_path(record.steps).exists() else None
            else:
                self.gan.require_finite()
        except BaseException:
            directory.release()
            raise
        self.plan = plan
        record.token = str(self.stored.get("id") or secrets.token_hex(8))  # runs of 0.1 have none
        self.gan._record = record
        return record

    def _stored_record(self, directory: RunDirectory) -> Record:
        """What the folder says of its run."""
        saved = steps_in(directory.checkpoint)
        if saved is None and not directory.checkpoint.exists():
            directory.require_untrained()
        saved = -1 if saved is None else saved
        plan = plan_of(self.stored, directory.config)
        try:
            data, name = dict(self.stored["data"]), str(self.stored["system"])
            data["fingerprint"], data["name"], data["shape"]
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(f"{directory.config} is damaged: {error!r}") from error
        if "gan" not in self.stored:  # of minigan 0.1, which knew the images' number, and sampling as a setting
            ours = self.identity
            sampling = self.stored.get("settings", {}).get("sampling", ours["config"].get("sampling"))
            config = ours["config"] | ({"sampling": sampling} if "sampling" in ours["config"] else {})
            data = ours | {name: data[name] for name in ("name", "fingerprint", "shape")} | {"config": config}
        return Record(name, plan, data, directory, rows=directory.read_rows(self.gan.measures, saved)[1])

    def _same_run(self, record: Record) -> Plan:
        """The run's plan with what is asked for now. Raises SettingsError, naming what differs, for another run's."""
        run = f"the run in {record.directory.path}" if record.directory else "this GAN's run"
        if self.name not in (None, record.name):
            raise SettingsError(f"{run} is a run of {record.name}, not of {self.name}")
        data = config_of(self.identity)
        theirs = config_of(record.data)
        if data["fingerprint"] != theirs["fingerprint"]:
            raise SettingsError(
                f"the data are not those of {run}: it began on {theirs['name']} with fingerprint "
                f"{theirs['fingerprint']}, and {data['name']} has {data['fingerprint']}"
            )
        plan = dataclasses.replace(record.plan, **self.asked)
        ours = {"data": data | {"name": theirs["name"]}} | {name: getattr(plan, name) for name in FIXED}
        differing = differences(ours, {"data": theirs} | {name: getattr(record.plan, name) for name in FIXED})
        if differing:
            raise SettingsError(f"{run} cannot go on otherwise than it began: {'; '.join(differing)}")
        return plan


def _require_ours(record: Record, directory: RunDirectory) -> None:
    """Raises FileError if the folder is not as this GAN left it: it would write over another's steps."""
    if directory.read_config().get("id") != record.token:
        raise FileError(
            f"{directory.path} is another run's folder now, and this GAN's is not there: train gan.clone(), a run of "
            f"its own"
        )
    steps = steps_of(directory.checkpoint) if record.saved_at is not None else None
    if steps != record.saved_at:
        raise FileError(
            f"the run in {directory.path} has gone on without this GAN, to step {steps:,}: this GAN left it at step "
            f"{record.saved_at:,}. Go on with a new GAN and resume={str(directory.path)!r}"
        )


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()


def _unfinished(extra: dict[str, np.ndarray], path: Path, measures: int) -> tuple[Means, float]:
    """The losses since the last row, and the seconds so far, from a checkpoint of this version or of minigan 0.1."""
    try:
        old = "pending" in extra
        means = Means.of_rows(extra["pending"]) if old else Means(extra["sums"], extra["count"].item())
        seconds = float(extra["seconds"])
        if means.sums.shape != (measures,) and len(means):
            raise ValueError(f"the losses since the last row are {means.sums.shape}; wanted {measures} sums")
        if seconds < 0 or len(means) < 0 or (not old and len(means) != extra["count"]):
            raise ValueError(
                f"{seconds} seconds so far, and losses of {extra.get('count', 0)} steps since the last row"
            )
        return means, seconds
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _waiting(extra: dict[str, np.ndarray], path: Path) -> list[Row]:
    """The rows of a run whose history.csv another program held; [] if they are in the file."""
    try:
        return [dict(row) for row in json.loads(str(extra.get("rows", "[]")))]
    except (TypeError, ValueError, RecursionError) as error:
        raise FileError(f"{path} is damaged: its rows: {error}") from error


def _description(name: str) -> dict[str, Any]:
    """What a new config.json says of the program."""
    return {
        "system": name,
        "versions": {"minigan": __version__, "numpy": np.__version__, "python": platform.python_version()},
        "machine": {"processor": platform.machine(), "cores": usable_cores()},
        "command": sys.argv,
        "started": datetime.now().isoformat(timespec="seconds"),
    }


# What a step takes. ---------------------------------------------------------------------------------------------------


def _require_fit(gan: GAN, data: Data) -> None:
    name = data_name(data)
    if gan.G.output_shape != tuple(data.shape):
        raise ShapeError(f"{name} has samples of shape {tuple(data.shape)}; the GAN makes {gan.G.output_shape}")
    if gan.classes and not has_labels(data):
        raise SettingsError(
            f"{name} has no labels, and the GAN makes samples of {counted(gan.classes, 'class')}: give labels"
        )
    if gan.classes and class_count(data) > gan.classes:
        raise SettingsError(f"{name} has {class_count(data)} classes, and the GAN makes {gan.classes}")


def draw_batch(gan: GAN, data: Data, plan: Plan) -> tuple[Array, np.ndarray | None]:
    """The samples of the GAN's next step, for all updates of D, and their labels if it has classes, else None.

    Raises DataError for what is not as the protocol says.
    """
    n, backend, dtype = plan.batch_size * gan.d_steps, gan.D.backend, gan.D.dtype
    x = data.batch(n, plan.seed, gan.steps, backend, dtype)
    x = check_batch(x, n, gan.G.output_shape, dtype, backend, data_name(data))
    if not gan.classes or not has_labels(data):
        return x, None
    labels = data.batch_labels(n, plan.seed, gan.steps)
    return x, check_batch_labels(labels, n, gan.classes, data_name(data))


def try_batch(gan: GAN, data: Data, plan: Plan) -> None:
    """Refuse a batch that the data or a layer cannot take, before anything is written. The networks are unchanged."""
    x, labels = draw_batch(gan, data, plan)
    n = plan.batch_size
    require_range(x, gan.D)
    require_whole_packs(n, gan.pack)
    z = with_labels(gan.G, gan.draw_noise(n, "D", 0), None if labels is None else labels[:n])
    for net, inputs in ((gan.G, z), (gan.D, packed(x[:n], gan.pack))):
        state, forwards = net.state.copy(), net.forwards
        try:
            with np.errstate(all="ignore"):
                net.discard()
                net.forward(inputs, backward=False)
        finally:
            net.state[...], net.forwards = state, forwards


def _try_stored_batch(gan: GAN, data: Data, plan: Plan, directory: RunDirectory) -> None:
    """`try_batch` with the batch size of a folder, which the error names."""
    try:
        try_batch(gan, data, plan)
    except DataError as error:
        raise DataError(f"the run in {directory.path} cannot go on: {error}") from error


def draw_samples(gan: GAN, columns: int) -> np.ndarray:
    """Samples from noise that is the same all through a run: columns^2 of them, 1000 points, or, of a GAN with classes,
    a row of `columns` for each class, all rows from the same noise.
    """
    if not gan.classes:
        n = POINTS if gan.G.output_shape == (2,) else columns * columns
        return gan.images(gan.draw_noise(n, "samples", 0))
    classes = min(gan.classes, MOST_CLASSES)
    z = gan.draw_noise(columns, "samples", 0)
    rows = gan.G.backend.xp.concatenate([z] * classes)
    return gan.images(rows, np.repeat(np.arange(classes), columns))


def save_generator(gan: GAN, directory: RunDirectory) -> None:
    """generator.npz, with averaged parameters where there is an average."""
    with gan.averaged():
        save_model(directory.generator, gan.G, steps=gan.steps)
