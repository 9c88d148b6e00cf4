"""Witnesses for tests: one that answers in this process, requests made by hand, servers that run in a thread."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from claims.tlog.add_checkpoint import AddCheckpoint
from claims.tlog.checkpoint import LogTrust
from claims.tlog.proof import consistency_proof
from claims.tlog.witness import Reply, Witness
from claims.tlog.witness_server import WitnessServer
from tests.tlog import logs

NAME, SEED = "witness.example/w1", 110
KEY = logs.key(SEED)
NOW = 1_767_225_600
BARE = LogTrust(logs.ORIGIN, logs.public(100))
KNOWN = LogTrust(logs.ORIGIN, logs.public(100), {NAME: logs.public(SEED)}, 1)


def told(text: str) -> None:
    """What a witness says goes nowhere."""


def witness(folder: Path, *trust: LogTrust, **more: object) -> Witness:
    """A witness of the test log, or of these, whose memory is in the folder."""
    folder.mkdir(exist_ok=True)
    known = trust or (BARE,)
    for one in known:
        Witness.begin(folder, one)
    return Witness(NAME, more.pop("key", KEY), folder, known, more.pop("tell", told), **more)  # type: ignore[arg-type]


def asked(items: Sequence[bytes], old: int, note: bytes | None = None, proof: Sequence[bytes] | None = None) -> bytes:
    """A request about the head over these entries."""
    found = consistency_proof(logs.hashes(list(items)), old) if proof is None else proof
    return AddCheckpoint(old, tuple(found), logs.signed(list(items)) if note is None else note).encode()


def show(place: Witness, items: Sequence[bytes], old: int, now: int = NOW) -> Reply:
    """The answer to :func:`asked`."""
    return place.add_checkpoint(asked(items, old), now)


@contextmanager
def served(place: Witness, now: int = NOW, seconds: float = 60.0, listen: str = "127.0.0.1:0") -> Iterator[WitnessServer]:
    """A server of the witness, in a thread."""
    with WitnessServer(listen, place, lambda: now, told, seconds) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def post(url: str, body: bytes, path: str = "/add-checkpoint", **headers: str) -> tuple[int, bytes, str]:
    """Status, body and content type of one answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=560)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Content-Type") or ""
    finally:
        connection.close()
