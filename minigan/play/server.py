"""The page and its pictures over HTTP, to this machine alone. A request of another site's page is refused."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NoReturn

from ..errors import MiniganError
from ..local_server import LocalServer
from .player import BETWEEN, REACH, SEED, Player, Wish

PAGE = Path(__file__).parent / "page.html"
MOST_NUMBERS = 10_000_000  # images of the seed, as of `minigan sample`
MOST_BODY = 4_096  # bytes of a request: some numbers
DRAINED = 2**20  # bytes of a larger one that are read before it is refused, so that the answer arrives
SECONDS = 30.0  # that a connection may say nothing
Answer = tuple[str, bytes]  # type and content


class Refused(Exception):
    """A request that is not answered, with its status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class PlayServer(LocalServer):
    """Serves one generator. Raises OSError if the port is taken.

    title: what the page calls the generator
    """

    def __init__(self, player: Player, title: str, port: int = 0) -> None:
        super().__init__(Handler, port)
        self.player, self.page = player, PAGE.read_bytes()
        self.facts = {
            "title": title, "seed": SEED, "shape": player.G.output_shape, "classes": player.classes,
            "sliders": len(player.directions), "reach": REACH, "strip": BETWEEN + 2,
        }  # fmt: skip
        self.policy = content_security_policy(self.page.decode())


def content_security_policy(page: str) -> str:
    """The page's own script and style, by their hashes, and pictures of this server; nothing from anywhere else."""
    hashes = {
        tag: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        )
        for tag in ("script", "style")
    }
    return (
        f"default-src 'none'; script-src {hashes['script']}; style-src {hashes['style']}; img-src 'self' blob: data:; "
        f"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class Handler(BaseHTTPRequestHandler):
    """Answers requests for the page, for facts about the generator, and for pictures."""

    protocol_version = "HTTP/1.1"  # a connection serves many requests
    disable_nagle_algorithm = True  # or a short answer waits for 40 ms
    timeout = SECONDS
    server: PlayServer

    def do_GET(self) -> None:
        """The page, and /model: what it needs to know."""
        self._serve({"/": self._page, "/model": self._model})

    def do_POST(self) -> None:
        """/image and /strip: pictures of a wish, which is JSON."""
        self._serve({"/image": self._image, "/strip": self._strip})

    def _serve(self, known: dict[str, Callable[[bytes], Answer]]) -> None:
        try:
            body = self._body()
            refusal = self.server.refusal(self.headers)
            if refusal is not None:
                raise Refused(403, refusal)
            if self.path not in known:
                raise Refused(404, f"There is no {self.command} {self.path[:100]} here.")
            self._send(200, *known[self.path](body))
        except Refused as refused:
            self._send_sentence(refused.status, str(refused))
        except MiniganError as error:
            self._send_sentence(500, f"The generator makes no image of it: {error}.")

    def _page(self, body: bytes) -> Answer:
        return "text/html; charset=utf-8", self.server.page

    def _model(self, body: bytes) -> Answer:
        return "application/json", json.dumps(self.server.facts).encode()

    def _image(self, body: bytes) -> Answer:
        return "image/png", self.server.player.image(self._wish(body))

    def _strip(self, body: bytes) -> Answer:
        return "image/png", self.server.player.strip(self._wish(body))

    def _wish(self, body: bytes) -> Wish:
        return wish_of(body, len(self.server.player.directions), self.server.player.classes)

    def _body(self) -> bytes:
        """What came with the request."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,12}", length):
            self._refuse_body("A request needs a Content-Length in digits, and no Transfer-Encoding.")
        if int(length) > MOST_BODY:
            self.rfile.read(min(int(length), DRAINED))
            self._refuse_body(f"A request of {int(length):,} bytes: {MOST_BODY:,} are enough.")
        return self.rfile.read(int(length))

    def _refuse_body(self, sentence: str) -> NoReturn:
        self.close_connection = True  # where the next request begins is not known
        raise Refused(400, sentence)

    def _send_sentence(self, status: int, sentence: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        """All answers, also those of errors, keep the page apart from other sites."""
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def version_string(self) -> str:
        """Nobody needs to know which Python."""
        return "minigan"

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: a drag of a slider would fill the screen."""


def wish_of(body: bytes, sliders: int, classes: int) -> Wish:
    """The wish that a request holds. Raises Refused, with a sentence, for any other bytes.

    {"number": 3, "sliders": [0, 1.5, ...], "label": null, "other": 4}
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "The request is not JSON.") from None
    keys = {"number", "sliders", "label", "other"}
    if not isinstance(found, dict) or set(found) != keys:
        raise Refused(400, f"The request must have {', '.join(sorted(keys))}, and nothing else.")
    moves = found["sliders"]
    if not isinstance(moves, list) or len(moves) != sliders or not all(map(_is_move, moves)):
        raise Refused(400, f"sliders must be {sliders} numbers from {-REACH:g} to {REACH:g}.")
    label = found["label"]
    if classes == 0 and label is not None:
        raise Refused(400, "label must be null: this generator has no classes.")
    if classes > 0 and not _is_below(label, classes):
        raise Refused(400, f"label must be a whole number from 0 to {classes - 1}.")
    for name in ("number", "other"):
        if not _is_below(found[name], MOST_NUMBERS):
            raise Refused(400, f"{name} must be a whole number from 0 to {MOST_NUMBERS - 1:,}.")
    return Wish(found["number"], tuple(float(move) for move in moves), label, found["other"])


def _is_move(value: object) -> bool:
    """Not where it is true or false, which are numbers to Python; nor NaN, which is JSON to Python."""
    return type(value) in (int, float) and isinstance(value, int | float) and abs(value) <= REACH


def _is_below(value: object, most: int) -> bool:
    return type(value) is int and isinstance(value, int) and 0 <= value < most
