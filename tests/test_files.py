"""Files: writing that never harms what was there, and model files that are whole, or refused by name."""

import errno
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minigan import (
    BCE,
    SGD,
    Generator,
    Hinge,
    Saturating,
    Sequential,
    StepLR,
    Wasserstein,
    WeightClipping,
    files,
    load_model,
    save_model,
)
from minigan.backend import cupy_backend
from minigan.checkpoint import load_checkpoint, save_checkpoint
from minigan.cli import main
from minigan.errors import BackendError, FileError
from minigan.files import write_atomically
from minigan.layers import BatchNorm, Dense, Dropout, Layer, LeakyReLU, Reshape, Tanh

from .gans import real_images, small_gan

# Writing -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def old(tmp_path):
    """A file that is there already, alone in its folder."""
    path = tmp_path / "model.npz"
    path.write_bytes(b"old")
    return path


def alone(path, content):
    """The file has this content, and nothing else is in its folder."""
    return path.read_bytes() == content and os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_written_or_replaced(tmp_path, kind):
    path = tmp_path / "model.npz"
    for content in (b"first", b"second, and longer", b"3rd"):
        write_atomically(kind(path), lambda file, content=content: file.write(content))
        assert alone(path, content)


def test_the_old_content_stands_until_the_new_is_complete_and_on_the_disk(old, monkeypatch):
    """A kill at any moment must leave one of the two: so nothing happens to the file before the rename."""
    calls = []

    def observed(name, call):
        def observe(*arguments):
            calls.append((name, old.read_bytes()))
            return call(*arguments)

        monkeypatch.setattr(files.os, name, observe)

    observed("fsync", os.fsync)
    observed("replace", os.replace)
    write_atomically(old, lambda file: (file.write(b"new"), calls.append(("write", old.read_bytes()))))
    assert calls == [("write", b"old"), ("fsync", b"old"), ("replace", b"old")]
    assert alone(old, b"new")


def test_a_kill_in_the_middle_leaves_the_old_file_and_does_not_hinder_the_next(old):
    code = (
        "import os, sys; from minigan.files import write_atomically\n"
        "write_atomically(sys.argv[1], lambda file: (file.write(b'half'), file.flush(), os._exit(9)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(old)]).returncode == 9
    assert old.read_bytes() == b"old"
    write_atomically(old, lambda file: file.write(b"new"))
    assert old.read_bytes() == b"new"


@pytest.mark.parametrize("raised", [ValueError("mine"), KeyboardInterrupt(), MemoryError(), FileError("mine")])
def test_an_interrupted_writer_leaves_the_old_file_and_nothing_else(old, raised):
    def write(file):
        file.write(b"half of")
        raise raised

    with pytest.raises(type(raised)):
        write_atomically(old, write)
    assert alone(old, b"old")


def failing(number):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return fail


FAILURES = {
    "full disk, writing": ("write", errno.ENOSPC),
    "read-only folder, opening": ("open", errno.EROFS),
    "no permission, opening": ("open", errno.EACCES),
    "broken disk, forcing": ("fsync", errno.EIO),
    "no permission, renaming": ("replace", errno.EACCES),
}


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("failure", FAILURES)
def test_what_the_system_refuses_is_a_file_error_and_the_old_file_is_intact(tmp_path, monkeypatch, failure, there):
    monkeypatch.setattr(files, "PATIENCE", 0.05)
    place, number = FAILURES[failure]
    path = tmp_path / "model.npz"
    if there:
        path.write_bytes(b"old")
    if place == "open":
        monkeypatch.setattr(files, "open", failing(number), raising=False)
    elif place != "write":
        monkeypatch.setattr(files.os, place, failing(number))
    with pytest.raises(FileError) as caught:
        write_atomically(path, failing(number) if place == "write" else lambda file: file.write(b"new"))
    assert f"{path} cannot be written: {os.strerror(number)}" in str(caught.value)
    assert ("the model.npz that was there is intact" in str(caught.value)) == there
    assert alone(path, b"old") if there else os.listdir(tmp_path) == []


def full_disk(monkeypatch):
    """Every file is opened on the device that is always full: the writes are refused by the system itself."""
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    monkeypatch.setattr(files, "open", lambda path, mode: open("/dev/full", mode), raising=False)  # noqa: SIM115


@pytest.mark.parametrize("size", [1, 100_000])  # refused at the flush, and in the midst of writing
def test_a_disk_that_is_really_full_leaves_the_old_file(old, monkeypatch, size):
    full_disk(monkeypatch)
    with pytest.raises(FileError, match="model.npz cannot be written: No space left on device; .* is intact"):
        write_atomically(old, lambda file: file.write(bytes(size)))
    assert alone(old, b"old")


def test_a_model_does_not_fit_on_a_full_disk(old, monkeypatch):
    full_disk(monkeypatch)
    with pytest.raises(FileError, match="model.npz cannot be written: No space left on device"):
        save_model(old, network())
    assert alone(old, b"old")


def test_a_missing_folder_and_a_folder_in_the_way_are_refused(tmp_path):
    with pytest.raises(FileError, match="missing/model.npz cannot be written: No such file or directory"):
        write_atomically(tmp_path / "missing" / "model.npz", lambda file: file.write(b"new"))
    with pytest.raises(FileError, match=f"{tmp_path} cannot be written: Is a directory"):
        write_atomically(tmp_path, lambda file: file.write(b"new"))
    assert os.listdir(tmp_path) == []


def test_a_file_that_may_not_be_replaced_is_not(old):
    def write(file):
        raise AssertionError("the writer was called")

    with pytest.raises(FileError, match="model.npz exists already and is not overwritten"):
        write_atomically(old, write, overwrite=False)
    assert alone(old, b"old")
    old.unlink()
    write_atomically(old, lambda file: file.write(b"new"), overwrite=False)
    assert alone(old, b"new")


# Model files ---------------------------------------------------------------------------------------------------------


class Doubling(Layer):
    """A layer that is not minigan's, with a setting."""

    def __init__(self, factor=2.0):
        self.factor = factor

    def forward(self, x, train):
        self.xp.multiply(x, self.factor, out=(y := self.buf("y", x.shape)))
        return y

    def backward(self, dy, params=True, inputs=True):
        return dy * self.factor


def network(dtype="float32", last=None, seed=1):
    """A small generator whose running statistics and noise count are no longer those of the start."""
    layers = [Dense(6), LeakyReLU(0.3), BatchNorm(momentum=0.8), Dropout(0.4), Dense(12), last or Tanh()]
    net = Sequential([*layers, Reshape((3, 4, 1))], input_shape=5, name="G", dtype=dtype, seed=seed, backend="numpy")
    for step in range(3):
        net.backward(net.forward(noise(net, step)))
        net.params -= 0.001 * net.grads
    return net


def noise(net, step=9, n=7):
    return net.backend.random.normal((n, *net.input_shape), 0, "noise", step, net.dtype)


@pytest.fixture
def model(tmp_path):
    """A model file, and the network in it."""
    net = network()
    save_model(tmp_path / "model.npz", net)
    return tmp_path / "model.npz", net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_model_predicts_and_trains_on_as_the_saved_one(tmp_path, dtype):
    net = network(dtype)
    save_model(tmp_path / "model", net)  # the very name: no .npz is added
    assert os.listdir(tmp_path) == ["model"]
    loaded = load_model(str(tmp_path / "model"), backend="numpy")
    assert (loaded.dtype, loaded.name, loaded.seed) == (net.dtype, net.name, net.seed)
    assert (loaded.input_shape, loaded.output_shape) == ((5,), (3, 4, 1))
    assert str(loaded.layers) == str(net.layers)
    assert np.array_equal(loaded.predict(noise(net)), net.predict(noise(net)))
    # in training mode the running statistics move on and Dropout draws its next noise, the same in both
    assert np.array_equal(loaded.forward(noise(net)), net.forward(noise(net)))
    assert np.array_equal(loaded.state, net.state)


def test_saving_again_replaces_the_model_only_if_it_may(model):
    path, _ = model
    first = path.read_bytes()
    with pytest.raises(FileError, match="model.npz exists already"):
        save_model(path, network(seed=2), overwrite=False)
    assert path.read_bytes() == first
    save_model(path, network(seed=2))
    assert path.read_bytes() != first


def refusal(path, *words, load=load_model):
    """Loading is a FileError, and no other, that names the file and has these words."""
    with pytest.raises(FileError) as caught:
        load(path)
    message = str(caught.value)
    for word in (str(path), *words):
        assert word in message
    return message


@pytest.mark.parametrize("tenths", [*range(10), 9.99])
def test_a_truncated_model_is_refused_wherever_it_was_cut(model, tenths):
    path, _ = model
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * tenths / 10)])
    refusal(path)


def arrays_of(path):
    with np.load(path) as archive:
        return dict(archive)


@pytest.mark.parametrize("compressed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_one_wrong_byte_is_refused_or_harmless(model, compressed):
    """Harmless are fields of the archive such as its dates; the numbers are guarded by checksums.

    Compressed archives are not minigan's own, but a file manager can make one of them.
    """
    path, net = model
    if compressed:
        np.savez_compressed(path, **arrays_of(path))
    content, expected = path.read_bytes(), net.predict(noise(net))
    refused, others = 0, []
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        try:
            assert np.array_equal(load_model(path).predict(noise(net)), expected)
        except FileError as error:
            assert str(path) in str(error)
            refused += 1
        except Exception as error:
            others.append(f"{place}: {type(error).__name__}: {error}")
    assert refused > len(content) // 6
    assert others == []


def rewritten(path, **changes):
    """The model file with some of its arrays replaced, or left out if None."""
    arrays = arrays_of(path) | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def described(path, change):
    """The model file with its architecture changed."""
    description = json.loads(str(arrays_of(path)["architecture"]))
    change(description)
    rewritten(path, architecture=np.array(json.dumps(description)))


class Canary:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def zip_of_text(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("format", "no array")


def plain_array(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(9))


FOREIGN = {
    "missing": (lambda path: path.unlink(), ["No such file"]),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), ["Is a directory", "model file"]),
    "empty": (lambda path: path.write_bytes(b""), ["truncated or damaged"]),
    "text": (lambda path: path.write_text("weights: 1, 2, 3\n", encoding="utf-8"), ["is not a model file"]),
    "a .npy": (plain_array, ["is not a model file", "minigan did not write it"]),
    "another .npz": (lambda path: np.savez(path, weights=np.zeros(9)), ["is not a model file"]),
    "another format": (lambda path: rewritten(path, format=np.array("minigan model 99")), ["'minigan model 99'"]),
    "no format": (lambda path: rewritten(path, format=None), ["is not a model file"]),
    "a zip of text": (zip_of_text, ["is not a model file"]),
    "a checkpoint": (lambda path: save_checkpoint(path, small_gan(), {}), ["it says 'minigan checkpoint 2', wanted"]),
    "no parameters": (lambda path: rewritten(path, params=None), ["params"]),
    "a number short": (lambda path: rewritten(path, params=np.zeros(131)), ["G has 132", "the file has 131"]),
    "a matrix": (lambda path: rewritten(path, params=np.zeros((132, 1))), []),
    "text for numbers": (lambda path: rewritten(path, params=np.array(["x"] * 132)), []),
    "short statistics": (lambda path: rewritten(path, state=np.zeros(3)), ["G has 12", "the file has 3"]),
    "no architecture": (lambda path: rewritten(path, architecture=None), ["architecture"]),
    "half an architecture": (lambda path: rewritten(path, architecture=np.array('{"name": ')), ["damaged"]),
    "a list": (lambda path: rewritten(path, architecture=np.array("[1, 2]")), ["damaged"]),
    "no layers": (lambda path: described(path, lambda net: net.update(layers=[])), ["no layers"]),
    "other widths": (lambda path: described(path, lambda net: net["layers"][0].update(d_out=5)), ["the file has 132"]),
    "negative width": (lambda path: described(path, lambda net: net["layers"][0].update(d_out=-5)), ["-5"]),
    "foreign setting": (lambda path: described(path, lambda net: net["layers"][0].update(biases=1)), ["biases"]),
    "another dtype": (lambda path: described(path, lambda net: net.update(dtype="int8")), ["int8", "float32"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_no_whole_model_file_is_refused(model, case):
    path, _ = model
    make, words = FOREIGN[case]
    make(path)
    refusal(path, *words)


@pytest.mark.parametrize("place", ["params", "format", "whole file"])
def test_pickled_objects_are_refused_and_not_run(model, place):
    path, _ = model
    canary = Canary(path.with_name("canary"))
    if place == "whole file":
        path.write_bytes(pickle.dumps(canary))
    else:
        rewritten(path, **{place: np.array([canary])})
    refusal(path, "pickled objects, which minigan never loads")
    assert not canary.path.exists()


def test_a_layer_of_ones_own_is_named_and_can_be_given(tmp_path):
    path, net = tmp_path / "model.npz", network(last=Doubling(factor=3.0))
    save_model(path, net)
    refusal(path, "'Doubling'", "layers=[Doubling]")
    loaded = load_model(path, layers=[Doubling])
    assert loaded.layers[5].factor == 3.0
    assert np.array_equal(loaded.predict(noise(net)), net.predict(noise(net)))


@pytest.mark.parametrize("backend", ["cupy", "abacus"])
def test_a_backend_that_cannot_be_used_is_not_the_files_fault(model, monkeypatch, backend):
    monkeypatch.setitem(sys.modules, "cupy", None)
    cupy_backend.shared_backend.cache_clear()  # where there is a GPU, it may have been made already
    with pytest.raises(BackendError, match=backend):
        load_model(model[0], backend=backend)


def constant(step):
    """A schedule that is a function of one's own."""
    return 1.0


# Checkpoints ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint after two steps, and the GAN in it."""
    gan = small_gan()
    for step in range(2):
        gan.step(real_images(gan, step=step))
    save_checkpoint(tmp_path / "checkpoint.npz", gan, {"pending": np.arange(3.0)})
    return tmp_path / "checkpoint.npz", gan


def test_a_gan_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(checkpoint):
    path, gan = checkpoint
    restored = small_gan()
    for net in (restored.G, restored.D):
        net.params[...], net.state[...] = 1, 2
    extra = load_checkpoint(path, restored)
    assert list(extra) == ["pending"] and np.array_equal(extra["pending"], np.arange(3.0))
    assert restored.steps == 2
    for one in (gan, restored):
        one.step(real_images(gan, step=2))
    for one, other in ((gan.G, restored.G), (gan.D, restored.D)):
        assert np.array_equal(one.params, other.params) and np.array_equal(one.state, other.state)


@pytest.mark.parametrize("tenths", [*range(0, 10, 3), 9.99])
def test_a_truncated_checkpoint_is_refused_wherever_it_was_cut(checkpoint, tenths):
    path, gan = checkpoint
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * tenths / 10)])
    refusal(path, load=lambda path: load_checkpoint(path, gan))


OTHER_GANS = {
    "another seed": lambda: small_gan(seed=4),
    "another optimizer": lambda: small_gan(optimizer=SGD),
    "another switch": lambda: small_gan(noise="same"),
    "another objective": lambda: small_gan(objective=Saturating),
    "another output": lambda: small_gan(loss=BCE),
    "clipping": lambda: small_gan(clip=WeightClipping(0.01)),
    "a schedule": lambda: small_gan(schedule=StepLR(10, 0.5)),
    "an average": lambda: small_gan(ema=0.9),
}
FROM_TO = {  # a switch that differs, and what the refusal names
    "clip": ({"clip": WeightClipping(0.01)}, {"clip": WeightClipping(0.02)}),
    "clip, its scope": ({"clip": WeightClipping(0.01)}, {"clip": WeightClipping(0.01, "kernels")}),
    "clip, given up": ({"clip": WeightClipping(0.01)}, {}),
    "schedule": ({"schedule": StepLR(10, 0.5)}, {"schedule": StepLR(10, 0.25)}),
    "schedule, another function": ({"schedule": StepLR(10, 0.5)}, {"schedule": constant}),
    "ema": ({"ema": 0.9}, {"ema": 0.99}),
    "ema, given up": ({"ema": 0.9}, {}),
    "objective": ({"objective": lambda loss: Hinge()}, {"objective": lambda loss: Wasserstein()}),
}


@pytest.mark.parametrize("case", FROM_TO)
def test_a_checkpoint_with_another_switch_is_refused_by_the_switchs_name(tmp_path, case):
    path, (before, after) = tmp_path / "checkpoint.npz", FROM_TO[case]
    save_checkpoint(path, small_gan(**before), {})
    load_checkpoint(path, small_gan(**before))
    message = refusal(path, load=lambda path: load_checkpoint(path, small_gan(**after)))
    assert re.search(rf"the two differ in {case.partition(',')[0]}(, \w+)?: \S+ here, \S+ there$", message), message


def test_a_schedule_begins_with_the_rates_of_its_checkpoint(checkpoint):
    """Without a schedule the checkpoint's rates count; with one they are a function of the first ones."""
    path, _ = checkpoint
    gans = [small_gan(schedule=StepLR(10, 0.5)) for _ in range(2)]
    gans[1].learning_rates = (0.5, 0.5)
    save_checkpoint(path, gans[0], {})
    refusal(
        path,
        "the two differ in learning rates of G and D, 0: 0.5 here",
        load=lambda path: load_checkpoint(path, gans[1]),
    )


def test_a_function_as_schedule_is_known_by_its_name(tmp_path):
    save_checkpoint(tmp_path / "checkpoint.npz", small_gan(schedule=constant), {})
    load_checkpoint(tmp_path / "checkpoint.npz", small_gan(schedule=constant))


def test_the_average_of_a_checkpoint_is_restored(tmp_path):
    path, gan = tmp_path / "checkpoint.npz", small_gan(ema=0.9)
    for step in range(3):
        gan.step(real_images(gan, step=step))
    save_checkpoint(path, gan, {})
    restored = small_gan(ema=0.9)
    load_checkpoint(path, restored)
    assert np.array_equal(restored.average, gan.average) and not np.array_equal(gan.average, gan.G.params)
    rewritten(path, average=None)
    refusal(path, "average", load=lambda path: load_checkpoint(path, restored))


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_the_noise_that_a_generator_takes_is_in_its_file(tmp_path, latent):
    net = Generator([Dense(3)], input_shape=5, name="G", latent=latent, backend="numpy")
    save_model(tmp_path / "model.npz", net)
    assert load_model(tmp_path / "model.npz").latent == latent
    described(tmp_path / "model.npz", lambda net: net.update(latent="gaussian"))
    refusal(tmp_path / "model.npz", "latent is 'gaussian'; the choices are normal, uniform")


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_the_sample_command_draws_the_noise_of_the_models_kind(tmp_path, latent):
    layers = [Dense(12), Tanh(), Reshape((3, 4, 1))]
    net = Generator(layers, input_shape=5, name="G", latent=latent, backend="numpy")
    save_model(tmp_path / "model.npz", net)
    main(["sample", str(tmp_path / "model.npz"), "--count", "7", "--seed", "9", "--out", str(tmp_path / "images.npy")])
    draw = {
        "normal": net.backend.random.normal,
        "uniform": lambda *name: (2 * net.backend.random.uniform(*name) - 1).astype("f4"),
    }
    expected = net.predict(draw[latent]((7, 5), 9, "samples"))
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), expected, atol=1e-6)


def test_a_learning_rate_that_was_changed_is_kept(tmp_path):
    gan = small_gan()
    gan.g_optimizer.learning_rate = 0.125
    save_checkpoint(tmp_path / "checkpoint.npz", gan, {})
    restored = small_gan()
    load_checkpoint(tmp_path / "checkpoint.npz", restored)
    assert restored.g_optimizer.learning_rate == 0.125


def test_a_model_or_another_systems_checkpoint_is_refused(checkpoint):
    path, gan = checkpoint
    rewritten(path, **{"D.params": np.zeros(5)})
    refusal(
        path,
        "is damaged",
        "D.params: D has 179 numbers where the file has 5",
        load=lambda path: load_checkpoint(path, gan),
    )
    save_checkpoint(path, gan, {})
    for other in OTHER_GANS.values():
        refusal(path, "written by another GAN", load=lambda path, other=other: load_checkpoint(path, other()))
    save_model(path, gan.G)
    refusal(path, "is not a checkpoint", "'minigan model 2'", load=lambda path: load_checkpoint(path, gan))
