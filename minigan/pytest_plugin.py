"""A fixture for gradient checks in a project's own tests: `pytest -p minigan.pytest_plugin`.

    def test_my_layer(gradcheck):
        gradcheck(MyLayer(3), (4, 5))

    def test_a_file(gradcheck):
        gradcheck("my_layers.py")

Or once and for all, in the project's conftest.py:  pytest_plugins = ["minigan.pytest_plugin"]
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .gradcheck import GradientError, assert_gradients
from .gradcheck.children import Limits, check_own
from .gradcheck.own_checks import OK, Job, own_file


@pytest.fixture
def gradcheck() -> Callable[..., None]:
    """`minigan.gradcheck.assert_gradients`: takes what `check` takes, fails with its report.

    Or a file, "my_layers.py" or "my_layers.py:MyLayer(3)", which is checked as the command does it, in a process of its
    own; then it takes `x` (a shape), `seed`, `expect_zero`, `timeout`, `memory`, and `trust=True` for this process.
    """
    return _assert


def _assert(target: Any, x: Any = None, **options: Any) -> None:
    if not isinstance(target, str | Path):
        assert_gradients(target, x, **options)
        return
    path, wanted = own_file(str(target)) or (str(target), "")
    limits = Limits(**{name: options.pop(name) for name in ("timeout", "memory", "trust") if name in options})
    found = list(check_own(Job(str(Path(path).absolute()), wanted, x, **options), limits))
    if not all(result.status == OK for result in found):
        raise GradientError("\n".join(result.text for result in found))
