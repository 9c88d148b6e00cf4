"""What ties an opening to the claim: a proof that what was opened is what stands behind the claim's heads.

    readings, slots under logged commitments --same values--> readings in the ledgers, entries in the registry, that the
    heads commit to (zero knowledge);  heads signed as in a claim --> a claim with others is evidence

Without it two stories would fit together: a true one for inspectors, committed to hour by hour, and another one in the claim,
whose caps it meets: a bribed meter signs both a true epoch root and a false ledger head; a lab keeps two lists of checkpoints. The
proof is that of circuits/README.md section 10; an entry's base, work and cumulative are not shown. FORMATS-inspection.md section I7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claims.agreement.model import Agreement
from claims.agreement.signatures import ledger_head_message, registry_head_message, sign_registry_head
from claims.base.canonical import Writer, head_to_bytes
from claims.base.ed25519 import check_signature
from claims.base.errors import ClaimsError
from claims.claim.commitments import Slot
from claims.claim.file import MeterHead
from claims.claim.lists import Lists
from claims.claim.records import Elements, LedgerSecrets, Reading, RegistryEntry, SignedHead

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from circuits.opening import OpeningStatement

__all__ = ["MAX_BINDING", "Behind", "Binding", "bind", "check_binding", "check_heads", "heads_digest"]

HEADS_DOMAIN = b"standstill/claim-heads/v2"
MAX_BINDING = 2**20
"""Bytes of a proof."""

Opened = tuple[str, int, Reading]
"""A reading that is shown: its meter, its index among the meter's readings of the epoch, and itself."""


@dataclass(frozen=True)
class Behind:
    """What stands behind the heads of a closed period, from the lab's store.

    Attributes:
        heads: of each meter, in the agreement's order, as it signed them. ``ledgers``: readings and blinding values, likewise.
        head: the registry head after the period; ``iv``, ``trailer``: 8 elements each; ``entries``: all of them, in order.
        lists: digest of what the claim of the period lists.
    """

    heads: tuple[SignedHead, ...]
    ledgers: tuple[tuple[Sequence[Reading], LedgerSecrets], ...] = field(repr=False)
    head: Elements
    iv: Elements = field(repr=False)
    trailer: Elements = field(repr=False)
    entries: tuple[RegistryEntry, ...] = field(repr=False)
    lists: bytes = Lists().digest


@dataclass(frozen=True)
class Binding:
    """Heads as a claim has them, in the agreement's order, with their signatures; and the proof about what is opened.

    ``lists``: 32-byte digest of what the claim lists, which the lab signs with its registry's head.
    """

    meters: tuple[MeterHead, ...]
    head: Elements
    lists: bytes
    signature: bytes
    proof: bytes = field(repr=False)

    @property
    def digest(self) -> bytes:
        """:func:`heads_digest` of its heads."""
        return heads_digest(self.meters, self.head, self.lists)


def heads_digest(meters: Sequence[MeterHead], head: Elements, lists: bytes) -> bytes:
    """SHA-256 over all heads of a claim, or of a binding: each meter's name, head and roots digest; the registry's head, and what
    is signed with it."""
    out = Writer()
    out.uint(len(HEADS_DOMAIN), 2)
    out.raw(HEADS_DOMAIN)
    for one in meters:
        out.name(one.name)
        out.raw(head_to_bytes(one.head) + one.roots_digest)
    out.raw(head_to_bytes(head) + lists)
    return hashlib.sha256(out.data).digest()


def _statement(
    agreement: Agreement, lab: str, period: int, meters: Sequence[MeterHead], head: Elements, readings: Sequence[Opened],
    slots: Sequence[Slot],
) -> OpeningStatement:  # fmt: skip
    from circuits.opening import OpenedEntry, OpenedReading, OpeningStatement
    from circuits.statement import ledger_header, registry_header

    agreed = agreement.lab(lab)
    if agreed.sites:
        raise ClaimsError(f"openings of a lab with sites, as {lab} is, are not made or checked by this version", "use a newer version")
    chains = {meter.name: chain for chain, meter in enumerate(agreed.meters, 1)}
    heads = tuple((ledger_header(agreement.digest, lab, one.name, period), one.head) for one in meters)
    shown = [OpenedReading(chains[name], r.epoch, index, r.tag, r.chip_seconds, r.work) for name, index, r in readings]
    entries = [OpenedEntry(s.tag, s.kind, s.parent1, s.parent2, s.epoch, s.declared, s.weights) for s in slots if s.used]
    return OpeningStatement(
        agreed.log_rows, heads, (registry_header(lab), head),
        tuple(sorted(shown, key=lambda r: (r.chain, r.epoch, r.index))), tuple(sorted(entries, key=lambda e: e.tag)),
    )  # fmt: skip


def bind(
    agreement: Agreement, lab: str, period: int, behind: Behind, readings: Sequence[Opened], slots: Sequence[Slot],
    key: Ed25519PrivateKey,
) -> Binding:  # fmt: skip
    """Prove that readings, and the used ones among ``slots``, stand behind the heads; sign the registry's as a claim does.

    Raises:
        zk.errors.WitnessError: they do not, or the records have other heads.
    """
    import numpy as np

    from circuits.open_records import OpeningWitness, WholeRegistry, prove_opening
    from circuits.witness import LedgerWitness
    from claims.claim.records import circuit_entry

    meters = tuple(MeterHead(one.meter, one.head, one.roots_digest, one.signature) for one in behind.heads)
    ledgers = []
    for rows, blinding in behind.ledgers:
        columns = np.array([(r.epoch, r.tag, r.chip_seconds, r.work) for r in rows], dtype=np.int64).T
        ledgers.append(LedgerWitness(blinding.iv, columns[0], columns[1], columns[2], columns[3], blinding.trailer))
    entries = tuple(circuit_entry(entry) for entry in behind.entries)
    statement = _statement(agreement, lab, period, meters, behind.head, readings, slots)
    proof = prove_opening(statement, OpeningWitness(tuple(ledgers), WholeRegistry(behind.iv, entries, behind.trailer)))
    signature = sign_registry_head(key, agreement.digest, lab, period, behind.head, behind.lists)
    return Binding(meters, behind.head, behind.lists, signature, proof)


def check_heads(agreement: Agreement, lab: str, period: int, binding: Binding) -> None:
    """Check that the heads are those of exactly the agreed meters, and every signature. Raises BadSignature."""
    agreed, digest = agreement.lab(lab), agreement.digest
    keys = {meter.name: meter.key for meter in agreed.meters}
    for one in binding.meters:
        message = ledger_head_message(digest, lab, one.name, period, one.head, one.roots_digest)
        check_signature(f"meter {one.name} on its ledger head", keys[one.name], one.signature, message)
    message = registry_head_message(digest, lab, period, binding.head, binding.lists)
    check_signature(f"lab {lab} on its registry head", agreement.party(lab).key, binding.signature, message)


def check_binding(
    agreement: Agreement, lab: str, period: int, binding: Binding, readings: Sequence[Opened], slots: Sequence[Slot]
) -> None:
    """Verify the proof for what was opened. Raises zk.errors.ZkError."""
    from circuits.opening import verify_opening

    verify_opening(_statement(agreement, lab, period, binding.meters, binding.head, readings, slots), binding.proof)
