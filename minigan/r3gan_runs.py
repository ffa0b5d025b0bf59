"""What the examples of R3GAN share: their settings, and the game."""

from dataclasses import dataclass

from .gan import GAN
from .image_runs import ImageSettings
from .network import Sequential
from .objectives import Relativistic
from .optimizers import Adam
from .penalties import R1R2
from .schedules import BurnIn
from .settings import option


@dataclass(frozen=True)
class R3GANSettings(ImageSettings):
    """ImageSettings, and the recipe of Huang et al. 2024, with numbers for small networks and runs of minutes."""

    latent: int = option(32, "numbers in z, the noise that becomes an image", minimum=1, below=100_000)
    width: int = option(32, "channels of the largest images; the others are multiples", minimum=1, below=10_000)
    blocks: int = option(1, "residual blocks for each size of images", minimum=1, below=100)
    group: int = option(8, "channels of a group in the 3x3 convolutions", minimum=1, below=10_000)
    linear: bool = option(False, "G ends without a Tanh, as it does in the paper")
    lr: float = option(2e-3, "learning rate of both optimizers", minimum=0)
    beta1: float = option(0.0, "decay of Adam's mean: no momentum against a moving opponent", minimum=0, below=1)
    beta2: float = option(0.9, "decay of Adam's mean square, at the beginning", minimum=0, below=1)
    beta2_end: float = option(0.99, "decay of Adam's mean square after the burn-in", minimum=0, below=1)
    gamma: float = option(10.0, "weight of both penalties at the beginning", minimum=1e-9)
    gamma_end: float = option(1.0, "weight of both penalties after the burn-in", minimum=1e-9)
    burn_in: int = option(50_000, "images that are seen while beta2 and gamma move", minimum=1)
    ema: float = option(
        0.998, "decay of the average of G's weights that samples are drawn with; 0: none", minimum=0, below=1
    )
    unfused: bool = option(False, "D's loss and its penalties one after the other: the same, and slower")


def r3gan_game(settings: R3GANSettings, G: Sequential, D: Sequential, epoch: int) -> GAN:
    """Pairs of a real and a generated image, both penalties, and Adam, which moves during the burn-in."""
    adam = {"beta1": settings.beta1, "beta2": settings.beta2}
    return GAN(
        G,
        D,
        objective=Relativistic(),
        g_optimizer=Adam(G, settings.lr, **adam),
        d_optimizer=Adam(D, settings.d_learning_rate, **adam),
        noise=settings.noise,
        g_steps=settings.g_steps,
        augment=settings.augment,
        penalty=R1R2(settings.gamma),
        fused=not settings.unfused,
        schedule=BurnIn(settings.burn_in, penalty=settings.gamma_end / settings.gamma, beta2=settings.beta2_end),
        ema=settings.ema or None,
        seed=settings.seed,
    )
