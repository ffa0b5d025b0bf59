"""The benchmark's own arithmetic; and, slowly, that it runs and writes what it measured."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

from minigan.backend import NumpyBackend, usability

from .benchmarks.busy import busy_core
from .benchmarks.step import busy_table, judged, table
from .benchmarks.systems import operations
from .conftest import ROOT, import_torch
from .systems import IMAGE_SYSTEMS, example, real_batch


class Counting(NumpyBackend):
    """Multiplies nothing, and counts what it would have multiplied."""

    def __init__(self):
        super().__init__()
        self.products = 0

    def count(self, products, out):
        self.products += products
        out[...] = 0
        return out

    def _matmul(self, a, b, out):
        return self.count(a.shape[0] * a.shape[1] * b.shape[1], out)

    def _conv(self, x, W, window, out):
        return self.count(len(x) * math.prod(window.stops) * W.size, out)

    def _conv_dW(self, x, dy, window, out):
        return self.count(len(x) * math.prod(window.stops) * out.size, out)

    def _conv_dx(self, dy, W, window, out):
        return self.count(len(dy) * math.prod(window.stops) * W.size, out)


@pytest.mark.parametrize(
    "name, settings",
    [
        ("mnist_mlp_gan", {"batch_size": 3}),
        ("mnist_mlp_gan", {"batch_size": 3, "noise": "same", "d_update": "summed"}),
        ("mnist_dcgan", {"batch_size": 2, "width": 3}),
        ("mnist_wgan_gp", {"batch_size": 2, "width": 3}),
        ("anime_dcgan", {"batch_size": 2, "width": 3, "size": 32}),
        ("anime_wgan", {"batch_size": 2, "width": 3, "size": 32}),
        ("cats_dcgan", {"batch_size": 2, "width": 3, "size": 48}),
        ("celeba_dcgan", {"batch_size": 2, "width": 3, "size": 32}),
    ],
)
def test_the_operations_of_a_step_are_those_that_it_asks_the_backend_for(name, settings):
    module, backend = example(name), Counting()
    settings = module.Settings(**settings)
    epoch = (7,) if name in IMAGE_SYSTEMS else ()
    gan = module.game(settings, *module.networks(settings, backend=backend), *epoch)
    gan.step(real_batch(gan, settings.batch_size))
    assert operations(gan, settings.batch_size) == 2 * backend.products


def test_ratios_are_taken_round_by_round_and_to_the_best_setting():
    times = {"minigan": [1.0, 2.0, 4.0], "minigan compiled": [1.0, 1.0, 1.0]}
    times |= {"slow": [9.0, 9.0, 9.0], "fast": [2.0, 6.0, 2.0]}
    found = judged(times, [10.0, 10.0, 5.0], 8_000_000)
    assert found["best_of_pytorch"] == "fast"
    assert found["ratios"] == {"minigan": [2.0, 3.0, 0.5], "minigan compiled": [2.0, 6.0, 2.0]}
    assert found["share_of_matmul"]["minigan"] == [0.8, 0.4, 0.4]  # 8, 4 and 2 GFLOP/s
    assert found["compiled_to_numpy"] == [1.0, 0.5, 0.25]


def test_the_tables_of_the_documentation():
    times = {"minigan": [20.0, 10.0, 30.0], "PyTorch NCHW": [10.0, 10.0, 10.0], "PyTorch channels_last": [40.0] * 3}
    found = judged(times, [10.0] * 3, 8_000_000) | {"peak_mib": {"minigan": 90, "PyTorch NCHW": 1380}}
    found["quiet_and_busy"] = {"minigan": [1.0, 2.0, 3.0]}, {"minigan": [9.0, 3.0, 3.0]}
    assert (
        table({"cats": found}).splitlines()[2] == "| `cats` | 20 | - | 10 | 40 | 0.50 (0.42 to 0.75) | - | 90, 1,380 |"
    )
    assert busy_table({"cats": found}).splitlines()[2] == "| `cats` | 1.50 (2 to 3 ms) |"


def test_a_core_is_busy_and_then_free_again():
    with pytest.raises(KeyboardInterrupt), busy_core() as process:
        assert process.is_alive()
        raise KeyboardInterrupt
    assert not process.is_alive()


BUSY = """
import time
from tests.benchmarks.busy import busy_core

if __name__ == "__main__":
    with busy_core() as process:
        print(process.pid, flush=True)
        time.sleep(60)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="which processes live is read from Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_busy_process_ends_with_a_benchmark_that_is_killed(number, tmp_path):
    """A signal that leaves no time to end it: `timeout` sends one, a closed terminal another."""
    script = tmp_path / "busy.py"
    script.write_text(BUSY, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    child = int(parent.stdout.readline())
    parent.send_signal(number)
    parent.wait(20)
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    ended = not running(child)
    if not ended:
        os.kill(child, signal.SIGKILL)
    assert ended


def running(number):
    """Whether a process computes; one that waits to be buried does not."""
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peak memory is read from Linux's /proc")
def test_it_runs_and_writes_what_it_measured(tmp_path):
    import_torch()
    command = [
        "mnist_wgan_gp",
        "--layers",
        "faces_dcgan",
        "--width",
        "2",
        "--rounds",
        "1",
        "--busy",
        "--table",
        tmp_path / "table",
        "--json",
        tmp_path / "found",
    ]
    subprocess.run([sys.executable, "-m", "tests.benchmarks", *map(str, command)], cwd=ROOT, check=True, timeout=600)
    found = json.loads((tmp_path / "found").read_text(encoding="utf-8"))
    step = found["systems"]["mnist_wgan_gp"]
    sides = {"minigan", "PyTorch NCHW", "PyTorch channels_last"}
    sides |= {"minigan compiled"} if usability()["compiled"][0] else set()
    assert step["milliseconds"].keys() == step["peak_mib"].keys() == sides
    assert all(times.keys() == sides for times in step["quiet_and_busy"])
    assert (tmp_path / "table").read_text(encoding="utf-8").count("`mnist_wgan_gp`") == 2
    assert max(step["losses_differ_by"]) < 1e-3
    assert len(found["layers"]["faces_dcgan"]) > 20
    assert {"processor", "threads", "caches", "products", "torch"} <= found["machine"].keys()
