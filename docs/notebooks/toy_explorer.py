# %% [markdown]
# # A GAN in the plane
#
# In images it is hard to see what a GAN does. In the plane one sees all of it: the real points, those of $G$, what
# $D$ says at every place, and the arrows along which $G$'s loss would move its points.
#
# The real points lie in eight clusters on a ring. $G$ makes a point of two random numbers.

# %%
import matplotlib.pyplot as plt
import numpy as np

import minigan as mg

ring = mg.data.ring(8)
figure, axes = plt.subplots(figsize=(4, 4))
axes.scatter(*ring.array[:2_000].T, s=3, color="gray")
axes.set_aspect("equal")
plt.show()

# %% [markdown]
# ## Train, and record
#
# $D$ learns $\sigma(D(x)) \approx p(x) / (p(x) + q(x))$, where $p$ is the density of the real points and $q$ that of
# $G$'s. $G$'s points go up the hill that $D$ builds: each moves along
#
# $$-\frac{\partial L_G}{\partial x}, \qquad L_G = -\log \sigma(D(x))$$
#
# `mg.Explorer` keeps a frame every 30 steps.

# %%
gan = mg.GAN(*mg.models.toy2d(width=64))
explorer = mg.Explorer(every=30)
run = mg.train(gan, ring, steps=3_000, batch_size=128, callbacks=[explorer])
explorer

# %% [markdown]
# Move the slider, or click on it and hold the right arrow key. Look for three things.
#
# - **The hunt.** At first all of $G$'s points sit in one cloud. $D$ paints it red, fake, and the cloud runs from
#   there to where it is blue, real.
# - **The map.** Tick the box "G's warped grid": the lines are the noise, as $G$ bends it. Where they are far apart,
#   few points are. $G$ is a continuous function, so it cannot leave out the gaps between the clusters; it can only
#   cross them fast.
# - **The end.** At the clusters $D$ turns white: it cannot tell any more. Red stays where no real points are.
#
# `explorer.save("ring.html")` writes the page as a file, for any browser.
#
# ## Counted
#
# A point is good if it lies within three standard deviations of a centre, and a mode is hit if it has such a point.

# %%
found = mg.metrics.mixture_modes(gan.sample(2_000), ring.centres, ring.std)
print(f"{found.hit} of 8 modes, {found.high_quality:.0%} of the points are good")
mg.pictures.scatter(gan.sample(2_000), real=ring.array[:2_000])

# %% [markdown]
# ## Mode collapse
#
# Now $G$ gets 16 numbers of noise in place of two, and nothing else changes. That should be easier, and is not: for a
# long time $G$ puts all its points into a few clusters, $D$ learns that these are fake, and $G$ moves on to others.

# %%
lost = mg.GAN(*mg.models.toy2d(width=64, latent=16))
wander = mg.Explorer(every=30)
mg.train(lost, ring, steps=3_000, batch_size=128, callbacks=[wander], progress=False)
hits = [len(frame["hit"]) for frame in wander.frames], [len(frame["hit"]) for frame in explorer.frames]

figure, axes = plt.subplots(figsize=(9, 2.8), layout="constrained")
for one, name in zip(hits, ("16 numbers of noise", "2 numbers of noise"), strict=True):
    axes.plot(30 * np.arange(len(one)), one, label=name)
axes.set(xlabel="step", ylabel="modes hit, of 8", ylim=(0, 8.4))
axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

# %%
wander

# %% [markdown]
# ## Try
#
# - Is it lost for ever? `mg.train(lost, ring, more=2_000, callbacks=[wander])`, and look at the page again.
# - `mg.GAN(..., objective="wasserstein")`, or `"hinge"`, or `"least-squares"`: what does $D$'s landscape look like?
# - Packs: `G, D = mg.models.toy2d(latent=16, pack=4)` and `mg.GAN(G, D, pack=4)` let $D$ see four points at once, so
#   that it notices when all of them are alike.
# - Your own drawing: paint something dark on white, save it as a PNG, and train on `mg.data.drawing("mine.png")`.
#
# Next: [see a run](../report.md), [what D sees](../augment.md), and the program `examples/toy_gan.py`.
