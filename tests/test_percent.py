"""Programs with `# %%` cells and notebooks: what becomes what, and that the way back gives the same."""

import json
import random

import pytest

from minigan.errors import FileError
from minigan.percent import as_json, from_notebook, to_notebook

TEXT = '''\
"""What this is."""

# %% [markdown]
# # A title
#
# Text with a formula, $x_1 \\cdot y$:
#
# $$L = -\\log D(x)$$
#     indented

# %%
import minigan as mg

print("# %% in a line is no cell")
 # %% nor behind a space


def f():
    return 1


# %% The data
f()

# %% [raw]
# left alone

# %%
'''


def cells(text):
    """(kind, source) of each."""
    return [(cell["cell_type"], "".join(cell["source"])) for cell in to_notebook(text)["cells"]]


def test_what_becomes_what():
    found = cells(TEXT)
    assert [kind for kind, _ in found] == ["code", "markdown", "code", "code", "raw", "code"]
    assert found[0][1] == '"""What this is."""'
    assert found[1][1] == "# A title\n\nText with a formula, $x_1 \\cdot y$:\n\n$$L = -\\log D(x)$$\n    indented"
    assert found[2][1].endswith("\n # %% nor behind a space\n\n\ndef f():\n    return 1")
    assert found[3:] == [("code", "f()"), ("raw", "left alone"), ("code", "")]
    assert to_notebook(TEXT)["cells"][3]["metadata"] == {"title": "The data"}


def test_the_way_back_is_exact():
    assert from_notebook(to_notebook(TEXT)) == TEXT
    assert from_notebook(json.loads(as_json(to_notebook(TEXT)))) == TEXT


# A text, and the normal form in which it comes back.
ODD = {
    "nothing": ("", ""),
    "blank lines only": ("\n\n\n", ""),
    "no cells": ("x = 1\n", "x = 1\n"),
    "no cells, no last newline": ("x = 1", "x = 1\n"),
    "one empty cell": ("# %%", "# %%\n"),
    "empty cells": ("# %%\n# %% [markdown]\n\n# %%\n", "# %%\n# %% [markdown]\n\n# %%\n"),
    "blank lines above the first cell": ("\n\n# %%\nx\n", "# %%\nx\n"),
    "blank lines at the end": ("# %%\nx\n\n\n", "# %%\nx\n"),
    "blank lines at a cell's beginning": ("# %%\n\n\nx\n", "# %%\n\n\nx\n"),
    "far apart": ("# %%\nx\n\n\n\n\n# %%\ny\n", "# %%\nx\n\n\n# %%\ny\n"),
    "close together": ("# %%\nx\n# %%\ny\n", "# %%\nx\n# %%\ny\n"),
    "windows": ("# %% [markdown]\r\n# a\r\n#\r\n# b\r\n\r\n# %%\r\nx\r\n", "# %% [markdown]\n# a\n#\n# b\n\n# %%\nx\n"),
    "a byte order mark": ("\ufeff# %%\nx\n", "# %%\nx\n"),
    "blank lines in a text": ("# %% [markdown]\n# a\n\n# b\n", "# %% [markdown]\n# a\n#\n# b\n"),
    "no space": ("# %% [markdown]\n#a\n", "# %% [markdown]\n# a\n"),
    "text that ends in a blank comment": ("# %% [markdown]\n# a\n#\n\n# %%\n", "# %% [markdown]\n# a\n#\n\n# %%\n"),
    "short for markdown": ("# %% [md] A title\n# a\n", "# %% [markdown] A title\n# a\n"),
    "no space behind the mark": ("# %%The  data\nx\n", "# %% The data\nx\n"),
    "a form feed": ('# %%\nx = "\x0c\u2028"\n', '# %%\nx = "\x0c\u2028"\n'),
    "a mark in a string": ('# %%\nx = """\n# %%\n"""\n', '# %%\nx = """\n# %%\n"""\n'),
    "letters of others": ("# %% [markdown]\n# 生成器 и дискриминатор\n", "# %% [markdown]\n# 生成器 и дискриминатор\n"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_texts(name):
    text, normal = ODD[name]
    assert from_notebook(to_notebook(text)) == normal
    assert from_notebook(to_notebook(normal)) == normal
    assert cells(text) == cells(normal)


def test_texts_of_chance():
    """Whatever lines come: the normal form is a fixed point, and has the same cells."""
    draw = random.Random(0)
    lines = ["", "", "# %%", "# %% [markdown]", "# %% [raw] a  b", "# %%[md]", "# text", "#", "# %% x", " # %%", "#  y"]
    for _ in range(2000):
        text = "\n".join(draw.choices(lines, k=draw.randrange(9)))
        try:
            document = to_notebook(text)
        except FileError:
            continue  # " # %%" in a cell of text
        normal = from_notebook(document)
        assert from_notebook(to_notebook(normal)) == normal, text
        assert [(kind, source) for kind, source in cells(normal)] == cells(text), text


def test_a_mark_in_a_string_begins_a_cell():
    """There is no parser: the page says so."""
    assert cells('# %%\nx = """\n# %%\n"""\n') == [("code", 'x = """'), ("code", '"""')]


def test_code_in_a_text_is_an_error():
    with pytest.raises(FileError, match=r"line 5, 'x = 1', is code in a cell of text: a line # %% above it is missing"):
        to_notebook("# %%\n# %% [markdown]\n# a\n\nx = 1\n")


def test_two_notebooks_of_one_text_are_equal_and_named_by_place():
    first, second = as_json(to_notebook(TEXT)), as_json(to_notebook(TEXT))
    assert first == second
    assert [cell["id"] for cell in json.loads(first)["cells"]] == [f"cell-{i}" for i in range(6)]


def test_jupyter_reads_it_and_would_write_the_same():
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install 'minigan[test]'")
    text = as_json(to_notebook(TEXT))
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert nbformat.writes(notebook) + "\n" == text
    for odd, _ in ODD.values():
        nbformat.validate(nbformat.reads(as_json(to_notebook(odd)), as_version=4))


def test_a_notebook_of_jupyters_loses_what_a_program_cannot_hold():
    document = {
        "nbformat": 4,
        "nbformat_minor": 2,
        "metadata": {},
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": "# A\n\nb", "attachments": {}},
            {"cell_type": "code", "metadata": {"scrolled": True}, "source": ["x = 1\n", "\n", "x"], "outputs": [{}],
             "execution_count": 3},
            {"cell_type": "code", "metadata": {"lines_to_next_cell": -1, "unmarked": True}, "source": []},
            {"cell_type": "code", "metadata": {"lines_to_next_cell": "7"}, "source": "y\n"},
        ],
    }  # fmt: skip
    text = "# %% [markdown]\n# # A\n#\n# b\n\n# %%\nx = 1\n\nx\n\n# %%\n\n# %%\ny\n"
    assert from_notebook(document) == text
    assert from_notebook(to_notebook(text)) == text


@pytest.mark.parametrize("source", [("code", 'x = """\n# %%\n"""'), ("markdown", "%% of a text")], ids=str)
def test_a_line_that_would_begin_a_cell_is_an_error(source):
    kind, text = source
    document = {"nbformat": 4, "cells": [{"cell_type": kind, "metadata": {}, "source": text}]}
    with pytest.raises(FileError, match="cell 0 of the notebook has a line that begins with # %%"):
        from_notebook(document)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"nbformat": 3, "cells": []},
        {"nbformat": 4, "cells": {}},
        {"nbformat": 4, "cells": [3]},
        {"nbformat": 4, "cells": [{"cell_type": "code"}]},
        {"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]},
        {"nbformat": 4, "cells": [{"cell_type": "heading", "source": ""}]},
    ],
    ids=str,
)
def test_what_is_no_notebook(document):
    with pytest.raises(FileError, match="notebook"):
        from_notebook(document)
