"""Seeds of training runs from public randomness: the run's first weights did not exist before a beacon round.

    commitment = H(u16 length || "standstill/genesis-commitment/v1" || nonce (32) || config)
    seed       = H(u16 length || "standstill/genesis/v1" || commitment (32) || u64 round || randomness (32))

H is SHA-256. FORMATS-inspection.md section I9 says what an inspector can check with it, and what not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from claims.agreement.model import Agreement
from claims.base.canonical import from_json, to_json
from claims.base.errors import ClaimRejected, ClaimsError, MalformedFile
from claims.claim.commitments import NOTHING, Slot
from claims.inspection.beacon import RoundRejected, VerifiedRound, time_of_round

__all__ = [
    "CONFIG_LIMIT", "GENESIS_LIMIT", "GenesisError", "GenesisFile", "check_genesis", "check_slot_genesis", "genesis_commitment",
    "genesis_seed",
]  # fmt: skip

COMMITMENT_DOMAIN = b"standstill/genesis-commitment/v1"
SEED_DOMAIN = b"standstill/genesis/v1"
FORMAT = "standstill-genesis/1"
CONFIG_LIMIT = 2**20
"""Largest configuration, bytes."""
GENESIS_LIMIT = 6 * CONFIG_LIMIT + 4096
"""Largest genesis file, bytes: canonical JSON writes one byte as six at most."""


class GenesisError(ClaimsError):
    """An argument of a genesis is out of range. Never holds a nonce."""


@dataclass(frozen=True)
class GenesisFile:
    """What a lab keeps of a commitment until it shows it to an inspector. ``nonce``: 32 bytes; ``config``: UTF-8."""

    nonce: bytes = field(repr=False)
    config: bytes = field(repr=False)

    @property
    def commitment(self) -> bytes:
        """The commitment, 32 bytes."""
        return genesis_commitment(self.nonce, self.config)

    def encode(self) -> bytes:
        """Canonical JSON. Private until it is shown."""
        commitment, config = self.commitment.hex(), self.config.decode("utf-8")
        return to_json({"format": FORMAT, "commitment": commitment, "nonce": self.nonce.hex(), "config": config})

    @staticmethod
    def decode(data: bytes) -> GenesisFile:
        """Inverse of :meth:`encode`. Raises MalformedFile for anything that it would not write."""
        good = len(data) <= GENESIS_LIMIT
        try:
            value: Any = from_json(data) if good else None
            result = GenesisFile(bytes.fromhex(value["nonce"]), value["config"].encode("utf-8"))
            good = result.encode() == data
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, GenesisError):
            good = False
        if not good:
            raise MalformedFile("not a canonical genesis file", hint="write it with `standstill genesis commit`")
        return result


def genesis_commitment(nonce: bytes, config: bytes) -> bytes:
    """Commitment to a run's configuration, 32 bytes.

    Args:
        nonce: 32 secret random bytes.
        config: UTF-8 text, at most :data:`CONFIG_LIMIT` bytes.
    """
    if len(nonce) != 32 or len(config) > CONFIG_LIMIT:
        raise GenesisError(f"a nonce has 32 bytes, a configuration at most {CONFIG_LIMIT}")
    try:
        config.decode("utf-8")
    except UnicodeDecodeError:
        raise GenesisError("the configuration is not UTF-8 text") from None
    return hashlib.sha256(len(COMMITMENT_DOMAIN).to_bytes(2, "big") + COMMITMENT_DOMAIN + nonce + config).digest()


def genesis_seed(commitment: bytes, beacon_round: VerifiedRound) -> bytes:
    """The seed, 32 bytes, from which the run draws its first weights."""
    if len(commitment) != 32 or len(beacon_round.randomness) != 32:
        raise GenesisError("a commitment and a randomness have 32 bytes each")
    number = beacon_round.number.to_bytes(8, "big")
    return hashlib.sha256(
        len(SEED_DOMAIN).to_bytes(2, "big") + SEED_DOMAIN + commitment + number + beacon_round.randomness
    ).digest()


def check_slot_genesis(agreement: Agreement, slot: Slot) -> None:
    """Check what a slot says of its genesis, if anything: complete, and seeded before the checkpoint's epoch ended.

    Raises:
        ClaimRejected: check ``genesis``.
    """
    if slot.genesis_commitment == NOTHING and slot.genesis_round == 0:
        return
    if slot.genesis_commitment == NOTHING:
        raise ClaimRejected("genesis", "a slot names a genesis round and no commitment")
    try:
        due = time_of_round(slot.genesis_round)
    except RoundRejected:
        raise ClaimRejected("genesis", "a slot's genesis names no drand round") from None
    if slot.parent1 or slot.parent2:
        raise ClaimRejected("genesis", "a slot with a parent names a genesis: a lineage begins but once")
    if due >= agreement.epoch_span(slot.epoch)[1]:
        raise ClaimRejected("genesis", "the checkpoint's epoch ended before its genesis round was due")


def check_genesis(
    agreement: Agreement, slot: Slot, beacon_round: VerifiedRound, nonce: bytes | None = None, config: bytes | None = None
) -> bytes:
    """Check an opened slot's genesis and return the seed to replay on site.

    Args:
        nonce, config: what the lab shows for the commitment; both, or neither.

    Raises:
        ClaimRejected: check ``genesis``: the slot has none, names another round, was saved before its round, or commits otherwise.
    """
    if slot.genesis_commitment == NOTHING:
        raise ClaimRejected("genesis", "the slot has no genesis")
    if slot.genesis_round != beacon_round.number:
        raise ClaimRejected("genesis", f"the slot's genesis is of another round than {beacon_round.number}")
    check_slot_genesis(agreement, slot)
    if (nonce is None) != (config is None):
        raise GenesisError("a commitment opens with both a nonce and a configuration")
    if nonce is not None and config is not None and genesis_commitment(nonce, config) != slot.genesis_commitment:
        raise ClaimRejected("genesis", "the nonce and the configuration are not those committed to")
    return genesis_seed(slot.genesis_commitment, beacon_round)
