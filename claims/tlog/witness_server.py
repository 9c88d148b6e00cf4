"""A witness over HTTP, for whoever reaches it: bounded in bytes, time and connections. One process, a thread for each connection.

TLS is for the web server in front of it. What a witness says is signed: without TLS nobody can forge it, only hold it back.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from claims.base.errors import ClaimsError, UnreadableFile
from claims.tlog.add_checkpoint import PATH, REQUEST_LIMIT
from claims.tlog.witness import Reply, Witness

__all__ = ["ADDRESS_CONNECTIONS", "CONNECTIONS", "WitnessServer"]

CONNECTIONS, ADDRESS_CONNECTIONS = 128, 16
"""Connections at a time: altogether, and of one address (not of this machine, where the web server in front of it is)."""
_HEADERS_LIMIT = 16 * 1024
_LENGTH = re.compile(r"0|[1-9][0-9]{0,8}")


class _Bounded:
    """What a client sends: not a byte more than a request may have."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, 0

    def renew(self) -> None:
        self._left = _HEADERS_LIMIT + REQUEST_LIMIT

    def _take(self, size: int, read: Callable[[int], bytes]) -> bytes:
        data = read(min(size, self._left))
        self._left -= len(data)
        return data

    def read(self, size: int) -> bytes:
        return self._take(size, self._file.read)

    def readline(self, size: int) -> bytes:
        return self._take(size, self._file.readline)

    def close(self) -> None:
        self._file.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "standstill", ""
    disable_nagle_algorithm = True  # else the body waits for the other side to acknowledge the headers
    error_content_type, error_message_format = "text/plain; charset=utf-8", "%(code)d\n"
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self.rfile: Any = _Bounded(self.rfile)

    def handle(self) -> None:
        """Requests of one connection, each cut off when its time is over: also one that drips, or reads no answer."""
        self.close_connection = False
        while not self.close_connection:
            self.close_connection = True
            timer = threading.Timer(self.server.seconds, _cut, (self.connection,))
            timer.daemon = True
            timer.start()
            self.rfile.renew()
            try:
                self.handle_one_request()
            except OSError:
                return
            finally:
                timer.cancel()

    def do_POST(self) -> None:
        """Any other method is answered with 501 by the base class."""
        length = self.headers.get_all("Content-Length") or []
        if self.path != f"/{PATH}":
            self._answer(Reply.of(404, f"a witness takes /{PATH} alone"), last=True)
        elif self.headers.get("Transfer-Encoding") is not None or len(length) != 1 or _LENGTH.fullmatch(length[0]) is None:
            self._answer(Reply.of(411, "say the length of the request, once, and send it in one piece"), last=True)
        elif int(length[0]) > REQUEST_LIMIT:
            self._answer(Reply.of(413, f"a request has at most {REQUEST_LIMIT} bytes"), last=True)
        else:
            body = self.rfile.read(int(length[0]))
            if len(body) == int(length[0]):
                self._answer(self.server.reply(body))

    def _answer(self, reply: Reply, *, last: bool = False) -> None:
        """``last``: what the client still sends is not read."""
        self.close_connection = self.close_connection or last
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what a witness does is told by itself."""


class WitnessServer(ThreadingTCPServer):
    """Call ``serve_forever`` and, from another thread, ``shutdown``.

    Args:
        listen: ``HOST:PORT``, of IPv6 ``[HOST]:PORT``; port 0 takes a free one.
        clock: Unix seconds. ``tell``: is told what went wrong here.
        seconds: that one request may take, from its first byte to the last one of the answer.

    Raises:
        UnreadableFile: the address cannot be had.
    """

    allow_reuse_address, daemon_threads, block_on_close, request_queue_size = True, True, False, CONNECTIONS

    def __init__(
        self, listen: str, witness: Witness, clock: Callable[[], int], tell: Callable[[str], None], seconds: float = 10.0
    ) -> None:
        self._witness, self._clock, self._tell, self.seconds = witness, clock, tell, seconds
        self._lock = threading.Lock()
        self._open: dict[socket.socket, str] = {}
        host, _, port = listen.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, int(port)), _Handler)
        except (OSError, OverflowError, ValueError) as error:
            raise UnreadableFile(f"{listen}: {error}", "write it as 127.0.0.1:7380") from None

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        return f"http://[{host}]:{port}/" if self.address_family == socket.AF_INET6 else f"http://{host}:{port}/"

    def reply(self, body: bytes) -> Reply:
        """The witness's answer; of what fails here nothing is said to the client."""
        try:
            return self._witness.add_checkpoint(body, self._clock())
        except ClaimsError as error:
            self._tell(str(error))
            return Reply.of(500, "this witness cannot cosign now")

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more connection."""
        host = client_address[0]
        with self._lock:
            few = len(self._open) < CONNECTIONS
            if host not in ("127.0.0.1", "::1"):
                few = few and list(self._open.values()).count(host) < ADDRESS_CONNECTIONS
            if few:
                self._open[request] = host
        return few

    def shutdown_request(self, request: Any) -> None:
        """End a connection, and give back its room."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Instead of a traceback: what a client can cause by itself ends before this."""
        self._tell(f"a request failed: {sys.exc_info()[1]!r}")


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
