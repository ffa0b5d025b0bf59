"""MINIGAN_THREADS: how many threads compute, ours or the BLAS's, and that the numbers do not depend on it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from minigan.backend.workers import Workers, usable_cores
from minigan.errors import SettingsError

from .conftest import ROOT

# Two steps of a GAN whose batches are cut into blocks; then one more step, in a forked child and here.
SCRIPT = """
import json, os, threading
from minigan.backend import workers
from minigan.backend.workers import blas, on_all_cores
from tests.systems import real_batch, system

workers.MANY = 1
gan, settings = system("mnist_dcgan", width=16, batch_size=24)
x = real_batch(gan, settings.batch_size)
for _ in range(2):
    losses = gan.step(x)
inside = []
on_all_cores(lambda start, stop: inside.append(blas().info()[0]["num_threads"]), [(0, 1), (1, 2), (2, 3)])
found = {
    "numbers": [*map(float, losses.values()), *gan.G.params[::1000], *gan.D.params[::1000]],
    "blas": blas().info()[0]["num_threads"],
    "blas_inside": inside,
    "ours": sum(thread.name.startswith("minigan") for thread in threading.enumerate()),
}
if hasattr(os, "fork"):
    mine, childs = os.pipe()
    if os.fork() == 0:
        os.write(childs, repr(list(map(float, gan.step(x).values()))).encode())
        os._exit(0)
    os.close(childs)
    found["forked"] = os.read(mine, 10_000).decode() == repr(list(map(float, gan.step(x).values())))
print(json.dumps(found))
"""


def run(threads, *command):
    environment = os.environ | {"MINIGAN_THREADS": threads}
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )


def test_the_numbers_do_not_depend_on_the_threads():
    found = {}
    for threads in (1, 2, 3):
        done = run(str(threads), "-c", SCRIPT)
        assert done.returncode == 0, done.stderr
        found[threads] = json.loads(done.stdout)
    for threads, here in found.items():
        assert here["blas"] <= threads
        assert here["blas_inside"] == [1, 1, 1]
        assert min(1, threads - 1) <= here["ours"] <= (threads if threads > 1 else 0)
        assert here.get("forked", True), "a child that was forked computes something else"
        np.testing.assert_allclose(here["numbers"], found[1]["numbers"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²", " "])
def test_what_is_no_number_of_threads_is_refused(value, monkeypatch):
    monkeypatch.setenv("MINIGAN_THREADS", value)
    with pytest.raises(SettingsError, match=f"MINIGAN_THREADS is {value!r}; wanted"):
        Workers().count  # noqa: B018 - reading it is the test


@pytest.mark.parametrize("value, count", [(None, usable_cores()), ("", usable_cores()), ("7", 7)])
def test_all_cores_unless_it_is_set(value, count, monkeypatch):
    monkeypatch.delenv("MINIGAN_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("MINIGAN_THREADS", value)
    assert Workers().count == count


def test_a_command_says_so_in_one_sentence(tmp_path):
    done = run("two", "examples/mnist_mlp_gan.py", "--quick", "--out", str(tmp_path / "run"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: environment variable MINIGAN_THREADS is 'two'; wanted")
    assert not (tmp_path / "run").exists(), "it was told after the run's folder was made"
