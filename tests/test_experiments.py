"""The experiments of docs/experiments.md: short runs of their scripts, which go on where they were."""

import importlib.util
import json
import sys

import pytest

from minigan.cli import guarded

from .conftest import ROOT

FOLDER = ROOT / "examples" / "experiments"


@pytest.fixture(autouse=True)
def folder(monkeypatch):
    """Where Python finds what the scripts share, as it does for a script that is run."""
    monkeypatch.syspath_prepend(str(FOLDER))


def script(name):
    spec = importlib.util.spec_from_file_location(f"experiments_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_points_measures_every_method_and_goes_on_where_it_was(tmp_path, capsys):
    points = script("points")
    argv = ["--steps", "20", "--sets", "grid", "--seeds", "1", "--out", str(tmp_path / "rows.jsonl")]
    assert guarded(points.main, argv) == 0
    table = capsys.readouterr().out.splitlines()
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["method"] for row in rows] == list(points.METHODS) and len(table) == 2 + len(rows)
    assert all(row["CPU seconds"] >= 0 and 0 <= row["modes"] <= 25 for row in rows)
    found = {row["method"]: (row["high quality"], row["reverse KL"]) for row in rows}
    assert len(set(found.values())) > 5, "the methods do not differ"
    assert guarded(points.main, [*argv[:-2], "--seeds", "2", "--methods", "GAN", *argv[-2:]]) == 0
    assert capsys.readouterr().err.count("'method'") == 1, "only the second seed of one method was missing"


def test_a_lazy_penalty_is_there_every_kth_step_and_k_times_as_heavy():
    points, seen = script("points"), []
    method = points.METHODS["pairs+R1+R2, every 4th"]
    data = points.SETS["ring"]()
    step = points.mg.GAN.step

    def watched(gan, x):
        seen.append((gan.fused, gan.penalty.gamma if gan.penalty else None))
        return step(gan, x)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(points.mg.GAN, "step", watched)
        points.trained(method, data, 9, 0)
    heavy = (True, pytest.approx(4 * points.GAMMA))
    assert seen == [heavy if k % 4 == 0 else (False, None) for k in range(9)]


def test_stacked_counts_pairs_of_digits(tmp_path, capsys):
    stacked, out = script("stacked"), tmp_path / "rows.jsonl"
    digits = stacked.mg.data.mnist("test", labels=False)
    x = stacked.stacks(digits, 6, 3, 5)
    both = digits.batch(12, 3, 5)
    assert (
        x.shape == (6, 28, 28, 2)
        and (x[2, :, :, 0] == both[2, :, :, 0]).all()
        and (x[2, ..., 1] == both[8, ..., 0]).all()
    )
    argv = [
        "--steps",
        "2",
        "--width",
        "4",
        "--seeds",
        "1",
        "--out",
        str(out),
        "--methods",
        "pairs+R1+R2|GAN, no penalty",
    ]
    assert guarded(stacked.main, argv) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4 and len(out.read_text(encoding="utf-8").splitlines()) == 2
    assert len(stacked.METHODS) == 6


def test_a_file_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / "other.txt").write_text("[1]\n", encoding="utf-8")
    assert guarded(script("points").main, ["--out", str(tmp_path / "other.txt")]) == 2
    assert "wanted a file that this program wrote" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv, words",
    [(["--methods", "GAN|PacGan2"], "'PacGan2' is none of GAN | PacGAN2"), (["--sets", "disc"], "'disc'")],
)
def test_nonsense_is_refused(argv, words, capsys):
    assert guarded(script("points").main, argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1
