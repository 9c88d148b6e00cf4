"""The claim file: one encoding per claim; every other string of bytes is refused with a type and a place."""

from __future__ import annotations

from dataclasses import replace

import pytest
import world
from hypothesis import given
from hypothesis import strategies as st

from claims.base.canonical import FIELD_PRIME, head_from_hex, head_to_hex
from claims.base.errors import MalformedClaim, MalformedFile
from claims.claim.file import MAX_PROOF, Claim, MeterHead, decode_claim

names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
heads = st.tuples(*[st.integers(0, FIELD_PRIME - 1)] * 8)
sig = st.binary(min_size=64, max_size=64)
small = st.integers(0, 2**24 - 1)
meter_heads = st.builds(MeterHead, names, heads, st.binary(min_size=32, max_size=32), sig)
claims = st.builds(
    Claim,
    agreement_digest=st.binary(min_size=32, max_size=32),
    lab=names,
    period=small,
    first_epoch=small,
    last_epoch=small,
    head_before=heads,
    head_after=heads,
    meters=st.lists(meter_heads, min_size=1, max_size=4, unique_by=lambda m: m.name).map(
        lambda meters: tuple(sorted(meters, key=lambda meter: meter.name))
    ),
    registry_signature=sig,
    proof=st.binary(max_size=40),
    signature=sig,
)


@given(claims)
def test_round_trip(claim: Claim) -> None:
    assert decode_claim(claim.encode()) == claim


@given(claims, st.data())
def test_truncated_and_extended_files_are_refused(claim: Claim, data: st.DataObject) -> None:
    encoded = claim.encode()
    with pytest.raises(MalformedClaim):
        decode_claim(encoded[: data.draw(st.integers(0, len(encoded) - 1))])
    with pytest.raises(MalformedClaim, match="follow the end"):
        decode_claim(encoded + b"\x00")


def test_every_flipped_bit_is_refused_or_another_claim() -> None:
    """No byte is ignored: what still parses is another claim, and encodes to the flipped bytes."""
    original = world.claim(world.agreement())
    data = original.encode()
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            try:
                other = decode_claim(bytes(flipped))
            except MalformedClaim:
                continue
            assert other != original and other.encode() == bytes(flipped)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_typed_refusal(data: bytes) -> None:
    for prefix in (b"", b"standstill-claim", b"standstill-claim\x00\x03"):
        with pytest.raises(MalformedClaim):
            decode_claim(prefix + data)


def test_refusals_say_what_and_where() -> None:
    claim = world.claim(world.agreement())
    data = claim.encode()
    offset = len(claim.body()) - 4 - len(claim.proof)
    cases = [
        (b"", "not a claim file"),
        (data[:16] + b"\x00\x01" + data[18:], "format 1 is not supported, only 3"),
        (data[:offset] + (MAX_PROOF + 1).to_bytes(4, "big") + data[offset + 4 :], "more than 16777216"),
        (replace(claim, meters=claim.meters[::-1]).encode(), "ascending"),
        (replace(claim, meters=claim.meters[:1] * 2).encode(), "ascending"),
        (replace(claim, meters=()).encode(), "no meters"),
        (replace(claim, period=2**24).encode(), "the period is 16777216"),
    ]
    for bad, words in cases:
        with pytest.raises(MalformedClaim, match=words):
            decode_claim(bad)
    before = data.index(b"alpha") + 5 + 12
    with pytest.raises(MalformedClaim, match="head before is not eight canonical") as caught:
        decode_claim(data[:before] + FIELD_PRIME.to_bytes(4, "big") + data[before + 4 :])
    assert caught.value.offset == before + 32


@pytest.mark.parametrize(
    "change",
    [{"period": -1}, {"period": True}, {"lab": "A"}, {"head_after": (1,) * 7}, {"head_after": (FIELD_PRIME,) * 8}, {"signature": b""}],
)
def test_what_cannot_be_read_cannot_be_written(change: dict[str, object]) -> None:
    with pytest.raises(MalformedFile):
        replace(world.claim(world.agreement()), **change).encode()  # type: ignore[arg-type]


@given(heads)
def test_heads_as_hex(head: tuple[int, ...]) -> None:
    assert head_from_hex(head_to_hex(head)) == head


@pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "f" * 64, "0" * 63 + "\n", " " + "0" * 63])
def test_bad_hex_heads(text: str) -> None:
    with pytest.raises(MalformedFile):
        head_from_hex(text)
