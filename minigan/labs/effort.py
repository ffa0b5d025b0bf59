"""How much work Python does in a student's file: a loop over entries shows, and so does numeric differentiation."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps(call: Callable[[], Any], filename: str) -> int:
    """The instructions of Python that are executed in a file while `call` runs.

    Work on whole arrays is the same few instructions whatever the arrays' sizes are.
    """
    count = 0

    def local(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return local

    def begin(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != filename:
            return None
        frame.f_trace_opcodes = True
        return local

    before = sys.gettrace()
    sys.settrace(begin)
    try:
        call()
    finally:
        sys.settrace(before)
    return count
