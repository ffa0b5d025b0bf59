"""Layers in order, over flat vectors.

A Sequential with an input shape is a network: it builds its layers, packs everything they learn into `params`
(gradients in `grads`, running statistics in `state`), and runs them forwards and backwards. It also keeps the second
law of the buffers: a training forward is followed by its own backward (docs/memory.md has all three). Without an input
shape it is a layer, to stand inside another one.
"""

import operator
import sys
from collections.abc import Sequence
from typing import IO, Any

from .backend import Array, Backend, get_backend
from .context import Context
from .copies import equal, unpickled
from .errors import DivergedError, OrderError, SettingsError, ShapeError
from .layers import Layer
from .layers.chain import Chain
from .parameters import Slot, pack
from .summary import table
from .twins import warn_of_twins
from .workspace import Workspace

DTYPES = ("float32", "float64")
VECTORS = ("params", "grads", "state")
UNNAMED = "network"  # the name of networks that were given none


class Sequential(Chain):
    """The layers one after the other: y = layer_k( ... layer_1(x)).    x: (n, *input_shape)   y: (n, *output_shape)

    layers       layer objects, which may hold layers in turn
    input_shape  of one sample: 100 or (28, 28, 1). None: this is a layer for another network, and takes no option below
    name         stands in error messages and in the names of random streams, so two networks of one seed start
                 differently if their names differ
    backend      where its arrays live: "numpy", "cupy", or None for MINIGAN_BACKEND or else NumPy
    dtype        "float32", or "float64" for gradient checks
    seed         all first weights, and the noise of Dropout, are functions of it and of the name
    workspace    how buffers are kept: "reuse"; "fresh" and "poison" prove that this is safe (workspace.py)

    `params`, `grads` and `state` are the three vectors; `slots` and `state_slots` say what lies where.

    Raises SettingsError for options that make no sense, ShapeError where layers do not fit each other, OrderError for a
    layer object that has a place already.
    """

    params: Array
    state: Array
    slots: list[Slot]
    state_slots: list[Slot]

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        input_shape: int | tuple[int, ...] | None = None,
        name: str | None = None,
        backend: str | Backend | None = None,
        dtype: Any = "float32",
        seed: int = 0,
        workspace: str = "reuse",
    ) -> None:
        named, name = name is not None, UNNAMED if name is None else name
        if isinstance(layers, Layer) or not isinstance(layers, Sequence):
            raise SettingsError(
                f"{name}: layers is {layers!r}; wanted a list of layers: Sequential([Dense(256), ReLU()])"
            )
        if not layers:
            raise SettingsError(f"{name}: no layers")
        super().__init__(layers)
        self.is_network = input_shape is not None
        if input_shape is None:
            return
        backend = get_backend(backend)
        dtype, seed = backend.xp.dtype(dtype), operator.index(seed)
        if dtype.name not in DTYPES:
            raise SettingsError(f"{name}: dtype is {dtype.name}; it must be one of {', '.join(DTYPES)}")
        axes = input_shape if isinstance(input_shape, tuple | list) else (input_shape,)
        context = Context(name, backend, dtype, seed, Workspace(backend, workspace))
        try:
            self.connect(context, "", tuple(operator.index(axis) for axis in axes))
            self._pack()
        except BaseException:
            self.disconnect(context)  # a network that could not be built keeps no layers
            raise
        self.name = name
        self.awaits_backward = False
        self.has_dys = False  # whether the layers have the dy of the last backward, for `double_backward`
        self.n = 0  # rows of the last training forward
        self.poisoned: tuple[Array, Array] | None = None  # the last x and what it held, where workspace is "poison"
        if not named:
            warn_of_twins(self)

    def _pack(self) -> None:
        """The three vectors; every layer gets views, and every chain the piece with all gradients inside it."""
        context, layers = self.context, list(self.walk())
        arguments = context.backend, context.dtype, context.network, context.seed
        params, self.slots = pack(layers, "params", *arguments)
        state, self.state_slots = pack(layers, "state", *arguments)
        for layer in layers:
            layer.forget_initializers()
        self.take_vectors(params, context.backend.xp.zeros_like(params), state)

    def take_vectors(self, params: Array, grads: Array, state: Array) -> None:
        """Make these the three vectors: every layer's arrays are views into them from now on."""
        self.__dict__.update(params=params, grads=grads, state=state)
        views = {slot.name: (slot, params) for slot in self.slots} | {s.name: (s, state) for s in self.state_slots}
        for layer in self.walk():
            for item in [*layer.declared["params"], *layer.declared["state"]]:
                slot, vector = views[f"{layer.name}.{item.name}"]
                layer.bind(item.name, slot.view(vector))
                if vector is params:
                    layer.bind(f"d{item.name}", slot.view(grads))
            if isinstance(layer, Chain) and layer is not self:
                names = [f"{one.name}.{item.name}" for one in layer.walk() for item in one.declared["params"]]
                layer.grads = grads[views[names[0]][0].start : views[names[-1]][0].stop] if names else grads[:0]

    # Forwards and backwards. -----------------------------------------------------------------------------------------

    def forward(self, x: Array, train: bool = True, backward: bool = True) -> Array:
        """y in training mode: batch statistics, dropout. y is a buffer of the network, valid until its next forward.

        Its own `backward` must follow. `backward=False` says that none will: the discriminator's step needs the
        generator's images and not its gradient. With `train=False` y is that of `predict`, and can be gone back
        through as well.

        Raises ShapeError for an x of the wrong shape, dtype or library, OrderError where another forward still awaits
        its backward.
        """
        if not self.is_network:
            return super().forward(x, train)
        self.require_batch("x", x, self.input_shape)
        if self.awaits_backward:
            raise OrderError(
                f"{self.name}: a second training forward before the backward of the first would overwrite what that "
                f"backward needs; call backward(dy) first, or forward(x, backward=False) where none follows, or "
                f"discard()"
            )
        self.has_dys = False
        self.forwards += train
        self.workspace.begin_pass(keep=True)
        y = super().forward(x, train)
        self.awaits_backward, self.n = backward, len(x)
        self.poisoned = (x, x.copy()) if self.workspace.mode == "poison" else None
        return y

    def predict(self, x: Array, batch_size: int = 256) -> Array:
        """y in prediction mode: running statistics, no noise. A copy, made `batch_size` rows at a time; also `net(x)`.

        It takes nothing from the training buffers, but a training forward that still awaits its backward is discarded.
        Raises ShapeError for an x of the wrong shape, dtype or library.
        """
        if not self.is_network:
            raise OrderError(f"{self!r} is a layer: give it an input_shape, and it is a network that can predict")
        self.require_batch("x", x, self.input_shape)
        self.discard()
        y = self.backend.xp.empty((len(x), *self.output_shape), self.dtype)
        for start in range(0, len(x), batch_size):
            self.workspace.begin_pass(keep=False)
            y[start : start + batch_size] = super().forward(x[start : start + batch_size], False)
        return y

    __call__ = predict

    def backward(
        self, dy: Array, params: bool = True, inputs: bool = True, add: bool = False, keep: bool = False
    ) -> Array | None:
        """From dy = dL/dy of the last forward: `grads` = dL/dparams if `params`, and dx is returned if `inputs`.

        dx is a buffer of the network, valid until its next backward. What is not asked for is not computed: G's step
        goes through D with params=False, D's step needs no dx.
        `add=True` adds to `grads` what this backward finds: D's gradient is that of its real plus its fake batch.
        `keep=True` keeps every layer's dy, for a `double_backward` (penalties.py).

        Raises OrderError without a forward before it, ShapeError for a dy that is not of y's shape and dtype.
        """
        if not self.is_network:
            return super().backward(dy, params, inputs)
        if not self.awaits_backward:
            raise OrderError(
                f"{self.name}: backward without its forward; every backward(dy) uses up one forward(x) "
                f"(predict, discard and forward(x, backward=False) leave nothing to go back through)"
            )
        self._check_rows("dy", dy, self.output_shape)
        before = self.grads.copy() if add and params else None
        self.workspace.begin_pass(keep=True)
        self.context.keep_dy, self.has_dys = keep, False
        try:
            dx = super().backward(dy, params, inputs)
        finally:
            self.context.keep_dy = False
        self.awaits_backward, self.has_dys = False, keep and inputs
        if before is not None:
            self.grads += before
        return dx

    def tangent(self, t: Array) -> Array:
        """J t: how y of the last forward moves when its x moves along t; backward's dx is J^T dy.    t: of x's shape

        Before that forward's backward, or after it if dy was kept. A buffer, valid until the next call. Raises
        OrderError or ShapeError unless t is a direction in which the x of the last forward can move.
        """
        if self.is_network:
            self._require_direction("t", t)
            self.workspace.begin_pass(keep=True)
        return super().tangent(t)

    def double_backward(self, u: Array, add: bool = False) -> None:
        """`grads` = d<u, dx>/dparams, for the dx that backward(dy, keep=True) has just returned.    u: (n, ...)

        dy and u are fixed. <u, dx> = <J u, dy>: u goes forwards and meets, at every layer, the dy that came down to
        it (chain.py). `add=True` adds to the gradients from before. Raises OrderError without such a backward.
        """
        if not self.has_dys:
            raise OrderError(f"{self.name}: double_backward needs a backward(dy, keep=True), with its dx, before it")
        self._require_direction("u", u)
        before = self.grads.copy() if add else None
        self.workspace.begin_pass(keep=True)
        _, curved = self._forth(u)
        if any(bend is not None for bend in curved):
            self._back(curved, inputs=False)
        if before is not None:
            self.grads += before
        self.discard()

    def fused_backward(self, u: Array, s: Array) -> None:
        """`backward` of the rows s_i dy_i and `double_backward` of u in one pass, after backward(dy, keep=True), for
        layers that treat every row by itself and are piecewise linear (docs/r3gan.md).    u: (n, ...)   s: (n, 1)
        """
        if not self.has_dys:
            raise OrderError(f"{self.name}: fused_backward needs a backward(dy, keep=True) before it")
        self._require_direction("u", u)
        self.workspace.begin_pass(keep=True)
        self.grads[...] = 0
        super().fused(u, None, s)
        self.discard()

    def discard(self) -> None:
        """Forget a training forward whose backward will not come, as after an interruption."""
        self.awaits_backward = self.has_dys = False

    # Properties that its context holds, since layers read them. ------------------------------------------------------

    @property
    def seed(self) -> int:
        """Of first weights, and of the noise of Dropout."""
        return self.context.seed

    @property
    def forwards(self) -> int:
        """Training forwards so far."""
        return self.context.forwards

    @forwards.setter
    def forwards(self, count: int) -> None:
        self.context.forwards = count

    @property
    def workspace(self) -> Workspace:
        """The buffers of its layers."""
        return self.context.workspace

    @workspace.setter
    def workspace(self, workspace: Workspace) -> None:
        self.context.workspace = workspace

    @property
    def check_finite(self) -> bool:
        """Whether every layer's output and gradient is looked at; the first that is infinite or not a number is then a
        DivergedError that names the layer. Slow, for finding out what went wrong.
        """
        return self.context.check_finite

    @check_finite.setter
    def check_finite(self, watched: bool) -> None:
        self.context.check_finite = watched

    # Copies, and what they are made of. ------------------------------------------------------------------------------

    def options(self) -> dict[str, Any]:
        """The arguments of an equal network, beside its layers, its dtype and its backend."""
        return {"input_shape": self.input_shape, "name": self.name, "seed": self.seed}

    def describe(self) -> dict[str, Any]:
        """The network without its numbers, as JSON can hold it; of a layer, what any layer has."""
        if not self.is_network:
            return super().describe()
        layers = [layer.describe() for layer in self.layers]
        return self.options() | {
            "input_shape": list(self.input_shape),
            "dtype": self.dtype.name,
            "layers": layers,
        }

    def clone(self, dtype: Any = None, backend: str | Backend | None = None) -> "Sequential":
        """A network of equal layers with the same numbers, sharing nothing with this; of a layer, an equal layer."""
        layers = [layer.clone() for layer in self.layers]
        if not self.is_network:
            return equal(type(self), layers)
        options = self.options() | {"dtype": dtype or self.dtype, "backend": backend or self.backend}
        copy = equal(type(self), layers, **options)
        for name in ("params", "state"):
            getattr(copy, name)[...] = copy.backend.asarray(self.backend.to_host(getattr(self, name)))
        copy.forwards = self.forwards
        return copy

    def __deepcopy__(self, memo: Any) -> "Sequential":
        return self.clone()

    def __copy__(self) -> "Sequential":
        if not self.is_network:
            return self.clone()
        raise OrderError(
            f"{self.name}: copy.copy would share every array with the original, and training one would train both: use "
            f"net.clone() or copy.deepcopy(net)"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        if not self.is_network:
            return super().__reduce__()
        layers = [layer.clone() for layer in self.layers]  # those of a network are not pickled, equal ones are
        numbers = [self.backend.to_host(vector) for vector in (self.params, self.state)]
        options = self.options() | {"dtype": self.dtype.name, "backend": self.backend}
        return unpickled, (type(self), layers, options, numbers, self.forwards)

    # Looking at it. --------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        """The table that `summary` prints."""
        if not self.is_network:
            return repr(self)
        return table(self, self.slots, self.state_slots)

    def __repr__(self) -> str:
        return str(self) if self.__dict__.get("is_network") and "params" in self.__dict__ else super().__repr__()

    def summary(self, file: IO[str] | None = None) -> None:
        """Print layers, output shapes and parameters, with the totals: trainable, and not (running statistics). Layers
        inside a layer stand below it, and its number counts theirs.
        """
        print(self, file=file or sys.stdout)

    def require_finite(self) -> None:
        """Raises DivergedError, naming the array, unless all parameters and running statistics are finite."""
        for vector, slots in ((self.params, self.slots), (self.state, self.state_slots)):
            if not self.backend.xp.isfinite(vector).all():
                bad = next(slot.name for slot in slots if not self.backend.xp.isfinite(slot.view(vector)).all())
                raise DivergedError(f"{self.name}: {bad} is not finite")

    def connect(self, context: Context, name: str, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """As any layer. Raises OrderError for a network, which has vectors of its own."""
        if self.is_network and "context" in self.__dict__:
            raise OrderError(
                f"{context.network}: {name} is a network, {self.name}, with parameters of its own: inside another one "
                f"write Sequential([...]) without input_shape, or Sequential([layer.clone() for layer in net.layers])"
            )
        return super().connect(context, name, in_shape)

    def _require_direction(self, name: str, t: Array) -> None:
        """Raises OrderError or ShapeError unless t is a direction in which the x of the last forward can move."""
        if not (self.awaits_backward or self.has_dys):
            raise OrderError(f"{self.name}: a tangent needs a forward(x), or a backward(dy, keep=True), before it")
        self._check_rows(name, t, self.input_shape)

    def _check_rows(self, what: str, array: Array, shape: tuple[int, ...]) -> None:
        """Refuse an array that does not belong to the last training forward."""
        self.require_batch(what, array, shape)
        if len(array) != self.n:
            raise ShapeError(f"{self.name}: {what} has {len(array)} rows, and the forward before it had {self.n}")
        if self.poisoned is not None and not (self.poisoned[0] == self.poisoned[1]).all():
            raise OrderError(
                f"{self.name}: x changed between its forward and its backward: it is a buffer of another network, "
                f"whose next forward came too early"
            )

    def require_batch(self, what: str, array: Array, shape: tuple[int, ...]) -> None:
        """Refuse an array of the wrong library, shape or dtype, and an empty batch."""
        if not isinstance(array, self.backend.xp.ndarray):
            kind = f"{type(array).__module__.split('.')[0]}.{type(array).__name__}"
            raise ShapeError(
                f"{self.name}: {what} is a {kind}; this network computes with {self.backend.name} arrays: "
                f"convert it with net.backend.asarray({what}, net.dtype)"
            )
        if array.shape[1:] != shape or array.ndim != len(shape) + 1 or len(array) < 1:
            raise ShapeError(
                f"{self.name}: {what} has shape {array.shape}; wanted (n, {', '.join(map(str, shape))}) with n >= 1"
            )
        if array.dtype != self.dtype:
            raise ShapeError(
                f"{self.name}: {what} has dtype {array.dtype}; this network computes in {self.dtype.name}: "
                f"convert it with {what}.astype(net.dtype)"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in VECTORS and self.is_network and value is not self.__dict__.get(name, value):
            raise OrderError(
                f"{self.name}.{name} is what the layers' arrays are views into: write net.{name}[...] = value"
            )
        super().__setattr__(name, value)
