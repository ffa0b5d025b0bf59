"""dx where every pixel gathers what it is the sum of, so that nothing is added up in memory."""

import math

import numpy as np

from ..base import Array
from ..blas import product
from ..blocks import on_all_cores
from ..convolution import phases
from ..scratch import scratch
from ..tuning import Tuning
from .few_outputs import few_outputs
from .way import Case, Way, Ways


class Gather(Way):
    """`conv_dx` by `phases`: one product of the patches of dy, (n oh ow, taps d), and the turned kernels of all phases,
    (taps d, phases c); each phase then writes its own pixels of out.
    """

    name, why = "gather", "copying patches of dy moves fewer numbers than adding patches of dx"

    def __init__(self, case: Case, ways: Ways) -> None:
        super().__init__(case, ways)
        found = phases(case.window, case.d)
        assert found is not None  # or it would not pay
        self.over, self.parts = found

    @classmethod
    def pays(cls, function: str, case: Case, tuning: Tuning) -> bool:
        """Where it moves fewer numbers. Phases copy kh kw d / (sh sw) numbers at every stop, and patches that are added
        kh kw c; copying a number costs less than half as much as adding it. No if dx has many more pixels than the
        stops account for, since the patches of dy would be zeros mostly; nor if W, of which a turned copy is made, is
        large beside dy.
        """
        window, d = case.window, case.d
        (h, w, c), (sh, sw), stops = window.image, window.stride, math.prod(window.stops)
        fewer = d <= tuning.copies * c * sh * sw or few_outputs(window, d, c, tuning)
        fits = h * w <= 2 * sh * sw * stops and 4 * window.patch * d <= case.n * stops * d
        return fewer and fits and phases(window, d) is not None

    def multiplications(self, function: str) -> int:
        """Of all phases at all stops of the window over dy, of which some are of no use at the border."""
        return self.case.n * math.prod(self.over.stops) * self.over.patch * len(self.parts) * self.case.c

    def conv_dx(self, dy: Array, W: Array, out: Array) -> Array:
        """out: (n, h, w, c).    dy: (n, oh, ow, d)   W: (kh kw c, d)"""
        c, parts, over = self.case.c, self.parts, self.over
        kernel = W.reshape(*self.window.kernel, c, -1).transpose(0, 1, 3, 2)
        turned = np.concatenate([kernel[taps][::-1, ::-1].reshape(-1, c) for _, taps, _ in parts], axis=1)
        if len(parts) == 1:
            return self.ways.choose("conv", over, len(dy), c).conv(dy, turned, out)

        def block(start: int, stop: int) -> None:
            cols = self.moves.im2col(dy[start:stop], over)
            made = product(cols, turned, out=scratch("pixels", (len(cols), len(parts) * c), W.dtype))
            made = made.reshape(stop - start, *over.stops, len(parts), c)
            for i, (pixels, _, stops) in enumerate(parts):
                out[start:stop, *pixels] = made[:, *stops, i]

        on_all_cores(block, self.blocks(len(out), over.patch + turned.shape[1], over), self.tuning)
        return out
