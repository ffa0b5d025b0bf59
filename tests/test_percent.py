"""Files with cells and notebooks: there and back."""

import json

import pytest

from minigan.percent import from_notebook, to_notebook

FILE = """# %% [markdown]
# # A title
#
# $x^2$ and `code`

# %%
import math


def f(x):
    \"\"\"A text with # %% inside.\"\"\"
    return x

# %% [markdown]
# The end.
"""


def sources(notebook):
    return [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]


def test_there_and_back():
    notebook = to_notebook(FILE)
    (title, code, end) = sources(notebook)
    assert title == ("markdown", "# A title\n\n$x^2$ and `code`") and end == ("markdown", "The end.")
    assert code[0] == "code" and code[1].startswith("import math\n\n\ndef f") and code[1].endswith("return x")
    assert from_notebook(notebook) == FILE
    assert to_notebook(from_notebook(notebook)) == notebook
    assert json.dumps(to_notebook(FILE)) == json.dumps(to_notebook(FILE))
    assert len({cell["id"] for cell in notebook["cells"]}) == 3
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in notebook["cells"][1:2])


@pytest.mark.parametrize(("text", "cells"), [
    ("", []),
    ("x = 1", [("code", "x = 1")]),
    ("# %%", [("code", "")]),
    ("# %%\r\nx = 1\r\n# %% [markdown]\r\n# a\r\n", [("code", "x = 1"), ("markdown", "a")]),
    ("\ufeff# %%\nx = 1\n\n\n", [("code", "x = 1")]),
    ("x = 1\n# %% a title\ny = 2", [("code", "x = 1"), ("code", "y = 2")]),
    ("# %% [markdown]\n#\n#no space\n#   three\n", [("markdown", "\nno space\n  three")]),
    (" # %%\nx = 1", [("code", " # %%\nx = 1")]),
])  # fmt: skip
def test_odd_files(text, cells):
    assert sources(to_notebook(text)) == cells


def test_what_only_a_notebook_has_is_left_out():
    cells = [
        {"cell_type": "code", "source": ["%matplotlib inline\n", "x = 1"], "outputs": [{"text": "a"}]},
        {"cell_type": "raw", "source": "raw"},
        {"cell_type": "markdown", "source": "a\n\nb"},
    ]
    assert from_notebook({"cells": cells}) == "# %%\n# %matplotlib inline\nx = 1\n\n# %% [markdown]\n# a\n#\n# b\n"


@pytest.mark.parametrize("document", [[], {}, {"cells": 3}, {"cells": ["x"]}, {"cells": [{"source": 3}]}])
def test_what_is_no_notebook(document):
    with pytest.raises(ValueError, match=r"no (list|source)"):
        from_notebook(document)
