"""From folded time to the store: an epoch's usage, the mark that it was collected, and the seal, in one transaction."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from claims.agreement.model import Agreement
from claims.agreement.terms import Meter
from claims.claim.records import FIRST_TAG, MAX_AMOUNT, UNATTRIBUTED, Usage
from claims.collect.errors import CollectError
from claims.collect.samples import FULL, MAX_CHIPS, Job
from claims.collect.spool import Header, Spool
from claims.collect.timeline import Carry, EpochUsage, Gap, Policy, fold_epoch
from claims.imports.tables import read_jobs
from claims.imports.usage import UNATTRIBUTED_WORDS
from claims.lab.closing import next_epoch
from claims.lab.meter import SoftwareMeter
from claims.lab.registry import RECEIVERS
from claims.lab.store import Store
from claims.lab.store_imports import COLLECTED, EVER

__all__ = ["BEFORE", "ELSE", "SEALED", "Sealed", "Sealing", "first_epoch"]

SEALED, BEFORE, ELSE = "sealed", "before", "else"


@dataclass(frozen=True)
class Sealed:
    """What became of an epoch. Amounts are chip-milliseconds.

    Attributes:
        epoch: which one.
        fate: ``SEALED`` now; ``BEFORE`` a crash, by this collector; or by something ``ELSE``, and nothing of the spool is in it.
        busy: by the checkpoint's private name, "unattributed" (gaps included) among them.
        idle: seen idle.
        gaps: by reason, the longest first.
        work: units of 10^12 FLOP, or None under a charge at peak.
    """

    epoch: int
    fate: str = SEALED
    busy: dict[str, int] = field(default_factory=dict)
    idle: int = 0
    gaps: tuple[tuple[str, Gap], ...] = ()
    work: int | None = None


def first_epoch(store: Store, agreement: Agreement, meter: str) -> int:
    """The first epoch of the agreement that the meter has not sealed."""
    epoch = next_epoch(store, agreement, meter)
    if epoch < agreement.periods * agreement.epochs_per_period:
        return epoch
    raise CollectError(f"meter {meter} has sealed every epoch of the agreement", "amend the agreement to go on")


def _mark(store: Store, meter: str, epoch: int) -> bytes:
    text = f"standstill/collected/v1\0{store.lab}\0{meter}\0{epoch}"
    return hashlib.sha256(text.encode()).digest()


def _collected(store: Store, meter: str, epoch: int) -> bool:
    """Whether the epoch's mark is in the store."""
    return store.imported(_mark(store, meter, epoch))


@dataclass
class Sealing:
    """Seals a meter's epochs from its spool.

    Args:
        meter: holds the key.
        jobs: file that maps jobs to checkpoints, read again for every epoch; None: jobs go by their own names.
        signing: encloses the sealing of an epoch (``claims.lab.signing.signing``).
    """

    store: Store
    agreement: Agreement
    meter: SoftwareMeter
    policy: Policy
    jobs: Path | None = None
    signing: Callable[[], AbstractContextManager[object]] = nullcontext

    @property
    def terms(self) -> Meter:
        """The meter as agreed."""
        return self.agreement.lab(self.store.lab).meter(self.meter.name)

    def span(self, epoch: int) -> tuple[int, int]:
        """Begin and end of an epoch, Unix ms."""
        begin, end = self.agreement.epoch_span(epoch)
        return begin * 1000, end * 1000

    def ended(self, epoch: int) -> bool:
        """Whether the agreement has no such epoch any more."""
        return epoch >= self.agreement.periods * self.agreement.epochs_per_period

    def due(self, spool: Spool) -> bool:
        """Whether the spool's polls decide its epoch."""
        epoch = spool.header.epoch
        return not self.ended(epoch) and spool.last >= self.span(epoch)[1] + max(self.policy.max_gap, 1)

    def begin(self, folder: Path, epoch: int | None, now: int) -> Spool:
        """Open the folder's spool, or begin one with ``epoch`` (None: the first that is not sealed, if it has not ended).

        Raises:
            CollectError: naming what would be charged in full, or twice.
        """
        if self.terms.chips > MAX_CHIPS:
            raise CollectError(f"meter {self.terms.name} has more than {MAX_CHIPS} chips", "give halls meters of their own")
        if (folder / "spool").exists():
            if epoch is not None:
                raise CollectError(f"{folder} was collected into before", "leave out --from-epoch: it says where a new folder begins")
            spool = Spool.open(folder, self.store.lab, self.meter.name)
            begun = self.agreement.first_period_of(self.store.lab)
            if spool.header.epoch < begun * self.agreement.epochs_per_period:
                spool.close()
                what = f"epoch {spool.header.epoch} is of period {spool.header.epoch // self.agreement.epochs_per_period}"
                raise CollectError(
                    f"{folder} holds polls from before this agreement: {what}, which is not sealed",
                    "run it with the agreement that held then, until that period is sealed, and then with this one",
                )
            return spool
        epoch = self._first(epoch, now)
        carry = Carry(max(0, self.span(epoch)[0] - self.policy.max_gap))  # a poll shortly before tells of the beginning
        return Spool.create(folder, Header(self.store.lab, self.meter.name, epoch, carry))

    def _first(self, epoch: int | None, now: int) -> int:
        name = self.meter.name
        unsealed = first_epoch(self.store, self.agreement, name)
        if epoch is None and self.span(unsealed)[1] <= now:
            raise CollectError(
                f"meter {name}: epoch {unsealed} has ended and is not sealed",
                f"seal what was imported (standstill epoch seal), or charge it in full with --from-epoch {unsealed}",
            )
        epoch = unsealed if epoch is None else epoch
        if epoch < unsealed or self.ended(epoch):
            raise CollectError(f"collecting cannot begin with epoch {epoch}", f"the first epoch that is not sealed is {unsealed}")
        for period in range(epoch // self.agreement.epochs_per_period, self.agreement.periods):
            taken = [item.epoch for item in self.store.usage(period, name, range(epoch, EVER.stop))]
            if taken:
                raise CollectError(
                    f"meter {name}: usage of epoch {taken[0]} was imported, and would be charged twice",
                    "begin after the imported epochs with --from-epoch",
                )
        return epoch

    def seal_next(self, spool: Spool) -> tuple[Sealed, Spool]:
        """Seal the spool's epoch, which is due, and return the spool of the next one.

        Raises:
            ClaimsError: the store or the meter refuses; nothing was changed.
        """
        epoch = spool.header.epoch
        jobs = read_jobs(self.jobs)

        @functools.lru_cache(maxsize=4096)
        def resolve(job: Job, begin: int, end: int) -> list[tuple[str | None, int, int]]:
            pieces = jobs.pieces(*job, begin, end)
            return [(self._checkpoint(label, job), a, b) for label, a, b in pieces]

        usage, carry, used = fold_epoch(
            spool.header.carry, spool.polls(), self.span(epoch), self.terms.chips, self.policy, resolve
        )
        sealed = self._store(epoch, usage)
        return sealed, spool.advance(carry, used)

    def _checkpoint(self, label: str | None, job: Job) -> str | None:
        """The name to charge: as mapped, else the job's id or name where the store knows one of them."""
        if label is not None:
            return None if label.lower() in UNATTRIBUTED_WORDS else label
        return next((text for text in job if self.store.find_tag(text) is not None), None)

    def _store(self, epoch: int, folded: EpochUsage) -> Sealed:
        store, name, period = self.store, self.meter.name, epoch // self.agreement.epochs_per_period
        through = store.sealed_through(period, name)
        if through is not None and epoch <= through:
            return Sealed(epoch, BEFORE if _collected(store, name, epoch) else ELSE)
        with self.signing(), store.transaction():
            if store.usage(period, name, range(epoch, epoch + 1)):
                raise CollectError(
                    f"meter {name}: usage of epoch {epoch} was imported, and would be charged twice",
                    "the collector accounts for all of a meter's time: seal this epoch as imported, with standstill epoch seal",
                )
            store.begin_import(_mark(store, name, epoch), COLLECTED, f"{name}, epoch {epoch}")
            amounts, work = self._amounts(epoch, folded), None
            usage = [Usage(epoch, tag, *values) for tag, values in sorted(amounts.items())]
            store.add_usage(period, name, usage)
            self.meter.seal_epoch(store, self.agreement, epoch)
        if not self.agreement.rules_at(period).charge_peak:
            work = sum(item.work or 0 for item in usage)
        busy = {store.name(item.tag): item.chip_ms for item in usage}
        gaps = sorted(folded.gaps.items(), key=lambda item: -item[1].chip_ms)
        return Sealed(epoch, SEALED, busy, folded.idle, tuple(gaps), work)

    def _amounts(self, epoch: int, folded: EpochUsage) -> dict[int, tuple[int, int | None]]:
        """Chip-milliseconds and work by tag, work rounded up once for each tag. What came after its checkpoint is unattributed."""
        peak, period = self.agreement.chip(self.terms.chip).peak, epoch // self.agreement.epochs_per_period
        sums: dict[int, list[int]] = {}
        for label, amounts in folded.busy.items():
            tag = UNATTRIBUTED if label is None else self.store.tag_in(label, period)
            tag = tag if tag >= FIRST_TAG and self._receives(tag, epoch) else UNATTRIBUTED  # no label can make a busy chip idle
            sums[tag] = [a + b for a, b in zip(sums.get(tag, (0, 0)), amounts, strict=True)]
        self._fit(sums, peak)
        metered = not self.agreement.rules_at(period).charge_peak
        scale = FULL * 1000
        return {tag: (ms, -(-weighted * peak // scale) if metered else None) for tag, (ms, weighted) in sums.items()}

    def _receives(self, tag: int, epoch: int) -> bool:
        noted = self.store.noted(tag)
        return noted is None or (noted.kind in RECEIVERS and noted.epoch >= epoch)

    def _fit(self, sums: dict[int, list[int]], peak: int) -> None:
        """Charge the least checkpoints as unattributed where an epoch would have more readings than are agreed."""
        split = sum(ms for ms, _ in sums.values()) * peak // 1000 // MAX_AMOUNT  # readings of more than 48 bits of work
        room = max(0, self.agreement.readings(self.terms) - 2 - 2 * split)
        named = sorted((tag for tag in sums if tag != UNATTRIBUTED), key=lambda tag: (-sums[tag][0], tag))
        for tag in named[room:]:
            rest: Sequence[int] = sums.get(UNATTRIBUTED, (0, 0))
            sums[UNATTRIBUTED] = [a + b for a, b in zip(rest, sums.pop(tag), strict=True)]
