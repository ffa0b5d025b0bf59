"""How many threads compute, ours or the BLAS's; that the numbers do not depend on it; and where none can start."""

import json
import os
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

from minigan import Sequential
from minigan.backend import NumpyBackend, cores, machine
from minigan.backend import threads as threads_file
from minigan.backend.cores import thread_count, usable_cores
from minigan.backend.machine import Caches, cache_sizes, processor_name
from minigan.backend.threads import WORKERS, Workers
from minigan.backend.tuning import Tuning
from minigan.data import images
from minigan.errors import SettingsError
from minigan.layers import Dense, LabelEmbedding, SpectralNorm
from minigan.pictures import save_png

from .conftest import ROOT
from .systems import real_batch, system

# Two steps of a GAN whose batches are cut into blocks; then one more step, in a forked child and here.
SCRIPT = """
import json, os, sys, threading
from dataclasses import replace
from minigan.backend import get_backend
from minigan.backend.blas import blas
from minigan.backend.blocks import on_all_cores
from minigan.backend.tuning import tuning_of_this_machine
from tests.systems import real_batch, system

tuning = replace(tuning_of_this_machine(), many=1)
gan, settings = system("mnist_dcgan", width=16, batch_size=24, backend=type(get_backend(sys.argv[1]))(tuning))
x = real_batch(gan, settings.batch_size)
for _ in range(2):
    losses = gan.step(x)
inside = []
on_all_cores(lambda start, stop: inside.append(blas().info()[0]["num_threads"]), [(0, 1), (1, 2), (2, 3)], tuning)
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


@pytest.mark.parametrize("backend", ["numpy", "compiled"])
def test_the_numbers_do_not_depend_on_the_threads(backend):
    if backend == "compiled":
        pytest.importorskip("numba", reason="Numba is not installed: pip install 'minigan[fast]'")
    found = {}
    for threads in (1, 2, 3):
        done = run(str(threads), "-c", SCRIPT, backend)
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
        thread_count()
    with pytest.raises(SettingsError, match=f"MINIGAN_THREADS is {value!r}; wanted"):
        NumpyBackend()


@pytest.mark.parametrize("value, count", [(None, usable_cores()), ("", usable_cores()), ("7", 7)])
def test_all_cores_unless_it_is_set(value, count, monkeypatch):
    monkeypatch.delenv("MINIGAN_THREADS", raising=False)
    if value is not None:
        monkeypatch.setenv("MINIGAN_THREADS", value)
    assert thread_count() == count


def test_a_command_says_so_in_one_sentence(tmp_path):
    done = run("two", "examples/mnist_mlp_gan.py", "--quick", "--out", str(tmp_path / "run"))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: environment variable MINIGAN_THREADS is 'two'; wanted")
    assert not (tmp_path / "run").exists(), "it was told after the run's folder was made"


# Where threads cannot start, and where nothing keeps them apart. ------------------------------------------------------


class WithoutGil(list):
    """Blocks whose iterator is read and moved on in two steps, as any is where no GIL keeps threads apart."""

    def __iter__(self):
        outer = self

        class Items:
            at = 0

            def __next__(self):
                at = self.at
                if at == len(outer):
                    raise StopIteration
                time.sleep(1e-4)
                self.at = at + 1
                return outer[at]

        return Items()


def test_no_block_is_computed_twice_where_there_is_no_gil():
    workers, done = Workers(), []
    workers.run(lambda start, stop: done.append(start), WithoutGil((i, i + 1) for i in range(50)), 4)
    assert sorted(done) == list(range(50))


def test_an_error_ends_the_work_of_all_threads():
    workers, done = Workers(), []

    def task(start, stop):
        time.sleep(1e-3)
        if start == 20:
            raise KeyboardInterrupt
        done.append(start)

    with pytest.raises(KeyboardInterrupt):
        workers.run(task, [(i, i + 1) for i in range(500)], 2)
    assert len(done) < 100


def test_after_a_long_wait_for_another_thread_the_calling_one_works_alone_for_a_while(monkeypatch):
    """As beside a program that takes a core. The blocks stay the same."""
    workers, me = Workers(), threading.get_ident()
    now, done = 0.0, []

    def work(slow, mine):
        """Two blocks: the calling thread's takes `mine` seconds, and the other's `slow` more."""
        nonlocal now
        both, mine_ended = threading.Barrier(2, timeout=20), threading.Event()

        def task(start, stop):
            nonlocal now
            done.append((start, threading.get_ident() == me))
            if now < workers.alone_until:
                return
            both.wait()
            if threading.get_ident() == me:
                now += mine
                mine_ended.set()
            else:
                mine_ended.wait()
                time.sleep(0.01)  # the calling thread looks at the clock, and waits
                now += slow

        done.clear()
        workers.run(task, [(0, 1), (1, 2)], 2)
        return sorted(start for start, _ in done), sum(mine for _, mine in done)

    monkeypatch.setattr(threads_file, "time", types.SimpleNamespace(perf_counter=lambda: now))
    assert work(0.0005, 0.0) == ([0, 1], 1) and now > workers.alone_until, "a wait too short to count"
    assert work(0.02, 0.03) == ([0, 1], 1) and now > workers.alone_until, "as long as a block"
    assert work(0.02, 0.01) == ([0, 1], 1) and now < workers.alone_until
    assert work(0.0, 0.0) == ([0, 1], 2), "both blocks are the calling thread's"
    now += 0.2
    assert work(0.0, 0.0) == ([0, 1], 1), "and then the other one is asked again"


@pytest.fixture
def starts(monkeypatch):
    """starts(n): the system lets n threads start at a time, and then no more."""

    def limit(most):
        usual, started = threading.Thread.start, []

        def start(thread):
            if sum(other.is_alive() for other in started) >= most:
                raise RuntimeError("can't start new thread")
            usual(thread)
            started.append(thread)

        monkeypatch.setattr(threading.Thread, "start", start)
        monkeypatch.setattr(WORKERS, "pool", None)
        monkeypatch.setattr(WORKERS, "process", 0)
        monkeypatch.setattr(WORKERS, "alone_until", 0.0)  # a busy machine may have made it work alone just now

    return limit


def test_a_pool_grows_with_the_threads_that_are_asked_for():
    workers = Workers()
    for threads in (2, 4, 3):
        gate, seen = threading.Barrier(threads, timeout=20), set()

        def task(start, stop, gate=gate, seen=seen):
            gate.wait()  # opens when so many threads are at work
            seen.add(threading.get_ident())

        workers.run(task, [(i, i + 1) for i in range(threads)], threads)
        assert len(seen) == threads


@pytest.mark.parametrize("most", [0, 1, 2])
def test_where_no_thread_starts_fewer_do_the_work_and_it_is_said_once(most, starts, recwarn):
    starts(most)
    workers, done = Workers(), []
    for _ in range(3):
        workers.run(lambda start, stop: done.append((start, threading.get_ident())), [(i, i + 1) for i in range(20)], 4)
    assert sorted(start for start, _ in done) == sorted(3 * list(range(20)))
    assert len({thread for _, thread in done}) <= most + 1
    assert len(recwarn) == 1 and f"lets only {most} of 3 threads start" in str(recwarn[0].message)


def test_a_gan_trains_and_a_folder_is_read_where_no_thread_starts(starts, recwarn, monkeypatch, tmp_path):
    for i in range(20):
        save_png(tmp_path / f"{i}.png", np.full((8, 8, 3), i, np.uint8))
    backend = NumpyBackend(Tuning(threads=3, many=1))
    monkeypatch.setenv("MINIGAN_THREADS", "3")

    def pixels_and_numbers():
        gan, settings = system("mnist_dcgan", width=4, batch_size=9, backend=backend)
        gan.step(real_batch(gan, settings.batch_size))
        return images(tmp_path, 8).images.tobytes(), gan.G.params.tobytes(), gan.D.params.tobytes()

    with_threads = pixels_and_numbers()
    starts(0)
    assert pixels_and_numbers() == with_threads
    assert {str(warning.message).partition(":")[0] for warning in recwarn} == {
        "the system lets only 0 of 2 threads start", "the system lets only 0 of 3 threads start"
    }  # fmt: skip


# How many there are. --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "omp, count",
    [("3", 3), ("2,4", 2), (" 1 ", 1), ("", 5), ("0", 5), ("-2", 5), ("many", 5), ("²", 5), ("9", 5)],
)
def test_what_other_libraries_are_told_counts_too(omp, count, monkeypatch):
    monkeypatch.setattr(cores, "usable_cores", lambda: 5)
    monkeypatch.setenv("OMP_NUM_THREADS", omp)
    monkeypatch.delenv("MINIGAN_THREADS", raising=False)
    assert thread_count() == count
    monkeypatch.setenv("MINIGAN_THREADS", "7")
    assert thread_count() == 7


GROUPS = {  # of Linux: what a process finds out about its share of the cores' time, and how many cores that is, of 8
    "none": ({}, 8),
    "version 2, in a container": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
    "half a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
    "no limit": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "6400000 100000\n"}, 8),
    "the smallest of all around it": (
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/cpu.max": "300000 100000",
            "sys/fs/cgroup/a/b/cpu.max": "max 100000",
            "sys/fs/cgroup/a/b/c/cpu.max": "100000 100000",
        },
        3,
    ),
    "version 1": (
        {
            "proc/self/cgroup": "9:memory:/docker/7f\n4:cpu,cpuacct:/docker/7f\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "version 1, no limit": (
        {
            "proc/self/cgroup": "4:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    "nonsense": ({"proc/self/cgroup": "\n:\n0::/../x\n", "sys/fs/cgroup/cpu.max": "0 0 0"}, 8),
    "a period of nothing": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0\n"}, 8),
}


@pytest.mark.parametrize("case", GROUPS)
def test_a_containers_share_of_the_cores(case, tmp_path, monkeypatch):
    files, count = GROUPS[case]
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert usable_cores(tmp_path) == count


def test_a_system_that_does_not_say_which_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert usable_cores(tmp_path) == 6
    monkeypatch.setattr(os, "sched_getaffinity", fails, raising=False)
    assert usable_cores(tmp_path) == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(tmp_path) == 1


def fails(process):
    raise OSError("not here")


# False alarms of a BLAS -----------------------------------------------------------------------------------------------


def test_a_blas_that_leaves_the_processors_flags_set_raises_nothing(monkeypatch):
    """Apple's does: its products are right, and NumPy warns of them. The suite turns warnings into errors."""
    usual = np.matmul

    def matmul(a, b, **options):
        found = usual(a, b, **options)
        np.ones(1, a.dtype) / np.zeros(1, a.dtype)  # the flag of a division by zero
        return found

    monkeypatch.setattr(np, "matmul", matmul)
    for name in ("mnist_dcgan", "anime_dcgan", "mnist_mlp_gan"):
        gan, settings = system(name, width=4, batch_size=4) if name != "mnist_mlp_gan" else system(name, batch_size=4)
        gan.step(real_batch(gan, settings.batch_size))
    D = Sequential([LabelEmbedding(2, 4), SpectralNorm(Dense(1))], input_shape=7, name="D")
    D.forward(np.ones((2, 7), np.float32))
    D.backward(np.ones((2, 1), np.float32))


# What this machine is. ------------------------------------------------------------------------------------------------

K, M = 2**10, 2**20


def cache(level, size, shared="0", kind="Unified"):
    """The files of one cache of core 0."""
    return {"level": str(level), "size": size, "shared_cpu_list": shared, "type": kind}


CACHES = {  # the files of each cache, threads of one core, and what is made of them
    "as on most": (
        [cache(1, "48K", kind="Data"), cache(1, "32K", kind="Instruction"), cache(2, "1280K"), cache(3, "54M", "0-63")],
        {}, Caches(48 * K, 1280 * K, 54 * M, True),
    ),
    "two threads of a core": ([cache(2, "2M", "0,8")], {0: "0,8", 8: "0,8"}, Caches(32 * K, 2 * M, 0, True)),
    "four small cores share": ([cache(2, "4M", "0-3")], {}, Caches(32 * K, 1 * M, 0, True)),
    "no third": ([cache(1, "64K", kind="Data"), cache(2, "512K")], {}, Caches(64 * K, 512 * K, 0, True)),
    "no second": ([cache(1, "64K", kind="Data")], {}, Caches()),
    "nothing": ([], {}, Caches()),
    "nonsense": ([cache("two", "1M"), cache(2, "0K"), cache(2, "much"), cache(2, "-1K"), cache(2, "")], {}, Caches()),
    "a list of nonsense": ([cache(2, "1M", "a-b,")], {}, Caches(32 * K, 1 * M, 0, True)),
}  # fmt: skip


@pytest.mark.parametrize("case", CACHES)
def test_cache_sizes_are_read(case, tmp_path, monkeypatch):
    caches, siblings, expected = CACHES[case]
    folder = tmp_path / "sys/devices/system/cpu"
    for i, texts in enumerate(caches):
        for name, text in texts.items():
            path = folder / f"cpu0/cache/index{i}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n", encoding="utf-8")
    for thread, text in siblings.items():
        path = folder / f"cpu{thread}/topology/thread_siblings_list"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_sizes(tmp_path) == expected


def test_a_machine_that_says_nothing_has_the_least_that_there_is(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(machine, "_sysctl", lambda name: 0)
    assert cache_sizes(tmp_path) == Caches() and processor_name(tmp_path)


@pytest.mark.parametrize(
    "known, expected",
    [
        ({"hw.perflevel0.l1dcachesize": 128 * K, "hw.perflevel0.l2cachesize": 12 * M, "hw.perflevel0.cpusperl2": 4},
         Caches(128 * K, 3 * M, 0, True)),
        ({"hw.l1dcachesize": 32 * K, "hw.l2cachesize": 256 * K}, Caches(32 * K, 256 * K, 0, True)),
    ],
)  # fmt: skip
def test_macos_is_asked_by_name(known, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(machine, "_sysctl", lambda name: known.get(name, 0))
    assert cache_sizes(tmp_path) == expected


@pytest.mark.parametrize("l2, block", [(0, 65_536), (512 * K, 131_072), (1 * M, 262_144), (4 * M, 1_048_576)])
def test_blocks_follow_from_the_second_cache(l2, block):
    assert Tuning.of(1, l2) == Tuning(threads=1, block=block)
    assert Tuning.of(2, l2).block == Tuning.of(8, l2).block == max(65_536, l2 // 2)
