"""Damage of every kind that files are read of: `python -m tests.mutate 10000` damages so many files, and loads each.

Each must load as what it was (or, where the format has no checksum, as something of its kind), or be refused by an
error of minigan's that has the file's name. Never another error, a warning, 5 seconds, memory that no right file of its
kind needs, or data left out without a note.
"""

import argparse
import contextlib
import gzip
import io
import json
import lzma
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, features

from minigan import Generator, data, load_model, open_run, save_model, train
from minigan.checkpoint import load_checkpoint, save_checkpoint, steps_of
from minigan.data import idx
from minigan.errors import MiniganError
from minigan.image_runs import DCGANSettings
from minigan.layers import BatchNorm, Conv2DTranspose, Dense, Reshape, SpectralNorm, Tanh
from minigan.pictures import load_png, save_png
from minigan.run_start import Start
from minigan.settings import stored_settings

from .gans import IMAGE, real_images, small_gan

SECONDS = 5.0
ADDRESSES = 2**30  # bytes that a load may reserve beyond what is there
MEMORY = 32 * 2**20  # bytes that it may use: four times what these files need, and what Python takes at a time
PICTURE_MEMORY = 4 * 4 * 2**24  # four times the four bytes a pixel of the largest picture that any file may promise
OLD = Path(__file__).parent / "files_v1"


@dataclass(frozen=True)
class Kind:
    """A kind of file: how a right one is made, how it is loaded, and how it is damaged beside byte by byte."""

    name: str  # of the file
    make: Callable[[Path], object]  # writes it, and what must stand beside it
    load: Callable[[Path], object]  # what is compared: nested tuples of arrays, numbers, texts
    damage: Callable[[random.Random, bytes], bytes] | None = None  # one that keeps the outer format whole
    has_checksum: bool = False  # damaged bytes never pass
    memory: int = MEMORY


# Damage of bytes. -----------------------------------------------------------------------------------------------------

EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1]


def _part(draw: random.Random, content: bytes) -> tuple[int, int]:
    start = draw.randrange(len(content) + 1)
    return start, min(len(content), start + draw.choice([1, 2, 4, 16, len(content) // 8 + 1]))


def flipped(draw: random.Random, content: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8])):
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def truncated(draw: random.Random, content: bytes) -> bytes:
    return content[: draw.randrange(len(content))]


def erased(draw: random.Random, content: bytes) -> bytes:
    start, stop = _part(draw, content)
    return content[:start] + draw.choice([b"\0", b"\xff", b" "]) * (stop - start) + content[stop:]


def doubled(draw: random.Random, content: bytes) -> bytes:
    start, stop = _part(draw, content)
    return content[:stop] + content[start:]


def removed(draw: random.Random, content: bytes) -> bytes:
    start, stop = _part(draw, content)
    return content[:start] + content[stop:]


def exchanged(draw: random.Random, content: bytes) -> bytes:
    a, b, c, d = sorted(draw.randrange(len(content) + 1) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def inserted(draw: random.Random, content: bytes) -> bytes:
    start, _ = _part(draw, content)
    return content[:start] + draw.randbytes(draw.choice([1, 3, 16, 300])) + content[start:]


def extreme(draw: random.Random, content: bytes) -> bytes:
    """A number of a header, most of which are near one of the ends."""
    near = draw.choice([64, 64, len(content)])
    start = draw.randrange(min(near, len(content)))
    start = draw.choice([start, len(content) - 1 - start])
    size = draw.choice([1, 2, 4, 8])
    number = (draw.choice(EXTREMES) % 2 ** (8 * size)).to_bytes(size, draw.choice(["little", "big"]))
    return content[:start] + number + content[start + size :]


BYTES = [flipped, flipped, truncated, erased, doubled, removed, exchanged, inserted, extreme, extreme]

# Damage of JSON, of tables, and of archives, which stay what they are from outside. ----------------------------------

VALUES = [None, True, False, -1, 0, 1, 2**31, 2**63, 2**64, 10**9, 10**400, -0.5, 1e-320, 1e308, float("inf"),
          float("nan"), "", "x", "G", "NaN", "\0", "é" * 50, [], {}, [[]], {"type": "Dense"}, [1, 2, 3], "DEEP", "LONG",
          {"type": "Sequential", "layers": []}]  # fmt: skip


def other_json(draw: random.Random, text: str) -> str:
    """One entry replaced, removed, added or doubled."""
    tree = json.loads(text)
    places: list[tuple] = []

    def walk(node: object) -> None:
        for key in list(node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()):
            places.append((node, key))
            walk(node[key])

    walk(tree)
    node, key = draw.choice(places)
    what, value = draw.choice(["replace", "replace", "replace", "remove", "add"]), draw.choice(VALUES)
    if what == "remove":
        del node[key]
    elif what == "add" and isinstance(node, list):
        node.insert(key, draw.choice([value, node[key]]))
    elif what == "add":
        node[draw.choice(["x", "type", "name", "backend", "workspace", "layers", "dtype"])] = value
    else:
        node[key] = value
    text = json.dumps(tree)
    return text.replace('"DEEP"', "[" * 100_000).replace('"LONG"', "1" * 5_000)


def other_config(draw: random.Random, content: bytes) -> bytes:
    return other_json(draw, content.decode()).encode()


CELLS = [
    "nan",
    "inf",
    "-1",
    "",
    "x",
    "1e999",
    "1" * 400,
    "1" * 5000,
    "0x10",
    "1_000",
    '"',
    "1;5",
    "1,5",
    "\0",
    "é",
    "1e3",
]


def other_table(draw: random.Random, content: bytes) -> bytes:
    """One cell replaced, or a line removed, doubled or moved."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    row, what = draw.randrange(len(rows)), draw.choice(["cell", "cell", "cell", "remove", "double", "move"])
    if what == "cell":
        rows[row][draw.randrange(len(rows[row]))] = draw.choice(CELLS)
    elif what == "remove":
        del rows[row]
    else:
        rows.insert(draw.randrange(len(rows)), rows[row] if what == "double" else rows.pop(row))
    return "\n".join([*map(",".join, rows), ""]).encode()


def other_array(draw: random.Random, array: np.ndarray) -> np.ndarray:
    """Other numbers, another type, another shape."""
    if array.dtype.kind == "U" and draw.random() < 0.8:
        text = str(array)
        return np.array(other_json(draw, text) if text[:1] == "{" else draw.choice(["", "x", text + "2", "[" * 10**5]))
    flat = array.reshape(-1).copy()
    what = draw.randrange(6)
    if what == 0 and flat.size and flat.dtype.kind == "f":
        flat[draw.randrange(flat.size)] = draw.choice([np.nan, np.inf, -np.inf, -1.0, 1e38, 1e-45])
    elif what == 1 and array.dtype.kind in "fiu":
        kinds = [array.astype(kind) for kind in (complex, str, bool, ">f4", "f2")]
        return draw.choice([-array if array.dtype.kind != "u" else ~array, array.astype("f8") + 1e300, *kinds])
    elif what == 2:
        number = np.array(draw.choice([-1, 2**63, 0.5, np.nan, np.inf, True]))
        shapes = [array[None], flat[:-1], np.append(flat, flat[:1]), np.empty(0), np.zeros((3, 0, 2)), np.zeros(10**5)]
        return draw.choice([number, *shapes])
    elif what == 3:
        return draw.choice([np.array("x"), np.array(["x"] * 5), np.array("2020-01-01", "M8[D]"), np.array(b"x"),
                            np.array([None, 1], object), np.zeros(3, [("a", "i4"), ("b", "f8")])])  # fmt: skip
    elif what == 4:
        return np.asfortranarray(array)
    else:
        return array.astype(draw.choice(["f8", "i8", "u1", "f4"])) if array.dtype.kind in "fiu" else array
    return flat.reshape(array.shape)


def other_members(draw: random.Random, content: bytes) -> bytes:
    """A whole archive with another array, or without one, or with an array that promises what is not there."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    name = draw.choice(list(arrays))
    what = draw.choice(["array"] * 6 + ["remove", "exchange", "add", "twice", "promise", "promise", "text"])
    members = []
    if what == "array":
        arrays[name] = other_array(draw, arrays[name])
    elif what == "remove":
        del arrays[name]
    elif what == "exchange":
        other = draw.choice(list(arrays))
        arrays[name], arrays[other] = arrays[other], arrays[name]
    elif what == "add":
        arrays[draw.choice(["x", "extra.x", "G.params", "params"])] = np.zeros(draw.choice([0, 3, 10**6]), "u1")
    elif what == "twice":
        members.append((f"{name}.npy", b"x"))
    elif what == "text":
        members.append((f"{name}.npy", draw.choice([b"", b"text", draw.randbytes(200)])))
        del arrays[name]
    elif what == "promise":
        members.append((f"{name}.npy", promising(draw)))
        del arrays[name]
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", draw.choice([0, 8])) as archive:
        warnings.simplefilter("ignore")
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=True)
        for key, text in members:
            archive.writestr(key, text)
    return file.getvalue()


def promising(draw: random.Random, *_: bytes) -> bytes:
    """A .npy file whose header is not true, or no header at all."""
    shapes = [
        "(1000000000,)",
        "(-1,)",
        "(2, 3)",
        "(1.5,)",
        "(True,)",
        "3",
        "()",
        "(4000000000, 4000000000)",
        "(0,) * 9",
    ]
    shape = draw.choice([*shapes, "(" * 300 + ")" * 300, "[" * 3000, "(1,)" + " " * 60_000, "(1_0,)", "(0x,)"])
    kind = draw.choice(["'<f4'", "'|u1'", "'|O'", "'<U100000000'", "'V8'", "[('a', '<f4')]", "'x'", "3", "'<M8[s]'"])
    header = f"{{'descr': {kind}, 'fortran_order': {draw.choice(['False', 'True', '0', 'x'])}, 'shape': {shape}}}\n"
    version, size = draw.choice([(b"\x01\0", 2), (b"\x02\0", 4), (b"\x03\0", 4), (b"\x09\0", 4)])
    length = draw.choice([len(header), len(header), 2 ** (8 * size) - 1]) % 2 ** (8 * size)
    return b"\x93NUMPY" + version + length.to_bytes(size, "little") + header.encode() + bytes(draw.choice([0, 4, 96]))


# The kinds. -----------------------------------------------------------------------------------------------------------


def picture(name: str, mode: str = "RGB", **options: object) -> Kind:
    def make(path: Path) -> None:
        pixels = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        pixels[:, :8] = np.arange(12, dtype=np.uint8)[:, None, None] * 20
        image = Image.fromarray(pixels)
        if mode == "I;16":
            image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
        (image.convert(mode) if mode not in ("RGB", "I;16") else image).save(path, **options)

    def load(path: Path) -> object:
        found = data.images(path.parent, 8)
        return found.images.copy(), found.labels

    return Kind(name, make, load, has_checksum=name.endswith(".png"), memory=PICTURE_MEMORY)


def arrays(
    name: str, write: Callable[[Path], object], has_checksum: bool = False, damage: Callable | None = None
) -> Kind:
    def load(path: Path) -> object:
        found = data.load(path)
        return np.array(found.images), found.labels

    return Kind(name, write, load, damage, has_checksum)


def cached(path: Path) -> object:
    """A folder's pictures, of which this file is the cache: they come out right, whatever it holds."""
    photos, cache = path.parent / "photos", path.parent / "cache"
    photos.mkdir(exist_ok=True)
    if not (photos / "a.png").exists():
        save_png(photos / "a.png", DIGITS[..., None].repeat(3, axis=-1)[0])
    for kept in cache.glob("*.npy"):
        shutil.copy(path, kept)
    found = data.images(photos, 8, cache=cache)
    if not path.exists():
        shutil.copy(next(cache.glob("*.npy")), path)
    return found.images.copy()


DIGITS = np.random.default_rng(2).integers(0, 256, (5, 4, 4), dtype=np.uint8)
CLASSES = np.arange(5, dtype=np.uint8) % 3


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, idx.UINT8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def idx_file(ending: str, compress: Callable[[bytes], bytes], has_checksum: bool) -> Kind:
    def write(path: Path) -> None:
        path.write_bytes(compress(idx_bytes(DIGITS)))
        (path.parent / f"train-labels-idx1-ubyte{ending}").write_bytes(compress(idx_bytes(CLASSES)))

    return arrays(f"train-images-idx3-ubyte{ending}", write, has_checksum)


def generator() -> Generator:
    layers = [Dense(6), BatchNorm(), SpectralNorm(Dense(8)), Reshape((2, 2, 2)), Conv2DTranspose(1, 2), Tanh()]
    return Generator(layers, input_shape=4 + 2, classes=2, name="G", seed=1, backend="numpy")


def numbers_of(path: Path) -> object:
    net = load_model(path)
    assert np.isfinite(net.params).all() and np.isfinite(net.state).all()
    return str(net), net.forwards, net.params.copy(), net.state.copy()


def trained(**options: object) -> object:
    gan = small_gan(ema=0.9, **options)
    for step in range(2):
        gan.step(real_images(gan, step=step))
    return gan


EXTRA = {"sums": np.arange(4.0), "count": np.array(2), "seconds": np.array(0.5)}


def write_checkpoint(path: Path) -> None:
    save_checkpoint(path, trained(), EXTRA)


def checkpoint_numbers(path: Path) -> object:
    gan = small_gan(ema=0.9)
    before = gan.G.params.copy()
    try:
        extra = load_checkpoint(path, gan)
    except MiniganError:
        assert np.array_equal(gan.G.params, before) and gan.steps == 0, "a refused checkpoint changed the GAN"
        raise
    gan.require_finite()
    return gan.steps, steps_of(path), gan.average.copy(), gan.G.params.copy(), gan.D.state.copy(), extra


def old_checkpoint(path: Path) -> object:
    nets = [load_model(path, network=name) for name in "GD"]
    return steps_of(path), *(part for net in nets for part in (str(net), net.params.copy(), net.state.copy()))


SAMPLES = np.tanh(np.random.default_rng(3).normal(size=(40, *IMAGE)).astype("f4"))


def make_run(path: Path) -> None:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        kept = _made_run()
    shutil.copytree(kept, path.parent, dirs_exist_ok=True)


def _made_run(found: list[Path] = []) -> Path:  # noqa: B006 - made once
    if not found:
        from minigan import pictures

        pictures.save_curves = lambda path, *_: path.write_bytes(b"")  # type: ignore[assignment]
        pictures.save_gif = lambda path, *_: path.write_bytes(b"")  # type: ignore[assignment]
        folder = Path(tempfile.mkdtemp()) / "run"
        settings = {name: field.default for name, field in DCGANSettings.__dataclass_fields__.items()}
        train(small_gan(), SAMPLES, steps=5, batch_size=6, log_every=2, sample_every=5, out=folder, settings=settings)
        found.append(folder)
    return found[0]


def run_folder(path: Path) -> object:
    """All that is read of a run: to look at it, to start its command again, and to go on."""
    run = open_run(path.parent)
    shown = repr(run), run._repr_html_(), run.name, run.steps, run.stopped, run.history
    settings = stored_settings(path.parent, DCGANSettings)
    DCGANSettings(**settings)
    start = Start(small_gan(), data.as_data(SAMPLES), {}, None, None, path.parent)
    record = start.record()
    record.directory.release()
    return shown, record.steps, len(record.rows), record.means.sums, record.means.count


def old_run(name: str) -> Kind:
    def make(path: Path) -> None:
        shutil.copytree(OLD / "run", path.parent, dirs_exist_ok=True)

    def load(path: Path) -> object:
        run = open_run(path.parent)
        return repr(run), run.name, run.steps, run.history, str(run.generator())

    return Kind(name, make, load, other_config if name.endswith("json") else other_table)


def copied(name: str) -> Callable[[Path], object]:
    return lambda path: shutil.copy(OLD / name, path)


def write_table(path: Path) -> None:
    rows = ["label," + ",".join(f"pixel{i}" for i in range(16))]
    rows += [f"{label}," + ",".join(map(str, image.ravel())) for label, image in zip(CLASSES, DIGITS, strict=True)]
    text = ("\n".join(rows) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def write_keras(path: Path) -> None:
    np.savez(path, x_train=DIGITS, y_train=CLASSES, x_test=DIGITS[:2], y_test=CLASSES[:2])


KINDS = [
    picture("colour.png"), picture("grey16.png", "I;16"), picture("palette.png", "P"), picture("alpha.png", "RGBA"),
    picture("photo.jpg"), picture("fine.jpg", quality=95, progressive=True),
    picture("lossy.webp"), picture("lossless.webp", lossless=True), picture("alpha.webp", "RGBA"),
    picture("plain.bmp"), picture("palette.bmp", "P"), picture("still.gif", "P"),
    picture("plain.tiff"), picture("packed.tif", compression="tiff_lzw"), picture("deep.tiff", "I;16"),
    picture("plain.ppm"), picture("grey.pgm", "L"), *([picture("photo.avif")] if features.check("avif") else []),
    Kind("grid.png", lambda path: save_png(path, DIGITS[0][..., None]), load_png, memory=PICTURE_MEMORY),
    Kind("cache.npy", cached, cached, has_checksum=True),
    arrays("bytes.npy", lambda path: np.save(path, DIGITS), damage=promising),
    arrays("floats.npy", lambda path: np.save(path, SAMPLES)),
    arrays("stored.npz", lambda path: np.savez(path, images=DIGITS, labels=CLASSES), True, other_members),
    arrays("packed.npz", lambda path: np.savez_compressed(path, images=DIGITS, labels=CLASSES), True, other_members),
    arrays("keras.npz", write_keras, True, other_members),
    arrays("digits.csv", write_table, False, other_table), arrays("digits.csv.gz", write_table, True),
    idx_file("", bytes, False), idx_file(".gz", gzip.compress, True), idx_file(".xz", lzma.compress, True),
    Kind("generator.npz", lambda path: save_model(path, generator()), numbers_of, other_members, True),
    *(Kind(name, copied(name), numbers_of, other_members, True) for name in ("mlp.npz", "spectral.npz", "uniform.npz")),
    Kind("checkpoint.npz", write_checkpoint, checkpoint_numbers, other_members, True),
    Kind("old_checkpoint.npz", copied("run/checkpoint.npz"), old_checkpoint, other_members, True),
    Kind("config.json", make_run, run_folder, other_config), Kind("history.csv", make_run, run_folder, other_table),
    Kind("run/checkpoint.npz", make_run, run_folder, other_members),
    old_run("old/config.json"), old_run("old/history.csv"),
]  # fmt: skip


# One try. -------------------------------------------------------------------------------------------------------------


def equal(a: object, b: object) -> bool:
    """Of nested tuples and dictionaries."""
    if isinstance(a, tuple | list):
        return isinstance(b, tuple | list) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.shape, a.dtype) == (b.shape, b.dtype) and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


class Slow(BaseException):
    """It took too long."""


def _too_slow(*_: object) -> None:
    raise Slow


def _memory(name: str) -> int:
    """VmRSS, VmHWM (the most it was) or VmSize of this process, in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(found[1]) * 1024 if found else 0


@contextlib.contextmanager
def without_libtiff() -> Iterator[None]:
    """libtiff writes what it finds to the standard error itself, past Python, beside what it returns."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept), os.close(nowhere)


class Damage:
    """Damages files of one kind, one after the other, and loads them."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        self.kind, self.path = kind, folder / "files" / Path(kind.name).name
        self.path.parent.mkdir(parents=True)
        with contextlib.redirect_stderr(io.StringIO()):
            kind.make(self.path)
        self.right, self.expected = self.path.read_bytes(), self._loaded()[0]
        self._forget_peak()
        self.least = _memory("VmHWM")

    def _forget_peak(self) -> None:
        """VmHWM starts again from what is used now, where the system lets it."""
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")

    def _loaded(self) -> tuple[object, str]:
        said = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("error")
            quiet = without_libtiff() if self.path.suffix in (".tif", ".tiff") else contextlib.nullcontext()
            with quiet:
                return self.kind.load(self.path), said.getvalue()

    def once(self, draw: random.Random) -> tuple[str, str]:
        """(what came of it, more words): "as it was", "something else", "refused"; or a fault."""
        inside = self.kind.damage is not None and draw.random() < 0.6
        how = self.kind.damage if inside else draw.choice(BYTES)
        self.path.write_bytes(how(draw, self.right))
        before = time.monotonic()
        signal.signal(signal.SIGALRM, _too_slow)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            found, said = self._loaded()
        except MiniganError as error:
            outcome = self._refused(str(error))
        except Slow:
            outcome = "hung", f"{time.monotonic() - before:.0f} s"
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            outcome = "traceback", f"{type(error).__name__}: {str(error)[:200]} ({last.filename}:{last.lineno})"
        else:
            outcome = self._accepted(found, said, inside)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        used = _memory("VmHWM") - self.least
        if used > self.kind.memory:
            self._forget_peak()
            outcome = "memory", f"{used / 2**20:.0f} MB; {outcome}"
        return (outcome[0], f"{how.__name__}: {outcome[1]}")

    def _refused(self, message: str) -> tuple[str, str]:
        if self.path.name not in message and str(self.path.parent) not in message:
            return "no name", message[:300]
        if re.search("memory|allow_pickle", message):
            return "misleading", message[:300]
        return "refused", message

    def _accepted(self, found: object, said: str, inside: bool) -> tuple[str, str]:
        if equal(found, self.expected):
            return "as it was", ""
        if self.kind.has_checksum and not inside and "labels are left out" not in said:
            return "not as it was", said[:200]
        has_labels = isinstance(self.expected, tuple) and isinstance(self.expected[-1], np.ndarray)
        if (
            not has_labels
            or found[-1] is not None
            or "labels" in said
            or (inside and b"labels" not in self.path.read_bytes())
        ):
            return "something else", ""
        return "left out", said[:200]


FINE = ("as it was", "something else", "refused")


def run(count: int, seed: int) -> tuple[dict[str, Counter], list[str]]:
    """Outcomes by kind of file, and the faults in words."""
    outcomes, faults = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for number, kind in enumerate(KINDS):
            damage = Damage(kind, Path(folder) / str(number))
            size = _memory("VmSize") + ADDRESSES
            resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))
            outcomes[kind.name] = Counter()
            for i in range(number, count, len(KINDS)):
                outcome, words = damage.once(random.Random(f"{seed}.{i}"))
                outcomes[kind.name][outcome] += 1
                if outcome not in FINE:
                    faults.append(f"{kind.name}, {seed}.{i}: {outcome}: {words}")
    return outcomes, faults


def main() -> int:
    """Print the counts and the faults; 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate", description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begun = time.monotonic()
    outcomes, faults = run(arguments.count, arguments.seed)
    total: Counter = Counter()
    for name, counts in outcomes.items():
        print(f"{name:24} " + "  ".join(f"{counts[outcome]:5} {outcome}" for outcome in FINE))
        total += counts
    print(f"{'together':24} " + "  ".join(f"{total[outcome]:5} {outcome}" for outcome in FINE))
    print(*faults, sep="\n")
    print(f"{len(faults)} faults of {total.total():,}, in {time.monotonic() - begun:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
