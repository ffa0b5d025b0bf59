"""The layer contract: what a layer must offer, and what it gets.

A layer is hyperparameters until a network builds it. `build` declares its arrays and returns its output's shape;
`forward` and `backward` then compute with `self.xp` (numpy or cupy), write into buffers from `self.buf`, and find
their parameters under the names they declared: `self.W`, its gradient `self.dW`.
"""

import inspect
from types import ModuleType
from typing import Any, ClassVar

from ..backend import Array, Backend
from ..errors import OrderError, SettingsError, ShapeError
from ..initializers import Initializer, zeros
from ..parameters import Declaration


class Layer:
    """y = f(x; parameters). Subclasses write `build`, `forward` and `backward`; and `tangent`, to stand in a critic
    whose slope is penalised (docs/wgan_gp.md).

    Every argument of a subclass's `__init__` is kept as an attribute of the same name: `config` reads them, and with
    them a layer is copied, saved and loaded. Shapes leave out the batch: `(784,)`, `(28, 28, 1)`.
    """

    name: str  # "2.Dense": its place in the network and its class
    network: Any  # the Sequential that built it
    backend: Backend
    xp: ModuleType
    dtype: Any
    declared: dict[str, list[Declaration]]
    no_tangent: ClassVar[str] = "it has no `tangent` of its own, the derivative of its forward along a direction"

    def build(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Declare parameters with `self.param`; return the output's shape. By default: none, and the input's."""
        return in_shape

    def forward(self, x: Array, train: bool) -> Array:
        """y, from x of shape (n, ...). `train` chooses batch statistics and noise; otherwise neither is used."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: Array, params: bool = True, inputs: bool = True) -> Array | None:
        """From dy = dL/dy: overwrite `self.dW` and the like if `params`, return dx if `inputs`."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def tangent(self, t: Array) -> Array:
        """J t, where J = dy/dx at the x of the last training forward: how y moves when x moves along t.

        `backward` multiplies by the transpose: <dy, J t> = <dx, t>. Raises SettingsError where there is none.
        """
        raise self.refuse_tangent()

    def tangent_backward(self, t: Array, dy: Array) -> Array | None:
        """The derivatives of <dy, J t>: overwrite `self.dW` and the like, return that for x, or None if it is 0.

        Only what J depends on matters: no parameter but W, and x only where the layer is curved. The rest stays 0.
        """
        return None

    def has_tangent(self) -> bool:
        """Is there a `tangent`, and no `forward` that was written over it in a class derived from its own?"""
        kinds = type(self).__mro__
        tangent, forward = (next(i for i, k in enumerate(kinds) if name in vars(k)) for name in ("tangent", "forward"))
        return tangent <= forward and kinds[tangent] is not Layer

    def refuse_tangent(self) -> SettingsError:
        """The error for a layer that cannot stand in a critic whose slope is penalised."""
        return SettingsError(
            f"{self.network.name}: {self.name} cannot stand in a critic with a penalty on its slope: {self.no_tangent}"
        )

    def param(self, name: str, shape: tuple[int, ...], init: Initializer, fans: tuple[int, int] | None = None) -> None:
        """Declare a parameter: later `self.<name>` is its value and `self.d<name>` its gradient.

        `fans` are (fan_in, fan_out) for the initializer; by default the first and the last length of the shape.
        """
        if not isinstance(shape, tuple) or not callable(init):
            raise SettingsError(
                f"{self.name}: the parameter {name} has shape {shape!r} and initializer {init!r}; wanted a tuple and a "
                f"function such as normal(0.02)"
            )
        self.declared["params"].append(Declaration(name, shape, init, *(fans or (shape[0], shape[-1]))))

    def running(self, name: str, shape: tuple[int, ...], init: Initializer = zeros) -> None:
        """Declare an array that is saved with the network but not trained, such as a running mean."""
        self.declared["state"].append(Declaration(name, shape, init, shape[0], shape[-1]))

    def buf(self, name: str, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """This layer's buffer `name`: uninitialised memory, the same at every step. Fetch it once a call.

        "dx" is for what backward returns, and shared: it lasts until the layer below has used it.
        """
        return self.network.workspace.get(self.name, name, shape, dtype or self.dtype)

    def temporary(self, name: str, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """A buffer that all layers share and that lasts only until this forward or backward returns."""
        return self.network.workspace.get(self.name, name, shape, dtype or self.dtype, temporary=True)

    def random_uniform(self, shape: tuple[int, ...]) -> Array:
        """Uniform numbers in [0, 1) for this training forward: a function of the seed, the layer and the count."""
        network = self.network
        return self.backend.uniform(shape, network.seed, f"{network.name}.{self.name}", network.forwards)

    def random_mask(self, shape: tuple[int, ...], rate: float) -> Array:
        """False with probability `rate`: where `random_uniform` is less."""
        network = self.network
        return self.backend.mask(shape, rate, network.seed, f"{network.name}.{self.name}", network.forwards)

    def refuse(self, in_shape: tuple[int, ...], wanted: str) -> ShapeError:
        """The error for `build` to raise when inputs of this shape make no sense to the layer."""
        return ShapeError(f"{self.network.name}: {self.name} cannot take inputs of shape {in_shape}: it needs {wanted}")

    def config(self) -> dict[str, Any]:
        """The arguments that make an equal layer: `type(layer)(**layer.config())`."""
        names = inspect.signature(type(self)).parameters
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            raise OrderError(f"{type(self).__name__}.__init__ must keep its argument as self.{missing[0]}")
        return {name: getattr(self, name) for name in names}

    def clone(self) -> "Layer":
        """An equal layer that no network has built."""
        return type(self)(**self.config())

    def __repr__(self) -> str:
        settings = (f"{name}={value!r}" for name, value in self.config().items() if not callable(value))
        return f"{type(self).__name__}({', '.join(settings)})"

    # What the network does. ------------------------------------------------------------------------------------------

    def connect(self, network: Any, name: str, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the layer its place in a network, and build it. Returns the output's shape."""
        if "network" in self.__dict__:
            kind = type(self).__name__
            raise OrderError(
                f"{network.name}: {name} is already {self.network.name}'s {self.name}: a layer object has one place; "
                f"write {kind}(...) again, or use layer.clone()"
            )
        self.network, self.name = network, name
        self.backend, self.xp, self.dtype = network.backend, network.backend.xp, network.dtype
        self.declared = {"params": [], "state": []}
        out_shape = self.build(in_shape)
        if not isinstance(out_shape, tuple):
            raise ShapeError(f"{name}: build returned {out_shape!r}; it must return the output's shape, a tuple")
        return out_shape

    def disconnect(self, network: Any) -> None:
        """Free the layer, if this network has it and could not be built."""
        if self.__dict__.get("network") is network:
            del self.__dict__["network"]

    def bind(self, name: str, view: Array) -> None:
        """Point a declared name at its piece of the network's vector; from then on only its contents may change."""
        self.__dict__.setdefault("bound", set()).add(name)
        self.__dict__[name] = view

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("bound", ()) and value is not self.__dict__[name]:
            raise OrderError(
                f"{self.name}.{name} is a view into {self.network.name}'s vector: write layer.{name}[...] = value, "
                f"so that the network sees it"
            )
        super().__setattr__(name, value)
