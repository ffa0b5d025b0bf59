"""Data of any shape: the protocol and its refusals, arrays and memory maps, labels that go with their samples, toys."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigan as mg
from minigan.data import (
    ArrayData,
    ImageSet,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    as_data,
    check_batch,
    check_batch_labels,
    class_count,
    data_identity,
    data_name,
    grid,
    has_labels,
    images,
    load,
    require_data,
    ring,
    samples,
    spiral,
)
from minigan.data.sources import MNIST_FILES
from minigan.errors import DataError, MiniganError, SettingsError
from minigan.generator import draw_noise

from .test_data import COMPRESSIONS, idx, npz, written

FLOATS = np.random.default_rng(1).normal(0, 5, (20, 3, 4)).astype(np.float32)
POINTS = FLOATS[:, 0, :2]


def mapped(path, array):
    """The array as a memory map that cannot be written to."""
    np.save(path, array)
    return np.load(path, mmap_mode="r")


class Stream:
    """The least that follows the protocol: points without end, none of them stored."""

    shape, fingerprint = (2,), "a stream"

    def __len__(self):
        return 1_000

    def batch(self, n, seed, step, backend, dtype):
        return backend.random.normal((n, 2), seed, "stream", step, dtype)


class Labelled(Stream):
    labels = np.arange(1_000) % 7

    def batch_labels(self, n, seed, step):
        return self.labels[:n]


def changed(base=Stream, **attributes):
    return type("Changed", (base,), attributes)()


def lacking(name):
    """A stream without one of its parts."""
    body = {key: value for key, value in vars(Stream).items() if key != name and (key == "__len__" or key[0] != "_")}
    return type("Lacking", (), body)()


# The protocol --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [Stream(), Labelled(), ArrayData(POINTS), ImageSet(np.zeros((3, 2, 2), np.uint8), "images"), ring(3), spiral(n=9)],
    ids=lambda data: type(data).__name__,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_follows_the_protocol_is_taken_and_its_batches_pass(backend, data, dtype):
    assert require_data(data) is data and as_data(data) is data
    x = data.batch(2, 3, 4, backend, dtype)
    assert check_batch(x, 2, data.shape, dtype, backend, data_name(data)) is x
    identity = data_identity(data)
    assert json.loads(json.dumps(identity)) == identity
    assert identity["length"] == len(data) and identity["shape"] == list(data.shape)
    if has_labels(data):
        labels = check_batch_labels(data.batch_labels(2, 3, 4), 2, class_count(data), data_name(data))
        assert labels.dtype == np.int64
    else:
        assert class_count(data) == 0


def test_what_is_optional_has_a_default():
    assert data_name(Stream()) == "Stream" and data_name(changed(name="mine")) == "mine"
    assert class_count(Labelled()) == 7 and class_count(changed(Labelled, classes=9)) == 9
    assert data_identity(Stream())["config"] == {} and not has_labels(Stream())


def test_the_fingerprint_is_not_asked_for_before_it_is_needed():
    def costly(self):
        raise AssertionError("the whole file was read")

    require_data(changed(fingerprint=property(costly)))


NO_DATA = {
    "no length": (lacking("__len__"), ["class Lacking", "lacks len(data), the number of samples"]),
    "no shape": (lacking("shape"), ["lacks data.shape, the shape of one sample"]),
    "no fingerprint": (lacking("fingerprint"), ["lacks data.fingerprint"]),
    "no batch": (lacking("batch"), ["lacks data.batch(n, seed, step, backend, dtype)"]),
    "nothing": (object(), ["class object", "len(data)", "data.shape", "data.fingerprint", "data.batch("]),
    "None": (None, ["class NoneType", "lacks"]),
    "a list": ([1, 2], ["class list", "data.shape", "docs/data.md has an adapter"]),
    "a path": ("photos", ["class str", "data.load(path)", "data.images(folder, size)"]),
    "another path": (Path("photos"), ["data.load(path)"]),
    "shape is a method": (changed(shape=lambda self: (2,)), ["whose shape is a method", "@property"]),
    "fingerprint is a method": (changed(fingerprint=lambda self: ""), ["fingerprint is a method", "@property"]),
    "shape is a number": (changed(shape=2), ["whose shape is 2", "such as (28, 28, 1)"]),
    "shape is a list": (changed(shape=[2]), ["whose shape is [2]"]),
    "no axis": (changed(shape=()), ["whose shape is ()"]),
    "an axis of none": (changed(shape=(2, 0)), ["whose shape is (2, 0)"]),
    "batch is no method": (changed(batch=POINTS), ["whose batch is", "wanted data.batch(n,"]),
    "no samples": (changed(__len__=lambda self: 0), ["Changed is empty", "len(data) is 0"]),
    "no batch_labels": (changed(labels=np.zeros(1_000, int)), ["has labels and lacks data.batch_labels("]),
    "labels too few": (changed(Labelled, labels=np.arange(9)), ["Changed: labels= has shape (9,)", "(1000,)"]),
    "labels that are floats": (changed(Labelled, labels=np.zeros(1_000)), ["float64", "whole numbers"]),
    "a tuple of three": ((POINTS, POINTS, 3), ["tuple of 3: ndarray, ndarray, int", "(array, labels)"]),
    "a tuple of lists": (([1], [2]), ["tuple of 2: list, list", "(array, labels)"]),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_DATA)
def test_what_does_not_follow_the_protocol_is_told_what_it_lacks(case):
    data, words = NO_DATA[case]
    with pytest.raises(MiniganError) as caught:
        as_data(data)
    for word in words:
        assert word in str(caught.value)
    named = [
        part for part in ("len(data)", "data.shape,", "data.fingerprint", "data.batch(") if part in str(caught.value)
    ]
    if case.startswith("no ") and case.split()[1] in ("length", "shape", "fingerprint", "batch"):
        assert len(named) == 1  # what it has is not said to be missing


BATCH = np.zeros((4, 2), np.float32)
BAD_BATCHES = {
    "one too few": (BATCH[:3], ["shape (3, 2)", "wanted (4, 2) of float32"]),
    "another sample": (BATCH[:, :1], ["shape (4, 1)", "wanted (4, 2)"]),
    "an axis more": (BATCH[..., None], ["shape (4, 2, 1)"]),
    "another float": (BATCH.astype(np.float64), ["type float64", "of float32", "x.astype(dtype)"]),
    "bytes": (BATCH.astype(np.uint8), ["type uint8"]),
    "a list": (BATCH.tolist(), ["a builtins.list", "in a numpy array", "backend.asarray(x, dtype)"]),
    "labels as well": ((BATCH, [1]), ["a builtins.tuple"]),
    "None": (None, ["NoneType"]),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_a_batch_of_another_kind_is_refused(case):
    x, words = BAD_BATCHES[case]
    with pytest.raises(DataError) as caught:
        check_batch(x, 4, (2,), "float32", mg.get_backend("numpy"), "mine")
    assert str(caught.value).startswith("mine: data.batch returned")
    for word in words:
        assert word in str(caught.value)


def test_a_batch_of_another_library_is_refused():
    class Elsewhere:
        ndarray = type("ndarray", (), {})
        __name__ = "cupy"

    backend = type("Backend", (), {"xp": Elsewhere()})()
    with pytest.raises(DataError, match=r"returned a numpy.ndarray; wanted .* in a cupy array"):
        check_batch(BATCH, 4, (2,), "float32", backend, "mine")


# Labels --------------------------------------------------------------------------------------------------------------

BAD_LABELS = {
    "too few": ([0, 1, 2], ["shape (3,)", "each of the 4 samples, (4,)"]),
    "too many": ([0, 1, 2, 3, 4], ["shape (5,)"]),
    "one number": (3, ["shape ()"]),
    "a column": ([[0], [1], [2], [3]], ["shape (4, 1)"]),
    "one-hot": (np.eye(4, 3, dtype=int), ["shape (4, 3)", "labels.argmax(axis=1)"]),
    "floats": ([0.0, 1.0, 2.0, 1.0], ["float64", "labels.astype(int)"]),
    "names": (["cat", "dog", "cat", "cat"], ["<U3", "np.unique(labels, return_inverse=True)"]),
    "true and false": ([True, False, True, True], ["bool"]),
    "negative": ([0, 1, -1, 2], ["-1 for sample 2", "from 0 on"]),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_labels_that_are_not_one_whole_number_for_each_sample_are_refused(case):
    labels, words = BAD_LABELS[case]
    makers = [
        lambda: ArrayData(POINTS[:4], "mine", labels),
        lambda: ImageSet(np.zeros((4, 2, 2), np.uint8), "mine", labels),
        lambda: check_batch_labels(labels, 4, 3, "mine"),
    ]
    for make in makers:
        with pytest.raises(DataError) as caught:
            make()
        for word in ("mine", *words):
            assert word in str(caught.value)


def test_a_label_above_the_number_of_classes_is_refused():
    assert check_batch_labels([2, 0], 2, 3, "mine").tolist() == [2, 0]
    with pytest.raises(DataError, match="mine: data.batch_labels returned 3; wanted 0 to 2: 3 classes"):
        check_batch_labels([0, 3], 2, 3, "mine")


def test_names_of_classes():
    named = ArrayData(POINTS[:3], "mine", [0, 1, 0], class_names=["a", "b", "c"])
    assert named.classes == 3 and named.class_names == ("a", "b", "c")  # c has no sample
    assert ArrayData(POINTS[:3], "mine", [0, 1, 0]).classes == 2 and ArrayData(POINTS).classes == 0
    with pytest.raises(DataError, match="mine: labels= go up to 2; class_names= has 2"):
        ArrayData(POINTS[:3], "mine", [0, 2, 0], class_names=["a", "b"])
    with pytest.raises(DataError, match="mine: class_names= .* give labels= too"):
        ArrayData(POINTS[:3], "mine", class_names=["a"])


def told_images(n, **options):
    """Images of one grey each: pixel value 3 label + 1, and every label many times."""
    labels = np.random.default_rng(2).integers(0, 11, n)
    return ImageSet(
        (3 * labels + 1).astype(np.uint8)[:, None, None, None].repeat(4, 1).repeat(5, 2), "told", labels, **options
    )


def told_points(n, sampling="replacement"):
    labels = np.random.default_rng(2).integers(0, 11, n)
    return ArrayData((3.0 * labels + 1)[:, None], "told", labels, sampling=sampling)


TRANSFORMS = RandomHorizontalFlip(), RandomResizedCrop((0.5, 0.9)), RandomRotation()
TOLD = {
    "points": (told_points, {}),
    "images": (told_images, {}),
    "flipped": (told_images, {"transforms": (RandomHorizontalFlip(),)}),
    "all transforms": (told_images, {"transforms": TRANSFORMS}),
}  # fmt: skip


@pytest.mark.parametrize("sampling", ["replacement", "epochs"])
@pytest.mark.parametrize("case", TOLD)
def test_a_label_goes_with_its_sample(backend, case, sampling):
    make, options = TOLD[case]
    data = make(60, sampling=sampling, **options)
    seen = set()
    for seed, step in [(0, 0), (0, 1), (7, 1), (0, 9), (7, 4), (0, 1)]:
        x = backend.to_host(data.batch(13, seed, step, backend)).reshape(13, -1)[:, 7 if case != "points" else 0]
        level = np.rint((x + 1) * 127.5) if case != "points" else x
        labels = data.batch_labels(13, seed, step)
        assert labels.dtype == np.int64 and labels.shape == (13,)
        assert abs(level - (3 * labels + 1)).max() <= 1  # a rotation rounds down
        seen.add(labels.tobytes())
    assert len(seen) == 5


def test_labels_where_there_are_none():
    with pytest.raises(DataError, match="array has no labels: give labels="):
        ArrayData(POINTS).batch_labels(3)
    with pytest.raises(DataError, match="a batch of 0 samples from told"):
        told_points(20).batch_labels(0)


def test_one_sample_and_batches_of_all(backend):
    one = as_data((POINTS[:1], [4]))
    assert len(one) == 1 and one.classes == 5 and one.batch_labels(1, 5, 6).tolist() == [4]
    assert np.array_equal(backend.to_host(one.batch(1, 5, 6, backend)), POINTS[:1])
    everything = ArrayData(POINTS, sampling="epochs").batch(20)
    assert sorted(everything.tolist()) == sorted(POINTS.tolist()) and everything.tolist() != POINTS.tolist()


def test_two_seeds_in_turns_do_not_shuffle_at_every_step(monkeypatch):
    shuffles, argsort, data = [], np.argsort, told_points(20, "epochs")
    monkeypatch.setattr(np, "argsort", lambda *given, **options: shuffles.append(1) or argsort(*given, **options))
    for step in range(8):  # two epochs of four steps
        for seed in (1, 2):
            data.batch(5, seed, step)
            data.batch_labels(5, seed, step)
    assert len(shuffles) == 4
    for epoch in range(2, 30):
        data.batch(5, 1, 4 * epoch)
    assert len(data._orders) == samples.ORDERS


# Labels in files -----------------------------------------------------------------------------------------------------

PICTURES, CLASSES = 10 * np.arange(24, dtype=np.uint8).reshape(4, 3, 2), np.array([3, 0, 2, 2], np.uint8)


@pytest.mark.parametrize("images_as", COMPRESSIONS)
@pytest.mark.parametrize("labels_as", COMPRESSIONS)
@pytest.mark.parametrize("name", ["train-{}-idx{}-ubyte", "emnist-train-{}.idx{}-ubyte"])
def test_idx_labels_beside_the_images_are_read(tmp_path, images_as, labels_as, name):
    ending = {"plain": "", "gz": ".gz", "xz": ".xz"}
    file = written(tmp_path / (name.format("images", 3) + ending[images_as]), COMPRESSIONS[images_as](idx(PICTURES)))
    assert load(file).labels is None
    written(tmp_path / (name.format("labels", 1) + ending[labels_as]), COMPRESSIONS[labels_as](idx(CLASSES)))
    for path in (file, tmp_path):
        found = load(path)
        assert found.labels.tolist() == CLASSES.tolist() and found.classes == 4


def test_labels_of_the_bundled_mnist_come_along():
    assert np.array_equal(load().labels, mg.data.mnist().labels)
    assert np.array_equal(load(MNIST_FILES / "t10k-images-idx3-ubyte.xz").labels, mg.data.mnist("test").labels)


LEFT_OUT = {
    "too few.npz": (npz(images=PICTURES, labels=CLASSES[:3]), "shape (3,)"),
    "floats.npz": (npz(images=PICTURES, labels=CLASSES / 2), "float64"),
    "attributes.npz": (npz(images=PICTURES, labels=np.zeros((4, 40), int)), "shape (4, 40)"),
    "objects.npz": (npz(images=PICTURES, labels=np.array([{}] * 4)), "cannot be read"),
    "x-images-idx3": (idx(PICTURES), "truncated or damaged"),
    "y-images-idx3": (idx(PICTURES), "shape (5,)"),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_labels_that_do_not_fit_are_left_out_and_a_note_says_so(tmp_path, name, capsys):
    content, words = LEFT_OUT[name]
    written(tmp_path / "x-labels-idx1", idx(CLASSES)[:-1])
    written(tmp_path / "y-labels-idx1", idx(np.arange(5, dtype=np.uint8)))
    found = load(written(tmp_path / name, content))
    assert found.labels is None and np.array_equal(found.images[..., 0], PICTURES)
    said = capsys.readouterr().err
    assert said.startswith("note: labels are left out: ") and words in said and str(tmp_path) in said


def test_labels_in_an_archive(tmp_path, capsys):
    found = load(written(tmp_path / "both.npz", npz(labels=CLASSES, images=PICTURES)))
    assert found.labels.tolist() == CLASSES.tolist() and capsys.readouterr().err == ""
    assert load(written(tmp_path / "only.npz", npz(labels=PICTURES))).labels is None  # one array: the images


def saved(folder, *names):
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), 10 * i).save(folder / name)


def test_a_folder_for_each_class(tmp_path):
    saved(tmp_path / "pets", "dog10/a.png", "dog2/x/1.png", "Cat/b.png", "dog2/c.png", "dog10/0.png")
    for _ in range(2):  # read, then from the cache
        found = images(tmp_path / "pets", (2, 2), cache=tmp_path / "kept")
        assert found.class_names == ("Cat", "dog2", "dog10") and found.classes == 3  # numbers count as numbers
        level = dict(zip((found.images[:, 0, 0, 0] // 10).tolist(), found.labels.tolist(), strict=True))
        assert level == {0: 2, 1: 1, 2: 0, 3: 1, 4: 2}
    assert len(list((tmp_path / "kept").iterdir())) == 1
    again = found.with_batches(sampling="epochs", transforms=(RandomHorizontalFlip(),))
    assert again.class_names == found.class_names and np.array_equal(again.labels, found.labels)


@pytest.mark.parametrize("names", [("a/1.png", "a/b/2.png"), ("a/1.png", "b/2.png", "3.png"), ("1.png", "2.png")])
def test_folders_that_are_no_classes(tmp_path, names):
    saved(tmp_path, *names)
    found = images(tmp_path, (2, 2))
    assert found.labels is None and found.class_names == () and found.classes == 0


# Arrays and memory maps ----------------------------------------------------------------------------------------------

RGB = np.random.default_rng(5).integers(0, 256, (6, 4, 3, 3), dtype=np.uint8)
ARRAYS = {  # what comes, the class it becomes, the shape of a sample
    "points": (POINTS, ArrayData, (2,)),
    "float64": (POINTS.astype(np.float64), ArrayData, (2,)),
    "float16": (POINTS.astype(np.float16), ArrayData, (2,)),
    "big endian": (POINTS.astype(">f4"), ArrayData, (2,)),
    "series": (FLOATS, ArrayData, (3, 4)),
    "volumes": (FLOATS.reshape(4, 5, 3, 2, 2), ArrayData, (5, 3, 2, 2)),
    "many channels": (FLOATS.reshape(4, 3, 4, 5), ArrayData, (3, 4, 5)),
    "grey bytes": (RGB[..., 0], ImageSet, (4, 3, 1)),
    "bytes": (RGB, ImageSet, (4, 3, 3)),
    "float images": (RGB.astype(np.float32) / 127.5 - 1, ImageSet, (4, 3, 3)),
    "float64 images": (RGB / 127.5 - 1, ImageSet, (4, 3, 3)),
    "two channels": (RGB[..., :2], ImageSet, (4, 3, 2)),
    "four channels": (RGB.reshape(6, 3, 3, 4), ImageSet, (3, 3, 4)),
    "fortran order": (np.asfortranarray(FLOATS), ArrayData, (3, 4)),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_an_array_or_a_memory_map_is_data_as_it_is(tmp_path, backend, case):
    array, kind, shape = ARRAYS[case]
    file = mapped(tmp_path / "data.npy", array)
    assert not file.flags.writeable
    whole, lazy = as_data(array), as_data(file)
    labelled = as_data((file, list(range(len(array)))))
    for data in (whole, lazy, labelled):
        assert type(data) is kind and data.shape == shape and len(data) == len(array)
    assert whole.name == "array" and lazy.name == str(tmp_path / "data.npy")
    assert isinstance(lazy.array, np.memmap)  # and not a copy of it
    assert whole.fingerprint == lazy.fingerprint
    for dtype in ("float32", "float64"):
        x, y, z = (backend.to_host(data.batch(3, 5, 6, backend, dtype)) for data in (whole, lazy, labelled))
        assert x.dtype == y.dtype == dtype and type(y) is np.ndarray and x.shape == (3, *shape)
        assert np.allclose(x, y, rtol=1e-7, atol=0) and np.array_equal(y, z)
    chosen = labelled.batch_labels(3, 5, 6)
    expected = array[chosen].reshape(3, *shape)
    expected = expected / 127.5 - 1 if array.dtype == np.uint8 else expected
    assert np.allclose(x, expected, rtol=1e-6, atol=1e-7)


BAD_ARRAYS = {
    "one axis": (POINTS[:, 0], ["array has shape (20,)", "x[:, None]"]),
    "no axis": (np.array(3.0), ["shape ()"]),
    "no samples": (POINTS[:0], ["shape (0, 2)", "n >= 1"]),
    "no numbers": (POINTS[:, :0], ["shape (20, 0)"]),
    "no images": (RGB[:0], ["(0, 4, 3, 3)", "n >= 1"]),
    "whole numbers": (POINTS.astype(int), ["int64", "x.astype('float32')"]),
    "bytes of points": (POINTS.astype(np.uint8), ["uint8", "Bytes are taken for images"]),
    "five channels": (np.zeros((2, 3, 3, 5), np.uint8), ["(2, 3, 3, 5)", "which come last"]),
    "NaN": (np.where(np.arange(40).reshape(20, 2) == 7, np.nan, POINTS), ["1 numbers are NaN", "in sample 3"]),
    "infinite": (np.where(np.arange(40).reshape(20, 2) > 7, np.inf, POINTS), ["32 numbers", "in sample 4"]),
    "float images from 0 on": (abs(FLOATS.reshape(4, 5, 4, 3)) / 99, ["-1 (black) to 1 (white)"]),
    "objects": (np.array([[{}]]), ["object"]),
}


@pytest.mark.parametrize("piece", [8, samples.PIECE])
@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_that_cannot_be_used_is_refused(monkeypatch, case, piece):
    array, words = BAD_ARRAYS[case]
    monkeypatch.setattr(samples, "PIECE", piece)  # a sample at a time, or all at once
    with pytest.raises(DataError) as caught:
        as_data(array)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("case", ["points", "bytes", "float64 images", "fortran order"])
def test_the_fingerprint_does_not_depend_on_the_pieces(monkeypatch, case):
    array = ARRAYS[case][0]
    whole = as_data(array).fingerprint
    monkeypatch.setattr(samples, "PIECE", 100)
    assert as_data(array).fingerprint == whole
    other = array.copy()
    other[-1, ..., -1] *= -1 if other.dtype.kind == "f" else 3
    assert as_data(other).fingerprint != whole


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_a_memory_map_is_never_in_memory_as_a_whole(tmp_path, monkeypatch, dtype):
    file = np.lib.format.open_memmap(tmp_path / "large.npy", "w+", dtype, (4_000, 16, 16, 1))
    file[:], file[0] = 0, -1 if dtype == "float64" else 9
    del file
    monkeypatch.setattr(samples, "PIECE", 50_000)
    tracemalloc.start()
    try:
        data = as_data(np.load(tmp_path / "large.npy", mmap_mode="r"))
        assert len(data.fingerprint) == 8 and data.batch(8).shape == (8, 16, 16, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000 < data.array.nbytes / 3


CONFIGS = {
    "sampling": (told_images(9), told_images(9, sampling="epochs")),
    "transforms": (told_images(9), told_images(9, transforms=(RandomRotation(5),))),
    "a setting of one": tuple(told_images(9, transforms=[RandomRotation(degrees)]) for degrees in (5, 6)),
    "labels": (ArrayData(POINTS, labels=[0] * 20), ArrayData(POINTS, labels=[0] * 19 + [1])),
    "labels or none": (ArrayData(POINTS, labels=[0] * 20), ArrayData(POINTS)),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_a_config_tells_other_batches_of_the_same_samples(case):
    one, other = CONFIGS[case]
    assert one.fingerprint == other.fingerprint and one.config() != other.config()


def test_a_config_is_the_same_in_the_next_program():
    def made():
        return lambda images, draw: images

    one, other = (told_images(9, transforms=(made(),)).config() for _ in range(2))
    assert one == other and "0x" not in repr(one)


# Toys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "centres"),
    [
        (ring, [[1, 0], [0.5**0.5, 0.5**0.5], [0, 1]]),
        (grid, [[-1, -1], [-0.5, -1], [0, -1], [0.5, -1], [1, -1], [-1, -0.5]]),
    ],
)
def test_points_lie_around_the_centres_of_their_labels(make, centres):
    data = make(n=8_010, std=0.1, seed=3)
    modes = len(data.centres)
    assert modes == data.classes == {"ring": 8, "grid": 25}[make.__name__] and len(data) == 8_010
    assert np.allclose(data.centres[: len(centres)], centres) and abs(data.centres).max() == 1
    offsets = (data.array - data.centres[data.labels]) / 0.1
    assert abs(offsets.mean(axis=0)).max() < 5 / 8_010**0.5
    assert abs(np.cov(offsets.T) - np.eye(2)).max() < 5 * (2 / 8_010) ** 0.5
    assert np.ptp(np.bincount(data.labels)) <= 1
    nearest = np.linalg.norm(data.array[:, None] - data.centres, axis=2).argmin(axis=1)
    assert (nearest == data.labels).mean() > 0.95


def test_a_spiral_has_arms():
    data = spiral(3, 3_000, turns=0.5, std=0)
    t = np.hypot(*data.array.T)
    angle = (np.arctan2(data.array[:, 1], data.array[:, 0]) - np.pi * t) / (2 * np.pi)
    assert t.max() <= 1 and (t < 0.5).mean() == pytest.approx(0.25, abs=0.04)
    assert abs(np.exp(2j * np.pi * angle) - np.exp(2j * np.pi * data.labels / 3)).max() < 1e-3
    assert data.classes == 3


@pytest.mark.parametrize("make", [ring, grid, spiral])
def test_toys_are_functions_of_the_seed(make):
    assert make(seed=4).fingerprint == make(seed=4).fingerprint != make(seed=5).fingerprint
    assert make(seed=4).batch(3).shape == (3, 2) and make(sampling="epochs").config()["sampling"] == "epochs"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ring(0), "ring: modes is 0; wanted a whole number from 1 on"),
        (lambda: ring(2.5), "ring: modes is 2.5"),
        (lambda: grid(1), "grid: side is 1; wanted a whole number from 2 on"),
        (lambda: spiral(0), "spiral: arms is 0"),
        (lambda: ring(8, 7), "ring of 8: n is 7; wanted at least a point for each of the 8 modes"),
        (lambda: grid(n=24), "grid of 5 x 5: n is 24"),
        (lambda: spiral(2, 1), "spiral: n is 1"),
        (lambda: ring(std=-1), "std is -1; it must be at least 0"),
        (lambda: spiral(std=float("nan")), "std nan"),
        (lambda: ring(sampling="all"), "ring of 8: sampling is 'all'"),
    ],
)
def test_toys_that_make_no_sense_are_refused(make, words):
    with pytest.raises(SettingsError, match=words.replace("(", r"\(")):
        make()


def trained_on(data, steps, **options):
    """Points that toy2d makes of noise after so many steps of the usual game, and the modes that they reach."""
    G, D = mg.models.toy2d(**options)
    adams = {"g_optimizer": mg.Adam(G, 2e-4, 0.5), "d_optimizer": mg.Adam(D, 2e-4, 0.5)}
    gan = mg.GAN(G, D, objective=mg.NonSaturating(mg.BCEWithLogits()), **adams)
    for step in range(steps):
        gan.step(data.batch(32, 0, step))
    distances = np.linalg.norm(G.predict(draw_noise(G, 1_000, 1, "samples", 0))[:, None] - data.centres, axis=2)
    good = distances.min(axis=1) < 3 * data.std
    return len(set(distances.argmin(axis=1)[good])), good.mean()


def test_a_gan_of_the_ring_finds_its_modes():
    modes, good = trained_on(ring(8), 3_000)
    assert modes == 8 and good > 0.5
