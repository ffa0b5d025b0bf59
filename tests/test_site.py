"""The site: whole, offline, and good to read on a wide and on a narrow screen.

`.ci/run` builds it and names the folder in MINIGAN_SITE; without that it is built here, where Sphinx is installed.
"""

import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .browser import FOUND, WHY_NOT, Browser
from .conftest import ROOT
from .reference import ROOMS, own

PAGES = sorted(path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md"))
PAGES = [page for page in PAGES if str(page) != "README.md" and "_" not in page.parts[0][:1]]
LOADED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}
FRAMED = re.compile(r"url\(\s*['\"]?(?!data:)([^)'\"]+)|@import")


class Page(HTMLParser):
    """What a page loads, what it links to, and what can be linked to in it."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.links, self.names, self.formulas = [], [], set(), 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.names |= {found[key] for key in ("id", "name") if found.get(key)}
        self.formulas += tag == "math"
        if tag in LOADED and found.get(LOADED[tag]):
            self.loaded.append(found[LOADED[tag]])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    if "MINIGAN_SITE" in os.environ:
        return Path(os.environ["MINIGAN_SITE"])
    for package in ("sphinx", "myst_parser", "furo", "latex2mathml"):
        pytest.importorskip(package, reason='the site needs pip install ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", str(ROOT / "docs"), str(folder)]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html") if "figures" not in path.parts}


def test_every_page_is_there(site, pages):
    assert len(PAGES) > 40
    for page in PAGES:
        assert (site / page).with_suffix(".html") in pages, page


def test_nothing_is_loaded_from_elsewhere(site, pages):
    for path, page in pages.items():
        outside = [link for link in page.loaded if urlsplit(link).scheme or link.startswith("//")]
        assert not [link for link in outside if not link.startswith("data:")], path
    for path in [*site.rglob("*.css"), *site.rglob("figures/*.html")]:
        text = path.read_text(encoding="utf-8")
        assert not [url for url in FRAMED.findall(text) if urlsplit(url).scheme or url.startswith("//")], path
        assert "@import" not in text, path
    for path in site.rglob("figures/*.html"):
        figure = Page(path)
        assert {urlsplit(link).scheme for link in figure.loaded} <= {"data"}, path
        assert not [link for link in figure.links if urlsplit(link).scheme], path


def test_links_and_anchors_are_whole(site, pages):
    checked = 0
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].names, f"{path.relative_to(site)}: {link}"
            checked += 1
    assert checked > 2000


def test_every_public_name_is_in_the_reference(site, pages):
    names = pages[site / "reference.html"].names
    for path, _, module, listed in ROOMS:
        for name in listed or own(module):
            thing = getattr(module, name)
            if callable(thing) and not isinstance(thing, type(pytest)):
                known = [f"{other}.{name}" for other, _, room, _ in ROOMS if getattr(room, name, None) is thing]
                assert any(f"{one}" in names for one in known), f"{path}.{name}"


def test_formulas_are_mathml(site, pages):
    assert pages[site / "layers" / "batchnorm.html"].formulas > 40
    assert sum(page.formulas for page in pages.values()) > 1000
    for path in pages:
        text = re.sub(
            r"<(pre|code).*?</\1>|aria-label=\"[^\"]*\"", "", path.read_text(encoding="utf-8"), flags=re.DOTALL
        )
        assert "$$" not in text and not re.search(r"\\(frac|sum|hat|mathbb)\b", text), path
        assert not [link for link in pages[path].loaded if "mathjax" in link.lower()], path


browser = pytest.mark.skipif(FOUND is None, reason=WHY_NOT)


@browser
@pytest.mark.parametrize("width", [1280, 360])
def test_pages_open_from_the_disk(site, width):
    """Without a network, with no message in the console, and no wider than the screen."""
    with Browser() as one:
        for page in PAGES:
            one.open((site / page).with_suffix(".html").as_uri(), width=width)
            assert one.messages == [], page
            assert one.run("document.documentElement.scrollWidth") <= width, page
            small = one.run("[...document.querySelectorAll('math')].filter(m => !m.closest('details')"
                            " && !m.getBoundingClientRect().width).length")  # fmt: skip
            assert small == 0, page


@browser
def test_the_search_works_from_the_disk(site):
    with Browser() as one:
        one.open(f"{(site / 'search.html').as_uri()}?q=wasserstein")
        end, found = time.monotonic() + 20, False
        while not found and time.monotonic() < end:
            found = one.run("document.querySelectorAll('#search-results li').length") > 3
        assert found and one.messages == []


@browser
def test_figures_are_in_frames(site):
    lessons = [page for page in PAGES if re.match(r"course/\d\d", page.as_posix())]
    with Browser() as one:
        for page in lessons:
            one.open((site / page).with_suffix(".html").as_uri())
            assert one.run("document.querySelectorAll('.live iframe').length") >= 1, page
            assert one.messages == [], page
