"""A software meter: turns a period's usage into readings that cover every chip-second, and signs their head.

    usage (exact chip-milliseconds) --cover--> readings of an epoch --salted Merkle tree--> root --Ed25519--> epoch seal
    readings of a period --sponge--> ledger head, and digest of the epoch roots --Ed25519--> signed head

A real meter sits in the rack and signs what it measured. This one signs what it was given, with a key of its
own, kept apart from the lab's: it stands in for hardware that does not exist yet, and says nothing about truth.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from claims.agreement.model import Agreement
from claims.agreement.signatures import epoch_root_message, sign_ledger_head
from claims.agreement.terms import Meter
from claims.base.errors import ClaimsError
from claims.claim.commitments import SEED_BYTES, epoch_root, roots_digest
from claims.lab import heads
from claims.lab.closing import check_order, check_turn, signed_otherwise
from claims.lab.lineage import unfinished
from claims.lab.registry import check_enrolled, check_receivers, keep_calendar
from claims.lab.store import IDLE, EpochSeal, LedgerSecrets, Reading, SignedHead, Store, Usage, fresh_elements

__all__ = ["CoverageError", "SoftwareMeter", "check_coverage", "cover", "ledger_head"]

MAX_AMOUNT = 2**48 - 1


class CoverageError(ClaimsError):
    """An epoch's chip-seconds do not sum to chips x epoch length, or usage lies outside the period."""


@dataclass(frozen=True)
class _Terms:
    """What rounding one epoch needs to know."""

    meter: str
    coverage: int
    peak: int | None  # None: metered


def cover(
    usage: Iterable[Usage], meter: Meter, agreement: Agreement, period: int, epochs: Iterable[int] | None = None
) -> list[Reading]:
    """Readings of a meter for a period, or some of its epochs: usage rounded to whole chip-seconds, idle time filled in.

    Busy time rounds up, tag by tag, as far as the epoch has room; an epoch that is busy throughout sums exactly.
    Under ``charge = "peak"`` work is chip-seconds x class peak; a reading whose work would pass 48 bits is split.

    Raises:
        CoverageError: usage outside the period, more chip-time than the meter's chips have, or, under
            ``charge = "metered"``, usage without work.
    """
    first, last = agreement.period_epochs(period)
    peak = agreement.chip(meter.chip).peak if agreement.rules_at(period).charge_peak else None
    terms = _Terms(meter.name, agreement.coverage(meter), peak)
    by_epoch: dict[int, list[Usage]] = {}
    for item in usage:
        if not first <= item.epoch <= last:
            raise CoverageError(
                f"meter {meter.name}: epoch {item.epoch} is not one of period {period} ({first} to {last})"
            )
        by_epoch.setdefault(item.epoch, []).append(item)
    readings: list[Reading] = []
    for epoch in range(first, last + 1) if epochs is None else epochs:
        readings += _cover_epoch(epoch, by_epoch.get(epoch, ()), terms)
    return readings


def _cover_epoch(epoch: int, usage: Sequence[Usage], terms: _Terms) -> list[Reading]:
    milliseconds: dict[int, int] = {}
    work: dict[int, int] = {}
    for item in usage:
        if item.work is None and terms.peak is None:
            raise CoverageError(
                f"meter {terms.meter}: epoch {epoch} has usage without work",
                'the agreement charges "metered": give the column work_flop',
            )
        milliseconds[item.tag] = milliseconds.get(item.tag, 0) + item.chip_ms
        work[item.tag] = work.get(item.tag, 0) + (item.work or 0)
    busy_ms = sum(milliseconds.values())
    if busy_ms > terms.coverage * 1000:
        busy = -(-busy_ms // 1000)
        raise CoverageError(
            f"meter {terms.meter}: epoch {epoch} has {busy} busy chip-seconds, its chips have {terms.coverage}",
            "overlapping jobs used more chips than the meter has: amend its chip count, or give the other chips a meter",
        )
    seconds = _round_up(milliseconds, terms.coverage)
    readings: list[Reading] = []
    for tag in sorted(seconds):
        charged = seconds[tag] * terms.peak if terms.peak is not None else work[tag]
        readings += _split(epoch, tag, seconds[tag], charged, terms.peak)
    idle = terms.coverage - sum(seconds.values())
    if idle or not readings:
        readings.append(Reading(epoch, IDLE, idle, 0))
    return readings


def _round_up(milliseconds: dict[int, int], room: int) -> dict[int, int]:
    """Whole seconds per tag: each rounded up while their sum fits in ``room``; the largest fractions first."""
    seconds = {tag: ms // 1000 for tag, ms in milliseconds.items()}
    spare = room - sum(seconds.values())
    fractions = sorted(
        (tag for tag, ms in milliseconds.items() if ms % 1000), key=lambda tag: (-(milliseconds[tag] % 1000), tag)
    )
    for tag in fractions[:spare]:
        seconds[tag] += 1
    return seconds


def _split(epoch: int, tag: int, seconds: int, work: int, peak: int | None) -> list[Reading]:
    if work <= MAX_AMOUNT:
        return [Reading(epoch, tag, seconds, work)]
    if peak is None:
        pieces = [Reading(epoch, tag, 0, MAX_AMOUNT) for _ in range(work // MAX_AMOUNT)]
        return [*pieces, Reading(epoch, tag, seconds, work % MAX_AMOUNT)]
    step = MAX_AMOUNT // peak
    parts = [step] * (seconds // step) + ([seconds % step] if seconds % step else [])
    return [Reading(epoch, tag, part, part * peak) for part in parts]


def check_coverage(readings: Iterable[Reading], meter: Meter, agreement: Agreement, period: int) -> None:
    """Check readings as R2 and R3 will: epochs first to last in order, exact chip-seconds, work as charged.

    Raises:
        CoverageError: naming the meter, the epoch and the amounts.
    """
    first, last = agreement.period_epochs(period)
    coverage = agreement.coverage(meter)
    peak = agreement.chip(meter.chip).peak if agreement.rules_at(period).charge_peak else None
    expected, total = first, 0

    def finish(epoch: int) -> None:
        if total != coverage:
            raise CoverageError(
                f"meter {meter.name}: epoch {epoch} sums to {total} of {coverage} chip-seconds",
                "every chip-second is accounted for, idle time included",
            )

    for reading in readings:
        if reading.epoch == expected + 1:
            finish(expected)
            expected, total = reading.epoch, 0
        if reading.epoch != expected or reading.epoch > last:
            raise CoverageError(
                f"meter {meter.name}: epoch {reading.epoch} follows epoch {expected} (period: {first} to {last})"
            )
        wanted = 0 if reading.tag == IDLE else reading.work if peak is None else reading.chip_seconds * peak
        if reading.work != wanted or not 0 <= reading.work <= MAX_AMOUNT:
            raise CoverageError(
                f"meter {meter.name}: epoch {reading.epoch} charges {reading.work} where {wanted} is due"
            )
        total += reading.chip_seconds
    if expected != last:
        raise CoverageError(f"meter {meter.name}: its readings end at epoch {expected}, the period at {last}")
    finish(last)


def ledger_head(
    agreement: Agreement, meter: Meter, period: int, readings: Iterable[Reading], blinding: LedgerSecrets
) -> tuple[int, ...]:
    """The sponge head of a ledger (circuits/README.md section 2)."""
    from circuits.statement import ledger_header

    header = ledger_header(agreement.digest, meter.lab, meter.name, period)
    rows = [(r.epoch, r.tag, r.chip_seconds, r.work) for r in readings]
    return heads.ledger_head(blinding.iv, header, rows, blinding.trailer)


class SoftwareMeter:
    """A meter with a signing key of its own.

    Args:
        name: as in the agreement.
        key: the meter's Ed25519 key; never the lab's.
    """

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = name
        self._key = key

    def __repr__(self) -> str:
        return f"SoftwareMeter({self.name!r})"

    def seal_epoch(self, store: Store, agreement: Agreement, epoch: int) -> EpochSeal:
        """Cover an epoch, commit to its readings under a fresh seed, sign the root, and put all of it in the store.

        Usage of the epoch is refused from then on. An epoch that was sealed before under this agreement is returned as it is.

        Raises:
            CoverageError: as in :func:`cover`.
            NotOver: the epoch has not ended.
            ClaimsError: the key is not the one in the agreement, an earlier epoch is not sealed, or work
                toward a checkpoint goes on that the period before left without an entry.
        """
        meter, period = self.enrolled(store, agreement), epoch // agreement.epochs_per_period
        with store.transaction():
            known = store.epoch_seal(self.name, epoch)
            if known is not None:
                return self._known(known, agreement)
            return self._seal_epochs(store, agreement, meter, period, range(epoch, epoch + 1))[0]

    def seal(self, store: Store, agreement: Agreement, period: int) -> SignedHead:
        """Seal the period's remaining epochs, compute the head with fresh blinding values, sign it, and store all of it.

        A period that was signed before under this agreement is returned as it is; a meter signs one head.

        Raises:
            CoverageError, NotOver, ClaimsError: as in :meth:`seal_epoch`, or the meter has not signed the period before;
                then no epoch is sealed that was not before.
        """
        meter = self.enrolled(store, agreement)
        known = store.signed_head(period, self.name)
        if known is not None and known.agreement_digest == agreement.digest:
            return known
        check_turn(store, agreement, self.name, period)
        first, last = agreement.period_epochs(period)
        with store.transaction():
            seals = [self._known(seal, agreement) for seal in store.epoch_seals(period, self.name)]
            seals += self._seal_epochs(store, agreement, meter, period, range(first + len(seals), last + 1))
        readings = store.readings(period, self.name)
        check_coverage(readings, meter, agreement, period)
        blinding = LedgerSecrets(fresh_elements(), fresh_elements())
        head = ledger_head(agreement, meter, period, readings, blinding)
        digest = roots_digest([seal.root for seal in seals])
        signature = sign_ledger_head(self._key, agreement.digest, store.lab, self.name, period, head, digest)
        signed = SignedHead(self.name, period, agreement.digest, head, digest, signature)
        store.seal(signed, blinding)
        return signed

    def enrolled(self, store: Store, agreement: Agreement) -> Meter:
        """The meter as agreed. Raises ClaimRejected, ClaimsError: the agreement has none of this name, another key, or another registry."""
        check_enrolled(store, agreement)
        keep_calendar(store, agreement)
        meter = agreement.lab(store.lab).meter(self.name)
        if self._key.public_key().public_bytes_raw() != meter.key:
            raise ClaimsError(
                f"meter {self.name}: its key is not the one in the agreement", "use the key that was enrolled"
            )
        return meter

    def _known(self, seal: EpochSeal, agreement: Agreement) -> EpochSeal:
        if seal.agreement != agreement.digest:
            raise signed_otherwise(agreement, f"meter {self.name} has signed epoch {seal.epoch}", seal.agreement)
        return seal

    def _seal_epochs(
        self, store: Store, agreement: Agreement, meter: Meter, period: int, epochs: range
    ) -> list[EpochSeal]:
        """Commit to each epoch's readings under a fresh seed, and sign each root (claims/claim/commitments.py)."""
        check_order(store, agreement, self.name, epochs)
        usage = store.usage(period, self.name)
        last = {item.tag: item.epoch for item in usage if item.epoch in epochs}  # usage is in the order of epochs
        check_receivers(store, last)
        continued = [name for name in unfinished(store, period - 1) if store.find_tag(name) in last]
        if continued:
            raise ClaimsError(
                f"meter {self.name}: work toward {continued[0]} goes on, and period {period - 1} left it without an entry",
                "close it first: standstill lab snapshot",
            )
        readings = cover(usage, meter, agreement, period, epochs)
        coverage, size, seals = agreement.coverage(meter), agreement.commitment.readings, []
        for epoch, group in groupby(readings, lambda reading: reading.epoch):
            items, seed = list(group), secrets.token_bytes(SEED_BYTES)
            root = epoch_root(items, epoch, coverage, seed, size)
            message = epoch_root_message(agreement.digest, meter.lab, meter.name, epoch, root)
            seal = EpochSeal(epoch, seed, root, self._key.sign(message), agreement.digest)
            store.seal_epoch(period, self.name, seal, items)
            seals.append(seal)
        return seals
