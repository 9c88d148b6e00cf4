"""Epoch commitments: RFC 6962 trees over salted, padded leaves. Standard library only.

    leaf_hash(d) = SHA-256(0x00 || d)    node(l, r) = SHA-256(0x01 || l || r)    MTH as in RFC 6962 section 2.1
    salt_i       = HMAC-SHA256(seed, u32 i)          seed: 32 random bytes per meter and epoch, or per registry head

    epoch root(meter, epoch)      = MTH(reading leaves)                  the chip class's `readings` leaves, always
    lab epoch root(lab, epoch)    = MTH(meter leaves)                    one per meter, in the agreement's order; of groups: groups.py
    roots digest(meter, period)   = MTH(epoch roots)                     leaf data is the root; epochs in order; its group's, if it has one
    registry epoch head           = MTH(slot leaves)                     `commitment.checkpoints` leaves, always

Hiding: a leaf that is not opened is SHA-256 of a message with a salt of 256 bits that nobody else can compute, so hashes on
audit paths say nothing about the neighbours, and equal readings of two epochs have unrelated hashes. An opened salt shows
nothing of the others: HMAC-SHA256 under an unknown seed is a pseudorandom function. The number of leaves is agreed, so the
number of readings or checkpoints does not show. Binding: SHA-256's collision resistance; leaves and nodes begin with
different bytes, and each kind of leaf with a domain of its own.

FORMATS.md section 5 has the bytes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from claims.base.canonical import is_name
from claims.base.errors import ClaimsError
from claims.base.merkle import audit_paths, leaf_hash, root_from_path, tree_root
from claims.claim.records import Reading

__all__ = [
    "EMPTY_SLOT",
    "READING_PREFIX",
    "SEED_BYTES",
    "CommitmentError",
    "ReadingOpening",
    "Slot",
    "SlotOpening",
    "audit_path",
    "epoch_root",
    "in_places",
    "lab_epoch_root",
    "merkle_root",
    "meter_leaf",
    "name_digest",
    "reading_leaf",
    "reading_leaves",
    "reading_starts",
    "registry_epoch_head",
    "roots_digest",
    "salt",
    "salts",
    "slot_leaf",
    "slot_leaves",
]

READING_DOMAIN = b"standstill/reading/v1"
METER_DOMAIN = b"standstill/epoch-meter/v1"
SLOT_DOMAIN = b"standstill/slot/v1"
SEED_BYTES = 32
NOTHING = bytes(32)

READING_PREFIX = len(READING_DOMAIN).to_bytes(2, "big") + READING_DOMAIN
_METER = len(METER_DOMAIN).to_bytes(2, "big") + METER_DOMAIN
_SLOT = len(SLOT_DOMAIN).to_bytes(2, "big") + SLOT_DOMAIN


class CommitmentError(ClaimsError):
    """Values that cannot be committed to, or an opening that does not fit its tree. Never holds a salt or a seed."""


def merkle_root(leaves: Iterable[bytes]) -> bytes:
    """MTH of the leaves' data; of no leaf at all it is SHA-256 of nothing."""
    return tree_root(map(leaf_hash, leaves))


def audit_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of one leaf, of all leaves' data. Raises PathError: there is no such leaf."""
    return audit_paths(list(map(leaf_hash, leaves)), (index,))[index]


# ---- readings --------------------------------------------------------------------------------------------


def salt(seed: bytes, index: int) -> bytes:
    """HMAC-SHA256(seed, u32 index), 32 bytes: the salt of leaf ``index``. ``seed``: 32 bytes, never published."""
    if len(seed) != SEED_BYTES:
        raise CommitmentError(f"a seed has {SEED_BYTES} bytes")
    return hmac.digest(seed, _uint(index, 4, "a leaf's index"), "sha256")


def salts(seed: bytes, count: int) -> list[bytes]:
    """:func:`salt` of the leaves 0 to count - 1, in half its time each: HMAC's two padded keys are hashed once."""
    if len(seed) != SEED_BYTES:
        raise CommitmentError(f"a seed has {SEED_BYTES} bytes")
    key, found = seed.ljust(64, b"\0"), []
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))
    for index in range(count):
        first, second = inner.copy(), outer.copy()
        first.update(_uint(index, 4, "a leaf's index"))
        second.update(first.digest())
        found.append(second.digest())
    return found


def _uint(value: int, size: int, what: str) -> bytes:
    if type(value) is not int or not 0 <= value < 256**size:
        raise CommitmentError(f"{what} does not fit in {size} bytes")
    return value.to_bytes(size, "big")


def reading_leaf(salt: bytes, start: int, reading: Reading) -> bytes:
    """Data of a reading's leaf.

    u16 length || domain || salt || u48 start || u24 epoch || u24 tag || u48 chip_seconds || u48 work

    Args:
        salt: 32 bytes.
        start: chip-seconds of the epoch's earlier readings of this meter; the reading covers start to start + chip_seconds - 1.
    """
    if len(salt) != 32:
        raise CommitmentError("a salt has 32 bytes")
    return b"".join(
        (
            READING_PREFIX, salt, _uint(start, 6, "a reading's start"), _uint(reading.epoch, 3, "an epoch"),
            _uint(reading.tag, 3, "a tag"), _uint(reading.chip_seconds, 6, "chip-seconds"), _uint(reading.work, 6, "work"),
        )
    )  # fmt: skip


def reading_starts(readings: Iterable[Reading]) -> list[int]:
    """Where each reading of one meter and epoch begins: the running sum of chip-seconds before it."""
    starts, total = [], 0
    for reading in readings:
        starts.append(total)
        total += reading.chip_seconds
    return starts


def reading_leaves(readings: Sequence[Reading], epoch: int, coverage: int, seed: bytes, size: int) -> list[bytes]:
    """Data of all ``size`` leaves of a meter and epoch: the readings in order, then padding.

    Padding is a reading of tag 0 that begins at ``coverage``, where the epoch ends, with no chip-seconds and no work.

    Raises:
        CommitmentError: more readings than leaves, a reading of another epoch, chip-seconds that are not ``coverage`` in sum.
    """
    if len(readings) > size:
        raise CommitmentError(
            f"epoch {epoch} has {len(readings)} readings, the agreement commits to at most {size}",
            "work of several small jobs may be signed as one reading per checkpoint; or amend readings of the [[chip]]",
        )
    if any(reading.epoch != epoch for reading in readings) or sum(r.chip_seconds for r in readings) != coverage:
        raise CommitmentError(f"the readings of epoch {epoch} do not cover its {coverage} chip-seconds")
    every = salts(seed, size)
    leaves = [reading_leaf(*leaf) for leaf in zip(every, reading_starts(readings), readings, strict=False)]
    filler = reading_leaf(NOTHING, coverage, Reading(epoch, 0, 0, 0))
    head, tail = filler[: len(READING_PREFIX)], filler[len(READING_PREFIX) + 32 :]
    leaves += [head + one + tail for one in every[len(readings) :]]
    return leaves


def epoch_root(readings: Sequence[Reading], epoch: int, coverage: int, seed: bytes, size: int) -> bytes:
    """Root over :func:`reading_leaves`, 32 bytes: what a meter signs for each epoch."""
    return merkle_root(reading_leaves(readings, epoch, coverage, seed, size))


# ---- meters and periods ----------------------------------------------------------------------------------


def meter_leaf(meter: str, root: bytes) -> bytes:
    """Data of a meter's leaf under its lab's epoch root: u16 length || domain || name || 32 bytes root."""
    if not is_name(meter) or len(root) != 32:
        raise CommitmentError("a meter's leaf is a name and a root of 32 bytes")
    return _METER + len(meter).to_bytes(1, "big") + meter.encode("ascii") + root


def lab_epoch_root(roots: Sequence[tuple[str, bytes]]) -> bytes:
    """Root over (meter, epoch root) of one lab and epoch, in the agreement's order: what the lab publishes."""
    return merkle_root(meter_leaf(name, root) for name, root in roots)


def roots_digest(roots: Sequence[bytes]) -> bytes:
    """Root over a meter's epoch roots of one period, in order: signed together with its ledger head."""
    if any(len(root) != 32 for root in roots):
        raise CommitmentError("a root has 32 bytes")
    return merkle_root(roots)


# ---- registry --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slot:
    """A place in the registry's epoch head.

    Attributes:
        used: False for a place that no checkpoint has taken; then every other field is 0.
        tag, kind, parent1, parent2: as in the registry (circuits/README.md section 2).
        base: as in the registry; 0 while the period is open.
        epoch: when the checkpoint was saved.
        declared: declared work, units of 10^12 FLOP.
        weights: 32-byte digest of the weights.
        name_digest: :func:`name_digest` of the private name.
        genesis_commitment: 32 bytes, or zeros where no beacon round seeded the weights.
        genesis_round: that round, or 0.
    """

    used: bool
    tag: int
    kind: int
    parent1: int
    parent2: int
    base: int
    epoch: int
    declared: int
    weights: bytes
    name_digest: bytes
    genesis_commitment: bytes = NOTHING
    genesis_round: int = 0


EMPTY_SLOT = Slot(False, 0, 0, 0, 0, 0, 0, 0, NOTHING, NOTHING)
"""What fills the places that no checkpoint has taken."""


def name_digest(name: str) -> bytes:
    """SHA-256 of a private name's UTF-8. Inside a salted leaf only: alone it would be guessed."""
    return hashlib.sha256(name.encode("utf-8")).digest()


def slot_leaf(salt: bytes, slot: Slot) -> bytes:
    """Data of a slot's leaf.

    u16 length || domain || salt || u8 used || u24 tag || u8 kind || u24 parent1 || u24 parent2 || u24 base || u24 epoch
    || u64 declared || 32 weights || 32 name digest || 32 genesis commitment || u64 genesis round
    """
    if not slot.used and slot != EMPTY_SLOT:
        raise CommitmentError("a slot that is not used has values")
    if any(len(part) != 32 for part in (salt, slot.weights, slot.name_digest, slot.genesis_commitment)):
        raise CommitmentError("a slot's salt and digests have 32 bytes each")
    return b"".join(
        (
            _SLOT, salt, b"\x01" if slot.used else b"\x00", _uint(slot.tag, 3, "a tag"), _uint(slot.kind, 1, "a kind"),
            _uint(slot.parent1, 3, "a parent"), _uint(slot.parent2, 3, "a parent"), _uint(slot.base, 3, "a base"),
            _uint(slot.epoch, 3, "an epoch"), _uint(slot.declared, 8, "declared work"), slot.weights, slot.name_digest,
            slot.genesis_commitment, _uint(slot.genesis_round, 8, "a genesis round"),
        )
    )  # fmt: skip


def in_places(slots: Sequence[Slot], seed: bytes, size: int) -> list[Slot]:
    """All ``size`` places of a registry epoch head: slot j in the j-th place of a random order, the others empty.

    The order is that of HMAC-SHA256(seed, u32 place). So where a checkpoint lies says nothing of how many there are, and it lies there
    under every head of one seed, since the list only grows at its end.

    Args:
        seed: 32 random bytes, of a period; never published, and not that of the salts.

    Raises:
        CommitmentError: more checkpoints than places.
    """
    if len(slots) > size:
        raise CommitmentError(
            f"the registry has {len(slots)} checkpoints, the agreement commits to at most {size}",
            "amend [commitment] checkpoints",
        )
    placed = [EMPTY_SLOT] * size
    for place, slot in zip(_order(seed, size), slots, strict=False):
        placed[place] = slot
    return placed


@lru_cache(maxsize=8)
def _order(seed: bytes, size: int) -> tuple[int, ...]:
    """The order of places: one for a period, asked for in each of its epochs."""
    return tuple(sorted(range(size), key=salts(seed, size).__getitem__))


def slot_leaves(slots: Sequence[Slot], seed: bytes, size: int) -> list[bytes]:
    """Data of all ``size`` leaves of a registry epoch head: the given places, used or empty, then empty ones.

    Raises:
        CommitmentError: more places than slots.
    """
    if len(slots) > size:
        raise CommitmentError(
            f"the registry has {len(slots)} checkpoints, the agreement commits to at most {size}",
            "amend [commitment] checkpoints",
        )
    filler = slot_leaf(NOTHING, EMPTY_SLOT)
    head, tail = filler[: len(_SLOT)], filler[len(_SLOT) + 32 :]
    every = salts(seed, size)
    leaves = [head + one + tail for one in every]
    for i, slot in enumerate(slots):
        if slot is not EMPTY_SLOT:
            leaves[i] = slot_leaf(every[i], slot)
    return leaves


def registry_epoch_head(slots: Sequence[Slot], seed: bytes, size: int) -> bytes:
    """Root over :func:`slot_leaves`, 32 bytes: published once per epoch under a fresh seed, changed or not."""
    return merkle_root(slot_leaves(slots, seed, size))


# ---- openings --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReadingOpening:
    """One reading shown to an inspector: ``index`` among the epoch's leaves, its start, the reading, salt and audit path."""

    index: int
    start: int
    reading: Reading = field(repr=False)
    salt: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)

    @staticmethod
    def of(readings: Sequence[Reading], index: int, epoch: int, coverage: int, seed: bytes, size: int) -> ReadingOpening:
        """Open leaf ``index``, one of the readings, of a meter and epoch."""
        return ReadingOpening.several(readings, (index,), epoch, coverage, seed, size)[0]

    @staticmethod
    def several(
        readings: Sequence[Reading], indices: Sequence[int], epoch: int, coverage: int, seed: bytes, size: int
    ) -> list[ReadingOpening]:
        """Open several leaves of one meter and epoch: the tree is hashed once."""
        if any(not 0 <= index < len(readings) for index in indices):
            raise CommitmentError(f"epoch {epoch} has {len(readings)} readings, and another one is to be opened")
        paths = audit_paths(list(map(leaf_hash, reading_leaves(readings, epoch, coverage, seed, size))), indices)
        starts = reading_starts(readings)
        return [ReadingOpening(i, starts[i], readings[i], salt(seed, i), paths[i]) for i in indices]

    def root(self, size: int) -> bytes:
        """The epoch root that this opening leads to. ``size`` comes from the agreement."""
        return root_from_path(leaf_hash(reading_leaf(self.salt, self.start, self.reading)), self.index, size, self.path)


@dataclass(frozen=True)
class SlotOpening:
    """One slot shown to an inspector: ``index`` among the head's leaves, the slot, salt and audit path."""

    index: int
    slot: Slot = field(repr=False)
    salt: bytes = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)

    @staticmethod
    def of(slots: Sequence[Slot], index: int, seed: bytes, size: int) -> SlotOpening:
        """Open leaf ``index``, used or empty, of a registry epoch head."""
        return SlotOpening.several(slots, (index,), seed, size)[0]

    @staticmethod
    def several(slots: Sequence[Slot], indices: Sequence[int], seed: bytes, size: int) -> list[SlotOpening]:
        """Open several leaves, used or empty, of one registry epoch head: the tree is hashed once."""
        paths = audit_paths(list(map(leaf_hash, slot_leaves(slots, seed, size))), indices)
        return [SlotOpening(i, slots[i] if i < len(slots) else EMPTY_SLOT, salt(seed, i), paths[i]) for i in indices]

    def root(self, size: int) -> bytes:
        """The registry epoch head that this opening leads to. ``size`` comes from the agreement."""
        return root_from_path(leaf_hash(slot_leaf(self.salt, self.slot)), self.index, size, self.path)
