"""Asking exporters, which are hostile: bounded bytes, packed and unpacked, bounded time, no redirects, no proxy."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from claims.collect.errors import CollectError, PollFailed
from claims.collect.samples import Labels, Poll, Seen, read_chips
from claims.imports.exposition import NotExposition, parse_exposition

__all__ = ["MAX_ANSWER", "MAX_ENDPOINTS", "Endpoint", "Exporters", "fetch"]

MAX_ANSWER = 16 * 2**20
MAX_ENDPOINTS = 256
_CHUNK = 64 * 1024
_STEP_MS, _STEP_SHARE = 1000, 100
"""Clocks that disagree by more than a second and one hundredth of the time between two polls have been set."""
_GRACE = 0.5
"""Seconds for reading an answer that came just in time."""

Answer = tuple[dict[str, Seen], str]
"""Chips of one endpoint, and what is wrong (or an empty text)."""


@dataclass(frozen=True)
class Endpoint:
    """An address to poll: ``http`` or ``https``, host, port or None, and path with query."""

    scheme: str
    host: str
    port: int | None
    target: str

    @classmethod
    def of(cls, address: str) -> Endpoint:
        """Read an address; a bare host and port gets ``/metrics``. Raises CollectError."""
        hint = "write it like http://node1:9400/metrics"
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise CollectError(f"{address[:100]!r} is not a web address", hint) from None
        plain = address.isascii() and address.isprintable() and " " not in address
        if not plain or parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.fragment:
            raise CollectError(f"{address[:100]!r} is not a web address without user and fragment", hint)
        target = (parts.path if parts.path not in ("", "/") else "/metrics") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, host, port, target)

    def __str__(self) -> str:  # without the query, which may hold a password
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port is None else f":{self.port}") + self.target.partition("?")[0]

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """A connection that is not open yet."""
        if self.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)


def fetch(endpoint: Endpoint, timeout: float, limit: int = MAX_ANSWER) -> bytes:
    """The whole answer to one request, in at most ``timeout`` seconds altogether.

    Raises:
        PollFailed: no connection, too late, too long, cut off, another status than 200, or a coding other than gzip.
    """
    connection = endpoint.connect(timeout)
    late = threading.Event()
    sockets: list[socket.socket] = []
    timer = threading.Timer(timeout, _cut, (sockets, late))
    timer.daemon = True
    timer.start()
    try:
        connection.connect()
        sockets.append(connection.sock)  # the connection forgets it when the answer ends with the connection
        data = _exchange(connection, endpoint.target, limit, late)
    except PollFailed:
        if not late.is_set():
            raise
    except (OSError, http.client.HTTPException, ValueError) as error:
        if not late.is_set() and not isinstance(error, TimeoutError):
            raise PollFailed(f"no answer ({_reason(error)})") from None
        late.set()
    finally:
        timer.cancel()
        connection.close()
    if late.is_set():
        raise PollFailed(f"no answer within {timeout:g} s")
    return data


def _exchange(connection: http.client.HTTPConnection, target: str, limit: int, late: threading.Event) -> bytes:
    headers = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity", "User-Agent": "standstill"}
    connection.request("GET", target, headers=headers)
    response = connection.getresponse()
    if response.status != 200:
        raise PollFailed(f"the endpoint answers {response.status}")
    coding = (response.getheader("Content-Encoding") or "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip"):
        raise PollFailed("the answer is packed in a way that was not asked for")
    if response.length is None and not response.chunked:
        raise PollFailed("the answer does not say how long it is: a part that is missing would not show")
    data = bytearray()
    while not late.is_set():
        chunk = response.read(min(_CHUNK, limit + 1 - len(data)))
        data += chunk
        if len(data) > limit:
            raise PollFailed(f"the answer is longer than {limit} bytes")
        if not chunk:
            break
    if response.length:
        raise PollFailed("the answer is cut off")
    return bytes(data) if coding == "identity" else _unpacked(bytes(data), limit)


def _unpacked(data: bytes, limit: int) -> bytes:
    """The contents of one gzip member, of at most ``limit`` bytes. Raises PollFailed."""
    packed = zlib.decompressobj(wbits=31)
    try:
        text = packed.decompress(data, limit + 1)
    except zlib.error:
        raise PollFailed("the answer is not the gzip that it says it is") from None
    if len(text) > limit:
        raise PollFailed(f"the answer is longer than {limit} bytes")
    if not packed.eof or packed.unused_data:
        raise PollFailed("the answer's gzip is cut off, or more follows it")
    return text


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in str(text))[:100]


def _cut(sockets: Sequence[socket.socket], late: threading.Event) -> None:
    """End a request that drips: the reader's next network step fails."""
    late.set()
    for sock in sockets:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@dataclass
class Exporters:
    """All endpoints of one meter, polled together.

    Args:
        endpoints: addresses.
        labels: which labels name jobs.
        timeout: seconds for one endpoint's answer.
        max_age: ms; for samples that carry a timestamp.
        need_counter: chips without an energy counter count as missing.
        wall, monotonic: seconds; for tests.
    """

    endpoints: Sequence[Endpoint]
    labels: Labels
    timeout: float
    max_age: int
    need_counter: bool = True
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    _threads: dict[int, threading.Thread] = field(default_factory=dict, init=False)
    _before: tuple[int, int] | None = field(default=None, init=False)

    def poll(self) -> Poll:
        """Ask all endpoints now. Never raises for what they answer. Its time is that of the beginning."""
        now, steady = int(self.wall() * 1000), int(self.monotonic() * 1000)
        step = self._step(now, steady)
        answers = self._answers(now)
        chips: dict[str, Seen] = {}
        troubles: list[str] = []
        twice: set[str] = set()
        for endpoint, (found, trouble) in zip(self.endpoints, answers, strict=True):
            twice |= chips.keys() & found.keys()
            chips |= found
            if trouble:
                troubles.append(f"{endpoint}: {trouble}")
        if twice:
            troubles.append(f"chip {min(twice)} is shown by two endpoints")
        more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
        trouble = troubles[0][:300] + more if troubles else ""
        return Poll(now, {chip: seen for chip, seen in sorted(chips.items()) if chip not in twice}, trouble, step)

    def _answers(self, now: int) -> list[Answer]:
        """One answer per endpoint. A thread that is stuck (in a name server, a handshake) is left alone and not joined."""
        found: dict[int, Answer] = {}
        begin = time.monotonic()
        self._threads = {number: thread for number, thread in self._threads.items() if thread.is_alive()}
        for number, endpoint in enumerate(self.endpoints):
            if number not in self._threads:
                thread = threading.Thread(target=self._ask, args=(found, number, endpoint, now), daemon=True)
                self._threads[number] = thread
                thread.start()
        for thread in self._threads.values():
            thread.join(max(0.0, begin + self.timeout + _GRACE - time.monotonic()))
        late: Answer = ({}, f"no answer within {self.timeout:g} s")
        return [found.get(number, late) for number in range(len(self.endpoints))]

    def _ask(self, found: dict[int, Answer], number: int, endpoint: Endpoint, now: int) -> None:
        try:
            lines = parse_exposition(fetch(endpoint, self.timeout))
            found[number] = read_chips(lines, self.labels, now, self.max_age, need_counter=self.need_counter)
        except (PollFailed, NotExposition) as error:
            found[number] = {}, error.what

    def _step(self, now: int, steady: int) -> str:
        before, self._before = self._before, (now, steady)
        if before is None:
            return ""
        wall, passed = now - before[0], steady - before[1]
        return "the clock was set" if abs(wall - passed) > _STEP_MS + passed // _STEP_SHARE else ""
