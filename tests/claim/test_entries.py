"""Log entries: bytes, identities, hostile input, and what a log says under one agreement."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest
import world

from claims.agreement.terms import InspectionTerms
from claims.base.errors import BadSignature, ClaimRejected, MalformedFile
from claims.claim import entries
from claims.claim.entries import check_entry, decode_entry, encode_entry, entry_message, sign_entry, unsigned_bytes
from claims.claim.entry_kinds import (
    KINDS,
    AssentEntry,
    ClaimEntry,
    DecisionEntry,
    Entry,
    EpochEntry,
    FeedPeriodEntry,
    InspectionEntry,
    JoulesEntry,
    KeyEntry,
    LossEntry,
    TransferEntry,
)
from claims.claim.published import PublishedEntries

TERMS = replace(world.agreement(), inspection=InspectionTerms(8, 4, 0))
ALPHA, BETA = world.key(1), world.key(2)
A, B = b"a" * 32, b"b" * 32


def epoch(number: int = 5, root: bytes = A, lab: str = "alpha") -> EpochEntry:
    return sign_entry(ALPHA if lab == "alpha" else BETA, EpochEntry(TERMS.digest, lab, number, root, B))


def claim(period: int = 0, digest: bytes = A) -> ClaimEntry:
    return sign_entry(ALPHA, ClaimEntry(TERMS.digest, "alpha", period, digest, B))


def inspection(outcome: int = 1) -> InspectionEntry:
    return sign_entry(BETA, InspectionEntry(TERMS.digest, "beta", "alpha", 0, 1000, outcome, A))


def assent() -> AssentEntry:
    return sign_entry(BETA, AssentEntry(TERMS.digest, "beta"))


def decision(kind: int = 1, decider: str = "beta", effective: int = 1767225600) -> DecisionEntry:
    return sign_entry(BETA if decider == "beta" else ALPHA, DecisionEntry(TERMS.digest, decider, kind, effective, A))


ALL: list[Entry] = [epoch(), claim(), assent(), inspection(), decision()]


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: type(entry).__name__)
def test_round_trip_check_and_size(entry: Entry) -> None:
    data = encode_entry(entry)
    assert decode_entry(data) == entry and len(data) <= 1024
    check_entry(entry, TERMS)


def test_bytes_of_each_kind() -> None:
    front = b"standstill-log\x00\x01"
    assert unsigned_bytes(epoch()) == front + b"\x01" + TERMS.digest + b"\x05alpha" + bytes.fromhex("00000005") + A + B + b"\0"
    assert unsigned_bytes(claim()) == front + b"\x02" + TERMS.digest + b"\x05alpha" + bytes(4) + A + B
    assert unsigned_bytes(assent()) == front + b"\x03" + TERMS.digest + b"\x04beta"
    assert unsigned_bytes(inspection(3)) == (
        front + b"\x04" + TERMS.digest + b"\x04beta\x05alpha" + bytes(4) + bytes.fromhex("00000000000003e8 03") + A
    )
    assert unsigned_bytes(decision(2)) == (
        front + b"\x05" + TERMS.digest + b"\x04beta\x02" + (1767225600).to_bytes(8, "big") + A
    )
    message = b"\x00\x1cstandstill/sign/log-entry/v1" + hashlib.sha256(unsigned_bytes(epoch())).digest()
    assert entry_message(epoch()) == message


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: type(entry).__name__)
def test_every_changed_byte_is_noticed(entry: Entry) -> None:
    data = encode_entry(entry)
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((MalformedFile, BadSignature, ClaimRejected)):
            check_entry(decode_entry(changed), TERMS)
    for cut in range(len(data)):
        with pytest.raises(MalformedFile):
            decode_entry(data[:cut])
    with pytest.raises(MalformedFile):
        decode_entry(data + b"\0")


def test_hostile_bytes() -> None:
    rng = random.Random(7)
    good = [encode_entry(entry) for entry in ALL]
    for _ in range(3000):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            entry = decode_entry(bytes(data))
        except MalformedFile:
            continue
        assert encode_entry(entry) == bytes(data)
    for data in (b"", b"x" * 1025, b"standstill-log", rng.randbytes(300)):
        with pytest.raises(MalformedFile):
            decode_entry(data)


def test_values_out_of_range_are_not_written() -> None:
    for entry in (
        replace(epoch(), root=b"short"), replace(epoch(), epoch=-1), replace(epoch(), lab="No name"),
        replace(inspection(), outcome=0), replace(inspection(), outcome=4), replace(assent(), signature=b""),
    ):  # fmt: skip
        with pytest.raises(MalformedFile):
            encode_entry(entry)


def test_who_may_sign_what() -> None:
    for entry, error in (
        (sign_entry(BETA, replace(epoch(), signature=b"")), BadSignature),
        (replace(epoch(), signature=claim().signature), BadSignature),
        (sign_entry(ALPHA, replace(epoch(), epoch=12 * 24)), ClaimRejected),
        (sign_entry(ALPHA, replace(claim(), period=12)), ClaimRejected),
        (sign_entry(ALPHA, replace(epoch(), lab="gamma")), ClaimRejected),
        (sign_entry(BETA, EpochEntry(TERMS.digest, "beta", 5, A, B)), ClaimRejected),  # beta's first period is 2
        (sign_entry(ALPHA, replace(epoch(), agreement=A)), ClaimRejected),
        (sign_entry(ALPHA, replace(inspection(), author="alpha")), ClaimRejected),
        (sign_entry(BETA, replace(inspection(), author="gamma")), ClaimRejected),
    ):
        with pytest.raises(error):
            check_entry(entry, TERMS)


def published(*entries: Entry | bytes) -> PublishedEntries:
    return PublishedEntries(
        TERMS, enumerate(entry if isinstance(entry, bytes) else encode_entry(entry) for entry in entries)
    )


def test_an_index_over_a_log() -> None:
    other = sign_entry(ALPHA, replace(epoch(), agreement=A))
    found = published(assent(), b"noise", epoch(0), other, epoch(1), claim(), inspection(2))
    assert found.epoch("alpha", 1) == (epoch(1), 4) and found.epoch("alpha", 2) is None
    assert found.claim("alpha", 0) == (claim(), 5) and found.claim("alpha", 1) is None
    assert found.assent("beta") == (assent(), 0) and found.assent("alpha") is None
    assert found.inspections("alpha", 0) == [(inspection(2), 6)] and found.inspections("alpha", 1) == []
    assert found.others == [(3, other)] and found.undecodable == 1
    assert not found.conflicts and not found.refused


def test_two_entries_of_one_identity_conflict_and_the_first_one_stands() -> None:
    found = published(epoch(30, A), claim(1, A), epoch(30, B), claim(1, B), epoch(31), epoch(31), epoch(72, lab="beta"))
    assert [(c.first_index, c.second_index) for c in found.conflicts] == [(0, 2), (1, 3)]
    assert found.epoch("alpha", 30) == (epoch(30, A), 0)
    assert found.conflicts_of("alpha", 1) == found.conflicts
    assert found.conflicts_of("alpha", 0) == [] and found.conflicts_of("beta", 1) == []


def test_entries_that_anyone_could_have_made_count_for_nothing() -> None:
    forged = replace(epoch(5, B), signature=bytes(64))
    found = published(forged, epoch(5, A), forged)
    assert found.epoch("alpha", 5) == (epoch(5, A), 1)
    assert not found.conflicts and [index for index, _ in found.refused] == [0, 2]


def test_only_deciders_enter_decisions_and_two_of_one_decider_do_not_contradict() -> None:
    assert TERMS.pause is not None
    for terms in (replace(TERMS, pause=replace(TERMS.pause, deciders=("alpha",), quorum=1)), replace(TERMS, pause=None)):
        with pytest.raises(ClaimRejected, match="beta does not decide"):
            check_entry(sign_entry(BETA, replace(decision(), agreement=terms.digest)), terms)
    for changes in ({"decision": 3}, {"decision": 0}, {"effective": 253402300800}, {"effective": -1}, {"reason": b"short"}):
        with pytest.raises(MalformedFile):
            encode_entry(replace(decision(), **changes))
    data = encode_entry(decision())
    at = data.index(b"\x04beta") + 5
    for changed in (data[:at] + b"\x03" + data[at + 1 :], data[: at + 1] + b"\xff" * 8 + data[at + 9 :]):
        with pytest.raises(MalformedFile):
            decode_entry(changed)
    given = [decision(), decision(2), decision(effective=5), decision(decider="alpha"), decision()]
    published = PublishedEntries(TERMS, enumerate(map(encode_entry, given)))
    assert published.decisions() == [(entry, index) for index, entry in enumerate(given[:4])] and not published.conflicts


def test_an_entry_that_is_read_at_a_glance_is_the_one_that_is_read_with_care(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged in many ways, each entry gives the same value or the same refusal both ways."""
    generator = random.Random(1)
    every: list[Entry] = [
        *ALL, EpochEntry(A, "alpha", 5, A, B, absent=b"\x00\x01", signature=bytes(64)), JoulesEntry(A, "feed", 5, A, bytes(64)),
        FeedPeriodEntry(A, "feed", 5, A, bytes(2484)),
        TransferEntry(A, "alpha", "beta", 1, 2, 3, bytes(64), bytes(64)), LossEntry(A, "alpha", "alpha", 1, "hall-1", 2, 5, bytes(64)),
        KeyEntry(A, "alpha", 1, 1, "alpha", "alpha", 1, B, bytes(1344), bytes(2484)),
        KeyEntry(A, "alpha", 3, 2, "alpha", "hall-1", 3, B, b"", bytes(64)),
    ]  # fmt: skip
    whole = [encode_entry(entry) for entry in every]
    assert {type(entries._decode_whole(data)) for data in whole} == set(KINDS.values())

    def read(data: bytes) -> object:
        try:
            return decode_entry(data)
        except MalformedFile as error:
            return str(error)

    for _ in range(4000):
        data = bytearray(generator.choice(whole))
        for _ in range(generator.randrange(3)):
            at = generator.randrange(min(len(data), generator.choice((20, 64, 100, 1000))))
            data[at : at + generator.choice((1, 1, 1, 9))] = bytes([generator.choice((0, 1, 5, 33, 255))]) * generator.choice((1, 1, 0, 2))
        data = bytes(data) or b"x"
        fast = read(data)
        with monkeypatch.context() as patch:
            patch.setattr(entries, "_decode_whole", lambda _: None)
            assert read(data) == fast


def test_what_an_entry_is_known_by_comes_first() -> None:
    """The index of a log's entries (claims/claim/entry_index.py) relies on it."""
    for kind in KINDS.values():
        assert tuple(part.field for part in kind.parts[: len(kind.one_of)]) == kind.one_of
