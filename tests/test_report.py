"""The page of runs: what it shows, how large it is, that it opens offline; live, in a notebook, and for 2-D GANs."""

import html
import json
import os
import re
import shutil
import threading
import urllib.error
import urllib.request
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan import models, pictures
from minigan.cli import main
from minigan.errors import FileError, SettingsError, ShapeError
from minigan.report import Explorer, write_report
from minigan.report.collect import PICTURES, collect, of_lines, thin_columns
from minigan.report.pages import HERE, page
from minigan.report.watch import Watcher, watch
from minigan.run_directory import RunDirectory

from .browser import FOUND, WHY_NOT, Browser
from .gans import small_gan
from .test_training import At, images, start

pytestmark = pytest.mark.usefixtures("no_curves")
needs_browser = pytest.mark.skipif(FOUND is None, reason=WHY_NOT)
SIZE = 3_000_000  # bytes of a page


def data_in(path):
    """The data of a page."""
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of 40 steps with a line every six."""
    run = tmp_path_factory.mktemp("runs") / "first"
    mg.train(
        small_gan(), images(), steps=40, batch_size=6, log_every=6, sample_every=15, checkpoint_every=10, out=run,
        callbacks=[mg.Diagnostics(every=6)], settings={"lr": 0.01, "odd": "</script><b>"}, progress=False,
    )  # fmt: skip
    return run


def test_every_run_ends_by_writing_it(folder):
    (run,) = data_in(folder / "report.html")["runs"]
    assert run["steps"] == 40 and run["history"]["step"] == [6, 12, 18, 24, 30, 36]
    assert run["line_steps"] == [6, 10, 12, 18, 24, 30, 36] and len(run["strips"]["G.gradient"]) == 7
    assert [grid["step"] for grid in run["grids"]] == [0, 15, 30, 40]
    first = b64decode(run["grids"][0]["url"].partition(",")[2])
    assert first == (folder / "samples/000000.png").read_bytes()
    assert run["settings"] == {"lr": "0.01", "odd": "</script><b>"} and run["about"]["seed"] == "3"
    counts = run["scores"]["counts"]
    assert [sum(row) for row in counts["real"]] == [6] * 7 and set(counts) == {"real", "fake"}
    assert run["notes"] == []


def test_the_page_loads_nothing(folder):
    """No address in it but data, and none of a user's text ends its script."""
    text = (folder / "report.html").read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"'](?!data:)", text) and "http" not in text.replace("http-equiv", "")
    assert text.count("</script>") == 2
    script = (HERE / "viewer.js").read_bytes()
    assert len(script) <= 30_000


def test_spikes_survive_thinning():
    values = np.zeros(100_000)
    values[[0, 54_321, 77_777]] = 1, 9, -9
    values[5] = np.nan
    other = np.zeros(100_000)
    other[33_333] = 7
    columns = {"step": np.arange(100_000), "d_loss": values, "g_loss": other}
    found = thin_columns(columns)
    assert len(found["step"]) <= 2_002 and {9.0, -9.0, 1.0} <= set(found["d_loss"])
    assert max(found["g_loss"]) == 7
    assert found["step"][0] == 0 and found["step"][-1] == 99_999 and found["step"] == sorted(set(found["step"]))
    assert thin_columns({"step": np.empty(0, np.int64)}) == {"step": []}
    assert thin_columns({"step": np.array([3]), "a": np.array([np.inf])}) == {"step": [3], "a": [None]}


def fake_run(path, rows=2_000, grids=150, side=480):
    """The files of a long run of colour images."""
    path.mkdir()
    run = RunDirectory(path)
    run.write_config({"system": "long", "settings": {f"setting{i}": i for i in range(40)}})
    names = ["step", "d_loss", "g_loss", "d_accuracy", "distance"]
    draw = np.random.default_rng(0)
    run.write_rows(
        names, [dict(zip(names, [100 * (i + 1), *draw.normal(size=4).tolist()], strict=True)) for i in range(rows)]
    )
    layers = [f"{i}.Conv2D" for i in range(20)]
    norms = {kind: [1e-3 * (i + 1) for i in range(20)] for kind in ("gradient", "weight", "update", "zero")}
    lines = [{"layers": {"G": layers, "D": layers}}]
    scores = {"real": [0.1] * 64, "fake": [-0.1] * 64}
    usual = {"gap": 1.1, "pinned": None, "outside": [0, 0], "variety": {"nearest": 0.8, "within": 0.9, "spread": 1}}
    levels = {"real": [-1, 1, 0, 1], "fake": [-1, 1, 0, 1]}
    lines += [
        {"step": 100 * (i + 1), "G": norms, "D": norms, "scores": scores, "levels": levels, **usual}
        for i in range(rows)
    ]
    (path / "diagnostics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    run.samples.mkdir()
    for i in range(grids):
        small = draw.integers(0, 256, (side // 3, side // 3, 3), dtype=np.uint8)  # noise: the worst that can be packed
        pictures.save_png(run.sample_path(100 * i), small.repeat(3, axis=0).repeat(3, axis=1))
    return run


def test_a_page_has_at_most_three_megabytes(tmp_path):
    """Also of runs whose pictures alone have many more; the first and the last grid are in it."""
    run = fake_run(tmp_path / "run", grids=60)
    assert sum(path.stat().st_size for path in run.sample_paths()) > 4 * PICTURES
    for runs in ([run], [run] * 6):
        write_report(runs, tmp_path / "page.html")
        assert (tmp_path / "page.html").stat().st_size <= SIZE
        found = data_in(tmp_path / "page.html")["runs"]
        for one in found:
            assert one["grids"][0]["step"] == 0 and one["grids"][-1]["step"] == 5_900
            assert 1_800 / len(runs) <= len(one["history"]["step"]) <= 2_002 / len(runs) + 2
            assert 190 / len(runs) <= len(one["line_steps"]) <= 200 / len(runs)


def test_damaged_and_missing_files_leave_the_rest(folder, tmp_path):
    """A run that was killed has half a row, half a line, no generator; one that began just now has nothing."""
    run = RunDirectory(tmp_path / "killed")
    run.path.mkdir()
    run.write_config({"system": "mine"})
    found = collect(run)
    assert found["history"] == {"step": []} and found["grids"] == [] and found["steps"] == 0
    write_report([run], tmp_path / "empty.html")
    run.history.write_text((folder / "history.csv").read_text() + "48,0.1")
    (run.path / "diagnostics.jsonl").write_text((folder / "diagnostics.jsonl").read_text() + '{"step": 42, "G"')
    run.samples.mkdir()
    run.sample_path(0).write_bytes(b"no picture")
    found = collect(run)
    assert found["history"]["step"][-1] == 36 and found["line_steps"][-1] == 36 and found["grids"] == []
    run.history.write_text("a,b\n1,2\n")
    (run.path / "diagnostics.jsonl").write_text("nonsense\n")
    found = collect(run)
    assert len(found["notes"]) == 2 and all("damaged" in note for note in found["notes"])
    write_report([run], tmp_path / "damaged.html")
    assert len(data_in(tmp_path / "damaged.html")["runs"][0]["notes"]) == 2
    with pytest.raises(FileError, match="no run is there"):
        write_report([RunDirectory(tmp_path / "nothing")], tmp_path / "none.html")


@pytest.mark.parametrize("value", [None, "abc", 5, True, [1, 2], {}])
@pytest.mark.parametrize("name", ["data", "gan", "training", "settings", "versions", "machine", "command", "stopped"])
def test_odd_entries_of_a_config_are_shown_or_left_out(folder, tmp_path, capsys, name, value):
    run = RunDirectory(tmp_path / "odd")
    shutil.copytree(folder, run.path)
    run.write_config(run.read_config() | {name: value})
    assert main(["report", str(run.path)]) == 0 and main(["doctor", str(run.path)]) == 0
    assert data_in(run.report)["runs"][0]["line_steps"]


def test_a_page_that_somebody_wrote_is_not_overwritten(folder, tmp_path, capsys):
    run = tmp_path / "run"
    start(run, steps=12)
    (run / "report.html").write_text("my notes")
    assert main(["report", str(run)]) == 2 and "no page of minigan's" in capsys.readouterr().err
    mg.train(small_gan(), images(), resume=run, steps=20, progress=False)
    assert (run / "report.html").read_text() == "my notes"
    assert "report.html was not made" in capsys.readouterr().out


def test_names_of_folders(folder, tmp_path, monkeypatch, capsys):
    """The folder that one is in has a name, too; and one that is no UTF-8 on Linux, or looks like HTML."""
    for name in ("here", "a \udcff", "<b>'\"&"):
        if os.name == "nt" and name != "here":
            continue
        shutil.copytree(folder, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        assert main(["report", "."]) == 0
        title = re.search("<title>(.*?)</title>", Path("report.html").read_text(encoding="utf-8"))[1]
        assert title == html.escape(name).replace("\udcff", "?")


def test_the_last_line_is_on_the_page():
    lines = [{"step": step, "scores": {"real": [1.0], "fake": [0.0]}} for step in (10, 30, *range(100, 30_001, 100))]
    found = of_lines({}, lines)["line_steps"]
    assert found[0] == 10 and found[-1] == 30_000 and len(found) <= 200
    assert of_lines({}, lines[:2])["line_steps"] == [10, 30] and of_lines({}, [])["line_steps"] == []


def test_bars_of_metrics(tmp_path):
    run = fake_run(tmp_path / "run", rows=3, grids=0)
    (run.path / "metrics.json").write_text('{"bars": {"distance": 0.4}}')
    assert collect(run)["bars"] == {"distance": 0.4}
    for text in ("", "[]", '{"bars": 3}', '{"bars": {"a": "b"}}'):
        (run.path / "metrics.json").write_text(text)
        assert collect(run)["bars"] == {}


def test_a_report_that_cannot_be_made_fails_no_run(tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise RuntimeError("no room")

    monkeypatch.setattr("minigan.report.pages.write_report", fail)
    start(tmp_path / "run")
    assert "report.html was not made: no room" in capsys.readouterr().out
    assert mg.open_run(tmp_path / "run").steps == 40


def test_a_run_that_an_error_ends_has_one(tmp_path):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", callbacks=[At("on_step", 20, fail)])
    assert data_in(tmp_path / "run/report.html")["runs"][0]["history"]["step"] == [6, 12, 18]


# The command. ---------------------------------------------------------------------------------------------------------


def test_the_command(folder, tmp_path, capsys):
    (folder / "report.html").unlink()
    assert main(["report", str(folder)]) == 0 and (folder / "report.html").exists()
    both = tmp_path / "both.html"
    assert main(["report", str(folder), str(folder / "config.json"), "--out", str(both)]) == 0
    assert len(data_in(both)["runs"]) == 2 and "both.html  (0." in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, wanted",
    [
        ("report {run} {run}", "say where to write it, --out"),
        ("report {run} --out page.txt", "ends in .html"),
        ("report {run} --out {there}", "not overwritten"),
        ("report {run} --out nowhere/page.html", "the folder nowhere does not exist"),
        ("report {run} {run} {run} {run} {run} {run} {run} --out page.html", "a page has room for 6"),
        ("report firts", "no run is there"),
        ("watch firts --no-browser", "no run is there"),
        ("watch {run} --port 99999 --no-browser", "--port is 99999"),
        ("watch {run} --port -1 --no-browser", "--port is -1"),
    ],
)
def test_what_the_commands_refuse(folder, tmp_path, monkeypatch, capsys, words, wanted):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.html").write_text("mine")
    assert main(words.format(run=folder, there=tmp_path / "there.html").split()) == 2
    error = capsys.readouterr().err
    assert wanted in error and error.count("\n") == 1 and (tmp_path / "there.html").read_text() == "mine"


# Live. ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(folder):
    server = Watcher(RunDirectory(folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(server, path="", **headers):
    """(status, mark, content)"""
    request = urllib.request.Request(server.address + path, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get("ETag"), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, None, error.read()


def test_the_server_sends_what_is_new(server, folder):
    status, mark, content = ask(server, "data.json")
    assert status == 200 and json.loads(content)["runs"][0]["steps"] == 40
    assert ask(server, "data.json", **{"If-None-Match": mark})[0] == 304
    history = folder / "history.csv"
    before = history.read_text()
    try:
        history.write_text(before + before.splitlines()[-1].replace("36,", "42,", 1) + "\n")
        status, other, content = ask(server, "data.json", **{"If-None-Match": mark})
        assert status == 200 and other != mark and json.loads(content)["runs"][0]["steps"] == 42
    finally:
        history.write_text(before)
    assert b"<title>first (live)</title>" in ask(server)[2]


def test_foreign_pages_are_refused(server):
    port = server.server_port
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": f"127.0.0.1:{port + 1}"},
    ):
        assert ask(server, "data.json", **headers)[0] == 403
    assert ask(server, "data.json", Origin=f"http://localhost:{port}", Host=f"localhost:{port}")[0] == 200
    assert ask(server, "samples/../config.json")[0] == 404 and ask(server, "?x=1")[0] == 200
    with pytest.raises(SettingsError, match=f"port={port}: it is taken"):
        watch(server.directory.path, port)


def test_a_run_that_is_gone_is_said(tmp_path, folder):
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(folder, run.path)
    server = Watcher(run)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert ask(server)[0] == 200
        run.diagnostics.write_text("nonsense\n")
        assert b"is damaged" in ask(server)[2]
        shutil.rmtree(run.path)
        status, _, content = ask(server, "data.json")
        assert status == 500 and b"no run is there" in content
    finally:
        server.shutdown()
        server.server_close()


def test_live_without_a_notebook_shows_nothing(capsys):
    live = mg.Live()
    gan = small_gan()
    mg.train(gan, images(), steps=12, batch_size=6, log_every=6, sample_every=6, callbacks=[live], progress=False)
    assert capsys.readouterr().out == "" and [grid["step"] for grid in live.grids] == [0, 6, 12]


class Display:
    """In place of a notebook's output."""

    def __init__(self):
        self.shown = []

    def update(self, shown):
        self.shown.append(shown.data)


def test_live_in_a_notebook(monkeypatch):
    """A frame, and scripts that send it what is new, at most twice a second and once at the end."""
    pytest.importorskip("IPython", reason="IPython is not installed: a notebook brings it")
    first, later = [], Display()

    def display(shown, display_id=False):
        first.append(shown.data)
        return later

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("minigan.report.live._shell", lambda: object())
    gan = small_gan()
    mg.train(gan, images(), steps=60, batch_size=6, log_every=1, callbacks=[mg.Live()], progress=False)
    assert len(first) == 2 and first[0].startswith("<div><iframe") and 1 <= len(later.shown) <= 10
    news = json.loads(re.search(r"news = (.*?), tell = ", later.shown[-1])[1])["minigan"]
    assert news["kind"] == "runs" and news["runs"][0]["steps"] == 60 and "</script>" not in later.shown[-1][:-9]


# In a browser. --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if FOUND is None:
        pytest.skip(WHY_NOT)
    with Browser() as browser:
        yield browser


def opened(browser, path, **options):
    browser.messages.clear()
    browser.open(path.as_uri(), **options)
    assert browser.messages == []


@needs_browser
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_opens_offline_and_its_slider_moves_everything(browser, folder, width, dark):
    opened(browser, folder / "report.html", width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("document.querySelector('output').textContent") == "step 40"
    assert browser.run("document.querySelector('figure img').alt") == "samples of gan at step 40"
    browser.run("document.querySelector('input[type=range]').focus()")
    seen = [browser.run("[...document.querySelectorAll('figcaption, .strip ol')].map(one => one.textContent).join()")]
    for key, wanted in (("Home", "step 0"), ("ArrowRight", "step 6"), ("End", "step 40")):
        browser.press(key)
        assert browser.run("document.querySelector('input').getAttribute('aria-valuetext')") == wanted
        seen.append(
            browser.run("[...document.querySelectorAll('figcaption, .strip ol')].map(one => one.textContent).join()")
        )
    assert len(set(seen)) == 3 and seen[0] == seen[3]
    labels = browser.run("[...document.querySelectorAll('[role=img]')].map(one => one.getAttribute('aria-label'))")
    assert any(re.search(r"Losses; the last values: D [\d.]+, G [\d.]+", label) for label in labels)
    names = browser.run("[...document.querySelectorAll('input, button')].map(one => one.ariaLabel || one.textContent)")
    assert all(names)
    painted = browser.run("""[...document.querySelectorAll('canvas')].map(one => {
        const found = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;
        return found.some((value) => value); })""")
    assert len(painted) >= 7 and all(painted)
    assert browser.messages == []


@needs_browser
def test_two_runs_and_damaged_ones_open(browser, folder, tmp_path):
    damaged = RunDirectory(tmp_path / "damaged")
    damaged.path.mkdir()
    damaged.write_config({"system": "other", "settings": {"lr": 0.02}})
    damaged.history.write_text("a,b\n1,2\n")
    write_report([RunDirectory(folder), damaged], tmp_path / "both.html")
    opened(browser, tmp_path / "both.html")
    text = browser.run("document.body.innerText")
    assert "lr (differs)" in text and "damaged" in text and "1. first" in text
    write_report([damaged], tmp_path / "alone.html")
    opened(browser, tmp_path / "alone.html")


@needs_browser
def test_two_thousand_rows_move_smoothly(browser, tmp_path):
    """A page of 2,000 rows, 200 lines of 40 layers and many pictures: the slider moves within a tenth of a second."""
    run = fake_run(tmp_path / "run", grids=20)
    write_report([run], tmp_path / "page.html")
    opened(browser, tmp_path / "page.html")
    milliseconds = browser.run("""(async () => {
        const slider = document.querySelector('input[type=range]'), times = [];
        for (let i = 0; i < 40; i++) {
            const began = performance.now();
            slider.value = i * 50;
            slider.dispatchEvent(new Event('input'));
            await new Promise(requestAnimationFrame);
            times.push(performance.now() - began);
        }
        return times.sort((a, b) => a - b)[20];
    })()""")
    assert milliseconds < 100, milliseconds


@needs_browser
def test_a_live_page_follows_the_run(browser, server, folder):
    browser.messages.clear()
    browser.open(server.address, offline=False)
    assert browser.run("document.querySelector('output').textContent") == "step 40"
    history = folder / "history.csv"
    before = history.read_text()
    try:
        history.write_text(before + before.splitlines()[-1].replace("36,", "42,", 1) + "\n")
        browser.run("new Promise(done => setTimeout(done, 2600))")
        assert browser.run("document.querySelector('output').textContent") == "step 42"
    finally:
        history.write_text(before)
    assert browser.messages == []


@needs_browser
def test_a_notebooks_frame_takes_what_it_is_sent(browser, folder, tmp_path):
    data = data_in(folder / "report.html")
    (tmp_path / "frame.html").write_text(page(data | {"live": "message"}, "live"))
    opened(browser, tmp_path / "frame.html")
    data["runs"][0]["history"]["step"][-1] = 99
    browser.run(f"window.postMessage({json.dumps({'minigan': data})}, '*')")
    browser.frames(3)
    assert browser.run("document.querySelector('output').textContent") == "step 99"
    assert browser.messages == []


# The explorer. --------------------------------------------------------------------------------------------------------


def explored(data, steps=40, **options):
    gan = mg.GAN(*models.toy2d(width=8, depth=2), **options.pop("gan", {}))
    explorer = Explorer(every=10, **options)
    mg.train(gan, data, steps=steps, batch_size=16, callbacks=[explorer], progress=False)
    return explorer, gan


def test_the_explorer_records_what_the_gan_does():
    explorer, gan = explored(mg.data.ring(8))
    assert [frame["step"] for frame in explorer.frames] == [0, 10, 20, 30, 40]
    last, data = explorer.frames[-1], explorer.data()
    low, high = data["low"], data["high"]

    def points(text):
        return low + (np.frombuffer(b64decode(text), "<i2").reshape(-1, 2) + 32767.0) / 65534 * (high - low)

    np.testing.assert_allclose(points(last["fake"]), gan.sample(400).clip(low, high), atol=1e-4)
    axis = low + (np.arange(40) + 0.5) / 40 * (high - low)
    score = gan.D.predict(np.stack([axis, np.full(40, axis[3])], axis=1).astype("float32")).ravel()
    heat = np.frombuffer(b64decode(last["heat"]), np.uint8).reshape(40, 40)[3].astype(float) - 127.5
    assert np.corrcoef(heat, score)[0, 1] > 0.99 and (np.sign(heat) == np.sign(score)).mean() > 0.95
    ends = points(last["arrows"]).reshape(60, 2, 2)
    fake = gan.sample(400)[:60]
    pred = gan.D.forward(fake, train=False)
    slope = gan.D.backward(gan.objective.generator(pred)[1], params=False)
    inside = (abs(ends) < 0.99 * high).all(axis=(1, 2))
    cosine = -(slope * (ends[:, 1] - ends[:, 0])).sum(axis=1) / np.linalg.norm(slope, axis=1)
    cosine /= np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) + 1e-12
    assert inside.sum() > 10 and np.median(cosine[inside]) > 0.99  # along -dL/dx
    assert len(points(data["real"])) == 500  # all that are drawn


def test_the_explorer_shows_itself_in_a_notebook():
    assert Explorer()._repr_html_() is None
    explorer, _ = explored(mg.data.ring(8))
    shown = explorer._repr_html_()
    assert shown.startswith("<div><iframe srcdoc=") and shown.endswith("</iframe></div>")
    (document,) = re.findall(r'srcdoc="([^"]*)"', shown)
    assert html.unescape(document) == page(explorer.data(), explorer.name)


def test_the_explorer_changes_nothing():
    found = []
    for callbacks in ([], [Explorer(every=1)]):
        gan = mg.GAN(*models.toy2d(width=8), ema=0.9)
        mg.train(gan, mg.data.grid(3), steps=6, batch_size=8, callbacks=callbacks, progress=False)
        found.append(np.concatenate([gan.G.params, gan.D.params]))
    assert np.array_equal(*found)


def test_many_frames_are_thinned_and_more_steps_go_on():
    gan, explorer = mg.GAN(*models.toy2d(width=4, depth=1)), Explorer(every=1)
    mg.train(gan, mg.data.spiral(), steps=450, batch_size=4, callbacks=[explorer], progress=False)
    mg.train(gan, mg.data.spiral(), more=10, callbacks=[explorer], progress=False)
    steps = [frame["step"] for frame in explorer.frames]
    assert len(steps) <= 201 and steps == sorted(set(steps)) and steps[-1] == 460 and explorer.data()["centres"] == []


@pytest.mark.parametrize("objective", ["wasserstein", "hinge", "relativistic", "saturating"])
def test_the_explorer_takes_every_objective(objective):
    explorer, _ = explored(mg.data.ring(3), steps=10, gan={"objective": objective})
    assert len(explorer.frames) == 2


def test_what_the_explorer_refuses(tmp_path):
    with pytest.raises(SettingsError, match="at least 1"):
        Explorer(every=0)
    with pytest.raises(SettingsError, match="nothing was recorded"):
        Explorer().save(tmp_path / "page.html")
    with pytest.raises(ShapeError, match=r"wanted points \(2,\)"):
        mg.train(small_gan(), images(), steps=1, callbacks=[Explorer()], progress=False)
    explorer, _ = explored(mg.data.ring(3), steps=10)
    explored(np.full((40, 2), 0.5, "float32"), steps=10)  # points that are all one have a frame
    again = Explorer(every=10)
    for _ in range(2):
        mg.train(mg.GAN(*models.toy2d(width=4)), mg.data.ring(3), steps=20, callbacks=[again], progress=False)
    assert [frame["step"] for frame in again.frames] == [0, 10, 20]  # of the second GAN
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(FileError, match="not overwritten"):
        explorer.save(tmp_path / "page.html")


@needs_browser
def test_the_explorer_in_a_browser(browser, tmp_path):
    explorer, _ = explored(mg.data.ring(8), source="import minigan  # </script>")
    explorer.save(tmp_path / "toy.html")
    for width in (1280, 360):
        opened(browser, tmp_path / "toy.html", width=width)
        assert browser.run("document.documentElement.scrollWidth") <= width
        box = browser.run(
            "(({width, height}) => [width, height])(document.querySelector('canvas').getBoundingClientRect())"
        )
        assert abs(box[0] - box[1]) < 4  # a circle is round
        before = browser.run("document.querySelector('canvas').toDataURL()")
        browser.run("document.querySelectorAll('input[type=checkbox]')[3].click()")
        assert browser.run("document.querySelector('canvas').toDataURL()") != before
        browser.run("document.querySelector('input[type=range]').focus()")
        browser.press("Home")
        assert "step 0." in browser.run("document.querySelector('figcaption').textContent")
        assert browser.messages == []


def test_a_drawing():
    ink = np.full((40, 20), 255, np.uint8)
    ink[5:10, 2:4] = 0
    points = mg.data.drawing(ink, 500).samples if hasattr(mg.data.drawing(ink, 500), "samples") else None
    x = mg.data.drawing(ink, 500).batch(500, 0, 0, mg.get_backend("numpy"), "float64")
    assert points is None or len(points) == 500
    assert x[:, 0].min() >= (2 - 10) / 20 and x[:, 0].max() <= (4 - 10) / 20
    assert x[:, 1].min() >= (20 - 10) / 20 and x[:, 1].max() <= (20 - 5) / 20
    with pytest.raises(mg.MiniganError, match="all its pixels have one level"):
        mg.data.drawing(np.zeros((3, 3), np.uint8))
    with pytest.raises(SettingsError, match="at least 1"):
        mg.data.drawing(ink, 0)
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[1, 1] = 0, 0, 0, 255  # the rest is transparent
    assert np.ptp(mg.data.drawing(clear, 9).batch(9, 0, 0, mg.get_backend("numpy"), "float64"), axis=0).max() <= 0.5
