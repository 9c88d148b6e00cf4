"""With a log, a claim goes on from the claim that the log names, and from no other that the lab has signed."""

from __future__ import annotations

import hashlib

import pytest
import world

import tests.status.test_status_log as test_status_log
import tests.verify.test_verify as test_verify
from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.agreement.signatures import sign_agreement, sign_ledger_head
from claims.base.errors import ClaimRejected
from claims.claim.commitments import lab_epoch_root, roots_digest
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, EpochEntry
from claims.claim.file import Claim, MeterHead
from claims.claim.published import PublishedEntries
from claims.claim.roots import Roots
from claims.verify.claim import check_claim
from claims.verify.report import Verdict
from tests.status.test_status_log import METERS, REGIME, ROOTS, SEEDS, TERMS, TEXT

proofs = test_verify.proofs
AMENDS = f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = 1\n\n[pause]'
BESIDE = Roots(TERMS.digest, "alpha", 0, 0, 3, tuple((name, ROOTS) for name in METERS)).encode()
FIRST = test_status_log.claim()
"""The claim that alpha logged for period 0."""
OTHER = test_status_log.claim(proof=b"another")


def logged(terms: Agreement, claim: Claim, roots: bytes = BESIDE) -> bytes:
    digests = (hashlib.sha256(data).digest() for data in (claim.encode(), roots))
    return encode_entry(sign_entry(world.key(1), ClaimEntry(terms.digest, "alpha", claim.period, *digests)))


def verify(terms: Agreement, entries: list[bytes], previous: Claim = FIRST, accepted: bool = False) -> Verdict:
    """Alpha's claim of period 1 with its own part of the log, on top of ``entries`` and a previous claim."""
    digest = roots_digest(ROOTS)
    meters = tuple(
        MeterHead(name, world.head(9), digest, sign_ledger_head(world.key(seed), terms.digest, "alpha", name, 1, world.head(9), digest))
        for name, seed in world.METERS.items()
    )
    claim = world.claim(terms, 1, meters=meters)
    roots = Roots(terms.digest, "alpha", 1, 4, 7, tuple((name, ROOTS) for name in METERS)).encode()
    own = [
        EpochEntry(under.digest, "alpha", epoch, lab_epoch_root([(name, ROOTS[epoch % 4]) for name in METERS]), bytes(32))
        for epochs, under in ((range(4), TERMS), (range(4, 8), terms))
        for epoch in epochs
    ]
    shown = [*entries, *(encode_entry(sign_entry(world.key(1), entry)) for entry in own), logged(terms, claim, roots)]
    signatures = None
    for seed in SEEDS.values():
        signatures = sign_agreement(world.key(seed), terms, signatures)
    return check_claim(
        claim.encode(), terms, signatures=signatures, previous=[previous.encode()], previous_agreements=[TERMS],
        previous_accepted=accepted, published=PublishedEntries(terms, enumerate(shown)), roots=roots,
        previous_roots=[BESIDE], now=terms.period_span(1)[1],
    )[0]  # fmt: skip


def missing(verdict: Verdict) -> tuple[str, str]:
    """The one thing that is missing: its kind, and the line about it."""
    (item,) = verdict.missing
    return item.kind, item.line()


@pytest.mark.parametrize("terms", [TERMS, parse_agreement(TEXT.replace("[pause]", AMENDS))], ids=["alone", "amended"])
def test_only_the_logged_claim_is_gone_on_from(terms: Agreement) -> None:
    assert verify(terms, [logged(TERMS, FIRST)]).proven
    with pytest.raises(ClaimRejected, match="two different versions") as caught:
        verify(terms, [logged(TERMS, FIRST), logged(TERMS, OTHER)])
    assert caught.value.check == "continuity"
    kind, line = missing(verify(terms, []))
    assert kind == "entry" and "alpha's claim for period 0, which this copy of the log has not" in line
    assert verify(terms, [], accepted=True).proven, "accepted before, perhaps with a longer log"
    for accepted in (False, True):
        kind, line = missing(verify(terms, [logged(TERMS, OTHER)], accepted=accepted))
        assert kind == "previous" and hashlib.sha256(OTHER.encode()).hexdigest() in line


def test_another_log_before_the_amendment_is_not_checked() -> None:
    moved = parse_agreement(TEXT.replace("[pause]", AMENDS).replace(world.public(50), world.public(51)))
    assert missing(verify(moved, []))[0] == "previous log"
    assert verify(moved, [], accepted=True).proven


def test_an_amendment_without_a_log_does_not_hide_that_one_was_agreed() -> None:
    """A lab that logged one claim could go on from another, had the log not to be asked for once the amendment drops it."""
    plain = parse_agreement(TEXT.replace(REGIME, "").replace("[pause]", AMENDS))
    assert missing(verify(plain, [logged(TERMS, OTHER)]))[0] == "previous log"
    assert verify(plain, [], accepted=True).proven
