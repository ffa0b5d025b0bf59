"""Layers in order, over flat vectors.

A Sequential builds its layers for one input shape, packs everything they learn into `params` (gradients in `grads`,
running statistics in `state`), and runs them forwards and backwards. It also keeps the second law of the buffers: a
training forward is followed by its own backward (docs/memory.md has all three).
"""

import operator
import sys
from collections.abc import Sequence
from typing import IO, Any

from .backend import Array, Backend, get_backend
from .errors import DivergedError, OrderError, SettingsError, ShapeError
from .layers import Layer
from .parameters import pack
from .workspace import Workspace

DTYPES = ("float32", "float64")
VECTORS = ("params", "grads", "state")
LATENTS = ("normal", "uniform")


class Sequential:
    """The layers one after the other: y = layer_k( ... layer_1(x)).    x: (n, *input_shape)   y: (n, *output_shape)

    `params`, `grads` and `state` are the three vectors; `slots` and `state_slots` say what lies where. `name` stands in
    error messages and in the names of random streams, so two networks of one seed start differently if their names
    differ. `latent` says how a generator's noise is drawn, "normal" or "uniform" on [-1, 1); others ignore it. With
    `check_finite` set, every layer's output and gradient is looked at, and the first infinite or not-a-number one is a
    DivergedError that names the layer: slow, for finding out what went wrong.
    """

    params: Array
    grads: Array
    state: Array

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        input_shape: int | tuple[int, ...],
        name: str = "network",
        backend: str | Backend | None = None,
        dtype: Any = "float32",
        seed: int = 0,
        workspace: str = "reuse",
        latent: str = "normal",
    ) -> None:
        self.name, self.seed, self.layers = name, operator.index(seed), list(layers)
        self.backend = get_backend(backend)
        self.dtype = self.backend.xp.dtype(dtype)
        if self.dtype.name not in DTYPES:
            raise SettingsError(f"{name}: dtype is {self.dtype.name}; it must be one of {', '.join(DTYPES)}")
        if latent not in LATENTS:
            raise SettingsError(f"{name}: latent is {latent!r}; the choices are {', '.join(LATENTS)}")
        if not self.layers:
            raise SettingsError(f"{name}: no layers")
        self.workspace, self.latent = Workspace(self.backend, workspace), latent
        axes = input_shape if isinstance(input_shape, tuple | list) else (input_shape,)
        self.input_shape = tuple(operator.index(axis) for axis in axes)
        self.shapes = [self.input_shape]  # shapes[i] goes into layer i
        try:
            for i, layer in enumerate(self.layers):
                if not isinstance(layer, Layer):
                    raise SettingsError(f"{name}: layer {i} is {layer!r}; wanted a layer object, such as Dense(256)")
                self.shapes.append(layer.connect(self, f"{i}.{type(layer).__name__}", self.shapes[-1]))
        except Exception:
            for layer in [layer for layer in self.layers if isinstance(layer, Layer)]:
                layer.disconnect(self)  # a network that came to nothing keeps no layers
            raise
        self.output_shape = self.shapes[-1]
        self.params, self.slots = pack(self.layers, "params", self.backend, self.dtype, name, seed)
        self.state, self.state_slots = pack(self.layers, "state", self.backend, self.dtype, name, seed)
        self.grads = self.backend.xp.zeros_like(self.params)
        slots = iter(self.slots)
        for layer in self.layers:
            for item in layer.declared["params"]:
                layer.bind(f"d{item.name}", next(slots).view(self.grads))
        # Nothing needs the gradient of what comes before the first layer that learns.
        self.first_learner = next((i for i, layer in enumerate(self.layers) if layer.declared["params"]), len(layers))
        self.forwards = 0  # training forwards so far: names the noise of Dropout
        self.awaits_backward = False
        self.kept: list[Array] = []  # every layer's dy, where `double_backward` may follow
        self.n = 0  # rows of the last training forward
        self.check_finite = False
        self.poisoned: tuple[Array, Array] | None = None  # the last x and what it held, where workspace is "poison"

    def forward(self, x: Array, backward: bool = True) -> Array:
        """y in training mode: batch statistics, dropout. y is a buffer of the network, valid until its next forward.

        Its own `backward` must follow. `backward=False` says that none will: the discriminator's step needs the
        generator's images and not its gradient.
        """
        self._check("x", x, self.input_shape)
        if self.awaits_backward:
            raise OrderError(
                f"{self.name}: a second training forward before the backward of the first would overwrite what that "
                f"backward needs; call backward(dy) first, or forward(x, backward=False) where none follows, or "
                f"discard()"
            )
        self.kept = []
        self.forwards += 1
        y = self._run(x, train=True)
        self.awaits_backward, self.n = backward, len(x)
        self.poisoned = (x, x.copy()) if self.workspace.mode == "poison" else None
        return y

    def predict(self, x: Array, batch_size: int = 256) -> Array:
        """y in prediction mode: running statistics, no noise. A copy, made `batch_size` rows at a time.

        It takes nothing from the training buffers, but a training forward that still awaits its backward is discarded.
        """
        self._check("x", x, self.input_shape)
        self.discard()
        y = self.backend.xp.empty((len(x), *self.output_shape), self.dtype)
        for start in range(0, len(x), batch_size):
            y[start : start + batch_size] = self._run(x[start : start + batch_size], train=False)
        return y

    def backward(
        self, dy: Array, params: bool = True, inputs: bool = True, add: bool = False, keep: bool = False
    ) -> Array | None:
        """From dy = dL/dy of the last forward: `grads` = dL/dparams if `params`, and dx is returned if `inputs`.

        dx is a buffer of the network, valid until its next backward. What is not asked for is not computed: G's step
        goes through D with params=False, D's step needs no dx.
        `add=True` adds to `grads` what this backward finds: D's gradient is that of its real plus its fake batch.
        `keep=True` keeps every layer's dy, for a `double_backward` (penalties.py).
        """
        if not self.awaits_backward:
            raise OrderError(
                f"{self.name}: backward without its forward; every backward(dy) uses up one forward(x) "
                f"(predict, discard and forward(x, backward=False) leave nothing to go back through)"
            )
        self._check_rows("dy", dy, self.output_shape)
        self.kept = []
        before = self.grads.copy() if add and params else None
        stop = 0 if inputs else self.first_learner
        for i in reversed(range(stop, len(self.layers))):
            layer = self.layers[i]
            self.workspace.begin_call(keep=True, dy=dy)
            if keep:
                copy = self.workspace.get(layer.name, "kept dy", dy.shape, self.dtype)
                copy[...] = dy
                self.kept.insert(0, copy)
            # dx is needed where it was asked for, and below every layer that has learners in front of it.
            dy = layer.backward(self.workspace.input(dy), params, inputs or i > self.first_learner)
            if self.check_finite:
                self._check_finite_backward(layer, dy)
        self.awaits_backward = False
        if before is not None:
            self.grads += before
        return dy if inputs else None

    def tangent(self, t: Array) -> Array:
        """J t: how y of the last forward moves when its x moves along t; backward's dx is J^T dy.    t: of x's shape

        Before that forward's backward, or after it if dy was kept. A buffer, valid until the next call.
        """
        self.require_direction("t", t)
        for layer in self.layers:
            self.workspace.begin_call(keep=True, dy=t)
            t = layer.tangent(self.workspace.input(t))
        return t

    def require_direction(self, name: str, t: Array) -> None:
        """Raises OrderError or ShapeError unless t is a direction in which the x of the last forward can move."""
        if not (self.awaits_backward or self.kept):
            raise OrderError(f"{self.name}: a tangent needs a forward(x), or a backward(dy, keep=True), before it")
        self._check_rows(name, t, self.input_shape)

    def require_finite(self) -> None:
        """Raises DivergedError, naming the array, unless all parameters and running statistics are finite."""
        for vector, slots in ((self.params, self.slots), (self.state, self.state_slots)):
            if not self.backend.xp.isfinite(vector).all():
                bad = next(slot.name for slot in slots if not self.backend.xp.isfinite(slot.view(vector)).all())
                raise DivergedError(f"{self.name}: {bad} is not finite")

    def discard(self) -> None:
        """Forget a training forward whose backward will not come, as after an interruption."""
        self.awaits_backward, self.kept = False, []

    def clone(self, dtype: Any = None, backend: str | Backend | None = None) -> "Sequential":
        """A network of equal layers with the same numbers, sharing nothing with this one."""
        copy = Sequential(
            [layer.clone() for layer in self.layers],
            input_shape=self.input_shape,
            name=self.name,
            backend=backend or self.backend,
            dtype=dtype or self.dtype,
            seed=self.seed,
            latent=self.latent,
        )
        for name in ("params", "state"):
            getattr(copy, name)[...] = copy.backend.asarray(self.backend.to_host(getattr(self, name)))
        copy.forwards = self.forwards
        return copy

    def __str__(self) -> str:
        """The table that `summary` prints."""
        rows = [("layer", "output shape", "parameters")]
        for layer, shape in zip(self.layers, self.shapes[1:], strict=True):
            here = [slot for slot in self.slots + self.state_slots if slot.name.startswith(f"{layer.name}.")]
            rows.append((layer.name, str(shape), f"{sum(slot.stop - slot.start for slot in here):,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        lines.insert(1, "-" * len(lines[0]))
        learned, kept = self.params.size, self.state.size
        total = f"total {learned + kept:,} parameters: {learned:,} trainable, {kept:,} not"
        return "\n".join([f"{self.name}  (input {self.input_shape})", *lines, lines[1], total])

    def summary(self, file: IO[str] | None = None) -> None:
        """Print layers, output shapes and parameters, with the totals: trainable, and not (running statistics)."""
        print(self, file=file or sys.stdout)

    # -----------------------------------------------------------------------------------------------------------------

    def _run(self, x: Array, train: bool) -> Array:
        for layer, shape in zip(self.layers, self.shapes[1:], strict=True):
            self.workspace.begin_call(keep=train)
            x = layer.forward(self.workspace.input(x), train)
            if x.shape[1:] != shape:
                raise ShapeError(f"{self.name}: {layer.name} returned {x.shape}, and its build announced (n, *{shape})")
            if self.check_finite and not self.backend.xp.isfinite(x).all():
                raise DivergedError(f"{self.name}: the output of layer {layer.name} is not finite")
        return x

    def _check_finite_backward(self, layer: Layer, dx: Array | None) -> None:
        found = {f"d{item.name}": getattr(layer, f"d{item.name}") for item in layer.declared["params"]}
        for name, array in [*found.items(), ("dx", dx)]:
            if array is not None and not self.backend.xp.isfinite(array).all():
                raise DivergedError(f"{self.name}: the gradient {name} of layer {layer.name} is not finite")

    def _check_rows(self, what: str, array: Array, shape: tuple[int, ...]) -> None:
        """Refuse an array that does not belong to the last training forward."""
        self._check(what, array, shape)
        if len(array) != self.n:
            raise ShapeError(f"{self.name}: {what} has {len(array)} rows, and the forward before it had {self.n}")
        if self.poisoned is not None and not (self.poisoned[0] == self.poisoned[1]).all():
            raise OrderError(
                f"{self.name}: x changed between its forward and its backward: it is a buffer of another network, "
                f"whose next forward came too early"
            )

    def _check(self, what: str, array: Array, shape: tuple[int, ...]) -> None:
        """Refuse an array of the wrong library, shape or dtype, and an empty batch."""
        if not isinstance(array, self.backend.xp.ndarray):
            kind = f"{type(array).__module__.split('.')[0]}.{type(array).__name__}"
            raise ShapeError(
                f"{self.name}: {what} is a {kind}; this network computes with {self.backend.name} arrays: "
                f"convert it with net.backend.asarray({what}, net.dtype)"
            )
        if array.shape[1:] != shape or array.ndim == 0 or len(array) == 0:
            raise ShapeError(
                f"{self.name}: {what} has shape {array.shape}; wanted (n, {', '.join(map(str, shape))}) with n >= 1"
            )
        if array.dtype != self.dtype:
            raise ShapeError(
                f"{self.name}: {what} has dtype {array.dtype}; this network computes in {self.dtype.name}: "
                f"convert it with {what}.astype(net.dtype)"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if name in VECTORS and value is not self.__dict__.get(name, value):
            raise OrderError(
                f"{self.name}.{name} is what the layers' arrays are views into: write net.{name}[...] = value"
            )
        super().__setattr__(name, value)
