"""The notebooks, docs/notebooks/*.ipynb, made of the programs beside them: `python -m tests.notebooks` writes them."""

from pathlib import Path

from minigan.percent import as_json, to_notebook

FOLDER = Path(__file__).parent.parent / "docs" / "notebooks"
PROGRAMS = sorted(FOLDER.glob("*.py"))


def notebook(program):
    """The content of the .ipynb file."""
    return as_json(to_notebook(program.read_text(encoding="utf-8"))).encode()


if __name__ == "__main__":
    for program in PROGRAMS:
        program.with_suffix(".ipynb").write_bytes(notebook(program))
        print(program.with_suffix(".ipynb"))
