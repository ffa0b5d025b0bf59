"""Packs: several samples that D sees at once, in whole steps, in diagnostics and on pages."""

import math

import numpy as np
import pytest

import minigan as mg
from minigan import Diagnostics, Explorer, models
from minigan.checkpoint import checkpoint_arrays, load_checkpoint, save_checkpoint
from minigan.config import config_of
from minigan.errors import FileError, SettingsError, ShapeError
from minigan.layers import Dense, Flatten, MinibatchStd
from minigan.packing import packed, packed_shape, unpacked, whole_packs


def numbered(*shape):
    return np.arange(math.prod(shape), dtype=float).reshape(shape)


@pytest.mark.parametrize("shape", [(5, 4, 3), (2, 3, 1), (1, 1, 2), (4,), (1,)], ids=str)
@pytest.mark.parametrize("m", [1, 2, 3])
def test_a_pack_is_its_samples_side_by_side(m, shape):
    x = numbered(3 * m, *shape)
    packs = packed(x, m)
    assert packs.shape == (3, *packed_shape(shape, m)) and packs.flags.c_contiguous
    for k in range(3):
        assert np.array_equal(packs[k], np.concatenate(list(x[k * m : (k + 1) * m]), axis=-1))
    assert np.array_equal(unpacked(packs, m), x)
    assert packed(x, 1) is x and unpacked(x, 1) is x


def test_unpacking_is_the_adjoint():
    x, y = numbered(6, 2, 3, 2), np.cos(numbered(2, 2, 3, 6))
    assert (packed(x, 3) * y).sum() == pytest.approx((x * unpacked(y, 3)).sum(), rel=1e-13)


@pytest.mark.parametrize(
    "n, m, rows", [(5, 2, [0, 1, 2, 3, 4, 0]), (1, 3, [0, 0, 0]), (2, 3, [0, 1, 0]), (4, 2, range(4))]
)
def test_the_last_pack_is_filled_with_the_first_samples(n, m, rows):
    x = numbered(n, 2)
    assert np.array_equal(unpacked(whole_packs(x, m), m), x[list(rows)])


# In a GAN ------------------------------------------------------------------------------------------------------------


def toy(pack=2, width=8, **switches):
    return mg.GAN(*models.toy2d(width=width, depth=1, pack=pack), pack=pack, **switches)


def points(n=32):
    return mg.data.ring(8).batch(n, 0, 0, mg.get_backend("numpy"), "float32")


@pytest.mark.parametrize("pack", [0, -1, 1.0, True, "2", None])
def test_a_pack_that_is_none(pack):
    with pytest.raises(SettingsError, match="pack is .*; it must be a whole number, at least 1"):
        mg.GAN(*models.toy2d(width=4), pack=pack)


def test_networks_that_do_not_fit_a_pack():
    with pytest.raises(ShapeError, match=r"shape \(2,\), of which pack=3 are \(6,\), and D takes \(4,\)"):
        mg.GAN(*models.toy2d(width=4, pack=2), pack=3)
    with pytest.raises(ShapeError, match=r"G makes images of shape \(2,\) and D takes \(4,\)"):
        mg.GAN(*models.toy2d(width=4, pack=2))


def test_labels_have_no_packs():
    G = mg.Generator([Dense(4)], input_shape=3 + 3, classes=3, name="G")
    D = mg.Sequential([Dense(3)], input_shape=8, name="D")
    with pytest.raises(SettingsError, match="pack=2: G makes images of 3 classes, and a pack has no one class"):
        mg.GAN(G, D, pack=2)


@pytest.mark.parametrize("n, d_steps, said", [(7, 1, 7), (6, 2, 3), (1, 1, 1)])
def test_a_batch_that_makes_no_whole_packs(n, d_steps, said):
    gan = toy(d_steps=d_steps)
    with pytest.raises(ShapeError, match=rf"^{said} samples? make no whole packs of 2"):
        gan.step(points(n))
    assert gan.steps == 0
    with pytest.raises(ShapeError, match="5 samples make no whole packs of 2"):
        mg.train(toy(), mg.data.ring(8), steps=1, batch_size=5, progress=False)


def test_one_sample_in_a_pack_is_no_pack():
    plain, packs = mg.GAN(*models.toy2d(width=8, depth=1)), toy(pack=1)
    for gan in (plain, packs):
        gan.step(points())
    assert np.array_equal(plain.D.params, packs.D.params) and np.array_equal(plain.G.params, packs.G.params)
    assert plain.config() == packs.config() and not {"pack", "augment"} & plain.config().keys()


def test_D_is_given_packs_of_the_batch_in_its_order():
    gan, met = toy(), []
    forward = gan.D.forward
    gan.D.forward = lambda x, **options: (met.append(x.copy()), forward(x, **options))[1]
    x = points(6)
    gan.step(x)
    assert [one.shape for one in met] == [(3, 4)] * 3 and np.array_equal(met[0], x.reshape(3, 4))


@pytest.mark.parametrize(
    "switches",
    [{"objective": "hinge"}, {"objective": "relativistic"}, {"penalty": mg.R1(0.1)},
     {"objective": "wasserstein", "penalty": mg.GradientPenalty(1.0)}],
    ids=str,
)  # fmt: skip
def test_training_diagnostics_and_pages_go_on(switches, tmp_path):
    gan, measured, explorer = toy(pack=3, **switches), Diagnostics(every=5, held_out=points(40)), Explorer(every=5)
    run = mg.train(gan, mg.data.ring(8), steps=10, batch_size=12, log_every=5, out=tmp_path / "run",
                   callbacks=[measured, explorer], progress=False)  # fmt: skip
    assert gan.steps == 10 and len(run.history["step"]) == 2
    assert [line["step"] for line in measured.lines] == [5, 10] and not measured.has_failed
    scores = measured.lines[-1]["scores"]
    assert [len(scores[kind]) for kind in ("real", "fake", "held_out")] == [4, 4, 14]
    assert [frame["step"] for frame in explorer.frames] == [0, 5, 10] and len(explorer.frames[0]["heat"]) > 100
    more = mg.train(toy(pack=3, **switches), mg.data.ring(8), resume=tmp_path / "run", more=2, progress=False)
    assert more.steps == 12


def test_the_explorers_arrows_are_of_the_samples_in_the_pack():
    """Both ends of an arrow belong to one sample: it begins where the sample is."""
    gan, explorer = toy(pack=3), Explorer(every=5)
    mg.train(gan, mg.data.ring(8), steps=5, batch_size=12, callbacks=[explorer], progress=False)

    class Training:
        pass

    training = Training()
    training.gan, training.data = gan, mg.data.ring(8)
    fake = gan.sample(400)[:61].astype("float64")
    ends = explorer._arrows(training, fake).reshape(-1, 2, 2)
    assert len(ends) == 60 and np.array_equal(ends[:, 0], fake[:60])
    assert (np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) > 0).all()


# Copies and files ----------------------------------------------------------------------------------------------------


def image_gan(**switches):
    G = mg.Sequential([Dense(4 * 6 * 3), mg.layers.Reshape((4, 6, 3)), mg.layers.Tanh()], input_shape=5, name="G")
    D = mg.Sequential([Flatten(), Dense(7), MinibatchStd(2), Dense(1)],
                      input_shape=(4, 6, 3 * switches.get("pack", 1)), name="D")  # fmt: skip
    return mg.GAN(G, D, **switches)


def images(gan, n=6, step=0):
    return np.tanh(gan.D.backend.random.normal((n, *gan.G.output_shape), 5, "real", step))


@pytest.mark.parametrize(
    "switches", [{"augment": "color,translation,cutout"}, {"pack": 3, "augment": "color"}], ids=str
)
def test_copies_and_checkpoints_go_on_to_the_bit(switches, tmp_path):
    import copy
    import pickle

    whole = image_gan(**switches)
    for step in range(2):
        whole.step(images(whole, step=step))
    save_checkpoint(tmp_path / "checkpoint.npz", whole, {})
    again = image_gan(**switches)
    load_checkpoint(tmp_path / "checkpoint.npz", again)
    others = [again, whole.clone(), copy.deepcopy(whole), pickle.loads(pickle.dumps(whole))]
    for step in range(2, 4):
        for gan in (whole, *others):
            gan.step(images(gan, step=step))
    for gan in others:
        ours, theirs = checkpoint_arrays(gan), checkpoint_arrays(whole)
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_checkpoint_knows_what_its_D_saw(tmp_path):
    plain, changed = image_gan(), image_gan(augment="cutout")
    assert changed.config()["augment"] == config_of(mg.DiffAugment("cutout"))
    save_checkpoint(tmp_path / "plain.npz", plain, {})
    save_checkpoint(tmp_path / "changed.npz", changed, {})
    with pytest.raises(FileError, match="the two differ in augment: DiffAugment here, None there"):
        load_checkpoint(tmp_path / "plain.npz", changed)
    with pytest.raises(FileError, match="the two differ in augment: None here, DiffAugment there"):
        load_checkpoint(tmp_path / "changed.npz", plain)
    with pytest.raises(FileError, match="the two differ in augment, policy: 'color' here, 'cutout' there"):
        load_checkpoint(tmp_path / "changed.npz", image_gan(augment="color"))


# Changed images in a GAN ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "augment, words",
    [
        (True, "augment is True; wanted DiffAugment"),
        ("colour", "there is no 'colour'"),
        (mg.DiffAugment, "wanted DiffAugment"),
    ],
)
def test_an_augment_that_is_none(augment, words):
    with pytest.raises(SettingsError, match=words):
        image_gan(augment=augment)


def test_points_cannot_be_changed():
    with pytest.raises(SettingsError, match=r"changes images \(h, w, c\), and G makes samples of shape \(2,\)"):
        toy(augment="color")


def test_a_policy_in_words_is_the_object():
    assert (
        image_gan(augment="color").augment
        == mg.DiffAugment("color")
        == image_gan(augment=mg.DiffAugment("color")).augment
    )


def test_every_batch_has_random_numbers_of_its_own():
    gan = image_gan(augment="color", d_steps=2, g_steps=2, objective="relativistic")
    drawn, draw = [], gan.draw_changes
    gan.draw_changes = lambda n, batch, count: (drawn.append((batch, count)), draw(n, batch, count))[1]
    for step in range(2):
        gan.step(images(gan, 8, step))
    assert set(drawn) == {(batch, count) for batch in ("real", "fake", "G", "G.real") for count in range(4)}
    numbers = [draw(4, batch, count) for batch, count in sorted(set(drawn))]
    assert all(not np.any(a == b) for i, a in enumerate(numbers) for b in numbers[:i])
