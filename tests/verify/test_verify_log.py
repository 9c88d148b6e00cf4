"""Check ``log``: against two proven claims, their roots and their log, all written byte by byte without claims/.

Provenance of the files: tests/site/make_claim_vectors.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import pytest

from claims.agreement.decode import decode_agreement
from claims.agreement.signatures import AgreementSignatures
from claims.base.errors import ClaimRejected, MalformedFile
from claims.claim.published import PublishedEntries
from claims.claim.roots import Roots
from claims.verify.claim import check_claim, verify_claim
from claims.verify.log import log_trust
from claims.verify.roots import check_roots

FOLDER = Path(__file__).resolve().parents[1] / "site" / "vectors"


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


TERMS = decode_agreement(read("agreement.bin"))
SIGNATURES = AgreementSignatures.decode(read("agreement.sigs"))
CLAIM, ROOTS = read("alpha-0.claim"), read("alpha-0.roots")
NOW = TERMS.period_span(1)[1]


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
    return check_claim(
        claim, TERMS, signatures=SIGNATURES, published=PublishedEntries(TERMS, enumerate(published)), roots=roots, now=NOW
    )[0]


def rejected(words: str, *args: object, **more: object) -> None:
    with pytest.raises(ClaimRejected, match=words) as caught:
        verify(*args, **more)  # type: ignore[arg-type]
    assert caught.value.check == "log"


def test_a_published_claim_is_proven() -> None:
    report = verify(entries())
    assert report.proven


def test_the_next_period_too() -> None:
    report, _ = check_claim(
        read("alpha-1.claim"), TERMS, signatures=SIGNATURES, previous=[CLAIM],
        published=PublishedEntries(TERMS, enumerate(entries())), roots=read("alpha-1.roots"),
        previous_roots=[read("alpha-0.roots")], now=NOW,
    )  # fmt: skip
    assert report.proven


def test_without_the_log_nothing_is_proven() -> None:
    for report, kind in ((verify_claim(CLAIM, TERMS, signatures=SIGNATURES, now=NOW), "log"), (verify(entries(), None), "roots")):
        assert report.word == "INCOMPLETE" and [item.kind for item in report.missing] == [kind]


def test_every_entry_of_the_period_is_needed() -> None:
    all_entries = entries()
    needed = 0
    for at in range(len(all_entries)):
        kept = all_entries[:at] + all_entries[at + 1 :]
        try:
            needed += not verify(kept).proven
        except ClaimRejected as error:
            assert error.check == "log"
            needed += 1
    epochs = TERMS.epochs_per_period
    assert needed == epochs + 1, "one for each epoch of the period, and the claim's"


def test_another_roots_file_does_not_stand_for_the_logged_one() -> None:
    """It accuses nobody: the one that the log names is missing, and named."""
    for other in (ROOTS[:-1] + bytes([ROOTS[-1] ^ 1]), read("alpha-1.roots"), b""):
        report = verify(entries(), other)
        assert [item.kind for item in report.missing] == ["roots"] and hashlib.sha256(ROOTS).hexdigest() in report.lines()[1]


def test_roots_that_the_log_names_must_still_fit() -> None:
    """The lab publishes whatever it likes: what the meters signed decides."""
    from claims.verify.claim import parse_claim

    published, claim, roots = PublishedEntries(TERMS, enumerate(entries())), parse_claim(CLAIM), Roots.decode(ROOTS)
    check_roots(claim, [io.BytesIO(roots.encode())], published)
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
            check_roots(claim, [io.BytesIO(bad.encode())], published)


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


