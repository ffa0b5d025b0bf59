"""Pages in other languages say what the English page says: the same blocks, formulas, code and links."""

import os
import re
from pathlib import PurePosixPath

import pytest

from .conftest import ROOT

DOCS = ROOT / "docs"
LANGUAGES = ("zh", "ru")
COURSE = re.compile(r"\d\d-")  # lessons: docs/zh/01-*.md is docs/course/01-*.md in Chinese
PAGES = sorted(page for language in LANGUAGES for page in (DOCS / language).glob("*.md"))

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}-{page.stem}")


def english(page):
    """The page that it is a translation of."""
    return (DOCS / "course" if COURSE.match(page.name) else DOCS) / page.name


def text_of(page):
    return page.read_text(encoding="utf-8")


def prose(text):
    """Without fenced blocks and code: a $ in there begins no formula."""
    return CODE.sub("", FENCE.sub("", text))


def formulas(text):
    return [" ".join(found.split()) for found in FORMULA.findall(prose(text))]


def code(text):
    return sorted(" ".join(found[1].split()) for found in CODE.findall(FENCE.sub("", text)))


def targets(page):
    """Where its links lead: files from the root on, a translation as the English page that it is of."""
    found = []
    for link in LINK.findall(FENCE.sub("", text_of(page))):
        if link.startswith("http"):
            found.append(link)
            continue
        path, _, anchor = link.partition("#")
        target = os.path.normpath(page.parent / path if path else page)
        if PurePosixPath(target).parent in [PurePosixPath(DOCS / language) for language in LANGUAGES]:
            target, anchor = str(english(DOCS / PurePosixPath(target).parent.name / PurePosixPath(target).name)), ""
        elif not path:
            anchor = ""  # a heading of the page itself, which has another name
        found.append(f"{os.path.relpath(target, ROOT)}#{anchor}")
    return sorted(found)


@pytest.fixture
def pair(page):
    """The page and the English one. Lessons are in docs/course: a copy without that folder has nothing to compare."""
    original = english(page)
    if COURSE.match(page.name) and not (DOCS / "course").exists():
        pytest.skip("docs/course is not there: the lesson is compared where it is")
    assert original.exists(), f"{page} is a translation of {original}, which does not exist"
    return page, original


@every_page
def test_blocks_are_the_english_ones(pair):
    page, original = pair
    assert FENCE.findall(text_of(page)) == FENCE.findall(text_of(original))


@every_page
def test_formulas_are_the_english_ones(pair):
    """In the same order."""
    page, original = pair
    assert formulas(text_of(page)) == formulas(text_of(original))


@every_page
def test_code_in_sentences_is_the_english_one(pair):
    """In any order: another language has other sentences."""
    page, original = pair
    assert code(text_of(page)) == code(text_of(original))


@every_page
def test_links_lead_where_the_english_ones_do(pair):
    page, original = pair
    assert targets(page) == targets(original)


@every_page
def test_headings_are_as_many_but_for_the_list_of_words(pair):
    page, original = pair
    levels = [re.findall(r"^#+(?= )", FENCE.sub("", text_of(one)), re.MULTILINE) for one in (page, original)]
    assert levels[0] == [*levels[1], "##"]


@every_page
def test_the_list_of_words_is_at_the_end(page):
    rows = text_of(page).rstrip().rpartition("\n\n")[2].splitlines()
    assert rows[0].startswith("| English | ") and rows[1] == "|---|---|" and len(rows) > 10


def test_every_language_has_the_same_pages():
    names = [{page.name for page in PAGES if page.parent.name == language} for language in LANGUAGES]
    assert names[0] == names[1] and "quickstart.md" in names[0]


def test_the_quick_starts_own_gan_is_the_readmes():
    """tests/test_docs.py runs that one."""
    blocks = [re.findall(r"^```python3\n.*?^```$", text_of(page), re.MULTILINE | re.DOTALL)
              for page in (ROOT / "README.md", DOCS / "quickstart.md")]  # fmt: skip
    assert blocks[0] == blocks[1] and len(blocks[0]) == 1


def test_what_is_found_in_a_page():
    text = "a $x$ `$no$` and $$\ny\n$$\n\n```text\n$z$ `w`\n```\n``a ` b``"
    assert formulas(text) == ["$x$", "$$ y $$"] and code(text) == ["$no$", "a ` b"]
