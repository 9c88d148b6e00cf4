"""What ties an opening to the claim: a proof that what was opened is what stands behind the claim's heads.

    readings, slots under logged commitments --same values--> readings in the ledgers, entries in the registry, that the
    heads commit to (zero knowledge);  heads signed as in a claim --> a claim with others is evidence

Without it two stories would fit together: a true one for inspectors, committed to hour by hour, and another one in the claim,
whose caps it meets: a bribed meter signs both a true epoch root and a false ledger head; a lab keeps two lists of checkpoints. The
proof is that of circuits/README.md section 10; an entry's base, work and cumulative are not shown. A lab with sites has a proof for
each site of which something is opened, and one for its registry. FORMATS-inspection.md section I7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from claims.agreement.bounds import MAX_SITES
from claims.agreement.model import Agreement
from claims.agreement.signatures import ledger_head_message, registry_head_message, sign_registry_head
from claims.agreement.terms import Lab, Meter
from claims.base.canonical import Writer, head_to_bytes
from claims.base.ed25519 import check_signature
from claims.base.errors import ClaimsError
from claims.base.hybrid import SigningKey
from claims.claim.commitments import Slot
from claims.claim.file import MeterHead
from claims.claim.keys import signed_by_any
from claims.claim.lists import Lists
from claims.claim.losses import NO_HEAD, lost_head
from claims.claim.records import Elements, LedgerSecrets, Reading, RegistryEntry, SignedHead, circuit_entry
from zk.errors import MalformedProof, ZkError

if TYPE_CHECKING:
    from circuits.opening import OpenedReading, OpeningStatement
    from circuits.witness import LedgerWitness

__all__ = ["MAX_BINDING", "MAX_PROOFS", "Behind", "Binding", "bind", "check_binding", "check_heads", "heads_digest", "prove_opened"]

HEADS_DOMAIN = b"standstill/claim-heads/v2"
MAX_BINDING = 2**20
"""Bytes of a proof."""
MAX_PROOFS = MAX_SITES + 1

Opened = tuple[str, int, Reading]
"""A reading that is shown: its meter, its index among the meter's readings of the epoch, and itself."""


@dataclass(frozen=True)
class Behind:
    """What stands behind the heads of a closed period, from the lab's store.

    Attributes:
        heads: of each meter, in the agreement's order, as it signed them. ``ledgers``: readings and blinding values, likewise; None where
            a site's store has them.
        head: the registry head after the period; ``iv``, ``trailer``: 8 elements each; ``entries``: all of them, in order.
        lists: digest of what the claim of the period lists.
    """

    heads: tuple[SignedHead, ...]
    ledgers: tuple[tuple[Sequence[Reading], LedgerSecrets] | None, ...] = field(repr=False)
    head: Elements
    iv: Elements = field(repr=False)
    trailer: Elements = field(repr=False)
    entries: tuple[RegistryEntry, ...] = field(repr=False)
    lists: bytes = Lists().digest


@dataclass(frozen=True)
class Binding:
    """Heads as a claim has them, in the agreement's order, with their signatures; and the proofs about what is opened.

    ``lists``: 32-byte digest of what the claim lists, which the lab signs with its registry's head. ``proofs``: (site, proof) of each site
    of which something is opened, in order, the registry's last under None; of a lab without sites one, under None.
    """

    meters: tuple[MeterHead, ...]
    head: Elements
    lists: bytes
    signature: bytes
    proofs: tuple[tuple[str | None, bytes], ...] = field(repr=False)

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


def _statements(
    agreement: Agreement, lab: str, period: int, meters: Sequence[MeterHead], head: Elements, readings: Sequence[Opened],
    slots: Sequence[Slot], lost: Collection[str] = (),
) -> dict[str | None, OpeningStatement]:  # fmt: skip
    """What each proof shows, by site, the registry's last under None; of a lab without sites the one of all, under None."""
    from circuits.opening import OpenedEntry, OpeningStatement
    from circuits.statement import ledger_header, registry_header

    agreed = agreement.lab(lab)
    made = {meter.name: lost_head(agreement, meter, period) for meter in _in_tables(agreed, readings) if meter.name in lost}
    heads = {
        one.name: (ledger_header(agreement.digest, lab, one.name, period), made.get(one.name, one.head)) for one in meters
    }  # fmt: skip
    readings = [item for item in readings if item[0] not in lost]
    entries = tuple(OpenedEntry(s.tag, s.kind, s.parent1, s.parent2, s.epoch, s.declared, s.weights) for s in slots if s.used)
    entries, registry = tuple(sorted(entries, key=lambda e: e.tag)), (registry_header(lab), head)
    if agreed.registry_rows is None:
        shown = _shown(agreed.meters, readings)
        return {None: OpeningStatement(agreed.log_rows, tuple(heads[one.name] for one in agreed.meters), registry, shown, entries)}
    statements: dict[str | None, OpeningStatement] = {}
    for site in agreed.sites:
        if shown := _shown(site.meters, readings):
            statements[site.name] = OpeningStatement(agreed.log_rows, tuple(heads[one.name] for one in site.meters), None, shown, ())
    statements[None] = OpeningStatement(agreed.registry_rows, (), registry, (), entries)
    return statements


def _in_tables(lab: Lab, readings: Sequence[Opened]) -> Iterator[Meter]:
    """The meters of every table of which a reading is opened."""
    names = {name for name, _, _ in readings}
    for meters in [site.meters for site in lab.sites] or [lab.meters]:
        if not lab.sites or any(meter.name in names for meter in meters):
            yield from meters


def _shown(meters: Sequence[Meter], readings: Sequence[Opened]) -> tuple[OpenedReading, ...]:
    """The opened readings of a table's meters, in the order of its statement."""
    from circuits.opening import OpenedReading

    chains = {meter.name: chain for chain, meter in enumerate(meters, 1)}
    shown = [
        OpenedReading(chains[name], r.epoch, index, r.tag, r.chip_seconds, r.work) for name, index, r in readings if name in chains
    ]
    return tuple(sorted(shown, key=lambda r: (r.chain, r.epoch, r.index)))


def prove_opened(
    agreement: Agreement, lab: str, period: int, behind: Behind, readings: Sequence[Opened], slots: Sequence[Slot],
    made: Mapping[str, bytes] | None = None, only: str | None = None, lost: Collection[str] = (),
) -> tuple[tuple[str | None, bytes], ...]:  # fmt: skip
    """Prove that readings, and the used ones among ``slots``, stand behind the heads.

    Args:
        made: proofs of sites that are made already, by site.
        only: the site whose proof is made, and no other.

    Raises:
        zk.errors.WitnessError: they do not, or the records have other heads.
        ClaimsError: a site's ledgers are not here, and no proof of it is.
    """
    from circuits.open_records import OpeningWitness, WholeRegistry, prove_opening

    agreed, made = agreement.lab(lab), made or {}
    meters = tuple(MeterHead(one.meter, one.head, one.roots_digest, one.signature) for one in behind.heads)
    ledgers = dict(zip((one.meter for one in behind.heads), behind.ledgers, strict=True))
    proofs = list[tuple[str | None, bytes]]()
    for site, statement in _statements(agreement, lab, period, meters, behind.head, readings, slots, lost).items():
        if site is not None and site in made:
            proofs.append((site, made[site]))
        elif only is None or site == only:
            own = agreed.site(site).meters if site is not None else agreed.meters if not agreed.sites else ()
            entries = tuple(circuit_entry(entry) for entry in behind.entries)
            registry = WholeRegistry(behind.iv, entries, behind.trailer) if site is None else None
            chains = tuple(_ledger(ledgers[meter.name], meter) for meter in own)
            proofs.append((site, prove_opening(statement, OpeningWitness(chains, registry))))
    return tuple(proofs)


def _ledger(found: tuple[Sequence[Reading], LedgerSecrets] | None, meter: Meter) -> LedgerWitness:
    import numpy as np

    from circuits.witness import LedgerWitness

    if found is None:
        what = f"readings of site {meter.site} were drawn, and its store has them"
        raise ClaimsError(what, "have it open them (standstill building open), and give its file (--part)")
    rows, blinding = found
    columns = np.array([(r.epoch, r.tag, r.chip_seconds, r.work) for r in rows], dtype=np.int64).T
    return LedgerWitness(blinding.iv, columns[0], columns[1], columns[2], columns[3], blinding.trailer)


def bind(
    agreement: Agreement, lab: str, period: int, behind: Behind, readings: Sequence[Opened], slots: Sequence[Slot],
    key: SigningKey, made: Mapping[str, bytes] | None = None, lost: Collection[str] = (),
) -> Binding:  # fmt: skip
    """As :func:`prove_opened`, with the heads, the registry's signed as a claim does."""
    proofs = prove_opened(agreement, lab, period, behind, readings, slots, made, lost=lost)
    meters = tuple(MeterHead(one.meter, one.head, one.roots_digest, one.signature) for one in behind.heads)
    signature = sign_registry_head(key, agreement.digest, lab, period, behind.head, behind.lists)
    return Binding(meters, behind.head, behind.lists, signature, proofs)


def check_heads(
    agreement: Agreement, lab: str, period: int, binding: Binding, lost: Collection[str] = (), undated: Sequence[Agreement] = ()
) -> None:
    """Check that the heads are those of exactly the agreed meters, and every signature. Raises BadSignature.

    Args:
        agreement: with the keys in force at the entry of the claim, by which meters signed.
        lost: names of lost meters, which may have no head.
        undated: with each set of keys that counts for the lab's own signature, which is made anew; none: as ``agreement``.
    """
    agreed, digest = agreement.lab(lab), agreement.digest
    keys = {meter.name: meter.whole_key for meter in agreed.meters}
    for one in binding.meters:
        if one.name in lost and (one.head, one.signature) == (NO_HEAD, bytes(64)):
            continue
        message = ledger_head_message(digest, lab, one.name, period, one.head, one.roots_digest)
        check_signature(f"meter {one.name} on its ledger head", keys[one.name], one.signature, message)
    message = registry_head_message(digest, lab, period, binding.head, binding.lists)
    signed_by_any(undated or (agreement,), f"lab {lab} on its registry head", lab, binding.signature, message)


def check_binding(
    agreement: Agreement, lab: str, period: int, binding: Binding, readings: Sequence[Opened], slots: Sequence[Slot],
    lost: Collection[str] = (),
) -> None:  # fmt: skip
    """Verify the proofs for what was opened. Raises zk.errors.ZkError.

    ``lost``: names of lost meters, whose ledgers anybody makes: no proof is about their readings.
    """
    from circuits.opening import verify_opening

    statements = _statements(agreement, lab, period, binding.meters, binding.head, readings, slots, lost)
    if [site for site, _ in binding.proofs] != list(statements):
        raise MalformedProof("there is not one proof for each site of which something is opened, and one for the registry")
    for site, proof in binding.proofs:
        try:
            verify_opening(statements[site], proof)
        except ZkError as error:
            if site is None:
                raise
            raise MalformedProof(f"site {site}: {error}") from None
