"""The experiments of docs/experiments.md: short runs of their scripts, which go on where they were."""

import importlib.util
import json
import sys

import pytest

from minigan.cli import guarded

from .conftest import ROOT

FOLDER = ROOT / "examples" / "experiments"


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
    assert all(row["cpu_seconds"] >= 0 and 0 <= row["modes"] <= 25 for row in rows)
    found = {row["method"]: (row["high_quality"], row["divergence"]) for row in rows}
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


@pytest.mark.parametrize(
    "argv, words",
    [(["--methods", "GAN|PacGan2"], "'PacGan2' is none of GAN | PacGAN2"), (["--sets", "disc"], "'disc'")],
)
def test_nonsense_is_refused(argv, words, capsys):
    assert guarded(script("points").main, argv) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1
