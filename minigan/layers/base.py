"""The layer contract: what a layer must offer, and what it gets.

Until a network builds it, a layer has nothing but its arguments. `build` declares its arrays and returns the shape of
its output. `forward` and `backward` then compute with `self.xp` (numpy or cupy), write to buffers from `self.buf`, and
use parameters under the names that were declared: `self.W`, and its gradient `self.dW`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar

from ..backend import Array, Backend
from ..context import Context
from ..errors import OrderError, SettingsError, ShapeError
from ..initializers import Initializer, is_initializer, zeros
from ..parameters import Declaration, require_free
from .arguments import Arguments


class Layer(Arguments):
    """y = f(x; parameters). Subclasses write `build`, `forward` and `backward`; and `tangent`, if they may be part of a
    critic with a penalty on its slope (docs/wgan_gp.md).

    Every argument of a subclass's `__init__` is kept as an attribute of the same name: `config` reads them, and with
    them a layer is copied, saved and loaded. Shapes leave out the batch: `(784,)`, `(28, 28, 1)`.

    A layer may hold layers (docs/composition.md): its `build` places each with `self.place(name, in_shape)`, and it
    calls them by `run_forward`, `run_backward` and the like.
    """

    context: Context  # what it needs of its network
    backend: Backend
    xp: ModuleType
    dtype: Any
    declared: dict[str, list[Declaration]]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    kept_dy: Array  # of the last backward, where a second derivative follows
    no_tangent: ClassVar[str] = "it has no `tangent` of its own, the derivative of its forward along a direction"

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Declare parameters with `self.param`; return the output's shape. By default: none, the input's shape."""
        return in_shape

    def forward(self, x: Array, train: bool) -> Array:
        """y, from x of shape (n, ...). `train`: use statistics of the batch, and draw noise; otherwise neither."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """From dy = dL/dy: overwrite its gradients, such as `self.dW`, if `params`; return dx if `inputs`."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def tangent(self, t: Array) -> Array:
        """J t, where J = dy/dx at the x of the last training forward: how y moves when x moves along t.

        `backward` multiplies by the transpose: <dy, J t> = <dx, t>. Raises SettingsError where there is none.
        """
        raise self.refuse_tangent()

    def tangent_backward(self, t: Array, dy: Array) -> Array | None:
        """The derivatives of <dy, J t>: overwrite its gradients, such as `self.dW`; return that for x, None if 0.

        Only what J depends on has one: W, but not a bias; and x, if the layer is not piecewise linear in it. Gradients
        that are not written stay 0.
        """
        return None

    def tangents(self, t: Array, dy: Array) -> tuple[Array, Array | None]:
        """(J t, what tangent_backward returns). Layers that hold layers compute both in one pass through them."""
        curved = self.tangent_backward(t, dy)
        return self.tangent(t), curved

    def fused(self, t: Array, dy: Array, s: Array) -> Array:
        """J t; and overwrite the gradients with those of  sum_i s_i <dy_i, y_i> + <dy, J t>,  dy and t held fixed.

        For a layer that treats every row by itself and is piecewise linear: the loss's part of the gradient, whose dy
        is s_i dy_i, and the penalty's in one pass (docs/r3gan.md). Layers with weights overwrite this by one product.

        s: (n, 1)   t: of x's shape   dy: of y's, kept by the last backward. Raises SettingsError if J depends on x.
        """
        gradients = [getattr(layer, f"d{item.name}") for layer in self.walk() for item in layer.declared["params"]]
        for gradient in gradients:
            gradient[...] = 0
        J_t, bend = self.tangents(t, dy)
        self._require_piecewise_linear(bend)
        if gradients:
            J_t = J_t.copy()  # it may lie where the backward's dx will
            of_penalty = [gradient.copy() for gradient in gradients]
            self.run_backward(self.each_row(s, dy) * dy, params=True, inputs=False)
            for gradient, more in zip(gradients, of_penalty, strict=True):
                gradient += more
        return J_t

    def _require_piecewise_linear(self, bend: Array | None) -> None:
        if bend is not None:
            raise SettingsError(
                f"{self.context.network}: {self.name} is not piecewise linear: D's loss and penalty cannot be fused; "
                f"write fused=False"
            )

    def keeps_dy(self) -> bool:
        """Whether `tangents` or `fused` looks at dy: of a layer with weights, or one whose slope depends on x."""
        kind = type(self)
        curved = kind.tangent_backward is not Layer.tangent_backward or kind.tangents is not Layer.tangents
        return self.learns or curved

    def each_row(self, s: Array, x: Array) -> Array:
        """s, a number for each row, as it is multiplied with x.    (n, 1) -> (n, 1, ..., 1)"""
        return s.reshape(len(s), *[1] * (x.ndim - 1))

    def lifted(self, x: Array, s: Array, t: Array) -> Array:
        """s x + t, in a temporary buffer.    s: (n, 1), one number for each row"""
        rows = self.temporary("s x + t", x.shape)

        def lift(x: Array, s: Array, t: Array, rows: Array) -> None:
            self.xp.multiply(x, s, out=rows)
            rows += t

        self.backend.by_samples(lift, x, self.each_row(s, x), t, rows)
        return rows

    def weighted_sum(self, s: Array, dy: Array) -> Array:
        """sum s dy, over all axes but the last.    s: (n, 1)   dy: (n, ..., c) -> (c,)"""
        rows = dy.reshape(len(dy), -1)
        along = self.backend.matmul(s.T, rows, out=self.temporary("s^T dy", (1, rows.shape[1])))
        return along.reshape(-1, dy.shape[-1]).sum(axis=0)

    def has_tangent(self) -> bool:
        """Whether there is a `tangent`, written in the class that has the `forward` or in one derived from it."""
        kinds = type(self).__mro__
        tangent, forward = (next(i for i, k in enumerate(kinds) if name in vars(k)) for name in ("tangent", "forward"))
        return tangent <= forward and kinds[tangent] is not Layer

    def refuse_tangent(self) -> SettingsError:
        """The error for a layer that cannot be part of a critic with a penalty on its slope."""
        return SettingsError(
            f"{self.context.network}: {self.name} cannot stand in a critic with a penalty on its slope: "
            f"{self.no_tangent}"
        )

    def param(self, name: str, shape: tuple[int, ...], init: Initializer, fans: tuple[int, int] | None = None) -> None:
        """Declare a parameter: later `self.<name>` is its value and `self.d<name>` its gradient.

        `fans` are (fan_in, fan_out) for the initializer; by default the first and the last length of the shape.
        """
        if not isinstance(shape, tuple) or not is_initializer(init):
            raise SettingsError(
                f"{self.name}: the parameter {name} has shape {shape!r} and initializer {init!r}; wanted a tuple and a "
                f"function such as normal(0.02), of minigan.initializers"
            )
        self._declare("params", name, shape, init, fans)

    def running(self, name: str, shape: tuple[int, ...], init: Initializer = zeros) -> None:
        """Declare an array that is saved with the network but not trained, such as a running mean."""
        self._declare("state", name, shape, init, None)

    def _declare(
        self, kind: str, name: str, shape: tuple[int, ...], init: Initializer, fans: tuple[int, int] | None
    ) -> None:
        require_free(
            self.name, self.declared, kind, name, {*dir(Layer), *Layer.__annotations__, *Arguments.__annotations__}
        )
        fan_in, fan_out = fans or ((shape[0], shape[-1]) if shape else (1, 1))
        self.declared[kind].append(Declaration(name, shape, init, fan_in, fan_out))

    def buf(self, name: str, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """This layer's buffer `name`, with old contents: the same memory at every step. Fetch it once in a call.

        The buffer "dx" is for what backward returns. It is shared, and valid until the layer before has used it.
        """
        return self.context.workspace.get(self.name, name, shape, dtype or self.dtype)

    def temporary(self, name: str, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """A buffer that all layers share, valid until this forward or backward returns."""
        return self.context.workspace.get(self.name, name, shape, dtype or self.dtype, temporary=True)

    def random_uniform(self, shape: tuple[int, ...]) -> Array:
        """Uniform numbers in [0, 1) for this training forward: a function of the seed, the layer and the count."""
        context = self.context
        return self.backend.random.uniform(shape, context.seed, f"{context.network}.{self.name}", context.forwards)

    def random_mask(self, shape: tuple[int, ...], rate: float) -> Array:
        """False with probability `rate`: where `random_uniform` is less."""
        context = self.context
        return self.backend.random.mask(shape, rate, context.seed, f"{context.network}.{self.name}", context.forwards)

    def refuse(self, in_shape: tuple[int, ...], wanted: str) -> ShapeError:
        """The error for `build` to raise when inputs of this shape make no sense to the layer."""
        return ShapeError(
            f"{self.context.network}: {self.name} cannot take inputs of shape {in_shape}: it needs {wanted}"
        )

    # Layers inside this one. -----------------------------------------------------------------------------------------

    def children(self) -> dict[str, "Layer"]:
        """The layers that this one holds, by the last part of their names. By default every attribute that is a layer
        or a list of layers: "Dense" for self.layer = Dense(3), "ways.1.Dense" for the second layer of self.ways.
        """
        found: dict[str, Layer] = {}
        for attribute, value in vars(self).items():
            inside = value.items() if isinstance(value, dict) else enumerate(_sequence(value))
            for key, layer in inside:
                if isinstance(layer, Layer):
                    found[f"{attribute}.{key}.{type(layer).__name__}"] = layer
            if isinstance(value, Layer):
                kind = type(value).__name__
                found[kind if kind not in found else f"{attribute}.{kind}"] = value
        return found

    def place(self, name: str, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """To be called in `build` for each child: builds it for inputs of this shape, returns its output's shape."""
        children = self.children()
        if name not in children:
            raise SettingsError(f"{self.name} has no layer {name!r} inside; it has {', '.join(children) or 'none'}")
        path = f"{self.name}.{name}" if self.name else name  # names of layers in a network begin with their index
        return children[name].connect(self.context, path, in_shape)

    def walk(self) -> Iterator["Layer"]:
        """This layer and all inside it, each before its children: the order of the parameters."""
        yield self
        for child in self.children().values():
            yield from child.walk()

    @property
    def learns(self) -> bool:
        """Whether it or a layer inside it has parameters."""
        return any(layer.declared["params"] for layer in self.walk())

    # What the holder of a layer calls: the methods above, with buffers prepared and results checked. -----------------

    def run_forward(self, x: Array, train: bool) -> Array:
        """`forward`. Raises ShapeError for a y that has not the shape that build returned or the network's dtype."""
        context = self.context
        context.workspace.begin_call(self.name)
        y = self.forward(context.workspace.input(x), train)
        if y.shape[1:] != self.output_shape:
            raise ShapeError(
                f"{context.network}: {self.name} returned {y.shape}, and its build announced (n, *{self.output_shape})"
            )
        self._require_dtype(y, "y", self.name)
        context.require_finite(f"the output of layer {self.name}", y)
        return y

    def run_backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """`backward`. Keeps a copy of dy if the context says that a second derivative follows."""
        context = self.context
        context.workspace.begin_call(self.name, dy)
        if context.keep_dy and self.keeps_dy():
            self.kept_dy = self.buf("kept dy", dy.shape)
            self.kept_dy[...] = dy
        dx = self.backward(context.workspace.input(dy), params, inputs)
        if inputs:
            self._require_dtype(dx, "dx", f"{self.name}'s backward")
        if context.check_finite:
            for item in self.declared["params"] if params else ():
                name = f"d{item.name}"
                context.require_finite(f"the gradient {name} of layer {self.name}", getattr(self, name))
            context.require_finite(f"the gradient dx of layer {self.name}", dx)
        return dx

    def _require_dtype(self, array: Any, name: str, who: str) -> None:
        if getattr(array, "dtype", self.dtype) != self.dtype:
            raise ShapeError(
                f"{self.context.network}: {who} returned {array.dtype} in a network of {self.dtype}: write into "
                f"self.buf({name!r}, shape), or end with {name}.astype(self.dtype)"
            )

    def run_tangent(self, t: Array) -> Array:
        """`tangent`, with buffers prepared."""
        self.context.workspace.begin_call(self.name, t)
        return self.tangent(self.context.workspace.input(t))

    def run_tangents(self, t: Array) -> tuple[Array, Array | None]:
        """`tangents`, with the copy of dy that `run_backward` kept."""
        workspace = self.context.workspace
        workspace.begin_call(self.name, t)
        return self.tangents(workspace.input(t), workspace.input(self.kept_dy) if self.keeps_dy() else None)

    def run_fused(self, t: Array, s: Array) -> Array:
        """`fused`, with the copy of dy that `run_backward` kept."""
        workspace = self.context.workspace
        workspace.begin_call(self.name, t)
        t = self.fused(workspace.input(t), workspace.input(self.kept_dy) if self.keeps_dy() else None, s)
        if self.context.check_finite:
            for item in self.declared["params"]:
                self.context.require_finite(
                    f"the gradient d{item.name} of layer {self.name}", getattr(self, f"d{item.name}")
                )
            self.context.require_finite(f"the tangent of layer {self.name}", t)
        return t

    # What the network does. ------------------------------------------------------------------------------------------

    def connect(self, context: Context, name: str, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Make the layer part of a network, under this name, and build it. Returns the output's shape.

        Raises OrderError for a layer that is part of a network already, ShapeError for a build that returns no tuple.
        """
        if "context" in self.__dict__:
            kind = type(self).__name__
            raise OrderError(
                f"{context.network}: {name} is already {self.context.network}'s {self.name}: a layer object has one "
                f"place; write {kind}(...) again, or use layer.clone()"
            )
        self.context, self.name = context, name
        self.backend, self.xp, self.dtype = context.backend, context.backend.xp, context.dtype
        self.declared = {"params": [], "state": []}
        out_shape = self.build(in_shape)
        if not isinstance(out_shape, tuple):
            raise ShapeError(f"{name}: build returned {out_shape!r}, not a tuple, y's shape without the batch")
        self._require_placed(name)
        inits = [item.init for items in self.declared.values() for item in items]
        self.initializers = {key for key, value in vars(self).items() if any(value is init for init in inits)}
        self.input_shape, self.output_shape = in_shape, out_shape
        return out_shape

    def _require_placed(self, name: str) -> None:
        """Raises OrderError unless every layer inside was placed, and placed once."""
        children = self.children()
        twice = [key for key, child in children.items() if sum(child is other for other in children.values()) > 1]
        if twice:
            raise OrderError(f"{name}: {' and '.join(twice)} are one layer object: a layer object has one place")
        unplaced = [key for key, child in children.items() if child.__dict__.get("context") is not self.context]
        if unplaced:
            raise OrderError(f"{name}: its build never placed {', '.join(unplaced)}: write self.place(name, in_shape)")

    def forget_initializers(self) -> None:
        """Drop the initializers, which have done their work. One that is a method of its layer, as SpectralNorm's are,
        would be a circle of references and keep the layer alive.
        """
        for kind, items in self.declared.items():
            self.declared[kind] = [replace(item, init=zeros) for item in items]

    def disconnect(self, context: Context) -> None:
        """Undo `connect` for this layer and those inside it, after a network could not be built."""
        for layer in self.walk():
            if layer.__dict__.get("context") is context:
                for name in ("context", "name", *layer.__dict__.pop("bound", ())):
                    layer.__dict__.pop(name, None)

    @contextlib.contextmanager
    def lent(self, **arrays: Array) -> Iterator[None]:
        """Within it the layer computes with these arrays: `with layer.lent(W=W_SN): layer.run_forward(x, train)`."""
        own = {name: self.__dict__[name] for name in arrays}
        self.__dict__.update(arrays)
        try:
            yield
        finally:
            self.__dict__.update(own)

    def bind(self, name: str, view: Array) -> None:
        """Make a declared name a view into the network's vector. From then on only the contents may be changed."""
        self.__dict__.setdefault("bound", set()).add(name)
        self.__dict__[name] = view

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("bound", ()) and value is not self.__dict__[name]:
            raise OrderError(
                f"{self.name}.{name} is a view into {self.context.network}'s vector: write layer.{name}[...] = value, "
                f"so that the network sees it"
            )
        super().__setattr__(name, value)


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
