"""Diagnostics: the numbers are what they say, nothing in the run changes, and a resumed run has the same lines."""

import json

import numpy as np
import pytest

import minigan as mg
from minigan import SGD, WeightClipping, data, models, signals
from minigan.diagnostics import Diagnostics, read_lines
from minigan.errors import DataError, FileError, SettingsError
from minigan.layers import BatchNorm, Dense

from .gans import IMAGE, small_gan
from .test_training import images, resume, start, train

pytestmark = pytest.mark.usefixtures("no_curves")
DRAW = np.random.default_rng


def labelled_gan(**switches):
    options = {"seed": 1, "dtype": "float64"}
    G = mg.Generator([Dense(6), BatchNorm(), Dense(2)], input_shape=7, classes=3, name="G", **options)
    D = mg.Sequential([Dense(5), BatchNorm(), mg.layers.LeakyReLU(0.2), Dense(3)], input_shape=2, name="D", **options)
    return mg.GAN(G, D, seed=1, **switches)


def labelled_points():
    return (DRAW(0).normal(size=(60, 2)), np.arange(60) % 3)


@pytest.mark.parametrize("switches", [{}, {"ema": 0.9}, {"noise": "same", "d_steps": 2, "clip": WeightClipping(0.1)}])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_nothing_in_the_run_changes(kind, switches):
    """Parameters, running statistics and counts of forwards, after steps with a line each."""
    found = []
    for callbacks in ([], [Diagnostics(every=1)]):
        gan = small_gan(**switches) if kind == "images" else labelled_gan(**switches)
        x = images() if kind == "images" else labelled_points()
        mg.train(gan, x, steps=5, batch_size=6, log_every=1, callbacks=callbacks, progress=False)
        found.append([gan.G.params, gan.D.params, gan.G.state, gan.D.state, [gan.G.forwards, gan.D.forwards]])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))
    assert [line["step"] for line in callbacks[0].lines] == [1, 2, 3, 4, 5]


def test_norms_and_updates_are_those_of_the_step():
    """With plain SGD the update is the rate times the gradient, layer by layer."""
    gan = small_gan(optimizer=SGD)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        optimizer.learning_rate = 0.01
    gan.learning_rates = 0.01, 0.01
    before = gan.G.params.copy()
    measured = Diagnostics(every=1)
    train(gan, steps=1, log_every=1, callbacks=[measured])
    (line,) = measured.lines
    for i, (name, piece) in enumerate(signals.layer_slots(gan.G).items()):
        g, w = np.linalg.norm(gan.G.grads[piece]), np.linalg.norm(gan.G.params[piece])
        assert measured.layers["G"][i] == name
        assert line["G"]["gradient"][i] == pytest.approx(g, rel=1e-4)
        assert line["G"]["weight"][i] == pytest.approx(w, rel=1e-4)
        assert line["G"]["update"][i] == pytest.approx(0.01 * g / w, rel=1e-4)
        moved = np.linalg.norm(gan.G.params[piece] - before[piece]) / w
        assert line["G"]["update"][i] == pytest.approx(moved, rel=1e-4)
    assert measured.layers["D"] == ["1.Dense", "3.Dense", "5.Dense"]
    assert len(line["scores"]["real"]) == 6 and line["pinned"] is None


def test_layers_of_zeros_and_dead_gradients():
    net = mg.Sequential([Dense(3), Dense(2)], input_shape=4, name="net", dtype="float64")
    net.params[...] = 0
    net.grads[:5] = 1.0
    found = signals.layer_norms(net, net.params.copy())
    assert found["update"] == [0.0, 0.0] and found["weight"] == [0.0, 0.0]
    assert found["zero"] == [pytest.approx(10 / 15), 1.0] and found["gradient"] == [pytest.approx(5**0.5), 0.0]
    before = np.ones_like(net.params)
    assert signals.layer_norms(net, before)["update"] == [np.inf, np.inf]


def test_the_gap_is_the_factor_between_the_variances():
    gan = labelled_gan()
    z = np.concatenate([DRAW(0).normal(size=(400, 4)), np.eye(3)[np.arange(400) % 3]], axis=1)
    norm = gan.G.layers[1]
    for _ in range(200):
        gan.G.forward(z, backward=False)
    state = gan.G.state.copy()
    assert signals.running_gap(gan.G, z) == pytest.approx(1, abs=1e-3)
    assert np.array_equal(gan.G.state, state) and gan.G.forwards == 200
    norm.var[...] *= 7
    assert signals.running_gap(gan.G, z) == pytest.approx(7, rel=1e-2)
    norm.var[...] /= 49
    assert signals.running_gap(gan.G, z) == pytest.approx(7, rel=1e-2)
    plain = mg.Sequential([Dense(2)], input_shape=2, name="plain")
    assert signals.running_gap(plain, np.ones((3, 2), "float32")) is None


def test_variety():
    real = DRAW(0).normal(size=(30, 5, 4, 1))
    same = np.repeat(real[:3], 10, axis=0)
    assert signals.variety(real, real, None) == {"spread": 1, "nearest": 1, "within": 1}
    assert signals.variety(2 * real, real, None)["spread"] == pytest.approx(2)
    assert signals.variety(same, real, None)["nearest"] == 0 < signals.variety(same, real, None)["spread"]
    labels = np.repeat(np.arange(3), 10)
    assert signals.variety(same, real, labels)["within"] < 1e-6  # its noise is ignored, though classes differ
    assert signals.variety(same, real, None)["within"] > 0.5
    nothing = {"spread": None, "nearest": None, "within": None}
    assert signals.variety(real[:1], real[:1], None) == nothing
    assert signals.variety(real, np.repeat(real[:1], 30, axis=0), None) == nothing


@pytest.mark.parametrize("shape", [(16, 16, 1), (15, 9, 3), (28, 28, 1), (8, 31, 2)])
def test_the_spectrum_sees_a_checkerboard(shape):
    noise = DRAW(0).normal(size=(64, *shape))
    bands, peak = signals.spectrum(noise)
    assert 0.6 < peak < 1.5 and max(bands) / min(bands) < 1.5
    smooth = np.cumsum(noise, axis=1) + np.cumsum(noise, axis=2)
    assert signals.spectrum(smooth)[0][0] > 3 * signals.spectrum(smooth)[0][-1]
    board = ((np.arange(shape[0])[:, None] + np.arange(shape[1])) % 2)[..., None]
    even = [axis for axis in shape[:2] if axis % 2 == 0]  # the alternation of an odd side is spread over its neighbours
    if even:
        assert signals.spectrum(noise + 4 * board)[1] > 10
    assert signals.spectrum_gap(bands, bands) == 0
    assert signals.spectrum_gap([10 * one for one in bands], bands) == pytest.approx(1)
    assert signals.spectrum(noise[:, :7]) is None and signals.spectrum(noise[..., 0]) is None


def test_ranges():
    real, fake = np.linspace(-1, 1, 100), np.linspace(0, 3, 100)
    over, under = signals.outside(fake, real)
    assert over == pytest.approx((fake > 1.4).mean()) and under == pytest.approx((real < -0.6).mean())
    assert signals.level_range(real) == [-1, 1, pytest.approx(0), pytest.approx(real.std())]


def test_which_steps_have_lines(tmp_path):
    """Steps 10 and 30, and then every hundred or so, on rows of the history; a run without any has its last step."""
    for log_every, steps, wanted in ((1, 230, [10, 30, 100, 200]), (30, 130, [10, 30, 120]), (500, 7, [7])):
        gan, measured = small_gan(), Diagnostics()
        train(gan, steps=steps, log_every=log_every, callbacks=[measured], checkpoint_every=1000, sample_every=1000)
        assert [line["step"] for line in measured.lines] == wanted


def test_the_lines_are_those_of_an_uninterrupted_run(tmp_path):
    start(tmp_path / "whole")
    start(tmp_path / "parts", steps=7)
    assert [line["step"] for line in read_lines(tmp_path / "parts/diagnostics.jsonl")[1]] == [7]
    resume(tmp_path / "parts", steps=31)
    file = tmp_path / "parts/diagnostics.jsonl"
    with open(file, "a") as text:
        text.write('{"step": 35, "half a')  # of a kill
    resume(tmp_path / "parts")
    assert file.read_bytes() == (tmp_path / "whole/diagnostics.jsonl").read_bytes()
    layers, lines = read_lines(tmp_path / "whole/diagnostics.jsonl")
    assert [line["step"] for line in lines] == [10, 30, 40] and list(layers) == ["G", "D"]


def test_a_run_of_an_older_version_goes_on(tmp_path):
    """It has no diagnostics: they begin now."""
    start(tmp_path / "run", steps=12)
    (tmp_path / "run/diagnostics.jsonl").unlink()
    resume(tmp_path / "run")
    assert [line["step"] for line in read_lines(tmp_path / "run/diagnostics.jsonl")[1]] == [30, 40]


def test_half_a_line_is_cut_off_before_the_next_one(tmp_path):
    """Also where nothing else in the file changes: a second resume must be able to read it."""
    start(tmp_path / "run", steps=102, log_every=6)
    file = tmp_path / "run/diagnostics.jsonl"
    whole = file.read_text()
    for steps in (210, 306):
        file.write_text(file.read_text() + '{"step":400,"G":{"grad')
        resume(tmp_path / "run", steps=steps)
    assert file.read_text().startswith(whole)
    assert [line["step"] for line in read_lines(file)[1]] == [10, 30, 102, 204, 306]


GOOD = {"layers": {"G": ["a"], "D": ["b"]}}


@pytest.mark.parametrize(
    "text", ["nonsense\n", '{"step": 1}\n', '{"layers": {"G": []}}\n{"a": 1}\n', "[]\n", '{"layers": 3}\n', "a\0\n",
             json.dumps(GOOD) + '\n{"step": 1e400}\n', json.dumps(GOOD) + '\n{"step": 3, "G": {}, "D": {}}\n'],
)  # fmt: skip
def test_a_damaged_file_is_named_and_kept_and_the_run_goes_on(tmp_path, capsys, text):
    start(tmp_path / "run", steps=12)
    file = tmp_path / "run/diagnostics.jsonl"
    file.write_text(text)
    with pytest.raises(FileError, match=r"diagnostics.jsonl is damaged: line \d"):
        read_lines(file)
    resume(tmp_path / "run")
    assert (tmp_path / "run/diagnostics.damaged.jsonl").read_text() == text
    assert "is damaged" in capsys.readouterr().out and [line["step"] for line in read_lines(file)[1]] == [30, 40]


@pytest.mark.parametrize("change", [
    lambda line: line.pop("scores"), lambda line: line["G"].pop("zero"), lambda line: line["G"]["update"].pop(),
    lambda line: line.update(step="7"), lambda line: line.update(outside=None), lambda line: line.update(gap="x"),
    lambda line: line["levels"].update(real=[1]), lambda line: line["variety"].pop("within"),
])  # fmt: skip
def test_a_line_that_lacks_something_is_named(tmp_path, change):
    start(tmp_path / "run", steps=12)
    file = tmp_path / "run/diagnostics.jsonl"
    first, line, *_ = file.read_text().splitlines()
    broken = json.loads(line)
    change(broken)
    file.write_text(f"{first}\n{json.dumps(broken)}\n")
    with pytest.raises(FileError, match="is damaged: line 2"):
        read_lines(file)


def test_lines_of_another_rhythm_stay(tmp_path):
    """A run that is resumed with other rows, or other diagnostics, keeps what was measured."""
    start(tmp_path / "run", steps=36, callbacks=[Diagnostics(every=6)])
    resume(tmp_path / "run", steps=140, log_every=5, checkpoint_every=100)
    steps = [line["step"] for line in read_lines(tmp_path / "run/diagnostics.jsonl")[1]]
    assert steps == [6, 10, 12, 18, 24, 30, 36, 100]


def test_two_of_them_write_one_file(tmp_path):
    start(tmp_path / "run", callbacks=[Diagnostics(), Diagnostics(every=12)])
    assert [line["step"] for line in read_lines(tmp_path / "run/diagnostics.jsonl")[1]] == [10, 30, 40]


class WholeBatches(mg.Layer):
    """y = x, of six rows at a time."""

    def forward(self, x, train):
        assert len(x) % 6 == 0
        return x

    def backward(self, dy, params=True, inputs=True):
        return dy


@pytest.mark.parametrize("fault", ["a layer", "the data"])
def test_what_fails_ends_the_diagnostics_only(tmp_path, capsys, fault):
    gan, x, held_out = small_gan(), images(), None
    if fault == "a layer":
        D = mg.Sequential(
            [WholeBatches(), *(layer.clone() for layer in gan.D.layers)], input_shape=IMAGE, name="D", dtype="float64"
        )
        gan, held_out = mg.GAN(gan.G, D), DRAW(0).uniform(-1, 1, (5, *IMAGE))
    else:
        batch = x.batch

        def ten_only(n, seed, step, backend, dtype):
            if step >= 10:
                raise IndexError("no more data")
            return batch(n, seed, step, backend, dtype)

        x.batch = ten_only
    steps = 40 if fault == "a layer" else 10
    start(tmp_path / "run", gan=gan, x=x, steps=steps, callbacks=[Diagnostics(held_out=held_out)])
    assert capsys.readouterr().out.count("note: the diagnostics end at step 10") == 1
    assert mg.open_run(tmp_path / "run").steps == steps


def test_a_generator_without_parameters(tmp_path):
    options = {"input_shape": 15, "name": "G", "dtype": "float64"}
    G = mg.Sequential([mg.layers.Tanh(), mg.layers.Reshape(IMAGE)], **options)
    start(tmp_path / "run", gan=mg.GAN(G, small_gan().D))
    layers, lines = read_lines(tmp_path / "run/diagnostics.jsonl")
    assert layers["G"] == [] and lines[0]["G"]["gradient"] == [] and lines[0]["D"]["gradient"]


def test_held_out_samples_of_classes_need_labels(tmp_path):
    """They are scored as real ones are: samples that the run trains on lie no lower than those that it measures."""
    x, labels = labelled_points()
    with pytest.raises(mg.MiniganError, match="give labels, 60 numbers"):
        mg.train(labelled_gan(), (x, labels), steps=1, callbacks=[Diagnostics(held_out=x)], progress=False)
    measured = Diagnostics(every=1, held_out=(x, labels))
    gan = labelled_gan()
    mg.train(gan, (x, labels), steps=1, batch_size=6, log_every=1, callbacks=[measured], progress=False)
    at = (np.arange(60) + 64) % 60
    scores = gan.D.predict(x[at])[np.arange(60), labels[at]]
    np.testing.assert_allclose(measured.lines[0]["scores"]["held_out"], scores, rtol=1e-4)


def test_a_full_disk_fails_no_run(tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()

    class Full(mg.Callback):
        def on_step(self, training, losses):
            if training.step == 9:
                file = tmp_path / "run/diagnostics.jsonl"
                file.unlink()
                file.mkdir()  # nothing can be written there

    start(tmp_path / "run", callbacks=[Full()])
    assert capsys.readouterr().out.count("diagnostics.jsonl was not written") == 1
    assert mg.open_run(tmp_path / "run").steps == 40


def test_held_out_samples_are_scored_alike(tmp_path):
    """Bytes as floats."""
    x = DRAW(1).integers(0, 256, (5, *IMAGE), dtype=np.uint8)
    found = []
    for held_out in (x, (x / 127.5 - 1)):
        measured = Diagnostics(every=6, held_out=held_out)
        gan = train(steps=6, callbacks=[measured])
        found.append(measured.lines[0]["scores"]["held_out"])
    assert found[0] == found[1] and len(found[0]) == 5
    scores = gan.D.predict(x[(np.arange(5) + 64) % 5] / 127.5 - 1).ravel()
    np.testing.assert_allclose(found[0], scores, rtol=1e-4)


def test_what_is_refused():
    for options, error, words in (
        ({"every": 7}, SettingsError, "Diagnostics: every is 7, and the run has a row every 6 steps"),
        ({"held_out": np.ones((3, 9, 9, 1))}, DataError, r"held_out is \(3, 9, 9, 1\); wanted \(N, 5, 3, 1\)"),
        ({"held_out": np.ones((0, *IMAGE))}, DataError, "wanted"),
    ):
        with pytest.raises(error, match=words):
            train(steps=6, callbacks=[Diagnostics(**options)])
    with pytest.raises(SettingsError, match="at least 1"):
        Diagnostics(every=0)


def test_numbers_that_are_not_finite_become_none(tmp_path):
    gan = small_gan()
    gan.D.params[...] = 1e200

    class Stop(mg.Callback):
        def on_step(self, training, losses):
            training.stop()

    measured = Diagnostics(every=1)
    with pytest.raises(mg.MiniganError):
        mg.train(gan, images(), steps=2, batch_size=6, log_every=1, callbacks=[measured, Stop()], progress=False)
    text = json.dumps(measured.lines)
    assert "null" in text and "NaN" not in text and "Infinity" not in text


def test_points_have_no_spectrum_and_batches_of_one_no_variety():
    gan = mg.GAN(*models.toy2d(width=4))
    measured = Diagnostics(every=1)
    mg.train(gan, data.ring(3), steps=2, batch_size=1, log_every=1, callbacks=[measured], progress=False)
    assert "raster" not in measured.lines[0] and measured.lines[0]["variety"]["nearest"] is None
