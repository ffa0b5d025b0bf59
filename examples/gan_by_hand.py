"""The MNIST GAN with nothing hidden: both updates written out, no trainer.

    python examples/gan_by_hand.py [STEPS] [PICTURE]      3,000 steps show digits

Without PICTURE it is by_hand.png, and by_hand2.png the next time.

This is Algorithm 1 of Goodfellow et al. 2014 with k = 1 and the loss for G that they recommend at the end of section 3.
The networks are those of mnist_mlp_gan.py, which follows a tutorial that updates D on real and on fake images in turn.
"""

import argparse
import sys
from pathlib import Path

from minigan import Adam, BCEWithLogits, Sequential, data, pictures
from minigan.layers import BatchNorm, Dense, Flatten, LeakyReLU, Reshape, Tanh

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("steps", nargs="?", type=int, default=3_000, metavar="STEPS")
parser.add_argument("picture", nargs="?", type=Path, metavar="PICTURE")
STEPS, PICTURE = vars(parser.parse_args()).values()
BATCH, LATENT, SEED = 32, 100, 0
names = [PICTURE] if PICTURE else [Path(f"by_hand{i}.png") for i in ("", *range(2, 1_000))]
PICTURE = next((name for name in names if not name.exists()), None)
if PICTURE is None:
    print(f"error: {names[0]} exists already, and is not overwritten: name another picture", file=sys.stderr)
    sys.exit(2)

# Two networks. G turns noise z into an image, D turns an image into one number, a logit: above 0 means "real".
G = Sequential(
    [  # z: 100 numbers
        Dense(256), LeakyReLU(0.2), BatchNorm(momentum=0.8, eps=1e-3),  # 256
        Dense(512), LeakyReLU(0.2), BatchNorm(momentum=0.8, eps=1e-3),  # 512
        Dense(1024), LeakyReLU(0.2), BatchNorm(momentum=0.8, eps=1e-3),  # 1024
        Dense(784), Tanh(), Reshape((28, 28, 1)),  # 28 x 28 x 1, from -1 (black) to 1 (white)
    ],
    input_shape=LATENT, name="G", seed=SEED,
)  # fmt: skip
D = Sequential(
    [  # 28 x 28 x 1
        Flatten(),  # 784
        Dense(512), LeakyReLU(0.2),  # 512
        Dense(512), LeakyReLU(0.2),  # 512
        Dense(1),  # 1
    ],
    input_shape=(28, 28, 1), name="D", seed=SEED,
)  # fmt: skip

loss = BCEWithLogits()
G_optimizer = Adam(G, learning_rate=2e-4, beta1=0.5)
D_optimizer = Adam(D, learning_rate=2e-4, beta1=0.5)
images = data.mnist("train", labels=False)


def noise(n, stream, step):
    return G.backend.random.normal((n, LATENT), SEED, stream, step)


for step in range(STEPS):
    # D:  minimise  loss(D(x), 1) + loss(D(G(z)), 0):  call real images real, and G's images fake.
    x = images.batch(BATCH, SEED, step, D.backend, D.dtype)  # (32, 28, 28, 1)
    real_loss, dlogit = loss(D.forward(x), 1.0)
    D.backward(dlogit, inputs=False)  # D.grads = the gradient on real images; nobody needs that of the images

    x_fake = G.forward(noise(BATCH, "for D", step), backward=False)  # G does not learn here
    fake_loss, dlogit = loss(D.forward(x_fake), 0.0)
    D.backward(dlogit, inputs=False, add=True)  # D.grads += the gradient on fake images
    D_optimizer.step()

    # G:  minimise  loss(D(G(z)), 1):  make D call G's images real. D has changed, so it runs forward anew.
    x_fake = G.forward(noise(BATCH, "for G", step))
    G_loss, dlogit = loss(D.forward(x_fake), 1.0)
    dx_fake = D.backward(dlogit, params=False)  # through D to its input, leaving D as it is
    G.backward(dx_fake, inputs=False)  # and on through G to its parameters
    G_optimizer.step()

    if step % 500 == 0 or step == STEPS - 1:
        print(f"step {step:6,}   D {float(real_loss + fake_loss):.3f}   G {float(G_loss):.3f}", flush=True)

samples = G.predict(noise(25, "samples", 0))  # running statistics in BatchNorm: one image does not depend on the others
pictures.save_png(PICTURE, pictures.grid(G.backend.to_host(samples)), overwrite=False)
print(f"25 images: {PICTURE}")
