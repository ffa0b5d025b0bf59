"""Data as people have them: files with holes, pictures of nearly one level, the field's files, and too few pictures."""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from minigan import GAN, models, train
from minigan.data import ImageSet, as_data, images, load
from minigan.data.decoding import read_picture
from minigan.data.fitting import Target, fitted
from minigan.data.kinds import PICTURES
from minigan.data.sources import split_part
from minigan.errors import DataError, SettingsError

NO_AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")


def drawn(seed, side=96):
    """A picture with coarse and fine detail, as photographs have."""
    draw = np.random.default_rng(seed)
    h, w = draw.integers(side // 2, 2 * side, 2).tolist()
    total = np.zeros((h, w, 3))
    for scale in (2, 8, 32):
        coarse = draw.normal(size=(h // scale + 2, w // scale + 2, 3)).astype(np.float32)
        fine = [Image.fromarray(coarse[..., c]).resize((w, h), Image.Resampling.BICUBIC) for c in range(3)]
        total += np.stack(fine, axis=-1) * scale**0.5
    return ((total - total.min()) / np.ptp(total) * 254 + 1).astype(np.uint8)


def flat_below(seed):
    """The same, with a border of one colour below: letterboxes, skies, and the paper of a scan."""
    picture = drawn(seed)
    picture[len(picture) * (1 + seed % 2) // 3 :] = (0, 255, 128)[seed % 3]
    return picture


def encoded(picture, kind="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def holed(content):
    """The first half, zeros, and the last two bytes."""
    half = len(content) // 2
    return content[:half] + bytes(len(content) - half - 2) + content[-2:]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def png(array, **options):
    return encoded(array, "PNG", **options)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Damaged pictures ----------------------------------------------------------------------------------------------------

ENCODINGS = {
    "jpg": ("JPEG", {}),
    "optimized.jpg": ("JPEG", {"optimize": True}),
    "fine.jpg": ("JPEG", {"quality": 100, "subsampling": 0}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "restarts.jpg": ("JPEG", {"restart_marker_rows": 1}),
    "webp": ("WEBP", {}),
    "lossless.webp": ("WEBP", {"lossless": True}),
    "avif": ("AVIF", {"speed": 10}),
    "png": ("PNG", {}),
    "gif": ("GIF", {}),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=NO_AVIF) if n == "avif" else n for n in ENCODINGS])
def test_a_hole_is_seen_and_a_flat_border_is_none(tmp_path, name):
    kind, options = ENCODINGS[name]
    n = 12
    for i in range(n):
        for j, picture in enumerate((drawn(i), flat_below(i), flat_below(i)[..., 0])):
            write(tmp_path / "good" / f"{i}-{j}.{name}", encoded(picture, kind, **options))
        write(tmp_path / "bad" / f"{i}.{name}", holed(encoded(drawn(i), kind, **options)))
    assert len(images(tmp_path / "good", 32)) == 3 * n
    with pytest.raises(DataError, match=rf"{n} of {n} images cannot be used:\n  0\.{name}: "):
        images(tmp_path / "bad", 32)


@pytest.mark.slow
def test_of_a_hundred_jpegs_with_a_hole_none_is_used_and_of_a_hundred_good_ones_all_are(tmp_path):
    for i in range(100):
        options = {"quality": 60 + i % 40, "optimize": i % 3 == 0, "progressive": i % 5 == 0}
        write(tmp_path / f"good{i}.jpg", encoded(drawn(i) if i % 2 else flat_below(i), **options))
        write(tmp_path / f"hole{i}.jpg", holed(encoded(drawn(i), **options)))
    assert len(images(tmp_path, 32, skip_damaged=True)) in range(100, 103)
    for i in range(100):
        read_picture(tmp_path / f"good{i}.jpg")


def changed_data(content):
    """A PNG file whose pixels were packed anew after its checksum was made."""
    start = content.index(b"IDAT") - 4
    length = int.from_bytes(content[start : start + 4])
    unpacked = bytearray(zlib.decompress(content[start + 8 : start + 8 + length]))
    unpacked[-1] ^= 1
    packed = zlib.compress(bytes(unpacked))
    return content[:start] + struct.pack(">I", len(packed)) + b"IDAT" + packed + content[start + 8 + length :]


def without_scans(content):
    """A progressive JPEG file without its last pass."""
    return content[: content.rindex(b"\xff\xda")] + b"\xff\xd9"


def with_more(content):
    return content[:-2] + bytes(range(1, 200)) + content[-2:]


OTHER_DAMAGE = {
    "a.png": (changed_data(png(drawn(0))), "checksum of its IDAT"),
    "b.jpg": (without_scans(encoded(drawn(0), progressive=True)), "last passes"),
    "c.jpg": (with_more(encoded(drawn(0))), "more data than the picture needs"),
    "d.bmp": (holed(encoded(drawn(1)[:51], "BMP")), "a hole"),
    "e.ppm": (holed(encoded(drawn(1)[:51], "PPM")), "a hole"),
    "f.tif": (holed(encoded(drawn(1)[:51], "TIFF")), "a hole"),
}


@pytest.mark.parametrize("name", OTHER_DAMAGE)
def test_other_damage_is_named(tmp_path, name):
    content, words = OTHER_DAMAGE[name]
    with pytest.raises(DataError, match=rf"{name}: .*{words}"):
        images(write(tmp_path / name, content).parent, 16)


def test_what_stands_behind_a_picture_does_no_harm(tmp_path):
    for name, content in (("a.jpg", encoded(drawn(0))), ("b.png", png(drawn(0))), ("c.jpg", encoded(drawn(0))[:-2])):
        write(tmp_path / name, content + (b"" if name == "c.jpg" else b"more"))
    assert len(images(tmp_path, 16)) == 3


# Nearly one level ----------------------------------------------------------------------------------------------------


def deep_png(levels):
    """16 bits a channel, which Pillow writes in grey only.    levels: (h, w, c)"""
    h, w, c = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, {1: 0, 2: 4, 3: 2, 4: 6}[c], 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(x)) + k + x + struct.pack(">I", zlib.crc32(k + x)) for k, x in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("c", [1, 2, 3, 4])
def test_16_bits_are_rounded_in_grey_as_in_colour(tmp_path, c):
    levels = np.random.default_rng(c).integers(0, 65536, (6, 5, c), dtype=np.uint16)
    if c in (2, 4):
        levels[..., -1] = 65535
    read = images(write(tmp_path / "a.png", deep_png(levels)).parent, (6, 5)).images[0]
    colours = levels[..., :1] if c < 3 else levels[..., :3]
    assert np.array_equal(read, np.broadcast_to(np.rint(colours / 257), (6, 5, 3)))


FLOATS = np.full((9, 8, 8, 1), -1, np.float32)
ODD = {  # what is in the array, and what is said
    "12 bits in 16": (pixels(9, 8, 8) // 15, "levels from 0 to 17, 18 in all: nearly one colour"),
    "zeros and ones": (pixels(9, 8, 8) % 2, "levels from 0 to 1, 2 in all"),
    "all black": (pixels(9, 8, 8) * 0, "every pixel is 0, black: there is nothing to learn"),
    "one grey": (pixels(9, 8, 8) * 0 + 77, "every pixel is 77, a grey"),
    "floats": (FLOATS, "every pixel is -1, black"),
    "weak floats": (FLOATS + pixels(9, 8, 8, 1) / 2550, "levels from -1 to -0.9, of -1 to 1"),
    "usual": (pixels(9, 8, 8), None),
    "black and white": (pixels(9, 8, 8) // 128 * 255, None),
}


@pytest.mark.parametrize("case", ODD)
def test_levels_that_are_odd_are_said(tmp_path, capsys, case):
    array, words = ODD[case]
    np.save(tmp_path / "a.npy", array)
    for read in (lambda: load(tmp_path / "a.npy"), lambda: as_data(array)):
        read()
        said = capsys.readouterr().err
        assert (words in said if words else said == "") and said.count("\n") == (words is not None)


def test_levels_of_a_folder_are_said_and_transparent_pictures_are_white(tmp_path, capsys):
    write(tmp_path / "deep" / "a.png", png(np.arange(64, dtype=np.uint16).reshape(8, 8) * 64))
    images(tmp_path / "deep", 8)
    assert "levels from 0 to 16, 17 in all" in capsys.readouterr().err
    write(tmp_path / "clear" / "a.png", png(np.dstack([pixels(8, 8, 3), np.zeros((8, 8), np.uint8)])))
    images(tmp_path / "clear", 8)
    assert "every pixel is 255, white: there is nothing to learn. Fully transparent" in capsys.readouterr().err


def test_stretch_spreads_the_levels_of_the_whole_set(tmp_path, capsys):
    deep = np.arange(64).reshape(8, 8) * 65  # 12 bits
    write(tmp_path / "a.png", png(deep.astype(np.uint16)))
    write(tmp_path / "b.png", deep_png(np.stack([deep // 2] * 3, axis=-1)))
    for _ in range(2):  # read, then from the cache
        read = images(tmp_path, 8, stretch=True, cache=tmp_path.parent / "cache").images[..., 0]
        assert np.array_equal(read[0], np.rint(255 * deep / 4095))
        assert np.array_equal(read[1], np.rint(255 * (deep // 2) / 4095))
    assert "nearly" not in capsys.readouterr().err
    (tmp_path / "a.png").unlink()  # now half as much is white
    assert images(tmp_path, 8, stretch=True, cache=tmp_path.parent / "cache").images.max() == 255


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.uint8([[[0, 1], [1, 0]]]), [0, 255, 255, 0]),
        (np.array([[[True, False], [False, True]]]), [255, 0, 0, 255]),
        (np.int64([[[100, 200], [300, 400]]]), [0, 85, 170, 255]),
        (np.uint16([[[0, 4095], [4095, 0]]]), [0, 255, 255, 0]),
        (np.float64([[[0, 1], [0.5, 0.25]]]), [-1, 1, 0, -0.5]),
    ],
)
def test_stretch_makes_levels_of_any_numbers(tmp_path, array, expected):
    np.save(tmp_path / "a.npy", array)
    assert load(tmp_path / "a.npy", stretch=True).images.ravel().tolist() == expected
    if array.dtype != np.uint8:
        with pytest.raises(DataError, match="stretch=True"):
            load(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((28, 28, 3), [r"\(28, 28, 3\), which has two meanings", r"array\[None\]", r"array\[..., None\]"]),
        ((28, 28, 4), ["two meanings"]),
        ((500, 784, 1), ["500 rows of 28 x 28", r"array.reshape\(-1, 28, 28\)"]),
        ((64, 64), ["one grey picture of 64 x 64", "64 of 8 x 8"]),
        ((50, 3072), ["two meanings", r"transpose\(0, 2, 3, 1\)", r"array.reshape\(-1, 32, 32, 3\)"]),
        ((50, 3, 32, 32), ["which come last", r"transpose\(0, 2, 3, 1\)"]),
    ],
)
def test_a_shape_with_two_meanings_is_asked_for(tmp_path, shape, words):
    np.save(tmp_path / "a.npy", pixels(*shape))
    for word in words:
        with pytest.raises(DataError, match=word):
            load(tmp_path / "a.npy")


def test_rows_of_784_numbers_are_images_of_28_x_28(tmp_path, capsys):
    rows = pixels(20, 784)
    np.save(tmp_path / "a.npy", rows)
    assert np.array_equal(load(tmp_path / "a.npy").images, rows.reshape(20, 28, 28, 1))
    assert "rows of 784 numbers are taken for images of 28x28" in capsys.readouterr().err


# What a folder has ---------------------------------------------------------------------------------------------------


def test_what_is_left_out_of_a_folder_is_counted(tmp_path, capsys):
    for i in range(3):
        write(tmp_path / f"{i}.png", png(pixels(8, 8, 3)))
        write(tmp_path / f"{i}.HEIC", b"?")
    for name in ("notes.txt", "README", "._0.png", ".DS_Store"):
        write(tmp_path / name, b"?")
    assert len(images(tmp_path, 8)) == 3
    assert (
        f"note: 5 other files are left out of {tmp_path}: 3 .heic, 1 .txt, 1 without an ending; to have the pictures "
        f"in .heic, convert them to PNG or JPEG\n"
    ) in capsys.readouterr().err


@pytest.mark.parametrize("ending", [pytest.param(e, marks=NO_AVIF) if e == ".avif" else e for e in PICTURES])
def test_every_ending_is_read(tmp_path, ending):
    grey = ending in (".pgm", ".pbm")
    picture = np.full((8, 8, 3), 255, np.uint8)
    Image.fromarray(picture).convert("1" if ending == ".pbm" else "L" if grey else "RGB").save(
        tmp_path / f"a{ending.upper()}", PICTURES[ending]
    )
    assert (images(tmp_path, 8).images >= 254).all()


# The field's files ---------------------------------------------------------------------------------------------------


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4) for n in array.shape) + array.tobytes()


DIGITS, CLASSES = pixels(6, 28, 28), np.arange(6, dtype=np.uint8) % 3
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TWINS = {IMAGES: idx(DIGITS), f"{IMAGES}.gz": gzip.compress(idx(DIGITS)), LABELS: idx(CLASSES)}
OTHERS = {"t10k-images-idx3-ubyte": idx(DIGITS[:2]), f"{LABELS}.gz": gzip.compress(idx(CLASSES))}

LAYOUTS = {  # files below a folder; all are the digits with their labels
    "torchvision's": {f"MNIST/raw/{name}": content for name, content in (TWINS | OTHERS).items()},
    "raw": TWINS | OTHERS,
    "only compressed": {f"{name}.gz": gzip.compress(content) for name, content in TWINS.items() if "gz" not in name},
    "an unpacker's": {f"{name}/{name}": TWINS[name] for name in (IMAGES, LABELS)},
    "an archive with both": {
        "train-images.idx3-ubyte": TWINS[IMAGES],
        "train-labels.idx1-ubyte": TWINS[LABELS],
        **{f"{name}/{name}": TWINS[name] for name in (IMAGES, LABELS)},
    },
    "with a Mac's twins": TWINS | {f"._{IMAGES}": b"?", f"__MACOSX/._{IMAGES}": b"?"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mnist_is_found_as_it_is_unpacked(tmp_path, layout):
    for name, content in LAYOUTS[layout].items():
        write(tmp_path / name, content)
    (tmp_path / "t10k-images.idx3-ubyte").mkdir()  # a folder is no file, whatever it is called
    found = load(tmp_path)
    assert np.array_equal(found.images[..., 0], DIGITS) and found.labels.tolist() == CLASSES.tolist()


def test_two_sets_of_one_name_are_no_twins(tmp_path):
    for name in ("MNIST", "FashionMNIST"):
        write(tmp_path / name / "raw" / IMAGES, idx(DIGITS))
    with pytest.raises(DataError, match=r"several image files: FashionMNIST.*MNIST.*give the path"):
        load(tmp_path)


ARCHIVES = {  # arrays, and what stands behind the path
    "Keras's": ({"x_train": DIGITS, "y_train": CLASSES, "x_test": DIGITS[:2], "y_test": CLASSES[:2]}, ""),
    "MedMNIST's": ({"val_images": DIGITS[:1], "train_images": DIGITS, "train_labels": CLASSES[:, None]}, ""),
    "by name": ({"a": DIGITS[:2], "b": DIGITS, "labels": CLASSES}, ":b"),
    "the test set": ({"x_train": DIGITS[:1], "x_test": DIGITS, "y_test": CLASSES}, ":x_test"),
    "its images": (
        {"train_images": DIGITS[:1], "test_images": DIGITS, "test_labels": CLASSES[:, None]},
        ":test_images",
    ),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_arrays_of_an_archive_have_the_fields_names(tmp_path, case):
    arrays, part = ARCHIVES[case]
    np.savez(tmp_path / "a.npz", **arrays)
    found = load(f"{tmp_path / 'a.npz'}{part}")
    assert np.array_equal(found.images[..., 0], DIGITS)
    assert (found.labels is None) == (case == "by name")
    assert found.labels is None or found.labels.tolist() == CLASSES.tolist()


def test_other_names_are_listed(tmp_path):
    np.savez(tmp_path / "a.npz", one=DIGITS, two=DIGITS)
    with pytest.raises(DataError, match=r"a.npz holds one, two; .*--data .*a.npz:one"):
        load(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"no array 'three'; it holds one, two"):
        load(f"{tmp_path}/a.npz:three")


def test_a_drive_is_no_archive(tmp_path):
    for path in ("C:\\data\\x.npz", "C:x.npz", "C:\\a.npz\\b", "/a.npz:b/c", "a:b"):
        assert split_part(path) == (Path(path), None)
    assert split_part("C:\\data\\x.npz:key") == (Path("C:\\data\\x.npz"), "key")
    (tmp_path / "x.npz:y").write_bytes(b"?")
    assert split_part(tmp_path / "x.npz:y") == (tmp_path / "x.npz:y", None)


def table(labels_at, names, separator=",", columns=None):
    rows = DIGITS.reshape(6, 784)
    cells = [f"pixel{i}" for i in range(784)]
    if labels_at is not None:
        rows = np.insert(rows.astype(int), labels_at, CLASSES, axis=1)
        cells.insert(labels_at, "label")
    lines = [separator.join(map(str, row)) for row in rows.tolist()]
    return ("\n".join([separator.join(cells)] * names + lines) + "\n").encode()


TABLES = {
    "mnist_train.csv": table(0, names=False),
    "mnist named.csv": table(0, names=True),
    "label last.csv": table(784, names=True),
    "no labels.csv": table(None, names=True),
    "no labels, no names.csv": table(None, names=False),
    "semicolons.csv": table(0, names=True, separator=";"),
    "bom.csv": b"\xef\xbb\xbf" + table(0, names=False),
    "mnist_train.csv.gz": gzip.compress(table(0, names=True)),
    "blank lines.csv": b"".join(line + b"\n\n" for line in table(0, names=False).splitlines()) + b"\n" * 5_000,
    "windows.csv": table(0, names=True).replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_read(tmp_path, name):
    found = load(write(tmp_path / name, TABLES[name]))
    assert np.array_equal(found.images[..., 0], DIGITS)
    assert (found.labels is None) == name.startswith("no labels")
    assert found.labels is None or found.labels.tolist() == CLASSES.tolist()
    assert np.array_equal(load(tmp_path).images, found.images)  # the folder with this one file


BAD_TABLES = {
    "3 columns": (b"1,2,3\n4,5,6\n", "has 3 columns; .*785 or 784"),
    "a short row": (table(0, False) + b"1,2,3\n", "line 1 or below"),
    "text": (table(0, False).replace(b",7,", b",seven,"), "line [12] or below"),
    "too bright": (table(0, False).replace(b",255,", b",256,"), "pixels from 0 to 256"),
    "a line without end": (gzip.compress(bytes(10**7)), "a line of more than 1,048,576 characters"),
    "names alone": (table(0, True).partition(b"\n")[0], "has no rows"),
    "half a gzip": (gzip.compress(table(0, True))[:900], "is not a table that can be read"),
    "a damaged gzip": (gzip.compress(table(0, True))[:400] + bytes(600), "is not a table that can be read"),
    "bytes": (b"\xff\xfe\0\0", "is not a table"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_tables_of_anything_else_are_refused(tmp_path, case):
    content, words = BAD_TABLES[case]
    with pytest.raises(DataError, match=words):
        load(write(tmp_path / "a.csv", content))


def test_bytes_without_a_header_need_a_shape(tmp_path):
    path = write(tmp_path / "digits.bin", DIGITS.tobytes())
    with pytest.raises(DataError, match=r"4,704 bytes without a header: .*digits.bin:28x28"):
        load(path)
    assert np.array_equal(load(f"{path}:28x28").images[..., 0], DIGITS)
    assert load(f"{path}:14x14x4").shape == (14, 14, 4)
    with pytest.raises(DataError, match="no whole number of images of 28x27"):
        load(f"{path}:28x27")
    assert np.array_equal(load(write(tmp_path / "an idx.bin", idx(DIGITS))).images[..., 0], DIGITS)
    rows = np.concatenate([np.uint8([[7]]), pixels(1, 3072)], axis=1)
    found = load(write(tmp_path / "data_batch_1.bin", rows.tobytes()))
    assert found.labels.tolist() == [7] and np.array_equal(found.images[0, ..., 1].ravel(), rows[0, 1025:2049])


# Sizes and fits ------------------------------------------------------------------------------------------------------


def test_pad_keeps_everything_and_fills_with_a_colour(tmp_path):
    write(tmp_path / "a.png", png(np.full((4, 8, 3), 200, np.uint8)))
    read = images(tmp_path, (8, 8), fit="pad", background="#0a141e").images[0]
    assert (read[:2] == [10, 20, 30]).all() and (read[-2:] == [10, 20, 30]).all() and (read[2:6] == 200).all()
    with pytest.raises(SettingsError, match="background='blu': wanted a colour"):
        images(tmp_path, 8, background="blu")


def test_nearest_makes_no_new_colours(tmp_path):
    art = np.uint8([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 9, 9]]])
    write(tmp_path / "a.png", png(art))
    read = images(tmp_path, 8, resample="nearest").images[0]
    assert np.array_equal(read, art.repeat(4, axis=0).repeat(4, axis=1))
    assert not np.array_equal(images(tmp_path, 8).images[0], read)


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_a_reduced_jpeg_is_close_to_the_whole_one(tmp_path, fit):
    """At 32 x 32 within 8 of 255 levels; taken for whole where its last pixels are not, it would be up to 40."""
    worst = 0
    for i in range(6):
        picture = np.kron(drawn(i), np.ones((6, 6, 1), np.uint8))[: 401 + 97 * i, : 611 - 61 * i]
        path = write(tmp_path / f"{i}.jpg", encoded(picture, quality=95))
        whole, reduced = (fitted(read_picture(path, 3, side), Target((32, 32), fit=fit)) for side in (None, 32))
        worst = max(worst, abs(np.asarray(whole, int) - np.asarray(reduced, int)).max())
    assert 0 < worst <= 8


# Few pictures --------------------------------------------------------------------------------------------------------


def test_fewer_images_than_a_step_takes_are_drawn_again_and_again():
    real = ImageSet(pixels(13, 8, 8, 1), "few")
    gan = GAN(*models.mnist_mlp((8, 8, 1), 4, (8,), (8,)), d_steps=5)
    train(gan, real, steps=2, batch_size=6)  # 30 of 13
    assert gan.steps == 2 and real.steps_per_epoch(30) == 1
    with pytest.raises(DataError, match="sampling='replacement'"):
        real.with_batches(sampling="epochs").batch(30)


def counting(monkeypatch):
    from minigan.data import folder

    read = []
    real = folder.read_picture
    monkeypatch.setattr(folder, "read_picture", lambda path, *a: read.append(Path(path).name) or real(path, *a))
    return read


def test_empty_files_are_found_before_any_is_read(tmp_path, monkeypatch):
    read = counting(monkeypatch)
    for i in range(20):
        write(tmp_path / f"{i}.png", png(pixels(8, 8, 3)) if i % 9 else b"")
    with pytest.raises(DataError, match=r"(?s)3 of 20 images.*0.png: an empty file.*others have not been read"):
        images(tmp_path, 8)
    assert not read


def test_what_was_decoded_is_kept_when_a_file_is_damaged(tmp_path, monkeypatch):
    read, source, cache = counting(monkeypatch), tmp_path / "set", tmp_path / "cache"
    for i in range(20):
        write(source / f"{i}.png", png(pixels(8, 8, 3, seed=i)))
    write(source / "7.png", b"?")
    with pytest.raises(DataError, match="(?s)7.png.*the others are kept"):
        images(source, 8, cache=cache)
    assert len(read) == 20
    write(source / "7.png", png(pixels(8, 8, 3, seed=7)))
    found = images(source, 8, cache=cache)
    assert read[20:] == ["7.png"] and np.array_equal(found.images[9], pixels(8, 8, 3, seed=9))
    assert np.array_equal(found.images, images(source, 8).images)


def test_damaged_files_are_left_out_by_name_if_that_is_wanted(tmp_path, capsys):
    for i in range(12):
        write(tmp_path / ("ab"[i % 2]) / f"{i}.png", png(pixels(8, 8, 3, seed=i)))
    write(tmp_path / "a" / "0.png", b"")
    write(tmp_path / "b" / "3.png", b"?")
    for _ in range(2):  # read, then from the cache
        found = images(tmp_path, 8, skip_damaged=True, cache=tmp_path.parent / "kept")
        assert len(found) == 10 and found.labels.tolist() == [0] * 5 + [1] * 5
        assert np.array_equal(found.images[0], pixels(8, 8, 3, seed=2))
        said = capsys.readouterr().err
        assert f"note: left out: 2 of 12 images of {tmp_path}\n" in said
        assert "note: left out: a/0.png: an empty file\n" in said and "note: left out: b/3.png: not an image" in said
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="12 of 12 images cannot be used"):
        images(tmp_path, 8, skip_damaged=True)
