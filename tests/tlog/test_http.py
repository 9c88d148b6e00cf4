"""Logs on a web host: the same result as from the folder, and hosts that misbehave."""

from __future__ import annotations

import gzip
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from claims.tlog.cosign import cosign
from claims.tlog.errors import LogError
from claims.tlog.evidence import LogFork
from claims.tlog.memory import LogMemory
from claims.tlog.reader import open_log
from claims.tlog.source import HttpSource, open_source
from claims.tlog.tiles import TILE_BYTES
from tests.tlog import logs


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers = []

    def start(handler: Any) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answering(reply: Callable[[BaseHTTPRequestHandler], None]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            reply(self)

        def log_message(self, *arguments: Any) -> None:
            pass

    return Handler


def send(handler: BaseHTTPRequestHandler, status: int, data: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content_Length": str(len(data)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(data)


def test_a_web_host_and_a_folder_show_the_same(tmp_path: Path, serve: Callable[..., str]) -> None:
    folder = logs.make(tmp_path / "site" / "log", 3, 1, 300, 2)
    for name, when in (("alpha", 1000), ("beta", 1100)):
        logs.cosigned(folder, name, when)
    address = serve(partial(Quiet, directory=str(tmp_path / "site"))) + "log/"
    here, there = open_log(folder, logs.trust(2)), open_log(address, logs.trust(2))
    assert there.entries == here.entries and there.root == here.root and there.check_tiles() == 3
    assert there.committed_time(5) == here.committed_time(5) == 1100 and sorted(there.history()) == sorted(here.history())
    assert open_log(address.rstrip("/"), logs.trust(2)).size == 306
    logs.extend(folder, b"later")
    assert (open_log(address, logs.trust(2)).size, open_log(address, logs.trust(2)).newest.head.size) == (306, 307)


def test_cosigning_from_afar(tmp_path: Path, serve: Callable[..., str]) -> None:
    folder = logs.make(tmp_path / "log", 3)
    address = serve(partial(Quiet, directory=str(folder)))
    memory = LogMemory.load(tmp_path / "memory", logs.trust())
    note = cosign(address, logs.key(101), "alpha", memory, 77)
    assert len(note.signatures) == 3 and open_log(folder, logs.trust()).signed.times == {}
    other = logs.make(tmp_path / "other")
    logs.extend(other, b"x", b"y", b"z")
    with pytest.raises(LogFork):
        cosign(serve(partial(Quiet, directory=str(other))), logs.key(101), "alpha", memory, 78)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host/", "file:///etc/passwd", "http://", "http:///x", "http://user@host/", "http://user:pass@host/", "http://h/?q",
        "http://h/#f", "http://h:99999/", "http://h:x/", "http://[::1/", "http://h/a b", "http://h/\u00e9", "http://h/\r\nX: y", "gopher://h/",
    ],
)
def test_addresses_that_cannot_be(address: str) -> None:
    with pytest.raises(LogError):
        open_source(address)


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "https://127.0.0.1/", "http://127.0.0.2/", "http://localhost:1/", "//evil/", "http://["]
)
def test_redirects_elsewhere_are_refused(serve: Callable[..., str], target: str) -> None:
    address = serve(answering(lambda handler: send(handler, 302, Location=target)))
    with pytest.raises(LogError, match="redirects to"):
        HttpSource(address, 60, 120).read("checkpoint", 100)


def test_redirects_within_the_host(serve: Callable[..., str]) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        if handler.path == "/log/checkpoint":
            send(handler, 301, Location="/moved/checkpoint")
        elif handler.path == "/moved/checkpoint":
            send(handler, 200, b"here")
        else:
            send(handler, 302, Location=handler.path)

    source = HttpSource(serve(answering(reply)) + "log", 60, 120)
    assert source.read("checkpoint", 100) == b"here"
    with pytest.raises(LogError, match="too many redirects"):
        source.read("loop", 100)


@pytest.mark.parametrize(
    ("status", "data", "headers"),
    [
        (200, b"x" * 101, {}), (500, b"", {}), (403, b"", {}), (206, b"x", {}), (200, b"x", {"Content_Encoding": "br"}),
        (200, b"not gzip", {"Content_Encoding": "gzip"}), (200, gzip.compress(bytes(10**6)), {"Content_Encoding": "gzip"}),
        (200, gzip.compress(b"x")[:-1], {"Content_Encoding": "gzip"}), (200, gzip.compress(b"x") + b"y", {"Content_Encoding": "gzip"}),
        (200, b"x", {"Content_Length": "1000"}), (200, b"x", {"Content_Length": "999999999999999999"}),
    ],
)
def test_answers_that_are_refused(serve: Callable[..., str], status: int, data: bytes, headers: dict[str, str]) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        send(handler, status, data, **headers)
        handler.close_connection = True

    with pytest.raises(LogError):
        HttpSource(serve(answering(reply)), 1, 3).read("checkpoint", 100 if len(data) < 1000 else 2000)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", ""])
def test_the_limit_is_for_decoded_bytes(serve: Callable[..., str], coding: str, chunked: bool) -> None:
    """A full tile of hashes does not compress: gzip makes it longer than a tile may be. What unpacks to more is refused."""
    tile, bomb = random.Random(1).randbytes(TILE_BYTES), bytes(20 * TILE_BYTES)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        data = tile if handler.path == "/tile" else tile + b"x" if handler.path == "/long" else bomb
        data = gzip.compress(data) if coding else data
        headers = {"Content_Encoding": coding} if coding else {}
        if not chunked:
            return send(handler, 200, data, **headers)
        handler.send_response(200)
        for name, value in {"Transfer-Encoding": "chunked", **{k.replace("_", "-"): v for k, v in headers.items()}}.items():
            handler.send_header(name, value)
        handler.end_headers()
        for at in range(0, len(data), 1000):
            piece = data[at : at + 1000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    assert len(gzip.compress(tile)) > TILE_BYTES
    source = HttpSource(serve(answering(reply)), 60, 120)
    assert source.read("tile", TILE_BYTES) == tile
    for path in ("long", "bomb"):
        with pytest.raises(LogError, match="larger than"):
            source.read(path, TILE_BYTES)


def test_absent_gzip_and_kept_connections(serve: Callable[..., str]) -> None:
    connections = set()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        connections.add(handler.client_address)
        if handler.path == "/none":
            send(handler, 404, b"sorry" * 1000)
        else:
            send(handler, 200, gzip.compress(b"packed"), Content_Encoding="gzip")

    source = HttpSource(serve(answering(reply)), 60, 120)
    assert source.read("none", 100) is None and source.read("a", 100) == b"packed" and source.read("b", 100) == b"packed"
    assert len(connections) == 1
    source.close()
    assert source.read("c", 100) == b"packed"


@pytest.mark.parametrize("where", ["headers", "body", "closing body"])
def test_a_host_that_drips_is_cut_off(serve: Callable[..., str], where: str) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        rest = b"X-A: " if where == "headers" else b"Content-Length: 1000000\r\nConnection: close\r\n\r\n"
        handler.wfile.write((b"HTTP/1.0" if where == "closing body" else b"HTTP/1.1") + b" 200 OK\r\n" + rest)
        try:
            while True:
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.1)
        except OSError:
            pass

    with pytest.raises(LogError):
        HttpSource(serve(answering(reply)), timeout=1, deadline=0.7).read("checkpoint", 2**20)


def test_all_files_together_have_a_budget(serve: Callable[..., str]) -> None:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.2)
        send(handler, 200, b"x")

    source = HttpSource(serve(answering(reply)), timeout=60, deadline=60, budget=60)
    assert source.read("a", 10) == b"x" and source._host._budget <= 59.8
    for left in (0.05, 0.0):
        source._host._budget = left
        with pytest.raises(LogError):
            source.read("a", 10)


def test_a_host_that_says_nothing_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        source = HttpSource(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=0.3, deadline=5)
        with pytest.raises(LogError):
            source.read("checkpoint", 100)
    with pytest.raises(LogError):
        source.read("checkpoint", 100)  # nobody listens any more


@pytest.mark.parametrize("data", [b"x\n", b"-1\n", b"01\n", b"1\r\n", b"\n", b"\xff\n", b"1 \n", b"9" * 30 + b"\n"])
def test_hostile_lists_of_sizes(serve: Callable[..., str], data: bytes) -> None:
    with pytest.raises(LogError):
        HttpSource(serve(answering(lambda handler: send(handler, 200, data))), 60, 120).sizes()


def test_a_hidden_list_of_sizes_hides_dates_only(tmp_path: Path, serve: Callable[..., str]) -> None:
    folder = logs.make(tmp_path / "log", 3)
    logs.cosigned(folder, "alpha", 10)
    logs.extend(folder, b"x")
    logs.cosigned(folder, "alpha", 20)
    address = serve(partial(Quiet, directory=str(folder)))
    assert open_log(address, logs.trust(1)).committed_time(0) == 10
    (folder / "checkpoints/sizes").write_bytes(b"0\n4\n")
    assert open_log(address, logs.trust(1)).committed_time(0) == 20
