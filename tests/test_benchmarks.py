"""The benchmark's own arithmetic; and, slowly, that it runs and writes what it measured."""

import json
import math
import os
import subprocess
import sys

import pytest

from minigan.backend import NumpyBackend

from .benchmarks.step import judged
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
    times = {"minigan": [1.0, 2.0, 4.0], "slow": [9.0, 9.0, 9.0], "fast": [2.0, 6.0, 2.0]}
    found = judged(times, [10.0, 10.0, 5.0], 8_000_000)
    assert found["best_of_pytorch"] == "fast"
    assert found["ratios"] == [2.0, 3.0, 0.5]
    assert found["share_of_matmul"] == [0.8, 0.4, 0.4]  # 8, 4 and 2 GFLOP/s


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
        "--json",
        tmp_path / "found",
    ]
    subprocess.run([sys.executable, "-m", "tests.benchmarks", *map(str, command)], cwd=ROOT, check=True, timeout=600)
    found = json.loads((tmp_path / "found").read_text(encoding="utf-8"))
    step = found["systems"]["mnist_wgan_gp"]
    assert (
        step["milliseconds"].keys() == step["peak_mib"].keys() == {"minigan", "PyTorch NCHW", "PyTorch channels_last"}
    )
    assert step["losses_differ_by"] < 1e-3
    assert len(found["layers"]["faces_dcgan"]) > 20
    assert found["machine"]["threads"] >= 1
