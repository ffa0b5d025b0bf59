"""A fixture for gradient checks in a project's own tests: `pytest -p minigan.pytest_plugin`.

    def test_my_layer(gradcheck):
        gradcheck(MyLayer(3), (4, 5))

Or once and for all, in the project's conftest.py:  pytest_plugins = ["minigan.pytest_plugin"]
"""

from collections.abc import Callable

import pytest

from .gradcheck import assert_gradients


@pytest.fixture
def gradcheck() -> Callable[..., None]:
    """`minigan.gradcheck.assert_gradients`: takes what `check` takes, fails with its report."""
    return assert_gradients
