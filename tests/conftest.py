"""Fixtures that all tests share."""

import os
import signal
from pathlib import Path

import pytest

from minigan import pictures
from minigan.backend.blas import limit_blas

ROOT = Path(__file__).parent.parent
GPU_REASON = "needs an NVIDIA GPU that CuPy can use: "


def pytest_configure():
    """One thread, here and in commands: networks this small gain nothing from more, which test_threads.py has."""
    os.environ.setdefault("MINIGAN_THREADS", "1")
    limit_blas()
    restore_signals()


def restore_signals():
    """As at a terminal, also where the suite was started in the background or by nohup, which ignore some."""
    for name, usual in (
        ("SIGINT", signal.default_int_handler),
        ("SIGHUP", signal.SIG_DFL),
        ("SIGTERM", signal.SIG_DFL),
    ):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


def import_torch():
    """PyTorch, or a skipped test. On one thread: with networks this small its threads do little but wait for work, and
    they wait at full speed, for most of the processor's time.
    """
    torch = pytest.importorskip("torch", reason="PyTorch is not installed; it is only needed to compare with")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(params=["numpy", "compiled", pytest.param("cupy", marks=pytest.mark.gpu)])
def backend(request):
    """All backends; one that cannot be used here is skipped, with the reason."""
    from minigan.backend import get_backend
    from minigan.errors import BackendError

    try:
        return get_backend(request.param)  # made once, unlike `unusable_reason`, which tries the GPU every time
    except BackendError as error:
        pytest.skip((GPU_REASON if request.param == "cupy" else "needs Numba: ") + str(error))


@pytest.fixture
def no_curves(monkeypatch):
    """An empty file in place of the curves, which are most of the time of a short run: test_pictures.py draws them."""
    monkeypatch.setattr(pictures, "save_curves", lambda path, history, undecided: path.write_bytes(b""))


@pytest.fixture
def no_pictures(no_curves, monkeypatch):
    """Nor the film: test_pictures.py has it."""
    monkeypatch.setattr(pictures, "save_gif", lambda path, frames: path.write_bytes(b""))
