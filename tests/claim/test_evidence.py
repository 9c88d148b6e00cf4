"""Evidence of two roots and of two log entries: what convinces, what does not, and hostile files."""

from __future__ import annotations

import dataclasses
import json

import pytest
import world
from lab_fixtures import LAB_KEY, METER_KEYS, make_agreement

from claims.agreement.signatures import epoch_root_message
from claims.base.errors import BadSignature, ClaimsError, MalformedFile
from claims.claim.entries import encode_entry, sign_entry
from claims.claim.entry_kinds import ClaimEntry, EpochEntry
from claims.claim.evidence import Equivocation, TwoEntries, TwoRoots, decode_evidence, find_equivocations

AGREEMENT = make_agreement()
DIGEST = AGREEMENT.digest


def two_roots(key=METER_KEYS["hall-a"], roots=(b"a" * 32, b"b" * 32), epoch: int = 5) -> TwoRoots:  # type: ignore[no-untyped-def]
    signed = [(root, key.sign(epoch_root_message(DIGEST, "alpha", "hall-a", epoch, root))) for root in roots]
    return TwoRoots(DIGEST, "alpha", "hall-a", epoch, (signed[0], signed[1]))


def entry(root: bytes, *, epoch: int = 5, key=LAB_KEY) -> bytes:  # type: ignore[no-untyped-def]
    return encode_entry(sign_entry(key, EpochEntry(DIGEST, "alpha", epoch, root, b"h" * 32)))


def test_two_roots_of_a_meter_convince_with_the_agreement_alone() -> None:
    item = two_roots()
    assert decode_evidence(item.encode()) == item
    item.check(AGREEMENT)
    assert item.text == "meter alpha/hall-a signed two roots for epoch 5" and item.against(AGREEMENT) == ("alpha", 1)


def test_two_entries_of_a_lab_convince_in_either_order() -> None:
    one, two = entry(b"a" * 32), entry(b"b" * 32)
    item = TwoEntries.of(two, one)
    assert item == TwoEntries.of(one, two) == decode_evidence(item.encode())
    item.check(AGREEMENT)
    assert item.text == "alpha signed two versions of lab alpha's entry of epoch 5" and item.against(AGREEMENT) == ("alpha", 1)
    claims = [encode_entry(sign_entry(LAB_KEY, ClaimEntry(DIGEST, "alpha", 2, bytes([i]) * 32, bytes(32)))) for i in (1, 2)]
    assert TwoEntries.of(*claims).against(AGREEMENT) == ("alpha", 2)


@pytest.mark.parametrize(
    "item",
    [
        two_roots(key=METER_KEYS["hall-b"]),
        two_roots(roots=(b"a" * 32, b"a" * 32)),
        dataclasses.replace(two_roots(), epoch=6),
        dataclasses.replace(two_roots(), agreement=b"x" * 32),
        TwoEntries.of(entry(b"a" * 32), entry(b"a" * 32)),
        TwoEntries.of(entry(b"a" * 32), entry(b"b" * 32, epoch=6)),
        TwoEntries.of(entry(b"a" * 32), entry(b"b" * 32, key=METER_KEYS["hall-a"])),
    ],
)
def test_nobody_is_framed(item: TwoRoots | TwoEntries) -> None:
    with pytest.raises(ClaimsError):
        item.check(AGREEMENT)


def test_another_agreement_is_not_convinced() -> None:
    other = dataclasses.replace(AGREEMENT, name="other")
    for item in (two_roots(), TwoEntries.of(entry(b"a" * 32), entry(b"b" * 32))):
        with pytest.raises(ClaimsError):
            item.check(other)


def test_the_same_entry_signed_twice_is_no_evidence() -> None:
    one = entry(b"a" * 32)
    again = one[:-64] + bytes(64)
    with pytest.raises(BadSignature, match="do not contradict"):
        TwoEntries.of(one, again).check(AGREEMENT)


@pytest.mark.parametrize("item", [two_roots(), TwoEntries.of(entry(b"a" * 32), entry(b"b" * 32))])
def test_hostile_files_are_malformed(item: TwoRoots | TwoEntries) -> None:
    data = item.encode()
    value = json.loads(data)
    field = "roots" if "roots" in value else "entries"
    bad = [b"", b"{}", data[:-1], data + b" ", data.replace(b"alpha", b"ALPHA"), b"[" * 5000]
    for change in ([], [value[field][0]], value[field][::-1], [1, 2], value[field] * 2, "x", None):
        bad.append(json.dumps({**value, field: change}, indent=2, sort_keys=True).encode() + b"\n")
    bad.append(json.dumps({**value, "extra": 1}, indent=2, sort_keys=True).encode() + b"\n")
    for text in bad:
        if text != data:
            with pytest.raises(MalformedFile):
                decode_evidence(text)


def test_heads_are_decoded_too() -> None:
    terms = world.agreement()
    found = find_equivocations(world.claim(terms), world.claim(terms, head_after=world.head(7)))
    assert isinstance(decode_evidence(found[0].encode()), Equivocation)
    assert found[0].text == "lab alpha signed two heads for period 0" and found[0].against(terms) == ("alpha", 0)


@pytest.mark.parametrize("field", ["lab", "meter"])
def test_a_name_writes_no_lines(field: str) -> None:
    """`show` says what evidence says before anybody has checked it."""
    made = Equivocation(bytes(32), "alpha", "hall-1", 0, ((world.head(1), bytes(32), bytes(64)), (world.head(2), bytes(32), bytes(64))))
    assert decode_evidence(made.encode()) == made
    with pytest.raises(MalformedFile):
        decode_evidence(dataclasses.replace(made, **{field: "x\nsigned by every party"}).encode())
