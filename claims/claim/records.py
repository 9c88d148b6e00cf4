"""What a lab's store holds, as immutable values: usage, readings, signed heads, registry entries and drafts."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from claims.base.canonical import FIELD_PRIME

if TYPE_CHECKING:
    from circuits.chain import Entry

__all__ = [
    "Elements",
    "FIRST_TAG",
    "IDLE",
    "KINDS",
    "LAST_EPOCH",
    "LAST_TAG",
    "Lost",
    "MAX_AMOUNT",
    "MAX_TOTAL",
    "RESERVED_NAMES",
    "UNATTRIBUTED_WORDS",
    "UNATTRIBUTED",
    "Draft",
    "EpochHead",
    "EpochSeal",
    "Genesis",
    "KeptClaim",
    "LedgerSecrets",
    "Noted",
    "PublishedHead",
    "Reading",
    "RegistryEntry",
    "SignedHead",
    "SummaryHead",
    "Usage",
    "circuit_entry",
    "fresh_elements",
]

MAX_AMOUNT = 2**48 - 1
MAX_TOTAL = 2**64 - 1
FIRST_TAG, LAST_TAG = 3, 2**24 - 1
LAST_EPOCH = 2**24 - 1
IDLE, UNATTRIBUTED = 1, 2
RESERVED_NAMES = {"idle": IDLE, "unattributed": UNATTRIBUTED}
UNATTRIBUTED_WORDS = frozenset({"", "unattributed", "unknown", "none", "n/a", "-"})
"""What usage files write, in any case, where work has no checkpoint."""
KINDS = ("OPENING", "EXTERNAL", "CHECKPOINT", "SNAPSHOT", "MERGE", "RESIDUE")
"""Kinds of registry entries; a kind's number is its position here plus 1 (circuits/README.md section 2)."""

Elements = tuple[int, ...]


@dataclass(frozen=True)
class Usage:
    """Busy time as imported. ``tag``: 2 (unattributed) or a checkpoint's; ``chip_ms``: chip-milliseconds, exact.

    ``work``: units of 10^12 FLOP as metered, or None where the charge is at peak.
    """

    epoch: int
    tag: int
    chip_ms: int
    work: int | None


@dataclass(frozen=True)
class Reading:
    """A sealed reading: epoch, tag (24 bits), chip_seconds and work (48 bits)."""

    epoch: int
    tag: int
    chip_seconds: int
    work: int


@dataclass(frozen=True)
class LedgerSecrets:
    """Blinding values of one ledger: 8 uniform field elements each. Not shown by repr."""

    iv: Elements = field(repr=False)
    trailer: Elements = field(repr=False)


@dataclass(frozen=True)
class SignedHead:
    """A meter's signed ledger head and roots digest for a period under one agreement: 32-byte digests, a signature of 64 or 2,484."""

    meter: str
    period: int
    agreement_digest: bytes
    head: Elements
    roots_digest: bytes
    signature: bytes


class EpochSeal(NamedTuple):
    """What a meter committed to in one epoch: the salts' 32-byte seed (private; None where a site's store has it), the root, its
    signature of the root.

    ``agreement``: 32-byte digest of the agreement under which it signed.
    """

    epoch: int
    seed: bytes | None
    root: bytes
    signature: bytes
    agreement: bytes

    def __repr__(self) -> str:
        return f"EpochSeal(epoch={self.epoch}, root={self.root!r})"


@dataclass(frozen=True)
class EpochHead:
    """What a lab published of one epoch.

    Attributes:
        epoch, period: which; ``agreement``: 32-byte digest.
        seed: 32-byte seed of the registry slots' salts (private).
        registry_head: root over the registry's slots.
        lab_root: root over the meters' epoch roots.
        closed: how many registry entries were closed when it was published; only these show their base.
        entry: the signed log entry, to publish.
        places: 32-byte seed of the slots' places, the same throughout a period (private).
    """

    epoch: int
    period: int
    agreement: bytes
    seed: bytes = field(repr=False)
    registry_head: bytes
    lab_root: bytes
    closed: int
    entry: bytes
    places: bytes = field(repr=False)


@dataclass(frozen=True)
class KeptClaim:
    """A period's finished claim: agreement digest, the claim file and its signed log entry."""

    period: int
    agreement: bytes
    claim: bytes = field(repr=False)
    entry: bytes = field(repr=False)


@dataclass(frozen=True)
class SummaryHead:
    """The head of a site's summary of a period under one agreement (32-byte digest), and its blinding values, fresh for each."""

    site: str
    period: int
    agreement: bytes
    head: Elements
    secrets: LedgerSecrets


@dataclass(frozen=True)
class Lost:
    """That a meter is lost, or back (``back``), from an epoch on, itself or with its site (``what``, ``name``: as in the LOSS entry).

    ``key``: the meter's, 32 bytes; ``agreement``: digest; ``entry``: the signed log entry.
    """

    meter: str
    epoch: int
    what: int
    name: str
    back: bool
    key: bytes
    agreement: bytes
    entry: bytes


@dataclass(frozen=True)
class PublishedHead:
    """A registry head: after ``period`` (the opening head: one less than the lab's first), over ``entries`` entries."""

    period: int
    head: Elements
    entries: int
    trailer: Elements = field(repr=False)


@dataclass(frozen=True)
class Genesis:
    """A new lineage's beginning: 32-byte commitment (``claims.inspection.genesis``) and the later drand round that seeded its weights."""

    commitment: bytes
    round: int


@dataclass(frozen=True)
class RegistryEntry:
    """One closed registry entry. Tags: 0 is NONE; kind as in ``KINDS``, by number; amounts 64 bits.

    ``name``: private name of the checkpoint; ``period``: None for OPENING; ``weights``: 32-byte digest; ``genesis``: as in Draft.
    """

    name: str
    tag: int
    kind: int
    parent1: int
    parent2: int
    base: int
    epoch: int
    work: int
    declared: int
    cumulative: int
    weights: bytes
    period: int | None
    genesis: Genesis | None = None


@dataclass(frozen=True)
class Draft:
    """A registry entry before its period is closed: its work is not known yet.

    Attributes:
        name: the checkpoint's private name.
        kind: "EXTERNAL", "CHECKPOINT", "SNAPSHOT" or "MERGE".
        parents: names; none for EXTERNAL, one at most for CHECKPOINT and SNAPSHOT, two for MERGE.
        branch: True: a branch starts here (base = parent); False: continues (base = parent's base);
            None: a branch if the parent has several children.
        epoch: when it was saved.
        declared: units of 10^12 FLOP (EXTERNAL).
        weights: 32-byte digest of the weights.
        genesis: what the initial weights were seeded from, where a beacon round seeded them.
    """

    name: str
    kind: str
    parents: tuple[str, ...]
    branch: bool | None
    epoch: int
    declared: int
    weights: bytes
    genesis: Genesis | None = None


@dataclass(frozen=True)
class Noted:
    """What is noted of a checkpoint, as a draft or a closed entry.

    ``kind, parents, epoch, genesis``: as in Draft, OPENING being a kind too; ``branch``: as in Draft, of a closed entry whether its
    base is its parent; ``period``: None for OPENING.
    """

    kind: str
    parents: tuple[str, ...]
    branch: bool | None
    epoch: int
    period: int | None
    genesis: Genesis | None


def fresh_elements() -> Elements:
    """Eight uniform field elements from the operating system's generator."""
    return tuple(secrets.randbelow(FIELD_PRIME) for _ in range(8))


def circuit_entry(entry: RegistryEntry) -> Entry:
    """The entry as the circuit's dataclass."""
    from circuits.chain import Entry

    return Entry(
        tag=entry.tag,
        kind=entry.kind,
        parent1=entry.parent1,
        parent2=entry.parent2,
        base=entry.base,
        epoch=entry.epoch,
        work=entry.work,
        declared=entry.declared,
        cumulative=entry.cumulative,
        weights_digest=entry.weights,
    )
