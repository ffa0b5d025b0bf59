"""Fixtures that all tests share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GPU_REASON = "needs an NVIDIA GPU that CuPy can use: "


@pytest.fixture(params=["numpy", pytest.param("cupy", marks=pytest.mark.gpu)])
def backend(request):
    """Both backends; the GPU one is skipped, with the reason, where there is none."""
    from minigan.backend import cupy_backend, get_backend

    if request.param == "cupy" and (reason := cupy_backend.unusable_reason()):
        pytest.skip(GPU_REASON + reason)
    return get_backend(request.param)
