"""Files that promise what they do not hold, hold what nobody asked for, or never end; and numbers that are none.

Memory is counted where it is taken. `tests/mutate.py` damages thousands of files at random; these are made by hand.
"""

import gzip
import io
import json
import lzma
import os
import shutil
import socket
import subprocess
import sys
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from minigan import load_model, load_weights, open_run, save_model
from minigan.checkpoint import load_checkpoint, save_checkpoint, steps_of
from minigan.cli import main
from minigan.data import crop_faces, images, load, read_idx
from minigan.errors import DataError, DivergedError, FileError, MiniganError, SettingsError
from minigan.image_runs import DCGANSettings
from minigan.pictures import load_png
from minigan.run_directory import RunDirectory
from minigan.settings import stored_settings

from .conftest import ROOT
from .gans import real_images, small_gan
from .mutate import generator, idx_bytes

HUGE = 64 * 2**20  # bytes that are promised, or hidden, where a few are wanted
SMALL = 12 * 2**20  # bytes that may be taken for them; the dictionary of xz has 8


def peak_of(action):
    """What it raised or returned, and the most memory that it took."""
    tracemalloc.start()
    try:
        found = action()
    except MiniganError as error:
        found = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found, peak


def npy(shape, kind="<f4", elements=b"", version=1):
    """A .npy file with this header and these elements."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape!r}}}\n".encode()
    size = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + elements


def zeros(count):
    """A .npy file of so many zeros, which deflates to a thousandth."""
    return npy((count,), "|u1", bytes(count))


def archive(path, arrays, **texts):
    """An .npz file of these arrays, deflated; texts are the .npy files of further ones."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            if name not in texts:
                text = io.BytesIO()
                np.lib.format.write_array(text, np.asarray(array), allow_pickle=True)
                file.writestr(f"{name}.npy", text.getvalue())
        for name, text in texts.items():
            if text is not None:
                file.writestr(f"{name}.npy", text)


def arrays_of(path):
    with np.load(path) as file:
        return dict(file)


@pytest.fixture
def model(tmp_path):
    save_model(tmp_path / "model.npz", generator())
    return tmp_path / "model.npz"


@pytest.fixture
def checkpoint(tmp_path):
    gan = small_gan(ema=0.9)
    gan.step(real_images(gan))
    extra = {"sums": np.zeros(4), "count": np.array(1), "seconds": np.array(0.5)}
    save_checkpoint(tmp_path / "checkpoint.npz", gan, extra)
    return tmp_path / "checkpoint.npz"


# Promises -------------------------------------------------------------------------------------------------------------


def wide_model(path, d_out):
    save_model(path, generator())
    arrays = arrays_of(path)
    described = json.loads(str(arrays["architecture"]))
    described["layers"][0]["d_out"] = d_out
    archive(path, arrays | {"architecture": np.array(json.dumps(described))})


def with_texts(**texts):
    def make(path):
        save_model(path, generator())
        archive(path, arrays_of(path), **texts)

    return make


def idx_of(array, count, compress, more=0):
    """An IDX file whose header promises `count` images in place of those that are there, and which goes on."""
    content = bytearray(idx_bytes(array))
    content[4:8] = count.to_bytes(4)
    return lambda path: path.write_bytes(compress(bytes(content) + bytes(more)))


def fast_gzip(content):
    return gzip.compress(content, 1)


PIXELS = np.arange(7_840, dtype=np.uint8).reshape(10, 28, 28)
VP8L = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0\0\0\0\0\0"

PROMISES = {  # how the file is made, its name, and the words of the refusal
    "a wide layer": (lambda p: wide_model(p, 10**8), "m.npz", "G has 1700000017 numbers where the file has"),
    "a layer that no machine holds": (lambda p: wide_model(p, 10**30), "m.npz", "numbers where the file has"),
    "parameters": (with_texts(params=npy((10**9,))), "m.npz", "G has 119 numbers where the file has 1000000000"),
    "parameters, of the right number": (with_texts(params=npy((119,), "<f4", bytes(8))), "m.npz", "damaged"),
    "a text": (with_texts(architecture=npy((), "<U100000000")), "m.npz", "wanted a text"),
    "its own header": (with_texts(params=b"\x93NUMPY\2\0\xff\xff\xff\x7f" + zeros(HUGE)), "m.npz", "for itself"),
    "an array": (lambda p: p.write_bytes(npy((10**6, 28, 28), "|u1", bytes(99))), "a.npy", "99 are there at most"),
    "an array of all memory": (lambda p: p.write_bytes(npy((2**40, 2**20), "|u1")), "a.npy", "0 are there at most"),
    "an array in an archive": (lambda p: archive(p, {}, images=npy((10**6, 8, 8), "|u1", b"x")), "a.npz", "promises"),
    "IDX": (idx_of(PIXELS, 10**6, bytes), "images", "7840 follow"),
    "IDX, gzip": (idx_of(PIXELS, 2**31, fast_gzip), "images.gz", "follow"),
    "IDX, xz": (idx_of(PIXELS, 2**31, lzma.compress), "images.xz", "follow"),
    "IDX, gzip, little promised": (idx_of(PIXELS, 10, fast_gzip, HUGE), "images.gz", "= 7840 bytes, and more follow"),
    "IDX, xz, little promised": (idx_of(PIXELS, 10, lambda c: lzma.compress(c, preset=0), HUGE), "images.xz", "more"),
    "WebP": (lambda p: (p.mkdir(), (p / "x.webp").write_bytes(VP8L)), "folder", "16,384 x 16,384 pixels in 34 bytes"),
}  # fmt: skip


def loaded(path):
    if path.name == "m.npz":
        return load_model(path)
    return images(path, 8) if path.is_dir() else load(path)


@pytest.mark.parametrize("case", PROMISES)
def test_what_a_file_promises_is_compared_before_memory_is_taken(tmp_path, case):
    make, name, words = PROMISES[case]
    make(tmp_path / name)
    error, peak = peak_of(lambda: loaded(tmp_path / name))
    assert isinstance(error, MiniganError) and words in str(error) and name in str(error), error
    assert "memory" not in str(error)
    assert peak < SMALL


def patched(kind, places, **options):
    """A picture of 16 x 12 pixels whose file says that they are 13,000 x 12,000."""

    def make(path):
        file = io.BytesIO()
        Image.new("RGB", (16, 12), "red").save(file, kind, **options)
        content = bytearray(file.getvalue())
        for marker, skip, size, order, sides in places:
            at = content.index(marker) + skip
            for i, side in enumerate(sides):
                content[at + i * size : at + (i + 1) * size] = side.to_bytes(size, order)
        if kind == "PNG":
            content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
        path.write_bytes(content)

    return make


LARGE = {  # where each format has its sides, and in which order of bytes
    "x.png": patched("PNG", [(b"IHDR", 4, 4, "big", (13_000, 12_000))]),
    "x.jpg": patched("JPEG", [(b"\xff\xc0", 5, 2, "big", (12_000, 13_000))]),
    "x.gif": patched("GIF", [(b"GIF8", 6, 2, "little", (13_000, 12_000)), (b"\x2c", 5, 2, "little", (13_000, 12_000))]),
    "x.bmp": patched("BMP", [(b"BM", 18, 4, "little", (13_000, 12_000))]),
    "lossy.webp": patched("WEBP", [(b"\x9d\x01\x2a", 3, 2, "little", (13_000, 12_000))]),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_picture_of_few_bytes_has_few_pixels(tmp_path, name):
    LARGE[name](tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}: .*it promises 13,000 x 12,000 pixels in \d+ bytes"):
        images(tmp_path, 8)


def test_what_nobody_asks_for_is_not_read(tmp_path, model):
    expected = load_model(model).params
    archive(model, arrays_of(model), other=zeros(HUGE))
    found, peak = peak_of(lambda: load_model(model))
    assert np.array_equal(found.params, expected) and peak < SMALL
    archive(tmp_path / "data.npz", {"images": PIXELS}, other=zeros(HUGE))
    found, peak = peak_of(lambda: load(tmp_path / "data.npz"))
    assert len(found) == 10 and peak < SMALL


def test_an_array_of_the_trainers_is_not_larger_than_the_file(checkpoint):
    archive(checkpoint, arrays_of(checkpoint), **{"extra.x": zeros(HUGE)})
    error, peak = peak_of(lambda: load_checkpoint(checkpoint, small_gan(ema=0.9)))
    assert isinstance(error, FileError) and "extra.x" in str(error) and peak < SMALL
    assert peak_of(lambda: steps_of(checkpoint))[1] < SMALL


@pytest.mark.parametrize("compress", [bytes, fast_gzip])
def test_a_right_file_takes_its_own_size(tmp_path, compress):
    (tmp_path / "images").write_bytes(compress(idx_bytes(np.zeros((2**14, 32, 32), np.uint8))))
    found, peak = peak_of(lambda: read_idx(tmp_path / "images"))
    assert found.shape == (2**14, 32, 32) and peak < 1.2 * found.nbytes
    np.save(tmp_path / "a.npy", found)
    found, peak = peak_of(lambda: load(tmp_path / "a.npy"))
    assert peak < 1.2 * found.images.nbytes


# What is no file ------------------------------------------------------------------------------------------------------


def make_socket(path):
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


ENDLESS = {"pipe": os.mkfifo, "a socket": make_socket, "a device": lambda path: path.symlink_to("/dev/zero")}
OPENERS = {
    "x.png": lambda path: images(path.parent, 8),
    "a.npy": load,
    "a-images-idx3": load,
    "labels": read_idx,
    "boxes.csv": lambda path: crop_faces(ROOT / "tests" / "files_v1", path.with_name("faces"), boxes=path),
    "model.npz": load_model,
    "weights.npz": lambda path: load_weights(small_gan(), path),
    "state.npz": steps_of,
    "grid.png": load_png,
    "config.json": lambda path: open_run(path.parent),
    "history.csv": lambda path: (
        (path.parent / "config.json").write_text("{}", encoding="utf-8"),
        open_run(path.parent).history,
    ),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("name", OPENERS)
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, name, kind):
    ENDLESS[kind](tmp_path / name)
    with pytest.raises((FileError, DataError)) as caught:
        OPENERS[name](tmp_path / name)
    assert name in str(caught.value) and kind in str(caught.value)


def test_a_lock_that_is_a_link_empties_nothing(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    (tmp_path / ".lock").symlink_to(tmp_path / "thesis.txt")
    directory = RunDirectory(tmp_path)
    directory.acquire()
    directory.release()
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "mine"
    (tmp_path / ".lock").unlink()
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(FileError, match=r"\.lock is no file: delete it"):
        directory.acquire()


# Numbers --------------------------------------------------------------------------------------------------------------

NO_NUMBERS = {  # in place of an array's numbers, and the words of the refusal
    "NaN": (lambda a: np.where(np.arange(a.size) == 7, np.nan, a), "has the entry nan"),
    "infinity": (lambda a: np.full(a.shape, np.inf, a.dtype), "has the entry inf, the first of"),
    "too large": (lambda a: np.full(a.shape, 1e300), "has the entry 1e+300, the first of"),
    "complex": (lambda a: a + 1j, "complex"),
    "text": (lambda a: a.astype(str), "<U"),
    "bytes": (lambda a: a.astype("S8"), "|S8"),
    "dates": (lambda a: np.full(a.shape, "2020-01-01", "M8[D]"), "datetime64"),
    "booleans": (lambda a: a > 0, "bool"),
    "records": (lambda a: np.zeros(a.shape, [("a", "i4")]), "wanted numbers"),
    "objects": (lambda a: a.astype(object), "pickled objects, which minigan never loads"),
}


@pytest.mark.parametrize("place", ["params", "state"])
@pytest.mark.parametrize("case", NO_NUMBERS)
def test_a_models_numbers_are_numbers(tmp_path, model, capsys, case, place):
    change, words = NO_NUMBERS[case]
    arrays = arrays_of(model)
    archive(model, arrays | {place: change(arrays[place])})
    with pytest.raises(FileError) as caught:
        load_model(model)
    assert "model.npz" in str(caught.value) and words in str(caught.value)
    assert place in str(caught.value) or case == "objects"
    assert main(["sample", str(model), "--out", str(tmp_path / "grid.png")]) == 2
    assert capsys.readouterr().err.startswith("error: ") and not (tmp_path / "grid.png").exists()


def test_the_array_of_a_layer_is_named(model):
    arrays = arrays_of(model)
    arrays["params"][3] = np.nan
    archive(model, arrays)
    with pytest.raises(FileError, match=r"model.npz is damaged: G's 0.Dense.W \(in params\) has the entry nan: wanted"):
        load_model(model)


def test_a_model_with_numbers_that_are_none_is_not_written(tmp_path):
    net = generator()
    net.params[3] = np.nan
    with pytest.raises(DivergedError, match="0.Dense.W is not finite"):
        save_model(tmp_path / "model.npz", net)
    assert not (tmp_path / "model.npz").exists()


VECTORS = ["G.params", "D.params", "G.state", "average", "G.optimizer.m", "D.optimizer.v"]


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("case", [case for case in NO_NUMBERS if case != "too large"])  # in float64 it is not
def test_a_checkpoints_numbers_are_numbers(checkpoint, name, case):
    change, words = NO_NUMBERS[case]
    arrays = arrays_of(checkpoint)
    archive(checkpoint, arrays | {name: change(arrays[name])})
    gan = small_gan(ema=0.9)
    before = gan.G.params.copy()
    with pytest.raises(FileError) as caught:
        load_checkpoint(checkpoint, gan)
    assert "checkpoint.npz" in str(caught.value) and words in str(caught.value)
    assert np.array_equal(gan.G.params, before) and gan.steps == 0
    if name in ("G.params", "D.params", "G.state", "average"):
        with pytest.raises(FileError, match=r"checkpoint\.npz"):
            load_weights(gan, checkpoint)


COUNTERS = ["steps", "G.forwards", "D.optimizer.steps"]
NO_COUNTS = {"negative": -1, "a fraction": 0.5, "infinite": np.inf, "NaN": np.nan, "too large": 2.0**70, "true": True,
             "text": "3", "complex": 3j, "several": [1, 2], "none": []}  # fmt: skip


@pytest.mark.parametrize("name", COUNTERS)
@pytest.mark.parametrize("case", NO_COUNTS)
def test_a_counter_is_a_whole_number_from_0_on(checkpoint, name, case):
    archive(checkpoint, arrays_of(checkpoint) | {name: np.array(NO_COUNTS[case])})
    with pytest.raises(FileError, match=rf"checkpoint.npz is damaged: {name}"):
        load_checkpoint(checkpoint, small_gan(ema=0.9))


NEGATIVE = {"G.optimizer.v": "wanted squares", "G.state": "2.BatchNorm.var .* wanted squares",
            "D.optimizer.learning_rate": "at least 0"}  # fmt: skip


@pytest.mark.parametrize("name", NEGATIVE)
def test_what_is_a_square_or_a_rate_is_not_negative(checkpoint, name):
    arrays = arrays_of(checkpoint)
    archive(checkpoint, arrays | {name: -abs(arrays[name]) - 1})
    with pytest.raises(FileError, match=NEGATIVE[name]):
        load_checkpoint(checkpoint, small_gan(ema=0.9))


EXTRAS = {"count": [-1, np.inf, 0.5, [1, 2]], "seconds": [-1.0, np.nan, "x"], "sums": [[np.nan] * 4, [1.0, 2.0], 0.0]}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in EXTRAS.items() for value in [*values, None]])
def test_what_the_trainer_keeps_in_a_checkpoint_is_asked_too(tmp_path, no_pictures, name, value):
    from minigan import train

    samples = np.tanh(np.random.default_rng(3).normal(size=(40, 5, 3, 1)))
    train(small_gan(), samples, steps=3, batch_size=6, log_every=2, out=tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.npz"
    arrays = arrays_of(path)
    del arrays[f"extra.{name}"]
    archive(path, arrays | ({} if value is None else {f"extra.{name}": np.array(value)}))
    with pytest.raises(FileError, match="checkpoint.npz is damaged"):
        train(small_gan(), samples, steps=5, resume=tmp_path / "run")


# Texts ----------------------------------------------------------------------------------------------------------------

DEEP = "[" * 100_000


@pytest.mark.parametrize("text", [DEEP, '{"layers": ' + DEEP, "", "{}", "null", "[]", "1" * 5_000, "\0"])
def test_a_damaged_description_is_damaged(model, checkpoint, text):
    archive(model, arrays_of(model) | {"architecture": np.array(text)})
    archive(checkpoint, arrays_of(checkpoint) | {"made_by": np.array(text)})
    for read, path in (
        (load_model, model),
        (lambda path: load_checkpoint(path, small_gan(ema=0.9)), checkpoint),
        (lambda path: load_weights(small_gan(), path), checkpoint),
        (lambda path: load_model(path, network="D"), checkpoint),
    ):
        with pytest.raises(FileError) as caught:
            read(path)
        assert str(path) in str(caught.value) and "memory" not in str(caught.value)


def test_a_configuration_is_not_as_large_as_a_disk(tmp_path):
    with open(tmp_path / "config.json", "wb") as file:
        file.truncate(2**40)  # a file of zeros that takes no room
    with pytest.raises(FileError, match="config.json is damaged: it has more than 16,777,216 bytes"):
        open_run(tmp_path)


SETTINGS = {
    "a rate of 400 digits": ("lr", 10**400),
    "a rate below 0": ("lr", -1.0),
    "an infinite rate": ("lr", float("inf")),
    "a text": ("steps", "many"),
    "a width that is none": ("width", 0),
    "another word": ("sampling", "none"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_setting_that_cannot_be_is_the_files_fault(tmp_path, case):
    settings = {name: field.default for name, field in DCGANSettings.__dataclass_fields__.items()}
    name, value = SETTINGS[case]
    (tmp_path / "config.json").write_text(json.dumps({"settings": settings | {name: value}}), encoding="utf-8")
    with pytest.raises(FileError, match=r"config.json is damaged: .*"):
        stored_settings(tmp_path, DCGANSettings)


CELLS = ["nan", "inf", "-1", "", "x", "1.5", "1" * 400, "1" * 5_000, "1_0", "x" * 200_000]


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell[:5])
@pytest.mark.parametrize("column", ["step", "g_loss"])
def test_a_damaged_history_names_its_file(tmp_path, cell, column):
    shutil.copytree(ROOT / "tests" / "files_v1" / "run", tmp_path / "run")
    path = tmp_path / "run" / "history.csv"
    header, first, *rest = path.read_text(encoding="utf-8").splitlines()
    cells = first.split(",")
    cells[header.split(",").index(column)] = cell
    path.write_text("\n".join([header, ",".join(cells), *rest, ""]), encoding="utf-8")
    run = open_run(tmp_path / "run")
    if column == "g_loss" and cell in ("nan", "inf", "-1", "", "1.5"):
        assert len(run.history[column]) == 1 + len(rest)
        return
    with pytest.raises(FileError, match=r"history\.csv is damaged: "):
        _ = run.history


# D, and a network of a checkpoint -------------------------------------------------------------------------------------


def test_d_has_a_model_file_and_goes_into_another_gan(tmp_path):
    gan, other = small_gan(seed=3), small_gan(seed=4)
    save_model(tmp_path / "d.npz", gan.D)
    before = other.G.params.copy()
    assert load_weights(other, tmp_path / "d.npz") == ("D",)
    assert np.array_equal(other.D.params, gan.D.params) and np.array_equal(other.G.params, before)
    assert np.array_equal(load_model(tmp_path / "d.npz").params, gan.D.params)


@pytest.mark.parametrize("name", ["G", "D"])
def test_a_network_of_a_checkpoint_can_be_had_alone(checkpoint, name):
    gan = small_gan(ema=0.9)
    load_checkpoint(checkpoint, gan)
    net, wanted = load_model(checkpoint, network=name), getattr(gan, name)
    assert np.array_equal(net.params, wanted.params) and np.array_equal(net.state, wanted.state)
    with pytest.raises(SettingsError, match="network is 'E'"):
        load_model(checkpoint, network="E")


# At random ------------------------------------------------------------------------------------------------------------


def mutated(count):
    command = [sys.executable, "-m", "tests.mutate", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"MINIGAN_THREADS": "1"})
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-5_000:]


COUNTS_MEMORY = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")


@COUNTS_MEMORY
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damage_at_random_loads_right_or_is_refused_by_name(count):
    mutated(count)


@COUNTS_MEMORY
def test_a_fault_is_found(monkeypatch, tmp_path):
    """The harness itself: a loader that fails in each of the ways is not passed over."""
    import random

    from . import mutate

    def failing(how):
        def load(path):
            if path.read_bytes() == b"right" * 20:
                return 1, np.zeros(3)
            return how(path)

        return load

    def refuse(words):
        def how(path):
            raise FileError(words.format(path=path))

        return how

    faults = {
        "traceback": lambda path: 1 / 0,
        "no name": refuse("damaged"),
        "misleading": refuse("{path}: out of memory"),
        "not as it was": lambda path: (2, np.zeros(3)),
        "memory": lambda path: (np.ones(10**7).sum(), refuse("{path}")(path)),
        "hung": lambda path: __import__("time").sleep(9),
    }
    monkeypatch.setattr(mutate, "SECONDS", 0.3)
    for i, (outcome, how) in enumerate(faults.items()):
        kind = mutate.Kind("x", lambda path: path.write_bytes(b"right" * 20), failing(how), has_checksum=True)
        assert mutate.Damage(kind, tmp_path / str(i)).once(random.Random(1))[0] == outcome
