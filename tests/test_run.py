"""Runs, looked at: what `train` returns and `open_run` opens; and the files that a run's directory reads."""

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import minigan as mg
from minigan import pictures
from minigan.errors import FileError
from minigan.history_csv import rows_in
from minigan.run import columns_of
from minigan.run_directory import RunDirectory

from .conftest import ROOT
from .gans import small_gan
from .test_training import PLAN, images, resume, start, train

pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of 20 steps, and its folder."""
    path = tmp_path_factory.mktemp("made") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "save_curves", lambda path, history, undecided: path.write_bytes(b""))
        return mg.train(small_gan(ema=0.9), images(), steps=20, out=path, name="mine", **PLAN), path


def test_a_run_and_its_folder_say_the_same(made):
    run, path = made
    opened = mg.open_run(str(path))
    for look in (run, opened):
        assert (look.path, look.name, look.steps, look.stopped) == (path, "mine", 20, None)
        assert look.checkpoint == path / "checkpoint.npz"
        assert [sample.name for sample in look.samples] == ["000000.png", "000015.png", "000020.png"]
        assert list(look.history["step"]) == [6, 12, 18] and look.history["step"].dtype == np.int64
    assert list(run.history) == list(opened.history)
    assert all(np.array_equal(run.history[name], opened.history[name]) for name in run.history)
    assert np.array_equal(run.picture, opened.picture) and opened.gan is None and run.gan.steps == 20
    assert repr(run) == repr(opened) and f"mine in {path}: 20 steps; at 18: d_loss " in repr(run)


def test_the_generator_of_both_has_the_averages(made):
    run, path = made
    z = run.gan.draw_noise(3, "samples", 0)
    mine, stored = run.generator(), mg.open_run(path).generator()
    assert np.array_equal(mine.params, run.gan.average) and not np.array_equal(mine.params, run.gan.G.params)
    assert np.array_equal(mine.predict(z), stored.predict(z)) and np.array_equal(mine.predict(z), run.gan.images(z))
    mine.params[...] = 0  # a copy
    assert run.gan.G.params.any()


def test_a_run_in_a_notebook(made):
    run, path = made
    for look in (run, mg.open_run(path)):
        shown = look._repr_html_()
        assert '<img src="data:image/png;base64,' in shown and f"<code>{path}</code>: 20 steps" in shown
        assert shown.count("<tr>") == 4 and "<th>d_accuracy</th>" in shown and "<td>18</td>" in shown


def test_names_are_not_taken_for_html(tmp_path):
    run = mg.train(small_gan(), images(), steps=1, name="<b>&", **PLAN)
    assert "<b>&lt;b&gt;&amp;</b>" in run._repr_html_()


def test_a_run_without_rows():
    run = mg.train(small_gan(), images(), steps=3, callbacks=[Stops()], progress=False)
    assert run.history["step"].shape == (0,) and repr(run) == "Run(gan: 2 steps, stopped: enough)"
    assert "<table>" not in run._repr_html_()


class Stops:
    def on_step(self, training, losses):
        if training.step == 2:
            training.stop("enough")


def test_a_run_under_way_can_be_looked_at(tmp_path):
    """From another thread, without disturbing it."""
    seen = []

    class Looks:
        def on_log(self, training, row):
            if training.step == 18:
                thread = threading.Thread(target=lambda: seen.append(look()))
                thread.start()
                thread.join()

    def look():
        run = mg.open_run(tmp_path / "run")
        return run.steps, list(run.history["step"]), run.stopped, run.picture.shape, run.generator().name

    start(tmp_path / "run", callbacks=[Looks()])
    assert seen[0][:3] == (10, [6, 12], None) and seen[0][4] == "G"


def test_a_run_goes_on_with_its_gan():
    gan = train(steps=6)
    run = mg.train(gan, images(), more=6, progress=False)
    mg.train(gan, images(), more=6, progress=False)
    assert run.steps == 18 and list(run.history["step"]) == [6, 12, 18]


def test_a_run_of_version_1_can_be_opened():
    run = mg.open_run(ROOT / "tests" / "files_v1" / "run")
    assert (run.name, run.steps, run.stopped) == ("mnist_dcgan", 12, None) and len(run.samples) == 3
    assert list(run.history)[:2] == ["step", "d_loss"] and run.generator().output_shape == (8, 8, 1)
    assert run.picture.shape[-1] == 1 and "12 steps" in repr(run)


def test_where_no_run_is(tmp_path):
    with pytest.raises(FileError, match=r"nowhere: no run is there \(.*config.json does not exist\)"):
        mg.open_run(tmp_path / "nowhere")
    with pytest.raises(FileError, match="no run is there"):
        mg.open_run(tmp_path)
    assert not any(tmp_path.iterdir())  # not even a lock


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 10**5, b"\xff\xfe"])
def test_a_damaged_config(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileError, match=r"config\.json is damaged"):
        mg.open_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": None}, "is damaged"),
        ({"data": {"name": "x"}}, "is damaged: KeyError"),
        ({"training": {"batch_size": "x"}}, r"is damaged: batch_size='x': wanted a whole number"),
        ({"training": None}, "is damaged"),
    ],
)
def test_a_damaged_config_is_not_gone_on_with(made, tmp_path, changes, said):
    run = tmp_path / "run"
    shutil.copytree(made[1], run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    with pytest.raises(FileError, match=said):
        resume(run, small_gan(ema=0.9))


def test_the_picture_of_a_run_is_its_last_whole_one(made, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made[1], run)
    whole = mg.open_run(run).picture
    (run / "samples" / "999999.png").write_bytes(b"")
    (run / "samples" / "9999999.png").mkdir()
    (run / "samples" / "²³.png").write_bytes(b"no picture")
    assert np.array_equal(mg.open_run(run).picture, whole) and "<img" in mg.open_run(run)._repr_html_()


def test_a_run_that_lost_its_files(made, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made[1], run)
    for name in ("checkpoint.npz", "generator.npz", "history.csv"):
        (run / name).unlink()
    shutil.rmtree(run / "samples")
    opened = mg.open_run(run)
    assert opened.checkpoint is None and opened.steps == 0 and opened.picture is None and opened.samples == []
    assert opened.history["step"].shape == (0,)
    with pytest.raises(FileError, match=r"it has no generator\.npz"):
        opened.generator()
    with pytest.raises(FileError, match=r"checkpoint\.npz is missing, .*: start a new run"):
        resume(run, small_gan(ema=0.9))


@pytest.mark.parametrize("missing", ["sums", "count", "seconds"])
def test_a_checkpoint_without_a_part(made, tmp_path, missing):
    run = tmp_path / "run"
    shutil.copytree(made[1], run)
    with np.load(run / "checkpoint.npz") as archive:
        rest = {name: archive[name] for name in archive.files if name != f"extra.{missing}"}
    np.savez(run / "checkpoint.npz", **rest)
    with pytest.raises(FileError, match=rf"checkpoint\.npz is damaged: KeyError: '{missing}'"):
        resume(run, small_gan(ema=0.9))


# history.csv ---------------------------------------------------------------------------------------------------------

GOOD = "step,d_loss,g_loss\n6,0.5,1.5\n12,0.25,1.25\n"


def rows_of(tmp_path, content):
    (tmp_path / "history.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return RunDirectory(tmp_path).read_rows()


def test_rows_are_written_again_as_they_were(tmp_path):
    columns, rows = rows_of(tmp_path, GOOD)
    assert columns == ["step", "d_loss", "g_loss"] and rows[1] == {"step": 12, "d_loss": 0.25, "g_loss": 1.25}
    RunDirectory(tmp_path).write_rows(columns, rows)
    assert (tmp_path / "history.csv").read_text(encoding="utf-8") == GOOD


@pytest.mark.parametrize("tail", ["18,0.5", "18,0.5,1.0", "\0\0\0\0", "1"])
def test_what_a_kill_left_at_the_end_is_no_row(tmp_path, tail):
    assert rows_of(tmp_path, GOOD + tail)[1] == rows_of(tmp_path, GOOD)[1]


@pytest.mark.parametrize("content", ["", "step,d_loss\n", "step,d_lo"])
def test_histories_without_rows(tmp_path, content):
    assert rows_of(tmp_path, content)[1] == []


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text.replace("\n", "\r\n").rstrip(),  # its last line has no end
        lambda text: text + "\n\n",
        lambda text: text + ",,\n,,\n",
        lambda text: text.replace("\n6", "\n\n6"),
        lambda text: text.replace(",", ", "),
        lambda text: "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()) + "\n",
    ],
)
def test_what_a_spreadsheet_may_do(tmp_path, change):
    assert rows_of(tmp_path, change(GOOD)) == rows_of(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.replace(",", ";"), "line 1 has no columns, step first, with commas between: it begins with 'step;d_loss"),
        (GOOD.replace(",", ";").replace(".", ","), "line 1 has no columns, step first, with commas"),
        (GOOD.replace(",", "\t"), "line 1 has no columns"),
        ("sep=;\n" + GOOD, "line 1 has no columns"),
        (GOOD.replace("step", "Schritt"), "line 1 has no columns, .*'Schritt"),
        (GOOD.replace("d_loss", "D's loss"), "line 1 has no column 'd_loss': it begins with \"step,D's loss"),
        (GOOD.replace("d_loss,", ""), "line 1 has no column 'd_loss'"),
        (GOOD.replace("g_loss", "d_loss"), "line 1 has (no column|two columns)"),
        (GOOD.replace("\n", ",\n"), "line 1 has other columns"),
        (GOOD.replace("0.5", "half"), "line 2: d_loss is 'half'; wanted a number"),
        (GOOD.replace("0.5", ""), "line 2: d_loss is ''; wanted a number"),
        (GOOD.replace("0.5", "1_0"), "line 2: d_loss is '1_0'"),
        (GOOD.replace("0.5", "9" * 30), "line 2: d_loss is '99"),
        (GOOD.replace("0.25", "0,25"), "line 3 has 4 cells"),
        (GOOD.replace("0.5,1.5", "0.5"), "line 2 has 2 cells"),
        (GOOD.replace("12,", ","), "line 3: step is ''; wanted a number"),
        (GOOD.replace("12,", "12.5,"), "line 3: step is '12.5'; wanted a whole number"),
        (GOOD.replace("12,", "-12,"), "line 3: step is '-12'; wanted a whole number"),
        (GOOD.replace("12,", "6,"), "line 3: step 6 comes after step 6"),
        (GOOD.replace("12,", "3,"), "line 3: step 3 comes after step 6"),
        (GOOD.replace("\n", "\r\n").replace("0.25", "#####"), "line 3: d_loss is '#####'"),
        (GOOD.encode().replace(b"0.5", b"\xff"), "it is not text"),
        (GOOD.encode("utf-16"), "it is not text"),
        (GOOD.replace("0.5", "5" * 200_000), "line 2: "),
    ],
)
def test_a_damaged_history_is_one_sentence_before_training(made, tmp_path, content, said):
    (tmp_path / "history.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FileError, match=rf"history\.csv is damaged: {said}"):
        RunDirectory(tmp_path).read_rows(("d_loss", "g_loss"))
    run = tmp_path / "run"
    shutil.copytree(made[1], run)
    shutil.copy(tmp_path / "history.csv", run / "history.csv")
    gan = small_gan(ema=0.9)
    with pytest.raises(FileError, match=r"history\.csv is damaged: "):
        resume(run, gan)
    assert gan.steps == 0


def test_a_last_line_without_an_end_counts_if_its_step_is_saved(tmp_path):
    """Ours is later than the checkpoint, and may have half a number; an editor's is the last row."""
    content = (GOOD + "18,0.5,1.0").encode()
    assert [len(rows_in(content, saved=saved)[1]) for saved in (-1, 17, 18, 30)] == [2, 2, 3, 3]
    assert len(rows_in((GOOD + "18,0.5").encode(), saved=18)[1]) == 2


def test_rows_as_columns():
    columns = columns_of([{"step": 1, "a": 2.0}, {"step": 3, "b": 1}])
    assert columns["step"].tolist() == [1, 3] and columns["step"].dtype == np.int64
    assert columns["a"][0] == 2.0 and np.isnan(columns["a"][1]) and np.isnan(columns["b"][0])


def test_the_folders_of_a_run_have_names(tmp_path):
    run = RunDirectory(tmp_path)
    run.samples.mkdir()
    for name in ("000015.png", "000003.png", "1000000.png", "²³.png", "12.png", "000015.txt", "x000001.png"):
        (run.samples / name).touch()
    assert [path.name for path in run.sample_paths()] == ["000003.png", "000015.png", "1000000.png"]
    assert [path.name for path in run.sample_paths(15)] == ["000003.png", "000015.png"]


# Pictures that show themselves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_grid_shows_itself(tmp_path, channels):
    grid = pictures.grid(np.random.default_rng(0).uniform(-1, 1, (5, 4, 3, channels)), 3)
    path = tmp_path / "grid.png"
    path.write_bytes(grid._repr_png_())
    with Image.open(path) as image:
        assert image.mode == ["L", "LA", "RGB", "RGBA"][channels - 1] and image.size == grid.shape[1::-1]
    read = pictures.load_png(path)
    assert type(read) is pictures.Picture and np.array_equal(read, grid)


def test_what_is_no_picture_shows_numbers():
    grid = pictures.grid(np.zeros((4, 3, 3, 1)))
    for part in (grid[0], grid.astype(float), grid.mean(), grid[:0], grid[..., None]):
        assert not isinstance(part, pictures.Picture) or part._repr_png_() is None


@pytest.mark.parametrize("shape", [(4, 3, 3), (0, 3, 3, 1), (4, 3, 3, 5), (4, 2)])
def test_a_grid_of_what_are_no_images(shape):
    with pytest.raises(mg.MiniganError, match=r"grid: images have shape .*; wanted \(n, h, w, c\)"):
        pictures.grid(np.zeros(shape))


def test_a_scatter_plot_keeps_its_frame_and_leaves_out_what_is_not_finite():
    real = np.random.default_rng(0).normal(size=(50, 2))
    one = pictures.scatter(np.zeros((3, 2)), real)
    far = pictures.scatter(np.array([[0, 0], [1e6, 0], [np.nan, 1], [np.inf, 2]]), real)
    assert one.shape == far.shape == (480, 480, 3) and one.dtype == np.uint8
    grey = np.array([200, 200, 200]) < one
    assert (one != far).mean() < 0.02 and grey.any()
    assert pictures.scatter(np.zeros((3, 2))).shape == (480, 480, 3)


def test_a_long_film_is_thinned(tmp_path):
    frames = [tmp_path / f"{i:06d}.png" for i in range(1000)]
    thin = pictures.thinned(frames)
    assert len(thin) == pictures.MOST_FRAMES and thin[0] == frames[0] and thin[-1] == frames[-1]
    assert thin == sorted(thin) and pictures.thinned(frames[:200]) == frames[:200]


def test_a_film_has_few_frames_in_memory(tmp_path, monkeypatch):
    alive, most = [], []
    opened = pictures._opened

    def watched(path, frames):
        import weakref

        for picture in opened(path, frames):
            alive.append(weakref.ref(picture))
            most.append(sum(ref() is not None for ref in alive))
            yield picture
            del picture

    for i in range(30):
        pictures.save_png(tmp_path / f"{i:06d}.png", np.full((20, 20, 1), 8 * i, np.uint8))
    monkeypatch.setattr(pictures, "_opened", watched)
    pictures.save_gif(tmp_path / "film.gif", sorted(tmp_path.glob("*.png")))
    assert len(most) == 30 and max(most) <= 4
    assert Path(tmp_path / "film.gif").exists()


def test_one_row_of_a_history_is_seen_as_points(tmp_path, monkeypatch):
    monkeypatch.undo()
    row = {"step": [100], "d_loss": [1.0], "g_loss": [0.5], "d_accuracy": [0.7], "modes": [7]}
    pictures.save_curves(tmp_path / "one.png", row, 1.386)
    with Image.open(tmp_path / "one.png") as image:
        colours = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    for colour in ((44, 160, 44), (214, 39, 40), (31, 119, 180)):  # tab:green, tab:red, tab:blue
        assert (abs(colours - colour).max(axis=1) < 3).sum() > 60
