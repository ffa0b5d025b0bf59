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
# ## What D is shown
#
# Half of the images are mirrored at random, which doubles the set. That is right where left and right mean nothing:
# faces, cats, clouds; not letters. `DiffAugment` goes further: it changes *all* images that $D$ sees, real and
# generated, so that few images last longer, and $G$ does not learn the changes.

# %%
data = mg.data.ImageSet(images.images, images.name, transforms=(mg.data.RandomHorizontalFlip(),))
G, D = mg.models.mnist_dcgan((32, 32, 3), width=12)  # convolutions; sides that are multiples of 4
gan = mg.GAN(
    G,
    D,
    g_optimizer=mg.Adam(G, 5e-4, 0.5),
    d_optimizer=mg.Adam(D, 5e-4, 0.5),
    augment=mg.DiffAugment("translation"),
    ema=0.99,  # samples are drawn with an average of G's last weights: steadier
)
print(f"{len(G.params):,} parameters in G, {len(D.params):,} in D")

# %% [markdown]
# ## Train
#
# With `out`, a run has a folder: the samples, the curves, a page, and the checkpoint to go on from. Here it lies
# beside the drawn pictures. Yours may be `out=True`, a new folder in `runs/`.

# %%
run = mg.train(gan, data, steps=1_400, batch_size=32, sample_every=200, out=folder.parent / "run")
run

# %%
mg.pictures.grid(gan.sample(40), columns=10)

# %% [markdown]
# From a distance, faces; near by, paint. Half a minute of a small network is only a start. What helps, in this order:
#
# 1. **More steps.** `mg.train(gan, data, more=10_000)` goes on where it stopped, also tomorrow: build the same GAN,
#    and say `resume=` with the run's folder.
# 2. **Wider networks**: `width=32`. The time grows with the square of it.
# 3. **Larger images**, last: `size=64` takes four times as long, and there is more to get wrong.
#
# ## How it came to be
#
# The same noise, at the steps at which samples were kept, as a film. It lies in the run's folder, with everything
# else.

# %%
print(*sorted(path.name for path in run.path.iterdir()), sep=", ")
Image((run.path / "evolution.gif").read_bytes(), format="gif")

# %% [markdown]
# ## Try
#
# - `channels=1` in `mg.data.images` reads the pictures as grey ones; then the networks are of `(32, 32, 1)`.
# - Draw from the file alone, in a terminal: `python -m minigan sample RUN/generator.npz --count 30 --out grid.png`.
# - `augment=None`, and only the first hundred images, `images.images[:100]`. What does `mg.Live()` show of $D$?
#
# Next: [is it any good?](judge_it.ipynb), and [data](../data.md), which has all rules for folders and files.
