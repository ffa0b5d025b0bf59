"""The process in which a person's own file is checked: it reads a job and writes what it finds, line by line.

The results have a way of their own, which the file is not told of; what it prints is passed on as messages. That keeps
accidents away from the verdict, not malice: the code of a file has all the rights of whoever started the check.
"""

import faulthandler
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from .own_checks import Begun, Job, check_file

Work = Callable[[dict[str, Any]], Iterator[dict[str, Any]]]
GIB = 2**30
INTERRUPTED = 130  # the exit status after a KeyboardInterrupt


def main() -> None:
    """Check the file of the job that stands in the first line of standard input. Never returns."""
    serve(_checks)


def _checks(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for event in check_file(Job.from_json(order["job"]), order["skip"]):
        yield {"begun": event.name} if isinstance(event, Begun) else {"found": event.to_json()}


def serve(work: Work) -> None:
    """Do what the first line of standard input orders, and tell what the work yields, line by line. Never returns."""
    order = json.loads(_first_line())
    results, control, token = os.dup(1), os.dup(0), order["token"]
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # input() ends at once
    sys.stdout = sys.stderr
    faulthandler.enable(all_threads=False)

    def tell(message: dict[str, Any]) -> None:
        os.write(results, f"{token}{json.dumps(message)}\n".encode())

    threading.Thread(target=_watch, args=(control, tell, order["path"]), daemon=True).start()
    limit_memory(order["memory"])
    tell({"ready": True})  # from here on the file's time is running
    try:
        for message in work(order):
            tell(message)
        sys.stderr.flush()
        tell({"end": True})
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    finally:
        os._exit(0)  # whatever the file left to be done at the end


def limit_memory(gib: float) -> None:
    """Let this process have so much memory more than it has, where the system can be asked for that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in ((resource.RLIMIT_AS, _reserved() + int(gib * GIB)), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        try:
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
        except (ValueError, OSError):  # macOS refuses what it cannot keep
            continue


def _reserved() -> int:
    """The addresses that are taken already, most of them by NumPy's threads and never used, where Linux tells."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _first_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(0, 65536) or b"\n"
    return line


def _watch(control: int, tell: Any, path: str) -> None:
    """Wait until the parent closes the control: it has lost patience, or is no more. Then say where the file is."""
    os.read(control, 1)
    try:
        tell({"stuck": _place(sys._current_frames().get(threading.main_thread().ident or 0), path)})
    finally:
        os._exit(1)


def _place(frame: FrameType | None, path: str) -> str:
    """The innermost line of the file that is being executed."""
    while frame is not None:
        if frame.f_code.co_filename == path:
            return f" in line {frame.f_lineno}, in {frame.f_code.co_name}"
        frame = frame.f_back
    return ""
