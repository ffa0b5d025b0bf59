"""The doctor: each rule on a chart with one number moved, runs that were really broken, and healthy ones."""

import copy
import json

import numpy as np
import pytest

import minigan as mg
from minigan.cli import main
from minigan.doctor import RULES, diagnose
from minigan.doctor_chart import Chart
from minigan.doctor_rules import near_pairs
from minigan.layers import Dense, Reshape, Tanh

from .broken_runs import FAULTS, healthy, train
from .gans import small_gan
from .test_training import images
from .test_training import train as train_small

pytestmark = pytest.mark.usefixtures("no_curves")
LINES, EVERY = 24, 100


def line(step):
    norms = {"gradient": [1.0, 0.5], "weight": [10.0, 8.0], "update": [1e-3, 2e-3], "zero": [0.0, 0.0]}
    wide = np.linspace(-1, 1, 32)
    return {
        "step": step, "G": norms, "D": copy.deepcopy(norms), "gap": 1.2, "pinned": None, "outside": [0.0, 0.0],
        "scores": {"real": [*(wide + 0.5)], "fake": [*(wide - 0.5)], "held_out": [*(wide + 0.4)]},
        "levels": {"real": [-1.0, 1.0, 0.0, 0.5], "fake": [-1.0, 1.0, 0.0, 0.5]},
        "variety": {"spread": 0.9, "nearest": 0.8, "within": 0.9}, "raster": 1.1, "real_raster": 0.9, "sharpness": 0.1,
    }  # fmt: skip


def chart(**history):
    steps = np.arange(1, LINES + 1) * EVERY
    usual = {
        "step": steps,
        "d_loss": np.full(LINES, 1.2),
        "d_accuracy": np.full(LINES, 0.65),
        "g_loss": np.full(LINES, 0.9),
    }
    layers = {"G": ["0.Dense", "2.Dense"], "D": ["0.Dense", "2.Dense"]}
    return Chart(usual | history, [copy.deepcopy(line(int(step))) for step in steps], layers)


def changed(change, since=0, **history):
    found = chart(**history)
    for one in found.lines[since:]:
        change(one)
    return found


def assign(path, value):
    """A change of one number of a line, by its path."""

    def change(one):
        *way, last = path
        for name in way:
            one = one[name]
        one[last] = value

    return change


def far_apart(one):
    one["scores"] |= {"real": [5.0] * 32, "fake": [-5.0] * 32, "held_out": [5.0] * 31 + [5.1]}


def growing():
    found = chart()
    for i, one in enumerate(found.lines):
        one["G"]["gradient"] = [1.5**i, 0.1]
    return found


def grown():
    """Large steps at first, and weights that are four times as large in the end."""
    found = changed(assign(("D", "weight"), [40.0, 32.0]), 1)
    found.lines[0]["D"]["update"] = [0.1, 0.2]
    return found


def penalised():
    found = chart(d_penalty=np.full(LINES, 10.0 * 1.4**2))
    found.gan = {"penalty": {"type": "GradientPenalty", "weight": 10.0}}
    return found


SURE = {"d_loss": np.full(LINES, 1e-3), "d_accuracy": np.full(LINES, 1.0)}
CASES = {  # what the finding says, since which step, and the chart
    "ranges of real and fake": (1300, lambda: changed(assign(("outside", 0), 0.4), 12)),
    "D has won": (1300, lambda: changed(far_apart, 12, **SURE)),
    "by heart": (1300, lambda: changed(assign(("scores", "held_out"), [*np.linspace(-1.5, 0.5, 32)]), 12)),
    "gradient explodes": (900, growing),
    "learning rate of G is too high": (1300, lambda: changed(assign(("G", "update"), [0.1, 0.2]), 12)),
    "learning rate of D is too high": (100, grown),
    "learning rate of G is too low": (1300, lambda: changed(assign(("G", "update"), [1e-7, 1e-7]), 12)),
    "learning rate of D is too low": (1300, lambda: changed(assign(("D", "update"), [1e-7, 1e-7]), 12)),
    "Clipping pins": (1300, lambda: changed(assign(("pinned",), 0.8), 12)),
    "slope is far from 1": (1300, penalised),
    "The layer D.2.Dense is dead": (1300, lambda: changed(assign(("D", "zero", 1), 1.0), 12)),
    "running statistics": (1300, lambda: changed(assign(("gap",), 3.0), 12)),
    "ignores its noise": (1300, lambda: changed(assign(("variety", "within"), 0.01), 12)),
    "Modes have collapsed": (1300, lambda: changed(assign(("variety", "nearest"), 0.1), 12)),
    "checkerboard": (1300, lambda: changed(assign(("raster",), 9.0), 12)),
    "oscillate": (1300, lambda: chart(g_loss=np.tile([0.6, 1.4], LINES // 2))),
}  # fmt: skip


@pytest.mark.parametrize("words", CASES)
def test_one_number_moved_is_one_finding(words):
    step, make = CASES[words]
    found = diagnose(make())
    assert [words in one.name for one in found] == [True], found
    assert abs(found[0].step - step) <= 100 and found[0].evidence and found[0].advice


def test_healthy_charts_and_short_ones_have_no_findings():
    assert diagnose(chart()) == []
    short = changed(assign(("variety", "within"), 0.0))
    short.lines = short.lines[:2]
    assert diagnose(short) == []
    assert diagnose(Chart({}, [])) == [] and diagnose(Chart({"step": np.empty(0, int)}, [])) == []


def test_every_rule_is_tried():
    assert len(RULES) == len({words.replace(" of D ", " of G ") for words in CASES}) + 1  # needs_steps has a test below


def test_a_spell_that_is_over_is_no_finding():
    """What was so for a while and is no more."""
    found = chart()
    for one in found.lines[:12]:
        one["variety"]["nearest"] = 0.1
        one["gap"] = 9.0
    assert diagnose(found) == []


def test_a_short_run_needs_more_steps():
    found = changed(assign(("sharpness",), 0.6))
    assert diagnose(found) == []  # 2,400 steps are not few
    found.history = {name: column[:10] for name, column in found.history.items()}
    found.lines = found.lines[:10]
    assert ["more steps" in one.name for one in diagnose(found)] == [True]
    for one in found.lines:
        one["variety"]["nearest"] = 0.1
    assert ["more steps" in one.name for one in diagnose(found)] == [True]  # it may not have begun to differ yet


def test_missing_numbers_are_not_looked_at():
    """Points have no spectrum, other data no held-out samples, batches of one no variety; a GPU's run may have inf."""
    found = chart()
    for one in found.lines:
        for name in ("raster", "real_raster", "sharpness"):
            del one[name]
        del one["scores"]["held_out"]
        one["variety"] = {"spread": None, "nearest": None, "within": None}
        one["gap"] = None
        one["G"]["gradient"] = [None, 1.0]
        one["G"]["update"] = [None, 1e-3]
    assert diagnose(found) == []


def test_the_birthday_test():
    rows = np.random.default_rng(0).normal(size=(400, 30))
    assert near_pairs(rows) == 0
    assert near_pairs(rows[np.arange(400) % 40]) == 40 * 45  # forty samples, ten times each


def test_missing_digits_are_named():
    """A generator of one digit, whatever its noise."""
    one = mg.data.mnist("test").images[0].ravel() / 127.5 - 1  # a seven
    G = mg.Generator([Dense(784), Tanh(), Reshape((28, 28, 1))], input_shape=3, name="G")
    G.layers[0].W[...] = 0.05 * G.layers[0].W
    G.layers[0].b[...] = np.arctanh(one * 0.99)
    found = chart()
    found.generator, found.digits = G, True
    (finding,) = diagnose(found)
    assert "hardly any 0, 1, 2, 3, 4, 5, 6, 8, 9" in finding.evidence


@pytest.mark.parametrize("words", ["D has won", "learning rate of G is too low", "ignores its noise"])
def test_runs_that_one_switch_has_broken(words):
    """Those that take a few seconds; the others are among the slow proofs."""
    assert [words in one.name for one in train(FAULTS[words], 0)] == [True]


@pytest.mark.slow
@pytest.mark.parametrize("words", FAULTS)
def test_every_broken_run_is_found_out(words):
    assert any(words in one.name for one in train(FAULTS[words], 1))


@pytest.mark.slow
def test_a_healthy_run_has_no_findings():
    assert train(healthy()._replace(steps=3_000), 1) == []


# As a callback, and as a command. -------------------------------------------------------------------------------------


def test_the_callback_says_each_thing_once(capsys):
    doctor = mg.Doctor()
    gan = small_gan()
    gan.g_optimizer.learning_rate, gan.learning_rates = 1e-12, (1e-12, 1e-2)
    train_small(gan, steps=20, log_every=1, callbacks=[doctor])
    assert [one.name for one in doctor.findings] == []  # two lines: too short to tell
    capsys.readouterr()
    gan = small_gan()
    gan.g_optimizer.learning_rate, gan.learning_rates = 1e-12, (1e-12, 1e-2)
    doctor = mg.Doctor()
    train_small(gan, steps=60, log_every=5, callbacks=[doctor, mg.Diagnostics(every=5)])
    said = capsys.readouterr().out
    assert [one for one in doctor.findings if one.name == "The learning rate of G is too low"]
    assert said.count("doctor: The learning rate of G is too low") == 1


def test_a_doctors_held_out_samples_count_in_a_folder_too(tmp_path):
    doctor = mg.Doctor(held_out=images().images[:9])
    train_small(small_gan(), steps=12, out=tmp_path / "run", callbacks=[doctor])
    assert [len(line["scores"]["held_out"]) for line in doctor.measured.lines] == [9, 9]


def test_a_run_that_diverged_says_so(tmp_path, capsys):
    gan = small_gan()
    gan.learning_rates = 1e300, 1e300
    gan.g_optimizer.learning_rate = gan.d_optimizer.learning_rate = 1e300
    with pytest.raises(mg.MiniganError):
        train_small(gan, steps=60, out=tmp_path / "run")
    capsys.readouterr()
    assert main(["doctor", str(tmp_path / "run")]) == 0
    assert "The numbers stopped being finite" in capsys.readouterr().out


def nothing(value):
    """The same with None for every number but the step."""
    if isinstance(value, dict):
        return {name: one if name == "step" else nothing(one) for name, one in value.items()}
    return [nothing(one) for one in value] if isinstance(value, list) else None


@pytest.mark.filterwarnings("ignore:All-NaN|Mean of empty|invalid value")
def test_numbers_that_were_not_finite_are_no_finding_and_no_error():
    found = chart()
    found.lines = [nothing(one) for one in found.lines]
    assert {one.name for one in diagnose(found)} <= {"The learning rate of G is too high"}
    del found.history["d_loss"]
    found.history["d_accuracy"] = np.ones(LINES)
    diagnose(found)


def test_those_who_read_share_one_measurement(tmp_path):
    """With a folder, and without: nothing is measured or written twice."""
    readers = [mg.Doctor(), mg.Live()]
    train_small(small_gan(), steps=30, out=tmp_path / "run", callbacks=readers)
    lines = (tmp_path / "run/diagnostics.jsonl").read_text().splitlines()
    assert [json.loads(one).get("step") for one in lines] == [None, 10, 30]
    assert readers[0].measured is readers[1].measured and readers[0].measured.lines[-1]["step"] == 30
    alone = mg.Doctor()
    train_small(small_gan(), steps=30, callbacks=[alone])
    assert [one["step"] for one in alone.measured.lines] == [10, 30]


def test_the_command(tmp_path, capsys):
    gan = small_gan()
    gan.g_optimizer.learning_rate, gan.learning_rates = 1e-12, (1e-12, 1e-2)
    measured = mg.Diagnostics(every=6)
    mg.train(
        gan, images(), steps=60, batch_size=6, log_every=6, sample_every=30, out=tmp_path / "run", progress=False,
        callbacks=[measured],
    )  # fmt: skip
    capsys.readouterr()
    assert main(["doctor", str(tmp_path / "run")]) == 0
    assert "The learning rate of G is too low, since step" in capsys.readouterr().out
    assert main(["doctor", str(tmp_path / "run"), "--json"]) == 0
    names = [one["name"] for one in json.loads(capsys.readouterr().out)]
    assert "The learning rate of G is too low" in names
    (tmp_path / "run/generator.npz").write_bytes(b"")  # a damaged generator is not looked at
    assert main(["doctor", str(tmp_path / "run/config.json")]) == 0
    assert "too low" in capsys.readouterr().out
    (tmp_path / "run/diagnostics.jsonl").unlink()
    assert main(["doctor", str(tmp_path / "run")]) == 0
    assert "nothing found in 0 lines of diagnostics; 3 are needed" in capsys.readouterr().out


def test_the_command_refuses(tmp_path, capsys):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/mine").mkdir()
    for path, words in ((tmp_path / "runs/mime", "did you mean"), (tmp_path / "runs/mine", "no run is there")):
        assert main(["doctor", str(path)]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
