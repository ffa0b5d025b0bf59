"""Networks that are equal to another: what clone, deepcopy and pickle make."""

import inspect
from typing import Any


def equal(kind: type, layers: list[Any], **options: Any) -> Any:
    """A network of this class, of these layers. If a user gave the class an `__init__` of another kind, that of the
    class above makes it.
    """
    own = ((above, vars(above).get("__init__", _none)) for above in kind.__mro__)
    maker: Any = next(above for above, init in own if "layers" in inspect.signature(init).parameters)
    net: Any = object.__new__(kind)
    maker.__init__(net, layers, **options)
    return net


def unpickled(kind: type, layers: list[Any], options: dict[str, Any], numbers: list[Any], forwards: int) -> Any:
    """What a pickle of a network calls."""
    net = equal(kind, layers, **options)
    for name, vector in zip(("params", "state"), numbers, strict=True):
        getattr(net, name)[...] = net.backend.asarray(vector)
    net.forwards = forwards
    return net


def _none() -> None:
    """In place of an `__init__` that a class does not have."""
