"""`minigan gradcheck my_layers.py`: what a file may have, what it may do, and what is said of it."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minigan.cli import main
from minigan.errors import SettingsError
from minigan.gradcheck import NOTHING_TESTED, OK, WRONG, GradientError, check, command
from minigan.gradcheck.child import limit_memory
from minigan.gradcheck.children import Child, Limits
from minigan.gradcheck.own_checks import Job
from minigan.initializers import normal
from minigan.layers import Dense, Layer
from minigan.losses import Loss
from minigan.penalties import R1, R1R2, GradientPenalty
from minigan.pytest_plugin import _assert

HEAD = """
import os, sys
import numpy as np
from minigan import GAN
from minigan.initializers import normal
from minigan.layers import Layer
from minigan.losses import Loss
from minigan.objectives import Hinge, Objective
from minigan.penalties import GradientPenalty, Penalty

class Square(Layer):
    def forward(self, x, train):
        self.x = x
        return x**2

    def backward(self, dy, params=True, inputs=True):
        return 2 * self.x * dy

"""
AFFINE = """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w)

def affine_backward(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, {db}
"""
PENALTY = """
class OneSided(GradientPenalty):
    def term(self, g):
        r = (g * g).sum(axis=1, keepdims=True) ** 0.5
        over = (r - 1) * (r > 1)
        return self.weight * (over**2).mean(), 2 * self.weight / len(g) * {over} * g / r
"""
STEP = """
class DarkGAN(GAN):
    def _update_G(self, x_fake, x_real, rows, k):
        x = self.G.forward(self.draw_noise(len(x_fake), "G", self.steps))
        loss, dpred = self.objective.generator(self.D.forward(x))
        dx = self.D.backward(dpred, params=False) {extra}
        self.G.backward(dx, inputs=False)
        self.g_optimizer.step()
        return loss + 0.3 * abs(x + 1).mean()
"""
POWER = """
class Power(Layer):
    def __init__(self, p, scale=1.0):
        self.p, self.scale = p, scale

    def forward(self, x, train):
        self.x = x
        return self.scale * x**self.p

    def backward(self, dy, params=True, inputs=True):
        return dy * self.scale * self.p * self.x ** (self.p - 1)
"""
NORMALISED = """
class Normalised(Layer):
    def build(self, in_shape):
        self.param("b", in_shape, normal(1.0))
        return in_shape

    def forward(self, x, train):
        self.u = x + self.b
        return self.u - self.u.mean(axis=0)

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.db[...] = {db}
        return dy - dy.mean(axis=0)
"""
EMBEDDING = """
class Embedding(Layer):
    def build(self, in_shape):
        self.param("W", (9, 4), normal(1.0))
        return (*in_shape, 4)

    def forward(self, x, train):
        self.rows = x.astype(int)
        return self.W[self.rows]

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.dW[...] = 0
            {add}
"""
SOFTMAX = """
class SoftmaxCrossEntropy(Loss):
    decision = 0.0

    def __call__(self, pred, target):
        p = np.exp(pred) / np.exp(pred).sum(axis=1, keepdims=True)
        return -(target * np.log(p)).sum() / len(pred), ({p} - target) / len(pred)
"""


def run(tmp_path, capsys, text, *flags, name="mine.py"):
    """The command's status, output and messages for a file of this text, in this process."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    status = main(["gradcheck", str(tmp_path / name), "--trust", *flags])
    return status, *capsys.readouterr()


def a_class(name, base="Square", forward="", backward=""):
    """Its text; what is left out is inherited."""
    lines = [f"class {name}({base}):" if base else f"class {name}:", "    pass"]
    lines += ["    def forward(self, x, train):", f"        {forward}"] if forward else []
    lines += ["    def backward(self, dy, params=True, inputs=True):", f"        {backward}"] if backward else []
    return "\n".join(lines) + "\n"


HALF = "class Half(Layer):\n    def forward(self, x, train):\n        return x / 2\n"
TWICE = a_class("Twice", backward="return dy") + a_class("Twice")
CALLED = a_class("Called", "GradientPenalty") + "    def __call__(self, *given): return super().__call__(*given)\n"
GENERATOR = (
    "class Mine(Hinge):\n    def generator(self, fake, real=None):\n        return fake.mean(), fake / fake.size\n"
)
ERROR = "class Error(Loss):\n    def __call__(self, pred, y):\n        return ((pred - y)**2).sum(), pred - y\n"
OLD = "class Old(Square):\n    def forward(self, x):\n        return x\n"
NO_LAYER = "class ReLU:\n    def forward(self, x): return x\n    def backward(self, dout): return dout\n"
ADVICE = """    class ReLU(Layer):
        def forward(self, x, train):
        def backward(self, dy, params=True, inputs=True):"""
ODD = "def odd_forward(x, n): return x[n['k']], n\ndef odd_backward(dout, cache): return dout\n"
SCALE = "def scale_forward(x, g): return x * g, g\ndef scale_backward(dout, cache): return dout * cache\n"
ROLL = """
def roll_forward(x, roll): return np.roll(x, roll["by"], 1), roll
def roll_backward(dout, cache): return np.roll(dout, -cache["by"], 1)
GRADCHECK = {"roll": {"x": (3, 5), "fixed": {"roll": {"by": 2}}}}
"""
KEPT = """
kept = {}
def forward(x, W):
    kept.update(x=x, W=W)
    return x @ W
def backward(dy):
    return dy @ kept["W"].T, {"W": kept["x"].T @ dy}
"""
TWO = """
def split_forward(x): return x, x, None
def split_backward(dout, cache): return dout
"""
BY_NAME = """
def linear_forward(A, W): return A @ W
def linear_backward(dZ, A, W): return dZ @ W.T, A.T @ dZ
"""
RECURRENT = """
def rnn_forward(x, h0, Wx, Wh, b):
    n, t, d = x.shape
    hs = [h0]
    for i in range(t):
        hs.append(np.tanh(x[:, i] @ Wx + hs[-1] @ Wh + b))
    return np.stack(hs[1:], 1), (x, hs, Wx, Wh)
def rnn_backward(dh, cache):
    x, hs, Wx, Wh = cache
    dx, dWx, dWh, db, d = 0 * x, 0 * Wx, 0 * Wh, 0 * Wx[0], 0
    for i in reversed(range(x.shape[1])):
        a = (dh[:, i] + d) * (1 - hs[i + 1] ** 2)
        dx[:, i], d = a @ Wx.T, a @ Wh.T
        dWx, dWh, db = dWx + x[:, i].T @ a, dWh + hs[i].T @ a, db + a.sum(0)
    return dx, d, dWx, dWh, db
"""
SPATIAL = """
def norm_forward_naive(x, gamma, beta, bn_param):
    n, c, h, w = x.shape
    bn_param["running_mean"] = x.mean()
    u = x - x.mean((0, 2, 3), keepdims=True)
    return gamma.reshape(1, c, 1, 1) * u + beta[:, None, None], (u, gamma)
def norm_backward_naive(dout, cache):
    u, gamma = cache
    d = dout * gamma.reshape(1, -1, 1, 1)
    return d - d.mean((0, 2, 3), keepdims=True), (dout * u).sum((0, 2, 3)), dout.sum((0, 2, 3))
"""
WORDS = """
def words_forward(x, W): return W[x], (x, W)
def words_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    {add}
    return dW
"""
STATIC = """
class Twofold:
    @staticmethod
    def forward(x, w):
        return 2 * x @ w, (x, w)
    @staticmethod
    def backward(dout, cache):
        x, w = cache
        return [2 * dout @ w.T, 2 * x.T @ dout]
"""
SOFTMAX_LOSS = """
def softmax_loss(x, y):
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    d = p.copy()
    d[rows, y] -= 1
    return -np.log(p[rows, y]).mean(), d
"""
ANNOTATIONS = """from __future__ import annotations
from dataclasses import dataclass
@dataclass
class Settings:
    k: int = 2
"""
ARGPARSE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--epochs")
parser.parse_args()
"""
CONTENTS = {
    "a loss": (SOFTMAX.format(p="p"), 0, "ok  SoftmaxCrossEntropy: pred (20 entries)"),
    "a wrong loss": (SOFTMAX.format(p="p**2"), 1, "SoftmaxCrossEntropy: gradients WRONG"),
    "a loss of numbers": (ERROR, 1, "Error: gradients WRONG"),
    "an objective": (GENERATOR, 1, "Mine: gradients WRONG"),
    "a penalty": (PENALTY.format(over="over"), 0, "ok  OneSided: g (40 entries)"),
    "a wrong penalty": (PENALTY.format(over="(r - 1)"), 1, "OneSided: gradients WRONG"),
    "a penalty that does all by itself": (CALLED, 0, "ok  Called: 10 gradients"),
    "a step": (STEP.format(extra="+ 0.3 * np.sign(x + 1) / x.size"), 0, "ok  DarkGAN"),
    "a wrong step": (STEP.format(extra=""), 1, "DarkGAN: gradients WRONG"),
    "functions": (AFFINE.format(db="dout.sum(axis=0)"), 0, "ok  affine: x, w, b (32 entries)"),
    "wrong functions": (AFFINE.format(db="dout.mean(axis=0)"), 1, "affine: gradients WRONG"),
    "functions, one gradient short": (
        AFFINE.format(db="").replace(", \n", "\n"),
        1,
        "affine_forward: backward returned 2 values; with parameters it returns dx and a dictionary of ['w', 'b'], or "
        "as many arrays in this order: dx, dw, db",
    ),
    "functions, dx alone": (SCALE, 1, "scale_forward: backward returned gradients of no parameter"),
    "functions of an odd kind": (ODD, 1, "GRADCHECK = {'odd': {'x': (4, 3), 'params': {'n': (3, 5)}, 'fixed': {}}}"),
    "functions with settings": (ROLL, 0, "ok  roll: x (15 entries)"),
    "functions that keep their cache": (KEPT, 0, "ok  forward: x, W (27 entries)"),
    "functions of two outputs": (TWO, 1, "split_forward returned 3 values; wanted y, or (y, cache)"),
    "functions without a cache": (BY_NAME, 0, "ok  linear: x, W (27 entries)"),
    "a recurrent network": (RECURRENT, 0, "ok  rnn: 5 gradients (79 entries)"),
    "channels first": (SPATIAL, 0, "ok  norm_naive: x, gamma, beta (150 entries)"),
    "functions with a dictionary": (
        BY_NAME.replace("return dZ @ W.T,", "return dict(dA=dZ @ W.T, dW=").replace("A.T @ dZ\n", "A.T @ dZ)\n"),
        0,
        "ok  linear: x, W (27 entries)",
    ),
    "an embedding in functions": (
        WORDS.format(add="np.add.at(dW, x, dout)"),
        0,
        "ok  words: W (15 entries); x has no gr",
    ),
    "a wrong embedding in functions": (WORDS.format(add="dW[x] = dout"), 1, "WRONG          W "),
    "functions in a class": (STATIC, 0, "ok  Twofold: x, w (27 entries)"),
    "a loss function": (SOFTMAX_LOSS, 1, "softmax_loss: gradients WRONG"),
    "a class that needs arguments": (POWER, 1, "GRADCHECK = {'Power': {'arguments': {'p': ...}}}"),
    "its arguments": (POWER + "GRADCHECK = {'Power': {'arguments': {'p': 3}, 'x': (2, 5)}}", 0, "scale=1.0): x (10"),
    "an example of it": (POWER + "cube = Power(3)", 0, "ok  Power(p=3, scale=1.0): x"),
    "a gradient that is 0": (NORMALISED.format(db=0), 1, "pass --expect-zero b"),
    "said to be 0": (NORMALISED.format(db=0) + "GRADCHECK = {'Normalised': {'expect_zero': ['b']}}", 0, "x, b (1270"),
    "an embedding": (
        EMBEDDING.format(add="np.add.at(self.dW, self.rows, dy)"),
        0,
        "W (648 entries); x has no gradient",
    ),
    "a wrong embedding": (EMBEDDING.format(add="self.dW[self.rows] += dy"), 1, "WRONG          W "),
    "two of one name": (TWICE, 1, "not checked  Twice of line 19: line 23 defines Twice again"),
    "a layer without backward": (HALF, 1, "not checked  Half has no backward"),
    "an abstract base": (
        "from abc import ABC, abstractmethod\n"
        + a_class("Base", "Square, ABC", "return self.f(x)")
        + "    @abstractmethod\n    def f(self, x): ...\n"
        + a_class("Same", "Base", backward="return dy")
        + "    def f(self, x): return 1 * x\n",
        0,
        "2 checks in",
    ),
    "a base that lacks a method": (
        a_class("Base", forward="return self.f(x)")
        + a_class("Same", "Base", backward="return dy")
        + "    def f(self, x): return 1 * x\n",
        0,
        "2 checks in",
    ),
    "two names": ("Again = Square", 0, "1 check in"),
    "keyword only": (POWER.replace("self, p", "self, *, p"), 1, "{'arguments': {'p': ...}}"),
    "a loss that is no Loss": (
        NO_LAYER.replace("(self, x)", "(self, x, y)"),
        1,
        "is no subclass of minigan.losses.Loss",
    ),
    "a base of others": (HALF + a_class("Same", "Half", backward="return dy / 2"), 0, "ok  Same()"),
    "no subclass": (NO_LAYER, 1, ADVICE),
    "no train": (OLD, 1, "takes (x); a network calls forward(x, train). Write\n    def forward(self, x, train):\n"),
    "no build": (a_class("N", "Layer", "return x * self.g", "return dy"), 1, "self.param('g', in_shape, normal(0.1))"),
    "parameters too early": (
        "class Early(Square):\n    def __init__(self): self.param('W', (3,), normal(1.0))\n",
        1,
        "parameters are declared in\n        def build(self, in_shape):\n",
    ),
    "a build that returns nothing": (
        "class Nothing(Square):\n    def build(self, in_shape): pass\n",
        1,
        "build returned None, not a tuple, y's shape without the batch",
    ),
    "another shape": (a_class("Cut", forward="return x[:, 1:]"), 1, "return (2,)  # the shape of y"),
    "a tuple for dx": (a_class("Tuple", backward="return dy, 0"), 1, "a layer returns dx alone"),
    "indices": (a_class("Rows", forward="return x[x]"), 1, "an index is x.astype(int)"),
    "annotations": (ANNOTATIONS + HEAD, 0, "every verdict is OK"),
    "argparse": (ARGPARSE, 0, "ok  Square()"),
    "sys.exit": (a_class("Exit", forward="sys.exit(0)"), 1, "SystemExit: 0"),
    "input": (a_class("Ask", forward="raise EOFError"), 1, "input() finds nobody here"),
    "memory": (a_class("Much", forward="raise MemoryError('9 TB')"), 1, "wanted more memory than there is"),
}


@pytest.mark.parametrize("text, wanted, words", CONTENTS.values(), ids=CONTENTS)
def test_what_a_file_may_have_and_what_is_said_of_it(tmp_path, capsys, text, wanted, words):
    first = "" if text.startswith("from __future__") else HEAD
    status, out, err = run(tmp_path, capsys, first + text)
    assert words in out, out
    assert status == wanted and "Traceback" not in out + err and "ok  Square(): x" in out


@pytest.mark.parametrize(
    "text, words",
    [
        ("x = 1", "has no subclass of minigan.layers.Layer with a forward and a backward, no Loss, Objective, Penalty"),
        ("def relu_forward(x): return x", "relu_forward needs a partner relu_backward"),
        (HEAD + "GRADCHECK = {'Squaer': {}}", "GRADCHECK has 'Squaer', and the file has not; did you mean Square?"),
        (HEAD + "GRADCHECK = {'Square': {'shape': (3, 2)}}", "'shape'; it may have arguments, x, params"),
        (HEAD + "GRADCHECK = [Square()]", "wanted GRADCHECK = {"),
        ("x = 1\0", "mine.py: SyntaxError: source code string cannot contain null bytes"),
        ("def f(:", "mine.py, line 1: SyntaxError"),
        ("from neighbour import Square", "neighbour.py"),
        ("import sys; sys.exit(0)", "line 1, in <module>: SystemExit: 0"),
        ("from .absent import f", "ModuleNotFoundError"),
        ("open('absent.txt')", "line 1, in <module>: FileNotFoundError"),
    ],
)
def test_a_file_with_nothing_to_check_is_refused_in_words(tmp_path, capsys, text, words):
    (tmp_path / "neighbour.py").write_text(HEAD, encoding="utf-8")
    status, out, err = run(tmp_path, capsys, text)
    assert status == 2 and not out and err.startswith("error: ") and words in err and err.count("mine.py") >= 1


def test_expect_zero_is_a_flag_and_is_not_believed(tmp_path, capsys):
    right, wrong = HEAD + NORMALISED.format(db=0), HEAD + NORMALISED.format(db=1)
    assert run(tmp_path, capsys, right, "--expect-zero", "b")[0] == 0
    assert run(tmp_path, capsys, right, "--expect-zero", "Normalised.b")[0] == 0
    assert run(tmp_path, capsys, wrong, "--expect-zero", "b")[0] == 1
    status, out, _ = run(tmp_path, capsys, right, "--expect-zero", "x")
    assert status == 1 and "it was expected to be 0" in out
    status, _, err = run(tmp_path, capsys, right, "--expect-zero", "b,bias")
    assert status == 2 and "--expect-zero bias: there is no such gradient; there are x, b" in err
    assert main(["gradcheck", "--all", "--expect-zero", "b"]) == 2


def test_a_script_without_classes_has_its_networks_checked(tmp_path, capsys):
    text = (
        "from minigan import Sequential\nfrom minigan.layers import Dense\nnet = Sequential([Dense(2)], input_shape=3)"
    )
    status, out, _ = run(tmp_path, capsys, text, name="hand.in v2.py")
    assert status == 0 and "ok  net: x, 0.Dense.W, 0.Dense.b" in out


@pytest.mark.parametrize(
    "name, words", [("", "is a folder; name files, as in"), ("a.ipynb", "is a notebook; name files")]
)
def test_what_is_no_file_of_python_is_refused(tmp_path, capsys, name, words):
    assert main(["gradcheck", str(tmp_path / name)]) == 2
    assert words in capsys.readouterr().err


def test_letters_that_the_terminal_lacks_end_nothing(tmp_path, capsys, monkeypatch):
    class Narrow(io.StringIO):
        encoding = "ascii"

        def write(self, text):
            return super().write(text.encode("ascii").decode())

    monkeypatch.setattr(sys, "stdout", narrow := Narrow())
    status, *_ = run(tmp_path, capsys, HEAD + a_class("Arrow", forward="raise ValueError('\u2192')"))
    assert status == 1 and "ValueError: ?" in narrow.getvalue() and "1 OK; 1 NOT OK: Arrow" in narrow.getvalue()


@pytest.mark.parametrize("groups", [True, False], ids=["process groups", "none, as on Windows"])
def test_an_error_on_the_way_leaves_no_process_behind(tmp_path, monkeypatch, groups):
    """As of a pipe that nobody reads any more."""
    if not groups:
        monkeypatch.delattr(os, "killpg", raising=False)
    (tmp_path / "mine.py").write_text(HEAD + a_class("Loop", forward="while True: pass"), encoding="utf-8")
    children, start = [], Child.__init__
    monkeypatch.setattr(Child, "__init__", lambda self, *given: (start(self, *given), children.append(self))[0])
    monkeypatch.setattr(command, "_print", lambda text: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["gradcheck", str(tmp_path / "mine.py")])
    assert [child.process.poll() is not None for child in children] == [True]


def test_the_shape_on_the_command_line_is_that_of_everything(tmp_path, capsys):
    text = HEAD + AFFINE.format(db="dout.sum(axis=0)") + SOFTMAX_LOSS.replace("d\n", "d / len(x)\n")
    status, out, _ = run(tmp_path, capsys, text + PENALTY.format(over="over"), "--shape", "6,4")
    assert status == 0 and "affine: x, w, b (49" in out and "softmax_loss: pred (24" in out and "g (24" in out


def test_names_of_files_objects_and_functions(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(HEAD + POWER + AFFINE.format(db="dout.sum(axis=0)") + "cube = Power(3)\n", encoding="utf-8")
    for wanted, words in (("cube", "Power(p=3"), ("affine", "affine: x"), ("Power(2)", "p=2"), ("Power(p=2)", "p=2"),
                          ("Power(2, scale=3.0)", "scale=3.0")):  # fmt: skip
        assert main(["gradcheck", f"{path}:{wanted}", "--trust"]) == 0
        assert words in capsys.readouterr().out
    path.write_text(path.read_text(encoding="utf-8") + TWICE)
    assert main(["gradcheck", f"{path}:Twice", "--trust"]) == 1
    assert "not checked  Twice of line" in capsys.readouterr().out
    path.write_text(path.read_text(encoding="utf-8").replace(TWICE, ""))
    assert main(["gradcheck", f"{path}:Sqare", "--trust"]) == 2
    assert "did you mean Square?" in capsys.readouterr().err
    assert main(["gradcheck", str(tmp_path / "*.py"), "--trust"]) == 0  # a shell that leaves it as it is


@pytest.mark.parametrize("trust", [["--trust"], []], ids=["trusted", "in processes"])
def test_no_file_sees_what_another_imported(tmp_path, capsys, trust):
    """Two students with a helpers.py each, one of them in a package, with relative and absolute imports."""
    for name, factor in (("alice", 2), ("bob", 3), ("carol", 2)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "helpers.py").write_text(f"print('here I am')\nFACTOR = {factor}\n", encoding="utf-8")
        (folder / "layers.py").write_text(
            (HEAD + f"from {'.' if name == 'carol' else ''}helpers import FACTOR\n").replace("2 *", "FACTOR *"),
            encoding="utf-8",
        )
    (tmp_path / "bob" / "__init__.py").write_text("", encoding="utf-8")
    before = dict(sys.modules), list(sys.path), list(sys.argv)
    files = [str(tmp_path / name / "layers.py") for name in ("alice", "bob", "carol")]
    assert main(["gradcheck", *files, "--json", *trust]) == 1
    captured = capsys.readouterr()
    found = json.loads(captured.out)  # what the files print spoils nothing
    assert [report["ok"] for report in found["reports"]] == [True, False, True]
    assert [report["file"] for report in found["reports"]] == files and captured.err.count("here I am") == 3
    assert before == (dict(sys.modules), list(sys.path), list(sys.argv))
    assert not list(tmp_path.rglob("__pycache__"))  # nor is anything written beside a file


MISCHIEF = """
class Fine(Square): pass
class Loop(Square):
    def __init__(self):
        while True: pass
class Exits(Square):
    def forward(self, x, train):
        print('{"ok": true}')
        os.write(1, b'{"found": {}}\\n')
        os._exit(0)
class Closes(Square):
    def forward(self, x, train):
        os.closerange(3, 100)
        return x
class Crashes(Square):
    def forward(self, x, train):
        import ctypes
        return ctypes.string_at(0)
class Huge(Square):
    def forward(self, x, train):
        return np.zeros(10**11)
class Stops(Square):
    def forward(self, x, train):
        raise KeyboardInterrupt
class Last(Square):
    def forward(self, x, train):
        sys.stdout = sys.stderr = None
        return super().forward(x, train)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals and limits of POSIX")
@pytest.mark.slow
def test_whatever_a_class_does_the_others_are_checked(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(HEAD + MISCHIEF, encoding="utf-8")
    started = time.monotonic()
    assert main(["gradcheck", str(path), "--timeout", "1.5"]) == 1
    assert time.monotonic() - started < 15
    out = capsys.readouterr().out
    for words in (
        "ok  Fine(): x", "ok  Last(): x", "2 OK; ".replace("2", "3"),
        f"{path}: Loop did not end within 1.5 s; it was in line 23, in __init__: is there a loop without an end?",
        f"{path}: Exits ended the program itself, with exit status 0",
        f"{path}: Closes ended the program itself",
        f"{path}: Crashes crashed with SIGSEGV in line 36, in forward",
        "than --memory allows: ", "line 39, in forward: MemoryError",
        f"{path}: Stops raised KeyboardInterrupt",
    ):  # fmt: skip
        assert words in out, (words, out)
    assert '"ok": true' not in out and "shape (4, 3)" not in out


IMPORTS = {
    "hangs": ("while True: pass", "its import did not end within 1 s; it was in line 1, in <module>"),
    "exits": ("import os; os._exit(0)", "its import ended the program itself, with exit status 0"),
    "talks": ("while True: print('x' * 1000)", "its import did not end within 1 s"),
}


@pytest.mark.slow
def test_what_happens_at_import_is_told_and_stops_no_other_file(tmp_path, capsys):
    files = [tmp_path / f"{name}.py" for name in IMPORTS]
    for path, (text, _) in zip(files, IMPORTS.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    (good := tmp_path / "good.py").write_text(HEAD, encoding="utf-8")
    command = ["gradcheck", *map(str, files), str(tmp_path / "absent.py"), str(good), "--timeout", "1"]
    assert main(command) == 1
    captured = capsys.readouterr()
    for path, (_, words) in zip(files, IMPORTS.values(), strict=True):
        assert f"not checked  {path}: {words}" in captured.out
    assert f"ok  {good}:Square()" in captured.out and "absent.py does not exist" in captured.out
    *_, before, last = captured.out.splitlines()
    assert "1 OK; 4 NOT CHECKED" in before
    assert last == f"5 files; 1 ok: {good}; 4 not checked: {', '.join([*map(str, files), str(tmp_path / 'absent.py')])}"
    assert "printed more]" in captured.err and len(captured.err) < 20_000


@pytest.mark.parametrize("flag, value", [("--timeout", "0"), ("--timeout", "nan"), ("--memory", "-1")])
def test_limits_make_sense(flag, value, capsys):
    assert main(["gradcheck", "Dense", flag, value]) == 2
    assert f"{flag} is {float(value):g}; it must be above 0" in capsys.readouterr().err


def test_where_nothing_can_be_limited_or_started(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    limit_memory(1.0)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "absent"))
    (tmp_path / "mine.py").write_text(HEAD, encoding="utf-8")
    assert main(["gradcheck", str(tmp_path / "mine.py")]) == 2
    assert "no process can be started for it" in (err := capsys.readouterr().err) and "--trust" in err


def test_lines_without_the_token_are_no_verdict():
    child = Child.__new__(Child)
    child.token = "abc"
    assert child._message(b'abc{"end": true}\n') == {"end": True}
    for line in (b'{"end": true}\n', b'abd{"end": true}\n', b"abc{nonsense\n", b"\n"):
        assert child._message(line) == {}


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_child_ends_with_its_parent(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n')\nwhile True: pass\n",
        encoding="utf-8",
    )
    parent = subprocess.Popen([sys.executable, "-m", "minigan", "gradcheck", str(path)], start_new_session=True)
    deadline = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text(encoding="utf-8").endswith("\n"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    while _is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_alive(pid):
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_thirty_files_take_seconds(tmp_path, capsys):
    for i in range(30):
        (tmp_path / f"student{i:02}.py").write_text(
            HEAD.replace("2 *", "3 *") if i % 10 == 7 else HEAD, encoding="utf-8"
        )
    started = time.monotonic()
    assert main(["gradcheck", *map(str, sorted(tmp_path.glob("*.py")))]) == 1
    assert time.monotonic() - started < 60
    wrong = [str(tmp_path / f"student{i:02}.py") for i in (7, 17, 27)]
    assert capsys.readouterr().out.splitlines()[-1].endswith(f"3 wrong: {', '.join(wrong)}")


def test_the_fixture_takes_files(tmp_path):
    (tmp_path / "right.py").write_text(HEAD, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(HEAD.replace("2 *", "3 *"), encoding="utf-8")
    _assert(tmp_path / "right.py")
    _assert(f"{tmp_path / 'right.py'}:Square", (2, 5), trust=True, seed=1)
    with pytest.raises(GradientError, match=r"Square\(\): gradients WRONG"):
        _assert(str(tmp_path / "wrong.py"), trust=True)
    assert Job.from_json(json.loads(json.dumps(Job("a.py", x=(2, 3)).to_json()))) == Job("a.py", x=(2, 3))
    assert Limits().timeout == 60


def test_check_takes_penalties_and_says_what_a_class_lacks():
    assert check(GradientPenalty(10.0)) and check(R1(3.0), (5, 2, 3)) and check(R1R2(3.0), (6, 2, 3))
    with pytest.raises(SettingsError, match=r"Plain has a forward and a backward, but is no subclass"):
        check(Plain())
    with pytest.raises(SettingsError, match=r"it got a type"):
        check(int)
    with pytest.raises(SettingsError, match=r"Dense is its class; write parentheses behind it: check\(Dense\(d_out,"):
        check(Dense)


class Plain:
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy


class Forgetful(Dense):
    def backward(self, dy, params=True, inputs=True):
        super().backward(dy, params, inputs)


class Rounded(Layer):
    """A lookup by numbers that are rounded, and no dx."""

    def build(self, in_shape):
        self.param("W", (7,), normal(1.0))
        return in_shape

    def forward(self, x, train):
        self.rows = np.rint(abs(x)).astype(int)
        return self.W[self.rows]

    def backward(self, dy, params=True, inputs=True):
        if params:
            self.dW[...] = 0
            np.add.at(self.dW, self.rows, dy)


@pytest.mark.parametrize("x", [(4, 3), np.ones((4, 3)), np.array([[0.0, -2.0, 3.0]])], ids=["random", "ones", "whole"])
def test_only_where_y_does_not_follow_x_is_there_no_dx(x):
    report = check(Forgetful(3), x)
    assert not report and re.search("backward returned None for dx", str(report))
    report = check(Rounded(), x)
    assert report and [row.name for row in report.rows] == ["W"] and "x has no gradient" in str(report)


class OneHot(Loss):
    """Softmax cross-entropy, with a decision that says nothing of its classes."""

    decision = 0.0

    def __call__(self, pred, target):
        p = np.exp(pred) / np.exp(pred).sum(axis=1, keepdims=True)
        return -(target * np.log(p)).sum() / len(pred), (p - target) / len(pred)


def test_a_loss_of_classes_is_known_by_what_it_does():
    assert check(OneHot())["pred"].verdict == OK
    assert check(OneHot(), (4, 1))["pred"].verdict in (NOTHING_TESTED, WRONG)  # one class
