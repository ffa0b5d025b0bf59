"""Features, the evaluation with its bars, and `minigan evaluate`: planted faults are seen, healthy images pass."""

import json

import numpy as np
import pytest

from minigan import GAN, Callback, Sequential, data, load_model, metrics, models, pictures, save_model, train
from minigan.cli import main
from minigan.errors import DataError, SettingsError, ShapeError
from minigan.layers import Dense, Flatten, Reshape, Sigmoid, Tanh
from minigan.metrics import Features, evaluate
from minigan.metrics.features import digits_of, require_digits
from minigan.metrics.neighbours import nearest_few, supports

from .systems import example

DRAW = np.random.default_rng
N = 400


@pytest.fixture(scope="module")
def digits():
    return data.mnist("train").images


# Features. ------------------------------------------------------------------------------------------------------------


def test_the_classifier_reads_the_test_set():
    """As examples/digit_features.py says; the weights are small, and their features use all 64 numbers."""
    test = data.mnist("test")
    rows = Features("digits", (28, 28, 1))(test.images)
    assert rows.shape == (10_000, 64) and (rows.std(axis=0) > 0.1).all()
    assert (digits_of(rows) == test.labels).mean() > 0.99
    folder = metrics.features.WEIGHTS
    assert sum(file.stat().st_size for file in folder.iterdir()) < 300_000


@pytest.mark.parametrize("kind", ["digits", "random", "pixels"])
def test_bytes_and_floats_have_the_same_features_in_any_batch(kind, digits):
    images = digits[:300]
    features = Features(kind, (28, 28, 1))
    rows = features(images)
    assert rows.dtype == np.float64
    np.testing.assert_allclose(features(images / 127.5 - 1), rows, atol=1e-4)
    np.testing.assert_allclose(features(images[299:]), rows[299:], rtol=1e-4, atol=1e-4)


def test_random_features_are_the_same_everywhere():
    """A golden number: the weights are a function of the seed, and colours and odd sizes are taken."""
    for side in (1, 2, 3, 5, 7):
        assert Features("random", (side, 9, 1))(DRAW(0).uniform(-1, 1, (4, side, 9, 1))).std(axis=0).min() > 0
    rows = Features("random", (9, 17, 3))(DRAW(0).uniform(-1, 1, (4, 9, 17, 3)))
    assert rows.shape == (4, 64) and np.linalg.norm(rows) == pytest.approx(7.735405, rel=1e-5)


def test_a_network_of_ones_own(digits):
    net = Sequential([Flatten(), Dense(7), Tanh()], input_shape=(28, 28, 1), name="mine")
    features = Features(net, (28, 28, 1))
    assert features.name == "mine" and repr(features) == "Features(mine)"
    x = (digits[:5] / 127.5 - 1).astype(np.float32)
    np.testing.assert_allclose(features(digits[:5]), net.predict(x), rtol=1e-5)


def noise(n):
    return DRAW(0).integers(0, 256, (n, 28, 28, 1)).astype(np.uint8)


@pytest.mark.parametrize("what", ["noise", "inverted", "upside down", "turned"])
def test_what_is_no_digit_is_refused(what, digits):
    """The classifier is sure of 99 % of noise: only the distance from digits tells."""
    test = data.mnist("test").images[:N]
    images = {"noise": noise(N), "inverted": 255 - test, "upside down": test[:, ::-1], "turned": test.swapaxes(1, 2)}
    with pytest.raises(DataError, match="they are none; take features 'random'"):
        evaluate(images[what], test, "digits", count=50, draws=1)
    require_digits(Features("digits", (28, 28, 1))(test[:40]))
    ones = data.mnist("test").images[data.mnist("test").labels == 1]
    require_digits(Features("digits", (28, 28, 1))(ones))


# The evaluation. ------------------------------------------------------------------------------------------------------


def test_real_images_reach_the_bar(digits):
    """The evaluation of real images is as good as its bar, in every measure, within some spreads."""
    found = evaluate(digits[:2_000], digits[2_000:4_000], "digits", count=N, draws=3)
    assert (found.features, found.count, found.draws) == ("digits", N, 3)
    for one in found.measures:
        assert abs(one.value - one.bar) <= 6 * (one.spread + one.bar_spread) + 0.05 * abs(one.bar) + 1e-6, one
    assert found["classes"].value == 10 and found["different bins"].value <= 2
    again = evaluate(digits[:2_000], digits[2_000:4_000], "digits", count=N, draws=3)
    assert again.as_dict() == found.as_dict()
    assert evaluate(digits[:2_000], digits[2_000:4_000], "digits", N, 3, seed=1).as_dict() != found.as_dict()


def test_images_that_lie_in_the_order_of_their_classes(digits):
    """As those of a folder do: every measure, also that of 2,000 images, is of all classes."""
    labels = data.mnist("train").labels
    real = digits[np.argsort(labels[:8_000], kind="stable")]
    found = evaluate(real, digits[8_000:12_000], "digits", count=4_000, draws=1)
    assert abs(found["nearest neighbour"].value - found["nearest neighbour"].bar) < 0.06


def test_a_network_named_digits_is_no_classifier_and_measures_have_names(digits):
    net = Sequential([Flatten(), Dense(4)], input_shape=(28, 28, 1), name="digits")
    found = evaluate(digits[:80], digits[80:120], net, draws=1)
    with pytest.raises(KeyError, match="'classes'; there are Frechet distance, "):
        found["classes"]


def one_mode(real, fake):
    return np.repeat(fake[:1], len(fake), axis=0)


def no_nines(real, fake):
    labels = digits_of(Features("digits", (28, 28, 1))(fake))
    return np.resize(fake[labels != 9], fake.shape)


def noisy(real, fake):
    return np.clip(fake + DRAW(1).normal(0, 60, fake.shape), 0, 255).astype(np.uint8)


def copied(real, fake):
    return real[: len(fake)]


FAULTS = {  # what must move, and which way from the bar
    one_mode: {"recall (k = 3)": -1, "coverage (k = 5)": -1, "classes": -1, "different bins": 1, "Frechet distance": 1},
    no_nines: {"classes": -1, "divergence of classes": 1, "Frechet distance": 1},
    noisy: {"precision (k = 3)": -1, "Frechet distance": 1, "kernel distance": 1, "nearest neighbour": 1},
    copied: {"authentic": -1, "nearest neighbour": -1},
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_faults_move_their_measures(fault, digits):
    real, fake = digits[:1_000], digits[1_000:2_000]
    found = evaluate(real, fault(real, fake), "digits", count=500, draws=2)
    for name, sign in FAULTS[fault].items():
        one = found[name]
        assert sign * (one.value - one.bar) > 3 * one.bar_spread + 0.02 * abs(one.bar), (name, one)


def test_a_single_draw_has_no_spread(digits):
    found = evaluate(digits[:100], digits[100:150], "pixels", draws=1)
    assert found.count == 50 and found.as_dict()["measures"][0]["spread"] is None
    assert "nan" not in str(found) and "classes" not in str(found)
    assert str(found).splitlines()[-1] == "features: pixels; 50 images of each kind, 1 draws"


def test_floats_and_colours_with_random_features():
    real = DRAW(0).uniform(-1, 1, (90, 12, 10, 3)).astype(np.float32)
    found = evaluate(real, np.clip(real[:45] + 0.5, -1, 1), "random", draws=2)
    one = found["kernel distance"]
    assert one.value - one.bar > 3 * (one.spread + one.bar_spread)


SQUARE = np.zeros((50, 28, 28, 1), np.uint8)
REFUSED = {
    "shapes": (lambda: evaluate(SQUARE, SQUARE[:, :14]), ShapeError, "wanted (n, h, w, c) of one shape"),
    "no images": (lambda: evaluate(np.zeros((50, 784)), np.zeros((50, 784))), ShapeError, "wanted (n, h, w, c)"),
    "few": (
        lambda: evaluate(SQUARE[:30], SQUARE),
        DataError,
        "there are 30 real images and 50 fakes; wanted 40 and 20",
    ),
    "count": (lambda: evaluate(SQUARE, SQUARE, count=5), SettingsError, "count is 5"),
    "draws": (lambda: evaluate(SQUARE, SQUARE, draws=0), SettingsError, "draws 0"),
    "features": (lambda: evaluate(SQUARE, SQUARE, "inception"), SettingsError, "choices are digits, random, pixels"),
    "faces": (lambda: Features("digits", (32, 32, 3)), ShapeError, "of images (28, 28, 1), and these are (32, 32, 3)"),
    "points": (lambda: Features("random", (2,)), ShapeError, "of images (h, w, c), and these are (2,)"),
    "NaN": (lambda: evaluate(SQUARE, SQUARE + np.nan, "pixels"), DataError, "fakes are float64 from nan to nan"),
    "levels": (lambda: evaluate(SQUARE + 200.0, SQUARE), DataError, "real images are float64 from 200 to 200; wanted"),
    "whole": (lambda: evaluate(SQUARE, SQUARE.astype(int)), DataError, "fakes are int64"),
    "none": (lambda: Features("pixels", (8, 8, 1))(np.zeros((0, 8, 8, 1))), DataError, "n of 1 or more"),
    "neighbours": (lambda: nearest_few(np.zeros((2, 3)), np.zeros((4, 3)), 5), SettingsError, "k is 5; wanted 1 to 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_judged_is_refused(case):
    call, kind, words = REFUSED[case]
    with pytest.raises(kind) as raised:
        call()
    assert words in str(raised.value)


def test_several_k_at_once_are_each_of_them():
    x, y = DRAW(0).normal(size=(40, 3)), DRAW(1).normal(0.3, 1.2, size=(30, 3))
    assert supports(x, y, (3, 5, 1)) == [metrics.support(x, y, k) for k in (3, 5, 1)]


@pytest.mark.parametrize("part", [7, 1000])
def test_the_nearest_few_by_sorting_all(part, monkeypatch):
    monkeypatch.setattr(metrics.neighbours, "PART", part)
    y, x = DRAW(0).normal(size=(6, 2, 3)), DRAW(1).normal(size=(50, 2, 3))
    x[30] = x[4]  # equal: the first one first
    distances = ((y[:, None] - x[None]) ** 2).sum(axis=(2, 3))
    assert np.array_equal(nearest_few(y, x, 5), np.argsort(distances, axis=1, kind="stable")[:, :5])


# The command. ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def generator(tmp_path):
    """An untrained generator of digits' shape."""
    G = Sequential([Dense(784), Tanh(), Reshape((28, 28, 1))], input_shape=10, name="G")
    save_model(tmp_path / "generator.npz", G)
    return tmp_path / "generator.npz"


def test_the_command_prints_and_writes(generator, tmp_path, capsys):
    out = tmp_path / "judged"
    command = ["evaluate", str(tmp_path), "--count", "40", "--draws", "2"]
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "features: digits; 40 images of each kind, 2 draws" in printed
    found = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in found["measures"]][0] == "Frechet distance"
    assert found["measures"][0]["value"] > 5 * found["measures"][0]["bar"] > 0
    picture = pictures.load_png(out / "neighbours.png")
    assert picture.shape[1] > 15 * 28 and picture.shape[0] > 8 * 28
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found


def test_against_a_file_and_with_a_network_of_ones_own(generator, tmp_path, capsys, digits):
    np.save(tmp_path / "real.npy", 255 - digits[:100])
    save_model(tmp_path / "net.npz", Sequential([Flatten(), Dense(5)], input_shape=(28, 28, 1), name="mine"))
    command = ["evaluate", str(generator), "--against", str(tmp_path / "real.npy"), "--count", "30", "--draws", "1"]
    assert main(command) == 0
    assert "features: random" in capsys.readouterr().out
    assert main([*command, "--features", str(tmp_path / "net.npz")]) == 0
    assert "features: mine" in capsys.readouterr().out


def test_a_generator_with_classes_makes_each_in_turn(tmp_path, capsys):
    from minigan.models import mnist_dcgan

    G, _ = mnist_dcgan(width=2, classes=10)
    save_model(tmp_path / "generator.npz", G)
    assert main(["evaluate", str(tmp_path), "--count", "30", "--draws", "1", "--features", "pixels"]) == 0
    assert "30 images" in capsys.readouterr().out


COMMANDS = {
    "--count 3": "--count is 3; it must be at least 20",
    "--draws 0": "--draws is 0; it must be at least 1",
    "--against nowhere": "nowhere does not exist",
    "--features inceptoin": "--features inceptoin is no file",
    "--out .": "--out . exists already",
    "--out no/where": "the folder no does not exist",
    "--against drawn-faces": "--against drawn-faces has images (28, 28, 3), and generator.npz makes (28, 28, 1)",
}


@pytest.mark.parametrize("flags", COMMANDS)
def test_mistakes_are_one_sentence(flags, generator, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "generator.npz", *flags.split()]) == 2
    said = capsys.readouterr().err
    assert COMMANDS[flags] in said and said.count("\n") == 1 and said.startswith("error: ")


def test_a_discriminator_and_overflowing_weights(tmp_path, capsys):
    D = Sequential([Flatten(), Dense(1), Sigmoid()], input_shape=(28, 28, 1), name="D")
    save_model(tmp_path / "D.npz", D)
    assert main(["evaluate", str(tmp_path / "D.npz")]) == 2
    assert "is it a generator?" in capsys.readouterr().err
    G = Sequential([Dense(784), Reshape((28, 28, 1))], input_shape=10, name="G")
    G.params[...] = 3e38
    save_model(tmp_path / "G.npz", G)
    assert main(["evaluate", str(tmp_path / "G.npz"), "--count", "20", "--draws", "1"]) == 2
    assert "not finite" in capsys.readouterr().err


def test_colours_need_a_name_for_the_real_ones(tmp_path, capsys):
    G = Sequential([Dense(768), Tanh(), Reshape((16, 16, 3))], input_shape=10, name="G")
    save_model(tmp_path / "G.npz", G)
    assert main(["evaluate", str(tmp_path / "G.npz")]) == 2
    assert "name the real ones, --against drawn-faces" in capsys.readouterr().err


# The callback. --------------------------------------------------------------------------------------------------------


def small_gan():
    G = Sequential([Dense(784), Tanh(), Reshape((28, 28, 1))], input_shape=4, name="G")
    return GAN(G, Sequential([Flatten(), Dense(1)], input_shape=(28, 28, 1), name="D"))


def small_run(digits, out, steps, callback, gan=None, **options):
    images = data.ImageSet(digits[:200], "digits")
    options |= {"batch_size": 8, "log_every": 2, "callbacks": [callback], "steps": steps, "progress": False}
    return train(gan or small_gan(), images, out=out, **options)


def test_columns_bars_and_the_best_generator(tmp_path, digits, no_pictures):
    callback = metrics.Metrics(every=4, features="digits", count=60, keep_best=True)
    run = small_run(digits, tmp_path / "run", 12, callback)
    distance = run.history["distance"]
    assert np.isnan(distance).tolist() == [True, False] * 3
    assert set(callback.bars) == {"distance", "precision", "recall", "density", "coverage", "classes"}
    assert 0 < callback.bars["distance"] < np.nanmin(distance) == callback.best
    best = load_model(tmp_path / "run" / "best_generator.npz")
    fake = pictures.to_uint8(GAN(best, run.gan.D).sample(60))
    again = evaluate(digits[:200], fake, "digits", 60, draws=1)
    assert again["Frechet distance"].value == pytest.approx(callback.best, rel=1e-12)


class Ruin(metrics.Metrics):
    """White images from step 5 on."""

    def on_step(self, training, losses):
        if training.step > 4:
            training.gan.G.params[...] = 9.0


@pytest.mark.parametrize("resumed", [False, True])
def test_a_worse_generator_does_not_replace_the_best(resumed, tmp_path, digits, no_pictures):
    out = tmp_path / "run"
    run = small_run(digits, out, 4, Ruin(4, "pixels", count=60, keep_best=True))
    before = (out / "best_generator.npz").read_bytes()
    callback = Ruin(4, "pixels", count=60, keep_best=True)
    gan, where = (small_gan(), {"resume": out}) if resumed else (run.gan, {})
    run = small_run(digits, None, 8, callback, gan, **where)
    first, second = run.history["distance"][[1, 3]]
    assert second > first == callback.best and (out / "best_generator.npz").read_bytes() == before


def test_without_keep_best_nothing_is_written_and_the_training_is_the_same(tmp_path, digits, no_pictures):
    run = small_run(digits, tmp_path / "run", 8, metrics.Metrics(4, "pixels", count=60))
    plain = small_run(digits, None, 8, Callback())
    assert not (tmp_path / "run" / "best_generator.npz").exists()
    assert np.array_equal(run.gan.G.params, plain.gan.G.params) and len(plain.history["step"]) == 4


WRONG = {
    "rows": (lambda digits: metrics.Metrics(3), SettingsError, "a row every 2 steps: take a multiple of it"),
    "every": (lambda digits: metrics.Metrics(0), SettingsError, "every is 0"),
    "real": (lambda digits: metrics.Metrics(2, real=digits[:50, :14]), DataError, "G makes (28, 28, 1)"),
    "few": (
        lambda digits: metrics.Metrics(2, real=digits[:30]),
        DataError,
        "there are 30 real images, and count is 2000",
    ),
    "count": (lambda digits: metrics.Metrics(2, count=3), DataError, "count is 3; wanted 40 and 20"),
    "rank": (lambda digits: metrics.Metrics(2, real=np.zeros((50, 784))), DataError, "give one, real="),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_callback_that_could_not_measure_fails_at_once(case, tmp_path, digits):
    make, kind, words = WRONG[case]
    with pytest.raises(kind) as raised:
        small_run(digits, None, 2, make(digits))
    assert words in str(raised.value)


def test_an_example_judges_its_samples(tmp_path, monkeypatch, capsys, no_pictures, digits):
    """Also after a resumption; and what makes no sense is refused before anything is made."""
    monkeypatch.chdir(tmp_path)
    np.save("digits.npy", digits[:100])
    main_of = example("mnist_mlp_gan").main
    few = ["--data", "digits.npy", "--batch-size", "4", "--log-every", "2"]
    main_of([*few, "--steps", "4", "--out", "run", "--evaluate-every", "4", "--keep-best"])
    main_of(["--resume", "run", "--steps", "8"])
    rows = (tmp_path / "run" / "history.csv").read_text(encoding="utf-8").splitlines()
    header = rows[0].split(",")
    assert header[-5:] == ["distance", "precision", "recall", "density", "coverage"]
    filled = [row.split(",")[-1] != "" for row in rows[1:]]
    assert filled == [False, True, False, True] and (tmp_path / "run" / "best_generator.npz").exists()
    for flags, words in (
        (["--evaluate-every", "3"], "--evaluate-every is 3; history.csv has a row every 2 steps (--log-every)"),
        (["--keep-best"], "--keep-best needs --evaluate-every N"),
    ):
        with pytest.raises(SettingsError) as raised:
            main_of([*few, "--out", "other", *flags])
        assert words in str(raised.value) and not (tmp_path / "other").exists()


# Copies, seen with the help of images that nobody trained on. ---------------------------------------------------------


def test_copies_of_the_training_set_have_a_low_c_t(digits):
    """Other digits get what held-out ones get; copies, however few pixels differ, get far less, and noise far more."""
    train, unseen = digits[:2_000], data.mnist("test", labels=False).images
    noise = DRAW(0).integers(-9, 10, (600, 28, 28, 1))
    cases = {
        "others": unseen[4_000:4_600],
        "copies": (train[:600] + noise).clip(0, 255).astype(np.uint8),
        "noise": DRAW(1).integers(0, 256, (600, 28, 28, 1), dtype=np.uint8),
    }
    found = {}
    for name, fake in cases.items():
        measure = evaluate(train, fake, "pixels", 600, draws=1, held_out=unseen[:1_000])["copying (C_T)"]
        assert abs(measure.bar) < 1.5
        found[name] = measure.value
    assert found["copies"] < -5 and abs(found["others"]) < 2 and found["noise"] > 5


def test_many_rows_are_cut_down(digits, monkeypatch):
    monkeypatch.setattr(metrics.evaluation, "LARGE", 784 * 50)
    features = Features("pixels", (28, 28, 1))
    assert len(metrics.evaluation._training_rows(digits[:60], features, 0)) == 50
    assert len(metrics.evaluation._training_rows(digits[:40], features, 0)) == 40


def test_held_out_images_are_looked_at(digits):
    for held_out, words in ((digits[:10], "n of 40 or more"), (digits[:50, :9], "held-out images are")):
        with pytest.raises(ShapeError, match=words):
            evaluate(digits[:100], digits[:50], "pixels", 40, 1, held_out=held_out)
    with pytest.raises(DataError, match="held-out images are float"):
        evaluate(digits[:100], digits[:50], "pixels", 40, 1, held_out=digits[:50] * 1.0)


def test_the_command_measures_copying(tmp_path, capsys, digits):
    G, _ = models.mnist_mlp(widths=(8,))
    save_model(tmp_path / "generator.npz", G)
    np.save(tmp_path / "digits.npy", digits[:500])
    words = (
        f"evaluate {tmp_path}/generator.npz --against {tmp_path}/digits.npy --features pixels --held-out mnist-test "
        f"--count 200 --draws 1 --json"
    )
    assert main(words.split()) == 0
    names = {row["name"]: row for row in json.loads(capsys.readouterr().out)["measures"]}
    assert names["copying (C_T)"]["value"] > 3 > abs(names["copying (C_T)"]["bar"])
    assert main(words.replace("mnist-test", "drawn-faces").split()) == 2
    assert "--held-out drawn-faces has images (28, 28, 3)" in capsys.readouterr().err
