"""What a student's file may do: import what its lab allows, and read and write in its own folder.

This is against accidents and shortcuts. Python's own audit events say what code is about to do, and a hook that was
added cannot be taken away. Code that means harm can get around it: docs/course/teaching.md says how to keep that in a
container.
"""

import ast
import builtins
import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .task import Names

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = (
    "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate",
    "os.utime", "os.chflags", "os.setxattr", "os.removexattr", "shutil.rmtree", "shutil.move", "shutil.copyfile",
    "shutil.copymode", "shutil.copystat", "shutil.copytree", "shutil.chown", "shutil.unpack_archive",
)  # fmt: skip
READS = ("os.listdir", "os.scandir", "os.chdir", "os.walk", "glob.glob")
STARTS = (
    "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "os.kill",
    "os.killpg", "subprocess.Popen", "pty.spawn", "signal.pthread_kill",
)  # fmt: skip
ELSEWHERE = ("socket.", "urllib.", "ctypes.dlopen", "ftplib.", "http.", "smtplib.", "webbrowser.", "winreg.", "mmap.")
SYSTEM = (  # where the backend looks for processors and memory
    "/sys/devices/system/cpu", "/sys/fs/cgroup", "/proc/self/cgroup", "/proc/self/statm", "/proc/cpuinfo",
    "/proc/meminfo",
)  # fmt: skip


class Forbidden(Exception):
    """What a file wanted to do, and may not."""


def forbidden_import(source: str, allow: tuple[str, ...]) -> str:
    """The first import that a lab does not allow, in words: "line 3 imports torch; ..."; else ""."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."] if not node.level else ["." + (node.module or "")]
        else:
            continue
        for name in names:
            if not _allowed(name, allow):
                return f"line {node.lineno} imports {name}; {_listed(allow)}"
    return ""


def _allowed(name: str, allow: tuple[str, ...]) -> bool:
    return any(name == known or name.startswith(f"{known}.") for known in ("__future__", "typing", *allow))


def _listed(allow: tuple[str, ...]) -> str:
    return f"this lab's file may import {', '.join(allow[:-1])}{' and ' if allow[1:] else ''}{allow[-1]} alone"


def builtins_for(allow: tuple[str, ...]) -> Names:
    """What a file has without importing it, with an import of its own."""

    def guarded(name: str, *arguments: Any, **options: Any) -> Any:
        if not _allowed(name, allow):
            raise Forbidden(f"it imports {name}; {_listed(allow)}")
        return builtins.__import__(name, *arguments, **options)

    return vars(builtins) | {"__import__": guarded}


class Hook:
    """An audit hook of Python's, for the rest of the process: it says no to what is outside the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        paths = sysconfig.get_paths()
        installed = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        installed += [os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))]
        installed += [entry for entry in sys.path if entry and os.path.isdir(entry)]
        self.readable = [os.path.realpath(place) for place in (self.folder, *installed, *SYSTEM)]
        self.tests: dict[str, Callable[[tuple[Any, ...]], None]] = {"open": self._open}
        self.tests |= dict.fromkeys(CHANGES, self._change)
        self.tests |= dict.fromkeys(READS, self._read)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Raises Forbidden."""
        if event in STARTS:
            raise Forbidden(f"it starts or signals a process ({event}); a lab's file may not")
        if event.startswith(ELSEWHERE):
            raise Forbidden(f"it calls for something outside of it ({event}); a lab's file may not")
        if event in self.tests:
            self.tests[event](arguments)

    def _open(self, arguments: tuple[Any, ...]) -> None:
        path, mode, flags = (*arguments, None, None)[:3]
        writes = bool(flags & WRITES) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
        if isinstance(path, str | bytes | os.PathLike) and os.fspath(path) not in (os.devnull, b"/dev/null"):
            self._require(path, "writes to" if writes else "reads", [self.folder] if writes else self.readable)

    def _change(self, arguments: tuple[Any, ...]) -> None:
        for path in arguments:
            if isinstance(path, str | bytes | os.PathLike):
                self._require(path, "changes", [self.folder])

    def _read(self, arguments: tuple[Any, ...]) -> None:
        if arguments and isinstance(arguments[0], str | bytes | os.PathLike):
            self._require(arguments[0], "looks into", self.readable)

    def _require(self, path: Any, does: str, places: list[str]) -> None:
        text = os.fsdecode(os.fspath(path))
        real = os.path.realpath(text)
        if not any(real == place or real.startswith(place + os.sep) for place in places):
            raise Forbidden(f"it {does} {text}; a lab's file has its own folder alone, which is empty but for the file")
