"""`minigan play`: serve the page until Ctrl-C."""

import contextlib
import errno
import threading
import webbrowser
from argparse import ArgumentParser
from pathlib import Path

from ..backend import NAMES
from ..errors import SettingsError
from ..model_files import load_generator, model_file
from ..printing import say
from .player import Player
from .server import PlayServer


def add_arguments(parser: ArgumentParser) -> None:
    """The command's flags."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="a run's folder, or its generator.npz")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of 127.0.0.1 (default: one that is free)")
    parser.add_argument("--backend", help=f"where the generator computes: {', '.join(NAMES)}")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page, only print its address")


def play(model: Path, port: int, backend: str | None, no_browser: bool) -> None:
    """Serve a page that plays with a generator, on this machine alone, until Ctrl-C."""
    if not 0 <= port < 2**16:
        raise SettingsError(f"--port is {port}; it must be at least 0 and less than {2**16}")
    file = model_file(model)
    player = Player(load_generator(file, backend))
    with _server(player, str(file), port) as server, contextlib.suppress(KeyboardInterrupt):
        say(f"{file}: {server.address}    Ctrl-C ends it")
        if not no_browser:  # some browsers, those of a terminal, return when they are closed
            threading.Thread(target=webbrowser.open, args=[server.address], daemon=True).start()
        server.serve_forever()


def _server(player: Player, title: str, port: int) -> PlayServer:
    """It listens already. Raises SettingsError if the port cannot be had."""
    try:
        return PlayServer(player, title, port)
    except OSError as error:
        why = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise SettingsError(f"--port {port}: {why}; name another, or leave it out for one that is free") from error
