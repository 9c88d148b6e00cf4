"""Seeds of training runs from public randomness: the run's first weights did not exist before a beacon round.

    commitment = H(u16 length || "standstill/genesis-commitment/v1" || nonce (32) || config)
    seed       = H(u16 length || "standstill/genesis/v1" || commitment (32) || u64 round || randomness (32))

H is SHA-256. FORMATS-inspection.md section I9 says what an inspector can check with it, and what not.
"""

from __future__ import annotations

import hashlib

from claims.agreement import Agreement
from claims.beacon import VerifiedRound, time_of_round
from claims.commitments import NOTHING, Slot
from claims.errors import ClaimRejected, ClaimsError

__all__ = ["CONFIG_LIMIT", "GenesisError", "check_genesis", "genesis_commitment", "genesis_seed"]

COMMITMENT_DOMAIN = b"standstill/genesis-commitment/v1"
SEED_DOMAIN = b"standstill/genesis/v1"
CONFIG_LIMIT = 2**20


class GenesisError(ClaimsError):
    """An argument of a genesis is out of range. Never holds a nonce."""


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
    if time_of_round(beacon_round.number) >= agreement.epoch_span(slot.epoch)[1]:
        raise ClaimRejected("genesis", "the checkpoint's epoch ended before its genesis round was due")
    if (nonce is None) != (config is None):
        raise GenesisError("a commitment opens with both a nonce and a configuration")
    if nonce is not None and config is not None and genesis_commitment(nonce, config) != slot.genesis_commitment:
        raise ClaimRejected("genesis", "the nonce and the configuration are not those committed to")
    return genesis_seed(slot.genesis_commitment, beacon_round)
