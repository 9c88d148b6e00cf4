"""Clients that wear a witness down."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

import claims.tlog.witness as module
from claims.tlog.add_checkpoint import REQUEST_LIMIT
from claims.tlog.witness import BURST
from claims.tlog.witness_server import ADDRESS_CONNECTIONS
from tests.tlog import logs
from tests.tlog.witnesses import asked, post, served, show, witness

FIVE = logs.entries(0, 5)


def test_a_head_that_everybody_can_read_makes_no_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = witness(tmp_path / "w", ticks=lambda: 0.0)
    first = show(place, FIVE, 0)
    monkeypatch.setattr(module, "write_atomic", None)
    assert all(show(place, FIVE, 5) == first for _ in range(3 * BURST))


def test_a_log_that_signs_without_end(tmp_path: Path) -> None:
    ticks = [0.0]
    place = witness(tmp_path / "w", ticks=lambda: ticks[0])
    items: list[bytes] = []
    for number in range(BURST):
        items.append(b"%d" % number)
        assert show(place, items, number).status == 200
    assert show(place, [*items, b"x"], BURST).status == 429
    ticks[0] = 1.0
    assert (show(place, [*items, b"x"], BURST).status, show(place, [*items, b"x", b"y"], BURST + 1).status) == (200, 429)


@contextmanager
def connected(url: str, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    port = int(url.rstrip("/").rpartition(":")[2])
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    found = b""
    with suppress(ConnectionError):
        while data := connection.recv(65536):
            found += data
    return found


def patient(url: str, body: bytes) -> int:
    """The status of an answer, asked for again where this machine is too slow for the time that one request has."""
    while True:
        with suppress(OSError, http.client.HTTPException):
            return post(url, body)[0]


POST = b"POST /add-checkpoint HTTP/1.1\r\n"


@pytest.mark.parametrize("begin", [b"", b"P", POST + b"A: b\r\n", POST + b"Content-Length: 9999\r\n\r\nold"])
def test_a_client_that_drips(begin: bytes, tmp_path: Path) -> None:
    """Its time is for all of a request: a byte now and then gains none. Others are answered meanwhile."""
    place = witness(tmp_path / "w")
    with served(place, seconds=0.5) as server, connected(server.url) as connection:
        connection.sendall(begin)
        gone = threading.Event()

        def drip() -> None:
            while not gone.wait(0.05):
                with suppress(OSError):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert patient(server.url, asked(FIVE, 0)) == 200
        assert b"200" not in rest(connection)
        gone.set()
        dripping.join()


def test_a_request_without_end(tmp_path: Path) -> None:
    """Headers without end, and a body that is too long: little is read, and the connection ends."""
    place = witness(tmp_path / "w")
    with served(place) as server:
        for text in (b"X: " + b"y" * 30_000 + b"\r\n", b"X: y\r\n" * 90):
            with connected(server.url) as connection:
                connection.sendall(POST)
                with suppress(OSError):
                    for _ in range(20):
                        connection.sendall(text)
                assert b" 200 " not in rest(connection)
        assert post(server.url, bytes(REQUEST_LIMIT + 1))[0] == 413
        assert post(server.url, bytes(REQUEST_LIMIT))[0] == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [("", 411), ("Content-Length: x", 411), ("Content-Length: -1", 411), ("Content-Length: 1\r\nContent-Length: 2", 411),
     ("Content-Length: 1, 1", 411), ("Content-Length: 99999999999", 411), ("Content-Length: 999999", 413),
     ("Transfer-Encoding: chunked", 411), ("Transfer-Encoding: chunked\r\nContent-Length: 1", 411), ("Content-Length: +1", 411)],
)  # fmt: skip
def test_lengths_that_two_servers_read_differently(headers: str, status: int, tmp_path: Path) -> None:
    with served(witness(tmp_path / "w")) as server, connected(server.url) as connection:
        connection.sendall(f"POST /add-checkpoint HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        assert rest(connection).startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "GET /add-checkpoint HTTP/1.1", "PUT /add-checkpoint HTTP/1.1", "\x00\xff", "POST"])
def test_what_is_no_request_is_not_repeated(line: str, tmp_path: Path) -> None:
    with served(witness(tmp_path / "w")) as server, connected(server.url) as connection:
        connection.sendall(line.encode("latin-1") + b"\r\nX: <script>\r\nConnection: close\r\n\r\n")
        answer = rest(connection)
        assert b"<script>" not in answer and b" 200 " not in answer


@pytest.mark.parametrize("path", ["/", "/add-checkpoint/", "/add-checkpoint?x", "/../add-checkpoint"])
def test_other_paths(path: str, tmp_path: Path) -> None:
    with served(witness(tmp_path / "w")) as server:
        assert post(server.url, asked(FIVE, 0), path)[0] == 404


def test_one_address_takes_not_all_the_room(tmp_path: Path) -> None:
    place = witness(tmp_path / "w")
    with served(place) as server:
        held = []
        try:
            for _ in range(ADDRESS_CONNECTIONS):
                connection = socket.create_connection(server.server_address[:2], timeout=60, source_address=("127.0.0.2", 0))
                connection.sendall(b"POST ")
                held.append(connection)
            with connected(server.url, "127.0.0.2") as more:
                assert rest(more) == b""
            assert post(server.url, asked(FIVE, 0))[0] == 200
            held.pop().close()
            for _ in range(1000):
                with connected(server.url, "127.0.0.2") as more, suppress(OSError):
                    more.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    if rest(more):
                        break
            else:
                pytest.fail("the room is not given back")
        finally:
            for connection in held:
                connection.close()
