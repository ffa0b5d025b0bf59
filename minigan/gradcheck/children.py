"""Each file in a process of its own: it ends when its time is up, and cannot disturb the next.

A process works on Windows as elsewhere: it is started, not forked, and reads and writes JSON.
"""

import contextlib
import json
import math
import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import SettingsError
from .child import INTERRUPTED
from .own_checks import BASE, Found, Job, check_file, found_of, not_checked
from .report import Report

START = "import sys; sys.path[:] = sys.argv.pop().split(chr(10)); from {} import main; main()"
PROGRAM = "minigan.gradcheck.child"
GRACE = 2.0  # seconds in which a process that is out of time may say where it is
STARTING = 60.0  # seconds that a busy machine may need until the process has loaded minigan
SHOWN = 4_000  # characters of what a file prints


@dataclass(frozen=True)
class Limits:
    """What a file may use: seconds for each thing that it has, GiB of memory; trusted, it runs in this process."""

    timeout: float = 60.0
    memory: float = 4.0
    trust: bool = False

    def require_sense(self) -> None:
        """Raises SettingsError, naming the flag."""
        for flag, value in (("--timeout", self.timeout), ("--memory", self.memory)):
            if not 0 < value < math.inf:
                raise SettingsError(f"{flag} is {value:g}; it must be above 0, and finite")


def check_own(job: Job, limits: Limits) -> Iterator[Found]:
    """What is found in a file. If a process dies of one thing, another goes on with the next."""
    if limits.trust:
        yield from (event for event in check_file(job) if isinstance(event, Found) and event.status != BASE)
        return
    done = 0
    while True:
        child = Child(job.path, {"job": job.to_json(), "skip": done}, limits)
        begun = ""
        try:
            for message in child.messages():
                if "begun" in message:
                    begun = message["begun"]
                elif "found" in message:
                    done, begun = done + 1, ""
                    found = Found.from_json(message["found"])
                    if found.status != BASE:
                        yield found
        finally:
            child.stop()
        if child.ended:
            return
        if not begun:
            yield not_checked(job.path, child.reason("its import" if not done else "the file"))
            return
        yield found_of(Report(begun, complaints=[child.reason(begun)]))
        done += 1


class Child:
    """The process, and what it says.

    path     the file that is checked there, for messages
    order    what its program is asked for (`child.serve`)
    folder   where it works; by default here
    shown    characters of what the file prints that are passed on to standard error
    """

    def __init__(
        self,
        path: str,
        order: dict[str, Any],
        limits: Limits,
        program: str = PROGRAM,
        folder: str | None = None,
        shown: int = SHOWN,
    ) -> None:
        self.path, self.limits, self.shown, self.token = path, limits, shown, secrets.token_hex(16)
        self.ended, self.late, self.place, self.allowed = False, False, "", limits.timeout
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START.format(program), "\n".join(map(os.path.abspath, sys.path))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                cwd=folder,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{path}: no process can be started for it: {error}. --trust checks it in this one"
            ) from error
        order = {**order, "path": path, "token": self.token, "memory": limits.memory}
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self._read_lines, self._pass_on)]
        for reader in self.readers:
            reader.start()
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(order).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:  # it is gone already: its status says why
            pass

    def messages(self, seconds: Callable[[str], float] | None = None) -> Iterator[dict[str, Any]]:
        """What it says, until it ends or its time is up. After each message it has the time of `limits` again, or, when
        it has begun something, as many seconds as that is given.
        """
        deadline = time.monotonic() + self.limits.timeout + STARTING
        while (line := self._next(deadline)) is not None:
            message = self._message(line)
            if "end" in message:
                self.ended = True
                return
            if "stuck" in message:
                self.place = message["stuck"]
            elif message:
                yield message
            if not self.late and message:
                allowed = seconds(message["begun"]) if seconds and "begun" in message else self.limits.timeout
                deadline, self.allowed = time.monotonic() + allowed, allowed

    def reason(self, what: str, more: str = "? --timeout gives it more seconds") -> str:
        """Why it ended before its work was done.    more: what to do where its time was too short"""
        if self.late:
            return (
                f"{self.path}: {what} did not end within {self.allowed:g} s; it was{self.place or ' busy'}: "
                f"is there a loop without an end{more or '?'}"
            )
        status = self.process.returncode
        how = f"ended the program itself, with exit status {status}"
        if status == INTERRUPTED:
            how = "raised KeyboardInterrupt"
        elif status < 0:
            try:
                name = signal.Signals(-status).name
            except ValueError:
                name = f"signal {-status}"
            how = f"crashed with {name}{self.place}{', perhaps for want of memory' if name == 'SIGKILL' else ''}"
        elif status > 255:
            how = f"crashed with status {status:#x}{self.place}"
        return f"{self.path}: {what} {how}, before its check was finished"

    def stop(self) -> None:
        """End it, and all that it started."""
        _kill(self.process)
        self.process.wait()
        for reader in self.readers:
            reader.join(GRACE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not any(reader.is_alive() for reader in self.readers):
                with contextlib.suppress(OSError):
                    pipe.close()

    def _next(self, deadline: float) -> bytes | None:
        """The next line; None at its end. Out of time, it is asked where it is, and has a moment to answer."""
        try:
            return self.lines.get(timeout=max(0.0, deadline - time.monotonic()) if not self.late else GRACE)
        except queue.Empty:
            if self.late:
                return None
            self.late = True
            assert self.process.stdin is not None
            self.process.stdin.close()
            return b""

    def _message(self, line: bytes) -> dict[str, Any]:
        """What a line says that has the token; the file may have written others."""
        token, _, text = line.partition(b"{")
        if token != self.token.encode():
            return {}
        try:
            return json.loads(b"{" + text)
        except ValueError:
            return {}

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        while piece := os.read(self.process.stdout.fileno(), 65536):  # holds no lock that an end could wait for
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self.lines.put(line)
        self.process.wait()
        self.lines.put(None)

    def _pass_on(self) -> None:
        """What the file prints goes to standard error, up to a limit; the rest is read and dropped."""
        assert self.process.stderr is not None
        left, last, place = self.shown, "", re.compile(rf'File "{re.escape(self.path)}", line (\d+) in (\w+)')
        while piece := os.read(self.process.stderr.fileno(), 65536).decode(errors="replace"):
            if left > 0:
                more = f"\n[{self.path} printed more]\n" if len(piece) > left else ""
                print(piece[:left] + more, end="", file=sys.stderr, flush=True)
            left, last = left - len(piece), (last + piece)[-SHOWN:]
        if "Fatal Python error" in last and (line := place.search(last)) is not None:  # faulthandler's
            self.place = f" in line {line[1]}, in {line[2]}"


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None and os.name == "nt":
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass
