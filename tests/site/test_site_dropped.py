"""Files that a visitor brings to the page: every published kind is recognised, and what can be checked is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claims.agreement.decode import decode_agreement
from claims.agreement.model import canonical_bytes
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, JoulesEntry, LossEntry, TransferEntry
from claims.claim.evidence import TwoEntries
from claims.claim.receipts import Receipt
from tests.site.make_claim_vectors import ALPHA
from tests.site.page_node import PageNode, needs_node
from tests.site.vector_site import VECTORS, vector_entries, write_log, write_vector_site

pytestmark = needs_node
AGREEMENT = (VECTORS / "agreement.bin").read_bytes()
TERMS = decode_agreement(AGREEMENT)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PageNode, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("page") / "site"
    view = write_vector_site(folder)
    page = PageNode(folder)
    yield page, view
    page.close()


def signed(entry: Any) -> bytes:
    return encode_entry(sign_entry(ALPHA, entry))


def claim_entry(claim: bytes) -> bytes:
    return signed(ClaimEntry(TERMS.digest, "alpha", 0, claim, bytes(32)))


def kinds(folder: Path) -> dict[str, tuple[bytes, str, str]]:
    """Name to bytes, whether it is good, and words of the answer."""
    two = TwoEntries.of(claim_entry(bytes(32)), claim_entry(b"\1" * 32)).encode()
    same = TwoEntries.of(claim_entry(bytes(32)), claim_entry(bytes(32))).encode()
    sigs = (VECTORS / "agreement.sigs").read_bytes()
    head = (write_log(folder) / "checkpoint").read_bytes()
    transfer = TransferEntry(TERMS.digest, "alpha", "beta", 1, 1, 5 * 10**9, bytes(64))
    lines = {"author": "beta", "lab": "alpha", "period": 0, "outcome": "passed"}
    return {
        "the agreement": (AGREEMENT, "ok", TERMS.digest.hex()),
        "another agreement": (canonical_bytes(replace(TERMS, name="other")), "bad", "Another agreement"),
        "a damaged agreement": (AGREEMENT[:-1], "bad", "damaged"),
        "text of an agreement": (b'format = "standstill-agreement/3"\n', "none", "standstill agreement digest"),
        "its signatures": (sigs, "ok", "by all parties"),
        "damaged signatures": (sigs.replace(b'"signature": "', b'"signature": "0', 1), "bad", "damaged"),
        "roots": ((VECTORS / "alpha-0.roots").read_bytes(), "none", "byte for byte, as files/claims/alpha-0.roots"),
        "a log": ((VECTORS / "log.bundle").read_bytes(), "none", "The log"),
        "an entry": (vector_entries()[0], "ok", "A log entry by alpha"),
        "an entry by nobody": (vector_entries()[0][:-1] + b"\xff", "bad", "does not count"),
        "a loss": (signed(LossEntry(TERMS.digest, "alpha", "alpha", 1, "hall-a", 1, 2)), "ok", "hall-a of lab alpha is lost from"),
        "joules": (signed(JoulesEntry(TERMS.digest, "hall", 3, bytes(32))), "bad", "by feed hall: the joules of epoch 3, hidden"),
        "a transfer": (signed(transfer), "bad", "5e21 FLOP of its limit for period 1 go to beta"),
        "an accepted transfer": (b'{"format": "standstill-allowance/1"}', "none", "agreed to receive"),
        "opened joules": (b'{"format": "standstill-joules/1"}', "bad", "do not publish"),
        "a head": (head, "ok", "Cosigned by beta"),
        "a spoilt head": (head.replace(b"\n\xe2\x80\x94 ", b"\n\xe2\x80\x94 x", 1), "bad", "damaged"),
        "evidence": (two, "bad", "two different claims for period 0"),
        "no evidence": (same, "none", "shows nothing"),
        "a record": (json.dumps({"format": "standstill-inspection-record/2", **lines}).encode(), "none", "beta inspected lab alpha"),
        "a decision": (b'{"format": "standstill-decision/1"}', "bad", "does not count"),
        "a damaged receipt": (b'{"format": "standstill-receipt/1"}', "bad", "damaged"),
        "a receipt": (Receipt(claim_entry(bytes(32)), {}).encode(), "ok", "A receipt of a log entry by alpha"),
        "a receipt of nobody's entry": (Receipt(claim_entry(bytes(32))[:-1] + b"\xff", {}).encode(), "bad", "does not count"),
        "a round": (b'{"round": 5, "signature": "00"}', "none", "Round 5"),
        "a key": (b"-----BEGIN PRIVATE KEY-----\n", "bad", "Do not publish"),
    }


def test_every_published_kind_is_recognised(site: tuple[PageNode, dict[str, Any]], tmp_path: Path) -> None:
    page, view = site
    given = kinds(tmp_path)
    case = {"site": json.dumps(view), "now": view["computed_at"]}
    answers = page.verdicts([case | {"bring": data} for data, _, _ in given.values()])
    for (name, (_, kind, words)), found in zip(given.items(), answers, strict=True):
        assert found["kind"] == kind and words in " ".join([found["title"], *found["lines"]]), (name, found)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 9999, b"\xff" * 99, b"hello", b"standstill-claim"])
def test_other_bytes_are_no_claim(site: tuple[PageNode, dict[str, Any]], data: bytes) -> None:
    page, view = site
    (found,) = page.verdicts([{"site": json.dumps(view), "now": view["computed_at"], "bring": data}])
    assert found["verdict"] == "REJECTED" and found["check"] == "format"
