"""Pictures: pixels, the geometry of grids, files that Pillow can open, and what is not imported to make them."""

import socket
import subprocess
import sys
import zlib

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from minigan import data, pictures
from minigan.errors import FileError

GAP = 32  # the grey between the images of a grid


def levels(*shape, seed=0):
    """Random bytes, none of which is the colour of a gap."""
    drawn = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
    return np.where(drawn >= GAP, drawn + 1, drawn).astype(np.uint8)


def scaled(images):
    return images / np.float32(127.5) - 1


# Pixels --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_level_survives_the_way_to_floats_and_back(dtype):
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    back = pictures.to_uint8(every.astype(dtype) / 127.5 - 1)
    assert back.dtype == np.uint8 and np.array_equal(back, every)


def test_pixels_are_rounded_to_the_nearest_level_and_clipped():
    x = np.linspace(-1, 1, 10_001)
    assert abs(pictures.to_uint8(x) - (x + 1) * 127.5).max() <= 0.5 + 1e-9
    outside = np.array([-np.inf, -9, -1.01, 1.01, 9, np.inf], np.float32)
    assert pictures.to_uint8(outside).tolist() == [0, 0, 0, 255, 255, 255]


# Grids ---------------------------------------------------------------------------------------------------------------


def bands(inside):
    """The slices of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    return [slice(start, stop) for start, stop in edges.reshape(-1, 2)]


@pytest.mark.parametrize(
    ("n", "h", "w", "c", "columns", "rows_and_columns"),
    [
        (25, 28, 28, 1, 5, (5, 5)),
        (1, 28, 28, 1, None, (1, 1)),
        (7, 6, 5, 1, 3, (3, 3)),
        (7, 5, 11, 3, None, (3, 3)),
        (6, 6, 5, 3, None, (2, 3)),
        (4, 7, 3, 1, 1, (4, 1)),
        (3, 6, 5, 1, 8, (1, 3)),  # no more columns than images
        (3, 260, 300, 3, 2, (2, 2)),  # large images keep their size
    ],
)
def test_image_i_of_a_grid_is_at_row_and_column(n, h, w, c, columns, rows_and_columns):
    images = levels(n, h, w, c)
    picture = pictures.grid(scaled(images), columns)
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == c

    gap = (picture == GAP).all(axis=2)
    rows, places = bands(~gap.all(axis=1)), bands(~gap.all(axis=0))
    assert (len(rows), len(places)) == rows_and_columns
    scale = (rows[0].stop - rows[0].start) // h
    assert scale == 1 or 2 / 3 <= scale * max(len(rows) * h, len(places) * w) / pictures.GRID_SIDE <= 3 / 2
    for i in range(len(rows) * len(places)):
        tile = picture[rows[i // len(places)], places[i % len(places)]]
        assert tile.shape == (h * scale, w * scale, c)
        if i < n:
            assert np.array_equal(tile, images[i].repeat(scale, axis=0).repeat(scale, axis=1))
        else:
            assert (tile == GAP).all()  # the last row is not full


@pytest.mark.parametrize(("h", "w"), [(28, 28), (6, 5), (3, 90)])
def test_small_images_are_enlarged_to_about_the_same_size(h, w):
    side = max(pictures.grid(scaled(levels(25, h, w, 1))).shape)
    assert pictures.GRID_SIDE / 2 < side < pictures.GRID_SIDE * 1.25


# PNG -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("c", "mode"), [(1, "L"), (3, "RGB")])
def test_a_png_has_the_right_mode_and_the_very_pixels(tmp_path, c, mode):
    picture = levels(7, 11, c)
    pictures.save_png(tmp_path / "grid.png", picture)
    with Image.open(tmp_path / "grid.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", mode, (11, 7))
        assert np.array_equal(np.asarray(image).reshape(7, 11, c), picture)


def test_a_png_replaces_another_only_if_it_may(tmp_path):
    path = tmp_path / "grid.png"
    pictures.save_png(path, levels(7, 11, 1, seed=1))
    first = path.read_bytes()
    with pytest.raises(FileError, match="grid.png exists already"):
        pictures.save_png(path, levels(7, 11, 1, seed=2), overwrite=False)
    assert path.read_bytes() == first
    pictures.save_png(path, levels(7, 11, 1, seed=2))
    assert path.read_bytes() != first


# The film ------------------------------------------------------------------------------------------------------------

COLOURS = [(250, 10, 20), (10, 250, 20), (20, 10, 250), (255, 255, 255), (0, 0, 0)]


def frame(path, color, size=(9, 6)):
    """A frame of one colour with a corner of another."""
    pixels = np.full((size[1], size[0], 3), color, np.uint8)
    pixels[:2, :2] = 128
    pictures.save_png(path, pixels)
    return path, pixels


def test_the_film_has_the_frames_in_the_order_given(tmp_path):
    # names in another order than the frames: sorting is not the film's business
    made = [frame(tmp_path / f"{9 - i}.png", color) for i, color in enumerate(COLOURS)]
    pictures.save_gif(tmp_path / "film.gif", [path for path, _ in made], seconds=0.2)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == len(COLOURS) and film.size == (9, 6)
        assert film.info["loop"] == 0  # for ever
        durations = []
        for i, (_, pixels) in enumerate(made):
            film.seek(i)
            assert np.array_equal(np.asarray(film.convert("RGB")), pixels)
            durations.append(film.info["duration"])
    assert durations == [200, 200, 200, 200, 600]


def test_a_film_of_one_grid_is_that_grid(tmp_path):
    picture = pictures.grid(np.linspace(-1, 1, 4 * 6 * 5).reshape(4, 6, 5, 1))
    pictures.save_png(tmp_path / "000000.png", picture)
    pictures.save_gif(tmp_path / "film.gif", [tmp_path / "000000.png"])
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 1
        assert np.array_equal(np.asarray(film.convert("RGB")), picture.repeat(3, axis=2))


def nonsense_chunk(png):
    """Half of the pixels, then a chunk of no known kind."""

    def chunk(kind, content):
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    start = png.index(b"IDAT")
    length = int.from_bytes(png[start - 4 : start])
    return png[: start - 4] + chunk(b"IDAT", png[start + 4 :][: length // 2]) + chunk(b"\0\1\2\3", b"")


def wrong_pixel_byte(png):
    place = png.index(b"IDAT") + 20
    return png[:place] + bytes([png[place] ^ 0xFF]) + png[place + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda png: None,  # missing
        lambda png: b"",
        lambda png: b"not a picture",
        lambda png: png[:5],
        lambda png: png[:20],
        lambda png: png[: png.index(b"IDAT") + 10],
        lambda png: png[: len(png) // 2],
        nonsense_chunk,
        wrong_pixel_byte,
    ],
    ids=["missing", "empty", "text", "signature", "header", "no pixels", "half", "nonsense chunk", "pixel byte"],
)
def test_a_damaged_frame_is_an_error_that_names_it(tmp_path, damage):
    film = tmp_path / "film.gif"
    film.write_bytes(b"the film of before")
    good, _ = frame(tmp_path / "000000.png", COLOURS[0])
    bad = tmp_path / "003000.png"
    pictures.save_png(bad, levels(60, 60, 3))
    content = damage(bad.read_bytes())
    bad.unlink() if content is None else bad.write_bytes(content)
    with pytest.raises(FileError, match="003000.png"):
        pictures.save_gif(film, [good, bad])
    assert film.read_bytes() == b"the film of before"


def test_a_film_without_frames_is_refused(tmp_path):
    with pytest.raises(FileError, match="film.gif"):
        pictures.save_gif(tmp_path / "film.gif", [])
    assert not any(tmp_path.iterdir())


# Curves --------------------------------------------------------------------------------------------------------------


def history(rows, **spoiled):
    columns = {"step": [100.0 * (i + 1) for i in range(rows)]}
    for name in ("d_loss", "g_loss", "d_accuracy"):
        columns[name] = [0.5 + 0.4 * np.sin(i + len(name)) for i in range(rows)]
    return columns | spoiled


def curves(path, columns, undecided=1.386):
    pictures.save_curves(path, columns, undecided)
    with Image.open(path) as image:
        assert image.format == "PNG" and min(image.size) >= 400
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("rows", [0, 1, 2, 300])
def test_curves_are_drawn_of_any_number_of_rows(tmp_path, rows):
    """No rows: a run that was stopped before its first row still gets its picture."""
    assert (curves(tmp_path / "losses.png", history(rows)) != 255).any()


@pytest.mark.parametrize(("losses", "marker"), [([1.0], "o"), ([np.nan, 1.0], "o"), ([1.0, 2.0], "None")])
def test_a_lone_row_is_a_point_since_its_line_has_no_length(losses, marker):
    axes = Figure().subplots()
    pictures._plot(axes, {"step": range(len(losses)), "d_loss": losses}, "d_loss", "D", "tab:red")
    assert axes.lines[0].get_marker() == marker


@pytest.mark.parametrize("name", ["d_loss", "g_loss", "d_accuracy"])
def test_every_curve_is_in_the_picture(tmp_path, name):
    columns = history(40)
    changed = columns | {name: columns[name][::-1]}
    assert (curves(tmp_path / "a.png", columns) != curves(tmp_path / "b.png", changed)).any()


def critics(columns):
    """The history of a run whose D is a critic."""
    return {"w_estimate" if name == "d_accuracy" else name: values for name, values in columns.items()}


def words_in(monkeypatch, columns, undecided):
    """All labels of the curves, as they would be drawn."""
    from matplotlib.figure import Figure

    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, file, **options: drawn.append(figure))
        patch.setattr(pictures, "write_atomically", lambda path, write: write(None))
        pictures.save_curves("losses.png", columns, undecided)
    return [word for axes in drawn[0].axes for word in (axes.get_ylabel(), *axes.get_legend_handles_labels()[1])]


def test_a_critics_curve_is_not_called_an_accuracy(monkeypatch):
    assert words_in(monkeypatch, history(40), 2 * np.log(2)) == [
        "loss", "D: real + fake", "G", "D when it cannot tell: 1.386", "accuracy", "D's accuracy", "a coin toss",
    ]  # fmt: skip
    assert words_in(monkeypatch, critics(history(40)), 0.0) == [
        "loss", "D: real + fake", "G", "D when it cannot tell: 0.000",
        "real - fake score", "Wasserstein estimate", "no difference found",
    ]  # fmt: skip
    penalised = critics(history(40)) | {"d_penalty": [1.0] * 40}
    assert words_in(monkeypatch, penalised, 0.0)[1:4:2] == [
        "D: real + fake + penalty", "D when it cannot tell, without the penalty: 0.000"
    ]  # fmt: skip


@pytest.mark.parametrize("change", ["w_estimate", "undecided"])
def test_what_is_in_a_critics_picture(tmp_path, change):
    columns = critics(history(40))
    changed = columns | {"w_estimate": columns["w_estimate"][::-1]} if change == "w_estimate" else columns
    undecided = 0.0 if change == "w_estimate" else 0.5
    assert (curves(tmp_path / "a.png", columns, 0.0) != curves(tmp_path / "b.png", changed, undecided)).any()


def test_a_measure_of_every_fifth_row_is_a_line_through_its_points():
    """Between NaN on either side a number has no line of its own, and would not be seen."""
    measured = [2.0 if step % 5 == 0 else np.nan for step in range(20)]
    axes = Figure().subplots()
    pictures._plot(axes, {"step": range(20), "distance": measured}, "distance", "distance", "tab:red")
    (line,) = axes.lines
    assert line.get_xdata().tolist() == [0, 5, 10, 15] and np.isfinite(line.get_ydata()).all()
    assert line.get_marker() == "." and line.get_linestyle() == "-"


# What is not needed --------------------------------------------------------------------------------------------------


def test_import_minigan_loads_nothing_heavy():
    code = "import sys, minigan; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"minigan", "numpy"} <= loaded
    assert not loaded & {"matplotlib", "PIL", "cupy", "tqdm", "torch", "scipy"}


def test_no_connection_is_opened_for_the_data(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a connection was asked for")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    images = data.load()
    assert len(images) == len(images.labels) == 60_000
    assert images.fingerprint != data.mnist("test").fingerprint
