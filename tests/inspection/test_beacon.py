"""Beacon rounds: real ones verify; replayed, altered, non-canonical and malformed ones do not."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from py_ecc.bls.point_compression import compress_G1, decompress_G1
from py_ecc.optimized_bls12_381 import curve_order, field_modulus, is_inf, multiply

from claims.base.errors import MissingDependency
from claims.inspection import beacon
from claims.inspection.beacon import (
    MAX_ROUND,
    QUICKNET,
    MalformedRound,
    Round,
    RoundRejected,
    RoundTooEarly,
    parse_round,
    round_after,
    time_of_round,
    verify_round,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "drand_quicknet.json").read_text())
VALID = {item["round"]: item for item in VECTORS["valid"]}
SIGNATURE = bytes.fromhex(VALID[1000]["signature"])


def signed(number: int, signature: bytes) -> Round:
    """A round with this signature and the randomness that belongs to it."""
    return Round(number, signature, hashlib.sha256(signature).digest())


def encoded(number: int) -> bytes:
    return number.to_bytes(48, "big")


def file(**changes: Any) -> bytes:
    values = VALID[1000] | changes
    return json.dumps({name: value for name, value in values.items() if value is not None}).encode()


def test_the_chain_is_the_one_its_hash_commits_to() -> None:
    chain = VECTORS["chain"]
    assert QUICKNET.hash.hex() == chain["hash"] and QUICKNET.computed_hash() == QUICKNET.hash
    assert QUICKNET.public_key.hex() == chain["public_key"] and QUICKNET.dst.decode() == chain["dst"]
    assert (QUICKNET.genesis, QUICKNET.period) == (chain["genesis_time"], chain["period"])
    assert replace(QUICKNET, genesis=QUICKNET.genesis + 1).computed_hash() != QUICKNET.hash


@pytest.mark.parametrize("number", sorted(VALID))
def test_real_rounds_verify(number: int) -> None:
    verified = verify_round(parse_round(json.dumps(VALID[number]).encode()), after=time_of_round(number) - 1)
    assert verified.number == number and verified.randomness.hex() == VALID[number]["randomness"]
    assert verified.time == time_of_round(number)


def test_a_replayed_signature_is_rejected() -> None:
    item = VECTORS["invalid"][0]
    with pytest.raises(RoundRejected, match="not quicknet's for round 1001") as error:
        verify_round(signed(item["round"], bytes.fromhex(item["signature"])))
    assert error.value.check == "beacon"


def test_another_number_or_another_chain_is_rejected() -> None:
    with pytest.raises(RoundRejected, match="for round 999"):
        verify_round(signed(999, SIGNATURE))
    other = VECTORS["testnet_walkthrough_same_scheme"]
    with pytest.raises(RoundRejected, match="for round 38"):
        verify_round(signed(other["round"], bytes.fromhex(other["signature"])))


def test_randomness_must_be_the_hash_of_the_signature() -> None:
    with pytest.raises(RoundRejected, match="not SHA-256"):
        verify_round(Round(1000, SIGNATURE, bytes.fromhex(VALID[1001]["randomness"])))


@pytest.mark.parametrize("bit", [0, 1, 2, *range(3, 384, 11), 383])
def test_flipped_bits_are_rejected(bit: int) -> None:
    with pytest.raises(RoundRejected):
        verify_round(signed(1000, encoded(int.from_bytes(SIGNATURE, "big") ^ 1 << (383 - bit))))


def test_other_points_of_the_subgroup_are_rejected() -> None:
    """Well-formed and in the subgroup, so that the pairing alone can refuse them."""
    point = decompress_G1(int.from_bytes(SIGNATURE, "big"))
    for factor in (2, curve_order - 1):
        with pytest.raises(RoundRejected, match="not quicknet's"):
            verify_round(signed(1000, encoded(compress_G1(multiply(point, factor)))))


def test_infinity_is_rejected() -> None:
    for number in (0xC0 << 376, 0xE0 << 376, (0xC0 << 376) + 1):
        with pytest.raises(RoundRejected, match="infinity"):
            verify_round(signed(1000, encoded(number)))
    with pytest.raises(RoundRejected):
        verify_round(signed(1000, encoded(0x80 << 376)))


def outside_subgroup() -> int:
    """Encoding of a point on the curve whose order does not divide r."""
    for x in range(1, 100):
        try:
            point = decompress_G1(2**383 + x)
        except ValueError:
            continue
        if not is_inf(multiply(point, curve_order)):
            return 2**383 + x
    raise AssertionError("no such point")


def test_points_outside_the_subgroup_are_rejected() -> None:
    with pytest.raises(RoundRejected, match="not in the subgroup"):
        verify_round(signed(1000, encoded(outside_subgroup())))


def test_non_canonical_encodings_are_rejected() -> None:
    point = decompress_G1(int.from_bytes(SIGNATURE, "big"))
    multiples = [compress_G1(multiply(point, k)) for k in range(1, 40)]
    twice = [number for number in multiples if number % 2**381 + field_modulus < 2**381]
    assert twice, "points of the subgroup whose x has a second 381-bit encoding"
    for number in twice[:3]:
        with pytest.raises(RoundRejected, match="not reduced"):
            verify_round(signed(1000, encoded(number + field_modulus)))
    with pytest.raises(RoundRejected, match="not a compressed point"):
        verify_round(signed(1000, bytes([SIGNATURE[0] & 0x7F]) + SIGNATURE[1:]))
    for data in (b"", SIGNATURE[:-1], SIGNATURE + b"\0", b"\0" + SIGNATURE):
        with pytest.raises(RoundRejected, match="48 bytes"):
            verify_round(signed(1000, data))


def test_rounds_not_after_the_commitment_are_refused() -> None:
    given = signed(1000, SIGNATURE)
    due = time_of_round(1000)
    assert verify_round(given, after=due - 1).number == 1000
    for after in (due, due + 1, due + 10**6):
        with pytest.raises(RoundTooEarly, match="2023-08-23T15:59:24Z"):
            verify_round(given, after=after)


def test_time_and_rounds() -> None:
    assert time_of_round(1) == 1692803367 and time_of_round(1000) == 1692803367 + 2997
    assert round_after(0) == 1 and round_after(1692803366) == 1 and round_after(1692803367) == 2
    for moment in range(1692803360, 1692803400):
        number = round_after(moment)
        assert time_of_round(number) > moment
        assert number == 1 or time_of_round(number - 1) <= moment
    for number in (0, -1, MAX_ROUND + 1, True, 1.0, 10**5000):
        with pytest.raises(RoundRejected):
            time_of_round(number)  # type: ignore[arg-type]
    with pytest.raises(RoundRejected):
        round_after(10**30)


def test_parse_reads_any_layout() -> None:
    text = b'\n{ "signature":"%s", "round" : 1000,\t"randomness":"%s" }\n' % (
        VALID[1000]["signature"].encode(),
        VALID[1000]["randomness"].encode(),
    )
    assert parse_round(text) == parse_round(file()) == signed(1000, SIGNATURE)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 4000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"round":' + b"9" * 3000 + b"}", "round is not"),
        (b" " * 5000, "at most 4096"),
        (file() + b"{}", "not JSON"),
        (b'{"round":1000,' + file()[1:], "twice"),
        (file(extra=1), "unknown field 'extra'"),
        (file(previous_signature="00"), "chained"),
        (file(round=None), "round is not"),
        (file(round="1000"), "round is not"),
        (file(round=1000.0), "round is not"),
        (file(round=True), "round is not"),
        (file(round=0), "round is not"),
        (file(round=-1), "round is not"),
        (file(round=float("nan")), "round is not"),
        (file(round=2**64), "round is not"),
        (file(signature=None), "signature is not 96"),
        (file(signature=["b4"]), "signature is not 96"),
        (file(signature=VALID[1000]["signature"].upper()), "signature is not 96"),
        (file(signature=VALID[1000]["signature"] + "\n"), "signature is not 96"),
        (file(signature=VALID[1000]["signature"][2:]), "signature is not 96"),
        (file(signature=" " + VALID[1000]["signature"][1:]), "signature is not 96"),
        (file(randomness=VALID[1000]["randomness"] + "00"), "randomness is not 64"),
        (file(randomness=None), "no field randomness.*SHA-256 of the signature"),
    ],
)
def test_malformed_files_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(MalformedRound, match=words):
        parse_round(data)


def test_without_py_ecc_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    beacon._signed.cache_clear()
    monkeypatch.setitem(sys.modules, "py_ecc.bls", None)
    with pytest.raises(MissingDependency, match="py_ecc 8"):
        beacon.verify_round(signed(1000, SIGNATURE))
