"""drand beacon rounds: public randomness that did not exist when the readings were committed.

    round file (JSON) --parse_round--> Round --verify_round--> VerifiedRound, which an inspection draws from

The chain is drand's quicknet (scheme ``bls-unchained-g1-rfc9380``): every three seconds a threshold of its
operators publishes a BLS signature over the round's number. Its SHA-256 is the randomness. A round is checked
against the chain's public key alone, with no server asked.

Signature: BLS12-381, signature in G1, key in G2 (draft-irtf-cfrg-bls-signature, the swapped groups), message
SHA-256(u64 round), hashed to the curve by RFC 9380. Points are in the 48 and 96-byte compressed encoding of
zcash; exactly one encoding of a point is accepted, infinity and points outside the subgroup of order r never.

What this rests on: that fewer than the threshold of drand's operators collude. A threshold of them knows all
rounds, past and future, in advance.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from claims.base.canonical import from_json
from claims.base.errors import ClaimRejected, MalformedFile, MissingDependency
from claims.base.units import format_time

__all__ = [
    "MAX_ROUND",
    "QUICKNET",
    "ROUND_LIMIT",
    "Chain",
    "MalformedRound",
    "Round",
    "RoundRejected",
    "RoundTooEarly",
    "VerifiedRound",
    "parse_round",
    "round_after",
    "time_of_round",
    "verify_round",
]


@dataclass(frozen=True)
class Chain:
    """A drand chain. ``genesis``: Unix seconds of round 1; ``period``: seconds; ``hash``: of all of it, 32 bytes."""

    name: str
    hash: bytes
    public_key: bytes
    group_hash: bytes
    genesis: int
    period: int
    dst: bytes

    def computed_hash(self) -> bytes:
        """SHA-256(u32 period || u64 genesis || key || group hash || name): drand's definition of a chain's hash."""
        clock = self.period.to_bytes(4, "big") + self.genesis.to_bytes(8, "big")
        return hashlib.sha256(clock + self.public_key + self.group_hash + self.name.encode("ascii")).digest()


QUICKNET = Chain(
    name="quicknet",
    hash=bytes.fromhex("52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"),
    public_key=bytes.fromhex(
        "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
    ),
    group_hash=bytes.fromhex("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e"),
    genesis=1692803367,
    period=3,
    dst=b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_",
)
"""Source: https://api.drand.sh/52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971/info.
``hash`` commits to the key, the genesis and the period."""

MAX_ROUND = (253402300799 - QUICKNET.genesis) // QUICKNET.period + 1
"""The last round before the year 10000."""
ROUND_LIMIT = 4096
"""Largest round file, bytes."""


class MalformedRound(MalformedFile):
    """A round file is not the JSON object that drand's HTTP interface returns for a quicknet round."""


class RoundRejected(ClaimRejected):
    """A well-formed round is not one that the beacon signed. ``check`` is ``beacon``."""

    def __init__(self, what: str) -> None:
        super().__init__("beacon", what)


class RoundTooEarly(RoundRejected):
    """The round existed, or may have existed, when what it should sample was not yet committed."""


@dataclass(frozen=True)
class Round:
    """What a round file says; nothing is verified. ``signature``: 48 bytes; ``randomness``: 32 bytes."""

    number: int
    signature: bytes
    randomness: bytes


@dataclass(frozen=True)
class VerifiedRound:
    """A round whose signature verifies; made by :func:`verify_round`. ``randomness``: SHA-256(signature)."""

    number: int
    randomness: bytes

    @property
    def time(self) -> int:
        """Unix seconds at which the beacon published it."""
        return time_of_round(self.number)


# ---- rounds and time ---------------------------------------------------------------------------------------


def time_of_round(number: int) -> int:
    """Unix seconds at which a round is due.

    Raises:
        RoundRejected: ``number`` is not 1 to :data:`MAX_ROUND`.
    """
    if type(number) is not int or not 1 <= number <= MAX_ROUND:
        raise RoundRejected(f"rounds have numbers from 1 to {MAX_ROUND}")
    return QUICKNET.genesis + (number - 1) * QUICKNET.period


def round_after(unix_seconds: int) -> int:
    """The first round due strictly after a moment.

    Raises:
        RoundRejected: there is none up to :data:`MAX_ROUND`.
    """
    number = max(1, (unix_seconds - QUICKNET.genesis) // QUICKNET.period + 2)
    time_of_round(number)
    return number


# ---- parsing -----------------------------------------------------------------------------------------------


def parse_round(data: bytes) -> Round:
    """Parse ``{"round": 1000, "signature": "...", "randomness": "..."}``: these three fields, no other.

    Hex is lower case; white space and the order of fields are free.

    Raises:
        MalformedRound: anything else, or more than :data:`ROUND_LIMIT` bytes.
    """
    if len(data) > ROUND_LIMIT:
        raise MalformedRound(f"a round file has at most {ROUND_LIMIT} bytes, this one {len(data)}")
    try:
        values = from_json(data, object_pairs_hook=_unique_fields)
    except (ValueError, RecursionError) as error:
        raise MalformedRound(f"not JSON: {str(error)[:200]}") from None
    if type(values) is not dict:
        raise MalformedRound("not a JSON object", hint="save what drand returns for /<chain hash>/public/<round>")
    for name in sorted(values.keys() - {"round", "signature", "randomness"}):
        other = "a round of a chained network; use quicknet" if name == "previous_signature" else ""
        raise MalformedRound(f"unknown field {name[:40]!r}", hint=other)
    number = values.get("round")
    if type(number) is not int or not 1 <= number <= MAX_ROUND:
        raise MalformedRound(f"round is not a whole number from 1 to {MAX_ROUND}")
    signature = _hex(values, "signature", 48)
    if "randomness" not in values:
        hint = "it is SHA-256 of the signature in hex: add it; /v2/ answers leave it out, /<chain hash>/public/<round> has it"
        raise MalformedRound("it has no field randomness", hint=hint)
    return Round(number, signature, _hex(values, "randomness", 32))


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a field occurs twice")
    return values


def _hex(values: dict[str, Any], name: str, size: int) -> bytes:
    text = values.get(name)
    if type(text) is not str or re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text) is None:
        raise MalformedRound(f"{name} is not {2 * size} lower-case hex digits")
    return bytes.fromhex(text)


# ---- verification ------------------------------------------------------------------------------------------


def verify_round(beacon_round: Round, *, after: int | None = None) -> VerifiedRound:
    """Verify a round of quicknet, about half a second.

    Args:
        beacon_round: what the file says.
        after: Unix seconds of the commitment that the round is to sample. The round must be due strictly later.

    Raises:
        RoundTooEarly: it was due at or before ``after``.
        RoundRejected: the randomness is not the signature's hash, the signature is not a canonical point of the
            subgroup, or does not verify for this number.
        MissingDependency: py_ecc 8 is not installed.
    """
    due = time_of_round(beacon_round.number)
    if after is not None and due <= after:
        raise RoundTooEarly(
            f"round {beacon_round.number} was due at {format_time(due)}; only rounds due after {format_time(after)}"
            f" count (from {round_after(after)} on)"
        )
    if hashlib.sha256(beacon_round.signature).digest() != beacon_round.randomness:
        raise RoundRejected("the randomness is not SHA-256 of the signature")
    if not _signed(beacon_round.signature, beacon_round.number):
        raise RoundRejected(f"the signature is not {QUICKNET.name}'s for round {beacon_round.number}")
    return VerifiedRound(beacon_round.number, beacon_round.randomness)


def _bls() -> tuple[Any, Any, Any]:
    """The modules ``optimized_bls12_381``, ``point_compression`` and ``hash_to_curve`` of py_ecc.

    py_ecc raises the interpreter's recursion limit, a guard for every parser of this process; it is put back.
    """
    limit = sys.getrecursionlimit()
    try:
        from py_ecc import optimized_bls12_381
        from py_ecc.bls import hash_to_curve, point_compression

        hash_to_curve.hash_to_G1  # noqa: B018  (absent before py_ecc 8)
    except (ImportError, AttributeError):
        raise MissingDependency("verifying beacon rounds needs py_ecc 8", "pip install 'py_ecc>=8'") from None
    finally:
        sys.setrecursionlimit(limit)
    return optimized_bls12_381, point_compression, hash_to_curve


def _signature_point(data: bytes) -> Any:
    """Decode a signature: 48 bytes, the canonical encoding of a point of order r in G1.

    The three leading bits are: compressed (1), infinity (0), and whether y is the larger root; the rest is
    x < q. Raises RoundRejected.
    """
    curve, compression, _ = _bls()
    if type(data) is not bytes or len(data) != 48:
        raise RoundRejected("the signature is not 48 bytes")
    number = int.from_bytes(data, "big")
    if not data[0] & 0x80:
        raise RoundRejected("the signature is not a compressed point")
    if data[0] & 0x40:
        raise RoundRejected("the signature is the point at infinity")
    if number % 2**381 >= curve.field_modulus:
        raise RoundRejected("the signature's coordinate is not reduced")
    try:
        point = compression.decompress_G1(number)
    except ValueError:
        raise RoundRejected("the signature is not a point on the curve") from None
    if not _in_subgroup(curve, point) or compression.compress_G1(point) != number:
        raise RoundRejected("the signature is not in the subgroup")
    return point


def _in_subgroup(curve: Any, point: Any) -> bool:
    """Whether r times the point is the neutral element, and the point itself is not."""
    return not curve.is_inf(point) and bool(curve.is_inf(curve.multiply(point, curve.curve_order)))


@lru_cache(maxsize=1)
def _public_key() -> Any:
    """The chain's key as a point of order r in G2."""
    curve, compression, _ = _bls()
    halves = (int.from_bytes(QUICKNET.public_key[:48], "big"), int.from_bytes(QUICKNET.public_key[48:], "big"))
    point = compression.decompress_G2(halves)
    if not _in_subgroup(curve, point):
        raise RoundRejected("the chain's public key is not in the subgroup")
    return point


@lru_cache(maxsize=1024)
def _signed(data: bytes, number: int) -> bool:
    """Whether e(signature, G2) = e(H(number), public key), of points of order r. Raises RoundRejected: the signature is none."""
    curve, _, to_curve = _bls()
    signature = _signature_point(data)
    message = hashlib.sha256(number.to_bytes(8, "big")).digest()
    hashed = to_curve.hash_to_G1(message, QUICKNET.dst, hashlib.sha256)
    left = curve.pairing(curve.G2, signature, final_exponentiate=False)
    right = curve.pairing(_public_key(), curve.neg(hashed), final_exponentiate=False)
    return bool(curve.final_exponentiate(left * right) == curve.FQ12.one())
