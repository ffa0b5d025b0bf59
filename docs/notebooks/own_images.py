# %% [markdown]
# # Your own images
#
# A GAN learns from a folder of pictures: PNG, JPEG and most other formats, of any sizes, in subfolders or not. This
# notebook draws such a folder first, so that it runs as it stands. It trains for half a minute, and says what to
# change for yours.

# %%
import tempfile
from pathlib import Path

from IPython.display import Image

import minigan as mg
from minigan.layers import BatchNorm, Conv2D, Conv2DTranspose, Dense, Flatten, LeakyReLU, ReLU, Reshape, Tanh

folder = Path(tempfile.mkdtemp()) / "photos"
folder.mkdir()
for i, face in enumerate(mg.data.draw_faces(1_000, size=48).images):
    mg.pictures.save_png(folder / f"{i:03}.png", face)

# %% [markdown]
# **Yours goes here.** Take away the `#` of the first line, and write the path of your folder.

# %%
# folder = Path("C:/Users/me/Pictures/cats")
images = mg.data.images(folder, size=32)
print(images)
mg.pictures.grid(images.images[:24], columns=8)

# %% [markdown]
# Look at them, because this is what the GAN will learn, mistakes included:
#
# - **Is the thing in the middle?** `fit="crop"`, the default, keeps the largest square in the middle. `fit="pad"`
#   keeps all.
# - **Are they alike?** A thousand faces that look at you are better than ten thousand holiday pictures.
# - **Are there enough?** From some hundreds on. With fewer, $D$ learns them by heart.
#
# ## The data, and two networks
#
# Half of the images are mirrored at random, which doubles the set. That is right where left and right mean nothing:
# faces, cats, clouds; not letters.
#
# $G$ begins with $4 \times 4$ pixels of many channels and doubles the sides three times. $D$ goes the other way. For
# images of $64 \times 64$ each gets one step more.

# %%
data = mg.data.ImageSet(images.images, images.name, transforms=(mg.data.RandomHorizontalFlip(),))

G = mg.Generator(
    [
        *(Dense(4 * 4 * 64), Reshape((4, 4, 64)), BatchNorm(), ReLU()),
        *(Conv2DTranspose(32, 4, 2, 1), BatchNorm(), ReLU()),  # 8 x 8
        *(Conv2DTranspose(16, 4, 2, 1), BatchNorm(), ReLU()),  # 16 x 16
        *(Conv2DTranspose(3, 4, 2, 1), Tanh()),  # 32 x 32, three colours
    ],
    input_shape=64,
    name="G",
)
D = mg.Sequential(
    [
        *(Conv2D(12, 4, 2, 1), LeakyReLU(0.2)),
        *(Conv2D(24, 4, 2, 1), LeakyReLU(0.2)),
        *(Conv2D(48, 4, 2, 1), LeakyReLU(0.2)),
        *(Flatten(), Dense(1)),
    ],
    input_shape=(32, 32, 3),
    name="D",
)
print(f"{len(G.params):,} parameters in G, {len(D.params):,} in D")

# %% [markdown]
# ## Train
#
# Few images and few minutes want a steady game. This one compares real and generated images in pairs, and keeps the
# slope of $D$ small, by a penalty on real images and on fakes ([R3GAN](../r3gan.md) explains both). Samples are drawn
# with an average of $G$'s last weights, `ema`.
#
# With `out`, a run has a folder: the samples, the curves, a page, and the checkpoint to go on from. Here it lies
# beside the drawn pictures. Yours may be `out=True`, a new folder in `runs/`.

# %%
gan = mg.GAN(
    G,
    D,
    objective="relativistic",
    penalty=mg.R1R2(2.0),
    fused=True,  # D's loss and its penalties in one pass
    g_optimizer=mg.Adam(G, 1e-3, 0.0, 0.95),
    d_optimizer=mg.Adam(D, 1e-3, 0.0, 0.95),
    ema=0.99,
)
run = mg.train(gan, data, steps=1_400, batch_size=32, sample_every=100, out=folder.parent / "run")
run

# %%
mg.pictures.grid(gan.sample(40), columns=10)

# %% [markdown]
# Faces, from a distance; near by, paint. Half a minute of a small network is only a start. What helps, in this order:
#
# 1. **More steps.** `mg.train(gan, data, more=10_000)` goes on where it stopped, also tomorrow: build the same GAN,
#    and say `resume=` with the run's folder.
# 2. **Wider networks**: twice as many channels everywhere. The time grows with the square of it.
# 3. **More from few images**: `augment=mg.DiffAugment("translation")` changes all images that $D$ sees, real and
#    generated, so that it cannot learn them by heart ([how](../augment.md)). It wants more steps.
# 4. **Larger images**, last: `size=64` takes four times as long, and there is more to get wrong.
#
# ## How it came to be
#
# The same noise, at the steps at which samples were kept, as a film. It lies in the run's folder, with everything
# else.

# %%
print(*sorted(path.name for path in run.path.glob("[!.]*")), sep=", ")
Image((run.path / "evolution.gif").read_bytes(), format="gif")

# %% [markdown]
# ## Try
#
# - `channels=1` in `mg.data.images` reads the pictures as grey ones; then $G$ ends in `Conv2DTranspose(1, 4, 2, 1)`,
#   and $D$'s input is `(32, 32, 1)`.
# - Draw from the file alone, in a terminal: `python -m minigan sample RUN/generator.npz --count 30 --out grid.png`.
# - Take only the first hundred images, `images.images[:100]`, and add `callbacks=[mg.Live()]`. What do the curves
#   show?
#
# Next: [is it any good?](judge_it.ipynb), and [data](../data.md), which has all rules for folders and files.
