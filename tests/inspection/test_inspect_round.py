"""Rounds over https: from a server of our own, honest and hostile; and how large an opening may be."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from inspect_fixtures import ROUNDS

from claims.agreement.bounds import MAX_METERS
from claims.agreement.terms import Meter
from claims.base.errors import UnreadableFile
from claims.claim.commitments import ReadingOpening, Slot, SlotOpening, name_digest
from claims.claim.file import MeterHead
from claims.claim.records import Reading
from claims.inspection.beacon import MalformedRound, VerifiedRound, verify_round
from claims.inspection.binding import MAX_BINDING, Binding
from claims.inspection.draw import Committed, Drawn, load_round
from claims.inspection.file import OPENING_LIMIT, SLOTS_EACH, OpenedReading, OpenedSlot, Opening, opening_limit
from claims.inspection.terms import Draw

TEXT = json.dumps(next(item for item in ROUNDS if item["round"] == 1000)).encode()


class Drand(BaseHTTPRequestHandler):
    """Answers by path; keeps quiet on stderr."""

    def do_GET(self) -> None:
        body, status = TEXT, 200
        if self.path == "/missing":
            status = 404
        elif self.path == "/moved":
            status = 302
        elif self.path == "/endless":
            body = TEXT + b" " * 10**6
        elif self.path == "/page":
            body = b"<html>"
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/public/1000")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


def certificate(folder: Path) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ssl.SSLContext]]:
    pem = certificate(tmp_path_factory.mktemp("tls"))
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(pem)
    with ThreadingHTTPServer(("127.0.0.1", 0), Drand) as http:
        http.socket = inside.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, args=(0.05,))
        thread.start()
        yield f"https://127.0.0.1:{http.server_address[1]}", ssl.create_default_context(cafile=str(pem))
        http.shutdown()
        thread.join()


def test_a_round_from_the_web_is_verified_like_one_from_a_file(server: tuple[str, ssl.SSLContext]) -> None:
    address, context = server
    assert verify_round(load_round(f"{address}/public/1000", context=context)).number == 1000


ANSWERS = [("missing", UnreadableFile), ("moved", UnreadableFile), ("endless", MalformedRound), ("page", MalformedRound)]


@pytest.mark.parametrize("path, error", ANSWERS)
def test_other_answers_are_refused(server: tuple[str, ssl.SSLContext], path: str, error: type[Exception]) -> None:
    address, context = server
    with pytest.raises(error):
        load_round(f"{address}/{path}", context=context)


def test_an_unknown_authority_is_refused(server: tuple[str, ssl.SSLContext]) -> None:
    with pytest.raises(UnreadableFile, match="(?i)certificate"):
        load_round(f"{server[0]}/public/1000")


def test_nobody_there() -> None:
    with pytest.raises(UnreadableFile):
        load_round("https://127.0.0.1:9/public/1000", timeout=2.0)


def test_the_largest_possible_opening_fits_its_limit() -> None:
    """Longest names, paths of the largest trees, largest numbers."""
    big, path = 2**48 - 1, (b"\xff" * 32,) * 16
    reading = OpenedReading(
        "m" * 64, ReadingOpening(2**16 - 1, big, Reading(2**24 - 1, 2**24 - 1, big, big), b"\xff" * 32, path), b"\xff" * 64, path
    )
    name = "\U0001f600" * 200
    slot = OpenedSlot(
        name,
        SlotOpening(
            2**16 - 1,
            Slot(True, *(2**24 - 1,) * 6, 2**64 - 1, b"\xff" * 32, name_digest(name), b"\xff" * 32, 2**63),  # type: ignore[arg-type]
            b"\xff" * 32, path,
        ),
        (b"\xff" * 32, path),
    )  # fmt: skip
    bare = [Meter("l" * 64, "m" * 64, "h100", 1, bytes(32))] * MAX_METERS
    head = (2**31 - 2**24,) * 8
    proof = (None, b"\xff" * MAX_BINDING)
    binding = Binding((MeterHead("m" * 64, head, b"\xff" * 32, b"\xff" * 64),) * 2, head, b"\xff" * 32, b"\xff" * 64, (proof,))
    for draws, slots in ((1, 1), (64, 16), (4096, 4096)):
        opened = (slot,) * (SLOTS_EACH * (draws + slots))
        opening = Opening(bytes(32), "l" * 64, 2**24, 2**40, "t" * 64, (reading,) * draws, opened, binding, bytes(64))
        drawn = Drawn(Committed("l", 0, 0, {}), VerifiedRound(1, bytes(32)), (Draw("m", 0, 0),) * draws, (0,) * slots)
        assert len(opening.encode()) <= opening_limit(drawn, bare[:2]) <= opening_limit(drawn, bare) <= OPENING_LIMIT
    head_only = replace(opening, readings=(), slots=(), binding=replace(binding, meters=binding.meters[:1] * MAX_METERS))
    assert len(head_only.encode()) <= opening_limit(replace(drawn, draws=(), slots=()), bare)
    both = replace(head_only.binding.meters[0], signature=b"\xff" * 2484)
    head_only = replace(head_only, binding=replace(binding, meters=(both,) * MAX_METERS))
    periodic = [replace(meter, period_key=bytes(1312)) for meter in bare]
    limit = opening_limit(replace(drawn, draws=(), slots=()), periodic)
    assert opening_limit(replace(drawn, draws=(), slots=()), bare) < len(head_only.encode()) <= limit
