"""The GANs of the examples, small or whole, built by the examples' own functions: what is tested is what runs."""

import importlib.util
import sys

from .conftest import ROOT

EXAMPLES = ROOT / "examples"
IMAGE_SYSTEMS = (
    "faces_dcgan", "anime_dcgan", "anime_wgan", "cats_dcgan", "celeba_dcgan", "mnist_dcgan", "mnist_wgan_gp",
    "mnist_r3gan", "faces_r3gan",
)  # fmt: skip


def example(name):
    """An example's module."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def system(name, dtype="float64", workspace="reuse", backend=None, **settings):
    """The GAN of an example, and its settings. An epoch has 7 steps. The backend: a name or an object."""
    module = example(name)
    settings = module.Settings(**settings)
    epoch = (7,) if name in IMAGE_SYSTEMS else ()
    networks = module.networks(settings, dtype=dtype, workspace=workspace, backend=backend or settings.backend)
    return module.game(settings, *networks, *epoch), settings


def real_batch(gan, n, step=0):
    """Something in the range of images, for `d_steps` updates of D."""
    shape = (n * gan.d_steps, *gan.G.output_shape)
    return gan.D.backend.xp.tanh(gan.D.backend.random.normal(shape, 5, "real", step, gan.D.dtype))
