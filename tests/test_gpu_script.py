"""`python -m tests.gpu` without a GPU: checks and timings on the strict double, and PyTorch's on the CPU."""

import contextlib
import json
import os
import sys
import types

import pytest

from . import strict_cupy
from .cuda_shim import COMPILER
from .gpu import __main__ as script
from .gpu import checks, timing
from .test_strict_double import SYSTEMS

pytestmark = pytest.mark.skipif(COMPILER is None, reason="the double runs kernels.cu, and needs g++ to compile it")
SMALL = {"width": 2, "latent": 5, "batch_size": 3}


@pytest.fixture
def small(monkeypatch):
    """The double, in short steps of small systems; what the script sets in the environment is put back."""
    monkeypatch.setattr(checks, "sizes", lambda name: SYSTEMS[name] | {"batch_size": 3})
    monkeypatch.setattr(checks, "STEPS", 3)
    monkeypatch.setattr(checks, "JUNK", 2)
    monkeypatch.setattr(timing, "SECONDS", 1e-4)
    monkeypatch.setenv("CUPY_TF32", "0")
    with strict_cupy.installed() as counts:
        yield counts


QUICK = {"mnist_mlp_gan", "mnist_dcgan"}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] * (name.startswith("float") and name.split()[-1] not in QUICK))
         for name in checks.CHECKS if name != "TF32"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_checks_pass(name, small):
    assert checks.CHECKS[name]()


def test_the_check_of_tf32_sees_that_the_double_has_none(small):
    with pytest.raises(AssertionError):
        checks.check_tf32()


def test_gradients_that_do_not_agree_fail_their_check(small, monkeypatch):
    monkeypatch.setattr(checks, "AGREEMENT", 1e-12)
    with pytest.raises(AssertionError, match="median"):
        checks.check_single_precision("mnist_dcgan")


class Generator:
    """Draws nothing."""

    def __init__(self, bits):
        self.bits = bits

    def standard_normal(self, out, dtype):
        assert out.dtype == dtype
        out[...] = self.bits


def test_questions_are_answered(small, monkeypatch):
    random = types.SimpleNamespace(Generator=Generator, XORWOW=lambda seed: seed)
    monkeypatch.setattr(strict_cupy, "random", random, raising=False)
    assert checks.check_cupys_generator_in_a_graph() == "no: the same numbers"
    assert checks.check_products_without_a_workspace().startswith("no: BackendError"), "the double wants one"
    monkeypatch.setattr(checks, "SYSTEMS", ("mnist_mlp_gan",))
    name, count = checks.check_graph_of_a_step().rsplit(" ", 1)
    assert name == "nodes: mnist_mlp_gan" and 100 < int(count) < 200


@pytest.mark.slow
def test_timings_of_minigan(small):
    for tf32 in (False, True):
        assert set(timing.time_minigan("mnist_mlp_gan", tf32, 1, latent=5, batch_size=3)) == set(script.WAYS[:2])
    seen = timing.time_launches("mnist_mlp_gan", 1, latent=5, batch_size=3)
    assert all(value > 0 for value in seen.values()) and len(seen) == 4
    rows = timing.time_layers("mnist_dcgan", False, 1, **SMALL)
    assert len(rows) == 4 and all(value > 0 for row in rows for value in row.values() if not isinstance(value, str))


@pytest.mark.slow
@pytest.mark.parametrize("name, mode", [
    ("mnist_mlp_gan", "eager"), ("mnist_mlp_gan", "compile"), ("anime_wgan", "graph")
])  # fmt: skip
def test_timings_of_pytorch(name, mode, monkeypatch):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    side = types.SimpleNamespace(wait_stream=lambda other: None)
    graph = types.SimpleNamespace(replay=lambda: None)
    optimizer = timing.torch_optimizer
    for what, fake in {
        "synchronize": lambda: None, "Stream": lambda: side, "current_stream": lambda: side,
        "stream": lambda stream: contextlib.nullcontext(), "graph": lambda graph: contextlib.nullcontext(),
        "CUDAGraph": lambda: graph,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, what, fake)
    monkeypatch.setattr(torch, "compile", lambda module: module)
    monkeypatch.setattr(timing, "SECONDS", 1e-4)
    monkeypatch.setattr(timing, "DEVICE", "cpu")
    monkeypatch.setattr(timing, "torch_optimizer", lambda ours, module, capturable: optimizer(ours, module, False))
    monkeypatch.delenv("MINIGAN_BACKEND", raising=False)
    settings = {"latent": 5, "batch_size": 3} | ({"width": 2, "size": 32} if name == "anime_wgan" else {})
    assert timing.time_torch(name, True, mode, 1, **settings)[f"torch {mode}"] > 0


def test_pytorch_without_cuda_says_so(monkeypatch):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no CUDA"):
        timing.time_torch("mnist_mlp_gan", False, "eager", 1)


# The parts and the report. -------------------------------------------------------------------------------------------

SEEN = {
    "check": "all of it", "question": "no", "suite": "900 passed", "launches": {"launch": 0.1, "step": 0.2},
    "layers": [{"layer": "D 0.Conv2D", "im2col": 0.5}], "time": {"minigan graph": 0.25},
}  # fmt: skip


@pytest.fixture
def run(monkeypatch, tmp_path):
    """main(), with processes that only say what they would have seen; those of TF32 fail. And what it asked for."""
    asked = []

    def apart(name, rounds, limit):
        asked.append(name)
        kind = script.parts(1)[name][0]
        failing = "TF32" in name
        return {"passed": not failing, "seen": "RuntimeError: a | b\nc" if failing else SEEN[kind]}

    monkeypatch.setattr(script, "compute_apart", apart)
    monkeypatch.setattr(script, "usability", lambda: {"cupy": (True, "a strict double")})

    def main(*arguments):
        asked.clear()
        status = script.main(["--out", str(tmp_path), *arguments])
        return (
            status,
            list(asked),
            json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8")),
            (tmp_path / "gpu.md").read_text(encoding="utf-8"),
        )

    return main


def test_all_parts_run_and_are_reported(run):
    status, asked, report, page = run()
    assert asked == list(script.parts(1)) == list(report["parts"]) and status == 1, "a check failed"
    assert {part["kind"] for part in report["parts"].values()} == set(SEEN)
    assert "| mnist_mlp_gan, float32 | 0.250 | - | - | - | - |" in page and "| D 0.Conv2D | 0.5000 |" in page
    assert "| TF32 | **failed** | RuntimeError: a / b c |" in page and "| the test suite" not in page
    assert "- mnist_dcgan, TF32, minigan: RuntimeError: a | b c" in page


def test_parts_can_be_chosen_and_go_on(run):
    status, asked, report, _ = run("--only", "check: random", "launches: mnist_dcgan")
    assert asked == ["check: random numbers", "launches: mnist_dcgan"] and status == 0
    _, asked, report, _ = run("--missing")
    assert not {"check: random numbers", "launches: mnist_dcgan"} & set(asked)
    assert set(report["parts"]) == set(script.parts(1))
    assert all("TF32" in name for name in run("--missing")[1])


def test_without_time_left_parts_are_named(run):
    status, asked, report, _ = run("--minutes", "0")
    assert asked == [] and status == 1
    assert all(part["seen"] == "not reached in 0 minutes" for part in report["parts"].values())


def test_without_a_gpu_it_says_why(monkeypatch):
    monkeypatch.setattr(script, "usability", lambda: {"cupy": (False, "there is none")})
    with pytest.raises(SystemExit, match="no GPU to test on: there is none"):
        script.main([])


def test_a_part_that_fails_says_how(capsys):
    def fails():
        raise ValueError("words")

    assert script.compute(fails) == {"passed": False, "seen": "ValueError: words"}
    assert script.compute(lambda: 3) == {"passed": True, "seen": 3}


@pytest.mark.parametrize("program, seen", [
    ("import json, sys; open(sys.argv[-3], 'w').write(json.dumps({'passed': True, 'seen': 1}))", 1),
    ("import os; os._exit(3)", "its process ended with status 3"),
    ("import time; time.sleep(60)", "took longer than 1 seconds"),
])  # fmt: skip
def test_a_process_may_die_or_hang(program, seen, monkeypatch, tmp_path):
    started = script.subprocess.Popen

    def replaced(command, **options):
        return started([sys.executable, "-c", program, *command], **options)

    monkeypatch.setattr(script.subprocess, "Popen", replaced)
    limit = 1 if "sleep" in program else 60
    assert script.compute_apart("a part", 1, limit)["seen"] == seen


def test_one_part_in_this_process(small, tmp_path, capsys):
    assert script.main(["--part", "check: TF32", "--result", str(tmp_path / "result.json")]) == 0
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["passed"] is False


def test_the_suite_is_run_and_its_last_line_kept(monkeypatch, capsys):
    done = types.SimpleNamespace(returncode=0, stdout="...\n900 passed in 9 s\n", stderr="")
    monkeypatch.setattr(script.subprocess, "run", lambda command, **options: done)
    assert script.run_suite() == "900 passed in 9 s"
    done.returncode = 1
    with pytest.raises(RuntimeError, match="900 passed"):
        script.run_suite()
    assert os.path.exists(script.ROOT / "minigan")
