"""Sites and lists of a claim: one encoding, every bound, and the lab's signature over what is listed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import world
from hypothesis import given
from hypothesis import strategies as st

from claims.base.errors import BadSignature, ClaimRejected, MalformedClaim, MalformedFile
from claims.claim.evidence import decode_evidence, find_equivocations
from claims.claim.file import Claim, SiteHead, decode_claim
from claims.claim.lists import FREEZE, LOST, LOST_METER, LOST_SITE, TOTAL, Limit, Lists, Loss, Over, least_above
from claims.verify.claim import verify_claim

TERMS = world.agreement()
MOST = 2**64 - 1
LOSSES = (Loss(LOST_METER, "hall-1", 1), Loss(LOST_METER, "hall-2", 0, True), Loss(LOST_SITE, "hall-1", 3))
LIMITS = (Limit(TOTAL, 10**10, 2**34), Limit(FREEZE, 5 * 10**10, MOST), Limit(LOST, 0, 7))
OVERS = (Over(0, TOTAL, 7, 8), Over(0, FREEZE, 0, 1), Over(2, TOTAL, 2**63, MOST))
TRANSFERS = (b"a" * 32, b"b" * 32)
SITES = (SiteHead("north", world.head(7), b"n" * 32, b"N" * 32), SiteHead("south", world.head(8), b"s" * 32, b"S" * 32))
FULL = Lists(LOSSES, LIMITS, OVERS, TRANSFERS)


def full(**changes: object) -> Claim:
    lists: dict[str, object] = {"losses": LOSSES, "limits": LIMITS, "overs": OVERS, "transfers": TRANSFERS}
    return world.claim(TERMS, 3, **(lists | changes))  # type: ignore[arg-type]


def with_sites(**changes: object) -> Claim:
    return full(sites=SITES, registry_proof=b"r" * 32, proof=b"", **changes)


def test_nothing_listed_is_seven_zeros() -> None:
    assert Lists().encode() == bytes(7) and not Lists() and FULL
    assert world.claim(TERMS).proofs == () and with_sites().proofs == (b"n" * 32, b"s" * 32, b"r" * 32)


@pytest.mark.parametrize("claim", [full(), with_sites(), full(losses=()), with_sites(limits=(), overs=())])
def test_round_trip(claim: Claim) -> None:
    data = claim.encode()
    assert decode_claim(data) == claim and decode_claim(data).encode() == data


def test_every_flipped_bit_is_refused_or_another_claim() -> None:
    original = with_sites()
    data = original.encode()
    start = data.index(b"\x05north")
    for at in range(start, len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            try:
                other = decode_claim(bytes(flipped))
            except MalformedClaim:
                continue
            assert other != original and other.encode() == bytes(flipped)


@given(st.integers(0, 2**12))
def test_truncated_files_are_refused(at: int) -> None:
    data = with_sites().encode()
    with pytest.raises(MalformedClaim):
        decode_claim(data[: at % len(data)])


REFUSED: list[tuple[str, tuple[object, ...], str]] = [
    ("losses", LOSSES[::-1], "do not ascend"),
    ("losses", (LOSSES[0], LOSSES[0]), "do not ascend"),
    ("losses", (Loss(0, "hall-1", 0),), "no kind"),
    ("losses", (Loss(3, "hall-1", 0),), "more than 2"),
    ("losses", (Loss(2, "hall-1", 0, True),), "a lost site signed"),
    ("losses", (Loss(1, "hall-1", 2**24),), "more than"),
    ("losses", tuple(Loss(1, f"m-{i:03}", 0) for i in range(513)), "more than 512"),
    ("limits", LIMITS[::-1], "do not ascend"),
    ("limits", (Limit(6, 1, 2),), "more than 5"),
    ("limits", (Limit(LOST, 1, 1),), "not above the agreed one"),
    ("limits", (Limit(LOST, 1, 10**6 + 1),), "or above all"),
    ("limits", (Limit(0, 1, 2),), "stated limit"),
    ("limits", (Limit(1, 8, 8),), "stated limit"),
    ("limits", (Limit(1, 8, 24),), "stated limit"),
    ("limits", (Limit(1, MOST, MOST),), "stated limit"),
    ("overs", OVERS[::-1], "do not ascend"),
    ("overs", (Over(3, 1, 1, 2),), "not earlier"),
    ("overs", (Over(0, 1, 2, 1),), "stated limit"),
    ("transfers", TRANSFERS[::-1], "do not ascend"),
    ("transfers", (TRANSFERS[0],) * 2, "do not ascend"),
    ("sites", SITES[::-1], "ascending order"),
    ("sites", (SITES[0],) * 2, "ascending order"),
    ("sites", tuple(SiteHead(f"s-{i:03}", world.head(1), bytes(32), bytes(32)) for i in range(257)), "more than 256"),
]


@pytest.mark.parametrize(("name", "value", "words"), REFUSED)
def test_what_is_not_canonical_is_refused(name: str, value: tuple[object, ...], words: str) -> None:
    with pytest.raises(MalformedClaim, match=words):
        decode_claim(full(**({"sites": SITES, "registry_proof": bytes(32), "proof": b""} | {name: value})).encode())


def test_a_claim_has_a_proof_or_sites() -> None:
    for wrong in ({"sites": SITES, "registry_proof": b"r" * 32}, {"sites": SITES, "proof": b""}, {"registry_proof": b"r" * 32}):
        with pytest.raises(MalformedFile, match="proof"):
            full(**wrong)
    data = with_sites().body()
    assert data.endswith(bytes(4))
    with pytest.raises(MalformedClaim, match="the length of the proof"):
        decode_claim(data[:-4] + b"\0\0\0\1x" + bytes(64))


@pytest.mark.parametrize("name", ["losses", "limits", "overs", "transfers"])
def test_the_head_is_signed_with_what_is_listed(name: str) -> None:
    """The list is taken out, or put in, and the whole signed anew without the signature of the head: rejected."""
    good = full()
    for claim, value in ((good, ()), (full(**{name: ()}), getattr(good, name))):
        changed = replace(claim, **{name: value})
        changed = replace(changed, signature=world.key(1).sign(changed.signed_message()))
        with pytest.raises(ClaimRejected, match="registry head") as caught:
            verify_claim(changed.encode(), TERMS)
        assert caught.value.check == "signatures"


@pytest.mark.parametrize("name", ["losses", "limits", "overs", "transfers"])
def test_two_lists_of_one_period_are_evidence_under_one_head(name: str) -> None:
    one, two = full(), full(**{name: ()})
    assert one.head_after == two.head_after
    (found,) = find_equivocations(one, two)
    found.check(TERMS)
    assert decode_evidence(found.encode()) == found and found.meter is None
    swapped = replace(found, heads=tuple((h, d, s) for (h, d, _), (_, _, s) in zip(found.heads, found.heads[::-1], strict=True)))  # type: ignore[arg-type]
    with pytest.raises(BadSignature):
        swapped.check(TERMS)
    assert find_equivocations(one, one) == []


def test_transfers_are_refused_where_no_log_could_date_any() -> None:
    with pytest.raises(ClaimRejected, match="has no log to date any") as caught:
        verify_claim(world.claim(TERMS, transfers=TRANSFERS).encode(), TERMS, now=TERMS.period_span(0)[1])
    assert caught.value.check == "lists"


@given(st.integers(1, 2**64 - 1), st.integers(0, 2**64 - 2))
def test_what_is_stated_is_the_least_power_of_two_that_holds_and_exceeds(amount: int, agreed: int) -> None:
    amount = max(amount, agreed + 1)
    allowed = [*(1 << bit for bit in range(64)), MOST]
    assert least_above(amount, agreed) == next(value for value in allowed if value >= amount and value > agreed)
