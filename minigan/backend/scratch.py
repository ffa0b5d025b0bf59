"""Memory for intermediate results, which each thread keeps and uses again."""

import math
import threading
from typing import Any

import numpy as np

SCRATCH = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Memory of this thread under this name, with old contents; the thread's next call with the name reuses it."""
    held = SCRATCH.__dict__.setdefault("held", {})
    size = math.prod(shape)
    buffer = held.get((name, dtype))
    if buffer is None or len(buffer) < size:
        buffer = held[name, dtype] = np.empty(size, dtype)
    return buffer[:size].reshape(shape)
