"""What one step of a GAN computes: updates of D, each on the gradient of its whole loss, and updates of G.

Everything here is a sequence of forwards and backwards of two networks; docs/gan_step.md derives it with the shapes.
D's gradient is computed in one of three ways: a batch at a time; in pairs, where the loss sees both batches at once;
or fused with that of the penalty, in one pass over both (docs/r3gan.md).
"""

from typing import TypeAlias

from .augment import DiffAugment
from .backend import Array
from .gan_parts import numbers, require_fused, require_gradient
from .generator import draw_noise, with_rows
from .network import Sequential
from .objectives import Objective
from .optimizers import Optimizer, WeightClipping
from .packing import packed, unpacked
from .penalties import Penalty, in_turn

Gradient: TypeAlias = tuple[list[Array], Array, Array]  # what D's gradient came with: losses, score, G(z)


class Updates:
    """The networks and switches of a GAN, and the updates of one step. gan.py says what each of them is."""

    G: Sequential
    D: Sequential
    objective: Objective
    g_optimizer: Optimizer
    d_optimizer: Optimizer
    noise: str
    d_update: str
    d_steps: int
    g_steps: int
    clip: WeightClipping | None
    penalty: Penalty | None
    penalty_now: Penalty | None  # as heavy as the schedule makes it at this step
    fused: bool
    augment: DiffAugment | None
    pack: int
    ema_now: float | None
    average: Array
    seed: int
    steps: int

    def draw_noise(self, n: int, stream: str, step: int) -> Array:
        """z, the noise for n images, a function of (seed, stream, step). Labels are no part of it."""
        return draw_noise(self.G, n, self.seed, f"noise.{stream}", step)

    def draw_share(self, n: int, count: int) -> Array:
        """e of shape (n, 1, ...), uniform in [0, 1), for the penalty: a function of (seed, count of D's updates)."""
        return self.D.backend.random.uniform(
            (n, *[1] * len(self.D.input_shape)), self.seed, "penalty", count, self.D.dtype
        )

    def draw_changes(self, n: int, batch: str, count: int) -> Array:
        """u for `augment`, a function of (seed, batch, count of its updates): of D's batches "real" and "fake", of G's
        "G", and "G.real" for the real images that its objective looks at, too.
        """
        assert self.augment is not None
        return self.augment.draw(self.D.backend, n, self.seed, f"augment.{batch}", count)

    def _updates(self, x_real: Array, chosen: Array = None) -> list[Array]:
        """All updates of one step. Returns what they measured.    chosen: the labels' one-hot rows, or None"""
        n = len(x_real) // self.d_steps
        for k in range(self.d_steps):
            here = slice(k * n, (k + 1) * n)
            rows = None if chosen is None else chosen[here]
            count, last = self.steps * self.d_steps + k, k == self.d_steps - 1
            d_losses, x_fake = self._update_D(x_real[here], rows, count, last)
        for k in range(self.g_steps):
            g_loss = self._update_G(x_fake, x_real[here], rows, k)
        self.steps += 1
        return numbers(self.objective, [*d_losses, g_loss])

    # D: minimise  real(D(x)) + fake(D(G(z))) + penalty. ---------------------------------------------------------------

    def _update_D(self, x_real: Array, rows: Array, count: int, last: bool) -> tuple[list[Array], Array]:
        """One update of D. Returns its losses and score, and the fake images.

        `count` names the noise; `last` says that G's update comes next; `rows` are the labels' one-hot rows, or None.
        """
        z = with_rows(self.draw_noise(len(x_real), "D", count), rows)
        x_real = self._shown(x_real, "real", count)
        both = self._gradient_of_pairs if self.objective.sees_both else self._gradient_of_halves
        gradient = self._gradient_fused if self.fused else both
        losses, score, x_fake = gradient(x_real, rows, z, last and self.noise == "same", count)
        if self.penalty_now is not None and not self.fused:
            shown = self._shown(x_fake, "fake", count)
            x = self.penalty_now.images(x_real, shown, self.draw_share(len(x_real), count))
            losses.append(self.penalty_now(self.D, x, rows))  # D.grads += its gradient
        self._move_D()
        columns = losses[1:] if self.objective.sees_both else losses  # the halves and the penalty have their own
        return [sum(losses), *columns, score], x_fake

    def _gradient_of_halves(self, x_real: Array, rows: Array, z: Array, same: bool, count: int) -> Gradient:
        """D.grads = those of real(D(x)) + fake(D(G(z))), a batch at a time. Returns both losses, the score, G(z)."""
        G, D, objective = self.G, self.D, self.objective

        pred = self._scores(x_real, rows)
        score = objective.score_real(pred)
        loss_real, dpred = objective.real(pred)
        D.backward(self._for_D(dpred, pred, rows), inputs=False)  # at once: the next forward reuses D's buffers
        if self.d_update == "two_steps":
            self._move_D()

        # G's batch statistics, but no gradient of G is wanted here; with the same noise, G's update goes back through
        # this very forward.
        x_fake = G.forward(z, backward=same)
        pred = self._scores(self._shown(x_fake, "fake", count), rows)
        score = score + objective.score_fake(pred)
        loss_fake, dpred = objective.fake(pred)
        D.backward(self._for_D(dpred, pred, rows), inputs=False, add=self.d_update == "summed")  # real + fake
        return [loss_real, loss_fake], score, x_fake

    def _gradient_of_pairs(self, x_real: Array, rows: Array, z: Array, same: bool, count: int) -> Gradient:
        """D.grads = those of discriminator(D(x), D(G(z))), which needs both predictions before it has a gradient.

        D keeps the activations of one batch, so that it goes through the real images once more, exactly as before:
        with the same masks of Dropout and the same vectors of SpectralNorm.
        """
        D, objective = self.D, self.objective
        before = D.state.copy(), D.forwards
        real = self._scores(x_real, rows, backward=False).copy()
        x_fake = self.G.forward(z, backward=same)
        fake = self._scores(self._shown(x_fake, "fake", count), rows)
        score = objective.score_pairs(real, fake)
        loss, d_real, d_fake = objective.discriminator(real, fake)
        D.backward(self._for_D(d_fake, fake, rows), inputs=False)
        after = D.state.copy(), D.forwards

        D.state[...], D.forwards = before
        self._scores(x_real, rows)
        D.backward(self._for_D(d_real, real, rows), inputs=False, add=True)
        D.state[...], D.forwards = after
        return [loss], score, x_fake

    def _gradient_fused(self, x_real: Array, rows: Array, z: Array, same: bool, count: int) -> Gradient:
        """D.grads = those of D's whole loss, its penalty included, in one pass over the real and the generated images:
        forward, backward from ones, and forward again along dP/dg. docs/r3gan.md derives it.

        Returns the losses, with the penalty at their end, the score and G(z).
        """
        D, objective = self.D, self.objective
        n, x_fake = len(x_real), self.G.forward(z, backward=same)
        chosen = None if rows is None else in_turn([rows, rows])
        pred = self._scores(in_turn([x_real, self._shown(x_fake, "fake", count)]), chosen)
        real, fake = pred[:n], pred[n:]
        if objective.sees_both:
            score = objective.score_pairs(real, fake)
            loss, d_real, d_fake = objective.discriminator(real, fake)
            losses = [loss]
        else:
            score = objective.score_real(real) + objective.score_fake(fake)
            (loss_real, d_real), (loss_fake, d_fake) = objective.real(real), objective.fake(fake)
            losses = [loss_real, loss_fake]
        dpred = in_turn([d_real, d_fake])
        require_gradient(objective, dpred, pred)
        g = D.backward(D.backend.xp.ones_like(pred) if chosen is None else chosen, params=False, keep=True)
        require_fused(self.fused, self.penalty_now)
        assert self.penalty_now is not None
        penalty, u = self.penalty_now.of_batches(g)
        D.fused_backward(u, dpred)
        return [*losses, penalty], score, x_fake

    def _shown(self, x: Array, batch: str, count: int) -> Array:
        """What D sees of a batch: changed at random, if there is an `augment`, and joined to packs."""
        if self.augment is not None:
            x = self.augment.forward(x, self.draw_changes(len(x), batch, count))
        return packed(x, self.pack)

    def _to_images(self, dx: Array, batch: str, count: int) -> Array:
        """The gradient for the batch, from that for what D saw of it: the adjoint of `_shown`."""
        dx = unpacked(dx, self.pack)
        return dx if self.augment is None else self.augment.backward(dx, self.draw_changes(len(dx), batch, count))

    def _scores(self, x: Array, rows: Array, backward: bool = True) -> Array:
        """D's predictions, (n, 1) or as D makes them: of its numbers for each class that of the label."""
        pred = self.D.forward(x, backward=backward)
        return pred if rows is None else (pred * rows).sum(axis=1, keepdims=True)

    def _for_D(self, dpred: Array, pred: Array, rows: Array) -> Array:
        """The gradient for D's output: 0 for the classes that a label does not name."""
        require_gradient(self.objective, dpred, pred)
        return dpred if rows is None else dpred * rows

    def _move_D(self) -> None:
        """One step of D's optimizer, and back into the box if there is one."""
        self.d_optimizer.step()
        if self.clip is not None:
            self.clip(self.D)

    # G: minimise  generator(D(G(z))). --------------------------------------------------------------------------------

    def _update_G(self, x_fake: Array, x_real: Array, rows: Array, k: int) -> Array:
        """Update k of G in this step, through the D just updated, hence a new forward of D.  Returns G's loss."""
        G, D, objective, count = self.G, self.D, self.objective, self.steps * self.g_steps + k
        if self.noise == "fresh" or k > 0:
            x_fake = G.forward(with_rows(self.draw_noise(len(x_fake), "G", count), rows))
        shown = self._shown(x_fake, "G", count)
        if objective.sees_both:
            real = self._scores(self._shown(x_real, "G.real", count), rows, backward=False).copy()
            pred = self._scores(shown, rows)
            loss, dpred = objective.generator(pred, real)
        else:
            pred = self._scores(shown, rows)
            loss, dpred = objective.generator(pred)
        dx_shown = D.backward(self._for_D(dpred, pred, rows), params=False)  # D is only the way to G
        G.backward(self._to_images(dx_shown, "G", count), inputs=False)
        self.g_optimizer.step()
        if self.ema_now is not None:
            self.average += (1 - self.ema_now) * (G.params - self.average)
        return loss
