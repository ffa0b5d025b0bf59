"""`minigan watch`: the page of a run that goes on, from a server of the standard library on this machine alone."""

import errno
import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from ..errors import FileError, SettingsError
from ..local_server import LocalServer
from ..run_directory import RunDirectory
from .pages import page, runs_data, title_of


class Watcher(LocalServer):
    """Serves the page of one run, and its data. It only reads the run's files: the training does nothing for it.

    port: 0 takes a free one; `address` says which. Raises SettingsError if the port is taken.
    """

    daemon_threads = True

    def __init__(self, directory: RunDirectory, port: int = 0) -> None:
        self.directory = directory
        self.making = threading.Lock()  # of two requests at once, one makes the page
        self.seen: tuple[str, bytes] = ("", b"")  # the state of the files, and the data made of them
        try:
            super().__init__(Handler, port)
        except (OSError, OverflowError) as error:
            taken = getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES)
            raise SettingsError(
                f"port={port}: {'it is taken, or not yours' if taken else error}; name another, or leave it out"
            ) from error

    def data(self) -> tuple[str, bytes]:
        """(a mark of the state of the files, the data as JSON): made anew only when a file has changed."""
        with self.making:
            mark = self._mark()
            if mark != self.seen[0]:
                self.seen = mark, json.dumps(runs_data([self.directory]) | {"live": "poll"}, allow_nan=False).encode()
            return self.seen

    def _mark(self) -> str:
        run = self.directory
        files = [run.config, run.history, run.diagnostics, run.generator, *run.sample_paths()[-1:]]
        return '"' + "-".join(f"{_changed(path):x}" for path in files) + f'-{len(run.sample_paths())}"'


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


class Handler(BaseHTTPRequestHandler):
    """Answers GET / and GET /data.json, to pages of this server alone."""

    server: Watcher
    timeout = 30  # seconds for a request to arrive

    def do_GET(self) -> None:
        """The page, or the data; 304 where the browser has the newest already."""
        refusal = self.server.refusal(self.headers)
        if refusal is not None:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", f"{refusal}\n".encode())
            return
        try:
            mark, content = self.server.data()
        except FileError as error:  # the run's folder was moved or deleted
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", f"{error}\n".encode())
            return
        path = self.path.partition("?")[0]
        if path == "/":
            text = page(json.loads(content), f"{title_of(self.server.directory)} (live)")
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", text.encode(errors="replace"))
        elif path == "/data.json" and self.headers.get("If-None-Match") == mark:
            self._answer(HTTPStatus.NOT_MODIFIED, "application/json", b"", mark)
        elif path == "/data.json":
            self._answer(HTTPStatus.OK, "application/json", content, mark)
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is / and /data.json\n")

    def _answer(self, status: HTTPStatus, kind: str, content: bytes, mark: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        if mark is not None:
            self.send_header("ETag", mark)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: a line every two seconds would tell nobody anything."""


def watch(run: Path, port: int) -> Watcher:
    """The server of the run in a folder. Raises FileError if no run is there."""
    directory = RunDirectory(run.parent if run.is_file() else run)
    try:
        directory.read_config()
    except FileError as error:
        raise FileError(f"{error}; wanted a run's folder, also of one that is being trained") from error
    return Watcher(directory, port)
