"""Check ``log``: against two proven claims, their roots and their log, all written byte by byte without claims/.

Provenance of the files: tests/site/make_claim_vectors.py.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from claims.agreement_codec import decode as decode_agreement
from claims.errors import ClaimRejected, MalformedFile
from claims.roots import Roots
from claims.signatures import AgreementSignatures
from claims.verify import log_trust, verify_claim

FOLDER = Path(__file__).resolve().parents[1] / "site" / "vectors"


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


TERMS = decode_agreement(read("agreement.bin"))
SIGNATURES = AgreementSignatures.decode(read("agreement.sigs"))
CLAIM, ROOTS = read("alpha-0.claim"), read("alpha-0.roots")


def entries() -> list[bytes]:
    """The entries of the bundle: magic, u16 1, u16 heads as u32-blobs, u32 entries as u16-blobs."""
    data, at = read("log.bundle"), len(b"standstill-log-bundle") + 2
    heads, at = int.from_bytes(data[at : at + 2], "big"), at + 2
    for _ in range(heads):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    count, at = int.from_bytes(data[at : at + 4], "big"), at + 4
    found = []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 2], "big")
        found.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    assert at == len(data)
    return found


def verify(published: list[bytes], roots: bytes | None = ROOTS, claim: bytes = CLAIM):
    view = SimpleNamespace(entries=published)
    return verify_claim(claim, TERMS, signatures=SIGNATURES, log=view, roots=roots)  # type: ignore[arg-type]


def rejected(words: str, *args: object, **more: object) -> None:
    with pytest.raises(ClaimRejected, match=words) as caught:
        verify(*args, **more)  # type: ignore[arg-type]
    assert caught.value.check == "log"


def test_a_published_claim_is_proven() -> None:
    report = verify(entries())
    assert report.proven and report.evidence.log == "checked"


def test_the_next_period_too() -> None:
    report = verify_claim(
        read("alpha-1.claim"), TERMS, signatures=SIGNATURES, previous=[CLAIM],
        log=SimpleNamespace(entries=entries()), roots=read("alpha-1.roots"),  # type: ignore[arg-type]
    )  # fmt: skip
    assert report.proven


def test_without_the_log_nothing_is_proven() -> None:
    report = verify_claim(CLAIM, TERMS, signatures=SIGNATURES)
    assert not report.proven and any("log: NOT CHECKED" in line for line in report.limitations())
    assert verify(entries(), None).evidence.log == "not checked"


def test_every_entry_of_the_period_is_needed() -> None:
    all_entries = entries()
    needed = 0
    for at in range(len(all_entries)):
        kept = all_entries[:at] + all_entries[at + 1 :]
        try:
            verify(kept)
        except ClaimRejected as error:
            assert error.check == "log"
            needed += 1
    epochs = TERMS.epochs_per_period
    assert needed == epochs + 1, "one for each epoch of the period, and the claim's"


def test_another_roots_file_is_rejected() -> None:
    rejected("another roots file", entries(), ROOTS[:-1] + bytes([ROOTS[-1] ^ 1]))
    rejected("another roots file", entries(), read("alpha-1.roots"))
    rejected("another roots file", entries(), b"")


def test_roots_that_the_log_names_must_still_fit() -> None:
    """The lab publishes whatever it likes: what the meters signed decides."""
    from claims.entries import PublishedEntries
    from claims.verify import _check_roots, parse_claim

    published, claim, roots = PublishedEntries(TERMS, enumerate(entries())), parse_claim(CLAIM), Roots.decode(ROOTS)
    _check_roots(claim, TERMS, roots, published)
    (name, first), *others = roots.meters
    swapped = (first[1], first[0], *first[2:])
    cases = [
        (dataclasses.replace(roots, meters=((name, swapped), *others)), "signed other epoch roots"),
        (dataclasses.replace(roots, period=1), "another claim"),
        (dataclasses.replace(roots, agreement_digest=bytes(32)), "another claim"),
        (dataclasses.replace(roots, meters=tuple(others)), "other meters"),
    ]
    for bad, words in cases:
        with pytest.raises(ClaimRejected, match=words):
            _check_roots(claim, TERMS, bad, published)


def test_roots_files_are_canonical() -> None:
    assert Roots.decode(ROOTS).encode() == ROOTS
    for at in range(0, len(ROOTS) + 1, 7):
        with pytest.raises(MalformedFile):
            Roots.decode(ROOTS[:at] if at < len(ROOTS) else ROOTS + b"\0")
    huge = ROOTS[: len(ROOTS) - 2]
    with pytest.raises(MalformedFile):
        Roots.decode(huge[:70] + b"\xff" * 60)


def test_whom_a_verifier_trusts() -> None:
    trust = log_trust(TERMS)
    assert TERMS.log is not None and TERMS.log.operator not in trust.cosigners and trust.quorum == TERMS.log.cosignatures
    with pytest.raises(ClaimRejected, match="names no log"):
        log_trust(dataclasses.replace(TERMS, log=None, inspection=None))


