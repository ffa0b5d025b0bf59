"""The benchmark's own arithmetic; and, slowly, that it runs and writes what it measured."""

import json
import math
import os
import subprocess
import sys

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
