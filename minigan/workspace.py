"""The buffers that layers write into.

Allocating a large array costs more than filling it, since the operating system provides its memory page by page, at
the first access to each page. So a layer asks for its arrays by name, `self.buf("y", shape)`, and gets the same memory
at every step. Three laws make that safe (docs/memory.md):

1. a buffer is fetched once a call;
2. a training forward is followed by its own backward (network.py guards this one);
3. x and dy are never written to.

Three modes prove it. "reuse" is the fast one. "fresh" allocates every time and must give the same bits. "poison"
returns memory full of NaN and makes inputs read-only, so that a layer that reads old contents, or writes where it must
not, fails at once. The tests run all three.
"""

import math
from typing import Any, TypeAlias

from .backend import Array, Backend
from .errors import OrderError, SettingsError

Memory: TypeAlias = dict[tuple[str, str], Array]
MODES = ("reuse", "fresh", "poison")


class Workspace:
    """Named buffers for the layers of one network.

    Most belong to one layer, whose backward needs what its forward left there. Two kinds are shared, each as large as
    the largest that was asked for: temporaries, which are valid within one call of one layer; and `dx`, which is valid
    until the layer before has used it, so that two places in turn are enough for a whole network, and for both networks
    of a GAN.
    """

    def __init__(self, backend: Backend, mode: str = "reuse") -> None:
        if mode not in MODES:
            raise SettingsError(f"workspace is {mode!r}; the modes are {', '.join(MODES)}")
        self.backend, self.mode = backend, mode
        self.own: Memory = {}  # by layer and name
        self.shared: Memory = {}  # temporaries and dx
        self.fetched: dict[str, set[str]] = {}  # names by layer, since its call began
        self.keep, self.dy = True, None

    def arrays(self) -> list[Array]:
        """All arrays that are held."""
        return [*self.own.values(), *self.shared.values()]

    def begin_pass(self, keep: bool) -> None:
        """A pass through the network begins. With keep=False all buffers are new arrays, and none is kept."""
        self.fetched.clear()
        self.keep, self.dy = keep, None
        if self.mode == "poison":  # no temporary lasts from one pass to the next
            for (place, _), memory in self.shared.items():
                if place == "temporary":
                    memory.fill(float("nan") if memory.dtype.kind == "f" else True)

    def begin_call(self, layer: str, dy: Array = None) -> None:
        """A call of a layer's forward, backward or tangent begins. dy: what a backward gets"""
        self.fetched[layer] = set()
        self.dy = dy

    def get(self, layer: str, name: str, shape: tuple[int, ...], dtype: Any, temporary: bool = False) -> Array:
        """The buffer `name` of `layer`, with old contents: write to it before you read it.

        Raises OrderError for a layer whose call was not prepared, and for a name that was fetched in this call before.
        """
        if layer not in self.fetched:
            raise OrderError(
                f"{layer} was called by itself and cannot know its dy: whoever holds a layer writes "
                f"layer.run_forward(x, train) and layer.run_backward(dy, params, inputs), which prepare its buffers"
            )
        if name in self.fetched[layer]:
            raise OrderError(f"{layer} fetched its buffer {name!r} twice in one call: both would be the same memory")
        self.fetched[layer].add(name)
        if self.mode == "fresh" or not self.keep:
            buffer = self.backend.xp.empty(shape, dtype)
        elif temporary or name == "dx":
            place = "temporary" if temporary else self._free_place()
            buffer = self._at(self.shared, (place, name), shape, dtype)
        else:
            buffer = self._at(self.own, (layer, name), shape, dtype)
        if self.mode == "poison":
            buffer.fill(float("nan") if buffer.dtype.kind == "f" else True)
        return buffer

    def _free_place(self) -> str:
        """The one of the two places of dx that does not hold dy."""
        first = self.shared.get(("first", "dx"))
        taken = first is not None and self.dy is not None and self.backend.xp.may_share_memory(first, self.dy)
        return "second" if taken else "first"

    def _at(self, memory: Memory, key: tuple[str, str], shape: tuple[int, ...], dtype: Any) -> Array:
        """The first entries of the memory under this key, which is allocated anew if it is too small."""
        size, held = math.prod(shape), memory.get(key)
        if held is None or held.size < size or held.dtype != dtype:
            memory.pop(key, None)  # free it before the larger one is made
            held = memory[key] = self.backend.xp.empty(size, dtype)
        return held[:size].reshape(shape)

    def input(self, array: Array) -> Array:
        """What a layer gets as x or dy: in the mode "poison" a read-only view (CuPy has none)."""
        if self.mode != "poison" or not hasattr(array.flags, "writeable"):
            return array
        view = array.view()
        view.flags.writeable = False
        return view
