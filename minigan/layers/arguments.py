"""A layer is its arguments: with them it is copied, pickled, described in a file and shown."""

import inspect
import pickle
from collections.abc import Callable
from typing import Any, Self

from ..config import arguments_of
from ..context import Context
from ..errors import OrderError, SettingsError


class Arguments:
    """The part of `Layer` that is about its arguments, each of which is kept as an attribute of the same name."""

    name: str  # "2.Dense": its place in the network and its class; inside another, "3.Residual.0.Conv2D"
    context: Context

    def config(self) -> dict[str, Any]:
        """The arguments of an equal layer: `type(layer).from_config(layer.config())`."""
        return arguments_of(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer of these arguments. Those of `*layers` are a list."""
        parameters = inspect.signature(cls).parameters.values()
        star = next((p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)
        named = {name: value for name, value in config.items() if name != star}
        return cls(*config.get(star, ()), **named) if star else cls(**named)

    def describe(self) -> dict[str, Any]:
        """The layer in the types of JSON: its class, its arguments, the layers inside it. Initializers are left out,
        since a network that is loaded needs none.

        Raises SettingsError for an argument that JSON cannot hold, such as a function or an array.
        """
        return {"type": type(self).__name__} | {
            name: _described(value, f"{self!r}: its argument {name}")
            for name, value in self.config().items()
            if not (callable(value) and not isinstance(value, Arguments) and self._is_initializer(name))
        }

    def _is_initializer(self, name: str) -> bool:
        return name.endswith("_init") or name in self.__dict__.get("initializers", ())

    def clone(self) -> Self:
        """An equal layer, with equal layers inside it, which is not part of a network."""
        return self.from_config({name: _cloned(value) for name, value in self.config().items()})

    def __repr__(self) -> str:
        shown = {k: v for k, v in self.config().items() if isinstance(v, Arguments) or not callable(v)}
        settings = (f"{name}={value!r}" for name, value in shown.items())
        return f"{type(self).__name__}({', '.join(settings)})"

    # Copies. ---------------------------------------------------------------------------------------------------------

    def __copy__(self) -> Self:
        return self._alone("copy.copy").clone()

    def __deepcopy__(self, memo: Any) -> Self:
        return self._alone("copy.deepcopy").clone()

    def __reduce__(self) -> tuple[Any, ...]:
        config = self._alone("pickle").config()
        for name, value in config.items():
            if callable(value) and not isinstance(value, Arguments):
                require_picklable(value, f"{self!r}: its argument {name}")
        return _made, (type(self), config)

    def _alone(self, verb: str) -> Self:
        """The layer. Raises OrderError if it is part of a network: its arrays are views into the network's vectors."""
        if "context" in self.__dict__:
            raise OrderError(
                f"{verb} of {self.context.network}'s {self.name}: a layer that a network has built is copied with the "
                f"network; for an equal layer with new parameters use layer.clone()"
            )
        return self


def require_picklable(value: Callable[..., Any], what: str) -> None:
    """Raises SettingsError, naming it, for a function that pickle cannot find again."""
    try:
        pickle.dumps(value)
    except Exception as error:  # PicklingError, AttributeError, TypeError: each Python has its own
        name = getattr(value, "__qualname__", repr(value))
        raise SettingsError(
            f"{what} is {name}, which cannot be pickled: pickle finds a function by its name, so define it with def "
            f"at the top level of a module"
        ) from error


def _described(value: Any, what: str) -> Any:
    if isinstance(value, Arguments):
        return value.describe()
    if isinstance(value, list | tuple):
        return [_described(inner, what) for inner in value]
    if isinstance(value, str | int | float | bool | None):
        return value
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # NumPy's numbers
        return value.item()
    raise SettingsError(
        f"{what} is {value!r}, which a model file cannot hold: give the layer a number or a word, and have __init__ "
        f"look up what it means"
    )


def _cloned(value: Any) -> Any:
    if isinstance(value, Arguments):
        return value.clone()
    if isinstance(value, list | tuple):
        return type(value)(map(_cloned, value)) if type(value) in (list, tuple) else value
    return {name: _cloned(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _made(kind: type[Arguments], config: dict[str, Any]) -> Arguments:
    """What a pickle of a layer calls."""
    return kind.from_config(config)
