"""The labs: right solutions get all points, typical wrong ones none, and no file can do harm or stop the others."""

import csv
import importlib
import json
import os
import subprocess
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pytest

from minigan.cli import main
from minigan.errors import MiniganError
from minigan.labs.catalogue import NUMBERS, open_lab
from minigan.labs.draw import Draw
from minigan.labs.effort import steps
from minigan.labs.guard import forbidden_import
from minigan.labs.results import Checked, Result
from minigan.labs.student import read
from minigan.labs.task import SECONDS

from .labs.judge import result_of, solution, source_of

STUDENTS = ("anna", "Юрий", "student 17")
LONG = 12  # students of the slow proof
TASKS = [(number, task) for number in NUMBERS for task in open_lab(number).tasks]
QUICK = [(number, task) for number, task in TASKS if task.seconds <= SECONDS]


def ids(table):
    return [f"{number} {task.name}" for number, task in table]


def wrong_ones(number):
    return importlib.import_module(f".labs.wrong_{number}", __package__).WRONG


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, number, code=None, student="anna"):
    """A student's file with the right solution, or another one."""
    text = source_of(number, solution(number) if code is None else code)
    path.write_text(text.replace('STUDENT = "nobody"', f'STUDENT = "{student}"'), encoding="utf-8")
    return path


# Right and wrong. -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "task"), QUICK, ids=ids(QUICK))
def test_a_right_solution_gets_its_points(number, task):
    for student in STUDENTS[: 1 if task.seconds > SECONDS / 2 else 3]:
        result = result_of(number, task.name, solution(number), student)
        assert (result.earned, result.message) == (task.points, "")


def cases(number):
    quick = {task.name for known, task in QUICK if known == number}
    for task, piece, instead in wrong_ones(number):
        if task in quick:
            yield task, piece, instead


@pytest.mark.parametrize("number", NUMBERS)
def test_typical_wrong_solutions_get_none(number):
    right = solution(number)
    for task, piece, instead in cases(number):
        result = result_of(number, task, wrong(right, piece, instead), "anna")
        assert result.earned == 0 and len(result.message) > 20, (task, instead)


def wrong(right, piece, instead):
    if not piece:
        return f"{right}\n\n{instead}"
    assert piece in right, piece
    return right.replace(piece, instead, 1)


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_for_many_students(number):
    """`python -m tests.labs.many 200` does it for as many as one likes."""
    from .labs.many import failures

    assert failures(number, LONG) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_a_whole_solution_by_the_command(here, capsys, number):
    """In a process of its own under guard, milestones and all."""
    write(here / "mine.py", number)
    assert main(["lab", "check", "mine.py"]) == 0, capsys.readouterr().out
    points = open_lab(number).points
    assert capsys.readouterr().out.endswith(f"{points} of {points} points\n")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_lab_is_whole(number):
    lab = open_lab(number)
    assert lab.start.count('LAB = "' + number + '"\nSTUDENT = "nobody"\n') == 1
    assert 10 <= lab.points <= 20 and len(wrong_ones(number)) >= 10
    assert {task for task, _, _ in wrong_ones(number)} == {task.name for task in lab.tasks}
    for task in lab.tasks:
        assert len(set(task.hints)) == 3 and all(len(hint) > 15 for hint in task.hints), task.name
        assert f"({task.points} point" in lab.start and task.points > 0
        assert f"def {task.name}(" in lab.start


@pytest.mark.parametrize(("number", "task"), TASKS, ids=ids(TASKS))
def test_what_students_start_from_gets_no_points(number, task):
    result = result_of(number, task.name, "", "anna")
    assert result.earned == 0 and result.message


# The command. -----------------------------------------------------------------------------------------------------


def test_from_start_to_points(here, capsys):
    assert main(["lab", "start", "2", "--id", "anna"]) == 0
    assert "lab02.py: lab 02, 6 tasks, 15 points, for anna" in capsys.readouterr().out
    assert main(["lab", "check", "02", "lab02.py"]) == 1
    out = capsys.readouterr().out
    assert "it is still to be written" in out and out.endswith("0 of 15 points\n")
    assert main(["lab", "start", "2", "--id", "anna"]) == 2  # nothing is overwritten
    write(here / "lab02.py", "02")
    assert main(["lab", "check", "lab02.py", "--junit", "found.xml", "--gradescope", "found.json"]) == 0
    assert capsys.readouterr().out.endswith("15 of 15 points\n")
    suite = ElementTree.parse("found.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), len(suite)) == ("6", "0", 6)
    assert json.loads((here / "found.json").read_text())["score"] == 15


def test_json_and_the_wrong_entry(here, capsys):
    write(here / "mine.py", "02", "def softplus_backward(dy, x):\n    return -dy / (1 + np.exp(-x))\n")
    assert main(["lab", "check", "02", "mine.py", "--json", "--id", "ben"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["student"], found["earned"], found["points"]) == ("ben", 0, 15)
    message = next(result["message"] for result in found["results"] if result["task"] == "softplus_backward")
    assert message.startswith("dx[") and "and differences of softplus_forward give" in message


def test_a_notebook_is_as_good(here, capsys):
    assert main(["lab", "start", "01", "--notebook", "--id", "anna"]) == 0
    notebook = json.loads((here / "lab01.ipynb").read_text(encoding="utf-8"))
    assert [cell["cell_type"] for cell in notebook["cells"]][:2] == ["markdown", "code"]
    notebook["cells"].append({"cell_type": "code", "id": "mine", "metadata": {}, "outputs": [], "execution_count": 3,
                              "source": solution("01").splitlines(keepends=True)})  # fmt: skip
    (here / "lab01.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    capsys.readouterr()
    assert main(["lab", "check", "01", "lab01.ipynb"]) == 0


def test_hints_and_lists(capsys):
    said = [main(["lab", "hint", "2", "ring_centres", "--level", str(k)]) or capsys.readouterr().out for k in (1, 2, 3)]
    assert "level 2" in said[0] and "endpoint" in said[2] and len(set(said)) == 3
    assert main(["lab", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(NUMBERS)
    assert main(["lab", "list", "01"]) == 0
    assert "d_gradients" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "said"), [
    (["start", "11"], "'11' is no lab"),
    (["start", "01", "--id", 'x"y'], "without commas and quotation marks"),
    (["check", "01", "none.py"], "none.py cannot be read"),
    (["check", "empty.py", "--id", "a"], 'empty.py has no line LAB = "03": say which lab it is'),
    (["check", "01", "bad.py"], "bad.py, line 2: this is no Python"),
    (["check", "01", "empty.py"], 'has no line STUDENT = "your name"'),
    (["check", "01", "torch.py"], "line 1 imports torch; this lab's file may import numpy and math alone"),
    (["check", "01", "empty.py", "--id", "a", "--memory", "0"], "--memory is 0"),
    (["hint", "01", "d_gradient"], "did you mean d_gradients?"),
    (["grade", "nothing"], "nothing cannot be read"),
    (["grade", "folder"], "has no .py or .ipynb files"),
    (["new", "empty.py"], "has no function NAME_forward"),
])  # fmt: skip
def test_what_is_wrong_is_one_sentence(here, capsys, arguments, said):
    (here / "bad.py").write_text("x = 1\ndef f(:\n", encoding="utf-8")
    (here / "empty.py").write_text("", encoding="utf-8")
    (here / "torch.py").write_text('import torch\nSTUDENT = "a"\n', encoding="utf-8")
    (here / "folder").mkdir()
    assert main(["lab", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


# A class. ---------------------------------------------------------------------------------------------------------

BROKEN = {
    "syntax": "def f(:\n",
    "loop": "def softplus_backward(dy, x):\n    while True:\n        pass\n",
    "loop at import": "while True:\n    pass\n",
    "reads": "def softplus_backward(dy, x):\n    return open('/etc/passwd').read()\n",
    "prints": "print('x' * 10_000_000)\n",
    "torch": "import torch\n",
    "quietly": "def softplus_backward(dy, x):\n    return __import__('torch').nn\n",
    "deletes": "def softplus_backward(dy, x):\n    return np.lib._utils_impl.os.remove({victim!r})\n",
    "writes": "def softplus_backward(dy, x):\n    open({victim!r}, 'w').write('gone')\n",
    "forks": "def softplus_backward(dy, x):\n    return np.lib._utils_impl.os.fork()\n",
    "starts": "def softplus_backward(dy, x):\n    return np.lib._utils_impl.os.system('touch {victim}2')\n",
    "leaves": "def softplus_backward(dy, x):\n    np.lib._utils_impl.os._exit(0)\n",
    "raises SystemExit": "raise SystemExit(0)\n",
    "memory": "def softplus_backward(dy, x):\n    return np.ones(10**12)\n",
    "renamed": "class Softplus:\n    pass\ndel softplus_backward\n",
    "no function": "softplus_backward = 3\n",
    "recursion": "def softplus_backward(dy, x):\n    return softplus_backward(dy, x)\n",
    "binary": b"\x00\xff\xfe",
    "notebook": "{}",
}


def test_a_folder_of_broken_files_is_graded(here, capsys, monkeypatch):
    """None hangs, none stops the others, nothing outside changes, and the right one has all its points."""
    from minigan.labs import lab02

    brief = [type(task)(task.name, task.points, task.check, task.hints, 3.0) for task in lab02.LAB.tasks]
    monkeypatch.setattr(lab02, "LAB", type(lab02.LAB)("02", lab02.LAB.title, lab02.LAB.start, tuple(brief)))
    monkeypatch.setattr("minigan.labs.checking.SECONDS", 3.0)
    folder, victim = here / "class", here / "victim.txt"
    folder.mkdir()
    victim.write_text("here", encoding="utf-8")
    for name, code in BROKEN.items():
        path = folder / (f"{name}.ipynb" if name == "notebook" else f"{name}.py")
        if isinstance(code, bytes):
            path.write_bytes(code)
        elif name in ("syntax", "notebook"):
            path.write_text(code, encoding="utf-8")
        else:
            write(
                path,
                "02",
                f"{solution('02')}\n\n{code.replace('{victim!r}', repr(str(victim))).replace('{victim}', str(victim))}",
                name,
            )
    write(folder / "right.py", "02", student="=SUM(A1)")
    before = sorted(path.name for path in folder.iterdir())
    began = time.monotonic()
    assert main(["lab", "grade", "class", "--csv", "grades.csv", "--jobs", "2"]) == 0
    assert time.monotonic() - began < 120
    rows = {row["file"]: row for row in csv.DictReader((here / "grades.csv").read_text(encoding="utf-8").splitlines())}
    assert len(rows) == len(BROKEN) + 1
    assert (rows["right.py"]["points"], rows["right.py"]["student"]) == ("15", "'=SUM(A1)")
    for name in BROKEN:
        row = rows[f"{name}.ipynb" if name == "notebook" else f"{name}.py"]
        whole = name in ("syntax", "loop at import", "torch", "binary", "notebook", "raises SystemExit")
        assert row["points"] == ("0" if whole else "15" if name == "prints" else "13"), (name, row)
        assert bool(row["problem"]) == whole
    assert victim.read_text(encoding="utf-8") == "here" and not (here / "victim.txt2").exists()
    assert sorted(path.name for path in folder.iterdir()) == before
    assert main(["lab", "grade", "class", "--csv", "grades.csv"]) == 2  # nothing is overwritten
    assert len(capsys.readouterr().err) < 20_000


def test_files_without_a_lab_or_a_student(here, capsys):
    (here / "a").mkdir()
    (here / "a" / "x.py").write_text("y = 1\n", encoding="utf-8")
    assert main(["lab", "grade", "a"]) == 0
    row = next(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert (row["student"], row["points"]) == ("x", "0") and "no line LAB" in row["problem"]
    assert main(["lab", "grade", "a", "--lab", "2"]) == 0
    row = next(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert (row["lab"], row["problem"], row["softplus_backward"]) == ("02", "", "0")


# The parts. -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "found"), [
    ("import numpy as np\nimport numpy.linalg\nfrom math import pi\nfrom __future__ import annotations", ""),
    ("def f():\n    from torch.nn import Linear", "line 2 imports torch.nn"),
    ("import numpyro", "line 1 imports numpyro"),
    ("from . import x", "line 1 imports ."),
    ("import numpy, os", "line 1 imports os"),
])  # fmt: skip
def test_imports(source, found):
    assert forbidden_import(source, ("numpy", "math")).startswith(found) and bool(found) == bool(
        forbidden_import(source, ("numpy", "math"))
    )


def test_loops_are_seen_and_whole_arrays_are_not():
    names = {}
    exec(
        compile(
            "def whole(x):\n    return (2 * x).sum()\n\ndef loop(x):\n    return sum(2 * a for a in x)\n", "f", "exec"
        ),
        names,
    )
    few, many = np.ones(3), np.ones(300)
    assert steps(lambda: names["whole"](few), "f") == steps(lambda: names["whole"](many), "f") > 0
    assert steps(lambda: names["loop"](many), "f") > 20 * steps(lambda: names["loop"](few), "f")
    assert sys.gettrace() is None or "f" not in str(sys.gettrace())


def test_draws_are_a_function_of_the_words():
    a, b, c = Draw("anna", 3), Draw("anna", 3), Draw("ben", 3)
    assert np.array_equal(a.normal(5), b.normal(5)) and not np.array_equal(b.normal(5), c.normal(5))
    small, large = Draw("anna", 3), Draw("anna", 9, factor=2)
    sizes = [(small.size(2, 9), large.size(2, 9), small.fixed(1, 5), large.fixed(1, 5)) for _ in range(20)]
    assert all(2 * s == t and k == m for s, t, k, m in sizes)


def test_a_result_has_its_forms():
    found = Checked("02", "title", "x.py", "anna", 5, [Result("f", 2, 2), Result("g", 3, 0, "dx[0] <is> wrong\nmore")])
    assert (found.earned, found.status) == (2, 1)
    suite = ElementTree.fromstring(found.junit())
    assert suite.get("failures") == "1" and suite[1][0].text == "dx[0] <is> wrong\nmore"
    grades = json.loads(found.gradescope())
    assert (grades["score"], [test["score"] for test in grades["tests"]]) == (2, [2, 0])
    unread = Checked("02", "title", "x.py", "anna", 5, problem="no Python")
    assert unread.status == 2 and ElementTree.fromstring(unread.junit()).get("errors") == "1"


def test_a_file_is_read_with_who_wrote_it(here):
    path = here / "x.py"
    path.write_text('\ufeffSTUDENT = "Zoë"\r\nLAB = "04"\r\n', encoding="utf-8")
    assert (read(path).student, read(path).lab) == ("Zoë", "04")
    path.write_text("STUDENT = input()\n", encoding="utf-8")
    assert read(path).student == ""
    path.write_text("x" * 6_000_000, encoding="utf-8")
    with pytest.raises(MiniganError, match="at most 5,000,000"):
        read(path)


# A lab of one's own. ----------------------------------------------------------------------------------------------

OWN = '''"""Two functions of a teacher."""

import numpy as np


def softsign_forward(x):
    """x / (1 + |x|)."""
    return x / (1 + abs(x))


def softsign_backward(dy, x):
    return dy / (1 + abs(x)) ** 2


def scaled_forward(x, w, b, power=2.0):
    """(x w)^power + b."""
    return (x @ w) ** power + b


def huber_loss(x):
    """A loss."""
    return np.where(abs(x) < 1, x**2 / 2, abs(x) - 0.5).mean()


GRADCHECK = {"scaled_forward": {"x": (4, 3), "params": {"w": (3, 5), "b": (5,)}, "fixed": {"power": 3.0}}}
'''
ANSWERS = """
def softsign_backward(dy, x):
    return dy / (1 + abs(x)) ** 2

def scaled_backward(dy, x, w, b, power):
    d = dy * power * (x @ w) ** (power - 1)
    return d @ w.T, x.T @ d, dy.sum(axis=0)

def huber_gradient(x):
    return np.clip(x, -1, 1) / x.size
"""


def test_a_lab_of_ones_own(here, capsys):
    (here / "mine.py").write_text(OWN, encoding="utf-8")
    assert main(["lab", "new", "mine.py", "--out", "own"]) == 0
    assert "3 tasks: softsign_backward, scaled_backward, huber_gradient" in capsys.readouterr().out
    start = (here / "own" / "start.py").read_text(encoding="utf-8")
    assert "dy / (1 + abs(x))" not in start and "GRADCHECK" not in start  # no solution
    document = json.loads((here / "own" / "lab.json").read_text(encoding="utf-8"))
    assert document["tasks"][1]["shapes"] == {"x": ["n", "d"], "w": ["d", "k"], "b": ["k"]}
    assert main(["lab", "start", "own", "--id", "anna", "--out", "anna.py"]) == 0
    assert main(["lab", "check", "own", "anna.py"]) == 1
    path = here / "anna.py"
    path.write_text(path.read_text(encoding="utf-8") + ANSWERS, encoding="utf-8")
    capsys.readouterr()
    assert main(["lab", "check", "own", "anna.py"]) == 0, capsys.readouterr().out
    path.write_text(path.read_text(encoding="utf-8").replace("dy.sum(axis=0)", "dy.mean(axis=0)"), encoding="utf-8")
    assert main(["lab", "check", "own", "anna.py"]) == 1
    assert "db[" in capsys.readouterr().out
    assert main(["lab", "new", "mine.py", "--out", "own"]) == 2  # it is there already


@pytest.mark.parametrize("change", [
    lambda d: d.pop("title"), lambda d: d["tasks"][0].pop("shapes"), lambda d: d["tasks"][0].update(points="many"),
    lambda d: d["tasks"][0].update(hints=["one"]),
])  # fmt: skip
def test_a_damaged_lab_is_refused(here, capsys, change):
    (here / "mine.py").write_text(OWN, encoding="utf-8")
    main(["lab", "new", "mine.py", "--out", "own"])
    path = here / "own" / "lab.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    capsys.readouterr()
    assert main(["lab", "list", "own"]) == 2
    assert "is no lab as `minigan lab new` writes it" in capsys.readouterr().err


def test_the_package_starts_no_labs_unasked():
    code = "import sys, minigan.cli; print([name for name in sys.modules if name.startswith('minigan.labs.lab0')])"
    environment = dict(os.environ)
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True).stdout
        == "[]\n"
    )
