"""The notebooks of docs/notebooks: they are the programs beside them, hold no outputs, and run."""

import ast
import json
import re
import sys

import pytest

from minigan.percent import from_notebook

from .conftest import ROOT
from .notebooks import FOLDER, PROGRAMS, notebook

every_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
ALLOWED = {"minigan", "numpy", "matplotlib", "IPython"} | sys.stdlib_module_names
PATIENCE = 600  # seconds for a cell: a shared machine may be ten times as slow as a free core
SHOWN = {"first_gan": 5, "own_images": 3, "judge_it": 4, "build_a_layer": 2, "toy_explorer": 5}  # pictures and pages


def cells(program, kind):
    document = json.loads(program.with_suffix(".ipynb").read_bytes())
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == kind]


def test_every_notebook_has_its_program():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {path.stem for path in PROGRAMS} == set(SHOWN)


@every_program
def test_notebooks_are_up_to_date(program):
    assert program.with_suffix(".ipynb").read_bytes() == notebook(program), "write them anew: python -m tests.notebooks"


@every_program
def test_programs_are_in_the_normal_form(program):
    """So a notebook that was changed in Jupyter can be brought back, and only what was changed differs."""
    document = json.loads(program.with_suffix(".ipynb").read_bytes())
    assert from_notebook(document) == program.read_text(encoding="utf-8")


@every_program
def test_programs_compile_and_cells_stand_by_themselves(program):
    compile(program.read_text(encoding="utf-8"), program.name, "exec")
    for cell in cells(program, "code"):
        compile(cell, program.name, "exec")


@every_program
def test_notebooks_hold_no_outputs(program):
    for cell in json.loads(program.with_suffix(".ipynb").read_bytes())["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@every_program
def test_notebooks_are_short_and_begin_with_a_title(program):
    text, code = cells(program, "markdown"), cells(program, "code")
    assert 5 <= len(text) + len(code) <= 20 and 5 <= len(code) <= 12
    assert re.match(r"# \w", text[0]) and "## Try" in text[-1]


@every_program
def test_only_what_is_installed_is_imported(program):
    for node in ast.walk(ast.parse(program.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert {name.partition(".")[0] for name in names} <= ALLOWED


@every_program
def test_links_of_notebooks_lead_somewhere(program):
    for text in cells(program, "markdown"):
        for link in re.findall(r"\]\(([^)#\s]+)", text):
            assert link.startswith("http") or (FOLDER / link).exists(), link


@pytest.mark.slow
@every_program
def test_notebooks_run(program, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install 'minigan[test]'")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install 'minigan[test]'")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()
    document = nbformat.read(program.with_suffix(".ipynb"), as_version=4)
    client = nbclient.NotebookClient(
        document, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": str(tmp_path / "work")}}
    )
    client.execute()
    outputs = [output for cell in document.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [one for one in outputs if re.search(r"image/(png|gif)|<iframe", str(one.get("data", {})))]
    assert len(shown) >= SHOWN[program.stem]
    assert not [one for one in outputs if one.output_type == "error"]
    assert list((tmp_path / "work").iterdir()) == []  # nothing is left beside the notebooks
