"""The models: golden totals, sizes behind every layer, and steps of each system."""

import numpy as np
import pytest

from minigan import models
from minigan.cli import main
from minigan.errors import SettingsError

from .systems import IMAGE_SYSTEMS, real_batch, system

# Trainable parameters of G, and not; the same of D. Those of the published systems are the publications'.
TOTALS = {
    "mnist_mlp": ((1_489_936, 3_584), (665_089, 0)),
    "faces64": ((2_041_475, 1_536), (1_611_969, 1_920)),
    "anime96": ((4_600_704, 1_920), (2_770_176, 1_792)),
    "anime96_wgan": ((12_067_712, 1_920), (11_157_248, 3_840)),
    "cats96": ((3_578_560, 1_920), (2_767_297, 1_792)),
    "celeba64": ((2_152_227, 960), (1_782_753, 1_920)),
    "mnist_dcgan": ((6_679_041, 14_720), (3_344_577, 0)),
    "r3gan": ((139_808, 0), (135_840, 0)),
    "toy2d": ((33_666, 0), (33_537, 0)),
}

# The heights of the images behind the layers that change them, in G and in D.
HEIGHTS = {
    "faces64": ([4, 8, 16, 32, 64], [64, 32, 16, 17, 9, 1]),
    "anime96": ([1, 6, 12, 24, 48, 96], [96, 48, 24, 12, 6, 1]),
    "anime96_wgan": ([1, 3, 8, 6, 14, 12, 26, 24, 50, 48, 98, 96], [96, 98, 48, 50, 24, 26, 12, 14, 6, 8, 3, 1]),
    "cats96": ([1, 4, 8, 16, 32, 96], [96, 32, 16, 8, 4, 1]),
    "celeba64": ([4, 8, 16, 32, 64], [64, 32, 16, 8, 4, 1]),
    "mnist_dcgan": ([7, 14, 28], [28, 14, 7, 1]),
}
FACTORS = {"faces64": 16, "anime96": 16, "anime96_wgan": 32, "cats96": 24, "celeba64": 16, "mnist_dcgan": 4}


def test_the_tables_miss_no_model():
    assert set(TOTALS) == set(models.MODELS) == {"mnist_mlp", "r3gan", "toy2d", *HEIGHTS} and set(FACTORS) == set(
        HEIGHTS
    )


@pytest.fixture(scope="module")
def whole():
    """Every model at its own size, built once."""
    return {name: model() for name, model in models.MODELS.items()}


@pytest.mark.parametrize("name", TOTALS)
def test_golden_totals(name, whole):
    assert tuple((net.params.size, net.state.size) for net in whole[name]) == TOTALS[name]
    for trained, fixed in TOTALS[name]:
        for number in {trained, fixed} - {0}:
            assert f"{number:,}" in models.MODELS[name].__doc__ or name == "mnist_mlp", number


def shapes(net):
    """Between all layers, the input's first."""
    return [net.input_shape, *(layer.output_shape for layer in net.layers)]


@pytest.mark.parametrize("name", HEIGHTS)
def test_sizes_behind_every_layer(name, whole):
    for net, expected in zip(whole[name], HEIGHTS[name], strict=True):
        heights = [shape[0] if len(shape) == 3 else 1 for shape in shapes(net)]
        changes = [h for i, h in enumerate(heights) if i == 0 or h != heights[i - 1]]
        assert (changes[1:] if changes[0] == 1 and expected[0] != 1 else changes) == expected


def test_the_state_sizes_of_faces64(whole):
    """64 -> 32 -> 16 -> 17 -> 9 -> 9 -> 9: Keras's "same", and the odd ZeroPadding2D."""
    D = whole["faces64"][1]
    sizes = [layer.output_shape[0] for layer in D.layers if type(layer).__name__[:4] in ("Conv", "Zero")]
    assert [D.input_shape[0], *sizes] == [64, 32, 16, 17, 9, 9, 9]
    assert (41_472,) in shapes(D)


@pytest.mark.parametrize("name", FACTORS)
def test_images_that_are_not_square_and_not_of_the_original_size(name):
    factor, model = FACTORS[name], models.MODELS[name]
    shape = (2 * factor, 3 * factor, 3)
    G, D = model(image_shape=shape, latent=3, width=2)
    assert G.output_shape == shape == D.input_shape and D.output_shape == (1,)
    with pytest.raises(
        SettingsError, match=rf"{name} cannot make images of {2 * factor} x {3 * factor + 1}.*multiples of {factor}"
    ):
        model(image_shape=(2 * factor, 3 * factor + 1, 3))
    with pytest.raises(SettingsError, match="cannot make images of 0 x 0"):
        model(image_shape=(0, 0, 3))


@pytest.mark.parametrize("name", [name for name in TOTALS if name not in ("anime96_wgan", "r3gan")])  # scores alone
def test_what_D_ends_in(name):
    model = models.MODELS[name]
    small = {} if name == "mnist_mlp" else {"width": 2}
    assert type(model(output="probability", **small)[1].layers[-1]).__name__ == "Sigmoid"
    with pytest.raises(SettingsError, match="output is 'logits'; the choices are logit, probability"):
        model(output="logits", **small)


STARTS = {  # std of G's first kernel, gamma's std, eps and momentum of BatchNorm
    "anime96": (0.02, 0.02, 1e-5, 0.9),
    "anime96_wgan": (0.02, 0.02, 1.01e-5, 0.9),
    "cats96": (0.02, 0.02, 1e-5, 0.9),
    "celeba64": (0.02, 0.02, 1e-5, 0.9),
    "mnist_dcgan": (0.02, 0.02, 1e-5, 0.9),
    "faces64": ((6 / (100 + 4096)) ** 0.5 / 3**0.5, 0.0, 1e-3, 0.8),  # Glorot uniform; gamma is 1
}


@pytest.mark.parametrize("name", STARTS)
def test_initialisers_and_batchnorm(name, whole):
    std, gamma_std, eps, momentum = STARTS[name]
    for net in whole[name]:
        norms = [layer for layer in net.layers if type(layer).__name__ == "BatchNorm"]
        assert bool(norms) == ((name, net.name) != ("mnist_dcgan", "D"))
        if norms:
            assert {(layer.eps, layer.momentum) for layer in norms} == {(eps, momentum)}
            gamma = np.concatenate([layer.gamma for layer in norms])
            assert abs(gamma.mean() - 1) < 0.01 and abs(gamma.std() - gamma_std) < 0.003
        assert all((layer.beta == 0).all() for layer in norms)
        assert all((layer.b == 0).all() for layer in net.layers if getattr(layer, "bias", False))
    first = next(layer for layer in whole[name][0].layers if hasattr(layer, "W"))
    assert abs(first.W.std() / std - 1) < 0.02 and abs(first.W.mean()) < std / 50
    if name == "anime96":
        G, D = models.anime96(std=0.01)
        assert abs(D.layers[0].W.std() / 0.01 - 1) < 0.1


def test_only_celeba64_draws_uniform_noise(whole):
    assert {name for name, (G, _) in whole.items() if getattr(G, "latent", "normal") == "uniform"} == {"celeba64"}


@pytest.mark.parametrize("name", TOTALS)
def test_summary(name, whole, monkeypatch, capsys):
    monkeypatch.setitem(models.MODELS, name, lambda: whole[name])  # built once
    assert main(["summary", name]) == 0
    (g, g_fixed), (d, d_fixed) = TOTALS[name]
    printed = capsys.readouterr().out
    assert f"{g + g_fixed:,} parameters: {g:,} trainable, {g_fixed:,} not" in printed
    assert f"{d + d_fixed:,} parameters: {d:,} trainable, {d_fixed:,} not" in printed


SMALL = {
    "faces_dcgan": {"size": 32, "width": 2}, "anime_dcgan": {"size": 32, "width": 2},
    "anime_wgan": {"size": 32, "width": 2, "d_steps": 2}, "cats_dcgan": {"size": 48, "width": 2},
    "celeba_dcgan": {"size": 32, "width": 2}, "mnist_dcgan": {"width": 4},
    "mnist_wgan_gp": {"width": 2, "d_steps": 2}, "mnist_r3gan": {"width": 2, "group": 2},
    "faces_r3gan": {"size": 16, "width": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGE_SYSTEMS)
def test_steps_are_the_same_in_every_workspace(name):
    """Whole networks under the buffer laws: fresh, reused and poisoned memory give the same bits."""
    found = []
    for mode in ("fresh", "reuse", "poison"):
        gan, _ = system(name, workspace=mode, latent=5, **SMALL[name])
        losses = [np.array(gan.step(real_batch(gan, 4, step)).values()) for step in range(2)]
        found.append((losses, gan.G.params.copy(), gan.D.params.copy(), gan.G.state.copy(), gan.D.state.copy()))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("name", IMAGE_SYSTEMS)
def test_float32_stays_float32(name):
    gan, _ = system(name, dtype="float32", latent=5, **SMALL[name])
    losses = gan.step(real_batch(gan, 3))
    assert {np.asarray(value).dtype.name for value in losses.values()} <= {"float32", "float64"}
    assert {a.dtype.name for net in (gan.G, gan.D) for a in (net.params, net.grads, net.state)} == {"float32"}
    assert {a.dtype.name for net in (gan.G, gan.D) for a in net.workspace.arrays()} <= {"float32", "bool"}
