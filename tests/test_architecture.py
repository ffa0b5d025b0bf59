"""The house: who may import whom, and words that may not appear where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "minigan"

# Each file imports only from the ones before it (the files of one line may not import each other).
FLOORS = [
    ["errors", "version", "printing", "local_server"],
    ["config", "gradcheck.report", "percent"],
    [
        "backend.philox",
        "backend.convolution",
        "backend.cores",
        "backend.kernels",
        "backend.sums",
        "files",
        "archive",
        "data.limits",
    ],
    ["backend.threads", "backend.scratch", "backend.random", "backend.groups"],
    ["backend.blas"],
    ["backend.machine"],
    ["backend.tuning"],
    ["backend.blocks"],
    ["backend.base"],
    ["backend.rows", "backend.moves"],
    ["backend.ways.way", "backend.numpy_sums", "backend.numpy_random"],
    [
        "backend.ways.winograd",
        "backend.ways.blocks",
        "backend.ways.rows",
        "backend.ways.few_outputs",
        "backend.ways.add_patches",
        "backend.ways.pixels",
        "backend.ways.by_group",
        "backend.ways.taps",
        "backend.ways.together",
    ],
    ["backend.ways.gather"],
    ["backend.ways"],
    ["backend.cublas", "backend.graph", "backend.compiled_kernels"],
    ["backend.numpy_backend", "backend.facts", "backend.compiled_moves"],
    ["backend.cupy_backend", "backend.compiled_backend"],
    ["backend"],
    ["gradcheck.numeric"],
    ["workspace", "initializers", "losses", "pictures", "data.idx", "data.transforms", "data.kinds", "data.jpeg"],
    ["data.damage"],
    ["data.decoding"],
    ["data.fitting"],
    ["data.labels"],
    ["data.levels", "data.finding", "data.picture_cache", "data.axes", "data.numpy_files", "data.array_files"],
    ["data.tables", "data.raw"],
    ["data.samples", "data.protocol"],
    ["parameters", "context", "copies", "data.image_set", "objectives", "augment", "packing"],
    ["data.sources", "data.drawn", "data.folder", "data.array_data"],
    ["data.faces", "data.toy", "optimizers"],
    ["data", "layers.arguments"],
    ["layers.base", "layers.sides"],
    ["layers.chain", "layers.conv", "layers.borders", "layers.resize", "layers.blur", "layers.label_embedding"],
    ["layers.upsampling_conv", "layers.minibatch_std"],
    ["layers.dense", "layers.norm", "layers.activations", "layers.dropout", "layers.shape", "layers.basis"],
    ["layers.spectral_norm", "layers.residual"],
    ["layers"],
    ["summary", "twins"],
    ["network"],
    ["penalties", "generator"],
    ["blueprint", "interop_orders", "sampling", "walks", "r3gan"],
    ["schedules"],
    ["gan_parts", "models", "interop", "progress", "means"],
    ["updates"],
    ["gan"],
    ["gradcheck.subjects"],
    ["gradcheck.networks", "gradcheck.table"],
    ["gradcheck.inputs", "gradcheck.judge", "gradcheck.tangents", "gradcheck.undeclared"],
    ["gradcheck.contract"],
    ["gradcheck.causes"],
    ["gradcheck.places"],
    ["gradcheck.structure"],
    ["gradcheck.experiments"],
    ["gradcheck.steps"],
    ["gradcheck.check"],
    ["gradcheck.adjoint", "gradcheck.curve", "gradcheck.function_pairs"],
    ["gradcheck.own_files"],
    ["gradcheck.own_checks"],
    ["gradcheck.child"],
    ["gradcheck.children"],
    ["gradcheck"],
    ["gradcheck.command", "pytest_plugin"],
    ["metrics.rows"],
    ["metrics.frechet", "metrics.kernel", "metrics.neighbours"],
    ["metrics.modes"],
    ["metrics.copies"],
    ["checkpoint", "history_csv", "example_files"],
    ["metrics.features"],
    ["metrics.evaluation"],
    ["run_directory"],
    ["run"],
    ["run_start"],
    ["loop"],
    ["signals", "callbacks"],
    ["diagnostics", "metrics.callback"],
    ["metrics", "doctor_chart"],
    ["doctor_rules"],
    ["doctor"],
    ["report.collect"],
    ["report.pages"],
    ["report.live", "report.toy", "recorders"],
    ["training"],
    ["settings"],
    ["model_files", "report.watch", "report"],
    ["play.directions"],
    ["play.player"],
    ["play.server"],
    ["play"],
    ["metrics.command", "report.command", "sample_command", "play.command"],
    ["labs.task", "labs.draw", "labs.effort"],
    ["labs.guard"],
    ["labs.gradients", "labs.milestone", "labs.student", "labs.results"],
    ["labs.own"],
    ["labs.catalogue"],
    [f"labs.lab{k:02}" for k in range(1, 11)],
    ["labs.child", "labs.checking"],
    ["labs.grading"],
    ["labs"],
    ["labs.command"],
    ["image_runs", "cli"],
    ["r3gan_runs"],
    ["__main__"],
    [""],
]
HEIGHT = {name: floor for floor, names in enumerate(FLOORS) for name in names}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "start")  # those are students' files


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """The package's own modules that a file imports, unless only for type hints."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
    names = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    assert not names & {"np", "numpy", "cupy", "cp"}


def test_only_the_backend_imports_cupy():
    for path in FILES:
        if path.parent.name != "backend":
            assert "import cupy" not in path.read_text(encoding="utf-8"), path


def test_import_is_light():
    code = "import sys, minigan; print(sorted({'matplotlib', 'PIL', 'cupy', 'tqdm', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# What a person can read at once, in lines, docstrings and comments included.
SCREEN, SITTING = 60, 400
# Not the engine: data, files and runs, known networks, the gradient check, and what only a GPU needs.
BESIDE = (
    "data", "pictures", "training", "progress", "cli", "models", "settings", "run", "files", "image_runs",
    "recorders", "callbacks", "example_files", "means", "loop", "sampling", "archive", "blueprint", "printing",
    "history_csv", "sample_command", "play", "r3gan",
    "gradcheck", "labs", "percent", "metrics", "pytest_plugin", "interop",
    "backend.cupy_backend", "backend.cublas", "backend.graph",
)  # fmt: skip
ENGINE = [path for path in FILES if not name_of(path).startswith(BESIDE)]
LAYERS = [path for path in ENGINE if path.parent.name == "layers"]
# Algorithm 1, and the passes through a chain: what a student reads first. Each list fits a screen as a whole.
TOGETHER = {
    "gan": ("GAN", [["step"]]),
    "updates": (
        "Updates",
        [
            ["_updates", "_update_D"],
            ["_gradient_of_halves", "_scores", "_for_D"],
            ["_gradient_of_pairs"],
            ["_gradient_fused"],
            ["_update_G", "_move_D"],
        ],
    ),
    "layers.chain": ("Chain", [["build", "forward", "backward"], ["tangents", "_forth", "_back"]]),
}


def lengths(path):
    """The lines of every function, by its path: "GAN.step", "winograd"; those inside a function by themselves, too."""

    def inside(node, name):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own = f"{name}.{child.name}" if name else child.name
                if not isinstance(child, ast.ClassDef):
                    found[own] = found.get(own, 0) + child.end_lineno - child.lineno + 1
                inside(child, own)

    found = {}
    inside(ast.parse(path.read_text(encoding="utf-8")), "")
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= SITTING


@pytest.mark.parametrize("path", ENGINE, ids=name_of)
def test_a_function_fits_a_screen(path):
    assert {name: lines for name, lines in lengths(path).items() if lines > SCREEN} == {}


@pytest.mark.parametrize("path", LAYERS, ids=name_of)
def test_the_heart_of_a_layer_fits_a_screen(path):
    found = lengths(path)
    hearts = {
        name.removesuffix(".forward"): found[name] + found.get(name.replace("forward", "backward"), 0)
        for name in found
        if name.endswith(".forward")
    }
    assert {kind: lines for kind, lines in hearts.items() if lines > SCREEN} == {}


@pytest.mark.parametrize("file", TOGETHER)
def test_the_step_and_the_chain_fit_screens(file):
    (path,) = [path for path in ENGINE if name_of(path) == file]
    kind, groups = TOGETHER[file]
    found = lengths(path)
    sums = {" + ".join(group): sum(found[f"{kind}.{name}"] for name in group) for group in groups}
    assert {group: lines for group, lines in sums.items() if lines > SCREEN} == {}
