"""What a person's own file has to check: `my_layers.py`, `my_layers.py:MyLayer`, `my_layers.py:MyLayer(3, stride=2)`.

The file is run in this process, with modules beside it within reach; `loaded` forgets them afterwards.
"""

import ast
import contextlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import FileError, MiniganError, SettingsError, did_you_mean
from ..gan import GAN
from ..layers import Layer
from ..losses import Loss
from ..objectives import NonSaturating, Objective, Wasserstein
from ..optimizers import Adam
from ..penalties import Penalty
from .function_pairs import LossFunction, Pair, found_losses, found_pairs
from .subjects import how_to_be_a_layer
from .table import dense_gan

SETTINGS = "GRADCHECK"  # a dictionary in the file, by the names of what is checked
KINDS = (Layer, Loss, Objective, Penalty, GAN)
KNOWN = ("arguments", "x", "params", "fixed", "labels", "expect_zero")
NO_NETWORK_YET = """a layer has its memory only later; __init__ keeps its arguments, and parameters are declared in
        def build(self, in_shape):
            self.param("W", (in_shape[-1], self.units), normal(0.1))
            return (self.units,)  # the shape of y without the batch"""
FOLDER = "_folder_of_the_file"  # a package made for `from .helpers import ...`


@dataclass(frozen=True)
class Item:
    """Something in a file that `check` takes, made only when it is asked for; or why it cannot be checked."""

    name: str
    make: Callable[[], tuple[Any, dict[str, Any]]] = lambda: (None, {})  # the target, and options of `check`
    refusal: str = ""
    is_base: bool = False  # others in the file derive from it, and may define what it lacks


@contextlib.contextmanager
def loaded(path: Path) -> Iterator[dict[str, Any]]:
    """The names that the file defines. While it lasts, modules beside it can be imported; then they are forgotten.

    Raises FileError if the file cannot be read, SettingsError if it cannot be run.
    """
    if not path.is_file():
        raise FileError(f"{path} does not exist, or is no file")
    before = set(sys.modules)
    kept = sys.argv, list(sys.path), sys.dont_write_bytecode, sys.stdout, sys.stderr, sys.stdin
    sys.argv, sys.dont_write_bytecode = [str(path)], True
    try:
        with np.errstate():  # which the file may set
            with prints_as_errors():
                module = _run(path)
            yield vars(module)
    finally:
        sys.argv, sys.path[:], sys.dont_write_bytecode, sys.stdout, sys.stderr, sys.stdin = kept
        root = _package_of(path)[1]
        for name in set(sys.modules) - before:
            if _is_beside(sys.modules[name], root):
                del sys.modules[name]


def prints_as_errors() -> contextlib.AbstractContextManager[Any]:
    """What a file prints is no part of the report, and goes to standard error."""
    return contextlib.redirect_stdout(sys.stderr)


class Settings:
    """What the file says of each thing in it, and the command of all."""

    def __init__(self, given: dict[str, dict[str, Any]], x: tuple[int, ...] | None) -> None:
        self.given, self.everywhere = given, {} if x is None else {"x": x}

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self.given.get(name, {}) | self.everywhere


def items_of(path: Path, wanted: str, namespace: dict[str, Any], x: tuple[int, ...] | None = None) -> list[Item]:
    """What `wanted` asks for, a name with or without arguments; or, if it is empty, all that the file has. `x` is the
    shape of their inputs, if it is known.

    Raises SettingsError if there is nothing of the kind.
    """
    settings = Settings(_settings_of(path, namespace), x)
    items = {item.name: item for item in _all_items(path, namespace, settings)}
    if not items:  # no classes: a script, with networks
        made = {name: value for name, value in namespace.items() if isinstance(value, KINDS)}
        items = {name: Item(name, partial(_target, value, settings[name])) for name, value in made.items()}
    if odd := sorted(set(settings.given) - set(items) - set(namespace)):
        raise SettingsError(f"{path}: {SETTINGS} has {odd[0]!r}, and the file has not{did_you_mean(odd[0], items)}")
    twice = _defined_twice(path, items)
    if wanted:
        name, arguments, named = parse_call(wanted, f"{path}:")
        earlier = [item for item in twice if item.name.startswith(f"{name} of ")]
        return [*earlier, _wanted(path, namespace, items, name, (arguments, named), settings[name])]
    if not items:
        raise SettingsError(_nothing(path, namespace))
    return [*twice, *items.values()]


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
            raise SettingsError(_arguments_wanted(kind, error, path)) from error
        if (
            issubclass(kind, Layer)
            and isinstance(error, AttributeError)
            and error.name in ("declared", "context", "name")
        ):
            error.add_note(NO_NETWORK_YET)
        given = issubclass(kind, Loss | Objective) and "object.__init__() takes exactly one" in str(error)
        hint = "\n    losses and objectives take no backend: write super().__init__()" if given else ""
        raise SettingsError(f"{kind.__name__} cannot be made: {located(error, path)}{hint}") from error


def located(error: BaseException, path: Path | None = None) -> str:
    """Where it happened, in the person's own file if that is on the way, and what."""
    frames = traceback.extract_tb(error.__traceback__)
    if path is not None:
        frames = [frame for frame in frames if Path(frame.filename) == path] or frames  # type: ignore[assignment]
    kind, notes = type(error).__name__, notes_of(error)
    if isinstance(error, SyntaxError):
        line = "" if error.lineno is None else f", line {error.lineno}"
        return f"{error.filename or path}{line}: {kind}: {error.msg}"
    if not frames:
        return f"{kind}: {error}{notes}"
    frame = frames[-1]
    return f"{frame.filename}, line {frame.lineno}, in {frame.name}: {kind}: {error}\n    {frame.line}{notes}"


def notes_of(error: BaseException) -> str:
    """What was added to it on the way."""
    return "".join(f"\n    {note}" for note in getattr(error, "__notes__", ()))


def _run(path: Path) -> ModuleType:
    """The file as a module, under a name by which it and what it imports can refer to it."""
    name, root = _package_of(path)
    sys.path[:0] = [str(path.parent)] if root == path.parent else [str(path.parent), str(root)]
    if name.startswith(f"{FOLDER}."):
        package = ModuleSpec(FOLDER, None, is_package=True)
        package.submodule_search_locations = [str(path.parent)]
        sys.modules[FOLDER] = importlib.util.module_from_spec(package)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        if (parent := name.rpartition(".")[0]) not in sys.modules:
            importlib.import_module(parent)
        sys.modules[name] = module
        if path.stem not in sys.stdlib_module_names:
            sys.modules.setdefault(path.stem, module)  # for helpers that import the file in turn
        spec.loader.exec_module(module)
    except OSError as error:
        if getattr(error, "filename", None) in (None, str(path)):
            raise FileError(f"{path} cannot be read: {error}") from error
        raise SettingsError(f"{path} cannot be imported: {located(error, path)}") from error
    except (Exception, SystemExit) as error:
        raise SettingsError(f"{path} cannot be imported: {located(error, path)}") from error
    return module


def _package_of(path: Path) -> tuple[str, Path]:
    """The file's full name as a module, and the folder in which its outermost package lies."""
    if not (path.parent / "__init__.py").is_file():
        return f"{FOLDER}.{path.stem.replace('.', '_')}", path.parent
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _is_beside(module: ModuleType, root: Path) -> bool:
    """Whether a module lies in the file's folder: not minigan, and nothing that was installed there."""
    name, file = module.__name__, getattr(module, "__file__", None)
    if name.partition(".")[0] == FOLDER:
        return True
    if file is None or name.partition(".")[0] == "minigan":
        return False
    return root in Path(file).parents and not {"site-packages", "dist-packages"} & set(Path(file).parts)


def _settings_of(path: Path, namespace: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The file's GRADCHECK. Raises SettingsError unless it has the form that docs/gradcheck.md shows."""
    settings = namespace.get(SETTINGS, {})
    form = f"wanted {SETTINGS} = {{'MyLayer': {{'arguments': {{'units': 3}}, 'x': (4, 3), 'expect_zero': ['b']}}}}"
    if not isinstance(settings, dict) or not all(isinstance(options, dict) for options in settings.values()):
        raise SettingsError(f"{path}: {SETTINGS} is {settings!r}; {form}")
    for name, options in settings.items():
        for key in options:
            if key not in KNOWN:
                known = ", ".join(KNOWN) + did_you_mean(key, KNOWN)
                raise SettingsError(f"{path}: {SETTINGS}[{name!r}] has {key!r}; it may have {known}")
    return settings


def _all_items(path: Path, namespace: dict[str, Any], settings: Settings) -> Iterator[Item]:
    """The file's own classes and pairs of functions, in the order in which they stand there."""
    own = {kind: name for name, kind in reversed(namespace.items()) if _is_own_class(kind, namespace)}
    for kind, name in reversed(own.items()):
        options, is_base = settings[name], any(other is not kind and issubclass(other, kind) for other in own)
        if not issubclass(kind, KINDS):
            if callable(getattr(kind, "forward", None)) and callable(getattr(kind, "backward", None)):
                yield _item_of_no_layer(name, kind, options)
        elif missing := _missing(kind):
            if not is_base:
                yield Item(name, refusal=f"{name} has no {missing}")
        elif (example := _example(kind, namespace)) is not None and "arguments" not in options:
            yield Item(name, partial(_target, example, options))
        else:
            yield replace(_item_of_class(name, kind, options.get("arguments", {}), options, path), is_base=is_base)
    functions: list[Pair | LossFunction] = [*found_pairs(namespace), *found_losses(namespace)]
    for found in functions:
        yield Item(found.name, partial(found.target, settings[found.name]))


def _is_own_class(kind: Any, namespace: dict[str, Any]) -> bool:
    return isinstance(kind, type) and kind.__module__ == namespace["__name__"]


def _example(kind: type, namespace: dict[str, Any]) -> Any:
    """An object of a class that needs arguments, if the file makes one: it has them."""
    try:
        inspect.signature(kind).bind()
    except TypeError:
        return next((value for value in namespace.values() if type(value) is kind), None)
    except ValueError:
        pass
    return None


def _item_of_class(name: str, kind: type, arguments: Any, options: dict[str, Any], path: Path) -> Item:
    given = ([], arguments) if isinstance(arguments, dict) else (list(arguments), {})

    def made() -> tuple[Any, dict[str, Any]]:
        if issubclass(kind, GAN):
            return _small_gan(kind, given, path), {"expect_zero": options.get("expect_zero", ())}
        return _target(make(kind, *given, path), options)

    return Item(name, made)


def _item_of_no_layer(name: str, kind: Any, options: dict[str, Any]) -> Item:
    """Static methods are a pair of functions in a class for a name."""
    if all(isinstance(inspect.getattr_static(kind, way), staticmethod) for way in ("forward", "backward")):
        return Item(name, partial(Pair(name, kind.forward, kind.backward).target, options))
    return Item(name, refusal=how_to_be_a_layer(kind))


def _target(made: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What `check` gets. A penalty that does all by itself can only be seen in a step."""
    if isinstance(made, Penalty) and type(made).__call__ is not Penalty.__call__:
        case = dense_gan(Wasserstein(), penalty=made)
        return case.gan, {"expect_zero": case.expect_zero}
    return made, {key: options[key] for key in ("x", "labels", "expect_zero") if key in options}


def _small_gan(kind: type, given: tuple[list[Any], dict[str, Any]], path: Path) -> GAN:
    """A step of the person's own, with small dense networks."""
    G, D = (gan := dense_gan(NonSaturating()).gan).G, gan.D
    standard = {"objective": gan.objective, "g_optimizer": Adam(G, 1e-2, 0.5), "d_optimizer": Adam(D, 1e-2, 0.5)}
    return make(kind, [G, D, *given[0]], standard | given[1], path)


def _wanted(
    path: Path,
    namespace: dict[str, Any],
    items: dict[str, Item],
    name: str,
    given: tuple[list[Any], dict[str, Any]],
    options: dict[str, Any],
) -> Item:
    """The one that was asked for by name."""
    kind, found = namespace.get(name), ", ".join(items) or "none"
    if name in items and not any(given):
        return replace(items[name], is_base=False)
    if isinstance(kind, type) and issubclass(kind, KINDS) and not _missing(kind):
        arguments = given[1] if not given[0] else given[0]
        if all(given):
            return Item(name, lambda: _target(make(kind, *given, path), options))
        return _item_of_class(name, kind, arguments or options.get("arguments", {}), options, path)
    if isinstance(kind, KINDS) and not any(given):
        return Item(name, lambda: _target(kind, options))
    if name not in namespace:
        near = did_you_mean(name, items)
        raise SettingsError(f"{path}: it has no class {name}; the layers in it: {found}{near}")
    raise SettingsError(f"{path}: {name} is no subclass of minigan.layers.Layer; the layers in it: {found}")


def _missing(kind: type) -> str:
    """What a class still has to define before it can be checked."""
    needed: dict[type, tuple[str, ...]] = {
        Layer: ("forward", "backward"), Loss: ("__call__",), Penalty: ("term",),
        Objective: ("real", "fake", "generator"),
    }  # fmt: skip
    for base, names in needed.items():
        if issubclass(kind, base):
            missing = [name for name in names if getattr(kind, name) is getattr(base, name)]
            if base is Objective and kind.discriminator is not Objective.discriminator:  # type: ignore[attr-defined]
                missing = [name for name in missing if name == "generator"]
            if base is Penalty and kind.__call__ is not Penalty.__call__:
                missing = []
            return ", ".join(missing)
    return ""


def _defined_twice(path: Path, items: dict[str, Item]) -> list[Item]:
    """Classes and functions of which the file has an earlier version, that nobody can call."""
    found: list[Item] = []
    seen: dict[str, int] = {}
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.decorator_list:
            parts = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            if node.name in seen and node.name in items and node.name not in parts:
                found.append(
                    Item(
                        f"{node.name} of line {seen[node.name]}",
                        refusal=f"line {node.lineno} defines {node.name} again, and Python forgets the first: give one "
                        f"of them another name",
                    )
                )
            seen[node.name] = node.lineno
    return found


def _arguments_wanted(kind: type, error: Exception, path: Path | None) -> str:
    parameters = inspect.signature(kind).parameters
    call = f"{path}:{kind.__name__}" if path else kind.__name__
    what = f"{kind.__name__}({', '.join(parameters)}) cannot be made: {error}"
    text = f"{what}. Give its arguments, in quotes: '{call}(...)'"
    if path is None:
        return text
    needed = ", ".join(f"{p.name!r}: ..." for p in parameters.values() if p.default is p.empty and p.kind in (0, 1, 3))
    return f"{text}; or in the file: {SETTINGS} = {{{kind.__name__!r}: {{'arguments': {{{needed}}}}}}}"


def _nothing(path: Path, namespace: dict[str, Any]) -> str:
    """What to say of a file in which there is nothing to check."""
    alone = [name for name, value in namespace.items() if inspect.isfunction(value) and "forward" in name]
    hint = f"; {alone[0]} needs a partner {alone[0].replace('forward', 'backward')}" if alone else ""
    for name, kind in namespace.items():
        file = getattr(sys.modules.get(getattr(kind, "__module__", "")), "__file__", None)
        if isinstance(kind, type) and issubclass(kind, KINDS) and file and Path(file).parent == path.parent:
            hint = f"; {name} is another file's: name {file}"
    return (
        f"{path} has no subclass of minigan.layers.Layer with a forward and a backward, no Loss, Objective, Penalty or "
        f"GAN, and no pair of functions such as affine_forward and affine_backward{hint}"
    )
