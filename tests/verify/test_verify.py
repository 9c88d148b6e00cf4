"""Every check of a claim but the proof's own, each with the claim that it rejects. The proof verifier is replaced here by one
that notes its statement; tests/cli/test_cli.py proves and verifies for real."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
import world
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement.file import parse_agreement
from claims.agreement.model import Agreement
from claims.agreement.signatures import (
    AgreementSignatures,
    agreement_message,
    claim_message,
    ledger_head_message,
    registry_head_message,
    sign_agreement,
    sign_ledger_head,
)
from claims.base.errors import BadSignature, ClaimRejected, ClaimsError, MalformedFile
from claims.claim.evidence import Equivocation, find_equivocations
from claims.claim.file import Claim, sign_claim
from claims.verify.claim import CHECKS, check_expected, verify_claim
from claims.verify.report import Verdict
from claims.verify.tables import statements_of
from zk.errors import ProofRejected
from zk.options import STD


@pytest.fixture(autouse=True)
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Statements that were verified; a proof other than b"proof" is rejected."""
    from circuits.claim import claim_program, public_interactions
    from zk.security import security_report

    seen: list[Any] = []

    def check(statement: Any, proof: bytes, *_: object) -> Any:
        statement.validate()
        seen.append(statement)
        if proof != b"proof":
            raise ProofRejected("query", "made up")
        return security_report(claim_program(), statement.log_rows, STD, public_interactions(statement))

    monkeypatch.setattr("circuits.verify.verify_claim_proof", check)
    return seen


TERMS = world.agreement()
SIGNED = world.signed(TERMS)


def verify(claim: Claim, *previous: Claim, terms: Agreement = TERMS, **options: Any) -> Any:
    options.setdefault("signatures", SIGNED if terms is TERMS else world.signed(terms))
    return verify_claim(claim.encode(), terms, previous=[p.encode() for p in previous], **options)


def rejected(check: str, claim: Claim, *previous: Claim, match: str = "", **options: Any) -> None:
    assert check in CHECKS
    with pytest.raises(ClaimRejected, match=match or None) as caught:
        verify(claim, *previous, **options)
    assert caught.value.check == check


def incomplete(kind: str, claim: Claim, *previous: Claim, match: str = "", **options: Any) -> Verdict:
    """One thing is missing; the verdict says so, accuses nobody, and lists nothing as shown."""
    verdict = verify(claim, *previous, **options)
    assert verdict.word == "INCOMPLETE" and verdict.exit_code == 3 and [item.kind for item in verdict.missing] == [kind]
    text = "\n".join(verdict.lines(verbose=True))
    assert text.startswith("INCOMPLETE\n  ? ") and match in text and "shows" not in text and "reject" not in text.lower()
    value = verdict.to_json()
    assert value["verdict"] == "INCOMPLETE" and value["shows"] == value["does_not_show"] == [] and value["missing"][0]["kind"] == kind
    return verdict


def test_a_first_claim_is_proven(proofs: list[Any]) -> None:
    report = verify(world.claim(TERMS))
    assert report.proven and report.exit_code == 0 and report.proof.continuity == "starts at the agreement's opening head"
    assert report.proof.security.unique_decoding.bits >= 100
    lines = report.lines()
    assert lines[0] == "PROVEN" and any("no undeclared chip" in line for line in lines) and "security" not in lines
    assert "security" in report.lines(verbose=True)
    assert report.to_json()["verdict"] == "PROVEN" and report.to_json()["shows"]
    statement = proofs[0]
    lab = TERMS.lab("alpha")
    assert (statement.log_rows, statement.total_cap, statement.freeze_level) == (16, lab.caps.total, lab.caps.freeze)
    assert [(m.peak, m.coverage) for m in statement.meters] == [(1980, 8 * 3600), (1980, 16 * 3600)]
    assert statement.registry.before == world.OPENING


def test_statement_binds_agreement_lab_and_period() -> None:
    one = statements_of(TERMS, world.claim(TERMS))[0]
    two = statements_of(TERMS, world.claim(TERMS, 1))[0]
    other = parse_agreement(world.TEXT.replace("two-labs", "two-labz"))
    three = statements_of(other, world.claim(other))[0]
    assert len({s.meters[0].header for s in (one, two, three)} | {one.meters[1].header}) == 4


def test_format() -> None:
    with pytest.raises(ClaimRejected) as caught:
        verify_claim(b"junk", TERMS, signatures=SIGNED)
    assert caught.value.check == "format"


def test_agreement() -> None:
    other = parse_agreement(world.TEXT.replace("two-labs", "two-labz"))
    rejected("agreement", world.claim(other), match="is about agreement")
    incomplete("signatures", world.claim(TERMS), match="beside the agreement", signatures=None)
    half = sign_agreement(world.key(2), TERMS, None)
    incomplete("unsigned", world.claim(TERMS), match="by alpha: it is a draft", signatures=half)
    rejected("proof", world.claim(TERMS, proof=b"bad"), signatures=half)
    forged = AgreementSignatures(TERMS.digest, {**SIGNED.signatures, "alpha": bytes(64)})
    incomplete("signatures", world.claim(TERMS), signatures=forged)
    incomplete("signatures", world.claim(TERMS), signatures=world.signed(other))
    stranger = AgreementSignatures(TERMS.digest, {**SIGNED.signatures, "gamma": bytes(64)})
    incomplete("signatures", world.claim(TERMS), signatures=stranger, match="not a party")


def test_lab() -> None:
    rejected("lab", world.claim(TERMS, lab="gamma"))


def test_period() -> None:
    rejected("period", world.claim(TERMS, 12))
    rejected("period", world.claim(TERMS, first_epoch=1))
    rejected("period", world.claim(TERMS, last_epoch=24))
    rejected("period", world.claim(TERMS, lab="beta"), match="from period 2 on")


def test_meters() -> None:
    meters = world.claim(TERMS).meters
    rejected("meters", world.claim(TERMS, meters=meters[:1]), match="leaves out 1 .*hall-2")
    extra = replace(meters[1], name="hall-3")
    rejected("meters", world.claim(TERMS, meters=(*meters, extra)), match="hall-3")
    rejected("meters", world.claim(TERMS, meters=(meters[0], extra)), match="hall-2")


def test_signatures() -> None:
    good = world.claim(TERMS)
    one, two = good.meters
    for bad in (
        replace(good, signature=bytes(64)),
        replace(good, proof=b"other"),
        replace(good, registry_signature=good.signature),
        sign_claim(good, world.key(2)),
        world.claim(TERMS, meters=(replace(one, signature=two.signature), two)),
        world.claim(TERMS, meters=(replace(one, head=world.head(5)), two)),
    ):
        rejected("signatures", bad)
    unsigned_head = replace(good, registry_signature=bytes(64))
    unsigned_head = replace(unsigned_head, signature=world.key(1).sign(unsigned_head.signed_message()))
    rejected("signatures", unsigned_head, match="registry head")


@pytest.mark.parametrize("wrong", ["digest", "lab", "meter", "period", "key"])
def test_a_meters_signature_serves_one_place(wrong: str) -> None:
    one, two = world.claim(TERMS).meters
    place: dict[str, Any] = {"digest": TERMS.digest, "lab": "alpha", "meter": "hall-1", "period": 0}
    place |= {"digest": {"digest": bytes(32)}, "lab": {"lab": "beta"}, "meter": {"meter": "hall-2"}, "period": {"period": 1}}.get(wrong, {})
    signer: Ed25519PrivateKey = world.key(12 if wrong == "key" else 11)
    moved = sign_ledger_head(signer, place["digest"], place["lab"], place["meter"], place["period"], one.head, one.roots_digest)
    rejected("signatures", world.claim(TERMS, meters=(replace(one, signature=moved), two)), match="meter hall-1")


def test_no_message_serves_two_purposes() -> None:
    messages = [
        agreement_message(bytes(32)),
        claim_message(bytes(32)),
        registry_head_message(bytes(32), "a", 0, (0,) * 8, bytes(32)),
        ledger_head_message(bytes(32), "a", "b", 0, (0,) * 8, bytes(32)),
    ]
    assert len({message[: 2 + int.from_bytes(message[:2], "big")] for message in messages}) == 4


def test_continuity() -> None:
    first, second, third = (world.claim(TERMS, period) for period in range(3))
    rejected("continuity", world.claim(TERMS, before=world.head(3)), match="opening head")
    assert incomplete("previous", second, match="alpha's claim for period 0").proof.continuity == "NOT CHECKED"
    assert verify(second, first).proven
    incomplete("previous", third, second, match="for period 0:")
    incomplete("previous", third, match="for the periods 0 to 1: ")
    incomplete("previous", third, match="--previous-accepted", previous_accepted=True)
    known = verify(third, second, previous_accepted=True)
    assert known.proven and known.proof.continuity.endswith("from period 1 on, which you accepted before")
    assert "from the opening head, period 0 on" in verify(third, first, second).proof.continuity
    rejected("continuity", third, first, match="the one before")
    rejected("continuity", third, second, first)
    rejected("continuity", second, world.claim(TERMS, head_after=world.head(7)), match="head after")
    rejected("continuity", second, replace(first, signature=bytes(64)), match="does not verify")
    rejected("continuity", second, world.claim(TERMS, before=world.head(3)), match="opening head")
    rejected("continuity", first, first)


def test_previous_proofs_are_verified_unless_accepted_before(proofs: list[Any]) -> None:
    first, second = world.claim(TERMS, proof=b"bad"), world.claim(TERMS, 1)
    rejected("proof", second, first, match="previous claim, period 0")
    proofs.clear()
    report = verify(second, first, previous_accepted=True)
    assert report.proven and "accepted before" in report.proof.continuity and len(proofs) == 1


def test_a_previous_claim_over_an_invented_registry_proves_nothing() -> None:
    """A lab signs a second claim for period 1 that starts from nowhere, and period 2 on top of it."""
    invented = world.claim(TERMS, 1, before=world.head(5))
    incomplete("previous", world.claim(TERMS, 2), invented)
    rejected("continuity", world.claim(TERMS, 2), world.claim(TERMS), invented, match="not the head after")


def test_amendments_continue_the_amended_agreement() -> None:
    amends = f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = 1\n\n[pause]'
    later = parse_agreement(world.TEXT.replace("[pause]", amends).replace("1e23", "2e23"))
    first, second = world.claim(TERMS), world.claim(later, 1)
    assert verify(second, first, terms=later, previous_agreements=[TERMS]).proven
    incomplete("amended", second, first, terms=later, match=TERMS.digest.hex())
    incomplete("amended", second, first, terms=later, previous_agreements=[later])
    incomplete("previous", second, terms=later)
    rejected("period", world.claim(later, 0), terms=later)
    again = amends.replace(TERMS.digest.hex(), later.digest.hex()).replace("from_period = 1", "from_period = 2")
    last = parse_agreement(world.TEXT.replace("[pause]", again).replace("1e23", "3e23"))
    third = world.claim(last, 2)
    for chain in ([TERMS, later], [later, TERMS]):
        assert verify(third, first, second, terms=last, previous_agreements=chain).proven
    incomplete("amended", third, first, second, terms=last, previous_agreements=[later])
    joined = parse_agreement(world.TEXT.replace("[pause]", amends).replace("log_rows = 16", "log_rows = 16\nsince_period = 1"))
    assert verify(world.claim(joined, 1, before=world.OPENING), terms=joined).proven
    shifted = parse_agreement(world.TEXT.replace("[pause]", amends).replace("00:00:00Z", "00:00:01Z"))
    rejected("continuity", world.claim(shifted, 1), first, terms=shifted, previous_agreements=[TERMS], match="calendar")


def test_a_new_opening_head_is_where_a_chain_begins() -> None:
    """An amendment has alpha start over; a chain of its own from before, however sound, does not stand for that."""
    amends = f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = 1\n\n[pause]'
    text = world.TEXT.replace("[pause]", amends).replace("log_rows = 16", "log_rows = 16\nsince_period = 1")
    later = parse_agreement(text.replace("00000001", "00000011", 1))
    opening, first = later.lab("alpha").opening_head, world.claim(TERMS)
    around = world.claim(later, 1)
    assert opening != world.OPENING and around.head_before == first.head_after
    rejected("continuity", around, terms=later, match="opening head")
    for accepted in (False, True):
        given: dict[str, Any] = {"terms": later, "previous_agreements": [TERMS], "previous_accepted": accepted}
        rejected("continuity", around, first, match="no claim before it counts", **given)
        rejected("continuity", world.claim(later, 2), first, around, **given)
    start = world.claim(later, 1, before=opening)
    assert verify(start, terms=later).proven and verify(world.claim(later, 2), start, terms=later).proven


def test_an_amendment_corrected_before_it_began() -> None:
    """Both begin with one period: what came before is the first agreement's."""
    amends = f'[amends]\ndigest = "{TERMS.digest.hex()}"\nfrom_period = 2\n\n[pause]'
    wrong = parse_agreement(world.TEXT.replace("[pause]", amends).replace("1e23", "2e23"))
    for begin in (1, 2, 3):
        amends = f'[amends]\ndigest = "{wrong.digest.hex()}"\nfrom_period = {begin}\n\n[pause]'
        right = parse_agreement(world.TEXT.replace("[pause]", amends).replace("1e23", "3e23"))
        before = [world.claim(TERMS, 0), world.claim(TERMS, 1), world.claim(wrong, 2)][:begin]
        assert verify(world.claim(right, begin), *before, terms=right, previous_agreements=[TERMS, wrong]).proven
        incomplete("amended", world.claim(right, begin), *before, terms=right, previous_agreements=[wrong])


def test_without_cryptography_all_else_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = world.claim(TERMS), world.claim(TERMS, proof=b"bad")
    monkeypatch.setattr("claims.base.ed25519._KNOWN", [None])
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    incomplete("cryptography", good, match="pip install cryptography")
    rejected("proof", bad)


def test_a_period_that_is_not_over_is_not_proven() -> None:
    end = TERMS.period_span(0)[1]
    incomplete("period", world.claim(TERMS), now=end - 1, match="2026-01-02T00:00:00Z")
    assert verify(world.claim(TERMS), now=end).proven


def test_another_agreement_than_the_expected_one_is_refused() -> None:
    check_expected(TERMS, None)
    check_expected(TERMS, TERMS.digest)
    with pytest.raises(ClaimsError, match=TERMS.digest.hex()):
        check_expected(TERMS, bytes(32))


def test_proof() -> None:
    rejected("proof", world.claim(TERMS, proof=b"bad"), match="query: made up")


def test_evidence_of_two_heads() -> None:
    one, two = world.claim(TERMS), world.claim(TERMS, head_after=world.head(7))
    assert find_equivocations(one, one) == [] and find_equivocations(one, world.claim(TERMS, 1)) == []
    (found,) = find_equivocations(one, two)
    assert found.meter is None and Equivocation.decode(found.encode()) == found
    found.check(TERMS)
    forged = world.head(9)
    fake = replace(one, meters=(replace(one.meters[0], head=forged), one.meters[1]))
    (claimed,) = find_equivocations(one, fake)
    with pytest.raises(BadSignature):
        claimed.check(TERMS)
    signature = sign_ledger_head(world.key(11), TERMS.digest, "alpha", "hall-1", 0, forged, world.ROOTS)
    real = replace(one, meters=(replace(one.meters[0], head=forged, signature=signature), one.meters[1]))
    (found,) = find_equivocations(real, one)
    found.check(TERMS)
    assert found == find_equivocations(one, real)[0]
    with pytest.raises(BadSignature):
        replace(found, heads=(found.heads[0], found.heads[0])).check(TERMS)
    for bad in (b"{}", b"[]", b"", found.encode()[:-1], found.encode().replace(b'"period": 0', b'"period": 0.0')):
        with pytest.raises(MalformedFile):
            Equivocation.decode(bad)


def test_signatures_file_has_one_encoding() -> None:
    data = SIGNED.encode()
    assert AgreementSignatures.decode(data) == SIGNED and SIGNED.missing(TERMS) == []
    for bad in (b"", b"{}", b"[]", data[:-1], data + b"\n", data.replace(b"  ", b" ", 1), data.upper(), b"[" * 100_000):
        with pytest.raises(MalformedFile):
            AgreementSignatures.decode(bad)
    with pytest.raises(BadSignature, match="no party"):
        sign_agreement(world.key(99), TERMS, SIGNED)
