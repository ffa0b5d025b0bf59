"""Training data: the bundled MNIST, what is accepted, what is refused and in which words, and batches."""

import gzip
import hashlib
import io
import lzma
import pickle
import re
import sys
import zipfile

import numpy as np
import pytest

from minigan.data import ImageSet, load, mnist, read_idx
from minigan.data.sources import MNIST_FILES
from minigan.data.transforms import RandomHorizontalFlip, RandomResizedCrop, RandomRotation
from minigan.errors import DataError, SettingsError

COMPRESSIONS = {"plain": bytes, "gz": gzip.compress, "xz": lzma.compress}


def idx(array, kind=8):
    """The array as an IDX file, written from the format's description."""
    return bytes([0, 0, kind, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def written(path, content):
    path.write_bytes(content)
    return path


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def refusal(path, *words):
    """Loading `path` is a DataError whose message has these words; returns the message."""
    with pytest.raises(DataError) as caught:
        load(path)
    message = str(caught.value)
    for word in words:
        assert word in message
    return message


# The bundled MNIST ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "stem", "n"), [("train", "train", 60_000), ("test", "t10k", 10_000)])
def test_the_bundled_mnist_is_the_published_one(split, stem, n):
    notice = (MNIST_FILES / "NOTICE.md").read_text(encoding="utf-8")
    published = dict(re.findall(r"^\| (\S+-ubyte) \| ([0-9a-f]{64}) \|$", notice, re.MULTILINE))
    assert len(published) == 4

    digits = mnist(split)
    assert digits.images.shape == (n, 28, 28, 1) and digits.images.dtype == np.uint8
    assert digits.labels.shape == (n,) and digits.labels.dtype == np.int64
    assert len(digits) == n and digits.shape == (28, 28, 1)
    assert (np.bincount(digits.labels, minlength=10) > n // 12).all() and digits.labels.max() == 9
    for kind, array in (("images-idx3", digits.images[..., 0]), ("labels-idx1", digits.labels.astype(np.uint8))):
        assert hashlib.sha256(idx(array)).hexdigest() == published[f"{stem}-{kind}-ubyte"]


def test_an_unknown_split_is_refused():
    with pytest.raises(DataError, match="'validation'.*train, test"):
        mnist("validation")


def test_labels_can_be_left_out():
    assert mnist("test", labels=False).labels is None


# IDX files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", ["images", "images.gz", "images.xz", "images.idx3-ubyte", "images.zip"])
def test_idx_files_are_told_apart_by_content_and_not_by_name(tmp_path, compression, name):
    images = pixels(4, 5, 3)
    path = written(tmp_path / name, COMPRESSIONS[compression](idx(images)))
    assert np.array_equal(read_idx(str(path)), images)
    loaded = load(str(path))
    assert np.array_equal(loaded.images, images[..., None]) and loaded.images.dtype == np.uint8
    assert loaded.shape == (5, 3, 1)  # height before width
    assert loaded.name == str(path)


def test_colour_idx_images_and_labels_are_read(tmp_path):
    images = pixels(4, 5, 3, 3)
    assert load(written(tmp_path / "colour", idx(images))).shape == (5, 3, 3)
    assert np.array_equal(read_idx(written(tmp_path / "labels", idx(np.arange(9, dtype=np.uint8)))), np.arange(9))


GOOD = idx(pixels(4, 3, 2))
HUGE = b"\xff\xff\xff\xff"

BAD_IDX = {
    "empty": (b"", ["is empty"]),
    "text": (b"these are no images", ["is not an IDX file", "b'thes'", "--data takes"]),
    "a png": (b"\x89PNG\r\n\x1a\n" + bytes(40), ["is not an IDX file"]),
    "two bytes": (b"\0\0", ["is not an IDX file"]),
    "terabytes": (b"\0\0\x08\x03" + 3 * HUGE, ["4294967295 x 4294967295 x 4294967295", "promises", "0 follow"]),
    "no bytes of terabytes": (b"\0\0\x08\x06" + bytes(4) + 5 * HUGE, []),
    "rank 0": (b"\0\0\x08\x00", ["truncated or damaged"]),
    "rank 0 and a byte": (b"\0\0\x08\x00\x07", ["truncated or damaged", "0 axes"]),
    "rank 255": (b"\0\0\x08\xff" + bytes(4 * 255), []),
    "one byte short": (GOOD[:-1], ["4 x 3 x 2", "= 24 bytes", "23 follow"]),
    "trailing garbage": (GOOD + b"garbage", ["4 x 3 x 2", "= 24 bytes", "31 follow"]),
    "trailing garbage in gz": (gzip.compress(GOOD) + b"garbage", ["truncated or damaged"]),
    "float elements": (idx(np.zeros((4, 3, 2), ">f4"), kind=0x0D), ["0x0d", "0x08"]),
    "labels": (idx(np.arange(7, dtype=np.uint8)), ["7 labels, not images", "'images' in its name"]),
    "one matrix": (idx(pixels(5, 4)), ["(5, 4)", "(n, h, w)"]),
    "no images": (idx(pixels(0, 5, 4)), ["is empty", "0 x 5 x 4"]),
}


@pytest.mark.parametrize("case", BAD_IDX)
def test_what_is_no_idx_image_file_is_refused(tmp_path, case):
    content, words = BAD_IDX[case]
    path = written(tmp_path / "the-images", content)
    refusal(path, str(path), *words)


def test_a_missing_path_is_refused(tmp_path):
    refusal(tmp_path / "nowhere.gz", "nowhere.gz does not exist", "wanted an IDX file")
    with pytest.raises(DataError, match="nowhere.gz cannot be read: No such file"):
        read_idx(tmp_path / "nowhere.gz")


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_truncated_idx_file_is_refused_wherever_it_was_cut(tmp_path, compression):
    content = COMPRESSIONS[compression](GOOD)
    for length in range(1, len(content)):
        refusal(written(tmp_path / "cut", content[:length]), "cut")


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_one_wrong_byte_in_a_compressed_file_is_refused_or_harmless(tmp_path, compression):
    """Harmless are a few fields of the gzip header, such as its date; the pixels are guarded by a checksum."""
    content = COMPRESSIONS[compression](GOOD)
    refused = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path = written(tmp_path / "damaged", bytes(damaged))
        try:
            assert idx(load(path).images[..., 0]) == GOOD
        except DataError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > len(content) // 2


def test_xz_without_lzma_is_said(tmp_path, monkeypatch):
    path = written(tmp_path / "images", lzma.compress(GOOD))
    monkeypatch.setitem(sys.modules, "lzma", None)
    refusal(path, str(path), "built without lzma")


# Folders -------------------------------------------------------------------------------------------------------------

TRAIN, TEST = pixels(4, 3, 2, seed=1), pixels(5, 3, 2, seed=2)
LABELS = np.arange(4, dtype=np.uint8)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["t10k-images-idx3-ubyte.gz"], "t10k-images-idx3-ubyte.gz"),
        (["t10k-images-idx3-ubyte", "train-images-idx3-ubyte.xz"], "train-images-idx3-ubyte.xz"),
        (["train-images.idx3-ubyte", "train-labels.idx1-ubyte", "README.txt"], "train-images.idx3-ubyte"),
    ],
)
def test_the_training_images_of_a_folder_are_chosen(tmp_path, names, chosen):
    for name in names:
        content = LABELS if "labels" in name else TRAIN if name == chosen else TEST
        compress = COMPRESSIONS.get(name.rpartition(".")[2], bytes)
        written(tmp_path / name, compress(idx(content)))
    loaded = load(tmp_path)
    assert np.array_equal(loaded.images[..., 0], TRAIN)
    assert loaded.name == str(tmp_path / chosen)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a-images-idx3", "b-images-idx3"], ["several", "a-images-idx3, b-images-idx3", "path"]),
        ([], ["no IDX image file", "train-images-idx3-ubyte.gz"]),
        (["train-labels-idx1-ubyte", "notes.txt"], ["no IDX image file"]),
    ],
)
def test_a_folder_without_one_clear_choice_is_refused(tmp_path, names, words):
    for name in names:
        written(tmp_path / name, GOOD)
    refusal(tmp_path, str(tmp_path), *words)


# NumPy files ---------------------------------------------------------------------------------------------------------

UNIT = np.random.default_rng(3).uniform(-1, 1, (4, 5, 3))
GREY, COLOUR, RGBA = pixels(4, 5, 3), pixels(4, 5, 3, 3), pixels(4, 5, 3, 4)

GOOD_NUMPY = {
    "grey.npy": (npy(GREY), GREY[..., None]),
    "one channel.npy": (npy(GREY[..., None]), GREY[..., None]),
    "colour.npy": (npy(COLOUR), COLOUR),
    "grey and alpha.npy": (npy(COLOUR[..., :2]), COLOUR[..., :2]),
    "colour and alpha.npy": (npy(RGBA), RGBA),
    "fortran order.npy": (npy(np.asfortranarray(COLOUR)), COLOUR),
    "float64.npy": (npy(UNIT), UNIT[..., None].astype(np.float32)),
    "float32.npy": (npy(UNIT.astype(np.float32)), UNIT[..., None].astype(np.float32)),
    "big endian.npy": (npy(UNIT.astype(">f4")), UNIT[..., None].astype(np.float32)),
    "all black.npy": (npy(np.full((4, 5, 3), -1.0)), np.full((4, 5, 3, 1), -1, np.float32)),
    "one array.npz": (npz(any_name=GREY), GREY[..., None]),
    "two arrays.npz": (npz(labels=LABELS, images=GREY), GREY[..., None]),
}


@pytest.mark.parametrize("name", GOOD_NUMPY)
def test_numpy_files_of_images_are_read(tmp_path, name):
    content, expected = GOOD_NUMPY[name]
    loaded = load(written(tmp_path / name, content))
    assert np.array_equal(loaded.images, expected) and loaded.images.dtype == expected.dtype
    assert loaded.shape == expected.shape[1:] and loaded.images.dtype.isnative


def spoiled(*places, value=np.nan):
    images = UNIT.copy()
    for place in places:
        images[place] = value
    return images


BAD_NUMPY = {
    "zero to one.npy": (npy(abs(UNIT)), ["float images from 0", "-1 (black) to 1 (white)", "rescale", "uint8"]),
    "zero to 255.npy": (npy(GREY.astype(np.float32)), ["float images from", "rescale"]),
    "a little outside.npy": (npy(spoiled((0, 0, 0), value=-1.25)), ["from -1.25 to", "wanted -1 (black) to 1 (white)"]),
    "nan.npy": (npy(spoiled((2, 1, 1), (2, 4, 2), (3, 0, 0))), ["3 pixels are NaN or infinite", "in image 2"]),
    "infinite.npy": (npy(spoiled((1, 0, 0), value=np.inf)), ["1 pixels are NaN or infinite", "in image 1"]),
    "int64.npy": (npy(GREY.astype(np.int64)), ["int64", "uint8"]),
    "bool.npy": (npy(GREY > 100), ["bool", "uint8"]),
    "complex.npy": (npy(UNIT + 0j), ["complex128", "uint8"]),
    "one number.npy": (npy(np.uint8(3)), ["shape ()", "(n, h, w)"]),
    "rank 2.npy": (npy(GREY[0]), ["(5, 3)", "(n, h, w)"]),
    "rank 5.npy": (npy(COLOUR[None]), ["(1, 4, 5, 3, 3)", "(n, h, w, c)"]),
    "five channels.npy": (npy(pixels(4, 5, 3, 5)), ["(4, 5, 3, 5)", "1 (grey), 3 (RGB), or 2 or 4 channels"]),
    "channels first.npy": (npy(pixels(4, 3, 6, 5)), ["(4, 3, 6, 5)", "which come last"]),
    "no images.npy": (npy(GREY[:0]), ["(0, 5, 3, 1)", "n >= 1"]),
    "several arrays.npz": (npz(x=GREY, y=LABELS), ["x, y", "one named 'images'"]),
    "no arrays.npz": (zipped(), ["holds nothing"]),
    "a zip of other files.npz": (zipped(picture=b"\x89PNG"), []),
    "text.npy": (b"these are no images", []),
    "an idx file.npy": (GOOD, []),
    "empty.npy": (b"", ["is empty"]),
    "empty.npz": (b"", ["is empty"]),
}


@pytest.mark.parametrize("name", BAD_NUMPY)
def test_numpy_files_of_anything_else_are_refused(tmp_path, name):
    content, words = BAD_NUMPY[name]
    refusal(written(tmp_path / name, content), name, *words)


class Canary:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["objects.npy", "objects.npz", "pickle.npy"])
def test_pickled_objects_are_refused_and_not_run(tmp_path, name):
    canary = Canary(tmp_path / "canary")
    objects = np.array([canary, canary])
    content = {"objects.npy": npy(objects, allow_pickle=True), "objects.npz": npz(images=objects)}
    refusal(written(tmp_path / name, content.get(name, pickle.dumps(canary))), name)
    assert not canary.path.exists()


@pytest.mark.parametrize("name", ["images.npy", "images.npz"])
def test_a_truncated_numpy_file_is_refused_wherever_it_was_cut(tmp_path, name):
    content = npy(GREY) if name.endswith("npy") else npz(images=GREY)
    for length in [*range(1, len(content), len(content) // 20), len(content) - 1]:
        refusal(written(tmp_path / name, content[:length]), name)


# Batches -------------------------------------------------------------------------------------------------------------


def numbered(n, **options):
    """n images of shape (2, 1, 1), image i all i."""
    return ImageSet(np.arange(n, dtype=np.uint8).repeat(2).reshape(n, 2, 1, 1), f"{n} numbers", **options)


def numbers(batch, backend):
    """Which of the numbered images a batch is made of."""
    return np.rint((backend.to_host(batch)[:, 0, 0, 0] + 1) * 127.5).astype(int)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_are_scaled_to_minus_one_and_one(backend, dtype):
    levels = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1), (3, 16, 16, 1))
    batch = backend.to_host(ImageSet(levels, "levels").batch(3, 0, 0, backend, dtype))
    assert batch.shape == (3, 16, 16, 1) and batch.dtype == dtype
    flat = batch.reshape(3, 256)
    assert (flat[:, 0] == -1).all() and (flat[:, 255] == 1).all()  # exactly
    assert np.allclose(flat, np.linspace(-1, 1, 256), rtol=0, atol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_left_as_they_are_and_the_batch_is_a_copy(backend, dtype):
    images = ImageSet(UNIT[:1], "one image")
    before = images.images.copy()
    batch = images.batch(1, 0, 0, backend, dtype)
    assert backend.to_host(batch).dtype == dtype
    assert np.array_equal(backend.to_host(batch), before)
    batch[...] = 0
    assert np.array_equal(images.images, before)


def test_a_batch_is_a_function_of_seed_and_step(backend):
    images = numbered(200)

    def chosen(seed, step, dtype="float32", n=50):
        return numbers(images.batch(n, seed, step, backend, dtype), backend)

    first = chosen(7, 3)
    assert np.array_equal(chosen(7, 3), first) and np.array_equal(chosen(7, 3, "float64"), first)
    for other in (chosen(7, 4), chosen(8, 3), chosen(3, 7)):
        assert (other != first).mean() > 0.9  # by chance, one in 200 is the same
    assert np.array_equal(chosen(7, 3, n=20), first[:20])


def test_every_image_is_drawn_about_as_often_as_the_others(backend):
    n, steps = 20, 400
    images = numbered(n)
    drawn = np.concatenate([numbers(images.batch(n, 0, step, backend, "float32"), backend) for step in range(steps)])
    counts = np.bincount(drawn, minlength=n)
    assert len(counts) == n
    assert abs(counts - steps).max() < 5 * steps**0.5  # 5 standard deviations


def test_a_batch_larger_than_the_data_is_refused_in_epochs_and_drawn_with_replacement(backend):
    images = numbered(6, sampling="epochs")
    assert len(images.batch(6, 0, 0, backend, "float32")) == 6
    with pytest.raises(DataError, match="a batch of 7 samples from 6 numbers, which has 6: use a smaller batch"):
        images.batch(7, 0, 0, backend, "float32")
    assert len(numbered(6).batch(70, 0, 0, backend, "float32")) == 70 and numbered(6).steps_per_epoch(7) == 1


@pytest.mark.parametrize(
    ("sampling", "n", "words"),
    [*((s, n, "use at least 1") for s in ("replacement", "epochs") for n in (0, -1)), ("epochs", 7, "smaller batch")],
)
def test_a_batch_of_none_or_too_many_is_refused(sampling, n, words):
    images = numbered(6, sampling=sampling)
    for ask in (images.batch, images.steps_per_epoch):
        with pytest.raises(DataError, match=f"a batch of {n} samples from 6 numbers.*{words}"):
            ask(n)


def test_drawing_with_replacement_is_backend_integers(backend):
    """Runs that were begun by an earlier version go on with the same images."""
    for images in (numbered(200), numbered(200, sampling="replacement")):
        drawn = numbers(images.batch(50, 7, 3, backend), backend)
        assert np.array_equal(drawn, backend.to_host(backend.random.integers(200, 50, 7, "batch", 3)))
    assert drawn[:6].tolist() == [36, 155, 150, 77, 133, 105]  # as version 0.1.0 drew them


@pytest.mark.parametrize("sampling", ["epoch", "", None])
def test_an_unknown_sampling_is_refused(sampling):
    with pytest.raises(SettingsError, match="6 numbers: sampling is .*; the choices are replacement, epochs"):
        numbered(6, sampling=sampling)


# Epochs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "n"), [(24, 6), (24, 24), (7, 1), (23, 6), (11, 7)])
def test_in_an_epoch_no_image_comes_twice_and_the_next_has_another_order(backend, size, n):
    images = numbered(size, sampling="epochs")
    steps = images.steps_per_epoch(n)
    assert steps == size // n

    def drawn_in(epoch, seed=5):
        batches = [images.batch(n, seed, step, backend) for step in range(epoch * steps, (epoch + 1) * steps)]
        return np.concatenate([numbers(batch, backend) for batch in batches])

    epochs = [drawn_in(epoch) for epoch in range(4)]
    for epoch in epochs:
        assert len(epoch) == len(set(epoch)) == size - size % n  # the last incomplete batch is dropped
    assert len({tuple(epoch) for epoch in [*epochs, drawn_in(0, seed=6)]}) == 5
    assert tuple(epochs[0]) != tuple(range(size - size % n))


def test_what_an_epoch_drops_changes_from_epoch_to_epoch(backend):
    images = numbered(7, sampling="epochs")
    seen = [set(numbers(images.batch(5, 0, step, backend), backend)) for step in range(40)]
    assert set.union(*seen) == set(range(7))


def test_every_order_of_an_epoch_is_as_likely_as_the_others(backend):
    images, epochs = numbered(3, sampling="epochs"), 600
    orders = [tuple(numbers(images.batch(3, 0, step, backend), backend)) for step in range(epochs)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6 and abs(np.array(counts) - epochs / 6).max() < 5 * (epochs / 6) ** 0.5


@pytest.mark.parametrize("sampling", ["replacement", "epochs"])
def test_a_step_is_the_same_whatever_was_drawn_before(backend, sampling):
    """A resumed run starts anywhere, and one image set may serve several seeds and batch sizes."""

    def batch(images, n, seed, step):
        return backend.to_host(images.batch(n, seed, step, backend))

    def image_set():
        return ImageSet(pixels(20, 6, 5, 3), "images", sampling=sampling, transforms=(RandomHorizontalFlip(),))

    shared = image_set()
    asked = [(6, 0, 7), (6, 0, 2), (6, 1, 2), (6, 0, 2), (4, 0, 2), (6, 0, 8), (6, 0, 0)]
    for n, seed, step in asked:
        assert np.array_equal(batch(shared, n, seed, step), batch(image_set(), n, seed, step))
    made = {batch(shared, *key).tobytes() for key in asked}
    assert len(made) == len(set(asked))


def test_a_step_within_an_epoch_does_not_shuffle_again(monkeypatch):
    shuffles, argsort, images = [], np.argsort, numbered(20, sampling="epochs")
    monkeypatch.setattr(
        np, "argsort", lambda *arguments, **options: shuffles.append(1) or argsort(*arguments, **options)
    )
    for step in range(12):  # three epochs of four steps
        images.batch(5, 0, step)
    assert len(shuffles) == 3


# Transforms ----------------------------------------------------------------------------------------------------------

TRANSFORMS = (RandomHorizontalFlip(), RandomResizedCrop((0.5, 0.9)), RandomRotation())


@pytest.mark.parametrize("c", [1, 2, 3, 4])
def test_transforms_are_a_function_of_seed_and_step(backend, c):
    stored = pixels(1, 9, 7, c)
    images = ImageSet(stored, "one image", transforms=TRANSFORMS)

    def batch(seed, step):
        return backend.to_host(images.batch(1, seed, step, backend))

    first = batch(3, 4)
    assert first.shape == (1, 9, 7, c) and first.dtype == np.float32 and first.min() >= -1 and first.max() <= 1
    assert np.array_equal(batch(3, 4), first)
    for other in (batch(3, 5), batch(4, 4), stored / 127.5 - 1):
        assert abs(other - first).mean() > 0.1


def test_transforms_are_applied_in_order_and_draw_for_themselves():
    """Two flips of the same kind would undo each other if they drew the same numbers."""
    halves = np.array([[0, 1]], np.uint8).repeat(40, axis=0).reshape(40, 1, 2, 1)
    twice = ImageSet(halves, "halves", transforms=[RandomHorizontalFlip(), RandomHorizontalFlip()])
    assert twice.transforms == (RandomHorizontalFlip(), RandomHorizontalFlip())
    flipped = twice.batch(40)[:, 0, 0, 0] > twice.batch(40)[:, 0, 1, 0]
    assert 5 < flipped.sum() < 35

    def add(value):
        return lambda images, draw: images * 2 + np.uint8(value)

    batch = ImageSet(np.ones((1, 1, 1, 1), np.uint8), "a one", transforms=(add(1), add(10))).batch(1)
    assert np.rint((batch + 1) * 127.5).item() == (1 * 2 + 1) * 2 + 10


def test_transforms_leave_the_stored_images_alone():
    def careless(images, draw):
        images[...] = 0
        return images

    stored = pixels(6, 5, 4, 3)
    before = stored.copy()
    for sampling in ("replacement", "epochs"):
        images = ImageSet(stored, "images", sampling=sampling, transforms=(*TRANSFORMS, careless))
        fingerprint = images.fingerprint
        assert (images.batch(6) == -1).all()
        assert np.array_equal(images.images, before)
        assert fingerprint == images.fingerprint == ImageSet(before, "plain").fingerprint


def test_transforms_of_floats_are_refused():
    with pytest.raises(DataError, match="noise: transforms take uint8, and these images are floats: store uint8"):
        ImageSet(UNIT, "noise", transforms=(RandomHorizontalFlip(),))
    assert ImageSet(UNIT, "noise", transforms=()).transforms == ()


@pytest.mark.parametrize("transforms", [RandomRotation(), (RandomRotation,), ("flip",), "flip", None], ids=repr)
def test_what_is_no_tuple_of_transforms_is_refused(transforms):
    with pytest.raises(SettingsError, match="6 numbers: transforms is .*; wanted objects in a tuple"):
        numbered(6, transforms=transforms)


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (lambda images, draw: images[:, 1:], "made uint8 images of shape (6, 1, 1, 1) of uint8 images of shape (6, 2"),
        (lambda images, draw: images / 255, "made float64 images"),
    ],
)
def test_a_transform_that_changes_shape_or_type_is_named(transform, words):
    with pytest.raises(DataError) as caught:
        numbered(6, transforms=(transform,)).batch(6)
    assert words in str(caught.value) and repr(transform) in str(caught.value)


def test_the_fingerprint_is_that_of_the_pixels():
    images = pixels(4, 5, 3)
    other = images.copy()
    other[3, 4, 2] ^= 1
    fingerprint = ImageSet(images, "one name").fingerprint
    assert fingerprint == ImageSet(np.asfortranarray(images), "another name").fingerprint
    assert fingerprint != ImageSet(other, "one name").fingerprint
