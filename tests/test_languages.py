"""Pages in other languages: the blocks, formulas, links and pictures are those of the English page."""

import re

import pytest

from .conftest import ROOT

DOCS = ROOT / "docs"
LANGUAGES = ("zh", "ru")
PAGES = [(language, path.name) for language in LANGUAGES for path in sorted((DOCS / language).glob("*.md"))]
FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")

every_page = pytest.mark.parametrize(("language", "name"), PAGES)


def english(name):
    """The page that a translation is of: a lesson, or one of the pages in docs/."""
    return DOCS / "course" / name if re.match(r"\d\d-", name) else DOCS / name


def both(language, name):
    """The English page and the other one, as text; and their paths."""
    paths = english(name), DOCS / language / name
    return [path.read_text(encoding="utf-8") for path in paths], paths


def prose(text):
    """What stands outside the blocks, without the code in backticks."""
    return CODE.sub("", FENCE.sub("", text))


def targets(text, path):
    """The files that a page links to or shows, from the folder of the docs, in order."""
    files = [link.partition("#")[0] for link in LINK.findall(prose(text)) if not link.startswith("http")]
    return [(path.parent / file).resolve() if file else path.name for file in files]


def test_there_are_pages_in_each_language():
    for language in LANGUAGES:
        assert "quickstart.md" in [name for folder, name in PAGES if folder == language]


@every_page
def test_it_has_an_english_page(language, name):
    assert english(name).is_file(), name


@every_page
def test_blocks_are_the_same(language, name):
    (first, second), _ = both(language, name)
    assert FENCE.findall(second) == FENCE.findall(first)


@every_page
def test_formulas_are_the_same(language, name):
    """Displayed ones in order; those within a sentence in any, since sentences turn round in another language."""
    (first, second), _ = both(language, name)
    found = [FORMULA.findall(prose(text)) for text in (first, second)]
    displayed = [[formula for formula in formulas if formula.startswith("$$")] for formulas in found]
    assert displayed[1] == displayed[0]
    assert sorted(found[1]) == sorted(found[0])


@every_page
def test_links_lead_to_the_same_files(language, name):
    """The order may differ: a sentence turns round in another language. A link within the page counts for its page."""
    texts, paths = both(language, name)
    found = [sorted(map(str, targets(text, path))) for text, path in zip(texts, paths, strict=True)]
    assert found[1] == found[0]
    for link in targets(texts[1], paths[1]):
        assert link == name or link.exists(), link


@every_page
def test_it_is_in_its_language(language, name):
    """No paragraph has been left in English."""
    (_, text), _ = both(language, name)
    letters = {"zh": r"[\u4e00-\u9fff]", "ru": r"[\u0400-\u04ff]"}[language]
    for paragraph in FENCE.sub("", text).split("\n\n"):
        words = FORMULA.sub("", CODE.sub("", paragraph))
        assert re.search(letters, words) or not re.search(r"[A-Za-z]{3,} [a-z]{3,} [a-z]{3,}", words), paragraph
