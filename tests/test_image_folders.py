"""Folders of pictures: what is found, every kind of file, what is refused and in which words, the cache, and faces."""

import errno
import io
import os
import pickle
import struct
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan.data import decoding, fitting, folder
from minigan.data.faces import Crops, crop_faces, double_box
from minigan.data.finding import list_images
from minigan.data.folder import images
from minigan.errors import DataError, FileError, SettingsError

H, W = 6, 4
ROWS, COLUMNS = np.mgrid[:H, :W]
COLOURS = np.stack([40 * ROWS, 60 * COLUMNS, 255 - 30 * ROWS - 20 * COLUMNS], axis=-1).astype(np.uint8)
GREY = (37 * ROWS + 11 * COLUMNS).astype(np.uint8)
ALPHA = np.choose((ROWS + COLUMNS) % 3, [0, 255, 100]).astype(np.uint8)
CHOSEN = (ROWS + 2 * COLUMNS) % 4  # four colours of a palette
PALETTE = np.array([[250, 0, 10], [0, 240, 20], [30, 0, 230], [7, 8, 9]], np.uint8)
LEVELS = (10_000 * ROWS + 4_000 * COLUMNS + 130).astype(np.uint16)
RED = np.broadcast_to(np.uint8([254, 0, 0]), (H, W, 3))


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def saved(path, array, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (picture if mode is None else picture.convert(mode)).save(path, **options)
    return path


def only(path, size, **options):
    """The one image of the folder that `path` is in."""
    read = images(path.parent, size, **options)
    assert len(read) == 1 and read.images.dtype == np.uint8 and read.images.flags["C_CONTIGUOUS"]
    return read.images[0]


def over_white(array, alpha):
    share = alpha[..., None] / 255
    return np.rint(array * share + 255 * (1 - share))


def grey(array):
    """ITU-R BT.601 luma."""
    return array @ np.array([0.299, 0.587, 0.114])


def as_colours(array):
    return array[..., None].repeat(3, axis=-1)


def encoded(array, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, content):
    """A piece of a PNG file."""
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


# Kinds of pictures ---------------------------------------------------------------------------------------------------


def palette(**options):
    picture = Image.fromarray(CHOSEN.astype(np.uint8)).convert("P")
    picture.putpalette(PALETTE.tobytes())
    return lambda path: picture.save(path, **options)


def animated(path):
    frames = [Image.fromarray(array).quantize(16) for array in (PALETTE[CHOSEN], PALETTE[::-1][CHOSEN])]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def two_in_one(path):
    """As some telephones write them."""
    Image.fromarray(RED).save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (W, H), "blue")])


def one_level_transparent(path):
    png = encoded(LEVELS)
    start = png.index(b"IDAT") - 4
    path.write_bytes(png[:start] + chunk(b"tRNS", int(LEVELS[2, 1]).to_bytes(2)) + png[start:])


def array(value, mode=None, **options):
    return lambda path: saved(path, value, mode, **options)


OVER_WHITE = over_white(COLOURS, ALPHA)
WITH_ALPHA = np.dstack([COLOURS, ALPHA])
HALF = as_colours(np.where(GREY > 127, 255, 0))

KINDS = {  # what is written, the RGB pixels that it means, and how far JPEG may be from them
    "rgb.png": (array(COLOURS), COLOURS, 0),
    "grey.png": (array(GREY), as_colours(GREY), 0),
    "alpha.png": (array(WITH_ALPHA), OVER_WHITE, 1),
    "grey and alpha.png": (array(np.dstack([GREY, ALPHA])), over_white(as_colours(GREY), ALPHA), 1),
    "one bit.png": (array(GREY > 127), HALF, 0),
    "16 bits.png": (array(LEVELS), as_colours(np.rint(LEVELS / 257)), 0),
    "16 bits, transparent.png": (
        one_level_transparent,
        as_colours(np.where(LEVELS[2, 1] == LEVELS, 255, np.rint(LEVELS / 257))),
        0,
    ),
    "palette.png": (palette(), PALETTE[CHOSEN], 0),
    "transparent colour.png": (palette(transparency=2), np.where(CHOSEN[..., None] == 2, 255, PALETTE[CHOSEN]), 0),
    "transparent palette.png": (
        palette(transparency=b"\xff\x00\x64\xff"),
        over_white(PALETTE[CHOSEN], np.array([255, 0, 100, 255])[CHOSEN]),
        1,
    ),
    "transparent rgb.png": (
        array(PALETTE[CHOSEN], transparency=tuple(PALETTE[1].tolist())),
        np.where(CHOSEN[..., None] == 1, 255, PALETTE[CHOSEN]),
        0,
    ),
    "transparent grey.png": (
        array(GREY, transparency=int(GREY[3, 2])),
        as_colours(np.where(GREY[3, 2] == GREY, 255, GREY)),
        0,
    ),
    "red.jpg": (array(RED, quality=95), RED, 3),
    "red.JPEG": (array(RED, quality=95), RED, 3),
    "red.jfif": (array(RED, format="JPEG"), RED, 3),
    "grey.jpg": (array(GREY // 9 + 90, quality=100), as_colours(GREY // 9 + 90), 3),
    "cmyk.jpg": (array(RED, "CMYK", quality=95), RED, 4),
    "two in one.jpg": (two_in_one, RED, 3),
    "colours.webp": (array(COLOURS, lossless=True), COLOURS, 0),
    "alpha.webp": (array(WITH_ALPHA, lossless=True, exact=True), OVER_WHITE, 1),
    "colours.BMP": (array(COLOURS), COLOURS, 0),
    "palette.bmp": (palette(), PALETTE[CHOSEN], 0),
    "palette.gif": (palette(), PALETTE[CHOSEN], 0),
    "transparent.gif": (palette(transparency=3), np.where(CHOSEN[..., None] == 3, 255, PALETTE[CHOSEN]), 0),
    "animated.gif": (animated, PALETTE[CHOSEN], 0),
    "a png in truth.jpg": (array(COLOURS, format="PNG"), COLOURS, 0),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_picture_is_read_as_what_it_means(tmp_path, name):
    write, expected, tolerance = KINDS[name]
    path = tmp_path / name
    write(path)
    colours = only(path, (H, W))
    assert colours.shape == (H, W, 3)
    assert abs(colours - expected.astype(float)).max() <= tolerance
    one = only(path, (H, W), channels=1)
    assert one.shape == (H, W, 1)
    assert abs(one[..., 0] - grey(expected)).max() <= tolerance + 1


def test_16_bits_that_come_as_whole_numbers_are_scaled_as_well(tmp_path):
    """Older versions of Pillow open grey 16-bit PNG files in mode I."""
    path = saved(tmp_path / "a.tif", LEVELS.astype(np.int32))
    assert np.array_equal(only(path, (H, W), channels=1)[..., 0], np.rint(LEVELS / 257))


UPRIGHT = {  # of the stored array: EXIF 2.32, table 4.6.4, tag Orientation
    0: lambda a: a,
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
    9: lambda a: a,  # there is none such
}


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_pictures_are_turned_upright(tmp_path, orientation, ending):
    stored = np.array([[[250, 0, 0], [0, 250, 0], [0, 0, 250]], [[250, 250, 250], [0, 0, 0], [250, 250, 0]]], np.uint8)
    stored = stored.repeat(16, axis=0).repeat(16, axis=1)  # JPEG keeps large squares as they are
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"turned.{ending}", stored, exif=exif, quality=95)
    expected = UPRIGHT[orientation](stored)
    read = only(path, expected.shape[:2])
    assert abs(read[8::16, 8::16] - expected[8::16, 8::16].astype(float)).max() < 12


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0nonsense",
        b"Exif\0\0MM\0*\0\0\0\x08",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(40)),
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\2\0\0\0\4abc\0\0\0\0\0",  # orientation "abc"
        b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\x01\3\0\0\0\0\x10\0\0\0\0",  # 2^28 orientations
    ],
)
def test_odd_metadata_are_nobodys_trouble(tmp_path, exif, capfd):
    assert abs(only(saved(tmp_path / "a.jpg", RED, exif=exif), (H, W)) - RED.astype(int)).max() <= 3
    assert capfd.readouterr().err == "reading 1 image to 6x4x3: 0.0 MB in memory\n"


# Sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "size", "rows", "columns"),
    [
        ((12, 9), (12, 5), slice(0, 12), slice(2, 7)),
        ((17, 5), (12, 5), slice(2, 14), slice(0, 5)),
        ((12, 5), (12, 5), slice(0, 12), slice(0, 5)),
        ((12, 6), (12, 5), slice(0, 12), slice(0, 5)),  # half a pixel off the centre, but sharp
    ],
)
def test_a_crop_that_needs_no_resize_has_the_very_pixels_of_the_middle(tmp_path, stored, size, rows, columns):
    content = pixels(*stored, 3)
    assert np.array_equal(only(saved(tmp_path / "a.png", content), size), content[rows, columns])


@pytest.mark.parametrize("size", [(8, 8), (16, 16), (5, 5), (10, 10), (12, 4)])
@pytest.mark.parametrize("across", [False, True])
def test_crop_keeps_the_middle_and_squash_keeps_everything(tmp_path, size, across):
    bands = np.zeros((30, 10, 3), np.uint8)
    for i in range(3):
        bands[10 * i : 10 * i + 10, :, i] = 255  # red, green, blue, one below the other
    if across:
        bands, size = bands.swapaxes(0, 1), size[::-1]
    path = saved(tmp_path / "bands.png", bands)
    crop, squash = (only(path, size, fit=fit).astype(int) for fit in ("crop", "squash"))
    assert crop.shape == squash.shape == (*size, 3)
    if across:
        crop, squash = crop.swapaxes(0, 1), squash.swapaxes(0, 1)
    if size[0] == size[1]:
        assert (crop == [0, 255, 0]).all()
    else:  # three times as long as it is broad: both keep everything
        assert abs(crop - squash).max() <= 1
    assert (abs(squash[[0, -1], 1:-1] - [[[255, 0, 0]], [[0, 0, 255]]]) <= 8).all()


def test_one_number_is_both_sides(tmp_path):
    path = saved(tmp_path / "a.png", np.zeros((9, 7, 3), np.uint8))
    assert only(path, 5).shape == only(path, (5, 5)).shape == (5, 5, 3)


def test_a_resize_averages_and_does_not_drop_pixels(tmp_path):
    chessboard = as_colours(np.where(np.indices((64, 96)).sum(axis=0) % 2, 255, 0).astype(np.uint8))
    read = only(saved(tmp_path / "a.png", chessboard), (8, 12))
    assert abs(read[2:-2, 2:-2] - 127.5).max() < 4


def test_one_pixel_is_an_image(tmp_path):
    for size in ((1, 1), (7, 5), (1, 90), (90, 1)):
        assert (only(saved(tmp_path / "a.png", np.uint8([[[9, 80, 200]]])), size) == [9, 80, 200]).all()


@pytest.mark.parametrize(("fit", "middle"), [("crop", 1), ("squash", 9)])
def test_a_very_wide_picture_is_fine(tmp_path, fit, middle):
    wide = np.full((40, 30_000), 200, np.uint8)
    wide[:, 14_900:15_100] = 50
    read = only(saved(tmp_path / "wide.png", wide), (16, 9), fit=fit, channels=1)
    assert read.shape == (16, 9, 1) and (read == 50).all() == (fit == "crop")


def test_large_photographs_are_decoded_at_a_part_of_their_size(tmp_path):
    waves = np.sin(np.arange(1600) / 97)[None, :, None] * np.cos(np.arange(1200) / 61)[:, None, None]
    photograph = (127.5 + 100 * waves + np.array([0, 10, 20])).astype(np.uint8)
    path = saved(tmp_path / "a.jpg", photograph, quality=95)
    for side, size in ((30, (200, 150)), (37, (200, 150)), (38, (400, 300)), (151, (1600, 1200)), (999, (1600, 1200))):
        assert decoding.read_picture(path, side=side).size == size
    whole = fitting.fitted(Image.fromarray(photograph), fitting.Target((70, 50)))
    assert abs(only(path, (70, 50)) - np.asarray(whole, int)).max() <= 3


@pytest.mark.parametrize(
    ("size", "options", "words"),
    [
        ("64", {}, "size is .64.; wanted .height, width."),
        ((64,), {}, "size"),
        ((64, 64, 3), {}, "size"),
        ((64.0, 64), {}, "size"),
        ((0, 64), {}, "size"),
        ((64, -1), {}, "size"),
        ((True, 64), {}, "size"),
        ((64, 64), {"fit": "stretch"}, "fit is 'stretch'; wanted one of crop, squash, pad"),
        ((64, 64), {"channels": 4}, "channels is 4; wanted 1 .grey. or 3"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, size, options, words):
    with pytest.raises(SettingsError, match=words):
        images(tmp_path, size, **options)


@pytest.mark.parametrize("side", [10**7, 10**10])
@pytest.mark.parametrize("known", [True, False])  # Windows does not say how much memory there is
def test_what_does_not_fit_into_memory_is_refused_in_words(tmp_path, monkeypatch, side, known):
    saved(tmp_path / "a.png", COLOURS)
    if not known:
        monkeypatch.delattr(os, "sysconf", raising=False)
    with pytest.raises(DataError, match=r"1 image of 10+x10+ need [\d,.]+ MB.*smaller size"):
        images(tmp_path, (side, side))


def test_more_than_the_machine_has_is_refused_though_the_system_would_promise_it(tmp_path, monkeypatch, capsys):
    for i in range(2):
        saved(tmp_path / f"{i}.png", COLOURS)
    has = {"SC_PHYS_PAGES": 2 * 100, "SC_PAGE_SIZE": 100 * 3}
    monkeypatch.setattr(os, "sysconf", has.get, raising=False)
    assert len(images(tmp_path, (100, 100))) == 2
    with pytest.raises(DataError, match=r"2 images of 100x101 need 0\.1 MB in memory, which is more than there is"):
        images(tmp_path, (100, 101))
    assert capsys.readouterr().err.endswith("reading 2 images to 100x101x3: 0.1 MB in memory\n")


# Finding -------------------------------------------------------------------------------------------------------------


def colour(i):
    return np.full((2, 2, 3), i, np.uint8)


def test_images_are_found_in_all_folders_in_natural_order(tmp_path):
    inside = ["1.png", "2.png", "10.PNG", "a/7.bmp", "B/x9.gif", "B/x10.gif", "c.png/1/deep.png", "c.png/0007.png"]
    order = ["1.png", "2.png", "10.PNG", "a/7.bmp", "B/x9.gif", "B/x10.gif", "c.png/1/deep.png", "c.png/0007.png"]
    for i, name in enumerate(reversed(inside)):
        saved(tmp_path / name, colour(i))
    for name in (".hidden.png", "._1.png", ".git/a.png", "a/.thumbs/b.png"):
        saved(tmp_path / name, colour(99))
    for name in ("notes.txt", "png", "labels.csv", "a/image.png.bak"):
        (tmp_path / name).write_text("not an image", encoding="utf-8")
    assert [path.as_posix() for path in list_images(tmp_path)] == order
    read = images(str(tmp_path), (2, 2))
    assert read.name == str(tmp_path) and read.labels is None
    assert read.images[:, 0, 0, 0].tolist() == [len(inside) - 1 - inside.index(name) for name in order]


def test_the_order_is_the_names_and_not_the_file_systems(tmp_path, monkeypatch):
    names = ["b/2.png", "b/02.png", "B/2.png", "a2/1.png", "a10/1.png", "A3/1.png", "é.png", "z.png", "2.png", "a.png"]
    for name in names:
        saved(tmp_path / name, colour(1))
    listed = [path.as_posix() for path in list_images(tmp_path)]
    assert [name for name in listed if name[0] in "aA"] == ["a2/1.png", "A3/1.png", "a10/1.png", "a.png"]
    scandir = os.scandir

    class Reversed:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

        __enter__ = __iter__ = lambda self: self
        __exit__ = lambda self, *error: None  # noqa: E731
        __next__ = lambda self: next(self.entries)  # noqa: E731

    monkeypatch.setattr(os, "scandir", Reversed)
    assert [path.as_posix() for path in list_images(tmp_path)] == listed


def test_many_images_each_land_in_their_place(tmp_path):
    for i in range(100):
        saved(tmp_path / f"{i}.png", colour(i))
    assert images(tmp_path, (2, 2)).images[:, 1, 1, 2].tolist() == list(range(100))


def test_links_are_followed_but_not_in_circles(tmp_path):
    saved(tmp_path / "elsewhere" / "1.png", COLOURS)
    saved(tmp_path / "set" / "2.png", COLOURS)
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "self").symlink_to(tmp_path / "set")
    assert [path.as_posix() for path in list_images(tmp_path / "set")] == ["2.png", "linked/1.png"]


def file_of(name, content=b"?"):
    def make(path):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, ["holds no images", ".png, .jpg", "it is empty"]),
        (lambda path: (path / "x.png").mkdir(), ["holds no images", "it is empty"]),
        (file_of(".hidden.png"), ["holds no images", "it is empty"]),
        (file_of("a/notes.txt"), ["found other files: 1 .txt"]),
        (file_of("README"), ["1 without an ending"]),
        (file_of("train-images-idx3-ubyte.gz"), ["train-images-idx3-ubyte.gz is an array file", "its path"]),
        (file_of("sub/faces.npy"), ["sub/faces.npy is an array file"]),
        (lambda path: path.rmdir(), ["does not exist", "a folder of images"]),
        (lambda path: (path.rmdir(), path.write_bytes(b"")), ["is a file", "a folder of images"]),
    ],
)
def test_a_folder_without_images_is_an_error_that_says_what_is_there(tmp_path, make, words):
    path = tmp_path / "set"
    path.mkdir()
    make(path)
    with pytest.raises(DataError) as caught:
        images(path, (2, 2))
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    for name in ("1.png", "locked/2.png"):
        saved(tmp_path / name, COLOURS)
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match="locked cannot be read: Permission denied"):
        images(tmp_path, (2, 2))


# Damage --------------------------------------------------------------------------------------------------------------

NOISE = pixels(60, 50, 3)
PNG = encoded(NOISE)


def huge_png(side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))


def cut(kind, share, **options):
    content = encoded(NOISE, kind, **options)
    return content[: int(len(content) * share)]


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


DAMAGE = {
    "half a.png": (cut("PNG", 0.5), "truncated"),
    "most of a.png": (cut("PNG", 0.95), "truncated"),
    "head of a.png": (PNG[:20], ""),
    "signature.png": (PNG[:8], ""),
    "wrong byte.png": (flipped(PNG, PNG.index(b"IDAT") + 500), "damaged"),
    "half a.jpg": (cut("JPEG", 0.5), "truncated"),
    "most of a.jpg": (cut("JPEG", 0.9), "truncated"),
    "half a.webp": (cut("WEBP", 0.5), ""),
    "half a.gif": (cut("GIF", 0.5), "truncated"),
    "half a.bmp": (cut("BMP", 0.5), "truncated"),
    "empty.png": (b"", "an empty file"),
    "text.png": (b"I am no picture.\n", "not an image"),
    "another kind.png": (encoded(NOISE, "TGA"), "not an image, or not PNG, JPEG"),
    "bomb.png": (huge_png(30_000), "too large: Image size (900000000 pixels)"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_named_with_the_reason(tmp_path, name):
    content, words = DAMAGE[name]
    saved(tmp_path / "good.png", COLOURS)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        images(tmp_path, (H, W))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}: 1 of 2 images cannot be used:\n  {name}: ")
    assert (
        words in message and "move them out" in message and "skip_damaged=True" in message and "good.png" not in message
    )


def test_a_link_to_nothing_is_a_damaged_file(tmp_path):
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match="gone.png: No such file"):
        images(tmp_path, (2, 2), cache=tmp_path / "kept")


def test_all_files_are_read_and_the_first_five_that_fail_are_named(tmp_path):
    for i in range(40):
        saved(tmp_path / f"{i}.png", COLOURS)
    bad = [3, 8, 9, 17, 20, 21, 39]
    for i in bad:
        (tmp_path / f"{i}.png").write_bytes(PNG[: 100 + i])
    with pytest.raises(DataError) as caught:
        images(tmp_path, (2, 2))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("7 of 40 images cannot be used:")
    assert [line.split(":")[0] for line in lines[1:6]] == [f"  {i}.png" for i in bad[:5]]
    assert lines[6] == "  and 2 more" and len(lines) == 8


@pytest.mark.parametrize(("limit", "fine"), [(NOISE.size // 3, True), (NOISE.size // 3 - 1, True), (1499, False)])
def test_large_pictures_are_read_up_to_pillows_limit_without_its_warning(tmp_path, monkeypatch, limit, fine):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # it warns from here on and refuses from twice this
    path = saved(tmp_path / "a.png", NOISE)
    if fine:
        assert np.array_equal(only(path, (60, 50)), NOISE)
    else:
        with pytest.raises(DataError, match="a.png: too large"):
            only(path, (60, 50))


# What a person sees --------------------------------------------------------------------------------------------------


def test_the_memory_is_said_first_and_enlarged_images_are_counted(tmp_path, capsys):
    for i, size in enumerate([(40, 40), (39, 80), (80, 29), (40, 30), (1, 1)]):
        saved(tmp_path / f"{i}.png", pixels(*size, 3))
    images(tmp_path, (40, 30))
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        "reading 5 images to 40x30x3: 0.0 MB in memory",
        "note: 3 of 5 images are smaller than 40x30 and were enlarged",
    ]


def test_a_terminal_gets_a_progress_bar(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for i in range(9):
        saved(tmp_path / f"{i}.png", COLOURS)
    monkeypatch.setattr(sys, "stderr", Terminal())
    images(tmp_path, (2, 2))
    assert "9/9" in sys.stderr.getvalue()


def test_a_program_without_a_console_reads_images_too(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", COLOURS)
    monkeypatch.setattr(sys, "stderr", None)
    assert np.array_equal(only(path, (H, W)), COLOURS)


# The cache -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """A folder of three images, its cache, and the array that was read first."""
    source, cache = tmp_path / "set", tmp_path / "not yet" / "cache"
    for i in range(3):
        saved(source / f"{i}.png", pixels(9, 7, 3, seed=i))
    first = images(source, (5, 4), cache=cache).images
    assert [path.name[:7] for path in cache.iterdir()] == ["images-"]
    return source, cache, first


def no_decoding(*arguments):
    raise AssertionError("a file was decoded")


def test_the_cache_spares_the_decoding(kept, monkeypatch, capsys):
    source, cache, first = kept
    monkeypatch.setattr(folder, "read_picture", no_decoding)
    again = images(source, (5, 4), cache=cache)
    assert np.array_equal(again.images, first) and again.name == str(source)
    assert "3 images of 5x4x3 from" in capsys.readouterr().err
    monkeypatch.chdir(source.parent)
    assert np.array_equal(images("set", (5, 4), cache="not yet/cache").images, first)  # the same folder
    assert len(list(cache.iterdir())) == 1
    assert np.array_equal(np.load(next(cache.iterdir())), first)  # an ordinary .npy file


def touch(path):
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))


CHANGES = {
    "touched": lambda source: touch(source / "1.png"),
    "another size in bytes": lambda source: (source / "1.png").write_bytes(encoded(COLOURS)),
    "renamed": lambda source: (source / "2.png").rename(source / "3.png"),
    "one less": lambda source: (source / "1.png").unlink(),
    "one more": lambda source: saved(source / "sub" / "4.png", COLOURS),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_is_read_again(kept, monkeypatch, change):
    source, cache, _ = kept
    status = (source / "1.png").stat()
    CHANGES[change](source)
    if change == "another size in bytes":
        os.utime(source / "1.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    read = images(source, (5, 4), cache=cache).images
    assert np.array_equal(read, images(source, (5, 4)).images)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(folder, "read_picture", no_decoding)
    assert np.array_equal(images(source, (5, 4), cache=cache).images, read)


def test_another_target_or_folder_has_a_cache_of_its_own(kept):
    source, cache, _ = kept
    for size, options in (((4, 5), {}), ((5, 4), {"fit": "squash"}), ((5, 4), {"channels": 1})):
        read = images(source, size, cache=cache, **options).images
        assert np.array_equal(read, images(source, size, **options).images)
    source.rename(source.with_name("moved"))
    images(source.with_name("moved"), (5, 4), cache=cache)
    assert len(list(cache.iterdir())) == 5


def foreign(array):
    """A whole file, but with an array of another kind."""
    file = io.BytesIO()
    np.save(file, array)
    return lambda content: file.getvalue() + zlib.crc32(array.tobytes()).to_bytes(4)


def npz(content):
    file = io.BytesIO()
    np.savez(file, images=np.zeros((3, 5, 4, 3), np.uint8))
    return file.getvalue()


SPOILED = {
    "empty": lambda content: b"",
    "a header": lambda content: content[:80],
    "truncated": lambda content: content[:-20],
    "without its checksum": lambda content: content[:-4],
    "longer": lambda content: content + b"\0",
    "text": lambda content: b"nothing of the kind",
    "one wrong pixel": lambda content: flipped(content, 128 + 77),
    "a wrong header": lambda content: flipped(content, 9),
    "another shape": foreign(np.zeros((3, 4, 5, 3), np.uint8)),
    "another dtype": foreign(np.zeros((3, 5, 4, 3), np.int8)),
    "floats": foreign(np.zeros((3, 5, 4, 3))),
    "a pickle": lambda content: pickle.dumps(content),
    "an archive": npz,
}


@pytest.mark.parametrize("case", SPOILED)
def test_a_damaged_cache_is_written_anew(kept, case):
    source, cache, first = kept
    path = next(cache.iterdir())
    content = path.read_bytes()
    path.write_bytes(SPOILED[case](content))
    assert np.array_equal(images(source, (5, 4), cache=cache).images, first)
    assert path.read_bytes() == content and list(cache.iterdir()) == [path]


def full_disk(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("cache", "save", "words"),
    [
        ("a file/cache", np.save, "Not a directory"),
        ("a file", np.save, "File exists"),
        ("full", full_disk, "No space left on device"),
        ("set", np.save, "in the folder of the images itself"),
        ("set/cache", np.save, "in the folder of the images itself"),
    ],
)
def test_a_cache_that_cannot_be_written_is_a_note(tmp_path, monkeypatch, capsys, cache, save, words):
    saved(tmp_path / "set" / "a.png", COLOURS)
    (tmp_path / "a file").write_text("", encoding="utf-8")
    monkeypatch.setattr(np, "save", save)
    assert np.array_equal(images(tmp_path / "set", (H, W), cache=tmp_path / cache).images[0], COLOURS)
    error = capsys.readouterr().err
    assert "note: the decoded images are not kept" in error and words in error
    assert sorted(path.name for path in tmp_path.rglob("*")) in (
        ["a file", "a.png", "set"],
        ["a file", "a.png", "full", "set"],
    )


# Faces ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "doubled"),  # in an image 100 high and 60 wide
    [
        ((20, 40, 10, 20), (15, 30, 20, 40)),
        ((20, 40, 5, 7), (17, 36, 10, 14)),  # odd: half a pixel to the left and up
        ((2, 3, 10, 10), (0, 0, 17, 18)),  # a negative start would count from the other side
        ((50, 90, 10, 10), (45, 85, 15, 15)),
        ((0, 0, 60, 100), (0, 0, 60, 100)),
        ((-5, 95, 8, 8), (0, 91, 7, 9)),  # half outside, as detectors have it
        ((20.5, 40.25, 9.0, 1.5), (16, 39, 18, 3)),
        ((59.6, 99.7, 0.1, 0.1), (59, 99, 1, 1)),
    ],
)
def test_a_box_is_doubled_around_its_centre_and_kept_inside(box, doubled):
    assert double_box(box, (100, 60)) == doubled


@pytest.mark.parametrize(
    "box",
    [
        (60, 5, 3, 3),
        (5, 100, 3, 3),
        (70, 5, 90, 3),  # x and y exchanged: it would be inside
        (-3, 5, 3, 3),
        (5, -9, 3, 3),
        (5, 5, 0, 3),
        (5, 5, 3, -1),
        (float("nan"), 5, 3, 3),
        (5, 5, float("inf"), 3),
    ],
)
def test_a_box_that_is_none_or_outside_is_refused(box):
    with pytest.raises(DataError, match="the box"):
        double_box(box, (100, 60))


def photograph(path, h, w, **options):
    """Each pixel holds its own row and column."""
    rows, columns = np.mgrid[:h, :w]
    return saved(path, np.stack([rows, columns, 0 * rows], axis=-1).astype(np.uint8), **options)


def extent(path):
    """First row, first column, height, width of the part of a photograph that a face is."""
    with Image.open(path) as face:
        assert face.mode == "RGB" and face.format == "PNG"
        content = np.asarray(face)
    top, left = content[0, 0, :2].tolist()
    h, w = content.shape[:2]
    assert np.array_equal(content[..., 0], np.mgrid[top : top + h, left : left + w][0])
    assert np.array_equal(content[..., 1], np.mgrid[top : top + h, left : left + w][1])
    return top, left, h, w


@pytest.fixture
def album(tmp_path):
    """Photographs in two folders, 100 high and 60 wide."""
    for name in ("a/1.png", "a/10.png", "b/1.png"):
        photograph(tmp_path / "album" / name, 100, 60)
    return tmp_path / "album"


def listed(tmp_path, *rows, header="file,x,y,width,height", encoding="utf-8"):
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding)
    return path


def test_faces_are_cut_out_of_all_folders(album, tmp_path):
    boxes = listed(tmp_path, "a/1.png,20,40,10,20", "", "  , ,,,", "b/1.png, 2,3,10,10", "./a/1.png,50,90,10,10")
    target = tmp_path / "new" / "faces"
    counts = crop_faces(album, target, boxes=boxes)
    assert counts == Crops(images=3, faces=3, without_face=1)
    assert {path.name: extent(path) for path in target.iterdir()} == {
        "000000-1-0.png": (30, 15, 40, 20),
        "000000-1-1.png": (85, 45, 15, 15),
        "000002-1-0.png": (0, 0, 18, 17),
    }
    assert len(images(target, (8, 8))) == 3


def test_a_table_as_spreadsheets_write_it_will_do(album, tmp_path):
    boxes = listed(tmp_path, '"a/1.png","20.0",40,10,20', header=" file,x,y, width,height", encoding="utf-8-sig")
    assert crop_faces(album, tmp_path / "faces", boxes=str(boxes)).faces == 1


def test_boxes_mean_the_upright_photograph(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8  # stored lying on its right side
    stored = np.rot90(np.stack([*np.mgrid[:100, :60], np.zeros((100, 60))], axis=-1).astype(np.uint8), -1)
    saved(tmp_path / "album" / "a.png", np.ascontiguousarray(stored), exif=exif)
    crop_faces(tmp_path / "album", tmp_path / "faces", boxes=listed(tmp_path, "a.png,20,70,10,20"))
    assert extent(tmp_path / "faces" / "000000-a-0.png") == (60, 15, 40, 20)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["a/1.png,1,2,3,4", "", "a/7.png,1,2,3,4"], "line 4: a/7.png is not among the images"),
        (["a/1.png,1,two,3,4"], "line 2: .*'two'.*in pixels"),
        (["a/1.png,1,,3,4"], "line 2: .*''"),
        (["a/1.png,1,2,3"], "line 2: 4 columns"),
        (["a/1.png,1,2,3,4,5"], "line 2: 6 columns"),
        (['a/1.png,1,2,3,"4'], "is not a CSV file"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_before_anything_is_written(album, tmp_path, rows, words):
    with pytest.raises(DataError, match=f"boxes.csv.*{words}"):
        crop_faces(album, tmp_path / "faces", boxes=listed(tmp_path, *rows))
    assert not (tmp_path / "faces").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the header is ''"),
        (b"a/1.png,1,2,3,4\n", "the header is 'a/1.png,1,2,3,4'; wanted file,x,y,width,height"),
        (b"file;x;y;width;height\n", "wanted file,x,y,width,height"),
        (b"\xff\xfe\0\0", "is not a CSV file"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_no_table_is_refused(album, tmp_path, content, words):
    if content is not None:
        (tmp_path / "boxes.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        crop_faces(album, tmp_path / "faces", boxes=tmp_path / "boxes.csv")


def test_the_rest_is_cut_out_before_a_bad_box_or_file_is_reported(album, tmp_path):
    (album / "a" / "10.png").write_bytes(PNG[:100])
    boxes = listed(tmp_path, "a/1.png,20,40,10,20", "a/10.png,1,1,1,1", "b/1.png,90,40,10,10")
    with pytest.raises(DataError) as caught:
        crop_faces(album, tmp_path / "faces", boxes=boxes)
    message = str(caught.value)
    for words in (
        "2 of 3 images",
        "a/10.png: truncated",
        f"{boxes} line 4: b/1.png: the box (90, 40, 10, 10) is outside",
        "60 pixels wide and 100 high",
        "has the 1 face of the others",
    ):
        assert words in message
    assert [path.name for path in (tmp_path / "faces").iterdir()] == ["000000-1-0.png"]


def test_nothing_is_overwritten(album, tmp_path):
    boxes = listed(tmp_path, "a/1.png,20,40,10,20")
    crop_faces(album, tmp_path / "faces", boxes=boxes)
    (face,) = (tmp_path / "faces").iterdir()
    face.write_bytes(b"retouched")
    with pytest.raises(FileError, match="faces has something in it"):
        crop_faces(album, tmp_path / "faces", boxes=boxes)
    assert face.read_bytes() == b"retouched"
    with pytest.raises(FileError, match=r"boxes\.csv cannot be made: File exists"):
        crop_faces(album, boxes, boxes=boxes)
    (tmp_path / "empty").mkdir()
    assert crop_faces(album, tmp_path / "empty", boxes=boxes).faces == 1


def test_faces_among_the_photographs_are_refused(album, tmp_path):
    with pytest.raises(SettingsError, match="would count as photographs"):
        crop_faces(album, album / "a" / "faces", boxes=listed(tmp_path))
    assert not (album / "a" / "faces").exists()


# Finding faces -------------------------------------------------------------------------------------------------------


def test_without_opencv_it_is_said_what_to_install(album, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SettingsError, match=r'pip install "minigan\[faces\]".*boxes'):
        crop_faces(album, tmp_path / "faces")
    monkeypatch.setitem(sys.modules, "cv2", types.SimpleNamespace(__version__="5.0.0"))
    with pytest.raises(SettingsError, match="OpenCV 5.0.0 has no cascade classifiers"):
        crop_faces(album, tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


class Classifier:
    """Stands for OpenCV's: finds two faces in the second photograph."""

    calls = 0

    def load(self, path):
        return Path(path).read_text(encoding="utf-8") == "cascade"

    def detectMultiScale(self, grey):
        assert grey.shape == (100, 60) and grey.dtype == np.uint8
        Classifier.calls += 1
        return np.array([[50, 90, 10, 10], [20, 40, 10, 20]], np.int32) if Classifier.calls == 2 else ()


@pytest.fixture
def opencv(tmp_path, monkeypatch):
    supplied = tmp_path / "supplied"
    supplied.mkdir()
    (supplied / "haarcascade_frontalcatface.xml").write_text("cascade", encoding="utf-8")
    Classifier.calls = 0
    cv2 = types.SimpleNamespace(
        CascadeClassifier=Classifier,
        data=types.SimpleNamespace(haarcascades=str(supplied) + os.sep),
        cvtColor=lambda image, code: grey(image).astype(np.uint8),
        COLOR_RGB2GRAY=7,
        error=RuntimeError,
    )
    monkeypatch.setitem(sys.modules, "cv2", cv2)


def test_what_the_classifier_finds_is_cut_out(album, tmp_path, opencv):
    assert crop_faces(album, tmp_path / "faces") == Crops(images=3, faces=2, without_face=2)
    assert {path.name: extent(path) for path in (tmp_path / "faces").iterdir()} == {
        "000001-10-0.png": (30, 15, 40, 20),  # from left to right, however OpenCV had them
        "000001-10-1.png": (85, 45, 15, 15),
    }


@pytest.mark.parametrize(
    ("cascade", "words"),
    [("haarcascade_dog.xml", "is no file; OpenCV comes with .*haarcascade_frontalcatface.xml"), ("own", "cannot read")],
)
def test_a_cascade_that_is_none_is_refused(album, tmp_path, opencv, monkeypatch, cascade, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").write_text("my own", encoding="utf-8")
    with pytest.raises(SettingsError, match=f"cascade is '{cascade}'.*{words}"):
        crop_faces(album, tmp_path / "faces", cascade=cascade)
    (tmp_path / "own").write_text("cascade", encoding="utf-8")
    assert crop_faces(album, tmp_path / "faces", cascade="own").faces == 2


def test_opencv_itself_takes_part(album, tmp_path):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("OpenCV 5 has no cascade classifiers")
    assert crop_faces(album, tmp_path / "faces") == Crops(images=3, faces=0, without_face=3)
    assert list((tmp_path / "faces").iterdir()) == []
    (tmp_path / "own.xml").write_text("<no cascade>", encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot read"):
        crop_faces(album, tmp_path / "more", cascade=str(tmp_path / "own.xml"))
