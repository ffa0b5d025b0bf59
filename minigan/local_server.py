"""A server for a page on this machine alone: what `minigan play` and `minigan watch` share."""

import os
import sys
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from socketserver import TCPServer

HOST = "127.0.0.1"


class LocalServer(ThreadingHTTPServer):
    """Listens on a port of 127.0.0.1, any free one for port 0. Raises OSError if the port is taken."""

    allow_reuse_address = os.name != "nt"  # there, it would take a port that another program uses

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__((HOST, port), handler)
        names = [f"{name}:{self.server_port}" for name in (HOST, "localhost")]
        self.hosts = {*names, HOST, "localhost"} if self.server_port == 80 else {*names}  # browsers leave 80 out

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://{HOST}:{self.server_port}/"

    def refusal(self, headers: Message) -> str | None:
        """Why a request with these headers is not answered; None if it is one of the page's own. Another site's page
        may send requests here, too: by its own name for 127.0.0.1, or with its own Origin.
        """
        hosts = [host.lower() for host in headers.get_all("Host", [])]
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return f"Only requests to {self.address} are answered."
        origins = [origin.lower().removeprefix("http://") for origin in headers.get_all("Origin", [])]
        if not all(origin in self.hosts for origin in origins):
            return f"Only requests of the page {self.address} are answered."
        return None

    def server_bind(self) -> None:
        """As of any server; HTTPServer would also ask the network for the name of this machine."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """A page that was closed while it was answered is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
