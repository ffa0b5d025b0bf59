"""The house: who may import whom, and words that may not appear where."""

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "minigan"

# Each file imports only from the ones before it (the files of one line may not import each other).
FLOORS = [
    ["errors", "version"],
    ["config", "gradcheck.report"],
    ["backend.philox", "backend.convolution", "backend.workers", "files"],
    ["backend.base"],
    ["backend.rows", "backend.winograd"],
    ["backend.cublas", "backend.graph"],
    ["backend.numpy_backend", "backend.cupy_backend"],
    ["backend"],
    ["gradcheck.numeric"],
    ["workspace", "initializers", "losses", "pictures", "data.idx", "data.transforms", "data.decoding"],
    ["data.labels", "data.notes"],
    ["data.samples", "data.protocol"],
    ["parameters", "context", "data.image_set", "objectives"],
    ["data.sources", "data.drawn", "data.folder", "data.array_data"],
    ["data.faces", "data.toy", "optimizers"],
    ["data", "layers.base", "layers.sides"],
    ["layers.chain", "layers.conv", "layers.borders", "layers.resize", "layers.label_embedding"],
    ["layers.upsampling_conv"],
    ["layers.dense", "layers.norm", "layers.activations", "layers.dropout", "layers.shape"],
    ["layers.spectral_norm", "layers.residual"],
    ["layers"],
    ["network"],
    ["penalties", "generator"],
    ["gan", "models", "interop", "progress", "means"],
    ["gradcheck.subjects"],
    ["gradcheck.networks", "gradcheck.table"],
    ["gradcheck.contract", "gradcheck.judge"],
    ["gradcheck.causes"],
    ["gradcheck.places"],
    ["gradcheck.experiments"],
    ["gradcheck.steps"],
    ["gradcheck.check"],
    ["gradcheck.adjoint", "gradcheck.curve", "gradcheck.own_files"],
    ["gradcheck"],
    ["gradcheck.command", "pytest_plugin"],
    ["callbacks", "checkpoint", "run_directory"],
    ["run"],
    ["recorders", "run_start"],
    ["training"],
    ["settings"],
    ["image_runs", "cli"],
    ["__main__"],
    [""],
]
BETWEEN = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER
}  # fmt: skip
HEIGHT = {name: floor for floor, names in enumerate(FLOORS) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """The package's own modules that a file imports, unless only for type hints."""
    tree = ast.parse(path.read_text())
    hints = {child for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
             for child in ast.walk(node)}  # fmt: skip
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in hints:
            base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
            for alias in node.names:
                full = ".".join([*base, alias.name])
                yield full if full in HEIGHT else ".".join(base)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_point_down(path):
    name = name_of(path)
    assert name in HEIGHT, f"{name} is new: give it a floor"
    upwards = {other for other in imports(path) if HEIGHT[other] >= HEIGHT[name] and other != name}
    assert not upwards, f"{name} imports {upwards}, which is not below it"


@pytest.mark.parametrize("path", sorted((PACKAGE / "layers").glob("*.py")), ids=name_of)
def test_layers_never_name_an_array_library(path):
    names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert not names & {"np", "numpy", "cupy", "cp"}


def test_only_the_backend_imports_cupy():
    for path in FILES:
        if path.parent.name != "backend":
            assert "import cupy" not in path.read_text(), path


def test_import_is_light():
    code = "import sys, minigan; print(sorted({'matplotlib', 'PIL', 'cupy', 'tqdm', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def lines_of_code(path):
    """Without blank lines, comments and docstrings."""
    text = path.read_text()
    documented = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documented |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {line for token in tokens if token.type not in BETWEEN for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - documented)


def test_the_budget():
    """The engine stays around 2,500 lines of code, and a file fits a reader's head, its comments and all."""
    beside = (
        "data", "pictures", "training", "progress", "cli", "models", "settings", "run", "files", "image_runs",
        "recorders", "callbacks", "means",
        "gradcheck", "pytest_plugin", "interop", "backend.cupy_backend", "backend.cublas", "backend.graph",
    )  # fmt: skip
    engine = [path for path in FILES if not name_of(path).startswith(beside)]
    assert sum(map(lines_of_code, engine)) <= 2_600
    lines = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    checker = [path for path in FILES if name_of(path).startswith("gradcheck")]  # students read it, too
    assert max(lines[name_of(path)] for path in engine + checker) <= 310
    assert max(lines.values()) <= 400, max(lines, key=lines.get)
