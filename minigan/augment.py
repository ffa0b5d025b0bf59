"""Random changes of the images that D sees, which G's gradient goes back through: DiffAugment.

Zhao, Liu, Lin, Zhu and Han 2020, arXiv:2006.10738. Every change T is affine in the image: T(x) = A x + b, where A and
b follow from random numbers u, drawn for each image. So its backward is the adjoint of A, dx = A^T dy, whatever x was,
and needs the same u. docs/augment.md derives them.
"""

from dataclasses import dataclass
from typing import ClassVar

from .backend import Array, Backend, backend_of
from .errors import SettingsError, did_you_mean

SHIFT, CUT = 0.125, 0.5  # of a side: how far images are moved, at most; and the black square's side


class Change:
    """y = T(x), and dx = A^T dy.    x, y, dx, dy: (n, h, w, c)   u: (draws, n, 1, 1, 1), uniform in [0, 1), float64"""

    draws: ClassVar[int] = 1  # random numbers for an image

    def forward(self, x: Array, u: Array) -> Array:
        """y = A x + b."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Array, u: Array) -> Array:
        """dx = A^T dy, with the u of the forward."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")


class Brightness(Change):
    """y = x + b,   b = u - 1/2.    dx = dy"""

    def forward(self, x: Array, u: Array) -> Array:
        """y = x + b."""
        return x + (u[0] - 0.5).astype(x.dtype)

    def backward(self, dy: Array, u: Array) -> Array:
        """dx = dy."""
        return dy


class Saturation(Change):
    """y = m + s (x - m),   m the mean of a pixel's channels,   s = 2 u.    dx = m' + s (dy - m'),   m' the same of dy

    A = s I + (1 - s) M, where M takes the mean: M^T = M, and so A^T = A. Grey images, of one channel, stay as they are.
    """

    axes: ClassVar[tuple[int, ...]] = (3,)

    def factor(self, u: Array) -> Array:
        """s, from 0, no colours, to 2."""
        return 2 * u[0]

    def forward(self, x: Array, u: Array) -> Array:
        """y = m + s (x - m)."""
        m = x.mean(axis=self.axes, keepdims=True)
        return m + self.factor(u).astype(x.dtype) * (x - m)

    def backward(self, dy: Array, u: Array) -> Array:
        """dx = A dy, since A is symmetric."""
        return self.forward(dy, u)


class Contrast(Saturation):
    """y = m + c (x - m),   m the mean of the whole image,   c = u + 1/2.    dx = m' + c (dy - m'),   m' that of dy"""

    axes: ClassVar[tuple[int, ...]] = (1, 2, 3)

    def factor(self, u: Array) -> Array:
        """c, from 1/2 to 3/2."""
        return u[0] + 0.5


class Translation(Change):
    """y[i, j] = x[i - down, j - right], 0 beyond the border.    dx[i, j] = dy[i + down, j + right], likewise

    `down` and `right` are whole pixels, each as likely, up to an eighth of the side either way.
    """

    draws: ClassVar[int] = 2

    def forward(self, x: Array, u: Array) -> Array:
        """x moved by (down, right)."""
        return moved(x, *self.shifts(x, u))

    def backward(self, dy: Array, u: Array) -> Array:
        """dy moved back. What left the image had no part in y, and gets 0."""
        down, right = self.shifts(dy, u)
        return moved(dy, -down, -right)

    def shifts(self, x: Array, u: Array) -> tuple[Array, Array]:
        """(down, right), (n, 1, 1, 1) each, whole numbers from -most to most."""
        most = [rounded(side, SHIFT) for side in x.shape[1:3]]
        down, right = ((u[i] * (2 * most[i] + 1)).astype("int64") - most[i] for i in range(2))
        return down, right


class Cutout(Change):
    """y = x k,   k = 0 in a rectangle, 1 elsewhere.    dx = dy k

    The rectangle has half the image's sides. Its middle is anywhere in the image, so that a part may lie outside.
    """

    draws: ClassVar[int] = 2

    def forward(self, x: Array, u: Array) -> Array:
        """y = x k."""
        return x * self.kept(x, u)

    def backward(self, dy: Array, u: Array) -> Array:
        """dx = dy k."""
        return dy * self.kept(dy, u)

    def kept(self, x: Array, u: Array) -> Array:
        """k, (n, h, w, 1), of x's dtype."""
        inside = []
        for place, side, at in zip(places(x), x.shape[1:3], u, strict=True):
            cut = rounded(side, CUT)
            first = (at * (side + 1 - cut % 2)).astype("int64") - cut // 2
            inside.append((place >= first) & (place < first + cut))
        return 1 - (inside[0] & inside[1]).astype(x.dtype)


POLICIES: dict[str, tuple[Change, ...]] = {
    "color": (Brightness(), Saturation(), Contrast()),
    "translation": (Translation(),),
    "cutout": (Cutout(),),
}


@dataclass(frozen=True)
class DiffAugment:
    """Random changes of all images that D sees, real and generated, in both updates: `GAN(..., augment=DiffAugment())`.

    policy   which ones, in order, with commas between: of "color" (brightness, saturation and contrast), "translation"
             and "cutout"

    D then cannot learn few images by heart, and G does not learn to make changed images, as it would if the real ones
    alone were changed: dL/dx_fake = A^T dL/dT(x_fake) (Zhao et al. 2020, section 3.2).

    Raises SettingsError for an empty policy, for a change that there is not, and for one that is there twice.
    """

    policy: str = "color,translation,cutout"

    def __post_init__(self) -> None:
        names = [name.strip() for name in self.policy.split(",")] if isinstance(self.policy, str) else []
        choices = ", ".join(POLICIES)
        if not names or "" in names:
            raise SettingsError(f"DiffAugment: policy is {self.policy!r}; wanted one or several of {choices}")
        for name in names:
            if name not in POLICIES:
                raise SettingsError(
                    f"DiffAugment: policy is {self.policy!r}: there is no {name!r}; the choices are {choices}"
                    f"{did_you_mean(name, POLICIES)}"
                )
        if len(set(names)) < len(names):
            raise SettingsError(f"DiffAugment: policy is {self.policy!r}: each change may be there once")
        object.__setattr__(self, "policy", ",".join(names))

    @property
    def changes(self) -> list[Change]:
        """The single changes, in the order in which images go through them."""
        return [change for name in self.policy.split(",") for change in POLICIES[name]]

    @property
    def draws(self) -> int:
        """Random numbers for an image."""
        return sum(change.draws for change in self.changes)

    def draw(self, backend: Backend, n: int, seed: int, stream: str, count: int) -> Array:
        """u for n images, a function of (seed, stream, count).    (draws, n, 1, 1, 1), float64

        Not float32: rounded to it, a number may be 1, and a shift one pixel too far.
        """
        return backend.random.uniform((self.draws, n, 1, 1, 1), seed, stream, count, "float64")

    def forward(self, x: Array, u: Array) -> Array:
        """T(x), a new array.    x: (n, h, w, c)   u: of `draw`"""
        for change, own in self._shares(u):
            x = change.forward(x, own)
        return x

    def backward(self, dy: Array, u: Array) -> Array:
        """dx = A^T dy: the changes in reverse, each with its own part of u."""
        for change, own in reversed(self._shares(u)):
            dy = change.backward(dy, own)
        return dy

    def _shares(self, u: Array) -> list[tuple[Change, Array]]:
        """Each change with its random numbers."""
        shares, first = [], 0
        for change in self.changes:
            shares.append((change, u[first : first + change.draws]))
            first += change.draws
        return shares


def rounded(side: int, share: float) -> int:
    """That share of a side in whole pixels, halves up."""
    return int(side * share + 0.5)


def places(x: Array) -> tuple[Array, Array]:
    """The row and the column of each pixel.    (1, h, 1, 1) and (1, 1, w, 1)"""
    xp, (_, h, w, _) = backend_of(x).xp, x.shape
    return xp.arange(h).reshape(1, h, 1, 1), xp.arange(w).reshape(1, 1, w, 1)


def moved(x: Array, down: Array, right: Array) -> Array:
    """y[i, j] = x[i - down, j - right], 0 where that is outside.    x, y: (n, h, w, c)   down, right: (n, 1, 1, 1)

    Each pixel of y finds its own in x, so that no two write to one place. A pixel from outside takes any, times 0.
    """
    xp, (n, h, w, c) = backend_of(x).xp, x.shape
    rows, columns = places(x)
    rows, columns = rows - down, columns - right
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    images = xp.arange(n).reshape(n, 1, 1, 1)
    source = (images * h + xp.clip(rows, 0, h - 1)) * w + xp.clip(columns, 0, w - 1)
    found = xp.ascontiguousarray(x).reshape(n * h * w, c)[source.reshape(-1)]
    return found.reshape(n, h, w, c) * inside.astype(x.dtype)
