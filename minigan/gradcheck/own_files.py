"""Layers from a person's own file: `my_layers.py`, `my_layers.py:MyLayer`, `my_layers.py:MyLayer(3, stride=2)`."""

import ast
import importlib.util
import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

from ..errors import FileError, MiniganError, SettingsError
from ..layers import Layer


def layers_of(path: Path, wanted: str) -> list[Layer]:
    """The layer that `wanted` asks for, a class name with or without arguments; or, if it is empty, all of the file's.

    Raises FileError if the file cannot be read, SettingsError if it cannot be run or has no such layer.
    """
    namespace = _run(path)
    if wanted:
        name, arguments, named = parse_call(wanted, f"{path}:")
        if not isinstance(kind := namespace.get(name), type) or not issubclass(kind, Layer):
            found = ", ".join(_layers(namespace)) or "none"
            what = f"{name} is no subclass of minigan.layers.Layer" if name in namespace else f"it has no class {name}"
            raise SettingsError(f"{path}: {what}; the layers in it: {found}")
        return [make(kind, arguments, named, path)]
    kinds = _layers(namespace)
    if not kinds:
        raise SettingsError(f"{path} has no subclass of minigan.layers.Layer with a forward and a backward")
    return [make(kind, [], {}, path) for kind in kinds.values()]


def parse_call(text: str, where: str = "") -> tuple[str, list[Any], dict[str, Any]]:
    """Class name and arguments of "MyLayer(3, stride=2)" or "MyLayer". Raises SettingsError for anything else."""
    try:
        node = ast.parse(text, mode="eval").body
        if isinstance(node, ast.Name):
            return node.id, [], {}
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            arguments = [ast.literal_eval(value) for value in node.args]
            return node.func.id, arguments, {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
    except (SyntaxError, ValueError):
        pass
    raise SettingsError(
        f"{where}{text} is no class name with plain arguments, such as MyLayer or 'MyLayer(3, stride=2)'"
    )


def make(kind: type, arguments: list[Any], named: dict[str, Any], path: Path | None = None) -> Any:
    """An object of this class. Raises SettingsError if its arguments do not fit."""
    try:
        return kind(*arguments, **named)
    except MiniganError:
        raise
    except Exception as error:
        try:
            inspect.signature(kind).bind(*arguments, **named)
        except TypeError:
            wanted = ", ".join(inspect.signature(kind).parameters)
            call = f"{path}:{kind.__name__}" if path else kind.__name__
            raise SettingsError(
                f"{kind.__name__}({wanted}) cannot be made: {error}. Give its arguments, in quotes: '{call}(...)'"
            ) from error
        raise SettingsError(f"{kind.__name__} cannot be made: {located(error, path)}") from error


def located(error: BaseException, path: Path | None = None) -> str:
    """Where it happened, in the person's own file if that is on the way, and what."""
    frames = traceback.extract_tb(error.__traceback__)
    if path is not None:
        frames = [frame for frame in frames if Path(frame.filename) == path] or frames  # type: ignore[assignment]
    kind, notes = type(error).__name__, notes_of(error)
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}: {kind}: {error.msg}"
    if not frames:
        return f"{kind}: {error}{notes}"
    frame = frames[-1]
    return f"{frame.filename}, line {frame.lineno}, in {frame.name}: {kind}: {error}\n    {frame.line}{notes}"


def notes_of(error: BaseException) -> str:
    """What was added to it on the way."""
    return "".join(f"\n    {note}" for note in getattr(error, "__notes__", ()))


def _run(path: Path) -> dict[str, Any]:
    """The names that the file defines. Modules beside it can be imported from it."""
    if not path.is_file():
        raise FileError(f"{path} does not exist, or is no file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error}") from error
    except (Exception, SystemExit) as error:
        raise SettingsError(f"{path} cannot be imported: {located(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent))
    return vars(module)


def _layers(namespace: dict[str, Any]) -> dict[str, type]:
    """The file's own layers with both passes, in the order in which they stand there."""
    return {
        name: kind
        for name, kind in namespace.items()
        if isinstance(kind, type)
        and issubclass(kind, Layer)
        and kind.__module__ == namespace["__name__"]
        and kind.forward is not Layer.forward
        and kind.backward is not Layer.backward
    }
