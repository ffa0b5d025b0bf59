"""The docs: Python blocks run and print what the page says, quoted code is the package's own, links lead somewhere."""

import contextlib
import io
import itertools
import math
import re

import pytest

from minigan import data, pictures, progress

from .conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "minigan").rglob("*.py"))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page):
    """(language, text, what it should print) of each block: a text block directly below a Python one is its output."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for block, after in itertools.zip_longest(found, found[1:]):
        directly = after is not None and after[1] == "text" and not text[block.end() : after.start()].strip()
        yield block[1], block[2], after[2] if directly else ""


LONG = (  # they train, and build networks at full size
    "data.md", "models.md", "training.md", "04-where-gs-gradient-comes-from.md", "06-from-points-to-digits.md",
    "09-why-gans-fail.md",
)  # fmt: skip


@pytest.mark.parametrize("page", [
    pytest.param(page, marks=[pytest.mark.slow] * (page.name in LONG), id=str(page.relative_to(ROOT)))
    for page in PAGES if page.parent.name not in ("zh", "ru")  # whose blocks are those of the English pages
])  # fmt: skip
def test_python_blocks_run_and_print_what_is_shown(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress, "LINE_SECONDS", math.inf)  # a slow machine would say in between how far it is
    names = {"__name__": "page"}
    for language, code, shown in blocks(page):
        if language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, page.name, "exec"), names)
            assert printed.getvalue() == shown


def test_the_readmes_own_gan_runs(tmp_path, monkeypatch):
    """In fewer steps, and with networks that are less wide."""
    (code,) = [code for language, code, _ in blocks(ROOT / "README.md") if language == "python3"]
    assert len(code.splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for i, face in enumerate(data.draw_faces(40, 64).images):
        pictures.save_png(f"photos/{i}.png", face)
    for long, short in (("steps=5_000", "steps=2"), ("more=100", "more=1"), ("width=32", "width=2")):
        assert long in code
        code = code.replace(long, short)
    exec(compile(code, "README.md", "exec"), {"__name__": "page"})
    assert (tmp_path / "runs/mine/losses.png").exists() and (tmp_path / "grid.png").exists()


@every_page
def test_quoted_code_is_the_packages_own(page):
    for language, code, _ in blocks(page):
        if language == "py":
            assert code in PACKAGE, code


@every_page
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


def slug(heading):
    """What a heading is called in links to it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@every_page
def test_links_lead_to_headings_that_exist(page):
    for file, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not file.startswith("http"):
            target = page.parent / file if file else page
            assert anchor in map(slug, re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)), (
                file,
                anchor,
            )


def test_the_readme_has_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install .\npython examples/mnist_mlp_gan.py\n" in readme
    assert 'pip install ".[test]"\npytest\n' in readme


@every_page
def test_commands_stand_on_lines_of_their_own(page):
    """Windows PowerShell 5 knows no &&."""
    assert not any("&&" in code for language, code, _ in blocks(page) if language == "console")


@every_page
def test_nothing_is_left_to_fill_in(page):
    assert not re.search(r"@[A-Z]+@|TODO|FIXME", page.read_text(encoding="utf-8"))


def test_the_reference_is_what_the_docstrings_say():
    from . import reference

    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "write it anew: python -m tests.reference"
