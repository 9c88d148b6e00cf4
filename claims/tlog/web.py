"""Speaking to a web host, which is hostile: over HTTP(S) directly (no proxy), bounded in bytes and in time."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from claims.tlog.errors import LogError

__all__ = ["Answer", "Host"]

_PAGE_LIMIT = 64 * 1024
"""Bytes of an answer that is not what was asked for."""
_GZIP_EXTRA = 64 * 1024
"""Bytes that gzip's header may add to what does not compress; the limit of a file is for its decoded bytes."""


@dataclass(frozen=True)
class Answer:
    """What a host said: HTTP status, headers Content-Type and Location (empty where there is none), and the body, unpacked."""

    status: int
    kind: str
    location: str
    body: bytes


class Host:
    """A web host, and a connection to it that is kept.

    Args:
        address: ``http`` or ``https`` URL of a folder, without user, query and fragment. ``whose``: names it in a refusal.
        timeout: seconds for one network step; ``deadline``: seconds for one request; ``budget``: for all together.

    Raises:
        LogError: not such an address; it is not repeated, since it may hold a password.
    """

    def __init__(self, address: str, whose: str, timeout: float = 20.0, deadline: float = 60.0, budget: float = 1800.0) -> None:
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise LogError("not a web address") from None
        if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.query or parts.fragment:
            raise LogError(f"{whose}'s address is http:// or https://, a host and a path, and no more")
        if not address.isascii() or not address.isprintable() or " " in address:
            raise LogError(f"{whose}'s address is printable ASCII")
        self.address = address.rstrip("/") + "/"
        self.site = (parts.scheme, host, port)
        self._timeout, self._deadline, self._budget = timeout, deadline, budget
        self._connection: http.client.HTTPConnection | None = None

    def _connect(self) -> http.client.HTTPConnection:
        scheme, host, port = self.site
        if scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def ask(self, url: str, limit: int, body: bytes | None = None) -> Answer:
        """One request, GET or, with a body, POST; tried again once when a kept connection has gone. Redirects are not followed.

        Args:
            url: on this host. ``limit``: bytes of an answer of status 200.

        Raises:
            LogError: no connection, too slow, too long, broken off, or in a coding that was not asked for.
        """
        for kept in (self._connection is not None, False):
            if self._connection is None:
                self._connection = self._connect()
            if self._budget <= 0:
                raise LogError(f"{self.address}: the host is too slow")
            begin = time.monotonic()
            late = threading.Event()
            sockets: list[socket.socket] = []
            timer = threading.Timer(min(self._deadline, self._budget), _cut, (sockets, late))
            timer.daemon = True
            timer.start()
            try:
                if self._connection.sock is None:
                    self._connection.connect()
                sockets.append(self._connection.sock)  # the connection forgets it when an answer ends with the connection
                result = self._exchange(self._connection, url, limit, body)
                if late.is_set():
                    raise LogError(f"{url}: took too long")
                return result
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.close()
                if kept and isinstance(error, http.client.RemoteDisconnected | ConnectionError):
                    continue
                raise LogError(f"{url}: {str(error) or type(error).__name__}") from None
            except LogError:
                self.close()
                raise
            finally:
                timer.cancel()
                self._budget -= time.monotonic() - begin
        raise LogError(f"{url}: the host closed the connection")

    def _exchange(self, connection: http.client.HTTPConnection, url: str, limit: int, body: bytes | None) -> Answer:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {"Accept-Encoding": "gzip, identity", "User-Agent": "standstill"}
        connection.request("GET" if body is None else "POST", target, body, headers)
        response = connection.getresponse()
        coding = (response.getheader("Content-Encoding") or "identity").lower()
        most = limit if coding == "identity" else 2 * limit + _GZIP_EXTRA
        data = response.read((most if response.status == 200 else _PAGE_LIMIT) + 1)
        whole = response.isclosed() and not response.length
        if response.will_close or not whole:
            self.close()
        answer = Answer(response.status, response.getheader("Content-Type") or "", response.getheader("Location") or "", data)
        if response.status != 200:
            return answer
        if len(data) > most:
            raise LogError(f"{url}: larger than {limit} bytes")
        if response.length:
            raise LogError(f"{url}: the host broke off")
        if coding in ("gzip", "x-gzip"):
            return replace(answer, body=_gunzip(data, limit, url))
        if coding != "identity":
            raise LogError(f"{url}: content encoding {coding!r} was not asked for")
        return answer


def _gunzip(data: bytes, limit: int, url: str) -> bytes:
    engine = zlib.decompressobj(wbits=31)
    try:
        result = engine.decompress(data, limit + 1)
    except zlib.error:
        raise LogError(f"{url}: not gzip data") from None
    if len(result) > limit or not engine.eof or engine.unused_data:
        raise LogError(f"{url}: larger than {limit} bytes unpacked, or cut short")
    return result


def _cut(sockets: Sequence[socket.socket], late: threading.Event) -> None:
    """End a request that drips: the reader's next network step fails."""
    late.set()
    for item in sockets:
        with suppress(OSError):
            item.shutdown(socket.SHUT_RDWR)
