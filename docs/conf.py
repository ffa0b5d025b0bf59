"""The site: `python -m sphinx -W -n docs build/site` makes it of the pages here. It starts at docs/index.md."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "minigan"
author = "the minigan developers"
copyright = author  # noqa: A001 - Sphinx's name
release = re.search(r'__version__ = "(.+)"', (HERE.parent / "minigan" / "version.py").read_text(encoding="utf-8"))[1]
version = release
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "figures", "rooms"]
root_doc = "index"
exclude_patterns = ["README.md", "_*", "**.ipynb_checkpoints"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
html_math_renderer = "mathml"

html_theme = "furo"
html_title = f"minigan {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches pages, which browsers forbid for files
html_theme_options = {"navigation_with_keys": False, "top_of_page_buttons": []}
highlight_language = "text"
pygments_style = "default"
pygments_dark_style = "monokai"

autodoc_typehints = "none"  # docstrings have the types in words and shapes
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autoclass_content = "class"
nitpick_ignore_regex = [("py:.*", r"(?!minigan).*")]  # bases of other libraries
